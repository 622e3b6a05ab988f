/*
 * Quotas by name. What a day's counts belong to is the day's first moment, kept beside them:
 * whoever comes first in a new day sets them to zero, under a lock that nobody else waits for
 * longer than that takes. Counts that race with it may land on either side of midnight.
 */
#include "access/quotas.h"

#include <assert.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/memory.h"

/* A clock that is set back by no more than this goes on with the day it was in. */
static const int64_t slip_us = INT64_C(3600) * 1000 * 1000;

/* The order is the ledger's: do not change it. */
enum { COUNT_TAKEN, COUNT_REQUESTS, COUNT_HITS, COUNT_CALLS, COUNTS };
static_assert((int)COUNTS <= (int)LEDGER_COUNTS, "a line of the ledger holds them all");

struct quota {
    struct quotas *quotas;
    SLIST_ENTRY(quota) link;
    const char *name;  /* behind the prefix of ledger_name */
    char *ledger_name; /* heap */
    struct pace pace;
    /* its limits; relaxed: a request that meets half a change is judged by either */
    _Atomic int64_t interval_ns, tolerance_ns;
    _Atomic uint32_t per_day;
    _Atomic int64_t day; /* which one the counts are of; released behind their zeros */
    _Atomic uint64_t counts[COUNTS];
    struct ledger_line noted; /* main's */
};

struct quotas {
    struct ledger *ledger;
    struct day_zone *zone;
    /* main writes, after midnight: the day's bounds, and the end of the one after it, for who comes
     * before main does. The first end is released behind the others: who sees it sees them. */
    _Atomic int64_t begins_wall_us, ends_wall_us, next_ends_wall_us;
    pthread_mutex_t turning; /* guards the step of a quota into a new day */
    void *by_name;           /* of tsearch; main's */
    SLIST_HEAD(, quota) all;
    size_t count;
};

static const char name_prefix[] = "client/";

/* --- days --- */

static int64_t load(const _Atomic int64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void store(_Atomic int64_t *value, int64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}

static void quotas_tell_days(struct quotas *quotas, int64_t wall_us)
{
    const struct day today = day_of(quotas->zone, wall_us);
    const struct day next = day_of(quotas->zone, today.ends_wall_us);

    store(&quotas->begins_wall_us, today.begins_wall_us);
    store(&quotas->next_ends_wall_us, next.ends_wall_us);
    atomic_store_explicit(&quotas->ends_wall_us, today.ends_wall_us, memory_order_release);
}

static int64_t first_end(const struct quotas *quotas)
{
    return atomic_load_explicit(&quotas->ends_wall_us, memory_order_acquire);
}

static int64_t day_end(const struct quotas *quotas, int64_t wall_us)
{
    const int64_t ends_wall_us = first_end(quotas);

    return wall_us < ends_wall_us ? ends_wall_us : load(&quotas->next_ends_wall_us);
}

/* Sees to it that the counts are those of the day of `wall_us`. */
static void quota_turn(struct quota *quota, int64_t wall_us)
{
    struct quotas *quotas = quota->quotas;
    const int64_t ends_wall_us = first_end(quotas);
    const int64_t day = wall_us < ends_wall_us ? load(&quotas->begins_wall_us) : ends_wall_us;

    if (atomic_load_explicit(&quota->day, memory_order_acquire) == day)
        return;
    (void)pthread_mutex_lock(&quotas->turning);
    if (load(&quota->day) != day) {
        for (size_t i = 0; i < COUNTS; i++)
            atomic_store_explicit(&quota->counts[i], 0, memory_order_relaxed);
        atomic_store_explicit(&quota->day, day, memory_order_release);
    }
    (void)pthread_mutex_unlock(&quotas->turning);
}

/* --- all of them --- */

struct quotas *quotas_create(struct ledger *ledger, struct day_zone *zone, int64_t wall_us)
{
    struct quotas *quotas = memory_take(1, sizeof(*quotas));

    quotas->ledger = ledger;
    quotas->zone = zone;
    (void)pthread_mutex_init(&quotas->turning, NULL); /* default attributes: cannot fail on Linux */
    SLIST_INIT(&quotas->all);
    quotas_tell_days(quotas, wall_us);
    return quotas;
}

static void node_keep(void *node)
{
    (void)node; /* it is the quota's own, which the list frees */
}

void quotas_destroy(struct quotas *quotas)
{
    struct quota *quota;

    if (quotas == NULL)
        return;
    tdestroy(quotas->by_name, node_keep);
    while ((quota = SLIST_FIRST(&quotas->all)) != NULL) {
        SLIST_REMOVE_HEAD(&quotas->all, link);
        free(quota->ledger_name);
        free(quota);
    }
    (void)pthread_mutex_destroy(&quotas->turning);
    day_zone_close(quotas->zone);
    free(quotas);
}

void quotas_set_zone(struct quotas *quotas, struct day_zone *zone, int64_t wall_us)
{
    day_zone_close(quotas->zone);
    quotas->zone = zone;
    quotas_tell_days(quotas, wall_us);
}

static struct ledger_line quota_line(struct quota *quota)
{
    struct ledger_line line = {0};

    (void)pthread_mutex_lock(&quota->quotas->turning); /* so that day and counts belong together */
    line.day_begins_wall_us = load(&quota->day);
    for (size_t i = 0; i < COUNTS; i++)
        line.counts[i] = atomic_load_explicit(&quota->counts[i], memory_order_relaxed);
    (void)pthread_mutex_unlock(&quota->quotas->turning);
    return line;
}

static bool lines_equal(const struct ledger_line *a, const struct ledger_line *b)
{
    for (size_t i = 0; i < COUNTS; i++)
        if (a->counts[i] != b->counts[i])
            return false;
    return a->day_begins_wall_us == b->day_begins_wall_us;
}

/* What has changed, one entry each, in the order of the list. */
static size_t quotas_gather(struct quotas *quotas, struct ledger_entry *entries)
{
    size_t count = 0;
    struct quota *quota;

    SLIST_FOREACH(quota, &quotas->all, link)
    {
        const struct ledger_line line = quota_line(quota);

        if (!lines_equal(&line, &quota->noted))
            entries[count++] =
                (struct ledger_entry){.name = bytes_of_string(quota->ledger_name), .line = line};
    }
    return count;
}

enum result quotas_note(struct quotas *quotas, int64_t wall_us)
{
    enum result result = RESULT_OK;
    size_t at = 0;
    struct quota *quota;

    if (wall_us >= load(&quotas->ends_wall_us) || wall_us < load(&quotas->begins_wall_us) - slip_us)
        quotas_tell_days(quotas, wall_us);
    if (quotas->ledger == NULL)
        return RESULT_OK;
    struct ledger_entry *entries = memory_take(quotas->count, sizeof(*entries));
    const size_t count = quotas_gather(quotas, entries);
    if (count > 0)
        result = ledger_write(quotas->ledger, entries, count);
    SLIST_FOREACH(quota, &quotas->all, link)
    {
        if (result == RESULT_OK && at < count && entries[at].name.data == quota->ledger_name)
            quota->noted = entries[at++].line;
    }
    free(entries);
    return result;
}

/* --- one of them --- */

static int quotas_order(const void *a, const void *b)
{
    return strcmp(((const struct quota *)a)->name, ((const struct quota *)b)->name);
}

/* What the ledger says of it, if it is of a day that still goes on. */
static void quota_recall(struct quota *quota)
{
    struct ledger *ledger = quota->quotas->ledger;
    struct ledger_line line;

    if (ledger == NULL ||
        ledger_read(ledger, bytes_of_string(quota->ledger_name), &line) != RESULT_OK)
        return; /* a damaged line is as none: it is written anew */
    quota->noted = line;
    store(&quota->day, line.day_begins_wall_us);
    for (size_t i = 0; i < COUNTS; i++)
        atomic_store_explicit(&quota->counts[i], line.counts[i], memory_order_relaxed);
}

struct quota *quotas_of(struct quotas *quotas, const char *name)
{
    const struct quota wanted = {.name = name};
    void *node = tfind(&wanted, &quotas->by_name, quotas_order);

    if (node != NULL)
        return *(struct quota **)node;
    struct quota *quota = memory_take(1, sizeof(*quota));
    const size_t size = strlen(name) + 1;
    quota->quotas = quotas;
    quota->ledger_name = memory_take(sizeof(name_prefix) - 1 + size, 1);
    memcpy(quota->ledger_name, name_prefix, sizeof(name_prefix) - 1);
    memcpy(quota->ledger_name + sizeof(name_prefix) - 1, name, size);
    quota->name = quota->ledger_name + sizeof(name_prefix) - 1;
    quota_recall(quota);
    if (tsearch(quota, &quotas->by_name, quotas_order) == NULL)
        memory_exhausted();
    SLIST_INSERT_HEAD(&quotas->all, quota, link);
    quotas->count++;
    return quota;
}

static struct pace_limit quota_pace(const struct quota *quota)
{
    return (struct pace_limit){.interval_ns = load(&quota->interval_ns),
                               .tolerance_ns = load(&quota->tolerance_ns)};
}

void quota_set(struct quota *quota, const struct quota_config *limit, int64_t now_us)
{
    const struct pace_limit from = quota_pace(quota);
    const struct pace_limit to = pace_limit_of(limit->per_second, limit->burst);

    pace_change(&quota->pace, &from, &to, now_us);
    store(&quota->interval_ns, to.interval_ns);
    store(&quota->tolerance_ns, to.tolerance_ns);
    atomic_store_explicit(&quota->per_day, limit->per_day, memory_order_relaxed);
}

/* Takes one of the day's. */
static bool quota_take_of_day(struct quota *quota, uint64_t per_day)
{
    uint64_t taken = atomic_load_explicit(&quota->counts[COUNT_TAKEN], memory_order_relaxed);

    do
        if (per_day != 0 && taken >= per_day)
            return false;
    while (!atomic_compare_exchange_weak_explicit(&quota->counts[COUNT_TAKEN], &taken, taken + 1,
                                                  memory_order_relaxed, memory_order_relaxed));
    return true;
}

static bool day_is_used(const struct quota *quota, uint64_t per_day)
{
    return per_day != 0 &&
           atomic_load_explicit(&quota->counts[COUNT_TAKEN], memory_order_relaxed) >= per_day;
}

enum quota_answer quota_take(struct quota *quota, int64_t now_us, int64_t wall_us, int64_t *wait_us)
{
    const struct pace_limit pace = quota_pace(quota);
    const uint32_t per_day = atomic_load_explicit(&quota->per_day, memory_order_relaxed);

    quota_turn(quota, wall_us);
    /* the day first: what it refuses must not cost one of the second's */
    if (!day_is_used(quota, per_day)) {
        if (!pace_take(&quota->pace, &pace, now_us, wait_us))
            return QUOTA_SECOND;
        if (quota_take_of_day(quota, per_day))
            return QUOTA_FINE;
    }
    *wait_us = day_end(quota->quotas, wall_us) - wall_us;
    if (*wait_us < 1)
        *wait_us = 1;
    return QUOTA_DAY;
}

static void quota_add(struct quota *quota, unsigned which, uint64_t amount)
{
    (void)atomic_fetch_add_explicit(&quota->counts[which], amount, memory_order_relaxed);
}

void quota_count(struct quota *quota, bool was_hit, uint64_t upstream_calls, int64_t wall_us)
{
    quota_turn(quota, wall_us);
    quota_add(quota, COUNT_REQUESTS, 1);
    if (was_hit)
        quota_add(quota, COUNT_HITS, 1);
    if (upstream_calls > 0)
        quota_add(quota, COUNT_CALLS, upstream_calls);
}

static uint64_t quota_counted(const struct quota *quota, unsigned which)
{
    return atomic_load_explicit(&quota->counts[which], memory_order_relaxed);
}

void quota_view(struct quota *quota, int64_t now_us, int64_t wall_us, struct quota_view *view)
{
    const struct pace_limit pace = quota_pace(quota);
    const uint32_t per_day = atomic_load_explicit(&quota->per_day, memory_order_relaxed);

    quota_turn(quota, wall_us);
    const uint64_t taken = quota_counted(quota, COUNT_TAKEN);
    const int64_t full_us = load(&quota->pace.full_ns) / 1000 - now_us;
    *view = (struct quota_view){
        .second_left = pace_left(&quota->pace, &pace, now_us),
        .day_left = per_day == 0      ? UINT64_MAX
                    : taken < per_day ? per_day - taken
                                      : 0,
        .second_full_us = pace.interval_ns == 0 || full_us < 0 ? 0 : full_us,
        .day_ends_wall_us = day_end(quota->quotas, wall_us),
        .requests_today = quota_counted(quota, COUNT_REQUESTS),
        .hits_today = quota_counted(quota, COUNT_HITS),
        .calls_today = quota_counted(quota, COUNT_CALLS),
    };
}
