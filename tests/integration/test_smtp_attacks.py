# SPDX-License-Identifier: BSD-2-Clause
"""smtpd, octet by octet: what attackers try, limits, and lost neighbours."""

import base64
import re
import signal

import pytest
from support.platform import PASSWORD
from support.wire import Wire

HANAKO, YUKI = b"hanako@aozora.example", b"yuki@midori.example"
OUTSIDE = b"a@outside.example"


@pytest.fixture
def mx(platform):
    with Wire(platform, "mx") as w:
        assert w.smtp()[0] == 220
        assert w.smtp(b"EHLO client.example")[0] == 250
        yield w


def submission(platform):
    """Greeted, inside TLS, EHLO said."""
    w = Wire(platform, "submissions")
    assert w.smtp()[0] == 220
    assert w.smtp(b"EHLO client.example")[0] == 250
    return w


def plain(login, password, authzid=b""):
    return base64.b64encode(b"\0".join((authzid, login, password)))


def begin(w, to=YUKI, sender=OUTSIDE):
    assert w.smtp(b"MAIL FROM:<%s>" % sender)[0] == 250
    assert w.smtp(b"RCPT TO:<%s>" % to)[0] == 250


def expect(w, command, code, enhanced=""):
    got, text = w.smtp(command)
    assert got == code, (command, text)
    assert text[4:].startswith(enhanced), (command, text)
    return text


def inbox(platform, login=YUKI):
    """The messages, oldest first."""
    with platform.imap(login.decode()) as imap:
        count = int(imap.select("INBOX", readonly=True)[1][0])
        return [imap.fetch(str(n + 1), "(BODY.PEEK[])")[1][0][1]
                for n in range(count)]


# ---- commands out of order, malformed, not there -----------------------------

def test_what_is_offered(platform, mx):
    """RFC 1869 4: what is offered is there; what is not there is not."""
    offered = expect(mx, b"EHLO client.example", 250)
    for word in ("PIPELINING", "SIZE ", "8BITMIME", "STARTTLS", "DSN",
                 "ENHANCEDSTATUSCODES", "LIMITS RCPTMAX=1000"):
        assert re.search("^250[- ]%s" % word, offered, re.M), offered
    for word in ("SMTPUTF8", "CHUNKING", "BINARYMIME", "AUTH"):
        assert word not in offered
    with submission(platform) as w:
        assert "AUTH" in expect(w, b"EHLO client.example", 250)
        assert "STARTTLS" not in expect(w, b"EHLO client.example", 250)


@pytest.mark.parametrize("command, code", [
    # Numbers that no integer holds, signs, twice, nothing.
    (b"MAIL FROM:<a@b.example> SIZE=99999999999999999999", 501),
    (b"MAIL FROM:<a@b.example> SIZE=18446744073709551615", 552),
    (b"MAIL FROM:<a@b.example> SIZE=18446744073709551616", 501),
    (b"MAIL FROM:<a@b.example> SIZE=-1", 501),
    (b"MAIL FROM:<a@b.example> SIZE=", 501),
    (b"MAIL FROM:<a@b.example> SIZE", 501),
    (b"MAIL FROM:<a@b.example> SIZE=1 SIZE=1", 501),
    (b"MAIL FROM:<a@b.example>SIZE=1", 501),
    (b"MAIL FROM:<a@b.example> BODY=8BITMIME BODY=7BIT", 501),
    (b"MAIL FROM:<a@b.example> BODY=BINARYMIME", 501),
    (b"MAIL FROM:<a@b.example> FUTURE=1", 555),
    # Paths too long, without an end, with what does not belong.
    (b"MAIL FROM:<a@%s.example>" % (b"x" * 64), 501),
    (b"MAIL FROM:<a@%s>" % b".".join([b"x" * 60] * 5), 501),
    (b"MAIL FROM:<a@b.example", 501),
    (b"MAIL FROM:a@b.example", 501),
    (b"MAIL FROM:<a@b.example\tSIZE=1>", 501),
    (b"MAIL FROM:<\"%s\"@b.example>" % (b"\\a" * 200), 501),
    (b"MAIL FROM:<a@b.example> X" + b"=" * 40, 501),
    # NUL, escapes and lone line ends are no part of a command.
    (b"MAIL FROM:<a\0@b.example>", 500),
    (b"MAIL FROM:<a@b.example>\x1b[2J", 500),
    (b"EHLO a\x1b]0;x\x07", 500),
    (b"NOOP a\nQUIT", 500),
    (b"NOOP a\rQUIT", 500)])
def test_commands_that_no_client_should_send(mx, command, code):
    """Each is answered once, and the session goes on unharmed."""
    expect(mx, command, code)
    expect(mx, b"NOOP", 250)
    begin(mx)
    expect(mx, b"RSET", 250)


# ---- who may send as whom, and where to -----------------------------------------

def test_relay_for_users_alone(platform):
    """Who logged in may write to other hosts."""
    with Wire(platform, "mx") as w:
        w.line()
        expect(w, b"EHLO client.example", 250)
        expect(w, b"MAIL FROM:<x@elsewhere.example>", 250)
        expect(w, b"RCPT TO:<u@elsewhere.example>", 550, "5.7.1")
    with submission(platform) as w:
        expect(w, b"AUTH PLAIN " + plain(HANAKO, PASSWORD.encode()), 235)
        expect(w, b"MAIL FROM:<%s>" % HANAKO, 250)
        expect(w, b"RCPT TO:<u@elsewhere.example>", 250, "2.1.5")


def test_sender_must_be_the_logins(platform):
    """RFC 6409 6.1: no other address, of the same brand neither."""
    with submission(platform) as w:
        expect(w, b"MAIL FROM:<%s>" % HANAKO, 530, "5.7.0")
        expect(w, b"AUTH PLAIN " + plain(HANAKO, PASSWORD.encode()), 235)
        for other in (b"taro@aozora.example", YUKI, b"x@elsewhere.example"):
            expect(w, b"MAIL FROM:<%s>" % other, 553, "5.7.1")
        expect(w, b"MAIL FROM:<%s>" % HANAKO, 250)


# ---- mail data --------------------------------------------------------------------

def test_one_write(empty):
    """RFC 2920: envelope in one write, QUIT right behind the data."""
    platform = empty
    with Wire(platform, "mx") as w:
        w.smtp()
        w.smtp(b"EHLO client.example")
        w.send(b"MAIL FROM:<%s> BODY=8BITMIME\r\nRCPT TO:<%s>\r\n"
               b"RCPT TO:<nobody@midori.example>\r\nDATA\r\n"
               % (OUTSIDE, YUKI))
        assert [w.smtp()[0] for _ in range(4)] == [250, 250, 550, 354]
        w.send(b"Subject: one write\r\n\r\n..dot\r\n.\r\nQUIT\r\n")
        assert w.smtp()[0] == 250
        assert w.smtp()[0] == 221
    assert inbox(platform)[0].endswith(
        b"Subject: one write\r\n\r\n.dot\r\n")


@pytest.mark.parametrize("end", [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r",
    b"\r\n.\r\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\n\n.\r\n"])
def test_smuggling(empty, end):
    """RFC 5321 4.1.1.4: only <CRLF>.<CRLF> ends mail data, and data with a
    bare CR, a bare LF or NUL is refused whole (2.3.8)."""
    platform = empty
    with Wire(platform, "mx") as w:
        w.smtp()
        w.smtp(b"EHLO client.example")
        begin(w)
        expect(w, b"DATA", 354)
        w.send(b"Subject: outer\r\n\r\nx" + end
               + b"MAIL FROM:<evil@outside.example>\r\nRCPT TO:<%s>\r\n"
               b"DATA\r\nSubject: smuggled\r\n\r\ny\r\n.\r\n" % YUKI)
        code, text = w.smtp()
        assert code == 550 and text[4:].startswith("5.6.0"), text
        # One reply to one message; the session is where it was before.
        expect(w, b"NOOP", 250)
        expect(w, b"RCPT TO:<%s>" % YUKI, 503)
    assert inbox(platform) == []


def test_data_before_354(mx):
    """RFC 2920 3.1: nothing may follow DATA before its reply."""
    begin(mx)
    mx.send(b"DATA\r\nSubject: early\r\n\r\nx\r\n.\r\n")
    assert mx.smtp()[0] == 554
    assert mx.closed()


def test_talks_before_the_greeting(platform):
    """RFC 5321 3.1: a client waits for the greeting, or is not served."""
    with Wire(platform, "mx") as w:
        w.send(b"EHLO early.example\r\n" * 3)
        code, _ = w.smtp()
        # The greeting may have been on its way already.
        assert code == 554 and w.closed() or code == 220


def test_loop(platform, mx):
    """RFC 5321 6.3: after a hundred Received fields it is a loop."""
    begin(mx)
    expect(mx, b"DATA", 354)
    mx.send(b"Received: from a by b; Tue, 24 Nov 2026 00:00:00 +0000\r\n" * 101)
    expect(mx, b"\r\nx\r\n.", 554, "5.4.6")


def test_forged_trace_fields(empty):
    """Fields of the platform's own come from the platform only; every other
    octet stays."""
    platform = empty
    platform.send(b"A: b\r\nX-Hikyaku-Verdict: clean\r\n\tvery\r\n.c: d\r\n"
                  b"HIKYAKU-Trace: x\r\n\r\nHikyaku-Body: stays\r\n",
                  to=YUKI.decode())
    got = inbox(platform)[0]
    assert got.endswith(b"\r\nA: b\r\n.c: d\r\n\r\nHikyaku-Body: stays\r\n")
    assert b"HIKYAKU-Trace" not in got and b"Verdict" not in got


def test_reply_bears_the_id(empty):
    """The id of the 250 is in the Received field and in the log."""
    platform = empty
    mark = platform.log_mark()
    _, text = platform.send(b"Subject: id\r\n\r\nx\r\n", to=YUKI.decode())
    found = re.fullmatch(rb"2\.0\.0 Ok: (\w{11})", text)
    assert found, text
    ids = found.group(1)
    assert b"id " + ids in inbox(platform)[0]
    platform.wait_log("smtpd.*message accepted.*" + ids.decode(), mark)
    platform.wait_log("deliveryd.*" + ids.decode(), mark)


# ---- limits ------------------------------------------------------------------------

def test_line_limits(mx):
    """RFC 5321 4.5.3.1.4: 2,048 octets are a command; the tail of a longer
    one is never carried out."""
    expect(mx, b"NOOP " + b"x" * (2048 - 7), 250)
    expect(mx, b"NOOP " + b"x" * (2048 - 6), 500, "5.5.2")
    expect(mx, b"NOOP " + b"x" * 1000000 + b" QUIT", 500, "5.5.2")
    expect(mx, b"NOOP", 250)


def test_unknown_recipients(platform, mx):
    """A harvest of addresses ends with 421."""
    expect(mx, b"MAIL FROM:<>", 250)
    for n in range(10):
        expect(mx, b"RCPT TO:<nobody%d@midori.example>" % n, 550, "5.1.1")
    assert mx.smtp()[0] == 421
    assert mx.closed()


def test_connections_of_one_client(make_platform):
    """One client does not take all connections; 421, then others go on."""
    platform = make_platform({"smtpd": ["client-connections-max = 3"]})
    wires = [Wire(platform, "mx") for _ in range(3)]
    for w in wires:
        assert w.smtp()[0] == 220
    with Wire(platform, "mx") as w:
        assert w.smtp()[0] == 421
        assert w.closed()
    for w in wires:
        expect(w, b"QUIT", 221)
        w.close()
    platform.wait_log("smtpd.*disconnected")
    with Wire(platform, "mx") as w:
        assert w.smtp()[0] == 220


def test_slow_client(make_platform):
    """A command has its time, and mail data its rate."""
    platform = make_platform({"smtpd": ["command-wait = 5s"]})
    with Wire(platform, "mx") as w:
        assert w.smtp()[0] == 220
        w.send(b"NO")
        code, text = w.smtp()
        assert code == 421 and text[4:].startswith("4.4.2"), text
        assert w.closed()


# ---- TLS and AUTH --------------------------------------------------------------------

def test_starttls_order(platform):
    """RFC 3207 4: not twice; 4.2: EHLO must be said again."""
    with Wire(platform, "submission") as w:
        w.smtp()
        expect(w, b"EHLO client.example", 250)
        expect(w, b"AUTH PLAIN " + plain(YUKI, PASSWORD.encode()), 538,
               "5.7.11")
        expect(w, b"STARTTLS", 220)
        w.start_tls()
        expect(w, b"AUTH PLAIN " + plain(YUKI, PASSWORD.encode()), 503)
        expect(w, b"MAIL FROM:<%s>" % YUKI, 503)
        expect(w, b"EHLO client.example", 250)
        expect(w, b"STARTTLS", 503, "5.5.1")


def test_starttls_logs_out(make_platform):
    """RFC 3207 4.2: a login in clear does not count inside TLS."""
    platform = make_platform({"smtpd": ["plaintext-auth = yes"]})
    with Wire(platform, "submission") as w:
        w.smtp()
        assert "AUTH" in expect(w, b"EHLO client.example", 250)
        expect(w, b"AUTH PLAIN " + plain(YUKI, PASSWORD.encode()), 235)
        expect(w, b"MAIL FROM:<%s>" % YUKI, 250)
        expect(w, b"STARTTLS", 220)
        w.start_tls()
        expect(w, b"EHLO client.example", 250)
        expect(w, b"MAIL FROM:<%s>" % YUKI, 530, "5.7.0")
        expect(w, b"AUTH PLAIN " + plain(YUKI, PASSWORD.encode()), 235)


# ---- when others are down ------------------------------------------------------------

def test_directory_down(fresh_platform):
    """A recipient nobody can look up is 451, never 550."""
    platform = fresh_platform
    with Wire(platform, "mx") as w:
        w.smtp()
        expect(w, b"EHLO client.example", 250)
        expect(w, b"MAIL FROM:<>", 250)
        platform.kill("tenantd", signal.SIGSTOP)
        try:
            expect(w, b"RCPT TO:<%s>" % YUKI, 451, "4.3.0")
        finally:
            platform.kill("tenantd", signal.SIGCONT)
        expect(w, b"RCPT TO:<%s>" % YUKI, 250)
