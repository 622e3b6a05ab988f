/*
 * The audit as a whole: opening and closing it, the workers' side, and the thread that moves
 * records from the rings to the log. It decides when to append, when to sync, and what a failure
 * means for those who wait; how records move is transfer.c's, where they go log.c's.
 */
#include "audit/audit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/key.h"
#include "audit/record.h"
#include "audit/recover.h"
#include "audit/transfer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

enum {
    ROUND_US = 20 * 1000,  /* at 4 MiB a ring: 200 MB/s of records before it is full */
    RETRY_US = 200 * 1000, /* between two attempts at a full disk */
};

/* A worker's end. */
struct audit_ring {
    struct ring ring;    /* the worker puts, the audit thread takes */
    struct buffer line;  /* the worker's */
    struct audit *audit; /* never changes */
};

struct audit {
    int data_directory, directory, rings_directory; /* -1: not open */
    struct secret *key;
    struct audit_ring *rings;
    uint32_t workers;
    pthread_t thread;
    bool has_thread;

    /* The audit thread's; before it starts and after it ends, main's. */
    struct audit_log log;
    struct buffer batch;
    enum result last; /* of the last attempt */
    int64_t retry_us; /* when failing: not before */

    pthread_mutex_t lock; /* guards the next three; held for a few instructions only */
    pthread_cond_t asked; /* something of them changed */
    struct audit_flush *first, *last_flush;
    bool is_stopping;

    /* Counted by the audit thread, read by any: nothing is ordered by them. */
    _Atomic uint64_t records, bytes, failures, syncs, damaged_bytes;
    atomic_bool failing;
};

/* --- the thread --- */

static void count_add(struct audit *audit, const struct transfer_count *count)
{
    atomic_fetch_add_explicit(&audit->records, count->records, memory_order_relaxed);
    atomic_fetch_add_explicit(&audit->bytes, count->bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&audit->damaged_bytes, count->damaged_bytes, memory_order_relaxed);
}

static enum result audit_sync(struct audit *audit)
{
    if (audit->log.is_unsynced)
        atomic_fetch_add_explicit(&audit->syncs, 1, memory_order_relaxed);
    return audit_log_sync(&audit->log);
}

/* Appends all that the rings hold; syncs where somebody waits for it, or to see a failure mended.
 */
static enum result audit_attempt(struct audit *audit, bool must_sync)
{
    struct transfer_count count = {0};
    enum result result = RESULT_OK;

    if (audit->last != RESULT_OK)
        result = audit_log_prepare(&audit->log, 0, clock_wall_us());
    for (uint32_t i = 0; result == RESULT_OK && i < audit->workers; i++)
        result = transfer_drain(&audit->rings[i].ring, &audit->log, &audit->batch, &count);
    count_add(audit, &count);
    if (result == RESULT_OK && (must_sync || audit->last != RESULT_OK))
        result = audit_sync(audit);
    return result;
}

/* Says what changed, once. */
static void audit_settle(struct audit *audit, enum result result)
{
    if (result != RESULT_OK) {
        atomic_fetch_add_explicit(&audit->failures, 1, memory_order_relaxed);
        audit->retry_us = clock_now_us() + RETRY_US;
    }
    if (result != RESULT_OK && audit->last == RESULT_OK)
        log_error("cannot append to the audit files: %s; writes are refused until it works again",
                  result == RESULT_DAMAGED ? "a ring is damaged" : strerror(errno));
    if (result == RESULT_OK && audit->last != RESULT_OK)
        log_info("the audit files can be appended to again");
    audit->last = result;
    atomic_store_explicit(&audit->failing, result != RESULT_OK, memory_order_relaxed);
}

/* Everything that was asked for until now, by one attempt. */
static void audit_round(struct audit *audit, struct audit_flush *flushes, bool must_sync)
{
    if (audit->last == RESULT_OK || clock_now_us() >= audit->retry_us)
        audit_settle(audit, audit_attempt(audit, must_sync));
    for (struct audit_flush *flush = flushes, *next; flush != NULL; flush = next) {
        next = flush->next;
        assert(audit->last != RESULT_OK ||
               ring_tail(&flush->ring->ring) - flush->position <= flush->ring->ring.capacity);
        flush->result = audit->last;
        mailbox_post(flush->mailbox, &flush->letter); /* from here on it is not ours */
    }
}

/* Sleeps until a flush is asked for, the stop, or the next round; takes the flushes. False: stop.
 */
static bool audit_wait(struct audit *audit, struct audit_flush **flushes)
{
    const int64_t until_us = clock_now_us() + ROUND_US;
    const struct timespec until = {.tv_sec = (time_t)(until_us / CLOCK_SECOND_US),
                                   .tv_nsec = (long)(until_us % CLOCK_SECOND_US) * 1000};
    int code = 0;

    (void)pthread_mutex_lock(&audit->lock);
    while (code == 0 && audit->first == NULL && !audit->is_stopping)
        code = pthread_cond_timedwait(&audit->asked, &audit->lock, &until);
    *flushes = audit->first;
    audit->first = audit->last_flush = NULL;
    const bool goes_on = !audit->is_stopping;
    (void)pthread_mutex_unlock(&audit->lock);
    return goes_on;
}

static void *audit_thread(void *context)
{
    struct audit *audit = context;
    struct audit_flush *flushes;

    while (audit_wait(audit, &flushes))
        audit_round(audit, flushes, flushes != NULL);
    audit->retry_us = 0; /* one last attempt, however short ago the last one failed */
    audit_round(audit, flushes, true);
    return NULL;
}

/* --- the workers' side --- */

struct audit_ring *audit_ring(struct audit *audit, uint32_t worker)
{
    assert(worker < audit->workers);
    return &audit->rings[worker];
}

enum result audit_write(struct audit_ring *ring, const struct audit_record *record)
{
    record_write(&ring->line, record);
    return ring_put(&ring->ring, buffer_bytes(&ring->line));
}

double audit_ring_fill(const struct audit_ring *ring)
{
    return ring_fill(&ring->ring);
}

void audit_flush(struct audit_ring *ring, struct audit_flush *flush)
{
    struct audit *audit = ring->audit;

    assert(flush->letter.deliver != NULL && flush->mailbox != NULL);
    flush->ring = ring;
    flush->position = ring_head(&ring->ring);
    flush->next = NULL;
    (void)pthread_mutex_lock(&audit->lock);
    assert(!audit->is_stopping);
    if (audit->first == NULL)
        audit->first = flush;
    else
        audit->last_flush->next = flush;
    audit->last_flush = flush;
    (void)pthread_mutex_unlock(&audit->lock);
    (void)pthread_cond_signal(&audit->asked); /* cannot fail */
}

void audit_read_status(const struct audit *audit, struct audit_status *status)
{
    *status = (struct audit_status){
        .records = atomic_load_explicit(&audit->records, memory_order_relaxed),
        .bytes = atomic_load_explicit(&audit->bytes, memory_order_relaxed),
        .failures = atomic_load_explicit(&audit->failures, memory_order_relaxed),
        .syncs = atomic_load_explicit(&audit->syncs, memory_order_relaxed),
        .damaged_bytes = atomic_load_explicit(&audit->damaged_bytes, memory_order_relaxed),
        .failing = atomic_load_explicit(&audit->failing, memory_order_relaxed),
    };
}

struct bytes audit_key(const struct audit *audit)
{
    return secret_bytes(audit->key);
}

/* --- opening and closing --- */

/* Opens `name` below `parent`, made 0700 where it is not there. */
static enum result directory_open(int parent, const char *name, int *directory, struct error *error)
{
    if (mkdirat(parent, name, S_IRWXU) == -1 && errno != EEXIST)
        return error_set(error, RESULT_SYSTEM, "cannot make the directory %s: %s", name,
                         strerror(errno));
    const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1)
        return error_set(error, RESULT_SYSTEM, "cannot open the directory %s: %s", name,
                         strerror(errno));
    *directory = fd;
    return RESULT_OK;
}

static enum result directories_open(struct audit *audit, const char *data_dir, struct error *error)
{
    enum result result = directory_open(AT_FDCWD, data_dir, &audit->data_directory, error);

    if (result == RESULT_OK)
        result = directory_open(audit->data_directory, "audit", &audit->directory, error);
    if (result == RESULT_OK)
        result = directory_open(audit->data_directory, "ring", &audit->rings_directory, error);
    if (result != RESULT_OK || flock(audit->rings_directory, LOCK_EX | LOCK_NB) == 0)
        return result;
    return errno == EWOULDBLOCK
               ? error_set(error, RESULT_BUSY,
                           "another postern uses it: stop that one, or choose another directory")
               : error_set(error, RESULT_SYSTEM, "cannot lock the directory ring: %s",
                           strerror(errno));
}

static enum result rings_create(struct audit *audit, struct error *error)
{
    char name[RING_NAME_ROOM];
    enum result result = RESULT_OK;

    audit->rings = memory_take(audit->workers, sizeof(*audit->rings));
    for (uint32_t i = 0; result == RESULT_OK && i < audit->workers; i++) {
        struct audit_ring *ring = &audit->rings[i];

        ring->audit = audit;
        buffer_init(&ring->line, RECORD_LINE_BYTES);
        ring_name_of(i, name);
        result = ring_create(audit->rings_directory, name, AUDIT_RING_BYTES, &ring->ring, error);
    }
    return result;
}

static enum result thread_start(struct audit *audit, struct error *error)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for main's event loop */
    const int code = pthread_create(&audit->thread, NULL, audit_thread, audit);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    audit->has_thread = code == 0;
    return code == 0 ? RESULT_OK
                     : error_set(error, RESULT_SYSTEM, "cannot start the audit thread: %s",
                                 strerror(code));
}

static struct audit *audit_create(const struct audit_options *options)
{
    struct audit *audit = memory_take(1, sizeof(*audit));
    pthread_condattr_t attributes;

    assert(options->workers > 0);
    audit->data_directory = audit->directory = audit->rings_directory = audit->log.fd = -1;
    audit->workers = options->workers;
    audit->log.rotate_bytes = options->rotate_bytes;
    audit->log.keep_us = options->keep_us;
    buffer_init(&audit->batch, TRANSFER_BATCH_BYTES);
    (void)pthread_mutex_init(&audit->lock, NULL); /* these cannot fail on Linux */
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&audit->asked, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return audit;
}

/* Puts the directory before the error's text, which names files below it. */
static enum result error_locate(struct error *error, enum result result, const char *data_dir)
{
    char text[sizeof(error->text)];

    if (error == NULL)
        return result;
    memcpy(text, error->text, sizeof(text));
    return error_set(error, result, "data_dir %s: %s", data_dir, text);
}

enum result audit_open(const struct audit_options *options, struct audit **audit,
                       struct error *error)
{
    struct audit *opened = audit_create(options);
    struct transfer_count count = {0};

    enum result result = directories_open(opened, options->directory, error);
    if (result == RESULT_OK)
        result = audit_key_open(opened->data_directory, &opened->key, error);
    if (result == RESULT_OK) {
        opened->log.directory = opened->directory;
        result =
            recover_rings(opened->rings_directory, &opened->log, &opened->batch, &count, error);
    }
    if (result == RESULT_OK)
        result = rings_create(opened, error);
    if (result == RESULT_OK)
        result = thread_start(opened, error);
    if (result != RESULT_OK) {
        audit_close(opened);
        return error_locate(error, result, options->directory);
    }
    if (count.records > 0 || count.damaged_bytes > 0)
        log_info("appended %llu audit records that were left in rings; %llu bytes were damaged",
                 (unsigned long long)count.records, (unsigned long long)count.damaged_bytes);
    count_add(opened, &count);
    *audit = opened;
    return RESULT_OK;
}

static void rings_close(struct audit *audit)
{
    char name[RING_NAME_ROOM];

    for (uint32_t i = 0; audit->rings != NULL && i < audit->workers; i++) {
        struct ring *ring = &audit->rings[i].ring;

        ring_name_of(i, name);
        if (ring->header != NULL && ring_head(ring) == ring_tail(ring))
            (void)unlinkat(audit->rings_directory, name, 0); /* empty: the next start drops it */
        ring_close(ring);
        buffer_finish(&audit->rings[i].line);
    }
    free(audit->rings);
    audit->rings = NULL;
}

static void directory_close(int directory)
{
    if (directory != -1)
        (void)close(directory); /* nothing is written through it; the last one drops the lock */
}

void audit_close(struct audit *audit)
{
    if (audit == NULL)
        return;
    if (audit->has_thread) {
        (void)pthread_mutex_lock(&audit->lock);
        audit->is_stopping = true;
        (void)pthread_mutex_unlock(&audit->lock);
        (void)pthread_cond_signal(&audit->asked);
        (void)pthread_join(audit->thread, NULL); /* ours, joined once */
    }
    rings_close(audit);
    audit_log_close(&audit->log);
    buffer_finish(&audit->batch);
    secret_destroy(audit->key);
    directory_close(audit->rings_directory);
    directory_close(audit->directory);
    directory_close(audit->data_directory);
    (void)pthread_cond_destroy(&audit->asked);
    (void)pthread_mutex_destroy(&audit->lock);
    free(audit);
}
