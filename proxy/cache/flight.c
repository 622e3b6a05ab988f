/* The table of flights, by variant hash and whole URL key. See flight.h for who does what. */
#include "cache/flight.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/breakage.h"
#include "base/clock.h"
#include "base/memory.h"

enum {
    FLIGHT_SHARDS = 64,
    FLIGHT_BUCKETS = 256, /* a shard's */
    FLIGHT_REMEMBERED = 256,
    FLIGHT_REMEMBER_US = 60 * 1000 * 1000,
    FLIGHT_ARENA_BYTES = 4096,
};

/* To the leader; both are members of the flight, which is there until they have come. */
struct flight_letter {
    struct letter letter; /* first */
    struct flight *flight;
};

struct flight {
    struct flight_letter abandoned_letter, raised_letter;
    struct flight *next; /* in its bucket */
    struct flights *owner;
    struct account *account;
    struct hash128 variant;
    struct bytes key; /* heap: the URL key's text */
    struct flight_hooks hooks;
    /* guarded by the shard's lock */
    bool listed;    /* in the table */
    uint64_t begun; /* 0: not sent yet */
    bool leader_gone;
    bool abandoned; /* the letter was posted */
    bool is_urgent; /* so is the leader, or one of the waiters */
    bool is_led_urgently;
    bool is_hooked; /* hooks are set */
    unsigned letters_due;
    bool ended; /* flight_end came before the last letter, which frees */
    struct flight_waiter *waiters;
    size_t waiter_count;
    struct flight_answer *answer; /* landed; one reference */
};

struct remembered {
    struct hash128 variant;
    int64_t until_us;
};

struct shard {
    pthread_mutex_t lock;
    struct flight *buckets[FLIGHT_BUCKETS];
    struct remembered
        remembered[FLIGHT_REMEMBERED]; /* by hash; a newer one takes an older one's place */
    size_t count;
};

struct flights {
    struct cache *cache;
    struct shard shards[FLIGHT_SHARDS];
};

struct flight_answer *flight_answer_create(size_t limit_bytes)
{
    struct flight_answer *answer = memory_take(1, sizeof(*answer));

    atomic_init(&answer->references, 1);
    arena_init(&answer->arena, FLIGHT_ARENA_BYTES);
    buffer_init(&answer->spool, limit_bytes);
    answer->upstream_us = -1;
    return answer;
}

static struct flight_answer *answer_acquire(struct flight_answer *answer)
{
    (void)atomic_fetch_add_explicit(&answer->references, 1,
                                    memory_order_relaxed); /* who calls has one */
    return answer;
}

void flight_answer_release(struct flight_answer *answer)
{
    if (answer == NULL ||
        atomic_fetch_sub_explicit(&answer->references, 1, memory_order_acq_rel) != 1)
        return;
    arena_finish(&answer->arena);
    buffer_finish(&answer->spool);
    free(answer);
}

struct flights *flights_create(struct cache *cache)
{
    struct flights *flights = memory_take(1, sizeof(*flights));

    flights->cache = cache;
    for (size_t i = 0; i < FLIGHT_SHARDS; i++)
        (void)pthread_mutex_init(&flights->shards[i].lock,
                                 NULL); /* default attributes: cannot fail on Linux */
    return flights;
}

void flights_destroy(struct flights *flights)
{
    if (flights == NULL)
        return;
    for (size_t i = 0; i < FLIGHT_SHARDS; i++)
        (void)pthread_mutex_destroy(&flights->shards[i].lock);
    free(flights);
}

static struct shard *shard_of(struct flights *flights, struct hash128 variant)
{
    return &flights->shards[variant.high % FLIGHT_SHARDS];
}

static struct shard *shard_lock(struct flights *flights, struct hash128 variant)
{
    struct shard *shard = shard_of(flights, variant);

    (void)pthread_mutex_lock(&shard->lock);
    return shard;
}

static void shard_unlock(struct shard *shard)
{
    (void)pthread_mutex_unlock(&shard->lock);
}

static struct flight **bucket_of(struct shard *shard, struct hash128 variant)
{
    return &shard->buckets[variant.low % FLIGHT_BUCKETS];
}

static struct remembered *remembered_of(struct shard *shard, struct hash128 variant)
{
    return &shard->remembered[(variant.low / FLIGHT_BUCKETS) % FLIGHT_REMEMBERED];
}

static struct flight *shard_find(struct shard *shard, struct hash128 variant, struct bytes key)
{
    struct flight *flight = *bucket_of(shard, variant);

    while (flight != NULL &&
           !(hash_equal(flight->variant, variant) && bytes_equal(flight->key, key)))
        flight = flight->next;
    return flight;
}

static void shard_unlist(struct shard *shard, struct flight *flight)
{
    struct flight **link = bucket_of(shard, flight->variant);

    if (!flight->listed)
        return;
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    flight->listed = false;
    shard->count--;
}

static void shard_list(struct shard *shard, struct flight *flight)
{
    struct flight **bucket = bucket_of(shard, flight->variant);

    flight->next = *bucket;
    *bucket = flight;
    flight->listed = true;
    shard->count++;
}

/* Rule 6. */
static bool flight_takes_joiners(const struct flight *flight)
{
    if (flight->abandoned || is_broken("6"))
        return !flight->abandoned;
    return flight->begun == 0 || account_invalidated(flight->account) <= flight->begun;
}

static void flight_free(struct flight *flight)
{
    flight_answer_release(flight->answer);
    free((void *)flight->key.data);
    free(flight);
}

/* A letter has come, on the leader's thread. False: the flight has ended, and may be gone. */
static bool flight_take_letter(struct flight *flight)
{
    struct shard *shard = shard_lock(flight->owner, flight->variant);
    const bool is_last = --flight->letters_due == 0;
    const bool ended = flight->ended;

    shard_unlock(shard);
    if (ended && is_last)
        flight_free(flight);
    return !ended;
}

static void flight_on_abandoned(struct letter *letter)
{
    struct flight *flight = ((struct flight_letter *)letter)->flight;

    if (flight_take_letter(flight))
        flight->hooks.on_abandoned(flight->hooks.context);
}

static void flight_on_raised(struct letter *letter)
{
    struct flight *flight = ((struct flight_letter *)letter)->flight;

    if (flight_take_letter(flight))
        flight->hooks.on_raised(flight->hooks.context);
}

/* Under the shard's lock. */
static void flight_tell_leader(struct flight *flight, struct flight_letter *letter)
{
    flight->letters_due++;
    mailbox_post(flight->hooks.mailbox, &letter->letter);
}

static struct flight *flight_create(struct flights *flights, const struct cache_query *query,
                                    struct hash128 variant)
{
    struct flight *flight = memory_take(1, sizeof(*flight));
    char *key = memory_take(1, query->url.text.length);

    memcpy(key, query->url.text.data, query->url.text.length);
    flight->abandoned_letter =
        (struct flight_letter){.letter = {.deliver = flight_on_abandoned}, .flight = flight};
    flight->raised_letter =
        (struct flight_letter){.letter = {.deliver = flight_on_raised}, .flight = flight};
    flight->owner = flights;
    flight->account = query->account;
    flight->variant = variant;
    flight->key = bytes_of(key, query->url.text.length);
    return flight;
}

static void waiter_link(struct flight *flight, struct flight_waiter *waiter)
{
    waiter->flights = flight->owner;
    waiter->variant = flight->variant;
    waiter->flight = flight;
    waiter->previous = NULL;
    waiter->next = flight->waiters;
    if (waiter->next != NULL)
        waiter->next->previous = waiter;
    flight->waiters = waiter;
    flight->waiter_count++;
    if (!waiter->is_urgent || flight->is_urgent)
        return;
    flight->is_urgent = true;
    if (flight->is_hooked)
        flight_tell_leader(flight, &flight->raised_letter);
}

static void waiter_unlink(struct flight *flight, struct flight_waiter *waiter)
{
    if (waiter->previous != NULL)
        waiter->previous->next = waiter->next;
    else
        flight->waiters = waiter->next;
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
    waiter->flight = NULL;
    flight->waiter_count--;
}

enum flight_role flight_join(struct flights *flights, const struct cache_query *query,
                             struct hash128 variant, struct flight_waiter *waiter,
                             struct flight **flight)
{
    struct shard *shard = shard_lock(flights, variant);
    struct flight *found = shard_find(shard, variant, query->url.text);
    const struct remembered *remembered = remembered_of(shard, variant);
    enum flight_role role = FLIGHT_LEAD;

    if (found != NULL && flight_takes_joiners(found)) {
        role = found->answer != NULL ? FLIGHT_LANDED : FLIGHT_WAIT;
        if (role == FLIGHT_LANDED)
            waiter->answer = answer_acquire(found->answer);
        else if (found->waiter_count == FLIGHT_WAITERS_LIMIT)
            role = FLIGHT_ALONE;
        else
            waiter_link(found, waiter);
    } else if (hash_equal(remembered->variant, variant) && remembered->until_us > clock_now_us()) {
        role = FLIGHT_ALONE;
    }
    if (role == FLIGHT_LEAD) {
        if (found != NULL)
            shard_unlist(shard, found);
        *flight = flight_create(flights, query, variant);
        (*flight)->is_urgent = (*flight)->is_led_urgently = waiter->is_urgent;
        shard_list(shard, *flight);
    }
    shard_unlock(shard);
    return role;
}

void flight_set_hooks(struct flight *flight, const struct flight_hooks *hooks)
{
    struct shard *shard = shard_lock(flight->owner, flight->variant);

    flight->hooks = *hooks;
    flight->is_hooked = true;
    if (flight->is_urgent && !flight->is_led_urgently) /* one came meanwhile */
        flight_tell_leader(flight, &flight->raised_letter);
    shard_unlock(shard);
}

uint64_t flight_sent(struct flight *flight)
{
    struct shard *shard = shard_lock(flight->owner, flight->variant);

    flight->begun = cache_now(flight->owner->cache);
    const uint64_t begun = flight->begun;
    shard_unlock(shard);
    return begun;
}

/* Takes all waiters out; each gets the answer (or none) by letter. */
static void flight_tell_waiters(struct flight *flight, struct flight_answer *answer)
{
    while (flight->waiters != NULL) {
        struct flight_waiter *waiter = flight->waiters;

        waiter_unlink(flight, waiter);
        waiter->answer = answer == NULL ? NULL : answer_acquire(answer);
        mailbox_post(waiter->mailbox, &waiter->letter);
    }
}

void flight_land(struct flight *flight, struct flight_answer *answer)
{
    struct shard *shard = shard_lock(flight->owner, flight->variant);

    assert(flight->answer == NULL);
    flight->answer = answer_acquire(answer);
    flight_tell_waiters(flight, answer);
    shard_unlock(shard);
}

void flight_end(struct flight *flight, bool remember)
{
    struct shard *shard = shard_lock(flight->owner, flight->variant);

    flight_tell_waiters(flight, NULL);
    shard_unlist(shard, flight);
    if (remember)
        *remembered_of(shard, flight->variant) = (struct remembered){
            .variant = flight->variant, .until_us = clock_now_us() + FLIGHT_REMEMBER_US};
    flight->ended = true;
    const bool letter_is_due = flight->letters_due > 0;
    shard_unlock(shard);
    if (!letter_is_due)
        flight_free(flight);
}

bool flight_leader_left(struct flight *flight)
{
    struct shard *shard = shard_lock(flight->owner, flight->variant);
    const bool alone = flight->waiters == NULL && flight->answer == NULL;

    flight->leader_gone = true;
    if (alone)
        shard_unlist(shard, flight);
    shard_unlock(shard);
    return alone;
}

bool flight_leave(struct flight_waiter *waiter)
{
    struct shard *shard = shard_lock(waiter->flights, waiter->variant);
    struct flight *flight = waiter->flight;

    if (flight != NULL) {
        waiter_unlink(flight, waiter);
        if (flight->leader_gone && flight->waiters == NULL && flight->answer == NULL) {
            flight->abandoned = true;
            shard_unlist(shard, flight);
            flight_tell_leader(flight, &flight->abandoned_letter);
        }
    }
    shard_unlock(shard);
    return flight != NULL;
}

size_t flights_count(struct flights *flights)
{
    size_t count = 0;

    for (size_t i = 0; i < FLIGHT_SHARDS; i++) {
        (void)pthread_mutex_lock(&flights->shards[i].lock);
        count += flights->shards[i].count;
        (void)pthread_mutex_unlock(&flights->shards[i].lock);
    }
    return count;
}
