/*
 * The LMDB file: entries by key hash, what is kept by tag, relations, accounts, intents, and a few
 * numbers. It knows records, not policy.
 *
 * One thread (cache/writer.c's) owns every write transaction; each worker has a reader. Committed
 * data survives kill -9; it need not survive the machine (MDB_NOSYNC): a data_dir left dirty by
 * another boot starts empty.
 */
#ifndef POSTERN_CACHE_STORE_H
#define POSTERN_CACHE_STORE_H

#include <lmdb.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/result.h"

enum { STORE_ACCOUNT_NAME_LIMIT = 128 };

struct store {
    MDB_env *env;
    MDB_dbi entries;  /* hash128 → record of cache/entry.h */
    MDB_dbi accounts; /* name → struct account_record */
    MDB_dbi intents;  /* number → struct intent_record, tags */
    MDB_dbi meta;     /* name → number, or identity/<hmac> → account name */
    /* cache/index.h's, by tag; all of these numbers are in this machine's byte order */
    MDB_dbi tags;        /* → hash128 of each entry that carries it */
    MDB_dbi sweeps;      /* → serial up to which its entries are dead */
    MDB_dbi quarantines; /* → when it ends, wall µs */
    MDB_dbi relations;   /* cache/relations.h's: hash128 → generation, id */
    uint64_t relation_limit_bytes;
};

/* What is kept of an account. Entries with a serial up to `emptied_serial` are gone. */
struct account_record {
    uint64_t emptied_serial;
    int64_t quarantine_until_wall_us;
};

/*
 * Opens (and makes) directory/cache.mdb for `max_bytes` of entries. A file that LMDB can't read, or
 * whose pages do not hold together, is moved aside to cache.mdb.damaged and an empty one made:
 * *moved says so. The walk over the old file's pages is made in a child process: a damaged page may
 * kill it, not the gate. An index that does not name the entries that are there is damage, too.
 */
MUST_USE enum result store_open(struct store *store, const char *directory, uint64_t max_bytes,
                                bool *moved, struct error *error);

/* All readers and transactions must be closed before. Flushes to disk. */
void store_close(struct store *store);

/* What LMDB's codes mean here. */
enum result store_result(int code);

/* Reads of one value; borrowed until the transaction ends. RESULT_MISSING, RESULT_DAMAGED (the size
 * is wrong). */
MUST_USE enum result store_get_entry(const struct store *store, MDB_txn *txn, struct hash128 hash,
                                     struct bytes *record);
MUST_USE enum result store_get_account(const struct store *store, MDB_txn *txn, struct bytes name,
                                       struct account_record *record);
/* The last serial number given to an entry. */
MUST_USE enum result store_get_serial(const struct store *store, MDB_txn *txn, uint64_t *serial);
MUST_USE enum result store_get_text(const struct store *store, MDB_txn *txn, const char *name,
                                    struct bytes *text);

/* Writes. RESULT_FULL: the map or the disk has no room; the transaction is to be aborted. */
MUST_USE enum result store_put_account(const struct store *store, MDB_txn *txn, struct bytes name,
                                       const struct account_record *record);
MUST_USE enum result store_put_serial(const struct store *store, MDB_txn *txn, uint64_t serial);
MUST_USE enum result store_put_text(const struct store *store, MDB_txn *txn, const char *name,
                                    struct bytes text);

/* Room for a record of `size` bytes under `hash`, to be filled before the next call on the
 * transaction. */
MUST_USE enum result store_reserve_entry(const struct store *store, MDB_txn *txn,
                                         struct hash128 hash, size_t size, char **room);

/* Removes an entry's record alone; one that is not there is fine. */
MUST_USE enum result store_delete_entry(const struct store *store, MDB_txn *txn,
                                        struct hash128 hash);

/* Writes or removes the value of a key. RESULT_OK where there was nothing to remove. */
MUST_USE enum result store_put(MDB_txn *txn, MDB_dbi database, struct bytes key,
                               struct bytes value);
MUST_USE enum result store_delete(MDB_txn *txn, MDB_dbi database, struct bytes key);
MUST_USE enum result store_get(MDB_txn *txn, MDB_dbi database, struct bytes key,
                               struct bytes *value);

/* How many values the database holds; 0 where it can't be told. */
size_t store_count(MDB_txn *txn, MDB_dbi database);

/* Pages that a record of this size keeps busy, in bytes. */
size_t store_footprint_bytes(size_t record_bytes);

/*
 * Removes everything in the directory that belongs to the cache. For a data_dir that another boot
 * left dirty.
 */
MUST_USE enum result store_remove(const char *directory, struct error *error);

#endif
