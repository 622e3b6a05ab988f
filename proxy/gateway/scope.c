/*
 * Two tables. The process's, under a lock, gives each template its number and keeps its text. Each
 * worker's remembers which number a path has, so that a request whose path was seen lately pays for
 * one hash and one comparison; it is direct-mapped, for what is pushed out is only looked up again.
 */
#include "gateway/scope.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "config/entities.h"

enum {
    SCOPE_SEGMENTS = 4, /* of a made template */
    SCOPE_HEXADECIMAL_BYTES = 8,
    SCOPE_SEGMENT_BYTES = 32,
    SCOPE_ARENA_BYTES = 1024,
    SCOPE_PLACES = SCOPES_LIMIT * 2, /* of the table by text */
};

static_assert((SCOPE_PLACES & (SCOPE_PLACES - 1)) == 0, "positions are cut by a mask");
static_assert((SCOPE_MEMORY_SLOTS & (SCOPE_MEMORY_SLOTS - 1)) == 0, "and so are these");

struct scopes {
    pthread_mutex_t lock; /* guards all but what is set of list[id] once it is counted */
    uint32_t count;
    struct scope list[SCOPES_LIMIT];
    uint32_t by_text[SCOPE_PLACES]; /* ids; 0: free */
};

struct scope scope_other(void)
{
    return (struct scope){.id = SCOPE_OTHER, .text = BYTES("other")};
}

struct scopes *scopes_create(void)
{
    struct scopes *scopes = memory_take(1, sizeof(*scopes));

    (void)pthread_mutex_init(&scopes->lock, NULL); /* default attributes: cannot fail on Linux */
    scopes->list[scopes->count++] = scope_other();
    return scopes;
}

void scopes_destroy(struct scopes *scopes)
{
    if (scopes == NULL)
        return;
    for (uint32_t id = SCOPE_OTHER + 1; id < scopes->count; id++)
        free((char *)scopes->list[id].text.data);
    (void)pthread_mutex_destroy(&scopes->lock);
    free(scopes);
}

bool scopes_read(struct scopes *scopes, uint32_t id, struct scope *scope)
{
    (void)pthread_mutex_lock(&scopes->lock);
    const bool is_there = id < scopes->count;
    if (is_there)
        *scope = scopes->list[id];
    (void)pthread_mutex_unlock(&scopes->lock);
    return is_there;
}

/* The id of a text, given it now where there is one left. */
static uint32_t scopes_enter(struct scopes *scopes, struct bytes text, uint64_t hash)
{
    size_t place = (size_t)hash_of(text).low & (SCOPE_PLACES - 1);
    uint32_t id = SCOPE_OTHER;

    (void)pthread_mutex_lock(&scopes->lock);
    while (scopes->by_text[place] != 0 &&
           !bytes_equal(scopes->list[scopes->by_text[place]].text, text))
        place = (place + 1) & (SCOPE_PLACES - 1);
    id = scopes->by_text[place];
    if (id == 0 && scopes->count < SCOPES_LIMIT) {
        char *copy = memory_take(text.length + 1, 1);

        memcpy(copy, text.data, text.length);
        id = scopes->count++;
        scopes->list[id] =
            (struct scope){.id = id, .text = bytes_of(copy, text.length), .hash = hash};
        scopes->by_text[place] = id;
    }
    (void)pthread_mutex_unlock(&scopes->lock);
    return id;
}

/* --- templates --- */

static bool is_hexadecimal(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++)
        if (bytes_hex_value(text.data[i]) < 0)
            return false;
    return text.length > 0;
}

static bool is_decimal(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.length > 0;
}

/* 8-4-4-4-12 hexadecimal digits (RFC 4122 §3). */
static bool is_uuid(struct bytes text)
{
    static const size_t lengths[] = {8, 4, 4, 4, 12};

    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        const struct bytes group = bytes_cut(&text, '-');

        if (group.length != lengths[i] || !is_hexadecimal(group))
            return false;
    }
    return text.length == 0;
}

static bool looks_like_id(struct bytes segment)
{
    return segment.length > SCOPE_SEGMENT_BYTES || is_decimal(segment) ||
           (segment.length >= SCOPE_HEXADECIMAL_BYTES && is_hexadecimal(segment)) ||
           is_uuid(segment) || bytes_index(segment, '@') < segment.length ||
           bytes_find(segment, BYTES("%40")) < segment.length;
}

static struct bytes made_template(struct arena *arena, struct bytes path)
{
    struct bytes parts[2 * SCOPE_SEGMENTS + 1];
    size_t count = 0, segments = 0;

    (void)bytes_cut(&path, '/');
    while (path.length > 0 && segments < SCOPE_SEGMENTS) {
        const struct bytes segment = bytes_cut(&path, '/');

        parts[count++] = BYTES("/");
        parts[count++] = looks_like_id(segment) ? BYTES("*") : segment;
        segments++;
    }
    if (path.length > 0)
        parts[count++] = BYTES("/**");
    return count == 0 ? BYTES("/") : arena_join_all(arena, parts, count);
}

/* The template of the write that fits, by whichever method. */
static const struct path_template *written_template(const struct entities *entities,
                                                    const struct path_segments *path)
{
    const struct bytes methods[] = {BYTES("PUT"), BYTES("POST"), BYTES("DELETE"), BYTES("PATCH")};
    const struct write_rule *rule;

    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++)
        if (entities_write_rules(entities, methods[i], path, &rule, 1) > 0)
            return &rule->path;
    return NULL;
}

struct bytes scope_template(struct arena *arena, const struct upstream_config *upstream,
                            struct bytes plain_path)
{
    const struct entities *entities = upstream->preset == NULL ? NULL : upstream->preset->entities;
    struct path_segments path;

    if (entities == NULL)
        return made_template(arena, plain_path);
    path_canonical(entities, arena, plain_path, &path);
    const struct read_rule *read = entities_read_rule(entities, &path);
    const struct path_template *template =
        read != NULL ? &read->path : written_template(entities, &path);
    if (template == NULL)
        return made_template(arena, plain_path);
    return arena_copy(arena, template->text);
}

/* --- a worker's --- */

static uint32_t scope_find(struct scopes *scopes, const struct scope_question *question)
{
    const struct upstream_config *upstream =
        &question->configuration->upstreams[question->upstream];
    struct arena arena;

    arena_init(&arena, SCOPE_ARENA_BYTES);
    const struct bytes template = scope_template(&arena, upstream, question->plain_path);
    const uint32_t id =
        scopes_enter(scopes, arena_join(&arena, upstream->prefix, template), hash_of(template).low);
    arena_finish(&arena);
    return id;
}

struct scope scope_of(struct scopes *scopes, struct scope_memory *memory,
                      const struct scope_question *question)
{
    const struct hash128 path = hash_of(question->plain_path);
    const size_t slot = ((size_t)path.low + question->upstream) & (SCOPE_MEMORY_SLOTS - 1);

    if (!memory->slots[slot].is_used || !hash_equal(memory->slots[slot].path, path) ||
        memory->slots[slot].generation != question->generation ||
        memory->slots[slot].upstream != question->upstream) {
        memory->slots[slot].id = scope_find(scopes, question);
        memory->slots[slot].path = path;
        memory->slots[slot].generation = question->generation;
        memory->slots[slot].upstream = question->upstream;
        memory->slots[slot].is_used = true;
    }
    /* its number came to this thread through the lock, and what it names does not change */
    return scopes->list[memory->slots[slot].id];
}
