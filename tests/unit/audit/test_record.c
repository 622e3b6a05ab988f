/* One record, one line of JSON, with the members of the contract. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "audit/record.h"
#include "base/memory.h"

static struct audit_record whole_record(void)
{
    static const struct bytes entities[] = {BYTES("profile/456"), BYTES("database/5")};
    static const uint8_t hmac[32] = {0xab, 0x01};

    return (struct audit_record){
        .kind = AUDIT_DONE,
        .wall_us = INT64_C(1795555024123456),
        .id = BYTES("a-1"),
        .client = BYTES("crm"),
        .peer = BYTES("127.0.0.1:40312"),
        .method = BYTES("PUT"),
        .url = BYTES("/profile/456/fields?x=1"),
        .entities = entities,
        .entity_count = 2,
        .status = 204,
        .cache = BYTES("miss"),
        .upstream_us = 12345,
        .total_us = 13007,
        .in_bytes = 310,
        .out_bytes = UINT64_MAX,
        .body_hmac = hmac,
    };
}

static struct bytes written(struct buffer *line, const struct audit_record *record)
{
    buffer_init(line, RECORD_LINE_BYTES);
    record_write(line, record);
    return buffer_bytes(line);
}

static void a_record_has_the_members_of_the_contract_in_order(void **state)
{
    const struct audit_record record = whole_record();
    struct buffer line;

    (void)state;
    assert_true(bytes_equal(
        written(&line, &record),
        BYTES("{\"time\":\"2026-11-24T21:17:04.123456Z\",\"id\":\"a-1\",\"kind\":\"done\","
              "\"client\":\"crm\",\"peer\":\"127.0.0.1:40312\",\"method\":\"PUT\","
              "\"url\":\"/profile/456/fields?x=1\","
              "\"entities\":[\"profile/456\",\"database/5\"],\"status\":204,\"cache\":\"miss\","
              "\"upstream_ms\":12.345,\"total_ms\":13.007,\"in\":310,"
              "\"out\":18446744073709551615,\"body_hmac\":"
              "\"ab01000000000000000000000000000000000000000000000000000000000000\"}\n")));
    buffer_finish(&line);
}

static void what_is_not_known_is_null_and_the_hmac_left_out(void **state)
{
    const struct audit_record record = {.kind = AUDIT_INTENT, .upstream_us = -1};
    struct buffer line;

    (void)state;
    assert_true(bytes_equal(
        written(&line, &record),
        BYTES("{\"time\":\"1970-01-01T00:00:00.000000Z\",\"id\":null,\"kind\":\"intent\","
              "\"client\":null,\"peer\":null,\"method\":null,\"url\":null,\"entities\":[],"
              "\"status\":null,\"cache\":null,\"upstream_ms\":null,\"total_ms\":0.000,"
              "\"in\":0,\"out\":0}\n")));
    buffer_finish(&line);
}

static void a_peer_cannot_break_the_line(void **state)
{
    struct audit_record record = whole_record();
    struct buffer line;

    (void)state;
    record.url = BYTES("/a\"}\n{\"kind\":\"done\\");
    const struct bytes text = written(&line, &record);
    assert_int_equal(bytes_index(text, '\n'), text.length - 1);
    cJSON *json = cJSON_ParseWithLength(text.data, text.length);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "url")),
                        "/a\"}\n{\"kind\":\"done\\");
    cJSON_Delete(json);
    buffer_finish(&line);
}

static void the_largest_request_line_is_kept_whole(void **state)
{
    struct audit_record record = whole_record();
    struct buffer line;
    char *url = memory_take(1, 16 * 1024 + 1);

    (void)state;
    memset(url, 'u', 16 * 1024);
    record.url = bytes_of(url, 16 * 1024);
    const struct bytes text = written(&line, &record);
    cJSON *json = cJSON_ParseWithLength(text.data, text.length);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "url")), url);
    cJSON_Delete(json);
    buffer_finish(&line);
    free(url);
}

static void a_long_url_is_cut_where_the_record_would_pass_its_limit(void **state)
{
    struct audit_record record = whole_record();
    struct buffer line;
    char *url = memory_take(1, AUDIT_RECORD_LIMIT_BYTES);

    (void)state;
    memset(url, 'u', AUDIT_RECORD_LIMIT_BYTES);
    record.url = bytes_of(url, AUDIT_RECORD_LIMIT_BYTES);
    const struct bytes text = written(&line, &record);
    assert_in_range(text.length, 4096, 5000);
    assert_true(bytes_find(text, BYTES("uuu[cut]\"")) < text.length);
    buffer_finish(&line);
    free(url);
}

/* Every text as large as can be, and of bytes that take most room. */
static void a_record_that_is_too_large_is_cut_and_says_so(void **state)
{
    enum { HUGE = 200 * 1024, ENTITIES = 5000 };
    struct audit_record record = whole_record();
    struct bytes *entities = memory_take(ENTITIES, sizeof(*entities));
    char *huge = memory_take(1, HUGE);
    struct buffer line;

    (void)state;
    memset(huge, 1, HUGE);
    record.id = record.client = record.peer = record.method = record.url = record.cache =
        bytes_of(huge, HUGE);
    for (size_t i = 0; i < ENTITIES; i++)
        entities[i] = bytes_of(huge, HUGE);
    record.entities = entities;
    record.entity_count = ENTITIES;
    record.out_bytes = record.in_bytes = UINT64_MAX;
    record.upstream_us = record.total_us = INT64_MAX;
    const struct bytes text = written(&line, &record);
    assert_true(text.length <= AUDIT_RECORD_LIMIT_BYTES);
    assert_true(bytes_find(text, BYTES("[cut]\",\"entities\":")) < text.length);
    assert_true(bytes_find(text, BYTES(",\"[cut]\"]")) < text.length);
    cJSON *json = cJSON_ParseWithLength(text.data, text.length);
    assert_int_equal(cJSON_GetArraySize(json), 15);
    cJSON_Delete(json);
    buffer_finish(&line);
    free(entities);
    free(huge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_the_members_of_the_contract_in_order),
        cmocka_unit_test(what_is_not_known_is_null_and_the_hmac_left_out),
        cmocka_unit_test(a_peer_cannot_break_the_line),
        cmocka_unit_test(the_largest_request_line_is_kept_whole),
        cmocka_unit_test(a_long_url_is_cut_where_the_record_would_pass_its_limit),
        cmocka_unit_test(a_record_that_is_too_large_is_cut_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
