/*
 * The notation of presets (docs/presets.md): path templates, where something stands in a body, what
 * an answer shows, and what a write changes. Each function reads one text and compiles it into an
 * arena; what is wrong with it goes to `error` as text, RESULT_INVALID.
 */
#ifndef POSTERN_CONFIG_NOTATION_H
#define POSTERN_CONFIG_NOTATION_H

#include "config/entities.h"

/* What texts are read by. Of the entities, kinds and equivalents are to be there already. */
struct notation {
    const struct entities *entities;
    struct arena *arena;
};

/* "/database/{database}/profiles" */
MUST_USE enum result notation_template(const struct notation *notation, struct bytes text,
                                       struct path_template *template, struct error *error);

/* "data[].fields.data[].ID"; names are followed by a NUL. */
MUST_USE enum result notation_member_path(struct arena *arena, struct bytes text,
                                          struct member_path *path, struct error *error);

/* "data[].ID=>profile" */
MUST_USE enum result notation_shown(const struct notation *notation, struct bytes text,
                                    struct shown_rule *shown, struct error *error);

/* "database/{database@profile}/profiles", of a write at the path. `narrowed` is left false. */
MUST_USE enum result notation_change(const struct notation *notation,
                                     const struct path_template *path, struct bytes text,
                                     struct change *change, struct error *error);

/* The kind of that name; KIND_NONE, and an error that may suggest another, where there is none. */
MUST_USE enum result notation_kind(const struct notation *notation, struct bytes name, int *kind,
                                   struct error *error);

/* The index of the template's placeholder of that name, or its count. */
size_t template_placeholder(const struct path_template *template, struct bytes name);

#endif
