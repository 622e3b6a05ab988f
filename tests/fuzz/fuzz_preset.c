/*
 * Any text is a preset or has faults; and of what is accepted every rule keeps what entities.h
 * promises to those who look rules up and name tags by them. The text's first line is a path that
 * is then looked up.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/entities.h"
#include "config/read.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_template(const struct entities *entities, const struct path_template *template)
{
    require(template->count > 0 && template->count <= TEMPLATE_SEGMENTS_LIMIT);
    for (size_t i = 0; i < template->count; i++) {
        require(template->segments[i].text.length > 0);
        require(template->segments[i].kind == KIND_NONE ||
                (size_t) template->segments[i].kind < entities->kind_count);
    }
}

static void check_read(const struct entities *entities, const struct read_rule *rule)
{
    check_template(entities, &rule->path);
    for (size_t i = 0; i < rule->also_count; i++)
        check_template(entities, &rule->also[i]);
    for (size_t i = 0; i < rule->shown_count; i++) {
        const struct shown_rule *shown = &rule->shown[i];

        require(shown->path.count > 0);
        require((shown->kind == KIND_NONE) == (shown->kind_member.length > 0));
        require(shown->kind != KIND_NONE || !shown->identity);
        for (size_t k = 0; k < shown->path.count; k++)
            require(shown->path.steps[k].name.data[shown->path.steps[k].name.length] == '\0');
    }
}

static void check_change(const struct entities *entities, const struct write_rule *rule,
                         const struct change *change)
{
    require(change->account || (change->count > 0 && change->count <= TEMPLATE_SEGMENTS_LIMIT));
    for (size_t i = 0; i < change->count; i++) {
        const struct change_segment *value = &change->segments[i];

        if (value->source == VALUE_PATH || value->source == VALUE_RELATED)
            require(value->position < rule->path.count &&
                    rule->path.segments[value->position].placeholder);
        else
            require((value->source == VALUE_LITERAL) == (value->kind == KIND_NONE));
        if (value->source == VALUE_RELATED)
            require(kind_is_below(entities, value->of_kind, value->kind));
    }
    require(change->at_kind == KIND_NONE || change->at.kind == change->at_kind);
}

static void check_write(const struct entities *entities, const struct write_rule *rule)
{
    check_template(entities, &rule->path);
    require(rule->method_count > 0 && rule->text.data[rule->text.length] == '\0');
    require(rule->fields == NULL || rule->fields->count <= 1);
    for (size_t i = 0; i < rule->change_count; i++)
        check_change(entities, rule, &rule->changes[i]);
}

static void check_entities(const struct entities *entities, struct bytes plain_path)
{
    struct path_segments path;
    struct arena arena;
    const struct write_rule *rules[2];

    for (size_t i = 0; i < entities->read_count; i++)
        check_read(entities, &entities->reads[i]);
    for (size_t i = 0; i < entities->write_count; i++)
        check_write(entities, &entities->writes[i]);
    for (size_t i = 0; i < entities->at_count; i++)
        require(kind_is_below(entities, entities->ats[i].kind, entities->ats[i].ancestor));
    arena_init(&arena, 1024);
    path_canonical(entities, &arena, plain_path, &path);
    require(path.count <= PATH_SEGMENTS_LIMIT);
    (void)entities_read_rule(entities, &path);
    require(entities_write_rules(entities, BYTES("PUT"), &path, rules, 2) <= 2);
    arena_finish(&arena);
}

/* A file without a name that holds the text, and a configuration that names it. */
static int preset_file(struct bytes text, char configuration[128])
{
    const int fd = memfd_create("preset", MFD_CLOEXEC);

    require(fd != -1 && write(fd, text.data, text.length) == (ssize_t)text.length);
    (void)snprintf(configuration, 128,
                   "{\"upstreams\": {\"u\": {\"url\": \"https://x\","
                   "\"preset\": \"/proc/self/fd/%d\"}}}",
                   fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size);
    const struct bytes path = bytes_cut(&text, '\n');
    struct configuration *read = NULL;
    struct faults faults;
    char configuration[128];

    if (text.length == 0)
        return 0;
    const int fd = preset_file(text, configuration);
    if (configuration_read_text(bytes_of_string(configuration), "/", &read, &faults) != RESULT_OK)
        require(faults.count > 0);
    else if (read->upstreams[0].preset->entities != NULL)
        check_entities(read->upstreams[0].preset->entities, path);
    configuration_release(read);
    faults_finish(&faults);
    require(close(fd) == 0);
    return 0;
}
