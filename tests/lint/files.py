# SPDX-License-Identifier: BSD-2-Clause
"""The files of the source tree that lint looks at."""

import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
MADE = ("build/", "demo/", "autom4te.cache/", ".git/")


def source_files():
    """Paths relative to TOP: what git tracks, or all that is not made."""
    got = subprocess.run(["git", "ls-files", "-z"], cwd=TOP,
                         capture_output=True, text=True, check=False)
    if got.returncode == 0 and got.stdout:
        return [pathlib.Path(p) for p in got.stdout.split("\0")
                if p and (TOP / p).is_file()]
    return [p.relative_to(TOP) for p in TOP.rglob("*") if p.is_file()
            and not str(p.relative_to(TOP)).startswith(MADE)]
