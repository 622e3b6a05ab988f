/* Profiles and subprofiles: their shapes, their writes, their life. */
#include "asking.h"

static void a_profile_has_the_published_shape(void **state)
{
    cJSON *profile = cJSON_Parse(read_text(*state, "/profile/9001"));
    static const char *const members[] = {"ID",     "fields",  "interests", "database",
                                          "secret", "created", "modified",  "removed"};

    assert_int_equal(cJSON_GetArraySize(profile), ARRAY_LENGTH(members));
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        assert_true(cJSON_HasObjectItem(profile, members[i]));
    assert_string_equal(cJSON_GetObjectItem(profile, "ID")->valuestring, "9001");
    assert_string_equal(cJSON_GetObjectItem(profile, "database")->valuestring, "31");
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(profile, "removed")));
    assert_int_equal(strlen(cJSON_GetObjectItem(profile, "created")->valuestring), 19);
    cJSON_Delete(profile);
}

static void a_value_written_is_read_at_once_and_names_have_no_case(void **state)
{
    assert_int_equal(ask(*state, METHOD_PUT, "/v3/profile/9001/fields",
                         "{\"CITY\":\"Delft\",\"age\":41,\"no such field\":1,\"country\":null}"),
                     204);
    (void)read_text(*state, "/profile/9001/fields");
    assert_true(answer_has(*state, "\"city\":\"Delft\""));
    assert_true(answer_has(*state, "\"age\":\"41\""));
    assert_true(answer_has(*state, "\"country\":\"\""));
    (void)read_text(*state, "/profile/9001");
    assert_true(answer_has(*state, "\"city\":\"Delft\""));
    (void)read_text(*state, "/database/31/profiles");
    assert_true(answer_has(*state, "\"city\":\"Delft\""));
}

static void top_level_member_names_have_case(void **state)
{
    assert_int_equal(ask(*state, METHOD_PUT, "/v3/profile/9001", "{\"FIELDS\":{\"city\":\"X9\"}}"),
                     204);
    (void)read_text(*state, "/profile/9001");
    assert_false(answer_has(*state, "X9"));
}

static void modified_moves_only_when_a_value_really_changes(void **state)
{
    struct asking *asking = *state;
    static const char now[] = "\"modified\":\"2023-11-14 23:13:20\"";

    (void)ask(asking, METHOD_PUT, "/v3/profile/9001/fields", "{\"city\":\"Delft\"}");
    (void)read_text(asking, "/profile/9001");
    assert_true(answer_has(asking, now));
    model_set_time(asking->model, INT64_C(6000000), INT64_C(1700000060000000));
    (void)ask(asking, METHOD_PUT, "/v3/profile/9001", "{\"fields\":{\"city\":\"Delft\"}}");
    (void)ask(asking, METHOD_PUT, "/v3/profile/9001", "{\"secret\":\"abc\"}");
    (void)ask(asking, METHOD_PUT, "/v3/profile/9001/interests", "[\"cooking\"]");
    (void)read_text(asking, "/profile/9001");
    assert_true(answer_has(asking, now));
    assert_true(answer_has(asking, "\"secret\":\"abc\""));
    (void)ask(asking, METHOD_PUT, "/v3/profile/9001", "{\"fields\":{\"city\":\"Gouda\"}}");
    (void)read_text(asking, "/profile/9001");
    assert_true(answer_has(asking, "\"modified\":\"2023-11-14 23:14:20\""));
}

static void a_removed_profile_is_still_read_and_listed_no_more(void **state)
{
    (void)read_text(*state, "/profile/9001/subprofiles/71");
    assert_true(answer_has(*state, "\"ID\":\"5501\""));
    assert_int_equal(ask(*state, METHOD_DELETE, "/v3/profile/9001", ""), 204);
    (void)read_text(*state, "/profile/9001");
    assert_true(answer_has(*state, "\"removed\":\"2023-11-14 23:13:20\""));
    assert_true(answer_has(*state, "\"email\":\"\""));
    (void)read_text(*state, "/database/31/profileids");
    assert_false(answer_has(*state, "\"9001\""));
    (void)read_text(*state, "/subprofile/5501");
    assert_true(answer_has(*state, "\"removed\":\"2023"));
    assert_int_equal(ask(*state, METHOD_PUT, "/v3/profile/9001/fields", "{\"city\":\"X\"}"), 204);
    (void)read_text(*state, "/profile/9001");
    assert_true(answer_has(*state, "\"city\":\"\""));
}

static void completely_erases(void **state)
{
    assert_int_equal(ask(*state, METHOD_DELETE, "/v3/profile/9001", "{\"completely\":\"Yes\"}"),
                     204);
    assert_int_equal(ask(*state, METHOD_GET, "/profile/9001", ""), 400);
    assert_true(answer_has(*state, "No entity with supplied ID"));
    assert_int_equal(ask(*state, METHOD_GET, "/subprofile/5501", ""), 400);
    assert_true(answer_has(*state, "No subprofile with supplied ID"));
}

static void v1_takes_fields_at_the_top_and_later_versions_in_fields(void **state)
{
    const char *top = "{\"city\":\"Assen\"}", *nested = "{\"fields\":{\"city\":\"Emmen\"}}";

    assert_int_equal(ask(*state, METHOD_POST, "/v1/database/31/profiles", top), 201);
    (void)read_text(*state, "/profile/9751");
    assert_true(answer_has(*state, "Assen"));
    assert_true(answer_has(*state, "\"country\":\"NL\"")); /* the field's initial value */
    assert_int_equal(ask(*state, METHOD_POST, "/v2/database/31/profiles", nested), 201);
    assert_true(strstr(read_text(*state, "/profile/9752"), "Emmen") != NULL);
    assert_int_equal(ask(*state, METHOD_POST, "/v2/database/31/profiles", top), 201);
    assert_true(strstr(read_text(*state, "/profile/9753"), "Assen") == NULL);
}

static void forms_nest_by_brackets(void **state)
{
    assert_int_equal(
        ask(*state, METHOD_POST, "/v2/database/31/profiles",
            "fields[email]=x%40example.org&fields%5Bcity%5D=Den+Haag&interests[]=cooking"),
        201);
    (void)read_text(*state, "/profile/9751");
    assert_true(answer_has(*state, "\"email\":\"x@example.org\""));
    assert_true(answer_has(*state, "\"city\":\"Den Haag\""));
    assert_true(answer_has(*state, "\"interests\":[\"cooking\"]"));
}

static void interests_are_added_switched_and_replaced(void **state)
{
    (void)ask(*state, METHOD_PUT, "/profile/9001/interests", "[\"cycling\"]");
    assert_string_equal(read_text(*state, "/profile/9001/interests"), "[\"cycling\"]");
    (void)ask(*state, METHOD_POST, "/profile/9001/interests", "[\"Cooking\",\"none such\"]");
    assert_string_equal(read_text(*state, "/profile/9001/interests"), "[\"cycling\",\"cooking\"]");
    (void)ask(*state, METHOD_POST, "/profile/9001/interests", "{\"cycling\":0,\"running\":1}");
    assert_string_equal(read_text(*state, "/profile/9001/interests"), "[\"cooking\",\"running\"]");
    assert_string_equal(read_text(*state, "/profile/9001/interests?return=ids"), "[\"63\",\"62\"]");
    assert_int_equal(ask(*state, METHOD_DELETE, "/v3/interest/62", ""), 204);
    assert_string_equal(read_text(*state, "/profile/9001/interests"), "[\"cooking\"]");
}

static void subprofiles_are_made_by_name_or_id_of_the_collection(void **state)
{
    struct asking *asking = *state;

    assert_int_equal(
        ask(asking, METHOD_POST, "/v3/profile/9002/subprofiles/orders", "{\"order\":\"B-1\"}"),
        201);
    char target[64];
    (void)snprintf(target, sizeof(target), "/subprofile/%s", answer_field(asking, "X-Created"));
    (void)read_text(asking, target);
    assert_true(answer_has(asking, "\"order\":\"B-1\""));
    assert_true(answer_has(asking, "\"profile\":\"9002\",\"collection\":\"71\""));
    assert_true(answer_has(asking, "\"status\":\"open\""));
    assert_int_equal(ask(asking, METHOD_PUT, "/v3/profile/9002/subprofiles/71?fields[]=order==B-1",
                         "{\"amount\":7}"),
                     204);
    (void)read_text(asking, target);
    assert_true(answer_has(asking, "\"amount\":\"7\""));
    assert_int_equal(ask(asking, METHOD_POST, "/v3/profile/9002/subprofiles/Issues", "{}"), 400);
    assert_true(answer_has(asking, "No collection with given ID"));
}

static void bulk_writes_need_fields_and_unknown_ones_select_all(void **state)
{
    const char *body = "{\"city\":\"Lisse\"}";

    assert_int_equal(ask(*state, METHOD_PUT, "/v3/database/33/profiles", body), 400);
    assert_true(answer_has(*state, "URL parameter fields is required"));
    assert_int_equal(ask(*state, METHOD_PUT, "/v3/database/33/profiles?fields[]=unknown==1", body),
                     204);
    (void)read_text(*state, "/database/33/profiles?fields[]=city==Lisse&limit=1");
    assert_true(answer_has(*state, "\"total\":200"));
}

static void many_are_deleted_by_their_ids(void **state)
{
    assert_int_equal(ask(*state, METHOD_DELETE, "/v3/database/31/profiles",
                         "{\"profiles\":[9001,\"9002\",9301]}"),
                     204);
    (void)read_text(*state, "/database/31/profiles?limit=1");
    assert_true(answer_has(*state, "\"total\":298"));
    (void)read_text(*state, "/database/32/profiles?limit=1");
    assert_true(answer_has(*state, "\"total\":250"));
    assert_int_equal(ask(*state, METHOD_DELETE, "/v3/database/31/profiles", ""), 400);
    assert_true(answer_has(*state, "Invalid data provided"));
}

static void the_unsubscribe_behaviour_is_kept_and_carried_out(void **state)
{
    assert_string_equal(read_text(*state, "/database/31/unsubscribe"),
                        "{\"behavior\":\"nothing\",\"fields\":[]}");
    (void)ask(*state, METHOD_PUT, "/database/31/unsubscribe",
              "{\"behavior\":\"update\",\"fields\":{\"newsletter\":\"never\"}}");
    assert_int_equal(ask(*state, METHOD_PUT, "/v3/profile/9001/unsubscribe", ""), 204);
    assert_true(strstr(read_text(*state, "/profile/9001"), "never") != NULL);
    (void)ask(*state, METHOD_PUT, "/database/31/unsubscribe", "{\"behavior\":\"remove\"}");
    assert_int_equal(ask(*state, METHOD_PUT, "/v3/database/31/unsubscribes?fields[]=id<9011", ""),
                     204);
    (void)read_text(*state, "/database/31/profiles?limit=1");
    assert_true(answer_has(*state, "\"total\":290"));
}

static void a_field_comes_to_every_profile_and_goes_from_it(void **state)
{
    assert_int_equal(ask(*state, METHOD_POST, "/v3/database/31/fields",
                         "{\"name\":\"shoe\",\"type\":\"integer\",\"value\":42}"),
                     201);
    assert_true(strstr(read_text(*state, "/profile/9300"), "\"shoe\":\"42\"") != NULL);
    assert_int_equal(ask(*state, METHOD_DELETE, "/v3/database/31/field/city", ""), 204);
    (void)read_text(*state, "/profile/9300");
    assert_false(answer_has(*state, "\"city\""));
    assert_true(answer_has(*state, "\"shoe\":\"42\"}"));
}

static void a_broken_body_changes_nothing(void **state)
{
    assert_int_equal(ask(*state, METHOD_PUT, "/v3/profile/9001", "{\"fields\":"), 400);
    assert_true(answer_has(*state, "Invalid data provided"));
    assert_int_equal(ask(*state, METHOD_POST, "/v3/database/31/profiles", "{"), 400);
    assert_true(answer_has(*state, "Failed to create profile"));
}

#define ASKING(test) cmocka_unit_test_setup_teardown(test, asking_begin, asking_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKING(a_profile_has_the_published_shape),
        ASKING(a_value_written_is_read_at_once_and_names_have_no_case),
        ASKING(top_level_member_names_have_case),
        ASKING(modified_moves_only_when_a_value_really_changes),
        ASKING(a_removed_profile_is_still_read_and_listed_no_more),
        ASKING(completely_erases),
        ASKING(v1_takes_fields_at_the_top_and_later_versions_in_fields),
        ASKING(forms_nest_by_brackets),
        ASKING(interests_are_added_switched_and_replaced),
        ASKING(subprofiles_are_made_by_name_or_id_of_the_collection),
        ASKING(bulk_writes_need_fields_and_unknown_ones_select_all),
        ASKING(many_are_deleted_by_their_ids),
        ASKING(the_unsubscribe_behaviour_is_kept_and_carried_out),
        ASKING(a_field_comes_to_every_profile_and_goes_from_it),
        ASKING(a_broken_body_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
