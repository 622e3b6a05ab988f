/* A token behind a lock, and a list of letters to those who wait for another. */
#include "upstream/credential.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"

struct credential {
    atomic_uint references;
    struct credential_hooks hooks; /* set once, before other threads know the credential */
    pthread_mutex_t lock;          /* guards all below */
    struct token *token;
    struct token *replacement;     /* NULL: none */
    struct credential_wish *first; /* in no order: all get their letters at once */
    bool is_wanted;                /* main was told, and has not said yet how it went */
};

struct credential *credential_create(struct token *token)
{
    struct credential *credential = memory_take(1, sizeof(*credential));

    atomic_init(&credential->references, 1);
    (void)pthread_mutex_init(&credential->lock,
                             NULL); /* default attributes: cannot fail on Linux */
    credential->token = token_acquire(token);
    return credential;
}

struct credential *credential_acquire(struct credential *credential)
{
    if (credential != NULL)
        (void)atomic_fetch_add_explicit(&credential->references, 1,
                                        memory_order_relaxed); /* who calls has one */
    return credential;
}

void credential_release(struct credential *credential)
{
    if (credential == NULL ||
        atomic_fetch_sub_explicit(&credential->references, 1, memory_order_acq_rel) != 1)
        return;
    assert(credential->first == NULL); /* who waits holds a reference */
    token_release(credential->token);
    token_release(credential->replacement);
    (void)pthread_mutex_destroy(&credential->lock);
    free(credential);
}

void credential_set_hooks(struct credential *credential, const struct credential_hooks *hooks)
{
    credential->hooks = *hooks;
}

struct token *credential_token(struct credential *credential)
{
    (void)pthread_mutex_lock(&credential->lock);
    struct token *token = token_acquire(credential->token);
    (void)pthread_mutex_unlock(&credential->lock);
    return token;
}

/* The lock is held. */
static struct token *credential_newest(const struct credential *credential)
{
    return credential->replacement != NULL ? credential->replacement : credential->token;
}

struct token *credential_replacement(struct credential *credential)
{
    (void)pthread_mutex_lock(&credential->lock);
    struct token *token = token_acquire(credential_newest(credential));
    (void)pthread_mutex_unlock(&credential->lock);
    return token;
}

static void credential_link(struct credential *credential, struct credential_wish *wish)
{
    wish->previous = NULL;
    wish->next = credential->first;
    if (wish->next != NULL)
        wish->next->previous = wish;
    credential->first = wish;
    wish->waits = true;
}

static void credential_unlink(struct credential *credential, struct credential_wish *wish)
{
    if (wish->previous != NULL)
        wish->previous->next = wish->next;
    else
        credential->first = wish->next;
    if (wish->next != NULL)
        wish->next->previous = wish->previous;
    wish->waits = false;
}

enum result credential_renew(struct credential *credential, const struct token *used,
                             struct credential_wish *wish)
{
    bool is_first = false;

    (void)pthread_mutex_lock(&credential->lock);
    const struct token *newest = credential_newest(credential);
    const bool is_there = newest != NULL && !token_equal(newest, used);
    const bool waits = !is_there && credential->hooks.wanted != NULL;
    if (waits) {
        credential_link(credential, wish);
        is_first = !credential->is_wanted;
        credential->is_wanted = true;
    }
    (void)pthread_mutex_unlock(&credential->lock);
    if (is_first)
        credential->hooks.wanted(credential->hooks.context, credential);
    if (waits)
        return RESULT_BUSY;
    return is_there ? RESULT_OK : RESULT_MISSING;
}

bool credential_leave(struct credential *credential, struct credential_wish *wish)
{
    (void)pthread_mutex_lock(&credential->lock);
    const bool waited = wish->waits;
    if (waited)
        credential_unlink(credential, wish);
    (void)pthread_mutex_unlock(&credential->lock);
    return waited;
}

bool credential_is_wanted(struct credential *credential)
{
    (void)pthread_mutex_lock(&credential->lock);
    const bool is_wanted = credential->is_wanted;
    (void)pthread_mutex_unlock(&credential->lock);
    return is_wanted;
}

/* Puts `token` into one of the credential's places, unless it is NULL, and tells all who wait. */
static void credential_settle(struct credential *credential, struct token **place,
                              struct token *token)
{
    (void)pthread_mutex_lock(&credential->lock);
    struct token *old = token == NULL ? NULL : *place;
    if (token != NULL)
        *place = token_acquire(token);
    credential->is_wanted = false;
    while (credential->first != NULL) {
        struct credential_wish *wish = credential->first;

        credential_unlink(credential, wish);
        mailbox_post(wish->mailbox, &wish->letter);
    }
    (void)pthread_mutex_unlock(&credential->lock);
    token_release(old);
}

void credential_renewed(struct credential *credential, struct token *token)
{
    credential_settle(credential, &credential->token, token);
}

void credential_replaced(struct credential *credential, struct token *token)
{
    credential_settle(credential, &credential->replacement, token);
}
