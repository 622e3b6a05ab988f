/* `postern explain`: how the gate sees a request. Nothing is sent, no token is read. */
#include <getopt.h>
#include <stdio.h>

#include "access/permissions.h"
#include "cli/cli.h"
#include "cli/configured.h"
#include "config/rules.h"
#include "gateway/normalise.h"

static const char usage[] =
    "usage: postern explain METHOD URL [--client NAME] [--config FILE]\n"
    "\n"
    "Says how the gate sees a request: client, normalised URL, permission, rule, ttl, tags;\n"
    "for a write, what it invalidates. Nothing is sent.\n"
    "\n"
    "  --client NAME  as that client; without it the first, or \"local\"\n"
    "  --config FILE  the configuration; without it the usual places\n";

struct question {
    const char *config, *client, *method, *url;
};

static const struct client_config *client_of(const struct configuration *configuration,
                                             const char *name)
{
    static const struct client_config local = {.name = "local"};

    if (configuration->client_count == 0 && (name == NULL || strcmp(name, "local") == 0))
        return &local;
    for (size_t i = 0; i < configuration->client_count; i++)
        if (name == NULL || strcmp(configuration->clients[i].name, name) == 0)
            return &configuration->clients[i];
    (void)fprintf(stderr, "postern: the configuration has no client %s\n", name);
    return NULL;
}

static void say_duration(const char *name, int64_t rule_us, int64_t fallback_us)
{
    const int64_t us = rule_us >= 0 ? rule_us : fallback_us;

    (void)printf("%-12s %g s%s\n", name, (double)us / 1e6,
                 rule_us >= 0 ? "" : " (the cache block's)");
}

static void say_read(const struct configuration *configuration, const struct cache_rule *rule)
{
    if (rule->match_text.length > 0)
        (void)printf("rule         %.*s\n", (int)rule->match_text.length, rule->match_text.data);
    else
        (void)puts("rule         none matches");
    if (!rule->store) {
        (void)puts("stored       never");
        return;
    }
    say_duration("ttl", rule->ttl_us, configuration->ttl_us);
    say_duration("negative_ttl", rule->negative_ttl_us, configuration->negative_ttl_us);
    (void)printf("override     %s\n",
                 rule->override ? "yes: the ttl overrules what the answer says" : "no");
}

/* The tags of design.md: the path without version prefix and its ancestors, and the account. */
static void say_tags(struct bytes path)
{
    (void)fputs("tags         account", stdout);
    while (path.length > 0 && path.data[path.length - 1] == '/')
        path.length--;
    for (size_t end = 1; end <= path.length; end++)
        if (end == path.length || path.data[end] == '/')
            (void)printf(" %.*s", (int)end - 1, path.data + 1);
    (void)putchar('\n');
}

static void say(const struct configuration *configuration, const struct upstream_config *upstream,
                const struct client_config *client, const struct request *request,
                struct arena *arena)
{
    struct target target;

    (void)printf("client       %s\nupstream     %s (%s)\n", client->name, upstream->name,
                 upstream->url);
    if (normalise_target(arena, upstream, request, &target) != RESULT_OK) {
        (void)puts("url          refused: 400, it can be read in more than one way");
        return;
    }
    const struct bytes plain_path = normalise_plain_path(upstream, target.path);
    const struct cache_rule rule =
        rules_apply(configuration, upstream, plain_path, target.query, arena);
    const bool allowed = permissions_allow(client, request->method_text, target.path) ||
                         permissions_allow(client, request->method_text, plain_path);
    (void)printf("url          %.*s\npermission   %s\n", (int)target.url.length, target.url.data,
                 allowed ? "allowed" : "refused: 403");
    if (!http_method_is_safe(request->method)) {
        (void)puts("invalidates  account: every stored answer of it");
        (void)printf("settle       %g s\n", rule.settle_us > 0 ? (double)rule.settle_us / 1e6 : 0);
        return;
    }
    say_read(configuration, &rule);
    if (rule.store)
        say_tags(plain_path);
}

static int explain(const struct question *question, const struct configuration *configuration)
{
    const struct client_config *client = client_of(configuration, question->client);
    struct bytes authority;
    struct arena arena;
    struct request request = {.method_text = bytes_of_string(question->method)};

    if (client == NULL)
        return CLI_WRONG;
    arena_init(&arena, 4096);
    request.method = http_method_of(request.method_text);
    int code = CLI_DONE;
    if (!http_is_token(request.method_text) ||
        target_origin_form(&arena, bytes_of_string(question->url), &request.target, &authority) !=
            RESULT_OK) {
        (void)fprintf(
            stderr, "postern explain: %s %s is no request: write GET /path?query or a whole URL\n",
            question->method, question->url);
        code = CLI_WRONG;
    } else {
        say(configuration, &configuration->upstreams[client->upstream], client, &request, &arena);
    }
    arena_finish(&arena);
    return code;
}

int cli_explain(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"client", required_argument, NULL, 'n'},
                                            {0}};
    struct configuration *configuration;
    struct question question = {0};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(usage, stdout);
            return CLI_DONE;
        }
        if (option == 'c')
            question.config = optarg;
        else if (option == 'n')
            question.client = optarg;
        else
            return CLI_WRONG;
    }
    if (argc - optind != 2) {
        (void)fputs(usage, stderr);
        return CLI_WRONG;
    }
    question.method = argv[optind];
    question.url = argv[optind + 1];
    int code = configured_read(question.config, &configuration);
    if (code != CLI_DONE)
        return code;
    code = explain(&question, configuration);
    configuration_release(configuration);
    return code;
}
