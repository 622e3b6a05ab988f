/*
 * The changes that jobs make, each within a write transaction that the caller commits or aborts.
 * Private to cache/; writer thread only (and the opening thread before it runs). A result other
 * than those named means that the transaction is lost.
 */
#ifndef POSTERN_CACHE_CHANGES_H
#define POSTERN_CACHE_CHANGES_H

#include "cache/cache_state.h"

/* An intent as it is kept: found at a start, it names every account, so no tags are. */
struct intent_record {
    char account[STORE_ACCOUNT_NAME_LIMIT + 1]; /* empty: every account */
    int64_t quarantine_us;
};

/* An entry goes: its record, its index rows, its place in evict. *was_there may be NULL. */
MUST_USE enum result change_drop_entry(struct cache *cache, MDB_txn *txn, struct hash128 hash,
                                       bool *was_there);

/* Stores a fetched answer and learns what it taught. RESULT_REFUSED: overtaken (rule 4), begun in a
 * quarantine, or it changed a relation; RESULT_LIMIT: larger than the cache. */
MUST_USE enum result change_store(struct cache *cache, MDB_txn *txn, struct cache_job *job);

/* The stored body under a 304's head. RESULT_REFUSED as above; RESULT_MISSING: it is another entry
 * by now. */
MUST_USE enum result change_freshen(struct cache *cache, MDB_txn *txn, struct cache_job *job);

/* Notes a write that is about to be sent; numbers it. */
MUST_USE enum result change_put_intent(struct cache *cache, MDB_txn *txn, struct cache_job *job);

/* Number 0, or one that is not there, is fine. */
MUST_USE enum result change_clear_intent(const struct cache *cache, MDB_txn *txn, uint64_t number);

/* Remembers an identity call's answer. */
MUST_USE enum result change_put_identity(const struct cache *cache, MDB_txn *txn,
                                         const struct cache_job *job);

/* Stamps the job's tags, removes their entries, begins its quarantine, changes relations, clears
 * its intent; sets job->gone. invalidate.c, as the two that follow. */
MUST_USE enum result change_invalidate(struct cache *cache, MDB_txn *txn, struct cache_job *job);

/* Deletes some of the entries that invalidations left behind. */
MUST_USE enum result change_sweep(struct cache *cache, MDB_txn *txn);

/* All entries of the account so far are gone, and its relations are forgotten. */
MUST_USE enum result change_empty_account(struct cache *cache, MDB_txn *txn,
                                          struct account *account);

/* A relation of the account changed: what rests on it goes, stored or under way. */
MUST_USE enum result change_move(struct cache *cache, MDB_txn *txn, struct account *account);

/* Notes relations; *moved: one changed. */
MUST_USE enum result change_learn(struct cache *cache, MDB_txn *txn, const struct cache_job *job,
                                  struct account *account, bool *moved);

/* The account of that tag; NULL: none has it. */
struct account *account_of_tag(struct cache *cache, uint64_t tag);

/* The accounts that a job names: its own, or each. The list only grows at its front: walking it
 * takes no lock. */
struct account *accounts_first(struct cache *cache, const struct cache_job *job);
struct account *accounts_next(const struct account *account, const struct cache_job *job);

/* load.c: notes all that is stored in a new evict; its marks stay. */
void load_entries(struct cache *cache);

#endif
