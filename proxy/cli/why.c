/* `postern why URL`: what a running gate knows of one URL, through its admin address. */
#include <cJSON.h>
#include <getopt.h>
#include <stdio.h>

#include "cli/admin_call.h"
#include "cli/cli.h"
#include "cli/configured.h"
#include "cli/told.h"
#include "http/uri.h"

static const char usage[] =
    "usage: postern why URL [--client NAME] [--accept TYPE] [--json] [--config FILE]\n"
    "\n"
    "Of the running gate: until when the answer is fresh, and its tags; or when it went, and by\n"
    "which write (the last invalidations are remembered).\n"
    "\n"
    "  --client NAME  as that client's upstream; without it the first's\n"
    "  --accept TYPE  the request's Accept field; without it the usual ones are tried\n"
    "  --json         as JSON\n";

struct question {
    const char *config, *url, *client, *accept;
    bool json;
};

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return text == NULL ? "" : text;
}

static void say_memory(const char *label, const cJSON *memory)
{
    if (memory == NULL)
        return;
    (void)printf("%-12s %s, %s %s (%s)", label, text_of(memory, "time"), text_of(memory, "method"),
                 text_of(memory, "url"), text_of(memory, "rule"));
    if (text_of(memory, "client")[0] != '\0')
        (void)printf(" of %s, id %s", text_of(memory, "client"), text_of(memory, "id"));
    (void)printf("; %.0f entries went\n", told_number(memory, "entries_gone"));
}

static void say(const cJSON *told)
{
    const cJSON *tag;
    bool first = true;

    (void)printf("url          %s\nupstream     %s\nstate        %s\n", text_of(told, "url"),
                 text_of(told, "upstream"), text_of(told, "state"));
    if (cJSON_HasObjectItem(told, "fresh_for_s"))
        (void)printf("fresh for    %.0f s\nage          %.0f s\nstored       status %.0f, %.0f "
                     "bytes\n",
                     told_number(told, "fresh_for_s"), told_number(told, "age_s"),
                     told_number(told, "status"), told_number(told, "bytes"));
    say_memory("went by", cJSON_GetObjectItemCaseSensitive(told, "went_by"));
    say_memory("last named", cJSON_GetObjectItemCaseSensitive(told, "last_named_by"));
    cJSON_ArrayForEach(tag, cJSON_GetObjectItemCaseSensitive(told, "tags"))
    {
        (void)printf("%-12s %s\n", first ? "tags" : "", tag->valuestring);
        first = false;
    }
}

static struct bytes why_path(const struct question *question, struct arena *arena)
{
    struct bytes path = arena_join(arena, BYTES("/api/why?url="),
                                   uri_encode(arena, bytes_of_string(question->url)));

    if (question->client != NULL)
        path = arena_join(arena, arena_join(arena, path, BYTES("&client=")),
                          uri_encode(arena, bytes_of_string(question->client)));
    if (question->accept != NULL)
        path = arena_join(arena, arena_join(arena, path, BYTES("&accept=")),
                          uri_encode(arena, bytes_of_string(question->accept)));
    return path;
}

static int why(const struct configuration *configuration, const struct question *question)
{
    struct arena arena;

    arena_init(&arena, 4096);
    const int code =
        admin_show(configuration, why_path(question, &arena).data, question->json, say);
    arena_finish(&arena);
    return code;
}

static int why_options(int argc, char **argv, struct question *question)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},         {"config", required_argument, NULL, 'c'},
        {"client", required_argument, NULL, 'n'}, {"accept", required_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'j'},         {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'c':
            question->config = optarg;
            break;
        case 'n':
            question->client = optarg;
            break;
        case 'a':
            question->accept = optarg;
            break;
        case 'j':
            question->json = true;
            break;
        default:
            return option;
        }
    return 0;
}

int cli_why(int argc, char **argv)
{
    struct configuration *configuration;
    struct question question = {0};
    const int option = why_options(argc, argv, &question);

    if (option == 'h') {
        (void)fputs(usage, stdout);
        return CLI_DONE;
    }
    if (option != 0 || argc - optind != 1) {
        (void)fputs(usage, stderr);
        return CLI_WRONG;
    }
    question.url = argv[optind];
    int code = configured_read(question.config, &configuration);
    if (code != CLI_DONE)
        return code;
    code = why(configuration, &question);
    configuration_release(configuration);
    return code;
}
