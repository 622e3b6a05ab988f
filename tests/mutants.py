"""Breaks the rules of "The order that keeps promise 1" one at a time, in a build that can (base/breakage.h),
and runs the tests that are there to notice. Prints a table; exits 1 where a broken rule goes unnoticed, or
the tests fail without any.
"""

import os
import pathlib
import re
import subprocess
import sys

ORDER, COLLAPSE = "tests/gateway/test_order.py", "tests/gateway/test_collapse.py"
# What is broken, the words of POSTERN_BREAK, and the tests.
MUTANTS = [
    ("nothing", "", (ORDER, COLLAPSE), "rule_2_the_intent or rule_3_after or rule_4 or rule_5 or rule_7 or rule_8_an or "
     "rule_10_a_kill or rule_12 or joins_no_flight"),
    ("nothing; snapshots outlive a batch of events", "keep", (ORDER,), "rule_5"),
    ("2: the write is sent without an intent", "2", (ORDER,), "rule_2_the_intent or rule_10_a_kill"),
    ("3: the client is answered before the commit", "3", (ORDER,), "rule_3_after"),
    ("4: what an invalidation overtook is stored", "4", (ORDER,), "rule_4"),
    ("5: a reader keeps its snapshot", "5", (ORDER,), "rule_5"),
    ("now is published before the commit", "publish,keep", (ORDER,), "rule_5"),
    ("6: a request joins any flight", "6", (COLLAPSE,), "joins_no_flight"),
    ("7: the gate's own ETag goes up", "7", (ORDER,), "rule_7"),
    ("8: an unknown outcome is not quarantined", "8", (ORDER,), "rule_8_an"),
    ("12: what is behind a write is looked up early", "12", (ORDER,), "rule_12"),
]


def run(words, files, chosen):
    """(passed, failed) of the chosen tests with these rules broken."""
    environment = dict(os.environ, POSTERN_BREAK=words, POSTERN_TEST_WAIT="5")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider",
                           *files, "-k", chosen], env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=600)
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed)", done.stdout)}
    return counts.get("passed", 0), counts.get("failed", 0)


def main():
    os.chdir(pathlib.Path(__file__).resolve().parents[1])
    print(f"{'broken':50} {'tests':>5} {'red':>4}")
    unnoticed = 0
    for name, words, files, chosen in MUTANTS:
        passed, failed = run(words, files, chosen)
        is_mutant = words not in ("", "keep")
        good = passed + failed > 0 and (failed > 0) == is_mutant
        unnoticed += not good
        print(f"{name:50} {passed + failed:5} {failed:4}{'' if good else '  WRONG'}", flush=True)
    print("each broken rule was noticed" if unnoticed == 0 else f"{unnoticed} lines are wrong")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
