/*
 * `postern sandbox`: the simulated API on its own, for tests of the gate, of apps, and for
 * benchmarks. What it does stands in sandbox/; here are its options and its signals.
 */
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "config/read.h"
#include "sandbox/sandbox.h"

static const char usage[] =
    "usage: postern sandbox [--listen ADDR] [--control ADDR] [--token FILE] [KNOBS]\n"
    "\n"
    "Serves a simulated Copernica REST API, v1 to v4, with made-up data in memory, until TERM or\n"
    "INT. Without --token the token is \"sandbox-token\".\n"
    "\n"
    "  --listen ADDR         the API; 127.0.0.1:8082, port 0 for any\n"
    "  --control ADDR        knobs, counts and log under /_sandbox/; 127.0.0.1:8083\n"
    "  --token FILE          the token that calls must come with\n"
    "  --latency TIME        before a call is carried out: 80ms\n"
    "  --latency-after TIME  after that, before the answer\n"
    "  --jitter TIME         up to so much more latency, by chance\n"
    "  --per-second N        more calls in a second are answered 429\n"
    "  --overload-page       ... or the load balancer's 503 page instead\n"
    "  --view-lag TIME       selections follow changes only that much later\n"
    "  --bearer-lifetime TIME  of what tokens are exchanged for; 24h\n"
    "  --file-size SIZE      of the content of a profile's file; 1MiB\n";

enum option_value {
    OPTION_HELP = 1,
    OPTION_LISTEN,
    OPTION_CONTROL,
    OPTION_TOKEN,
    OPTION_LATENCY,
    OPTION_LATENCY_AFTER,
    OPTION_JITTER,
    OPTION_PER_SECOND,
    OPTION_OVERLOAD_PAGE,
    OPTION_VIEW_LAG,
    OPTION_BEARER_LIFETIME,
    OPTION_FILE_SIZE,
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, OPTION_HELP},
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"control", required_argument, NULL, OPTION_CONTROL},
    {"token", required_argument, NULL, OPTION_TOKEN},
    {"latency", required_argument, NULL, OPTION_LATENCY},
    {"latency-after", required_argument, NULL, OPTION_LATENCY_AFTER},
    {"jitter", required_argument, NULL, OPTION_JITTER},
    {"per-second", required_argument, NULL, OPTION_PER_SECOND},
    {"overload-page", no_argument, NULL, OPTION_OVERLOAD_PAGE},
    {"view-lag", required_argument, NULL, OPTION_VIEW_LAG},
    {"bearer-lifetime", required_argument, NULL, OPTION_BEARER_LIFETIME},
    {"file-size", required_argument, NULL, OPTION_FILE_SIZE},
    {0},
};

/* What the command line says. */
struct command {
    struct sandbox_options sandbox;
    const char *token_file; /* NULL: the default token */
    bool wants_help;
};

/* A knob's value; RESULT_INVALID where it is none. */
static enum result knob_read(struct sandbox_knobs *knobs, int option, struct bytes text)
{
    uint64_t number;
    enum result result;

    switch (option) {
    case OPTION_LATENCY:
        return duration_read(text, &knobs->latency_us);
    case OPTION_LATENCY_AFTER:
        return duration_read(text, &knobs->latency_after_us);
    case OPTION_JITTER:
        return duration_read(text, &knobs->jitter_us);
    case OPTION_VIEW_LAG:
        return duration_read(text, &knobs->view_lag_us);
    case OPTION_BEARER_LIFETIME:
        return duration_read(text, &knobs->bearer_lifetime_us);
    case OPTION_FILE_SIZE:
        return size_read(text, &knobs->file_bytes);
    case OPTION_PER_SECOND:
        result = bytes_to_number(text, UINT32_MAX, &number);
        if (result == RESULT_OK)
            knobs->per_second = (uint32_t)number;
        return result;
    default:
        return RESULT_INVALID;
    }
}

static enum result option_take(struct command *command, int option, const char *name)
{
    switch (option) {
    case OPTION_HELP:
        command->wants_help = true;
        return RESULT_OK;
    case OPTION_LISTEN:
        command->sandbox.listen = optarg;
        return RESULT_OK;
    case OPTION_CONTROL:
        command->sandbox.control = optarg;
        return RESULT_OK;
    case OPTION_TOKEN:
        command->token_file = optarg;
        return RESULT_OK;
    case OPTION_OVERLOAD_PAGE:
        command->sandbox.knobs.limits_with_page = true;
        return RESULT_OK;
    default:
        break;
    }
    if (knob_read(&command->sandbox.knobs, option, bytes_of_string(optarg)) == RESULT_OK)
        return RESULT_OK;
    (void)fprintf(stderr, "postern sandbox: --%s \"%s\" is not understood: see --help\n", name,
                  optarg);
    return RESULT_INVALID;
}

static enum result command_read(struct command *command, int argc, char **argv)
{
    int option, index = 0;

    while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (option == '?')
            return RESULT_INVALID; /* getopt_long said why */
        if (option_take(command, option, long_options[index].name) != RESULT_OK)
            return RESULT_INVALID;
    }
    if (optind == argc)
        return RESULT_OK;
    (void)fprintf(stderr, "postern sandbox: \"%s\" is too much: see --help\n", argv[optind]);
    return RESULT_INVALID;
}

/* libevent: TERM or INT. */
static void sandbox_on_signal(evutil_socket_t number, short what, void *context)
{
    (void)number;
    (void)what;
    (void)event_base_loopbreak(context); /* fails on NULL only */
}

/* Runs the loop until a signal comes. */
static int sandbox_run(struct event_base *base, const struct sandbox *sandbox)
{
    struct event *term = evsignal_new(base, SIGTERM, sandbox_on_signal, base);
    struct event *interrupt = evsignal_new(base, SIGINT, sandbox_on_signal, base);
    int code = CLI_FAILED;

    if (term == NULL || interrupt == NULL || event_add(term, NULL) == -1 ||
        event_add(interrupt, NULL) == -1) {
        (void)fputs("postern sandbox: signals cannot be caught\n", stderr);
    } else {
        const char *control = sandbox_control_address(sandbox);

        (void)printf("sandbox on http://%s, control on http://%s/_sandbox/\n",
                     sandbox_address(sandbox), control);
        (void)fflush(stdout); /* whoever does not read it does not need it */
        code = event_base_dispatch(base) == -1 ? CLI_FAILED : CLI_DONE;
    }
    if (term != NULL)
        event_free(term);
    if (interrupt != NULL)
        event_free(interrupt);
    return code;
}

static int sandbox_serve(const struct sandbox_options *options)
{
    struct event_base *base = event_base_new();
    struct sandbox *sandbox = NULL;
    struct error error = {0};
    int code = CLI_FAILED;

    if (base == NULL) {
        (void)fputs("postern sandbox: there is no event loop to be had\n", stderr);
        return CLI_FAILED;
    }
    const enum result result = sandbox_open(options, base, &sandbox, &error);
    if (result == RESULT_OK) {
        code = sandbox_run(base, sandbox);
    } else {
        (void)fprintf(stderr, "postern sandbox: %s\n", error.text);
        code = result == RESULT_INVALID ? CLI_WRONG : CLI_FAILED;
    }
    sandbox_close(sandbox);
    event_base_free(base);
    return code;
}

int cli_sandbox(int argc, char **argv)
{
    struct command command = {
        .sandbox = {.listen = "127.0.0.1:8082",
                    .control = "127.0.0.1:8083",
                    .token = BYTES("sandbox-token"),
                    .knobs = {.file_bytes = SANDBOX_FILE_BYTES,
                              .bearer_lifetime_us = SANDBOX_BEARER_LIFETIME_S * CLOCK_SECOND_US}},
    };
    struct secret *token = NULL;
    struct error error = {0};

    if (command_read(&command, argc, argv) != RESULT_OK)
        return CLI_WRONG;
    if (command.wants_help)
        return fputs(usage, stdout) == EOF ? CLI_FAILED : CLI_DONE;
    if (command.token_file != NULL) {
        if (secret_read_file(command.token_file, false, &token, &error) != RESULT_OK) {
            (void)fprintf(stderr, "postern sandbox: %s\n", error.text);
            return CLI_WRONG;
        }
        command.sandbox.token = secret_bytes(token);
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a client that goes away is no reason to end */
    const int code = sandbox_serve(&command.sandbox);
    secret_destroy(token);
    return code;
}
