# SPDX-License-Identifier: BSD-2-Clause
"""A full disk: nothing half there, reading and deleting go on."""

import os
import pathlib
import subprocess
import tempfile

import pytest
from conftest import BUILD

TOOL = BUILD / "tests" / "tools" / "store_tool"


@pytest.fixture
def small_disk():
    """A store on a disk of some 400 KB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    path = pathlib.Path(tempfile.mkdtemp(prefix="hk-full-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs",
                    path], check=True)
    (path / "t").mkdir()
    (path / "t" / ".hikyaku-store").touch()
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)
        path.rmdir()


def tool(store, *command, text=b""):
    return subprocess.run([TOOL, store, "t", "a1", "INBOX",
                           *map(str, command)],
                          input=text, capture_output=True, check=False)


def messages(store):
    got = tool(store, "list")
    assert got.returncode == 0, got.stderr
    return [int(line.split()[0]) for line in got.stdout.splitlines()[1:]]


def fill(store):
    """Takes the last block."""
    with open(store / "ballast", "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass


def test_full_disk(small_disk):
    for number in (1, 2):
        assert tool(small_disk, "deliver",
                    text=b"x" * 20000).returncode == 0
    assert messages(small_disk) == [1, 2]
    # It arrives, and the disk is full before anybody looks.
    assert tool(small_disk, "deliver", text=b"x" * 4000).returncode == 0
    fill(small_disk)
    for command in (["deliver"], ["append", "S"]):
        got = tool(small_disk, *command, text=b"x" * 150000)
        assert got.returncode == 1
        assert got.stderr.startswith(b"limit: "), got.stderr
    assert [p for p in small_disk.rglob("tmp/*")] == []
    seen = messages(small_disk)
    assert seen in ([1, 2], [1, 2, 3])
    assert tool(small_disk, "flag", 1, "S").returncode == 0
    assert tool(small_disk, "expunge", 1).returncode == 0
    # There is room again: everything that was acknowledged is there.
    assert messages(small_disk) == [2, 3]
    assert tool(small_disk, "deliver", text=b"x").returncode == 0
    assert messages(small_disk) == [2, 3, 4]
    # What would be kept goes all the same when there is no room for the
    # directories; with room it is kept.
    fill(small_disk)
    assert tool(small_disk, "expunge", 2, 7).returncode == 0
    assert messages(small_disk) == [3, 4]
    (small_disk / "ballast").unlink()
    assert tool(small_disk, "expunge", 3, 7).returncode == 0
    assert messages(small_disk) == [4]
    got = tool(small_disk, "undelete")
    assert got.returncode == 0 and int(got.stdout) >= 1, got
    assert messages(small_disk)[0] == 4
