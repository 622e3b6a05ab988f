/* What sandbox.c, serve.c and control.c share. Private to sandbox/. */
#ifndef POSTERN_SANDBOX_SANDBOX_STATE_H
#define POSTERN_SANDBOX_SANDBOX_STATE_H

#include "base/secret.h"
#include "http/connection.h"
#include "http/listener.h"
#include "sandbox/accounts.h"
#include "sandbox/calls.h"
#include "sandbox/knobs.h"

enum {
    SANDBOX_BODY_LIMIT_BYTES = 1024 * 1024,
    SANDBOX_NOISE_BYTES = 1000003, /* prime, so that no piece size hides a shift of pieces */
};

struct sandbox {
    struct event_base *base;
    struct accounts accounts;
    struct knobs knobs;
    struct calls calls;
    struct secret *token; /* of the first account, from the beginning */
    char *noise;          /* SANDBOX_NOISE_BYTES of which every file's content is made */
    struct connections *api, *control;
    struct listener listener, control_listener; /* fd -1: not open */
    int64_t limit_second; /* the second that `limit_count` counts, monotonic */
    uint32_t limit_count;
};

/* One account with the seed's data and the first token again (sandbox.c). Fails as accounts_reset.
 */
MUST_USE enum result sandbox_reset(struct sandbox *sandbox);

/* Fills a new account with the seed's data (sandbox.c). */
void sandbox_seed(struct sandbox *sandbox, struct model *account);

/* Makes it so for all accounts after knobs were turned (sandbox.c). */
void sandbox_use_knobs(struct sandbox *sandbox);

/* The handlers of the two ports; their server is the sandbox (serve.c, control.c). */
extern const struct connection_handler sandbox_api_handler;
extern const struct connection_handler sandbox_control_handler;

#endif
