"""What is stored, for how long, for whom, and what comes of conditions, ranges and HEAD. RFC 9110, 9111, 9211."""

import email.utils
import itertools
import json
import threading
import time

import pytest

from gate import cache_status, is_hit, reply, request, until

PLAIN = {"copernica": {"preset": None, "inject": {"query": "access_token"}}}
NO_RULES = {"rules": []}


def counting(fields=(), status=200, make=None):
    """A script whose answers say how many came before: {"n": 1}, {"n": 2}, …"""
    numbers = itertools.count(1)

    def script(call):
        n = next(numbers)
        call.body
        call.reply(make(n) if make else json.dumps({"n": n}), status, [f.replace("{n}", str(n)) for f in fields])

    return script


def stored(gate, path, **options):
    """Reads until it hits: the store is committed a moment after the answer."""
    return until(lambda: (lambda answer: answer if is_hit(answer) else None)(gate.get(path, **options)),
                 f"a hit of {path}")


def settled(gate):
    """Waits until the writer has nothing left to do and no call is under way."""
    def idle():
        metrics = gate.metrics()
        return metrics["postern_writer_queue"] == 0 and metrics["postern_flights"] == 0
    until(idle, "the writer's rest")


def never_stored(gate, raw, path, times=3, **options):
    """Asks several times: each is a call of its own. Returns the last answer."""
    before = len(raw.calls_of(path))
    for _ in range(times):
        answer = gate.get(path, **options)
        assert not is_hit(answer), answer.headers
        assert "stored" not in cache_status(answer)[1], answer.headers
        settled(gate)
    assert len(raw.calls_of(path)) == before + times
    return answer


# --- hits, misses, keys ---


def test_a_miss_is_stored_and_then_hits_with_its_age_and_what_is_left_of_its_ttl(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting())
    gate = make_gate(raw_upstream)
    first = gate.get("/thing")
    assert first.json() == {"n": 1}
    assert cache_status(first) == ("uri-miss", {"fwd": "uri-miss", "stored": True})
    assert "age" not in first.headers
    hit = stored(gate, "/thing")
    assert hit.json() == {"n": 1} and hit.status_code == 200
    assert hit.headers["content-type"] == "application/json"
    assert 0 <= int(hit.headers["age"]) < 3600
    ttl = int(cache_status(hit)[1]["ttl"])
    assert 3600 - 300 < ttl <= 3600
    assert abs(ttl + int(hit.headers["age"]) - 3600) <= 1
    assert hit.headers["via"] == "1.1 postern" and hit.headers["x-request-id"]
    assert len(raw_upstream.calls_of("/thing")) == 1


def test_age_grows_and_freshness_ends(make_gate, raw_upstream):
    raw_upstream.on("/short", counting(["Cache-Control: max-age=2"]))
    gate = make_gate(raw_upstream)
    first = gate.get("/short").json()["n"]
    aged = until(lambda: (lambda a: a if int(a.headers.get("age", "0")) >= 1 else None)(gate.get("/short")))
    assert is_hit(aged)
    later = until(lambda: (lambda a: a if a.json()["n"] > first else None)(gate.get("/short")), "a new answer")
    assert cache_status(later)[0] == "stale"


def test_the_age_that_an_answer_comes_with_counts(make_gate, raw_upstream):
    raw_upstream.on("/old", counting(["Cache-Control: max-age=1000", "Age: 400"]))
    gate = make_gate(raw_upstream)
    gate.get("/old")
    hit = stored(gate, "/old")
    assert 400 <= int(hit.headers["age"]) < 500
    assert int(cache_status(hit)[1]["ttl"]) <= 600


def test_versions_and_urls_have_entries_of_their_own(make_gate, raw_upstream):
    for path in ("/v1/thing", "/v2/thing", "/thing", "/thing/else"):
        raw_upstream.on(path, reply(json.dumps({"at": path})))
    gate = make_gate(raw_upstream)
    for _ in range(2):
        for path in ("/v1/thing", "/v2/thing", "/thing", "/thing/else"):
            assert gate.get(path).json() == {"at": path}
            stored(gate, path)
    assert gate.get("/thing?a=1").headers["cache-status"].startswith("postern; fwd=uri-miss")
    for path in ("/v1/thing", "/v2/thing", "/thing/else"):
        assert len(raw_upstream.calls_of(path)) == 1


@pytest.mark.parametrize("spelling", [
    "/view/list?b=2&a=1",
    "/view/list?a=1&b=2&",
    "/view/list?%61=1&b=2",
    "/view/l%69st?a=%31&b=2",
    "/view/list?_=1712&a=1&b=2",
    "/view/list?a=1&b=2&access_token=whatever",
    "/view/list?a=1&access%5Ftoken=whatever&b=2",
])
def test_spellings_of_one_url_share_one_entry(make_gate, raw_upstream, spelling):
    raw_upstream.on("/view/list", counting())
    gate = make_gate(raw_upstream)
    gate.get("/view/list?a=1&b=2")
    stored(gate, "/view/list?a=1&b=2")
    with gate.wire() as wire:  # httpx would spell it its own way
        answer = wire.request("GET", spelling)
    assert is_hit(answer), (spelling, answer)
    assert len(raw_upstream.calls_of("/view/list")) == 1
    sent = raw_upstream.calls_of("/view/list")[0].target
    assert "whatever" not in sent and "_=1712" not in sent


def test_the_order_inside_a_list_of_parameters_means_something(make_gate, raw_upstream):
    raw_upstream.on("/*", reply()).on("/list", counting())
    gate = make_gate(raw_upstream)
    one = gate.get("/list?f[]=a&f[]=b").json()
    stored(gate, "/list?f[]=a&f[]=b")
    other = gate.get("/list?f[]=b&f[]=a").json()
    assert one != other


@pytest.mark.parametrize("spelling", [
    "/v2/database/31/profiles?start=0&limit=100",
    "/v2/database/31/profiles?total=true",
    "/v2/database/31/profiles?dataonly=false&order=asc",
])
def test_spelled_out_defaults_share_the_entry(gate, sandbox, spelling):
    gate.get("/v2/database/31/profiles")
    stored(gate, "/v2/database/31/profiles")
    assert is_hit(gate.get(spelling))
    assert sandbox.calls()["calls"]["GET /database/{database}/profiles"] == 1


def test_a_parameter_given_twice_keeps_both(gate):
    gate.get("/v2/database/31/profiles?total=true")
    stored(gate, "/v2/database/31/profiles?total=true")
    assert not is_hit(gate.get("/v2/database/31/profiles?total=true&total=false"))


# --- conditions ---


def test_the_gates_own_etag_answers_conditions_with_304(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting(make=lambda n: '{"same": true}'))
    gate = make_gate(raw_upstream)
    etag = gate.get("/thing").headers["etag"]
    assert etag.startswith('"') and not etag.startswith("W/")
    stored(gate, "/thing")
    for asked in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        answer = gate.get("/thing", headers={"If-None-Match": asked})
        assert answer.status_code == 304 and answer.content == b"", asked
        assert answer.headers["etag"] == etag and is_hit(answer)
        assert "content-length" not in answer.headers and "content-type" not in answer.headers
    assert gate.get("/thing", headers={"If-None-Match": '"other"'}).status_code == 200
    gate.purge()
    missed = gate.get("/thing", headers={"If-None-Match": etag})
    assert missed.status_code == 304, "judged on what a miss brought"
    assert cache_status(missed)[0] == "uri-miss"
    assert all(call.field("If-None-Match") is None for call in raw_upstream.calls)


def test_a_collapsed_request_gets_its_304_too(make_gate, raw_upstream):
    go = threading.Event()
    raw_upstream.on("/thing", reply('{"same": true}'))
    gate = make_gate(raw_upstream)
    etag = gate.get("/thing").headers["etag"]
    settled(gate)
    gate.purge()

    def slowly(call):
        call.hold(go)
        call.reply('{"same": true}')

    raw_upstream.on("/thing", slowly)
    with gate.wire() as leader, gate.wire() as waiter:
        leader.send(request("GET", "/thing"))
        raw_upstream.wait_for("/thing", 2)
        waiter.send(request("GET", "/thing", f"If-None-Match: {etag}"))
        assert waiter.is_quiet()
        go.set()
        assert leader.answer().status == 200
        answer = waiter.answer()
        assert answer.status == 304 and answer.field("ETag") == etag
        assert cache_status(answer)[1].get("collapsed")
    assert len(raw_upstream.calls_of("/thing")) == 2


def test_two_bodies_have_two_etags(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting())
    gate = make_gate(raw_upstream)
    first = gate.get("/thing").headers["etag"]
    second = gate.get("/thing", headers={"Cache-Control": "no-cache"}).headers["etag"]
    assert first != second


def test_if_modified_since_is_judged_on_the_whole(make_gate, raw_upstream):
    modified = email.utils.formatdate(time.time() - 5000, usegmt=True)
    raw_upstream.on("/thing", reply('{"a": 1}', fields=[f"Last-Modified: {modified}"]))
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    stored(gate, "/thing")
    now = email.utils.formatdate(usegmt=True)
    before = email.utils.formatdate(time.time() - 9000, usegmt=True)
    assert gate.get("/thing", headers={"If-Modified-Since": now}).status_code == 304
    assert gate.get("/thing", headers={"If-Modified-Since": before}).status_code == 200
    assert gate.get("/thing", headers={"If-Unmodified-Since": before}).status_code == 412
    assert len(raw_upstream.calls_of("/thing")) == 1


# --- ranges, HEAD ---


def test_ranges_are_cut_from_the_stored_whole(make_gate, raw_upstream):
    body = bytes(range(256)) * 40
    raw_upstream.on("/file", reply(body, fields=["Content-Type: application/octet-stream"]))
    gate = make_gate(raw_upstream)
    first = gate.get("/file", headers={"Range": "bytes=10-19"})
    assert first.status_code == 206 and first.content == body[10:20], "from a miss"
    etag = first.headers["etag"]
    stored(gate, "/file")
    for asked, begin, end in (("0-0", 0, 1), ("100-", 100, len(body)), ("-5", len(body) - 5, len(body)),
                              ("5-999999", 5, len(body))):
        answer = gate.get("/file", headers={"Range": f"bytes={asked}"})
        assert answer.status_code == 206, asked
        assert answer.content == body[begin:end]
        assert answer.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(body)}"
        assert is_hit(answer)
    beyond = gate.get("/file", headers={"Range": f"bytes={len(body)}-"})
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(body)}"
    assert gate.get("/file", headers={"Range": "bytes=0-0", "If-Range": etag}).status_code == 206
    other = gate.get("/file", headers={"Range": "bytes=0-0", "If-Range": '"other"'})
    assert other.status_code == 200 and other.content == body
    assert gate.get("/file", headers={"Range": "lines=1-2"}).status_code == 200
    assert len(raw_upstream.calls_of("/file")) == 1
    assert all(call.field("Range") is None and call.field("If-Range") is None for call in raw_upstream.calls)


def test_head_is_answered_from_a_stored_get_and_stores_nothing(make_gate, raw_upstream):
    def script(call):
        if call.method == "HEAD":
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nContent-Type: application/json\r\n\r\n")
        else:
            call.reply('{"a": 1}')

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream)
    missed = gate.head("/thing")
    assert missed.status_code == 200 and missed.headers["content-length"] == "8"
    settled(gate)
    assert not is_hit(gate.head("/thing"))
    gate.get("/thing")
    hit = until(lambda: (lambda a: a if is_hit(a) else None)(gate.head("/thing")))
    assert hit.headers["content-length"] == "8" and hit.content == b""
    with gate.wire() as wire:  # nothing follows the head
        wire.send(request("HEAD", "/thing") + request("GET", "/thing"))
        assert wire.answer("HEAD").field("Content-Length") == "8"
        assert wire.answer().body == b'{"a": 1}'


# --- the upstream's validators ---


def validating(call):
    """Says "unchanged" to whoever names the present version."""
    upstream = call.upstream
    etag = f'"v{upstream.version}"'
    if call.field("If-None-Match") == etag:
        call.send(f"HTTP/1.1 304 Not Modified\r\nETag: {etag}\r\nX-News: {len(upstream.calls)}\r\n"
                  "Cache-Control: max-age=1\r\nContent-Type: text/wrong\r\n\r\n")
    else:
        call.reply(json.dumps({"version": upstream.version}),
                   fields=[f"ETag: {etag}", "Cache-Control: max-age=1", "X-News: first", "X-Kept: yes"])


def stale_answer(gate, path, **options):
    """The answer that came when what was stored was stale."""
    return until(lambda: (lambda a: a if cache_status(a)[0] == "stale" else None)(gate.get(path, **options)),
                 "a stale entry")


def test_a_304_keeps_the_body_and_updates_the_fields(make_gate, raw_upstream):
    raw_upstream.version = 1
    raw_upstream.on("/thing", validating)
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    stored(gate, "/thing")
    answer = stale_answer(gate, "/thing")
    assert answer.status_code == 200 and answer.json() == {"version": 1}
    assert cache_status(answer)[1]["fwd-status"] == "304"
    assert answer.headers["x-news"] != "first" and answer.headers["x-kept"] == "yes"
    assert answer.headers["content-type"] == "application/json"
    assert raw_upstream.calls[-1].field("If-None-Match") == '"v1"'
    again = stored(gate, "/thing")
    assert again.json() == {"version": 1} and again.headers["x-kept"] == "yes"


def test_a_validated_answer_has_a_new_age(make_gate, raw_upstream):
    def script(call):
        if call.field("If-None-Match") == '"x"':
            call.send(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nCache-Control: max-age=1000\r\n\r\n')
        else:
            call.reply("{}", fields=['ETag: "x"', "Cache-Control: max-age=400", "Age: 400"])

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    settled(gate)
    assert int(stale_answer(gate, "/thing").headers["age"]) < 200
    assert int(stored(gate, "/thing").headers["age"]) < 200


def test_a_changed_representation_replaces_the_stored_one(make_gate, raw_upstream):
    raw_upstream.version = 1
    raw_upstream.on("/thing", validating)
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    stored(gate, "/thing")
    raw_upstream.version = 2
    answer = stale_answer(gate, "/thing")
    assert answer.json() == {"version": 2}
    assert stored(gate, "/thing").json() == {"version": 2}


def test_last_modified_alone_is_a_validator_too(make_gate, raw_upstream):
    modified = email.utils.formatdate(time.time() - 5000, usegmt=True)

    def script(call):
        if call.field("If-Modified-Since") == modified:
            call.send(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        else:
            call.reply('{"a": 1}', fields=[f"Last-Modified: {modified}", "Cache-Control: max-age=1"])

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    stored(gate, "/thing")
    answer = stale_answer(gate, "/thing")
    assert answer.status_code == 200 and answer.json() == {"a": 1}
    assert cache_status(answer)[1]["fwd-status"] == "304"


def test_the_clients_conditions_are_judged_after_the_validation(make_gate, raw_upstream):
    raw_upstream.version = 1
    raw_upstream.on("/thing", validating)
    gate = make_gate(raw_upstream)
    etag = gate.get("/thing").headers["etag"]
    assert etag == '"v1"'
    stored(gate, "/thing")
    answer = stale_answer(gate, "/thing", headers={"If-None-Match": etag})
    assert answer.status_code == 304 and answer.content == b""
    assert raw_upstream.calls[-1].field("If-None-Match") == '"v1"'


def test_the_gates_own_etag_never_goes_up(make_gate, raw_upstream):
    raw_upstream.on("/thing", reply("{}", fields=["Cache-Control: max-age=1"]))
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    stored(gate, "/thing")
    stale_answer(gate, "/thing")
    assert all(call.field("If-None-Match") is None for call in raw_upstream.calls)


def test_no_cache_in_an_answer_has_it_validated_each_time(make_gate, raw_upstream):
    def script(call):
        if call.field("If-None-Match") == '"x"':
            call.send(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n')
        else:
            call.reply("{}", fields=['ETag: "x"', "Cache-Control: no-cache, max-age=1000"])

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    settled(gate)
    for count in (2, 3):
        answer = gate.get("/thing")
        assert answer.status_code == 200 and cache_status(answer)[1]["fwd-status"] == "304"
        assert len(raw_upstream.calls_of("/thing")) == count


# --- what the request asks ---


@pytest.mark.parametrize("field", ["Cache-Control: no-cache", "Cache-Control: max-age=0", "Pragma: no-cache"])
def test_an_app_can_force_a_fresh_read(make_gate, raw_upstream, field):
    raw_upstream.on("/thing", counting())
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    stored(gate, "/thing")
    with gate.wire() as wire:
        forced = wire.request("GET", "/thing", field)
    assert forced.json() == {"n": 2} and cache_status(forced)[0] == "request"
    until(lambda: stored(gate, "/thing").json() == {"n": 2}, "everybody's having it")
    assert len(raw_upstream.calls_of("/thing")) == 2


def test_no_store_of_a_request_stores_nothing(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting())
    gate = make_gate(raw_upstream)
    never_stored(gate, raw_upstream, "/thing", headers={"Cache-Control": "no-store"})


def test_only_if_cached_makes_no_call(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting())
    gate = make_gate(raw_upstream)
    asked = {"Cache-Control": "only-if-cached"}
    answer = gate.get("/thing", headers=asked)
    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/problem+json"
    assert raw_upstream.calls_of("/thing") == []
    gate.get("/thing")
    stored(gate, "/thing")
    assert is_hit(gate.get("/thing", headers=asked))


def test_max_age_and_min_fresh_of_a_request_are_obeyed(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting(["Cache-Control: max-age=1000", "Age: 500"]))
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    stored(gate, "/thing")
    assert is_hit(gate.get("/thing", headers={"Cache-Control": "max-age=900"}))
    assert not is_hit(gate.get("/thing", headers={"Cache-Control": "max-age=400"}))
    settled(gate)
    assert not is_hit(gate.get("/thing", headers={"Cache-Control": "min-fresh=600"}))


# --- what the answer says ---


@pytest.mark.parametrize("fields", [
    ["Cache-Control: no-store"],
    ["Cache-Control: private"],
    ["Cache-Control: private, max-age=100"],
    ["Cache-Control: max-age=0, no-store"],
    ["CDN-Cache-Control: no-store", "Cache-Control: max-age=1000"],
    ["Vary: *"],
    ["Vary: Accept, *"],
])
def test_what_forbids_storing_is_obeyed(make_gate, raw_upstream, fields):
    raw_upstream.on("/thing", counting(fields))
    gate = make_gate(raw_upstream)
    assert never_stored(gate, raw_upstream, "/thing").json() == {"n": 3}


@pytest.mark.parametrize("fields, at_most", [
    (["Cache-Control: max-age=100"], 100),
    (["Cache-Control: max-age=100, s-maxage=50"], 50),
    (["Cache-Control: max-age=10", "CDN-Cache-Control: max-age=200"], 200),
    (["Expires: {later}"], 300),
    (["Cache-Control: public"], 3600),
    ([], 3600),
])
def test_freshness_is_the_answers_else_the_operators(make_gate, raw_upstream, fields, at_most):
    later = email.utils.formatdate(time.time() + 300, usegmt=True)
    raw_upstream.on("/thing", counting([field.replace("{later}", later) for field in fields]))
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    ttl = int(cache_status(stored(gate, "/thing"))[1]["ttl"])
    assert at_most * 0.8 - 10 <= ttl <= at_most


@pytest.mark.parametrize("field", ["Expires: 0", "Expires: Thu, 01 Dec 1994 16:00:00 GMT", "Cache-Control: max-age=0"])
def test_what_has_expired_on_arrival_is_fetched_again(make_gate, raw_upstream, field):
    raw_upstream.on("/thing", counting([field]))
    gate = make_gate(raw_upstream)
    for n in (1, 2, 3):
        assert gate.get("/thing").json() == {"n": n}
        settled(gate)


def test_override_stores_what_the_answer_forbids(make_gate, raw_upstream):
    raw_upstream.on("/forced", counting(["Cache-Control: no-store, private", "Set-Cookie: a=b"]))
    raw_upstream.on("/free", counting(["Cache-Control: no-store"]))
    gate = make_gate(raw_upstream, cache={"rules": [{"match": "/forced", "ttl": "5m", "override": True},
                                                    {"match": "/**", "ttl": "1h"}]})
    gate.get("/forced")
    hit = stored(gate, "/forced")
    assert hit.json() == {"n": 1} and int(cache_status(hit)[1]["ttl"]) <= 300
    assert "set-cookie" not in hit.headers
    never_stored(gate, raw_upstream, "/free")


def test_store_false_goes_past_the_cache(make_gate, raw_upstream):
    raw_upstream.on("/live/now", counting())
    gate = make_gate(raw_upstream, cache={"rules": [{"match": "/live/**", "store": False},
                                                    {"match": "/**", "ttl": "1h"}]})
    answer = never_stored(gate, raw_upstream, "/live/now")
    assert cache_status(answer)[0] == "bypass" and "etag" not in answer.headers
    gate.get("/live/now", headers={"If-None-Match": '"x"', "Range": "bytes=0-1"})
    assert raw_upstream.calls[-1].field("If-None-Match") == '"x"', "the upstream judges conditions then"
    assert raw_upstream.calls[-1].field("Range") is None, "in parts the token could not be found"


@pytest.mark.parametrize("path", ["/v2/database/31/profiles?orderby=random", "/token/x", "/datarequest/1",
                                  "/profile/9001/data/x"])
def test_what_the_preset_never_stores_is_not_stored(make_gate, raw_upstream, path):
    raw_upstream.on("*", counting())
    gate = make_gate(raw_upstream, cache=NO_RULES)
    numbers = [gate.get(path).json()["n"] for _ in range(3)]
    assert numbers == [1, 2, 3]


@pytest.mark.parametrize("status", [404, 410])
def test_negative_answers_live_for_negative_ttl(make_gate, raw_upstream, status):
    raw_upstream.on("/gone", counting(status=status))
    gate = make_gate(raw_upstream, upstreams=PLAIN, cache={"negative_ttl": "40s", **NO_RULES})
    assert gate.get("/gone").status_code == status
    hit = stored(gate, "/gone")
    assert hit.status_code == status and int(cache_status(hit)[1]["ttl"]) <= 40
    assert "etag" not in hit.headers


def test_negative_answers_are_not_kept_where_the_preset_says_so(make_gate, raw_upstream):
    raw_upstream.on("/gone", counting(status=404))
    never_stored(make_gate(raw_upstream), raw_upstream, "/gone")


@pytest.mark.parametrize("status", [201, 302, 400, 401, 403, 429, 500, 502, 503, 504])
def test_other_statuses_without_freshness_are_not_stored(make_gate, raw_upstream, status):
    raw_upstream.on("/thing", counting(status=status))
    gate = make_gate(raw_upstream)
    assert never_stored(gate, raw_upstream, "/thing").status_code == status


@pytest.mark.parametrize("body", ['{"error": {"message": "No entity with supplied ID"}}', '{ "error" : "x", "a": 1}'])
def test_errors_with_status_200_are_not_stored(make_gate, raw_upstream, body):
    raw_upstream.on("/thing", counting(make=lambda n: body))
    gate = make_gate(raw_upstream)
    assert never_stored(gate, raw_upstream, "/thing").text == body


def test_the_word_error_deeper_inside_is_no_error(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting(make=lambda n: '{"data": [{"error": "none"}], "note": "\\"error\\":"}'))
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    stored(gate, "/thing")


def test_the_load_balancers_page_is_not_stored(gate, sandbox):
    sandbox.knobs(per_second=1, limit_with="page")

    def page():
        answer = gate.get("/v2/profile/9001", headers={"Cache-Control": "no-cache"})
        return answer if answer.status_code == 503 else None

    assert "Loadbalancer" in until(page, "the overload page").text
    sandbox.knobs(per_second=0)
    assert gate.get("/v2/profile/9001").json()["ID"] == "9001"


# --- Vary ---


def languages(call):
    call.reply(json.dumps({"language": call.field("Accept-Language", "none"), "call": len(call.upstream.calls)}),
               fields=["Vary: Accept-Language"])


def test_variants_by_language_live_beside_each_other(make_gate, raw_upstream):
    raw_upstream.on("/thing", languages)
    gate = make_gate(raw_upstream)
    for _ in range(2):
        for language in ("nl", "de", "fr"):
            asked = {"Accept-Language": language}
            assert gate.get("/thing", headers=asked).json()["language"] == language
            hit = stored(gate, "/thing", headers=asked)
            assert hit.json()["language"] == language and hit.headers["vary"] == "Accept-Language"
    assert len(raw_upstream.calls_of("/thing")) == 3


def test_without_vary_accept_and_language_still_select(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting())
    gate = make_gate(raw_upstream)
    one = gate.get("/thing", headers={"Accept": "application/json"}).json()
    other = gate.get("/thing", headers={"Accept": "text/xml"}).json()
    assert one != other


def test_vary_on_a_field_that_does_not_go_up_selects_nothing(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting(["Vary: User-Agent, Accept-Encoding, Cookie"]))
    gate = make_gate(raw_upstream)
    gate.get("/thing", headers={"User-Agent": "one", "Cookie": "a=1"})
    assert stored(gate, "/thing", headers={"User-Agent": "two", "Cookie": "b=2"}).json() == {"n": 1}
    assert all(call.field("Cookie") is None for call in raw_upstream.calls)


def test_vary_on_a_forwarded_field_selects(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting(["Vary: X-Tenant"]))
    gate = make_gate(raw_upstream, upstreams={"copernica": {"forward": ["X-Tenant"]}})
    assert gate.get("/thing", headers={"X-Tenant": "a"}).json() == {"n": 1}
    assert stored(gate, "/thing", headers={"X-Tenant": "a"}).json() == {"n": 1}
    assert gate.get("/thing", headers={"X-Tenant": "b"}).json() == {"n": 2}
    assert gate.get("/thing").json() == {"n": 3}
    assert stored(gate, "/thing", headers={"X-Tenant": "b"}).json() == {"n": 2}


def test_an_answer_that_varies_follows_one_that_did_not(make_gate, raw_upstream):
    answers = iter([reply('{"n": 1}', fields=["Cache-Control: max-age=1"])])

    def script(call):
        call.send(next(answers, reply('{"n": 2}', fields=["Vary: Accept-Language", "Cache-Control: max-age=1000"])))

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream)
    gate.get("/thing")
    until(lambda: gate.get("/thing").json()["n"] == 2, "the first to be stale")
    assert stored(gate, "/thing").json() == {"n": 2}


# --- sizes ---


def test_an_answer_larger_than_max_object_is_streamed_and_not_stored(make_gate, raw_upstream):
    body = b"x" * 300000
    raw_upstream.on("/sized", reply(body))
    raw_upstream.on("/chunked", lambda call: call.send(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
        b"".join(b"%x\r\n%s\r\n" % (30000, body[:30000]) for _ in range(10)) + b"0\r\n\r\n"))
    gate = make_gate(raw_upstream, cache={"max_object": "128KiB"})
    for path in ("/sized", "/chunked"):
        for _ in range(2):
            answer = gate.get(path)
            assert answer.content == body and not is_hit(answer)
            settled(gate)
        assert len(raw_upstream.calls_of(path)) == 2
    assert gate.status()["cache"]["entries"] == 0


def test_an_answer_just_under_max_object_is_stored(make_gate, raw_upstream):
    body = b"y" * (100 * 1024)
    raw_upstream.on("/thing", reply(body))
    gate = make_gate(raw_upstream, cache={"max_object": "128KiB"})
    first = gate.get("/thing")
    assert first.content == body
    assert stored(gate, "/thing").content == body


def test_bytes_held_never_exceed_max_size(make_gate, raw_upstream):
    raw_upstream.on("*", reply(b"z" * 10000))
    gate = make_gate(raw_upstream, cache={"max_size": "1MiB", "max_object": "64KiB"})
    for n in range(300):
        assert len(gate.get(f"/thing/{n}").content) == 10000
        if n % 20 == 0:
            metrics = gate.metrics()
            assert metrics["postern_cache_bytes"] <= metrics["postern_cache_max_bytes"] == 1 << 20
    settled(gate)
    metrics = gate.metrics()
    assert 0.5 * (1 << 20) < metrics["postern_cache_bytes"] <= 1 << 20
    assert metrics["postern_cache_evictions_total"] >= 180
    assert metrics["postern_cache_entries"] < 110
    assert is_hit(stored(gate, "/thing/299"))


# --- what is not kept of an answer ---


def test_cookies_are_dropped(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting(["Set-Cookie: session=abc; Path=/", "X-Other: kept"]))
    gate = make_gate(raw_upstream)
    first = gate.get("/thing")
    assert "set-cookie" not in first.headers and first.headers["x-other"] == "kept"
    hit = stored(gate, "/thing")
    assert "set-cookie" not in hit.headers and hit.headers["x-other"] == "kept"


def test_the_upstreams_rate_limit_fields_are_the_gates_to_know(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting(["RateLimit: limit=10", "RateLimit-Policy: 10;w=1", "X-RateLimit-Remaining: 3",
                                        "Retry-After: 5", "X-Other: kept"]))
    gate = make_gate(raw_upstream)
    miss = gate.get("/thing")
    assert miss.headers["cache-status"] == "postern; fwd=uri-miss; stored"
    hit = stored(gate, "/thing")
    for answer in (miss, hit):
        for name in ("ratelimit", "ratelimit-policy", "x-ratelimit-remaining", "retry-after"):
            assert name not in answer.headers
    assert hit.headers["x-other"] == "kept"


def cut(call):
    call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n" + b"[" * 150000)
    call.close()


def cut_chunked(call):
    call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n" + b"[" * 150000)
    call.close()


def cut_small(call):
    call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[1, 2")
    call.close()


@pytest.mark.parametrize("script", [cut, cut_chunked, cut_small])
def test_a_truncated_answer_is_never_stored_nor_passed_off_as_whole(make_gate, raw_upstream, script):
    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream)
    for _ in range(2):
        with gate.wire() as wire:
            wire.send(request("GET", "/thing"))
            got = wire.rest() if script is not cut_small else None
            if got is None:
                assert wire.answer().status == 502
                continue
            head, _, body = got.partition(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 200"):
                length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
                assert length == [b"Content-Length: 200000"] and len(body) < 200000 or \
                    not body.endswith(b"0\r\n\r\n")
            else:
                assert head.startswith(b"HTTP/1.1 502")
        settled(gate)
    raw_upstream.on("/thing", reply('{"whole": true}'))
    assert gate.get("/thing").json() == {"whole": True}


def test_an_unknown_content_encoding_is_passed_untouched(make_gate, raw_upstream):
    body = bytes(range(256)) * 3
    raw_upstream.on("/thing", reply(body, fields=["Content-Encoding: x-own", "Content-Type: application/json"]))
    gate = make_gate(raw_upstream)
    for _ in range(2):
        with gate.wire() as wire:
            answer = wire.request("GET", "/thing")
        assert answer.body == body and answer.field("Content-Encoding") == "x-own"
        settled(gate)
    assert len(raw_upstream.calls_of("/thing")) == 1


# --- over restarts ---


def test_a_clean_restart_is_warm(gate, sandbox):
    first = gate.get("/v2/profile/9001")
    stored(gate, "/v2/profile/9001")
    calls = sandbox.calls()["total"]
    gate.restart()
    hit = gate.get("/v2/profile/9001")
    assert is_hit(hit) and hit.content == first.content and hit.headers["etag"] == first.headers["etag"]
    assert sandbox.calls()["total"] == calls, "not even the identity is asked again"


def test_what_was_committed_survives_kill_9(gate, sandbox):
    first = gate.get("/v2/profile/9001")
    stored(gate, "/v2/profile/9001")
    gate.kill()
    gate.start()
    hit = gate.get("/v2/profile/9001")
    assert is_hit(hit) and hit.content == first.content
    assert sandbox.calls()["calls"]["GET /profile/{profile}"] == 1


def test_another_token_is_another_name_space_unless_it_is_the_same_account(make_gate, raw_upstream):
    raw_upstream.on("/thing", counting())
    gate = make_gate(raw_upstream, upstreams=PLAIN)
    gate.get("/thing")
    stored(gate, "/thing")
    gate.stop()
    gate.token_file.write_text("another-token-of-another-account")
    gate.start()
    assert gate.get("/thing").json() == {"n": 2}
