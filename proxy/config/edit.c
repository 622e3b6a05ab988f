/*
 * Text surgery by the places that source.c noted. What is added: a comment behind the last value of
 * a container belongs to that value, so the new one goes onto a line of its own below it; only a
 * container that ends on the same line is continued there. What is taken out: the value and a
 * comma, which may stand apart with comments between them.
 */
#include "config/edit.h"

#include <assert.h>

#include "config/reader.h"

static const struct bytes step = {"  ", 2};

/* The blanks that the line of `offset` starts with. */
static struct bytes indent_of(struct bytes text, size_t offset)
{
    size_t start = offset, end;

    while (start > 0 && text.data[start - 1] != '\n')
        start--;
    for (end = start; end < offset && (text.data[end] == ' ' || text.data[end] == '\t');)
        end++;
    return bytes_slice(text, start, end - start);
}

/* Whether nothing but blanks stands before `offset` on its line. */
static bool starts_line(struct bytes text, size_t offset)
{
    const struct bytes indent = indent_of(text, offset);

    return indent.data + indent.length == text.data + offset;
}

/* How long the comment at the start of the rest is; 0 where there is none, or one of several
 * lines. */
static size_t comment_length(struct bytes rest)
{
    const size_t line = bytes_index(rest, '\n');

    if (bytes_starts_with(rest, BYTES("//")))
        return line;
    if (!bytes_starts_with(rest, BYTES("/*")))
        return 0;
    const size_t end = bytes_find(bytes_from(rest, 2), BYTES("*/")) + 4;
    return end <= line ? end : 0;
}

/* Where the line of `offset` ends if only blanks and whole comments follow there, else `offset`. */
static size_t line_end_after(struct bytes text, size_t offset)
{
    size_t at = offset;

    while (at < text.length && text.data[at] != '\n') {
        const bool blank = text.data[at] == ' ' || text.data[at] == '\t' || text.data[at] == '\r';
        const size_t length = blank ? 1 : comment_length(bytes_from(text, at));

        if (length == 0)
            return offset;
        at += length;
    }
    return at < text.length ? at : offset;
}

static void add_line(struct buffer *out, struct bytes indent, struct bytes more)
{
    buffer_add_byte(out, '\n');
    buffer_add(out, indent);
    buffer_add(out, more);
}

/* Behind the last value of a container that has some. */
static void insert_behind(struct bytes text, const struct place *last, struct bytes value,
                          struct buffer *out)
{
    const size_t line_end = line_end_after(text, last->end);
    const bool own_line = line_end > last->end || starts_line(text, last->name);

    buffer_add(out, bytes_slice(text, 0, last->end));
    buffer_add_byte(out, ',');
    buffer_add(out, bytes_slice(text, last->end, line_end - last->end));
    if (own_line)
        add_line(out, indent_of(text, last->name), value);
    else
        buffer_add_byte(out, ' '), buffer_add(out, value);
    buffer_add(out, bytes_from(text, line_end));
}

/* Into a container that has no value: its comments stay behind the new one. */
static void insert_first(struct bytes text, const struct place *container, struct bytes value,
                         struct buffer *out)
{
    const struct bytes indent = indent_of(text, container->start);
    const struct bytes rest =
        bytes_slice(text, container->start + 1, container->end - container->start - 2);

    buffer_add(out, bytes_slice(text, 0, container->start + 1));
    add_line(out, indent, step);
    buffer_add(out, value);
    buffer_add(out, rest);
    if (bytes_index(rest, '\n') == rest.length)
        add_line(out, indent, BYTES(""));
    buffer_add(out, bytes_from(text, container->end - 1));
}

static void insert_value(const struct source *source, struct bytes text, const cJSON *container,
                         struct bytes value, struct buffer *out)
{
    const cJSON *last = container->child;

    while (last != NULL && last->next != NULL)
        last = last->next;
    if (last == NULL)
        insert_first(text, source_place(source, container), value, out);
    else
        insert_behind(text, source_place(source, last), value, out);
}

/* The whole member, for a configuration without one. */
static void insert_member(const struct source *source, struct bytes text, struct bytes element,
                          struct buffer *out)
{
    const cJSON *first = source->root->child;
    struct bytes indent = step;
    struct buffer member;

    if (first != NULL && starts_line(text, source_place(source, first)->name))
        indent = indent_of(text, source_place(source, first)->name);
    buffer_init(&member, out->limit_bytes);
    buffer_add(&member, BYTES("\"clients\": ["));
    add_line(&member, indent, step);
    buffer_add(&member, element);
    add_line(&member, indent, BYTES("]"));
    insert_value(source, text, source->root, buffer_bytes(&member), out);
    out->failed = out->failed || member.failed;
    buffer_finish(&member);
}

enum result edit_add_client(const struct source *source, struct bytes text, struct bytes element,
                            struct buffer *out)
{
    const cJSON *clients = reader_member(source->root, "clients");

    if (!cJSON_IsObject(source->root) || (clients != NULL && !cJSON_IsArray(clients)))
        return RESULT_INVALID;
    if (clients != NULL)
        insert_value(source, text, clients, element, out);
    else
        insert_member(source, text, element, out);
    return out->failed ? RESULT_LIMIT : RESULT_OK;
}

enum result edit_set(const struct source *source, struct bytes text, const cJSON *object,
                     const struct edit_member *member, struct buffer *out)
{
    const cJSON *item = reader_member(object, member->name);

    assert(cJSON_IsObject(object));
    if (item != NULL) {
        const struct place *place = source_place(source, item);

        buffer_add(out, bytes_slice(text, 0, place->start));
        buffer_add(out, member->value);
        buffer_add(out, bytes_from(text, place->end));
    } else {
        struct buffer whole;

        buffer_init(&whole, out->limit_bytes);
        buffer_format(&whole, "\"%s\": ", member->name);
        buffer_add(&whole, member->value);
        insert_value(source, text, object, buffer_bytes(&whole), out);
        out->failed = out->failed || whole.failed;
        buffer_finish(&whole);
    }
    return out->failed ? RESULT_LIMIT : RESULT_OK;
}

/* --- taking out --- */

/* What is left out of a text. */
struct cut {
    size_t start, end;
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* Where the comma behind `offset` stands. There is one. */
static size_t comma_behind(const struct source *source, size_t offset)
{
    while (source->text[offset] != ',')
        offset++; /* only blanks: comments are blanked out there */
    return offset;
}

/* Whether nothing but blanks stands between two offsets. */
static bool are_joined(struct bytes text, size_t from, size_t to)
{
    while (from < to && is_blank(text.data[from]))
        from++;
    return from == to;
}

/* Lines that would become empty go whole; elsewhere the blanks behind the cut do. */
static struct cut cut_widened(struct bytes text, struct cut cut)
{
    size_t end = cut.end;

    while (end < text.length && is_blank(text.data[end]))
        end++;
    if (end == text.length)
        return cut;
    if (text.data[end] != '\n')
        cut.end = end;
    else if (starts_line(text, cut.start))
        cut = (struct cut){cut.start - indent_of(text, cut.start).length, end + 1};
    return cut;
}

enum result edit_remove(const struct source *source, struct bytes text, const cJSON *item,
                        struct buffer *out)
{
    const struct place *place = source_place(source, item);
    struct cut value = {place->name, place->end}, comma = {place->end, place->end};

    if (item->next != NULL)
        comma.start = comma_behind(source, place->end);
    else if (place->index > 0) /* that of the value before it: the last has none */
        comma.start = comma_behind(source, source_place(source, item->prev)->end);
    if (item->next != NULL || place->index > 0)
        comma.end = comma.start + 1;
    if (comma.start >= value.end && are_joined(text, value.end, comma.start))
        value.end = comma.start = comma.end;
    else if (comma.end <= value.start && are_joined(text, comma.end, value.start))
        value.start = comma.end = comma.start;
    value = cut_widened(text, value);
    const struct cut first = comma.start < value.start ? comma : value;
    const struct cut second = comma.start < value.start ? value : comma;
    buffer_add(out, bytes_slice(text, 0, first.start));
    if (second.start > first.end)
        buffer_add(out, bytes_slice(text, first.end, second.start - first.end));
    buffer_add(out, bytes_from(text, second.end > first.end ? second.end : first.end));
    return out->failed ? RESULT_LIMIT : RESULT_OK;
}
