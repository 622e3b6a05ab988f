#!/usr/bin/python3
"""How well the gate keeps an upstream's budget, beside nginx and HAProxy: 24 greedy clients and a polite one.

The upstream allows 20 calls a second, 5 at once. 23 greedy clients read and one writes, each on four
connections, always asking again as soon as it is answered (or refused, then a little later); the polite one
reads once every two seconds. The upstream writes down when each call came. Printed, and with --strict bound:

  most in a second   calls in any window of one second: rate + burst
  rate used          of what the rate allows over the measured time: at least 98 %
  polite waits       at most so many turns for the polite client's call: those that came to the upstream from its
                     asking on, itself included, one in each 1/20 s: 2. And how long that was
  writes' share      of the calls: at least write_share, 0.1, though one of 25 clients writes

Then, for the gate alone, a storm: for half a minute half of the upstream's answers are 429 and 503, while
clients ask on and another one reads what is in the cache. Bound: calls that came while the upstream was to be
left alone, 0; probes after the storm, 2. Shown: how long hits took, against before.
"""

import argparse
import asyncio
import bisect
import collections
import hashlib
import grp
import json
import os
import pathlib
import pwd
import re
import secrets
import socket
import statistics
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import processes  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
RATE, BURST, WRITE_SHARE = 20, 5, 0.1
GREEDY, WRITER, CONNECTIONS = 24, 0, 4
POLITE = GREEDY
POLITE_PAUSE_S, AGAIN_S = 2, 0.1
WARM_UP_S = 3
UNDER_WAY_US = 50000  # a call that comes so soon after an answer was sent before it
WAY_US = 5000  # … and one that comes so soon after another was asked for had its turn before it
STORM_S, CALM_S, HIT_PAUSE_S = 30, 10, 0.005

Call = collections.namedtuple("Call", "time_us method path status")
Polite = collections.namedtuple("Polite", "time_us path")
Kept = collections.namedtuple("Kept", "most used turns wait_ms writes calls")


def now_us():
    return time.monotonic_ns() // 1000


class Upstream(processes.Process):
    """counting.py."""

    def __init__(self, directory):
        super().__init__(directory, "upstream", [sys.executable, str(HERE / "counting.py"), "1"])
        self.address = "127.0.0.1:" + self.wait_for(r"listening (\d+)\n")[1]

    def calls(self):
        lines = self.text().splitlines()[1:]
        return [Call(int(line[0]), *line[1:]) for line in map(str.split, lines) if len(line) == 4]

    def storm(self, seconds):
        urllib.request.urlopen(f"http://{self.address}/_storm/{seconds}", timeout=60).close()


class Connection:
    """Keep-alive, one request after the other; opened anew where the server closed it."""

    def __init__(self, address, key):
        self.host, self.port = address.split(":")
        self.key = key
        self.reader = self.writer = None

    async def ask(self, method, path):
        """The status."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, int(self.port))
        body = b"{}" if method == "PUT" else b""
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: bench\r\nX-Api-Key: {self.key}\r\n"
                          f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if "transfer-encoding: chunked" in head:
            while await self.reader.readuntil(b"\r\n") != b"0\r\n":
                await self.reader.readuntil(b"\r\n")  # {} and problems hold no line end
            await self.reader.readuntil(b"\r\n")
        else:
            await self.reader.readexactly(int(re.search(r"content-length: (\d+)", head)[1]))
        if "connection: close" in head:
            self.close()
        return int(head.split(" ", 2)[1])

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


class Clients:
    """All of them, asking one server until stopped. Paths never repeat: nothing is a hit."""

    def __init__(self, address, keys):
        self.address, self.keys = address, keys
        self.number = 0
        self.polite = []
        self.tasks = []

    def path(self):
        self.number += 1
        return f"/{'things' if self.number % 2 else 'items'}/{self.number}"

    async def greedy(self, client):
        connection = Connection(self.address, self.keys[client])
        method = "PUT" if client == WRITER else "GET"
        while True:
            if await connection.ask(method, self.path()) != 200:
                await asyncio.sleep(AGAIN_S)

    async def ask_politely(self):
        connection = Connection(self.address, self.keys[POLITE])
        while True:
            await asyncio.sleep(POLITE_PAUSE_S)
            asked = Polite(now_us(), self.path())
            self.polite.append(asked)
            while await connection.ask("GET", asked.path) != 200:
                await asyncio.sleep(AGAIN_S)

    def start(self, with_polite):
        self.tasks = [asyncio.create_task(self.greedy(client)) for client in range(GREEDY)
                      for _ in range(CONNECTIONS)]
        if with_polite:
            self.tasks.append(asyncio.create_task(self.ask_politely()))

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        for result in await asyncio.gather(*self.tasks, return_exceptions=True):
            if not isinstance(result, asyncio.CancelledError):
                raise result


def most_in_a_second(calls):
    most, window = 0, collections.deque()
    for call in calls:
        window.append(call.time_us)
        while window[0] <= call.time_us - 1000000:
            window.popleft()
        most = max(most, len(window))
    return most


def polite_waits(calls, polite, end_us):
    """(calls that came meanwhile, microseconds) of each call of the polite client, until it came to the upstream;
    until the end where it never did."""
    times = [call.time_us for call in calls]
    came = {call.path: call.time_us for call in reversed(calls)}  # the first time
    waits = []
    for asked in polite:
        until_us = came.get(asked.path, end_us)
        before = bisect.bisect_left(times, min(asked.time_us + WAY_US, until_us))
        waits.append((bisect.bisect_right(times, until_us) - before, until_us - asked.time_us))
    return waits


def judged(calls, polite, begin_us, end_us):
    measured = [call for call in calls if begin_us <= call.time_us < end_us]
    waits = polite_waits(calls, polite, end_us)
    return Kept(most=most_in_a_second(calls),
                used=len(measured) / (RATE * (end_us - begin_us) / 1e6),
                turns=max(turns for turns, _ in waits), wait_ms=max(wait_us for _, wait_us in waits) / 1000,
                writes=sum(call.method == "PUT" for call in measured) / max(1, len(measured)),
                calls=len(measured))


async def keep(address, keys, upstream, seconds):
    clients = Clients(address, keys)
    clients.start(with_polite=True)
    await asyncio.sleep(WARM_UP_S)
    begin_us = now_us()
    await asyncio.sleep(seconds)
    end_us = now_us()
    asked = [one for one in clients.polite if one.time_us >= begin_us and one.time_us < end_us - 1000000]
    await clients.stop()
    return judged(upstream.calls(), asked, begin_us, end_us)


# --- the storm ---

class Hits:
    """Reads one thing that is in the cache, at a calm pace."""

    def __init__(self, address, key):
        self.connection = Connection(address, key)
        self.times_us = []

    async def read(self):
        while True:
            began_us = now_us()
            status = await self.connection.ask("GET", "/hot/1")
            if status != 200:
                raise processes.Failed(f"a hit was answered {status}")
            self.times_us.append(now_us() - began_us)
            await asyncio.sleep(HIT_PAUSE_S)

    def take_p50_us(self):
        p50_us, self.times_us = statistics.median(self.times_us), []
        return p50_us


def template(call):
    return call.path.split("/")[1]


def calls_while_paused(calls):
    """Of the calls that came after a 429 within its Retry-After, or after a 503 of the same path template within
    the second that is the shortest pause, but not so soon that they were under way already."""
    times = [call.time_us for call in calls]
    wrong = set()
    for call in calls:
        if call.status == "200":
            continue
        first = bisect.bisect_right(times, call.time_us + UNDER_WAY_US)
        last = bisect.bisect_left(times, call.time_us + 1000000)
        wrong |= {other for other in calls[first:last]
                  if call.status == "429" or template(other) == template(call)}
    return len(wrong)


Storm = collections.namedtuple("Storm", "calls overloaded paused probes before_us during_us")


async def weather(gate, keys, upstream):
    clients, hits = Clients(gate.address, keys), Hits(gate.address, keys[POLITE])
    clients.start(with_polite=False)
    clients.tasks.append(asyncio.create_task(hits.read()))
    await asyncio.sleep(CALM_S)
    before_us = hits.take_p50_us()
    upstream.storm(STORM_S)
    begin_us = now_us()
    await asyncio.sleep(STORM_S)
    during_us = hits.take_p50_us()
    probes = gate.probes()
    await asyncio.sleep(CALM_S)
    while gate.is_paused():
        await asyncio.sleep(1)
    probes = gate.probes() - probes
    await clients.stop()
    calls = [call for call in upstream.calls() if call.time_us >= begin_us]
    return Storm(calls=sum(call.time_us < begin_us + STORM_S * 1000000 for call in calls),
                 overloaded=sum(call.status != "200" for call in calls),
                 paused=calls_while_paused(calls), probes=probes, before_us=before_us, during_us=during_us)


# --- servers ---

class Gate(processes.Gate):
    def __init__(self, directory, upstream, keys):
        token = directory / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(16))
        clients = [{"name": f"client{i}", "key_sha256": hashlib.sha256(key.encode()).hexdigest()}
                   for i, key in enumerate(keys)]
        budget = {"concurrency": 0, "per_second": RATE, "burst": BURST, "write_share": WRITE_SHARE}
        super().__init__(directory, upstream.address, token, clients=clients, upstreams={"api": {
            "url": f"http://{upstream.address}", "token": {"file": str(token)}, "budget": budget,
            "inject": {"header": "Authorization", "format": "Bearer %s"}, "timeouts": {"queue": "60s"}}},
            cache={"ttl": "0s", "unmatched_writes": "path", "rules": [{"match": "/hot/**", "ttl": "1h"}]})
        self.admin = self.wait_for(r"admin address http://(\S+)|admin address (\S+)")

    def status(self):
        address = self.admin[1] or self.admin[2]
        with urllib.request.urlopen(f"http://{address}/api/status", timeout=60) as answer:
            return json.load(answer)["upstreams"][0]["budget"]

    def probes(self):
        return self.status()["probes"]

    def is_paused(self):
        status = self.status()
        return status["paused_s"] > 0 or status["template_paused"]


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Peer(processes.Process):
    """nginx or HAProxy, by a file of bench/peers with its @names@ replaced."""

    def __init__(self, directory, name, upstream):
        port = free_port()
        values = {"port": port, "origin": upstream.address, "rate": RATE, "burst": BURST, "directory": directory,
                  "user": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
        ending, command = {"nginx": ("conf", ["nginx", "-e", "stderr", "-c"]),
                           "haproxy": ("cfg", ["haproxy", "-W", "-q", "-f"])}[name]
        text = (HERE / "peers" / f"{name}-budget.{ending}").read_text()
        file = directory / f"{name}.{ending}"
        file.write_text(re.sub(r"@(\w+)@", lambda found: str(values[found[1]]), text))
        super().__init__(directory, name, [*command, str(file)])
        self.address = f"127.0.0.1:{port}"
        self.wait_until_listening(port)

    def wait_until_listening(self, port):
        end = time.monotonic() + processes.START_LIMIT_S
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.01)
        raise processes.Failed(f"{self.name} does not listen:\n{self.text()}")


def measured(name, options):
    """What one server makes of the greedy and the polite, and, of the gate, of the storm."""
    keys = [secrets.token_hex(16) for _ in range(GREEDY + 1)]
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
        directory = pathlib.Path(folder)
        upstream = Upstream(directory)
        server = None
        try:
            server = Gate(directory, upstream, keys) if name == "postern" else Peer(directory, name, upstream)
            kept = asyncio.run(keep(server.address, keys, upstream, options.seconds))
            storm = asyncio.run(weather(server, keys, upstream)) if name == "postern" else None
        finally:
            if server is not None:
                server.stop()
            upstream.stop()
    return kept, storm


def faults(kept, storm):
    """What of the gate's numbers is beyond its bounds."""
    bounds = [(kept.most <= RATE + BURST, f"{kept.most} calls in a second, {RATE + BURST} at most"),
              (kept.used >= 0.98, f"{kept.used:.1%} of the rate used, 98 % at least"),
              (kept.turns <= 2, f"the polite client waited for {kept.turns} turns, 2 at most"),
              (kept.writes * kept.calls + 1 >= WRITE_SHARE * kept.calls,  # one at the edge of the measured time
               f"writes got {kept.writes:.1%}, {WRITE_SHARE:.0%} at least"),
              (storm.paused == 0, f"{storm.paused} calls were sent while the upstream was to be left alone"),
              (storm.probes <= 2, f"{storm.probes} probes after the storm, 2 at most")]
    return [what for holds, what in bounds if not holds]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=60, help="of each measurement")
    parser.add_argument("--strict", action="store_true", help="fail where the gate is beyond its bounds")
    parser.add_argument("--servers", default="postern,nginx,haproxy")
    options = parser.parse_args()

    print(f"{GREEDY} greedy clients and a polite one, {RATE} calls a second, {BURST} at once, {options.seconds} s each")
    print(f"{'':12}{'calls':>7}{'most in 1 s':>13}{'rate used':>11}{'polite waits':>24}{'writes':>9}")
    beyond = []
    for name in options.servers.split(","):
        kept, storm = measured(name, options)
        print(f"{name:12}{kept.calls:>7}{kept.most:>13}{kept.used:>11.1%}"
              f"{kept.turns:>10} turns{kept.wait_ms:>6.0f} ms{kept.writes:>9.1%}", flush=True)
        if storm is not None:
            print(f"{'  storm':12}{storm.calls:>7} calls, {storm.overloaded} answered 429 or 503; "
                  f"{storm.paused} while paused; {storm.probes} probes after it; p50 of hits "
                  f"{storm.before_us:.0f} us before, {storm.during_us:.0f} us meanwhile: "
                  f"{storm.during_us / storm.before_us:.2f} times", flush=True)
            beyond = faults(kept, storm)
    for what in beyond:
        print("beyond its bound:", what)
    return 1 if options.strict and beyond else 0


if __name__ == "__main__":
    sys.exit(main())
