/* Durations and sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/read.h"

static void durations_are_read_in_their_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        {"0s", 0},
        {"250ms", 250000},
        {"10s", 10000000},
        {"5m", INT64_C(300000000)},
        {"1h", INT64_C(3600000000)},
        {"7d", INT64_C(604800000000)},
        {"99999d", INT64_C(8639913600000000)},
        {"99999999ms", INT64_C(99999999000)},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t us = -1;

        assert_int_equal(duration_read(bytes_of_string(rows[i].text), &us), RESULT_OK);
        assert_int_equal(us, rows[i].us);
    }
}

static void text_that_is_no_duration_is_refused(void **state)
{
    static const char *const texts[] = {"",     "s",     "10",  "10 s",       "-1s",   "1.5s",
                                        "10S",  "10ms ", "1w",  "999999d",    "1h30m", "+1s",
                                        "0x1s", "ms",    "s10", "123456789s", "1us"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        int64_t us = -7;

        assert_int_equal(duration_read(bytes_of_string(texts[i]), &us), RESULT_INVALID);
        assert_int_equal(us, -7);
    }
}

static void sizes_are_read_in_their_unit(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } rows[] = {
        {"0", 0},
        {"65536", 65536},
        {"64KiB", 65536},
        {"1MiB", UINT64_C(1) << 20},
        {"1GiB", UINT64_C(1) << 30},
        {"2TiB", UINT64_C(1) << 41},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint64_t bytes = 7;

        assert_int_equal(size_read(bytes_of_string(rows[i].text), &bytes), RESULT_OK);
        assert_int_equal(bytes, rows[i].bytes);
    }
}

static void text_that_is_no_size_is_refused(void **state)
{
    static const char *const texts[] = {"",   "KiB",   "1kib",   "1KB",    "1K",
                                        "-1", "1 MiB", "1.5GiB", "100TiB", "1234567890123456"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        uint64_t bytes = 7;

        assert_int_equal(size_read(bytes_of_string(texts[i]), &bytes), RESULT_INVALID);
        assert_int_equal(bytes, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_in_their_unit),
        cmocka_unit_test(text_that_is_no_duration_is_refused),
        cmocka_unit_test(sizes_are_read_in_their_unit),
        cmocka_unit_test(text_that_is_no_size_is_refused),
    };

    return cmocka_run_group_tests_name("config/units", tests, NULL, NULL);
}
