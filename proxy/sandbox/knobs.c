/* Knobs as JSON, checked whole before any of them turns. */
#include "sandbox/knobs.h"

#include <assert.h>
#include <fnmatch.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "sandbox/model.h"

static const char *const fault_names[FAULT_COUNT] = {
    [FAULT_CLOSE] = "close",   [FAULT_TRUNCATE] = "truncate", [FAULT_SLOW] = "slow",
    [FAULT_STATUS] = "status", [FAULT_HOLD] = "hold",
};

enum {
    STATUS_LEAST = 200,
    STATUS_MOST = 599,
    SLOW_STEP_US = 100 * 1000, /* where the fault does not say */
};

static const double knob_most = 1e15; /* whole numbers stay exact in a double */

static void faults_free(struct fault *faults, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(faults[i].path);
        free(faults[i].method);
        free(faults[i].body);
        free(faults[i].content_type);
    }
    free(faults);
}

void knobs_finish(struct knobs *knobs)
{
    faults_free(knobs->faults, knobs->fault_count);
    knobs->faults = NULL;
    knobs->fault_count = 0;
}

/* A whole number that is not negative; absent stays what it is. */
static bool take_number(const cJSON *object, const char *name, int64_t factor, int64_t *number)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

    if (member == NULL)
        return true;
    if (!cJSON_IsNumber(member) || !(member->valuedouble >= 0) ||
        member->valuedouble > knob_most / (double)factor)
        return false;
    *number = (int64_t)member->valuedouble * factor;
    return true;
}

static bool take_text(const cJSON *object, const char *name, const char *absent, char **text)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

    if (member != NULL && !cJSON_IsString(member))
        return false;
    *text = memory_string(member == NULL ? absent : member->valuestring);
    return true;
}

static bool fault_kind_read(const cJSON *member, enum fault_kind *kind)
{
    for (size_t i = 0; cJSON_IsString(member) && i < FAULT_COUNT; i++)
        if (strcmp(member->valuestring, fault_names[i]) == 0) {
            *kind = (enum fault_kind)i;
            return true;
        }
    return false;
}

static bool fault_read(struct fault *fault, const cJSON *object)
{
    int64_t count = 0, status = 500, step_bytes = 1;

    fault->step_us = SLOW_STEP_US;
    fault->is_unlimited = cJSON_GetObjectItemCaseSensitive(object, "count") == NULL;
    fault->is_applied = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "applied"));
    if (!fault_kind_read(cJSON_GetObjectItemCaseSensitive(object, "kind"), &fault->kind) ||
        !take_text(object, "path", "*", &fault->path) ||
        !take_text(object, "method", "*", &fault->method) ||
        !take_text(object, "body", "", &fault->body) ||
        !take_text(object, "content_type", "application/json", &fault->content_type) ||
        !take_number(object, "count", 1, &count) || !take_number(object, "status", 1, &status) ||
        !take_number(object, "bytes", 1, &step_bytes) ||
        !take_number(object, "interval_ms", CLOCK_MILLISECOND_US, &fault->step_us))
        return false;
    fault->left = (uint64_t)count;
    fault->status = (unsigned)status;
    fault->step_bytes = (size_t)step_bytes;
    return status >= STATUS_LEAST && status <= STATUS_MOST && step_bytes >= 1 &&
           http_is_field_value(bytes_of_string(fault->content_type));
}

/* All of the list, or nothing. */
static enum result faults_read(const cJSON *list, struct fault **faults, size_t *count,
                               struct error *error)
{
    const cJSON *item;
    const int size = cJSON_GetArraySize(list);

    if (!cJSON_IsArray(list) || size > KNOBS_FAULTS_LIMIT)
        return error_set(error, RESULT_INVALID, "faults: a list of at most %d faults is wanted",
                         KNOBS_FAULTS_LIMIT);
    struct fault *read = memory_take((size_t)size, sizeof(*read));
    size_t done = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (!fault_read(&read[done++], item)) {
            faults_free(read, done);
            return error_set(error, RESULT_INVALID,
                             "faults: number %zu has a kind, path, method, count, status, body, "
                             "content_type, bytes, interval_ms or applied that is none",
                             done - 1);
        }
    }
    *faults = read;
    *count = done;
    return RESULT_OK;
}

static bool limit_with_read(const cJSON *member, bool *as_page)
{
    if (member == NULL)
        return true;
    if (!cJSON_IsString(member))
        return false;
    *as_page = strcmp(member->valuestring, "page") == 0;
    return *as_page || strcmp(member->valuestring, "429") == 0;
}

static bool numbers_read(const cJSON *object, struct sandbox_knobs *numbers)
{
    int64_t per_second = numbers->per_second, file_bytes = (int64_t)numbers->file_bytes;
    int64_t profiles = (int64_t)numbers->profiles;

    if (!take_number(object, "latency_ms", CLOCK_MILLISECOND_US, &numbers->latency_us) ||
        !take_number(object, "latency_after_ms", CLOCK_MILLISECOND_US,
                     &numbers->latency_after_us) ||
        !take_number(object, "jitter_ms", CLOCK_MILLISECOND_US, &numbers->jitter_us) ||
        !take_number(object, "jitter_after_ms", CLOCK_MILLISECOND_US, &numbers->jitter_after_us) ||
        !take_number(object, "view_lag_ms", CLOCK_MILLISECOND_US, &numbers->view_lag_us) ||
        !take_number(object, "bearer_lifetime_ms", CLOCK_MILLISECOND_US,
                     &numbers->bearer_lifetime_us) ||
        !take_number(object, "per_second", 1, &per_second) || per_second > UINT32_MAX ||
        !take_number(object, "file_bytes", 1, &file_bytes) ||
        !take_number(object, "profiles", 1, &profiles) || profiles > KNOBS_PROFILES_LIMIT)
        return false;
    numbers->profiles = (uint64_t)profiles;
    numbers->per_second = (uint32_t)per_second;
    numbers->file_bytes = (uint64_t)file_bytes;
    return limit_with_read(cJSON_GetObjectItemCaseSensitive(object, "limit_with"),
                           &numbers->limits_with_page);
}

static const char *unknown_member(const cJSON *object)
{
    static const char *const known[] = {
        "latency_ms",  "latency_after_ms",   "jitter_ms",  "jitter_after_ms",
        "view_lag_ms", "bearer_lifetime_ms", "per_second", "limit_with",
        "file_bytes",  "profiles",           "faults"};
    const cJSON *member;

    cJSON_ArrayForEach(member, object)
    {
        size_t i = 0;

        while (i < ARRAY_LENGTH(known) && strcmp(known[i], member->string) != 0)
            i++;
        if (i == ARRAY_LENGTH(known))
            return member->string;
    }
    return NULL;
}

enum result knobs_read(struct knobs *knobs, const cJSON *object, struct error *error)
{
    struct sandbox_knobs numbers = knobs->numbers;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "faults");

    if (!cJSON_IsObject(object))
        return error_set(error, RESULT_INVALID, "a JSON object is wanted");
    const char *unknown = unknown_member(object);
    if (unknown != NULL)
        return error_set(error, RESULT_INVALID, "there is no knob \"%.40s\"", unknown);
    if (!numbers_read(object, &numbers))
        return error_set(error, RESULT_INVALID,
                         "knobs are numbers from 0, limit_with is \"429\" or \"page\"");
    if (list != NULL) {
        struct fault *faults = NULL;
        size_t count = 0;
        const enum result result = faults_read(list, &faults, &count, error);

        if (result != RESULT_OK)
            return result;
        knobs_finish(knobs);
        knobs->faults = faults;
        knobs->fault_count = count;
    }
    knobs->numbers = numbers;
    return RESULT_OK;
}

static void fault_shape(cJSON *list, const struct fault *fault)
{
    cJSON *object = cJSON_CreateObject();

    (void)cJSON_AddItemToArray(list, object);
    (void)cJSON_AddStringToObject(object, "kind", fault_names[fault->kind]);
    (void)cJSON_AddStringToObject(object, "path", fault->path);
    (void)cJSON_AddStringToObject(object, "method", fault->method);
    if (!fault->is_unlimited)
        (void)cJSON_AddNumberToObject(object, "count", (double)fault->left);
    (void)cJSON_AddBoolToObject(object, "applied", fault->is_applied);
    if (fault->kind == FAULT_STATUS) {
        (void)cJSON_AddNumberToObject(object, "status", fault->status);
        (void)cJSON_AddStringToObject(object, "body", fault->body);
        (void)cJSON_AddStringToObject(object, "content_type", fault->content_type);
    }
    if (fault->kind == FAULT_SLOW) {
        (void)cJSON_AddNumberToObject(object, "bytes", (double)fault->step_bytes);
        (void)cJSON_AddNumberToObject(object, "interval_ms",
                                      (double)(fault->step_us / CLOCK_MILLISECOND_US));
    }
}

static void add_milliseconds(cJSON *object, const char *name, int64_t duration_us)
{
    (void)cJSON_AddNumberToObject(object, name, (double)(duration_us / CLOCK_MILLISECOND_US));
}

cJSON *knobs_shape(const struct knobs *knobs)
{
    const struct sandbox_knobs *numbers = &knobs->numbers;
    cJSON *object = cJSON_CreateObject();

    add_milliseconds(object, "latency_ms", numbers->latency_us);
    add_milliseconds(object, "latency_after_ms", numbers->latency_after_us);
    add_milliseconds(object, "jitter_ms", numbers->jitter_us);
    add_milliseconds(object, "jitter_after_ms", numbers->jitter_after_us);
    add_milliseconds(object, "view_lag_ms", numbers->view_lag_us);
    add_milliseconds(object, "bearer_lifetime_ms", numbers->bearer_lifetime_us);
    (void)cJSON_AddNumberToObject(object, "per_second", numbers->per_second);
    (void)cJSON_AddStringToObject(object, "limit_with", numbers->limits_with_page ? "page" : "429");
    (void)cJSON_AddNumberToObject(object, "file_bytes", (double)numbers->file_bytes);
    (void)cJSON_AddNumberToObject(object, "profiles", (double)numbers->profiles);
    cJSON *list = cJSON_AddArrayToObject(object, "faults");
    for (size_t i = 0; i < knobs->fault_count; i++)
        fault_shape(list, &knobs->faults[i]);
    return object;
}

const struct fault *knobs_take_fault(struct knobs *knobs, struct bytes method, const char *path)
{
    for (size_t i = 0; i < knobs->fault_count; i++) {
        struct fault *fault = &knobs->faults[i];

        if (!fault->is_unlimited && fault->left == 0)
            continue;
        if ((strcmp(fault->method, "*") != 0 &&
             !bytes_equal(method, bytes_of_string(fault->method))) ||
            fnmatch(fault->path, path, 0) != 0)
            continue;
        if (!fault->is_unlimited)
            fault->left--;
        return fault;
    }
    return NULL;
}
