#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int poller, timer;
static SSL_CTX *context;

// Wires that ended in this turn; later events of the turn may still name them.
static Wire **ended;
static size_t endedCount, endedRoom;

static void fatal(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

void prepareWires(void) {
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
    if (!settings.kind->encrypted) return;
    context = SSL_CTX_new(TLS_client_method());
    unsigned char protocol[16];
    size_t length = strlen(settings.kind->protocol->name);
    protocol[0] = (unsigned char)length;
    memcpy(protocol + 1, settings.kind->protocol->name, length);
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        SSL_CTX_set_alpn_protos(context, protocol, (unsigned)length + 1) != 0) {
        fatal("TLS");
    }
}

void openWire(Wire *wire) {
    wire->state = connecting;
    wire->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (wire->descriptor < 0) fatal("socket");
    int on = 1;
    setsockopt(wire->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)settings.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = wire};
    epoll_ctl(poller, EPOLL_CTL_ADD, wire->descriptor, &event);
    // A refusal that is known at once is also told by an event.
    (void)!connect(wire->descriptor, (struct sockaddr *)&address, sizeof address);
    if (!context) return;
    wire->tls = SSL_new(context);
    if (!wire->tls || !SSL_set_fd(wire->tls, wire->descriptor)) fatal("TLS");
    SSL_set_connect_state(wire->tls);
}

void closeWire(Wire *wire) {
    if (wire->descriptor < 0) return;
    SSL_free(wire->tls);
    close(wire->descriptor);
    wire->descriptor = -1;
    if (endedCount == endedRoom) {
        endedRoom = endedRoom * 2 + 64;
        ended = realloc(ended, endedRoom * sizeof *ended);
        if (!ended) abort();
    }
    ended[endedCount++] = wire;
}

Received receiveBytes(Wire *wire, char *bytes, size_t size, size_t *length) {
    if (wire->tls) {
        int result = SSL_read_ex(wire->tls, bytes, size, length);
        if (result > 0) return gotBytes;
        return SSL_get_error(wire->tls, result) == SSL_ERROR_WANT_READ ? gotNothingYet : gotEnd;
    }
    ssize_t got = recv(wire->descriptor, bytes, size, 0);
    if (got < 0 && errno == EAGAIN) return gotNothingYet;
    if (got <= 0) return gotEnd;
    *length = (size_t)got;
    return gotBytes;
}

bool sendBytes(Wire *wire, const void *bytes, size_t length) {
    size_t sent = 0;
    if (wire->tls) return SSL_write_ex(wire->tls, bytes, length, &sent) > 0;
    return send(wire->descriptor, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

// Whether the wire is open, after another step towards it.
static bool shakeHands(Wire *wire) {
    int result = SSL_do_handshake(wire->tls);
    if (result == 1) return true;
    if (SSL_get_error(wire->tls, result) != SSL_ERROR_WANT_READ) settings.kind->protocol->failed(wire);
    return false;
}

static void serve(Wire *wire, unsigned events) {
    const Protocol *protocol = settings.kind->protocol;
    if (wire->descriptor < 0) return;
    if (wire->state == connecting) {
        if (events & (EPOLLERR | EPOLLHUP)) return protocol->failed(wire);
        if (!(events & EPOLLOUT)) return;
        wire->state = shakingHands;
    }
    if (wire->state == shakingHands) {
        if (wire->tls && !shakeHands(wire)) return;
        wire->state = open;
        protocol->opened(wire);
    }
    if (wire->descriptor >= 0 && (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))) protocol->readable(wire);
}

void turn(int64_t due) {
    struct itimerspec at = {.it_value = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    struct epoll_event events[eventsPerTurn];
    int ready = epoll_wait(poller, events, eventsPerTurn, 50);
    for (int index = 0; index < ready; index++) {
        if (events[index].data.ptr) serve(events[index].data.ptr, events[index].events);
    }
    while (endedCount > 0) free(ended[--endedCount]);
}
