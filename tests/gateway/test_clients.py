"""Who may do what: keys in every place and spelling, allow rules, and changes of both by HUP."""

import hashlib
import json
import re
import secrets
import subprocess
import threading
import time

import pytest

from gate import POSTERN, Gate, RawUpstream, postern, request, until

PROFILE = "/v2/profile/9001"
KEYS = {name: f"{name}-key-{secrets.token_hex(16)}" for name in ("crm", "shop", "reader", "nobody")}
ALLOW = {
    "crm": None,
    "shop": ["GET /v2/profile/*", "PUT /v2/profile/*/fields", "GET /databases"],
    "reader": ["GET /**"],
    "nobody": [],
}


def client(name, key=None, allow=None):
    made = {"name": name, "key_sha256": hashlib.sha256((key or KEYS[name]).encode()).hexdigest()}
    if allow is not None:
        made["allow"] = allow
    return made


CLIENTS = [client(name, allow=ALLOW[name]) for name in KEYS]


@pytest.fixture(scope="module")
def gate(tmp_path_factory, module_sandbox):
    running = Gate(module_sandbox, tmp_path_factory.mktemp("gate"), {"clients": CLIENTS})
    try:
        yield running
        running.stop()
        # neither the token nor any client's key is in the trail, the log, the cache or the configuration
        for secret in [running.token, *KEYS.values()]:
            assert running.files_with(secret) == []
    finally:
        running.kill()


@pytest.fixture(autouse=True)
def forget_calls(module_sandbox):
    module_sandbox.forget_calls()


@pytest.fixture
def wire(gate):
    with gate.wire() as wire:
        yield wire


def as_client(name):
    return {"headers": {"Authorization": f"Bearer {KEYS[name]}"}}


# --- identification ---


SPELLINGS = {
    "Bearer": (PROFILE, "Authorization: Bearer {key}"),
    "bearer": (PROFILE, "authorization: bearer {key}"),
    "Bearer with more spaces": (PROFILE, "Authorization: Bearer   {key}  "),
    "X-Api-Key": (PROFILE, "X-Api-Key: {key}"),
    "x-api-key": (PROFILE, "x-API-key:{key}"),
    "access_token": (PROFILE + "?access_token={key}",),
    "access_token among others": (PROFILE + "?a=1&access_token={key}&b=2",),
    "access%5Ftoken": (PROFILE + "?access%5Ftoken={key}",),
    "all encoded": (PROFILE + "?%61%63%63%65%73%73%5f%74%6f%6b%65%6e={key}",),
    "in capitals": (PROFILE + "?ACCESS_TOKEN={key}",),
    "with a dot": (PROFILE + "?access.token={key}",),
    "with a space": (PROFILE + "?access+token={key}",),
    "after a space": (PROFILE + "?+access_token={key}",),
    "as an array": (PROFILE + "?access_token[]={key}",),
    "before a NUL": (PROFILE + "?access_token%00x={key}",),
    "its value encoded": (PROFILE + "?access_token={encoded}",),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_key_is_taken_in_every_place_and_never_goes_up(wire, module_sandbox, spelling):
    key = KEYS["crm"]
    target, *fields = [part.format(key=key, encoded="".join(f"%{ord(c):02x}" for c in key)) for part in spelling]
    assert wire.request("GET", target, "Cache-Control: no-cache", *fields).status == 200
    log = module_sandbox.log()
    assert len(log) == 1
    assert key not in json.dumps(log) and module_sandbox.token not in json.dumps(log[0]["fields"])
    names = [name.lower() for name, _ in log[0]["fields"]]
    assert "authorization" not in names and "x-api-key" not in names
    assert len(re.findall("token", log[0]["target"], re.I)) == 1  # the gate's own


def test_every_credential_is_taken_out_also_beside_the_one_that_counts(wire, module_sandbox):
    answer = wire.request("GET", PROFILE + "?access_token=wrong1&Access_Token=wrong2&access%2etoken=wrong3",
                          f"Authorization: Bearer {KEYS['crm']}", "X-Api-Key: wrong4", "Cache-Control: no-cache")
    assert answer.status == 200
    assert "wrong" not in json.dumps(module_sandbox.log())


def test_the_first_place_decides_even_where_a_later_one_would_do(wire):
    key = KEYS["crm"]
    assert wire.request("GET", PROFILE, "Authorization: Bearer wrong", f"X-Api-Key: {key}").status == 401
    assert wire.request("GET", PROFILE + f"?access_token={key}", "X-Api-Key: wrong").status == 401
    assert wire.request("GET", PROFILE, "Authorization: Basic YTpi", f"X-Api-Key: {key}").status == 200


def test_a_credential_in_a_write_does_not_go_up_either(wire, module_sandbox):
    for target in (PROFILE + "/fields?access_token={0}", PROFILE + "/fields?Access.Token={0}"):
        assert wire.request("PUT", target.format(KEYS["crm"]), "Content-Type: application/json",
                            body=b'{"city":"Epe"}').status == 303
    assert len(module_sandbox.log()) == 2
    assert KEYS["crm"] not in json.dumps(module_sandbox.log())


def test_no_credential_goes_up_where_every_field_is_forwarded(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, clients=[client("crm")], upstreams={"copernica": {"forward": ["*"]}})
    fields = (f"X-Api-Key: {KEYS['crm']}", f"Cookie: session={KEYS['crm']}", f"Proxy-Authorization: {KEYS['crm']}")
    with gate.wire() as wire:
        for method in ("GET", "PUT"):
            assert wire.request(method, "/v2/x", "X-Own: kept", f"Authorization: Bearer {KEYS['crm']}", *fields,
                                f"X-Hop: {KEYS['crm']}", "Connection: X-Hop, keep-alive").status == 200
            assert wire.request(method, "/v2/y", *fields).status == 200
    calls = raw_upstream.calls_of("/v2/x") + raw_upstream.calls_of("/v2/y")
    assert len(calls) == 4 and calls[0].field("X-Own") == "kept"
    for call in calls:
        assert KEYS["crm"].encode() not in call.head


def test_access_token_does_not_go_up_where_the_token_goes_in_a_field(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, clients=[client("crm")], upstreams={"copernica": {
        "inject": {"header": "Authorization", "format": "Bearer %s"}, "forward": ["*"]}})
    with gate.wire() as wire:
        for target in ("/v4/x?access_token={}", "/v4/x?b=1&ACCESS%5ftoken={}&access_token=other"):
            for method in ("GET", "PUT"):
                assert wire.request(method, target.format(KEYS["crm"])).status == 200
    calls = raw_upstream.calls_of("/v4/x")
    assert len(calls) == 4
    for call in calls:
        assert call.field("Authorization") == f"Bearer {gate.token}"
        assert KEYS["crm"].encode() not in call.head and "token" not in call.target.lower()


WRONG = {
    "none": (PROFILE,),
    "wrong Bearer": (PROFILE, "Authorization: Bearer w0ng-k3y"),
    "empty Bearer": (PROFILE, "Authorization: Bearer"),
    "empty": (PROFILE, "X-Api-Key:"),
    "wrong X-Api-Key": (PROFILE, "X-Api-Key: w0ng-k3y"),
    "wrong access_token": (PROFILE + "?access_token=w0ng-k3y",),
    "the hash in place of the key": (PROFILE, "X-Api-Key: " + CLIENTS[0]["key_sha256"]),
    "a key with something after it": (PROFILE, "X-Api-Key: " + KEYS["crm"] + "x"),
    "a name": (PROFILE, "X-Api-Key: crm"),
    "a NUL in it": (PROFILE + "?access_token=" + KEYS["crm"] + "%00",),
}


@pytest.mark.parametrize("request_line", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_without_a_right_key_nothing_goes_up_and_the_key_is_not_repeated(gate, wire, module_sandbox, method,
                                                                         request_line):
    target, *fields = request_line
    answer = wire.request(method, target, *fields)
    assert answer.status == 401
    assert answer.field("WWW-Authenticate") == 'Bearer realm="postern"'
    assert answer.field("Content-Type") == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 401 and problem["request_id"] == answer.field("X-Request-Id")
    for secret in ("w0ng-k3y", *KEYS.values()):
        assert secret.encode() not in answer.head + answer.body
    assert module_sandbox.calls()["total"] == 0


def test_wrong_keys_are_in_no_file(gate, wire):
    for target, *fields in WRONG.values():
        wire.request("GET", target, *fields, "X-Request-Id: wrong-keys")
    until(lambda: len([record for record in gate.done() if record["id"] == "wrong-keys"]) == len(WRONG),
          "the records")
    assert gate.files_with("w0ng-k3y") == []
    records = [record for record in gate.done() if record["id"] == "wrong-keys"]
    assert {record["status"] for record in records} == {401} and {record["client"] for record in records} == {None}


def test_the_token_of_the_upstream_is_no_key(gate):
    answer = gate.get(PROFILE, headers={"Authorization": f"Bearer {gate.token}"})
    assert answer.status_code == 401 and gate.token not in str(answer.headers) + answer.text


def test_clients_are_told_apart_in_trail_and_metrics(gate):
    for name in ("crm", "reader"):
        assert gate.get("/databases", **as_client(name)).status_code == 200
    until(lambda: {"crm", "reader"} <= {record["client"] for record in gate.done()}, "the records")
    assert gate.metric("postern_requests_total", client="reader", method="GET", status="2xx") >= 1


# --- allow rules ---


@pytest.mark.parametrize("method,target,allowed", [
    ("GET", PROFILE, True),
    ("HEAD", PROFILE, True),
    ("GET", "/v2/profile/9001?dataonly=1", True),
    ("GET", "/v2/profile/%39001", True),           # the same path in another spelling
    ("GET", "/v2/./profile/9001", True),
    ("GET", "/v2/x/../profile/9001", True),
    ("GET", "/databases", True),
    ("GET", "/v2/databases", True),                # rules may leave the version prefix out
    ("PUT", "/v2/profile/9001/fields", True),
    ("PUT", "/v2/pr%6ffile/9001/fi%65lds", True),
    ("POST", "/v2/profile/9001/fields", False),
    ("DELETE", PROFILE, False),
    ("PUT", PROFILE, False),
    ("GET", "/v1/profile/9001", False),            # the rule names v2
    ("GET", "/v2/profile/9001/subprofiles/8", False),
    ("GET", "/v2/PROFILE/9001", False),
    ("GET", "/V2/profile/9001", False),
    ("GET", "/v2//profile/9001", False),
    ("GET", "//v2/profile/9001", False),
    ("GET", "/v2/profile//9001", False),
    ("GET", "/v2/profile/9001/..", False),
    ("GET", "/v2/profile/../databases/x", False),
    ("GET", "/v2/profile/9001/../../database/31", False),
    ("GET", "/v2%2Fprofile/9001", False),
    ("GET", "/v2/profile/", False),
    ("GET", "/v2/profilex/9001", False),
    ("GET", "/v2/profile/9001%2Fsubprofiles%2F8", False),  # one segment here, three for some upstreams
    ("GET", "/v2/profile/9001%5csubprofiles", False),
    ("PUT", "/v2/profile/9001%2ffields", False),
    ("PUT", "/v2/profile/9001%2f..%2f9002/fields", None),
    ("GET", "/v2/profile/%2e%2e/databases", None),
    ("GET", "/v2/profile/..%2fdatabases", None),
    ("GET", "/v2/profile/.%2e/databases", None),
    ("GET", "/v2/profile/%2e", None),
    ("GET", "/v2/profile/9001%00", None),
    ("GET", "/v2/profile/9001\\..\\..\\databases", None),
])
def test_allow_rules_are_judged_on_the_normalised_path(wire, module_sandbox, method, target, allowed):
    answer = wire.request(method, target, f"X-Api-Key: {KEYS['shop']}", body=b"{}" if method == "PUT" else b"")
    if allowed:
        assert answer.status in (200, 303)
        return
    assert answer.status == (403 if allowed is False else 400)
    assert module_sandbox.calls()["total"] == 0
    if method != "HEAD":
        assert answer.field("Content-Type") == "application/problem+json"
        assert KEYS["shop"].encode() not in answer.head + answer.body


def test_a_path_with_an_encoded_slash_may_be_used_by_who_may_use_all(wire):
    assert wire.request("GET", "/v2/profile/9001%2Fsubprofiles", f"X-Api-Key: {KEYS['crm']}").status != 403


def test_a_client_with_no_rules_left_may_do_nothing(gate, module_sandbox):
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        assert gate.ask(method, "/databases", **as_client("nobody")).status_code == 403
    assert module_sandbox.calls()["total"] == 0


def test_what_one_client_reads_is_a_hit_for_another_but_not_for_one_who_may_not(gate):
    gate.warm(PROFILE, **as_client("crm"))
    assert "hit" in gate.get(PROFILE, **as_client("reader")).headers["cache-status"]
    refused = gate.get(PROFILE, **as_client("nobody"))
    assert refused.status_code == 403 and b"9001" not in refused.content


# --- no clients ---


def test_without_clients_everybody_on_the_loopback_is_local(make_gate, sandbox):
    gate = make_gate(sandbox, listen=["127.0.0.1:0", "[::1]:0"])
    for headers in ({}, {"Authorization": "Bearer whatever"}, {"X-Api-Key": "whatever"}):
        assert gate.get(PROFILE, headers=headers).status_code == 200
    assert gate.get(PROFILE + "?access_token=whatever").status_code == 200
    until(lambda: len(gate.done()) == 4, "the records")
    assert {record["client"] for record in gate.done()} == {"local"}
    assert "whatever" not in json.dumps(sandbox.log())


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:8080"])
def test_without_clients_no_other_address_is_listened_on(make_gate, sandbox, address):
    gate = make_gate(sandbox, start=False, listen=[address])
    done = postern("run", "--config", gate.config)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "/listen/0" in done.stderr and "client" in done.stderr


# --- changes while it runs ---


def test_client_add_and_hup_let_a_new_key_in_without_dropping_a_connection(make_gate, sandbox):
    gate = make_gate(sandbox, clients=[client("crm")])
    with gate.wire() as kept:
        assert kept.request("GET", PROFILE, f"X-Api-Key: {KEYS['crm']}").status == 200
        added = postern("client", "add", "mail", "--allow", "GET /**", "--config", gate.config)
        assert added.returncode == 0, added.stderr
        key = re.search(r"pst_[0-9a-f]{64}", added.stdout)[0]
        assert key not in gate.config.read_text()
        assert gate.get(PROFILE, headers={"X-Api-Key": key}).status_code == 401
        assert "read again" in gate.hup()
        assert gate.get(PROFILE, headers={"X-Api-Key": key}).status_code == 200
        assert gate.put(PROFILE + "/fields", json={}, headers={"X-Api-Key": key}).status_code == 403
        assert kept.request("GET", PROFILE, f"X-Api-Key: {KEYS['crm']}").status == 200
        assert kept.request("GET", PROFILE, f"X-Api-Key: {key}").status == 200
    assert gate.files_with(key) == []


def test_removing_a_client_and_hup_shut_it_out_on_open_connections_too(make_gate, sandbox):
    gate = make_gate(sandbox, clients=[client("crm"), client("shop")])
    with gate.wire() as kept:
        assert kept.request("GET", PROFILE, f"X-Api-Key: {KEYS['shop']}").status == 200
        gate.change(clients=[client("crm")])
        gate.hup()
        until(lambda: gate.get(PROFILE, headers={"X-Api-Key": KEYS["shop"]}).status_code == 401, "the 401")
        until(lambda: kept.request("GET", PROFILE, f"X-Api-Key: {KEYS['shop']}").status == 401, "the 401")
        assert kept.request("GET", PROFILE, f"X-Api-Key: {KEYS['crm']}").status == 200


def test_changed_allow_rules_count_after_hup(make_gate, sandbox):
    gate = make_gate(sandbox, clients=[client("crm", allow=["GET /**"])])
    headers = {"X-Api-Key": KEYS["crm"]}
    write = {"json": {"city": "Ede"}, "headers": headers}
    assert gate.put(PROFILE + "/fields", **write).status_code == 403
    gate.change(clients=[client("crm", allow=["GET /**", "PUT /profile/*/fields"])])
    gate.hup()
    until(lambda: gate.put(PROFILE + "/fields", **write).status_code == 303, "the permission")


def test_a_request_under_way_ends_under_the_rules_it_began_with(make_gate, sandbox):
    gate = make_gate(sandbox, clients=[client("crm"), client("shop")])
    sandbox.knobs(latency_ms=500)
    with gate.wire() as wire:
        wire.send(request("GET", "/v2/profile/9050", f"X-Api-Key: {KEYS['shop']}"))
        until(lambda: gate.metric("postern_flights") >= 1 or sandbox.calls()["total"] >= 2, "the call")
        gate.change(clients=[client("crm")])
        gate.hup()
        assert wire.answer().status == 200
        assert wire.request("GET", "/v2/profile/9050", f"X-Api-Key: {KEYS['shop']}").status == 401


def test_ten_clients_added_at_once_are_all_there(make_gate, sandbox):
    gate = make_gate(sandbox, clients=[client("crm")])
    running = [subprocess.Popen([POSTERN, "client", "add", f"app{number}", "--config", str(gate.config)],
                                stdout=subprocess.PIPE, text=True) for number in range(10)]
    keys = [re.search(r"pst_[0-9a-f]{64}", process.communicate(timeout=90)[0])[0] for process in running]
    assert {process.returncode for process in running} == {0}
    gate.hup()
    for key in keys:
        assert gate.get(PROFILE, headers={"X-Api-Key": key}).status_code == 200


# --- keys that count no more; deny rules ---


def masked(answer):
    """An answer without what differs in each: its id and its time."""
    fields = [(name, value) for name, value in answer.fields if name not in ("X-Request-Id", "Date")]
    return answer.status, fields, answer.body.replace(answer.field("X-Request-Id").encode(), b"")


def in_time(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_unknown_disabled_and_ended_keys_get_the_same_401(make_gate, sandbox, method):
    old = "old-key-" + secrets.token_hex(16)
    gate = make_gate(sandbox, clients=[
        client("crm"), dict(client("shop"), disabled=True, quota={"per_second": 5}), dict(client("reader"), key_until=in_time(-1)),
        dict(client("nobody"), previous_key_sha256=hashlib.sha256(old.encode()).hexdigest(),
             previous_key_until=in_time(-86400))])
    with gate.wire() as wire:
        expected = masked(wire.request(method, PROFILE, "X-Api-Key: unknown"))
        assert expected[0] == 401
        for key in (KEYS["shop"], KEYS["reader"], old):
            assert masked(wire.request(method, PROFILE, f"X-Api-Key: {key}")) == expected
            assert masked(wire.request(method, PROFILE + f"?access_token={key}")) == expected
        assert wire.request("GET", PROFILE, f"X-Api-Key: {KEYS['nobody']}").status == 200
    until(lambda: len(gate.done()) == 8, "the records")
    assert {record["client"] for record in gate.done() if record["status"] == 401} == {None}


def test_a_key_ends_by_itself(make_gate, sandbox):
    gate = make_gate(sandbox, clients=[dict(client("crm"), key_until=in_time(4)), client("shop")])
    with gate.wire() as wire:
        until(lambda: wire.request("GET", PROFILE, f"X-Api-Key: {KEYS['crm']}").status == 401, "the end")
        assert wire.request("GET", PROFILE, f"X-Api-Key: {KEYS['shop']}").status == 200


@pytest.mark.parametrize("method,target,status", [
    ("GET", "/v2/profile/9001/subprofiles/8", 403),
    ("HEAD", "/v2/profile/9001/subprofiles/8", 403),
    ("GET", "/profile/9001/subprofiles/8", 403),
    ("GET", "/v1/profile/9001/subprofiles/8", 403),
    ("GET", "/v2/profile/9001/subprofiles/8/", 403),
    ("GET", "/v2/profile/9001/subprofil%65s/8?x=1", 403),
    ("GET", "/v2/./profile/9001/x/../subprofiles/8", 403),
    ("GET", "/v2//profile//9001/subprofiles/8", 403),
    ("GET", "//v2/profile/9001/subprofiles/8", 403),
    ("GET", "/v2/profile/9001%2Fsubprofiles%2F8", 403),
    ("GET", "/v2/profile/9001%5csubprofiles/8", 403),
    ("GET", "/v2%2fprofile/9001/subprofiles/8", 403),
    ("GET", "%2Fv2/profile/9001/subprofiles/8", 400),  # no path
    ("GET", "/%2Fv2/profile/9001/subprofiles/8", 403),
    ("GET", "/v2/profile/9001/%2e%2e/9001/subprofiles/8", 400),
    ("GET", PROFILE, 200),
    ("DELETE", "/v2/database/31", 403),                # "* /v2/database/*"
    ("PUT", "/v2/database%2F31", 403),
])
def test_what_is_denied_is_denied_in_every_spelling(make_gate, sandbox, method, target, status):
    gate = make_gate(sandbox, clients=[dict(client("crm", allow=["* /**"]), deny=["GET /profile/*/subprofiles/**", "* /v2/database/*"])])
    with gate.wire() as wire:
        assert wire.request(method, target, f"X-Api-Key: {KEYS['crm']}").status == status
    if status != 200:
        assert sandbox.calls()["calls"].keys() <= {"GET /identity"}


def command(gate, *arguments):
    done = postern("client", *arguments, "--config", gate.config)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_rotation_lets_both_keys_in(make_gate, sandbox):
    gate = make_gate(sandbox, clients=[client("crm")])
    with gate.wire() as wire:
        new = command(gate, "rotate", "crm")
        gate.hup()
        until(lambda: wire.request("GET", PROFILE, f"X-Api-Key: {new}").status == 200, "the new key")
        assert wire.request("GET", PROFILE, f"X-Api-Key: {KEYS['crm']}").status == 200
        newer = command(gate, "rotate", "crm", "--overlap", "0s")
        gate.hup()
        until(lambda: wire.request("GET", PROFILE, f"X-Api-Key: {newer}").status == 200, "the newer key")
        for key in (new, KEYS["crm"]):
            assert wire.request("GET", PROFILE, f"X-Api-Key: {key}").status == 401
    assert gate.files_with(new) == gate.files_with(newer) == []


def test_clients_change_by_hup_without_a_connection_being_dropped(make_gate, raw_upstream):
    """Whatever happens to other clients, crm's requests are all answered: on kept connections, one under way over
    all of it, and a stream of them."""
    gate = make_gate(raw_upstream, clients=[client("crm"), client("shop"), client("reader")])
    go, stop, statuses = threading.Event(), threading.Event(), []
    raw_upstream.on("/v2/slow", lambda call: (call.hold(go), call.reply(b"late")))
    key = f"X-Api-Key: {KEYS['crm']}"

    def busy():
        with gate.wire() as wire:
            while not stop.is_set():
                statuses.append(wire.request("GET", f"/v2/{len(statuses)}", key).status)

    kept = [gate.wire() for _ in range(4)]
    for wire in kept:
        assert wire.request("GET", "/v2/a", key).status == 200
    under_way = gate.wire().send(request("GET", "/v2/slow", key))
    raw_upstream.wait_for("/v2/slow")
    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for change in (("add", "mail"), ("disable", "shop"), ("rotate", "crm"), ("enable", "shop"), ("remove", "reader"),
                       ("add", "slow", "--per-second", "1"), ("remove", "shop")):
            command(gate, *change)
            assert "read again" in gate.hup()
            for wire in kept:
                assert wire.request("GET", "/v2/a", key).status == 200
    finally:
        stop.set()
        thread.join()
        go.set()
    assert under_way.answer().body == b"late"
    assert set(statuses) == {200}
    for wire in (*kept, under_way):
        assert not wire.ended
        wire.close()


def test_an_upstream_of_its_own_for_each_client(make_gate, raw_upstream):
    """One of two upstreams, by client: the answers and the counts are the right one's."""
    other = RawUpstream()
    try:
        gate = make_gate(raw_upstream, clients=[dict(client("crm"), upstream="copernica"), dict(client("shop"), upstream="b")],
                         upstreams={"b": {"url": other.url}})
        with gate.wire() as wire:
            assert wire.request("GET", "/v2/a", f"X-Api-Key: {KEYS['shop']}").status == 200
            assert len(other.calls_of("/v2/a")) == 1 and raw_upstream.calls_of("/v2/a") == []
            assert wire.request("GET", "/v2/a", f"X-Api-Key: {KEYS['crm']}").status == 200
            assert len(raw_upstream.calls_of("/v2/a")) == 1 and len(other.calls_of("/v2/a")) == 1
    finally:
        other.stop()
