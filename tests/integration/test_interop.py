# SPDX-License-Identifier: BSD-2-Clause
"""Other people's servers at the far end, and on the same Maildir."""

import imaplib
import os
import poplib
import re
import shutil
import smtplib
import subprocess
import time

import pytest
from peers import Dovecot, Exim, OpenSmtpd, PeerMissing, Postfix

YUKI, KEN = "yuki@midori.example", "ken@midori.example"


def peer(cls, *args, **kwargs):
    try:
        return cls(*args, **kwargs)
    except PeerMissing as e:
        assert os.environ.get("CI") != "true", str(e)
        pytest.skip(str(e))


@pytest.mark.parametrize("name", ["postfix", "exim", "opensmtpd"])
def test_mta_delivers(empty, name):
    """Mail that another MTA took comes to our MX and into the INBOX."""
    port = empty.ports["mx"]
    mta = {
        "postfix": lambda: peer(Postfix, transports={
            "midori.example": "smtp:[127.0.0.1]:%d" % port}),
        "exim": lambda: peer(Exim, routes={"midori.example": port}),
        "opensmtpd": lambda: peer(OpenSmtpd, routes={"midori.example": port}),
    }[name]()
    body = b"".join(b".line %d\r\n" % i for i in range(2000))
    with mta:
        with smtplib.SMTP("127.0.0.1", mta.ports["smtp"]) as smtp:
            for number in range(5):
                smtp.sendmail("a@peer.example", [YUKI],
                              b"Subject: %s %d\r\n\r\n" % (
                                  name.encode(), number) + body)
        deadline = time.monotonic() + 30
        while True:
            pop = empty.pop(YUKI)
            count = pop.stat()[0]
            if count == 5:
                break
            pop.quit()
            assert time.monotonic() < deadline, mta.log()
            time.sleep(0.2)
    for number in range(1, 6):
        octets = b"\r\n".join(pop.retr(number)[1]) + b"\r\n"
        assert octets.endswith(b"\r\n\r\n" + body)
    pop.quit()


def maildir(platform, login):
    """The Maildir of an account, found by a message in it."""
    mark = b"find me %d" % time.time_ns()
    platform.send(b"Subject: x\r\n\r\n%s\r\n" % mark, to=login)
    for path in (platform.root / "store").rglob("*"):
        if path.is_file() and path.parent.name in ("new", "cur") \
                and mark in path.read_bytes():
            return path.parent.parent
    raise AssertionError("the message is in no Maildir")


def view(imap, pop):
    """What a client keeps: UIDVALIDITY, UIDs with flags, unique ids."""
    imap.select("INBOX", readonly=True)
    validity = imap.response("UIDVALIDITY")[1][0]
    flags = {}
    for item in imap.fetch("1:*", "(UID FLAGS)")[1]:
        uid = int(re.search(rb"UID (\d+)", item)[1])
        found = set(re.search(rb"FLAGS \(([^)]*)\)", item)[1].split())
        flags[uid] = found - {b"\\Recent"}
    return validity, flags, [s.split()[1] for s in pop.uidl()[1]]


def sync(source, target, owner):
    """Makes target's content that of source, as a migration would; the
    directory itself stays, since a session process may have it open."""
    target.mkdir(exist_ok=True)
    for entry in target.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    for tries in range(5):
        # A file that the other server replaces meanwhile makes cp complain.
        got = subprocess.run(["cp", "-a", "%s/." % source, target],
                             check=False, capture_output=True, text=True)
        if got.returncode == 0:
            break
        time.sleep(0.2)
    assert got.returncode == 0, got.stderr
    subprocess.run(["chown", "-R", "%d:%d" % (owner, owner), target],
                   check=True)


def test_dovecot_takes_the_tree_and_gives_it_back(fresh_platform):
    """UIDs, UIDVALIDITY, flags and unique ids survive the move to Dovecot and
    the move back; what came meanwhile is there."""
    platform = fresh_platform
    where = maildir(platform, KEN)
    for number in range(4):
        platform.send(b"Subject: %d\r\n\r\nx\r\n" % number, to=KEN)
    with platform.imap(KEN) as imap:
        imap.select("INBOX")
        imap.store("2", "+FLAGS", r"(\Seen \Flagged Urgent)")
        imap.store("3", "+FLAGS", r"(\Deleted)")
        imap.expunge()
    with platform.imap(KEN) as imap:
        pop = platform.pop(KEN)
        ours = view(imap, pop)
        pop.quit()
    dovecot = peer(Dovecot)
    dovecot.users = (*dovecot.users, "ken")
    home = dovecot.root.path("/srv/mail/ken")
    home.mkdir(parents=True, exist_ok=True)
    os.chown(home, 61003, 61003)
    sync(where, home / "Maildir", 61003)
    with dovecot:
        with smtplib.LMTP("127.0.0.1", dovecot.ports["lmtp"]) as lmtp:
            lmtp.sendmail("a@peer.example", ["ken@peer.example"],
                          b"Subject: by dovecot\r\n\r\nx\r\n")
        with imaplib.IMAP4("127.0.0.1", dovecot.ports["imap"]) as imap:
            imap.login("ken", dovecot.password)
            pop = poplib.POP3("127.0.0.1", dovecot.ports["pop3"])
            pop.user("ken")
            pop.pass_(dovecot.password)
            theirs = view(imap, pop)
            pop.quit()
            imap.select("INBOX")
            imap.store("1", "+FLAGS", r"(\Answered)")
        sync(home / "Maildir", where, where.stat().st_uid)
    assert theirs[0] == ours[0]
    for uid, flags in ours[1].items():
        assert theirs[1][uid] == flags
    assert len(theirs[1]) == len(ours[1]) + 1
    with platform.imap(KEN) as imap:
        pop = platform.pop(KEN)
        back = view(imap, pop)
        pop.quit()
    assert back[0] == ours[0]
    assert set(back[1]) == set(theirs[1])
    first = min(back[1])
    assert b"\\Answered" in back[1][first]
    assert back[2][:len(ours[2])] == ours[2], "unique ids changed"
