"""HTTP/1.1 towards clients, over plain sockets: order, framing, limits, time-outs, listeners."""

import hashlib
import json
import socket
import threading
import time

import pytest

from gate import WAIT, Wire, connect, is_hit, reply, request, until

PROFILE = "/v2/profile/9001"
LARGE = bytes(range(256)) * 4096 * 8  # 8 MiB: more than the gate holds for a client, and the kernel


def get(target=PROFILE, *fields, **options):
    return request("GET", target, *fields, **options)


@pytest.fixture
def wire(module_gate):
    with module_gate.wire() as wire:
        yield wire


# --- one connection, many requests ---


def test_a_connection_serves_one_request_after_another(wire):
    answers = [wire.request("GET", PROFILE) for _ in range(5)]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert len({answer.field("X-Request-Id") for answer in answers}) == 5
    assert all(answer.field("Connection") is None for answer in answers)


def test_fifty_pipelined_hits_are_answered_in_order(module_gate, wire):
    paths = [f"/v2/profile/{9001 + number}" for number in range(50)]
    for path in paths:
        module_gate.warm(path)
    wire.send(b"".join(get(path) for path in paths))
    for path in paths:
        answer = wire.answer()
        assert is_hit(answer) and "/v2/profile/" + answer.json()["ID"] == path


def test_pipelined_misses_are_answered_in_order(wire, module_sandbox):
    paths = [f"/v2/profile/{9100 + number}" for number in range(8)]
    wire.send(b"".join(get(path) for path in paths))
    assert ["/v2/profile/" + wire.answer().json()["ID"] for _ in paths] == paths


def test_a_write_in_a_pipeline_is_a_barrier_both_ways(module_gate, wire):
    before = module_gate.warm(PROFILE).json()["fields"]["city"]
    for city in ("Delft", "Gouda", "Breda"):
        body = json.dumps({"city": city}).encode()
        wire.send(get() + request("PUT", PROFILE + "/fields", "Content-Type: application/json", body=body)
                  + get())
        assert wire.answer().json()["fields"]["city"] == before
        assert wire.answer("PUT").status == 303
        assert wire.answer().json()["fields"]["city"] == city
        before = city


def test_a_pipelined_request_may_be_cut_anywhere(wire):
    both = get() + get("/v2/profile/9002")
    for byte in both:
        wire.send(bytes([byte]))
    assert wire.answer().json()["ID"] == "9001"
    assert wire.answer().json()["ID"] == "9002"


def test_an_empty_line_before_a_request_is_ignored(wire):
    assert wire.send(b"\r\n" + get()).answer().status == 200
    assert wire.send(b"\r\n" + get()).answer().status == 200


@pytest.mark.parametrize("count", [1, 20])
def test_a_half_closed_client_still_gets_all_its_answers(module_gate, count):
    with module_gate.wire() as wire:
        wire.send(get("/v2/profile/9150") * count).end()
        for _ in range(count):
            assert wire.answer().json()["ID"] == "9150"
        assert wire.rest() == b""


def test_connection_close_is_obeyed(wire):
    answer = wire.request("GET", PROFILE, "Connection: close")
    assert answer.status == 200 and answer.field("Connection") == "close"
    assert wire.rest() == b""


# --- HEAD, HTTP/1.0, OPTIONS ---


def test_head_tells_the_length_and_sends_no_body(module_gate, wire):
    path = "/v2/profile/9160"
    length = len(module_gate.ask("GET", path, headers={"Cache-Control": "no-store"}).content)
    miss = wire.request("HEAD", path)
    assert not is_hit(miss) and miss.status == 200
    module_gate.warm(path)
    hit = wire.request("HEAD", path)
    assert is_hit(hit) and hit.status == 200
    assert int(hit.field("Content-Length")) == length
    if miss.field("Content-Length") is not None:
        assert int(miss.field("Content-Length")) == length
    assert wire.request("GET", path).status == 200  # no byte of a body stood in between


def test_http_1_0_is_closed_unless_it_asks_to_be_kept(module_gate):
    with module_gate.wire() as wire:
        answer = wire.request("GET", PROFILE, version="1.0")
        assert answer.status == 200 and answer.field("Connection") == "close"
        assert answer.field("Transfer-Encoding") is None
        assert wire.rest() == b""
    with module_gate.wire() as wire:
        for _ in range(2):
            answer = wire.request("GET", PROFILE, "Connection: keep-alive", version="1.0")
            assert answer.status == 200 and answer.field("Connection") == "keep-alive"


def test_http_1_0_needs_no_host(wire):
    assert wire.request("GET", PROFILE, host=None, version="1.0").status == 200


def test_an_answer_of_unknown_length_is_chunked_or_ends_with_the_connection(make_gate, raw_upstream):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw_upstream.on("/long", lambda call: call.send(
        head + b"".join(b"%x\r\n%s\r\n" % (60000, b"x" * 60000) for _ in range(80)) + b"0\r\n\r\n"))
    gate = make_gate(raw_upstream, cache={"rules": [{"match": "/**", "store": False}]})
    with gate.wire() as wire:
        answer = wire.request("GET", "/long")
        assert answer.field("Transfer-Encoding") == "chunked" and answer.body == b"x" * 4800000
        assert wire.request("GET", "/short").status == 200
    with gate.wire() as wire:
        answer = wire.request("GET", "/long", "Connection: keep-alive", version="1.0")
        assert answer.field("Transfer-Encoding") is None and answer.field("Content-Length") is None
        assert answer.field("Connection") == "close" and answer.body == b"x" * 4800000


def test_options_is_forwarded_and_options_of_the_server_is_not_served(wire, module_sandbox):
    module_sandbox.forget_calls()
    assert wire.request("OPTIONS", PROFILE).status in (200, 204, 400, 404, 405)
    assert module_sandbox.calls()["total"] == 1
    assert wire.request("OPTIONS", "*").status == 501


@pytest.mark.parametrize("upgrade", [
    ("Connection: Upgrade", "Upgrade: websocket"),
    ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
    ("Upgrade: TLS/1.0",)])
def test_an_upgrade_is_ignored(wire, upgrade):
    assert wire.request("GET", PROFILE, *upgrade).status == 200
    body = b'{"city":"Zwolle"}'
    assert wire.request("PUT", PROFILE + "/fields", "Content-Type: application/json", *upgrade,
                        body=body).status == 303
    assert wire.request("GET", PROFILE).json()["fields"]["city"] == "Zwolle"


@pytest.mark.parametrize("target", ["http://elsewhere.test" + PROFILE, "HTTP://gate.test:8080" + PROFILE,
                                    "https://gate.test" + PROFILE])
def test_a_target_in_absolute_form_is_its_path(module_gate, wire, target):
    answer = wire.request("GET", target)
    assert answer.status == 200 and answer.json()["ID"] == "9001"
    module_gate.warm(PROFILE)
    assert is_hit(wire.request("GET", target))


# --- request bodies ---


def chunked(*parts, trailers=""):
    return b"".join(b"%X;extension=1\r\n%s\r\n" % (len(part), part) for part in parts) + \
        b"0\r\n" + trailers.encode() + b"\r\n"


def test_a_chunked_body_arrives_whole_and_its_trailers_do_not(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    with gate.wire() as wire:
        wire.send("PUT /v2/thing HTTP/1.1\r\nHost: gate.test\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
        for part in (b'{"a', b'":', b'"' + b"b" * 100000 + b'"}'):
            wire.send(b"%x\r\n%s\r\n" % (len(part), part))
        wire.send(b"0\r\nX-Sum: 123\r\nAuthorization: Bearer trailing\r\n\r\n")
        assert wire.answer("PUT").status == 200
        assert wire.request("GET", "/v2/other").status == 200
    call = raw_upstream.calls_of("/v2/thing")[0]
    assert call.body == b'{"a":"' + b"b" * 100000 + b'"}'
    assert b"X-Sum" not in call.head and b"trailing" not in call.head


def test_pipelined_chunked_writes_keep_their_bodies(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    head = "POST /v2/log HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    with gate.wire() as wire:
        wire.send(head.encode() + chunked(b"one", trailers="A: b\r\n") + head.encode() + chunked(b"two", b"2"))
        assert [wire.answer("POST").status for _ in range(2)] == [200, 200]
    assert [call.body for call in raw_upstream.calls_of("/v2/log")] == [b"one", b"two2"]


def expecting(path, body, *fields):
    head = request("PUT", path, "Expect: 100-continue", "Content-Type: application/json",
                   f"Content-Length: {len(body)}", *fields)
    return head.replace(b"Content-Length: 0\r\n", b"")


def test_continue_is_sent_once_the_gate_wants_the_body(wire):
    body = b'{"city":"Assen"}'
    wire.send(expecting(PROFILE + "/fields", body))
    assert wire.answer("PUT", interim=True).status == 100
    assert wire.send(body).answer("PUT", interim=True).status == 303
    assert wire.request("GET", PROFILE).json()["fields"]["city"] == "Assen"


def test_continue_is_not_sent_where_the_body_came_along(wire):
    body = b'{"city":"Hoorn"}'
    answer = wire.send(expecting(PROFILE + "/fields", body) + body).answer("PUT", interim=True)
    assert answer.status == 303


def test_continue_never_comes_for_what_is_refused(make_gate, sandbox):
    gate = make_gate(sandbox, clients=[{"name": "nobody", "allow": [],
                                        "key_sha256": hashlib.sha256(b"key").hexdigest()}])
    for fields, status in (((), 401), (("X-Api-Key: key",), 403)):
        with gate.wire() as wire:
            wire.send(expecting("/v2/profile/9001/fields", b"{}", *fields))
            answer = wire.answer("PUT", interim=True)
            assert answer.status == status and answer.field("Connection") == "close"
            assert wire.rest() == b""


def test_another_expectation_is_refused(wire):
    assert wire.request("GET", PROFILE, "Expect: 200-maybe").status == 417


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("chunks", [False, True])
def test_a_read_with_a_body_is_refused(wire, module_sandbox, method, chunks):
    module_sandbox.forget_calls()
    if chunks:
        wire.send(f"{method} /x HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    else:
        wire.send(f"{method} /x HTTP/1.1\r\nHost: g\r\nContent-Length: 3\r\n\r\nabc")
    assert wire.answer(method).status == 400
    assert module_sandbox.calls()["total"] == 0


@pytest.mark.parametrize("field", ["X-HTTP-Method-Override: DELETE", "x-method-override: DELETE",
                                   "X-HTTP-METHOD: DELETE"])
def test_a_method_override_in_a_field_is_refused(wire, module_sandbox, field):
    module_sandbox.forget_calls()
    assert wire.request("POST", PROFILE, field).status == 400
    assert module_sandbox.calls()["total"] == 0


@pytest.mark.parametrize("query", ["_method=DELETE", "a=1&_method=PUT", "%5Fmethod=DELETE", "_METHOD=DELETE",
                                   "_method[]=DELETE", "+_method=DELETE", ".method=DELETE"])
def test_a_method_override_in_the_query_is_refused(wire, module_sandbox, query):
    module_sandbox.forget_calls()
    assert wire.request("POST", f"{PROFILE}?{query}").status == 400
    assert wire.request("GET", f"{PROFILE}?{query}").status == 400
    assert module_sandbox.calls()["total"] == 0


# --- what is refused, with the connection ---


AMBIGUOUS = {
    "a length and chunks": ("Content-Length: 3", "Transfer-Encoding: chunked"),
    "chunks and a length": ("Transfer-Encoding: chunked", "Content-Length: 3"),
    "two lengths": ("Content-Length: 3", "Content-Length: 4"),
    "the same length twice": ("Content-Length: 3", "Content-Length: 3"),
    "a list of lengths": ("Content-Length: 3, 3",),
    "a length with a sign": ("Content-Length: +3",),
    "a negative length": ("Content-Length: -3",),
    "a hexadecimal length": ("Content-Length: 0x3",),
    "a length beyond all numbers": ("Content-Length: 99999999999999999999999",),
    "an empty length": ("Content-Length:",),
    "an empty coding": ("Transfer-Encoding:",),
    "two codings": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "identity": ("Transfer-Encoding: identity",),
    "chunked that is not last": ("Transfer-Encoding: chunked, gzip",),
    "another coding": ("Transfer-Encoding: gzip, chunked",),
    "chunked with a suffix": ("Transfer-Encoding: chunkedx",),
    "chunked with a control character": ("Transfer-Encoding: \x0bchunked",),
    "a folded coding": ("Transfer-Encoding:\r\n chunked",),
    "a coding with a space before its colon": ("Transfer-Encoding : chunked",),
    "a folded field": ("X-Long: one\r\n two",),
    "a fold of nothing": ("X-Long:\r\n\t",),
    "a space before the colon": ("X-Space : one",),
    "an empty name": (": nameless",),
    "a name with a space": ("X Y: one",),
    "a line without colon": ("nonsense",),
    "a NUL in a value": ("X-Nul: a\0b",),
    "a bare CR in a value": ("X-Cr: a\rb",),
    "a bare LF": ("X-A: b\nX-C: d",),
    "a second Host": ("Host: other.test",),
}


@pytest.mark.parametrize("fields", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_an_ambiguous_head_is_refused_and_the_connection_closed(module_gate, module_sandbox, fields):
    module_sandbox.forget_calls()
    smuggled = get("/v2/profile/666", host="smuggled.test")
    with module_gate.wire() as wire:
        wire.send("\r\n".join(["POST /v2/thing HTTP/1.1", "Host: gate.test", *fields, "", ""]).encode("latin-1")
                  + b"0\r\n\r\n" + smuggled)
        answer = wire.answer("POST")
        # RFC 9112 §6.1: a coding that is not known is 501; all else that is ambiguous 400
        assert answer.status in ((400, 501) if "Transfer-Encoding" in fields[0] else (400,))
        assert answer.field("Content-Type") == "application/problem+json"
        assert answer.field("Connection") == "close"
        assert wire.rest() == b""
    assert module_sandbox.calls()["total"] == 0


@pytest.mark.parametrize("head", [
    b"GET /v2/profile/9001 HTTP/1.1\nHost: gate.test\n\n",
    b"GET /v2/profile/9001 HTTP/1.1\r\nHost: gate.test\n\r\n",
    b"GET /v2/profile/9001 HTTP/1.1\r\nHost: gate.test\r\n\n",
    b"GET /v2/profile/9001 HTTP/1.1\r\nHost: gate.test\r\nA: b\r\rC: d\r\n\r\n",
    b"GET /v2/profile/9001  HTTP/1.1\r\nHost: gate.test\r\n\r\n",
    b"GET  /v2/profile/9001 HTTP/1.1\r\nHost: gate.test\r\n\r\n",
    b"GET\t/v2/profile/9001 HTTP/1.1\r\nHost: gate.test\r\n\r\n",
    b"GET /v2/profile/9001\r\n\r\n",
    b"GET /v2/a b HTTP/1.1\r\nHost: gate.test\r\n\r\n",
    b"GET /v2/profile/9001 HTTP/1.1 \r\nHost: gate.test\r\n\r\n",
    b"GET /v2/profile/9001 HTTP/1.1\r\n Host: gate.test\r\n\r\n",
    b" GET /v2/profile/9001 HTTP/1.1\r\nHost: gate.test\r\n\r\n",
])
def test_a_head_that_breaks_the_grammar_is_refused(module_gate, module_sandbox, head):
    module_sandbox.forget_calls()
    with module_gate.wire() as wire:
        answer = wire.send(head + get()).answer()
        assert answer.status in (400, 501, 505) and answer.field("Connection") == "close"
        assert wire.rest() == b""
    assert module_sandbox.calls()["total"] == 0


def test_chunks_in_http_1_0_are_refused(wire):
    wire.send("POST /x HTTP/1.0\r\nHost: g\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
              "0\r\n\r\n")
    answer = wire.answer("POST")
    assert answer.status == 400 and answer.field("Connection") == "close"
    assert wire.rest() == b""


@pytest.mark.parametrize("chunks", [b"x\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"-1\r\n", b"3\nabc\r\n0\r\n\r\n",
                                    b"FFFFFFFFFFFFFFFFF\r\n", b"3 \r\nabc\r\n0\r\n\r\n",
                                    b"0x3\r\nabc\r\n0\r\n\r\n", b"3\r\nabc0\r\n\r\n"])
def test_broken_chunks_end_in_an_error_and_a_closed_connection(module_gate, chunks):
    with module_gate.wire() as wire:
        wire.send(b"PUT /v2/profile/9001/fields HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        assert wire.answer("PUT").status == 400
        assert wire.rest() == b""
    with module_gate.wire() as wire:
        assert wire.request("GET", PROFILE).status == 200


@pytest.mark.parametrize("host", [None, "a b", "a/b", "user@gate.test", "gate.test?x", "gate.test#x", "a,b",
                                  "\"gate\""])
def test_a_host_that_is_none_is_refused(wire, host):
    answer = wire.request("GET", PROFILE, host=host)
    assert answer.status == 400 and answer.field("Connection") == "close"


@pytest.mark.parametrize("host", ["", "gate.test", "gate.test:8080", "[::1]:80", "127.0.0.1", "GATE_1.test"])
def test_any_other_host_is_served(wire, host):
    assert wire.request("GET", PROFILE, host=host).status == 200


@pytest.mark.parametrize("target", ["*", "profile", "gate.test:80", "ftp://gate.test/x", "http:///x",
                                    "http://user:word@gate.test/x", "http:/x", "//", "/a%2e%2e/", "?x"])
def test_a_strange_target_is_refused_or_a_path_like_others(wire, target):
    answer = wire.request("GET", target)
    assert answer.status in ((400,) if not target.startswith("/") else (200, 400, 404))


@pytest.mark.parametrize("target", ["/v2/%2e%2e/x", "/v2/..%2fx", "/v2/%2E/x", "/v2/..%5cx", "/v2/x%00y", "/v2/%zz",
                                    "/v2/%2", "/v2/..;/x"])
def test_a_path_that_reads_in_two_ways_is_refused(wire, target):
    assert wire.request("GET", target).status == 400


@pytest.mark.parametrize("method,status", [
    ("TRACE", 501), ("CONNECT", 501), ("BREW", 501), ("get", 501), ("GETT", 501)])
def test_methods_that_are_not_served_are_told(module_gate, module_sandbox, method, status):
    module_sandbox.forget_calls()
    target = "gate.test:80" if method == "CONNECT" else PROFILE
    with module_gate.wire() as wire:
        answer = wire.request(method, target)
        assert answer.status == status and answer.field("Connection") == "close"
        assert answer.field("Content-Type") == "application/problem+json"
        assert wire.rest() == b""
    assert module_sandbox.calls()["total"] == 0


@pytest.mark.parametrize("version", ["2.0", "0.9", "1.2", "3.0", "1.10"])
def test_other_versions_are_refused(module_gate, version):
    with module_gate.wire() as wire:
        answer = wire.request("GET", PROFILE, version=version)
        assert answer.status in ((505,) if version in ("2.0", "1.2", "3.0") else (400, 505))
        assert wire.rest() == b""


def test_the_preface_of_http_2_gets_an_answer_and_a_closed_connection(module_gate):
    with module_gate.wire() as wire:
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert wire.answer().status in (400, 501, 505)
        assert wire.rest() == b""


# --- limits ---


def test_a_request_line_of_sixteen_kib_passes_and_a_longer_one_does_not(module_gate):
    with module_gate.wire() as wire:
        assert wire.request("GET", "/v2/profile/9001?x=" + "a" * 16000).status == 200
        answer = wire.request("GET", "/v2/profile/9001?x=" + "a" * 17000)
        assert answer.status == 414 and answer.field("Connection") == "close"
        assert wire.rest() == b""


def test_an_endless_request_line_is_refused_before_it_ends(module_gate):
    with module_gate.wire() as wire:
        wire.send(b"GET /" + b"a" * 20000)
        assert wire.answer().status == 414


def test_a_head_of_hundred_fields_passes_and_one_more_does_not(module_gate):
    with module_gate.wire() as wire:
        assert wire.request("GET", PROFILE, *["A: b"] * 98).status == 200
        answer = wire.request("GET", PROFILE, *["A: b"] * 99)
        assert answer.status == 431 and answer.field("Connection") == "close"
        assert wire.rest() == b""


def test_a_head_of_sixty_kib_passes_and_a_longer_one_does_not(module_gate):
    with module_gate.wire() as wire:
        assert wire.request("GET", PROFILE, "A: " + "b" * 60000).status == 200
        answer = wire.request("GET", PROFILE, "A: " + "b" * 70000)
        assert answer.status == 431 and wire.rest() == b""


def test_a_field_without_end_is_refused_before_it_ends(module_gate):
    with module_gate.wire() as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: g\r\nA: " + b"b" * 100000)
        assert wire.answer().status == 431


GARBAGE = {
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(range(200)),
    "SSH": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "zeros": b"\0" * 1000,
    "all bytes": bytes(range(256)) * 4,
    "lines": b"\r\n" * 10000 + b"x",
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_gets_an_error_or_the_end_at_once(module_gate, garbage):
    with module_gate.wire() as wire:
        wire.send(garbage).end()
        received = wire.rest()
        assert received == b"" or received.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501", b"HTTP/1.1 505"))
    with module_gate.wire() as wire:
        assert wire.request("GET", PROFILE).status == 200


# --- time-outs ---


SHORT = {"head_timeout": "300ms", "idle_timeout": "300ms", "body_timeout": "300ms"}


def test_a_head_that_does_not_come_is_given_up(make_gate, sandbox):
    gate = make_gate(sandbox, limits={**SHORT, "idle_timeout": "60s", "body_timeout": "60s"})
    with gate.wire() as silent, gate.wire() as slow:
        slow.send("GET /v2/profile/9001 HTTP/1.1\r\nHo")
        answer = slow.answer()
        assert answer.status == 408 and answer.field("Connection") == "close"
        assert silent.rest() == b"" and slow.rest() == b""


def test_a_head_that_trickles_is_given_up_all_the_same(make_gate, sandbox):
    gate = make_gate(sandbox, limits={**SHORT, "idle_timeout": "60s", "body_timeout": "60s"})
    with gate.wire() as wire:
        wire.send("GET /v2/profile/9001 HTTP/1.1\r\nHost: g\r\n")
        deadline = time.monotonic() + WAIT
        try:
            while time.monotonic() < deadline and wire.is_quiet(0.05):
                wire.send("A: b\r\n")
        except ConnectionError:
            pass  # closed while we wrote
        assert wire.rest()[:12] in (b"HTTP/1.1 408", b"")
        assert time.monotonic() < deadline


def test_an_idle_connection_is_closed(make_gate, sandbox):
    gate = make_gate(sandbox, limits={**SHORT, "head_timeout": "60s", "body_timeout": "60s"})
    with gate.wire() as wire:
        assert wire.request("GET", PROFILE).status == 200
        assert wire.rest() == b""


def test_a_body_that_stops_coming_is_given_up(make_gate, sandbox):
    gate = make_gate(sandbox, limits={**SHORT, "head_timeout": "60s", "idle_timeout": "60s"})
    with gate.wire() as wire:
        wire.send("PUT /v2/profile/9001/fields HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\n{")
        assert wire.answer("PUT").status == 408
        assert wire.rest() == b""
    until(lambda: gate.status()["cache"]["intents"] == 0, "the end of the write")
    assert gate.get(PROFILE).status_code == 200


def test_a_slow_upstream_is_no_idle_client(make_gate, raw_upstream):
    done = threading.Event()
    raw_upstream.on("/slow", lambda call: (call.hold(done), call.reply(b"{}")))
    gate = make_gate(raw_upstream, limits=SHORT)
    with gate.wire() as wire:
        wire.send(get("/slow"))
        raw_upstream.wait_for("/slow")
        assert wire.is_quiet(1)  # three times each limit
        done.set()
        assert wire.answer().status == 200


# --- slow and many clients ---

def narrow_wire(gate):
    """A client for which the kernel takes little: what it does not read stays with the gate."""
    connection = socket.socket()
    connection.settimeout(WAIT)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    host, port = gate.addresses[0].split(":")
    connection.connect((host, int(port)))
    return Wire(connection)


@pytest.mark.parametrize("stored", [True, False])
def test_a_client_that_reads_slowly_gets_all_of_a_large_answer(make_gate, raw_upstream, stored):
    raw_upstream.on("/large", reply(LARGE, fields=["Content-Type: application/octet-stream"]))
    gate = make_gate(raw_upstream, cache={"rules": [{"match": "/**", "store": stored, "ttl": "1h"}]})
    if stored:
        gate.warm("/large")
    with narrow_wire(gate) as wire:
        wire.send(get("/large"))
        for _ in range(20):
            wire.socket.recv_into(bytearray(1), 1, socket.MSG_PEEK)
            time.sleep(0.01)
            wire.received += wire.socket.recv(2048)
        answer = wire.answer()
        assert answer.status == 200 and answer.body == LARGE
        assert wire.request("GET", "/small").status == 200


def test_an_unread_answer_does_not_pile_up_in_the_gate(make_gate, raw_upstream):
    sent = [0]

    def endless(call):
        call.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000000000\r\n\r\n")
        while not call.upstream.stopping:
            call.send(b"x" * 65536)
            sent[0] += 65536

    raw_upstream.on("/endless", endless)
    gate = make_gate(raw_upstream, cache={"rules": [{"match": "/**", "store": False}]})
    with gate.wire() as wire:
        wire.send(get("/endless"))
        raw_upstream.wait_for("/endless")

        def stands_still():
            before = sent[0]
            time.sleep(0.5)
            return before > 0 and sent[0] == before

        until(stands_still, "the upstream's being held back")
        assert sent[0] < 64 << 20
        assert gate.get("/other").status_code == 200
        assert len(wire.socket.recv(1000)) == 1000  # it was held back, not given up


def test_a_client_that_never_reads_is_closed_and_others_are_served(make_gate, raw_upstream):
    raw_upstream.on("/large", reply(LARGE, fields=["Content-Type: application/octet-stream"]))
    gate = make_gate(raw_upstream, workers=1, limits={"body_timeout": "500ms"})
    gate.warm("/large")
    with narrow_wire(gate) as stuck:
        stuck.send(get("/large"))
        until(lambda: gate.metric("postern_connections") >= 1, "the connection")
        while gate.metric("postern_connections") > 1:
            assert gate.get("/other").status_code == 200
        until(lambda: len(gate.done()) >= 3, "its record")
        received = stuck.rest()
        assert len(received) < len(LARGE)


def test_connections_beyond_the_limit_wait_and_are_served(make_gate, sandbox):
    gate = make_gate(sandbox, workers=1, limits={"connections": 4})
    first = [gate.wire() for _ in range(4)]
    for wire in first:
        assert wire.request("GET", PROFILE).status == 200
    waiting = [gate.wire() for _ in range(8)]
    for wire in waiting:
        wire.send(get(PROFILE, "Connection: close"))
    assert all(wire.is_quiet(0.05) for wire in waiting)
    for wire in first:
        assert wire.request("GET", PROFILE).status == 200
        wire.close()
    for wire in waiting:
        assert wire.answer().status == 200
        wire.close()


def test_two_hundred_clients_at_once_are_served(module_gate):
    wires = [module_gate.wire() for _ in range(200)]
    for number, wire in enumerate(wires):
        wire.send(get(f"/v2/profile/{9001 + number}"))
    for number, wire in enumerate(wires):
        assert wire.answer().json()["ID"] == str(9001 + number)
        wire.close()


def test_clients_that_leave_at_any_moment_hurt_nobody(module_gate):
    whole = request("PUT", PROFILE + "/fields", "Content-Type: application/json", body=b'{"city":"Ede"}')
    for cut in range(0, len(whole) + 1, 7):
        with module_gate.wire() as wire:
            wire.send(whole[:cut])
            if cut % 2:
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    until(lambda: module_gate.status()["cache"]["intents"] == 0, "the end of the writes")
    assert module_gate.get(PROFILE).status_code == 200


# --- listeners ---


def test_a_unix_socket_and_ipv6_serve_the_same(make_gate, sandbox, tmp_path):
    path = tmp_path / "gate.sock"
    gate = make_gate(sandbox, listen=["127.0.0.1:0", f"unix:{path}", "[::1]:0"])
    assert len(gate.addresses) == 3
    gate.warm(PROFILE)
    for listener in range(3):
        with gate.wire(listener) as wire:
            wire.send(get() + get())
            assert is_hit(wire.answer()) and is_hit(wire.answer())
    until(lambda: len(gate.done()) >= 8, "the records")
    peers = {record["peer"].rsplit(":", 1)[0] for record in gate.done()}
    assert {"127.0.0.1", "unix", "[::1]"} <= peers
    gate.stop()
    assert not path.exists()


def test_a_unix_socket_left_behind_is_replaced(make_gate, sandbox, tmp_path):
    path = tmp_path / "gate.sock"
    gate = make_gate(sandbox, listen=["127.0.0.1:0", f"unix:{path}"])
    gate.kill()
    assert path.exists()
    gate.start()
    with Wire(connect(f"unix:{path}")) as wire:
        assert wire.request("GET", PROFILE).status == 200
