"""kill -9 at random moments around writes: whatever was answered is read after it, nothing older (show 5)."""

import json
import random
import threading
import time

from gate import is_hit, request, until
from variant import amount

ROUNDS = amount("POSTERN_CRASH_ROUNDS", 50, 10)
PROFILES = [9001 + n for n in range(4)]
SEED = 20240917


class Ledger:
    """What each profile's writer has sent and heard answered. The values count up, so that older is smaller."""

    def __init__(self):
        self.sent = dict.fromkeys(PROFILES, 0)
        self.answered = dict.fromkeys(PROFILES, 0)
        self.faults = []
        self.reads = self.hits = self.writes = 0
        self.writing = threading.Event()

    def judge(self, profile, floor, city, how):
        value = number_of(city)
        if not floor <= value <= self.sent[profile]:
            self.faults.append(f"{how}: profile {profile} shows {value}; {floor} was answered before, "
                               f"{self.sent[profile]} sent")
        return value


def number_of(city):
    """The count in what a writer wrote; 0 for what the data began with."""
    return int(city[1:]) if city[:1] == "#" else 0


def read(wire, profile, path):
    answer = wire.request("GET", path.format(profile))
    assert answer.status == 200, answer
    body = answer.json()
    return answer, (body["fields"] if "fields" in body else body)["city"]


PATHS = ("/v2/profile/{}", "/v2/profile/{}/fields", "/v4/profile/{}")


def write_on(gate, ledger, profile):
    with gate.wire() as wire:
        while True:
            ledger.sent[profile] += 1
            value = ledger.sent[profile]
            wire.send(request("PUT", f"/v2/profile/{profile}/fields", "Content-Type: application/json",
                              body=json.dumps({"city": f"#{value}"}).encode()))
            ledger.writing.set()
            answer = wire.answer("PUT")
            assert answer.status == 303, answer
            ledger.answered[profile] = value
            ledger.writes += 1


def read_on(gate, ledger, seed):
    chance = random.Random(seed)
    seen = {}
    with gate.wire() as wire:
        while True:
            profile, path = chance.choice(PROFILES), chance.choice(PATHS)
            floor = max(ledger.answered[profile], seen.get((profile, path), 0))
            answer, city = read(wire, profile, path)
            seen[profile, path] = ledger.judge(profile, floor, city, f"reader {seed}, {path}")
            ledger.reads += 1
            ledger.hits += is_hit(answer)


def until_killed(gate, work, *arguments):
    """Runs until the gate is killed; any other end is a fault."""
    try:
        work(gate, *arguments)
    except (AssertionError, OSError) as error:
        if not gate.dying:
            arguments[0].faults.append(repr(error))


def test_nothing_stale_is_read_after_kill_9_around_writes(make_gate, sandbox):
    sandbox.knobs(latency_ms=1, latency_after_ms=1, jitter_ms=3)
    gate = make_gate(sandbox, start=False, upstreams={"copernica": {"timeouts": {"total": "10s"}}})
    ledger, chance = Ledger(), random.Random(SEED)
    for turn in range(ROUNDS):
        gate.dying = False
        gate.start()
        for profile in PROFILES:  # before anybody writes: what was answered, and what the API itself says
            truth = number_of(sandbox.api("GET", f"/v2/profile/{profile}").json()["fields"]["city"])
            for path in PATHS:
                with gate.wire() as wire:
                    _, city = read(wire, profile, path)
                assert ledger.judge(profile, ledger.answered[profile], city, f"restart {turn}") == truth
        ledger.writing.clear()
        jobs = [(write_on, profile) for profile in PROFILES] + [(read_on, turn * 10 + n) for n in range(3)]
        threads = [threading.Thread(target=until_killed, args=(gate, work, ledger, what)) for work, what in jobs]
        for thread in threads:
            thread.start()
        until(ledger.writing.is_set, "a write")
        time.sleep(chance.random() * 0.06)  # the random moment
        gate.dying = True
        gate.kill()
        for thread in threads:
            thread.join()
        assert ledger.faults == []
    assert ledger.reads > ROUNDS and ledger.writes > ROUNDS // 2, "it was under load"
    gate.start()
    for profile in PROFILES:
        direct = sandbox.api("GET", f"/v2/profile/{profile}").json()
        assert gate.get(f"/v2/profile/{profile}").json() == direct


def test_a_clean_stop_under_load_answers_what_is_under_way_and_restarts_warm(make_gate, sandbox):
    sandbox.knobs(latency_ms=20)
    gate = make_gate(sandbox)
    wires = [gate.wire() for _ in range(8)]
    for n, wire in enumerate(wires):
        wire.send(request("GET", f"/v2/profile/{9001 + n}"))
    until(lambda: sandbox.calls()["calls"].get("GET /profile/{profile}", 0) == 8, "the calls")
    gate.stop()
    for n, wire in enumerate(wires):
        assert wire.answer().json()["ID"] == str(9001 + n)
        wire.close()
    calls = sandbox.calls()["total"]
    gate.start()
    for n in range(8):
        assert is_hit(gate.get(f"/v2/profile/{9001 + n}"))
    assert sandbox.calls()["total"] == calls
