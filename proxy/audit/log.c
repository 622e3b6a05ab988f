/*
 * Naming, opening, rotating, appending to and syncing the files of the audit trail. Which records
 * go in and when to sync is audit.c's; what a crash left in the rings is recover.c's.
 *
 * A file is 0600 and opened with O_APPEND. Rotation is by size and by UTC day, at the first append
 * past the border, so that a quiet day makes no file.
 */
#include "audit/log.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { SEQUENCE_LIMIT = 1000 * 1000 * 1000 }; /* a file each second for thirty years */

static const struct bytes name_start = {.data = "audit-", .length = 6};
static const struct bytes name_end = {.data = ".jsonl", .length = 6};
static const struct bytes name_end_compressed = {.data = ".jsonl.zst", .length = 10};

static enum result result_of_errno(void)
{
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? RESULT_FULL : RESULT_SYSTEM;
}

static int64_t day_of(int64_t wall_us)
{
    return wall_us / (CLOCK_SECOND_US * 3600 * 24);
}

uint64_t audit_log_sequence_of(const char *name)
{
    struct bytes rest = bytes_of_string(name);
    uint64_t sequence;

    if (bytes_ends_with(rest, name_end_compressed))
        rest.length -= name_end_compressed.length;
    else if (bytes_ends_with(rest, name_end))
        rest.length -= name_end.length;
    else
        return 0;
    if (!bytes_starts_with(rest, name_start))
        return 0;
    rest = bytes_from(rest, name_start.length);
    (void)bytes_cut(&rest, '-'); /* the time: for people */
    return bytes_to_number(rest, SEQUENCE_LIMIT, &sequence) == RESULT_OK ? sequence : 0;
}

/* A stream over the directory with a position of its own; NULL: errno tells. */
static DIR *directory_open(int directory)
{
    const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd == -1 ? NULL : fdopendir(fd);

    if (fd != -1 && stream == NULL)
        (void)close(fd); /* nothing was read */
    return stream;
}

enum result audit_log_find(int directory, uint64_t sequence, char *name, size_t room)
{
    DIR *stream = directory_open(directory);
    enum result result = RESULT_MISSING;

    if (stream == NULL)
        return RESULT_SYSTEM;
    for (struct dirent *entry; result == RESULT_MISSING && (entry = readdir(stream)) != NULL;) {
        const size_t size = strlen(entry->d_name) + 1;

        if (size > room || !bytes_ends_with(bytes_of_string(entry->d_name), name_end) ||
            audit_log_sequence_of(entry->d_name) != sequence)
            continue;
        memcpy(name, entry->d_name, size);
        result = RESULT_OK;
    }
    (void)closedir(stream); /* only read from */
    return result;
}

static enum result largest_sequence(int directory, uint64_t *largest)
{
    DIR *stream = directory_open(directory);

    if (stream == NULL)
        return RESULT_SYSTEM;
    *largest = 0;
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        const uint64_t sequence = audit_log_sequence_of(entry->d_name);

        if (sequence > *largest)
            *largest = sequence;
    }
    (void)closedir(stream); /* only read from */
    return RESULT_OK;
}

/* Removes files whose last record is older than `keep`, the one in use excepted. Best effort: what
 * stays is tried again at the next rotation. */
static void remove_expired(const struct audit_log *log, int64_t wall_us)
{
    DIR *stream = log->keep_us == 0 ? NULL : directory_open(log->directory);
    struct stat status;

    if (stream == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        const uint64_t sequence = audit_log_sequence_of(entry->d_name);

        if (sequence == 0 || sequence == log->sequence ||
            fstatat(log->directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == -1)
            continue;
        if ((int64_t)status.st_mtime * CLOCK_SECOND_US < wall_us - log->keep_us)
            (void)unlinkat(log->directory, entry->d_name, 0); /* see above */
    }
    (void)closedir(stream); /* only read from */
}

/* Begins the file of the next sequence and leaves the one before it, which must be synced. */
static enum result begin_file(struct audit_log *log, int64_t wall_us)
{
    const time_t seconds = (time_t)(wall_us / CLOCK_SECOND_US);
    char time[32] = "", name[AUDIT_FILE_NAME_ROOM];
    struct tm utc = {0};

    if (log->sequence >= SEQUENCE_LIMIT)
        return RESULT_LIMIT;
    (void)gmtime_r(&seconds, &utc); /* only years beyond 2^31 fail */
    (void)strftime(time, sizeof(time), "%Y%m%dT%H%M%SZ", &utc);
    (void)snprintf(name, sizeof(name), "audit-%.20s-%06llu.jsonl", time,
                   (unsigned long long)log->sequence + 1); /* at most 43 bytes */
    const int fd =
        openat(log->directory, name,
               O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd == -1)
        return result_of_errno();
    audit_log_close(log);
    log->fd = fd;
    memcpy(log->name, name, sizeof(name));
    log->sequence++;
    log->length = 0;
    log->day = day_of(wall_us);
    log->is_torn = log->is_unsynced = false;
    log->is_entry_unsynced = true;
    remove_expired(log, wall_us);
    return RESULT_OK;
}

/* Writes all of it, or as much as the device takes. */
static enum result write_all(int fd, struct bytes bytes)
{
    while (bytes.length > 0) {
        const ssize_t written = write(fd, bytes.data, bytes.length);

        if (written == -1 && errno == EINTR)
            continue;
        if (written == -1)
            return result_of_errno();
        bytes = bytes_from(bytes, (size_t)written);
    }
    return RESULT_OK;
}

enum result audit_log_append(struct audit_log *log, struct bytes lines)
{
    assert(log->fd != -1 && !log->is_torn);
    assert(lines.length > 0 && lines.data[lines.length - 1] == '\n');
    const enum result result = write_all(log->fd, lines);

    log->is_unsynced = true; /* also where some of it was written and is taken back */
    if (result == RESULT_OK) {
        log->length += lines.length;
        return RESULT_OK;
    }
    const int cause = errno;
    log->is_torn = ftruncate(log->fd, (off_t)log->length) == -1;
    errno = cause;
    return result;
}

/* Whether somebody removed the file that is appended to: what goes there would be lost. */
static bool file_is_gone(const struct audit_log *log)
{
    struct stat status;

    return fstat(log->fd, &status) == 0 && status.st_nlink == 0;
}

static bool rotation_is_due(const struct audit_log *log, size_t size, int64_t wall_us)
{
    if (log->length == 0)
        return false;
    return day_of(wall_us) != log->day ||
           (log->rotate_bytes > 0 && log->length + size > log->rotate_bytes);
}

enum result audit_log_prepare(struct audit_log *log, size_t size, int64_t wall_us)
{
    if (log->fd == -1 || file_is_gone(log))
        return begin_file(log, wall_us);
    if (log->is_torn) {
        if (ftruncate(log->fd, (off_t)log->length) == -1)
            return result_of_errno();
        log->is_torn = false;
    }
    if (!rotation_is_due(log, size, wall_us))
        return RESULT_OK;
    const enum result result = audit_log_sync(log);
    return result == RESULT_OK ? begin_file(log, wall_us) : result;
}

enum result audit_log_sync(struct audit_log *log)
{
    if (log->is_entry_unsynced) {
        if (fsync(log->directory) == -1)
            return RESULT_SYSTEM;
        log->is_entry_unsynced = false;
    }
    if (!log->is_unsynced)
        return RESULT_OK;
    assert(log->fd != -1);
    if (fdatasync(log->fd) == -1) {
        const int cause = errno;

        audit_log_close(log);
        errno = cause;
        return result_of_errno();
    }
    log->is_unsynced = false;
    return RESULT_OK;
}

/* Ends a last line that a crash cut short. */
static enum result complete_last_line(int fd, uint64_t *length)
{
    char last = '\n';

    if (*length == 0)
        return RESULT_OK;
    const ssize_t got = pread(fd, &last, 1, (off_t)(*length - 1));
    if (got == -1)
        return RESULT_SYSTEM;
    if (last == '\n')
        return RESULT_OK;
    *length += 1;
    return write_all(fd, BYTES("\n"));
}

/* Goes on with an existing file, whatever its age: the next append rotates where that is due. */
static enum result continue_file(struct audit_log *log, const char *name, int64_t wall_us)
{
    const int fd = openat(log->directory, name, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;

    if (fd == -1)
        return RESULT_SYSTEM;
    enum result result = fstat(fd, &status) == -1 ? RESULT_SYSTEM : RESULT_OK;
    uint64_t length = result == RESULT_OK ? (uint64_t)status.st_size : 0;
    if (result == RESULT_OK)
        result = complete_last_line(fd, &length);
    if (result != RESULT_OK) {
        (void)close(fd); /* the caller tells why it failed */
        return result;
    }
    log->fd = fd;
    log->length = length;
    log->day = day_of((int64_t)status.st_mtime * CLOCK_SECOND_US);
    (void)snprintf(log->name, sizeof(log->name), "%s", name); /* its room was checked by find */
    log->is_unsynced = log->is_entry_unsynced = true;         /* the crash may have come before */
    remove_expired(log, wall_us);
    return RESULT_OK;
}

enum result audit_log_open(struct audit_log *log, int directory, int64_t wall_us,
                           struct error *error)
{
    char name[AUDIT_FILE_NAME_ROOM];
    uint64_t largest = 0;

    log->directory = directory;
    log->fd = -1;
    enum result result = largest_sequence(directory, &largest);
    if (result != RESULT_OK)
        return error_set(error, result, "cannot read the audit directory: %s", strerror(errno));
    log->sequence = largest;
    result = audit_log_find(directory, largest, name, sizeof(name));
    if (result == RESULT_OK)
        result = continue_file(log, name, wall_us);
    else if (result == RESULT_MISSING)
        result = begin_file(log, wall_us);
    if (result != RESULT_OK)
        return error_set(error, result, "cannot open a file in the audit directory: %s",
                         result == RESULT_LIMIT ? "the sequence is used up" : strerror(errno));
    return RESULT_OK;
}

void audit_log_close(struct audit_log *log)
{
    if (log->fd != -1)
        (void)close(log->fd); /* whoever needs it on disk has synced it */
    log->fd = -1;
    log->is_unsynced = log->is_torn = false;
}
