/* What a person may have meant by a word that is not known. */
#ifndef POSTERN_CONFIG_SUGGEST_H
#define POSTERN_CONFIG_SUGGEST_H

#include "base/bytes.h"

/*
 * The nearest of `count` words by edit distance (insertions, deletions, substitutions and swaps of
 * neighbours, ASCII case counting for nothing), or NULL where none is near: more than a third of
 * the word would have to change. `stride` is the distance in bytes between two pointers to words,
 * so that they can be members of a table.
 */
const char *suggest_word(struct bytes word, const char *const *words, size_t count, size_t stride);

#endif
