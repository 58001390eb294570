// The gRPC server behind the proxy: HTTP/2 without TLS, nghttp2's sessions on one epoll loop. A call that brings a whole
// message of 100 bytes is answered with one, and with status 0 in trailers; any other call has status 3.
//
//   call_origin PORT       listens on 0.0.0.0
//
// A connection that begins with anything but HTTP/2 is told, by HTTP/1.1, what was served so far with status 0, and
// closed: {"requests": …, "connections": …}.
#include "server.h"

#include <nghttp2/nghttp2.h>

enum { messageHead = 5, messageSize = messageHead + 100 };

typedef struct {
    int descriptor;
    nghttp2_session *session;  // NULL until the first bytes have come
    // What the socket did not take.
    uint8_t *unsent;
    size_t unsentLength;
} Connection;

static unsigned long long calls, connections;
static nghttp2_session_callbacks *callbacks;
static uint8_t received[bytesAtOnce], sending[2 * bytesAtOnce];
static uint8_t message[messageSize];

#define FIELD(name, value) {(uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1, 0}
static const nghttp2_nv head[] = {FIELD(":status", "200"), FIELD("content-type", "application/grpc")};
static const nghttp2_nv served[] = {FIELD("grpc-status", "0")};
static const nghttp2_nv invalid[] = {FIELD("grpc-status", "3")};

// The bytes of a call's body that have come are its stream's user data.
static int dataReceived(
    nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t length, void *connection) {
    (void)flags, (void)data, (void)connection;
    uintptr_t before = (uintptr_t)nghttp2_session_get_stream_user_data(session, stream);
    nghttp2_session_set_stream_user_data(session, stream, (void *)(before + length));
    return 0;
}

static ssize_t readMessage(
    nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t length, uint32_t *flags,
    nghttp2_data_source *source, void *connection) {
    (void)source, (void)connection;
    if (length < messageSize) return NGHTTP2_ERR_DEFERRED;
    uintptr_t body = (uintptr_t)nghttp2_session_get_stream_user_data(session, stream);
    memcpy(buffer, message, messageSize);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, stream, body == messageSize ? served : invalid, 1);
    if (body == messageSize) calls += 1;
    return messageSize;
}

static int frameReceived(nghttp2_session *session, const nghttp2_frame *frame, void *connection) {
    (void)connection;
    bool ends = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (!ends || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    nghttp2_data_provider body = {.read_callback = readMessage};
    return nghttp2_submit_response(session, frame->hd.stream_id, head, 2, &body);
}

static void finish(Connection *connection) {
    close(connection->descriptor);
    nghttp2_session_del(connection->session);
    free(connection->unsent);
    free(connection);
}

// Sends `length` bytes and keeps what the socket does not take. False: the connection is gone.
static bool sendOrKeep(Connection *connection, const uint8_t *bytes, size_t length) {
    ssize_t sent = send(connection->descriptor, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0) sent = 0;
    size_t left = length - (size_t)sent;
    uint8_t *kept = NULL;
    if (left) {
        kept = malloc(left);
        if (!kept) abort();
        memcpy(kept, bytes + sent, left);
    }
    free(connection->unsent);
    connection->unsent = kept;
    connection->unsentLength = left;
    return true;
}

// Sends what the session has to say, as long as the socket takes it. False: the connection is over.
static bool flush(Connection *connection) {
    if (connection->unsent && !sendOrKeep(connection, connection->unsent, connection->unsentLength)) return false;
    while (!connection->unsent) {
        size_t filled = 0;
        const uint8_t *part;
        ssize_t length = 1;
        while (filled < bytesAtOnce && (length = nghttp2_session_mem_send(connection->session, &part)) > 0) {
            memcpy(sending + filled, part, (size_t)length);
            filled += (size_t)length;
        }
        if (length < 0) return false;
        if (filled == 0) break;
        if (!sendOrKeep(connection, sending, filled)) return false;
    }
    return nghttp2_session_want_read(connection->session) || nghttp2_session_want_write(connection->session);
}

static void tellCounts(Connection *connection) {
    char body[128], whole[256];
    int length = snprintf(body, sizeof body, "{\"requests\": %llu, \"connections\": %llu}\n", calls, connections);
    length = snprintf(
        whole, sizeof whole, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", length, body);
    send(connection->descriptor, whole, (size_t)length, MSG_NOSIGNAL);
}

static bool greet(Connection *connection) {
    if (nghttp2_session_server_new(&connection->session, callbacks, connection)) abort();
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000}};
    connections += 1;
    return nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 1) == 0 &&
           nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, 1 << 20) == 0;
}

// One turn of a connection. False: it is to be closed.
static bool serve(Connection *connection, unsigned events) {
    if (events & (EPOLLHUP | EPOLLERR)) return false;
    for (;;) {
        ssize_t got = recv(connection->descriptor, received, sizeof received, 0);
        if (got == 0) return false;
        if (got < 0 && errno == EAGAIN) break;
        if (got < 0) return false;
        if (!connection->session) {
            if (received[0] == 'P') {
                if (!greet(connection)) return false;
            } else {
                tellCounts(connection);
                return false;
            }
        }
        if (nghttp2_session_mem_recv(connection->session, received, (size_t)got) < 0) return false;
        // A short read emptied the socket; edge-triggered polling tells of what comes next, and of an end that came
        // together with these bytes.
        if ((size_t)got < sizeof received && !(events & EPOLLRDHUP)) break;
    }
    return !connection->session || flush(connection);
}

static void acceptAll(int listener) {
    for (int descriptor; (descriptor = acceptNext(listener)) >= 0;) {
        Connection *connection = calloc(1, sizeof *connection);
        if (!connection) abort();
        connection->descriptor = descriptor;
        watch(descriptor, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, connection);
    }
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: call_origin PORT\n");
        return 2;
    }
    // Not compressed, and the length of what follows.
    memset(message, 'x', sizeof message);
    memcpy(message, (uint8_t[]){0, 0, 0, 0, messageSize - messageHead}, messageHead);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frameReceived);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, dataReceived);

    int listener = listenOn(INADDR_ANY, arguments[1]);
    for (;;) {
        struct epoll_event events[eventsPerTurn];
        int ready = epoll_wait(poller, events, eventsPerTurn, -1);
        for (int index = 0; index < ready; index++) {
            Connection *connection = events[index].data.ptr;
            if (!connection) acceptAll(listener);
            else if (!serve(connection, events[index].events)) finish(connection);
        }
    }
}
