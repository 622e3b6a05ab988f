/* Requests as RFC 9112 reads them: one way, or not at all; the same however the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/parsing.h"

#define HOST "Host: h\r\n"

/* The transcript of a stream fed in pieces of `piece` bytes (0: at once). */
static void transcribe(struct parsing *parsing, struct bytes stream, size_t piece)
{
    parsing_init(parsing);
    for (size_t at = 0; at < stream.length; at += piece == 0 ? stream.length : piece)
        parsing_feed(parsing, bytes_slice(stream, at, piece == 0 ? stream.length : piece));
}

static void assert_transcript(struct bytes stream, size_t piece, const char *wanted)
{
    struct parsing parsing;

    transcribe(&parsing, stream, piece);
    buffer_add_byte(&parsing.transcript, '\0');
    assert_string_equal(parsing.transcript.data, wanted);
    parsing_finish(&parsing);
}

/* At once, byte by byte, and cut in two at every place. */
static void assert_reads(const char *stream, const char *wanted)
{
    const struct bytes bytes = bytes_of_string(stream);
    struct parsing parsing;

    assert_transcript(bytes, 0, wanted);
    assert_transcript(bytes, 1, wanted);
    for (size_t cut = 1; cut < bytes.length; cut++) {
        parsing_init(&parsing);
        parsing_feed(&parsing, bytes_slice(bytes, 0, cut));
        parsing_feed(&parsing, bytes_from(bytes, cut));
        buffer_add_byte(&parsing.transcript, '\0');
        assert_string_equal(parsing.transcript.data, wanted);
        parsing_finish(&parsing);
    }
}

static void heads_are_read_as_they_came(void **state)
{
    static const struct {
        const char *stream, *wanted;
    } rows[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", "GET / 1.1 0 Host=h;  end\n"},
        {"GET /a?b=%20c HTTP/1.1\r\nHOST:h\r\nX-Y:  a b \t\r\n\r\n",
         "GET /a?b=%20c 1.1 0 HOST=h; X-Y=a b;  end\n"},
        {"GET / HTTP/1.1\r\n" HOST "A:\r\nA: \r\nB: x\r\n\r\n",
         "GET / 1.1 0 Host=h; A=; A=; B=x;  end\n"},
        {"GET / HTTP/1.0\r\n\r\n", "GET / 1.0 0 close  end\n"},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         "GET / 1.0 0 Connection=keep-alive;  end\n"},
        {"GET / HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n",
         "GET / 1.1 0 close Host=h; Connection=x, Close;  end\n"},
        /* RFC 9112 §3.2.2 */
        {"GET http://other/a?b HTTP/1.1\r\n" HOST "\r\n", "GET /a?b 1.1 0 Host=h;  end\n"},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS * 1.1 0 Host=h;  end\n"}, /* §3.2.4 */
        {"PATCH / HTTP/1.1\r\n" HOST "\r\n", "PATCH / 1.1 0 Host=h;  end\n"},
        /* RFC 9112 §2.2: an empty line before a request is passed over */
        {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "GET / 1.1 0 Host=h;  end\n"},
        /* RFC 9110 §7.8: an Upgrade not taken is an ordinary request */
        {"GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
         "GET / 1.1 0 Host=h; Connection=Upgrade; Upgrade=websocket;  end\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_reads(rows[i].stream, rows[i].wanted);
}

static void bodies_are_read_to_their_end_and_no_further(void **state)
{
    (void)state;
    assert_reads("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello",
                 "POST / 1.1 5 Host=h; Content-Length=5; hello end\n");
    assert_reads("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
                 "POST / 1.1 0 Host=h; Content-Length=0;  end\n");
    assert_reads("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                 "3\r\nhel\r\n02\r\nlo\r\n0\r\n\r\n",
                 "POST / 1.1 -1 Host=h; Transfer-Encoding=chunked; hello end\n");
    /* RFC 9112 §7.1.1, §7.1.2: extensions and trailers are read and dropped */
    assert_reads("PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
                 "5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\n",
                 "PUT / 1.1 -1 Host=h; Transfer-Encoding=Chunked; hello end\n");
    assert_reads("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: 100-continue\r\n\r\nx",
                 "POST / 1.1 1 continue Host=h; Content-Length=1; Expect=100-continue; x end\n");
    assert_reads("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx",
                 "POST / 1.0 1 close Content-Length=1; Expect=100-continue; x end\n");
}

static void pipelined_requests_come_one_by_one(void **state)
{
    (void)state;
    assert_reads("GET /1 HTTP/1.1\r\n" HOST "\r\n"
                 "POST /2 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nGET"
                 "PUT /3 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
                 "\r\nDELETE /4 HTTP/1.1\r\n" HOST "\r\n",
                 "GET /1 1.1 0 Host=h;  end\n"
                 "POST /2 1.1 3 Host=h; Content-Length=3; GET end\n"
                 "PUT /3 1.1 -1 Host=h; Transfer-Encoding=chunked; x end\n"
                 "DELETE /4 1.1 0 Host=h;  end\n");
}

/* What is refused, with the section that says so. Nothing before the error is handed on. */
static const struct refusal {
    const char *stream;
    unsigned status;
} refusals[] = {
    /* RFC 9112 §3: the request line */
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", 0},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 0},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET / HTTP/0.9\r\n" HOST "\r\n", 505},
    {"GET / HTTP/1.2\r\n" HOST "\r\n", 505},
    {"GET / HTTPS/1.1\r\n" HOST "\r\n", 400},
    {"GET /\r\n" HOST "\r\n", 0}, /* HTTP/0.9 */
    {"get / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"GIT / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"CONNECT h:80 HTTP/1.1\r\n" HOST "\r\n", 501},
    {"TRACE / HTTP/1.1\r\n" HOST "\r\n", 501},
    /* §3.2: the target */
    {"GET a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET ftp://h/ HTTP/1.1\r\n" HOST "\r\n", 400},
    /* §3.2: Host */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400},
    /* §2.2: bare LF and CR */
    {"GET / HTTP/1.1\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n", 400},
    /* §5.1, §5.2: field lines */
    {"GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST " A: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A:\r\n c\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A(: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\x7f\r\n\r\n", 400},
    /* §6.1: Transfer-Encoding */
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", 400},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", 0},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", 501},
    /* §6.3: Content-Length */
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\n", 400},
    /* RFC 9110 §10.1.1 */
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: cake\r\n\r\nx", 417},
};

static void assert_refused(const struct refusal *row, struct bytes stream, size_t piece)
{
    struct parsing parsing;

    transcribe(&parsing, stream, piece);
    if (!parsing.failed || (row->status != 0 && parsing.parser.status != row->status))
        print_error("%s: %u\n", row->stream, parsing.parser.status);
    assert_true(parsing.failed);
    if (row->status != 0)
        assert_int_equal(parsing.parser.status, row->status);
    assert_true(parsing.parser.status >= 400 && parsing.parser.detail != NULL);
    assert_true(bytes_starts_with(buffer_bytes(&parsing.transcript), BYTES("error ")));
    parsing_finish(&parsing);
}

static void what_can_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++)
        for (size_t piece = 0; piece < 4; piece++)
            assert_refused(&refusals[i], bytes_of_string(refusals[i].stream), piece);
}

static void a_nul_is_refused_anywhere(void **state)
{
    static const struct bytes streams[] = {
        BYTES("GET /\0 HTTP/1.1\r\n" HOST "\r\n"),
        BYTES("GET / HTTP/1.1\r\n" HOST "A: b\0c\r\n\r\n"),
        BYTES("GET / HTTP/1.1\r\n" HOST "A\0: b\r\n\r\n"),
        BYTES("G\0T / HTTP/1.1\r\n" HOST "\r\n"),
        BYTES("GET / HTTP/1.1\r\nHost: h\0\r\n\r\n"),
    };
    static const struct refusal row = {"a NUL", 0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++)
        for (size_t piece = 0; piece < 3; piece++)
            assert_refused(&row, streams[i], piece);
}

/* RFC 9112 §7.1: chunks that another reader may end elsewhere. */
static void a_body_that_breaks_its_framing_is_an_error(void **state)
{
    static const char head[] = "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
    static const char *const bodies[] = {
        "x\r\n",
        "-1\r\n",
        "0x1\r\nx\r\n",
        "1 \r\nx\r\n",
        "1\r\nxy\r\n",
        "1\r\nx0\r\n\r\n",
        "11111111111111111\r\n",
        "\r\n",
        ";a=b\r\n",
        "1\nx\r\n0\r\n\r\n",
        "1\r\nx\n0\r\n\r\n",

        "0\r\nX y\r\n\r\n",
        "1;a\nb\r\nx\r\n",
    };
    char stream[256];
    struct parsing parsing;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
        for (size_t piece = 0; piece < 3; piece++) {
            const int length = snprintf(stream, sizeof(stream), "%s%s", head, bodies[i]);

            transcribe(&parsing, bytes_of(stream, (size_t)length), piece);
            if (!parsing.failed)
                print_error("chunk %zu of %zu is taken\n", i, piece);
            assert_true(parsing.failed);
            assert_int_equal(parsing.parser.status, 400);
            parsing_finish(&parsing);
        }
}

/* --- limits --- */

static unsigned status_of_long(struct bytes before, size_t count, struct bytes after)
{
    struct buffer stream;
    struct parsing parsing;

    buffer_init(&stream, 1024 * 1024);
    buffer_add(&stream, before);
    for (size_t i = 0; i < count; i++)
        buffer_add_byte(&stream, 'a');
    buffer_add(&stream, after);
    transcribe(&parsing, buffer_bytes(&stream), 1000);
    const unsigned status = parsing.failed ? parsing.parser.status : 0;
    parsing_finish(&parsing);
    buffer_finish(&stream);
    return status;
}

static void lines_and_heads_are_bounded(void **state)
{
    const struct bytes target = BYTES("GET /"), rest = BYTES(" HTTP/1.1\r\n" HOST "\r\n");
    const struct bytes field = BYTES("GET / HTTP/1.1\r\n" HOST "A: "), end = BYTES("\r\n\r\n");

    (void)state;
    assert_int_equal(status_of_long(target, 16000, rest), 0);
    assert_int_equal(status_of_long(target, HTTP_LINE_LIMIT_BYTES, rest), 414);
    assert_int_equal(status_of_long(field, 60000, end), 0);
    assert_int_equal(status_of_long(field, 70000, end), 431);
}

static void fields_are_counted(void **state)
{
    struct buffer stream;
    struct parsing parsing;

    (void)state;
    for (unsigned count = HTTP_FIELDS_LIMIT - 1; count <= HTTP_FIELDS_LIMIT; count++) {
        buffer_init(&stream, 1024 * 1024);
        buffer_add(&stream, BYTES("GET / HTTP/1.1\r\n" HOST));
        for (unsigned i = 0; i < count; i++)
            buffer_format(&stream, "A%u: %u\r\n", i, i);
        buffer_add(&stream, BYTES("\r\n"));
        transcribe(&parsing, buffer_bytes(&stream), 7);
        assert_int_equal(parsing.failed ? parsing.parser.status : 0,
                         count == HTTP_FIELDS_LIMIT ? 431 : 0);
        parsing_finish(&parsing);
        buffer_finish(&stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_read_as_they_came),
        cmocka_unit_test(bodies_are_read_to_their_end_and_no_further),
        cmocka_unit_test(pipelined_requests_come_one_by_one),
        cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(a_nul_is_refused_anywhere),
        cmocka_unit_test(a_body_that_breaks_its_framing_is_an_error),
        cmocka_unit_test(lines_and_heads_are_bounded),
        cmocka_unit_test(fields_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
