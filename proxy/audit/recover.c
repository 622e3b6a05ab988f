/*
 * Which rings were left behind, and the order of their recovery: all are settled before the log is
 * opened, since settling may cut the end of its newest file; none is removed before the log is on
 * disk. How one ring and one file are compared is transfer.c's.
 */
#include "audit/recover.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

enum { RINGS_LIMIT = 4096, RING_NUMBER_LIMIT = 1000 * 1000 };

struct left_ring {
    char name[RING_NAME_ROOM];
    struct ring ring;
};

struct left_rings {
    struct left_ring *list; /* heap */
    size_t count;
};

void ring_name_of(uint32_t worker, char *name)
{
    (void)snprintf(name, RING_NAME_ROOM, "worker-%u", worker); /* at most 18 bytes */
}

static bool is_ring_name(const char *name)
{
    const struct bytes prefix = BYTES("worker-"), text = bytes_of_string(name);
    uint64_t number;

    return text.length < RING_NAME_ROOM && bytes_starts_with(text, prefix) &&
           bytes_to_number(bytes_from(text, prefix.length), RING_NUMBER_LIMIT, &number) ==
               RESULT_OK;
}

static void left_rings_finish(struct left_rings *rings)
{
    for (size_t i = 0; i < rings->count; i++)
        ring_close(&rings->list[i].ring);
    free(rings->list);
    *rings = (struct left_rings){0};
}

/* Keeps what cannot be read for a person to look at: it may be the only trace of something. */
static enum result set_aside(int directory, const char *name, struct error *error)
{
    char aside[RING_NAME_ROOM + 32];

    (void)snprintf(aside, sizeof(aside), "damaged-%s-%lld", name, (long long)clock_wall_us());
    if (renameat(directory, name, directory, aside) == -1)
        return error_set(error, RESULT_SYSTEM, "cannot set the damaged audit ring %s aside: %s",
                         name, strerror(errno));
    log_warn("the audit ring %s is damaged; its records are lost unless you can read ring/%s", name,
             aside);
    return RESULT_OK;
}

static enum result left_ring_open(struct left_rings *rings, int directory, const char *name,
                                  struct error *error)
{
    struct left_ring *left = &rings->list[rings->count];
    const enum result result = ring_open(directory, name, &left->ring, error);

    if (result == RESULT_DAMAGED)
        return set_aside(directory, name, error);
    if (result != RESULT_OK)
        return result;
    memcpy(left->name, name, strlen(name) + 1); /* is_ring_name knows that it fits */
    rings->count++;
    return RESULT_OK;
}

static enum result left_rings_open(struct left_rings *rings, int directory, struct error *error)
{
    const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd == -1 ? NULL : fdopendir(fd);
    enum result result = RESULT_OK;

    if (stream == NULL)
        return error_set(error, RESULT_SYSTEM, "cannot read the directory of audit rings: %s",
                         strerror(errno));
    for (struct dirent *entry; result == RESULT_OK && (entry = readdir(stream)) != NULL;) {
        if (!is_ring_name(entry->d_name))
            continue;
        if (rings->count == RINGS_LIMIT)
            result = error_set(error, RESULT_LIMIT, "more than %d audit rings were left behind",
                               RINGS_LIMIT);
        else
            result = left_ring_open(rings, directory, entry->d_name, error);
    }
    (void)closedir(stream); /* only read from */
    return result;
}

static enum result settle_all(struct left_rings *rings, int directory, struct buffer *batch,
                              struct error *error)
{
    for (size_t i = 0; i < rings->count; i++)
        if (transfer_settle(&rings->list[i].ring, directory, batch) != RESULT_OK)
            return error_set(error, RESULT_SYSTEM,
                             "cannot compare the audit ring %s with its file: %s",
                             rings->list[i].name, strerror(errno));
    return RESULT_OK;
}

static enum result append_all(struct left_rings *rings, struct audit_log *log, struct buffer *batch,
                              struct transfer_count *count, struct error *error)
{
    enum result result = RESULT_OK;

    for (size_t i = 0; result == RESULT_OK && i < rings->count; i++)
        result = transfer_drain(&rings->list[i].ring, log, batch, count);
    if (result == RESULT_OK)
        result = audit_log_sync(log);
    return result == RESULT_OK
               ? result
               : error_set(error, result,
                           "cannot append audit records that were left in a ring: %s",
                           result == RESULT_DAMAGED ? result_text(result) : strerror(errno));
}

enum result recover_rings(int rings_directory, struct audit_log *log, struct buffer *batch,
                          struct transfer_count *count, struct error *error)
{
    struct left_rings rings = {.list = memory_take(RINGS_LIMIT, sizeof(*rings.list))};

    enum result result = left_rings_open(&rings, rings_directory, error);
    if (result == RESULT_OK)
        result = settle_all(&rings, log->directory, batch, error);
    if (result == RESULT_OK)
        result = audit_log_open(log, log->directory, clock_wall_us(), error);
    if (result == RESULT_OK)
        result = append_all(&rings, log, batch, count, error);
    for (size_t i = 0; result == RESULT_OK && i < rings.count; i++)
        if (unlinkat(rings_directory, rings.list[i].name, 0) == -1)
            result = error_set(error, RESULT_SYSTEM, "cannot remove the audit ring %s: %s",
                               rings.list[i].name, strerror(errno));
    left_rings_finish(&rings);
    return result;
}
