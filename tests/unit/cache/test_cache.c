/* Lookups and the jobs behind them: what is stored is found, what is overtaken is not, and nothing
 * is lost over a restart. */
#include "storing.h"

#define MIB (UINT64_C(1024) * 1024)

static struct keeper keeper;

static int keeper_make(void **state)
{
    (void)state;
    keeper_open(&keeper, 16 * MIB);
    return 0;
}

static int keeper_drop(void **state)
{
    (void)state;
    keeper_close(&keeper);
    return 0;
}

static void what_is_stored_is_found(void **state)
{
    (void)state;
    assert_null(keeper_find(&keeper, "/a"));
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    cache_reader_reset(keeper.reader); /* a new batch of events */
    assert_string_equal(keeper_find(&keeper, "/a"), "one");
    assert_null(keeper_find(&keeper, "/b"));
    assert_int_equal(keeper_store(&keeper, "/a", "two"), RESULT_OK);
    cache_reader_reset(keeper.reader);
    assert_string_equal(keeper_find(&keeper, "/a"), "two");
    keeper_await_entries(&keeper, 1);
    assert_int_equal(keeper_status(&keeper).stores, 2);
}

static void another_account_finds_nothing(void **state)
{
    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    keeper.account = cache_account(keeper.cache, BYTES("other"));
    assert_null(keeper_find(&keeper, "/a"));
    keeper.account = cache_account(keeper.cache, BYTES("acme"));
    assert_string_equal(keeper_find(&keeper, "/a"), "one");
}

static void entries_survive_a_restart(void **state)
{
    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    keeper_reopen(&keeper);
    assert_int_equal(keeper_status(&keeper).entries, 1); /* whatever the writer has done so far */
    assert_string_equal(keeper_find(&keeper, "/a"), "one");
    assert_int_equal(keeper_store(&keeper, "/b", "two"), RESULT_OK);
    keeper_await_entries(&keeper, 2);
}

static void a_directory_left_dirty_starts_empty(void **state)
{
    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    keeper_close_cache(&keeper);
    keeper_open_cache(&keeper, true);
    assert_null(keeper_find(&keeper, "/a"));
}

/* --- rules 3, 4 and 5 --- */

static void an_invalidation_removes_what_was_stored(void **state)
{
    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    const uint64_t before = cache_now(keeper.cache);
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK);
    assert_int_equal(cache_now(keeper.cache), before + 1);
    assert_int_equal(account_invalidated(keeper.account), before + 1);
    assert_null(keeper_find(&keeper, "/a"));
    keeper_reopen(&keeper);
    assert_null(keeper_find(&keeper, "/a"));
}

static void a_reader_renews_its_snapshot_after_an_invalidation(void **state)
{
    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    assert_string_equal(keeper_find(&keeper, "/a"), "one");
    assert_true(cache_reader_keeps(keeper.reader));
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK);
    assert_false(cache_reader_keeps(keeper.reader)); /* no reset: the same batch of events */
    assert_null(keeper_find(&keeper, "/a"));
    assert_true(cache_reader_keeps(keeper.reader));
}

static void a_snapshot_stays_over_a_store(void **state)
{
    (void)state;
    assert_null(keeper_find(&keeper, "/a"));
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    assert_true(cache_reader_keeps(keeper.reader)); /* borrowed bytes stay where they are */
    assert_null(keeper_find(&keeper, "/a"));
    cache_reader_reset(keeper.reader);
    assert_string_equal(keeper_find(&keeper, "/a"), "one");
}

static void what_was_fetched_before_an_invalidation_is_not_stored_after_it(void **state)
{
    (void)state;
    struct errand late = keeper_store_job(&keeper, "/a", "old", cache_now(keeper.cache));

    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK);
    assert_int_equal(keeper_do(&keeper, &late), RESULT_REFUSED);
    assert_null(keeper_find(&keeper, "/a"));
    assert_int_equal(keeper_status(&keeper).refused_stores, 1);
    assert_int_equal(keeper_store(&keeper, "/a", "new"), RESULT_OK); /* begun after it */
}

static void another_accounts_invalidation_refuses_nothing(void **state)
{
    struct errand store = keeper_store_job(&keeper, "/a", "one", cache_now(keeper.cache));
    struct account *other = cache_account(keeper.cache, BYTES("other"));
    struct errand elsewhere = {.job = {.kind = CACHE_INVALIDATE,
                                       .account = other,
                                       .tags = {.hashes = &other->tag, .count = 1}}};

    (void)state;
    assert_int_equal(keeper_do(&keeper, &elsewhere), RESULT_OK);
    assert_int_equal(keeper_do(&keeper, &store), RESULT_OK);
    cache_reader_reset(keeper.reader);
    assert_string_equal(keeper_find(&keeper, "/a"), "one");
    assert_int_equal(account_invalidated(keeper.account), 0);
}

static void a_path_names_itself_and_what_is_below_it(void **state)
{
    struct errand purge = keeper_naming(&keeper, "/profile/7");
    struct errand late =
        keeper_store_job(&keeper, "/profile/7/files", "old", cache_now(keeper.cache));
    struct errand other = keeper_store_job(&keeper, "/profile/9", "nine", cache_now(keeper.cache));

    (void)state;
    assert_int_equal(keeper_store(&keeper, "/profile/7", "seven"), RESULT_OK);
    assert_int_equal(keeper_store(&keeper, "/profile/7/fields", "its fields"), RESULT_OK);
    assert_int_equal(keeper_store(&keeper, "/profile/77", "another"), RESULT_OK);
    assert_int_equal(keeper_store(&keeper, "/profile", "list"), RESULT_OK);
    assert_int_equal(keeper_do(&keeper, &purge), RESULT_OK);
    assert_null(keeper_find(&keeper, "/profile/7"));
    assert_null(keeper_find(&keeper, "/profile/7/fields"));
    assert_string_equal(keeper_find(&keeper, "/profile/77"), "another");
    assert_string_equal(keeper_find(&keeper, "/profile"), "list");
    assert_int_equal(keeper_do(&keeper, &late), RESULT_REFUSED);
    assert_int_equal(keeper_do(&keeper, &other), RESULT_OK);
    keeper_await_entries(&keeper, 3);
}

static void a_purge_of_everything_names_every_account(void **state)
{
    struct account *first = keeper.account;
    struct errand all = {.job = {.kind = CACHE_INVALIDATE}};

    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    keeper.account = cache_account(keeper.cache, BYTES("other"));
    assert_int_equal(keeper_store(&keeper, "/a", "two"), RESULT_OK);
    struct errand late = keeper_store_job(&keeper, "/b", "old", cache_now(keeper.cache));
    assert_int_equal(keeper_do(&keeper, &all), RESULT_OK);
    assert_null(keeper_find(&keeper, "/a"));
    assert_int_equal(keeper_do(&keeper, &late), RESULT_REFUSED);
    assert_int_equal(account_invalidated(first), cache_now(keeper.cache));
    keeper.account = first;
    assert_null(keeper_find(&keeper, "/a"));
}

static void an_emptied_account_is_swept(void **state)
{
    char path[32];

    (void)state;
    for (unsigned i = 0; i < 700; i++) { /* more than one sweep looks at */
        (void)snprintf(path, sizeof(path), "/a/%u", i);
        assert_int_equal(keeper_store(&keeper, path, "body"), RESULT_OK);
    }
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK);
    assert_int_equal(keeper_store(&keeper, "/alive", "one"), RESULT_OK);
    keeper_await_entries(&keeper, 1);
    assert_string_equal(keeper_find(&keeper, "/alive"), "one");
    assert_true(keeper_status(&keeper).held_bytes < 1024);
}

/* Two keys with one hash: the whole key decides. */
static void a_hash_that_collides_is_a_miss(void **state)
{
    struct errand errand = keeper_store_job(&keeper, "/b", "of b", cache_now(keeper.cache));
    const struct cache_query query = keeper_query(&keeper, "/a");

    (void)state;
    errand.job.key.hash = key_of_variant(&keeper.arena, &query.url, BYTES(""), &keeper.sent).hash;
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    assert_null(keeper_find(&keeper, "/a"));
}

/* --- Vary --- */

static struct fields fields_with(const char *name, const char *value)
{
    struct fields fields = {0};

    fields_add(&fields, &keeper.arena, bytes_of_string(name), bytes_of_string(value));
    return fields;
}

static void store_variant(const char *vary, const char *body)
{
    struct errand errand = keeper_store_job(&keeper, "/v", body, cache_now(keeper.cache));
    const struct cache_query query = keeper_query(&keeper, "/v");

    errand.job.entry.vary = bytes_of_string(vary);
    errand.job.key = key_of_variant(&keeper.arena, &query.url, errand.job.entry.vary, &keeper.sent);
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    cache_reader_reset(keeper.reader);
}

static void the_fields_that_vary_names_select_the_answer(void **state)
{
    (void)state;
    keeper.sent = fields_with("Prefer", "short");
    store_variant("Prefer", "short one");
    keeper.sent = fields_with("Prefer", "long");
    assert_null(keeper_find(&keeper, "/v"));
    store_variant("Prefer", "long one");
    assert_string_equal(keeper_find(&keeper, "/v"), "long one");
    keeper.sent = fields_with("Prefer", "short");
    assert_string_equal(keeper_find(&keeper, "/v"), "short one");
    keeper.sent = (struct fields){0};
    assert_null(keeper_find(&keeper, "/v"));
}

static void accept_selects_where_the_answer_says_nothing(void **state)
{
    (void)state;
    keeper.sent = fields_with("Accept", "application/json");
    assert_int_equal(keeper_store(&keeper, "/a", "json"), RESULT_OK);
    keeper.sent = fields_with("Accept", "text/csv");
    assert_null(keeper_find(&keeper, "/a"));
    keeper.sent = fields_with("Prefer", "short");
    assert_null(keeper_find(&keeper, "/a"));
}

static void a_vary_without_names_is_never_served_wrongly(void **state)
{
    struct errand errand = keeper_store_job(&keeper, "/v", "one", cache_now(keeper.cache));
    const struct cache_query query = keeper_query(&keeper, "/v");
    struct entry entry;

    (void)state;
    errand.job.entry.vary = BYTES(" , ");
    errand.job.key = key_of_variant(&keeper.arena, &query.url, errand.job.entry.vary, &keeper.sent);
    (void)keeper_do(&keeper, &errand); /* stored or not: the lookup says no */
    assert_int_not_equal(cache_lookup(keeper.reader, &query, &keeper.arena, &entry), RESULT_OK);
}

/* --- 304 --- */

static uint64_t serial_of(const char *path)
{
    const struct cache_query query = keeper_query(&keeper, path);
    struct entry entry;

    cache_reader_reset(keeper.reader);
    assert_int_equal(cache_lookup(keeper.reader, &query, &keeper.arena, &entry), RESULT_OK);
    return entry.serial;
}

static struct errand freshen_job(const char *path, uint64_t serial, uint64_t begun)
{
    struct errand errand = keeper_store_job(&keeper, path, "", begun);

    errand.job.kind = CACHE_FRESHEN;
    errand.job.entry.serial = serial;
    errand.job.entry.expires_wall_us += KEEPER_HOUR_US;
    return errand;
}

static void a_304_freshens_the_very_entry_that_it_was_asked_for(void **state)
{
    const struct cache_query query = keeper_query(&keeper, "/a");
    struct entry entry;

    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    struct errand errand = freshen_job("/a", serial_of("/a"), cache_now(keeper.cache));
    const int64_t expires_wall_us = errand.job.entry.expires_wall_us;
    const uint64_t before = serial_of("/a");
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    cache_reader_reset(keeper.reader);
    assert_int_equal(cache_lookup(keeper.reader, &query, &keeper.arena, &entry), RESULT_OK);
    assert_true(bytes_equal(entry.body, BYTES("one")));
    assert_int_equal(entry.expires_wall_us, expires_wall_us);
    assert_true(entry.serial > before);
}

static void a_304_for_an_entry_that_was_replaced_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    struct errand errand = freshen_job("/a", serial_of("/a"), cache_now(keeper.cache));
    assert_int_equal(keeper_store(&keeper, "/a", "two"), RESULT_OK);
    const uint64_t serial = serial_of("/a");
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_MISSING);
    assert_int_equal(serial_of("/a"), serial);
    assert_string_equal(keeper_find(&keeper, "/a"), "two");
}

static void a_304_that_an_invalidation_overtook_is_refused(void **state)
{
    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    const uint64_t serial = serial_of("/a");
    struct errand errand = freshen_job("/a", serial, cache_now(keeper.cache));
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK);
    const enum result overtaken = keeper_do(&keeper, &errand);
    assert_true(overtaken == RESULT_REFUSED || overtaken == RESULT_MISSING); /* it may be swept */
    errand = freshen_job("/a", serial, cache_now(keeper.cache)); /* begun after, entry emptied */
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_MISSING);
    assert_null(keeper_find(&keeper, "/a"));
}

/* --- identity --- */

static void an_identity_is_remembered_over_a_restart(void **state)
{
    struct errand errand = {
        .job = {.kind = CACHE_IDENTITY,
                .account = keeper.account,
                .entry = {.key = BYTES("copernica/31"), .vary = BYTES("00ff00ff")}}};
    char name[16], small[12];

    (void)state;
    assert_int_equal(cache_identity(keeper.cache, "00ff00ff", name, sizeof(name)), RESULT_MISSING);
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    keeper_reopen(&keeper);
    assert_int_equal(cache_identity(keeper.cache, "00ff00ff", name, sizeof(name)), RESULT_OK);
    assert_string_equal(name, "copernica/31");
    assert_int_equal(cache_identity(keeper.cache, "00ff00f", name, sizeof(name)), RESULT_MISSING);
    assert_int_equal(cache_identity(keeper.cache, "00ff00ff", small, sizeof(small)), RESULT_LIMIT);
}

static void an_account_is_one_however_often_it_is_asked_for(void **state)
{
    char name[400];

    (void)state;
    assert_ptr_equal(cache_account(keeper.cache, BYTES("acme")), keeper.account);
    assert_ptr_not_equal(cache_account(keeper.cache, BYTES("acm")), keeper.account);
    memset(name, 'n', sizeof(name));
    struct account *cut = cache_account(keeper.cache, bytes_of(name, sizeof(name)));
    assert_ptr_equal(cache_account(keeper.cache, bytes_of(name, 128)), cut);
    assert_int_equal(strlen(cut->name), 128);
}

static void the_bound_on_size_is_held(void **state)
{
    static char body[64 * 1024];
    char path[32];

    (void)state;
    memset(body, 'b', sizeof(body) - 1);
    for (unsigned i = 0; i < 600; i++) { /* 38 MiB */
        (void)snprintf(path, sizeof(path), "/a/%u", i);
        assert_int_equal(keeper_store(&keeper, path, body), RESULT_OK);
        assert_true(keeper_status(&keeper).held_bytes <= 16 * MIB);
    }
    cache_reader_reset(keeper.reader);
    assert_non_null(keeper_find(&keeper, path));
    assert_true(keeper_status(&keeper).evictions > 300);
}

/* On disk they take as much as small entries do. */
static void index_rows_count_as_bytes_held(void **state)
{
    struct errand errand = keeper_store_job(&keeper, "/a", "one", cache_now(keeper.cache));
    static uint64_t hashes[TAGS_LIMIT];

    (void)state;
    hashes[0] = keeper.account->tag;
    for (size_t i = 1; i < TAGS_LIMIT; i++)
        hashes[i] = tag_of_text(hashes[0], arena_number(&keeper.arena, (int64_t)i));
    errand.job.entry.tags = (struct tags){.hashes = hashes, .count = TAGS_LIMIT};
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    keeper_await_entries(&keeper, 1);
    const uint64_t held = keeper_status(&keeper).held_bytes;
    assert_true(held > TAGS_LIMIT * (sizeof(uint64_t) + 24));
    keeper_reopen(&keeper);
    keeper_await_entries(&keeper, 1);
    assert_int_equal(keeper_status(&keeper).held_bytes, held);
}

static void what_is_larger_than_the_cache_is_not_stored(void **state)
{
    struct errand errand = keeper_store_job(&keeper, "/a", "", cache_now(keeper.cache));
    char *body = calloc(1, 17 * MIB);

    (void)state;
    assert_int_equal(keeper_store(&keeper, "/b", "small"), RESULT_OK);
    errand.job.entry.body = bytes_of(body, 17 * MIB);
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_LIMIT);
    free(body);
    assert_null(keeper_find(&keeper, "/a"));
    assert_string_equal(keeper_find(&keeper, "/b"), "small");
}

#define WITH_KEEPER(test) cmocka_unit_test_setup_teardown(test, keeper_make, keeper_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_KEEPER(what_is_stored_is_found),
        WITH_KEEPER(another_account_finds_nothing),
        WITH_KEEPER(entries_survive_a_restart),
        WITH_KEEPER(a_directory_left_dirty_starts_empty),
        WITH_KEEPER(an_invalidation_removes_what_was_stored),
        WITH_KEEPER(a_reader_renews_its_snapshot_after_an_invalidation),
        WITH_KEEPER(a_snapshot_stays_over_a_store),
        WITH_KEEPER(what_was_fetched_before_an_invalidation_is_not_stored_after_it),
        WITH_KEEPER(another_accounts_invalidation_refuses_nothing),
        WITH_KEEPER(a_path_names_itself_and_what_is_below_it),
        WITH_KEEPER(a_purge_of_everything_names_every_account),
        WITH_KEEPER(an_emptied_account_is_swept),
        WITH_KEEPER(a_hash_that_collides_is_a_miss),
        WITH_KEEPER(the_fields_that_vary_names_select_the_answer),
        WITH_KEEPER(accept_selects_where_the_answer_says_nothing),
        WITH_KEEPER(a_vary_without_names_is_never_served_wrongly),
        WITH_KEEPER(a_304_freshens_the_very_entry_that_it_was_asked_for),
        WITH_KEEPER(a_304_for_an_entry_that_was_replaced_changes_nothing),
        WITH_KEEPER(a_304_that_an_invalidation_overtook_is_refused),
        WITH_KEEPER(an_identity_is_remembered_over_a_restart),
        WITH_KEEPER(an_account_is_one_however_often_it_is_asked_for),
        WITH_KEEPER(the_bound_on_size_is_held),
        WITH_KEEPER(index_rows_count_as_bytes_held),
        WITH_KEEPER(what_is_larger_than_the_cache_is_not_stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
