/*
 * Audit rings as a crash or a hand may have left them. An even first byte: the rest is a ring file,
 * header included, and is read as recovery reads it. An odd one: the rest are lengths of records
 * that are put and taken by turns, and must come out as they went in.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "audit/ring.h"
#include "base/memory.h"

enum { CAPACITY = 2048, BATCH_BYTES = 600 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything that can be taken, in batches, each released before the next. */
static void drain(struct ring *ring)
{
    const uint64_t head = ring_head(ring);
    struct ring_taken taken = {.position = ring_tail(ring)};
    struct buffer batch;

    buffer_init(&batch, BATCH_BYTES);
    while (ring_take(ring, head, &taken, &batch) == RESULT_OK) {
        assert(!batch.failed && batch.length <= BATCH_BYTES);
        ring_release(ring, taken.position);
        buffer_reset(&batch);
    }
    assert(ring_tail(ring) == head);
    assert(taken.damaged_bytes <= ring->capacity);
    buffer_finish(&batch);
}

static void read_left_ring(const uint8_t *data, size_t size)
{
    void *memory = aligned_alloc(64, (size + 64) / 64 * 64);
    struct ring_announcement announcement;
    struct ring_taken taken;
    struct buffer batch;
    struct ring ring;

    memcpy(memory, data, size);
    if (ring_attach(memory, size, &ring) == RESULT_OK) {
        assert(ring_fill(&ring) <= 1.0);
        buffer_init(&batch, BATCH_BYTES);
        taken = (struct ring_taken){.position = ring_tail(&ring)};
        if (ring_announced(&ring, &announcement) == RESULT_OK)
            (void)!ring_take(&ring, announcement.end, &taken, &batch); /* any result will do */
        buffer_finish(&batch);
        drain(&ring);
    }
    free(memory);
}

static void put_and_take(const uint8_t *lengths, size_t count)
{
    void *memory = aligned_alloc(64, RING_HEADER_BYTES + CAPACITY);
    char record[2 * 255 + 1];
    struct ring_taken taken = {0};
    struct buffer batch;
    struct ring ring;

    memset(memory, 0, RING_HEADER_BYTES + CAPACITY);
    ring_format(memory, RING_HEADER_BYTES + CAPACITY, &ring);
    buffer_init(&batch, BATCH_BYTES);
    for (size_t i = 0; i < count; i++) {
        const size_t length = 2 * (size_t)lengths[i] + 1;

        memset(record, lengths[i], length);
        assert(ring_put(&ring, bytes_of(record, length)) == RESULT_OK);
        buffer_reset(&batch);
        assert(ring_take(&ring, ring_head(&ring), &taken, &batch) == RESULT_OK);
        assert(bytes_equal(buffer_bytes(&batch), bytes_of(record, length)));
        ring_release(&ring, taken.position);
    }
    assert(taken.records == count && taken.damaged_bytes == 0);
    buffer_finish(&batch);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        read_left_ring(data + 1, size - 1);
    else
        put_and_take(data + 1, size - 1);
    return 0;
}
