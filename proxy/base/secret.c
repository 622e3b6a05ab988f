/* A secret lives in whole pages of its own: mlock and madvise work on pages. */
#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct secret {
    size_t mapped_bytes;
    size_t length;
    char data[];
};

void secret_wipe(void *memory, size_t size)
{
    explicit_bzero(memory, size);
}

static size_t mapped_bytes_for(size_t length)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (sizeof(struct secret) + length + page - 1) / page * page;
}

static enum result secret_map(size_t length, struct secret **secret)
{
    const size_t mapped_bytes = mapped_bytes_for(length);
    void *memory =
        mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return RESULT_SYSTEM;
    if (mlock(memory, mapped_bytes) == -1 || madvise(memory, mapped_bytes, MADV_DONTDUMP) == -1 ||
        madvise(memory, mapped_bytes, MADV_WIPEONFORK) == -1) {
        (void)munmap(memory, mapped_bytes); /* nothing secret in it yet */
        return RESULT_SYSTEM;
    }
    *secret = memory;
    (*secret)->mapped_bytes = mapped_bytes;
    (*secret)->length = length;
    return RESULT_OK;
}

enum result secret_create(struct bytes content, struct secret **secret)
{
    if (content.length > SECRET_LIMIT_BYTES)
        return RESULT_LIMIT;
    const enum result result = secret_map(content.length, secret);
    if (result == RESULT_OK && content.length > 0)
        memcpy((*secret)->data, content.data, content.length);
    return result;
}

static struct bytes trimmed_line(struct bytes text)
{
    while (text.length > 0 && strchr(" \t\r\n", text.data[text.length - 1]) != NULL)
        text.length--;
    while (text.length > 0 && strchr(" \t\r\n", text.data[0]) != NULL)
        text = bytes_from(text, 1);
    return text;
}

static enum result secret_check_fd(int fd, const char *path, bool insecure, struct error *error)
{
    struct stat status;

    if (fstat(fd, &status) == -1 || !S_ISREG(status.st_mode))
        return error_set(error, RESULT_INVALID, "%s is not a regular file", path);
    if (!insecure && (status.st_mode & (S_IRGRP | S_IROTH)) != 0)
        return error_set(
            error, RESULT_REFUSED,
            "%s can be read by others: chmod 600 it, or set \"insecure\": true beside it", path);
    return RESULT_OK;
}

static enum result secret_read_fd(int fd, const char *path, struct secret *room,
                                  struct secret **secret, struct error *error)
{
    size_t length = 0;

    assert(room != NULL);
    while (length < room->length) {
        const ssize_t got = read(fd, room->data + length, room->length - length);

        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return error_set(error, RESULT_SYSTEM, "cannot read %s: %s", path, strerror(errno));
        if (got == 0)
            break;
        length += (size_t)got;
    }
    if (length > SECRET_LIMIT_BYTES)
        return error_set(error, RESULT_LIMIT, "%s is larger than %d bytes", path,
                         SECRET_LIMIT_BYTES);
    const struct bytes content = trimmed_line(bytes_of(room->data, length));
    if (content.length == 0)
        return error_set(error, RESULT_INVALID, "%s is empty: put the token in it", path);
    for (size_t i = 0; i < content.length; i++)
        if ((unsigned char)content.data[i] < 0x20 || content.data[i] == 0x7f)
            return error_set(error, RESULT_INVALID,
                             "%s holds more than a token: put it there in one line, alone", path);
    const enum result result = secret_create(content, secret);
    return result == RESULT_OK
               ? result
               : error_set(error, result, "cannot lock memory for the secret: %s", strerror(errno));
}

enum result secret_read_file(const char *path, bool insecure, struct secret **secret,
                             struct error *error)
{
    struct secret *room = NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd == -1)
        return error_set(error, RESULT_SYSTEM, "cannot open %s: %s", path, strerror(errno));
    enum result result = secret_check_fd(fd, path, insecure, error);
    if (result == RESULT_OK && secret_map(SECRET_LIMIT_BYTES + 1, &room) != RESULT_OK)
        result =
            error_set(error, RESULT_SYSTEM,
                      "cannot lock memory for the secret: %s (raise ulimit -l)", strerror(errno));
    if (result == RESULT_OK)
        result = secret_read_fd(fd, path, room, secret, error);
    secret_destroy(room);
    (void)close(fd); /* only read from */
    return result;
}

static enum result write_all(int fd, struct bytes bytes)
{
    while (bytes.length > 0) {
        const ssize_t written = write(fd, bytes.data, bytes.length);

        if (written == -1 && errno == EINTR)
            continue;
        if (written == -1)
            return RESULT_SYSTEM;
        bytes = bytes_from(bytes, (size_t)written);
    }
    return RESULT_OK;
}

/* What is in the directory is there after a power cut, too. */
static enum result sync_directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX] = ".";

    if (slash != NULL && slash - path < PATH_MAX)
        (void)snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path) + 1, path);
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1)
        return RESULT_SYSTEM;
    const enum result result = fsync(fd) == -1 ? RESULT_SYSTEM : RESULT_OK;
    (void)close(fd); /* only read from */
    return result;
}

/* Fills the new file at `fd` (mode 0600, by mkstemp) and puts it in the old one's place. */
static enum result replace_file(int fd, const char *path, const char *fresh, struct bytes content)
{
    struct stat old, new;

    if (fstat(fd, &new) == -1)
        return RESULT_SYSTEM;
    if (stat(path, &old) == 0 && (old.st_uid != new.st_uid || old.st_gid != new.st_gid) &&
        fchown(fd, old.st_uid, old.st_gid) == -1)
        return RESULT_SYSTEM;
    if (write_all(fd, content) != RESULT_OK || write_all(fd, BYTES("\n")) != RESULT_OK ||
        fsync(fd) == -1 || rename(fresh, path) == -1)
        return RESULT_SYSTEM;
    return sync_directory_of(path);
}

enum result secret_write_file(const char *path, struct bytes content, struct error *error)
{
    char real[PATH_MAX], fresh[PATH_MAX + 8];

    if (realpath(path, real) == NULL) { /* it is not there yet, or its directory is not */
        if (errno != ENOENT || strlen(path) >= sizeof(real))
            return error_set(error, RESULT_SYSTEM, "cannot write %s: %s", path, strerror(errno));
        memcpy(real, path, strlen(path) + 1);
    }
    (void)snprintf(fresh, sizeof(fresh), "%s.XXXXXX", real);
    const int fd = mkostemp(fresh, O_CLOEXEC);
    if (fd == -1)
        return error_set(error, RESULT_SYSTEM, "cannot write a file beside %s: %s", path,
                         strerror(errno));
    const enum result result = replace_file(fd, real, fresh, content);
    if (result != RESULT_OK) {
        (void)error_set(error, result, "cannot write %s: %s", path, strerror(errno));
        (void)unlink(fresh); /* it may be the real one by now */
    }
    (void)close(fd); /* synced */
    return result;
}

void secret_destroy(struct secret *secret)
{
    if (secret == NULL)
        return;
    const size_t mapped_bytes = secret->mapped_bytes;
    secret_wipe(secret, mapped_bytes);
    (void)munmap(secret, mapped_bytes); /* wiped: nothing to lose */
}

struct bytes secret_bytes(const struct secret *secret)
{
    assert(secret != NULL);
    return bytes_of(secret->data, secret->length);
}

bool secret_equal(struct bytes a, struct bytes b)
{
    unsigned char difference = 0;

    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        difference |= (unsigned char)(a.data[i] ^ b.data[i]);
    return *(volatile unsigned char *)&difference == 0;
}

void secret_random(void *memory, size_t size)
{
    char *to = memory;

    while (size > 0) {
        const ssize_t got = getrandom(to, size, 0);

        if (got == -1 && errno == EINTR)
            continue;
        if (got <= 0) {
            (void)fputs("postern: error: the kernel gives no random numbers\n", stderr);
            abort();
        }
        to += got;
        size -= (size_t)got;
    }
}
