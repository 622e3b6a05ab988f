/* Addresses of other servers: what is one, and which are this machine's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/address.h"

static void addresses_are_split(void **state)
{
    struct address address;

    (void)state;
    assert_true(address_split(BYTES("https://[::1]:8443/a/b/"), &address));
    assert_true(bytes_equal(address.scheme, BYTES("https")));
    assert_true(bytes_equal(address.authority, BYTES("[::1]:8443")));
    assert_true(bytes_equal(address.path, BYTES("/a/b")));
    assert_true(address_split(BYTES("http://x"), &address));
    assert_true(bytes_equal(address.path, BYTES("")));
    assert_false(address_split(BYTES("https://x/a?b"), &address));
    assert_false(address_split(BYTES("https://x//"), &address));
    assert_false(address_split(BYTES("https://user@x/"), &address));
    assert_false(address_split(BYTES("HTTP://x"), &address));
    assert_false(address_split(BYTES(""), &address));
}

static void only_this_machine_is_loopback(void **state)
{
    static const char *const local[] = {"127.0.0.1",   "127.8.9.1:80", "localhost",
                                        "LocalHost:1", "[::1]",        "[::1]:8080"};
    static const char *const other[] = {"127.0.0.1.example.com",
                                        "localhost.example.com",
                                        "localhosts",
                                        "128.0.0.1",
                                        "[::2]",
                                        "127.example.com:80",
                                        "",
                                        "127.0.0.1234567890123456789"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(local); i++)
        assert_true(address_is_loopback(bytes_of_string(local[i])));
    for (size_t i = 0; i < ARRAY_LENGTH(other); i++)
        assert_false(address_is_loopback(bytes_of_string(other[i])));
}

static void words_are_bounded_and_have_no_other_signs(void **state)
{
    (void)state;
    assert_true(address_is_word(BYTES("aZ09-"), "-", 5));
    assert_false(address_is_word(BYTES("aZ09-"), "-", 4));
    assert_false(address_is_word(BYTES("a-"), "", 9));
    assert_false(address_is_word(BYTES(""), "-", 9));
    assert_false(address_is_word(bytes_of("a\0", 2), "-", 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_split),
        cmocka_unit_test(only_this_machine_is_loopback),
        cmocka_unit_test(words_are_bounded_and_have_no_other_signs),
    };

    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
