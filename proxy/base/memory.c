/* The one place that meets the end of memory. */
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void memory_exhausted(void)
{
    (void)fputs("postern: error: out of memory; give the process more or lower cache.max_object "
                "and limits\n",
                stderr);
    abort();
}

void *memory_take(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);

    if (memory == NULL)
        memory_exhausted();
    return memory;
}

void *memory_resize(void *memory, size_t size)
{
    void *resized = realloc(memory, size == 0 ? 1 : size);

    if (resized == NULL)
        memory_exhausted();
    return resized;
}

char *memory_string(const char *string)
{
    const size_t size = strlen(string) + 1;

    return memcpy(memory_take(1, size), string, size);
}
