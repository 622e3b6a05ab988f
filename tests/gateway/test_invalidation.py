"""Writes of every sort before the simulated API: after each, every read says what the API says, and what
the write did not touch still hits."""

import pytest

from gate import cache_status, is_hit, request

PROFILE = "/v2/profile/9001"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
VERSIONS = ("", "/v1", "/v2", "/v3", "/v4")


def same(gate, sandbox, paths):
    """Through the gate and directly; the ones that did not hit."""
    missed = []
    for path in paths:
        shown, true = gate.get(path), sandbox.api("GET", path)
        assert (shown.status_code, shown.content) == (true.status_code, true.content), path
        if not is_hit(shown):
            missed.append(path)
    return missed


@pytest.fixture
def reads(sandbox):
    """Paths that show profile 9001 of database 31, and paths that do not."""
    name = sandbox.api("GET", "/v2/database/31").json()["name"]
    showing = [version + path for version in VERSIONS for path in
               ("/profile/9001", "/profile/9001/fields", "/database/31/profiles?limit=5")]
    showing += [f"/v2/database/{name}/profiles", f"/v3/database/{name.upper()}/profiles?limit=7",
                "/v2/database/31/profiles/whatever", "/v2/database/31/profiles?fields%5B%5D=id%3C9005",
                "/v2/database/31/profiles?fields%5B0%5D=city%3D%3DEde", "/v4/database/31/profiles?orderby=city",
                "/v2/database/31/profiles?unknown=1", "/v2/database/31/profiles?dataonly=true"]
    others = ["/v2/profile/9002", "/v2/profile/9002/fields", "/v2/database/31", "/v2/databases",
              "/v2/database/32/profiles", "/v2/database/31/profiles?start=50&limit=5",
              "/v2/database/31/profiles?fields%5B%5D=id%3E9050&limit=5"]
    return showing, others


WRITES = [
    ("PUT", "/v2/profile/9001/fields", JSON, b'{"city": "Ede"}'),
    ("PUT", "/profile/9001/fields", JSON, b'{"city": "Ede"}'),
    ("PUT", "/v4/profile/9001/fields/more", JSON, b'{"city": "Ede"}'),
    ("POST", "/v1/profile/9001/fields", JSON, b'{"City": "Ede"}'),
    ("PUT", "/v3/profile/9001/fields", FORM, b"city=Ede"),
    ("PUT", "/v3/profile/9001", FORM, b"fields%5Bcity%5D=Ede"),
    ("PUT", "/v3/profile/9001", JSON + "; charset=utf-8", b'{"fields": {"city": "Ede"}}'),
    ("POST", "/v2/profile/9001", JSON, b'{"fields": {"city": "Ede"}, "interests": ["cycling"]}'),
    ("PUT", "/v2/profile/9001", JSON, b'{"fields": {"a": 1}, "fields": {"city": "Ede"}}'),
    ("PUT", "/v2/profile/9001/fields", JSON, b'{"ci\\u0074y": "Ede"}'),
    ("PUT", "/v2/profile/9001/fields", JSON, b'{"city": "Ede"' + b" " * 300000 + b"}"),
    ("PUT", "/v2/profile/9001/fields", None, b'{"city": "Ede"}'),
    ("PUT", "/v2/profile/9001/fields", "text/odd", b"city=Ede"),
    ("PUT", "/v2/profile/09001/fields", JSON, b'{"city": "Ede"}'),
    ("PATCH", "/v2/profile/9001/fields", JSON, b'{"city": "Ede"}'),
    ("PROPFIND", "/v2/profile/9001", JSON, b'{"fields": {"city": "Ede"}}'),
    ("DELETE", "/v3/profile/9001", None, b""),
]


@pytest.mark.parametrize("method, target, kind, body", WRITES, ids=lambda value: str(value)[:40])
def test_no_read_shows_the_state_before_any_write(make_gate, sandbox, reads, method, target, kind, body):
    gate = make_gate(sandbox, cache={"ttl": "1h", "rules": [{"match": "/**", "ttl": "1h"}]})
    showing, others = reads
    for path in showing + others:
        gate.warm(path)
    fields = [] if kind is None else [f"Content-Type: {kind}"]
    with gate.wire() as wire:
        wire.send(request(method, target, *fields, body=body))
        assert wire.answer(method).status < 500
    same(gate, sandbox, showing + others)


def test_a_write_leaves_alone_what_it_does_not_touch(make_gate, sandbox, reads):
    gate = make_gate(sandbox, cache={"ttl": "1h"})
    showing, others = reads
    for path in showing + others:
        gate.warm(path)
    assert gate.put("/v2/profile/9001/fields", json={"city": "Ede"}).status_code == 303
    missed = same(gate, sandbox, showing + others)
    assert [path for path in others if path in missed] == []
    assert set(showing) - set(missed) == set()
    assert gate.put("/v2/database/31", json={"description": "x"}).status_code in (200, 303)
    assert same(gate, sandbox, showing + others) == ["/v2/database/31", "/v2/databases"]


def test_a_created_profile_belongs_to_its_database_from_then_on(make_gate, sandbox):
    """Its first change names the lists of that database alone, though nobody has read it."""
    gate = make_gate(sandbox, cache={"ttl": "1h"})
    created = gate.post("/v2/database/31/profiles", json={"fields": {"city": "Ede"}})
    number = created.headers["x-created"]
    lists = [f"/v2/database/{database}/profiles?orderby=city" for database in (31, 32)]
    for path in lists:
        gate.warm(path)
    gate.put(f"/v2/profile/{number}/fields", json={"city": "Gouda"})
    assert same(gate, sandbox, lists) == lists[:1]


def test_the_body_is_gathered_before_the_write_is_announced(make_gate, sandbox):
    """Piece by piece, with 100-continue; and a client that leaves in between has written nothing."""
    gate = make_gate(sandbox, cache={"ttl": "1h"})
    gate.warm(PROFILE)
    head = request("PUT", PROFILE + "/fields", f"Content-Type: {JSON}", "Expect: 100-continue", "Content-Length: 15")
    head = head.replace(b"Content-Length: 0\r\n", b"")
    with gate.wire() as wire:
        wire.send(head)
        assert wire.answer(interim=True).status == 100
        wire.send(b'{"city": ')
        assert wire.is_quiet(0.1)
    assert is_hit(gate.get(PROFILE)) and gate.metric("postern_intents") == 0
    calls = sandbox.calls()["total"]
    with gate.wire() as wire:
        wire.send(head)
        assert wire.answer(interim=True).status == 100
        for byte in b'{"city": "Ede"}':
            wire.send(bytes([byte]))
        assert wire.answer().status == 303
    assert sandbox.calls()["total"] == calls + 1
    assert cache_status(gate.get(PROFILE))[0] == "uri-miss"
    assert gate.get(PROFILE).json()["fields"]["city"] == "Ede"
