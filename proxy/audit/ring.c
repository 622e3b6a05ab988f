/*
 * The layout of a ring and the order of its loads and stores. Who is told about a full ring, where
 * records go and when they are released is audit.c's; what to make of a ring left behind is
 * recover.c's.
 *
 * A record is a header (length, checksum) and its bytes, padded to 8; it may run over the end to
 * the start. Its checksum is XXH3 seeded with its position: bytes of an earlier lap do not pass.
 */
#include "audit/ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { RING_VERSION = 1, RING_ALIGNMENT = 8, CACHE_LINE_BYTES = 64 };

static const char ring_magic[8] = "PSTNRING";

/*
 * `head` is stored by the putter with release and loaded by the taker with acquire: a record's
 * bytes are there before it counts. `tail` the other way round: the room is free before it counts.
 * On lines of their own, since two threads store them.
 */
struct ring_header {
    char magic[8];
    uint64_t version;
    uint64_t capacity;
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t head;
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t tail;
    /* The taker's, read after a crash only; `end` is stored last. */
    _Atomic uint64_t sequence, offset, end;
};
static_assert(sizeof(struct ring_header) <= RING_HEADER_BYTES, "the header fits its page");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "atomics work in memory that two processes map");

struct record_header {
    uint64_t length;
    uint64_t checksum;
};
static_assert(sizeof(struct record_header) % RING_ALIGNMENT == 0, "records stay aligned");

static uint64_t record_room(uint64_t length)
{
    return sizeof(struct record_header) +
           (length + RING_ALIGNMENT - 1) / RING_ALIGNMENT * RING_ALIGNMENT;
}

void ring_format(void *memory, size_t size, struct ring *ring)
{
    struct ring_header *header = memory;

    assert(memory != NULL && (uintptr_t)memory % RING_ALIGNMENT == 0);
    assert(size > RING_HEADER_BYTES && size % RING_ALIGNMENT == 0);
    header->version = RING_VERSION;
    header->capacity = size - RING_HEADER_BYTES;
    memcpy(header->magic, ring_magic, sizeof(ring_magic)); /* last: whole from here on */
    *ring = (struct ring){.header = header,
                          .records = (char *)memory + RING_HEADER_BYTES,
                          .capacity = header->capacity};
}

uint64_t ring_head(const struct ring *ring)
{
    return atomic_load_explicit(&ring->header->head, memory_order_acquire);
}

uint64_t ring_tail(const struct ring *ring)
{
    return atomic_load_explicit(&ring->header->tail, memory_order_acquire);
}

/* Whether the taker's marks are ones that a ring can have. */
static bool span_is_sane(const struct ring *ring, uint64_t from, uint64_t until)
{
    const uint64_t tail = ring_tail(ring), used = ring_head(ring) - tail;

    return used <= ring->capacity && from - tail <= used && until - tail <= used &&
           from - tail <= until - tail && from % RING_ALIGNMENT == 0 && until % RING_ALIGNMENT == 0;
}

enum result ring_attach(void *memory, size_t size, struct ring *ring)
{
    struct ring_header *header = memory;

    assert(memory != NULL && (uintptr_t)memory % RING_ALIGNMENT == 0);
    if (size <= RING_HEADER_BYTES || size % RING_ALIGNMENT != 0)
        return RESULT_DAMAGED;
    if (memcmp(header->magic, ring_magic, sizeof(ring_magic)) != 0 ||
        header->version != RING_VERSION || header->capacity != size - RING_HEADER_BYTES)
        return RESULT_DAMAGED;
    const struct ring attached = {.header = header,
                                  .records = (char *)memory + RING_HEADER_BYTES,
                                  .capacity = size - RING_HEADER_BYTES};
    if (!span_is_sane(&attached, ring_tail(&attached), ring_head(&attached)))
        return RESULT_DAMAGED;
    *ring = attached;
    return RESULT_OK;
}

static enum result ring_map(int fd, size_t size, const char *name, void **memory,
                            struct error *error)
{
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (mapped == MAP_FAILED)
        return error_set(error, RESULT_SYSTEM, "cannot map the audit ring %s: %s", name,
                         strerror(errno));
    *memory = mapped;
    return RESULT_OK;
}

enum result ring_create(int directory, const char *name, uint64_t capacity, struct ring *ring,
                        struct error *error)
{
    const size_t size = RING_HEADER_BYTES + (size_t)capacity;
    const int fd = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                          S_IRUSR | S_IWUSR);
    void *memory = NULL;

    if (fd == -1)
        return error_set(error, errno == EEXIST ? RESULT_BUSY : RESULT_SYSTEM,
                         "cannot make the audit ring %s: %s", name, strerror(errno));
    const int code = posix_fallocate(fd, 0, (off_t)size);
    enum result result =
        code == 0 ? ring_map(fd, size, name, &memory, error)
                  : error_set(error, code == ENOSPC || code == EFBIG ? RESULT_FULL : RESULT_SYSTEM,
                              "cannot allocate %zu bytes for the audit ring %s: %s", size, name,
                              strerror(code));
    (void)close(fd); /* the mapping keeps the file; nothing was written through fd */
    if (result != RESULT_OK) {
        (void)unlinkat(directory, name, 0); /* best effort: an empty ring holds nothing */
        return result;
    }
    ring_format(memory, size, ring);
    return RESULT_OK;
}

enum result ring_open(int directory, const char *name, struct ring *ring, struct error *error)
{
    const int fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    void *memory = NULL;

    if (fd == -1)
        return error_set(error, RESULT_SYSTEM, "cannot open the audit ring %s: %s", name,
                         strerror(errno));
    if (fstat(fd, &status) == -1 || !S_ISREG(status.st_mode) ||
        status.st_size <= RING_HEADER_BYTES) {
        (void)close(fd); /* only looked at */
        return error_set(error, RESULT_DAMAGED, "%s is not an audit ring", name);
    }
    enum result result = ring_map(fd, (size_t)status.st_size, name, &memory, error);
    (void)close(fd); /* the mapping keeps the file */
    if (result != RESULT_OK)
        return result;
    result = ring_attach(memory, (size_t)status.st_size, ring);
    if (result == RESULT_OK)
        return result;
    (void)munmap(memory, (size_t)status.st_size); /* mapped just above */
    return error_set(error, result, "%s is not an audit ring of this version", name);
}

void ring_close(struct ring *ring)
{
    if (ring->header == NULL)
        return;
    (void)munmap(ring->header, RING_HEADER_BYTES + (size_t)ring->capacity); /* as it was mapped */
    ring->header = NULL;
}

static void copy_in(struct ring *ring, uint64_t position, const void *data, size_t length)
{
    const size_t start = (size_t)(position % ring->capacity);
    const size_t until_end = (size_t)ring->capacity - start;
    const size_t first = length < until_end ? length : until_end;

    memcpy(ring->records + start, data, first);
    if (length > first)
        memcpy(ring->records, (const char *)data + first, length - first);
}

static void copy_out(const struct ring *ring, uint64_t position, void *data, size_t length)
{
    const size_t start = (size_t)(position % ring->capacity);
    const size_t until_end = (size_t)ring->capacity - start;
    const size_t first = length < until_end ? length : until_end;

    memcpy(data, ring->records + start, first);
    if (length > first)
        memcpy((char *)data + first, ring->records, length - first);
}

enum result ring_put(struct ring *ring, struct bytes record)
{
    const uint64_t head = atomic_load_explicit(&ring->header->head, memory_order_relaxed);
    const uint64_t tail = atomic_load_explicit(&ring->header->tail, memory_order_acquire);
    const uint64_t used = head - tail;
    const struct record_header header = {
        .length = record.length,
        .checksum = XXH3_64bits_withSeed(record.data, record.length, head),
    };

    assert(record.length > 0 && record.length <= RING_RECORD_LIMIT_BYTES);
    if (used > ring->capacity || record_room(record.length) > ring->capacity - used)
        return RESULT_LIMIT;
    copy_in(ring, head, &header, sizeof(header));
    copy_in(ring, head + sizeof(header), record.data, record.length);
    atomic_store_explicit(&ring->header->head, head + record_room(record.length),
                          memory_order_release);
    return RESULT_OK;
}

/* One record at `position`, added to the batch; `available` bytes stand there. RESULT_LIMIT: a
 * record that the batch has no room for. */
static enum result record_take(const struct ring *ring, uint64_t position, uint64_t available,
                               struct buffer *batch, uint64_t *room)
{
    struct record_header header;

    if (available < sizeof(header))
        return RESULT_DAMAGED;
    copy_out(ring, position, &header, sizeof(header));
    if (header.length == 0 || header.length > RING_RECORD_LIMIT_BYTES ||
        record_room(header.length) > available)
        return RESULT_DAMAGED;
    const size_t length = (size_t)header.length;
    char *data = buffer_reserve(batch, length);
    if (data == NULL) {
        batch->failed = false; /* it goes into the next batch: this one is whole without it */
        return RESULT_LIMIT;
    }
    copy_out(ring, position + sizeof(header), data, length);
    if (XXH3_64bits_withSeed(data, length, position) != header.checksum)
        return RESULT_DAMAGED;
    batch->length += length;
    *room = record_room(length);
    return RESULT_OK;
}

enum result ring_take(const struct ring *ring, uint64_t until, struct ring_taken *taken,
                      struct buffer *batch)
{
    const uint64_t start = taken->position;
    uint64_t room;

    if (!span_is_sane(ring, start, until))
        return RESULT_DAMAGED;
    while (taken->position != until) {
        const enum result result =
            record_take(ring, taken->position, until - taken->position, batch, &room);

        if (result == RESULT_LIMIT && batch->length > 0)
            break;
        if (result == RESULT_OK) {
            taken->records++;
            taken->position += room;
        } else { /* damaged, or larger than any batch: the next record starts further on */
            taken->damaged_bytes += RING_ALIGNMENT;
            taken->position += RING_ALIGNMENT;
        }
    }
    return taken->position == start ? RESULT_MISSING : RESULT_OK;
}

void ring_release(struct ring *ring, uint64_t position)
{
    assert(position - ring_tail(ring) <= ring->capacity);
    atomic_store_explicit(&ring->header->tail, position, memory_order_release);
}

double ring_fill(const struct ring *ring)
{
    const uint64_t tail = ring_tail(ring); /* first: so it is never ahead of head */

    return (double)(ring_head(ring) - tail) / (double)ring->capacity;
}

void ring_announce(struct ring *ring, const struct ring_announcement *announcement)
{
    struct ring_header *header = ring->header;

    /* A kill may come between any two stores: withdraw, say where, then say that it counts. */
    atomic_store_explicit(&header->end, ring_tail(ring), memory_order_release);
    atomic_store_explicit(&header->sequence, announcement->sequence, memory_order_release);
    atomic_store_explicit(&header->offset, announcement->offset, memory_order_release);
    atomic_store_explicit(&header->end, announcement->end, memory_order_release);
}

enum result ring_announced(const struct ring *ring, struct ring_announcement *announcement)
{
    const struct ring_header *header = ring->header;
    const uint64_t tail = ring_tail(ring), end = header->end;

    if (end == tail || end - tail > ring_head(ring) - tail)
        return RESULT_MISSING;
    *announcement = (struct ring_announcement){
        .sequence = header->sequence, .offset = header->offset, .end = end};
    return RESULT_OK;
}
