/* Paths and methods (api.md's §3, §7): versions, prefixes, superfluous segments, POST for PUT. */
#include "asking.h"

static void unknown_paths_are_an_invalid_method(void **state)
{
    static const char *const targets[] = {"/",
                                          "/nothing",
                                          "/PROFILE/9001",
                                          "/profile/9001/x",
                                          "/database/31/intentions",
                                          "/database/31/field/801",
                                          "/publisher/emailings",
                                          "/v5/identity",
                                          "/profile/9001/file/1/content"};

    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        assert_int_equal(ask(*state, METHOD_GET, targets[i], ""), 400);
        assert_true(answer_has(*state, "Invalid method"));
    }
}

static void a_missing_id_is_named(void **state)
{
    assert_int_equal(ask(*state, METHOD_GET, "/database", ""), 400);
    assert_true(answer_has(*state, "element 1 is missing in 'directory' path"));
    assert_int_equal(ask(*state, METHOD_GET, "/database//31", ""), 400);
    assert_true(answer_has(*state, "element 1 is missing"));
}

static void superfluous_segments_after_a_list_and_trailing_slashes_are_ignored(void **state)
{
    static const char *const targets[] = {"/database/31/profiles/anything", "/v1/databases/x/y",
                                          "/profile/9001/fields/more", "/profile/9001//",
                                          "/v4/identity/"};

    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++)
        assert_int_equal(ask(*state, METHOD_GET, targets[i], ""), 200);
    assert_int_equal(ask(*state, METHOD_POST, "/v3/database/31/profiles/x", "{}"), 201);
}

static void post_stands_for_put_and_in_v1_the_reverse(void **state)
{
    const char *body = "{\"fields\":{\"city\":\"Delft\"}}";

    assert_int_equal(ask(*state, METHOD_POST, "/v3/profile/9001", body), 204);
    assert_int_equal(ask(*state, METHOD_POST, "/v3/database/31", ""), 204);
    assert_int_equal(ask(*state, METHOD_PUT, "/v1/database/31/views", "{\"name\":\"x\"}"), 201);
    assert_int_equal(ask(*state, METHOD_PUT, "/v3/database/31/views", "{\"name\":\"y\"}"), 400);
}

static void calls_answer_only_in_their_versions(void **state)
{
    assert_int_equal(ask(*state, METHOD_PUT, "/v1/interest/61", "{}"), 400);
    assert_int_equal(ask(*state, METHOD_PUT, "/v3/interest/61", "{}"), 204);
    assert_int_equal(ask(*state, METHOD_GET, "/v3/profile/9001/file/1/content", ""), 200);
    assert_int_equal(ask(*state, METHOD_DELETE, "/v3/database/33", ""), 400);
    assert_int_equal(ask(*state, METHOD_DELETE, "/v1/database/33", ""), 200);
    assert_int_equal(ask(*state, METHOD_GET, "/database/33", ""), 400);
    assert_true(answer_has(*state, "No database with supplied ID"));
}

static void every_endpoint_has_a_number_of_its_own(void **state)
{
    size_t count = 0;

    (void)state;
    for (; endpoint_at(count) != NULL; count++)
        assert_int_equal(endpoint_number(endpoint_at(count)), count);
    assert_in_range(count, 100, ENDPOINTS_LIMIT);
}

/* §4: the statuses by version. */
static void writes_answer_as_their_version_does(void **state)
{
    static const struct {
        const char *version;
        unsigned updated, created_by_put, many, deleted;
    } rows[] = {
        {"/v1", 200, 303, 200, 200}, {"/v2", 303, 303, 200, 200}, {"", 303, 303, 200, 200},
        {"/v3", 204, 201, 204, 204}, {"/v4", 204, 201, 204, 204},
    };
    struct asking *asking = *state;
    char target[128];

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        (void)snprintf(target, sizeof(target), "%s/profile/9001/fields", rows[i].version);
        assert_int_equal(ask(asking, METHOD_PUT, target, "{\"city\":\"Breda\"}"), rows[i].updated);
        assert_int_equal(asking->reply.body.length, 0);
        (void)snprintf(target, sizeof(target),
                       "%s/database/31/profiles?fields[]=email==%zu&create=yes", rows[i].version,
                       i);
        assert_int_equal(ask(asking, METHOD_PUT, target, "{}"), rows[i].created_by_put);
        assert_string_not_equal(answer_field(asking, "X-Created"), "");
        (void)snprintf(target, sizeof(target), "%s/database/31/profiles?fields[]=city==Breda",
                       rows[i].version);
        assert_int_equal(ask(asking, METHOD_PUT, target, "{}"), rows[i].many);
        (void)snprintf(target, sizeof(target), "%s/profile/%zu", rows[i].version, 9010 + i);
        assert_int_equal(ask(asking, METHOD_DELETE, target, ""), rows[i].deleted);
        assert_memory_equal(answer_field(asking, "X-Deleted"), "profile 901", 11);
        assert_int_equal(ask(asking, METHOD_DELETE, target, ""), 400);
        assert_true(answer_has(asking, "This profile has already been removed"));
    }
}

static void the_303_of_v2_repeats_the_url_with_its_token(void **state)
{
    assert_int_equal(ask(*state, METHOD_PUT, "/v2/profile/9001/fields?access_token=T&x=1", "{}"),
                     303);
    assert_string_equal(answer_field(*state, "Location"),
                        "http://api.example/profile/9001?access_token=T&x=1");
    assert_int_equal(ask(*state, METHOD_PUT, "/profile/9001/?access_token=T", "{}"), 303);
    assert_string_equal(answer_field(*state, "Location"),
                        "http://api.example/profile/9001?access_token=T");
}

static void a_creation_names_what_it_made(void **state)
{
    assert_int_equal(ask(*state, METHOD_POST, "/v3/database/31/profiles", "{\"fields\":{}}"), 201);
    assert_string_equal(answer_field(*state, "X-Created"), "9751");
    assert_string_equal(answer_field(*state, "X-location"), "http://api.example/v1/profile/9751");
}

#define ASKING(test) cmocka_unit_test_setup_teardown(test, asking_begin, asking_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKING(unknown_paths_are_an_invalid_method),
        ASKING(a_missing_id_is_named),
        ASKING(superfluous_segments_after_a_list_and_trailing_slashes_are_ignored),
        ASKING(post_stands_for_put_and_in_v1_the_reverse),
        ASKING(calls_answer_only_in_their_versions),
        ASKING(every_endpoint_has_a_number_of_its_own),
        ASKING(writes_answer_as_their_version_does),
        ASKING(the_303_of_v2_repeats_the_url_with_its_token),
        ASKING(a_creation_names_what_it_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
