# SPDX-License-Identifier: BSD-2-Clause
"""Things that somebody else's program, or a bad disk, left in a mailbox: POP3
and IMAP serve everything else, and say so once in the log."""

import os
import re
import socket

import pytest
from support.platform import PASSWORD
from support.wire import Wire

YUKI = "yuki@midori.example"
LARGE = b"Subject: large\r\n\r\n" + (
    b"%070d\r\n" % 7) * (8 * 1024 * 1024 // 72)


def message(name):
    return b"Subject: %s\r\n\r\nbody of %s\r\n" % (name, name)


def maildir(platform):
    """Yuki's, which got a message for that."""
    platform.send(message(b"first"))
    platform.wait_placed()
    for path in platform.root.glob("store/midori/*/*/Maildir/*/*"):
        if path.parent.name in ("new", "cur") and (
                b"body of first" in path.read_bytes()):
            return path.parents[1]
    raise AssertionError("no file has the message")


def plant(box, owner, name, octets, mode=0o600):
    path = box / "cur" / name
    path.write_bytes(octets)
    os.chown(path, owner.st_uid, owner.st_gid)
    path.chmod(mode)


@pytest.fixture
def planted(empty):
    """Three messages that can be read among all that cannot."""
    box = maildir(empty)
    owner = box.stat()
    cur = box / "cur"
    plant(box, owner, "1.M2.second:2,", message(b"second"))
    # No size in its name: LIST has to read it.
    plant(box, owner, "1.M3.locked:2,", message(b"locked"), 0)
    plant(box, owner, "1.M4.third:2,", message(b"third"))
    (cur / "1.M5.directory:2,").mkdir()
    (cur / "1.M5.directory:2,/x").write_text("x")
    os.mkfifo(cur / "1.M6.fifo:2,")
    (cur / "1.M7.link:2,S").symlink_to("1.M2.second:2,")
    (cur / "1.M8.dangling:2,").symlink_to("/nowhere")
    here = os.open(".", os.O_PATH)
    with socket.socket(socket.AF_UNIX) as s:
        os.chdir(cur)
        s.bind("1.M9.socket")
        os.fchdir(here)
    os.close(here)
    os.mkfifo(box / "new" / "2.M1.fifo")
    yield empty
    for part in ("cur", "new"):
        for path in (box / part).iterdir():
            if path.is_dir() and not path.is_symlink():
                (path / "x").unlink()
                path.rmdir()
            elif not path.is_file() or path.is_symlink():
                path.unlink()
            else:
                path.chmod(0o600)


def test_pop3(planted):
    mark = planted.log_mark()
    for _ in range(2):
        pop = planted.pop(YUKI)
        assert pop.stat()[0] == 4
        sizes = {int(line.split()[0]): int(line.split()[1])
                 for line in pop.list()[1]}
        ids = [line.split()[1] for line in pop.uidl()[1]]
        assert len(set(ids)) == 4
        got = {}
        for number in range(1, 5):
            try:
                text = b"\r\n".join(pop.retr(number)[1]) + b"\r\n"
            except Exception as refused:
                assert sizes[number] == 0
                assert re.search(r"-ERR \[SYS/PERM\]", str(refused))
            else:
                name = re.search(rb"body of (\w+)", text)[1]
                assert text.endswith(message(name))
                got[name] = number
        assert sorted(got) == [b"first", b"second", b"third"]
        pop.quit()
    log = planted.log_since(mark)
    told = re.findall(r".*what is no regular file is no message.*", log)
    assert len(told) == 2, log
    assert sum("in=cur" in line and "count=5" in line
               for line in told) == 1, told
    assert sum("in=new" in line and "count=1" in line
               for line in told) == 1, told
    # Once a session, with its cause.
    assert len(re.findall(r"messages cannot be read.* count=1 .*"
                          r"errno=EACCES", log)) == 2, log


def test_imap(planted):
    with planted.imap(YUKI) as imap:
        assert imap.select("INBOX")[1] == [b"4"]
        status, lines = imap.fetch("1:4", "(FLAGS BODY.PEEK[])")
        assert status == "NO"
        # What can be read came all the same.
        seen = b"".join(part for line in imap.untagged_responses.get(
            "FETCH", []) if isinstance(line, tuple) for part in line)
        for name in (b"first", b"second", b"third"):
            assert message(name) in seen, (lines, seen)
        assert imap.search(None, "BODY", '"body of"')[1] == [b"1 2 4"] or (
            len(imap.search(None, "BODY", '"body of"')[1][0].split()) == 3)
        assert imap.search(None, "SUBJECT", "third")[0] == "OK"
    planted.wait_log(r"messages not searched.* count=1 ")


def session(platform):
    w = Wire(platform, "pop3s")
    w.line()
    w.pop3(b"USER " + YUKI.encode())
    assert w.pop3(b"PASS " + PASSWORD.encode()).startswith(b"+OK")
    return w


def large_file(box):
    return max((path for path in (box / "cur").iterdir()),
               key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_cut_short_while_it_is_sent(empty, protocol):
    """The connection ends, since its length was told already; no other one
    notices."""
    box = maildir(empty)
    empty.send(LARGE)
    empty.wait_placed()
    pids = None
    if protocol == "pop3":
        with session(empty) as w:
            pids = empty.pids("pop3d session")
            w.send(b"RETR 2\r\n")
            assert int(w.line().split()[1]) > len(LARGE)
            os.truncate(large_file(box), 100000)
            read = 0
            while octets := w.file.read(65536):
                read += len(octets)
            assert read < len(LARGE)
        with session(empty) as w:
            assert w.pop3(b"RETR 1").startswith(b"+OK")
        assert empty.pids("pop3d session") == pids
    else:
        with Wire(empty, "imaps") as w:
            w.line()
            w.imap(b"LOGIN %s %s" % (YUKI.encode(), PASSWORD.encode()))
            assert w.imap(b"SELECT INBOX")[-1].startswith(b"t OK")
            pids = empty.pids("imapd session")
            w.send(b"t FETCH 2 BODY.PEEK[]\r\n")
            assert int(w.line().split(b"{")[1][:-1]) > len(LARGE)
            os.truncate(large_file(box), 100000)
            read = 0
            while octets := w.file.read(65536):
                read += len(octets)
            assert read < len(LARGE)
        with empty.imap(YUKI) as imap:
            imap.select("INBOX")
            assert imap.fetch("1", "BODY.PEEK[]")[0] == "OK"
        assert empty.pids("imapd session") == pids
