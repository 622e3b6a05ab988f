"""Several upstreams behind one gate: which one a path leads to, with which token, and that nothing
of the one is ever seen at the other."""

import hashlib
import json

import pytest

from gate import RawUpstream, is_hit, postern, reply, until, write_secret

VERSIONED = {"version_prefixes": ["v3"]}


def key_of(name, **members):
    """A client's configuration; its key is its name."""
    return {"name": name, "key_sha256": hashlib.sha256(name.encode()).hexdigest(), **members}


def of(name):
    return {"Authorization": f"Bearer {name}"}


@pytest.fixture
def second():
    upstream = RawUpstream()
    try:
        yield upstream
    finally:
        upstream.stop()


@pytest.fixture
def gate(make_gate, raw_upstream, second, tmp_path):
    """gate(**overrides): before raw_upstream, and before `second` below /second."""
    write_secret(tmp_path / "second.token", second.token)
    (tmp_path / "versioned.json").write_text(json.dumps(VERSIONED))

    def make(second_members=None, **overrides):
        return make_gate(raw_upstream, upstreams={"second": {
            "url": second.url, "match": "/second/**", "preset": str(tmp_path / "versioned.json"),
            "token": {"file": str(tmp_path / "second.token")},
            "inject": {"header": "Authorization", "format": "Bearer %s"},
            **(second_members or {})}}, **overrides)

    return make


def asked(upstream):
    """The targets that an upstream got, its identity calls left out."""
    return [call.target for call in list(upstream.calls) if call.path != "/identity"]


# What a client writes, which upstream gets it, and what that one is asked; or the gate's refusal.
SPELLINGS = [
    ("/second/a", "second", "/a"),
    ("/second", "second", "/"),
    ("/second/", "second", "/"),
    ("/second?q=1", "second", "/?q=1"),
    ("/%73econd/a", "second", "/a"),
    ("/secon%64/a?q=1", "second", "/a?q=1"),
    ("/./second/a", "second", "/a"),
    ("/x/../second/a", "second", "/a"),
    ("/second/./a", "second", "/a"),
    ("/second/x/../a", "second", "/a"),
    ("/../second/a", "second", "/a"),
    ("http://gate.test/second/a", "second", "/a"),
    ("/second//a", "second", "//a"),
    ("/second/second/a", "second", "/second/a"),
    ("/second/../a", "first", "/a"),
    ("/second/../../a", "first", "/a"),
    ("/secondary", "first", "/secondary"),
    ("/second%2Fa", "first", "/second%2Fa"),
    ("/second;x/a", "first", "/second;x/a"),
    ("//second/a", "first", "//second/a"),
    ("/SECOND/a", "first", "/SECOND/a"),
    ("/a/second", "first", "/a/second"),
    ("/a?/second/b", "first", "/a?/second/b"),
    ("/second/%2e%2e/a", 400, None),
    ("/second/%2E./a", 400, None),
    ("/x%2f..%2fsecond/a", 400, None),
    ("/second/..;/a", 400, None),
    ("/x\\..\\second/a", 400, None),
    ("/second%00/a", 400, None),
]


@pytest.mark.parametrize("target,to,goes_up_as", SPELLINGS, ids=[row[0] for row in SPELLINGS])
def test_no_spelling_leads_to_another_upstream(gate, raw_upstream, second, target, to, goes_up_as):
    running = gate()
    with running.wire() as wire:
        answer = wire.request("GET", target)
        written = wire.request("PUT", target, body=b"x")
    got = {"first": asked(raw_upstream), "second": asked(second)}
    if to == 400:
        assert (answer.status, written.status) == (400, 400)
        assert got == {"first": [], "second": []}
        return
    assert (answer.status, written.status) == (200, 200)
    other = "second" if to == "first" else "first"
    assert got[other] == []
    with_token = goes_up_as if to == "second" else \
        goes_up_as + ("&" if "?" in goes_up_as else "?") + "access_token=" + raw_upstream.token
    assert [target.replace("%2F", "/").replace("/second/b=&", "/second/b&") for target in got[to]] == \
        [with_token.replace("%2F", "/")] * 2
    for upstream, foreign in ((raw_upstream, second), (second, raw_upstream)):
        for call in upstream.calls:
            assert foreign.token.encode() not in call.head
    for call in second.calls:
        assert call.field("Authorization") == f"Bearer {second.token}"




def test_what_no_upstream_serves_is_not_found(make_gate, raw_upstream):
    running = make_gate(raw_upstream, upstreams={"copernica": {"match": "/first/**"}})
    answer = running.get("/firstly/a?b=c")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "no upstream serves that path" in answer.json()["detail"]
    assert asked(raw_upstream) == []
    assert running.get("/first/a").status_code == 200
    record = until(lambda: [record for record in running.done() if record["status"] == 404],
                   "the record")[0]
    assert record["url"] == "/firstly/a"
    assert running.metric("postern_requests_total", status="4xx", cache="none") == 1


def test_a_write_on_one_leaves_what_is_stored_of_the_other(gate, raw_upstream, second):
    running = gate()
    running.warm("/a")
    running.warm("/second/a")
    assert running.put("/second/a", content=b"x").status_code == 200
    assert is_hit(running.get("/a"))
    assert not is_hit(running.get("/second/a"))
    running.warm("/second/a")
    assert running.put("/a", content=b"x").status_code == 200
    assert is_hit(running.get("/second/a"))
    assert not is_hit(running.get("/a"))


def test_two_upstreams_of_one_account_keep_to_each_others_writes(make_gate, sandbox, tmp_path):
    write_secret(tmp_path / "other.token", sandbox.token)
    running = make_gate(sandbox, upstreams={"other": {
        "url": sandbox.url.replace("127.0.0.1", "localhost"), "match": "/other/**",
        "preset": "copernica", "token": {"file": str(tmp_path / "other.token")}}})
    before = running.warm("/v2/profile/9001").json()
    assert running.warm("/other/v2/profile/9001").json() == before
    running.warm("/v2/profile/9002")
    written = running.put("/other/v2/profile/9001/fields", json={"city": "Delft"})
    assert written.headers["location"] == "/other/profile/9001"
    for prefix in ("", "/other"):
        assert running.get(f"{prefix}/v2/profile/9001").json()["fields"]["city"] == "Delft"
    assert is_hit(running.get("/v2/profile/9002"))


def test_references_come_back_to_the_upstream_that_gave_them(gate, second):
    fields = [f"Location: {second.url}/v3/things/7", "Content-Location: ../things/7",
              f'Link: <{second.url}/a?page=2>; rel="next", </..//../b>; rel="up", <https://else/c>']
    second.on("/v3/a/b", reply(b"[]", 200, fields))
    running = gate()
    for _ in range(2):  # fetched, and stored
        answer = running.get("/second/v3/a/b")
        assert answer.headers["location"] == "/second/v3/things/7"
        assert answer.headers["content-location"] == "/second/v3/things/7"
        assert answer.headers["link"] == \
            '</second/a?page=2>; rel="next", </second/b>; rel="up", <https://else/c>'
        running.warm("/second/v3/a/b")
    running.get(answer.headers["location"])
    assert "/v3/things/7" in asked(second)


def test_what_a_write_points_at_goes_by_the_upstreams_path(gate, second):
    second.on("/v3/made", reply(b"{}", 201, [f"Location: {second.url}/v3/things/7"]))
    running = gate(cache={"unmatched_writes": "path"})
    running.warm("/second/v3/things/7")
    running.warm("/second/v3/things/8")
    made = running.post("/second/v3/made", content=b"x")
    assert made.headers["location"] == "/second/v3/things/7"
    assert is_hit(running.get("/second/v3/things/8"))
    assert not is_hit(running.get("/second/v3/things/7"))


def test_rules_are_judged_on_the_path_at_the_gate(gate, raw_upstream, second):
    running = gate(clients=[
        key_of("second-only", allow=["GET /second/things/**"]),
        key_of("first-only", allow=["GET /things/**"]),
        key_of("all-but", deny=["* /second/secrets/**"])])
    asks = [
        ("second-only", "/second/things/7", 200),
        ("second-only", "/second/v3/things/7", 200),
        ("second-only", "/%73econd/x/../things/7", 200),
        ("second-only", "/things/7", 403),
        ("second-only", "/second/other", 403),
        ("first-only", "/things/7", 200),
        ("first-only", "/second/things/7", 403),
        ("first-only", "/second/v3/things/7", 403),
        ("all-but", "/secrets/7", 200),
        ("all-but", "/second/secrets/7", 403),
        ("all-but", "/second/v3/secrets/7", 403),
        ("all-but", "/second/v3%2Fsecrets/7", 403),
        ("all-but", "/x/../%73econd/secrets/7", 403),
    ]
    with running.wire() as wire:
        for name, path, status in asks:
            answer = wire.request("GET", path, f"Authorization: Bearer {name}")
            assert (name, path, answer.status) == (name, path, status)
    assert not any("secrets" in target for target in asked(second))


def test_cache_rules_see_the_upstreams_path(gate, second):
    running = gate(cache={"rules": [{"match": "/live/**", "store": False}]})
    running.warm("/second/a")
    for _ in range(3):
        assert not is_hit(running.get("/second/v3/live/a"))
    assert asked(second).count("/v3/live/a") == 3


def test_a_client_of_one_upstream_reaches_no_other(gate, raw_upstream, second):
    running = gate(clients=[key_of("bound", upstream="second"), key_of("free")])
    second.on("/a", reply(b"[]", 200, ["Content-Location: /a"]))
    bare = running.warm("/a", headers=of("bound"))
    assert bare.headers["content-location"] == "/a"
    # what it stored is found below the prefix, too, by others as by itself
    for name in ("bound", "free"):
        answer = running.get("/second/a", headers=of(name))
        assert is_hit(answer)
        assert answer.headers["content-location"] == "/second/a"
    assert asked(second) == ["/a"]
    assert running.get("/secondary", headers=of("bound")).status_code == 200
    assert asked(second) == ["/a", "/secondary"]
    assert asked(raw_upstream) == []
    assert not is_hit(running.get("/a", headers=of("free")))
    assert len(asked(raw_upstream)) == 1


def test_commands_take_the_gates_paths(gate, second):
    running = gate(clients=[key_of("free"), key_of("bound", upstream="second")])
    running.warm("/second/v3/a", headers=of("free"))
    running.warm("/v3/a", headers=of("free"))
    told = running.admin_http.get("/api/why", params={"url": "/second/v3/a"}).json()
    assert (told["state"], told["upstream"], told["url"]) == ("fresh", "second", "/second/v3/a")
    told = running.admin_http.get("/api/why", params={"url": "/v3/a", "client": "bound"}).json()
    assert (told["state"], told["upstream"]) == ("fresh", "second")
    told = running.admin_http.get("/api/why", params={"url": "/other/v3/a"}).json()
    assert (told["state"], told["upstream"]) == ("not stored", "copernica")

    explained = postern("explain", "GET", "/x/../second/v3/a?b=1&a=2", "--config", running.config).stdout
    lines = dict(line.split(None, 1) for line in explained.splitlines() if line[0] != " ")
    assert lines["upstream"] == f"second ({second.url})"
    assert lines["url"] == "/second/v3/a?a=2&b=1"
    assert lines["goes"] == "up as   /v3/a?a=2&b=1"
    assert lines["permission"] == "allowed"

    running.purge(path="/second/v3/a")
    assert is_hit(running.get("/v3/a", headers=of("free")))
    assert not is_hit(running.get("/second/v3/a", headers=of("free")))
    running.warm("/second/v3/a", headers=of("free"))
    running.purge(path="/second")  # all of it
    assert is_hit(running.get("/v3/a", headers=of("free")))
    assert not is_hit(running.get("/second/v3/a", headers=of("free")))
    running.warm("/second/v3/b", headers=of("free"))
    running.put("/second/v3/c", headers=of("free"), content=b"x")
    told = running.admin_http.get("/api/why", params={"url": "/second/v3/b"}).json()
    assert (told.get("went_by") or told["last_named_by"])["url"] == "/second/v3/c"


def test_a_purge_of_a_path_that_leads_nowhere_is_refused(make_gate, raw_upstream):
    running = make_gate(raw_upstream, upstreams={"copernica": {"match": "/first/**"}})
    answer = running.admin_http.post("/api/purge", json={"path": "/second/a"})
    assert answer.status_code == 400
    assert "no upstream serves that path" in answer.json()["detail"]
    told = running.admin_http.get("/api/why", params={"url": "/second/a"})
    assert told.status_code == 400
    assert "no upstream serves that path" in told.json()["detail"]
    explained = postern("explain", "GET", "/second/a", "--config", running.config)
    assert "404, no upstream serves that path" in explained.stdout


def test_the_audit_trail_has_the_gates_paths(gate):
    running = gate()
    running.get("/second/v3/a?q=1")
    running.put("/x/../second/v3/a", content=b"x")
    records = until(lambda: len(running.done()) == 2 and running.audit(), "two records")
    assert [(record["kind"], record["url"]) for record in records] == [
        ("done", "/second/v3/a?q=1"), ("intent", "/second/v3/a"), ("done", "/second/v3/a")]


def test_a_reload_changes_where_a_path_leads(gate, raw_upstream, second):
    running = gate()
    with running.wire() as wire:
        assert wire.request("GET", "/third/a").status == 200
        assert len(asked(raw_upstream)) == 1
        running.change(upstreams={"second": {"match": "/third/**"}})
        running.hup()
        until(lambda: wire.request("GET", "/third/a").status == 200 and asked(second),
              "the second upstream's call")
    assert asked(second)[0] == "/a"
