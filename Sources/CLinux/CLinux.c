#define _GNU_SOURCE
#include "CLinux.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

int clinux_accept(int fd, clinux_address *peer) {
    peer->length = sizeof peer->address;
    return (int)CLINUX_RETRY(accept4(fd, &peer->address.any, &peer->length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

int clinux_core_count(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) < 0) return 1;
    return CPU_COUNT(&set);
}

long clinux_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    return (long)limit.rlim_cur;
}

void clinux_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
