"""Bodies of any size stream through with bounded memory, in both directions at once (show 4)."""

import hashlib
import pathlib
import re
import threading

from gate import cache_status, until
from variant import IS_SANITIZED, amount

BYTES = amount("POSTERN_STREAM_BYTES", 1 << 30, 1 << 26)
PIECE = bytes(range(256)) * 4096  # 1 MiB
ROOM = 64 << 20


def memory_of(gate, what):
    """VmRSS or VmHWM, in bytes."""
    status = pathlib.Path(f"/proc/{gate.pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) * 1024


def head_of(wire):
    return wire._until(b"\r\n\r\n").decode("latin-1")


def download(gate, path, got):
    """Reads without keeping."""
    with gate.wire() as wire:
        wire.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        got["head"] = head_of(wire)
        digest, length = hashlib.sha256(), 0
        room = bytearray(1 << 20)
        while wire.received or (count := wire.socket.recv_into(room)) > 0:
            part, wire.received = (wire.received, b"") if wire.received else (memoryview(room)[:count], b"")
            length += len(part)
            if got.get("digests"):
                digest.update(part)
        got["length"], got["digest"] = length, digest.hexdigest()


def upload(gate, path, count, got, chunked=False):
    with gate.wire() as wire:
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {count}"
        wire.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n{framing}\r\n\r\n")
        for start in range(0, count, len(PIECE)):
            part = PIECE[:count - start]
            wire.send(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
        if chunked:
            wire.send(b"0\r\n\r\n")
        got["answer"] = wire.answer()


def test_a_gib_up_and_a_gib_down_at_once_in_bounded_memory(gate, sandbox):
    sandbox.knobs(file_bytes=BYTES)
    assert gate.get("/v3/profile/9001").status_code == 200
    assert gate.put("/v3/profile/9001/fields", json={"city": "Ede"}).status_code < 400
    idle = memory_of(gate, "VmRSS")
    down, up = {}, {}
    threads = [threading.Thread(target=download, args=(gate, "/v3/profile/9001/file/9001/content", down)),
               threading.Thread(target=upload, args=(gate, "/v3/medialibrary/1/files", BYTES, up))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert down["head"].startswith("HTTP/1.1 200") and f"Content-Length: {BYTES}" in down["head"]
    assert down["length"] == BYTES
    assert up["answer"].status in (200, 201), up["answer"]
    assert sandbox.calls()["body_bytes"] >= BYTES
    if not IS_SANITIZED:
        assert memory_of(gate, "VmHWM") - idle < ROOM
    assert gate.status()["cache"]["entries"] <= 1, "what is this large is not stored"


def test_streamed_bytes_are_the_upstreams_bytes(make_gate, raw_upstream):
    count = min(BYTES, 40 << 20) + 12345
    received = {}

    def script(call):
        if call.method == "GET":
            call.send(f"HTTP/1.1 200 OK\r\nContent-Length: {count}\r\n\r\n")
            for start in range(0, count, len(PIECE)):
                call.send(PIECE[:count - start])
            return
        received["digest"] = hashlib.sha256(call.body).hexdigest()
        call.reply()

    raw_upstream.on("/file", script)
    gate = make_gate(raw_upstream)
    digest = hashlib.sha256((PIECE * (count // len(PIECE) + 1))[:count]).hexdigest()
    down = {"digests": True}
    download(gate, "/file", down)
    assert (down["length"], down["digest"]) == (count, digest)
    for chunked in (False, True):
        received.clear()
        up = {}
        upload(gate, "/file", count, up, chunked)
        assert up["answer"].status == 200 and received["digest"] == digest


def test_a_client_that_does_not_read_holds_the_upstream_back(make_gate, raw_upstream):
    given = []

    def script(call):
        call.send(f"HTTP/1.1 200 OK\r\nContent-Length: {1 << 33}\r\n\r\n")
        while True:
            call.send(PIECE)
            given.append(len(PIECE))

    raw_upstream.on("/endless", script)
    gate = make_gate(raw_upstream)
    gate.get("/warm")
    idle = memory_of(gate, "VmRSS")
    with gate.wire() as wire:
        wire.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        assert head_of(wire).startswith("HTTP/1.1 200")
        before = -1

        def stands_still():
            nonlocal before
            counts, before = (before, len(given)), len(given)
            return counts[0] == counts[1] and len(given) > 0 and not wait.wait(0.3) and len(given) == before

        wait = threading.Event()
        until(stands_still, "back-pressure")
        assert sum(given) < 64 << 20, "what the sockets' buffers take, not what the upstream has"
        if not IS_SANITIZED:
            assert memory_of(gate, "VmHWM") - idle < ROOM
        assert gate.get("/other").status_code == 200
        for _ in range(64):
            assert wire._exactly(len(PIECE)) == PIECE, "it goes on when the client does"
    until(lambda: gate.metric("postern_upstream_under_way") == 0, "the end of a call for nobody")


def test_an_upstream_that_does_not_read_holds_the_client_back(make_gate, raw_upstream):
    go = threading.Event()
    raw_upstream.on("/slow", lambda call: (call.hold(go), call.body, call.reply()))
    gate = make_gate(raw_upstream, upstreams={"copernica": {"timeouts": {"total": "3s"}}})
    gate.get("/warm")
    idle = memory_of(gate, "VmRSS")
    sent = []
    with gate.wire() as wire:
        wire.send(f"PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: {100 << 20}\r\n\r\n")
        raw_upstream.wait_for("/slow")
        wire.socket.settimeout(0.5)
        try:
            while len(sent) < 100:
                wire.socket.sendall(PIECE)
                sent.append(PIECE)
        except TimeoutError:
            pass
        assert len(sent) < 64, "it was held back"
        if not IS_SANITIZED:
            assert memory_of(gate, "VmHWM") - idle < ROOM
    until(lambda: gate.metric("postern_intents") == 0, "the cut write's end")
    until(lambda: gate.metric("postern_connections") == 1, "the end of the connection of one who has gone", 25)
    go.set()


def test_a_client_whose_write_ends_while_it_was_held_back_gets_its_answer(make_gate, raw_upstream):
    go = threading.Event()

    def script(call):
        call.hold(go)
        call.reply(b'{"too": "large"}', 413)
        call.close()

    raw_upstream.on("/slow", script)
    gate = make_gate(raw_upstream)
    with gate.wire() as wire:
        wire.send(f"PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: {100 << 20}\r\n\r\n")
        raw_upstream.wait_for("/slow")
        wire.socket.settimeout(0.5)
        try:
            while True:
                wire.socket.sendall(PIECE)
        except TimeoutError:
            pass
        go.set()
        wire.socket.settimeout(60)
        assert wire.answer().status in (413, 502)  # the upstream's close may overtake its answer


def test_large_answers_say_that_they_are_not_stored(gate, sandbox):
    sandbox.knobs(file_bytes=20 << 20)
    got = {}
    download(gate, "/v3/profile/9001/file/9001/content", got)
    assert got["length"] == 20 << 20 and "stored" not in got["head"]
    assert cache_status(gate.head("/v3/profile/9001/file/9001/content"))[0] == "uri-miss"
