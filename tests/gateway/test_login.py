"""`postern login`: OAuth against the simulated API, by a loopback redirect."""

import json
import os
import pathlib
import re
import secrets
import socket
import stat

import httpx
import pytest

from gate import Process, connect, postern, reply, request, until, write_secret
from test_tokens import exchanging_gate

SECRET = "client-sEcReT/" + secrets.token_hex(8)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Login(Process):
    """`postern login` waiting for the browser."""

    def __init__(self, folder, url, login, start=True, token_file=None):
        super().__init__(folder / f"login-{secrets.token_hex(4)}.log")
        self.folder = folder
        self.token_file = token_file or folder / "token"
        self.redirect = login["redirect_uri"]
        self.secret_file = write_secret(folder / "client_secret", login["client_secret"])
        self.config = folder / "login.json"
        self.config.write_text(json.dumps({"upstreams": {"copernica": {
            "url": url, "preset": "copernica", "token": {"file": str(self.token_file)},
            "login": {"authorize": url + "/en/authorize", "token": url + "/v4/token",
                      "client_id": login["client_id"], "client_secret": {"file": str(self.secret_file)},
                      "redirect": self.redirect}}}}))
        self.browser = httpx.Client(timeout=90, trust_env=False)
        if start:
            self.launch("login", "copernica", "--config", self.config)
            self.consent = until(self._printed, "the consent page's address")

    def _printed(self):
        assert self.is_running, self.log_text()
        found = re.search(r"^  (http\S+)$", self.log_text(), re.M)
        return found and found[1]

    @property
    def state(self):
        return httpx.URL(self.consent).params["state"]

    def approve(self, account="41"):
        """Where the consent page sends the browser."""
        answer = self.browser.get(self.consent + f"&approve={account}")
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def come_back(self, **parameters):
        return self.browser.get(self.redirect, params=parameters)

    def ends(self, code):
        assert self.wait() == code, self.log_text()
        self.process = None
        self.browser.close()
        return self.log_text()


@pytest.fixture
def app(sandbox):
    port = free_port()
    return sandbox.control_post("/apps", name="gate", redirect_uri=f"http://127.0.0.1:{port}/back")


@pytest.fixture
def login(tmp_path, sandbox, app):
    waiting = Login(tmp_path, sandbox.url, app)
    try:
        yield waiting
    finally:
        waiting.kill()


def test_a_consent_becomes_a_token_in_a_file(login, sandbox):
    page = login.browser.get(login.approve())
    assert page.status_code == 200 and "Done" in page.text
    text = login.ends(0)
    token = login.token_file.read_text().strip()
    assert sandbox.direct.get("/v2/identity", params={"access_token": token}).json()["id"] == "41"
    assert stat.S_IMODE(login.token_file.stat().st_mode) == 0o600
    assert str(login.token_file) in text and token not in text
    assert sorted(path.name for path in login.folder.glob("token*")) == ["token"]


def test_neither_secret_nor_code_nor_token_is_shown(login, app):
    shown = [pathlib.Path(f"/proc/{login.pid}/{name}").read_bytes() for name in ("cmdline",)]
    try:
        shown.append(pathlib.Path(f"/proc/{login.pid}/environ").read_bytes())
    except PermissionError:
        pass  # not dumpable: only root can look
    back = login.approve()
    page = login.browser.get(back)
    shown += [login.ends(0).encode(), page.content, login.config.read_bytes()]
    token = login.token_file.read_text().strip()
    for secret in (token, app["client_secret"], httpx.URL(back).params["code"]):
        assert all(secret.encode() not in text for text in shown)
        assert secret not in str(page.headers)


def test_another_state_is_refused(login):
    page = login.come_back(code="0" * 32, state="f" * 64)
    assert page.status_code == 400
    assert "another state" in login.ends(1)
    assert not login.token_file.exists()


@pytest.mark.parametrize("account, words", [("no", "consent was denied")])
def test_a_refusal_is_said(login, account, words):
    assert login.browser.get(login.approve(account)).status_code == 400
    assert words in login.ends(1)
    assert not login.token_file.exists()


def test_no_code_and_a_wrong_code_are_said(tmp_path, sandbox, app):
    for n, (parameters, words) in enumerate([({}, "gave no code"), ({"code": "0" * 32}, "400: Invalid code")]):
        folder = tmp_path / str(n)
        folder.mkdir()
        waiting = Login(folder, sandbox.url, app)
        assert waiting.come_back(state=waiting.state, **parameters).status_code >= 400
        assert words in waiting.ends(1)
        assert not waiting.token_file.exists()


def test_other_requests_do_not_end_the_waiting(login):
    root = login.redirect.removesuffix("/back")
    assert login.browser.get(root + "/favicon.ico").status_code == 404
    assert login.browser.get(root + "/").status_code == 404
    assert login.browser.post(login.redirect, params={"state": "x"}).status_code == 404
    with connect(root) as half:
        half.sendall(request("GET", "/back")[:20])
    assert login.browser.get(login.approve()).status_code == 200
    login.ends(0)


def test_an_old_token_stays_until_the_new_one_is_there(tmp_path, sandbox, app):
    write_secret(tmp_path / "token", "old-token\n")
    os.link(tmp_path / "token", tmp_path / "kept")
    waiting = Login(tmp_path, sandbox.url, app)
    assert waiting.come_back(state="wrong").status_code == 400
    waiting.ends(1)
    assert waiting.token_file.read_text() == "old-token\n"
    waiting = Login(tmp_path, sandbox.url, app)
    waiting.browser.get(waiting.approve())
    waiting.ends(0)
    assert waiting.token_file.read_text() != "old-token\n"
    assert (tmp_path / "kept").read_text() == "old-token\n"  # a new file, not the old one overwritten


def test_a_token_page_that_gives_none_is_said_without_what_it_says(tmp_path, app, raw_upstream):
    for n, (answer, words) in enumerate([
            (reply(b'{"error": {"message": "bad ' + SECRET.encode() + b'"}}', 400), "answered 400\n"),
            (reply(b'{"error": "invalid_grant"}', 400), "answered 400: invalid_grant\n"),
            (reply(b"<html>Log in, please</html>"), "holds no token"),
            (reply(b"", 302, ["Location: " + raw_upstream.url + "/elsewhere"]), "answered 302\n"),
            (reply(b"x" * 100_000), "gave no answer"),
            (lambda call: call.close(), "gave no answer")]):
        raw_upstream.on("/v4/token", answer)
        folder = tmp_path / str(n)
        folder.mkdir()
        waiting = Login(folder, raw_upstream.url, {**app, "client_secret": SECRET})
        assert waiting.come_back(state=waiting.state, code="kEpT-c0de" * 4).status_code == 502
        text = waiting.ends(1)
        assert words in text and SECRET not in text and "kEpT" not in text, text
        assert not waiting.token_file.exists()
    assert raw_upstream.calls_of("/elsewhere") == []
    call = raw_upstream.calls_of("/v4/token")[0]
    sent = httpx.URL(call.target).params
    assert call.method == "GET" and sent["client_secret"] == SECRET and sent["code"] == "kEpT-c0de" * 4
    assert sent["redirect_uri"] == app["redirect_uri"] and sent["client_id"] == app["client_id"]


def test_a_port_in_use_and_a_missing_secret_are_said(tmp_path, sandbox, app):
    with socket.create_server(("127.0.0.1", httpx.URL(app["redirect_uri"]).port)):
        waiting = Login(tmp_path, sandbox.url, app, start=False)
        ran = postern("login", "--config", waiting.config)
        assert ran.returncode == 1 and "in use" in ran.stderr
    waiting.secret_file.unlink()
    ran = postern("login", "--config", waiting.config)
    assert ran.returncode == 2 and "client_secret" in ran.stderr


@pytest.mark.parametrize("by_exchange", [False, True], ids=["token", "exchange"])
def test_a_running_gate_takes_what_a_log_in_brings(make_gate, sandbox, tmp_path, app, by_exchange):
    gate = exchanging_gate(make_gate, sandbox) if by_exchange else make_gate(sandbox)
    sandbox.control_post("/accounts", name="Other")
    until(lambda: gate.status()["upstreams"][0]["account"] == "copernica/41", "the first account")
    waiting = Login(tmp_path, sandbox.url, app, token_file=gate.token_file)
    assert waiting.browser.get(waiting.approve("42")).status_code == 200
    waiting.ends(0)
    gate.token = gate.token_file.read_text().strip()
    until(lambda: gate.status()["upstreams"][0]["account"] == "copernica/42", "the account that was consented to")
    assert gate.get("/v4/identity").json()["name"] == "Other"


def test_wrong_usage_is_said(tmp_path, sandbox):
    (tmp_path / "postern.json").write_text(json.dumps({"upstreams": {"a": {"url": sandbox.url}}}))
    ran = postern("login", "a", "--config", tmp_path / "postern.json")
    assert ran.returncode == 2 and '"login"' in ran.stderr
    assert postern("login", "b", "--config", tmp_path / "postern.json").returncode == 2
    assert postern("login", "a", "b").returncode == 2
    assert postern("login", "--what").returncode == 2
    assert "usage: postern login" in postern("login", "--help").stdout
