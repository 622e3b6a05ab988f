/* Hashes tell different bytes apart and do not depend on where they lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"

static void equal_bytes_hash_equally_and_others_do_not(void **state)
{
    char copy[] = "xprofile/456";

    (void)state;
    assert_true(hash_equal(hash_of(BYTES("profile/456")), hash_of(bytes_of(copy + 1, 11))));
    assert_false(hash_equal(hash_of(BYTES("profile/456")), hash_of(BYTES("profile/457"))));
    assert_false(hash_equal(hash_of(BYTES("")), hash_of(BYTES("\0"))));
    assert_true(hash_equal(hash_of((struct bytes){0}), hash_of(BYTES(""))));
}

/* XXH3's published value: entries on disk are found by it after an upgrade too. */
static void the_hash_is_xxh3_128(void **state)
{
    const struct hash128 empty = hash_of(BYTES(""));

    (void)state;
    assert_int_equal(empty.high, UINT64_C(0x99aa06d3014798d8));
    assert_int_equal(empty.low, UINT64_C(0x6001c324468d497f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_bytes_hash_equally_and_others_do_not),
        cmocka_unit_test(the_hash_is_xxh3_128),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
