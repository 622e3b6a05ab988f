/* RFC 9112 §4, §5 and §6.3 for responses. Where a body ends is libcurl's to find out; that it is
 * told once is ours. */
#include "upstream/response_head.h"

#include <assert.h>

void response_head_init(struct response_head *head)
{
    *head = (struct response_head){0};
    buffer_init(&head->lines, HTTP_HEAD_LIMIT_BYTES);
}

void response_head_finish(struct response_head *head)
{
    buffer_finish(&head->lines);
}

static bool is_blank_line(struct bytes line)
{
    return bytes_equal(line, BYTES("\r\n")) || bytes_equal(line, BYTES("\n"));
}

static struct bytes without_end(struct bytes line)
{
    if (line.length > 0 && line.data[line.length - 1] == '\n')
        line.length--;
    if (line.length > 0 && line.data[line.length - 1] == '\r')
        line.length--;
    return line;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200" */
static enum result read_status(struct bytes line, unsigned *status)
{
    uint64_t number;

    if (!bytes_starts_with(line, BYTES("HTTP/")))
        return RESULT_INVALID;
    (void)bytes_cut(&line, ' '); /* the version is libcurl's concern */
    const struct bytes code = bytes_cut(&line, ' ');
    if (code.length != 3 || bytes_to_number(code, 999, &number) != RESULT_OK || number < 100)
        return RESULT_INVALID;
    *status = (unsigned)number;
    return RESULT_OK;
}

static enum result read_line(struct bytes line, struct arena *arena, struct fields *fields)
{
    const size_t colon = bytes_index(line, ':');
    const struct bytes name = bytes_slice(line, 0, colon);
    const struct bytes value = bytes_trim(bytes_from(line, colon + 1));

    if (colon == line.length || !http_is_token(name) || !http_is_field_value(value))
        return RESULT_INVALID;
    if (fields->count == HTTP_FIELDS_LIMIT)
        return RESULT_LIMIT;
    fields_add(fields, arena, name, value);
    return RESULT_OK;
}

/* Two lengths that differ are two bodies; the same one twice is one (RFC 9112 §6.3). */
static enum result read_framing(struct response *response)
{
    const struct fields *fields = &response->fields;
    const struct field *coding = fields_find(fields, BYTES("Transfer-Encoding"));
    bool known = false;
    uint64_t length = 0;

    response->body_bytes = HTTP_BODY_CHUNKED;
    for (size_t i = 0; i < fields->count; i++) {
        uint64_t number;

        if (!bytes_equal_nocase(fields->lines[i].name, BYTES("Content-Length")))
            continue;
        if (coding != NULL ||
            bytes_to_number(fields->lines[i].value, INT64_MAX, &number) != RESULT_OK)
            return RESULT_INVALID;
        if (known && number != length)
            return RESULT_INVALID;
        length = number;
        known = true;
    }
    if (known)
        response->body_bytes = (int64_t)length;
    if (coding != NULL && (fields_count(fields, BYTES("Transfer-Encoding")) > 1 ||
                           !bytes_equal_nocase(coding->value, BYTES("chunked"))))
        return RESULT_INVALID;
    return RESULT_OK;
}

static enum result head_read(struct bytes lines, struct arena *arena, struct response *response)
{
    struct response read = {0};
    enum result result = read_status(without_end(bytes_cut(&lines, '\n')), &read.status);

    while (result == RESULT_OK && lines.length > 0)
        result = read_line(without_end(bytes_cut(&lines, '\n')), arena, &read.fields);
    if (result == RESULT_OK)
        result = read_framing(&read);
    if (result == RESULT_OK)
        *response = read;
    return result;
}

enum result response_head_add(struct response_head *head, struct bytes line, struct arena *arena,
                              struct response *response)
{
    unsigned status = 0;

    if (head->whole)
        return RESULT_BUSY; /* a trailer: read, and dropped */
    if (!is_blank_line(line)) {
        buffer_add(&head->lines, line);
        return head->lines.failed ? RESULT_LIMIT : RESULT_BUSY;
    }
    const struct bytes lines = arena_copy(arena, buffer_bytes(&head->lines));
    buffer_reset(&head->lines);
    struct bytes rest = lines;
    enum result result = read_status(without_end(bytes_cut(&rest, '\n')), &status);
    if (result != RESULT_OK || status == 101)
        return RESULT_INVALID;
    if (status < 200)
        return RESULT_BUSY;
    result = head_read(lines, arena, response);
    head->whole = result == RESULT_OK;
    return result;
}

void response_head_strip(struct fields *fields)
{
    static const char *const ends_here[] = {"Connection",
                                            "Keep-Alive",
                                            "Proxy-Connection",
                                            "Proxy-Authenticate",
                                            "Proxy-Authentication-Info",
                                            "TE",
                                            "Trailer",
                                            "Transfer-Encoding",
                                            "Upgrade",
                                            "Set-Cookie",
                                            "Set-Cookie2",
                                            "Alt-Svc"};
    bool ends[HTTP_FIELDS_LIMIT] = {false};
    size_t kept = 0;

    assert(fields->count <= HTTP_FIELDS_LIMIT);
    for (size_t i = 0; i < fields->count; i++) {
        ends[i] = fields_list_has(fields, BYTES("Connection"), fields->lines[i].name);
        for (size_t k = 0; k < ARRAY_LENGTH(ends_here) && !ends[i]; k++)
            ends[i] = bytes_equal_nocase(fields->lines[i].name, bytes_of_string(ends_here[k]));
    }
    for (size_t i = 0; i < fields->count; i++)
        if (!ends[i])
            fields->lines[kept++] = fields->lines[i];
    fields->count = kept;
}
