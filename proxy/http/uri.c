/*
 * Percent-encoding, the reading of query parameters, and the one form of a request target: RFC 3986
 * §2 and §6.2.2, the WHATWG URL standard §5.1, RFC 9112 §3.2. Which parameters may go is the
 * caller's rule; who may use the path, and what is stored under it, is decided elsewhere.
 */
#include "http/uri.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"

/* Text that is written into room taken before: at most three bytes for each byte read. */
struct writer {
    char *data;
    size_t length;
};

static struct writer writer_for(struct arena *arena, size_t room)
{
    return (struct writer){.data = arena_take(arena, room)};
}

/* Room for `length` encoded bytes and `more`. */
static size_t encoded_room(size_t length, size_t more)
{
    size_t room;

    if (!size_multiply(length, 3, &room) || !size_add(room, more, &room))
        memory_exhausted();
    return room;
}

static void put(struct writer *writer, char byte)
{
    writer->data[writer->length++] = byte;
}

static void put_encoded(struct writer *writer, char byte)
{
    static const char digits[] = "0123456789ABCDEF";

    put(writer, '%');
    put(writer, digits[(unsigned char)byte >> 4]);
    put(writer, digits[(unsigned char)byte & 15]);
}

static bool is_one_of(char byte, const char *set)
{
    return byte != '\0' && strchr(set, byte) != NULL;
}

static bool is_unreserved(char byte)
{
    const char lower = bytes_lower(byte);

    return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') ||
           is_one_of(byte, "-._~");
}

/* The byte that the "%XX" at `at` stands for, or -1 where there is none. */
static int triplet_at(struct bytes text, size_t at)
{
    if (text.data[at] != '%' || text.length < 3 || at > text.length - 3)
        return -1;
    const int high = bytes_hex_value(text.data[at + 1]), low = bytes_hex_value(text.data[at + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

enum result uri_decode(struct arena *arena, struct bytes text, struct bytes *decoded)
{
    if (bytes_index(text, '%') == text.length) {
        *decoded = text;
        return RESULT_OK;
    }
    struct writer writer = writer_for(arena, text.length);
    for (size_t i = 0; i < text.length; i++) {
        const int byte = triplet_at(text, i);

        if (byte < 0 && text.data[i] == '%')
            return RESULT_INVALID;
        put(&writer, byte < 0 ? text.data[i] : (char)byte);
        i += byte < 0 ? 0 : 2;
    }
    *decoded = bytes_of(writer.data, writer.length);
    return RESULT_OK;
}

struct bytes uri_decode_query(struct arena *arena, struct bytes text)
{
    if (bytes_index(text, '%') == text.length && bytes_index(text, '+') == text.length)
        return text;
    struct writer writer = writer_for(arena, text.length);
    for (size_t i = 0; i < text.length; i++) {
        const int byte = triplet_at(text, i);
        const char plain = text.data[i] == '+' ? ' ' : text.data[i];

        put(&writer, byte < 0 ? plain : (char)byte);
        i += byte < 0 ? 0 : 2;
    }
    return bytes_of(writer.data, writer.length);
}

struct bytes uri_encode(struct arena *arena, struct bytes text)
{
    struct writer writer = writer_for(arena, encoded_room(text.length, 0));

    for (size_t i = 0; i < text.length; i++)
        if (is_unreserved(text.data[i]))
            put(&writer, text.data[i]);
        else
            put_encoded(&writer, text.data[i]);
    return bytes_of(writer.data, writer.length);
}

bool parameter_next(struct bytes *query, struct parameter *parameter)
{
    while (query->length > 0) {
        const struct bytes text = bytes_cut(query, '&');
        const size_t at = bytes_index(text, '=');

        if (text.length == 0)
            continue;
        *parameter = (struct parameter){
            .text = text,
            .name = bytes_slice(text, 0, at),
            .value = bytes_from(text, at + 1),
            .has_value = at < text.length,
        };
        return true;
    }
    return false;
}

/* Where PHP's index starts in a name: at a '[' with a ']' somewhere after it; else at the end. */
static size_t variable_length(struct bytes name)
{
    const size_t open = bytes_index(name, '[');

    return bytes_index(bytes_from(name, open), ']') < name.length - open ? open : name.length;
}

struct bytes parameter_variable(struct arena *arena, struct bytes decoded_name)
{
    struct bytes name = bytes_slice(decoded_name, 0, bytes_index(decoded_name, '\0'));

    while (name.length > 0 && name.data[0] == ' ')
        name = bytes_from(name, 1);
    name.length = variable_length(name);
    size_t plain = 0;
    while (plain < name.length && !is_one_of(name.data[plain], " .["))
        plain++;
    if (plain == name.length)
        return name;

    struct writer writer = writer_for(arena, name.length);
    for (size_t i = 0; i < name.length; i++)
        put(&writer, is_one_of(name.data[i], " .[") ? '_' : name.data[i]);
    return bytes_of(writer.data, writer.length);
}

bool parameter_sets(struct arena *arena, struct bytes encoded_name, struct bytes wanted)
{
    return bytes_equal_nocase(parameter_variable(arena, uri_decode_query(arena, encoded_name)),
                              parameter_variable(arena, wanted));
}

/* --- the path --- */

enum segment { SEGMENT_NAME, SEGMENT_HERE, SEGMENT_UP, SEGMENT_BROKEN };

static bool is_dots(struct bytes text)
{
    return bytes_equal(text, BYTES(".")) || bytes_equal(text, BYTES(".."));
}

/* The next piece of a segment in its one form, as readers cut it who take '%2F' and '%5C' for
 * separators, and leave out what follows a ';' (path parameters). */
static struct bytes piece_next(struct bytes *segment)
{
    size_t end = 0;

    while (end < segment->length) {
        const int byte = triplet_at(*segment, end);

        if (byte == '/' || byte == '\\')
            break;
        end++;
    }
    struct bytes piece = bytes_slice(*segment, 0, end);
    *segment = bytes_from(*segment, end + 3);
    piece.length = bytes_index(piece, ';');
    return bytes_slice(piece, 0, bytes_find(piece, BYTES("%3B")));
}

/*
 * What a segment in its one form is. Dots that were encoded, or that only show once it is cut in
 * another way, would climb behind our back: broken.
 */
static enum segment segment_judge(struct bytes segment, bool had_encoded_dot)
{
    const bool dots = is_dots(segment);

    if (dots && !had_encoded_dot)
        return segment.length == 1 ? SEGMENT_HERE : SEGMENT_UP;
    while (segment.length > 0)
        if (is_dots(piece_next(&segment)))
            return SEGMENT_BROKEN;
    return SEGMENT_NAME;
}

/* Writes the next character of a path, which is `raw.data[*at]`. False: it may not stand there. */
static bool put_path_character(struct writer *writer, struct bytes raw, size_t *at)
{
    const char byte = raw.data[*at];
    const int decoded = triplet_at(raw, *at);

    if (decoded >= 0) {
        *at += 2;
        if (is_unreserved((char)decoded))
            put(writer, (char)decoded);
        else
            put_encoded(writer, (char)decoded);
        return decoded != '\0';
    }
    if (is_unreserved(byte)) { /* nearly always */
        put(writer, byte);
        return true;
    }
    if ((byte >= 0 && byte < 0x20) || byte == 0x7f || is_one_of(byte, "%\\#"))
        return false;
    if (is_one_of(byte, "!$&'()*+,;=:@"))
        put(writer, byte);
    else
        put_encoded(writer, byte);
    return true;
}

/* Appends "/" and one segment in its one form, and says what it is. */
static enum segment put_segment(struct writer *writer, struct bytes raw)
{
    bool had_encoded_dot = false;

    put(writer, '/');
    const size_t start = writer->length;
    for (size_t i = 0; i < raw.length; i++) {
        had_encoded_dot |= triplet_at(raw, i) == '.';
        if (!put_path_character(writer, raw, &i))
            return SEGMENT_BROKEN;
    }
    return segment_judge(bytes_of(writer->data + start, writer->length - start), had_encoded_dot);
}

/* Takes the last segment and the '/' before it away again, if there is one. */
static void drop_segment(struct writer *writer)
{
    while (writer->length > 0 && writer->data[--writer->length] != '/')
        ;
}

/* RFC 3986 §6.2.2 on a path that starts with '/'. */
static enum result normalise_path(struct arena *arena, struct bytes raw, bool collapse_slashes,
                                  struct bytes *path)
{
    struct writer writer = writer_for(arena, encoded_room(raw.length, 1));
    bool is_last = false;

    (void)bytes_cut(&raw, '/');
    while (!is_last) {
        is_last = bytes_index(raw, '/') == raw.length;
        const struct bytes text = bytes_cut(&raw, '/');
        const enum segment segment = put_segment(&writer, text);

        if (segment == SEGMENT_BROKEN)
            return RESULT_INVALID;
        if (segment != SEGMENT_NAME ||
            (collapse_slashes && text.length == 0 && !is_last)) /* "//" */
            drop_segment(&writer);
        if (segment == SEGMENT_UP)
            drop_segment(&writer);
        if (segment != SEGMENT_NAME && is_last)
            put(&writer, '/');
    }
    *path = bytes_of(writer.data, writer.length);
    return RESULT_OK;
}

/* --- the query --- */

/* A decoded parameter. */
struct term {
    struct bytes name, value;
    bool has_value;
    struct bytes variable; /* what it is sorted by */
    size_t index;          /* where it came: keeps the sorting stable */
};

static int term_compare(const void *left, const void *right)
{
    const struct term *const a = left, *const b = right;
    const size_t common =
        a->variable.length < b->variable.length ? a->variable.length : b->variable.length;
    const int order = common == 0 ? 0 : memcmp(a->variable.data, b->variable.data, common);

    if (order != 0)
        return order;
    if (a->variable.length != b->variable.length)
        return a->variable.length < b->variable.length ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static bool is_listed(const struct bytes *names, size_t count, struct bytes name)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal(names[i], name))
            return true;
    return false;
}

static bool is_credential(struct arena *arena, const struct target_rules *rules,
                          struct bytes variable)
{
    for (size_t i = 0; i < rules->credential_count; i++)
        if (bytes_equal_nocase(variable, parameter_variable(arena, rules->credentials[i])))
            return true;
    return false;
}

static bool has_control_character(struct bytes query)
{
    for (size_t i = 0; i < query.length; i++)
        if (((unsigned char)query.data[i] < 0x20) || query.data[i] == 0x7f || query.data[i] == '#')
            return true;
    return false;
}

/* Decodes what is to stay of a query into `terms`; the first credential goes to *credential. */
static size_t read_terms(struct arena *arena, struct bytes query, const struct target_rules *rules,
                         struct term *terms, struct bytes *credential)
{
    size_t count = 0;
    bool has_credential = false;
    struct parameter parameter;

    while (parameter_next(&query, &parameter)) {
        const struct bytes name = uri_decode_query(arena, parameter.name);
        const struct bytes variable = parameter_variable(arena, name);
        const struct bytes value = uri_decode_query(arena, parameter.value);

        if (is_credential(arena, rules, variable)) {
            *credential = has_credential ? *credential : value;
            has_credential = true;
        } else if (!is_listed(rules->ignorable, rules->ignorable_count, name)) {
            terms[count] = (struct term){name, value, parameter.has_value, variable, count};
            count++;
        }
    }
    return count;
}

/* Whether a sorted term is the only one of its variable and says only what its absence says. */
static bool is_spelled_out_default(const struct term *terms, size_t count, size_t at,
                                   const struct target_rules *rules, struct bytes path)
{
    const struct term *const term = &terms[at];

    if (rules->is_default == NULL || !term->has_value)
        return false;
    if (at > 0 && bytes_equal(terms[at - 1].variable, term->variable))
        return false;
    if (at + 1 < count && bytes_equal(terms[at + 1].variable, term->variable))
        return false;
    return rules->is_default(rules->context, path, term->name, term->value);
}

static void put_query_text(struct writer *writer, struct bytes text)
{
    for (size_t i = 0; i < text.length; i++)
        if (is_unreserved(text.data[i]) || is_one_of(text.data[i], "!$()*,/:@"))
            put(writer, text.data[i]);
        else
            put_encoded(writer, text.data[i]);
}

/* Appends '?' and the query in its one form, or nothing. */
static void put_query(struct writer *writer, struct arena *arena, struct bytes query,
                      const struct target_rules *rules, struct target *target)
{
    size_t room = 1, size;

    for (size_t i = 0; i < query.length; i++)
        room += query.data[i] == '&';
    if (!size_multiply(room, sizeof(struct term), &size))
        memory_exhausted();
    struct term *const terms = arena_take(arena, size);
    const size_t count = read_terms(arena, query, rules, terms, &target->credential);
    const size_t start = writer->length;

    assert(count <= room);
    if (count > 1)
        qsort(terms, count, sizeof(*terms), term_compare);
    for (size_t i = 0; i < count; i++) {
        if (is_spelled_out_default(terms, count, i, rules, target->path))
            continue;
        put(writer, writer->length == start ? '?' : '&');
        put_query_text(writer, terms[i].name);
        if (terms[i].has_value)
            put(writer, '=');
        put_query_text(writer, terms[i].value);
    }
}

enum result target_normalise_path(struct arena *arena, struct bytes origin_form,
                                  bool collapse_slashes, struct bytes *path)
{
    const struct bytes raw = bytes_cut(&origin_form, '?');

    if (raw.length == 0 || raw.data[0] != '/')
        return RESULT_INVALID;
    return normalise_path(arena, raw, collapse_slashes, path);
}

enum result target_normalise_query(struct arena *arena, struct bytes origin_form, struct bytes path,
                                   const struct target_rules *rules, struct target *target)
{
    struct bytes query = origin_form;
    struct target made = {.path = path, .credential = BYTES("")};

    (void)bytes_cut(&query, '?');
    if (has_control_character(query))
        return RESULT_INVALID;
    struct writer writer = writer_for(arena, encoded_room(query.length, made.path.length + 1));
    memcpy(writer.data, made.path.data, made.path.length);
    writer.length = made.path.length;
    put_query(&writer, arena, query, rules, &made);
    made.url = bytes_of(writer.data, writer.length);
    made.query = bytes_from(made.url, made.path.length + 1);
    *target = made;
    return RESULT_OK;
}

enum result target_normalise(struct arena *arena, struct bytes origin_form,
                             const struct target_rules *rules, struct target *target)
{
    struct bytes path;
    const enum result result =
        target_normalise_path(arena, origin_form, rules->collapse_slashes, &path);

    return result == RESULT_OK ? target_normalise_query(arena, origin_form, path, rules, target)
                               : result;
}

/* --- other forms of a target --- */

/* host[:port] with a host, and nothing that RFC 3986 §3.2 forbids there. */
static bool is_authority(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!is_unreserved(text.data[i]) && !is_one_of(text.data[i], "!$&'()*+,;=:[]%"))
            return false;
    return text.length > 0 && text.data[0] != ':';
}

/* What follows "http://" or "https://"; empty for any other beginning. */
static struct bytes after_scheme(struct bytes target)
{
    if (bytes_equal_nocase(bytes_slice(target, 0, 7), BYTES("http://")))
        return bytes_from(target, 7);
    if (bytes_equal_nocase(bytes_slice(target, 0, 8), BYTES("https://")))
        return bytes_from(target, 8);
    return BYTES("");
}

enum result target_origin_form(struct arena *arena, struct bytes target, struct bytes *origin_form,
                               struct bytes *authority)
{
    if (target.length > 0 && target.data[0] == '/') {
        *authority = BYTES("");
        *origin_form = target;
        return RESULT_OK;
    }
    const struct bytes rest = after_scheme(target);
    size_t end = 0;
    while (end < rest.length && rest.data[end] != '/' && rest.data[end] != '?')
        end++;
    const struct bytes host = bytes_slice(rest, 0, end), after = bytes_from(rest, end);

    if (!is_authority(host))
        return RESULT_INVALID;
    *authority = host;
    *origin_form =
        after.length > 0 && after.data[0] == '/' ? after : arena_join(arena, BYTES("/"), after);
    return RESULT_OK;
}

struct bytes target_without_prefix(struct bytes path, const struct bytes *prefixes, size_t count)
{
    struct bytes rest = bytes_from(path, 1);
    const struct bytes first = bytes_slice(rest, 0, bytes_index(rest, '/'));

    if (path.length == 0 || path.data[0] != '/' || !is_listed(prefixes, count, first))
        return path;
    rest = bytes_from(path, 1 + first.length);
    return rest.length == 0 ? BYTES("/") : rest;
}
