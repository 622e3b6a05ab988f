/*
 * Which references in an answer's head point at the upstream, and what they are on the gate (RFC
 * 3986 §4 and §5, RFC 8288 §3 for Link). Bodies are left to scrub; who the upstream is comes from
 * the configuration.
 */
#include "upstream/rewrite.h"

#include <assert.h>

#include "base/memory.h"
#include "http/uri.h"
#include "upstream/scrub.h"

/* The parts of RFC 3986 §3, each with its delimiter left out; `has_…` where an empty one counts. */
struct parts {
    struct bytes scheme;
    struct bytes authority;
    bool has_authority;
    struct bytes path;
    struct bytes query;
    bool has_query;
    struct bytes fragment; /* with its '#', so that it can be appended as it is */
};

static bool is_one_of(char byte, const char *set)
{
    return byte != '\0' && strchr(set, byte) != NULL;
}

/* How long the text is up to the first byte of the set. */
static size_t length_before(struct bytes text, const char *set)
{
    size_t length = 0;

    while (length < text.length && !is_one_of(text.data[length], set))
        length++;
    return length;
}

static struct parts parts_of(struct bytes reference)
{
    struct parts parts = {.scheme = BYTES("")};
    const size_t hash = bytes_index(reference, '#');
    const size_t scheme = length_before(reference, ":/?#");

    parts.fragment = bytes_from(reference, hash);
    reference = bytes_slice(reference, 0, hash);
    if (scheme > 0 && scheme < reference.length && reference.data[scheme] == ':') {
        parts.scheme = bytes_slice(reference, 0, scheme);
        reference = bytes_from(reference, scheme + 1);
    }
    if (bytes_starts_with(reference, BYTES("//"))) {
        const struct bytes rest = bytes_from(reference, 2);
        const size_t length = length_before(rest, "/?");

        parts.has_authority = true;
        parts.authority = bytes_slice(rest, 0, length);
        reference = bytes_from(rest, length);
    }
    parts.has_query = bytes_index(reference, '?') < reference.length;
    parts.query = reference;
    parts.path = bytes_cut(&parts.query, '?');
    return parts;
}

/* Without ":80" for http, ":443" for https, and the ':' of an empty port (RFC 9110 §4.2). */
static struct bytes without_default_port(struct bytes authority, struct bytes scheme)
{
    const struct bytes port =
        bytes_equal_nocase(scheme, BYTES("https")) ? BYTES(":443") : BYTES(":80");

    if (bytes_ends_with(authority, port))
        return bytes_slice(authority, 0, authority.length - port.length);
    if (bytes_ends_with(authority, BYTES(":")))
        return bytes_slice(authority, 0, authority.length - 1);
    return authority;
}

static bool authority_equal(struct bytes a, struct bytes b, struct bytes scheme)
{
    return bytes_equal_nocase(without_default_port(a, scheme), without_default_port(b, scheme));
}

/* The reference names the upstream, or one of its other names, as its host. */
static bool is_upstream(const struct rewrite *rewrite, const struct parts *parts)
{
    const struct bytes scheme = parts->scheme.length > 0 ? parts->scheme : rewrite->scheme;

    if (!parts->has_authority)
        return false;
    if (bytes_equal_nocase(scheme, rewrite->scheme) &&
        authority_equal(parts->authority, rewrite->authority, scheme))
        return true;
    if (!bytes_equal_nocase(scheme, BYTES("http")) && !bytes_equal_nocase(scheme, BYTES("https")))
        return false;
    for (size_t i = 0; i < rewrite->host_count; i++)
        if (authority_equal(parts->authority, rewrite->hosts[i], scheme))
            return true;
    return false;
}

/* The path is the base path or below it. An empty base holds every path of a URL. */
static bool is_below(struct bytes path, struct bytes base)
{
    return bytes_starts_with(path, base) &&
           (path.length == base.length || path.data[base.length] == '/');
}

/* The query without the credential parameter; the query itself where it is not there. */
static struct bytes without_credential(struct arena *arena, const struct rewrite *rewrite,
                                       struct bytes query)
{
    char *const kept = arena_take(arena, query.length + 1);
    struct bytes rest = query;
    struct parameter parameter;
    size_t length = 0;
    bool dropped = false;

    while (parameter_next(&rest, &parameter)) {
        if (parameter_sets(arena, parameter.name, rewrite->credential)) {
            dropped = true;
            continue;
        }
        if (length > 0)
            kept[length++] = '&';
        memcpy(kept + length, parameter.text.data, parameter.text.length);
        length += parameter.text.length;
    }
    return dropped ? bytes_of(kept, length) : query;
}

/* path[?query][#fragment], guarded so that no reader takes its beginning for a host (RFC 3986
 * §4.2; browsers take '\' for '/'). */
static struct bytes join_parts(struct arena *arena, struct bytes path, const struct parts *parts)
{
    const bool looks_like_host =
        bytes_starts_with(path, BYTES("//")) || bytes_starts_with(path, BYTES("/\\"));
    struct bytes text = looks_like_host ? arena_join(arena, BYTES("/."), path) : path;

    if (parts->has_query)
        text = arena_join(arena, arena_join(arena, text, BYTES("?")), parts->query);
    return arena_join(arena, text, parts->fragment);
}

/* scheme://authority/path… of a URL that stays one. */
static struct bytes join_url(struct arena *arena, struct bytes reference, const struct parts *parts)
{
    const size_t start = (size_t)(parts->path.data - reference.data);
    struct bytes text = bytes_slice(reference, 0, start + parts->path.length);

    if (parts->has_query)
        text = arena_join(arena, arena_join(arena, text, BYTES("?")), parts->query);
    return arena_join(arena, text, parts->fragment);
}

struct bytes rewrite_reference(struct arena *arena, const struct rewrite *rewrite,
                               struct bytes reference)
{
    struct parts parts = parts_of(reference);
    const bool upstream = is_upstream(rewrite, &parts);
    const bool relative = parts.scheme.length == 0 && !parts.has_authority;

    if (!upstream && !relative)
        return reference;
    const struct bytes query = rewrite->credential.length == 0 || parts.query.length == 0
                                   ? parts.query
                                   : without_credential(arena, rewrite, parts.query);
    const bool changed = query.length != parts.query.length;
    parts.query = query;
    parts.has_query = parts.has_query && (!changed || query.length > 0);

    const bool strips =
        is_below(parts.path, rewrite->base_path) && (upstream || rewrite->base_path.length > 0);
    if (!strips && !changed)
        return reference;
    if (!strips && upstream)
        return join_url(arena, reference, &parts);
    struct bytes path = strips ? bytes_from(parts.path, rewrite->base_path.length) : parts.path;
    if (strips && path.length == 0)
        path = BYTES("/");
    return join_parts(arena, path, &parts);
}

/* How long a quoted string (RFC 9110 §5.6.4) at the beginning of `text` is. */
static size_t quoted_length(struct bytes text)
{
    for (size_t i = 1; i < text.length; i++) {
        if (text.data[i] == '"')
            return i + 1;
        i += text.data[i] == '\\';
    }
    return text.length;
}

/* How much of Link's value is passed over at once: a quoted string, the rest where a '<' is never
 * closed, else one byte. */
static size_t piece_length(struct bytes value)
{
    if (value.data[0] == '"')
        return quoted_length(value);
    if (value.data[0] == '<' && bytes_index(value, '>') == value.length)
        return value.length;
    return 1;
}

/* How targets of a Link are rewritten. */
struct mapping {
    struct bytes (*map)(struct arena *arena, const void *context, struct bytes reference);
    const void *context;
    size_t growth; /* a target gets longer by that at most */
};

/* Room for a value whose targets grow. */
static size_t link_room(struct bytes value, size_t growth)
{
    size_t room = value.length + 1;

    for (size_t i = 0; i < value.length; i++)
        if (value.data[i] == '<' && !size_add(room, growth, &room))
            memory_exhausted();
    return room;
}

/* Link's value with each <target> rewritten (RFC 8288 §3). */
static struct bytes rewrite_link(struct arena *arena, const struct mapping *mapping,
                                 struct bytes value)
{
    char *const text = arena_take(arena, link_room(value, mapping->growth));
    struct bytes rest = value;
    size_t length = 0;

    while (rest.length > 0) {
        const size_t passed = piece_length(rest);
        const bool is_target = rest.data[0] == '<' && passed == 1;

        memcpy(text + length, rest.data, passed);
        length += passed;
        rest = bytes_from(rest, passed);
        if (!is_target)
            continue;
        const size_t end = bytes_index(rest, '>');
        const struct bytes target =
            mapping->map(arena, mapping->context, bytes_slice(rest, 0, end));
        assert(target.length <= end + mapping->growth);
        if (target.length > 0)
            memcpy(text + length, target.data, target.length);
        length += target.length;
        rest = bytes_from(rest, end);
    }
    return bytes_equal(value, bytes_of(text, length)) ? value : bytes_of(text, length);
}

static struct bytes map_reference(struct arena *arena, const void *context, struct bytes reference)
{
    return rewrite_reference(arena, context, reference);
}

static bool is_reference_field(struct bytes name)
{
    return bytes_equal_nocase(name, BYTES("Location")) ||
           bytes_equal_nocase(name, BYTES("Content-Location")) ||
           bytes_equal_nocase(name, BYTES("X-Location"));
}

struct bytes rewrite_field(struct arena *arena, const struct rewrite *rewrite, struct bytes name,
                           struct bytes value)
{
    const struct mapping mapping = {.map = map_reference, .context = rewrite};

    if (is_reference_field(name))
        value = rewrite_reference(arena, rewrite, value);
    else if (bytes_equal_nocase(name, BYTES("Link")))
        value = rewrite_link(arena, &mapping, value);
    return scrub_whole(arena, rewrite->token, value);
}

/* --- below a prefix --- */

/* How long a segment is: browsers take '\\' for '/'. */
static size_t segment_length(struct bytes text)
{
    return length_before(text, "/\\");
}

/* "." and "..", also where their dots are encoded: browsers take "%2e" for '.'. 0: another name. */
static size_t dots_in(struct bytes segment)
{
    size_t dots = 0;

    while (segment.length > 0) {
        const bool is_plain = segment.data[0] == '.';

        if (!is_plain && !bytes_equal_nocase(bytes_slice(segment, 0, 3), BYTES("%2e")))
            return 0;
        segment = bytes_from(segment, is_plain ? 1 : 3);
        dots++;
    }
    return dots <= 2 ? dots : 0;
}

/* A path that begins with a slash, without its dot segments (RFC 3986 §5.2.4). */
static struct bytes without_dots(struct arena *arena, struct bytes path)
{
    char *const text = arena_take(arena, path.length + 1);
    size_t length = 0;

    while (path.length > 0) {
        path = bytes_from(path, 1);
        const struct bytes segment = bytes_slice(path, 0, segment_length(path));
        const size_t dots = dots_in(segment);

        path = bytes_from(path, segment.length);
        if (dots == 2)
            while (length > 0 && text[--length] != '/')
                ;
        if (dots > 0 && path.length > 0)
            continue;
        text[length++] = '/'; /* it stands for one that was read */
        if (dots == 0 && segment.length > 0)
            memcpy(text + length, segment.data, segment.length);
        length += dots == 0 ? segment.length : 0;
    }
    return bytes_of(text, length);
}

static struct bytes reference_below(struct arena *arena, const void *context,
                                    struct bytes reference)
{
    const struct rewrite_place *place = context;
    const struct parts parts = parts_of(reference);
    struct bytes path = parts.path;
    size_t directory = place->path.length;

    if (parts.scheme.length > 0 || parts.has_authority || path.length == 0)
        return reference;
    while (directory > 0 && place->path.data[directory - 1] != '/')
        directory--;
    if (!is_one_of(path.data[0], "/\\"))
        path = arena_join(arena, bytes_slice(place->path, 0, directory), path);
    path = arena_join(arena, place->prefix, without_dots(arena, path));
    return join_parts(arena, path, &parts);
}

struct bytes rewrite_field_below(struct arena *arena, const struct rewrite_place *place,
                                 struct bytes name, struct bytes value)
{
    const struct mapping mapping = {.map = reference_below,
                                    .context = place,
                                    .growth = place->prefix.length + place->path.length};

    if (is_reference_field(name))
        return reference_below(arena, place, value);
    return bytes_equal_nocase(name, BYTES("Link")) ? rewrite_link(arena, &mapping, value) : value;
}
