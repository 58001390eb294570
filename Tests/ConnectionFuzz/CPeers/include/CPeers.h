#ifndef CPEERS_H
#define CPEERS_H

// Peers that speak TLS with the router: a handshake by the book, and after it records of whatever content (CForge).
//
// They share a thread with the router, and so OpenSSL's error queue: each call leaves that as it was.

#include <stddef.h>
#include <stdint.h>

typedef struct cpeers_session cpeers_session;

/// A key and a certificate for `a.test` that signs itself, made once: PEM.
const char *cpeers_certificate(void);
const char *cpeers_key(void);

cpeers_session *cpeers_create(int is_server, int speaks_http2);
void cpeers_free(cpeers_session *session);

/// What the router has sent.
void cpeers_hear(cpeers_session *session, const uint8_t *bytes, size_t count);
/// Goes on with the handshake. 1: done; 0: more is to be heard; -1: it has failed.
int cpeers_go_on(cpeers_session *session);
/// What the handshake says. Returns how many bytes.
size_t cpeers_say(cpeers_session *session, uint8_t *to, size_t room);
/// What the router has said, as plaintext. 0: nothing at present; -1: it has ended; -2: that is no TLS.
long cpeers_read(cpeers_session *session, uint8_t *to, size_t room);
/// Seals a record of a content type, `count` + 22 bytes: after the handshake. 0: there was none.
size_t cpeers_seal(cpeers_session *session, uint8_t type, const uint8_t *content, size_t count, uint8_t *record);

/// How many errors the router has left in the thread's queue.
int cpeers_errors_left(void);

#endif
