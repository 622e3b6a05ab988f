/* audit.key: made once, private, whole, and never guessed at. */
#include "audit/trail.h"

#include "audit/key.h"

static void a_key_is_made_once_and_then_read(void **state)
{
    struct trail trail;
    struct secret *first = NULL, *second = NULL;
    struct stat status;

    (void)state;
    trail_init(&trail);
    assert_int_equal(audit_key_open(trail.fd, &first, NULL), RESULT_OK);
    assert_int_equal(audit_key_open(trail.fd, &second, NULL), RESULT_OK);
    assert_int_equal(secret_bytes(first).length, 32);
    assert_true(secret_equal(secret_bytes(first), secret_bytes(second)));
    assert_int_equal(fstatat(trail.fd, "audit.key", &status, 0), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(status.st_size, 32);
    assert_int_equal(trail_count_files(trail.fd, ".new"), 0);
    secret_destroy(first);
    secret_destroy(second);
    trail_finish(&trail);
}

static void white_space_in_a_key_is_part_of_it(void **state)
{
    struct trail trail;
    struct secret *key = NULL;

    (void)state;
    trail_init(&trail);
    trail_write_file(trail.fd, "audit.key", BYTES(" 123456789012345678901234567890\n"));
    assert_int_equal(audit_key_open(trail.fd, &key, NULL), RESULT_OK);
    assert_true(secret_equal(secret_bytes(key), BYTES(" 123456789012345678901234567890\n")));
    secret_destroy(key);
    trail_finish(&trail);
}

static void a_key_of_another_length_or_open_to_others_is_refused(void **state)
{
    struct trail trail;
    struct secret *key = NULL;
    struct error error = {0};

    (void)state;
    trail_init(&trail);
    trail_write_file(trail.fd, "audit.key", BYTES("123456789012345678901234567890123"));
    assert_int_equal(audit_key_open(trail.fd, &key, &error), RESULT_DAMAGED);
    assert_null(strstr(error.text, "1234"));
    trail_write_file(trail.fd, "audit.key", BYTES("1234567890123456789012345678901"));
    assert_int_equal(audit_key_open(trail.fd, &key, &error), RESULT_DAMAGED);
    trail_write_file(trail.fd, "audit.key", BYTES("12345678901234567890123456789012"));
    assert_int_equal(fchmodat(trail.fd, "audit.key", 0640, 0), 0);
    assert_int_equal(audit_key_open(trail.fd, &key, &error), RESULT_REFUSED);
    assert_non_null(strstr(error.text, "chmod 600"));
    trail_finish(&trail);
}

static void a_key_half_made_by_a_crash_is_made_anew(void **state)
{
    struct trail trail;
    struct secret *key = NULL;

    (void)state;
    trail_init(&trail);
    trail_write_file(trail.fd, "audit.key.new", BYTES("half"));
    assert_int_equal(audit_key_open(trail.fd, &key, NULL), RESULT_OK);
    assert_int_equal(secret_bytes(key).length, 32);
    secret_destroy(key);
    trail_finish(&trail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_made_once_and_then_read),
        cmocka_unit_test(white_space_in_a_key_is_part_of_it),
        cmocka_unit_test(a_key_of_another_length_or_open_to_others_is_refused),
        cmocka_unit_test(a_key_half_made_by_a_crash_is_made_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
