/*
 * One call at a time an upstream, on main's loop. What was learned is remembered: the account of a
 * token, and the account that an upstream had last. Another account than that may have been changed
 * meanwhile by writes that did not name it (the same one under another token, which only an
 * identity call would tell): it is emptied before it is used.
 */
#include "gateway/identity.h"

#include <assert.h>
#include <cJSON.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

enum {
    IDENTITY_BODY_LIMIT_BYTES = 64 * 1024,
    IDENTITY_RETRY_S = 5,
    IDENTITY_LAST_ROOM =
        80, /* a longer name is cut: two that begin alike are emptied once too often */
};

/* One upstream being asked for. */
struct asking {
    struct cache_job job; /* first: what was learned is remembered */
    struct asking *next;
    struct identities *owner;
    struct settings_upstream *upstream;
    struct fetch *fetch;
    struct buffer body;
    unsigned status;
    char hmac[TOKEN_HMAC_ROOM];
    char last[IDENTITY_LAST_ROOM]; /* what the upstream's last account is remembered under */
    char name[sizeof(((struct account *)0)->name)]; /* of the account that was found */
    bool remembering;                               /* the job is with the writer */
    bool dropped; /* the settings have changed: its letter only frees it */
};

struct identities {
    struct event_base *base;
    struct mailbox *mailbox;
    struct gate *gate;
    struct fetcher *fetcher;
    struct event *retry;
    struct settings *settings; /* being asked for; one reference */
    struct asking *askings;
};

static void asking_call(struct asking *asking);

static void asking_free(struct asking *asking)
{
    buffer_finish(&asking->body);
    free(asking);
}

static void asking_remove(struct asking *asking)
{
    struct asking **link = &asking->owner->askings;

    while (*link != asking)
        link = &(*link)->next;
    *link = asking->next;
}

/* It is known whose account it is: requests may use it. */
static void asking_settle(struct asking *asking)
{
    struct account *account =
        cache_account(asking->owner->gate->cache, bytes_of_string(asking->name));

    atomic_store_explicit(&asking->upstream->account, account, memory_order_release);
    log_info("upstream %s: account %s", asking->upstream->upstream.config->name, account->name);
    asking_remove(asking);
    asking_free(asking);
}

/* Gives the writer a job of this asking's; the letter goes on, or only frees where settings have
 * changed. */
static void asking_post(struct asking *asking, enum cache_job_kind kind,
                        void (*deliver)(struct letter *letter))
{
    asking->remembering = true;
    asking->job.letter.deliver = deliver;
    asking->job.mailbox = asking->owner->mailbox;
    asking->job.kind = kind;
    cache_post(asking->owner->gate->cache, &asking->job);
}

static void asking_remember(struct asking *asking, const char *under,
                            void (*deliver)(struct letter *letter))
{
    asking->job.entry.key = bytes_of_string(asking->name);
    asking->job.entry.vary = bytes_of_string(under);
    asking_post(asking, CACHE_IDENTITY, deliver);
}

static void asking_on_last_remembered(struct letter *letter)
{
    struct asking *asking = (struct asking *)letter;

    if (asking->dropped)
        asking_free(asking);
    else
        asking_settle(asking);
}

static void asking_on_emptied(struct letter *letter)
{
    struct asking *asking = (struct asking *)letter;

    if (asking->dropped)
        asking_free(asking);
    else
        asking_remember(asking, asking->last, asking_on_last_remembered);
}

/* The account's name was found. */
static void asking_use(struct asking *asking)
{
    struct cache *cache = asking->owner->gate->cache;
    char last[sizeof(asking->name)];

    if (cache_identity(cache, asking->last, last, sizeof(last)) == RESULT_OK &&
        strcmp(last, asking->name) == 0) {
        asking_settle(asking);
        return;
    }
    asking->job.account = cache_account(cache, bytes_of_string(asking->name));
    asking->job.tags = (struct tags){.hashes = &asking->job.account->tag, .count = 1};
    asking_post(asking, CACHE_INVALIDATE, asking_on_emptied);
}

static void asking_on_token_remembered(struct letter *letter)
{
    struct asking *asking = (struct asking *)letter;

    if (asking->dropped)
        asking_free(asking);
    else
        asking_use(asking);
}

static void asking_name(struct asking *asking, struct bytes name)
{
    (void)snprintf(asking->name, sizeof(asking->name), "%.*s", (int)name.length,
                   name.data); /* cut is fine */
}

/* The account without an identity call. */
static void asking_use_by_token(struct asking *asking)
{
    struct arena arena;

    arena_init(&arena, 256);
    asking_name(asking,
                asking->upstream->token == NULL
                    ? arena_format(&arena, "none/%s", asking->upstream->upstream.config->url)
                    : arena_format(&arena, "token/%s", asking->hmac));
    arena_finish(&arena);
    asking_use(asking);
}

/* "preset/id" from the answer's body; empty: it does not say. */
static struct bytes identity_name(const struct asking *asking, struct arena *arena)
{
    const struct preset *preset = asking->upstream->upstream.config->preset;
    const struct bytes body = buffer_bytes(&asking->body);
    cJSON *json = cJSON_ParseWithLength(body.data == NULL ? "" : body.data, body.length);
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(json, preset->identity_member);
    struct bytes name = {0};

    if (cJSON_IsString(id) && id->valuestring[0] != '\0')
        name = arena_format(arena, "%s/%s", preset->name, id->valuestring);
    else if (cJSON_IsNumber(id))
        name = arena_format(arena, "%s/%.0f", preset->name, id->valuedouble);
    cJSON_Delete(json);
    return name;
}

static void asking_answered(struct asking *asking)
{
    struct arena arena;

    arena_init(&arena, 512);
    const struct bytes name = asking->status == 200 ? identity_name(asking, &arena) : BYTES("");
    if (name.length > 0) {
        asking_name(asking, name);
        asking_remember(asking, asking->hmac, asking_on_token_remembered);
    } else {
        log_warn("upstream %s: the identity call was answered %u without an id: the account is "
                 "told by the token alone",
                 asking->upstream->upstream.config->name, asking->status);
        asking_use_by_token(asking);
    }
    arena_finish(&arena);
}

static void asking_on_head(void *context, const struct response *head)
{
    struct asking *asking = context;

    asking->status = head->status;
}

static void asking_on_body(void *context, struct bytes part)
{
    struct asking *asking = context;

    buffer_add(&asking->body, part);
}

/* Passing troubles are asked about again; an answer is final. */
static bool is_passing(const struct fetch_end *end, unsigned status)
{
    return end->outcome != FETCH_DONE || status >= 500 || status == 429 || status == 408;
}

static void asking_on_end(void *context, const struct fetch_end *end)
{
    struct asking *asking = context;
    const struct timeval retry = {.tv_sec = IDENTITY_RETRY_S};

    asking->fetch = NULL;
    if (!is_passing(end, asking->status)) {
        asking_answered(asking);
        return;
    }
    log_warn("upstream %s: its account is not known yet (%s): nothing is stored until it is",
             asking->upstream->upstream.config->name,
             end->outcome == FETCH_DONE ? "it answered with an error" : end->detail);
    (void)evtimer_add(asking->owner->retry, &retry); /* memory is the only thing it could lack */
}

static const struct fetch_handler asking_handler = {
    .on_head = asking_on_head,
    .on_body = asking_on_body,
    .on_end = asking_on_end,
};

static void asking_call(struct asking *asking)
{
    const struct fields none = {0};
    const struct fetch_request request = {
        .caller = {.weight = 1, .scope = hash_of(BYTES("identity")).low},
        .method = BYTES("GET"),
        .safe = true,
        .url = bytes_of_string(upstream_identity_path(asking->upstream->upstream.config)),
        .fields = &none,
    };

    asking->status = 0;
    buffer_reset(&asking->body);
    asking->fetch = fetch_start(asking->owner->fetcher, &asking->upstream->upstream, &request,
                                &asking_handler, asking);
}

/* libevent: asks again whom it did not hear. */
static void identities_on_retry(evutil_socket_t fd, short what, void *context)
{
    struct identities *identities = context;

    (void)fd;
    (void)what;
    for (struct asking *asking = identities->askings; asking != NULL; asking = asking->next)
        if (asking->fetch == NULL && !asking->remembering)
            asking_call(asking);
}

struct identities *identities_create(struct event_base *base, struct mailbox *mailbox,
                                     struct gate *gate)
{
    struct identities *identities = memory_take(1, sizeof(*identities));

    identities->base = base;
    identities->mailbox = mailbox;
    identities->gate = gate;
    identities->retry = evtimer_new(base, identities_on_retry, identities);
    if (identities->retry == NULL ||
        fetcher_create(base, mailbox, &identities->fetcher) != RESULT_OK)
        memory_exhausted();
    return identities;
}

static void identities_drop(struct identities *identities)
{
    for (struct asking *asking = identities->askings, *next; asking != NULL; asking = next) {
        next = asking->next;
        asking->dropped = true;
        if (asking->fetch != NULL)
            fetch_cancel(asking->fetch);
        if (!asking->remembering)
            asking_free(asking); /* else its letter frees it */
    }
    identities->askings = NULL;
    settings_release(identities->settings);
    identities->settings = NULL;
}

void identities_destroy(struct identities *identities)
{
    if (identities == NULL)
        return;
    identities_drop(identities);
    fetcher_destroy(identities->fetcher);
    event_free(identities->retry);
    free(identities);
}

static void identities_ask(struct identities *identities, struct settings_upstream *upstream)
{
    const struct upstream_config *config = upstream->upstream.config;
    const struct gate *gate = identities->gate;
    struct asking *asking = memory_take(1, sizeof(*asking));

    asking->owner = identities;
    asking->upstream = upstream;
    buffer_init(&asking->body, IDENTITY_BODY_LIMIT_BYTES);
    (void)snprintf(asking->last, sizeof(asking->last), "last/%s", config->name); /* cut is fine */
    token_hmac(upstream->token, gate->audit == NULL ? BYTES("postern") : audit_key(gate->audit),
               asking->hmac);
    asking->next = identities->askings;
    identities->askings = asking;
    if (upstream_identity_path(config) == NULL || upstream->token == NULL)
        asking_use_by_token(asking);
    else if (cache_identity(gate->cache, asking->hmac, asking->name, sizeof(asking->name)) ==
             RESULT_OK)
        asking_use(asking);
    else
        asking_call(asking);
}

void identities_find(struct identities *identities, struct settings *settings)
{
    identities_drop(identities);
    identities->settings = settings_acquire(settings);
    for (size_t i = 0; i < settings->configuration->upstream_count; i++)
        if (settings_account(&settings->upstreams[i]) == NULL)
            identities_ask(identities, &settings->upstreams[i]);
}

size_t identities_due(const struct identities *identities)
{
    size_t due = 0;

    for (const struct asking *asking = identities->askings; asking != NULL; asking = asking->next)
        due += settings_account(asking->upstream) == NULL;
    return due;
}
