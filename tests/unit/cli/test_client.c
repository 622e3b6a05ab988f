/* postern client add. */
#include "cli/calling.h"

#include "access/clients.h"
#include "cli/cli.h"
#include "config/read.h"

enum { AT_ONCE = 8 };

static char directory[] = "/tmp/postern-client-XXXXXX";
static char path[64], alias[64];

static const char start[] = "// mine\n"
                            "{\n"
                            "  \"upstreams\": {\"u\": {\"url\": \"https://x\"}}, // one\n"
                            "  \"clients\": [\n"
                            "  ]\n"
                            "}\n";

static int directory_make(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/postern.json", directory);
    (void)snprintf(alias, sizeof(alias), "%s/alias.json", directory);
    return symlink("postern.json", alias);
}

/* Nothing else is left behind, or this fails. */
static int directory_drop(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(alias);
    return rmdir(directory);
}

static struct configuration *configuration_now(void)
{
    struct configuration *configuration = NULL;
    struct faults faults;

    assert_int_equal(configuration_read_file(path, &configuration, &faults), RESULT_OK);
    return configuration;
}

static void the_key_is_printed_once_and_its_hash_is_stored(void **state)
{
    const char *const arguments[] = {"client",  "add",        "crm",      "--allow", "GET /**",
                                     "--allow", "PUT /\"q\"", "--config", path,      NULL};
    uint8_t key_hash[CLIENT_KEY_HASH_BYTES];
    char text[CALL_ROOM];
    struct call call;
    struct stat status;

    (void)state;
    file_write(path, start, 0640);
    call_make(&call, cli_client, arguments);
    assert_int_equal(call.code, CLI_DONE);
    assert_int_equal(strlen(call.out), 69);
    assert_memory_equal(call.out, "pst_", 4);
    assert_int_equal(call.out[68], '\n');
    assert_null(strstr(call.err, "pst_"));

    struct configuration *now = configuration_now();
    assert_int_equal(now->client_count, 1);
    assert_string_equal(now->clients[0].name, "crm");
    assert_int_equal(now->clients[0].allow_count, 2);
    assert_int_equal(client_key_hash(bytes_of(call.out, 68), key_hash), RESULT_OK);
    assert_memory_equal(now->clients[0].keys[0].hash, key_hash, sizeof(key_hash));
    configuration_release(now);

    file_text(path, text);
    assert_memory_equal(text, start, strstr(start, "[\n") - start); /* comments and all */
    assert_null(strstr(text, "pst_"));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
}

static void a_name_that_is_taken_is_refused(void **state)
{
    const char *const arguments[] = {"client", "add", "crm", "--config", path, NULL};
    char before[CALL_ROOM], after[CALL_ROOM];
    struct call call;

    (void)state;
    file_write(path, start, 0600);
    call_make(&call, cli_client, arguments);
    assert_int_equal(call.code, CLI_DONE);
    file_text(path, before);
    call_make(&call, cli_client, arguments);
    assert_int_equal(call.code, CLI_FAILED);
    assert_says(call.err, "has a client \"crm\" already");
    assert_string_equal(call.out, "");
    file_text(path, after);
    assert_string_equal(before, after);
}

static void what_would_be_wrong_is_not_written(void **state)
{
    const char *const rows[][8] = {
        {"client", "add", "a b", "--config", path, NULL},
        {"client", "add", "crm", "--config", path, "--upstream", "nope", NULL},
        {"client", "add", "crm", "--config", path, "--allow", "GET", NULL},
    };
    char after[CALL_ROOM];
    struct call call;

    (void)state;
    file_write(path, start, 0600);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        call_make(&call, cli_client, rows[i]);
        assert_int_equal(call.code, CLI_WRONG);
        assert_says(call.err, "/clients/0/");
        assert_says(call.err, "nothing was changed");
        assert_string_equal(call.out, "");
        file_text(path, after);
        assert_string_equal(after, start);
    }
}

static void a_symbolic_link_stays_one(void **state)
{
    const char *const arguments[] = {"client", "add", "crm", "--config", alias, NULL};
    struct call call;
    struct stat status;

    (void)state;
    file_write(path, start, 0600);
    call_make(&call, cli_client, arguments);
    assert_int_equal(call.code, CLI_DONE);
    assert_int_equal(lstat(alias, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    struct configuration *now = configuration_now();
    assert_int_equal(now->client_count, 1);
    configuration_release(now);
}

static void runs_at_the_same_time_lose_nothing(void **state)
{
    pid_t children[AT_ONCE];
    int status;

    (void)state;
    file_write(path, start, 0600);
    (void)fflush(NULL);
    for (size_t i = 0; i < AT_ONCE; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            char name[] = "c0",
                 *argv[] = {
                     (char[]){"client"}, (char[]){"add"}, name, (char[]){"--config"}, path, NULL};

            name[1] = (char)('0' + i);
            (void)!freopen("/dev/null", "w", stderr);
            (void)close(STDOUT_FILENO);
            (void)dup2(STDERR_FILENO, STDOUT_FILENO);
            _exit(cli_client(5, argv));
        }
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    struct configuration *now = configuration_now();
    assert_int_equal(now->client_count, AT_ONCE);
    configuration_release(now);
}

static void wrong_usage_is_said(void **state)
{
    static const char *const rows[][6] = {
        {"client", NULL},
        {"client", "add", NULL},
        {"client", "remove", "x", NULL},
        {"client", "add", "x", "y", NULL},
        {"client", "add", "x", "--what", NULL},
        {"client", "add", "x", "--config", "/nonexistent/x.json", NULL},
    };
    static const char *const help[] = {"client", "--help", NULL};
    struct call call;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        call_make(&call, cli_client, rows[i]);
        assert_int_equal(call.code, CLI_WRONG);
        assert_true(strlen(call.err) > 0);
        assert_string_equal(call.out, "");
    }
    call_make(&call, cli_client, help);
    assert_int_equal(call.code, CLI_DONE);
    assert_says(call.out, "usage: postern client add");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_is_printed_once_and_its_hash_is_stored),
        cmocka_unit_test(a_name_that_is_taken_is_refused),
        cmocka_unit_test(what_would_be_wrong_is_not_written),
        cmocka_unit_test(a_symbolic_link_stays_one),
        cmocka_unit_test(runs_at_the_same_time_lose_nothing),
        cmocka_unit_test(wrong_usage_is_said),
    };

    return cmocka_run_group_tests_name("cli/client", tests, directory_make, directory_drop);
}
