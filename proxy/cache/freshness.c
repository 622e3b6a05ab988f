/*
 * Freshness and storability of RFC 9111 §3 and §4.2 as a shared cache, with RFC 5861 and RFC 9213,
 * under an operator's rule. Whether a stored response still holds after a write is no matter of
 * freshness: cache/order decides it. The clock comes in as a parameter.
 */
#include "cache/freshness.h"

#include <assert.h>

#include "base/clock.h"
#include "http/cache_control.h"
#include "http/date.h"

/* Seconds that may be CACHE_CONTROL_NOT_SAID. */
static int64_t microseconds(int64_t seconds)
{
    static_assert(CACHE_CONTROL_NOT_SAID == FRESHNESS_NOT_SAID, "both are passed through");
    return seconds == CACHE_CONTROL_NOT_SAID ? FRESHNESS_NOT_SAID : seconds * CLOCK_SECOND_US;
}

/* The statuses that a ttl makes storable (those of RFC 9110 §15.1 that a JSON API's reads give). */
static bool status_takes_ttl(unsigned status)
{
    switch (status) {
    case 200:
    case 203:
    case 204:
    case 300:
    case 301:
    case 308:
    case 404:
    case 410:
        return true;
    default:
        return false;
    }
}

/* The operator's ttl for the status, or 0 where none applies to it. */
static int64_t ttl_us(unsigned status, const struct cache_rule *rule,
                      const struct freshness_fallback *fallback)
{
    const bool negative = status == 404 || status == 410;
    int64_t said = FRESHNESS_NOT_SAID;

    if (!status_takes_ttl(status))
        return 0;
    if (rule != NULL)
        said = negative ? rule->negative_ttl_us : rule->ttl_us;
    if (said == FRESHNESS_NOT_SAID)
        said = negative ? fallback->negative_ttl_us : fallback->ttl_us;
    return said > 0 ? said : 0;
}

/* When the response was made, by its Date, else by our clock (RFC 9110 §6.6.1). */
static int64_t date_of(const struct fields *fields, int64_t response_wall_us)
{
    const int64_t now_s = response_wall_us / CLOCK_SECOND_US;
    int64_t date_s;

    if (fields_count(fields, BYTES("Date")) != 1 ||
        date_parse(fields_find(fields, BYTES("Date"))->value, now_s, &date_s) != RESULT_OK)
        return now_s;
    return date_s;
}

/* Expires minus Date; what does not parse, "0" above all, has expired (RFC 9111 §5.3). */
static int64_t expires_lifetime_us(const struct fields *fields, int64_t date_s, int64_t now_s)
{
    const size_t count = fields_count(fields, BYTES("Expires"));
    int64_t expires_s;

    if (count == 0)
        return FRESHNESS_NOT_SAID;
    if (count > 1 ||
        date_parse(fields_find(fields, BYTES("Expires"))->value, now_s, &expires_s) != RESULT_OK ||
        expires_s <= date_s)
        return 0;
    return (expires_s - date_s) * CLOCK_SECOND_US;
}

/* Age's first member in seconds; what does not parse is ignored (RFC 9111 §5.1). */
static int64_t age_value_us(const struct fields *fields)
{
    const struct field *const field = fields_find(fields, BYTES("Age"));
    struct bytes list = field == NULL ? BYTES("") : field->value, text;
    uint64_t seconds;

    if (!list_next(&list, &text))
        return 0;
    switch (bytes_to_number(text, (uint64_t)CACHE_CONTROL_MAXIMUM_S, &seconds)) {
    case RESULT_OK:
        return (int64_t)seconds * CLOCK_SECOND_US;
    case RESULT_LIMIT:
        return CACHE_CONTROL_MAXIMUM_S * CLOCK_SECOND_US;
    default:
        return 0;
    }
}

/*
 * corrected_initial_age (RFC 9111 §4.2.3). Date has whole seconds, so the apparent age is counted
 * in them: the part of a second that Date leaves out is not age.
 */
static int64_t initial_age_us(const struct fields *fields, int64_t date_s,
                              const struct freshness_times *times)
{
    const int64_t apparent_s = times->response_wall_us / CLOCK_SECOND_US - date_s;
    const int64_t delay_us = times->response_wall_us - times->request_wall_us;
    const int64_t corrected_us = age_value_us(fields) + (delay_us > 0 ? delay_us : 0);

    return apparent_s > 0 && apparent_s * CLOCK_SECOND_US > corrected_us
               ? apparent_s * CLOCK_SECOND_US
               : corrected_us;
}

/* The response itself says that a shared cache may not keep it. */
static bool response_forbids(const struct response *response, const struct cache_control *control)
{
    if (control->must_understand && !status_takes_ttl(response->status))
        return true;
    if (control->no_store && !control->must_understand) /* RFC 9111 §5.2.2.3 */
        return true;
    return control->is_private || fields_find(&response->fields, BYTES("Set-Cookie")) != NULL;
}

/* Statuses and Vary that no rule can make storable. */
static bool is_never_stored(const struct response *response)
{
    return response->status < 200 || response->status == 206 || response->status == 304 ||
           fields_list_has(&response->fields, BYTES("Vary"), BYTES("*"));
}

/* What the answer says of its use once stale. */
static void judge_staleness(struct freshness *freshness, const struct cache_control *control)
{
    freshness->no_cache = control->no_cache;
    freshness->must_revalidate = control->must_revalidate || control->proxy_revalidate ||
                                 control->s_maxage_s != CACHE_CONTROL_NOT_SAID;
    freshness->stale_while_revalidate_us = microseconds(control->stale_while_revalidate_s);
    freshness->stale_if_error_us = microseconds(control->stale_if_error_s);
    if (freshness->must_revalidate || freshness->no_cache)
        freshness->stale_while_revalidate_us = freshness->stale_if_error_us = 0;
    if (freshness->lifetime_us > 0)
        return;
    /* stale at once: only windows that it names itself, never the configured ones */
    if (freshness->stale_while_revalidate_us == FRESHNESS_NOT_SAID)
        freshness->stale_while_revalidate_us = 0;
    if (freshness->stale_if_error_us == FRESHNESS_NOT_SAID)
        freshness->stale_if_error_us = 0;
}

/* The answer's own words and, where it says nothing, the ttl. */
static void judge_by_response(struct freshness *freshness, const struct response *response,
                              const struct freshness_times *times, int64_t date_s,
                              struct arena *arena)
{
    struct cache_control control;
    const bool targeted =
        cache_control_read_targeted(&response->fields, arena, &control) == RESULT_OK;
    const int64_t ttl = freshness->lifetime_us;

    if (!targeted)
        cache_control_read(&response->fields, &control);
    int64_t said = microseconds(control.s_maxage_s);
    if (said == FRESHNESS_NOT_SAID)
        said = microseconds(control.max_age_s);
    if (said == FRESHNESS_NOT_SAID && !targeted) /* RFC 9213 §2.2 */
        said = expires_lifetime_us(&response->fields, date_s,
                                   times->response_wall_us / CLOCK_SECOND_US);
    freshness->lifetime_us = said == FRESHNESS_NOT_SAID ? ttl : said;
    freshness->may_store =
        (said != FRESHNESS_NOT_SAID || ttl > 0) && !response_forbids(response, &control);
    judge_staleness(freshness, &control);
}

struct freshness freshness_of_response(const struct response *response,
                                       const struct freshness_times *times,
                                       const struct cache_rule *rule,
                                       const struct freshness_fallback *fallback,
                                       struct arena *arena)
{
    const int64_t date_s = date_of(&response->fields, times->response_wall_us);
    struct freshness freshness = {
        .lifetime_us = ttl_us(response->status, rule, fallback),
        .initial_age_us = initial_age_us(&response->fields, date_s, times),
        .stale_while_revalidate_us = FRESHNESS_NOT_SAID,
        .stale_if_error_us = FRESHNESS_NOT_SAID,
    };

    if (is_never_stored(response) || (rule != NULL && !rule->store))
        return freshness;
    if (rule != NULL && rule->override && status_takes_ttl(response->status)) {
        freshness.may_store = freshness.lifetime_us > 0;
        freshness.drops_cookies = fields_find(&response->fields, BYTES("Set-Cookie")) != NULL;
        return freshness;
    }
    judge_by_response(&freshness, response, times, date_s, arena);
    return freshness;
}

struct freshness_wishes freshness_of_request(const struct fields *request_fields)
{
    struct cache_control control;

    cache_control_read(request_fields, &control);
    const bool pragma = !control.is_present && /* RFC 9111 §5.4 */
                        fields_list_has(request_fields, BYTES("Pragma"), BYTES("no-cache"));
    return (struct freshness_wishes){
        .wants_fresh = control.no_cache || control.max_age_s == 0 || pragma,
        .no_store = control.no_store,
        .only_if_cached = control.only_if_cached,
        .max_age_us = microseconds(control.max_age_s),
        .min_fresh_us = control.min_fresh_s > 0 ? microseconds(control.min_fresh_s) : 0,
        .max_stale_us = control.max_stale_s > 0 ? microseconds(control.max_stale_s) : 0,
    };
}

bool wishes_are_served(const struct freshness_wishes *wishes, int64_t lifetime_us, int64_t age_us,
                       bool may_be_stale)
{
    const int64_t left_us = lifetime_us - age_us;

    if (wishes->wants_fresh ||
        (wishes->max_age_us != FRESHNESS_NOT_SAID && age_us > wishes->max_age_us))
        return false;
    if (wishes->min_fresh_us > 0)
        return left_us >= wishes->min_fresh_us;
    return left_us > 0 ||
           (may_be_stale && wishes->max_stale_us > 0 && left_us >= -wishes->max_stale_us);
}

bool wishes_allow_stale(const struct freshness_wishes *wishes)
{
    return !wishes->wants_fresh && wishes->max_age_us == FRESHNESS_NOT_SAID &&
           wishes->min_fresh_us == 0;
}
