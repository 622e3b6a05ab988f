"""Promise 2 for tokens that come and go: bearers, long-lived tokens, client secrets, codes."""

import json
import os
import pathlib
import re
import secrets
import socket

import pytest

from gate import RawUpstream, reply, until
from test_leaks import connections_of, tls_upstream, trapped_environment  # noqa: F401 (a fixture)
from test_login import Login, free_port
from test_tokens import exchanging_gate, replace_token
from variant import IS_SANITIZED


def of_processes():
    """{pid: (command line, environment)} of every process that can be looked at."""
    shown = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            shown[folder.name] = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            pass  # gone, or not ours
    return shown


def assert_shown_nowhere(gate, *hidden):
    """Not by any process, in no file but a secret's own, not at the admin address."""
    texts = [b"".join(parts) for parts in of_processes().values()]
    texts += [gate.admin_http.get(path).content for path in ("/metrics", "/api/status", "/readyz", "/")]
    for secret in hidden:
        assert not any(secret.encode() in text for text in texts)
        assert gate.files_with(secret) == []


def dumped_memory(pid):
    """What a core file of the process would hold: its writable memory but what is left out of dumps."""
    areas, area = [], None
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) ", line)
        if found:
            area = int(found[1], 16), int(found[2], 16), found[3]
        elif line.startswith("VmFlags:") and "rw" in area[2] and " dd" not in line and " io" not in line:
            areas.append(area[:2])
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end in areas:
            memory.seek(start)
            try:
                yield memory.read(end - start)
            except OSError:
                pass  # a guard page


def test_a_bearer_and_its_token_are_shown_nowhere(make_gate, raw_upstream):
    bearer, old = "bEaReR-" + secrets.token_hex(16), "oLd-" + secrets.token_hex(16)
    raw_upstream.on("/authenticate", lambda call: (call.body, call.reply(json.dumps({"access_token": bearer}))))
    raw_upstream.on("*", lambda call: (call.body, call.reply(json.dumps({"said": call.head.decode()}))))
    gate = exchanging_gate(make_gate, raw_upstream, start=False)
    gate.change(log={"level": "debug"})
    long_lived = gate.token
    replace_token(gate, old)
    gate.start()
    answers = [gate.get("/v4/a"), gate.put("/v4/a", json={}), gate.get("/v4/a"), gate.get("/v4/b")]
    replace_token(gate, long_lived)
    until(lambda: len(raw_upstream.calls_of("/authenticate")) == 2, "another exchange")
    answers += [gate.get("/v4/a"), gate.put("/v4/a", json={})]
    raw_upstream.on("/authenticate", lambda call: (call.body, call.reply(call.body, 400)))
    raw_upstream.on("/v4/c", reply(b"no", 401))
    answers += [gate.get("/v4/c")]
    until(lambda: "answered 400" in gate.log_text(), "the failure")
    assert raw_upstream.calls_of("/v4/a")[0].field("Authorization") == f"Bearer {bearer}"
    for secret in (bearer, old, long_lived):
        assert not any(secret in answer.text + str(answer.headers) for answer in answers)
    assert_shown_nowhere(gate, bearer, old, long_lived)
    gate.kill()
    for secret in (bearer, old, long_lived):
        assert gate.files_with(secret) == []


@pytest.mark.skipif(IS_SANITIZED, reason="sanitizers keep what was freed")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read another process's memory")
def test_a_core_would_hold_no_token(make_gate, raw_upstream):
    bearer = "bEaReR-" + secrets.token_hex(16)
    raw_upstream.on("/authenticate", lambda call: (call.body, call.reply(json.dumps({"access_token": bearer}))))
    gate = exchanging_gate(make_gate, raw_upstream)
    for n in range(20):
        gate.get(f"/v4/{n}")
        gate.put(f"/v4/{n}", json={})
    raw_upstream.wait_for("/v4/19", 2)
    held = b"".join(dumped_memory(gate.pid))
    assert b"/v4/19" in held or b"postern" in held, "it was read at all"
    for secret in (bearer, gate.token):
        at = held.find(secret.encode())
        assert at == -1, held[max(at - 100, 0):at + 100]


def test_a_log_in_shows_its_secrets_nowhere(make_gate, sandbox, tmp_path):
    app = sandbox.control_post("/apps", name="gate", redirect_uri=f"http://127.0.0.1:{free_port()}/")
    gate = make_gate(sandbox)
    folder = tmp_path / "login"
    folder.mkdir()
    login = Login(folder, sandbox.url, app)
    try:
        shown = of_processes()
        assert login.browser.get(back := login.approve()).status_code == 200
        text = login.ends(0)
    finally:
        login.kill()
    code = re.search(r"code=([0-9a-f]+)", back)[1]
    token = (folder / "token").read_text().strip()
    for secret in (app["client_secret"], code, token):
        assert not any(secret.encode() in part for parts in shown.values() for part in parts)
        assert secret not in text and gate.files_with(secret) == []


def test_the_environment_sends_an_exchange_nowhere(make_gate, raw_upstream, tmp_path):
    raw_upstream.on("/authenticate", reply(b"the-bearer"))
    with socket.create_server(("127.0.0.1", 0)) as trap:
        gate = exchanging_gate(make_gate, raw_upstream, start=False)
        gate.environment = trapped_environment(tmp_path, trap)
        gate.start()
        assert gate.get("/v4/a").status_code == 200
        assert connections_of(trap) == 0
        assert raw_upstream.calls_of("/authenticate")[0].field("Authorization") is None


def test_an_exchange_follows_no_redirect(make_gate, raw_upstream):
    other = RawUpstream()
    try:
        for status in (301, 302, 307, 308):
            raw_upstream.on("/authenticate", reply(status=status, fields=[f"Location: {other.url}/authenticate"]))
            gate = exchanging_gate(make_gate, raw_upstream)
            until(lambda: f"answered {status}" in gate.log_text(), "the failure")
            gate.stop()
        assert other.connections == 0
    finally:
        other.stop()


def test_an_exchange_is_for_who_can_show_who_it_is(make_gate, tls_upstream):  # noqa: F811
    tls_upstream.on("/authenticate", reply(b"the-bearer"))
    gate = exchanging_gate(make_gate, tls_upstream)  # its certificate is signed by nobody we know
    until(lambda: "can't be exchanged" in gate.log_text(), "the refusal")
    assert tls_upstream.calls == []
    gate.stop()
    gate.change(upstreams={"copernica": {"tls": {"ca_file": str(tls_upstream.certificate)}}})
    gate.start()
    assert gate.get("/v4/a").status_code == 200


def test_the_variable_of_a_long_lived_token_is_wiped(make_gate, raw_upstream):
    raw_upstream.on("/authenticate", lambda call: (call.body, call.reply(b"the-bearer")))
    token = "lOnG-" + secrets.token_hex(16)
    gate = exchanging_gate(make_gate, raw_upstream, start=False)
    gate.change(upstreams={"copernica": {"token": {"exchange": {"token": {"file": None, "env": "LONG_LIVED"}}}}})
    gate.environment = {"LONG_LIVED": token}
    gate.start()
    assert gate.get("/v4/a").status_code == 200
    assert raw_upstream.calls_of("/authenticate")[0].body == f"access_token={token}".encode()
    assert token.encode() not in pathlib.Path(f"/proc/{gate.pid}/environ").read_bytes()
    gate.hup()
    assert gate.get("/v4/b").status_code == 200
