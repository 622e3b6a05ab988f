/*
 * The text of a configuration or preset: JSON (RFC 8259) with // and block comments, parsed by
 * cJSON, together with where in the text each of its values stands, which cJSON does not know.
 *
 * Invariant: every cJSON item of `root` has its place, and no depth is beyond SOURCE_DEPTH_LIMIT.
 */
#ifndef POSTERN_CONFIG_SOURCE_H
#define POSTERN_CONFIG_SOURCE_H

#include <cJSON.h>

#include "base/bytes.h"

enum { SOURCE_DEPTH_LIMIT = 32 };

/* Offsets count from the start of the text as it was given, comments included. */
struct place {
    const cJSON *item;
    size_t parent; /* place of its array or object; the root's own */
    size_t index;  /* among the values of its array or object */
    size_t name;   /* where its member's name starts; without one, as start */
    size_t start, end;
};

struct source {
    char *text; /* heap: the text, comments and a byte order mark blanked out */
    size_t length;
    cJSON *root;
    struct place *places; /* heap, in the order of the text; the root is the first */
    size_t count, capacity;
};

/*
 * Parses. RESULT_INVALID with text and line in `error` where it is not JSON, is not UTF-8, holds
 * \u0000 or is nested too deeply; duplicate members are left to the reader. What it sets is freed
 * by source_finish, which is to be called in both cases.
 */
MUST_USE enum result source_read(struct source *source, struct bytes text, struct error *error);

void source_finish(struct source *source);

/* The place of an item of this source. */
const struct place *source_place(const struct source *source, const cJSON *item);

/* Sets the error's line and JSON pointer (RFC 6901), cut at the front where it is too long. */
void source_locate(const struct source *source, const cJSON *item, struct error *error);

#endif
