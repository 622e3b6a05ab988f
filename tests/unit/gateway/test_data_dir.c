/* A directory of one gate at a time, which knows how it was left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "gateway/data_dir.h"

static char root[64], path[128], lock[160];

static int root_make(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/postern-data-XXXXXX");
    if (mkdtemp(root) == NULL)
        return 1;
    (void)snprintf(path, sizeof(path), "%s/a/b", root);
    (void)snprintf(lock, sizeof(lock), "%s/lock", path);
    return 0;
}

static int root_drop(void **state)
{
    char parent[128];

    (void)state;
    (void)unlink(lock); /* not every test makes it */
    (void)rmdir(path);
    (void)snprintf(parent, sizeof(parent), "%s/a", root);
    (void)rmdir(parent);
    return rmdir(root);
}

static struct data_dir open_dir(void)
{
    struct data_dir dir;
    struct error error = {0};

    assert_int_equal(data_dir_open(&dir, path, &error), RESULT_OK);
    return dir;
}

/* As kill -9 leaves it. */
static void kill_dir(struct data_dir *dir)
{
    assert_int_equal(close(dir->lock), 0);
    dir->lock = -1;
}

/* As a boot of long ago left it. */
static void mark_by_another_boot(const char *id)
{
    const int fd = open(lock, O_WRONLY | O_TRUNC);

    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, id, strlen(id)), strlen(id));
    assert_int_equal(close(fd), 0);
}

static void it_is_made_with_all_above_it_for_its_owner_only(void **state)
{
    struct stat status;
    struct data_dir dir = open_dir();

    (void)state;
    assert_false(dir.was_dirty);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(stat(lock, &status), 0);
    assert_int_equal(status.st_mode & 0077, 0);
    data_dir_close(&dir);
    data_dir_close(&dir); /* again: fine */
}

static void one_gate_has_it_at_a_time(void **state)
{
    struct data_dir dir = open_dir(), other;
    struct error error = {0};

    (void)state;
    assert_int_equal(data_dir_open(&other, path, &error), RESULT_BUSY);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, "another gate"));
    assert_int_equal(other.lock, -1);
    data_dir_close(&dir);
    dir = open_dir();
    data_dir_close(&dir);
}

static void a_clean_stop_and_a_kill_in_the_same_boot_leave_it_usable(void **state)
{
    struct data_dir dir = open_dir();

    (void)state;
    data_dir_close(&dir);
    dir = open_dir();
    assert_false(dir.was_dirty);
    kill_dir(&dir); /* the kernel has all that was written */
    dir = open_dir();
    assert_false(dir.was_dirty);
    data_dir_close(&dir);
}

static void another_boot_that_did_not_stop_cleanly_left_it_dirty(void **state)
{
    static const char *const ids[] = {
        "11111111-2222-3333-4444-555555555555\n", "x",
        "a boot id that is longer than any that a kernel would ever write into this file, by far"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        struct data_dir dir = open_dir();

        data_dir_close(&dir);
        mark_by_another_boot(ids[i]);
        dir = open_dir();
        assert_true(dir.was_dirty);
        assert_int_equal(data_dir_cleaned(&dir, NULL), RESULT_OK);
        kill_dir(&dir);
        dir = open_dir();
        assert_false(dir.was_dirty); /* this boot's now */
        data_dir_close(&dir);
        dir = open_dir();
        assert_false(dir.was_dirty);
        data_dir_close(&dir);
    }
}

/* A stop before the dirty cache was emptied must not make it look clean. */
static void it_stays_dirty_until_it_was_cleaned(void **state)
{
    struct data_dir dir = open_dir();

    (void)state;
    data_dir_close(&dir);
    mark_by_another_boot("11111111-2222-3333-4444-555555555555\n");
    dir = open_dir();
    assert_true(dir.was_dirty);
    kill_dir(&dir);
    dir = open_dir();
    assert_true(dir.was_dirty);
    data_dir_close(&dir); /* the start failed */
    dir = open_dir();
    assert_true(dir.was_dirty);
    assert_int_equal(data_dir_cleaned(&dir, NULL), RESULT_OK);
    data_dir_close(&dir);
    dir = open_dir();
    assert_false(dir.was_dirty);
    data_dir_close(&dir);
}

static void a_path_that_can_not_be_is_told(void **state)
{
    static char longer[5000];
    struct data_dir dir;
    struct error error = {0};

    (void)state;
    memset(longer, 'd', sizeof(longer) - 1);
    assert_int_equal(data_dir_open(&dir, longer, &error), RESULT_LIMIT);
    assert_int_equal(data_dir_open(&dir, "", &error), RESULT_LIMIT);
    assert_int_equal(data_dir_open(&dir, "/dev/null/x", &error), RESULT_SYSTEM);
    assert_non_null(strstr(error.text, "/dev/null/x"));
    data_dir_close(&dir);
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, root_make, root_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROOT(it_is_made_with_all_above_it_for_its_owner_only),
        WITH_ROOT(one_gate_has_it_at_a_time),
        WITH_ROOT(a_clean_stop_and_a_kill_in_the_same_boot_leave_it_usable),
        WITH_ROOT(another_boot_that_did_not_stop_cleanly_left_it_dirty),
        WITH_ROOT(it_stays_dirty_until_it_was_cleaned),
        WITH_ROOT(a_path_that_can_not_be_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
