/* The notation of presets: what each text means, and what is refused and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/notation.h"

enum { DATABASE, PROFILE, VIEW, RULE, EMAILING };

static const struct kind kinds[] = {
    [DATABASE] = {.name = {"database", 8}},
    [PROFILE] = {.name = {"profile", 7}, .parents = {DATABASE}, .parent_count = 1},
    [VIEW] = {.name = {"view", 4}, .parents = {DATABASE}, .parent_count = 1},
    [RULE] = {.name = {"rule", 4}, .parents = {VIEW}, .parent_count = 1},
    [EMAILING] = {.name = {"publisher/emailing", 18}},
};
static const struct path_equivalent equivalents[] = {
    {.from = {"html", 4}, .to = {"publisher", 9}},
    {.from = {"profile/*/html", 14}, .to = {"profile/*/publisher", 19}},
};
static const struct entities entities = {.kinds = kinds,
                                         .kind_count = ARRAY_LENGTH(kinds),
                                         .equivalents = equivalents,
                                         .equivalent_count = ARRAY_LENGTH(equivalents)};

static struct arena arena;
static const struct notation notation = {.entities = &entities, .arena = &arena};

static int arena_make(void **state)
{
    (void)state;
    arena_init(&arena, 4096);
    return 0;
}

static int arena_drop(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

static void assert_text(struct bytes bytes, const char *text)
{
    if (!bytes_equal(bytes, bytes_of_string(text)))
        fail_msg("\"%.*s\" is not \"%s\"", (int)bytes.length, bytes.data, text);
}

static void assert_says(const struct error *error, const char *words)
{
    if (strstr(error->text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error->text, words);
}

static struct path_template template_of(const char *text)
{
    struct path_template template;
    struct error error;

    if (notation_template(&notation, bytes_of_string(text), &template, &error) != RESULT_OK)
        fail_msg("%s: %s", text, error.text);
    return template;
}

static void a_template_has_literals_kinds_and_other_placeholders(void **state)
{
    struct path_template template = template_of("/rule/{rule}/conditions/{type}");

    (void)state;
    assert_int_equal(template.count, 4);
    assert_text(template.text, "/rule/{rule}/conditions/{type}");
    assert_false(template.segments[0].placeholder);
    assert_text(template.segments[0].text, "rule");
    assert_true(template.segments[1].placeholder);
    assert_int_equal(template.segments[1].kind, RULE);
    assert_true(template.segments[3].placeholder);
    assert_int_equal(template.segments[3].kind, KIND_NONE);
    template = template_of("/publisher/emailing/{publisher/emailing}/clicks");
    assert_int_equal(template.count, 4);
    assert_int_equal(template.segments[2].kind, EMAILING);
    assert_text(template.segments[3].text, "clicks");
}

static void templates_that_could_not_match_are_refused(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"profile", "starts with a slash"},
        {"/", "starts with a slash"},
        {"/profile/", "empty segment"},
        {"/profile//fields", "empty segment"},
        {"/profile/*", "can't have \"*\""},
        {"/profile/x{profile}", "can't have \"x{profile}\""},
        {"/profile/{}", "can't have \"{}\""},
        {"/profile/{database@profile}", "can't have"},
        {"/profile/{profile}/copy/{profile}", "has {profile} twice"},
        {"/{database}/{profile}/{view}/{rule}", "more than 3 placeholders"},
        {"/1/2/3/4/5/6/7/8/9/10/11/12/13", "more than 12 segments"},
        {"/html/emailings", "write it as that"},
        {"/profile/{profile}/html", "write it as that"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct path_template template;
        struct error error;

        if (notation_template(&notation, bytes_of_string(rows[i].text), &template, &error) ==
            RESULT_OK)
            fail_msg("%s is taken", rows[i].text);
        assert_says(&error, rows[i].words);
    }
}

static struct shown_rule shown_of(const char *text)
{
    struct shown_rule shown;
    struct error error;

    if (notation_shown(&notation, bytes_of_string(text), &shown, &error) != RESULT_OK)
        fail_msg("%s: %s", text, error.text);
    return shown;
}

static void what_is_shown_says_where_it_stands(void **state)
{
    struct shown_rule shown = shown_of("data[].conditions.data[].ID=>rule");

    (void)state;
    assert_true(shown.identity);
    assert_int_equal(shown.kind, RULE);
    assert_int_equal(shown.path.count, 4);
    assert_string_equal(shown.path.steps[0].name.data, "data");
    assert_true(shown.path.steps[0].items);
    assert_string_equal(shown.path.steps[1].name.data, "conditions");
    assert_false(shown.path.steps[1].items);
    assert_string_equal(shown.path.steps[3].name.data, "ID");

    shown = shown_of("[]=>profile");
    assert_int_equal(shown.path.count, 1);
    assert_true(shown.path.steps[0].items);
    assert_int_equal(shown.path.steps[0].name.length, 0);

    shown = shown_of("mailing~>publisher/emailing");
    assert_false(shown.identity);
    assert_int_equal(shown.kind, EMAILING);

    shown = shown_of("parent-id~>{parent-type}");
    assert_int_equal(shown.kind, KIND_NONE);
    assert_string_equal(shown.kind_member.data, "parent-type");
}

static void what_is_shown_unclearly_is_refused(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"ID", "expects \"member=>kind\""},
        {"ID=>profle", "unknown kind \"profle\": did you mean \"profile\"?"},
        {"ID=>", "unknown kind"},
        {"=>profile", "a name is missing"},
        {"data[]..ID=>profile", "a name is missing"},
        {"data[].[]=>profile", "a name is missing"},
        {"data[0].ID=>profile", "no member's name"},
        {"header:X-Created=>profile", "\"creates\""},
        {"ID=>{type}", "only ~> can"},
        {"data[]~>{type}", "ends in []"},
        {"id~>{a.b}", "no member's name"},
        {"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=>profile", "more than 16 deep"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct shown_rule shown;
        struct error error;

        if (notation_shown(&notation, bytes_of_string(rows[i].text), &shown, &error) == RESULT_OK)
            fail_msg("%s is taken", rows[i].text);
        assert_says(&error, rows[i].words);
    }
}

static struct change change_of(const char *path, const char *text)
{
    const struct path_template template = template_of(path);
    struct change change;
    struct error error;

    if (notation_change(&notation, &template, bytes_of_string(text), &change, &error) != RESULT_OK)
        fail_msg("%s: %s", text, error.text);
    assert_text(change.text, text);
    return change;
}

static void a_change_says_where_its_values_come_from(void **state)
{
    struct change change =
        change_of("/profile/{profile}/fields", "database/{database@profile}/profiles");

    (void)state;
    assert_int_equal(change.count, 3);
    assert_int_equal(change.segments[0].source, VALUE_LITERAL);
    assert_int_equal(change.segments[1].source, VALUE_RELATED);
    assert_int_equal(change.segments[1].kind, DATABASE);
    assert_int_equal(change.segments[1].position, 1);
    assert_int_equal(change.segments[1].of_kind, PROFILE);
    assert_int_equal(change.at_kind, KIND_NONE);

    change = change_of("/profile/{profile}", "=profile/{profile}");
    assert_true(change.exact && !change.reference && !change.account);
    assert_int_equal(change.segments[1].source, VALUE_PATH);
    assert_int_equal(change.segments[1].kind, PROFILE);

    change = change_of("/databases", "profile/{body.profiles[]}");
    assert_int_equal(change.segments[1].source, VALUE_BODY);
    assert_int_equal(change.segments[1].kind, PROFILE);
    assert_true(change.segments[1].member.steps[0].items);

    change = change_of("/databases", "database/{header.X-Created}");
    assert_int_equal(change.segments[1].source, VALUE_HEADER);
    assert_string_equal(change.segments[1].text.data, "X-Created");

    change = change_of("/databases", "publisher/emailing/*");
    assert_int_equal(change.segments[2].source, VALUE_ANY);
    assert_int_equal(change.segments[2].kind, EMAILING);

    change = change_of("/databases", "account");
    assert_true(change.account);
}

static void an_at_says_whose_the_star_is(void **state)
{
    struct change change = change_of("/rule/{rule}", "view/*/profiles@database/{database@rule}");

    (void)state;
    assert_int_equal(change.count, 3);
    assert_int_equal(change.segments[1].source, VALUE_ANY);
    assert_int_equal(change.segments[1].kind, VIEW);
    assert_int_equal(change.at_kind, DATABASE);
    assert_int_equal(change.at.source, VALUE_RELATED);
    assert_int_equal(change.at.of_kind, RULE);

    change = change_of("/database/{database}", "~profile/*@database/{database}");
    assert_true(change.reference);
    assert_int_equal(change.at_kind, DATABASE);
    assert_int_equal(change.at.source, VALUE_PATH);
}

static void changes_that_could_not_be_named_are_refused(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"profile/{profle}", "{profle} is no placeholder of /profile/{profile}/x/{type}"},
        {"profile/{view@profile}", "no \"parents\" lead from profile to view"},
        {"profile/{database@type}", "no \"parents\" lead from type to database"},
        {"profile/{database@profile}", "is no id of profile"},
        {"database/{profile}", "is no id of database"},
        {"profile/{type}", "is no id of profile"},
        {"things/*", "no kind's id stands"},
        {"things/{body.x}", "no kind's id stands"},
        {"profile/{header.}", "names no field"},
        {"profile/{body.}", "a name is missing"},
        {"/profile", "empty segment"},
        {"profile/", "empty segment"},
        {"", "empty segment"},
        {"=~profile/*", "is no segment"},
        {"profile/x*", "is no segment"},
        {"~profile/{profile}/fields", "~ expects an entity"},
        {"~publisher", "~ expects an entity"},
        {"profile/*@database", "expects \"@kind/{value}\""},
        {"profile/*@database/*", "expects \"@kind/{value}\""},
        {"profile/*@view/{body.view}", "no \"parents\" lead from profile to view"},
        {"profile/{profile}@database/{body.database}", "@ says whose the one *"},
        {"=profile/*@database/{body.database}", "@ says whose the one *"},
    };
    const struct path_template path = template_of("/profile/{profile}/x/{type}");

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct change change;
        struct error error;

        if (notation_change(&notation, &path, bytes_of_string(rows[i].text), &change, &error) ==
            RESULT_OK)
            fail_msg("%s is taken", rows[i].text);
        assert_says(&error, rows[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_has_literals_kinds_and_other_placeholders),
        cmocka_unit_test(templates_that_could_not_match_are_refused),
        cmocka_unit_test(what_is_shown_says_where_it_stands),
        cmocka_unit_test(what_is_shown_unclearly_is_refused),
        cmocka_unit_test(a_change_says_where_its_values_come_from),
        cmocka_unit_test(an_at_says_whose_the_star_is),
        cmocka_unit_test(changes_that_could_not_be_named_are_refused),
    };

    return cmocka_run_group_tests_name("config/notation", tests, arena_make, arena_drop);
}
