#ifndef CLINUX_H
#define CLINUX_H

// The system calls of the request path, for Swift: what Glibc's module does not name (epoll, accept4,
// eventfd, inotify, affinity) and everything whose errno must be read at once. One convention for all:
// a result of zero or more is success, a negative one is -errno. EINTR is met here and nowhere else.

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CLINUX_RETRY(call)                                                                                   \
    ({                                                                                                       \
        long result_;                                                                                        \
        do result_ = (long)(call);                                                                           \
        while (result_ < 0 && errno == EINTR);                                                               \
        result_ < 0 ? -(long)errno : result_;                                                                \
    })

// Time

static inline int64_t clinux_monotonic_nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t clinux_boot_nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t clinux_wall_nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// Addresses

/// A socket address of any family this program speaks.
typedef struct {
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } address;
} clinux_address;

/// A numeric IPv4 or IPv6 address. Returns 0, or -EINVAL if it is neither.
static inline int clinux_address_ip(const char *text, uint16_t port, clinux_address *out) {
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &out->address.v4.sin_addr) == 1) {
        out->address.v4.sin_family = AF_INET;
        out->address.v4.sin_port = htons(port);
        out->length = sizeof out->address.v4;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &out->address.v6.sin6_addr) == 1) {
        out->address.v6.sin6_family = AF_INET6;
        out->address.v6.sin6_port = htons(port);
        out->length = sizeof out->address.v6;
        return 0;
    }
    return -EINVAL;
}

/// The path of a UNIX-domain socket. Returns 0, or -ENAMETOOLONG.
static inline int clinux_address_unix(const char *path, clinux_address *out) {
    memset(out, 0, sizeof *out);
    size_t n = strlen(path);
    if (n >= sizeof out->address.local.sun_path) return -ENAMETOOLONG;
    out->address.local.sun_family = AF_UNIX;
    memcpy(out->address.local.sun_path, path, n + 1);
    out->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return 0;
}

static inline int clinux_address_family(const clinux_address *a) { return a->address.any.sa_family; }

static inline uint16_t clinux_address_port(const clinux_address *a) {
    switch (a->address.any.sa_family) {
    case AF_INET: return ntohs(a->address.v4.sin_port);
    case AF_INET6: return ntohs(a->address.v6.sin6_port);
    default: return 0;
    }
}

/// The bytes of the IP address, in network order: 4 or 16 of them, or none for a UNIX-domain socket. An IPv4
/// address mapped into IPv6 counts as IPv4.
static inline int clinux_address_bytes(const clinux_address *a, uint8_t out[16]) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    switch (a->address.any.sa_family) {
    case AF_INET: memcpy(out, &a->address.v4.sin_addr, 4); return 4;
    case AF_INET6:
        if (memcmp(&a->address.v6.sin6_addr, mapped, 12) == 0) {
            memcpy(out, (const uint8_t *)&a->address.v6.sin6_addr + 12, 4);
            return 4;
        }
        memcpy(out, &a->address.v6.sin6_addr, 16);
        return 16;
    default: return 0;
    }
}

/// Writes `count` address bytes (4 or 16) as text; returns the length of the text.
static inline int clinux_format_ip(const uint8_t *bytes, int count, char out[46]) {
    if (!inet_ntop(count == 4 ? AF_INET : AF_INET6, bytes, out, 46)) return 0;
    return (int)strlen(out);
}

// Sockets

/// A socket; -EMFILE when its number would be one of those that are kept: see clinux_set_descriptor_ceiling.
int clinux_socket(int family);

/// A second descriptor of the same socket, by the same rule.
int clinux_duplicate(int fd);

static inline int clinux_datagram_socket(int family) {
    return (int)CLINUX_RETRY(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

static inline int clinux_set_option(int fd, int level, int option, int value) {
    return (int)CLINUX_RETRY(setsockopt(fd, level, option, &value, sizeof value));
}

/// Lets a TCP socket, or those a listening one accepts, send without pacing: Reno, which every kernel has.
static inline int clinux_send_unpaced(int fd) {
    return (int)CLINUX_RETRY(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
}

static inline int clinux_bind(int fd, const clinux_address *a) {
    return (int)CLINUX_RETRY(bind(fd, &a->address.any, a->length));
}

static inline int clinux_listen(int fd, int backlog) { return (int)CLINUX_RETRY(listen(fd, backlog)); }

int clinux_accept(int fd, clinux_address *peer);

/// 0 when connected at once, -EINPROGRESS when it goes on in the background.
static inline int clinux_connect(int fd, const clinux_address *a) {
    int r = connect(fd, &a->address.any, a->length);
    return r < 0 ? (errno == EINTR ? -EINPROGRESS : -errno) : 0;
}

/// The pending error of a socket, as -errno, and clears it.
static inline int clinux_take_error(int fd) {
    int error = 0;
    socklen_t n = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0) return -errno;
    return -error;
}

static inline int clinux_local_address(int fd, clinux_address *a) {
    a->length = sizeof a->address;
    return (int)CLINUX_RETRY(getsockname(fd, &a->address.any, &a->length));
}

// The two calls of every request are made by number: the library's wrappers are points where a thread may be
// cancelled, which costs two atomic exchanges a call, and no thread here ever is.

static inline long clinux_receive(int fd, void *to, size_t n) {
    return CLINUX_RETRY(syscall(SYS_recvfrom, fd, to, n, 0, NULL, NULL));
}

/// Looks without taking.
static inline long clinux_peek(int fd, void *to, size_t n) { return CLINUX_RETRY(recv(fd, to, n, MSG_PEEK)); }

static inline long clinux_send(int fd, const void *from, size_t n) {
    return CLINUX_RETRY(syscall(SYS_sendto, fd, from, n, MSG_NOSIGNAL, NULL, 0));
}

/// Two pieces in one call.
static inline long clinux_send_two(int fd, const void *a, size_t an, const void *b, size_t bn) {
    struct iovec pieces[2] = {{(void *)a, an}, {(void *)b, bn}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    return CLINUX_RETRY(sendmsg(fd, &message, MSG_NOSIGNAL));
}

/// How many bytes that were sent the other host has not acknowledged.
static inline long clinux_unacknowledged(int fd) {
    int count = 0;
    return ioctl(fd, SIOCOUTQ, &count) < 0 ? -errno : count;
}

static inline int clinux_shutdown_write(int fd) { return (int)CLINUX_RETRY(shutdown(fd, SHUT_WR)); }

/// Makes the coming close a reset: the peer learns that this is no end.
static inline int clinux_reset_on_close(int fd) {
    struct linger l = {.l_onoff = 1, .l_linger = 0};
    return (int)CLINUX_RETRY(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l));
}

/// close() is not repeated after EINTR: on Linux the descriptor is gone either way.
static inline int clinux_close(int fd) { return close(fd) < 0 && errno != EINTR ? -errno : 0; }

// Descriptors

static inline long clinux_read(int fd, void *to, size_t n) { return CLINUX_RETRY(read(fd, to, n)); }
static inline long clinux_write(int fd, const void *from, size_t n) { return CLINUX_RETRY(write(fd, from, n)); }

static inline int clinux_eventfd(void) { return (int)CLINUX_RETRY(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

static inline int clinux_epoll_create(void) { return (int)CLINUX_RETRY(epoll_create1(EPOLL_CLOEXEC)); }

static inline int clinux_epoll_add(int epoll, int fd, uint32_t events, uint64_t data) {
    struct epoll_event e = {.events = events, .data.u64 = data};
    return (int)CLINUX_RETRY(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e));
}

static inline int clinux_epoll_remove(int epoll, int fd) {
    struct epoll_event e = {0};
    return (int)CLINUX_RETRY(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &e));
}

/// An interrupted wait ends with what is there by then: the process may have been stopped meanwhile (SIGSTOP and SIGCONT),
/// and nothing has looked since it goes on.
static inline int clinux_epoll_wait(int epoll, struct epoll_event *events, int limit, int milliseconds) {
    int n = epoll_wait(epoll, events, limit, milliseconds);
    while (n < 0 && errno == EINTR) n = epoll_wait(epoll, events, limit, 0);
    return n < 0 ? -errno : n;
}

static inline uint32_t clinux_event_flags(const struct epoll_event *e) { return e->events; }
static inline uint64_t clinux_event_data(const struct epoll_event *e) { return e->data.u64; }

// Files that change

static inline int clinux_inotify_create(void) { return (int)CLINUX_RETRY(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)); }

static inline int clinux_inotify_watch(int fd, const char *path) {
    return (int)CLINUX_RETRY(inotify_add_watch(
        fd, path, IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF));
}

static inline int clinux_inotify_forget(int fd, int watch) { return (int)CLINUX_RETRY(inotify_rm_watch(fd, watch)); }

// The files of sockets

/// Which file is at a path, by its device and number; a symbolic link is not followed. 0, or -errno.
int clinux_identify_file(const char *path, uint64_t *device, uint64_t *number);

/// Gives the file at a path permission bits (-1: as they are) and an owner (-1: as it is), or nothing to any other file:
/// -ESTALE when the one of that device and number is not there. A symbolic link is not followed.
int clinux_change_file(
    const char *path, uint64_t device, uint64_t number, int mode, uint32_t user, uint32_t group);

// The process

/// Has a signal (1 to 31) noted, from now on and for the whole process, instead of what it does by default.
int clinux_trap_signal(int number);

/// Waits until signals that are trapped have come; returns them, bit by number. For one thread.
uint32_t clinux_wait_for_signals(void);

/// Writes out what was printed to standard output and is not written yet. 0, or why something printed is missing.
int clinux_finish_output(void);

/// How many cores this process may use.
int clinux_core_count(void);

/// Raises the limit of open descriptors to what the system allows; returns the new limit.
long clinux_raise_descriptor_limit(void);

/// Sockets get no descriptor of this number or above, as if there were none: -EMFILE. To be set before there are any. Each
/// thread that accepts connections may go beyond it by one.
void clinux_set_descriptor_ceiling(int ceiling);

/// How many descriptors the process has open, or -errno.
long clinux_open_descriptors(void);

/// Gives pages back to the system that hold nothing but freed memory, wherever they lie; the allocator by itself gives
/// back only what lies last. Threads that allocate meanwhile may wait: some 0.1 ms for each MiB that is given back.
void clinux_return_memory(void);

/// Bounds the allocator's arenas, each of which keeps memory that was freed in it. To be called before there are many threads.
void clinux_limit_arenas(int count);

/// Has the calling thread run after others where there are too few cores.
void clinux_give_way(void);

/// Names the calling thread, for `top -H` and `perf`: at most 15 bytes.
void clinux_name_thread(const char *name);

#endif
