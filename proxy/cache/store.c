/*
 * LMDB, set up once. The map is twice the size that entries may take: it was measured full at 73 to
 * 85 % live data, and on a full map even deletions fail. No MDB_WRITEMAP: a stray write must not
 * reach the file, and a full disk must be an error and not a SIGBUS.
 */
#include "cache/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/entry.h"

enum {
    STORE_DATABASES = 12,
    STORE_READERS = 512,
    STORE_PATH_ROOM = 4096,
    STORE_MAP_LEAST_BYTES = 16 * 1024 * 1024,
    STORE_PAGE_BYTES = 4096,
    STORE_PAGE_HEAD_BYTES = 16,
    STORE_WALK_ARENA_BYTES = 64 * 1024,
    STORE_RELATION_SHARE = 8, /* relations take a share of max_bytes */
    STORE_RELATIONS_LEAST_BYTES = 256 * 1024,
};

static const char store_serial_name[] = "serial";

enum result store_result(int code)
{
    switch (code) {
    case MDB_SUCCESS:
        return RESULT_OK;
    case MDB_NOTFOUND:
        return RESULT_MISSING;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case MDB_READERS_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO: /* LMDB's word for a short write */
        return RESULT_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_PANIC:
        return RESULT_DAMAGED;
    default:
        return RESULT_SYSTEM;
    }
}

static int store_open_databases(struct store *store)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (code != 0)
        return code;
    if ((code = mdb_dbi_open(txn, "entries", MDB_CREATE, &store->entries)) != 0 ||
        (code = mdb_dbi_open(txn, "accounts", MDB_CREATE, &store->accounts)) != 0 ||
        (code = mdb_dbi_open(txn, "intents", MDB_CREATE | MDB_INTEGERKEY, &store->intents)) != 0 ||
        (code = mdb_dbi_open(txn, "meta", MDB_CREATE, &store->meta)) != 0 ||
        (code = mdb_dbi_open(txn, "tags", MDB_CREATE | MDB_DUPSORT | MDB_DUPFIXED, &store->tags)) !=
            0 ||
        (code = mdb_dbi_open(txn, "sweeps", MDB_CREATE, &store->sweeps)) != 0 ||
        (code = mdb_dbi_open(txn, "quarantines", MDB_CREATE, &store->quarantines)) != 0 ||
        (code = mdb_dbi_open(txn, "relations", MDB_CREATE, &store->relations)) != 0) {
        mdb_txn_abort(txn);
        return code;
    }
    return mdb_txn_commit(txn);
}

static int store_open_env(struct store *store, const char *path, uint64_t map_bytes)
{
    int code = mdb_env_create(&store->env);

    if (code != 0)
        return code;
    if ((code = mdb_env_set_maxdbs(store->env, STORE_DATABASES)) != 0 ||
        (code = mdb_env_set_maxreaders(store->env, STORE_READERS)) != 0 ||
        (code = mdb_env_set_mapsize(store->env, map_bytes)) != 0 ||
        (code = mdb_env_open(store->env, path,
                             MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOTLS, 0600)) != 0 ||
        (code = store_open_databases(store)) != 0) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
    return code;
}

/* Whether the file is as long as its pages say. */
static bool env_is_whole(const struct store *store, const char *path)
{
    MDB_envinfo info;
    MDB_stat stat_env;
    struct stat status;

    return mdb_env_info(store->env, &info) == 0 && mdb_env_stat(store->env, &stat_env) == 0 &&
           stat(path, &status) == 0 &&
           (uint64_t)status.st_size >= (info.me_last_pgno + 1) * stat_env.ms_psize;
}

/* Of an index row: summed over all, it tells whether index and records agree. */
static uint64_t row_sum(uint64_t tag, struct bytes hash)
{
    char row[sizeof(tag) + sizeof(struct hash128)];

    memcpy(row, &tag, sizeof(tag));
    memcpy(row + sizeof(tag), hash.data, sizeof(row) - sizeof(tag));
    return hash_of(bytes_of(row, sizeof(row))).low;
}

/* What the index has to hold for one entry, or what one of its rows is: added to *sum. */
static bool sum_entry(MDB_val key, MDB_val value, struct arena *arena, uint64_t *sum)
{
    const struct bytes record = bytes_of(value.mv_data, value.mv_size);
    struct entry entry;

    if (key.mv_size != sizeof(struct hash128) || !entry_is_intact(record))
        return false;
    arena_reset(arena);
    if (entry_decode_tags(record, arena, &entry) != RESULT_OK)
        return true; /* of another version: nobody reads it */
    for (size_t i = 1; i < entry.tags.count; i++)
        *sum += row_sum(entry.tags.hashes[i], bytes_of(key.mv_data, key.mv_size));
    return true;
}

static bool sum_row(MDB_val key, MDB_val value, uint64_t *sum)
{
    uint64_t tag;

    if (key.mv_size != sizeof(tag) || value.mv_size != sizeof(struct hash128))
        return false;
    memcpy(&tag, key.mv_data, sizeof(tag));
    *sum += row_sum(tag, bytes_of(value.mv_data, value.mv_size));
    return true;
}

/* Walks over a database. *sum: of the index rows that it holds, or has to have. */
static bool database_is_sound(const struct store *store, MDB_txn *txn, MDB_dbi database,
                              uint64_t *sum)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    MDB_stat stat_db;
    struct arena arena;
    size_t count = 0;
    int code;
    bool intact = true;

    if (mdb_stat(txn, database, &stat_db) != 0 || mdb_cursor_open(txn, database, &cursor) != 0)
        return false;
    arena_init(&arena, STORE_WALK_ARENA_BYTES);
    while (intact && (code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        if (database == store->entries)
            intact = sum_entry(key, value, &arena, sum);
        else if (database == store->tags)
            intact = sum_row(key, value, sum);
        count++;
    }
    arena_finish(&arena);
    mdb_cursor_close(cursor);
    return intact && code == MDB_NOTFOUND && count == stat_db.ms_entries;
}

/* Looks at every page of every tree, and every byte of every entry. Runs in a child: LMDB may
 * abort, or the kernel may kill it. */
static bool store_walk(const char *path, uint64_t map_bytes)
{
    struct store store = {0};
    MDB_txn *txn;

    if (store_open_env(&store, path, map_bytes) != 0)
        return false;
    bool sound =
        env_is_whole(&store, path) && mdb_txn_begin(store.env, NULL, MDB_RDONLY, &txn) == 0;
    if (sound) {
        const MDB_dbi databases[] = {store.entries,     store.tags,     store.accounts,
                                     store.intents,     store.meta,     store.sweeps,
                                     store.quarantines, store.relations};
        uint64_t sums[ARRAY_LENGTH(databases)] = {0};

        for (size_t i = 0; i < ARRAY_LENGTH(databases) && sound; i++)
            sound = database_is_sound(&store, txn, databases[i], &sums[i]);
        sound = sound && sums[0] == sums[1]; /* each entry has its rows, and each row its entry */
        mdb_txn_abort(txn);
    }
    mdb_env_close(store.env);
    return sound;
}

/* Whether an existing file holds together. */
static bool store_is_sound(const char *path, uint64_t map_bytes)
{
    struct stat status;
    int told;

    if (stat(path, &status) == -1)
        return errno == ENOENT;
    const pid_t child = fork();
    if (child == -1)
        return false;
    if (child == 0) {
        (void)!freopen("/dev/null", "w",
                       stderr); /* LMDB's assertions are no news: the gate tells */
        _exit(store_walk(path, map_bytes) ? 0 : 1);
    }
    while (waitpid(child, &told, 0) == -1 && errno == EINTR)
        ;
    return WIFEXITED(told) && WEXITSTATUS(told) == 0;
}

static bool store_path(char *path, const char *directory, const char *name)
{
    const int length = snprintf(path, STORE_PATH_ROOM, "%s/%s", directory, name);

    return length > 0 && length < STORE_PATH_ROOM;
}

static enum result store_move_aside(const char *path, const char *directory, struct error *error)
{
    char aside[STORE_PATH_ROOM], lock[STORE_PATH_ROOM];

    if (!store_path(aside, directory, "cache.mdb.damaged") ||
        !store_path(lock, directory, "cache.mdb-lock"))
        return error_set(error, RESULT_LIMIT, "data_dir %s: the path is too long", directory);
    if (rename(path, aside) == -1)
        return error_set(error, RESULT_SYSTEM, "%s is damaged and can't be moved aside: %s", path,
                         strerror(errno));
    (void)unlink(lock); /* made anew with the file */
    return RESULT_OK;
}

enum result store_open(struct store *store, const char *directory, uint64_t max_bytes, bool *moved,
                       struct error *error)
{
    char path[STORE_PATH_ROOM];
    const uint64_t doubled = max_bytes * 2 + max_bytes * 2 / STORE_RELATION_SHARE;
    const uint64_t wanted = doubled > STORE_MAP_LEAST_BYTES ? doubled : STORE_MAP_LEAST_BYTES;
    const uint64_t map_bytes =
        (wanted + STORE_PAGE_BYTES - 1) / STORE_PAGE_BYTES * STORE_PAGE_BYTES;

    static_assert(STORE_READERS >= 256, "a reader for each worker, and some");
    if (!store_path(path, directory, "cache.mdb"))
        return error_set(error, RESULT_LIMIT, "data_dir %s: the path is too long", directory);
    *store = (struct store){0};
    *moved = !store_is_sound(path, map_bytes);
    if (*moved && store_move_aside(path, directory, error) != RESULT_OK)
        return RESULT_SYSTEM;
    const int code = store_open_env(store, path, map_bytes);
    if (code != 0)
        return error_set(error, store_result(code), "cannot open %s: %s", path, mdb_strerror(code));
    store->relation_limit_bytes = max_bytes / STORE_RELATION_SHARE;
    if (store->relation_limit_bytes < STORE_RELATIONS_LEAST_BYTES)
        store->relation_limit_bytes = STORE_RELATIONS_LEAST_BYTES;
    int dead;
    (void)mdb_reader_check(store->env,
                           &dead); /* slots of killed processes; whatever it finds is mended */
    return RESULT_OK;
}

void store_close(struct store *store)
{
    if (store->env == NULL)
        return;
    (void)mdb_env_sync(store->env, 1); /* a cache: what can't be synced is fetched again */
    mdb_env_close(store->env);
    store->env = NULL;
}

enum result store_remove(const char *directory, struct error *error)
{
    static const char *const names[] = {"cache.mdb", "cache.mdb-lock"};
    char path[STORE_PATH_ROOM];

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (!store_path(path, directory, names[i]))
            return error_set(error, RESULT_LIMIT, "data_dir %s: the path is too long", directory);
        if (unlink(path) == -1 && errno != ENOENT)
            return error_set(error, RESULT_SYSTEM, "cannot remove %s: %s", path, strerror(errno));
    }
    return RESULT_OK;
}

static MDB_val value_of(struct bytes bytes)
{
    return (MDB_val){.mv_data = (void *)bytes.data, .mv_size = bytes.length};
}

enum result store_get(MDB_txn *txn, MDB_dbi database, struct bytes key, struct bytes *value)
{
    MDB_val wanted = value_of(key), found;
    const int code = mdb_get(txn, database, &wanted, &found);

    if (code == 0)
        *value = bytes_of(found.mv_data, found.mv_size);
    return store_result(code);
}

enum result store_put(MDB_txn *txn, MDB_dbi database, struct bytes key, struct bytes value)
{
    MDB_val where = value_of(key), what = value_of(value);

    return store_result(mdb_put(txn, database, &where, &what, 0));
}

enum result store_delete(MDB_txn *txn, MDB_dbi database, struct bytes key)
{
    MDB_val where = value_of(key);
    const int code = mdb_del(txn, database, &where, NULL);

    return code == MDB_NOTFOUND ? RESULT_OK : store_result(code);
}

size_t store_count(MDB_txn *txn, MDB_dbi database)
{
    MDB_stat stat;

    return mdb_stat(txn, database, &stat) == 0 ? stat.ms_entries : 0;
}

enum result store_get_entry(const struct store *store, MDB_txn *txn, struct hash128 hash,
                            struct bytes *record)
{
    return store_get(txn, store->entries, bytes_of(&hash, sizeof(hash)), record);
}

enum result store_get_account(const struct store *store, MDB_txn *txn, struct bytes name,
                              struct account_record *record)
{
    struct bytes found = {0};
    const enum result result = store_get(txn, store->accounts, name, &found);

    if (result != RESULT_OK)
        return result;
    if (found.length != sizeof(*record))
        return RESULT_DAMAGED;
    memcpy(record, found.data, sizeof(*record));
    return RESULT_OK;
}

enum result store_get_serial(const struct store *store, MDB_txn *txn, uint64_t *serial)
{
    struct bytes found = {0};
    const enum result result = store_get_text(store, txn, store_serial_name, &found);

    if (result != RESULT_OK)
        return result;
    if (found.length != sizeof(*serial))
        return RESULT_DAMAGED;
    memcpy(serial, found.data, sizeof(*serial));
    return RESULT_OK;
}

enum result store_get_text(const struct store *store, MDB_txn *txn, const char *name,
                           struct bytes *text)
{
    return store_get(txn, store->meta, bytes_of_string(name), text);
}

enum result store_put_account(const struct store *store, MDB_txn *txn, struct bytes name,
                              const struct account_record *record)
{
    return store_put(txn, store->accounts, name, bytes_of(record, sizeof(*record)));
}

enum result store_put_serial(const struct store *store, MDB_txn *txn, uint64_t serial)
{
    return store_put_text(store, txn, store_serial_name, bytes_of(&serial, sizeof(serial)));
}

enum result store_put_text(const struct store *store, MDB_txn *txn, const char *name,
                           struct bytes text)
{
    return store_put(txn, store->meta, bytes_of_string(name), text);
}

enum result store_reserve_entry(const struct store *store, MDB_txn *txn, struct hash128 hash,
                                size_t size, char **room)
{
    MDB_val key = value_of(bytes_of(&hash, sizeof(hash))), value = {.mv_size = size};
    const int code = mdb_put(txn, store->entries, &key, &value, MDB_RESERVE);

    if (code == 0)
        *room = value.mv_data;
    return store_result(code);
}

enum result store_delete_entry(const struct store *store, MDB_txn *txn, struct hash128 hash)
{
    return store_delete(txn, store->entries, bytes_of(&hash, sizeof(hash)));
}

size_t store_footprint_bytes(size_t record_bytes)
{
    const size_t in_leaf_limit =
        STORE_PAGE_BYTES / 2 - STORE_PAGE_HEAD_BYTES - 64; /* larger: pages of its own */
    const size_t head = sizeof(struct hash128) + STORE_PAGE_HEAD_BYTES;

    if (record_bytes <= in_leaf_limit)
        return record_bytes + head;
    return (record_bytes + STORE_PAGE_HEAD_BYTES + STORE_PAGE_BYTES - 1) / STORE_PAGE_BYTES *
               STORE_PAGE_BYTES +
           head;
}
