"""Tokens that change while the gate runs: files, exchanges, refusals, other accounts."""

import re
import socket
import threading
import time

import httpx
import pytest

from gate import cache_status, is_hit, reply, until, write_secret

PROFILE = "/v2/profile/9001"
NO_TOKEN = reply(b'{"error":{"message":"Invalid access token"}}', 400)


def replace_token(gate, text):
    """As an operator or `postern login` does: a new file in the old one's place."""
    fresh = write_secret(gate.token_file.with_suffix(".new"), text)
    fresh.rename(gate.token_file)
    gate.token = text


def is_used(gate, wanted=1):
    """New tokens have been taken so often."""
    return len(re.findall(r"tokens are read again$", gate.log_text(), re.M)) >= wanted


def token_of(call):
    return re.search(r"access_token=([^&]*)", call.target)[1]


def checking(upstream, good):
    """An API that knows the tokens in the set `good` only."""
    def script(call):
        call.body
        call.send(reply(b'{"data": 1}') if token_of(call) in good else NO_TOKEN)

    for path in ("/v2/a", "/v2/b", "/v2/c"):
        upstream.on(path, script)


def exchange(upstream, **members):
    """The configuration of a gate whose bearers come from `upstream`'s /authenticate."""
    return {"upstreams": {"copernica": {
        "inject": {"header": "Authorization", "format": "Bearer %s"},
        "token": {"file": None, "exchange": {"url": upstream.url + "/authenticate", **members}}}}}


def exchanging_gate(make_gate, upstream, start=True, **members):
    gate = make_gate(upstream, start=False)
    gate.change(**exchange(upstream, token={"file": str(gate.token_file)}, **members))
    if start:
        gate.start()
    return gate


# --- files ---


def test_a_new_token_file_is_taken_by_itself(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    gate.get("/v2/a")
    old = gate.token
    replace_token(gate, "another-token")
    until(lambda: is_used(gate), "the new token's use")
    until(lambda: gate.get("/v2/b", headers={"Cache-Control": "no-cache"}).status_code == 200 and
          token_of(raw_upstream.calls_of("/v2/b")[-1]) == "another-token", "a call with it")
    assert token_of(raw_upstream.calls_of("/v2/a")[0]) == old


def test_a_file_written_in_place_is_taken_too(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    gate.token_file.write_text("another-token\n")
    gate.token = "another-token"
    until(lambda: is_used(gate), "the new token's use")
    gate.get("/v2/a")
    assert token_of(raw_upstream.calls_of("/v2/a")[0]) == "another-token"


@pytest.mark.parametrize("spoil", [
    lambda gate: gate.token_file.unlink(), lambda gate: gate.token_file.write_text(""),
    lambda gate: gate.token_file.write_text("ab"), lambda gate: gate.token_file.chmod(0o644),
    lambda gate: gate.token_file.write_text("two\nlines\n")], ids=["gone", "empty", "short", "open", "lines"])
def test_a_file_that_is_no_token_changes_nothing_and_is_said_once(make_gate, raw_upstream, spoil):
    gate = make_gate(raw_upstream)
    spoil(gate)
    until(lambda: "its token stays as it was" in gate.log_text(), "the warning")
    assert gate.get("/v2/a").status_code == 200
    assert gate.metric("postern_token_failing", upstream="copernica") == 1
    time.sleep(2.5)  # it looks again, and says nothing
    assert gate.log_text().count("its token stays as it was") == 1
    assert token_of(raw_upstream.calls_of("/v2/a")[0]) == gate.token
    replace_token(gate, "another-token")
    until(lambda: is_used(gate), "the good one's use")
    assert gate.metric("postern_token_failing") == 0 and gate.metric("postern_token_renewals_total") == 1


def test_a_new_token_brings_no_unfinished_configuration(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    gate.write_config("{ half an edit")
    replace_token(gate, "another-token")
    until(lambda: is_used(gate), "the new token's use")
    assert "stays as it was" not in gate.log_text()
    assert gate.get("/v2/a").status_code == 200


def test_a_systemd_credential_is_watched(make_gate, raw_upstream, tmp_path):
    credential = write_secret(tmp_path / "copernica", "first-token")
    gate = make_gate(raw_upstream, environment={"CREDENTIALS_DIRECTORY": str(tmp_path)},
                     upstreams={"copernica": {"token": {"file": None, "credential": "copernica"}}})
    write_secret(tmp_path / "new", "second-token").rename(credential)
    until(lambda: is_used(gate), "the new token's use")
    gate.get("/v2/a")
    assert token_of(raw_upstream.calls_of("/v2/a")[0]) == "second-token"
    credential.unlink()


def test_one_unreadable_file_does_not_keep_another_token_out(make_gate, raw_upstream, tmp_path):
    second = write_secret(tmp_path / "second", "second-token")
    gate = make_gate(raw_upstream, upstreams={
        "copernica": {"match": "/one/**"},
        "other": {"url": raw_upstream.url, "match": "/two/**", "token": {"file": str(second)},
                  "inject": {"query": "access_token"}}})
    second.unlink()
    until(lambda: "its token stays as it was" in gate.log_text(), "the warning")
    replace_token(gate, "another-token")
    until(lambda: is_used(gate), "the new token's use")
    gate.get("/one/a"), gate.get("/two/a")
    assert {token_of(call) for call in raw_upstream.calls if call.path.endswith("/a")} == \
        {"another-token", "second-token"}


def test_rotating_under_load_drops_nothing(make_gate, sandbox):
    gate = make_gate(sandbox)
    tokens = [sandbox.token] + [sandbox.control_post("/links", account="41")["access_token"] for _ in range(3)]
    stop, statuses = threading.Event(), []

    def load(n):
        with gate.wire() as wire:
            while not stop.is_set():
                path = f"/v2/profile/{9001 + len(statuses) % 50}"
                method, body = ("PUT", b'{"city":"Delft"}') if len(statuses) % 9 == n else ("GET", b"")
                target = path + "/fields" if method == "PUT" else path
                statuses.append(wire.request(method, target, "Content-Type: application/json", body=body).status)

    threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for n, token in enumerate(tokens[1:], 1):
        replace_token(gate, token)
        until(lambda: is_used(gate, n), "the new token's use")
    stop.set()
    for thread in threads:
        thread.join()
    assert len(statuses) > 50 and set(statuses) <= {200, 303}
    for token in tokens[:-1]:
        assert gate.files_with(token) == []


# --- whose token it is ---


def test_another_accounts_token_opens_its_own_name_space(make_gate, sandbox):
    gate = make_gate(sandbox)
    other = sandbox.control_post("/accounts", name="Other")["access_token"]
    first = sandbox.token
    until(lambda: gate.status()["upstreams"][0]["account"] == "copernica/41", "the first account")
    sandbox.api("PUT", "/v2/profile/9001/fields", json={"city": "Delft"})
    assert gate.warm(PROFILE).json()["fields"]["city"] == "Delft"
    replace_token(gate, other)
    until(lambda: gate.status()["upstreams"][0]["account"] == "copernica/42", "the other account")
    answer = gate.get(PROFILE)
    assert not is_hit(answer) and answer.json()["fields"]["city"] != "Delft"
    replace_token(gate, first)
    until(lambda: gate.status()["upstreams"][0]["account"] == "copernica/41", "the first account again")
    assert gate.get(PROFILE).json()["fields"]["city"] == "Delft"


def test_another_token_of_the_same_account_keeps_the_cache(make_gate, sandbox):
    gate = make_gate(sandbox)
    gate.warm(PROFILE)
    replace_token(gate, sandbox.control_post("/links", account="41")["access_token"])
    until(lambda: is_used(gate), "the new token's use")
    until(lambda: gate.status()["upstreams"][0]["account"] == "copernica/41", "the account")
    sandbox.forget_calls()
    assert is_hit(gate.warm(PROFILE)) and "GET /profile/{profile}" not in sandbox.calls()["calls"]


# --- a token that is refused ---


def test_a_refused_get_is_repeated_with_the_token_that_is_there_now(make_gate, raw_upstream):
    for preset in ("copernica", None):
        good = {"new-token"}
        checking(raw_upstream, good)
        raw_upstream.calls.clear()
        gate = make_gate(raw_upstream, upstreams={"copernica": {"preset": preset, "inject": {"query": "access_token"}}})
        if preset is None:
            raw_upstream.on("/v2/a", lambda call: call.send(
                reply() if token_of(call) in good else reply(b"who?", 401)))
        replace_token(gate, "new-token")
        assert gate.get("/v2/a").status_code == 200
        assert [token_of(call) for call in raw_upstream.calls_of("/v2/a")][-1] == "new-token"
        assert len(raw_upstream.calls_of("/v2/a")) <= 2


def test_a_refused_write_is_not_repeated(make_gate, raw_upstream):
    gate = make_gate(raw_upstream)
    held = threading.Event()

    def script(call):
        call.body
        if call.method == "PUT":
            held.wait(60)
        call.send(NO_TOKEN if token_of(call) != "new-token" else reply())

    raw_upstream.on("/v2/a", script)
    answers = []
    writer = threading.Thread(target=lambda: answers.append(gate.put("/v2/a", json={})))
    writer.start()
    raw_upstream.wait_for("/v2/a")
    replace_token(gate, "new-token")
    until(lambda: is_used(gate), "the new token's use")
    held.set()
    writer.join()
    assert answers[0].status_code == 400 and len(raw_upstream.calls_of("/v2/a", "PUT")) == 1
    assert gate.get("/v2/a").status_code == 200
    assert gate.put("/v2/a", json={}).status_code == 200


def test_a_refused_token_without_another_is_passed_on_once(make_gate, raw_upstream):
    checking(raw_upstream, set())
    gate = make_gate(raw_upstream)
    answer = gate.get("/v2/a")
    assert answer.status_code == 400 and "Invalid access token" in answer.text
    assert len(raw_upstream.calls_of("/v2/a")) == 1
    assert cache_status(answer)[1].get("stored") is None


def test_a_token_from_the_environment_is_not_renewed(make_gate, raw_upstream):
    checking(raw_upstream, set())
    gate = make_gate(raw_upstream, environment={"THE_TOKEN": "environment-token"},
                     upstreams={"copernica": {"token": {"file": None, "env": "THE_TOKEN"}}})
    assert gate.get("/v2/a").status_code == 400
    assert [token_of(call) for call in raw_upstream.calls_of("/v2/a")] == ["environment-token"]


def test_the_token_of_a_sandbox_beside_the_gate_is_not_renewed(make_gate):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    gate = make_gate(f"http://127.0.0.1:{port}", start=False, upstreams={"copernica": {"token": None}})

    def launch():
        gate.log_start = gate.log_file.stat().st_size if gate.log_file.exists() else 0
        gate.launch("run", "--sandbox", "--config", gate.config)

    gate.start_without_waiting = launch
    gate.start()
    control = f"http://127.0.0.1:{port + 1}/_sandbox"
    with httpx.Client(trust_env=False, timeout=90) as client:
        token = client.get(f"{control}/accounts").json()["tokens"][0]["access_token"]
        assert gate.get(PROFILE).status_code == 200
        assert client.post(f"{control}/revoke", json={"access_token": token}).status_code == 200
        assert gate.get("/v2/profile/9002").status_code == 400
        client.post(f"{control}/reset", json={})
        assert gate.get("/v2/profile/9003").status_code == 200


def test_a_token_that_moves_from_the_environment_into_a_file_can_be_renewed(make_gate, raw_upstream):
    good = {"first-token"}
    checking(raw_upstream, good)
    gate = make_gate(raw_upstream, environment={"THE_TOKEN": "first-token"},
                     upstreams={"copernica": {"token": {"file": None, "env": "THE_TOKEN"}}})
    assert gate.get("/v2/a").status_code == 200
    replace_token(gate, "first-token")
    gate.change(upstreams={"copernica": {"token": {"env": None, "file": str(gate.token_file)}}})
    gate.hup()
    good.clear()
    good.add("new-token")
    replace_token(gate, "new-token")
    assert gate.get("/v2/b").status_code == 200


# --- exchanges ---


def test_a_token_is_exchanged_for_a_bearer(make_gate, sandbox):
    gate = exchanging_gate(make_gate, sandbox)
    assert gate.get("/v4/profile/9001").json()["ID"] == "9001"
    calls = sandbox.calls()["calls"]
    assert calls["POST /authenticate"] == 1
    sent = [call for call in sandbox.log() if call["target"].startswith("/v4/profile")]
    assert dict(sent[0]["fields"])["Authorization"].startswith("Bearer ey") and sandbox.token not in str(sent)
    until(lambda: gate.status()["upstreams"][0]["account"] == "copernica/41", "the account")


def test_a_bearer_is_renewed_ahead_of_time_by_one_call(make_gate, sandbox):
    sandbox.knobs(bearer_lifetime_ms=6000, latency_ms=20)
    gate = exchanging_gate(make_gate, sandbox)
    stop, statuses = threading.Event(), []

    def load(n):
        while not stop.is_set():
            statuses.append(gate.get(f"/v4/profile/{9001 + n}", headers={"Cache-Control": "no-cache"}).status_code)

    threads = [threading.Thread(target=load, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: sandbox.calls()["calls"]["POST /authenticate"] >= 2, "the renewal")
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
    assert gate.metric("postern_token_renewals_total", upstream="copernica") == 1
    assert sandbox.calls()["calls"]["POST /authenticate"] == 2
    assert sandbox.calls()["unauthorized"] == 0


def test_many_refusals_make_one_exchange(make_gate, sandbox):
    gate = exchanging_gate(make_gate, sandbox)
    gate.get("/v4/profile/9001")
    sandbox.knobs(latency_ms=50)
    sandbox.control_post("/revoke", bearers=True)
    answers = []
    threads = [threading.Thread(target=lambda n=n: answers.append(gate.get(f"/v4/profile/{9002 + n}")))
               for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert sandbox.calls()["calls"]["POST /authenticate"] == 2


def test_a_write_with_a_revoked_bearer_is_refused_and_the_next_one_is_not(make_gate, sandbox):
    gate = exchanging_gate(make_gate, sandbox)
    gate.get("/v4/profile/9001")
    sandbox.control_post("/revoke", bearers=True)
    sandbox.forget_calls()
    refused = gate.put("/v4/profile/9001/fields", json={"city": "Delft"})
    assert refused.status_code == 401
    assert sandbox.calls()["calls"]["PUT /profile/{profile}/fields"] == 1
    assert gate.put("/v4/profile/9001/fields", json={"city": "Delft"}).status_code == 204
    assert sandbox.calls()["calls"]["POST /authenticate"] == 1
    assert gate.get("/v4/profile/9001").json()["fields"]["city"] == "Delft"


def test_requests_wait_for_the_first_bearer(make_gate, raw_upstream):
    go_on = threading.Event()

    def authenticate(call):
        call.body
        call.hold(go_on)
        call.send(reply(b'{"access_token": "the-bearer", "expires_in": 3600}'))

    raw_upstream.on("/authenticate", authenticate)
    gate = exchanging_gate(make_gate, raw_upstream)
    answers = []
    reader = threading.Thread(target=lambda: answers.append(gate.get("/v4/a")))
    reader.start()
    until(lambda: len(raw_upstream.calls_of("/authenticate")) == 1, "the exchange")
    time.sleep(0.3)
    assert raw_upstream.calls_of("/v4/a") == []
    go_on.set()
    reader.join()
    assert answers[0].status_code == 200
    assert raw_upstream.calls_of("/v4/a")[0].field("Authorization") == "Bearer the-bearer"
    call = raw_upstream.calls_of("/authenticate")[0]
    assert call.method == "POST" and call.body == f"access_token={gate.token}".encode()
    assert call.field("Content-Type") == "application/x-www-form-urlencoded"


def test_name_and_lifetime_are_the_configurations(make_gate, raw_upstream):
    raw_upstream.on("/authenticate", lambda call: (call.body, call.reply(b"the-bearer")))  # does not say how long
    gate = exchanging_gate(make_gate, raw_upstream, parameter="api_token", lifetime="2s")
    calls = raw_upstream.wait_for("/authenticate", 3)
    assert {call.body for call in calls} == {f"api_token={gate.token}".encode()}


def test_a_failing_exchange_is_said_once_tried_again_and_mended(make_gate, raw_upstream):
    raw_upstream.on("/authenticate", reply(b"<h1>busy</h1>", 503))
    gate = exchanging_gate(make_gate, raw_upstream)
    until(lambda: "can't be exchanged" in gate.log_text(), "the error")
    assert gate.get("/v4/a").status_code in (502, 503)
    raw_upstream.wait_for("/authenticate", 3)
    assert gate.log_text().count("can't be exchanged") == 1
    assert gate.metric("postern_token_failing") == 1
    raw_upstream.on("/authenticate", reply(b"the-bearer"))
    until(lambda: gate.get("/v4/a").status_code == 200, "a bearer")
    assert re.search(r"exchanged after \d+ failures", gate.log_text())


def test_an_old_bearer_serves_while_its_renewal_fails(make_gate, sandbox):
    sandbox.knobs(bearer_lifetime_ms=20000)
    gate = exchanging_gate(make_gate, sandbox)
    assert gate.get("/v4/profile/9001").status_code == 200
    sandbox.knobs(bearer_lifetime_ms=86400000,
                  faults=[{"kind": "status", "path": "/authenticate", "status": 503, "body": "busy"}])
    # The next one is due after 15 to 17 seconds; the old one is good for three more.
    until(lambda: "can't be exchanged" in gate.log_text(), "a failure")
    assert gate.get("/v4/profile/9002").status_code == 200
    sandbox.knobs(faults=[])
    until(lambda: "exchanged after" in gate.log_text(), "the renewal")
    assert gate.get("/v4/profile/9003").status_code == 200


def test_an_api_that_refuses_every_bearer_gets_few_exchanges(make_gate, raw_upstream):
    raw_upstream.on("/authenticate", reply(b"the-bearer"))
    raw_upstream.on("*", reply(b"no", 401))
    gate = exchanging_gate(make_gate, raw_upstream)
    for n in range(30):
        assert gate.get(f"/v4/{n}").status_code == 401
    assert len(raw_upstream.calls_of("/authenticate")) <= 8


def test_a_reload_keeps_the_bearer(make_gate, sandbox):
    gate = exchanging_gate(make_gate, sandbox)
    gate.get("/v4/profile/9001")
    for _ in range(3):
        gate.hup()
    assert gate.get("/v4/profile/9002").status_code == 200
    assert sandbox.calls()["calls"]["POST /authenticate"] == 1


def test_another_long_lived_token_is_exchanged_at_once(make_gate, sandbox):
    gate = exchanging_gate(make_gate, sandbox)
    gate.get("/v4/profile/9001")
    other = sandbox.control_post("/accounts", name="Other")["access_token"]
    replace_token(gate, other)
    until(lambda: gate.status()["upstreams"][0]["account"] == "copernica/42", "the other account")
    assert gate.get("/v4/identity").json()["id"] == "42"


def test_a_stop_does_not_wait_for_an_exchange(make_gate, raw_upstream):
    raw_upstream.on("/authenticate", lambda call: call.hold(threading.Event()))
    gate = exchanging_gate(make_gate, raw_upstream)
    raw_upstream.wait_for("/authenticate")
    gate.stop()
