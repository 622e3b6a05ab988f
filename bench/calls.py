#!/usr/bin/python3
"""How many upstream calls the gate saves, and whether it is ever wrong.

First one trace of reads and writes runs through a gate before the simulated API, one operation after
the other, each answer compared with what the API itself says at that moment; beside it run simulated
caches that know less, or more. Then 16 clients at once run traces of their own, each answer judged by
oracle.py. Prints tables; exits 1 if an answer of the gate was stale, or an operation failed, and with
--strict also if the gate needed more than 1.26 times the fewest calls.
"""

import argparse
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import processes  # noqa: E402
import strategies  # noqa: E402
import together  # noqa: E402
import sequence  # noqa: E402
from client import Client  # noqa: E402

CLIENTS = 16
BOUND = 1.26  # times the fewest calls; what names more than a write changes is above it
FOREVER = "24h"
SHOWN = 10


class Gate(strategies.Strategy):
    """The gate itself as one of them: its calls are counted by the API."""

    name = "postern"

    def __init__(self, client):
        super().__init__()
        self.client = client
        self.complaints, self.failures = [], []

    def read(self, target, answer):
        shown = self.client.ask("GET", target)
        if (shown.status, shown.body) != (200, answer):
            self.stale += 1
            self.complaints.append(f"{target} is {shown.status} {shown.body[:200]!r}, "
                                   f"not {answer[:200]!r}")

    def ask(self, operation):
        """Carries a write out."""
        answer = self.client.ask(operation.method, operation.target, operation.body)
        if answer.status not in (201, 204):
            self.failures.append(f"{operation}: {answer.status} {answer.body[:200]!r}")
        return answer


class Comparison:
    """One trace, run against all."""

    def __init__(self, sandbox, gate, seed, write_percent):
        self.sandbox = sandbox
        self.direct = Client(sandbox.address, sandbox.token)
        self.gate = Gate(Client(gate.address, gate.key))
        self.trace = sequence.Trace(seed, sequence.ask_json(self.direct), write_percent)
        self.simulated = [strategy() for strategy in strategies.ALL]
        self.reads = self.writes = 0

    def run(self, operations):
        before = self.sandbox.calls()
        for _ in range(operations):
            operation = self.trace.next()
            if operation.method == "GET":
                self._read(operation.target)
            else:
                self._write(operation)
        self.gate.calls = self.sandbox.calls() - before - self.reads  # each was asked for here as well
        self.direct.close()
        self.gate.client.close()

    def _read(self, target):
        answer = self.direct.ask("GET", target)
        if answer.status != 200:
            self.gate.failures.append(f"GET {target}: {answer.status} {answer.body[:200]!r}")
        self.reads += 1
        for strategy in (*self.simulated, self.gate):
            strategy.read(target, answer.body)

    def _write(self, operation):
        answer = self.gate.ask(operation)
        self.writes += 1
        for strategy in self.simulated:
            strategy.write(operation.method, operation.target, strategies.location_path(answer))
        self.trace.learn(answer.fields.get("X-Created"))

    def fewest(self):
        return next(strategy.calls for strategy in self.simulated
                    if isinstance(strategy, strategies.Fewest))

    def ratio(self):
        """How many calls the gate needed, in times of the fewest."""
        return self.gate.calls / self.fewest()

    def table(self):
        yield f"{'':24}{'calls':>8}{'of the fewest':>15}{'stale':>8}"
        for strategy in (*self.simulated, self.gate):
            yield (f"{strategy.name:24}{strategy.calls:>8}{strategy.calls / self.fewest():>15.3f}"
                   f"{strategy.stale:>8}")


def compare(directory, operations, seed, write_percent):
    """Starts a sandbox of small databases and a gate, and runs a Comparison."""
    directory.mkdir()
    started = []
    try:
        sandbox = processes.Sandbox(directory)
        started.append(sandbox)
        sandbox.knobs(profiles=sequence.PROFILES)
        sandbox.ask_control("POST", "reset")
        gate = processes.Gate(directory, sandbox.address, sandbox.token_file, workers=1, cache={
            "ttl": FOREVER, "rules": [{"match": "/**", "ttl": FOREVER}]})
        started.append(gate)
        comparison = Comparison(sandbox, gate, seed, write_percent)
        comparison.run(operations)
    finally:
        codes = [process.stop() for process in reversed(started)]
    if any(codes):
        raise processes.Failed(f"exit codes {codes}")
    return comparison


def show(complaints, failures):
    for line in list(complaints)[:SHOWN]:
        print("  stale: " + line)
    for line in failures[:SHOWN]:
        print("  failed: " + line)
    return bool(complaints or failures)


def show_comparison(directory, options):
    """Prints the first table. Whether something is wrong."""
    comparison = compare(directory, options.trace, options.seed, options.trace_writes)
    print(f"one trace, {comparison.reads} reads and {comparison.writes} writes, one after the other:")
    for line in comparison.table():
        print(line)
    ratio = comparison.ratio()
    is_above = ratio > BOUND
    print(f"postern: {ratio:.3f} times the fewest, {'above' if is_above else 'within'} the bound of "
          f"{BOUND}\n", flush=True)
    is_wrong = show(comparison.gate.complaints, comparison.gate.failures)
    return is_wrong or (options.strict and is_above)


def show_together(directory, options):
    """Prints the second table. Whether something is wrong."""
    is_wrong = False
    print(f"{CLIENTS} clients at once:\n{together.HEADING}", flush=True)
    for percent in options.writes or (5, 30):
        result = together.run(directory / str(percent), options.operations, options.seed, percent,
                              CLIENTS)
        print(result.row(), flush=True)
        is_wrong |= show(result.stale.values(), result.failures)
    return is_wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--trace", type=int, default=12000, metavar="N",
                        help="operations of the one trace; 12000")
    parser.add_argument("--trace-writes", type=int, default=5, metavar="PERCENT", help="of it; 5")
    parser.add_argument("--operations", type=int, default=16000, metavar="N",
                        help="of each run of 16 clients; 16000, 0: none")
    parser.add_argument("--writes", type=int, action="append", metavar="PERCENT",
                        help="for the 16 clients, can be repeated; 5 and 30")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--strict", action="store_true",
                        help=f"fail above {BOUND} times the fewest calls")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="postern-calls-") as name:
        directory = pathlib.Path(name)
        is_wrong = show_comparison(directory / "trace", options)
        if options.operations > 0:
            is_wrong |= show_together(directory, options)
    return 1 if is_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
