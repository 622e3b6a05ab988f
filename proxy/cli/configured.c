/* Finding, reading and complaining about configurations. */
#include "cli/configured.h"

#include <limits.h>
#include <stdio.h>

#include "cli/cli.h"

void configured_say_fault(const char *path, const struct error *fault)
{
    if (fault->line == 0)
        (void)fprintf(stderr, "%s\n", fault->text);
    else if (fault->pointer[0] == '\0')
        (void)fprintf(stderr, "%s:%u: %s\n", path, fault->line, fault->text);
    else
        (void)fprintf(stderr, "%s:%u: %s: %s\n", path, fault->line, fault->pointer, fault->text);
}

int configured_say_faults(const char *path, struct faults *faults)
{
    for (size_t i = 0; i < faults->count; i++)
        configured_say_fault(path, &faults->list[i]);
    faults_finish(faults);
    return CLI_WRONG;
}

int configured_read(const char *option, struct configuration **configuration)
{
    char path[PATH_MAX];
    struct faults faults = {0};

    if (configuration_find(option, path, sizeof(path)) != RESULT_OK) {
        (void)fputs("postern: there is no configuration: write conf/postern.json or "
                    "/etc/postern/postern.json, or name "
                    "one with --config\n",
                    stderr);
        return CLI_WRONG;
    }
    if (configuration_read_file(path, configuration, &faults) != RESULT_OK)
        return configured_say_faults(path, &faults);
    faults_finish(&faults);
    return CLI_DONE;
}

int configured_read_text(struct bytes text, struct configuration **configuration)
{
    struct faults faults = {0};

    if (configuration_read_text(text, ".", configuration, &faults) != RESULT_OK)
        return configured_say_faults("options", &faults);
    faults_finish(&faults);
    return CLI_DONE;
}

const struct upstream_config *configured_upstream(const struct configuration *configuration,
                                                  const char *name)
{
    for (size_t i = 0; i < configuration->upstream_count; i++)
        if (name != NULL && strcmp(configuration->upstreams[i].name, name) == 0)
            return &configuration->upstreams[i];
    if (name == NULL && configuration->upstream_count == 1)
        return &configuration->upstreams[0];
    if (name != NULL)
        (void)fprintf(stderr, "postern: the configuration has no upstream %s\n", name);
    else
        (void)fputs("postern: the configuration has several upstreams: name one\n", stderr);
    return NULL;
}
