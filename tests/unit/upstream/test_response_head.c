/* The upstream's heads are checked as strictly as clients' (RFC 9112 §4, §5, §6.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upstream/response_head.h"

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

/* What comes of lines that end in '\n' each, fed one by one until something is said. */
static enum result read_head(struct bytes lines, struct response *response)
{
    struct response_head head;
    enum result result = RESULT_BUSY;

    response_head_init(&head);
    while (lines.length > 0 && result == RESULT_BUSY) {
        const struct bytes line = bytes_slice(lines, 0, bytes_index(lines, '\n') + 1);

        lines = bytes_from(lines, line.length);
        result = response_head_add(&head, line, &arena, response);
    }
    response_head_finish(&head);
    return result;
}

static void heads_are_read_in_one_way_or_refused(void **state)
{
    static const struct {
        const char *lines;
        enum result result;
        unsigned status;
        int64_t body_bytes;
        size_t fields;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", RESULT_OK, 200, HTTP_BODY_CHUNKED, 0},
        {"HTTP/1.1 200\r\n\r\n", RESULT_OK, 200, HTTP_BODY_CHUNKED, 0},
        {"HTTP/2 204 \r\n\r\n", RESULT_OK, 204, HTTP_BODY_CHUNKED, 0},
        {"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n", RESULT_OK, 404, 0, 1},
        {"HTTP/1.1 200 OK\nA: b\n\n", RESULT_OK, 200, HTTP_BODY_CHUNKED, 1},
        {"HTTP/1.1 200 OK\r\nA:  b c \t\r\nB:\r\n\r\n", RESULT_OK, 200, HTTP_BODY_CHUNKED, 2},
        /* §15.2: interim responses count as nothing */
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
         "HTTP/1.1 201 Created\r\nC: d\r\n\r\n",
         RESULT_OK, 201, HTTP_BODY_CHUNKED, 1},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        /* §6.3 */
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", RESULT_OK, 200, 5, 2},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 6\r\n\r\n", RESULT_INVALID, 0, 0,
         0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", RESULT_OK, 200,
         INT64_MAX, 1},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", RESULT_OK, 200, HTTP_BODY_CHUNKED,
         1},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 5\r\n\r\n",
         RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         RESULT_INVALID, 0, 0, 0},
        /* §4 */
        {"HTTP/1.1 099 X\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 1000 X\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 20 X\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 2x0 X\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"ICY 200 OK\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"\r\n", RESULT_INVALID, 0, 0, 0},
        /* §5.1, §5.2 */
        {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\n: b\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nA: b\x01\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", RESULT_INVALID, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nA: b\r\n", RESULT_BUSY, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct response response = {0};
        const enum result result = read_head(bytes_of_string(rows[i].lines), &response);

        if (result != rows[i].result)
            print_error("%s: %s\n", rows[i].lines, result_text(result));
        assert_int_equal(result, rows[i].result);
        assert_int_equal(response.status, rows[i].status);
        assert_int_equal(response.body_bytes, rows[i].body_bytes);
        assert_int_equal(response.fields.count, rows[i].fields);
    }
}

static void values_come_without_the_space_around_them(void **state)
{
    struct response response;

    (void)state;
    assert_int_equal(read_head(BYTES("HTTP/1.1 200 OK\r\nA:  b c \t\r\nB:\r\n\r\n"), &response),
                     RESULT_OK);
    assert_true(bytes_equal(response.fields.lines[0].name, BYTES("A")));
    assert_true(bytes_equal(response.fields.lines[0].value, BYTES("b c")));
    assert_int_equal(response.fields.lines[1].value.length, 0);
}

static void a_nul_is_no_part_of_a_head(void **state)
{
    struct response response;

    (void)state;
    assert_int_equal(read_head(BYTES("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n"), &response),
                     RESULT_INVALID);
    assert_int_equal(read_head(BYTES("HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n"), &response),
                     RESULT_INVALID);
}

static void trailers_are_passed_over(void **state)
{
    struct response_head head;
    struct response response = {0};

    (void)state;
    response_head_init(&head);
    assert_int_equal(response_head_add(&head, BYTES("HTTP/1.1 200 OK\r\n"), &arena, &response),
                     RESULT_BUSY);
    assert_false(head.whole);
    assert_int_equal(response_head_add(&head, BYTES("\r\n"), &arena, &response), RESULT_OK);
    assert_true(head.whole);
    assert_int_equal(response_head_add(&head, BYTES("Content-Length: 7\r\n"), &arena, &response),
                     RESULT_BUSY);
    assert_int_equal(response_head_add(&head, BYTES("\r\n"), &arena, &response), RESULT_BUSY);
    assert_int_equal(response.fields.count, 0);
    response_head_finish(&head);
}

static void heads_are_bounded(void **state)
{
    struct response response;
    struct buffer lines;

    (void)state;
    for (unsigned count = HTTP_FIELDS_LIMIT; count <= HTTP_FIELDS_LIMIT + 1; count++) {
        buffer_init(&lines, 1024 * 1024);
        buffer_add(&lines, BYTES("HTTP/1.1 200 OK\r\n"));
        for (unsigned i = 0; i < count; i++)
            buffer_format(&lines, "A%u: b\r\n", i);
        buffer_add(&lines, BYTES("\r\n"));
        assert_int_equal(read_head(buffer_bytes(&lines), &response),
                         count > HTTP_FIELDS_LIMIT ? RESULT_LIMIT : RESULT_OK);
        buffer_finish(&lines);
    }
    buffer_init(&lines, 1024 * 1024);
    buffer_add(&lines, BYTES("HTTP/1.1 200 OK\r\nA: "));
    for (int i = 0; i < HTTP_HEAD_LIMIT_BYTES; i++)
        buffer_add_byte(&lines, 'a');
    buffer_add(&lines, BYTES("\r\n\r\n"));
    assert_int_equal(read_head(buffer_bytes(&lines), &response), RESULT_LIMIT);
    buffer_finish(&lines);
}

/* RFC 9110 §7.6.1 */
static void what_ends_at_the_gate_is_taken_out(void **state)
{
    struct response response;

    (void)state;
    assert_int_equal(
        read_head(BYTES("HTTP/1.1 200 OK\r\nConnection: close, X-One,\tX-Two\r\nX-one: 1\r\n"
                        "A: stays\r\nX-Two: 2\r\nKeep-Alive: 5\r\nSet-Cookie: a=b\r\n"
                        "Transfer-Encoding: chunked\r\nTrailer: T\r\nUpgrade: h2c\r\nTE: x\r\n"
                        "Proxy-Authenticate: x\r\nAlt-Svc: h3\r\nX-Three: stays\r\n"
                        "set-cookie2: c=d\r\nProxy-Connection: x\r\n\r\n"),
                  &response),
        RESULT_OK);
    response_head_strip(&response.fields);
    assert_int_equal(response.fields.count, 2);
    assert_true(bytes_equal(response.fields.lines[0].name, BYTES("A")));
    assert_true(bytes_equal(response.fields.lines[1].name, BYTES("X-Three")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_read_in_one_way_or_refused),
        cmocka_unit_test(values_come_without_the_space_around_them),
        cmocka_unit_test(a_nul_is_no_part_of_a_head),
        cmocka_unit_test(trailers_are_passed_over),
        cmocka_unit_test(heads_are_bounded),
        cmocka_unit_test(what_ends_at_the_gate_is_taken_out),
    };

    return cmocka_run_group_tests(tests, arena_make, arena_drop);
}
