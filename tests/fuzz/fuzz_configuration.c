/*
 * Any text is a configuration or has faults, each with a text and a line in the file; what is
 * accepted keeps its promises; a client put into text is really in it, and a value taken out of it
 * is out of it.
 */
#include <stdlib.h>

#include "config/edit.h"
#include "config/read.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_faults(const struct faults *faults)
{
    require(faults->count > 0);
    for (size_t i = 0; i < faults->count; i++) {
        require(faults->list[i].text[0] != '\0');
        require(faults->list[i].line > 0);
        require(i == 0 || faults->list[i].line >= faults->list[i - 1].line);
    }
}

static void check_configuration(const struct configuration *configuration)
{
    require(configuration->listen_count > 0 && configuration->workers > 0);
    require(configuration->upstream_count > 0);
    require(configuration->cache_max_object_bytes <= configuration->cache_max_bytes / 4);
    for (size_t i = 0; i < configuration->upstream_count; i++) {
        const struct upstream_config *upstream = &configuration->upstreams[i];
        const struct injection *inject = &upstream->inject;

        require(upstream->authority.length > 0 && upstream->total_timeout_us > 0);
        require(!upstream->has_token || (inject->query == NULL) != (inject->header == NULL));
    }
    for (size_t i = 0; i < configuration->client_count; i++)
        require(configuration->clients[i].upstream < configuration->upstream_count);
}

static void check_insertion(struct bytes text)
{
    static const struct bytes client = {"{\"name\":\"q\"}", 12};
    struct source before, after;
    struct buffer out;

    buffer_init(&out, 2 * text.length + 1024);
    if (source_read(&before, text, NULL) == RESULT_OK &&
        edit_add_client(&before, text, client, &out) == RESULT_OK) {
        require(source_read(&after, buffer_bytes(&out), NULL) == RESULT_OK);
        require(after.count > before.count);
        source_finish(&after);
    }
    source_finish(&before);
    buffer_finish(&out);
}

static void check_removal(struct bytes text)
{
    struct source before, after;
    struct buffer out;

    buffer_init(&out, text.length + 1);
    if (source_read(&before, text, NULL) == RESULT_OK && before.count > 1) {
        const cJSON *item = before.places[1 + text.length % (before.count - 1)].item;

        require(edit_remove(&before, text, item, &out) == RESULT_OK);
        require(source_read(&after, buffer_bytes(&out), NULL) == RESULT_OK);
        require(after.count < before.count);
        source_finish(&after);
    }
    source_finish(&before);
    buffer_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes text = bytes_of(data, size);
    struct configuration *configuration = NULL;
    struct faults faults;

    if (configuration_read_text(text, "/nonexistent", &configuration, &faults) == RESULT_OK)
        check_configuration(configuration);
    else
        check_faults(&faults);
    configuration_release(configuration);
    faults_finish(&faults);
    check_insertion(text);
    check_removal(text);
    return 0;
}
