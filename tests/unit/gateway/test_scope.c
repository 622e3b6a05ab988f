/* Path templates: how they are made, and that there is an end to them. */
#include "cache/presetting.h"

#include "gateway/scope.h"

static struct scopes *scopes;
static struct scope_memory *memory;
static struct arena arena;

static int scopes_make(void **state)
{
    (void)state;
    scopes = scopes_create();
    memory = memory_take(1, sizeof(*memory));
    arena_init(&arena, 1024);
    return 0;
}

static int scopes_drop(void **state)
{
    (void)state;
    arena_finish(&arena);
    free(memory);
    scopes_destroy(scopes);
    return 0;
}

static void check_template(const struct upstream_config *upstream, const char *path,
                           const char *expected)
{
    const struct bytes template = scope_template(&arena, upstream, bytes_of_string(path));

    assert_string_equal(arena_copy(&arena, template).data, expected);
}

static void without_a_preset_ids_become_stars(void **state)
{
    static const struct upstream_config upstream = {.name = "plain"};
    static const struct {
        const char *path, *expected;
    } rows[] = {
        {"/", "/"},
        {"/users", "/users"},
        {"/users/", "/users"},
        {"/users/4711", "/users/*"},
        {"/users/4711/orders/9", "/users/*/orders/*"},
        {"/a/b/c/d", "/a/b/c/d"},
        {"/a/b/c/d/", "/a/b/c/d"},
        {"/a/b/c/d/e", "/a/b/c/d/**"},
        {"/a/b/c/d/e/f", "/a/b/c/d/**"},
        {"/blobs/deadbeef", "/blobs/*"},
        {"/blobs/deadbee", "/blobs/deadbee"},
        {"/blobs/deadbeeg", "/blobs/deadbeeg"},
        {"/jobs/123e4567-e89b-12d3-a456-426614174000", "/jobs/*"},
        {"/jobs/123e4567-e89b-12d3-a456-42661417400z", "/jobs/*"}, /* longer than 32 */
        {"/mail/someone@example.com", "/mail/*"},
        {"/mail/someone%40example.com", "/mail/*"},
        {"/name/abcdefghijklmnopqrstuvwxyzabcdef", "/name/abcdefghijklmnopqrstuvwxyzabcdef"},
        {"/name/abcdefghijklmnopqrstuvwxyzabcdefg", "/name/*"},
        {"//users", "//users"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        check_template(&upstream, rows[i].path, rows[i].expected);
}

static void a_presets_reads_and_writes_name_their_paths(void **state)
{
    struct configuration *configuration;
    const struct upstream_config upstream = {.name = "a",
                                             .preset = small_preset_read(&configuration)};

    (void)state;
    check_template(&upstream, "/profile/7/fields", "/profile/{profile}/fields");
    check_template(&upstream, "/profile/someone/fields", "/profile/{profile}/fields");
    check_template(&upstream, "/database/5/copy", "/database/{database}/copy"); /* a write only */
    check_template(&upstream, "/database/5/profiles/more", "/database/{database}/profiles");
    check_template(&upstream, "/unheard/5/of", "/unheard/*/of");
    configuration_release(configuration);
}

static struct scope ask(const struct configuration *configuration, uint32_t upstream,
                        const char *path)
{
    const struct scope_question question = {
        .configuration = configuration, .upstream = upstream, .plain_path = bytes_of_string(path)};

    return scope_of(scopes, memory, &question);
}

static void paths_of_one_template_are_one_scope(void **state)
{
    static const struct upstream_config upstreams[] = {{.name = "a"}};
    static const struct configuration configuration = {.upstreams = upstreams, .upstream_count = 1};

    (void)state;
    const struct scope first = ask(&configuration, 0, "/users/1");
    assert_string_equal(first.text.data, "/users/*");
    assert_int_not_equal(first.id, SCOPE_OTHER);
    for (int i = 0; i < 2; i++) { /* found, then remembered */
        assert_int_equal(ask(&configuration, 0, "/users/2").id, first.id);
        assert_int_not_equal(ask(&configuration, 0, "/orders/2").id, first.id);
    }
    struct scope read;
    assert_true(scopes_read(scopes, first.id, &read));
    assert_string_equal(read.text.data, "/users/*");
    assert_true(scopes_read(scopes, SCOPE_OTHER, &read));
    assert_string_equal(read.text.data, "other");
    assert_false(scopes_read(scopes, 3, &read));
}

static void upstreams_are_told_apart_by_their_prefix_and_share_hashes(void **state)
{
    static const struct upstream_config upstreams[] = {
        {.name = "a"}, {.name = "b", .prefix = {.data = "/b", .length = 2}}};
    static const struct configuration configuration = {.upstreams = upstreams, .upstream_count = 2};

    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct scope a = ask(&configuration, 0, "/users/1");
        const struct scope b = ask(&configuration, 1, "/users/1");

        assert_string_equal(a.text.data, "/users/*");
        assert_string_equal(b.text.data, "/b/users/*");
        assert_int_equal(a.hash, b.hash);
    }
}

static void another_generation_of_settings_is_looked_up_anew(void **state)
{
    static const struct upstream_config before[] = {{.name = "a"}};
    static const struct upstream_config after[] = {
        {.name = "a", .prefix = {.data = "/a", .length = 2}}};
    const struct configuration old = {.upstreams = before}, new = {.upstreams = after};
    struct scope_question question = {.configuration = &old, .plain_path = BYTES("/users/1")};

    (void)state;
    assert_string_equal(scope_of(scopes, memory, &question).text.data, "/users/*");
    question.configuration = &new;
    question.generation = 1;
    assert_string_equal(scope_of(scopes, memory, &question).text.data, "/a/users/*");
}

static void templates_have_an_end(void **state)
{
    static const struct upstream_config upstreams[] = {{.name = "a"}};
    static const struct configuration configuration = {.upstreams = upstreams, .upstream_count = 1};
    char path[32];
    size_t others = 0;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(path, sizeof(path), "/made-up-%d", i);
        const struct scope scope = ask(&configuration, 0, path);

        assert_true(scope.id < SCOPES_LIMIT);
        if (scope.id == SCOPE_OTHER)
            others++;
        else
            assert_string_equal(scope.text.data, path);
    }
    assert_int_equal(others, 2000 - (SCOPES_LIMIT - 1));
    assert_string_equal(ask(&configuration, 0, "/made-up-3").text.data, "/made-up-3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_preset_ids_become_stars, scopes_make,
                                        scopes_drop),
        cmocka_unit_test_setup_teardown(a_presets_reads_and_writes_name_their_paths, scopes_make,
                                        scopes_drop),
        cmocka_unit_test_setup_teardown(paths_of_one_template_are_one_scope, scopes_make,
                                        scopes_drop),
        cmocka_unit_test_setup_teardown(upstreams_are_told_apart_by_their_prefix_and_share_hashes,
                                        scopes_make, scopes_drop),
        cmocka_unit_test_setup_teardown(another_generation_of_settings_is_looked_up_anew,
                                        scopes_make, scopes_drop),
        cmocka_unit_test_setup_teardown(templates_have_an_end, scopes_make, scopes_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
