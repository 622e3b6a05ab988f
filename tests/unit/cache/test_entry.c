/* A record comes back as it went, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache/entry.h"
#include "cache/records.h"

#define S INT64_C(1000000)
#define NOW (INT64_C(1700000000) * S)

static struct arena arena;

static int arena_make(void **state)
{
    (void)state;
    arena_init(&arena, 4096);
    return 0;
}

static int arena_drop(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

static const uint64_t hashes[] = {7, UINT64_MAX, 0};

static struct entry example(void)
{
    struct entry entry = {
        .serial = 42,
        .status = 200,
        .flags = ENTRY_OWN_ETAG | ENTRY_NO_CACHE,
        .received_wall_us = NOW,
        .initial_age_us = 3 * S,
        .expires_wall_us = NOW + 60 * S,
        .key = BYTES("1:a1:u/x\nAccept 0:"),
        .vary = BYTES("Accept"),
        .tags = {.hashes = hashes, .count = ARRAY_LENGTH(hashes)},
        .body = BYTES("{\"a\":1}"),
    };

    fields_add(&entry.fields, &arena, BYTES("Content-Type"), BYTES("application/json"));
    fields_add(&entry.fields, &arena, BYTES("X-Empty"), BYTES(""));
    return entry;
}

/* In memory of exactly its size, so that the sanitizers see a byte too far. */
static struct bytes encode(const struct entry *entry, char **room)
{
    const size_t size = entry_encoded_bytes(entry);

    *room = malloc(size);
    assert_non_null(*room);
    entry_encode(entry, *room);
    return bytes_of(*room, size);
}

static void assert_same(const struct entry *a, const struct entry *b)
{
    assert_int_equal(a->serial, b->serial);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->received_wall_us, b->received_wall_us);
    assert_int_equal(a->initial_age_us, b->initial_age_us);
    assert_int_equal(a->expires_wall_us, b->expires_wall_us);
    assert_true(bytes_equal(a->key, b->key) && bytes_equal(a->vary, b->vary));
    assert_true(bytes_equal(a->body, b->body));
    assert_int_equal(a->tags.count, b->tags.count);
    for (size_t i = 0; i < a->tags.count; i++)
        assert_int_equal(a->tags.hashes[i], b->tags.hashes[i]);
    assert_int_equal(a->fields.count, b->fields.count);
    for (size_t i = 0; i < a->fields.count; i++) {
        assert_true(bytes_equal(a->fields.lines[i].name, b->fields.lines[i].name));
        assert_true(bytes_equal(a->fields.lines[i].value, b->fields.lines[i].value));
    }
}

static void a_record_comes_back_as_it_went(void **state)
{
    const struct entry entry = example(), empty = {.status = 204};
    struct entry read;
    char *room;

    (void)state;
    struct bytes record = encode(&entry, &room);
    assert_int_equal(entry_decode(record, &arena, &read), RESULT_OK);
    assert_same(&entry, &read);
    assert_true(record_makes_sense(record, &read));
    free(room);
    record = encode(&empty, &room);
    assert_int_equal(entry_decode(record, &arena, &read), RESULT_OK);
    assert_same(&empty, &read);
    free(room);
}

static void a_record_may_stand_at_any_address(void **state)
{
    const struct entry entry = example();
    struct entry read;
    char *room;

    (void)state;
    const struct bytes record = encode(&entry, &room);
    for (size_t shift = 1; shift < 8; shift++) {
        char *moved = malloc(record.length + shift);

        assert_non_null(moved);
        memcpy(moved + shift, record.data, record.length);
        assert_int_equal(entry_decode(bytes_of(moved + shift, record.length), &arena, &read),
                         RESULT_OK);
        assert_same(&entry, &read);
        free(moved);
    }
    free(room);
}

static void a_record_cut_anywhere_is_damaged(void **state)
{
    const struct entry entry = example();
    struct entry read;
    char *room;

    (void)state;
    const struct bytes record = encode(&entry, &room);
    for (size_t length = 0; length < record.length; length++) {
        char *cut = malloc(length + 1);

        assert_non_null(cut);
        memcpy(cut, record.data, length);
        assert_int_equal(entry_decode(bytes_of(cut, length), &arena, &read), RESULT_DAMAGED);
        assert_false(entry_is_intact(bytes_of(cut, length)));
        free(cut);
    }
    free(room);
}

static void a_record_altered_anywhere_is_noticed_or_makes_sense(void **state)
{
    static const unsigned char masks[] = {0x01, 0x80, 0xff, 0x10};
    const struct entry entry = example();
    char *room;

    (void)state;
    const struct bytes record = encode(&entry, &room);
    assert_true(entry_is_intact(record));
    for (size_t i = 0; i < record.length; i++)
        for (size_t k = 0; k < ARRAY_LENGTH(masks); k++) {
            struct entry read;

            room[i] = (char)(room[i] ^ masks[k]);
            assert_false(entry_is_intact(record));
            if (entry_decode(record, &arena, &read) == RESULT_OK)
                assert_true(record_makes_sense(record, &read));
            room[i] = (char)(room[i] ^ masks[k]);
        }
    assert_true(entry_is_intact(record));
    free(room);
}

static void age_grows_from_what_it_was_at_arrival(void **state)
{
    const struct entry entry = example();

    (void)state;
    assert_int_equal(entry_age_s(&entry, NOW), 3);
    assert_int_equal(entry_age_s(&entry, NOW + 10 * S - 1), 12);
    assert_int_equal(entry_age_s(&entry, NOW + 10 * S), 13);
    assert_int_equal(entry_age_s(&entry, NOW - 10 * S), 3); /* the clock was set back */
}

static void stale_once_it_expires(void **state)
{
    const struct entry entry = example();

    (void)state;
    assert_true(entry_is_fresh(&entry, NOW));
    assert_true(entry_is_fresh(&entry, NOW + 60 * S - 1));
    assert_false(entry_is_fresh(&entry, NOW + 60 * S));
    assert_true(entry_is_fresh(&entry, NOW - S));
    assert_false(entry_is_fresh(&entry, NOW - S - 1)); /* a clock set back makes nothing fresh */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_comes_back_as_it_went),
        cmocka_unit_test(a_record_may_stand_at_any_address),
        cmocka_unit_test(a_record_cut_anywhere_is_damaged),
        cmocka_unit_test(a_record_altered_anywhere_is_noticed_or_makes_sense),
        cmocka_unit_test(age_grows_from_what_it_was_at_arrival),
        cmocka_unit_test(stale_once_it_expires),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
