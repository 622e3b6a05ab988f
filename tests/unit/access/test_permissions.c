/* What a client may do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "access/permissions.h"

struct rule_text {
    const char *method, *path;
};

enum { RULES_ROOM = 8 };

static void rules_compile(struct arena *arena, const struct rule_text *texts, size_t count,
                          struct allow_rule *rules)
{
    assert_true(count <= RULES_ROOM);
    for (size_t i = 0; i < count; i++) {
        rules[i].method = bytes_of_string(texts[i].method);
        assert_int_equal(pattern_compile(&rules[i].path, arena, bytes_of_string(texts[i].path)),
                         RESULT_OK);
    }
}

/* "/v2/x" is "/x" with a version prefix. */
static struct path_form form_of(struct bytes path)
{
    return (struct path_form){
        .path = path, .plain = bytes_starts_with(path, BYTES("/v2/")) ? bytes_from(path, 3) : path};
}

static bool client_allows(const struct client_config *client, const char *method, const char *path)
{
    struct path_readings readings = {.as_is = form_of(bytes_of_string(path))};
    struct arena arena;

    arena_init(&arena, 1024);
    readings.differ = permissions_decode(&arena, readings.as_is.path, &readings.decoded.path);
    if (readings.differ)
        readings.decoded = form_of(readings.decoded.path);
    const bool result = permissions_allow(client, bytes_of_string(method), &readings);
    arena_finish(&arena);
    return result;
}

static bool allows(const struct rule_text *rules, size_t count, const char *method,
                   const char *path)
{
    struct allow_rule allow[RULES_ROOM];
    struct arena arena;

    arena_init(&arena, 1024);
    rules_compile(&arena, rules, count, allow);
    const struct client_config client = {.allow = allow, .allow_count = count};
    const bool result = client_allows(&client, method, path);
    arena_finish(&arena);
    return result;
}

static bool denies(const struct rule_text *rules, size_t count, const char *method,
                   const char *path)
{
    struct allow_rule deny[RULES_ROOM];
    struct arena arena;

    arena_init(&arena, 1024);
    rules_compile(&arena, rules, count, deny);
    const struct client_config client = {.deny = deny, .deny_count = count};
    const bool result = client_allows(&client, method, path);
    arena_finish(&arena);
    return !result;
}

static void a_rule_allows_its_method_on_its_paths(void **state)
{
    static const struct rule_text rules[] = {
        {"GET", "/database/**"}, {"PUT", "/profile/*/fields"}, {"*", "/webhooks"}};
    static const struct {
        const char *method, *path;
        bool allowed;
    } rows[] = {
        {"GET", "/database/5/profiles", true},
        {"HEAD", "/database/5/profiles", true}, /* shows less than GET */
        {"get", "/database/5/profiles", false}, /* methods are case-sensitive */
        {"GETS", "/database/5/profiles", false},
        {"POST", "/database/5/profiles", false},
        {"PUT", "/profile/7/fields", true},
        {"HEAD", "/profile/7/fields", false},
        {"PUT", "/profile/7", false},
        {"PUT", "/profile/7/8/fields", false},
        {"DELETE", "/webhooks", true},
        {"OPTIONS", "/webhooks", true},
        {"DELETE", "/webhook/5", false},
        {"OPTIONS", "*", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (allows(rules, ARRAY_LENGTH(rules), rows[i].method, rows[i].path) != rows[i].allowed)
            fail_msg("%s %s", rows[i].method, rows[i].path);
}

static void without_a_list_everything_is_allowed(void **state)
{
    const struct client_config client = {.allow = NULL};

    (void)state;
    assert_true(client_allows(&client, "DELETE", "/"));
}

static void an_empty_list_allows_nothing(void **state)
{
    (void)state;
    assert_false(allows(NULL, 0, "GET", "/"));
}

static void an_encoded_slash_must_be_allowed_in_either_reading(void **state)
{
    static const struct rule_text one_segment[] = {{"GET", "/profile/*"}};
    static const struct rule_text both[] = {{"GET", "/profile/*"}, {"GET", "/profile/*/fields"}};
    static const struct rule_text all[] = {{"GET", "/**"}};

    (void)state;
    assert_false(allows(one_segment, 1, "GET", "/profile/1%2Ffields"));
    assert_false(allows(one_segment, 1, "GET", "/profile/1%5cfields"));
    assert_true(allows(one_segment, 1, "GET", "/profile/1%20fields"));
    assert_true(allows(one_segment, 1, "GET", "/profile/1%2"));
    assert_true(allows(both, 2, "GET", "/profile/1%2Ffields"));
    assert_true(allows(all, 1, "GET", "/profile/1%2Ffields"));
}

static void a_version_prefix_may_be_left_out_of_a_rule(void **state)
{
    static const struct rule_text with[] = {{"GET", "/v2/profile/*"}};
    static const struct rule_text without[] = {{"GET", "/profile/*"}};

    (void)state;
    assert_true(allows(with, 1, "GET", "/v2/profile/1"));
    assert_false(allows(with, 1, "GET", "/profile/1"));
    assert_true(allows(without, 1, "GET", "/v2/profile/1"));
    assert_true(allows(without, 1, "GET", "/profile/1"));
    assert_false(allows(without, 1, "GET", "/v3/profile/1"));
}

static void what_is_denied_is_denied_in_every_spelling(void **state)
{
    static const struct rule_text rules[] = {{"GET", "/profile/*/files/**"}, {"*", "/v2/secret"}};
    static const struct {
        const char *method, *path;
        bool denied;
    } rows[] = {
        {"GET", "/profile/7/files", true},
        {"GET", "/profile/7/files/", true},
        {"HEAD", "/profile/7/files/a", true},
        {"GET", "/v2/profile/7/files/a", true},
        {"GET", "/profile/7%2Ffiles", true},
        {"GET", "/profile%2f7%5Cfiles/a", true},
        {"GET", "/v2%2Fprofile/7/files", true},
        {"GET", "%2Fv2/profile/7/files", true},
        {"GET", "//profile/7/files", true},
        {"GET", "/v2//profile///7/files", true},
        {"GET", "/v2/%2Fprofile/7//files", true},
        {"DELETE", "/v2/secret", true},
        {"DELETE", "/v2%5csecret", true},
        {"HEAD", "//v2/secret//", true},
        {"PUT", "/profile/7/files", false},
        {"GET", "/profile/7/file", false},
        {"GET", "/profile/7%20/file", false},
        {"DELETE", "/secret", false}, /* the rule says v2 */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (denies(rules, ARRAY_LENGTH(rules), rows[i].method, rows[i].path) != rows[i].denied)
            fail_msg("%s %s", rows[i].method, rows[i].path);
}

static void deny_counts_more_than_allow(void **state)
{
    static const struct rule_text all[] = {{"*", "/**"}}, one[] = {{"GET", "/profile/1"}};
    struct allow_rule allow[RULES_ROOM], deny[RULES_ROOM];
    struct arena arena;

    (void)state;
    arena_init(&arena, 1024);
    rules_compile(&arena, all, 1, allow);
    rules_compile(&arena, one, 1, deny);
    const struct client_config client = {
        .allow = allow, .allow_count = 1, .deny = deny, .deny_count = 1};
    assert_false(client_allows(&client, "GET", "/profile/1"));
    assert_false(client_allows(&client, "HEAD", "/profile/1"));
    assert_true(client_allows(&client, "PUT", "/profile/1"));
    assert_true(client_allows(&client, "GET", "/profile/2"));
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_allows_its_method_on_its_paths),
        cmocka_unit_test(without_a_list_everything_is_allowed),
        cmocka_unit_test(an_empty_list_allows_nothing),
        cmocka_unit_test(an_encoded_slash_must_be_allowed_in_either_reading),
        cmocka_unit_test(a_version_prefix_may_be_left_out_of_a_rule),
        cmocka_unit_test(what_is_denied_is_denied_in_every_spelling),
        cmocka_unit_test(deny_counts_more_than_allow),
    };

    return cmocka_run_group_tests_name("access/permissions", tests, NULL, NULL);
}
