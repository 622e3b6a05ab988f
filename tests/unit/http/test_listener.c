/* Addresses to listen on: what they mean, and what is said where they can't be had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/listener.h"

static char directory[64];

static int directory_make(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/postern-listener-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static int directory_drop(void **state)
{
    (void)state;
    return rmdir(directory);
}

static void addresses_are_read_in_one_way(void **state)
{
    static const struct {
        const char *address;
        bool is_valid, is_loopback;
    } rows[] = {
        {"127.0.0.1:8080", true, true},
        {"127.9.9.9:1", true, true},
        {"localhost:8080", true, true},
        {"[::1]:8080", true, true},
        {"unix:/run/postern.sock", true, true},
        {"0.0.0.0:8080", true, false},
        {":8080", true, false},
        {"10.1.2.3:65535", true, false},
        {"[::]:8080", true, false},
        {"[2001:db8::1]:80", true, false},
        {"127.0.0.1:0", true, true},
        {"", false, false},
        {"127.0.0.1", false, false},
        {"127.0.0.1:", false, false},
        {"127.0.0.1:65536", false, false},
        {"127.0.0.1:-1", false, false},
        {"127.0.0.1:+80", false, false},
        {"127.0.0.1: 80", false, false},
        {"127.0.0.1:http", false, false},
        {"127.1:80", false, false},
        {"256.0.0.1:80", false, false},
        {"::1:8080", false, false},
        {"[::1:8080", false, false},
        {"[127.0.0.1]:8080", false, false},
        {"[]:8080", false, false},
        {"example.com:80", false, false}, /* a gate that waits for DNS does not start */
        {"unix:", false, false},
        {"8080", false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        bool is_loopback = false;
        struct error error = {0};
        const enum result result = listener_check(rows[i].address, &is_loopback, &error);

        if ((result == RESULT_OK) != rows[i].is_valid)
            print_error("%s\n", rows[i].address);
        assert_int_equal(result, rows[i].is_valid ? RESULT_OK : RESULT_INVALID);
        assert_int_equal(is_loopback, rows[i].is_loopback);
        assert_int_equal(error.text[0] != '\0', !rows[i].is_valid);
    }
}

static void a_path_has_107_bytes_at_most(void **state)
{
    char address[128] = "unix:";
    bool is_loopback;

    (void)state;
    memset(address + 5, 'p', 108);
    assert_int_equal(listener_check(address, &is_loopback, NULL), RESULT_INVALID);
    address[5 + 107] = '\0';
    assert_int_equal(listener_check(address, &is_loopback, NULL), RESULT_OK);
}

static void a_host_that_is_too_long_is_no_address(void **state)
{
    char address[256];
    bool is_loopback;

    (void)state;
    memset(address, '1', sizeof(address));
    (void)snprintf(address + 200, 16, ":80");
    assert_int_equal(listener_check(address, &is_loopback, NULL), RESULT_INVALID);
}

static void port_0_becomes_the_port_that_was_given(void **state)
{
    struct listener listener, other;
    struct error error = {0};

    (void)state;
    assert_int_equal(listener_open(&listener, "127.0.0.1:0", false, &error), RESULT_OK);
    assert_memory_equal(listener.address, "127.0.0.1:", 10);
    assert_string_not_equal(listener.address, "127.0.0.1:0");
    assert_true(listener.is_loopback);
    assert_int_equal(listener_open(&other, listener.address, false, &error), RESULT_BUSY);
    assert_non_null(strstr(error.text, listener.address));
    assert_non_null(strstr(error.text, "in use"));
    assert_int_not_equal(fcntl(listener.fd, F_GETFL) & O_NONBLOCK, 0);
    assert_int_not_equal(fcntl(listener.fd, F_GETFD) & FD_CLOEXEC, 0);
    listener_close(&listener);
    listener_close(&listener); /* again: fine */
}

static void several_may_share_a_port_where_asked(void **state)
{
    struct listener one, two;

    (void)state;
    assert_int_equal(listener_open(&one, "127.0.0.1:0", true, NULL), RESULT_OK);
    assert_int_equal(listener_open(&two, one.address, true, NULL), RESULT_OK);
    assert_string_equal(one.address, two.address);
    listener_close(&one);
    listener_close(&two);
}

static void ipv6_is_told_with_brackets(void **state)
{
    struct listener listener;
    struct error error = {0};

    (void)state;
    if (listener_open(&listener, "[::1]:0", false, &error) != RESULT_OK)
        skip(); /* a machine without IPv6 */
    assert_memory_equal(listener.address, "[::1]:", 6);
    listener_close(&listener);
}

static void a_unix_socket_goes_with_its_listener(void **state)
{
    struct listener listener;
    struct error error = {0};
    char address[128];

    (void)state;
    (void)snprintf(address, sizeof(address), "unix:%s/a.sock", directory);
    assert_int_equal(listener_open(&listener, address, false, &error), RESULT_OK);
    assert_string_equal(listener.address, address);
    assert_true(listener.is_loopback);
    assert_int_equal(access(address + 5, F_OK), 0);
    listener_close(&listener);
    assert_int_equal(access(address + 5, F_OK), -1);
}

static void a_unix_socket_left_behind_is_replaced_and_one_that_answers_is_not(void **state)
{
    struct listener dead, listener, other;
    struct error error = {0};
    char address[128];

    (void)state;
    (void)snprintf(address, sizeof(address), "unix:%s/a.sock", directory);
    assert_int_equal(listener_open(&dead, address, false, &error), RESULT_OK);
    assert_int_equal(close(dead.fd), 0); /* a process that was killed */
    assert_int_equal(listener_open(&listener, address, false, &error), RESULT_OK);
    assert_int_equal(listener_open(&other, address, false, &error), RESULT_BUSY);
    assert_non_null(strstr(error.text, "in use"));
    listener_close(&listener);
}

static void a_file_of_another_kind_is_left_alone(void **state)
{
    struct listener listener;
    struct error error = {0};
    char address[128];
    struct stat status;

    (void)state;
    (void)snprintf(address, sizeof(address), "unix:%s/notes", directory);
    const int fd = open(address + 5, O_CREAT | O_WRONLY, 0600);
    assert_int_not_equal(fd, -1);
    assert_int_equal(close(fd), 0);
    assert_int_not_equal(listener_open(&listener, address, false, &error), RESULT_OK);
    assert_int_equal(stat(address + 5, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    assert_int_equal(unlink(address + 5), 0);
}

static void an_address_of_another_machine_can_not_be_listened_on(void **state)
{
    struct listener listener;
    struct error error = {0};

    (void)state;
    assert_int_equal(listener_open(&listener, "192.0.2.1:0", false, &error), RESULT_SYSTEM);
    assert_non_null(strstr(error.text, "192.0.2.1:0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_in_one_way),
        cmocka_unit_test(a_path_has_107_bytes_at_most),
        cmocka_unit_test(a_host_that_is_too_long_is_no_address),
        cmocka_unit_test(port_0_becomes_the_port_that_was_given),
        cmocka_unit_test(several_may_share_a_port_where_asked),
        cmocka_unit_test(ipv6_is_told_with_brackets),
        cmocka_unit_test(a_unix_socket_goes_with_its_listener),
        cmocka_unit_test(a_unix_socket_left_behind_is_replaced_and_one_that_answers_is_not),
        cmocka_unit_test(a_file_of_another_kind_is_left_alone),
        cmocka_unit_test(an_address_of_another_machine_can_not_be_listened_on),
    };

    return cmocka_run_group_tests(tests, directory_make, directory_drop);
}
