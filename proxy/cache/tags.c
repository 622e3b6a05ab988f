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
