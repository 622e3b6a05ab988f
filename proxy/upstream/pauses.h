/*
 * Pauses after 429 and overload answers (design, "Upstream"): of one path template, or of the whole
 * account where the answer said for how long, or where two templates are paused at once. After a
 * pause one call, the probe, finds out; until its outcome is known the scope stays paused, and a
 * probe that fails pauses for twice as long. Time comes in. Not safe for threads: the budget's lock
 * guards it.
 */
#ifndef POSTERN_UPSTREAM_PAUSES_H
#define POSTERN_UPSTREAM_PAUSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PAUSES_SCOPES = 64,            /* templates; one more takes the place of what is over first */
    PAUSES_FIRST_US = 1000 * 1000, /* the first pause where the answer does not say, and the least
                                      where it says "0": its seconds are whole */
    PAUSES_PROBE_HINT_US = 1000 * 1000, /* what callers are told while a probe is under way */
};

struct pause {
    uint64_t scope;    /* hash of the template; in the account's pause, of its probe's */
    int64_t until_us;  /* 0: none */
    int64_t length_us; /* of the last pause that the gate chose itself; doubles */
    bool probing;      /* the pause is over, and a probe under way */
};

/* Zeroed, but for max_us. */
struct pauses {
    struct pause account;
    struct pause scopes[PAUSES_SCOPES];
    int64_t max_us; /* the longest pause; 0: there are none */
};

enum pause_answer {
    PAUSE_NONE,  /* go */
    PAUSE_PROBE, /* go: this call is the probe, and pauses_outcome or pauses_lost is due */
    PAUSE_WAIT,  /* *wait_us: how long the pause still is, at least 1 */
};

/* A call of that template wants to go. */
enum pause_answer pauses_ask(struct pauses *pauses, uint64_t scope, int64_t now_us,
                             int64_t *wait_us);

/* The same without becoming the probe: how long a call would have to wait; 0: not at all. */
int64_t pauses_wait_us(const struct pauses *pauses, uint64_t scope, int64_t now_us);

/*
 * A call's answer says that it is too much. `wait_us`: for how long, as it says, cut to max_us; -1:
 * it does not. `was_probe`: pauses_ask said PAUSE_PROBE to it. True: the whole account is paused.
 *
 *   it says for how long        the account, for that long from now; a longer pause stays
 *   a probe's, does not say     what it was the probe of, twice as long
 *   another's, does not say     its template, unless that or the account is paused already, for it
 *                               was sent before; the account too, where another template is paused
 */
bool pauses_begin(struct pauses *pauses, uint64_t scope, int64_t wait_us, bool was_probe,
                  int64_t now_us);

/* A call's answer was a good one. Ends what it was the probe of; other calls' answers end nothing,
 * for they may have been sent before the pause. */
void pauses_end(struct pauses *pauses, uint64_t scope, bool was_probe);

/* The probe was not sent, or nobody knows its outcome: the next call is the probe. */
void pauses_lost(struct pauses *pauses, uint64_t scope);

/* Whether the account is paused, or any template, for status. */
bool pauses_are_on(const struct pauses *pauses, int64_t now_us);

#endif
