/* postern client. */
#include "cli/calling.h"

#include <cJSON.h>

#include "access/clients.h"
#include "base/clock.h"
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

/* What a client is by the configuration now. */
static const struct client_config *client_now(const struct configuration *now, const char *name)
{
    for (size_t i = 0; i < now->client_count; i++)
        if (strcmp(now->clients[i].name, name) == 0)
            return &now->clients[i];
    fail_msg("no client %s", name);
    return NULL;
}

static void call_fine(struct call *call, const char *const *arguments)
{
    call_make(call, cli_client, arguments);
    if (call->code != CLI_DONE)
        fail_msg("%s", call->err);
}

/* Runs `client VERB NAME --config path`, which must do it. */
static void call_verb(struct call *call, const char *verb, const char *name)
{
    const char *const arguments[] = {"client", verb, name, "--config", path, NULL};

    call_fine(call, arguments);
}

static void all_that_a_client_is_can_be_said(void **state)
{
    const char *const first[] = {"client",    "add",          "all", "--deny",
                                 "GET /x/**", "--burst",      "7",   "--config",
                                 path,        "--per-second", "2.5", NULL};
    const char *const second[] = {
        "client",   "add", "more",        "--priority",           "batch", "--weight", "9",
        "--config", path,  "--key-until", "2027-01-01T00:00:00Z", NULL};
    struct call call;

    (void)state;
    file_write(path, start, 0600);
    call_fine(&call, first);
    call_fine(&call, second);
    struct configuration *now = configuration_now();
    const struct client_config *all = client_now(now, "all"), *more = client_now(now, "more");
    assert_int_equal(all->deny_count, 1);
    assert_true(all->quota.per_second == 2.5);
    assert_int_equal(all->quota.burst, 7);
    assert_int_equal(more->priority, PRIORITY_BATCH);
    assert_int_equal(more->weight, 9);
    assert_true(more->keys[0].until_wall_us == INT64_C(1798761600000000));
    configuration_release(now);
}

static const char two[] =
    "{\"upstreams\": {\"u\": {\"url\": \"https://x\"}},\n"
    " \"clients\": [\n"
    "   // the CRM\n"
    "   {\"name\": \"crm\", \"key_sha256\":\n"
    "      \"00000000000000000000000000000000000000000000000000000000000000aa\"}, // old\n"
    "   {\"key_sha256\": \"00000000000000000000000000000000000000000000000000000000000000bb\", /* "
    "*/ "
    "\"name\": \"shop\"}\n"
    "]}\n";

static void both_keys_are_valid_while_a_rotation_goes_on(void **state)
{
    const char *const week[] = {"client", "rotate",   "crm", "--overlap",
                                "7d",     "--config", path,  NULL};
    const char *const none[] = {"client", "rotate",   "crm", "--overlap",
                                "0s",     "--config", path,  NULL};
    const int64_t day_us = 86400 * CLOCK_SECOND_US, begun_us = clock_wall_us();
    uint8_t first[CLIENT_KEY_HASH_BYTES], second[CLIENT_KEY_HASH_BYTES];
    struct call call;

    (void)state;
    file_write(path, two, 0600);
    call_fine(&call, week);
    assert_int_equal(client_key_hash(bytes_of(call.out, 68), first), RESULT_OK);
    struct configuration *now = configuration_now();
    const struct client_config *crm = client_now(now, "crm");
    assert_int_equal(crm->key_count, 2);
    assert_memory_equal(crm->keys[0].hash, first, sizeof(first));
    assert_int_equal(crm->keys[1].hash[31], 0xaa);
    assert_true(crm->keys[0].until_wall_us == INT64_MAX);
    assert_in_range(crm->keys[1].until_wall_us, begun_us + 7 * day_us - CLOCK_SECOND_US,
                    begun_us + 7 * day_us + 90 * CLOCK_SECOND_US);
    configuration_release(now);

    call_verb(&call, "rotate", "crm"); /* the previous one goes, the new one becomes it */
    assert_int_equal(client_key_hash(bytes_of(call.out, 68), second), RESULT_OK);
    now = configuration_now();
    crm = client_now(now, "crm");
    assert_memory_equal(crm->keys[0].hash, second, sizeof(second));
    assert_memory_equal(crm->keys[1].hash, first, sizeof(first));
    assert_in_range(crm->keys[1].until_wall_us, begun_us + day_us - CLOCK_SECOND_US,
                    begun_us + day_us + 90 * CLOCK_SECOND_US);
    configuration_release(now);

    call_fine(&call, none);
    now = configuration_now();
    assert_int_equal(client_now(now, "crm")->key_count, 1);
    configuration_release(now);
}

static void a_key_that_ends_sooner_than_the_overlap_stays_with_its_end(void **state)
{
    const char *const add[] = {"client",   "add", "mail", "--key-until", "2020-01-01T00:00:00Z",
                               "--config", path,  NULL};
    struct call call;

    (void)state;
    file_write(path, two, 0600);
    call_fine(&call, add);
    call_verb(&call, "rotate", "mail");
    struct configuration *now = configuration_now();
    const struct client_config *mail = client_now(now, "mail");
    assert_true(mail->keys[0].until_wall_us == INT64_MAX);
    assert_true(mail->keys[1].until_wall_us == INT64_C(1577836800000000));
    configuration_release(now);
}

static void a_client_is_disabled_and_enabled(void **state)
{
    char text[CALL_ROOM];
    struct call call;

    (void)state;
    file_write(path, two, 0600);
    for (int i = 0; i < 2; i++) { /* the second time it is already */
        call_verb(&call, "disable", "shop");
        assert_string_equal(call.out, "");
        struct configuration *now = configuration_now();
        assert_true(client_now(now, "shop")->disabled);
        assert_false(client_now(now, "crm")->disabled);
        configuration_release(now);
    }
    for (int i = 0; i < 2; i++) {
        call_verb(&call, "enable", "shop");
        file_text(path, text);
        assert_string_equal(text, two); /* to the byte */
    }
}

static void a_client_is_removed_but_not_the_last(void **state)
{
    const char *const last[] = {"client", "remove", "shop", "--config", path, NULL};
    char text[CALL_ROOM];
    struct call call;

    (void)state;
    file_write(path, two, 0600);
    call_verb(&call, "remove", "crm");
    file_text(path, text);
    assert_null(strstr(text, "crm\""));
    assert_says(text, "// the CRM\n   // old\n   {\"key_sha256\"");
    struct configuration *now = configuration_now();
    assert_int_equal(now->client_count, 1);
    configuration_release(now);
    call_make(&call, cli_client, last);
    assert_int_equal(call.code, CLI_FAILED);
    assert_says(call.err, "last client");
    now = configuration_now();
    assert_int_equal(now->client_count, 1);
    configuration_release(now);
}

static void a_name_that_nobody_has_is_said(void **state)
{
    static const char *const verbs[] = {"disable", "enable", "rotate", "remove"};
    char text[CALL_ROOM];
    struct call call;

    (void)state;
    file_write(path, two, 0600);
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++) {
        const char *const arguments[] = {"client", verbs[i], "nope", "--config", path, NULL};

        call_make(&call, cli_client, arguments);
        assert_int_equal(call.code, CLI_FAILED);
        assert_says(call.err, "no client \"nope\"");
        assert_string_equal(call.out, "");
        file_text(path, text);
        assert_string_equal(text, two);
    }
}

static void clients_are_listed_without_their_keys(void **state)
{
    const char *const json[] = {"client", "list", "--json", "--config", path, NULL};
    const char *const table[] = {"client", "list", "--config", path, NULL};
    struct call call;

    (void)state;
    file_write(path, two, 0600);
    call_verb(&call, "disable", "shop");
    call_verb(&call, "rotate", "crm");
    call_fine(&call, json);
    cJSON *list = cJSON_Parse(call.out);
    assert_int_equal(cJSON_GetArraySize(list), 2);
    const cJSON *crm = cJSON_GetArrayItem(list, 0), *shop = cJSON_GetArrayItem(list, 1);
    assert_string_equal(cJSON_GetObjectItem(crm, "name")->valuestring, "crm");
    assert_string_equal(cJSON_GetObjectItem(crm, "state")->valuestring, "enabled");
    assert_string_equal(cJSON_GetObjectItem(crm, "upstream")->valuestring, "u");
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(crm, "has_previous_key")));
    assert_string_equal(cJSON_GetObjectItem(shop, "state")->valuestring, "disabled");
    assert_null(strstr(call.out, "0000"));
    cJSON_Delete(list);
    call_fine(&call, table);
    assert_says(call.out, "\ncrm   enabled ");
    assert_says(call.out, "\nshop  disabled ");
    assert_null(strstr(call.out, "0000"));
}

static void wrong_usage_is_said(void **state)
{
    static const char *const rows[][6] = {
        {"client", NULL},
        {"client", "add", NULL},
        {"client", "remove", NULL},
        {"client", "list", "x", NULL},
        {"client", "rename", "x", NULL},
        {"client", "add", "x", "--json", NULL},
        {"client", "rotate", "x", "--allow", "GET /", NULL},
        {"client", "rotate", "x", "--overlap", "soon", NULL},
        {"client", "add", "x", "--weight", "5x", NULL},
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
        cmocka_unit_test(all_that_a_client_is_can_be_said),
        cmocka_unit_test(both_keys_are_valid_while_a_rotation_goes_on),
        cmocka_unit_test(a_key_that_ends_sooner_than_the_overlap_stays_with_its_end),
        cmocka_unit_test(a_client_is_disabled_and_enabled),
        cmocka_unit_test(a_client_is_removed_but_not_the_last),
        cmocka_unit_test(a_name_that_nobody_has_is_said),
        cmocka_unit_test(clients_are_listed_without_their_keys),
        cmocka_unit_test(wrong_usage_is_said),
    };

    return cmocka_run_group_tests_name("cli/client", tests, directory_make, directory_drop);
}
