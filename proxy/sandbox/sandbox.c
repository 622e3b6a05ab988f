/* Puts the parts together: data, knobs, two listeners. What calls do is serve.c's and control.c's.
 */
#include "sandbox/sandbox.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "sandbox/sandbox_state.h"
#include "sandbox/seed.h"

static const struct connection_limits sandbox_limits = {
    .head_timeout_us = 30 * CLOCK_SECOND_US,
    .idle_timeout_us = 300 * CLOCK_SECOND_US,
    .body_timeout_us = 60 * CLOCK_SECOND_US,
    .connections = 20000,
    .output_bytes = 64 * 1024 * 1024, /* lists of 1000 and the log; files come piecewise */
};

void sandbox_use_knobs(struct sandbox *sandbox)
{
    sandbox->accounts.bearer_lifetime_us = sandbox->knobs.numbers.bearer_lifetime_us;
    for (size_t i = 0; i < sandbox->accounts.count; i++)
        sandbox->accounts.list[i]->view_lag_us = sandbox->knobs.numbers.view_lag_us;
}

void sandbox_seed(struct sandbox *sandbox, struct model *account)
{
    sandbox_use_knobs(sandbox);
    model_set_time(account, clock_now_us(), clock_wall_us());
    seed_fill(account, (size_t)sandbox->knobs.numbers.profiles);
}

enum result sandbox_reset(struct sandbox *sandbox)
{
    const enum result result = accounts_reset(&sandbox->accounts, secret_bytes(sandbox->token));

    if (result == RESULT_OK)
        sandbox_seed(sandbox, sandbox->accounts.list[0]);
    return result;
}

/* The same noise in every sandbox: a generator of its own, not the model's, which moves on. */
static char *noise_create(void)
{
    char *noise = memory_take(1, SANDBOX_NOISE_BYTES);
    struct model generator = {.random = 1};

    for (size_t i = 0; i < SANDBOX_NOISE_BYTES; i++)
        noise[i] = (char)model_random(&generator);
    return noise;
}

/* Listens on one address with one handler. */
static enum result sandbox_listen(struct sandbox *sandbox, const char *address,
                                  struct listener *listener, struct connections **connections,
                                  struct error *error)
{
    const struct connection_handler *handler =
        listener == &sandbox->listener ? &sandbox_api_handler : &sandbox_control_handler;
    enum result result = listener_open(listener, address, false, error);

    if (result != RESULT_OK)
        return result;
    *connections = connections_create(sandbox->base, handler, sandbox, &sandbox_limits);
    result = connections_listen(*connections, listener->fd);
    if (result != RESULT_OK)
        return error_set(error, result, "cannot serve on %s", address);
    return RESULT_OK;
}

enum result sandbox_open(const struct sandbox_options *options, struct event_base *base,
                         struct sandbox **sandbox, struct error *error)
{
    struct sandbox *opened = memory_take(1, sizeof(*opened));

    opened->base = base;
    opened->knobs.numbers = options->knobs;
    opened->listener.fd = opened->control_listener.fd = -1;
    opened->noise = noise_create();
    enum result result = secret_create(options->token, &opened->token);
    if (result == RESULT_OK)
        result = sandbox_reset(opened);
    if (result != RESULT_OK)
        (void)error_set(error, result, "the sandbox's token is too long or cannot be locked");
    else
        result = sandbox_listen(opened, options->listen, &opened->listener, &opened->api, error);
    if (result == RESULT_OK && options->control != NULL)
        result = sandbox_listen(opened, options->control, &opened->control_listener,
                                &opened->control, error);
    if (result != RESULT_OK) {
        sandbox_close(opened);
        return result;
    }
    *sandbox = opened;
    return RESULT_OK;
}

void sandbox_close(struct sandbox *sandbox)
{
    if (sandbox == NULL)
        return;
    connections_destroy(sandbox->api);
    connections_destroy(sandbox->control);
    listener_close(&sandbox->listener);
    listener_close(&sandbox->control_listener);
    secret_destroy(sandbox->token);
    calls_finish(&sandbox->calls);
    knobs_finish(&sandbox->knobs);
    accounts_finish(&sandbox->accounts);
    free(sandbox->noise);
    free(sandbox);
}

const char *sandbox_address(const struct sandbox *sandbox)
{
    return sandbox->listener.address;
}

const char *sandbox_control_address(const struct sandbox *sandbox)
{
    return sandbox->control_listener.address;
}
