/* The two clocks, and RFC 3339 §5.6 text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

#include <time.h>

static void times_are_written_in_utc_with_microseconds(void **state)
{
    static const struct {
        int64_t wall_us;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {INT64_C(1795555024123456), "2026-11-24T21:17:04.123456Z"},
        {INT64_C(951782400000001), "2000-02-29T00:00:00.000001Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
    };
    char text[CLOCK_RFC3339_ROOM];

    (void)state;
    assert_int_equal(setenv("TZ", "Asia/Tokyo", 1), 0);
    tzset();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        clock_format_rfc3339(rows[i].wall_us, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void a_clock_that_makes_no_sense_still_gives_text_of_that_length(void **state)
{
    char text[CLOCK_RFC3339_ROOM + 1] = "";

    (void)state;
    text[CLOCK_RFC3339_ROOM] = '!';
    const int64_t senseless[] = {-1, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        clock_format_rfc3339(senseless[i], text);
        assert_int_equal(strlen(text), CLOCK_RFC3339_ROOM - 1);
        assert_int_equal(text[CLOCK_RFC3339_ROOM], '!');
    }
}

static void the_clocks_run_in_microseconds(void **state)
{
    const int64_t before_us = clock_now_us();
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

    (void)state;
    assert_int_equal(nanosleep(&pause, NULL), 0);
    const int64_t passed_us = clock_now_us() - before_us;
    assert_in_range(passed_us, 20 * 1000, 10 * CLOCK_SECOND_US);
    assert_in_range(clock_wall_us() / CLOCK_SECOND_US, time(NULL) - 1, time(NULL) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_in_utc_with_microseconds),
        cmocka_unit_test(a_clock_that_makes_no_sense_still_gives_text_of_that_length),
        cmocka_unit_test(the_clocks_run_in_microseconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
