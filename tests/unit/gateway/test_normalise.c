/* One form for each target, by the rules of the upstream's preset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/normalise.h"

static struct arena arena;

static int arena_make(void **state)
{
    (void)state;
    arena_init(&arena, 4096);
    return 0;
}

static int arena_drop(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

static const struct bytes prefixes[] = {BYTES("v1"), BYTES("v2")};
static const struct bytes ignorable[] = {BYTES("_"), BYTES("cachebuster")};

/* The preset of these tests; its default for paging holds for profiles only. */
static struct preset preset_make(struct parameter_rule *rule)
{
    static const struct bytes zero[] = {BYTES("0")};

    *rule = (struct parameter_rule){.name = BYTES("start"), .values = zero, .value_count = 1};
    assert_int_equal(pattern_compile(&rule->match, &arena, BYTES("/database/*/profiles")),
                     RESULT_OK);
    return (struct preset){.name = "p",
                           .version_prefixes = prefixes,
                           .version_prefix_count = ARRAY_LENGTH(prefixes),
                           .ignorable_parameters = ignorable,
                           .ignorable_parameter_count = ARRAY_LENGTH(ignorable),
                           .defaults = rule,
                           .default_count = 1};
}

/* The normalised URL, or "refused". */
static const char *normalised(const struct upstream_config *config, enum http_method method,
                              const char *text)
{
    const struct configuration configuration = {.upstreams = config, .upstream_count = 1};
    const struct request request = {.method = method, .target = bytes_of_string(text)};
    const struct client_config client = {.name = "local"};
    struct normalised made;

    if (normalise_request(&arena, &configuration, &client, &request, &made) != RESULT_OK)
        return "refused";
    assert_true(bytes_equal(made.target.url, made.at_gate.url));
    return arena_copy(&arena, made.target.url).data;
}

static void a_read_drops_what_means_nothing_to_it(void **state)
{
    static const struct {
        const char *target, *read, *write;
    } rows[] = {
        {"/a?_=1&b=2&cachebuster=9", "/a?b=2", "/a?_=1&b=2&cachebuster=9"},
        {"/database/1/profiles?start=0", "/database/1/profiles", "/database/1/profiles?start=0"},
        {"/v2/database/1/profiles?start=0", "/v2/database/1/profiles",
         "/v2/database/1/profiles?start=0"},
        {"/database/1/profiles?start=1", "/database/1/profiles?start=1",
         "/database/1/profiles?start=1"},
        {"/database/1?start=0", "/database/1?start=0", "/database/1?start=0"},
        {"/a?c=1&b=2", "/a?b=2&c=1", "/a?b=2&c=1"},
        {"/a%7eb", "/a~b", "/a~b"},
        {"/a/%2e%2e/b", "refused", "refused"},
        {"/a%00", "refused", "refused"},
    };
    struct parameter_rule rule;
    const struct preset preset = preset_make(&rule);
    const struct upstream_config config = {.name = "up", .preset = &preset};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_string_equal(normalised(&config, METHOD_GET, rows[i].target), rows[i].read);
        assert_string_equal(normalised(&config, METHOD_HEAD, rows[i].target), rows[i].read);
        assert_string_equal(normalised(&config, METHOD_POST, rows[i].target), rows[i].write);
        assert_string_equal(normalised(&config, METHOD_DELETE, rows[i].target), rows[i].write);
    }
}

static void without_a_preset_every_parameter_counts(void **state)
{
    const struct upstream_config config = {.name = "up"};

    (void)state;
    assert_string_equal(normalised(&config, METHOD_GET, "/v2/a?_=1&start=0"), "/v2/a?_=1&start=0");
}

/* In every spelling, from reads and writes. */
static void credentials_are_taken_out(void **state)
{
    static const char *const targets[] = {"/a?access_token=k", "/a?access%5Ftoken=k",
                                          "/a?access_token=k&access_token=l", "/a?access_token"};
    const struct upstream_config plain = {.name = "up"};
    const struct upstream_config other = {.name = "up", .inject = {.query = "api_key"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        assert_string_equal(normalised(&plain, METHOD_GET, targets[i]), "/a");
        assert_string_equal(normalised(&other, METHOD_PUT, targets[i]), "/a");
    }
    assert_string_equal(normalised(&plain, METHOD_GET, "/a?api_key=k"), "/a?api_key=k");
    assert_string_equal(normalised(&other, METHOD_GET, "/a?api_key=k"), "/a");
}

static void the_clients_key_is_told(void **state)
{
    const struct upstream_config config = {.name = "up"};
    const struct configuration configuration = {.upstreams = &config, .upstream_count = 1};
    const struct client_config client = {.name = "local"};
    const struct request request = {.method = METHOD_GET,
                                    .target = BYTES("/a?b=c&access_token=the%2Dkey")};
    struct normalised made;

    (void)state;
    assert_int_equal(normalise_request(&arena, &configuration, &client, &request, &made),
                     RESULT_OK);
    assert_true(bytes_equal(made.at_gate.credential, BYTES("the-key")));
    assert_true(bytes_equal(made.at_gate.url, BYTES("/a?b=c")));
}

/* The prefix is cut off in each spelling, and the rules of the preset hold for what is left. */
static void what_goes_up_is_what_stands_behind_the_prefix(void **state)
{
    static const struct {
        const char *target, *at_gate, *url, *plain_path;
    } rows[] = {
        {"/up", "/up", "/", "/"},
        {"/up?b=2&_=1", "/up?b=2", "/?b=2", "/"},
        {"/up/", "/up/", "/", "/"},
        {"/up/v2", "/up/v2", "/v2", "/"},
        {"/up/v2/a?c=1", "/up/v2/a?c=1", "/v2/a?c=1", "/a"},
        {"/%75p/a", "/up/a", "/a", "/a"},
        {"/x/../up/a", "/up/a", "/a", "/a"},
        {"/./up//a", "/up//a", "//a", "//a"},
        {"/up/v2/database/1/profiles?start=0", "/up/v2/database/1/profiles",
         "/v2/database/1/profiles", "/database/1/profiles"},
        {"/up/x/../../up/a", "/up/a", "/a", "/a"},
    };
    struct parameter_rule rule;
    const struct preset preset = preset_make(&rule);
    const struct upstream_config config = {
        .name = "up", .preset = &preset, .has_match = true, .prefix = BYTES("/up")};
    const struct configuration configuration = {.upstreams = &config, .upstream_count = 1};
    const struct client_config client = {.name = "local"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct request request = {.method = METHOD_GET,
                                        .target = bytes_of_string(rows[i].target)};
        struct normalised made;

        assert_int_equal(normalise_request(&arena, &configuration, &client, &request, &made),
                         RESULT_OK);
        assert_string_equal(arena_copy(&arena, made.at_gate.url).data, rows[i].at_gate);
        assert_string_equal(arena_copy(&arena, made.target.url).data, rows[i].url);
        assert_string_equal(arena_copy(&arena, made.plain_path).data, rows[i].plain_path);
        assert_true(bytes_starts_with(made.target.url, made.target.path));
    }
}

static void what_no_upstream_serves_is_told_apart_from_what_cannot_be_read(void **state)
{
    static const struct {
        const char *target;
        enum result result;
    } rows[] = {
        {"/other?x=1", RESULT_MISSING},   {"/upper", RESULT_MISSING},
        {"//up/a", RESULT_MISSING},       {"/up%2Fa", RESULT_MISSING},
        {"/up/../a", RESULT_MISSING},     {"/UP/a", RESULT_MISSING},
        {"/up/%2e%2e/a", RESULT_INVALID}, {"/x%2F..%2Fup/a", RESULT_INVALID},
        {"/up\\a", RESULT_INVALID},
    };
    const struct upstream_config config = {.name = "up", .has_match = true, .prefix = BYTES("/up")};
    const struct configuration configuration = {.upstreams = &config, .upstream_count = 1};
    const struct client_config client = {.name = "local"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct request request = {.method = METHOD_GET,
                                        .target = bytes_of_string(rows[i].target)};
        struct normalised made;

        assert_int_equal(normalise_request(&arena, &configuration, &client, &request, &made),
                         rows[i].result);
        if (rows[i].result == RESULT_MISSING)
            assert_true(bytes_equal(made.at_gate.url, made.at_gate.path));
    }
}

static void check_form(const struct path_form *form, const char *path, const char *plain)
{
    assert_string_equal(arena_copy(&arena, form->path).data, path);
    assert_string_equal(arena_copy(&arena, form->plain).data, plain);
}

static void permissions_see_the_prefix_and_the_version_behind_it(void **state)
{
    struct parameter_rule rule;
    const struct preset preset = preset_make(&rule);
    const struct upstream_config config = {.name = "up", .preset = &preset};
    struct path_readings readings;

    (void)state;
    readings = normalise_readings(&arena, &config, BYTES("/up/v2/a"), BYTES("/up"), BYTES("/a"));
    check_form(&readings.as_is, "/up/v2/a", "/up/a");
    assert_false(readings.differ);
    readings = normalise_readings(&arena, &config, BYTES("/up/a"), BYTES("/up"), BYTES("/a"));
    check_form(&readings.as_is, "/up/a", "/up/a");
    readings = normalise_readings(&arena, &config, BYTES("/v2/a"), BYTES(""), BYTES("/a"));
    check_form(&readings.as_is, "/v2/a", "/a");
    readings =
        normalise_readings(&arena, &config, BYTES("/up/v2%2Fa"), BYTES("/up"), BYTES("/v2%2Fa"));
    check_form(&readings.as_is, "/up/v2%2Fa", "/up/v2%2Fa");
    assert_true(readings.differ);
    check_form(&readings.decoded, "/up/v2/a", "/up/a");
    /* a client of that upstream alone, without its prefix */
    readings = normalise_readings(&arena, &config, BYTES("/v2%2Fa"), BYTES(""), BYTES("/v2%2Fa"));
    check_form(&readings.decoded, "/v2/a", "/a");
}

static void tags_are_of_the_path_without_its_version(void **state)
{
    struct parameter_rule rule;
    const struct preset preset = preset_make(&rule);
    const struct upstream_config with = {.name = "up", .preset = &preset}, without = {.name = "up"};

    (void)state;
    assert_true(bytes_equal(normalise_plain_path(&with, BYTES("/v2/a")), BYTES("/a")));
    assert_true(bytes_equal(normalise_plain_path(&with, BYTES("/v2")), BYTES("/")));
    assert_true(bytes_equal(normalise_plain_path(&with, BYTES("/v3/a")), BYTES("/v3/a")));
    assert_true(bytes_equal(normalise_plain_path(&without, BYTES("/v2/a")), BYTES("/v2/a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_drops_what_means_nothing_to_it),
        cmocka_unit_test(without_a_preset_every_parameter_counts),
        cmocka_unit_test(credentials_are_taken_out),
        cmocka_unit_test(the_clients_key_is_told),
        cmocka_unit_test(what_goes_up_is_what_stands_behind_the_prefix),
        cmocka_unit_test(what_no_upstream_serves_is_told_apart_from_what_cannot_be_read),
        cmocka_unit_test(permissions_see_the_prefix_and_the_version_behind_it),
        cmocka_unit_test(tags_are_of_the_path_without_its_version),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
