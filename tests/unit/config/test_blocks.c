/* Each block of a configuration: what it takes, what it refuses and where it says so. */
#include "config/reading.h"

#include "base/clock.h"

#define KEY_A_LINE                                                                                 \
    "key_sha256\": \"00000000000000000000000000000000000000000000000000000000000000aA\""
#define KEY_B_LINE                                                                                 \
    "key_sha256\": \"00000000000000000000000000000000000000000000000000000000000000bb\""
#define KEY_A "\"" KEY_A_LINE
#define KEY_B "\"" KEY_B_LINE
#define WITH(members) "{\"upstreams\": {\"u\": {\"url\": \"https://x\"}},\n" members "}"
#define UPSTREAM(members) "{\"upstreams\": {\"u\": {\"url\": \"https://x\",\n" members "}}}"

static void listeners_are_strings_or_objects(void **state)
{
    struct configuration *read =
        reading(WITH("\"listen\": [\"[::1]:1\", \"unix:/run/x\", {\"address\": \"localhost:2\"}],"
                     "\"admin\": false"));

    (void)state;
    assert_int_equal(read->listen_count, 3);
    assert_string_equal(read->listen[0], "[::1]:1");
    assert_string_equal(read->listen[2], "localhost:2");
    assert_null(read->admin);
    configuration_release(read);
}

static void listeners_that_cannot_be_are_faults(void **state)
{
    (void)state;
    assert_fault(WITH("\"listen\": []"), 2, "/listen", "1 to");
    assert_fault(WITH("\"listen\": \"127.0.0.1:1\""), 2, "/listen", "array");
    assert_fault(WITH("\"listen\": [5]"), 2, "/listen/0", "expects a string");
    assert_fault(WITH("\"listen\": [\"nonsense\"]"), 2, "/listen/0", "no address");
    assert_fault(WITH("\"listen\": [\":1\"]"), 2, "/listen/0", "without \"clients\"");
    assert_fault(WITH("\"listen\": [\"127.0.0.1:1\",\n\"127.0.0.1:1\"]"), 3, "/listen/1", "twice");
    assert_fault(WITH("\"listen\": [{\"address\": \"127.0.0.1:1\", \"tls\": {}}]"), 2,
                 "/listen/0/tls", "not available yet");
    assert_fault(WITH("\"listen\": [{}]"), 2, "/listen/0", "\"address\"");
    assert_fault(WITH("\"admin\": true"), 2, "/admin", "or false");
    assert_fault(WITH("\"admin\": \"127.0.0.1:8080\""), 2, "/admin", "same address");
}

static void with_clients_any_address_may_be_listened_on(void **state)
{
    struct configuration *read =
        reading(WITH("\"listen\": [\"0.0.0.0:80\"], \"clients\": [{\"name\": \"a\", " KEY_A "}]"));

    (void)state;
    assert_int_equal(read->listen_count, 1);
    configuration_release(read);
}

static void any_free_port_is_no_address_that_two_could_share(void **state)
{
    struct configuration *read =
        reading(WITH("\"listen\": [\"127.0.0.1:0\"], \"admin\": \"127.0.0.1:0\""));

    (void)state;
    assert_string_equal(read->admin, "127.0.0.1:0");
    configuration_release(read);
}

static void log_limits_and_workers_are_read(void **state)
{
    struct configuration *read =
        reading(WITH("\"log\": {\"level\": \"debug\", \"format\": \"json\"}, \"workers\": 3,"
                     "\"limits\": {\"head_timeout\": \"1s\", \"connections\": 5}"));

    (void)state;
    assert_int_equal(read->log_level, LOG_DEBUG);
    assert_int_equal(read->log_format, LOG_JSON);
    assert_int_equal(read->workers, 3);
    assert_int_equal(read->head_timeout_us, CLOCK_SECOND_US);
    assert_int_equal(read->connections, 5);
    configuration_release(read);
    assert_fault(WITH("\"log\": {\"level\": \"loud\"}"), 2, "/log/level",
                 "\"error\" or \"warn\" or \"info\" or \"debug\"");
    assert_fault(WITH("\"limits\": {\"head_timeout\": \"0s\"}"), 2, "/limits/head_timeout",
                 "too short");
    assert_fault(WITH("\"limits\": {\"connections\": 0}"), 2, "/limits/connections", "from 1 to");
    assert_fault(WITH("\"workers\": 1.5"), 2, "/workers", "whole number");
    assert_fault(WITH("\"workers\": \"2\""), 2, "/workers", "whole number");
    assert_fault(WITH("\"workers\": 1e30"), 2, "/workers", "0 to 256");
}

static void an_upstream_is_read_whole(void **state)
{
    struct configuration *read = reading(
        UPSTREAM("\"token\": {\"env\": \"TOKEN\"}, \"inject\": {\"header\": \"Authorization\", "
                 "\"format\": \"Bearer %s\"}, \"budget\": {\"concurrency\": 3}, \"timeouts\": "
                 "{\"connect\": \"1s\", \"total\": \"2s\", \"queue\": \"3s\"}, \"pause_max\": "
                 "\"4s\", \"forward\": [\"X-A\", \"*\"], \"tls\": {\"verify\": true}"));
    const struct upstream_config *upstream = &read->upstreams[0];

    (void)state;
    assert_string_equal(upstream->name, "u");
    assert_true(upstream->has_token);
    assert_string_equal(upstream->token.env, "TOKEN");
    assert_string_equal(upstream->inject.header, "Authorization");
    assert_string_equal(upstream->inject.format, "Bearer %s");
    assert_null(upstream->inject.query);
    assert_int_equal(upstream->limits.concurrency, 3);
    assert_int_equal(upstream->connect_timeout_us, CLOCK_SECOND_US);
    assert_int_equal(upstream->total_timeout_us, 2 * CLOCK_SECOND_US);
    assert_int_equal(upstream->queue_timeout_us, 3 * CLOCK_SECOND_US);
    assert_int_equal(upstream->pause_max_us, 4 * CLOCK_SECOND_US);
    assert_int_equal(upstream->forward_count, 2);
    assert_true(upstream->forward_all && upstream->tls_verify);
    assert_int_equal(read->warning_count, 0);
    configuration_release(read);
}

static void urls_are_split(void **state)
{
    static const struct {
        const char *url, *scheme, *authority, *base_path; /* scheme NULL: refused */
    } rows[] = {
        {"https://api.copernica.com", "https", "api.copernica.com", ""},
        {"http://127.0.0.1:8082/", "http", "127.0.0.1:8082", ""},
        {"http://[::1]:1/base/v2", "http", "[::1]:1", "/base/v2"},
        {"https://x:65535/a/", "https", "x:65535", "/a"},
        {"ftp://x", NULL, NULL, NULL},
        {"x", NULL, NULL, NULL},
        {"https://", NULL, NULL, NULL},
        {"https://user@x", NULL, NULL, NULL},
        {"https://x?y", NULL, NULL, NULL},
        {"https://x/y#z", NULL, NULL, NULL},
        {"https://x:0", NULL, NULL, NULL},
        {"https://x:65536", NULL, NULL, NULL},
        {"https://x:", NULL, NULL, NULL},
        {"https://[::1", NULL, NULL, NULL},
        {"https://x//y", NULL, NULL, NULL},
        {"https://x/a//", NULL, NULL, NULL},
        {"https://x/..", NULL, NULL, NULL},
        {"https://x/a%2fb", NULL, NULL, NULL},
        {"https://x y", NULL, NULL, NULL},
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        (void)snprintf(text, sizeof(text), "{\"upstreams\": {\"u\": {\"url\": \"%s\"}}}",
                       rows[i].url);
        if (rows[i].scheme == NULL) {
            assert_fault(text, 1, "/upstreams/u/url", "not the address of an API");
            continue;
        }
        struct configuration *read = reading(text);
        const struct upstream_config *upstream = &read->upstreams[0];
        assert_true(bytes_equal(upstream->scheme, bytes_of_string(rows[i].scheme)));
        assert_true(bytes_equal(upstream->authority, bytes_of_string(rows[i].authority)));
        assert_true(bytes_equal(upstream->base_path, bytes_of_string(rows[i].base_path)));
        configuration_release(read);
    }
}

static void upstreams_that_cannot_be_are_faults(void **state)
{
    (void)state;
    assert_fault("{}", 1, "", "\"upstreams\"");
    assert_fault("{\"upstreams\": {}}", 1, "/upstreams", "1 to");
    assert_fault("{\"upstreams\": {\"a b\": {\"url\": \"https://x\"}}}", 1, "/upstreams/a b",
                 "no name");
    assert_fault("{\"upstreams\": {\"u\": {}}}", 1, "/upstreams/u", "\"url\"");
    assert_fault("{\"upstreams\": {\"u\": {\"url\": \"http://a\"},\n\"u\": {\"url\": "
                 "\"http://a\"}}, \"clients\": [{\"name\": \"a\", \"upstream\": \"u\", " KEY_A
                 "}]}",
                 2, "/upstreams/u", "twice");
    assert_fault("{\"upstreams\": {\"u\": {\"url\": \"http://a\"}, \"v\": {\"url\": "
                 "\"http://a\"}}}",
                 1, "/upstreams", "need a \"match\" each");
    assert_fault(UPSTREAM("\"token\": {}, \"inject\": {\"query\": \"t\"}"), 2, "/upstreams/u/token",
                 "one of");
    assert_fault(UPSTREAM("\"token\": {\"env\": \"A\", \"file\": \"b\"}, \"inject\": {\"query\": "
                          "\"t\"}"),
                 2, "/upstreams/u/token", "one of");
    assert_fault(UPSTREAM("\"token\": {\"env\": \"9\"}, \"inject\": {\"query\": \"t\"}"), 2,
                 "/upstreams/u/token/env", "environment variable");
    assert_fault(UPSTREAM("\"token\": {\"credential\": \"../x\"}, \"inject\": {\"query\": \"t\"}"),
                 2, "/upstreams/u/token/credential", "credential");
    assert_fault(
        UPSTREAM("\"token\": {\"env\": \"A\", \"insecure\": true}, \"inject\": {\"query\": "
                 "\"t\"}"),
        2, "/upstreams/u/token", "\"insecure\" belongs");
    assert_fault(UPSTREAM("\"token\": {\"env\": \"A\"}"), 1, "/upstreams/u", "how it goes up");
    assert_fault(UPSTREAM("\"inject\": {}"), 2, "/upstreams/u/inject", "one of");
    assert_fault(UPSTREAM("\"inject\": {\"query\": \"a&b\"}"), 2, "/upstreams/u/inject/query",
                 "name of a parameter");
    assert_fault(UPSTREAM("\"inject\": {\"query\": \"a\", \"format\": \"%s\"}"), 2,
                 "/upstreams/u/inject", "belongs to \"header\"");
    assert_fault(UPSTREAM("\"inject\": {\"header\": \"A\", \"format\": \"%s%s\"}"), 2,
                 "/upstreams/u/inject/format", "one %s");
    assert_fault(UPSTREAM("\"inject\": {\"header\": \"A\", \"format\": \"%d\"}"), 2,
                 "/upstreams/u/inject/format", "one %s");
    assert_fault(UPSTREAM("\"inject\": {\"header\": \"A\", \"format\": \"x\\r\\n%s\"}"), 2,
                 "/upstreams/u/inject/format", "printable");
    assert_fault(UPSTREAM("\"forward\": [\"a b\"]"), 2, "/upstreams/u/forward/0",
                 "name of a field");
}

#define TWO(first, second)                                                                         \
    "{\"upstreams\": {\"u\": {\"url\": \"http://a\"" first                                         \
    "},\n\"v\": {\"url\": \"http://b\"" second "}}}"

static void upstreams_are_told_apart_by_their_match(void **state)
{
    struct configuration *read = reading(TWO("", ", \"match\": \"/api/b-2/**\""));

    (void)state;
    assert_false(read->upstreams[0].has_match);
    assert_int_equal(read->upstreams[0].prefix.length, 0);
    assert_true(read->upstreams[1].has_match);
    assert_true(bytes_equal(read->upstreams[1].prefix, BYTES("/api/b-2")));
    assert_true(pattern_matches(&read->upstreams[1].match, BYTES("/api/b-2/c/d")));
    configuration_release(read);
    configuration_release(
        reading(TWO(", \"match\": \"/a/**\"", ", \"match\": \"/ab/**\""))); /* not below */
    configuration_release(reading(TWO(", \"match\": \"/a/b/**\"", ", \"match\": \"/a/**\"")));
}

static void matches_that_cannot_be_are_faults(void **state)
{
    static const char *const texts[] = {"",           "/",      "/a",      "/**",     "a/**",
                                        "//a/**",     "/a//**", "/a/*/**", "/a*/**",  "/a/**/b",
                                        "/a/../b/**", "/./**",  "/%61/**", "/a b/**", "/a/***",
                                        "/**/**",     "/a;b/**"};
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        (void)snprintf(text, sizeof(text),
                       "{\"upstreams\": {\"u\": {\"url\": \"http://a\",\n\"match\": \"%s\"}}}",
                       texts[i]);
        assert_fault(text, 2, "/upstreams/u/match", texts[i][0] == '\0' ? "" : "literal segments");
    }
    assert_fault(UPSTREAM("\"match\": 1"), 2, "/upstreams/u/match", "string");
    assert_fault(UPSTREAM("\"match\": \"/_postern/a/**\""), 2, "/upstreams/u/match", "own");
    assert_fault(TWO(", \"match\": \"/a/**\"", ", \"match\": \"/a/**\""), 2, "/upstreams/v/match",
                 "same match");
    assert_fault(TWO(", \"match\": \"/a/**\"", ", \"match\": \"/a/b/**\""), 2, "/upstreams/v/match",
                 "longer one stand first");
    /* a client that names none needs to be routed by path */
    assert_fault("{\"upstreams\": {\"u\": {\"url\": \"http://a\"}, \"v\": {\"url\": \"http://a\"},"
                 "\"w\": {\"url\": \"http://a\", \"match\": \"/w/**\"}},"
                 "\n\"clients\": [{\"name\": \"a\", " KEY_A "}]}",
                 2, "/clients/0", "without \"match\"");
}

static void what_does_nothing_yet_is_a_warning(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {UPSTREAM("\"tls\": {\"verify\": false}"), "not checked"},
        {UPSTREAM("\"forward\": [\"cookie\"]"), "Cookie never goes up"},
        {"{\"upstreams\": {\"u\": {\"url\": \"http://x.example\", \"token\": {\"env\": \"A\"},\n"
         "\"inject\": {\"query\": \"t\"}}}}",
         "unencrypted"},
        {WITH("\"cache\": {\"stale_if_error\": \"1h\"}"), "stale_if_error does nothing yet"},
        {WITH("\"cache\": {\"stale_while_revalidate\": \"1h\"}"), "stale_while_revalidate"},
        {WITH("\"admin\": \":8081\""), "127.0.0.1 is safer"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct configuration *read = reading(rows[i].text);

        assert_int_equal(read->warning_count, 1);
        if (strstr(read->warnings[0], rows[i].words) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", read->warnings[0], rows[i].words);
        assert_true(bytes_starts_with(bytes_of_string(read->warnings[0]), BYTES("line ")));
        configuration_release(read);
    }
    configuration_release(
        reading(UPSTREAM("\"budget\": {\"per_second\": 0, \"burst\": 0, \"write_share\": 0.1}")));
}

static void a_budget_s_day_is_one_of_a_time_zone(void **state)
{
    struct configuration *read =
        reading(UPSTREAM("\"budget\": {\"time_zone\": \"Europe/Amsterdam\"}"));

    (void)state;
    assert_string_equal(read->upstreams[0].limits.time_zone, "Europe/Amsterdam");
    configuration_release(read);
    assert_fault(UPSTREAM("\"budget\": {\"time_zone\": \"Europe/Ede\"}"), 2,
                 "/upstreams/u/budget/time_zone", "tzdata");
    assert_fault(UPSTREAM("\"budget\": {\"time_zone\": 1}"), 2, "/upstreams/u/budget/time_zone",
                 "string");
}

static void clients_are_read(void **state)
{
    struct configuration *read = reading(
        "{\"clients\": [{\"name\": \"all\", \"upstream\": \"v\", " KEY_A "}, {\"name\": \"some\", "
        "\"upstream\": \"u\", \"allow\": [\"GET /**\", \"* /a/*\"], " KEY_B "}, {\"name\": "
        "\"none\", \"upstream\": \"u\", \"allow\": [], \"key_sha256\": "
        "\"00000000000000000000000000000000000000000000000000000000000000cc\"}],"
        "\"upstreams\": {\"u\": {\"url\": \"http://a\"}, \"v\": {\"url\": \"http://b\"}}}");

    (void)state;
    assert_int_equal(read->client_count, 3);
    assert_string_equal(read->clients[0].name, "all");
    assert_int_equal(read->clients[0].upstream, 1);
    assert_int_equal(read->clients[0].keys[0].hash[31], 0xaa);
    assert_null(read->clients[0].allow);
    assert_int_equal(read->clients[1].upstream, 0);
    assert_int_equal(read->clients[1].allow_count, 2);
    assert_true(bytes_equal(read->clients[1].allow[1].method, BYTES("*")));
    assert_non_null(read->clients[2].allow);
    assert_int_equal(read->clients[2].allow_count, 0);
    configuration_release(read);
}

/* One client "a" with KEY_A and these members. */
#define CLIENT(members) WITH("\"clients\": [{\"name\": \"a\", " KEY_A ",\n" members "}]")

static void a_client_without_more_may_everything(void **state)
{
    struct configuration *read = reading(CLIENT("\"allow\": [\"GET /**\"]"));
    const struct client_config *client = &read->clients[0];

    (void)state;
    assert_int_equal(client->key_count, 1);
    assert_true(client->keys[0].until_wall_us == INT64_MAX);
    assert_false(client->disabled);
    assert_false(client->has_upstream);
    assert_int_equal(client->deny_count, 0);
    assert_true(client->quota.per_second == 0 && client->quota.per_day == 0);
    assert_int_equal(client->priority, PRIORITY_INTERACTIVE);
    assert_int_equal(client->weight, 1);
    assert_int_equal(read->warning_count, 0);
    configuration_release(read);
}

static void what_a_client_may_and_how_much_is_read(void **state)
{
    struct configuration *read = reading(CLIENT(
        "\"upstream\": \"u\", \"deny\": [\"GET /a/**\"], \"disabled\": true, \"weight\": 1000,"
        "\"priority\": \"batch\", \"key_until\": \"2027-01-01T00:00:00Z\","
        "\"previous_key_until\": \"1970-01-01T00:00:01Z\", \"previous_" KEY_B_LINE ","
        "\"quota\": {\"per_second\": 0.5, \"burst\": 3, \"per_day\": 1000000000}"));
    const struct client_config *client = &read->clients[0];

    (void)state;
    assert_true(client->has_upstream);
    assert_int_equal(client->deny_count, 1);
    assert_true(bytes_equal(client->deny[0].text, BYTES("GET /a/**")));
    assert_true(client->disabled);
    assert_int_equal(client->weight, 1000);
    assert_int_equal(client->priority, PRIORITY_BATCH);
    assert_int_equal(client->key_count, 2);
    assert_int_equal(client->keys[0].hash[31], 0xaa);
    assert_true(client->keys[0].until_wall_us == INT64_C(1798761600000000));
    assert_int_equal(client->keys[1].hash[31], 0xbb);
    assert_true(client->keys[1].until_wall_us == 1000000);
    assert_true(client->quota.per_second == 0.5);
    assert_int_equal(client->quota.burst, 3);
    assert_int_equal(client->quota.per_day, 1000000000);
    assert_int_equal(read->warning_count, 0);
    configuration_release(read);
}

static void keys_and_quotas_that_cannot_be_are_faults(void **state)
{
    (void)state;
    assert_fault(CLIENT("\"key_until\": \"tomorrow\""), 3, "/clients/0/key_until", "RFC 3339");
    assert_fault(CLIENT("\"key_until\": 5"), 3, "/clients/0/key_until", "RFC 3339");
    assert_fault(CLIENT("\"previous_key_sha256\": \"aa\""), 3, "/clients/0/previous_key_sha256",
                 "64 hexadecimal");
    assert_fault(CLIENT("\"previous_key_until\": \"2027-01-01T00:00:00Z\""), 3,
                 "/clients/0/previous_key_until", "no \"previous_key_sha256\"");
    assert_fault(CLIENT("\"previous_" KEY_A_LINE), 3, "/clients/0/previous_key_sha256",
                 "present key");
    assert_fault(WITH("\"clients\": [{\"name\": \"a\", " KEY_A "},\n{\"name\": \"b\", " KEY_B
                      ", \"previous_" KEY_A_LINE "}]"),
                 3, "/clients/1/previous_key_sha256", "\"a\" has the same key");
    assert_fault(CLIENT("\"disabled\": 1"), 3, "/clients/0/disabled", "true or false");
    assert_fault(CLIENT("\"deny\": [\"/x\"]"), 3, "/clients/0/deny/0", "one space");
    assert_fault(CLIENT("\"deny\": \"GET /x\""), 3, "/clients/0/deny", "array");
    assert_fault(CLIENT("\"priority\": \"low\""), 3, "/clients/0/priority", "\"batch\"");
    assert_fault(CLIENT("\"weight\": 1001"), 3, "/clients/0/weight", "to 1000");
    assert_fault(CLIENT("\"quota\": 5"), 3, "/clients/0/quota", "object");
    assert_fault(CLIENT("\"quota\": {\"per_minute\": 5}"), 3, "/clients/0/quota/per_minute",
                 "unknown");
    assert_fault(CLIENT("\"quota\": {\"per_second\": -1}"), 3, "/clients/0/quota/per_second",
                 "number from 0");
    assert_fault(CLIENT("\"quota\": {\"per_second\": 0.0001}"), 3, "/clients/0/quota/per_second",
                 "per_day");
    assert_fault(CLIENT("\"quota\": {\"per_day\": 1.5}"), 3, "/clients/0/quota/per_day", "whole");
    assert_fault(CLIENT("\"quota\": {\"burst\": 5}"), 3, "/clients/0/quota/burst",
                 "without \"per_second\"");
}

static void clients_that_cannot_be_are_faults(void **state)
{
    (void)state;
    assert_fault(WITH("\"clients\": {}"), 2, "/clients", "array");
    assert_fault(WITH("\"clients\": [5]"), 2, "/clients/0", "object");
    assert_fault(WITH("\"clients\": [{" KEY_A "}]"), 2, "/clients/0", "\"name\"");
    assert_fault(WITH("\"clients\": [{\"name\": \"a\"}]"), 2, "/clients/0", "\"key_sha256\"");
    assert_fault(WITH("\"clients\": [{\"name\": \"-a\", " KEY_A "}]"), 2, "/clients/0/name",
                 "no name");
    assert_fault(WITH("\"clients\": [{\"name\": \"a\", \"key_sha256\": \"12\"}]"), 2,
                 "/clients/0/key_sha256", "64 hexadecimal");
    assert_fault(WITH("\"clients\": [{\"name\": \"a\", \"upstream\": \"x\", " KEY_A "}]"), 2,
                 "/clients/0/upstream", "no upstream \"x\"");
    assert_fault(WITH("\"clients\": [{\"name\": \"a\", " KEY_A "},\n{\"name\": \"a\", " KEY_B "}]"),
                 3, "/clients/1/name", "unique");
    assert_fault(WITH("\"clients\": [{\"name\": \"a\", " KEY_A "},\n{\"name\": \"b\", " KEY_A "}]"),
                 3, "/clients/1/key_sha256", "same key");
    assert_fault(WITH("\"clients\": [{\"name\": \"a\", \"allow\": [\"GET\"], " KEY_A "}]"), 2,
                 "/clients/0/allow/0", "one space");
    assert_fault(WITH("\"clients\": [{\"name\": \"a\", \"allow\": [\"GET  /\"], " KEY_A "}]"), 2,
                 "/clients/0/allow/0", "one space");
    assert_fault(WITH("\"clients\": [{\"name\": \"a\", \"weight\": 0, " KEY_A "}]"), 2,
                 "/clients/0/weight", "from 1");
    assert_fault("{\"upstreams\": {\"u\": {\"url\": \"http://a\"}, \"v\": {\"url\": \"http://a\"}},"
                 "\n\"clients\": [{\"name\": \"a\", " KEY_A "}]}",
                 2, "/clients/0", "several");
}

static void the_cache_is_read(void **state)
{
    struct configuration *read = reading(
        WITH("\"cache\": {\"max_size\": \"1MiB\", \"ttl\": \"0s\", \"unmatched_writes\": \"path\","
             "\"rules\": [{\"match\": \"/a/**\", \"ttl\": \"1h\", \"override\": true},"
             "{\"match\": \"/b\", \"store\": false, \"parameter\": \"x=y=z\"},"
             "{\"match\": \"/c\", \"negative_ttl\": \"1s\", \"parameter\": \"report\"},"
             "{\"match\": \"/d\", \"settle\": \"5m\"}]}"));
    const struct cache_rule *rules = read->cache_rules;

    (void)state;
    assert_int_equal(read->cache_max_bytes, 1 << 20);
    assert_int_equal(read->cache_max_object_bytes, 1 << 18); /* its default would not fit */
    assert_int_equal(read->ttl_us, 0);
    assert_int_equal(read->unmatched_writes, UNMATCHED_PATH);
    assert_int_equal(read->cache_rule_count, 4);
    assert_true(bytes_equal(rules[0].match_text, BYTES("/a/**")));
    assert_true(rules[0].override && rules[0].store && !rules[0].store_said);
    assert_int_equal(rules[0].negative_ttl_us, -1);
    assert_true(!rules[1].store && rules[1].store_said && !rules[1].parameter.any_value);
    assert_true(bytes_equal(rules[1].parameter.name, BYTES("x")));
    assert_true(bytes_equal(rules[1].parameter.value, BYTES("y=z")));
    assert_int_equal(rules[1].ttl_us, -1);
    assert_true(rules[2].parameter.any_value);
    assert_int_equal(rules[2].negative_ttl_us, CLOCK_SECOND_US);
    assert_int_equal(rules[2].settle_us, -1);
    assert_int_equal(rules[3].settle_us, 300 * CLOCK_SECOND_US);
    assert_true(rules[3].ttl_us == -1 && rules[3].store && !rules[3].store_said);
    configuration_release(read);
}

static void caches_that_cannot_be_are_faults(void **state)
{
    (void)state;
    assert_fault(WITH("\"cache\": {\"max_size\": \"1KiB\"}"), 2, "/cache/max_size", "too small");
    assert_fault(WITH("\"cache\": {\"max_size\": 5}"), 2, "/cache/max_size", "a size such as");
    assert_fault(WITH("\"cache\": {\"max_size\": \"4MiB\", \"max_object\": \"2MiB\"}"), 2,
                 "/cache/max_object", "quarter");
    assert_fault(WITH("\"cache\": {\"ttl\": 60}"), 2, "/cache/ttl", "a duration such as");
    assert_fault(WITH("\"cache\": {\"ttl\": null}"), 2, "/cache/ttl", "a duration such as");
    assert_fault(WITH("\"cache\": {\"unmatched_writes\": \"all\"}"), 2, "/cache/unmatched_writes",
                 "\"account\" or \"path\"");
    assert_fault(WITH("\"cache\": {\"rules\": [{\"ttl\": \"1s\"}]}"), 2, "/cache/rules/0",
                 "\"match\"");
    assert_fault(WITH("\"cache\": {\"rules\": [{\"match\": \"a\", \"ttl\": \"1s\"}]}"), 2,
                 "/cache/rules/0/match", "slash");
    assert_fault(WITH("\"cache\": {\"rules\": [{\"match\": \"/a\"}]}"), 2, "/cache/rules/0",
                 "decides nothing");
    assert_fault(WITH("\"cache\": {\"rules\": [{\"match\": \"/a\", \"parameter\": \"x\"}]}"), 2,
                 "/cache/rules/0", "decides nothing");
    assert_fault(WITH("\"cache\": {\"rules\": [{\"match\": \"/a\", \"store\": true, "
                      "\"override\": true}]}"),
                 2, "/cache/rules/0", "needs a \"ttl\"");
    assert_fault(WITH("\"cache\": {\"rules\": [{\"match\": \"/a\", \"parameter\": \"=x\", "
                      "\"store\": false}]}"),
                 2, "/cache/rules/0/parameter", "before the =");
}

static void the_audit_trail_is_read(void **state)
{
    struct configuration *read = reading(
        WITH("\"audit\": {\"sync\": \"writes\", \"bodies\": \"none\", \"mask\": [\"email\", \"x\"],"
             "\"rotate\": \"1MiB\", \"keep\": \"1d\", \"on_failure\": \"refuse-writes\"}"));

    (void)state;
    assert_true(read->audit && !read->audit_hash_bodies);
    assert_int_equal(read->audit_mask_count, 2);
    assert_true(bytes_equal(read->audit_mask[0], BYTES("email")));
    assert_int_equal(read->audit_rotate_bytes, 1 << 20);
    assert_int_equal(read->audit_keep_us, 86400 * CLOCK_SECOND_US);
    configuration_release(read);
    read = reading(WITH("\"audit\": false"));
    assert_false(read->audit);
    configuration_release(read);
    assert_fault(WITH("\"audit\": {\"sync\": \"all\"}"), 2, "/audit/sync", "\"writes\"");
    assert_fault(WITH("\"audit\": {\"bodies\": \"all\"}"), 2, "/audit/bodies", "\"hash\"");
    assert_fault(WITH("\"audit\": {\"mask\": [\"\"]}"), 2, "/audit/mask/0", "empty");
    assert_fault(WITH("\"audit\": {\"on_failure\": \"go-on\"}"), 2, "/audit/on_failure",
                 "\"refuse-writes\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listeners_are_strings_or_objects),
        cmocka_unit_test(listeners_that_cannot_be_are_faults),
        cmocka_unit_test(with_clients_any_address_may_be_listened_on),
        cmocka_unit_test(any_free_port_is_no_address_that_two_could_share),
        cmocka_unit_test(log_limits_and_workers_are_read),
        cmocka_unit_test(an_upstream_is_read_whole),
        cmocka_unit_test(urls_are_split),
        cmocka_unit_test(upstreams_that_cannot_be_are_faults),
        cmocka_unit_test(upstreams_are_told_apart_by_their_match),
        cmocka_unit_test(matches_that_cannot_be_are_faults),
        cmocka_unit_test(what_does_nothing_yet_is_a_warning),
        cmocka_unit_test(a_budget_s_day_is_one_of_a_time_zone),
        cmocka_unit_test(clients_are_read),
        cmocka_unit_test(a_client_without_more_may_everything),
        cmocka_unit_test(what_a_client_may_and_how_much_is_read),
        cmocka_unit_test(keys_and_quotas_that_cannot_be_are_faults),
        cmocka_unit_test(clients_that_cannot_be_are_faults),
        cmocka_unit_test(the_cache_is_read),
        cmocka_unit_test(caches_that_cannot_be_are_faults),
        cmocka_unit_test(the_audit_trail_is_read),
    };

    return cmocka_run_group_tests_name("config/blocks", tests, NULL, NULL);
}
