# SPDX-License-Identifier: BSD-2-Clause
"""Clients that err or mean harm: the right reply, a line in the log, and
everybody else goes on."""

import base64
import imaplib
import poplib
import smtplib
import threading
import time

import pytest
from support.platform import PASSWORD
from support.wire import Wire

HANAKO, YUKI = "hanako@aozora.example", "yuki@midori.example"
LOGINS = {
    "wrong password": (YUKI, "not-the-password"),
    "unknown user": ("nobody-there@midori.example", PASSWORD),
    "unknown domain": ("yuki@nowhere.example", PASSWORD),
    "empty password": (YUKI, ""),
}


@pytest.fixture
def bystander(platform):
    """Another session that works before, during and after the trouble."""
    imap = platform.imap(HANAKO)
    imap.select("INBOX")
    yield imap
    assert imap.noop()[0] == "OK"
    imap.logout()
    with platform.smtp() as smtp:
        platform.send_with(smtp, b"Subject: bystander\r\n\r\nx\r\n", [HANAKO])


# ---- logging in ----------------------------------------------------------------

@pytest.mark.parametrize("case", LOGINS)
def test_login_refused_smtp(platform, bystander, case):
    """RFC 4954 6: 535 5.7.8; then the session still takes the right one."""
    login, password = LOGINS[case]
    mark = platform.log_mark()
    with platform.smtp("submission") as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            smtp.login(login, password)
        if password:
            assert refused.value.smtp_code == 535
            assert b"5.7.8" in refused.value.smtp_error
        else:  # RFC 4616 2: a password has one character or more
            assert refused.value.smtp_code == 501
        smtp.login(YUKI, PASSWORD)
    line = platform.wait_log(r".*smtpd.*login (failed|refused).*", mark)[0]
    assert login in line


@pytest.mark.parametrize("case", LOGINS)
def test_login_refused_pop3(platform, bystander, case):
    """RFC 1939 7, RFC 3206: -ERR [AUTH]."""
    login, password = LOGINS[case]
    mark = platform.log_mark()
    with pytest.raises(poplib.error_proto) as refused:
        platform.pop(login, password)
    if not password:  # no argument at all, on the wire
        assert refused.value.args[0].startswith(b"-ERR")
        return
    assert b"-ERR [AUTH]" in refused.value.args[0]
    line = platform.wait_log(r".*pop3d.*login (failed|refused).*", mark)[0]
    assert login in line


@pytest.mark.parametrize("case", LOGINS)
def test_login_refused_imap(platform, bystander, case):
    """RFC 3501 6.2.3, RFC 5530: NO [AUTHENTICATIONFAILED]."""
    login, password = LOGINS[case]
    mark = platform.log_mark()
    with pytest.raises(imaplib.IMAP4.error) as refused:
        platform.imap(login, password)
    assert "[AUTHENTICATIONFAILED]" in str(refused.value)
    line = platform.wait_log(r".*imapd.*login (failed|refused).*", mark)[0]
    assert login in line


@pytest.mark.plain_only
def test_unknown_user_is_not_told(platform):
    """Wrong password and unknown user get the same words."""
    texts = set()
    for case in ("wrong password", "unknown user"):
        with pytest.raises(imaplib.IMAP4.error) as refused:
            platform.imap(*LOGINS[case])
        texts.add(str(refused.value))
    assert len(texts) == 1


def test_other_brand_authzid(platform):
    """RFC 4616: an authorization identity of the other brand is refused."""
    response = base64.b64encode(b"\0".join(
        s.encode() for s in (YUKI, HANAKO, PASSWORD))).decode()
    with platform.smtp("submission") as smtp:
        assert smtp.docmd("AUTH PLAIN " + response)[0] == 535


def test_other_brand_sender(platform, bystander):
    """A user does not write under an address of the other brand."""
    mark = platform.log_mark()
    with platform.smtp("submission", login=HANAKO) as smtp:
        code, text = smtp.mail(YUKI)
        if code == 250:
            code, text = smtp.rcpt(YUKI)
        assert code in (550, 553), (code, text)
        assert b"5.7.1" in text
        smtp.rset()
        assert smtp.mail(HANAKO)[0] == 250
    assert HANAKO in platform.wait_log(r".*smtpd.*refused.*", mark)[0]


# ---- what may be sent where ------------------------------------------------------

def test_relaying_refused(platform, bystander):
    """RFC 5321 7.1, 3.6.2: 550 5.7.1 for a domain that is not ours, and the
    transaction goes on with those that are."""
    mark = platform.log_mark()
    with platform.smtp() as smtp:
        smtp.mail("a@outside.example")
        for address in ("b@elsewhere.example", "b%elsewhere.example@"
                        "midori.example", '"b@elsewhere.example"@'
                        "midori.example", "@midori.example:b@elsewhere.example"):
            code, text = smtp.rcpt(address)
            assert code in (550, 551, 553), (address, code, text)
        code, text = smtp.rcpt("b@elsewhere.example")
        assert code == 550 and b"5.7.1" in text, (code, text)
        assert smtp.rcpt(YUKI)[0] == 250
    assert "b@elsewhere.example" in platform.wait_log(
        r".*smtpd.*recipient refused.*elsewhere.*", mark)[0]


def test_unknown_recipient(platform, bystander):
    """RFC 5321 4.2.3: 550, RFC 3463: 5.1.1."""
    mark = platform.log_mark()
    with platform.smtp() as smtp:
        smtp.mail("a@outside.example")
        code, text = smtp.rcpt("nobody-there@midori.example")
        assert code == 550 and b"5.1.1" in text, (code, text)
    platform.wait_log(r"smtpd.*recipient refused.*nobody-there", mark)


def test_postmaster_and_abuse(platform):
    """RFC 5321 4.5.1, RFC 2142 2 and 4: they exist in every domain."""
    with platform.smtp() as smtp:
        for address in ("postmaster@aozora.example", "abuse@aozora.example",
                        "Postmaster@midori.example", "ABUSE@midori.example",
                        "postmaster@midori-mail.example", "postmaster"):
            smtp.mail("a@outside.example")
            assert smtp.rcpt(address)[0] == 250, address
            smtp.rset()


def test_alias_domain(platform, empty):
    """Mail for the alias domain lands in the same mailbox."""
    platform.send(b"Subject: alias\r\n\r\nx\r\n",
                  to="yuki@midori-mail.example")
    with platform.imap(YUKI) as imap:
        assert imap.select("INBOX", readonly=True)[1] == [b"1"]


def test_submission_needs_login(platform):
    """RFC 6409 4.3: 530 without authentication."""
    with platform.smtp("submission") as smtp:
        code, text = smtp.mail("a@outside.example")
        assert code == 530, (code, text)


# ---- too much -----------------------------------------------------------------

def size_limit(smtp):
    return int(smtp.esmtp_features["size"])


def test_oversize_announced(platform, bystander):
    """RFC 1870 6.1: SIZE= over the limit is refused at MAIL, 552 5.3.4."""
    with platform.smtp() as smtp:
        limit = size_limit(smtp)
        code, text = smtp.mail("a@outside.example",
                               ["size=%d" % (limit + 1)])
        assert code == 552 and b"5.3.4" in text, (code, text)
        assert smtp.mail("a@outside.example", ["size=%d" % limit])[0] == 250


def test_oversize_sent(platform, bystander):
    """RFC 1870 6.3: data over the limit is 552, and the session goes on."""
    mark = platform.log_mark()
    with platform.smtp(timeout=120) as smtp:
        limit = size_limit(smtp)
        smtp.mail("a@outside.example")
        smtp.rcpt(YUKI)
        assert smtp.docmd("DATA")[0] == 354
        line = b"x" * 510 + b"\r\n"
        for _ in range(limit // len(line) // 2048 + 2):
            smtp.send(line * 2048)
        smtp.send(b".\r\n")
        code, text = smtp.getreply()
        assert code == 552 and b"5.3.4" in text, (code, text)
        platform.send_with(smtp, b"Subject: small\r\n\r\nx\r\n", [YUKI])
    platform.wait_log(r"smtpd.*message refused", mark)


def test_too_many_recipients(platform, bystander):
    """RFC 5321 4.5.3.1.8: at least 100 are taken, then 452, and those taken
    get the message."""
    with platform.smtp(timeout=120) as smtp:
        smtp.mail("a@outside.example")
        taken = 0
        for _ in range(20000):
            code, text = smtp.rcpt(YUKI)
            if code != 250:
                break
            taken += 1
        assert code == 452 and b"4.5.3" in text, (code, text)
        assert taken >= 100
        assert smtp.docmd("DATA")[0] == 354
        smtp.send(b"Subject: many\r\n\r\nx\r\n.\r\n")
        assert smtp.getreply()[0] == 250


COMMANDS = {
    "mx": (b"NOOP ", b"x" * 100000),
    "pop3": (b"USER ", b"x" * 100000),
    "imap": (b"a LOGIN ", b"x" * 100000),
}


@pytest.mark.parametrize("service", COMMANDS)
def test_line_of_100_kilobytes(platform, bystander, service):
    """RFC 5321 4.5.3.1.4, RFC 2449 4, RFC 7162 4: an endless command line is
    refused, and at worst the session with it."""
    verb, rest = COMMANDS[service]
    with Wire(platform, service) as w:
        w.line()
        w.send(verb + rest + b"\r\n")
        answer = w.line()
        if service == "mx":
            assert answer.startswith(b"500 5.5.2"), answer
            assert w.smtp(b"NOOP")[0] == 250
        elif service == "pop3":
            assert answer.startswith(b"-ERR"), answer
        else:
            assert answer.split()[1] in (b"BAD", b"BYE"), answer


@pytest.mark.parametrize("service", ["pop3s", "imaps"])
def test_line_of_100_kilobytes_after_login(platform, bystander, service):
    """The session process holds the same limit."""
    with Wire(platform, service) as w:
        w.line()
        if service == "pop3s":
            w.pop3(b"USER " + YUKI.encode())
            assert w.pop3(b"PASS " + PASSWORD.encode()).startswith(b"+OK")
            assert w.pop3(b"NOOP " + b"x" * 100000).startswith(b"-ERR")
        else:
            assert b"OK" in w.imap(b"LOGIN %s %s" % (
                YUKI.encode(), PASSWORD.encode()))[-1]
            w.send(b"t SEARCH " + b"x" * 200000 + b"\r\n")
            assert w.line().split()[1] in (b"BAD", b"BYE")


def test_line_without_end(platform, bystander):
    """Octets without a line end do not pile up in memory."""
    before = resident(platform, "smtpd")
    with Wire(platform, "mx") as w:
        w.line()
        try:
            for _ in range(64):
                w.send(b"x" * (1 << 20))
        except OSError:
            pass  # the server may well hang up
    assert resident(platform, "smtpd") < before + (16 << 20)


def resident(platform, name):
    """Octets of memory of that daemon's processes."""
    total = 0
    for pid in platform.pids(name):
        with open("/proc/%d/statm" % pid) as f:
            total += int(f.read().split()[1]) * 4096
    return total


# ---- slow -----------------------------------------------------------------------

def test_octet_a_second(platform, bystander):
    """Slow clients hold no worker: with 180 of them, others are served at
    once."""
    wires = [Wire(platform, service) for service in
             ("mx", "pop3", "imap", "submission") for _ in range(45)]
    for w in wires:
        w.line()
    words = b"NOOP slow\r\n"
    stop = threading.Event()

    def drip():
        for b in words:
            for w in wires:
                w.send(bytes([b]))
            if stop.wait(1):
                return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        for _ in range(5):
            start = time.monotonic()
            platform.send(b"Subject: fast\r\n\r\nx\r\n", to=HANAKO)
            with platform.imap(HANAKO) as imap:
                imap.select("INBOX", readonly=True)
            platform.pop(YUKI).quit()
            assert time.monotonic() - start < 5
            time.sleep(0.5)
    finally:
        stop.set()
        thread.join()
        for w in wires:
            w.close()


def test_pipelined_flood(platform, bystander):
    """RFC 2920: many commands at once are answered in order."""
    with Wire(platform, "mx") as w:
        w.smtp()
        assert w.smtp(b"EHLO client.example")[0] == 250
        w.send(b"MAIL FROM:<a@outside.example>\r\n"
               + b"RCPT TO:<%s>\r\n" % HANAKO.encode() * 500)
        for _ in range(501):
            assert w.smtp()[0] == 250


def test_junk_commands(platform, bystander):
    """Commands that lead nowhere end the connection, however fast."""
    with Wire(platform, "mx") as w:
        w.smtp()
        assert w.smtp(b"EHLO client.example")[0] == 250
        w.send(b"NOOP\r\n" * 200)
        codes = [w.smtp()[0] for _ in range(100)]
        assert codes == [250] * 99 + [421]


def test_commands_behind_ehlo(platform, bystander):
    """RFC 2920 3.1: EHLO is the last command of a group; what follows it in
    one breath was not written by who reads our answer."""
    with Wire(platform, "mx") as w:
        w.smtp()
        w.send(b"EHLO client.example\r\nMAIL FROM:<a@outside.example>\r\n")
        assert w.smtp()[0] == 554


# ---- injections ---------------------------------------------------------------

def test_starttls_drops_what_came_before(platform, bystander):
    """RFC 3207 4.2 and 6: commands sent in clear behind STARTTLS are never
    carried out inside TLS."""
    with Wire(platform, "submission") as w:
        w.smtp()
        w.smtp(b"EHLO client.example")
        w.send(b"STARTTLS\r\nMAIL FROM:<a@outside.example>\r\n")
        code, _ = w.smtp()
        if code != 220:
            return  # refusing is right, too
        try:
            w.start_tls()
        except OSError:
            return
        w.socket.settimeout(2)
        w.send(b"EHLO client.example\r\n")
        code, text = w.smtp()
        assert code == 250 and "AUTH" in text


@pytest.mark.parametrize("service,start,reply", [
    ("pop3", b"STLS", b"+OK"), ("imap", b"t STARTTLS", b"t OK")])
def test_starttls_injection(platform, service, start, reply):
    """RFC 2595 and CVE-2011-0411: the same for POP3 and IMAP."""
    inject = {"pop3": b"CAPA\r\n", "imap": b"i CAPABILITY\r\n"}[service]
    with Wire(platform, service) as w:
        w.line()
        w.send(start + b"\r\n" + inject)
        answer = w.line()
        if not answer.startswith(reply):
            return
        try:
            w.start_tls()
        except OSError:
            return
        if service == "imap":
            lines = w.imap(b"NOOP", b"m")
            assert lines[-1].startswith(b"m OK")
            assert not any(line.startswith(b"i ") for line in lines)
        else:
            # An answer to CAPA would be a list, out of step with these.
            assert w.pop3(b"USER " + YUKI.encode()).startswith(b"+OK")
            assert w.pop3(b"PASS " + PASSWORD.encode()).startswith(b"+OK")


def test_sni_gives_the_brand(platform):
    """Each host name gets its own brand's certificate, in every service."""
    for service in ("submissions", "pop3s", "imaps"):
        for host in ("mail.aozora.example", "mail.midori.example"):
            with Wire(platform, service, host=host) as w:
                names = {v for _, v in
                         w.socket.getpeercert()["subjectAltName"]}
                assert host in names
