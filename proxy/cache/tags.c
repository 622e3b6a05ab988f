/* From texts to tags. */
#include "cache/tags.h"

#include <xxhash.h>

uint64_t tag_of_account(struct bytes account)
{
    return XXH3_64bits(account.data, account.length);
}

uint64_t tag_of_text(uint64_t account_tag, struct bytes text)
{
    return XXH3_64bits_withSeed(text.data, text.length, account_tag);
}

bool tags_have(struct tags tags, uint64_t tag)
{
    for (size_t i = 0; i < tags.count; i++)
        if (tags.hashes[i] == tag)
            return true;
    return false;
}

int tag_compare(const void *a, const void *b)
{
    const uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return first < second ? -1 : first > second;
}
