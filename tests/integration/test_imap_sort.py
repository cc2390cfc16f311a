# SPDX-License-Identifier: BSD-2-Clause
"""SORT and THREAD: RFC 5256, 5957, 5267, and what Dovecot answers."""

import imaplib
import os
import random
import re

import pytest
from peers import Dovecot, PeerMissing

TARO = "taro@aozora.example"
BOX = "sorted"
SUBJECTS = ("hello", "Re: hello", "[list] hello", "Fwd: hello (fwd)", "HELLO",
            "zebra", "Re: zebra", "=?iso-2022-jp?B?GyRCMnE1RBsoQg==?=",
            "Re: =?utf-8?B?5Lya6K2w?=", "=?utf-8?q?caf=C3=A9?=", "cafe", "",
            "[fwd: zebra]", "_under", "Alpha", "  spaced   out ", "re", "Re:")
PEOPLE = ("Zoe <zoe@a.example>", '"ann b" <ann@b.example>', "ken@c.example",
          "=?utf-8?q?=C3=89mile?= <emile@d.example>", "ANN@z.example", "",
          "=?iso-2022-jp?B?GyRCPTVKcxsoQg==?= <shuho@e.example>",
          "team: one@f.example, two@g.example;")


def crowd(seed, count):
    """Messages that answer each other, with all that goes wrong in it."""
    chance = random.Random(seed)
    ids, messages = [], []
    for number in range(count):
        lines = []
        if chance.random() < 0.9:
            lines.append("Date: %s, %d Mar 2026 %02d:%02d:00 %s" % (
                "Mon", chance.randrange(1, 28), chance.randrange(24),
                chance.randrange(60),
                chance.choice(("+0000", "+0900", "-0800"))))
        subject = chance.choice(SUBJECTS)
        if chance.random() < 0.95:
            lines.append("Subject: " + subject)
        for field in ("From", "To", "Cc"):
            if chance.random() < 0.9:
                lines.append("%s: %s" % (field, chance.choice(PEOPLE)))
        own = "<%d.%d@x.example>" % (seed, number)
        if ids and chance.random() < 0.05:
            own = chance.choice(ids)
        if chance.random() < 0.95:
            lines.append("Message-ID: " + own)
        unknown = "<%d.gone%d@x.example>" % (seed, chance.randrange(8))
        if ids and chance.random() < 0.6:
            some = chance.sample(ids + [unknown], min(
                len(ids), chance.randrange(1, 4)))
            if chance.random() < 0.7:
                lines.append("References: " + "\r\n ".join(some))
            else:
                lines.append("In-Reply-To: your mail " + some[0])
        elif chance.random() < 0.3:
            lines.append("References: " + unknown)
        ids.append(own)
        messages.append(("\r\n".join(lines) + "\r\n\r\n" + "x" *
                         chance.randrange(200) + "\r\n").encode())
    return messages


def fill(imap, messages):
    imap.select("INBOX")
    imap.delete(BOX)
    assert imap.create(BOX)[0] == "OK"
    for number, message in enumerate(messages):
        day = '"%02d-Apr-2026 10:00:00 +0000"' % (1 + number * 7 % 28)
        assert imap.append(BOX, None, day, message)[0] == "OK"
    assert imap.select(BOX)[0] == "OK"


def answer(imap, command, *args):
    """The one untagged answer to SORT, THREAD, ..."""
    kind, data = imap.xatom(command, *args)
    assert kind == "OK", data
    name = command if args[0][:6] != "RETURN" else "ESEARCH"
    if command == "UID":
        name = args[0].split()[0]
    data = imap.response(name)[1]
    return (data[-1] or b"") if data else b""


def threads(answered):
    """The threads of an answer, each with its parentheses."""
    depth, begin, found = 0, 0, []
    for at, octet in enumerate(answered):
        depth += (octet == ord("(")) - (octet == ord(")"))
        if depth == 0:
            found.append(answered[begin:at + 1])
            begin = at + 1
    return found


@pytest.fixture
def ours(platform):
    imap = platform.imap(TARO)
    for name in ("SORT", "THREAD"):
        imaplib.Commands.setdefault(name, ("SELECTED",))
    yield imap
    imap.shutdown()


CRITERIA = ["(%s)" % c for c in (
    "ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM",
    "DISPLAYTO", "REVERSE DATE", "SUBJECT REVERSE DATE", "REVERSE SUBJECT",
    "FROM SUBJECT SIZE", "REVERSE DISPLAYTO REVERSE ARRIVAL")]


@pytest.mark.plain_only
@pytest.mark.root_only
def test_as_dovecot(ours):
    """The same answers as another implementation's, over random mail."""
    try:
        dovecot = Dovecot()
    except PeerMissing as e:
        assert os.environ.get("CI") != "true", str(e)
        pytest.skip(str(e))
    differ = []
    with dovecot:
        theirs = imaplib.IMAP4("127.0.0.1", dovecot.ports["imap"], timeout=30)
        theirs.login("yuki", dovecot.password)
        for seed in range(2):
            messages = crowd(seed, 60)
            for imap in (ours, theirs):
                fill(imap, messages)
            for command, args in [
                    *(("SORT", (c, "UTF-8", "ALL")) for c in CRITERIA),
                    *(("THREAD", (a, "UTF-8", "ALL")) for a in (
                        "ORDEREDSUBJECT", "REFERENCES", "REFS"))]:
                mine, other = (answer(i, command, *args)
                               for i in (ours, theirs))
                # The draft of REFS leaves open where a thread without its
                # first message stands.
                if args[0] == "REFS":
                    mine, other = (b"".join(sorted(threads(t)))
                                   for t in (mine, other))
                if mine != other:
                    differ.append("%d %s %s\n  ours  %s\n  other %s" % (
                        seed, command, args[0], mine.decode(),
                        other.decode()))
        theirs.logout()
    assert not differ, "\n".join(differ)


def test_sort(ours):
    """RFC 5256 section 3, from cold and from the cache; UID and not."""
    fill(ours, [
        b"Subject: Re: b\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n\r\nx",
        b"Subject: a\r\nDate: Mon, 2 Mar 2026 10:00:00 +0900\r\n\r\nxxxx",
        b"Subject: B\r\nDate: Sun, 1 Mar 2026 10:00:00 +0000\r\n\r\nxx"])
    for _ in range(2):
        assert answer(ours, "SORT", "(SUBJECT)", "UTF-8", "ALL") == b"2 1 3"
    assert answer(ours, "SORT", "(SUBJECT REVERSE DATE)", "US-ASCII",
                  "ALL") == b"2 1 3"
    assert answer(ours, "SORT", "(SUBJECT DATE)", "UTF-8", "ALL") == b"2 3 1"
    assert answer(ours, "SORT", "(DATE)", "UTF-8", "SUBJECT b") == b"3 1"
    assert answer(ours, "SORT", "(REVERSE SIZE)", "UTF-8", "ALL") == b"1 2 3"
    assert answer(ours, "SORT", "(DATE)", "UTF-8", 'TEXT "none"') == b""
    uids = ours.uid("SEARCH", "ALL")[1][0].split()
    assert ours.uid("SORT", "(DATE)", "UTF-8", "ALL")[1][0].split() == [
        uids[2], uids[1], uids[0]]


def test_esort(ours):
    """RFC 5267 section 3."""
    fill(ours, [b"Subject: %s\r\n\r\nx" % s for s in (b"c", b"a", b"b")])
    assert re.fullmatch(
        rb'\(TAG "[^"]+"\) ALL 2:3,1',
        answer(ours, "SORT", "RETURN ()", "(SUBJECT)", "UTF-8", "ALL"))
    assert re.fullmatch(
        rb'\(TAG "[^"]+"\) MIN 2 MAX 1 COUNT 3',
        answer(ours, "SORT", "RETURN (MIN MAX COUNT)", "(SUBJECT)", "UTF-8",
               "ALL"))


@pytest.mark.parametrize("command", [
    "SORT () UTF-8 ALL", "SORT (COLOUR) UTF-8 ALL", "SORT (DATE UTF-8 ALL",
    "SORT (DATE) UTF-8", "SORT (REVERSE) UTF-8 ALL", "SORT DATE UTF-8 ALL",
    "THREAD NONE UTF-8 ALL", "THREAD REFERENCES UTF-8", "THREAD UTF-8 ALL",
    "SORT RETURN (WHAT) (DATE) UTF-8 ALL"])
def test_bad(ours, command):
    fill(ours, [])
    with pytest.raises(Exception, match="BAD"):
        ours.xatom(*command.split(" ", 1))


def test_charset(ours):
    """RFC 5256: NO with BADCHARSET."""
    fill(ours, [b"Subject: a\r\n\r\nx"])
    for command in ("SORT (DATE)", "THREAD REFERENCES"):
        kind, data = ours.xatom(*command.split(" ", 1), "X-NONE", "ALL")
        assert kind == "NO" and b"BADCHARSET" in data[0]
