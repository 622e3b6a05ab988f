"""Starts what is measured, on free ports of 127.0.0.1 with files in a temporary directory, and ends
it by its process id. Nothing here knows what is measured."""

import hashlib
import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
START_LIMIT_S = 60  # with sanitizers on a busy machine
STOP_LIMIT_S = 60
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def postern():
    """The binary: $POSTERN, else the one that `make` builds."""
    return os.environ.get("POSTERN", str(ROOT / "build" / "postern"))


class Failed(Exception):
    """A process did not do what it was started for; says which and shows its output."""


class Process:
    """A running program whose output goes to a file; it may run under a `wrapper` such as strace."""

    def __init__(self, directory, name, command, wrapper=()):
        self.name, self.wrapper = name, wrapper
        self.output = directory / f"{name}.out"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen([*wrapper, *command], stdout=output, stderr=output,
                                            stdin=subprocess.DEVNULL, cwd=directory)

    def text(self):
        return self.output.read_text(errors="replace")

    def wait_for(self, pattern):
        """The match of the pattern in what it wrote, as soon as it stands there."""
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            found = re.search(pattern, self.text())
            if found:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise Failed(f"{self.name} did not start:\n{self.text()}")

    def family(self):
        """Its process id and those of its descendants."""
        children = {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended between the listing and the reading
            children.setdefault(parent, []).append(int(stat.parent.name))
        family = [self.process.pid]
        for pid in family:
            family += children.get(pid, [])
        return family

    def cpu_s(self):
        """User and system time of the whole family so far, in seconds."""
        total = 0
        for pid in self.family():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS_PER_S

    def stop(self):
        """The exit code, once it has ended; a process that ignores TERM is killed."""
        if self.process.poll() is None:
            os.kill(self.family()[1 if self.wrapper else 0], signal.SIGTERM)
        try:
            return self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"{self.name} did not stop:\n{self.text()}") from None


class Sandbox(Process):
    """The simulated API. `address` is host:port; `token` is what it accepts."""

    def __init__(self, directory, name="sandbox"):
        self.token = secrets.token_hex(16)
        self.token_file = directory / f"{name}.token"
        self.token_file.touch(mode=0o600)
        self.token_file.write_text(self.token)
        super().__init__(directory, name,
                         [postern(), "sandbox", "--listen", "127.0.0.1:0", "--control",
                          "127.0.0.1:0", "--token", str(self.token_file)])
        found = self.wait_for(r"sandbox on http://(\S+), control on http://(\S+?)/_sandbox/\n")
        self.address, self.control = found.groups()

    def ask_control(self, method, path, body=None):
        request = urllib.request.Request(f"http://{self.control}/_sandbox/{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def knobs(self, **knobs):
        return self.ask_control("PUT", "knobs", knobs)

    def calls(self):
        return self.ask_control("GET", "calls")["total"]


class Gate(Process):
    """A gate before the upstream at `address`, with one client; `key` is that client's."""

    def __init__(self, directory, address, token_file, name="gate", wrapper=(), **configuration):
        self.key = secrets.token_hex(16)
        settings = {
            "listen": ["127.0.0.1:0"], "admin": "127.0.0.1:0", "workers": 2,
            "data_dir": str(directory / f"{name}.data"),
            "upstreams": {"copernica": {"url": f"http://{address}", "preset": "copernica",
                                        "token": {"file": str(token_file)}}},
            "clients": [{"name": "bench",
                         "key_sha256": hashlib.sha256(self.key.encode()).hexdigest()}],
            **configuration,
        }
        file = directory / f"{name}.json"
        file.write_text(json.dumps(settings))
        super().__init__(directory, name, [postern(), "run", "--config", str(file)], wrapper)
        self.address = self.wait_for(r"listening on (127\.0\.0\.1:\d+)\n")[1]
