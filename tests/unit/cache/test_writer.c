/* Writes that nobody knows the end of, and disks without room: intents, quarantines, and an account
 * out of use until its invalidation succeeds (rules 2, 8, 9, 10, 11). */
#include "storing.h"

#include <signal.h>
#include <sys/resource.h>

#include "cache/cache_state.h"

#define MIB (UINT64_C(1024) * 1024)
#define MINUTE_US (60 * CLOCK_SECOND_US)

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

static struct errand intent_of(struct account *account)
{
    return (struct errand){
        .job = {.kind = CACHE_INTENT, .account = account, .quarantine_us = MINUTE_US}};
}

static uint64_t note_intent(void)
{
    struct errand errand = intent_of(keeper.account);

    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    assert_true(errand.job.intent_number > 0);
    return errand.job.intent_number;
}

static void await_intents(uint64_t intents)
{
    for (unsigned i = 0; i < 20000 && keeper_status(&keeper).intents != intents; i++)
        assert_int_equal(usleep(1000), 0);
    assert_int_equal(keeper_status(&keeper).intents, intents);
}

/* When what is fetched and stored now will expire. */
static struct entry store_and_read(const char *path)
{
    const struct cache_query query = keeper_query(&keeper, path);
    struct entry entry;

    assert_int_equal(keeper_store(&keeper, path, "body"), RESULT_OK);
    cache_reader_reset(keeper.reader);
    assert_int_equal(cache_lookup(keeper.reader, &query, &keeper.arena, &entry), RESULT_OK);
    return entry;
}

static void assert_quarantined(int64_t longest_us)
{
    const struct entry entry = store_and_read("/quarantined");

    assert_true(entry.expires_wall_us <= clock_wall_us() + longest_us);
    assert_int_equal(entry.flags & ENTRY_MUST_REVALIDATE, ENTRY_MUST_REVALIDATE);
}

static void assert_not_quarantined(void)
{
    const struct entry entry = store_and_read("/free");

    assert_true(entry.expires_wall_us > clock_wall_us() + KEEPER_HOUR_US / 2);
    assert_int_equal(entry.flags & ENTRY_MUST_REVALIDATE, 0);
}

/* --- intents --- */

static void an_intent_left_behind_is_carried_out_at_the_next_start(void **state)
{
    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    (void)note_intent();
    await_intents(1);
    keeper_reopen(&keeper);
    assert_null(keeper_find(&keeper, "/a"));
    assert_quarantined(MINUTE_US);
    await_intents(0);
    assert_int_equal(keeper_store(&keeper, "/a", "two"), RESULT_OK);
    keeper_reopen(&keeper); /* once, not at each start */
    assert_string_equal(keeper_find(&keeper, "/a"), "two");
}

static void a_write_without_effect_invalidates_nothing(void **state)
{
    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    struct errand clear = {.job = {.kind = CACHE_CLEAR, .intent_number = note_intent()}};
    const uint64_t before = cache_now(keeper.cache);
    assert_int_equal(keeper_do(&keeper, &clear), RESULT_OK);
    assert_int_equal(cache_now(keeper.cache), before);
    assert_int_equal(keeper_do(&keeper, &clear), RESULT_OK); /* gone already: fine */
    keeper_reopen(&keeper);
    assert_string_equal(keeper_find(&keeper, "/a"), "one");
    assert_not_quarantined();
}

static void an_invalidation_takes_its_intent_along(void **state)
{
    struct errand errand = keeper_invalidation(&keeper);

    (void)state;
    errand.job.intent_number = note_intent();
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    keeper_reopen(&keeper);
    assert_string_equal(keeper_find(&keeper, "/a"), "one");
}

static void an_intent_may_outlast_the_first_of_two_invalidations(void **state)
{
    struct errand errand = keeper_invalidation(&keeper);

    (void)state;
    errand.job.intent_number = note_intent();
    errand.job.keeps_intent = true;
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    await_intents(1);
    keeper_reopen(&keeper);
    assert_null(keeper_find(&keeper, "/a"));
}

static void an_intent_without_account_is_carried_out_for_all(void **state)
{
    struct account *first = keeper.account;
    struct errand errand = intent_of(NULL);

    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK); /* makes the account known on disk */
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    (void)first;
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    keeper_reopen(&keeper);
    assert_null(keeper_find(&keeper, "/a"));
}

/* Its account has stored entries, but was never emptied: the store knows it by its entries only. */
static void an_intent_for_all_meets_an_account_that_was_never_emptied(void **state)
{
    struct errand errand = intent_of(NULL);

    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    keeper_reopen(&keeper);
    assert_null(keeper_find(&keeper, "/a"));
}

static void intents_posted_together_get_numbers_of_their_own(void **state)
{
    struct errand errands[20];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(errands); i++)
        errands[i] = intent_of(keeper.account);
    for (size_t i = 0; i < ARRAY_LENGTH(errands); i++)
        keeper_post(&keeper, &errands[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(errands); i++) {
        assert_int_equal(keeper_await(&keeper, &errands[i]), RESULT_OK);
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(errands[i].job.intent_number, errands[k].job.intent_number);
    }
    await_intents(ARRAY_LENGTH(errands));
}

/* --- quarantines --- */

static void keep_quarantine(int64_t quarantine_us)
{
    struct errand errand = keeper_invalidation(&keeper);

    errand.job.quarantine_us = quarantine_us;
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
}

static void what_is_fetched_in_quarantine_is_fresh_no_longer_than_it(void **state)
{
    (void)state;
    assert_not_quarantined();
    keep_quarantine(MINUTE_US);
    assert_quarantined(MINUTE_US);
}

static void a_shorter_quarantine_does_not_end_a_longer_one(void **state)
{
    (void)state;
    keep_quarantine(MINUTE_US);
    keep_quarantine(1000);
    assert_int_equal(usleep(2000), 0);
    assert_quarantined(MINUTE_US);
}

static void a_quarantine_ends(void **state)
{
    (void)state;
    keep_quarantine(1000);
    assert_int_equal(usleep(2000), 0);
    assert_not_quarantined();
}

static void a_fetch_begun_in_quarantine_is_bound_by_it_when_it_ends_later(void **state)
{
    const struct cache_query query = keeper_query(&keeper, "/a");
    struct entry entry;

    (void)state;
    keep_quarantine(20 * 1000);
    struct errand errand = keeper_store_job(&keeper, "/a", "one", cache_now(keeper.cache));
    assert_int_equal(usleep(30 * 1000), 0);
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    assert_int_equal(cache_lookup(keeper.reader, &query, &keeper.arena, &entry), RESULT_OK);
    assert_false(entry_is_fresh(&entry, clock_wall_us()));
}

static void a_quarantine_outlives_a_restart(void **state)
{
    (void)state;
    keep_quarantine(MINUTE_US);
    keeper_reopen(&keeper);
    assert_quarantined(MINUTE_US);
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK); /* nor does another write end it */
    keeper_reopen(&keeper);
    assert_quarantined(MINUTE_US);
}

static void a_304_in_quarantine_is_bound_by_it(void **state)
{
    const struct cache_query query = keeper_query(&keeper, "/a");
    struct entry entry;

    (void)state;
    keep_quarantine(MINUTE_US);
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    cache_reader_reset(keeper.reader);
    assert_int_equal(cache_lookup(keeper.reader, &query, &keeper.arena, &entry), RESULT_OK);
    struct errand errand = keeper_store_job(&keeper, "/a", "", cache_now(keeper.cache));
    errand.job.kind = CACHE_FRESHEN;
    errand.job.entry.serial = entry.serial;
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    cache_reader_reset(keeper.reader);
    assert_int_equal(cache_lookup(keeper.reader, &query, &keeper.arena, &entry), RESULT_OK);
    assert_true(entry.expires_wall_us <= clock_wall_us() + MINUTE_US);
    assert_true(bytes_equal(entry.body, BYTES("one")));
}

/* --- the order of jobs --- */

static void a_store_and_an_invalidation_posted_together_leave_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct errand store = keeper_store_job(&keeper, "/a", "old", cache_now(keeper.cache));
        struct errand invalidation = keeper_invalidation(&keeper);

        keeper_post(&keeper, i % 2 == 0 ? &store : &invalidation);
        keeper_post(&keeper, i % 2 == 0 ? &invalidation : &store);
        const enum result stored = keeper_await(&keeper, &store);
        assert_int_equal(keeper_await(&keeper, &invalidation), RESULT_OK);
        assert_true(stored == RESULT_OK || stored == RESULT_REFUSED);
        assert_null(keeper_find(&keeper, "/a"));
    }
}

static void closing_finishes_what_was_posted(void **state)
{
    struct errand errands[100];
    char path[32];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(errands); i++) { /* more than one batch */
        (void)snprintf(path, sizeof(path), "/a/%u", i);
        errands[i] = keeper_store_job(&keeper, path, "one", cache_now(keeper.cache));
        keeper_post(&keeper, &errands[i]);
    }
    keeper_reopen(&keeper);
    for (unsigned i = 0; i < ARRAY_LENGTH(errands); i++) {
        assert_int_equal(keeper_await(&keeper, &errands[i]), RESULT_OK);
        (void)snprintf(path, sizeof(path), "/a/%u", i);
        assert_string_equal(keeper_find(&keeper, path), "one");
    }
}

/* --- no room on the disk (a limit on file size looks the same to LMDB) --- */

/* LMDB takes a failing write of its two head pages for the end: that is not what a full disk does.
 */
static void await_quiet(void)
{
    MDB_envinfo info, before;

    do {
        assert_int_equal(mdb_env_info(keeper.cache->store.env, &before), 0);
        assert_int_equal(usleep(30 * 1000), 0);
        assert_int_equal(mdb_env_info(keeper.cache->store.env, &info), 0);
    } while (info.me_last_txnid != before.me_last_txnid);
}

static void disk_fill(bool full)
{
    struct rlimit limit;

    if (full && keeper.cache != NULL)
        await_quiet();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = full ? 0 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void await_usable(void)
{
    for (unsigned i = 0; i < 20000 && keeper_status(&keeper).unusable; i++)
        assert_int_equal(usleep(1000), 0);
    assert_false(keeper_status(&keeper).unusable);
}

/* What a test asserts while the disk is full would not be seen: it notes, and asserts later. */
static void a_failing_invalidation_puts_the_account_out_of_use_until_it_succeeds(void **state)
{
    struct errand invalidation = keeper_invalidation(&keeper);
    struct errand before = keeper_store_job(&keeper, "/b", "old", cache_now(keeper.cache));

    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    assert_string_equal(keeper_find(&keeper, "/a"), "one");
    const uint64_t begun = cache_now(keeper.cache);
    disk_fill(true);
    const enum result failed = keeper_do(&keeper, &invalidation);
    const bool unusable = keeper_status(&keeper).unusable;
    const bool served = keeper_find(&keeper, "/a") != NULL; /* by a snapshot from before, too */
    const enum result stored = keeper_do(&keeper, &before);
    disk_fill(false);
    assert_int_equal(failed, RESULT_FULL);
    assert_true(unusable);
    assert_false(served);
    assert_int_not_equal(stored, RESULT_OK);
    assert_true(account_invalidated(keeper.account) > begun); /* no flight of before is joined */
    await_usable();
    assert_null(keeper_find(&keeper, "/a"));
    struct errand late = keeper_store_job(&keeper, "/a", "old", begun);
    assert_int_not_equal(keeper_do(&keeper, &late), RESULT_OK);
    assert_true(keeper_status(&keeper).failed_invalidations >= 1);
}

static void an_account_that_is_out_of_use_serves_again(void **state)
{
    struct errand first = keeper_invalidation(&keeper), second = keeper_invalidation(&keeper);

    (void)state;
    first.job.intent_number = note_intent();
    disk_fill(true);
    (void)keeper_do(&keeper, &first);
    const enum result also = keeper_do(&keeper, &second); /* while one is owed */
    struct errand intent = intent_of(keeper.account);
    const enum result refused = keeper_do(&keeper, &intent);
    disk_fill(false);
    assert_int_not_equal(also, RESULT_OK);
    assert_int_not_equal(refused, RESULT_OK); /* the write must not be sent */
    await_usable();
    await_intents(0);
    assert_int_equal(keeper_store(&keeper, "/a", "two"), RESULT_OK);
    assert_string_equal(keeper_find(&keeper, "/a"), "two");
}

static void an_account_elsewhere_stays_in_use(void **state)
{
    struct account *first = keeper.account;

    (void)state;
    keeper.account = cache_account(keeper.cache, BYTES("other"));
    assert_int_equal(keeper_store(&keeper, "/a", "theirs"), RESULT_OK);
    keeper.account = first;
    struct errand invalidation = keeper_invalidation(&keeper);
    disk_fill(true);
    (void)keeper_do(&keeper, &invalidation);
    keeper.account = cache_account(keeper.cache, BYTES("other"));
    const bool served = keeper_find(&keeper, "/a") != NULL;
    disk_fill(false);
    assert_true(served);
    await_usable();
    assert_string_equal(keeper_find(&keeper, "/a"), "theirs");
}

static void a_write_whose_invalidation_failed_is_carried_out_after_a_restart(void **state)
{
    struct errand invalidation = keeper_invalidation(&keeper);

    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    invalidation.job.intent_number = note_intent();
    disk_fill(true);
    (void)keeper_do(&keeper, &invalidation);
    keeper_close_cache(&keeper);
    disk_fill(false);
    keeper_open_cache(&keeper, false);
    assert_null(keeper_find(&keeper, "/a"));
}

static void a_store_that_fails_leaves_the_rest_as_it_was(void **state)
{
    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    struct errand errand = keeper_store_job(&keeper, "/b", "two", cache_now(keeper.cache));
    disk_fill(true);
    const enum result failed = keeper_do(&keeper, &errand);
    disk_fill(false);
    assert_int_equal(failed, RESULT_FULL);
    assert_string_equal(keeper_find(&keeper, "/a"), "one");
    assert_null(keeper_find(&keeper, "/b"));
    keeper_await_entries(&keeper, 1);
    while (keeper_store(&keeper, "/b", "two") != RESULT_OK) /* stores pause for a second */
        assert_int_equal(usleep(10000), 0);
    cache_reader_reset(keeper.reader);
    assert_string_equal(keeper_find(&keeper, "/b"), "two");
}

static struct errand teaching(const char *path, const struct relation *relation)
{
    struct errand errand = keeper_store_job(&keeper, path, "body", cache_now(keeper.cache));

    errand.job.relations = relation;
    errand.job.relation_count = 1;
    return errand;
}

/* What was seen is not known: nothing of the account is served before it is emptied. */
static void a_relation_seen_to_change_without_room_to_note_it(void **state)
{
    const struct relation known = {BYTES("profile/7"), BYTES("database"), BYTES("31")};
    const struct relation seen = {BYTES("profile/7"), BYTES("database"), BYTES("32")};
    struct errand first = teaching("/a", &known), second = teaching("/b", &seen);

    (void)state;
    assert_int_equal(keeper_do(&keeper, &first), RESULT_OK);
    assert_string_equal(keeper_find(&keeper, "/a"), "body");
    disk_fill(true);
    const enum result failed = keeper_do(&keeper, &second);
    const bool served = keeper_find(&keeper, "/a") != NULL;
    disk_fill(false);
    assert_int_not_equal(failed, RESULT_OK);
    assert_false(served);
    await_usable();
    assert_null(keeper_find(&keeper, "/a"));
    const struct relations relations = cache_reader_relations(keeper.reader, keeper.account);
    assert_int_equal(relation_find(&relations, known.child, known.parent_kind).length, 0);
}

static void a_cache_that_can_not_be_written_to_does_not_open(void **state)
{
    const struct cache_options options = {.directory = keeper.directory, .max_bytes = 16 * MIB};
    struct cache *cache;
    struct error error = {0};

    (void)state;
    keeper_close_cache(&keeper);
    disk_fill(true);
    const enum result result = cache_open(&options, &cache, &error);
    disk_fill(false);
    if (result == RESULT_OK)
        cache_close(cache);
    keeper_open_cache(&keeper, false);
    assert_int_equal(result, RESULT_FULL);
    assert_non_null(strstr(error.text, "room"));
}

#define WITH_KEEPER(test) cmocka_unit_test_setup_teardown(test, keeper_make, keeper_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_KEEPER(an_intent_left_behind_is_carried_out_at_the_next_start),
        WITH_KEEPER(a_write_without_effect_invalidates_nothing),
        WITH_KEEPER(an_invalidation_takes_its_intent_along),
        WITH_KEEPER(an_intent_may_outlast_the_first_of_two_invalidations),
        WITH_KEEPER(an_intent_without_account_is_carried_out_for_all),
        WITH_KEEPER(an_intent_for_all_meets_an_account_that_was_never_emptied),
        WITH_KEEPER(intents_posted_together_get_numbers_of_their_own),
        WITH_KEEPER(what_is_fetched_in_quarantine_is_fresh_no_longer_than_it),
        WITH_KEEPER(a_shorter_quarantine_does_not_end_a_longer_one),
        WITH_KEEPER(a_quarantine_ends),
        WITH_KEEPER(a_fetch_begun_in_quarantine_is_bound_by_it_when_it_ends_later),
        WITH_KEEPER(a_quarantine_outlives_a_restart),
        WITH_KEEPER(a_304_in_quarantine_is_bound_by_it),
        WITH_KEEPER(a_store_and_an_invalidation_posted_together_leave_nothing),
        WITH_KEEPER(closing_finishes_what_was_posted),
        WITH_KEEPER(a_failing_invalidation_puts_the_account_out_of_use_until_it_succeeds),
        WITH_KEEPER(an_account_that_is_out_of_use_serves_again),
        WITH_KEEPER(an_account_elsewhere_stays_in_use),
        WITH_KEEPER(a_write_whose_invalidation_failed_is_carried_out_after_a_restart),
        WITH_KEEPER(a_store_that_fails_leaves_the_rest_as_it_was),
        WITH_KEEPER(a_relation_seen_to_change_without_room_to_note_it),
        WITH_KEEPER(a_cache_that_can_not_be_written_to_does_not_open),
    };

    (void)signal(SIGXFSZ, SIG_IGN); /* as the gate does: writes say EFBIG */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
