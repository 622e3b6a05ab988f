/*
 * Opening in an order that fails early and touches nothing before it must; closing in the opposite
 * one. A stop that can't end in time ends like kill -9 would: intents and rings carry over, and no
 * promise is lost.
 */
#include "gateway/server.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ledger.h"
#include "base/memory.h"
#include "config/read.h"
#include "gateway/data_dir.h"
#include "http/listener.h"

enum {
    SERVER_WORKERS_LIMIT = 128,
    SERVER_SCHEME_ROOM = 40,
    SERVER_TAGS_VERSION = 1, /* changes with cache/tags.h */
    SERVER_DRAIN_S = 30,
    SERVER_POLL_US = 20 * 1000,
    SERVER_IDENTITY_WAIT_US = 3 * 1000 * 1000,
};

struct server {
    struct event_base *base;
    struct mailbox *mailbox;
    struct event *on_term, *on_int, *on_hup, *poll, *note;
    struct configuration *configuration;
    struct token *token;
    struct settings *settings;
    struct identities *identities;
    struct renewal *renewal;
    struct gate gate;
    struct data_dir data_dir;
    struct listener *listeners; /* TCP: one for each worker and address; Unix: one for all */
    size_t listener_count, listener_capacity;
    struct worker *workers[SERVER_WORKERS_LIMIT];
    size_t worker_count;
    char scheme_text[SERVER_SCHEME_ROOM];
    struct bytes scheme; /* of the tags of what is stored */
    struct cache_job scheme_job;
    struct configuration *next_configuration; /* on their way; NULL: none */
    struct settings *next_settings;
    bool read_again, tokens_again; /* another HUP, another token came meanwhile */
    enum result noted; /* what came of noting quotas the last time: an error is said once */
    bool running, draining;
    int64_t drain_until_us, started_wall_us;
};

/* --- opening --- */

/* Nothing of this process may show in a core file; descriptors are asked for as many as there may
 * be. */
static void process_prepare(void)
{
    const struct rlimit no_core = {0};
    struct rlimit files;

    (void)prctl(PR_SET_DUMPABLE, 0); /* a kernel that refuses it still has the rlimit */
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)signal(SIGPIPE, SIG_IGN); /* writes say EPIPE instead */
    (void)signal(SIGXFSZ, SIG_IGN); /* and EFBIG */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* what can't be had is waited for at accept */
    }
}

static struct listener *server_new_listener(struct server *server)
{
    if (server->listener_count == server->listener_capacity) {
        server->listener_capacity =
            server->listener_capacity == 0 ? 16 : server->listener_capacity * 2;
        server->listeners = memory_resize(server->listeners,
                                          server->listener_capacity * sizeof(server->listeners[0]));
    }
    return &server->listeners[server->listener_count];
}

/* The first TCP socket is bound alone, so that a port in use is noticed; it gives way to one for
 * each worker. */
static enum result server_listen_on(struct server *server, const char *address, struct error *error)
{
    struct listener alone;
    const size_t first = server->listener_count;
    enum result result = listener_open(&alone, address, false, error);

    if (result != RESULT_OK)
        return result;
    if (alone.path[0] != '\0') {
        *server_new_listener(server) = alone;
        server->listener_count++;
        return RESULT_OK;
    }
    listener_close(&alone);
    for (uint32_t i = 0; i < server->configuration->workers && result == RESULT_OK; i++) {
        result =
            listener_open(server_new_listener(server),
                          i == 0 ? alone.address : server->listeners[first].address, true, error);
        server->listener_count += result == RESULT_OK;
    }
    return result;
}

static enum result server_listen(struct server *server, struct error *error)
{
    enum result result = RESULT_OK;

    for (size_t i = 0; i < server->configuration->listen_count && result == RESULT_OK; i++)
        result = server_listen_on(server, server->configuration->listen[i], error);
    return result;
}

/*
 * How tags are made of what the upstreams answer: by the gate's version of that and by the presets.
 * In `text`, of SERVER_SCHEME_ROOM.
 */
static struct bytes scheme_of(const struct configuration *configuration, char *text)
{
    struct hash128 sum = {.low = SERVER_TAGS_VERSION};

    for (size_t i = 0; i < configuration->upstream_count; i++) {
        const struct upstream_config *upstream = &configuration->upstreams[i];
        const struct hash128 parts[] = {sum, hash_of(bytes_of_string(upstream->name)),
                                        upstream->preset == NULL ? (struct hash128){0}
                                                                 : upstream->preset->fingerprint};

        sum = hash_of(bytes_of(parts, sizeof(parts)));
    }
    bytes_to_hex(bytes_of(&sum, sizeof(sum)), text);
    return bytes_of_string(text);
}

static enum result server_open_stores(struct server *server, struct error *error)
{
    const struct configuration *configuration = server->configuration;
    const struct cache_options cache = {.directory = configuration->data_dir,
                                        .max_bytes = configuration->cache_max_bytes,
                                        .discard = server->data_dir.was_dirty,
                                        .scheme = server->scheme};
    const struct audit_options audit = {.directory = configuration->data_dir,
                                        .workers = configuration->workers,
                                        .rotate_bytes = configuration->audit_rotate_bytes,
                                        .keep_us = configuration->audit_keep_us};

    error->text[0] = '\0';
    enum result result =
        cache_open(&cache, &server->gate.cache, error); /* forks: before any thread */
    if (result == RESULT_OK && error->text[0] != '\0')
        log_warn("%s", error->text);
    if (result == RESULT_OK && server->data_dir.was_dirty)
        log_warn(
            "data_dir %s was left by another boot without a clean stop: the cache starts empty",
            configuration->data_dir);
    if (result == RESULT_OK && server->data_dir.was_dirty)
        result = data_dir_cleaned(&server->data_dir, error);
    if (result == RESULT_OK)
        result = ledger_open(configuration->data_dir, &server->gate.ledger, error);
    if (result == RESULT_OK && configuration->audit)
        result = audit_open(&audit, &server->gate.audit, error);
    return result;
}

/* Whose midnight ends a day of the clients: that of the first upstream's budget. */
static struct day_zone *clients_zone(const struct configuration *configuration)
{
    struct day_zone *zone = NULL;

    if (day_zone_open(configuration->upstreams[0].limits.time_zone, &zone) != RESULT_OK &&
        day_zone_open("UTC", &zone) != RESULT_OK) /* needs no database */
        memory_exhausted();
    return zone;
}

static void server_note_quotas(struct server *server)
{
    const enum result result = quotas_note(server->gate.quotas, clock_wall_us());

    if (result != server->noted && result != RESULT_OK)
        log_error("what clients used of their quotas can't be noted: %s: make room on data_dir",
                  result_text(result));
    server->noted = result;
}

/* libevent, each second. */
static void server_on_note(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    server_note_quotas(context);
}

static enum result server_new_settings(struct server *server, struct configuration *configuration,
                                       struct settings **settings, struct error *error)
{
    const struct settings_stores stores = {
        .slots = server->gate.slots,
        .ledger = server->gate.ledger,
        .token = server->token,
        .keeps_unreadable = configuration == server->configuration, /* only tokens have changed */
    };

    return settings_create(configuration, server->settings, &stores, settings, error);
}

static enum result server_make_workers(struct server *server, struct error *error)
{
    const uint32_t count = server->configuration->workers;
    enum result result = RESULT_OK;

    if (count > SERVER_WORKERS_LIMIT)
        return error_set(error, RESULT_LIMIT, "workers: at most %d", SERVER_WORKERS_LIMIT);
    for (uint32_t i = 0; i < count && result == RESULT_OK; i++) {
        result = worker_create(&server->gate, i, server->settings, &server->workers[i], error);
        server->worker_count += result == RESULT_OK;
    }
    size_t next = 0;
    for (size_t i = 0; i < server->listener_count && result == RESULT_OK; i++) {
        const bool is_shared = server->listeners[i].path[0] != '\0';

        for (size_t k = 0; k < count && result == RESULT_OK; k++)
            if (is_shared || k == next % count)
                result = worker_listen(server->workers[k], server->listeners[i].fd);
        next += !is_shared;
    }
    return result;
}

/* --- signals --- */

static void server_drain(struct server *server)
{
    const struct timeval poll = {.tv_usec = SERVER_POLL_US};

    if (server->draining) {
        log_warn("stopping at once");
        _exit(1); /* like kill -9: see above */
    }
    log_info("stopping: what is under way is answered first");
    server->draining = true;
    server->drain_until_us = clock_now_us() + SERVER_DRAIN_S * CLOCK_SECOND_US;
    for (size_t i = 0; i < server->worker_count; i++)
        worker_drain(server->workers[i]);
    (void)event_add(server->poll, &poll); /* memory is the only thing it could lack */
}

/* libevent: TERM or INT. */
static void server_on_term(evutil_socket_t signal_number, short what, void *context)
{
    (void)signal_number;
    (void)what;
    server_drain(context);
}

/* libevent, while draining. */
static void server_on_poll(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;
    size_t ended = 0;

    (void)fd;
    (void)what;
    if (!server->draining)
        return; /* server_await_identities only wants to be woken */
    for (size_t i = 0; i < server->worker_count; i++)
        ended += worker_has_ended(server->workers[i]);
    if (ended == server->worker_count) {
        (void)event_base_loopbreak(server->base); /* the base is ours */
    } else if (clock_now_us() > server->drain_until_us) {
        log_warn("not all was answered within %d s: stopping all the same", SERVER_DRAIN_S);
        _exit(1); /* like kill -9: see above */
    }
}

static void server_read_again(struct server *server);
static bool server_read_tokens(void *context);
static void server_post_scheme(struct server *server, enum cache_job_kind kind,
                               void (*deliver)(struct letter *));

static bool needs_restart(const struct configuration *old, const struct configuration *new)
{
    bool differs = old->workers != new->workers || old->audit != new->audit ||
                   old->listen_count != new->listen_count ||
                   strcmp(old->data_dir, new->data_dir) != 0 ||
                   old->cache_max_bytes != new->cache_max_bytes;

    for (size_t i = 0; i < old->listen_count && !differs; i++)
        differs = strcmp(old->listen[i], new->listen[i]) != 0;
    return differs;
}

/* New settings for all. */
static void server_switch(struct server *server)
{
    struct configuration *configuration = server->next_configuration;
    struct settings *settings = server->next_settings;

    server->next_configuration = NULL;
    server->next_settings = NULL;
    if (strcmp(server->configuration->upstreams[0].limits.time_zone,
               configuration->upstreams[0].limits.time_zone) != 0)
        quotas_set_zone(server->gate.quotas, clients_zone(configuration), clock_wall_us());
    settings_allot(settings, server->gate.quotas, clock_now_us());
    renewal_use(server->renewal, settings);
    identities_find(server->identities, settings);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_change_settings(server->workers[i], settings);
    log_info(configuration == server->configuration ? "tokens are read again"
                                                    : "configuration and tokens are read again");
    settings_release(server->settings);
    configuration_release(server->configuration);
    server->settings = settings;
    server->configuration = configuration;
    if (server->read_again)
        server_read_again(server);
    else if (server->tokens_again)
        (void)server_read_tokens(server); /* who fails says so */
}

static void server_on_scheme_noted(struct letter *letter)
{
    struct server *server = (struct server *)((char *)letter - offsetof(struct server, scheme_job));

    if (!server->draining)
        server_switch(server);
}

/* All that was stored by the old scheme is gone. */
static void server_on_emptied(struct letter *letter)
{
    struct server *server = (struct server *)((char *)letter - offsetof(struct server, scheme_job));

    if (server->draining)
        return;
    log_info("a preset has changed: the cache starts anew");
    server_post_scheme(server, CACHE_IDENTITY, server_on_scheme_noted);
}

static void server_post_scheme(struct server *server, enum cache_job_kind kind,
                               void (*deliver)(struct letter *))
{
    struct cache_job *job = &server->scheme_job;

    *job = (struct cache_job){.letter = {.deliver = deliver},
                              .mailbox = server->mailbox,
                              .kind = kind,
                              .outdates_tags = kind == CACHE_INVALIDATE,
                              .cause = {.rule = BYTES("preset changed")}};
    job->entry.vary = BYTES(CACHE_SCHEME_NAME);
    job->entry.key = server->scheme;
    cache_post(server->gate.cache, job);
}

/*
 * New settings come in two steps where a preset has changed, for the tags of what is stored are not
 * those that writes will name: from the first on nothing is stored and every write names every
 * account; in the second, the cache being empty, the workers get them.
 */
static void server_use(struct server *server, struct configuration *configuration,
                       struct settings *settings)
{
    char scheme[SERVER_SCHEME_ROOM];
    const bool is_same = bytes_equal(scheme_of(configuration, scheme), server->scheme);

    if (needs_restart(server->configuration, configuration))
        log_warn("listen, workers, data_dir, max_size and audit on or off change at the next start "
                 "only");
    for (size_t i = 0; i < configuration->warning_count && configuration != server->configuration;
         i++)
        log_warn("%s", configuration->warnings[i]);
    log_configure(configuration->log_level, configuration->log_format);
    (void)atomic_fetch_add(&server->gate.unswitched, (uint32_t)server->worker_count);
    atomic_store(&server->gate.generation, settings->generation); /* before any worker has them */
    server->next_configuration = configuration;
    server->next_settings = settings;
    server->read_again = server->tokens_again = false;
    if (is_same) {
        server_switch(server);
        return;
    }
    memcpy(server->scheme_text, scheme, sizeof(scheme));
    server->scheme = bytes_of_string(server->scheme_text);
    server_post_scheme(server, CACHE_INVALIDATE, server_on_emptied);
}

/* What can't be used changes nothing. */
static void server_read_again(struct server *server)
{
    struct configuration *configuration;
    struct settings *settings;
    struct faults faults = {0};
    struct error error = {0};

    if (server->configuration->path == NULL) {
        log_warn("there is no configuration file to read again");
        return;
    }
    if (configuration_read_file(server->configuration->path, &configuration, &faults) !=
        RESULT_OK) {
        for (size_t i = 0; i < faults.count; i++)
            log_error("%s:%u: %s: %s", server->configuration->path, faults.list[i].line,
                      faults.list[i].pointer, faults.list[i].text);
        log_error("the configuration stays as it was");
    } else if (server_new_settings(server, configuration, &settings, &error) != RESULT_OK) {
        log_error("%s; the configuration stays as it was", error.text);
        configuration_release(configuration);
    } else {
        server_use(server, configuration, settings);
    }
    faults_finish(&faults);
}

/*
 * The renewal's: a token has changed. The configuration stays as it is in memory: an edit of its
 * file that is not finished must not come in with a token.
 */
static bool server_read_tokens(void *context)
{
    struct server *server = context;
    struct settings *settings;
    struct error error = {0};

    if (server->draining)
        return false;
    if (server->next_settings != NULL) {
        server->tokens_again = true;
        return true;
    }
    if (server_new_settings(server, server->configuration, &settings, &error) != RESULT_OK) {
        log_error("%s; tokens stay as they were", error.text);
        return false;
    }
    server_use(server, configuration_acquire(server->configuration), settings);
    return true;
}

/* libevent: HUP. One that comes while settings are on their way waits for them. */
static void server_on_hup(evutil_socket_t signal_number, short what, void *context)
{
    struct server *server = context;

    (void)signal_number;
    (void)what;
    if (server->next_settings != NULL)
        server->read_again = true;
    else
        server_read_again(server);
}

static struct event *server_catch(struct server *server, int signal_number,
                                  event_callback_fn on_signal)
{
    struct event *event = evsignal_new(server->base, signal_number, on_signal, server);

    if (event == NULL || event_add(event, NULL) == -1)
        memory_exhausted();
    return event;
}

/* --- life --- */

enum result server_open(const struct server_options *options, struct server **opened,
                        struct error *error)
{
    struct server *server = memory_take(1, sizeof(*server));
    enum result result;

    process_prepare();
    server->configuration = configuration_acquire(options->configuration);
    server->token = token_acquire(options->token);
    server->data_dir.lock = -1;
    server->scheme = scheme_of(server->configuration, server->scheme_text);
    server->started_wall_us = clock_wall_us();
    server->gate.slots = client_slots_create();
    server->gate.tally = tally_create();
    server->gate.scopes = scopes_create();
    server->gate.pairs = memory_take(1, sizeof(*server->gate.pairs));
    server->base = event_base_new();
    if (server->base == NULL || mailbox_open(server->base, &server->mailbox) != RESULT_OK)
        memory_exhausted();
    server->poll = event_new(server->base, -1, EV_PERSIST, server_on_poll, server);
    server->note = event_new(server->base, -1, EV_PERSIST, server_on_note, server);
    if ((result = server_listen(server, error)) != RESULT_OK ||
        (result = data_dir_open(&server->data_dir, server->configuration->data_dir, error)) !=
            RESULT_OK ||
        (result = server_open_stores(server, error)) != RESULT_OK ||
        (result = server_new_settings(server, server->configuration, &server->settings, error)) !=
            RESULT_OK) {
        server_close(server);
        return result;
    }
    server->gate.quotas =
        quotas_create(server->gate.ledger, clients_zone(server->configuration), clock_wall_us());
    settings_allot(server->settings, server->gate.quotas, clock_now_us());
    server->gate.flights = flights_create(server->gate.cache);
    if (fetch_prepare() != RESULT_OK)
        memory_exhausted();
    server->identities = identities_create(server->base, server->mailbox, &server->gate);
    server->renewal =
        renewal_create(server->base, server->mailbox,
                       &(struct renewal_hooks){.changed = server_read_tokens, .context = server});
    result = server_make_workers(server, error);
    if (result != RESULT_OK) {
        server_close(server);
        return result;
    }
    *opened = server;
    return RESULT_OK;
}

/* Waits a little for accounts to be known, so that the first requests are stored. */
static void server_await_identities(struct server *server)
{
    const int64_t until_us = clock_now_us() + SERVER_IDENTITY_WAIT_US;
    const struct timeval poll = {.tv_usec = SERVER_POLL_US};

    (void)event_add(server->poll, &poll);
    while (identities_due(server->identities) > 0 && clock_now_us() < until_us && !server->draining)
        (void)event_base_loop(server->base, EVLOOP_ONCE);
    if (!server->draining)
        (void)event_del(server->poll); /* else it looks for the drain's end */
}

enum result server_run(struct server *server)
{
    server->on_term = server_catch(server, SIGTERM, server_on_term);
    server->on_int = server_catch(server, SIGINT, server_on_term);
    server->on_hup = server_catch(server, SIGHUP, server_on_hup);
    (void)event_add(server->note, &(struct timeval){.tv_sec = 1});
    for (size_t i = 0; i < server->configuration->warning_count; i++)
        log_warn("%s", server->configuration->warnings[i]);
    renewal_use(server->renewal, server->settings);
    identities_find(server->identities, server->settings);
    server_await_identities(server);
    for (size_t i = 0; i < server->worker_count; i++)
        if (worker_start(server->workers[i]) != RESULT_OK)
            return RESULT_SYSTEM;
    server->running = true;
    for (size_t i = 0; i < server->listener_count; i++)
        if (i == 0 || strcmp(server->listeners[i].address, server->listeners[i - 1].address) != 0)
            log_info("listening on %s", server->listeners[i].address);
    return event_base_dispatch(server->base) == -1 ? RESULT_SYSTEM : RESULT_OK;
}

static void event_free_if(struct event *event)
{
    if (event != NULL)
        event_free(event);
}

void server_close(struct server *server)
{
    if (server == NULL)
        return;
    (void)event_del(server->poll); /* it looks at workers */
    for (size_t i = 0; i < server->worker_count && server->running; i++)
        worker_join(server->workers[i]);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_destroy(server->workers[i]);
    identities_destroy(server->identities);
    cache_close(server->gate.cache);
    (void)event_base_loop(server->base, EVLOOP_NONBLOCK); /* its last letters */
    renewal_destroy(server->renewal);
    flights_destroy(server->gate.flights);
    audit_close(server->gate.audit);
    settings_release(server->settings);
    settings_release(server->next_settings);
    configuration_release(server->next_configuration);
    for (size_t i = 0; i < server->listener_count; i++)
        listener_close(&server->listeners[i]);
    free(server->listeners);
    if (server->gate.quotas != NULL)
        server_note_quotas(server);
    quotas_destroy(server->gate.quotas);
    ledger_close(server->gate.ledger); /* behind all that note in it */
    data_dir_close(&server->data_dir);
    client_slots_destroy(server->gate.slots);
    tally_destroy(server->gate.tally);
    scopes_destroy(server->gate.scopes);
    free(server->gate.pairs);
    token_release(server->token);
    configuration_release(server->configuration);
    event_free_if(server->on_term);
    event_free_if(server->on_int);
    event_free_if(server->on_hup);
    event_free_if(server->poll);
    event_free_if(server->note);
    mailbox_close(server->mailbox);
    event_base_free(server->base);
    free(server);
}

struct event_base *server_base(const struct server *server)
{
    return server->base;
}

struct mailbox *server_mailbox(const struct server *server)
{
    return server->mailbox;
}

struct gate *server_gate(struct server *server)
{
    return &server->gate;
}

struct settings *server_settings(const struct server *server)
{
    return server->settings;
}

const struct renewal *server_renewal(const struct server *server)
{
    return server->renewal;
}

size_t server_worker_count(const struct server *server)
{
    return server->worker_count;
}

const struct worker *server_worker(const struct server *server, size_t index)
{
    return server->workers[index];
}

bool server_is_draining(const struct server *server)
{
    return server->draining;
}

int64_t server_started_wall_us(const struct server *server)
{
    return server->started_wall_us;
}

size_t server_listener_count(const struct server *server)
{
    return server->listener_count;
}

const char *server_listener(const struct server *server, size_t index)
{
    return server->listeners[index].address;
}
