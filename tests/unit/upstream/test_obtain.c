/* What answers to a token's exchange look like, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/clock.h"
#include "upstream/obtain.h"

enum { WALL_S = 1700000000, DEFAULT_S = 86400 };

/* The answer must hold that token, valid for so long. */
static void check(const char *body, const char *token, int64_t lifetime_s)
{
    struct obtained obtained = {0};
    struct token *wanted = NULL;
    struct error error = {0};

    if (obtain_read(bytes_of_string(body), WALL_S * CLOCK_SECOND_US, DEFAULT_S * CLOCK_SECOND_US,
                    &obtained, &error) != RESULT_OK)
        fail_msg("%s: %s", body, error.text);
    assert_int_equal(token_create(bytes_of_string(token), &wanted, &error), RESULT_OK);
    assert_true(token_equal(obtained.token, wanted));
    assert_int_equal(obtained.lifetime_us, lifetime_s * CLOCK_SECOND_US);
    token_release(obtained.token);
    token_release(wanted);
}

static void check_none(const char *body, const char *words)
{
    struct obtained obtained = {0};
    struct error error = {0};

    assert_int_equal(obtain_read(bytes_of_string(body), WALL_S * CLOCK_SECOND_US,
                                 DEFAULT_S * CLOCK_SECOND_US, &obtained, &error),
                     RESULT_INVALID);
    assert_null(obtained.token);
    if (strstr(error.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.text, words);
}

/* A JWT with these claims; in static memory. */
static const char *jwt(const char *claims)
{
    static char text[512];
    struct buffer buffer;

    buffer_init(&buffer, sizeof(text) - 1);
    base64url_write(&buffer, BYTES("{\"alg\":\"HS256\"}"));
    buffer_add_byte(&buffer, '.');
    base64url_write(&buffer, bytes_of_string(claims));
    buffer_add(&buffer, BYTES(".c2lnbmF0dXJl"));
    (void)snprintf(text, sizeof(text), "%.*s", (int)buffer.length, buffer.data);
    buffer_finish(&buffer);
    return text;
}

static void tokens_come_as_text_string_or_member(void **state)
{
    (void)state;
    check("abc-._~+/=DEF", "abc-._~+/=DEF", DEFAULT_S);
    check("\r\n abcdef\n", "abcdef", DEFAULT_S);
    check("\"abcdef\"", "abcdef", DEFAULT_S);
    check("{\"access_token\": \"abcdef\", \"token\": \"other\"}", "abcdef", DEFAULT_S);
    check("{\"token\": \"abcdef\"}", "abcdef", DEFAULT_S);
    check("{\"access_token\": \"abcdef\", \"expires_in\": 60}", "abcdef", 60);
}

static void a_jwt_says_how_long_it_is_valid(void **state)
{
    char body[600];

    (void)state;
    check(jwt("{\"exp\":1700000600}"), jwt("{\"exp\":1700000600}"), 600);
    /* The other's clock is an hour ahead. */
    check(jwt("{\"iat\":1700003600,\"exp\":1700003660}"),
          jwt("{\"iat\":1700003600,\"exp\":1700003660}"), 60);
    check(jwt("{\"sub\":\"41\"}"), jwt("{\"sub\":\"41\"}"), DEFAULT_S);
    check(jwt("no JSON"), jwt("no JSON"), DEFAULT_S);
    check("a.b.c.d", "a.b.c.d", DEFAULT_S);
    (void)snprintf(body, sizeof(body), "{\"access_token\":\"%s\",\"expires_in\":5}",
                   jwt("{\"exp\":1700000600}"));
    check(body, jwt("{\"exp\":1700000600}"), 5);
    check("{\"access_token\": \"abcdef\", \"expires_in\": 0.001}", "abcdef", 1);
    check(jwt("{\"exp\":1e300}"), jwt("{\"exp\":1e300}"), 366 * DEFAULT_S);
}

static void what_is_no_token_is_said(void **state)
{
    static const char *const none[] = {
        "",  "{}",   "[]",      "{\"access_token\": 5}", "{\"access_token\": \"a b\"}",
        " ", "\"\"", "{\"a\":", "<html>Sign in</html>",  "{\"error\": \"abcdef\"}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(none); i++)
        check_none(none[i], "no token");
    check_none("5", "shorter");
    check_none("abc", "shorter");
    check_none(jwt("{\"exp\":1700000000}"), "expired");
    check_none(jwt("{\"iat\":1700000000,\"exp\":1600000000}"), "expired");
    check_none("{\"access_token\": \"abcdef\", \"expires_in\": 0}", "expired");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_come_as_text_string_or_member),
        cmocka_unit_test(a_jwt_says_how_long_it_is_valid),
        cmocka_unit_test(what_is_no_token_is_said),
    };

    return cmocka_run_group_tests_name("obtain", tests, NULL, NULL);
}
