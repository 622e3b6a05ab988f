/*
 * A strict scanner walks the text once, checks it against RFC 8259 (cJSON alone takes 01 and "1."
 * and control bytes in strings) and notes where each value stands; then cJSON parses the same
 * bytes. Both see the values in the same order, so the n-th place belongs to the n-th item. cJSON
 * keeps valueint for us: it is deprecated for numbers, which are read as doubles, so it holds the
 * number of the item's place.
 */
#include "config/source.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

enum { NUMBER_LIMIT_BYTES = 40 }; /* cJSON reads at most 63 bytes of a number */

struct scan {
    struct source *source;
    size_t at;
    struct error *error;
};

static unsigned line_of(const struct source *source, size_t offset)
{
    unsigned line = 1;

    for (size_t i = 0; i < offset && i < source->length; i++)
        if (source->text[i] == '\n')
            line++;
    return line;
}

static enum result scan_refuse(const struct scan *scan, const char *what)
{
    const enum result result = error_set(scan->error, RESULT_INVALID, "%s", what);

    if (scan->error != NULL) {
        scan->error->pointer[0] = '\0';
        scan->error->line = line_of(scan->source, scan->at);
    }
    return result;
}

static size_t comment_end(struct bytes text, size_t at, bool *ended)
{
    const struct bytes rest = bytes_from(text, at + 2);
    const bool to_line_end = text.data[at + 1] == '/';
    const size_t length = to_line_end ? bytes_index(rest, '\n') : bytes_find(rest, BYTES("*/"));

    *ended = to_line_end || length < rest.length;
    return at + 2 + length + (to_line_end || !*ended ? 0 : 2);
}

/* Blanks out comments outside strings; lines stay lines. */
static enum result scan_comments(struct scan *scan)
{
    struct source *source = scan->source;
    const struct bytes text = bytes_of(source->text, source->length);
    bool quoted = false, ended = true;

    for (size_t i = 0; i < text.length; i++) {
        const char next = i + 1 < text.length ? text.data[i + 1] : '\0';

        if (quoted && text.data[i] == '\\') {
            i++;
        } else if (text.data[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && text.data[i] == '/' && (next == '/' || next == '*')) {
            const size_t end = comment_end(text, i, &ended);

            scan->at = i;
            if (!ended)
                return scan_refuse(scan, "this comment has no end: close it with */");
            for (; i < end; i++)
                if (source->text[i] != '\n')
                    source->text[i] = ' ';
            i--;
        }
    }
    return RESULT_OK;
}

static void scan_space(struct scan *scan)
{
    const struct source *source = scan->source;

    while (scan->at < source->length && strchr(" \t\r\n", source->text[scan->at]) != NULL &&
           source->text[scan->at] != '\0')
        scan->at++;
}

/* The byte here, or NUL at the end. */
static char scan_peek(const struct scan *scan)
{
    return scan->at < scan->source->length ? scan->source->text[scan->at] : '\0';
}

static bool scan_take(struct scan *scan, char byte)
{
    if (scan_peek(scan) != byte || scan->at >= scan->source->length)
        return false;
    scan->at++;
    return true;
}

static size_t scan_digits(struct scan *scan)
{
    const size_t start = scan->at;

    while (scan_peek(scan) >= '0' && scan_peek(scan) <= '9')
        scan->at++;
    return scan->at - start;
}

static enum result scan_number(struct scan *scan)
{
    const size_t start = scan->at;

    (void)scan_take(scan, '-'); /* there or not */
    const bool zero = scan_peek(scan) == '0';
    const size_t whole = scan_digits(scan);
    bool fine = whole == 1 || (whole > 1 && !zero);
    if (scan_take(scan, '.'))
        fine = scan_digits(scan) > 0 && fine;
    if (scan_take(scan, 'e') || scan_take(scan, 'E')) {
        if (!scan_take(scan, '+'))
            (void)scan_take(scan, '-'); /* there or not */
        fine = scan_digits(scan) > 0 && fine;
    }
    if (fine && scan->at - start <= NUMBER_LIMIT_BYTES)
        return RESULT_OK;
    scan->at = start;
    return scan_refuse(scan, "this number is not one that JSON knows");
}

/* Four hexadecimal digits at `at`, or -1. */
static int hex4(const struct source *source, size_t at)
{
    int value = 0;

    if (source->length - at < 4)
        return -1;
    for (size_t i = at; i < at + 4; i++) {
        const int digit = bytes_hex_value(source->text[i]);

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static enum result scan_escape(struct scan *scan)
{
    const struct source *source = scan->source;
    const char kind = scan_peek(scan);

    if (kind != 'u') {
        if (kind == '\0' || strchr("\"\\/bfnrt", kind) == NULL)
            return scan_refuse(scan, "JSON has no such escape in a string: a backslash itself is "
                                     "written as two");
        scan->at++;
        return RESULT_OK;
    }
    const int unit = hex4(source, scan->at + 1);
    if (unit <= 0)
        return scan_refuse(scan, "expects four hexadecimal digits, not 0000, after \\u");
    scan->at += 5;
    if (unit < 0xD800 || unit > 0xDFFF)
        return RESULT_OK;
    const bool pair = source->length - scan->at >= 6 && source->text[scan->at] == '\\' &&
                      source->text[scan->at + 1] == 'u';
    const int low = pair ? hex4(source, scan->at + 2) : -1;
    if (unit > 0xDBFF || low < 0xDC00 || low > 0xDFFF)
        return scan_refuse(scan, "half a surrogate pair stands alone after \\u");
    scan->at += 6;
    return RESULT_OK;
}

/* How many bytes the UTF-8 character here has (RFC 3629), or 0 where there is none. */
static size_t utf8_length(struct bytes text)
{
    const unsigned char *byte = (const unsigned char *)text.data;
    const size_t length = byte[0] < 0x80                       ? 1
                          : byte[0] >= 0xC2 && byte[0] <= 0xDF ? 2
                          : (byte[0] & 0xF0) == 0xE0           ? 3
                          : byte[0] >= 0xF0 && byte[0] <= 0xF4 ? 4
                                                               : 0;

    if (length == 0 || length > text.length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((byte[i] & 0xC0) != 0x80)
            return 0;
    if ((byte[0] == 0xE0 && byte[1] < 0xA0) || (byte[0] == 0xED && byte[1] > 0x9F) ||
        (byte[0] == 0xF0 && byte[1] < 0x90) || (byte[0] == 0xF4 && byte[1] > 0x8F))
        return 0;
    return length;
}

static enum result scan_string(struct scan *scan)
{
    const struct source *source = scan->source;
    enum result result = RESULT_OK;

    scan->at++; /* the opening quote */
    while (result == RESULT_OK && !scan_take(scan, '"')) {
        if (scan->at >= source->length || source->text[scan->at] == '\n')
            return scan_refuse(scan, "a string is not closed on its line");
        if ((unsigned char)source->text[scan->at] < 0x20)
            return scan_refuse(scan, "a control byte stands in a string: write it as \\u00XX");
        if (scan_take(scan, '\\')) {
            result = scan_escape(scan);
            continue;
        }
        const struct bytes rest = bytes_of(source->text + scan->at, source->length - scan->at);
        const size_t length = utf8_length(rest);
        if (length == 0)
            return scan_refuse(scan, "is not UTF-8: save the file in that encoding");
        scan->at += length;
    }
    return result;
}

static enum result scan_word(struct scan *scan)
{
    static const struct bytes words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    const struct source *source = scan->source;
    const struct bytes rest = bytes_of(source->text + scan->at, source->length - scan->at);

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (bytes_starts_with(rest, words[i])) {
            scan->at += words[i].length;
            return RESULT_OK;
        }
    if (rest.length == 0)
        return scan_refuse(scan, "the file ends where a value is expected");
    if (rest.data[0] == '}' || rest.data[0] == ']')
        return scan_refuse(scan, "expects a value: take out the comma before this");
    return scan_refuse(scan, "expects a value: \"text\", a number, true, false, [ or {");
}

static size_t place_add(struct source *source, size_t parent, size_t index, size_t name)
{
    if (source->count == source->capacity) {
        source->capacity = source->capacity == 0 ? 64 : source->capacity * 2;
        source->places = memory_resize(source->places, source->capacity * sizeof(*source->places));
    }
    source->places[source->count] = (struct place){.parent = parent, .index = index, .name = name};
    return source->count++;
}

static enum result scan_value(struct scan *scan, size_t parent, size_t index, size_t name,
                              unsigned depth);

/* The name of a member and its colon. */
static enum result scan_name(struct scan *scan)
{
    if (scan_peek(scan) != '"')
        return scan_refuse(scan, scan_peek(scan) == '}'
                                     ? "expects a member: take out the comma before this"
                                     : "expects a member's name in double quotes");
    const enum result result = scan_string(scan);
    if (result != RESULT_OK)
        return result;
    scan_space(scan);
    return scan_take(scan, ':') ? RESULT_OK
                                : scan_refuse(scan, "expects a colon after a member's name");
}

/* An array or object, from its bracket on. */
static enum result scan_container(struct scan *scan, size_t place, char close, unsigned depth)
{
    scan->at++;
    scan_space(scan);
    if (scan_take(scan, close))
        return RESULT_OK;
    for (size_t index = 0;; index++) {
        scan_space(scan);
        const size_t name = scan->at;
        enum result result = close == '}' ? scan_name(scan) : RESULT_OK;

        if (result == RESULT_OK)
            result = scan_value(scan, place, index, close == '}' ? name : SIZE_MAX, depth + 1);
        if (result != RESULT_OK)
            return result;
        scan_space(scan);
        if (scan_take(scan, close))
            return RESULT_OK;
        if (!scan_take(scan, ','))
            return scan_refuse(scan, close == '}' ? "expects a comma or } here"
                                                  : "expects a comma or ] here");
    }
}

static enum result scan_value(struct scan *scan, size_t parent, size_t index, size_t name,
                              unsigned depth)
{
    if (depth > SOURCE_DEPTH_LIMIT)
        return scan_refuse(scan, "is nested too deeply");
    scan_space(scan);
    const size_t place = place_add(scan->source, parent, index, name == SIZE_MAX ? scan->at : name);
    const size_t start = scan->at;
    const char first = scan_peek(scan);
    enum result result;

    if (first == '{' || first == '[')
        result = scan_container(scan, place, first == '{' ? '}' : ']', depth);
    else if (first == '"')
        result = scan_string(scan);
    else if (first == '-' || (first >= '0' && first <= '9'))
        result = scan_number(scan);
    else
        result = scan_word(scan);
    scan->source->places[place].start = start;
    scan->source->places[place].end = scan->at;
    return result;
}

static enum result scan_text(struct scan *scan)
{
    enum result result = scan_comments(scan);

    scan->at = 0;
    if (result == RESULT_OK)
        result = scan_value(scan, 0, 0, SIZE_MAX, 0);
    if (result != RESULT_OK)
        return result;
    scan_space(scan);
    if (scan->at < scan->source->length)
        return scan_refuse(scan, "expects the end of the file after its last bracket");
    return RESULT_OK;
}

/* Gives each item its place, in the order of the text. Depth is bounded by the scanner. */
static void places_join(struct source *source, cJSON *item, size_t *next)
{
    assert(*next < source->count);
    source->places[*next].item = item;
    item->valueint = (int)*next; /* fewer than the bytes of a file */
    (*next)++;
    for (cJSON *child = item->child; child != NULL; child = child->next)
        places_join(source, child, next);
}

enum result source_read(struct source *source, struct bytes text, struct error *error)
{
    static const struct bytes mark = {"\xEF\xBB\xBF", 3};
    struct scan scan = {.source = source, .error = error};
    size_t joined = 0;

    *source = (struct source){.text = memory_take(text.length + 1, 1), .length = text.length};
    if (text.length > 0)
        memcpy(source->text, text.data, text.length);
    if (bytes_starts_with(text, mark))
        memcpy(source->text, "   ", mark.length);
    const enum result result = scan_text(&scan);
    if (result != RESULT_OK)
        return result;
    source->root = cJSON_ParseWithLength(source->text, source->length);
    if (source->root == NULL)
        memory_exhausted(); /* the text is JSON, so nothing else is left */
    places_join(source, source->root, &joined);
    assert(joined == source->count);
    return RESULT_OK;
}

void source_finish(struct source *source)
{
    cJSON_Delete(source->root);
    free(source->places);
    free(source->text);
    *source = (struct source){0};
}

const struct place *source_place(const struct source *source, const cJSON *item)
{
    const struct place *place = &source->places[item->valueint];

    assert((size_t)item->valueint < source->count);
    assert(place->item == item);
    return place;
}

/* One reference token, "~" and "/" escaped (RFC 6901 §3), put before what is there. */
static size_t pointer_prepend(char *room, size_t start, const char *name)
{
    for (size_t i = strlen(name); i-- > 0;) {
        const char *escaped = name[i] == '~' ? "~0" : name[i] == '/' ? "~1" : NULL;
        const size_t length = escaped != NULL ? 2 : 1;

        if (start < length)
            return 0;
        start -= length;
        memcpy(room + start, escaped != NULL ? escaped : &name[i], length);
    }
    if (start > 0)
        room[--start] = '/';
    return start;
}

void source_locate(const struct source *source, const cJSON *item, struct error *error)
{
    char room[sizeof(error->pointer) - 1], digits[24];
    size_t start = sizeof(room);

    for (const struct place *place = source_place(source, item); place->item != source->root;
         place = &source->places[place->parent]) {
        const char *name = place->item->string;

        if (name == NULL) {
            (void)snprintf(digits, sizeof(digits), "%zu", place->index); /* 20 digits at most */
            name = digits;
        }
        start = pointer_prepend(room, start, name);
    }
    memcpy(error->pointer, room + start, sizeof(room) - start);
    error->pointer[sizeof(room) - start] = '\0';
    error->line = line_of(source, source_place(source, item)->name);
}
