#!/usr/bin/python3
"""What an invalidation takes: whether it grows with the cache, or with the entries that it names.

Two gates, audit on, hold profiles of Copernica's as `fill` stored them: 10,000 and 1,000,000. A
write to a database (PUT /database/N) names all its profiles by one tag, which 1, 100 or 100,000
entries carry; a write to a profile's fields is the everyday one. For each write: the time from the
upstream's answer to the client's, both ends being in this process. The gates take turns, and each
write waits until the entries of the one before are swept, but for those that are made while 100,000
are. Before each write a profile of its database is a hit, after it none of a sample is, and profiles
elsewhere still are.

Prints the times, their ratios with bounds, and memory and disk an entry; with --strict, exits 1
where a bound is broken. A wrong answer always ends it.
"""

import argparse
import collections
import contextlib
import json
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import processes  # noqa: E402

FEW, MANY = 10_000, 1_000_000
ONES, HUNDREDS, ORDINARY = 450, 60, 250  # databases of one and of 100; profiles of all others
HUGE, SHARE = 5, 10  # databases of which each holds a tenth of the large cache
WARM, SMALL = 10, 4  # rounds before any counts; writes a round of those that name one entry
DURING, PAUSE_S, QUIET = 20, 0.1, 10  # writes while a sweep lasts, and between them; before each
SAMPLE = 5
SAME_SIZE_MOST, HUGE_MOST = 1.5, 10
SWEEP_LIMIT_S = 120
MAX_BYTES_AN_ENTRY = 4096  # so that nothing is evicted
ACCOUNT = "copernica/1234"
BODIES = {"database": b'{"name":"customers"}', "profile": b'{"country":"NL"}'}

Group = collections.namedtuple("Group", "database first size")  # and the profile that is first


class Upstream:
    """Knows the account, takes every write, answers at once and notes when."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.left_ns = 0  # when the last write's answer was sent
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                connection = self.listener.accept()[0]
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            while True:
                head = receive(connection)
                if not head:
                    return
                if head.startswith(b"PUT"):
                    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
                    self.left_ns = time.monotonic_ns()
                elif b"/identity" in head.split(b"\r\n")[0]:
                    answer = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                              b"Content-Length: 13\r\n\r\n{\"id\":\"1234\"}")
                else:  # a profile that is not stored any more: nor is this
                    answer = (b"HTTP/1.1 404 Not Found\r\nCache-Control: no-store\r\n"
                              b"Content-Length: 0\r\n\r\n")
                connection.sendall(answer)


def receive(connection):
    """The head of the next message; its body is read as well. Empty: the other side has closed."""
    received = b""
    while b"\r\n\r\n" not in received:
        some = connection.recv(65536)
        if not some:
            return b""
        received += some
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        missing -= len(connection.recv(missing))
    return head


class Filled:
    """A gate on a cache of so many profiles, `huge` of them in each of a few databases."""

    def __init__(self, directory, upstream, entries, huge, fill):
        self.upstream, self.entries = upstream, entries
        self.groups = collections.defaultdict(list)  # by size
        self.profiles_written = 0
        self.directory = directory
        words = self.lay_out(entries, huge)
        gate = self.start()  # learns the account
        gate.wait_for(rf"account {ACCOUNT}\n")
        gate.stop()
        begun = time.monotonic()
        subprocess.run([fill, directory / "gate.json", ACCOUNT, *words], check=True,
                       timeout=20 * 60)
        self.fill_s = time.monotonic() - begun
        self.disk_bytes = (directory / "gate.data" / "cache.mdb").stat().st_blocks * 512
        begun = time.monotonic()
        self.gate = self.start()
        self.gate.wait_for(rf"account {ACCOUNT}\n")
        self.start_s = time.monotonic() - begun
        self.admin = self.gate.wait_for(r"admin address (\S+)\n")[1]
        self.connection = None
        self.settle()

    def start(self):
        token = self.directory / "token"
        token.touch(mode=0o600)
        token.write_text("not-a-secret")
        return processes.Gate(self.directory, self.upstream.address, token,
                              cache={"max_size": str(self.entries * MAX_BYTES_AN_ENTRY)})

    def connect(self):
        """To be called when requests follow: the gate closes what is idle."""
        host, port = self.gate.address.split(":")
        self.connection = socket.create_connection((host, int(port)), timeout=120)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def lay_out(self, entries, huge):
        """What `fill` is told; where the profiles come to stand."""
        rest = entries - ONES - 100 * HUNDREDS - huge * HUGE
        plan = [(ONES, 1), (HUNDREDS, 100)] + ([(HUGE, huge)] if huge else [])
        plan += [(rest // ORDINARY, ORDINARY)]
        if rest % ORDINARY:
            plan += [(1, rest % ORDINARY)]
        database, profile = 1, 1
        for databases, profiles in plan:
            for _ in range(databases):
                self.groups[profiles].append(Group(database, profile, profiles))
                database, profile = database + 1, profile + profiles
        return [f"{databases}x{profiles}" for databases, profiles in plan]

    def send(self, method, path, body=None):
        head = f"{method} /v4/{path} HTTP/1.1\r\nHost: gate\r\nX-Api-Key: {self.gate.key}\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.connection.sendall(head.encode() + b"\r\n" + (body or b""))

    def hits(self, profile):
        self.send("GET", f"profile/{profile}")
        return b"postern; hit" in receive(self.connection)

    def expect(self, profiles, hit):
        for profile in profiles:
            if self.hits(profile) != hit:
                raise processes.Failed(f"profile {profile} should {'' if hit else 'not '}be a hit")

    def write(self, path, body):
        """From the upstream's answer to the client's, in seconds."""
        self.send("PUT", path, body)
        head = receive(self.connection)
        arrived_ns = time.monotonic_ns()
        if not head.startswith(b"HTTP/1.1 204"):
            raise processes.Failed(f"a write was answered {head!r}")
        return (arrived_ns - self.upstream.left_ns) / 1e9

    def write_database(self, size):
        """A database of that many profiles, which nothing has touched so far."""
        group = self.groups[size].pop()
        step = max(1, size // SAMPLE)
        sample = range(group.first, group.first + size, step)
        elsewhere = [group.first + ORDINARY - 1 for group in self.groups[ORDINARY][-2:]]
        self.expect(list(sample)[:1], True)
        took_s = self.write(f"database/{group.database}", BODIES["database"])
        self.expect(sample, False)
        self.expect(elsewhere, True)
        self.entries -= size
        return took_s

    def write_profile(self):
        """One of another database each time, where there are so many."""
        groups = self.groups[ORDINARY]
        profile = groups[self.profiles_written % len(groups)].first + self.profiles_written
        self.profiles_written += 1
        self.expect([profile, profile + 1], True)
        took_s = self.write(f"profile/{profile}/fields", BODIES["profile"])
        self.expect([profile], False)
        self.expect([profile + 1], True)
        self.entries -= 1
        return took_s

    def settle(self):
        """Waits until what writes have named is deleted."""
        begun = time.monotonic()
        while self.counted() != self.entries:
            if time.monotonic() > begun + SWEEP_LIMIT_S:
                raise processes.Failed(f"{self.counted()} entries, not {self.entries}")
            time.sleep(0.002)

    def counted(self):
        with urllib.request.urlopen(f"http://{self.admin}/api/status", timeout=60) as answer:
            return json.load(answer)["cache"]["entries"]

    def memory_bytes(self):
        """(its own, mapped pages of files)"""
        status = pathlib.Path(f"/proc/{self.gate.process.pid}/status").read_text()
        return [int(re.search(rf"{name}:\s+(\d+)", status)[1]) * 1024
                for name in ("RssAnon", "RssFile")]

    def stop(self):
        if self.connection:
            self.connection.close()
        self.gate.stop()


def measure_equal(gates, rounds):
    """Times by (what is written, name of the gate): the gates take turns."""
    times = collections.defaultdict(list)
    kinds = [("a profile's fields", SMALL, Filled.write_profile),
             ("1 entry", SMALL, lambda gate: gate.write_database(1)),
             ("100 entries", 1, lambda gate: gate.write_database(100))]
    for number in range(WARM + rounds):
        for kind, repetitions, write in kinds:
            for repetition in range(repetitions):
                for name, gate in sorted(gates.items(), reverse=(number + repetition) % 2 == 1):
                    took_s = write(gate)
                    gate.settle()
                    if number >= WARM:
                        times[kind, name].append(took_s)
    return times


def measure_huge(gate, huge):
    """Times of 1 and of very many, in turns; of 1 while very many are being swept; of sweeps."""
    times = collections.defaultdict(list)
    for _ in range(HUGE):
        times["1, between them"] += [write_quietly(gate) for _ in range(QUIET)]
        begun = time.monotonic()
        times["huge"].append(gate.write_database(huge))
        for _ in range(DURING):
            times["1, meanwhile"].append(gate.write_database(1))
            time.sleep(PAUSE_S)
        gate.settle()
        times["sweep"].append(time.monotonic() - begun)
    return times


def write_quietly(gate):
    took_s = gate.write_database(1)
    gate.settle()
    return took_s


def show_times(name, times):
    ordered = sorted(times)
    print(f"{name:46}{len(times):>5}{statistics.median(ordered) * 1e3:>10.2f} ms"
          f"{ordered[len(ordered) * 9 // 10] * 1e3:>10.2f} ms{ordered[-1] * 1e3:>10.2f} ms")


def show_ratio(name, above, below, most):
    """False: the bound is broken."""
    ratio = statistics.median(above) / statistics.median(below)
    print(f"{name:46}{ratio:>8.2f}   at most {most}{'' if ratio <= most else '   BROKEN'}")
    return ratio <= most


def show_gate(name, gate):
    own, mapped = gate.memory_bytes()
    count = gate.counted()
    print(f"{name + ' entries':20}{own / 2**20:>8.0f} MiB own ({own / count:.0f} bytes an entry), "
          f"{mapped / 2**20:.0f} MiB mapped; {gate.disk_bytes / count:.0f} bytes an entry on disk; "
          f"filled in {gate.fill_s:.0f} s, started in {gate.start_s:.1f} s")


def compare(gates, rounds, huge):
    """False: a bound is broken."""
    few, many = gates
    for name, gate in gates.items():
        show_gate(name, gate)
        gate.connect()
    print(f"\n{'from the upstream answer to the client':46}{'n':>5}{'median':>13}{'90 %':>13}"
          f"{'longest':>13}")
    equal = measure_equal(gates, rounds)
    for (kind, name), times in equal.items():
        show_times(f"{kind}, of {name}", times)
    unequal = measure_huge(gates[many], huge)
    show_times(f"1 entry, of {many}, between those of {huge:,}", unequal["1, between them"])
    show_times(f"{huge:,} entries, of {many}", unequal["huge"])
    show_times(f"1 entry, while {huge:,} are being swept", unequal["1, meanwhile"])
    print(f"sweeping {huge:,}: {statistics.median(unequal['sweep']):.1f} s\n\nratios of medians")
    kept = [show_ratio(f"{kind}: {many} to {few}", equal[kind, many], equal[kind, few],
                       SAME_SIZE_MOST) for kind in dict.fromkeys(kind for kind, _ in equal)]
    kept.append(show_ratio(f"{many}: {huge:,} entries to 1", unequal["huge"],
                           unequal["1, between them"], HUGE_MOST))
    return all(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--fill", required=True, help="the program that fills a cache")
    parser.add_argument("--entries", type=int, default=MANY, help="of the large cache")
    parser.add_argument("--rounds", type=int, default=50, choices=range(1, 51), metavar="1..50",
                        help="writes of each sort; four times as many of the smallest")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a bound is broken")
    options = parser.parse_args()
    huge = options.entries // SHARE
    upstream = Upstream()
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as directory, \
            contextlib.ExitStack() as stack:
        gates = {}
        for entries, of_huge in ((FEW, 0), (options.entries, huge)):
            folder = pathlib.Path(directory) / str(entries)
            folder.mkdir()
            gate = Filled(folder, upstream, entries, of_huge, options.fill)
            stack.callback(gate.stop)
            gates[f"{entries:,}"] = gate
        kept = compare(gates, options.rounds, huge)
    return 0 if kept or not options.strict else 1


if __name__ == "__main__":
    sys.exit(main())
