/* What POST /api/purge takes, and what it means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <cJSON.h>
#include <unistd.h>

#include "admin/api.h"
#include "config/read.h"

static char directory[64];
static struct configuration *configuration;
static struct server *server;
static struct arena arena;

/* A gate that serves nothing, with a preset that knows version prefixes. */
static int server_make(void **state)
{
    char text[512], preset[128];
    struct faults faults = {0};
    struct error error = {0};

    (void)state;
    arena_init(&arena, 4096);
    (void)snprintf(directory, sizeof(directory), "/tmp/postern-api-XXXXXX");
    assert_non_null(mkdtemp(directory));
    (void)snprintf(preset, sizeof(preset), "%s/preset.json", directory);
    FILE *file = fopen(preset, "w");
    assert_true(fputs("{\"version_prefixes\": [\"v1\", \"v2\"]}", file) != EOF);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(text, sizeof(text),
                   "{\"listen\": [\"127.0.0.1:0\"], \"data_dir\": \"%s/data\", \"workers\": 1,"
                   " \"audit\": false, \"upstreams\": {\"up\": {\"url\": \"http://127.0.0.1:9\","
                   " \"preset\": \"%s\"}}}",
                   directory, preset);
    if (configuration_read_text(bytes_of_string(text), directory, &configuration, &faults) !=
        RESULT_OK)
        fail_msg("%s: %s", faults.list[0].pointer, faults.list[0].text);
    faults_finish(&faults);
    const struct server_options options = {.configuration = configuration};
    if (server_open(&options, &server, &error) != RESULT_OK)
        fail_msg("%s", error.text);
    return 0;
}

static int server_drop(void **state)
{
    static const char *const names[] = {"data/cache.mdb",  "data/cache.mdb-lock",  "data/lock",
                                        "data/ledger.mdb", "data/ledger.mdb-lock", "preset.json"};
    char path[128];

    (void)state;
    server_close(server);
    configuration_release(configuration);
    arena_finish(&arena);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    (void)snprintf(path, sizeof(path), "%s/data", directory);
    assert_int_equal(rmdir(path), 0);
    return rmdir(directory);
}

static void a_purge_is_of_all_of_a_path_or_of_a_tag(void **state)
{
    static const struct {
        const char *body, *path; /* NULL: all */
    } rows[] = {
        {"{\"all\": true}", NULL},
        {"{\"path\": \"/profile/456\"}", "/profile/456"},
        {"{\"tag\": \"profile/456\"}", "/profile/456"},
        {"{\"path\": \"/v2/profile/456\"}", "/profile/456"}, /* tags leave the version out */
        {"{\"tag\": \"v2/profile/456\"}", "/profile/456"},
        {"{\"path\": \"/a%7eb?c=d\"}", "/a~b"}, /* as requests are normalised */
        {"{\"path\": \"/a/../b\"}", "/b"},
        {" {\n\"path\" : \"\\/a\" } ", "/a"},
        /* everything is below the root */
        {"{\"path\": \"/\"}", NULL},
        {"{\"path\": \"/v1\"}", NULL},
        {"{\"path\": \"/v1/\"}", NULL},
        {"{\"tag\": \"v2\"}", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct api_purge purge;
        struct error error = {0};

        if (api_read_purge(server, bytes_of_string(rows[i].body), &arena, &purge, &error) !=
            RESULT_OK)
            fail_msg("%s: %s", rows[i].body, error.text);
        struct bytes plain_path = BYTES("");
        const enum purge_reach reach =
            purge.all ? PURGE_ACCOUNT : api_purge_reach(configuration, 0, purge.path, &plain_path);

        assert_int_equal(purge.all, i == 0);
        assert_int_equal(reach, rows[i].path == NULL ? PURGE_ACCOUNT : PURGE_PATH);
        if (rows[i].path != NULL)
            assert_true(bytes_equal(plain_path, bytes_of_string(rows[i].path)));
    }
}

static void a_purged_path_is_that_of_the_gate(void **state)
{
    static const struct upstream_config upstreams[] = {
        {.name = "a", .has_match = true, .prefix = BYTES("/x/a")},
        {.name = "b", .has_match = true, .prefix = BYTES("/x/b")},
    };
    static const struct client_config clients[] = {
        {.name = "any"}, {.name = "bound", .has_upstream = true, .upstream = 1}};
    static const struct {
        const char *path;
        enum purge_reach reach[2];
        const char *plain_path[2];
    } rows[] = {
        {"/", {PURGE_ACCOUNT, PURGE_ACCOUNT}, {0}},
        {"/x", {PURGE_ACCOUNT, PURGE_ACCOUNT}, {0}},
        {"/x/a", {PURGE_ACCOUNT, PURGE_PATH}, {NULL, "/x/a"}}, /* of the bound client */
        {"/x/a/c", {PURGE_PATH, PURGE_PATH}, {"/c", "/x/a/c"}},
        {"/x/b/c", {PURGE_NOTHING, PURGE_PATH}, {NULL, "/c"}},
        {"/c", {PURGE_NOTHING, PURGE_PATH}, {NULL, "/c"}},
        {"/x/ab", {PURGE_NOTHING, PURGE_PATH}, {NULL, "/x/ab"}},
    };
    const struct configuration of = {
        .upstreams = upstreams, .upstream_count = 2, .clients = clients, .client_count = 2};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        for (uint32_t k = 0; k < 2; k++) {
            struct bytes plain_path = BYTES("");

            assert_int_equal(api_purge_reach(&of, k, bytes_of_string(rows[i].path), &plain_path),
                             rows[i].reach[k]);
            if (rows[i].plain_path[k] != NULL)
                assert_true(bytes_equal(plain_path, bytes_of_string(rows[i].plain_path[k])));
        }
}

static void anything_else_is_refused_with_a_word_of_help(void **state)
{
    static const char *const bodies[] = {
        "",
        "{",
        "{}",
        "[]",
        "null",
        "\"all\"",
        "{\"all\": false}",
        "{\"all\": 1}",
        "{\"all\": true, \"path\": \"/a\"}",
        "{\"ALL\": true}",
        "{\"path\": 1}",
        "{\"path\": \"\"}",
        "{\"path\": \"a\"}",
        "{\"path\": \"/a/%2e%2e/b\"}",
        "{\"path\": \"/a%00\"}",
        "{\"path\": null}",
        "{\"tag\": \"/profile/456\"}",
        "{\"tag\": [\"a\"]}",
        "{\"other\": true}",
        "{\"all\": true",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        struct api_purge purge;
        struct error error = {0};

        if (api_read_purge(server, bytes_of_string(bodies[i]), &arena, &purge, &error) == RESULT_OK)
            print_error("taken: %s\n", bodies[i]);
        assert_int_not_equal(
            api_read_purge(server, bytes_of_string(bodies[i]), &arena, &purge, &error), RESULT_OK);
        assert_non_null(strstr(error.text, "{\"all\": true}"));
    }
    struct api_purge purge;
    assert_int_not_equal(api_read_purge(server, (struct bytes){0}, &arena, &purge, NULL),
                         RESULT_OK);
}

static void the_status_is_one_object(void **state)
{
    static const char *const members[] = {"version", "uptime_s", "workers",
                                          "listen",  "cache",    "upstreams"};
    struct buffer text;

    (void)state;
    buffer_init(&text, 64 * 1024);
    api_write_status(server, &text);
    assert_false(text.failed);
    cJSON *json = cJSON_ParseWithLength(text.data, text.length);
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        assert_true(cJSON_HasObjectItem(json, members[i]));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "listen")), 1);
    cJSON_Delete(json);
    buffer_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_purge_is_of_all_of_a_path_or_of_a_tag),
        cmocka_unit_test(a_purged_path_is_that_of_the_gate),
        cmocka_unit_test(anything_else_is_refused_with_a_word_of_help),
        cmocka_unit_test(the_status_is_one_object),
    };

    return cmocka_run_group_tests(tests, server_make, server_drop);
}
