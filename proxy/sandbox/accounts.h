/*
 * Who may call the simulated API: accounts with data of their own, apps, the tokens that link an
 * app to an account, codes that become tokens (OAuth), and bearers that tokens are exchanged for
 * (v4). Begins with one account and one token, which belongs to no app. Owned by the sandbox's
 * thread.
 */
#ifndef POSTERN_SANDBOX_ACCOUNTS_H
#define POSTERN_SANDBOX_ACCOUNTS_H

#include "base/buffer.h"
#include "sandbox/model.h"

enum {
    ACCOUNTS_LIMIT = 32,
    APPS_LIMIT = 32,
    API_TOKENS_LIMIT = 256, /* revoked ones count */
    CODES_LIMIT = 64,       /* the oldest goes */
    SECRET_HEX_ROOM = 33,   /* 16 random bytes */
    BEARER_LIMIT_BYTES = 4096,
};

/* Registered with the API: whom OAuth gives tokens to. */
struct app {
    char *name, *redirect_uri;
    char client_id[SECRET_HEX_ROOM], client_secret[SECRET_HEX_ROOM];
};

struct api_token {
    struct secret *text;
    struct model *account;
    const struct app *app; /* NULL: none */
    bool is_revoked;
};

struct accounts {
    struct model *list[ACCOUNTS_LIMIT]; /* the first is there from the beginning */
    size_t count;
    struct app apps[APPS_LIMIT];
    size_t app_count;
    struct api_token tokens[API_TOKENS_LIMIT];
    size_t token_count;
    struct code {
        char text[SECRET_HEX_ROOM]; /* empty: used up, or never used */
        const struct app *app;
        struct model *account;
        int64_t until_us; /* monotonic */
    } codes[CODES_LIMIT];
    size_t next_code;
    int64_t bearer_lifetime_us;   /* set by the sandbox's knobs */
    unsigned char bearer_key[32]; /* that bearers are signed with */
    uint64_t bearer_count;        /* each has its number … */
    uint64_t bearers_since;       /* … and those below this one are revoked */
};

/* Empties it: one account (its data not yet seeded) with that token. The key of bearers stays where
 * there is one. RESULT_SYSTEM, RESULT_LIMIT: the token can't be locked. */
MUST_USE enum result accounts_reset(struct accounts *accounts, struct bytes token);
void accounts_finish(struct accounts *accounts);

/* One more, not yet seeded. NULL: there are enough. */
struct model *accounts_add(struct accounts *accounts, struct bytes name);
struct model *accounts_find(const struct accounts *accounts, struct bytes id);

/* Registers an app; makes its id and secret. NULL: there are enough. */
const struct app *accounts_add_app(struct accounts *accounts, struct bytes name,
                                   struct bytes redirect_uri);
const struct app *accounts_find_app(const struct accounts *accounts, struct bytes client_id);

/* A new token of an account, by an app or none. NULL: there are enough. */
const struct api_token *accounts_link(struct accounts *accounts, struct model *account,
                                      const struct app *app);

/* The token of that text that is not revoked, or NULL. */
struct api_token *accounts_token(struct accounts *accounts, struct bytes text);

/* A code that accounts_redeem makes a token of, once, until then. Valid until the next is made. */
const char *accounts_new_code(struct accounts *accounts, const struct app *app,
                              struct model *account, int64_t until_us);

/* NULL: no such code (any more), or of another app. */
const struct api_token *accounts_redeem(struct accounts *accounts, const struct app *app,
                                        struct bytes code, int64_t now_us);

/* Appends a JWT for the token: valid for bearer_lifetime_us, cut to a whole second. */
void accounts_write_bearer(struct accounts *accounts, const struct api_token *token,
                           int64_t wall_us, struct buffer *buffer);

/* None of the bearers that there are is valid any more. */
void accounts_revoke_bearers(struct accounts *accounts);

/* Whose bearer that is, or NULL: signed by another key, expired, revoked, or of a token that is. */
struct model *accounts_of_bearer(struct accounts *accounts, struct bytes bearer, int64_t wall_us);

#endif
