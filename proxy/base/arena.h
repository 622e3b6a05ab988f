/*
 * An arena: memory for all that lives as long as one exchange. Nothing in it is freed singly;
 * arena_reset frees all at once and keeps the first block for the next exchange. Not thread-safe:
 * one owner.
 */
#ifndef POSTERN_BASE_ARENA_H
#define POSTERN_BASE_ARENA_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/result.h"

struct arena_block;

struct arena {
    struct arena_block *first; /* kept over resets; NULL until first used */
    struct arena_block *now;   /* the block that is being filled */
    size_t block_bytes;
};

/* An empty arena that grows by blocks of `block_bytes`. Takes no memory yet. */
void arena_init(struct arena *arena, size_t block_bytes);

/* Frees everything. The arena may be used again. */
void arena_finish(struct arena *arena);

/* Makes all memory taken so far invalid; keeps one block. */
void arena_reset(struct arena *arena);

/* `size` bytes aligned for any type, not zeroed, valid until reset. Never NULL. */
void *arena_take(struct arena *arena, size_t size) __attribute__((returns_nonnull));

/* The same, zeroed. */
void *arena_take_zeroed(struct arena *arena, size_t size) __attribute__((returns_nonnull));

/* A copy of `bytes`, followed by a NUL that its length does not count. */
struct bytes arena_copy(struct arena *arena, struct bytes bytes);

/* a and b, one after the other, with a NUL behind. */
struct bytes arena_join(struct arena *arena, struct bytes a, struct bytes b);

/* All parts, one after the other, with a NUL behind. */
struct bytes arena_join_all(struct arena *arena, const struct bytes *parts, size_t count);

/* A number in decimal, with a NUL behind. */
struct bytes arena_number(struct arena *arena, int64_t number);

/* printf into the arena, with a NUL behind. */
struct bytes arena_format(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
