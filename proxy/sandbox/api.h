/*
 * What the handlers of the API share: finding what a path names, and writing what a body says. The
 * finders answer with the API's error and return NULL where there is nothing.
 */
#ifndef POSTERN_SANDBOX_API_H
#define POSTERN_SANDBOX_API_H

#include "sandbox/endpoint.h"

/* The database or collection that the call's first argument names: an id, or a name in any case
 * (databases only: a collection's name says nothing without its database). */
struct table *api_database(const struct model *model, const struct call *call, struct reply *reply);
struct table *api_collection(const struct model *model, const struct call *call,
                             struct reply *reply);

/* By id or name. */
struct table *api_collection_of(const struct model *model, const struct table *database,
                                struct bytes named, struct reply *reply);

struct profile *api_profile(const struct model *model, const struct call *call,
                            struct reply *reply);
struct profile *api_subprofile(const struct model *model, const struct call *call,
                               struct reply *reply);
struct selection *api_selection(const struct model *model, enum kind kind, const struct call *call,
                                struct reply *reply);

/* The entity of a kind with that id, or NULL without an answer. */
void *api_find(const struct model *model, enum kind kind, struct bytes id);

/* Sets the fields that a JSON object names; other names are ignored. */
void api_set_values(struct model *model, const struct call *call, struct profile *profile,
                    const cJSON *values);

/*
 * A list of names: they are added, and all others taken away with `replaces`. An object: each name
 * in it is switched on or off, and with `replaces` all others off.
 */
void api_set_interests(struct model *model, const struct call *call, struct profile *profile,
                       const cJSON *interests, bool replaces);

/* Members of the body that are there overwrite what is there. */
void api_take_string(const struct call *call, const char *name, char **string);
void api_take_flag(const struct call *call, const char *name, bool *flag);
void api_take_intentions(const struct call *call, struct intentions *intentions);

/* The body's member as text, or empty. */
struct bytes api_body_text(const struct call *call, const char *name);

/* For a body that must be an object, or must not be broken: answers the error and is false. */
bool api_body_is_readable(const struct call *call, struct reply *reply);

#endif
