/* Rings: first in, first out, over the end and back, over a kill, and whatever the file says. */
#include "audit/trail.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "audit/ring.h"
#include "base/memory.h"

enum { CAPACITY = 4096, SIZE = RING_HEADER_BYTES + CAPACITY };

struct fixture {
    void *memory; /* 8-byte aligned, SIZE bytes, of a ring */
    struct ring ring;
    struct buffer batch;
};

static int set_up(void **state)
{
    struct fixture *fixture = memory_take(1, sizeof(*fixture));

    fixture->memory = aligned_alloc(64, SIZE);
    memset(fixture->memory, 0, SIZE);
    ring_format(fixture->memory, SIZE, &fixture->ring);
    buffer_init(&fixture->batch, 64 * 1024);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    buffer_finish(&fixture->batch);
    free(fixture->memory);
    free(fixture);
    return 0;
}

static enum result take_all(struct fixture *fixture, struct ring_taken *taken)
{
    *taken = (struct ring_taken){.position = ring_tail(&fixture->ring)};
    buffer_reset(&fixture->batch);
    return ring_take(&fixture->ring, ring_head(&fixture->ring), taken, &fixture->batch);
}

static void assert_batch(const struct fixture *fixture, struct bytes expected)
{
    assert_true(bytes_equal(buffer_bytes(&fixture->batch), expected));
}

static void what_is_put_is_taken_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct ring_taken taken;

    assert_int_equal(take_all(fixture, &taken), RESULT_MISSING);
    assert_int_equal(ring_put(&fixture->ring, BYTES("one\n")), RESULT_OK);
    assert_int_equal(ring_put(&fixture->ring, BYTES("second\n")), RESULT_OK);
    assert_int_equal(take_all(fixture, &taken), RESULT_OK);
    assert_batch(fixture, BYTES("one\nsecond\n"));
    assert_int_equal(taken.records, 2);
    assert_int_equal(taken.damaged_bytes, 0);
    ring_release(&fixture->ring, taken.position);
    assert_int_equal(take_all(fixture, &taken), RESULT_MISSING);
}

static void records_run_over_the_end_unharmed(void **state)
{
    struct fixture *fixture = *state;
    char record[301];
    struct ring_taken taken;

    for (unsigned i = 0; i < 200; i++) {
        const size_t length = 1 + (i * 37) % 300;

        memset(record, (int)('a' + i % 26), length);
        assert_int_equal(ring_put(&fixture->ring, bytes_of(record, length)), RESULT_OK);
        assert_int_equal(take_all(fixture, &taken), RESULT_OK);
        assert_batch(fixture, bytes_of(record, length));
        assert_int_equal(taken.damaged_bytes, 0);
        ring_release(&fixture->ring, taken.position);
    }
    assert_true(ring_head(&fixture->ring) > 4 * CAPACITY);
}

static void a_full_ring_says_limit_and_drains(void **state)
{
    struct fixture *fixture = *state;
    char record[1000];
    struct ring_taken taken;

    memset(record, 'x', sizeof(record));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(ring_put(&fixture->ring, bytes_of(record, sizeof(record))), RESULT_OK);
    assert_int_equal(ring_put(&fixture->ring, bytes_of(record, sizeof(record))), RESULT_LIMIT);
    assert_true(ring_fill(&fixture->ring) > 0.9 && ring_fill(&fixture->ring) <= 1.0);
    assert_int_equal(take_all(fixture, &taken), RESULT_OK);
    assert_int_equal(taken.records, 4);
    ring_release(&fixture->ring, taken.position);
    assert_true(ring_fill(&fixture->ring) <= 0.0);
    assert_int_equal(ring_put(&fixture->ring, bytes_of(record, sizeof(record))), RESULT_OK);
}

static void a_batch_ends_where_its_limit_does(void **state)
{
    struct fixture *fixture = *state;
    struct ring_taken taken = {0};
    struct buffer batch;

    buffer_init(&batch, 10);
    assert_int_equal(ring_put(&fixture->ring, BYTES("12345\n")), RESULT_OK);
    assert_int_equal(ring_put(&fixture->ring, BYTES("67890\n")), RESULT_OK);
    const uint64_t head = ring_head(&fixture->ring);
    assert_int_equal(ring_take(&fixture->ring, head, &taken, &batch), RESULT_OK);
    assert_true(bytes_equal(buffer_bytes(&batch), BYTES("12345\n")));
    assert_false(batch.failed);
    buffer_reset(&batch);
    assert_int_equal(ring_take(&fixture->ring, head, &taken, &batch), RESULT_OK);
    assert_true(bytes_equal(buffer_bytes(&batch), BYTES("67890\n")));
    assert_int_equal(taken.position, head);
    buffer_finish(&batch);
}

static void a_damaged_record_is_skipped_and_counted(void **state)
{
    struct fixture *fixture = *state;
    struct ring_taken taken;

    assert_int_equal(ring_put(&fixture->ring, BYTES("first\n")), RESULT_OK);
    const uint64_t second = ring_head(&fixture->ring);
    assert_int_equal(ring_put(&fixture->ring, BYTES("second\n")), RESULT_OK);
    const uint64_t third = ring_head(&fixture->ring);
    assert_int_equal(ring_put(&fixture->ring, BYTES("third\n")), RESULT_OK);
    fixture->ring.records[second + 16] ^= 1; /* a byte of the second record's text */
    assert_int_equal(take_all(fixture, &taken), RESULT_OK);
    assert_batch(fixture, BYTES("first\nthird\n"));
    assert_int_equal(taken.records, 2);
    assert_int_equal(taken.damaged_bytes, third - second);
}

static void a_record_of_an_earlier_lap_does_not_count(void **state)
{
    struct fixture *fixture = *state;
    char record[CAPACITY - 16];
    struct ring_taken taken;

    memset(record, 'x', sizeof(record));
    assert_int_equal(ring_put(&fixture->ring, bytes_of(record, sizeof(record))), RESULT_OK);
    char *old = memory_take(1, CAPACITY);
    memcpy(old, fixture->ring.records, CAPACITY);
    assert_int_equal(take_all(fixture, &taken), RESULT_OK);
    ring_release(&fixture->ring, taken.position);
    memset(record, 'y', sizeof(record));
    assert_int_equal(ring_put(&fixture->ring, bytes_of(record, sizeof(record))), RESULT_OK);
    memcpy(fixture->ring.records, old, CAPACITY); /* as if the new page had not reached the disk */
    assert_int_equal(take_all(fixture, &taken), RESULT_OK);
    assert_int_equal(taken.records, 0);
    assert_int_equal(taken.damaged_bytes, CAPACITY);
    free(old);
}

static void a_header_that_makes_no_sense_is_damaged(void **state)
{
    struct fixture *fixture = *state;
    unsigned char *bytes = fixture->memory;
    struct ring ring;
    const struct {
        size_t at;
        unsigned char value;
    } faults[] = {
        {0, 'Q'},    /* magic */
        {8, 2},      /* version */
        {16, 1},     /* capacity */
        {64, 1},     /* head: not aligned */
        {66, 1},     /* head: beyond the capacity */
        {128 + 1, 1} /* tail: beyond head */
    };

    assert_int_equal(ring_attach(fixture->memory, SIZE, &ring), RESULT_OK);
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        const unsigned char before = bytes[faults[i].at];

        bytes[faults[i].at] = faults[i].value;
        assert_int_equal(ring_attach(fixture->memory, SIZE, &ring), RESULT_DAMAGED);
        bytes[faults[i].at] = before;
    }
    assert_int_equal(ring_attach(fixture->memory, SIZE - 8, &ring), RESULT_DAMAGED);
    assert_int_equal(ring_attach(fixture->memory, RING_HEADER_BYTES, &ring), RESULT_DAMAGED);
}

static void an_announcement_stands_until_it_is_released(void **state)
{
    struct fixture *fixture = *state;
    struct ring_announcement announcement;
    struct ring_taken taken;

    assert_int_equal(ring_put(&fixture->ring, BYTES("one\n")), RESULT_OK);
    assert_int_equal(ring_announced(&fixture->ring, &announcement), RESULT_MISSING);
    assert_int_equal(take_all(fixture, &taken), RESULT_OK);
    ring_announce(&fixture->ring, &(struct ring_announcement){7, 1234, taken.position});
    assert_int_equal(ring_announced(&fixture->ring, &announcement), RESULT_OK);
    assert_int_equal(announcement.sequence, 7);
    assert_int_equal(announcement.offset, 1234);
    assert_int_equal(announcement.end, taken.position);
    ring_release(&fixture->ring, taken.position);
    assert_int_equal(ring_announced(&fixture->ring, &announcement), RESULT_MISSING);
}

static void records_survive_kill_9_of_their_writer(void **state)
{
    struct trail trail;
    struct ring ring;
    struct ring_taken taken = {0};
    struct buffer batch;
    int status;

    (void)state;
    trail_init(&trail);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (ring_create(trail.fd, "worker-0", CAPACITY, &ring, NULL) == RESULT_OK &&
            ring_put(&ring, BYTES("written\n")) == RESULT_OK)
            (void)raise(SIGKILL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(ring_open(trail.fd, "worker-0", &ring, NULL), RESULT_OK);
    buffer_init(&batch, 1024);
    assert_int_equal(ring_take(&ring, ring_head(&ring), &taken, &batch), RESULT_OK);
    assert_true(bytes_equal(buffer_bytes(&batch), BYTES("written\n")));
    buffer_finish(&batch);
    ring_close(&ring);
    trail_finish(&trail);
}

static void a_file_is_made_whole_or_not_at_all(void **state)
{
    struct trail trail;
    struct ring ring;
    struct rlimit before, low;
    struct stat status;

    (void)state;
    trail_init(&trail);
    assert_int_equal(ring_create(trail.fd, "worker-0", CAPACITY, &ring, NULL), RESULT_OK);
    assert_int_equal(fstatat(trail.fd, "worker-0", &status, 0), 0);
    assert_int_equal(status.st_size, SIZE);
    assert_true(status.st_blocks * 512 >= SIZE);
    assert_int_equal(status.st_mode & 0777, 0600);
    ring_close(&ring);
    assert_int_equal(ring_create(trail.fd, "worker-0", CAPACITY, &ring, NULL), RESULT_BUSY);

    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = (struct rlimit){.rlim_cur = 1024, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    struct error error = {0};
    assert_int_equal(ring_create(trail.fd, "worker-1", CAPACITY, &ring, &error), RESULT_FULL);
    assert_non_null(strstr(error.text, "worker-1"));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(fstatat(trail.fd, "worker-1", &status, 0), -1);
    trail_finish(&trail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_put_is_taken_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_run_over_the_end_unharmed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_ring_says_limit_and_drains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_ends_where_its_limit_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_record_is_skipped_and_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_of_an_earlier_lap_does_not_count, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_header_that_makes_no_sense_is_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_announcement_stands_until_it_is_released, set_up,
                                        tear_down),
        cmocka_unit_test(records_survive_kill_9_of_their_writer),
        cmocka_unit_test(a_file_is_made_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
