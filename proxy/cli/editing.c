/*
 * Two runs at once wait for each other by flock on the file that has the name after the lock was
 * got, for the one before may have replaced it.
 */
#include "cli/editing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "config/file.h"
#include "config/read.h"

int editing_say(int code, const char *format, ...)
{
    struct error error;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(error.text, sizeof(error.text), format, arguments); /* cut is fine */
    va_end(arguments);
    (void)fprintf(stderr, "postern client: %s\n", error.text);
    return code;
}

/* Opens and locks whatever file has the name once the lock is got. */
static int editing_lock(struct editing *editing)
{
    for (;;) {
        struct stat named;

        editing->fd = open(editing->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (editing->fd == -1)
            return editing_say(CLI_WRONG, "cannot open %s: %s", editing->path, strerror(errno));
        while (flock(editing->fd, LOCK_EX) == -1)
            if (errno != EINTR)
                return editing_say(CLI_FAILED, "cannot lock %s: %s", editing->path,
                                   strerror(errno));
        if (fstat(editing->fd, &editing->status) == 0 && stat(editing->path, &named) == 0 &&
            named.st_ino == editing->status.st_ino && named.st_dev == editing->status.st_dev)
            return CLI_DONE;
        (void)close(editing->fd); /* another run replaced it meanwhile: nothing was written to it */
        editing->fd = -1;
    }
}

/* Reads `source` from the text. */
static int editing_parse(struct editing *editing)
{
    struct error error = {0};

    source_finish(&editing->source);
    if (source_read(&editing->source, buffer_bytes(&editing->text), &error) != RESULT_OK)
        return editing_say(CLI_WRONG, "%s:%u: %s", editing->path, error.line, error.text);
    return CLI_DONE;
}

int editing_open(struct editing *editing, const char *config)
{
    char found[PATH_MAX];
    struct error error = {0};

    editing->fd = -1;
    editing->source = (struct source){0};
    buffer_init(&editing->text, CONFIGURATION_LIMIT_BYTES);
    buffer_init(&editing->next, CONFIGURATION_LIMIT_BYTES);
    if (configuration_find(config, found, sizeof(found)) != RESULT_OK)
        return editing_say(CLI_WRONG, "there is no configuration: name one with --config FILE");
    if (realpath(found, editing->path) == NULL)
        return editing_say(CLI_WRONG, "cannot open %s: %s", found, strerror(errno));
    const int code = editing_lock(editing);
    if (code != CLI_DONE)
        return code;
    if (file_read_fd(editing->fd, editing->path, &editing->text, &error) != RESULT_OK)
        return editing_say(CLI_WRONG, "%s", error.text);
    return editing_parse(editing);
}

void editing_finish(struct editing *editing)
{
    if (editing->fd != -1)
        (void)close(editing->fd); /* only read from; closing unlocks */
    source_finish(&editing->source);
    buffer_finish(&editing->text);
    buffer_finish(&editing->next);
}

int editing_step(struct editing *editing, enum result result)
{
    const struct buffer before = editing->text;

    if (result != RESULT_OK)
        return editing_say(CLI_WRONG, "%s: /clients: expects an array of clients that has room",
                           editing->path);
    editing->text = editing->next;
    editing->next = before;
    buffer_reset(&editing->next);
    return editing_parse(editing);
}

/* Says what is wrong with the text that would be written. */
static int editing_check(const struct editing *editing)
{
    struct configuration *configuration = NULL;
    struct faults faults = {0};
    char *directory = memory_string(editing->path);
    char *slash = strrchr(directory, '/');

    slash[slash == directory ? 1 : 0] = '\0'; /* realpath's has one */
    const enum result result =
        configuration_read_text(buffer_bytes(&editing->text), directory, &configuration, &faults);
    for (size_t i = 0; i < faults.count; i++)
        (void)editing_say(0, "%s:%u: %s: %s", editing->path, faults.list[i].line,
                          faults.list[i].pointer, faults.list[i].text);
    faults_finish(&faults);
    free(directory);
    if (result != RESULT_OK)
        return editing_say(CLI_WRONG,
                           "nothing was changed: with this change %s would have the faults above",
                           editing->path);
    configuration_release(configuration);
    return CLI_DONE;
}

static bool write_whole(int fd, struct bytes bytes)
{
    while (bytes.length > 0) {
        const ssize_t written = write(fd, bytes.data, bytes.length);

        if (written == -1 && errno == EINTR)
            continue;
        if (written == -1)
            return false;
        bytes = bytes_from(bytes, (size_t)written);
    }
    return true;
}

/* Makes a rename last. */
static bool directory_sync(const char *path)
{
    char *directory = memory_string(path);

    *(strrchr(directory, '/') + 1) = '\0';
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool done = fd != -1 && fsync(fd) == 0;
    if (fd != -1)
        (void)close(fd); /* only synced */
    free(directory);
    return done;
}

/* Writes the new text beside the old file, with its mode and owner, and puts it in its place. */
static int editing_write(const struct editing *editing)
{
    char temporary[PATH_MAX + 16];

    (void)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", editing->path); /* fits */
    const int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd == -1)
        return editing_say(CLI_FAILED, "cannot write beside %s: %s", editing->path,
                           strerror(errno));
    const bool alike = fchown(fd, editing->status.st_uid, editing->status.st_gid) == 0 &&
                       fchmod(fd, editing->status.st_mode & 07777) == 0;
    const bool whole = alike && write_whole(fd, buffer_bytes(&editing->text)) && fsync(fd) == 0;
    const bool closed = close(fd) == 0;
    if (!whole || !closed || rename(temporary, editing->path) == -1) {
        const int code =
            editing_say(CLI_FAILED, "cannot replace %s: %s", editing->path, strerror(errno));

        (void)unlink(temporary); /* what else could be done with it */
        return code;
    }
    if (!directory_sync(editing->path))
        return editing_say(CLI_FAILED, "%s was changed, but may be lost in a crash: %s",
                           editing->path, strerror(errno));
    return CLI_DONE;
}

int editing_replace(struct editing *editing)
{
    const int code = editing_check(editing);

    return code == CLI_DONE ? editing_write(editing) : code;
}
