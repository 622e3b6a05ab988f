/* What the audit's tests share: a directory of their own, and its files read as lines. */
#ifndef POSTERN_TESTS_AUDIT_TRAIL_H
#define POSTERN_TESTS_AUDIT_TRAIL_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"

struct trail {
    char path[64];
    int fd; /* the directory */
};

static inline void trail_init(struct trail *trail)
{
    (void)snprintf(trail->path, sizeof(trail->path), "/tmp/postern-audit-XXXXXX");
    assert_non_null(mkdtemp(trail->path));
    trail->fd = open(trail->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(trail->fd >= 0);
}

static inline int trail_remove_one(const char *path, const struct stat *status, int type,
                                   struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static inline void trail_finish(struct trail *trail)
{
    assert_int_equal(close(trail->fd), 0);
    assert_int_equal(nftw(trail->path, trail_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Opens a directory below, made where it is not there. */
static inline int trail_directory(const struct trail *trail, const char *name)
{
    (void)mkdirat(trail->fd, name, 0700);
    const int fd = openat(trail->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static inline void trail_read_file(int directory, const char *name, struct buffer *text)
{
    const int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    assert_true(fd >= 0);
    do {
        char *room = buffer_reserve(text, 64 * 1024);

        assert_non_null(room);
        got = read(fd, room, 64 * 1024);
        assert_true(got >= 0);
        text->length += (size_t)got;
    } while (got > 0);
    assert_int_equal(close(fd), 0);
}

/* The content of all files in the directory whose name contains `part`, in the names' order. */
static inline size_t trail_read(int directory, const char *part, struct buffer *text)
{
    struct dirent **entries;
    const int count = scandirat(directory, ".", &entries, NULL, alphasort);
    size_t files = 0;

    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.' && strstr(entries[i]->d_name, part) != NULL) {
            trail_read_file(directory, entries[i]->d_name, text);
            files++;
        }
        free(entries[i]);
    }
    free(entries);
    return files;
}

static inline size_t trail_count_files(int directory, const char *part)
{
    struct buffer text;

    buffer_init(&text, 256 * 1024 * 1024);
    const size_t files = trail_read(directory, part, &text);
    buffer_finish(&text);
    return files;
}

static inline void trail_write_file(int directory, const char *name, struct bytes content)
{
    const int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.length), (ssize_t)content.length);
    assert_int_equal(close(fd), 0);
}

#endif
