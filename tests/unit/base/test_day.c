/* Days of a zone: midnight there, 23 and 25 hours long where the clocks change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/day.h"

static const int64_t hour_us = 3600 * CLOCK_SECOND_US;

static struct day day_in(const char *name, int64_t wall_s)
{
    struct day_zone *zone;

    assert_int_equal(day_zone_open(name, &zone), RESULT_OK);
    const struct day day = day_of(zone, wall_s * CLOCK_SECOND_US);
    day_zone_close(zone);
    return day;
}

static void a_day_of_utc_begins_at_midnight(void **state)
{
    const struct day day = day_in("UTC", 1764028800 + 3600); /* 2025-11-25T01:00:00Z */

    (void)state;
    assert_int_equal(day.begins_wall_us, 1764028800 * CLOCK_SECOND_US);
    assert_int_equal(day.ends_wall_us - day.begins_wall_us, 24 * hour_us);
}

static void a_day_of_amsterdam_begins_an_hour_before_in_winter(void **state)
{
    const struct day before = day_in("Europe/Amsterdam", 1764028800 - 3601);
    const struct day day = day_in("Europe/Amsterdam", 1764028800 - 3600);

    (void)state;
    assert_int_equal(day.begins_wall_us, (1764028800 - 3600) * CLOCK_SECOND_US);
    assert_int_equal(before.ends_wall_us, day.begins_wall_us);
}

static void days_are_shorter_and_longer_where_clocks_change(void **state)
{
    const struct day spring = day_in("Europe/Amsterdam", 1774747800); /* 2026-03-29T01:30:00Z */
    const struct day autumn = day_in("Europe/Amsterdam", 1792890000); /* 2026-10-25T01:00:00Z */

    (void)state;
    assert_int_equal(spring.ends_wall_us - spring.begins_wall_us, 23 * hour_us);
    assert_int_equal(autumn.ends_wall_us - autumn.begins_wall_us, 25 * hour_us);
}

/* Through some years in half-hours, zones included that go over midnight when clocks change: back
 * (Havana, the Azores), so that midnight comes twice, and forward (Cairo), so that it never comes.
 */
static void each_moment_is_in_its_day_and_the_next_begins_where_it_ends(void **state)
{
    static const char *const names[] = {"UTC",          "America/Sao_Paulo", "Asia/Kathmandu",
                                        "Africa/Cairo", "America/Havana",    "Atlantic/Azores",
                                        "America/Nuuk", "Pacific/Apia",      "Asia/Gaza"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct day_zone *zone;
        struct day before = {0};

        assert_int_equal(day_zone_open(names[i], &zone), RESULT_OK);
        for (int64_t wall_s = 1679616000; wall_s < 1750000000; wall_s += 1800) {
            const struct day day = day_of(zone, wall_s * CLOCK_SECOND_US);

            assert_true(day.begins_wall_us <= wall_s * CLOCK_SECOND_US);
            assert_true(day.ends_wall_us > wall_s * CLOCK_SECOND_US);
            if (before.begins_wall_us != 0 && before.begins_wall_us != day.begins_wall_us)
                assert_int_equal(before.ends_wall_us, day.begins_wall_us);
            before = day;
        }
        day_zone_close(zone);
    }
}

static void an_unknown_zone_is_missing(void **state)
{
    struct day_zone *zone;

    (void)state;
    assert_int_equal(day_zone_open("Europe/Nowhere", &zone), RESULT_MISSING);
    assert_int_equal(day_zone_open("../../etc/passwd", &zone), RESULT_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_of_utc_begins_at_midnight),
        cmocka_unit_test(a_day_of_amsterdam_begins_an_hour_before_in_winter),
        cmocka_unit_test(days_are_shorter_and_longer_where_clocks_change),
        cmocka_unit_test(each_moment_is_in_its_day_and_the_next_begins_where_it_ends),
        cmocka_unit_test(an_unknown_zone_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
