// The limit: a proxy that looks at nothing. It forwards bytes between each client connection and one upstream
// connection of its own, with the fewest system calls epoll allows: one receive and one send per message, no
// epoll_ctl after the connection is made, one shared hot buffer. What it costs per request is what the kernel's
// TCP costs; whatever a real proxy costs beyond it is the proxy's own.
//
//   blind PORT ORIGIN_PORT [BUFFER]       both on 127.0.0.1; bytes of the buffer, at most and by default 256 KiB
#include "server.h"

typedef struct Side Side;
// One end of a pair. What its peer sent and it could not take yet waits here; the peer is not read meanwhile.
struct Side {
    int descriptor;
    bool ended;     // it has sent its last byte, and the other side was told
    bool readable;  // an edge was seen and not read to its end, because the other side was full
    Side *other;
    char *waiting;
    size_t waitingLength;
};

typedef struct Pair {
    Side sides[2];
    bool dead;
    struct Pair *nextDead;
} Pair;

static struct sockaddr_in origin;
static char buffer[bytesAtOnce];
static size_t bufferSize = bytesAtOnce;
// Pairs closed in this turn: freed after it, as later events of the turn may still name them.
static Pair *deadPairs;

static Pair *pairOf(Side *side) { return (Pair *)(side < side->other ? side : side->other); }

static void end(Pair *pair) {
    if (pair->dead) return;
    pair->dead = true;
    close(pair->sides[0].descriptor);
    close(pair->sides[1].descriptor);
    pair->nextDead = deadPairs;
    deadPairs = pair;
}

static void freeDeadPairs(void) {
    while (deadPairs) {
        Pair *pair = deadPairs;
        deadPairs = pair->nextDead;
        free(pair->sides[0].waiting);
        free(pair->sides[1].waiting);
        free(pair);
    }
}

// Sends bytes to a side, or keeps what does not go. False: the pair is broken.
static bool give(Side *side, const char *bytes, size_t length) {
    ssize_t sent = send(side->descriptor, bytes, length, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) return false;
        sent = 0;
    }
    size_t left = length - (size_t)sent;
    if (left == 0) return true;
    side->waiting = malloc(left);
    if (!side->waiting) abort();
    memcpy(side->waiting, bytes + sent, left);
    side->waitingLength = left;
    return true;
}

// Moves what a side has to the other, until it is empty or the other is full. False: the pair is broken or done.
static bool drain(Side *side, bool endMayFollow) {
    Side *other = side->other;
    for (;;) {
        if (other->waitingLength > 0) {
            side->readable = true;
            return true;
        }
        ssize_t got = recv(side->descriptor, buffer, bufferSize, 0);
        if (got < 0) {
            side->readable = false;
            return errno == EAGAIN;
        }
        if (got == 0) {
            side->ended = true;
            shutdown(other->descriptor, SHUT_WR);
            return !other->ended;
        }
        if (!give(other, buffer, (size_t)got)) return false;
        // A short read emptied the socket: the next edge tells of more. Only an end seen with it has no edge left.
        if ((size_t)got < bufferSize && !endMayFollow && other->waitingLength == 0) {
            side->readable = false;
            return true;
        }
    }
}

static bool flushWaiting(Side *side) {
    char *bytes = side->waiting;
    size_t length = side->waitingLength;
    side->waiting = NULL;
    side->waitingLength = 0;
    bool alive = give(side, bytes, length);
    free(bytes);
    return alive;
}

static void serve(Side *side, unsigned events) {
    Pair *pair = pairOf(side);
    if (pair->dead) return;
    if (events & EPOLLERR) return end(pair);
    if ((events & EPOLLOUT) && side->waitingLength > 0) {
        if (!flushWaiting(side)) return end(pair);
        if (side->waitingLength == 0 && side->other->readable && !side->other->ended && !drain(side->other, true)) {
            return end(pair);
        }
    }
    bool atEnd = (events & (EPOLLRDHUP | EPOLLHUP)) != 0;
    if ((events & EPOLLIN || atEnd) && !side->ended && !drain(side, atEnd)) end(pair);
}

static void acceptAll(int listener) {
    for (int client; (client = acceptNext(listener)) >= 0;) {
        int upstream = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
        if (upstream < 0) {
            close(client);
            return;
        }
        setsockopt(upstream, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Pair *pair = calloc(1, sizeof *pair);
        if (!pair) abort();
        pair->sides[0].descriptor = client;
        pair->sides[1].descriptor = upstream;
        pair->sides[0].other = &pair->sides[1];
        pair->sides[1].other = &pair->sides[0];
        int connected = connect(upstream, (struct sockaddr *)&origin, sizeof origin);
        bool ok = connected == 0 || errno == EINPROGRESS;
        for (int side = 0; side < 2 && ok; side++)
            ok = watch(pair->sides[side].descriptor, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &pair->sides[side]);
        if (!ok) end(pair);
    }
}

int main(int count, char **arguments) {
    if (count != 3 && count != 4) {
        fprintf(stderr, "usage: blind PORT ORIGIN_PORT [BUFFER]\n");
        return 2;
    }
    if (count == 4) bufferSize = (size_t)atoi(arguments[3]);
    if (bufferSize < 1 || bufferSize > bytesAtOnce) return 2;
    origin = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(arguments[2]))};
    origin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = listenOn(INADDR_LOOPBACK, arguments[1]);
    for (;;) {
        struct epoll_event events[eventsPerTurn];
        int ready = epoll_wait(poller, events, eventsPerTurn, -1);
        for (int index = 0; index < ready; index++) {
            Side *side = events[index].data.ptr;
            if (side) serve(side, events[index].events);
            else acceptAll(listener);
        }
        freeDeadPairs();
    }
}
