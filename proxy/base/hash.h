/* 128-bit XXH3 hashes for cache keys and tags. Not for secrets, and never trusted alone: entries
 * keep their whole key. */
#ifndef POSTERN_BASE_HASH_H
#define POSTERN_BASE_HASH_H

#include <stdint.h>

#include "base/bytes.h"

struct hash128 {
    uint64_t high, low;
};

struct hash128 hash_of(struct bytes bytes);

static inline bool hash_equal(struct hash128 a, struct hash128 b)
{
    return a.high == b.high && a.low == b.low;
}

#endif
