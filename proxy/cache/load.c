/*
 * What the writer knows at start: the entries by size and age, the accounts, and the writes of
 * which nobody knows how they ended (rule 10): those are invalidated for, under quarantine, before
 * the first request is served.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cache/changes.h"
#include "cache/index.h"

static const char scheme_name[] = "identity/" CACHE_SCHEME_NAME;

enum { LOAD_ARENA_BYTES = 64 * 1024, LOAD_FIRST_SLOTS = 1024 };

/* Known from now on, so that a write that names every account names those too whose token is not
 * known yet. */
static void load_account_of(struct cache *cache, const struct entry *entry)
{
    const struct bytes name = key_account(entry->key);
    struct account *account;

    if (name.length == 0)
        return;
    account = cache_account(cache, name);
    if (entry->serial > account->emptied_serial)
        account->living_count++;
}

/* Entries as they are found: by hash. */
struct found {
    struct evict_slot *slots; /* heap */
    size_t count, capacity;
};

static void found_add(struct found *found, const struct evict_slot *slot)
{
    if (found->count == found->capacity) {
        found->capacity = found->capacity == 0 ? LOAD_FIRST_SLOTS : found->capacity * 2;
        found->slots = memory_resize(found->slots, found->capacity * sizeof(found->slots[0]));
    }
    found->slots[found->count++] = *slot;
}

static int slot_compare(const void *a, const void *b)
{
    const uint64_t first = ((const struct evict_slot *)a)->serial;
    const uint64_t second = ((const struct evict_slot *)b)->serial;

    return first < second ? -1 : first > second;
}

/* In the order in which they were stored: eviction and sweeping rely on it. */
static void found_hand_over(struct found *found, struct evict *evict)
{
    if (found->count > 0)
        qsort(found->slots, found->count, sizeof(found->slots[0]), slot_compare);
    for (size_t i = 0; i < found->count; i++)
        evict_add(evict, &found->slots[i]);
    free(found->slots);
}

static struct evict_slot slot_of_record(struct cache *cache, struct bytes record,
                                        struct arena *arena)
{
    struct evict_slot slot = {.footprint_bytes = store_footprint_bytes(record.length)};
    struct entry entry;

    if (entry_decode(record, arena, &entry) != RESULT_OK)
        return slot; /* damaged, so never served, and expired since 1970: the first to go */
    slot.footprint_bytes += entry.tags.count * INDEX_ROW_BYTES;
    slot.serial = entry.serial;
    slot.account_tag = entry.tags.count > 0 ? entry.tags.hashes[0] : 0;
    slot.expires_wall_us = entry.expires_wall_us;
    load_account_of(cache, &entry);
    return slot;
}

void load_entries(struct cache *cache)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    struct arena arena;
    struct found found = {0};
    const struct cache_job all = {.kind = CACHE_INVALIDATE};

    evict_clear(&cache->evict);
    for (struct account *account = accounts_first(cache, &all); account != NULL;
         account = account->next)
        account->living_count = 0;
    if (mdb_txn_begin(cache->store.env, NULL, MDB_RDONLY, &txn) != 0)
        return; /* nothing is known: nothing is evicted, and a full map refuses stores */
    arena_init(&arena, LOAD_ARENA_BYTES);
    if (mdb_cursor_open(txn, cache->store.entries, &cursor) == 0) {
        while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
            struct evict_slot slot;

            if (key.mv_size != sizeof(slot.hash))
                continue;
            arena_reset(&arena);
            slot = slot_of_record(cache, bytes_of(value.mv_data, value.mv_size), &arena);
            memcpy(&slot.hash, key.mv_data, sizeof(slot.hash));
            found_add(&found, &slot);
        }
        mdb_cursor_close(cursor);
    }
    found_hand_over(&found, &cache->evict);
    cache->entries = cache->evict.entry_count;
    cache->held_bytes = cache->evict.held_bytes;
    arena_finish(&arena);
    mdb_txn_abort(txn);
}

static void load_accounts(struct cache *cache, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, value;

    if (mdb_cursor_open(txn, cache->store.accounts, &cursor) != 0)
        return;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        struct account *account = cache_account(cache, bytes_of(key.mv_data, key.mv_size));
        struct account_record record;

        if (value.mv_size != sizeof(record))
            continue;
        memcpy(&record, value.mv_data, sizeof(record));
        account->emptied_serial = record.emptied_serial;
        account->quarantine_until_wall_us = record.quarantine_until_wall_us;
    }
    mdb_cursor_close(cursor);
}

/* Rule 10: the write may have been sent, and may still land. */
static enum result carry_out(struct cache *cache, MDB_txn *txn, MDB_val value)
{
    struct intent_record record;
    struct cache_job job = {.kind = CACHE_INVALIDATE, .keeps_intent = true};

    if (value.mv_size < sizeof(record))
        return RESULT_DAMAGED;
    memcpy(&record, value.mv_data, sizeof(record));
    record.account[sizeof(record.account) - 1] = '\0';
    if (record.account[0] != '\0') {
        job.account = cache_account(cache, bytes_of_string(record.account));
        job.tags = (struct tags){.hashes = &job.account->tag, .count = 1};
    }
    job.quarantine_us = record.quarantine_us > 0 ? record.quarantine_us : 1;
    return change_invalidate(cache, txn, &job);
}

static enum result carry_out_intents(struct cache *cache, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    enum result result = store_result(mdb_cursor_open(txn, cache->store.intents, &cursor));

    if (result != RESULT_OK)
        return result;
    while (result == RESULT_OK && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
        result = carry_out(cache, txn, value);
    mdb_cursor_close(cursor);
    return result == RESULT_OK ? store_result(mdb_drop(txn, cache->store.intents, 0)) : result;
}

/* Tags that were made otherwise are not those that writes name now: what carries them goes, and
 * what was in quarantine by them puts the accounts there. */
static enum result load_change_scheme(struct cache *cache, MDB_txn *txn, struct bytes scheme)
{
    const MDB_dbi made_by_it[] = {cache->store.entries, cache->store.tags, cache->store.sweeps,
                                  cache->store.relations};
    const int64_t until = quarantine_last(&cache->store, txn);
    enum result result = RESULT_OK;

    load_accounts(cache, txn);
    for (struct account *account = cache->accounts; account != NULL && result == RESULT_OK;
         account = account->next) {
        const struct account_record record = {.emptied_serial = account->emptied_serial,
                                              .quarantine_until_wall_us =
                                                  until > account->quarantine_until_wall_us
                                                      ? until
                                                      : account->quarantine_until_wall_us};

        result = store_put_account(&cache->store, txn, bytes_of_string(account->name), &record);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(made_by_it) && result == RESULT_OK; i++)
        result = store_result(mdb_drop(txn, made_by_it[i], 0));
    return result == RESULT_OK ? store_put_text(&cache->store, txn, scheme_name, scheme) : result;
}

static enum result load_scheme(struct cache *cache, struct bytes scheme)
{
    MDB_txn *txn;
    struct bytes known = {0};
    enum result result = store_result(mdb_txn_begin(cache->store.env, NULL, 0, &txn));

    if (result != RESULT_OK)
        return result;
    if (store_get_text(&cache->store, txn, scheme_name, &known) == RESULT_OK &&
        bytes_equal(known, scheme)) {
        mdb_txn_abort(txn);
        return RESULT_OK;
    }
    result = load_change_scheme(cache, txn, scheme);
    if (result == RESULT_OK)
        return store_result(mdb_txn_commit(txn));
    mdb_txn_abort(txn);
    return result;
}

enum result load_all(struct cache *cache, struct bytes scheme, struct error *error)
{
    MDB_txn *txn;
    enum result result = load_scheme(cache, scheme);

    if (result == RESULT_OK)
        result = store_result(mdb_txn_begin(cache->store.env, NULL, 0, &txn));

    if (result != RESULT_OK)
        return error_set(error, result, "cannot write to the cache: %s; make room on data_dir",
                         result_text(result));
    result = store_get_serial(&cache->store, txn, &cache->serial);
    if (result == RESULT_MISSING)
        result = RESULT_OK;
    if (result == RESULT_OK) {
        load_accounts(cache, txn);
        load_entries(cache);
        result = carry_out_intents(cache, txn);
    }
    if (result == RESULT_OK)
        result = store_put_serial(&cache->store, txn, cache->serial);
    if (result == RESULT_OK)
        result = store_result(mdb_txn_commit(txn));
    else
        mdb_txn_abort(txn);
    if (result != RESULT_OK)
        return error_set(error, result, "cannot write to the cache: %s; make room on data_dir",
                         result_text(result));
    order_publish(
        &cache->order);     /* what intents have stamped is done: fetches from now on are newer */
    cache->sweeping = true; /* lets the writer look for sweeps of tags as well */
    cache->gone_count = 0;  /* nobody asks for them */
    cache->quarantine_ends_wall_us = clock_wall_us(); /* some may be left: look for them */
    return RESULT_OK;
}
