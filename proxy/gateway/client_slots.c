/* A list of names, which grows only, and a tree over it for main. */
#include "gateway/client_slots.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "gateway/counters.h"

struct client_slots {
    pthread_mutex_t lock; /* guards count; names are set once */
    uint32_t count;
    char *names[COUNTERS_CLIENTS];
    void *by_name; /* of tsearch: places in names, all but the first; main's */
};

struct client_slots *client_slots_create(void)
{
    struct client_slots *slots = memory_take(1, sizeof(*slots));

    (void)pthread_mutex_init(&slots->lock, NULL); /* default attributes: cannot fail on Linux */
    slots->names[slots->count++] = memory_string("");
    return slots;
}

static void node_keep(void *node)
{
    (void)node; /* a place in names */
}

void client_slots_destroy(struct client_slots *slots)
{
    if (slots == NULL)
        return;
    tdestroy(slots->by_name, node_keep);
    for (uint32_t i = 0; i < slots->count; i++)
        free(slots->names[i]);
    (void)pthread_mutex_destroy(&slots->lock);
    free(slots);
}

static int names_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

uint32_t client_slots_find(struct client_slots *slots, const char *name)
{
    char **const *found = tfind(&name, &slots->by_name, names_order);

    if (found != NULL)
        return (uint32_t)(*found - slots->names);
    if (slots->count == COUNTERS_CLIENTS)
        return COUNTERS_CLIENTS - 1;
    const uint32_t slot = slots->count;
    slots->names[slot] = memory_string(name);
    if (tsearch(&slots->names[slot], &slots->by_name, names_order) == NULL)
        memory_exhausted();
    (void)pthread_mutex_lock(&slots->lock);
    slots->count++;
    (void)pthread_mutex_unlock(&slots->lock);
    return slot;
}

const char *client_slots_name(struct client_slots *slots, uint32_t slot)
{
    (void)pthread_mutex_lock(&slots->lock);
    const char *name = slot < slots->count ? slots->names[slot] : NULL;
    (void)pthread_mutex_unlock(&slots->lock);
    return name;
}
