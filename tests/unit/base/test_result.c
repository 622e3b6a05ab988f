/* Results and errors in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "base/result.h"

static void every_result_has_words(void **state)
{
    (void)state;
    for (int result = RESULT_OK; result <= RESULT_SYSTEM; result++)
        assert_true(strlen(result_text((enum result)result)) > 0);
}

static void an_error_is_cut_to_its_room_and_forgets_its_place(void **state)
{
    struct error error = {.pointer = "/listen", .line = 7};

    (void)state;
    assert_int_equal(error_set(&error, RESULT_LIMIT, "%0600d", 1), RESULT_LIMIT);
    assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
    assert_string_equal(error.pointer, "");
    assert_int_equal(error.line, 0);
    assert_int_equal(error_set(NULL, RESULT_BUSY, "nobody asks"), RESULT_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_result_has_words),
        cmocka_unit_test(an_error_is_cut_to_its_room_and_forgets_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
