#!/usr/bin/python3
"""What 1,000 clients cost: a request to be told whose it is, and a reload.

Identification: `identify` asks the library for each client's key and for as many keys that nobody
has; it is timed alone, and its instructions are counted by callgrind (whose processor has no SHA
instructions: what it counts is more than a newer one does). Reload: a gate gets HUP after a client
was added; measured until its log says that all is read, and until the new client's key is accepted
on a kept connection, while another connection asks without a pause.

Prints both with their bounds; with --strict, exits 1 where a bound is broken. A wrong answer always
ends it.
"""

import argparse
import hashlib
import json
import math
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import processes  # noqa: E402

IDENTIFY_MOST_NS = 1000
RELOAD_MOST_MS = 100
TIMED_ROUNDS, COUNTED_ROUNDS = 300, 2
WAIT_S = 60


def key_of(number):
    return f"pst_{hashlib.sha256(str(number).encode()).hexdigest()}"


def client_of(number):
    """One with all that a client can have."""
    return {
        "name": f"app-{number:05}",
        "key_sha256": hashlib.sha256(key_of(number).encode()).hexdigest(),
        "previous_key_sha256": hashlib.sha256(b"before" + key_of(number).encode()).hexdigest(),
        "previous_key_until": "2099-01-01T00:00:00Z",
        "allow": ["GET /**", "PUT /profile/*/fields", "POST /database/*/profiles"],
        "deny": ["GET /profile/*/files/**"],
        "quota": {"per_second": 50, "burst": 100, "per_day": 100000},
        "priority": "batch" if number % 3 == 0 else "interactive", "weight": 1 + number % 10,
    }


class Connection:
    """One that is kept, and asks for the view of whoever's key it is."""

    def __init__(self, address):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers = self.socket.makefile("rb")

    def status(self, key):
        self.socket.sendall(f"GET /_postern/me HTTP/1.1\r\nHost: gate\r\nX-Api-Key: {key}\r\n\r\n".encode())
        status = int(self.answers.readline().split()[1])
        length = 0
        while (line := self.answers.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.answers.read(length)
        return status

    def close(self):
        self.answers.close()
        self.socket.close()


class Busy(threading.Thread):
    """Asks with one client's key until it is told to stop; remembers the longest answer."""

    def __init__(self, address, key):
        super().__init__(daemon=True)
        self.connection, self.key = Connection(address), key
        self.count, self.longest_s, self.wrong, self.ended = 0, 0.0, None, False

    def run(self):
        while not self.ended:
            begun = time.monotonic()
            status = self.connection.status(self.key)
            self.longest_s = max(self.longest_s, time.monotonic() - begun)
            self.count += 1
            if status != 200:
                self.wrong = status

    def stop(self):
        self.ended = True
        self.join()
        self.connection.close()
        if self.wrong:
            raise processes.Failed(f"a client that was there all the time was answered {self.wrong}")


def time_identification(identify, file, keys):
    """(median, longest) of rounds, in nanoseconds."""
    told = subprocess.run([identify, file, keys, str(TIMED_ROUNDS)], check=True, text=True,
                          capture_output=True, timeout=600).stdout
    return [float(number) for number in re.search(r"median (\S+) ns, longest (\S+) ns", told).groups()]


def count_identification(identify, file, keys, clients, directory):
    """Instructions of one."""
    told = subprocess.run(["valgrind", "--tool=callgrind", "--toggle-collect=clients_identify",
                           f"--callgrind-out-file={directory}/callgrind.out", identify, file, keys,
                           str(COUNTED_ROUNDS)], check=True, text=True, capture_output=True, timeout=1200)
    collected = re.search(r"Collected : (\d+)", told.stderr)
    return int(collected[1]) / (2 * COUNTED_ROUNDS * clients)


class Gate:
    """A gate whose clients stand in a file that is written anew before each reload."""

    def __init__(self, directory, clients):
        token = directory / "token"
        token.touch(mode=0o600)
        token.write_text("not-a-secret")
        self.clients = [client_of(number) for number in range(clients)]
        self.gate = processes.Gate(directory, "127.0.0.1:9", token, clients=self.clients)  # nobody is there
        self.file = directory / "gate.json"
        self.address = self.gate.address

    def add(self):
        """One more, in the file; its key."""
        number = len(self.clients)
        self.clients.append(client_of(number))
        settings = json.loads(self.file.read_text())
        settings["clients"] = self.clients
        self.file.write_text(json.dumps(settings))
        return key_of(number)

    def reload(self, connection):
        """Seconds until the log says so, and until the key of one more client is accepted."""
        key = self.add()
        if connection.status(key) != 401:
            raise processes.Failed("a key was accepted before the reload")
        said = self.gate.text().count("are read again\n")
        begun = time.monotonic()
        os.kill(self.gate.process.pid, signal.SIGHUP)
        while connection.status(key) != 200:
            if time.monotonic() > begun + WAIT_S:
                raise processes.Failed(f"the reload did not come:\n{self.gate.text()}")
        accepted_s = time.monotonic() - begun
        while self.gate.text().count("are read again\n") == said:
            time.sleep(0.0005)
        return accepted_s


def measure_reloads(gate, count):
    """(seconds of each until the new key is accepted, the longest answer meanwhile in seconds)"""
    busy = Busy(gate.address, key_of(0))
    connection = Connection(gate.address)
    busy.start()
    times = [gate.reload(connection) for _ in range(count)]
    busy.stop()
    connection.close()
    return times, busy.longest_s


def nine_of_ten(times):
    """What so many took at most."""
    return sorted(times)[math.ceil(len(times) * 0.9) - 1]


def show(name, value, unit, most=None):
    """False: the bound is broken."""
    kept = most is None or value <= most
    bound = "" if most is None else f"at most {most}{'' if kept else '   BROKEN'}"
    print(f"{name:58}{value:>10.1f} {unit:14}{bound}")
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--identify", required=True, help="the program that identifies")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--reloads", type=int, default=20)
    parser.add_argument("--strict", action="store_true", help="exit 1 where a bound is broken")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as name:
        directory = pathlib.Path(name)
        gate = Gate(directory, options.clients)
        keys = directory / "keys"
        keys.write_text("".join(key_of(number) + "\n" for number in range(options.clients)))
        try:
            median_ns, longest_ns = time_identification(options.identify, gate.file, keys)
            instructions = count_identification(options.identify, gate.file, keys, options.clients, directory)
            times, longest_s = measure_reloads(gate, options.reloads)
        finally:
            gate.gate.stop()
    print(f"{options.clients} clients, two keys each")
    kept = [show("identification, median of rounds", median_ns, "ns", IDENTIFY_MOST_NS),
            show("identification, longest round", longest_ns, "ns"),
            show("identification, by callgrind", instructions, "instructions"),
            show("reload until its client is let in, median", statistics.median(times) * 1e3, "ms"),
            show("reload until its client is let in, nine of ten", nine_of_ten(times) * 1e3, "ms", RELOAD_MOST_MS),
            show("reload until its client is let in, longest", max(times) * 1e3, "ms"),
            show("longest answer to another connection meanwhile", longest_s * 1e3, "ms")]
    return 1 if options.strict and not all(kept) else 0


if __name__ == "__main__":
    sys.exit(main())
