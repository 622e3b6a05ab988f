/*
 * Readers of single escapes. Each says whether it is there, is not, or is cut by the end of the
 * text; what to do with the answer is scrub's.
 */
#include "upstream/spelling.h"

#include <assert.h>

enum { DECIMAL_LIMIT = 7, HEXADECIMAL_LIMIT = 6 }; /* digits of a character reference */

static const struct {
    struct bytes text;
    char byte;
} named_references[] = {
    {BYTES("&amp;"), '&'},  {BYTES("&lt;"), '<'},    {BYTES("&gt;"), '>'},
    {BYTES("&quot;"), '"'}, {BYTES("&apos;"), '\''},
};

bool spelling_is_start(char byte)
{
    return byte == '%' || byte == '\\' || byte == '&';
}

/* The number in exactly `count` hexadecimal digits at `at`, or -1; *cut where the text ends first.
 */
static int read_hexadecimal(struct bytes text, size_t at, size_t count, bool *cut)
{
    int value = 0;

    for (size_t i = at; i < at + count; i++) {
        if (i >= text.length) {
            *cut = true;
            return -1;
        }
        const int digit = bytes_hex_value(text.data[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* %XX, and %25XX besides. */
static size_t read_percent(struct bytes text, struct reading *readings, bool *cut)
{
    const int once = read_hexadecimal(text, 1, 2, cut);

    if (once < 0)
        return 0;
    readings[0] = (struct reading){.length = 3, .byte = (char)once};
    const int twice = once == '%' ? read_hexadecimal(text, 3, 2, cut) : -1;
    if (twice < 0)
        return 1;
    readings[1] = (struct reading){.length = 5, .byte = (char)twice};
    return 2;
}

static size_t read_backslash(struct bytes text, struct reading *readings, bool *cut)
{
    if (text.length < 2) {
        *cut = true;
        return 0;
    }
    const char letter = text.data[1];
    if (letter == '/' || letter == '"' || letter == '\\') {
        readings[0] = (struct reading){.length = 2, .byte = letter};
        return 1;
    }
    const int value = letter == 'u' ? read_hexadecimal(text, 2, 4, cut) : -1;
    if (value < 0 || value > 0xff)
        return 0;
    readings[0] = (struct reading){.length = 6, .byte = (char)value};
    return 1;
}

/* &#N; or &#xH; after its "&#". */
static size_t read_numeric_reference(struct bytes text, struct reading *readings, bool *cut)
{
    const bool hexadecimal = text.length > 2 && bytes_lower(text.data[2]) == 'x';
    const size_t start = hexadecimal ? 3 : 2;
    const size_t limit = start + (hexadecimal ? HEXADECIMAL_LIMIT : DECIMAL_LIMIT);
    int value = 0;
    size_t at = start;

    for (; at < text.length && at < limit; at++) {
        const int digit = bytes_hex_value(text.data[at]);

        if (digit < 0 || (!hexadecimal && digit > 9))
            break;
        value = value * (hexadecimal ? 16 : 10) + digit;
    }
    if (at == text.length) {
        *cut = true;
        return 0;
    }
    if (at == start || text.data[at] != ';' || value > 0xff)
        return 0;
    readings[0] = (struct reading){.length = at + 1, .byte = (char)value};
    return 1;
}

static size_t read_reference(struct bytes text, struct reading *readings, bool *cut)
{
    if (text.length >= 2 && text.data[1] == '#')
        return read_numeric_reference(text, readings, cut);
    *cut = text.length == 1; /* "&#…" as well */
    for (size_t i = 0; i < ARRAY_LENGTH(named_references); i++) {
        const struct bytes name = named_references[i].text;
        const struct bytes begun = bytes_slice(text, 0, name.length);

        if (!bytes_equal_nocase(begun, bytes_slice(name, 0, begun.length)))
            continue;
        if (begun.length < name.length) {
            *cut = true;
            continue;
        }
        readings[0] = (struct reading){.length = name.length, .byte = named_references[i].byte};
        return 1;
    }
    return 0;
}

size_t spelling_read(struct bytes text, struct reading readings[SPELLING_READINGS], bool *cut)
{
    assert(text.length > 0);
    *cut = false;
    switch (text.data[0]) {
    case '%':
        return read_percent(text, readings, cut);
    case '\\':
        return read_backslash(text, readings, cut);
    case '&':
        return read_reference(text, readings, cut);
    default:
        return 0;
    }
}
