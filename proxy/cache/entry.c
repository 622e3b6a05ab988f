/*
 * The layout of a record: a fixed head in this machine's byte order (a cache does not travel), then
 * key, vary, tags, field lines (name length, value length, name, value) and the body. Every length
 * is checked on the way back.
 */
#include "cache/entry.h"

#include <assert.h>

#include "base/hash.h"

enum { RECORD_MAGIC = 0x50535434 }; /* "PST4": changes with the layout */

struct record_head {
    struct hash128 sum; /* of all that follows it */
    uint32_t magic;
    uint32_t flags;
    uint64_t serial;
    int64_t begun_wall_us, received_wall_us, initial_age_us, expires_wall_us;
    uint64_t body_bytes;
    uint32_t status;
    uint32_t key_bytes, vary_bytes, tag_count, field_count, field_bytes;
};

struct line_head {
    uint32_t name_bytes, value_bytes;
};

static size_t lines_bytes(const struct fields *fields)
{
    size_t total = 0;

    for (size_t i = 0; i < fields->count; i++)
        total +=
            sizeof(struct line_head) + fields->lines[i].name.length + fields->lines[i].value.length;
    return total;
}

size_t entry_encoded_bytes(const struct entry *entry)
{
    return sizeof(struct record_head) + entry->key.length + entry->vary.length +
           entry->tags.count * sizeof(uint64_t) + lines_bytes(&entry->fields) + entry->body.length;
}

static char *put(char *to, const void *from, size_t length)
{
    if (length > 0)
        memcpy(to, from, length);
    return to + length;
}

void entry_encode(const struct entry *entry, char *room)
{
    const struct record_head head = {
        .magic = RECORD_MAGIC,
        .flags = entry->flags,
        .serial = entry->serial,
        .begun_wall_us = entry->begun_wall_us,
        .received_wall_us = entry->received_wall_us,
        .initial_age_us = entry->initial_age_us,
        .expires_wall_us = entry->expires_wall_us,
        .body_bytes = entry->body.length,
        .status = entry->status,
        .key_bytes = (uint32_t)entry->key.length,
        .vary_bytes = (uint32_t)entry->vary.length,
        .tag_count = (uint32_t)entry->tags.count,
        .field_count = (uint32_t)entry->fields.count,
        .field_bytes = (uint32_t)lines_bytes(&entry->fields),
    };
    char *to = put(room, &head, sizeof(head));

    to = put(to, entry->tags.hashes, entry->tags.count * sizeof(uint64_t));
    to = put(to, entry->key.data, entry->key.length);
    to = put(to, entry->vary.data, entry->vary.length);
    for (size_t i = 0; i < entry->fields.count; i++) {
        const struct field *line = &entry->fields.lines[i];
        const struct line_head line_head = {.name_bytes = (uint32_t)line->name.length,
                                            .value_bytes = (uint32_t)line->value.length};

        to = put(to, &line_head, sizeof(line_head));
        to = put(to, line->name.data, line->name.length);
        to = put(to, line->value.data, line->value.length);
    }
    to = put(to, entry->body.data, entry->body.length);
    assert((size_t)(to - room) == entry_encoded_bytes(entry));
    const struct hash128 sum =
        hash_of(bytes_of(room + sizeof(head.sum), (size_t)(to - room) - sizeof(head.sum)));
    memcpy(room, &sum, sizeof(sum));
}

bool entry_is_intact(struct bytes record)
{
    struct hash128 sum;

    if (record.length < sizeof(struct record_head))
        return false;
    memcpy(&sum, record.data, sizeof(sum));
    return hash_equal(sum, hash_of(bytes_from(record, sizeof(sum))));
}

/* So that sums and differences of two of them can't overflow. */
static bool time_is_sane(int64_t time_us)
{
    return time_us >= -(INT64_MAX / 4) && time_us <= INT64_MAX / 4;
}

static enum result record_read_head(struct bytes record, struct record_head *head)
{
    size_t rest;

    if (record.length < sizeof(*head))
        return RESULT_DAMAGED;
    memcpy(head, record.data, sizeof(*head));
    if (head->magic != RECORD_MAGIC || head->flags >= ENTRY_FLAGS_END ||
        head->tag_count > TAGS_LIMIT || head->field_count > HTTP_FIELDS_LIMIT * 2 ||
        head->status > 999)
        return RESULT_DAMAGED;
    if (!time_is_sane(head->received_wall_us) || !time_is_sane(head->expires_wall_us) ||
        !time_is_sane(head->initial_age_us) || head->initial_age_us < 0)
        return RESULT_DAMAGED;
    rest = record.length - sizeof(*head);
    const size_t small = (size_t)head->key_bytes + head->vary_bytes +
                         (size_t)head->tag_count * sizeof(uint64_t) +
                         head->field_bytes; /* four 32-bit numbers: no overflow */
    if (small > rest || rest - small != head->body_bytes)
        return RESULT_DAMAGED;
    return RESULT_OK;
}

static void head_to_entry(const struct record_head *head, struct entry *entry)
{
    *entry = (struct entry){
        .serial = head->serial,
        .status = head->status,
        .flags = head->flags,
        .begun_wall_us = head->begun_wall_us,
        .received_wall_us = head->received_wall_us,
        .initial_age_us = head->initial_age_us,
        .expires_wall_us = head->expires_wall_us,
    };
}

enum result entry_decode_head(struct bytes record, struct entry *entry)
{
    struct record_head head;
    const enum result result = record_read_head(record, &head);

    if (result == RESULT_OK)
        head_to_entry(&head, entry);
    return result;
}

static struct bytes take(struct bytes *rest, size_t length)
{
    const struct bytes part = bytes_slice(*rest, 0, length);

    *rest = bytes_from(*rest, length);
    return part;
}

/* Takes the tags from `rest`. */
static struct tags tags_decode(struct bytes *rest, uint32_t count, struct arena *arena)
{
    const struct bytes tags = take(rest, count * sizeof(uint64_t));
    uint64_t *hashes = arena_take(arena, tags.length + 1);

    if (tags.length > 0)
        memcpy(hashes, tags.data, tags.length); /* a record need not be aligned in the map */
    return (struct tags){.hashes = hashes, .count = count};
}

enum result entry_decode_tags(struct bytes record, struct arena *arena, struct entry *entry)
{
    struct record_head head;
    struct bytes rest = record;
    const enum result result = record_read_head(record, &head);

    if (result != RESULT_OK)
        return result;
    head_to_entry(&head, entry);
    (void)take(&rest, sizeof(head)); /* read above */
    entry->tags = tags_decode(&rest, head.tag_count, arena);
    return RESULT_OK;
}

static enum result lines_decode(struct bytes lines, size_t count, struct arena *arena,
                                struct fields *fields)
{
    fields->lines = arena_take(arena, (count + 1) * sizeof(struct field));
    fields->capacity = count + 1;
    for (size_t i = 0; i < count; i++) {
        struct line_head head;

        if (lines.length < sizeof(head))
            return RESULT_DAMAGED;
        memcpy(&head, take(&lines, sizeof(head)).data, sizeof(head));
        if (head.name_bytes > lines.length || head.value_bytes > lines.length - head.name_bytes)
            return RESULT_DAMAGED;
        fields->lines[i].name = take(&lines, head.name_bytes);
        fields->lines[i].value = take(&lines, head.value_bytes);
        fields->count++;
    }
    return lines.length == 0 ? RESULT_OK : RESULT_DAMAGED;
}

enum result entry_decode(struct bytes record, struct arena *arena, struct entry *entry)
{
    struct record_head head;
    struct entry read;
    struct bytes rest = record;
    enum result result = record_read_head(record, &head);

    if (result != RESULT_OK)
        return result;
    head_to_entry(&head, &read);
    (void)take(&rest, sizeof(head)); /* read above */
    read.tags = tags_decode(&rest, head.tag_count, arena);
    read.key = take(&rest, head.key_bytes);
    read.vary = take(&rest, head.vary_bytes);
    result = lines_decode(take(&rest, head.field_bytes), head.field_count, arena, &read.fields);
    if (result != RESULT_OK)
        return result;
    read.body = rest;
    *entry = read;
    return RESULT_OK;
}

uint64_t entry_age_s(const struct entry *entry, int64_t wall_us)
{
    const int64_t resident_us =
        wall_us > entry->received_wall_us ? wall_us - entry->received_wall_us : 0;

    return (uint64_t)((resident_us + entry->initial_age_us) / 1000000);
}
