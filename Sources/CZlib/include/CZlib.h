#ifndef CZLIB_H
#define CZLIB_H

// zlib, for Swift: one buffer into another.

#include <stddef.h>

/// How large what becomes of `count` bytes can be.
size_t czlib_bound(size_t count);

/// Compresses `count` bytes as a gzip file, fast rather than small. Returns how many bytes it has, or -1.
long czlib_gzip(const unsigned char *from, size_t count, unsigned char *to, size_t room);

#endif
