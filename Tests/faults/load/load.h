// What the parts of the load program share; load.c says what it does as a whole.
#pragma once
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { nameSize = 24, bodyStartSize = 64, eventsPerTurn = 256 };

typedef enum { okay, otherStatus, connectFailed, closedEarly, aborted, timedOut, malformed, corrupt, pending } Outcome;

typedef struct {
    int64_t due, ended;
    Outcome outcome;
    int status;
    char region[nameSize], endpoint[nameSize], error[nameSize];
} Record;

// A TCP connection, encrypted or not, that never blocks.
typedef struct Wire {
    int descriptor;  // negative: closed
    enum { connecting, shakingHands, open } state;
    SSL *tls;
} Wire;

// What is spoken on a connection; one for all of a run.
typedef struct {
    const char *name;  // in TLS' ALPN
    void (*launch)(long number, int64_t deadline);
    void (*opened)(Wire *wire);
    void (*readable)(Wire *wire);
    void (*failed)(Wire *wire);
    void (*endOverdue)(int64_t time);
} Protocol;

typedef struct {
    const char *name;
    const Protocol *protocol;
    bool encrypted;
    bool connectionForEach;
    bool hello;     // a ClientHello goes first, and one byte comes back
    bool upgrades;  // to WebSocket; the body of the answer is a message
    bool grpc;
} Kind;

extern struct Settings {
    int port, services;
    double rate, seconds, timeout;
    const char *method, *query, *records;
    uint64_t bodyBytes;
    const Kind *kind;
} settings;

extern const Protocol http1, http2;

// load.c

extern Record *records;

int64_t now(void);

// A request has its outcome.
void finishRequest(long number, Outcome outcome);

// The proxy closed a connection on which nothing was under way.
void noteIdleClosed(void);

bool isPost(void);

// What a request asks for, and what it posts, 64 bytes; both as text, the length returned.
int writeTarget(char *text, size_t size, long number);
int writeBody(char *text, size_t size, long number);

// Of a field that records are about: it is kept, cut to size.
void noteField(Record *record, const char *name, size_t nameLength, const char *value, size_t valueLength);

// What has come of an answer's body.
typedef struct {
    uint64_t length;
    char start[bodyStartSize], end[4];
} Body;

void takeBody(Body *body, const char *bytes, size_t length);

// Of an answer that is complete by its framing: is it the right one?
Outcome judge(long number, const Body *body);

// wire.c

void prepareWires(void);

// Begins to connect; `opened` or `failed` follows.
void openWire(Wire *wire);

// The memory is freed when no event of this turn can name it any more.
void closeWire(Wire *wire);

typedef enum { gotBytes, gotNothingYet, gotEnd } Received;
Received receiveBytes(Wire *wire, char *bytes, size_t size, size_t *length);

// What is sent here is far below the size of a socket buffer: it goes in one piece, or the connection is broken.
bool sendBytes(Wire *wire, const void *bytes, size_t length);

// Waits for events and the time `due`, and serves what there is.
void turn(int64_t due);
