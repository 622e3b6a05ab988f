/*
 * The cache's bounds and rules. Rules read here are the operator's and, for preset.c, a preset's.
 * Which of them decides for a request is config/rules.c's business.
 */
#include <assert.h>

#include "config/blocks.h"

enum { CACHE_MINIMUM_BYTES = 1024 * 1024, OBJECTS_AT_LEAST = 4 };

static const char *const unmatched[] = {"account", "path", NULL};

static_assert(UNMATCHED_ACCOUNT == 0 && UNMATCHED_PATH == 1, "unmatched[] follows the enum");

static void rule_match(struct reader *reader, const cJSON *item, const struct member *member,
                       void *into)
{
    struct cache_rule *rule = into;

    (void)member;
    if (block_pattern(reader, item, &rule->match))
        rule->match_text =
            arena_copy(&reader->configuration->arena, bytes_of_string(item->valuestring));
}

/* "orderby=random" or "report". */
static void rule_parameter(struct reader *reader, const cJSON *item, const struct member *member,
                           void *into)
{
    struct cache_rule *rule = into;
    const char *text = reader_string(reader, item, "\"name\" or \"name=value\"");

    (void)member;
    if (text == NULL)
        return;
    struct bytes value = bytes_of_string(text);
    const bool any_value = bytes_index(value, '=') == value.length;
    const struct bytes name = bytes_cut(&value, '=');
    rule->parameter =
        (struct parameter_condition){.name = name, .value = value, .any_value = any_value};
    if (name.length == 0)
        reader_fault(reader, item, "expects a parameter's name before the =");
}

static const struct member rule_members[] = {
    {.name = "match", .read = rule_match, .required = true},
    {.name = "parameter", .read = rule_parameter},
    {.name = "ttl", .read = reader_duration, .offset = offsetof(struct cache_rule, ttl_us)},
    {.name = "negative_ttl",
     .read = reader_duration,
     .offset = offsetof(struct cache_rule, negative_ttl_us)},
    {.name = "settle", .read = reader_duration, .offset = offsetof(struct cache_rule, settle_us)},
    {.name = "override", .read = reader_flag, .offset = offsetof(struct cache_rule, override)},
    {.name = "store", .read = reader_flag, .offset = offsetof(struct cache_rule, store)},
};

static void rule_read(struct reader *reader, const cJSON *item, struct cache_rule *rule)
{
    *rule =
        (struct cache_rule){.ttl_us = -1, .negative_ttl_us = -1, .settle_us = -1, .store = true};
    if (!reader_members(reader, item, rule_members, ARRAY_LENGTH(rule_members), rule))
        return;
    rule->store_said = reader_member(item, "store") != NULL;
    if (reader_member(item, "override") != NULL && reader_member(item, "ttl") == NULL)
        reader_fault(reader, item, "\"override\" needs a \"ttl\" beside it");
    if (reader_member(item, "ttl") == NULL && reader_member(item, "negative_ttl") == NULL &&
        reader_member(item, "settle") == NULL && reader_member(item, "store") == NULL)
        reader_fault(reader, item,
                     "decides nothing: add \"ttl\", \"negative_ttl\", \"settle\" or \"store\"");
}

void cache_rules_read(struct reader *reader, const cJSON *item, const struct cache_rule **rules,
                      size_t *count)
{
    const size_t size = reader_array(reader, item, "rules");
    struct cache_rule *list =
        arena_take_zeroed(&reader->configuration->arena, (size + 1) * sizeof(*list));
    size_t i = 0;
    const cJSON *element;

    *rules = list;
    *count = size;
    for (element = size > 0 ? item->child : NULL; element != NULL; element = element->next)
        rule_read(reader, element, &list[i++]);
}

static void cache_rules(struct reader *reader, const cJSON *item, const struct member *member,
                        void *into)
{
    struct configuration *configuration = into;

    (void)member;
    cache_rules_read(reader, item, &configuration->cache_rules, &configuration->cache_rule_count);
}

static void cache_stale(struct reader *reader, const cJSON *item, const struct member *member,
                        void *into)
{
    reader_duration(reader, item, member, into);
    reader_warn(reader, item, "%s does nothing yet: a stale answer is never served", member->name);
}

static const struct member cache_members[] = {
    {.name = "max_size",
     .read = reader_size,
     .offset = offsetof(struct configuration, cache_max_bytes),
     .minimum = CACHE_MINIMUM_BYTES},
    {.name = "max_object",
     .read = reader_size,
     .offset = offsetof(struct configuration, cache_max_object_bytes),
     .minimum = 1024},
    {.name = "ttl", .read = reader_duration, .offset = offsetof(struct configuration, ttl_us)},
    {.name = "negative_ttl",
     .read = reader_duration,
     .offset = offsetof(struct configuration, negative_ttl_us)},
    {.name = "stale_while_revalidate",
     .read = cache_stale,
     .offset = offsetof(struct configuration, stale_while_revalidate_us)},
    {.name = "stale_if_error",
     .read = cache_stale,
     .offset = offsetof(struct configuration, stale_if_error_us)},
    {.name = "rules", .read = cache_rules},
    {.name = "unmatched_writes",
     .read = reader_choice,
     .offset = offsetof(struct configuration, unmatched_writes),
     .words = unmatched},
};

void block_cache(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    struct configuration *configuration = into;

    (void)member;
    if (!reader_members(reader, item, cache_members, ARRAY_LENGTH(cache_members), into))
        return;
    const uint64_t most = configuration->cache_max_bytes / OBJECTS_AT_LEAST;
    if (configuration->cache_max_object_bytes <= most)
        return;
    if (reader_member(item, "max_object") != NULL)
        reader_fault(reader, reader_member(item, "max_object"),
                     "is more than a quarter of max_size: at most %lu KiB",
                     (unsigned long)most / 1024);
    configuration->cache_max_object_bytes = most;
}
