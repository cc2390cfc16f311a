#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Includes point downward, and name their folder.

    smtpd pop3d imapd delivery milters master     row 3
    tenants store                                 row 2
    mime                                          row 1
    common                                        row 0

A file includes from its own room and from lower rows; tests include anything.
The first include of x.c is its own header, where it has one.
"""

import re
import sys

from files import TOP, source_files

ROW = {"common": 0, "mime": 1, "tenants": 2, "store": 2, "smtpd": 3,
       "pop3d": 3, "imapd": 3, "delivery": 3, "milters": 3, "master": 3}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def complaints(path, text, known):
    room = path.parts[0]
    included = INCLUDE.findall(text)
    for name in included:
        other = name.split("/")[0]
        if "/" not in name:
            yield 'includes "%s" without its folder' % name
        elif name not in known:
            yield 'includes "%s", which is not there' % name
        elif room in ROW and other not in ROW:
            yield 'includes "%s" from outside the rooms' % name
        elif room in ROW and other != room and ROW[other] >= ROW[room]:
            yield 'includes "%s", which is not below %s/' % (name, room)
    own = str(path.with_suffix(".h"))
    if path.suffix == ".c" and own in known and (
            not included or included[0] != own):
        yield 'does not include its own header "%s" first' % own


def main():
    files = [p for p in source_files() if p.suffix in (".c", ".h")]
    known = {str(p) for p in files}
    bad = 0
    for path in files:
        for complaint in complaints(path, (TOP / path).read_text(), known):
            print("%s: %s" % (path, complaint))
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
