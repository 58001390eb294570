// Counts what a running process takes from the heap, which locks it asks for, and which Swift objects it retains.
// Preloaded (LD_PRELOAD) into the proxy; the counters are in a shared file (SPILLWAY_HEAP_COUNTS names it, 64-bit
// numbers in host order) that the benchmark reads before and after a number of requests:
//
//   0  calls of malloc, calloc, realloc, posix_memalign, aligned_alloc
//   1  calls of free
//   2  calls of pthread_mutex_lock and pthread_rwlock_*lock
//   3  bytes asked for
//   4  calls of swift_retain (only seen where the Swift runtime is a shared library)
//   5  calls of swift_release (likewise)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// glibc's own entrances: they need no dlsym, which itself allocates.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

typedef _Atomic uint64_t Counter;
static Counter early[6];
static Counter *counters = early;

static void count(int which, uint64_t amount) {
    atomic_fetch_add_explicit(&counters[which], amount, memory_order_relaxed);
}

static void countBlock(size_t size) {
    count(0, 1);
    count(3, size);
}

__attribute__((constructor)) static void shareCounters(void) {
    const char *path = getenv("SPILLWAY_HEAP_COUNTS");
    int file = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file < 0) return;
    if (ftruncate(file, sizeof early) == 0) {
        void *shared = mmap(NULL, sizeof early, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (shared != MAP_FAILED) counters = shared;
    }
    close(file);
}

void *malloc(size_t size) {
    countBlock(size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    countBlock(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
    countBlock(size);
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    countBlock(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    countBlock(size);
    *block = __libc_memalign(alignment, size);
    return *block ? 0 : ENOMEM;
}

void free(void *block) {
    if (block) count(1, 1);
    __libc_free(block);
}

// Where the real one is, looked up once; two threads that look at the same time find the same.
#define FORWARD(counter, result, name, type)                                                                           \
    result name(type *argument) {                                                                                     \
        static result (*_Atomic real)(type *);                                                                        \
        result (*known)(type *) = atomic_load_explicit(&real, memory_order_relaxed);                                  \
        if (!known) {                                                                                                 \
            *(void **)&known = dlsym(RTLD_NEXT, #name);                                                               \
            atomic_store_explicit(&real, known, memory_order_relaxed);                                                \
        }                                                                                                             \
        count(counter, 1);                                                                                            \
        return known(argument);                                                                                       \
    }

FORWARD(2, int, pthread_mutex_lock, pthread_mutex_t)
FORWARD(2, int, pthread_rwlock_rdlock, pthread_rwlock_t)
FORWARD(2, int, pthread_rwlock_wrlock, pthread_rwlock_t)
FORWARD(4, void *, swift_retain, void)
FORWARD(5, void, swift_release, void)
