#define _GNU_SOURCE
#include "CLinux.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
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

int clinux_identify_file(const char *path, uint64_t *device, uint64_t *number) {
    struct stat status;
    if (lstat(path, &status) < 0) return -errno;
    *device = status.st_dev;
    *number = status.st_ino;
    return 0;
}

int clinux_change_file(
    const char *path, uint64_t device, uint64_t number, int mode, uint32_t user, uint32_t group) {
    int fd = (int)CLINUX_RETRY(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (fd < 0) return fd == -ENOENT ? -ESTALE : fd;
    struct stat status;
    int result = fstat(fd, &status) < 0 ? -errno : 0;
    if (result == 0 && (status.st_dev != device || status.st_ino != number)) result = -ESTALE;
    // The owner first: giving a file away may take bits of its mode.
    if (result == 0 && (user != UINT32_MAX || group != UINT32_MAX) &&
        fchownat(fd, "", user, group, AT_EMPTY_PATH) < 0)
        result = -errno;
    if (result == 0 && mode >= 0) {
        // fchmod refuses a descriptor of this kind; its entry in /proc leads to the very file.
        char entry[40];
        snprintf(entry, sizeof entry, "/proc/self/fd/%d", fd);
        if (chmod(entry, (mode_t)mode) < 0) result = -errno;
    }
    close(fd);
    return result;
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

void clinux_limit_arenas(int count) {
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, count);
#endif
}

void clinux_give_way(void) {
    // On Linux a thread has a priority of its own.
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
}

void clinux_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
