/* The files: their names, their rotation, and what a crash or a full disk leaves of them. */
#include "audit/trail.h"

#include <signal.h>
#include <sys/resource.h>

#include "audit/log.h"
#include "base/clock.h"

static const int64_t day_us = 24 * 3600 * CLOCK_SECOND_US;

struct fixture {
    struct trail trail;
    struct audit_log log;
    struct buffer text;
};

static struct fixture *fixture_of(void **state)
{
    static struct fixture fixture;

    *state = &fixture;
    return &fixture;
}

static int set_up(void **state)
{
    struct fixture *fixture = fixture_of(state);

    trail_init(&fixture->trail);
    fixture->log = (struct audit_log){.fd = -1};
    buffer_init(&fixture->text, 1024 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    audit_log_close(&fixture->log);
    buffer_finish(&fixture->text);
    trail_finish(&fixture->trail);
    return 0;
}

static void open_log(struct fixture *fixture, int64_t wall_us)
{
    assert_int_equal(audit_log_open(&fixture->log, fixture->trail.fd, wall_us, NULL), RESULT_OK);
}

static enum result append(struct fixture *fixture, struct bytes lines, int64_t wall_us)
{
    const enum result result = audit_log_prepare(&fixture->log, lines.length, wall_us);

    return result == RESULT_OK ? audit_log_append(&fixture->log, lines) : result;
}

static void assert_content(struct fixture *fixture, const char *part, struct bytes expected)
{
    buffer_reset(&fixture->text);
    (void)trail_read(fixture->trail.fd, part, &fixture->text);
    assert_true(bytes_equal(buffer_bytes(&fixture->text), expected));
}

static void a_file_is_named_after_its_time_and_sequence_and_private(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;

    open_log(fixture, INT64_C(1795555024123456));
    assert_string_equal(fixture->log.name, "audit-20261124T211704Z-000001.jsonl");
    assert_int_equal(fstatat(fixture->trail.fd, fixture->log.name, &status, 0), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(fcntl(fixture->log.fd, F_GETFL) & O_APPEND, O_APPEND);
    assert_int_equal(audit_log_sequence_of(fixture->log.name), 1);
    assert_int_equal(audit_log_sequence_of("audit-20261124T211704Z-000012.jsonl.zst"), 12);
    assert_int_equal(audit_log_sequence_of("audit-20261124T211704Z-x.jsonl"), 0);
    assert_int_equal(audit_log_sequence_of("other-20261124T211704Z-000012.jsonl"), 0);
}

static void appends_go_on_in_the_same_file_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    const int64_t now = clock_wall_us();

    open_log(fixture, now);
    assert_int_equal(append(fixture, BYTES("one\n"), now), RESULT_OK);
    audit_log_close(&fixture->log);
    open_log(fixture, now);
    assert_int_equal(append(fixture, BYTES("two\n"), now), RESULT_OK);
    assert_int_equal(trail_count_files(fixture->trail.fd, ".jsonl"), 1);
    assert_content(fixture, ".jsonl", BYTES("one\ntwo\n"));
}

static void a_file_that_would_grow_too_large_is_left(void **state)
{
    struct fixture *fixture = *state;

    fixture->log.rotate_bytes = 10;
    open_log(fixture, day_us);
    assert_int_equal(append(fixture, BYTES("12345\n"), day_us), RESULT_OK);
    assert_int_equal(append(fixture, BYTES("678\n"), day_us), RESULT_OK);
    assert_int_equal(fixture->log.sequence, 1);
    assert_int_equal(append(fixture, BYTES("9\n"), day_us), RESULT_OK);
    assert_int_equal(fixture->log.sequence, 2);
    assert_content(fixture, "000001", BYTES("12345\n678\n"));
    assert_content(fixture, "000002", BYTES("9\n"));
}

static void a_new_utc_day_begins_a_new_file(void **state)
{
    struct fixture *fixture = *state;

    open_log(fixture, 2 * day_us);
    assert_int_equal(append(fixture, BYTES("a\n"), 2 * day_us), RESULT_OK);
    assert_int_equal(append(fixture, BYTES("b\n"), 3 * day_us - 1), RESULT_OK);
    assert_int_equal(fixture->log.sequence, 1);
    assert_int_equal(append(fixture, BYTES("c\n"), 3 * day_us), RESULT_OK);
    assert_int_equal(fixture->log.sequence, 2);
    assert_content(fixture, "000002", BYTES("c\n"));
}

static void age_file(struct fixture *fixture, const char *name, int64_t wall_us)
{
    const struct timespec times[2] = {{.tv_sec = wall_us / CLOCK_SECOND_US},
                                      {.tv_sec = wall_us / CLOCK_SECOND_US}};

    trail_write_file(fixture->trail.fd, name, BYTES("old\n"));
    assert_int_equal(utimensat(fixture->trail.fd, name, times, 0), 0);
}

static void files_past_their_time_go_at_rotation_and_others_stay(void **state)
{
    struct fixture *fixture = *state;
    const int64_t now = clock_wall_us();

    age_file(fixture, "audit-20200101T000000Z-000001.jsonl.zst", now - 91 * day_us);
    age_file(fixture, "audit-20200101T000000Z-000002.jsonl", now - 91 * day_us);
    age_file(fixture, "audit-20200101T000000Z-000003.jsonl", now - 89 * day_us);
    age_file(fixture, "notes.txt", now - 91 * day_us);
    fixture->log.keep_us = 90 * day_us;
    open_log(fixture, now);
    assert_int_equal(fixture->log.sequence, 3);
    assert_int_equal(append(fixture, BYTES("new\n"), now), RESULT_OK);
    assert_int_equal(fixture->log.sequence, 4);
    assert_int_equal(trail_count_files(fixture->trail.fd, "-000001."), 0);
    assert_int_equal(trail_count_files(fixture->trail.fd, "-000002."), 0);
    assert_int_equal(trail_count_files(fixture->trail.fd, "-000003."), 1);
    assert_int_equal(trail_count_files(fixture->trail.fd, "notes.txt"), 1);
}

static void a_line_that_a_crash_cut_is_ended_before_the_next(void **state)
{
    struct fixture *fixture = *state;
    const int64_t now = clock_wall_us();

    trail_write_file(fixture->trail.fd, "audit-20261124T211704Z-000007.jsonl",
                     BYTES("{\"whole\":1}\n{\"cut"));
    open_log(fixture, now);
    assert_int_equal(append(fixture, BYTES("{\"next\":1}\n"), now), RESULT_OK);
    assert_content(fixture, ".jsonl", BYTES("{\"whole\":1}\n{\"cut\n{\"next\":1}\n"));
}

static void a_file_cannot_be_appended_to_beyond_the_limit_and_then_can(void **state)
{
    struct fixture *fixture = *state;
    const int64_t now = clock_wall_us();
    struct rlimit before, low;

    open_log(fixture, now);
    assert_int_equal(append(fixture, BYTES("first\n"), now), RESULT_OK);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = (struct rlimit){.rlim_cur = 10, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    const enum result result = append(fixture, BYTES("second\n"), now);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(result, RESULT_FULL);
    assert_content(fixture, ".jsonl", BYTES("first\n")); /* the four bytes written are taken back */
    assert_int_equal(append(fixture, BYTES("second\n"), now), RESULT_OK);
    assert_content(fixture, ".jsonl", BYTES("first\nsecond\n"));
}

static void a_file_that_somebody_removed_is_not_written_to(void **state)
{
    struct fixture *fixture = *state;
    const int64_t now = clock_wall_us();

    open_log(fixture, now);
    assert_int_equal(append(fixture, BYTES("gone\n"), now), RESULT_OK);
    assert_int_equal(unlinkat(fixture->trail.fd, fixture->log.name, 0), 0);
    assert_int_equal(append(fixture, BYTES("kept\n"), now), RESULT_OK);
    assert_int_equal(fixture->log.sequence, 2);
    assert_content(fixture, ".jsonl", BYTES("kept\n"));
}

static void a_failed_sync_is_told_and_the_file_left(void **state)
{
    struct fixture *fixture = *state;
    const int64_t now = clock_wall_us();
    int ends[2];

    open_log(fixture, now);
    assert_int_equal(append(fixture, BYTES("one\n"), now), RESULT_OK);
    assert_int_equal(audit_log_sync(&fixture->log), RESULT_OK);
    assert_int_equal(append(fixture, BYTES("two\n"), now), RESULT_OK);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], fixture->log.fd), fixture->log.fd); /* pipes cannot be synced */
    assert_int_equal(audit_log_sync(&fixture->log), RESULT_SYSTEM);
    assert_int_equal(append(fixture, BYTES("three\n"), now), RESULT_OK);
    assert_int_equal(audit_log_sync(&fixture->log), RESULT_OK);
    assert_content(fixture, "000002", BYTES("three\n"));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_file_is_named_after_its_time_and_sequence_and_private),
        TEST(appends_go_on_in_the_same_file_after_a_restart),
        TEST(a_file_that_would_grow_too_large_is_left),
        TEST(a_new_utc_day_begins_a_new_file),
        TEST(files_past_their_time_go_at_rotation_and_others_stay),
        TEST(a_line_that_a_crash_cut_is_ended_before_the_next),
        TEST(a_file_cannot_be_appended_to_beyond_the_limit_and_then_can),
        TEST(a_file_that_somebody_removed_is_not_written_to),
        TEST(a_failed_sync_is_told_and_the_file_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
