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

static bool allows(const struct rule_text *rules, size_t count, const char *method,
                   const char *path)
{
    struct allow_rule allow[8];
    struct arena arena;

    arena_init(&arena, 1024);
    assert_true(count <= ARRAY_LENGTH(allow));
    for (size_t i = 0; i < count; i++) {
        allow[i].method = bytes_of_string(rules[i].method);
        assert_int_equal(pattern_compile(&allow[i].path, &arena, bytes_of_string(rules[i].path)),
                         RESULT_OK);
    }
    const struct client_config client = {.allow = allow, .allow_count = count};
    const bool result = permissions_allow(&client, bytes_of_string(method), bytes_of_string(path));
    arena_finish(&arena);
    return result;
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
    assert_true(permissions_allow(&client, BYTES("DELETE"), BYTES("/")));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_allows_its_method_on_its_paths),
        cmocka_unit_test(without_a_list_everything_is_allowed),
        cmocka_unit_test(an_empty_list_allows_nothing),
        cmocka_unit_test(an_encoded_slash_must_be_allowed_in_either_reading),
    };

    return cmocka_run_group_tests_name("access/permissions", tests, NULL, NULL);
}
