/*
 * A preset says what one API is like, so that operators need not: where a parameter changes
 * nothing, what is never to be stored, how an error looks. It is found and checked here, with file,
 * line and pointer in each fault; it cannot name another preset.
 */
#include <assert.h>
#include <stdlib.h>

#include "config/blocks.h"
#include "config/file.h"

static void preset_forward(struct reader *reader, const cJSON *item, const struct member *member,
                           void *into)
{
    struct preset *preset = into;

    (void)member;
    block_field_names(reader, item, &preset->forward, &preset->forward_count);
}

static void default_match(struct reader *reader, const cJSON *item, const struct member *member,
                          void *into)
{
    struct parameter_rule *rule = into;

    (void)member;
    (void)block_pattern(reader, item, &rule->match); /* said its fault */
}

static void default_name(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    struct parameter_rule *rule = into;
    const char *name = reader_string(reader, item, "the name of a query parameter");

    (void)member;
    if (name != NULL)
        rule->name = bytes_of_string(name);
}

static void default_values(struct reader *reader, const cJSON *item, const struct member *member,
                           void *into)
{
    struct parameter_rule *rule = into;

    (void)member;
    if (reader_strings(reader, item, "values", &rule->values, &rule->value_count) &&
        rule->value_count == 0)
        reader_fault(reader, item, "is empty: leave it out where any value may be dropped");
}

static void preset_defaults(struct reader *reader, const cJSON *item, const struct member *member,
                            void *into)
{
    static const struct member members[] = {
        {.name = "match", .read = default_match, .required = true},
        {.name = "name", .read = default_name, .required = true},
        {.name = "values", .read = default_values},
    };
    struct preset *preset = into;
    const size_t count = reader_array(reader, item, "defaults");
    struct parameter_rule *rules =
        arena_take_zeroed(&reader->configuration->arena, (count + 1) * sizeof(*rules));

    (void)member;
    preset->defaults = rules;
    preset->default_count = count;
    const cJSON *element = count > 0 ? item->child : NULL;
    for (size_t i = 0; i < count; i++, element = element->next)
        (void)reader_members(reader, element, members, ARRAY_LENGTH(members), &rules[i]);
}

static void preset_rules(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    struct preset *preset = into;

    (void)member;
    cache_rules_read(reader, item, &preset->rules, &preset->rule_count);
}

static void identity_path(struct reader *reader, const cJSON *item, const struct member *member,
                          void *into)
{
    const char *path = reader_string(reader, item, "a path such as \"/identity\"");

    *(const char **)(void *)((char *)into + member->offset) = path;
    if (path != NULL && path[0] != '/')
        reader_fault(reader, item, "is no path: it starts with a slash");
}

static void preset_identity(struct reader *reader, const cJSON *item, const struct member *member,
                            void *into)
{
    static const struct member members[] = {
        {.name = "path",
         .read = identity_path,
         .offset = offsetof(struct preset, identity_path),
         .required = true},
        {.name = "field_path",
         .read = identity_path,
         .offset = offsetof(struct preset, identity_field_path)},
        {.name = "member",
         .read = reader_text,
         .offset = offsetof(struct preset, identity_member),
         .required = true},
    };

    (void)member;
    (void)reader_members(reader, item, members, ARRAY_LENGTH(members), into); /* said its fault */
}

static void symptom_status(struct reader *reader, const cJSON *item, const struct member *member,
                           void *into)
{
    struct symptom *symptom = into;
    uint64_t status;

    (void)member;
    if (reader_whole(reader, item, 200, 599, &status))
        symptom->status = (uint32_t)status;
}

static void symptom_body(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    struct symptom *symptom = into;
    const char *text = reader_string(reader, item, "text that the answer holds");

    (void)member;
    if (text != NULL)
        symptom->body = bytes_of_string(text);
}

static size_t symptoms_read(struct reader *reader, const cJSON *item, const char *what,
                            const struct symptom **list)
{
    static const struct member members[] = {
        {.name = "status", .read = symptom_status, .required = true},
        {.name = "body", .read = symptom_body},
    };
    const size_t count = reader_array(reader, item, what);
    struct symptom *symptoms =
        arena_take_zeroed(&reader->configuration->arena, (count + 1) * sizeof(*symptoms));
    const cJSON *element = count > 0 ? item->child : NULL;

    for (size_t i = 0; i < count; i++, element = element->next)
        (void)reader_members(reader, element, members, ARRAY_LENGTH(members), &symptoms[i]);
    *list = symptoms;
    return count;
}

static void preset_overload(struct reader *reader, const cJSON *item, const struct member *member,
                            void *into)
{
    struct preset *preset = into;

    (void)member;
    preset->overload_count = symptoms_read(reader, item, "overload answers", &preset->overloads);
}

static void preset_invalid_token(struct reader *reader, const cJSON *item,
                                 const struct member *member, void *into)
{
    struct preset *preset = into;

    (void)member;
    preset->invalid_token_count =
        symptoms_read(reader, item, "answers that refuse a token", &preset->invalid_tokens);
}

static void preset_created_field(struct reader *reader, const cJSON *item,
                                 const struct member *member, void *into)
{
    struct preset_draft *draft = into;
    const char *text = reader_string(reader, item, "a field such as \"X-Created\"");

    (void)member;
    if (text != NULL)
        draft->entities.created_field = bytes_of_string(text);
}

/* In lower case, as the names of fields are compared. */
static void preset_touched_fields(struct reader *reader, const cJSON *item,
                                  const struct member *member, void *into)
{
    struct preset_draft *draft = into;
    struct bytes *lower;
    const struct bytes *names;
    size_t count;

    (void)member;
    if (!reader_strings(reader, item, "names", &names, &count))
        return;
    lower = arena_take_zeroed(&reader->configuration->arena, (count + 1) * sizeof(*lower));
    for (size_t i = 0; i < count; i++) {
        char *text = arena_take(&reader->configuration->arena, names[i].length + 1);

        for (size_t k = 0; k <= names[i].length; k++)
            text[k] = bytes_lower(names[i].data[k]);
        lower[i] = bytes_of(text, names[i].length);
    }
    draft->entities.touched = lower;
    draft->entities.touched_count = count;
}

/* In the order in which they need each other. */
static const struct member preset_members[] = {
    {.name = "$schema", .read = reader_ignore},
    {.name = "version_prefixes",
     .read = reader_list,
     .offset = offsetof(struct preset, version_prefixes),
     .count_offset = offsetof(struct preset, version_prefix_count)},
    {.name = "inject", .read = block_injection, .offset = offsetof(struct preset, inject)},
    {.name = "identity", .read = preset_identity},
    {.name = "login", .read = block_preset_login},
    {.name = "forward", .read = preset_forward},
    {.name = "ignorable_parameters",
     .read = reader_list,
     .offset = offsetof(struct preset, ignorable_parameters),
     .count_offset = offsetof(struct preset, ignorable_parameter_count)},
    {.name = "defaults", .read = preset_defaults},
    {.name = "error_members",
     .read = reader_list,
     .offset = offsetof(struct preset, error_members),
     .count_offset = offsetof(struct preset, error_member_count)},
    {.name = "secret_parameters",
     .read = reader_list,
     .offset = offsetof(struct preset, secret_parameters),
     .count_offset = offsetof(struct preset, secret_parameter_count)},
    {.name = "overload", .read = preset_overload},
    {.name = "invalid_token", .read = preset_invalid_token},
    {.name = "created_field", .read = preset_created_field},
    {.name = "touched_fields", .read = preset_touched_fields},
    {.name = "superfluous_segments",
     .read = reader_flag,
     .offset = offsetof(struct preset_draft, entities.superfluous_segments)},
    {.name = "rules", .read = preset_rules},
    {.name = "kinds", .read = block_kinds},
    {.name = "equivalents", .read = block_equivalents},
    {.name = "reads", .read = block_reads},
    {.name = "writes", .read = block_writes},
};

static_assert(offsetof(struct preset_draft, preset) == 0, "tables reach a preset by its draft");

/* Reads a preset from its text, with a reader of its own that reports to the outer one. */
static const struct preset *preset_read(struct reader *outer, const cJSON *item, const char *path,
                                        struct bytes text)
{
    struct source source;
    struct reader reader = *outer;
    struct error error = {0};
    struct preset_draft *draft = arena_take_zeroed(&outer->configuration->arena, sizeof(*draft));

    reader.source = &source;
    reader.file = path;
    reader.outer = outer;
    reader.outer_item = item;
    draft->preset.name =
        arena_copy(&outer->configuration->arena, bytes_of_string(item->valuestring)).data;
    draft->preset.fingerprint = hash_of(text);
    if (source_read(&source, text, &error) != RESULT_OK)
        reader_fault(outer, item, "%s:%u: %s", path, error.line, error.text);
    else if (reader_members(&reader, source.root, preset_members, ARRAY_LENGTH(preset_members),
                            draft))
        entities_settle(&reader, draft);
    source_finish(&source);
    return &draft->preset;
}

/* The path of the n-th place to look at, or NULL behind the last. */
static const char *preset_path(struct reader *reader, const char *name, size_t n)
{
    const char *const directories[] = {
        arena_format(&reader->configuration->arena, "%s/presets", reader->directory).data,
        POSTERN_CHECKOUT "/conf/presets",
        POSTERN_PREFIX "/share/postern/presets",
    };
    const struct bytes text = bytes_of_string(name);

    if (bytes_index(text, '/') < text.length || bytes_ends_with(text, BYTES(".json")))
        return n == 0 ? reader_locate(reader, name) : NULL;
    if (n >= ARRAY_LENGTH(directories))
        return NULL;
    return arena_format(&reader->configuration->arena, "%s/%s.json", directories[n], name).data;
}

const struct preset *preset_load(struct reader *reader, const cJSON *item)
{
    const char *name = reader_string(reader, item, "the name of a preset, or a path");
    const struct preset *preset = NULL;
    enum result result = RESULT_MISSING;
    struct buffer content;
    struct error error;
    const char *path;

    assert(reader->outer == NULL);
    if (name == NULL)
        return NULL;
    buffer_init(&content, CONFIGURATION_LIMIT_BYTES);
    for (size_t n = 0; result == RESULT_MISSING && (path = preset_path(reader, name, n)) != NULL;
         n++) {
        buffer_reset(&content);
        result = file_read(path, &content, &error);
        if (result == RESULT_OK)
            preset = preset_read(reader, item, path, buffer_bytes(&content));
    }
    buffer_finish(&content);
    if (result == RESULT_MISSING)
        reader_fault(reader, item,
                     "there is no preset \"%.100s\": looked in presets/ beside this "
                     "file, in " POSTERN_CHECKOUT "/conf/presets and in " POSTERN_PREFIX
                     "/share/postern/presets",
                     name);
    else if (result != RESULT_OK)
        reader_fault(reader, item, "%s", error.text);
    return preset;
}
