# SPDX-License-Identifier: BSD-2-Clause
"""POP3 from outside: RFC 1939, 2449, 2595, 3206 and 5034."""

import base64
import hashlib
import hmac
import os
import re
import socket
import subprocess
import time

import pytest
from support.platform import PASSWORD
from support.wire import Wire

YUKI, HANAKO = "yuki@midori.example", "hanako@aozora.example"


def b64(octets):
    return base64.b64encode(octets)


def plain(login=YUKI, password=PASSWORD):
    return b64(b"\0%s\0%s" % (login.encode(), password.encode()))


def multiline(w):
    """The lines of a multi-line reply, dots unstuffed."""
    lines = []
    while True:
        line = w.file.readline()
        assert line.endswith(b"\r\n"), "closed within a reply"
        if line == b".\r\n":
            return lines
        lines.append(line[line.startswith(b"."):-2])


def login(w, name=YUKI, password=PASSWORD):
    assert w.line().startswith(b"+OK")
    assert w.pop3(b"USER " + name.encode()).startswith(b"+OK")
    answer = w.pop3(b"PASS " + password.encode())
    assert answer.startswith(b"+OK"), answer
    return w


def session(platform, name=YUKI):
    """A wire that is logged in, with TLS."""
    return login(Wire(platform, "pop3s"), name)


def capa(w):
    assert w.pop3(b"CAPA").startswith(b"+OK")
    return multiline(w)


def retr(w, number):
    """(octets as the client keeps them, size that RETR told)."""
    first = w.pop3(b"RETR %d" % number)
    assert first.startswith(b"+OK"), first
    told = int(re.match(rb"\+OK (\d+) octets", first)[1])
    return b"".join(line + b"\r\n" for line in multiline(w)), told


def message(subject, body=b"one\r\ntwo\r\nthree\r\n"):
    return b"Subject: %s\r\n\r\n" % subject.encode() + body


class Scram:
    """The client's side of SCRAM-SHA-256, RFC 5802 and 7677."""

    def __init__(self, name, password):
        self.password = password.encode()
        self.nonce = b64(os.urandom(18))
        self.bare = b"n=%s,r=%s" % (name.encode(), self.nonce)
        self.first = b"n,," + self.bare

    def final(self, challenge):
        part = dict(p.split(b"=", 1) for p in challenge.split(b","))
        assert part[b"r"].startswith(self.nonce) and len(
            part[b"r"]) > len(self.nonce)
        salted = hashlib.pbkdf2_hmac("sha256", self.password,
                                     base64.b64decode(part[b"s"]),
                                     int(part[b"i"]))
        without = b"c=biws,r=" + part[b"r"]
        auth = b",".join((self.bare, challenge, without))

        def sign(key, octets):
            return hmac.digest(key, octets, "sha256")

        client = sign(salted, b"Client Key")
        proof = bytes(a ^ b for a, b in zip(client, sign(
            hashlib.sha256(client).digest(), auth)))
        self.server = b"v=" + b64(sign(sign(salted, b"Server Key"), auth))
        return without + b",p=" + b64(proof)


def scram_login(w, name=YUKI, password=PASSWORD, behind=b""):
    """Logs in by SCRAM; behind is sent with the last line."""
    scram = Scram(name, password)
    answer = w.pop3(b"AUTH SCRAM-SHA-256 " + b64(scram.first))
    if answer.startswith(b"-ERR"):  # as for some names that nobody has
        return answer
    assert answer.startswith(b"+ "), answer
    answer = w.pop3(b64(scram.final(base64.b64decode(answer[2:]))))
    if answer.startswith(b"-ERR"):
        return answer
    assert base64.b64decode(answer[2:]) == scram.server
    w.send(b"\r\n" + behind)
    return w.line()


# ---- AUTHORIZATION ------------------------------------------------------------

@pytest.mark.parametrize("service", ["pop3", "pop3s"])
def test_greeting(platform, service):
    """RFC 1939 4 and 7: a positive greeting, and no timestamp, which would
    promise APOP."""
    with Wire(platform, service) as w:
        greeting = w.line()
        assert greeting.startswith(b"+OK") and b"<" not in greeting
        assert w.pop3(b"APOP yuki c4c9334bac560ecc979e58001b3e22fb"
                      ).startswith(b"-ERR")


def test_capa(platform):
    """RFC 2449 5: what is announced before login is announced after it, STLS
    (RFC 2595 8) and EXPIRE's argument apart; nothing that takes a password before TLS."""
    with Wire(platform, "pop3") as w:
        w.line()
        clear = capa(w)
        assert b"STLS" in clear and b"USER" not in clear
        assert not any(b"PLAIN" in line for line in clear)
        assert w.pop3(b"STLS").startswith(b"+OK")
        w.start_tls()
        before = capa(w)
        assert b"STLS" not in before
        for line in (b"TOP", b"UIDL", b"USER", b"RESP-CODES", b"PIPELINING",
                     b"AUTH-RESP-CODE", b"EXPIRE 1 USER",
                     b"IMPLEMENTATION Hikyaku"):
            assert line in before
        sasl = [line for line in before if line.startswith(b"SASL ")]
        assert len(sasl) == 1 and b"PLAIN" in sasl[0].split()
        w.pop3(b"USER " + YUKI.encode())
        assert w.pop3(b"PASS " + PASSWORD.encode()).startswith(b"+OK")
        assert capa(w) == [line.replace(b"EXPIRE 1 USER", b"EXPIRE NEVER")
                           for line in before]


@pytest.mark.parametrize("command", [
    b"STAT", b"LIST", b"LIST 1", b"RETR 1", b"DELE 1", b"NOOP", b"RSET",
    b"TOP 1 0", b"UIDL", b"XTND", b"", b"PASS x", b"CAPA now", b"QUIT now",
    b"STLS now", b"USER"])
def test_not_before_login(platform, command):
    """RFC 1939 3: a negative answer to the unknown, the malformed, and what
    does not belong into this state; then the session goes on."""
    with Wire(platform, "pop3s") as w:
        w.line()
        assert w.pop3(command).startswith(b"-ERR")
        assert w.pop3(b"QUIT").startswith(b"+OK")
        assert w.closed()


def test_password_in_clear_refused(platform):
    """RFC 2595 2.3: with the password never asked for."""
    with Wire(platform, "pop3") as w:
        w.line()
        assert w.pop3(b"USER " + YUKI.encode()).startswith(b"-ERR [AUTH]")
        assert w.pop3(b"PASS " + PASSWORD.encode()).startswith(b"-ERR")
        assert w.pop3(b"AUTH PLAIN " + plain()).startswith(b"-ERR [AUTH]")
        assert w.pop3(b"AUTH PLAIN").startswith(b"-ERR [AUTH]")


def test_plaintext_login_by_configuration(make_platform):
    """plaintext-login = yes, where a provider has such clients."""
    platform = make_platform({"pop3d": ["plaintext-login = yes"]})
    with login(Wire(platform, "pop3")) as w:
        assert b"USER" in capa(w)
        assert w.pop3(b"QUIT").startswith(b"+OK")


@pytest.mark.parametrize("lines", [
    [b"AUTH PLAIN " + plain()],
    [b"auth plain " + plain()],
    [b"AUTH PLAIN", plain()],
    [b"AUTH LOGIN", b64(YUKI.encode()), b64(PASSWORD.encode())],
    [b"AUTH LOGIN " + b64(YUKI.encode()), b64(PASSWORD.encode())],
])
def test_auth(platform, lines):
    """RFC 5034 4: with and without an initial response."""
    with Wire(platform, "pop3s") as w:
        w.line()
        for line in lines[:-1]:
            assert w.pop3(line).startswith(b"+ ")
        assert w.pop3(lines[-1]).startswith(b"+OK")
        assert w.pop3(b"STAT").startswith(b"+OK ")
        assert w.pop3(b"AUTH PLAIN " + plain()).startswith(b"-ERR")


@pytest.mark.parametrize("lines", [
    [b"AUTH PLAIN", b"*"],
    [b"AUTH PLAIN", b"?"],
    [b"AUTH PLAIN", b"x" * 20000],
    [b"AUTH PLAIN ="],
    [b"AUTH PLAIN *"],
    [b"AUTH PLAIN " + plain()[:-1]],
    [b"AUTH KERBEROS_V4"],
    [b"AUTH LOGIN", b"*"],
    [b"AUTH SCRAM-SHA-256", b64(b"n,,n=")],
])
def test_auth_broken_off(platform, lines):
    """RFC 5034 4: "*", no base64, an unknown mechanism: -ERR, and the next
    attempt may succeed."""
    with Wire(platform, "pop3s") as w:
        w.line()
        for line in lines[:-1]:
            assert w.pop3(line).startswith(b"+ ")
        assert w.pop3(lines[-1]).startswith(b"-ERR")
        assert w.pop3(b"AUTH PLAIN " + plain()).startswith(b"+OK")


@pytest.mark.parametrize("service", ["pop3", "pop3s"])
def test_scram(platform, service):
    """RFC 5802: needs no TLS, and the server proves itself, too.  In clear
    it is the socket itself that goes to the session process, with what the
    client sent behind the last line."""
    with Wire(platform, service) as w:
        w.line()
        assert scram_login(w, behind=b"NOOP\r\nSTAT\r\n").startswith(b"+OK")
        assert w.line().startswith(b"+OK")
        assert re.fullmatch(rb"\+OK \d+ \d+", w.line())
        assert w.pop3(b"QUIT").startswith(b"+OK")


@pytest.mark.parametrize("name", [YUKI, "nobody@midori.example"])
def test_scram_wrong(platform, name):
    """The exchange looks the same whether the user exists or not."""
    with Wire(platform, "pop3") as w:
        w.line()
        answer = scram_login(w, name, "wrong")
        assert answer.startswith(b"-ERR [AUTH]"), answer


def test_failures_exhaust(platform):
    """Guessing costs a connection each five times."""
    with Wire(platform, "pop3s") as w:
        w.line()
        for _ in range(5):
            assert w.pop3(b"AUTH CRAM-MD6").startswith(b"-ERR")
        assert w.closed()


def test_other_protocols(platform):
    """A browser that was sent here is not listened to for long."""
    with Wire(platform, "pop3") as w:
        w.line()
        w.send(b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 100)
        lines = [w.line() for _ in range(10)]
        assert all(line.startswith(b"-ERR") for line in lines)
        assert w.closed()


def test_stls(platform):
    """RFC 2595 4: what was said in clear does not count inside TLS, and TLS
    starts once only."""
    with Wire(platform, "pop3") as w:
        w.line()
        assert w.pop3(b"STLS").startswith(b"+OK")
        w.start_tls()
        assert w.pop3(b"PASS " + PASSWORD.encode()).startswith(b"-ERR")
        assert w.pop3(b"STLS").startswith(b"-ERR")
        assert w.pop3(b"USER " + YUKI.encode()).startswith(b"+OK")
        assert w.pop3(b"PASS " + PASSWORD.encode()).startswith(b"+OK")
        assert w.pop3(b"STLS").startswith(b"-ERR")
        assert w.pop3(b"QUIT").startswith(b"+OK")


def test_openssl(platform):
    """openssl s_client -starttls pop3 verifies the brand's certificate."""
    got = subprocess.run(
        ["openssl", "s_client", "-quiet", "-starttls", "pop3",
         "-connect", "127.0.0.1:%d" % platform.ports["pop3"],
         "-servername", "mail.midori.example", "-verify_return_error",
         "-verify_hostname", "mail.midori.example",
         "-CAfile", str(platform.certificates / "ca.pem")],
        input=b"CAPA\r\nQUIT\r\n", capture_output=True, timeout=30,
        check=False)
    assert b"IMPLEMENTATION Hikyaku" in got.stdout, got.stderr
    assert b"+OK" in got.stdout.splitlines()[-1]


# ---- lines -----------------------------------------------------------------------

def test_line_forms(platform):
    """Keywords without case; LF alone ends a line; blanks at the end; octets
    one by one; 255 octets fit and more do not (RFC 2449 4)."""
    with session(platform) as w:
        w.send(b"nOOp\nNOOP \r\n")
        assert w.line().startswith(b"+OK") and w.line().startswith(b"+OK")
        for octet in b"STAT\r\n":
            w.send(bytes([octet]))
        assert w.line().startswith(b"+OK")
        assert w.pop3(b"UIDL " + b"0" * 247 + b"1").startswith(
            (b"+OK 1 ", b"-ERR no such"))
        assert b"long" in w.pop3(b"UIDL " + b"0" * 249 + b"1")
        assert w.pop3(b"NOOP").startswith(b"+OK")


def test_pipelining(empty):
    """RFC 2449 6.6: a whole session in one packet, over the hand-off."""
    empty.send(message("pipelined"))
    with Wire(empty, "pop3s") as w:
        w.send(b"USER %s\r\nPASS %s\r\nSTAT\r\nLIST\r\nRETR 1\r\nDELE 1\r\n"
               b"LIST\r\nQUIT\r\n" % (YUKI.encode(), PASSWORD.encode()))
        for _ in range(3):
            assert w.line().startswith(b"+OK")
        assert w.line().startswith(b"+OK 1 ")
        assert w.line().startswith(b"+OK")
        assert len(multiline(w)) == 1
        assert w.line().startswith(b"+OK")
        assert b"Subject: pipelined" in multiline(w)
        assert w.line().startswith(b"+OK")
        assert w.line().startswith(b"+OK")
        assert multiline(w) == []
        assert w.line().startswith(b"+OK")
        assert w.closed()


# ---- TRANSACTION -------------------------------------------------------------

@pytest.fixture
def three(empty):
    """A platform on which Yuki has three messages."""
    for number in range(3):
        empty.send(message("number %d" % number))
    return empty


def test_numbers(three):
    """RFC 1939 5: no such message, whatever it is asked for."""
    with session(three) as w:
        for command in (b"LIST", b"RETR", b"DELE", b"UIDL", b"TOP"):
            lines = b" 1" if command == b"TOP" else b""
            for number in (b"0", b"4", b"4294967297", b"x", b"-1", b"1x",
                           b"99999999999999999999"):
                answer = w.pop3(command + b" " + number + lines)
                assert answer.startswith(b"-ERR"), (command, number)
        assert w.pop3(b"TOP 1").startswith(b"-ERR")
        assert w.pop3(b"TOP 1 x").startswith(b"-ERR")
        assert w.pop3(b"RETR").startswith(b"-ERR")
        assert w.pop3(b"STAT").startswith(b"+OK 3 ")


def test_listings_agree(three):
    """RFC 1939 5: LIST with and without argument, STAT and RETR agree."""
    with session(three) as w:
        assert w.pop3(b"LIST").startswith(b"+OK")
        rows = [tuple(map(int, line.split())) for line in multiline(w)]
        assert [number for number, _ in rows] == [1, 2, 3]
        assert w.pop3(b"STAT") == b"+OK 3 %d" % sum(s for _, s in rows)
        for number, size in rows:
            assert w.pop3(b"LIST %d" % number) == b"+OK %d %d" % (
                number, size)
            octets, told = retr(w, number)
            assert len(octets) == told == size
            assert b"Subject: number %d" % (number - 1) in octets
        assert w.pop3(b"UIDL").startswith(b"+OK")
        uidl = multiline(w)
        for number, line in enumerate(uidl, 1):
            assert w.pop3(b"UIDL %d" % number) == b"+OK " + line
            assert re.fullmatch(rb"%d [\x21-\x7e]{1,70}" % number, line)
        assert len(set(uidl)) == 3


def test_deleted_are_not_seen(three):
    """RFC 1939 5: a deleted message is not counted, listed or referred to,
    and keeps its number; RSET brings it back."""
    with session(three) as w:
        total = int(w.pop3(b"STAT").split()[2])
        size = int(w.pop3(b"LIST 2").split()[2])
        assert w.pop3(b"DELE 2").startswith(b"+OK")
        assert w.pop3(b"STAT") == b"+OK 2 %d" % (total - size)
        for command in (b"LIST 2", b"UIDL 2", b"RETR 2", b"DELE 2",
                        b"TOP 2 0"):
            assert w.pop3(command).startswith(b"-ERR"), command
        for command in (b"LIST", b"UIDL"):
            assert w.pop3(command).startswith(b"+OK")
            assert [line.split()[0] for line in multiline(w)] == [b"1", b"3"]
        assert w.pop3(b"RSET").startswith(b"+OK")
        assert w.pop3(b"STAT") == b"+OK 3 %d" % total
        assert w.pop3(b"QUIT").startswith(b"+OK")
    with session(three) as w:
        assert w.pop3(b"STAT").startswith(b"+OK 3 ")


def test_only_quit_deletes(three):
    """RFC 1939 6: without QUIT nothing is removed, with it it is; unique-ids
    persist over both."""
    with session(three) as w:
        w.pop3(b"UIDL")
        uidl = [line.split()[1] for line in multiline(w)]
        assert w.pop3(b"DELE 1").startswith(b"+OK")
    with session(three) as w:
        w.pop3(b"UIDL")
        assert [line.split()[1] for line in multiline(w)] == uidl
        w.pop3(b"DELE 1")
        w.pop3(b"DELE 3")
        assert w.pop3(b"QUIT").startswith(b"+OK")
    with session(three) as w:
        w.pop3(b"UIDL")
        assert [line.split()[1] for line in multiline(w)] == uidl[1:2]


DOTS = (b".\r\n..\r\n...dots\r\nin.between.\r\n\r\n.\r\n. \r\n"
        b"Subject: no\r\n.end")


BODIES = {
    "dots": DOTS + b"\r\n",
    "nothing": b"",
    "empty line": b"\r\n",
    "a line of dots": b"." * 900 + b"\r\n",
    "a dot on each line": b".x\r\n" * 20000,
    "long line": b"y" * 900 + b"\r\n",
    "14 megabytes": (b"z" * 70 + b"\r\n") * 200000,
}


@pytest.mark.parametrize("name", BODIES)
def test_bytes(empty, name):
    """RFC 1939 3: byte-stuffing, and nothing else, is done to a message."""
    body = BODIES[name]
    empty.send(message("dots", body))
    with session(empty) as w:
        octets, told = retr(w, 1)
        assert len(octets) == told
        assert octets.endswith(message("dots", body))
        assert w.pop3(b"QUIT").startswith(b"+OK")


def test_unfinished_last_line(empty):
    """A message without an end to its last line (APPEND makes such) still
    leaves the dot on a line of its own."""
    with empty.imap(YUKI) as imap:
        assert imap.append("INBOX", None, None,
                           b"Subject: cut\r\n\r\nno end")[0] == "OK"
    with session(empty) as w:
        octets, told = retr(w, 1)
        assert octets == b"Subject: cut\r\n\r\nno end\r\n"
        assert told == len(octets) - 2
        assert w.pop3(b"NOOP").startswith(b"+OK")


def test_top(empty):
    """RFC 1939 7: the header, the empty line, so many lines of the body."""
    empty.send(message("top", b".one\r\ntwo\r\n\r\nfour\r\n"))
    body = [b".one", b"two", b"", b"four"]
    with session(empty) as w:
        for lines in (0, 1, 2, 3, 4, 5, 4294967295):
            assert w.pop3(b"TOP 1 %d" % lines).startswith(b"+OK")
            got = multiline(w)
            at = got.index(b"")
            assert b"Subject: top" in got[:at]
            assert got[at + 1:] == body[:lines]


def test_arrival_is_not_seen(three):
    """RFC 1939 4: the maildrop is what it was at login."""
    with session(three) as w:
        before = w.pop3(b"STAT")
        three.send(message("late"))
        time.sleep(0.5)
        assert w.pop3(b"STAT") == before
        assert w.pop3(b"RETR 4").startswith(b"-ERR")
        assert w.pop3(b"QUIT").startswith(b"+OK")
    with session(three) as w:
        assert w.pop3(b"STAT").startswith(b"+OK 4 ")


def test_expunged_by_imap(three):
    """A message that another session removed: -ERR, numbers stay, and QUIT
    removes what is left to remove."""
    with session(three) as w:
        before = w.pop3(b"STAT")
        with three.imap(YUKI) as imap:
            imap.select("INBOX")
            imap.store("2", "+FLAGS", r"(\Deleted)")
            imap.expunge()
        assert w.pop3(b"STAT") == before
        assert w.pop3(b"RETR 2").startswith(b"-ERR")
        assert w.pop3(b"TOP 2 0").startswith(b"-ERR")
        assert b"Subject: number 2" in retr(w, 3)[0]
        for number in (1, 2):
            assert w.pop3(b"DELE %d" % number).startswith(b"+OK")
        assert w.pop3(b"QUIT").startswith(b"+OK")
    with session(three) as w:
        assert w.pop3(b"STAT").startswith(b"+OK 1 ")
        assert b"Subject: number 2" in retr(w, 1)[0]


def test_seen(three):
    r"""RETR and QUIT leave \Seen for IMAP; TOP, or no QUIT, do not."""
    def seen():
        with three.imap(YUKI) as imap:
            imap.select("INBOX", readonly=True)
            return imap.search(None, "SEEN")[1][0].split()

    with session(three) as w:
        w.pop3(b"TOP 1 0")
        multiline(w)
        retr(w, 2)
        assert seen() == []
    time.sleep(0.3)
    assert seen() == []
    with session(three) as w:
        retr(w, 2)
        assert w.pop3(b"QUIT").startswith(b"+OK")
    assert seen() == [b"2"]


# ---- several sessions --------------------------------------------------------------

def test_in_use(three):
    """RFC 2449 8.1.2: one session a maildrop; IMAP is not in its way."""
    with session(three) as w:
        with Wire(three, "pop3s") as other:
            other.line()
            other.pop3(b"USER " + YUKI.encode())
            assert other.pop3(b"PASS " + PASSWORD.encode()).startswith(
                b"-ERR [IN-USE]")
        with session(three, HANAKO) as other:
            assert other.pop3(b"NOOP").startswith(b"+OK")
        with three.imap(YUKI) as imap:
            assert imap.select("INBOX")[1] == [b"3"]
        assert w.pop3(b"QUIT").startswith(b"+OK")
    with session(three) as w:
        assert w.pop3(b"STAT").startswith(b"+OK 3 ")


def test_at_once_again(three):
    """A client that comes back at once finds its maildrop free."""
    for number in range(30):
        with session(three) as w:
            if number % 2:
                assert w.pop3(b"QUIT").startswith(b"+OK")


def test_client_vanishes(three):
    """A reset connection gives the maildrop back."""
    for _ in range(5):
        w = session(three)
        w.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            b"\1\0\0\0\0\0\0\0")
        w.close()
    session(three).close()


def test_session_process_dies(three):
    """kill -9 of session processes: their clients are cut off, the next
    login starts a new one, and no unique-id changes."""
    with session(three) as w:
        w.pop3(b"UIDL")
        uidl = multiline(w)
        assert three.kill("pop3d session")
        assert w.closed()
    with session(three) as w:
        w.pop3(b"UIDL")
        assert multiline(w) == uidl


def test_gate_dies(three):
    """kill -9 of the gate: a client in clear, whose socket went to the
    session process, goes on; others can log in again at once."""
    with Wire(three, "pop3") as w:
        w.line()
        assert scram_login(w).startswith(b"+OK")
        assert three.kill("pop3d gate")
        assert w.pop3(b"STAT").startswith(b"+OK 3 ")
        with session(three, HANAKO) as other:
            assert other.pop3(b"QUIT").startswith(b"+OK")
        assert w.pop3(b"QUIT").startswith(b"+OK")


def test_one_id_in_the_log(platform):
    """Gate and session process log under one id, without the password."""
    mark = platform.log_mark()
    with session(platform) as w:
        assert w.pop3(b"QUIT").startswith(b"+OK")
    line = platform.wait_log(r".*: login id=(\w+).*", mark)
    assert YUKI in line[0] and "TLSv1" in line[0]
    platform.wait_log(r"session ended id=%s .*by=quit" % line[1], mark)
    assert PASSWORD not in platform.log_since(mark)


def test_counted(platform):
    """hikyaku status knows the sessions of gate and session process."""
    with session(platform):
        table = platform.hikyaku("status").stdout
        rows = [line for line in table.splitlines() if "pop3d" in line]
        assert any(re.search(r"gate", row) for row in rows), table
        assert any(re.search(r"session.*midori|midori", row)
                   for row in rows), table


def test_reload(make_platform):
    """A reload keeps sessions, and new settings count for those to come."""
    platform = make_platform()
    with session(platform) as w:
        platform.conf.write_text(platform.conf.read_text().replace(
            "pop3d {\n", "pop3d {\n\tplaintext-login = yes\n"))
        platform.hikyaku("reload")
        assert w.pop3(b"STAT").startswith(b"+OK ")
        with login(Wire(platform, "pop3"), HANAKO) as other:
            assert other.pop3(b"STAT").startswith(b"+OK ")
        assert w.pop3(b"QUIT").startswith(b"+OK")


@pytest.mark.plain_only
def test_idle_session_processes_end(make_platform):
    """A session process without clients ends after a while; a client that
    comes at that moment is served all the same."""
    platform = make_platform({"": ["session-idle = 1s"]})
    mark = platform.log_mark()
    for step in range(12):
        with session(platform) as w:
            assert w.pop3(b"STAT").startswith(b"+OK ")
            assert w.pop3(b"QUIT").startswith(b"+OK")
        time.sleep(0.9 + 0.02 * step)
    ends = platform.log_since(mark).count("session process without clients")
    assert ends >= 1
