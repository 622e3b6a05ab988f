/* What a person may have meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/suggest.h"

static const char *const words[] = {"listen", "limits", "upstreams", "ttl", "data_dir"};

static const char *suggestion(const char *word)
{
    return suggest_word(bytes_of_string(word), words, ARRAY_LENGTH(words), sizeof(words[0]));
}

static void slips_of_the_finger_are_understood(void **state)
{
    (void)state;
    assert_string_equal(suggestion("upstream"), "upstreams");
    assert_string_equal(suggestion("lsiten"), "listen"); /* swapped */
    assert_string_equal(suggestion("Limits"), "limits");
    assert_string_equal(suggestion("limit"), "limits");
    assert_string_equal(suggestion("tll"), "ttl");
    assert_string_equal(suggestion("datadir"), "data_dir");
}

static void swapped_letters_are_one_slip(void **state)
{
    static const char *const pair[] = {"fine", "file"};

    (void)state;
    assert_string_equal(suggest_word(BYTES("flie"), pair, ARRAY_LENGTH(pair), sizeof(pair[0])),
                        "file");
}

static void far_words_get_no_suggestion(void **state)
{
    static const char long_word[] = "upstreamsupstreamsupstreamsupstreamsupstreams";

    (void)state;
    assert_null(suggestion("x"));
    assert_null(suggestion(""));
    assert_null(suggestion("proxy"));
    assert_null(suggestion(long_word));
}

static void words_may_stand_in_a_table(void **state)
{
    static const struct {
        const char *name;
        int other;
    } table[] = {{"alpha", 1}, {"beta", 2}};

    (void)state;
    assert_string_equal(
        suggest_word(BYTES("betta"), &table[0].name, ARRAY_LENGTH(table), sizeof(table[0])),
        "beta");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slips_of_the_finger_are_understood),
        cmocka_unit_test(swapped_letters_are_one_slip),
        cmocka_unit_test(far_words_get_no_suggestion),
        cmocka_unit_test(words_may_stand_in_a_table),
    };

    return cmocka_run_group_tests_name("config/suggest", tests, NULL, NULL);
}
