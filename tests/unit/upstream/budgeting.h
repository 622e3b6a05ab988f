/* Budgets of a given concurrency and no other limit. */
#ifndef POSTERN_TESTS_UPSTREAM_BUDGETING_H
#define POSTERN_TESTS_UPSTREAM_BUDGETING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upstream/budget.h"

/* Options that borrow `limits`, which this fills. */
static inline struct budget_options budget_options_of(struct budget_limits *limits,
                                                      uint32_t concurrency)
{
    *limits = (struct budget_limits){.concurrency = concurrency, .time_zone = "UTC"};
    return (struct budget_options){.limits = limits, .name = BYTES("up")};
}

static inline struct budget *budget_of(uint32_t concurrency)
{
    struct budget_limits limits;
    const struct budget_options options = budget_options_of(&limits, concurrency);
    struct budget *budget = NULL;

    assert_int_equal(budget_create(&options, &budget), RESULT_OK);
    return budget;
}

static inline void budget_limit(struct budget *budget, uint32_t concurrency)
{
    struct budget_limits limits;
    const struct budget_options options = budget_options_of(&limits, concurrency);

    assert_int_equal(budget_set(budget, &options), RESULT_OK);
}

static inline void assert_counts(struct budget *budget, uint32_t under_way, uint32_t queued)
{
    struct budget_status status;

    budget_read(budget, &status);
    assert_int_equal(status.under_way, under_way);
    assert_int_equal(status.queued, queued);
}

#endif
