/*
 * One source for each upstream, by its name, over all settings: credentials of earlier settings may
 * still ask it. They get the present token as a replacement only, for it may be another account's.
 */
#include "gateway/renewal.h"

#include <assert.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/secret.h"
#include "upstream/obtain.h"

enum {
    RENEWAL_LOOK_S = 1,
    RENEWAL_YOUNG_S = 2, /* a file changed so lately may change again without a new time */
    RENEWAL_PATH_ROOM = 4096,
    RENEWAL_SHARE_PERCENT = 80, /* of its life, after which a token is exchanged again … */
    RENEWAL_JITTER_PERCENT = 5, /* … so much sooner or later, for many gates began at once */
    RENEWAL_PAUSE_LEAST_S = 1,  /* after a failure, twice as long after the next … */
    RENEWAL_PAUSE_MOST_S = 64,
    RENEWAL_ON_DEMAND_S = 10, /* refused tokens make exchanges that often … */
    RENEWAL_ON_DEMAND = 4,    /* … and so many at once, for the API may refuse whatever comes */
};

/* Which version of a file was read. */
struct mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

/* An exchange under way, in its thread. */
struct exchanging {
    struct letter letter; /* first: it is done */
    struct exchanging *next;
    struct source *source;
    struct settings *settings; /* one reference: what `options` points at */
    struct obtain_options options;
    atomic_bool cancelled;
    pthread_t thread;
    struct obtained obtained;
    struct error error;
    enum result result;
};

/* A credential whose token was refused. */
struct wanting {
    struct letter letter; /* first: from whichever thread */
    struct wanting *next;
    struct source *source;
    struct credential *credential; /* one reference */
};

struct source {
    struct source *next;
    struct renewal *renewal;
    char *name;
    const struct settings_upstream *upstream; /* NULL: not in the present settings */
    struct credential *credential;            /* its; one reference */
    struct wanting *waiting;                  /* get letters by the next token or failure */
    struct mark mark;
    bool was_unreadable; /* that was said */
    struct event *due;   /* the next exchange */
    struct exchanging *exchanging;
    unsigned failures; /* since the last success */
    uint64_t renewals;
    int64_t tried_us;
    double on_demand; /* exchanges that may be asked for now */
    int64_t on_demand_us;
};

struct renewal {
    struct event_base *base;
    struct mailbox *mailbox;
    struct renewal_hooks hooks;
    struct settings *settings; /* one reference */
    struct event *look;
    struct source *sources;
    struct exchanging *under_way; /* those that nobody wants any more included */
};

/* --- who waits --- */

static void wanting_free(struct wanting *wanting)
{
    credential_release(wanting->credential);
    free(wanting);
}

/* All who wait hear of the token; NULL: there is none. */
static void source_tell(struct source *source, struct token *token)
{
    for (struct wanting *wanting = source->waiting, *next; wanting != NULL; wanting = next) {
        next = wanting->next;
        if (token == NULL || wanting->credential == source->credential)
            credential_renewed(wanting->credential, token);
        else
            credential_replaced(wanting->credential, token);
        wanting_free(wanting);
    }
    source->waiting = NULL;
}

/* --- files --- */

static bool mark_equal(const struct mark *a, const struct mark *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Where the token's file is; false: it comes from no file. */
static bool source_path(const struct token_source *token, char path[RENEWAL_PATH_ROOM])
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    int length = -1;

    if (token->file != NULL)
        length = snprintf(path, RENEWAL_PATH_ROOM, "%s", token->file);
    else if (token->credential != NULL && directory != NULL)
        length = snprintf(path, RENEWAL_PATH_ROOM, "%s/%s", directory, token->credential);
    return length > 0 && length < RENEWAL_PATH_ROOM;
}

/* Whether the file is another than the one that was read. One that changed lately counts as
 * another each time. */
static bool source_file_is_new(struct source *source, const char *path)
{
    struct mark mark = {0};
    struct stat status;

    if (stat(path, &status) == 0)
        mark = (struct mark){.device = status.st_dev,
                             .inode = status.st_ino,
                             .size = status.st_size,
                             .modified = status.st_mtim,
                             .changed = status.st_ctim};
    const bool is_new = !mark_equal(&mark, &source->mark);
    const int64_t age_s = clock_wall_us() / CLOCK_SECOND_US - (int64_t)mark.changed.tv_sec;
    source->mark = age_s < RENEWAL_YOUNG_S ? (struct mark){.size = -1} : mark;
    return is_new;
}

/* Whether its file holds another token. */
static bool source_has_changed(struct source *source)
{
    struct token *token = NULL;
    struct error error;

    if (token_load(&source->upstream->upstream.config->token, &token, &error) != RESULT_OK) {
        if (!source->was_unreadable)
            log_warn("upstream %s: its token stays as it was: %s", source->name, error.text);
        source->was_unreadable = true;
        return false;
    }
    const bool differs = !token_equal(token, source->upstream->token);
    source->was_unreadable = false;
    token_release(token);
    return differs;
}

/* libevent: each second. */
static void renewal_on_look(evutil_socket_t fd, short what, void *context)
{
    struct renewal *renewal = context;
    char path[RENEWAL_PATH_ROOM];
    bool changed = false;

    (void)fd;
    (void)what;
    for (struct source *source = renewal->sources; source != NULL; source = source->next) {
        if (source->exchanging == NULL)
            source_tell(source, NULL); /* settings that were to come did not */
        if (source->upstream != NULL &&
            source_path(&source->upstream->upstream.config->token, path) &&
            source_file_is_new(source, path) && source_has_changed(source)) {
            log_info("upstream %s: there is another token", source->name);
            changed = true;
        }
    }
    if (changed)
        (void)renewal->hooks.changed(renewal->hooks.context); /* who fails says so */
}

/* --- exchanges --- */

static void exchanging_free(struct exchanging *exchanging)
{
    struct exchanging **link = &exchanging->source->renewal->under_way;

    while (*link != exchanging)
        link = &(*link)->next;
    *link = exchanging->next;
    (void)pthread_join(exchanging->thread, NULL); /* it is ours, and joined once */
    if (exchanging->result == RESULT_OK)
        token_release(exchanging->obtained.token);
    settings_release(exchanging->settings);
    free(exchanging);
}

static void *exchanging_run(void *context)
{
    struct exchanging *exchanging = context;
    struct mailbox *mailbox = exchanging->source->renewal->mailbox;

    exchanging->result =
        obtain_token(&exchanging->options, &exchanging->obtained, &exchanging->error);
    mailbox_post(mailbox, &exchanging->letter);
    return NULL;
}

static void source_plan(struct source *source, int64_t wait_us)
{
    const struct timeval wait = {.tv_sec = wait_us / CLOCK_SECOND_US,
                                 .tv_usec = wait_us % CLOCK_SECOND_US};

    (void)evtimer_add(source->due, &wait); /* memory is the only thing it could lack */
}

/* A part of its life that is left out at the end, by chance a little more or less. */
static int64_t renewal_wait_us(int64_t lifetime_us)
{
    uint32_t chance;

    secret_random(&chance, sizeof(chance));
    const int64_t percent =
        RENEWAL_SHARE_PERCENT - RENEWAL_JITTER_PERCENT + chance % (2 * RENEWAL_JITTER_PERCENT + 1);
    const int64_t wait_us = lifetime_us / 100 * percent;
    return wait_us < RENEWAL_PAUSE_LEAST_S * CLOCK_SECOND_US
               ? RENEWAL_PAUSE_LEAST_S * CLOCK_SECOND_US
               : wait_us;
}

static void source_failed(struct source *source, const char *why)
{
    const unsigned doublings = source->failures < 6 ? source->failures : 6;

    if (source->failures++ == 0)
        log_error("upstream %s: its token can't be exchanged, which is tried again: %s",
                  source->name, why);
    source_plan(source, (int64_t)(RENEWAL_PAUSE_LEAST_S << doublings) * CLOCK_SECOND_US);
    source_tell(source, NULL);
}

static_assert(RENEWAL_PAUSE_LEAST_S << 6 == RENEWAL_PAUSE_MOST_S, "source_failed doubles up to it");

static void source_succeeded(struct source *source, const struct obtained *obtained)
{
    if (source->failures > 0)
        log_info("upstream %s: its token is exchanged after %u failures", source->name,
                 source->failures);
    else
        log_info("upstream %s: its token is exchanged for one that is valid for %lld s",
                 source->name, (long long)(obtained->lifetime_us / CLOCK_SECOND_US));
    source->failures = 0;
    struct token *first = credential_token(source->credential);
    source->renewals += first != NULL;
    token_release(first);
    credential_renewed(source->credential, obtained->token);
    source_tell(source, obtained->token);
    source_plan(source, renewal_wait_us(obtained->lifetime_us));
}

static void exchanging_on_done(struct letter *letter)
{
    struct exchanging *exchanging = (struct exchanging *)letter;
    struct source *source = exchanging->source;

    if (source->exchanging == exchanging) { /* else for what nobody wants any more */
        source->exchanging = NULL;
        if (exchanging->result == RESULT_OK)
            source_succeeded(source, &exchanging->obtained);
        else
            source_failed(source, exchanging->error.text);
    }
    exchanging_free(exchanging);
}

static void source_exchange(struct source *source)
{
    const struct upstream_config *config = source->upstream->upstream.config;
    struct exchanging *exchanging = memory_take(1, sizeof(*exchanging));

    assert(source->exchanging == NULL && config->exchange != NULL);
    (void)evtimer_del(source->due); /* fine where it does not run */
    exchanging->letter.deliver = exchanging_on_done;
    exchanging->source = source;
    exchanging->settings = settings_acquire(source->renewal->settings);
    exchanging->options = obtain_exchange(config, source->upstream->token);
    exchanging->options.cancelled = &exchanging->cancelled;
    source->tried_us = clock_now_us();
    if (pthread_create(&exchanging->thread, NULL, exchanging_run, exchanging) != 0) {
        settings_release(exchanging->settings);
        free(exchanging);
        source_failed(source, "there is no thread to be had");
        return;
    }
    exchanging->next = source->renewal->under_way;
    source->renewal->under_way = source->exchanging = exchanging;
}

/* libevent: its token's time is nearly over, or a failure long enough ago. */
static void source_on_due(evutil_socket_t fd, short what, void *context)
{
    struct source *source = context;

    (void)fd;
    (void)what;
    if (source->exchanging == NULL)
        source_exchange(source);
}

/* What is under way is for another token than the present one, or for none. */
static void source_stop_exchange(struct source *source)
{
    (void)evtimer_del(source->due); /* fine where it does not run */
    if (source->exchanging != NULL)
        atomic_store(&source->exchanging->cancelled, true); /* its letter frees it */
    source->exchanging = NULL;
}

/* --- on demand --- */

/* Whether a refused token may make an exchange now. */
static bool source_may_exchange(struct source *source)
{
    const int64_t now_us = clock_now_us();
    const double period_us = (double)RENEWAL_ON_DEMAND_S * (double)CLOCK_SECOND_US;

    if (source->failures > 0)
        return now_us - source->tried_us >= RENEWAL_ON_DEMAND_S * CLOCK_SECOND_US;
    source->on_demand += (double)(now_us - source->on_demand_us) / period_us;
    source->on_demand_us = now_us;
    if (source->on_demand > RENEWAL_ON_DEMAND)
        source->on_demand = RENEWAL_ON_DEMAND;
    if (source->on_demand < 1)
        return false;
    source->on_demand--;
    return true;
}

/* The present credential's token was refused. */
static void source_renew(struct source *source)
{
    struct renewal *renewal = source->renewal;

    if (source->upstream->upstream.config->exchange != NULL) {
        if (source->exchanging != NULL)
            return;
        if (source_may_exchange(source))
            source_exchange(source);
        else
            source_tell(source, NULL);
    } else if (!source_has_changed(source) || !renewal->hooks.changed(renewal->hooks.context)) {
        source_tell(source, NULL);
    }
}

static void wanting_on_letter(struct letter *letter)
{
    struct wanting *wanting = (struct wanting *)letter;
    struct source *source = wanting->source;

    if (!credential_is_wanted(wanting->credential)) { /* it came meanwhile */
        wanting_free(wanting);
        return;
    }
    wanting->next = source->waiting;
    source->waiting = wanting;
    if (source->upstream == NULL) {
        source_tell(source, NULL);
        return;
    }
    if (wanting->credential == source->credential) {
        source_renew(source);
        return;
    }
    /* Of earlier settings: the present token is another one. */
    struct token *token = credential_token(source->credential);
    if (token != NULL)
        source_tell(source, token);
    else if (source->exchanging == NULL)
        source_tell(source, NULL);
    token_release(token);
}

/* A credential's hook, on any thread. */
static void source_on_wanted(void *context, struct credential *credential)
{
    struct source *source = context;
    struct wanting *wanting = memory_take(1, sizeof(*wanting));

    wanting->letter.deliver = wanting_on_letter;
    wanting->source = source;
    wanting->credential = credential_acquire(credential);
    mailbox_post(source->renewal->mailbox, &wanting->letter);
}

/* --- settings --- */

static struct source *source_find(struct renewal *renewal, const char *name)
{
    for (struct source *source = renewal->sources; source != NULL; source = source->next)
        if (strcmp(source->name, name) == 0)
            return source;
    struct source *source = memory_take(1, sizeof(*source));
    source->renewal = renewal;
    source->name = memory_string(name);
    source->on_demand = RENEWAL_ON_DEMAND;
    source->due = evtimer_new(renewal->base, source_on_due, source);
    if (source->due == NULL)
        memory_exhausted();
    source->next = renewal->sources;
    renewal->sources = source;
    return source;
}

/* Nobody's any more, until an upstream has that name again. */
static void source_rest(struct source *source)
{
    source_stop_exchange(source);
    source->upstream = NULL;
    credential_release(source->credential);
    source->credential = NULL;
    source_tell(source, NULL);
}

/* The upstream's credential is a new one: another token, or another way to get it. */
static void source_begin(struct source *source, const struct settings_upstream *upstream)
{
    const struct credential_hooks hooks = {.wanted = source_on_wanted, .context = source};
    const struct upstream_config *config = upstream->upstream.config;
    struct credential *old = source->credential;

    source_stop_exchange(source);
    source->failures = 0;
    source->renewals += old != NULL;
    source->was_unreadable = false;
    source->mark = (struct mark){.size = -1};
    source->credential = credential_acquire(upstream->upstream.credential);
    if (config->exchange != NULL || config->token.file != NULL || config->token.credential != NULL)
        credential_set_hooks(source->credential, &hooks);
    if (config->exchange != NULL) {
        source_exchange(source);
    } else if (old != NULL && upstream->token != NULL) {
        credential_replaced(old, upstream->token);
        source_tell(source, upstream->token);
    } else {
        source_tell(source, NULL);
    }
    credential_release(old);
}

void renewal_use(struct renewal *renewal, struct settings *settings)
{
    const struct configuration *configuration = settings->configuration;
    struct settings *old = renewal->settings;

    renewal->settings = settings_acquire(settings);
    for (size_t i = 0; i < configuration->upstream_count; i++) {
        const struct settings_upstream *upstream = &settings->upstreams[i];
        struct source *source =
            upstream->token == NULL ? NULL : source_find(renewal, configuration->upstreams[i].name);

        if (source == NULL)
            continue;
        source->upstream = upstream;
        if (upstream->upstream.credential != source->credential)
            source_begin(source, upstream);
    }
    for (struct source *source = renewal->sources; source != NULL; source = source->next) {
        bool is_there = false;

        for (size_t i = 0; i < configuration->upstream_count && !is_there; i++)
            is_there = source->upstream == &settings->upstreams[i];
        if (!is_there)
            source_rest(source);
    }
    settings_release(old);
}

struct renewal_state renewal_state(const struct renewal *renewal, const char *name)
{
    for (const struct source *source = renewal->sources; source != NULL; source = source->next)
        if (strcmp(source->name, name) == 0)
            return (struct renewal_state){.renewals = source->renewals,
                                          .fails = source->failures > 0 || source->was_unreadable};
    return (struct renewal_state){0};
}

struct renewal *renewal_create(struct event_base *base, struct mailbox *mailbox,
                               const struct renewal_hooks *hooks)
{
    const struct timeval look = {.tv_sec = RENEWAL_LOOK_S};
    struct renewal *renewal = memory_take(1, sizeof(*renewal));

    renewal->base = base;
    renewal->mailbox = mailbox;
    renewal->hooks = *hooks;
    renewal->look = event_new(base, -1, EV_PERSIST, renewal_on_look, renewal);
    if (renewal->look == NULL || event_add(renewal->look, &look) == -1)
        memory_exhausted();
    return renewal;
}

static void source_free(struct source *source)
{
    source_rest(source);
    event_free(source->due);
    free(source->name);
    free(source);
}

void renewal_destroy(struct renewal *renewal)
{
    if (renewal == NULL)
        return;
    while (renewal->under_way != NULL) {
        atomic_store(&renewal->under_way->cancelled, true);
        renewal->under_way->source->exchanging = NULL;
        exchanging_free(renewal->under_way);
    }
    for (struct source *source = renewal->sources, *next; source != NULL; source = next) {
        next = source->next;
        source_free(source);
    }
    settings_release(renewal->settings);
    event_free(renewal->look);
    free(renewal);
}
