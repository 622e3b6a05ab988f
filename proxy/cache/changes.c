/*
 * What one job adds, within the writer's transaction: rules 2, 4, 8 and 9 of the order. What one
 * removes is invalidate.c's; batching, committing, publishing and answering are writer.c's.
 */
#include "cache/changes.h"

#include <assert.h>

#include "base/breakage.h"
#include "base/clock.h"

static struct evict_slot slot_of(const struct account *account, const struct entry *entry,
                                 struct hash128 hash)
{
    return (struct evict_slot){
        .hash = hash,
        .serial = entry->serial,
        .account_tag = account->tag,
        .expires_wall_us = entry->expires_wall_us,
        .footprint_bytes =
            store_footprint_bytes(entry_encoded_bytes(entry)) + entry->tags.count * INDEX_ROW_BYTES,
    };
}

struct account *account_of_tag(struct cache *cache, uint64_t tag)
{
    const struct cache_job all = {.kind = CACHE_INVALIDATE};
    struct account *account = accounts_first(cache, &all);

    while (account != NULL && account->tag != tag)
        account = account->next;
    return account;
}

/* The tags of what is stored under the hash, in the arena; none where nothing is, or it is damaged.
 * It does not count as living any more. */
static struct tags change_take_off(struct cache *cache, MDB_txn *txn, struct hash128 hash,
                                   bool *was_there)
{
    struct bytes record = {0};
    struct entry stored;

    *was_there = store_get_entry(&cache->store, txn, hash, &record) == RESULT_OK;
    if (!*was_there || entry_decode_tags(record, &cache->arena, &stored) != RESULT_OK ||
        stored.tags.count == 0)
        return (struct tags){0};
    struct account *account = account_of_tag(cache, stored.tags.hashes[0]);
    if (account != NULL && stored.serial > account->emptied_serial && account->living_count > 0)
        account->living_count--;
    return stored.tags;
}

enum result change_drop_entry(struct cache *cache, MDB_txn *txn, struct hash128 hash,
                              bool *was_there)
{
    bool is_there;
    const struct tags tags = change_take_off(cache, txn, hash, &is_there);
    enum result result = index_change(&cache->store, txn, hash, tags, (struct tags){0});

    if (result == RESULT_OK && is_there)
        result = store_delete_entry(&cache->store, txn, hash);
    evict_remove(&cache->evict, hash);
    if (was_there != NULL)
        *was_there = is_there;
    return result;
}

static enum result change_make_room(struct cache *cache, MDB_txn *txn, uint64_t footprint_bytes)
{
    const int64_t wall_us = clock_wall_us();
    struct hash128 hash;

    if (footprint_bytes > cache->max_bytes)
        return RESULT_LIMIT;
    while (cache->evict.held_bytes + footprint_bytes > cache->max_bytes &&
           evict_choose(&cache->evict, wall_us, &hash)) {
        const enum result result = change_drop_entry(cache, txn, hash, NULL);

        if (result != RESULT_OK)
            return result;
        cache->evictions++;
    }
    return RESULT_OK;
}

/* Stores an entry whose tags are sorted (index_sort). */
static enum result change_put_entry(struct cache *cache, MDB_txn *txn, struct account *account,
                                    struct entry *entry, struct hash128 hash)
{
    const size_t size = entry_encoded_bytes(entry);
    struct evict_slot slot;
    bool was_there;
    char *room;

    assert(entry->tags.count > 0 && entry->tags.hashes[0] == account->tag);
    entry->serial = ++cache->serial;
    slot = slot_of(account, entry, hash);
    enum result result = change_make_room(cache, txn, slot.footprint_bytes);
    if (result != RESULT_OK)
        return result;
    const struct tags before = change_take_off(cache, txn, hash, &was_there);
    result = index_change(&cache->store, txn, hash, before, entry->tags);
    if (result == RESULT_OK)
        result = store_reserve_entry(&cache->store, txn, hash, size, &room);
    if (result != RESULT_OK)
        return result;
    entry_encode(entry, room);
    evict_add(&cache->evict, &slot);
    account->living_count++;
    return RESULT_OK;
}

/* Rules 4, 8 and 9: whether what was fetched is still to be kept (RESULT_OK), and for how long. */
static enum result change_accept(struct cache *cache, MDB_txn *txn, struct cache_job *job)
{
    const struct account *account = job->account;
    const bool is_overtaken = account->moved > job->begun ||
                              !order_is_current(&cache->order, job->entry.tags, job->begun);
    bool is_quarantined;

    if (atomic_load_explicit(&account->unusable, memory_order_relaxed) ||
        job->begun_wall_us < cache->quarantine_ended_wall_us || (is_overtaken && !is_broken("4")))
        return RESULT_REFUSED;
    const enum result result =
        quarantine_holds(&cache->store, txn, job->entry.tags, job->begun_wall_us, &is_quarantined);
    if (result != RESULT_OK)
        return result;
    if (is_quarantined)
        return RESULT_REFUSED;
    if (job->begun_wall_us < account->quarantine_until_wall_us &&
        job->entry.expires_wall_us > account->quarantine_until_wall_us) {
        job->entry.expires_wall_us = account->quarantine_until_wall_us;
        job->entry.flags |= ENTRY_MUST_REVALIDATE;
    }
    return RESULT_OK;
}

/* An answer with Vary: the URL's key holds which fields select it, and the entry without Vary gives
 * way. */
static enum result change_put_variants(struct cache *cache, MDB_txn *txn,
                                       const struct cache_job *job)
{
    struct entry variants = job->entry;
    const enum result result = change_drop_entry(cache, txn, job->default_hash, NULL);

    if (result != RESULT_OK)
        return result;
    variants.flags = ENTRY_VARIANTS;
    variants.fields = (struct fields){0};
    variants.body = (struct bytes){0};
    variants.key = job->url.text;
    return change_put_entry(cache, txn, job->account, &variants, job->url.hash);
}

/* What is stored under the job's key and alive. RESULT_MISSING: nothing. Borrows from the record.
 */
static enum result change_find(struct cache *cache, MDB_txn *txn, const struct cache_job *job,
                               struct bytes *record, struct entry *stored)
{
    struct sweeps sweeps;
    enum result result = store_get_entry(&cache->store, txn, job->key.hash, record);

    if (result == RESULT_OK)
        result = sweeps_read(&cache->store, txn, &sweeps);
    if (result != RESULT_OK)
        return result;
    if (entry_decode_tags(*record, &cache->arena, stored) != RESULT_OK ||
        stored->serial <= job->account->emptied_serial || sweeps_meet(&sweeps, stored))
        return RESULT_MISSING;
    return RESULT_OK;
}

/* Seen to change, a relation takes what rests on it along: the answer itself among it. */
static enum result change_learn_stored(struct cache *cache, MDB_txn *txn,
                                       const struct cache_job *job)
{
    bool moved;
    enum result result = change_learn(cache, txn, job, job->account, &moved);

    if (result != RESULT_OK || !moved)
        return result;
    cache->has_moved = true;
    result = change_move(cache, txn, job->account);
    return result == RESULT_OK ? RESULT_REFUSED : result;
}

static enum result change_store_sorted(struct cache *cache, MDB_txn *txn, struct cache_job *job)
{
    struct bytes record = {0};
    struct entry stored;
    enum result result = change_accept(cache, txn, job);

    if (result != RESULT_OK)
        return result;
    result = change_find(cache, txn, job, &record, &stored);
    if (result == RESULT_OK && stored.begun_wall_us > job->begun_wall_us)
        return RESULT_REFUSED; /* asked for later: by one who insisted on a fresh answer meanwhile
                                */
    if (result != RESULT_OK && result != RESULT_MISSING)
        return result;
    result = change_learn_stored(cache, txn, job);
    if (result == RESULT_OK && job->entry.vary.length > 0)
        result = change_put_variants(cache, txn, job);
    if (result != RESULT_OK)
        return result;
    job->entry.key = job->key.text;
    return change_put_entry(cache, txn, job->account, &job->entry, job->key.hash);
}

enum result change_store(struct cache *cache, MDB_txn *txn, struct cache_job *job)
{
    const struct tags given = job->entry.tags;

    arena_reset(&cache->arena);
    job->entry.tags = index_sort(&cache->arena, given);
    const enum result result = change_store_sorted(cache, txn, job);
    job->entry.tags = given;
    return result;
}

/* A 304: the stored body under the new head, with the stored tags. */
enum result change_freshen(struct cache *cache, MDB_txn *txn, struct cache_job *job)
{
    struct bytes record = {0};
    struct entry stored;
    enum result result;

    arena_reset(&cache->arena);
    result = change_find(cache, txn, job, &record, &stored);
    if (result != RESULT_OK)
        return result;
    if (stored.serial != job->entry.serial)
        return RESULT_MISSING;
    result = entry_decode(arena_copy(&cache->arena, record), &cache->arena,
                          &stored); /* a put may move the record's page */
    if (result != RESULT_OK)
        return result;
    job->entry.tags = stored.tags;
    result = change_accept(cache, txn, job);
    if (result != RESULT_OK)
        return result;
    job->entry.body = stored.body;
    job->entry.key = job->key.text;
    job->entry.vary = stored.vary;
    result = change_put_entry(cache, txn, job->account, &job->entry, job->key.hash);
    job->entry.body = (struct bytes){0};
    job->entry.vary = (struct bytes){0};
    job->entry.tags = (struct tags){0};
    return result;
}

enum result change_put_intent(struct cache *cache, MDB_txn *txn, struct cache_job *job)
{
    struct intent_record record = {.quarantine_us = job->quarantine_us};
    const uint64_t number = cache->next_intent + 1;

    if (job->account != NULL)
        memcpy(record.account, job->account->name, sizeof(job->account->name));
    const enum result result =
        store_put(txn, cache->store.intents, bytes_of(&number, sizeof(number)),
                  bytes_of(&record, sizeof(record)));
    if (result == RESULT_OK)
        job->intent_number = cache->next_intent = number;
    return result;
}

enum result change_clear_intent(const struct cache *cache, MDB_txn *txn, uint64_t number)
{
    return number == 0 ? RESULT_OK
                       : store_delete(txn, cache->store.intents, bytes_of(&number, sizeof(number)));
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
