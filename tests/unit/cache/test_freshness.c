/* What may be stored, for how long, and what a request asks of it (RFC 9111 §3, §4.2, §5.2.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cache/freshness.h"
#include "http/date.h"

#define S CLOCK_SECOND_US
#define NOW_S INT64_C(784111777) /* Sun, 06 Nov 1994 08:49:37 GMT */

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

static const struct freshness_fallback fallback = {.ttl_us = 60 * S, .negative_ttl_us = 10 * S};
static const struct freshness_fallback no_ttl = {0};

/* A response with fields "Name: value\n…", that took no time. */
static struct freshness judge_with(unsigned status, const char *head, const struct cache_rule *rule,
                                   const struct freshness_fallback *with)
{
    const struct freshness_times times = {NOW_S * S + 900000, NOW_S * S + 900000};
    struct response response = {.status = status};
    struct bytes rest = bytes_of_string(head);

    while (rest.length > 0) {
        struct bytes value = bytes_cut(&rest, '\n');
        const struct bytes name = bytes_cut(&value, ':');

        fields_add(&response.fields, &arena, name, bytes_trim(value));
    }
    return freshness_of_response(&response, &times, rule, with, &arena);
}

static struct freshness judge(unsigned status, const char *head)
{
    return judge_with(status, head, NULL, &fallback);
}

static void lifetimes_come_from_the_answer_first(void **state)
{
    static const struct {
        const char *head;
        int64_t lifetime_s;
    } rows[] = {
        {"", 60}, /* the ttl: APIs that say nothing */
        {"Cache-Control: public", 60},
        {"Cache-Control: max-age=5", 5},
        {"Cache-Control: max-age=5, s-maxage=7", 7},                             /* §5.2.2.10 */
        {"Cache-Control: max-age=5\nExpires: Sun, 06 Nov 1994 09:49:37 GMT", 5}, /* §5.3 */
        {"Expires: Sun, 06 Nov 1994 08:50:37 GMT", 60}, /* minus our clock */
        {"Date: Sun, 06 Nov 1994 08:50:00 GMT\nExpires: Sun, 06 Nov 1994 08:50:37 GMT", 37},
        {"Date: nonsense\nExpires: Sun, 06 Nov 1994 08:49:57 GMT", 20},
        {"Expires: 0", 0}, /* §5.3: the past */
        {"Expires: Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Expires: Sun, 06 Nov 1993 08:49:37 GMT", 0},
        {"Expires: Sun, 06 Nov 1994 09:49:37 GMT\nExpires: Sun, 06 Nov 1994 10:49:37 GMT", 0},
        {"Cache-Control: max-age=0", 0},
        {"Cache-Control: max-age=oops", 0},
        {"Cache-Control: max-age=5, max-age=3", 3},                                /* §4.2.1 */
        {"CDN-Cache-Control: max-age=9\nCache-Control: max-age=5, s-maxage=7", 9}, /* RFC 9213 */
        {"CDN-Cache-Control: max-age=9\nCache-Control: no-store", 9},
        {"CDN-Cache-Control: public\nExpires: 0", 60}, /* §2.2: Expires is not looked at */
        {"CDN-Cache-Control: max-age=9,\nCache-Control: max-age=5", 5}, /* does not parse */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct freshness freshness = judge(200, rows[i].head);

        assert_true(freshness.may_store);
        assert_int_equal(freshness.lifetime_us, rows[i].lifetime_s * S);
    }
}

static void statuses_without_freshness_are_stored_where_a_ttl_fits(void **state)
{
    (void)state;
    for (unsigned status = 100; status < 600; status++) {
        const struct freshness freshness = judge(status, "");
        const bool positive = status == 200 || status == 203 || status == 204 || status == 300 ||
                              status == 301 || status == 308;
        const bool negative = status == 404 || status == 410;

        assert_int_equal(freshness.may_store, positive || negative);
        if (freshness.may_store)
            assert_int_equal(freshness.lifetime_us, (positive ? 60 : 10) * S);
        assert_false(judge_with(status, "", NULL, &no_ttl).may_store);
    }
}

static void explicit_freshness_makes_final_statuses_storable(void **state)
{
    (void)state;
    for (unsigned status = 100; status < 600; status++) {
        const struct freshness freshness = judge(status, "Cache-Control: max-age=7");

        assert_int_equal(freshness.may_store, status >= 200 && status != 206 && status != 304);
        if (freshness.may_store)
            assert_int_equal(freshness.lifetime_us, 7 * S);
    }
}

static void what_the_answer_forbids_is_not_stored(void **state)
{
    static const char *const heads[] = {
        "Cache-Control: no-store",
        "Cache-Control: max-age=60\nCache-Control: no-store",
        "Cache-Control: private, max-age=60",
        "Cache-Control: private=\"x\"",
        "Set-Cookie: a=b\nCache-Control: max-age=60",
        "Vary: *\nCache-Control: max-age=60",
        "Vary: Accept\nVary: Origin, *",
        "CDN-Cache-Control: no-store\nCache-Control: max-age=60",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(heads); i++)
        assert_false(judge(200, heads[i]).may_store);
    assert_true(judge(200, "Vary: Accept").may_store);
}

static void must_understand_takes_the_place_of_no_store(void **state)
{
    (void)state; /* RFC 9111 §5.2.2.3 */
    assert_true(judge(200, "Cache-Control: max-age=60, no-store, must-understand").may_store);
    assert_false(judge(299, "Cache-Control: max-age=60, must-understand").may_store);
    assert_false(
        judge(200, "Cache-Control: max-age=60, private, no-store, must-understand").may_store);
}

static void the_rule_s_ttl_stands_before_the_fallback(void **state)
{
    const struct cache_rule rule = {.ttl_us = 5 * S, .negative_ttl_us = -1, .store = true};
    const struct cache_rule negative = {.ttl_us = -1, .negative_ttl_us = 3 * S, .store = true};
    const struct cache_rule zero = {.ttl_us = 0, .negative_ttl_us = -1, .store = true};

    (void)state;
    assert_int_equal(judge_with(200, "", &rule, &fallback).lifetime_us, 5 * S);
    assert_int_equal(judge_with(404, "", &rule, &fallback).lifetime_us, 10 * S);
    assert_int_equal(judge_with(200, "", &negative, &fallback).lifetime_us, 60 * S);
    assert_int_equal(judge_with(410, "", &negative, &fallback).lifetime_us, 3 * S);
    assert_false(judge_with(200, "", &zero, &fallback).may_store);
    assert_true(judge_with(404, "", &zero, &fallback).may_store);
    assert_int_equal(judge_with(200, "Cache-Control: max-age=9", &rule, &fallback).lifetime_us,
                     9 * S);
    assert_int_equal(judge_with(500, "Cache-Control: max-age=9", &rule, &fallback).lifetime_us,
                     9 * S);
}

static void a_rule_without_store_stores_nothing(void **state)
{
    const struct cache_rule rule = {
        .ttl_us = 5 * S, .negative_ttl_us = -1, .override = true, .store = false};

    (void)state;
    assert_false(judge_with(200, "Cache-Control: max-age=60", &rule, &fallback).may_store);
}

static void an_override_wins_over_all_but_vary(void **state)
{
    static const char *const heads[] = {
        "Cache-Control: no-store",
        "Cache-Control: private, no-cache, must-revalidate, max-age=0",
        "Expires: 0",
        "Cache-Control: max-age=3600",
        "CDN-Cache-Control: no-store",
    };
    const struct cache_rule rule = {
        .ttl_us = 5 * S, .negative_ttl_us = -1, .override = true, .store = true};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(heads); i++) {
        const struct freshness freshness = judge_with(200, heads[i], &rule, &fallback);

        assert_true(freshness.may_store);
        assert_int_equal(freshness.lifetime_us, 5 * S);
        assert_false(freshness.no_cache || freshness.must_revalidate || freshness.drops_cookies);
    }
    assert_true(judge_with(200, "Set-Cookie: a=b", &rule, &fallback).drops_cookies);
    assert_true(judge_with(200, "Set-Cookie: a=b", &rule, &fallback).may_store);
    assert_false(judge_with(200, "Vary: *", &rule, &fallback).may_store);
    assert_false(judge_with(500, "", &rule, &fallback).may_store);
    assert_int_equal(judge_with(500, "Cache-Control: max-age=9", &rule, &fallback).lifetime_us,
                     9 * S);
    assert_false(judge_with(302, "Cache-Control: no-store", &rule, &fallback).may_store);
    assert_int_equal(judge_with(404, "Cache-Control: no-store", &rule, &fallback).lifetime_us,
                     10 * S);
}

static void initial_age_is_the_larger_of_date_and_age(void **state)
{
    static const struct {
        const char *head;
        int64_t age_s;
    } rows[] = {
        {"", 0},
        {"Age: 7", 7}, /* RFC 9111 §4.2.3 */
        {"Date: Sun, 06 Nov 1994 08:49:30 GMT", 7},
        {"Date: Sun, 06 Nov 1994 08:49:30 GMT\nAge: 3", 7},
        {"Date: Sun, 06 Nov 1994 08:49:30 GMT\nAge: 30", 30},
        {"Date: Sun, 06 Nov 1994 08:59:30 GMT\nAge: 3", 3}, /* a clock ahead of ours */
        {"Date: Sun, 06 Nov 1994 08:49:37 GMT", 0}, /* Date's second has begun: that is no age */
        {"Age: 7, 30", 7},                          /* §5.1: the first counts */
        {"Age: 7\nAge: 30", 7},
        {"Age: -1", 0}, /* §5.1: ignored */
        {"Age: 1.5", 0},
        {"Age: 99999999999999999999", INT64_C(2147483648)},
        {"Date: Sun, 06 Nov 1994 08:49:30 GMT\nDate: Sun, 06 Nov 1994 08:49:31 GMT", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(judge(200, rows[i].head).initial_age_us, rows[i].age_s * S);
}

static void the_time_a_response_took_counts_as_age(void **state)
{
    struct freshness_times times = {NOW_S * S, NOW_S * S + 2500000};
    struct response response = {.status = 200};

    (void)state;
    assert_int_equal(
        freshness_of_response(&response, &times, NULL, &fallback, &arena).initial_age_us, 2500000);
    fields_add(&response.fields, &arena, BYTES("Age"), BYTES("4"));
    assert_int_equal(
        freshness_of_response(&response, &times, NULL, &fallback, &arena).initial_age_us, 6500000);
    times.response_wall_us = times.request_wall_us - S; /* the clock was set back */
    assert_int_equal(
        freshness_of_response(&response, &times, NULL, &fallback, &arena).initial_age_us, 4 * S);
}

static void stale_windows_are_the_answer_s_where_it_has_a_word(void **state)
{
    static const struct {
        const char *head;
        int64_t revalidate_s, error_s;
        bool must_revalidate, no_cache;
    } rows[] = {
        {"", NOT_SAID, NOT_SAID, false, false},
        {"Cache-Control: max-age=60", NOT_SAID, NOT_SAID, false, false},
        {"Cache-Control: max-age=60, stale-while-revalidate=5", 5, NOT_SAID, false, false},
        {"Cache-Control: max-age=60, stale-if-error=0", NOT_SAID, 0, false, false},
        {"Cache-Control: must-revalidate", 0, 0, true, false}, /* RFC 9111 §5.2.2.2 */
        {"Cache-Control: proxy-revalidate, stale-if-error=9", 0, 0, true, false},
        {"Cache-Control: s-maxage=9", 0, 0, true, false}, /* §5.2.2.10 */
        {"Cache-Control: no-cache, max-age=9", 0, 0, false, true},
        {"Cache-Control: no-cache=\"x\", max-age=9", 0, 0, false, true},
        {"Cache-Control: max-age=0", 0, 0, false, false}, /* stale at once is meant */
        {"Cache-Control: max-age=0, stale-while-revalidate=5", 5, 0, false, false},
        {"Expires: 0", 0, 0, false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct freshness freshness = judge(200, rows[i].head);
        const int64_t revalidate = freshness.stale_while_revalidate_us;
        const int64_t error = freshness.stale_if_error_us;

        assert_true(freshness.may_store);
        assert_int_equal(revalidate == -1 ? -1 : revalidate / S, rows[i].revalidate_s);
        assert_int_equal(error == -1 ? -1 : error / S, rows[i].error_s);
        assert_int_equal(freshness.must_revalidate, rows[i].must_revalidate);
        assert_int_equal(freshness.no_cache, rows[i].no_cache);
    }
}

static struct freshness_wishes wishes_of(const char *name, const char *value)
{
    struct fields fields = {0};

    fields_add(&fields, &arena, bytes_of_string(name), bytes_of_string(value));
    return freshness_of_request(&fields);
}

static void requests_say_what_they_want_of_the_cache(void **state)
{
    struct fields both = {0};

    (void)state;
    assert_false(wishes_of("X", "").wants_fresh);
    assert_true(wishes_of("Cache-Control", "no-cache").wants_fresh);
    assert_true(wishes_of("Cache-Control", "max-age=0").wants_fresh);
    assert_false(wishes_of("Cache-Control", "max-age=1").wants_fresh);
    assert_true(wishes_of("Pragma", "no-cache").wants_fresh); /* RFC 9111 §5.4 */
    fields_add(&both, &arena, BYTES("Pragma"), BYTES("no-cache"));
    fields_add(&both, &arena, BYTES("Cache-Control"), BYTES("max-age=5"));
    assert_false(freshness_of_request(&both).wants_fresh);
    assert_true(wishes_of("Cache-Control", "no-store").no_store);
    assert_true(wishes_of("Cache-Control", "only-if-cached").only_if_cached);
    assert_int_equal(wishes_of("Cache-Control", "max-age=5").max_age_us, 5 * S);
    assert_int_equal(wishes_of("Cache-Control", "x").max_age_us, NOT_SAID);
}

static void stale_once_age_reaches_lifetime(void **state)
{
    const struct freshness_wishes none = wishes_of("X", "");

    (void)state; /* RFC 9111 §4.2: fresh while lifetime > age */
    assert_true(wishes_are_served(&none, 10 * S, 10 * S - 1, true));
    assert_false(wishes_are_served(&none, 10 * S, 10 * S, true));
    assert_false(wishes_are_served(&none, 0, 0, true));
}

static void wishes_narrow_and_widen_what_serves(void **state)
{
    static const struct {
        const char *value;
        int64_t age_s; /* of a lifetime of 10 s */
        bool may_be_stale, served;
    } rows[] = {
        {"max-age=5", 5, true, true},     {"max-age=5", 6, true, false},
        {"min-fresh=5", 5, true, true},   {"min-fresh=5", 6, true, false},
        {"min-fresh=x", 0, true, false},  {"max-stale=5", 15, true, true},
        {"max-stale=5", 16, true, false}, {"max-stale=5", 15, false, false},
        {"max-stale", 99999, true, true}, {"max-stale, max-age=12", 13, true, false},
        {"max-stale=0", 10, true, false}, {"no-cache, max-stale", 1, true, false},
        {"max-age=20", 15, true, false},  {"max-stale=5, min-fresh=1", 12, true, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct freshness_wishes wishes = wishes_of("Cache-Control", rows[i].value);

        assert_int_equal(
            wishes_are_served(&wishes, 10 * S, rows[i].age_s * S, rows[i].may_be_stale),
            rows[i].served);
    }
}

static void stale_windows_are_not_used_against_the_client_s_word(void **state)
{
    const struct freshness_wishes none = wishes_of("X", "");
    const struct freshness_wishes old = wishes_of("Cache-Control", "max-age=5");
    const struct freshness_wishes fresh = wishes_of("Cache-Control", "min-fresh=5");
    const struct freshness_wishes validated = wishes_of("Cache-Control", "no-cache");

    (void)state;
    assert_true(wishes_allow_stale(&none));
    assert_false(wishes_allow_stale(&old) || wishes_allow_stale(&fresh));
    assert_false(wishes_allow_stale(&validated));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lifetimes_come_from_the_answer_first),
        cmocka_unit_test(statuses_without_freshness_are_stored_where_a_ttl_fits),
        cmocka_unit_test(explicit_freshness_makes_final_statuses_storable),
        cmocka_unit_test(what_the_answer_forbids_is_not_stored),
        cmocka_unit_test(must_understand_takes_the_place_of_no_store),
        cmocka_unit_test(the_rule_s_ttl_stands_before_the_fallback),
        cmocka_unit_test(a_rule_without_store_stores_nothing),
        cmocka_unit_test(an_override_wins_over_all_but_vary),
        cmocka_unit_test(initial_age_is_the_larger_of_date_and_age),
        cmocka_unit_test(the_time_a_response_took_counts_as_age),
        cmocka_unit_test(stale_windows_are_the_answer_s_where_it_has_a_word),
        cmocka_unit_test(requests_say_what_they_want_of_the_cache),
        cmocka_unit_test(stale_once_age_reaches_lifetime),
        cmocka_unit_test(wishes_narrow_and_widen_what_serves),
        cmocka_unit_test(stale_windows_are_not_used_against_the_client_s_word),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
