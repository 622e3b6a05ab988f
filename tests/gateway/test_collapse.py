"""Collapsed forwarding: one call for all who ask for the same at once, and never across a write (rule 6)."""

import json
import socket
import struct
import threading

import pytest

from gate import WAIT, cache_status, is_hit, reply, request, until

GET = request("GET", "/thing")


class Held:
    """A script that waits for `go` before it answers."""

    def __init__(self, answer):
        self.answer = answer
        self.go = threading.Event()

    def __call__(self, call):
        call.body
        call.hold(self.go)
        if isinstance(self.answer, bytes):
            call.send(self.answer)
        else:
            self.answer(call)


def reset(wire):
    """Closes so that the peer sees a reset."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def unread_bytes(wire):
    """What we sent and the gate has not read yet, by the kernel's table of sockets."""
    def name(address):
        return "%08X:%04X" % (struct.unpack("<I", socket.inet_aton(address[0]))[0], address[1])

    theirs = (name(wire.socket.getpeername()), name(wire.socket.getsockname()))
    with open("/proc/net/tcp") as table:
        for _, local, remote, _, queues, *_ in map(str.split, table.readlines()[1:]):
            if (local, remote) == theirs:
                return int(queues.split(":")[1], 16)
    return None  # not accepted yet


def wait_until_read(wires):
    """Until the gate has taken in every request that was sent."""
    until(lambda: all(unread_bytes(wire) == 0 for wire in wires), "the requests' reading")


def join(gate, count):
    """So many connections whose GET /thing the gate has read."""
    wires = [gate.wire().send(GET) for _ in range(count)]
    wait_until_read(wires)
    return wires


def close(wires):
    for wire in wires:
        wire.close()


def test_fifty_at_once_over_two_workers_cost_one_call(make_gate, raw_upstream):
    held = Held(reply('{"shared": true}'))
    raw_upstream.on("/thing", held)
    gate = make_gate(raw_upstream)
    wires = join(gate, 50)
    raw_upstream.wait_for("/thing")
    held.go.set()
    answers = [wire.answer() for wire in wires]
    close(wires)
    assert [answer.body for answer in answers] == [b'{"shared": true}'] * 50
    ways = [cache_status(answer) for answer in answers]
    assert sum(1 for _, table in ways if table.get("collapsed")) == 49
    assert len(raw_upstream.calls_of("/thing")) == 1
    assert gate.metric("postern_requests_total", cache="collapsed") == 49
    assert gate.metric("postern_upstream_calls_saved_total") == 49


@pytest.mark.parametrize("answer, status", [
    (reply('{"a": 1}', status=500), 500),
    (reply("<html>Too many</html>", status=503), 503),
    (reply('{"error": {"message": "No entity"}}', status=400), 400),
    (lambda call: call.close() or call.socket.shutdown(2), 502),
    (lambda call: call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab") or call.close(), 502),
])
def test_who_waits_gets_errors_too(make_gate, raw_upstream, answer, status):
    held = Held(answer)
    raw_upstream.on("/thing", held)
    gate = make_gate(raw_upstream)
    wires = join(gate, 10)
    raw_upstream.wait_for("/thing")
    held.go.set()
    assert [wire.answer().status for wire in wires] == [status] * 10
    close(wires)
    assert len(raw_upstream.calls_of("/thing")) == 1


def test_a_call_that_comes_too_late_is_told_to_all(make_gate, raw_upstream):
    raw_upstream.on("/thing", Held(reply()))
    gate = make_gate(raw_upstream, upstreams={"copernica": {"timeouts": {"total": "1s"}}})
    wires = join(gate, 5)
    assert [wire.answer().status for wire in wires] == [504] * 5
    close(wires)


def test_the_leader_may_leave_and_the_others_get_the_answer(make_gate, raw_upstream):
    held = Held(reply('{"a": 1}'))
    raw_upstream.on("/thing", held)
    gate = make_gate(raw_upstream)
    leader = gate.wire()
    leader.send(GET)
    raw_upstream.wait_for("/thing")
    wires = join(gate, 6)
    reset(leader)
    until(lambda: gate.metric("postern_requests_total", status="0xx") == 1, "the leader's going")
    held.go.set()
    assert [wire.answer().json() for wire in wires] == [{"a": 1}] * 6
    close(wires)
    assert len(raw_upstream.calls_of("/thing")) == 1
    with gate.wire() as wire:
        until(lambda: is_hit(wire.request("GET", "/thing")), "the store")


def test_the_call_ends_when_the_last_one_has_left(make_gate, raw_upstream):
    ended = threading.Event()

    def script(call):
        call.body
        call.socket.settimeout(WAIT)
        if call.socket.recv(1) == b"":
            ended.set()
        call.close()

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream)
    leader = gate.wire()
    leader.send(GET)
    raw_upstream.wait_for("/thing")
    wires = join(gate, 3)
    reset(leader)
    until(lambda: gate.metric("postern_requests_total", status="0xx") == 1)
    assert not ended.is_set() and gate.metric("postern_flights") == 1
    for wire in wires:
        reset(wire)
    assert ended.wait(WAIT), "the upstream's connection is closed"
    until(lambda: gate.metric("postern_flights") == 0)


@pytest.mark.parametrize("fields", [["Cache-Control: private"], ["Cache-Control: no-store"]])
def test_private_answers_are_not_shared_and_remembered(make_gate, raw_upstream, fields):
    numbers = iter(range(1000))

    def script(call):
        call.hold(go)
        call.reply(json.dumps({"mine": next(numbers)}), fields=fields)

    go = threading.Event()
    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream)
    wires = join(gate, 8)
    go.set()
    mine = [wire.answer().json()["mine"] for wire in wires]
    close(wires)
    assert len(set(mine)) == 8, "each has its own"
    go.clear()
    wires = join(gate, 8)  # remembered: nobody waits for another's answer
    raw_upstream.wait_for("/thing", 16)
    go.set()
    assert len({wire.answer().json()["mine"] for wire in wires}) == 8
    close(wires)


def test_answers_that_are_too_large_are_not_shared(make_gate, raw_upstream):
    held = Held(reply(b"x" * 300000))
    raw_upstream.on("/thing", held)
    gate = make_gate(raw_upstream, cache={"max_object": "128KiB"})
    wires = join(gate, 4)
    held.go.set()
    for wire in wires:
        assert len(wire.answer().body) == 300000
    close(wires)
    assert len(raw_upstream.calls_of("/thing")) == 4


def test_one_that_turns_out_too_large_on_the_way_is_not_shared(make_gate, raw_upstream):
    piece = b"%x\r\n%s\r\n" % (65536, b"y" * 65536)
    held = Held(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + piece * 8 + b"0\r\n\r\n")
    raw_upstream.on("/thing", held)
    gate = make_gate(raw_upstream, cache={"max_object": "256KiB"})
    wires = join(gate, 4)
    held.go.set()
    for wire in wires:
        assert wire.answer().body == b"y" * (8 * 65536)
    close(wires)
    assert len(raw_upstream.calls_of("/thing")) == 4


def test_requests_that_differ_in_what_the_answer_varies_by_are_not_mixed(make_gate, raw_upstream):
    go = threading.Event()

    def script(call):
        call.hold(go)
        call.reply(json.dumps({"tenant": call.field("X-Tenant")}), fields=["Vary: X-Tenant"])

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream, upstreams={"copernica": {"forward": ["X-Tenant"]}})
    wires = [gate.wire() for _ in range(6)]
    for n, wire in enumerate(wires):
        wire.send(request("GET", "/thing", f"X-Tenant: t{n % 2}"))
    wait_until_read(wires)
    go.set()
    for n, wire in enumerate(wires):
        assert wire.answer().json() == {"tenant": f"t{n % 2}"}
    close(wires)


def test_different_urls_do_not_wait_for_each_other(make_gate, raw_upstream):
    raw_upstream.on("/thing", Held(reply()))
    gate = make_gate(raw_upstream)
    with gate.wire() as wire:
        wire.send(GET)
        raw_upstream.wait_for("/thing")
        assert gate.get("/other").status_code == 200


# --- across a write (rules 4 and 6) ---


def test_a_read_after_an_answered_write_joins_no_flight_from_before_it(make_gate, raw_upstream):
    state = {"value": "old"}
    old_may_go = threading.Event()

    def script(call):
        call.body
        if call.method == "PUT":
            state["value"] = "new"
        seen = state["value"]
        if seen == "old":
            call.hold(old_may_go)  # it looked before the write, and answers late
        call.reply(json.dumps({"value": seen}))

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream)
    first, second = gate.wire(), gate.wire()
    first.send(GET)
    raw_upstream.wait_for("/thing")
    assert gate.put("/thing", json={"value": "new"}).status_code == 200
    assert second.request("GET", "/thing").json() == {"value": "new"}, "a call of its own"
    old_may_go.set()
    assert first.answer().json() == {"value": "old"}, "it asked before the write: that is lawful"
    until(lambda: gate.metric("postern_flights") == 0 and gate.metric("postern_writer_queue") == 0)
    for _ in range(3):
        assert second.request("GET", "/thing").json() == {"value": "new"}, "the old one is not stored"
    assert len(raw_upstream.calls_of("/thing", "GET")) == 2
    close([first, second])


def test_the_old_answer_alone_is_not_stored_either(make_gate, raw_upstream):
    state = {"value": "old"}
    old_may_go = threading.Event()

    def script(call):
        call.body
        if call.method == "PUT":
            state["value"] = "new"
        seen = state["value"]
        if seen == "old":
            call.hold(old_may_go)
        call.reply(json.dumps({"value": seen}))

    raw_upstream.on("*", script)
    gate = make_gate(raw_upstream)
    with gate.wire() as wire:
        wire.send(GET)
        raw_upstream.wait_for("/thing")
        assert gate.put("/elsewhere", json={}).status_code == 200
        old_may_go.set()
        assert wire.answer().json() == {"value": "old"}
        until(lambda: gate.metric("postern_flights") == 0 and gate.metric("postern_writer_queue") == 0)
        assert wire.request("GET", "/thing").json() == {"value": "new"}
    assert gate.metric("postern_cache_refused_stores_total") == 1


def test_reads_during_a_write_that_is_not_answered_may_join(make_gate, raw_upstream):
    go = threading.Event()

    def script(call):
        call.body
        call.hold(go)
        call.reply('{"a": 1}')

    raw_upstream.on("*", script)
    gate = make_gate(raw_upstream)
    with gate.wire() as writer:
        writer.send(request("PUT", "/else", body=b"{}"))
        raw_upstream.wait_for("/else")
        wires = join(gate, 4)
        raw_upstream.wait_for("/thing")
        go.set()
        assert [wire.answer().json() for wire in wires] == [{"a": 1}] * 4
        assert writer.answer().status == 200
        close(wires)
    assert len(raw_upstream.calls_of("/thing")) == 1


def test_a_flight_that_waits_for_its_turn_takes_joiners_over_a_write(make_gate, raw_upstream):
    """Rule 1: begun counts from the sending. A call still in the budget's queue will see the write."""
    write_may_end, blockers_may_end = threading.Event(), threading.Event()

    def script(call):
        call.body
        if call.path == "/block":
            call.hold(blockers_may_end)
        elif call.method == "PUT":
            call.hold(write_may_end)
        call.reply('{"a": 1}')

    def queued():
        return gate.status()["upstreams"][0]["queued"]

    raw_upstream.on("*", script)
    gate = make_gate(raw_upstream, upstreams={"copernica": {"budget": {"concurrency": 2},
                                                            "timeouts": {"queue": "80s"}}})
    with gate.wire() as writer, gate.wire() as first, gate.wire() as joiner:
        writer.send(request("PUT", "/else", body=b"{}"))
        raw_upstream.wait_for("/else")
        blockers = [gate.wire().send(request("GET", f"/block?n={n}")) for n in (1, 2)]
        until(lambda: queued() == 1, "the second blocker's queueing")
        first.send(GET)
        until(lambda: queued() == 2, "the read's queueing")
        write_may_end.set()
        assert writer.answer().status == 200
        assert raw_upstream.calls_of("/thing") == [] and queued() == 1
        joiner.send(GET)
        assert joiner.is_quiet() and queued() == 1, "it waits for the first one's call"
        blockers_may_end.set()
        assert first.answer().json() == joiner.answer().json() == {"a": 1}
        close(blockers)
        assert len(raw_upstream.calls_of("/thing")) == 1
        until(lambda: is_hit(first.request("GET", "/thing")), "the store: its call was sent after the write")
