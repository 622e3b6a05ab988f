/* A preset's kinds, reads and writes: how they are read, and which of them a path finds. */
#include "config/reading.h"

#include <stdlib.h>
#include <unistd.h>

#include "config/entities.h"

/* A little API: kinds, equivalents, two lists, a few writes. Each test adds what it is about. */
#define KINDS                                                                                      \
    "\"kinds\": {\"database\": {}, \"profile\": {\"parents\": [\"database\"]},"                    \
    "\"sub\": {\"parents\": [\"profile\"]}, \"mail\": {\"ids\": \"opaque\"}}"

static struct configuration *now;
static struct arena arena;

/* A preset's file for the length of one call, and the configuration that names it. */
static void preset_write(const char *text, char path[32], char configuration[128])
{
    (void)snprintf(path, 32, "/tmp/postern-preset-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd != -1);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    (void)snprintf(configuration, 128,
                   "{\"upstreams\": {\"u\": {\"url\": \"https://x\", \"preset\": \"%s\"}}}", path);
}

static const struct preset *preset_of(const char *text)
{
    char path[32], configuration[128];

    preset_write(text, path, configuration);
    configuration_release(now);
    now = reading(configuration);
    assert_int_equal(unlink(path), 0);
    return now->upstreams[0].preset;
}

static const struct entities *entities_of(const char *text)
{
    const struct entities *entities = preset_of(text)->entities;

    assert_non_null(entities);
    return entities;
}

static void assert_refused(const char *text, const char *words)
{
    char path[32], configuration[128], said[256];

    preset_write(text, path, configuration);
    (void)snprintf(said, sizeof(said), "%s:%s", path, words);
    assert_fault(configuration, 1, "/upstreams/u/preset", said);
    assert_int_equal(unlink(path), 0);
}

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
    configuration_release(now);
    return 0;
}

static struct path_segments segments_of(const struct entities *entities, const char *path)
{
    struct path_segments segments;

    path_canonical(entities, &arena, bytes_of_string(path), &segments);
    return segments;
}

static void assert_canonical(const struct entities *entities, const char *path, const char *wanted)
{
    const struct path_segments segments = segments_of(entities, path);
    struct bytes text = BYTES("");

    for (size_t i = 0; i < segments.count; i++) {
        const struct bytes parts[] = {text, i > 0 ? BYTES("/") : BYTES(""), segments.list[i]};

        text = arena_join_all(&arena, parts, ARRAY_LENGTH(parts));
    }
    if (!bytes_equal(text, bytes_of_string(wanted)))
        fail_msg("%s is \"%.*s\", not \"%s\"", path, (int)text.length, text.data, wanted);
}

static void a_canonical_path_has_one_spelling(void **state)
{
    const struct entities *entities =
        entities_of("{" KINDS ", \"equivalents\": [{\"path\": \"/html\", \"as\": \"/publisher\"},"
                    "{\"path\": \"/publisher/message\", \"as\": \"/publisher/letter\"},"
                    "{\"path\": \"/mails\", \"as\": \"/publisher/mails\"},"
                    "{\"path\": \"/profile/*/html\", \"as\": \"/profile/*/publisher\"}]}");

    (void)state;
    assert_canonical(NULL, "/profile/7/", "profile/7");
    assert_canonical(NULL, "/", "");
    assert_canonical(NULL, "", "");
    assert_canonical(NULL, "/database//1", "database//1");
    assert_canonical(entities, "/html", "publisher");
    assert_canonical(entities, "/html/message/5/body", "publisher/letter/5/body");
    assert_canonical(entities, "/htmlx/5", "htmlx/5");
    assert_canonical(entities, "/a/html", "a/html");
    assert_canonical(entities, "/mails/", "publisher/mails");
    assert_canonical(entities, "/profile/7/html/mails", "profile/7/publisher/mails");
    assert_canonical(entities, "/profile//html", "profile//html");
    assert_canonical(entities, "/profile/7", "profile/7");
}

static void a_path_of_too_many_segments_says_so(void **state)
{
    char path[2 * PATH_SEGMENTS_LIMIT + 3] = "";

    (void)state;
    for (size_t i = 0; i < PATH_SEGMENTS_LIMIT; i++)
        memcpy(path + 2 * i, "/a", 3);
    assert_false(segments_of(NULL, path).is_odd);
    memcpy(path + 2 * (size_t)PATH_SEGMENTS_LIMIT, "/b", 3);
    const struct path_segments segments = segments_of(NULL, path);
    assert_true(segments.is_odd);
    assert_int_equal(segments.count, PATH_SEGMENTS_LIMIT);
}

static void assert_read(const struct entities *entities, const char *path, const char *wanted)
{
    const struct path_segments segments = segments_of(entities, path);
    const struct read_rule *rule = entities_read_rule(entities, &segments);

    if (wanted == NULL)
        assert_null(rule);
    else if (rule == NULL || !bytes_equal(rule->path.text, bytes_of_string(wanted)))
        fail_msg("%s finds %s, not %s", path, rule == NULL ? "none" : rule->path.text.data, wanted);
}

#define READS                                                                                      \
    "\"reads\": [{\"path\": \"/database/{database}\"}, {\"path\": \"/database/{database}/all\"},"  \
    "{\"path\": \"/database/{database}/{what}\"}, {\"path\": \"/database/all/{what}\"},"           \
    "{\"path\": \"/database/{database}/all/old\"}]"

static void the_rule_with_most_literals_first_is_found(void **state)
{
    const struct entities *entities = entities_of("{" KINDS ", " READS "}");

    (void)state;
    assert_read(entities, "/database/5", "/database/{database}");
    assert_read(entities, "/database/name/", "/database/{database}");
    assert_read(entities, "/database/5/all", "/database/{database}/all");
    assert_read(entities, "/database/5/x", "/database/{database}/{what}");
    assert_read(entities, "/database/all/all", "/database/all/{what}");
    assert_read(entities, "/database", NULL);
    assert_read(entities, "/Database/5", NULL);
    assert_read(entities, "/database//all", NULL);
    assert_read(entities, "/database/5/all/x", NULL);
}

static void superfluous_segments_follow_a_word_where_the_preset_says_so(void **state)
{
    const struct entities *entities =
        entities_of("{" KINDS ", \"superfluous_segments\": true, " READS "}");

    (void)state;
    assert_read(entities, "/database/5/all/x", "/database/{database}/all");
    assert_read(entities, "/database/5/all/x/y/z", "/database/{database}/all");
    assert_read(entities, "/database/5/all/old", "/database/{database}/all/old");
    assert_read(entities, "/database/5/all/old/x", "/database/{database}/all/old");
    assert_read(entities, "/database/5/x/y", NULL);
    assert_read(entities, "/database/5/x", "/database/{database}/{what}");
}

static void the_rules_of_a_write_are_those_of_its_method_and_best_template(void **state)
{
    const struct entities *entities = entities_of(
        "{" KINDS ", \"superfluous_segments\": true, \"writes\": ["
        "{\"methods\": [\"PUT\", \"POST\"], \"path\": \"/database/{database}\", \"changes\": []},"
        "{\"methods\": [\"PUT\"], \"path\": \"/database/{d}\", \"only\": [\"a\", \"b\"],"
        "\"changes\": []},"
        "{\"methods\": [\"DELETE\"], \"path\": \"/database/{database}/all\", \"changes\": []},"
        "{\"methods\": [\"PUT\"], \"path\": \"/database/{database}/{x}\", \"changes\": []}]}");
    const struct write_rule *rules[4];
    struct path_segments path = segments_of(entities, "/database/5");

    (void)state;
    assert_int_equal(entities_write_rules(entities, BYTES("PUT"), &path, rules, 4), 2);
    assert_string_equal(rules[0]->text.data, "PUT,POST /database/{database}");
    assert_string_equal(rules[1]->text.data, "PUT /database/{d} of a,b");
    assert_int_equal(rules[1]->only_count, 2);
    assert_null(rules[0]->only);
    assert_int_equal(entities_write_rules(entities, BYTES("PUT"), &path, rules, 1), 1);
    assert_int_equal(entities_write_rules(entities, BYTES("POST"), &path, rules, 4), 1);
    assert_int_equal(entities_write_rules(entities, BYTES("put"), &path, rules, 4), 0);
    assert_int_equal(entities_write_rules(entities, BYTES("DELETE"), &path, rules, 4), 0);
    path = segments_of(entities, "/database/5/all");
    assert_int_equal(entities_write_rules(entities, BYTES("PUT"), &path, rules, 4), 1);
    assert_string_equal(rules[0]->text.data, "PUT /database/{database}/{x}");
    path = segments_of(entities, "/database/5/all/more");
    assert_int_equal(entities_write_rules(entities, BYTES("DELETE"), &path, rules, 4), 1);
    assert_int_equal(entities_write_rules(entities, BYTES("PUT"), &path, rules, 4), 0);
}

static void kinds_know_their_parents_and_ids(void **state)
{
    const struct entities *entities = entities_of("{" KINDS "}");
    const int database = entities_kind(entities, BYTES("database")),
              profile = entities_kind(entities, BYTES("profile")),
              sub = entities_kind(entities, BYTES("sub"));
    const struct kind *decimal = &entities->kinds[profile],
                      *opaque = &entities->kinds[entities_kind(entities, BYTES("mail"))];
    char longest[KIND_ID_LIMIT + 1];

    (void)state;
    assert_int_equal(entities_kind(entities, BYTES("pro")), KIND_NONE);
    assert_true(kind_is_below(entities, profile, database));
    assert_true(kind_is_below(entities, sub, database));
    assert_false(kind_is_below(entities, database, sub));
    assert_false(kind_is_below(entities, database, database));
    assert_false(kind_is_below(entities, KIND_NONE, database));
    memset(longest, '1', sizeof(longest));
    assert_true(kind_is_id(decimal, bytes_of(longest, KIND_ID_LIMIT)));
    assert_false(kind_is_id(decimal, bytes_of(longest, sizeof(longest))));
    assert_true(kind_is_id(decimal, BYTES("0")));
    assert_false(kind_is_id(decimal, BYTES("07")));
    assert_false(kind_is_id(decimal, BYTES("-7")));
    assert_false(kind_is_id(decimal, BYTES("")));
    assert_false(kind_is_id(decimal, BYTES("x7")));
    assert_true(kind_is_id(opaque, BYTES("07fa")));
    assert_false(kind_is_id(opaque, BYTES("")));
}

static void lists_and_ats_follow_from_all_rules_together(void **state)
{
    const struct entities *entities = entities_of(
        "{" KINDS ", \"touched_fields\": [\"Modified\"], \"created_field\": \"X-Created\","
        "\"reads\": [{\"path\": \"/database/{database}/profiles\","
        "\"shows\": [\"[]=>profile\"], \"list\": {\"filters\": \"f\","
        "\"order\": \"o\", \"neutral\": [\"start\"],"
        "\"complete\": {\"start\": \"s\", \"count\": \"c\", \"total\": \"t\"}}}],"
        "\"writes\": [{\"methods\": [\"PUT\"], \"path\": \"/profile/{profile}\", \"changes\": ["
        "\"database/{database@profile}/profiles\", \"database/{database@profile}\","
        "\"~sub/*@database/{database@profile}\", \"sub/*@profile/{profile}\", "
        "\"sub/*@database/{database@profile}\", \"=profile/{profile}\"],"
        "\"fields\": \"body.fields\", \"moves\": true, \"settle\": \"5s\"},"
        "{\"methods\": [\"POST\"], \"path\": \"/database/{database}/profiles\", \"changes\": ["
        "\"~sub/*@database/{database}\", \"=database/*/profiles\"], \"fields\": \"body\","
        "\"creates\": \"profile\"}]}");
    const struct write_rule *put = &entities->writes[0], *post = &entities->writes[1];

    (void)state;
    assert_true(put->changes[0].narrowed);
    assert_false(put->changes[1].narrowed);
    assert_false(
        post->changes[1].narrowed); /* the list shows profiles, the write is of a database */
    assert_int_equal(put->fields->count, 1);
    assert_string_equal(put->fields->steps[0].name.data, "fields");
    assert_int_equal(post->fields->count, 0);
    assert_true(put->moves && !put->removes && !post->moves);
    assert_int_equal(put->settle_us, 5000000);
    assert_int_equal(post->settle_us, -1);
    assert_int_equal(put->creates, KIND_NONE);
    assert_int_equal(post->creates, entities_kind(entities, BYTES("profile")));

    assert_int_equal(entities->at_count, 3);
    assert_true(bytes_equal(entities->ats[0].text, BYTES("sub/*")));
    assert_true(entities->ats[0].reference && !entities->ats[1].reference);
    assert_int_equal(entities->ats[0].kind, entities_kind(entities, BYTES("sub")));
    assert_int_equal(entities->ats[0].ancestor, entities_kind(entities, BYTES("database")));
    assert_int_equal(entities->ats[1].ancestor, entities_kind(entities, BYTES("profile")));
    assert_int_equal(entities->ats[2].ancestor, entities_kind(entities, BYTES("database")));

    assert_string_equal(entities->touched[0].data, "modified");
    assert_string_equal(entities->created_field.data, "X-Created");
    assert_string_equal(entities->reads[0].list->shown_count.data, "c");
}

static void ttl_and_store_of_a_read_stand_behind_the_rules_in_every_spelling(void **state)
{
    const struct preset *preset =
        preset_of("{" KINDS ", \"superfluous_segments\": true,"
                  "\"equivalents\": [{\"path\": \"/html\", \"as\": \"/publisher\"},"
                  "{\"path\": \"/publisher/old\", \"as\": \"/publisher/new\"}],"
                  "\"reads\": [{\"path\": \"/publisher/new/{mail}\", \"ttl\": \"2s\"},"
                  "{\"path\": \"/token\", \"store\": false}],"
                  "\"rules\": [{\"match\": \"/token\", \"ttl\": \"1s\"}]}");
    static const char *const texts[] = {"/token",      "/publisher/new/*", "/publisher/old/*",
                                        "/html/new/*", "/html/old/*",      "/token/**"};

    (void)state;
    assert_int_equal(preset->rule_count, ARRAY_LENGTH(texts));
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        size_t found = 0;

        for (size_t k = 0; k < preset->rule_count; k++)
            found += bytes_equal(preset->rules[k].match_text, bytes_of_string(texts[i])) ? 1 : 0;
        if (found != 1)
            fail_msg("%s stands %zu times", texts[i], found);
    }
    assert_true(bytes_equal(preset->rules[0].match_text, BYTES("/token")));
    assert_int_equal(preset->rules[1].ttl_us, 2000000);
    assert_true(preset->rules[1].store && !preset->rules[1].store_said);
    assert_false(preset->rules[5].store);
    assert_int_equal(preset->rules[5].ttl_us, -1);
}

static void overload_answers_are_known_by_status_and_text(void **state)
{
    const struct preset *preset =
        preset_of("{\"overload\": [{\"status\": 503, \"body\": \"too much\"}, {\"status\": 509}]}");

    (void)state;
    assert_null(preset->entities);
    assert_int_equal(preset->overload_count, 2);
    assert_int_equal(preset->overloads[0].status, 503);
    assert_true(bytes_equal(preset->overloads[0].body, BYTES("too much")));
    assert_int_equal(preset->overloads[1].body.length, 0);
}

#define WRITE(more) "{" KINDS ", \"writes\": [{" more "}]}"
#define PUT "\"methods\": [\"PUT\"], \"path\": \"/profile/{profile}\", \"changes\": []"

static void what_is_wrong_is_told_where_it_stands(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"{\"kinds\": []}", "1: /kinds: expects an object"},
        {"{\"kinds\": {\"a b\": {}}}", "1: /kinds/a b: is no name of a kind"},
        {"{\"kinds\": {\"a/\": {}}}", "1: /kinds/a~1: is no name of a kind"},
        {"{\"kinds\": {\"a\": {}, \"a\": {}}}", "1: /kinds/a: stands twice"},
        {"{\"kinds\": {\"a\": {\"ids\": \"hex\"}}}",
         "1: /kinds/a/ids: expects \"decimal\" or \"opaque\""},
        {"{\"kinds\": {\"page\": {}, \"a\": {\"parents\": [\"pgae\"]}}}",
         "1: /kinds/a/parents/0: unknown kind \"pgae\": did you mean \"page\"?"},
        {"{\"kinds\": {\"a\": {\"parents\": [\"a\"]}}}", "1: /kinds/a: its \"parents\" go round"},
        {"{\"kinds\": {\"a\": {\"parents\": [\"a\", \"a\", \"a\", \"a\", \"a\"]}}}",
         "1: /kinds/a/parents: has more than 4"},
        {"{\"equivalents\": [{\"path\": \"html\", \"as\": \"/a\"}]}",
         "1: /equivalents/0/path: expects a path"},
        {"{\"equivalents\": [{\"path\": \"/a/\", \"as\": \"/b\"}]}",
         "1: /equivalents/0/path: expects a path"},
        {"{\"equivalents\": [{\"path\": \"/a/*\", \"as\": \"/b\"}]}",
         "1: /equivalents/0: has more stars"},
        {"{\"equivalents\": [{\"path\": \"/a\", \"as\": \"/a\"}]}",
         "1: /equivalents/0: says that a path is itself"},
        {"{" KINDS ", \"reads\": [{\"path\": \"profile\"}]}", "1: /reads/0/path: is no path"},
        {"{" KINDS ", \"reads\": [{\"path\": \"/a\", \"shows\": [\"ID=>profle\"]}]}",
         "1: /reads/0/shows/0: \"ID=>profle\": unknown kind \"profle\""},
        {"{" KINDS ", \"reads\": [{\"path\": \"/a/{x}\"}, {\"path\": \"/a/{y}\"}]}",
         "1: /reads/1/path: is the same path as /a/{x}"},
        {"{" KINDS ", \"reads\": [{\"path\": \"/a/{x}\", \"also\": [\"/b/{y}\"]}]}",
         "1: /reads/0/also/0: {y} is no placeholder of /a/{x}"},
        {"{" KINDS ", \"reads\": [{\"path\": \"/a\", \"shows\": [\"[]=>profile\"],"
         "\"list\": {\"complete\": {\"start\": \"s\", \"count\": \"c\"}}}]}",
         "1: /reads/0/list/complete: needs a member \"total\""},
        {"{" KINDS ", \"reads\": [{\"path\": \"/a\", \"list\": {}}]}",
         "1: /reads/0/list: is of no use without an identity"},
        {"{" KINDS ", \"reads\": [{\"path\": \"/database/{database}/profiles\","
         "\"shows\": [\"[]=>profile\"], \"list\": {}}],"
         "\"writes\": [{\"methods\": [\"PUT\"], \"path\": \"/profile/{profile}\", \"fields\": "
         "\"body\","
         "\"changes\": [\"database/*/profiles\"]}]}",
         "1: /writes/0/changes: leaves out the path's last entity"},
        {"{\"overload\": [{\"status\": 99}]}", "1: /overload/0/status: expects a whole number"},
        {"{\"overload\": [{}]}", "1: /overload/0: needs a member \"status\""},
        {WRITE("\"methods\": [], \"path\": \"/a\", \"changes\": []"),
         "1: /writes/0/methods: is empty"},
        {WRITE("\"methods\": [\"GET\"], \"path\": \"/a\", \"changes\": []"),
         "1: /writes/0/methods: \"GET\" is no method that changes"},
        {WRITE("\"methods\": [\"PUT\"], \"path\": \"/a\""),
         "1: /writes/0: needs a member \"changes\""},
        {WRITE("\"methods\": [\"PUT\"], \"path\": \"/profile/{profile}\","
               "\"changes\": [\"profile/{profle}\"]"),
         "1: /writes/0/changes/0: \"profile/{profle}\": {profle} is no placeholder"},
        {WRITE("\"methods\": [\"PUT\"], \"path\": \"/a\", \"changes\": [], \"removes\": true"),
         "1: /writes/0/removes: speaks of the path's last entity"},
        {WRITE(PUT ", \"fields\": \"fields\""), "1: /writes/0/fields: expects \"body\""},
        {WRITE(PUT ", \"fields\": \"body.a.b\""), "1: /writes/0/fields: expects \"body\""},
        {WRITE(PUT ", \"creates\": \"databose\""),
         "1: /writes/0/creates: unknown kind \"databose\": did you mean \"database\"?"},
        {WRITE(PUT ", \"settle\": 5"), "1: /writes/0/settle: expects a duration"},
        {WRITE(PUT "}, {" PUT), "1: /writes/1/path: is the same write as PUT /profile/{profile}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_refused(rows[i].text, rows[i].words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_canonical_path_has_one_spelling),
        cmocka_unit_test(a_path_of_too_many_segments_says_so),
        cmocka_unit_test(the_rule_with_most_literals_first_is_found),
        cmocka_unit_test(superfluous_segments_follow_a_word_where_the_preset_says_so),
        cmocka_unit_test(the_rules_of_a_write_are_those_of_its_method_and_best_template),
        cmocka_unit_test(kinds_know_their_parents_and_ids),
        cmocka_unit_test(lists_and_ats_follow_from_all_rules_together),
        cmocka_unit_test(ttl_and_store_of_a_read_stand_behind_the_rules_in_every_spelling),
        cmocka_unit_test(overload_answers_are_known_by_status_and_text),
        cmocka_unit_test(what_is_wrong_is_told_where_it_stands),
    };

    return cmocka_run_group_tests_name("config/entities", tests, arena_make, arena_drop);
}
