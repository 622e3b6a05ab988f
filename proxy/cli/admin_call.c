/* libcurl's easy interface: one call, no loop. No proxy stands between a command and its gate. */
#include "cli/admin_call.h"

#include <curl/curl.h>
#include <stdio.h>

#include "base/memory.h"
#include "cli/cli.h"

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

static enum result failure(const char *admin, CURLcode code, long status,
                           const struct buffer *answer, struct error *error)
{
    if (code != CURLE_OK)
        return error_set(error, RESULT_SYSTEM,
                         "no gate answers on its admin address %s (%s): is it running?", admin,
                         curl_easy_strerror(code));
    return error_set(error, RESULT_REFUSED, "the gate answered %ld: %.*s", status,
                     (int)answer->length, answer->data == NULL ? "" : answer->data);
}

enum result admin_ask(const struct configuration *configuration,
                      const struct admin_request *request, struct buffer *answer,
                      struct error *error)
{
    struct arena arena;
    long status = 0;
    CURL *easy = curl_easy_init();

    if (easy == NULL)
        memory_exhausted();
    arena_init(&arena, 256);
    set_place(easy, configuration->admin, request->path, &arena);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* known options: nothing to fail but memory */
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT, request->timeout_s);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    if (request->body != NULL)
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
    const CURLcode code = curl_easy_perform(easy);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status); /* 0 without an answer */
    curl_easy_cleanup(easy);
    arena_finish(&arena);
    return code == CURLE_OK && status == 200
               ? RESULT_OK
               : failure(configuration->admin, code, status, answer, error);
}

int admin_call(const struct configuration *configuration, const char *path, const char *body,
               struct buffer *answer)
{
    const struct admin_request request = {.path = path, .body = body, .timeout_s = ADMIN_TIMEOUT_S};
    struct error error = {0};

    if (configuration->admin == NULL) {
        (void)fputs("postern: the configuration has no admin address\n", stderr);
        return CLI_WRONG;
    }
    if (admin_ask(configuration, &request, answer, &error) == RESULT_OK)
        return CLI_DONE;
    (void)fprintf(stderr, "postern: %s\n", error.text);
    return CLI_FAILED;
}

int admin_show(const struct configuration *configuration, const char *path, bool as_json,
               void (*say)(const cJSON *answer))
{
    struct buffer answer;

    buffer_init(&answer, ADMIN_ANSWER_LIMIT_BYTES);
    int code = admin_call(configuration, path, NULL, &answer);
    if (code == CLI_DONE && as_json) {
        (void)printf("%.*s", (int)answer.length, answer.data);
    } else if (code == CLI_DONE) {
        cJSON *parsed = cJSON_ParseWithLength(answer.data, answer.length);

        if (cJSON_IsObject(parsed)) {
            say(parsed);
        } else {
            (void)fputs("postern: what answers on the admin address is no gate\n", stderr);
            code = CLI_FAILED;
        }
        cJSON_Delete(parsed);
    }
    buffer_finish(&answer);
    return code;
}
