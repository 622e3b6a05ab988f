/* postern check. */
#include "cli/calling.h"

#include "cli/cli.h"

static char directory[] = "/tmp/postern-check-XXXXXX";
static char path[64], token[64];

static int directory_make(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/postern.json", directory);
    (void)snprintf(token, sizeof(token), "%s/token", directory);
    return 0;
}

static int directory_drop(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(token);
    return rmdir(directory);
}

static void check(struct call *call, const char *text)
{
    const char *const arguments[] = {"check", "--config", path, NULL};

    file_write(path, text, 0644);
    call_make(call, cli_check, arguments);
}

static void a_fine_configuration_is_fine(void **state)
{
    struct call call;

    (void)state;
    check(&call, "{\"cache\": {\n\"stale_if_error\": \"1h\"}, \"upstreams\": {\"a\": {\"url\": "
                 "\"https://x\"}}}");
    assert_int_equal(call.code, CLI_DONE);
    assert_says(call.out, "postern.json is fine\n");
    assert_says(call.out,
                "warning: line 2: /cache/stale_if_error: stale_if_error does nothing yet");
    assert_string_equal(call.err, "");
}

static void every_fault_has_file_line_and_pointer(void **state)
{
    struct call call;

    (void)state;
    check(&call, "{\"upstreams\": {\"a\": {}},\n\"lisen\": []}");
    assert_int_equal(call.code, CLI_WRONG);
    assert_says(call.err, "postern.json:1: /upstreams/a: needs a member \"url\"\n");
    assert_says(call.err, "postern.json:2: /lisen: unknown member \"lisen\": did you mean "
                          "\"listen\"?\n");
    assert_string_equal(call.out, "");
    check(&call, "{,}");
    assert_says(call.err, "postern.json:1: expects a member");
}

static void token_files_are_tried(void **state)
{
    static const char text[] =
        "{\"upstreams\": {\"a\": {\"url\": \"https://x\", \"inject\": {\"query\": \"t\"},\n"
        "\"token\": {\n\"file\": \"token\"}}}}";
    struct call call;

    (void)state;
    check(&call, text);
    assert_int_equal(call.code, CLI_WRONG);
    assert_says(call.err, "postern.json:3: /upstreams/a/token/file: cannot open");
    file_write(token, "s3cret\n", 0644);
    check(&call, text);
    assert_int_equal(call.code, CLI_WRONG);
    assert_says(call.err, "chmod 600");
    file_write(token, "s3cret\n", 0600);
    check(&call, text);
    assert_int_equal(call.code, CLI_DONE);
    assert_null(strstr(call.out, "s3cret"));
}

static void what_exchange_and_login_read_is_tried(void **state)
{
    struct call call;

    (void)state;
    file_write(token, "s3cret\n", 0644);
    check(&call, "{\"upstreams\": {\"a\": {\"url\": \"https://x\", \"preset\": \"copernica\",\n"
                 "\"token\": {\"exchange\": {\"url\": \"https://y\", \"token\": {\n"
                 "\"file\": \"token\"}}},\n"
                 "\"login\": {\"client_id\": \"i\", \"redirect\": \"http://127.0.0.1:1/\", "
                 "\"client_secret\":\n{\"file\": \"none\"}}}}}");
    assert_int_equal(call.code, CLI_WRONG);
    assert_says(call.err, "postern.json:3: /upstreams/a/token/exchange/token/file: ");
    assert_says(call.err, "postern.json:5: /upstreams/a/login/client_secret/file: cannot open");
}

static void certificate_files_are_tried(void **state)
{
    struct call call;

    (void)state;
    check(&call, "{\"upstreams\": {\"a\": {\"url\": \"https://x\", \"tls\":\n{\"ca_file\": "
                 "\"none.pem\"}}}}");
    assert_int_equal(call.code, CLI_WRONG);
    assert_says(call.err, "postern.json:2: /upstreams/a/tls/ca_file: cannot open");
}

static void what_only_a_service_has_is_a_warning(void **state)
{
    struct call call;

    (void)state;
    (void)unsetenv("POSTERN_TEST_TOKEN");
    (void)unsetenv("CREDENTIALS_DIRECTORY");
    check(&call, "{\"upstreams\": {\"a\": {\"url\": \"https://x\", \"inject\": {\"query\": \"t\"}, "
                 "\"token\": {\"env\": \"POSTERN_TEST_TOKEN\"}}, \"b\": {\"url\": \"https://x\", "
                 "\"inject\": {\"query\": \"t\"}, \"token\": {\"credential\": \"c\"}}}, "
                 "\"clients\": [{\"name\": \"x\", \"upstream\": \"a\", \"key_sha256\": "
                 "\"0000000000000000000000000000000000000000000000000000000000000000\"}]}");
    assert_int_equal(call.code, CLI_DONE);
    assert_says(call.out, "$POSTERN_TEST_TOKEN, which is not set here");
    assert_says(call.out, "systemd credential c");
}

static void wrong_usage_is_said(void **state)
{
    static const char *const rows[][5] = {
        {"check", "--config", "/nonexistent/x.json", NULL},
        {"check", "too-much", NULL},
        {"check", "--what", NULL},
    };
    static const char *const help[] = {"check", "--help", NULL};
    struct call call;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        call_make(&call, cli_check, rows[i]);
        assert_int_equal(call.code, CLI_WRONG);
        assert_true(strlen(call.err) > 0);
    }
    call_make(&call, cli_check, help);
    assert_int_equal(call.code, CLI_DONE);
    assert_says(call.out, "usage: postern check");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fine_configuration_is_fine),
        cmocka_unit_test(every_fault_has_file_line_and_pointer),
        cmocka_unit_test(token_files_are_tried),
        cmocka_unit_test(what_exchange_and_login_read_is_tried),
        cmocka_unit_test(certificate_files_are_tried),
        cmocka_unit_test(what_only_a_service_has_is_a_warning),
        cmocka_unit_test(wrong_usage_is_said),
    };

    return cmocka_run_group_tests_name("cli/check", tests, directory_make, directory_drop);
}
