# SPDX-License-Identifier: BSD-2-Clause
"""The platform without root: everything runs as the current user."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
from conftest import TOP

UID = 62301

SCRIPT = """
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from support.platform import Platform
root, installed = sys.argv[2:]
platform = Platform(root, "/nonexistent", installed=installed)
try:
    platform.create()
    platform.start()
    octets = b"Subject: no root\\r\\n\\r\\n.x\\r\\n"
    platform.send(octets, to="yuki@midori.example",
                  sender="hanako@aozora.example", service="submission",
                  login="hanako@aozora.example")
    pop = platform.pop("yuki@midori.example")
    assert b"\\r\\n".join(pop.retr(1)[1]).endswith(b".x")
    pop.quit()
    with platform.imap("yuki@midori.example") as imap:
        assert imap.select("INBOX")[1] == [b"1"]
    uids = {os.stat("/proc/%d" % p).st_uid for p in platform.processes()}
    print("uids", uids, "processes", len(platform.processes()))
    assert uids == {os.getuid()}
    platform.stop()
    assert not platform.processes()
    print("done")
finally:
    print(platform.log_tail())
    platform.destroy()
"""


def test_without_root(installed):
    """Mail flows in, out by POP3 and by IMAP, under one ordinary user."""
    # That user need not be able to read the checkout.
    base = pathlib.Path(tempfile.mkdtemp(prefix="hk-user-"))
    argv = ["/usr/bin/python3", "-c", SCRIPT, base / "tests", base / "root",
            installed]
    try:
        for d in ("support",):
            shutil.copytree(TOP / "tests" / d, base / "tests" / d)
        shutil.copytree(TOP / "tenants" / "ldap", base / "tenants" / "ldap")
        (base / "root").mkdir()
        if os.geteuid() == 0:
            os.chown(base / "root", UID, UID)
            argv = ["setpriv", "--reuid", UID, "--regid", UID,
                    "--clear-groups", *argv]
        base.chmod(0o755)
        got = subprocess.run(
            [str(a) for a in argv], capture_output=True, text=True,
            timeout=180, check=False, cwd=base,
            env={**os.environ, "HOME": str(base / "root")})
        assert got.returncode == 0, got.stdout + got.stderr
        assert "done" in got.stdout
    finally:
        shutil.rmtree(base, ignore_errors=True)


@pytest.mark.root_only
def test_closed_directory_is_named():
    """As root, a directory that the daemons' users cannot pass is refused by
    name."""
    from support.platform import Platform
    base = pathlib.Path(tempfile.mkdtemp(prefix="hk-closed-"))
    try:
        base.chmod(0o755)
        (base / "closed").mkdir(mode=0o700)
        with pytest.raises(RuntimeError) as refused:
            Platform(base / "closed" / "demo", "/nonexistent").create()
        assert "cannot pass %s (mode 0700)" % (base / "closed") in str(
            refused.value)
    finally:
        shutil.rmtree(base)
