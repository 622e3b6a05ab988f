/*
 * Heap memory that is there or ends the process: running out of it costs no promise, and branches
 * that no test can reach are where the bugs live. Any size that a peer chooses is bounded before it
 * comes here.
 */
#ifndef POSTERN_BASE_MEMORY_H
#define POSTERN_BASE_MEMORY_H

#include <stddef.h>

/* Zeroed memory for `count` things of `size` bytes; free() gives it back. */
void *memory_take(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* realloc() that does not return NULL; new bytes are not set. */
void *memory_resize(void *memory, size_t size) __attribute__((returns_nonnull));

/* A heap copy of a string. */
char *memory_string(const char *string) __attribute__((malloc, returns_nonnull));

/* Says so and ends the process: for the out-of-memory of libraries as well. */
void memory_exhausted(void) __attribute__((noreturn));

#endif
