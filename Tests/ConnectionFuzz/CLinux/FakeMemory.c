#include "FakeLinux.h"

#include <sanitizer/asan_interface.h>

// A worker's buffers, megabytes each, are kept from one input to the next: the sanitizer takes longer to tell that they
// were freed than most inputs take. What lies behind their end is still nobody's.

void *__real_swift_slowAlloc(size_t size, size_t alignment);
void __real_swift_slowDealloc(void *block, size_t size, size_t alignment);

enum { LEAST = 1 << 18, GUARD = 4096, BLOCK_LIMIT = 16 };

static struct {
    void *memory;
    size_t size;
    int is_used;
} blocks[BLOCK_LIMIT];

void *__wrap_swift_slowAlloc(size_t size, size_t alignment) {
    if (size < LEAST) return __real_swift_slowAlloc(size, alignment);
    for (int i = 0; i < BLOCK_LIMIT; i++) {
        if (blocks[i].is_used || (blocks[i].memory && blocks[i].size != size)) continue;
        if (!blocks[i].memory) {
            blocks[i].memory = __real_swift_slowAlloc(size + GUARD, alignment);
            blocks[i].size = size;
            ASAN_POISON_MEMORY_REGION((char *)blocks[i].memory + size, GUARD);
        }
        blocks[i].is_used = 1;
        return blocks[i].memory;
    }
    return __real_swift_slowAlloc(size, alignment);
}

void __wrap_swift_slowDealloc(void *block, size_t size, size_t alignment) {
    for (int i = 0; size >= LEAST && i < BLOCK_LIMIT; i++) {
        if (blocks[i].memory != block) continue;
        blocks[i].is_used = 0;
        return;
    }
    __real_swift_slowDealloc(block, size, alignment);
}
