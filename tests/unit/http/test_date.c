/* HTTP-date (RFC 9110 §5.6.7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/date.h"

#define NOW_S INT64_C(1764000000) /* in November 2025 */

static void the_three_forms_are_read(void **state)
{
    static const struct {
        struct bytes text;
        int64_t date_s;
    } rows[] = {
        {BYTES("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777},
        {BYTES("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777},
        {BYTES("Sun Nov  6 08:49:37 1994"), 784111777},
        {BYTES("Sun Nov 16 08:49:37 1994"), 784975777},
        {BYTES("Thu, 01 Jan 1970 00:00:00 GMT"), 0},
        {BYTES("Wed, 31 Dec 1969 23:59:59 GMT"), -1},
        {BYTES("Tue, 29 Feb 2000 00:00:00 GMT"), 951782400},
        {BYTES("Thu, 29 Feb 2024 12:00:00 GMT"), 1709208000},
        {BYTES("Sat, 01 Jan 0000 00:00:00 GMT"), -62167219200},
        {BYTES("Fri, 31 Dec 9999 23:59:59 GMT"), 253402300799},
        {BYTES("Mon, 06 Nov 1994 08:49:37 GMT"), 784111777},  /* a wrong day's name does no harm */
        {BYTES("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228800}, /* a leap second */
        {BYTES("Tuesday, 01-Jan-75 00:00:00 GMT"), 3313526400}, /* not more than 50 years ahead */
        {BYTES("Thursday, 01-Jan-76 00:00:00 GMT"), 189302400}, /* more: the century before */
    };
    int64_t date_s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(date_parse(rows[i].text, NOW_S, &date_s), RESULT_OK);
        assert_int_equal(date_s, rows[i].date_s);
    }
}

static void other_texts_are_no_dates(void **state)
{
    static const struct bytes texts[] = {
        BYTES(""),
        BYTES("0"),
        BYTES("-1"),
        BYTES("Sun, 06 Nov 1994 08:49:37"),
        BYTES("Sun, 06 Nov 1994 08:49:37 gmt"),
        BYTES("Sun, 06 Nov 1994 08:49:37 UTC"),
        BYTES("Sun, 06 Nov 1994 08:49:37 GMT "),
        BYTES(" Sun, 06 Nov 1994 08:49:37 GMT"),
        BYTES("sun, 06 Nov 1994 08:49:37 GMT"),
        BYTES("Sun, 06 nov 1994 08:49:37 GMT"),
        BYTES("Sun, 6 Nov 1994 08:49:37 GMT"),
        BYTES("Sun, 06 Nov 94 08:49:37 GMT"),
        BYTES("Sun, 00 Nov 1994 08:49:37 GMT"),
        BYTES("Sun, 31 Nov 1994 08:49:37 GMT"),
        BYTES("Wed, 29 Feb 2023 00:00:00 GMT"),
        BYTES("Thu, 29 Feb 1900 00:00:00 GMT"),
        BYTES("Sun, 06 Nov 1994 24:00:00 GMT"),
        BYTES("Sun, 06 Nov 1994 08:60:37 GMT"),
        BYTES("Sun, 06 Nov 1994 08:49:61 GMT"),
        BYTES("Sun, 06 Nov 1994 8:49:37 GMT"),
        BYTES("Sun, +6 Nov 1994 08:49:37 GMT"),
        BYTES("Sun, 06-Nov-94 08:49:37 GMT"),
        BYTES("Sunday, 06 Nov 1994 08:49:37 GMT"),
        BYTES("Sun Nov 06 08:49:37 94"),
        BYTES("Sun Nov  6 08:49:37 1994 GMT"),
        BYTES("Sun Nov   6 08:49:37 1994"),
        BYTES("2025-11-24T21:17:04Z"),
    };
    int64_t date_s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_int_equal(date_parse(texts[i], NOW_S, &date_s), RESULT_INVALID);
}

static void dates_are_written_as_imf_fixdate(void **state)
{
    static const struct {
        int64_t date_s;
        const char *text;
    } rows[] = {
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {-1, "Wed, 31 Dec 1969 23:59:59 GMT"},
        {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {INT64_MIN, "Sat, 01 Jan 0000 00:00:00 GMT"},
    };
    char text[DATE_ROOM];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        date_format(rows[i].date_s, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void every_day_of_ten_thousand_years_is_read_as_it_was_written(void **state)
{
    char text[DATE_ROOM];
    int64_t date_s;

    (void)state;
    for (int64_t day = -719528; day <= 2932896; day++) {
        const int64_t wanted = day * 86400 + (day & 0xffff);

        date_format(wanted, text);
        assert_int_equal(date_parse(bytes_of_string(text), NOW_S, &date_s), RESULT_OK);
        assert_int_equal(date_s, wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_forms_are_read),
        cmocka_unit_test(other_texts_are_no_dates),
        cmocka_unit_test(dates_are_written_as_imf_fixdate),
        cmocka_unit_test(every_day_of_ten_thousand_years_is_read_as_it_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
