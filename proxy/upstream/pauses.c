/*
 * When an upstream that said "too much" is asked again. A pause is on from its beginning until its
 * probe was answered well; while it is, and the probe is not yet sent, the next call is the probe:
 * of its template's pause and of the account's, where both are over.
 */
#include "upstream/pauses.h"

#include <assert.h>

static int64_t least_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool pause_is_on(const struct pause *pause)
{
    return pause->until_us != 0;
}

static int64_t pause_wait_us(const struct pause *pause, int64_t now_us)
{
    if (!pause_is_on(pause))
        return 0;
    if (now_us < pause->until_us)
        return pause->until_us - now_us;
    return pause->probing ? PAUSES_PROBE_HINT_US : 0;
}

/* The template's pause; NULL: it has none. */
static const struct pause *pauses_find(const struct pauses *pauses, uint64_t scope)
{
    for (size_t i = 0; i < PAUSES_SCOPES; i++)
        if (pause_is_on(&pauses->scopes[i]) && pauses->scopes[i].scope == scope)
            return &pauses->scopes[i];
    return NULL;
}

static struct pause *pauses_get(struct pauses *pauses, uint64_t scope)
{
    const struct pause *pause = pauses_find(pauses, scope);

    return pause == NULL ? NULL : &pauses->scopes[pause - pauses->scopes];
}

int64_t pauses_wait_us(const struct pauses *pauses, uint64_t scope, int64_t now_us)
{
    const struct pause *pause = pauses_find(pauses, scope);
    const int64_t account_us = pause_wait_us(&pauses->account, now_us);
    const int64_t scope_us = pause == NULL ? 0 : pause_wait_us(pause, now_us);

    if (pauses->max_us == 0)
        return 0;
    return account_us > scope_us ? account_us : scope_us;
}

enum pause_answer pauses_ask(struct pauses *pauses, uint64_t scope, int64_t now_us,
                             int64_t *wait_us)
{
    const int64_t longest_us = pauses_wait_us(pauses, scope, now_us);
    struct pause *pause = pauses_get(pauses, scope);

    if (longest_us > 0) {
        *wait_us = longest_us;
        return PAUSE_WAIT;
    }
    if (pauses->max_us == 0 || (pause == NULL && !pause_is_on(&pauses->account)))
        return PAUSE_NONE;
    if (pause != NULL)
        pause->probing = true;
    if (pause_is_on(&pauses->account)) {
        pauses->account.probing = true;
        pauses->account.scope = scope;
    }
    return PAUSE_PROBE;
}

/* Whether the account's probe is a call of that template. */
static bool account_is_probed_by(const struct pauses *pauses, uint64_t scope)
{
    return pauses->account.probing && pauses->account.scope == scope;
}

/* A pause that the gate chooses itself: twice as long as the last one where that was too short. */
static void pause_lengthen(struct pause *pause, int64_t max_us, int64_t now_us)
{
    const int64_t next_us = pause->length_us == 0 ? PAUSES_FIRST_US : 2 * pause->length_us;

    pause->length_us = least_of(next_us, max_us);
    pause->until_us = now_us + pause->length_us;
}

/* The answer says for how long: the account's pause, unless a longer one is on. */
static void account_begin(struct pauses *pauses, int64_t wait_us, int64_t now_us)
{
    const int64_t least_us = wait_us > PAUSES_FIRST_US ? wait_us : PAUSES_FIRST_US;
    const int64_t until_us = now_us + least_of(least_us, pauses->max_us);

    if (until_us > pauses->account.until_us)
        pauses->account.until_us = until_us;
}

static bool other_is_paused(const struct pauses *pauses, uint64_t scope, int64_t now_us)
{
    for (size_t i = 0; i < PAUSES_SCOPES; i++)
        if (pauses->scopes[i].scope != scope && pause_wait_us(&pauses->scopes[i], now_us) > 0)
            return true;
    return false;
}

/* Room for one more: a free one, else the one that is over first. */
static struct pause *pauses_room(struct pauses *pauses)
{
    struct pause *room = &pauses->scopes[0];

    for (size_t i = 1; i < PAUSES_SCOPES; i++)
        if (pauses->scopes[i].until_us < room->until_us)
            room = &pauses->scopes[i];
    return room;
}

/* The answer does not say for how long, and was no probe's. */
static void scope_begin(struct pauses *pauses, uint64_t scope, int64_t now_us)
{
    struct pause *pause;

    /* Calls that were under way when the pause began say nothing new. */
    if (pause_is_on(&pauses->account) || pauses_find(pauses, scope) != NULL)
        return;
    pause = pauses_room(pauses);
    *pause = (struct pause){.scope = scope};
    pause_lengthen(pause, pauses->max_us, now_us);
    if (other_is_paused(pauses, scope, now_us))
        pause_lengthen(&pauses->account, pauses->max_us, now_us);
}

bool pauses_begin(struct pauses *pauses, uint64_t scope, int64_t wait_us, bool was_probe,
                  int64_t now_us)
{
    struct pause *pause = pauses_get(pauses, scope);
    const bool of_account = was_probe && account_is_probed_by(pauses, scope);
    const bool of_scope = was_probe && pause != NULL && pause->probing;

    assert(now_us > 0);
    if (pauses->max_us == 0)
        return false;
    if (was_probe)
        pauses_lost(pauses, scope);
    if (wait_us >= 0)
        account_begin(pauses, wait_us, now_us);
    else if (!of_scope && !of_account)
        scope_begin(pauses, scope, now_us);
    if (wait_us < 0 && of_scope)
        pause_lengthen(pause, pauses->max_us, now_us);
    if (wait_us < 0 && of_account)
        pause_lengthen(&pauses->account, pauses->max_us, now_us);
    return pause_is_on(&pauses->account);
}

void pauses_end(struct pauses *pauses, uint64_t scope, bool was_probe)
{
    struct pause *pause = pauses_get(pauses, scope);

    if (!was_probe)
        return;
    if (pause != NULL && pause->probing)
        *pause = (struct pause){0};
    if (account_is_probed_by(pauses, scope))
        pauses->account = (struct pause){0};
}

void pauses_lost(struct pauses *pauses, uint64_t scope)
{
    struct pause *pause = pauses_get(pauses, scope);

    if (pause != NULL)
        pause->probing = false;
    if (account_is_probed_by(pauses, scope))
        pauses->account.probing = false;
}

bool pauses_are_on(const struct pauses *pauses, int64_t now_us)
{
    bool is_on = pause_wait_us(&pauses->account, now_us) > 0;

    for (size_t i = 0; i < PAUSES_SCOPES; i++)
        is_on |= pause_wait_us(&pauses->scopes[i], now_us) > 0;
    return is_on && pauses->max_us > 0;
}
