#ifndef CFORGE_H
#define CFORGE_H

// Records of TLS 1.3 that OpenSSL would not send, sealed with the keys of a session that it made: for tests that attack.

#include <stddef.h>
#include <stdint.h>

/// Keeps the traffic secrets of the sessions that a context (an SSL_CTX) makes from now on, in the calling thread.
void cforge_keep_secrets(void *context);

/// Seals `content` as one record of a content type, by the secret of this thread's last handshake.
///
/// The session speaks TLS_AES_128_GCM_SHA256. `sequence` counts the records that this side has sealed since its handshake.
/// Returns the record's length, `count` + 22; 0 where there is no secret.
size_t cforge_seal(
    int by_client, uint64_t sequence, uint8_t type, const uint8_t *content, size_t count, uint8_t *record);

/// The same by any secret of 32 bytes.
size_t cforge_seal_by(
    const uint8_t secret[32], uint64_t sequence, uint8_t type, const uint8_t *content, size_t count, uint8_t *record);

/// The secret that follows a KeyUpdate (RFC 8446, 7.2). Sequence numbers begin again with it.
void cforge_next_secret(uint8_t secret[32]);

/// The traffic secret in a line as NSS writes it: a label, the client's random, a secret in hexadecimal digits. Returns 1
/// for the client's, 0 for the server's, -1 for other lines.
int cforge_secret_of_line(const char *line, uint8_t secret[32]);

/// Leaves an error of the SSL library in this thread's queue, as a call that failed before would.
void cforge_leave_error(void);

#endif
