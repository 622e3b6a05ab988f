/* For tests of what answers show and writes change: a small preset, and sets of texts. */
#ifndef TESTS_UNIT_CACHE_PRESETTING_H
#define TESTS_UNIT_CACHE_PRESETTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "config/read.h"

static const char small_preset[] =
    "{\"version_prefixes\": [\"v2\"], \"created_field\": \"X-Created\","
    " \"superfluous_segments\": true,"
    " \"touched_fields\": [\"modified\"],"
    " \"kinds\": {\"database\": {}, \"profile\": {\"parents\": [\"database\"]},"
    "  \"view\": {\"parents\": [\"database\"]}, \"rule\": {\"parents\": [\"view\"]},"
    "  \"file\": {\"ids\": \"opaque\"}},"
    " \"equivalents\": [{\"path\": \"/html\", \"as\": \"/publisher\"}],"
    " \"reads\": ["
    "  {\"path\": \"/databases\", \"shows\": [\"data[].ID=>database\"]},"
    "  {\"path\": \"/database/{database}\", \"shows\": [\"ID=>database\"]},"
    "  {\"path\": \"/database/{database}/profiles\","
    "   \"shows\": [\"data[].ID=>profile\", \"data[].database~>database\"],"
    "   \"list\": {\"filters\": \"fields\", \"order\": \"orderby\", \"neutral\": [\"limit\"],"
    "    \"complete\": {\"start\": \"start\", \"count\": \"count\", \"total\": \"total\"}}},"
    "  {\"path\": \"/database/{database}/profileids\", \"shows\": [\"[]=>profile\"]},"
    "  {\"path\": \"/profile/{profile}\","
    "   \"shows\": [\"ID=>profile\", \"database~>database\"]},"
    "  {\"path\": \"/profile/{profile}/fields\"},"
    "  {\"path\": \"/view/{view}\", \"shows\": [\"ID=>view\", \"parent-id~>{parent-type}\"]},"
    "  {\"path\": \"/view/{view}/profiles\", \"shows\": [\"data[].ID=>profile\"]},"
    "  {\"path\": \"/view/{view}/rule/{rule}\", \"shows\": [\"ID=>rule\", \"view~>view\"],"
    "   \"also\": [\"/rule/{rule}\"]},"
    "  {\"path\": \"/publisher/file/{file}\"}],"
    " \"writes\": ["
    "  {\"methods\": [\"PUT\", \"POST\"], \"path\": \"/profile/{profile}/fields\","
    "   \"changes\": [\"=profile/{profile}\", \"profile/{profile}/fields\","
    "    \"database/{database@profile}/profiles\", "
    "\"view/*/profiles@database/{database@profile}\"],"
    "   \"fields\": \"body\"},"
    "  {\"methods\": [\"PUT\"], \"path\": \"/profile/{profile}\","
    "   \"changes\": [\"profile/{profile}\", \"database/{database@profile}/profiles\"],"
    "   \"fields\": \"body.fields\"},"
    "  {\"methods\": [\"DELETE\"], \"path\": \"/profile/{profile}\","
    "   \"changes\": [\"profile/{profile}\", \"~profile/{profile}\","
    "    \"database/{database@profile}/profiles\"], \"removes\": true},"
    "  {\"methods\": [\"PUT\"], \"path\": \"/database/{database}\","
    "   \"changes\": [\"database/{database}\", \"rule/*@database/{database}\"]},"
    "  {\"methods\": [\"PUT\"], \"path\": \"/database/{database}\", \"only\": [\"description\"],"
    "   \"changes\": [\"=database/{database}\", \"databases\"]},"
    "  {\"methods\": [\"POST\"], \"path\": \"/database/{database}/profiles\","
    "   \"changes\": [\"database/{database}/profiles\"], \"creates\": \"profile\"},"
    "  {\"methods\": [\"POST\"], \"path\": \"/database/{database}/copy\", \"settle\": \"5m\","
    "   \"changes\": [\"databases\", \"view/*@database/{header.X-Created}\"]},"
    "  {\"methods\": [\"DELETE\"], \"path\": \"/database/{database}/profiles\","
    "   \"changes\": [\"profile/{body.profiles[]}\"]},"
    "  {\"methods\": [\"PUT\"], \"path\": \"/view/{view}\", \"moves\": true,"
    "   \"changes\": [\"view/{view}\", \"view/*@database/{database@view}\"]},"
    "  {\"methods\": [\"DELETE\"], \"path\": \"/database/{database}\","
    "   \"changes\": [\"account\"]}]}";

/* The small preset, in a configuration that is to be released. */
static inline const struct preset *small_preset_read(struct configuration **configuration)
{
    char path[] = "/tmp/postern-preset-XXXXXX", text[256];
    struct faults faults = {0};
    const int fd = mkstemp(path);

    assert_true(fd != -1);
    assert_int_equal(write(fd, small_preset, strlen(small_preset)), strlen(small_preset));
    assert_int_equal(close(fd), 0);
    (void)snprintf(text, sizeof(text),
                   "{\"upstreams\": {\"u\": {\"url\": \"https://x\", \"preset\": \"%s\"}}}", path);
    if (configuration_read_text(bytes_of_string(text), "/nowhere", configuration, &faults) !=
        RESULT_OK)
        fail_msg("%s: %s", faults.list[0].pointer, faults.list[0].text);
    faults_finish(&faults);
    assert_int_equal(unlink(path), 0);
    return (*configuration)->upstreams[0].preset;
}

static inline int text_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All texts, sorted, with a space between; in the arena. */
static inline const char *texts_sorted(struct arena *arena, const struct bytes *texts, size_t count)
{
    const char **list = arena_take(arena, (count + 1) * sizeof(*list));
    struct bytes joined = BYTES("");

    for (size_t i = 0; i < count; i++)
        list[i] = arena_copy(arena, texts[i]).data;
    qsort(list, count, sizeof(*list), text_compare);
    for (size_t i = 0; i < count; i++)
        joined =
            arena_format(arena, "%s%s%s", i == 0 ? "" : joined.data, i == 0 ? "" : " ", list[i]);
    return joined.length == 0 ? "" : joined.data;
}

#endif
