"""The sandbox over real sockets: its API, its knobs, its faults. Run by /usr/bin/python3 -m pytest."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import httpx
import pytest

POSTERN = os.environ.get(
    "POSTERN", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "postern"))
TOKEN = "sandbox-token"


class Sandbox:
    """A running sandbox: `api` asks it with the token, `control` turns its knobs."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [POSTERN, "sandbox", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE, text=True)
        self.line = self.process.stdout.readline()
        self.address, control = re.findall(r"http://([0-9.:]+)", self.line)
        self.url = f"http://{self.address}"
        self.control = httpx.Client(base_url=f"http://{control}/_sandbox", timeout=10)
        self.client = httpx.Client(base_url=self.url, timeout=10)

    def api(self, method, path, **options):
        separator = "&" if "?" in path else "?"
        return self.client.request(method, f"{path}{separator}access_token={TOKEN}", **options)

    def get(self, path):
        return self.api("GET", path)

    def knobs(self, **knobs):
        answer = self.control.put("/knobs", json=knobs)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def calls(self):
        return self.control.get("/calls").json()

    def raw(self, request):
        """Everything that comes back for these bytes until the sandbox closes."""
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(request)
            received = b""
            while True:
                part = connection.recv(65536)
                if not part:
                    return received
                received += part

    def resident_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)


@pytest.fixture(scope="module")
def running():
    sandbox = Sandbox()
    yield sandbox
    assert sandbox.stop() == 0


@pytest.fixture
def sandbox(running):
    running.knobs(latency_ms=0, latency_after_ms=0, jitter_ms=0, view_lag_ms=0, per_second=0,
                  limit_with="429", file_bytes=1 << 20, faults=[])
    running.control.post("/reset")
    running.control.delete("/calls")
    return running


def test_a_read_answers_as_the_api_does(sandbox):
    answer = sandbox.get("/v2/profile/9001")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    for absent in ("etag", "last-modified", "cache-control", "expires", "vary"):
        assert absent not in answer.headers
    profile = answer.json()
    assert profile["ID"] == "9001" and profile["database"] == "31"
    assert profile["fields"]["email"].endswith("@example.org")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", profile["modified"])


def test_the_identity_is_told(sandbox):
    assert set(sandbox.get("/identity").json()) == {"id", "name", "description", "company"}


@pytest.mark.parametrize("path", ["/v1/identity", "/v3/identity?access_token=wrong",
                                  "/v4/identity", "/nothing"])
def test_without_the_token_nothing_is_told(sandbox, path):
    answer = sandbox.client.get(path)
    assert answer.status_code == 400
    assert answer.json() == {"error": {"message": "Invalid access token"}}
    assert sandbox.calls()["unauthorized"] == 1


def test_v4_takes_the_token_as_bearer_and_earlier_versions_do_not(sandbox):
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert sandbox.client.get("/v4/identity", headers=bearer).status_code == 200
    assert sandbox.client.get("/v3/identity", headers=bearer).status_code == 400
    assert sandbox.get("/v4/identity").status_code == 200


def test_a_put_of_v2_sends_the_token_back_in_its_location(sandbox):
    answer = sandbox.api("PUT", "/v2/profile/9001/fields", json={"city": "Delft"})
    assert answer.status_code == 303 and answer.content == b""
    assert answer.headers["location"] == f"{sandbox.url}/profile/9001?access_token={TOKEN}"
    assert sandbox.get("/v4/profile/9001").json()["fields"]["city"] == "Delft"


def test_what_is_written_is_read_in_every_list(sandbox):
    created = sandbox.api("POST", "/v3/database/customers/profiles",
                          json={"fields": {"email": "new@example.org"}})
    assert created.status_code == 201
    number = created.headers["x-created"]
    found = sandbox.get("/v3/database/31/profiles?fields[]=email==new@example.org").json()
    assert [item["ID"] for item in found["data"]] == [number]
    assert found["total"] == found["count"] == 1
    removed = sandbox.api("DELETE", f"/v3/profile/{number}")
    assert removed.status_code == 204 and removed.headers["x-deleted"] == f"profile {number}"
    assert sandbox.get(f"/v3/profile/{number}").json()["fields"]["email"] == ""
    assert sandbox.api("DELETE", f"/v3/profile/{number}").json() == {
        "error": {"message": "This profile has already been removed"}}


def test_forms_and_delete_bodies_are_understood(sandbox):
    sandbox.api("POST", "/v2/profile/9001", data={"fields[city]": "Den Haag"})
    assert sandbox.get("/profile/9001/fields").json()["city"] == "Den Haag"
    answer = sandbox.api("DELETE", "/v3/database/31/profiles", json={"profiles": ["9001", 9002]})
    assert answer.status_code == 204
    assert sandbox.get("/database/31/profiles?limit=0").json()["total"] == 298


def test_head_has_the_length_and_no_body(sandbox):
    whole = sandbox.get("/v3/databases")
    head = sandbox.api("HEAD", "/v3/databases")
    assert head.status_code == 200 and head.content == b""
    assert head.headers["content-length"] == str(len(whole.content))


def test_a_reset_brings_the_seed_back(sandbox):
    before = sandbox.get("/database/31/profiles?limit=1000").json()
    sandbox.api("PUT", "/profile/9001/fields", json={"city": "Delft"})
    sandbox.control.post("/reset")
    assert sandbox.get("/database/31/profiles?limit=1000").json() == before


def test_calls_are_counted_by_template(sandbox):
    for _ in range(3):
        sandbox.get("/v1/profile/9001")
    sandbox.api("POST", "/v3/profile/9002", json={"fields": {}})
    sandbox.get("/profile/9001/nothing")
    calls = sandbox.calls()
    assert calls["calls"] == {"GET /profile/{profile}": 3, "POST /profile/{profile}": 1,
                              "GET (unknown)": 1}
    assert (calls["total"], calls["reads"], calls["writes"]) == (5, 4, 1)
    assert calls["body_bytes"] in (len('{"fields":{}}'), len('{"fields": {}}'))
    sandbox.control.delete("/calls")
    assert sandbox.calls()["total"] == 0


def test_the_log_shows_heads_as_they_came(sandbox):
    sandbox.raw(b'GET /identity?a="b HTTP/1.1\r\nHost: x\r\nX-Odd:  two "words" \r\n'
                b"Connection: close\r\n\r\n")
    sandbox.get("/identity")
    log = sandbox.control.get("/log").json()
    assert [entry["target"] for entry in log] == ['/identity?a="b',
                                                  f"/identity?access_token={TOKEN}"]
    assert ["X-Odd", 'two "words"'] in log[0]["fields"]


def test_latency_comes_before_or_after_the_write(sandbox):
    other = httpx.Client(base_url=sandbox.url, timeout=10)
    for knob, seen in (("latency_ms", False), ("latency_after_ms", True)):
        sandbox.knobs(latency_ms=0, latency_after_ms=0)
        sandbox.control.post("/reset")
        sandbox.knobs(**{knob: 400})
        host, port = sandbox.address.split(":")
        with socket.create_connection((host, int(port))) as write:
            body = b'{"city":"Gouda"}'
            write.sendall(b"PUT /v3/profile/9001/fields?access_token=%s HTTP/1.1\r\nHost: x\r\n"
                          b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                          % (TOKEN.encode(), len(body), body))
            time.sleep(0.1)
            sandbox.knobs(**{knob: 0})
            city = other.get(f"/profile/9001/fields?access_token={TOKEN}").json()["city"]
            assert (city == "Gouda") is seen
            begun = time.monotonic()
            assert write.recv(1000).startswith(b"HTTP/1.1 204")
            assert time.monotonic() - begun > 0.15
        assert sandbox.get("/profile/9001/fields").json()["city"] == "Gouda"


def test_the_rate_limit_answers_429_or_the_overload_page(sandbox):
    sandbox.knobs(per_second=3)
    answers = [sandbox.get("/identity") for _ in range(10)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited and limited[0].headers["retry-after"] == "1"
    sandbox.knobs(limit_with="page")
    pages = [answer for answer in (sandbox.get("/identity") for _ in range(10))
             if answer.status_code == 503]
    assert "Loadbalancer Error" in pages[0].text
    assert pages[0].headers["content-type"] == "text/html"
    assert sandbox.calls()["limited"] == len(limited) + len(pages)


def test_views_follow_after_their_lag(sandbox):
    sandbox.knobs(view_lag_ms=500)
    members = "/view/410/profileids"
    sandbox.get(members)
    member = sandbox.get("/profile/9001/fields").json()["newsletter"] == "yes"
    sandbox.api("PUT", "/v3/profile/9001/fields", json={"newsletter": "no" if member else "yes"})
    assert ("9001" in sandbox.get(members).json()) is member
    time.sleep(0.6)
    assert ("9001" in sandbox.get(members).json()) is not member


def head_of(path, method="GET"):
    return (f"{method} {path}?access_token={TOKEN} HTTP/1.1\r\nHost: x\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n").encode()


def test_a_close_fault_answers_nothing_and_wears_off(sandbox):
    sandbox.knobs(faults=[{"kind": "close", "path": "/profile/*", "method": "GET", "count": 1}])
    assert sandbox.raw(head_of("/v3/profile/9001")) == b""
    assert sandbox.get("/v3/profile/9001").status_code == 200
    assert sandbox.calls()["faulted"] == 1


@pytest.mark.parametrize("applied", [False, True])
def test_a_fault_may_come_after_the_write(sandbox, applied):
    sandbox.knobs(faults=[{"kind": "close", "method": "DELETE", "count": 1, "applied": applied}])
    assert sandbox.raw(head_of("/v3/profile/9001", "DELETE")) == b""
    assert bool(sandbox.get("/profile/9001").json()["removed"]) is applied


def test_a_truncated_answer_is_shorter_than_it_says(sandbox):
    sandbox.knobs(faults=[{"kind": "truncate", "path": "*/databases"}])
    head, _, body = sandbox.raw(head_of("/v3/databases")).partition(b"\r\n\r\n")
    length = int(re.search(rb"Content-Length: (\d+)", head)[1])
    assert len(body) == length // 2


def test_a_slow_answer_trickles(sandbox):
    sandbox.knobs(faults=[{"kind": "slow", "path": "/identity", "bytes": 10, "interval_ms": 20}])
    begun = time.monotonic()
    answer = sandbox.get("/identity")
    assert answer.json()["id"] == "41"
    assert time.monotonic() - begun > 0.01 * (len(answer.content) // 10)  # half of it: clocks are coarse


def test_a_status_fault_answers_what_it_says(sandbox):
    sandbox.knobs(faults=[{"kind": "status", "status": 502, "body": "<html>", "count": 1,
                           "content_type": "text/html"}])
    answer = sandbox.get("/identity")
    assert (answer.status_code, answer.text) == (502, "<html>")
    assert sandbox.get("/identity").status_code == 200


def test_a_held_call_is_never_answered(sandbox):
    sandbox.knobs(faults=[{"kind": "hold", "count": 1}])
    with pytest.raises(httpx.ReadTimeout):
        sandbox.client.get("/identity", timeout=0.5)
    assert sandbox.get("/identity").status_code == 200


@pytest.mark.parametrize("knobs", [{"latency_ms": -1}, {"latency_ms": "1"}, {"unknown": 1},
                                   {"faults": [{"kind": "x"}]}, {"limit_with": "503"}, [],
                                   {"faults": [{"kind": "status", "status": 99}]}])
def test_wrong_knobs_are_refused_and_change_nothing(sandbox, knobs):
    before = sandbox.control.get("/knobs").json()
    assert sandbox.control.put("/knobs", json=knobs).status_code == 400
    assert sandbox.control.get("/knobs").json() == before


def test_a_large_file_streams_and_is_the_same_every_time(sandbox):
    sandbox.knobs(file_bytes=40_000_000)
    path = f"/v4/profile/9001/file/5/content?access_token={TOKEN}"
    with sandbox.client.stream("GET", path) as answer:
        assert answer.headers["content-length"] == "40000000"
        first = b"".join(answer.iter_bytes())
    assert len(first) == 40_000_000
    assert sandbox.client.get(path).content == first
    assert sandbox.client.get(path.replace("file/5", "file/6")).content != first


def test_a_slow_reader_of_a_huge_file_costs_no_memory_and_stops_nobody(sandbox):
    sandbox.knobs(file_bytes=1 << 40)
    path = f"/v4/profile/9001/file/5/content?access_token={TOKEN}"
    before = sandbox.resident_kib()
    with sandbox.client.stream("GET", path) as answer:
        assert answer.headers["content-length"] == str(1 << 40)
        time.sleep(0.3)
        other = httpx.Client(base_url=sandbox.url, timeout=5)
        assert other.get(f"/identity?access_token={TOKEN}").status_code == 200
        assert sandbox.resident_kib() - before < 20_000


def test_uploads_of_any_size_are_counted_and_dropped(sandbox):
    def body():
        for _ in range(64):
            yield b"x" * (1 << 20)

    answer = sandbox.api("POST", "/v4/medialibrary/3/files", content=body())
    assert answer.status_code == 201 and answer.headers["x-created"]
    assert sandbox.calls()["body_bytes"] == 64 << 20


def test_other_bodies_are_bounded(sandbox):
    answer = sandbox.api("PUT", "/v3/profile/9001", content=b" " * ((1 << 20) + 1))
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Invalid data provided"


def test_the_token_may_come_from_a_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("another-token\n")
    file.chmod(0o600)
    sandbox = Sandbox("--token", str(file))
    try:
        assert sandbox.get("/identity").status_code == 400
        assert sandbox.client.get("/identity?access_token=another-token").status_code == 200
    finally:
        assert sandbox.stop() == 0


def run(*options):
    return subprocess.run([POSTERN, "sandbox", *options], capture_output=True, text=True,
                          timeout=10)


def test_wrong_usage_is_said_in_one_line_and_exits_2():
    for options in (["--latency", "soon"], ["--nothing"], ["extra"], ["--token", "/no/such/file"],
                    ["--listen", "nowhere"], ["--per-second", "-1"]):
        result = run(*options)
        assert result.returncode == 2, options
        assert len(result.stderr.strip().splitlines()) == 1, result.stderr


def test_an_address_in_use_exits_1(sandbox):
    result = run("--listen", sandbox.address, "--control", "127.0.0.1:0")
    assert result.returncode == 1 and "in use" in result.stderr


def test_help_is_on_standard_output():
    result = run("--help")
    assert result.returncode == 0 and "--view-lag" in result.stdout and result.stderr == ""
