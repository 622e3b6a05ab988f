/*
 * Path patterns, compiled to their segments. This file decides what a pattern means; who matches
 * what (permissions, cache rules, parameters) is its callers' business. Both levels, segments and
 * the bytes inside one, are the same glob: on a mismatch only the last star is tried again, one
 * further on, which bounds the work by path × pattern (an earlier star has nothing to win).
 */
#include "config/pattern.h"

#include <assert.h>

static const struct bytes any_segments = {.data = "**", .length = 2};

/* Without the slash in front and one at the end: "" is the root. */
static struct bytes inner_path(struct bytes path)
{
    path = bytes_from(path, 1);
    if (path.length > 0 && path.data[path.length - 1] == '/')
        path.length--;
    return path;
}

static size_t segments_count(struct bytes inner)
{
    size_t count = inner.length > 0 ? 1 : 0;

    for (size_t i = 0; i < inner.length; i++)
        if (inner.data[i] == '/')
            count++;
    return count;
}

static uint64_t segment_mark(struct bytes segment)
{
    enum { FACTOR = 31, BITS = 64 }; /* a prime; any spread will do: a shared bit only costs time */
    uint32_t hash = 0;

    for (size_t i = 0; i < segment.length; i++)
        hash = hash * FACTOR + (unsigned char)segment.data[i];
    return UINT64_C(1) << (hash % BITS);
}

uint64_t pattern_marks(struct bytes path)
{
    uint64_t marks = 0;

    while (path.length > 0)
        marks |= segment_mark(bytes_cut(&path, '/'));
    return marks;
}

enum result pattern_compile(struct pattern *pattern, struct arena *arena, struct bytes text)
{
    if (text.length == 0 || text.data[0] != '/' || memchr(text.data, '\0', text.length) != NULL)
        return RESULT_INVALID;
    if (bytes_find(text, BYTES("//")) < text.length)
        return RESULT_INVALID;

    struct bytes rest = inner_path(arena_copy(arena, text));
    const size_t count = segments_count(rest);
    struct bytes *segments = arena_take_zeroed(arena, (count + 1) * sizeof(*segments));

    *pattern = (struct pattern){.segments = segments, .count = count};
    for (size_t i = 0; i < count; i++) {
        segments[i] = bytes_cut(&rest, '/');
        if (bytes_index(segments[i], '*') == segments[i].length)
            pattern->marks |= segment_mark(segments[i]);
    }
    return RESULT_OK;
}

/* One segment against one segment of a pattern. */
static bool segment_matches(struct bytes glob, struct bytes segment)
{
    size_t at = 0, in_glob = 0, star = SIZE_MAX, star_at = 0;

    if (bytes_equal(glob, BYTES("*")))
        return segment.length > 0;
    while (at < segment.length) {
        if (in_glob < glob.length && glob.data[in_glob] == '*') {
            star = in_glob++;
            star_at = at;
        } else if (in_glob < glob.length && glob.data[in_glob] == segment.data[at]) {
            in_glob++;
            at++;
        } else if (star != SIZE_MAX) {
            in_glob = star + 1;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (in_glob < glob.length && glob.data[in_glob] == '*')
        in_glob++;
    return in_glob == glob.length;
}

/* Segments of a path, cut as they are asked for: `rest` is what follows `now`. */
struct walk {
    struct bytes now, rest;
    bool ended;
};

static void walk_next(struct walk *walk)
{
    const size_t slash = bytes_index(walk->rest, '/');

    walk->ended = walk->rest.data == NULL;
    walk->now = bytes_slice(walk->rest, 0, slash);
    walk->rest = slash < walk->rest.length ? bytes_from(walk->rest, slash + 1) : (struct bytes){0};
}

bool pattern_matches(const struct pattern *pattern, struct bytes path)
{
    struct walk walk = {0}, after_any = {0};
    size_t at = 0, any = SIZE_MAX;

    assert(pattern->count == 0 || pattern->segments != NULL);
    if (path.length == 0 || path.data[0] != '/')
        return false;
    walk.rest = inner_path(path);
    if (walk.rest.length == 0)
        walk.rest = (struct bytes){0};
    walk_next(&walk);
    while (!walk.ended) {
        if (at < pattern->count && bytes_equal(pattern->segments[at], any_segments)) {
            any = at++;
            after_any = walk;
        } else if (at < pattern->count && segment_matches(pattern->segments[at], walk.now)) {
            at++;
            walk_next(&walk);
        } else if (any != SIZE_MAX) {
            walk_next(&after_any); /* "**" takes one segment more */
            walk = after_any;
            at = any + 1;
        } else {
            return false;
        }
    }
    while (at < pattern->count && bytes_equal(pattern->segments[at], any_segments))
        at++;
    return at == pattern->count;
}
