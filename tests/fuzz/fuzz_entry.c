/*
 * Records as they may come back from a disk: read, or damaged; what is read makes sense. The
 * record's magic number and its own sizes are put right half of the time, so that the parts behind
 * them are met as well.
 */
#include <stdlib.h>

#include "cache/records.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_record(struct bytes record)
{
    struct arena arena;
    struct entry entry;

    arena_init(&arena, 4096);
    (void)entry_is_intact(record);
    if (entry_decode(record, &arena, &entry) == RESULT_OK) {
        require(record_makes_sense(record, &entry));
        char *room = malloc(record.length);

        require(room != NULL);
        entry_encode(&entry, room);
        require(entry_is_intact(bytes_of(room, record.length)));
        struct entry again;
        require(entry_decode(bytes_of(room, record.length), &arena, &again) == RESULT_OK);
        require(bytes_equal(again.body, entry.body) && again.serial == entry.serial);
        free(room);
    }
    arena_finish(&arena);
}

/* An entry cut out of the bytes: key, vary, one field line, the rest its body. */
static void check_round_trip(struct bytes bytes)
{
    struct arena arena;
    struct entry entry = {.status = 200}, again;
    const struct bytes name = bytes_cut(&bytes, 'n');

    arena_init(&arena, 4096);
    entry.key = bytes_cut(&bytes, 'k');
    entry.vary = bytes_cut(&bytes, 'v');
    fields_add(&entry.fields, &arena, name, entry.vary);
    entry.body = bytes;
    const size_t size = entry_encoded_bytes(&entry);
    char *room = malloc(size);
    require(room != NULL);
    entry_encode(&entry, room);
    require(entry_decode(bytes_of(room, size), &arena, &again) == RESULT_OK);
    require(bytes_equal(again.key, entry.key) && bytes_equal(again.vary, entry.vary));
    require(bytes_equal(again.body, entry.body));
    require(bytes_equal(again.fields.lines[0].name, name));
    free(room);
    arena_finish(&arena);
}

/* The head of an entry that is all body, over the first bytes: what follows is read by its sizes.
 */
static void check_behind_a_head(struct bytes bytes)
{
    const struct entry entry = {.status = 200, .body = bytes};
    const size_t size = entry_encoded_bytes(&entry), head = size - bytes.length;
    char *room = malloc(size);

    require(room != NULL);
    entry_encode(&entry, room);
    for (size_t i = 0; i + 1 < bytes.length && i < 8; i += 2) /* some bytes of the head change */
        room[(unsigned char)bytes.data[i] % head] = bytes.data[i + 1];
    check_record(bytes_of(room, size));
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes bytes = size == 0 ? BYTES("") : bytes_of(data, size);

    check_record(bytes);
    check_round_trip(bytes);
    check_behind_a_head(bytes);
    return 0;
}
