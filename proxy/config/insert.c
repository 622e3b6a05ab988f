/*
 * Text surgery: one insertion, found by the places that source.c noted. A comment behind the last
 * element of a list belongs to that element, so the new one goes onto a line of its own below it;
 * only a list that ends on the same line is continued there. Whether the result is a configuration
 * is for the caller to check.
 */
#include "config/insert.h"

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

enum result insert_client(const struct source *source, struct bytes text, struct bytes element,
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
