// The server behind the proxy in every benchmark: keep-alive HTTP/1.1 on one epoll loop, as little work per
// request as a correct answer allows, so that what is measured is the proxy.
//
//   origin PORT       listens on 0.0.0.0, so that all of 127.0.0.0/8 are endpoints
//
//   GET /bytes/N      N bytes, at most 1 GiB
//   GET /count        {"requests": …, "connections": …}: what was served so far, this request not counted
//   anything else     100 bytes
//
// Request bodies are not read: GET and HEAD-less load only. Pipelined requests are answered in order.
#include "server.h"

enum { headLimit = 8192 };

// Between turns a connection keeps at most a partial head and how much of its answer's body is still unsent.
typedef struct {
    int descriptor;
    bool closing;
    size_t bodyLeft;
    size_t headLength;
    char head[headLimit];
} Connection;

static unsigned long long requests, connections;
static char fill[bytesAtOnce];
static const char answerStart[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
// One answer of 100 bytes, head included, sent by a single write.
static char smallAnswer[512];
static size_t smallAnswerLength;

static void finish(Connection *connection) {
    close(connection->descriptor);
    free(connection);
}

// Sends what is left of the body. False: the connection is gone.
static bool sendBody(Connection *connection) {
    while (connection->bodyLeft > 0) {
        size_t part = connection->bodyLeft < bytesAtOnce ? connection->bodyLeft : bytesAtOnce;
        ssize_t sent = send(connection->descriptor, fill, part, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN;
        connection->bodyLeft -= (size_t)sent;
    }
    return true;
}

// Heads and small answers are far below a socket buffer's size, and the client is idle while it waits: a short
// write cannot happen to an honest client, and one that makes it happen is dropped.
static bool sendWhole(Connection *connection, const char *bytes, size_t length) {
    return send(connection->descriptor, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool answer(Connection *connection, const char *head, size_t length) {
    const char *target = memchr(head, ' ', length);
    if (!target) return false;
    target += 1;
    connection->closing = memmem(head, length, "onnection: close", 16) != NULL;

    if (strncmp(target, "/count ", 7) == 0) {
        char body[128], whole[256];
        int bodyLength =
            snprintf(body, sizeof body, "{\"requests\": %llu, \"connections\": %llu}\n", requests, connections);
        int wholeLength =
            snprintf(whole, sizeof whole, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", bodyLength, body);
        return sendWhole(connection, whole, (size_t)wholeLength);
    }
    requests += 1;
    if (strncmp(target, "/bytes/", 7) == 0) {
        size_t size = strtoul(target + 7, NULL, 10);
        if (size > 1ul << 30) return false;
        char bodyHead[128];
        int headLength = snprintf(bodyHead, sizeof bodyHead, "%sContent-Length: %zu\r\n\r\n", answerStart, size);
        connection->bodyLeft = size;
        return sendWhole(connection, bodyHead, (size_t)headLength) && sendBody(connection);
    }
    return sendWhole(connection, smallAnswer, smallAnswerLength);
}

// Answers every whole request that is buffered. False: the connection is to be closed.
static bool answerBuffered(Connection *connection) {
    size_t from = 0;
    while (connection->bodyLeft == 0 && from < connection->headLength) {
        char *start = connection->head + from;
        char *end = memmem(start, connection->headLength - from, "\r\n\r\n", 4);
        if (!end) break;
        size_t length = (size_t)(end + 4 - start);
        if (!answer(connection, start, length)) return false;
        if (connection->closing && connection->bodyLeft == 0) return false;
        from += length;
    }
    memmove(connection->head, connection->head + from, connection->headLength - from);
    connection->headLength -= from;
    return connection->headLength < headLimit;
}

// One turn of a connection. False: it is to be closed.
static bool serve(Connection *connection, unsigned events) {
    if (events & (EPOLLHUP | EPOLLERR)) return false;
    if (connection->bodyLeft > 0) {
        if (!sendBody(connection)) return false;
        if (connection->bodyLeft > 0) return true;
        if (connection->closing || !answerBuffered(connection)) return false;
    }
    for (;;) {
        size_t room = headLimit - connection->headLength;
        ssize_t got = recv(connection->descriptor, connection->head + connection->headLength, room, 0);
        if (got == 0) return false;
        if (got < 0) return errno == EAGAIN;
        connection->headLength += (size_t)got;
        if (!answerBuffered(connection)) return false;
        // A short read emptied the socket; edge-triggered polling tells of what comes next, and of an end that
        // came together with these bytes.
        if ((size_t)got < room && !(events & EPOLLRDHUP)) return true;
        if (connection->bodyLeft > 0) return true;
    }
}

static void acceptAll(int listener) {
    for (int descriptor; (descriptor = acceptNext(listener)) >= 0;) {
        Connection *connection = malloc(sizeof *connection);
        if (!connection) abort();
        connection->descriptor = descriptor;
        connection->closing = false;
        connection->bodyLeft = connection->headLength = 0;
        connections += 1;
        watch(descriptor, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, connection);
    }
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: origin PORT\n");
        return 2;
    }
    memset(fill, 'x', sizeof fill);
    smallAnswerLength = (size_t)snprintf(
        smallAnswer, sizeof smallAnswer, "%sContent-Length: 100\r\n\r\n%.100s", answerStart, fill);

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
