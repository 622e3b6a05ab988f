/* What an answer shows, by path; what a write or a purge names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/tags.h"

static struct arena arena;

static int arena_make(void **state)
{
    (void)state;
    arena_init(&arena, 4096);
    return 0;
}

static int arena_drop(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

static bool carries(struct tags tags, uint64_t tag)
{
    for (size_t i = 0; i < tags.count; i++)
        if (tags.hashes[i] == tag)
            return true;
    return false;
}

static void an_answer_carries_its_account_first(void **state)
{
    const struct tags tags = tags_of_answer(&arena, BYTES("acme"), BYTES("/a/b"));

    (void)state;
    assert_int_equal(tags.hashes[0], tag_of_account(BYTES("acme")));
    assert_int_equal(tags.count, 3);
    assert_int_equal(tags_of_answer(&arena, BYTES("acme"), BYTES("/")).count, 1);
    assert_int_equal(tags_of_answer(&arena, BYTES("acme"), BYTES("")).count, 1);
}

static void an_answer_carries_its_path_and_what_is_above_it(void **state)
{
    static const struct {
        const char *path;
        bool carried;
    } rows[] = {
        {"/database/31/profiles", true},
        {"/database/31", true},
        {"/database", true},
        {"/database/3", false},
        {"/database/31/", true},
        {"/database/31/profile", false},
        {"/profiles", false},
        {"/data", false},
        {"/database/31/profiles/7", false},
    };
    const struct bytes account = BYTES("acme");
    const struct tags tags = tags_of_answer(&arena, account, BYTES("/database/31/profiles"));

    (void)state;
    assert_int_equal(tags.count, 4);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(carries(tags, tag_of_path(account, bytes_of_string(rows[i].path))),
                         rows[i].carried);
}

static void slashes_at_the_end_do_not_count(void **state)
{
    const struct bytes account = BYTES("acme");
    const struct tags one = tags_of_answer(&arena, account, BYTES("/a/b"));
    const struct tags other = tags_of_answer(&arena, account, BYTES("/a/b//"));

    (void)state;
    assert_int_equal(one.count, other.count);
    assert_memory_equal(one.hashes, other.hashes, one.count * sizeof(one.hashes[0]));
    assert_int_equal(tag_of_path(account, BYTES("/a/b///")), tag_of_path(account, BYTES("/a/b")));
}

static void the_same_path_of_another_account_is_another_tag(void **state)
{
    (void)state;
    assert_int_not_equal(tag_of_path(BYTES("acme"), BYTES("/a")),
                         tag_of_path(BYTES("other"), BYTES("/a")));
    assert_int_not_equal(tag_of_path(BYTES("acme"), BYTES("")), tag_of_account(BYTES("acme")));
}

static void a_deep_path_keeps_its_highest_ancestors(void **state)
{
    char path[4 * TAGS_LIMIT + 1];
    const struct bytes account = BYTES("acme");

    (void)state;
    for (size_t i = 0; i < sizeof(path) - 1; i++)
        path[i] = i % 2 == 0 ? '/' : 'a';
    const struct tags tags = tags_of_answer(&arena, account, bytes_of(path, sizeof(path) - 1));
    assert_int_equal(tags.count, TAGS_LIMIT);
    assert_true(carries(tags, tag_of_path(account, BYTES("/a"))));
    assert_true(carries(tags, tag_of_path(account, bytes_of(path, 2 * (TAGS_LIMIT - 1)))));
    assert_false(carries(tags, tag_of_path(account, bytes_of(path, 2 * TAGS_LIMIT))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_carries_its_account_first),
        cmocka_unit_test(an_answer_carries_its_path_and_what_is_above_it),
        cmocka_unit_test(slashes_at_the_end_do_not_count),
        cmocka_unit_test(the_same_path_of_another_account_is_another_tag),
        cmocka_unit_test(a_deep_path_keeps_its_highest_ancestors),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
