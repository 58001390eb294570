// Load made of new TLS connections: each connects, shakes hands, sends one GET with "Connection: close", reads the answer
// to its end, and is replaced by the next.
//
//   handshake PORT CONCURRENT SECONDS full|resumed      to 127.0.0.1; prints {"connections": …, "resumed": …, "failed": …}
//
// A connection succeeds if its answer begins with "HTTP/1.1 200". With `resumed`, each goes on with the session the last
// one was offered. The server's certificate is not looked at: this end's time is not what is measured.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { eventsPerTurn = 256 };

typedef struct {
    int descriptor;
    SSL *session;
    bool connected, sent;
    size_t received;
    char head[16];
} Connection;

static const char request[] =
    "GET / HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: handshake\r\nAccept: */*\r\nAccept-Language: en\r\n"
    "Connection: close\r\n\r\n";

static int poller;
static struct sockaddr_in target;
static SSL_CTX *context;
static SSL_SESSION *last;
static bool resumes;
static unsigned long long succeeded, resumed, failed;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int keep(SSL *session, SSL_SESSION *offered) {
    (void)session;
    if (last) SSL_SESSION_free(last);
    last = offered;
    return 1;
}

static void begin(Connection *connection) {
    *connection = (Connection){.descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (connection->descriptor < 0) {
        perror("handshake: socket");
        exit(1);
    }
    int on = 1;
    setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(connection->descriptor, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS) {
        perror("handshake: connect");
        exit(1);
    }
    connection->session = SSL_new(context);
    SSL_set_fd(connection->session, connection->descriptor);
    SSL_set_connect_state(connection->session);
    SSL_set_tlsext_host_name(connection->session, "bench.test");
    if (resumes && last) {
        // Connections that share a session disturb each other.
        SSL_SESSION *copy = SSL_SESSION_dup(last);
        SSL_set_session(connection->session, copy);
        SSL_SESSION_free(copy);
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
    epoll_ctl(poller, EPOLL_CTL_ADD, connection->descriptor, &event);
}

static void end(Connection *connection, bool goesOn) {
    if (connection->received >= 12 && memcmp(connection->head, "HTTP/1.1 200", 12) == 0) {
        succeeded++;
        if (SSL_session_reused(connection->session)) resumed++;
    } else {
        failed++;
    }
    SSL_set_shutdown(connection->session, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(connection->session);
    close(connection->descriptor);
    ERR_clear_error();
    if (goesOn) begin(connection);
}

/// True when it is over.
static bool advance(Connection *connection) {
    if (!connection->connected) {
        int result = SSL_do_handshake(connection->session);
        if (result != 1) {
            int error = SSL_get_error(connection->session, result);
            return error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
        }
        connection->connected = true;
    }
    if (!connection->sent) {
        if (SSL_write(connection->session, request, sizeof request - 1) <= 0) return true;
        connection->sent = true;
    }
    for (;;) {
        char bytes[4096];
        int count = SSL_read(connection->session, bytes, sizeof bytes);
        if (count <= 0) return SSL_get_error(connection->session, count) != SSL_ERROR_WANT_READ;
        for (int i = 0; i < count && connection->received + i < sizeof connection->head; i++)
            connection->head[connection->received + i] = bytes[i];
        connection->received += (size_t)count;
    }
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: handshake PORT CONCURRENT SECONDS full|resumed\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int concurrent = atoi(argv[2]);
    double seconds = atof(argv[3]);
    resumes = strcmp(argv[4], "resumed") == 0;
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep);
    poller = epoll_create1(EPOLL_CLOEXEC);
    Connection *connections = calloc((size_t)concurrent, sizeof *connections);
    // Until there is a session to resume, one connection is alone.
    int open = resumes ? 1 : concurrent;
    for (int i = 0; i < open; i++) begin(&connections[i]);
    double stop = now() + seconds;
    bool goesOn = true;
    while (open > 0) {
        if (last && goesOn)
            while (open < concurrent) begin(&connections[open++]);
        struct epoll_event events[eventsPerTurn];
        int count = epoll_wait(poller, events, eventsPerTurn, 1000);
        if (goesOn && now() >= stop) goesOn = false;
        if (!goesOn && now() >= stop + 5) break;
        for (int i = 0; i < count; i++) {
            Connection *connection = events[i].data.ptr;
            if (!advance(connection)) continue;
            end(connection, goesOn);
            if (!goesOn) open--;
        }
    }
    failed += (unsigned long long)open;
    printf("{\"connections\": %llu, \"resumed\": %llu, \"failed\": %llu}\n", succeeded, resumed, failed);
    return 0;
}
