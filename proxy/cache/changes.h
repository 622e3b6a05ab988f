/*
 * The changes that jobs make, each within a write transaction that the caller commits or aborts.
 * Private to cache/; writer thread only (and the opening thread before it runs). A result other
 * than those named means that the transaction is lost.
 */
#ifndef POSTERN_CACHE_CHANGES_H
#define POSTERN_CACHE_CHANGES_H

#include "cache/cache_state.h"

/* An intent as it is kept: this head, then the tags. */
struct intent_record {
    char account[STORE_ACCOUNT_NAME_LIMIT + 1]; /* empty: every account */
    int64_t quarantine_us;
    uint32_t tag_count;
};

/* Stores a fetched answer. RESULT_REFUSED: overtaken (rule 4); RESULT_LIMIT: larger than the cache.
 */
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

/* Stamps the job's tags, removes their entries, begins its quarantine, clears its intent. */
MUST_USE enum result change_invalidate(struct cache *cache, MDB_txn *txn,
                                       const struct cache_job *job);

/* All entries of the account so far are gone. */
MUST_USE enum result change_empty_account(struct cache *cache, MDB_txn *txn,
                                          struct account *account);

/* The accounts that a job names: its own, or each. The list only grows at its front: walking it
 * takes no lock. */
struct account *accounts_first(struct cache *cache, const struct cache_job *job);
struct account *accounts_next(const struct account *account, const struct cache_job *job);

/* load.c: notes all that is stored in a new evict; its marks stay. */
void load_entries(struct cache *cache);

#endif
