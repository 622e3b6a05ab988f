/* Lists (api.md's §6): pages, fields[] with each operator, order, shapes of items. */
#include "asking.h"

#include <stdlib.h>

#include "base/memory.h"

/* A member of a list's envelope as a number, or -1. */
static int envelope_number(struct asking *asking, const char *target, const char *member)
{
    cJSON *envelope = cJSON_Parse(read_text(asking, target));
    const cJSON *item = cJSON_GetObjectItem(envelope, member);
    const int number = item == NULL ? -1 : item->valueint;

    cJSON_Delete(envelope);
    return number;
}

static int total(struct asking *asking, const char *filter)
{
    char target[256];

    (void)snprintf(target, sizeof(target), "/database/31/profiles?limit=0&%s", filter);
    return envelope_number(asking, target, "total");
}

static void pages_are_cut_as_asked(void **state)
{
    static const struct {
        const char *target;
        int count;
    } rows[] = {
        {"/database/31/profiles", 100},
        {"/database/31/profiles?limit=1000", 300},
        {"/database/31/profiles?limit=5000", 300},
        {"/database/31/profiles?start=290", 10},
        {"/database/31/profiles?start=300", 0},
        {"/database/31/profiles?start=-1", 0},
        {"/database/31/profiles?limit=-5", 0},
        {"/database/31/profiles?limit=text", 0},
        {"/database/31/profiles?LIMIT=5", 100}, /* names of parameters have case */
        {"/database/31/fields?limit=2", 2},
        {"/database/CUSTOMERS/profiles?limit=3", 3},
        {"/view/410/profiles?limit=3", 3},
        {"/collection/71/subprofiles?limit=3", 3},
        {"/databases", 3},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(envelope_number(*state, rows[i].target, "count"), rows[i].count);
}

static void total_is_left_out_when_it_is_not_wanted(void **state)
{
    assert_int_equal(total(*state, "total=YES"), 300);
    assert_int_equal(total(*state, "total=1"), 300);
    assert_int_equal(total(*state, "total=false"), -1);
    assert_int_equal(total(*state, "total=0"), -1);
    assert_int_equal(total(*state, "total=whatever"), -1);
}

static void operators_select(void **state)
{
    struct asking *asking = *state;

    for (int i = 1; i <= 4; i++) {
        static const char *const bodies[] = {
            "", "{\"city\":\"Zwolle\",\"age\":7}", "{\"city\":\"Zutphen\",\"age\":9}",
            "{\"city\":\"zutphen\",\"age\":10}", "{\"city\":\"\",\"age\":100}"};
        char target[64];

        (void)snprintf(target, sizeof(target), "/profile/900%d/fields", i);
        (void)ask(asking, METHOD_PUT, target, bodies[i]);
    }
    static const struct {
        const char *filter;
        int total;
    } rows[] = {
        {"fields[]=city==Zutphen", 2},
        {"fields[]=city==ZUTPHEN", 2},
        {"fields[]=city!=Zutphen", 298},
        {"fields[]=city<>Zutphen", 298},
        {"fields[]=city==", 1},
        {"fields[]=city=~Zu%25", 2},
        {"fields[]=city=~z_t%25n", 2},
        {"fields[]=city=~%25wO%25", 1},
        {"fields[]=city!~z%25", 297},
        {"fields[]=age<9", 1},
        {"fields[]=age<=9", 2},
        {"fields[]=age%3E=100", 1},
        {"fields[]=age<18&fields[]=age>8", 2},
        {"fields[0]=age<18&fields[1]=age>8", 2},
        {"fields%5B0%5D=age%3C18&fields%5B1%5D=age%3E8", 2},
        {"fields[]=%20id==9001%20", 1},
        {"fields[]=id<9011", 10},
        {"fields[]=city%20==Zutphen", 300}, /* a blank before the operator: another field */
        {"fields[]=unknown==1", 300},
        {"fields[]=nonsense", 300},
        {"fields[]=modified>=2023-11-14", 4},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (total(asking, rows[i].filter) != rows[i].total)
            fail_msg("%s: %d", rows[i].filter, total(asking, rows[i].filter));
}

static void the_secret_selects_its_profile(void **state)
{
    struct asking *asking = *state;
    const struct profile *profile = model_find(asking->model, KIND_PROFILE, 9007);
    char filter[64];

    (void)snprintf(filter, sizeof(filter), "fields[]=code==%s", profile->secret);
    assert_int_equal(total(asking, filter), 1);
}

static void a_real_field_named_modified_wins(void **state)
{
    (void)ask(*state, METHOD_POST, "/database/31/fields",
              "{\"name\":\"modified\",\"type\":\"text\",\"value\":\"x\"}");
    assert_int_equal(total(*state, "fields[]=modified==x"), 300);
}

static void lists_come_in_the_order_that_is_asked(void **state)
{
    const char *ids = "/database/31/profileids?fields[]=id<9004&orderby=";
    char target[128];

    for (int i = 1; i <= 3; i++) {
        char body[32];

        (void)snprintf(target, sizeof(target), "/profile/900%d/fields", i);
        (void)snprintf(body, sizeof(body), "{\"age\":%d}", 1000 - i * (i == 2 ? 1 : 100));
        (void)ask(*state, METHOD_PUT, target, body); /* 900, 998, 700 */
    }
    (void)snprintf(target, sizeof(target), "%sage", ids);
    assert_string_equal(read_text(*state, target), "[\"9003\",\"9001\",\"9002\"]");
    (void)snprintf(target, sizeof(target), "%sage&order=desc", ids);
    assert_string_equal(read_text(*state, target), "[\"9002\",\"9001\",\"9003\"]");
    (void)snprintf(target, sizeof(target), "%sid&order=descending", ids);
    assert_string_equal(read_text(*state, target), "[\"9003\",\"9002\",\"9001\"]");
    (void)snprintf(target, sizeof(target), "%sid&order=DESC", ids);
    assert_string_equal(read_text(*state, target), "[\"9001\",\"9002\",\"9003\"]");
    (void)snprintf(target, sizeof(target), "%sunknown", ids);
    assert_string_equal(read_text(*state, target), "[\"9001\",\"9002\",\"9003\"]");
    (void)snprintf(target, sizeof(target), "%smodified", ids);
    assert_string_equal(read_text(*state, target), "[\"9001\",\"9002\",\"9003\"]");
}

static void dataonly_leaves_the_surroundings_out(void **state)
{
    (void)read_text(*state, "/database/31/profiles?dataonly=true&limit=2");
    assert_true(answer_has(*state, "\"interests\""));
    assert_false(answer_has(*state, "\"secret\""));
    assert_false(answer_has(*state, "\"database\""));
    assert_false(answer_has(*state, "\"removed\""));
}

static void nextid_tells_where_the_list_goes_on(void **state)
{
    assert_int_equal(envelope_number(*state, "/v3/database/31/profiles?limit=2", "nextid"), 9003);
    assert_int_equal(envelope_number(*state, "/v3/database/31/profiles?start=299", "nextid"), -1);
    assert_int_equal(
        envelope_number(*state, "/v3/database/31/profiles?limit=2&orderby=city", "nextid"), -1);
}

static void databases_embed_their_structure(void **state)
{
    cJSON *database = cJSON_Parse(read_text(*state, "/v1/database/customers"));
    const cJSON *collections = cJSON_GetObjectItem(database, "collections");
    const cJSON *orders = cJSON_GetArrayItem(cJSON_GetObjectItem(collections, "data"), 0);

    assert_int_equal(cJSON_GetObjectItem(collections, "limit")->valueint, 1000);
    assert_string_equal(cJSON_GetObjectItem(orders, "name")->valuestring, "Orders");
    assert_int_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(orders, "fields"), "limit")->valueint,
                     100);
    assert_true(
        cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(database, "intentions"), "email")));
    cJSON_Delete(database);
}

static void the_seed_is_the_same_every_time(void **state)
{
    struct asking *asking = *state;
    char *first = memory_string(read_text(asking, "/database/31/profiles?limit=1000"));

    model_destroy(asking->model);
    asking->model = model_create();
    seed_fill(asking->model, 0);
    assert_string_equal(read_text(asking, "/database/31/profiles?limit=1000"), first);
    free(first);
}

static void a_seed_of_few_profiles_has_so_many_in_each_database(void **state)
{
    struct asking *asking = *state;

    model_destroy(asking->model);
    asking->model = model_create();
    seed_fill(asking->model, 2);
    assert_string_equal(read_text(asking, "/database/31/profileids"), "[\"9001\",\"9002\"]");
    assert_string_equal(read_text(asking, "/database/33/profileids"), "[\"9005\",\"9006\"]");
    assert_int_equal(ask(asking, METHOD_GET, "/profile/9007", ""), 400);
}

#define ASKING(test) cmocka_unit_test_setup_teardown(test, asking_begin, asking_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKING(pages_are_cut_as_asked),
        ASKING(total_is_left_out_when_it_is_not_wanted),
        ASKING(operators_select),
        ASKING(the_secret_selects_its_profile),
        ASKING(a_real_field_named_modified_wins),
        ASKING(lists_come_in_the_order_that_is_asked),
        ASKING(dataonly_leaves_the_surroundings_out),
        ASKING(nextid_tells_where_the_list_goes_on),
        ASKING(databases_embed_their_structure),
        ASKING(the_seed_is_the_same_every_time),
        ASKING(a_seed_of_few_profiles_has_so_many_in_each_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
