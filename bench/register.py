#!/usr/bin/python3
"""Whether the gate, with many clients at once, is a regular register: every read shows a state no
older than the last write that was answered before the read was sent.

16 clients read and write profiles, databases and subprofiles through a gate before the simulated API,
which waits at random before and after it applies a write. Every value that an answer shows is judged
by oracle.py; lists must hold what surely belongs to them. Then the same while the gate is killed each
second and started again on its files, and with views that follow late, under a `settle` rule. Prints
a table; exits 1 if an answer was stale, or an operation failed.
"""

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import math
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import oracle as judge  # noqa: E402
import processes  # noqa: E402
from client import Client  # noqa: E402

CLIENTS = 16
PROFILES = 25  # of each database
JITTER_MS = 4  # before a write is applied, and once more after that
LAG_S, SETTLE_S = 0.05, 0.1  # of views, where they lag
TIDE_S = 0.4  # there everybody writes for so long, then only reads for so long: views can settle
LANDED_S = 1  # after its answer was lost a write takes effect by then or never
KILL_EVERY_S = 1
UNKNOWN_S = 5  # timeouts.total of a gate that is killed: how long it stores nothing that it may concern
WAIT_S = 60
FOREVER = "24h"
PAGE = 10
ZIPF = 1.1
FORGET_AT = 64  # a register of so many writes is cleared up
# The first decides membership in filtered lists and views, by its beginning; of the others it is told
# apart by name alone, so that a list which is filtered by the first must outlive writes to them.
FIELDS = ("firstname", "lastname", "city", "country")
INSIDE, OUTSIDE = "x-", "y-"
VERSIONS, VERSION_WEIGHTS = ["/v4", "/v3", ""], [70, 20, 10]
SHOWN = 10

Answer = collections.namedtuple("Answer", "status is_hit body")


class Broken(Exception):
    """The connection ended before the answer did."""


class Line:
    """A keep-alive connection of one client."""

    def __init__(self, address, key):
        self.address, self.key = address, key
        self.reader = self.writer = None

    async def ask(self, method, target, body=None):
        try:
            return await asyncio.wait_for(self._ask(method, target, body), WAIT_S)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise Broken(repr(error)) from error

    async def _ask(self, method, target, body):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(*self.address.rsplit(":", 1))
        content = b"" if body is None else json.dumps(body).encode()
        joint = "&" if "?" in target else "?"
        self.writer.write(
            f"{method} {target}{joint}access_token={self.key} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        body = await self.reader.readexactly(int(fields.get("content-length", "0")))
        return Answer(int(head.split(" ", 2)[1]), "; hit" in fields.get("cache-status", ""), body)

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


class World:
    """What the API holds: all of it is told to the oracle. One view of each database is made for
    the check, of all profiles whose first name has INSIDE in it."""

    def __init__(self, client, oracle, rng):
        self.client = client
        self.databases, self.views, self.fields, self.members = [], {}, {}, {}
        self.profiles, self.subprofiles, self.collections, self.home = [], [], {}, {}
        for database in self._read("/databases")["data"]:
            number = database["ID"]
            self.databases.append(number)
            oracle.know(("database", number, "description"), database["description"])
            self.views[number] = self._make_view(number)
            shown = self._read(f"/database/{number}/profiles?limit=1000")["data"]
            self.members[number] = {profile["ID"] for profile in shown}
            self.fields[number] = [field["name"] for field in database["fields"]["data"]
                                   if field["name"] in FIELDS]
            for profile in shown:
                self.home[profile["ID"]] = number
                for name in self.fields[number]:
                    oracle.know(("profile", profile["ID"], name), profile["fields"][name])
            self._read_collections(database, oracle)
        self.profiles = list(self.home)
        rng.shuffle(self.profiles)
        rng.shuffle(self.subprofiles)
        self.weights = list(itertools.accumulate(
            (rank + 1) ** -ZIPF for rank in range(len(self.home) + len(self.subprofiles))))

    def _read_collections(self, database, oracle):
        for collection in database["collections"]["data"]:
            shown = self._read(f"/collection/{collection['ID']}/subprofiles?limit=1000")["data"]
            self.collections[collection["ID"]] = {entry["ID"] for entry in shown}
            for entry in shown:
                self.subprofiles.append((entry["profile"], entry["collection"], entry["ID"]))
                oracle.know(("subprofile", entry["ID"], "status"), entry["fields"]["status"])

    def _read(self, target):
        return json.loads(self.client.ask("GET", "/v4" + target).body)

    def _make(self, target, body):
        answer = self.client.ask("POST", "/v4" + target, body)
        if answer.status != 201:
            raise processes.Failed(f"POST {target}: {answer.status} {answer.body!r}")
        return answer.fields["X-Created"]

    def _make_view(self, database):
        view = self._make(f"/database/{database}/views", {"name": "Inside"})
        rule = self._make(f"/view/{view}/rules", {"name": "Inside"})
        self._make(f"/rule/{rule}/conditions", {"type": "Field", "comparison": "contains",
                                                "field": "firstname", "value": INSIDE})
        return view


class Check:
    """What all clients of one run share."""

    def __init__(self, world, oracle, seed, write_percent, lag_s=0.0, settle_s=0.0):
        self.world, self.oracle = world, oracle
        self.seed, self.write_share = seed, write_percent / 100
        self.lag_s, self.settle_s = lag_s, settle_s
        self.counts = collections.Counter()
        self.failures = []
        self.number = 0
        self.left = 0
        self.reading = {}  # by client: when the read that it waits for was sent
        self.writes_to = collections.defaultdict(list)  # by profile, where views lag: (sent, answered)
        self.lost = []  # (name, landed) of writes whose answer was lost
        self.gate = None  # None: it is down
        self.is_killed = False
        self.is_up = asyncio.Event()
        self.clock_offset = time.time() - time.monotonic()

    def next_value(self):
        self.number += 1
        return str(self.number)

    def draws_write(self, rng):
        if self.lag_s == 0:
            return rng.random() < self.write_share
        return self.oracle.now() // TIDE_S % 2 == 0 and rng.random() < 2 * self.write_share

    def gate_is(self, gate):
        self.gate = gate
        if gate is None:
            self.is_up.clear()
        else:
            self.is_up.set()

    def tidy(self, names):
        """Registers of many writes cost time. Where views lag, old ones may yet be asked for."""
        for name in names if self.lag_s == 0 else ():
            register = self.oracle.registers[name]
            if len(register.writes) > FORGET_AT and not register.lost:
                register.forget(min(self.reading.values(), default=self.oracle.now()))

    def history(self, profile, reading):
        """The last writes to a profile, in milliseconds from when a read was sent to their own sending and
        answer, for whoever looks for the reason."""
        writes = [f"{(sent - reading.sent) * 1000:.0f}..{(answered - reading.sent) * 1000:.0f}"
                  for sent, answered in self.writes_to[profile][-5:]]
        drift = time.time() - time.monotonic() - self.clock_offset
        return (f" (writes to {profile}: {', '.join(writes)} ms; it must be as of "
                f"{(self.settled(profile, reading.sent) - reading.sent) * 1000:.0f} ms; the clock was set by "
                f"{drift * 1000:.0f} ms since the start)")

    def settled(self, profile, sent):
        """The moment whose state a view must show of a profile at least, to a read that was sent then:
        the API lets a profile's changes be seen in views when it has had a rest of the lag."""
        if self.lag_s == 0:
            return sent
        moment = sent - self.settle_s
        for begun, answered in reversed(self.writes_to[profile]):
            if answered > moment - self.lag_s and begun <= moment:
                moment = begun
        return moment - self.lag_s


class Worker:
    """One client: draws operations by chance and judges the answers."""

    def __init__(self, check, number):
        self.check, self.world, self.oracle, self.number = check, check.world, check.oracle, number
        self.rng = random.Random(f"{check.seed}/{number}")
        self.line = None
        self.reads = [(30, self.read_profile), (14, self.read_fields), (7, self.read_list),
                      (10, self.read_page), (12, self.read_filtered), (6, self.read_view),
                      (4, self.read_view_ids), (5, self.read_subprofile), (6, self.read_subprofiles),
                      (2, self.read_collection), (3, self.read_database), (1, self.read_databases)]
        self.writes = [(70, self.write_fields), (20, self.write_subprofile),
                       (10, self.write_description)]

    async def run(self):
        while self.check.left > 0:
            self.check.left -= 1
            choices = self.writes if self.check.draws_write(self.rng) else self.reads
            weights, steps = zip(*choices)
            await self.rng.choices(steps, weights)[0]()
        if self.line is not None:
            self.line.close()

    def draw(self, items):
        """One of them, the first ones most often."""
        return self.rng.choices(items, cum_weights=self.world.weights[:len(items)])[0]

    async def ask(self, method, target, body=None):
        """None: the gate was killed before it answered."""
        await self.check.is_up.wait()
        gate = self.check.gate
        if self.line is None or self.line.address != gate.address:
            if self.line is not None:
                self.line.close()
            self.line = Line(gate.address, gate.key)
        try:
            answer = await self.line.ask(method, target, body)
        except Broken as error:
            if not self.check.is_killed:
                self.check.failures.append(f"{method} {target}: {error}")
            self.check.counts["lost"] += 1
            return None
        if answer.status not in (200, 201, 204, 303):
            self.check.failures.append(f"{method} {target}: {answer.status} {answer.body[:200]!r}")
            return None
        return answer

    # --- reads ---

    async def read(self, target):
        """(JSON, reading); None for the JSON where it failed."""
        target = self.rng.choices(VERSIONS, VERSION_WEIGHTS)[0] + target
        await self.check.is_up.wait()
        sent = self.check.reading[self.number] = self.oracle.now()
        answer = await self.ask("GET", target)
        reading = judge.Reading(target, sent, self.oracle.now())
        del self.check.reading[self.number]
        if answer is None:
            return None, reading
        self.check.counts["reads"] += 1
        self.check.counts["hits"] += answer.is_hit
        return json.loads(answer.body), reading

    def see_fields(self, profile, fields, reading):
        for name in self.world.fields[self.world.home[profile]]:
            self.oracle.may_show(("profile", profile, name), fields[name], reading)

    def see_list(self, shown, reading):
        for entry in shown["data"]:
            self.see_fields(entry["ID"], entry["fields"], reading)

    def see_members(self, database, shown, reading, settled=None):
        """A list of those that are INSIDE: the others need a reason to be left out."""
        for profile in self.world.members[database] - shown:
            then = reading if settled is None else reading._replace(sent=settled(profile))
            self.may_leave_out(profile, lambda value: not value.startswith(INSIDE), then, reading)

    def may_leave_out(self, profile, is_reason, then, reading):
        before = len(self.oracle.stale)
        self.oracle.may_leave_out({("profile", profile, "firstname"): is_reason}, then)
        if len(self.oracle.stale) > before:
            self.oracle.stale[then] += self.check.history(profile, reading)

    def see_view_members(self, database, shown, reading):
        def settled(profile):
            return self.check.settled(profile, reading.sent)

        self.see_members(database, shown, reading, settled)
        for profile in shown:  # "leaves out" is said of what is shown wrongly, too
            self.may_leave_out(profile, lambda value: value.startswith(INSIDE),
                               reading._replace(sent=settled(profile)), reading)

    async def read_profile(self):
        profile = self.draw(self.world.profiles)
        shown, reading = await self.read(f"/profile/{profile}")
        if shown:
            self.see_fields(profile, shown["fields"], reading)

    async def read_fields(self):
        profile = self.draw(self.world.profiles)
        shown, reading = await self.read(f"/profile/{profile}/fields")
        if shown:
            self.see_fields(profile, shown, reading)

    async def read_list(self):
        database = self.rng.choice(self.world.databases)
        shown, reading = await self.read(f"/database/{database}/profiles?limit=1000")
        if shown:
            self.see_list(shown, reading)
            if {entry["ID"] for entry in shown["data"]} != self.world.members[database]:
                self.oracle.complain(reading, "lacks profiles")

    async def read_page(self):
        database = self.rng.choice(self.world.databases)
        order = self.rng.choice(["", "", "&orderby=firstname"])
        shown, reading = await self.read(f"/database/{database}/profiles?limit={PAGE}"
                                         f"&start={self.rng.choice([0, PAGE])}{order}")
        if shown:
            self.see_list(shown, reading)

    async def read_filtered(self):
        database = self.rng.choice(self.world.databases)
        shown, reading = await self.read(
            f"/database/{database}/profiles?limit=1000&fields[]=firstname=~{INSIDE}%25")
        if shown:
            self.see_list(shown, reading)
            for entry in shown["data"]:
                if not entry["fields"]["firstname"].startswith(INSIDE):
                    self.oracle.complain(reading, f"shows {entry['ID']}, which is outside")
            self.see_members(database, {entry["ID"] for entry in shown["data"]}, reading)

    async def read_view(self):
        database = self.rng.choice(self.world.databases)
        shown, reading = await self.read(
            f"/view/{self.world.views[database]}/profiles?limit=1000&total=false")
        if shown:
            self.see_list(shown, reading)
            self.see_view_members(database, {entry["ID"] for entry in shown["data"]}, reading)

    async def read_view_ids(self):
        database = self.rng.choice(self.world.databases)
        shown, reading = await self.read(f"/view/{self.world.views[database]}/profileids")
        if shown is not None:
            self.see_view_members(database, set(shown), reading)

    def see_subprofiles(self, entries, reading):
        for entry in entries:
            self.oracle.may_show(("subprofile", entry["ID"], "status"), entry["fields"]["status"],
                                 reading)

    async def read_subprofile(self):
        shown, reading = await self.read(f"/subprofile/{self.draw(self.world.subprofiles)[2]}")
        if shown:
            self.see_subprofiles([shown], reading)

    async def read_subprofiles(self):
        owner, collection, _ = self.draw(self.world.subprofiles)
        shown, reading = await self.read(f"/profile/{owner}/subprofiles/{collection}")
        if shown:
            self.see_subprofiles(shown["data"], reading)

    async def read_collection(self):
        collection = self.rng.choice(list(self.world.collections))
        shown, reading = await self.read(f"/collection/{collection}/subprofiles?limit=1000")
        if shown:
            self.see_subprofiles(shown["data"], reading)
            if {entry["ID"] for entry in shown["data"]} != self.world.collections[collection]:
                self.oracle.complain(reading, "lacks subprofiles")

    def see_database(self, entry, reading):
        self.oracle.may_show(("database", entry["ID"], "description"), entry["description"], reading)

    async def read_database(self):
        shown, reading = await self.read(f"/database/{self.rng.choice(self.world.databases)}")
        if shown:
            self.see_database(shown, reading)

    async def read_databases(self):
        shown, reading = await self.read("/databases")
        for entry in shown["data"] if shown else ():
            self.see_database(entry, reading)

    # --- writes ---

    async def write(self, target, body, values):
        await self.check.is_up.wait()
        self.check.tidy(values)
        self.oracle.write_begins(values)
        answer = await self.ask("PUT", self.rng.choice(["/v4", "/v3", "/v2"]) + target, body)
        if answer is not None:
            self.oracle.write_ends(values)
            self.check.counts["writes"] += 1
            return
        landed = self.oracle.now() + LANDED_S
        for name, value in values.items():
            self.oracle.registers[name].lose(value, landed)
            self.check.lost.append((name, landed))

    async def write_fields(self):
        # Where views lag each profile must have its rest now and then: no favourites.
        pick = self.rng.choice if self.check.lag_s else self.draw
        profile = pick(self.world.profiles)
        names = self.world.fields[self.world.home[profile]]
        fields = {name: self.check.next_value()
                  for name in self.rng.sample(names, self.rng.choice([1, 1, 2]))}
        if "firstname" in fields:
            fields["firstname"] = self.rng.choice([INSIDE, OUTSIDE]) + fields["firstname"]
        sent = self.oracle.now()
        history = self.check.writes_to[profile]
        history.append((sent, math.inf))
        await self.write(f"/profile/{profile}/fields", fields,
                         {("profile", profile, name): value for name, value in fields.items()})
        history[history.index((sent, math.inf))] = (sent, self.oracle.now())

    async def write_subprofile(self):
        number = self.draw(self.world.subprofiles)[2]
        value = self.check.next_value()
        await self.write(f"/subprofile/{number}/fields", {"status": value},
                         {("subprofile", number, "status"): value})

    async def write_description(self):
        database = self.rng.choice(self.world.databases)
        value = self.check.next_value()
        await self.write(f"/database/{database}", {"description": value},
                         {("database", database, "description"): value})


# --- what goes on beside the clients ---


class Starter:
    """Starts the gate, and again, on the same files."""

    def __init__(self, directory, sandbox, rules, killed):
        self.directory, self.sandbox = directory, sandbox
        upstream = {"url": f"http://{sandbox.address}", "preset": "copernica",
                    "token": {"file": str(sandbox.token_file)}}
        if killed:
            upstream["timeouts"] = {"total": f"{UNKNOWN_S}s"}
        self.settings = {"upstreams": {"copernica": upstream},
                         "cache": {"ttl": FOREVER, "rules": rules}}

    def start(self):
        return processes.Gate(self.directory, self.sandbox.address, self.sandbox.token_file,
                              **self.settings)


async def kill_again_and_again(check, starter, pause_s):
    """kill -9, and a new start at once."""
    while True:
        await asyncio.sleep(pause_s)
        check.is_killed = True
        gate = check.gate
        gate.process.kill()
        check.gate_is(None)
        await asyncio.to_thread(gate.process.wait)
        check.counts["kills"] += 1
        check.gate_is(await asyncio.to_thread(starter.start))


def field_of(name, shown):
    """The value of a register in the answer of its entity."""
    kind, _, field = name
    return shown[field] if kind == "database" else shown["fields"][field]


async def reveal_lost(check, line):
    """Asks the API itself what became of writes whose answers were lost."""
    while True:
        now = check.oracle.now()
        due = [name for name, landed in check.lost if landed < now]
        check.lost = [(name, landed) for name, landed in check.lost if landed >= now]
        for name in due:
            sent = check.oracle.now()
            answer = await line.ask("GET", f"/v4/{name[0]}/{name[1]}")
            value = field_of(name, json.loads(answer.body))
            reading = judge.Reading(f"the API itself: {name}", sent, check.oracle.now())
            check.oracle.may_show(name, value, reading)
            check.oracle.registers[name].reveal(value, sent, reading.received)
            check.counts["revealed"] += 1
        await asyncio.sleep(0.05)


async def compare_at_rest(check, sandbox):
    """When nothing goes on any more the gate says what the API says. Views only once they have settled."""
    await asyncio.to_thread(sandbox.knobs, jitter_ms=0, jitter_after_ms=0)
    await asyncio.sleep(check.lag_s + check.settle_s)
    gate, direct = (Line(side.address, key) for side, key in
                    ((check.gate, check.gate.key), (sandbox, sandbox.token)))
    targets = ([f"/profile/{number}{part}" for number in check.world.profiles for part in ("", "/fields")]
               + [f"/subprofile/{number}" for _, _, number in check.world.subprofiles]
               + [f"/profile/{owner}/subprofiles/{collection}"
                  for owner, collection, _ in check.world.subprofiles]
               + [f"/database/{number}{part}" for number in check.world.databases
                  for part in ("", "/profiles?limit=1000", "/profiles?limit=10&start=0")]
               + [f"/view/{view}/profileids" for view in check.world.views.values()])
    for target in targets:
        answers = [await line.ask("GET", "/v4" + target) for line in (gate, direct)]
        if answers[0].body != answers[1].body:
            now = check.oracle.now()
            check.oracle.complain(judge.Reading(target, now, now),
                                  f"at rest is {answers[0].body[:200]!r}, not {answers[1].body[:200]!r}")
    gate.close()
    direct.close()


async def run_clients(check, operations, starter, sandbox, kill_every_s):
    check.left = operations
    check.gate_is(starter.start())
    direct = Line(sandbox.address, sandbox.token)
    beside = [asyncio.create_task(reveal_lost(check, direct))]
    if kill_every_s is not None:
        beside.append(asyncio.create_task(kill_again_and_again(check, starter, kill_every_s)))
    try:
        clients = [asyncio.create_task(Worker(check, number).run()) for number in range(CLIENTS)]
        finished = asyncio.gather(*clients)
        await asyncio.wait([finished, *beside], return_when=asyncio.FIRST_COMPLETED)
        for task in beside:
            if task.done():  # it only ends by what went wrong
                finished.cancel()
                task.result()
        await finished
        for task in beside[1:]:
            await check.is_up.wait()  # so that no start of the gate is left half done
            task.cancel()
        await compare_at_rest(check, sandbox)
    finally:
        for task in beside:
            task.cancel()
        direct.close()


Result = collections.namedtuple("Result", "name counts stale failures seconds calls")


def run(directory, operations, seed, write_percent, kind="plain", kill_every_s=KILL_EVERY_S):
    """One row. `kind`: "plain", "killed" (the gate, again and again) or "lagging" (views)."""
    directory.mkdir()
    lagging = kind == "lagging"
    sandbox = processes.Sandbox(directory)
    check = None
    try:
        sandbox.knobs(profiles=PROFILES)
        sandbox.ask_control("POST", "reset")
        direct, oracle = Client(sandbox.address, sandbox.token), judge.Oracle()
        world = World(direct, oracle, random.Random(seed))
        direct.close()
        sandbox.knobs(jitter_ms=JITTER_MS, jitter_after_ms=JITTER_MS,
                      view_lag_ms=int(LAG_S * 1000) if lagging else 0)
        rules = [{"match": "/**", "ttl": FOREVER}]
        if lagging:
            rules.append({"match": "/profile/**", "settle": f"{SETTLE_S * 1000:.0f}ms"})
        starter = Starter(directory, sandbox, rules, kind == "killed")
        check = Check(world, oracle, seed, write_percent, *((LAG_S, SETTLE_S) if lagging else (0, 0)))
        before, begun = sandbox.calls(), time.monotonic()
        asyncio.run(run_clients(check, operations, starter, sandbox,
                                kill_every_s if kind == "killed" else None))
        seconds = time.monotonic() - begun
        calls = sandbox.calls() - before
    finally:
        codes = [process.stop() for process in (check and check.gate, sandbox) if process]
    if any(codes):
        raise processes.Failed(f"exit codes {codes}")
    return Result(f"{kind}, {write_percent} % writes", check.counts, oracle.stale, check.failures,
                  seconds, calls)


HEADING = (f"{'':24}{'reads':>8}{'hits':>8}{'writes':>8}{'lost':>7}{'kills':>7}{'calls':>8}"
           f"{'seconds':>9}{'failed':>8}{'stale':>7}")


def row(result):
    counts = result.counts
    return (f"{result.name:24}{counts['reads']:>8}{counts['hits']:>8}{counts['writes']:>8}"
            f"{counts['lost']:>7}{counts['kills']:>7}{result.calls:>8}{result.seconds:>9.1f}"
            f"{len(result.failures):>8}{len(result.stale):>7}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--operations", type=int, default=100000, metavar="N",
                        help="of each row; 100000")
    parser.add_argument("--kind", action="append", choices=["plain", "killed", "lagging"],
                        help="can be repeated; all three")
    parser.add_argument("--writes", type=int, action="append", metavar="PERCENT",
                        help="can be repeated; 5 and 30")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    kinds = options.kind or ["plain", "killed", "lagging"]
    percents = options.writes or [5, 30]
    is_wrong = False
    print(HEADING, flush=True)
    with tempfile.TemporaryDirectory(prefix="postern-register-") as directory:
        for kind in kinds:
            for percent in percents:
                result = run(pathlib.Path(directory) / f"{kind}{percent}",
                             options.operations, options.seed, percent, kind)
                print(row(result), flush=True)
                for what, lines in (("stale", result.stale.values()), ("failed", result.failures)):
                    for line in list(lines)[:SHOWN]:
                        print(f"  {what}: {line}")
                is_wrong |= bool(result.stale or result.failures)
    return 1 if is_wrong else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
