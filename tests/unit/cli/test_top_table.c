/* From two statuses to the lines of `postern top`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/top_table.h"

#define CLIENT(name, requests, hits, calls, saved)                                                 \
    "{\"name\": \"" name "\", \"requests\": " #requests ", \"hits\": " #hits                       \
    ", \"calls\": " #calls ", \"saved\": " #saved                                                  \
    ", \"queued\": 0, \"queue_us\": 0, \"refused\": 0}"

static struct buffer text;

static int text_make(void **state)
{
    (void)state;
    buffer_init(&text, 1 << 20);
    return 0;
}

static int text_drop(void **state)
{
    (void)state;
    buffer_finish(&text);
    return 0;
}

/* The lines, with a NUL behind. */
static const char *written(const char *now, const char *before, struct top_view view)
{
    cJSON *later = cJSON_Parse(now), *earlier = before == NULL ? NULL : cJSON_Parse(before);

    assert_non_null(later);
    view.now = later;
    view.before = earlier;
    buffer_reset(&text);
    top_write(&view, &text);
    buffer_add_byte(&text, '\0');
    cJSON_Delete(later);
    cJSON_Delete(earlier);
    return text.data;
}

/* The line that begins with `name`, its runs of spaces as one. */
static const char *line_of(const char *lines, const char *name)
{
    static char line[512];
    const char *at = lines;
    size_t length = 0;

    while (at != NULL && strncmp(at, name, strlen(name)) != 0) {
        at = strchr(at, '\n');
        at = at == NULL ? NULL : at + 1;
    }
    if (at == NULL)
        return "";
    for (; *at != '\n'; at++)
        if (*at != ' ' || line[length - 1] != ' ')
            line[length++] = *at;
    line[length] = '\0';
    return line;
}

static const char start[] =
    "{\"version\": \"1\", \"uptime_s\": 30, \"requests\": 50, \"hits\": 25, \"upstream_calls\": 5,"
    " \"upstreams\": [{\"name\": \"up\", \"under_way\": 3, \"queued\": 2}],"
    " \"clients\": [" CLIENT("a", 40, 20, 4, 20) ", " CLIENT("b", 10, 5, 1, 5) "]}";

static void the_first_rates_are_since_the_start(void **state)
{
    const char *lines = written(start, NULL, (struct top_view){0});

    (void)state;
    assert_string_equal(line_of(lines, "postern"),
                        "postern 1, up 30 s; since the start: 100 req/min, 10.0 calls/min, 50% "
                        "hits");
    assert_string_equal(line_of(lines, "up:"), "up: 3 under way, 2 queued");
    assert_string_equal(line_of(lines, "a "), "a 80.0 8.0 50% 40.0 0/- 0");
    assert_string_equal(line_of(lines, "b "), "b 20.0 2.0 50% 10.0 0/- 0");
}

static void rates_are_of_what_came_meanwhile(void **state)
{
    static const char later[] =
        "{\"version\": \"1\", \"uptime_s\": 36, \"requests\": 81, \"hits\": 52,"
        " \"upstream_calls\": 7, \"upstreams\": [],"
        " \"clients\": [" CLIENT("new", 1, 1, 0, 1) ", " CLIENT(
            "a", 70, 50, 4,
            50) ", "
                "{\"name\": \"b\", \"requests\": 10, \"hits\": 5, \"calls\": 1, \"saved\": 5,"
                " \"queued\": 4, \"queue_us\": 10000, \"refused\": 3, \"waiting\": 5}]}";
    const char *lines = written(later, start, (struct top_view){.elapsed_s = 6});

    (void)state;
    assert_string_equal(line_of(lines, "postern"),
                        "postern 1, up 36 s; now: 310 req/min, 20.0 calls/min, 87% hits");
    assert_string_equal(line_of(lines, "a "), "a 300 0 100% 300 0/- 0");
    assert_string_equal(line_of(lines, "b "), "b 0 0 0% 0 5/2ms 30.0");
    assert_string_equal(line_of(lines, "new "), "new 10.0 0 100% 10.0 0/- 0");
}

static void what_stands_against_calls_comes_first(void **state)
{
    static const char *const budgets[] = {
        "{\"concurrency\": 16, \"breaker\": \"closed\", \"paused_s\": 0}",
        "/16",
        "", /* nothing more */
        "{\"paused_s\": 2.5, \"template_paused\": true, \"day_left\": 1, \"per_day\": 9}",
        "",
        ", PAUSED for 2.5 s, 1 of 9 left today",
        "{\"template_paused\": true, \"breaker\": \"half-open\", \"told_left\": 7}",
        "",
        ", some paths PAUSED, breaker half-open, it says 7 left",
        "{\"second_left\": 0, \"burst\": 5}",
        "",
        ", 0 of 5 left now"};
    char status[512], expected[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(budgets); i += 3) {
        (void)snprintf(status, sizeof(status),
                       "{\"upstreams\": [{\"name\": \"up\", \"under_way\": 1, \"budget\": %s}]}",
                       budgets[i]);
        (void)snprintf(expected, sizeof(expected), "up: 1%s under way, 0 queued%s", budgets[i + 1],
                       budgets[i + 2]);
        assert_string_equal(line_of(written(status, NULL, (struct top_view){0}), "up:"), expected);
    }
}

static void check_order(enum top_sort sort, const char *first, const char *second)
{
    static const char status[] =
        "{\"uptime_s\": 60, \"clients\": [" CLIENT("calls", 10, 1, 9, 1) ", " CLIENT(
            "requests", 20, 10, 5, 10) ", " CLIENT("hits", 5, 5, 0, 5) "]}";
    const char *lines = written(status, NULL, (struct top_view){.sort = sort});

    assert_non_null(strstr(lines, first));
    assert_true(strstr(lines, first) < strstr(lines, second));
}

static void what_is_sorted_by_comes_first(void **state)
{
    (void)state;
    check_order(TOP_CALLS, "\ncalls", "\nrequests");
    check_order(TOP_CALLS, "\nrequests", "\nhits");
    check_order(TOP_REQUESTS, "\nrequests", "\ncalls");
    check_order(TOP_REQUESTS, "\ncalls", "\nhits");
    check_order(TOP_HITS, "\nhits", "\nrequests");
    check_order(TOP_HITS, "\nrequests", "\ncalls");
}

static void no_page_is_larger_than_its_screen(void **state)
{
    static char clients[8192], upstreams[8192], status[20000];

    (void)state;
    for (int i = 0; i < 50; i++) {
        (void)snprintf(clients + strlen(clients), 128,
                       "%s{\"name\": \"client-%d\", \"requests\": 1}", i == 0 ? "" : ",", i);
        (void)snprintf(upstreams + strlen(upstreams), 128, "%s{\"name\": \"upstream-%d\"}",
                       i == 0 ? "" : ",", i);
    }
    (void)snprintf(status, sizeof(status), "{\"clients\": [%s], \"upstreams\": [%s]}", clients,
                   upstreams);
    for (size_t rows = 1; rows < 130; rows++) {
        const char *lines =
            written(status, NULL, (struct top_view){.rows = rows, .columns = rows * 2});
        size_t count = 0;

        for (const char *at = lines; *at != '\0'; at = strchr(at, '\n') + 1, count++)
            assert_true((size_t)(strchr(at, '\n') - at) <= rows * 2);
        assert_true(count <= rows);
    }
    const char *lines = written(status, NULL, (struct top_view){.rows = 24, .columns = 80});
    assert_string_equal(line_of(lines, "... and 43 more"), "... and 43 more upstreams");
    assert_non_null(strstr(lines, "client-11"));
    assert_string_equal(line_of(lines, "... and 38 more"), "... and 38 more");
    lines = written(status, NULL, (struct top_view){0});
    assert_non_null(strstr(lines, "client-49"));
    assert_null(strstr(lines, "more"));
}

static void texts_reach_no_terminal_as_commands(void **state)
{
    const char *lines = written("{\"version\": \"\\u001b[2J\", \"clients\": [{\"name\": "
                                "\"\\u001b]0;x\\u0007\\n\\u00e9\", \"requests\": 1}, {\"name\": 5, "
                                "\"requests\": 2}], \"upstreams\": [{\"name\": \"\\u009b\"}]}",
                                NULL, (struct top_view){0});

    (void)state;
    for (const char *at = lines; *at != '\0'; at++)
        assert_true(*at == '\n' || (*at >= ' ' && *at <= '~'));
    assert_non_null(strstr(lines, "?]0;x?"));
    assert_non_null(strstr(lines, "(not identified)"));
}

static void a_gate_that_began_anew_is_noticed(void **state)
{
    cJSON *first = cJSON_Parse("{\"uptime_s\": 30, \"requests\": 50}");
    cJSON *later = cJSON_Parse("{\"uptime_s\": 31, \"requests\": 50}");
    cJSON *younger = cJSON_Parse("{\"uptime_s\": 2, \"requests\": 60}");
    cJSON *fewer = cJSON_Parse("{\"uptime_s\": 31, \"requests\": 49}");

    (void)state;
    assert_false(top_restarted(later, first));
    assert_true(top_restarted(younger, first));
    assert_true(top_restarted(fewer, first));
    cJSON_Delete(first);
    cJSON_Delete(later);
    cJSON_Delete(younger);
    cJSON_Delete(fewer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rates_are_since_the_start),
        cmocka_unit_test(rates_are_of_what_came_meanwhile),
        cmocka_unit_test(what_stands_against_calls_comes_first),
        cmocka_unit_test(what_is_sorted_by_comes_first),
        cmocka_unit_test(no_page_is_larger_than_its_screen),
        cmocka_unit_test(texts_reach_no_terminal_as_commands),
        cmocka_unit_test(a_gate_that_began_anew_is_noticed),
    };

    return cmocka_run_group_tests(tests, text_make, text_drop);
}
