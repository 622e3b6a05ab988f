"""Runs the C unit programs and the gateway tests; ends with "N passed, N failed" over all cases.

A unit program speaks TAP (cmocka does when CMOCKA_MESSAGE_OUTPUT says so). A program that dies, hangs
or announces more cases than it reports has failed once for each case that is missing, and at least
once. Exits 1 when anything failed.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

PLAN = re.compile(r"^1\.\.(\d+)$", re.M)
CASE = re.compile(r"^(ok|not ok) \d+(.*)$", re.M)
PARALLEL = 3  # files at a time: two cores, and tests that mostly wait


def run_unit(program, wrapper, timeout):
    """(passed, failed, skipped, text to show) of one program."""
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    process = subprocess.Popen(wrapper + [program], env=environment, text=True, errors="replace",
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        output = process.communicate(timeout=timeout)[0]
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its children as well: the session is its own
        output = process.communicate()[0]
        status = "still running after %d s" % timeout
    cases = CASE.findall(output)
    skipped = sum(1 for _, name in cases if "# SKIP" in name)
    passed = sum(1 for verdict, name in cases if verdict == "ok" and "# SKIP" not in name)
    plan = PLAN.search(output)
    failed = max(int(plan.group(1)) if plan else 0, len(cases)) - passed - skipped
    if status != 0 and failed == 0:
        failed = 1
    show = "" if failed == 0 else "FAILED %s (exit: %s)\n%s\n" % (program, status, output)
    return passed, failed, skipped, show


def run_units(programs, wrapper, timeout):
    totals = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        for result in pool.map(lambda program: run_unit(program, wrapper, timeout), programs):
            totals = [total + part for total, part in zip(totals, result)]
            if result[3]:
                print(result[3], end="", flush=True)
    return totals


def run_gateway(folder):
    """The counts of a pytest run by its JUnit report, which is there even where pytest stops early."""
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "report.xml"
        # The tests of a file stay together: they share what runs for them.
        status = subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", str(PARALLEL), "--dist", "loadfile",
                                 "--junitxml", str(report), folder]).returncode
        counts = [0, 0, 0]
        if report.exists():
            for suite in xml.etree.ElementTree.parse(report).getroot().iter("testsuite"):
                failed = int(suite.get("failures")) + int(suite.get("errors"))
                skipped = int(suite.get("skipped"))
                counts = [counts[0] + int(suite.get("tests")) - failed - skipped, counts[1] + failed,
                          counts[2] + skipped]
    if status != 0 and counts[1] == 0:
        counts[1] = 1
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--gateway", metavar="FOLDER", help="also run the pytest tests there")
    parser.add_argument("--wrapper", default="", help="a command to run each program under")
    parser.add_argument("--timeout", type=int, default=300, help="seconds for one program")
    options = parser.parse_args()

    totals = run_units(options.programs, shlex.split(options.wrapper), options.timeout)
    if options.gateway:
        totals = [total + part for total, part in zip(totals, run_gateway(options.gateway))]
    if totals[2]:
        print("%d skipped" % totals[2])
    print("%d passed, %d failed" % (totals[0], totals[1]), flush=True)
    return 1 if totals[1] or not totals[0] else 0


if __name__ == "__main__":
    sys.exit(main())
