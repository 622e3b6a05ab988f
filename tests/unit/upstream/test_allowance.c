/* What an answer's fields say of the upstream's limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "upstream/allowance.h"

/* 2026-11-25T00:00:00Z */
#define NOW_S INT64_C(1795564800)

static struct allowance said(const char *const (*lines)[2], size_t count)
{
    struct arena arena;
    struct fields fields = {0};

    arena_init(&arena, 1024);
    for (size_t i = 0; i < count; i++)
        fields_add(&fields, &arena, bytes_of_string(lines[i][0]), bytes_of_string(lines[i][1]));
    const struct allowance allowance = allowance_read(&fields, NOW_S * CLOCK_SECOND_US);
    arena_finish(&arena);
    return allowance;
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    static const struct {
        const char *value;
        int64_t s;
    } cases[] = {
        {"0", 0},
        {"7", 7},
        {"120", 120},
        {"1.2", 2},
        {"0.0", 0},
        {"Wed, 25 Nov 2026 00:01:00 GMT", 60},
        {"1e3", -1},
        {"-1", -1},
        {"Tue, 24 Nov 2026 00:00:00 GMT", 0},
        {"", -1},
        {" ", -1},
        {"99999999999999", 366 * 24 * 3600},
        {"soon", -1},
        {"10, 20", -1},
        {"99999999999999999999999", -1},
        {"1.", -1},
        {"1.0000000001", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const lines[][2] = {{"retry-after", cases[i].value}};
        const struct allowance allowance = said(lines, 1);

        assert_int_equal(allowance.retry_after_us,
                         cases[i].s < 0 ? -1 : cases[i].s * CLOCK_SECOND_US);
        assert_false(allowance.has_left);
    }
}

static void what_is_left_is_told_in_many_ways(void **state)
{
    static const struct {
        const char *lines[2][2];
        size_t count;
        int64_t left, reset_s; /* -1: not said */
    } cases[] = {
        {{{"RateLimit", "\"default\";r=50;t=30"}}, 1, 50, 30},
        {{{"RateLimit", "\"a\";r=50;t=30, \"b\";r=3;t=9"}}, 1, 3, 9},
        {{{"RateLimit", "\"a,;\\\"r=1\";t=30;r=4"}}, 1, 4, 30},
        {{{"RateLimit", "\"a\";r=9;t=1"}, {"RateLimit", "\"b\";r=8;t=2"}}, 2, 8, 2},
        {{{"RateLimit", "\"a\";r=9"}}, 1, -1, 0},
        {{{"RateLimit", "\"a\";r=-9;t=1"}}, 1, -1, 0},
        {{{"RateLimit", "limit=100, remaining=50, reset=30"}}, 1, 50, 30},
        {{{"RateLimit", "limit=100, remaining=50, reset=30, ="}}, 1, -1, 0},
        {{{"RateLimit-Remaining", "5"}, {"RateLimit-Reset", "10"}}, 2, 5, 10},
        {{{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", "1795564860"}}, 2, 0, 60},
        {{{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", "1795564860000"}}, 2, 0, 60},
        {{{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "1795564700"}}, 2, 0, 0},
        {{{"X-RateLimit-Remaining", "many"}, {"X-RateLimit-Reset", "10"}}, 2, -1, 0},
        {{{"X-RateLimit-Remaining", "3"}}, 1, -1, 0},
        {{{"X-Rate-Limit-Remaining", "3"}, {"X-Rate-Limit-Reset", "2.5"}}, 2, 3, 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct allowance allowance = said(cases[i].lines, cases[i].count);

        assert_int_equal(allowance.has_left, cases[i].left >= 0);
        if (cases[i].left < 0)
            continue;
        assert_int_equal(allowance.left, cases[i].left);
        assert_int_equal(allowance.reset_us, cases[i].reset_s * CLOCK_SECOND_US);
        assert_int_equal(allowance.retry_after_us, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(what_is_left_is_told_in_many_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
