/* Local time around the changes of the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/result.h"
#include "sandbox/amsterdam.h"

static void summer_begins_and_ends_on_the_last_sundays(void **state)
{
    static const struct {
        int64_t wall_s;
        const char *text;
    } rows[] = {
        {0, "1970-01-01 01:00:00"},          {1711846799, "2024-03-31 01:59:59"},
        {1711846800, "2024-03-31 03:00:00"}, {1729990799, "2024-10-27 02:59:59"},
        {1729990800, "2024-10-27 02:00:00"}, {1709999999, "2024-03-09 16:59:59"},
        {1719835200, "2024-07-01 14:00:00"}, {1735686000, "2025-01-01 00:00:00"},
    };
    char text[AMSTERDAM_TIME_ROOM];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        amsterdam_time(rows[i].wall_s, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(summer_begins_and_ends_on_the_last_sundays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
