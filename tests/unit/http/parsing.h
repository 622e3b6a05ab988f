/*
 * Feeds a stream of requests to the parser in pieces, as a connection does, and writes down what
 * came of it: shared by test_request_parser and fuzz_request_parser. The head so far is moved to
 * memory of exactly its size before each piece, so that the sanitizers see who looks elsewhere.
 */
#ifndef POSTERN_TESTS_HTTP_PARSING_H
#define POSTERN_TESTS_HTTP_PARSING_H

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "http/request_parser.h"

struct parsing {
    struct request_parser parser;
    struct buffer transcript; /* "GET /x 1.1 Host=h; <body> end\n" … "error 400\n" */
    struct arena arena;
    char *head; /* heap; NULL: in a body, or at a message's start */
    size_t head_bytes;
    int64_t body_bytes;
    bool in_body, failed;
};

static inline void parsing_on_body(void *context, struct bytes part)
{
    struct parsing *parsing = context;

    buffer_add(&parsing->transcript, part);
}

static inline void parsing_init(struct parsing *parsing)
{
    *parsing = (struct parsing){.head = NULL};
    request_parser_init(&parsing->parser, parsing_on_body, parsing);
    buffer_init(&parsing->transcript, 16 * 1024 * 1024);
    arena_init(&parsing->arena, 4096);
}

static inline void parsing_finish(struct parsing *parsing)
{
    free(parsing->head);
    buffer_finish(&parsing->transcript);
    arena_finish(&parsing->arena);
}

static inline void parsing_fail(struct parsing *parsing)
{
    buffer_format(&parsing->transcript, "error %u\n", parsing->parser.status);
    parsing->failed = true;
}

static inline void parsing_end_message(struct parsing *parsing)
{
    buffer_add(&parsing->transcript, BYTES(" end\n"));
    request_parser_reset(&parsing->parser);
    parsing->in_body = false;
}

static inline void parsing_note_head(struct parsing *parsing, const struct request *request)
{
    struct buffer *to = &parsing->transcript;

    buffer_add(to, request->method_text);
    buffer_add_byte(to, ' ');
    buffer_add(to, request->target);
    buffer_format(to, " 1.%u %lld%s%s", request->minor, (long long)request->body_bytes,
                  request->expects_continue ? " continue" : "",
                  request_keeps_alive(request) ? " " : " close ");
    for (size_t i = 0; i < request->fields.count; i++) {
        buffer_add(to, request->fields.lines[i].name);
        buffer_add_byte(to, '=');
        buffer_add(to, request->fields.lines[i].value);
        buffer_add(to, BYTES("; "));
    }
}

static inline void parsing_take_head(struct parsing *parsing)
{
    struct request request;
    const bool taken = request_parser_take_head(&parsing->parser, &parsing->arena, &request);

    free(parsing->head);
    parsing->head = NULL;
    parsing->head_bytes = 0;
    if (!taken) {
        parsing_fail(parsing);
        return;
    }
    parsing_note_head(parsing, &request);
    arena_reset(&parsing->arena);
    parsing->in_body = request.body_bytes != 0;
    if (!parsing->in_body)
        parsing_end_message(parsing);
}

/* One feed; returns how much of `part` it used. */
static inline size_t parsing_step(struct parsing *parsing, struct bytes part)
{
    size_t taken = 0;
    enum parser_event event;

    if (parsing->in_body) {
        event = request_parser_feed(&parsing->parser, part.data, part, &taken);
        if (event == PARSER_ERROR)
            parsing_fail(parsing);
        else if (event == PARSER_END)
            parsing_end_message(parsing);
        return taken;
    }
    const size_t before = parsing->head_bytes;
    char *moved = memory_take(1, before + part.length);
    if (before > 0)
        memcpy(moved, parsing->head, before);
    memcpy(moved + before, part.data, part.length);
    free(parsing->head);
    parsing->head = moved;
    event =
        request_parser_feed(&parsing->parser, moved, bytes_of(moved + before, part.length), &taken);
    parsing->head_bytes = before + taken;
    if (event == PARSER_ERROR)
        parsing_fail(parsing);
    else if (event == PARSER_HEAD)
        parsing_take_head(parsing);
    else if (parsing->head_bytes > HTTP_HEAD_LIMIT_BYTES)
        parsing->parser.status = 431, parsing_fail(parsing);
    return taken;
}

/* One piece of the stream, which may hold several messages. */
static inline void parsing_feed(struct parsing *parsing, struct bytes part)
{
    while (part.length > 0 && !parsing->failed)
        part = bytes_from(part, parsing_step(parsing, part));
}

#endif
