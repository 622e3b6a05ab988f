/* References that point at the upstream become references on the gate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upstream/rewrite.h"

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

static const struct bytes hosts[] = {BYTES("old.example.com"), BYTES("alt.example.com:8443")};

static const struct rewrite plain = {
    .scheme = BYTES("https"),
    .authority = BYTES("api.example.com"),
    .base_path = BYTES(""),
    .hosts = hosts,
    .host_count = ARRAY_LENGTH(hosts),
    .credential = BYTES("access_token"),
    .token = BYTES("s3cret"),
};

struct row {
    const char *reference, *wanted;
};

static void check_rows(const struct row *rows, size_t count, const struct rewrite *rewrite)
{
    for (size_t i = 0; i < count; i++) {
        const struct bytes reference = bytes_of_string(rows[i].reference);
        const struct bytes got = rewrite_reference(&arena, rewrite, reference);

        assert_string_equal(arena_copy(&arena, got).data, rows[i].wanted);
        if (bytes_equal(got, reference))
            assert_ptr_equal(got.data, reference.data); /* borrowed where nothing changes */
    }
}

static void upstream_urls_become_paths(void **state)
{
    static const struct row rows[] = {
        {"https://api.example.com/profile/5", "/profile/5"},
        {"HTTPS://API.Example.COM/profile/5?a=1#f", "/profile/5?a=1#f"},
        {"https://api.example.com:443/x", "/x"},
        {"https://api.example.com:/x", "/x"},
        {"//api.example.com/x", "/x"},
        {"https://api.example.com", "/"},
        {"https://api.example.com?a", "/?a"},
        {"https://api.example.com#f", "/#f"},
        {"https://old.example.com/x", "/x"},
        {"http://OLD.example.com:80/x", "/x"},
        {"https://alt.example.com:8443/x", "/x"},
        {"https://api.example.com/x?", "/x?"},
    };

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &plain);
}

static void other_references_stay(void **state)
{
    static const struct row rows[] = {
        {"http://api.example.com/x", "http://api.example.com/x"}, /* another scheme */
        {"https://api.example.com:80/x", "https://api.example.com:80/x"},
        {"https://api.example.com.evil/x", "https://api.example.com.evil/x"},
        {"https://api.example.com@evil/x", "https://api.example.com@evil/x"},
        {"https://u@api.example.com/x", "https://u@api.example.com/x"},
        {"https://xapi.example.com/", "https://xapi.example.com/"},
        {"https://alt.example.com/x", "https://alt.example.com/x"},
        {"//other/x?access_token=1", "//other/x?access_token=1"},
        {"https://other/x?access_token=1", "https://other/x?access_token=1"},
        {"mailto:a@api.example.com", "mailto:a@api.example.com"},
        {"ftp://old.example.com/x", "ftp://old.example.com/x"},
        {"https:/api.example.com/x", "https:/api.example.com/x"},
        {"/profile/5?a=1&&b#f", "/profile/5?a=1&&b#f"},
        {"profile/5", "profile/5"},
        {"?a", "?a"},
        {"", ""},
        {"#https://api.example.com/", "#https://api.example.com/"},
    };

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &plain);
}

static void the_credential_is_removed_in_every_spelling(void **state)
{
    static const struct row rows[] = {
        {"/x?access_token=1", "/x"},
        {"/x?access_token=1#f", "/x#f"},
        {"/x?a=1&access_token=1&b=%41+", "/x?a=1&b=%41+"},
        {"/x?access_token&a", "/x?a"},
        {"x?acces%73_token=1&access.token=2&access_token[]=3&ACCESS_TOKEN=4&a", "x?a"},
        {"?access_token=1", ""},
        {"https://api.example.com/x?access_token=1", "/x"},
        {"https://api.example.com?access_token=1&access_token=2", "/"},
        {"/x?access_tokens=1", "/x?access_tokens=1"},
    };

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &plain);
}

static void the_base_path_is_taken_off(void **state)
{
    static const struct row rows[] = {
        {"https://api.example.com/v1/x", "/x"},
        {"https://api.example.com/v1", "/"},
        {"https://api.example.com/v1?a", "/?a"},
        {"https://api.example.com/v1/", "/"},
        {"https://api.example.com/v12/x", "https://api.example.com/v12/x"},
        {"https://api.example.com/", "https://api.example.com/"},
        {"https://api.example.com", "https://api.example.com"},
        {"https://api.example.com/login?access_token=1&a#f", "https://api.example.com/login?a#f"},
        {"https://api.example.com/login?access_token=1", "https://api.example.com/login"},
        {"/v1/x?access_token=1", "/x"},
        {"/v1/x", "/x"},
        {"/other", "/other"},
        {"v1/x", "v1/x"},
    };
    struct rewrite based = plain;

    (void)state;
    based.base_path = BYTES("/v1");
    check_rows(rows, ARRAY_LENGTH(rows), &based);
}

static void no_reference_turns_into_another_host(void **state)
{
    static const struct row rows[] = {
        {"https://api.example.com//evil.example/x", "/.//evil.example/x"},
        {"https://api.example.com/\\evil.example", "/./\\evil.example"},
        {"/\\evil?access_token=1", "/./\\evil"},
    };
    static const struct row below[] = {{"/v1//evil", "/.//evil"}};
    struct rewrite based = plain;

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &plain);
    based.base_path = BYTES("/v1");
    check_rows(below, ARRAY_LENGTH(below), &based);
}

static void ports_and_http_upstreams_compare_as_they_should(void **state)
{
    static const struct row rows[] = {
        {"http://127.0.0.1:9000/x", "/x"},
        {"http://127.0.0.1/x", "http://127.0.0.1/x"},
        {"https://127.0.0.1:9000/x", "https://127.0.0.1:9000/x"},
    };
    static const struct row ipv6[] = {{"http://[::1]/x", "/x"}, {"http://[::1]:80/x", "/x"}};
    struct rewrite local = {.scheme = BYTES("http"), .authority = BYTES("127.0.0.1:9000")};

    (void)state;
    check_rows(rows, ARRAY_LENGTH(rows), &local);
    local.authority = BYTES("[::1]:80");
    check_rows(ipv6, ARRAY_LENGTH(ipv6), &local);
}

static void fields_are_rewritten_by_their_name(void **state)
{
    static const struct {
        const char *name, *value, *wanted;
    } rows[] = {
        {"location", "https://api.example.com/x?access_token=s3cret", "/x"},
        {"Content-Location", "//api.example.com/x", "/x"},
        {"X-location", "https://api.example.com/x", "/x"},
        {"Location", "https://other/?t=s3cret", "https://other/?t=******"},
        {"Location", "/x#%733cret", "/x#********"},
        {"X-Other", "https://api.example.com/s3cret", "https://api.example.com/******"},
        {"X-Other", "", ""},
        {"Link", "<https://api.example.com/a?page=2&access_token=s3cret>; rel=next",
         "</a?page=2>; rel=next"},
        {"Link", "<//api.example.com/a>;rel=\"x\", <https://other/b>, </c?access_token=1>",
         "</a>;rel=\"x\", <https://other/b>, </c>"},
        {"Link", "<a>; title=\"<https://api.example.com/q\\\"x>\", <https://api.example.com/b>",
         "<a>; title=\"<https://api.example.com/q\\\"x>\", </b>"},
        {"Link", "<https://api.example.com/open", "<https://api.example.com/open"},
        {"Link", "<>; \"open <https://api.example.com/>", "<>; \"open <https://api.example.com/>"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct bytes got = rewrite_field(&arena, &plain, bytes_of_string(rows[i].name),
                                               bytes_of_string(rows[i].value));

        assert_string_equal(arena_copy(&arena, got).data, rows[i].wanted);
    }
}

/* What clients follow comes back to the same upstream, whatever the upstream says. */
static void references_come_back_below_the_prefix(void **state)
{
    static const struct {
        const char *name, *value, *wanted;
    } rows[] = {
        {"Location", "/x", "/github/x"},
        {"location", "/x?a=/b#c", "/github/x?a=/b#c"},
        {"Content-Location", "/", "/github/"},
        {"X-location", "/x", "/github/x"},
        {"Location", "https://other/x", "https://other/x"},
        {"Location", "//other/x", "//other/x"},
        {"Location", "?page=2", "?page=2"},
        {"Location", "#f", "#f"},
        {"Location", "", ""},
        {"Location", "mailto:x", "mailto:x"},
        {"X-Other", "/x", "/x"},
        /* relative ones start at /repos/a/b */
        {"Location", "c", "/github/repos/a/c"},
        {"Location", "./c?d", "/github/repos/a/c?d"},
        {"Location", "..", "/github/repos/"},
        {"Location", "../c/.", "/github/repos/c/"},
        /* none climbs out */
        {"Location", "../../../../c", "/github/c"},
        {"Location", "/../../c", "/github/c"},
        {"Location", "/%2e%2E/.%2e/c", "/github/c"},
        {"Location", "/..\\..\\c", "/github/c"},
        {"Location", "\\..\\c", "/github/c"},
        {"Location", "/..", "/github/"},
        {"Location", "/a/...", "/github/a/..."},
        {"Location", "/.//c", "/github//c"},
        {"Link", "</a?page=2>; rel=next, <b>;rel=\"/x\", <https://other/>",
         "</github/a?page=2>; rel=next, </github/repos/a/b>;rel=\"/x\", <https://other/>"},
        {"Link", "</a>,</b>,</c>,</d>", "</github/a>,</github/b>,</github/c>,</github/d>"},
        {"Link", "</open", "</open"},
    };
    static const struct rewrite_place place = {.prefix = BYTES("/github"),
                                               .path = BYTES("/repos/a/b")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct bytes got = rewrite_field_below(&arena, &place, bytes_of_string(rows[i].name),
                                                     bytes_of_string(rows[i].value));

        assert_string_equal(arena_copy(&arena, got).data, rows[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upstream_urls_become_paths),
        cmocka_unit_test(other_references_stay),
        cmocka_unit_test(the_credential_is_removed_in_every_spelling),
        cmocka_unit_test(the_base_path_is_taken_off),
        cmocka_unit_test(no_reference_turns_into_another_host),
        cmocka_unit_test(ports_and_http_upstreams_compare_as_they_should),
        cmocka_unit_test(fields_are_rewritten_by_their_name),
        cmocka_unit_test(references_come_back_below_the_prefix),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
