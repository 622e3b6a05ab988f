/*
 * The answer to a call, as the version that was asked answers (201, 303, 204 …). A handler calls
 * one of these functions, once.
 */
#ifndef POSTERN_SANDBOX_REPLY_H
#define POSTERN_SANDBOX_REPLY_H

#include <cJSON.h>

#include "sandbox/call.h"
#include "sandbox/shape.h"

struct reply {
    struct arena *arena;
    unsigned status;
    struct fields fields;
    struct bytes body;    /* in the arena or static */
    bool streams_content; /* instead of `body`, the file of that number */
    uint64_t content_seed;
};

void reply_init(struct reply *reply, struct arena *arena);

/* Adds a field line; `value` is borrowed. */
void reply_field(struct reply *reply, struct bytes name, struct bytes value);

/* 200 with that tree, which is freed, or with a text that stands in the arena. */
void reply_json(struct reply *reply, cJSON *tree);
void reply_text(struct reply *reply, struct bytes json);

/* 400 with the API's error object. */
void reply_error(struct reply *reply, const char *message);

/* A POST that created. */
void reply_created(struct reply *reply, const struct call *call, enum kind kind, uint32_t id);

/* A PUT that created. */
void reply_created_by_put(struct reply *reply, const struct call *call, enum kind kind,
                          uint32_t id);

/* A write to one entity; a write to many. */
void reply_updated(struct reply *reply, const struct call *call);
void reply_updated_many(struct reply *reply, const struct call *call);

/* A DELETE that deleted. */
void reply_deleted(struct reply *reply, const struct call *call, enum kind kind, uint32_t id);

/* A page of entities with start, limit and total as the call asks. */
void reply_list(struct reply *reply, const struct call *call, const struct pointers *entities,
                shape_function *shape);

/*
 * A page of those profiles of `source` (sorted by id) that fields[] selects, in the order that the
 * call asks for; only_ids: as a bare array of ids.
 */
struct profile_list {
    struct model *model;
    const struct table *table;
    const struct pointers *source;
    bool only_ids;
};
void reply_profiles(struct reply *reply, const struct call *call, const struct profile_list *list);

/* Those profiles of `source` that the call's fields[] select, in their order. The list is the
 * caller's, to be finished. */
void select_profiles(const struct call *call, const struct table *table,
                     const struct pointers *source, struct pointers *selected);

#endif
