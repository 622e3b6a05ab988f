/* Secrets: whole, private, locked, and refused where they lie open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/secret.h"

/* A file of that content and mode in a fresh place. */
static void write_file(char *path, struct bytes content, mode_t mode)
{
    memcpy(path, "/tmp/postern-secret-XXXXXX", sizeof("/tmp/postern-secret-XXXXXX"));
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.length), (ssize_t)content.length);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void a_secret_says_what_it_was_given(void **state)
{
    struct secret *secret = NULL;
    char content[] = "tok\0en";

    (void)state;
    assert_int_equal(secret_create(bytes_of(content, 6), &secret), RESULT_OK);
    memset(content, 'x', sizeof(content)); /* it keeps a copy */
    assert_true(bytes_equal(secret_bytes(secret), BYTES("tok\0en")));
    secret_destroy(secret);
    secret_destroy(NULL);
}

static void a_secret_has_a_limit(void **state)
{
    struct secret *secret = NULL;
    char *content = calloc(1, SECRET_LIMIT_BYTES + 1);

    (void)state;
    assert_int_equal(secret_create(bytes_of(content, SECRET_LIMIT_BYTES + 1), &secret),
                     RESULT_LIMIT);
    assert_int_equal(secret_create(bytes_of(content, SECRET_LIMIT_BYTES), &secret), RESULT_OK);
    secret_destroy(secret);
    free(content);
}

/* /proc/self/smaps says of a secret's pages: locked (lo), no dump (dd), wiped in children (wf). */
static void a_secret_is_locked_not_dumped_and_wiped_in_children(void **state)
{
    struct secret *secret = NULL;
    char line[512], flags[512] = "";
    unsigned long start, end;
    bool inside = false;
    int status;

    (void)state;
    assert_int_equal(secret_create(BYTES("token"), &secret), RESULT_OK);
    const unsigned long at = (unsigned long)secret_bytes(secret).data;
    FILE *maps = fopen("/proc/self/smaps", "re");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            inside = start <= at && at < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            memcpy(flags, line, sizeof(line));
    }
    (void)fclose(maps);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they leave mlock out */
    assert_non_null(strstr(flags, " lo"));
#endif
    assert_non_null(strstr(flags, " dd"));
    assert_non_null(strstr(flags, " wf"));

    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(*(const volatile char *)at == 0 ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    secret_destroy(secret);
}

static void a_file_is_read_without_its_outer_white_space(void **state)
{
    struct secret *secret = NULL;
    char path[32];

    (void)state;
    write_file(path, BYTES(" \tto ken\r\n\n"), 0600);
    assert_int_equal(secret_read_file(path, false, &secret, NULL), RESULT_OK);
    assert_true(bytes_equal(secret_bytes(secret), BYTES("to ken")));
    secret_destroy(secret);
    (void)unlink(path);
}

static void a_file_open_to_others_is_refused_unless_allowed(void **state)
{
    struct secret *secret = NULL;
    struct error error = {0};
    char path[32];

    (void)state;
    write_file(path, BYTES("geheim"), 0640);
    assert_int_equal(secret_read_file(path, false, &secret, &error), RESULT_REFUSED);
    assert_non_null(strstr(error.text, path));
    assert_null(strstr(error.text, "geheim"));
    assert_int_equal(secret_read_file(path, true, &secret, &error), RESULT_OK);
    secret_destroy(secret);
    (void)unlink(path);
}

static void what_holds_no_secret_is_an_error_that_names_it(void **state)
{
    struct secret *secret = NULL;
    struct error error = {0};
    char path[32];

    (void)state;
    write_file(path, BYTES(" \n"), 0600);
    assert_int_equal(secret_read_file(path, false, &secret, &error), RESULT_INVALID);
    assert_non_null(strstr(error.text, path));
    (void)unlink(path);
    write_file(path, BYTES("geheim\nX-Field: 1"), 0600);
    assert_int_equal(secret_read_file(path, false, &secret, &error), RESULT_INVALID);
    assert_null(strstr(error.text, "geheim"));
    (void)unlink(path);
    assert_int_equal(secret_read_file(path, false, &secret, &error), RESULT_SYSTEM);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(secret_read_file("/tmp", false, &secret, &error), RESULT_INVALID);
}

static void a_file_that_is_too_large_is_refused(void **state)
{
    struct secret *secret = NULL;
    char path[32], *content = malloc(SECRET_LIMIT_BYTES + 1);

    (void)state;
    memset(content, 'k', SECRET_LIMIT_BYTES + 1);
    write_file(path, bytes_of(content, SECRET_LIMIT_BYTES + 1), 0600);
    assert_int_equal(secret_read_file(path, false, &secret, NULL), RESULT_LIMIT);
    (void)unlink(path);
    free(content);
}

static void comparing_looks_at_every_byte(void **state)
{
    (void)state;
    assert_true(secret_equal(BYTES("abc\0d"), BYTES("abc\0d")));
    assert_false(secret_equal(BYTES("abc"), BYTES("abd")));
    assert_false(secret_equal(BYTES("xbc"), BYTES("abc")));
    assert_false(secret_equal(BYTES("abc"), BYTES("abcd")));
    assert_true(secret_equal((struct bytes){0}, BYTES("")));
}

static void wiped_memory_is_zero_and_random_memory_is_not(void **state)
{
    static const char zeros[64];
    char one[64], other[64];

    (void)state;
    secret_random(one, sizeof(one));
    secret_random(other, sizeof(other));
    assert_memory_not_equal(one, other, sizeof(one));
    assert_memory_not_equal(one, zeros, sizeof(one));
    secret_wipe(one, sizeof(one));
    assert_memory_equal(one, zeros, sizeof(one));
}

static void assert_content(const char *path, const char *wanted)
{
    char content[64] = "";
    const int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_true(read(fd, content, sizeof(content) - 1) >= 0);
    assert_int_equal(close(fd), 0);
    assert_string_equal(content, wanted);
}

static void a_written_file_replaces_the_old_one_and_is_its_owners_alone(void **state)
{
    char path[32], link_path[40];
    struct stat status;
    struct error error = {0};

    (void)state;
    write_file(path, BYTES("old\n"), 0644);
    const int old = open(path, O_RDONLY);
    (void)snprintf(link_path, sizeof(link_path), "%s.link", path);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(secret_write_file(link_path, BYTES("new"), &error), RESULT_OK);
    assert_content(path, "new\n");
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(lstat(link_path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    char content[8] = "";
    assert_int_equal(read(old, content, sizeof(content)), 4); /* who had it open reads the old */
    assert_string_equal(content, "old\n");
    assert_int_equal(close(old), 0);
    assert_int_equal(unlink(link_path), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(secret_write_file(path, BYTES("first"), &error), RESULT_OK);
    assert_content(path, "first\n");
    assert_int_equal(unlink(path), 0);
}

static void a_file_that_cannot_be_written_is_an_error_that_names_it(void **state)
{
    struct error error = {0};

    (void)state;
    assert_int_equal(secret_write_file("/tmp/postern-no-such/token", BYTES("s3cret"), &error),
                     RESULT_SYSTEM);
    assert_non_null(strstr(error.text, "/tmp/postern-no-such/token"));
    assert_null(strstr(error.text, "s3cret"));
    assert_int_equal(secret_write_file("/dev/null/token", BYTES("s3cret"), &error), RESULT_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_says_what_it_was_given),
        cmocka_unit_test(a_secret_has_a_limit),
        cmocka_unit_test(a_secret_is_locked_not_dumped_and_wiped_in_children),
        cmocka_unit_test(a_file_is_read_without_its_outer_white_space),
        cmocka_unit_test(a_file_open_to_others_is_refused_unless_allowed),
        cmocka_unit_test(what_holds_no_secret_is_an_error_that_names_it),
        cmocka_unit_test(a_file_that_is_too_large_is_refused),
        cmocka_unit_test(a_written_file_replaces_the_old_one_and_is_its_owners_alone),
        cmocka_unit_test(a_file_that_cannot_be_written_is_an_error_that_names_it),
        cmocka_unit_test(comparing_looks_at_every_byte),
        cmocka_unit_test(wiped_memory_is_zero_and_random_memory_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
