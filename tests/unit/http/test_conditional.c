/* Conditional requests (RFC 9110 §13) and ranges (§14). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/conditional.h"

#define NOW_S INT64_C(1764000000)
#define OLD "Sun, 06 Nov 1994 08:49:36 GMT"
#define SAME "Sun, 06 Nov 1994 08:49:37 GMT"
#define NEW "Sun, 06 Nov 1994 08:49:38 GMT"
#define SAME_S INT64_C(784111777)

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

/* Field lines from "Name: value\n…". */
static struct fields fields_of(const char *head)
{
    struct bytes rest = bytes_of_string(head);
    struct fields fields = {0};

    while (rest.length > 0) {
        struct bytes value = bytes_cut(&rest, '\n');
        const struct bytes name = bytes_cut(&value, ':');

        fields_add(&fields, &arena, name, bytes_trim(value));
    }
    return fields;
}

static const struct validators both = {.etag = BYTES("\"a\""), SAME_S, SAME_S + 60};
static const struct validators weak = {.etag = BYTES("W/\"a\""), SAME_S, SAME_S + 60};
static const struct validators none = {.etag = BYTES(""), VALIDATOR_NONE, VALIDATOR_NONE};

static void check(enum http_method method, const struct validators *validators, const char *head,
                  enum condition wanted)
{
    const struct fields fields = fields_of(head);

    if (condition_judge(method, &fields, validators, NOW_S) != wanted)
        fail_msg("not %d: %s", (int)wanted, head);
}

static void entity_tags_compare_weakly_and_strongly(void **state)
{
    static const struct {
        struct bytes a, b;
        bool strong, weak;
    } rows[] = {
        {BYTES("W/\"1\""), BYTES("W/\"1\""), false, true}, /* RFC 9110 §8.8.3.2, its table */
        {BYTES("W/\"1\""), BYTES("W/\"2\""), false, false},
        {BYTES("W/\"1\""), BYTES("\"1\""), false, true},
        {BYTES("\"1\""), BYTES("\"1\""), true, true},
        {BYTES("\"1\""), BYTES("\"2\""), false, false},
        {BYTES("\"\""), BYTES("\"\""), true, true},
        {BYTES("\"a\\\""), BYTES("\"a\\\""), true, true}, /* a backslash is itself */
        {BYTES("w/\"1\""), BYTES("w/\"1\""), false, false},
        {BYTES("1"), BYTES("1"), false, false},
        {BYTES("\"1"), BYTES("\"1"), false, false},
        {BYTES("\"1\"x"), BYTES("\"1\"x"), false, false},
        {BYTES("\"a b\""), BYTES("\"a b\""), false, false},
        {BYTES(""), BYTES(""), false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(etag_equal_strong(rows[i].a, rows[i].b), rows[i].strong);
        assert_int_equal(etag_equal_weak(rows[i].a, rows[i].b), rows[i].weak);
    }
}

static void if_none_match_compares_weakly(void **state)
{
    static const struct {
        const char *head;
        enum condition wanted;
    } rows[] = {
        {"", CONDITION_MET},
        {"If-None-Match: \"a\"", CONDITION_NOT_MODIFIED}, /* §13.1.2 */
        {"If-None-Match: W/\"a\"", CONDITION_NOT_MODIFIED},
        {"If-None-Match: \"b\"", CONDITION_MET},
        {"If-None-Match: \"b\", \"a\"", CONDITION_NOT_MODIFIED},
        {"If-None-Match: \"b\" ,, W/\"a\" ,", CONDITION_NOT_MODIFIED},
        {"If-None-Match: \"b,\", \"a\"", CONDITION_NOT_MODIFIED},
        {"If-None-Match: \"b, \"a\"", CONDITION_NOT_MODIFIED}, /* cut at its comma */
        {"If-None-Match: \"b\\\", \"a\"", CONDITION_NOT_MODIFIED},
        {"If-None-Match: \"b\"\nIf-None-Match: \"a\"", CONDITION_NOT_MODIFIED},
        {"If-None-Match: *", CONDITION_NOT_MODIFIED},
        {"If-None-Match: *, \"b\"", CONDITION_MET},
        {"If-None-Match: a", CONDITION_MET},
        {"If-None-Match: a, \"a\"", CONDITION_NOT_MODIFIED},
        {"If-None-Match: \"a\" x", CONDITION_MET},
        {"If-None-Match: \"a\"x, \"b\"", CONDITION_MET},
        {"If-None-Match:", CONDITION_MET},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        check(METHOD_GET, &both, rows[i].head, rows[i].wanted);
        check(METHOD_HEAD, &weak, rows[i].head, rows[i].wanted);
    }
    check(METHOD_PUT, &both, "If-None-Match: *", CONDITION_FAILED);
    check(METHOD_PUT, &both, "If-None-Match: \"a\"", CONDITION_FAILED);
    check(METHOD_PUT, &both, "If-None-Match: \"b\"", CONDITION_MET);
    check(METHOD_GET, &none, "If-None-Match: \"a\"", CONDITION_MET);
}

static void if_match_compares_strongly(void **state)
{
    (void)state; /* §13.1.1 */
    check(METHOD_PUT, &both, "If-Match: \"a\"", CONDITION_MET);
    check(METHOD_PUT, &both, "If-Match: \"b\", \"a\"", CONDITION_MET);
    check(METHOD_PUT, &both, "If-Match: W/\"a\"", CONDITION_FAILED);
    check(METHOD_PUT, &weak, "If-Match: W/\"a\"", CONDITION_FAILED);
    check(METHOD_PUT, &weak, "If-Match: \"a\"", CONDITION_FAILED);
    check(METHOD_GET, &both, "If-Match: \"b\"", CONDITION_FAILED);
    check(METHOD_GET, &both, "If-Match: a", CONDITION_FAILED);
    check(METHOD_GET, &both, "If-Match:", CONDITION_FAILED);
    check(METHOD_GET, &none, "If-Match: *", CONDITION_MET);
    check(METHOD_GET, &none, "If-Match: \"a\"", CONDITION_FAILED);
}

static void dates_are_judged_where_they_parse(void **state)
{
    (void)state;
    check(METHOD_GET, &both, "If-Modified-Since: " OLD, CONDITION_MET); /* §13.1.3 */
    check(METHOD_GET, &both, "If-Modified-Since: " SAME, CONDITION_NOT_MODIFIED);
    check(METHOD_HEAD, &both, "If-Modified-Since: " NEW, CONDITION_NOT_MODIFIED);
    check(METHOD_PUT, &both, "If-Modified-Since: " NEW, CONDITION_MET);
    check(METHOD_GET, &both, "If-Modified-Since: tomorrow", CONDITION_MET);
    check(METHOD_GET, &both, "If-Modified-Since: " NEW "\nIf-Modified-Since: " NEW, CONDITION_MET);
    check(METHOD_PUT, &both, "If-Unmodified-Since: " OLD, CONDITION_FAILED); /* §13.1.4 */
    check(METHOD_PUT, &both, "If-Unmodified-Since: " SAME, CONDITION_MET);
    check(METHOD_GET, &both, "If-Unmodified-Since: " OLD, CONDITION_FAILED);
    check(METHOD_PUT, &both, "If-Unmodified-Since: then", CONDITION_MET);
    check(METHOD_PUT, &none, "If-Unmodified-Since: " OLD, CONDITION_MET);
}

static void without_last_modified_nothing_is_unmodified_since(void **state)
{
    const struct validators dated = {.etag = BYTES(""), VALIDATOR_NONE, SAME_S};

    (void)state; /* a write in the same second would go unseen */
    check(METHOD_GET, &dated, "If-Modified-Since: " NEW, CONDITION_MET);
}

static void the_order_of_preconditions_is_kept(void **state)
{
    (void)state; /* §13.2.2 */
    check(METHOD_GET, &both, "If-Match: \"a\"\nIf-Unmodified-Since: " OLD, CONDITION_MET);
    check(METHOD_GET, &both, "If-Match: \"b\"\nIf-None-Match: \"a\"", CONDITION_FAILED);
    check(METHOD_GET, &both, "If-Match: \"a\"\nIf-None-Match: \"a\"", CONDITION_NOT_MODIFIED);
    check(METHOD_GET, &both, "If-None-Match: \"b\"\nIf-Modified-Since: " NEW, CONDITION_MET);
    check(METHOD_GET, &both, "If-None-Match: \"a\"\nIf-Modified-Since: " OLD,
          CONDITION_NOT_MODIFIED);
    check(METHOD_GET, &both, "If-Unmodified-Since: " OLD "\nIf-None-Match: \"a\"",
          CONDITION_FAILED);
}

static void validators_that_do_not_parse_are_none(void **state)
{
    const struct fields good = fields_of("ETag: W/\"x\"\nLast-Modified: " SAME "\nDate: " SAME);
    const struct fields bad = fields_of("ETag: x\nLast-Modified: x\nDate: " OLD "\nDate: " NEW);
    struct validators validators = validators_of(&good, NOW_S);

    (void)state;
    assert_true(bytes_equal(validators.etag, BYTES("W/\"x\"")));
    assert_int_equal(validators.last_modified_s, SAME_S);
    assert_int_equal(validators.date_s, SAME_S);
    validators = validators_of(&bad, NOW_S);
    assert_int_equal(validators.etag.length, 0);
    assert_true(validators.last_modified_s == VALIDATOR_NONE);
    assert_true(validators.date_s == VALIDATOR_NONE);
}

static void check_range(const struct validators *validators, const char *head, uint64_t length,
                        enum range wanted, struct range_part wanted_part)
{
    const struct fields fields = fields_of(head);
    struct range_part part = {77, 77};

    if (range_judge(&fields, validators, length, NOW_S, &part) != wanted)
        fail_msg("not %d: %s", (int)wanted, head);
    if (wanted != RANGE_PART)
        wanted_part = (struct range_part){77, 77};
    assert_int_equal(part.first, wanted_part.first);
    assert_int_equal(part.last, wanted_part.last);
}

static void single_ranges_are_served(void **state)
{
    static const struct {
        const char *head;
        enum range range;
        struct range_part part; /* of 1000 bytes */
    } rows[] = {
        {"Range: bytes=0-499", RANGE_PART, {0, 499}}, /* §14.1.2 */
        {"Range: bytes=500-", RANGE_PART, {500, 999}},
        {"Range: bytes=-500", RANGE_PART, {500, 999}},
        {"Range: bytes=-5000", RANGE_PART, {0, 999}},
        {"Range: bytes=999-99999", RANGE_PART, {999, 999}},
        {"Range: Bytes=0-0", RANGE_PART, {0, 0}},
        {"Range: bytes= 1-2 ,", RANGE_PART, {1, 2}},
        {"Range: bytes=5-99999999999999999999999", RANGE_PART, {5, 999}},
        {"Range: bytes=1000-", RANGE_UNSATISFIABLE, {0, 0}},
        {"Range: bytes=1000-2000", RANGE_UNSATISFIABLE, {0, 0}},
        {"Range: bytes=99999999999999999999999-", RANGE_UNSATISFIABLE, {0, 0}},
        {"Range: bytes=-0", RANGE_UNSATISFIABLE, {0, 0}},
        {"Range: bytes=-99999999999999999999999", RANGE_PART, {0, 999}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        check_range(&none, rows[i].head, 1000, rows[i].range, rows[i].part);
    check_range(&none, "Range: bytes=0-", 0, RANGE_UNSATISFIABLE, (struct range_part){0, 0});
    check_range(&none, "Range: bytes=-5", 0, RANGE_WHOLE, (struct range_part){0, 0});
}

static void everything_else_is_answered_whole(void **state)
{
    static const char *const heads[] = {
        "",
        "Range: bytes=0-1,5-6",
        "Range: bytes=0-1\nRange: bytes=0-1",
        "Range: items=0-1",
        "Range: bytes",
        "Range: bytes=",
        "Range: bytes=-",
        "Range: bytes=5",
        "Range: bytes=5-4",
        "Range: bytes=a-b",
        "Range: bytes=1-2x",
        "Range: bytes=+1-2",
        "Range: bytes=1--2",
        "Range: bytes=--2",
        "Range: bytes =1-2",
        "Range: 0-1",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(heads); i++)
        check_range(&none, heads[i], 1000, RANGE_WHOLE, (struct range_part){0, 0});
}

static void if_range_wants_a_strong_validator(void **state)
{
    const struct validators young = {.etag = BYTES("\"a\""), SAME_S, SAME_S + 59};
    const struct range_part part = {0, 1};

    (void)state; /* §13.1.5 */
    check_range(&both, "Range: bytes=0-1\nIf-Range: \"a\"", 9, RANGE_PART, part);
    check_range(&both, "Range: bytes=0-1\nIf-Range: \"b\"", 9, RANGE_WHOLE, part);
    check_range(&both, "Range: bytes=0-1\nIf-Range: W/\"a\"", 9, RANGE_WHOLE, part);
    check_range(&weak, "Range: bytes=0-1\nIf-Range: W/\"a\"", 9, RANGE_WHOLE, part);
    check_range(&both, "Range: bytes=0-1\nIf-Range: " SAME, 9, RANGE_PART, part);
    check_range(&young, "Range: bytes=0-1\nIf-Range: " SAME, 9, RANGE_WHOLE, part);
    check_range(&both, "Range: bytes=0-1\nIf-Range: " NEW, 9, RANGE_WHOLE, part);
    check_range(&none, "Range: bytes=0-1\nIf-Range: " SAME, 9, RANGE_WHOLE, part);
    check_range(&both, "Range: bytes=0-1\nIf-Range: \"a\"\nIf-Range: \"a\"", 9, RANGE_WHOLE, part);
    check_range(&none, "Range: bytes=0-1\nIf-Range:", 9, RANGE_WHOLE, part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entity_tags_compare_weakly_and_strongly),
        cmocka_unit_test(if_none_match_compares_weakly),
        cmocka_unit_test(if_match_compares_strongly),
        cmocka_unit_test(dates_are_judged_where_they_parse),
        cmocka_unit_test(without_last_modified_nothing_is_unmodified_since),
        cmocka_unit_test(the_order_of_preconditions_is_kept),
        cmocka_unit_test(validators_that_do_not_parse_are_none),
        cmocka_unit_test(single_ranges_are_served),
        cmocka_unit_test(everything_else_is_answered_whole),
        cmocka_unit_test(if_range_wants_a_strong_validator),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
