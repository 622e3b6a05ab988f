/*
 * What the last invalidations were, and by which one an entry went: for people who ask why. Bounded
 * in memory; lost at a restart.
 */
#ifndef POSTERN_CACHE_RECALL_H
#define POSTERN_CACHE_RECALL_H

#include <pthread.h>

#include "cache/cache.h"

enum {
    RECALL_INVALIDATIONS = 1024,
    RECALL_TAGS = 256,      /* of one invalidation; further ones are not remembered */
    RECALL_ENTRIES = 16384, /* that went */
};

struct recall_invalidation;
struct recall_entry;

/* The writer notes, any thread asks. */
struct recall {
    pthread_mutex_t lock; /* held for a copy, or for a walk where somebody asks */
    struct recall_invalidation *invalidations; /* rings */
    struct recall_entry *entries;
    uint64_t invalidation_count, entry_count; /* noted ever */
};

void recall_init(struct recall *recall);
void recall_finish(struct recall *recall);

/* Notes a committed invalidation of these tags. everything: of every account. */
void recall_note(struct recall *recall, const struct cache_job *job, struct tags tags,
                 bool everything);

/* Notes that an entry went by the last invalidation that was noted … */
void recall_note_entry(struct recall *recall, struct hash128 key);

/* … or by the last one that named the tag; an entry that was noted a moment ago stays as it is. */
void recall_note_swept(struct recall *recall, uint64_t tag, const struct hash128 *keys,
                       size_t count);

/* As cache_recall and cache_recall_tags. */
MUST_USE enum result recall_find(struct recall *recall, struct hash128 key,
                                 struct cache_memory *memory);
MUST_USE enum result recall_find_tags(struct recall *recall, struct tags tags,
                                      struct cache_memory *memory);

#endif
