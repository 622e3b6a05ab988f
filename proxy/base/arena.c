/* Blocks in a list, filled from the front. Under AddressSanitizer the unused rest of each is
 * poisoned. */
#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SANITIZED 1
#endif
#endif
#ifdef ARENA_SANITIZED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#endif

enum { ARENA_ALIGNMENT = 16 };

struct arena_block {
    struct arena_block *next;
    size_t capacity;
    size_t used;
    _Alignas(ARENA_ALIGNMENT) char data[];
};

static struct arena_block *block_create(size_t capacity)
{
    struct arena_block *block = memory_resize(NULL, sizeof(*block) + capacity);

    block->next = NULL;
    block->capacity = capacity;
    block->used = 0;
    ASAN_POISON_MEMORY_REGION(block->data, capacity);
    return block;
}

static void block_destroy(struct arena_block *block)
{
    ASAN_UNPOISON_MEMORY_REGION(block->data, block->capacity);
    free(block);
}

void arena_init(struct arena *arena, size_t block_bytes)
{
    *arena = (struct arena){.block_bytes = block_bytes};
}

void arena_finish(struct arena *arena)
{
    for (struct arena_block *block = arena->first, *next; block != NULL; block = next) {
        next = block->next;
        block_destroy(block);
    }
    arena->first = arena->now = NULL;
}

void arena_reset(struct arena *arena)
{
    if (arena->first == NULL)
        return;
    for (struct arena_block *block = arena->first->next, *next; block != NULL; block = next) {
        next = block->next;
        block_destroy(block);
    }
    arena->first->next = NULL;
    arena->first->used = 0;
    ASAN_POISON_MEMORY_REGION(arena->first->data, arena->first->capacity);
    arena->now = arena->first;
}

static struct arena_block *arena_block_for(struct arena *arena, size_t size)
{
    if (arena->now != NULL && arena->now->capacity - arena->now->used >= size)
        return arena->now;

    struct arena_block *block = block_create(size > arena->block_bytes ? size : arena->block_bytes);
    if (arena->now == NULL)
        arena->first = block;
    else
        arena->now->next = block;
    arena->now = block;
    return block;
}

void *arena_take(struct arena *arena, size_t size)
{
    size_t rounded;

    if (!size_add(size, ARENA_ALIGNMENT - 1, &rounded))
        memory_exhausted();
    rounded &= ~(size_t)(ARENA_ALIGNMENT - 1);
    struct arena_block *block = arena_block_for(arena, rounded);
    char *memory = block->data + block->used;

    block->used += rounded;
    assert(block->used <= block->capacity);
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
    return memory;
}

void *arena_take_zeroed(struct arena *arena, size_t size)
{
    return memset(arena_take(arena, size), 0, size);
}

struct bytes arena_join(struct arena *arena, struct bytes a, struct bytes b)
{
    size_t length;

    if (!size_add(a.length, b.length, &length) || length == SIZE_MAX)
        memory_exhausted();
    char *copy = arena_take(arena, length + 1);
    if (a.length > 0)
        memcpy(copy, a.data, a.length);
    if (b.length > 0)
        memcpy(copy + a.length, b.data, b.length);
    copy[length] = '\0';
    return bytes_of(copy, length);
}

struct bytes arena_join_all(struct arena *arena, const struct bytes *parts, size_t count)
{
    size_t length = 1; /* the NUL */

    for (size_t i = 0; i < count; i++)
        if (!size_add(length, parts[i].length, &length))
            memory_exhausted();
    char *const joined = arena_take(arena, length);
    char *to = joined;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].length > 0)
            memcpy(to, parts[i].data, parts[i].length);
        to += parts[i].length;
    }
    *to = '\0';
    return bytes_of(joined, length - 1);
}

struct bytes arena_number(struct arena *arena, int64_t number)
{
    char *const text = arena_take(arena, 1 + NUMBER_DIGITS + 1);
    const bool is_negative = number < 0;
    const uint64_t magnitude = is_negative ? 0 - (uint64_t)number : (uint64_t)number;

    text[0] = '-';
    const size_t length = (is_negative ? 1 : 0) + number_write(magnitude, 1, text + is_negative);
    text[length] = '\0';
    return bytes_of(text, length);
}

struct bytes arena_copy(struct arena *arena, struct bytes bytes)
{
    return arena_join(arena, bytes, BYTES(""));
}

struct bytes arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);
    char *text = arena_take(arena, (size_t)length + 1);
    (void)vsnprintf(text, (size_t)length + 1, format, again); /* measured just above */
    va_end(again);
    return bytes_of(text, (size_t)length);
}
