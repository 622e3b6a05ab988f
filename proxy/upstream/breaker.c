/* The states of a circuit breaker and what moves it between them. */
#include "upstream/breaker.h"

#include <assert.h>

static const uint32_t window_bits = (UINT32_C(1) << BREAKER_WINDOW) - 1;

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half-open"};

    return names[state];
}

static void breaker_open(struct breaker *breaker, int64_t length_us, int64_t now_us)
{
    *breaker = (struct breaker){
        .state = BREAKER_OPEN,
        .length_us = length_us < BREAKER_MAX_US ? length_us : BREAKER_MAX_US,
    };
    breaker->until_us = now_us + breaker->length_us;
}

enum breaker_answer breaker_ask(struct breaker *breaker, int64_t now_us, int64_t *wait_us)
{
    if (breaker->state == BREAKER_CLOSED)
        return BREAKER_GO;
    if (breaker->state == BREAKER_OPEN && now_us < breaker->until_us) {
        *wait_us = breaker->until_us - now_us;
        return BREAKER_WAIT;
    }
    if (breaker->probing) {
        *wait_us = BREAKER_FIRST_US;
        return BREAKER_WAIT;
    }
    breaker->state = BREAKER_HALF_OPEN;
    breaker->probing = true;
    return BREAKER_PROBE;
}

static void breaker_note_probe(struct breaker *breaker, bool failed, int64_t now_us)
{
    assert(breaker->probing);
    if (failed)
        breaker_open(breaker, 2 * breaker->length_us, now_us);
    else
        *breaker = (struct breaker){.state = BREAKER_CLOSED};
}

void breaker_note(struct breaker *breaker, bool failed, bool was_probe, int64_t now_us)
{
    if (was_probe && breaker->state == BREAKER_HALF_OPEN)
        breaker_note_probe(breaker, failed, now_us);
    if (was_probe || breaker->state != BREAKER_CLOSED)
        return;
    breaker->recent = (breaker->recent << 1 | failed) & window_bits;
    if (breaker->recent_count < BREAKER_WINDOW)
        breaker->recent_count++;
    breaker->in_a_row = failed ? breaker->in_a_row + 1 : 0;
    const bool half_failed = breaker->recent_count == BREAKER_WINDOW &&
                             __builtin_popcount(breaker->recent) >= BREAKER_WINDOW / 2;

    if (failed && (breaker->in_a_row >= BREAKER_FAILURES || half_failed))
        breaker_open(breaker, BREAKER_FIRST_US, now_us);
}

void breaker_lost(struct breaker *breaker)
{
    breaker->probing = false;
}
