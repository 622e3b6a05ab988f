/*
 * Three databases by tag. No cursor stays open over a deletion: LMDB 0.9 had errors where one of
 * values that are many does.
 */
#include "cache/index.h"

#include <assert.h>
#include <stdlib.h>

struct tags index_sort(struct arena *arena, struct tags tags)
{
    uint64_t *sorted = arena_take(arena, (tags.count + 1) * sizeof(*sorted));
    size_t count = 0;

    if (tags.count == 0)
        return tags;
    memcpy(sorted, tags.hashes, tags.count * sizeof(*sorted));
    qsort(sorted + 1, tags.count - 1, sizeof(*sorted), tag_compare);
    for (size_t i = 0; i < tags.count; i++)
        if (i < 2 || sorted[i] != sorted[count - 1])
            sorted[count++] = sorted[i];
    return (struct tags){.hashes = sorted, .count = count};
}

bool tags_hold(struct tags sorted, uint64_t tag)
{
    size_t low = 1, high = sorted.count;

    if (sorted.count == 0 || sorted.hashes[0] == tag)
        return sorted.count > 0;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (sorted.hashes[middle] < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sorted.count && sorted.hashes[low] == tag;
}

static struct bytes bytes_of_tag(const uint64_t *tag)
{
    return bytes_of(tag, sizeof(*tag));
}

static enum result index_add(const struct store *store, MDB_txn *txn, uint64_t tag,
                             struct hash128 hash)
{
    return store_put(txn, store->tags, bytes_of_tag(&tag), bytes_of(&hash, sizeof(hash)));
}

enum result index_remove(const struct store *store, MDB_txn *txn, uint64_t tag, struct hash128 hash)
{
    MDB_val key = {.mv_size = sizeof(tag), .mv_data = &tag};
    MDB_val value = {.mv_size = sizeof(hash), .mv_data = &hash};
    const int code = mdb_del(txn, store->tags, &key, &value);

    return code == MDB_NOTFOUND ? RESULT_OK : store_result(code);
}

static bool tags_equal(struct tags a, struct tags b)
{
    return bytes_equal(bytes_of(a.hashes, a.count * sizeof(a.hashes[0])),
                       bytes_of(b.hashes, b.count * sizeof(b.hashes[0])));
}

enum result index_change(const struct store *store, MDB_txn *txn, struct hash128 hash,
                         struct tags before, struct tags after)
{
    enum result result = RESULT_OK;
    size_t b = 1, a = 1;

    if (tags_equal(before, after)) /* most replacements */
        return RESULT_OK;
    while (result == RESULT_OK && (b < before.count || a < after.count)) {
        if (a >= after.count || (b < before.count && before.hashes[b] < after.hashes[a])) {
            result = index_remove(store, txn, before.hashes[b++], hash);
        } else if (b >= before.count || after.hashes[a] < before.hashes[b]) {
            result = index_add(store, txn, after.hashes[a++], hash);
        } else {
            a++;
            b++;
        }
    }
    return result;
}

/* Puts the cursor on the first entry that is wanted, and *value. */
static int cursor_begin(MDB_cursor *cursor, MDB_val *key, const struct hash128 *after,
                        MDB_val *value)
{
    struct hash128 least;
    int code;

    if (after == NULL)
        return mdb_cursor_get(cursor, key, value, MDB_SET_KEY);
    least = *after;
    *value = (MDB_val){.mv_size = sizeof(least), .mv_data = &least};
    code = mdb_cursor_get(cursor, key, value, MDB_GET_BOTH_RANGE);
    if (code == 0 && memcmp(value->mv_data, after, sizeof(*after)) == 0)
        code = mdb_cursor_get(cursor, key, value, MDB_NEXT_DUP);
    return code;
}

enum result index_find(const struct store *store, MDB_txn *txn, uint64_t tag,
                       const struct hash128 *after, struct index_page *page)
{
    MDB_cursor *cursor;
    MDB_val key = {.mv_size = sizeof(tag), .mv_data = &tag}, value;
    int code = mdb_cursor_open(txn, store->tags, &cursor);

    if (code != 0)
        return store_result(code);
    page->count = page->total = 0;
    code = cursor_begin(cursor, &key, after, &value);
    if (code == 0)
        code = mdb_cursor_count(cursor, &page->total);
    while (code == 0 && page->count < page->room) {
        if (value.mv_size != sizeof(page->hashes[0])) {
            code = MDB_CORRUPTED;
            break;
        }
        memcpy(&page->hashes[page->count++], value.mv_data, sizeof(page->hashes[0]));
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT_DUP);
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? RESULT_OK : store_result(code);
}

/* --- numbers by tag --- */

struct tag_number {
    uint64_t tag, number;
};

static enum result number_get(MDB_txn *txn, MDB_dbi database, uint64_t tag, uint64_t *number)
{
    struct bytes found = {0};
    const enum result result = store_get(txn, database, bytes_of_tag(&tag), &found);

    if (result != RESULT_OK)
        return result;
    if (found.length != sizeof(*number))
        return RESULT_DAMAGED;
    memcpy(number, found.data, sizeof(*number));
    return RESULT_OK;
}

static enum result number_raise(MDB_txn *txn, MDB_dbi database, const struct tag_number *wanted,
                                size_t limit)
{
    uint64_t before = 0;
    const enum result result = number_get(txn, database, wanted->tag, &before);

    if (result != RESULT_OK && result != RESULT_MISSING)
        return result;
    if (result == RESULT_OK && before >= wanted->number)
        return RESULT_OK;
    if (result == RESULT_MISSING && store_count(txn, database) >= limit)
        return RESULT_LIMIT;
    return store_put(txn, database, bytes_of_tag(&wanted->tag),
                     bytes_of(&wanted->number, sizeof(wanted->number)));
}

static enum result number_of_row(MDB_val key, MDB_val value, struct tag_number *row)
{
    if (key.mv_size != sizeof(row->tag) || value.mv_size != sizeof(row->number))
        return RESULT_DAMAGED;
    memcpy(&row->tag, key.mv_data, sizeof(row->tag));
    memcpy(&row->number, value.mv_data, sizeof(row->number));
    return RESULT_OK;
}

/* --- sweeps --- */

enum result sweeps_read(const struct store *store, MDB_txn *txn, struct sweeps *sweeps)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    struct tag_number row;
    enum result result;

    sweeps->count = 0;
    if (store_count(txn, store->sweeps) == 0)
        return RESULT_OK;
    result = store_result(mdb_cursor_open(txn, store->sweeps, &cursor));
    if (result != RESULT_OK)
        return result;
    while (result == RESULT_OK && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        result = sweeps->count < SWEEPS_LIMIT ? number_of_row(key, value, &row) : RESULT_DAMAGED;
        if (result == RESULT_OK)
            sweeps->list[sweeps->count++] = (struct sweep){.tag = row.tag, .serial = row.number};
    }
    mdb_cursor_close(cursor);
    return result;
}

enum result sweeps_put(const struct store *store, MDB_txn *txn, const struct sweep *sweep)
{
    const struct tag_number row = {.tag = sweep->tag, .number = sweep->serial};

    return number_raise(txn, store->sweeps, &row, SWEEPS_LIMIT);
}

enum result sweeps_remove(const struct store *store, MDB_txn *txn, uint64_t tag)
{
    return store_delete(txn, store->sweeps, bytes_of_tag(&tag));
}

/* --- quarantines --- */

enum result quarantine_put(const struct store *store, MDB_txn *txn, uint64_t tag,
                           int64_t until_wall_us)
{
    const struct tag_number row = {.tag = tag, .number = (uint64_t)until_wall_us};

    assert(until_wall_us >= 0);
    return number_raise(txn, store->quarantines, &row, QUARANTINES_LIMIT);
}

int64_t quarantine_last(const struct store *store, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int64_t last = 0, until;

    if (mdb_cursor_open(txn, store->quarantines, &cursor) != 0)
        return 0;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
        if (value.mv_size == sizeof(until)) {
            memcpy(&until, value.mv_data, sizeof(until));
            last = until > last ? until : last;
        }
    mdb_cursor_close(cursor);
    return last;
}

enum result quarantine_holds(const struct store *store, MDB_txn *txn, struct tags tags,
                             int64_t begun_wall_us, bool *holds)
{
    *holds = false;
    if (store_count(txn, store->quarantines) == 0)
        return RESULT_OK;
    for (size_t i = 1; i < tags.count && !*holds; i++) {
        uint64_t until = 0;
        const enum result result = number_get(txn, store->quarantines, tags.hashes[i], &until);

        if (result != RESULT_OK && result != RESULT_MISSING)
            return result;
        *holds = result == RESULT_OK && begun_wall_us < (int64_t)until;
    }
    return RESULT_OK;
}

enum { ENDED_AT_ONCE = 256 };

enum result quarantine_end(const struct store *store, MDB_txn *txn, int64_t wall_us,
                           struct quarantine_ends *ends)
{
    uint64_t ended[ENDED_AT_ONCE];
    MDB_cursor *cursor;
    MDB_val key, value;
    struct tag_number row;
    size_t count = 0;
    enum result result = store_result(mdb_cursor_open(txn, store->quarantines, &cursor));

    *ends = (struct quarantine_ends){.next_wall_us = INT64_MAX};
    if (result != RESULT_OK)
        return result;
    while (count < ENDED_AT_ONCE && result == RESULT_OK &&
           mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        result = number_of_row(key, value, &row);
        if (result != RESULT_OK)
            break;
        const int64_t until = (int64_t)row.number;
        if (until <= wall_us) {
            ended[count++] = row.tag;
            ends->last_wall_us = until > ends->last_wall_us ? until : ends->last_wall_us;
        } else if (until < ends->next_wall_us) {
            ends->next_wall_us = until;
        }
    }
    mdb_cursor_close(cursor);
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = store_delete(txn, store->quarantines, bytes_of_tag(&ended[i]));
    if (count == ENDED_AT_ONCE)
        ends->next_wall_us = wall_us; /* there may be more */
    return result;
}
