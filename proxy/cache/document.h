/*
 * Bodies as data: an answer's JSON, a write's JSON or form. Hostile: length and depth are bounded,
 * members that come twice are both seen, and what can be read in two ways is not read at all.
 */
#ifndef POSTERN_CACHE_DOCUMENT_H
#define POSTERN_CACHE_DOCUMENT_H

#include <cJSON.h>

#include "config/entities.h"
#include "http/message.h"

enum { DOCUMENT_LIMIT_BYTES = 4 * 1024 * 1024 };

/* JSON (RFC 8259), all of it, or NULL. To be given to cJSON_Delete. */
cJSON *document_read(struct bytes text);

/*
 * A write's body by its Content-Type: JSON, or a form, whose "fields[email]=x" is the member email
 * of the object fields. NULL: no Content-Type, another one, a coding, not well-formed. An empty
 * body is an empty object.
 */
cJSON *document_of_request(const struct fields *fields, struct bytes body, struct arena *arena);

/* What document_walk tells of each value that it comes to. */
struct document_place {
    const cJSON *value;     /* NULL: a step of the path was not there, or of the wrong shape */
    const cJSON *container; /* the object whose member it is; NULL: none */
};
typedef void document_visitor(void *context, const struct document_place *place);

/* Visits all values at the path, those of doubled members too. */
void document_walk(const cJSON *document, const struct member_path *path, document_visitor *visit,
                   void *context);

/*
 * The id in a value: a string, a whole number, or an object's "ID" or "id". Empty: none is there (a
 * null, false or nothing), *is_odd set where something is there that is no id.
 */
struct bytes document_id(const cJSON *value, struct arena *arena, bool *is_odd);

#endif
