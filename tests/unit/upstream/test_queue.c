/* Whose call is next: turns by weight, two classes, writes, room, and how many are ahead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "upstream/queue.h"

struct random {
    uint64_t state;
};

/* splitmix64 */
static uint32_t random_below(struct random *random, uint32_t bound)
{
    uint64_t x = random->state += 0x9e3779b97f4a7c15;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return (uint32_t)((x ^ (x >> 31)) % bound);
}

static struct queue_place *place_make(uint32_t client, uint32_t weight, enum priority priority,
                                      bool is_write)
{
    struct queue_place *place = memory_take(1, sizeof(*place));

    place->client = client;
    place->weight = weight;
    place->priority = priority;
    place->is_write = is_write;
    return place;
}

static void put_some(struct queue *queue, uint32_t client, unsigned count)
{
    while (count-- > 0)
        assert_true(queue_put(queue, place_make(client, 1, PRIORITY_INTERACTIVE, false)));
}

/* Takes one and tells whose it was. */
static uint32_t take_client(struct queue *queue)
{
    struct queue_place *place = queue_take(queue, true);

    assert_non_null(place);
    assert_null(place->flow);
    const uint32_t client = place->client;

    free(place);
    return client;
}

static void drain(struct queue *queue)
{
    while (queue_count(queue) > 0)
        (void)take_client(queue);
    assert_null(queue_take(queue, true));
    assert_null(queue_each(queue, NULL));
}

static void finish(struct queue *queue)
{
    drain(queue);
    queue_destroy(queue);
}

static void one_client_is_served_in_its_order(void **state)
{
    struct queue *queue = queue_create();
    struct queue_place *places[5];

    (void)state;
    queue_destroy(NULL);
    for (size_t i = 0; i < 5; i++) {
        places[i] = place_make(7, 1, PRIORITY_INTERACTIVE, false);
        assert_true(queue_put(queue, places[i]));
    }
    for (size_t i = 0; i < 5; i++) {
        assert_ptr_equal(queue_take(queue, true), places[i]);
        free(places[i]);
    }
    finish(queue);
}

/* 24 that always have a hundred calls waiting, and one with a call now and then. */
static void a_polite_client_is_taken_within_two_takes(void **state)
{
    enum { GREEDY = 24, POLITE = 24, TAKES = 10000 };
    struct queue *queue = queue_create();
    struct random random = {1};
    unsigned pause = 30, waited = 0, served = 0;
    bool waits = false;

    (void)state;
    for (uint32_t i = 0; i < GREEDY; i++)
        put_some(queue, i, 100);
    for (unsigned take = 0; take < TAKES; take++) {
        if (!waits && pause-- == 0) {
            put_some(queue, POLITE, 1);
            waits = true;
            waited = 0;
        }
        const uint32_t client = take_client(queue);

        waited++;
        if (client == POLITE) {
            assert_in_range(waited, 1, 2);
            waits = false;
            pause = 30 + random_below(&random, 60);
            served++;
        } else {
            put_some(queue, client, 1);
        }
    }
    assert_true(served > 100);
    finish(queue);
}

static void polite_ones_are_taken_in_the_order_they_came(void **state)
{
    struct queue *queue = queue_create();

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        put_some(queue, i, 10);
    for (unsigned i = 0; i < 4; i++)
        (void)take_client(queue);
    put_some(queue, 9, 1);
    put_some(queue, 8, 1);
    assert_int_equal(take_client(queue), 9);
    assert_int_equal(take_client(queue), 8);
    finish(queue);
}

/* One that comes back at once, with one call each time, is no polite one: it gets its turn. */
static void coming_singly_gives_no_more_than_a_turn(void **state)
{
    enum { GREEDY = 3, SINGLE = 3, TAKES = 4000 };
    struct queue *queue = queue_create();
    unsigned taken[GREEDY + 1] = {0};

    (void)state;
    for (uint32_t i = 0; i < GREEDY; i++)
        put_some(queue, i, 50);
    put_some(queue, SINGLE, 1);
    for (unsigned i = 0; i < TAKES; i++) {
        const uint32_t client = take_client(queue);

        taken[client]++;
        put_some(queue, client, 1);
    }
    for (size_t i = 0; i <= GREEDY; i++)
        assert_in_range(taken[i], TAKES / 4 - 1, TAKES / 4 + 1);
    finish(queue);
}

static void shares_are_as_weights(void **state)
{
    enum { CLIENTS = 6, TAKES = 10000 };
    const uint32_t weights[CLIENTS] = {1, 1, 2, 3, 7, 11};
    const unsigned total = 25;
    struct queue *queue = queue_create();
    unsigned taken[CLIENTS] = {0};

    (void)state;
    for (uint32_t i = 0; i < CLIENTS; i++) /* how many it has waiting makes no difference */
        for (uint32_t j = 0; j <= (i * 37) % 50; j++)
            assert_true(
                queue_put(queue, place_make(i, weights[i], PRIORITY_INTERACTIVE, j % 3 == 0)));
    for (unsigned i = 0; i < TAKES; i++) {
        const uint32_t client = take_client(queue);

        taken[client]++;
        assert_true(
            queue_put(queue, place_make(client, weights[client], PRIORITY_INTERACTIVE, false)));
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        const double wanted = (double)TAKES * weights[i] / total;

        assert_true(taken[i] >= 0.99 * wanted - 1 && taken[i] <= 1.01 * wanted + 1);
    }
    finish(queue);
}

static void batch_gets_every_tenth_turn_and_all_that_is_left(void **state)
{
    struct queue *queue = queue_create();
    unsigned batch = 0;

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        assert_true(queue_put(queue, place_make(1, 1, PRIORITY_INTERACTIVE, false)));
        assert_true(queue_put(queue, place_make(2, 1000, PRIORITY_BATCH, false)));
    }
    for (unsigned i = 1; i <= 500; i++) {
        const uint32_t client = take_client(queue);

        batch += client == 2;
        assert_int_equal(client == 2, i % QUEUE_BATCH_EVERY == 0);
    }
    assert_int_equal(batch, 500 / QUEUE_BATCH_EVERY);
    for (unsigned i = 0; i < 55; i++) /* what interactive had left, and batch turns between */
        (void)take_client(queue);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(take_client(queue), 2);
    finish(queue);
}

static void no_client_can_take_all_the_room(void **state)
{
    struct queue *queue = queue_create();
    struct queue_place *refused = place_make(0, 1, PRIORITY_INTERACTIVE, false);
    uint32_t clients = 0;

    (void)state;
    put_some(queue, 0, QUEUE_FLOW_LIMIT);
    assert_false(queue_put(queue, refused));
    assert_null(refused->flow);
    for (clients = 1; queue_count(queue) < QUEUE_LIMIT; clients++)
        for (unsigned i = 0; i < QUEUE_FLOW_LIMIT && queue_count(queue) < QUEUE_LIMIT; i++)
            put_some(queue, clients, 1);
    refused->client = 1; /* has more than its share */
    assert_false(queue_put(queue, refused));
    put_some(queue, clients, 1); /* has none */
    put_some(queue, clients, QUEUE_LIMIT / (clients + 1) - 1);
    refused->client = clients;
    assert_false(queue_put(queue, refused));
    refused->priority = PRIORITY_BATCH; /* has none there */
    assert_true(queue_put(queue, refused));
    finish(queue);
}

static void a_raised_place_goes_with_the_interactive(void **state)
{
    struct queue *queue = queue_create();
    struct queue_place *raised = place_make(1, 1, PRIORITY_BATCH, false);
    struct queue_place *other = place_make(1, 1, PRIORITY_BATCH, false);

    (void)state;
    put_some(queue, 1, 2);
    assert_true(queue_put(queue, other));
    assert_true(queue_put(queue, raised));
    queue_raise(queue, raised);
    queue_raise(queue, raised); /* does nothing */
    assert_int_equal(raised->priority, PRIORITY_INTERACTIVE);
    (void)take_client(queue);
    (void)take_client(queue); /* behind what the client has there */
    assert_ptr_equal(queue_take(queue, true), raised);
    assert_ptr_equal(queue_take(queue, true), other);
    free(raised);
    free(other);
    finish(queue);
}

static void writes_can_be_taken_alone(void **state)
{
    struct queue *queue = queue_create();
    struct queue_place *first = place_make(1, 1, PRIORITY_BATCH, true);
    struct queue_place *second = place_make(2, 1, PRIORITY_INTERACTIVE, true);
    struct queue_place *third = place_make(3, 1, PRIORITY_INTERACTIVE, true);

    (void)state;
    put_some(queue, 2, 5);
    assert_null(queue_take_write(queue));
    assert_null(queue_take(queue, false));
    assert_true(queue_put(queue, first));
    assert_true(queue_put(queue, second));
    assert_true(queue_put(queue, third));
    assert_int_equal(queue_write_count(queue), 3);
    assert_ptr_equal(queue_take_write(queue), first);   /* waits longest */
    assert_ptr_equal(queue_take(queue, false), second); /* in turn, past its client's reads */
    assert_ptr_equal(queue_take(queue, false), third);
    assert_null(queue_take(queue, false));
    assert_int_equal(queue_write_count(queue), 0);
    assert_int_equal(queue_count(queue), 5);
    free(first);
    free(second);
    free(third);
    finish(queue);
}

/* A client whose writes go out of turn pays with its turns, but not for longer than so many. */
static void writes_out_of_turn_are_charged_within_bounds(void **state)
{
    enum { CLIENTS = 10, WRITER = 0, TAKES = 5000 };
    struct queue *queue = queue_create();
    unsigned reads = 0, wait = 1;

    (void)state;
    for (uint32_t i = 0; i < CLIENTS; i++)
        put_some(queue, i, 50);
    for (unsigned i = 0; i < TAKES; i++) {
        if (i % 5 == 0) { /* a fifth for writes: twice its fair share */
            assert_true(queue_put(queue, place_make(WRITER, 1, PRIORITY_INTERACTIVE, true)));
            free(queue_take_write(queue));
        }
        const uint32_t client = take_client(queue);

        reads += client == WRITER;
        put_some(queue, client, 1);
    }
    assert_true(reads < TAKES / CLIENTS / 2);
    for (uint32_t client; (client = take_client(queue)) != WRITER; wait++)
        put_some(queue, client, 1);
    assert_in_range(wait, 1, (QUEUE_DEBT_TURNS + 1) * CLIENTS);
    finish(queue);
}

/* The loop of a caller that gives up on some. */
static void each_may_be_removed_on_the_way(void **state)
{
    struct queue *queue = queue_create();
    struct queue_place *places[12];
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        places[i] = place_make((uint32_t)i % 5, 1, i % 2 == 0 ? PRIORITY_BATCH : 0, i % 3 == 0);
        assert_true(queue_put(queue, places[i]));
    }
    for (struct queue_place *place = NULL; (place = queue_each(queue, place)) != NULL; seen++) {
        assert_ptr_equal(place, places[seen]);
        if (seen % 4 != 1)
            queue_remove(queue, place);
    }
    assert_int_equal(seen, 12);
    assert_int_equal(queue_count(queue), 3);
    drain(queue);
    for (size_t i = 0; i < 12; i++)
        if (i % 4 != 1)
            free(places[i]);
    queue_destroy(queue);
}

/* --- random operations beside a naive model --- */

enum { MODEL_LIMIT = 400, MODEL_CLIENTS = 8, MODEL_STEPS = 30000 };

/* The places that wait, the first put first. */
struct model {
    struct queue_place *places[MODEL_LIMIT];
    size_t count;
    unsigned since_batch;
};

static void model_forget(struct model *model, size_t index)
{
    for (size_t i = index + 1; i < model->count; i++)
        model->places[i - 1] = model->places[i];
    model->count--;
}

static size_t model_index(const struct model *model, const struct queue_place *place)
{
    size_t index = 0;

    while (index < model->count && model->places[index] != place)
        index++;
    assert_true(index < model->count);
    return index;
}

static size_t model_count(const struct model *model, enum priority priority, bool writes_only)
{
    size_t count = 0;

    for (size_t i = 0; i < model->count; i++)
        count +=
            model->places[i]->priority == priority && (model->places[i]->is_write || !writes_only);
    return count;
}

/* What may be said of a taken place without knowing turns: its class is due, and nobody of its
 * client in its class waits longer. */
static void model_check_taken(struct model *model, struct queue_place *place, bool writes_only)
{
    const bool interactive = model_count(model, PRIORITY_INTERACTIVE, writes_only) > 0;
    const bool batch = model_count(model, PRIORITY_BATCH, writes_only) > 0;
    const bool batch_is_due = batch && (!interactive || model->since_batch >= 9);

    if (place == NULL) {
        assert_false(interactive || batch);
        return;
    }
    assert_int_equal(place->priority, batch_is_due ? PRIORITY_BATCH : PRIORITY_INTERACTIVE);
    model->since_batch = batch_is_due ? 0 : model->since_batch + 1;
    for (size_t i = 0; model->places[i] != place; i++)
        assert_false(model->places[i]->client == place->client &&
                     model->places[i]->priority == place->priority &&
                     (model->places[i]->is_write || !writes_only));
    model_forget(model, model_index(model, place));
    free(place);
}

static void model_check_write(struct model *model, struct queue_place *place)
{
    size_t first = 0;

    while (first < model->count && !model->places[first]->is_write)
        first++;
    if (first == model->count) {
        assert_null(place);
        return;
    }
    assert_ptr_equal(place, model->places[first]);
    model_forget(model, first);
    free(place);
}

/* To the end of the model's order, too: a raised place is the last of its new flow. Not a write,
 * for among writes it keeps its place. */
static void model_raise(struct model *model, struct queue_place *place)
{
    if (place->priority == PRIORITY_INTERACTIVE)
        return;
    assert_false(place->is_write);
    model_forget(model, model_index(model, place));
    model->places[model->count++] = place;
}

static struct queue_place *place_random(struct random *random)
{
    return place_make(random_below(random, MODEL_CLIENTS), 1 + random_below(random, 5),
                      random_below(random, 2) == 0 ? PRIORITY_BATCH : PRIORITY_INTERACTIVE,
                      random_below(random, 4) == 0);
}

static void step(struct queue *queue, struct model *model, struct random *random)
{
    const uint32_t what = random_below(random, 16);
    struct queue_place *any =
        model->count == 0 ? NULL : model->places[random_below(random, (uint32_t)model->count)];

    if (what < 8 && model->count < MODEL_LIMIT) {
        model->places[model->count] = place_random(random);
        assert_true(queue_put(queue, model->places[model->count++]));
    } else if (what < 12) {
        model_check_taken(model, queue_take(queue, true), false);
    } else if (what == 12) {
        model_check_taken(model, queue_take(queue, false), true);
    } else if (what == 13) {
        model_check_write(model, queue_take_write(queue));
    } else if (what == 14 && any != NULL) {
        queue_remove(queue, any);
        assert_null(any->flow);
        model_forget(model, model_index(model, any));
        free(any);
    } else if (any != NULL && !any->is_write) {
        model_raise(model, any);
        queue_raise(queue, any);
    }
    assert_int_equal(queue_count(queue), model->count);
    assert_int_equal(queue_write_count(queue), model_count(model, PRIORITY_INTERACTIVE, true) +
                                                   model_count(model, PRIORITY_BATCH, true));
}

/* Asks how many are ahead, puts it, and takes all. */
static void check_ahead(struct queue *queue, struct model *model, struct random *random)
{
    struct queue_place *place = place_random(random);
    const size_t ahead = queue_ahead(queue, place);
    size_t taken = 0;
    bool found = false;

    assert_int_equal(queue_count(queue), model->count);
    assert_true(queue_put(queue, place));
    model->places[model->count++] = place;
    while (model->count > 0) {
        struct queue_place *next = queue_take(queue, true);

        found |= next == place;
        taken += !found;
        model_check_taken(model, next, false);
    }
    assert_int_equal(ahead, taken);
}

static void queue_and_model_agree(void **state)
{
    struct random random = {42};

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct queue *queue = queue_create();
        struct model model = {.count = 0};

        for (unsigned i = 0; i < MODEL_STEPS / 20; i++) {
            step(queue, &model, &random);
            if (random_below(&random, 100) == 0)
                check_ahead(queue, &model, &random);
        }
        check_ahead(queue, &model, &random);
        queue_destroy(queue);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_client_is_served_in_its_order),
        cmocka_unit_test(a_polite_client_is_taken_within_two_takes),
        cmocka_unit_test(polite_ones_are_taken_in_the_order_they_came),
        cmocka_unit_test(coming_singly_gives_no_more_than_a_turn),
        cmocka_unit_test(shares_are_as_weights),
        cmocka_unit_test(batch_gets_every_tenth_turn_and_all_that_is_left),
        cmocka_unit_test(no_client_can_take_all_the_room),
        cmocka_unit_test(a_raised_place_goes_with_the_interactive),
        cmocka_unit_test(writes_can_be_taken_alone),
        cmocka_unit_test(writes_out_of_turn_are_charged_within_bounds),
        cmocka_unit_test(each_may_be_removed_on_the_way),
        cmocka_unit_test(queue_and_model_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
