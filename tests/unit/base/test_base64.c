/* base64url: RFC 4648 §10's vectors, bytes of every value, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"

static void known_texts_are_written_and_read(void **state)
{
    static const struct {
        struct bytes bytes;
        const char *text;
    } rows[] = {
        {{"", 0}, ""},
        {{"f", 1}, "Zg"},
        {{"fo", 2}, "Zm8"},
        {{"foo", 3}, "Zm9v"},
        {{"foob", 4}, "Zm9vYg"},
        {{"fooba", 5}, "Zm9vYmE"},
        {{"foobar", 6}, "Zm9vYmFy"},
        {{"\xfb\xff\xfe", 3}, "-__-"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buffer buffer;

        buffer_init(&buffer, 64);
        base64url_write(&buffer, rows[i].bytes);
        assert_true(bytes_equal(buffer_bytes(&buffer), bytes_of_string(rows[i].text)));
        buffer_reset(&buffer);
        assert_int_equal(base64url_read(bytes_of_string(rows[i].text), &buffer), RESULT_OK);
        assert_true(bytes_equal(buffer_bytes(&buffer), rows[i].bytes));
        buffer_finish(&buffer);
    }
}

static void what_is_written_is_read_back(void **state)
{
    char all[256];

    (void)state;
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    for (size_t length = 0; length <= sizeof(all); length++) {
        struct buffer text, back;

        buffer_init(&text, 1024);
        buffer_init(&back, 1024);
        base64url_write(&text, bytes_of(all, length));
        assert_int_equal(base64url_read(buffer_bytes(&text), &back), RESULT_OK);
        assert_true(bytes_equal(buffer_bytes(&back), bytes_of(all, length)));
        buffer_finish(&text);
        buffer_finish(&back);
    }
}

static void other_texts_are_refused(void **state)
{
    static const char *const rows[] = {"Z", "Zg==", "Zm9+", "Zm9/", "Zm 9", "Zh", "Zm9vYmF"};
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 64);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(base64url_read(bytes_of_string(rows[i]), &buffer), RESULT_INVALID);
    assert_int_equal(base64url_read(bytes_of("Z\0g", 3), &buffer), RESULT_INVALID);
    buffer_finish(&buffer);
    buffer_init(&buffer, 2);
    assert_int_equal(base64url_read(BYTES("Zm9v"), &buffer), RESULT_LIMIT);
    buffer_finish(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_are_written_and_read),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(other_texts_are_refused),
    };

    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
