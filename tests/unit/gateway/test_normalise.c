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
    const struct request request = {.method = method, .target = bytes_of_string(text)};
    struct target target;

    if (normalise_target(&arena, config, &request, &target) != RESULT_OK)
        return "refused";
    return arena_copy(&arena, target.url).data;
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
    const struct request request = {.method = METHOD_GET,
                                    .target = BYTES("/a?b=c&access_token=the%2Dkey")};
    struct target target;

    (void)state;
    assert_int_equal(normalise_target(&arena, &config, &request, &target), RESULT_OK);
    assert_true(bytes_equal(target.credential, BYTES("the-key")));
    assert_true(bytes_equal(target.url, BYTES("/a?b=c")));
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
        cmocka_unit_test(tags_are_of_the_path_without_its_version),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
