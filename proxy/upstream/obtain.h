/*
 * Getting a token for another secret: a bearer for a long-lived token, or a token for a code of
 * OAuth. One HTTP call that blocks: for a thread of its own, or a command. No redirect is followed,
 * no proxy used, TLS always verified; what carried a secret is wiped.
 */
#ifndef POSTERN_UPSTREAM_OBTAIN_H
#define POSTERN_UPSTREAM_OBTAIN_H

#include <stdatomic.h>

#include "upstream/token.h"

struct obtain_options {
    const char *url;            /* without query */
    const char *parameter;      /* the secret's name */
    const struct token *secret; /* goes there, into the form or query */
    const char *query;          /* NULL: a POST of a form; else a GET with this before the secret */
    const char *ca_file;        /* NULL: the system's */
    int64_t lifetime_us;        /* of the token, where the answer does not say it */
    const atomic_bool *cancelled; /* NULL: it can't be; else it ends within a second of being set */
};

struct obtained {
    struct token *token; /* one reference, the caller's */
    int64_t lifetime_us; /* from now on; above 0 */
};

/* What an upstream's exchange says, for its long-lived token. Borrows both. */
struct obtain_options obtain_exchange(const struct upstream_config *config,
                                      const struct token *token);

/* After fetch_prepare. An error says what went wrong, and neither secret nor code. */
MUST_USE enum result obtain_token(const struct obtain_options *options, struct obtained *obtained,
                                  struct error *error);

/*
 * Reads the answer's body: the token as plain text, as a JSON string, or as "access_token" or
 * "token" of an object, whose "expires_in" (seconds) is its lifetime; of a JWT, exp less iat (or
 * less `wall_us`) is. RESULT_INVALID: it is none of these, or its time is over.
 */
MUST_USE enum result obtain_read(struct bytes body, int64_t wall_us, int64_t lifetime_us,
                                 struct obtained *obtained, struct error *error);

#endif
