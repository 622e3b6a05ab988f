/* What is remembered of invalidations: bounded, the newest first. */
#include "storing.h"

#include "cache/recall.h"

static struct recall recall;

static int recall_make(void **state)
{
    (void)state;
    recall_init(&recall);
    return 0;
}

static int recall_drop(void **state)
{
    (void)state;
    recall_finish(&recall);
    return 0;
}

static struct hash128 key_of_number(uint64_t number)
{
    return (struct hash128){.high = number, .low = ~number};
}

static void note(const char *rule, const uint64_t *tags, size_t count)
{
    const struct cache_job job = {.cause = {.rule = bytes_of_string(rule), .method = BYTES("PUT")},
                                  .gone = count};

    recall_note(&recall, &job, (struct tags){.hashes = tags, .count = count}, false);
}

static void assert_recalls(struct hash128 key, const char *rule)
{
    struct cache_memory memory;

    if (rule == NULL) {
        assert_int_equal(recall_find(&recall, key, &memory), RESULT_MISSING);
        return;
    }
    assert_int_equal(recall_find(&recall, key, &memory), RESULT_OK);
    assert_string_equal(memory.rule, rule);
}

static void assert_recalls_tag(uint64_t tag, const char *rule)
{
    const uint64_t asked[] = {77777, tag, 3333};
    struct cache_memory memory;
    const enum result result = recall_find_tags(
        &recall, (struct tags){.hashes = asked, .count = ARRAY_LENGTH(asked)}, &memory);

    assert_int_equal(result, rule == NULL ? RESULT_MISSING : RESULT_OK);
    if (rule != NULL)
        assert_string_equal(memory.rule, rule);
}

static void nothing_is_remembered_at_first(void **state)
{
    (void)state;
    assert_recalls(key_of_number(1), NULL);
    assert_recalls_tag(1, NULL);
}

static void the_newest_that_named_a_tag_is_told(void **state)
{
    const uint64_t first[] = {9, 5, 1}, second[] = {5};

    (void)state;
    note("first", first, ARRAY_LENGTH(first));
    note("second", second, ARRAY_LENGTH(second));
    assert_recalls_tag(1, "first");
    assert_recalls_tag(9, "first");
    assert_recalls_tag(5, "second");
    assert_recalls_tag(6, NULL);
}

static void an_entry_goes_by_the_invalidation_noted_last(void **state)
{
    const uint64_t one = 1;

    (void)state;
    note("first", &one, 1);
    recall_note_entry(&recall, key_of_number(1));
    recall_note_entry(&recall, key_of_number(2));
    note("second", &one, 1);
    recall_note_entry(&recall, key_of_number(2)); /* stored and gone again */
    assert_recalls(key_of_number(1), "first");
    assert_recalls(key_of_number(2), "second");
    assert_recalls(key_of_number(3), NULL);
}

static void a_swept_entry_goes_by_the_one_that_named_its_tag(void **state)
{
    const uint64_t one = 1, two = 2;
    const struct hash128 keys[] = {key_of_number(1), key_of_number(2)};

    (void)state;
    note("first", &one, 1);
    note("second", &two, 1);
    recall_note_swept(&recall, one, keys, ARRAY_LENGTH(keys));
    recall_note_swept(&recall, 3, &(struct hash128){9, 9}, 1); /* forgotten, or of another run */
    assert_recalls(keys[0], "first");
    assert_recalls(keys[1], "first");
    assert_recalls((struct hash128){9, 9}, NULL);
}

static void a_swept_entry_that_was_told_before_stays_with_that(void **state)
{
    const uint64_t one = 1;
    const struct hash128 key = key_of_number(1);

    (void)state;
    note("first", &one, 1);
    recall_note_entry(&recall, key);
    note("second", &one, 1); /* before the sweep of the first */
    recall_note_swept(&recall, one, &key, 1);
    assert_recalls(key, "first");
}

static void the_oldest_are_forgotten(void **state)
{
    const uint64_t old = 1, new = 2;

    (void)state;
    note("old", &old, 1);
    recall_note_entry(&recall, key_of_number(1));
    for (unsigned i = 1; i < RECALL_INVALIDATIONS; i++)
        note("new", &new, 1);
    assert_recalls_tag(old, "old");
    assert_recalls(key_of_number(1), "old");
    note("new", &new, 1);
    assert_recalls_tag(old, NULL);
    assert_recalls(key_of_number(1), NULL); /* its row is there, what it tells of is not */
    for (uint64_t i = 0; i < RECALL_ENTRIES; i++)
        recall_note_entry(&recall, key_of_number(100 + i));
    assert_recalls(key_of_number(100), "new");
    recall_note_entry(&recall, key_of_number(99));
    assert_recalls(key_of_number(100), NULL);
    assert_recalls(key_of_number(101), "new");
}

static void texts_and_tags_are_bounded(void **state)
{
    static uint64_t tags[RECALL_TAGS + 1];
    static char text[1000];
    struct cache_memory memory;
    const struct bytes longer = bytes_of(text, sizeof(text));
    const struct cache_job job = {
        .cause = {.rule = longer, .method = longer, .url = longer, .client = longer, .id = longer},
        .gone = 7};

    (void)state;
    memset(text, 't', sizeof(text));
    for (size_t i = 0; i < ARRAY_LENGTH(tags); i++)
        tags[i] = 1000 + i;
    recall_note(&recall, &job, (struct tags){tags, ARRAY_LENGTH(tags)}, false);
    assert_int_equal(recall_find_tags(&recall, (struct tags){&tags[0], 1}, &memory), RESULT_OK);
    assert_int_equal(strlen(memory.rule), sizeof(memory.rule) - 1);
    assert_int_equal(strlen(memory.method), sizeof(memory.method) - 1);
    assert_int_equal(strlen(memory.url), sizeof(memory.url) - 1);
    assert_int_equal(strlen(memory.client), sizeof(memory.client) - 1);
    assert_int_equal(strlen(memory.id), sizeof(memory.id) - 1);
    assert_int_equal(memory.gone, 7);
    assert_int_equal(recall_find_tags(&recall, (struct tags){&tags[RECALL_TAGS], 1}, &memory),
                     RESULT_MISSING);
}

static void what_named_every_account_named_all_tags(void **state)
{
    const struct cache_job job = {.cause = {.rule = BYTES("all")}};

    (void)state;
    recall_note(&recall, &job, (struct tags){0}, true);
    assert_recalls_tag(12, "all");
}

/* --- in the cache --- */

static struct keeper keeper;

static int keeper_make(void **state)
{
    (void)state;
    keeper_open(&keeper, 16 * 1024 * 1024);
    return 0;
}

static int keeper_drop(void **state)
{
    (void)state;
    keeper_close(&keeper);
    return 0;
}

static enum result recall_path(const char *path, struct cache_memory *memory)
{
    const struct cache_query query = keeper_query(&keeper, path);

    return cache_recall(keeper.cache,
                        key_of_variant(&keeper.arena, &query.url, BYTES(""), &keeper.sent).hash,
                        memory);
}

static void a_write_is_told_as_soon_as_it_is_answered(void **state)
{
    struct errand errand = keeper_naming(&keeper, "/a");
    struct cache_memory memory;

    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a/1", "one"), RESULT_OK);
    assert_int_equal(keeper_store(&keeper, "/a/2", "two"), RESULT_OK);
    assert_int_equal(keeper_store(&keeper, "/b", "three"), RESULT_OK);
    errand.job.cause.rule = BYTES("PUT /a");
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    assert_int_equal(errand.job.gone, 2);
    assert_int_equal(recall_path("/a/2", &memory), RESULT_OK);
    assert_string_equal(memory.rule, "PUT /a");
    assert_int_equal(memory.gone, 2);
    assert_int_equal(recall_path("/b", &memory), RESULT_MISSING);
    assert_int_equal(cache_recall_tags(keeper.cache, keeper_tags(&keeper, "/a/9"), &memory),
                     RESULT_OK);
    assert_int_equal(cache_recall_tags(keeper.cache, keeper_tags(&keeper, "/b"), &memory),
                     RESULT_MISSING);
    keeper_await_entries(&keeper, 1);
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK);
    assert_int_equal(cache_recall_tags(keeper.cache, keeper_tags(&keeper, "/b"), &memory),
                     RESULT_OK);
    assert_int_equal(memory.gone, 1);
}

static void a_purge_of_everything_is_told_for_all(void **state)
{
    struct errand all = {.job = {.kind = CACHE_INVALIDATE, .cause = {.rule = BYTES("purge")}}};
    struct cache_memory memory;

    (void)state;
    assert_int_equal(keeper_store(&keeper, "/a", "one"), RESULT_OK);
    assert_int_equal(keeper_do(&keeper, &all), RESULT_OK);
    assert_int_equal(all.job.gone, 1);
    assert_int_equal(cache_recall_tags(keeper.cache, keeper_tags(&keeper, "/zz"), &memory),
                     RESULT_OK);
    assert_string_equal(memory.rule, "purge");
}

#define WITH_RECALL(test) cmocka_unit_test_setup_teardown(test, recall_make, recall_drop)
#define WITH_KEEPER(test) cmocka_unit_test_setup_teardown(test, keeper_make, keeper_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RECALL(nothing_is_remembered_at_first),
        WITH_RECALL(the_newest_that_named_a_tag_is_told),
        WITH_RECALL(an_entry_goes_by_the_invalidation_noted_last),
        WITH_RECALL(a_swept_entry_goes_by_the_one_that_named_its_tag),
        WITH_RECALL(a_swept_entry_that_was_told_before_stays_with_that),
        WITH_RECALL(the_oldest_are_forgotten),
        WITH_RECALL(texts_and_tags_are_bounded),
        WITH_RECALL(what_named_every_account_named_all_tags),
        WITH_KEEPER(a_write_is_told_as_soon_as_it_is_answered),
        WITH_KEEPER(a_purge_of_everything_is_told_for_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
