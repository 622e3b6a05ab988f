/* The lists, and the walk over a request's lines. Names compare without regard to case. */
#include "gateway/forward.h"

static const char *const always[] = {
    "Accept",         "Accept-Language", "Content-Type",    "Content-Encoding", "Content-Language",
    "Content-Digest", "Prefer",          "Idempotency-Key", "traceparent",      "tracestate",
};

static const char *const conditions[] = {
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
};

static const char *const never[] = {
    "Authorization",
    "X-Api-Key",
    "Cookie",
    "Cookie2",
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Proxy-Authorization",
    "Proxy-Authenticate",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Content-Length",
    "Host",
    "Expect",
    "Accept-Encoding",
    "HTTP2-Settings",
    "Range",
    "If-Range", /* in parts of an answer the token could not be found */
    "Via",
    "X-Request-Id",
};

static bool is_listed(struct bytes name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal_nocase(name, bytes_of_string(list[i])))
            return true;
    return false;
}

static bool is_configured(struct bytes name, const struct bytes *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal_nocase(name, list[i]))
            return true;
    return false;
}

static bool is_forwarded(struct bytes name, const struct upstream_config *upstream,
                         bool with_conditions)
{
    const struct preset *preset = upstream->preset;

    if (is_listed(name, never, ARRAY_LENGTH(never)))
        return false;
    if (upstream->inject.header != NULL &&
        bytes_equal_nocase(name, bytes_of_string(upstream->inject.header)))
        return false;
    if (is_listed(name, conditions, ARRAY_LENGTH(conditions)))
        return with_conditions;
    return upstream->forward_all || is_listed(name, always, ARRAY_LENGTH(always)) ||
           is_configured(name, upstream->forward, upstream->forward_count) ||
           (preset != NULL && is_configured(name, preset->forward, preset->forward_count));
}

/* Accept of any type says what no Accept says (RFC 9110 §12.5.1): one form, so that both share an
 * entry. */
static bool says_nothing(const struct field *line)
{
    return bytes_equal_nocase(line->name, BYTES("Accept")) &&
           bytes_equal(line->value, BYTES("*/*"));
}

struct fields forward_fields(struct arena *arena, const struct fields *from,
                             const struct upstream_config *upstream, bool with_conditions)
{
    struct fields fields = {0};

    for (size_t i = 0; i < from->count; i++) {
        const struct field *line = &from->lines[i];

        if (is_forwarded(line->name, upstream, with_conditions) && !says_nothing(line) &&
            !fields_list_has(from, BYTES("Connection"), line->name))
            fields_add(&fields, arena, line->name, line->value);
    }
    fields_add(&fields, arena, BYTES("Via"), BYTES("1.1 postern"));
    return fields;
}

bool forward_overrides_method(const struct fields *fields)
{
    static const char *const names[] = {"X-HTTP-Method-Override", "X-Method-Override",
                                        "X-HTTP-Method"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (fields_find(fields, bytes_of_string(names[i])) != NULL)
            return true;
    return false;
}
