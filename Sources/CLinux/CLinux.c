#define _GNU_SOURCE
#include "CLinux.h"

#include <arpa/nameser.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <netdb.h>
#include <pthread.h>
#include <resolv.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

/// Written once, before there are connections.
static int descriptor_ceiling = INT_MAX;

void clinux_set_descriptor_ceiling(int ceiling) { descriptor_ceiling = ceiling; }

/// Closes a descriptor whose number is too high for a socket.
static int below_ceiling(int fd) {
    if (fd < descriptor_ceiling) return fd;
    close(fd);
    return -EMFILE;
}

int clinux_socket(int family) {
    return below_ceiling((int)CLINUX_RETRY(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
}

int clinux_duplicate(int fd) { return below_ceiling((int)CLINUX_RETRY(fcntl(fd, F_DUPFD_CLOEXEC, 0))); }

int clinux_accept(int fd, clinux_address *peer) {
    /// The number that this thread was given last. Descriptors are given out from the lowest free number on, so the next one
    /// is near it, or lower, but for what other threads have opened meanwhile: a thread may go beyond the ceiling once.
    static _Thread_local int last;
    if (last >= descriptor_ceiling - 64) {
        // An accepted client cannot be put back into the backlog, so the number that it would get is looked at first.
        int next = clinux_duplicate(fd);
        if (next < 0) return next;
        close(next);
    }
    peer->length = sizeof peer->address;
    int client = (int)CLINUX_RETRY(accept4(fd, &peer->address.any, &peer->length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (client >= 0) last = client;
    return client;
}

/// The least time to live among the address records of a DNS answer, or `least` if there are none.
static int least_ttl(const char *name, int type, int least) {
    unsigned char answer[4096];
    int length = res_search(name, ns_c_in, type, answer, sizeof answer);
    ns_msg message;
    if (length < 0 || ns_initparse(answer, length < (int)sizeof answer ? length : (int)sizeof answer, &message) < 0)
        return least;
    for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
        ns_rr record;
        if (ns_parserr(&message, ns_s_an, i, &record) < 0) break;
        int ttl = (int)(ns_rr_ttl(record) > 86400 ? 86400 : ns_rr_ttl(record));
        if (least < 0 || ttl < least) least = ttl;
    }
    return least;
}

int clinux_resolve(const char *name, char *texts, int limit, int *ttl) {
    struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int result = getaddrinfo(name, NULL, &wanted, &found);
    if (result != 0) return result < 0 ? result : -result;
    int count = 0;
    for (struct addrinfo *a = found; a && count < limit; a = a->ai_next) {
        const void *bytes = a->ai_family == AF_INET    ? (const void *)&((struct sockaddr_in *)a->ai_addr)->sin_addr
                            : a->ai_family == AF_INET6 ? (const void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr
                                                       : NULL;
        if (bytes && inet_ntop(a->ai_family, bytes, texts + count * 46, 46)) count++;
    }
    freeaddrinfo(found);
    *ttl = least_ttl(name, ns_t_aaaa, least_ttl(name, ns_t_a, -1));
    return count;
}

const char *clinux_resolve_error(int result) { return gai_strerror(result); }

int clinux_core_count(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) < 0) return 1;
    return CPU_COUNT(&set);
}

long clinux_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) limit.rlim_cur = before;
    return limit.rlim_cur > INT_MAX ? INT_MAX : (long)limit.rlim_cur;
}

long clinux_open_descriptors(void) {
    // Since Linux 6.2 the directory's size is their number.
    struct stat status;
    if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0) return (long)status.st_size;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory) return -errno;
    long count = 0;
    while (readdir(directory)) count++;
    closedir(directory);
    // Neither the directory's own, nor "." and "..".
    return count - 3;
}

// What a handler may do is little: it sets a bit, and wakes the thread that waits. Bits cannot be lost by being many.
static _Atomic uint32_t signals_that_came;
static int signal_wake = -1;

static void note_signal(int number) {
    int before = errno;
    uint64_t one = 1;
    atomic_fetch_or(&signals_that_came, (uint32_t)1 << number);
    (void)!write(signal_wake, &one, sizeof one);
    errno = before;
}

int clinux_trap_signal(int number) {
    if (signal_wake < 0 && (signal_wake = eventfd(0, EFD_CLOEXEC)) < 0) return -errno;
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    return (int)CLINUX_RETRY(sigaction(number, &action, NULL));
}

uint32_t clinux_wait_for_signals(void) {
    uint64_t count;
    while (clinux_read(signal_wake, &count, sizeof count) < 0) {
    }
    return atomic_exchange(&signals_that_came, 0);
}

int clinux_finish_output(void) {
    if (fflush(stdout) != 0) return -errno;
    // Something printed earlier found no room; its error number is not known any more.
    return ferror(stdout) ? -EIO : 0;
}

void clinux_return_memory(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void clinux_give_way(void) {
    // On Linux a thread has a priority of its own.
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
}

void clinux_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
