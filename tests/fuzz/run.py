"""Runs each fuzz program for some seconds from its corpus; says which one found something.

New inputs are kept in build/fuzz-corpus/ only: a crash that is found is put into tests/fuzz/corpus/
by hand, with its cure.
"""

import argparse
import pathlib
import subprocess
import sys

PARALLEL = 2


def start(program, options):
    name = pathlib.Path(program).name
    found = pathlib.Path(program).parent.parent / "fuzz-corpus" / name
    seeds = pathlib.Path(options.corpora) / name.removeprefix("fuzz_")
    found.mkdir(parents=True, exist_ok=True)
    command = [program, "-max_total_time=%d" % options.seconds, "-timeout=10", "-rss_limit_mb=2048",
               "-artifact_prefix=%s/" % found.parent, str(found)] + ([str(seeds)] if seeds.is_dir() else [])
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--corpora", default="tests/fuzz/corpus")
    options = parser.parse_args()

    failed = 0
    for first in range(0, len(options.programs), PARALLEL):
        names = options.programs[first:first + PARALLEL]
        for name, process in [(name, start(name, options)) for name in names]:
            output = process.communicate()[0]
            lines = output.splitlines()
            print("%s: %s" % (name, lines[-1] if lines else "said nothing"), flush=True)
            if process.returncode != 0:
                failed += 1
                print(output)
    print("%d passed, %d failed" % (len(options.programs) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
