/*
 * What waits for a socket: copied bytes and borrowed ones, in order, sent by one writev. Borrowed
 * bytes are copied the moment they cannot be sent at once (output_keep), so that they need to live
 * for one event only.
 */
#ifndef POSTERN_HTTP_OUTPUT_H
#define POSTERN_HTTP_OUTPUT_H

#include "base/buffer.h"

enum { OUTPUT_SEGMENTS = 64 };

struct output {
    struct buffer copies; /* bytes before `sent` are gone already */
    size_t sent;
    struct output_segment {
        const char *borrowed; /* NULL: the next `length` bytes of copies */
        size_t length;
    } segments[OUTPUT_SEGMENTS];
    size_t segment_count;
    size_t unsent_bytes;
    size_t borrowed_bytes; /* of unsent_bytes */
};

void output_init(struct output *output, size_t limit_bytes);
void output_finish(struct output *output);

/* Appends; copies.failed tells (once, at the end) whether the limit was met. */
void output_add(struct output *output, struct bytes bytes);
void output_add_parts(struct output *output, const struct bytes *parts, size_t count);

/* Appends without a copy: the bytes must live until output_send emptied the output or output_keep
 * was called. */
void output_add_borrowed(struct output *output, struct bytes bytes);

/* Copies what is still borrowed. */
void output_keep(struct output *output);

/*
 * Sends what it can with one writev. RESULT_OK: all is sent; RESULT_BUSY: the socket takes no more
 * now; RESULT_SYSTEM: the peer is gone.
 */
MUST_USE enum result output_send(struct output *output, int fd);

#endif
