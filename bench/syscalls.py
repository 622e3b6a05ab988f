#!/usr/bin/python3
"""Counts the system calls of a hit.

A gate with one worker runs under strace while a client gets 100,000 hits over keep-alive
connections. Only the thread that served them counts: it is the one that read most. Calls of the
start and of the connections' opening are taken off by counting between two marks. Prints each call's
number a hit; exits 1 unless a hit is one read and one writev, with epoll_wait shared among hits, and
no other call worth naming.
"""

import argparse
import collections
import pathlib
import re
import selectors
import socket
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import processes  # noqa: E402

TARGET = "/v3/profile/9001"
CONNECTIONS = 32
MOST_BESIDE = 0.01  # a hit: timers, the mailbox and such, all together
CALL = re.compile(r"^(\d+) +(\d+\.\d+) (?:<\.\.\. )?(\w+)")


def receive(connection):
    """The whole next answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(re.search(rb"Content-Length: (\d+)", head)[1])
    while len(body) < length:
        body += connection.recv(65536)
    return head


def hammer(connections, request, hits):
    """So many requests over the connections, one at a time on each. Every answer is a hit."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
            connection.sendall(request)
        sent, answered = len(connections), 0
        while answered < hits:
            for key, _ in selector.select(60):
                if b"postern; hit" not in receive(key.fileobj):
                    raise processes.Failed("an answer was no hit")
                answered += 1
                if sent < hits:
                    key.fileobj.sendall(request)
                    sent += 1


def count_calls(trace, begin, end):
    """By thread: its calls that began between the two moments, by name."""
    threads = collections.defaultdict(collections.Counter)
    with open(trace, errors="replace") as lines:
        for line in lines:
            found = CALL.match(line)
            if found and "resumed>" not in line and begin <= float(found[2]) <= end:
                threads[found[1]][found[3]] += 1
    return threads


def trace_hits(directory, hits):
    trace = directory / "trace"
    sandbox = gate = None
    try:
        sandbox = processes.Sandbox(directory)
        gate = processes.Gate(directory, sandbox.address, sandbox.token_file, workers=1,
                              cache={"ttl": "1h"},
                              wrapper=["strace", "-f", "-qq", "-ttt", "-s", "0", "-e", "signal=none",
                                       "-o", str(trace)])
        host, port = gate.address.split(":")
        request = f"GET {TARGET} HTTP/1.1\r\nHost: gate\r\nX-Api-Key: {gate.key}\r\n\r\n".encode()
        connections = [socket.create_connection((host, int(port)), 60) for _ in range(CONNECTIONS)]
        connections[0].sendall(request)
        receive(connections[0])  # a miss
        time.sleep(0.5)  # its store, and what it leaves to be done
        hammer(connections, request, len(connections))
        begin = time.time()
        hammer(connections, request, hits)
        end = time.time()
        for connection in connections:
            connection.close()
    finally:
        for process in (gate, sandbox):
            if process is not None:
                process.stop()
    return count_calls(trace, begin, end)


def is_as_promised(calls, hits):
    """One read and one writev a hit, fewer waits than hits, next to nothing else."""
    beside = sum(calls.values()) - calls["read"] - calls["writev"] - calls["epoll_wait"]
    return (abs(calls["read"] / hits - 1) <= MOST_BESIDE
            and abs(calls["writev"] / hits - 1) <= MOST_BESIDE
            and calls["epoll_wait"] < hits and beside <= MOST_BESIDE * hits)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--hits", type=int, default=100000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="postern-syscalls-") as directory:
        threads = trace_hits(pathlib.Path(directory), options.hits)
    worker = max(threads, key=lambda thread: threads[thread]["read"])
    print(f"{options.hits} hits over {CONNECTIONS} connections: system calls of the worker\n")
    for name, count in threads[worker].most_common():
        print(f"{name:16}{count:>9}{count / options.hits:>10.4f} a hit")
    print("\nof the other threads, all together:")
    others = sum((calls for thread, calls in threads.items() if thread != worker), collections.Counter())
    for name, count in others.most_common():
        print(f"{name:16}{count:>9}{count / options.hits:>10.4f} a hit")
    fits = is_as_promised(threads[worker], options.hits)
    print("\none read and one writev a hit, epoll_wait shared: " + ("yes" if fits else "NO"))
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())
