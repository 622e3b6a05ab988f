/* The tags that a write names. */
#include "cache/presetting.h"

#include "cache/changed.h"

static struct arena arena;
static struct configuration *configuration;
static const struct preset *preset;

static int make(void **state)
{
    (void)state;
    arena_init(&arena, 4096);
    preset = small_preset_read(&configuration);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    configuration_release(configuration);
    arena_finish(&arena);
    return 0;
}

static struct fields fields_of(const char *name, const char *value)
{
    struct fields fields = {0};

    if (value != NULL)
        fields_add(&fields, &arena, bytes_of_string(name), bytes_of_string(value));
    return fields;
}

/* "PUT /profile/7", a type (NULL: none) and a body (NULL: not read). */
static struct changed_question question_of(const char *request, const char *type, const char *body)
{
    struct bytes path = bytes_of_string(request);
    const struct bytes method = bytes_cut(&path, ' ');
    struct fields *fields = arena_take(&arena, sizeof(*fields));

    *fields = fields_of("Content-Type", type);
    return (struct changed_question){.preset = preset,
                                     .relations = {.account_tag = 7},
                                     .method = method,
                                     .path = path,
                                     .request = fields,
                                     .body =
                                         body == NULL ? (struct bytes){0} : bytes_of_string(body)};
}

static const char *named(const char *request, const char *type, const char *body)
{
    const struct changed_question question = question_of(request, type, body);
    struct changed changed;

    changed_by_request(&question, &arena, &changed);
    return texts_sorted(&arena, changed.texts, changed.tags.count);
}

#define JSON "application/json"
#define FORM "application/x-www-form-urlencoded; charset=utf-8"

static void a_write_that_no_rule_matches_names_the_account(void **state)
{
    (void)state;
    assert_string_equal(named("PATCH /profile/7", JSON, "{}"), "! account");
    assert_string_equal(named("PUT /profile/7/unheard", JSON, "{}"), "! account");
    assert_string_equal(named("DELETE /database/31", NULL, ""),
                        "! =database/31 =database/? account");

    struct changed_question question = question_of("PUT /a/b", NULL, "");
    struct changed changed;
    question.unmatched_by_path = true;
    changed_by_request(&question, &arena, &changed);
    assert_string_equal(texts_sorted(&arena, changed.texts, changed.tags.count), "! /a/b =a =a/b");
    assert_int_equal(changed.widened, 1U << WIDENED_WRITE_UNMATCHED);
}

static void changed_fields_narrow_lists(void **state)
{
    const char *const narrow = "! /database/*/profiles#! /database/*/profiles#country "
                               "/database/*/profiles#modified /profile/7/fields "
                               "/profile/?/fields /view/*/profiles =profile/7 =profile/7/fields "
                               "=profile/? =profile/?/fields";

    (void)state;
    assert_string_equal(named("PUT /profile/7/fields", JSON, "{\"Country\":\"NL\"}"), narrow);
    assert_string_equal(named("POST /profile/7/fields/x", FORM, "country=NL"),
                        "! /database/*/profiles#! /database/*/profiles#country "
                        "/database/*/profiles#modified /profile/7/fields /profile/?/fields "
                        "/view/*/profiles =profile/7 =profile/7/fields/x =profile/? "
                        "=profile/?/fields/x");
}

static void fields_that_are_not_known_narrow_nothing(void **state)
{
    const char *const wide = "! /database/*/profiles /profile/7/fields /profile/?/fields "
                             "/view/*/profiles =profile/7 =profile/7/fields =profile/? "
                             "=profile/?/fields";
    const struct {
        const char *type, *body;
    } rows[] = {
        {JSON, NULL},           {NULL, "{\"a\":1}"},   {JSON, "{\"a\":1"},
        {JSON, "[1]"},          {"text/plain", "a=1"}, {JSON, "{\"\\u00e9\":1}"},
        {FORM, "a.b=1"},        {FORM, "a%00=1"},      {JSON, "{\"a\\u0000\":1}"},
        {JSON, "{\"a\":1} {}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_string_equal(named("PUT /profile/7/fields", rows[i].type, rows[i].body), wide);
    assert_null(
        strstr(named("PUT /profile/7", JSON, "{\"fields\":{\"a\":1},\"secret\":\"x\"}"), "#"));
    assert_non_null(strstr(named("PUT /profile/7", JSON, "{\"fields\":{\"a\":1}}"), "#a "));
    assert_non_null(strstr(named("PUT /profile/7", FORM, "fields[b]=1&fields%5Bc%5D=2"), "#c "));
}

static void two_content_types_are_none(void **state)
{
    struct changed_question question = question_of("PUT /profile/7/fields", JSON, "{\"a\":1}");
    struct fields both = fields_of("Content-Type", JSON);
    struct changed changed;

    (void)state;
    fields_add(&both, &arena, BYTES("content-type"), BYTES("text/plain"));
    question.request = &both;
    changed_by_request(&question, &arena, &changed);
    assert_null(strstr(texts_sorted(&arena, changed.texts, changed.tags.count), "#"));
}

static void a_name_in_place_of_an_id_may_be_any(void **state)
{
    (void)state;
    assert_string_equal(named("PUT /database/Customers", JSON, "{\"name\":1}"),
                        "! /database/* /rule/* =database/* =rule/*");
    assert_string_equal(named("DELETE /profile/07", NULL, ""),
                        "! /database/*/profiles#- /profile/* =profile/* ~profile/*");
}

static void conditions_on_the_body(void **state)
{
    const char *const narrow = "! /databases =database/31 =database/?";
    const char *const wide = "! /database/31 /database/? =database/31 =database/? "
                             "@rule/*@database/31 @rule/*@database/?";

    (void)state;
    assert_string_equal(named("PUT /database/31", JSON, "{\"description\":\"x\"}"), narrow);
    assert_string_equal(named("PUT /database/31", FORM, "description=x"), narrow);
    assert_string_equal(named("PUT /database/31", JSON, "{\"description\":1,\"name\":2}"), wide);
    assert_string_equal(named("PUT /database/31", JSON, "{\"Description\":1}"), wide);
    assert_string_equal(named("PUT /database/31", NULL, "{\"description\":1}"), wide);
    assert_string_equal(named("PUT /database/31", JSON, NULL), wide);
}

static void values_of_the_body(void **state)
{
    (void)state;
    assert_string_equal(
        named("DELETE /database/31/profiles", JSON, "{\"profiles\":[\"7\",8]}"),
        "! /profile/7 /profile/8 /profile/? =database/31/profiles =database/?/profiles "
        "=profile/7 =profile/8 =profile/?");
    assert_string_equal(named("DELETE /database/31/profiles", JSON, "{\"profiles\":[\"x\"]}"),
                        "! /profile/* =database/31/profiles =database/?/profiles =profile/*");
    assert_string_equal(named("DELETE /database/31/profiles", JSON, "{}"),
                        "! /profile/* =database/31/profiles =database/?/profiles =profile/*");
    assert_string_equal(named("DELETE /database/31/profiles", JSON, "{\"profiles\":[]}"),
                        "! =database/31/profiles =database/?/profiles");
}

static struct changed answered(const char *request, const struct fields *answer)
{
    const struct changed_question question = question_of(request, NULL, "");
    struct changed changed;

    changed_by_request(&question, &arena, &changed);
    changed_by_answer(&question, answer, &arena, &changed);
    return changed;
}

static void an_answer_tells_more(void **state)
{
    const struct fields created = fields_of("X-Created", "77");
    struct fields located =
        fields_of("Location", "https://api.example/v2/profile/9?access_token=T");
    struct changed changed = answered("POST /database/31/profiles", &created);

    (void)state;
    assert_string_equal(texts_sorted(&arena, changed.texts, changed.tags.count),
                        "! /database/31/profiles /database/?/profiles /profile/77 "
                        "=database/31/profiles =database/?/profiles =profile/77");
    assert_int_equal(changed.relation_count, 1);
    assert_true(bytes_equal(changed.relations[0].child, BYTES("profile/77")));
    assert_true(bytes_equal(changed.relations[0].parent_id, BYTES("31")));

    changed = answered("POST /database/31/profiles", &located);
    assert_non_null(strstr(texts_sorted(&arena, changed.texts, changed.tags.count), "=profile/9"));
    located = fields_of("Content-Location", "/profile/me");
    changed = answered("POST /database/31/profiles", &located);
    assert_non_null(strstr(texts_sorted(&arena, changed.texts, changed.tags.count), "=profile/*"));
}

static void what_the_answer_did_not_tell_may_be_any(void **state)
{
    const struct fields created = fields_of("X-Created", "32"), none = {0};
    struct changed changed = answered("POST /database/31/copy", &created);

    (void)state;
    assert_string_equal(named("POST /database/31/copy", NULL, ""),
                        "! /databases =database/31/copy =database/?/copy");
    assert_string_equal(
        texts_sorted(&arena, changed.texts, changed.tags.count),
        "! /databases =database/31/copy =database/?/copy @view/*@database/32 @view/*@database/?");
    assert_int_equal(changed.settle_us, INT64_C(300000000));
    const char *const any = "! /databases /view/* =database/31/copy =database/?/copy =view/*";
    changed = answered("POST /database/31/copy", &none);
    assert_string_equal(texts_sorted(&arena, changed.texts, changed.tags.count), any);
    changed = answered("POST /database/31/copy", NULL);
    assert_string_equal(texts_sorted(&arena, changed.texts, changed.tags.count), any);
}

static void what_moves_is_forgotten(void **state)
{
    const struct changed changed = answered("PUT /view/4", NULL);

    (void)state;
    assert_string_equal(texts_sorted(&arena, changed.texts, changed.tags.count),
                        "! /view/* /view/4 /view/? =view/* =view/4 =view/?");
    assert_int_equal(changed.forget_count, 1);
    assert_true(bytes_equal(changed.forgets[0].child, BYTES("view/4")));
    assert_true(bytes_equal(changed.forgets[0].parent_kind, BYTES("database")));
}

static void changes_elsewhere_name_all_that_writes_of_the_entity_do(void **state)
{
    const struct changed_question question = question_of(" ", NULL, NULL);
    struct changed changed;

    (void)state;
    assert_int_equal(changed_by_entity(&question, BYTES("profile/7"), &arena, &changed), RESULT_OK);
    assert_string_equal(
        texts_sorted(&arena, changed.texts, changed.tags.count),
        "! /database/*/profiles /database/*/profiles#- /profile/7 /profile/7/fields "
        "/profile/? /profile/?/fields /view/*/profiles "
        "=profile/7 =profile/? ~profile/7 ~profile/?");
    assert_int_equal(changed_by_entity(&question, BYTES("profle/7"), &arena, &changed),
                     RESULT_INVALID);
    assert_int_equal(changed_by_entity(&question, BYTES("profile"), &arena, &changed),
                     RESULT_INVALID);
    assert_int_equal(changed_by_entity(&question, BYTES("database/31"), &arena, &changed),
                     RESULT_OK);
    assert_int_equal(
        changed.tags.hashes[changed.tags.count - 1] == 7 ||
            strstr(texts_sorted(&arena, changed.texts, changed.tags.count), "account") != NULL,
        true);
}

static void some_writes_need_their_body(void **state)
{
    (void)state;
    assert_true(changed_reads_body(preset, BYTES("PUT"), BYTES("/profile/7/fields")));
    assert_true(changed_reads_body(preset, BYTES("PUT"), BYTES("/database/31")));
    assert_true(changed_reads_body(preset, BYTES("DELETE"), BYTES("/database/31/profiles")));
    assert_false(changed_reads_body(preset, BYTES("POST"), BYTES("/database/31/copy")));
    assert_false(changed_reads_body(preset, BYTES("PUT"), BYTES("/unheard")));
    assert_false(changed_reads_body(NULL, BYTES("PUT"), BYTES("/profile/7/fields")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_no_rule_matches_names_the_account),
        cmocka_unit_test(changed_fields_narrow_lists),
        cmocka_unit_test(fields_that_are_not_known_narrow_nothing),
        cmocka_unit_test(two_content_types_are_none),
        cmocka_unit_test(a_name_in_place_of_an_id_may_be_any),
        cmocka_unit_test(conditions_on_the_body),
        cmocka_unit_test(values_of_the_body),
        cmocka_unit_test(an_answer_tells_more),
        cmocka_unit_test(what_the_answer_did_not_tell_may_be_any),
        cmocka_unit_test(what_moves_is_forgotten),
        cmocka_unit_test(changes_elsewhere_name_all_that_writes_of_the_entity_do),
        cmocka_unit_test(some_writes_need_their_body),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
