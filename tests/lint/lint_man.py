#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""mandoc -T lint is clean for every page, and every program has a page."""

import re
import subprocess
import sys

from files import TOP, source_files


def main():
    bad = 0
    pages = [p for p in source_files()
             if p.parts[0] == "man" and re.fullmatch(r"\.\d", p.suffix)]
    for page in pages:
        got = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page],
                             cwd=TOP, capture_output=True, text=True,
                             check=False)
        # mandoc cannot know pages that are not installed.
        lines = [line for line in (got.stdout + got.stderr).splitlines()
                 if "referenced manual not found" not in line]
        if lines:
            print("\n".join(lines))
            bad += 1
    names = {p.stem for p in pages}
    for path in TOP.glob("*/room.mk"):
        programs = re.findall(r"^(?:bin|daemon)_PROGRAMS \+= (.+)$",
                              path.read_text(), re.M)
        for program in " ".join(programs).split():
            name = program.split("/")[-1]
            if name not in names:
                print("%s: %s has no page in man/" % (
                    path.relative_to(TOP), name))
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
