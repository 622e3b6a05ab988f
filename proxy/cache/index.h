/*
 * What is kept by tag, in the same transactions as the entries:
 *
 *   tags         tag → the entries that carry it. The way back is the entry's own list. The
 *                account's tag, first in each list, is not indexed: emptying an account is one
 *                number.
 *   sweeps       tag → serial: its entries up to that are dead. The writer deletes them in small
 *                steps, when nobody waits.
 *   quarantines  tag → when it ends (rules 8 and 9): what was asked for before is not stored.
 *
 * Tags of all accounts are in one space: they are hashes that begin with the account.
 */
#ifndef POSTERN_CACHE_INDEX_H
#define POSTERN_CACHE_INDEX_H

#include "cache/entry.h"
#include "cache/store.h"

enum {
    INDEX_ROW_BYTES = 40, /* on disk, measured: 50 of a tag with one entry, 23 of one with many */
    SWEEPS_LIMIT = 256,
    QUARANTINES_LIMIT = 16384,
};

/*
 * Gives an entry that had the tags `before` the rows of `after`: only the difference is written.
 * Both begin with the account's tag, or are empty, and then are sorted and hold each tag once
 * (index_sort).
 */
MUST_USE enum result index_change(const struct store *store, MDB_txn *txn, struct hash128 hash,
                                  struct tags before, struct tags after);

/* Removes one row; one that is not there is fine. */
MUST_USE enum result index_remove(const struct store *store, MDB_txn *txn, uint64_t tag,
                                  struct hash128 hash);

/* The tags as index_change wants them, in the arena. The first stays where it is. */
struct tags index_sort(struct arena *arena, struct tags tags);

/* Whether such a list holds the tag. */
bool tags_hold(struct tags sorted, uint64_t tag);

/* Entries that carry a tag, by hash. */
struct index_page {
    struct hash128 *hashes; /* room for `room` */
    size_t room;
    size_t count; /* found */
    size_t total; /* of all that carry it */
};

/* Fills a page with those of the tag, or with those behind `after` where it is not NULL. */
MUST_USE enum result index_find(const struct store *store, MDB_txn *txn, uint64_t tag,
                                const struct hash128 *after, struct index_page *page);

/* A sweep that is not over, and all of them. */
struct sweep {
    uint64_t tag, serial;
};
struct sweeps {
    struct sweep list[SWEEPS_LIMIT];
    size_t count;
};

/* Reads those of a snapshot. Nearly free where there is none. */
MUST_USE enum result sweeps_read(const struct store *store, MDB_txn *txn, struct sweeps *sweeps);

/* Whether the entry is dead by one of them. */
static inline bool sweeps_meet(const struct sweeps *sweeps, const struct entry *entry)
{
    for (size_t i = 0; i < sweeps->count; i++)
        if (entry->serial <= sweeps->list[i].serial && tags_hold(entry->tags, sweeps->list[i].tag))
            return true;
    return false;
}

/* Begins a sweep, or raises the serial of one. RESULT_LIMIT: there are too many. */
MUST_USE enum result sweeps_put(const struct store *store, MDB_txn *txn, const struct sweep *sweep);
MUST_USE enum result sweeps_remove(const struct store *store, MDB_txn *txn, uint64_t tag);

/* Begins a quarantine, or makes it last longer. RESULT_LIMIT: there are too many. */
MUST_USE enum result quarantine_put(const struct store *store, MDB_txn *txn, uint64_t tag,
                                    int64_t until_wall_us);

/* The latest end of all; 0: there is none. */
int64_t quarantine_last(const struct store *store, MDB_txn *txn);

/* Whether what was asked for at that moment was asked for in a quarantine of one of the tags. */
MUST_USE enum result quarantine_holds(const struct store *store, MDB_txn *txn, struct tags tags,
                                      int64_t begun_wall_us, bool *holds);

/* When quarantines ended and will. */
struct quarantine_ends {
    int64_t last_wall_us; /* of those that were removed; 0: none was */
    int64_t next_wall_us; /* of the others; INT64_MAX: there is none */
};

/* Removes those that have ended. A fetch that was begun before the last end may still come. */
MUST_USE enum result quarantine_end(const struct store *store, MDB_txn *txn, int64_t wall_us,
                                    struct quarantine_ends *ends);

#endif
