/*
 * The optimal string alignment distance on three rows of fixed length: words longer than
 * SUGGEST_LIMIT get no suggestion, which also bounds the time that a hostile file can cost.
 */
#include "config/suggest.h"

#include <assert.h>

enum { SUGGEST_LIMIT = 40 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool same(char a, char b)
{
    return bytes_lower(a) == bytes_lower(b);
}

static size_t distance(struct bytes a, struct bytes b)
{
    size_t rows[3][SUGGEST_LIMIT + 1];

    assert(a.length <= SUGGEST_LIMIT && b.length <= SUGGEST_LIMIT);
    for (size_t j = 0; j <= b.length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            const size_t change = same(a.data[i - 1], b.data[j - 1]) ? 0 : 1;

            now[j] = smaller(smaller(last[j] + 1, now[j - 1] + 1), last[j - 1] + change);
            if (i > 1 && j > 1 && same(a.data[i - 1], b.data[j - 2]) &&
                same(a.data[i - 2], b.data[j - 1]))
                now[j] = smaller(now[j], before[j - 2] + 1);
        }
    }
    return rows[a.length % 3][b.length];
}

const char *suggest_word(struct bytes word, const char *const *words, size_t count, size_t stride)
{
    const char *best = NULL;
    size_t best_distance = word.length / 3 + 2; /* must be beaten */

    if (word.length > SUGGEST_LIMIT)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *candidate = *words;
        const struct bytes text = bytes_of_string(candidate);
        const size_t far = text.length <= SUGGEST_LIMIT ? distance(word, text) : SIZE_MAX;

        if (far < best_distance && far < word.length) {
            best = candidate;
            best_distance = far;
        }
        words = (const char *const *)(const void *)((const char *)words + stride);
    }
    return best;
}
