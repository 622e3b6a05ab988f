/*
 * What one job removes, within the writer's transaction: rules 3, 8, 9 and 11 of the order.
 *
 * Nobody waits for deletions: one takes some 30 times as long as the row that makes it needless.
 * Emptying an account is one number in its record, and a tag that goes is a row, that every reader
 * compares; what is dead by either is swept later, in steps that are short enough to wait for. A
 * relation that changes empties the account: whatever rests on it, tags of entries as well as those
 * that writes under way have found, is not known by it.
 */
#include <assert.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cache/changes.h"

enum {
    INVALIDATE_LISTED = 64,  /* entries of one job that are looked at and remembered */
    INVALIDATE_AT_ONCE = 32, /* entries that one job deletes itself where sweeps come late: */
    SWEEPS_LATE = 128,       /* so many of them are still to be made */
    SWEEP_AT_ONCE = 4,       /* entries that one step deletes: an invalidation may wait for it */
};

/* --- whole accounts --- */

static enum result change_put_account(const struct cache *cache, MDB_txn *txn,
                                      const struct account *account)
{
    const struct account_record record = {.emptied_serial = account->emptied_serial,
                                          .quarantine_until_wall_us =
                                              account->quarantine_until_wall_us};

    return store_put_account(&cache->store, txn, bytes_of_string(account->name), &record);
}

enum result change_empty_account(struct cache *cache, MDB_txn *txn, struct account *account)
{
    const struct relations relations = {
        .store = &cache->store, .txn = txn, .account_tag = account->tag};
    const enum result result = relation_forget_all(&relations);

    if (result != RESULT_OK)
        return result;
    account->moved =
        order_now(&cache->order) + 1; /* what writes under way named may rest on them */
    account->emptied_serial = cache->serial;
    account->living_count = 0;
    cache->sweeping = true;
    return change_put_account(cache, txn, account);
}

/* What was sent before the next count is published may rest on what does not hold. */
static void account_note_move(struct cache *cache, struct account *account)
{
    const struct tags own = {.hashes = &account->tag, .count = 1};

    account->moved = order_now(&cache->order) + 1;
    order_stamp(&cache->order, own);
}

enum result change_move(struct cache *cache, MDB_txn *txn, struct account *account)
{
    account_note_move(cache, account);
    return change_empty_account(cache, txn, account);
}

/* --- by the index --- */

/* What a job's tags come to. */
struct removal {
    uint64_t *tags; /* those that some entry carries, in the arena */
    size_t tag_count;
    uint64_t row_count;
    bool is_listed; /* the entries are few: these are all */
    struct hash128 hashes[INVALIDATE_LISTED];
    size_t hash_count;
};

static void removal_add(struct removal *removal, struct hash128 hash)
{
    for (size_t i = 0; i < removal->hash_count; i++)
        if (hash_equal(removal->hashes[i], hash))
            return;
    removal->hashes[removal->hash_count++] = hash;
}

static enum result removal_find(struct cache *cache, MDB_txn *txn, struct tags tags,
                                struct removal *removal)
{
    removal->tags = arena_take(&cache->arena, (tags.count + 1) * sizeof(removal->tags[0]));
    removal->is_listed = true;
    for (size_t i = 0; i < tags.count; i++) {
        struct hash128 hashes[INVALIDATE_LISTED];
        struct index_page page = {.hashes = hashes, .room = INVALIDATE_LISTED};
        const enum result result = index_find(&cache->store, txn, tags.hashes[i], NULL, &page);

        if (result != RESULT_OK)
            return result;
        if (page.total == 0)
            continue;
        removal->tags[removal->tag_count++] = tags.hashes[i];
        removal->row_count += page.total;
        if (page.total > INVALIDATE_LISTED - removal->hash_count)
            removal->is_listed = false;
        for (size_t k = 0; k < page.count && removal->is_listed; k++)
            removal_add(removal, hashes[k]);
    }
    return RESULT_OK;
}

static void note_gone(struct cache *cache, const struct gone *gone)
{
    if (cache->gone_count == cache->gone_capacity) {
        cache->gone_capacity = cache->gone_capacity == 0 ? 64 : cache->gone_capacity * 2;
        cache->gone = memory_resize(cache->gone, cache->gone_capacity * sizeof(cache->gone[0]));
    }
    cache->gone[cache->gone_count++] = *gone;
}

/* Whether there is such an entry that nothing has killed. */
static bool entry_lives(struct cache *cache, MDB_txn *txn, const struct sweeps *sweeps,
                        struct hash128 hash)
{
    struct bytes record = {0};
    struct entry entry;

    if (store_get_entry(&cache->store, txn, hash, &record) != RESULT_OK ||
        entry_decode_tags(record, &cache->arena, &entry) != RESULT_OK || entry.tags.count == 0)
        return false;
    const struct account *account = account_of_tag(cache, entry.tags.hashes[0]);
    return account != NULL && entry.serial > account->emptied_serial &&
           !sweeps_meet(sweeps, &entry);
}

/* Counts and remembers what goes. False: nothing that lives. */
static bool removal_note(struct cache *cache, MDB_txn *txn, struct cache_job *job,
                         const struct removal *removal, const struct sweeps *sweeps)
{
    const uint64_t before = job->gone;

    if (!removal->is_listed)
        job->gone += removal->row_count;
    for (size_t i = 0; i < removal->hash_count && removal->is_listed; i++) {
        const struct gone gone = {.job = job, .hash = removal->hashes[i]};

        if (!entry_lives(cache, txn, sweeps, removal->hashes[i]))
            continue;
        note_gone(cache, &gone);
        job->gone++;
    }
    return job->gone > before;
}

static enum result removal_delete(struct cache *cache, MDB_txn *txn, const struct removal *removal)
{
    enum result result = RESULT_OK;

    for (size_t i = 0; i < removal->hash_count && result == RESULT_OK; i++)
        result = change_drop_entry(cache, txn, removal->hashes[i], NULL);
    return result;
}

/* RESULT_LIMIT: there are too many sweeps. */
static enum result removal_sweep(struct cache *cache, MDB_txn *txn, const struct removal *removal)
{
    enum result result = RESULT_OK;

    for (size_t i = 0; i < removal->tag_count && result == RESULT_OK; i++) {
        const struct sweep sweep = {.tag = removal->tags[i], .serial = cache->serial};

        result = sweeps_put(&cache->store, txn, &sweep);
    }
    return result;
}

static enum result invalidate_tags(struct cache *cache, MDB_txn *txn, struct cache_job *job)
{
    struct removal removal = {0};
    struct sweeps sweeps;
    enum result result = removal_find(cache, txn, job->tags, &removal);

    if (result == RESULT_OK)
        result = sweeps_read(&cache->store, txn, &sweeps);
    if (result != RESULT_OK || !removal_note(cache, txn, job, &removal, &sweeps))
        return result;
    if (sweeps.count >= SWEEPS_LATE && removal.is_listed &&
        removal.hash_count <= INVALIDATE_AT_ONCE)
        return removal_delete(cache, txn, &removal);
    return removal_sweep(cache, txn, &removal);
}

/* Rules 8 and 9, by tag. RESULT_LIMIT: there are too many quarantines. */
static enum result quarantine_tags(struct cache *cache, MDB_txn *txn, const struct cache_job *job,
                                   int64_t until_wall_us)
{
    enum result result = RESULT_OK;

    for (size_t i = 0; i < job->tags.count && result == RESULT_OK; i++)
        result = quarantine_put(&cache->store, txn, job->tags.hashes[i], until_wall_us);
    if (until_wall_us < cache->quarantine_ends_wall_us)
        cache->quarantine_ends_wall_us = until_wall_us;
    return result;
}

/* --- relations --- */

/* All relations are lost: what writes that are under way named may rest on them. */
static void note_loss(struct cache *cache)
{
    const struct cache_job all = {.kind = CACHE_INVALIDATE};

    for (struct account *account = accounts_first(cache, &all); account != NULL;
         account = account->next)
        account->moved = order_now(&cache->order) + 1;
    cache->has_moved = true;
}

/*
 * While a write of the account that may have moved anything may still land, nothing is learned; but
 * what is known and does not hold is seen.
 */
enum result change_learn(struct cache *cache, MDB_txn *txn, const struct cache_job *job,
                         struct account *account, bool *moved)
{
    const struct relations relations = {
        .store = &cache->store, .txn = txn, .account_tag = account->tag};
    const int64_t wall_us = job->kind == CACHE_STORE ? job->begun_wall_us : clock_wall_us();
    const bool learns = wall_us >= account->quarantine_until_wall_us;
    bool dropped = false;
    enum result result = RESULT_OK;

    *moved = false;
    if (job->relation_count > 0 && learns)
        result = relations_bound(&relations, &dropped);
    if (dropped)
        note_loss(cache);
    for (size_t i = 0; i < job->relation_count && result == RESULT_OK; i++) {
        const struct relation *relation = &job->relations[i];
        const struct bytes known =
            relation_find(&relations, relation->child, relation->parent_kind);
        bool changed = known.length > 0 && !bytes_equal(known, relation->parent_id);

        if (learns)
            result = relation_learn(&relations, relation, &changed);
        *moved |= changed;
    }
    return result;
}

static enum result change_forget(struct cache *cache, MDB_txn *txn, const struct cache_job *job,
                                 bool *moved)
{
    const struct relations relations = {
        .store = &cache->store, .txn = txn, .account_tag = job->account->tag};
    enum result result = RESULT_OK;

    for (size_t i = 0; i < job->forget_count && result == RESULT_OK; i++) {
        const struct relation *relation = &job->forgets[i];

        *moved |= relation_find(&relations, relation->child, relation->parent_kind).length > 0;
        result = relation_forget(&relations, relation);
    }
    return result;
}

/* Of one account's job. *moved: one was seen to change. */
static enum result change_relations(struct cache *cache, MDB_txn *txn, const struct cache_job *job,
                                    bool *moved)
{
    bool forgot = false;
    enum result result = change_forget(cache, txn, job, &forgot);

    *moved = false;
    if (result == RESULT_OK)
        result = change_learn(cache, txn, job, job->account, moved);
    *moved |= forgot;
    return result;
}

/* --- an invalidation --- */

static enum result invalidate_wholly(struct cache *cache, MDB_txn *txn, struct account *account,
                                     struct cache_job *job)
{
    const struct gone gone = {.job = job, .emptied_tag = account->tag};

    job->gone += account->living_count;
    note_gone(cache, &gone);
    return change_empty_account(cache, txn, account);
}

static void account_quarantine(struct account *account, int64_t until_wall_us)
{
    if (until_wall_us > account->quarantine_until_wall_us)
        account->quarantine_until_wall_us = until_wall_us;
}

static enum result invalidate_some(struct cache *cache, MDB_txn *txn, struct account *account,
                                   struct cache_job *job)
{
    const int64_t until = clock_wall_us() + job->quarantine_us;
    enum result result = RESULT_OK;

    order_stamp(&cache->order, job->tags);
    if (job->quarantine_us > 0)
        result = quarantine_tags(cache, txn, job, until);
    if (result == RESULT_LIMIT)
        account_quarantine(account, until);
    if (result == RESULT_OK)
        result = invalidate_tags(cache, txn, job);
    if (result == RESULT_LIMIT)
        result = invalidate_wholly(cache, txn, account, job);
    return result;
}

static enum result invalidate_account(struct cache *cache, MDB_txn *txn, struct account *account,
                                      struct cache_job *job)
{
    const struct tags own = {.hashes = &account->tag, .count = 1};
    const bool wholly = job->account == NULL || tags_have(job->tags, account->tag);
    bool moved = job->begun != 0 && account->moved > job->begun;
    enum result result = RESULT_OK;

    if (wholly && job->quarantine_us > 0)
        account_quarantine(account, clock_wall_us() + job->quarantine_us);
    if (job->outdates_tags)
        account_quarantine(account, quarantine_last(&cache->store, txn));
    if (wholly)
        order_stamp(&cache->order, own);
    if (wholly)
        result = invalidate_wholly(cache, txn, account, job);
    else
        result = invalidate_some(cache, txn, account, job);
    if (result == RESULT_OK && job->account != NULL) {
        bool changed;

        result = change_relations(cache, txn, job, &changed);
        moved |= changed;
    }
    if (result != RESULT_OK || !moved)
        return result;
    account_note_move(cache, account);
    return invalidate_wholly(cache, txn, account, job);
}

enum result change_invalidate(struct cache *cache, MDB_txn *txn, struct cache_job *job)
{
    enum result result = RESULT_OK;

    arena_reset(&cache->arena);
    job->gone = 0;
    for (struct account *account = accounts_first(cache, job);
         account != NULL && result == RESULT_OK; account = accounts_next(account, job))
        result = invalidate_account(cache, txn, account, job);
    if (result == RESULT_OK && !job->keeps_intent)
        result = change_clear_intent(cache, txn, job->intent_number);
    return result;
}

/* --- sweeping --- */

/* One entry that the index names: dead, alive by being stored later, or not there. */
static enum result sweep_entry(struct cache *cache, MDB_txn *txn, const struct sweep *sweep,
                               struct hash128 hash, bool *was_dead)
{
    struct bytes record = {0};
    struct entry entry;
    enum result result = RESULT_OK;

    arena_reset(&cache->arena);
    const bool is_there = store_get_entry(&cache->store, txn, hash, &record) == RESULT_OK &&
                          entry_decode_tags(record, &cache->arena, &entry) == RESULT_OK &&
                          tags_hold(entry.tags, sweep->tag);
    *was_dead = is_there && entry.serial <= sweep->serial;
    if (*was_dead)
        result = change_drop_entry(cache, txn, hash, NULL);
    else if (!is_there)
        result = index_remove(&cache->store, txn, sweep->tag, hash);
    return result;
}

/* Goes on with one sweep, by at most *room entries; ends it where no others are left. */
static enum result sweep_some(struct cache *cache, MDB_txn *txn, const struct sweep *sweep,
                              size_t *room)
{
    struct sweep_place *place = &cache->sweep_place;
    struct hash128 hashes[SWEEP_AT_ONCE], dead[SWEEP_AT_ONCE];
    struct index_page page = {.hashes = hashes, .room = *room};
    size_t dead_count = 0;

    if (!place->begun || sweep->tag != place->sweep.tag || sweep->serial != place->sweep.serial)
        *place = (struct sweep_place){.sweep = *sweep}; /* a raised serial: from the start */
    enum result result =
        index_find(&cache->store, txn, sweep->tag, place->begun ? &place->last : NULL, &page);
    for (size_t i = 0; i < page.count && result == RESULT_OK; i++) {
        bool was_dead;

        result = sweep_entry(cache, txn, sweep, hashes[i], &was_dead);
        if (was_dead)
            dead[dead_count++] = hashes[i];
    }
    if (result != RESULT_OK)
        return result;
    *room -= page.count;
    recall_note_swept(&cache->recall, sweep->tag, dead, dead_count);
    if (page.count < page.room) {
        place->begun = false;
        return sweeps_remove(&cache->store, txn, sweep->tag);
    }
    place->begun = true;
    place->last = hashes[page.count - 1];
    return RESULT_OK;
}

enum result change_sweep(struct cache *cache, MDB_txn *txn)
{
    struct sweeps sweeps;
    size_t room = SWEEP_AT_ONCE;
    enum result result = sweeps_read(&cache->store, txn, &sweeps);

    for (size_t i = 0; i < sweeps.count && room > 0 && result == RESULT_OK; i++)
        result = sweep_some(cache, txn, &sweeps.list[i], &room);
    return result;
}
