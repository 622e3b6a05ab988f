/* What an answer says of the upstream: by status, and by a preset's texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "upstream/verdict.h"

static const struct symptom overloads[] = {
    {503, BYTES("Loadbalancer Error")},
    {504, BYTES("Loadbalancer Error")},
    {403, BYTES("secondary rate limit")},
    {420, {NULL, 0}},
};

static const struct symptom invalid_tokens[] = {
    {400, BYTES("Invalid access token")},
    {401, BYTES("expired")},
    {403, BYTES("token")},
    {420, BYTES("token")},
    {503, BYTES("token")},
    {498, {NULL, 0}},
};

static const struct preset preset = {
    .overloads = overloads,
    .overload_count = ARRAY_LENGTH(overloads),
    .invalid_tokens = invalid_tokens,
    .invalid_token_count = ARRAY_LENGTH(invalid_tokens),
};

static void statuses_speak_for_themselves(void **state)
{
    const struct {
        unsigned status;
        enum verdict verdict;
    } rows[] = {
        {200, VERDICT_FINE},       {204, VERDICT_FINE},   {304, VERDICT_FINE},
        {400, VERDICT_FINE},       {403, VERDICT_FINE},   {404, VERDICT_FINE},
        {500, VERDICT_FINE},       {501, VERDICT_FINE},   {401, VERDICT_BAD_TOKEN},
        {429, VERDICT_OVERLOADED}, {502, VERDICT_FAILED}, {503, VERDICT_OVERLOADED},
        {504, VERDICT_FAILED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(verdict_of(NULL, rows[i].status, BYTES("any")), rows[i].verdict);
        assert_int_equal(verdict_of(&preset, rows[i].status, BYTES("any")), rows[i].verdict);
        assert_false(verdict_needs_body(NULL, rows[i].status));
    }
}

static void a_presets_texts_go_before_the_status(void **state)
{
    const struct {
        unsigned status;
        const char *body;
        enum verdict verdict;
    } rows[] = {
        {504, "<h1>Loadbalancer Error</h1>", VERDICT_OVERLOADED},
        {504, "Gateway Timeout", VERDICT_FAILED},
        {403, "You hit a secondary rate limit.", VERDICT_OVERLOADED},
        {403, "this token has a secondary rate limit", VERDICT_OVERLOADED}, /* the first list */
        {403, "this token may not", VERDICT_BAD_TOKEN},
        {403, "", VERDICT_FINE},
        {400, "{\"error\":{\"message\":\"Invalid access token\"}}", VERDICT_BAD_TOKEN},
        {200, "Invalid access token", VERDICT_FINE}, /* another status */
        {420, "", VERDICT_OVERLOADED},
        {498, "whatever", VERDICT_BAD_TOKEN},
        {503, "the token", VERDICT_BAD_TOKEN},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(verdict_of(&preset, rows[i].status, bytes_of_string(rows[i].body)),
                         rows[i].verdict);
}

/* Whatever the body is, where it is not asked for it changes nothing; where it is, some does. */
static void the_body_is_asked_for_where_it_decides(void **state)
{
    const struct bytes bodies[] = {BYTES("Loadbalancer Error"), BYTES("secondary rate limit"),
                                   BYTES("Invalid access token"), BYTES("expired"), BYTES("token")};

    (void)state;
    for (unsigned status = 100; status < 600; status++) {
        bool differs = false;

        for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
            differs |=
                verdict_of(&preset, status, bodies[i]) != verdict_of(&preset, status, BYTES(""));
        assert_int_equal(verdict_needs_body(&preset, status), differs);
    }
    assert_true(verdict_needs_body(&preset, 504));
    assert_false(verdict_needs_body(&preset, 401));
    assert_false(verdict_needs_body(&preset, 420));
    const struct preset one = {.overloads = overloads, .overload_count = 1};

    assert_false(verdict_needs_body(&one, 503)); /* overloaded with that text and without */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_speak_for_themselves),
        cmocka_unit_test(a_presets_texts_go_before_the_status),
        cmocka_unit_test(the_body_is_asked_for_where_it_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
