/* A lock file that holds the id of the boot that uses the directory; a clean stop empties it. */
#include "gateway/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

enum { DATA_DIR_PATH_ROOM = 4096, BOOT_ID_ROOM = 64 };

static enum result make_directories(const char *path, struct error *error)
{
    char part[DATA_DIR_PATH_ROOM];
    const size_t length = strlen(path);

    if (length == 0 || length >= sizeof(part))
        return error_set(error, RESULT_LIMIT, "data_dir: the path is empty or too long");
    for (size_t end = 1; end <= length; end++) {
        if (path[end] != '/' && path[end] != '\0')
            continue;
        memcpy(part, path, end);
        part[end] = '\0';
        if (mkdir(part, 0700) == -1 && errno != EEXIST)
            return error_set(error, RESULT_SYSTEM, "cannot make data_dir %s: %s", path,
                             strerror(errno));
    }
    return RESULT_OK;
}

static struct bytes read_id(int fd, char room[BOOT_ID_ROOM])
{
    const ssize_t got = fd == -1 ? 0 : pread(fd, room, BOOT_ID_ROOM, 0);

    return bytes_of(room, got > 0 ? (size_t)got : 0);
}

static struct bytes boot_id(char room[BOOT_ID_ROOM])
{
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    const struct bytes id = read_id(fd, room);

    if (fd != -1)
        (void)close(fd); /* only read from */
    return id;
}

static enum result data_dir_lock(struct data_dir *dir, struct error *error)
{
    char name[DATA_DIR_PATH_ROOM];
    const int length = snprintf(name, sizeof(name), "%s/lock", dir->path);

    if (length < 0 || (size_t)length >= sizeof(name))
        return error_set(error, RESULT_LIMIT, "data_dir %s: the path is too long", dir->path);
    dir->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (dir->lock == -1)
        return error_set(error, RESULT_SYSTEM, "cannot write to data_dir %s: %s", dir->path,
                         strerror(errno));
    if (flock(dir->lock, LOCK_EX | LOCK_NB) == 0)
        return RESULT_OK;
    (void)close(dir->lock); /* nothing was written */
    dir->lock = -1;
    return error_set(error, RESULT_BUSY,
                     "another gate is running on data_dir %s: stop it or change \"data_dir\"",
                     dir->path);
}

/* Says which boot the directory is in use by. */
static enum result data_dir_mark(struct data_dir *dir, struct bytes boot, struct error *error)
{
    /* over what is there, and cut after it: at no moment does it look like a clean stop */
    if (boot.length > 0 && pwrite(dir->lock, boot.data, boot.length, 0) == (ssize_t)boot.length &&
        ftruncate(dir->lock, (off_t)boot.length) == 0 && fsync(dir->lock) == 0)
        return RESULT_OK;
    return error_set(error, RESULT_FULL, "cannot write to data_dir %s: %s", dir->path,
                     strerror(errno));
}

enum result data_dir_open(struct data_dir *dir, const char *path, struct error *error)
{
    char marked_room[BOOT_ID_ROOM], boot_room[BOOT_ID_ROOM];
    enum result result = make_directories(path, error);

    *dir = (struct data_dir){.path = path, .lock = -1};
    if (result == RESULT_OK)
        result = data_dir_lock(dir, error);
    if (result != RESULT_OK)
        return result;
    const struct bytes marked = read_id(dir->lock, marked_room);
    const struct bytes boot = boot_id(boot_room);
    dir->was_dirty = marked.length > 0 && !bytes_equal(marked, boot);
    dir->is_dirty = dir->was_dirty;
    if (!dir->is_dirty)
        result = data_dir_mark(dir, boot, error);
    if (result != RESULT_OK) {
        (void)close(dir->lock); /* the next start finds what it can */
        dir->lock = -1;
    }
    return result;
}

enum result data_dir_cleaned(struct data_dir *dir, struct error *error)
{
    char boot_room[BOOT_ID_ROOM];
    const enum result result = data_dir_mark(dir, boot_id(boot_room), error);

    dir->is_dirty = result != RESULT_OK;
    return result;
}

void data_dir_close(struct data_dir *dir)
{
    if (dir->lock == -1)
        return;
    if (!dir->is_dirty) {
        (void)ftruncate(dir->lock, 0); /* left marked, it would only look like kill -9 */
        (void)fsync(dir->lock);
    }
    (void)close(dir->lock);
    dir->lock = -1;
}
