/*
 * The writer thread: the only one that writes to the store, counts and stamps.
 *
 * Stores and intents are committed in batches, invalidations in transactions of their own (rule 3):
 * stamps with now + 1, deletes, clears intents, commits, and only then publishes now + 1; only then
 * the letters go. An invalidation that can't be committed puts its account out of use before its
 * letter goes (rule 11), and is tried again. Emptying an account is one number in its record; the
 * dead entries are swept when nobody waits.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cache/changes.h"

enum {
    WRITER_STORES_A_BATCH = 64,
    WRITER_SWEEP_SLOTS = 512,
    WRITER_RETRY_MS = 250,
    WRITER_STORE_PAUSE_US = 1000 * 1000,
};

static void jobs_reply(struct cache_job *job, enum result result)
{
    for (struct cache_job *next; job != NULL; job = next) {
        next = job->next;
        if (result != RESULT_OK && job->result == RESULT_OK)
            job->result = result;
        mailbox_post(job->mailbox, &job->letter);
    }
}

static enum result writer_begin(const struct cache *cache, MDB_txn **txn)
{
    return store_result(mdb_txn_begin(cache->store.env, NULL, 0, txn));
}

static enum result writer_commit(const struct cache *cache, MDB_txn *txn, enum result result)
{
    if (result == RESULT_OK)
        result = store_put_serial(&cache->store, txn, cache->serial);
    if (result != RESULT_OK) {
        mdb_txn_abort(txn);
        return result;
    }
    return store_result(mdb_txn_commit(txn));
}

static void writer_count(struct cache *cache)
{
    MDB_stat stat;
    MDB_txn *txn;

    cache->entries = cache->evict.entry_count;
    cache->held_bytes = cache->evict.held_bytes;
    if (mdb_txn_begin(cache->store.env, NULL, MDB_RDONLY, &txn) != 0)
        return; /* an old number for a while */
    if (mdb_stat(txn, cache->store.intents, &stat) == 0)
        cache->open_intents = stat.ms_entries;
    mdb_txn_abort(txn);
}

/* Intents, clearings, identities. */
static void writer_do_notes(struct cache *cache, struct cache_job *jobs)
{
    MDB_txn *txn;
    const uint64_t intent_before = cache->next_intent;
    enum result result = jobs == NULL ? RESULT_OK : writer_begin(cache, &txn);

    if (jobs == NULL)
        return;
    if (result == RESULT_OK) {
        for (struct cache_job *job = jobs; job != NULL && result == RESULT_OK; job = job->next) {
            if (job->kind == CACHE_INTENT)
                result = change_put_intent(cache, txn, job);
            else if (job->kind == CACHE_CLEAR)
                result = change_clear_intent(cache, txn, job->intent_number);
            else
                result = change_put_identity(cache, txn, job);
        }
        result = writer_commit(cache, txn, result);
    }
    if (result != RESULT_OK)
        cache->next_intent = intent_before;
    jobs_reply(jobs, result);
}

static void owed_add(struct cache *cache, uint64_t intent_number)
{
    if (cache->owed_count == cache->owed_capacity) {
        cache->owed_capacity = cache->owed_capacity == 0 ? 16 : cache->owed_capacity * 2;
        cache->owed_intents =
            memory_resize(cache->owed_intents, cache->owed_capacity * sizeof(uint64_t));
    }
    cache->owed_intents[cache->owed_count++] = intent_number;
}

/* Rule 11: not committed. Nothing of the accounts is served until writer_pay_owed succeeds. */
static void writer_fail_invalidations(struct cache *cache, const struct cache_job *jobs)
{
    for (const struct cache_job *job = jobs; job != NULL; job = job->next) {
        for (struct account *account = accounts_first(cache, job); account != NULL;
             account = accounts_next(account, job)) {
            account->owed = true;
            atomic_store_explicit(&account->unusable, true, memory_order_release);
        }
        if (job->intent_number != 0 && !job->keeps_intent)
            owed_add(cache, job->intent_number);
        cache->failed_invalidations++;
    }
    cache->owes = true;
}

/* Tells flights and readers: before the letters go. */
static void writer_publish(struct cache *cache, const struct cache_job *jobs)
{
    const uint64_t count = order_now(&cache->order) + 1;

    for (const struct cache_job *job = jobs; job != NULL; job = job->next)
        for (struct account *account = accounts_first(cache, job); account != NULL;
             account = accounts_next(account, job))
            atomic_store_explicit(&account->invalidated, count, memory_order_release);
    order_publish(&cache->order);
}

static void writer_do_invalidations(struct cache *cache, struct cache_job *jobs)
{
    MDB_txn *txn;

    if (jobs == NULL)
        return;
    enum result result =
        cache->owes ? RESULT_FULL : writer_begin(cache, &txn); /* owed ones come first */
    if (result == RESULT_OK) {
        for (struct cache_job *job = jobs; job != NULL && result == RESULT_OK; job = job->next)
            result = change_invalidate(cache, txn, job);
        result = writer_commit(cache, txn, result);
        if (result != RESULT_OK)
            load_entries(cache); /* what evict noted did not happen */
    }
    if (result != RESULT_OK)
        writer_fail_invalidations(cache, jobs);
    for (const struct cache_job *job = jobs; job != NULL; job = job->next)
        cache->invalidations++;
    writer_publish(cache, jobs);
    jobs_reply(jobs, result);
}

/* What rule 11 left undone, more widely: the accounts are emptied. */
static void writer_pay_owed(struct cache *cache)
{
    MDB_txn *txn;
    const struct cache_job all = {.kind = CACHE_INVALIDATE};
    enum result result = writer_begin(cache, &txn);

    if (result != RESULT_OK)
        return;
    for (struct account *account = accounts_first(cache, &all);
         account != NULL && result == RESULT_OK; account = account->next) {
        const struct tags own = {.hashes = &account->tag, .count = 1};

        if (!account->owed)
            continue;
        order_stamp(&cache->order, own);
        result = change_empty_account(cache, txn, account);
    }
    for (size_t i = 0; i < cache->owed_count && result == RESULT_OK; i++)
        result = change_clear_intent(cache, txn, cache->owed_intents[i]);
    if (writer_commit(cache, txn, result) != RESULT_OK) {
        cache->sweeping = false; /* nothing was emptied; tried again after WRITER_RETRY_MS */
        return;
    }
    writer_publish(cache, &all);
    for (struct account *account = accounts_first(cache, &all); account != NULL;
         account = account->next) {
        account->owed = false;
        atomic_store_explicit(&account->unusable, false, memory_order_release);
    }
    cache->owed_count = 0;
    cache->owes = false;
}

static void writer_do_stores(struct cache *cache, struct cache_job *jobs)
{
    MDB_txn *txn;
    enum result result =
        clock_now_us() < cache->stores_paused_until_us ? RESULT_FULL : writer_begin(cache, &txn);

    if (result == RESULT_OK) {
        for (struct cache_job *job = jobs; job != NULL && result == RESULT_OK; job = job->next) {
            job->result = job->kind == CACHE_STORE ? change_store(cache, txn, job)
                                                   : change_freshen(cache, txn, job);
            if (job->result == RESULT_OK)
                cache->store_count++;
            else
                cache->refused_stores++;
            if (job->result == RESULT_FULL || job->result == RESULT_SYSTEM ||
                job->result == RESULT_DAMAGED)
                result = job->result; /* the transaction is lost */
        }
        result = writer_commit(cache, txn, result);
        if (result != RESULT_OK) {
            cache->stores_paused_until_us = clock_now_us() + WRITER_STORE_PAUSE_US;
            load_entries(cache); /* what evict noted did not happen */
        }
    }
    jobs_reply(jobs, result);
}

static bool slot_is_dead(struct cache *cache, const struct evict_slot *slot)
{
    const struct cache_job all = {.kind = CACHE_INVALIDATE};
    const struct account *account = accounts_first(cache, &all);

    while (account != NULL && account->tag != slot->account_tag)
        account = account->next;
    return account != NULL && slot->serial <= account->emptied_serial;
}

/*
 * Deletes some of the entries that emptied accounts left behind: they are among the oldest. Living
 * ones of other accounts between them end a step; what is dead behind very many of those goes with
 * its turn in evict.
 */
static void writer_sweep(struct cache *cache)
{
    struct hash128 dead[WRITER_SWEEP_SLOTS];
    size_t seen = 0, count = 0;
    MDB_txn *txn;
    enum result result = RESULT_OK;

    for (const struct evict_slot *slot = evict_oldest(&cache->evict);
         slot != NULL && seen < WRITER_SWEEP_SLOTS; slot = evict_newer(&cache->evict, slot), seen++)
        if (slot_is_dead(cache, slot))
            dead[count++] = slot->hash;
    cache->sweeping = count > 0;
    if (count == 0 || writer_begin(cache, &txn) != RESULT_OK)
        return;
    for (size_t i = 0; i < count && result == RESULT_OK; i++) {
        result = store_delete_entry(&cache->store, txn, dead[i]);
        evict_remove(&cache->evict, dead[i]);
    }
    if (writer_commit(cache, txn, result) != RESULT_OK) {
        cache->sweeping = false; /* they are dead anyway; the next emptying sweeps again */
        load_entries(cache);
    }
}

static struct cache_job *list_take(struct job_list *list, size_t most)
{
    struct cache_job *first = list->first, *last = first;

    for (size_t i = 1; last != NULL && i < most && last->next != NULL; i++)
        last = last->next;
    if (last == NULL)
        return NULL;
    list->first = last->next;
    last->next = NULL;
    size_t count = 0;
    for (const struct cache_job *job = first; job != NULL; job = job->next)
        count++;
    list->count -= count;
    return first;
}

/* Waits for work; false: there is none, and there will be none. */
static bool writer_wait(struct cache *cache)
{
    while (cache->urgent.first == NULL && cache->stores.first == NULL && !cache->sweeping) {
        struct timespec until;

        if (cache->stopping)
            return false;
        if (!cache->owes) {
            (void)pthread_cond_wait(&cache->work, &cache->lock);
            continue;
        }
        (void)clock_gettime(CLOCK_REALTIME, &until); /* cannot fail */
        until.tv_nsec += WRITER_RETRY_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        if (pthread_cond_timedwait(&cache->work, &cache->lock, &until) == ETIMEDOUT)
            return true;
    }
    return true;
}

/* Splits invalidations from the rest, keeping the order of each. */
static struct cache_job *jobs_split(struct cache_job **jobs)
{
    struct cache_job *invalidations = NULL, **last = &invalidations, **link = jobs;

    while (*link != NULL) {
        struct cache_job *job = *link;

        if (job->kind != CACHE_INVALIDATE) {
            link = &job->next;
            continue;
        }
        *link = job->next;
        job->next = NULL;
        *last = job;
        last = &job->next;
    }
    return invalidations;
}

void *writer_run(void *context)
{
    struct cache *cache = context;

    (void)pthread_mutex_lock(&cache->lock);
    while (writer_wait(cache)) {
        struct cache_job *notes = list_take(&cache->urgent, SIZE_MAX);
        struct cache_job *stores = list_take(&cache->stores, WRITER_STORES_A_BATCH);

        (void)pthread_mutex_unlock(&cache->lock);
        struct cache_job *invalidations = jobs_split(&notes);
        const bool idle = notes == NULL && invalidations == NULL && stores == NULL;
        writer_do_notes(cache, notes);
        writer_do_invalidations(cache, invalidations);
        if (stores != NULL)
            writer_do_stores(cache, stores);
        if (idle && cache->sweeping)
            writer_sweep(cache);
        if (cache->owes)
            writer_pay_owed(cache);
        writer_count(cache);
        (void)pthread_mutex_lock(&cache->lock);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return NULL;
}
