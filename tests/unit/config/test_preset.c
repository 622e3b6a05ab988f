/* Presets: where they are found, what they hold, and the one for Copernica. */
#include "config/reading.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WITH(preset)                                                                               \
    "{\"upstreams\": {\"u\": {\"url\": \"https://x\",\n\"preset\": \"" preset "\"}}}"

/* A file with that text, for the length of a test; its path has a slash. */
static char *preset_file(const char *text)
{
    static char path[] = "/tmp/postern-preset-XXXXXX";

    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
    const int fd = mkstemp(path);
    assert_true(fd != -1);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    return path;
}

static void assert_preset_fault(const char *preset, const char *words)
{
    char *path = preset_file(preset), text[256], said[512];

    (void)snprintf(text, sizeof(text),
                   "{\"upstreams\": {\"u\": {\"url\": \"https://x\",\n\"preset\": \"%s\"}}}", path);
    (void)snprintf(said, sizeof(said), "%s:%s", path, words);
    assert_fault(text, 2, "/upstreams/u/preset", said);
    assert_int_equal(unlink(path), 0);
}

static void faults_name_the_preset_s_file_line_and_pointer(void **state)
{
    (void)state;
    assert_preset_fault("{\n\"rulez\": []}", "2: /rulez: unknown member \"rulez\": did you mean "
                                             "\"rules\"?");
    assert_preset_fault("{\n\"rules\": [{\"match\": \"/a\", \"ttl\": 5}]}",
                        "2: /rules/0/ttl: expects a duration");
    assert_preset_fault("{\"version_prefixes\": [1]}", "1: /version_prefixes/0: expects a string");
    assert_preset_fault("{\"identity\": {\"path\": \"x\", \"member\": \"id\"}}",
                        "1: /identity/path: is no path");
    assert_preset_fault("{\"defaults\": [{\"match\": \"/a\", \"name\": \"b\", \"values\": []}]}",
                        "1: /defaults/0/values: is empty");
    assert_preset_fault("{\"login\": {\"authorize\": \"http://a\", \"token\": \"https://b\"}}",
                        "1: /login/authorize: a secret would go over the network unencrypted");
    assert_preset_fault("{\"login\": {\"token\": \"https://b\"}}", "1: /login: needs");
    assert_preset_fault("{\"invalid_token\": [{\"body\": \"x\"}]}", "1: /invalid_token/0: needs");
    assert_preset_fault("{\"defaults\": [5]}", "1: /defaults/0: expects an object");
    assert_preset_fault("{\n,}", "2: expects a member's name");
    assert_preset_fault("[]", "1: : expects an object");
}

static void a_preset_that_is_not_there_is_a_fault(void **state)
{
    (void)state;
    assert_fault(WITH("nosuchapi"), 2, "/upstreams/u/preset", "no preset \"nosuchapi\"");
    assert_fault(WITH("./nosuchapi.json"), 2, "/upstreams/u/preset", "no preset");
    assert_fault(WITH("/tmp/"), 2, "/upstreams/u/preset", "not a regular file");
    assert_fault("{\"upstreams\": {\"u\": {\"url\": \"https://x\", \"preset\": 5}}}", 1,
                 "/upstreams/u/preset", "expects a string");
}

static void a_preset_is_read_whole(void **state)
{
    char *path = preset_file(
        "// an API\n"
        "{\"version_prefixes\": [\"v1\"], \"inject\": {\"header\": \"X-Key\"},"
        "\"identity\": {\"path\": \"/me\", \"field_path\": \"/v1/me\", \"member\": \"id\"},"
        "\"login\": {\"authorize\": \"https://a\", \"token\": \"https://b\"},"
        "\"invalid_token\": [{\"status\": 400, \"body\": \"no token\"}], \"forward\": [\"X-A\"],"
        "\"ignorable_parameters\": [\"_\"], \"error_members\": [\"error\", \"fault\"],"
        "\"secret_parameters\": [\"code\"],"
        "\"defaults\": [{\"match\": \"/a\", \"name\": \"limit\", \"values\": [\"100\"]},"
        "{\"match\": \"/**\", \"name\": \"x\"}],"
        "\"rules\": [{\"match\": \"/a\", \"store\": false}]}");
    char text[256];

    (void)state;
    (void)snprintf(text, sizeof(text),
                   "{\"upstreams\": {\"u\": {\"url\": \"https://x\", \"preset\": \"%s\"}}}", path);
    struct configuration *read = reading(text);
    const struct upstream_config *upstream = &read->upstreams[0];
    const struct preset *preset = upstream->preset;
    assert_string_equal(preset->name, path);
    assert_int_equal(preset->version_prefix_count, 1);
    assert_true(bytes_equal(preset->version_prefixes[0], BYTES("v1")));
    assert_string_equal(preset->identity_path, "/me");
    assert_string_equal(upstream_identity_path(upstream), "/v1/me"); /* a header is injected */
    assert_string_equal(preset->login_authorize, "https://a");
    assert_string_equal(preset->login_token, "https://b");
    assert_int_equal(preset->invalid_token_count, 1);
    assert_int_equal(preset->invalid_tokens[0].status, 400);
    assert_true(bytes_equal(preset->invalid_tokens[0].body, BYTES("no token")));
    assert_string_equal(preset->identity_member, "id");
    assert_int_equal(preset->forward_count, 1);
    assert_int_equal(preset->ignorable_parameter_count, 1);
    assert_int_equal(preset->error_member_count, 2);
    assert_int_equal(preset->secret_parameter_count, 1);
    assert_int_equal(preset->default_count, 2);
    assert_true(pattern_matches(&preset->defaults[0].match, BYTES("/a")));
    assert_true(bytes_equal(preset->defaults[0].values[0], BYTES("100")));
    assert_int_equal(preset->defaults[1].value_count, 0);
    assert_int_equal(preset->rule_count, 1);
    assert_string_equal(upstream->inject.header, "X-Key"); /* the upstream says none */
    assert_string_equal(upstream->inject.format, "%s");
    configuration_release(read);
    assert_int_equal(unlink(path), 0);
}

static void the_upstream_s_own_injection_wins(void **state)
{
    struct configuration *read =
        reading("{\"upstreams\": {\"u\": {\"url\": \"https://x\", \"preset\": \"copernica\", "
                "\"inject\": {\"header\": \"Authorization\", \"format\": \"Bearer %s\"}}}}");

    (void)state;
    assert_string_equal(read->upstreams[0].inject.header, "Authorization");
    assert_null(read->upstreams[0].inject.query);
    configuration_release(read);
    read = reading(WITH("copernica"));
    assert_string_equal(read->upstreams[0].inject.query, "access_token");
    configuration_release(read);
}

static void a_preset_beside_the_configuration_comes_first(void **state)
{
    char directory[] = "/tmp/postern-test-XXXXXX", folder[64], path[96];
    static const char text[] = WITH("copernica");
    struct configuration *read = NULL;
    struct faults faults;

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(folder, sizeof(folder), "%s/presets", directory);
    (void)snprintf(path, sizeof(path), "%s/copernica.json", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "{\"version_prefixes\": [\"mine\"]}");
    assert_int_equal(fclose(file), 0);
    assert_int_equal(configuration_read_text(bytes_of_string(text), directory, &read, &faults),
                     RESULT_OK);
    assert_true(bytes_equal(read->upstreams[0].preset->version_prefixes[0], BYTES("mine")));
    configuration_release(read);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_name_the_preset_s_file_line_and_pointer),
        cmocka_unit_test(a_preset_that_is_not_there_is_a_fault),
        cmocka_unit_test(a_preset_is_read_whole),
        cmocka_unit_test(the_upstream_s_own_injection_wins),
        cmocka_unit_test(a_preset_beside_the_configuration_comes_first),
    };

    return cmocka_run_group_tests_name("config/preset", tests, NULL, NULL);
}
