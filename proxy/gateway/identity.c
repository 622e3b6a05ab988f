/* One call at a time an upstream, on main's loop. */
#include "gateway/identity.h"

#include <assert.h>
#include <cJSON.h>
#include <event2/event.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"

enum {
    IDENTITY_BODY_LIMIT_BYTES = 64 * 1024,
    IDENTITY_RETRY_S = 5,
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
    bool remembering; /* the job is with the writer */
    bool dropped;     /* the settings have changed: its letter only frees it */
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

static void asking_settle(struct asking *asking, struct bytes name)
{
    struct account *account = cache_account(asking->owner->gate->cache, name);

    atomic_store_explicit(&asking->upstream->account, account, memory_order_release);
    log_info("upstream %s: account %s", asking->upstream->upstream.config->name, account->name);
}

/* The account without an identity call. */
static void asking_settle_by_token(struct asking *asking)
{
    const struct upstream_config *config = asking->upstream->upstream.config;
    struct arena arena;

    arena_init(&arena, 256);
    asking_settle(asking, asking->upstream->upstream.token == NULL
                              ? arena_format(&arena, "none/%s", config->url)
                              : arena_format(&arena, "token/%s", asking->hmac));
    arena_finish(&arena);
}

static void asking_on_remembered(struct letter *letter)
{
    struct asking *asking = (struct asking *)letter;

    if (!asking->dropped)
        asking_remove(asking);
    asking_free(asking);
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

static void asking_remember(struct asking *asking, struct bytes name)
{
    struct cache_job *job = &asking->job;

    asking->remembering = true;
    buffer_reset(&asking->body);
    buffer_add(&asking->body, name);
    job->letter.deliver = asking_on_remembered;
    job->mailbox = asking->owner->mailbox;
    job->kind = CACHE_IDENTITY;
    job->entry.key = buffer_bytes(&asking->body);
    job->entry.vary = bytes_of_string(asking->hmac);
    cache_post(asking->owner->gate->cache, job);
}

static void asking_answered(struct asking *asking)
{
    struct arena arena;

    arena_init(&arena, 512);
    const struct bytes name = asking->status == 200 ? identity_name(asking, &arena) : BYTES("");
    if (name.length > 0) {
        asking_settle(asking, name);
        asking_remember(asking, name);
    } else {
        log_warn("upstream %s: the identity call was answered %u without an id: the account is "
                 "told by the token alone",
                 asking->upstream->upstream.config->name, asking->status);
        asking_settle_by_token(asking);
        asking_remove(asking);
        asking_free(asking);
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
        .method = BYTES("GET"),
        .safe = true,
        .url = bytes_of_string(asking->upstream->upstream.config->preset->identity_path),
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
    char name[sizeof(((struct account *)0)->name)];

    asking->owner = identities;
    asking->upstream = upstream;
    buffer_init(&asking->body, IDENTITY_BODY_LIMIT_BYTES);
    token_hmac(upstream->upstream.token,
               gate->audit == NULL ? BYTES("postern") : audit_key(gate->audit), asking->hmac);
    if (config->preset == NULL || config->preset->identity_path == NULL ||
        upstream->upstream.token == NULL) {
        asking_settle_by_token(asking);
        asking_free(asking);
    } else if (cache_identity(gate->cache, asking->hmac, name, sizeof(name)) == RESULT_OK) {
        asking_settle(asking, bytes_of_string(name));
        asking_free(asking);
    } else {
        asking->next = identities->askings;
        identities->askings = asking;
        asking_call(asking);
    }
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
