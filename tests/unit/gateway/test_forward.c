/* Which request fields go up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/forward.h"

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

/* The fields of "Name: value\n…". */
static struct fields fields_of(const char *text)
{
    struct bytes rest = bytes_of_string(text);
    struct fields fields = {0};

    while (rest.length > 0) {
        struct bytes value = bytes_cut(&rest, '\n');
        const struct bytes name = bytes_cut(&value, ':');

        fields_add(&fields, &arena, name, bytes_trim(value));
    }
    return fields;
}

static bool goes_up(const struct upstream_config *config, const char *line, bool with_conditions)
{
    const struct fields from = fields_of(line);
    const struct fields up = forward_fields(&arena, &from, config, with_conditions);

    for (size_t i = 0; i < up.count; i++)
        if (bytes_equal(up.lines[i].name, from.lines[0].name))
            return bytes_equal(up.lines[i].value, from.lines[0].value);
    return false;
}

static void what_is_on_the_list_goes_up_and_nothing_else(void **state)
{
    static const struct {
        const char *line;
        bool goes_up;
    } rows[] = {
        {"Accept: text/csv", true},
        {"accept-language: nl", true},
        {"CONTENT-TYPE: application/json", true},
        {"Content-Encoding: gzip", true},
        {"Content-Digest: x", true},
        {"Prefer: a", true},
        {"Idempotency-Key: 1", true},
        {"traceparent: 00-1", true},
        {"tracestate: a=b", true},
        {"Accept: */*", false}, /* says what none says */
        {"X-Other: 1", false},
        {"User-Agent: app", false},
        {"Origin: http://h", false},
        {"Referer: http://h", false},
        {"Forwarded: for=1", false},
        {"X-Forwarded-For: 1", false},
        {"Acceptance: 1", false},
        {"Accep: 1", false},
    };
    const struct upstream_config config = {.name = "up"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (goes_up(&config, rows[i].line, false) != rows[i].goes_up)
            print_error("%s\n", rows[i].line);
        assert_int_equal(goes_up(&config, rows[i].line, false), rows[i].goes_up);
    }
}

/* Whatever the configuration says. */
static void credentials_cookies_and_what_ends_at_a_hop_never_go_up(void **state)
{
    static const char *const lines[] = {
        "Authorization: Bearer key",
        "authorization: Basic x",
        "X-Api-Key: key",
        "X-API-KEY: key",
        "Cookie: a=b",
        "Cookie2: a",
        "Connection: close",
        "Keep-Alive: 5",
        "Proxy-Connection: close",
        "Proxy-Authorization: x",
        "Proxy-Authenticate: x",
        "TE: trailers",
        "Trailer: X",
        "Transfer-Encoding: chunked",
        "Upgrade: h2c",
        "Content-Length: 5",
        "Host: h",
        "Expect: 100-continue",
        "Accept-Encoding: gzip",
        "HTTP2-Settings: x",
        "X-Request-Id: 1",
    };
    static const struct bytes forward[] = {BYTES("Authorization"), BYTES("Cookie"),
                                           BYTES("Transfer-Encoding"), BYTES("X-Api-Key")};
    const struct upstream_config all = {.name = "up", .forward_all = true};
    const struct upstream_config named = {
        .name = "up", .forward = forward, .forward_count = ARRAY_LENGTH(forward)};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        assert_false(goes_up(&all, lines[i], true));
        assert_false(goes_up(&named, lines[i], true));
    }
    assert_true(goes_up(&all, "X-Other: 1", false));
}

static void what_connection_names_ends_here(void **state)
{
    const struct upstream_config all = {.name = "up", .forward_all = true};
    const struct fields from = fields_of("Connection: close, X-One,\tprefer\nX-One: 1\nX-Two: 2\n"
                                         "Prefer: a\nconnection: x-three\nX-Three: 3\n");
    const struct fields up = forward_fields(&arena, &from, &all, false);

    (void)state;
    assert_int_equal(up.count, 2);
    assert_true(bytes_equal(up.lines[0].name, BYTES("X-Two")));
    assert_true(bytes_equal(up.lines[1].name, BYTES("Via")));
}

static void conditions_go_up_only_past_the_cache(void **state)
{
    static const char *const lines[] = {
        "If-Match: \"a\"",
        "If-None-Match: \"a\"",
        "If-Modified-Since: x",
        "If-Unmodified-Since: x",
    };
    const struct upstream_config config = {.name = "up"}, all = {.name = "up", .forward_all = true};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        assert_true(goes_up(&config, lines[i], true));
        assert_false(goes_up(&config, lines[i], false));
        assert_false(goes_up(&all, lines[i], false));
    }
}

static void ranges_never_go_up(void **state)
{
    static const struct bytes names[] = {BYTES("Range"), BYTES("If-Range")};
    const struct upstream_config config = {.name = "up", .forward = names, .forward_count = 2},
                                 all = {.name = "up", .forward_all = true};

    (void)state;
    assert_false(goes_up(&config, "Range: bytes=0-1", true));
    assert_false(goes_up(&config, "If-Range: \"a\"", true));
    assert_false(goes_up(&all, "Range: bytes=0-1", true));
    assert_false(goes_up(&all, "If-Range: \"a\"", true));
}

static void configuration_and_preset_add_names(void **state)
{
    static const struct bytes names[] = {BYTES("X-One")}, preset_names[] = {BYTES("x-two")};
    const struct preset preset = {.name = "p", .forward = preset_names, .forward_count = 1};
    const struct upstream_config config = {
        .name = "up", .preset = &preset, .forward = names, .forward_count = 1};

    (void)state;
    assert_true(goes_up(&config, "x-one: 1", false));
    assert_true(goes_up(&config, "X-Two: 2", false));
    assert_false(goes_up(&config, "X-Three: 3", false));
}

/* Only the gate puts something there. */
static void the_field_that_the_token_goes_into_is_not_the_clients(void **state)
{
    const struct upstream_config config = {
        .name = "up", .forward_all = true, .inject = {.header = "X-Token"}};

    (void)state;
    assert_false(goes_up(&config, "x-token: mine", true));
    assert_true(goes_up(&config, "X-Other: 1", true));
}

static void a_field_that_makes_another_method_is_told(void **state)
{
    static const struct {
        const char *line;
        bool overrides;
    } rows[] = {
        {"X-HTTP-Method-Override: DELETE", true}, {"x-http-method: PUT", true},
        {"X-Method-Override: GET", true},         {"X-Method: GET", false},
        {"X-HTTP-Method-Overrides: GET", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct fields fields = fields_of(rows[i].line);

        assert_int_equal(forward_overrides_method(&fields), rows[i].overrides);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_on_the_list_goes_up_and_nothing_else),
        cmocka_unit_test(credentials_cookies_and_what_ends_at_a_hop_never_go_up),
        cmocka_unit_test(what_connection_names_ends_here),
        cmocka_unit_test(conditions_go_up_only_past_the_cache),
        cmocka_unit_test(ranges_never_go_up),
        cmocka_unit_test(configuration_and_preset_add_names),
        cmocka_unit_test(the_field_that_the_token_goes_into_is_not_the_clients),
        cmocka_unit_test(a_field_that_makes_another_method_is_told),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
