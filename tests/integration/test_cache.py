# SPDX-License-Identifier: BSD-2-Clause
"""The message cache of imapd: it changes no answer, whatever happens to it."""

import imaplib
import os
import pathlib
import random
import re
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest
from support.platform import TENANT_UIDS

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from corpus import generate  # noqa: E402

HANAKO = "hanako@aozora.example"
SEED = int(os.environ.get("HK_SEED", "7"))

FETCHES = [
    "FETCH 1:* ENVELOPE",
    "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
    "FETCH 1:* ALL",
    "FETCH 1:* FULL",
    "UID FETCH 3,5:7,20:* (ENVELOPE RFC822.SIZE)",
    "FETCH 9 (ENVELOPE BODY.PEEK[HEADER])",
    "FETCH 1:* BODYSTRUCTURE",
    "FETCH 2:30 (BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date "
    "Message-ID References In-Reply-To Content-Type Reply-To X-Priority)])",
    "FETCH 1:* BODY.PEEK[HEADER.FIELDS (Received \"X-Mailer\" subject)]",
    "FETCH 1:9 BODY.PEEK[HEADER.FIELDS.NOT (Received)]",
    "FETCH 1:* BODY.PEEK[HEADER.FIELDS (Subject)]<5.20>",
]


def corpus():
    """Messages for one mailbox, some of our own besides."""
    made = [octets for _, octets in generate.messages()][:120]
    long = b"x" * 60
    made += [
        b"Subject:\r\n\r\nempty\r\n",
        b"Subject: one\r\nSubject: TWO\r\nFrom: a@b.example\r\n\r\n",
        b"subject : spaces before\r\nTo: x\r\n\ty@z\r\n\r\n",
        b"\r\nno header\r\n",
        b"no header at all\r\n",
        b"Subject: " + b" ".join([long] * 300) + b"\r\n\r\nlong\r\n",
        b"To: " + b",\r\n ".join(b"u%d@many.example" % i
                                 for i in range(900)) + b"\r\n\r\n",
        b"Received: " + b"\r\n ".join([long] * 400)
        + b"\r\nSubject: behind a long field\r\n\r\n",
        b"Date: Thu, 1 Jan 1970 00:00:00 +0000\r\nSubject: old\r\n\r\n",
        b"Date: whenever\r\nSubject: =?x-none?Q?a=E4?= b\r\n\r\n",
    ]
    return made


def searches(messages, count=120):
    """Keys that find some of the messages, or none."""
    rng = random.Random(SEED)
    words = sorted({word.decode() for octets in messages for word in
                    re.findall(rb"[0-9A-Za-z@.-]{2,}",
                               octets.split(b"\r\n\r\n")[0])})
    names = ["SUBJECT", "FROM", "TO", "CC", "BCC", "HEADER Message-ID",
             "HEADER Subject", "HEADER References", "HEADER Sender",
             "HEADER X-Mailer", "HEADER In-Reply-To", "HEADER Reply-To",
             "HEADER List-Id", "HEADER Received"]

    def key(depth=2):
        what = rng.randrange(12)
        if what == 0 and depth:
            return "NOT %s" % key(depth - 1)
        if what == 1 and depth:
            return "OR %s %s" % (key(depth - 1), key(depth - 1))
        if what == 2:
            return rng.choice(["SENTBEFORE", "SENTON", "SENTSINCE"]) \
                + rng.choice([" 24-Nov-2026", " 1-Jan-1970", " 1-Jan-2000"])
        if what == 3:
            return rng.choice(["BEFORE", "ON", "SINCE"]) + rng.choice(
                [" 24-Nov-2026", " 1-Jan-1990", time.strftime(" %d-%b-%Y")])
        if what == 4:
            return rng.choice(["LARGER", "SMALLER"]) + " %d" % (
                rng.randrange(3000))
        word = rng.choice(words)
        at = rng.randrange(len(word))
        word = word[at:at + rng.randrange(12)]
        word = rng.choice([word, word.upper(), word.lower()])
        return '%s "%s"' % (rng.choice(names), word)

    made = ["SEARCH " + key() for _ in range(count)]
    for text in ("会議", "飛脚", "ｱｲｳ", "株", "äpfel"):
        octets = text.encode()
        made.append("SEARCH CHARSET UTF-8 SUBJECT {%d+}\r\n%s" % (
            len(octets), text))
        made.append("SEARCH CHARSET UTF-8 FROM {%d+}\r\n%s" % (
            len(octets), text))
    return made


class Box:
    """The mailbox and what is asked about it."""

    def __init__(self, platform):
        self.platform = platform
        self.messages = corpus()
        self.commands = FETCHES + searches(self.messages)
        self.directory = (platform.root / "store" / "aozora"
                          / "imapd-cache-0")
        with platform.imap(HANAKO) as imap:
            imap.create("Corpus")
            for number, octets in enumerate(self.messages):
                assert imap.append("Corpus", None, '"%02d-Oct-2026 10:00:00 '
                                   '+0000"' % (number % 28 + 1),
                                   octets)[0] == "OK"

    def session(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                imap = self.platform.imap(HANAKO)
                break
            except imaplib.IMAP4.error:
                # It met the session process while that was killed, or the
                # next one was not up in time.
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert imap.select("Corpus", readonly=True)[0] == "OK"
        return imap

    def ask(self, imap, command):
        """The untagged responses, as octets."""
        tag = imap._new_tag()
        imap.send(tag + b" " + command.encode() + b"\r\n")
        got = b""
        while not re.search(rb"(?:^|\r\n)" + tag + rb" [^\r]*\r\n$", got):
            more = imap.sock.recv(1 << 20)
            assert more, got[-200:]
            got += more
        head, _, end = got.rpartition(tag)
        assert end.startswith(b" OK"), (command, end)
        return head

    def answers(self):
        imap = self.session()
        try:
            return [self.ask(imap, command) for command in self.commands]
        finally:
            imap.shutdown()

    def check(self, wanted):
        got = self.answers()
        for command, one, other in zip(self.commands, wanted, got):
            assert one == other, command

    def switch(self, setting):
        """Reloads imapd with that setting."""
        self.platform.settings = {"imapd": setting}
        self.platform.write_conf()
        mark = self.platform.log_mark()
        self.platform.hikyaku("reload")
        self.platform.wait_log(r"imapd.*reload", mark)

    def kill(self, number=signal.SIGKILL):
        self.platform.kill("imapd session", number)
        while self.platform.pids("imapd session"):
            time.sleep(0.01)

    def wipe(self):
        for path in self.directory.iterdir():
            path.unlink()


@pytest.fixture(scope="module")
def box(platform):
    return Box(platform)


@pytest.fixture(scope="module")
def wanted(box):
    """Every answer without the cache."""
    box.switch(["cache-disk = 0"])
    made = box.answers()
    assert not box.directory.exists()
    assert sum(len(a) > len(b"* SEARCH\r\n") for a in made) > 60
    box.switch([])
    return made


def test_same_answers(box, wanted):
    """Cold, warm, in a process that begins with it, and without it again."""
    box.check(wanted)
    assert (box.directory / "table.db").exists()
    box.check(wanted)
    box.kill()
    box.check(wanted)
    box.switch(["cache-disk = 0"])
    box.check(wanted)
    box.switch([])
    box.check(wanted)


def test_each_alone(box, wanted):
    """A command that meets an empty cache answers as one that fills it."""
    order = list(zip(box.commands, wanted))[:len(FETCHES)]
    for command, answer in reversed(order):
        box.kill()
        box.wipe()
        imap = box.session()
        for _ in range(2):
            assert box.ask(imap, command) == answer, command
        imap.shutdown()


@pytest.mark.root_only
def test_modes(box, wanted):
    """It lies in the tenant's directory, and is its user's alone."""
    uid = TENANT_UIDS["aozora"]
    box.check(wanted)
    for path in [box.directory, *box.directory.iterdir()]:
        got = path.stat()
        assert (got.st_uid, got.st_gid) == (uid, uid), path
        assert stat.S_IMODE(got.st_mode) == (
            0o700 if path == box.directory else 0o600), path


def test_removed_while_running(box, wanted):
    box.check(wanted)
    box.wipe()
    box.check(wanted)
    box.directory.rmdir()
    box.check(wanted)
    box.kill()
    box.check(wanted)
    assert (box.directory / "table.db").exists()


def test_killed_while_writing(box, wanted):
    """kill -9 in the middle: what is there afterwards is right."""
    rng = random.Random(SEED)
    for _ in range(6):
        box.kill()
        if rng.randrange(2):
            box.wipe()
        imap = box.session()
        threading.Timer(rng.random() * 0.06, box.platform.kill,
                        ["imapd session", signal.SIGKILL]).start()
        try:
            for command in FETCHES:
                box.ask(imap, command)
        except (OSError, AssertionError):
            pass  # killed
        imap.shutdown()
        time.sleep(0.1)
        box.check(wanted)


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_damaged(box, wanted, size):
    """A page whose checksum is wrong, and a log that is torn."""
    box.check(wanted)
    mark = box.platform.log_mark()
    box.kill()
    rng = random.Random(size)
    for path in box.directory.iterdir():
        octets = bytearray(path.read_bytes())
        if path.name == "LOCK":
            continue
        assert len(octets) > 8192
        for _ in range(size):
            octets[rng.randrange(len(octets))] ^= 0x41
        path.write_bytes(octets)
    box.check(wanted)
    box.check(wanted)
    if size > 1:
        assert re.search("database (damaged|panicked)|message cache",
                         box.platform.log_since(mark))


@pytest.mark.root_only
def test_full_disk(box, wanted):
    """No room: answers are right, and the log says so once."""
    uid = TENANT_UIDS["aozora"]
    box.kill()
    box.wipe()
    subprocess.run(["mount", "-t", "tmpfs", "-o",
                    "size=200k,mode=0700,uid=%d,gid=%d" % (uid, uid),
                    "tmpfs", box.directory], check=True)
    mark = box.platform.log_mark()
    try:
        for _ in range(3):
            box.check(wanted)
        box.platform.wait_log("message cache does not work", mark)
        told = box.platform.log_since(mark)
        assert told.count("message cache does not work") == 1, told
    finally:
        box.kill()
        subprocess.run(["umount", box.directory], check=True)
    box.check(wanted)
    assert (box.directory / "table.db").exists()


def test_changes(box):
    """Mail that goes and comes, and a mailbox made anew under its name."""
    with box.platform.imap(HANAKO) as imap:
        def subjects():
            imap.select("Changes")
            got = imap.fetch("1:*", "(UID ENVELOPE)")[1]
            return [tuple(map(int, re.findall(rb"UID (\d+).* \"s(\d+)\"",
                                              line)[0]))
                    for line in got if line]

        def append(number):
            imap.append("Changes", None, None,
                        b"Subject: s%d\r\n\r\n" % number)

        def find(number):
            return imap.uid("SEARCH", "SUBJECT", "s%d" % number)[1][0].split()

        for _ in range(2):
            imap.create("Changes")
            for number in range(30):
                append(number)
            assert subjects() == [(n + 1, n) for n in range(30)]
            imap.store("3:5,30", "+FLAGS", r"(\Deleted)")
            imap.expunge()
            append(30)
            wanted = [(n + 1, n) for n in range(31) if n not in (2, 3, 4, 29)]
            assert subjects() == wanted
            assert subjects() == wanted
            assert find(30) == [b"31"] and find(29) == []
            imap.rename("Changes", "Other")
            imap.create("Changes")
            append(77)
            assert subjects() == [(1, 77)]
            imap.unselect()
            imap.delete("Changes")
            imap.rename("Other", "Changes")
            assert subjects() == wanted
            imap.unselect()
            imap.delete("Changes")
