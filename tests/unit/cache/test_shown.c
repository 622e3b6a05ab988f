/* The tags and relations of an answer. */
#include "cache/presetting.h"

#include "base/buffer.h"
#include "cache/document.h"
#include "cache/shown.h"

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

static struct shown ask(const char *path, const char *query, struct bytes body)
{
    const struct shown_question question = {.preset = preset,
                                            .relations = {.account_tag = 7},
                                            .path = bytes_of_string(path),
                                            .query = bytes_of_string(query),
                                            .body = body};
    struct shown shown;

    shown_by_answer(&question, &arena, &shown);
    assert_int_equal(shown.tags.hashes[0], 7);
    for (size_t i = 1; i < shown.tags.count; i++)
        assert_int_equal(shown.tags.hashes[i], tag_of_text(7, shown.texts[i]));
    return shown;
}

static void assert_shows(const char *path, const char *query, const char *body, const char *texts)
{
    const struct shown shown = ask(path, query, bytes_of_string(body));

    assert_string_equal(texts_sorted(&arena, shown.texts + 1, shown.tags.count - 1), texts);
}

static void paths_and_what_stands_at_ids(void **state)
{
    (void)state;
    assert_shows("/profile/7/fields", "", "{\"x\":1}",
                 "/profile /profile/* /profile/*/fields /profile/7 /profile/7/fields "
                 "=profile/*/fields =profile/7/fields");
    assert_shows("/profile/anna/fields/", "", "{}",
                 "/profile /profile/* /profile/*/fields /profile/? /profile/?/fields "
                 "=profile/*/fields =profile/?/fields");
    assert_shows("/html/file/A%20B", "", "",
                 "/publisher /publisher/file /publisher/file/* /publisher/file/a%20b "
                 "=publisher/file/* =publisher/file/a%20b");
}

static void superfluous_segments_are_the_list(void **state)
{
    const struct shown shown = ask("/profile/7/fields/more", "", BYTES("{}"));
    const char *texts = texts_sorted(&arena, shown.texts, shown.tags.count);

    (void)state;
    assert_non_null(strstr(texts, "/profile/7/fields "));
    assert_non_null(strstr(texts, "=profile/7/fields "));
    assert_non_null(strstr(texts, "=profile/7/fields/more"));
    assert_int_equal(shown.widened, 0);
}

static void what_is_not_understood_is_dropped_by_every_write(void **state)
{
    (void)state;
    assert_shows("/unknown/thing", "", "{}", "! /unknown /unknown/thing =unknown/thing");
    assert_int_equal(ask("/unknown/thing", "", BYTES("{}")).widened, 1U << WIDENED_READ_UNMATCHED);
    assert_int_equal(ask("/profile/7", "", BYTES("<html>")).widened, 1U << WIDENED_BODY_UNREADABLE);
    assert_int_equal(ask("/profile/7", "", BYTES("{\"ID\":\"7\"} x")).widened,
                     1U << WIDENED_BODY_UNREADABLE);
    assert_int_equal(ask("/profile/7", "", BYTES("{\"ID\":\"7\\u0000\"}")).widened,
                     1U << WIDENED_BODY_UNREADABLE);
    assert_int_equal(ask("/profile/7", "", (struct bytes){0}).widened,
                     1U << WIDENED_BODY_UNREADABLE);
    const size_t huge = DOCUMENT_LIMIT_BYTES + 1;
    char *body = memory_take(huge, 1);
    memset(body, ' ', huge);
    assert_int_equal(ask("/profile/7", "", bytes_of(body, huge)).widened,
                     1U << WIDENED_BODY_TOO_LARGE);
    free(body);
}

static void a_body_shows_entities_and_refers_to_others(void **state)
{
    (void)state;
    assert_shows("/profile/7", "", "{\"ID\":\"7\",\"database\":31}",
                 "/profile /profile/* /profile/7 =profile/* =profile/7 ~database/* ~database/31");
    assert_shows("/profile/7", "", "{\"ID\":7,\"database\":{\"ID\":\"31\"}}",
                 "/profile /profile/* /profile/7 =profile/* =profile/7 ~database/* ~database/31");
    assert_shows("/profile/7", "", "{\"database\":null}",
                 "/profile /profile/* /profile/7 =profile/* =profile/7 =profile/?");
    assert_shows("/profile/7", "", "{\"ID\":\"7\",\"ID\":\"8\"}",
                 "/profile /profile/* /profile/7 =profile/* =profile/7 =profile/8");
    assert_shows("/view/4", "", "{\"ID\":\"4\",\"parent-type\":\"database\",\"parent-id\":\"31\"}",
                 "/view /view/* /view/4 =view/* =view/4 @view/*@database/? ~database/* "
                 "~database/31");
    assert_shows("/view/4", "", "{\"ID\":\"4\",\"parent-type\":\"odd\",\"parent-id\":\"31\"}",
                 "/view /view/* /view/4 =view/* =view/4 @view/*@database/?");
}

static void lists_teach_relations_by_body_and_path(void **state)
{
    const struct shown by_path =
        ask("/database/31/profileids", "", BYTES("[\"7\",\"8\",null,true]"));
    const struct shown by_body =
        ask("/database/31/profiles", "",
            BYTES("{\"data\":[{\"ID\":\"7\",\"database\":\"32\"},{\"ID\":\"8\"}]}"));
    const struct shown by_name = ask("/database/x/profileids", "", BYTES("[\"7\"]"));

    (void)state;
    assert_int_equal(by_path.relation_count, 2);
    assert_true(bytes_equal(by_path.relations[1].child, BYTES("profile/8")));
    assert_true(bytes_equal(by_path.relations[1].parent_kind, BYTES("database")));
    assert_true(bytes_equal(by_path.relations[1].parent_id, BYTES("31")));
    assert_int_equal(by_body.relation_count, 2);
    assert_true(bytes_equal(by_body.relations[0].parent_id, BYTES("32"))); /* its own word */
    assert_true(bytes_equal(by_body.relations[1].parent_id, BYTES("31")));
    assert_int_equal(by_name.relation_count, 0);
}

static void the_same_answer_has_other_paths(void **state)
{
    (void)state;
    assert_shows(
        "/view/4/rule/9", "", "{\"ID\":\"9\",\"view\":\"4\"}",
        "/rule /rule/* /rule/9 /view /view/* /view/*/rule /view/*/rule/* /view/*/rule/9 "
        "/view/4 /view/4/rule /view/4/rule/* /view/4/rule/9 =rule/* =rule/9 =view/*/rule/* "
        "=view/*/rule/9 =view/4/rule/* =view/4/rule/9 @rule/*@database/? "
        "@view/*@database/? ~view/* ~view/4");
}

static void a_list_says_which_fields_it_looks_at(void **state)
{
    const struct {
        const char *query, *facets;
    } rows[] = {
        {"", ""},
        {"fields%5B%5D=Country%3D%3DNL&limit=5", "#country"},
        {"fields%5B0%5D=%20age%3E5&orderby=Name", "#age #name"},
        {"fields%5B%5D=nonsense", "#!"},
        {"fields%5B%5D=caf%C3%A9%3D1", "#!"},
        {"other=1", "#!"},
        {"FIELDS%5B%5D=a%3D1", "#!"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct shown shown = ask("/database/31/profiles", rows[i].query,
                                       BYTES("{\"start\":0,\"count\":0,\"total\":0,\"data\":[]}"));
        struct bytes facets[16];
        size_t count = 0;

        for (size_t k = 1; k < shown.tags.count; k++)
            if (bytes_starts_with(shown.texts[k], BYTES("/database/31/profiles#")))
                facets[count++] = bytes_from(shown.texts[k], 21);
        assert_string_equal(texts_sorted(&arena, facets, count), rows[i].facets);
    }
}

static void a_list_is_complete_by_its_numbers(void **state)
{
    const struct {
        const char *body;
        bool is_part;
    } rows[] = {
        {"{\"start\":0,\"count\":2,\"total\":2,\"data\":[]}", false},
        {"{\"start\":1,\"count\":2,\"total\":2,\"data\":[]}", true},
        {"{\"start\":0,\"count\":2,\"total\":3,\"data\":[]}", true},
        {"{\"start\":0,\"count\":2,\"data\":[]}", true},
        {"{\"start\":\"0\",\"count\":2,\"total\":2,\"data\":[]}", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct shown shown = ask("/database/31/profiles", "", bytes_of_string(rows[i].body));
        const char *texts = texts_sorted(&arena, shown.texts, shown.tags.count);

        assert_int_equal(strstr(texts, "/database/31/profiles#-") != NULL, rows[i].is_part);
    }
}

static void too_many_ids_are_one_tag(void **state)
{
    struct buffer body;

    (void)state;
    buffer_init(&body, 1 << 20);
    buffer_add(&body, BYTES("[0"));
    for (unsigned i = 1; i < TAGS_LIMIT + 10; i++)
        buffer_format(&body, ",\"%u\"", i);
    buffer_add(&body, BYTES("]"));
    const struct shown shown = ask("/database/31/profileids", "", buffer_bytes(&body));
    assert_int_equal(shown.widened, 1U << WIDENED_TOO_MANY_TAGS);
    assert_true(shown.tags.count < 32);
    assert_non_null(strstr(texts_sorted(&arena, shown.texts, shown.tags.count), "! "));
    buffer_finish(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_and_what_stands_at_ids),
        cmocka_unit_test(superfluous_segments_are_the_list),
        cmocka_unit_test(what_is_not_understood_is_dropped_by_every_write),
        cmocka_unit_test(a_body_shows_entities_and_refers_to_others),
        cmocka_unit_test(lists_teach_relations_by_body_and_path),
        cmocka_unit_test(the_same_answer_has_other_paths),
        cmocka_unit_test(a_list_says_which_fields_it_looks_at),
        cmocka_unit_test(a_list_is_complete_by_its_numbers),
        cmocka_unit_test(too_many_ids_are_one_tag),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
