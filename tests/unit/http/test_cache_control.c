/* Cache-Control (RFC 9111 §5.2) and CDN-Cache-Control (RFC 9213), structured dictionaries included
 * (RFC 9651). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/cache_control.h"
#include "http/structured.h"

enum { NOT_SAID = -1 };

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

/* Two lines of one name; an empty second one is left out. */
static struct cache_control read_lines(struct bytes first, struct bytes second)
{
    struct fields fields = {0};
    struct cache_control control;

    fields_add(&fields, &arena, BYTES("X-Other"), BYTES("no-store"));
    fields_add(&fields, &arena, BYTES("cache-control"), first);
    if (second.length > 0)
        fields_add(&fields, &arena, BYTES("Cache-Control"), second);
    cache_control_read(&fields, &control);
    return control;
}

static void lifetimes_take_the_most_restrictive_reading(void **state)
{
    static const struct {
        struct bytes first, second;
        int64_t max_age_s;
    } rows[] = {
        {BYTES("max-age=60"), BYTES(""), 60},
        {BYTES("Max-Age=60"), BYTES(""), 60},
        {BYTES("max-age=\"60\""), BYTES(""), 60}, /* RFC 9111 §5.2: both forms */
        {BYTES("max-age=0"), BYTES(""), 0},
        {BYTES("public, ,max-age=60,"), BYTES(""), 60},
        {BYTES("max-age=60, max-age=30"), BYTES(""), 30}, /* §4.2.1: more than one value */
        {BYTES("max-age=30"), BYTES("max-age=60"), 30},
        {BYTES("max-age=60"), BYTES("max-age=x"), 0},
        {BYTES("max-age"), BYTES(""), 0},
        {BYTES("max-age="), BYTES(""), 0},
        {BYTES("max-age=-1"), BYTES(""), 0},
        {BYTES("max-age=1.5"), BYTES(""), 0},
        {BYTES("max-age= 60"), BYTES(""), 0},
        {BYTES("max-age=60s"), BYTES(""), 0},
        {BYTES("max-age=2147483648"), BYTES(""), CACHE_CONTROL_MAXIMUM_S},
        {BYTES("max-age=99999999999999999999999999"), BYTES(""),
         CACHE_CONTROL_MAXIMUM_S}, /* §1.2.2 */
        {BYTES("x=\"max-age=60\""), BYTES(""), NOT_SAID},
        {BYTES("x=\"a, max-age=60\""), BYTES(""), NOT_SAID},
        {BYTES(""), BYTES(""), NOT_SAID},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(read_lines(rows[i].first, rows[i].second).max_age_s, rows[i].max_age_s);
}

static void request_directives_are_read(void **state)
{
    struct cache_control control =
        read_lines(BYTES("max-stale, min-fresh=5, only-if-cached"), BYTES(""));

    (void)state;
    assert_int_equal(control.max_stale_s, CACHE_CONTROL_MAXIMUM_S); /* §5.2.1.2: any age */
    assert_int_equal(control.min_fresh_s, 5);
    assert_true(control.only_if_cached);
    control = read_lines(BYTES("max-stale=10, max-stale, min-fresh=5"), BYTES("min-fresh=7"));
    assert_int_equal(control.max_stale_s, 10);
    assert_int_equal(control.min_fresh_s, 7);
    control = read_lines(BYTES("max-stale=x, min-fresh=x"), BYTES(""));
    assert_int_equal(control.max_stale_s, 0);
    assert_int_equal(control.min_fresh_s, CACHE_CONTROL_MAXIMUM_S);
}

static void flags_are_read_and_nothing_else_is_set(void **state)
{
    const struct cache_control all = read_lines(
        BYTES("no-store, NO-CACHE=\"a, b\", private=\"set-cookie\", public, must-revalidate"),
        BYTES("proxy-revalidate, must-understand, only-if-cached, immutable, no-transform"));
    const struct cache_control none =
        read_lines(BYTES("no-storex, no_cache, \"private\""), BYTES(""));

    (void)state;
    assert_true(all.no_store && all.no_cache && all.is_private && all.is_public);
    assert_true(all.must_revalidate && all.proxy_revalidate && all.must_understand);
    assert_true(all.only_if_cached && all.immutable && all.no_transform && all.is_present);
    assert_false(none.no_store || none.no_cache || none.is_private || none.is_public);
    assert_false(none.must_revalidate || none.proxy_revalidate || none.must_understand);
    assert_false(none.only_if_cached || none.immutable || none.no_transform);
    assert_true(none.is_present);
}

static void stale_windows_and_s_maxage_are_read(void **state)
{
    const struct cache_control control =
        read_lines(BYTES("s-maxage=1, stale-while-revalidate=2, stale-if-error=3"), BYTES(""));

    (void)state;
    assert_int_equal(control.s_maxage_s, 1);
    assert_int_equal(control.stale_while_revalidate_s, 2);
    assert_int_equal(control.stale_if_error_s, 3);
    assert_int_equal(read_lines(BYTES("stale-if-error"), BYTES("")).stale_if_error_s, 0);
}

static void without_the_field_nothing_is_said(void **state)
{
    const struct fields fields = {0};
    struct cache_control control;

    (void)state;
    cache_control_read(&fields, &control);
    assert_false(control.is_present);
    assert_int_equal(control.max_age_s, NOT_SAID);
    assert_int_equal(control.s_maxage_s, NOT_SAID);
    assert_int_equal(control.max_stale_s, NOT_SAID);
    assert_int_equal(cache_control_read_targeted(&fields, &arena, &control), RESULT_MISSING);
}

static enum result read_targeted(struct bytes value, struct cache_control *control)
{
    struct fields fields = {0};

    fields_add(&fields, &arena, BYTES("CDN-Cache-Control"), value);
    return cache_control_read_targeted(&fields, &arena, control);
}

static void targeted_directives_are_a_dictionary(void **state)
{
    static const struct {
        struct bytes value;
        int64_t max_age_s;
        bool no_store;
    } rows[] = {
        {BYTES("max-age=60"), 60, false},
        {BYTES("max-age=60;foo=bar;baz, no-store"), 60, true}, /* RFC 9213 §2.1: parameters */
        {BYTES("max-age=60, max-age=30"), 30, false},
        {BYTES("max-age=30, max-age=60"), 60, false}, /* RFC 9651 §4.2.2: the last counts */
        {BYTES("no-store, no-store=?0"), NOT_SAID, false},
        {BYTES("max-age=\"60\""), 0, false}, /* not an integer */
        {BYTES("max-age=60.0"), 0, false},
        {BYTES("max-age=-5"), 0, false},
        {BYTES("max-age"), 0, false},
        {BYTES("max-age=999999999999999"), CACHE_CONTROL_MAXIMUM_S, false},
        {BYTES("a=(1 \"x\" tok;p=1);q, b=:aGk=:, c=@17, d=%\"f%c3%bc\", max-age=1"), 1, false},
        {BYTES("  max-age=1 \t,\t no-store "), 1, true},
    };
    struct cache_control control;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(read_targeted(rows[i].value, &control), RESULT_OK);
        assert_int_equal(control.max_age_s, rows[i].max_age_s);
        assert_int_equal(control.no_store, rows[i].no_store);
    }
}

static void a_targeted_field_that_does_not_parse_is_ignored_whole(void **state)
{
    static const struct bytes values[] = {
        BYTES(""),
        BYTES("max-age=60,"),
        BYTES("max-age=60 no-store"),
        BYTES("Max-Age=60"),
        BYTES("max-age=60, ,b"),
        BYTES("max-age= 60"),
        BYTES("a=\"x"),
        BYTES("a=\"\\x\""),
        BYTES("a=?2"),
        BYTES("a=1.2345"),
        BYTES("a=1."),
        BYTES("a=1234567890123456"),
        BYTES("a=(1"),
        BYTES("a=(1\"x\")"),
        BYTES("a=:%:"),
        BYTES("a=@1.5"),
        BYTES("a=%\"%C3\""),
        BYTES("a=\xff"),
        BYTES("a;B=1"),
        BYTES("max-age=60;, b"),
        BYTES("a=-"),
        BYTES("a=1234567890123.1"),
        BYTES("a=\0"),
        BYTES("\t"),
    };
    struct cache_control control;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        assert_int_equal(read_targeted(values[i], &control), RESULT_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lifetimes_take_the_most_restrictive_reading),
        cmocka_unit_test(request_directives_are_read),
        cmocka_unit_test(flags_are_read_and_nothing_else_is_set),
        cmocka_unit_test(stale_windows_and_s_maxage_are_read),
        cmocka_unit_test(without_the_field_nothing_is_said),
        cmocka_unit_test(targeted_directives_are_a_dictionary),
        cmocka_unit_test(a_targeted_field_that_does_not_parse_is_ignored_whole),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
