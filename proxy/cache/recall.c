/* Two rings. An entry's row holds the number of its invalidation, which may be forgotten earlier.
 */
#include "cache/recall.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"

enum { RECALL_LOOK_BACK = 256 };

struct recall_invalidation {
    struct cache_memory memory;
    uint64_t *tags; /* heap */
    size_t tag_count;
    bool everything;
};

struct recall_entry {
    struct hash128 key;
    uint64_t number; /* of the invalidation, from 1; 0: none */
};

void recall_init(struct recall *recall)
{
    *recall = (struct recall){
        .invalidations = memory_take(RECALL_INVALIDATIONS, sizeof(recall->invalidations[0])),
        .entries = memory_take(RECALL_ENTRIES, sizeof(recall->entries[0])),
    };
    (void)pthread_mutex_init(&recall->lock, NULL); /* default attributes: cannot fail on Linux */
}

void recall_finish(struct recall *recall)
{
    for (size_t i = 0; i < RECALL_INVALIDATIONS; i++)
        free(recall->invalidations[i].tags);
    free(recall->invalidations);
    free(recall->entries);
    recall->invalidations = NULL;
    recall->entries = NULL;
    (void)pthread_mutex_destroy(&recall->lock);
}

static struct recall_invalidation *invalidation_at(struct recall *recall, uint64_t number)
{
    return &recall->invalidations[(number - 1) % RECALL_INVALIDATIONS];
}

static void copy_text(char *to, size_t room, struct bytes text)
{
    const struct bytes cut = bytes_slice(text, 0, room - 1);

    if (cut.length > 0)
        memcpy(to, cut.data, cut.length);
    to[cut.length] = '\0';
}

static void fill_memory(struct cache_memory *memory, const struct cache_job *job)
{
    memory->wall_us = clock_wall_us();
    memory->gone = job->gone;
    copy_text(memory->rule, sizeof(memory->rule), job->cause.rule);
    copy_text(memory->method, sizeof(memory->method), job->cause.method);
    copy_text(memory->url, sizeof(memory->url), job->cause.url);
    copy_text(memory->client, sizeof(memory->client), job->cause.client);
    copy_text(memory->id, sizeof(memory->id), job->cause.id);
}

void recall_note(struct recall *recall, const struct cache_job *job, struct tags tags,
                 bool everything)
{
    const size_t count = tags.count < RECALL_TAGS ? tags.count : RECALL_TAGS;

    (void)pthread_mutex_lock(&recall->lock);
    struct recall_invalidation *noted = invalidation_at(recall, ++recall->invalidation_count);
    fill_memory(&noted->memory, job);
    noted->tags = memory_resize(noted->tags, (count + 1) * sizeof(noted->tags[0]));
    if (count > 0)
        memcpy(noted->tags, tags.hashes, count * sizeof(noted->tags[0]));
    noted->tag_count = count;
    noted->everything = everything;
    (void)pthread_mutex_unlock(&recall->lock);
}

/* Under the lock. */
static void add_entry(struct recall *recall, struct hash128 key, uint64_t number)
{
    recall->entries[recall->entry_count++ % RECALL_ENTRIES] =
        (struct recall_entry){.key = key, .number = number};
}

void recall_note_entry(struct recall *recall, struct hash128 key)
{
    (void)pthread_mutex_lock(&recall->lock);
    add_entry(recall, key, recall->invalidation_count);
    (void)pthread_mutex_unlock(&recall->lock);
}

/* Among the last. Under the lock. */
static bool is_noted(const struct recall *recall, struct hash128 key)
{
    for (uint64_t i = 1; i <= RECALL_LOOK_BACK && i <= recall->entry_count; i++)
        if (hash_equal(recall->entries[(recall->entry_count - i) % RECALL_ENTRIES].key, key))
            return true;
    return false;
}

static bool invalidation_names(const struct recall_invalidation *invalidation, struct tags sorted)
{
    if (invalidation->everything)
        return true;
    for (size_t i = 0; i < invalidation->tag_count && sorted.count > 0; i++)
        if (bsearch(&invalidation->tags[i], sorted.hashes, sorted.count, sizeof(sorted.hashes[0]),
                    tag_compare) != NULL)
            return true;
    return false;
}

/* The newest that named one of the tags, which are sorted, or 0. Under the lock. */
static uint64_t find_number(struct recall *recall, struct tags sorted)
{
    uint64_t number = recall->invalidation_count;

    for (size_t i = 0; i < RECALL_INVALIDATIONS && number > 0; i++, number--)
        if (invalidation_names(invalidation_at(recall, number), sorted))
            return number;
    return 0;
}

void recall_note_swept(struct recall *recall, uint64_t tag, const struct hash128 *keys,
                       size_t count)
{
    (void)pthread_mutex_lock(&recall->lock);
    const uint64_t number = find_number(recall, (struct tags){.hashes = &tag, .count = 1});
    for (size_t i = 0; i < count && number > 0; i++)
        if (!is_noted(recall, keys[i]))
            add_entry(recall, keys[i], number);
    (void)pthread_mutex_unlock(&recall->lock);
}

/* Under the lock. */
static enum result copy_memory(struct recall *recall, uint64_t number, struct cache_memory *memory)
{
    if (number == 0 || recall->invalidation_count - number >= RECALL_INVALIDATIONS)
        return RESULT_MISSING;
    *memory = invalidation_at(recall, number)->memory;
    return RESULT_OK;
}

enum result recall_find(struct recall *recall, struct hash128 key, struct cache_memory *memory)
{
    enum result result = RESULT_MISSING;

    (void)pthread_mutex_lock(&recall->lock);
    uint64_t at = recall->entry_count;
    for (size_t i = 0; i < RECALL_ENTRIES && at > 0 && result != RESULT_OK; i++, at--) {
        const struct recall_entry *entry = &recall->entries[(at - 1) % RECALL_ENTRIES];

        if (!hash_equal(entry->key, key))
            continue;
        result = copy_memory(recall, entry->number, memory);
        break; /* the newest; earlier ones are of an earlier entry */
    }
    (void)pthread_mutex_unlock(&recall->lock);
    return result;
}

enum result recall_find_tags(struct recall *recall, struct tags tags, struct cache_memory *memory)
{
    uint64_t *sorted = memory_take(tags.count + 1, sizeof(*sorted));

    if (tags.count > 0)
        memcpy(sorted, tags.hashes, tags.count * sizeof(*sorted));
    qsort(sorted, tags.count, sizeof(*sorted), tag_compare);
    (void)pthread_mutex_lock(&recall->lock);
    const uint64_t number =
        find_number(recall, (struct tags){.hashes = sorted, .count = tags.count});
    const enum result result = copy_memory(recall, number, memory);
    (void)pthread_mutex_unlock(&recall->lock);
    free(sorted);
    return result;
}
