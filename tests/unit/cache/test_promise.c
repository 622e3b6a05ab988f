/*
 * Promise 1 on the real cache and flights: clients step at random over several threads, against
 * one version number for each URL. A read that began when write k was answered must show version k
 * or later. What tests/model/order_model.py explores as a model is tried here on the code; the
 * rules' numbers are the design's.
 */
#include "storing.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "cache/flight.h"

enum { URLS = 4, CLIENTS = 12, WRITER_CLIENTS = 3, VERSION_ROOM = 24, BATCH_LOOKUPS = 6 };

/* Shared by all threads. */
struct world {
    struct keeper keeper;
    struct flights *flights;
    _Atomic uint64_t version[URLS]; /* the upstream's state */
    _Atomic uint64_t acked[URLS];   /* the newest version whose write was answered */
    atomic_uint stale, hits, led, joined, landed, alone, refused, abandoned, retried;
};

enum step {
    STEP_IDLE,
    STEP_WAITING, /* for a letter */
    /* a read */
    STEP_LOOKING,
    STEP_LEADING,
    STEP_SENT,
    STEP_ANSWERED,
    STEP_ALONE,
    STEP_ALONE_SENT,
    /* a write */
    STEP_NOTED,
    STEP_APPLIED,
    STEP_LANDING, /* outcome unknown: lands after its invalidation */
};

struct client {
    struct errand errand; /* first: letters of jobs */
    struct lane *lane;
    enum step step;
    unsigned url;
    uint64_t least, begun, version;
    struct flight *flight;
    struct flight_answer *answer;
    struct flight_waiter *waiter;
    bool left, unknown;
    char body[VERSION_ROOM];
};

/* One worker thread. */
struct lane {
    struct world *world;
    struct event_base *base;
    struct mailbox *mailbox;
    struct cache_reader *reader;
    struct arena arena;
    struct fields sent;
    uint64_t random;
    unsigned steps;
    struct client clients[CLIENTS];
    pthread_t thread;
};

static uint64_t lane_random(struct lane *lane)
{
    lane->random ^= lane->random << 13;
    lane->random ^= lane->random >> 7;
    lane->random ^= lane->random << 17;
    return lane->random;
}

static bool one_in(struct lane *lane, unsigned count)
{
    return lane_random(lane) % count == 0;
}

static struct account *account_of(const struct client *client)
{
    return client->lane->world->keeper.account;
}

static struct cache_query query_of(const struct client *client)
{
    struct arena *arena = &client->lane->arena;

    return (struct cache_query){
        .account = account_of(client),
        .url = key_of_url(arena, BYTES("acme"), BYTES("up"),
                          arena_format(arena, "/u/%u", client->url)),
        .sent = &client->lane->sent,
    };
}

static void check_version(struct client *client, uint64_t version)
{
    if (version < client->least)
        atomic_fetch_add(&client->lane->world->stale, 1);
}

static uint64_t version_of(struct bytes body)
{
    uint64_t version;

    assert_int_equal(bytes_to_number(body, UINT64_MAX, &version), RESULT_OK);
    return version;
}

/* --- a read --- */

static void client_on_abandoned(void *context)
{
    struct client *client = context;

    if (client->step == STEP_WAITING)
        return; /* its store's letter ends it */
    atomic_fetch_add(&client->lane->world->abandoned, 1);
    flight_end(client->flight, false);
    client->step = STEP_IDLE;
}

static void client_on_landed(struct letter *letter)
{
    struct flight_waiter *waiter = (struct flight_waiter *)letter;
    struct client *client = waiter->exchange;

    if (client != NULL) {
        client->waiter = NULL;
        if (waiter->answer == NULL) {
            client->step = STEP_LOOKING;
            atomic_fetch_add(&client->lane->world->retried, 1);
        } else {
            check_version(client, version_of(buffer_bytes(&waiter->answer->spool)));
            client->step = STEP_IDLE;
        }
    }
    flight_answer_release(waiter->answer);
    free(waiter);
}

static void client_join(struct client *client, const struct cache_query *query)
{
    struct world *world = client->lane->world;
    struct flight_waiter *waiter = memory_take(1, sizeof(*waiter));
    const struct cache_key key =
        key_of_variant(&client->lane->arena, &query->url, BYTES(""), query->sent);
    const struct flight_hooks hooks = {client->lane->mailbox, client_on_abandoned, NULL, client};

    waiter->letter.deliver = client_on_landed;
    waiter->mailbox = client->lane->mailbox;
    waiter->exchange = client;
    switch (flight_join(world->flights, query, key.hash, waiter, &client->flight)) {
    case FLIGHT_WAIT:
        atomic_fetch_add(&world->joined, 1);
        client->waiter = waiter;
        client->step = STEP_WAITING;
        return;
    case FLIGHT_LEAD:
        atomic_fetch_add(&world->led, 1);
        flight_set_hooks(client->flight, &hooks);
        client->left = false;
        client->step = STEP_LEADING;
        break;
    case FLIGHT_LANDED:
        atomic_fetch_add(&world->landed, 1);
        check_version(client, version_of(buffer_bytes(&waiter->answer->spool)));
        flight_answer_release(waiter->answer);
        client->step = STEP_IDLE;
        break;
    case FLIGHT_ALONE:
        atomic_fetch_add(&world->alone, 1);
        client->step = STEP_ALONE;
        break;
    }
    free(waiter);
}

static void client_look_up(struct client *client)
{
    const struct cache_query query = query_of(client);
    struct entry entry;

    if (cache_lookup(client->lane->reader, &query, &client->lane->arena, &entry) == RESULT_OK) {
        atomic_fetch_add(&client->lane->world->hits, 1);
        check_version(client, version_of(entry.body));
        client->step = STEP_IDLE;
    } else {
        client_join(client, &query);
    }
}

static void client_on_stored(struct letter *letter)
{
    struct client *client = (struct client *)letter;

    if (client->errand.job.result == RESULT_REFUSED)
        atomic_fetch_add(&client->lane->world->refused, 1);
    if (client->flight != NULL)
        flight_end(client->flight, false);
    client->flight = NULL;
    client->step = STEP_IDLE;
}

static void client_post(struct client *client, void (*deliver)(struct letter *))
{
    client->errand.job.letter.deliver = deliver;
    client->errand.job.mailbox = client->lane->mailbox;
    client->errand.job.account = account_of(client);
    client->errand.job.result = RESULT_OK;
    client->step = STEP_WAITING;
    cache_post(client->lane->world->keeper.cache, &client->errand.job);
}

/* The account's tag, and the URL's. */
static struct tags tags_of_url(const struct client *client)
{
    struct arena *arena = &client->lane->arena;
    uint64_t *hashes = arena_take(arena, 2 * sizeof(*hashes));

    hashes[0] = account_of(client)->tag;
    hashes[1] = tag_of_text(hashes[0], arena_format(arena, "/u/%u", client->url));
    return (struct tags){.hashes = hashes, .count = 2};
}

/* The job's bytes must outlive the lane's arena: they are copied to the heap of the world's life.
 */
static void client_store(struct client *client)
{
    static const struct fields none;
    struct cache_query query = query_of(client);
    const int64_t wall_us = clock_wall_us();
    struct arena *arena = &client->lane->arena;

    query.sent = &none;
    client->errand.job = (struct cache_job){
        .kind = CACHE_STORE,
        .key = key_of_variant(arena, &query.url, BYTES(""), query.sent),
        .url = query.url,
        .begun = client->begun,
        .begun_wall_us = wall_us,
        .entry = {.status = 200,
                  .received_wall_us = wall_us,
                  .expires_wall_us = wall_us + KEEPER_HOUR_US,
                  .tags = tags_of_url(client),
                  .body = bytes_of_string(client->body)},
    };
    client_post(client, client_on_stored);
}

static void client_read_upstream(struct client *client)
{
    client->version = atomic_load(&client->lane->world->version[client->url]);
    (void)snprintf(client->body, sizeof(client->body), "%llu", (unsigned long long)client->version);
}

static void client_land(struct client *client)
{
    struct flight_answer *answer = flight_answer_create(VERSION_ROOM);

    buffer_add(&answer->spool, bytes_of_string(client->body));
    flight_land(client->flight, answer);
    flight_answer_release(answer);
    if (!client->left)
        check_version(client, client->version);
    client_store(client);
}

/* The answer turns out to be private: who waited asks for itself. URL 0 is remembered for it. */
static bool client_keeps_to_itself(struct client *client)
{
    if (!one_in(client->lane, 16))
        return false;
    if (!client->left)
        check_version(client, client->version);
    flight_end(client->flight, client->url == 0 && one_in(client->lane, 64));
    client->flight = NULL;
    client->step = STEP_IDLE;
    return true;
}

/* The leader's own client goes: true where the flight goes with it. */
static bool client_leaves(struct client *client)
{
    if (client->left || !one_in(client->lane, 8))
        return false;
    client->left = true;
    if (!flight_leader_left(client->flight))
        return false;
    flight_end(client->flight, false);
    client->flight = NULL;
    client->step = STEP_IDLE;
    return true;
}

/* --- a write --- */

static void client_on_noted(struct letter *letter)
{
    struct client *client = (struct client *)letter;

    assert_int_equal(client->errand.job.result, RESULT_OK);
    client->step = STEP_NOTED;
}

/* The client gets its answer: from now on, no read may show less. */
static void client_on_invalidated(struct letter *letter)
{
    struct client *client = (struct client *)letter;
    _Atomic uint64_t *acked = &client->lane->world->acked[client->url];
    uint64_t was = atomic_load(acked);

    if (client->unknown) {
        client->step = STEP_LANDING;
        return;
    }
    while (was < client->version && !atomic_compare_exchange_weak(acked, &was, client->version))
        ;
    client->step = STEP_IDLE;
}

static void client_invalidate(struct client *client)
{
    struct cache_job *job = &client->errand.job;
    const struct tags tags = tags_of_url(client);
    const struct tags own = {.hashes = tags.hashes, .count = 1};
    const struct tags named = {.hashes = tags.hashes + 1, .count = 1};

    job->kind = CACHE_INVALIDATE;
    job->quarantine_us = client->unknown ? 1000 : 0;
    job->tags = one_in(client->lane, 2) ? named : own;
    client_post(client, client_on_invalidated);
}

static void client_begin_write(struct client *client)
{
    client->url = (unsigned)(lane_random(client->lane) % URLS);
    client->unknown = one_in(client->lane, 8);
    client->errand.job = (struct cache_job){
        .kind = CACHE_INTENT, .tags = {.hashes = &account_of(client)->tag, .count = 1}};
    client_post(client, client_on_noted);
}

/* --- stepping --- */

static void client_begin(struct client *client)
{
    struct lane *lane = client->lane;

    if (client < lane->clients + WRITER_CLIENTS) {
        if (one_in(lane, 6))
            client_begin_write(client);
        return;
    }
    client->url = (unsigned)(lane_random(lane) % URLS);
    client->least = atomic_load(&lane->world->acked[client->url]);
    client->flight = NULL;
    client->step = STEP_LOOKING;
}

static void client_step(struct client *client)
{
    struct world *world = client->lane->world;

    switch (client->step) {
    case STEP_IDLE:
        client_begin(client);
        break;
    case STEP_LOOKING:
        client_look_up(client);
        break;
    case STEP_LEADING:
        if (client_leaves(client))
            break;
        client->begun = flight_sent(client->flight);
        client->step = STEP_SENT;
        break;
    case STEP_SENT:
        if (client_leaves(client))
            break;
        client_read_upstream(client);
        client->step = STEP_ANSWERED;
        break;
    case STEP_ANSWERED:
        if (!client_leaves(client) && !client_keeps_to_itself(client))
            client_land(client);
        break;
    case STEP_ALONE:
        client->begun = cache_now(world->keeper.cache);
        client->step = STEP_ALONE_SENT;
        break;
    case STEP_ALONE_SENT:
        client_read_upstream(client);
        check_version(client, client->version);
        client_store(client);
        break;
    case STEP_NOTED:
        client->version =
            client->unknown ? 0 : atomic_fetch_add(&world->version[client->url], 1) + 1;
        client->step = STEP_APPLIED;
        break;
    case STEP_APPLIED:
        client_invalidate(client);
        break;
    case STEP_LANDING: /* nobody was told: it orders nothing */
        (void)atomic_fetch_add(&world->version[client->url], 1);
        client->step = STEP_IDLE;
        break;
    case STEP_WAITING:
        if (client->waiter == NULL || !one_in(client->lane, 32))
            break;
        client->waiter->exchange = NULL;
        if (flight_leave(client->waiter))
            free(client->waiter);
        client->waiter = NULL;
        client->step = STEP_IDLE;
        break;
    }
}

static bool lane_is_idle(const struct lane *lane)
{
    for (size_t i = 0; i < CLIENTS; i++)
        if (lane->clients[i].step != STEP_IDLE)
            return false;
    return true;
}

/* The arena's bytes may be in a job or a query: it is emptied only when nobody is at work. */
static void lane_come_to_rest(struct lane *lane)
{
    while (!lane_is_idle(lane)) {
        for (size_t i = 0; i < CLIENTS; i++)
            if (lane->clients[i].step != STEP_IDLE)
                client_step(&lane->clients[i]);
        assert_int_equal(event_base_loop(lane->base, EVLOOP_NONBLOCK), 0);
    }
    arena_reset(&lane->arena);
}

static void *lane_run(void *context)
{
    struct lane *lane = context;

    for (unsigned i = 0; i < lane->steps; i++) {
        client_step(&lane->clients[lane_random(lane) % CLIENTS]);
        if (one_in(lane, 4))
            (void)event_base_loop(lane->base, EVLOOP_NONBLOCK);
        if (one_in(lane, BATCH_LOOKUPS))
            cache_reader_reset(lane->reader);
        if (i % 4096 == 4095)
            lane_come_to_rest(lane);
    }
    lane_come_to_rest(lane);
    return NULL;
}

static void lane_open(struct lane *lane, struct world *world, unsigned steps, uint64_t seed)
{
    *lane = (struct lane){.world = world, .steps = steps, .random = seed};
    arena_init(&lane->arena, 64 * 1024);
    lane->base = event_base_new();
    assert_int_equal(mailbox_open(lane->base, &lane->mailbox), RESULT_OK);
    assert_int_equal(cache_reader_open(world->keeper.cache, &lane->reader), RESULT_OK);
    for (size_t i = 0; i < CLIENTS; i++)
        lane->clients[i].lane = lane;
}

static void lane_close(struct lane *lane)
{
    cache_reader_close(lane->reader);
    mailbox_close(lane->mailbox);
    event_base_free(lane->base);
    arena_finish(&lane->arena);
}

/* Runs until every way through the code was taken, and at least once. */
static bool world_was_seen(const struct world *world)
{
    return world->hits > 0 && world->led > 0 && world->joined > 0 && world->landed > 0 &&
           world->refused > 0 && world->alone > 0 && world->retried > 0;
}

static void world_run(unsigned lane_count, unsigned steps)
{
    struct world *world = memory_take(1, sizeof(*world));
    struct lane *lanes = memory_take(lane_count, sizeof(*lanes));

    keeper_open(&world->keeper, 16 * 1024 * 1024);
    world->flights = flights_create(world->keeper.cache);
    for (unsigned round = 0; round < 50 && (round < 4 || !world_was_seen(world)); round++) {
        for (unsigned i = 0; i < lane_count; i++) {
            lane_open(&lanes[i], world, steps, 0x9e3779b97f4a7c15u * (round * lane_count + i + 1));
            assert_int_equal(pthread_create(&lanes[i].thread, NULL, lane_run, &lanes[i]), 0);
        }
        for (unsigned i = 0; i < lane_count; i++)
            assert_int_equal(pthread_join(lanes[i].thread, NULL), 0);
        keeper_invalidate(&world->keeper); /* the writer has posted its last letter to the lanes */
        for (unsigned i = 0; i < lane_count; i++)
            lane_close(&lanes[i]);
    }
    print_message(
        "# hits %u led %u joined %u landed %u alone %u refused %u retried %u abandoned %u\n",
        world->hits, world->led, world->joined, world->landed, world->alone, world->refused,
        world->retried, world->abandoned);
    assert_int_equal(flights_count(world->flights), 0);
    flights_destroy(world->flights);
    keeper_close(&world->keeper);
    assert_int_equal(world->stale, 0);
    assert_true(world_was_seen(world));
    free(lanes);
    free(world);
}

static void no_read_on_one_thread_shows_less_than_an_answered_write(void **state)
{
    (void)state;
    world_run(1, 60000);
}

static void no_read_on_several_threads_shows_less_than_an_answered_write(void **state)
{
    (void)state;
    world_run(4, 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_read_on_one_thread_shows_less_than_an_answered_write),
        cmocka_unit_test(no_read_on_several_threads_shows_less_than_an_answered_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
