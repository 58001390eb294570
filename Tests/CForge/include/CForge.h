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

/// Leaves an error of the SSL library in this thread's queue, as a call that failed before would.
void cforge_leave_error(void);

#endif
