"""The twelve rules that keep promise 1, each directed from outside: after an answered write nothing older is read.

The numbers in the names are those of docs' "The order that keeps promise 1". The model check of rules 1 to 6
and the unit tests of cache/ see what can't be directed from here.
"""

import json
import resource
import socket
import struct
import threading

import pytest

from gate import RawUpstream, cache_status, is_hit, reply, request, until

GET = request("GET", "/thing")
LONG = "3600s"  # a quarantine that no test outlives


def put(path="/thing", body=b"{}"):
    return request("PUT", path, body=body)


class State:
    """An upstream with one value: PUT sets it, GET tells it. `on_write` scripts what a write is answered."""

    def __init__(self, raw, on_write=None):
        self.value = "old"
        self.raw = raw
        self.on_write = on_write
        self.holds_reads = None
        raw.on("*", self)

    def __call__(self, call):
        if call.path == "/identity":
            call.body
            call.send(self.raw.scripts["/identity"])
        elif call.method in ("GET", "HEAD"):
            call.body
            seen = self.value
            if self.holds_reads is not None:
                call.hold(self.holds_reads)
            call.reply(json.dumps({"value": seen}))
        elif self.on_write is not None:
            self.on_write(self, call)
        else:
            call.body
            self.value = "new"
            call.reply()


def value(gate, path="/thing", **options):
    return gate.get(path, **options).json()["value"]


def warm(gate, path="/thing"):
    """The old value is stored and hits."""
    gate.get(path)
    until(lambda: is_hit(gate.get(path)), f"a hit of {path}")


def settled(gate):
    until(lambda: gate.metric("postern_writer_queue") == 0 and gate.metric("postern_flights") == 0)


def reset(wire):
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def quarantined(make_gate, raw_upstream, total, **overrides):
    """A gate whose calls, and so its quarantines, last `total`."""
    return make_gate(raw_upstream, upstreams={"copernica": {"timeouts": {"total": total}}}, **overrides)


def fresh_for(answer):
    """Seconds that a hit will still be one."""
    kind, table = cache_status(answer)
    return int(table["ttl"]) if kind == "hit" else None


def hit_of(gate, path="/thing"):
    return until(lambda: (lambda a: a if is_hit(a) else None)(gate.get(path)), "a hit")


# --- 2: the intent comes before the sending ---


def test_rule_2_the_intent_stands_before_the_write_is_sent(make_gate, raw_upstream):
    seen = {}

    def on_write(state, call):
        call.body
        until(lambda: gate.metric("postern_intents") == 1, "the intent")
        seen["intents"] = 1
        call.reply()

    State(raw_upstream, on_write)
    gate = make_gate(raw_upstream)
    assert gate.put("/thing", json={}).status_code == 200
    assert seen["intents"] == 1
    until(lambda: gate.metric("postern_intents") == 0, "it goes with the invalidation")


def test_rule_2_a_write_that_cannot_be_put_on_record_is_refused_and_not_sent(make_gate, raw_upstream):
    State(raw_upstream)
    gate = make_gate(raw_upstream)
    warm(gate)
    resource.prlimit(gate.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    try:
        answer = gate.put("/thing", json={})
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert "retry-after" in answer.headers
        assert raw_upstream.calls_of("/thing", "PUT") == []
        assert value(gate) == "old", "reads go on"
    finally:
        resource.prlimit(gate.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    until(lambda: gate.put("/thing", json={}).status_code == 200, "writes, once there is room again")
    assert value(gate) == "new"


# --- 3: invalidated, committed, published, and only then answered ---


@pytest.mark.parametrize("status", [200, 201, 202, 204, 301, 303, 400, 404, 409, 422, 500, 501, 502, 503, 504])
def test_rule_3_after_any_answer_that_may_mean_a_change_the_new_state_is_read(make_gate, raw_upstream, status):
    def on_write(state, call):
        call.body
        state.value = "new"
        call.send(b"HTTP/1.1 204 No Content\r\n\r\n" if status == 204 else reply(b"{}", status))

    State(raw_upstream, on_write)
    gate = make_gate(raw_upstream)
    warm(gate)
    assert gate.put("/thing", json={}).status_code == status
    assert value(gate) == "new"


@pytest.mark.parametrize("status", [401, 403, 413, 415, 429])
def test_rule_3_a_write_that_surely_had_no_effect_costs_no_entries(make_gate, raw_upstream, status):
    State(raw_upstream, lambda state, call: call.body is None or call.reply(status=status))
    gate = make_gate(raw_upstream)
    warm(gate)
    assert gate.put("/thing", json={}).status_code == status
    assert is_hit(gate.get("/thing"))
    assert gate.metric("postern_intents") == 0


def test_rule_3_a_write_that_was_not_sent_costs_no_entries(make_gate, raw_upstream):
    """It waits in the budget's queue until it is refused; nothing went up."""
    may_go = threading.Event()

    def script(call):
        call.body
        if call.path == "/block":
            call.hold(may_go)
        call.reply()

    raw_upstream.on("*", script)
    gate = make_gate(raw_upstream, upstreams={"copernica": {"budget": {"concurrency": 1}, "timeouts": {"queue": "1s"}}})
    warm(gate)
    with gate.wire() as blocker:
        blocker.send(request("GET", "/block"))
        raw_upstream.wait_for("/block")
        answer = gate.put("/thing", json={})
        assert answer.status_code == 429 and "retry-after" in answer.headers
        assert is_hit(gate.get("/thing"))
        may_go.set()
        assert blocker.answer().status == 200
    assert raw_upstream.calls_of("/thing", "PUT") == [] and gate.metric("postern_intents") == 0


def test_rule_3_a_write_to_an_upstream_that_is_not_there_costs_no_entries(make_gate):
    upstream = RawUpstream()
    try:
        State(upstream)
        gate = make_gate(upstream)
        warm(gate)
        gate.stop()
    finally:
        upstream.stop()
    gate.start()
    assert gate.put("/thing", json={}).status_code == 502
    assert is_hit(gate.get("/thing")) and gate.metric("postern_intents") == 0


def test_rule_3_every_method_but_the_safe_ones_invalidates(make_gate, raw_upstream):
    State(raw_upstream)
    gate = make_gate(raw_upstream)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        warm(gate)
        assert gate.ask(method, "/thing").status_code == 200
        assert not is_hit(gate.get("/thing")), method
        settled(gate)
    warm(gate)
    for method in ("GET", "HEAD", "OPTIONS"):
        gate.ask(method, "/thing")
        assert is_hit(gate.get("/thing")), method


def test_rule_3_every_path_of_the_account_is_read_anew(make_gate, raw_upstream):
    State(raw_upstream)
    gate = make_gate(raw_upstream)
    paths = [f"/v{n % 4 + 1}/thing/{n}" for n in range(12)]
    for path in paths:
        warm(gate, path)
    assert gate.put("/v2/elsewhere/1", json={}).status_code == 200
    assert [value(gate, path) for path in paths] == ["new"] * 12


def test_rule_3_unmatched_writes_path_names_what_is_above_and_below_too(make_gate, raw_upstream):
    State(raw_upstream)
    gate = make_gate(raw_upstream, cache={"unmatched_writes": "path"}, upstreams={"copernica": {
        "preset": None, "inject": {"header": "Authorization", "format": "Bearer %s"}}})
    paths = ("/a/b", "/a", "/a/b/c", "/a/d", "/e")
    for path in paths:
        warm(gate, path)
    assert gate.put("/a/b", json={}).status_code == 200
    assert [value(gate, path) for path in paths] == ["new"] * 3 + ["old"] * 2


def test_rule_3_a_long_answer_is_invalidated_for_before_its_head_and_again_before_its_end(make_gate, raw_upstream):
    rest_may_go = threading.Event()
    body = b"[" + b"1," * (512 * 1024) + b"1]"

    def on_write(state, call):
        call.body
        state.value = "new"
        answer = reply(body)
        call.send(answer[:400000])
        call.hold(rest_may_go)
        state.value = "newer"  # what it changed on the way
        call.send(answer[400000:])

    State(raw_upstream, on_write)
    gate = make_gate(raw_upstream)
    warm(gate)
    with gate.wire() as wire:
        wire.send(put())
        until(lambda: wire._more() and b"\r\n\r\n" in wire.received, "the head of the long answer")
        assert value(gate) == "new", "invalidated for before the head"
        until(lambda: is_hit(gate.get("/thing")), "it is stored again")
        rest_may_go.set()
        answer = wire.answer()
        assert answer.status == 200 and answer.body == body
    assert value(gate) == "newer", "and again before the last byte"
    assert gate.metric("postern_intents") == 0


def test_rule_3_a_long_answer_that_is_cut_is_cut_for_the_client_and_invalidated_for(make_gate, raw_upstream):
    def on_write(state, call):
        call.body
        state.value = "new"
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 500000)
        call.close()

    State(raw_upstream, on_write)
    gate = quarantined(make_gate, raw_upstream, LONG)
    warm(gate)
    with gate.wire() as wire:
        wire.send(put())
        got = wire.rest()
        assert got.startswith(b"HTTP/1.1 200") and len(got) < 1000000
    until(lambda: gate.metric("postern_intents") == 0)
    assert value(gate) == "new"


# --- 4, 5, 6: see test_collapse.py; here what they say of storing ---


def test_rule_4_a_read_that_the_upstream_answered_before_a_write_is_not_stored_after_it(make_gate, raw_upstream):
    state = State(raw_upstream)
    gate = make_gate(raw_upstream)
    state.holds_reads = threading.Event()
    with gate.wire() as slow:
        slow.send(GET)
        raw_upstream.wait_for("/thing")
        may_go, state.holds_reads = state.holds_reads, None
        assert gate.put("/thing", json={}).status_code == 200
        may_go.set()
        assert slow.answer().json() == {"value": "old"}
        settled(gate)
        assert slow.request("GET", "/thing").json() == {"value": "new"}
    assert gate.metric("postern_cache_refused_stores_total") == 1


def test_rule_4_a_304_that_began_before_a_write_freshens_nothing(make_gate, raw_upstream):
    state = {"etag": '"old"'}
    may_go = threading.Event()

    def script(call):
        call.body
        if call.method == "PUT":
            state["etag"] = '"new"'
            call.reply()
            return
        etag = state["etag"]
        if call.field("If-None-Match") == etag:
            call.hold(may_go)
            call.send(f"HTTP/1.1 304 Not Modified\r\nETag: {etag}\r\nCache-Control: max-age=1000\r\n\r\n")
        else:
            call.reply(json.dumps({"value": etag}), fields=[f"ETag: {etag}", "Cache-Control: max-age=0"])

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream)
    with gate.wire() as slow:
        slow.request("GET", "/thing")
        settled(gate)
        slow.send(GET)  # validates
        raw_upstream.wait_for("/thing", 2)
        assert gate.put("/thing", json={}).status_code == 200
        may_go.set()
        assert slow.answer().json() == {"value": '"new"'}, "it was fetched again without conditions"
        assert raw_upstream.calls_of("/thing")[-1].field("If-None-Match") is None
        settled(gate)
        assert slow.request("GET", "/thing").json() == {"value": '"new"'}


def test_rule_5_the_same_connection_reads_its_own_write(make_gate, raw_upstream):
    state = State(raw_upstream)
    gate = make_gate(raw_upstream)
    with gate.wire() as one, gate.wire() as other:
        for n in range(30):
            state.value = "old"
            for wire in (one, other):
                wire.request("GET", "/thing")
            until(lambda: is_hit(one.request("GET", "/thing")))
            assert one.request("PUT", "/thing", body=b"{}").status == 200
            assert one.request("GET", "/thing").json() == {"value": "new"}
            assert other.request("GET", "/thing").json() == {"value": "new"}
            assert one.request("PUT", "/thing", body=b"{}").status == 200


# --- 7: conditions ---


def test_rule_5_who_reads_while_a_write_is_committed_reads_on_from_after_it(make_gate, raw_upstream):
    state = State(raw_upstream)
    gate = make_gate(raw_upstream, workers=1)
    warm(gate)
    done = threading.Event()

    def read():
        with gate.wire() as wire:
            while not done.wait(0.002):
                wire.request("GET", "/thing")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(5):
            assert gate.put("/thing", json={}).status_code == 200
            assert value(gate) == state.value
            state.value = "old"
            assert gate.put("/other", json={}).status_code == 200
            assert value(gate) == state.value
            until(lambda: is_hit(gate.get("/thing")))
    finally:
        done.set()
        reader.join()


def test_rule_7_if_match_with_the_gates_own_etag_is_judged_in_the_gate(make_gate, raw_upstream):
    State(raw_upstream)
    gate = make_gate(raw_upstream)
    warm(gate)
    etag = gate.get("/thing").headers["etag"]
    refused = gate.put("/thing", json={}, headers={"If-Match": etag[:-3] + '00"'})
    assert refused.status_code == 412
    assert raw_upstream.calls_of("/thing", "PUT") == [] and is_hit(gate.get("/thing"))
    assert gate.put("/thing", json={}, headers={"If-Match": etag}).status_code == 200
    assert raw_upstream.calls_of("/thing", "PUT")[0].field("If-Match") is None, "it never goes up"
    assert gate.put("/thing", json={}, headers={"If-Match": etag}).status_code == 412, "what it names is gone"
    assert value(gate) == "new"
    assert gate.put("/thing", json={}, headers={"If-Match": etag}).status_code == 412
    assert len(raw_upstream.calls_of("/thing", "PUT")) == 1


def test_rule_7_if_none_match_of_a_write_with_the_gates_own_etag_is_judged_in_the_gate(make_gate, raw_upstream):
    State(raw_upstream)
    gate = make_gate(raw_upstream)
    warm(gate)
    etag = gate.get("/thing").headers["etag"]
    assert gate.put("/thing", json={}, headers={"If-None-Match": etag}).status_code == 412
    assert raw_upstream.calls_of("/thing", "PUT") == []
    assert gate.put("/thing", json={}, headers={"If-None-Match": etag[:-3] + '00"'}).status_code == 200
    assert raw_upstream.calls_of("/thing", "PUT")[0].field("If-None-Match") is None, "it never goes up"


def test_a_token_that_comes_back_finds_nothing_from_before_the_other_ones_writes(make_gate, raw_upstream):
    """Two tokens of one account, and no identity call to tell so."""
    State(raw_upstream)
    gate = make_gate(raw_upstream, upstreams={"copernica": {"preset": None, "inject": {"query": "access_token"}}})
    warm(gate)
    first = gate.token_file.read_text()
    gate.token_file.write_text("another-" + first)
    gate.hup()
    until(lambda: gate.log_text().count("account token/") == 2)
    assert gate.put("/thing", json={}).status_code == 200
    gate.token_file.write_text(first)
    gate.hup()
    until(lambda: gate.log_text().count("account token/") == 3)
    assert value(gate) == "new"


def test_rule_7_if_match_with_the_upstreams_etag_goes_up(make_gate, raw_upstream):
    State(raw_upstream)
    gate = make_gate(raw_upstream)
    assert gate.put("/thing", json={}, headers={"If-Match": '"theirs"'}).status_code == 200
    assert raw_upstream.calls_of("/thing", "PUT")[0].field("If-Match") == '"theirs"'


# --- 8: unknown outcome ---


def close_after_receiving(state, call):
    call.body
    state.value = "new"
    call.close()


def cut_head(state, call):
    call.body
    state.value = "new"
    call.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    call.close()


def cut_body(state, call):
    call.body
    state.value = "new"
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    call.close()


def bad_head(state, call):
    call.body
    state.value = "new"
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}")
    call.close()


def cut_refusal(state, call):
    """The status of a write without effect, of which the rest does not come: not to be trusted."""
    call.body
    state.value = "new"
    call.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\n{")
    call.close()


def gateway_says(status):
    def on_write(state, call):
        call.body
        state.value = "new"
        call.reply(status=status)
    on_write.__name__ = f"says_{status}"
    return on_write


@pytest.mark.parametrize("on_write", [close_after_receiving, cut_head, cut_body, bad_head, cut_refusal,
                                      gateway_says(502), gateway_says(504)])
def test_rule_8_an_unknown_outcome_is_quarantined(make_gate, raw_upstream, on_write):
    state = State(raw_upstream, on_write)
    gate = quarantined(make_gate, raw_upstream, "60s")
    warm(gate)
    assert fresh_for(hit_of(gate)) > 3000
    assert gate.put("/thing", json={}).status_code in (502, 504)
    assert value(gate) == "new", "what is stored is gone"
    assert fresh_for(hit_of(gate)) <= 60, "and what is stored now is fresh no longer than the quarantine"
    assert gate.metric("postern_intents") == 0
    assert len(raw_upstream.calls_of("/thing", "PUT")) == 1
    state.on_write = None
    assert gate.put("/thing", json={}).status_code == 200
    value(gate)
    assert fresh_for(hit_of(gate)) <= 60, "a later write does not end it"


def test_rule_8_what_was_stored_in_a_quarantine_is_read_anew_when_it_ends(make_gate, raw_upstream):
    state = State(raw_upstream, close_after_receiving)
    gate = quarantined(make_gate, raw_upstream, "2s")
    warm(gate)
    assert gate.put("/thing", json={}).status_code == 502
    value(gate)
    state.value = "landed"  # the write of which nobody knew
    until(lambda: value(gate) == "landed", "the quarantine's end")
    until(lambda: (fresh_for(hit_of(gate)) or 0) > 3000, "the usual freshness, after it")


def test_rule_8_a_write_that_is_answered_too_late(make_gate, raw_upstream):
    def never(state, call):
        call.body
        state.value = "new"
        call.hold(threading.Event())

    State(raw_upstream, never)
    gate = quarantined(make_gate, raw_upstream, "1s")
    warm(gate)
    assert gate.put("/thing", json={}).status_code == 504
    assert value(gate) == "new"


def test_rule_8_a_client_that_goes_in_mid_upload(make_gate, raw_upstream):
    def on_write(state, call):
        state.value = "new"  # it acts on what it has got
        call.body

    State(raw_upstream, on_write)
    gate = quarantined(make_gate, raw_upstream, "60s")
    warm(gate)
    with gate.wire() as wire:
        wire.send(put(body=b"x" * 100000)[:-50000])
        raw_upstream.wait_for("/thing", 2)
        reset(wire)
    until(lambda: value(gate) == "new", "the invalidation")
    assert fresh_for(hit_of(gate)) <= 60


def test_rule_8_a_client_that_goes_after_its_upload_does_not_end_the_write(make_gate, raw_upstream):
    may_go = threading.Event()

    def on_write(state, call):
        call.body
        call.hold(may_go)
        state.value = "new"
        call.reply()

    State(raw_upstream, on_write)
    gate = make_gate(raw_upstream)
    warm(gate)
    wire = gate.wire().send(put())
    raw_upstream.wait_for("/thing", 2)
    reset(wire)
    until(lambda: gate.metric("postern_connections") == 1, "the client's going")  # httpx keeps the other
    may_go.set()
    until(lambda: gate.metric("postern_intents") == 0, "the write's end")
    assert value(gate) == "new"
    assert fresh_for(hit_of(gate)) > 3000, "its outcome is known: no quarantine"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_rule_8_no_unsafe_request_is_sent_twice_on_a_connection_that_was_dead(make_gate, raw_upstream, method):
    """The upstream closes a kept connection at the very moment at which it gets a request over it."""
    served = []

    def script(call):
        if call.method == "GET":
            call.reply()
            return
        served.append(call.method)
        call.close()  # without a byte of an answer: libcurl would try again on a new connection

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream, workers=1)
    for n in range(5):
        assert gate.get(f"/thing?n={n}").status_code == 200  # a connection that is kept
        assert gate.ask(method, "/thing").status_code == 502
        assert served == [method] * (n + 1), "once"


def test_rule_8_a_read_is_tried_again_on_a_connection_that_was_dead(make_gate, raw_upstream):
    cuts = [True]

    def script(call):
        if call.target.startswith("/thing?n=2") and cuts:
            cuts.pop()
            call.close()
        else:
            call.reply()

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream, workers=1)
    assert gate.get("/thing?n=1").status_code == 200
    assert gate.get("/thing?n=2").status_code == 200


# --- 9: settle ---


def test_rule_9_a_202_is_followed_by_a_quarantine(make_gate, raw_upstream):
    def on_write(state, call):
        call.body
        call.reply(status=202)

    state = State(raw_upstream, on_write)
    gate = quarantined(make_gate, raw_upstream, "60s")
    warm(gate)
    assert gate.put("/thing", json={}).status_code == 202
    value(gate)
    assert fresh_for(hit_of(gate)) <= 60
    gate.restart()
    assert fresh_for(hit_of(gate)) <= 60
    state.value = "done"
    gate.purge()
    value(gate)
    assert fresh_for(hit_of(gate)) <= 60, "quarantines are kept over restarts"


SLOW = {"rules": [{"match": "/slow/**", "settle": "60s"}, {"match": "/**", "ttl": "1h"}]}


def no_content(state, call):
    call.body
    state.value = "half"
    call.send(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_rule_9_what_a_write_names_is_answered_and_not_stored_while_it_settles(make_gate, raw_upstream):
    State(raw_upstream, no_content)
    raw_upstream.on("/profile/7", reply(b'{"ID": "7", "database": "31"}'))
    gate = quarantined(make_gate, raw_upstream, "1s", cache=SLOW)
    gate.warm("/profile/7")
    warm(gate)
    assert gate.put("/view/5/rebuild", json={}).status_code == 204
    for _ in range(2):
        assert [value(gate) for _ in range(4)] == ["half"] * 4
        assert not is_hit(gate.get("/thing")), "no rule knows what it shows, so every write names it"
        gate.restart()
    assert is_hit(gate.get("/profile/7"))


@pytest.mark.parametrize("target, longest", [("/slow/thing", 60), ("/v2/slow/thing", 60), ("/thing?async=1", 300)])
def test_rule_9_a_rules_settle_is_a_quarantine_after_any_answer(make_gate, raw_upstream, target, longest):
    State(raw_upstream, no_content)
    gate = quarantined(make_gate, raw_upstream, "1s", cache=SLOW)
    warm(gate)
    assert gate.put(target, json={}).status_code == 204
    assert value(gate) == "half"
    assert longest - 30 <= fresh_for(hit_of(gate)) <= longest
    gate.restart()
    assert fresh_for(hit_of(gate)) <= longest
    assert gate.put("/thing", json={}).status_code == 204
    value(gate)
    assert fresh_for(hit_of(gate)) <= longest, "a write without one does not end it"


def test_rule_9_what_was_read_while_a_write_went_on_is_read_anew_when_it_has_settled(make_gate, raw_upstream):
    state = State(raw_upstream, no_content)
    gate = make_gate(raw_upstream, cache={"rules": [{"match": "/slow/**", "settle": "2s"}, *SLOW["rules"][1:]]})
    assert gate.put("/slow/thing", json={}).status_code == 204
    value(gate)
    state.value = "whole"
    until(lambda: value(gate) == "whole", "the settle's end")
    until(lambda: (fresh_for(hit_of(gate)) or 0) > 3000, "the usual freshness, after it")


def test_rule_9_a_longer_settle_holds_where_the_outcome_is_unknown(make_gate, raw_upstream):
    State(raw_upstream, close_after_receiving)
    gate = quarantined(make_gate, raw_upstream, "5s", cache=SLOW)
    assert gate.put("/slow/thing", json={}).status_code == 502
    value(gate)
    assert 10 < fresh_for(hit_of(gate)) <= 60


def test_rule_9_a_longer_settle_holds_for_an_intent_that_is_found_at_start(make_gate, raw_upstream):
    hang = threading.Event()

    def on_write(state, call):
        call.body
        call.hold(hang)

    State(raw_upstream, on_write)
    gate = quarantined(make_gate, raw_upstream, "5s", cache=SLOW)
    with gate.wire() as wire:
        wire.send(put("/slow/thing"))
        raw_upstream.wait_for("/slow/thing")
        gate.kill()
    hang.set()
    gate.start()
    value(gate)
    assert 10 < fresh_for(hit_of(gate)) <= 60


@pytest.mark.parametrize("target, status", [("/thing", 200), ("/slow/thing", 403)])
def test_rule_9_writes_that_no_rule_names_or_that_were_refused_leave_no_quarantine(make_gate, raw_upstream,
                                                                                  target, status):
    State(raw_upstream, lambda state, call: call.body is None or call.reply(status=status))
    gate = make_gate(raw_upstream, cache=SLOW)
    assert gate.put(target, json={}).status_code == status
    value(gate)
    assert fresh_for(hit_of(gate)) > 3000


# --- 10: what is found at start ---


def test_rule_10_a_kill_between_a_writes_sending_and_its_answer(make_gate, raw_upstream):
    hang = threading.Event()

    def on_write(state, call):
        call.body
        state.value = "new"
        call.hold(hang)

    State(raw_upstream, on_write)
    gate = quarantined(make_gate, raw_upstream, "60s")
    warm(gate)
    with gate.wire() as wire:
        wire.send(put())
        raw_upstream.wait_for("/thing", 2)
        gate.kill()
    hang.set()
    gate.start()
    assert value(gate) == "new", "the intent left behind was carried out"
    assert gate.metric("postern_intents") == 0
    assert fresh_for(hit_of(gate)) <= 60, "with unknown outcome"


def test_rule_10_a_data_dir_left_dirty_by_another_boot_starts_empty(make_gate, raw_upstream):
    state = State(raw_upstream)
    gate = make_gate(raw_upstream)
    warm(gate)
    gate.kill()
    (gate.data_dir / "lock").write_text("00000000-0000-0000-0000-000000000000\n")
    state.value = "new"
    gate.start()
    assert value(gate) == "new"
    assert "another boot" in gate.log_text()


# --- 11: an invalidation that fails ---


def test_rule_11_a_purge_is_a_write(make_gate, raw_upstream):
    state = State(raw_upstream)
    gate = make_gate(raw_upstream)
    warm(gate)
    state.holds_reads = threading.Event()
    with gate.wire() as slow:
        slow.send(request("GET", "/thing/2"))
        raw_upstream.wait_for("/thing/2")
        may_go, state.holds_reads = state.holds_reads, None
        state.value = "new"
        gate.purge()
        assert value(gate) == "new"
        may_go.set()
        assert slow.answer().json() == {"value": "old"}
        settled(gate)
        assert slow.request("GET", "/thing/2").json() == {"value": "new"}


def test_rule_11_an_invalidation_that_cannot_be_committed_serves_nothing_until_it_can(make_gate, raw_upstream):

    def on_write(state, call):
        call.body
        state.value = "new"
        resource.prlimit(gate.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        call.reply()

    State(raw_upstream, on_write)
    gate = make_gate(raw_upstream, audit=False)
    warm(gate)
    assert gate.put("/thing", json={}).status_code == 200
    for _ in range(3):
        answer = gate.get("/thing")
        assert answer.json() == {"value": "new"} and not is_hit(answer)
    assert gate.metric("postern_cache_unusable") == 1
    assert gate.metric("postern_invalidations_failed_total") >= 1
    resource.prlimit(gate.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    until(lambda: gate.metric("postern_cache_unusable") == 0, "the invalidation")
    assert value(gate) == "new"
    until(lambda: is_hit(gate.get("/thing")), "the cache's use")
    assert gate.metric("postern_intents") == 0


# --- 12: the barrier ---


def test_rule_12_a_write_in_a_pipeline_is_sent_when_all_before_it_are_answered(make_gate, raw_upstream):
    may_go = threading.Event()

    def script(call):
        call.body
        if call.path == "/slow":
            call.hold(may_go)
        call.reply(json.dumps({"path": call.path}))

    raw_upstream.on("*", script)
    gate = make_gate(raw_upstream)
    with gate.wire() as wire:
        wire.send(request("GET", "/slow") + put("/write") + request("GET", "/after"))
        raw_upstream.wait_for("/slow")
        assert wire.is_quiet()
        assert raw_upstream.calls_of("/write") == [] and raw_upstream.calls_of("/after") == []
        may_go.set()
        assert [wire.answer().json()["path"] for _ in range(3)] == ["/slow", "/write", "/after"]


def test_rule_12_nothing_after_a_write_is_looked_up_before_it_is_answered(make_gate, raw_upstream):
    may_go = threading.Event()

    def on_write(state, call):
        call.body
        call.hold(may_go)
        state.value = "new"
        call.reply()

    State(raw_upstream, on_write)
    gate = make_gate(raw_upstream)
    with gate.wire() as wire:
        until(lambda: is_hit(wire.request("GET", "/thing")))
        wire.send(GET + put() + GET)
        assert wire.answer().json() == {"value": "old"}
        raw_upstream.wait_for("/thing", 2)
        assert wire.is_quiet(), "the hit behind the write waits"
        may_go.set()
        assert wire.answer().status == 200
        assert wire.answer().json() == {"value": "new"}


# --- accounts that are not known ---


def test_a_write_before_the_account_is_known_names_every_account(make_gate, raw_upstream):
    state = State(raw_upstream)
    gate = make_gate(raw_upstream)
    warm(gate)
    gate.stop()
    # another token of the same account, whose identity nobody tells for a while
    identity = raw_upstream.scripts["/identity"]
    told = threading.Event()

    def late(call):
        call.hold(told)
        call.send(identity)

    raw_upstream.scripts["/identity"] = late
    gate.token_file.write_text("rAw-another-token-of-the-same-account")
    gate.start()
    assert gate.status()["upstreams"][0]["account"] is None
    assert gate.put("/thing", json={}).status_code == 200
    assert state.value == "new"
    told.set()
    until(lambda: gate.status()["upstreams"][0]["account"] is not None, "the account")
    assert value(gate) == "new"
