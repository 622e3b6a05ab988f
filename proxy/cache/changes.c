/*
 * What one job changes, within the writer's transaction: rules 3, 4, 8 and 9 of the order.
 * Batching, committing, publishing and answering are writer.c's.
 *
 * Emptying an account is one number in its record that every reader compares; the dead entries are
 * swept later.
 */
#include "cache/changes.h"

#include <assert.h>

#include "base/clock.h"

enum { CHANGES_ARENA_BYTES = 64 * 1024 };

static struct evict_slot slot_of(const struct account *account, const struct entry *entry,
                                 struct hash128 hash)
{
    return (struct evict_slot){
        .hash = hash,
        .serial = entry->serial,
        .account_tag = account->tag,
        .expires_wall_us = entry->expires_wall_us,
        .footprint_bytes = store_footprint_bytes(entry_encoded_bytes(entry)),
    };
}

static enum result change_make_room(struct cache *cache, MDB_txn *txn, uint64_t footprint_bytes)
{
    const int64_t wall_us = clock_wall_us();
    struct hash128 hash;

    if (footprint_bytes > cache->max_bytes)
        return RESULT_LIMIT;
    while (cache->evict.held_bytes + footprint_bytes > cache->max_bytes &&
           evict_choose(&cache->evict, wall_us, &hash)) {
        const enum result result = store_delete_entry(&cache->store, txn, hash);

        if (result != RESULT_OK)
            return result;
        evict_remove(&cache->evict, hash);
        cache->evictions++;
    }
    return RESULT_OK;
}

static enum result change_put_entry(struct cache *cache, MDB_txn *txn,
                                    const struct account *account, struct entry *entry,
                                    struct hash128 hash)
{
    const size_t size = entry_encoded_bytes(entry);
    struct evict_slot slot;
    char *room;

    entry->serial = ++cache->serial;
    slot = slot_of(account, entry, hash);
    enum result result = change_make_room(cache, txn, slot.footprint_bytes);
    if (result == RESULT_OK)
        result = store_reserve_entry(&cache->store, txn, hash, size, &room);
    if (result != RESULT_OK)
        return result;
    entry_encode(entry, room);
    evict_add(&cache->evict, &slot);
    return RESULT_OK;
}

/* Rules 4, 8 and 9: whether what was fetched is still to be kept, and for how long. */
static bool change_accepts(const struct cache *cache, struct cache_job *job)
{
    const struct account *account = job->account;

    if (atomic_load_explicit(&account->unusable, memory_order_relaxed))
        return false;
    if (!order_is_current(&cache->order, job->entry.tags, job->begun))
        return false;
    if (job->begun_wall_us < account->quarantine_until_wall_us &&
        job->entry.expires_wall_us > account->quarantine_until_wall_us) {
        job->entry.expires_wall_us = account->quarantine_until_wall_us;
        job->entry.flags |= ENTRY_MUST_REVALIDATE;
    }
    return true;
}

/* An answer with Vary: the URL's key holds which fields select it, and the entry without Vary gives
 * way. */
static enum result change_put_variants(struct cache *cache, MDB_txn *txn,
                                       const struct cache_job *job)
{
    struct entry variants = job->entry;
    const enum result result = store_delete_entry(&cache->store, txn, job->default_hash);

    if (result != RESULT_OK)
        return result;
    evict_remove(&cache->evict, job->default_hash);
    variants.flags = ENTRY_VARIANTS;
    variants.fields = (struct fields){0};
    variants.body = (struct bytes){0};
    variants.key = job->url.text;
    return change_put_entry(cache, txn, job->account, &variants, job->url.hash);
}

/* What is stored was asked for later: by one who insisted on a fresh answer while this call was
 * under way. */
static bool change_is_overtaken(const struct cache *cache, MDB_txn *txn,
                                const struct cache_job *job)
{
    struct bytes record = {0};
    struct entry stored;

    return store_get_entry(&cache->store, txn, job->key.hash, &record) == RESULT_OK &&
           entry_decode_head(record, &stored) == RESULT_OK &&
           stored.serial > job->account->emptied_serial &&
           stored.begun_wall_us > job->begun_wall_us;
}

enum result change_store(struct cache *cache, MDB_txn *txn, struct cache_job *job)
{
    enum result result = RESULT_OK;

    if (!change_accepts(cache, job) || change_is_overtaken(cache, txn, job))
        return RESULT_REFUSED;
    if (job->entry.vary.length > 0)
        result = change_put_variants(cache, txn, job);
    if (result != RESULT_OK)
        return result;
    job->entry.key = job->key.text;
    return change_put_entry(cache, txn, job->account, &job->entry, job->key.hash);
}

/* A 304: the stored body under the new head. */
enum result change_freshen(struct cache *cache, MDB_txn *txn, struct cache_job *job)
{
    struct bytes record = {0};
    struct arena arena;
    struct entry stored;
    enum result result = store_get_entry(&cache->store, txn, job->key.hash, &record);

    if (result != RESULT_OK)
        return result;
    if (!change_accepts(cache, job))
        return RESULT_REFUSED;
    arena_init(&arena, CHANGES_ARENA_BYTES);
    result = entry_decode(arena_copy(&arena, record), &arena,
                          &stored); /* a put may move the record's page */
    if (result == RESULT_OK &&
        (stored.serial != job->entry.serial || stored.serial <= job->account->emptied_serial))
        result = RESULT_MISSING;
    if (result == RESULT_OK) {
        job->entry.body = stored.body;
        job->entry.key = job->key.text;
        job->entry.vary = stored.vary;
        result = change_put_entry(cache, txn, job->account, &job->entry, job->key.hash);
        job->entry.body = (struct bytes){0};
    }
    arena_finish(&arena);
    return result;
}

enum result change_put_intent(struct cache *cache, MDB_txn *txn, struct cache_job *job)
{
    char room[sizeof(struct intent_record) + TAGS_LIMIT * sizeof(uint64_t)];
    struct intent_record record = {.quarantine_us = job->quarantine_us,
                                   .tag_count = (uint32_t)job->tags.count};
    uint64_t number = cache->next_intent + 1;
    MDB_val key = {.mv_size = sizeof(number), .mv_data = &number};
    MDB_val value = {.mv_size = sizeof(record) + job->tags.count * sizeof(uint64_t),
                     .mv_data = room};

    assert(job->tags.count <= TAGS_LIMIT);
    if (job->account != NULL)
        memcpy(record.account, job->account->name, sizeof(job->account->name));
    memcpy(room, &record, sizeof(record));
    if (job->tags.count > 0) /* none: of every account */
        memcpy(room + sizeof(record), job->tags.hashes, job->tags.count * sizeof(uint64_t));
    const enum result result = store_result(mdb_put(txn, cache->store.intents, &key, &value, 0));
    if (result == RESULT_OK)
        job->intent_number = cache->next_intent = number;
    return result;
}

enum result change_clear_intent(const struct cache *cache, MDB_txn *txn, uint64_t number)
{
    MDB_val key = {.mv_size = sizeof(number), .mv_data = &number};
    const int code = number == 0 ? MDB_NOTFOUND : mdb_del(txn, cache->store.intents, &key, NULL);

    return code == MDB_NOTFOUND ? RESULT_OK : store_result(code);
}

enum result change_put_identity(const struct cache *cache, MDB_txn *txn,
                                const struct cache_job *job)
{
    struct arena arena;

    arena_init(&arena, 512);
    const struct bytes name =
        arena_format(&arena, "identity/%.*s", (int)job->entry.vary.length, job->entry.vary.data);
    const enum result result = store_put_text(&cache->store, txn, name.data, job->entry.key);
    arena_finish(&arena);
    return result;
}

static enum result change_put_account(const struct cache *cache, MDB_txn *txn,
                                      const struct account *account)
{
    const struct account_record record = {.emptied_serial = account->emptied_serial,
                                          .quarantine_until_wall_us =
                                              account->quarantine_until_wall_us};

    return store_put_account(&cache->store, txn, bytes_of_string(account->name), &record);
}

/* All entries of an account go: a number that every reader compares. */
enum result change_empty_account(struct cache *cache, MDB_txn *txn, struct account *account)
{
    account->emptied_serial = cache->serial;
    cache->sweeping = true;
    return change_put_account(cache, txn, account);
}

static bool tags_meet(struct tags a, struct tags b)
{
    for (size_t i = 0; i < a.count; i++)
        for (size_t k = 0; k < b.count; k++)
            if (a.hashes[i] == b.hashes[k])
                return true;
    return false;
}

/* Deletes the account's entries that carry one of the tags, looking at each: for purges, which are
 * rare. */
static enum result change_delete_tagged(struct cache *cache, MDB_txn *txn,
                                        const struct account *account, struct tags tags)
{
    struct arena arena;
    enum result result = RESULT_OK;

    arena_init(&arena, CHANGES_ARENA_BYTES);
    for (uint32_t i = 0; i < cache->evict.slot_count && result == RESULT_OK; i++) {
        const struct evict_slot *slot = evict_at(&cache->evict, i);
        struct bytes record = {0};
        struct entry entry;

        if (slot == NULL || slot->account_tag != account->tag)
            continue;
        const struct hash128 hash = slot->hash;
        arena_reset(&arena);
        if (store_get_entry(&cache->store, txn, hash, &record) == RESULT_OK &&
            entry_decode(record, &arena, &entry) == RESULT_OK && !tags_meet(entry.tags, tags))
            continue;
        result = store_delete_entry(&cache->store, txn, hash);
        evict_remove(&cache->evict, hash);
    }
    arena_finish(&arena);
    return result;
}

static enum result change_invalidate_account(struct cache *cache, MDB_txn *txn,
                                             struct account *account, const struct cache_job *job)
{
    const struct tags own = {.hashes = &account->tag, .count = 1};
    const bool wholly = job->account == NULL || tags_meet(job->tags, own);
    const int64_t until = clock_wall_us() + job->quarantine_us;

    if (job->quarantine_us > 0 && until > account->quarantine_until_wall_us)
        account->quarantine_until_wall_us = until;
    order_stamp(&cache->order, wholly ? own : job->tags);
    if (wholly || job->quarantine_us > 0)
        return change_empty_account(cache, txn, account);
    return change_delete_tagged(cache, txn, account, job->tags);
}

/* The accounts that a job names: its own, or each. The list only grows at its front: no lock for
 * walking it. */
struct account *accounts_first(struct cache *cache, const struct cache_job *job)
{
    if (job->account != NULL)
        return job->account;
    (void)pthread_mutex_lock(&cache->lock);
    struct account *first = cache->accounts;
    (void)pthread_mutex_unlock(&cache->lock);
    return first;
}

struct account *accounts_next(const struct account *account, const struct cache_job *job)
{
    return job->account != NULL ? NULL : account->next;
}

enum result change_invalidate(struct cache *cache, MDB_txn *txn, const struct cache_job *job)
{
    enum result result = RESULT_OK;

    for (struct account *account = accounts_first(cache, job);
         account != NULL && result == RESULT_OK; account = accounts_next(account, job))
        result = change_invalidate_account(cache, txn, account, job);
    if (result == RESULT_OK && !job->keeps_intent)
        result = change_clear_intent(cache, txn, job->intent_number);
    return result;
}
