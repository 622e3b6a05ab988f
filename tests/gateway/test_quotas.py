"""How much a client may ask: the second's and the day's quota, and what each answer says of them."""

import concurrent.futures
import hashlib
import re
import threading
import time

import pytest

from gate import request, until

KEYS = {name: f"{name}-key-0123456789abcdef" for name in ("crm", "shop")}
PROFILE = "/v2/profile/9001"
POLICY = '"second";q=100;w=2, "day";q=1000;w=86400'


def client(name, **more):
    return dict({"name": name, "key_sha256": hashlib.sha256(KEYS[name].encode()).hexdigest()}, **more)


def key(name="crm"):
    return f"X-Api-Key: {KEYS[name]}"


def calm_zone():
    """A time zone whose midnight is at least six hours away."""
    return "UTC" if 6 <= time.gmtime().tm_hour < 18 else "Etc/GMT+12"


CALM = {"copernica": {"budget": {"time_zone": calm_zone()}}}


def left(answer):
    """{"second": (r, t), "day": (r, t)} of an answer's RateLimit."""
    parts = re.findall(r'"(\w+)";r=(\d+);t=(\d+)(?:, |$)', answer.field("RateLimit"))
    assert ", ".join(f'"{name}";r={r};t={t}' for name, r, t in parts) == answer.field("RateLimit")
    return {name: (int(r), int(t)) for name, r, t in parts}


def test_a_burst_passes_and_what_is_more_gets_429_with_the_time_to_wait(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, clients=[client("crm", quota={"per_second": 0.01, "burst": 3})])
    with gate.wire() as wire:
        for remaining in (2, 1, 0):
            answer = wire.request("GET", "/v2/a", key())
            assert answer.status == 200
            assert left(answer)["second"][0] == remaining and 100 * (2 - remaining) < left(answer)["second"][1] <= 300
        assert len(raw_upstream.calls_of("/v2/a")) == 1  # hits count as well
        for method in ("GET", "PUT"):
            refused = wire.request(method, "/v2/b", key())
            assert refused.status == 429 and 0 < int(refused.field("Retry-After")) <= 100
            assert refused.field("Content-Type") == "application/problem+json"
            assert "quota" not in refused.json()["detail"] and refused.json()["status"] == 429
            assert left(refused)["second"][0] == 0
    assert raw_upstream.calls_of("/v2/b") == []
    assert gate.metric("postern_refusals_total", client="crm", reason="quota") == 2


def test_what_was_used_comes_back(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, clients=[client("crm", quota={"per_second": 5, "burst": 1})])
    with gate.wire() as wire:
        until(lambda: wire.request("GET", "/v2/a", key()).status == 429, "a refusal")
        answer = wire.request("GET", "/v2/a", key())
        assert answer.status == 200 or answer.field("Retry-After") == "1"
        until(lambda: wire.request("GET", "/v2/a", key()).status == 200, "another one")


def noted(gate):
    """The numbers of requests that pages of the ledger hold of crm's day, older ones included."""
    found = re.findall(rb"client/crm.{8}(.{8})", (gate.data_dir / "ledger.mdb").read_bytes(), re.S)
    return {int.from_bytes(number, "little") for number in found}


def test_a_day_is_used_up_over_reloads_and_restarts(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, clients=[client("crm", quota={"per_day": 5}), client("shop")], upstreams=CALM)

    def ask():
        with gate.wire() as wire:
            return wire.request("GET", "/v2/a", key())

    for remaining in (4, 3):
        assert left(ask()) == {"day": (remaining, pytest.approx(43200, abs=43200))}
    gate.change(clients=[client("crm", quota={"per_day": 6})])
    gate.hup()
    assert left(ask())["day"][0] == 3
    gate.restart()
    assert left(ask())["day"][0] == 2
    # kill -9 loses nothing of what was noted
    assert left(ask())["day"][0] == 1
    until(lambda: 5 in noted(gate), "the note")
    gate.kill()
    gate.start()
    assert left(ask())["day"][0] == 0
    refused = ask()
    assert refused.status == 429 and 6 * 3600 - 300 < int(refused.field("Retry-After")) <= 25 * 3600
    assert "day" in refused.json()["detail"]
    with gate.wire() as wire:
        assert wire.request("GET", "/v2/a", key("shop")).status == 401  # it was taken out


def test_limits_change_by_hup(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, clients=[client("crm", quota={"per_second": 0.01, "burst": 1})])
    with gate.wire() as wire:
        assert wire.request("GET", "/v2/a", key()).status == 200
        assert wire.request("GET", "/v2/a", key()).status == 429
        gate.change(clients=[client("crm", quota={"per_second": 0.01, "burst": 3})])
        gate.hup()
        # what was used stays used
        assert [wire.request("GET", "/v2/a", key()).status for _ in range(3)] == [200, 200, 429]
        until(lambda: wire.request("GET", "/v2/a", key()).field("RateLimit-Policy") == '"second";q=3;w=300', "the policy")
        gate.change(clients=[client("crm")])
        gate.hup()
        until(lambda: wire.request("GET", "/v2/a", key()).field("RateLimit") is None, "no limit")
        assert wire.request("GET", "/v2/a", key()).status == 200


def test_clients_do_not_share_and_workers_do(make_gate, raw_upstream):
    quota = {"per_second": 0.001, "burst": 40, "per_day": 50}
    gate = make_gate(raw_upstream, clients=[client("crm", quota=quota), client("shop", quota=quota)], upstreams=CALM,
                     workers=4)

    def ask(_):
        with gate.wire() as wire:
            return [wire.request("GET", "/v2/a", key()).status for _ in range(10)]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = [status for each in pool.map(ask, range(8)) for status in each]
    assert statuses.count(200) == 40 and statuses.count(429) == 40
    with gate.wire() as wire:
        answer = wire.request("GET", "/v2/a", key("shop"))
        assert answer.status == 200 and left(answer)["second"][0] == 39 and left(answer)["day"][0] == 49
        assert left(wire.request("GET", "/v2/a", key()))["day"][0] == 10  # refusals cost nothing


def test_what_is_forbidden_or_malformed_costs_nothing(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, clients=[client("crm", deny=["GET /secret"], quota={"per_day": 9})], upstreams=CALM)
    with gate.wire() as wire:
        for target, status in (("/v2/secret", 403), ("/v2/a%00", 400), ("/v2/a?_method=PUT", 400)):
            answer = wire.request("GET", target, key())
            assert answer.status == status and left(answer)["day"][0] == 9
        assert left(wire.request("GET", "/v2/a", key()))["day"][0] == 8


# --- the fields, on every answer ---


@pytest.fixture
def limited(make_gate, raw_upstream):
    """A gate whose client has both limits."""
    return make_gate(raw_upstream, upstreams=CALM, clients=[
        client("crm", deny=["* /forbidden"], quota={"per_second": 50, "burst": 100, "per_day": 1000}), client("shop")])


ASKED = [
    ("miss", "GET", "/v2/fine", (), 200),
    ("hit", "GET", "/v2/fine", (), 200),
    ("head", "HEAD", "/v2/fine", (), 200),
    ("not modified", "GET", "/v2/fine", ("If-None-Match: *",), 304),
    ("failed condition", "GET", "/v2/fine", ('If-Match: "x"',), 412),
    ("range", "GET", "/v2/fine", ("Range: bytes=0-1",), 206),
    ("no range", "GET", "/v2/fine", ("Range: bytes=90-",), 416),
    ("write", "PUT", "/v2/fine", (), 200),
    ("delete", "DELETE", "/v2/gone", (), 404),
    ("stream", "GET", "/v2/stream", (), 200),
    ("large answer of a write", "POST", "/v2/large", (), 200),
    ("bypass", "OPTIONS", "/v2/fine", (), 200),
    ("upstream's error", "GET", "/v2/wrong", (), 500),
    ("cut off", "GET", "/v2/cut", (), 502),
    ("only if cached", "GET", "/v2/else", ("Cache-Control: only-if-cached",), 504),
    ("forbidden", "GET", "/v2/forbidden", (), 403),
    ("malformed", "GET", "/v2/%00", (), 400),
    ("override", "GET", "/v2/fine", ("X-HTTP-Method-Override: PUT",), 400),
    ("own view", "GET", "/_postern/me", (), 200),
    ("own view written", "PUT", "/_postern/me", (), 405),
    ("no such view", "GET", "/_postern/you", (), 404),
]


def test_every_answer_to_a_client_with_limits_tells_them(limited, raw_upstream):
    def stream(call):
        call.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: private\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")

    def cut(call):
        call.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal")
        call.close()

    raw_upstream.on("/v2/stream", stream).on("/v2/cut", cut)
    raw_upstream.on("/v2/large", lambda call: (call.body, call.reply(b"x" * 200_000)))
    raw_upstream.on("/v2/gone", lambda call: call.reply(status=404)).on("/v2/wrong", lambda call: call.reply(status=500))
    with limited.wire() as wire:
        for what, method, target, fields, status in ASKED:
            answer = wire.request(method, target, key(), *fields)
            assert answer.status == status, what
            assert answer.field("RateLimit-Policy") == POLICY, what
            assert set(left(answer)) == {"second", "day"} and left(answer)["day"][0] > 900, what
            if answer.field("Connection") == "close":
                wire = limited.wire()
        assert wire.request("GET", "/v2/fine", "X-Api-Key: wrong").field("RateLimit") is None
        other = wire.request("GET", "/v2/fine", key("shop"))
        assert other.status == 200 and other.field("RateLimit") is None and other.field("RateLimit-Policy") is None
        wire.close()


def test_those_who_wait_for_one_call_are_told_as_well(limited, raw_upstream):
    go = threading.Event()
    raw_upstream.on("/v2/slow", lambda call: (call.hold(go), call.reply(fields=("RateLimit: \"up\";r=1",))))
    with limited.wire() as first, limited.wire() as second:
        first.send(request("GET", "/v2/slow", key()))
        raw_upstream.wait_for("/v2/slow")
        second.send(request("GET", "/v2/slow", key()))
        until(lambda: left(limited_me(limited))["day"][0] == 998, "both being let in")
        go.set()
        for wire in (first, second):
            answer = wire.answer()
            assert answer.field("RateLimit-Policy") == POLICY and set(left(answer)) == {"second", "day"}


def limited_me(gate):
    with gate.wire() as wire:
        return wire.request("GET", "/_postern/me", key())


TOLD = ("RateLimit: \"up\";r=5;t=6", "RateLimit-Policy: \"up\";q=5;w=6", "RateLimit-Remaining: 3", "X-RateLimit-Limit: 9",
        "x-ratelimit-remaining: 8", "X-Rate-Limit-Reset: 7", "Retry-After: 77", "X-Other: kept")


@pytest.mark.parametrize("name", ["crm", "shop"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_the_upstream_says_of_its_own_limits_is_not_told_to_clients(limited, raw_upstream, name, method):
    raw_upstream.on("/v2/told", lambda call: (call.body, call.reply(fields=TOLD)))
    with limited.wire() as wire:
        for _ in range(2):
            answer = wire.request(method, "/v2/told", key(name))
            assert answer.status == 200 and answer.field("X-Other") == "kept"
            assert answer.field("Retry-After") is None
            names = [field.lower() for field, _ in answer.fields if "rate" in field.lower()]
            assert sorted(names) == (["ratelimit", "ratelimit-policy"] if name == "crm" else [])
            assert "up" not in (answer.field("RateLimit") or "")


@pytest.mark.parametrize("status", [202, 429, 503])
def test_an_upstream_s_retry_after_is_passed_on_where_it_is_for_the_client(limited, raw_upstream, status):
    raw_upstream.on("/v2/later", lambda call: (call.body, call.reply(status=status, fields=("Retry-After: 77",))))
    with limited.wire() as wire:
        answer = wire.request("PUT", "/v2/later", key())
        assert answer.status == status and answer.field("Retry-After") == "77"
