/* The rules of a budget. What waits where, queue.c knows; what an answer means, verdict.c. */
#include "upstream/admission.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/day.h"
#include "base/memory.h"
#include "base/pace.h"
#include "upstream/pauses.h"

enum {
    SAME_RESET_US = 2 * 1000 * 1000, /* resets that lie nearer are of one window */
    LEASE_LIMIT = 100,               /* calls that are noted ahead of use */
    LEASE_SHARE = 1000,              /* … or so small a share of the day's */
    RETRY_CENTS = 100,               /* of the retry budget */
    RETRY_CENTS_A_CALL = 20,
    RETRY_FIRST_US = 100 * 1000, /* doubles with each try */
    RETRY_DOUBLINGS = 6,
    PROBE_JITTER_US = 50 * 1000,
};

TAILQ_HEAD(ticket_list, budget_ticket);

struct admission {
    struct budget_limits limits;
    struct ledger *ledger;
    char *name;
    struct day_zone *zone;
    bool has_breaker;

    struct queue *queue;
    struct ticket_list decided;
    uint32_t under_way, reads_under_way;

    struct pace pace, write_pace; /* the second: what writes have had of their share */
    struct pace_limit rate, write_rate;

    struct day day;
    uint64_t day_spent, day_noted; /* what the ledger knows: at least what was spent */

    bool has_left;
    uint64_t left, left_first;
    int64_t left_until_us;

    struct pauses pauses;
    struct breaker breaker;
    int64_t retry_cents;

    uint64_t admitted, refused, pause_count, probes, retries;
};

static struct budget_ticket *ticket_of(struct queue_place *place)
{
    return place == NULL ? NULL
                         : (struct budget_ticket *)(void *)((char *)place -
                                                            offsetof(struct budget_ticket, place));
}

/* The part of a number that is kept for writes. */
static uint64_t reserved_of(const struct admission *admission, uint64_t number)
{
    return (uint64_t)((double)number * admission->limits.write_share);
}

/* --- the day --- */

static void day_note(struct admission *admission, uint64_t spent)
{
    const struct ledger_entry entry = {
        .name = bytes_of_string(admission->name),
        .line = {.day_begins_wall_us = admission->day.begins_wall_us, .counts = {spent}},
    };

    if (admission->ledger == NULL)
        return;
    /* on a full disk the count goes on in memory */
    (void)!ledger_write(admission->ledger, &entry, 1);
    admission->day_noted = spent;
}

/* A day's calls begin at its midnight. A clock that is set back to yesterday stays in today. */
static void day_turn(struct admission *admission, int64_t wall_us)
{
    if (wall_us < admission->day.ends_wall_us)
        return;
    admission->day = day_of(admission->zone, wall_us);
    admission->day_spent = admission->day_noted = 0;
}

static void day_open(struct admission *admission, int64_t wall_us)
{
    struct ledger_line line;

    admission->day = day_of(admission->zone, wall_us);
    admission->day_spent = admission->day_noted = 0;
    if (admission->ledger == NULL ||
        ledger_read(admission->ledger, bytes_of_string(admission->name), &line) != RESULT_OK ||
        line.day_begins_wall_us < admission->day.begins_wall_us)
        return;
    if (line.day_begins_wall_us > admission->day.begins_wall_us)
        admission->day = day_of(admission->zone, line.day_begins_wall_us); /* the clock went back */
    admission->day_spent = admission->day_noted = line.counts[0];
}

static void day_spend(struct admission *admission)
{
    const uint64_t share = admission->limits.per_day / LEASE_SHARE;
    const uint64_t lease = share < 1 ? 1 : share > LEASE_LIMIT ? LEASE_LIMIT : share;

    admission->day_spent++;
    if (admission->limits.per_day > 0 && admission->day_spent > admission->day_noted)
        day_note(admission, admission->day_spent + lease - 1);
}

/* --- life --- */

/* The writes' share of the rate. Two at once at least: with one, each decision that comes a little
 * after the share allows it would make the share smaller by so much. */
static struct pace_limit write_rate_of(const struct budget_limits *limits)
{
    const uint32_t burst = (uint32_t)(limits->burst * limits->write_share);

    return pace_limit_of(limits->per_second * limits->write_share, burst < 2 ? 2 : burst);
}

static void limits_use(struct admission *admission, const struct budget_options *options,
                       int64_t now_us)
{
    const struct budget_limits *limits = options->limits;
    const struct pace_limit rate = pace_limit_of(limits->per_second, limits->burst);
    const struct pace_limit write_rate = write_rate_of(limits);

    pace_change(&admission->pace, &admission->rate, &rate, now_us);
    pace_change(&admission->write_pace, &admission->write_rate, &write_rate, now_us);
    admission->rate = rate;
    admission->write_rate = write_rate;
    admission->limits = *limits;
    admission->limits.time_zone = NULL; /* the zone is open */
    admission->pauses.max_us = options->pause_max_us;
    admission->has_breaker = options->has_breaker;
}

enum result admission_create(const struct budget_options *options, const struct times *times,
                             struct admission **created)
{
    struct day_zone *zone;
    const enum result result = day_zone_open(options->limits->time_zone, &zone);

    if (result != RESULT_OK)
        return result;
    struct admission *admission = memory_take(1, sizeof(*admission));
    admission->zone = zone;
    admission->ledger = options->ledger;
    admission->name = memory_take(options->name.length + 1, 1);
    memcpy(admission->name, options->name.data, options->name.length);
    admission->queue = queue_create();
    TAILQ_INIT(&admission->decided);
    admission->retry_cents = ADMISSION_RETRIES * RETRY_CENTS;
    limits_use(admission, options, times->now_us);
    day_open(admission, times->wall_us);
    *created = admission;
    return RESULT_OK;
}

void admission_destroy(struct admission *admission)
{
    if (admission == NULL)
        return;
    assert(queue_count(admission->queue) == 0 && TAILQ_EMPTY(&admission->decided));
    if (admission->limits.per_day > 0)
        day_note(admission, admission->day_spent);
    queue_destroy(admission->queue);
    day_zone_close(admission->zone);
    free(admission->name);
    free(admission);
}

enum result admission_set(struct admission *admission, const struct budget_options *options,
                          const struct times *times)
{
    struct day_zone *zone;
    const enum result result = day_zone_open(options->limits->time_zone, &zone);

    if (result != RESULT_OK)
        return result;
    day_zone_close(admission->zone);
    admission->zone = zone;
    limits_use(admission, options, times->now_us);
    day_turn(admission, times->wall_us);
    admission->day.ends_wall_us = day_of(zone, times->wall_us).ends_wall_us;
    return RESULT_OK;
}

/* --- what there is room for --- */

static bool left_counts(const struct admission *admission, int64_t now_us)
{
    return admission->has_left && now_us < admission->left_until_us;
}

/* What is spent until tomorrow or a reset: *wait_us is how long that is. */
static bool is_spent(const struct admission *admission, bool is_write, const struct times *times,
                     int64_t *wait_us)
{
    const uint64_t per_day = admission->limits.per_day;
    const uint64_t of_day = is_write ? 0 : reserved_of(admission, per_day);
    const uint64_t of_left = is_write ? 0 : reserved_of(admission, admission->left_first);

    if (per_day > 0 && admission->day_spent + of_day >= per_day) {
        *wait_us = admission->day.ends_wall_us - times->wall_us;
        return true;
    }
    if (left_counts(admission, times->now_us) && admission->left <= of_left) {
        *wait_us = admission->left_until_us - times->now_us;
        return true;
    }
    return false;
}

static bool has_place(const struct admission *admission, bool is_write)
{
    const uint32_t all = admission->limits.concurrency;

    if (all == 0)
        return true;
    return admission->under_way < all &&
           (is_write || admission->reads_under_way < all - (uint32_t)reserved_of(admission, all));
}

/* The call goes. */
static void admit(struct admission *admission, struct budget_ticket *ticket,
                  const struct times *times)
{
    if (ticket->is_write)
        pace_force(&admission->write_pace, &admission->write_rate, times->now_us);
    admission->under_way++;
    admission->reads_under_way += !ticket->is_write;
    ticket->day_begins_wall_us = admission->day.begins_wall_us;
    day_spend(admission);
    if (left_counts(admission, times->now_us) && admission->left > 0)
        admission->left--;
    admission->admitted++;
    admission->retry_cents += RETRY_CENTS_A_CALL;
    if (admission->retry_cents > ADMISSION_RETRIES * RETRY_CENTS)
        admission->retry_cents = ADMISSION_RETRIES * RETRY_CENTS;
    ticket->refusal = BUDGET_ADMITTED;
}

static void probes_lose(struct admission *admission, struct budget_ticket *ticket)
{
    if (ticket->is_pause_probe)
        pauses_lost(&admission->pauses, ticket->caller.scope);
    if (ticket->is_breaker_probe)
        breaker_lost(&admission->breaker);
    ticket->is_pause_probe = ticket->is_breaker_probe = false;
}

static enum result refuse(struct admission *admission, struct budget_ticket *ticket,
                          enum budget_refusal refusal, int64_t retry_after_us)
{
    probes_lose(admission, ticket);
    admission->refused++;
    ticket->refusal = refusal;
    ticket->retry_after_us = retry_after_us;
    return RESULT_REFUSED;
}

/* It waited until now. */
static void decide(struct admission *admission, struct budget_ticket *ticket)
{
    ticket->waits = false;
    ticket->decided = true;
    TAILQ_INSERT_TAIL(&admission->decided, ticket, in_decided);
}

/* Whether a refusal is for all who wait, or for those of one scope. */
static void refuse_waiting(struct admission *admission, const uint64_t *scope,
                           enum budget_refusal refusal, int64_t retry_after_us)
{
    struct queue_place *place = queue_each(admission->queue, NULL);

    while (place != NULL) {
        struct budget_ticket *ticket = ticket_of(place);

        place = queue_each(admission->queue, place);
        if (scope != NULL && ticket->caller.scope != *scope)
            continue;
        queue_remove(admission->queue, &ticket->place);
        (void)refuse(admission, ticket, refusal, retry_after_us); /* as asked */
        decide(admission, ticket);
    }
}

/* --- deciding --- */

/* The write that goes before all reads, if one has a right to. */
static struct budget_ticket *take_write(struct admission *admission, const struct times *times)
{
    if (admission->write_rate.interval_ns == 0 ||
        pace_left(&admission->write_pace, &admission->write_rate, times->now_us) == 0)
        return NULL;
    return ticket_of(queue_take_write(admission->queue));
}

/* Those who can't have what they wait for until tomorrow or a reset need not wait. */
static void refuse_spent(struct admission *admission, const struct times *times)
{
    int64_t wait_us;

    if (is_spent(admission, true, times, &wait_us)) {
        refuse_waiting(admission, NULL, BUDGET_SPENT, wait_us);
        return;
    }
    if (!is_spent(admission, false, times, &wait_us))
        return;
    for (struct queue_place *place = queue_each(admission->queue, NULL), *next; place != NULL;
         place = next) {
        struct budget_ticket *ticket = ticket_of(place);

        next = queue_each(admission->queue, place);
        if (ticket->is_write)
            continue;
        queue_remove(admission->queue, place);
        (void)refuse(admission, ticket, BUDGET_SPENT, wait_us); /* as asked */
        decide(admission, ticket);
    }
}

int64_t admission_run(struct admission *admission, const struct times *times)
{
    int64_t wait_us;

    day_turn(admission, times->wall_us);
    while (queue_count(admission->queue) > 0) {
        refuse_spent(admission, times);
        const bool reads_too = has_place(admission, false);
        const bool any =
            reads_too ? queue_count(admission->queue) > 0
                      : has_place(admission, true) && queue_write_count(admission->queue) > 0;
        if (!any)
            break;
        if (!pace_take(&admission->pace, &admission->rate, times->now_us, &wait_us))
            return times->now_us + wait_us;
        struct budget_ticket *ticket = take_write(admission, times);
        if (ticket == NULL)
            ticket = ticket_of(queue_take(admission->queue, reads_too));
        assert(ticket != NULL);
        admit(admission, ticket, times);
        decide(admission, ticket);
    }
    return INT64_MAX;
}

struct budget_ticket *admission_decided(struct admission *admission)
{
    struct budget_ticket *ticket = TAILQ_FIRST(&admission->decided);

    if (ticket == NULL)
        return NULL;
    TAILQ_REMOVE(&admission->decided, ticket, in_decided);
    ticket->decided = false;
    return ticket;
}

/* --- coming and going --- */

/* Nobody may be let in who would only be told to go away: breaker and pauses. */
static bool is_turned_away(struct admission *admission, struct budget_ticket *ticket,
                           int64_t now_us)
{
    int64_t wait_us = 0;
    enum breaker_answer breaker = BREAKER_GO;

    if (admission->has_breaker)
        breaker = breaker_ask(&admission->breaker, now_us, &wait_us);
    ticket->is_breaker_probe = breaker == BREAKER_PROBE;
    if (breaker == BREAKER_WAIT) {
        (void)refuse(admission, ticket, BUDGET_BROKEN, wait_us); /* as asked */
        return true;
    }
    const enum pause_answer pause =
        pauses_ask(&admission->pauses, ticket->caller.scope, now_us, &wait_us);
    ticket->is_pause_probe = pause == PAUSE_PROBE;
    if (pause == PAUSE_WAIT)
        (void)refuse(admission, ticket, BUDGET_PAUSED, wait_us); /* as asked */
    return pause == PAUSE_WAIT;
}

/* When its turn would come, as far as the rate tells. */
static int64_t turn_us(const struct admission *admission, const struct budget_ticket *ticket)
{
    const size_t ahead = queue_ahead(admission->queue, &ticket->place);
    int64_t ns = admission->rate.interval_ns * (int64_t)(ahead + 1);

    if (ticket->is_write && admission->write_rate.interval_ns > 0) {
        const int64_t writes_ns =
            admission->write_rate.interval_ns * (int64_t)(queue_write_count(admission->queue) + 1);

        ns = writes_ns < ns ? writes_ns : ns;
    }
    return ns / 1000;
}

enum result admission_enter(struct admission *admission, struct budget_ticket *ticket,
                            const struct times *times)
{
    int64_t wait_us;

    day_turn(admission, times->wall_us);
    ticket->waits = ticket->decided = false;
    ticket->place = (struct queue_place){.client = ticket->caller.client,
                                         .weight = ticket->caller.weight,
                                         .priority = ticket->caller.priority,
                                         .is_write = ticket->is_write};
    if (is_turned_away(admission, ticket, times->now_us))
        return RESULT_REFUSED;
    admission->probes += ticket->is_pause_probe || ticket->is_breaker_probe;
    if (is_spent(admission, ticket->is_write, times, &wait_us))
        return refuse(admission, ticket, BUDGET_SPENT, wait_us);
    if (queue_count(admission->queue) == 0 && has_place(admission, ticket->is_write) &&
        pace_take(&admission->pace, &admission->rate, times->now_us, &wait_us)) {
        admit(admission, ticket, times);
        return RESULT_OK;
    }
    const int64_t turn = turn_us(admission, ticket);
    if (turn > ticket->caller.patience_us)
        return refuse(admission, ticket, BUDGET_LATE, turn);
    if (!queue_put(admission->queue, &ticket->place))
        return refuse(admission, ticket, BUDGET_FULL, turn);
    ticket->waits = true;
    return RESULT_BUSY;
}

bool admission_give_up(struct admission *admission, struct budget_ticket *ticket)
{
    if (!ticket->waits)
        return false;
    queue_remove(admission->queue, &ticket->place);
    ticket->waits = false;
    probes_lose(admission, ticket);
    return true;
}

void admission_raise(struct admission *admission, struct budget_ticket *ticket)
{
    if (ticket->waits && ticket->place.priority != PRIORITY_INTERACTIVE)
        queue_raise(admission->queue, &ticket->place);
}

/* --- what an answer teaches --- */

/* What the upstream says is left: of one window the least that was said. */
static void left_learn(struct admission *admission, const struct allowance *allowance,
                       int64_t now_us)
{
    const int64_t until_us = now_us + allowance->reset_us;
    const bool is_same =
        left_counts(admission, now_us) && until_us < admission->left_until_us + SAME_RESET_US;

    if (!is_same) { /* calls that are under way may not be counted in what it says */
        const uint64_t others = admission->under_way;

        admission->left = allowance->left > others ? allowance->left - others : 0;
        admission->left_first = allowance->left;
        admission->left_until_us = until_us;
        admission->has_left = true;
    } else if (allowance->left < admission->left) {
        admission->left = allowance->left;
    }
}

static void overload_learn(struct admission *admission, const struct budget_ticket *ticket,
                           const struct allowance *allowance, int64_t now_us)
{
    int64_t wait_us = allowance->retry_after_us;
    int64_t pause_us;

    if (admission->pauses.max_us == 0)
        return;
    if (wait_us < 0 && allowance->has_left && allowance->left == 0)
        wait_us = allowance->reset_us;
    const bool is_account = pauses_begin(&admission->pauses, ticket->caller.scope, wait_us,
                                         ticket->is_pause_probe, now_us);
    admission->pause_count++;
    pause_us = pauses_wait_us(&admission->pauses, ticket->caller.scope, now_us);
    refuse_waiting(admission, is_account ? NULL : &ticket->caller.scope, BUDGET_PAUSED, pause_us);
}

static void breaker_learn(struct admission *admission, const struct budget_ticket *ticket,
                          bool failed, int64_t now_us)
{
    if (!admission->has_breaker)
        return;
    breaker_note(&admission->breaker, failed, ticket->is_breaker_probe, now_us);
    if (admission->breaker.state == BREAKER_OPEN)
        refuse_waiting(admission, NULL, BUDGET_BROKEN, admission->breaker.until_us - now_us);
}

static void answer_learn(struct admission *admission, struct budget_ticket *ticket,
                         const struct budget_end *end, int64_t now_us)
{
    if (end->allowance.has_left)
        left_learn(admission, &end->allowance, now_us);
    if (end->verdict == VERDICT_OVERLOADED)
        overload_learn(admission, ticket, &end->allowance, now_us);
    else if (end->verdict == VERDICT_FAILED && ticket->is_pause_probe)
        pauses_lost(&admission->pauses, ticket->caller.scope);
    else
        pauses_end(&admission->pauses, ticket->caller.scope, ticket->is_pause_probe);
    breaker_learn(admission, ticket, end->verdict == VERDICT_FAILED, now_us);
}

void admission_leave(struct admission *admission, struct budget_ticket *ticket,
                     const struct budget_end *end, const struct times *times)
{
    assert(admission->under_way > 0 && !ticket->waits);
    admission->under_way--;
    admission->reads_under_way -= !ticket->is_write;
    if (!end->sent && ticket->day_begins_wall_us == admission->day.begins_wall_us &&
        admission->day_spent > 0)
        admission->day_spent--;
    if (end->answered) {
        answer_learn(admission, ticket, end, times->now_us);
    } else if (end->cancelled) {
        probes_lose(admission, ticket);
    } else {
        if (ticket->is_pause_probe)
            pauses_lost(&admission->pauses, ticket->caller.scope);
        breaker_learn(admission, ticket, true, times->now_us);
    }
    ticket->is_pause_probe = ticket->is_breaker_probe = false;
}

void admission_spend(struct admission *admission, const struct times *times)
{
    day_turn(admission, times->wall_us);
    pace_force(&admission->pace, &admission->rate, times->now_us);
    day_spend(admission);
    if (left_counts(admission, times->now_us) && admission->left > 0)
        admission->left--;
}

bool admission_retry(struct admission *admission, const struct budget_ticket *ticket,
                     const struct retry *retry, int64_t *wait_us)
{
    const int64_t base_us = (int64_t)RETRY_FIRST_US
                            << (retry->tries < RETRY_DOUBLINGS ? retry->tries : RETRY_DOUBLINGS);
    const int64_t pause_us =
        pauses_wait_us(&admission->pauses, ticket->caller.scope, retry->now_us);
    int64_t retry_us =
        base_us / 2 + (int64_t)(retry->chance % (uint32_t)base_us); /* 0.5 to 1.5 times */

    if (pause_us > 0)
        retry_us = pause_us + (int64_t)(retry->chance % PROBE_JITTER_US);
    if (retry_us > ticket->caller.patience_us || admission->retry_cents < RETRY_CENTS)
        return false;
    admission->retry_cents -= RETRY_CENTS;
    admission->retries++;
    *wait_us = retry_us;
    return true;
}

void admission_read(const struct admission *admission, const struct times *times,
                    struct budget_status *status)
{
    const bool has_left = left_counts(admission, times->now_us);

    *status = (struct budget_status){
        .limits = admission->limits,
        .under_way = admission->under_way,
        .queued = (uint32_t)queue_count(admission->queue),
        .queued_writes = (uint32_t)queue_write_count(admission->queue),
        .day_spent = times->wall_us < admission->day.ends_wall_us ? admission->day_spent : 0,
        .day_ends_wall_us = admission->limits.per_day == 0 ? 0 : admission->day.ends_wall_us,
        .second_left = pace_left(&admission->pace, &admission->rate, times->now_us),
        .has_left = has_left,
        .left = has_left ? admission->left : 0,
        .left_until_wall_us =
            has_left ? times->wall_us + admission->left_until_us - times->now_us : 0,
        .is_template_paused = pauses_are_on(&admission->pauses, times->now_us),
        .breaker = admission->breaker.state,
        .admitted = admission->admitted,
        .refused = admission->refused,
        .pauses = admission->pause_count,
        .probes = admission->probes,
        .retries = admission->retries,
    };
    if (admission->pauses.account.until_us > times->now_us)
        status->paused_us = admission->pauses.account.until_us - times->now_us;
}

void admission_count_waiting(const struct admission *admission, uint32_t *by_client, size_t count)
{
    const struct queue_place *place = queue_each(admission->queue, NULL);

    for (; place != NULL; place = queue_each(admission->queue, place))
        if (place->client < count)
            by_client[place->client]++;
}
