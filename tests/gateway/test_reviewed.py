"""What a review of the whole gate found, each as its user would notice it. The names are the symptoms."""

import os
import pathlib
import subprocess

import pytest

import gate as shared
from gate import cache_status, reply, until


# --- the token stays inside ---


def without_privilege():
    """What takes from a process of root the right to look into every other; nothing for another user."""
    return ["setpriv", "--inh-caps=-sys_ptrace", "--bounding-set=-sys_ptrace"] if os.getuid() == 0 else []


def may_look_into(pid):
    """Whether a process of the same user may look into process `pid` (which takes what ptrace takes)."""
    look = subprocess.run([*without_privilege(), "readlink", f"/proc/{pid}/exe"], capture_output=True,
                          timeout=shared.WAIT)
    return look.returncode == 0


def test_no_process_of_the_same_user_looks_into_the_gate_and_it_dumps_no_core(make_gate, raw_upstream, tmp_path,
                                                                              monkeypatch):
    starter = tmp_path / "starter"
    starter.write_text(f'#!/bin/sh\nexec {" ".join(without_privilege())} "{shared.POSTERN}" "$@"\n')
    starter.chmod(0o755)
    bystander = subprocess.Popen([*without_privilege(), "sleep", "600"])
    try:
        comm = pathlib.Path(f"/proc/{bystander.pid}/comm")
        until(lambda: comm.read_text() == "sleep\n", "the bystander's start")
        if not may_look_into(bystander.pid):
            pytest.skip("nobody looks into any process here")
    finally:
        bystander.kill()
        bystander.wait(timeout=shared.WAIT)
    monkeypatch.setattr(shared, "POSTERN", str(starter))
    gate = make_gate(raw_upstream)
    assert not may_look_into(gate.pid)
    limits = pathlib.Path(f"/proc/{gate.pid}/limits").read_text().splitlines()
    assert next(line for line in limits if line.startswith("Max core file size")).split()[4:6] == ["0", "0"]


# --- nothing older is read ---


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_503_to_a_write_leaves_its_outcome_as_unknown_as_a_502(make_gate, raw_upstream, status):
    def script(call):
        call.body
        call.reply(b'{"v": 1}', 200 if call.method == "GET" else status)

    raw_upstream.on("/thing", script)
    gate = make_gate(raw_upstream)  # whose calls, and so its quarantines, last 60 s

    def fresh_for():
        return int(cache_status(gate.warm("/thing"))[1]["ttl"])

    assert fresh_for() > 3000
    assert gate.put("/thing", json={}).status_code == status
    assert fresh_for() <= 60
