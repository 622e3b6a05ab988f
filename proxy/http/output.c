/* An array of segments over one buffer of copies; neighbouring copies are one segment. */
#include "http/output.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    OUTPUT_SPARE_BYTES = 64 * 1024
}; /* an emptied buffer larger than this goes back to the heap */

void output_init(struct output *output, size_t limit_bytes)
{
    *output = (struct output){0};
    buffer_init(&output->copies, limit_bytes);
}

void output_finish(struct output *output)
{
    buffer_finish(&output->copies);
}

static void output_append_copies(struct output *output, const struct bytes *parts, size_t count)
{
    struct output_segment *last =
        output->segment_count == 0 ? NULL : &output->segments[output->segment_count - 1];
    const size_t before = output->copies.length;

    for (size_t i = 0; i < count; i++)
        buffer_add(&output->copies, parts[i]);
    const size_t added = output->copies.length - before;
    if (output->copies.failed || added == 0)
        return;
    if (last != NULL && last->borrowed == NULL)
        last->length += added;
    else
        output->segments[output->segment_count++] = (struct output_segment){.length = added};
    output->unsent_bytes += added;
}

void output_add_parts(struct output *output, const struct bytes *parts, size_t count)
{
    if (output->segment_count == OUTPUT_SEGMENTS)
        output_keep(output);
    output_append_copies(output, parts, count);
}

void output_add(struct output *output, struct bytes bytes)
{
    output_add_parts(output, &bytes, 1);
}

void output_add_borrowed(struct output *output, struct bytes bytes)
{
    if (bytes.length == 0)
        return;
    if (output->segment_count == OUTPUT_SEGMENTS)
        output_keep(output);
    output->segments[output->segment_count++] =
        (struct output_segment){.borrowed = bytes.data, .length = bytes.length};
    output->unsent_bytes += bytes.length;
    output->borrowed_bytes += bytes.length;
}

/* The first copy that is not sent yet. */
static char *output_copied(const struct output *output)
{
    return output->copies.data == NULL ? NULL : output->copies.data + output->sent;
}

void output_keep(struct output *output)
{
    struct output kept;
    const char *copied = output_copied(output);

    if (output->borrowed_bytes == 0)
        return;
    output_init(&kept, output->copies.limit_bytes);
    for (size_t i = 0; i < output->segment_count; i++) {
        const struct output_segment *segment = &output->segments[i];

        assert(segment->borrowed != NULL || copied != NULL);
        const struct bytes part =
            bytes_of(segment->borrowed != NULL ? segment->borrowed : copied, segment->length);

        output_append_copies(&kept, &part, 1);
        if (segment->borrowed == NULL)
            copied += segment->length;
    }
    kept.copies.failed |= output->copies.failed;
    output_finish(output);
    *output = kept;
}

/* Forgets the first `count` bytes. */
static void output_consume(struct output *output, size_t count)
{
    size_t gone = 0;

    output->unsent_bytes -= count;
    while (count > 0) {
        struct output_segment *segment = &output->segments[gone];
        const size_t part = count < segment->length ? count : segment->length;

        if (segment->borrowed != NULL) {
            segment->borrowed += part;
            output->borrowed_bytes -= part;
        } else {
            output->sent += part;
        }
        segment->length -= part;
        count -= part;
        gone += segment->length == 0;
    }
    output->segment_count -= gone;
    memmove(output->segments, output->segments + gone,
            output->segment_count * sizeof(output->segments[0]));
}

/* Gives the room of sent copies back: all of it when none is left, else once it is more than half.
 */
static void output_compact(struct output *output)
{
    if (output->sent == output->copies.length) {
        if (output->copies.capacity > OUTPUT_SPARE_BYTES)
            buffer_finish(&output->copies);
        output->copies.length = 0;
    } else if (output->sent > output->copies.length / 2) {
        buffer_consume(&output->copies, output->sent);
    } else {
        return;
    }
    output->sent = 0;
}

enum result output_send(struct output *output, int fd)
{
    struct iovec vector[OUTPUT_SEGMENTS];
    char *copied = output_copied(output);

    if (output->unsent_bytes == 0)
        return RESULT_OK;
    for (size_t i = 0; i < output->segment_count; i++) {
        const struct output_segment *segment = &output->segments[i];

        assert(segment->borrowed != NULL || copied != NULL);
        vector[i].iov_len = segment->length;
        vector[i].iov_base = segment->borrowed != NULL ? (void *)segment->borrowed : copied;
        if (segment->borrowed == NULL)
            copied += segment->length;
    }
    ssize_t sent;
    do
        sent = writev(fd, vector, (int)output->segment_count);
    while (sent == -1 && errno == EINTR);
    if (sent == -1)
        return errno == EAGAIN || errno == EWOULDBLOCK ? RESULT_BUSY : RESULT_SYSTEM;
    output_consume(output, (size_t)sent);
    output_compact(output);
    return output->unsent_bytes == 0 ? RESULT_OK : RESULT_BUSY;
}
