/* `postern identity`: one call, as the gate would make it, with its answer printed. */
#include <event2/event.h>
#include <getopt.h>
#include <stdio.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/configured.h"
#include "upstream/fetch.h"
#include "upstream/obtain.h"

static const char usage[] =
    "usage: postern identity [UPSTREAM] [--config FILE]\n"
    "\n"
    "Asks the API whose token this is, by its preset's identity call, and prints the answer.\n"
    "\n"
    "  --config FILE  the configuration; without it the usual places\n";

enum { IDENTITY_ANSWER_LIMIT_BYTES = 1024 * 1024 };

struct asking {
    struct event_base *base;
    struct buffer body;
    unsigned status;
    struct fetch_end end;
};

static void on_head(void *context, const struct response *head)
{
    ((struct asking *)context)->status = head->status;
}

static void on_body(void *context, struct bytes part)
{
    buffer_add(&((struct asking *)context)->body, part);
}

static void on_end(void *context, const struct fetch_end *end)
{
    struct asking *asking = context;

    asking->end = *end;
    (void)event_base_loopbreak(asking->base); /* the base is ours */
}

static const struct fetch_handler handler = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end};

static int say(const struct asking *asking, const struct upstream_config *upstream)
{
    if (asking->end.outcome != FETCH_DONE) {
        (void)fprintf(stderr, "postern: %s gave no answer: %s\n", upstream->url,
                      asking->end.detail);
        return CLI_FAILED;
    }
    (void)printf("%.*s\n", (int)asking->body.length,
                 asking->body.data == NULL ? "" : asking->body.data);
    if (asking->status == 200)
        return CLI_DONE;
    (void)fprintf(stderr, "postern: %s answered %u: is the token right?\n", upstream->url,
                  asking->status);
    return CLI_FAILED;
}

static int ask(const struct upstream_config *config, struct token *token)
{
    struct asking asking = {.base = event_base_new()};
    const struct budget_options options = {.limits = &config->limits,
                                           .name = bytes_of_string(config->name)};
    struct upstream upstream = {.config = config, .credential = credential_create(token)};
    const struct fields none = {0};
    const struct fetch_request request = {.caller = {.weight = 1},
                                          .method = BYTES("GET"),
                                          .safe = true,
                                          .url = bytes_of_string(upstream_identity_path(config)),
                                          .fields = &none};
    struct mailbox *mailbox = NULL;
    struct fetcher *fetcher = NULL;
    int code = CLI_FAILED;

    buffer_init(&asking.body, IDENTITY_ANSWER_LIMIT_BYTES);
    if (asking.base != NULL && budget_create(&options, &upstream.budget) == RESULT_OK &&
        mailbox_open(asking.base, &mailbox) == RESULT_OK &&
        fetcher_create(asking.base, mailbox, &fetcher) == RESULT_OK) {
        (void)fetch_start(fetcher, &upstream, &request, &handler, &asking);
        (void)event_base_dispatch(asking.base); /* ends by on_end */
        code = say(&asking, config);
    }
    fetcher_destroy(fetcher);
    mailbox_close(mailbox);
    if (asking.base != NULL)
        event_base_free(asking.base);
    budget_release(upstream.budget);
    credential_release(upstream.credential);
    buffer_finish(&asking.body);
    return code;
}

/* The token that goes up: the one that was read, or what it is exchanged for. */
static enum result token_get(const struct upstream_config *upstream, struct token **token,
                             struct error *error)
{
    struct token *long_lived;
    struct obtained obtained;
    enum result result = token_load(&upstream->token, token, error);

    if (result != RESULT_OK || upstream->exchange == NULL)
        return result;
    long_lived = *token;
    const struct obtain_options options = obtain_exchange(upstream, long_lived);
    result = obtain_token(&options, &obtained, error);
    token_release(long_lived);
    if (result == RESULT_OK)
        *token = obtained.token;
    return result;
}

static int identity_of(const struct configuration *configuration, const char *name)
{
    const struct upstream_config *upstream = configured_upstream(configuration, name);
    struct token *token;
    struct error error;

    if (upstream == NULL)
        return CLI_WRONG;
    if (upstream_identity_path(upstream) == NULL || !upstream->has_token) {
        (void)fprintf(stderr,
                      "postern: upstream %s has no token, or no preset with an identity call\n",
                      upstream->name);
        return CLI_WRONG;
    }
    if (fetch_prepare() != RESULT_OK)
        memory_exhausted();
    if (token_get(upstream, &token, &error) != RESULT_OK) {
        (void)fprintf(stderr, "postern: %s\n", error.text);
        return upstream->exchange == NULL ? CLI_WRONG : CLI_FAILED;
    }
    const int code = ask(upstream, token);
    token_release(token);
    return code;
}

int cli_identity(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'}, {"config", required_argument, NULL, 'c'}, {0}};
    struct configuration *configuration;
    const char *config = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(usage, stdout);
            return CLI_DONE;
        }
        if (option != 'c')
            return CLI_WRONG;
        config = optarg;
    }
    if (argc - optind > 1) {
        (void)fputs("postern identity: one upstream at most\n", stderr);
        return CLI_WRONG;
    }
    int code = configured_read(config, &configuration);
    if (code != CLI_DONE)
        return code;
    code = identity_of(configuration, argv[optind]);
    configuration_release(configuration);
    return code;
}
