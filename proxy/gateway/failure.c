/* From a fetch's end to a problem: statuses as the design's "On the wire" lists them. */
#include "gateway/failure.h"

#include "base/clock.h"
#include "gateway/respond.h"

static const struct failure refusals[] = {
    [BUDGET_FULL] = {.status = 429,
                     .detail = "too many calls wait for the upstream",
                     .refusal = REFUSAL_QUEUE},
    [BUDGET_LATE] = {.status = 429,
                     .detail = "too many calls to the upstream are under way; this one would wait, "
                               "or waited, too long",
                     .refusal = REFUSAL_QUEUE},
    [BUDGET_SPENT] = {.status = 429,
                      .detail = "the calls that the upstream allows are spent",
                      .refusal = REFUSAL_SPENT},
    [BUDGET_PAUSED] = {.status = 429,
                       .detail = "the upstream has too much to do; it is left alone for a while",
                       .refusal = REFUSAL_PAUSED},
    [BUDGET_BROKEN] = {.status = 503,
                       .detail = "the upstream does not answer; it is asked again in a while",
                       .refusal = REFUSAL_BROKEN},
};

static struct failure failure_of_refusal(const struct fetch_end *end)
{
    struct failure failure = refusals[end->refusal];
    const int64_t wait_s = (end->retry_after_us + CLOCK_SECOND_US - 1) / CLOCK_SECOND_US;

    failure.retry_after_s = wait_s < 1 ? 1 : wait_s > INT32_MAX ? INT32_MAX : (unsigned)wait_s;
    return failure;
}

struct failure failure_of(const struct fetch_end *end)
{
    switch (end->outcome) {
    case FETCH_REFUSED:
        return failure_of_refusal(end);
    case FETCH_TIMED_OUT:
        return (struct failure){.status = 504, .detail = "the upstream did not answer in time"};
    case FETCH_NOT_SENT:
        if (end->timed_out)
            return (struct failure){.status = 504,
                                    .detail = "the upstream could not be reached in time"};
        return (struct failure){.status = 502, .detail = "the upstream could not be reached"};
    default:
        return (struct failure){.status = 502,
                                .detail = "the upstream's answer was cut short or not well-formed"};
    }
}

void failure_respond(struct exchange *exchange, const struct failure *failure)
{
    exchange->refusal = failure->refusal;
    respond_problem(exchange, failure->status, failure->detail, failure->retry_after_s);
}

void failure_note_call(struct exchange *exchange, const struct fetch_end *end)
{
    exchange->calls += end->calls;
    exchange->queue_us += end->queue_us;
    if (end->sent)
        exchange->upstream_us = end->elapsed_us;
}
