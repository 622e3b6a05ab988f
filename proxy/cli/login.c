/*
 * `postern login`: OAuth 2 with a code (RFC 6749 §4.1) that comes back to a loopback address (RFC
 * 8252 §7.3). The person's browser does the rest; here are the one request that it brings back, the
 * check of its state, the call that makes a token of the code, and the file. A running gate notices
 * the file by itself.
 */
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/percent.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/configured.h"
#include "config/address.h"
#include "http/connection.h"
#include "http/listener.h"
#include "http/uri.h"
#include "upstream/fetch.h"
#include "upstream/obtain.h"

enum {
    LOGIN_STATE_BYTES = 32,
    LOGIN_STATE_ROOM = 2 * LOGIN_STATE_BYTES + 1,
    LOGIN_WAIT_S = 5 * 60,
};

static const char usage[] =
    "usage: postern login [UPSTREAM] [--config FILE] [--no-browser]\n"
    "\n"
    "Prints the address of the API's consent page and waits, five minutes at most, until your\n"
    "browser comes back from it to the configured loopback address. Then it gets the token and\n"
    "puts it into the upstream's token file; a running gate takes it by itself.\n"
    "\n"
    "  --config FILE  the configuration; without it the usual places\n"
    "  --no-browser   print the address only, which is what it does in any case\n";

struct login {
    const struct upstream_config *upstream;
    struct token *client_secret;
    char state[LOGIN_STATE_ROOM];
    struct address redirect;
    struct event_base *base;
    bool is_answered; /* the browser has come back */
    int code;         /* what the command ends with */
};

/* --- the browser's way back --- */

static const struct connection_limits login_limits = {
    .head_timeout_us = 30 * CLOCK_SECOND_US,
    .idle_timeout_us = 30 * CLOCK_SECOND_US,
    .body_timeout_us = 30 * CLOCK_SECOND_US,
    .connections = 16,
    .output_bytes = 64 * 1024,
};

static void page_answer(struct connection *connection, unsigned status, const char *text)
{
    struct fields fields = {0};
    struct arena *arena = connection_arena(connection);

    fields_add(&fields, arena, BYTES("Content-Type"), BYTES("text/html; charset=utf-8"));
    fields_add(&fields, arena, BYTES("Cache-Control"), BYTES("no-store"));
    fields_add(&fields, arena, BYTES("Referrer-Policy"), BYTES("no-referrer"));
    connection_answer_whole(
        connection, status, &fields,
        arena_format(arena, "<!DOCTYPE html><title>postern login</title><p>%s</p>\n", text));
}

/* The value of a query's parameter, decoded; empty: it is not there, or stands twice. */
static struct bytes query_value(struct arena *arena, struct bytes query, struct bytes name)
{
    struct parameter parameter;
    struct bytes value = BYTES("");
    bool found = false;

    while (parameter_next(&query, &parameter)) {
        if (!bytes_equal(parameter.name, name))
            continue;
        if (found || uri_decode(arena, parameter.value, &value) != RESULT_OK)
            return BYTES("");
        found = true;
    }
    return value;
}

static struct bytes encoded(struct arena *arena, struct bytes text)
{
    char *room = arena_take(arena, 3 * text.length + 1);

    return bytes_of(room, percent_encode(text, room));
}

/* client_id, redirect_uri and one more, as both calls want them. */
static struct bytes login_query(const struct login *login, struct arena *arena, const char *name,
                                struct bytes value)
{
    const struct login_config *config = login->upstream->login;
    const struct bytes parts[] = {
        BYTES("client_id="),
        encoded(arena, bytes_of_string(config->client_id)),
        BYTES("&redirect_uri="),
        encoded(arena, bytes_of_string(config->redirect)),
        BYTES("&"),
        bytes_of_string(name),
        BYTES("="),
        encoded(arena, value),
    };

    return arena_join_all(arena, parts, ARRAY_LENGTH(parts));
}

/* Makes a token of the code and keeps it. */
static enum result login_finish(const struct login *login, struct arena *arena, struct bytes code,
                                struct error *error)
{
    const struct bytes query = login_query(login, arena, "code", code);
    const struct obtain_options options = {.url = login->upstream->login->token,
                                           .parameter = "client_secret",
                                           .secret = login->client_secret,
                                           .query = query.data,
                                           .ca_file = login->upstream->tls_ca_file,
                                           .lifetime_us = CLOCK_SECOND_US};
    struct obtained obtained;
    enum result result = obtain_token(&options, &obtained, error);

    secret_wipe((char *)query.data, query.length);
    if (result != RESULT_OK)
        return result;
    result = token_save(obtained.token, login->upstream->token.file, error);
    token_release(obtained.token);
    return result;
}

/* What is wrong with what the browser brought back; NULL: nothing. */
static const char *login_refusal(const struct login *login, struct arena *arena, struct bytes query)
{
    const struct bytes error = query_value(arena, query, BYTES("error"));

    if (!secret_equal(query_value(arena, query, BYTES("state")), bytes_of_string(login->state)))
        return "the answer has another state than the question: it was not asked for here";
    if (bytes_equal(error, BYTES("access_denied")))
        return "consent was denied";
    if (error.length > 0)
        return "the consent page answered with an error: are client_id and redirect as registered?";
    if (query_value(arena, query, BYTES("code")).length == 0)
        return "the consent page gave no code";
    return NULL;
}

static void login_take(struct login *login, struct connection *connection, struct bytes query)
{
    struct arena *arena = connection_arena(connection);
    const char *refusal = login_refusal(login, arena, query);
    struct error error = {0};

    login->is_answered = true;
    if (refusal != NULL) {
        (void)fprintf(stderr, "postern login: %s\n", refusal);
        page_answer(connection, 400, "The log-in failed: see the terminal.");
    } else if (login_finish(login, arena, query_value(arena, query, BYTES("code")), &error) !=
               RESULT_OK) {
        (void)fprintf(stderr, "postern login: %s\n", error.text);
        page_answer(connection, 502, "The log-in failed: see the terminal.");
    } else {
        login->code = CLI_DONE;
        page_answer(connection, 200, "Done: you can close this page.");
    }
}

/* Connection: the browser has come back, or asks for its favicon. */
static void login_on_request(struct connection *connection, void *server)
{
    struct login *login = server;
    const struct request *request = connection_request(connection);
    struct bytes query = request->target;
    const struct bytes path = bytes_cut(&query, '?');
    const struct bytes wanted = bytes_of_string(login->upstream->login->redirect);
    const struct bytes wanted_path =
        bytes_from(wanted, bytes_find(wanted, BYTES("://")) + 3 + login->redirect.authority.length);

    if (login->is_answered || request->method != METHOD_GET ||
        !bytes_equal(path, wanted_path.length == 0 ? BYTES("/") : wanted_path))
        page_answer(connection, 404, "There is nothing here.");
    else
        login_take(login, connection, query);
}

static void login_on_body(struct connection *connection, struct bytes part)
{
    (void)connection, (void)part; /* nobody asks for one */
}

static void login_on_body_end(struct connection *connection)
{
    (void)connection;
}

static void login_on_drained(struct connection *connection)
{
    (void)connection; /* answers are given whole */
}

/* The page is on its way: that was all. */
static void login_on_finished(struct connection *connection, bool complete)
{
    const struct login *login = connection_server(connection);

    (void)complete;
    if (login->is_answered)
        (void)event_base_loopexit(login->base, NULL); /* after this event; memory is all it lacks */
}

static const struct connection_handler login_handler = {
    .on_request = login_on_request,
    .on_body = login_on_body,
    .on_body_end = login_on_body_end,
    .on_drained = login_on_drained,
    .on_finished = login_on_finished,
};

/* --- the command --- */

static void login_say(const struct login *login)
{
    struct arena arena;

    arena_init(&arena, 1024);
    const struct bytes query = login_query(login, &arena, "state", bytes_of_string(login->state));
    (void)printf("Open this address in a browser and choose the account:\n\n"
                 "  %s?%.*s&response_type=code\n\n",
                 login->upstream->login->authorize, (int)query.length, query.data);
    (void)fflush(stdout); /* who can't read it sees nothing come back, and ends it */
    arena_finish(&arena);
}

/* libevent: it took too long. */
static void login_on_late(evutil_socket_t fd, short what, void *context)
{
    struct login *login = context;

    (void)fd;
    (void)what;
    (void)fprintf(stderr, "postern login: nobody came back within %d minutes\n", LOGIN_WAIT_S / 60);
    (void)event_base_loopbreak(login->base); /* the base is ours */
}

static enum result login_wait(struct login *login, const struct listener *listener)
{
    const struct timeval wait = {.tv_sec = LOGIN_WAIT_S};
    struct event *late = evtimer_new(login->base, login_on_late, login);
    struct connections *connections =
        connections_create(login->base, &login_handler, login, &login_limits);
    enum result result = connections_listen(connections, listener->fd);

    if (late == NULL || evtimer_add(late, &wait) == -1)
        memory_exhausted();
    if (result == RESULT_OK) {
        login_say(login);
        (void)event_base_dispatch(login->base); /* ends by the answer or the time */
    }
    connections_destroy(connections);
    event_free(late);
    return result;
}

static int login_run(struct login *login)
{
    struct listener listener;
    struct arena arena;
    struct error error = {0};

    arena_init(&arena, 256);
    enum result result =
        listener_open(&listener, arena_copy(&arena, login->redirect.authority).data, false, &error);
    arena_finish(&arena);
    if (result == RESULT_OK) {
        login->base = event_base_new();
        if (login->base == NULL)
            memory_exhausted();
        result = login_wait(login, &listener);
        event_base_free(login->base);
        listener_close(&listener);
    }
    if (result != RESULT_OK)
        (void)fprintf(stderr, "postern login: %s\n",
                      error.text[0] != '\0' ? error.text : result_text(result));
    if (login->code == CLI_DONE)
        (void)printf("The token is in %s.\n", login->upstream->token.file);
    return login->code;
}

static int login_to(const struct upstream_config *upstream)
{
    struct login login = {.upstream = upstream, .code = CLI_FAILED};
    unsigned char state[LOGIN_STATE_BYTES];
    struct error error = {0};

    if (upstream->login == NULL) {
        (void)fprintf(stderr,
                      "postern login: upstream %s says no \"login\": see "
                      "docs/configuration.md\n",
                      upstream->name);
        return CLI_WRONG;
    }
    (void)address_split(bytes_of_string(upstream->login->redirect),
                        &login.redirect); /* read once: it is one */
    if (token_load(&upstream->login->client_secret, &login.client_secret, &error) != RESULT_OK) {
        (void)fprintf(stderr, "postern login: %s\n", error.text);
        return CLI_WRONG;
    }
    if (fetch_prepare() != RESULT_OK)
        memory_exhausted();
    secret_random(state, sizeof(state));
    bytes_to_hex(bytes_of(state, sizeof(state)), login.state);
    const int code = login_run(&login);
    token_release(login.client_secret);
    return code;
}

int cli_login(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"no-browser", no_argument, NULL, 'n'},
                                            {0}};
    struct configuration *configuration;
    const char *config = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h')
            return fputs(usage, stdout) == EOF ? CLI_FAILED : CLI_DONE;
        if (option == '?')
            return CLI_WRONG; /* getopt_long said why */
        if (option == 'c')
            config = optarg;
    }
    if (argc - optind > 1) {
        (void)fputs("postern login: one upstream at most\n", stderr);
        return CLI_WRONG;
    }
    (void)prctl(PR_SET_DUMPABLE, 0); /* a kernel that refuses it dumps no core by rlimit */
    (void)signal(SIGPIPE, SIG_IGN);  /* a browser that goes away is no reason to end */
    int code = configured_read(config, &configuration);
    if (code != CLI_DONE)
        return code;
    const struct upstream_config *upstream =
        configured_upstream(configuration, optind < argc ? argv[optind] : NULL);
    code = upstream == NULL ? CLI_WRONG : login_to(upstream);
    configuration_release(configuration);
    return code;
}
