/* Borrowed bytes: comparing, searching, cutting, numbers and hexadecimal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"

static void empty_bytes_are_equal_whatever_they_point_at(void **state)
{
    (void)state;
    assert_true(bytes_equal((struct bytes){0}, BYTES("")));
    assert_true(bytes_equal(BYTES("a\0b"), BYTES("a\0b")));
    assert_false(bytes_equal(BYTES("a\0b"), BYTES("a\0c")));
    assert_false(bytes_equal(BYTES("ab"), BYTES("abc")));
}

static void only_ascii_letters_have_a_case(void **state)
{
    (void)state;
    assert_true(bytes_equal_nocase(BYTES("Content-TYPE"), BYTES("cONTENT-type")));
    assert_false(bytes_equal_nocase(BYTES("["), BYTES("{")));
    assert_false(bytes_equal_nocase(BYTES("@"), BYTES("`")));
    assert_false(bytes_equal_nocase(BYTES("\xc4"), BYTES("\xe4")));
    assert_false(bytes_equal_nocase(BYTES("a"), BYTES("ab")));
    assert_true(bytes_equal_nocase((struct bytes){0}, BYTES("")));
}

static void slices_never_leave_their_bytes(void **state)
{
    const struct bytes text = BYTES("abcdef");

    (void)state;
    assert_true(bytes_equal(bytes_slice(text, 2, 3), BYTES("cde")));
    assert_true(bytes_equal(bytes_slice(text, 4, SIZE_MAX), BYTES("ef")));
    assert_int_equal(bytes_slice(text, 7, 1).length, 0);
    assert_int_equal(bytes_slice(text, SIZE_MAX, SIZE_MAX).length, 0);
    assert_true(bytes_equal(bytes_from(text, 5), BYTES("f")));
    assert_null(bytes_from((struct bytes){0}, 3).data);
}

static void starts_and_ends_are_found(void **state)
{
    (void)state;
    assert_true(bytes_starts_with(BYTES("abc"), BYTES("ab")));
    assert_true(bytes_starts_with(BYTES("abc"), BYTES("")));
    assert_false(bytes_starts_with(BYTES("a"), BYTES("ab")));
    assert_true(bytes_ends_with(BYTES("abc"), BYTES("bc")));
    assert_false(bytes_ends_with(BYTES("c"), BYTES("bc")));
    assert_false(bytes_ends_with(BYTES("abc"), BYTES("ab")));
}

static void numbers_are_written_with_the_digits_asked_for(void **state)
{
    static const struct {
        uint64_t number;
        size_t digits;
        const char *text;
    } rows[] = {{0, 1, "0"},
                {0, 3, "000"},
                {7, 2, "07"},
                {1234, 2, "1234"},
                {UINT64_MAX, 1, "18446744073709551615"},
                {1, NUMBER_DIGITS, "00000000000000000001"}};
    char text[NUMBER_DIGITS];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(bytes_equal(bytes_of(text, number_write(rows[i].number, rows[i].digits, text)),
                                bytes_of_string(rows[i].text)));
}

static void what_is_nowhere_is_at_the_length(void **state)
{
    (void)state;
    assert_int_equal(bytes_index(BYTES("abcb"), 'b'), 1);
    assert_int_equal(bytes_index(BYTES("abc"), 'x'), 3);
    assert_int_equal(bytes_index((struct bytes){0}, 'x'), 0);
    assert_int_equal(bytes_find(BYTES("abcabd"), BYTES("abd")), 3);
    assert_int_equal(bytes_find(BYTES("abc"), BYTES("abcd")), 3);
    assert_int_equal(bytes_find(BYTES("abc"), BYTES("")), 0);
    assert_int_equal(bytes_find((struct bytes){0}, BYTES("a")), 0);
}

/* RFC 9110 §5.6.3: OWS is spaces and tabs, nothing else. */
static void trimming_takes_spaces_and_tabs_only(void **state)
{
    (void)state;
    assert_true(bytes_equal(bytes_trim(BYTES(" \t a b\t ")), BYTES("a b")));
    assert_true(bytes_equal(bytes_trim(BYTES("\ra\n")), BYTES("\ra\n")));
    assert_int_equal(bytes_trim(BYTES(" \t ")).length, 0);
    assert_int_equal(bytes_trim((struct bytes){0}).length, 0);
}

static void cutting_walks_through_a_list_to_its_end(void **state)
{
    struct bytes rest = BYTES("a,,b");

    (void)state;
    assert_true(bytes_equal(bytes_cut(&rest, ','), BYTES("a")));
    assert_int_equal(bytes_cut(&rest, ',').length, 0);
    assert_true(bytes_equal(rest, BYTES("b")));
    assert_true(bytes_equal(bytes_cut(&rest, ','), BYTES("b")));
    assert_int_equal(rest.length, 0);
    assert_int_equal(bytes_cut(&rest, ',').length, 0);
}

static void numbers_have_no_sign_space_rest_or_overflow(void **state)
{
    static const struct {
        struct bytes text;
        uint64_t maximum;
        enum result result;
        uint64_t number;
    } rows[] = {
        {BYTES("0"), 0, RESULT_OK, 0},
        {BYTES("00042"), 42, RESULT_OK, 42},
        {BYTES("43"), 42, RESULT_LIMIT, 0},
        {BYTES("18446744073709551615"), UINT64_MAX, RESULT_OK, UINT64_MAX},
        {BYTES("18446744073709551616"), UINT64_MAX, RESULT_LIMIT, 0},
        {BYTES("99999999999999999999999"), UINT64_MAX, RESULT_LIMIT, 0},
        {BYTES("99999999999999999999999x"), UINT64_MAX, RESULT_INVALID, 0},
        {BYTES(""), 9, RESULT_INVALID, 0},
        {BYTES("+1"), 9, RESULT_INVALID, 0},
        {BYTES("-1"), 9, RESULT_INVALID, 0},
        {BYTES(" 1"), 9, RESULT_INVALID, 0},
        {BYTES("1 "), 9, RESULT_INVALID, 0},
        {BYTES("0x1"), 9, RESULT_INVALID, 0},
        {BYTES("1\0"), 9, RESULT_INVALID, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint64_t number = 777;

        assert_int_equal(bytes_to_number(rows[i].text, rows[i].maximum, &number), rows[i].result);
        assert_int_equal(number, rows[i].result == RESULT_OK ? rows[i].number : 777);
    }
}

static void hexadecimal_goes_there_and_back(void **state)
{
    unsigned char data[4] = {9, 9, 9, 9};
    char text[9];

    (void)state;
    bytes_to_hex(BYTES("\x00\x7f\xab\xff"), text);
    assert_string_equal(text, "007fabff");
    assert_int_equal(bytes_from_hex(BYTES("007FabFF"), data, 4), RESULT_OK);
    assert_memory_equal(data, "\x00\x7f\xab\xff", 4);
    assert_int_equal(bytes_from_hex(BYTES("00112233"), data, 3), RESULT_INVALID);
    assert_int_equal(bytes_from_hex(BYTES("0011223"), data, 4), RESULT_INVALID);
    assert_int_equal(bytes_from_hex(BYTES("0011223g"), data, 4), RESULT_INVALID);
    assert_memory_equal(data, "\x00\x7f\xab\xff", 4); /* written on RESULT_OK only */
}

static void sizes_refuse_to_wrap(void **state)
{
    size_t total = 5;

    (void)state;
    assert_true(size_add(SIZE_MAX - 1, 1, &total));
    assert_int_equal(total, SIZE_MAX);
    assert_false(size_add(SIZE_MAX, 1, &total));
    assert_int_equal(total, SIZE_MAX);
    assert_true(size_multiply(3, 4, &total));
    assert_int_equal(total, 12);
    assert_false(size_multiply(SIZE_MAX / 2, 3, &total));
    assert_int_equal(total, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_bytes_are_equal_whatever_they_point_at),
        cmocka_unit_test(only_ascii_letters_have_a_case),
        cmocka_unit_test(slices_never_leave_their_bytes),
        cmocka_unit_test(starts_and_ends_are_found),
        cmocka_unit_test(numbers_are_written_with_the_digits_asked_for),
        cmocka_unit_test(what_is_nowhere_is_at_the_length),
        cmocka_unit_test(trimming_takes_spaces_and_tabs_only),
        cmocka_unit_test(cutting_walks_through_a_list_to_its_end),
        cmocka_unit_test(numbers_have_no_sign_space_rest_or_overflow),
        cmocka_unit_test(hexadecimal_goes_there_and_back),
        cmocka_unit_test(sizes_refuse_to_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
