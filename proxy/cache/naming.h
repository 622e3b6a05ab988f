/*
 * From the tokens of a write rule to the tags that they name: each place of a value has one text or
 * a few ("7" and "?", since an answer whose id is not known may show 7), "*" where nothing is
 * known. Private to cache/: changed.c's.
 */
#ifndef POSTERN_CACHE_NAMING_H
#define POSTERN_CACHE_NAMING_H

#include <cJSON.h>

#include "cache/changed.h"
#include "cache/tag_set.h"

enum { CHANGED_RULES_LIMIT = 16 /* of one path template and method */ };

/* The texts that may stand at one place of a token. */
struct values {
    struct bytes *list; /* in the arena */
    size_t count, capacity;
};

struct changing {
    const struct changed_question *question;
    const struct entities *entities;
    struct arena *arena;
    const struct write_rule *rules[CHANGED_RULES_LIMIT];
    size_t rule_count;
    const struct write_rule *rule; /* that is being expanded */
    struct placed_path path;
    cJSON *body;                 /* NULL: not known */
    const struct fields *answer; /* NULL: none yet, or none at all */
    bool is_answered;            /* the answer's tokens are asked for, not the request's */
    struct tag_set *tags;
    struct values facets; /* of the lists that a change of fields touches; count 0: all */
    bool is_too_much;     /* for one token: the account is named instead */
    unsigned widened;
};

/* Names what the rule's tokens do: those that ask the answer, or (is_answered false) the others. */
void name_rule(struct changing *changing, const struct write_rule *rule,
               const struct path_segments *segments);

/* Names the path as it is placed, a name in it as "*". */
void name_own_path(struct changing *changing, struct bytes mark);

/* Whether a token looks at the request's body. */
bool change_asks_body(const struct change *change);

#endif
