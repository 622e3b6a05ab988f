/* `postern status` and `postern purge`: a running gate, asked through its admin address. */
#include <cJSON.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/admin_call.h"
#include "cli/cli.h"
#include "cli/configured.h"
#include "cli/told.h"
#include "http/json.h"

static const char status_usage[] = "usage: postern status [--json] [--config FILE]\n"
                                   "\n"
                                   "What the running gate of this configuration does.\n";

static const char purge_usage[] =
    "usage: postern purge (--all | --path PATH | --tag TAG | --entity ENTITY) [--config FILE]\n"
    "\n"
    "Makes the running gate of this configuration forget stored answers.\n"
    "\n"
    "  --all            all of them\n"
    "  --path PATH      those at /profile/456 and below, in every version, and those that show it\n"
    "  --tag TAG        the same, written profile/456\n"
    "  --entity ENTITY  all that a change of profile/456, made elsewhere, could have changed\n";

static void say_upstreams(const cJSON *status)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(status, "upstreams"))
    {
        char room[TOLD_TEXT_ROOM], account_room[TOLD_TEXT_ROOM], budget[TOLD_TEXT_ROOM] = "";
        const char *account = told_text(item, "account", account_room);

        told_add_budget(cJSON_GetObjectItemCaseSensitive(item, "budget"), budget, sizeof(budget));
        (void)printf("upstream %s: account %s, %.0f calls under way, %.0f wait%s\n",
                     told_text(item, "name", room), account[0] == '\0' ? "not known yet" : account,
                     told_number(item, "under_way"), told_number(item, "queued"), budget);
    }
}

static void say_clients(const cJSON *status)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(status, "clients"))
    {
        char room[TOLD_TEXT_ROOM];
        const char *name = told_text(item, "name", room);
        const double queued = told_number(item, "queued");

        (void)printf("client %s: %.0f requests, %.0f hits, %.0f calls, %.0f saved, %.0f refused",
                     name[0] == '\0' ? "(not identified)" : name, told_number(item, "requests"),
                     told_number(item, "hits"), told_number(item, "calls"),
                     told_number(item, "saved"), told_number(item, "refused"));
        if (queued > 0)
            (void)printf(", %.0f waited %.0f ms on average", queued,
                         told_number(item, "queue_us") / queued / 1000);
        (void)putchar('\n');
    }
}

static void say_status(const cJSON *status)
{
    const cJSON *cache = cJSON_GetObjectItemCaseSensitive(status, "cache");
    const cJSON *audit = cJSON_GetObjectItemCaseSensitive(status, "audit");
    char room[TOLD_TEXT_ROOM];

    (void)printf("postern %s, up %.0f s, %.0f workers, %.0f clients%s\n",
                 told_text(status, "version", room), told_number(status, "uptime_s"),
                 told_number(status, "workers"), told_number(status, "configured_clients"),
                 cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(status, "draining")) ? ", draining"
                                                                                    : "");
    (void)printf("requests %.0f, upstream calls %.0f, calls saved %.0f\n",
                 told_number(status, "requests"), told_number(status, "upstream_calls"),
                 told_number(status, "calls_saved"));
    say_upstreams(status);
    say_clients(status);
    (void)printf(
        "cache: %.0f entries, %.0f of %.0f bytes, %.0f invalidations, %.0f evictions%s\n",
        told_number(cache, "entries"), told_number(cache, "bytes"), told_number(cache, "max_bytes"),
        told_number(cache, "invalidations"), told_number(cache, "evictions"),
        cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(cache, "usable")) ? ", OUT OF USE" : "");
    if (cJSON_IsObject(audit))
        (void)printf("audit: %.0f records%s\n", told_number(audit, "records"),
                     cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(audit, "failing")) ? ", FAILING"
                                                                                      : "");
}

int cli_status(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};
    struct configuration *configuration;
    const char *config = NULL;
    bool json = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(status_usage, stdout);
            return CLI_DONE;
        }
        if (option == 'c')
            config = optarg;
        else if (option == 'j')
            json = true;
        else
            return CLI_WRONG;
    }
    if (optind < argc) {
        (void)fprintf(stderr, "postern status: \"%s\" is too much: see --help\n", argv[optind]);
        return CLI_WRONG;
    }
    int code = configured_read(config, &configuration);
    if (code != CLI_DONE)
        return code;
    code = admin_show(configuration, "/api/status", json, say_status);
    configuration_release(configuration);
    return code;
}

static int purge(const struct configuration *configuration, const char *member, const char *value)
{
    struct buffer answer;
    struct arena arena;

    arena_init(&arena, 1024);
    buffer_init(&answer, ADMIN_ANSWER_LIMIT_BYTES);
    const struct bytes text =
        value == NULL ? BYTES("true") : json_string(&arena, bytes_of_string(value));
    const struct bytes body =
        arena_format(&arena, "{\"%s\":%.*s}", member, (int)text.length, text.data);
    const int code = admin_call(configuration, "/api/purge", body.data, &answer);
    if (code == CLI_DONE)
        (void)puts("purged");
    buffer_finish(&answer);
    arena_finish(&arena);
    return code;
}

int cli_purge(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"path", required_argument, NULL, 'p'},
                                            {"tag", required_argument, NULL, 't'},
                                            {"entity", required_argument, NULL, 'e'},
                                            {0}};
    struct configuration *configuration;
    const char *config = NULL, *member = NULL, *value = NULL;
    int option, wanted = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(purge_usage, stdout);
            return CLI_DONE;
        }
        if (option == '?')
            return CLI_WRONG;
        if (option == 'c') {
            config = optarg;
            continue;
        }
        wanted++;
        member = option == 'a' ? "all" : option == 'p' ? "path" : option == 'e' ? "entity" : "tag";
        value = optarg;
    }
    if (wanted != 1 || optind < argc) {
        (void)fputs(purge_usage, stderr);
        return CLI_WRONG;
    }
    int code = configured_read(config, &configuration);
    if (code != CLI_DONE)
        return code;
    code = purge(configuration, member, value);
    configuration_release(configuration);
    return code;
}
