/* A configuration as a whole: defaults, finding it, faults all at once. */
#include "config/reading.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/reader.h"

#define UPSTREAM "\"upstreams\": {\"a\": {\"url\": \"https://x.example\"}}"

static void what_is_not_said_has_its_default(void **state)
{
    struct configuration *read = reading("{" UPSTREAM "}");

    (void)state;
    assert_int_equal(read->listen_count, 1);
    assert_string_equal(read->listen[0], "127.0.0.1:8080");
    assert_string_equal(read->admin, "127.0.0.1:8081");
    assert_string_equal(read->data_dir, "/var/lib/postern");
    assert_true(read->workers >= 1);
    assert_int_equal(read->log_level, LOG_INFO);
    assert_int_equal(read->head_timeout_us, 10 * CLOCK_SECOND_US);
    assert_int_equal(read->idle_timeout_us, 75 * CLOCK_SECOND_US);
    assert_int_equal(read->body_timeout_us, 30 * CLOCK_SECOND_US);
    assert_int_equal(read->connections, 10000);
    assert_int_equal(read->client_count, 0);
    assert_int_equal(read->cache_max_bytes, UINT64_C(1) << 30);
    assert_int_equal(read->cache_max_object_bytes, UINT64_C(16) << 20);
    assert_int_equal(read->ttl_us, 60 * CLOCK_SECOND_US);
    assert_int_equal(read->negative_ttl_us, 10 * CLOCK_SECOND_US);
    assert_int_equal(read->unmatched_writes, UNMATCHED_ACCOUNT);
    assert_true(read->audit && read->audit_hash_bodies);
    assert_int_equal(read->audit_rotate_bytes, UINT64_C(256) << 20);
    assert_int_equal(read->audit_keep_us, 90 * 86400 * CLOCK_SECOND_US);
    assert_int_equal(read->warning_count, 0);
    assert_null(read->path);
    configuration_release(read);
}

static void all_faults_are_told_in_the_order_of_the_file(void **state)
{
    struct faults faults = faults_of("{\n"
                                     "  \"workers\": -1,\n"
                                     "  \"audit\": 5,\n"
                                     "  \"upstream\": {},\n"
                                     "  \"data_dir\": []\n"
                                     "}");
    static const char *const pointers[] = {"", "/workers", "/audit", "/upstream", "/data_dir"};

    (void)state;
    assert_int_equal(faults.count, ARRAY_LENGTH(pointers));
    for (size_t i = 0; i < faults.count; i++) {
        assert_string_equal(faults.list[i].pointer, pointers[i]);
        assert_int_equal(faults.list[i].line, i + 1);
    }
    assert_string_equal(faults.list[3].text,
                        "unknown member \"upstream\": did you mean \"upstreams\"?");
    faults_finish(&faults);
    faults_finish(&faults); /* empty: does nothing */
}

static void broken_json_is_one_fault(void **state)
{
    (void)state;
    assert_fault("{\n\"workers\": 1,\n}", 3, "", "comma");
    assert_fault("[]", 1, "", "expects an object");
}

static void a_member_that_stands_twice_is_a_fault(void **state)
{
    (void)state;
    assert_fault("{" UPSTREAM ",\n\"workers\": 1,\n\"workers\": 2}", 3, "/workers", "twice");
}

static void cluster_is_not_available_yet(void **state)
{
    (void)state;
    assert_fault("{" UPSTREAM ", \"cluster\": {}}", 1, "/cluster", "not available yet");
}

static void thousands_of_faults_end_with_one_that_says_so(void **state)
{
    char text[64 * 1024] = "{";
    size_t length = 1;

    (void)state;
    while (length < sizeof(text) - 100)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "\"x%zu\": 1,\n", length);
    (void)snprintf(text + length, sizeof(text) - length, "\"y\": 1}");
    struct faults faults = faults_of(text);
    assert_int_equal(faults.count, FAULTS_LIMIT);
    assert_non_null(strstr(faults.list[FAULTS_LIMIT - 1].text, "and more"));
    assert_int_equal(faults.list[FAULTS_LIMIT - 1].line, FAULTS_LIMIT);
    faults_finish(&faults);
}

static void relative_paths_start_from_the_directory(void **state)
{
    struct configuration *read =
        reading("{\"data_dir\": \"data\", \"upstreams\": {\"a\": {\"url\": \"https://x\","
                "\"token\": {\"file\": \"token\"}, \"inject\": {\"query\": \"t\"},"
                "\"tls\": {\"ca_file\": \"/etc/ca\"}}}}");

    (void)state;
    assert_string_equal(read->data_dir, "/nowhere/data");
    assert_string_equal(read->upstreams[0].token.file, "/nowhere/token");
    assert_string_equal(read->upstreams[0].tls_ca_file, "/etc/ca");
    configuration_release(read);
}

static void the_last_reference_frees(void **state)
{
    struct configuration *read = reading("{" UPSTREAM "}");

    (void)state;
    assert_ptr_equal(configuration_acquire(read), read);
    configuration_release(read);
    assert_string_equal(read->upstreams[0].name, "a"); /* still there: ASan would tell */
    configuration_release(read);
    configuration_release(NULL);
}

static void a_file_is_found_and_read(void **state)
{
    char directory[] = "/tmp/postern-test-XXXXXX", path[64], found[64];
    struct configuration *read = NULL;
    struct faults faults;

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/x.json", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "{" UPSTREAM ", \"data_dir\": \"d\"}");
    assert_int_equal(fclose(file), 0);

    assert_int_equal(setenv("POSTERN_CONFIG", path, 1), 0);
    assert_int_equal(configuration_find(NULL, found, sizeof(found)), RESULT_OK);
    assert_string_equal(found, path);
    assert_int_equal(configuration_find("given", found, sizeof(found)), RESULT_OK);
    assert_string_equal(found, "given");
    assert_int_equal(configuration_find(path, found, 5), RESULT_LIMIT);

    assert_int_equal(configuration_read_file(path, &read, &faults), RESULT_OK);
    assert_string_equal(read->path, path);
    assert_true(bytes_starts_with(bytes_of_string(read->data_dir), bytes_of_string(directory)));
    configuration_release(read);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(configuration_read_file(path, &read, &faults), RESULT_MISSING);
    assert_int_equal(faults.count, 1);
    assert_non_null(strstr(faults.list[0].text, path));
    faults_finish(&faults);
    assert_int_equal(configuration_read_file(directory, &read, &faults), RESULT_INVALID);
    faults_finish(&faults);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_has_its_default),
        cmocka_unit_test(all_faults_are_told_in_the_order_of_the_file),
        cmocka_unit_test(broken_json_is_one_fault),
        cmocka_unit_test(a_member_that_stands_twice_is_a_fault),
        cmocka_unit_test(cluster_is_not_available_yet),
        cmocka_unit_test(thousands_of_faults_end_with_one_that_says_so),
        cmocka_unit_test(relative_paths_start_from_the_directory),
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(a_file_is_found_and_read),
    };

    return cmocka_run_group_tests_name("config/read", tests, NULL, NULL);
}
