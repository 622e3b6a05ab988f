"""Bad input and bad luck: configurations, files, addresses, disks and upstreams that are not as they
should be; stopping, and reading the configuration again."""

import errno
import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time

import jsonschema
import pytest

from gate import (CHECKOUT, RawUpstream, cache_status, is_hit, merged, postern, reply, request, until, write_secret)

PROFILE = "/v2/profile/9001"
NOWHERE = "http://127.0.0.1:1"


def only_line(told):
    """The one line of an error."""
    lines = told.stderr.splitlines()
    assert len(lines) == 1, told.stderr
    return lines[0]


def run_in_vain(gate):
    """Starts a gate that must not start; its one line."""
    told = postern("run", "--config", gate.config)
    assert told.returncode in (1, 2) and told.stdout == ""
    return only_line(told)


# --- the configuration ---


def test_each_unknown_member_is_told_with_place_and_suggestion(make_gate):
    gate = make_gate(NOWHERE, start=False, lsiten=[], cache={"tll": "5s", "ttl": "5 s"},
                     upstreams={"copernica": {"budget": {"concurency": 3}, "tokn": {}}}, nothing_like_it=1)
    text = gate.config.read_text().splitlines()
    for command in ("run", "check"):
        told = postern(command, "--config", gate.config)
        assert told.returncode == 2 and told.stdout == ""
        faults = {}
        for line in told.stderr.splitlines():
            path, number, pointer, sentence = re.fullmatch(r"(.+?):(\d+): (/\S*): (.+)", line).groups()
            assert path == str(gate.config)
            faults[pointer] = sentence
            assert f'"{pointer.rpartition("/")[2]}"' in text[int(number) - 1]
        assert set(faults) == {"/lsiten", "/cache/tll", "/cache/ttl", "/nothing_like_it",
                               "/upstreams/copernica/budget/concurency", "/upstreams/copernica/tokn"}
        for pointer, meant in (("/lsiten", "listen"), ("/cache/tll", "ttl"),
                               ("/upstreams/copernica/budget/concurency", "concurrency"),
                               ("/upstreams/copernica/tokn", "token")):
            assert f'did you mean "{meant}"?' in faults[pointer]
        assert "did you mean" not in faults["/nothing_like_it"]
    assert not gate.data_dir.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{\"upstreams\": }", "{\"a\": 1,}", "\0", "{} {}", "{'a': 1}",
                                  "\xff\xfe", "{\"upstreams\": {\"a\": {\"url\": \"http://a\"}}", "// only a comment",
                                  "{\"a\": /* open"])
def test_what_is_no_configuration_is_told_with_its_line(make_gate, text):
    gate = make_gate(NOWHERE, start=False)
    gate.config.write_bytes(text.encode("latin-1"))
    for command in ("run", "check"):
        told = postern(command, "--config", gate.config)
        assert told.returncode == 2
        for line in told.stderr.splitlines():
            assert re.match(re.escape(str(gate.config)) + r":\d+: ", line)


def test_a_configuration_that_is_no_file_is_told(tmp_path):
    told = postern("run", "--config", tmp_path)
    assert told.returncode == 2 and str(tmp_path) in only_line(told)
    told = postern("run", cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    assert told.returncode == 2 and "--config" in only_line(told)


def test_what_does_nothing_yet_is_warned_of_at_start_and_at_hup(make_gate, raw_upstream):
    client = {"name": "crm", "key_sha256": "a" * 64, "quota": {"per_second": 5}, "priority": "batch", "weight": 3}
    gate = make_gate(raw_upstream, clients=[client], cache={"stale_while_revalidate": "5m", "stale_if_error": "5m"})
    words = ["stale_while_revalidate", "stale_if_error"]
    for text in (gate.log_text(), gate.hup()):
        warnings = [line for line in text.splitlines() if " warn: " in line]
        for word in words:
            assert any(word in line and "nothing yet" in line for line in warnings), word
        assert not any("clients" in line for line in warnings)
    checked = postern("check", "--config", gate.config)
    assert checked.returncode == 0 and all(word in checked.stdout for word in words)


def test_a_gate_without_audit_block_keeps_a_trail(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    assert "audit" not in gate.settings
    gate.get("/x")
    until(lambda: gate.done(), "the record")


# --- token files ---


def test_a_token_file_that_cannot_be_used_is_told_without_its_content(make_gate):
    gate = make_gate(NOWHERE, start=False)
    secret = gate.token
    cases = {
        "open to all": lambda path: path.chmod(0o644),
        "open to the group": lambda path: path.chmod(0o640),
        "missing": lambda path: path.unlink(),
        "empty": lambda path: path.write_text("\n"),
        "a directory": lambda path: (path.unlink(), path.mkdir()),
        "two lines": lambda path: path.write_text(secret + "\nX-Other: field"),
        "too large": lambda path: path.write_text("x" * 1000000),
    }
    for name, spoil in cases.items():
        if gate.token_file.is_dir():
            gate.token_file.rmdir()
        write_secret(gate.token_file, secret)
        assert postern("check", "--config", gate.config).returncode == 0
        spoil(gate.token_file)
        checked = postern("check", "--config", gate.config)
        assert checked.returncode == 2 and "/upstreams/copernica/token/file" in only_line(checked), name
        line = run_in_vain(gate)
        assert str(gate.token_file) in line, name
        assert secret not in line + checked.stderr
        if name.startswith("open"):
            assert "chmod 600" in line and '"insecure": true' in line
    if gate.token_file.is_dir():
        gate.token_file.rmdir()


def test_a_token_file_open_to_all_is_taken_where_the_configuration_says_so(make_gate, sandbox):
    gate = make_gate(sandbox, start=False, upstreams={"copernica": {"token": {"insecure": True}}})
    gate.token_file.chmod(0o644)
    gate.start()
    assert gate.get(PROFILE).status_code == 200


def test_a_token_may_come_from_the_environment_and_leaves_it(make_gate, sandbox):
    gate = make_gate(sandbox, upstreams={"copernica": {"token": {"file": None, "env": "POSTERN_TEST_TOKEN"}}},
                     environment={"POSTERN_TEST_TOKEN": sandbox.token})
    assert gate.get(PROFILE).status_code == 200
    if os.geteuid() == 0:
        assert sandbox.token.encode() not in open(f"/proc/{gate.pid}/environ", "rb").read()
    gate.hup()
    assert gate.get("/v2/profile/9002").status_code == 200


def test_a_token_that_is_not_in_the_environment_is_told(make_gate):
    gate = make_gate(NOWHERE, start=False,
                     upstreams={"copernica": {"token": {"file": None, "env": "POSTERN_NO_SUCH_TOKEN"}}})
    assert "POSTERN_NO_SUCH_TOKEN" in run_in_vain(gate)


# --- addresses and directories ---


@pytest.mark.parametrize("member", ["listen", "admin"])
def test_an_address_in_use_is_told_and_the_other_gate_lives(make_gate, sandbox, member):
    running = make_gate(sandbox)
    taken = running.addresses[0] if member == "listen" else running.admin.removeprefix("http://")
    second = make_gate(sandbox, start=False, **{member: [taken] if member == "listen" else taken})
    line = run_in_vain(second)
    assert taken in line and "in use" in line
    assert running.get(PROFILE).status_code == 200


def test_a_unix_socket_in_use_is_told_and_stays(make_gate, sandbox, tmp_path):
    path = tmp_path / "gate.sock"
    running = make_gate(sandbox, listen=["127.0.0.1:0", f"unix:{path}"])
    second = make_gate(sandbox, start=False, listen=[f"unix:{path}"])
    assert str(path) in run_in_vain(second)
    with running.wire(1) as wire:
        assert wire.request("GET", PROFILE).status == 200


def test_a_file_where_the_unix_socket_should_be_is_left_alone(make_gate, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    gate = make_gate(NOWHERE, start=False, listen=[f"unix:{path}"])
    assert str(path) in run_in_vain(gate)
    assert path.read_text() == "data"


def test_the_data_dir_of_a_running_gate_is_told_and_the_other_gate_lives(make_gate, sandbox):
    running = make_gate(sandbox)
    running.warm(PROFILE)
    second = make_gate(sandbox, start=False, data_dir=str(running.data_dir))
    line = run_in_vain(second)
    assert "another gate" in line and str(running.data_dir) in line and "data_dir" in line
    assert is_hit(running.get(PROFILE))
    running.stop()
    second.start()
    assert is_hit(second.warm(PROFILE))


def test_the_data_dir_is_made_for_its_owner_alone(make_gate, sandbox, tmp_path):
    place = tmp_path / "a" / "b" / "c"
    gate = make_gate(sandbox, data_dir=str(place))
    gate.data_dir = place
    gate.get(PROFILE)
    until(lambda: gate.done(), "the record")
    assert place.stat().st_mode & 0o777 == 0o700
    for path in place.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nothing/here"])
def test_a_data_dir_that_cannot_be_made_is_told(make_gate, tmp_path, place):
    (tmp_path / "file").write_text("x")
    gate = make_gate(NOWHERE, start=False, data_dir=str(tmp_path / place))
    assert str(tmp_path / place) in run_in_vain(gate)


# --- a damaged cache ---


PATHS = [f"/v2/profile/{9001 + number}" for number in range(120)]


def overwrite(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def noise(length):
    return random.Random(length).randbytes(length)


def change_everywhere(path, old, new):
    """In free pages too, which hold what stood there before."""
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


DAMAGES = {
    "noise in front": lambda path: overwrite(path, 0, noise(8192)),
    "noise in the first bytes": lambda path: overwrite(path, 16, noise(64)),
    "noise in the middle": lambda path: overwrite(path, path.stat().st_size // 3, noise(path.stat().st_size // 3)),
    "noise to the end": lambda path: overwrite(path, 8192, noise(path.stat().st_size - 8192)),
    "zeros in the middle": lambda path: overwrite(path, 8192, bytes(path.stat().st_size - 8192)),
    "one byte of one answer": lambda path: change_everywhere(path, b'"emma.mulder', b'"eXma.mulder'),
    "cut to a half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "cut to a page": lambda path: os.truncate(path, 4096),
    "cut to some bytes": lambda path: os.truncate(path, 100),
    "a text": lambda path: path.write_text("this is no cache\n" * 1000),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory, module_gate):
    """The cache file of a gate that stored PATHS."""
    for path in PATHS:
        module_gate.warm(path)
    file = tmp_path_factory.mktemp("filled") / "cache.mdb"
    module_gate.restart()  # all is in the file
    shutil.copy(module_gate.data_dir / "cache.mdb", file)
    return file


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_cache_is_moved_aside_and_the_gate_serves(make_gate, module_sandbox, filled, damage):
    gate = make_gate(module_sandbox, start=False)
    gate.data_dir.mkdir(mode=0o700)
    file = gate.data_dir / "cache.mdb"
    shutil.copy(filled, file)
    damage(file)
    damaged = file.read_bytes()
    gate.start()
    warnings = [line for line in gate.log_text().splitlines() if "damaged" in line]
    assert len(warnings) == 1 and "cache.mdb" in warnings[0] and "empty" in warnings[0]
    assert (gate.data_dir / "cache.mdb.damaged").read_bytes() == damaged
    assert gate.status()["cache"]["entries"] == 0
    first = gate.get(PATHS[0])
    assert first.status_code == 200 and not is_hit(first)
    assert gate.warm(PATHS[0]).content == module_sandbox.api("GET", PATHS[0]).content
    gate.restart()
    assert is_hit(gate.get(PATHS[0])) and "damaged" not in gate._text_since_start()


def test_an_undamaged_cache_of_another_gate_is_warm(make_gate, module_sandbox, filled):
    gate = make_gate(module_sandbox, start=False)  # what the tests above damage is not refused as such
    gate.data_dir.mkdir(mode=0o700)
    shutil.copy(filled, gate.data_dir / "cache.mdb")
    gate.start()
    assert is_hit(gate.get(PATHS[0])) and "damaged" not in gate.log_text()


def test_an_empty_cache_file_is_a_start_from_nothing(make_gate, module_sandbox):
    gate = make_gate(module_sandbox, start=False)
    gate.data_dir.mkdir(mode=0o700)
    (gate.data_dir / "cache.mdb").touch()
    gate.start()
    assert not is_hit(gate.get(PATHS[0])) and is_hit(gate.warm(PATHS[0]))


def test_a_second_damaged_cache_takes_the_place_of_the_first(make_gate, module_sandbox, filled):
    gate = make_gate(module_sandbox, start=False)
    gate.data_dir.mkdir(mode=0o700)
    for text in ("first", "second"):
        (gate.data_dir / "cache.mdb").write_text(text * 1000)
        gate.start()
        gate.stop()
        assert (gate.data_dir / "cache.mdb.damaged").read_text() == text * 1000


# --- upstreams that are not there ---


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def assert_problem(answer, *statuses):
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_an_upstream_that_cannot_be_reached_is_502(make_gate, host):
    gate = make_gate(f"http://{host}:{closed_port()}", upstreams={"copernica": {"timeouts": {"connect": "2s"}}})
    for _ in range(2):
        assert_problem(gate.get(PROFILE), 502, 504) if host.endswith("invalid") else \
            assert_problem(gate.get(PROFILE), 502)
    answer = gate.put(PROFILE + "/fields", json={"city": "Ede"})
    assert_problem(answer, 502, 504)
    assert gate.status()["cache"]["intents"] == 0
    assert gate.admin_http.get("/readyz").status_code == 200


def test_an_upstream_that_comes_later_is_found(make_gate):
    port = closed_port()
    gate = make_gate(f"http://127.0.0.1:{port}")
    assert_problem(gate.get("/x"), 502)
    late = RawUpstream(port)
    try:
        until(lambda: gate.get("/x").status_code == 200, "an answer")
        gate.warm("/x")  # and its account is learnt then
    finally:
        late.stop()


def test_an_upstream_that_takes_no_connection_is_given_up(make_gate):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        waiting = []
        for _ in range(8):  # its queue is full: whoever comes now waits
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            assert waiting[-1].connect_ex(address) in (0, errno.EINPROGRESS)
        gate = make_gate(f"http://127.0.0.1:{address[1]}",
                         upstreams={"copernica": {"timeouts": {"connect": "300ms", "total": "2s"}}})
        assert_problem(gate.get(PROFILE), 502, 504)
        assert_problem(gate.put(PROFILE + "/fields", json={}), 502, 504)
        for connection in waiting:
            connection.close()


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"])
def test_an_upstream_that_hangs_is_504(make_gate, raw_upstream, method, beginning):
    hung = threading.Event()

    def hang(call):
        call.body
        call.send(beginning)
        call.hold(hung)

    raw_upstream.on("/v2/hanging", hang)
    gate = make_gate(raw_upstream, upstreams={"copernica": {"timeouts": {"total": "400ms"}}})
    body = {"json": {"a": 1}} if method == "PUT" else {}
    assert_problem(gate.ask(method, "/v2/hanging", **body), 504)
    assert len(raw_upstream.calls_of("/v2/hanging", method)) == 1  # no second try of what was sent
    assert gate.get("/v2/other").status_code == 200
    hung.set()


def test_an_upstream_that_hangs_within_a_body_does_not_pass_for_whole(make_gate, raw_upstream):
    hung = threading.Event()
    raw_upstream.on("/v2/half", lambda call: (
        call.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"),
        call.hold(hung)))
    gate = make_gate(raw_upstream, upstreams={"copernica": {"timeouts": {"total": "400ms"}}})
    with gate.wire() as wire:
        wire.send(request("GET", "/v2/half"))
        received = wire.socket.recv(65536)
        if received.startswith(b"HTTP/1.1 200"):
            wire.received = received
            assert len(wire.rest().partition(b"\r\n\r\n")[2]) < 100  # and closed
        else:
            assert received.startswith(b"HTTP/1.1 504")
    hung.set()
    raw_upstream.on("/v2/half", reply(b'{"whole": true}'))
    assert gate.get("/v2/half").json() == {"whole": True}


# --- a full disk ---


class Limit:
    """No file of the process may grow: what a full disk is to it."""

    def __init__(self, gate):
        self.gate = gate

    def fill(self):
        resource.prlimit(self.gate.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def free(self):
        resource.prlimit(self.gate.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class Tmpfs:
    """A real file system without a free block."""

    def __init__(self, gate):
        self.ballast = gate.data_dir / "ballast"

    def fill(self):
        with open(self.ballast, "wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    def free(self):
        self.ballast.unlink()


@pytest.fixture
def mount(tmp_path):
    """A small tmpfs, for root only."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=700", "tmpfs", str(place)],
                                           capture_output=True).returncode != 0:
        pytest.skip("mounting takes root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def city_of(answer):
    return json.loads(answer.content)["fields"]["city"]


def lives_through_a_full_disk(gate, sandbox, disk):
    gate.warm(PROFILE)
    gate.warm("/v2/profile/9002")
    disk.fill()
    assert is_hit(gate.get("/v2/profile/9002"))
    refused = 0
    for number in range(12):
        answer = gate.put(PROFILE + "/fields", json={"city": f"Full{number}"})
        assert answer.status_code in (303, 503), answer.text
        if answer.status_code == 503:
            assert_problem(answer, 503)
            assert city_of(sandbox.api("GET", PROFILE)) != f"Full{number}"  # refused is not sent
            refused += 1
        else:
            assert city_of(sandbox.api("GET", PROFILE)) == f"Full{number}"
        assert city_of(gate.get(PROFILE)) == city_of(sandbox.api("GET", PROFILE))
        other = gate.get(f"/v2/profile/{9010 + number}")  # a miss, stored or not
        assert other.status_code == 200
    assert gate.is_running
    told = gate.admin_http.get("/readyz").status_code
    disk.free()
    until(lambda: gate.put(PROFILE + "/fields", json={"city": "Free"}).status_code == 303, "a write")
    assert city_of(gate.get(PROFILE)) == "Free"
    until(lambda: gate.admin_http.get("/readyz").status_code == 200, "readiness")
    gate.warm("/v2/profile/9003")
    assert gate.status()["cache"]["usable"] is True
    return refused, told


def test_when_no_file_can_grow_reads_are_served_and_writes_refused(make_gate, sandbox):
    gate = make_gate(sandbox)
    refused, _ = lives_through_a_full_disk(gate, sandbox, Limit(gate))
    assert refused > 0


def test_on_a_full_disk_reads_are_served_and_nothing_is_stale(make_gate, sandbox, mount):
    gate = make_gate(sandbox, start=False, data_dir=str(mount / "data"), cache={"max_size": "8MiB", "max_object": "1MiB"})
    gate.data_dir = mount / "data"
    gate.start()
    lives_through_a_full_disk(gate, sandbox, Tmpfs(gate))
    gate.restart()
    assert city_of(gate.get(PROFILE)) == city_of(sandbox.api("GET", PROFILE))
    gate.stop()


def test_a_start_on_a_full_disk_is_told(make_gate, sandbox, mount):
    gate = make_gate(sandbox, start=False, data_dir=str(mount / "data"))
    gate.data_dir = mount
    disk = Tmpfs(gate)
    disk.fill()
    line = run_in_vain(gate)
    assert str(mount) in line or "room" in line
    disk.free()
    gate.data_dir = mount / "data"
    gate.start()
    assert gate.get(PROFILE).status_code == 200
    gate.stop()


# --- stopping ---


def test_term_waits_for_what_is_under_way_and_takes_nothing_new(make_gate, raw_upstream):
    body = b'{"long": "' + b"x" * 300 + b'"}'

    def slow(call):
        call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        call.trickle(body, step=16, pause=0.02)

    raw_upstream.on("/v2/slow", slow)
    gate = make_gate(raw_upstream)
    with gate.wire() as busy, gate.wire() as idle, gate.wire() as writing:
        assert idle.request("GET", "/v2/x").status == 200
        busy.send(request("GET", "/v2/slow"))
        writing.send("PUT /v2/thing HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\n\r\nab")
        raw_upstream.wait_for("/v2/slow")
        raw_upstream.wait_for("/v2/thing")
        gate.signal(signal.SIGTERM)
        assert idle.rest() == b""
        until(lambda: "stopping" in gate.log_text(), "the draining")
        time.sleep(0.5)  # each worker hears of it by letter
        writing.send(b"cd")
        answer = writing.answer("PUT")
        assert answer.status == 200 and answer.field("Connection") == "close"
        answer = busy.answer()
        assert answer.status == 200 and answer.body == body and answer.field("Connection") == "close"
        assert busy.rest() == b"" and writing.rest() == b""
    assert gate.wait() == 0
    assert raw_upstream.calls_of("/v2/thing")[0].body == b"abcd"
    assert {"/v2/slow", "/v2/thing", "/v2/x"} <= {record["url"] for record in gate.done()}


def test_int_stops_too(make_gate, sandbox):
    gate = make_gate(sandbox)
    gate.signal(signal.SIGINT)
    assert gate.wait() == 0


def test_a_second_term_stops_at_once_and_the_next_start_is_sound(make_gate, sandbox):
    # it leaves its threads as they are, which ThreadSanitizer would tell of
    gate = make_gate(sandbox, environment={
        "TSAN_OPTIONS": os.environ.get("TSAN_OPTIONS", "") + ":report_thread_leaks=0"})
    gate.warm("/v2/profile/9002")
    gate.warm(PROFILE)
    sandbox.knobs(faults=[{"path": "/profile/9001/fields", "kind": "hold"}])
    with gate.wire() as wire:
        wire.send(request("PUT", PROFILE + "/fields", "Content-Type: application/json", body=b'{"city":"Ede"}'))
        until(lambda: sandbox.calls()["faulted"] == 1, "the write")
        gate.signal(signal.SIGTERM)
        until(lambda: "stopping" in gate.log_text(), "the draining")
        gate.signal(signal.SIGTERM)
        assert gate.wait() == 1
        assert wire.rest() == b""
    gate.process = None
    sandbox.knobs(faults=[])
    sandbox.api("PUT", PROFILE + "/fields", json={"city": "Landed"})  # what was sent may land late
    gate.start()
    assert city_of(gate.get(PROFILE)) == "Landed"


def test_term_before_anything_happened_stops(make_gate, raw_upstream):
    hung = threading.Event()
    raw_upstream.on("/identity", lambda call: call.hold(hung))
    gate = make_gate(raw_upstream, start=False)
    gate.start_without_waiting()
    raw_upstream.wait_for("/identity")
    gate.signal(signal.SIGTERM)
    code = gate.wait()
    gate.process = None
    hung.set()
    assert code in (0, -signal.SIGTERM)  # the latter: it came before there was a handler


# --- HUP ---


def test_hup_with_a_broken_file_changes_nothing_and_says_why(make_gate, sandbox):
    gate = make_gate(sandbox)
    gate.warm(PROFILE)
    good = gate.config.read_text()
    for text, words in (("{", ["postern.json:1"]),
                        (good.replace('"ttl"', '"tll"'), ["/cache/tll", "did you mean", "postern.json:"]),
                        (good.replace("127.0.0.1:0", "no address"), ["/listen/0", "/admin"])):
        gate.config.write_text(text)
        told = gate.hup()
        assert "stays as it was" in told
        for word in words:
            assert word in told
        assert is_hit(gate.get(PROFILE))
        assert gate.put(PROFILE + "/fields", json={"city": "Ede"}).status_code == 303
        gate.warm(PROFILE)
    gate.config.write_text(good)
    assert "read again" in gate.hup()


def test_hup_with_a_token_file_that_is_gone_keeps_the_token(make_gate, sandbox):
    gate = make_gate(sandbox)
    gate.token_file.unlink()
    told = gate.hup()
    assert "stays as it was" in told and str(gate.token_file) in told
    assert gate.get(PROFILE).status_code == 200


def test_hup_takes_a_new_token_and_another_account_is_another_name_space(make_gate, raw_upstream):
    accounts = {"first": 1, "second": 2}

    def token_of(call):
        return call.target.rpartition("access_token=")[2]

    raw_upstream.on("/identity", lambda call: call.reply(json.dumps({"id": accounts[token_of(call)]})))
    raw_upstream.on("/v2/x", lambda call: call.reply(json.dumps({"seen_by": accounts[token_of(call)]})))
    gate = make_gate(raw_upstream, start=False)
    write_secret(gate.token_file, "first")
    gate.start()
    assert gate.warm("/v2/x").json() == {"seen_by": 1}
    write_secret(gate.token_file, "second")
    assert "read again" in gate.hup()
    until(lambda: gate.status()["upstreams"][0]["account"] == "copernica/2", "the new account")
    until(lambda: gate.get("/v2/x").json() == {"seen_by": 2}, "the new token's answer")
    assert gate.warm("/v2/x").json() == {"seen_by": 2}


def test_hup_says_what_takes_a_restart(make_gate, sandbox):
    gate = make_gate(sandbox)
    gate.change(workers=3)
    told = gate.hup()
    assert "next start" in told and "read again" in told
    assert gate.status()["workers"] == 2


def test_many_hups_under_load_drop_no_request(make_gate, sandbox):
    gate = make_gate(sandbox)
    gate.warm(PROFILE)
    stop = threading.Event()
    statuses = []

    def load():
        with gate.wire() as wire:
            while not stop.is_set():
                statuses.append(wire.request("GET", PROFILE).status)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        gate.hup()
    stop.set()
    for thread in threads:
        thread.join()
    assert len(statuses) > 20 and set(statuses) == {200}


# --- the schema ---


UPSTREAM = {"url": "http://127.0.0.1:1", "preset": "copernica", "token": {"file": "token"}}
CLIENT = {"name": "crm", "key_sha256": "a" * 64}


def in_upstream(**members):
    return {"upstreams": {"a": members}}


def with_clients(*clients):
    return {"clients": list(clients)}


def two_upstreams(first, second):
    return {"upstreams": {"a": {**UPSTREAM, **first}, "b": {**UPSTREAM, **second}}}


GOOD = [
    in_upstream(match="/a-1/b.c/**"), two_upstreams({}, {"match": "/b/**"}),
    two_upstreams({"match": "/a/b/**"}, {"match": "/a/**"}),
    {**two_upstreams({}, {"match": "/b/**"}), **with_clients(CLIENT)},
    {**two_upstreams({}, {}), **with_clients({**CLIENT, "upstream": "b"})},
    {}, {"$schema": "x"}, {"listen": ["[::1]:80"]}, {"listen": ["unix:/run/x", "127.0.0.1:1"]},
    {"listen": [{"address": "127.0.0.1:8080"}]}, {"admin": False}, {"admin": "unix:/x"}, {"workers": 0},
    {"workers": 8}, {"log": {"level": "debug", "format": "json"}}, {"limits": {"connections": 1}},
    {"limits": {"head_timeout": "250ms", "idle_timeout": "1h", "body_timeout": "1d"}},
    with_clients(), with_clients(CLIENT), with_clients({**CLIENT, "allow": []}),
    with_clients({**CLIENT, "allow": ["GET /**", "* /profile/*", "PUT /profile/*/fields"]}),
    with_clients({**CLIENT, "upstream": "a", "quota": {"per_second": 1.5, "burst": 2}, "priority": "batch"}),
    with_clients({**CLIENT, "key_until": "2027-01-31T12:00:00+01:00", "disabled": False, "weight": 1000}),
    with_clients({**CLIENT, "quota": {"per_second": 0.5, "burst": 3, "per_day": 7}, "deny": ["GET /x/**"]}),
    with_clients({**CLIENT, "quota": {}}), with_clients({**CLIENT, "quota": {"per_second": 0, "burst": 0, "per_day": 0}}),
    with_clients({**CLIENT, "previous_key_sha256": "b" * 64, "previous_key_until": "2027-01-31T12:00:00Z"}),
    in_upstream(budget={"time_zone": "Europe/Amsterdam"}),
    {"listen": ["0.0.0.0:80"], "clients": [CLIENT]},
    {"cache": {"ttl": "0s", "negative_ttl": "0s"}}, {"cache": {"max_size": "64MiB", "max_object": "1MiB"}},
    {"cache": {"rules": [{"match": "/x", "store": False}, {"match": "/**", "parameter": "a=b", "ttl": "1s"}]}},
    {"cache": {"rules": [{"match": "/x", "ttl": "1s", "override": True}]}}, {"cache": {"unmatched_writes": "path"}},
    {"cache": {"rules": [{"match": "/x", "settle": "5m"}]}},
    {"audit": False}, {"audit": True}, {"audit": {"mask": ["email"], "rotate": "1MiB", "keep": "1d"}},
    {"audit": {"bodies": "none"}}, in_upstream(preset=None, token=None), in_upstream(url="https://a.test/api/v1/"),
    in_upstream(inject={"header": "Authorization", "format": "Bearer %s"}), in_upstream(inject={"query": "key"}),
    in_upstream(token={"file": None, "env": "TOKEN"}), in_upstream(token={"insecure": True}),
    in_upstream(token={"file": None, "exchange": {"url": "https://a.test/x/", "token": {"env": "X"}, "parameter": "key",
                                                  "lifetime": "1h"}}),
    in_upstream(token={"file": None, "exchange": {"url": "http://localhost:1", "token": {"file": "token"}}}),
    in_upstream(login={"client_id": "i", "client_secret": {"env": "S"}, "redirect": "http://127.0.0.1:8089/"}),
    in_upstream(login={"client_id": "i", "client_secret": {"file": "token"}, "redirect": "http://[::1]:1/back",
                       "authorize": "https://a.test/authorize", "token": "http://127.0.0.1:1/token"}),
    in_upstream(budget={"concurrency": 0, "per_second": 2.5, "write_share": 0.9}), in_upstream(retries=0, breaker=True),
    in_upstream(timeouts={"connect": "1s", "total": "2s", "queue": "3s"}), in_upstream(pause_max="1m"),
    in_upstream(forward=["*"]), in_upstream(forward=["X-Thing"]), in_upstream(tls={"verify": False}),
    {"upstreams": {"b": UPSTREAM}, "clients": [{**CLIENT, "upstream": "a"}]},
]

BAD = [
    in_upstream(match="/a"), in_upstream(match="/**"), in_upstream(match="/a/*/**"), in_upstream(match="/a/../b/**"),
    in_upstream(match="/_postern/**"), in_upstream(match="/%61/**"), in_upstream(match=1),
    two_upstreams({}, {}), {**two_upstreams({}, {}), **with_clients(CLIENT)},
    {"upstreams": None}, {"upstreams": {"a": None}}, {"upstreams": []}, {"nonsense": 1}, {"listen": []}, {"listen": ""},
    {"listen": ["8080"]}, {"listen": ["127.0.0.1"]}, {"listen": ["example.org:80"]}, {"listen": ["127.0.0.1:1"] * 2},
    {"listen": ["unix:"]}, {"listen": [{"tls": {}}]}, {"listen": [{"address": "127.0.0.1:1", "tls": {}}]},
    {"admin": True}, {"admin": 8081}, {"data_dir": ""}, {"data_dir": 1}, {"workers": -1}, {"workers": 1.5},
    {"workers": "2"}, {"workers": 1000}, {"log": {"level": "loud"}}, {"log": {"colour": True}}, {"log": None, "lgo": {}},
    {"limits": {"head_timeout": "0s"}}, {"limits": {"head_timeout": 10}}, {"limits": {"head_timeout": "10"}},
    {"limits": {"idle_timeout": "1 s"}}, {"limits": {"idle_timeout": "-1s"}}, {"limits": {"body_timeout": "1w"}},
    {"limits": {"connections": 0}}, in_upstream(url=None), in_upstream(url="ftp://a"), in_upstream(url="a.test"),
    in_upstream(url="http://a/../b"), in_upstream(url="http://a?x"), in_upstream(url="http://u:p@a"),
    in_upstream(preset=None), in_upstream(preset=5), in_upstream(preset=""), in_upstream(token="token"),
    in_upstream(token={"env": "X"}), in_upstream(token={"file": None}), in_upstream(token={"file": None, "env": "1X"}),
    in_upstream(token={"exchange": {}}), in_upstream(token={"file": None, "exchange": {"token": {"env": "X"}}}),
    in_upstream(token={"exchange": {"url": "https://a.test", "token": {"env": "X"}}}),
    in_upstream(token={"file": None, "exchange": {"url": "http://a.test", "token": {"env": "X"}}}),
    in_upstream(token={"file": None, "exchange": {"url": "https://a.test", "token": "X"}}),
    in_upstream(token={"file": None, "exchange": {"url": "https://a.test", "token": {"env": "X"}, "lifetime": "0s"}}),
    in_upstream(login={}), in_upstream(login={"client_id": "i", "redirect": "http://127.0.0.1:8089/"}),
    in_upstream(login={"client_id": "i", "client_secret": {"env": "S"}, "redirect": "http://a.test:8089/"}),
    in_upstream(login={"client_id": "i", "client_secret": "S", "redirect": "http://127.0.0.1:8089/"}),
    in_upstream(login={"client_id": "i", "client_secret": {"env": "S"}, "redirect": "http://127.0.0.1:8089/",
                       "token": "http://a.test"}),
    in_upstream(inject={}), in_upstream(inject={"query": "a", "header": "b"}),
    in_upstream(inject={"query": "a", "format": "%s"}), in_upstream(inject={"header": "A", "format": "none"}),
    in_upstream(inject={"header": "A B"}), in_upstream(budget={"concurrency": -1}), in_upstream(budget={"write_share": 0.95}),
    in_upstream(budget={"concurrency": 1.5}), in_upstream(timeouts={"total": "0s"}), in_upstream(retries=11),
    in_upstream(retries="2"), in_upstream(breaker="yes"), in_upstream(forward="*"), in_upstream(forward=["a b"]),
    in_upstream(tls={"verify": "no"}), {"upstreams": {"a b": UPSTREAM}}, {"upstreams": {"b": UPSTREAM}},
    with_clients({"name": "crm"}), with_clients({**CLIENT, "key_sha256": "a" * 63}), with_clients({**CLIENT, "name": ""}),
    with_clients({**CLIENT, "key": "open"}), with_clients({**CLIENT, "allow": ["GET"]}),
    with_clients({**CLIENT, "allow": ["GET profile"]}), with_clients({**CLIENT, "allow": "GET /**"}),
    with_clients({**CLIENT, "priority": "urgent"}), with_clients({**CLIENT, "weight": 0}),
    with_clients({**CLIENT, "quota": {"per_minute": 5}}), {"clients": {}}, with_clients({**CLIENT, "quota": {"burst": 3}}),
    with_clients({**CLIENT, "quota": {"per_second": 0, "burst": 3}}), with_clients({**CLIENT, "weight": 1001}),
    with_clients({**CLIENT, "quota": {"per_second": 0.0005}}), with_clients({**CLIENT, "quota": {"per_day": 1.5}}),
    with_clients({**CLIENT, "previous_key_until": "2027-01-31T12:00:00Z"}), with_clients({**CLIENT, "deny": ["/x"]}),
    with_clients({**CLIENT, "key_until": "2027-01-31"}), with_clients({**CLIENT, "disabled": "no"}),
    in_upstream(budget={"time_zone": 1}),
    {"cache": {"ttl": "5"}}, {"cache": {"max_size": "1GB"}}, {"cache": {"max_size": -1}}, {"cache": {"rules": {}}},
    {"cache": {"rules": [{"match": "x", "ttl": "1s"}]}}, {"cache": {"rules": [{"ttl": "1s"}]}},
    {"cache": {"rules": [{"match": "/x"}]}}, {"cache": {"rules": [{"match": "/x", "override": True}]}},
    {"cache": {"rules": [{"match": "/x", "settle": 5}]}},
    {"cache": {"rules": [{"match": "//", "ttl": "1s"}]}}, {"cache": {"unmatched_writes": "nothing"}},
    {"audit": "off"}, {"audit": {"sync": "never"}}, {"audit": {"keep": "0d"}}, {"audit": {"on_failure": "go-on"}},
    {"audit": {"bodies": "all"}}, {"cluster": {"redis": "redis://127.0.0.1"}},
]


def judged(folder, overrides):
    """(what postern check says, what the schema says) of a configuration."""
    base = {"listen": ["127.0.0.1:8080"], "data_dir": "data", "upstreams": {"a": UPSTREAM}}
    config = merged(base, overrides)
    (folder / "postern.json").write_text(json.dumps(config))
    write_secret(folder / "token", "x")
    checked = postern("check", "--config", folder / "postern.json")
    assert checked.returncode in (0, 2), checked.stderr
    schema = json.loads((CHECKOUT / "conf" / "postern.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    return checked.returncode == 0, validator.is_valid(config), checked.stdout + checked.stderr


@pytest.mark.parametrize("overrides", GOOD, ids=json.dumps)
def test_schema_and_check_accept_a_good_configuration(tmp_path, overrides):
    accepted, valid, said = judged(tmp_path, overrides)
    assert accepted and valid, said


@pytest.mark.parametrize("overrides", BAD, ids=json.dumps)
def test_schema_and_check_refuse_a_bad_configuration(tmp_path, overrides):
    accepted, valid, said = judged(tmp_path, overrides)
    assert not accepted and not valid, said


def test_the_configurations_that_come_along_are_good():
    schema = json.loads((CHECKOUT / "conf" / "postern.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in ("postern.json", "sandbox.json"):
        checked = postern("check", "--config", CHECKOUT / "conf" / name)
        assert checked.returncode == 0, checked.stderr
