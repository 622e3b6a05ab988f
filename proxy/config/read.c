/*
 * A configuration from its file to the struct: finding it, defaults, the table of its blocks, and
 * what can only be said when all of it is read. The blocks have files of their own.
 */
#include "config/read.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "config/blocks.h"
#include "config/file.h"

enum { ARENA_BLOCK_BYTES = 16 * 1024, WORKERS_LIMIT = 256 };

/* In the order of blocks.h, not of the file. */
static const struct member blocks[] = {
    {.name = "$schema", .read = reader_ignore},
    {.name = "data_dir", .read = reader_path, .offset = offsetof(struct configuration, data_dir)},
    {.name = "workers",
     .read = reader_number,
     .offset = offsetof(struct configuration, workers),
     .maximum = WORKERS_LIMIT},
    {.name = "log", .read = block_log},
    {.name = "limits", .read = block_limits},
    {.name = "upstreams", .read = block_upstreams, .required = true},
    {.name = "clients", .read = block_clients},
    {.name = "listen", .read = block_listen},
    {.name = "admin", .read = block_admin},
    {.name = "cache", .read = block_cache},
    {.name = "audit", .read = block_audit, .offset = offsetof(struct configuration, audit)},
    {.name = "cluster", .read = reader_refuse},
};

/* What holds where the file says nothing. */
static struct configuration *configuration_create(void)
{
    static const char *const listen[] = {"127.0.0.1:8080"};
    struct configuration *configuration = memory_take(1, sizeof(*configuration));

    *configuration = (struct configuration){
        .listen = listen,
        .listen_count = ARRAY_LENGTH(listen),
        .admin = "127.0.0.1:8081",
        .data_dir = "/var/lib/postern",
        .log_level = LOG_INFO,
        .log_format = LOG_TEXT,
        .head_timeout_us = 10 * CLOCK_SECOND_US,
        .idle_timeout_us = 75 * CLOCK_SECOND_US,
        .body_timeout_us = 30 * CLOCK_SECOND_US,
        .connections = 10000,
        .cache_max_bytes = UINT64_C(1) << 30,
        .cache_max_object_bytes = UINT64_C(16) << 20,
        .ttl_us = 60 * CLOCK_SECOND_US,
        .negative_ttl_us = 10 * CLOCK_SECOND_US,
        .stale_while_revalidate_us = 30 * CLOCK_SECOND_US,
        .stale_if_error_us = 3600 * CLOCK_SECOND_US,
        .audit = true,
        .audit_hash_bodies = true,
        .audit_rotate_bytes = UINT64_C(256) << 20,
        .audit_keep_us = 90 * 86400 * CLOCK_SECOND_US,
    };
    atomic_init(&configuration->references, 1);
    arena_init(&configuration->arena, ARENA_BLOCK_BYTES);
    return configuration;
}

struct configuration *configuration_acquire(struct configuration *configuration)
{
    /* Relaxed: whoever acquires holds a reference, so the count cannot reach 0 meanwhile. */
    const unsigned before =
        atomic_fetch_add_explicit(&configuration->references, 1, memory_order_relaxed);

    assert(before > 0);
    (void)before;
    return configuration;
}

void configuration_release(struct configuration *configuration)
{
    if (configuration == NULL)
        return;
    /* Release: what each holder did comes before the free; acquire: the last one sees it all. */
    const unsigned before =
        atomic_fetch_sub_explicit(&configuration->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    arena_finish(&configuration->arena);
    free(configuration);
}

void faults_finish(struct faults *faults)
{
    free(faults->list);
    *faults = (struct faults){0};
}

/* By line; those of one line stay as they came. */
static void faults_sort(struct faults *faults)
{
    for (size_t i = 1; i < faults->count; i++) {
        const struct error fault = faults->list[i];
        size_t to = i;

        for (; to > 0 && faults->list[to - 1].line > fault.line; to--)
            faults->list[to] = faults->list[to - 1];
        faults->list[to] = fault;
    }
}

static uint32_t online_processors(void)
{
    const long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : count > WORKERS_LIMIT ? WORKERS_LIMIT : (uint32_t)count;
}

/* Port 0 is any free port, another one each time. */
static bool address_is_definite(struct bytes address)
{
    const struct bytes any_port = BYTES(":0");

    return address.length < any_port.length ||
           !bytes_equal(bytes_from(address, address.length - any_port.length), any_port);
}

static bool listens_on_admin(const struct configuration *configuration)
{
    const char *admin = configuration->admin;

    if (admin == NULL || !address_is_definite(bytes_of_string(admin)))
        return false;
    for (size_t i = 0; i < configuration->listen_count; i++)
        if (strcmp(configuration->listen[i], admin) == 0)
            return true;
    return false;
}

/* What no block can say alone. */
static void configuration_check(struct reader *reader, const cJSON *root)
{
    struct configuration *configuration = reader->configuration;
    const cJSON *admin = reader_member(root, "admin");

    if (configuration->workers == 0)
        configuration->workers = online_processors();
    if (listens_on_admin(configuration))
        reader_fault(reader, admin != NULL ? admin : root,
                     "\"admin\" and \"listen\" name the same address: give each its own");
    if (block_unmatched_upstreams(configuration) > 1 && configuration->client_count == 0)
        reader_fault(reader, reader_member(root, "upstreams"),
                     "several upstreams need a \"match\" each but for one, or \"clients\" that "
                     "say which is theirs");
}

static void configuration_keep_warnings(struct reader *reader)
{
    struct configuration *configuration = reader->configuration;
    const size_t size = reader->warning_count * sizeof(*reader->warnings);
    const char **warnings = arena_take(&configuration->arena, size + 1);

    if (size > 0)
        memcpy(warnings, reader->warnings, size);
    configuration->warnings = warnings;
    configuration->warning_count = reader->warning_count;
    free(reader->warnings);
}

enum result configuration_read_text(struct bytes text, const char *directory,
                                    struct configuration **configuration, struct faults *faults)
{
    struct source source;
    struct error error = {0};
    struct reader reader = {.source = &source, .faults = faults, .directory = directory};

    *faults = (struct faults){0};
    reader.configuration = configuration_create();
    if (source_read(&source, text, &error) != RESULT_OK)
        faults_add(faults, &error);
    else if (reader_members(&reader, source.root, blocks, ARRAY_LENGTH(blocks),
                            reader.configuration))
        configuration_check(&reader, source.root);
    source_finish(&source);
    configuration_keep_warnings(&reader);
    faults_sort(faults);
    if (faults->count > 0) {
        configuration_release(reader.configuration);
        return RESULT_INVALID;
    }
    *configuration = reader.configuration;
    return RESULT_OK;
}

/* The absolute directory of a file, without a slash at its end; heap. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL ? memory_string(".") : memory_string(path);

    if (slash != NULL)
        parent[slash == path ? 1 : slash - path] = '\0';
    char *absolute = realpath(parent, NULL);
    if (absolute == NULL)
        return parent; /* reading the file will say what is wrong */
    free(parent);
    return absolute;
}

enum result configuration_read_file(const char *path, struct configuration **configuration,
                                    struct faults *faults)
{
    const char *slash = strrchr(path, '/');
    struct configuration *read = NULL;
    struct buffer content;
    struct error error = {0};

    *faults = (struct faults){0};
    buffer_init(&content, CONFIGURATION_LIMIT_BYTES);
    enum result result = file_read(path, &content, &error);
    if (result == RESULT_OK) {
        char *directory = directory_of(path);

        result = configuration_read_text(buffer_bytes(&content), directory, &read, faults);
        if (result == RESULT_OK) {
            read->path =
                arena_format(&read->arena, "%s/%s", directory, slash == NULL ? path : slash + 1)
                    .data;
            *configuration = read;
        }
        free(directory);
    } else {
        faults_add(faults, &error);
    }
    buffer_finish(&content);
    return result;
}

static enum result path_copy(const char *from, char *path, size_t path_room)
{
    const size_t size = strlen(from) + 1;

    if (size > path_room)
        return RESULT_LIMIT;
    memcpy(path, from, size);
    return RESULT_OK;
}

enum result configuration_find(const char *option, char *path, size_t path_room)
{
    const char *const variable = getenv("POSTERN_CONFIG");
    const char *const places[] = {variable, "./conf/postern.json", "/etc/postern/postern.json"};

    if (option != NULL)
        return path_copy(option, path, path_room);
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++)
        if (places[i] != NULL && places[i][0] != '\0' && access(places[i], F_OK) == 0)
            return path_copy(places[i], path, path_room);
    return RESULT_MISSING;
}
