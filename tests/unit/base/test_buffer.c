/* Buffers: growth up to the limit, and a failure that is remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buffer.h"

static void what_is_added_stands_in_order(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 10000);
    buffer_add(&buffer, BYTES("abc"));
    buffer_add_byte(&buffer, '-');
    buffer_format(&buffer, "%d/%s", 42, "x");
    buffer_add(&buffer, (struct bytes){0});
    assert_true(bytes_equal(buffer_bytes(&buffer), BYTES("abc-42/x")));
    for (unsigned i = 0; i < 1000; i++)
        buffer_add(&buffer, BYTES("0123456"));
    assert_int_equal(buffer.length, 7008);
    assert_false(buffer.failed);
    buffer_finish(&buffer);
}

static void the_limit_is_exact_and_the_failure_stays(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 4);
    buffer_add(&buffer, BYTES("abcd"));
    assert_false(buffer.failed);
    buffer_add_byte(&buffer, 'e');
    assert_true(buffer.failed);
    assert_true(bytes_equal(buffer_bytes(&buffer), BYTES("abcd")));
    buffer_consume(&buffer, 4);
    buffer_add_byte(&buffer, 'f'); /* would fit now; comes after a failure */
    assert_int_equal(buffer.length, 0);
    buffer_reset(&buffer);
    buffer_add_byte(&buffer, 'g');
    assert_true(bytes_equal(buffer_bytes(&buffer), BYTES("g")));
    buffer_finish(&buffer);
}

static void no_reservation_wraps_or_passes_the_limit(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 1024);
    assert_non_null(buffer_reserve(&buffer, 1024));
    assert_null(buffer_reserve(&buffer, 1025));
    buffer_reset(&buffer);
    buffer_add_byte(&buffer, 'a');
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
    assert_true(buffer.failed);
    buffer_finish(&buffer);
}

static void consuming_takes_from_the_front(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 64);
    buffer_add(&buffer, BYTES("abcdef"));
    buffer_consume(&buffer, 0);
    buffer_consume(&buffer, 2);
    assert_true(bytes_equal(buffer_bytes(&buffer), BYTES("cdef")));
    buffer_consume(&buffer, 4);
    assert_int_equal(buffer.length, 0);
    buffer_finish(&buffer);
}

static void a_finished_buffer_is_empty_and_usable(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 64);
    buffer_add_byte(&buffer, 'a');
    buffer_finish(&buffer);
    assert_null(buffer.data);
    buffer_add_byte(&buffer, 'b');
    assert_true(bytes_equal(buffer_bytes(&buffer), BYTES("b")));
    buffer_finish(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_stands_in_order),
        cmocka_unit_test(the_limit_is_exact_and_the_failure_stays),
        cmocka_unit_test(no_reservation_wraps_or_passes_the_limit),
        cmocka_unit_test(consuming_takes_from_the_front),
        cmocka_unit_test(a_finished_buffer_is_empty_and_usable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
