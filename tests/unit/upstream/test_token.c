/* The token: where it comes from, how it goes up, and that errors never repeat it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "upstream/token.h"

static char path[64];

static int file_make(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/postern-token-XXXXXX");
    const int fd = mkstemp(path);
    return fd == -1 || close(fd) == -1;
}

static int file_drop(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(const char *text, mode_t mode)
{
    const int fd = open(path, O_WRONLY | O_TRUNC);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

/* The token as it goes up in a field of its own: the only way to see it. */
static void assert_is(const struct token *token, const char *text)
{
    const struct injection injection = {.header = "X", .format = "%s"};
    struct injected injected;
    char wanted[256];

    (void)snprintf(wanted, sizeof(wanted), "X: %s", text);
    token_inject(token, &injection, BYTES("http://h/"), &injected);
    assert_string_equal(injected.field, wanted);
    injected_finish(&injected);
}

static struct token *token_of(const char *text)
{
    struct token *token;

    assert_int_equal(token_create(bytes_of_string(text), &token, NULL), RESULT_OK);
    return token;
}

/* --- loading --- */

static void a_file_is_read_without_its_line_end(void **state)
{
    const struct token_source source = {.file = path};
    struct token *token;

    (void)state;
    write_file("t0ken-in-a-file\n", 0600);
    assert_int_equal(token_load(&source, &token, NULL), RESULT_OK);
    assert_is(token, "t0ken-in-a-file");
    token_release(token);
}

static void a_file_that_others_may_read_is_refused_unless_that_is_said(void **state)
{
    const struct token_source source = {.file = path}, insecure = {.file = path, .insecure = true};
    struct token *token;
    struct error error = {0};

    (void)state;
    write_file("t0ken-in-a-file\n", 0644);
    assert_int_not_equal(token_load(&source, &token, &error), RESULT_OK);
    assert_non_null(strstr(error.text, path));
    assert_null(strstr(error.text, "t0ken"));
    assert_int_equal(token_load(&insecure, &token, &error), RESULT_OK);
    token_release(token);
}

static void what_can_not_be_a_token_is_refused_without_being_told(void **state)
{
    static const char *const texts[] = {"two words",       "",          "\n",           "abc",
                                        "t0ken with\ttab", "t0ken\x01", "t0ken\xc3\xa9"};
    const struct token_source source = {.file = path};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct token *token;
        struct error error = {0};

        write_file(texts[i], 0600);
        assert_int_equal(token_load(&source, &token, &error), RESULT_INVALID);
        assert_non_null(strstr(error.text, path));
        assert_null(strstr(error.text, "t0ken"));
    }
}

static void a_file_that_is_not_there_is_named(void **state)
{
    const struct token_source source = {.file = "/tmp/postern-token-not-there"};
    struct token *token;
    struct error error = {0};

    (void)state;
    assert_int_not_equal(token_load(&source, &token, &error), RESULT_OK);
    assert_non_null(strstr(error.text, "/tmp/postern-token-not-there"));
}

static void a_variable_is_wiped_once_it_is_read(void **state)
{
    const struct token_source source = {.env = "POSTERN_TEST_TOKEN"};
    struct token *token;
    struct error error = {0};

    (void)state;
    assert_int_equal(token_load(&source, &token, &error), RESULT_MISSING);
    assert_non_null(strstr(error.text, "POSTERN_TEST_TOKEN"));
    assert_int_equal(setenv("POSTERN_TEST_TOKEN", "t0ken-of-env", 1), 0);
    const char *value = getenv("POSTERN_TEST_TOKEN");
    assert_int_equal(token_load(&source, &token, &error), RESULT_OK);
    assert_is(token, "t0ken-of-env");
    for (size_t i = 0; i < sizeof("t0ken-of-env"); i++)
        assert_int_equal(value[i], '\0');
    struct token *again;
    assert_int_equal(token_load(&source, &again, &error), RESULT_MISSING);
    token_release(token);
    assert_int_equal(unsetenv("POSTERN_TEST_TOKEN"), 0);
}

static void a_variable_that_is_no_token_is_wiped_all_the_same(void **state)
{
    const struct token_source source = {.env = "POSTERN_TEST_TOKEN"};
    struct token *token;
    struct error error = {0};

    (void)state;
    assert_int_equal(setenv("POSTERN_TEST_TOKEN", "t0\tken", 1), 0);
    const char *value = getenv("POSTERN_TEST_TOKEN");
    assert_int_equal(token_load(&source, &token, &error), RESULT_INVALID);
    assert_null(strstr(error.text, "ken\""));
    assert_int_equal(value[0], '\0');
    assert_int_equal(unsetenv("POSTERN_TEST_TOKEN"), 0);
}

static void a_credential_is_looked_for_where_systemd_puts_it(void **state)
{
    const struct token_source source = {.credential = path + 5}; /* below /tmp */
    struct token *token;
    struct error error = {0};

    (void)state;
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    assert_int_equal(token_load(&source, &token, &error), RESULT_MISSING);
    assert_non_null(strstr(error.text, "LoadCredential"));
    write_file("t0ken-of-systemd", 0440);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/tmp", 1), 0);
    assert_int_equal(token_load(&source, &token, &error), RESULT_OK);
    assert_is(token, "t0ken-of-systemd");
    token_release(token);
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

/* --- going up --- */

static void it_goes_into_the_query_percent_encoded(void **state)
{
    static const struct {
        const char *token, *url, *wanted;
    } rows[] = {
        {"abcd", "http://h/a", "http://h/a?access_token=abcd"},
        {"abcd", "http://h/a?b=c", "http://h/a?b=c&access_token=abcd"},
        {"a+b/c=&?", "http://h/", "http://h/?access_token=a%2Bb%2Fc%3D%26%3F"},
        {"-._~%#\"", "http://h/", "http://h/?access_token=-._~%25%23%22"},
    };
    const struct injection injection = {.query = "access_token"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct token *token = token_of(rows[i].token);
        struct injected injected;

        token_inject(token, &injection, bytes_of_string(rows[i].url), &injected);
        assert_string_equal(injected.url, rows[i].wanted);
        assert_null(injected.field);
        injected_finish(&injected);
        assert_null(injected.url);
        token_release(token);
    }
}

static void it_goes_into_a_field_by_its_format(void **state)
{
    static const struct {
        const char *format, *wanted;
    } rows[] = {
        {"Bearer %s", "Authorization: Bearer abcd"},
        {NULL, "Authorization: abcd"},
        {"%s", "Authorization: abcd"},
        {"Token token=\"%s\", v=1", "Authorization: Token token=\"abcd\", v=1"},
    };
    struct token *token = token_of("abcd");

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct injection injection = {.header = "Authorization", .format = rows[i].format};
        struct injected injected;

        token_inject(token, &injection, BYTES("http://h/a"), &injected);
        assert_string_equal(injected.url, "http://h/a");
        assert_string_equal(injected.field, rows[i].wanted);
        injected_finish(&injected);
    }
    token_release(token);
}

static void no_token_changes_nothing(void **state)
{
    const struct injection injection = {.query = "t", .header = "X"};
    struct injected injected;

    (void)state;
    token_inject(NULL, &injection, BYTES("http://h/a"), &injected);
    assert_string_equal(injected.url, "http://h/a");
    assert_null(injected.field);
    injected_finish(&injected);
    assert_null(token_acquire(NULL));
    token_release(NULL);
}

/* --- coming back --- */

static void it_is_cut_out_of_what_comes_back(void **state)
{
    struct token *token = token_of("s3cr+et");
    const struct rewrite rewrite = {
        .scheme = BYTES("http"), .authority = BYTES("h"), .credential = BYTES("k")};
    struct arena arena;
    struct scrub scrub;
    struct buffer out;

    (void)state;
    arena_init(&arena, 1024);
    buffer_init(&out, 1024);
    token_scrub(token, &scrub);
    scrub_feed(&scrub, BYTES("a s3cr"), &out);
    scrub_feed(&scrub, BYTES("+et b s3cr%2Bet c"), &out);
    scrub_end(&scrub, &out);
    assert_true(bytes_find(buffer_bytes(&out), BYTES("s3cr")) == out.length);
    assert_int_equal(scrub.found_count, 2);
    scrub_finish(&scrub);
    const struct bytes value =
        token_clean_field(token, &arena, &rewrite, BYTES("X"), BYTES("token s3cr+et"));
    assert_true(bytes_find(value, BYTES("s3cr")) == value.length);
    assert_true(bytes_equal(token_clean_field(NULL, &arena, &rewrite, BYTES("X"), BYTES("s3cr+et")),
                            BYTES("s3cr+et")));
    buffer_finish(&out);
    arena_finish(&arena);
    token_release(token);
}

static void two_tokens_are_told_apart_without_being_shown(void **state)
{
    struct token *one = token_of("token-1"), *same = token_of("token-1"),
                 *other = token_of("token-2");
    char name[TOKEN_HMAC_ROOM], same_name[TOKEN_HMAC_ROOM], other_name[TOKEN_HMAC_ROOM],
        other_key[TOKEN_HMAC_ROOM];

    (void)state;
    assert_true(token_equal(one, same));
    assert_false(token_equal(one, other));
    assert_false(token_equal(one, NULL));
    assert_true(token_equal(NULL, NULL));
    token_hmac(one, BYTES("key"), name);
    token_hmac(same, BYTES("key"), same_name);
    token_hmac(other, BYTES("key"), other_name);
    token_hmac(one, BYTES("yek"), other_key);
    assert_string_equal(name, same_name);
    assert_string_not_equal(name, other_name);
    assert_string_not_equal(name, other_key);
    assert_int_equal(strlen(name), 64);
    token_release(one);
    token_release(same);
    token_release(other);
}

static void it_lives_as_long_as_anybody_holds_it(void **state)
{
    struct token *token = token_of("abcd");

    (void)state;
    assert_ptr_equal(token_acquire(token), token);
    token_release(token);
    assert_is(token, "abcd");
    token_release(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_without_its_line_end),
        cmocka_unit_test(a_file_that_others_may_read_is_refused_unless_that_is_said),
        cmocka_unit_test(what_can_not_be_a_token_is_refused_without_being_told),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(a_variable_is_wiped_once_it_is_read),
        cmocka_unit_test(a_variable_that_is_no_token_is_wiped_all_the_same),
        cmocka_unit_test(a_credential_is_looked_for_where_systemd_puts_it),
        cmocka_unit_test(it_goes_into_the_query_percent_encoded),
        cmocka_unit_test(it_goes_into_a_field_by_its_format),
        cmocka_unit_test(no_token_changes_nothing),
        cmocka_unit_test(it_is_cut_out_of_what_comes_back),
        cmocka_unit_test(two_tokens_are_told_apart_without_being_shown),
        cmocka_unit_test(it_lives_as_long_as_anybody_holds_it),
    };

    return cmocka_run_group_tests(tests, file_make, file_drop);
}
