/* libcurl's easy interface: one call, no loop. No proxy stands between a command and its gate. */
#include "cli/admin_call.h"

#include <curl/curl.h>
#include <stdio.h>

#include "base/memory.h"
#include "cli/cli.h"

enum { ADMIN_CALL_TIMEOUT_S = 10 };

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    buffer_add(context, bytes_of(data, size * count));
    return size * count;
}

static void set_place(CURL *easy, const char *admin, const char *path, struct arena *arena)
{
    const struct bytes address = bytes_of_string(admin);
    const struct bytes prefix = BYTES("unix:");
    const bool is_unix = bytes_starts_with(address, prefix);
    const char *authority = is_unix ? "localhost" : admin;

    if (is_unix)
        (void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, admin + prefix.length);
    (void)curl_easy_setopt(easy, CURLOPT_URL,
                           arena_format(arena, "http://%s%s", authority, path).data);
}

static int say_failure(const char *admin, CURLcode code, long status, const struct buffer *answer)
{
    if (code != CURLE_OK)
        (void)fprintf(stderr,
                      "postern: no gate answers on its admin address %s (%s): is it running?\n",
                      admin, curl_easy_strerror(code));
    else
        (void)fprintf(stderr, "postern: the gate answered %ld: %.*s\n", status, (int)answer->length,
                      answer->data == NULL ? "" : answer->data);
    return CLI_FAILED;
}

int admin_call(const struct configuration *configuration, const char *path, const char *body,
               struct buffer *answer)
{
    struct arena arena;
    long status = 0;

    if (configuration->admin == NULL) {
        (void)fputs("postern: the configuration has no admin address\n", stderr);
        return CLI_WRONG;
    }
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        memory_exhausted();
    arena_init(&arena, 256);
    set_place(easy, configuration->admin, path, &arena);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* known options: nothing to fail but memory */
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)ADMIN_CALL_TIMEOUT_S);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    if (body != NULL)
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    const CURLcode code = curl_easy_perform(easy);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status); /* 0 without an answer */
    curl_easy_cleanup(easy);
    arena_finish(&arena);
    return code == CURLE_OK && status == 200
               ? CLI_DONE
               : say_failure(configuration->admin, code, status, answer);
}
