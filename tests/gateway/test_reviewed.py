"""What a review of the whole gate found, each as its user would notice it. The names are the symptoms."""

import gzip
import hashlib
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import threading
import time

import pytest

import gate as shared
from gate import cache_status, is_hit, merged, reply, request, until, write_secret

PLAIN = {"copernica": {"preset": None, "inject": {"header": "Authorization", "format": "Bearer %s"}}}
KEY = "k" * 32
CLIENT = {"name": "app", "key_sha256": hashlib.sha256(KEY.encode()).hexdigest()}


class State:
    """An upstream with one value on every path: GET tells it, a write sets it to "new"."""

    def __init__(self, raw, holds_writes=None):
        self.value = "old"
        self.raw = raw
        self.holds_writes = holds_writes
        raw.on("*", self)

    def __call__(self, call):
        call.body
        if call.method not in ("GET", "HEAD"):
            if self.holds_writes is not None:
                call.hold(self.holds_writes)
            self.value = "new"
        call.reply(json.dumps(self.value))


class Background(threading.Thread):
    """One call in a thread of its own; join() gives what it returned, or raises what it raised."""

    def __init__(self, function):
        super().__init__(daemon=True)
        self.function = function
        self.value = self.error = None
        self.start()

    def run(self):
        try:
            self.value = self.function()
        except BaseException as error:  # told by done()
            self.error = error

    def done(self):
        self.join(shared.WAIT)
        assert not self.is_alive(), "it did not end"
        if self.error is not None:
            raise self.error
        return self.value


# --- the gate lives ---


def stands_still(gate):
    """It has served somebody, and nobody in the last tenth of a second."""
    before = gate.metric("postern_requests_total")
    time.sleep(0.1)
    return gate.metric("postern_requests_total") == before > 1


@pytest.mark.parametrize("fields, status", [((), 401), (("X-Api-Key: " + KEY,), 200)])
def test_a_client_that_pipelines_60000_reads_and_takes_no_answer_harms_nobody(make_gate, raw_upstream, fields,
                                                                              status):
    gate = make_gate(raw_upstream, clients=[CLIENT])
    key = {"X-Api-Key": KEY}
    gate.warm("/thing", headers=key)
    many = request("GET", "/thing", *fields) * 59999 + request("GET", "/thing", "Connection: close", *fields)
    with gate.wire() as wire:
        sender = Background(lambda: wire.send(many))
        until(lambda: stands_still(gate), "the end of what it does without the client")
        for _ in range(100):
            assert is_hit(gate.get("/thing", headers=key))
        received = b"".join(iter(lambda: wire.socket.recv(1 << 16), b""))
        sender.done()
    statuses = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
    assert gate.is_running
    assert (len(statuses), set(statuses)) == (60000, {status})


def test_a_client_that_resets_as_a_long_answer_of_a_write_begins_harms_nobody(make_gate, raw_upstream):
    long = os.urandom(1 << 20)

    def script(call):
        call.body
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(long))
        call.send(long)

    raw_upstream.on("/long", script)
    gate = make_gate(raw_upstream, workers=1, upstreams=PLAIN)
    for n in range(100):
        client = gate.raw()
        client.sendall(request("POST", "/long", body=b"x"))
        time.sleep(0.0005 * (n % 12))  # so that the resets meet different moments of the answer
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert gate.is_running, gate.log_text()
    assert gate.post("/long", content=b"x").content == long


@pytest.mark.parametrize("method, path", [("POST", "/bomb"), ("GET", "/bomb"), ("GET", "/live/bomb")])
def test_40_kb_of_gzip_that_hold_40_mb_are_answered_whole_or_502(make_gate, raw_upstream, method, path):
    plain = b"A" * (40 << 20)
    raw_upstream.on("*", reply(gzip.compress(plain, 9), 200, ["Content-Encoding: gzip"]))
    gate = make_gate(raw_upstream, upstreams=PLAIN, cache={
        "rules": [{"match": "/live/**", "store": False}, {"match": "/**", "ttl": "1h"}]})
    answer = gate.ask(method, path)
    assert answer.status_code in (200, 502)
    assert answer.status_code == 502 or answer.content == plain
    assert gate.is_running


@pytest.mark.parametrize("method, path", [("POST", "/long"), ("GET", "/long"), ("GET", "/live/long")])
def test_a_long_coded_answer_reaches_a_client_that_takes_its_time_whole(make_gate, raw_upstream, method, path):
    """In two members, compressed now well and now badly, so that its parts grow in all ways."""
    plain = b"".join(b"%07d\n" % n for n in range(1 << 18)) + b"A" * (24 << 20) + os.urandom(1 << 20)
    coded = gzip.compress(plain[:-5000000], 6) + gzip.compress(plain[-5000000:], 6)
    raw_upstream.on("*", reply(coded, 200, ["Content-Encoding: gzip"]))
    gate = make_gate(raw_upstream, upstreams=PLAIN, cache={
        "rules": [{"match": "/live/**", "store": False}, {"match": "/**", "ttl": "1h"}]})
    with gate.wire() as wire:
        wire.send(request(method, path, "Connection: close"))
        time.sleep(0.3)  # meanwhile it fills what buffers there are, or not: a test of either
        assert wire.answer(method).body == plain


# --- the token stays inside ---


@pytest.mark.parametrize("forward", [None, ["*"]])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_token_can_not_be_collected_in_pieces(make_gate, raw_upstream, method, forward):
    whole = json.dumps({"next": "http://x/?t=" + raw_upstream.token, "pad": "x" * 50}).encode()

    def script(call):
        call.body
        wanted = call.field("Range")
        if wanted is None:
            return call.reply(whole)
        first, last = map(int, wanted.partition("=")[2].split("-"))
        piece = whole[first:last + 1]
        call.reply(piece, 206, [f"Content-Range: bytes {first}-{first + len(piece) - 1}/{len(whole)}"])

    raw_upstream.on("/live", script)
    gate = make_gate(raw_upstream, upstreams=merged(PLAIN, {"copernica": {"forward": forward}}),
                     cache={"rules": [{"match": "/live", "store": False}]})
    scrubbed = gate.ask(method, "/live").content
    for first in range(0, len(whole), 8):
        answer = gate.ask(method, "/live", headers={"Range": f"bytes={first}-{first + 7}"})
        assert (answer.status_code, answer.content) == (200, scrubbed)
    assert raw_upstream.token.encode() not in scrubbed
    assert all(call.field("Range") is None for call in raw_upstream.calls)


@pytest.mark.parametrize("codings", [["gzip, identity"], ["gzip", "identity"], ["identity", "gzip"],
                                     ["identity, gzip"], ["gzip"], ["GZIP"], ["x-gzip"]])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_token_does_not_come_back_under_a_content_coding(make_gate, raw_upstream, method, codings):
    token = raw_upstream.token.encode()
    body = gzip.compress(b"hello ") + gzip.compress(b'{"t": "' + token + b'"}')  # two members
    raw_upstream.on("/thing", reply(body, 200, [f"Content-Encoding: {coding}" for coding in codings]))
    gate = make_gate(raw_upstream, upstreams=PLAIN)
    with gate.wire() as wire:
        wire.send(request(method, "/thing", "Accept-Encoding: gzip", "Connection: close", body=b""))
        received = wire.answer(method)
    assert token not in received.body
    assert received.status == 502 or received.body.startswith(b"hello ") or \
        token not in gzip.decompress(received.body)


@pytest.mark.parametrize("token", ["a token of 24 characters", "token-with\ttab-012345678"])
def test_a_token_with_a_space_is_refused_at_the_start(make_gate, raw_upstream, token):
    """Such a token has spellings (+, %20) in which it would come back unseen."""
    gate = make_gate(raw_upstream, start=False, upstreams=PLAIN)
    write_secret(gate.token_file, token)
    gate.start_without_waiting()
    until(lambda: not gate.is_running or "listening on" in gate.log_text(), "its end")
    assert not gate.is_running, "it accepts the token"
    assert gate.wait() not in (0, None)
    gate.process = None
    assert "token" in gate.log_text() and token not in gate.log_text()


def without_privilege():
    """What takes from a process of root the right to look into every other; nothing for another user."""
    return ["setpriv", "--inh-caps=-sys_ptrace", "--bounding-set=-sys_ptrace"] if os.getuid() == 0 else []


def may_look_into(pid):
    """Whether a process of the same user may look into process `pid` (which takes what ptrace takes)."""
    look = subprocess.run([*without_privilege(), "readlink", f"/proc/{pid}/exe"], capture_output=True,
                          timeout=shared.WAIT)
    return look.returncode == 0


def test_no_process_of_the_same_user_looks_into_the_gate_and_it_dumps_no_core(make_gate, raw_upstream, tmp_path,
                                                                              monkeypatch):
    starter = tmp_path / "starter"
    starter.write_text(f'#!/bin/sh\nexec {" ".join(without_privilege())} "{shared.POSTERN}" "$@"\n')
    starter.chmod(0o755)
    bystander = subprocess.Popen([*without_privilege(), "sleep", "600"])
    try:
        comm = pathlib.Path(f"/proc/{bystander.pid}/comm")
        until(lambda: comm.read_text() == "sleep\n", "the bystander's start")
        if not may_look_into(bystander.pid):
            pytest.skip("nobody looks into any process here")
    finally:
        bystander.kill()
        bystander.wait(timeout=shared.WAIT)
    monkeypatch.setattr(shared, "POSTERN", str(starter))
    gate = make_gate(raw_upstream)
    assert not may_look_into(gate.pid)
    limits = pathlib.Path(f"/proc/{gate.pid}/limits").read_text().splitlines()
    assert next(line for line in limits if line.startswith("Max core file size")).split()[4:6] == ["0", "0"]


# --- nothing older is read ---


def test_a_write_that_waits_while_the_token_changes_is_seen_through_the_new_token(make_gate, raw_upstream):
    may_end = threading.Event()
    state = State(raw_upstream, holds_writes=may_end)
    gate = make_gate(raw_upstream, upstreams=PLAIN)
    with gate.wire() as wire:
        wire.send(request("PUT", "/thing", body=b"x"))
        raw_upstream.wait_for("/thing")
        write_secret(gate.token_file, "another-token-0123456789")
        gate.hup()
        assert gate.warm("/thing").json() == "old"
        may_end.set()
        assert wire.answer("PUT").status == 200
    assert state.value == "new"
    assert gate.get("/thing").json() == "new"


@pytest.mark.parametrize("writer", [0, 1])
def test_two_upstreams_of_one_origin_see_each_others_writes(make_gate, raw_upstream, writer):
    State(raw_upstream)
    keys = ["a" * 32, "b" * 32]
    gate = make_gate(
        raw_upstream,
        upstreams={"copernica": None, "one": {"url": raw_upstream.url}, "two": {"url": raw_upstream.url + "/v1"}},
        clients=[{"name": name, "key_sha256": hashlib.sha256(key.encode()).hexdigest(), "upstream": name}
                 for name, key in zip(("one", "two"), keys)])
    places = [("/v1/thing", {"X-Api-Key": keys[0]}), ("/thing", {"X-Api-Key": keys[1]})]
    path, key = places[1 - writer]
    assert gate.warm(path, headers=key).json() == "old"
    assert gate.put(places[writer][0], headers=places[writer][1], content=b"x").status_code == 200
    assert gate.get(path, headers=key).json() == "new"


def test_a_slow_fetch_does_not_overwrite_what_a_later_forced_read_stored(make_gate, raw_upstream):
    may_end = threading.Event()
    value = ["old"]

    def script(call):
        seen = value[0]
        if len(raw_upstream.calls_of("/thing")) == 1:
            call.hold(may_end)
        call.reply(json.dumps(seen))

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream, upstreams=PLAIN)
    with gate.wire() as slow:
        slow.send(request("GET", "/thing"))
        raw_upstream.wait_for("/thing")
        value[0] = "new"
        assert gate.get("/thing", headers={"Cache-Control": "no-cache"}).json() == "new"
        until(lambda: gate.metric("postern_cache_stores_total") == 1, "its store")
        may_end.set()
        slow.answer()
    for _ in range(20):
        assert gate.get("/thing").json() == "new"
        time.sleep(0.01)  # a store may follow its answer


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_503_to_a_write_leaves_its_outcome_as_unknown_as_a_502(make_gate, raw_upstream, status):
    def script(call):
        call.body
        call.reply(b'{"v": 1}', 200 if call.method == "GET" else status)

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream)  # whose calls, and so its quarantines, last 60 s

    def fresh_for():
        return int(cache_status(gate.warm("/thing"))[1]["ttl"])

    assert fresh_for() > 3000
    assert gate.put("/thing", json={}).status_code == status
    assert fresh_for() <= 60


# --- the administration's address ---


def test_only_the_administration_s_own_pages_may_purge(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    own = gate.admin.removeprefix("http://")
    port = own.rpartition(":")[2]

    def purge(origin, host=own):
        with gate.admin_wire() as wire:
            return wire.request("POST", "/api/purge", "Origin: " + origin, "Content-Type: application/json",
                                host=host, body=b'{"all": true}').status

    assert purge(gate.admin) == 200
    assert purge(f"http://localhost:{port}", host=f"localhost:{port}") == 200
    for origin in ("http://localhost:1", "http://localhost", "http://127.0.0.1:1", "null", "http://evil.test",
                   f"http://evil.test:{port}", f"https://{own}"):
        assert purge(origin) == 403, origin


# --- what caches owe ---


def test_a_304_that_nobody_asked_for_is_a_502_and_is_not_stored(make_gate, raw_upstream):
    raw_upstream.on("/thing", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')
    gate = make_gate(raw_upstream, upstreams=PLAIN)
    with gate.wire() as wire:
        assert [wire.request("GET", "/thing").status for _ in range(2)] == [502, 502]
    raw_upstream.on("/thing", reply(b'"whole"'))
    answer = gate.get("/thing")
    assert (answer.status_code, answer.content, is_hit(answer)) == (200, b'"whole"', False)


def test_answers_that_went_nowhere_tell_no_forwarding(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, upstreams=PLAIN)
    gate.warm("/thing")
    calls = len(raw_upstream.calls)
    failed = gate.get("/thing", headers={"If-Match": '"other"'})
    unknown = gate.get("/nothing", headers={"Cache-Control": "only-if-cached"})
    assert (failed.status_code, unknown.status_code) == (412, 504)
    assert "fwd=" not in failed.headers.get("cache-status", "")
    assert "fwd=" not in unknown.headers.get("cache-status", "")
    assert len(raw_upstream.calls) == calls


def test_a_request_with_no_store_makes_a_call_of_its_own(make_gate, raw_upstream):
    state = State(raw_upstream)
    gate = make_gate(raw_upstream, upstreams=PLAIN)
    gate.warm("/thing")
    state.value = "new"
    calls = len(raw_upstream.calls)
    answer = gate.get("/thing", headers={"Cache-Control": "no-store"})
    assert answer.json() == "new" and not is_hit(answer)
    assert len(raw_upstream.calls) == calls + 1
