// HTTP/2: a few connections, each with as many requests at once as are due. A request is a stream, and so is a gRPC
// call, whose message has five bytes before it and whose status comes in trailers.
#define _GNU_SOURCE
#include "load.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { connectionCount = 4, receiveSize = 64 * 1024, prefixSize = 5, messageSize = 64 };

typedef struct Connection {
    Wire wire;
    nghttp2_session *session;
    bool retiring;  // the proxy takes no further request on it
    int streamCount;
} Connection;

typedef struct Stream {
    Connection *connection;
    long request;  // index into records; -1: it has its outcome
    int32_t id;
    int64_t deadline;
    bool begun;
    int httpStatus, grpcStatus;
    char sent[prefixSize + messageSize];
    size_t sentLength;
    char prefix[prefixSize];
    size_t prefixLength;
    Body body;
    struct Stream *next, *previous;
} Stream;

static Connection *connections[connectionCount];
static Stream *streams;
static char receiveBuffer[receiveSize];

static void finish(Stream *stream, Outcome outcome) {
    if (stream->request < 0) return;
    finishRequest(stream->request, outcome);
    stream->request = -1;
}

static void freeStream(Stream *stream) {
    if (stream->next) stream->next->previous = stream->previous;
    if (stream->previous) stream->previous->next = stream->next;
    else streams = stream->next;
    stream->connection->streamCount -= 1;
    free(stream);
}

// The connection takes no further request: the next one opens another.
static void retire(Connection *connection) {
    connection->retiring = true;
    for (int index = 0; index < connectionCount; index++) {
        if (connections[index] == connection) connections[index] = NULL;
    }
}

static void end(Connection *connection) {
    if (connection->wire.descriptor < 0) return;
    bool wasOpen = connection->wire.state == open;
    if (wasOpen && connection->streamCount == 0 && !connection->retiring) noteIdleClosed();
    retire(connection);
    for (Stream *stream = streams, *next; stream; stream = next) {
        next = stream->next;
        if (stream->connection != connection) continue;
        finish(stream, !wasOpen ? connectFailed : stream->begun ? aborted : closedEarly);
        freeStream(stream);
    }
    nghttp2_session_del(connection->session);
    closeWire(&connection->wire);
}

static void flush(Connection *connection) {
    const uint8_t *bytes;
    for (ssize_t length; (length = nghttp2_session_mem_send(connection->session, &bytes)) != 0;) {
        if (length < 0 || !sendBytes(&connection->wire, bytes, (size_t)length)) return end(connection);
    }
}

// What comes

static void complete(Stream *stream) {
    if (stream->request < 0) return;
    Record *record = &records[stream->request];
    record->status = settings.kind->grpc && stream->httpStatus == 200 ? stream->grpcStatus : stream->httpStatus;
    if (!settings.kind->grpc) return finish(stream, judge(stream->request, &stream->body));
    if (stream->httpStatus != 200 || stream->grpcStatus > 0) return finish(stream, otherStatus);
    uint64_t length = 0;
    for (int index = 1; index < prefixSize; index++) length = length << 8 | (unsigned char)stream->prefix[index];
    bool framed = stream->prefixLength == prefixSize && stream->prefix[0] == 0 && length == stream->body.length;
    finish(stream, stream->grpcStatus < 0 || !framed ? malformed : judge(stream->request, &stream->body));
}

static int takeField(
    nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t nameLength, const uint8_t *value,
    size_t valueLength, uint8_t flags, void *context) {
    (void)flags, (void)context;
    Stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!stream || stream->request < 0) return 0;
    const char *text = (const char *)value;
    if (nameLength == 7 && memcmp(name, ":status", 7) == 0) stream->httpStatus = atoi(text);
    if (nameLength == 11 && memcmp(name, "grpc-status", 11) == 0) stream->grpcStatus = atoi(text);
    noteField(&records[stream->request], (const char *)name, nameLength, text, valueLength);
    return 0;
}

static int takeData(
    nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t length, void *context) {
    (void)flags, (void)context;
    Stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (!stream) return 0;
    const char *bytes = (const char *)data;
    size_t framing = settings.kind->grpc ? prefixSize - stream->prefixLength : 0;
    if (framing > length) framing = length;
    memcpy(stream->prefix + stream->prefixLength, bytes, framing);
    stream->prefixLength += framing;
    takeBody(&stream->body, bytes + framing, length - framing);
    return 0;
}

static int takeFrame(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    if (frame->hd.type == NGHTTP2_GOAWAY) retire(context);
    Stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!stream || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)) return 0;
    if (stream->httpStatus >= 200) stream->begun = true;
    // What follows, if anything, is a reset of what was not sent of the request.
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) complete(stream);
    return 0;
}

static int streamClosed(nghttp2_session *session, int32_t id, uint32_t error, void *context) {
    (void)error, (void)context;
    Stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (!stream) return 0;
    finish(stream, stream->begun ? aborted : closedEarly);
    freeStream(stream);
    return 0;
}

static void readable(Wire *wire) {
    Connection *connection = (Connection *)wire;
    while (wire->descriptor >= 0) {
        size_t got = 0;
        Received received = receiveBytes(wire, receiveBuffer, receiveSize, &got);
        if (received == gotNothingYet) break;
        if (received == gotEnd) return end(connection);
        if (nghttp2_session_mem_recv(connection->session, (uint8_t *)receiveBuffer, got) < 0) return end(connection);
        flush(connection);
    }
    if (wire->descriptor >= 0 && connection->retiring && connection->streamCount == 0) end(connection);
}

// What goes

static ssize_t giveBody(
    nghttp2_session *session, int32_t id, uint8_t *bytes, size_t size, uint32_t *flags, nghttp2_data_source *source,
    void *context) {
    (void)session, (void)id, (void)context;
    Stream *stream = source->ptr;
    size_t length = stream->sentLength < size ? stream->sentLength : size;
    memcpy(bytes, stream->sent, length);
    memmove(stream->sent, stream->sent + length, stream->sentLength - length);
    stream->sentLength -= length;
    if (stream->sentLength == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)length;
}

static nghttp2_nv pair(const char *name, const char *value) {
    return (nghttp2_nv){
        .name = (uint8_t *)name, .namelen = strlen(name), .value = (uint8_t *)value, .valuelen = strlen(value)};
}

static void submit(Stream *stream) {
    char target[256], identity[32], message[messageSize + 1];
    writeTarget(target, sizeof target, stream->request);
    snprintf(identity, sizeof identity, "q%ld", stream->request);
    nghttp2_nv fields[16];
    size_t count = 0;
    bool grpc = settings.kind->grpc, hasBody = grpc || isPost();
    fields[count++] = pair(":method", grpc ? "POST" : settings.method);
    fields[count++] = pair(":scheme", settings.kind->encrypted ? "https" : "http");
    fields[count++] = pair(":authority", "faults.test");
    fields[count++] = pair(":path", target);
    fields[count++] = pair("user-agent", "load");
    fields[count++] = pair("x-request-id", identity);
    if (grpc) {
        fields[count++] = pair("content-type", "application/grpc");
        fields[count++] = pair("te", "trailers");
        fields[count++] = pair("grpc-timeout", "3S");
        memcpy(stream->sent, (char[]){0, 0, 0, 0, messageSize}, prefixSize);
        stream->sentLength = prefixSize;
    } else if (hasBody) {
        fields[count++] = pair("content-type", "text/plain");
        fields[count++] = pair("content-length", "64");
    }
    if (hasBody) {
        writeBody(message, sizeof message, stream->request);
        memcpy(stream->sent + stream->sentLength, message, messageSize);
        stream->sentLength += messageSize;
    }
    nghttp2_data_provider body = {.source.ptr = stream, .read_callback = giveBody};
    stream->id = nghttp2_submit_request(
        stream->connection->session, NULL, fields, count, hasBody ? &body : NULL, stream);
    if (stream->id < 0) abort();
}

static Connection *openConnection(void) {
    static nghttp2_session_callbacks *callbacks;
    if (!callbacks) {
        if (nghttp2_session_callbacks_new(&callbacks) != 0) abort();
        nghttp2_session_callbacks_set_on_header_callback(callbacks, takeField);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, takeData);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, takeFrame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, streamClosed);
    }
    Connection *connection = calloc(1, sizeof *connection);
    if (!connection || nghttp2_session_client_new(&connection->session, callbacks, connection) != 0) abort();
    nghttp2_settings_entry entries[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, entries, 1);
    openWire(&connection->wire);
    return connection;
}

static void launch(long number, int64_t deadline) {
    Connection **place = &connections[number % connectionCount], *connection = *place;
    if (!connection) connection = *place = openConnection();
    Stream *stream = calloc(1, sizeof *stream);
    if (!stream) abort();
    stream->connection = connection;
    stream->request = number;
    stream->deadline = deadline;
    stream->grpcStatus = -1;
    stream->next = streams;
    if (streams) streams->previous = stream;
    streams = stream;
    connection->streamCount += 1;
    submit(stream);
    if (connection->wire.state == open) flush(connection);
}

static void opened(Wire *wire) {
    flush((Connection *)wire);
}

static void failed(Wire *wire) {
    end((Connection *)wire);
}

static void endOverdue(int64_t time) {
    for (Stream *stream = streams; stream; stream = stream->next) {
        if (stream->request < 0 || stream->deadline >= time) continue;
        finish(stream, timedOut);
        nghttp2_submit_rst_stream(stream->connection->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    }
    for (int index = 0; index < connectionCount; index++) {
        Connection *connection = connections[index];
        if (connection && connection->wire.state == open) flush(connection);
    }
}

const Protocol http2 = {
    .name = "h2", .launch = launch, .opened = opened, .readable = readable, .failed = failed, .endOverdue = endOverdue,
};
