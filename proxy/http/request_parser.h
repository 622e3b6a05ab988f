/*
 * Reads requests from a byte stream: llhttp in strict mode for the grammar, and our own checks for
 * what llhttp lets through that RFC 9112 calls malformed or ambiguous (Host, framing, targets,
 * versions).
 *
 * The head must stay in one growing piece of memory until it is whole: the parser remembers
 * positions in it. Body bytes are handed to a callback as they come.
 */
#ifndef POSTERN_HTTP_REQUEST_PARSER_H
#define POSTERN_HTTP_REQUEST_PARSER_H

#include <llhttp.h>

#include "base/arena.h"
#include "http/message.h"

enum parser_event {
    PARSER_MORE,  /* all input was taken, more is needed */
    PARSER_HEAD,  /* the head is whole: request_parser_take_head, then feed on */
    PARSER_END,   /* the message is whole; the next byte belongs to the next request */
    PARSER_ERROR, /* see status and detail; the stream can't be read any further */
};

struct parser_span {
    size_t start, length;
};

struct request_parser {
    llhttp_t llhttp;
    void (*on_body)(void *context, struct bytes part);
    void *context;
    const char *base;  /* where the head begins, for this feed */
    size_t head_bytes; /* once it is whole */
    struct parser_span target;
    struct parser_span names[HTTP_FIELDS_LIMIT], values[HTTP_FIELDS_LIMIT];
    size_t field_count;
    bool in_name, in_value; /* the last span may go on in the next feed */
    bool head_done, message_done;
    unsigned status;    /* PARSER_ERROR: what to answer */
    const char *detail; /* PARSER_ERROR: why; static storage */
};

void request_parser_init(struct request_parser *parser,
                         void (*on_body)(void *context, struct bytes part), void *context);

/* Ready for the next request of the stream. */
void request_parser_reset(struct request_parser *parser);

/*
 * Parses `part`, which starts where the last feed ended. While the head is not whole, `base` is
 * where this request's first byte stands now (it may move between feeds). *taken says how many
 * bytes of `part` were used.
 */
enum parser_event request_parser_feed(struct request_parser *parser, const char *base,
                                      struct bytes part, size_t *taken);

/* After PARSER_HEAD: the request, copied into the arena. False: it breaks a rule; status and detail
 * say which. */
MUST_USE bool request_parser_take_head(struct request_parser *parser, struct arena *arena,
                                       struct request *request);

/* The connection may be used for another request after this one (RFC 9112 §9.3). */
bool request_keeps_alive(const struct request *request);

#endif
