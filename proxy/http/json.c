/*
 * Escaping for JSON strings (RFC 8259 §7) with the UTF-8 check of RFC 3629 §4: no overlong forms,
 * no surrogates, nothing above U+10FFFF. Reading JSON is cJSON's work.
 */
#include "http/json.h"

#include <assert.h>

#include "base/memory.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* The ranges that RFC 3629 §4 gives the second byte after each first one. */
static const struct {
    unsigned char first_low, first_high, second_low, second_high, length;
} sequences[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* How many bytes the well-formed sequence at the start of `text` has; 0: there is none. */
static size_t sequence_length(struct bytes text)
{
    const unsigned char *const byte = (const unsigned char *)text.data;

    for (size_t i = 0; i < ARRAY_LENGTH(sequences); i++) {
        if (byte[0] < sequences[i].first_low || byte[0] > sequences[i].first_high)
            continue;
        if (text.length < sequences[i].length || byte[1] < sequences[i].second_low ||
            byte[1] > sequences[i].second_high)
            return 0;
        for (size_t k = 2; k < sequences[i].length; k++)
            if ((byte[k] & 0xc0) != 0x80)
                return 0;
        return sequences[i].length;
    }
    return 0;
}

/* The letter after the backslash in the short form of a byte, or 0. */
static char short_form(unsigned char byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return (char)byte;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* Writes one ASCII byte. */
static size_t escape_ascii(char *to, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    const char letter = short_form(byte);

    if (letter != 0) {
        to[0] = '\\';
        to[1] = letter;
        return 2;
    }
    if (byte >= 0x20) {
        to[0] = (char)byte;
        return 1;
    }
    memcpy(to, "\\u00", 4);
    to[4] = digits[byte >> 4];
    to[5] = digits[byte & 15];
    return 6;
}

/* How many bytes at the start stand for themselves: printable ASCII but quote and backslash. */
static size_t plain_length(struct bytes text)
{
    size_t length = 0;

    for (; length < text.length; length++) {
        const unsigned char byte = (unsigned char)text.data[length];

        if (byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\')
            break;
    }
    return length;
}

size_t json_escape_to(char *to, struct bytes text)
{
    size_t written = 0;

    for (size_t i = 0; i < text.length;) {
        const unsigned char byte = (unsigned char)text.data[i];
        const size_t length = byte < 0x80 ? 1 : sequence_length(bytes_from(text, i));

        if (byte < 0x80) {
            written += escape_ascii(to + written, byte);
        } else if (length > 0) {
            memcpy(to + written, text.data + i, length);
            written += length;
        } else {
            memcpy(to + written, replacement, sizeof(replacement) - 1);
            written += sizeof(replacement) - 1;
        }
        i += length > 0 ? length : 1;
    }
    return written;
}

void json_escape(struct buffer *buffer, struct bytes text)
{
    enum { STEP_BYTES = 1024 }; /* so that little more room is taken than is needed */
    const size_t before = buffer->length;

    const size_t plain = plain_length(text); /* mostly all of it */
    buffer_add(buffer, bytes_slice(text, 0, plain));
    text = bytes_from(text, plain);
    while (text.length > 0 && !buffer->failed) {
        size_t step = text.length < STEP_BYTES ? text.length : STEP_BYTES;

        /* a cut never falls into a UTF-8 sequence: those have at most three bytes after the first
         */
        for (size_t back = 0; step < text.length && back < 3; back++)
            step -= ((unsigned char)text.data[step] & 0xc0) == 0x80;
        char part[STEP_BYTES * JSON_ESCAPE_FACTOR];
        buffer_add(buffer, bytes_of(part, json_escape_to(part, bytes_slice(text, 0, step))));
        text = bytes_from(text, step);
    }
    if (buffer->failed)
        buffer->length = before;
}

struct bytes json_string(struct arena *arena, struct bytes text)
{
    size_t room;

    if (!size_multiply(text.length, JSON_ESCAPE_FACTOR, &room) || !size_add(room, 2, &room))
        memory_exhausted();
    char *const string = arena_take(arena, room);
    string[0] = '"';
    const size_t length = 1 + json_escape_to(string + 1, text);
    assert(length < room);
    string[length] = '"';
    return bytes_of(string, length + 1);
}
