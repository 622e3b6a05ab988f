/* Percent-encoding: unreserved characters stay, every other byte is encoded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/percent.h"

static void all_but_unreserved_characters_are_encoded(void **state)
{
    static const struct {
        struct bytes text;
        const char *encoded;
    } rows[] = {
        {{"azAZ09-._~", 10}, "azAZ09-._~"},
        {{"a b+c/d", 7}, "a%20b%2Bc%2Fd"},
        {{"&=?#%", 5}, "%26%3D%3F%23%25"},
        {{"\0\xff@[`{", 6}, "%00%FF%40%5B%60%7B"},
        {{"", 0}, ""},
    };
    char room[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_true(bytes_equal(bytes_of(room, percent_encode(rows[i].text, room)),
                                bytes_of_string(rows[i].encoded)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_but_unreserved_characters_are_encoded),
    };

    return cmocka_run_group_tests_name("percent", tests, NULL, NULL);
}
