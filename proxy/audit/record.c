/*
 * The order and the spelling of a record's members (RFC 8259, times by RFC 3339), and what gives
 * way in a record that is too large. What the values mean is for whoever fills the struct.
 */
#include "audit/record.h"

#include <assert.h>

#include "base/clock.h"
#include "http/json.h"

enum {
    CUT_URL_BYTES = 4096,
    CUT_TEXT_BYTES = 256,
    CUT_ENTITIES = 16,
    /* Every byte escaped, and the members' names: still within the limit. */
    CUT_LARGEST_BYTES =
        JSON_ESCAPE_FACTOR * (CUT_URL_BYTES + (CUT_ENTITIES + 6) * CUT_TEXT_BYTES) + 2048,
};
static_assert(CUT_LARGEST_BYTES <= (int)AUDIT_RECORD_LIMIT_BYTES, "a cut record always fits");

/* How much of each text is shown. */
struct shown {
    size_t url_bytes, text_bytes, entities;
};

static const struct shown show_all = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
static const struct shown show_cut = {CUT_URL_BYTES, CUT_TEXT_BYTES, CUT_ENTITIES};

static void string_add(struct buffer *line, struct bytes text, size_t limit_bytes)
{
    buffer_add_byte(line, '"');
    json_escape(line, bytes_slice(text, 0, limit_bytes));
    if (text.length > limit_bytes)
        buffer_add(line, BYTES("[cut]"));
    buffer_add_byte(line, '"');
}

/* ,"name":"text", or null for none. */
static void member_add(struct buffer *line, struct bytes name, struct bytes text,
                       size_t limit_bytes)
{
    buffer_add(line, BYTES(",\""));
    buffer_add(line, name);
    buffer_add(line, BYTES("\":"));
    if (text.length == 0)
        buffer_add(line, BYTES("null"));
    else
        string_add(line, text, limit_bytes);
}

static void number_add(struct buffer *line, uint64_t number, size_t digits)
{
    char text[NUMBER_DIGITS];

    buffer_add(line, bytes_of(text, number_write(number, digits, text)));
}

/* Microseconds as milliseconds with three decimals; null where negative. */
static void milliseconds_add(struct buffer *line, int64_t us)
{
    if (us < 0) {
        buffer_add(line, BYTES("null"));
        return;
    }
    number_add(line, (uint64_t)us / 1000, 1);
    buffer_add_byte(line, '.');
    number_add(line, (uint64_t)us % 1000, 3);
}

static void entities_add(struct buffer *line, const struct audit_record *record,
                         const struct shown *shown)
{
    buffer_add(line, BYTES(",\"entities\":["));
    for (size_t i = 0; i < record->entity_count; i++) {
        if (i > 0)
            buffer_add_byte(line, ',');
        if (i == shown->entities) {
            buffer_add(line, BYTES("\"[cut]\""));
            break;
        }
        string_add(line, record->entities[i], shown->text_bytes);
    }
    buffer_add_byte(line, ']');
}

static void body_hmac_add(struct buffer *line, const uint8_t *hmac)
{
    char text[2 * RECORD_HMAC_BYTES + 1];

    if (hmac == NULL)
        return;
    bytes_to_hex(bytes_of(hmac, RECORD_HMAC_BYTES), text);
    buffer_add(line, BYTES(",\"body_hmac\":\""));
    buffer_add(line, bytes_of(text, sizeof(text) - 1));
    buffer_add_byte(line, '"');
}

static void record_add(struct buffer *line, const struct audit_record *record,
                       const struct shown *shown)
{
    char time[CLOCK_RFC3339_ROOM];

    clock_format_rfc3339(record->wall_us, time);
    buffer_reset(line);
    buffer_add(line, BYTES("{\"time\":\""));
    buffer_add(line, bytes_of_string(time));
    buffer_add_byte(line, '"');
    member_add(line, BYTES("id"), record->id, shown->text_bytes);
    buffer_add(line, record->kind == AUDIT_INTENT ? BYTES(",\"kind\":\"intent\"")
                                                  : BYTES(",\"kind\":\"done\""));
    member_add(line, BYTES("client"), record->client, shown->text_bytes);
    member_add(line, BYTES("peer"), record->peer, shown->text_bytes);
    member_add(line, BYTES("method"), record->method, shown->text_bytes);
    member_add(line, BYTES("url"), record->url, shown->url_bytes);
    entities_add(line, record, shown);
    buffer_add(line, BYTES(",\"status\":"));
    if (record->status == 0)
        buffer_add(line, BYTES("null"));
    else
        number_add(line, record->status, 1);
    member_add(line, BYTES("cache"), record->cache, shown->text_bytes);
    buffer_add(line, BYTES(",\"upstream_ms\":"));
    milliseconds_add(line, record->upstream_us);
    buffer_add(line, BYTES(",\"total_ms\":"));
    milliseconds_add(line, record->total_us);
    buffer_add(line, BYTES(",\"in\":"));
    number_add(line, record->in_bytes, 1);
    buffer_add(line, BYTES(",\"out\":"));
    number_add(line, record->out_bytes, 1);
    body_hmac_add(line, record->body_hmac);
    buffer_add(line, BYTES("}\n"));
}

void record_write(struct buffer *line, const struct audit_record *record)
{
    assert(line->limit_bytes >= RECORD_LINE_BYTES);
    record_add(line, record, &show_all);
    if (line->failed || line->length > AUDIT_RECORD_LIMIT_BYTES)
        record_add(line, record, &show_cut);
    assert(!line->failed && line->length <= AUDIT_RECORD_LIMIT_BYTES);
}
