"""The upstream's budget: how many calls it gets, whose is next, and when it is left alone. Before an upstream
that writes down when each call came."""

import datetime
import hashlib
import threading
import time
import zoneinfo

import pytest

from gate import WAIT, RawUpstream, is_hit, reply, request, until
from test_collapse import reset, wait_until_read

KEYS = {"app": "key-of-app", "other": "key-of-other", "night": "key-of-night"}
HOT = "/hot/1"
PROBLEM = "application/problem+json"


def make(make_gate, upstream, clients=None, workers=2, **members):
    """A gate before `upstream` that does nothing about failures but what `members` say."""
    overrides = {"workers": workers,
                 "upstreams": {"copernica": {"preset": None, "inject": {"query": "access_token"}, **members}}}
    if clients is not None:
        overrides["clients"] = [{"name": name, "key_sha256": hashlib.sha256(KEYS[name].encode()).hexdigest(),
                                 **members} for name, members in clients.items()]
    return make_gate(upstream, **overrides)


def send(gate, method, path, client=None, *fields, body=b""):
    """A connection with one request on its way."""
    if client is not None:
        fields = (f"X-Api-Key: {KEYS[client]}", *fields)
    return gate.wire().send(request(method, path, *fields, body=body or (b"{}" if method == "PUT" else b"")))


def budget(gate):
    return gate.status()["upstreams"][0]


def wait_until_queued(gate, count):
    until(lambda: budget(gate)["queued"] == count, f"{count} in the queue")


def warm(gate):
    gate.warm(HOT)


def hits_go_on(gate):
    for _ in range(3):
        assert is_hit(gate.get(HOT))


def refused(answer, status=429):
    """The seconds after which a refusal of the gate's says to come again."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, PROBLEM), answer.text
    assert answer.json()["status"] == status
    return int(answer.headers["Retry-After"])


class Turnstile:
    """A script that lets calls through one by one, and tells in which order they came."""

    def __init__(self):
        self.order = []
        self.permits = threading.Semaphore(0)

    def __call__(self, call):
        call.body
        self.order.append((call.method, call.path))
        deadline = time.monotonic() + WAIT
        while not self.permits.acquire(timeout=0.05) and not call.upstream.stopping:
            assert time.monotonic() < deadline
        call.reply()

    def let(self, count=1):
        self.permits.release(count)

    def paths(self, count):
        """The first so many, letting all through that come before."""
        until(lambda: len(self.order) >= 1, "the first call")
        while len(self.order) < count:
            come = len(self.order)
            self.let()
            until(lambda: len(self.order) > come, "the next call")
        return [path for _, path in self.order[:count]]


@pytest.fixture
def turnstile(raw_upstream):
    script = Turnstile()
    raw_upstream.on("*", script)
    try:
        yield script
    finally:
        script.let(10000)


class Timed:
    """A script that answers at once and notes when each call came."""

    def __init__(self, answer=reply()):
        self.answer = answer
        self.times = []

    def __call__(self, call):
        self.times.append(time.monotonic())
        call.body
        call.send(self.answer)


class InTurn:
    """A script with one answer after the other; the last one for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, call):
        call.body
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer(call)
        else:
            call.send(answer)


# --- how many ---


def test_no_more_calls_at_a_time_than_allowed(make_gate, raw_upstream, turnstile):
    gate = make(make_gate, raw_upstream, budget={"concurrency": 3, "write_share": 0})
    wires = [send(gate, "GET", f"/a/{i}") for i in range(8)]
    wait_until_queued(gate, 5)
    until(lambda: len(turnstile.order) == 3, "three calls")
    assert budget(gate)["under_way"] == 3
    for done in range(1, 6):
        turnstile.let()
        until(lambda: len(turnstile.order) == 3 + done, "the next call")
        wait_until_queued(gate, 5 - done)
        assert len(turnstile.order) == 3 + done
    turnstile.let(3)
    assert [wire.answer().status for wire in wires] == [200] * 8


def test_the_last_places_are_for_writes(make_gate, raw_upstream, turnstile):
    gate = make(make_gate, raw_upstream, budget={"concurrency": 5, "write_share": 0.2})
    reads = [send(gate, "GET", f"/a/{i}") for i in range(6)]
    wait_until_queued(gate, 2)
    write = send(gate, "PUT", "/b/1")
    until(lambda: ("PUT", "/b/1") in turnstile.order, "the write")
    assert len(turnstile.order) == 5
    turnstile.let(7)
    assert [wire.answer().status for wire in [*reads, write]] == [200] * 7


def test_a_second_has_no_more_than_rate_and_burst(make_gate, raw_upstream):
    """In any time t at most burst + rate * t, and that within a slack for how late a busy machine sees calls."""
    script, rate, burst, slack_s = Timed(), 20, 5, 0.5
    raw_upstream.on("*", script)
    gate = make(make_gate, raw_upstream, budget={"per_second": rate, "burst": burst})
    wires = [send(gate, "GET", f"/a/{i}") for i in range(60)]
    assert [wire.answer().status for wire in wires] == [200] * 60
    times = sorted(script.times)
    for first in range(len(times)):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + rate * (times[last] - times[first] + slack_s)
    assert times[-1] - times[0] >= (60 - burst) / rate - slack_s


def test_writes_have_their_share_of_a_second(make_gate, raw_upstream):
    order = []

    def note(call):
        order.append(call.method)
        call.body
        call.reply()

    raw_upstream.on("*", note)
    gate = make(make_gate, raw_upstream, budget={"per_second": 20, "burst": 1, "write_share": 0.5},
                timeouts={"queue": "60s"})
    reads = [send(gate, "GET", f"/a/{i}") for i in range(40)]
    until(lambda: budget(gate)["queued"] >= 25, "the queue")
    writes = [send(gate, "PUT", f"/b/{i}") for i in range(8)]
    assert [wire.answer().status for wire in [*writes, *reads]] == [200] * 48
    last_write = max(i for i, method in enumerate(order) if method == "PUT")
    assert order[last_write:].count("GET") >= 4  # in the order of their coming it would be 0


def noon_zone():
    """A zone where it is about noon: no test's day ends within it."""
    hour = datetime.datetime.now(datetime.timezone.utc).hour
    return f"Etc/GMT{hour - 12:+d}" if hour != 12 else "UTC"


def seconds_to_midnight(zone):
    now = datetime.datetime.now(zoneinfo.ZoneInfo(zone))
    tomorrow = (now + datetime.timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (tomorrow - now).total_seconds()


def test_a_days_calls_are_counted_over_restarts_and_kills(make_gate, raw_upstream):
    zone = noon_zone()
    gate = make(make_gate, raw_upstream,
                budget={"per_day": 10, "write_share": 0.2, "time_zone": zone})
    warm(gate)
    for i in range(4):
        assert gate.get(f"/a/{i}").status_code == 200
    gate.restart()
    assert gate.get("/a/4").status_code == 200
    gate.kill()
    gate.start()
    for i in range(5, 7):
        assert gate.get(f"/a/{i}").status_code == 200
    wait_s = refused(gate.get("/a/7"))  # eight reads: the rest is for writes
    assert abs(wait_s - seconds_to_midnight(zone)) < 60 + WAIT
    hits_go_on(gate)
    for i in range(2):
        assert gate.put(f"/b/{i}", json={}).status_code == 200
    refused(gate.put("/b/2", json={}))
    gate.restart()
    refused(gate.put("/b/3", json={}))
    refused(gate.get("/a/8"))
    assert len(raw_upstream.calls) == 10
    gate.change(upstreams={"copernica": {"budget": {"per_day": 12}}})
    gate.hup()
    assert gate.put("/b/4", json={}).status_code == 200


def test_a_day_ends_at_the_upstreams_midnight(make_gate, raw_upstream):
    waits = []
    for zone in ("Asia/Tokyo", "America/New_York"):
        gate = make(make_gate, raw_upstream, budget={"per_day": 1, "write_share": 0, "time_zone": zone})
        assert gate.get("/a/1").status_code == 200
        expected, told = seconds_to_midnight(zone), refused(gate.get("/a/2"))
        if expected < WAIT:  # the day may have ended meanwhile
            pytest.skip("it is midnight there")
        waits.append(told - expected)
    assert all(abs(difference) < WAIT for difference in waits)


@pytest.mark.parametrize("fields", [
    ['RateLimit: "default";r=2;t=3000'],
    ['RateLimit: "day";r=500;t=80000, "hour";r=2;t=3000'],
    ["RateLimit: limit=100, remaining=2, reset=3000"],
    ["RateLimit-Remaining: 2", "RateLimit-Reset: 3000"],
    ["X-RateLimit-Remaining: 2", "X-RateLimit-Reset: %d" % (time.time() + 3000)],
], ids=lambda fields: fields[0])
def test_what_the_upstream_says_is_left_is_left(make_gate, raw_upstream, fields):
    script = InTurn(reply(), reply(fields=fields), reply())
    raw_upstream.on("*", script)
    gate = make(make_gate, raw_upstream, budget={"write_share": 0})
    warm(gate)
    for i in range(3):
        assert gate.get(f"/a/{i}").status_code == 200
    assert 0 < refused(gate.get("/a/3")) <= 3001
    refused(gate.put("/b/1", json={}))
    assert len(raw_upstream.calls) == 4
    hits_go_on(gate)


# --- whose call is next ---


def test_one_with_many_calls_waiting_keeps_no_other_waiting(make_gate, raw_upstream, turnstile):
    gate = make(make_gate, raw_upstream, {"app": {}, "other": {}}, budget={"concurrency": 1, "write_share": 0})
    wires = [send(gate, "GET", f"/greedy/{i}", "app") for i in range(12)]
    wait_until_queued(gate, 11)
    wires.append(send(gate, "GET", "/polite/1", "other"))
    wait_until_queued(gate, 12)
    assert "/polite/1" in turnstile.paths(3)  # the first one was under way before
    turnstile.let(13)
    assert [wire.answer().status for wire in wires] == [200] * 13


def test_turns_are_by_weight(make_gate, raw_upstream, turnstile):
    gate = make(make_gate, raw_upstream, {"app": {"weight": 3}, "other": {"weight": 1}},
                budget={"concurrency": 1, "write_share": 0})
    wires = [send(gate, "GET", "/first/1", "other")]
    until(lambda: turnstile.order, "the first call")
    wires += [send(gate, "GET", f"/{name}/{i}", name) for i in range(12) for name in ("app", "other")]
    wait_until_queued(gate, 24)
    taken = turnstile.paths(13)[1:]
    assert sum(path.startswith("/app/") for path in taken) in (8, 9, 10)
    turnstile.let(25)
    assert [wire.answer().status for wire in wires] == [200] * 25


def test_interactive_calls_go_first_and_batch_gets_one_in_ten(make_gate, raw_upstream, turnstile):
    gate = make(make_gate, raw_upstream, {"app": {}, "night": {"priority": "batch"}},
                budget={"concurrency": 1, "write_share": 0})
    wires = [send(gate, "GET", "/first/1", "app")]
    until(lambda: turnstile.order, "the first call")
    wires += [send(gate, "GET", f"/night/{i}", "night") for i in range(6)]
    wait_until_queued(gate, 6)
    wires += [send(gate, "GET", f"/app/{i}", "app") for i in range(20)]
    wait_until_queued(gate, 26)
    taken = turnstile.paths(27)[1:]
    assert not any(path.startswith("/night/") for path in taken[:8])
    assert sum(path.startswith("/night/") for path in taken[:20]) == 2
    assert all(path.startswith("/night/") for path in taken[-4:])
    turnstile.let(27)
    assert [wire.answer().status for wire in wires] == [200] * 27


def test_a_flight_takes_its_waiters_highest_class(make_gate, raw_upstream, turnstile):
    gate = make(make_gate, raw_upstream, {"app": {}, "night": {"priority": "batch"}}, workers=1,
                budget={"concurrency": 1, "write_share": 0})
    wires = [send(gate, "GET", "/first/1", "app")]
    until(lambda: turnstile.order, "the first call")
    for i in range(5):
        wires.append(send(gate, "GET", f"/night/{i}", "night"))
        wait_until_queued(gate, i + 1)
    wires.append(send(gate, "GET", "/night/4", "app"))
    wait_until_read(wires[-1:])
    for _ in range(2):  # the worker has done what it had to do before it answers these
        gate.get("/_postern/nothing", headers={"X-Api-Key": "none"})
    assert budget(gate)["queued"] == 5
    assert turnstile.paths(2)[1] == "/night/4"
    turnstile.let(6)
    assert [wire.answer().status for wire in wires] == [200] * 7
    assert len(turnstile.order) == 6


# --- patience, and leaving ---


def test_nobody_waits_longer_than_it_would(make_gate, raw_upstream, turnstile):
    gate = make(make_gate, raw_upstream, budget={"concurrency": 1, "write_share": 0},
                timeouts={"queue": f"{WAIT}s"})
    first, patient = send(gate, "GET", "/a/1"), None
    until(lambda: turnstile.order, "the first call")
    patient = send(gate, "GET", "/a/2")
    wait_until_queued(gate, 1)
    refused(gate.get("/a/3", headers={"Prefer": "wait=1"}))
    assert budget(gate)["queued"] == 1
    turnstile.let(2)
    assert (first.answer().status, patient.answer().status) == (200, 200)
    assert [path for _, path in turnstile.order] == ["/a/1", "/a/2"]


def test_the_queues_time_out_bounds_everybodys_patience(make_gate, raw_upstream, turnstile):
    gate = make(make_gate, raw_upstream, budget={"concurrency": 1, "write_share": 0}, timeouts={"queue": "1s"})
    first = send(gate, "GET", "/a/1")
    until(lambda: turnstile.order, "the first call")
    refused(gate.get("/a/2"))
    refused(gate.put("/a/3", json={}, headers={"Prefer": "wait=3000"}))
    turnstile.let()
    assert first.answer().status == 200
    assert len(turnstile.order) == 1


def test_a_turn_that_would_come_too_late_is_refused_at_once(make_gate, raw_upstream):
    """One call in 100 seconds: the second could not be sent before this test's waits are over."""
    gate = make(make_gate, raw_upstream, budget={"per_second": 0.01, "burst": 1}, timeouts={"queue": "150s"})
    warm(gate)
    waiting = send(gate, "GET", "/a/1")
    wait_until_queued(gate, 1)
    assert 100 < refused(gate.get("/a/2")) <= 200
    assert 40 < refused(gate.get("/a/3", headers={"Prefer": "wait=20"})) <= 200
    assert budget(gate)["queued"] == 1
    hits_go_on(gate)
    reset(waiting)
    wait_until_queued(gate, 0)


def test_the_queue_of_one_client_is_bounded(make_gate, raw_upstream, turnstile):
    gate = make(make_gate, raw_upstream, {"app": {}, "other": {}}, budget={"concurrency": 1, "write_share": 0},
                timeouts={"queue": f"{WAIT}s"})
    wires = [send(gate, "GET", "/a/0", "app")]
    until(lambda: turnstile.order, "the first call")
    wires += [send(gate, "GET", f"/a/{i}", "app") for i in range(1, 401)]
    wait_until_queued(gate, 400)
    for wire in wires[300:]:
        reset(wire)
    wait_until_queued(gate, 299)
    polite = send(gate, "GET", "/b/1", "other")
    wait_until_queued(gate, 300)
    assert "/b/1" in turnstile.paths(3)
    turnstile.let(400)
    assert polite.answer().status == 200
    assert {wire.answer().status for wire in wires[:300]} == {200}


def test_who_has_left_is_not_called_for(make_gate, raw_upstream, turnstile):
    gate = make(make_gate, raw_upstream, budget={"concurrency": 1, "write_share": 0})
    first = send(gate, "GET", "/a/1")
    until(lambda: turnstile.order, "the first call")
    leaving = [send(gate, "GET", "/left/1"), send(gate, "GET", "/left/2"), send(gate, "DELETE", "/left/3")]
    wait_until_queued(gate, 3)
    last = send(gate, "GET", "/a/2")
    wait_until_queued(gate, 4)
    for wire in leaving:
        reset(wire)
    wait_until_queued(gate, 1)
    until(lambda: gate.metric("postern_intents") == 0, "the end of a write that was never sent")
    turnstile.let(2)
    assert (first.answer().status, last.answer().status) == (200, 200)
    assert [path for _, path in turnstile.order] == ["/a/1", "/a/2"]


def test_hup_lets_more_through(make_gate, raw_upstream, turnstile):
    gate = make(make_gate, raw_upstream, budget={"concurrency": 1, "write_share": 0})
    wires = [send(gate, "GET", f"/a/{i}") for i in range(4)]
    wait_until_queued(gate, 3)
    gate.change(upstreams={"copernica": {"budget": {"concurrency": 3}}})
    gate.hup()
    until(lambda: len(turnstile.order) == 3, "two more calls")
    wait_until_queued(gate, 1)
    turnstile.let(4)
    assert [wire.answer().status for wire in wires] == [200] * 4


# --- pauses ---


def overload(status=429, *fields, body=b"{}"):
    return reply(body, status, fields)


def test_429_pauses_the_account_for_as_long_as_it_says(make_gate, raw_upstream):
    raw_upstream.on("/a/1", overload(429, "Retry-After: 3000"))
    gate = make(make_gate, raw_upstream, pause_max="1h")
    warm(gate)
    answer = gate.get("/a/1")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3000")  # the upstream's own
    calls = len(raw_upstream.calls)
    for method, path in (("GET", "/a/2"), ("GET", "/other/1"), ("PUT", "/other/2"), ("DELETE", "/a/1")):
        assert 3000 - WAIT < refused(gate.ask(method, path)) <= 3000
    assert len(raw_upstream.calls) == calls
    hits_go_on(gate)


def test_a_pause_refuses_those_who_wait_already(make_gate, raw_upstream):
    go = threading.Event()

    def hold(call):
        call.body
        call.hold(go)
        call.send(overload(429, "Retry-After: 3000"))

    raw_upstream.on("/a/1", hold)
    gate = make(make_gate, raw_upstream, pause_max="1h", budget={"concurrency": 1, "write_share": 0})
    first = send(gate, "GET", "/a/1")
    raw_upstream.wait_for("/a/1")
    waiting = [send(gate, "GET", "/b/1"), send(gate, "PUT", "/b/2")]
    wait_until_queued(gate, 2)
    go.set()
    assert first.answer().status == 429
    for wire in waiting:
        answer = wire.answer()
        assert (answer.status, answer.field("Content-Type")) == (429, PROBLEM)
        assert 3000 - WAIT < int(answer.field("Retry-After")) <= 3000
    assert len(raw_upstream.calls) == 1


@pytest.mark.parametrize("said", ["in seconds", "by date", "by a rate limit field"])
def test_how_long_may_be_said_in_several_ways(make_gate, raw_upstream, said):
    until_s = time.time() + 3000
    date = datetime.datetime.fromtimestamp(until_s, datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    field = {"in seconds": "Retry-After: 3000", "by date": f"Retry-After: {date}",
             "by a rate limit field": 'RateLimit: "default";r=0;t=3000'}[said]
    raw_upstream.on("/a/1", overload(429, field))
    gate = make(make_gate, raw_upstream, pause_max="1h")
    assert gate.get("/a/1").status_code == 429
    assert 3000 - WAIT - 60 < refused(gate.get("/b/1")) <= 3001
    assert raw_upstream.calls_of("/b/1") == []


def test_503_without_a_time_pauses_its_template(make_gate, raw_upstream):
    raw_upstream.on("/a/1", InTurn(overload(503), reply()))
    gate = make(make_gate, raw_upstream, pause_max="1h")
    assert gate.get("/a/1").status_code == 503
    assert gate.get("/b/1").status_code == 200
    until(lambda: gate.get("/a/2").status_code == 200, "the end of the pause")
    assert len(raw_upstream.calls_of("/a/1")) == 1


def test_a_template_whose_probes_fail_is_left_alone_for_longer(make_gate, raw_upstream):
    times = []

    def fail(call):
        times.append(time.monotonic())
        call.body
        call.send(overload(503))

    for i in range(1000):
        raw_upstream.on(f"/a/{i}", fail)
    gate = make(make_gate, raw_upstream, pause_max="1h")
    numbers = iter(range(1000))

    def asked():
        gate.get(f"/a/{next(numbers)}")
        time.sleep(0.05)
        return len(times) == 3

    until(asked, "the second probe")
    assert gate.get("/b/1").status_code == 200
    assert times[1] - times[0] >= 0.9 and times[2] - times[1] >= 1.9  # no sooner; how late is the machine's


def test_two_templates_pause_the_account(make_gate, raw_upstream):
    raw_upstream.on("/a/1", overload(503)).on("/b/1", overload(503))
    for i in range(1000):
        raw_upstream.on(f"/c/{i}", reply())
    gate = make(make_gate, raw_upstream, pause_max="1h")
    warm(gate)
    wires = [send(gate, "GET", "/a/1"), send(gate, "GET", "/b/1")]
    assert [wire.answer().status for wire in wires] == [503, 503]
    answer = gate.get("/c/1")  # within the second, or so late that the pause is over
    assert answer.status_code == 200 or refused(answer) == 1
    hits_go_on(gate)
    assert gate.metric("postern_refusals_total", reason="paused") >= (answer.status_code == 429)
    until(lambda: gate.get("/c/2").status_code == 200, "the end of the pause")


def test_an_overload_page_of_the_preset_pauses_too(make_gate, raw_upstream):
    page = b"<html><body><h1>Loadbalancer Error</h1></body></html>"
    raw_upstream.on("/profile/1", overload(504, "Retry-After: 3000", body=page))
    raw_upstream.on("/profile/2", overload(504, "Retry-After: 3000", body=b"<h1>Gateway Timeout</h1>"))
    gate = make_gate(raw_upstream, upstreams={"copernica": {"pause_max": "1h"}})
    gate.warm("/profile/9")
    assert gate.get("/profile/2").status_code == 504  # is no overload
    assert gate.get("/profile/3").status_code == 200
    assert gate.get("/profile/1").status_code == 504
    refused(gate.get("/profile/4"))
    refused(gate.put("/profile/4/fields", json={"a": "b"}))
    assert is_hit(gate.get("/profile/9"))


def test_pauses_are_clamped_and_end_with_one_probe(make_gate, raw_upstream):
    go = threading.Event()
    probes = []

    def hold(call):
        probes.append(call.path)
        call.body
        call.hold(go)
        call.reply()

    raw_upstream.on("/first/1", overload(429, "Retry-After: 86400"))
    gate = make(make_gate, raw_upstream, pause_max="1s")
    warm(gate)
    raw_upstream.on("*", hold)
    assert gate.get("/first/1").status_code == 429
    wires = []

    def probed():
        wires.append(send(gate, "GET", f"/a/{len(wires)}"))
        time.sleep(0.05)
        return probes

    until(probed, "the probe")
    for i in range(20):  # none of these goes as long as nobody knows
        refused(gate.get(f"/b/{i}"))
        refused(gate.put(f"/c/{i}", json={}))
    assert len(probes) == 1
    hits_go_on(gate)
    go.set()
    until(lambda: gate.get("/d/1").status_code == 200, "the end of the pause")
    statuses = [wire.answer().status for wire in wires]
    assert statuses.count(200) == 1 and set(statuses) <= {200, 429}


def test_a_probe_that_leaves_is_followed_by_another(make_gate, raw_upstream):
    go = threading.Event()
    probes = []

    def hold(call):
        probes.append(call.path)
        call.body
        call.hold(go)
        call.reply()

    raw_upstream.on("/first/1", overload(429, "Retry-After: 1"))
    gate = make(make_gate, raw_upstream, pause_max="1h", workers=1)
    raw_upstream.on("*", hold)
    assert gate.get("/first/1").status_code == 429
    for number in (1, 2):
        wires = []

        def probed():
            wires.append(send(gate, "GET", f"/a/{number}"))
            time.sleep(0.05)
            return len(probes) == number

        until(probed, "the probe")
        if number == 1:
            for wire in wires:
                reset(wire)
            until(lambda: budget(gate)["under_way"] == 0, "the probe's leaving")
    go.set()
    until(lambda: gate.get("/b/1").status_code == 200, "the end of the pause")


def test_pause_max_zero_switches_pauses_off(make_gate, raw_upstream):
    raw_upstream.on("/a/1", overload(429, "Retry-After: 3000")).on("/b/1", overload(503))
    gate = make(make_gate, raw_upstream, pause_max="0s")
    for path, status in (("/a/1", 429), ("/b/1", 503), ("/a/2", 200), ("/b/2", 200), ("/a/1", 429)):
        assert gate.get(path).status_code == status
    assert len(raw_upstream.calls) == 5


# --- retries ---


def broken(call):
    """No answer: the connection closes once the request is read."""
    call.body
    call.close()


def cut(call):
    """An answer that ends too soon."""
    call.body
    call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
    call.close()


@pytest.mark.parametrize("failure", [502, 503, 504, "no answer"])
def test_a_read_is_tried_again(make_gate, raw_upstream, failure):
    first = broken if failure == "no answer" else overload(failure)
    raw_upstream.on("/a/1", InTurn(first, first, reply(b'{"a": 1}')))
    gate = make(make_gate, raw_upstream, retries=2)
    answer = gate.get("/a/1")
    assert (answer.status_code, answer.json()) == (200, {"a": 1})
    gate.warm("/a/1")
    assert gate.head("/a/1").status_code == 200
    assert len(raw_upstream.calls) == 3


def test_the_last_failure_is_told(make_gate, raw_upstream):
    raw_upstream.on("/a/1", InTurn(broken, overload(502), overload(503, body=b'{"no": 3}')))
    gate = make(make_gate, raw_upstream, retries=2)
    answer = gate.get("/a/1")
    assert (answer.status_code, answer.json()) == (503, {"no": 3})
    assert len(raw_upstream.calls_of("/a/1")) == 3


def test_a_head_is_tried_again(make_gate, raw_upstream):
    raw_upstream.on("/a/1", InTurn(broken, overload(502), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))
    gate = make(make_gate, raw_upstream, retries=2)
    assert gate.head("/a/1").status_code == 200
    assert len(raw_upstream.calls_of("/a/1", "HEAD")) == 3


@pytest.mark.parametrize("status", [500, 404, 400, 429])
def test_other_answers_are_not_asked_for_again(make_gate, raw_upstream, status):
    raw_upstream.on("/a/1", overload(status))
    gate = make(make_gate, raw_upstream, retries=5)
    assert gate.get("/a/1").status_code == status
    assert len(raw_upstream.calls_of("/a/1")) == 1


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize("failure", [502, 503, 504, "no answer", "half an answer"])
def test_a_write_that_may_have_been_received_is_sent_once(make_gate, raw_upstream, method, failure):
    script = {"no answer": broken, "half an answer": cut}.get(failure) or overload(failure)
    raw_upstream.on("/a/1", script)
    gate = make(make_gate, raw_upstream, retries=5)
    answer = send(gate, method, "/a/1", body=b"{}").answer(method) if failure == "half an answer" else \
        gate.ask(method, "/a/1", content=b"{}")
    status = answer.status if failure == "half an answer" else answer.status_code
    assert status == (502 if isinstance(failure, str) else failure)
    assert gate.get("/b/1").status_code == 200
    assert len(raw_upstream.calls_of("/a/1")) == 1


def test_a_write_that_reached_nobody_is_tried_again(make_gate, raw_upstream):
    port = int(raw_upstream.url.rpartition(":")[2])
    gate = make(make_gate, raw_upstream, retries=10, timeouts={"queue": f"{WAIT}s"})
    raw_upstream.stop()
    wire = send(gate, "PUT", "/a/1", body=b'{"a": 1}')
    wait_until_read([wire])
    second = RawUpstream(port)
    try:
        assert wire.answer().status == 200
        assert [call.body for call in second.calls_of("/a/1")] == [b'{"a": 1}']
    finally:
        second.stop()


def test_retries_are_few_in_all(make_gate, raw_upstream):
    """Ten in hand, and one for each five calls that were made, whoever asks."""
    raw_upstream.on("*", overload(502))
    gate = make(make_gate, raw_upstream, retries=10, budget={"concurrency": 50})
    for start in range(0, 60, 20):
        wires = [send(gate, "GET", f"/a/{start + i}") for i in range(20)]
        assert [wire.answer().status for wire in wires] == [502] * 20
    # retries earn, too: of 60 + r calls a fifth and ten are r at most
    assert 60 + 10 <= len(raw_upstream.calls) <= 60 + 27


def test_retries_zero_switches_them_off(make_gate, raw_upstream):
    raw_upstream.on("/a/1", InTurn(broken, reply())).on("/a/2", InTurn(overload(502), reply()))
    gate = make(make_gate, raw_upstream, retries=0)
    assert (gate.get("/a/1").status_code, gate.get("/a/2").status_code) == (502, 502)
    assert len(raw_upstream.calls) == 2


def test_a_retry_waits_for_the_pause_to_end(make_gate, raw_upstream):
    """A 503 pauses its template for a second; who would wait for longer than that gets the next answer."""
    times = []

    def noted(answer):
        def send_noted(call):
            times.append(time.monotonic())
            call.body
            call.send(answer)
        return send_noted

    raw_upstream.on("/a/1", InTurn(noted(overload(503)), noted(reply())))
    gate = make(make_gate, raw_upstream, retries=2, pause_max="1h")
    assert gate.get("/a/1").status_code == 200
    assert len(times) == 2 and times[1] - times[0] >= 0.9


# --- the breaker ---


def test_an_upstream_that_does_not_answer_is_asked_no_more(make_gate, raw_upstream):
    go = threading.Event()

    def hold(call):
        call.body
        call.hold(go)
        call.reply()

    gate = make(make_gate, raw_upstream, breaker=True)
    warm(gate)
    raw_upstream.on("*", InTurn(overload(502), cut, overload(504), cut, overload(502), hold))
    for i, status in enumerate((502, 502, 504, 502, 502)):
        assert gate.get(f"/a/{i}").status_code == status
    calls = len(raw_upstream.calls)
    answer = gate.get("/b/1")
    if len(raw_upstream.calls) == calls:  # else the machine was so slow that it is the probe
        assert refused(answer, 503) == 1
    hits_go_on(gate)
    wires = []

    def probed():
        wires.append(send(gate, "GET", f"/c/{len(wires)}"))
        time.sleep(0.05)
        return len(raw_upstream.calls) > calls

    until(probed, "the probe")
    for i in range(10):
        refused(gate.get(f"/d/{i}"), 503)
        refused(gate.put(f"/d/{i}", json={}), 503)
    assert len(raw_upstream.calls) == calls + 1
    hits_go_on(gate)
    go.set()
    until(lambda: gate.get("/e/1").status_code == 200, "the breaker's closing")
    assert gate.put("/e/2", json={}).status_code == 200


def test_an_upstream_that_is_down_is_asked_no_more(make_gate, raw_upstream):
    gate = make(make_gate, raw_upstream, breaker=True)
    raw_upstream.stop()
    statuses = [gate.get(f"/a/{i}").status_code for i in range(6)]
    assert statuses[:5] == [502] * 5
    until(lambda: gate.get("/b/1").status_code == 503, "a refusal")


def test_answers_of_a_working_upstream_do_not_open_the_breaker(make_gate, raw_upstream):
    raw_upstream.on("/a/1", overload(500)).on("/a/2", overload(404)).on("/a/3", overload(429))
    gate = make(make_gate, raw_upstream, breaker=True)
    for _ in range(4):
        for path, status in (("/a/1", 500), ("/a/2", 404), ("/a/3", 429)):
            assert gate.put(path, json={}).status_code == status
    assert gate.get("/b/1").status_code == 200


def test_breaker_false_switches_it_off(make_gate, raw_upstream):
    raw_upstream.on("*", overload(502))
    gate = make(make_gate, raw_upstream, breaker=False)
    assert [gate.get(f"/a/{i}").status_code for i in range(25)] == [502] * 25
    assert len(raw_upstream.calls) == 25


def test_callers_that_leave_say_nothing_of_the_upstream(make_gate, raw_upstream, turnstile):
    gate = make(make_gate, raw_upstream, breaker=True, budget={"concurrency": 3})
    for i in range(12):
        wire = send(gate, "GET", f"/a/{i}")
        until(lambda: len(turnstile.order) == i + 1, "the call")
        reset(wire)
        until(lambda: budget(gate)["under_way"] == 0, "the call's end")
    turnstile.let(13)
    assert gate.get("/b/1").status_code == 200
