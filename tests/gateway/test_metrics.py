"""Metrics and status: every line is well-formed, what is counted is what happened, and there is an
end to the series whatever clients ask for."""

import hashlib
import json
import re
import threading

from gate import is_hit, postern, reply, request, until

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9]+(?:\.[0-9]+)?)$")


def parsed(text):
    """{(name, ((label, value), …)): number} of the text format 0.0.4, taken apart without mercy: HELP
    and TYPE first, each family in one piece, no sample twice."""
    assert text.endswith("\n")
    samples, families, family = {}, set(), None
    lines = iter(text[:-1].split("\n"))
    for line in lines:
        head = re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line)
        if head:
            family = head[1]
            assert family not in families, f"{family} comes in two pieces"
            families.add(family)
            kind = re.fullmatch(rf"# TYPE {family} (counter|gauge|histogram)", next(lines))
            assert kind, f"{family} has no type"
            assert (kind[1] == "counter") == family.endswith("_total"), family
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        stem = re.sub(r"_(bucket|sum|count)$", "", sample[1])
        assert family in (sample[1], stem), f"{line} stands below {family}"
        key = (sample[1], tuple(sorted(re.findall(LABEL, sample[2] or ""))))
        assert key not in samples, f"{line} stands twice"
        samples[key] = float(sample[sample.lastindex])
    return samples


def metrics_of(gate):
    return parsed(gate.admin_http.get("/metrics").text)


def total(samples, name, **labels):
    return sum(value for (sample, pairs), value in samples.items()
               if sample == name and set(labels.items()) <= set(pairs))


def labels_of(samples, name, label):
    return {dict(pairs)[label] for sample, pairs in samples if sample == name}


def key_of(name, **members):
    return {"name": name, "key_sha256": hashlib.sha256(name.encode()).hexdigest(), **members}


def of(name):
    return {"Authorization": f"Bearer {name}"}


def test_requests_are_counted_by_client_and_path_template(make_gate, sandbox):
    gate = make_gate(sandbox, clients=[key_of("crm"), key_of("shop")])
    for profile in (9001, 9002):
        assert not is_hit(gate.get(f"/v2/profile/{profile}", headers=of("crm")))
        gate.warm(f"/v3/profile/{profile}", headers=of("crm"))
        gate.warm(f"/v2/profile/{profile}", headers=of("crm"))
    gate.put("/v2/profile/9001/fields", headers=of("shop"), json={"city": "Delft"})
    gate.get("/v2/unheard/4711/of", headers=of("shop"))
    samples = metrics_of(gate)
    name = "postern_client_requests_total"
    assert labels_of(samples, name, "path") == {"/profile/{profile}", "/profile/{profile}/fields",
                                                "/unheard/*/of"}
    requests = total(samples, name, client="crm", path="/profile/{profile}")
    hits = total(samples, "postern_client_hits_total", client="crm", path="/profile/{profile}")
    assert requests >= 6 and 4 <= hits < requests
    assert total(samples, name, client="crm") == total(samples, "postern_requests_total", client="crm")
    assert total(samples, name, client="shop") == 2
    assert total(samples, "postern_client_hits_total", client="shop") == 0


def test_who_waited_for_anothers_call_saved_one(make_gate, raw_upstream):
    started, go = threading.Event(), threading.Event()

    def slow(call):
        started.set()
        call.hold(go)
        call.reply(b"[]")

    raw_upstream.on("/things/1", slow)
    gate = make_gate(raw_upstream)
    with gate.wire() as first, gate.wire() as second:
        first.send(request("GET", "/things/1"))
        until(started.is_set, "the call")
        second.send(request("GET", "/things/1"))
        until(lambda: gate.metric("postern_connections") >= 2 and second.is_quiet(0.2),
              "the second to wait")
        go.set()
        assert (first.answer().status, second.answer().status) == (200, 200)
    samples = metrics_of(gate)
    assert total(samples, "postern_client_requests_total", client="local", path="/things/*") == 2
    assert total(samples, "postern_client_calls_saved_total", client="local", path="/things/*") == 1
    assert total(samples, "postern_upstream_calls_saved_total") == 1


def test_refusals_are_counted_by_reason(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, clients=[key_of("some", allow=["GET /a/**"])])
    with gate.wire() as wire:
        assert wire.request("GET", "/a/b", "Authorization: Bearer some").status == 200
        assert wire.request("GET", "/b", "Authorization: Bearer some").status == 403
        assert wire.request("GET", "/a/%2e%2e/b", "Authorization: Bearer some").status == 400
        assert wire.request("GET", "/a/b", "Authorization: Bearer other").status == 401
        assert wire.request("GET", "/a/b").status == 401
    with gate.wire() as wire:
        wire.send("GET / HTTP/1.1\r\n bad\r\n\r\n")
        assert wire.answer().status == 400
    samples = metrics_of(gate)
    counted = {pairs: value for (name, pairs), value in samples.items() if name == "postern_refusals_total"}
    assert counted == {
        (("client", "some"), ("reason", "rule")): 1, (("client", "some"), ("reason", "malformed")): 1,
        (("client", ""), ("reason", "key")): 2, (("client", ""), ("reason", "malformed")): 1}
    refused = {client["name"]: client["refused"] for client in gate.status()["clients"]}
    assert refused == {"some": 2, "": 3}


def test_made_up_paths_come_to_an_end(make_gate, raw_upstream):
    clients = [f"client-{i}" for i in range(100)]
    gate = make_gate(raw_upstream, clients=[key_of(name, allow=[]) for name in clients])
    with gate.wire() as wire:
        for number, name in enumerate(clients):
            for path in range(50):
                wire.send(request("GET", f"/made-up-{number}-{path}/x", f"Authorization: Bearer {name}"))
            for _ in range(50):
                assert wire.answer().status == 403
            for path in range(50):  # everybody's, over and over
                wire.send(request("GET", f"/made-up-0-{path}/x", f"Authorization: Bearer {name}"))
            for _ in range(50):
                assert wire.answer().status == 403
    samples = metrics_of(gate)
    name = "postern_client_requests_total"
    series = [pairs for sample, pairs in samples if sample == name]
    assert len(labels_of(samples, name, "path")) <= 512
    assert len(series) <= 4096 + len(clients)
    assert total(samples, name) == 10000
    for client in clients:
        assert total(samples, name, client=client) == 100
    assert total(samples, name, path="other") > 0
    assert total(samples, "postern_refusals_total", reason="rule") == 10000
    assert raw_upstream.calls_of("/made-up-0-0/x") == []


def test_labels_are_escaped(make_gate, raw_upstream, tmp_path):
    odd = {"kinds": {"thing": {}}, "reads": [{"path": '/say/{so"cal\\led}'}]}
    (tmp_path / "odd.json").write_text(json.dumps(odd))
    gate = make_gate(raw_upstream, upstreams={"copernica": {
        "preset": str(tmp_path / "odd.json"), "inject": {"query": "access_token"}}})
    gate.get("/say/it")
    gate.get('/"it\\')
    assert labels_of(metrics_of(gate), "postern_client_requests_total", "path") == {
        '/say/{so\\"cal\\\\led}', "/%22it%5C"}


def test_status_tells_of_each_client_and_upstream(make_gate, sandbox):
    gate = make_gate(sandbox, clients=[key_of("crm"), key_of("idle")])
    gate.warm("/v2/profile/9001", headers=of("crm"))
    status = gate.status()
    assert status["configured_clients"] == 2
    [crm] = status["clients"]
    assert crm["name"] == "crm"
    assert crm["requests"] == status["requests"] and crm["hits"] == status["hits"] >= 1
    assert crm["saved"] == status["calls_saved"]
    assert set(crm) == {"name", "requests", "hits", "calls", "saved", "queued", "queue_us", "waiting", "refused"}
    [upstream] = status["upstreams"]
    assert upstream["name"] == "copernica" and upstream["account"].startswith("copernica/")


def test_budgets_are_told(make_gate, raw_upstream):
    raw_upstream.on("/busy", reply(b"{}", 429, ["Retry-After: 300"]))
    gate = make_gate(raw_upstream, upstreams={"copernica": {
        "budget": {"concurrency": 3, "per_second": 0.001, "burst": 50, "per_day": 1000}, "pause_max": "5m"}})
    gate.change(admin=gate.admin.removeprefix("http://"))  # where commands find it
    gate.get("/a/1")
    gate.get("/a/2")
    told = {name[len("postern_budget_"):]: value for (name, pairs), value in metrics_of(gate).items()
            if name.startswith("postern_budget_") and pairs == (("upstream", "copernica"),)}
    spent = len(raw_upstream.calls)
    assert told == {"concurrency": 3, "per_second": 0.001, "per_day": 1000, "under_way": 0, "queued": 0,
                    "second_left": 50 - spent, "day_spent": spent, "paused": 0, "breaker": 0,
                    "pauses_total": 0, "retries_total": 0}
    budget = gate.status()["upstreams"][0]["budget"]
    assert (budget["day_left"], budget["second_left"], budget["burst"]) == (1000 - spent, 50 - spent, 50)
    assert (budget["paused_s"], budget["breaker"]) == (0, "closed")
    line = r"^copernica: 0/3 under way, 0 queued, "
    left = rf"{49 - spent} of 50 left now, {999 - spent} of 1000 left today$"

    gate.get("/busy")
    until(lambda: total(metrics_of(gate), "postern_budget_paused") > 200, "the pause")
    assert total(metrics_of(gate), "postern_budget_pauses_total") == 1
    shown = postern("top", "--once", "--config", gate.config).stdout
    assert re.search(line + r"PAUSED for \d+\.\d s, " + left, shown, re.M), shown
    told = postern("status", "--config", gate.config).stdout
    assert re.search(r"^upstream copernica: .*, PAUSED for \d+\.\d s, " + left, told, re.M), told
    assert gate.get("/a/3").status_code == 429
    assert total(metrics_of(gate), "postern_refusals_total", reason="paused") == 1
    costs = {dict(pairs)["path"]: value for (name, pairs), value in metrics_of(gate).items()
             if name == "postern_client_upstream_calls_total"}
    assert costs == {"/a/*": 2, "/busy": 1}


def test_without_limits_there_is_no_number_for_them(make_gate, raw_upstream):
    gate = make_gate(raw_upstream, upstreams={"copernica": {"budget": {"concurrency": 0}}})
    names = {name for name, _ in metrics_of(gate)}
    for name in ("concurrency", "per_second", "per_day", "second_left", "told_left"):
        assert f"postern_budget_{name}" not in names
    assert "postern_budget_under_way" in names
    assert not {"concurrency", "per_second", "per_day", "told_left"} & set(gate.status()["upstreams"][0]["budget"])


def test_who_waits_is_told_by_client(make_gate, raw_upstream):
    go = threading.Event()

    def slow(call):
        call.hold(go)
        call.reply(b"[]")

    raw_upstream.on("/slow", slow)
    gate = make_gate(raw_upstream, clients=[key_of("crm"), key_of("shop")],
                     upstreams={"copernica": {"budget": {"concurrency": 1}}})
    gate.change(admin=gate.admin.removeprefix("http://"))
    with gate.wire() as first, gate.wire() as second, gate.wire() as third:
        first.send(request("GET", "/slow", "Authorization: Bearer crm"))
        raw_upstream.wait_for("/slow")
        second.send(request("GET", "/a", "Authorization: Bearer shop"))
        third.send(request("GET", "/b", "Authorization: Bearer shop"))

        def waiting():
            return {client["name"]: client["waiting"] for client in gate.status()["clients"]}

        until(lambda: waiting() == {"shop": 2}, "two that wait")
        assert gate.status()["upstreams"][0]["queued"] == 2
        shown = postern("top", "--once", "--config", gate.config).stdout
        assert re.search(r"^shop +0 +0 +0% +0 +2/- +0$", shown, re.M), shown
        until(lambda: second.is_quiet(0.05), "a wait that is one")
        go.set()
        for wire in (first, second, third):
            assert wire.answer().status == 200
    assert waiting() == {"crm": 0, "shop": 0}
    samples = metrics_of(gate)
    assert total(samples, "postern_client_queued_total", client="shop") == 2
    assert total(samples, "postern_client_queue_seconds_total", client="shop") > 0.05
    assert total(samples, "postern_client_queued_total", client="crm") == 0


def test_what_the_upstream_says_is_left_is_told(make_gate, raw_upstream):
    raw_upstream.on("/a", reply(b"{}", 200, ["RateLimit-Limit: 100", "RateLimit-Remaining: 42", "RateLimit-Reset: 500"]))
    gate = make_gate(raw_upstream)
    gate.get("/a")
    assert total(metrics_of(gate), "postern_budget_told_left", upstream="copernica") == 42
    assert gate.status()["upstreams"][0]["budget"]["told_left"] == 42
