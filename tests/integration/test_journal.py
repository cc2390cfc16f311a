# SPDX-License-Identifier: BSD-2-Clause
"""deliveryd's journal from outside: trouble with the disk, what waits, and how
soon a session that waits is told."""

import poplib
import re
import statistics
import threading
import time

import pytest
from support.wire import Wire


pytestmark = pytest.mark.plain_only

YUKI, HANAKO = "yuki@midori.example", "hanako@aozora.example"


class Lmtp:
    """One connection that sends numbered messages."""

    def __init__(self, platform):
        self.wire = Wire(platform, "lmtp", tls=False)
        assert self.wire.smtp()[0] == 220
        assert self.wire.smtp(b"LHLO client.example")[0] == 250

    def send(self, number, to=YUKI, size=1000):
        """The code of the reply to the data."""
        w = self.wire
        assert w.smtp(b"MAIL FROM:<a@peer.example>")[0] == 250
        assert w.smtp(b"RCPT TO:<%s>" % to.encode())[0] == 250
        assert w.smtp(b"DATA")[0] == 354
        w.send(b"Subject: nr %d.\r\n\r\n%s\r\nend %d\r\n.\r\n" % (
            number, b"\r\n".join([b"x" * 70] * (size // 72)), number))
        return w.smtp()[0]


def numbers_in(platform, login):
    """Numbers of the messages, each whole."""
    with platform.imap(login) as imap:
        imap.select("INBOX", readonly=True)
        found = []
        for item in imap.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]:
            if isinstance(item, tuple):
                number = int(re.search(rb"Subject: nr (\d+)\.", item[1])[1])
                assert item[1].endswith(b"end %d\r\n" % number)
                found.append(number)
    return found


def used(platform):
    """Octets of all files in the store, each once however many names it has.
    """
    sizes = {p.stat().st_ino: p.stat().st_size
             for p in (platform.root / "store").rglob("*") if p.is_file()}
    return sum(sizes.values())


def test_full_disk_and_eio(power_platform):
    """452 and 451; what had a 250 is there; and it goes on."""
    platform = power_platform
    lmtp = Lmtp(platform)
    acknowledged = [n for n in range(20) if lmtp.send(n) == 250]
    assert len(acknowledged) == 20
    # Full: nothing is promised any more.
    platform.fs.command("limit %d" % used(platform))
    time.sleep(0.2)  # it is looked at ten times a second
    for number in range(100, 105):
        assert lmtp.send(number) == 452
        assert lmtp.send(1000 + number, size=300000) == 452
    platform.fs.command("limit 0")
    time.sleep(0.2)
    assert lmtp.send(200) == 250
    acknowledged.append(200)
    # The journal's disk is broken: again nothing is promised.
    mark = platform.log_mark()
    platform.fs.command("fail .journal/*")
    for number in range(300, 303):
        assert lmtp.send(number) in (451, 452)
    platform.wait_log(r"error: journal .*EIO", mark)
    platform.fs.command("fail -")
    deadline = time.monotonic() + 20
    while lmtp.send(400) != 250:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    # A mailbox's disk is broken: what was promised waits and is not lost.
    mark = platform.log_mark()
    platform.fs.command("fail midori/*")
    codes = [lmtp.send(number) for number in range(500, 505)]
    assert set(codes) <= {250, 451}
    acknowledged += [n for n, c in zip(range(500, 505), codes) if c == 250]
    assert 451 in codes
    platform.wait_log(r"error: message waits in the journal .*EIO", mark)
    status = platform.hikyaku("status").stdout
    assert re.search(r"^deliveryd: \d+ messages? waits? in the journal \(.*\),"
                     r" the oldest for \d+\.\d s$", status, re.M), status
    # Other brands' mail goes on.
    assert lmtp.send(600, to=HANAKO) == 250
    platform.fs.command("fail -")
    platform.wait_placed()
    found = numbers_in(platform, YUKI)
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)
    assert numbers_in(platform, HANAKO) == [600]


def places(platform, login):
    """{UID: number} as IMAP sees it."""
    with platform.imap(login) as imap:
        imap.select("INBOX", readonly=True)
        found = {}
        for item in imap.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]:
            if isinstance(item, tuple):
                uid = int(re.search(rb"UID (\d+)", item[0])[1])
                found[uid] = int(re.search(rb"nr (\d+)\.", item[1])[1])
    return found


def pop_delete(platform, login, count):
    """Deletes the first so many; answers their UIDs and whether QUIT was
    answered +OK."""
    pop = platform.pop(login)
    uids = [int(line.split()[1][:8], 16) for line in pop.uidl()[1][:count]]
    for index in range(1, count + 1):
        assert pop.retr(index)[0].startswith(b"+OK")
        pop.dele(index)
    try:
        return uids, pop.quit().startswith(b"+OK")
    except poplib.error_proto as e:
        assert b"[SYS" in e.args[0], e
        return uids, False


def try_to_change(platform, login, before):
    """IMAP and POP3 while the disk is full or broken: all can be read, and
    what is answered OK is so.  Answers what must be there then, and what may
    be."""
    must, may = dict(before), dict(before)
    with platform.imap(login) as imap:
        assert imap.select("INBOX")[1] == [b"%d" % len(before)]
        assert imap.append("INBOX", None, None, b"Subject: nr 9000.\r\n\r\n"
                           + b"y" * 3000 + b"end 9000\r\n")[0] == "NO"
        assert imap.uid("COPY", "1:*", "INBOX")[0] == "NO"
        assert imap.uid("COPY", "1:*", "Elsewhere")[0] == "NO"
        gone = sorted(before)[-1]
        answers = [
            imap.uid("STORE", str(gone), "+FLAGS", r"(\Deleted)")[0],
            imap.uid("EXPUNGE", str(gone))[0]]
        del must[gone]
        if answers == ["OK", "OK"]:
            del may[gone]
        assert imap.noop()[0] == "OK"
    uids, done = pop_delete(platform, login, 2)
    for uid in uids:
        del must[uid]
        if done:
            del may[uid]
    return must, may


def test_readers_when_the_disk_is_full_or_broken(power_platform):
    """POP3 and IMAP on that store: nothing is lost or doubled, and all goes
    on when there is room, or a disk, again."""
    platform = power_platform
    lmtp = Lmtp(platform)
    for login in (YUKI, HANAKO):
        for number in range(8):
            assert lmtp.send(number, to=login) == 250
        with platform.imap(login) as imap:
            imap.create("Elsewhere")
    for trouble, mended in ((lambda: "limit %d" % used(platform), "limit 0"),
                            (lambda: "fail */Maildir/*", "fail -")):
        for login in (YUKI, HANAKO):
            before = places(platform, login)
            platform.fs.command(trouble())
            must, may = try_to_change(platform, login, before)
            platform.fs.command(mended)
            after = places(platform, login)
            assert must.items() <= after.items() <= may.items()
            with platform.imap(login) as imap:
                imap.select("INBOX")
                assert imap.uid("COPY", "1:*", "Elsewhere")[0] == "OK"
            # What had no UID yet because it could not be written has one now.
            assert places(platform, login) == after
            assert pop_delete(platform, login, 1)[1]
    time.sleep(0.2)
    assert lmtp.send(300) == 250
    assert 300 in numbers_in(platform, YUKI)


def test_restart_finishes_what_waits(power_platform):
    """SIGKILL while nothing can be placed: it is placed at the start."""
    platform = power_platform
    lmtp = Lmtp(platform)
    assert lmtp.send(1) == 250
    platform.fs.command("fail midori/*")
    codes = [lmtp.send(number) for number in range(10, 12)]
    kept = [n for n, c in zip(range(10, 12), codes) if c == 250]
    assert kept
    killed = platform.kill("deliveryd")
    platform.fs.command("fail -")
    deadline = time.monotonic() + 20
    while not set(platform.pids("deliveryd")) - set(killed):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    platform.wait_placed()
    assert set(numbers_in(platform, YUKI)) >= {1, *kept}
    platform.wait_log(r"warning: messages were on their way count=\d")


@pytest.mark.alone
def test_who_waits_is_told_soon(platform):
    """IDLE hears of a message within 200 ms of its 250, also when there is
    more to do than one message."""
    imap = platform.imap(YUKI)
    imap.select("INBOX")
    imap.send(b"t1 IDLE\r\n")
    assert imap.readline().startswith(b"+")
    stopping = threading.Event()

    def others():
        with_one = Lmtp(platform)
        number = 0
        while not stopping.is_set():
            number += 1
            assert with_one.send(number, to=HANAKO) == 250

    crowd = [threading.Thread(target=others) for _ in range(10)]
    for thread in crowd:
        thread.start()
    lmtp, delays = Lmtp(platform), []
    try:
        for number in range(100):
            assert lmtp.send(1000 + number) == 250
            since = time.monotonic()
            while b"EXISTS" not in imap.readline():
                pass
            delays.append(time.monotonic() - since)
    finally:
        stopping.set()
        for thread in crowd:
            thread.join()
    imap.send(b"DONE\r\n")
    imap.shutdown()
    print("told after %.0f ms, 99 of 100 within %.0f ms" % (
        1000 * statistics.median(delays), 1000 * sorted(delays)[98]))
    assert statistics.median(delays) < 0.2
