/*
 * Cache-Control and CDN-Cache-Control on two lines each: seconds stay in their range, one more line
 * never makes an answer fresh for longer, and what is judged of it stays in range as well.
 */
#include <stdlib.h>

#include "cache/freshness.h"
#include "http/cache_control.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check(const struct cache_control *control)
{
    const int64_t seconds[] = {control->max_age_s,   control->s_maxage_s,
                               control->min_fresh_s, control->stale_while_revalidate_s,
                               control->max_stale_s, control->stale_if_error_s};

    for (size_t i = 0; i < ARRAY_LENGTH(seconds); i++)
        require(seconds[i] >= -1 && seconds[i] <= CACHE_CONTROL_MAXIMUM_S);
}

static void check_judgement(const struct fields *fields, struct arena *arena)
{
    const struct freshness_times times = {0, 1000000};
    const struct freshness_fallback fallback = {.ttl_us = 1000000, .negative_ttl_us = 0};
    const struct response response = {.status = 200, .fields = *fields};
    const struct freshness freshness =
        freshness_of_response(&response, &times, NULL, &fallback, arena);
    const struct freshness_wishes wishes = freshness_of_request(fields);

    require(freshness.lifetime_us >= 0 && freshness.initial_age_us >= 0);
    require(!(wishes.wants_fresh &&
              wishes_are_served(&wishes, freshness.lifetime_us, freshness.initial_age_us, true)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes second = bytes_of(data, size);
    const struct bytes first = bytes_cut(&second, '\n');
    struct fields fields = {0};
    struct cache_control one, both, targeted;
    struct arena arena;

    arena_init(&arena, 4096);
    fields_add(&fields, &arena, BYTES("Cache-Control"), first);
    cache_control_read(&fields, &one);
    fields_add(&fields, &arena, BYTES("Cache-Control"), second);
    cache_control_read(&fields, &both);
    check(&one);
    check(&both);
    require(one.max_age_s == -1 || both.max_age_s <= one.max_age_s);
    require(both.no_store || !one.no_store);
    check_judgement(&fields, &arena);
    fields_add(&fields, &arena, BYTES("CDN-Cache-Control"), first);
    fields_add(&fields, &arena, BYTES("CDN-Cache-Control"), second);
    if (cache_control_read_targeted(&fields, &arena, &targeted) == RESULT_OK)
        check(&targeted);
    fields_add(&fields, &arena, BYTES("Age"), first);
    fields_add(&fields, &arena, BYTES("Expires"), second);
    fields_add(&fields, &arena, BYTES("Date"), first);
    check_judgement(&fields, &arena);
    arena_finish(&arena);
    return 0;
}
