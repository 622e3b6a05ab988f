/*
 * Making and reading audit.key. Not by secret_read_file: it trims white space, and these are random
 * bytes.
 */
#include "audit/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char key_name[] = "audit.key";
static const char key_name_new[] = "audit.key.new";

static enum result key_lock(const char *bytes, struct secret **key, struct error *error)
{
    const enum result result = secret_create(bytes_of(bytes, AUDIT_KEY_BYTES), key);

    return result == RESULT_OK ? result
                               : error_set(error, result,
                                           "cannot lock memory for the audit key: %s (raise "
                                           "ulimit -l)",
                                           strerror(errno));
}

static enum result key_read(int fd, struct secret **key, struct error *error)
{
    char bytes[AUDIT_KEY_BYTES + 1]; /* one more: to see a file that is too long */
    struct stat status;

    if (fstat(fd, &status) == -1 || !S_ISREG(status.st_mode))
        return error_set(error, RESULT_INVALID, "audit.key is not a regular file");
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return error_set(error, RESULT_REFUSED, "audit.key is open to others: chmod 600 it");
    const ssize_t got = read(fd, bytes, sizeof(bytes));
    const enum result result =
        got == AUDIT_KEY_BYTES
            ? key_lock(bytes, key, error)
            : error_set(error, RESULT_DAMAGED,
                        "audit.key does not hold %d bytes: restore it, or remove it to begin with "
                        "a new one",
                        AUDIT_KEY_BYTES);
    secret_wipe(bytes, sizeof(bytes));
    return result;
}

/* The whole key on disk under its temporary name. */
static enum result key_write(int directory, const char *bytes)
{
    (void)unlinkat(directory, key_name_new, 0); /* of an attempt that was cut short; mostly none */
    const int fd = openat(directory, key_name_new,
                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);

    if (fd == -1)
        return RESULT_SYSTEM;
    const ssize_t written = write(fd, bytes, AUDIT_KEY_BYTES);
    if (written != -1 && written < AUDIT_KEY_BYTES)
        errno = ENOSPC;
    const bool is_whole = written == AUDIT_KEY_BYTES && fsync(fd) == 0;
    const int cause = errno;
    (void)close(fd); /* synced, or given up */
    errno = cause;
    return is_whole ? RESULT_OK : RESULT_SYSTEM;
}

static enum result key_make(int directory, struct secret **key, struct error *error)
{
    char bytes[AUDIT_KEY_BYTES];

    secret_random(bytes, sizeof(bytes));
    enum result result = key_write(directory, bytes);
    if (result == RESULT_OK &&
        (renameat(directory, key_name_new, directory, key_name) == -1 || fsync(directory) == -1))
        result = RESULT_SYSTEM;
    result = result == RESULT_OK
                 ? key_lock(bytes, key, error)
                 : error_set(error, result, "cannot make audit.key: %s", strerror(errno));
    secret_wipe(bytes, sizeof(bytes));
    return result;
}

enum result audit_key_open(int directory, struct secret **key, struct error *error)
{
    const int fd = openat(directory, key_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd == -1 && errno == ENOENT)
        return key_make(directory, key, error);
    if (fd == -1)
        return error_set(error, RESULT_SYSTEM, "cannot open audit.key: %s", strerror(errno));
    const enum result result = key_read(fd, key, error);
    (void)close(fd); /* only read from */
    return result;
}
