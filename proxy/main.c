/* Names the sub-commands, nothing more. */
#include <stdio.h>
#include <string.h>

#include "base/result.h"
#include "cli/cli.h"

static const char usage[] =
    "usage: postern COMMAND [OPTIONS]\n"
    "\n"
    "A caching gateway: many apps, one token-protected, rate-limited REST API.\n"
    "\n"
    "  run         serves; `run --sandbox` before a simulated API of its own\n"
    "  sandbox     the simulated API alone\n"
    "  check       says every fault of the configuration\n"
    "  explain     how the gate sees a request\n"
    "  client      adds, lists, disables, rotates and removes clients\n"
    "  identity    asks the API whose token this is\n"
    "  login       gets a token from the API by OAuth\n"
    "  status      what a running gate does\n"
    "  purge       makes a running gate forget stored answers\n"
    "  why         what a running gate knows of a URL\n"
    "  top         who spends the upstream's calls, again and again\n"
    "\n"
    "  --help      also after a command\n"
    "  --version\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", cli_run},         {"sandbox", cli_sandbox}, {"check", cli_check},
    {"explain", cli_explain}, {"client", cli_client},   {"identity", cli_identity},
    {"status", cli_status},   {"purge", cli_purge},     {"why", cli_why},
    {"login", cli_login},     {"top", cli_top},
};

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";

    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (strcmp(name, "--version") == 0) {
        (void)printf("postern %s\n", POSTERN_VERSION);
        return CLI_DONE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
        (void)fputs(usage, stdout);
        return argc > 1 ? CLI_DONE : CLI_WRONG;
    }
    (void)fprintf(stderr, "postern: there is no command %s; see postern --help\n", name);
    return CLI_WRONG;
}
