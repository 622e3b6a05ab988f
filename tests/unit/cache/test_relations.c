/* What belongs to what: learned from answers that passed, forgotten whenever it may not hold. */
#include "storing.h"

#include "cache/cache_state.h"

#define MINUTE_US (60 * CLOCK_SECOND_US)

static struct keeper keeper;

static int keeper_make(void **state)
{
    (void)state;
    keeper_open(&keeper, 1024 * 1024);
    return 0;
}

static int keeper_drop(void **state)
{
    (void)state;
    keeper_close(&keeper);
    return 0;
}

static struct relation belongs(const char *child, const char *kind, const char *id)
{
    return (struct relation){.child = bytes_of_string(child),
                             .parent_kind = bytes_of_string(kind),
                             .parent_id = bytes_of_string(id)};
}

static void assert_parent(const char *child, const char *kind, const char *id)
{
    cache_reader_reset(keeper.reader);
    const struct relations relations = cache_reader_relations(keeper.reader, keeper.account);
    const struct bytes found =
        relation_find(&relations, bytes_of_string(child), bytes_of_string(kind));

    assert_int_equal(relations.account_tag, keeper.account->tag);
    assert_string_equal(arena_copy(&keeper.arena, found).data, id);
}

static struct errand teaching(const char *path, const struct relation *relation)
{
    struct errand errand = keeper_store_job(&keeper, path, "body", cache_now(keeper.cache));

    errand.job.relations = relation;
    errand.job.relation_count = 1;
    return errand;
}

static enum result teach(const char *path, const char *id)
{
    const struct relation relation = belongs("profile/7", "database", id);
    struct errand errand = teaching(path, &relation);

    return keeper_do(&keeper, &errand);
}

static void a_stored_answer_teaches(void **state)
{
    (void)state;
    assert_parent("profile/7", "database", "");
    assert_int_equal(teach("/a", "31"), RESULT_OK);
    assert_parent("profile/7", "database", "31");
    assert_parent("profile/7", "collection", "");
    assert_parent("profile/71", "database", "");
    assert_int_equal(teach("/b", "31"), RESULT_OK); /* known: nothing goes */
    assert_string_equal(keeper_find(&keeper, "/a"), "body");
    keeper_reopen(&keeper);
    assert_parent("profile/7", "database", "31");
    keeper.account = cache_account(keeper.cache, BYTES("other"));
    assert_parent("profile/7", "database", "");
}

static void an_answer_that_was_overtaken_teaches_nothing(void **state)
{
    const struct relation relation = belongs("profile/7", "database", "31");
    struct errand late = teaching("/a", &relation);
    struct errand write = keeper_naming(&keeper, "/a");

    (void)state;
    assert_int_equal(keeper_do(&keeper, &write), RESULT_OK);
    assert_int_equal(keeper_do(&keeper, &late), RESULT_REFUSED);
    assert_parent("profile/7", "database", "");
}

static void a_write_teaches_what_it_created(void **state)
{
    const struct relation relation = belongs("profile/9", "database", "5");
    struct errand write = keeper_naming(&keeper, "/database/5/profiles");

    (void)state;
    write.job.relations = &relation;
    write.job.relation_count = 1;
    assert_int_equal(keeper_store(&keeper, "/b", "stays"), RESULT_OK);
    assert_int_equal(keeper_do(&keeper, &write), RESULT_OK);
    assert_parent("profile/9", "database", "5");
    assert_string_equal(keeper_find(&keeper, "/b"), "stays");
}

/* Whatever rests on the old parent goes: stored, being fetched, and the answer that told. */
static void a_parent_that_changes_empties_the_account(void **state)
{
    struct errand early;
    const uint64_t before = cache_now(keeper.cache);

    (void)state;
    assert_int_equal(teach("/a", "31"), RESULT_OK);
    early = keeper_store_job(&keeper, "/early", "body", cache_now(keeper.cache));
    assert_string_equal(keeper_find(&keeper, "/a"), "body");
    assert_int_equal(teach("/b", "32"), RESULT_REFUSED);
    assert_int_equal(cache_now(keeper.cache), before + 1); /* no reset: a reader sees it */
    assert_int_equal(account_invalidated(keeper.account), before + 1);
    assert_null(keeper_find(&keeper, "/a"));
    assert_null(keeper_find(&keeper, "/b"));
    assert_parent("profile/7", "database", "");
    assert_int_equal(keeper_do(&keeper, &early), RESULT_REFUSED);
    assert_int_equal(teach("/b", "32"), RESULT_OK);
    assert_parent("profile/7", "database", "32");
    assert_string_equal(keeper_find(&keeper, "/b"), "body");
}

static void stores_beside_the_one_that_saw_a_change_do_not_survive_it(void **state)
{
    const struct relation old = belongs("profile/7", "database", "31");
    const struct relation new = belongs("profile/7", "database", "32");
    struct errand errands[3];

    (void)state;
    assert_int_equal(teach("/z", "31"), RESULT_OK);
    for (unsigned round = 0; round < 50; round++) {
        const struct relation *which = round % 2 == 0 ? &new : &old;
        bool refused = false;

        errands[0] = keeper_store_job(&keeper, "/a", "body", cache_now(keeper.cache));
        errands[1] = teaching("/b", which);
        errands[2] = keeper_store_job(&keeper, "/c", "body", cache_now(keeper.cache));
        for (size_t i = 0; i < ARRAY_LENGTH(errands); i++)
            keeper_post(&keeper, &errands[i]); /* mostly one transaction */
        for (size_t i = 0; i < ARRAY_LENGTH(errands); i++)
            refused |= keeper_await(&keeper, &errands[i]) == RESULT_REFUSED;
        assert_true(refused);
        assert_null(keeper_find(&keeper, "/a"));
        assert_null(keeper_find(&keeper, "/b"));
        assert_null(keeper_find(&keeper, "/c"));
        assert_int_equal(teach("/b", round % 2 == 0 ? "32" : "31"), RESULT_OK);
    }
}

static void a_write_that_sees_a_parent_change_empties_the_account(void **state)
{
    const struct relation relation = belongs("profile/7", "database", "32");
    struct errand write = keeper_naming(&keeper, "/x");

    (void)state;
    assert_int_equal(teach("/a", "31"), RESULT_OK);
    write.job.relations = &relation;
    write.job.relation_count = 1;
    assert_int_equal(keeper_do(&keeper, &write), RESULT_OK);
    assert_null(keeper_find(&keeper, "/a"));
    assert_true(write.job.gone >= 1);
}

static void a_write_that_moves_forgets_and_takes_along_what_rests_on_it(void **state)
{
    const struct relation moved = belongs("profile/7", "database", "");
    const struct relation unknown = belongs("profile/8", "database", "");
    struct errand write = keeper_naming(&keeper, "/x");

    (void)state;
    assert_int_equal(teach("/a", "31"), RESULT_OK);
    write.job.forgets = &unknown;
    write.job.forget_count = 1;
    assert_int_equal(keeper_do(&keeper, &write), RESULT_OK);
    assert_string_equal(keeper_find(&keeper, "/a"), "body");
    write.job.forgets = &moved;
    assert_int_equal(keeper_do(&keeper, &write), RESULT_OK);
    assert_parent("profile/7", "database", "");
    assert_null(keeper_find(&keeper, "/a"));
}

/* Its tags were found by a relation that does not hold any more. */
static void a_write_under_way_while_a_relation_changes_empties_the_account(void **state)
{
    struct errand write = keeper_naming(&keeper, "/x"), after = keeper_naming(&keeper, "/x");

    (void)state;
    assert_int_equal(teach("/a", "31"), RESULT_OK);
    write.job.begun = cache_now(keeper.cache);
    assert_int_equal(teach("/a", "32"), RESULT_REFUSED);
    assert_int_equal(teach("/a", "32"), RESULT_OK);
    after.job.begun = cache_now(keeper.cache);
    assert_int_equal(keeper_do(&keeper, &after), RESULT_OK);
    assert_string_equal(keeper_find(&keeper, "/a"), "body");
    assert_int_equal(keeper_do(&keeper, &write), RESULT_OK);
    assert_null(keeper_find(&keeper, "/a"));
}

/* A write that no rule knows may have moved anything. */
static void emptying_an_account_forgets_its_relations(void **state)
{
    (void)state;
    assert_int_equal(teach("/a", "31"), RESULT_OK);
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK);
    assert_parent("profile/7", "database", "");
    assert_int_equal(teach("/a", "32"), RESULT_OK); /* no change is seen */
    assert_parent("profile/7", "database", "32");
}

static void nothing_is_learned_while_an_unknown_write_may_land(void **state)
{
    struct errand write = keeper_invalidation(&keeper);

    (void)state;
    write.job.quarantine_us = MINUTE_US;
    assert_int_equal(keeper_do(&keeper, &write), RESULT_OK);
    assert_int_equal(teach("/a", "31"), RESULT_OK);
    assert_parent("profile/7", "database", "");
}

static void relations_are_bounded(void **state)
{
    char child[64];

    (void)state;
    assert_int_equal(teach("/a", "31"), RESULT_OK);
    for (unsigned i = 0; i < 20000; i += 100) {
        struct relation relations[100];
        struct errand errand = keeper_store_job(&keeper, "/b", "body", cache_now(keeper.cache));

        for (unsigned k = 0; k < 100; k++) {
            (void)snprintf(child, sizeof(child), "profile/%u", 1000 + i + k);
            relations[k] = (struct relation){
                .child = arena_copy(&keeper.arena, bytes_of_string(child)),
                .parent_kind = BYTES("database"),
                .parent_id =
                    BYTES("0123456789012345678901234567890123456789012345678901234567890123"),
            };
        }
        errand.job.relations = relations;
        errand.job.relation_count = ARRAY_LENGTH(relations);
        const enum result result = keeper_do(&keeper, &errand);
        assert_true(result == RESULT_OK || result == RESULT_REFUSED); /* in one microsecond */
    }
    assert_parent("profile/7", "database", ""); /* all went, then others came */
    assert_int_equal(teach("/a", "31"), RESULT_OK);
    assert_parent("profile/7", "database", "31");
}

static void what_is_too_long_is_not_learned(void **state)
{
    static char text[600];
    struct relation relation = belongs("profile/7", "database", text);
    struct errand errand;

    (void)state;
    memset(text, 't', sizeof(text) - 1);
    relation.parent_id = bytes_of(text, sizeof(text) - 1);
    errand = teaching("/a", &relation);
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    assert_parent("profile/7", "database", "");
    relation = belongs(text, "database", "31");
    errand = teaching("/b", &relation);
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    assert_parent(text, "database", "");
}

/* --- over several steps --- */

enum { DATABASE, VIEW, RULE, ISLAND, LOOP };

static const struct kind kinds[] = {
    [DATABASE] = {.name = {"database", 8}},
    [VIEW] = {.name = {"view", 4}, .parents = {DATABASE}, .parent_count = 1},
    [RULE] = {.name = {"rule", 4}, .parents = {ISLAND, VIEW}, .parent_count = 2},
    [ISLAND] = {.name = {"island", 6}},
    [LOOP] = {.name = {"loop", 4}, .parents = {LOOP}, .parent_count = 1},
};
static const struct entities entities = {.kinds = kinds, .kind_count = ARRAY_LENGTH(kinds)};

static void assert_ancestor(const struct relation *taught, int kind, const char *id,
                            const char *database)
{
    cache_reader_reset(keeper.reader);
    const struct relations relations = cache_reader_relations(keeper.reader, keeper.account);
    const struct ancestry ancestry = {.relations = &relations,
                                      .entities = &entities,
                                      .taught = taught,
                                      .taught_count = taught == NULL ? 0 : 1,
                                      .arena = &keeper.arena};
    const struct bytes found = relation_ancestor(&ancestry, kind, bytes_of_string(id), DATABASE);

    assert_string_equal(arena_copy(&keeper.arena, found).data, database);
}

static void an_ancestor_is_found_step_by_step(void **state)
{
    const struct relation taught = belongs("view/410", "database", "99");
    const struct relation steps[] = {belongs("rule/9", "view", "410"),
                                     belongs("rule/9", "island", "1"),
                                     belongs("loop/1", "loop", "1")};
    const struct relation last = belongs("view/410", "database", "31");
    struct errand errand = keeper_store_job(&keeper, "/a", "body", cache_now(keeper.cache));

    (void)state;
    assert_ancestor(NULL, DATABASE, "31", "31");
    errand.job.relations = steps;
    errand.job.relation_count = ARRAY_LENGTH(steps);
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    assert_ancestor(NULL, RULE, "9", "");
    assert_ancestor(&taught, RULE, "9", "99");
    errand = teaching("/b", &last);
    assert_int_equal(keeper_do(&keeper, &errand), RESULT_OK);
    assert_ancestor(NULL, RULE, "9", "31");
    assert_ancestor(&taught, RULE, "9", "99"); /* newer than the snapshot */
    assert_ancestor(NULL, VIEW, "410", "31");
    assert_ancestor(NULL, RULE, "10", "");
    assert_ancestor(NULL, LOOP, "1", ""); /* and it ends */
}

static void without_a_store_nothing_is_known(void **state)
{
    const struct relations none = {.account_tag = 1};
    const struct relation taught = belongs("view/410", "database", "99");

    (void)state;
    assert_int_equal(relation_find(&none, BYTES("view/410"), BYTES("database")).length, 0);
    const struct ancestry ancestry = {.relations = &none,
                                      .entities = &entities,
                                      .taught = &taught,
                                      .taught_count = 1,
                                      .arena = &keeper.arena};
    const struct bytes found = relation_ancestor(&ancestry, VIEW, BYTES("410"), DATABASE);
    assert_true(bytes_equal(found, BYTES("99")));
}

#define WITH_KEEPER(test) cmocka_unit_test_setup_teardown(test, keeper_make, keeper_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_KEEPER(a_stored_answer_teaches),
        WITH_KEEPER(an_answer_that_was_overtaken_teaches_nothing),
        WITH_KEEPER(a_write_teaches_what_it_created),
        WITH_KEEPER(a_parent_that_changes_empties_the_account),
        WITH_KEEPER(stores_beside_the_one_that_saw_a_change_do_not_survive_it),
        WITH_KEEPER(a_write_that_sees_a_parent_change_empties_the_account),
        WITH_KEEPER(a_write_that_moves_forgets_and_takes_along_what_rests_on_it),
        WITH_KEEPER(a_write_under_way_while_a_relation_changes_empties_the_account),
        WITH_KEEPER(emptying_an_account_forgets_its_relations),
        WITH_KEEPER(nothing_is_learned_while_an_unknown_write_may_land),
        WITH_KEEPER(relations_are_bounded),
        WITH_KEEPER(what_is_too_long_is_not_learned),
        WITH_KEEPER(an_ancestor_is_found_step_by_step),
        WITH_KEEPER(without_a_store_nothing_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
