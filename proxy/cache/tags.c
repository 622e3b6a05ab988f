/* From paths to tags. */
#include "cache/tags.h"

#include <xxhash.h>

uint64_t tag_of_account(struct bytes account)
{
    return XXH3_64bits(account.data, account.length);
}

uint64_t tag_of_path(struct bytes account, struct bytes path)
{
    while (path.length > 0 && path.data[path.length - 1] == '/')
        path.length--;
    return XXH3_64bits_withSeed(path.data, path.length, tag_of_account(account));
}

struct tags tags_of_answer(struct arena *arena, struct bytes account, struct bytes path)
{
    uint64_t *hashes = arena_take(arena, TAGS_LIMIT * sizeof(hashes[0]));
    size_t count = 0;

    hashes[count++] = tag_of_account(account);
    while (path.length > 0 && path.data[path.length - 1] == '/')
        path.length--;
    for (size_t end = 1; end <= path.length && count < TAGS_LIMIT; end++)
        if (end == path.length || path.data[end] == '/')
            hashes[count++] = tag_of_path(account, bytes_slice(path, 0, end));
    return (struct tags){.hashes = hashes, .count = count};
}
