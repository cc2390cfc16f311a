#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every file that can hold a comment names its licence near the top."""

import sys

from files import TOP, source_files

TAG = b"SPDX-License-Identifier: BSD-2-Clause"
# Data, not text of ours, and the licence itself.
WITHOUT = {"LICENSE", ".gitignore", ".editorconfig", ".gitkeep"}


def main():
    bad = 0
    for path in source_files():
        if path.name in WITHOUT or "corpus" in path.parts[:-1]:
            if path.suffix != ".py":
                continue
        if TAG not in (TOP / path).read_bytes()[:600]:
            print("%s: no SPDX-License-Identifier line" % path)
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
