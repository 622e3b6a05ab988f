"""What black-box tests of the gate share: the sandbox, the gate, a scripted upstream, plain sockets.

Every wait here is bounded by WAIT, which is long enough for sanitizer binaries on a busy machine; no
test asserts that something is fast.
"""

import copy
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import threading
import time
from urllib.parse import quote

import httpx

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
POSTERN = os.environ.get("POSTERN", str(CHECKOUT / "build" / "postern"))
WAIT = int(os.environ.get("POSTERN_TEST_WAIT", 90))
SANITIZER = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")


def until(condition, what="the condition", wait=WAIT):
    """Polls until condition() is true and returns what it returned; fails after `wait` seconds."""
    deadline = time.monotonic() + wait
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come within {wait} s"
        time.sleep(0.01)


def postern(*arguments, wait=WAIT, **options):
    """Runs one command of postern to its end."""
    return subprocess.run([POSTERN, *map(str, arguments)], capture_output=True, text=True,
                          timeout=wait, stdin=subprocess.DEVNULL, **options)


def merged(base, overrides):
    """A copy of `base` with `overrides` merged in deeply; None takes a member away."""
    result = copy.deepcopy(base)
    for name, value in overrides.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        else:
            result[name] = copy.deepcopy(value)
    return result


def write_secret(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


# --- plain sockets ---


class Answer:
    """One HTTP/1 answer, taken apart without mercy."""

    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.version, code, self.reason = lines[0].split(" ", 2)
        self.status = int(code)
        self.fields = [tuple(line.split(": ", 1)) for line in lines[1:]]
        self.head = head
        self.body = body
        self.trailers = []

    def field(self, name, default=None):
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came twice"
        return values[0] if values else default

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<Answer {self.status} {self.fields} {self.body[:200]!r}>"


class Wire:
    """A socket that is written bytes and read answers from, as they come."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.settimeout(WAIT)
        self.received = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def end(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def close(self):
        self.socket.close()

    def _more(self):
        """Reads another piece; False at the end of the stream, a reset being one too."""
        if self.ended:
            return False
        try:
            part = self.socket.recv(65536)
        except ConnectionError:
            part = b""
        self.received += part
        self.ended = part == b""
        return not self.ended

    def _until(self, mark):
        while mark not in self.received:
            assert self._more(), f"the stream ended before {mark!r}: {self.received[:500]!r}"
        before, _, self.received = self.received.partition(mark)
        return before

    def _exactly(self, length):
        while len(self.received) < length:
            assert self._more(), f"the stream ended within a body: {self.received[:500]!r}"
        taken, self.received = self.received[:length], self.received[length:]
        return taken

    def _chunked(self, answer):
        body = []
        while True:
            size = int(self._until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            body.append(self._exactly(size))
            assert self._exactly(2) == b"\r\n"
        while True:
            line = self._until(b"\r\n")
            if line == b"":
                return b"".join(body)
            answer.trailers.append(tuple(line.decode("latin-1").split(": ", 1)))

    def answer(self, method="GET", interim=False):
        """The next answer; interim ones (1xx) are skipped unless asked for."""
        answer = Answer(self._until(b"\r\n\r\n"), b"")
        if answer.status < 200:
            return answer if interim else self.answer(method)
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        if answer.field("Transfer-Encoding") is not None:
            assert answer.field("Transfer-Encoding") == "chunked"
            assert answer.field("Content-Length") is None
            answer.body = self._chunked(answer)
        elif answer.field("Content-Length") is not None:
            answer.body = self._exactly(int(answer.field("Content-Length")))
        else:
            answer.body = self.rest()
        return answer

    def rest(self):
        """All that comes until the peer closes."""
        while self._more():
            pass
        taken, self.received = self.received, b""
        return taken

    def is_quiet(self, seconds=0.3):
        """Nothing comes for that long. (A busy machine can only make a test pass, never fail.)"""
        if self.received or self.ended:
            return False
        self.socket.settimeout(seconds)
        try:
            self._more()
        except (TimeoutError, socket.timeout):
            return True
        finally:
            self.socket.settimeout(WAIT)
        return False

    def request(self, method, target, *fields, body=b"", host="gate.test", version="1.1"):
        self.send(request(method, target, *fields, body=body, host=host, version=version))
        return self.answer(method)


def request(method, target, *fields, body=b"", host="gate.test", version="1.1"):
    """The bytes of a request; `fields` are whole lines. Accept is as httpx sends it, for the cache keeps
    answers apart by it."""
    lines = [f"{method} {target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    if not any(field.lower().startswith("accept:") for field in fields):
        lines.append("Accept: */*")
    lines += fields
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines + ["", ""]).encode("latin-1") + body


def connect(address):
    """A plain socket to "127.0.0.1:80", "[::1]:80", "unix:/path" or "http://…"."""
    address = address.replace("http://", "")
    if address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(WAIT)
        connection.connect(address[5:])
        return connection
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout=WAIT)


# --- processes ---


class Process:
    """A process of ours: its output in a file, ended by its pid."""

    def __init__(self, log_file):
        self.log_file = log_file
        self.process = None

    def launch(self, *arguments, environment=None):
        assert self.process is None
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([POSTERN, *map(str, arguments)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log,
                                            env=dict(os.environ, **(environment or {})))

    @property
    def pid(self):
        return self.process.pid

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log_text(self):
        return self.log_file.read_text(errors="replace")

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, wait=WAIT):
        """Waits for the end and returns the exit code."""
        try:
            return self.process.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=WAIT)
            raise

    def stop(self):
        """TERM; it must end with 0."""
        if self.process is None:
            return
        if self.is_running:
            self.signal(signal.SIGTERM)
        code = self.wait()
        self.process = None
        assert code == 0, f"ended with {code}:\n{self.log_text()[-4000:]}"
        assert not SANITIZER.search(self.log_text()), self.log_text()

    def kill(self):
        """SIGKILL."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait(timeout=WAIT)
        self.process = None


class Sandbox(Process):
    """`postern sandbox` in a process of its own, with a token of its own."""

    def __init__(self, folder, *options):
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder / "sandbox.log")
        self.token = "sEcReT-" + secrets.token_hex(12) + "~/+x"  # escapes differ in URLs and JSON
        token_file = write_secret(folder / "sandbox.token", self.token)
        self.launch("sandbox", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--token",
                    token_file, *options)
        found = until(self._addresses, "the sandbox's line")
        self.url, self.control = (f"http://{address}" for address in found)
        self.client = httpx.Client(base_url=self.control + "/_sandbox", timeout=WAIT, trust_env=False)
        self.direct = httpx.Client(base_url=self.url, timeout=WAIT, trust_env=False)

    def _addresses(self):
        assert self.is_running, f"the sandbox ended:\n{self.log_text()}"
        found = re.findall(r"http://([0-9.:]+)", self.log_text())
        return found if len(found) == 2 and self.log_text().endswith("\n") else None

    def api(self, method, path, **options):
        """Asks the simulated API itself, past the gate."""
        joint = "&" if "?" in path else "?"
        return self.direct.request(method, f"{path}{joint}access_token={quote(self.token, safe='')}", **options)

    def knobs(self, **knobs):
        answer = self.client.put("/knobs", json=knobs)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def calls(self):
        """{"total", "reads", "writes", "calls": {"GET /profile/{profile}": 1, …}, …}"""
        return self.client.get("/calls").json()

    def forget_calls(self):
        self.client.delete("/calls")

    def control_post(self, path, **members):
        """POST to the control port: "/accounts", "/apps", "/links", "/revoke"."""
        answer = self.client.post(path, json=members)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def log(self):
        """The last requests: [{"method", "target", "fields": [[name, value], …]}, …], oldest first."""
        return self.client.get("/log").json()

    def reset(self):
        """The data, the knobs and the counts as at the start."""
        self.knobs(latency_ms=0, latency_after_ms=0, jitter_ms=0, view_lag_ms=0, per_second=0,
                   limit_with="429", file_bytes=1 << 20, bearer_lifetime_ms=86400000, faults=[])
        self.client.post("/reset")
        self.client.delete("/calls")

    def stop(self):
        self.client.close()
        self.direct.close()
        super().stop()


class Gate(Process):
    """`postern run` before `upstream` (a Sandbox, a RawUpstream or a URL), its files in `folder`."""

    DEFAULTS = {
        "listen": ["127.0.0.1:0"],
        "admin": "127.0.0.1:0",
        "workers": 2,
        # every call is made once, whatever the upstream says: what retries, pauses and breaker do, the
        # tests of the budget ask for
        "upstreams": {"copernica": {"preset": "copernica", "timeouts": {"total": "60s"}, "retries": 0,
                                    "breaker": False, "pause_max": "0s"}},
        "cache": {"max_size": "64MiB", "ttl": "1h",
                  # a test that runs slowly must not see a view expire
                  "rules": [{"match": "/**", "ttl": "1h"}]},
    }

    def __init__(self, upstream, folder, overrides=None, start=True, environment=None):
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder / "gate.log")
        self.folder = folder
        self.upstream = upstream
        self.environment = environment
        self.config = folder / "postern.json"
        self.data_dir = folder / "data"
        self.token_file = folder / "token"
        self.token = getattr(upstream, "token", "tOkEn-" + secrets.token_hex(12))
        write_secret(self.token_file, self.token)
        self.settings = merged(merged(self.DEFAULTS, {
            "data_dir": str(self.data_dir),
            "upstreams": {"copernica": {"url": getattr(upstream, "url", upstream),
                                        "token": {"file": str(self.token_file)}}},
        }), overrides or {})
        self.http = None
        self.admin_http = None
        self.write_config()
        if start:
            self.start()

    # --- configuration ---

    def write_config(self, text=None):
        self.config.write_text(json.dumps(self.settings, indent=2) if text is None else text)

    def change(self, **overrides):
        """Merges into the configuration file; .hup() makes a running gate use it."""
        self.settings = merged(self.settings, overrides)
        self.write_config()

    # --- life ---

    def start(self):
        """Starts it and waits until it listens; a gate that ends instead fails the test."""
        self.start_without_waiting()
        until(self._is_listening, "the gate's listening")
        text = self._text_since_start()
        self.addresses = re.findall(r"listening on (\S+)$", text, re.M)
        admin = re.search(r"admin address (\S+)$", text, re.M)
        self.url = "http://" + self.addresses[0]
        self.admin = "http://" + admin[1] if admin else None
        self.http = httpx.Client(base_url=self.url, timeout=WAIT, trust_env=False,
                                 follow_redirects=False)
        self.admin_http = httpx.Client(base_url=self.admin or self.url, timeout=WAIT, trust_env=False)

    def start_without_waiting(self):
        self.log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        self.launch("run", "--config", self.config, environment=self.environment)

    def _text_since_start(self):
        return self.log_file.read_bytes()[self.log_start:].decode(errors="replace")

    def _is_listening(self):
        text = self._text_since_start()
        assert self.is_running, f"the gate ended with {self.process.poll()}:\n{text}"
        return len(re.findall(r"listening on \S+\n", text)) == len(self.settings["listen"])

    def _close_clients(self):
        for client in (self.http, self.admin_http):
            if client is not None:
                client.close()
        self.http = self.admin_http = None

    def stop(self):
        self._close_clients()
        super().stop()

    def kill(self):
        self._close_clients()
        super().kill()

    def restart(self):
        """A clean stop and a new start on the same files. Addresses change."""
        self.stop()
        self.start()

    def hup(self):
        """HUP, and waits until it has said what came of it; returns that text."""
        before = self.log_file.stat().st_size
        self.signal(signal.SIGHUP)
        done = re.compile(r"are read again\n|stays as it was\n|no configuration file to read")

        def told():
            assert self.is_running, self.log_text()
            text = self.log_file.read_bytes()[before:].decode(errors="replace")
            return text if done.search(text) else None

        return until(told, "what came of HUP")

    # --- requests ---

    def ask(self, method, path, **options):
        return self.http.request(method, path, **options)

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def head(self, path, **options):
        return self.ask("HEAD", path, **options)

    def put(self, path, **options):
        return self.ask("PUT", path, **options)

    def post(self, path, **options):
        return self.ask("POST", path, **options)

    def delete(self, path, **options):
        return self.ask("DELETE", path, **options)

    def warm(self, path, **options):
        """GETs it until it is a hit, and returns that. (The answer after the first may be shared with
        the first's call, which is not stored yet, and is no hit then.)"""
        def hit():
            answer = self.get(path, **options)
            return answer if is_hit(answer) else None

        return until(hit, f"a hit of {path}")

    def raw(self, listener=0):
        """A plain socket to a listener."""
        return connect(self.addresses[listener])

    def wire(self, listener=0):
        """A Wire to a listener."""
        return Wire(self.raw(listener))

    def admin_wire(self):
        return Wire(connect(self.admin))

    # --- what it tells ---

    def status(self):
        answer = self.admin_http.get("/api/status")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def metrics(self):
        """{'name{label="value"}': number}, as the lines stand."""
        answer = self.admin_http.get("/metrics")
        assert answer.status_code == 200, answer.text
        lines = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def metric(self, name, **labels):
        """The sum of a metric's samples that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(value for sample, value in self.metrics().items()
                   if re.split(r"[{ ]", sample)[0] == name and all(part in sample for part in wanted))

    def purge(self, **what):
        answer = self.admin_http.post("/api/purge", json=what or {"all": True})
        assert answer.status_code == 200, answer.text

    def audit(self):
        """All records on the disk, in order. The audit thread writes a little later: poll with until."""
        files = sorted((self.data_dir / "audit").glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_bytes().split(b"\n")[:-1]
                if line]

    def done(self):
        """The audit records of finished exchanges."""
        return [record for record in self.audit() if record["kind"] == "done"]

    def files_with(self, secret):
        """The files, the log included, that hold these bytes anywhere. The token's own is left out."""
        secret = secret.encode() if isinstance(secret, str) else secret
        return [str(path) for path in self.folder.rglob("*")
                if path.is_file() and path != self.token_file and path.name != "sandbox.token"
                and path.stat().st_size < 1 << 28 and secret in path.read_bytes()]


def cache_status(answer):
    """("hit", {...}) or ("uri-miss", {...}) of an answer of httpx or of ours."""
    headers = getattr(answer, "headers", None)
    value = headers["cache-status"] if headers is not None else answer.field("Cache-Status")
    name, *parameters = [part.strip() for part in value.split(";")]
    assert name == "postern", value
    table = dict(part.split("=", 1) if "=" in part else (part, True) for part in parameters)
    return ("hit" if "hit" in table else table.get("fwd")), table


def is_hit(answer):
    return cache_status(answer)[0] == "hit"


# --- an upstream that says exactly what a test wants ---


class Call:
    """One request as the scripted upstream got it."""

    def __init__(self, upstream, connection, reader, head):
        self.upstream = upstream
        self.socket = connection
        self.reader = reader
        self.head = head
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ", 2)
        self.fields = [tuple(line.split(": ", 1)) for line in lines[1:] if ": " in line]
        self.path = self.target.partition("?")[0]
        self.closed = False
        self._body = None

    def field(self, name, default=None):
        return next((value for key, value in self.fields if key.lower() == name.lower()), default)

    @property
    def body(self):
        """The request's body; read when first asked for."""
        if self._body is None:
            self._body = self._read_body()
        return self._body

    def _read_body(self):
        if (self.field("Transfer-Encoding") or "").lower() == "chunked":
            parts = []
            while True:
                size = int(self.reader.readline().split(b";")[0], 16)
                if size == 0:
                    while self.reader.readline() not in (b"\r\n", b""):
                        pass
                    return b"".join(parts)
                parts.append(self.reader.read(size))
                self.reader.readline()
        return self.reader.read(int(self.field("Content-Length", "0")))

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def trickle(self, data, step=1, pause=0.01):
        for start in range(0, len(data), step):
            self.send(data[start:start + step])
            time.sleep(pause)

    def reply(self, body=b"{}", status=200, fields=(), reason="Whatever"):
        self.send(reply(body, status, fields, reason))

    def close(self):
        self.closed = True

    def hold(self, event):
        """Waits for a threading.Event (or for the test's end)."""
        deadline = time.monotonic() + WAIT
        while not event.wait(0.05) and not self.upstream.stopping and time.monotonic() < deadline:
            pass


def reply(body=b"{}", status=200, fields=(), reason="Whatever"):
    """The bytes of an answer with a Content-Length."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} {reason}", *fields]
    if not any(line.lower().startswith("content-type:") for line in fields):
        lines.append("Content-Type: application/json")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines + ["", ""]).encode("latin-1") + body


class RawUpstream:
    """A server on 127.0.0.1 whose answers a test scripts.

    on(path, script) says what a path (without query; "*" for all others) gets: bytes, sent as they
    are, or a function of the Call, run on the connection's own thread. Without a script: GET
    /identity tells an account, all else is 200 {}. `connections` counts; `calls` holds each Call.
    """

    def __init__(self, port=0):
        self.listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.token = "rAw-" + secrets.token_hex(12)
        self.scripts = {"/identity": reply(b'{"id": 77, "name": "test", "description": "", "company": {}}')}
        self.calls = []
        self.connections = 0
        self.stopping = False
        self.sockets = set()
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, path, script):
        self.scripts[path] = script
        return self

    def calls_of(self, path, method=None):
        return [call for call in list(self.calls)
                if call.path == path and (method is None or call.method == method)]

    def wait_for(self, path, count=1):
        return until(lambda: len(self.calls_of(path)) >= count and self.calls_of(path),
                     f"call {count} of {path}")

    def _accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.sockets.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            reader = connection.makefile("rb")
            while self._serve_one(connection, reader):
                pass
        except (OSError, ValueError):
            pass  # the gate may leave at any moment
        finally:
            with self.lock:
                self.sockets.discard(connection)
            connection.close()
            reader.close()

    def _serve_one(self, connection, reader):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = reader.readline()
            if line == b"":
                return False
            head += line
        call = Call(self, connection, reader, head[:-4])
        with self.lock:
            self.calls.append(call)
        script = self.scripts.get(call.path, self.scripts.get("*", reply()))
        if callable(script):
            script(call)
        else:
            call.body
            call.send(script)
        if not call.closed:
            call.body
        return not call.closed

    def stop(self):
        if self.stopping:
            return
        self.stopping = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for connection in self.sockets:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
