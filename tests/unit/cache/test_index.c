/* The index and what is kept by tag: rows and records agree whatever happens, what is swept is dead
 * at once, quarantines refuse what they name. */
#include "storing.h"

#include "cache/cache_state.h"
#include "cache/changes.h"
#include "cache/index.h"

#define MIB (UINT64_C(1024) * 1024)
#define MINUTE_US (60 * CLOCK_SECOND_US)

static struct keeper keeper;

static int keeper_make(void **state)
{
    (void)state;
    keeper_open(&keeper, MIB);
    return 0;
}

static int keeper_drop(void **state)
{
    (void)state;
    keeper_close(&keeper);
    return 0;
}

/* --- agreement --- */

static bool index_has(MDB_txn *txn, uint64_t tag, struct hash128 hash)
{
    MDB_val key = {.mv_size = sizeof(tag), .mv_data = &tag};
    MDB_val value = {.mv_size = sizeof(hash), .mv_data = &hash};
    MDB_cursor *cursor;

    assert_int_equal(mdb_cursor_open(txn, keeper.cache->store.tags, &cursor), 0);
    const int code = mdb_cursor_get(cursor, &key, &value, MDB_GET_BOTH);
    mdb_cursor_close(cursor);
    return code == 0;
}

/* Each entry has a row for each of its tags, and there are no others. Returns the entries. */
static size_t assert_index_agrees(void)
{
    struct arena arena;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    size_t entries = 0, rows = 0;

    arena_init(&arena, 4096);
    assert_int_equal(mdb_txn_begin(keeper.cache->store.env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(mdb_cursor_open(txn, keeper.cache->store.entries, &cursor), 0);
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        struct entry entry;
        struct hash128 hash;

        memcpy(&hash, key.mv_data, sizeof(hash));
        assert_int_equal(entry_decode(bytes_of(value.mv_data, value.mv_size), &arena, &entry),
                         RESULT_OK);
        for (size_t i = 1; i < entry.tags.count; i++)
            assert_true(index_has(txn, entry.tags.hashes[i], hash));
        rows += entry.tags.count - 1;
        entries++;
    }
    mdb_cursor_close(cursor);
    assert_int_equal(store_count(txn, keeper.cache->store.tags), rows);
    mdb_txn_abort(txn);
    arena_finish(&arena);
    return entries;
}

static uint64_t random_now = 88172645463325252u;

static uint64_t random_below(uint64_t limit)
{
    random_now ^= random_now << 13;
    random_now ^= random_now >> 7;
    random_now ^= random_now << 17;
    return random_now % limit;
}

static uint64_t tag_of_number(uint64_t number)
{
    return tag_of_text(keeper.account->tag,
                       arena_format(&keeper.arena, "t/%llu", (unsigned long long)number));
}

/* Few tags that many carry, and many that few carry; some twice. */
static struct tags random_tags(void)
{
    const size_t count = 1 + random_below(20);
    uint64_t *hashes = arena_take(&keeper.arena, count * sizeof(*hashes));

    hashes[0] = keeper.account->tag;
    for (size_t i = 1; i < count; i++)
        hashes[i] = tag_of_number(random_below(3) == 0 ? random_below(4) : random_below(500));
    return (struct tags){.hashes = hashes, .count = count};
}

static void store_at_random(const char *body)
{
    const char *path = arena_format(&keeper.arena, "/e/%u", (unsigned)random_below(900)).data;
    struct errand errand = keeper_store_job(&keeper, path, body, cache_now(keeper.cache));

    errand.job.entry.tags = random_tags();
    if (random_below(8) == 0)
        errand.job.entry.expires_wall_us = clock_wall_us();
    if (random_below(8) == 0) {
        const struct cache_query query = keeper_query(&keeper, path);

        errand.job.entry.vary = BYTES("Prefer");
        errand.job.default_hash = errand.job.key.hash;
        errand.job.key = key_of_variant(&keeper.arena, &query.url, BYTES("Prefer"), &keeper.sent);
    }
    const enum result result = keeper_do(&keeper, &errand);
    assert_true(result == RESULT_OK || result == RESULT_REFUSED); /* asked for in one microsecond */
}

static void invalidate_at_random(void)
{
    struct errand errand = keeper_invalidation(&keeper);

    errand.job.tags = random_tags();
    errand.job.tags.count--;
    errand.job.tags.hashes++; /* without the account's */
    if (random_below(50) == 0)
        errand = keeper_invalidation(&keeper);
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
}

static void rows_and_records_agree_after_whatever_happened(void **state)
{
    static char large[48 * 1024];
    uint64_t evictions = 0;

    (void)state;
    memset(large, 'l', sizeof(large) - 1);
    for (unsigned i = 1; i <= 6000; i++) {
        if (random_below(60) == 0)
            invalidate_at_random();
        else
            store_at_random(random_below(4) > 0 ? large : "small");
        arena_reset(&keeper.arena);
        if (i % 1500 != 0)
            continue;
        const size_t entries = assert_index_agrees();
        evictions += keeper_status(&keeper).evictions;
        assert_true(entries > 0);
        keeper_reopen(&keeper); /* not found damaged */
        assert_true(assert_index_agrees() > 0);
    }
    assert_true(evictions > 0);
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK);
    keeper_await_entries(&keeper, 0);
    assert_int_equal(assert_index_agrees(), 0);
}

static void an_index_without_a_row_is_damage(void **state)
{
    const uint64_t tag = tag_of_text(keeper.account->tag, BYTES("/a"));
    MDB_txn *txn;

    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    keeper_reopen(&keeper);
    assert_string_equal(keeper_find(&keeper, "/a"), "one");
    cache_reader_reset(keeper.reader);
    assert_int_equal(mdb_txn_begin(keeper.cache->store.env, NULL, 0, &txn), 0);
    assert_int_equal(store_delete(txn, keeper.cache->store.tags, bytes_of(&tag, sizeof(tag))),
                     RESULT_OK);
    assert_int_equal(mdb_txn_commit(txn), 0);
    keeper_reopen(&keeper);
    assert_null(keeper_find(&keeper, "/a")); /* no write could name it: all is moved aside */
}

/* --- what a tag takes along --- */

static size_t count_sweeps(void)
{
    struct sweeps sweeps;
    MDB_txn *txn;

    assert_int_equal(mdb_txn_begin(keeper.cache->store.env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(sweeps_read(&keeper.cache->store, txn, &sweeps), RESULT_OK);
    mdb_txn_abort(txn);
    return sweeps.count;
}

static void await_no_sweep(void)
{
    for (unsigned i = 0; i < 20000 && count_sweeps() > 0; i++)
        assert_int_equal(usleep(1000), 0);
    assert_int_equal(count_sweeps(), 0);
}

static void store_of(const char *path, const char *body)
{
    assert_int_equal(keeper_store(&keeper, path, body), RESULT_OK);
}

static struct errand name_tag(const char *text)
{
    struct errand errand = keeper_naming(&keeper, text);

    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    return errand;
}

static void a_replacement_loses_the_tags_that_it_does_not_carry(void **state)
{
    struct errand errand = keeper_store_job(&keeper, "/a", "two", cache_now(keeper.cache));

    (void)state;
    store_of("/a", "one");
    errand.job.entry.tags = keeper_tags(&keeper, "/b");
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    (void)assert_index_agrees();
    assert_int_equal(name_tag("/a").job.gone, 0);
    assert_string_equal(keeper_find(&keeper, "/a"), "two");
    assert_int_equal(name_tag("/b").job.gone, 1);
    assert_null(keeper_find(&keeper, "/a"));
}

static void all_variants_of_an_answer_go(void **state)
{
    const struct cache_query query = keeper_query(&keeper, "/v");
    struct entry entry;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct errand errand = keeper_store_job(&keeper, "/v", "one", cache_now(keeper.cache));

        keeper.sent = (struct fields){0};
        fields_add(&keeper.sent, &keeper.arena, BYTES("Prefer"), i == 0 ? BYTES("a") : BYTES("b"));
        errand.job.entry.vary = BYTES("Prefer");
        errand.job.key = key_of_variant(&keeper.arena, &query.url, BYTES("Prefer"), &keeper.sent);
        assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
        assert_string_equal(keeper_find(&keeper, "/v"), "one");
        cache_reader_reset(keeper.reader);
    }
    assert_int_equal(name_tag("/v").job.gone, 3); /* with what says that there are variants */
    assert_int_equal(cache_lookup(keeper.reader, &query, &keeper.arena, &entry), RESULT_MISSING);
    await_no_sweep();
    assert_int_equal(assert_index_agrees(), 0);
}

/* A row whose entry is not there, by whatever accident. */
static void an_orphan_goes_when_it_is_met(void **state)
{
    const uint64_t tag = tag_of_text(keeper.account->tag, BYTES("/a"));
    const struct hash128 nobody = {.high = 7, .low = 7};
    MDB_txn *txn;

    (void)state;
    store_of("/a", "one");
    assert_int_equal(mdb_txn_begin(keeper.cache->store.env, NULL, 0, &txn), 0);
    assert_int_equal(store_put(txn, keeper.cache->store.tags, bytes_of(&tag, sizeof(tag)),
                               bytes_of(&nobody, sizeof(nobody))),
                     RESULT_OK);
    assert_int_equal(mdb_txn_commit(txn), 0);
    assert_int_equal(name_tag("/a").job.gone, 1);
    await_no_sweep();
    assert_int_equal(assert_index_agrees(), 0);
}

/* --- sweeps --- */

enum { MANY = 200 };

static void store_many(const char *body)
{
    char path[32];

    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(path, sizeof(path), "/many/%u", i);
        store_of(path, body);
    }
}

/* As if an invalidation had just begun it: the writer does not know yet. */
static void begin_sweep(const char *text, uint64_t serial)
{
    const struct sweep sweep = {.tag = tag_of_text(keeper.account->tag, bytes_of_string(text)),
                                .serial = serial};
    MDB_txn *txn;

    assert_int_equal(mdb_txn_begin(keeper.cache->store.env, NULL, 0, &txn), 0);
    assert_int_equal(sweeps_put(&keeper.cache->store, txn, &sweep), RESULT_OK);
    assert_int_equal(mdb_txn_commit(txn), 0);
    cache_reader_reset(keeper.reader);
}

static void a_tag_of_very_many_goes_at_once_and_is_swept(void **state)
{
    (void)state;
    store_many("old");
    store_of("/other", "stays");
    assert_int_equal(name_tag("/many").job.gone, MANY);
    assert_null(keeper_find(&keeper, "/many/0"));
    assert_null(keeper_find(&keeper, "/many/199"));
    assert_string_equal(keeper_find(&keeper, "/other"), "stays");
    await_no_sweep();
    keeper_await_entries(&keeper, 1);
    assert_int_equal(assert_index_agrees(), 1);
}

static void what_is_being_swept_is_dead_for_everybody(void **state)
{
    (void)state;
    store_of("/a/1", "old");
    store_of("/b", "stays");
    assert_string_equal(keeper_find(&keeper, "/a/1"), "old");
    begin_sweep("/a", keeper.cache->serial);
    assert_null(keeper_find(&keeper, "/a/1"));
    assert_string_equal(keeper_find(&keeper, "/b"), "stays");
}

static void what_is_stored_under_a_tag_that_is_being_swept_lives(void **state)
{
    (void)state;
    store_many("old");
    begin_sweep("/many", keeper.cache->serial);
    store_of("/many/7", "new");
    store_of("/many/1000", "new");
    assert_string_equal(keeper_find(&keeper, "/many/7"), "new");
    await_no_sweep();
    keeper_await_entries(&keeper, 2);
    cache_reader_reset(keeper.reader);
    assert_string_equal(keeper_find(&keeper, "/many/7"), "new");
    assert_string_equal(keeper_find(&keeper, "/many/1000"), "new");
    assert_int_equal(assert_index_agrees(), 2);
}

static void a_304_does_not_bring_back_what_is_being_swept(void **state)
{
    const struct cache_query query = keeper_query(&keeper, "/a");
    struct entry entry;

    (void)state;
    store_of("/a", "old");
    assert_int_equal(cache_lookup(keeper.reader, &query, &keeper.arena, &entry), RESULT_OK);
    struct errand errand = keeper_store_job(&keeper, "/a", "", cache_now(keeper.cache));
    errand.job.kind = CACHE_FRESHEN;
    errand.job.entry.serial = entry.serial;
    begin_sweep("/a", keeper.cache->serial);
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_MISSING);
    assert_null(keeper_find(&keeper, "/a"));
}

/* What was asked for later refuses what was asked for earlier, unless it is dead itself. */
static void what_is_being_swept_refuses_no_store(void **state)
{
    struct errand later = keeper_store_job(&keeper, "/a", "later", cache_now(keeper.cache));
    struct errand earlier = keeper_store_job(&keeper, "/a", "earlier", cache_now(keeper.cache));

    (void)state;
    later.job.entry.begun_wall_us = later.job.begun_wall_us = clock_wall_us() + 1000;
    assert_int_equal(keeper_do(&keeper, &later), RESULT_OK);
    assert_int_equal(keeper_do(&keeper, &earlier), RESULT_REFUSED);
    begin_sweep("/a", keeper.cache->serial);
    assert_int_equal(keeper_do(&keeper, &earlier), RESULT_OK);
}

static void a_sweep_goes_on_after_a_restart(void **state)
{
    (void)state;
    store_many("old");
    store_of("/other", "stays");
    begin_sweep("/many", keeper.cache->serial);
    keeper_reopen(&keeper);
    assert_null(keeper_find(&keeper, "/many/7"));
    await_no_sweep();
    keeper_await_entries(&keeper, 1);
    assert_string_equal(keeper_find(&keeper, "/other"), "stays");
    assert_int_equal(assert_index_agrees(), 1);
}

static void a_tag_named_again_is_swept_from_the_start(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        store_many("old");
        (void)name_tag("/many");
        store_of("/many/3", "between");
        (void)name_tag("/many");
        assert_null(keeper_find(&keeper, "/many/3"));
    }
    await_no_sweep();
    keeper_await_entries(&keeper, 0);
    assert_int_equal(assert_index_agrees(), 0);
}

/* A step at a time, with an entry stored and named again where the sweep has been. The writer waits
 * for this transaction, and uses nothing of the cache. */
static void a_raised_serial_sweeps_from_the_start(void **state)
{
    const uint64_t tag = tag_of_text(keeper.account->tag, BYTES("/many"));
    struct errand again = keeper_store_job(&keeper, "/many/0", "new", cache_now(keeper.cache));
    struct sweep sweep = {.tag = tag};
    struct hash128 first;
    struct index_page page = {.hashes = &first, .room = 1};
    MDB_txn *txn;

    (void)state;
    store_many("old");
    keeper_await_entries(&keeper, MANY);
    assert_int_equal(mdb_txn_begin(keeper.cache->store.env, NULL, 0, &txn), 0);
    assert_int_equal(index_find(&keeper.cache->store, txn, tag, NULL, &page), RESULT_OK);
    assert_int_equal(page.total, MANY);
    sweep.serial = keeper.cache->serial;
    assert_int_equal(sweeps_put(&keeper.cache->store, txn, &sweep), RESULT_OK);
    assert_int_equal(change_sweep(keeper.cache, txn), RESULT_OK);
    again.job.key.hash = first;
    assert_int_equal(change_store(keeper.cache, txn, &again.job), RESULT_OK);
    sweep.serial = keeper.cache->serial;
    assert_int_equal(sweeps_put(&keeper.cache->store, txn, &sweep), RESULT_OK);
    for (unsigned i = 0; i < MANY && store_count(txn, keeper.cache->store.sweeps) > 0; i++)
        assert_int_equal(change_sweep(keeper.cache, txn), RESULT_OK);
    assert_int_equal(index_find(&keeper.cache->store, txn, tag, NULL, &page), RESULT_OK);
    assert_int_equal(page.count, 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

static void entries_of_a_tag_are_found_in_parts(void **state)
{
    const uint64_t tag = tag_of_text(keeper.account->tag, BYTES("/many"));
    struct hash128 hashes[3], last;
    struct index_page page = {.hashes = hashes, .room = ARRAY_LENGTH(hashes)};
    size_t found = 0;
    MDB_txn *txn;

    (void)state;
    store_many("old");
    assert_int_equal(mdb_txn_begin(keeper.cache->store.env, NULL, MDB_RDONLY, &txn), 0);
    do {
        assert_int_equal(
            index_find(&keeper.cache->store, txn, tag, found == 0 ? NULL : &last, &page),
            RESULT_OK);
        if (page.count > 0)
            last = hashes[page.count - 1];
        found += page.count;
    } while (page.count > 0 && found <= MANY);
    assert_int_equal(found, MANY);
    mdb_txn_abort(txn);
}

/* Where as many sweeps are still to be made as are kept. */
static void do_behind_sweeps(struct errand *errand)
{
    MDB_txn *txn;

    assert_int_equal(mdb_txn_begin(keeper.cache->store.env, NULL, 0, &txn), 0);
    for (uint64_t i = 0; i < SWEEPS_LIMIT; i++) {
        const struct sweep sweep = {.tag = i, .serial = 1};

        assert_int_equal(sweeps_put(&keeper.cache->store, txn, &sweep), RESULT_OK);
    }
    keeper_post(&keeper, errand); /* waits for this transaction: nothing is swept before */
    assert_int_equal(mdb_txn_commit(txn), 0);
    assert_int_equal(keeper_await(&keeper, errand), RESULT_OK);
}

static void more_sweeps_than_are_kept_empty_the_account(void **state)
{
    struct errand errand = keeper_naming(&keeper, "/many");

    (void)state;
    store_many("old");
    store_of("/other", "goes too");
    do_behind_sweeps(&errand);
    assert_null(keeper_find(&keeper, "/many/3"));
    assert_null(keeper_find(&keeper, "/other"));
    await_no_sweep();
    keeper_await_entries(&keeper, 0);
}

/* Then few entries are deleted at once, so that sweeps do not become too many. */
static void where_sweeps_come_late_few_entries_are_deleted_at_once(void **state)
{
    struct errand errand = keeper_naming(&keeper, "/few");

    (void)state;
    store_of("/few/1", "old");
    store_of("/few/2", "old");
    store_of("/other", "stays");
    do_behind_sweeps(&errand);
    assert_int_equal(errand.job.gone, 2);
    assert_null(keeper_find(&keeper, "/few/1"));
    assert_string_equal(keeper_find(&keeper, "/other"), "stays"); /* the account was not emptied */
    await_no_sweep();
    assert_int_equal(assert_index_agrees(), 1);
}

/* --- quarantines --- */

static void quarantine(const char *text, int64_t quarantine_us)
{
    struct errand errand = keeper_naming(&keeper, text);

    errand.job.quarantine_us = quarantine_us;
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
}

static void what_is_asked_for_in_a_tags_quarantine_is_not_stored(void **state)
{
    (void)state;
    store_of("/a/1", "one");
    store_of("/b", "two");
    quarantine("/a", MINUTE_US);
    assert_null(keeper_find(&keeper, "/a/1"));
    assert_string_equal(keeper_find(&keeper, "/b"), "two"); /* nobody named it */
    assert_int_equal(keeper_store(&keeper, "/a/1", "one"), RESULT_REFUSED);
    assert_int_equal(keeper_store(&keeper, "/b", "two"), RESULT_OK);
    keeper_reopen(&keeper);
    assert_int_equal(keeper_store(&keeper, "/a/1", "one"), RESULT_REFUSED);
    quarantine("/a", 1); /* a shorter one does not end a longer one */
    assert_int_equal(usleep(1000), 0);
    assert_int_equal(keeper_store(&keeper, "/a/1", "one"), RESULT_REFUSED);
}

static void a_tags_quarantine_ends(void **state)
{
    struct errand early;

    (void)state;
    quarantine("/a", 20 * 1000);
    early = keeper_store_job(&keeper, "/a", "early", cache_now(keeper.cache));
    assert_int_equal(usleep(30 * 1000), 0);
    assert_int_equal(keeper_do(&keeper, &early), RESULT_REFUSED); /* begun in it */
    assert_int_equal(keeper_store(&keeper, "/a", "late"), RESULT_OK);
}

static size_t count_quarantines(void)
{
    MDB_txn *txn;

    assert_int_equal(mdb_txn_begin(keeper.cache->store.env, NULL, MDB_RDONLY, &txn), 0);
    const size_t count = store_count(txn, keeper.cache->store.quarantines);
    mdb_txn_abort(txn);
    return count;
}

static void ended_quarantines_are_dropped(void **state)
{
    (void)state;
    quarantine("/a", 1);
    quarantine("/b", MINUTE_US);
    assert_int_equal(usleep(1000), 0);
    keeper_reopen(&keeper);
    store_of("/c", "any job lets the writer look");
    for (unsigned i = 0; i < 20000 && count_quarantines() > 1; i++)
        assert_int_equal(usleep(1000), 0);
    assert_int_equal(count_quarantines(), 1);
}

static void a_304_in_a_tags_quarantine_is_refused(void **state)
{
    const struct cache_query query = keeper_query(&keeper, "/a");
    struct entry entry;
    MDB_txn *txn;

    (void)state;
    store_of("/a", "one");
    assert_int_equal(cache_lookup(keeper.reader, &query, &keeper.arena, &entry), RESULT_OK);
    struct errand errand = keeper_store_job(&keeper, "/b", "", cache_now(keeper.cache));
    errand.job.kind = CACHE_FRESHEN; /* by the tags that are stored, not by those that it says */
    errand.job.key = keeper_store_job(&keeper, "/a", "", 0).job.key;
    errand.job.entry.serial = entry.serial;
    assert_int_equal(mdb_txn_begin(keeper.cache->store.env, NULL, 0, &txn), 0);
    assert_int_equal(quarantine_put(&keeper.cache->store, txn,
                                    tag_of_text(keeper.account->tag, BYTES("/a")),
                                    clock_wall_us() + MINUTE_US),
                     RESULT_OK);
    assert_int_equal(mdb_txn_commit(txn), 0);
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_REFUSED);
}

#define WITH_KEEPER(test) cmocka_unit_test_setup_teardown(test, keeper_make, keeper_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_KEEPER(rows_and_records_agree_after_whatever_happened),
        WITH_KEEPER(an_index_without_a_row_is_damage),
        WITH_KEEPER(a_replacement_loses_the_tags_that_it_does_not_carry),
        WITH_KEEPER(all_variants_of_an_answer_go),
        WITH_KEEPER(an_orphan_goes_when_it_is_met),
        WITH_KEEPER(a_tag_of_very_many_goes_at_once_and_is_swept),
        WITH_KEEPER(what_is_being_swept_is_dead_for_everybody),
        WITH_KEEPER(what_is_stored_under_a_tag_that_is_being_swept_lives),
        WITH_KEEPER(a_304_does_not_bring_back_what_is_being_swept),
        WITH_KEEPER(what_is_being_swept_refuses_no_store),
        WITH_KEEPER(a_sweep_goes_on_after_a_restart),
        WITH_KEEPER(a_tag_named_again_is_swept_from_the_start),
        WITH_KEEPER(a_raised_serial_sweeps_from_the_start),
        WITH_KEEPER(entries_of_a_tag_are_found_in_parts),
        WITH_KEEPER(more_sweeps_than_are_kept_empty_the_account),
        WITH_KEEPER(where_sweeps_come_late_few_entries_are_deleted_at_once),
        WITH_KEEPER(what_is_asked_for_in_a_tags_quarantine_is_not_stored),
        WITH_KEEPER(a_tags_quarantine_ends),
        WITH_KEEPER(ended_quarantines_are_dropped),
        WITH_KEEPER(a_304_in_a_tags_quarantine_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
