/*
 * Conditions and ranges from one hostile value: a range served lies inside the representation, a
 * made If-None-Match matches its own entity-tag whatever stands before it on other lines, and no
 * malformed If-Match lets a write pass.
 */
#include <stdlib.h>

#include "http/conditional.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_range(const struct fields *fields, const struct validators *validators,
                        uint64_t length)
{
    struct range_part part;

    if (range_judge(fields, validators, length, 0, &part) == RANGE_PART)
        require(part.first <= part.last && part.last < length);
}

static void check_conditions(struct arena *arena, struct bytes value,
                             const struct validators *validators)
{
    struct fields fields = {0};

    fields_add(&fields, arena, BYTES("If-Match"), value);
    const enum condition write = condition_judge(METHOD_PUT, &fields, validators, 0);
    require(write != CONDITION_NOT_MODIFIED);
    if (bytes_find(value, BYTES("\"tag\"")) == value.length &&
        bytes_index(value, '*') == value.length)
        require(write == CONDITION_FAILED);

    fields.count = 0;
    fields_add(&fields, arena, BYTES("If-None-Match"), value);
    fields_add(&fields, arena, BYTES("If-Modified-Since"), value);
    (void)condition_judge(METHOD_GET, &fields, validators, 0); /* either outcome may be right */
    fields_add(&fields, arena, BYTES("If-None-Match"), BYTES("\"tag\""));
    require(condition_judge(METHOD_GET, &fields, validators, 0) == CONDITION_NOT_MODIFIED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes value = bytes_of(data, size);
    const struct validators validators = {.etag = BYTES("\"tag\""), 784111777, 784119999};
    struct fields fields = {0};
    struct arena arena;

    arena_init(&arena, 4096);
    check_conditions(&arena, value, &validators);
    fields_add(&fields, &arena, BYTES("Range"), value);
    check_range(&fields, &validators, size > 0 ? data[0] : 0);
    check_range(&fields, &validators, UINT64_MAX);
    fields_add(&fields, &arena, BYTES("If-Range"), value);
    check_range(&fields, &validators, 100);
    require(etag_equal_weak(value, value) || !etag_equal_strong(value, value));
    arena_finish(&arena);
    return 0;
}
