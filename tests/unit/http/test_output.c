/* What waits for a socket: in order, whole, whoever owns the bytes and however little is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/output.h"

enum { LIMIT_BYTES = 8 * 1024 * 1024, SMALL_BUFFER_BYTES = 4096 };

static struct output output;
static struct buffer wanted, heard;
static int ends[2];

static int pair_make(void **state)
{
    const int small = SMALL_BUFFER_BYTES; /* the kernel makes the least it can of it */

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    output_init(&output, LIMIT_BYTES);
    buffer_init(&wanted, 2 * LIMIT_BYTES);
    buffer_init(&heard, 2 * LIMIT_BYTES);
    return 0;
}

static int pair_drop(void **state)
{
    (void)state;
    output_finish(&output);
    buffer_finish(&wanted);
    buffer_finish(&heard);
    (void)close(ends[0]); /* one of them may be closed by the test */
    (void)close(ends[1]);
    return 0;
}

static void listen_for(size_t most)
{
    char *room = buffer_reserve(&heard, most);
    const ssize_t got = read(ends[1], room, most);

    if (got > 0)
        heard.length += (size_t)got;
}

static void add(struct bytes bytes)
{
    output_add(&output, bytes);
    buffer_add(&wanted, bytes);
}

static void add_borrowed(struct bytes bytes)
{
    output_add_borrowed(&output, bytes);
    buffer_add(&wanted, bytes);
}

static void assert_all_heard(void)
{
    enum result result;

    while ((result = output_send(&output, ends[0])) == RESULT_BUSY)
        listen_for(64 * 1024);
    assert_int_equal(result, RESULT_OK);
    assert_int_equal(output.unsent_bytes, 0);
    assert_int_equal(output.borrowed_bytes, 0);
    for (size_t before = SIZE_MAX; before != heard.length;) {
        before = heard.length;
        listen_for(64 * 1024);
    }
    assert_true(bytes_equal(buffer_bytes(&heard), buffer_bytes(&wanted)));
}

static void copies_and_borrowed_bytes_leave_in_order(void **state)
{
    (void)state;
    assert_int_equal(output_send(&output, ends[0]), RESULT_OK); /* nothing is sent well */
    add(BYTES("one "));
    add_borrowed(BYTES("two "));
    add(BYTES("three "));
    add(BYTES("four "));
    add_borrowed(BYTES(""));
    add(BYTES(""));
    add_borrowed(BYTES("five"));
    assert_int_equal(output.unsent_bytes, wanted.length);
    assert_int_equal(output.borrowed_bytes, 8);
    assert_int_equal(output_send(&output, ends[0]), RESULT_OK); /* by one writev */
    assert_all_heard();
}

static void borrowed_bytes_may_go_once_they_are_kept(void **state)
{
    char *map = strdup("borrowed");

    (void)state;
    add(BYTES("a "));
    add_borrowed(bytes_of_string(map));
    add(BYTES(" z"));
    output_keep(&output);
    assert_int_equal(output.borrowed_bytes, 0);
    assert_int_equal(output.unsent_bytes, wanted.length);
    memset(map, 'x', 8);
    free(map);
    output_keep(&output); /* nothing to keep */
    assert_all_heard();
}

static void more_pieces_than_there_are_segments_are_copied(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

    (void)state;
    for (int i = 0; i < 5 * OUTPUT_SEGMENTS; i++) {
        add_borrowed(bytes_of(letters + i % 26, 1));
        if (i % 3 == 0)
            add(bytes_of(letters + (i * 7) % 26, 1));
    }
    assert_true(output.segment_count <= OUTPUT_SEGMENTS);
    assert_all_heard();
}

static void a_full_socket_takes_the_rest_later(void **state)
{
    static char big[1024 * 1024];

    (void)state;
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)('a' + i % 26);
    add(BYTES("head "));
    add_borrowed(bytes_of(big, sizeof(big)));
    add(BYTES(" tail"));
    assert_int_equal(output_send(&output, ends[0]), RESULT_BUSY);
    assert_true(output.unsent_bytes > 0 && output.unsent_bytes < wanted.length);
    output_keep(&output); /* in the middle of the borrowed part */
    assert_all_heard();
}

static void a_peer_that_is_gone_is_told(void **state)
{
    (void)state;
    assert_int_equal(close(ends[1]), 0);
    add(BYTES("x"));
    assert_int_equal(output_send(&output, ends[0]), RESULT_SYSTEM);
}

static void the_limit_is_told_at_the_end(void **state)
{
    static const char part[64 * 1024];

    (void)state;
    output_finish(&output);
    output_init(&output, 100 * 1024);
    output_add(&output, bytes_of(part, sizeof(part)));
    assert_false(output.copies.failed);
    output_add(&output, bytes_of(part, sizeof(part)));
    assert_true(output.copies.failed);
    assert_int_equal(output.unsent_bytes, sizeof(part)); /* what was taken is whole */
}

/* Keeping what is borrowed may meet the limit, too. */
static void the_limit_is_kept_over_keeping(void **state)
{
    static const char part[200 * 1024];

    (void)state;
    output_finish(&output);
    output_init(&output, 100 * 1024);
    output_add(&output, BYTES("a"));
    output_add_borrowed(&output, bytes_of(part, sizeof(part)));
    assert_false(output.copies.failed);
    output_keep(&output);
    assert_true(output.copies.failed);
}

static void whatever_is_added_and_sent_arrives_whole(void **state)
{
    static char source[64 * 1024];
    uint64_t random = 88172645463325252u;

    (void)state;
    for (size_t i = 0; i < sizeof(source); i++)
        source[i] = (char)(i * 31 + i / 251);
    for (int i = 0; i < 4000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        const size_t start = random % sizeof(source);
        const size_t length =
            (random >> 20) % 8 == 0 ? (random >> 24) % 20000 : (random >> 24) % 50;
        const struct bytes part = bytes_slice(bytes_of(source, sizeof(source)), start, length);

        switch ((random >> 40) % 5) {
        case 0:
        case 1:
            add(part);
            break;
        case 2:
            add_borrowed(part);
            break;
        case 3:
            assert_int_not_equal(output_send(&output, ends[0]), RESULT_SYSTEM);
            listen_for(1 + (random >> 44) % 9000);
            break;
        default:
            output_keep(&output);
        }
        assert_int_equal(output.unsent_bytes > 0, output.segment_count > 0);
    }
    assert_false(output.copies.failed);
    assert_all_heard();
}

#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, pair_make, pair_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PAIR(copies_and_borrowed_bytes_leave_in_order),
        WITH_PAIR(borrowed_bytes_may_go_once_they_are_kept),
        WITH_PAIR(more_pieces_than_there_are_segments_are_copied),
        WITH_PAIR(a_full_socket_takes_the_rest_later),
        WITH_PAIR(a_peer_that_is_gone_is_told),
        WITH_PAIR(the_limit_is_told_at_the_end),
        WITH_PAIR(the_limit_is_kept_over_keeping),
        WITH_PAIR(whatever_is_added_and_sent_arrives_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
