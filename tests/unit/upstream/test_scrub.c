/* The token cut out of answers, in every spelling, however the bytes arrive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "upstream/scrub.h"
#include "upstream/spelling.h"

/* Scrubs in parts of `part` bytes and compares. */
static void check_parts(struct bytes token, struct bytes text, struct bytes wanted, size_t part,
                        uint64_t wanted_count)
{
    struct scrub scrub;
    struct buffer out;

    buffer_init(&out, 10000000);
    scrub_begin(&scrub, token);
    for (struct bytes rest = text; rest.length > 0; rest = bytes_from(rest, part))
        scrub_feed(&scrub, bytes_slice(rest, 0, part), &out);
    scrub_end(&scrub, &out);
    assert_false(out.failed);
    if (!bytes_equal(buffer_bytes(&out), wanted))
        fail_msg("in parts of %zu: \"%.*s\" became \"%.*s\"", part, (int)text.length, text.data,
                 (int)out.length, out.data);
    assert_int_equal(scrub.found_count, wanted_count);
    scrub_finish(&scrub);
    buffer_finish(&out);
}

static void check(struct bytes token, struct bytes text, struct bytes wanted, uint64_t count)
{
    struct arena arena;

    for (size_t part = 1; part <= text.length + 1; part++)
        check_parts(token, text, wanted, part, count);
    arena_init(&arena, 1024);
    assert_true(bytes_equal(scrub_whole(&arena, token, text), wanted));
    arena_finish(&arena);
}

static void every_spelling_is_found(void **state)
{
    static const struct {
        struct bytes token, text, wanted;
    } rows[] = {
        {BYTES("to/k"), BYTES("a to/k b"), BYTES("a **** b")},
        {BYTES("to/k"), BYTES("to%2Fk"), BYTES("******")},
        {BYTES("to/k"), BYTES("%74%6f%2f%6B"), BYTES("************")},
        {BYTES("to/k"), BYTES("to%252fk"), BYTES("********")},
        {BYTES("to/k"), BYTES("%2574o/k"), BYTES("********")},
        {BYTES("to/k"), BYTES("\"to\\/k\""), BYTES("\"*****\"")},
        {BYTES("to/k"), BYTES("t\\u006F\\u002fk"), BYTES("**************")},
        {BYTES("to/k"), BYTES("t&#111;&#x2F;&#x6b;"), BYTES("*******************")},
        {BYTES("to/k"), BYTES("t&#0000111;&#X00002f;k"), BYTES("**********************")},
        {BYTES("t\"\\k"), BYTES("t\\\"\\\\k"), BYTES("******")},
        {BYTES("t\"\\k"), BYTES("t&quot;\\k"), BYTES("*********")},
        {BYTES("<&>'"), BYTES("&lt;&amp;&gt;&apos;"), BYTES("*******************")},
        {BYTES("<&>'"), BYTES("&LT;&#38;&gt;'"), BYTES("**************")},
        {BYTES("to/k"), BYTES("%74\\u006f&#47;%256b"), BYTES("*******************")}, /* mixed */
        {BYTES("t\xe9"), BYTES("t%E9 t\\u00e9 t&#233; t\xe9"), BYTES("**** ******* ******* **")},
        {BYTES("k"), BYTES("k%6b."), BYTES("****.")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint64_t count = rows[i].token.length == 2 ? 4 : rows[i].token.length == 1 ? 2 : 1;

        check(rows[i].token, rows[i].text, rows[i].wanted, count);
    }
}

static void other_text_stays_byte_for_byte(void **state)
{
    static const struct bytes texts[] = {
        BYTES(""),
        BYTES("nothing of it"),
        BYTES("tok ok/ to / k"),
        BYTES("TO/K"),
        BYTES("to%2 Fk to%2"),
        BYTES("to\\u02fk to\\U002fk \\u"),
        BYTES("to&#47k to&sol;k to&#x2g;k to&#47"),
        BYTES("to&#00000047;k to&#x000002f;k"), /* more zeros than any encoder writes */
        BYTES("to\\u012fk"),                    /* another character */
        BYTES("to&#303;k"),
        BYTES("%%%\\&&&amp;\\\\%25%25"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        check(BYTES("to/k"), texts[i], texts[i], 0);
}

static void a_failed_beginning_hides_nothing(void **state)
{
    (void)state;
    check(BYTES("aaab"), BYTES("aaaab"), BYTES("a****"), 1);
    check(BYTES("abab"), BYTES("abacabab"), BYTES("abac****"), 1);
    check(BYTES("abac"), BYTES("ababac"), BYTES("ab****"), 1);
    check(BYTES("aab"), BYTES("%61%61a%61b"), BYTES("%61%61*****"), 1);
    check(BYTES("abcd"), BYTES("abcabcd"), BYTES("abc****"), 1);
    check(BYTES("abcd"), BYTES("%61b&#9%61bcd"), BYTES("%61b&#9******"), 1);
}

static void overlapping_occurrences_all_go(void **state)
{
    (void)state;
    check(BYTES("aaaa"), BYTES("xaaaaaay"), BYTES("x******y"), 3);
    check(BYTES("abab"), BYTES("ababab"), BYTES("******"), 2);
    check(BYTES("abcd"), BYTES("abcdabcd"), BYTES("********"), 2);
}

static void a_token_that_looks_like_escapes_is_found(void **state)
{
    (void)state;
    check(BYTES("%41b"), BYTES("%41b %2541b %25%34%31b Ab"), BYTES("**** ****** ********** Ab"), 3);
    check(BYTES("41b"), BYTES("%41b"), BYTES("%***"), 1); /* begins inside an escape */
    check(BYTES("1AA"), BYTES("%41%41%41"), BYTES("%4*******"), 1);
    check(BYTES("%25%"), BYTES("%25%25%25"), BYTES("*********"), 4);
    check(BYTES("\\\\u"), BYTES("\\\\\\\\u"), BYTES("*****"), 1);
    check(BYTES("&amp;"), BYTES("&amp;amp; &amp;"), BYTES("********* *****"), 3);
}

static void short_and_empty_tokens_do_no_harm(void **state)
{
    (void)state;
    check(bytes_of(NULL, 0), BYTES("a%41\\&"), BYTES("a%41\\&"), 0);
    check(BYTES("%"), BYTES("a%25%"), BYTES("a****"), 3); /* '%' and "%25" of it, and '%' */
    check(BYTES("a"), BYTES("banana"), BYTES("b*n*n*"), 3);
    check(BYTES("ab"), BYTES("aab%61b"), BYTES("a******"), 2);
}

static void only_a_beginning_is_held_back(void **state)
{
    struct scrub scrub;
    struct buffer out;

    (void)state;
    buffer_init(&out, 1000);
    scrub_begin(&scrub, BYTES("secret"));
    scrub_feed(&scrub, BYTES("data: one\n\nse"), &out);
    assert_int_equal(out.length, 11);
    scrub_feed(&scrub, BYTES("nd\n\n"), &out);
    assert_int_equal(out.length, 17);
    scrub_feed(&scrub, BYTES("100%"), &out);
    assert_int_equal(out.length, 20);
    scrub_feed(&scrub, BYTES(" and secre"), &out);
    assert_int_equal(out.length, 26);
    scrub_feed(&scrub, BYTES("t"), &out);
    assert_int_equal(out.length, 32);
    scrub_feed(&scrub, BYTES("secre"), &out);
    scrub_end(&scrub, &out);
    assert_true(
        bytes_equal(buffer_bytes(&out), BYTES("data: one\n\nsend\n\n100% and ******secre")));
    scrub_finish(&scrub);
    buffer_finish(&out);
}

static void the_longest_token_in_its_longest_spelling_is_found(void **state)
{
    enum { TEXT_BYTES = SCRUB_TOKEN_LIMIT_BYTES * SPELLING_LIMIT_BYTES };
    char *const token = memory_take(SCRUB_TOKEN_LIMIT_BYTES, 1);
    char *const text = memory_take(TEXT_BYTES + 1, 1);
    char *const stars = memory_take(TEXT_BYTES, 1);

    (void)state;
    for (size_t i = 0; i < SCRUB_TOKEN_LIMIT_BYTES; i++) {
        const unsigned byte = 'A' + (unsigned)(i * i % 57);

        token[i] = (char)byte;
        (void)snprintf(text + i * SPELLING_LIMIT_BYTES, SPELLING_LIMIT_BYTES + 1, "&#%07u;", byte);
    }
    memset(stars, '*', TEXT_BYTES);
    for (size_t part = 1000; part < TEXT_BYTES; part *= 7)
        check_parts(bytes_of(token, SCRUB_TOKEN_LIMIT_BYTES), bytes_of(text, TEXT_BYTES),
                    bytes_of(stars, TEXT_BYTES), part, 1);
    free(token);
    free(text);
    free(stars);
}

static void parts_larger_than_a_step_are_one_stream(void **state)
{
    enum { TEXT_BYTES = 200000, STEP = 65536 };
    char *const text = memory_take(TEXT_BYTES, 1);
    char *const wanted = memory_take(TEXT_BYTES, 1);

    (void)state;
    memset(text, 'x', TEXT_BYTES);
    memcpy(text + STEP - 3, "s%65cret", 8);
    memcpy(text + TEXT_BYTES - 6, "secret", 6);
    memcpy(wanted, text, TEXT_BYTES);
    memset(wanted + STEP - 3, '*', 8);
    memset(wanted + TEXT_BYTES - 6, '*', 6);
    check_parts(BYTES("secret"), bytes_of(text, TEXT_BYTES), bytes_of(wanted, TEXT_BYTES),
                TEXT_BYTES, 2);
    free(text);
    free(wanted);
}

static void text_without_the_token_is_borrowed(void **state)
{
    const struct bytes text = BYTES("some se text%41");
    struct arena arena;

    (void)state;
    arena_init(&arena, 1024);
    assert_ptr_equal(scrub_whole(&arena, BYTES("secret"), text).data, text.data);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_is_found),
        cmocka_unit_test(other_text_stays_byte_for_byte),
        cmocka_unit_test(a_failed_beginning_hides_nothing),
        cmocka_unit_test(overlapping_occurrences_all_go),
        cmocka_unit_test(a_token_that_looks_like_escapes_is_found),
        cmocka_unit_test(short_and_empty_tokens_do_no_harm),
        cmocka_unit_test(only_a_beginning_is_held_back),
        cmocka_unit_test(the_longest_token_in_its_longest_spelling_is_found),
        cmocka_unit_test(parts_larger_than_a_step_are_one_stream),
        cmocka_unit_test(text_without_the_token_is_borrowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
