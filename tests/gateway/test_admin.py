"""The admin address and the commands: health, metrics, status, purge, and what guards them."""

import json
import re
import signal
import threading

import pytest

from gate import Wire, cache_status, connect, is_hit, postern, reply, request, until

PROFILE = "/v2/profile/9001"


@pytest.fixture
def admin(module_gate):
    with module_gate.admin_wire() as wire:
        yield wire


def ask_admin(wire, method, path, *fields, body=b"", host="127.0.0.1"):
    return wire.request(method, path, *fields, body=body, host=host)


# --- health ---


def test_health_and_readiness_are_told(module_gate):
    for path, text in (("/healthz", "ok\n"), ("/readyz", "ready\n")):
        answer = module_gate.admin_http.get(path)
        assert (answer.status_code, answer.text) == (200, text)
        assert answer.headers["cache-control"] == "no-store"


def test_while_it_drains_it_is_healthy_and_not_ready(make_gate, sandbox):
    gate = make_gate(sandbox)
    sandbox.knobs(latency_ms=1500)
    with gate.wire() as client, gate.admin_wire() as admin:
        client.send(request("GET", PROFILE))
        until(lambda: gate.metric("postern_flights") >= 1 or sandbox.calls()["total"] >= 2, "the call")
        gate.signal(signal.SIGTERM)
        until(lambda: ask_admin(admin, "GET", "/readyz").status == 503, "the draining")
        answer = ask_admin(admin, "GET", "/readyz")
        assert answer.status == 503 and answer.body == b"draining\n"
        assert ask_admin(admin, "GET", "/healthz").status == 200
        assert ask_admin(admin, "GET", "/api/status").json()["draining"] is True
        told = postern("status", "--config", with_admin(gate))
        assert told.returncode == 0 and "draining" in told.stdout.splitlines()[0]
        assert client.answer().status == 200
    assert gate.wait() == 0


@pytest.mark.parametrize("method,path,status", [
    ("GET", "/", 404), ("GET", "/metrics/", 404), ("GET", "/api", 404), ("GET", "/../healthz", 404),
    ("POST", "/healthz", 405), ("PUT", "/api/purge", 405), ("DELETE", "/api/status", 405), ("GET", "/api/purge", 404),
    ("HEAD", "/healthz", 200), ("GET", "/healthz?x=1", 200), ("TRACE", "/healthz", 501)])
def test_other_paths_and_methods_are_told(admin, method, path, status):
    answer = ask_admin(admin, method, path)
    assert answer.status == status
    if status >= 400:
        assert answer.field("Content-Type") == "application/problem+json"


# --- guards ---


@pytest.mark.parametrize("host", ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test", "evil.test:8081",
                                  "10.0.0.1", "[::2]", "localhostx", "0.0.0.0", ""])
def test_a_host_that_is_another_name_is_refused(admin, host):
    for path in ("/healthz", "/metrics", "/api/status"):
        assert ask_admin(admin, "GET", path, host=host).status == 421
    assert ask_admin(admin, "POST", "/api/purge", body=b'{"all":true}', host=host).status == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:9", "127.0.0.1:1", "[::1]", "[::1]:80"])
def test_loopback_names_are_its_own(admin, host):
    assert ask_admin(admin, "GET", "/api/status", host=host).status == 200


@pytest.mark.parametrize("origin", ["http://evil.test", "https://127.0.0.1", "null", "", "http://127.0.0.1.evil.test",
                                    "http://localhost.evil.test:80", "file://", "http://user@evil.test"])
def test_a_page_of_another_origin_cannot_purge(module_gate, admin, origin):
    module_gate.warm(PROFILE)
    answer = ask_admin(admin, "POST", "/api/purge", f"Origin: {origin}", body=b'{"all":true}')
    assert answer.status == 403
    assert is_hit(module_gate.get(PROFILE))


def test_the_same_origin_can_purge(module_gate, admin):
    address = module_gate.admin.removeprefix("http://")
    for origin in ("http://" + address, "http://localhost:" + address.rpartition(":")[2]):
        answer = ask_admin(admin, "POST", "/api/purge", f"Origin: {origin}", body=b'{"all":true}')
        assert answer.status == 200 and answer.json() == {"purged": True}


# --- metrics ---


SAMPLE = re.compile(r'([a-z_][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def parse_metrics(text):
    """{name: (type, {labels: value})} by the text format 0.0.4, without any leniency."""
    assert text.endswith("\n")
    families, helped, family = {}, set(), None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, help_text = line[7:].split(" ", 1)
            assert name not in helped and help_text
            helped.add(name)
        elif line.startswith("# TYPE "):
            family, kind = line[7:].split(" ")
            assert family in helped and family not in families, "a family comes once, after its help"
            assert kind in ("counter", "gauge", "histogram")
            assert (kind == "counter") == family.endswith("_total")
            families[family] = (kind, {})
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels, value = match.groups()
            kind = families[family][0]
            suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            assert name in [family + suffix for suffix in suffixes], f"{name} stands under {family}"
            assert NUMBER.fullmatch(value), line
            key = (name, tuple(LABEL.findall(labels or "")))
            assert key not in families[family][1], f"{key} twice"
            families[family][1][key] = float(value)
    assert helped == set(families)
    return families


def calls_for_clients(sandbox):
    """All but the gate's own, by which it learns whose token it has."""
    calls = sandbox.calls()
    return calls["total"] - calls["calls"].get("GET /identity", 0)


def test_metrics_are_prometheus_text_and_count_what_happened(make_gate, sandbox):
    gate = make_gate(sandbox)
    for _ in range(3):
        gate.warm(PROFILE)
    gate.put(PROFILE + "/fields", json={"city": "Ede"})
    gate.get("/v2/profile/9001%00")
    with gate.wire() as wire:
        wire.send("BREW / HTTP/1.1\r\nHost: g\r\n\r\n").answer()
    answer = gate.admin_http.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    families = parse_metrics(answer.text)
    requests = {labels: value for (_, labels), value in families["postern_requests_total"][1].items()}
    assert all([name for name, _ in labels] == ["client", "method", "status", "cache"] for labels in requests)

    def count(**wanted):
        return sum(value for labels, value in requests.items() if wanted.items() <= dict(labels).items())

    assert count(client="local", method="PUT", status="3xx", cache="write") == 1
    assert count(client="local", method="GET", status="4xx", cache="none") == 1
    hits = count(method="GET", status="2xx", cache="hit")
    assert hits >= 3 and count(cache="miss") >= 1
    saved = families["postern_upstream_calls_saved_total"][1][("postern_upstream_calls_saved_total", ())]
    assert saved == hits + count(cache="collapsed")
    calls = families["postern_upstream_calls_total"][1][("postern_upstream_calls_total", ())]
    assert calls == calls_for_clients(sandbox)
    assert families["postern_malformed_requests_total"][1][("postern_malformed_requests_total", ())] == 1
    total = count()
    histogram = families["postern_request_seconds"][1]
    assert histogram[("postern_request_seconds_count", ())] == total
    assert histogram[("postern_request_seconds_sum", ())] > 0


def test_the_latency_histogram_is_cumulative(module_gate):
    for _ in range(20):
        module_gate.get(PROFILE)
    histogram = parse_metrics(module_gate.admin_http.get("/metrics").text)["postern_request_seconds"][1]
    buckets = [(float(dict(labels)["le"]), value) for (name, labels), value in histogram.items()
               if name.endswith("_bucket")]
    bounds, counts = zip(*buckets)
    assert list(bounds) == sorted(set(bounds)) and bounds[-1] == float("inf")
    assert list(counts) == sorted(counts)
    assert counts[-1] == histogram[("postern_request_seconds_count", ())] >= 20


def test_metrics_tell_of_all_that_was_asked_for(module_gate):
    names = set(parse_metrics(module_gate.admin_http.get("/metrics").text))
    assert {"postern_requests_total", "postern_upstream_calls_saved_total", "postern_request_seconds",
            "postern_upstream_calls_total", "postern_upstream_seconds_total", "postern_bytes_in_total",
            "postern_bytes_out_total", "postern_cache_bytes", "postern_cache_entries",
            "postern_cache_evictions_total", "postern_flights", "postern_audit_ring_fill"} <= names


def test_counts_survive_hup_and_bytes_add_up(make_gate, sandbox):
    gate = make_gate(sandbox)
    gate.get(PROFILE)
    before = gate.metrics()
    gate.hup()
    after = gate.metrics()
    for name, value in before.items():
        if re.match(r"postern_(requests|bytes|upstream_calls)", name):
            assert after[name] == value
    until(lambda: gate.done(), "the record")
    assert sum(record["out"] for record in gate.done()) == after["postern_bytes_out_total"]


# --- status ---


def test_status_agrees_with_what_happened(make_gate, sandbox):
    gate = make_gate(sandbox)
    gate.warm(PROFILE)
    before = gate.status()["cache"]["invalidations"]
    gate.put(PROFILE + "/fields", json={"city": "Ede"})
    status = gate.status()
    assert status["version"] and status["workers"] == 2 and status["draining"] is False
    assert status["listen"] == gate.addresses
    assert status["upstream_calls"] == calls_for_clients(sandbox)
    assert status["requests"] == gate.metric("postern_requests_total")
    upstream = status["upstreams"][0]
    assert upstream["name"] == "copernica" and upstream["account"] and upstream["url"] == sandbox.url
    assert (upstream["under_way"], upstream["queued"]) == (0, 0)
    assert status["cache"]["usable"] is True and status["cache"]["invalidations"] == before + 1
    assert status["cache"]["intents"] == 0 and status["cache"]["max_bytes"] == 64 << 20
    assert status["audit"]["failing"] is False
    assert gate.token not in json.dumps(status)


def test_status_tells_of_no_audit_where_there_is_none(make_gate, sandbox):
    gate = make_gate(sandbox, audit=False)
    gate.get(PROFILE)
    assert gate.status()["audit"] is None
    assert not (gate.data_dir / "audit").exists() or not list((gate.data_dir / "audit").iterdir())
    assert "postern_audit_records_total" not in gate.metrics()


# --- purge ---


def purged(gate, body):
    return gate.admin_http.post("/api/purge", content=body)


@pytest.mark.parametrize("body,goes,stays", [
    ('{"all": true}', [PROFILE, "/v3/profile/9001", "/v2/profile/9002", "/v2/databases"], []),
    ('{"path": "/profile/9001"}', [PROFILE, "/v3/profile/9001", "/v2/profile/9001/interests"],
     ["/v2/profile/9002", "/v2/databases"]),
    ('{"path": "/v2/profile/9001"}', [PROFILE, "/v3/profile/9001"], ["/v2/profile/9002"]),
    ('{"path": "/profile/%39001"}', [PROFILE], ["/v2/profile/9002"]),
    ('{"tag": "profile/9001"}', [PROFILE, "/v3/profile/9001"], ["/v2/profile/9002", "/v2/databases"]),
    ('{"path": "/profile"}', [PROFILE, "/v2/profile/9002"], ["/v2/databases"]),
    ('{"path": "/nothing"}', [], [PROFILE, "/v2/databases"]),
])
def test_a_purge_takes_what_it_names_and_nothing_else(module_gate, module_sandbox, body, goes, stays):
    for path in goes + stays:
        assert module_sandbox.api("GET", path).status_code == 200
    for path in goes + stays:
        module_gate.warm(path)
    answer = purged(module_gate, body)
    assert (answer.status_code, answer.json()) == (200, {"purged": True})
    for path in goes:
        assert cache_status(module_gate.get(path))[0] == "uri-miss"
    for path in stays:
        assert is_hit(module_gate.get(path))


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "{}", '{"all": false}', '{"all": "true"}', '{"path": 5}',
                                  '{"path": "no-slash"}', '{"path": ""}', '{"path": "/a/%2e%2e/b"}',
                                  '{"tag": "/profile/9001"}', '{"tag": null}', '{"everything": true}',
                                  '{"all": true, "path": "/x"}', '{"path": "/x", "path": "/y"}'])
def test_a_purge_that_names_nothing_is_refused_with_help(module_gate, body):
    module_gate.warm(PROFILE)
    answer = purged(module_gate, body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert '{"all": true}' in answer.json()["detail"]
    assert is_hit(module_gate.get(PROFILE))


def test_a_purge_that_is_too_long_is_refused(module_gate):
    assert purged(module_gate, '{"path": "/' + "x" * 70000 + '"}').status_code == 413


def test_an_answer_under_way_when_a_purge_comes_is_not_stored(make_gate, raw_upstream):
    go = threading.Event()
    raw_upstream.on("/v2/thing", lambda call: (call.hold(go), call.reply(b'{"old": 1}')))
    gate = make_gate(raw_upstream)
    with gate.wire() as wire:
        wire.send(request("GET", "/v2/thing"))
        raw_upstream.wait_for("/v2/thing")
        gate.purge(path="/thing")
        go.set()
        assert wire.answer().body == b'{"old": 1}'
        raw_upstream.on("/v2/thing", reply(b'{"new": 1}'))
        assert wire.request("GET", "/v2/thing").body == b'{"new": 1}'


# --- commands ---


def with_admin(gate):
    """A configuration beside the gate's that names the admin address it got."""
    path = gate.folder / "with-admin.json"
    path.write_text(json.dumps({**gate.settings, "admin": gate.admin.removeprefix("http://")}))
    return path


def test_postern_status_tells_and_its_json_is_the_api_s(module_gate):
    config = with_admin(module_gate)
    told = postern("status", "--config", config)
    assert told.returncode == 0 and told.stderr == ""
    assert re.match(r"postern \S+, up \d+ s, 2 workers, 0 clients\n", told.stdout)
    for word in ("requests", "upstream copernica", "cache:", "audit:"):
        assert word in told.stdout
    assert json.loads(postern("status", "--json", "--config", config).stdout)["workers"] == 2


def test_postern_purge_purges(module_gate):
    config = with_admin(module_gate)
    for what in (("--all",), ("--path", "/profile/9001"), ("--tag", "profile/9001")):
        module_gate.warm(PROFILE)
        done = postern("purge", *what, "--config", config)
        assert (done.returncode, done.stdout, done.stderr) == (0, "purged\n", "")
        assert not is_hit(module_gate.get(PROFILE))
    refused = postern("purge", "--path", "no-slash", "--config", config)
    assert refused.returncode == 1 and "400" in refused.stderr


def test_an_admin_address_may_be_a_unix_socket(make_gate, sandbox, tmp_path):
    gate = make_gate(sandbox, start=False, admin=f"unix:{tmp_path}/admin.sock")
    gate.start_without_waiting()
    until(gate._is_listening, "the gate's listening")
    told = postern("status", "--config", gate.config)
    assert told.returncode == 0, told.stderr
    assert postern("purge", "--all", "--config", gate.config).returncode == 0
    with Wire(connect(f"unix:{tmp_path}/admin.sock")) as wire:
        assert wire.request("GET", "/healthz").status == 200


def test_without_admin_there_is_none_and_the_command_says_so(make_gate, sandbox):
    gate = make_gate(sandbox, admin=False)
    assert gate.admin is None and gate.get(PROFILE).status_code == 200
    told = postern("status", "--config", gate.config)
    assert told.returncode == 2 and "no admin address" in told.stderr


def test_commands_say_where_no_gate_answers(make_gate, sandbox):
    gate = make_gate(sandbox, start=False, admin="127.0.0.1:1")
    for command in (("status",), ("status", "--json"), ("purge", "--all")):
        told = postern(*command, "--config", gate.config)
        assert told.returncode == 1 and told.stdout == ""
        assert len(told.stderr.splitlines()) == 1 and "127.0.0.1:1" in told.stderr and "running" in told.stderr


def test_identity_tells_whose_token_it_is(module_gate, module_sandbox):
    for arguments in ((), ("copernica",)):
        told = postern("identity", *arguments, "--config", module_gate.config)
        assert told.returncode == 0 and told.stderr == ""
        assert json.loads(told.stdout) == module_sandbox.api("GET", "/identity").json()
    assert postern("identity", "other", "--config", module_gate.config).returncode == 2


def test_identity_with_a_wrong_token_fails_and_does_not_show_it(make_gate, sandbox):
    gate = make_gate(sandbox, start=False)
    gate.token_file.write_text("w0ng-t0ken")
    told = postern("identity", "--config", gate.config)
    assert told.returncode == 1 and "token" in told.stderr
    assert "w0ng-t0ken" not in told.stdout + told.stderr
    gate.settings["upstreams"]["copernica"]["url"] = "http://127.0.0.1:1"
    gate.write_config()
    told = postern("identity", "--config", gate.config)
    assert told.returncode == 1 and len(told.stderr.splitlines()) == 1 and told.stdout == ""


def explained(config, *arguments):
    told = postern("explain", *arguments, "--config", config)
    assert told.returncode == 0, told.stderr
    said = {}
    for line in told.stdout.splitlines():
        if not line.startswith(" "):
            name = line[:13].strip()
            said[name] = line[13:]
        elif not line.strip().startswith("and "):
            said[name] += " " + line.strip()
    return said


def test_explain_says_how_the_gate_sees_a_request(make_gate, sandbox):
    clients = [{"name": "crm", "key_sha256": "a" * 64},
               {"name": "shop", "key_sha256": "b" * 64, "allow": ["GET /profile/*"]}]
    gate = make_gate(sandbox, start=False, clients=clients,
                     cache={"ttl": "60s", "rules": [{"match": "/live/**", "store": False},
                                                    {"match": "/identity", "ttl": "2h", "override": True}]})
    said = explained(gate.config, "GET", "/v2/pr%6ffile/1?b=2&a=1&_=5&access_token=x")
    assert said["client"] == "crm" and said["upstream"].startswith("copernica ")
    assert said["url"] == "/v2/profile/1?a=1&b=2"
    assert said["permission"] == "allowed"
    assert said["ttl"] == "60 s (the cache block's)" and said["negative_ttl"].startswith("0 s")
    assert said["read"] == "/profile/{profile}"
    assert {"account", "/profile/1", "/profile/*", "=profile/1"} <= set(said["tags"].split())
    assert explained(gate.config, "GET", "/v2/identity")["ttl"] == "7200 s"
    assert explained(gate.config, "GET", "/identity")["override"].startswith("yes")
    assert explained(gate.config, "GET", "/live/x")["stored"] == "never"
    assert explained(gate.config, "GET", "http://gate.test/v2/profile/1")["url"] == "/v2/profile/1"
    refused = explained(gate.config, "PUT", "/profile/1/fields", "--client", "shop")
    assert refused["permission"] == "refused: 403" and refused["rule"].endswith(" /profile/{profile}/fields")
    assert refused["settle"] == "0 s"
    assert explained(gate.config, "POST", "/v2/view/5/rebuild")["settle"] == "300 s"
    assert explained(gate.config, "PUT", "/database/5/profiles?async=1")["settle"] == "300 s"
    assert explained(gate.config, "GET", "/profile/%2e%2e/x")["url"].startswith("refused: 400")
    assert sandbox.calls()["total"] == 0


def test_explain_says_what_a_write_would_drop(make_gate, sandbox):
    gate = make_gate(sandbox, start=False)
    write = ("PUT", "/v2/profile/456/fields", "--body")
    narrow = explained(gate.config, *write, '{"Country": "NL"}')["invalidates"].split()
    assert "=profile/456" in narrow and "/database/*/profiles#country" in narrow
    assert "/database/*/profiles" not in narrow
    form = explained(gate.config, *write, "country=NL", "--type", "application/x-www-form-urlencoded")
    assert form["invalidates"].split() == narrow
    for body in ("{", "[]", '{"a": 1} x'):
        wide = explained(gate.config, *write, body)
        assert "/database/*/profiles" in wide["invalidates"].split() and wide["wider by"] == "request_body"
    unknown = explained(gate.config, "PATCH", "/profile/456")
    assert unknown["rule"] == "none matches" and "account" in unknown["invalidates"].split()


def told_why(gate, url, *options):
    told = postern("why", url, *options, "--config", with_admin(gate))
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_why_tells_freshness_and_tags_then_the_write_by_which_it_went(make_gate, sandbox):
    gate = make_gate(sandbox)
    assert "not stored" in told_why(gate, PROFILE)
    gate.warm(PROFILE)
    fresh = told_why(gate, PROFILE)
    assert "state        fresh" in fresh and " =profile/9001\n" in fresh and "~database/31" in fresh
    write = gate.put(PROFILE + "/fields", json={"city": "Ede"})
    gone = told_why(gate, "http://gate.test" + PROFILE)
    assert "state        invalidated" in gone and write.headers["x-request-id"] in gone
    assert "PUT /v2/profile/9001/fields" in gone and "/profile/{profile}/fields)" in gone
    gate.warm(PROFILE)
    gate.purge(entity="profile/9001")
    assert json.loads(told_why(gate, PROFILE, "--json"))["went_by"]["rule"] == "purge"
    assert "last named" in told_why(gate, PROFILE, "--accept", "text/odd")


@pytest.mark.parametrize("query", ["", "?url=", "?url=no-slash", "?url=/a/%252e%252e/b", "?url=/a&client=nobody"])
def test_why_of_nothing_is_refused_with_help(module_gate, query):
    answer = module_gate.admin_http.get("/api/why" + query)
    assert answer.status_code == 400 and answer.headers["content-type"] == "application/problem+json"


def test_a_purge_of_an_entity_takes_what_its_change_could_have_changed(make_gate, sandbox):
    gate = make_gate(sandbox)
    goes = [PROFILE, PROFILE + "/fields", "/v4/database/31/profiles", "/v2/view/410/profiles"]
    stays = ["/v2/profile/9002", "/v2/database/32", "/v2/database/32/profiles"]
    for path in goes + stays:
        gate.warm(path)
    gate.purge(path="/view")  # stored before the gate knew whose it is
    gate.warm("/v2/view/410")
    gate.warm("/v2/view/410/profiles")
    told = postern("purge", "--entity", "profile/9001", "--config", with_admin(gate))
    assert (told.returncode, told.stdout) == (0, "purged\n")
    assert [path for path in goes + stays if not is_hit(gate.get(path))] == goes
    told = postern("purge", "--entity", "profle/9001", "--config", with_admin(gate))
    assert told.returncode == 1 and "400" in told.stderr


def test_metrics_tell_what_each_rule_dropped_and_what_was_wider_than_need_be(make_gate, sandbox):
    gate = make_gate(sandbox)
    gate.warm(PROFILE)
    gate.warm(PROFILE + "/fields")
    rule = "PUT,POST /profile/{profile}/fields"
    assert gate.put(PROFILE + "/fields", json={"city": "Ede"}).status_code == 303
    assert gate.metric("postern_rule_invalidations_total", rule=rule) == 1
    assert gate.metric("postern_rule_entries_gone_total", rule=rule) == 2
    assert gate.metric("postern_widened_total", reason="write_unmatched") == 0
    gate.ask("PATCH", PROFILE, json={})
    gate.put("/v2/profile/0009001/fields", json={"city": "Ede"})
    gate.put("/v2/profile/9001/fields", content=b"odd", headers={"Content-Type": "text/plain"})
    gate.get("/v2/unheard/of")
    for reason in ("write_unmatched", "name", "request_body"):
        assert gate.metric("postern_widened_total", reason=reason) >= 1, reason
    assert gate.metric("postern_rule_invalidations_total", rule="unmatched") == 1


def test_explain_reads_no_token(make_gate, sandbox):
    gate = make_gate(sandbox, start=False)
    gate.token_file.unlink()
    assert explained(gate.config, "GET", PROFILE)["client"] == "local"


@pytest.mark.parametrize("command", [(), ("run",), ("sandbox",), ("check",), ("explain",), ("client",),
                                     ("client", "add"), ("identity",), ("status",), ("purge",), ("why",)])
def test_each_command_helps(command, tmp_path):
    told = postern(*command, "--help", cwd=tmp_path)
    assert told.returncode == 0 and told.stderr == ""
    assert told.stdout.startswith("usage: postern " + " ".join(command))


def test_the_version_is_told():
    told = postern("--version")
    assert told.returncode == 0 and re.fullmatch(r"postern \d+\.\d+\.\d+\n", told.stdout)


@pytest.mark.parametrize("arguments", [
    (), ("nonsense",), ("run", "--nonsense"), ("run", "extra"), ("run", "--config"), ("run", "--listen", ":1"),
    ("run", "--upstream", "http://127.0.0.1:1", "--sandbox"), ("check", "extra"), ("check", "--nonsense"),
    ("explain",), ("explain", "GET"), ("explain", "GET", "/x", "extra"), ("client",), ("client", "remove"),
    ("client", "add"), ("client", "add", "a", "b"), ("client", "add", "no such/name"), ("identity", "a", "b"),
    ("status", "extra"), ("status", "--nonsense"), ("purge",), ("purge", "--all", "--path", "/x"),
    ("purge", "--all", "extra"), ("sandbox", "--latency", "soon"), ("sandbox", "--per-second", "-1"),
    ("check", "--config", "/nonexistent/postern.json"), ("run", "--config", "/nonexistent/postern.json"),
    ("status", "--config", "/nonexistent/postern.json"), ("run", "--upstream", "not a url"),
    ("explain", "G T", "/x"), ("explain", "GET", "no-slash"), ("explain", "GET", "/x", "--client", "nobody"),
])
def test_wrong_usage_ends_with_2_and_says_why(arguments, module_gate):
    if arguments[:1] in (("explain",), ("client",), ("identity",), ("status",), ("purge",)) and \
            "--config" not in arguments:
        arguments = (*arguments, "--config", module_gate.config)
    told = postern(*arguments, env={"PATH": "/usr/bin:/bin"})
    assert told.returncode == 2
    assert told.stderr != "" or "usage:" in told.stdout
