/*
 * Cache keys (RFC 9111 §2, §4.1): account, upstream, normalised URL, and the request fields that
 * select a variant. Without Vary those are Accept and Accept-Language; with it, the ones it names,
 * as sent upstream.
 */
#ifndef POSTERN_CACHE_KEY_H
#define POSTERN_CACHE_KEY_H

#include "base/arena.h"
#include "base/hash.h"
#include "http/message.h"

struct cache_key {
    struct bytes text; /* whole: a hash that collides is noticed */
    struct hash128 hash;
};

/* What all variants of a URL share. */
struct cache_key key_of_url(struct arena *arena, struct bytes account, struct bytes upstream,
                            struct bytes url);

/*
 * The key of the variant that these request fields select. `vary` is the list of a Vary field, or
 * empty for answers without one. Must not hold "*".
 */
struct cache_key key_of_variant(struct arena *arena, const struct cache_key *url, struct bytes vary,
                                const struct fields *sent);

/* The account in a key's text, which it borrows; empty where the text is no key's. */
struct bytes key_account(struct bytes text);

#endif
