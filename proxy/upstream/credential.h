/*
 * The token of an upstream as it is now: one that may be renewed while calls are under way. Whoever
 * sends a call takes the present one; whoever is told by the upstream that it is none any more asks
 * for another, and however many ask, it is renewed once. How it is renewed, main decides (gateway/
 * renewal.h): it reads the source again, or exchanges the long-lived token for another.
 *
 * Counted; any thread, under its own lock.
 */
#ifndef POSTERN_UPSTREAM_CREDENTIAL_H
#define POSTERN_UPSTREAM_CREDENTIAL_H

#include "base/mailbox.h"
#include "upstream/token.h"

struct credential;

/* Who waits for another token: a member of the caller's struct, the credential's until its letter
 * comes or credential_leave says true. */
struct credential_wish {
    struct letter letter; /* first: delivered when it has been tried */
    struct credential_wish *next, *previous;
    struct mailbox *mailbox;
    bool waits; /* guarded by the credential's lock */
};

/* Called, on the thread that asks and without the lock, when somebody wants a token other than the
 * present one and nobody is getting it: it is to post a letter, no more. */
struct credential_hooks {
    void (*wanted)(void *context, struct credential *credential);
    void *context;
};

/* Takes a reference of the token, besides the caller's; NULL: there is none (yet). */
struct credential *credential_create(struct token *token);
struct credential *credential_acquire(struct credential *credential); /* NULL is fine */
void credential_release(struct credential *credential);               /* NULL is fine */

/* Before any other thread knows it. Without hooks nothing can be renewed. `hooks` is copied; its
 * context must outlive the credential. */
void credential_set_hooks(struct credential *credential, const struct credential_hooks *hooks);

/* One reference of the present token; NULL: there is none. */
struct token *credential_token(struct credential *credential);

/*
 * Asks for a replacement that is not `used` (NULL: for any). RESULT_OK: there is one already.
 * RESULT_BUSY: the wish's letter will come. RESULT_MISSING: it can't be renewed.
 */
MUST_USE enum result credential_renew(struct credential *credential, const struct token *used,
                                      struct credential_wish *wish);

/* Gives a wish up. False: the letter is on its way. */
MUST_USE bool credential_leave(struct credential *credential, struct credential_wish *wish);

/* Whether another token is still asked for: it may have come while the hook's letter was on its
 * way.
 */
bool credential_is_wanted(struct credential *credential);

/* Main's: it has been tried. `token` NULL: without success, the old one stays; else a reference is
 * taken of it. All who wait get their letter. */
void credential_renewed(struct credential *credential, struct token *token);

/*
 * Main's: the source has another token now, which may be another account's. Calls go on to be sent
 * with the present one, for what they invalidate is the present account's; only what is safe may be
 * repeated with the other. Takes a reference. All who wait get their letter.
 */
void credential_replaced(struct credential *credential, struct token *token);

/* What something safe that was refused may be repeated with: the other token, where there is one,
 * else the present one. One reference; NULL: there is none. */
struct token *credential_replacement(struct credential *credential);

#endif
