/* Which upstream serves a path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/route.h"

static const struct upstream_config upstreams[] = {
    {.name = "long", .has_match = true, .prefix = BYTES("/a/b")},
    {.name = "rest"},
    {.name = "short", .has_match = true, .prefix = BYTES("/a")},
};
static const struct configuration all = {.upstreams = upstreams, .upstream_count = 3};
static const struct configuration first = {.upstreams = upstreams, .upstream_count = 1};

static void check_route(const struct client_config *client, const char *path, uint32_t upstream,
                        const char *rest)
{
    struct route route;

    assert_int_equal(route_find(&all, client, bytes_of_string(path), &route), RESULT_OK);
    assert_int_equal(route.upstream, upstream);
    assert_true(
        bytes_equal(route_rest(bytes_of_string(path), route.prefix), bytes_of_string(rest)));
}

static void the_longest_prefix_wins(void **state)
{
    static const struct client_config client = {.name = "any"};

    (void)state;
    check_route(&client, "/a/b/c", 0, "/c");
    check_route(&client, "/a/b", 0, "/");
    check_route(&client, "/a/bc", 2, "/bc");
    check_route(&client, "/a/c/b", 2, "/c/b");
    check_route(&client, "/a", 2, "/");
    check_route(&client, "/a/", 2, "/");
    check_route(&client, "/ab", 1, "/ab");
    check_route(&client, "/", 1, "/");
    check_route(&client, "/c/a/b", 1, "/c/a/b");
}

static void without_an_upstream_for_the_rest_there_is_none(void **state)
{
    static const struct client_config client = {.name = "any"};
    struct route route;

    (void)state;
    assert_int_equal(route_find(&first, &client, BYTES("/a/c"), &route), RESULT_MISSING);
    assert_int_equal(route_find(&first, &client, BYTES("/"), &route), RESULT_MISSING);
    assert_int_equal(route_find(&first, &client, BYTES("/a/b/c"), &route), RESULT_OK);
}

static void a_client_of_one_upstream_gets_no_other(void **state)
{
    static const struct client_config client = {.name = "c", .has_upstream = true, .upstream = 2};

    (void)state;
    check_route(&client, "/a/c", 2, "/c");
    check_route(&client, "/a/b/c", 2, "/b/c");
    check_route(&client, "/c", 2, "/c");
    check_route(&client, "/ab", 2, "/ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_wins),
        cmocka_unit_test(without_an_upstream_for_the_rest_there_is_none),
        cmocka_unit_test(a_client_of_one_upstream_gets_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
