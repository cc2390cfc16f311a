#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reports functions and files that are hard to hold in mind.  Never fails.

Half of all functions under twenty-odd lines, nine in ten under about fifty,
files of 100 to 500 lines.
"""

import re
import sys

from files import TOP, source_files

DEFINITION = re.compile(r"^([a-z_]\w*)\(.*?^}$", re.M | re.S)


def main():
    lengths = []
    for path in source_files():
        if path.suffix != ".c" or path.parts[0] == "tests":
            continue
        text = (TOP / path).read_text()
        if text.count("\n") > 600:
            print("%s: %d lines" % (path, text.count("\n")))
        for match in DEFINITION.finditer(text):
            lines = match.group(0).count("\n") + 1
            lengths.append((lines, match.group(1), path))
    lengths.sort(key=lambda item: item[0])
    if lengths:
        print("functions: %d, median %d lines, nine in ten under %d" % (
            len(lengths), lengths[len(lengths) // 2][0],
            lengths[len(lengths) * 9 // 10][0] + 1))
        for lines, name, path in lengths[-5:]:
            print("%s: %s: %d lines" % (path, name, lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
