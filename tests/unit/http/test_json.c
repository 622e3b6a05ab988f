/* JSON strings from any bytes (RFC 8259 §7, RFC 3629 §4), and the problem bodies made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/json.h"
#include "http/problem.h"

static const struct {
    struct bytes text, escaped;
} rows[] = {
    {BYTES(""), BYTES("")},
    {BYTES("plain ~ text"), BYTES("plain ~ text")},
    {BYTES("say \"no\" \\ yes"), BYTES("say \\\"no\\\" \\\\ yes")},
    {BYTES("\b\f\n\r\t"), BYTES("\\b\\f\\n\\r\\t")},
    {BYTES("\0\x1f\x7f"), BYTES("\\u0000\\u001f\x7f")},
    {BYTES("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), BYTES("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")},
    {BYTES("\xc0\xaf"), BYTES("\xef\xbf\xbd\xef\xbf\xbd")},                 /* overlong */
    {BYTES("\xed\xa0\x80"), BYTES("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")}, /* a surrogate */
    {BYTES("\xf4\x90\x80\x80"),
     BYTES("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")}, /* above U+10FFFF */
    {BYTES("\xe2\x82"), BYTES("\xef\xbf\xbd\xef\xbf\xbd")},      /* cut short */
    {BYTES("\xe2\x82x"), BYTES("\xef\xbf\xbd\xef\xbf\xbdx")},
    {BYTES("a\xffz"), BYTES("a\xef\xbf\xbdz")},
};

static void assert_bytes(struct bytes got, struct bytes wanted)
{
    assert_int_equal(got.length, wanted.length);
    if (wanted.length > 0)
        assert_memory_equal(got.data, wanted.data, wanted.length);
}

static void any_bytes_become_a_valid_string(void **state)
{
    struct buffer buffer;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        buffer_init(&buffer, 1000);
        json_escape(&buffer, rows[i].text);
        assert_false(buffer.failed);
        assert_bytes(buffer_bytes(&buffer), rows[i].escaped);
        buffer_finish(&buffer);
    }
}

static void long_texts_are_not_cut_inside_a_character(void **state)
{
    struct arena arena;
    struct buffer buffer;
    char text[4096];

    (void)state;
    arena_init(&arena, 4096);
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 <= sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 3);
        const struct bytes whole = bytes_of(text, shift + (sizeof(text) - shift) / 3 * 3);
        buffer_init(&buffer, 100000);
        json_escape(&buffer, whole);
        assert_bytes(buffer_bytes(&buffer), whole);
        buffer_finish(&buffer);
    }
    memset(text, 0x80, sizeof(text)); /* nothing but broken sequences */
    buffer_init(&buffer, 100000);
    json_escape(&buffer, bytes_of(text, sizeof(text)));
    assert_int_equal(buffer.length, 3 * sizeof(text));
    buffer_finish(&buffer);
    arena_finish(&arena);
}

static void what_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
    struct buffer buffer;
    char text[4096];

    (void)state;
    memset(text, 'x', sizeof(text));
    buffer_init(&buffer, 2500); /* room for the first part of it */
    buffer_add(&buffer, BYTES("abc"));
    json_escape(&buffer, bytes_of(text, sizeof(text)));
    assert_true(buffer.failed);
    assert_bytes(buffer_bytes(&buffer), BYTES("abc"));
    buffer_finish(&buffer);
}

static void a_problem_says_type_title_status_detail_and_request(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 1024);
    assert_bytes(problem_body(&arena, 403, BYTES(""), BYTES("not \"allowed\""), BYTES("id-1")),
                 BYTES("{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,"
                       "\"detail\":\"not \\\"allowed\\\"\",\"request_id\":\"id-1\"}\n"));
    assert_bytes(problem_body(&arena, 503, BYTES("Too busy"), BYTES(""), BYTES("")),
                 BYTES("{\"type\":\"about:blank\",\"title\":\"Too busy\",\"status\":503}\n"));
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_become_a_valid_string),
        cmocka_unit_test(long_texts_are_not_cut_inside_a_character),
        cmocka_unit_test(what_does_not_fit_leaves_the_buffer_as_it_was),
        cmocka_unit_test(a_problem_says_type_title_status_detail_and_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
