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
    clock_format_seconds(rows[1].wall_us, text);
    assert_string_equal(text, "2026-11-24T21:17:04Z");
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

static void times_are_read_as_rfc_3339_writes_them(void **state)
{
    static const struct {
        const char *text;
        int64_t wall_us;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-24T21:17:04.123456Z", INT64_C(1795555024123456)},
        {"2026-11-24T21:17:04.1234569Z", INT64_C(1795555024123456)},
        {"2026-11-24t22:17:04.5+01:00", INT64_C(1795555024500000)},
        {"2026-11-24T21:02:04-00:15", INT64_C(1795555024000000)},
        {"2000-02-29T00:00:00z", INT64_C(951782400000000)},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000000)}, /* a leap second */
        {"9999-12-31T23:59:59Z", INT64_C(253402300799000000)},
    };

    (void)state;
    assert_int_equal(setenv("TZ", "Asia/Tokyo", 1), 0);
    tzset();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t wall_us = -1;

        assert_int_equal(clock_parse_rfc3339(bytes_of_string(rows[i].text), &wall_us), RESULT_OK);
        assert_int_equal(wall_us, rows[i].wall_us);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "2026-11-24",
        "2026-11-24T21:17:04",
        "2026-11-24 21:17:04Z",
        "2026-11-24T21:17Z",
        "2026-11-24T21:17:04.Z",
        "2026-11-24T21:17:04Z ",
        "2026-11-24T21:17:04+0100",
        "2026-11-24T21:17:04+24:00",
        "2026-11-24T21:17:04+01:60",
        "2026-11-24T24:00:00Z",
        "2026-11-24T21:60:00Z",
        "2026-11-24T21:17:61Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "+026-01-01T00:00:00Z",
        "1970-01-01T00:00:00+00:01", /* before 1970 */
        "1969-12-31T23:59:59Z",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t wall_us = 5;

        if (clock_parse_rfc3339(bytes_of_string(texts[i]), &wall_us) != RESULT_INVALID)
            fail_msg("%s", texts[i]);
        assert_int_equal(wall_us, 5);
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
        cmocka_unit_test(times_are_read_as_rfc_3339_writes_them),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(the_clocks_run_in_microseconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
