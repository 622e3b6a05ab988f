/*
 * What an answer shows: its tags, and the relations that it teaches. Bodies are read once, bounded;
 * what is too large, no JSON or not of the promised shape gets the tag that every write names.
 */
#ifndef POSTERN_CACHE_SHOWN_H
#define POSTERN_CACHE_SHOWN_H

#include "cache/relations.h"
#include "cache/tags.h"
#include "cache/widening.h"
#include "config/configuration.h"

struct shown_question {
    const struct preset *preset; /* NULL, or without entities: paths alone */
    struct relations relations;  /* with the account's tag, even where no store is */
    struct bytes path;           /* without version prefix */
    struct bytes query;
    struct bytes body; /* decoded; data NULL: not known */
};

struct shown {
    struct tags tags;          /* the account's first */
    const struct bytes *texts; /* of each tag; "account" for the account's */
    const struct relation *relations;
    size_t relation_count;
    unsigned widened;       /* bits of enum widening */
    struct bytes *entities; /* "profile/456": of the path, for the audit trail */
    size_t entity_count;
};

/* All in the arena. */
void shown_by_answer(const struct shown_question *question, struct arena *arena,
                     struct shown *shown);

#endif
