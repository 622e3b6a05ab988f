"""GET /_postern/me: what a client sees of itself."""

import datetime
import hashlib
import json
import time

import pytest

from gate import until
from test_quotas import calm_zone

KEYS = {name: f"{name}-key-fedcba9876543210" for name in ("crm", "old", "none")}
HOUR = 3600


def sha256(name):
    return hashlib.sha256(KEYS[name].encode()).hexdigest()


def at(seconds):
    return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


UNTIL = at(time.time() + 9 * HOUR)
CRM = {
    "name": "crm", "key_sha256": sha256("crm"), "previous_key_sha256": sha256("old"), "previous_key_until": UNTIL,
    "allow": ["GET /**", "PUT /profile/*/fields"], "deny": ["GET /sécret/\"x\""], "priority": "batch", "weight": 7,
    "quota": {"per_second": 0.5, "burst": 4, "per_day": 100},
}


@pytest.fixture
def gate(make_gate, raw_upstream):
    return make_gate(raw_upstream, clients=[CRM, {"name": "none", "key_sha256": sha256("none"), "allow": []}],
                     upstreams={"copernica": {"budget": {"time_zone": calm_zone()}}})


def key(name="crm"):
    return f"X-Api-Key: {KEYS[name]}"


def me(gate, name="crm"):
    with gate.wire() as wire:
        answer = wire.request("GET", "/_postern/me", key(name))
    assert answer.status == 200
    return answer.json()


def test_a_client_sees_its_rules_its_quota_and_its_day(gate, raw_upstream):
    with gate.wire() as wire:
        answer = wire.request("GET", "/_postern/me", key())
        assert answer.field("Content-Type") == "application/json" and answer.field("Cache-Control") == "no-store"
        view = answer.json()
        ends = datetime.datetime.fromisoformat(view["quota"].pop("day_ends").replace("Z", "+00:00")).timestamp()
        assert 6 * HOUR - 300 < ends - time.time() <= 25 * HOUR
        assert view == {
            "name": "crm", "upstream": "copernica", "allow": CRM["allow"], "deny": CRM["deny"], "priority": "batch",
            "weight": 7, "key_until": None,
            "quota": {"per_second": 0.5, "burst": 4, "second_left": 4, "per_day": 100, "day_left": 100},
            "today": {"requests": 0, "hits": 0, "calls": 0}}
        assert wire.request("GET", "/v2/a", key()).status == 200
        until(lambda: wire.request("GET", "/v2/a", key()).field("Cache-Status").startswith("postern; hit")
              or me(gate)["quota"]["day_left"] < 50, "a hit")
        view = wire.request("GET", "/_postern/me", key()).json()
    assert view["quota"]["day_left"] <= 98 and view["quota"]["second_left"] < 4
    assert view["today"]["hits"] == 1 and view["today"]["calls"] == 1 and view["today"]["requests"] >= 3
    assert me(gate, "none")["today"]["requests"] == 0
    assert len(raw_upstream.calls_of("/v2/a")) == 1


def test_what_has_no_limit_and_no_list_is_null(make_gate, raw_upstream):
    view = me(make_gate(raw_upstream), "none")  # without clients everybody is "local", whatever key comes
    assert view.pop("quota").pop("day_ends") is not None
    assert view == {"name": "local", "upstream": "copernica", "allow": None, "deny": [], "priority": "interactive",
                    "weight": 1, "key_until": None, "today": {"requests": 0, "hits": 0, "calls": 0}}


def test_each_key_shows_its_own_end(gate):
    assert me(gate)["key_until"] is None
    assert me(gate, "old")["key_until"] == UNTIL


def test_it_costs_nothing_and_is_answered_when_all_is_used(gate):
    with gate.wire() as wire:
        for _ in range(20):
            assert wire.request("GET", "/_postern/me", key()).json()["quota"]["second_left"] == 4
        until(lambda: wire.request("GET", "/v2/a", key()).status == 429, "the quota's end")
        answer = wire.request("GET", "/_postern/me", key())
        assert answer.status == 200 and answer.json()["today"]["requests"] >= 25


def test_one_who_may_do_nothing_may_look(gate):
    assert me(gate, "none")["allow"] == []


def test_without_a_key_there_is_no_view(gate):
    with gate.wire() as wire:
        for target in ("/_postern/me", "/_postern/x", "/_postern", "/_postern/me?access_token=wrong"):
            assert wire.request("GET", target).status == 401


def test_head_has_no_body_and_other_methods_are_refused(gate, raw_upstream):
    with gate.wire() as wire:
        head = wire.request("HEAD", "/_postern/me", key())
        assert head.status == 200 and int(head.field("Content-Length")) > 100
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = wire.request(method, "/_postern/me", key(), body=b"{}" if method == "PUT" else b"")
            assert answer.status == 405 and answer.field("Allow") == "GET, HEAD"
            assert answer.field("Content-Type") == "application/problem+json"
            assert answer.json()["request_id"] == answer.field("X-Request-Id")


SPELLINGS = ["/_postern/me", "/%5fpostern/me", "/%5Fpostern/%6de", "/./_postern/me", "/x/../_postern/me"]
OTHERS = ["/_postern", "/_postern/", "/_postern/you", "/_postern/me/x", "/%5Fpostern/you", "/_postern/me/",
          "/_postern/%6de", "/_postern/../a"]


def test_no_spelling_goes_to_the_upstream(gate, raw_upstream):
    with gate.wire() as wire:
        for target in SPELLINGS:
            assert wire.request("GET", target + "?x=1", key()).status == 200
        for target in OTHERS:
            for method in ("GET", "PUT"):
                assert wire.request(method, target, key()).status == 404
    assert {call.path for call in raw_upstream.calls} <= {"/identity"}


def test_it_is_on_record_without_the_key(gate):
    with gate.wire() as wire:
        answer = wire.request("GET", f"/_postern/me?access_token={KEYS['crm']}", "X-Request-Id: look")
        assert answer.status == 200 and answer.json()["name"] == "crm"
    record = until(lambda: [record for record in gate.done() if record["id"] == "look"], "the record")[0]
    assert record["client"] == "crm" and record["url"] == "/_postern/me" and record["status"] == 200
    assert gate.files_with(KEYS["crm"]) == []


def test_a_reload_shows_and_the_day_goes_on(gate):
    with gate.wire() as wire:
        assert wire.request("GET", "/v2/a", key()).status == 200
        gate.change(clients=[dict(CRM, allow=["GET /a"], quota={"per_day": 60})])
        gate.hup()
        view = until(lambda: (view := me(gate))["allow"] == ["GET /a"] and view, "the rules")
        assert view["quota"]["per_day"] == 60 and view["quota"]["day_left"] == 59
        assert view["quota"]["per_second"] is None and view["quota"]["second_left"] is None
    assert json.dumps(view).isascii()
    gate.restart()
    assert me(gate)["quota"]["day_left"] == 59 and me(gate)["today"]["calls"] == 1
