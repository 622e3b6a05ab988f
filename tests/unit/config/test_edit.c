/* Changing a text that somebody wrote by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/edit.h"

static void assert_inserted(const char *before, const char *after)
{
    struct source source;
    struct buffer out;

    buffer_init(&out, 4096);
    assert_int_equal(source_read(&source, bytes_of_string(before), NULL), RESULT_OK);
    assert_int_equal(edit_add_client(&source, bytes_of_string(before), BYTES("{NEW}"), &out),
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
        assert_int_equal(edit_add_client(&source, bytes_of_string(texts[i]), BYTES("{}"), &out),
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
    assert_int_equal(edit_add_client(&source, bytes_of_string(text), BYTES("{\"a\": 1}"), &out),
                     RESULT_LIMIT);
    buffer_finish(&out);
    source_finish(&source);
}

/* The value at "/a/x" or, where that is none, at "/0" of the outermost array. */
static const cJSON *item_of(const struct source *source)
{
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(source->root, "a");
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(inner, "x");

    if (item == NULL)
        item = cJSON_GetArrayItem(source->root, 1);
    assert_non_null(item);
    return item;
}

static void assert_removed(const char *before, const char *after)
{
    struct source source, again;
    struct buffer out;

    buffer_init(&out, 4096);
    assert_int_equal(source_read(&source, bytes_of_string(before), NULL), RESULT_OK);
    assert_int_equal(edit_remove(&source, bytes_of_string(before), item_of(&source), &out),
                     RESULT_OK);
    assert_int_equal(source_read(&again, buffer_bytes(&out), NULL), RESULT_OK);
    buffer_add_byte(&out, '\0');
    assert_string_equal(out.data, after);
    buffer_finish(&out);
    source_finish(&source);
    source_finish(&again);
}

static void a_value_goes_with_one_comma(void **state)
{
    (void)state;
    assert_removed("[1, 2, 3]", "[1, 3]");
    assert_removed("[1,2,3]", "[1,3]");
    assert_removed("[1, 2]", "[1]");
    assert_removed("[1 , 2 ]", "[1 ]");
    assert_removed("{\"a\": {\"x\": {\"y\": [1, {}]}}}", "{\"a\": {}}");
    assert_removed("{\"a\": {\"x\": 1, \"y\": 2}}", "{\"a\": {\"y\": 2}}");
    assert_removed("{\"a\": {\"w\": 1, \"x\" : \",\"}}", "{\"a\": {\"w\": 1}}");
}

static void lines_that_become_empty_go_whole(void **state)
{
    (void)state;
    assert_removed("[\n  1,\n  {\n    \"b\": 1\n  },\n  3\n]", "[\n  1,\n  3\n]");
    assert_removed("[\n  1,\n  2\n]", "[\n  1\n]");
    assert_removed("[\r\n  1,\r\n  2,\r\n  3\r\n]", "[\r\n  1,\r\n  3\r\n]");
    assert_removed("[\n  1\n, 2\n, 3]", "[\n  1\n, \n 3]");
    assert_removed("{\"a\": {\n  \"x\": 1, \"y\": 2\n}}", "{\"a\": {\n  \"y\": 2\n}}");
}

static void comments_stay(void **state)
{
    (void)state;
    assert_removed("[1, /* a */ 2 /* b, */, // c\n 3]", "[1, /* a */ /* b, */ // c\n 3]");
    assert_removed("[\n  1, // one, \n  2 // two\n]", "[\n  1 // one, \n  // two\n]");
    assert_removed("[\n  1,\n  // two\n  2,\n  3\n]", "[\n  1,\n  // two\n  3\n]");
    assert_removed("[1 /* , */, /* b */ 2]", "[1 /* , */ /* b */ ]");
}

static void assert_set(const char *before, const char *name, const char *after)
{
    struct source source;
    struct buffer out;

    buffer_init(&out, 4096);
    assert_int_equal(source_read(&source, bytes_of_string(before), NULL), RESULT_OK);
    assert_int_equal(edit_set(&source, bytes_of_string(before), cJSON_GetArrayItem(source.root, 0),
                              &(struct edit_member){name, BYTES("NEW")}, &out),
                     RESULT_OK);
    buffer_add_byte(&out, '\0');
    assert_string_equal(out.data, after);
    buffer_finish(&out);
    source_finish(&source);
}

static void a_member_gets_another_value_in_its_place(void **state)
{
    (void)state;
    assert_set("[{\"x\": 1, \"y\": 2}]", "x", "[{\"x\": NEW, \"y\": 2}]");
    assert_set("[{\"x\": 1, \"y\" /* c */ : [\n2] // d\n}]", "y",
               "[{\"x\": 1, \"y\" /* c */ : NEW // d\n}]");
}

static void a_member_that_is_not_there_becomes_the_last(void **state)
{
    (void)state;
    assert_set("[{\"x\": 1}]", "y", "[{\"x\": 1, \"y\": NEW}]");
    assert_set("[{\n  \"x\": 1 // one\n}, {}]", "y",
               "[{\n  \"x\": 1, // one\n  \"y\": NEW\n}, {}]");
    assert_set("[{}]", "y", "[{\n  \"y\": NEW\n}]");
}

static void what_does_not_fit_is_refused_in_every_edit(void **state)
{
    static const char text[] = "[1, {\"x\": 1}]";
    struct source source;
    struct buffer out;

    (void)state;
    assert_int_equal(source_read(&source, bytes_of_string(text), NULL), RESULT_OK);
    const cJSON *object = cJSON_GetArrayItem(source.root, 1);
    buffer_init(&out, sizeof(text));
    assert_int_equal(edit_set(&source, bytes_of_string(text), object,
                              &(struct edit_member){"x", BYTES("\"longer\"")}, &out),
                     RESULT_LIMIT);
    buffer_finish(&out);
    buffer_init(&out, 2);
    assert_int_equal(edit_remove(&source, bytes_of_string(text), object, &out), RESULT_LIMIT);
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
        cmocka_unit_test(a_value_goes_with_one_comma),
        cmocka_unit_test(lines_that_become_empty_go_whole),
        cmocka_unit_test(comments_stay),
        cmocka_unit_test(a_member_gets_another_value_in_its_place),
        cmocka_unit_test(a_member_that_is_not_there_becomes_the_last),
        cmocka_unit_test(what_does_not_fit_is_refused_in_every_edit),
    };

    return cmocka_run_group_tests_name("config/edit", tests, NULL, NULL);
}
