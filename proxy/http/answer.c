/*
 * Answers: status line, field lines, framing (RFC 9112 §6) and body bytes into a connection's
 * output. What they say is the handler's; when they are sent is connection.c's.
 */
#include <assert.h>
#include <stdio.h>

#include "http/connection_state.h"
#include "http/problem.h"

enum { ANSWER_CHUNK_ROOM = 32 };

static void answer_add(struct connection *connection, struct bytes bytes)
{
    connection->bytes_out += bytes.length;
    output_add(&connection->output, bytes);
}

static void answer_field(struct connection *connection, struct bytes name, struct bytes value)
{
    const struct bytes parts[] = {name, BYTES(": "), value, BYTES("\r\n")};

    connection->bytes_out += name.length + 2 + value.length + 2;
    output_add_parts(&connection->output, parts, ARRAY_LENGTH(parts));
}

static bool is_framing_field(struct bytes name)
{
    return bytes_equal_nocase(name, BYTES("Connection")) ||
           bytes_equal_nocase(name, BYTES("Content-Length")) ||
           bytes_equal_nocase(name, BYTES("Transfer-Encoding"));
}

static void answer_status_line(struct connection *connection, unsigned status)
{
    char number[NUMBER_DIGITS];

    answer_add(connection, BYTES("HTTP/1.1 "));
    answer_add(connection, bytes_of(number, number_write(status, 3, number)));
    answer_add(connection, BYTES(" "));
    answer_add(connection, bytes_of_string(http_reason(status)));
    answer_add(connection, BYTES("\r\n"));
}

static void answer_content_length(struct connection *connection, int64_t length)
{
    char number[NUMBER_DIGITS];

    assert(length >= 0);
    answer_field(connection, BYTES("Content-Length"),
                 bytes_of(number, number_write((uint64_t)length, 1, number)));
}

/* How the body's end is told: nothing, a length, chunks, or the end of the connection (HTTP/1.0).
 */
static void answer_framing(struct connection *connection, unsigned status, int64_t body_bytes)
{
    const bool head = connection->request.method == METHOD_HEAD;

    connection->answer_bodiless = head || http_status_has_no_body(status);
    connection->answer_left = connection->answer_bodiless ? 0 : body_bytes;
    if (http_status_has_no_body(status))
        return;
    if (body_bytes != HTTP_BODY_CHUNKED) {
        answer_content_length(connection, body_bytes);
    } else if (connection->request.minor == 1) {
        connection->answer_chunked = !head;
        answer_field(connection, BYTES("Transfer-Encoding"), BYTES("chunked"));
    } else {
        connection->keep_alive = false;
    }
}

/*
 * Whether the connection can go on after this answer: not while drained or at its end, nor when a
 * body that nobody read is too long to be dropped, or was never sent for want of a "100 Continue".
 */
static void answer_decide_keep_alive(struct connection *connection)
{
    const int64_t body_bytes = connection->request.body_bytes;

    if (connection->owner->draining || (connection->input_ended && connection->input.length == 0))
        connection->keep_alive = false;
    if (body_bytes == 0 || connection->body_wanted)
        return;
    if (body_bytes > 0 && body_bytes <= CONNECTION_DRAIN_BYTES &&
        !connection->request.expects_continue)
        connection->body_wanted = true;
    else
        connection->keep_alive = false;
}

void connection_answer(struct connection *connection, unsigned status, const struct fields *fields,
                       int64_t body_bytes)
{
    assert(connection->state == CONNECTION_SERVING);
    assert(!connection->answered);
    connection->answered = true;
    answer_status_line(connection, status);
    if (fields_find(fields, BYTES("Date")) == NULL)
        answer_field(connection, BYTES("Date"), connections_date(connection->owner));
    for (size_t i = 0; i < fields->count; i++)
        if (!is_framing_field(fields->lines[i].name))
            answer_field(connection, fields->lines[i].name, fields->lines[i].value);
    answer_framing(connection, status, body_bytes);
    answer_decide_keep_alive(connection);
    if (!connection->keep_alive)
        answer_field(connection, BYTES("Connection"), BYTES("close"));
    else if (connection->request.minor == 0)
        answer_field(connection, BYTES("Connection"), BYTES("keep-alive"));
    answer_add(connection, BYTES("\r\n"));
}

static void answer_part(struct connection *connection, struct bytes part, bool borrowed)
{
    char size[ANSWER_CHUNK_ROOM];

    assert(connection->answered && !connection->answer_ended);
    if (connection->answer_bodiless || part.length == 0)
        return;
    if (connection->answer_chunked) {
        const int digits = snprintf(size, sizeof(size), "%zx\r\n", part.length);

        answer_add(connection, bytes_of(size, (size_t)digits));
    } else if (connection->answer_left != HTTP_BODY_CHUNKED) {
        assert((uint64_t)connection->answer_left >= part.length);
        connection->answer_left -= (int64_t)part.length;
    }
    connection->bytes_out += part.length;
    if (borrowed)
        output_add_borrowed(&connection->output, part);
    else
        output_add(&connection->output, part);
    if (connection->answer_chunked)
        answer_add(connection, BYTES("\r\n"));
    connection->was_full |= connection_is_full(connection);
}

void connection_answer_body(struct connection *connection, struct bytes part)
{
    answer_part(connection, part, false);
}

void connection_answer_body_borrowed(struct connection *connection, struct bytes part)
{
    answer_part(connection, part, true);
}

void connection_answer_end(struct connection *connection)
{
    assert(connection->answered && !connection->answer_ended);
    if (connection->answer_chunked)
        answer_add(connection, BYTES("0\r\n\r\n"));
    else
        assert(connection->answer_bodiless || connection->answer_left <= 0);
    connection->answer_ended = true;
}

void connection_answer_whole(struct connection *connection, unsigned status,
                             const struct fields *fields, struct bytes body)
{
    connection_answer(connection, status, fields, (int64_t)body.length);
    connection_answer_body(connection, body);
    connection_answer_end(connection);
}

void connection_refuse(struct connection *connection, unsigned status, const char *detail)
{
    const struct connection_handler *handler = connection->owner->handler;
    struct arena *arena = &connection->arena;
    struct fields fields = {0};
    struct bytes id = BYTES("");

    if (handler->on_refused != NULL)
        id = handler->on_refused(connection, status, detail, &fields);
    const struct bytes body = problem_body(arena, status, bytes_of_string(http_reason(status)),
                                           bytes_of_string(detail), id);
    fields_add(&fields, arena, BYTES("Content-Type"), BYTES("application/problem+json"));
    connection->state = CONNECTION_SERVING; /* for the length of this answer */
    connection->keep_alive = false;
    connection->answered = false;
    connection_answer_whole(connection, status, &fields, body);
    connection->state = CONNECTION_FLUSHING;
    connection->linger = true;
}

bool connection_answer_is_complete(const struct connection *connection)
{
    return connection->answered && !connection->answer_chunked && connection->answer_left == 0;
}

bool connection_is_answered(const struct connection *connection)
{
    return connection->answered;
}

bool connection_is_full(const struct connection *connection)
{
    return connection->output.unsent_bytes > CONNECTION_HIGH_BYTES;
}
