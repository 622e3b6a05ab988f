/* A hash table in an arena, and how paths become tags. */
#include "cache/tag_set.h"

#include <assert.h>

#include "http/uri.h"

enum {
    TAG_SET_FIRST = 64,
    TAG_SET_PLACES = TEMPLATE_IDS_LIMIT,
};

void tag_set_init(struct tag_set *set, struct arena *arena, uint64_t account_tag)
{
    *set = (struct tag_set){.arena = arena, .account_tag = account_tag, .capacity = TAG_SET_FIRST};
    set->hashes = arena_take(arena, set->capacity * sizeof(set->hashes[0]));
    set->texts = arena_take(arena, set->capacity * sizeof(set->texts[0]));
    set->slots = arena_take_zeroed(arena, 2 * TAG_SET_FIRST * sizeof(set->slots[0]));
}

/* As many slots as twice the capacity: never more than half are taken. */
static uint32_t *tag_set_slot(const struct tag_set *set, uint64_t hash)
{
    const size_t mask = 2 * set->capacity - 1;
    size_t at = (size_t)hash & mask;

    while (set->slots[at] != 0 && set->hashes[set->slots[at] - 1] != hash)
        at = (at + 1) & mask;
    return &set->slots[at];
}

static void tag_set_grow(struct tag_set *set)
{
    uint64_t *hashes = arena_take(set->arena, 2 * set->capacity * sizeof(hashes[0]));
    struct bytes *texts = arena_take(set->arena, 2 * set->capacity * sizeof(texts[0]));

    memcpy(hashes, set->hashes, set->count * sizeof(hashes[0]));
    memcpy(texts, set->texts, set->count * sizeof(texts[0]));
    set->hashes = hashes;
    set->texts = texts;
    set->capacity *= 2;
    set->slots = arena_take_zeroed(set->arena, 2 * set->capacity * sizeof(set->slots[0]));
    for (size_t i = 0; i < set->count; i++)
        *tag_set_slot(set, hashes[i]) = (uint32_t)i + 1;
}

static void tag_set_put(struct tag_set *set, uint64_t hash, struct bytes text)
{
    if (set->count == set->capacity)
        tag_set_grow(set);
    set->hashes[set->count] = hash;
    set->texts[set->count] = text;
    *tag_set_slot(set, hash) = (uint32_t)++set->count;
}

void tag_set_add_account(struct tag_set *set)
{
    if (*tag_set_slot(set, set->account_tag) == 0)
        tag_set_put(set, set->account_tag, BYTES("account"));
}

void tag_set_add(struct tag_set *set, const struct bytes *parts, size_t count)
{
    const struct bytes text = arena_join_all(set->arena, parts, count);
    const uint64_t hash = tag_of_text(set->account_tag, text);

    if (*tag_set_slot(set, hash) != 0)
        return;
    if (set->count >= TAGS_LIMIT)
        set->is_full = true;
    else
        tag_set_put(set, hash, text);
}

struct tags tag_set_tags(const struct tag_set *set)
{
    return (struct tags){.hashes = set->hashes, .count = set->count};
}

void place_path(const struct entities *entities, struct arena *arena,
                const struct path_template *template, const struct path_segments *segments,
                struct placed_path *placed)
{
    *placed = (struct placed_path){.count = segments->count};
    for (size_t i = 0; i < segments->count; i++) {
        const int kind =
            template != NULL && i < template->count ? template->segments[i].kind : KIND_NONE;

        placed->kinds[i] = kind;
        placed->segments[i] = kind == KIND_NONE
                                  ? segments->list[i]
                                  : id_text(&entities->kinds[kind], arena, segments->list[i]);
    }
}

struct bytes id_text(const struct kind *kind, struct arena *arena, struct bytes text)
{
    struct bytes decoded;

    if (!kind->opaque)
        return kind_is_id(kind, text) ? text : BYTES("?");
    if (uri_decode(arena, text, &decoded) != RESULT_OK || !kind_is_id(kind, decoded))
        return BYTES("?");
    const struct bytes encoded = uri_encode(arena, decoded);
    char *lower = arena_take(arena, encoded.length + 1);
    for (size_t i = 0; i < encoded.length; i++)
        lower[i] = bytes_lower(encoded.data[i]);
    return bytes_of(lower, encoded.length);
}

struct bytes *placed_entities(const struct entities *entities, struct arena *arena,
                              const struct placed_path *placed, size_t *count)
{
    struct bytes *list = arena_take(arena, TEMPLATE_IDS_LIMIT * sizeof(*list));

    *count = 0;
    for (size_t i = 0; i < placed->count && *count < TEMPLATE_IDS_LIMIT; i++)
        if (placed->kinds[i] != KIND_NONE && id_is_known(placed->segments[i])) {
            const struct bytes parts[] = {entities->kinds[placed->kinds[i]].name, BYTES("/"),
                                          placed->segments[i]};

            list[(*count)++] = arena_join_all(arena, parts, ARRAY_LENGTH(parts));
        }
    return list;
}

struct bytes path_star_text(struct arena *arena, const struct placed_path *placed, size_t count)
{
    struct bytes parts[2 * PATH_SEGMENTS_LIMIT];
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            parts[used++] = BYTES("/");
        parts[used++] = placed->kinds[i] == KIND_NONE ? placed->segments[i] : BYTES("*");
    }
    return arena_join_all(arena, parts, used);
}

/* The choice number `choice`: bit n set, the n-th id is "*". False: there are fewer ids. */
static bool path_add_choice(struct tag_set *set, const struct placed_path *placed, size_t count,
                            const struct bytes around[2], unsigned choice)
{
    struct bytes parts[2 * PATH_SEGMENTS_LIMIT + 2];
    size_t used = 0, ids = 0;

    parts[used++] = around[0];
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            parts[used++] = BYTES("/");
        const bool starred = placed->kinds[i] != KIND_NONE && (choice >> ids++ & 1) != 0;
        parts[used++] = starred ? BYTES("*") : placed->segments[i];
    }
    parts[used++] = around[1];
    if (choice >> ids != 0)
        return false;
    tag_set_add(set, parts, used);
    return true;
}

void tag_set_add_path(struct tag_set *set, const struct placed_path *placed, size_t count,
                      struct bytes mark, struct bytes suffix)
{
    const struct bytes around[2] = {mark, suffix};

    assert(count <= PATH_SEGMENTS_LIMIT);
    for (unsigned choice = 0; choice < 1U << TAG_SET_PLACES; choice++)
        if (!path_add_choice(set, placed, count, around, choice))
            return;
}
