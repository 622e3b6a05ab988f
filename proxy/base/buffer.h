/*
 * A growing buffer that is born with its limit. It remembers its first failure (RESULT_LIMIT),
 * ignores what is added after it, and its user asks once, at the end.
 */
#ifndef POSTERN_BASE_BUFFER_H
#define POSTERN_BASE_BUFFER_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/result.h"

struct buffer {
    char *data; /* heap; NULL until first used */
    size_t length;
    size_t capacity;
    size_t limit_bytes;
    bool failed; /* something did not fit: the content is not whole */
};

void buffer_init(struct buffer *buffer, size_t limit_bytes);
void buffer_finish(struct buffer *buffer);

/* Empties it, keeps its memory, forgets the failure. */
void buffer_reset(struct buffer *buffer);

/* For buffer_reserve: more room than there is, by growing. */
char *buffer_grow(struct buffer *buffer, size_t size);

/*
 * Room for `size` more bytes at data + length, to be written by the caller, who then adds to
 * length. NULL, and failed set, where the limit forbids it. Inline, as buffer_add is: a hit adds
 * some hundred small parts.
 */
static inline char *buffer_reserve(struct buffer *buffer, size_t size)
{
    if (buffer->failed || size > buffer->capacity - buffer->length)
        return buffer_grow(buffer, size);
    return buffer->data + buffer->length;
}

static inline void buffer_add(struct buffer *buffer, struct bytes bytes)
{
    char *room = bytes.length == 0 ? NULL : buffer_reserve(buffer, bytes.length);

    if (room == NULL)
        return;
    memcpy(room, bytes.data, bytes.length);
    buffer->length += bytes.length;
}

static inline void buffer_add_byte(struct buffer *buffer, char byte)
{
    buffer_add(buffer, bytes_of(&byte, 1));
}

void buffer_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

/* Takes `count` bytes off the front. */
void buffer_consume(struct buffer *buffer, size_t count);

/* What it holds; borrowed until the next change. */
static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
    return bytes_of(buffer->data, buffer->length);
}

#endif
