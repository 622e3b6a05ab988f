/*
 * Which calls may go to an upstream, and when: the rules of its budget, with time as a parameter.
 * Locks, threads and letters are budget.c's.
 *
 *   a second   a token bucket of `burst`. Writes that wait go first for `write_share` of the rate;
 *              reads borrow what no write asks for.
 *   at a time  the last write_share of the places is for writes.
 *   a day      the last write_share of the day's calls is for writes. The ledger is told ahead of
 *              use, so that no kill -9 gives a call twice.
 *   left       where the upstream's own fields say that less is left, so it is, until its reset.
 *   not now    pauses.h, breaker.h: refused, not queued.
 *
 * A call waits in queue.h for its turn, unless its turn would come later than it would wait.
 */
#ifndef POSTERN_UPSTREAM_ADMISSION_H
#define POSTERN_UPSTREAM_ADMISSION_H

#include "base/ledger.h"
#include "base/mailbox.h"
#include "upstream/allowance.h"
#include "upstream/breaker.h"
#include "upstream/queue.h"
#include "upstream/verdict.h"

struct admission;

enum budget_refusal {
    BUDGET_ADMITTED,
    BUDGET_FULL,   /* too many wait, of this client or of all */
    BUDGET_LATE,   /* its turn would come, or came, later than it was willing to wait */
    BUDGET_SPENT,  /* the day's calls, or what the upstream says is left */
    BUDGET_PAUSED, /* the upstream said that it is too much */
    BUDGET_BROKEN, /* the circuit breaker is open */
};

/* Who calls, and how. */
struct caller {
    uint32_t client; /* any number that tells clients apart */
    uint32_t weight; /* at least 1: its share beside others that wait */
    enum priority priority;
    uint64_t scope;      /* hash of the call's path template: what pauses alone */
    int64_t patience_us; /* how long it would wait for its turn */
};

/* One call, from budget_enter to budget_leave: a member of the caller's struct. */
struct budget_ticket {
    struct letter letter; /* first: delivered when it may begin, or is refused */
    struct mailbox *mailbox;
    struct caller caller;
    bool is_write;

    /* told */
    enum budget_refusal refusal; /* BUDGET_ADMITTED: begin */
    int64_t retry_after_us;      /* of a refusal: when to come again; 0: not known */

    /* the admission's */
    struct queue_place place;
    TAILQ_ENTRY(budget_ticket) in_decided;
    bool waits, decided;
    bool is_pause_probe, is_breaker_probe;
    int64_t day_begins_wall_us; /* on whose account it is */
};

/* What is told of a budget at its making. */
struct budget_options {
    const struct budget_limits *limits; /* copied; its time_zone must outlive the budget's making */
    int64_t pause_max_us;               /* 0: no pauses */
    bool has_breaker;
    struct ledger *ledger; /* borrowed; NULL: the day is counted in memory alone */
    struct bytes name;     /* in the ledger; copied */
};

struct times {
    int64_t now_us;  /* monotonic */
    int64_t wall_us; /* for days */
};

/* RESULT_MISSING: there is no such time zone. */
MUST_USE enum result admission_create(const struct budget_options *options,
                                      const struct times *times, struct admission **admission);

/* Notes what was spent. Nobody waits. NULL is fine. */
void admission_destroy(struct admission *admission);

/* New limits; what was spent stays spent. RESULT_MISSING: nothing has changed. */
MUST_USE enum result admission_set(struct admission *admission,
                                   const struct budget_options *options, const struct times *times);

/* RESULT_OK: begin now. RESULT_BUSY: it waits. RESULT_REFUSED: the ticket says why. */
MUST_USE enum result admission_enter(struct admission *admission, struct budget_ticket *ticket,
                                     const struct times *times);

/* How an admitted call ended. */
struct budget_end {
    bool sent;      /* false: it costs nothing */
    bool cancelled; /* the caller did not want its answer: it says nothing of the upstream */
    bool answered;  /* false: no whole answer; the next two say nothing */
    enum verdict verdict;
    struct allowance allowance;
};
void admission_leave(struct admission *admission, struct budget_ticket *ticket,
                     const struct budget_end *end, const struct times *times);

/* One more call was made than was asked for: libcurl repeats some by itself. */
void admission_spend(struct admission *admission, const struct times *times);

/* Gives a place up. False: it is decided. */
bool admission_give_up(struct admission *admission, struct budget_ticket *ticket);

/* Somebody interactive waits for it, too. */
void admission_raise(struct admission *admission, struct budget_ticket *ticket);

/* Decides on those who wait, as far as can be now. The time at which there may be more to decide;
 * INT64_MAX: not before a call ends. */
int64_t admission_run(struct admission *admission, const struct times *times);

/* The next of those that were decided on while they waited; NULL: no more. */
struct budget_ticket *admission_decided(struct admission *admission);

/* A call that failed. */
struct retry {
    uint32_t tries;  /* that were made besides the first */
    uint32_t chance; /* any number, for the jitter */
    int64_t now_us;
};

/*
 * Whether it may be tried again, and after how long: *wait_us. Takes it from the retry budget: one
 * for each five calls, ADMISSION_RETRIES in hand at most.
 */
enum { ADMISSION_RETRIES = 10 };
MUST_USE bool admission_retry(struct admission *admission, const struct budget_ticket *ticket,
                              const struct retry *retry, int64_t *wait_us);

struct budget_status {
    struct budget_limits limits;
    uint32_t under_way, queued, queued_writes;
    uint64_t day_spent;       /* today */
    int64_t day_ends_wall_us; /* 0: there is no limit a day */
    uint64_t second_left;     /* calls that could begin at once; UINT64_MAX: no limit */
    bool has_left;            /* the upstream said how much is left … */
    uint64_t left;
    int64_t left_until_wall_us; /* … until then */
    int64_t paused_us;          /* the account's pause from now on; 0: none */
    bool is_template_paused;
    enum breaker_state breaker;
    uint64_t admitted, refused, pauses, probes, retries; /* since the start */
};
void admission_read(const struct admission *admission, const struct times *times,
                    struct budget_status *status);

/* Adds to by_client[client] the calls of each client that wait, of clients below `count`. */
void admission_count_waiting(const struct admission *admission, uint32_t *by_client, size_t count);

#endif
