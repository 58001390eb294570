// HTTP/1.1: a connection carries one request at a time.
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// The example of RFC 6455, 1.3: what is sent, and what proves that it was understood.
#define webSocketKey "dGhlIHNhbXBsZSBub25jZQ=="
#define webSocketAccept "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum { headLimit = 8192, receiveSize = 64 * 1024 };

typedef enum { inHead, inLength, inChunkSize, inChunk, afterChunk, inTrailers, untilClose, inFrameStart, inFrameLength } Part;

typedef struct Connection {
    Wire wire;
    bool closing, greeted;
    long request;  // index into records; -1: idle
    int64_t deadline;
    Part part;
    char head[headLimit];
    size_t headLength;
    uint64_t left;       // of the body or the chunk
    size_t lineLength;   // of a chunk size or trailer line, so far
    Body body;
    struct Connection *nextIdle, *previousIdle;
    struct Connection *nextBusy, *previousBusy;
} Connection;

static Connection *idle, *busy;
static char receiveBuffer[receiveSize];

#define LIST(name, Name)                                                                                              \
    static void add##Name(Connection *connection) {                                                                   \
        connection->next##Name = name;                                                                                \
        connection->previous##Name = NULL;                                                                            \
        if (name) name->previous##Name = connection;                                                                  \
        name = connection;                                                                                            \
    }                                                                                                                 \
    static void remove##Name(Connection *connection) {                                                                \
        if (connection->previous##Name) connection->previous##Name->next##Name = connection->next##Name;              \
        else name = connection->next##Name;                                                                           \
        if (connection->next##Name) connection->next##Name->previous##Name = connection->previous##Name;              \
    }

LIST(idle, Idle)
LIST(busy, Busy)

static void finish(Connection *connection, Outcome outcome) {
    finishRequest(connection->request, outcome);
    connection->request = -1;
    removeBusy(connection);
    bool reusable = (outcome == okay || outcome == otherStatus) && !connection->closing;
    if (reusable) addIdle(connection);
    else closeWire(&connection->wire);
}

static void fail(Connection *connection) {
    if (connection->request < 0) {
        noteIdleClosed();
        removeIdle(connection);
        closeWire(&connection->wire);
        return;
    }
    bool begun = connection->headLength > 0 || connection->part != inHead;
    if (connection->wire.state != open) finish(connection, connectFailed);
    else finish(connection, begun ? aborted : closedEarly);
}

static void complete(Connection *connection) {
    finish(connection, judge(connection->request, &connection->body));
}

// The value of a field, trimmed, cut to `size`; empty if the field is absent.
static bool field(const char *head, const char *name, char *value, size_t size) {
    size_t nameLength = strlen(name);
    value[0] = 0;
    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *at = line + 2;
        if (strncasecmp(at, name, nameLength) != 0 || at[nameLength] != ':') continue;
        at += nameLength + 1;
        while (*at == ' ') at++;
        size_t length = strcspn(at, "\r");
        if (length >= size) length = size - 1;
        memcpy(value, at, length);
        value[length] = 0;
        return true;
    }
    return false;
}

// What the records are about.
static void noteFields(Record *record, const char *head) {
    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *name = line + 2, *colon = strchr(name, ':');
        if (!colon) return;
        const char *value = colon + 1 + strspn(colon + 1, " ");
        noteField(record, name, (size_t)(colon - name), value, strcspn(value, "\r"));
    }
}

// Reads a complete head. False: it is not one.
static bool takeHead(Connection *connection) {
    Record *record = &records[connection->request];
    char *head = connection->head, value[64];
    if (sscanf(head, "HTTP/1.1 %3d", &record->status) != 1 || record->status < 100) return false;
    if (record->status < 200 && !(record->status == 101 && settings.kind->upgrades)) {
        connection->headLength = 0;
        return true;
    }
    noteFields(record, head);
    if (field(head, "connection", value, sizeof value)) connection->closing |= strcasecmp(value, "close") == 0;
    connection->body.length = 0;
    if (record->status == 101) {
        connection->part = inFrameStart;
        return field(head, "sec-websocket-accept", value, sizeof value) && strcmp(value, webSocketAccept) == 0;
    }
    if (field(head, "transfer-encoding", value, sizeof value)) {
        if (strcasecmp(value, "chunked") != 0) return false;
        connection->part = inChunkSize;
        connection->left = connection->lineLength = 0;
    } else if (field(head, "content-length", value, sizeof value)) {
        connection->part = inLength;
        connection->left = strtoull(value, NULL, 10);
    } else {
        connection->part = record->status == 204 || record->status == 304 ? inLength : untilClose;
        connection->left = 0;
    }
    if (connection->part == inLength && connection->left == 0) complete(connection);
    return true;
}

// Takes one byte of a WebSocket frame before its payload: one short message, of text (RFC 6455, 5.2). False: malformed.
static bool takeFrameHead(Connection *connection, char byte) {
    if (connection->part == inFrameStart) {
        connection->part = inFrameLength;
        return (unsigned char)byte == 0x81;
    }
    connection->part = inLength;
    connection->left = (uint64_t)byte;
    return byte > 0 && byte < 126;
}

// Takes one byte of chunk framing. False: malformed.
static bool takeFraming(Connection *connection, char byte) {
    if (byte == '\r') return true;
    switch (connection->part) {
    case inChunkSize:
        if (byte == '\n') {
            connection->part = connection->left > 0 ? inChunk : inTrailers;
            bool empty = connection->lineLength == 0;
            connection->lineLength = 0;
            return !empty;
        }
        connection->lineLength += 1;
        const char *digits = "0123456789abcdef", *digit = strchr(digits, byte | 0x20);
        if (!digit || !byte || connection->lineLength > 8) return false;
        connection->left = connection->left * 16 + (uint64_t)(digit - digits);
        return true;
    case afterChunk:
        if (byte != '\n') return false;
        connection->part = inChunkSize;
        connection->left = connection->lineLength = 0;
        return true;
    default:
        if (byte != '\n') connection->lineLength += 1;
        else if (connection->lineLength == 0) complete(connection);
        else connection->lineLength = 0;
        return true;
    }
}

// Takes received bytes. False: they are not an answer.
static bool take(Connection *connection, const char *bytes, size_t length) {
    while (length > 0) {
        // Bytes nobody asked for: after a complete answer, or on an idle connection.
        if (connection->request < 0) return false;
        switch (connection->part) {
        case inHead: {
            if (connection->headLength + 1 >= headLimit) return false;
            connection->head[connection->headLength++] = *bytes++;
            length -= 1;
            size_t known = connection->headLength;
            connection->head[known] = 0;
            bool ends = known >= 4 && memcmp(connection->head + known - 4, "\r\n\r\n", 4) == 0;
            if (ends && !takeHead(connection)) return false;
            break;
        }
        case inLength:
        case inChunk: {
            size_t part = length < connection->left ? length : (size_t)connection->left;
            takeBody(&connection->body, bytes, part);
            bytes += part;
            length -= part;
            connection->left -= part;
            if (connection->left > 0) break;
            if (connection->part == inChunk) connection->part = afterChunk;
            else complete(connection);
            break;
        }
        case inFrameStart:
        case inFrameLength:
            if (!takeFrameHead(connection, *bytes++)) return false;
            length -= 1;
            break;
        case untilClose:
            takeBody(&connection->body, bytes, length);
            length = 0;
            break;
        default:
            if (!takeFraming(connection, *bytes++)) return false;
            length -= 1;
        }
        if (connection->wire.descriptor < 0) return true;
    }
    return true;
}

static void transmit(Connection *connection);

static void readable(Wire *wire) {
    Connection *connection = (Connection *)wire;
    while (wire->descriptor >= 0) {
        size_t got = 0;
        Received received = receiveBytes(wire, receiveBuffer, receiveSize, &got);
        if (received == gotNothingYet) return;
        if (received == gotEnd && connection->request >= 0 && connection->part == untilClose) {
            connection->closing = true;
            return complete(connection);
        }
        if (received == gotEnd) return fail(connection);
        if (!connection->greeted) {
            connection->greeted = true;
            if (got != 1 || receiveBuffer[0] != 0x16) return finish(connection, malformed);
            transmit(connection);
            continue;
        }
        if (take(connection, receiveBuffer, got)) continue;
        if (connection->request >= 0) return finish(connection, malformed);
        return fail(connection);
    }
}

// For server name `a.example`, of TLS 1.2 and one cipher.
static const char hello[] =
    "\x16\x03\x01\x00\x45\x01\x00\x00\x41\x03\x03" "0123456789abcdef0123456789abcdef" "\x00\x00\x02\x00\x2f\x01\x00"
    "\x00\x16\x00\x00\x00\x0e\x00\x0c\x00\x00\x09" "a.example" "\x00\x17\x00\x00";

static const char webSocketFields[] =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " webSocketKey "\r\n";

static void transmit(Connection *connection) {
    if (!connection->greeted) {
        if (!sendBytes(&connection->wire, hello, sizeof hello - 1)) fail(connection);
        return;
    }
    char bytes[512], target[256];
    long number = connection->request;
    writeTarget(target, sizeof target, number);
    int length = snprintf(
        bytes, sizeof bytes,
        "%s %s HTTP/1.1\r\nHost: faults.test\r\nUser-Agent: load\r\nAccept: */*\r\nx-request-id: q%ld\r\n%s%s\r\n",
        settings.method, target, number,
        settings.kind->upgrades            ? webSocketFields
        : settings.kind->connectionForEach ? "Connection: close\r\n"
                                           : "",
        isPost() ? "Content-Type: text/plain\r\nContent-Length: 64\r\n" : "");
    if (isPost()) length += writeBody(bytes + length, sizeof bytes - (size_t)length, number);
    if (!sendBytes(&connection->wire, bytes, (size_t)length)) fail(connection);
}

static Connection *openConnection(void) {
    Connection *connection = calloc(1, sizeof *connection);
    if (!connection) abort();
    connection->greeted = !settings.kind->hello;
    connection->closing = settings.kind->connectionForEach;
    openWire(&connection->wire);
    return connection;
}

static void launch(long number, int64_t deadline) {
    Connection *connection = idle;
    if (connection) removeIdle(connection);
    else connection = openConnection();
    connection->request = number;
    connection->deadline = deadline;
    connection->part = inHead;
    connection->headLength = 0;
    addBusy(connection);
    if (connection->wire.state == open) transmit(connection);
}

static void opened(Wire *wire) {
    transmit((Connection *)wire);
}

static void failed(Wire *wire) {
    fail((Connection *)wire);
}

static void endOverdue(int64_t time) {
    for (Connection *connection = busy, *next; connection; connection = next) {
        next = connection->nextBusy;
        if (connection->deadline < time) finish(connection, timedOut);
    }
}

const Protocol http1 = {
    .name = "http/1.1", .launch = launch, .opened = opened, .readable = readable, .failed = failed,
    .endOverdue = endOverdue,
};
