/* zlib, which finds out by itself whether it reads gzip or zlib ("deflate"). */
#include "upstream/decode.h"

#include "base/memory.h"

enum {
    DECODE_PIECE_BYTES = 32 * 1024,
    DECODE_ANY_HEADER = 15 + 32, /* inflateInit2: largest window, gzip or zlib header */
};

static bool coding_can_be_undone(struct bytes coding)
{
    return bytes_equal_nocase(coding, BYTES("gzip")) ||
           bytes_equal_nocase(coding, BYTES("x-gzip")) ||
           bytes_equal_nocase(coding, BYTES("deflate"));
}

/* One of them, once; identity beside it says nothing. */
static bool codings_can_be_undone(struct bytes list)
{
    struct bytes coding;
    size_t known = 0, unknown = 0;

    while (list_next(&list, &coding)) {
        if (bytes_equal_nocase(coding, BYTES("identity")))
            continue;
        known += coding_can_be_undone(coding);
        unknown += !coding_can_be_undone(coding);
    }
    return known == 1 && unknown == 0;
}

static void head_to_decoded(struct arena *arena, struct response *response)
{
    struct field *etag;

    response->body_bytes = HTTP_BODY_CHUNKED;
    fields_remove(&response->fields, BYTES("Content-Encoding"));
    fields_remove(&response->fields, BYTES("Content-Length"));
    fields_remove(&response->fields, BYTES("Content-Digest"));
    etag = (struct field *)fields_find(&response->fields, BYTES("ETag"));
    if (etag != NULL && !bytes_starts_with(etag->value, BYTES("W/")))
        etag->value = arena_join(arena, BYTES("W/"), etag->value);
}

void decode_begin(struct decode *decode, struct arena *arena, struct response *response)
{
    if (!codings_can_be_undone(fields_joined(&response->fields, arena, BYTES("Content-Encoding"))))
        return;
    if (inflateInit2(&decode->stream, DECODE_ANY_HEADER) != Z_OK)
        memory_exhausted(); /* zlib fails here for nothing else */
    decode->active = true;
    head_to_decoded(arena, response);
}

enum result decode_feed(struct decode *decode, struct bytes *part,
                        bool (*give)(void *context, struct bytes piece), void *context)
{
    unsigned char piece[DECODE_PIECE_BYTES];
    int code = Z_OK;

    decode->begun = true;
    decode->stream.next_in = (unsigned char *)part->data;
    decode->stream.avail_in = (unsigned)part->length;
    do {
        /* gzip may come in several members (RFC 1952 §2.2) */
        if (decode->ended && decode->stream.avail_in > 0)
            (void)inflateReset(&decode->stream); /* begun: cannot fail */
        decode->stream.next_out = piece;
        decode->stream.avail_out = sizeof(piece);
        code = inflate(&decode->stream, Z_NO_FLUSH);
        decode->ended = code == Z_STREAM_END;
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            return RESULT_INVALID;
        *part = bytes_from(*part, part->length - decode->stream.avail_in);
        const struct bytes given = bytes_of(piece, sizeof(piece) - decode->stream.avail_out);
        if (given.length > 0 && !give(context, given))
            return RESULT_BUSY;
    } while (decode->stream.avail_in > 0 || (decode->stream.avail_out == 0 && !decode->ended));
    return RESULT_OK;
}

enum result decode_end(const struct decode *decode)
{
    /* an empty body is no coded stream, and none is missed: HEAD, 204, 304 */
    return !decode->active || decode->ended || !decode->begun ? RESULT_OK : RESULT_INVALID;
}

void decode_finish(struct decode *decode)
{
    if (decode->active)
        (void)inflateEnd(&decode->stream); /* frees; what else it says was said before */
    decode->active = false;
}
