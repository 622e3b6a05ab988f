/*
 * Any lines as an upstream's head: read in one way or refused; what is read is well-formed, has one
 * length at most, and nothing in it ends at the gate once it was stripped.
 */
#include <stdlib.h>

#include "upstream/response_head.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_response(struct response *response)
{
    require(response->status >= 200 && response->status <= 999);
    require(response->body_bytes >= 0 || response->body_bytes == HTTP_BODY_CHUNKED);
    require(response->fields.count <= HTTP_FIELDS_LIMIT);
    for (size_t i = 0; i < response->fields.count; i++) {
        require(http_is_token(response->fields.lines[i].name));
        require(http_is_field_value(response->fields.lines[i].value));
    }
    const size_t before = response->fields.count;
    response_head_strip(&response->fields);
    require(response->fields.count <= before);
    require(fields_find(&response->fields, BYTES("Connection")) == NULL);
    require(fields_find(&response->fields, BYTES("Set-Cookie")) == NULL);
    require(fields_find(&response->fields, BYTES("Transfer-Encoding")) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = size == 0 ? BYTES("") : bytes_of(data, size);
    struct response_head head;
    struct response response = {0};
    struct arena arena;
    enum result result = RESULT_BUSY;

    arena_init(&arena, 4096);
    response_head_init(&head);
    while (rest.length > 0 && (result == RESULT_BUSY || result == RESULT_OK)) {
        const struct bytes line = bytes_slice(rest, 0, bytes_index(rest, '\n') + 1);

        rest = bytes_from(rest, line.length);
        result = response_head_add(&head, line, &arena, &response);
        if (result == RESULT_OK)
            check_response(&response);
        require(result != RESULT_OK || head.whole);
    }
    response_head_finish(&head);
    arena_finish(&arena);
    return 0;
}
