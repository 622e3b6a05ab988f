/* Numbers into text. The policy is made once a reload, the state with each answer: without printf.
 */
#include "gateway/allotment.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"

enum { DAY_S = 86400, STATE_ROOM = 160 };

static uint32_t burst_of(const struct quota_config *limit)
{
    return limit->burst == 0 ? 1 : limit->burst;
}

/* Seconds, rounded up, in which the burst is there again. */
static uint64_t refill_s(const struct quota_config *limit)
{
    const double exact_s = burst_of(limit) / limit->per_second; /* a thousand million at most */
    const uint64_t whole_s = (uint64_t)exact_s;

    return (double)whole_s < exact_s ? whole_s + 1 : whole_s;
}

static void policy_write(const struct quota_config *limit, char *text)
{
    int length = 0;

    if (limit->per_second > 0)
        length = snprintf(text, ALLOTMENT_POLICY_ROOM, "\"second\";q=%u;w=%llu%s", burst_of(limit),
                          (unsigned long long)refill_s(limit), limit->per_day > 0 ? ", " : "");
    if (limit->per_day > 0)
        length += snprintf(text + length, (size_t)(ALLOTMENT_POLICY_ROOM - length),
                           "\"day\";q=%u;w=%d", limit->per_day, DAY_S);
    assert(length < ALLOTMENT_POLICY_ROOM); /* four numbers of at most 20 digits */
}

void allotment_make(struct allotment *allotment, struct quotas *quotas,
                    const struct client_config *client, int64_t now_us)
{
    allotment->quota = quotas_of(quotas, client->name);
    quota_set(allotment->quota, &client->quota, now_us);
    policy_write(&client->quota, allotment->policy_text);
    allotment->policy = bytes_of_string(allotment->policy_text);
}

static char *write_bytes(char *to, struct bytes bytes)
{
    memcpy(to, bytes.data, bytes.length);
    return to + bytes.length;
}

/* "second";r=99;t=1 */
static char *write_state(char *to, struct bytes name, uint64_t left, int64_t until_us)
{
    const uint64_t until_s = (uint64_t)(until_us + CLOCK_SECOND_US - 1) / CLOCK_SECOND_US;

    to = write_bytes(to, name);
    to = write_bytes(to, BYTES(";r="));
    to += number_write(left, 1, to);
    to = write_bytes(to, BYTES(";t="));
    return to + number_write(until_s, 1, to);
}

void allotment_add_fields(const struct allotment *allotment, struct arena *arena,
                          struct fields *fields, int64_t now_us, int64_t wall_us)
{
    struct quota_view view;

    if (allotment->policy.length == 0)
        return;
    quota_view(allotment->quota, now_us, wall_us, &view);
    char *const text = arena_take(arena, STATE_ROOM);
    char *end = text;
    if (view.second_left != UINT64_MAX)
        end = write_state(end, BYTES("\"second\""), view.second_left, view.second_full_us);
    if (view.second_left != UINT64_MAX && view.day_left != UINT64_MAX)
        end = write_bytes(end, BYTES(", "));
    if (view.day_left != UINT64_MAX)
        end = write_state(end, BYTES("\"day\""), view.day_left, view.day_ends_wall_us - wall_us);
    fields_add(fields, arena, BYTES("RateLimit-Policy"), allotment->policy);
    fields_add(fields, arena, BYTES("RateLimit"), bytes_of(text, (size_t)(end - text)));
}
