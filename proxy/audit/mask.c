/*
 * Which parts of a URL name a masked member, and the URL with their values replaced. Names may be
 * percent-encoded and in any case; what is not touched stays byte for byte. How a query is cut into
 * parameters follows the URL Standard's application/x-www-form-urlencoded parser.
 */
#include <assert.h>

#include "audit/audit.h"
#include "base/arena.h"
#include "base/buffer.h"

static const struct bytes mask_text = {.data = "***", .length = 3};

/* The byte at *at as the upstream reads it; moves behind its spelling. */
static char decoded_at(struct bytes text, size_t *at)
{
    const char byte = text.data[*at];

    if (byte == '%' && text.length - *at >= 3) {
        const int high = bytes_hex_value(text.data[*at + 1]);
        const int low = bytes_hex_value(text.data[*at + 2]);

        if (high >= 0 && low >= 0) {
            *at += 3;
            return (char)(high << 4 | low);
        }
    }
    *at += 1;
    return byte == '+' ? ' ' : byte;
}

/* The decoded name, without case and outer blanks, is one of those that are masked. */
static bool is_masked(struct bytes name, const struct bytes *names, size_t name_count)
{
    name = bytes_trim(name);
    for (size_t i = 0; name.length > 0 && i < name_count; i++)
        if (bytes_equal_nocase(name, names[i]))
            return true;
    return false;
}

/* `email`, `email[]`, `fields[email]`: what stands before, in and between the brackets. */
static bool parameter_is_masked(struct bytes decoded, const struct bytes *names, size_t name_count)
{
    size_t start = 0;

    for (size_t i = 0; i <= decoded.length; i++) {
        if (i < decoded.length && decoded.data[i] != '[' && decoded.data[i] != ']')
            continue;
        if (is_masked(bytes_slice(decoded, start, i - start), names, name_count))
            return true;
        start = i + 1;
    }
    return false;
}

static bool is_operator(char byte)
{
    return byte == '=' || byte == '!' || byte == '<' || byte == '>' || byte == '~';
}

/*
 * Where a condition's right side begins in the raw value: behind the operators that follow its left
 * side. `room` takes the decoded left side, *left. value.length where it is no condition.
 */
static size_t condition_right(struct bytes value, char *room, struct bytes *left)
{
    size_t at = 0, length = 0;

    while (at < value.length) {
        const char byte = decoded_at(value, &at);

        if (is_operator(byte))
            break;
        room[length++] = byte;
    }
    *left = bytes_of(room, length);
    for (size_t next = at; at < value.length; at = next)
        if (!is_operator(decoded_at(value, &next)))
            break;
    return at;
}

static struct bytes decoded_copy(struct bytes text, char *room)
{
    size_t length = 0;

    for (size_t at = 0; at < text.length;)
        room[length++] = decoded_at(text, &at);
    return bytes_of(room, length);
}

/* One parameter, masked where it must be, added to `masked`. `room` has its length. */
static void parameter_add(struct buffer *masked, struct bytes parameter, char *room,
                          const struct bytes *names, size_t name_count)
{
    const size_t at = bytes_index(parameter, '=');
    const struct bytes value = bytes_from(parameter, at + 1);
    struct bytes left;

    if (at == parameter.length) {
        buffer_add(masked, parameter);
        return;
    }
    size_t shown = parameter.length;
    if (parameter_is_masked(decoded_copy(bytes_slice(parameter, 0, at), room), names, name_count)) {
        shown = at + 1;
    } else {
        const size_t right = condition_right(value, room, &left);

        if (right < value.length && is_masked(left, names, name_count))
            shown = at + 1 + right;
    }
    buffer_add(masked, bytes_slice(parameter, 0, shown));
    if (shown < parameter.length)
        buffer_add(masked, mask_text);
}

struct bytes audit_mask(struct arena *arena, struct bytes url, const struct bytes *names,
                        size_t name_count)
{
    struct bytes query = url;
    const struct bytes path = bytes_cut(&query, '?');
    struct buffer masked;
    bool is_last;

    if (name_count == 0 || query.length == 0)
        return url;
    char *room = arena_take(arena, query.length);
    buffer_init(&masked, 2 * url.length); /* "a=b" grows by two bytes, and nothing grows more */
    buffer_add(&masked, path);
    buffer_add_byte(&masked, '?');
    do {
        const size_t at = bytes_index(query, '&');

        is_last = at == query.length;
        parameter_add(&masked, bytes_slice(query, 0, at), room, names, name_count);
        if (!is_last)
            buffer_add_byte(&masked, '&');
        query = bytes_from(query, at + 1);
    } while (!is_last);
    assert(!masked.failed);
    const struct bytes copy = arena_copy(arena, buffer_bytes(&masked));
    buffer_finish(&masked);
    return copy;
}
