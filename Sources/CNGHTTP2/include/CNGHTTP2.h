#ifndef CNGHTTP2_H
#define CNGHTTP2_H

// nghttp2 for Swift: sessions whose callbacks are functions that Swift defines by these names. A session does no I/O:
// bytes go in by nghttp2_session_mem_recv and come out by nghttp2_session_mem_send.

#include <nghttp2/nghttp2.h>

/// The most that a head can have by nghttp2's own estimate of its size when it is compressed badly.
enum { CNGHTTP2_HEAD_LIMIT = 1 << 23 };

/// A session for one connection, which its callbacks are given as their last argument. NULL: out of memory.
nghttp2_session *cnghttp2_server(void *connection);
nghttp2_session *cnghttp2_client(void *connection);

/// What gives a message's body to its session: `body` is handed to `cnghttp2_body_next` and `cnghttp2_body_write`.
nghttp2_data_provider cnghttp2_provider(void *body);

/// A field from bytes that stay where they are until it is submitted, which copies them.
static inline nghttp2_nv cnghttp2_nv(const uint8_t *name, size_t name_length, const uint8_t *value, size_t length) {
    nghttp2_nv nv = {(uint8_t *)name, (uint8_t *)value, name_length, length, NGHTTP2_NV_FLAG_NONE};
    return nv;
}

// Defined in Swift; their contracts are those of nghttp2's callbacks.

int cnghttp2_head_began(nghttp2_session *session, const nghttp2_frame *frame, void *connection);
int cnghttp2_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                   const uint8_t *value, size_t length, uint8_t flags, void *connection);
/// A head was refused for what it is: its stream is reset, and the rest of it is decoded for nothing.
void cnghttp2_head_refused(void *connection);
int cnghttp2_frame_received(nghttp2_session *session, const nghttp2_frame *frame, void *connection);
int cnghttp2_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t length,
                  void *connection);
int cnghttp2_stream_closed(nghttp2_session *session, int32_t stream, uint32_t error, void *connection);
int cnghttp2_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *connection);
/// A frame that was submitted cannot be sent: of a stream that is gone, mostly.
int cnghttp2_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *connection);

/// How many bytes of at most `length` the body has for the next frame; sets `flags`.
long cnghttp2_body_next(void *connection, int32_t stream, void *body, size_t length, uint32_t *flags);
/// Writes a frame's head of nine bytes and then `length` bytes of the body.
int cnghttp2_body_write(void *connection, int32_t stream, void *body, const uint8_t *head, size_t length);

#endif
