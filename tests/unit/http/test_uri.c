/* Targets in one form, parameter names as PHP reads them, percent-encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/uri.h"

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

/* As text, so that a failure shows both sides. */
static void assert_text(struct bytes got, const char *wanted)
{
    assert_string_equal(arena_copy(&arena, got).data, wanted);
    assert_int_equal(got.length, strlen(wanted));
}

static const struct bytes ignorable[] = {BYTES("_"), BYTES("callback")};
static const struct bytes credentials[] = {BYTES("access_token")};

/* "limit=100" is a default below /list, "limit=10" elsewhere. */
static bool limit_is_default(const void *context, struct bytes path, struct bytes name,
                             struct bytes value)
{
    (void)context;
    return bytes_equal(name, BYTES("limit")) &&
           bytes_equal(value, bytes_starts_with(path, BYTES("/list")) ? BYTES("100") : BYTES("10"));
}

static const struct target_rules rules = {
    .ignorable = ignorable,
    .ignorable_count = ARRAY_LENGTH(ignorable),
    .credentials = credentials,
    .credential_count = ARRAY_LENGTH(credentials),
    .is_default = limit_is_default,
};

struct row {
    struct bytes target;
    const char *url; /* NULL: RESULT_INVALID */
};

static void check_rows(const struct row *rows, size_t count, const struct target_rules *with)
{
    for (size_t i = 0; i < count; i++) {
        struct target target = {0}, again = {0};
        const enum result result = target_normalise(&arena, rows[i].target, with, &target);

        if (rows[i].url == NULL) {
            if (result != RESULT_INVALID)
                fail_msg("taken: %s", arena_copy(&arena, rows[i].target).data);
            continue;
        }
        if (result != RESULT_OK)
            fail_msg("refused: %s", arena_copy(&arena, rows[i].target).data);
        assert_text(target.url, rows[i].url);
        assert_int_equal(target_normalise(&arena, target.url, with, &again), RESULT_OK);
        assert_text(again.url, rows[i].url);
    }
}

static void paths_have_one_form(void **state)
{
    static const struct row rows[] = {
        {BYTES("/"), "/"},
        {BYTES("/a/b"), "/a/b"},
        {BYTES("/%7euser/%41%2D%5f"), "/~user/A-_"}, /* RFC 3986 §6.2.2.2 */
        {BYTES("/%c3%a9/%2f%3a"), "/%C3%A9/%2F%3A"}, /* §6.2.2.1 */
        {BYTES("/!$&'()*+,;=:@"), "/!$&'()*+,;=:@"}, /* reserved stay as they are */
        {BYTES("/%21%24%26"), "/%21%24%26"},         /* … in either form */
        {BYTES("/\xc3\xa9 <>[]{}|^`\""), "/%C3%A9%20%3C%3E%5B%5D%7B%7D%7C%5E%60%22"},
        {BYTES("/file%2Ejson"), "/file.json"},
        {BYTES("/a%2525"), "/a%2525"},
        {BYTES("/a//b/"), "/a//b/"},
        {BYTES("//host/a"), "//host/a"},
        {BYTES("/...;x/.a/..b"), "/...;x/.a/..b"},
    };

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &rules);
}

static void literal_dot_segments_are_removed(void **state)
{
    static const struct row rows[] = {
        {BYTES("/a/b/c/./../../g"), "/a/g"}, /* RFC 3986 §5.2.4 */
        {BYTES("/a/."), "/a/"},
        {BYTES("/a/.."), "/"},
        {BYTES("/a/b/.."), "/a/"},
        {BYTES("/.."), "/"},
        {BYTES("/../../a"), "/a"},
        {BYTES("/./a"), "/a"},
        {BYTES("/."), "/"},
        {BYTES("/a//../b"), "/a/b"},
        {BYTES("/.//a"), "//a"},
    };

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &rules);
}

static void dot_segments_that_hide_are_refused(void **state)
{
    static const struct row rows[] = {
        {BYTES("/a/%2e%2e/b"), NULL},     {BYTES("/a/.%2E/b"), NULL},   {BYTES("/%2e"), NULL},
        {BYTES("/a/..%2fb"), NULL},       {BYTES("/a%2F..%2Fb"), NULL}, {BYTES("/a%2f.."), NULL},
        {BYTES("/a/..%5cb"), NULL},       {BYTES("/a/..;x/b"), NULL},   {BYTES("/a/.;x=1"), NULL},
        {BYTES("/a/%2e%2e%3bx/b"), NULL},
    };

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &rules);
}

static void broken_targets_are_refused(void **state)
{
    static const struct row rows[] = {
        {BYTES(""), NULL},       {BYTES("a"), NULL},      {BYTES("*"), NULL},
        {BYTES("?a"), NULL},     {BYTES("/%"), NULL},     {BYTES("/%4"), NULL},
        {BYTES("/%4g"), NULL},   {BYTES("/%%41"), NULL},  {BYTES("/a%00"), NULL},
        {BYTES("/a\0"), NULL},   {BYTES("/a\n"), NULL},   {BYTES("/a\x7f"), NULL},
        {BYTES("/a\\b"), NULL},  {BYTES("/a#b"), NULL},   {BYTES("/?a#b"), NULL},
        {BYTES("/?a\rb"), NULL}, {BYTES("/?a\0b"), NULL}, {BYTES("/?\x7f"), NULL},
    };

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &rules);
}

static void slashes_collapse_where_the_rules_say_so(void **state)
{
    static const struct row rows[] = {
        {BYTES("//a///b//"), "/a/b/"},
        {BYTES("//"), "/"},
        {BYTES("/a//../b"), "/b"},
        {BYTES("/a%2F%2Fb"), "/a%2F%2Fb"},
    };
    struct target_rules collapsing = rules;

    (void)state;
    collapsing.collapse_slashes = true;
    check_rows(rows, ARRAY_LENGTH(rows), &collapsing);
}

static void queries_have_one_form(void **state)
{
    static const struct row rows[] = {
        {BYTES("/?"), "/"},
        {BYTES("/?&&"), "/"},
        {BYTES("/?b=1&&a=2&"), "/?a=2&b=1"},
        {BYTES("/?q=a+b"), "/?q=a%20b"},
        {BYTES("/?q=a%20b"), "/?q=a%20b"},
        {BYTES("/?q=a b"), "/?q=a%20b"},
        {BYTES("/?q=%2B"), "/?q=%2B"},
        {BYTES("/?%61=%7E%c3%a9"), "/?a=~%C3%A9"},
        {BYTES("/?q=100%"), "/?q=100%25"}, /* WHATWG: a broken triplet stands for itself */
        {BYTES("/?q=%zz%4"), "/?q=%25zz%254"},
        {BYTES("/?q=<>|\"{}^`[]"), "/?q=%3C%3E%7C%22%7B%7D%5E%60%5B%5D"},
        {BYTES("/?fields[]=country==NL"), "/?fields%5B%5D=country%3D%3DNL"},
        {BYTES("/?fields%5b%5D=country%3d=NL"), "/?fields%5B%5D=country%3D%3DNL"},
        {BYTES("/?t=12:30,13:00/x@y"), "/?t=12:30,13:00/x@y"},
        {BYTES("/?t=12%3A30%2c"), "/?t=12:30,"},
        {BYTES("/?a"), "/?a"},
        {BYTES("/?a="), "/?a="},
        {BYTES("/?=v"), "/?=v"},
        {BYTES("/?="), "/?="},
        {BYTES("/?a?b=c?d"), "/?a%3Fb=c%3Fd"},
        {BYTES("/?a%00b=%00"), "/?a%00b=%00"},
    };

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &rules);
}

static void parameters_of_one_variable_keep_their_order(void **state)
{
    static const struct row rows[] = {
        {BYTES("/?b=2&a[]=z&a[0]=y&a=x&A=1"), "/?A=1&a%5B%5D=z&a%5B0%5D=y&a=x&b=2"},
        {BYTES("/?a=1&a=2&a=1"), "/?a=1&a=2&a=1"},
        {BYTES("/?a_b=1&a.b=2&+a%20b=3"), "/?a_b=1&a.b=2&%20a%20b=3"}, /* the last one wins */
        {BYTES("/?ab=1&a=2"), "/?a=2&ab=1"},
    };

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &rules);
}

static void what_does_not_change_the_answer_is_dropped(void **state)
{
    static const struct row rows[] = {
        {BYTES("/list?_=17&x=1&callback=f"), "/list?x=1"},
        {BYTES("/list?_"), "/list"},
        {BYTES("/list?__=1&_[]=2"), "/list?_%5B%5D=2&__=1"},
        {BYTES("/list?limit=100"), "/list"},
        {BYTES("/list?limit=10"), "/list?limit=10"},
        {BYTES("/other?limit=100"), "/other?limit=100"},
        {BYTES("/x/../list?l%69mit=10%30"), "/list"}, /* decoded, on the path in its one form */
        {BYTES("/list?limit"), "/list?limit"},
        /* the last one wins: neither may go, whatever stands between them */
        {BYTES("/list?limit=5&a&limit=100"), "/list?a&limit=5&limit=100"},
        {BYTES("/list?limit=100&limit[]=5"), "/list?limit=100&limit%5B%5D=5"},
        {BYTES("/list?limit=100&limit[x=5"), "/list?limit%5Bx=5"}, /* PHP: limit_x */
    };

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &rules);
}

static void credentials_go_in_every_spelling(void **state)
{
    static const struct bytes names[] = {
        BYTES("access_token"),     BYTES("acces%73_token"),    BYTES("%61%63cess%5Ftoken"),
        BYTES("access.token"),     BYTES("access+token"),      BYTES("access%20token"),
        BYTES("access token"),     BYTES("access%2Etoken"),    BYTES("access_token[]"),
        BYTES("access_token%5B"),  BYTES("access_token%5B0]"), BYTES("access.token[a][b"),
        BYTES("access[token"),     BYTES("access%5btoken"),    BYTES("access_token%00x"),
        BYTES("+access_token"),    BYTES("%20++access_token"), BYTES("Access_Token"),
        BYTES("access_token[x]y"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct target target = {0};
        const struct bytes url =
            arena_format(&arena, "/a?z=1&%.*s=k%%65y+1&b=2", (int)names[i].length, names[i].data);

        assert_int_equal(target_normalise(&arena, url, &rules, &target), RESULT_OK);
        if (bytes_equal(names[i], BYTES("access_token%5B")))
            continue; /* PHP reads access_token_ */
        assert_text(target.url, "/a?b=2&z=1");
        assert_text(target.credential, "key 1");
        assert_text(target.path, "/a");
        assert_text(target.query, "b=2&z=1");
    }
}

static void only_credentials_go(void **state)
{
    static const struct row rows[] = {
        {BYTES("/?access_tokens=1&xaccess_token=2&access__token=3&access_token_=4"),
         "/?access__token=3&access_token_=4&access_tokens=1&xaccess_token=2"},
        {BYTES("/?a[access_token]=1&x=access_token"), "/?a%5Baccess_token%5D=1&x=access_token"},
        {BYTES("/?access%255Ftoken=1"), "/?access%255Ftoken=1"},
        {BYTES("/?access_token"), "/"},
        {BYTES("/?access_token=a&access_token=b&access.token=c"), "/"},
    };
    struct target target = {0};

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &rules);
    assert_int_equal(
        target_normalise(&arena, BYTES("/?access_token=a&access_token=b"), &rules, &target),
        RESULT_OK);
    assert_text(target.credential, "a");
    assert_text(target.query, "");
}

static void a_credential_with_a_dot_in_its_name_is_found(void **state)
{
    static const struct bytes dotted[] = {BYTES("api.key")};
    static const struct row rows[] = {
        {BYTES("/?api.key=1&api_key=2&api%2ekey=3&apikey=4"), "/?apikey=4"}};
    const struct target_rules with = {.credentials = dotted, .credential_count = 1};

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &with);
}

static void many_parameters_are_sorted_in_time(void **state)
{
    struct target target = {0};
    char text[16384] = "/?";

    (void)state;
    for (size_t i = 2; i + 1 < sizeof(text); i += 2) {
        text[i] = (char)('a' + i * 7 % 26);
        text[i + 1] = '&';
    }
    assert_int_equal(target_normalise(&arena, bytes_of(text, sizeof(text)), &rules, &target),
                     RESULT_OK);
    assert_int_equal(target.query.length, 16381);
    for (size_t i = 2; i < target.query.length; i += 2)
        assert_true(target.query.data[i - 2] <= target.query.data[i]);
}

static void absolute_forms_are_brought_to_origin_form(void **state)
{
    static const struct {
        struct bytes target;
        const char *origin, *authority; /* NULL: RESULT_INVALID */
    } rows[] = {
        {BYTES("/a?b"), "/a?b", ""},
        {BYTES("http://host/a?b"), "/a?b", "host"}, /* RFC 9112 §3.2.2 */
        {BYTES("HTTPS://host:8443/"), "/", "host:8443"},
        {BYTES("http://host"), "/", "host"},
        {BYTES("http://[::1]:80?q"), "/?q", "[::1]:80"},
        {BYTES("http:///a"), NULL, NULL},
        {BYTES("http://:80/a"), NULL, NULL},
        {BYTES("http://user@host/a"), NULL, NULL},
        {BYTES("http://host#f"), NULL, NULL},
        {BYTES("http://ho\\st/"), NULL, NULL},
        {BYTES("http:/a"), NULL, NULL},
        {BYTES("ftp://host/a"), NULL, NULL},
        {BYTES("*"), NULL, NULL},
        {BYTES("host:443"), NULL, NULL},
        {BYTES(""), NULL, NULL},
    };
    struct bytes origin, authority;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const enum result result = target_origin_form(&arena, rows[i].target, &origin, &authority);

        assert_int_equal(result, rows[i].origin == NULL ? RESULT_INVALID : RESULT_OK);
        if (result == RESULT_OK) {
            assert_text(origin, rows[i].origin);
            assert_text(authority, rows[i].authority);
        }
    }
}

static void version_prefixes_are_left_out(void **state)
{
    static const struct bytes prefixes[] = {BYTES("v1"), BYTES("v2")};
    static const struct {
        struct bytes path;
        const char *without;
    } rows[] = {
        {BYTES("/v2/profile/4"), "/profile/4"},
        {BYTES("/v2"), "/"},
        {BYTES("/v2/"), "/"},
        {BYTES("/v3/a"), "/v3/a"},
        {BYTES("/v22/a"), "/v22/a"},
        {BYTES("/a/v2"), "/a/v2"},
        {BYTES("/v1/v2/a"), "/v2/a"},
        {BYTES("/"), "/"},
        {BYTES(""), ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_text(target_without_prefix(rows[i].path, prefixes, ARRAY_LENGTH(prefixes)),
                    rows[i].without);
}

static void decoding_and_encoding_are_each_other_s_inverse(void **state)
{
    struct bytes decoded;
    char all[256];

    (void)state;
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    const struct bytes text = bytes_of(all, sizeof(all));
    const struct bytes encoded = uri_encode(&arena, text);

    assert_int_equal(uri_decode(&arena, encoded, &decoded), RESULT_OK);
    assert_true(bytes_equal(decoded, text));
    assert_true(bytes_equal(uri_decode_query(&arena, encoded), text));
    assert_text(uri_encode(&arena, BYTES("aZ9-._~/+ ")), "aZ9-._~%2F%2B%20");
    assert_int_equal(uri_decode(&arena, BYTES("a+%2b"), &decoded), RESULT_OK);
    assert_text(decoded, "a++");
    assert_text(uri_decode_query(&arena, BYTES("a+%2b%")), "a +%");
    assert_int_equal(uri_decode(&arena, BYTES("%4"), &decoded), RESULT_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_have_one_form),
        cmocka_unit_test(literal_dot_segments_are_removed),
        cmocka_unit_test(dot_segments_that_hide_are_refused),
        cmocka_unit_test(broken_targets_are_refused),
        cmocka_unit_test(slashes_collapse_where_the_rules_say_so),
        cmocka_unit_test(queries_have_one_form),
        cmocka_unit_test(parameters_of_one_variable_keep_their_order),
        cmocka_unit_test(what_does_not_change_the_answer_is_dropped),
        cmocka_unit_test(credentials_go_in_every_spelling),
        cmocka_unit_test(only_credentials_go),
        cmocka_unit_test(a_credential_with_a_dot_in_its_name_is_found),
        cmocka_unit_test(many_parameters_are_sorted_in_time),
        cmocka_unit_test(absolute_forms_are_brought_to_origin_form),
        cmocka_unit_test(version_prefixes_are_left_out),
        cmocka_unit_test(decoding_and_encoding_are_each_other_s_inverse),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
