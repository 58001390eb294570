#include "CZlib.h"

#include <limits.h>
#include <zlib.h>

/// What a gzip file has around its blocks, at most, as no name and no comment are written.
enum { FRAME = 64 };

size_t czlib_bound(size_t count) { return compressBound(count) + FRAME; }

long czlib_gzip(const unsigned char *from, size_t count, unsigned char *to, size_t room) {
    if (count > UINT_MAX || room > UINT_MAX) return -1;
    z_stream stream = {.next_in = (unsigned char *)from, .avail_in = (unsigned)count, .next_out = to, .avail_out = (unsigned)room};
    // 16 beside the size of the window: a gzip file, and not zlib's own format.
    if (deflateInit2(&stream, 3, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return -1;
    int result = deflate(&stream, Z_FINISH);
    long written = (long)stream.total_out;
    deflateEnd(&stream);
    return result == Z_STREAM_END ? written : -1;
}
