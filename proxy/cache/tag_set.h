/*
 * A growing set of tags with their texts, in an arena; and the texts of paths and entities that
 * shown.c and changed.c agree on (cache/tags.h). Private to cache/.
 */
#ifndef POSTERN_CACHE_TAG_SET_H
#define POSTERN_CACHE_TAG_SET_H

#include "cache/tags.h"
#include "config/entities.h"

struct tag_set {
    struct arena *arena;
    uint64_t account_tag;
    uint64_t *hashes;    /* the account's first, if it is in */
    struct bytes *texts; /* beside them */
    size_t count, capacity;
    uint32_t *slots; /* open addressing: index + 1 into hashes */
    bool is_full;    /* more than TAGS_LIMIT were added: what is in it is not all */
};

void tag_set_init(struct tag_set *set, struct arena *arena, uint64_t account_tag);

/* Adds the tag of the account itself. */
void tag_set_add_account(struct tag_set *set);

/* Adds the tag of these parts, one after the other. */
void tag_set_add(struct tag_set *set, const struct bytes *parts, size_t count);

struct tags tag_set_tags(const struct tag_set *set);

/* A path of which it is known where ids stand. */
struct placed_path {
    struct bytes segments[PATH_SEGMENTS_LIMIT]; /* canonical */
    int kinds[PATH_SEGMENTS_LIMIT]; /* of each; KIND_NONE: literal, or a value of no kind */
    size_t count;
};

/* The segments of a path under a template, which may be NULL; those behind it are literals. */
void place_path(const struct entities *entities, struct arena *arena,
                const struct path_template *template, const struct path_segments *segments,
                struct placed_path *placed);

/*
 * The one form of an id in tags: a decimal number as it is, an opaque one decoded, encoded and in
 * lower case (APIs differ in whether case counts: too careful is never wrong). "?" for what is no
 * id of that kind.
 */
struct bytes id_text(const struct kind *kind, struct arena *arena, struct bytes text);

/* Whether such a form is known. */
static inline bool id_is_known(struct bytes id)
{
    return !bytes_equal(id, BYTES("?"));
}

/* The entities that a path names, "profile/456", whose ids are known; in the arena. */
struct bytes *placed_entities(const struct entities *entities, struct arena *arena,
                              const struct placed_path *placed, size_t *count);

/* The first `count` segments with each id replaced by "*", in the arena: "view/<any>/profiles". */
struct bytes path_star_text(struct arena *arena, const struct placed_path *placed, size_t count);

/*
 * What an answer at that path carries for its first `count` segments: mark, path and suffix, for
 * each choice of the id or "*" at each place of an id.
 */
void tag_set_add_path(struct tag_set *set, const struct placed_path *placed, size_t count,
                      struct bytes mark, struct bytes suffix);

#endif
