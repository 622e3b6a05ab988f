/* `postern explain`: how the gate sees a request. Nothing is sent, no token is read. */
#include <getopt.h>
#include <stdio.h>

#include "cache/changed.h"
#include "cache/shown.h"
#include "cli/cli.h"
#include "cli/configured.h"
#include "config/rules.h"
#include "gateway/normalise.h"

static const char usage[] =
    "usage: postern explain METHOD URL [--body BODY] [--type TYPE] [--client NAME] [--config "
    "FILE]\n"
    "\n"
    "Says how the gate sees a request: client, normalised URL, permission, rule, ttl, tags;\n"
    "for a write, what it invalidates. Nothing is sent.\n"
    "\n"
    "  --body BODY    a write's body, {\"country\":\"NL\"}\n"
    "  --type TYPE    its Content-Type, application/json without it\n"
    "  --client NAME  as that client; without it the first, or \"local\"\n"
    "  --config FILE  the configuration; without it the usual places\n";

struct question {
    const char *config, *client, *method, *url;
    const char *body; /* NULL: not said */
    const char *type;
};

/* What is asked. */
struct asked {
    const struct configuration *configuration;
    const struct client_config *client;
    struct request request;
    struct bytes body;
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

static void say_texts(const char *name, const struct bytes *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)printf("%-12s %.*s\n", i == 0 ? name : "", (int)texts[i].length, texts[i].data);
}

static void say_widened(unsigned widened)
{
    for (unsigned why = 0; why < WIDENINGS; why++)
        if ((widened >> why & 1) != 0)
            (void)printf("wider by     %s\n", widening_name((enum widening)why));
}

/* The tags of cache/tags.h that an answer would carry, but for what its body shows. */
static void say_tags(const struct upstream_config *upstream, struct bytes plain_path,
                     struct bytes query, struct arena *arena)
{
    const struct shown_question question = {
        .preset = upstream->preset, .path = plain_path, .query = query, .body = BYTES("null")};
    struct path_segments segments;
    struct shown shown;

    if (upstream->preset != NULL && upstream->preset->entities != NULL) {
        path_canonical(upstream->preset->entities, arena, plain_path, &segments);
        const struct read_rule *rule = entities_read_rule(upstream->preset->entities, &segments);
        if (rule != NULL)
            (void)printf("read         %.*s\n", (int)rule->path.text.length, rule->path.text.data);
    }
    shown_by_answer(&question, arena, &shown);
    say_texts("tags", shown.texts, shown.tags.count);
    (void)puts("             and those of what its body shows");
    say_widened(shown.widened & ~(1U << WIDENED_BODY_UNREADABLE));
}

static void say_write(const struct changed_question *question, int64_t settle_us,
                      struct arena *arena)
{
    struct changed changed;

    changed_by_request(question, arena, &changed);
    if (changed.rule != NULL)
        (void)printf("rule         %.*s\n", (int)changed.rule->text.length,
                     changed.rule->text.data);
    else
        (void)puts("rule         none matches");
    say_texts("invalidates", changed.texts, changed.tags.count);
    if (changed.rule != NULL)
        (void)puts("             and what the answer's Location and ids name; relations that the "
                   "running gate knows make * narrower");
    say_widened(changed.widened);
    if (changed.settle_us > settle_us)
        settle_us = changed.settle_us;
    (void)printf("settle       %g s\n", settle_us > 0 ? (double)settle_us / 1e6 : 0);
}

static void say_url(const struct upstream_config *upstream, const struct normalised *normalised)
{
    const struct bytes at_gate = normalised->at_gate.url, url = normalised->target.url;

    (void)printf("upstream     %s (%s)\nurl          %.*s\n", upstream->name, upstream->url,
                 (int)at_gate.length, at_gate.data);
    if (normalised->route.prefix.length > 0)
        (void)printf("goes up as   %.*s\n", (int)url.length, url.data);
}

static void say(const struct asked *asked, struct arena *arena)
{
    const struct configuration *configuration = asked->configuration;
    const struct client_config *client = asked->client;
    const struct request *request = &asked->request;
    struct normalised normalised;

    (void)printf("client       %s\n", client->name);
    const enum result result =
        normalise_request(arena, configuration, client, request, &normalised);
    if (result != RESULT_OK) {
        (void)printf("url          refused: %s\n",
                     result == RESULT_MISSING ? "404, no upstream serves that path"
                                              : "400, it can be read in more than one way");
        return;
    }
    const struct upstream_config *upstream = &configuration->upstreams[normalised.route.upstream];
    const struct bytes plain_path = normalised.plain_path;
    const struct cache_rule rule =
        rules_apply(configuration, upstream, plain_path, normalised.target.query, arena);
    const struct path_readings readings = normalise_readings(
        arena, upstream, normalised.at_gate.path, normalised.route.prefix, plain_path);
    const bool allowed = permissions_allow(client, request->method_text, &readings);

    say_url(upstream, &normalised);
    (void)printf("permission   %s\n", allowed ? "allowed" : "refused: 403");
    if (!http_method_is_safe(request->method)) {
        const struct changed_question question = {
            .preset = upstream->preset,
            .unmatched_by_path = configuration->unmatched_writes == UNMATCHED_PATH,
            .method = request->method_text,
            .path = plain_path,
            .request = &request->fields,
            .body = asked->body};

        say_write(&question, rule.settle_us, arena);
        return;
    }
    say_read(configuration, &rule);
    if (rule.store)
        say_tags(upstream, plain_path, normalised.target.query, arena);
}

/* The body as the question says it: no --body is a body that nobody knows. */
static void ask_body(struct asked *asked, const struct question *question, struct arena *arena)
{
    if (question->body == NULL)
        return;
    asked->body = bytes_of_string(question->body);
    fields_add(&asked->request.fields, arena, BYTES("Content-Type"),
               bytes_of_string(question->type));
}

static int explain(const struct question *question, const struct configuration *configuration)
{
    struct asked asked = {.configuration = configuration,
                          .client = client_of(configuration, question->client),
                          .request = {.method_text = bytes_of_string(question->method)}};
    struct bytes authority;
    struct arena arena;

    if (asked.client == NULL)
        return CLI_WRONG;
    arena_init(&arena, 4096);
    asked.request.method = http_method_of(asked.request.method_text);
    int code = CLI_DONE;
    if (!http_is_token(asked.request.method_text) ||
        target_origin_form(&arena, bytes_of_string(question->url), &asked.request.target,
                           &authority) != RESULT_OK) {
        (void)fprintf(
            stderr, "postern explain: %s %s is no request: write GET /path?query or a whole URL\n",
            question->method, question->url);
        code = CLI_WRONG;
    } else {
        ask_body(&asked, question, &arena);
        say(&asked, &arena);
    }
    arena_finish(&arena);
    return code;
}

int cli_explain(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},         {"config", required_argument, NULL, 'c'},
        {"client", required_argument, NULL, 'n'}, {"body", required_argument, NULL, 'b'},
        {"type", required_argument, NULL, 't'},   {0}};
    struct configuration *configuration;
    struct question question = {.type = "application/json"};
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
        else if (option == 'b')
            question.body = optarg;
        else if (option == 't')
            question.type = optarg;
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
