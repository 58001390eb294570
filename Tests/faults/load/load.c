// Open-loop load: requests leave when they are due, whether or not earlier ones were answered, and each one's
// latency counts from the moment it was due. What a closed loop hides (a proxy that stalls also stalls the load
// that would show it) is seen here.
//
//   load -p PORT -r RATE -d SECONDS -o RECORDS [-m GET|POST] [-s SERVICES] [-q QUERY] [-z BODY_BYTES] [-t TIMEOUT]
//        [-c KIND]
//
// Request number n goes to /svcK/item?QUERY with K = n modulo SERVICES, with `x-request-id: qN`; POST carries 64 bytes.
// KIND says what it goes on:
//
//   requests  an idle keep-alive connection, or else a new one (the default)
//   tcp       a connection of its own
//   tls       a connection of its own that begins with a ClientHello; the request follows, in the clear, when a first
//             byte has come back, as in a handshake
//   websocket a connection of its own, which becomes a WebSocket: the body is the first message on it
//   https     as `requests`, but over TLS 1.3
//   h2        one of four HTTP/2 connections, with prior knowledge; h2s: over TLS 1.3
//   grpc      the same connections: a unary call with 64 bytes, a deadline of 3 s, and a status in trailers
//
// Nothing is ever tried again. Prints `start NANOSECONDS` (CLOCK_MONOTONIC: when the first request is due), and at the
// end `cpu SECONDS`. RECORDS gets, at the end, one line a request:
//
//   number TAB due (µs from start) TAB latency (µs) TAB outcome TAB status TAB region TAB endpoint TAB error
//
// and one line `closed TAB µs` for each connection the proxy closed while it was idle. Outcomes:
//
//   ok         200 (of a call: status 0, OK; of a WebSocket: 101), framed completely, body whole and this request's own
//   status     another status (of a call: gRPC's)
//   connect    no connection
//   closed     connection or stream ended before the first byte of an answer
//   aborted    connection or stream ended within an answer, visibly incomplete
//   timeout    no complete answer in time
//   malformed  not HTTP, or not gRPC
//   corrupt    an answer complete by its framing whose body is not the whole body, or another request's
#define _GNU_SOURCE
#include "load.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const char *const outcomeNames[] = {
    "ok", "status", "connect", "closed", "aborted", "timeout", "malformed", "corrupt", "pending"};

static const Kind kinds[] = {
    {.name = "requests", .protocol = &http1},
    {.name = "tcp", .protocol = &http1, .connectionForEach = true},
    {.name = "tls", .protocol = &http1, .connectionForEach = true, .hello = true},
    {.name = "websocket", .protocol = &http1, .connectionForEach = true, .upgrades = true},
    {.name = "https", .protocol = &http1, .encrypted = true},
    {.name = "h2", .protocol = &http2},
    {.name = "h2s", .protocol = &http2, .encrypted = true},
    {.name = "grpc", .protocol = &http2, .grpc = true},
};

struct Settings settings = {
    .services = 5, .rate = 400, .seconds = 10, .timeout = 10, .method = "GET", .query = "", .kind = &kinds[0]};

Record *records;
static int64_t start;
static long requestCount, finishedCount;
static int64_t *idleClosed;
static long idleClosedCount;

int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

void finishRequest(long number, Outcome outcome) {
    records[number].outcome = outcome;
    records[number].ended = now();
    finishedCount += 1;
}

void noteIdleClosed(void) {
    idleClosed[idleClosedCount++] = now();
}

bool isPost(void) {
    return strcmp(settings.method, "POST") == 0;
}

int writeTarget(char *text, size_t size, long number) {
    return snprintf(
        text, size, "/svc%ld/item%s%s", number % settings.services, *settings.query ? "?" : "", settings.query);
}

int writeBody(char *text, size_t size, long number) {
    return snprintf(text, size, "%063ld\n", number);
}

void noteField(Record *record, const char *name, size_t nameLength, const char *value, size_t valueLength) {
    const struct { const char *name; char *place; } kept[] = {
        {"x-region", record->region}, {"x-endpoint", record->endpoint}, {"x-spillway-error", record->error}};
    for (size_t index = 0; index < sizeof kept / sizeof *kept; index++) {
        if (strlen(kept[index].name) != nameLength || strncasecmp(name, kept[index].name, nameLength) != 0) continue;
        size_t length = valueLength < nameSize ? valueLength : nameSize - 1;
        memcpy(kept[index].place, value, length);
        kept[index].place[length] = 0;
    }
}

void takeBody(Body *body, const char *bytes, size_t length) {
    if (body->length < bodyStartSize) {
        size_t room = bodyStartSize - body->length;
        memcpy(body->start + body->length, bytes, length < room ? length : room);
    }
    if (length >= 4) {
        memcpy(body->end, bytes + length - 4, 4);
    } else {
        memmove(body->end, body->end + length, 4 - length);
        memcpy(body->end + 4 - length, bytes, length);
    }
    body->length += length;
}

Outcome judge(long number, const Body *body) {
    int expectedStatus = settings.kind->grpc ? 0 : settings.kind->upgrades ? 101 : 200;
    if (records[number].status != expectedStatus) return otherStatus;
    char expected[32];
    int length = snprintf(expected, sizeof expected, "q%ld ", number);
    bool whole = body->length >= (uint64_t)length + 4 && memcmp(body->start, expected, (size_t)length) == 0 &&
                 memcmp(body->end, "end\n", 4) == 0 &&
                 (settings.bodyBytes == 0 || body->length == settings.bodyBytes);
    return whole ? okay : corrupt;
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

static const Kind *kindNamed(const char *name) {
    for (size_t index = 0; index < sizeof kinds / sizeof *kinds; index++) {
        if (strcmp(kinds[index].name, name) == 0) return &kinds[index];
    }
    fprintf(stderr, "load: no such kind: %s\n", name);
    exit(2);
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
        case 'c': settings.kind = kindNamed(optarg); break;
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
    prepareWires();
    start = now() + 100000000;
    printf("start %lld\n", (long long)start);
    fflush(stdout);

    int64_t nextSweep = start, timeout = (int64_t)(settings.timeout * 1e9);
    while (finishedCount < total) {
        int64_t time = now(), due = 0;
        for (; requestCount < total; requestCount++) {
            due = start + (int64_t)((double)requestCount * 1e9 / settings.rate);
            if (due > time) break;
            records[requestCount] = (Record){.due = due, .outcome = pending};
            settings.kind->protocol->launch(requestCount, due + timeout);
        }
        turn(requestCount < total ? due : 0);
        if (now() > nextSweep) {
            settings.kind->protocol->endOverdue(now());
            nextSweep = now() + 50000000;
        }
    }
    writeRecords(file);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("cpu %.3f\n", (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    return fclose(file) == 0 ? 0 : 1;
}
