/* Arenas: alignment, growth, resets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"

static void what_is_taken_is_aligned_and_apart(void **state)
{
    struct arena arena;
    char *taken[100];

    (void)state;
    arena_init(&arena, 256);
    for (size_t i = 0; i < ARRAY_LENGTH(taken); i++) {
        taken[i] = arena_take(&arena, i);
        assert_int_equal((uintptr_t)taken[i] % _Alignof(max_align_t), 0);
        memset(taken[i], (int)i, i);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(taken); i++)
        for (size_t at = 0; at < i; at++)
            assert_int_equal(taken[i][at], i);
    arena_finish(&arena);
}

static void more_than_a_block_is_taken_whole(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 64);
    memset(arena_take(&arena, 10), 1, 10);
    memset(arena_take(&arena, 10000), 2, 10000);
    memset(arena_take(&arena, 10), 3, 10);
    arena_finish(&arena);
}

static void zeroed_memory_is_zero_after_a_reset_too(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 256);
    char *first = arena_take(&arena, 100);
    memset(first, 'x', 100);
    arena_reset(&arena);
    const char *again = arena_take_zeroed(&arena, 100);
    assert_ptr_equal(first, again); /* the first block is kept */
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(again[i], 0);
    arena_finish(&arena);
}

static void a_reset_keeps_one_block_of_many(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 64);
    arena_reset(&arena); /* nothing taken yet */
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 50; i++)
            memset(arena_take(&arena, 60), 1, 60);
        arena_reset(&arena);
        assert_ptr_equal(arena.first, arena.now);
    }
    arena_finish(&arena);
    memset(arena_take(&arena, 8), 1, 8); /* usable again */
    arena_finish(&arena);
}

static void copies_are_terminated_behind_their_length(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 64);
    const struct bytes copy = arena_copy(&arena, bytes_slice(BYTES("abcdef"), 0, 3));
    assert_int_equal(copy.length, 3);
    assert_string_equal(copy.data, "abc");
    const struct bytes joined = arena_join(&arena, copy, BYTES("xyz"));
    assert_int_equal(joined.length, 6);
    assert_string_equal(joined.data, "abcxyz");
    assert_string_equal(arena_join(&arena, (struct bytes){0}, (struct bytes){0}).data, "");
    arena_finish(&arena);
}

static void formatted_text_is_never_cut(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 16);
    const struct bytes text = arena_format(&arena, "%0200d|%s", 7, "end");
    assert_int_equal(text.length, 204);
    assert_true(bytes_ends_with(text, BYTES("007|end")));
    assert_int_equal(text.data[text.length], '\0');
    arena_finish(&arena);
}

static void parts_are_joined_in_order_and_terminated(void **state)
{
    const struct bytes parts[] = {BYTES("a"), BYTES(""), {0}, BYTES("bc")};
    struct arena arena;

    (void)state;
    arena_init(&arena, 16);
    const struct bytes text = arena_join_all(&arena, parts, 4);
    assert_true(bytes_equal(text, BYTES("abc")));
    assert_int_equal(text.data[text.length], '\0');
    assert_int_equal(arena_join_all(&arena, parts, 0).length, 0);
    arena_finish(&arena);
}

static void numbers_keep_their_sign(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 16);
    assert_string_equal(arena_number(&arena, 0).data, "0");
    assert_string_equal(arena_number(&arena, -42).data, "-42");
    assert_string_equal(arena_number(&arena, INT64_MAX).data, "9223372036854775807");
    assert_string_equal(arena_number(&arena, INT64_MIN).data, "-9223372036854775808");
    assert_int_equal(arena_number(&arena, -42).length, 3);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_is_aligned_and_apart),
        cmocka_unit_test(more_than_a_block_is_taken_whole),
        cmocka_unit_test(zeroed_memory_is_zero_after_a_reset_too),
        cmocka_unit_test(a_reset_keeps_one_block_of_many),
        cmocka_unit_test(copies_are_terminated_behind_their_length),
        cmocka_unit_test(formatted_text_is_never_cut),
        cmocka_unit_test(parts_are_joined_in_order_and_terminated),
        cmocka_unit_test(numbers_keep_their_sign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
