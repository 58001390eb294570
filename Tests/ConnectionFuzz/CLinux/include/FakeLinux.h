#ifndef FAKE_LINUX_H
#define FAKE_LINUX_H

// The other side of the kernel in memory: what clients, endpoints and the network do, for the fuzzer.
//
// A *link* is a connection between a peer, which the fuzzer plays, and the router. Links have numbers that are not used
// again within an input; the router's descriptors are, as Linux does it, the lowest that are free.

#include <stddef.h>
#include <stdint.h>

/// Closes everything and sets the clock back to its beginning: for a new input.
void fake_begin(void);

// Time: nanoseconds. It passes by itself only by what the router's calls cost.

int64_t fake_now(void);
void fake_pass(int64_t nanoseconds);

// Links

enum fake_state {
    /// A client that was not accepted yet, or an endpoint that was not reached yet.
    FAKE_OPENING,
    FAKE_OPEN,
    /// The router has closed it.
    FAKE_CLOSED,
    /// The router has closed it with a reset, or it was never opened.
    FAKE_RESET,
};

typedef struct {
    enum fake_state state;
    /// The router reached out to an endpoint; else a client came to a listener.
    int is_endpoint;
    /// The listener's port, or the last two bytes of the endpoint's address.
    uint16_t place;
    /// The router has said that it will say no more.
    int has_ended;
    /// Bytes that the router has read, and has sent, so far.
    size_t read, sent;
    /// The same within this turn, and how many calls that took.
    size_t read_in_turn, sent_in_turn, calls_in_turn;
    /// Bytes that were said and that the router has not read.
    size_t unread;
} fake_link;

enum { FAKE_LINK_LIMIT = 192 };

int fake_link_count(void);
const fake_link *fake_look(int link);

/// A client connects. Returns the link, or -1 where nobody listens or there are too many.
int fake_open(uint16_t port, uint32_t address);

/// The peer says the same so many times. The bytes are copied.
void fake_say(int link, const uint8_t *bytes, size_t count, size_t times);
/// What the peer says from now on arrives in pieces of this size, one in each turn, larger ones where that would take
/// for ever; 0: as it is said.
void fake_set_pace(int link, size_t piece);
/// The peer will say no more.
void fake_end(int link);
/// The peer has closed: what it is sent from now on is answered with a reset.
void fake_leave(int link);
/// The peer has closed with a reset.
void fake_break(int link);

/// Lends what the router has sent and the peer has not taken.
size_t fake_lend(int link, const uint8_t **bytes);
/// The peer takes so much of it, which makes room for more.
void fake_take(int link, size_t count);
/// How much the router can send before the peer takes something: up to `FAKE_ROOM`.
void fake_set_room(int link, size_t count);
enum { FAKE_ROOM = 262144 };

// The network

enum fake_connect {
    FAKE_CONNECT_SOON,
    FAKE_CONNECT_AT_ONCE,
    FAKE_CONNECT_REFUSED,
    FAKE_CONNECT_REFUSED_AT_ONCE,
    FAKE_CONNECT_UNREACHABLE,
    FAKE_CONNECT_NEVER,
    FAKE_CONNECT_KINDS,
};

/// How the next connections to endpoints go.
void fake_connect_next(enum fake_connect how, int count);
/// Endpoints at places from this one on are reached whatever happens.
enum { FAKE_RELIABLE = 0x0900 };

enum fake_call { FAKE_SOCKET, FAKE_ACCEPT, FAKE_CONNECT, FAKE_WATCH, FAKE_CALLS };

/// The next calls of a kind fail with an errno.
void fake_fail_next(enum fake_call call, int error, int count);

/// When a call last failed that was to fail; 0: never.
int64_t fake_failed_at(void);

// Turns

/// Defined by the fuzzer: what happens between two turns. It is told how long the loop would sleep, in milliseconds, with
/// -1 for ever, and lets that time pass or has something happen.
void fake_between_turns(int milliseconds);

/// What is on its way arrives.
void fake_arrive(void);
/// Something is there to be told to the loop.
int fake_is_ready(void);
/// Calls of the router in this turn; and since the beginning.
size_t fake_calls_in_turn(void);
/// Nanoseconds that this turn has taken.
int64_t fake_turn_time(void);
/// The router's descriptors that are open now: of links, and of all kinds.
int fake_open_links(void);
int fake_open_files(void);

// The memory and the processor of this process

int fake_has(const void *bytes, size_t count, const uint8_t *word, size_t word_count);

size_t fake_allocated(void);
/// Nanoseconds of a real clock: of this thread's time on a processor, or the cheaper one that goes on meanwhile.
int64_t fake_elapsed(int of_processor);

#endif
