/* Where tokens come from: exchange and login, what they take, and what is refused where. */
#include "config/reading.h"

#include "base/clock.h"

#define UPSTREAM(members)                                                                          \
    "{\"upstreams\": {\"u\": {\"url\": \"https://x\", \"inject\": {\"query\": \"t\"},\n" members   \
    "}}}"
#define EXCHANGE(members) UPSTREAM("\"token\": {\"exchange\": {" members "}}")
#define LOGIN(members)                                                                             \
    UPSTREAM("\"token\": {\"file\": \"t\"}, \"login\": {\"client_id\": \"id\", "                   \
             "\"client_secret\": {\"env\": \"S\"}, " members "}")
#define PLACES "\"authorize\": \"https://a/authorize\", \"token\": \"https://b/token\""
#define REDIRECT "\"redirect\": \"http://127.0.0.1:8089/\""

static void an_exchange_is_read_whole(void **state)
{
    struct configuration *read = reading(
        EXCHANGE("\"url\": \"https://authenticate.example.com\", \"token\": {\"file\": \"long\"}, "
                 "\"parameter\": \"api_token\", \"lifetime\": \"1h\""));
    const struct upstream_config *upstream = &read->upstreams[0];

    (void)state;
    assert_true(upstream->has_token);
    assert_string_equal(upstream->token.file, "/nowhere/long");
    assert_string_equal(upstream->exchange->url, "https://authenticate.example.com");
    assert_string_equal(upstream->exchange->parameter, "api_token");
    assert_int_equal(upstream->exchange->lifetime_us, 3600 * CLOCK_SECOND_US);
    configuration_release(read);
}

static void an_exchange_has_defaults(void **state)
{
    struct configuration *read =
        reading(EXCHANGE("\"url\": \"http://127.0.0.1:1/x\", \"token\": {\"env\": \"LONG\"}"));
    const struct upstream_config *upstream = &read->upstreams[0];

    (void)state;
    assert_string_equal(upstream->token.env, "LONG");
    assert_string_equal(upstream->exchange->parameter, "access_token");
    assert_int_equal(upstream->exchange->lifetime_us, 24 * 3600 * CLOCK_SECOND_US);
    configuration_release(read);
    read = reading(UPSTREAM("\"token\": {\"env\": \"T\"}"));
    assert_null(read->upstreams[0].exchange);
    assert_null(read->upstreams[0].login);
    configuration_release(read);
}

static void exchanges_that_cannot_be_are_faults(void **state)
{
    static const char at[] = "/upstreams/u/token";

    (void)state;
    assert_fault(EXCHANGE("\"token\": {\"env\": \"A\"}"), 2, "/upstreams/u/token/exchange",
                 "\"url\"");
    assert_fault(EXCHANGE("\"url\": \"https://a\""), 2, "/upstreams/u/token/exchange", "\"token\"");
    assert_fault(EXCHANGE("\"url\": \"http://a\", \"token\": {\"env\": \"A\"}"), 2,
                 "/upstreams/u/token/exchange/url", "use https://");
    assert_fault(EXCHANGE("\"url\": \"https://a?b\", \"token\": {\"env\": \"A\"}"), 2,
                 "/upstreams/u/token/exchange/url", "is no address");
    assert_fault(EXCHANGE("\"url\": \"https://a\", \"token\": {}"), 2,
                 "/upstreams/u/token/exchange/token", "one of");
    assert_fault(EXCHANGE("\"url\": \"https://a\", \"token\": {\"env\": \"A\", \"exchange\": {}}"),
                 2, "/upstreams/u/token/exchange/token/exchange", "unknown member");
    assert_fault(EXCHANGE("\"url\": \"https://a\", \"token\": {\"env\": \"A\"}, \"parameter\": "
                          "\"a=b\""),
                 2, "/upstreams/u/token/exchange/parameter", "name of a parameter");
    assert_fault(EXCHANGE("\"url\": \"https://a\", \"token\": {\"env\": \"A\"}, \"lifetime\": "
                          "\"0s\""),
                 2, "/upstreams/u/token/exchange/lifetime", "too short");
    assert_fault(UPSTREAM("\"token\": {\"env\": \"A\", \"exchange\": {\"url\": \"https://a\", "
                          "\"token\": {\"env\": \"A\"}}}"),
                 2, at, "stands alone");
}

static void a_login_is_read_whole(void **state)
{
    struct configuration *read = reading(LOGIN(PLACES ", " REDIRECT));
    const struct login_config *login = read->upstreams[0].login;

    (void)state;
    assert_string_equal(login->authorize, "https://a/authorize");
    assert_string_equal(login->token, "https://b/token");
    assert_string_equal(login->client_id, "id");
    assert_string_equal(login->client_secret.env, "S");
    assert_string_equal(login->redirect, "http://127.0.0.1:8089/");
    configuration_release(read);
}

static void a_preset_says_where_to_log_in(void **state)
{
    struct configuration *read =
        reading("{\"upstreams\": {\"u\": {\"url\": \"https://x\", \"preset\": \"copernica\", "
                "\"token\": {\"exchange\": {\"url\": \"https://a\", \"token\": {\"file\": "
                "\"/t\"}}}, \"login\": {\"client_id\": \"id\", \"client_secret\": {\"file\": "
                "\"/s\"}, \"token\": \"http://localhost:1/token\", " REDIRECT "}}}}");
    const struct login_config *login = read->upstreams[0].login;

    (void)state;
    assert_string_equal(login->authorize, "https://www.copernica.com/en/authorize");
    assert_string_equal(login->token, "http://localhost:1/token"); /* its own counts more */
    configuration_release(read);
}

static void logins_that_cannot_be_are_faults(void **state)
{
    static const char at[] = "/upstreams/u/login";
    static const char *const redirects[] = {
        "https://127.0.0.1:8089/", "http://127.0.0.1/",    "http://example.com:8089/",
        "http://0.0.0.0:8089/",    "http://[::1]/",        "http://127.0.0.1:0/",
        "127.0.0.1:8089",          "http://127.0.0.1:1?a",
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(redirects); i++) {
        (void)snprintf(text, sizeof(text), LOGIN(PLACES ", \"redirect\": \"%s\""), redirects[i]);
        assert_fault(text, 2, "/upstreams/u/login/redirect", "expects http://127.0.0.1:PORT/");
    }
    assert_fault(LOGIN(PLACES), 2, at, "\"redirect\"");
    assert_fault(LOGIN("\"token\": \"https://b\", " REDIRECT), 2, at, "\"authorize\" is missing");
    assert_fault(LOGIN("\"authorize\": \"https://b\", " REDIRECT), 2, at, "\"token\" is missing");
    assert_fault(LOGIN("\"authorize\": \"http://b\", \"token\": \"https://b\", " REDIRECT), 2,
                 "/upstreams/u/login/authorize", "use https://");
    assert_fault(UPSTREAM("\"token\": {\"env\": \"A\"}, \"login\": {\"client_id\": \"id\", "
                          "\"client_secret\": {\"env\": \"S\"}, " PLACES ", " REDIRECT "}"),
                 2, at, "nowhere to put the token");
    assert_fault(UPSTREAM("\"token\": {\"file\": \"A\"}, \"login\": {\"client_id\": \"id\", "
                          "\"client_secret\": \"oops\", " PLACES ", " REDIRECT "}"),
                 2, "/upstreams/u/login/client_secret", "object");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exchange_is_read_whole),
        cmocka_unit_test(an_exchange_has_defaults),
        cmocka_unit_test(exchanges_that_cannot_be_are_faults),
        cmocka_unit_test(a_login_is_read_whole),
        cmocka_unit_test(a_preset_says_where_to_log_in),
        cmocka_unit_test(logins_that_cannot_be_are_faults),
    };

    return cmocka_run_group_tests_name("tokens", tests, NULL, NULL);
}
