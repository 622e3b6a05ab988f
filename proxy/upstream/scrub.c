/*
 * A match of the token against a text in which every byte may be spelled in several ways. The text
 * is a graph: from each place one edge leads over the plain byte, others over the escapes that
 * begin there (upstream/spelling). A partial match is a number n, "the token's first n bytes are
 * spelled up to here", with the length of that spelling. All partial matches are carried along
 * together, so nothing is ever read twice and nothing is missed after a failed one; two that agree
 * in place and n become one, the longer.
 *
 * The token is only compared with, never copied or turned into tables: those would be the token
 * again, outside its locked pages.
 */
#include "upstream/scrub.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/secret.h"
#include "upstream/spelling.h"

enum { STEP_BYTES = 64 * 1024 }; /* taken at once: bounds what is held */

static_assert((int)SCRUB_NODES > (int)SPELLING_LIMIT_BYTES, "an edge stays within the ring");
static_assert((SCRUB_NODES & (SCRUB_NODES - 1)) == 0, "places are masked");

/* Sixteen bytes compared at once. */
typedef signed char vector __attribute__((vector_size(16)));

static struct scrub_node *node_at(struct scrub *scrub, size_t ahead)
{
    return &scrub->nodes[(scrub->ring + ahead) & (SCRUB_NODES - 1)];
}

static void node_set(struct scrub_node *node, size_t count, uint32_t length)
{
    const bool empty = node->low > node->high;

    if (node->lengths[count] < length)
        node->lengths[count] = length;
    node->low = empty || count < node->low ? count : node->low;
    node->high = empty || count > node->high ? count : node->high;
}

static void node_clear(struct scrub_node *node)
{
    if (node->low <= node->high)
        memset(node->lengths + node->low, 0, (node->high - node->low + 1) * sizeof(uint32_t));
    node->low = 1;
    node->high = 0;
}

void scrub_begin(struct scrub *scrub, struct bytes token)
{
    assert(token.length <= SCRUB_TOKEN_LIMIT_BYTES);
    *scrub = (struct scrub){.token = token};
    buffer_init(&scrub->held, STEP_BYTES + (token.length + 1) * SPELLING_LIMIT_BYTES);
    for (size_t i = 0; i < SCRUB_NODES; i++)
        scrub->nodes[i].low = 1;
}

void scrub_finish(struct scrub *scrub)
{
    if (scrub->found_count > 0 && scrub->held.data != NULL)
        secret_wipe(scrub->held.data, scrub->held.capacity);
    buffer_finish(&scrub->held);
    free(scrub->memory);
    scrub->memory = NULL;
}

/* Memory for partial matches, once the first may have begun. */
static void take_memory(struct scrub *scrub)
{
    const size_t each = scrub->token.length + 1;

    scrub->memory = memory_take(SCRUB_NODES * each, sizeof(uint32_t));
    for (size_t i = 0; i < SCRUB_NODES; i++)
        scrub->nodes[i].lengths = scrub->memory + i * each;
}

static vector vector_of(char byte)
{
    const signed char value = (signed char)byte;

    return (vector){value, value, value, value, value, value, value, value,
                    value, value, value, value, value, value, value, value};
}

/* The index of the first byte in memory that is not 0. */
static size_t first_lane(uint64_t lanes)
{
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");
    return (size_t)__builtin_ctzll(lanes) / 8;
}

/* The first byte from `at` on that is the token's first or starts an escape; the length at none. */
static size_t next_start(char first, struct bytes text, size_t at)
{
    const vector firsts = vector_of(first), percents = vector_of('%');
    const vector backslashes = vector_of('\\'), ampersands = vector_of('&');

    for (; text.length - at >= sizeof(vector); at += sizeof(vector)) {
        vector block;
        uint64_t halves[2];

        memcpy(&block, text.data + at, sizeof(block));
        const vector hits = (vector)((block == firsts) | (block == percents) |
                                     (block == backslashes) | (block == ampersands));
        memcpy(halves, &hits, sizeof(halves));
        if (halves[0] != 0)
            return at + first_lane(halves[0]);
        if (halves[1] != 0)
            return at + sizeof(halves[0]) + first_lane(halves[1]);
    }
    while (at < text.length && text.data[at] != first && !spelling_is_start(text.data[at]))
        at++;
    return at;
}

/* Whether an occurrence may begin at `at`, where next_start stopped. */
static bool may_begin(struct bytes token, struct bytes text, size_t at)
{
    struct reading readings[SPELLING_READINGS];
    bool cut = false;

    if (text.data[at] == token.data[0]) {
        if (token.length == 1 || at + 1 == text.length || text.data[at + 1] == token.data[1] ||
            spelling_is_start(text.data[at + 1]))
            return true;
    }
    const size_t count = spelling_read(bytes_from(text, at), readings, &cut);
    for (size_t i = 0; i < count; i++)
        if (readings[i].byte == token.data[0])
            return true;
    return cut;
}

/* Where from `at` on an occurrence may begin first; the length where nowhere. */
static size_t next_candidate(struct bytes token, struct bytes text, size_t at)
{
    if (token.length == 0)
        return text.length;
    at = next_start(token.data[0], text, at);
    while (at < text.length && !may_begin(token, text, at))
        at = next_start(token.data[0], text, at + 1);
    return at;
}

/* Carries the partial matches at position, and a new one, over one edge. */
static void follow(struct scrub *scrub, struct reading reading)
{
    const struct bytes token = scrub->token;
    const struct scrub_node *const from = node_at(scrub, 0);
    struct scrub_node *const to = node_at(scrub, reading.length);

    assert(reading.length >= 1 && reading.length <= SPELLING_LIMIT_BYTES);
    if (token.data[0] == reading.byte)
        node_set(to, 1, (uint32_t)reading.length);
    for (size_t count = from->low; count <= from->high; count++)
        if (from->lengths[count] != 0 && token.data[count] == reading.byte)
            node_set(to, count + 1, from->lengths[count] + (uint32_t)reading.length);
    if (to->low <= to->high && scrub->ahead < reading.length)
        scrub->ahead = reading.length;
}

/* Overwrites the occurrence that ends at position, if one does. */
static void settle(struct scrub *scrub)
{
    struct scrub_node *const node = node_at(scrub, 0);
    const size_t whole = scrub->token.length;

    if (node->low > node->high || node->high < whole)
        return;
    const size_t length = node->lengths[whole];
    assert(length >= whole && length <= scrub->position);
    memset(scrub->held.data + scrub->position - length, '*', length);
    scrub->found_count++;
    node->lengths[whole] = 0;
    node->high = whole - 1; /* below low where it was the only one */
}

/* Goes over one byte of what is held. False: more bytes are needed to know what it is. */
static bool step(struct scrub *scrub, bool at_end)
{
    const struct bytes text = bytes_from(buffer_bytes(&scrub->held), scrub->position);
    struct reading readings[SPELLING_READINGS];
    bool cut;
    const size_t count = spelling_read(text, readings, &cut);

    if (cut && !at_end)
        return false;
    if (scrub->memory == NULL)
        take_memory(scrub);
    follow(scrub, (struct reading){.length = 1, .byte = text.data[0]});
    for (size_t i = 0; i < count; i++)
        follow(scrub, readings[i]);
    node_clear(node_at(scrub, 0));
    scrub->ring = (scrub->ring + 1) & (SCRUB_NODES - 1);
    scrub->position++;
    scrub->ahead -= scrub->ahead > 0;
    settle(scrub);
    return true;
}

static bool is_idle(struct scrub *scrub)
{
    const struct scrub_node *const node = node_at(scrub, 0);

    return scrub->ahead == 0 && node->low > node->high;
}

/* Understands as much of what is held as can be. */
static void advance(struct scrub *scrub, bool at_end)
{
    while (true) {
        if (is_idle(scrub))
            scrub->position =
                next_candidate(scrub->token, buffer_bytes(&scrub->held), scrub->position);
        if (scrub->position == scrub->held.length || !step(scrub, at_end))
            return;
    }
}

/* Where the earliest partial match began: all before it may go out. */
static size_t settled_length(struct scrub *scrub)
{
    size_t earliest = scrub->position;

    for (size_t ahead = 0; ahead <= scrub->ahead; ahead++) {
        const struct scrub_node *const node = node_at(scrub, ahead);

        for (size_t count = node->low; count <= node->high; count++) {
            const size_t start = scrub->position + ahead - node->lengths[count];

            if (node->lengths[count] != 0 && start < earliest)
                earliest = start;
        }
    }
    return earliest;
}

/* Gives out the first bytes of what is held. */
static void release(struct scrub *scrub, size_t length, struct buffer *out)
{
    buffer_add(out, bytes_slice(buffer_bytes(&scrub->held), 0, length));
    buffer_consume(&scrub->held, length);
    scrub->position -= length;
}

void scrub_feed(struct scrub *scrub, struct bytes in, struct buffer *out)
{
    while (in.length > 0) {
        const struct bytes part = bytes_slice(in, 0, STEP_BYTES);
        size_t quiet = 0;

        if (scrub->held.length == 0 && is_idle(scrub)) {
            quiet = next_candidate(scrub->token, part, 0);
            buffer_add(out, bytes_slice(part, 0, quiet));
        }
        if (quiet < part.length) {
            buffer_add(&scrub->held, bytes_from(part, quiet));
            assert(!scrub->held.failed);
            advance(scrub, false);
            release(scrub, settled_length(scrub), out);
        }
        in = bytes_from(in, part.length);
    }
}

void scrub_end(struct scrub *scrub, struct buffer *out)
{
    advance(scrub, true);
    release(scrub, scrub->held.length, out);
}

struct bytes scrub_whole(struct arena *arena, struct bytes token, struct bytes text)
{
    struct scrub scrub;
    struct buffer out;
    struct bytes result = text;

    if (next_candidate(token, text, 0) == text.length)
        return text;
    scrub_begin(&scrub, token);
    buffer_init(&out, text.length);
    scrub_feed(&scrub, text, &out);
    scrub_end(&scrub, &out);
    assert(!out.failed && out.length == text.length);
    if (scrub.found_count > 0)
        result = arena_copy(arena, buffer_bytes(&out));
    buffer_finish(&out);
    scrub_finish(&scrub);
    return result;
}
