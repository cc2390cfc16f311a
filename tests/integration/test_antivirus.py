# SPDX-License-Identifier: BSD-2-Clause
"""antivirus: what it finds, and what each recipient's settings make of it.

Signatures are our own: EICAR, a marker, and the file that every one of
Debian's clamav-testfiles contains.
"""

import base64
import io
import os
import pathlib
import re
import signal
import tempfile
import threading
import time
import zipfile

import pytest

from conftest import BUILD, _finish
from support.milter import Milter
from support.platform import Platform

TESTFILES = pathlib.Path("/usr/share/clamav-testfiles")
EICAR = (rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!"
         rb"$H+H*")
MARKER = b"OWN-AV-TEST-MARKER-7781"
HANAKO, TARO = "hanako@aozora.example", "taro@aozora.example"
YUKI = "yuki@midori.example"
ENTRY = "uid=%s,ou=accounts,ou=%s,ou=tenants,o=hikyaku"


def signatures(path):
    (path / "own.hdb").write_text(
        "44d88612fea8a8f36de82e1278abb02f:68:Own.Eicar.Hash\n"
        "aa15bcf478d165efd2065190eb473bcb:544:Own.ClamTestFile.Hash\n")
    (path / "own.ndb").write_text(
        "Own.Eicar.Body:0:0:%s\nOwn.Test.Body:0:*:%s\n" % (
            EICAR.hex(), MARKER.hex()))
    for each in path.iterdir():
        each.chmod(0o644)


@pytest.fixture(scope="module")
def av(installed):
    """A platform with antivirus; av.mta() is a connection of an MTA."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="hk-test-"))
    root.chmod(0o755)
    (root / "signatures").mkdir(mode=0o755)
    (root / "scratch").mkdir()
    (root / "scratch").chmod(0o1777)
    signatures(root / "signatures")
    made = Platform(root, BUILD, installed=installed, settings={"": [
        'listen antivirus { address = "%s/run/antivirus.sock" }' % root,
        'antivirus { signatures = "%s/signatures"' % root,
        'scratch = "%s/scratch"' % root,
        'scanners = 2', 'unpacked-max = 64M', 'message-max = 60M',
        'check-wait = 1s }']})
    made.mta = lambda: Milter(root / "run" / "antivirus.sock")
    try:
        made.create()
        made.start()
        made.wait_log("signatures loaded")
        yield made
    finally:
        if made.processes():
            _finish(made)
        else:
            made.destroy()


def modify(platform, dn, **values):
    """Sets attributes, None removes; in force when this returns."""
    lines = ["dn: " + dn, "changetype: modify"]
    for name, value in values.items():
        lines += ["replace: " + name]
        if value is not None:
            lines += ["%s: %s" % (name, value)]
        lines += ["-"]
    platform.ldap("ldapmodify", "\n".join(lines) + "\n")
    who = dn.split("=")[1].split(",")[0]
    if "@" not in who:
        who = HANAKO if who == "aozora" else YUKI
    wanted = {k: v for k, v in values.items() if v is not None}
    deadline = time.monotonic() + 5
    while True:
        text = platform.hikyaku("account", "settings", who).stdout
        if all(re.search(r"%s\W+%s\b" % (k, v), text)
               for k, v in wanted.items()):
            return
        assert time.monotonic() < deadline, text
        time.sleep(0.05)


def mail(*parts, subject="test"):
    """A message with attachments: (name, octets)."""
    text = ("From: a@outside.example\r\nTo: %s\r\nSubject: %s\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
            "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n" % (
                HANAKO, subject)).encode()
    for name, octets in parts:
        coded = base64.b64encode(octets)
        lines = b"\r\n".join(coded[i:i + 76]
                             for i in range(0, len(coded), 76))
        text += (b"--b\r\nContent-Type: application/octet-stream\r\n"
                 b"Content-Transfer-Encoding: base64\r\n"
                 b"Content-Disposition: attachment; filename=\"%s\"\r\n\r\n"
                 % name.encode()) + lines + b"\r\n"
    return text + b"--b--\r\n"


def zipped(*files, deflate=True):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if deflate
                         else zipfile.ZIP_STORED) as z:
        for name, octets in files:
            z.writestr(name, octets)
    return out.getvalue()


def nested(octets, depth):
    for _ in range(depth):
        octets = zipped(("inner.zip", octets))
    return octets


def encrypted(octets):
    """A zip whose one file says that it is encrypted."""
    text = bytearray(zipped(("secret.bin", octets), deflate=False))
    text[6] |= 1
    text[text.rindex(b"PK\1\2") + 8] |= 1
    return bytes(text)


def rfc822(octets):
    return (b"Subject: outer\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: message/rfc822\r\n\r\n" + octets)


FORMS = {
    "attached": mail(("eicar.com", EICAR)),
    "zipped": mail(("eicar.zip", zipped(("eicar.com", EICAR)))),
    "in ten zips": mail(("n.zip", nested(zipped(("e", EICAR)), 10))),
    "base64 in a message": rfc822(mail(("eicar.com", EICAR))),
    "in messages": rfc822(rfc822(mail(("e.zip", zipped(("e", EICAR)))))),
    "the text": b"Subject: x\r\n\r\n" + MARKER + b"\r\n",
    "behind a megabyte": mail(("pad", os.urandom(1 << 20)),
                              ("eicar.com", EICAR)),
}


@pytest.mark.parametrize("form", FORMS)
def test_eicar(av, form):
    with av.mta() as mta:
        got = mta.message(FORMS[form])
    assert re.match(r"550 5\.7\.1 This mail is infected: Own\.", got.reply)
    assert got.edits == []


def test_clean(av):
    with av.mta() as mta:
        for octets in (mail(), b"Subject: nothing more\r\n\r\n",
                       mail(("a.zip", zipped(("a.txt", b"hello"))))):
            got = mta.message(octets, rcpts=[HANAKO, YUKI, "x@far.example"])
            assert got.reply == "accept"
            assert got.added == {
                "<%s>" % a: {"TRACE": "antivirus=clean"}
                for a in (HANAKO, YUKI, "x@far.example")}
    # As quiet as the protocol allows: nothing is answered before the end.
    assert mta.steps & 0xFF080 == 0xCC080  # RCPT MAIL HDR EOH BODY
    assert mta.steps & 0x303 == 0x303      # no CONNECT HELO UNKNOWN DATA


def test_clamav_testfiles(av):
    """Each container and packer that Debian has a sample of."""
    files = sorted(TESTFILES.iterdir())
    assert len(files) >= 44
    missed = []
    with av.mta() as mta:
        for path in files:
            got = mta.message(mail((path.name, path.read_bytes())))
            # Nested deeper than the limit, which is never clean.
            if path.name == "clam_cache_emax.tgz":
                assert "unscannable" in got.of(HANAKO)["TRACE"]
            elif "infected: Own.ClamTestFile" not in got.reply:
                missed.append((path.name, got.reply))
    assert missed == []


UNSCANNABLE = {
    "Heuristics.Encrypted.Zip": encrypted(b"x" * 1000),
    "Heuristics.Limits.Exceeded.MaxRecursion": nested(
        zipped(("e", EICAR)), 25),
    "Heuristics.Limits.Exceeded.MaxScanSize": zipped(
        *[("f%d" % i, b"\0" * (20 << 20)) for i in range(10)]),
    "Heuristics.Limits.Exceeded.MaxFiles": zipped(
        *[("f%d" % i, b"%d" % i) for i in range(10100)]),
}


@pytest.mark.parametrize("name", UNSCANNABLE)
def test_limits_are_never_clean(av, name):
    octets = mail(("file.zip", UNSCANNABLE[name]))
    with av.mta() as mta:
        got = mta.message(octets)
        assert got.reply == "accept"
        assert got.of(HANAKO)["TRACE"] == (
            "antivirus=unscannable (%s) passed" % name)
        if "Encrypted" not in name:
            return
        for choice, reply in (("defer", "451 4.7.1 "),
                              ("refuse", "550 5.7.1 ")):
            modify(av, "ou=aozora,ou=tenants,o=hikyaku", hkUnscannable=choice)
            assert mta.message(octets).reply.startswith(reply)
        # One takes it: who would refuse gets a notice.
        got = mta.message(octets, rcpts=[HANAKO, YUKI])
        assert got.reply == "accept"
        assert name in got.of(HANAKO)["REPLACE"]
        assert "REPLACE" not in got.of(YUKI)
        # What hanako sends is judged by her tenant.
        assert mta.message(octets, user=HANAKO,
                           rcpts=[YUKI]).reply.startswith("550 5.7.1")
        modify(av, "ou=aozora,ou=tenants,o=hikyaku", hkUnscannable=None)


def test_large(av):
    """50 MB is scanned to its end; what is above the limit is unscannable."""
    pad = b"x" * (37 << 20)
    with av.mta() as mta:
        got = mta.message(mail(("pad", pad), ("eicar.com", EICAR)))
        assert "infected: Own.Eicar" in got.reply
        got = mta.message(mail(("pad", b"x" * (47 << 20))))
        assert got.of(HANAKO)["TRACE"] == (
            "antivirus=unscannable "
            "(Heuristics.Limits.Exceeded.MaxFileSize) passed")


def test_each_recipient_as_they_chose(av):
    """One infected message, six recipients, one of them a list."""
    av.ldap("ldapadd", "dn: cn=both,ou=groups,ou=aozora,ou=tenants,o=hikyaku\n"
            "objectClass: hkGroup\ncn: both\n"
            "mail: both@aozora.example\n"
            "mailLocalAddress: both@aozora.example\n"
            + "".join("member: %s\n" % (ENTRY % (a, "aozora"))
                      for a in (HANAKO, TARO)))
    modify(av, ENTRY % (HANAKO, "aozora"), hkVirusScan="FALSE")
    modify(av, ENTRY % (TARO, "aozora"), hkVirusAction="quarantine")
    modify(av, ENTRY % (YUKI, "midori"), hkVirusAction="remove")
    octets = mail(("eicar.com", EICAR))
    far, ken = "x@far.example", "ken@midori.example"
    try:
        with av.mta() as mta:
            got = mta.message(octets, rcpts=[
                HANAKO, TARO, YUKI, ken, far, "both@aozora.example"])
        assert got.reply == "accept"
        name = r"Own\.Eicar\.\w+\.UNOFFICIAL"
        assert re.fullmatch(r"\[VIRUS %s\]" % name, got.of(HANAKO)["TAG"])
        for who in (YUKI, ken, far):
            assert re.search(name, got.of(who)["REPLACE"])
            assert re.fullmatch(r"antivirus=infected \(%s\) removed" % name,
                                got.of(who)["TRACE"])
        assert "ウイルス" not in got.of(far)["REPLACE"]
        owners = got.of("postmaster@aozora.example")
        assert owners["FOLDER"] == "Quarantine"
        assert owners["TRACE"].endswith("quarantined for <%s>" % TARO)
        # The list is told apart, and the copy of who quarantines is gone.
        assert sorted(got.deleted) == ["<both@aozora.example>", "<%s>" % TARO]
        with av.mta() as mta:
            # Everybody refuses: so does the answer.
            got = mta.message(octets, rcpts=[ken, far])
            assert got.reply.startswith("550 5.7.1")
            # What a user sends is refused, whatever its recipients want.
            got = mta.message(octets, rcpts=[HANAKO], user=YUKI)
            assert got.reply.startswith("550 5.7.1")
            # A recipient that an earlier filter took out stays out.
            got = mta.message(octets, rcpts=[HANAKO, TARO],
                              dispositions="2 DELETED TRACE=x")
            assert list(got.added) == ["<%s>" % HANAKO]
            # What cannot be read is not guessed at.
            got = mta.message(octets, rcpts=[HANAKO], dispositions="9 x")
            assert got.reply.startswith("451 4.3.0")
    finally:
        for who, tenant in ((HANAKO, "aozora"), (TARO, "aozora"),
                            (YUKI, "midori")):
            modify(av, ENTRY % (who, tenant), hkVirusScan=None,
                   hkVirusAction=None)
    lines = re.findall(r"infected id=Aa0Bb1Cc2Dd name=\S+ fate=(\w+)",
                       av.log())
    assert {"tagged", "removed", "quarantined"} <= set(lines)


def scanners():
    """Pids of scanner processes."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (
                    entry / "comm").read_text() == "scanner\n":
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def mine(platform):
    """Those of this platform."""
    return [p for p in scanners() if p in platform.processes()]


def test_scanners_are_shut_in(av):
    """No capability, no new privileges, seccomp; nothing open but memory."""
    pids = mine(av)
    assert len(pids) == 2
    for pid in pids:
        status = pathlib.Path("/proc/%d/status" % pid).read_text()
        assert re.search(r"^Seccomp:\s+2$", status, re.M)
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
        assert re.search(r"^CapPrm:\s+0+$", status, re.M)
        if av.as_root:
            assert re.search(r"^Uid:\s+62107\s", status, re.M)
        targets = {os.readlink(fd) for fd in
                   pathlib.Path("/proc/%d/fd" % pid).iterdir()}
        assert all(t.startswith(("socket:", "/dev/null")) or "log" in t
                   for t in targets), targets


def test_killed_scanners_are_replaced(av):
    before = mine(av)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    with av.mta() as mta:
        assert "infected" in mta.message(FORMS["zipped"]).reply
        assert mta.message(mail()).reply == "accept"
    deadline = time.monotonic() + 10
    while len(set(mine(av)) - set(before)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not list((av.root / "scratch").glob("*/*/*"))


def test_twenty_at_once_during_reloads(av):
    """New signatures come into force and nobody waits or is missed."""
    mark = av.log_mark()
    path = av.root / "signatures" / "new.ndb"
    wrong, slowest = [], []
    stop = threading.Event()

    def send():
        with av.mta() as mta:
            while not stop.is_set():
                began = time.monotonic()
                bad = mta.message(FORMS["zipped"]).reply
                good = mta.message(mail()).reply
                slowest.append(time.monotonic() - began)
                if "infected" not in bad or good != "accept":
                    wrong.append((bad, good))
                    return

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    path.write_text("Own.New:0:*:%s\n" % b"WHAT-IS-NEW-4412".hex())
    path.chmod(0o644)
    av.wait_log("signatures loaded", mark, 20)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    new = b"Subject: x\r\n\r\nWHAT-IS-NEW-4412\r\n"
    with av.mta() as mta:
        assert "Own.New" in mta.message(new).reply
        # Broken ones change nothing, and the log says so.
        mark = av.log_mark()
        path.write_text("no signature at all\n")
        av.wait_log("error: new signatures not loaded.*Malformed", mark, 20)
        assert "Own.New" in mta.message(new).reply
        mark = av.log_mark()
        path.unlink()
        av.wait_log("signatures loaded", mark, 20)
        assert mta.message(new).reply == "accept"


def test_restart_loses_no_connection(av):
    """The socket is hikyakud's: who connects meanwhile waits in it."""
    pids = av.kill("antivirus", signal.SIGKILL)
    assert pids
    with av.mta() as mta:
        assert "infected" in mta.message(FORMS["attached"]).reply
    deadline = time.monotonic() + 10
    while set(pids) & set(av.processes()):
        assert time.monotonic() < deadline, "orphans"
        time.sleep(0.05)
