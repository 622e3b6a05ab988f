"""10,000 requests over 200 connections, reads and writes mixed, each answered rightly (show 6)."""

import asyncio
import json
import random

from gate import WAIT, until
from variant import amount

CONNECTIONS = 200
REQUESTS = amount("POSTERN_LOAD_REQUESTS", 10000, 10000)
PROFILES = [9001 + n for n in range(40)]


class Truth:
    """What is known of each profile's city: a writer of its own counts it up."""

    def __init__(self):
        self.sent = dict.fromkeys(PROFILES, 0)
        self.answered = dict.fromkeys(PROFILES, 0)
        self.counts = {}

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1


async def answer_of(reader, method):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ")[1])
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = b""
    if method != "HEAD" and status not in (204, 304):
        assert "content-length" in fields, head
        body = await reader.readexactly(int(fields["content-length"]))
    return status, fields, body


def request(method, path, fields=(), body=b""):
    lines = [f"{method} {path} HTTP/1.1", "Host: a", "Accept: */*", *fields]
    if method == "PUT":
        lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
    return "\r\n".join(lines + ["", ""]).encode() + body


def city_number(body):
    city = json.loads(body)["fields"]["city"]
    return int(city[1:]) if city[:1] == "#" else 0


async def write_one(reader, writer, truth, profile):
    truth.sent[profile] += 1
    value = truth.sent[profile]
    writer.write(request("PUT", f"/v2/profile/{profile}/fields", body=json.dumps({"city": f"#{value}"}).encode()))
    status, fields, _ = await answer_of(reader, "PUT")
    assert status == 303 and fields["location"] == f"/profile/{profile}", (status, fields)
    truth.answered[profile] = value
    truth.count("write")


async def read_one(reader, writer, truth, profile, etags):
    floor = truth.answered[profile]
    writer.write(request("GET", f"/v2/profile/{profile}"))
    status, fields, body = await answer_of(reader, "GET")
    assert status == 200 and json.loads(body)["ID"] == str(profile)
    assert floor <= city_number(body) <= truth.sent[profile], f"stale: {city_number(body)} after {floor}"
    if "etag" in fields:
        etags[profile] = (fields["etag"], body)
    truth.count("hit" if "; hit" in fields["cache-status"] else "read")


async def read_if_changed(reader, writer, truth, profile, etags):
    etag, old = etags[profile]
    floor = truth.answered[profile]
    writer.write(request("GET", f"/v2/profile/{profile}", [f"If-None-Match: {etag}"]))
    status, fields, body = await answer_of(reader, "GET")
    assert status in (200, 304)
    assert floor <= city_number(body if status == 200 else old) <= truth.sent[profile], "a stale 304"
    truth.count(str(status))


async def read_others(reader, writer, truth, chance):
    """Several in one pipeline: a HEAD, a listing, one that is not there."""
    writer.write(request("HEAD", "/v2/profile/9100") + request("GET", "/v2/database/31/profiles?limit=3") +
                 request("GET", f"/v2/profile/{chance.randrange(10)}"))
    status, fields, _ = await answer_of(reader, "HEAD")
    assert status == 200 and int(fields["content-length"]) > 100
    status, _, body = await answer_of(reader, "GET")
    assert status == 200 and len(json.loads(body)["data"]) == 3
    status, _, body = await answer_of(reader, "GET")
    assert status == 400 and json.loads(body) == {"error": {"message": "No entity with supplied ID"}}
    truth.count("pipeline")


async def converse(number, host, port, truth, requests):
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
    chance, etags, made = random.Random(number), {}, 0
    while made < requests:
        profile = chance.choice(PROFILES)
        turn = chance.random()
        made += 1
        if number < len(PROFILES) and turn < 0.15:
            await write_one(reader, writer, truth, PROFILES[number])
        elif turn < 0.75 or profile not in etags:
            await read_one(reader, writer, truth, profile, etags)
        elif turn < 0.9:
            await read_if_changed(reader, writer, truth, profile, etags)
        else:
            await read_others(reader, writer, truth, chance)
            made += 2
    writer.close()
    return made


async def converse_all(host, port, truth):
    jobs = [converse(n, host, port, truth, REQUESTS // CONNECTIONS) for n in range(CONNECTIONS)]
    return await asyncio.wait_for(asyncio.gather(*jobs), 6 * WAIT)


def test_ten_thousand_requests_over_two_hundred_connections_are_answered_rightly(gate, sandbox):
    truth = Truth()
    host, port = gate.addresses[0].rsplit(":", 1)
    made = sum(asyncio.run(converse_all(host, int(port), truth)))
    assert made >= REQUESTS
    assert truth.counts["write"] > REQUESTS // 100 and truth.counts["hit"] > REQUESTS // 100, truth.counts
    assert truth.counts["pipeline"] > 0 and truth.counts.get("304", 0) > 0, truth.counts
    until(lambda: gate.metric("postern_connections") == 0, "the connections' ends")
    assert gate.metric("postern_requests_total") == made
    assert gate.metric("postern_intents") == 0 and gate.metric("postern_flights") == 0
    calls = sandbox.calls()
    assert calls["writes"] == truth.counts["write"], "no write was lost or sent twice"
    for profile in PROFILES:
        direct = sandbox.api("GET", f"/v2/profile/{profile}").json()
        assert gate.get(f"/v2/profile/{profile}").json() == direct
        assert city_number(json.dumps(direct)) == truth.answered[profile]
    until(lambda: len(gate.done()) == made + len(PROFILES), "a record for each")
