#include "CNGHTTP2.h"

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *connection) {
    (void)session, (void)buffer;
    return cnghttp2_body_next(connection, stream, source->ptr, length, flags);
}

nghttp2_data_provider cnghttp2_provider(void *body) {
    nghttp2_data_provider provider = {.source.ptr = body, .read_callback = read_body};
    return provider;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                     nghttp2_data_source *source, void *connection) {
    (void)session;
    return cnghttp2_body_write(connection, frame->hd.stream_id, source->ptr, head, length);
}

static int invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *connection) {
    (void)session, (void)error;
    if (frame->hd.type == NGHTTP2_HEADERS) cnghttp2_head_refused(connection);
    return 0;
}

static int invalid_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                         const uint8_t *value, size_t length, uint8_t flags, void *connection) {
    (void)session, (void)frame, (void)name, (void)name_length, (void)value, (void)length, (void)flags;
    cnghttp2_head_refused(connection);
    // nghttp2 would overlook it; others would not, and then there are two readings of one message.
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static nghttp2_session_callbacks *callbacks(void) {
    nghttp2_session_callbacks *made;
    if (nghttp2_session_callbacks_new(&made)) return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, cnghttp2_head_began);
    nghttp2_session_callbacks_set_on_header_callback(made, cnghttp2_field);
    nghttp2_session_callbacks_set_on_invalid_header_callback(made, invalid_field);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, invalid_frame);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, cnghttp2_frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, cnghttp2_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, cnghttp2_stream_closed);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, cnghttp2_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(made, cnghttp2_frame_not_sent);
    nghttp2_session_callbacks_set_send_data_callback(made, send_data);
    return made;
}

static nghttp2_session *session(void *connection, int is_server) {
    nghttp2_session_callbacks *made = callbacks();
    nghttp2_option *options;
    nghttp2_session *session = NULL;
    if (!made) return NULL;
    if (nghttp2_option_new(&options) == 0) {
        // Windows are opened as bytes are passed on, not as they arrive.
        nghttp2_option_set_no_auto_window_update(options, 1);
        // Closed streams are kept for the sake of priorities, which nobody follows.
        nghttp2_option_set_no_closed_streams(options, 1);
        // An answer's head may have 64 KiB, a request's what the listener allows; beyond the default they would not be sent.
        nghttp2_option_set_max_send_header_block_length(options, CNGHTTP2_HEAD_LIMIT);
        // What clients may reset is counted by whoever owns the session, together with all else that they may do.
        nghttp2_option_set_stream_reset_rate_limit(options, UINT32_MAX, UINT32_MAX);
        if (is_server)
            nghttp2_session_server_new2(&session, made, connection, options);
        else
            nghttp2_session_client_new2(&session, made, connection, options);
        nghttp2_option_del(options);
    }
    nghttp2_session_callbacks_del(made);
    return session;
}

nghttp2_session *cnghttp2_server(void *connection) { return session(connection, 1); }

nghttp2_session *cnghttp2_client(void *connection) { return session(connection, 0); }
