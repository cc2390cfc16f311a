# SPDX-License-Identifier: BSD-2-Clause
"""What deliveryd takes from our own smtpd only: parameters of the milter
chain, and messages as descriptors."""

import contextlib
import os
import socket
import tempfile

import pytest
from support.wire import Wire

YUKI, HANAKO = "yuki@midori.example", "hanako@aozora.example"
TARO = "taro@aozora.example"


class Ours:
    """A connection as hikyakud makes it for smtpd."""

    def __init__(self, platform):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(platform.root / "run" / "lmtp.sock"))
        self.file = self.socket.makefile("rb")
        assert self.reply()[0] == 220
        assert "HKFD" in self.say(b"LHLO mx.example")[1]

    def reply(self):
        text = ""
        while True:
            line = self.file.readline().decode()
            text += line
            if line[3:4] != "-":
                return int(line[:3] or 0), text

    def say(self, line):
        self.socket.sendall(line + b"\r\n")
        return self.reply()

    def begin(self, *recipients):
        """Each recipient may have parameters: "a@b FOLDER=Junk"."""
        assert self.say(b"MAIL FROM:<a@peer.example>")[0] == 250
        codes = []
        for recipient in recipients:
            address, _, more = recipient.partition(" ")
            codes.append(self.say(b"RCPT TO:<%s>%s" % (
                address.encode(), b" " + more.encode() if more else b""))[0])
        return codes

    def data(self, octets, replies=1):
        assert self.say(b"DATA")[0] == 354
        self.socket.sendall(octets + b".\r\n")
        return [self.reply()[0] for _ in range(replies)]

    def file_of(self, fd, said, offset, octets, replies=1):
        """HKFD, with a descriptor unless fd is -1."""
        command = b"HKFD %d %d %d\r\n" % (len(said), offset, octets)
        if fd == -1:
            self.socket.sendall(command)
        else:
            socket.send_fds(self.socket, [command], [fd])
        self.socket.sendall(said)
        return [self.reply()[0] for _ in range(replies)]

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def ours(empty):
    made = Ours(empty)
    made.platform = empty
    yield made
    made.close()


@contextlib.contextmanager
def file_with(octets):
    with tempfile.TemporaryFile() as f:
        f.write(octets)
        f.flush()
        yield f.fileno()


def newest(platform, login, folder="INBOX"):
    with platform.imap(login) as imap:
        count = int(imap.select(folder, readonly=True)[1][0])
        return imap.fetch(str(count), "(BODY.PEEK[])")[1][0][1]


def delete(platform, login, folder):
    with platform.imap(login) as imap:
        imap.delete(folder)


def test_folder(ours):
    """FOLDER= names the mailbox; one that is not there is made."""
    assert ours.begin(YUKI + " FOLDER=Junk",
                      HANAKO + " FOLDER=Lists/caf+C3+A9") == [250, 250]
    assert ours.data(b"Subject: filed\r\n\r\nx\r\n", 2) == [250, 250]
    ours.platform.wait_placed()
    assert b"Subject: filed\r\n" in newest(ours.platform, YUKI, "Junk")
    folder = '"Lists/caf&AOk-"'
    assert b"Subject: filed\r\n" in newest(ours.platform, HANAKO, folder)
    with ours.platform.imap(YUKI) as imap:
        assert imap.select("INBOX")[1] == [b"0"]
    # Deleted again, and mail still comes.
    delete(ours.platform, HANAKO, folder)
    big = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n"
    for octets in (b"Subject: small\r\n\r\nx\r\n", big * 5000):
        assert ours.begin(HANAKO + " FOLDER=Lists/caf+C3+A9") == [250]
        assert ours.data(octets) == [250]
        ours.platform.wait_placed()
        assert octets in newest(ours.platform, HANAKO, folder)
        delete(ours.platform, HANAKO, folder)


def test_trace_and_loop(ours):
    """TRACE= becomes fields; FORWARDEDBY= makes coming back a loop."""
    assert ours.begin(
        HANAKO + " TRACE=X-Filter:+20one+3D1 TRACE=X-More:+20y FORWARDEDBY="
        + TARO) == [250]
    assert ours.data(b"Subject: x\r\n\r\nx\r\n") == [250]
    ours.platform.wait_placed()
    got = newest(ours.platform, HANAKO)
    head = got.partition(b"Subject: x")[0]
    assert head.endswith(b"X-Filter: one=1\r\nX-More: y\r\n")
    assert head.startswith(
        b"Return-Path: <a@peer.example>\r\nDelivered-To: %s\r\n"
        b"Delivered-To: %s\r\nReceived: " % (HANAKO.encode(), TARO.encode()))
    assert ours.begin(TARO, YUKI) == [250, 250]
    assert ours.data(got, 2) == [554, 250]


@pytest.mark.parametrize("more, code", [
    ("FOLDER=", 501), ("FOLDER=a+0Db", 501), ("FOLDER=a+", 501),
    ("FOLDER=a.b", 501), ("FOLDER=%s" % ("x" * 1500), 501),
    ("TRACE=no-field", 501), ("TRACE=:+20x", 501), ("TRACE=X:+20+0A", 501),
    ("TRACE=X:y " * 9, 501), ("FORWARDEDBY=a+0Ab", 501), ("TAG=x", 555),
    ("NOTIFY=NEVER", 555)])
def test_bad_parameters(platform, more, code):
    made = Ours(platform)
    assert made.begin(YUKI + " " + more.strip(), YUKI) == [code, 250]
    made.close()


def test_not_for_strangers(platform):
    """Over TCP none of it is known."""
    w = Wire(platform, "lmtp", tls=False)
    assert w.smtp()[0] == 220
    assert "HKFD" not in w.smtp(b"LHLO x")[1]
    assert w.smtp(b"MAIL FROM:<>")[0] == 250
    for more in (b"FOLDER=Junk", b"TRACE=X:+20y", b"FORWARDEDBY=a@b"):
        assert w.smtp(b"RCPT TO:<%s> %s" % (YUKI.encode(), more))[0] == 555
    assert w.smtp(b"RCPT TO:<%s>" % YUKI.encode())[0] == 250
    assert w.smtp(b"HKFD 0 0 0")[0] == 500


@pytest.mark.parametrize("lines", [1, 2000, 20000])
def test_message_by_descriptor(ours, lines):
    """From an offset on, behind what was said; twice on one connection."""
    octets = b"Subject: file\r\n\r\n" + (b"." + b"y" * 70 + b"\r\n") * lines
    with file_with(b"before" + octets + b"behind") as fd:
        for said in (b"X-Said: 1\r\n", b""):
            assert ours.begin(YUKI, HANAKO) == [250, 250]
            assert ours.file_of(fd, said, 6, len(octets), 2) == [250, 250]
            ours.platform.wait_placed()
            for login in (YUKI, HANAKO):
                got = newest(ours.platform, login)
                assert got.endswith(b"\r\n" + said + octets)
    assert ours.say(b"NOOP")[0] == 250


def test_bad_descriptors(ours):
    whole = b"Subject: x\r\n\r\nx\r\n"
    reading, writing = os.pipe()
    with file_with(whole) as fd:
        for given, octets, code in (
                (fd, len(whole) + 1, 451), (-1, len(whole), 451),
                (reading, 5, 451), (fd, len(whole) - 1, 554),
                (fd, 1 << 40, 552), (fd, (1 << 64) - 1, 552),
                (fd, len(whole), 250)):
            assert ours.begin(YUKI) == [250]
            assert ours.file_of(given, b"", 0, octets) == [code]
        assert ours.begin(YUKI) == [250]
        assert ours.file_of(fd, b"", (1 << 64) - 1, 10) == [451]
    os.close(reading)
    os.close(writing)
    ours.platform.wait_placed()
    with ours.platform.imap(YUKI) as imap:
        assert imap.select("INBOX")[1] == [b"1"]


@pytest.mark.parametrize("command, code", [
    (b"HKFD 0 0", 501), (b"HKFD 0 0 x", 501), (b"HKFD", 501),
    (b"HKFD 0 0 0 0", 501), (b"HKFD 99999999999 0 0", 552)])
def test_out_of_step(platform, command, code):
    """Nobody knows what the next reply would be for: it closes."""
    made = Ours(platform)
    assert made.begin(YUKI) == [250]
    assert made.say(command)[0] == code
    assert made.file.readline() == b""
    made.close()


def test_nobody_to_take_it(platform):
    made = Ours(platform)
    assert made.begin("nobody@midori.example") == [550]
    assert made.say(b"HKFD 0 0 0")[0] == 503
    assert made.file.readline() == b""
    made.close()
