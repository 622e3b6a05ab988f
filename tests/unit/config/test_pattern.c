/* Path patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/pattern.h"

static bool matches(const char *pattern_text, const char *path)
{
    struct arena arena;
    struct pattern pattern;

    arena_init(&arena, 1024);
    assert_int_equal(pattern_compile(&pattern, &arena, bytes_of_string(pattern_text)), RESULT_OK);
    const bool result = pattern_matches(&pattern, bytes_of_string(path));
    assert_int_equal(pattern_matches_marked(&pattern, bytes_of_string(path),
                                            pattern_marks(bytes_of_string(path))),
                     result);
    arena_finish(&arena);
    return result;
}

static void patterns_match_what_they_say(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool matches;
    } rows[] = {
        {"/", "/", true},
        {"/", "/a", false},
        {"/a", "/a", true},
        {"/a", "/b", false},
        {"/a", "/a/b", false},
        {"/a", "/A", false},
        {"/a/b", "/a", false},
        {"/*", "/a", true},
        {"/*", "/", false},
        {"/*", "/a/b", false},
        {"/a/*", "/a//", false}, /* an empty segment is no segment */
        {"/**", "/", true},
        {"/**", "/a/b/c", true},
        {"/live/**", "/live", true},
        {"/live/**", "/live/x/y", true},
        {"/live/**", "/lively", false},
        {"/**/events", "/events", true},
        {"/**/events", "/a/b/events", true},
        {"/**/events", "/events/a", false},
        {"/**/b/**/d", "/a/b/c/b/d", true},
        {"/**/b/**/d", "/a/b/c/d/e", false},
        {"/**/a/b", "/a/a/b", true},
        {"/profile/*/fields", "/profile/7/fields", true},
        {"/profile/*/fields", "/profile/7/8/fields", false},
        {"/a*c", "/abc", true},
        {"/a*c", "/ac", true},
        {"/a*c", "/ab", false},
        {"/a*b*c", "/aXbYbZc", true},
        {"/*.json", "/x.json", true},
        {"/*.json", "/x.jsonl", false},
        {"/a**c", "/abbc", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (matches(rows[i].pattern, rows[i].path) != rows[i].matches)
            fail_msg("%s and %s", rows[i].pattern, rows[i].path);
}

static void one_slash_at_the_end_counts_for_nothing(void **state)
{
    (void)state;
    assert_true(matches("/a", "/a/"));
    assert_true(matches("/a/", "/a"));
    assert_false(matches("/a", "/a//"));
}

static void a_path_without_a_slash_matches_nothing(void **state)
{
    (void)state;
    assert_false(matches("/**", "*"));
    assert_false(matches("/**", ""));
    assert_false(matches("/**", "a/b"));
}

static void text_that_is_no_pattern_is_refused(void **state)
{
    static const char *const texts[] = {"", "a", "a/b", "//", "/a//b", "/a//"};
    struct arena arena;
    struct pattern pattern;

    (void)state;
    arena_init(&arena, 1024);
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_int_equal(pattern_compile(&pattern, &arena, bytes_of_string(texts[i])),
                         RESULT_INVALID);
    arena_finish(&arena);
}

/* With an exponential matcher this would not end. */
static void hostile_paths_take_linear_time(void **state)
{
    char path[4096];

    (void)state;
    memset(path, 'a', sizeof(path));
    for (size_t i = 0; i < sizeof(path); i += 2)
        path[i] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_false(matches("/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/b", path));
    memset(path + 1, 'a', sizeof(path) - 2);
    assert_false(matches("/*a*a*a*a*a*a*a*a*a*a*a*a*b", path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_what_they_say),
        cmocka_unit_test(one_slash_at_the_end_counts_for_nothing),
        cmocka_unit_test(a_path_without_a_slash_matches_nothing),
        cmocka_unit_test(text_that_is_no_pattern_is_refused),
        cmocka_unit_test(hostile_paths_take_linear_time),
    };

    return cmocka_run_group_tests_name("config/pattern", tests, NULL, NULL);
}
