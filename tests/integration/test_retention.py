# SPDX-License-Identifier: BSD-2-Clause
"""Deleted mail comes back, and old mail goes, as operators and users see it."""

import os
import re
import signal
import subprocess
import time

import pytest

HANAKO, YUKI = "hanako@aozora.example", "yuki@midori.example"
MIDORI = "ou=midori,ou=tenants,o=hikyaku"
OLD = 1000000000


def modify(platform, dn, **values):
    platform.ldap("ldapmodify", "dn: %s\nchangetype: modify\n" % dn + "".join(
        "replace: %s\n%s-\n" % (name, "" if value is None else "%s: %s\n" % (
            name, value)) for name, value in values.items()))


def eventually(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def maildir(platform, login):
    """Found by a message in it, which is then deleted and not kept."""
    mark = b"find me %d" % time.time_ns()
    platform.send(b"Subject: x\r\n\r\n%s\r\n" % mark, to=login)
    platform.wait_placed()
    for path in (platform.root / "store").rglob("*"):
        if path.is_file() and path.parent.name in ("new", "cur") \
                and mark in path.read_bytes():
            path.unlink()
            return path.parent.parent
    raise AssertionError("the message is in no Maildir")


def subjects(platform, login, mailbox="INBOX"):
    with platform.imap(login) as imap:
        assert imap.select(mailbox, readonly=True)[0] == "OK"
        got = imap.uid("FETCH", "1:*",
                       "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        return [part[1].split(b":", 1)[1].strip().decode() for part in got
                if isinstance(part, tuple)]


def put_old(where, count, start=0):
    """Messages that came long ago."""
    owner = where.stat()
    for number in range(start, start + count):
        path = where / "cur" / ("%d.M%dP1.old:2,S" % (OLD, number))
        path.write_bytes(b"Subject: old %d\n\nold\n" % number)
        os.utime(path, (OLD, OLD))
        os.chown(path, owner.st_uid, owner.st_gid)


@pytest.fixture
def inbox_days(platform):
    """midori removes what is older than a day."""
    modify(platform, MIDORI, hkInboxDays=1)
    assert eventually(lambda: "hkInboxDays: 1" in platform.hikyaku(
        "account", "settings", YUKI).stdout)
    yield
    modify(platform, MIDORI, hkInboxDays=None)


def test_expunged_mail_comes_back(platform):
    where = maildir(platform, HANAKO)
    with platform.imap(HANAKO) as imap:
        imap.append("INBOX", r"(\Flagged $Work)",
                    '"24-Nov-2025 10:00:00 +0000"', b"Subject: one\r\n\r\n1")
        imap.append("INBOX", None, None, b"Subject: two\r\n\r\n2")
        imap.select("INBOX")
        imap.store("1:2", "+FLAGS.SILENT", r"(\Deleted)")
        imap.expunge()
    told = platform.hikyaku("mailbox", "undelete", "-n", HANAKO).stdout
    assert re.search(r"^\d{4}-\d\d-\d\d +2  INBOX$", told, re.M), told
    assert "2 messages" in told
    assert subjects(platform, HANAKO) == []
    told = platform.hikyaku("mailbox", "undelete", HANAKO).stdout
    assert "2 messages" in told
    with platform.imap(HANAKO) as imap:
        imap.select("INBOX")
        got = imap.fetch("1:2", "(FLAGS INTERNALDATE UID)")[1]
        assert b"\\Flagged" in got[0] and b"$Work" in got[0], got
        assert b"\\Deleted" not in got[0]
        assert b"24-Nov-2025 10:00:00 +0000" in got[0]
        assert b"UID 3" in got[0] and b"UID 4" in got[1]
    assert subjects(platform, HANAKO) == ["one", "two"]
    for path in where.rglob("*"):
        st = path.lstat()
        assert st.st_uid == where.stat().st_uid, path
        assert st.st_mode & 0o077 == 0, path
    assert "0 messages" in platform.hikyaku(
        "mailbox", "undelete", HANAKO).stdout
    platform.empty(HANAKO)


def test_what_pop3_deletes_comes_back(platform):
    platform.send(b"Subject: popped\r\n\r\nx\r\n", to=YUKI)
    platform.wait_placed()
    pop = platform.pop(YUKI)
    uidl = pop.uidl(1)
    pop.dele(1)
    pop.quit()
    assert subjects(platform, YUKI) == []
    platform.hikyaku("mailbox", "undelete", "-m", "INBOX", YUKI)
    pop = platform.pop(YUKI)
    assert pop.uidl(1) != uidl  # so that the client fetches it
    pop.dele(1)
    pop.quit()


def test_refusals(platform):
    assert platform.hikyaku("mailbox", "undelete", "nobody@aozora.example",
                            check=False).returncode == 4
    assert platform.hikyaku("mailbox", "undelete", "-s", "yesterday", HANAKO,
                            check=False).returncode == 2
    assert platform.hikyaku("mailbox", "burn", HANAKO,
                            check=False).returncode == 2


@pytest.mark.root_only
def test_undelete_killed(platform):
    """kill -9 in the middle: nothing is lost, and little is there twice."""
    count = 300
    where = maildir(platform, HANAKO)
    put_old(where, count)
    platform.empty(HANAKO)
    kills = 0
    for _ in range(4):
        run = subprocess.Popen([*platform.command, "mailbox", "undelete",
                                HANAKO], start_new_session=True,
                               stdout=subprocess.DEVNULL)
        time.sleep(0.03 * (kills + 1))
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            kills += 1
        run.wait()
    platform.hikyaku("mailbox", "undelete", HANAKO)
    found = [s for s in subjects(platform, HANAKO) if s.startswith("old")]
    assert set(found) == {"old %d" % n for n in range(count)}
    assert len(found) <= count + 64 * kills
    platform.empty(HANAKO)


@pytest.mark.root_only
def test_old_mail_goes(platform, inbox_days):
    where = maildir(platform, YUKI)
    put_old(where, 20)
    platform.send(b"Subject: fresh\r\n\r\nx\r\n", to=YUKI)
    platform.wait_placed()
    # A link out of the store is left alone with what is behind it.
    outside = platform.root / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "1.M1P1.x").write_bytes(b"x")
    os.utime(outside / "1.M1P1.x", (OLD, OLD))
    trap = where / ".Trap"
    trap.symlink_to(outside)
    told = platform.hikyaku("store", "purge", "midori").stdout
    assert " 20 messages removed" in told and " 0 failed" in told, told
    assert subjects(platform, YUKI) == ["fresh"]
    assert (outside / "1.M1P1.x").exists()
    trap.unlink()
    # The other brand has no such days.
    theirs = maildir(platform, HANAKO)
    put_old(theirs, 2)
    assert platform.hikyaku("store", "purge", "-q", "aozora").stdout == ""
    assert len(subjects(platform, HANAKO)) == 2
    platform.empty(HANAKO)
    # And what was deleted long ago is gone for good.
    day, = (theirs / "hikyaku-deleted").iterdir()
    day.rename(day.with_name("20200101"))
    told = platform.hikyaku("store", "purge", "aozora").stdout
    assert re.search(r" [1-9]\d* deleted ones gone for good", told), told
    assert not (theirs / "hikyaku-deleted" / "20200101").exists()
    platform.empty(YUKI)


@pytest.mark.root_only
def test_purge_killed(platform, inbox_days):
    """It is killed again and again, and at last nothing old is there, nothing
    new is gone, and the quota is right."""
    where = maildir(platform, YUKI)
    platform.empty(YUKI)
    put_old(where, 400)
    platform.send(b"Subject: fresh\r\n\r\nx\r\n", to=YUKI)
    platform.wait_placed()

    def left():
        return len(list((where / "cur").glob("*.old:*")))

    for _ in range(3):
        before = left()
        run = subprocess.Popen([*platform.command, "store", "purge", "-r",
                                "2000", "midori"], start_new_session=True,
                               stdout=subprocess.DEVNULL)
        eventually(lambda b=before: left() < b)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert " 0 failed" in platform.hikyaku("store", "purge", "midori").stdout
    assert left() == 0
    assert subjects(platform, YUKI) == ["fresh"]
    platform.empty(YUKI)


def test_it_runs_at_night(make_platform):
    now = time.localtime(time.time() + 2)
    platform = make_platform(
        {"store": ["purge-at = \"%02d:%02d\"" % (now.tm_hour, now.tm_min)]})
    platform.wait_log(r"old mail purged.*accounts", seconds=20)
    assert "ended badly" not in platform.log()
    conf = platform.root / "bad.conf"
    text = platform.conf_text()
    conf.write_text(re.sub(r'purge-at = "[^"]*"', 'purge-at = "25:00"', text))
    got = subprocess.run([platform.command[0], "-c", conf, "check"],
                         capture_output=True, text=True, check=False)
    assert got.returncode == 1 and "expected HH:MM" in got.stderr, got
