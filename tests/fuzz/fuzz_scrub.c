/*
 * The scrubber against a slow reference that spells every byte of the token in every way and looks
 * for each at each place. How the text is cut must not matter, and no more is held back than may
 * be.
 *
 * Input: how long the token is, how long the parts are, a number that chooses spellings, the token,
 * and the text, in which 0xff stands for the token spelled somehow and 0xfe for most of it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "upstream/scrub.h"
#include "upstream/spelling.h"

enum { TEXT_LIMIT = 700, TOKEN_LIMIT = 24, SPELLING_ROOM = 16, SPELLINGS = 40 };

struct spellings {
    char text[SPELLINGS][SPELLING_ROOM];
    size_t count;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void add(struct spellings *spellings, const char *format, unsigned byte)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(spellings->text[spellings->count++], SPELLING_ROOM, format, byte);
#pragma GCC diagnostic pop
}

/* All but the plain one, from nothing but a list of formats. */
static void spell(unsigned char byte, struct spellings *spellings)
{
    static const char *const formats[] = {
        "%%%02x",   "%%25%02x", "\\u%04x",  "&#%u;",    "&#%02u;", "&#%03u;",
        "&#%04u;",  "&#%05u;",  "&#%06u;",  "&#%07u;",  "&#x%x;",  "&#x%02x;",
        "&#x%03x;", "&#x%04x;", "&#x%05x;", "&#x%06x;",
    };
    static const struct {
        char byte;
        const char *text;
    } named[] = {{'&', "&amp;"},   {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"},
                 {'\'', "&apos;"}, {'/', "\\/"},  {'"', "\\\""}, {'\\', "\\\\"}};

    spellings->count = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++)
        add(spellings, formats[i], byte);
    for (size_t i = 0; i < ARRAY_LENGTH(named); i++)
        if (named[i].byte == (char)byte)
            memcpy(spellings->text[spellings->count++], named[i].text, strlen(named[i].text) + 1);
}

/* Whether the text begins with the spelling: letters in either case, but for JSON's 'u'. */
static bool begins(struct bytes text, const char *spelling)
{
    const struct bytes wanted = bytes_of_string(spelling);

    return text.length >= wanted.length &&
           bytes_equal_nocase(bytes_slice(text, 0, wanted.length), wanted) &&
           (spelling[0] != '\\' || text.data[1] == spelling[1]);
}

struct reference {
    struct bytes token;
    const struct spellings *spellings; /* of each byte of the token */
    struct bytes text;
    bool seen[TEXT_LIMIT + 1][TOKEN_LIMIT + 1]; /* from one start */
    bool ends[TEXT_LIMIT + 1];
    char *marked;
};

/* Every way to go on from `at` with `count` bytes of the token behind. */
static void explore(struct reference *reference, size_t start, size_t at, size_t count)
{
    if (reference->seen[at][count])
        return;
    reference->seen[at][count] = true;
    if (count == reference->token.length) {
        reference->ends[at] = true;
        memset(reference->marked + start, '*', at - start);
        return;
    }
    const struct bytes rest = bytes_from(reference->text, at);
    if (rest.length > 0 && rest.data[0] == reference->token.data[count])
        explore(reference, start, at + 1, count + 1);
    const struct spellings *const spellings = &reference->spellings[count];
    for (size_t i = 0; i < spellings->count; i++)
        if (begins(rest, spellings->text[i]))
            explore(reference, start, at + strlen(spellings->text[i]), count + 1);
}

static size_t reference_scrub(struct reference *reference)
{
    size_t count = 0;

    memcpy(reference->marked, reference->text.data, reference->text.length);
    for (size_t start = 0; start < reference->text.length && reference->token.length > 0; start++) {
        memset(reference->seen, 0, sizeof(reference->seen));
        explore(reference, start, start, 0);
    }
    for (size_t i = 0; i <= reference->text.length; i++)
        count += reference->ends[i];
    return count;
}

/* Text with the token in it, spelled as `choice` and the position say. */
static size_t make_text(struct bytes input, struct bytes token, const struct spellings *spellings,
                        unsigned choice, char *text)
{
    size_t length = 0;

    for (size_t i = 0; i < input.length && length + TOKEN_LIMIT * SPELLING_ROOM < TEXT_LIMIT; i++) {
        const unsigned char byte = (unsigned char)input.data[i];
        const size_t whole = token.length - (byte == 0xfe && token.length > 0);

        if (byte < 0xfe)
            text[length++] = (char)byte;
        for (size_t k = 0; byte >= 0xfe && k < whole; k++) {
            choice = choice * 1103515245 + 12345;
            const size_t which = (choice >> 16) % (spellings[k].count + 4);
            if (which >= spellings[k].count) {
                text[length++] = token.data[k];
                continue;
            }
            const size_t size = strlen(spellings[k].text[which]);
            memcpy(text + length, spellings[k].text[which], size);
            length += size;
        }
    }
    return length;
}

static void check(const struct reference *reference, size_t count, size_t part)
{
    struct scrub scrub;
    struct buffer out;
    struct bytes rest = reference->text;

    buffer_init(&out, TEXT_LIMIT);
    scrub_begin(&scrub, reference->token);
    while (rest.length > 0) {
        scrub_feed(&scrub, bytes_slice(rest, 0, part), &out);
        rest = bytes_from(rest, part);
        require(scrub.held.length <= (reference->token.length + 1) * SPELLING_LIMIT_BYTES);
    }
    scrub_end(&scrub, &out);
    require(!out.failed && scrub.found_count == count);
    require(bytes_equal(buffer_bytes(&out), bytes_of(reference->marked, reference->text.length)));
    scrub_finish(&scrub);
    buffer_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    const struct bytes input = bytes_of(data, size);
    const struct bytes token = bytes_slice(input, 3, data[0] % TOKEN_LIMIT);
    const size_t part = data[1] % 32 + 1;
    struct spellings spellings[TOKEN_LIMIT];
    char text[TEXT_LIMIT], marked[TEXT_LIMIT];
    struct reference *const reference = memory_take(1, sizeof(*reference));
    struct arena arena;

    for (size_t i = 0; i < token.length; i++)
        spell((unsigned char)token.data[i], &spellings[i]);
    const size_t length =
        make_text(bytes_from(input, 3 + token.length), token, spellings, data[2], text);
    *reference = (struct reference){
        .token = token, .spellings = spellings, .text = bytes_of(text, length), .marked = marked};
    const size_t count = reference_scrub(reference);
    check(reference, count, part);
    check(reference, count, TEXT_LIMIT);
    check(reference, count, 1);
    arena_init(&arena, 1024);
    require(bytes_equal(scrub_whole(&arena, token, reference->text), bytes_of(marked, length)));
    arena_finish(&arena);
    free(reference);
    return 0;
}
