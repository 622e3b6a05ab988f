/* Whether a decoded record makes sense: shared by test_entry and fuzz_entry. */
#ifndef POSTERN_TESTS_CACHE_RECORDS_H
#define POSTERN_TESTS_CACHE_RECORDS_H

#include "cache/entry.h"

static inline bool record_holds(struct bytes record, struct bytes part)
{
    return part.length == 0 || (part.data >= record.data && part.length <= record.length &&
                                part.data + part.length <= record.data + record.length);
}

/* The tags alone read the same. */
static inline bool record_tags_agree(struct bytes record, const struct entry *entry)
{
    struct arena arena;
    struct entry read;

    arena_init(&arena, 4096);
    bool agree = entry_decode_tags(record, &arena, &read) == RESULT_OK &&
                 read.serial == entry->serial && read.tags.count == entry->tags.count;
    for (size_t i = 0; i < entry->tags.count && agree; i++)
        agree = read.tags.hashes[i] == entry->tags.hashes[i];
    arena_finish(&arena);
    return agree;
}

/*
 * Every part stands inside the record, the parts fill it, the head alone reads the same, and its
 * age and freshness can be asked.
 */
static inline bool record_makes_sense(struct bytes record, const struct entry *entry)
{
    struct entry head;

    if (!record_holds(record, entry->key) || !record_holds(record, entry->vary) ||
        !record_holds(record, entry->body) || entry_encoded_bytes(entry) != record.length)
        return false;
    for (size_t i = 0; i < entry->fields.count; i++)
        if (!record_holds(record, entry->fields.lines[i].name) ||
            !record_holds(record, entry->fields.lines[i].value))
            return false;
    if (entry_decode_head(record, &head) != RESULT_OK || head.serial != entry->serial ||
        head.status != entry->status || head.flags != entry->flags)
        return false;
    if (!record_tags_agree(record, entry))
        return false;
    (void)entry_is_fresh(entry, INT64_C(1700000000000000));
    return entry_age_s(entry, INT64_C(1700000000000000)) <= INT64_MAX / 1000000;
}

#endif
