/* Putting a client into a text that somebody wrote by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/insert.h"

static void assert_inserted(const char *before, const char *after)
{
    struct source source;
    struct buffer out;

    buffer_init(&out, 4096);
    assert_int_equal(source_read(&source, bytes_of_string(before), NULL), RESULT_OK);
    assert_int_equal(insert_client(&source, bytes_of_string(before), BYTES("{NEW}"), &out),
                     RESULT_OK);
    buffer_add_byte(&out, '\0');
    assert_string_equal(out.data, after);
    buffer_finish(&out);
    source_finish(&source);
}

static void an_empty_list_gets_lines_of_its_own(void **state)
{
    (void)state;
    assert_inserted("{\n  \"clients\": []\n}", "{\n  \"clients\": [\n    {NEW}\n  ]\n}");
    assert_inserted("{\n\t\"clients\": [ ], // c\n\t\"a\": 1\n}",
                    "{\n\t\"clients\": [\n\t  {NEW} \n\t], // c\n\t\"a\": 1\n}");
    assert_inserted("{\n  \"clients\": [\n    // none\n  ]\n}",
                    "{\n  \"clients\": [\n    {NEW}\n    // none\n  ]\n}");
}

static void the_new_one_comes_last_and_comments_stay_where_they_belong(void **state)
{
    (void)state;
    assert_inserted("{\"clients\": [\n   {}, // x\n   {\"a\": \"//\"} /* y */ // z\n   // end\n]}",
                    "{\"clients\": [\n   {}, // x\n   {\"a\": \"//\"}, /* y */ // z\n   {NEW}\n"
                    "   // end\n]}");
    assert_inserted("{\"clients\": [{}]}", "{\"clients\": [{}, {NEW}]}");
    assert_inserted("{\"clients\": [\n  {}]}", "{\"clients\": [\n  {},\n  {NEW}]}");
    assert_inserted("{\"clients\": [\r\n  {}\r\n]}", "{\"clients\": [\r\n  {},\r\n  {NEW}\n]}");
}

/* The client was put into the comment. */
static void a_comment_of_several_lines_behind_the_last_is_not_broken(void **state)
{
    (void)state;
    assert_inserted("{\"clients\": [\n  {} /* a\n b */\n]}",
                    "{\"clients\": [\n  {},\n  {NEW} /* a\n b */\n]}");
    assert_inserted("{\"clients\": [{} /* a */ /* b\n */ ]}",
                    "{\"clients\": [{}, {NEW} /* a */ /* b\n */ ]}");
}

static void a_missing_list_is_made(void **state)
{
    (void)state;
    assert_inserted("{\n    \"a\": 1 // one\n}\n",
                    "{\n    \"a\": 1, // one\n    \"clients\": [\n      {NEW}\n    ]\n}\n");
    assert_inserted("{\"a\": {\"clients\": []}}",
                    "{\"a\": {\"clients\": []}, \"clients\": [\n    {NEW}\n  ]}");
    assert_inserted("{}", "{\n  \"clients\": [\n    {NEW}\n  ]\n}");
}

static void what_has_no_place_for_clients_is_refused(void **state)
{
    static const char *const texts[] = {"[]", "5", "{\"clients\": {}}", "{\"clients\": null}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct source source;
        struct buffer out;

        buffer_init(&out, 4096);
        assert_int_equal(source_read(&source, bytes_of_string(texts[i]), NULL), RESULT_OK);
        assert_int_equal(insert_client(&source, bytes_of_string(texts[i]), BYTES("{}"), &out),
                         RESULT_INVALID);
        assert_int_equal(out.length, 0);
        buffer_finish(&out);
        source_finish(&source);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    static const char text[] = "{\"clients\": []}";
    struct source source;
    struct buffer out;

    (void)state;
    buffer_init(&out, sizeof(text));
    assert_int_equal(source_read(&source, bytes_of_string(text), NULL), RESULT_OK);
    assert_int_equal(insert_client(&source, bytes_of_string(text), BYTES("{\"a\": 1}"), &out),
                     RESULT_LIMIT);
    buffer_finish(&out);
    source_finish(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_gets_lines_of_its_own),
        cmocka_unit_test(the_new_one_comes_last_and_comments_stay_where_they_belong),
        cmocka_unit_test(a_comment_of_several_lines_behind_the_last_is_not_broken),
        cmocka_unit_test(a_missing_list_is_made),
        cmocka_unit_test(what_has_no_place_for_clients_is_refused),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests_name("config/insert", tests, NULL, NULL);
}
