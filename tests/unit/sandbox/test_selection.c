/* Views and miniviews: rules, nesting, and the lag with which they follow. */
#include "asking.h"

#include <stdlib.h>

#include "base/memory.h"

enum { SECOND_US = 1000000 };

static void pass(struct asking *asking, int64_t seconds)
{
    model_set_time(asking->model, asking->model->now_us + seconds * SECOND_US,
                   (asking->model->wall_s + seconds) * SECOND_US);
}

static bool view_has(struct asking *asking, const char *view, const char *id)
{
    char target[64];

    (void)snprintf(target, sizeof(target), "/view/%s/profileids", view);
    (void)read_text(asking, target);
    return answer_has(asking, id);
}

/* A view of database 31 of profiles with that city; 419 is the next free id. */
static void make_view_of_city(struct asking *asking, const char *city)
{
    char body[128];

    assert_int_equal(ask(asking, METHOD_POST, "/v3/database/31/views", "{\"name\":\"city\"}"), 201);
    assert_string_equal(answer_field(asking, "X-Created"), "419");
    assert_int_equal(ask(asking, METHOD_POST, "/v3/view/419/rules", "{\"name\":\"r\"}"), 201);
    assert_string_equal(answer_field(asking, "X-Created"), "21");
    (void)snprintf(body, sizeof(body),
                   "{\"type\":\"Field\",\"field\":\"city\",\"comparison\":\"equals\","
                   "\"value\":\"%s\"}",
                   city);
    assert_int_equal(ask(asking, METHOD_POST, "/v3/rule/21/conditions", body), 201);
}

static void a_profile_enters_and_leaves_with_its_values(void **state)
{
    make_view_of_city(*state, "Elst");
    assert_string_equal(read_text(*state, "/view/419/profileids"), "[]");
    (void)ask(*state, METHOD_PUT, "/profile/9005/fields", "{\"city\":\"Elst\"}");
    (void)ask(*state, METHOD_PUT, "/profile/9002/fields", "{\"city\":\"Elst\"}");
    assert_string_equal(read_text(*state, "/view/419/profileids"), "[\"9002\",\"9005\"]");
    (void)ask(*state, METHOD_PUT, "/profile/9002/fields", "{\"city\":\"Ede\"}");
    assert_string_equal(read_text(*state, "/view/419/profileids"), "[\"9005\"]");
    (void)ask(*state, METHOD_DELETE, "/profile/9005", "");
    assert_string_equal(read_text(*state, "/view/419/profileids"), "[]");
}

static void a_lag_shows_changes_only_when_it_has_passed(void **state)
{
    struct asking *asking = *state;

    make_view_of_city(asking, "Elst");
    (void)read_text(asking, "/view/419");
    asking->model->view_lag_us = 10 * SECOND_US;
    (void)ask(asking, METHOD_PUT, "/profile/9005/fields", "{\"city\":\"Elst\"}");
    pass(asking, 9);
    assert_false(view_has(asking, "419", "9005"));
    assert_true(strstr(read_text(asking, "/profile/9005"), "Elst") != NULL);
    pass(asking, 1);
    assert_true(view_has(asking, "419", "9005"));
}

static void a_later_change_does_not_keep_an_earlier_one_from_being_seen(void **state)
{
    struct asking *asking = *state;

    make_view_of_city(asking, "Elst");
    (void)read_text(asking, "/view/419");
    asking->model->view_lag_us = 10 * SECOND_US;
    (void)ask(asking, METHOD_PUT, "/profile/9005/fields", "{\"city\":\"Elst\"}");
    pass(asking, 11);
    (void)ask(asking, METHOD_PUT, "/profile/9005/fields", "{\"city\":\"Gent\"}");
    assert_true(view_has(asking, "419", "9005"));
    pass(asking, 10);
    assert_false(view_has(asking, "419", "9005"));
}

static void rules_take_effect_and_move_last_built_after_the_lag(void **state)
{
    struct asking *asking = *state;

    (void)read_text(asking, "/view/410");
    asking->model->view_lag_us = 10 * SECOND_US;
    (void)ask(asking, METHOD_PUT, "/profile/9005/fields", "{\"city\":\"Elst\"}");
    make_view_of_city(asking, "Elst");
    pass(asking, 9);
    (void)ask(asking, METHOD_PUT, "/profile/9006/fields", "{\"city\":\"Elst\"}");
    assert_string_equal(read_text(asking, "/view/419/profileids"), "[]");
    (void)read_text(asking, "/view/419");
    assert_true(answer_has(asking, "\"last-built\":\"2023-11-14 23:13:20\""));
    pass(asking, 1);
    assert_string_equal(read_text(asking, "/view/419/profileids"), "[\"9005\"]");
    (void)read_text(asking, "/view/419");
    assert_true(answer_has(asking, "\"last-built\":\"2023-11-14 23:13:30\""));
    pass(asking, 9); /* the build came before 9006's own lag had passed */
    assert_string_equal(read_text(asking, "/view/419/profileids"), "[\"9005\",\"9006\"]");
}

static void rules_are_alternatives_and_conditions_add_up(void **state)
{
    make_view_of_city(*state, "Elst");
    (void)ask(*state, METHOD_PUT, "/profile/9005/fields", "{\"city\":\"Elst\",\"age\":50}");
    (void)ask(*state, METHOD_PUT, "/profile/9006/fields", "{\"city\":\"Elst\",\"age\":5}");
    (void)ask(*state, METHOD_POST, "/rule/21/conditions",
              "{\"type\":\"Field\",\"field\":\"age\",\"comparison\":\"more\",\"value\":\"9\","
              "\"numeric-comparison\":true}");
    assert_string_equal(read_text(*state, "/view/419/profileids"), "[\"9005\"]");
    (void)ask(*state, METHOD_POST, "/view/419/rules", "{}");
    (void)ask(*state, METHOD_POST, "/rule/22/conditions",
              "{\"type\":\"Field\",\"field\":\"age\",\"comparison\":\"equals\",\"value\":\"5\"}");
    assert_string_equal(read_text(*state, "/view/419/profileids"), "[\"9005\",\"9006\"]");
    (void)ask(*state, METHOD_PUT, "/rule/21", "{\"disabled\":true}");
    assert_string_equal(read_text(*state, "/view/419/profileids"), "[\"9006\"]");
    (void)ask(*state, METHOD_PUT, "/rule/22", "{\"inversed\":true}");
    (void)read_text(*state, "/view/419/profiles?limit=1");
    assert_true(answer_has(*state, "\"total\":299"));
}

static void comparisons_judge(void **state)
{
    static const struct {
        const char *comparison, *value;
        bool holds;
    } rows[] = {
        {"equals", "elst", true},  {"equals", "els", false}, {"not equals", "Elst", false},
        {"contains", "ls", true},  {"contains", "x", false}, {"not contains", "x", true},
        {"less", "F", true},       {"more", "F", false},     {"is_email", "", false},
        {"is-numeric", "", false},
    };
    char body[128];

    make_view_of_city(*state, "x");
    (void)ask(*state, METHOD_PUT, "/profile/9005/fields", "{\"city\":\"Elst\"}");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        (void)snprintf(body, sizeof(body), "{\"comparison\":\"%s\",\"value\":\"%s\"}",
                       rows[i].comparison, rows[i].value);
        assert_int_equal(ask(*state, METHOD_PUT, "/v3/condition/Field/12", body), 204);
        assert_int_equal(view_has(*state, "419", "9005"), rows[i].holds);
    }
    (void)ask(*state, METHOD_PUT, "/profile/9005/fields", "{\"city\":\"a@b.nl\"}");
    (void)ask(*state, METHOD_PUT, "/condition/Field/12", "{\"comparison\":\"is_email\"}");
    assert_true(view_has(*state, "419", "9005"));
    (void)ask(*state, METHOD_PUT, "/profile/9005/fields", "{\"city\":\"-1.5\"}");
    (void)ask(*state, METHOD_PUT, "/condition/Field/12", "{\"comparison\":\"is-numeric\"}");
    assert_true(view_has(*state, "419", "9005"));
}

static void a_view_below_another_narrows_it(void **state)
{
    struct asking *asking = *state;

    make_view_of_city(asking, "Elst");
    (void)ask(asking, METHOD_PUT, "/profile/9005/fields", "{\"city\":\"Elst\"}");
    assert_int_equal(ask(asking, METHOD_POST, "/v3/view/419/views", "{\"name\":\"child\"}"), 201);
    assert_string_equal(read_text(asking, "/view/420/profileids"), "[\"9005\"]");
    (void)read_text(asking, "/view/420");
    assert_true(answer_has(asking, "\"parent-type\":\"view\",\"parent-id\":\"419\""));
    (void)read_text(asking, "/view/419/views");
    assert_true(answer_has(asking, "\"ID\":\"420\""));
    (void)read_text(asking, "/database/31/views");
    assert_false(answer_has(asking, "\"ID\":\"420\""));
    assert_int_equal(
        ask(asking, METHOD_PUT, "/v3/view/419", "{\"parent-type\":\"view\",\"parent-id\":420}"),
        400);
    assert_int_equal(ask(asking, METHOD_DELETE, "/v3/view/419", ""), 204);
    assert_int_equal(ask(asking, METHOD_GET, "/view/420", ""), 400);
    assert_int_equal(ask(asking, METHOD_GET, "/rule/21", ""), 400);
}

static void a_miniview_lists_subprofiles(void **state)
{
    (void)read_text(*state, "/collection/71/miniviews");
    assert_true(answer_has(*state, "\"ID\":\"510\""));
    assert_true(answer_has(*state, "\"collection\":\"71\""));
    assert_false(answer_has(*state, "has-rules"));
    (void)ask(*state, METHOD_PUT, "/subprofile/5501/fields", "{\"amount\":1}");
    (void)read_text(*state, "/miniview/510/subprofileids");
    assert_false(answer_has(*state, "\"5501\""));
    (void)ask(*state, METHOD_PUT, "/subprofile/5501/fields", "{\"amount\":1000}");
    (void)read_text(*state, "/miniview/510/subprofileids");
    assert_true(answer_has(*state, "\"5501\""));
    (void)read_text(*state, "/miniview/510/minirules");
    assert_true(answer_has(*state, "\"comparison\":\"more\""));
}

static void copies_have_their_own_structure(void **state)
{
    assert_int_equal(ask(*state, METHOD_POST, "/v3/view/410/copy", "{\"name\":\"copied\"}"), 201);
    assert_string_equal(answer_field(*state, "X-Created"), "419");
    assert_int_equal(ask(*state, METHOD_POST, "/v3/database/31/copy",
                         "{\"name\":\"Second\",\"options\":{\"views\":true,\"collections\":true,"
                         "\"miniviews\":true,\"profiles\":true,\"subprofiles\":true}}"),
                     201);
    (void)read_text(*state, "/database/second/profiles?limit=0");
    assert_true(answer_has(*state, "\"total\":300"));
    (void)read_text(*state, "/database/second/views");
    assert_true(answer_has(*state, "\"total\":3"));
    char *original = memory_string(read_text(*state, "/view/419/profiles?limit=0"));
    assert_string_equal(read_text(*state, "/view/420/profiles?limit=0"), original);
    free(original);
    (void)ask(*state, METHOD_DELETE, "/database/31/field/newsletter", "");
    (void)read_text(*state, "/database/second/fields");
    assert_true(answer_has(*state, "newsletter"));
}

#define ASKING(test) cmocka_unit_test_setup_teardown(test, asking_begin, asking_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKING(a_profile_enters_and_leaves_with_its_values),
        ASKING(a_lag_shows_changes_only_when_it_has_passed),
        ASKING(a_later_change_does_not_keep_an_earlier_one_from_being_seen),
        ASKING(rules_take_effect_and_move_last_built_after_the_lag),
        ASKING(rules_are_alternatives_and_conditions_add_up),
        ASKING(comparisons_judge),
        ASKING(a_view_below_another_narrows_it),
        ASKING(a_miniview_lists_subprofiles),
        ASKING(copies_have_their_own_structure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
