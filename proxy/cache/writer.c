/*
 * The writer thread: the only one that writes to the store, counts and stamps.
 *
 * Stores and intents are committed in batches, invalidations in transactions of their own (rule 3):
 * stamps with now + 1, deletes, clears intents, commits, and only then publishes now + 1; only then
 * the letters go. An invalidation that can't be committed puts its account out of use before its
 * letter goes (rule 11), and is tried again. What is dead by a number alone, an account's entries
 * or those of a tag that very many carry, is swept in small steps between other work. A store that
 * saw a relation change is published as invalidations are.
 */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "base/breakage.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cache/changes.h"

enum {
    WRITER_STORES_A_BATCH = 64,
    WRITER_SWEEP_SLOTS = 512, /* looked at in one step */
    WRITER_SWEEP_DEAD = 4,    /* deleted in one step: an invalidation may wait for it */
    WRITER_SWEEP_PAUSE_US = 250 * 1000,
    WRITER_QUARANTINES_US = 1000 * 1000, /* between looks for ended ones */
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
    MDB_txn *txn;

    cache->entries = cache->evict.entry_count;
    cache->held_bytes = cache->evict.held_bytes;
    if (mdb_txn_begin(cache->store.env, NULL, MDB_RDONLY, &txn) != 0)
        return; /* an old number for a while */
    cache->open_intents = store_count(txn, cache->store.intents);
    cache->sweeps = store_count(txn, cache->store.sweeps);
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
    writer_count(cache);
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

/* What one committed invalidation removed: *at is where it begins in cache->gone. */
static void writer_recall(struct cache *cache, const struct cache_job *job, size_t *at)
{
    const size_t begin = *at;
    uint64_t *tags;
    size_t count = 0;

    while (*at < cache->gone_count && cache->gone[*at].job == job)
        ++*at;
    arena_reset(&cache->arena);
    tags = arena_take(&cache->arena, (*at - begin + job->tags.count + 1) * sizeof(*tags));
    for (size_t i = begin; i < *at; i++)
        if (cache->gone[i].emptied_tag != 0)
            tags[count++] = cache->gone[i].emptied_tag;
    if (job->tags.count > 0)
        memcpy(tags + count, job->tags.hashes, job->tags.count * sizeof(*tags));
    count += job->tags.count;
    recall_note(&cache->recall, job, (struct tags){.hashes = tags, .count = count},
                job->account == NULL);
    for (size_t i = begin; i < *at; i++)
        if (cache->gone[i].emptied_tag == 0)
            recall_note_entry(&cache->recall, cache->gone[i].hash);
}

static void writer_do_invalidations(struct cache *cache, struct cache_job *jobs)
{
    MDB_txn *txn;
    size_t at = 0;

    if (jobs == NULL)
        return;
    enum result result =
        cache->owes ? RESULT_FULL : writer_begin(cache, &txn); /* owed ones come first */
    cache->gone_count = 0;
    if (is_broken("publish"))
        writer_publish(cache, jobs);
    if (is_broken("publish") || is_broken("3"))
        BREAK_PAUSE();
    if (result == RESULT_OK) {
        for (struct cache_job *job = jobs; job != NULL && result == RESULT_OK; job = job->next)
            result = change_invalidate(cache, txn, job);
        result = writer_commit(cache, txn, result);
        if (result != RESULT_OK)
            load_entries(cache); /* what evict noted did not happen */
    }
    if (result != RESULT_OK)
        writer_fail_invalidations(cache, jobs);
    for (const struct cache_job *job = jobs; job != NULL; job = job->next) {
        cache->invalidations++;
        if (result == RESULT_OK)
            writer_recall(cache, job, &at);
    }
    if (!is_broken("publish"))
        writer_publish(cache, jobs);
    writer_count(cache); /* who is answered finds it counted */
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

/*
 * Stores saw relations change. Not committed, they are known no better than before: the accounts
 * are emptied before anything of them is served.
 */
static void writer_publish_moves(struct cache *cache, enum result result)
{
    const struct cache_job all = {.kind = CACHE_INVALIDATE,
                                  .cause = {.rule = BYTES("a relation changed")}};
    const uint64_t count = order_now(&cache->order) + 1;

    if (!cache->has_moved)
        return;
    cache->has_moved = false;
    for (struct account *account = accounts_first(cache, &all); account != NULL;
         account = account->next) {
        const struct tags own = {.hashes = &account->tag, .count = 1};

        if (account->moved != count)
            continue;
        if (result != RESULT_OK) {
            cache->owes = account->owed = true;
            atomic_store_explicit(&account->unusable, true, memory_order_release);
        }
        recall_note(&cache->recall, &all, own, false);
        atomic_store_explicit(&account->invalidated, count, memory_order_release);
    }
    order_publish(&cache->order);
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
        writer_publish_moves(cache, result);
    }
    jobs_reply(jobs, result);
}

static bool slot_is_dead(struct cache *cache, const struct evict_slot *slot)
{
    const struct account *account = account_of_tag(cache, slot->account_tag);

    return account != NULL && slot->serial <= account->emptied_serial;
}

/*
 * Deletes some of the entries that emptied accounts left behind: they are among the oldest. Living
 * ones of other accounts between them end a step; what is dead behind very many of those goes with
 * its turn in evict.
 */
static void writer_sweep_accounts(struct cache *cache)
{
    struct hash128 dead[WRITER_SWEEP_DEAD];
    size_t seen = 0, count = 0;
    MDB_txn *txn;
    enum result result = RESULT_OK;

    for (const struct evict_slot *slot = evict_oldest(&cache->evict);
         slot != NULL && seen < WRITER_SWEEP_SLOTS && count < WRITER_SWEEP_DEAD;
         slot = evict_newer(&cache->evict, slot), seen++)
        if (slot_is_dead(cache, slot))
            dead[count++] = slot->hash;
    cache->sweeping = count > 0;
    if (count == 0 || writer_begin(cache, &txn) != RESULT_OK)
        return;
    arena_reset(&cache->arena);
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = change_drop_entry(cache, txn, dead[i], NULL);
    if (writer_commit(cache, txn, result) != RESULT_OK) {
        cache->sweeping = false; /* they are dead anyway; the next emptying sweeps again */
        load_entries(cache);
    }
}

/* The same for tags that are being swept. */
static void writer_sweep_tags(struct cache *cache)
{
    MDB_txn *txn;

    if (clock_now_us() < cache->sweeps_paused_until_us || writer_begin(cache, &txn) != RESULT_OK)
        return;
    if (writer_commit(cache, txn, change_sweep(cache, txn)) == RESULT_OK)
        return;
    cache->sweep_place.begun = false;
    cache->sweeps_paused_until_us = clock_now_us() + WRITER_SWEEP_PAUSE_US;
    load_entries(cache);
}

/* What was asked for in a quarantine may be half of a change: who comes after its end waits for no
 * answer of that time (rule 6). Which accounts they were of is not kept: all. */
static void writer_publish_ends(struct cache *cache)
{
    const struct cache_job all = {.kind = CACHE_INVALIDATE};
    const uint64_t count = order_now(&cache->order) + 1;

    for (struct account *account = accounts_first(cache, &all); account != NULL;
         account = account->next)
        atomic_store_explicit(&account->invalidated, count, memory_order_release);
    order_publish(&cache->order);
}

static void writer_end_quarantines(struct cache *cache)
{
    const int64_t wall_us = clock_wall_us();
    struct quarantine_ends ends;
    MDB_txn *txn;

    if (wall_us < cache->quarantine_ends_wall_us || writer_begin(cache, &txn) != RESULT_OK)
        return;
    cache->quarantine_ends_wall_us = wall_us + WRITER_QUARANTINES_US;
    if (writer_commit(cache, txn, quarantine_end(&cache->store, txn, wall_us, &ends)) != RESULT_OK)
        return;
    if (ends.last_wall_us > cache->quarantine_ended_wall_us) {
        cache->quarantine_ended_wall_us = ends.last_wall_us;
        writer_publish_ends(cache);
    }
    if (ends.next_wall_us > cache->quarantine_ends_wall_us)
        cache->quarantine_ends_wall_us = ends.next_wall_us;
}

static bool writer_is_free(struct cache *cache)
{
    (void)pthread_mutex_lock(&cache->lock);
    const bool is_free = cache->urgent.first == NULL;
    (void)pthread_mutex_unlock(&cache->lock);
    return is_free;
}

/*
 * What can wait, in small steps, each behind whoever else has something to do: the worker that the
 * last letters woke may be waiting for this very core, and would wait for some milliseconds.
 */
static void writer_tidy(struct cache *cache, bool idle)
{
    if (cache->sweeping || cache->sweeps > 0)
        (void)sched_yield(); /* cannot fail on Linux */
    if (idle && cache->sweeping)
        writer_sweep_accounts(cache);
    if (cache->sweeps > 0 && writer_is_free(cache))
        writer_sweep_tags(cache);
    if (writer_is_free(cache))
        writer_end_quarantines(cache);
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

static bool writer_has_work(const struct cache *cache)
{
    return cache->urgent.first != NULL || cache->stores.first != NULL ||
           (!cache->stopping &&
            (cache->sweeping ||
             (cache->sweeps > 0 && clock_now_us() >= cache->sweeps_paused_until_us)));
}

/* Waits for work; false: there is none, and there will be none. What is swept is so at the next
 * start. */
static bool writer_wait(struct cache *cache)
{
    while (!writer_has_work(cache)) {
        struct timespec until;

        if (cache->stopping)
            return false;
        if (!cache->owes && cache->sweeps == 0) {
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
        if (cache->owes)
            writer_pay_owed(cache);
        writer_tidy(cache, idle);
        writer_count(cache);
        (void)pthread_mutex_lock(&cache->lock);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return NULL;
}
