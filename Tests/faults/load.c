// Open-loop load: requests leave when they are due, whether or not earlier ones were answered, and each one's
// latency counts from the moment it was due. What a closed loop hides (a proxy that stalls also stalls the load
// that would show it) is seen here.
//
//   load -p PORT -r RATE -d SECONDS -o RECORDS [-m GET|POST] [-s SERVICES] [-q QUERY] [-z BODY_BYTES] [-t TIMEOUT]
//        [-c requests|tcp|tls]
//
// Request number n goes to /svcK/item?QUERY with K = n modulo SERVICES, with `x-request-id: qN`, on an idle
// keep-alive connection or else a new one; POST carries 64 bytes. With `-c tcp` each request has a connection of its
// own; with `-c tls` that begins with a ClientHello, and the request follows when a first byte has come back, as in a
// handshake. Nothing is ever tried again. Prints
// `start NANOSECONDS` (CLOCK_MONOTONIC: when the first request is due), and at the end `cpu SECONDS`. RECORDS gets,
// at the end, one line a request:
//
//   number TAB due (µs from start) TAB latency (µs) TAB outcome TAB status TAB region TAB endpoint TAB error
//
// and one line `closed TAB µs` for each connection the proxy closed while it was idle. Outcomes:
//
//   ok         200, framed completely, body whole and this request's own
//   status     another status
//   connect    no connection
//   closed     connection ended before the first byte of an answer
//   aborted    connection ended within an answer, visibly incomplete
//   timeout    no complete answer in time
//   malformed  not HTTP
//   corrupt    an answer complete by its framing whose body is not the whole body, or another request's
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { headLimit = 8192, receiveSize = 64 * 1024, eventsPerTurn = 256, nameSize = 24, bodyStartSize = 64 };

typedef enum { okay, otherStatus, connectFailed, closedEarly, aborted, timedOut, malformed, corrupt, pending } Outcome;
static const char *const outcomeNames[] = {
    "ok", "status", "connect", "closed", "aborted", "timeout", "malformed", "corrupt", "pending"};

typedef struct {
    int64_t due, ended;
    Outcome outcome;
    int status;
    char region[nameSize], endpoint[nameSize], error[nameSize];
} Record;

typedef enum { inHead, inLength, inChunkSize, inChunk, afterChunk, inTrailers, untilClose } Part;

typedef struct Connection {
    int descriptor;
    bool connected, closing, greeted;
    long request;  // index into records; -1: idle
    int64_t deadline;
    Part part;
    char head[headLimit];
    size_t headLength;
    uint64_t left;       // of the body or the chunk
    size_t lineLength;   // of a chunk size or trailer line, so far
    uint64_t bodyLength;
    char bodyStart[bodyStartSize], bodyEnd[4];
    struct Connection *nextIdle, *previousIdle;
    struct Connection *nextBusy, *previousBusy;
} Connection;

static struct {
    int port, services;
    double rate, seconds, timeout;
    const char *method, *query, *records;
    uint64_t bodyBytes;
    bool connectionForEach, hello;
} settings = {.services = 5, .rate = 400, .seconds = 10, .timeout = 10, .method = "GET", .query = ""};

static int poller;
static int64_t start;
static Record *records;
static long requestCount, finishedCount;
static int64_t *idleClosed;
static long idleClosedCount;
static Connection *idle, *busy;
static char receiveBuffer[receiveSize];

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

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

// Connections that ended in this turn; later events of the turn may still name them.
static Connection *ended[eventsPerTurn * 4];
static int endedCount;

static void discard(Connection *connection) {
    close(connection->descriptor);
    connection->descriptor = -1;
    if (endedCount < (int)(sizeof ended / sizeof *ended)) ended[endedCount++] = connection;
}

static void finish(Connection *connection, Outcome outcome) {
    Record *record = &records[connection->request];
    record->outcome = outcome;
    record->ended = now();
    finishedCount += 1;
    connection->request = -1;
    removeBusy(connection);
    bool reusable = (outcome == okay || outcome == otherStatus) && !connection->closing;
    if (reusable) addIdle(connection);
    else discard(connection);
}

static void fail(Connection *connection) {
    if (connection->request < 0) {
        idleClosed[idleClosedCount++] = now();
        removeIdle(connection);
        discard(connection);
        return;
    }
    bool begun = connection->headLength > 0 || connection->part != inHead;
    if (!connection->connected) finish(connection, connectFailed);
    else finish(connection, begun ? aborted : closedEarly);
}

// The answer is complete by its framing: is it the right one?
static void complete(Connection *connection) {
    Record *record = &records[connection->request];
    if (record->status != 200) return finish(connection, otherStatus);
    char expected[32];
    int length = snprintf(expected, sizeof expected, "q%ld ", connection->request);
    bool whole = connection->bodyLength >= (uint64_t)length + 4 &&
                 memcmp(connection->bodyStart, expected, (size_t)length) == 0 &&
                 memcmp(connection->bodyEnd, "end\n", 4) == 0 &&
                 (settings.bodyBytes == 0 || connection->bodyLength == settings.bodyBytes);
    finish(connection, whole ? okay : corrupt);
}

static void takeBody(Connection *connection, const char *bytes, size_t length) {
    if (connection->bodyLength < bodyStartSize) {
        size_t room = bodyStartSize - connection->bodyLength;
        memcpy(connection->bodyStart + connection->bodyLength, bytes, length < room ? length : room);
    }
    if (length >= 4) {
        memcpy(connection->bodyEnd, bytes + length - 4, 4);
    } else {
        memmove(connection->bodyEnd, connection->bodyEnd + length, 4 - length);
        memcpy(connection->bodyEnd + 4 - length, bytes, length);
    }
    connection->bodyLength += length;
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

// Reads a complete head. False: it is not one.
static bool takeHead(Connection *connection) {
    Record *record = &records[connection->request];
    char *head = connection->head, value[64];
    if (sscanf(head, "HTTP/1.1 %3d", &record->status) != 1 || record->status < 100) return false;
    if (record->status < 200) {
        connection->headLength = 0;
        return true;
    }
    field(head, "x-region", record->region, nameSize);
    field(head, "x-endpoint", record->endpoint, nameSize);
    field(head, "x-spillway-error", record->error, nameSize);
    if (field(head, "connection", value, sizeof value)) connection->closing |= strcasecmp(value, "close") == 0;
    connection->bodyLength = 0;
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
            takeBody(connection, bytes, part);
            bytes += part;
            length -= part;
            connection->left -= part;
            if (connection->left > 0) break;
            if (connection->part == inChunk) connection->part = afterChunk;
            else complete(connection);
            break;
        }
        case untilClose:
            takeBody(connection, bytes, length);
            length = 0;
            break;
        default:
            if (!takeFraming(connection, *bytes++)) return false;
            length -= 1;
        }
        if (connection->descriptor < 0) return true;
    }
    return true;
}

static void transmit(Connection *connection);

static void receive(Connection *connection) {
    while (connection->descriptor >= 0) {
        ssize_t got = recv(connection->descriptor, receiveBuffer, receiveSize, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got == 0 && connection->request >= 0 && connection->part == untilClose) {
            connection->closing = true;
            return complete(connection);
        }
        if (got <= 0) return fail(connection);
        if (!connection->greeted) {
            connection->greeted = true;
            if (got != 1 || receiveBuffer[0] != 0x16) return finish(connection, malformed);
            transmit(connection);
            continue;
        }
        if (take(connection, receiveBuffer, (size_t)got)) continue;
        if (connection->request >= 0) return finish(connection, malformed);
        return fail(connection);
    }
}

// For server name `a.example`, of TLS 1.2 and one cipher.
static const char hello[] =
    "\x16\x03\x01\x00\x45\x01\x00\x00\x41\x03\x03" "0123456789abcdef0123456789abcdef" "\x00\x00\x02\x00\x2f\x01\x00"
    "\x00\x16\x00\x00\x00\x0e\x00\x0c\x00\x00\x09" "a.example" "\x00\x17\x00\x00";

static void transmit(Connection *connection) {
    if (!connection->greeted) {
        if (send(connection->descriptor, hello, sizeof hello - 1, MSG_NOSIGNAL) < 0) fail(connection);
        return;
    }
    char bytes[512];
    long number = connection->request;
    bool post = strcmp(settings.method, "POST") == 0;
    int length = snprintf(
        bytes, sizeof bytes,
        "%s /svc%ld/item%s%s HTTP/1.1\r\nHost: faults.test\r\nUser-Agent: load\r\nAccept: */*\r\n"
        "x-request-id: q%ld\r\n%s%s\r\n",
        settings.method, number % settings.services, *settings.query ? "?" : "", settings.query, number,
        settings.connectionForEach ? "Connection: close\r\n" : "",
        post ? "Content-Type: text/plain\r\nContent-Length: 64\r\n" : "");
    if (post) length += snprintf(bytes + length, sizeof bytes - (size_t)length, "%063ld\n", number);
    // Far below the size of a socket buffer: it goes in one piece, or the connection is broken.
    if (send(connection->descriptor, bytes, (size_t)length, MSG_NOSIGNAL) != length) fail(connection);
}

static Connection *openConnection(void) {
    Connection *connection = calloc(1, sizeof *connection);
    if (!connection) abort();
    connection->greeted = !settings.hello;
    connection->closing = settings.connectionForEach;
    connection->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->descriptor < 0) {
        perror("load: socket");
        exit(1);
    }
    int on = 1;
    setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)settings.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    epoll_ctl(poller, EPOLL_CTL_ADD, connection->descriptor, &event);
    // A refusal that is known at once is also told by an event.
    (void)!connect(connection->descriptor, (struct sockaddr *)&address, sizeof address);
    return connection;
}

static void launch(long number, int64_t due) {
    records[number] = (Record){.due = due, .outcome = pending};
    Connection *connection = idle;
    if (connection) removeIdle(connection);
    else connection = openConnection();
    connection->request = number;
    connection->deadline = due + (int64_t)(settings.timeout * 1e9);
    connection->part = inHead;
    connection->headLength = 0;
    addBusy(connection);
    if (connection->connected) transmit(connection);
}

static void serve(Connection *connection, unsigned events) {
    if (connection->descriptor < 0) return;
    if (!connection->connected && (events & (EPOLLERR | EPOLLHUP))) return fail(connection);
    if (!connection->connected && (events & EPOLLOUT)) {
        connection->connected = true;
        transmit(connection);
    }
    if (connection->descriptor >= 0 && (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))) receive(connection);
}

static void endOverdue(void) {
    int64_t time = now();
    for (Connection *connection = busy, *next; connection; connection = next) {
        next = connection->nextBusy;
        if (connection->deadline < time) finish(connection, timedOut);
    }
}

static void freeEnded(void) {
    while (endedCount > 0) free(ended[--endedCount]);
}

static void writeRecords(FILE *file) {
    for (long number = 0; number < requestCount; number++) {
        Record *record = &records[number];
        fprintf(
            file, "%ld\t%lld\t%lld\t%s\t%d\t%s\t%s\t%s\n", number, (long long)(record->due - start) / 1000,
            (long long)(record->ended - record->due) / 1000, outcomeNames[record->outcome], record->status,
            record->region, record->endpoint, record->error);
    }
    for (long number = 0; number < idleClosedCount; number++) {
        fprintf(file, "closed\t%lld\n", (long long)(idleClosed[number] - start) / 1000);
    }
}

static void readSettings(int count, char **arguments) {
    for (int option; (option = getopt(count, arguments, "p:r:d:o:m:s:q:z:t:c:")) != -1;) {
        switch (option) {
        case 'p': settings.port = atoi(optarg); break;
        case 'r': settings.rate = atof(optarg); break;
        case 'd': settings.seconds = atof(optarg); break;
        case 'o': settings.records = optarg; break;
        case 'm': settings.method = optarg; break;
        case 's': settings.services = atoi(optarg); break;
        case 'q': settings.query = optarg; break;
        case 'z': settings.bodyBytes = strtoull(optarg, NULL, 10); break;
        case 't': settings.timeout = atof(optarg); break;
        case 'c':
            settings.hello = strcmp(optarg, "tls") == 0;
            settings.connectionForEach = settings.hello || strcmp(optarg, "tcp") == 0;
            break;
        default: exit(2);
        }
    }
    if (!settings.port || !settings.records || settings.services < 1 || settings.rate <= 0) {
        fprintf(stderr, "usage: load -p PORT -r RATE -d SECONDS -o RECORDS [-m METHOD] [-s SERVICES] …\n");
        exit(2);
    }
}

int main(int count, char **arguments) {
    readSettings(count, arguments);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    long total = (long)(settings.rate * settings.seconds);
    records = calloc((size_t)total, sizeof *records);
    idleClosed = calloc((size_t)total + 1, sizeof *idleClosed);
    FILE *file = fopen(settings.records, "w");
    if (!records || !idleClosed || !file) {
        perror("load");
        return 1;
    }
    poller = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
    start = now() + 100000000;
    printf("start %lld\n", (long long)start);
    fflush(stdout);

    int64_t nextSweep = start;
    while (finishedCount < total) {
        int64_t time = now();
        for (; requestCount < total; requestCount++) {
            int64_t due = start + (int64_t)((double)requestCount * 1e9 / settings.rate);
            if (due > time) {
                struct itimerspec at = {.it_value = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000}};
                timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
                break;
            }
            launch(requestCount, due);
        }
        struct epoll_event events[eventsPerTurn];
        int ready = epoll_wait(poller, events, eventsPerTurn, 50);
        for (int index = 0; index < ready; index++) {
            if (events[index].data.ptr) serve(events[index].data.ptr, events[index].events);
        }
        if (now() > nextSweep) {
            endOverdue();
            nextSweep = now() + 50000000;
        }
        freeEnded();
    }
    writeRecords(file);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("cpu %.3f\n", (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    return fclose(file) == 0 ? 0 : 1;
}
