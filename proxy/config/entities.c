/*
 * What a preset says of its API's paths, looked up: a path's canonical form, the read's rule and
 * the write's rules that fit it, and which kind belongs to which. How a preset is read stands in
 * entities_block.c.
 */
#include "config/entities.h"

#include <assert.h>

/* How well a template fits a path, as a number: the better fit is the greater. Zero: not at all. */
enum {
    FIT_WHOLE = 1 << 20,                  /* the whole path; else a prefix of it */
    FIT_LENGTH = TEMPLATE_SEGMENTS_LIMIT, /* bits below: literals, the first segment highest */
};

static_assert(TEMPLATE_SEGMENTS_LIMIT < 16 && FIT_LENGTH + 4 < 20, "a fit has room for its parts");

/* Takes `from` off the front of *text, whole segments only; what its stars stand for goes to
 * `stars`. */
static bool prefix_take(struct bytes *text, struct bytes from,
                        struct bytes stars[EQUIVALENT_STARS_LIMIT])
{
    struct bytes rest = *text;
    size_t star_count = 0;

    while (from.length > 0) {
        const struct bytes wanted = bytes_cut(&from, '/'), segment = bytes_cut(&rest, '/');

        if (bytes_equal(wanted, BYTES("*")) && segment.length > 0 &&
            star_count < EQUIVALENT_STARS_LIMIT)
            stars[star_count++] = segment;
        else if (!bytes_equal(wanted, segment))
            return false;
    }
    *text = rest;
    return true;
}

/* `to` with its stars replaced, then the rest of the path. */
static struct bytes prefix_put(struct arena *arena, struct bytes to, struct bytes rest,
                               const struct bytes stars[EQUIVALENT_STARS_LIMIT])
{
    struct bytes parts[2 * TEMPLATE_SEGMENTS_LIMIT + 1];
    size_t count = 0, star_count = 0;

    while (to.length > 0 && count < 2 * TEMPLATE_SEGMENTS_LIMIT) {
        const struct bytes segment = bytes_cut(&to, '/');

        if (count > 0)
            parts[count++] = BYTES("/");
        parts[count++] = bytes_equal(segment, BYTES("*")) && star_count < EQUIVALENT_STARS_LIMIT
                             ? stars[star_count++]
                             : segment;
    }
    if (rest.length > 0) {
        parts[count++] = BYTES("/");
        parts[count++] = rest;
    }
    return arena_join_all(arena, parts, count);
}

/* "%2F", "%5C": an upstream that decodes it sees another path. */
static bool has_encoded_slash(struct bytes segment)
{
    return bytes_find(segment, BYTES("%2F")) < segment.length ||
           bytes_find(segment, BYTES("%5C")) < segment.length;
}

void path_canonical(const struct entities *entities, struct arena *arena, struct bytes plain_path,
                    struct path_segments *path)
{
    struct bytes text = plain_path;

    if (text.length > 0 && text.data[0] == '/')
        text = bytes_from(text, 1);
    while (text.length > 0 && text.data[text.length - 1] == '/')
        text.length--;
    for (size_t i = 0; entities != NULL && i < entities->equivalent_count; i++) {
        const struct path_equivalent *equivalent = &entities->equivalents[i];
        struct bytes stars[EQUIVALENT_STARS_LIMIT] = {{0}};
        struct bytes rest = text;

        if (text.length > 0 && prefix_take(&rest, equivalent->from, stars))
            text = prefix_put(arena, equivalent->to, rest, stars);
    }
    path->count = 0;
    while (text.length > 0 && path->count < PATH_SEGMENTS_LIMIT)
        path->list[path->count++] = bytes_cut(&text, '/');
    path->is_odd = text.length > 0;
    for (size_t i = 0; i < path->count; i++)
        path->is_odd |= has_encoded_slash(path->list[i]);
}

static unsigned template_fit(const struct entities *entities, const struct path_template *template,
                             const struct path_segments *path)
{
    const bool whole = template->count == path->count;
    unsigned literals = 0;

    if (template->count > path->count || template->count == 0)
        return 0;
    for (size_t i = 0; i < template->count; i++) {
        const struct segment *segment = &template->segments[i];

        if (segment->placeholder ? path->list[i].length == 0
                                 : !bytes_equal(segment->text, path->list[i]))
            return 0;
        literals = literals << 1 | (segment->placeholder ? 0U : 1U);
    }
    if (!whole &&
        (!entities->superfluous_segments || template->segments[template->count - 1].placeholder))
        return 0;
    literals <<= TEMPLATE_SEGMENTS_LIMIT - template->count;
    return (whole ? (unsigned)FIT_WHOLE : 0) | (unsigned)template->count << FIT_LENGTH | literals;
}

const struct read_rule *entities_read_rule(const struct entities *entities,
                                           const struct path_segments *path)
{
    const struct read_rule *best = NULL;
    unsigned best_fit = 0;

    for (size_t i = 0; i < entities->read_count && !path->is_odd; i++) {
        const unsigned fit = template_fit(entities, &entities->reads[i].path, path);

        if (fit > best_fit) {
            best = &entities->reads[i];
            best_fit = fit;
        }
    }
    return best;
}

bool write_has_method(const struct write_rule *rule, struct bytes method)
{
    for (size_t i = 0; i < rule->method_count; i++)
        if (bytes_equal(rule->methods[i], method))
            return true;
    return false;
}

/* Rules that fit one path equally well have the same template, but for the placeholders' names. */
size_t entities_write_rules(const struct entities *entities, struct bytes method,
                            const struct path_segments *path, const struct write_rule **rules,
                            size_t room)
{
    unsigned best_fit = 0;
    size_t count = 0;

    for (size_t i = 0; i < entities->write_count && !path->is_odd; i++) {
        const struct write_rule *rule = &entities->writes[i];
        const unsigned fit =
            write_has_method(rule, method) ? template_fit(entities, &rule->path, path) : 0;

        if (fit > best_fit) {
            best_fit = fit;
            count = 0;
        }
        if (fit > 0 && fit == best_fit && count < room)
            rules[count++] = rule;
    }
    return count;
}

int entities_kind(const struct entities *entities, struct bytes name)
{
    for (size_t i = 0; i < entities->kind_count; i++)
        if (bytes_equal(entities->kinds[i].name, name))
            return (int)i;
    return KIND_NONE;
}

/* As deep as there are kinds: no chain without a circle is longer. */
static bool kind_is_below_within(const struct entities *entities, int kind, int ancestor,
                                 size_t steps)
{
    const struct kind *of = &entities->kinds[kind];

    assert((size_t)kind < entities->kind_count);
    for (size_t i = 0; steps > 0 && i < of->parent_count; i++)
        if (of->parents[i] == ancestor ||
            kind_is_below_within(entities, of->parents[i], ancestor, steps - 1))
            return true;
    return false;
}

bool kind_is_below(const struct entities *entities, int kind, int ancestor)
{
    return kind != KIND_NONE && kind_is_below_within(entities, kind, ancestor, KIND_DEPTH_LIMIT);
}

bool kind_is_id(const struct kind *kind, struct bytes text)
{
    if (text.length == 0 || text.length > KIND_ID_LIMIT)
        return false;
    if (kind->opaque)
        return true;
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.length == 1 || text.data[0] != '0';
}
