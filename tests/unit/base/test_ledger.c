/* What was noted is there after another opening; names of any length; files that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ledger.h"

static char directory[] = "/tmp/postern-ledger-XXXXXX";

static char *path_of(const char *name)
{
    static char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static int directory_make(void **state)
{
    (void)state;
    memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
    return mkdtemp(directory) == NULL;
}

static int directory_drop(void **state)
{
    static const char *const names[] = {"ledger.mdb", "ledger.mdb-lock", "ledger.mdb.damaged"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(path_of(names[i]));
    return rmdir(directory);
}

static struct ledger *opened(void)
{
    struct ledger *ledger = NULL;
    struct error error;

    assert_int_equal(ledger_open(directory, &ledger, &error), RESULT_OK);
    return ledger;
}

static void note(struct ledger *ledger, struct bytes name, uint64_t count)
{
    const struct ledger_entry entry = {
        .name = name, .line = {.day_begins_wall_us = 86400, .counts = {count, count + 1}}};

    assert_int_equal(ledger_write(ledger, &entry, 1), RESULT_OK);
}

static uint64_t noted(const struct ledger *ledger, struct bytes name)
{
    struct ledger_line line;

    assert_int_equal(ledger_read(ledger, name, &line), RESULT_OK);
    assert_int_equal(line.day_begins_wall_us, 86400);
    assert_int_equal(line.counts[1], line.counts[0] + 1);
    return line.counts[0];
}

static void what_is_noted_is_there_after_another_opening(void **state)
{
    struct ledger *ledger = opened();
    struct ledger_line line;

    (void)state;
    assert_int_equal(ledger_read(ledger, BYTES("api"), &line), RESULT_MISSING);
    note(ledger, BYTES("api"), 5);
    note(ledger, BYTES("api"), 7);
    note(ledger, BYTES("other"), 9);
    assert_int_equal(noted(ledger, BYTES("api")), 7);
    assert_int_equal(ledger_flush(ledger), RESULT_OK);
    ledger_close(ledger);
    ledger = opened();
    assert_int_equal(noted(ledger, BYTES("api")), 7);
    assert_int_equal(noted(ledger, BYTES("other")), 9);
    ledger_close(ledger);
}

static void names_may_have_any_length(void **state)
{
    struct ledger *ledger = opened();
    char name[4000];

    (void)state;
    memset(name, 'a', sizeof(name));
    note(ledger, bytes_of(name, sizeof(name)), 1);
    note(ledger, bytes_of(name, sizeof(name) - 1), 2);
    note(ledger, BYTES(""), 3);
    assert_int_equal(noted(ledger, bytes_of(name, sizeof(name))), 1);
    assert_int_equal(noted(ledger, bytes_of(name, sizeof(name) - 1)), 2);
    assert_int_equal(noted(ledger, BYTES("")), 3);
    ledger_close(ledger);
}

static void a_file_that_is_none_is_moved_aside(void **state)
{
    FILE *file = fopen(path_of("ledger.mdb"), "w");

    (void)state;
    assert_non_null(file);
    for (int i = 0; i < 20000; i++)
        assert_true(fputc('x', file) == 'x');
    assert_int_equal(fclose(file), 0);
    struct ledger *ledger = opened();
    note(ledger, BYTES("api"), 1);
    assert_int_equal(noted(ledger, BYTES("api")), 1);
    ledger_close(ledger);
    struct stat status;
    assert_int_equal(stat(path_of("ledger.mdb.damaged"), &status), 0);
    assert_int_equal(status.st_size, 20000);
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
    struct ledger *ledger;
    struct error error;

    (void)state;
    assert_int_not_equal(ledger_open("/tmp/postern-nowhere/at/all", &ledger, &error), RESULT_OK);
    assert_non_null(strstr(error.text, "/tmp/postern-nowhere/at/all/ledger.mdb"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_noted_is_there_after_another_opening,
                                        directory_make, directory_drop),
        cmocka_unit_test_setup_teardown(names_may_have_any_length, directory_make, directory_drop),
        cmocka_unit_test_setup_teardown(a_file_that_is_none_is_moved_aside, directory_make,
                                        directory_drop),
        cmocka_unit_test(a_directory_that_is_not_there_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
