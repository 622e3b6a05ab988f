/*
 * `postern check`: what a start would refuse, said without starting. The configuration itself is
 * judged by config/; here come the files that it names, which a start reads too. An environment
 * variable or credential that is not there is only warned of: a shell is not the service.
 */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "cli/cli.h"
#include "cli/configured.h"
#include "config/file.h"
#include "config/read.h"
#include "config/source.h"

static const char usage[] =
    "usage: postern check [--config FILE]\n"
    "\n"
    "Reads the configuration and the token and certificate files that it names.\n"
    "Exit code 0: all is fine. 2: every fault was said, as FILE:LINE: POINTER: text.\n"
    "\n"
    "  --config FILE  the configuration; without it $POSTERN_CONFIG, ./conf/postern.json\n"
    "                 or /etc/postern/postern.json\n";

/* Where upstreams.NAME.BLOCK.MEMBER stands; the file is read again, since it kept no places. */
static void fault_locate(const char *path, const char *const *names, size_t count,
                         struct error *fault)
{
    struct source source;
    struct buffer content;

    buffer_init(&content, CONFIGURATION_LIMIT_BYTES);
    if (file_read(path, &content, NULL) == RESULT_OK) {
        if (source_read(&source, buffer_bytes(&content), NULL) == RESULT_OK) {
            const cJSON *item = source.root;

            for (size_t i = 0; i < count && item != NULL; i++)
                item = cJSON_GetObjectItemCaseSensitive(item, names[i]);
            if (item != NULL)
                source_locate(&source, item, fault);
        }
        source_finish(&source);
    }
    buffer_finish(&content);
}

/* Reads a token file as a start would, and forgets it. */
static enum result token_check(const struct token_source *token, struct error *fault)
{
    struct secret *secret = NULL;
    const enum result result = secret_read_file(token->file, token->insecure, &secret, fault);

    if (result == RESULT_OK)
        secret_destroy(secret);
    return result;
}

static enum result readable_check(const char *path, struct error *fault)
{
    struct buffer content;

    buffer_init(&content, CONFIGURATION_LIMIT_BYTES);
    const enum result result = file_read(path, &content, fault);
    buffer_finish(&content);
    return result;
}

/* A file that the member of those names names could not be used. */
static unsigned fault_say(const char *path, const char *const *names, size_t count,
                          struct error *fault)
{
    fault_locate(path, names, count, fault);
    configured_say_fault(path, fault);
    return 1;
}

/* How many of the files that the upstream names cannot be used. */
static unsigned upstream_check(const char *path, const struct upstream_config *upstream)
{
    const char *const token[] = {"upstreams", upstream->name, "token", "file"};
    const char *const long_lived[] = {"upstreams", upstream->name, "token",
                                      "exchange",  "token",        "file"};
    const char *const secret[] = {"upstreams", upstream->name, "login", "client_secret", "file"};
    const char *const ca[] = {"upstreams", upstream->name, "tls", "ca_file"};
    const struct login_config *login = upstream->login;
    struct error fault = {0};
    unsigned faults = 0;

    if (upstream->token.file != NULL && token_check(&upstream->token, &fault) != RESULT_OK)
        faults += upstream->exchange == NULL
                      ? fault_say(path, token, ARRAY_LENGTH(token), &fault)
                      : fault_say(path, long_lived, ARRAY_LENGTH(long_lived), &fault);
    if (login != NULL && login->client_secret.file != NULL &&
        token_check(&login->client_secret, &fault) != RESULT_OK)
        faults += fault_say(path, secret, ARRAY_LENGTH(secret), &fault);
    if (upstream->tls_ca_file != NULL && readable_check(upstream->tls_ca_file, &fault) != RESULT_OK)
        faults += fault_say(path, ca, ARRAY_LENGTH(ca), &fault);
    return faults;
}

static void environment_warn(const char *path, const char *name, const char *takes,
                             const struct token_source *source)
{
    if (source->env != NULL && getenv(source->env) == NULL)
        (void)printf("%s: warning: upstream %s takes its %s from $%s, which is not set here\n",
                     path, name, takes, source->env);
    if (source->credential != NULL && getenv("CREDENTIALS_DIRECTORY") == NULL)
        (void)printf("%s: warning: upstream %s takes its %s from the systemd credential %s, "
                     "which only a service has\n",
                     path, name, takes, source->credential);
}

static void environments_warn(const char *path, const struct upstream_config *upstream)
{
    environment_warn(path, upstream->name, "token", &upstream->token);
    if (upstream->login != NULL)
        environment_warn(path, upstream->name, "client_secret", &upstream->login->client_secret);
}

static int configuration_check(const char *path, const struct configuration *configuration)
{
    unsigned faults = 0;

    for (size_t i = 0; i < configuration->upstream_count; i++)
        faults += upstream_check(path, &configuration->upstreams[i]);
    if (faults > 0)
        return CLI_WRONG;
    (void)printf("%s is fine\n", path);
    for (size_t i = 0; i < configuration->warning_count; i++)
        (void)printf("%s: warning: %s\n", path, configuration->warnings[i]);
    for (size_t i = 0; i < configuration->upstream_count; i++)
        environments_warn(path, &configuration->upstreams[i]);
    return fflush(stdout) == 0 ? CLI_DONE : CLI_FAILED;
}

int cli_check(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct configuration *configuration = NULL;
    struct faults faults = {0};
    char path[PATH_MAX];
    const char *chosen = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h')
            return fputs(usage, stdout) == EOF ? CLI_FAILED : CLI_DONE;
        if (option != 'c')
            return CLI_WRONG; /* getopt_long said why */
        chosen = optarg;
    }
    if (optind < argc) {
        (void)fprintf(stderr, "postern check: \"%s\" is too much: see --help\n", argv[optind]);
        return CLI_WRONG;
    }
    if (configuration_find(chosen, path, sizeof(path)) != RESULT_OK) {
        (void)fputs("postern check: there is no configuration: name one with --config FILE\n",
                    stderr);
        return CLI_WRONG;
    }
    if (configuration_read_file(path, &configuration, &faults) != RESULT_OK)
        return configured_say_faults(path, &faults);
    const int code = configuration_check(path, configuration);
    configuration_release(configuration);
    return code;
}
