/*
 * `postern client add`: makes a key, prints it once, and puts its hash into the configuration,
 * whose text stays as its author wrote it. Two runs at once wait for each other (flock on the file
 * that has the name after the lock was got), and the file is replaced whole or not at all.
 */
#include <assert.h>
#include <cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/clients.h"
#include "base/memory.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "config/file.h"
#include "config/insert.h"
#include "config/read.h"
#include "config/reader.h"

enum { KEY_BYTES = 32, KEY_PREFIX_LENGTH = 4, KEY_LENGTH = KEY_PREFIX_LENGTH + 2 * KEY_BYTES };

static const char usage[] =
    "usage: postern client add NAME [--upstream NAME] [--allow RULE]... [--config FILE]\n"
    "\n"
    "Makes a key for a client, prints it once on standard output, and adds the client with the\n"
    "key's SHA-256 to \"clients\" in the configuration. Tell a running gate with kill -HUP.\n"
    "Exit code 0: done. 1: not added. 2: wrong usage or configuration.\n"
    "\n"
    "  --upstream NAME  the API it may use; needed where there are several\n"
    "  --allow RULE     what it may do, such as \"GET /**\"; may be given several times;\n"
    "                   without it everything\n"
    "  --config FILE    the configuration; without it $POSTERN_CONFIG, ./conf/postern.json\n"
    "                   or /etc/postern/postern.json\n";

/* What was asked for. */
struct wish {
    const char *name;
    const char *upstream; /* NULL: not said */
    cJSON *allow;         /* NULL: not said */
    const char *config;   /* NULL: not said */
};

/* The configuration while it is edited. */
struct edit {
    char path[PATH_MAX]; /* no symbolic link: the file itself is replaced */
    int fd;              /* locked; -1: none */
    struct stat status;
    struct buffer before, after;
};

static int fail(int code, const char *format, ...) PRINTF_LIKE(2, 3);

static int fail(int code, const char *format, ...)
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
static int edit_lock(struct edit *edit)
{
    for (;;) {
        struct stat named;

        edit->fd = open(edit->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (edit->fd == -1)
            return fail(CLI_WRONG, "cannot open %s: %s", edit->path, strerror(errno));
        while (flock(edit->fd, LOCK_EX) == -1)
            if (errno != EINTR)
                return fail(CLI_FAILED, "cannot lock %s: %s", edit->path, strerror(errno));
        if (fstat(edit->fd, &edit->status) == 0 && stat(edit->path, &named) == 0 &&
            named.st_ino == edit->status.st_ino && named.st_dev == edit->status.st_dev)
            return CLI_DONE;
        (void)close(edit->fd); /* another run replaced it meanwhile: nothing was written to it */
        edit->fd = -1;
    }
}

static int edit_open(struct edit *edit, const char *config)
{
    char found[PATH_MAX];
    struct error error = {0};

    if (configuration_find(config, found, sizeof(found)) != RESULT_OK)
        return fail(CLI_WRONG, "there is no configuration: name one with --config FILE");
    if (realpath(found, edit->path) == NULL)
        return fail(CLI_WRONG, "cannot open %s: %s", found, strerror(errno));
    const int code = edit_lock(edit);
    if (code != CLI_DONE)
        return code;
    if (file_read_fd(edit->fd, edit->path, &edit->before, &error) != RESULT_OK)
        return fail(CLI_WRONG, "%s", error.text);
    return CLI_DONE;
}

static void edit_finish(struct edit *edit)
{
    if (edit->fd != -1)
        (void)close(edit->fd); /* only read from; closing unlocks */
    buffer_finish(&edit->before);
    buffer_finish(&edit->after);
}

/* The client as one line of JSON; heap of cJSON. */
static char *client_line(const struct wish *wish, const char *key_sha256)
{
    cJSON *client = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(client, "name", wish->name); /* the printing asks for all */
    (void)cJSON_AddStringToObject(client, "key_sha256", key_sha256);
    if (wish->upstream != NULL)
        (void)cJSON_AddStringToObject(client, "upstream", wish->upstream);
    if (wish->allow != NULL)
        (void)cJSON_AddItemReferenceToObject(client, "allow", wish->allow);
    char *line = cJSON_PrintUnformatted(client);
    cJSON_Delete(client);
    if (line == NULL)
        memory_exhausted();
    return line;
}

static bool has_client(const cJSON *root, const char *name)
{
    const cJSON *client;

    assert(name != NULL);
    cJSON_ArrayForEach(client, reader_member(root, "clients"))
    {
        const cJSON *other = reader_member(client, "name");

        if (cJSON_IsString(other) && strcmp(other->valuestring, name) == 0)
            return true;
    }
    return false;
}

/* Says what is wrong with the text that would be written. */
static int edit_check(const struct edit *edit)
{
    struct configuration *configuration = NULL;
    struct faults faults = {0};
    char *directory = memory_string(edit->path);
    char *slash = strrchr(directory, '/');

    slash[slash == directory ? 1 : 0] = '\0'; /* realpath's has one */
    const enum result result =
        configuration_read_text(buffer_bytes(&edit->after), directory, &configuration, &faults);
    for (size_t i = 0; i < faults.count; i++)
        (void)fail(0, "%s:%u: %s: %s", edit->path, faults.list[i].line, faults.list[i].pointer,
                   faults.list[i].text);
    faults_finish(&faults);
    free(directory);
    if (result != RESULT_OK)
        return fail(CLI_WRONG,
                    "nothing was changed: with the client added, %s would have the "
                    "faults above",
                    edit->path);
    configuration_release(configuration);
    return CLI_DONE;
}

static int edit_insert(struct edit *edit, const struct wish *wish, const char *key_sha256)
{
    struct source source;
    struct error error = {0};
    int code = CLI_DONE;

    if (source_read(&source, buffer_bytes(&edit->before), &error) != RESULT_OK) {
        code = fail(CLI_WRONG, "%s:%u: %s", edit->path, error.line, error.text);
    } else if (has_client(source.root, wish->name)) {
        code = fail(CLI_FAILED,
                    "%s has a client \"%s\" already: choose another name, or take it "
                    "out first",
                    edit->path, wish->name);
    } else {
        char *line = client_line(wish, key_sha256);
        const enum result result = insert_client(&source, buffer_bytes(&edit->before),
                                                 bytes_of_string(line), &edit->after);

        if (result != RESULT_OK)
            code = fail(CLI_WRONG, "%s: /clients: expects an array of clients that has room",
                        edit->path);
        cJSON_free(line);
    }
    source_finish(&source);
    return code == CLI_DONE ? edit_check(edit) : code;
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
static int edit_replace(const struct edit *edit)
{
    char temporary[PATH_MAX + 16];

    (void)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", edit->path); /* fits */
    const int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd == -1)
        return fail(CLI_FAILED, "cannot write beside %s: %s", edit->path, strerror(errno));
    const bool alike = fchown(fd, edit->status.st_uid, edit->status.st_gid) == 0 &&
                       fchmod(fd, edit->status.st_mode & 07777) == 0;
    const bool whole = alike && write_whole(fd, buffer_bytes(&edit->after)) && fsync(fd) == 0;
    const bool closed = close(fd) == 0;
    if (!whole || !closed || rename(temporary, edit->path) == -1) {
        const int code = fail(CLI_FAILED, "cannot replace %s: %s", edit->path, strerror(errno));

        (void)unlink(temporary); /* what else could be done with it */
        return code;
    }
    if (!directory_sync(edit->path))
        return fail(CLI_FAILED, "%s was changed, but may be lost in a crash: %s", edit->path,
                    strerror(errno));
    return CLI_DONE;
}

/* "pst_" and 64 hexadecimal digits, and a line end. */
static void key_make(char *key)
{
    uint8_t random[KEY_BYTES];

    secret_random(random, sizeof(random));
    memcpy(key, "pst_", KEY_PREFIX_LENGTH);
    bytes_to_hex(bytes_of(random, sizeof(random)), key + KEY_PREFIX_LENGTH);
    key[KEY_LENGTH] = '\n';
    secret_wipe(random, sizeof(random));
}

static int client_add(const struct wish *wish, struct edit *edit)
{
    char key[KEY_LENGTH + 1], key_sha256[2 * CLIENT_KEY_HASH_BYTES + 1];
    uint8_t key_hash[CLIENT_KEY_HASH_BYTES];
    int code = edit_open(edit, wish->config);

    if (code != CLI_DONE)
        return code;
    key_make(key);
    if (client_key_hash(bytes_of(key, KEY_LENGTH), key_hash) != RESULT_OK)
        return fail(CLI_FAILED, "OpenSSL has no SHA-256");
    bytes_to_hex(bytes_of(key_hash, sizeof(key_hash)), key_sha256);
    code = edit_insert(edit, wish, key_sha256);
    if (code == CLI_DONE)
        code = edit_replace(edit);
    /* Not by stdio, whose buffer would keep it. */
    if (code == CLI_DONE && !write_whole(STDOUT_FILENO, bytes_of(key, sizeof(key))))
        code = fail(CLI_FAILED,
                    "client \"%s\" was added, but its key could not be printed: take "
                    "it out of %s and add it again",
                    wish->name, edit->path);
    secret_wipe(key, sizeof(key));
    if (code == CLI_DONE)
        (void)fail(0, "added \"%s\" to %s; the key above is kept nowhere else", wish->name,
                   edit->path);
    return code;
}

/* CLI_DONE, or the exit code; *helped: the usage was printed and nothing else is to be done. */
static int wish_read(struct wish *wish, int argc, char **argv, bool *helped)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"upstream", required_argument, NULL, 'u'},
                                            {"allow", required_argument, NULL, 'a'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            *helped = true;
            return fputs(usage, stdout) == EOF ? CLI_FAILED : CLI_DONE;
        }
        if (option == 'c') {
            wish->config = optarg;
        } else if (option == 'u') {
            wish->upstream = optarg;
        } else if (option == 'a') {
            if (wish->allow == NULL)
                wish->allow = cJSON_CreateArray();
            if (!cJSON_AddItemToArray(wish->allow, cJSON_CreateString(optarg)))
                memory_exhausted();
        } else {
            return CLI_WRONG; /* getopt_long said why */
        }
    }
    if (argc - optind != 2 || strcmp(argv[optind], "add") != 0)
        return fail(CLI_WRONG, "expects `postern client add NAME`: see --help");
    wish->name = argv[optind + 1];
    return CLI_DONE;
}

int cli_client(int argc, char **argv)
{
    struct wish wish = {0};
    struct edit edit = {.fd = -1};
    bool helped = false;
    int code = wish_read(&wish, argc, argv, &helped);

    buffer_init(&edit.before, CONFIGURATION_LIMIT_BYTES);
    buffer_init(&edit.after, CONFIGURATION_LIMIT_BYTES);
    if (code == CLI_DONE && !helped)
        code = client_add(&wish, &edit);
    edit_finish(&edit);
    cJSON_Delete(wish.allow);
    return code;
}
