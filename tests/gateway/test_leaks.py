"""Promise 2: the token reaches the upstream and nothing else; clients' keys reach nobody."""

import hashlib
import html
import json
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import urllib.parse

import pytest

from gate import RawUpstream, reply, request, until
from variant import IS_SANITIZED

TOKEN = 'tK9"a+b/c:d%&=<x>\\~z'  # whatever has to be escaped somewhere
QUERY = {"inject": {"query": "access_token"}}
HEADER = {"inject": {"header": "X-Token", "format": "Key %s"}}


def json_escaped(text):
    return json.dumps(text)[1:-1]


def spellings(token):
    """How an answer may repeat the token."""
    quoted = urllib.parse.quote(token, safe="")
    every = "".join(f"%{byte:02x}" for byte in token.encode())
    return {
        "plain": token,
        "percent": quoted,
        "percent, lower case": re.sub(r"%..", lambda found: found[0].lower(), quoted),
        "percent, twice": quoted.replace("%", "%25"),
        "every byte percent": every,
        "JSON": json_escaped(token),
        "JSON, slashes too": json_escaped(token).replace("/", "\\/"),
        "JSON, \\u": "".join(f"\\u{ord(c):04x}" for c in token),
        "JSON, \\U": "".join(f"\\u{ord(c):04X}" for c in token),
        "HTML": html.escape(token),
        "HTML, numbers": "".join(f"&#{ord(c)};" for c in token),
        "HTML, hexadecimal": "".join(f"&#x{ord(c):X};" for c in token),
    }


def holds(data, token=TOKEN):
    """The spellings of the token that are in these bytes."""
    data = data if isinstance(data, bytes) else data.encode("latin-1", "replace")
    return [name for name, text in spellings(token).items() if text.encode() in data]


def gate_before(make_gate, raw, inject=QUERY, **overrides):
    raw.token = TOKEN
    return make_gate(raw, log={"level": "debug"}, upstreams={"copernica": inject}, **overrides)


def everything_kept(gate):
    """All bytes of the log, the audit trail, and every other file of the gate but the token's own."""
    return {path: path.read_bytes() for path in gate.folder.rglob("*")
            if path.is_file() and path != gate.token_file}


def nothing_leaked(gate):
    for path, data in everything_kept(gate).items():
        assert holds(data) == [], path
    for path in ("/metrics", "/api/status", "/healthz", "/readyz"):
        assert holds(gate.admin_http.get(path).content) == [], path


def seen_by_client(gate, method, path, *fields, body=b""):
    """Every byte that comes back."""
    with gate.wire() as wire:
        wire.send(request(method, path, "Connection: close", *fields, body=body))
        return wire.rest()


def test_the_upstream_gets_the_token_itself(make_gate, raw_upstream):
    gate = gate_before(make_gate, raw_upstream)
    gate.get("/thing?a=1")
    target = raw_upstream.calls_of("/thing")[0].target
    query = urllib.parse.parse_qs(target.partition("?")[2], strict_parsing=True)
    assert query == {"a": ["1"], "access_token": [TOKEN]}


def test_the_upstream_gets_it_in_a_field(make_gate, raw_upstream):
    gate = gate_before(make_gate, raw_upstream, HEADER)
    gate.get("/thing", headers={"X-Token": "forged", "Authorization": "Bearer forged"})
    call = raw_upstream.calls_of("/thing")[0]
    assert call.field("X-Token") == f"Key {TOKEN}" and "access_token" not in call.target
    assert b"forged" not in call.head


@pytest.mark.parametrize("inject", [QUERY, HEADER], ids=["query", "field"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_it_is_cut_out_of_bodies_in_every_spelling(make_gate, raw_upstream, inject, method):
    gate = gate_before(make_gate, raw_upstream, inject)
    for number, (name, text) in enumerate(spellings(TOKEN).items()):
        body = f"before {text} between {text}{text} after".encode()
        for size in (0, 1, 7):  # whole; split over chunks at every place
            path = f"/echo/{number}/{size}"
            if size == 0:
                answer = reply(body)
            else:
                parts = [body[n:n + size] for n in range(0, len(body), size)]
                answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + \
                    b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
            raw_upstream.on(path, answer)
            for _ in range(2):  # from the upstream, and stored
                got = seen_by_client(gate, method, path, body=b"x" if method == "PUT" else b"")
                assert got.startswith(b"HTTP/1.1 200"), (name, size)
                assert holds(got) == [], (name, size)
                assert b"before " in got and b" after" in got
    assert gate.metric("postern_token_scrubbed_total") >= 3 * 3 * len(spellings(TOKEN))
    nothing_leaked(gate)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_it_is_cut_out_of_long_bodies_at_any_place(make_gate, raw_upstream, method):
    body = b"".join(b"x" * (9973 * n % 4096) + TOKEN.encode() for n in range(300))
    may_end = threading.Event()

    def script(call):
        call.body
        call.send(reply(body)[:-len(body)])
        half = body.index(TOKEN.encode(), len(body) // 2) + 5  # the token stands over the pause
        call.send(body[:half])
        call.hold(may_end)
        call.send(body[half:])

    raw_upstream.on("/long", script)
    gate = gate_before(make_gate, raw_upstream, cache={"max_object": "128KiB"})
    with gate.wire() as wire:
        wire.send(request(method, "/long"))
        until(lambda: wire._more() and len(wire.received) > 65536, "the first part")
        may_end.set()
        answer = wire.answer()
    assert holds(answer.body) == [] and len(answer.body) == len(body)
    assert answer.body.count(b"*" * len(TOKEN)) == 300
    nothing_leaked(gate)


@pytest.mark.parametrize("name", ["Location", "X-location", "Content-Location", "X-Created", "ETag", "X-Any",
                                  "Content-Type", "Warning", "Content-Disposition"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_it_is_cut_out_of_fields(make_gate, raw_upstream, name, method):
    gate = gate_before(make_gate, raw_upstream)
    values = {key: text for key, text in spellings(TOKEN).items()}
    for number, (key, text) in enumerate(values.items()):
        for form, value in enumerate([text, f'"{text}"', f"{raw_upstream.url}/thing?access_token={text}&a=1"]):
            path = f"/echo/{number}/{form}"
            raw_upstream.on(path, reply(status=200 if method == "GET" else 303, fields=[f"{name}: {value}"]))
            for _ in range(2):
                got = seen_by_client(gate, method, path)
                assert holds(got) == [], (key, value)
                assert name.lower().encode() + b":" in got.lower()
    nothing_leaked(gate)


def test_places_and_links_point_at_the_gate_without_the_token(make_gate, raw_upstream):
    quoted = urllib.parse.quote(TOKEN, safe="")
    here = raw_upstream.url
    raw_upstream.on("/thing", reply(status=303, fields=[
        f"Location: {here}/profile/9001?access_token={quoted}",
        f"X-location: {here}/profile/9002?a=1&access_token={quoted}&b=2",
        f'Link: <{here}/list?page=2&access_token={quoted}>; rel="next", <https://elsewhere.test/x>; rel="help"']))
    gate = gate_before(make_gate, raw_upstream)
    answer = gate.put("/thing", json={})
    assert answer.headers["location"] == "/profile/9001"
    assert answer.headers["x-location"] == "/profile/9002?a=1&b=2"
    assert answer.headers["link"] == '</list?page=2>; rel="next", <https://elsewhere.test/x>; rel="help"'


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 500, 502, 503, 504])
def test_error_pages_that_repeat_the_request_repeat_no_token(make_gate, raw_upstream, status):
    def script(call):  # as some servers do
        call.body
        page = f"<html>{html.escape(call.target)} {call.target} {call.head.decode('latin-1')}</html>"
        call.reply(page.encode("latin-1"), status, [f"X-Request: {call.target}", "Content-Type: text/html"])

    raw_upstream.on("/thing", script)
    gate = gate_before(make_gate, raw_upstream)
    for method in ("GET", "PUT", "DELETE", "GET"):
        got = seen_by_client(gate, method, "/thing")
        assert got.startswith(b"HTTP/1.1 %d" % status) and b"<html>" in got
        assert holds(got) == [], got
    nothing_leaked(gate)


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\n%s\r\n\r\n{}",  # no field at all
    b"HTTP/1.1 %s\r\n\r\n",
    b"%s",
    b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Trailer: %s\r\n\r\n",
    b"HTTP/1.1 200 %s\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 103 Early\r\nLink: <%s>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
])
def test_answers_that_are_none_repeat_no_token_either(make_gate, raw_upstream, answer):
    raw_upstream.on("/thing", lambda call: (call.body, call.send(answer % TOKEN.encode()), call.close()))
    gate = gate_before(make_gate, raw_upstream)
    for method in ("GET", "PUT"):
        got = seen_by_client(gate, method, "/thing")
        assert got.startswith((b"HTTP/1.1 502", b"HTTP/1.1 200"))
        assert holds(got) == []
    nothing_leaked(gate)


def test_failures_of_every_kind_tell_no_token(make_gate, raw_upstream):
    gate = gate_before(make_gate, raw_upstream, {**QUERY, "timeouts": {"total": "1s", "connect": "1s"}})
    raw_upstream.on("/never", lambda call: call.hold(threading.Event()))
    raw_upstream.on("/close", lambda call: (call.body, call.close()))
    for path in ("/never", "/close"):
        for method in ("GET", "PUT"):
            assert holds(seen_by_client(gate, method, path)) == []
    gate.hup()
    gate.change(upstreams={"copernica": {"url": "http://127.0.0.1:1"}})
    gate.hup()
    for method in ("GET", "PUT"):
        got = seen_by_client(gate, method, "/gone")
        assert got.startswith(b"HTTP/1.1 502") and holds(got) == []
    nothing_leaked(gate)


def test_what_is_stored_and_recorded_holds_no_token(make_gate, raw_upstream):
    body = json.dumps({"url": f"https://x.test/?access_token={TOKEN}", "t": TOKEN})
    raw_upstream.on("*", lambda call: (call.body, call.reply(body)))
    gate = gate_before(make_gate, raw_upstream)
    gate.get("/thing")
    gate.put("/thing", json={})
    gate.get("/thing?access_token=" + urllib.parse.quote(TOKEN))  # whoever sends it himself
    gate.get("/thing", headers={"Authorization": f"Bearer {TOKEN}"})
    nothing_leaked(gate)
    gate.kill()
    for path, data in everything_kept(gate).items():
        assert holds(data) == [], path


def test_the_process_shows_no_token(make_gate, raw_upstream, tmp_path):
    raw_upstream.token = TOKEN
    gate = make_gate(raw_upstream, environment={"THE_TOKEN": TOKEN},
                     upstreams={"copernica": {"token": {"file": None, "env": "THE_TOKEN"}, **QUERY}})
    gate.get("/thing")
    assert "access_token=" in raw_upstream.calls_of("/thing")[0].target
    proc = pathlib.Path(f"/proc/{gate.pid}")
    for name in ("cmdline", "environ", "comm", "status"):
        assert holds((proc / name).read_bytes()) == [], name
    assert b"THE_TOKEN=" in (proc / "environ").read_bytes(), "only its value is wiped"
    limits = (proc / "limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
    maps = (proc / "smaps").read_text()
    locked = "" if IS_SANITIZED else " lo .*"  # sanitizers make mlock do nothing
    assert re.search(rf"VmFlags:.*{locked}\bdd\b", maps), "locked, and left out of dumps"
    gate.hup()
    assert gate.get("/thing?after=hup").status_code == 200, "the token is still known"


def connections_of(listener):
    """How many came to a listening socket that nobody serves."""
    listener.setblocking(False)
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


class TlsUpstream(RawUpstream):
    """A RawUpstream behind TLS, with a certificate of its own."""

    def __init__(self, folder):
        self.certificate = folder / "ca.pem"
        key = folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", self.certificate, "-days", "2", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        super().__init__()
        self.url = self.url.replace("http:", "https:")

    def _serve(self, connection):
        try:
            wrapped = self.context.wrap_socket(connection, server_side=True)
        except (OSError, ssl.SSLError):
            return
        super()._serve(wrapped)


@pytest.fixture
def tls_upstream(tmp_path):
    upstream = TlsUpstream(tmp_path)
    try:
        yield upstream
    finally:
        upstream.stop()


def trapped_environment(folder, listener):
    """Whatever makes libcurl and OpenSSL talk to others."""
    port = listener.getsockname()[1]
    netrc = folder / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password netrc-secret\n")
    (folder / ".curlrc").write_text(f'proxy = "http://127.0.0.1:{port}"\n')
    proxy = f"http://127.0.0.1:{port}"
    return {"http_proxy": proxy, "https_proxy": proxy, "HTTPS_PROXY": proxy, "ALL_PROXY": proxy, "all_proxy": proxy,
            "NETRC": str(netrc), "HOME": str(folder), "CURL_HOME": str(folder),
            "SSLKEYLOGFILE": str(folder / "keys.log"), "SSL_CERT_FILE": "/nonexistent",
            "CURL_CA_BUNDLE": "/nonexistent"}


def test_the_environment_sends_the_token_nowhere(make_gate, raw_upstream, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        gate = make_gate(raw_upstream, environment=trapped_environment(tmp_path, trap))
        assert gate.get("/thing").status_code == 200
        assert gate.put("/thing", json={}).status_code == 200
        assert connections_of(trap) == 0
        for call in raw_upstream.calls:
            assert call.field("Authorization") is None and call.target.startswith("/")


def test_the_keys_of_tls_are_logged_nowhere(make_gate, tls_upstream, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        gate = make_gate(tls_upstream, environment=trapped_environment(tmp_path, trap),
                         upstreams={"copernica": {"tls": {"ca_file": str(tls_upstream.certificate)}}})
        assert gate.get("/thing").status_code == 200
        assert tls_upstream.calls_of("/thing") and connections_of(trap) == 0
        assert not (tmp_path / "keys.log").exists()


def test_a_server_that_cannot_show_who_it_is_gets_no_token(make_gate, tls_upstream):
    gate = make_gate(tls_upstream)  # its certificate is signed by nobody we know
    assert gate.get("/thing").status_code == 502
    assert gate.put("/thing", json={}).status_code == 502
    assert tls_upstream.calls == []


def test_redirects_are_not_followed(make_gate, raw_upstream):
    other = RawUpstream()
    try:
        raw_upstream.on("/thing", reply(status=302, fields=[f"Location: {other.url}/elsewhere"]))
        gate = gate_before(make_gate, raw_upstream)
        for method in ("GET", "PUT"):
            answer = gate.ask(method, "/thing")
            assert answer.status_code == 302 and answer.headers["location"] == f"{other.url}/elsewhere"
        assert other.connections == 0
    finally:
        other.stop()


# --- clients' keys ---

KEY = "pst-0123456789abcdefABCDEF"
CLIENTS = [{"name": "crm", "key_sha256": hashlib.sha256(KEY.encode()).hexdigest(), "allow": ["GET /**", "PUT /thing"]}]


@pytest.mark.parametrize("forward", [[], ["*"]], ids=["few fields", "all fields"])
@pytest.mark.parametrize("way", ["bearer", "field", "query", "spelled query"])
@pytest.mark.parametrize("key", [KEY, KEY[:-1] + "0"], ids=["right", "wrong"])
def test_a_clients_key_reaches_neither_the_upstream_nor_any_file(make_gate, raw_upstream, way, key, forward):
    raw_upstream.on("*", lambda call: (call.body, call.reply(call.head)))
    gate = gate_before(make_gate, raw_upstream, {**QUERY, "forward": forward}, clients=CLIENTS)
    path, fields = "/thing", []
    if way == "bearer":
        fields = [f"Authorization: Bearer {key}"]
    elif way == "field":
        fields = [f"X-Api-Key: {key}"]
    elif way == "query":
        path = f"/thing?access_token={key}&a=1"
    else:
        path = f"/thing?a=1&%61ccess_tok%65n=%{ord(key[0]):02x}{key[1:]}"
    for method, wanted in (("GET", 200), ("GET", 200), ("PUT", 200), ("DELETE", 403)):
        got = seen_by_client(gate, method, path.replace("/thing", "/other") if method == "DELETE" else path, *fields)
        status = wanted if key == KEY else 401
        assert got.startswith(b"HTTP/1.1 %d" % status), got
        assert key.encode() not in got
    for call in raw_upstream.calls:
        assert key.encode() not in urllib.parse.unquote_to_bytes(call.head), call.head
    until(lambda: len(gate.done()) >= 4, "the records")
    assert gate.files_with(key) == []
    assert gate.files_with(key[1:]) == []
    assert key not in gate.admin_http.get("/metrics").text + gate.admin_http.get("/api/status").text
    nothing_leaked(gate)


@pytest.mark.parametrize("token", ["tökén-of-somebody", "tab\tinside", "abc"])
def test_a_token_that_could_not_be_found_in_answers_is_not_taken(make_gate, raw_upstream, token):
    gate = make_gate(raw_upstream, start=False)
    gate.token_file.write_text(token)
    gate.start_without_waiting()
    assert gate.wait() != 0
    assert str(gate.token_file) in gate.log_text() and token not in gate.log_text()
    gate.process = None
