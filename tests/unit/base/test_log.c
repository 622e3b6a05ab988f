/* The process's log: one whole line an event, which a peer's bytes cannot break or forge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/log.h"

/* Standard error, caught in a pipe. */
struct capture {
    int real, ends[2];
    char text[8192];
};

static void capture_begin(struct capture *capture)
{
    memset(capture->text, 0, sizeof(capture->text));
    assert_int_equal(pipe(capture->ends), 0);
    capture->real = dup(STDERR_FILENO);
    assert_true(capture->real >= 0);
    assert_int_equal(dup2(capture->ends[1], STDERR_FILENO), STDERR_FILENO);
}

static void capture_end(struct capture *capture)
{
    assert_int_equal(dup2(capture->real, STDERR_FILENO), STDERR_FILENO);
    (void)close(capture->real);
    (void)close(capture->ends[1]);
    assert_true(read(capture->ends[0], capture->text, sizeof(capture->text) - 1) >= 0);
    (void)close(capture->ends[0]);
}

static void a_line_has_time_level_and_message(void **state)
{
    struct capture capture;
    char message[64] = "";

    (void)state;
    log_configure(LOG_INFO, LOG_TEXT);
    capture_begin(&capture);
    log_warn("%s is %d", "answer", 42);
    capture_end(&capture);
    assert_int_equal(sscanf(capture.text, "%*4u-%*2u-%*2uT%*2u:%*2u:%*2u.%*6uZ %63[^\n]", message),
                     1);
    assert_string_equal(message, "postern: warn: answer is 42");
    assert_int_equal(capture.text[strlen(capture.text) - 1], '\n');
}

static void levels_below_the_configured_one_are_silent(void **state)
{
    struct capture capture;

    (void)state;
    log_configure(LOG_WARN, LOG_TEXT);
    capture_begin(&capture);
    log_debug("debug");
    log_info("info");
    log_warn("warn");
    log_error("error");
    capture_end(&capture);
    assert_null(strstr(capture.text, "info"));
    assert_null(strstr(capture.text, "debug"));
    assert_non_null(strstr(capture.text, "warn: warn\n"));
    assert_non_null(strstr(capture.text, "error: error\n"));
    assert_true(log_wants(LOG_WARN));
    assert_false(log_wants(LOG_INFO));
}

static void a_peer_cannot_forge_a_line(void **state)
{
    struct capture capture;

    (void)state;
    log_configure(LOG_INFO, LOG_TEXT);
    capture_begin(&capture);
    log_info("asked for %s", "/a\n2026 postern: error: fire\x1b[0m\r\x7f");
    capture_end(&capture);
    assert_ptr_equal(strchr(capture.text, '\n'), capture.text + strlen(capture.text) - 1);
    assert_null(strchr(capture.text, '\x1b'));
    assert_null(strchr(capture.text, '\r'));
    assert_null(strchr(capture.text, '\x7f'));
}

static void json_lines_are_json(void **state)
{
    struct capture capture;

    (void)state;
    log_configure(LOG_INFO, LOG_JSON);
    capture_begin(&capture);
    log_error("quote \" backslash \\ line\nend");
    capture_end(&capture);
    log_configure(LOG_INFO, LOG_TEXT);
    cJSON *json = cJSON_Parse(capture.text);
    assert_non_null(json);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "level")), "error");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "message")),
                        "quote \" backslash \\ line\nend");
    assert_non_null(cJSON_GetObjectItem(json, "time"));
    cJSON_Delete(json);
}

static void a_line_that_is_too_long_is_cut_and_still_ends(void **state)
{
    struct capture capture;
    char *text = malloc(5000);

    (void)state;
    memset(text, '\x01', 4999); /* each takes six bytes escaped */
    text[4999] = '\0';
    for (unsigned format = 0; format < 2; format++) {
        log_configure(LOG_INFO, format == 0 ? LOG_TEXT : LOG_JSON);
        capture_begin(&capture);
        log_info("%s", text);
        capture_end(&capture);
        const size_t length = strlen(capture.text);
        assert_in_range(length, 1000, 2048);
        assert_int_equal(capture.text[length - 1], '\n');
        cJSON *json = format == 0 ? NULL : cJSON_Parse(capture.text);
        assert_true(format == 0 || json != NULL);
        cJSON_Delete(json);
    }
    log_configure(LOG_INFO, LOG_TEXT);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_and_message),
        cmocka_unit_test(levels_below_the_configured_one_are_silent),
        cmocka_unit_test(a_peer_cannot_forge_a_line),
        cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(a_line_that_is_too_long_is_cut_and_still_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
