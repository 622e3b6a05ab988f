/*
 * What a write changes: the tags that it names. First for its intent, from the request; then, with
 * the answer, what its fields name as well.
 */
#ifndef POSTERN_CACHE_CHANGED_H
#define POSTERN_CACHE_CHANGED_H

#include "cache/relations.h"
#include "cache/tags.h"
#include "cache/widening.h"
#include "config/configuration.h"
#include "http/message.h"

/* A write's body is held back up to this length where a rule asks for it; a longer one is not read.
 */
enum { CHANGED_BODY_LIMIT_BYTES = 256 * 1024 };

struct changed_question {
    const struct preset *preset; /* NULL, or without entities: no write matches a rule */
    bool unmatched_by_path;      /* a write that no rule matches names its path, and no more */
    struct relations relations;
    struct bytes method, path;    /* the path without version prefix */
    const struct fields *request; /* Content-Type, Content-Encoding */
    struct bytes body;            /* data NULL: not read */
};

struct changed {
    struct tags tags;                 /* the account's alone: everything */
    const struct bytes *texts;        /* of each, "account" for the account's */
    const struct write_rule *rule;    /* NULL: none matched */
    const struct relation *relations; /* by_answer: what was created belongs to … */
    size_t relation_count;
    const struct relation *forgets;
    size_t forget_count;
    int64_t settle_us; /* -1: not said */
    unsigned widened;
    struct bytes *entities; /* "profile/456": of the path, for the audit trail */
    size_t entity_count;
};

/* Whether a rule that this write matches looks at its body. */
bool changed_reads_body(const struct preset *preset, struct bytes method, struct bytes path);

/* What the request names. All in the arena. */
void changed_by_request(const struct changed_question *question, struct arena *arena,
                        struct changed *changed);

/* Adds what the answer's fields name: X-Created, Location, Content-Location. `changed` is the
 * request's, in the same arena. */
void changed_by_answer(const struct changed_question *question, const struct fields *answer,
                       struct arena *arena, struct changed *changed);

/* What lies at question->path and below, or shows the entity that it names: for purges. */
void changed_by_path(const struct changed_question *question, struct arena *arena,
                     struct changed *changed);

/*
 * What a change of this entity behind the gate's back names ("profile/456"): all that writes of the
 * entity's own path name, and what shows it or refers to it. RESULT_INVALID: no kind of the preset.
 */
MUST_USE enum result changed_by_entity(const struct changed_question *question, struct bytes entity,
                                       struct arena *arena, struct changed *changed);

#endif
