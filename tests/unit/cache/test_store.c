/* The LMDB file: opened, reopened, damaged, removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/entry.h"
#include "cache/store.h"

#define MIB (UINT64_C(1024) * 1024)

enum { ENTRIES = 40, BODY_BYTES = 3000 };

static char directory[64];
static struct store store;

static void path_of(char *path, size_t room, const char *name)
{
    (void)snprintf(path, room, "%s/%s", directory, name);
}

static bool is_there(const char *name)
{
    char path[128];

    path_of(path, sizeof(path), name);
    return access(path, F_OK) == 0;
}

/* Opens; returns whether a damaged file was moved aside. */
static bool open_store(void)
{
    bool moved = false;
    struct error error = {0};
    const enum result result = store_open(&store, directory, 8 * MIB, &moved, &error);

    assert_string_equal(error.text, "");
    assert_int_equal(result, RESULT_OK);
    return moved;
}

static int store_make(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/postern-store-XXXXXX");
    assert_non_null(mkdtemp(directory));
    assert_false(open_store());
    return 0;
}

static int store_drop(void **state)
{
    static const char *const names[] = {"cache.mdb", "cache.mdb-lock", "cache.mdb.damaged"};
    char path[128];

    (void)state;
    store_close(&store);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        path_of(path, sizeof(path), names[i]);
        (void)unlink(path); /* not all are there */
    }
    return rmdir(directory);
}

static struct hash128 hash_of_number(unsigned number)
{
    return (struct hash128){.high = number, .low = ~number};
}

static void put_entries(void)
{
    static char body[BODY_BYTES];
    MDB_txn *txn;
    char *room;

    assert_int_equal(mdb_txn_begin(store.env, NULL, 0, &txn), 0);
    for (unsigned i = 0; i < ENTRIES; i++) {
        const struct entry entry = {.serial = i + 1,
                                    .status = 200,
                                    .key = BYTES("key"),
                                    .body = bytes_of(body, i * BODY_BYTES / ENTRIES)};

        memset(body, (int)('a' + i % 26), sizeof(body));
        assert_int_equal(
            store_reserve_entry(&store, txn, hash_of_number(i), entry_encoded_bytes(&entry), &room),
            RESULT_OK);
        entry_encode(&entry, room);
    }
    assert_int_equal(store_put_serial(&store, txn, ENTRIES), RESULT_OK);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

/* How many entries can be read, each as it was written. */
static unsigned count_entries(void)
{
    unsigned count = 0;
    MDB_txn *txn;
    struct arena arena;

    arena_init(&arena, 1024);
    assert_int_equal(mdb_txn_begin(store.env, NULL, MDB_RDONLY, &txn), 0);
    for (unsigned i = 0; i < ENTRIES; i++) {
        struct bytes record = {0};
        struct entry entry;

        if (store_get_entry(&store, txn, hash_of_number(i), &record) != RESULT_OK)
            continue;
        assert_int_equal(entry_decode(record, &arena, &entry), RESULT_OK);
        assert_true(entry_is_intact(record));
        assert_int_equal(entry.serial, i + 1);
        assert_int_equal(entry.body.length, i * BODY_BYTES / ENTRIES);
        for (size_t k = 0; k < entry.body.length; k++)
            assert_int_equal(entry.body.data[k], 'a' + (int)(i % 26));
        count++;
    }
    mdb_txn_abort(txn);
    arena_finish(&arena);
    return count;
}

static void what_is_committed_is_there_after_reopening(void **state)
{
    uint64_t serial = 0;
    MDB_txn *txn;

    (void)state;
    put_entries();
    store_close(&store);
    assert_false(open_store());
    assert_int_equal(count_entries(), ENTRIES);
    assert_int_equal(mdb_txn_begin(store.env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(store_get_serial(&store, txn, &serial), RESULT_OK);
    assert_int_equal(serial, ENTRIES);
    mdb_txn_abort(txn);
}

static void values_have_their_size_or_are_damaged(void **state)
{
    const struct account_record put = {.emptied_serial = 7, .quarantine_until_wall_us = 9};
    struct account_record record;
    struct bytes text;
    uint64_t serial;
    MDB_txn *txn;

    (void)state;
    assert_int_equal(mdb_txn_begin(store.env, NULL, 0, &txn), 0);
    assert_int_equal(store_get_serial(&store, txn, &serial), RESULT_MISSING);
    assert_int_equal(store_get_account(&store, txn, BYTES("a"), &record), RESULT_MISSING);
    assert_int_equal(store_get_text(&store, txn, "a", &text), RESULT_MISSING);
    assert_int_equal(store_put_account(&store, txn, BYTES("a"), &put), RESULT_OK);
    assert_int_equal(store_get_account(&store, txn, BYTES("a"), &record), RESULT_OK);
    assert_memory_equal(&record, &put, sizeof(put));
    assert_int_equal(store_put_text(&store, txn, "serial", BYTES("short")), RESULT_OK);
    assert_int_equal(store_get_serial(&store, txn, &serial), RESULT_DAMAGED);
    MDB_val key = {.mv_size = 1, .mv_data = (void *)"b"},
            value = {.mv_size = 3, .mv_data = (void *)"xyz"};
    assert_int_equal(mdb_put(txn, store.accounts, &key, &value, 0), 0);
    assert_int_equal(store_get_account(&store, txn, BYTES("b"), &record), RESULT_DAMAGED);
    assert_int_equal(store_delete_entry(&store, txn, hash_of_number(1)), RESULT_OK); /* not there */
    mdb_txn_abort(txn);
}

/* --- damage --- */

/* cmocka catches them, and would also go on with its tests in the child that walks over the file.
 */
static void let_signals_kill(void)
{
    (void)signal(SIGBUS, SIG_DFL);
    (void)signal(SIGSEGV, SIG_DFL);
    (void)signal(SIGABRT, SIG_DFL);
}

static void damage(const void *bytes, size_t length, off_t offset)
{
    char path[128];

    let_signals_kill();
    store_close(&store);
    path_of(path, sizeof(path), "cache.mdb");
    const int fd = open(path, O_WRONLY);
    assert_int_not_equal(fd, -1);
    assert_int_equal(pwrite(fd, bytes, length, offset), length);
    assert_int_equal(close(fd), 0);
}

static void assert_moved_aside(void)
{
    assert_true(open_store());
    assert_true(is_there("cache.mdb.damaged"));
    assert_int_equal(count_entries(), 0);
    put_entries(); /* the new one works */
    assert_int_equal(count_entries(), ENTRIES);
}

static void a_file_of_another_kind_is_moved_aside(void **state)
{
    static const char text[2 * 4096] = "# no database\n";

    (void)state;
    put_entries();
    damage(text, sizeof(text), 0);
    assert_moved_aside();
}

static void a_file_cut_short_is_moved_aside(void **state)
{
    char path[128];

    (void)state;
    let_signals_kill();
    put_entries();
    store_close(&store);
    path_of(path, sizeof(path), "cache.mdb");
    assert_int_equal(truncate(path, 6 * 4096), 0);
    assert_moved_aside();
}

static void a_stored_answer_that_was_altered_is_noticed(void **state)
{
    struct stat status;
    char path[128];
    static char old[512 * 1024];

    (void)state;
    put_entries();
    path_of(path, sizeof(path), "cache.mdb");
    assert_int_equal(stat(path, &status), 0);
    const int fd = open(path, O_RDONLY);
    const ssize_t got = read(fd, old, sizeof(old));
    assert_int_equal(close(fd), 0);
    assert_true(got > 4096);
    const struct bytes body = BYTES("zzzzzzzzzzzzzzzz"); /* of entry 25, a large one */
    const size_t at = bytes_find(bytes_of(old, (size_t)got), body);
    assert_true(at < (size_t)got);
    damage("y", 1, (off_t)at + 5);
    assert_moved_aside();
}

/* Whatever byte changes: the store opens, and what it gives is as it was written or not there. */
static void a_change_anywhere_costs_at_most_the_cache(void **state)
{
    struct stat status;
    char path[128];
    uint64_t random = 88172645463325252u;
    unsigned moved = 0;

    (void)state;
    put_entries();
    path_of(path, sizeof(path), "cache.mdb");
    for (unsigned i = 0; i < 60; i++) {
        unsigned char bytes[4];

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        assert_int_equal(stat(path, &status), 0);
        memcpy(bytes, &random, sizeof(bytes));
        damage(bytes, 1 + random % 4, (off_t)((random >> 32) % (uint64_t)(status.st_size - 4)));
        if (open_store()) {
            moved++;
            assert_int_equal(count_entries(), 0);
            put_entries();
        }
        assert_int_equal(count_entries(), ENTRIES);
    }
    assert_true(moved > 10);
}

static void an_empty_file_is_a_new_one(void **state)
{
    char path[128];

    (void)state;
    store_close(&store);
    path_of(path, sizeof(path), "cache.mdb");
    assert_int_equal(truncate(path, 0), 0);
    (void)open_store(); /* moved aside or filled: either is right */
    put_entries();
    assert_int_equal(count_entries(), ENTRIES);
}

/* --- what can't be --- */

static void a_directory_that_is_not_there_is_named(void **state)
{
    struct store other;
    struct error error = {0};
    bool moved;

    (void)state;
    assert_int_not_equal(store_open(&other, "/tmp/postern-store-not-there", MIB, &moved, &error),
                         RESULT_OK);
    assert_non_null(strstr(error.text, "/tmp/postern-store-not-there"));
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    static char longer[5000];
    struct store other;
    struct error error = {0};
    bool moved;

    (void)state;
    memset(longer, 'd', sizeof(longer) - 1);
    assert_int_equal(store_open(&other, longer, MIB, &moved, &error), RESULT_LIMIT);
    assert_int_equal(store_remove(longer, &error), RESULT_LIMIT);
}

static void removing_leaves_nothing_of_the_cache(void **state)
{
    struct error error = {0};

    (void)state;
    put_entries();
    store_close(&store);
    assert_int_equal(store_remove(directory, &error), RESULT_OK);
    assert_false(is_there("cache.mdb"));
    assert_int_equal(store_remove(directory, &error), RESULT_OK); /* again: fine */
    assert_false(open_store());
    assert_int_equal(count_entries(), 0);
}

static void lmdb_speaks_in_results(void **state)
{
    static const struct {
        int code;
        enum result result;
    } rows[] = {
        {MDB_SUCCESS, RESULT_OK},
        {MDB_NOTFOUND, RESULT_MISSING},
        {MDB_MAP_FULL, RESULT_FULL},
        {ENOSPC, RESULT_FULL},
        {EFBIG, RESULT_FULL},
        {EIO, RESULT_FULL},
        {MDB_CORRUPTED, RESULT_DAMAGED},
        {MDB_PANIC, RESULT_DAMAGED},
        {EACCES, RESULT_SYSTEM},
        {MDB_BAD_TXN, RESULT_SYSTEM},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(store_result(rows[i].code), rows[i].result);
}

static void a_footprint_is_never_less_than_the_record(void **state)
{
    size_t before = 0;

    (void)state;
    for (size_t size = 0; size < 20000; size++) {
        const size_t footprint = store_footprint_bytes(size);

        assert_true(footprint > size);
        assert_true(footprint >= before);
        assert_true(footprint <= size + 4096 + 64);
        before = footprint;
    }
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, store_make, store_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(what_is_committed_is_there_after_reopening),
        WITH_STORE(values_have_their_size_or_are_damaged),
        WITH_STORE(a_file_of_another_kind_is_moved_aside),
        WITH_STORE(a_file_cut_short_is_moved_aside),
        WITH_STORE(a_stored_answer_that_was_altered_is_noticed),
        WITH_STORE(a_change_anywhere_costs_at_most_the_cache),
        WITH_STORE(an_empty_file_is_a_new_one),
        WITH_STORE(a_directory_that_is_not_there_is_named),
        WITH_STORE(a_path_that_is_too_long_is_refused),
        WITH_STORE(removing_leaves_nothing_of_the_cache),
        cmocka_unit_test(lmdb_speaks_in_results),
        cmocka_unit_test(a_footprint_is_never_less_than_the_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
