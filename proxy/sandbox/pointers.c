/* Doubling growth; removal closes the gap. The lists here are short or change at their end. */
#include "sandbox/pointers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { POINTERS_FIRST = 8 };

void pointers_finish(struct pointers *pointers)
{
    free(pointers->items);
    *pointers = (struct pointers){0};
}

void pointers_insert(struct pointers *pointers, size_t index, void *item)
{
    assert(index <= pointers->count);
    if (pointers->count == pointers->capacity) {
        pointers->capacity = pointers->capacity == 0 ? POINTERS_FIRST : pointers->capacity * 2;
        pointers->items =
            memory_resize(pointers->items, pointers->capacity * sizeof(pointers->items[0]));
    }
    memmove(pointers->items + index + 1, pointers->items + index,
            (pointers->count - index) * sizeof(pointers->items[0]));
    pointers->items[index] = item;
    pointers->count++;
}

void pointers_add(struct pointers *pointers, void *item)
{
    pointers_insert(pointers, pointers->count, item);
}

void pointers_remove_at(struct pointers *pointers, size_t index)
{
    assert(index < pointers->count);
    pointers->count--;
    memmove(pointers->items + index, pointers->items + index + 1,
            (pointers->count - index) * sizeof(pointers->items[0]));
}

void pointers_remove(struct pointers *pointers, const void *item)
{
    for (size_t i = pointers->count; i > 0; i--)
        if (pointers->items[i - 1] == item) {
            pointers_remove_at(pointers, i - 1);
            return;
        }
}

bool pointers_hold(const struct pointers *pointers, const void *item)
{
    for (size_t i = 0; i < pointers->count; i++)
        if (pointers->items[i] == item)
            return true;
    return false;
}
