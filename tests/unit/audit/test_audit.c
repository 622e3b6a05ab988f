/* The whole trail: real threads, a real mailbox, real kills, a disk that is full and then is not.
 */
#include "audit/trail.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

struct fixture {
    struct trail trail;
    struct audit *audit;
};

static enum result try_open(const struct trail *trail, uint32_t workers, struct audit **audit,
                            struct error *error)
{
    const struct audit_options options = {
        .directory = trail->path, .workers = workers, .rotate_bytes = 256 * 1024};

    return audit_open(&options, audit, error);
}

static struct audit *open_audit(const struct trail *trail, uint32_t workers)
{
    struct error error = {0};
    struct audit *audit = NULL;

    if (try_open(trail, workers, &audit, &error) != RESULT_OK)
        fail_msg("%s", error.text);
    return audit;
}

/* In a forked child: there a failed assertion would go on with the parent's tests. */
static struct audit *open_audit_or_exit(const struct trail *trail, uint32_t workers)
{
    struct audit *audit = NULL;

    if (try_open(trail, workers, &audit, NULL) != RESULT_OK)
        _exit(1);
    return audit;
}

static int set_up(void **state)
{
    static struct fixture fixture;

    log_configure(LOG_ERROR, LOG_TEXT);
    trail_init(&fixture.trail);
    fixture.audit = NULL;
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    audit_close(fixture->audit);
    trail_finish(&fixture->trail);
    return 0;
}

static enum result write_record(struct audit_ring *ring, uint32_t worker, uint32_t number)
{
    char id[32];

    (void)snprintf(id, sizeof(id), "w%u-%u", worker, number);
    const struct audit_record record = {.kind = AUDIT_DONE,
                                        .wall_us = clock_wall_us(),
                                        .id = bytes_of_string(id),
                                        .url = BYTES("/profile/456"),
                                        .upstream_us = -1};
    return audit_write(ring, &record);
}

/* A worker's event loop, and one flush that it waits for. */
struct waiter {
    struct audit_flush flush; /* first: the letter's address is the waiter's */
    struct event_base *base;
    bool is_delivered;
};

static void waiter_deliver(struct letter *letter)
{
    struct waiter *waiter = (struct waiter *)letter;

    waiter->is_delivered = true;
}

static void waiter_init(struct waiter *waiter)
{
    *waiter = (struct waiter){.base = event_base_new()};
    assert_non_null(waiter->base);
    waiter->flush.letter.deliver = waiter_deliver;
    assert_int_equal(mailbox_open(waiter->base, &waiter->flush.mailbox), RESULT_OK);
}

static void waiter_finish(struct waiter *waiter)
{
    mailbox_close(waiter->flush.mailbox);
    event_base_free(waiter->base);
}

static enum result waiter_flush(struct waiter *waiter, struct audit_ring *ring)
{
    waiter->is_delivered = false;
    audit_flush(ring, &waiter->flush);
    while (!waiter->is_delivered)
        assert_int_equal(event_base_loop(waiter->base, EVLOOP_ONCE), 0);
    return waiter->flush.result;
}

/* Every record w<worker>-<number>, each exactly once, in whole lines, in its worker's order. */
static void assert_complete(const struct trail *trail, uint32_t workers, uint32_t numbers)
{
    const int files = trail_directory(trail, "audit");
    uint32_t *next = memory_take(workers, sizeof(*next));
    struct buffer text;
    size_t lines = 0;

    buffer_init(&text, 256 * 1024 * 1024);
    (void)trail_read(files, ".jsonl", &text);
    for (struct bytes rest = buffer_bytes(&text), line; rest.length > 0; lines++) {
        unsigned worker, number;

        assert_true(bytes_index(rest, '\n') < rest.length);
        line = bytes_cut(&rest, '\n');
        assert_true(bytes_ends_with(line, BYTES("}")));
        struct bytes id = bytes_from(line, bytes_find(line, BYTES("\"id\":\"")));
        char text_of_id[40] = ""; /* sscanf measures its whole string */
        id = bytes_slice(id, 0, sizeof(text_of_id) - 1);
        memcpy(text_of_id, id.data, id.length);
        assert_int_equal(sscanf(text_of_id, "\"id\":\"w%u-%u\"", &worker, &number), 2);
        assert_true(worker < workers);
        assert_int_equal(number, next[worker]++);
    }
    assert_int_equal(lines, (size_t)workers * numbers);
    buffer_finish(&text);
    free(next);
    (void)close(files);
}

static void a_flushed_record_is_in_the_file(void **state)
{
    struct fixture *fixture = *state;
    struct audit_status status;
    struct waiter waiter;

    waiter_init(&waiter);
    fixture->audit = open_audit(&fixture->trail, 1);
    assert_int_equal(write_record(audit_ring(fixture->audit, 0), 0, 0), RESULT_OK);
    assert_int_equal(waiter_flush(&waiter, audit_ring(fixture->audit, 0)), RESULT_OK);
    assert_complete(&fixture->trail, 1, 1);
    audit_read_status(fixture->audit, &status);
    assert_int_equal(status.records, 1);
    assert_int_equal(status.syncs, 1);
    assert_true(status.bytes > 100);
    assert_false(status.failing);
    waiter_finish(&waiter);
}

static void a_record_nobody_waits_for_is_in_the_file_soon(void **state)
{
    struct fixture *fixture = *state;
    const int64_t deadline_us = clock_now_us() + 10 * CLOCK_SECOND_US;
    struct audit_status status = {0};

    fixture->audit = open_audit(&fixture->trail, 1);
    assert_int_equal(write_record(audit_ring(fixture->audit, 0), 0, 0), RESULT_OK);
    while (status.records == 0 && clock_now_us() < deadline_us) {
        (void)usleep(1000);
        audit_read_status(fixture->audit, &status);
    }
    assert_complete(&fixture->trail, 1, 1);
}

static void closing_appends_the_rest_and_removes_the_rings(void **state)
{
    struct fixture *fixture = *state;

    fixture->audit = open_audit(&fixture->trail, 3);
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(write_record(audit_ring(fixture->audit, i % 3), i % 3, i / 3), RESULT_OK);
    audit_close(fixture->audit);
    fixture->audit = NULL;
    assert_complete(&fixture->trail, 3, 100);
    const int rings = trail_directory(&fixture->trail, "ring");
    assert_int_equal(trail_count_files(rings, "worker"), 0);
    (void)close(rings);
}

/* The child writes to two rings and is killed at once; the parent has one worker only. */
static void records_written_before_kill_9_are_there_after_the_next_start(void **state)
{
    struct fixture *fixture = *state;
    enum { RECORDS = 5000 };
    int status;

    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct audit *audit = open_audit_or_exit(&fixture->trail, 2);

        for (uint32_t i = 0; i < 2 * RECORDS; i++)
            if (write_record(audit_ring(audit, i % 2), i % 2, i / 2) != RESULT_OK)
                _exit(1);
        (void)raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    fixture->audit = open_audit(&fixture->trail, 1);
    assert_complete(&fixture->trail, 2, RECORDS);
}

/* A number that a child and its parent both see. */
static _Atomic uint32_t *shared_number(void)
{
    _Atomic uint32_t *number =
        mmap(NULL, sizeof(*number), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(number != MAP_FAILED);
    return number;
}

static uint32_t count_lines(const struct trail *trail)
{
    const int files = trail_directory(trail, "audit");
    struct buffer text;
    uint32_t lines = 0;

    buffer_init(&text, 256 * 1024 * 1024);
    (void)trail_read(files, ".jsonl", &text);
    for (size_t i = 0; i < text.length; i++)
        lines += text.data[i] == '\n';
    buffer_finish(&text);
    (void)close(files);
    return lines;
}

/* The kill comes from outside at any moment, in the middle of an append included. */
static void kills_at_any_moment_lose_and_double_nothing(void **state)
{
    struct fixture *fixture = *state;
    uint32_t written = 0;

    for (unsigned round = 0; round < 12; round++) {
        _Atomic uint32_t *shared = shared_number();

        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct audit *audit = open_audit_or_exit(&fixture->trail, 1);

            for (uint32_t i = written;; i++) {
                while (write_record(audit_ring(audit, 0), 0, i) != RESULT_OK)
                    (void)usleep(100);
                atomic_store(shared, i + 1);
            }
        }
        while (atomic_load(shared) == 0)
            (void)usleep(1000);
        (void)usleep(15 * 1000 + round * 1700);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        audit_close(open_audit(&fixture->trail, 1));
        const uint32_t counted = atomic_load(shared);
        written = count_lines(&fixture->trail);
        /* the one being written may have got in before it was counted */
        assert_true(written == counted || written == counted + 1);
        assert_int_equal(munmap((void *)shared, sizeof(*shared)), 0);
    }
    assert_complete(&fixture->trail, 1, written);
}

static void a_full_ring_says_limit_and_drains_when_the_disk_does(void **state)
{
    struct fixture *fixture = *state;
    struct audit_status status;
    struct rlimit before, low;
    struct waiter waiter;
    uint32_t written = 0;

    waiter_init(&waiter);
    fixture->audit = open_audit(&fixture->trail, 1);
    struct audit_ring *ring = audit_ring(fixture->audit, 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = (struct rlimit){.rlim_cur = 5000, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    while (write_record(ring, 0, written) == RESULT_OK)
        written++;
    assert_true(audit_ring_fill(ring) > 0.9);
    assert_int_equal(waiter_flush(&waiter, ring), RESULT_FULL);
    audit_read_status(fixture->audit, &status);
    assert_true(status.failing);
    assert_true(status.failures > 0);
    assert_int_equal(write_record(ring, 0, written), RESULT_LIMIT);

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    while (status.failing) { /* mends by itself */
        (void)usleep(1000);
        audit_read_status(fixture->audit, &status);
    }
    assert_int_equal(write_record(ring, 0, written++), RESULT_OK);
    assert_int_equal(waiter_flush(&waiter, ring), RESULT_OK);
    assert_complete(&fixture->trail, 1, written);
    waiter_finish(&waiter);
}

enum { THREADS = 4, RECORDS_EACH = 20000 };

struct worker {
    struct audit *audit;
    uint32_t number;
    unsigned flushed;
};

static void *worker_thread(void *context)
{
    struct worker *worker = context;
    struct audit_ring *ring = audit_ring(worker->audit, worker->number);
    struct waiter waiter;

    waiter_init(&waiter);
    for (uint32_t i = 0; i < RECORDS_EACH; i++) {
        while (write_record(ring, worker->number, i) == RESULT_LIMIT)
            (void)usleep(1000);
        if (i % 500 == 0)
            worker->flushed += waiter_flush(&waiter, ring) == RESULT_OK;
    }
    waiter_finish(&waiter);
    return NULL;
}

static void many_workers_write_at_once_and_share_syncs(void **state)
{
    struct fixture *fixture = *state;
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    struct audit_status status;

    fixture->audit = open_audit(&fixture->trail, THREADS);
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.audit = fixture->audit, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, worker_thread, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].flushed, RECORDS_EACH / 500);
    }
    audit_read_status(fixture->audit, &status);
    assert_true(status.syncs <= THREADS * RECORDS_EACH / 500);
    audit_close(fixture->audit);
    fixture->audit = NULL;
    assert_complete(&fixture->trail, THREADS, RECORDS_EACH);
}

/* Flushes that come while one sync runs are served by the next: three syncs at most for fifty. */
static void flushes_asked_together_share_a_sync(void **state)
{
    struct fixture *fixture = *state;
    enum { FLUSHES = 50 };
    struct waiter waiters[FLUSHES];
    struct audit_status status;
    unsigned delivered = 0;

    fixture->audit = open_audit(&fixture->trail, 1);
    struct audit_ring *ring = audit_ring(fixture->audit, 0);
    for (uint32_t i = 0; i < FLUSHES; i++)
        waiter_init(&waiters[i]);
    for (uint32_t i = 0; i < FLUSHES; i++) {
        assert_int_equal(write_record(ring, 0, i), RESULT_OK);
        audit_flush(ring, &waiters[i].flush);
    }
    while (delivered < FLUSHES) {
        delivered = 0;
        for (uint32_t i = 0; i < FLUSHES; i++) {
            (void)event_base_loop(waiters[i].base, EVLOOP_NONBLOCK);
            delivered += waiters[i].is_delivered;
        }
    }
    audit_read_status(fixture->audit, &status);
    assert_true(status.syncs >= 1 && status.syncs < FLUSHES / 2);
    for (uint32_t i = 0; i < FLUSHES; i++) {
        assert_int_equal(waiters[i].flush.result, RESULT_OK);
        waiter_finish(&waiters[i]);
    }
}

static void one_process_a_directory(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct audit *second = NULL;

    fixture->audit = open_audit(&fixture->trail, 1);
    assert_int_equal(try_open(&fixture->trail, 1, &second, &error), RESULT_BUSY);
    assert_non_null(strstr(error.text, fixture->trail.path));
    assert_non_null(strstr(error.text, "another postern uses it"));
}

static void a_directory_that_cannot_be_made_is_a_clear_error(void **state)
{
    const struct audit_options options = {.directory = "/proc/nowhere", .workers = 1};
    struct error error = {0};
    struct audit *audit = NULL;

    (void)state;
    assert_int_equal(audit_open(&options, &audit, &error), RESULT_SYSTEM);
    assert_string_equal(error.text, "data_dir /proc/nowhere: cannot make the directory "
                                    "/proc/nowhere: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_flushed_record_is_in_the_file),
        TEST(a_record_nobody_waits_for_is_in_the_file_soon),
        TEST(closing_appends_the_rest_and_removes_the_rings),
        TEST(records_written_before_kill_9_are_there_after_the_next_start),
        TEST(kills_at_any_moment_lose_and_double_nothing),
        TEST(a_full_ring_says_limit_and_drains_when_the_disk_does),
        TEST(many_workers_write_at_once_and_share_syncs),
        TEST(flushes_asked_together_share_a_sync),
        TEST(one_process_a_directory),
        TEST(a_directory_that_cannot_be_made_is_a_clear_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
