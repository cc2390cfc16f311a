#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A local that cleans itself up is made before the function can return.

CLEANUP(buf_fini) struct buf b; without an initialiser is right only when its
init comes before every return: otherwise whatever the stack held is freed.
"""

import re
import sys

from files import TOP, source_files

LOCAL = re.compile(r"CLEANUP\((\w+)\)\s*(?:struct \w+|[\w ]+?)\s*\*?\s*(\w+);")
LEAVES = re.compile(r"\breturn\b|\bgoto\b")


def complaints(text):
    for match in LOCAL.finditer(text):
        name, rest = match[2], text[match.end():]
        end = re.search(r"^}", rest, re.M)
        body = rest[:end.start()] if end else rest
        made = re.search(r"&%s\b|\b%s\s*=[^=]" % (name, name), body)
        leaves = LEAVES.search(body)
        if leaves and (not made or leaves.start() < made.start()):
            yield text.count("\n", 0, match.start()) + 1, name


def main():
    bad = 0
    for path in source_files():
        if path.suffix != ".c":
            continue
        for line, name in complaints((TOP / path).read_text()):
            print("%s:%d: %s may be cleaned up before it is made" % (
                path, line, name))
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
