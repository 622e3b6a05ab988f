/* From configuration to settings. */
#include "gateway/settings.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"

static const struct settings_upstream *upstream_before(const struct settings *before,
                                                       const char *name)
{
    if (before == NULL)
        return NULL;
    for (size_t i = 0; i < before->configuration->upstream_count; i++)
        if (strcmp(before->configuration->upstreams[i].name, name) == 0)
            return &before->upstreams[i];
    return NULL;
}

static void upstream_note_masked(struct settings_upstream *upstream,
                                 const struct configuration *configuration)
{
    const struct preset *preset = upstream->upstream.config->preset;
    const size_t of_preset = preset == NULL ? 0 : preset->secret_parameter_count;

    upstream->masked =
        memory_take(of_preset + configuration->audit_mask_count, sizeof(struct bytes));
    for (size_t i = 0; i < of_preset; i++)
        upstream->masked[upstream->masked_count++] = preset->secret_parameters[i];
    for (size_t i = 0; i < configuration->audit_mask_count; i++)
        upstream->masked[upstream->masked_count++] = configuration->audit_mask[i];
}

static enum result upstream_load_token(struct settings_upstream *upstream,
                                       const struct settings_upstream *before,
                                       const struct settings_stores *stores, struct error *error)
{
    const struct upstream_config *config = upstream->upstream.config;

    if (!config->has_token) {
        upstream->token = token_acquire(stores->token);
        return RESULT_OK;
    }
    if (config->token.env != NULL && before != NULL && before->token != NULL) {
        upstream->token = token_acquire(before->token); /* its variable was wiped when read */
        return RESULT_OK;
    }
    const enum result result = token_load(&config->token, &upstream->token, error);
    if (result == RESULT_OK || !stores->keeps_unreadable || before == NULL || before->token == NULL)
        return result;
    upstream->token = token_acquire(before->token);
    return RESULT_OK;
}

/* Whether what goes up is made of the same token in the same way. */
static bool upstream_is_same_source(const struct settings_upstream *a,
                                    const struct settings_upstream *b)
{
    const struct exchange_config *one = a->upstream.config->exchange;
    const struct exchange_config *other = b->upstream.config->exchange;

    if (!token_equal(a->token, b->token) || (one == NULL) != (other == NULL) ||
        (a->upstream.config->token.env == NULL) != (b->upstream.config->token.env == NULL))
        return false; /* what comes from the environment can't be renewed */
    return one == NULL ||
           (strcmp(one->url, other->url) == 0 && strcmp(one->parameter, other->parameter) == 0);
}

/* The first of those before it that lead to the same place with the same token. */
static const struct settings_upstream *upstream_sharing(const struct settings *settings,
                                                        const struct settings_upstream *upstream)
{
    const struct upstream_config *config = upstream->upstream.config;

    for (const struct settings_upstream *other = settings->upstreams; other < upstream; other++)
        if (bytes_equal_nocase(other->upstream.config->authority, config->authority) &&
            upstream->token != NULL && token_equal(other->token, upstream->token))
            return other;
    return NULL;
}

static enum result upstream_make_budget(struct settings_upstream *upstream,
                                        const struct settings *settings,
                                        const struct settings_upstream *before,
                                        struct ledger *ledger)
{
    const struct upstream_config *config = upstream->upstream.config;
    const struct settings_upstream *sharing = upstream_sharing(settings, upstream);
    const struct budget_options options = {.limits = &config->limits,
                                           .pause_max_us = config->pause_max_us,
                                           .has_breaker = config->breaker,
                                           .ledger = ledger,
                                           .name = bytes_of_string(config->name)};

    upstream->budget_owner = sharing != NULL ? sharing->budget_owner : config->name;
    if (sharing != NULL) {
        upstream->upstream.budget = budget_acquire(sharing->upstream.budget);
        return RESULT_OK;
    }
    if (before == NULL || strcmp(before->budget_owner, config->name) != 0)
        return budget_create(&options, &upstream->upstream.budget);
    upstream->upstream.budget = budget_acquire(before->upstream.budget);
    return budget_set(upstream->upstream.budget, &options);
}

static enum result upstream_make(struct settings_upstream *upstream,
                                 const struct settings *settings, const struct settings *before,
                                 const struct settings_stores *stores, struct error *error)
{
    const struct upstream_config *config = upstream->upstream.config;
    const struct settings_upstream *old = upstream_before(before, config->name);
    enum result result = upstream_load_token(upstream, old, stores, error);

    if (result != RESULT_OK)
        return result;
    upstream_note_masked(upstream, settings->configuration);
    result = upstream_make_budget(upstream, settings, old, stores->ledger);
    if (result != RESULT_OK)
        return error_set(error, result, "upstream %s: %s", config->name,
                         result == RESULT_MISSING ? "there is no such time zone"
                                                  : "its thread cannot be started");
    if (old != NULL && upstream_is_same_source(upstream, old))
        upstream->upstream.credential = credential_acquire(old->upstream.credential);
    else
        upstream->upstream.credential =
            credential_create(config->exchange == NULL ? upstream->token : NULL);
    if (old != NULL && token_equal(upstream->token, old->token) &&
        strcmp(config->url, old->upstream.config->url) == 0)
        atomic_store(&upstream->account,
                     settings_account(old)); /* the same token: the same account */
    return RESULT_OK;
}

/* Upstreams of one scheme and authority may be one account, whatever their tokens and paths. */
static void settings_compare_origins(struct settings *settings)
{
    const struct upstream_config *configs = settings->configuration->upstreams;

    for (size_t i = 0; i < settings->configuration->upstream_count; i++)
        for (size_t k = 0; k < settings->configuration->upstream_count; k++)
            if (i != k && bytes_equal_nocase(configs[i].authority, configs[k].authority))
                settings->upstreams[i].shares_origin = true;
}

static void settings_free(struct settings *settings)
{
    for (size_t i = 0; i < settings->configuration->upstream_count; i++) {
        token_release(settings->upstreams[i].token);
        credential_release(settings->upstreams[i].upstream.credential);
        budget_release(settings->upstreams[i].upstream.budget);
        free(settings->upstreams[i].masked);
    }
    clients_destroy(settings->clients);
    configuration_release(settings->configuration);
    free(settings->upstreams);
    free(settings->client_slots);
    free(settings->allotments);
    free(settings);
}

enum result settings_create(struct configuration *configuration, const struct settings *before,
                            const struct settings_stores *stores, struct settings **created,
                            struct error *error)
{
    struct settings *settings = memory_take(1, sizeof(*settings));
    enum result result = RESULT_OK;

    atomic_init(&settings->references, 1);
    settings->configuration = configuration_acquire(configuration);
    settings->upstreams =
        memory_take(configuration->upstream_count, sizeof(settings->upstreams[0]));
    settings->client_slots =
        memory_take(configuration->client_count, sizeof(settings->client_slots[0]));
    settings->local = (struct client_config){.name = "local", .weight = 1};
    settings->local_slot = client_slots_find(stores->slots, "local");
    for (size_t i = 0; i < configuration->client_count; i++)
        settings->client_slots[i] =
            client_slots_find(stores->slots, configuration->clients[i].name);
    for (size_t i = 0; i < configuration->upstream_count; i++)
        settings->upstreams[i].upstream.config = &configuration->upstreams[i];
    for (size_t i = 0; i < configuration->upstream_count && result == RESULT_OK; i++)
        result = upstream_make(&settings->upstreams[i], settings, before, stores, error);
    settings->generation = before == NULL ? 0 : before->generation + 1;
    settings_compare_origins(settings);
    if (result == RESULT_OK && clients_create(configuration, &settings->clients) != RESULT_OK)
        result =
            error_set(error, RESULT_SYSTEM, "OpenSSL has no SHA-256: clients can't be identified");
    if (result != RESULT_OK) {
        settings_free(settings);
        return result;
    }
    *created = settings;
    return RESULT_OK;
}

void settings_allot(struct settings *settings, struct quotas *quotas, int64_t now_us)
{
    const struct configuration *configuration = settings->configuration;
    const size_t count = configuration->client_count;

    assert(settings->allotments == NULL);
    settings->allotments = memory_take(count + 1, sizeof(settings->allotments[0]));
    for (size_t i = 0; i < count; i++)
        allotment_make(&settings->allotments[i], quotas, &configuration->clients[i], now_us);
    allotment_make(&settings->allotments[count], quotas, &settings->local, now_us);
}

struct settings *settings_acquire(struct settings *settings)
{
    (void)atomic_fetch_add_explicit(&settings->references, 1,
                                    memory_order_relaxed); /* who calls has one */
    return settings;
}

void settings_release(struct settings *settings)
{
    if (settings == NULL ||
        atomic_fetch_sub_explicit(&settings->references, 1, memory_order_acq_rel) != 1)
        return;
    settings_free(settings);
}
