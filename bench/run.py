#!/usr/bin/python3
"""What a hit costs: the gate beside nginx and HAProxy as caches and a bare read-and-write loop.

All stand before the same simulated API, hold the same profile of some 330 bytes, and are asked for
it by wrk over 64 keep-alive connections, in turns (A B C A B C …), for the machine is never quiet.
CPU a hit is user and system time of all of a server's processes, divided by the requests answered.
Ratios are made round by round and the median of the rounds is shown: they can be compared between
machines, the absolute numbers cannot. Prints one table; writes nothing but temporary files.
"""

import argparse
import collections
import grp
import http.client
import os
import pathlib
import pwd
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import processes  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
TARGET = "/v3/profile/9001"
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
CONNECTIONS, THREADS, WORKERS = 64, 2, 2
RATIOS = [("cpu_a_hit", 10), ("hits_a_second", 8), ("p50", 8), ("p99", 8)]  # and their columns

Round = collections.namedtuple("Round", "hits_a_second cpu_a_hit p50 p99")
Server = collections.namedtuple("Server", "name process address fields")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_until_listening(server):
    """The process that should listen there does."""
    host, port = server.address.split(":")
    for _ in range(processes.START_LIMIT_S * 100):
        with socket.socket() as attempt:
            attempt.settimeout(0.01)
            if attempt.connect_ex((host, int(port))) == 0:
                return
        if server.process.process.poll() is not None:
            break
        time.sleep(0.01)
    raise processes.Failed(f"{server.name} does not listen:\n{server.process.text()}")


def filled_in(name, directory, values):
    """A configuration of bench/peers with its @names@ replaced. Its path."""
    text = re.sub(r"@(\w+)@", lambda found: str(values[found[1]]), (HERE / "peers" / name).read_text())
    path = directory / name
    path.write_text(text)
    return str(path)


class Field:
    """All servers of one comparison, and what they need."""

    def __init__(self, directory, memory, loop):
        self.directory, self.memory, self.loop = directory, memory, loop
        self.started = []
        self.sandbox = self.start(processes.Sandbox(directory))

    def start(self, process):
        self.started.append(process)
        return process

    def folder(self, name, parent=None):
        folder = (parent or self.directory) / re.sub(r"\W+", "-", name)
        folder.mkdir()
        return folder

    def gate(self, name, audit):
        gate = self.start(processes.Gate(self.folder(name), self.sandbox.address,
                                         self.sandbox.token_file, cache={"ttl": "10m"},
                                         **({} if audit else {"audit": False})))
        return Server(name, gate, gate.address, {"X-Api-Key": gate.key})

    def peer(self, name, command, port):
        process = self.start(processes.Process(self.directory, re.sub(r"\W+", "-", name), command))
        server = Server(name, process,
                        f"127.0.0.1:{port}", {"X-Api-Key": "0" * 32})
        wait_until_listening(server)
        return server

    def nginx(self, name, access_log):
        folder, memory, port = self.folder(name), self.folder(name, self.memory), free_port()
        file = filled_in("nginx.conf", folder, {
            "user": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name,
            "directory": folder, "memory": memory, "port": port, "origin": self.sandbox.address,
            "token": self.sandbox.token, "access_log": folder / "access.log" if access_log else "off"})
        return self.peer(name, ["nginx", "-e", "stderr", "-c", file], port)

    def haproxy(self, name):
        port = free_port()
        file = filled_in("haproxy.cfg", self.folder(name), {
            "port": port, "origin": self.sandbox.address, "token": self.sandbox.token})
        return self.peer(name, ["haproxy", "-W", "-q", "-f", file], port)

    def bare_loop(self, name, answer_bytes):
        port = free_port()
        return self.peer(name, [self.loop, str(port), str(answer_bytes), str(WORKERS)], port)

    def stop(self):
        for process in reversed(self.started):
            process.stop()


def ask(server):
    """(status, length of the body, length of the whole answer)."""
    connection = http.client.HTTPConnection(server.address, timeout=60)
    connection.request("GET", TARGET, headers=server.fields)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    head = sum(len(name) + len(value) + 4 for name, value in answer.getheaders())
    return answer.status, len(body), head + len("HTTP/1.1 200 OK\r\n\r\n") + len(body)


def wrk(server, seconds):
    """What wrk prints about hammering the server."""
    command = ["wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    for name, value in server.fields.items():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run([*command, f"http://{server.address}{TARGET}"], check=True,
                                    capture_output=True, text=True, timeout=seconds + 60)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise processes.Failed(f"{server.name} did not answer all:\n{done.stdout}")
    return done.stdout


def measure(server, seconds):
    before = server.process.cpu_s()
    text = wrk(server, seconds)
    used = server.process.cpu_s() - before
    requests = int(re.search(r"(\d+) requests in", text)[1])
    percentiles = {share: float(number) * UNITS[unit] for share, number, unit in
                   re.findall(r"^ +(50|99)% +([0-9.]+)(us|ms|s|m)$", text, re.M)}
    return Round(float(re.search(r"Requests/sec: +([0-9.]+)", text)[1]), used / requests,
                 percentiles["50"], percentiles["99"])


def ratio(rounds, peer_rounds, what):
    """The median over the rounds of this server's number to its peer's in the same round."""
    return statistics.median(getattr(mine, what) / getattr(other, what)
                             for mine, other in zip(rounds, peer_rounds))


def show(results, haproxy, nginx):
    print(f"{'':28}{'hits/s':>9}{'CPU a hit':>11}{'p50':>9}{'p99':>9}   "
          f"{'CPU, hits/s, p50, p99 to haproxy':>34}   {'to nginx, logging':>28}")
    for name, rounds in results.items():
        middle = [statistics.median(getattr(one, what) for one in rounds) for what in Round._fields]
        ratios = ["".join(f"{ratio(rounds, results[peer], what):>{width}.2f}"
                          for what, width in RATIOS)
                  for peer in (haproxy, nginx)]
        print(f"{name:28}{middle[0]:>9.0f}{middle[1] * 1e6:>8.2f} us{middle[2] * 1e3:>6.2f} ms"
              f"{middle[3] * 1e3:>6.2f} ms   {ratios[0]}   {ratios[1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--loop", required=True, help="the bare loop's binary")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as directory, \
            tempfile.TemporaryDirectory(prefix="postern-bench-", dir="/dev/shm") as memory:
        field = Field(pathlib.Path(directory), pathlib.Path(memory), options.loop)
        try:
            compare(field, options)
        finally:
            field.stop()
    return 0


def compare(field, options):
    gate = field.gate("postern", audit=True)
    ask(gate)
    servers = [gate, field.gate("postern, no audit", audit=False),
               field.haproxy("haproxy"), field.nginx("nginx, access log", access_log=True),
               field.nginx("nginx, no log", access_log=False)]
    servers.append(field.bare_loop("bare loop", ask(gate)[2]))
    for server in servers:
        ask(server)
        status, body_bytes, all_bytes = ask(server)
        print(f"{server.name}: {status}, {body_bytes} bytes in {all_bytes}")
        wrk(server, 1)
    results = {server.name: [] for server in servers}
    for _ in range(options.rounds):
        for server in servers:
            results[server.name].append(measure(server, options.seconds))
    show(results, "haproxy", "nginx, access log")


if __name__ == "__main__":
    sys.exit(main())
