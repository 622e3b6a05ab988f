/* How calls end: paused, cancelled anywhere, waiting for the budget, out of time. */
#include "upstream/calls.h"

/* --- pausing --- */

static void nothing_comes_while_it_is_paused(void **state)
{
    struct call call = {.pauses = true};
    const struct fetch_request request = request_of("GET", "/big");
    const int64_t deadline_us = clock_now_us() + WAIT_US;
    unsigned pauses = 0;

    (void)state;
    call_begin(&call, &request);
    while (call.fetch != NULL && clock_now_us() < deadline_us) {
        turn();
        if (!call.paused)
            continue;
        turn();
        call.paused = false;
        pauses++;
        if (call.fetch != NULL) /* the end may come after the last part, paused or not */
            fetch_resume(call.fetch);
    }
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_false(call.spoke_while_paused);
    assert_int_equal(call.body.length, BIG_BYTES);
    assert_true(pauses > 10);
    call_finish(&call);
}

/* --- cancelling --- */

static void a_call_may_be_cancelled_anywhere(void **state)
{
    static char body[5000];

    (void)state;
    for (enum place place = PLACE_BEGUN; place <= PLACE_END; place++) {
        struct call call = {.cancels_at = place, .upload = bytes_of(body, sizeof(body))};
        struct fetch_request request = request_of(place == PLACE_UPLOAD ? "POST" : "GET",
                                                  place == PLACE_BODY ? "/big" : "/echo");

        if (place == PLACE_UPLOAD)
            request.body_bytes = sizeof(body);
        call_begin(&call, &request);
        call_await(&call);
        assert_int_equal(call.ends, place == PLACE_END);
        for (int i = 0; i < 5; i++)
            turn();
        assert_int_equal(fetcher_count(fetcher), 0);
        call_finish(&call);
    }
    struct call call = get("GET", "/ok"); /* the loop is whole */
    assert_int_equal(call.end.outcome, FETCH_DONE);
    call_finish(&call);
}

static void a_call_may_be_cancelled_from_outside(void **state)
{
    const struct fetch_request request = request_of("GET", "/hang");

    (void)state;
    for (int turns = 0; turns < 4; turns++) {
        struct call call = {0};

        call_begin(&call, &request);
        for (int i = 0; i < turns * 2; i++)
            turn();
        fetch_cancel(call.fetch);
        for (int i = 0; i < 5; i++)
            turn();
        assert_int_equal(call.ends, 0);
        call_finish(&call);
    }
}

static void one_call_may_cancel_another(void **state)
{
    (void)state;
    for (enum place place = PLACE_BEGUN; place <= PLACE_END; place++) {
        struct call victim = {0};
        struct call call = {.cancels_at = place, .cancels = &victim};
        const struct fetch_request hang = request_of("GET", "/hang"), ok = request_of("GET", "/ok");

        if (place == PLACE_UPLOAD)
            continue;
        call_begin(&victim, &hang);
        turn();
        call_begin(&call, &ok);
        call_await(&call);
        assert_int_equal(call.end.outcome, FETCH_DONE);
        for (int i = 0; i < 5; i++)
            turn();
        assert_null(victim.fetch);
        assert_int_equal(victim.ends, 0);
        call_finish(&victim);
        call_finish(&call);
    }
}

static void destroying_the_fetcher_ends_calls_without_a_word(void **state)
{
    struct call call = {0}, queued = {0};
    const struct fetch_request request = request_of("GET", "/hang");

    (void)state;
    budget_limit(upstream.budget, 1);
    call_begin(&call, &request);
    call_begin(&queued, &request);
    for (int i = 0; i < 5; i++)
        turn();
    fetcher_destroy(fetcher);
    turn(); /* the letter that let the second one in */
    assert_int_equal(call.ends + queued.ends, 0);
    assert_counts(upstream.budget, 0, 0);
    assert_int_equal(fetcher_create(base, mailbox, &fetcher), RESULT_OK);
    call_finish(&call);
    call_finish(&queued);
}

/* --- the budget --- */

static void a_call_waits_for_its_turn(void **state)
{
    struct call first = {0}, second = {0};
    const struct fetch_request hang = request_of("GET", "/hang"), ok = request_of("GET", "/ok");

    (void)state;
    budget_limit(upstream.budget, 1);
    call_begin(&first, &hang);
    call_begin(&second, &ok);
    for (int i = 0; i < 10; i++)
        turn();
    assert_int_equal(second.begun, 0);
    assert_counts(upstream.budget, 1, 1);
    fetch_cancel(first.fetch);
    call_await(&second);
    assert_int_equal(second.end.outcome, FETCH_DONE);
    assert_counts(upstream.budget, 0, 0);
    call_finish(&first);
    call_finish(&second);
}

static void a_call_that_waits_too_long_is_refused(void **state)
{
    struct call first = {0}, second = {0};
    const struct fetch_request hang = request_of("GET", "/hang"), ok = request_of("GET", "/ok");

    (void)state;
    budget_limit(upstream.budget, 1);
    config.queue_timeout_us = 100 * 1000;
    call_begin(&first, &hang);
    call_begin(&second, &ok);
    call_await(&second);
    assert_int_equal(second.end.outcome, FETCH_REFUSED);
    assert_false(second.end.sent);
    assert_int_equal(second.begun, 0);
    assert_int_equal(origin_count(&origin, "GET /ok"), 0);
    fetch_cancel(first.fetch);
    call_finish(&first);
    call_finish(&second);
}

/* The letter that admits it is on its way. */
static void a_call_that_leaves_as_it_is_admitted_gives_its_place_back(void **state)
{
    struct call first = {0}, second = {0}, third = {0};
    const struct fetch_request hang = request_of("GET", "/hang"), ok = request_of("GET", "/ok");

    (void)state;
    budget_limit(upstream.budget, 1);
    call_begin(&first, &hang);
    call_begin(&second, &hang);
    call_begin(&third, &ok);
    turn();
    fetch_cancel(first.fetch);  /* admits the second */
    fetch_cancel(second.fetch); /* before it hears of it */
    call_await(&third);
    assert_int_equal(third.end.outcome, FETCH_DONE);
    assert_counts(upstream.budget, 0, 0);
    call_finish(&first);
    call_finish(&second);
    call_finish(&third);
}

/* --- time --- */

static void an_answer_that_does_not_come_in_time_is_told(void **state)
{
    (void)state;
    config.total_timeout_us = 200 * 1000;
    struct call call = get("GET", "/hang");
    assert_int_equal(call.end.outcome, FETCH_TIMED_OUT);
    assert_true(call.end.sent);
    assert_true(call.end.timed_out);
    call_finish(&call);
}

/* 500 ms in all, never 300 ms without a byte. */
static void a_stream_has_as_long_as_it_makes_progress(void **state)
{
    struct call call = {0};
    struct fetch_request request = request_of("GET", "/drip");

    (void)state;
    config.total_timeout_us = 300 * 1000;
    struct call whole = get("GET", "/drip");
    assert_int_equal(whole.end.outcome, FETCH_TIMED_OUT);
    call_finish(&whole);
    config.total_timeout_us = 5 * CLOCK_SECOND_US; /* ten times the pause between two bytes */
    request.streams = true;
    call_begin(&call, &request);
    call_await(&call);
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_int_equal(call.body.length, DRIPS);
    call_finish(&call);
}

static void the_clock_stands_still_while_the_client_pauses(void **state)
{
    struct call call = {.pauses = true};
    const struct fetch_request request = request_of("GET", "/big");

    (void)state;
    config.total_timeout_us = CLOCK_SECOND_US;
    call_begin(&call, &request);
    while (!call.paused)
        turn();
    const int64_t until_us = clock_now_us() + 3 * CLOCK_SECOND_US / 2;
    while (clock_now_us() < until_us)
        turn();
    assert_int_equal(call.ends, 0);
    fetch_cancel(call.fetch);
    call_finish(&call);
}

static void an_upstream_that_is_not_there_was_not_sent_anything(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(at);
    const int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, and nobody listens */

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(at.sin_port));
    struct call call = get("POST", "/ok");
    assert_int_equal(call.end.outcome, FETCH_NOT_SENT);
    assert_false(call.end.sent);
    assert_int_equal(call.begun, 0);
    assert_int_equal(call.end.elapsed_us, 0);
    call_finish(&call);
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(nothing_comes_while_it_is_paused),
        WITH_WORLD(a_call_may_be_cancelled_anywhere),
        WITH_WORLD(a_call_may_be_cancelled_from_outside),
        WITH_WORLD(one_call_may_cancel_another),
        WITH_WORLD(destroying_the_fetcher_ends_calls_without_a_word),
        WITH_WORLD(a_call_waits_for_its_turn),
        WITH_WORLD(a_call_that_waits_too_long_is_refused),
        WITH_WORLD(a_call_that_leaves_as_it_is_admitted_gives_its_place_back),
        WITH_WORLD(an_answer_that_does_not_come_in_time_is_told),
        WITH_WORLD(a_stream_has_as_long_as_it_makes_progress),
        WITH_WORLD(the_clock_stands_still_while_the_client_pauses),
        WITH_WORLD(an_upstream_that_is_not_there_was_not_sent_anything),
    };

    if (fetch_prepare() != RESULT_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
