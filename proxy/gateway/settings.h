/*
 * What a configuration becomes in a running gate: clients indexed, tokens loaded, budgets,
 * accounts. One is made at start and one at each reload; exchanges hold on to the one they began
 * with. Immutable but for the atomics.
 */
#ifndef POSTERN_GATEWAY_SETTINGS_H
#define POSTERN_GATEWAY_SETTINGS_H

#include <stdatomic.h>

#include "access/clients.h"
#include "cache/cache.h"
#include "gateway/allotment.h"
#include "gateway/client_slots.h"
#include "upstream/fetch.h"

struct settings_upstream {
    struct upstream upstream;
    struct token *token;      /* as its source says it; NULL: none */
    const char *budget_owner; /* the first upstream of those that share the budget */
    /* NULL: not known yet: nothing is stored, and a write names every account. Set once, released
     * by who asked. */
    _Atomic(struct account *) account;
    bool shares_origin;   /* with another upstream: a write here may change what is read there */
    struct bytes *masked; /* names whose values the audit trail hides */
    size_t masked_count;
};

struct settings {
    atomic_uint references;
    uint64_t generation;                 /* counts reloads */
    struct configuration *configuration; /* one reference */
    struct clients *clients;
    struct client_config local;          /* who everybody is where no clients are configured */
    struct settings_upstream *upstreams; /* in the configuration's order */
    uint32_t *client_slots;              /* of counters, in the configuration's order */
    uint32_t local_slot;
    struct allotment *allotments; /* of clients, in the configuration's order, and of "local" */
};

/* What outlives all settings; borrowed. */
struct settings_stores {
    struct client_slots *slots;
    struct ledger *ledger;
    struct token *token;   /* of upstreams whose configuration names no source; NULL: none */
    bool keeps_unreadable; /* a token that can't be read stays as it was, and is no error */
};

/*
 * Makes settings of a configuration, of which it takes a reference. `before` (NULL at start) gives
 * its budgets, the credentials that have not changed and, where a token can be read only once, its
 * tokens to upstreams of the same name. Upstreams of one origin and one token share a budget: that
 * of the first. An error says which token failed.
 */
MUST_USE enum result settings_create(struct configuration *configuration,
                                     const struct settings *before,
                                     const struct settings_stores *stores,
                                     struct settings **settings, struct error *error);

/* Main, before any worker has them: gives each client its quota, with the limits that it has from
 * `now_us` on. */
void settings_allot(struct settings *settings, struct quotas *quotas, int64_t now_us);

struct settings *settings_acquire(struct settings *settings);
void settings_release(struct settings *settings); /* NULL is fine */

/* The account of an upstream, or NULL while it is not known. */
static inline struct account *settings_account(const struct settings_upstream *upstream)
{
    return atomic_load_explicit(&upstream->account, memory_order_acquire);
}

#endif
