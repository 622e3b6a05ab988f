/* Knobs as JSON: taken whole or not at all, and shown as they are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "sandbox/knobs.h"

static enum result turn(struct knobs *knobs, const char *text)
{
    struct error error;
    cJSON *object = cJSON_Parse(text);

    assert_non_null(object);
    const enum result result = knobs_read(knobs, object, &error);
    cJSON_Delete(object);
    return result;
}

static void each_number_is_shown_as_it_was_taken(void **state)
{
    static const char *const names[] = {"latency_ms",      "latency_after_ms", "jitter_ms",
                                        "jitter_after_ms", "view_lag_ms",      "per_second",
                                        "file_bytes",      "profiles"};
    char text[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct knobs knobs = {0};

        (void)snprintf(text, sizeof(text), "{\"%s\":7}", names[i]);
        assert_int_equal(turn(&knobs, text), RESULT_OK);
        cJSON *shown = knobs_shape(&knobs);
        for (size_t j = 0; j < ARRAY_LENGTH(names); j++)
            assert_int_equal(cJSON_GetObjectItem(shown, names[j])->valueint, i == j ? 7 : 0);
        cJSON_Delete(shown);
        knobs_finish(&knobs);
    }
}

static void one_wrong_knob_leaves_all_as_they_were(void **state)
{
    static const char *const wrong[] = {
        "{\"jitter_ms\":5,\"jitter_after_ms\":-1}",
        "{\"jitter_ms\":5,\"profiles\":100001}",
        "{\"jitter_ms\":5,\"profile\":1}",
    };
    struct knobs knobs = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        assert_int_equal(turn(&knobs, wrong[i]), RESULT_INVALID);
        assert_int_equal(knobs.numbers.jitter_us, 0);
        assert_int_equal(knobs.numbers.profiles, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_number_is_shown_as_it_was_taken),
        cmocka_unit_test(one_wrong_knob_leaves_all_as_they_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
