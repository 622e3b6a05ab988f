"""The order of reads and writes, explored as a model: sound as designed, unsound with any rule broken."""

import pathlib
import re
import subprocess
import sys

MODEL = pathlib.Path(__file__).parent.parent / "model" / "order_model.py"


def explore(*arguments):
    done = subprocess.run([sys.executable, str(MODEL), *arguments], capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout.splitlines()


def test_the_order_as_designed_has_no_interleaving_that_shows_an_old_state():
    status, lines = explore()
    assert status == 0 and len(lines) == 1
    states = re.fullmatch(r"as designed: (\d+) states, no violation", lines[0])
    assert int(states.group(1)) > 400000  # all of them, not a few


def test_each_broken_rule_is_found():
    status, lines = explore("all")
    assert status == 0 and len(lines) == 9
    assert all("VIOLATION" in line for line in lines)


def test_the_way_to_a_violation_is_told():
    status, lines = explore("no-stamp-check")
    assert status == 0 and "VIOLATION" in lines[0]
    assert lines[-1].endswith("older than a write answered before it was sent")
