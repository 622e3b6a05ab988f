/*
 * Directives by two tables, one of flags and one of seconds. Whether a response may be stored is
 * decided in cache/freshness, not here.
 */
#include "http/cache_control.h"

#include "http/structured.h"

static const struct {
    struct bytes name;
    size_t offset; /* of a bool in struct cache_control */
} flags[] = {
    {BYTES("no-store"), offsetof(struct cache_control, no_store)},
    {BYTES("no-cache"), offsetof(struct cache_control, no_cache)},
    {BYTES("private"), offsetof(struct cache_control, is_private)},
    {BYTES("public"), offsetof(struct cache_control, is_public)},
    {BYTES("must-revalidate"), offsetof(struct cache_control, must_revalidate)},
    {BYTES("proxy-revalidate"), offsetof(struct cache_control, proxy_revalidate)},
    {BYTES("must-understand"), offsetof(struct cache_control, must_understand)},
    {BYTES("only-if-cached"), offsetof(struct cache_control, only_if_cached)},
    {BYTES("immutable"), offsetof(struct cache_control, immutable)},
    {BYTES("no-transform"), offsetof(struct cache_control, no_transform)},
};

struct seconds_directive {
    struct bytes name;
    size_t offset;    /* of an int64_t in struct cache_control */
    bool longer_wins; /* the more restrictive of two is the longer */
    bool may_be_bare; /* without an argument it means "any" */
};

static const struct seconds_directive seconds_directives[] = {
    {BYTES("max-age"), offsetof(struct cache_control, max_age_s), false, false},
    {BYTES("s-maxage"), offsetof(struct cache_control, s_maxage_s), false, false},
    {BYTES("stale-while-revalidate"), offsetof(struct cache_control, stale_while_revalidate_s),
     false, false},
    {BYTES("stale-if-error"), offsetof(struct cache_control, stale_if_error_s), false, false},
    {BYTES("min-fresh"), offsetof(struct cache_control, min_fresh_s), true, false},
    {BYTES("max-stale"), offsetof(struct cache_control, max_stale_s), false, true},
};

static const struct cache_control nothing_said = {
    .max_age_s = CACHE_CONTROL_NOT_SAID,
    .s_maxage_s = CACHE_CONTROL_NOT_SAID,
    .stale_while_revalidate_s = CACHE_CONTROL_NOT_SAID,
    .stale_if_error_s = CACHE_CONTROL_NOT_SAID,
    .min_fresh_s = CACHE_CONTROL_NOT_SAID,
    .max_stale_s = CACHE_CONTROL_NOT_SAID,
};

/* The flag of that name, or NULL. */
static bool *flag_named(struct cache_control *control, struct bytes name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++)
        if (bytes_equal_nocase(flags[i].name, name))
            return (bool *)((char *)control + flags[i].offset);
    return NULL;
}

static const struct seconds_directive *seconds_named(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(seconds_directives); i++)
        if (bytes_equal_nocase(seconds_directives[i].name, name))
            return &seconds_directives[i];
    return NULL;
}

static int64_t *seconds_of(struct cache_control *control, const struct seconds_directive *directive)
{
    return (int64_t *)((char *)control + directive->offset);
}

static int64_t most_restrictive(const struct seconds_directive *directive)
{
    return directive->longer_wins ? CACHE_CONTROL_MAXIMUM_S : 0;
}

/* delta-seconds (RFC 9111 §1.2.2), which may stand in quotes (§5.2). */
static int64_t read_seconds(const struct seconds_directive *directive, struct bytes argument)
{
    uint64_t seconds;

    if (argument.length >= 2 && argument.data[0] == '"' &&
        argument.data[argument.length - 1] == '"')
        argument = bytes_slice(argument, 1, argument.length - 2);
    switch (bytes_to_number(argument, (uint64_t)CACHE_CONTROL_MAXIMUM_S, &seconds)) {
    case RESULT_OK:
        return (int64_t)seconds;
    case RESULT_LIMIT:
        return CACHE_CONTROL_MAXIMUM_S;
    default:
        return most_restrictive(directive);
    }
}

static void read_directive(struct cache_control *control, struct bytes text)
{
    const size_t at = bytes_index(text, '=');
    const struct bytes name = bytes_trim(bytes_slice(text, 0, at));
    bool *const flag = flag_named(control, name);
    const struct seconds_directive *const directive = seconds_named(name);

    if (flag != NULL)
        *flag = true;
    if (directive == NULL)
        return;
    int64_t *const seconds = seconds_of(control, directive);
    const int64_t said = at == text.length && directive->may_be_bare
                             ? CACHE_CONTROL_MAXIMUM_S
                             : read_seconds(directive, bytes_from(text, at + 1));
    if (*seconds == CACHE_CONTROL_NOT_SAID || (said > *seconds) == directive->longer_wins)
        *seconds = said;
}

void cache_control_read(const struct fields *fields, struct cache_control *control)
{
    *control = nothing_said;
    for (size_t i = 0; i < fields->count; i++) {
        struct bytes list = fields->lines[i].value, text;

        if (!bytes_equal_nocase(fields->lines[i].name, BYTES("Cache-Control")))
            continue;
        control->is_present = true;
        while (list_next(&list, &text))
            read_directive(control, text);
    }
}

/* A dictionary's member: of two with one key the last counts (RFC 9651 §4.2.2). */
static void read_member(struct cache_control *control, const struct structured_member *member)
{
    bool *const flag = flag_named(control, member->key);
    const struct seconds_directive *const directive = seconds_named(member->key);

    if (flag != NULL) /* no-cache="field" names fields: true as well */
        *flag = member->kind != STRUCTURED_BOOLEAN || member->integer != 0;
    if (directive == NULL)
        return;
    int64_t seconds = most_restrictive(directive);
    if (member->kind == STRUCTURED_INTEGER && member->integer >= 0)
        seconds =
            member->integer < CACHE_CONTROL_MAXIMUM_S ? member->integer : CACHE_CONTROL_MAXIMUM_S;
    *seconds_of(control, directive) = seconds;
}

enum result cache_control_read_targeted(const struct fields *fields, struct arena *arena,
                                        struct cache_control *control)
{
    struct bytes dictionary = fields_joined(fields, arena, BYTES("CDN-Cache-Control"));
    struct cache_control read = nothing_said;
    struct structured_member member;
    enum result result;

    while ((result = structured_next(&dictionary, &member)) == RESULT_OK) {
        read.is_present = true;
        read_member(&read, &member);
    }
    if (result != RESULT_MISSING || !read.is_present)
        return RESULT_MISSING;
    *control = read;
    return RESULT_OK;
}
