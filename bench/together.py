"""Many clients at once: a seeded trace of reads and writes through a gate before the simulated API,
each answer judged by oracle.py. One client alone is compared with what the API itself says as well."""

import bisect
import collections
import contextlib
import itertools
import json
import random
import sys
import threading
import urllib.parse

import oracle as judge
import processes
from client import Client

ZIPF = 1.1  # the exponent: the first of 750 profiles gets 18 of 100 reads
RECENT = 40  # what was created lately is asked for more often
PAGE = 20
FILTER_SPAN = 40  # ids that a filtered list looks at
NEWEST_STEP = 25
VERSIONS = ["/v4", "/v3", ""]
VERSION_WEIGHTS = [70, 20, 10]
TEXT_FIELDS = ("firstname", "lastname", "city", "country")


class Zipf:
    """Draws items, the first ones most often."""

    def __init__(self, items):
        self.items = items
        self.weights = list(itertools.accumulate((rank + 1) ** -ZIPF for rank in range(len(items))))

    def draw(self, rng):
        return rng.choices(self.items, cum_weights=self.weights)[0]


class World:
    """What the API holds at the start, told to the oracle, and what the trace has added since."""

    def __init__(self, client, oracle, rng):
        self.oracle = oracle
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self.databases, self.views, self.fields, self.ids = [], [], {}, {}
        profiles, self.collections, subprofiles, self.removable = [], {}, [], []
        for database in self._list(client, "/databases"):
            number = database["ID"]
            self.databases.append(number)
            oracle.know(("database", number, "description"), database["description"])
            self.fields[number] = [field["name"] for field in database["fields"]["data"]
                                   if field["name"] in TEXT_FIELDS]
            self.collections[number] = [entry["ID"] for entry in database["collections"]["data"]]
            self.views += [view["ID"] for view in self._list(client, f"/database/{number}/views")]
            owned = self._list(client, f"/database/{number}/profiles?limit=1000")
            oracle.counts["profiles of database", number] = judge.Count(len(owned))
            self.ids[number] = [int(profile["ID"]) for profile in owned]
            for profile in owned:
                self._know(("profile", profile["ID"]), profile["fields"])
                profiles.append((number, profile["ID"]))
            for collection in self.collections[number]:
                found = self._list(client, f"/collection/{collection}/subprofiles?limit=1000")
                for subprofile in found:
                    self._know(("subprofile", subprofile["ID"]), subprofile["fields"])
                    subprofiles.append((subprofile["profile"], collection, subprofile["ID"]))
        owners = {owner for owner, _, _ in subprofiles}
        self.owners = [profile for profile in profiles if profile[1] in owners]
        self.removable = [profile for profile in profiles if profile[1] not in owners]
        self.removable_subprofiles = [number for _, _, number in subprofiles]
        self.recent, self.recent_subprofiles = [], []
        for items in (profiles, subprofiles, self.removable, self.removable_subprofiles):
            rng.shuffle(items)
        self.profiles, self.subprofiles = Zipf(profiles), Zipf(subprofiles)
        self.owners_drawn = Zipf(self.owners)

    @staticmethod
    def _list(client, target):
        return json.loads(client.ask("GET", target).body)["data"]

    def _know(self, name, fields):
        self.oracle.know((*name, "state"), "here")
        for field, value in fields.items():
            self.oracle.know((*name, field), value)

    def next_value(self):
        """A text that nobody else writes, growing."""
        with self.lock:
            return f"w{next(self.numbers)}"

    def draw_profile(self, rng):
        with self.lock:
            recent = self.recent[-RECENT:]
        if recent and rng.random() < 0.1:
            return rng.choice(recent)
        return self.profiles.draw(rng)

    def take(self, items):
        """One of them for good: nothing is removed twice. None: there is none left."""
        with self.lock:
            return items.pop() if items else None

    def add_profile(self, database, number):
        with self.lock:
            self.recent.append((database, number))
            bisect.insort(self.ids[database], int(number))
            if int(number) % 2 == 0:
                self.removable.append((database, number))

    def add_subprofile(self, number):
        with self.lock:
            self.recent_subprofiles.append(number)
            if int(number) % 2 == 0:
                self.removable_subprofiles.append(number)

    def ids_between(self, database, least, most):
        """Ids of the database that are known by now."""
        with self.lock:
            ids = self.ids[database]
            return [str(number) for number in
                    ids[bisect.bisect_left(ids, least):bisect.bisect_right(ids, most)]]


class Trace:
    """One client's share: draws operations by chance and judges the answers."""

    def __init__(self, world, gate, seed, write_percent, direct=None):
        self.world, self.oracle, self.gate, self.direct = world, world.oracle, gate, direct
        self.rng = random.Random(seed)
        self.write_share = write_percent / 100
        self.counts = collections.Counter()
        self.failures = []
        self.reads = [(40, self.read_profile), (10, self.read_profile_fields), (12, self.read_page),
                      (8, self.read_filtered), (4, self.read_newest), (6, self.read_view),
                      (2, self.read_view_ids), (7, self.read_subprofiles), (4, self.read_subprofile),
                      (5, self.read_database), (2, self.read_databases)]
        self.writes = [(53, self.write_fields), (10, self.create_profile), (5, self.remove_profile),
                       (14, self.write_subprofile), (6, self.create_subprofile),
                       (4, self.remove_subprofile), (8, self.write_description)]

    def run(self, operations):
        for _ in range(operations):
            choices = self.writes if self.rng.random() < self.write_share else self.reads
            weights, steps = zip(*choices)
            self.rng.choices(steps, weights)[0]()

    # --- reads ---

    def read(self, target):
        """(JSON, reading) of a read through the gate; None for the JSON where it failed."""
        target = self.rng.choices(VERSIONS, VERSION_WEIGHTS)[0] + target
        sent = self.oracle.now()
        answer = self.gate.ask("GET", target)
        reading = judge.Reading(target, sent, self.oracle.now())
        self.counts["reads"] += 1
        self.counts["collapsed"] += "collapsed" in answer.fields.get("Cache-Status", "")
        if answer.status != 200:
            self.failures.append(f"GET {target}: {answer.status} {answer.body[:200]!r}")
            return None, reading
        if self.direct is not None:
            self.compare(reading, answer)
        return json.loads(answer.body), reading

    def compare(self, reading, answer):
        """Nobody writes in between: the API itself must say the same."""
        truth = self.direct.ask("GET", reading.target)
        self.counts["direct"] += 1
        same = (answer.status == truth.status and answer.body == truth.body
                and answer.fields["Content-Type"] == truth.fields["Content-Type"])
        if not same:
            self.oracle.complain(reading, f"is {answer.body[:200]!r}, not {truth.body[:200]!r}")

    def see(self, kind, entry, reading, in_list=True):
        """Judges a shown profile or subprofile."""
        number = entry["ID"]
        is_removed = entry["removed"] is not False
        self.oracle.may_show((kind, number, "state"), "removed" if is_removed else "here", reading)
        if is_removed and in_list:
            self.oracle.complain(reading, f"lists {kind} {number}, which is removed")
        if not is_removed:
            self.see_fields(kind, number, entry["fields"], reading)

    def see_fields(self, kind, number, fields, reading):
        for name, value in fields.items():
            if name in TEXT_FIELDS or name == "status":
                self.oracle.may_show((kind, number, name), value, reading)

    def read_profile(self):
        number = self.world.draw_profile(self.rng)[1]
        shown, reading = self.read(f"/profile/{number}")
        if shown:
            self.see("profile", shown, reading, in_list=False)

    def read_profile_fields(self):
        number = self.world.draw_profile(self.rng)[1]
        shown, reading = self.read(f"/profile/{number}/fields")
        if shown and not any(shown.values()):  # removed: all are empty
            self.oracle.may_show(("profile", number, "state"), "removed", reading)
        elif shown:
            self.see_fields("profile", number, shown, reading)

    def read_page(self):
        database = self.rng.choice(self.world.databases)
        start = PAGE * min(int(self.rng.expovariate(0.5)), 12)
        order = self.rng.choice(["", "", "&orderby=city", "&orderby=id&order=desc"])
        shown, reading = self.read(
            f"/database/{database}/profiles?start={start}&limit={PAGE}{order}")
        if shown:
            for entry in shown["data"]:
                self.see("profile", entry, reading)
            self.oracle.may_count(("profiles of database", database), shown["total"], reading)

    def read_filtered(self):
        """A filter over few ids, so that the list is whole: who is left out must have a reason."""
        database = self.rng.choice([name for name, fields in self.world.fields.items()
                                    if "country" in fields])
        least = self.world.ids[database][0]
        country = self.rng.choice(["NL", "BE"])
        known = self.world.ids_between(database, least, least + FILTER_SPAN - 1)
        filters = [f"country=~{country}%", f"id<{least + FILTER_SPAN}"]
        shown, reading = self.read(
            f"/database/{database}/profiles?limit=1000&" + "&".join(
                "fields[]=" + urllib.parse.quote(text, safe="=~<") for text in filters))
        if not shown:
            return
        for entry in shown["data"]:
            self.see("profile", entry, reading)
        for number in set(known) - {entry["ID"] for entry in shown["data"]}:
            self.oracle.may_leave_out(
                {("profile", number, "state"): lambda state: state != "here",
                 ("profile", number, "country"): lambda value: not value.startswith(country)},
                reading)

    def read_newest(self):
        database = self.rng.choice(self.world.databases)
        least = self.world.ids[database][-1] // NEWEST_STEP * NEWEST_STEP - NEWEST_STEP
        known = self.world.ids_between(database, least + 1, sys.maxsize)
        shown, reading = self.read(
            f"/database/{database}/profiles?limit=1000&fields[]=id>{least}")
        if not shown:
            return
        for entry in shown["data"]:
            self.see("profile", entry, reading)
        for number in set(known) - {entry["ID"] for entry in shown["data"]}:
            self.oracle.may_leave_out({("profile", number, "state"): lambda state: state != "here"},
                                      reading)

    def read_view(self):
        view = self.rng.choice(self.world.views)
        shown, reading = self.read(f"/view/{view}/profiles?limit={PAGE}&total=false")
        for entry in shown["data"] if shown else ():
            self.see("profile", entry, reading)

    def read_view_ids(self):
        view = self.rng.choice(self.world.views)
        shown, reading = self.read(f"/view/{view}/profileids")
        for number in shown or ():
            self.oracle.may_show(("profile", number, "state"), "here", reading)

    def read_subprofiles(self):
        owner, collection, _ = self.world.subprofiles.draw(self.rng)
        shown, reading = self.read(f"/profile/{owner}/subprofiles/{collection}")
        for entry in shown["data"] if shown else ():
            self.see("subprofile", entry, reading)

    def read_subprofile(self):
        number = self.world.subprofiles.draw(self.rng)[2]
        shown, reading = self.read(f"/subprofile/{number}")
        if shown:
            self.see("subprofile", shown, reading, in_list=False)

    def see_database(self, entry, reading):
        self.oracle.may_show(("database", entry["ID"], "description"), entry["description"], reading)

    def read_database(self):
        shown, reading = self.read(f"/database/{self.rng.choice(self.world.databases)}")
        if shown:
            self.see_database(shown, reading)

    def read_databases(self):
        shown, reading = self.read("/databases")
        for entry in shown["data"] if shown else ():
            self.see_database(entry, reading)

    # --- writes ---

    def send(self, method, target, body=None):
        """The answer to a write; None: it failed."""
        target = self.rng.choice(["/v4", "/v3"]) + target
        answer = self.gate.ask(method, target, body)
        self.counts["writes"] += 1
        if answer.status in (201, 204):
            return answer
        self.failures.append(f"{method} {target}: {answer.status} {answer.body[:200]!r}")
        return None

    def overwrite(self, method, target, body, values):
        """A write that sets registers; of one that failed nobody knows whether it landed."""
        self.oracle.write_begins(values)
        answer = self.send(method, target, body)
        if answer is not None:
            self.oracle.write_ends(values)
        return answer

    def field_value(self, name):
        value = self.world.next_value()
        return f"{self.rng.choice(['NL', 'BE', 'DE'])}-{value}" if name == "country" else value

    def write_fields(self):
        database, number = self.world.draw_profile(self.rng)
        names = self.rng.sample(self.world.fields[database], self.rng.choice([1, 1, 2]))
        fields = {name: self.field_value(name) for name in names}
        self.overwrite("PUT", f"/profile/{number}/fields", fields,
                       {("profile", number, name): value for name, value in fields.items()})

    def write_subprofile(self):
        number = self.world.subprofiles.draw(self.rng)[2]
        with self.world.lock:
            recent = self.world.recent_subprofiles[-RECENT:]
        if recent and self.rng.random() < 0.2:
            number = self.rng.choice(recent)
        value = self.world.next_value()
        self.overwrite("PUT", f"/subprofile/{number}/fields", {"status": value},
                       {("subprofile", number, "status"): value})

    def write_description(self):
        database = self.rng.choice(self.world.databases)
        value = self.world.next_value()
        self.overwrite("PUT", f"/database/{database}", {"description": value},
                       {("database", database, "description"): value})

    def create_profile(self):
        database = self.rng.choice(self.world.databases)
        fields = {name: self.field_value(name) for name in self.world.fields[database]}
        count = ("profiles of database", database)
        sent = self.oracle.count_begins(count, "here")
        answer = self.send("POST", f"/database/{database}/profiles", {"fields": fields})
        if answer is None:
            return
        number = answer.fields["X-Created"]
        self.oracle.count_ends(count, "here")
        self.oracle.created(sent, ("profile", number, "state"),
                            {("profile", number, name): value for name, value in fields.items()})
        self.world.add_profile(database, number)

    def remove_profile(self):
        taken = self.world.take(self.world.removable)
        if taken is None:
            return
        database, number = taken
        count = ("profiles of database", database)
        self.oracle.count_begins(count, "removed")
        if self.overwrite("DELETE", f"/profile/{number}", None,
                          {("profile", number, "state"): "removed"}) is not None:
            self.oracle.count_ends(count, "removed")

    def create_subprofile(self):
        database, owner = self.world.owners_drawn.draw(self.rng)
        collection = self.rng.choice(self.world.collections[database])
        value = self.world.next_value()
        sent = self.oracle.now()
        answer = self.send("POST", f"/profile/{owner}/subprofiles/{collection}", {"status": value})
        if answer is None:
            return
        number = answer.fields["X-Created"]
        self.oracle.created(sent, ("subprofile", number, "state"),
                            {("subprofile", number, "status"): value})
        self.world.add_subprofile(number)

    def remove_subprofile(self):
        number = self.world.take(self.world.removable_subprofiles)
        if number is not None:
            self.overwrite("DELETE", f"/subprofile/{number}", None,
                           {("subprofile", number, "state"): "removed"})


class Result:
    """What one run came to."""

    def __init__(self, name, traces, used, stale):
        counts = sum((trace.counts for trace in traces), collections.Counter())
        self.name, self.stale = name, stale
        self.reads, self.writes, self.collapsed = counts["reads"], counts["writes"], counts["collapsed"]
        self.operations = self.reads + self.writes
        self.used = used - counts["direct"]
        self.failures = [failure for trace in traces for failure in trace.failures]

    def row(self):
        return (f"{self.name:24}{self.operations:>11}{self.reads:>8}{self.writes:>8}"
                f"{self.operations:>10}{self.used:>8}{self.used / max(self.operations, 1):>8.3f}"
                f"{self.collapsed:>11}{len(self.stale):>7}")


HEADING = (f"{'':24}{'operations':>11}{'reads':>8}{'writes':>8}{'uncached':>10}{'used':>8}"
           f"{'ratio':>8}{'collapsed':>11}{'stale':>7}")


class Weather:
    """Changes the API's latencies every few milliseconds, so that reads, writes and invalidations
    overlap in every order: a read that was carried out before a write may well be answered after it."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._blow)

    def _blow(self):
        for latency, after in itertools.cycle([(1, 9), (0, 0), (1, 0), (0, 2), (3, 0)]):
            self.sandbox.knobs(latency_ms=latency, latency_after_ms=after, jitter_ms=2)
            if self.is_over.wait(0.004):
                return

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def run(directory, operations, seed, write_percent, clients):
    """Runs a trace with so many clients; one alone is compared with the API as well."""
    directory.mkdir()
    sandbox = gate = None
    try:
        sandbox = processes.Sandbox(directory)
        gate = processes.Gate(directory, sandbox.address, sandbox.token_file,
                              cache={"ttl": "10m"})
        direct = Client(sandbox.address, sandbox.token)
        world = World(direct, judge.Oracle(), random.Random(seed))
        traces = [Trace(world, Client(gate.address, gate.key), f"{seed}/{number}", write_percent,
                        direct if clients == 1 else None) for number in range(clients)]
        before = sandbox.calls()
        with Weather(sandbox) if clients > 1 else contextlib.nullcontext():
            run_together(traces, operations // clients)
        used = sandbox.calls() - before
        for trace in traces:
            trace.gate.close()
        direct.close()
    finally:
        codes = [process.stop() for process in (gate, sandbox) if process is not None]
    if any(codes):
        raise processes.Failed(f"exit codes {codes}")
    name = "one client" if clients == 1 else f"{clients} clients"
    return Result(f"{name}, {write_percent} % writes", traces, used, world.oracle.stale)


def run_together(traces, operations):
    """Each on a thread of its own; what goes wrong in one is raised here."""
    raised = []

    def work(trace):
        try:
            trace.run(operations)
        except Exception as error:  # told to whoever waits
            raised.append(error)

    threads = [threading.Thread(target=work, args=(trace,)) for trace in traces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]
