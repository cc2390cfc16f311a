#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counts the instructions of fixed work and compares them with limits.

	tests/bench/instructions.py BUILD            measure, fail above a limit
	tests/bench/instructions.py BUILD --update   write today's figures

instructions.limits holds a line for each: its name and the count of the day
it was written.  More than TOLERANCE per cent above that fails; much less is
reported, so that what was won is kept by an --update.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
LIMITS = HERE / "instructions.limits"
TOLERANCE = 10


def count(program, name):
    """Instructions of one call of work()."""
    got = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         "--toggle-collect=work", program, name],
        capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", got.stderr)
    if got.returncode != 0 or not found or found.group(1) == "0":
        raise RuntimeError("%s: exit status %d\n%s" % (
            name, got.returncode, got.stderr))
    return int(found.group(1))


def measure(build):
    """{name: instructions} of every workload."""
    program = pathlib.Path(build) / "tests/bench/instructions"
    names = subprocess.run([program], capture_output=True, text=True,
                           check=True).stdout.split()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(names, pool.map(lambda n: count(program, n), names)))


def limits():
    found = {}
    for line in LIMITS.read_text().splitlines():
        if line and not line.startswith("#"):
            name, figure = line.split()
            found[name] = int(figure.replace(",", ""))
    return found


def write(figures):
    LIMITS.write_text(
        "# SPDX-License-Identifier: BSD-2-Clause\n"
        "# Instructions of fixed work; see instructions.py.\n"
        + "".join("%-16s %s\n" % (n, f"{c:,}") for n, c in figures.items()))


def check(build, out=sys.stdout):
    """Prints each figure; answers how many passed and failed."""
    before, figures = limits(), measure(build)
    failed = 0
    for name in sorted(set(before) | set(figures)):
        if name not in figures or name not in before:
            print("%s: %s" % (name, "no such workload" if name in before else
                              "no limit: --update writes one"), file=out)
            failed += 1
            continue
        change = 100 * (figures[name] / before[name] - 1)
        over = change > TOLERANCE
        failed += over
        print("%-16s %15s instructions, %+.1f %%%s" % (
            name, f"{figures[name]:,}", change,
            ": slower than allowed" if over else
            ": --update keeps the gain" if change < -TOLERANCE else ""),
            file=out)
    return len(figures) - failed, failed


def main():
    if len(sys.argv) == 3 and sys.argv[2] == "--update":
        write(measure(sys.argv[1]))
        return 0
    if len(sys.argv) != 2:
        sys.exit("usage: instructions.py BUILD [--update]")
    return 1 if check(sys.argv[1])[1] else 0


if __name__ == "__main__":
    sys.exit(main())
