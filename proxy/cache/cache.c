/*
 * Opening and closing, accounts, and lookups. All changes are writer.c's.
 *
 * A reader holds a snapshot over a batch of events. Rule 5: `now` is loaded at each lookup, before
 * the snapshot is renewed; whoever saw a write answered finds here a count that has moved, and so a
 * snapshot that is new enough.
 */
#include "cache/cache.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/breakage.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cache/cache_state.h"

enum {
    CACHE_META_NAME_ROOM = 96,
    CACHE_ARENA_BYTES = 64 * 1024,
    CACHE_YOUNG_SNAPSHOT_US = 300 * 1000, /* base/breakage.h */
};

struct cache_reader {
    struct cache *cache;
    MDB_txn *txn;
    bool live;        /* txn holds a snapshot */
    bool frozen;      /* a rule is broken: the next lookup sees what was */
    int64_t taken_us; /* a rule is broken: when the snapshot was taken */
    uint64_t seen;    /* order count loaded before the snapshot was taken */
    bool met_variants;
    struct sweeps sweeps; /* of the snapshot */
};

static struct cache *cache_create(const struct cache_options *options)
{
    struct cache *cache = memory_take(1, sizeof(*cache));

    (void)pthread_mutex_init(&cache->lock, NULL); /* default attributes: cannot fail on Linux */
    (void)pthread_cond_init(&cache->work, NULL);
    order_init(&cache->order);
    evict_init(&cache->evict);
    recall_init(&cache->recall);
    arena_init(&cache->arena, CACHE_ARENA_BYTES);
    cache->max_bytes = options->max_bytes;
    return cache;
}

/* After its thread, if it has one. */
static void cache_destroy(struct cache *cache)
{
    store_close(&cache->store);
    order_finish(&cache->order);
    evict_finish(&cache->evict);
    recall_finish(&cache->recall);
    arena_finish(&cache->arena);
    for (struct account *account = cache->accounts, *next; account != NULL; account = next) {
        next = account->next;
        free(account);
    }
    (void)pthread_cond_destroy(&cache->work);
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache->owed_intents);
    free(cache->gone);
    free(cache);
}

enum result cache_open(const struct cache_options *options, struct cache **opened,
                       struct error *error)
{
    struct cache *cache = cache_create(options);
    bool moved = false;
    enum result result = options->discard ? store_remove(options->directory, error) : RESULT_OK;

    if (result == RESULT_OK)
        result = store_open(&cache->store, options->directory, options->max_bytes, &moved, error);
    if (result == RESULT_OK)
        result = load_all(cache, options->scheme, error);
    if (result == RESULT_OK && pthread_create(&cache->writer, NULL, writer_run, cache) != 0)
        result = error_set(error, RESULT_SYSTEM, "cannot start the cache's writer thread");
    if (result != RESULT_OK) {
        cache_destroy(cache);
        return result;
    }
    *opened = cache;
    if (moved)
        (void)error_set(error, RESULT_OK,
                        "%s/cache.mdb was damaged: moved to cache.mdb.damaged, starting empty",
                        options->directory);
    return RESULT_OK;
}

void cache_close(struct cache *cache)
{
    if (cache == NULL)
        return;
    (void)pthread_mutex_lock(&cache->lock);
    cache->stopping = true;
    (void)pthread_cond_signal(&cache->work);
    (void)pthread_mutex_unlock(&cache->lock);
    (void)pthread_join(cache->writer, NULL);
    cache_destroy(cache);
}

struct account *cache_account(struct cache *cache, struct bytes name)
{
    struct account *account;

    name = bytes_slice(name, 0, STORE_ACCOUNT_NAME_LIMIT);
    (void)pthread_mutex_lock(&cache->lock);
    for (account = cache->accounts; account != NULL; account = account->next)
        if (bytes_equal(bytes_of_string(account->name), name))
            break;
    if (account == NULL) {
        account = memory_take(1, sizeof(*account));
        memcpy(account->name, name.data, name.length);
        account->tag = tag_of_account(name);
        account->next = cache->accounts;
        cache->accounts = account;
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return account;
}

uint64_t cache_now(const struct cache *cache)
{
    return order_now(&cache->order);
}

enum result cache_identity(struct cache *cache, const char *token_hmac, char *name, size_t room)
{
    char meta[CACHE_META_NAME_ROOM];
    MDB_txn *txn;
    struct bytes text = {0};

    (void)snprintf(meta, sizeof(meta), "identity/%s", token_hmac);
    enum result result = store_result(mdb_txn_begin(cache->store.env, NULL, MDB_RDONLY, &txn));
    if (result != RESULT_OK)
        return result;
    result = store_get_text(&cache->store, txn, meta, &text);
    if (result == RESULT_OK && text.length >= room)
        result = RESULT_LIMIT;
    if (result == RESULT_OK) {
        memcpy(name, text.data, text.length);
        name[text.length] = '\0';
    }
    mdb_txn_abort(txn);
    return result;
}

enum result cache_reader_open(struct cache *cache, struct cache_reader **opened)
{
    struct cache_reader *reader = memory_take(1, sizeof(*reader));
    const enum result result =
        store_result(mdb_txn_begin(cache->store.env, NULL, MDB_RDONLY, &reader->txn));

    if (result != RESULT_OK) {
        free(reader);
        return result;
    }
    mdb_txn_reset(reader->txn);
    reader->cache = cache;
    *opened = reader;
    return RESULT_OK;
}

void cache_reader_close(struct cache_reader *reader)
{
    if (reader == NULL)
        return;
    mdb_txn_abort(reader->txn);
    free(reader);
}

static void reader_drop(struct cache_reader *reader)
{
    if (reader->live)
        mdb_txn_reset(reader->txn);
    reader->live = false;
}

void cache_reader_reset(struct cache_reader *reader)
{
    const bool is_young =
        is_broken("keep") && clock_now_us() - reader->taken_us < CACHE_YOUNG_SNAPSHOT_US;

    if (!reader->frozen && !is_young && !is_broken("5"))
        reader_drop(reader);
}

#ifdef POSTERN_BREAKABLE
void cache_reader_freeze(struct cache_reader *reader)
{
    reader->frozen = true;
}
#endif

bool cache_reader_keeps(const struct cache_reader *reader)
{
    return !reader->live || reader->seen == order_now(&reader->cache->order);
}

/* Rule 5. The count is loaded first: a commit between the two makes the snapshot newer than it
 * says, never older. */
static enum result reader_renew(struct cache_reader *reader)
{
    const uint64_t now = order_now(&reader->cache->order);
    const bool is_old = reader->frozen || is_broken("5");

    reader->frozen = false;
    if (reader->live && (reader->seen == now || is_old))
        return RESULT_OK;
    reader_drop(reader);
    reader->seen = now;
    if (is_broken("keep"))
        reader->taken_us = clock_now_us();
    enum result result = store_result(mdb_txn_renew(reader->txn));
    if (result != RESULT_OK)
        return result;
    result = sweeps_read(&reader->cache->store, reader->txn, &reader->sweeps);
    if (result != RESULT_OK)
        mdb_txn_reset(reader->txn);
    reader->live = result == RESULT_OK;
    return result;
}

struct relations cache_reader_relations(struct cache_reader *reader, const struct account *account)
{
    struct relations relations = {.account_tag = account->tag};

    if (atomic_load_explicit(&account->unusable, memory_order_acquire) ||
        reader_renew(reader) != RESULT_OK)
        return relations; /* none is known */
    relations.store = &reader->cache->store;
    relations.txn = reader->txn;
    return relations;
}

/* The record of a key, if it is that key's and alive. */
static enum result reader_get(const struct cache_reader *reader, const struct cache_query *query,
                              const struct cache_key *key, struct arena *arena, struct entry *entry)
{
    const struct store *store = &reader->cache->store;
    struct account_record account = {0};
    struct bytes record = {0};
    struct entry found;
    enum result result = store_get_entry(store, reader->txn, key->hash, &record);

    if (result != RESULT_OK)
        return result;
    result = entry_decode(record, arena, &found);
    if (result != RESULT_OK)
        return result;
    if (!bytes_equal(found.key, key->text))
        return RESULT_MISSING; /* two keys with one hash */
    result = store_get_account(store, reader->txn, bytes_of_string(query->account->name), &account);
    if (result != RESULT_OK && result != RESULT_MISSING)
        return result;
    if (found.serial <= account.emptied_serial || sweeps_meet(&reader->sweeps, &found))
        return RESULT_MISSING;
    *entry = found;
    return RESULT_OK;
}

enum result cache_lookup(struct cache_reader *reader, const struct cache_query *query,
                         struct arena *arena, struct entry *entry)
{
    struct entry variants = {0};
    struct cache_key key = key_of_variant(arena, &query->url, BYTES(""), query->sent);
    enum result result;

    reader->met_variants = false;
    if (atomic_load_explicit(&query->account->unusable, memory_order_acquire))
        return RESULT_MISSING;
    result = reader_renew(reader);
    if (result != RESULT_OK)
        return result;
    result = reader_get(reader, query, &key, arena, entry);
    if (result == RESULT_MISSING) {
        result = reader_get(reader, query, &query->url, arena, &variants);
        if (result != RESULT_OK)
            return result;
        if ((variants.flags & ENTRY_VARIANTS) == 0)
            return RESULT_DAMAGED;
        key = key_of_variant(arena, &query->url, variants.vary, query->sent);
        result = reader_get(reader, query, &key, arena, entry);
        reader->met_variants = result == RESULT_MISSING;
    }
    if (result == RESULT_OK)
        evict_mark(&reader->cache->evict, key.hash);
    return result;
}

enum result cache_recall(struct cache *cache, struct hash128 key, struct cache_memory *memory)
{
    return recall_find(&cache->recall, key, memory);
}

enum result cache_recall_tags(struct cache *cache, struct tags tags, struct cache_memory *memory)
{
    return recall_find_tags(&cache->recall, tags, memory);
}

bool cache_reader_met_variants(const struct cache_reader *reader)
{
    return reader->met_variants;
}

static void list_append(struct job_list *list, struct cache_job *job)
{
    job->next = NULL;
    if (list->first == NULL)
        list->first = job;
    else
        list->last->next = job;
    list->last = job;
    list->count++;
}

void cache_post(struct cache *cache, struct cache_job *job)
{
    const bool is_store = job->kind == CACHE_STORE || job->kind == CACHE_FRESHEN;

    assert(job->mailbox != NULL && job->letter.deliver != NULL);
    (void)pthread_mutex_lock(&cache->lock);
    list_append(is_store ? &cache->stores : &cache->urgent, job);
    (void)pthread_cond_signal(&cache->work);
    (void)pthread_mutex_unlock(&cache->lock);
}

void cache_read_status(struct cache *cache, struct cache_status *status)
{
    *status = (struct cache_status){
        .entries = cache->entries,
        .held_bytes = cache->held_bytes,
        .max_bytes = cache->max_bytes,
        .evictions = cache->evictions,
        .stores = cache->store_count,
        .refused_stores = cache->refused_stores,
        .invalidations = cache->invalidations,
        .failed_invalidations = cache->failed_invalidations,
        .intents = cache->open_intents,
    };
    (void)pthread_mutex_lock(&cache->lock);
    status->queued = cache->urgent.count + cache->stores.count;
    for (const struct account *account = cache->accounts; account != NULL; account = account->next)
        status->unusable |= atomic_load(&account->unusable);
    (void)pthread_mutex_unlock(&cache->lock);
}
