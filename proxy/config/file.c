/* Plain reads into a bounded buffer; a FIFO or a device is refused, lest a reload wait for it. */
#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_AT_ONCE_BYTES = 16 * 1024 };

enum result file_read_fd(int fd, const char *path, struct buffer *content, struct error *error)
{
    struct stat status;
    char piece[READ_AT_ONCE_BYTES];

    if (fstat(fd, &status) == -1 || !S_ISREG(status.st_mode))
        return error_set(error, RESULT_INVALID, "%s is not a regular file", path);
    for (;;) {
        const ssize_t got = read(fd, piece, sizeof(piece));

        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return error_set(error, RESULT_SYSTEM, "cannot read %s: %s", path, strerror(errno));
        if (got == 0)
            return RESULT_OK;
        buffer_add(content, bytes_of(piece, (size_t)got));
        if (content->failed)
            return error_set(error, RESULT_LIMIT, "%s is larger than %zu bytes", path,
                             content->limit_bytes);
    }
}

enum result file_read(const char *path, struct buffer *content, struct error *error)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd == -1)
        return error_set(error, errno == ENOENT ? RESULT_MISSING : RESULT_SYSTEM,
                         "cannot open %s: %s", path, strerror(errno));
    const enum result result = file_read_fd(fd, path, content, error);
    (void)close(fd); /* only read from */
    return result;
}
