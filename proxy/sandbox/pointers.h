/* A growing list of pointers that keeps its order. It owns its room, not what the pointers show. */
#ifndef POSTERN_SANDBOX_POINTERS_H
#define POSTERN_SANDBOX_POINTERS_H

#include <stdbool.h>
#include <stddef.h>

struct pointers {
    void **items; /* heap; NULL until first used */
    size_t count;
    size_t capacity;
};

void pointers_finish(struct pointers *pointers);

/* Appends. */
void pointers_add(struct pointers *pointers, void *item);

/* Puts `item` where `index` is, which may be the end. */
void pointers_insert(struct pointers *pointers, size_t index, void *item);

void pointers_remove_at(struct pointers *pointers, size_t index);

/* Removes the item if it is there, looking from the end. */
void pointers_remove(struct pointers *pointers, const void *item);

bool pointers_hold(const struct pointers *pointers, const void *item);

#endif
