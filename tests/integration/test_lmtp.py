# SPDX-License-Identifier: BSD-2-Clause
"""LMTP from outside: RFC 2033, durable delivery, owners, loops."""

import os
import pathlib
import re
import socket
import subprocess
import threading

import pytest
from support.platform import TENANT_UIDS
from support.wire import Wire

YUKI, KEN = "yuki@midori.example", "ken@midori.example"
HANAKO = "hanako@aozora.example"


def lmtp(platform):
    w = Wire(platform, "lmtp", tls=False)
    assert w.smtp()[0] == 220
    return w


def hello(platform):
    w = lmtp(platform)
    assert w.smtp(b"LHLO client.example")[0] == 250
    return w


def begin(w, *recipients, sender=b"<a@peer.example>"):
    assert w.smtp(b"MAIL FROM:" + sender)[0] == 250
    for recipient in recipients:
        assert w.smtp(b"RCPT TO:<%s>" % recipient.encode())[0] == 250
    assert w.smtp(b"DATA")[0] == 354


def data(w, octets, replies=1):
    w.send(re.sub(rb"(?m)^\.", b"..", octets) + b".\r\n")
    return [w.smtp() for _ in range(replies)]


def newest(platform, login):
    pop = platform.pop(login)
    count = pop.stat()[0]
    lines = pop.retr(count)[1]
    pop.quit()
    return b"".join(line + b"\r\n" for line in lines)


def test_lhlo_offers_what_is_kept(platform):
    """RFC 2033 section 4.1, and the extensions of section 5."""
    w = lmtp(platform)
    code, text = w.smtp(b"LHLO client.example")
    assert code == 250
    for keyword in ("PIPELINING", "8BITMIME", "SMTPUTF8",
                    "ENHANCEDSTATUSCODES", "SIZE "):
        assert keyword in text
    for verb in (b"HELO x", b"EHLO x"):
        assert w.smtp(verb)[0] == 500
    assert w.smtp(b"QUIT")[0] == 221
    assert w.line() == b""


def test_one_reply_for_each_recipient(empty):
    """RFC 2033 section 4.2: in the order of the accepted RCPTs."""
    w = hello(empty)
    w.send(b"MAIL FROM:<a@peer.example>\r\nRCPT TO:<%s>\r\n"
           b"RCPT TO:<nobody@midori.example>\r\nRCPT TO:<%s>\r\n"
           b"RCPT TO:<x@elsewhere.example>\r\nDATA\r\n" % (
               YUKI.encode(), HANAKO.encode()))
    codes = [w.smtp()[0] for _ in range(6)]
    assert codes == [250, 250, 550, 250, 550, 354]
    assert [c for c, _ in data(w, b"Subject: two\r\n\r\nx\r\n", 2)] == [
        250, 250]
    assert w.smtp(b"NOOP")[0] == 250
    for login in (YUKI, HANAKO):
        assert newest(empty, login).endswith(b"Subject: two\r\n\r\nx\r\n")


def test_no_recipient_no_data(platform):
    """RFC 2033 section 4.2: DATA answers 503 without a valid recipient."""
    w = hello(platform)
    w.send(b"MAIL FROM:<>\r\nRCPT TO:<nobody@midori.example>\r\nDATA\r\n")
    assert [w.smtp()[0] for _ in range(3)] == [250, 550, 503]


@pytest.mark.parametrize("octets", [
    b"Subject: plain\r\n\r\nbody\r\n",
    b"no header at all\r\n",
    b"",
    b".\r\n..\r\n.x\r\n",
    b"Return-Path: <forged@x.example>\r\nDelivered-To: x\r\n\r\nb\r\n",
    b"X: " + b"y" * 990 + b"\r\n\r\n" + "メール".encode() + b"\r\n",
    b"Subject: big\r\n\r\n" + (b"z" * 76 + b"\r\n") * 20000,
], ids=["plain", "headless", "nothing", "dots", "forged", "8bit", "big"])
def test_octets_behind_the_trace(empty, octets):
    w = hello(empty)
    begin(w, YUKI)
    assert data(w, octets)[0][0] == 250
    got = newest(empty, YUKI)
    assert got.endswith(octets)
    trace = got[:len(got) - len(octets)]
    assert re.fullmatch(
        rb"Return-Path: <a@peer\.example>\r\n"
        rb"Delivered-To: yuki@midori\.example\r\n"
        rb"Received: from client\.example \(.*\r\n(\t.*\r\n)*", trace), trace


def test_null_path_and_bad_data(empty):
    w = hello(empty)
    begin(w, YUKI, sender=b"<>")
    assert data(w, b"x\r\n")[0][0] == 250
    assert newest(empty, YUKI).startswith(b"Return-Path: <>\r\n")
    begin(w, YUKI)
    assert data(w, b"bare\nlf\r\n")[0][0] == 554
    begin(w, YUKI)
    assert data(w, b"bare\rcr\r\n")[0][0] == 554
    assert w.smtp(b"NOOP")[0] == 250


def test_hkid_is_not_for_strangers(platform):
    """Over TCP our own parameter is unknown: 555."""
    w = hello(platform)
    assert w.smtp(b"MAIL FROM:<a@b.example> HKID=abcdefghijk")[0] == 555
    assert w.smtp(b"MAIL FROM:<a@b.example> FOLDER=Junk")[0] == 555


def test_id_travels_over_the_unix_socket(empty):
    path = empty.root / "run" / "lmtp.sock"
    mark = empty.log_mark()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(path))
        f = s.makefile("rwb")
        for line in (None, b"LHLO x", b"MAIL FROM:<> HKID=abcdefghijk",
                     b"RCPT TO:<%s>" % YUKI.encode(), b"DATA", b"x\r\n."):
            if line:
                f.write(line + b"\r\n")
                f.flush()
            while (got := f.readline())[3:4] == b"-":
                pass
            assert got[:1] in b"23", (line, got)
    empty.wait_log(r"deliveryd.*message delivered id=abcdefghijk .*"
                   r"tenant=midori", mark)


def test_loops(empty):
    w = hello(empty)
    begin(w, YUKI, HANAKO)
    codes = data(w, b"Delivered-To: yuki@midori.example\r\n\r\nx\r\n", 2)
    assert [c for c, _ in codes] == [554, 250]
    begin(w, YUKI)
    assert data(w, b"Received: x\r\n" * 100 + b"\r\nx\r\n")[0][0] == 554


def test_oversize(platform):
    w = hello(platform)
    assert w.smtp(b"MAIL FROM:<a@b.example> SIZE=99999999999")[0] == 552


@pytest.mark.root_only
def test_mail_belongs_to_the_tenant(empty):
    """Owners and modes in the store; what of root the process has kept."""
    w = hello(empty)
    begin(w, YUKI, HANAKO)
    assert [c for c, _ in data(w, b"x\r\n", 2)] == [250, 250]
    for tenant, uid in TENANT_UIDS.items():
        wrong = subprocess.run(
            ["find", empty.root / "store" / tenant, "(", "!", "-uid",
             str(uid), "-o", "-perm", "/077", ")"],
            capture_output=True, text=True, check=True).stdout
        assert wrong == ""
    for pid in empty.pids("deliveryd"):
        status = pathlib.Path("/proc/%d/status" % pid).read_text()
        assert re.search(r"^CapEff:\s+0+c0$", status, re.M)
        assert re.search(r"^Seccomp:\s+2$", status, re.M)
        assert os.stat("/proc/%d" % pid).st_uid not in (
            0, *TENANT_UIDS.values())


def test_waiting_session_hears_of_it(empty):
    """IDLE tells within moments what LMTP has stored."""
    imap = empty.imap(KEN)
    imap.select("INBOX")
    imap.send(b"i IDLE\r\n")
    assert imap.readline().startswith(b"+")
    w = hello(empty)
    begin(w, KEN)
    assert data(w, b"x\r\n")[0][0] == 250
    imap.sock.settimeout(5)
    assert b"EXISTS" in imap.readline()
    imap.send(b"DONE\r\n")


def test_many_at_once(empty):
    """20 connections, 10 messages each: all there, each with its own UID."""
    problems = []

    def send(number):
        try:
            w = hello(empty)
            for i in range(10):
                begin(w, YUKI)
                reply = data(w, b"Subject: %d.%d\r\n\r\nx\r\n" % (number, i))
                assert reply[0][0] == 250, reply
        except BaseException as e:  # noqa: BLE001  shown below
            problems.append(e)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems[:3]
    empty.wait_placed()
    imap = empty.imap(YUKI)
    imap.select("INBOX")
    found = imap.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    subjects = [p[1].strip() for p in found[1] if isinstance(p, tuple)]
    uids = [re.search(rb"UID (\d+)", p[0])[1] for p in found[1]
            if isinstance(p, tuple)]
    imap.logout()
    assert len(subjects) == len(set(subjects)) == 200
    assert len(set(uids)) == 200
