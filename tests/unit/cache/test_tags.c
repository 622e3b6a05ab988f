/* Tags of texts, and the set that collects them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/tag_set.h"

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

static void accounts_share_no_tag(void **state)
{
    const uint64_t acme = tag_of_account(BYTES("acme")), other = tag_of_account(BYTES("other"));

    (void)state;
    assert_int_not_equal(acme, other);
    assert_int_not_equal(tag_of_text(acme, BYTES("/a")), tag_of_text(other, BYTES("/a")));
    assert_int_not_equal(tag_of_text(acme, BYTES("")), acme);
    assert_int_equal(tag_of_text(acme, BYTES("/a")), tag_of_text(acme, BYTES("/a")));
}

static void add(struct tag_set *set, struct bytes a, struct bytes b)
{
    const struct bytes parts[] = {a, b};

    tag_set_add(set, parts, ARRAY_LENGTH(parts));
}

static void a_set_holds_each_text_once(void **state)
{
    struct tag_set set;

    (void)state;
    tag_set_init(&set, &arena, 7);
    tag_set_add_account(&set);
    tag_set_add_account(&set);
    add(&set, BYTES("/a"), BYTES("b"));
    add(&set, BYTES("/"), BYTES("ab"));
    assert_int_equal(set.count, 2);
    assert_int_equal(tag_set_tags(&set).hashes[0], 7);
    assert_int_equal(tag_set_tags(&set).hashes[1], tag_of_text(7, BYTES("/ab")));
    assert_true(bytes_equal(set.texts[1], BYTES("/ab")));
}

static void a_set_grows_to_its_limit_and_says_so(void **state)
{
    struct tag_set set;

    (void)state;
    tag_set_init(&set, &arena, 7);
    for (unsigned round = 0; round < 2; round++) /* the second adds nothing */
        for (int64_t i = 0; i < TAGS_LIMIT; i++)
            add(&set, BYTES("="), arena_number(&arena, i));
    assert_int_equal(set.count, TAGS_LIMIT);
    assert_false(set.is_full);
    add(&set, BYTES("="), BYTES("one more"));
    assert_int_equal(set.count, TAGS_LIMIT);
    assert_true(set.is_full);
}

static void an_id_has_one_form(void **state)
{
    const struct kind decimal = {.name = BYTES("profile")}, opaque = {.opaque = true};
    const struct {
        const struct kind *kind;
        const char *text, *id;
    } rows[] = {
        {&decimal, "456", "456"},    {&decimal, "0", "0"},      {&decimal, "007", "?"},
        {&decimal, "+7", "?"},       {&decimal, "7abc", "?"},   {&decimal, "Customers", "?"},
        {&decimal, "", "?"},         {&decimal, "%37", "?"},    {&opaque, "AbC", "abc"},
        {&opaque, "a%2Bb", "a%2bb"}, {&opaque, "a+b", "a%2bb"}, {&opaque, "", "?"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct bytes id = id_text(rows[i].kind, &arena, bytes_of_string(rows[i].text));

        if (!bytes_equal(id, bytes_of_string(rows[i].id)))
            fail_msg("%s is %.*s", rows[i].text, (int)id.length, id.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_share_no_tag),
        cmocka_unit_test(a_set_holds_each_text_once),
        cmocka_unit_test(a_set_grows_to_its_limit_and_says_so),
        cmocka_unit_test(an_id_has_one_form),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
