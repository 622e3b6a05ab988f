/* What is counted, and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/memory.h"
#include "gateway/counters.h"

static struct counters *counters;
static struct pairs *pairs;

static int counters_make(void **state)
{
    (void)state;
    counters = memory_take(1, sizeof(*counters));
    pairs = memory_take(1, sizeof(*pairs));
    counters->pairs = pairs;
    return 0;
}

static int counters_drop(void **state)
{
    (void)state;
    counters_finish(counters);
    free(counters);
    free(pairs);
    return 0;
}

static void count(uint32_t slot, unsigned status, int64_t total_us)
{
    const struct counted counted = {.slot = slot,
                                    .method = METHOD_GET,
                                    .status = status,
                                    .outcome = OUTCOME_HIT,
                                    .total_us = total_us,
                                    .in_bytes = 10,
                                    .out_bytes = 100};

    counters_add_request(counters, &counted);
}

static uint64_t requests(uint32_t slot, unsigned class)
{
    struct client_counters *client = counters->clients[slot];

    return client == NULL ? 0 : client->requests[METHOD_GET][class][OUTCOME_HIT].value;
}

static void requests_are_counted_by_client_method_class_and_outcome(void **state)
{
    (void)state;
    count(1, 200, 5);
    count(1, 204, 5);
    count(1, 404, 5);
    count(2, 200, 5);
    assert_int_equal(requests(1, 2), 2);
    assert_int_equal(requests(1, 4), 1);
    assert_int_equal(requests(2, 2), 1);
    assert_int_equal(requests(3, 2), 0);
    assert_int_equal(counters->in_bytes.value, 40);
    assert_int_equal(counters->out_bytes.value, 400);
    assert_int_equal(counters->latency_count.value, 4);
    assert_int_equal(counters->latency_us.value, 20);
}

static void what_has_no_place_of_its_own_has_one_all_the_same(void **state)
{
    (void)state;
    count(COUNTERS_CLIENTS + 7, 200, 1); /* later clients share the last */
    count(1, 0, 1);                      /* none was sent */
    count(1, 999, 1);
    assert_int_equal(requests(COUNTERS_CLIENTS - 1, 2), 1);
    assert_int_equal(requests(1, 0), 2);
}

static void latency_goes_up_to_its_buckets_bound(void **state)
{
    static const struct {
        int64_t us;
        size_t bucket;
    } rows[] = {
        {0, 0},
        {1, 0},
        {2, 1},
        {3, 2},
        {4, 2},
        {5, 3},
        {1024, 10},
        {1025, 11},
        {INT64_C(1) << 22, 22},
        {(INT64_C(1) << 22) + 1, 23},
        {INT64_MAX, 23},
        {-1, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const uint64_t before = counters->latency[rows[i].bucket].value;

        count(1, 200, rows[i].us);
        assert_int_equal(counters->latency[rows[i].bucket].value, before + 1);
    }
}

static void each_outcome_has_a_name(void **state)
{
    (void)state;
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        for (int other = 0; other < outcome; other++)
            assert_string_not_equal(outcome_name((enum outcome)outcome),
                                    outcome_name((enum outcome)other));
}

static void each_refusal_has_a_name(void **state)
{
    (void)state;
    for (int refusal = 0; refusal < REFUSALS; refusal++)
        for (int other = 0; other < refusal; other++)
            assert_string_not_equal(refusal_name((enum refusal)refusal),
                                    refusal_name((enum refusal)other));
}

static const struct pair_counters *pair_of(uint32_t slot, uint32_t scope)
{
    const uint32_t place = pairs_place(pairs, slot, scope);

    return place == PAIRS_NONE ? &counters->clients[slot]->other : &counters->by_pair[place];
}

static void what_a_request_cost_is_counted_by_client_and_path(void **state)
{
    const struct counted rows[] = {
        {.slot = 1, .scope = 7, .outcome = OUTCOME_HIT},
        {.slot = 1, .scope = 7, .outcome = OUTCOME_COLLAPSED},
        {.slot = 1, .scope = 7, .outcome = OUTCOME_MISS, .calls = 3, .queue_us = 5000},
        {.slot = 1, .scope = 7, .outcome = OUTCOME_REVALIDATED, .calls = 1, .queue_us = 2000},
        {.slot = 2, .scope = 7, .outcome = OUTCOME_WRITE, .calls = 1, .queue_us = 999},
        {.slot = 1, .scope = 0, .outcome = OUTCOME_NONE, .refusal = REFUSAL_RULE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        counters_add_request(counters, &rows[i]);
    assert_int_equal(pair_of(1, 7)->requests.value, 4);
    assert_int_equal(pair_of(1, 7)->hits.value, 1);
    assert_int_equal(pair_of(1, 7)->saved.value, 2);
    assert_int_equal(pair_of(1, 7)->calls.value, 4);
    assert_int_equal(pair_of(1, 7)->queued.value, 2);
    assert_int_equal(pair_of(1, 7)->queue_us.value, 7000);
    assert_int_equal(pair_of(2, 7)->requests.value, 1);
    assert_int_equal(pair_of(2, 7)->calls.value, 1);
    assert_int_equal(pair_of(2, 7)->queued.value, 0); /* no wait to speak of */
    assert_int_equal(pair_of(1, 0)->requests.value, 1);
    assert_int_equal(counters->clients[1]->refusals[REFUSAL_RULE].value, 1);
    assert_int_equal(counters->clients[1]->refusals[REFUSAL_FORM].value, 0);
    counters_add_malformed(counters);
    assert_int_equal(counters->clients[0]->refusals[REFUSAL_FORM].value, 1);
    assert_int_equal(counters->refused_connections.value, 1);
}

/* Beyond the last place each client still has its "other". */
static void pairs_have_an_end(void **state)
{
    uint64_t placed = 0, others = 0;

    (void)state;
    for (uint32_t slot = 1; slot <= 100; slot++)
        for (uint32_t scope = 1; scope < 512; scope++) {
            const struct counted counted = {.slot = slot, .scope = scope};

            counters_add_request(counters, &counted);
        }
    for (uint32_t place = 0; place < PAIRS_PLACES; place++) {
        uint32_t slot, scope;

        if (!pairs_read(pairs, place, &slot, &scope))
            continue;
        placed++;
        assert_int_equal(counters->by_pair[place].requests.value, 1);
        assert_int_equal(pairs_place(pairs, slot, scope), place);
    }
    for (uint32_t slot = 1; slot <= 100; slot++)
        others += counters->clients[slot]->other.requests.value;
    assert_int_equal(placed, PAIRS_LIMIT);
    assert_int_equal(placed + others, 100 * 511);
}

static void *places_run(void *context)
{
    uint32_t *places = context;

    for (uint32_t scope = 1; scope < 512; scope++)
        places[scope] = pairs_place(pairs, 9, scope);
    return NULL;
}

static void threads_agree_on_places(void **state)
{
    static uint32_t places[2][512];
    pthread_t threads[2];

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, places_run, places[i]), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (uint32_t scope = 1; scope < 512; scope++) {
        uint32_t slot, read;

        assert_int_equal(places[0][scope], places[1][scope]);
        assert_true(pairs_read(pairs, places[0][scope], &slot, &read));
        assert_int_equal(slot, 9);
        assert_int_equal(read, scope);
    }
}

/* Admin reads while a worker counts. */
static void *read_run(void *context)
{
    uint64_t *seen = context;

    for (int i = 0; i < 10000; i++) {
        struct client_counters *client =
            atomic_load_explicit(&counters->clients[1], memory_order_acquire);
        const uint64_t now =
            client == NULL
                ? 0
                : atomic_load_explicit(&client->requests[METHOD_GET][2][OUTCOME_HIT].value,
                                       memory_order_relaxed);

        if (now < *seen)
            abort(); /* counters never run backwards */
        *seen = now;
    }
    return NULL;
}

static void counters_may_be_read_at_any_time(void **state)
{
    pthread_t reader;
    uint64_t seen = 0;

    (void)state;
    assert_int_equal(pthread_create(&reader, NULL, read_run, &seen), 0);
    for (int i = 0; i < 10000; i++)
        count(1, 200, 1);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(requests(1, 2), 10000);
}

#define WITH_COUNTERS(test) cmocka_unit_test_setup_teardown(test, counters_make, counters_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_COUNTERS(requests_are_counted_by_client_method_class_and_outcome),
        WITH_COUNTERS(what_has_no_place_of_its_own_has_one_all_the_same),
        WITH_COUNTERS(latency_goes_up_to_its_buckets_bound),
        cmocka_unit_test(each_outcome_has_a_name),
        cmocka_unit_test(each_refusal_has_a_name),
        WITH_COUNTERS(what_a_request_cost_is_counted_by_client_and_path),
        WITH_COUNTERS(pairs_have_an_end),
        WITH_COUNTERS(threads_agree_on_places),
        WITH_COUNTERS(counters_may_be_read_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
