/* Methods, field lines and lists (RFC 9110 §5, §9.1, §15). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/message.h"

static void assert_bytes(struct bytes got, struct bytes wanted)
{
    assert_int_equal(got.length, wanted.length);
    if (wanted.length > 0)
        assert_memory_equal(got.data, wanted.data, wanted.length);
}

static void methods_are_case_sensitive(void **state)
{
    (void)state;
    for (enum http_method method = METHOD_GET; method < METHOD_OTHER; method++)
        assert_int_equal(http_method_of(bytes_of_string(http_method_name(method))), method);
    assert_int_equal(http_method_of(BYTES("get")), METHOD_OTHER);
    assert_int_equal(http_method_of(BYTES("OTHER")), METHOD_OTHER);
    assert_int_equal(http_method_of(BYTES("")), METHOD_OTHER);
    assert_string_equal(http_method_name(METHOD_OTHER), "OTHER");
}

static void only_get_head_and_options_are_safe(void **state)
{
    (void)state;
    for (enum http_method method = METHOD_GET; method < METHOD_COUNT; method++)
        assert_int_equal(http_method_is_safe(method),
                         method == METHOD_GET || method == METHOD_HEAD || method == METHOD_OPTIONS);
}

static void statuses_have_reasons_and_some_have_no_body(void **state)
{
    (void)state;
    assert_string_equal(http_reason(200), "OK");
    assert_string_equal(http_reason(431), "Request Header Fields Too Large");
    assert_string_equal(http_reason(299), "Unknown");
    assert_true(http_status_has_no_body(100) && http_status_has_no_body(199));
    assert_true(http_status_has_no_body(204) && http_status_has_no_body(304));
    assert_false(http_status_has_no_body(200) || http_status_has_no_body(205));
}

static void field_lines_keep_their_order_and_compare_without_case(void **state)
{
    struct arena arena;
    struct fields fields = {0};

    (void)state;
    arena_init(&arena, 1024);
    assert_null(fields_find(&fields, BYTES("accept")));
    assert_bytes(fields_joined(&fields, &arena, BYTES("accept")), BYTES(""));
    fields_add(&fields, &arena, BYTES("Accept"), BYTES("a"));
    fields_add(&fields, &arena, BYTES("Host"), BYTES("h"));
    fields_add(&fields, &arena, BYTES("ACCEPT"), BYTES("b, c"));
    assert_int_equal(fields_count(&fields, BYTES("accept")), 2);
    assert_bytes(fields_find(&fields, BYTES("accept"))->value, BYTES("a"));
    assert_bytes(fields_joined(&fields, &arena, BYTES("accept")), BYTES("a, b, c"));
    assert_true(fields_list_has(&fields, BYTES("Accept"), BYTES("C")));
    assert_false(fields_list_has(&fields, BYTES("Accept"), BYTES("d")));
    fields_remove(&fields, BYTES("aCCept"));
    assert_int_equal(fields.count, 1);
    assert_bytes(fields.lines[0].name, BYTES("Host"));
    arena_finish(&arena);
}

static void field_lines_grow_beyond_their_first_room(void **state)
{
    struct arena arena;
    struct fields fields = {0};

    (void)state;
    arena_init(&arena, 256);
    for (unsigned i = 0; i < HTTP_FIELDS_LIMIT; i++)
        fields_add(&fields, &arena, BYTES("n"), arena_format(&arena, "%u", i));
    assert_int_equal(fields.count, HTTP_FIELDS_LIMIT);
    for (unsigned i = 0; i < HTTP_FIELDS_LIMIT; i++)
        assert_bytes(fields.lines[i].value, arena_format(&arena, "%u", i));
    arena_finish(&arena);
}

static void lists_skip_empty_members_and_keep_quoted_strings(void **state)
{
    struct bytes list = BYTES(", a ,,\tb=\"x, \\\" y\" , c,");
    struct bytes member;

    (void)state;
    assert_true(list_next(&list, &member));
    assert_bytes(member, BYTES("a"));
    assert_true(list_next(&list, &member));
    assert_bytes(member, BYTES("b=\"x, \\\" y\""));
    assert_true(list_next(&list, &member));
    assert_bytes(member, BYTES("c"));
    assert_false(list_next(&list, &member));

    list = BYTES("\"open, \\");
    assert_true(list_next(&list, &member));
    assert_bytes(member, BYTES("\"open, \\"));
    assert_false(list_next(&list, &member));
}

static void tokens_and_field_values_are_told_from_other_bytes(void **state)
{
    (void)state;
    assert_true(http_is_token(BYTES("X-A.b_c~1!#$%&'*+^`|")));
    assert_false(http_is_token(BYTES("")));
    assert_false(http_is_token(BYTES("a b")) || http_is_token(BYTES("a:")));
    assert_false(http_is_token(BYTES("a\0")) || http_is_token(BYTES("\xe9")));
    assert_true(http_is_field_value(BYTES("a\tb \xff")));
    assert_true(http_is_field_value(BYTES("")));
    assert_false(http_is_field_value(BYTES("a\rb")) || http_is_field_value(BYTES("a\nb")));
    assert_false(http_is_field_value(BYTES("a\0b")) || http_is_field_value(BYTES("\x7f")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_are_case_sensitive),
        cmocka_unit_test(only_get_head_and_options_are_safe),
        cmocka_unit_test(statuses_have_reasons_and_some_have_no_body),
        cmocka_unit_test(field_lines_keep_their_order_and_compare_without_case),
        cmocka_unit_test(field_lines_grow_beyond_their_first_room),
        cmocka_unit_test(lists_skip_empty_members_and_keep_quoted_strings),
        cmocka_unit_test(tokens_and_field_values_are_told_from_other_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
