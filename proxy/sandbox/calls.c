/* Counting is an increment; texts are made when somebody asks, but for the log, whose requests are
 * gone by then. */
#include "sandbox/calls.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/json.h"

enum { CALLS_NAME_ROOM = 160, LOG_ENTRY_LIMIT_BYTES = 1024 * 1024 };

void calls_finish(struct calls *calls)
{
    for (size_t i = 0; i < CALLS_LOG_LENGTH; i++)
        free(calls->log[i]);
}

void calls_reset(struct calls *calls)
{
    calls_finish(calls);
    memset(calls, 0, sizeof(*calls));
}

void calls_count(struct calls *calls, enum http_method method, const struct endpoint *endpoint)
{
    calls->total++;
    if (http_method_is_safe(method))
        calls->reads++;
    else
        calls->writes++;
    if (endpoint == NULL)
        calls->unknown[method]++;
    else
        calls->counts[endpoint_number(endpoint)][method]++;
}

static void add_string(struct buffer *buffer, const char *before, struct bytes text)
{
    buffer_add(buffer, bytes_of_string(before));
    json_escape(buffer, text);
    buffer_add_byte(buffer, '"');
}

void calls_keep_head(struct calls *calls, const struct request *request)
{
    struct buffer entry;

    buffer_init(&entry, LOG_ENTRY_LIMIT_BYTES);
    add_string(&entry, "{\"method\":\"", request->method_text);
    add_string(&entry, ",\"target\":\"", request->target);
    buffer_add(&entry, BYTES(",\"fields\":["));
    for (size_t i = 0; i < request->fields.count; i++) {
        add_string(&entry, i == 0 ? "[\"" : ",[\"", request->fields.lines[i].name);
        add_string(&entry, ",\"", request->fields.lines[i].value);
        buffer_add_byte(&entry, ']');
    }
    buffer_add(&entry, bytes_of("]}", 3)); /* with the NUL */
    free(calls->log[calls->log_next]);
    calls->log[calls->log_next] = entry.data;
    calls->log_next = (calls->log_next + 1) % CALLS_LOG_LENGTH;
}

static void add_count(cJSON *object, enum http_method method, const char *template, uint64_t count)
{
    char name[CALLS_NAME_ROOM];

    if (count == 0)
        return;
    (void)snprintf(name, sizeof(name), "%s %s", http_method_name(method), template);
    /* Templates may stand twice, once a method: the other's count is 0. */
    cJSON *there = cJSON_GetObjectItemCaseSensitive(object, name);
    if (there != NULL)
        (void)cJSON_SetNumberValue(there, there->valuedouble + (double)count);
    else
        (void)cJSON_AddNumberToObject(object, name, (double)count);
}

cJSON *calls_shape(const struct calls *calls)
{
    cJSON *object = cJSON_CreateObject();

    (void)cJSON_AddNumberToObject(object, "total", (double)calls->total);
    (void)cJSON_AddNumberToObject(object, "reads", (double)calls->reads);
    (void)cJSON_AddNumberToObject(object, "writes", (double)calls->writes);
    (void)cJSON_AddNumberToObject(object, "body_bytes", (double)calls->body_bytes);
    (void)cJSON_AddNumberToObject(object, "limited", (double)calls->limited);
    (void)cJSON_AddNumberToObject(object, "faulted", (double)calls->faulted);
    (void)cJSON_AddNumberToObject(object, "unauthorized", (double)calls->unauthorized);
    cJSON *counts = cJSON_AddObjectToObject(object, "calls");
    for (size_t i = 0; endpoint_at(i) != NULL; i++)
        for (size_t method = 0; method < METHOD_COUNT; method++)
            add_count(counts, (enum http_method)method, endpoint_at(i)->template,
                      calls->counts[i][method]);
    for (size_t method = 0; method < METHOD_COUNT; method++)
        add_count(counts, (enum http_method)method, "(unknown)", calls->unknown[method]);
    return object;
}

void calls_write_log(const struct calls *calls, struct buffer *buffer)
{
    const char *separator = "[";

    for (size_t i = 0; i < CALLS_LOG_LENGTH; i++) {
        const char *entry = calls->log[(calls->log_next + i) % CALLS_LOG_LENGTH];

        if (entry == NULL)
            continue;
        buffer_add(buffer, bytes_of_string(separator));
        buffer_add(buffer, bytes_of_string(entry));
        separator = ",";
    }
    buffer_add(buffer, bytes_of_string(*separator == '[' ? "[]" : "]"));
}
