/* No two different questions have the same key (RFC 9111 §2, §4.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache/key.h"

static struct arena arena;

static int arena_make(void **state)
{
    (void)state;
    arena_init(&arena, 64 * 1024);
    return 0;
}

static int arena_drop(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const struct bytes *left = a, *right = b;
    const size_t least = left->length < right->length ? left->length : right->length;
    const int order = memcmp(left->data, right->data, least);

    return order != 0 ? order : (left->length > right->length) - (left->length < right->length);
}

static void assert_all_differ(struct bytes *texts, size_t count)
{
    qsort(texts, count, sizeof(texts[0]), by_text);
    for (size_t i = 1; i < count; i++)
        assert_false(bytes_equal(texts[i - 1], texts[i]));
}

/* Names made to be mistaken for lengths, separators and each other. */
static const char *const names[] = {"",  "a",   "aa", "1:a", "a1:", "1:", "0:",   "2:", "a0:",
                                    ":", "0:0", "10", "1",   "a/",  "/",  "11:a", "0:/"};
static const char *const urls[] = {"/", "/a", "/1:a", "/0:", "/a?b=1:a", "/?", "//"};

static void account_upstream_and_url_are_told_apart(void **state)
{
    static struct bytes texts[ARRAY_LENGTH(names) * ARRAY_LENGTH(names) * ARRAY_LENGTH(urls)];
    size_t count = 0;

    (void)state;
    for (size_t a = 0; a < ARRAY_LENGTH(names); a++)
        for (size_t u = 0; u < ARRAY_LENGTH(names); u++)
            for (size_t k = 0; k < ARRAY_LENGTH(urls); k++)
                texts[count++] = key_of_url(&arena, bytes_of_string(names[a]),
                                            bytes_of_string(names[u]), bytes_of_string(urls[k]))
                                     .text;
    assert_all_differ(texts, count);
}

static struct fields fields_of(const char *accept, const char *language)
{
    struct fields fields = {0};

    if (accept != NULL)
        fields_add(&fields, &arena, BYTES("accept"), bytes_of_string(accept));
    if (language != NULL)
        fields_add(&fields, &arena, BYTES("Accept-Language"), bytes_of_string(language));
    return fields;
}

static void variants_are_told_apart(void **state)
{
    static const char *const values[] = {"a", "1:a", "a 1:a", "0:", "nl Accept-Language 0:"};
    static const char *const lists[] = {"", "Accept", "Accept-Language", "Accept-Language, Accept",
                                        "Prefer"};
    static struct bytes texts[2 * ARRAY_LENGTH(values) * ARRAY_LENGTH(values) + 40];
    const struct cache_key url = key_of_url(&arena, BYTES("a"), BYTES("u"), BYTES("/"));
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        for (size_t k = 0; k < ARRAY_LENGTH(values); k++) {
            const struct fields sent = fields_of(values[i], values[k]);

            texts[count++] = key_of_variant(&arena, &url, BYTES(""), &sent).text;
        }
    for (size_t i = 1; i < ARRAY_LENGTH(lists); i++) {
        const struct fields sent = fields_of("a", "nl");

        texts[count++] = key_of_variant(&arena, &url, bytes_of_string(lists[i]), &sent).text;
    }
    texts[count++] = url.text;
    assert_all_differ(texts, count);
}

static void two_variants_may_not_be_told_by_a_field_that_vary_does_not_name(void **state)
{
    const struct cache_key url = key_of_url(&arena, BYTES("a"), BYTES("u"), BYTES("/"));
    const struct fields one = fields_of("a", "nl"), other = fields_of("a", "de");
    const struct bytes vary = BYTES(" Accept ");

    (void)state;
    assert_true(bytes_equal(key_of_variant(&arena, &url, vary, &one).text,
                            key_of_variant(&arena, &url, vary, &other).text));
    assert_false(bytes_equal(key_of_variant(&arena, &url, BYTES(""), &one).text,
                             key_of_variant(&arena, &url, BYTES(""), &other).text));
}

/* RFC 9110 §5.3: a list in one line or in two is one list. */
static void lines_of_one_field_are_one_list(void **state)
{
    const struct cache_key url = key_of_url(&arena, BYTES("a"), BYTES("u"), BYTES("/"));
    const struct fields one = fields_of("a, b", NULL);
    struct fields two = fields_of("a", NULL);

    (void)state;
    fields_add(&two, &arena, BYTES("ACCEPT"), BYTES("b"));
    assert_true(bytes_equal(key_of_variant(&arena, &url, BYTES(""), &one).text,
                            key_of_variant(&arena, &url, BYTES(""), &two).text));
}

static void the_hash_is_of_the_whole_text(void **state)
{
    const struct cache_key url = key_of_url(&arena, BYTES("a"), BYTES("u"), BYTES("/"));
    const struct fields none = {0};
    const struct cache_key variant = key_of_variant(&arena, &url, BYTES(""), &none);

    (void)state;
    assert_true(hash_equal(url.hash, hash_of(url.text)));
    assert_true(hash_equal(variant.hash, hash_of(variant.text)));
    assert_false(hash_equal(url.hash, variant.hash));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(account_upstream_and_url_are_told_apart),
        cmocka_unit_test(variants_are_told_apart),
        cmocka_unit_test(two_variants_may_not_be_told_by_a_field_that_vary_does_not_name),
        cmocka_unit_test(lines_of_one_field_are_one_list),
        cmocka_unit_test(the_hash_is_of_the_whole_text),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
