/*
 * A circuit breaker: an upstream that does not answer at all (no connection, time-outs, 502, 504)
 * is asked no more for a while, then by one call. Opens after BREAKER_FAILURES in a row, or when
 * half of the last BREAKER_WINDOW failed; stays open for BREAKER_FIRST_US, twice as long after each
 * probe that fails, at most BREAKER_MAX_US. Time comes in; the budget's lock guards it.
 */
#ifndef POSTERN_UPSTREAM_BREAKER_H
#define POSTERN_UPSTREAM_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BREAKER_FAILURES = 5,
    BREAKER_WINDOW = 20,
    BREAKER_FIRST_US = 1000 * 1000,
    BREAKER_MAX_US = 30 * 1000 * 1000,
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* "closed", "open", "half-open". Static storage. */
const char *breaker_state_name(enum breaker_state state);

/* Zeroed: closed. */
struct breaker {
    enum breaker_state state;
    uint32_t recent; /* bits of the last BREAKER_WINDOW calls, 1: failed */
    uint32_t recent_count;
    uint32_t in_a_row;
    bool probing;
    int64_t until_us, length_us;
};

enum breaker_answer {
    BREAKER_GO,
    BREAKER_PROBE, /* go: this call is the probe, and one of breaker_note and breaker_lost is due */
    BREAKER_WAIT,  /* *wait_us: at least 1; a guess while a probe is under way */
};

enum breaker_answer breaker_ask(struct breaker *breaker, int64_t now_us, int64_t *wait_us);

/* A call is over. Of calls other than the probe only a closed breaker takes note: the others were
 * sent before it opened. */
void breaker_note(struct breaker *breaker, bool failed, bool was_probe, int64_t now_us);

/* The probe was not sent. */
void breaker_lost(struct breaker *breaker);

#endif
