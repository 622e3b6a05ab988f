/* Doubling growth up to the limit: what is within the capacity needs no other check. */
#include "base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

enum { BUFFER_FIRST_BYTES = 256 };

void buffer_init(struct buffer *buffer, size_t limit_bytes)
{
    *buffer = (struct buffer){.limit_bytes = limit_bytes};
}

void buffer_finish(struct buffer *buffer)
{
    free(buffer->data);
    buffer->data = NULL;
    buffer->length = buffer->capacity = 0;
}

void buffer_reset(struct buffer *buffer)
{
    buffer->length = 0;
    buffer->failed = false;
}

char *buffer_grow(struct buffer *buffer, size_t size)
{
    size_t needed;

    assert(buffer->length <= buffer->capacity && buffer->capacity <= buffer->limit_bytes);
    if (buffer->failed || !size_add(buffer->length, size, &needed) ||
        needed > buffer->limit_bytes) {
        buffer->failed = true;
        return NULL;
    }
    if (needed > buffer->capacity) {
        size_t capacity = buffer->capacity;

        if (capacity == 0)
            capacity =
                buffer->limit_bytes < BUFFER_FIRST_BYTES ? buffer->limit_bytes : BUFFER_FIRST_BYTES;
        while (capacity < needed)
            capacity = capacity > buffer->limit_bytes / 2 ? buffer->limit_bytes : capacity * 2;
        buffer->data = memory_resize(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->length;
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);
    char *room =
        buffer_reserve(buffer, (size_t)length + 1); /* vsnprintf writes a NUL, not counted */
    if (room != NULL) {
        (void)vsnprintf(room, (size_t)length + 1, format, again); /* measured just above */
        buffer->length += (size_t)length;
    }
    va_end(again);
}

void buffer_consume(struct buffer *buffer, size_t count)
{
    assert(count <= buffer->length);
    buffer->length -= count;
    if (count > 0 && buffer->length > 0)
        memmove(buffer->data, buffer->data + count, buffer->length);
}
