/* JSON with comments, and where its values stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "config/source.h"

static void assert_refused(const char *text, unsigned line, const char *words)
{
    struct source source;
    struct error error = {0};

    if (source_read(&source, bytes_of_string(text), &error) != RESULT_INVALID)
        fail_msg("%s was read", text);
    if (error.line != line || strstr(error.text, words) == NULL)
        fail_msg("%s: line %u: %s", text, error.line, error.text);
    source_finish(&source);
}

static void values_are_located_by_line_and_pointer(void **state)
{
    static const char text[] = "// first\n"
                               "{ /* two\n"
                               "lines */ \"a\": [1,\n"
                               "  {\"b/c~d\": \"// no comment\"}],\n"
                               "  \"e\":\n"
                               "    null\n"
                               "}\n";
    struct source source;
    struct error error = {0};

    (void)state;
    assert_int_equal(source_read(&source, bytes_of_string(text), NULL), RESULT_OK);
    const cJSON *a = source.root->child, *b = a->child->next->child, *e = a->next;
    source_locate(&source, source.root, &error);
    assert_string_equal(error.pointer, "");
    assert_int_equal(error.line, 2);
    source_locate(&source, b, &error);
    assert_string_equal(error.pointer, "/a/1/b~1c~0d");
    assert_int_equal(error.line, 4);
    assert_string_equal(b->valuestring, "// no comment");
    source_locate(&source, e, &error);
    assert_string_equal(error.pointer, "/e");
    assert_int_equal(error.line, 5); /* of the name */
    assert_memory_equal(text + source_place(&source, e)->start, "null", 4);
    assert_memory_equal(text + source_place(&source, a)->end, ",\n  \"e\"", 7);
    source_finish(&source);
}

static void a_pointer_that_is_too_long_keeps_its_end(void **state)
{
    char text[512];
    struct source source;
    struct error error = {0};

    (void)state;
    (void)snprintf(text, sizeof(text), "{\"%0200d\": {\"end\": 1}}", 0);
    assert_int_equal(source_read(&source, bytes_of_string(text), NULL), RESULT_OK);
    source_locate(&source, source.root->child->child, &error);
    assert_int_equal(strlen(error.pointer), sizeof(error.pointer) - 1);
    assert_true(bytes_ends_with(bytes_of_string(error.pointer), BYTES("0/end")));
    source_finish(&source);
}

static void what_is_not_json_is_refused_where_it_stands(void **state)
{
    (void)state;
    assert_refused("", 1, "the file ends");
    assert_refused("{\n\"a\": 1,\n}", 3, "take out the comma");
    assert_refused("[1,\n]", 2, "take out the comma");
    assert_refused("{\"a\" 1}", 1, "colon");
    assert_refused("{'a': 1}", 1, "double quotes");
    assert_refused("{\"a\": 1 \"b\": 2}", 1, "comma or }");
    assert_refused("[1 2]", 1, "comma or ]");
    assert_refused("{\"a\": \"x\n\"}", 1, "not closed");
    assert_refused("{\"a\": \"\t\"}", 1, "control byte");
    assert_refused("[\"\\x\"]", 1, "escape");
    assert_refused("[\"\\u12\"]", 1, "hexadecimal");
    assert_refused("[\"\\u0000\"]", 1, "0000");
    assert_refused("[\"\\ud800x\"]", 1, "surrogate");
    assert_refused("[\"\\udc00\\udc00\"]", 1, "surrogate");
    assert_refused("[01]", 1, "number");
    assert_refused("[1.]", 1, "number");
    assert_refused("[-]", 1, "number");
    assert_refused("[1e]", 1, "number");
    assert_refused("[11111111112222222222333333333344444444445]", 1, "number");
    assert_refused("[tru]", 1, "expects a value");
    assert_refused("{} x", 1, "end of the file");
    assert_refused("{}\n/* never ends", 2, "no end");
    assert_refused("{", 1, "member's name");
    assert_refused("[\"\xC0\x80\"]", 1, "UTF-8");
    assert_refused("[\"\xED\xA0\x80\"]", 1, "UTF-8");
    assert_refused("[\"\xF5\x80\x80\x80\"]", 1, "UTF-8");
    assert_refused("[\"\xE2\x82\"]", 1, "UTF-8");
}

static void good_json_is_read(void **state)
{
    static const char *const texts[] = {
        "\xEF\xBB\xBF{}",
        "[1, -0, 0.5, 1e5, 1E+5, -1.25e-3]",
        "\"\\ud83d\\ude00 \xF0\x9F\x98\x80\"",
        " \t\r\n[ ] // end",
        "/**/true/***/",
        "[\"\\\"/*\", \"//\"]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct source source;
        struct error error = {0};

        if (source_read(&source, bytes_of_string(texts[i]), &error) != RESULT_OK)
            fail_msg("%s: %s", texts[i], error.text);
        source_finish(&source);
    }
}

static void depth_is_bounded(void **state)
{
    char text[4 * SOURCE_DEPTH_LIMIT];

    (void)state;
    memset(text, '[', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_refused(text, 1, "too deeply");
}

static void a_nul_byte_is_no_white_space(void **state)
{
    struct source source;

    (void)state;
    assert_int_equal(source_read(&source, bytes_of("{}\0", 3), NULL), RESULT_INVALID);
    source_finish(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_located_by_line_and_pointer),
        cmocka_unit_test(a_pointer_that_is_too_long_keeps_its_end),
        cmocka_unit_test(what_is_not_json_is_refused_where_it_stands),
        cmocka_unit_test(good_json_is_read),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(a_nul_byte_is_no_white_space),
    };

    return cmocka_run_group_tests_name("config/source", tests, NULL, NULL);
}
