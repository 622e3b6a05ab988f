/*
 * The order announce, append, release, and its repair after a kill. It knows neither threads nor
 * which rings there are.
 */
#include "audit/transfer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

static enum result batch_append(struct ring *ring, struct audit_log *log, struct bytes lines,
                                uint64_t end)
{
    enum result result = audit_log_prepare(log, lines.length, clock_wall_us());

    if (result != RESULT_OK)
        return result;
    ring_announce(ring, &(struct ring_announcement){
                            .sequence = log->sequence, .offset = log->length, .end = end});
    return audit_log_append(log, lines);
}

enum result transfer_drain(struct ring *ring, struct audit_log *log, struct buffer *batch,
                           struct transfer_count *count)
{
    const uint64_t until = ring_head(ring); /* what comes meanwhile is for the next time */
    enum result result;

    for (;;) {
        struct ring_taken taken = {.position = ring_tail(ring)};

        buffer_reset(batch);
        result = ring_take(ring, until, &taken, batch);
        if (result != RESULT_OK)
            break;
        if (batch->length > 0)
            result = batch_append(ring, log, buffer_bytes(batch), taken.position);
        if (result != RESULT_OK)
            break;
        ring_release(ring, taken.position);
        count->records += taken.records;
        count->bytes += batch->length;
        count->damaged_bytes += taken.damaged_bytes;
    }
    return result == RESULT_MISSING ? RESULT_OK : result;
}

/* Reads up to `length` bytes at `offset`; fewer at the file's end. */
static enum result read_at(int fd, uint64_t offset, char *data, size_t length, size_t *got)
{
    size_t total = 0;

    while (total < length) {
        const ssize_t part = pread(fd, data + total, length - total, (off_t)(offset + total));

        if (part == -1 && errno == EINTR)
            continue;
        if (part == -1)
            return RESULT_SYSTEM;
        if (part == 0)
            break;
        total += (size_t)part;
    }
    *got = total;
    return RESULT_OK;
}

/* Compares the file from the announced offset on with the batch that was meant to go there. */
static enum result settle_file(struct ring *ring, int fd,
                               const struct ring_announcement *announcement, struct bytes lines)
{
    char *found = memory_take(1, lines.length);
    size_t length = 0;
    enum result result = read_at(fd, announcement->offset, found, lines.length, &length);

    if (result == RESULT_OK && length > 0 &&
        bytes_equal(bytes_of(found, length), bytes_slice(lines, 0, length))) {
        if (length == lines.length)
            ring_release(ring, announcement->end);
        else if (ftruncate(fd, (off_t)announcement->offset) == -1)
            result = RESULT_SYSTEM;
    }
    free(found);
    return result;
}

enum result transfer_settle(struct ring *ring, int directory, struct buffer *batch)
{
    struct ring_taken taken = {.position = ring_tail(ring)};
    struct ring_announcement announcement;
    char name[AUDIT_FILE_NAME_ROOM];

    buffer_reset(batch);
    if (ring_announced(ring, &announcement) != RESULT_OK || announcement.offset > INT64_MAX / 2 ||
        ring_take(ring, announcement.end, &taken, batch) != RESULT_OK ||
        taken.position != announcement.end || batch->length == 0)
        return RESULT_OK; /* nothing announced, or nothing that can be compared */
    enum result result = audit_log_find(directory, announcement.sequence, name, sizeof(name));
    if (result != RESULT_OK)
        return result == RESULT_MISSING ? RESULT_OK : result;
    const int fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1)
        return RESULT_SYSTEM;
    result = settle_file(ring, fd, &announcement, buffer_bytes(batch));
    const int cause = errno;
    (void)close(fd); /* synced with the log later: it is its newest file */
    errno = cause;
    return result;
}
