"""Writes of every sort before the simulated API: after each, every read says what the API says, and what
the write did not touch still hits."""

import json
import threading
import time

import pytest

from gate import cache_status, is_hit, reply, request, until

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


# --- what a review found ---


def test_a_list_in_the_order_of_a_field_s_id(make_gate, sandbox):
    """"orderby" takes a field's name or its id."""
    gate = make_gate(sandbox, cache={"ttl": "1h"})
    path = "/v2/database/31/profiles?orderby=801&limit=2&total=false"
    gate.warm(path)
    shown = {item["ID"] for item in gate.get(path).json()["data"]}
    other = next(number for number in range(9001, 9100) if str(number) not in shown and
                 sandbox.api("GET", f"/v2/profile/{number}").json()["database"] == "31")
    assert gate.put(f"/v2/profile/{other}/fields", json={"email": "!!!@first.example"}).status_code == 303
    same(gate, sandbox, [path])


@pytest.mark.parametrize("name", ["a=b", "a!b", "a<b", "a~b"])
def test_a_field_whose_name_holds_an_operator(make_gate, sandbox, name):
    gate = make_gate(sandbox, cache={"ttl": "1h"})
    assert gate.post("/v2/database/31/fields", json={"name": name, "type": "text"}).status_code == 201
    filtered = f"/v2/database/31/profiles?fields%5B%5D={name.replace('=', '%3D')}%3D%3Dqq"
    gate.warm(filtered)
    assert gate.put("/v2/profile/9001/fields", json={name: "qq"}).status_code == 303
    same(gate, sandbox, [filtered])


def test_a_list_of_ids_that_shows_none_follows_its_fields(make_gate, sandbox):
    gate = make_gate(sandbox, cache={"ttl": "1h"})
    field = next(field for field in sandbox.api("GET", "/v2/database/31").json()["fields"]["data"]
                 if field["name"] == "city")
    path = "/v2/database/31/profileids?fields%5B%5D=city%3D%3Dzz"
    gate.warm(path)
    gate.put(f"/v2/database/31/field/{field['ID']}", json={"name": "town"})
    same(gate, sandbox, [path])


def test_a_write_under_way_while_the_account_is_emptied_rests_on_nothing_from_before(make_gate, raw_upstream):
    """What it was known to belong to is forgotten, and may have changed."""
    state, may_go = {"database": "5", "country": ""}, threading.Event()

    def on_fields(call):
        call.body
        call.hold(may_go)
        state["country"] = "NL"
        call.reply(b"", 204)

    def on_list(call):
        items = [{"ID": "7", "database": "6"}] if state == {"database": "6", "country": "NL"} else []
        call.reply(json.dumps({"start": 0, "count": len(items), "total": len(items), "data": items}))

    raw_upstream.on("/profile/7", lambda call: call.reply(json.dumps({"ID": "7", "database": state["database"]})))
    raw_upstream.on("/profile/7/fields", on_fields)
    raw_upstream.on("/database/6/profiles", on_list)
    raw_upstream.on("/profile/7/move", lambda call: (call.body, state.update(database="6"), call.reply()))
    gate = make_gate(raw_upstream, cache={"ttl": "1h"})
    path = "/database/6/profiles?fields%5B%5D=country%3D%3DNL"
    gate.warm("/profile/7")
    with gate.wire() as wire:
        wire.send(request("PUT", "/profile/7/fields", f"Content-Type: {JSON}", body=b'{"country": "NL"}'))
        raw_upstream.wait_for("/profile/7/fields")
        assert gate.post("/profile/7/move", json={}).status_code == 200
        gate.warm("/profile/7")
        gate.warm(path)
        may_go.set()
        assert wire.answer().status == 204
    assert gate.get(path).json()["count"] == 1


def test_a_read_that_began_while_a_write_settled_is_not_stored_after_its_end(make_gate, raw_upstream):
    may_go = threading.Event()
    raw_upstream.on("/view/5/rebuild", lambda call: (call.body, call.reply(b"", 204)))
    raw_upstream.on("/view/5", lambda call: (call.hold(may_go), call.reply(b'{"ID": "5", "name": "half"}')))
    gate = make_gate(raw_upstream, cache={"rules": [{"match": "/**", "ttl": "1h", "settle": "1s"}]})
    assert gate.put("/view/5/rebuild", json={}).status_code == 204
    with gate.wire() as wire:
        wire.send(request("GET", "/view/5"))
        raw_upstream.wait_for("/view/5")
        until(lambda: is_hit(gate.get("/unheard/of")), "the settle's end")
        time.sleep(1.5)  # the quarantine is dropped, too
        gate.get("/unheard/of/more")
        raw_upstream.on("/view/5", reply(b'{"ID": "5", "name": "whole"}'))
        with gate.wire() as other:  # it does not wait for an answer from the time of the settle
            assert other.request("GET", "/view/5").json()["name"] == "whole"
        may_go.set()
        assert wire.answer().json()["name"] == "half"
        assert gate.get("/view/5").json()["name"] == "whole"


def test_a_path_with_an_encoded_slash_is_not_understood(make_gate, raw_upstream):
    """An upstream that decodes it answers as another path."""
    items = []
    raw_upstream.on("*", lambda call: (call.body, call.method == "PUT" and items.append({"ID": "7"}), call.reply(
        json.dumps({"start": 0, "count": len(items), "total": len(items), "data": items}))))
    raw_upstream.on("/identity", reply(b'{"id": 77}'))
    gate = make_gate(raw_upstream, cache={"ttl": "1h"})
    path = "/database/5%2Fprofiles?fields%5B%5D=country%3D%3DNL"
    gate.warm(path)
    gate.put("/profile/7/fields", json={"country": "NL"})
    assert gate.get(path).json()["count"] == 1


def test_a_purge_of_a_path_with_an_encoded_slash_takes_it(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, cache={"ttl": "1h"})
    gate.warm("/profile/a%2Fb/fields")
    gate.purge(path="/profile/a%2Fb/fields")
    assert not is_hit(gate.get("/profile/a%2Fb/fields"))


def test_a_content_type_that_does_not_go_up_says_nothing_of_the_body(make_gate, raw_upstream):
    raw_upstream.on("/database/31/profiles", reply(b'{"start": 0, "count": 0, "total": 0, "data": []}'))
    gate = make_gate(raw_upstream, cache={"ttl": "1h"})
    gate.warm("/database/31/profiles")
    with gate.wire() as wire:
        wire.request("PUT", "/database/31", f"Content-Type: {JSON}", "Connection: Content-Type",
                     body=b'{"description":"a&name=evil&b="}')
    assert raw_upstream.calls_of("/database/31")[-1].field("Content-Type") is None
    assert not is_hit(gate.get("/database/31/profiles"))


@pytest.mark.parametrize("location", ["../9", "/profile/9?x=1#y", "//host/v2/profile/9", "https://host/v1/profile/9"])
def test_a_location_in_any_form_is_named(make_gate, raw_upstream, location):
    raw_upstream.on("/profile/9", reply(b'{"ID": "9", "database": "5"}'))
    raw_upstream.on("/profile/7/datarequest",
                    lambda call: (call.body, call.reply(b"", 201, [f"Location: {location}"])))
    gate = make_gate(raw_upstream, cache={"ttl": "1h"})
    gate.warm("/profile/9")
    assert gate.post("/profile/7/datarequest", json={}).status_code == 201
    assert not is_hit(gate.get("/profile/9"))


def test_quarantines_outlast_a_change_of_the_preset(make_gate, raw_upstream, tmp_path):
    preset = tmp_path / "preset.json"
    write = {"methods": ["PUT"], "path": "/database/{database}", "settle": "5m"}
    rules = {"kinds": {"database": {}, "view": {"parents": ["database"]}}, "reads": [{"path": "/view/{view}"}],
             "writes": [{**write, "changes": ["view/*@database/{database}"]}]}
    preset.write_text(json.dumps(rules))
    gate = make_gate(raw_upstream, cache={"ttl": "1h"}, upstreams={"copernica": {
        "preset": str(preset), "inject": {"header": "Authorization", "format": "Bearer %s"}}})
    gate.put("/database/31", json={})
    preset.write_text(json.dumps({**rules, "writes": [{**write, "changes": ["view/*"]}]}))
    gate.hup()
    for _ in range(20):
        answer = gate.get("/view/5")
        assert not is_hit(answer) or int(cache_status(answer)[1]["ttl"]) <= 300
        time.sleep(0.01)
