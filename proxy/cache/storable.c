/* Pure functions over fields and bodies. */
#include "cache/storable.h"

#include <cJSON.h>

#include "base/hash.h"
#include "config/symptom.h"
#include "http/date.h"

enum { MICROSECONDS_A_SECOND = 1000 * 1000 };

/* Most answers end here, unparsed: the name of an error member is nowhere in them. */
static bool may_be_error(const struct preset *preset, struct bytes body)
{
    for (size_t i = 0; i < preset->error_member_count; i++)
        if (bytes_find(body, preset->error_members[i]) < body.length)
            return true;
    return false;
}

bool storable_is_error(const struct preset *preset, unsigned status, struct bytes body)
{
    bool is_error = false;

    if (preset == NULL)
        return false;
    if (symptoms_show(preset->overloads, preset->overload_count, status, body))
        return true;
    if (!may_be_error(preset, body))
        return false;
    cJSON *json = cJSON_ParseWithLength(body.data, body.length);
    for (size_t i = 0; i < preset->error_member_count;
         i++) /* names are terminated: the configuration's arena */
        is_error |=
            cJSON_IsObject(json) && cJSON_HasObjectItem(json, preset->error_members[i].data);
    cJSON_Delete(json);
    return is_error;
}

static bool is_told_once(struct bytes name)
{
    const struct bytes prefixes[] = {BYTES("RateLimit"), BYTES("X-RateLimit-")};

    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++)
        if (bytes_equal_nocase(bytes_slice(name, 0, prefixes[i].length), prefixes[i]))
            return true;
    return bytes_equal_nocase(name, BYTES("Retry-After")) ||
           bytes_equal_nocase(name, BYTES("Set-Cookie")) ||
           bytes_equal_nocase(name, BYTES("Content-Length"));
}

void storable_strip(struct fields *fields)
{
    size_t kept = 0;

    for (size_t i = 0; i < fields->count; i++)
        if (!is_told_once(fields->lines[i].name))
            fields->lines[kept++] = fields->lines[i];
    fields->count = kept;
}

void storable_add_date(struct fields *fields, struct arena *arena, int64_t received_wall_us)
{
    if (fields_find(fields, BYTES("Date")) != NULL)
        return;
    char *date = arena_take(arena, DATE_ROOM);
    date_format(received_wall_us / MICROSECONDS_A_SECOND, date);
    fields_add(fields, arena, BYTES("Date"), bytes_of_string(date));
}

bool storable_add_etag(struct response *response, struct arena *arena, struct bytes body)
{
    struct fields *fields = &response->fields;

    if (response->status != 200 || fields_find(fields, BYTES("ETag")) != NULL ||
        fields_find(fields, BYTES("Last-Modified")) != NULL)
        return false;
    const struct hash128 hash = hash_of(body);
    fields_add(fields, arena, BYTES("ETag"),
               arena_format(arena, ETAG_PREFIX "%016llx%016llx\"", (unsigned long long)hash.high,
                            (unsigned long long)hash.low));
    return true;
}

static bool is_kept_over_304(struct bytes name)
{
    return bytes_equal_nocase(name, BYTES("Content-Length")) ||
           bytes_equal_nocase(name, BYTES("Content-Type")) ||
           bytes_equal_nocase(name, BYTES("Content-Encoding")) ||
           bytes_equal_nocase(name, BYTES("Content-Range"));
}

struct fields storable_update(struct arena *arena, const struct fields *stored,
                              const struct fields *news)
{
    struct fields updated = {0};

    for (size_t i = 0; i < stored->count; i++)
        if (is_kept_over_304(stored->lines[i].name) ||
            (fields_find(news, stored->lines[i].name) == NULL &&
             !bytes_equal_nocase(stored->lines[i].name, BYTES("Age")))) /* age begins anew */
            fields_add(&updated, arena, stored->lines[i].name, stored->lines[i].value);
    for (size_t i = 0; i < news->count; i++)
        if (!is_kept_over_304(news->lines[i].name))
            fields_add(&updated, arena, news->lines[i].name, news->lines[i].value);
    return updated;
}
