/*
 * `postern run`: the gate in the foreground; with --sandbox before a simulated API that runs on a
 * thread of this process. What a gate is stands in gateway/server.c.
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/clock.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/configured.h"
#include "http/json.h"
#include "sandbox/sandbox.h"

static const char usage[] =
    "usage: postern run [--config FILE]\n"
    "       postern run --upstream URL --token-file FILE [--listen ADDR]\n"
    "       postern run --sandbox [--config FILE]\n"
    "\n"
    "Serves in the foreground. TERM and INT answer what is under way and stop, HUP reads\n"
    "configuration and tokens again.\n"
    "\n"
    "  --config FILE      the configuration; without it $POSTERN_CONFIG, ./conf/postern.json\n"
    "                     or /etc/postern/postern.json\n"
    "  --sandbox          before a simulated API of its own; no token needed\n"
    "  --upstream URL     without a configuration: the API ...\n"
    "  --token-file FILE  ... and the file with its token\n"
    "  --listen ADDR      where to serve then; 127.0.0.1:8080\n";

enum option_value {
    OPTION_HELP = 1,
    OPTION_CONFIG,
    OPTION_SANDBOX,
    OPTION_UPSTREAM,
    OPTION_TOKEN_FILE,
    OPTION_LISTEN
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, OPTION_HELP},
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"sandbox", no_argument, NULL, OPTION_SANDBOX},
    {"upstream", required_argument, NULL, OPTION_UPSTREAM},
    {"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {0},
};

enum { SANDBOX_TOKEN_BYTES = 16 };

struct command {
    const char *config, *upstream, *token_file, *listen;
    bool sandbox, wants_help;
};

/* The sandbox's thread. */
struct sandbox_thread {
    struct letter stop; /* first */
    pthread_t thread;
    struct event_base *base;
    struct mailbox *mailbox;
    struct sandbox *sandbox;
    bool running;
};

static int fail(const struct error *error)
{
    (void)fprintf(stderr, "postern: %s\n", error->text);
    return CLI_FAILED;
}

static int wrong(const char *why)
{
    (void)fprintf(stderr, "postern run: %s; see postern run --help\n", why);
    return CLI_WRONG;
}

static int command_read(struct command *command, int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case OPTION_HELP:
            command->wants_help = true;
            break;
        case OPTION_CONFIG:
            command->config = optarg;
            break;
        case OPTION_SANDBOX:
            command->sandbox = true;
            break;
        case OPTION_UPSTREAM:
            command->upstream = optarg;
            break;
        case OPTION_TOKEN_FILE:
            command->token_file = optarg;
            break;
        case OPTION_LISTEN:
            command->listen = optarg;
            break;
        default:
            return CLI_WRONG; /* getopt_long said why */
        }
    }
    if (optind < argc)
        return wrong("it takes no arguments");
    if (command->upstream != NULL && (command->sandbox || command->config != NULL))
        return wrong("--upstream stands in place of a configuration");
    if (command->upstream == NULL && (command->token_file != NULL || command->listen != NULL))
        return wrong("--token-file and --listen go with --upstream");
    return CLI_DONE;
}

/* A configuration of one upstream without preset. */
static int read_options(const struct command *command, struct configuration **configuration)
{
    struct arena arena;

    arena_init(&arena, 1024);
    const struct bytes listen = json_string(
        &arena, bytes_of_string(command->listen == NULL ? "127.0.0.1:8080" : command->listen));
    const struct bytes url = json_string(&arena, bytes_of_string(command->upstream));
    struct bytes token = BYTES("");
    if (command->token_file != NULL)
        token =
            arena_join(&arena,
                       BYTES(", \"inject\": {\"header\": \"Authorization\", \"format\": \"Bearer "
                             "%s\"}, \"token\": {\"file\": "),
                       arena_join(&arena, json_string(&arena, bytes_of_string(command->token_file)),
                                  BYTES("}")));
    const struct bytes text = arena_format(
        &arena, "{\"listen\": [%.*s], \"upstreams\": {\"upstream\": {\"url\": %.*s%.*s}}}",
        (int)listen.length, listen.data, (int)url.length, url.data, (int)token.length, token.data);
    const int code = configured_read_text(text, configuration);
    arena_finish(&arena);
    return code;
}

/* conf/sandbox.json of the working directory, the checkout or the installation. */
static const char *find_sandbox_configuration(void)
{
    static const char *const places[] = {"conf/sandbox.json", POSTERN_CHECKOUT "/conf/sandbox.json",
                                         POSTERN_PREFIX "/share/postern/sandbox.json"};

    for (size_t i = 0; i < ARRAY_LENGTH(places); i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    return places[0]; /* reading it says that it is not there */
}

/* --- the sandbox beside the gate --- */

static void sandbox_on_stop(struct letter *letter)
{
    const struct sandbox_thread *thread = (const struct sandbox_thread *)letter;

    (void)event_base_loopbreak(thread->base); /* on its own thread */
}

static void *sandbox_run(void *context)
{
    const struct sandbox_thread *thread = context;

    (void)event_base_dispatch(thread->base); /* ends by the letter */
    return NULL;
}

/* The address next to the sandbox's, for its control port. */
static struct bytes control_address(struct arena *arena, struct bytes authority)
{
    size_t colon = authority.length;
    uint64_t port = 0;

    while (colon > 0 && authority.data[colon - 1] != ':')
        colon--;
    if (bytes_to_number(bytes_from(authority, colon), UINT16_MAX - 1, &port) != RESULT_OK)
        return arena_copy(arena, BYTES("127.0.0.1:0"));
    return arena_format(arena, "%.*s%llu", (int)colon, authority.data,
                        (unsigned long long)port + 1);
}

static int sandbox_start(struct sandbox_thread *thread, const struct upstream_config *upstream,
                         struct bytes token)
{
    struct arena arena;
    struct error error;

    arena_init(&arena, 256);
    const struct sandbox_options options = {
        .listen = arena_copy(&arena, upstream->authority).data,
        .control = control_address(&arena, upstream->authority).data,
        .token = token,
        .knobs = {.file_bytes = SANDBOX_FILE_BYTES,
                  .bearer_lifetime_us = SANDBOX_BEARER_LIFETIME_S * CLOCK_SECOND_US}};
    thread->stop.deliver = sandbox_on_stop;
    thread->base = event_base_new();
    if (thread->base == NULL || mailbox_open(thread->base, &thread->mailbox) != RESULT_OK) {
        arena_finish(&arena);
        return fail(&(struct error){.text = "cannot make an event loop for the sandbox"});
    }
    const enum result result = sandbox_open(&options, thread->base, &thread->sandbox, &error);
    arena_finish(&arena);
    if (result != RESULT_OK)
        return fail(&error);
    thread->running = pthread_create(&thread->thread, NULL, sandbox_run, thread) == 0;
    return thread->running ? CLI_DONE
                           : fail(&(struct error){.text = "cannot start the sandbox's thread"});
}

static void sandbox_stop(struct sandbox_thread *thread)
{
    if (thread->running) {
        mailbox_post(thread->mailbox, &thread->stop);
        (void)pthread_join(thread->thread, NULL);
    }
    sandbox_close(thread->sandbox);
    mailbox_close(thread->mailbox);
    if (thread->base != NULL)
        event_base_free(thread->base);
}

static void say_sandbox(const struct server *server, const struct sandbox_thread *thread,
                        const struct admin *admin)
{
    const char *gate = server_listener(server, 0);

    (void)printf("gate           http://%s\n"
                 "admin          http://%s  (/healthz /readyz /metrics /api/status)\n"
                 "simulated API  http://%s, its control http://%s/_sandbox/calls\n\n"
                 "Try, in another terminal (look at Cache-Status):\n"
                 "  curl -i http://%s/v2/profile/9001\n"
                 "  curl -i http://%s/v2/profile/9001\n"
                 "  curl -i -X PUT -H 'Content-Type: application/json' -d '{\"city\":\"Delft\"}' "
                 "http://%s/v2/profile/9001/fields\n"
                 "  curl -i http://%s/v2/profile/9001\n\n",
                 gate, admin == NULL ? "(none)" : admin_address(admin),
                 sandbox_address(thread->sandbox), sandbox_control_address(thread->sandbox), gate,
                 gate, gate, gate);
    (void)fflush(stdout);
}

/* --- serving --- */

static int serve(struct configuration *configuration, struct token *token,
                 struct sandbox_thread *thread, struct bytes sandbox_token)
{
    const struct server_options options = {.configuration = configuration, .token = token};
    struct server *server = NULL;
    struct admin *admin = NULL;
    struct error error;
    int code = CLI_DONE;

    log_configure(configuration->log_level, configuration->log_format);
    if (server_open(&options, &server, &error) != RESULT_OK)
        return fail(&error);
    if (configuration->admin != NULL &&
        admin_open(server, configuration->admin, &admin, &error) != RESULT_OK)
        code = fail(&error);
    if (code == CLI_DONE && thread != NULL)
        code = sandbox_start(thread, &configuration->upstreams[0], sandbox_token);
    if (code == CLI_DONE) {
        if (thread != NULL)
            say_sandbox(server, thread, admin);
        if (admin != NULL)
            log_info("admin address %s", admin_address(admin));
        code = server_run(server) == RESULT_OK ? CLI_DONE : CLI_FAILED;
    }
    admin_close(admin);
    server_close(server);
    return code;
}

static int serve_with_sandbox(struct configuration *configuration)
{
    unsigned char random[SANDBOX_TOKEN_BYTES];
    char text[2 * SANDBOX_TOKEN_BYTES + 1];
    struct sandbox_thread thread = {0};
    struct token *token;
    struct error error;

    secret_random(random, sizeof(random));
    bytes_to_hex(bytes_of(random, sizeof(random)), text);
    if (token_create(bytes_of_string(text), &token, &error) != RESULT_OK)
        return fail(&error);
    const int code = serve(configuration, token, &thread, bytes_of_string(text));
    sandbox_stop(&thread);
    token_release(token);
    return code;
}

int cli_run(int argc, char **argv)
{
    struct command command = {0};
    struct configuration *configuration;
    int code = command_read(&command, argc, argv);

    if (code != CLI_DONE)
        return code;
    if (command.wants_help) {
        (void)fputs(usage, stdout);
        return CLI_DONE;
    }
    if (command.upstream != NULL)
        code = read_options(&command, &configuration);
    else if (command.sandbox && command.config == NULL)
        code = configured_read(find_sandbox_configuration(), &configuration);
    else
        code = configured_read(command.config, &configuration);
    if (code != CLI_DONE)
        return code;
    code = command.sandbox ? serve_with_sandbox(configuration)
                           : serve(configuration, NULL, NULL, BYTES(""));
    configuration_release(configuration);
    return code;
}
