/* What goes first: the expired, soonest expired first; then SIEVE's order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/evict.h"

#define S INT64_C(1000000)
#define NOW (INT64_C(1700000000) * S)

enum { NAMES = 64, NOBODY = -1 };

static struct evict evict;

static int evict_make(void **state)
{
    (void)state;
    evict_init(&evict);
    return 0;
}

static int evict_drop(void **state)
{
    (void)state;
    evict_finish(&evict);
    return 0;
}

/* Names 0 … NAMES - 1; buckets are shared (high), marks are not (low). */
static struct hash128 hash_of_name(int name)
{
    return (struct hash128){.high = (uint64_t)name % 3, .low = (uint64_t)name};
}

static void add(int name, int64_t expires_wall_us, uint64_t bytes)
{
    const struct evict_slot slot = {.hash = hash_of_name(name),
                                    .serial = (uint64_t)name,
                                    .expires_wall_us = expires_wall_us,
                                    .footprint_bytes = bytes};

    evict_add(&evict, &slot);
}

static void add_fresh(int name)
{
    add(name, NOW + 60 * S + name, 100);
}

static int choose(void)
{
    struct hash128 hash;

    return evict_choose(&evict, NOW, &hash) ? (int)hash.low : NOBODY;
}

static int choose_and_remove(void)
{
    const int name = choose();

    if (name != NOBODY)
        evict_remove(&evict, hash_of_name(name));
    return name;
}

static void an_empty_cache_has_nobody_to_go(void **state)
{
    (void)state;
    assert_int_equal(choose(), NOBODY);
    evict_remove(&evict, hash_of_name(1)); /* not there: fine */
    add_fresh(1);
    evict_remove(&evict, hash_of_name(1));
    assert_int_equal(choose(), NOBODY);
    assert_int_equal(evict.held_bytes, 0);
}

static void without_use_the_oldest_goes_first(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        add_fresh(i);
    for (int i = 0; i < 5; i++)
        assert_int_equal(choose_and_remove(), i);
}

static void what_was_used_is_spared_once(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        add_fresh(i);
    evict_mark(&evict, hash_of_name(0));
    evict_mark(&evict, hash_of_name(2));
    assert_int_equal(choose_and_remove(), 1);
    assert_int_equal(choose_and_remove(), 3); /* the hand went on from where it was */
    assert_int_equal(choose_and_remove(), 0);
    assert_int_equal(choose_and_remove(), 2);
}

/* SIEVE's difference from CLOCK: a new entry comes before the hand, not behind it. */
static void a_new_entry_waits_for_the_next_round(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        add_fresh(i);
    evict_mark(&evict, hash_of_name(0));
    assert_int_equal(choose_and_remove(), 1);
    add_fresh(3);
    assert_int_equal(choose_and_remove(), 2);
    assert_int_equal(choose_and_remove(), 3);
    assert_int_equal(choose_and_remove(), 0);
}

static void the_expired_go_first_soonest_first(void **state)
{
    (void)state;
    add_fresh(0);
    add(1, NOW - 1 * S, 100);
    add(2, NOW - 3 * S, 100);
    add(3, NOW, 100);
    add(4, NOW - 2 * S, 100);
    evict_mark(&evict, hash_of_name(2)); /* use saves nobody who has expired */
    assert_int_equal(choose_and_remove(), 2);
    assert_int_equal(choose_and_remove(), 4);
    assert_int_equal(choose_and_remove(), 1);
    assert_int_equal(choose_and_remove(), 3);
    assert_int_equal(choose_and_remove(), 0);
}

static void one_of_the_same_name_is_replaced(void **state)
{
    (void)state;
    add(1, NOW + S, 100);
    add_fresh(2);
    add(1, NOW + 2 * S, 30);
    assert_int_equal(evict.entry_count, 2);
    assert_int_equal(evict.held_bytes, 130);
    assert_int_equal(choose_and_remove(), 2); /* 1 is the newest now */
}

static void clearing_forgets_all_but_the_marks(void **state)
{
    (void)state;
    add_fresh(1);
    add_fresh(2);
    evict_mark(&evict, hash_of_name(1));
    evict_clear(&evict);
    assert_int_equal(choose(), NOBODY);
    assert_int_equal(evict.held_bytes, 0);
    add_fresh(1);
    add_fresh(2);
    assert_int_equal(choose_and_remove(), 2);
}

static void all_marked_over_and_over_still_lets_somebody_go(void **state)
{
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        add_fresh(i);
        evict_mark(&evict, hash_of_name(i));
    }
    assert_int_equal(choose_and_remove(), 0);
}

/* --- against a model: a list from the oldest to the newest --- */

struct model {
    struct {
        int name;
        int64_t expires_wall_us;
        uint64_t bytes;
    } list[NAMES];
    int count, hand; /* hand: a position; count: at the end, so from the start */
    bool marked[NAMES];
};

static int model_find(const struct model *model, int name)
{
    for (int i = 0; i < model->count; i++)
        if (model->list[i].name == name)
            return i;
    return NOBODY;
}

static void model_remove(struct model *model, int name)
{
    const int at = model_find(model, name);

    if (at == NOBODY)
        return;
    model->count--;
    for (int i = at; i < model->count; i++)
        model->list[i] = model->list[i + 1];
    if (model->hand > at)
        model->hand--;
}

static void model_add(struct model *model, int name, int64_t expires_wall_us, uint64_t bytes)
{
    model_remove(model, name);
    const bool hand_at_end = model->hand == model->count;

    model->list[model->count].name = name;
    model->list[model->count].expires_wall_us = expires_wall_us;
    model->list[model->count].bytes = bytes;
    model->count++;
    if (hand_at_end)
        model->hand = model->count;
}

static int model_choose(struct model *model, int64_t wall_us)
{
    int soonest = 0;

    if (model->count == 0)
        return NOBODY;
    for (int i = 1; i < model->count; i++)
        if (model->list[i].expires_wall_us < model->list[soonest].expires_wall_us)
            soonest = i;
    if (model->list[soonest].expires_wall_us <= wall_us)
        return model->list[soonest].name;
    for (;;) {
        if (model->hand >= model->count)
            model->hand = 0;
        const int name = model->list[model->hand].name;

        if (!model->marked[name])
            return name;
        model->marked[name] = false;
        model->hand++;
    }
}

static uint64_t model_bytes(const struct model *model)
{
    uint64_t bytes = 0;

    for (int i = 0; i < model->count; i++)
        bytes += model->list[i].bytes;
    return bytes;
}

static void assert_walk_meets_all(const struct model *model)
{
    int met = 0;

    for (uint32_t i = 0; i < evict.slot_count; i++) {
        const struct evict_slot *slot = evict_at(&evict, i);

        if (slot != NULL)
            assert_int_not_equal(model_find(model, (int)slot->hash.low), NOBODY);
        met += slot != NULL;
    }
    assert_int_equal(met, model->count);
}

static void random_operations_agree_with_a_simple_model(void **state)
{
    struct model model = {.count = 0};
    uint64_t random = 88172645463325252u;
    struct hash128 hash;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        const int name = (int)(random % NAMES);
        const int64_t wall_us = NOW + i;
        /* no two expire at once: which of them goes first is nobody's promise */
        const int64_t expires = wall_us + ((int64_t)(random >> 8) % 300 - 60) * 1000000 + i;

        switch ((random >> 32) % 6) {
        case 0:
        case 1:
            add(name, expires, 1 + random % 1000);
            model_add(&model, name, expires, 1 + random % 1000);
            break;
        case 2:
            evict_remove(&evict, hash_of_name(name));
            model_remove(&model, name);
            break;
        case 3:
            evict_mark(&evict, hash_of_name(name));
            model.marked[name] = true;
            break;
        default:
            assert_int_equal(evict_choose(&evict, wall_us, &hash) ? (int)hash.low : NOBODY,
                             model_choose(&model, wall_us));
            if (model.count > NAMES / 2) {
                evict_remove(&evict, hash);
                model_remove(&model, (int)hash.low);
            }
        }
        assert_int_equal(evict.entry_count, model.count);
        assert_int_equal(evict.held_bytes, model_bytes(&model));
        if (i % 1000 == 0)
            assert_walk_meets_all(&model);
    }
}

static void it_grows_as_far_as_it_must(void **state)
{
    struct hash128 hash;

    (void)state;
    for (uint64_t i = 0; i < 5000; i++) { /* several times over its first size */
        const struct evict_slot slot = {
            .hash = {i * 7919, i}, .expires_wall_us = NOW + S, .footprint_bytes = 10};

        evict_add(&evict, &slot);
    }
    assert_int_equal(evict.held_bytes, 50000);
    for (uint64_t i = 0; i < 5000; i++) {
        assert_true(evict_choose(&evict, NOW, &hash));
        assert_int_equal(hash.low, i);
        evict_remove(&evict, hash);
    }
    assert_int_equal(evict.held_bytes, 0);
}

#define WITH_EVICT(test) cmocka_unit_test_setup_teardown(test, evict_make, evict_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_EVICT(an_empty_cache_has_nobody_to_go),
        WITH_EVICT(without_use_the_oldest_goes_first),
        WITH_EVICT(what_was_used_is_spared_once),
        WITH_EVICT(a_new_entry_waits_for_the_next_round),
        WITH_EVICT(the_expired_go_first_soonest_first),
        WITH_EVICT(one_of_the_same_name_is_replaced),
        WITH_EVICT(clearing_forgets_all_but_the_marks),
        WITH_EVICT(all_marked_over_and_over_still_lets_somebody_go),
        WITH_EVICT(random_operations_agree_with_a_simple_model),
        WITH_EVICT(it_grows_as_far_as_it_must),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
