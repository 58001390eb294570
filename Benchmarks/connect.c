// Load made of new connections: each connects, sends one GET with "Connection: close", reads the answer to its
// end, and is replaced by the next. (wrk counts a read error for every answer that ends by a close, which hides
// the real ones.)
//
//   connect PORT CONCURRENT SECONDS      to 127.0.0.1; prints {"connections": …, "failed": …}
//
// A connection succeeds if its answer begins with "HTTP/1.1 200" and ends with an orderly close after at least
// 100 bytes.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { headSize = 64, eventsPerTurn = 256 };

typedef struct {
    int descriptor;
    bool sent;
    size_t received;
    char head[headSize];
} Connection;

static const char request[] =
    "GET / HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: connect\r\nAccept: */*\r\nAccept-Language: en\r\n"
    "Connection: close\r\n\r\n";

static int poller;
static struct sockaddr_in target;
static unsigned long long succeeded, failed;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void begin(Connection *connection) {
    *connection = (Connection){.descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (connection->descriptor < 0) {
        perror("connect: socket");
        exit(1);
    }
    int on = 1;
    setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(connection->descriptor, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS) {
        perror("connect: connect");
        exit(1);
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
    epoll_ctl(poller, EPOLL_CTL_ADD, connection->descriptor, &event);
}

static void finish(Connection *connection, bool orderly) {
    bool good = orderly && connection->received >= 100 && memcmp(connection->head, "HTTP/1.1 200", 12) == 0;
    *(good ? &succeeded : &failed) += 1;
    close(connection->descriptor);
    begin(connection);
}

static void serve(Connection *connection, unsigned events) {
    if (!connection->sent && (events & EPOLLOUT)) {
        if (send(connection->descriptor, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1) {
            return finish(connection, false);
        }
        connection->sent = true;
    }
    while (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
        char bytes[4096];
        ssize_t got = recv(connection->descriptor, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) return finish(connection, got == 0);
        if (connection->received < headSize) {
            size_t room = headSize - connection->received;
            memcpy(connection->head + connection->received, bytes, (size_t)got < room ? (size_t)got : room);
        }
        connection->received += (size_t)got;
    }
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: connect PORT CONCURRENT SECONDS\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(arguments[1]))};
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int concurrent = atoi(arguments[2]);
    double end = now() + atof(arguments[3]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    Connection *connections = calloc((size_t)concurrent, sizeof *connections);
    if (!connections) abort();
    for (int index = 0; index < concurrent; index++) begin(&connections[index]);
    while (now() < end) {
        struct epoll_event events[eventsPerTurn];
        int ready = epoll_wait(poller, events, eventsPerTurn, 100);
        for (int index = 0; index < ready; index++) serve(events[index].data.ptr, events[index].events);
    }
    printf("{\"connections\": %llu, \"failed\": %llu}\n", succeeded, failed);
    return 0;
}
