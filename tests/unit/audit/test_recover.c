/* What a killed process left: every record is in the files once, whichever step the kill met. */
#include "audit/trail.h"

#include <signal.h>
#include <sys/resource.h>

#include "audit/recover.h"

enum { CAPACITY = 64 * 1024 };

struct fixture {
    struct trail trail;
    int rings, files;
    struct audit_log log;
    struct buffer batch, text;
    struct transfer_count count;
};

static int set_up(void **state)
{
    static struct fixture fixture;

    trail_init(&fixture.trail);
    fixture.rings = trail_directory(&fixture.trail, "ring");
    fixture.files = trail_directory(&fixture.trail, "audit");
    fixture.log = (struct audit_log){.fd = -1, .directory = fixture.files};
    fixture.count = (struct transfer_count){0};
    buffer_init(&fixture.batch, TRANSFER_BATCH_BYTES);
    buffer_init(&fixture.text, 1024 * 1024);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    audit_log_close(&fixture->log);
    buffer_finish(&fixture->batch);
    buffer_finish(&fixture->text);
    (void)close(fixture->rings);
    (void)close(fixture->files);
    trail_finish(&fixture->trail);
    return 0;
}

/* A ring file with these two records in it. */
static void leave_ring(struct fixture *fixture, const char *name, struct bytes first,
                       struct bytes second, struct ring *ring)
{
    assert_int_equal(ring_create(fixture->rings, name, CAPACITY, ring, NULL), RESULT_OK);
    assert_int_equal(ring_put(ring, first), RESULT_OK);
    assert_int_equal(ring_put(ring, second), RESULT_OK);
}

static void recover(struct fixture *fixture)
{
    assert_int_equal(
        recover_rings(fixture->rings, &fixture->log, &fixture->batch, &fixture->count, NULL),
        RESULT_OK);
}

static void assert_files(struct fixture *fixture, struct bytes expected)
{
    buffer_reset(&fixture->text);
    (void)trail_read(fixture->files, ".jsonl", &fixture->text);
    assert_true(bytes_equal(buffer_bytes(&fixture->text), expected));
}

static void records_left_in_rings_are_appended_and_the_rings_removed(void **state)
{
    struct fixture *fixture = *state;
    struct ring ring;

    leave_ring(fixture, "worker-0", BYTES("a\n"), BYTES("b\n"), &ring);
    ring_close(&ring);
    leave_ring(fixture, "worker-17", BYTES("c\n"), BYTES("d\n"), &ring);
    ring_close(&ring);
    recover(fixture);
    assert_int_equal(fixture->count.records, 4);
    buffer_reset(&fixture->text);
    assert_int_equal(trail_read(fixture->files, ".jsonl", &fixture->text), 1);
    assert_int_equal(fixture->text.length, 8);
    assert_true(bytes_find(buffer_bytes(&fixture->text), BYTES("a\nb\n")) < 8);
    assert_true(bytes_find(buffer_bytes(&fixture->text), BYTES("c\nd\n")) < 8);
    assert_int_equal(trail_count_files(fixture->rings, "worker"), 0);
    assert_false(fixture->log.is_unsynced);
}

/* The kill came after the announcement, with this much of the batch in the file. */
static void killed_with(struct fixture *fixture, struct bytes in_file)
{
    const char name[] = "audit-20261124T211704Z-000003.jsonl";
    struct ring ring;

    trail_write_file(fixture->files, name, in_file);
    leave_ring(fixture, "worker-0", BYTES("first\n"), BYTES("second\n"), &ring);
    ring_announce(&ring, &(struct ring_announcement){3, 7, ring_head(&ring)});
    assert_int_equal(ring_put(&ring, BYTES("third\n")), RESULT_OK);
    ring_close(&ring);
    recover(fixture);
}

static void a_batch_that_had_not_reached_the_file_is_appended(void **state)
{
    killed_with(*state, BYTES("before\n"));
    assert_files(*state, BYTES("before\nfirst\nsecond\nthird\n"));
}

static void a_batch_cut_in_a_line_is_appended_once(void **state)
{
    killed_with(*state, BYTES("before\nfirst\nsec"));
    assert_files(*state, BYTES("before\nfirst\nsecond\nthird\n"));
}

static void a_batch_that_is_wholly_in_the_file_is_not_appended_again(void **state)
{
    killed_with(*state, BYTES("before\nfirst\nsecond\n"));
    assert_files(*state, BYTES("before\nfirst\nsecond\nthird\n"));
}

static void what_the_ring_does_not_hold_is_never_cut_off(void **state)
{
    killed_with(*state, BYTES("before\nother\n"));
    assert_files(*state, BYTES("before\nother\nfirst\nsecond\nthird\n"));
}

static void an_announced_file_that_is_gone_is_no_loss(void **state)
{
    struct fixture *fixture = *state;
    struct ring ring;

    leave_ring(fixture, "worker-0", BYTES("first\n"), BYTES("second\n"), &ring);
    ring_announce(&ring, &(struct ring_announcement){9, UINT64_MAX, ring_head(&ring)});
    ring_close(&ring);
    recover(fixture);
    assert_files(fixture, BYTES("first\nsecond\n"));
}

/* Without the announcement a kill in the middle of the append could not be told from none. */
static void an_append_is_announced_before_it_is_made(void **state)
{
    struct fixture *fixture = *state;
    struct ring_announcement announcement;
    struct rlimit before, low;
    struct ring ring;

    recover(fixture);
    leave_ring(fixture, "worker-0", BYTES("a\n"), BYTES("b\n"), &ring);
    assert_int_equal(transfer_drain(&ring, &fixture->log, &fixture->batch, &fixture->count),
                     RESULT_OK);
    assert_int_equal(ring_put(&ring, BYTES("c\n")), RESULT_OK);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = (struct rlimit){.rlim_cur = 5, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    const enum result result =
        transfer_drain(&ring, &fixture->log, &fixture->batch, &fixture->count);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(result, RESULT_FULL);
    assert_int_equal(ring_announced(&ring, &announcement), RESULT_OK);
    assert_int_equal(announcement.sequence, fixture->log.sequence);
    assert_int_equal(announcement.offset, 4);
    assert_int_equal(announcement.end, ring_head(&ring));
    ring_close(&ring);
}

static void a_file_that_is_no_ring_is_set_aside(void **state)
{
    struct fixture *fixture = *state;
    struct ring ring;

    trail_write_file(fixture->rings, "worker-0", BYTES("not a ring"));
    trail_write_file(fixture->rings, "readme", BYTES("not ours"));
    leave_ring(fixture, "worker-1", BYTES("a\n"), BYTES("b\n"), &ring);
    ring_close(&ring);
    recover(fixture);
    assert_files(fixture, BYTES("a\nb\n"));
    assert_int_equal(trail_count_files(fixture->rings, "damaged-worker-0-"), 1);
    assert_int_equal(trail_count_files(fixture->rings, "readme"), 1);
    assert_int_equal(trail_count_files(fixture->rings, "worker-1"), 0);
}

static void damaged_records_are_counted_and_the_others_kept(void **state)
{
    struct fixture *fixture = *state;
    struct ring ring;

    leave_ring(fixture, "worker-0", BYTES("a\n"), BYTES("b\n"), &ring);
    ring.records[16] = 'x';
    ring_close(&ring);
    recover(fixture);
    assert_files(fixture, BYTES("b\n"));
    assert_int_equal(fixture->count.records, 1);
    assert_int_equal(fixture->count.damaged_bytes, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(records_left_in_rings_are_appended_and_the_rings_removed),
        TEST(a_batch_that_had_not_reached_the_file_is_appended),
        TEST(a_batch_cut_in_a_line_is_appended_once),
        TEST(a_batch_that_is_wholly_in_the_file_is_not_appended_again),
        TEST(what_the_ring_does_not_hold_is_never_cut_off),
        TEST(an_announced_file_that_is_gone_is_no_loss),
        TEST(an_append_is_announced_before_it_is_made),
        TEST(a_file_that_is_no_ring_is_set_aside),
        TEST(damaged_records_are_counted_and_the_others_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
