/*
 * llhttp drives; its callbacks only note where things stand. When a head is whole it is copied and
 * checked here: field names and values, Host (RFC 9112 §3.2), the one framing that is not ambiguous
 * (§6.1-6.3), the target's form. What a refused request is answered with is decided here, too; who
 * answers is connection.c.
 */
#include "http/request_parser.h"

#include <assert.h>

#include "http/uri.h"

static struct request_parser *parser_of(llhttp_t *llhttp)
{
    return llhttp->data;
}

static int parser_fail(struct request_parser *parser, unsigned status, const char *detail)
{
    parser->status = status;
    parser->detail = detail;
    return HPE_USER;
}

/* Starts a span, or makes the one that a feed has cut longer. */
static void span_extend(const struct request_parser *parser, struct parser_span *span, bool goes_on,
                        struct bytes part)
{
    if (!goes_on)
        *span = (struct parser_span){.start = (size_t)(part.data - parser->base)};
    span->length = (size_t)(part.data + part.length - parser->base) - span->start;
}

static int parser_on_url(llhttp_t *llhttp, const char *at, size_t length)
{
    struct request_parser *parser = parser_of(llhttp);

    span_extend(parser, &parser->target, parser->target.length > 0, bytes_of(at, length));
    if (parser->target.length > HTTP_LINE_LIMIT_BYTES)
        return parser_fail(parser, 414, "the request line is longer than 16 KiB");
    return 0;
}

static int parser_on_name(llhttp_t *llhttp, const char *at, size_t length)
{
    struct request_parser *parser = parser_of(llhttp);

    if (parser->head_done)
        return 0; /* a trailer: read, and dropped (RFC 9110 §6.5.1) */
    if (!parser->in_name) {
        if (parser->field_count == HTTP_FIELDS_LIMIT)
            return parser_fail(parser, 431, "more than 100 field lines");
        parser->field_count++;
        parser->values[parser->field_count - 1] = (struct parser_span){0};
    }
    span_extend(parser, &parser->names[parser->field_count - 1], parser->in_name,
                bytes_of(at, length));
    parser->in_name = true;
    return 0;
}

static int parser_on_name_end(llhttp_t *llhttp)
{
    parser_of(llhttp)->in_name = false;
    return 0;
}

static int parser_on_value(llhttp_t *llhttp, const char *at, size_t length)
{
    struct request_parser *parser = parser_of(llhttp);

    if (parser->head_done)
        return 0;
    if (parser->field_count == 0)
        return parser_fail(parser, 400, "a field value without a name");
    span_extend(parser, &parser->values[parser->field_count - 1], parser->in_value,
                bytes_of(at, length));
    parser->in_value = true;
    return 0;
}

static int parser_on_value_end(llhttp_t *llhttp)
{
    parser_of(llhttp)->in_value = false;
    return 0;
}

static int parser_on_head_end(llhttp_t *llhttp)
{
    struct request_parser *parser = parser_of(llhttp);

    llhttp->upgrade = 0; /* an Upgrade that we don't make is an ordinary request (RFC 9110 §7.8) */
    parser->head_done = true;
    return HPE_PAUSED;
}

static int parser_on_body(llhttp_t *llhttp, const char *at, size_t length)
{
    const struct request_parser *parser = parser_of(llhttp);

    parser->on_body(parser->context, bytes_of(at, length));
    return 0;
}

static int parser_on_end(llhttp_t *llhttp)
{
    parser_of(llhttp)->message_done = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t parser_settings = {
    .on_url = parser_on_url,
    .on_header_field = parser_on_name,
    .on_header_field_complete = parser_on_name_end,
    .on_header_value = parser_on_value,
    .on_header_value_complete = parser_on_value_end,
    .on_headers_complete = parser_on_head_end,
    .on_body = parser_on_body,
    .on_message_complete = parser_on_end,
};

void request_parser_reset(struct request_parser *parser)
{
    llhttp_init(&parser->llhttp, HTTP_REQUEST, &parser_settings);
    parser->llhttp.data = parser;
    parser->target = (struct parser_span){0};
    parser->field_count = 0;
    parser->in_name = parser->in_value = parser->head_done = parser->message_done = false;
    parser->status = 0;
    parser->detail = NULL;
}

void request_parser_init(struct request_parser *parser,
                         void (*on_body)(void *context, struct bytes part), void *context)
{
    parser->on_body = on_body;
    parser->context = context;
    request_parser_reset(parser);
}

/* What llhttp found wrong, as an answer. */
static void parser_judge(struct request_parser *parser, llhttp_errno_t error)
{
    if (parser->status != 0)
        return; /* ours */
    switch (error) {
    case HPE_INVALID_METHOD:
        parser->status = 501;
        parser->detail = "this method is not known here";
        break;
    case HPE_INVALID_VERSION:
    case HPE_PAUSED_H2_UPGRADE:
        parser->status = 505;
        parser->detail = "only HTTP/1.0 and HTTP/1.1 are spoken here";
        break;
    default:
        parser->status = 400;
        parser->detail = "the request does not follow RFC 9112";
    }
}

enum parser_event request_parser_feed(struct request_parser *parser, const char *base,
                                      struct bytes part, size_t *taken)
{
    const bool head_was_done = parser->head_done;

    parser->base = base;
    *taken = 0;
    if (llhttp_get_errno(&parser->llhttp) == HPE_PAUSED)
        llhttp_resume(&parser->llhttp);
    const llhttp_errno_t error = llhttp_execute(&parser->llhttp, part.data, part.length);
    if (error == HPE_OK) {
        *taken = part.length;
        return PARSER_MORE;
    }
    if (error != HPE_PAUSED) {
        parser_judge(parser, error);
        return PARSER_ERROR;
    }
    *taken = (size_t)(llhttp_get_error_pos(&parser->llhttp) - part.data);
    assert(*taken <= part.length);
    if (!head_was_done)
        parser->head_bytes = (size_t)(part.data - base) + *taken;
    return parser->message_done && head_was_done ? PARSER_END : PARSER_HEAD;
}

static bool head_refuse(struct request_parser *parser, unsigned status, const char *detail)
{
    (void)parser_fail(parser, status, detail);
    return false;
}

static void head_copy(const struct request_parser *parser, struct arena *arena,
                      struct request *request)
{
    const struct parser_span *last =
        parser->field_count > 0 ? &parser->values[parser->field_count - 1] : &parser->target;
    const size_t name_end = parser->field_count > 0
                                ? parser->names[parser->field_count - 1].start +
                                      parser->names[parser->field_count - 1].length
                                : 0;
    const size_t value_end = last->start + last->length;
    const struct bytes head =
        arena_copy(arena, bytes_of(parser->base, value_end > name_end ? value_end : name_end));

    *request = (struct request){
        .method_text = bytes_of_string(llhttp_method_name((llhttp_method_t)parser->llhttp.method)),
        .target = bytes_slice(head, parser->target.start, parser->target.length),
        .minor = parser->llhttp.http_minor,
    };
    request->method = http_method_of(request->method_text);
    request->fields.capacity = parser->field_count + 1;
    request->fields.lines = arena_take(arena, request->fields.capacity * sizeof(struct field));
    for (size_t i = 0; i < parser->field_count; i++)
        request->fields.lines[request->fields.count++] = (struct field){
            .name = bytes_slice(head, parser->names[i].start, parser->names[i].length),
            .value =
                bytes_trim(bytes_slice(head, parser->values[i].start, parser->values[i].length)),
        };
}

static bool fields_are_well_formed(const struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++)
        if (!http_is_token(fields->lines[i].name) || !http_is_field_value(fields->lines[i].value))
            return false;
    return true;
}

/*
 * What llhttp is lenient with: lines that end in a bare LF (RFC 9112 §2.2), lines folded onto an
 * empty one (§5.2), more than one space in the request line (§3).
 */
static bool lines_are_strict(const struct request_parser *parser)
{
    const char *const base = parser->base, *const end = base + parser->head_bytes;
    const size_t target_end = parser->target.start + parser->target.length;

    if (parser->target.start < 2 || base[parser->target.start - 2] == ' ' ||
        base[target_end + 1] == ' ')
        return false;
    for (const char *at = base; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        if (at == base || at[-1] != '\r' || (at + 1 < end && (at[1] == ' ' || at[1] == '\t')))
            return false;
    return true;
}

/* RFC 9112 §3.2: exactly one Host in HTTP/1.1, at most one in 1.0, of the form host[:port]. */
static bool host_is_well_formed(const struct request *request)
{
    const size_t count = fields_count(&request->fields, BYTES("Host"));

    if (count > 1 || (count == 0 && request->minor == 1))
        return false;
    const struct field *host = fields_find(&request->fields, BYTES("Host"));
    for (size_t i = 0; host != NULL && i < host->value.length; i++)
        if (strchr(" \t/\\?#@,\"<>^`{|}", host->value.data[i]) != NULL)
            return false;
    return true;
}

/* The length of the body by the only framing that is not ambiguous (RFC 9112 §6.3). */
static bool head_read_framing(struct request_parser *parser, struct request *request)
{
    const size_t lengths = fields_count(&request->fields, BYTES("Content-Length"));
    const size_t codings = fields_count(&request->fields, BYTES("Transfer-Encoding"));
    uint64_t length;

    if (codings > 0) {
        const struct field *coding = fields_find(&request->fields, BYTES("Transfer-Encoding"));

        if (codings > 1 || lengths > 0 || request->minor == 0 || coding->value.length == 0)
            return head_refuse(parser, 400, "the length of the body is ambiguous");
        if (!bytes_equal_nocase(coding->value, BYTES("chunked")))
            return head_refuse(parser, 501, "the only transfer coding known here is chunked");
        request->body_bytes = HTTP_BODY_CHUNKED;
        return true;
    }
    if (lengths == 0)
        return true;
    const struct field *field = fields_find(&request->fields, BYTES("Content-Length"));
    if (lengths > 1 || bytes_to_number(field->value, INT64_MAX, &length) != RESULT_OK)
        return head_refuse(parser, 400, "Content-Length is not one number");
    request->body_bytes = (int64_t)length;
    return true;
}

static bool head_read_target(struct request_parser *parser, struct arena *arena,
                             struct request *request)
{
    if (bytes_equal(request->method_text, BYTES("TRACE")) ||
        bytes_equal(request->method_text, BYTES("CONNECT")))
        return head_refuse(parser, 501, "TRACE and CONNECT are not served here");
    if (bytes_equal(request->target, BYTES("*")) && request->method == METHOD_OPTIONS)
        return true;
    struct bytes authority; /* of an absolute-form; one gate serves one set of resources, whatever
                               its name */
    if (target_origin_form(arena, request->target, &request->target, &authority) != RESULT_OK)
        return head_refuse(parser, 400, "the request target is neither a path nor an http URL");
    return true;
}

bool request_parser_take_head(struct request_parser *parser, struct arena *arena,
                              struct request *request)
{
    head_copy(parser, arena, request);
    if (parser->llhttp.http_major != 1 || parser->llhttp.http_minor > 1)
        return head_refuse(parser, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    if (!lines_are_strict(parser))
        return head_refuse(parser, 400, "a line is folded, ends in a bare LF or has extra spaces");
    if (!fields_are_well_formed(&request->fields))
        return head_refuse(parser, 400, "a field line is not well-formed");
    if (!host_is_well_formed(request))
        return head_refuse(parser, 400, "the request needs one Host field with a host in it");
    if (!head_read_target(parser, arena, request) || !head_read_framing(parser, request))
        return false;
    const struct field *expect = fields_find(&request->fields, BYTES("Expect"));
    if (expect != NULL && !bytes_equal_nocase(expect->value, BYTES("100-continue")))
        return head_refuse(parser, 417, "the only expectation known here is 100-continue");
    request->expects_continue = expect != NULL && request->minor == 1;
    return true;
}

bool request_keeps_alive(const struct request *request)
{
    const struct bytes connection = BYTES("Connection");

    if (fields_list_has(&request->fields, connection, BYTES("close")))
        return false;
    return request->minor == 1 ||
           fields_list_has(&request->fields, connection, BYTES("keep-alive"));
}
