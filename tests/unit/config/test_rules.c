/* Which rule decides what; and what Copernica's preset says of its API's paths. */
#include "config/reading.h"

#include "base/clock.h"
#include "config/rules.h"

#define COPERNICA "\"upstreams\": {\"u\": {\"url\": \"https://x\", \"preset\": \"copernica\"}}"
#define BARE "\"upstreams\": {\"u\": {\"url\": \"https://x\"}}"

static struct arena arena;

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

static struct cache_rule rule_of(const struct configuration *read, const char *path,
                                 const char *query)
{
    return rules_apply(read, &read->upstreams[0], bytes_of_string(path), bytes_of_string(query),
                       &arena);
}

static void the_first_rule_that_says_a_thing_decides_it(void **state)
{
    struct configuration *read = reading(
        "{" BARE ", \"cache\": {\"rules\": [{\"match\": \"/a/**\", \"negative_ttl\": \"1s\"},"
        "{\"match\": \"/a/b\", \"ttl\": \"2s\", \"override\": true},"
        "{\"match\": \"/a/**\", \"ttl\": \"3s\", \"negative_ttl\": \"3s\"},"
        "{\"match\": \"/**\", \"store\": false}, {\"match\": \"/a\", \"store\": true}]}}");
    struct cache_rule rule = rule_of(read, "/a/b", "");

    (void)state;
    assert_int_equal(rule.ttl_us, 2 * CLOCK_SECOND_US);
    assert_true(rule.override);
    assert_int_equal(rule.negative_ttl_us, CLOCK_SECOND_US);
    assert_false(rule.store);
    assert_true(bytes_equal(rule.match_text, BYTES("/a/b")));
    rule = rule_of(read, "/a/c", "");
    assert_int_equal(rule.ttl_us, 3 * CLOCK_SECOND_US);
    assert_false(rule.override);
    rule = rule_of(read, "/x", "");
    assert_int_equal(rule.ttl_us, -1);
    assert_int_equal(rule.negative_ttl_us, -1);
    assert_true(bytes_equal(rule.match_text, BYTES("/**")));
    configuration_release(read);
}

static void settle_is_taken_from_the_first_rule_that_says_it(void **state)
{
    struct configuration *read =
        reading("{" COPERNICA ", \"cache\": {\"rules\": [{\"match\": \"/a\", \"ttl\": \"1s\"},"
                "{\"match\": \"/a\", \"settle\": \"2s\"}, {\"match\": \"/a\", \"settle\": \"3s\"},"
                "{\"match\": \"/rule/*\", \"settle\": \"0s\"}]}}");
    const struct cache_rule rule = rule_of(read, "/a", "");

    (void)state;
    assert_int_equal(rule.settle_us, 2 * CLOCK_SECOND_US);
    assert_int_equal(rule.ttl_us, CLOCK_SECOND_US);
    assert_true(rule.store && !rule.store_said);
    assert_int_equal(rule_of(read, "/a", "async=1").settle_us, 2 * CLOCK_SECOND_US);
    assert_int_equal(rule_of(read, "/rule/3", "").settle_us, 0); /* the preset says more */
    assert_int_equal(rule_of(read, "/b", "").settle_us, -1);
    configuration_release(read);
}

static void without_a_rule_nothing_is_said(void **state)
{
    struct configuration *read = reading("{" BARE "}");
    const struct cache_rule rule = rule_of(read, "/a", "");

    (void)state;
    assert_true(rule.store && !rule.store_said && !rule.override);
    assert_int_equal(rule.ttl_us, -1);
    assert_int_equal(rule.settle_us, -1);
    assert_int_equal(rule.match_text.length, 0);
    configuration_release(read);
}

static void conditions_look_at_decoded_parameters(void **state)
{
    static const struct {
        const char *query;
        bool holds;
    } rows[] = {
        {"", false},
        {"orderby=random", true},
        {"a=1&orderby=random&b=2", true},
        {"orderby=RANDOM", true},
        {"%6Frderby=r%61ndom", true},
        {"orderby=id&orderby=random", true},
        {"orderby=randomly", false},
        {"orderby=", false},
        {"orderby", false},
        {"xorderby=random", false},
        {"a=orderby=random", false},
    };
    const struct parameter_condition condition = {.name = BYTES("orderby"),
                                                  .value = BYTES("random")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (parameter_holds(&condition, bytes_of_string(rows[i].query), &arena) != rows[i].holds)
            fail_msg("%s", rows[i].query);
    const struct parameter_condition any = {.name = BYTES("report"), .any_value = true};
    assert_true(parameter_holds(&any, BYTES("report"), &arena));
    assert_true(parameter_holds(&any, BYTES("x=1&report=a%40b"), &arena));
    assert_false(parameter_holds(&any, BYTES("x=report"), &arena));
    const struct parameter_condition none = {0};
    assert_true(parameter_holds(&none, BYTES(""), &arena));
}

/* What is never stored, what changes by itself, and what the operator decides. */
static void copernica_is_known(void **state)
{
    static const struct {
        const char *path, *query;
        int ttl_s; /* -1: the operator's; 0: never stored */
    } rows[] = {
        {"/token", "code=x", 0},
        {"/token/", "", 0},
        {"/database/5/profiles", "orderby=random", 0},
        {"/collection/5/subprofiles", "limit=3&orderby=random", 0},
        {"/profile/7/publisher/document/3", "", 0},
        {"/profile/7/html/document/3", "", 0},
        {"/subprofile/7/publisher/document/3", "", 0},
        {"/subprofile/7/html/document/3", "", 0},
        {"/profile/7/data", "", 0},
        {"/subprofile/7/data", "report=x", 0},
        {"/email/a@b/data", "", 0},
        {"/anything", "report=http://x", 0},
        {"/datarequest/3", "", 0},
        {"/datarequest/3/data", "", 0},
        {"/datarequest/3/status", "", 0},
        {"/identity", "", 3600},
        {"/view/3/profiles", "", 120},
        {"/view/3/profileids", "", 120},
        {"/view/3", "", 120},
        {"/view/3/rules", "", -1},
        {"/database/5/views", "", 120},
        {"/miniview/5/subprofiles/anything", "", 120},
        {"/consumption", "begin=2024-01-01&end=2024-02-01", 30},
        {"/publisher/emailing/5/statistics", "", 30},
        {"/draganddrop/emailings", "", 30},
        {"/ms/emailing/5", "", 30},
        {"/ms/emailing/5/snapshot", "", -1},
        {"/abuses", "", 30},
        {"/profile/5/ms/destinations", "", 30},
        {"/tags/a;b/events", "", 30},
        {"/events/email/x", "", 30},
        {"/database/5/unsubscribe", "", -1},
        {"/database/5/profiles", "orderby=email", -1},
        {"/profile/7", "", -1},
        {"/profile/7/fields", "", -1},
        {"/publisher/document/5", "", -1},
    };
    struct configuration *read = reading("{" COPERNICA "}");

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct cache_rule rule = rule_of(read, rows[i].path, rows[i].query);
        const int64_t ttl_us = rule.ttl_us < 0 ? -1 : rule.ttl_us / CLOCK_SECOND_US;

        if (rule.store != (rows[i].ttl_s != 0) || (rule.store && ttl_us != rows[i].ttl_s))
            fail_msg("%s?%s: %lld", rows[i].path, rows[i].query, (long long)ttl_us);
        assert_int_equal(rule.negative_ttl_us, 0); /* errors are never kept */
    }
    configuration_release(read);
}

static void copernica_s_writes_that_go_on_after_their_answer_are_known(void **state)
{
    static const struct {
        const char *path, *query;
        int settle_s; /* -1: over when they are answered */
    } rows[] = {
        {"/database/5/profiles", "fields[]=ID==3&async=1", 300},
        {"/database/5/profiles", "async", 300},
        {"/database/5/profiles", "ASYNC=0", 300},
        {"/database/5/profiles", "fields[]=async==1", -1},
        {"/database/5/copy", "", 600},
        {"/database/5/copy", "async=1", 600},
        {"/view/5/copy", "", 600},
        {"/view/5/rebuild", "", 300},
        {"/view/5/rules", "", 300},
        {"/view/5/rule/6", "", 300},
        {"/rule/6", "", 300},
        {"/rule/6/conditions", "", 300},
        {"/condition/date/6", "", 300},
        {"/miniview/5/rebuild", "", 300},
        {"/miniview/5/rules", "", 300},
        {"/miniview/5/minirules", "", 300},
        {"/minirule/6", "", 300},
        {"/minicondition/date/6", "", 300},
        {"/imports", "", 900},
        {"/profile/7/datarequest", "", -1},
        {"/profile/7/fields", "", -1},
        {"/view/5", "", -1},
        {"/database/copy", "", -1},
    };
    struct configuration *read = reading("{" COPERNICA "}");

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const int64_t settle_us = rule_of(read, rows[i].path, rows[i].query).settle_us;

        if ((settle_us < 0 ? -1 : settle_us / CLOCK_SECOND_US) != rows[i].settle_s)
            fail_msg("%s?%s: %lld", rows[i].path, rows[i].query, (long long)settle_us);
    }
    configuration_release(read);
}

static void an_operator_s_ttl_leaves_the_preset_s_prohibitions(void **state)
{
    struct configuration *read =
        reading("{" COPERNICA ", \"cache\": {\"rules\": [{\"match\": \"/database/*/profiles\", "
                "\"ttl\": \"5m\"}, {\"match\": \"/token\", \"store\": true}]}}");

    (void)state;
    assert_false(rule_of(read, "/database/5/profiles", "orderby=random").store);
    assert_true(rule_of(read, "/database/5/profiles", "").store);
    assert_int_equal(rule_of(read, "/database/5/profiles", "").ttl_us, 300 * CLOCK_SECOND_US);
    assert_true(rule_of(read, "/token", "").store); /* said outright */
    configuration_release(read);
}

/* Whether the preset drops the parameter there. */
static bool is_default(const struct preset *preset, const char *path, const char *name,
                       const char *value)
{
    for (size_t i = 0; i < preset->default_count; i++) {
        const struct parameter_rule *rule = &preset->defaults[i];

        if (!bytes_equal(rule->name, bytes_of_string(name)) ||
            !pattern_matches(&rule->match, bytes_of_string(path)))
            continue;
        for (size_t j = 0; j < rule->value_count; j++)
            if (bytes_equal(rule->values[j], bytes_of_string(value)))
                return true;
    }
    return false;
}

static void only_sure_defaults_of_copernica_are_dropped(void **state)
{
    struct configuration *read = reading("{" COPERNICA "}");
    const struct preset *preset = read->upstreams[0].preset;

    (void)state;
    assert_true(is_default(preset, "/database/5/profiles", "limit", "100"));
    assert_true(is_default(preset, "/database/5/profiles", "total", "YES"));
    assert_true(is_default(preset, "/database/5/profiles", "start", "0"));
    assert_true(is_default(preset, "/database/5/profiles", "dataonly", "false"));
    assert_true(is_default(preset, "/databases", "limit", "100"));
    assert_false(is_default(preset, "/database/5/profiles", "limit", "1000"));
    assert_false(is_default(preset, "/database/5/profiles", "total", "on")); /* means false */
    assert_false(is_default(preset, "/database/5/profiles", "start", "00"));
    assert_false(is_default(preset, "/database/5/profiles", "orderby", "id")); /* may be a field */
    assert_false(is_default(preset, "/database/5/profileids", "limit", "100"));
    assert_false(is_default(preset, "/profile/7/events", "start", "0"));
    assert_int_equal(preset->version_prefix_count, 4);
    assert_string_equal(preset->identity_path, "/identity");
    configuration_release(read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_that_says_a_thing_decides_it),
        cmocka_unit_test(settle_is_taken_from_the_first_rule_that_says_it),
        cmocka_unit_test(without_a_rule_nothing_is_said),
        cmocka_unit_test(conditions_look_at_decoded_parameters),
        cmocka_unit_test(copernica_is_known),
        cmocka_unit_test(copernica_s_writes_that_go_on_after_their_answer_are_known),
        cmocka_unit_test(an_operator_s_ttl_leaves_the_preset_s_prohibitions),
        cmocka_unit_test(only_sure_defaults_of_copernica_are_dropped),
    };

    return cmocka_run_group_tests_name("config/rules", tests, arena_make, arena_drop);
}
