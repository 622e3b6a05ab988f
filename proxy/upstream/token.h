/*
 * The token of an upstream: opaque, counted, immutable. It has no getter and no printer. It goes up
 * through token_inject, and what comes back is cleaned of it by token_scrub and token_clean_field.
 */
#ifndef POSTERN_UPSTREAM_TOKEN_H
#define POSTERN_UPSTREAM_TOKEN_H

#include "config/configuration.h"
#include "upstream/rewrite.h"
#include "upstream/scrub.h"

struct token;

/* A shorter one would be cut out of innocent bytes. */
enum { TOKEN_LEAST_BYTES = 4, TOKEN_HMAC_ROOM = 65 };

/*
 * Reads the token from where it is kept. A variable of the environment is wiped once it is read, so
 * that neither children nor /proc show it: it can be read once. Errors name the source, never the
 * value.
 */
MUST_USE enum result token_load(const struct token_source *source, struct token **token,
                                struct error *error);

/* A token from text: the sandbox's own. */
MUST_USE enum result token_create(struct bytes text, struct token **token, struct error *error);

/* Puts the token into a file, as secret_write_file does. */
MUST_USE enum result token_save(const struct token *token, const char *path, struct error *error);

struct token *token_acquire(struct token *token);
void token_release(struct token *token); /* NULL is fine */

/* A request on its way up: heap text, wiped and freed by injected_finish. */
struct injected {
    char *url;   /* whole, with the token where it goes into the query */
    char *field; /* "Name: value", or NULL where it goes into the query */
};

/* Puts the token into a request for `url` (absolute). A NULL token or an injection without place
 * changes nothing. */
void token_inject(const struct token *token, const struct injection *injection, struct bytes url,
                  struct injected *injected);
void injected_finish(struct injected *injected);

/* Begins to cut the token out of a body; it must outlive the scrub. A NULL token: nothing is cut.
 */
void token_scrub(const struct token *token, struct scrub *scrub);

/* A field's value as clients may see it (rewrite_field), without the token. */
struct bytes token_clean_field(const struct token *token, struct arena *arena,
                               const struct rewrite *rewrite, struct bytes name,
                               struct bytes value);

/* HMAC-SHA-256 of the token under `key`, as hexadecimal text: a name for the account of a token. */
void token_hmac(const struct token *token, struct bytes key, char text[TOKEN_HMAC_ROOM]);

bool token_equal(const struct token *a, const struct token *b);

#endif
