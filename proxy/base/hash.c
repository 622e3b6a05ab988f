/* XXH3 in its 128-bit form. */
#include "base/hash.h"

#include <xxhash.h>

struct hash128 hash_of(struct bytes bytes)
{
    const XXH128_hash_t hash = XXH3_128bits(bytes.data, bytes.length);

    return (struct hash128){.high = hash.high64, .low = hash.low64};
}
