"""The audit trail: one record for every exchange, one before every write leaves, and none lost."""

import hashlib
import hmac
import json
import os
import re
import socket
import struct
import threading

import pytest

from gate import reply, request, until

MEMBERS = ["time", "id", "kind", "client", "peer", "method", "url", "entities", "status", "cache", "upstream_ms",
           "total_ms", "in", "out"]
KEY = "audit-test-key-0123456789"
CLIENTS = [{"name": "crm", "key_sha256": hashlib.sha256(KEY.encode()).hexdigest(), "allow": ["GET /**"]}]
ROUNDS = int(os.environ.get("POSTERN_CRASH_ROUNDS", "50")) * 2 // 5


def records_of(gate, kind, **wanted):
    return [record for record in gate.audit()
            if record["kind"] == kind and all(record[name] == value for name, value in wanted.items())]


def record_of(gate, kind, **wanted):
    """The one record of that kind with these members."""
    found = until(lambda: records_of(gate, kind, **wanted), f"the record {kind} {wanted}")
    assert len(found) == 1, found
    return found[0]


def reset(wire):
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def test_a_record_has_the_members_of_the_contract_and_no_others(make_gate, raw_upstream):
    raw_upstream.on("/v2/thing", reply('{"a": 1}'))
    gate = make_gate(raw_upstream)
    read = gate.get("/v2/thing?b=2&a=%31")
    written = gate.put("/v2/thing", json={"a": 1})
    for answer, method, cache in ((read, "GET", "miss"), (written, "PUT", "write")):
        record = record_of(gate, "done", id=answer.headers["x-request-id"])
        assert list(record) == MEMBERS + (["body_hmac"] if method == "PUT" else [])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record["time"])
        assert record["client"] == "local" and record["method"] == method
        assert re.fullmatch(r"127\.0\.0\.1:\d+", record["peer"])
        assert record["url"] == ("/v2/thing?a=1&b=2" if method == "GET" else "/v2/thing")
        assert record["entities"] == [] and record["status"] == 200 and record["cache"] == cache
        assert 0 < record["upstream_ms"] <= record["total_ms"]
        assert record["in"] > 50 and record["out"] > len(answer.content)
    intent = record_of(gate, "intent", id=written.headers["x-request-id"])
    assert set(intent) <= set(MEMBERS) and intent["method"] == "PUT" and intent["url"] == "/v2/thing"
    assert intent["status"] is None and intent["upstream_ms"] is None


def test_a_hit_is_recorded_as_one(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    until(lambda: gate.get("/thing") and records_of(gate, "done", cache="hit"), "a hit's record")
    record = records_of(gate, "done", cache="hit")[0]
    assert record["upstream_ms"] is None and record["status"] == 200


def test_the_id_of_a_request_is_kept_when_it_is_one(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    gate.get("/thing", headers={"X-Request-Id": "my-id_1.x"})
    record_of(gate, "done", id="my-id_1.x")
    for odd in ("has space", "x" * 65, 'quo"te'):
        made = gate.get("/thing", headers={"X-Request-Id": odd}).headers["x-request-id"]
        assert made != odd
        record_of(gate, "done", id=made)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_intent_stands_on_disk_before_the_upstream_gets_the_write(make_gate, raw_upstream, method):
    seen = []

    def script(call):
        seen.extend(records_of(gate, "intent", method=method))
        call.body
        call.reply()

    gate = make_gate(raw_upstream)
    raw_upstream.on("/thing", script)
    answer = gate.ask(method, "/thing")
    assert answer.status_code == 200
    assert [record["id"] for record in seen] == [answer.headers["x-request-id"]]
    record_of(gate, "done", method=method)


def test_reads_have_no_intent(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    for method in ("GET", "HEAD", "OPTIONS"):
        gate.ask(method, "/thing")
        record_of(gate, "done", method=method)
    assert [record for record in gate.audit() if record["kind"] == "intent"] == []


def test_every_refusal_has_its_record(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, clients=CLIENTS)
    key = {"Authorization": f"Bearer {KEY}"}
    assert gate.get("/thing").status_code == 401
    record = record_of(gate, "done", status=401)
    assert record["client"] is None and record["method"] == "GET"
    assert gate.put("/thing", json={}, headers=key).status_code == 403
    record = record_of(gate, "done", status=403)
    assert record["client"] == "crm" and record["url"] == "/thing" and record["cache"] == "none"
    assert gate.get("/thing", headers={**key, "X-HTTP-Method-Override": "DELETE"}).status_code == 400
    assert record_of(gate, "done", status=400)["method"] == "GET"
    with gate.wire() as wire:
        wire.send(b"GET / HTTP/1.1\r\nno colon\r\n\r\n")
        assert wire.answer().status == 400
    until(lambda: len(records_of(gate, "done", status=400)) == 2, "the malformed request's record")
    with gate.wire() as wire:
        wire.send(b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n")
        assert wire.answer().status == 414
    record_of(gate, "done", status=414)
    with gate.wire() as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"a%d: x\r\n" % n for n in range(200)) + b"\r\n")
        assert wire.answer().status == 431
    record_of(gate, "done", status=431)
    assert [record for record in gate.audit() if record["kind"] == "intent"] == []
    assert raw_upstream.calls_of("/thing") == []


def test_failures_of_the_upstream_have_their_records(make_gate, raw_upstream):
    raw_upstream.on("/close", lambda call: (call.body, call.close()))
    raw_upstream.on("/never", lambda call: call.hold(threading.Event()))
    gate = make_gate(raw_upstream, upstreams={"copernica": {"timeouts": {"total": "1s"}}})
    for path, status in (("/close", 502), ("/never", 504)):
        for method in ("GET", "PUT"):
            assert gate.ask(method, path).status_code == status
            assert record_of(gate, "done", url=path, method=method)["status"] == status


def test_a_client_that_left_has_its_record(make_gate, raw_upstream):
    go = threading.Event()
    raw_upstream.on("*", lambda call: (call.body, call.hold(go), call.reply()))
    gate = make_gate(raw_upstream)
    for method in ("GET", "PUT"):
        wire = gate.wire().send(request(method, f"/{method}", body=b"{}" if method == "PUT" else b""))
        raw_upstream.wait_for(f"/{method}")
        reset(wire)
    assert record_of(gate, "done", url="/GET")["status"] is None
    go.set()
    until(lambda: records_of(gate, "done", url="/PUT"), "the write's record")
    answer = gate.wire().send(request("PUT", "/cut", body=b"x" * 1000)[:-500])
    raw_upstream.wait_for("/cut")
    reset(answer)
    record_of(gate, "done", url="/cut")


def test_who_waited_has_a_record_too(make_gate, raw_upstream):
    go = threading.Event()
    raw_upstream.on("/thing", lambda call: (call.hold(go), call.reply()))
    gate = make_gate(raw_upstream)
    wires = [gate.wire().send(request("GET", "/thing")) for _ in range(5)]
    raw_upstream.wait_for("/thing")
    until(lambda: gate.metric("postern_connections") == 5)
    assert wires[0].is_quiet()
    go.set()
    for wire in wires:
        assert wire.answer().status == 200
        wire.close()
    until(lambda: len(gate.done()) == 5, "five records")
    assert sorted({record["cache"] for record in gate.done()}) in (["collapsed", "miss"], ["collapsed", "hit", "miss"])
    assert len([r for r in gate.done() if r["upstream_ms"] is not None and r["cache"] == "miss"]) == 1


@pytest.mark.parametrize("query, shown", [
    ("email=a@b.test", "email=***"),
    ("EMAIL=a@b.test&x=1", "EMAIL=***"),
    ("%65mail=a%40b.test", "=***"),
    ("fields[]=email==a@b.test", "***"),
    ("fields[]=Email%3D~a@b.test", "***"),
])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_masked_members_are_not_recorded(make_gate, raw_upstream, query, shown, method):
    gate = make_gate(raw_upstream, audit={"mask": ["email"]})
    with gate.wire() as wire:
        assert wire.request(method, f"/database/31/profiles?{query}").status == 200
    record = until(gate.done, "the record")[0]
    assert shown in record["url"] and record["url"].startswith("/database/31/profiles?")
    for path in (gate.data_dir / "audit").iterdir():
        assert b"b.test" not in path.read_bytes()
    gate.kill()
    assert [str(path) for path in gate.data_dir.rglob("*") if path.is_file() and "cache.mdb" not in path.name
            and b"b.test" in path.read_bytes()] == []
    gate.start()


def test_parameters_that_the_preset_calls_secret_are_masked(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    gate.get("/token?client_id=7&client_secret=verysecret&code=alsosecret&redirect_uri=x")
    url = until(gate.done, "the record")[0]["url"]
    assert "secret=***" in url and "code=***" in url and "client_id=7" in url
    assert gate.files_with("verysecret") == [] and gate.files_with("alsosecret") == []


@pytest.mark.parametrize("body", [b"x", b'{"fields": {"email": "a@b.test"}}', bytes(range(256)) * 1200],
                         ids=["byte", "json", "long"])
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_the_digest_of_a_written_body_can_be_verified_with_the_key(make_gate, raw_upstream, body, chunked):
    gate = make_gate(raw_upstream)
    with gate.wire() as wire:
        if chunked:
            parts = b"".join(b"%x\r\n%s\r\n" % (len(body[n:n + 70000]), body[n:n + 70000])
                             for n in range(0, len(body), 70000))
            wire.send(b"PUT /thing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n")
        else:
            wire.send(request("PUT", "/thing", body=body))
        assert wire.answer().status == 200
    assert raw_upstream.calls_of("/thing")[0].body == body
    key = (gate.data_dir / "audit.key").read_bytes()
    assert len(key) == 32 and (gate.data_dir / "audit.key").stat().st_mode & 0o077 == 0
    assert record_of(gate, "done", method="PUT")["body_hmac"] == hmac.new(key, body, "sha256").hexdigest()


def test_bodies_none_records_no_digest(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, audit={"bodies": "none"})
    gate.put("/thing", json={"a": 1})
    assert "body_hmac" not in record_of(gate, "done", method="PUT")


def test_bodies_are_recorded_nowhere(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    gate.put("/thing", json={"field": "a-very-private-value"})
    record_of(gate, "done", method="PUT")
    assert gate.files_with("a-very-private-value") == []


def test_audit_false_leaves_no_trail(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, audit=False)
    assert gate.get("/thing").status_code == 200
    assert gate.put("/thing", json={}).status_code == 200
    assert not (gate.data_dir / "audit").exists() or list((gate.data_dir / "audit").iterdir()) == []
    assert gate.status()["audit"] is None
    assert not any("audit" in name for name in gate.metrics())


def test_records_are_in_the_order_of_their_time_and_whole_lines(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    for n in range(50):
        gate.get(f"/thing/{n}?x=%22%5C%0A")
    until(lambda: len(gate.done()) == 50, "50 records")
    gate.restart()
    gate.get("/after")
    until(lambda: len(gate.done()) == 51, "one more")
    for path in (gate.data_dir / "audit").iterdir():
        assert path.stat().st_mode & 0o077 == 0
        for line in path.read_bytes().splitlines():
            json.loads(line)


def hammer(gate, name, ids, writes):
    """Reads and writes until the gate dies; notes the id of each answer that came whole."""
    count = 0
    try:
        with gate.wire() as wire:
            while True:
                count += 1
                method = "PUT" if count % writes == 0 else "GET"
                asked = f"{name}.{count}"
                answer = wire.request(method, f"/thing/{count % 7}", f"X-Request-Id: {asked}",
                                      body=b"{}" if method == "PUT" else b"")
                assert answer.status == 200 and answer.field("X-Request-Id") == asked
                ids.append((asked, method))
    except (AssertionError, OSError):
        if gate.is_running and not gate.dying:
            raise


def test_kill_9_loses_no_record_of_an_answered_exchange(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, start=False)
    answered = []
    for turn in range(ROUNDS):
        gate.dying = False
        gate.start()
        ids = []
        threads = [threading.Thread(target=hammer, args=(gate, f"{turn}.{n}", ids, 5 + 3 * n)) for n in range(6)]
        for thread in threads:
            thread.start()
        wanted = 20 + 37 * turn % 200
        until(lambda: len(ids) >= wanted, "answers")
        gate.dying = True
        gate.kill()
        for thread in threads:
            thread.join()
        answered += ids
    gate.start()
    done = {}
    for record in gate.audit():
        if record["kind"] == "done":
            assert record["id"] not in done, "twice"
            done[record["id"]] = record
    intents = {record["id"] for record in gate.audit() if record["kind"] == "intent"}
    assert [asked for asked, _ in answered if asked not in done] == []
    assert [asked for asked, method in answered if method == "PUT" and asked not in intents] == []
    assert len(answered) >= 20 * ROUNDS
