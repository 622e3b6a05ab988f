/*
 * One database, a line a name. The process may die at any time: what is committed is in the page
 * cache. LMDB is told not to flush at each commit; ledger_flush does.
 */
#include "base/ledger.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"

enum { LEDGER_MAP_BYTES = 64 * 1024 * 1024, LEDGER_READERS = 256, LEDGER_PATH_ROOM = 4096 };

struct ledger {
    MDB_env *env;
    MDB_dbi lines;
};

static enum result result_of(int code)
{
    switch (code) {
    case 0:
        return RESULT_OK;
    case MDB_NOTFOUND:
        return RESULT_MISSING;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
        return RESULT_FULL;
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_PAGE_NOTFOUND:
    case MDB_VERSION_MISMATCH:
        return RESULT_DAMAGED;
    default:
        return RESULT_SYSTEM;
    }
}

static int ledger_open_lines(struct ledger *ledger)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(ledger->env, NULL, 0, &txn);

    if (code != 0)
        return code;
    code = mdb_dbi_open(txn, NULL, 0, &ledger->lines);
    if (code == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return code;
}

static int ledger_open_file(struct ledger *ledger, const char *path)
{
    int code = mdb_env_create(&ledger->env);

    if (code != 0)
        return code;
    if ((code = mdb_env_set_mapsize(ledger->env, LEDGER_MAP_BYTES)) != 0 ||
        (code = mdb_env_set_maxreaders(ledger->env, LEDGER_READERS)) != 0 ||
        (code = mdb_env_open(ledger->env, path, MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOTLS, 0600)) !=
            0 ||
        (code = ledger_open_lines(ledger)) != 0) {
        mdb_env_close(ledger->env);
        ledger->env = NULL;
    }
    return code;
}

enum result ledger_open(const char *directory, struct ledger **opened, struct error *error)
{
    struct ledger *ledger = memory_take(1, sizeof(*ledger));
    char path[LEDGER_PATH_ROOM], aside[LEDGER_PATH_ROOM + sizeof(".damaged")];

    (void)snprintf(path, sizeof(path), "%s/ledger.mdb",
                   directory); /* the data_dir is open: it fits */
    (void)snprintf(aside, sizeof(aside), "%s.damaged", path);
    int code = ledger_open_file(ledger, path);
    if (result_of(code) == RESULT_DAMAGED && rename(path, aside) == 0)
        code = ledger_open_file(ledger, path);
    if (code != 0) {
        free(ledger);
        return error_set(error, result_of(code), "cannot open %s: %s", path, mdb_strerror(code));
    }
    *opened = ledger;
    return RESULT_OK;
}

void ledger_close(struct ledger *ledger)
{
    if (ledger == NULL)
        return;
    (void)!ledger_flush(ledger); /* a disk that fails now has said so before */
    mdb_env_close(ledger->env);
    free(ledger);
}

/* A key of LMDB: the name, or what tells it from others. In `hash` then. */
static MDB_val key_of(struct bytes name, struct hash128 *hash)
{
    if (name.length > 0 && name.length <= LEDGER_NAME_LIMIT_BYTES)
        return (MDB_val){.mv_size = name.length, .mv_data = (void *)name.data};
    *hash = hash_of(name);
    return (MDB_val){.mv_size = sizeof(*hash), .mv_data = hash};
}

enum result ledger_read(const struct ledger *ledger, struct bytes name, struct ledger_line *line)
{
    struct hash128 hash;
    MDB_val key = key_of(name, &hash), value;
    MDB_txn *txn;
    int code = mdb_txn_begin(ledger->env, NULL, MDB_RDONLY, &txn);

    if (code != 0)
        return result_of(code);
    code = mdb_get(txn, ledger->lines, &key, &value);
    enum result result = result_of(code);
    if (result == RESULT_OK && value.mv_size != sizeof(*line))
        result = RESULT_DAMAGED;
    if (result == RESULT_OK)
        memcpy(line, value.mv_data, sizeof(*line));
    mdb_txn_abort(txn);
    return result;
}

enum result ledger_write(struct ledger *ledger, const struct ledger_entry *entries, size_t count)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(ledger->env, NULL, 0, &txn);

    if (code != 0)
        return result_of(code);
    for (size_t i = 0; i < count && code == 0; i++) {
        struct hash128 hash;
        MDB_val key = key_of(entries[i].name, &hash);
        MDB_val value = {.mv_size = sizeof(entries[i].line), .mv_data = (void *)&entries[i].line};

        code = mdb_put(txn, ledger->lines, &key, &value, 0);
    }
    if (code == 0)
        return result_of(mdb_txn_commit(txn));
    mdb_txn_abort(txn);
    return result_of(code);
}

enum result ledger_flush(struct ledger *ledger)
{
    return result_of(mdb_env_sync(ledger->env, 1));
}
