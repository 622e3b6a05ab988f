/*
 * What libcurl is told of a call. It repeats any method on a reused connection that dies before an
 * answer, and takes proxies and credentials from the environment: both are switched off here, in
 * one place. The token goes in here, too.
 */
#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/memory.h"
#include "upstream/fetch_state.h"

enum {
    FETCH_BUFFER_BYTES = 64 * 1024,
    FETCH_CONNECTION_AGE_S = 300,
    FETCH_DNS_AGE_S = 60,
};

static void fetch_add_field(struct fetch *fetch, const char *line)
{
    struct curl_slist *longer = curl_slist_append(fetch->lines, line);

    if (longer == NULL)
        memory_exhausted();
    fetch->lines = longer;
}

/* "Name: value", or "Name;" which is libcurl's way of sending an empty value. */
static void fetch_add_fields(struct fetch *fetch)
{
    const struct fields *fields = &fetch->fields;

    for (size_t i = 0; i < fields->count; i++) {
        const struct field *line = &fields->lines[i];
        const bool empty = line->value.length == 0;
        const struct bytes text =
            arena_format(&fetch->arena, empty ? "%.*s;" : "%.*s: %.*s", (int)line->name.length,
                         line->name.data, (int)line->value.length, line->value.data);

        fetch_add_field(fetch, text.data);
    }
}

/* What libcurl would add by itself is taken out, unless the request says it. */
static void fetch_add_own_fields(struct fetch *fetch)
{
    static const char *const unless_said[][2] = {
        {"Accept", "Accept:"},
        {"User-Agent", "User-Agent: postern/" POSTERN_VERSION},
        {"Accept-Encoding",
         "Accept-Encoding: identity"}, /* what is coded can't be searched for the token */
        {"Content-Type", "Content-Type:"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(unless_said); i++)
        if (fields_find(&fetch->fields, bytes_of_string(unless_said[i][0])) == NULL)
            fetch_add_field(fetch, unless_said[i][1]);
    fetch_add_field(fetch, "Expect:");
}

static void fetch_set(struct fetch *fetch, CURLcode code)
{
    if (code == CURLE_OUT_OF_MEMORY)
        memory_exhausted();
    if (code != CURLE_OK && fetch->end.detail[0] == '\0')
        (void)snprintf(fetch->end.detail, sizeof(fetch->end.detail), "libcurl: %s",
                       curl_easy_strerror(code));
}

static void fetch_set_request(struct fetch *fetch)
{
    CURL *easy = fetch->easy;
    const bool wants_length = bytes_equal(fetch->method, BYTES("POST")) ||
                              bytes_equal(fetch->method, BYTES("PUT")) ||
                              bytes_equal(fetch->method, BYTES("PATCH"));

    if (fetch->head_only) {
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_NOBODY, 1L));
    } else if (fetch->body_bytes != 0) {
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L));
        fetch_set(fetch,
                  curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)fetch->body_bytes));
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_READFUNCTION, fetch_on_upload));
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_READDATA, fetch));
        fetch_set(fetch,
                  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)FETCH_BUFFER_BYTES));
    } else if (wants_length) {
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L)); /* Content-Length: 0 */
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_POSTFIELDS, ""));
    }
    if (!fetch->head_only)
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, fetch->method.data));
}

static void fetch_set_safety(struct fetch *fetch)
{
    CURL *easy = fetch->easy;
    const struct upstream_config *config = fetch->upstream.config;

    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_PROXY, ""));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, (long)FETCH_DNS_AGE_S));
    fetch_set(fetch,
              curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)FETCH_CONNECTION_AGE_S));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)FETCH_BUFFER_BYTES));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                                      (long)(config->connect_timeout_us / CLOCK_MILLISECOND_US)));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, config->tls_verify ? 1L : 0L));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, config->tls_verify ? 2L : 0L));
    if (config->tls_ca_file != NULL)
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_CAINFO, config->tls_ca_file));
}

static void fetch_inject(struct fetch *fetch)
{
    const struct upstream_config *config = fetch->upstream.config;
    const struct bytes url = arena_join(&fetch->arena, bytes_of_string(config->url), fetch->url);
    struct injected injected;

    token_inject(fetch->token, &config->inject, url, &injected);
    fetch_set(fetch, curl_easy_setopt(fetch->easy, CURLOPT_URL, injected.url));
    if (injected.field != NULL)
        fetch_add_field(fetch, injected.field);
    injected_finish(&injected);
    fetch_set(fetch, curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, fetch->lines));
}

void fetch_make(struct fetch *fetch)
{
    assert(fetch->easy == NULL);
    fetch->easy = curl_easy_init();
    if (fetch->easy == NULL)
        memory_exhausted();
    fetch_set_safety(fetch);
    fetch_listen(fetch);
    fetch_set_request(fetch);
    fetch_add_fields(fetch);
    fetch_add_own_fields(fetch);
    fetch_inject(fetch);
}

void fetch_unmake(struct fetch *fetch)
{
    curl_easy_cleanup(fetch->easy);
    curl_slist_free_all(fetch->lines);
    fetch->easy = NULL;
    fetch->lines = NULL;
}
