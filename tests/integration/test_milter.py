# SPDX-License-Identifier: BSD-2-Clause
"""smtpd's side of the milter protocol, against a filter on libmilter and
against one that says what no library would."""

import contextlib
import re
import socket
import struct
import subprocess
import threading
import time

import pytest
from conftest import BUILD
from support.chain import (
    HANAKO, MESSAGE, NO_ALL, TARO, YUKI, Chain, data, envelope, forget, inbox, only,
    send, session)
from support.milters import options, packet
from support.wire import Wire


@pytest.fixture(scope="module")
def made(make_module_platform):
    chain = Chain(make_module_platform(), BUILD)
    yield chain
    chain.close()


@pytest.fixture
def chain(made):
    """The filter "one" alone, and an empty mailbox."""
    made.use("one")
    yield made
    for filter_ in (made.one, made.two):
        if filter_.process.poll() is not None:
            filter_.start()
    made.platform.wait_placed()
    made.before = made.files()


def fields(message):
    """[(name, value), ...] with folds as they are."""
    head = message.split(b"\r\n\r\n")[0] + b"\r\n"
    return re.findall(rb"(?m)^([^\s:]+): ?((?:.*\r\n)(?:[ \t].*\r\n)*)", head)


# ---- what a filter is told ------------------------------------------------------

def test_every_event_once_and_in_order(chain):
    """T14, T25-T28: also who we are, from the first event on."""
    chain.one.script(*[(stage, "macro", name) for stage, name in (
        ("connect", "j"), ("connect", "{daemon_name}"),
        ("connect", "{client_addr}"), ("mail", "i"), ("mail", "{mail_addr}"),
        ("mail", "{auth_type}"), ("mail", "{auth_authen}"), ("mail", "r"),
        ("rcpt", "{rcpt_addr}"), ("rcpt", "{rcpt_mailer}"),
        ("data", "{nrcpts}"), ("eom", "{msg_id}"))])
    reply = send(chain, YUKI, HANAKO, message=b"Message-ID: <m@x>\r\n" +
                 MESSAGE)
    assert reply[0] == 250, reply
    chain.one.wait("close")
    events = [e for e in chain.one.events() if e[0] != "macro"]
    assert events == [
        ("negotiate", "1ff 1fffff"), ("connect", "[127.0.0.1]", "4"),
        ("helo", "client.example"),
        ("mail", "<a@outside.example>", "BODY=8BITMIME"),
        ("rcpt", "<yuki@midori.example>"),
        ("rcpt", "<hanako@aozora.example>"), ("data",),
        ("header", "Message-ID", "<m@x>"),
        ("header", "From", "a@outside.example"), ("header", "Subject", "one"),
        ("header", "X-Long", "a\n\tb\n c"),
        ("header", "To", "yuki@midori.example"), ("eoh",),
        ("body", "Hello.\r\n"), ("eom",), ("close",)]
    macros = chain.one.macros()
    assert reply[1] == "250 2.0.0 Ok: " + macros["i"]
    assert macros == {
        "j": "mail.aozora.example", "{daemon_name}": "mx", "i": macros["i"],
        "{client_addr}": "127.0.0.1", "{mail_addr}": "a@outside.example",
        # T9: an empty value would mean that somebody has logged in.
        "{auth_type}": "(none)", "{auth_authen}": "(none)", "r": "ESMTP",
        "{rcpt_addr}": "hanako@aozora.example", "{rcpt_mailer}": "local",
        "{nrcpts}": "2", "{msg_id}": "<m@x>"}


def test_who_has_logged_in(chain):
    chain.one.script(("mail", "macro", "{auth_type}"),
                     ("mail", "macro", "{auth_authen}"),
                     ("helo", "macro", "{tls_version}"))
    mine = MESSAGE.replace(b"a@outside.example", YUKI.encode())
    chain.platform.send(mine, to=[HANAKO], sender=YUKI, login=YUKI,
                        service="submission")
    assert chain.one.macros() == {
        "{auth_type}": "CRAM-MD5", "{auth_authen}": YUKI,
        "{tls_version}": "TLSv1.3"}
    # After STARTTLS the client says EHLO again, and the filter hears it.
    assert chain.one.names().count("helo") == 2
    assert chain.one.names().count("connect") == 1


def test_macros_that_a_filter_asks_for(chain):
    """T10: a list stands in place of ours, for that stage alone."""
    chain.one.script(("negotiate", "setsym", 5, "{msg_id} {mail_addr}"),
                     ("negotiate", "setsym", 2, "i"),
                     ("eom", "macro", "{mail_addr}"),
                     ("mail", "macro", "{mail_addr}"),
                     ("rcpt", "macro", "{rcpt_addr}"))
    assert send(chain)[0] == 250
    assert [e[1:] for e in chain.one.events() if e[0] == "macro"] == [
        ("{mail_addr}", "(none)"), ("{rcpt_addr}", YUKI),
        ("{mail_addr}", "a@outside.example")]


def test_leading_space_as_it_was(chain):
    """T13: both ways."""
    chain.one.script(("negotiate", "protocol", "100000"),
                     ("eom", "addheader", "X-Plain", "v"),
                     ("eom", "addheader", "X-Space", " w"))
    assert send(chain)[0] == 250
    assert ("header", "Subject", " one") in chain.one.events()
    assert b"X-Plain:v\r\nX-Space: w\r\n" in only(chain)


@pytest.mark.parametrize("protocol, silent", [
    (NO_ALL, "connect helo mail rcpt data header eoh body"),
    (0x300, "data"), (0x10, "body"), (0x20, "header"), (0x40, "eoh"),
    (0x80 | 0xff000, "")])
def test_events_that_are_not_wanted(chain, protocol, silent):
    """Neither sent nor waited for; and no answer is waited for from a filter
    that said that it gives none."""
    chain.one.script(("negotiate", "protocol", "%x" % protocol))
    assert send(chain)[0] == 250
    names = chain.one.names()
    for name in "connect helo mail rcpt data header eoh body eom".split():
        assert (name in names) == (name not in silent.split()), names
    chain.one.script()  # the next session negotiates anew
    assert send(chain)[0] == 250
    assert len(inbox(chain)) == 2


def test_skip(chain):
    chain.one.script(("header", "skip"), ("body", "skip"))
    body = b"".join(b"%060d\r\n" % n for n in range(4000))
    assert send(chain, message=MESSAGE + body)[0] == 250
    names = chain.one.names()
    assert names.count("header") == 1 and names.count("eoh") == 1
    assert names.count("body of") == 1 and names.count("eom") == 1


def test_old_versions_of_the_protocol(chain):
    for version, protocol in ((2, 0x7f), (3, 0x17f), (4, 0x37f)):
        chain.use("one", "raw", one="protocol = %d" % version,
                  raw="protocol = %d" % version)
        chain.raw.set(O=options(version, 0x3f, NO_ALL & protocol))
        assert send(chain)[0] == 250
        assert chain.raw.seen[0] == (b"O", struct.pack(
            ">III", version, 0x3f, protocol))
        assert b"E" in chain.raw.codes()
        assert ("data" in chain.one.names()) == (version == 4)


def test_recipients_that_we_refused(chain):
    """T23: hidden, unless the filter asked; its answer changes nothing."""
    for protocol, seen in (("0", []), ("800", [
            ("rcpt", "<nobody@midori.example>")])):
        chain.one.script(("negotiate", "protocol", protocol),
                         ("rcpt", "macro", "{rcpt_mailer}"),
                         ("rcpt", "if", "nobody"), ("rcpt", "accept"))
        with session(chain) as w:
            envelope(w)
            assert w.smtp(b"RCPT TO:<nobody@midori.example>")[0] == 550
            assert data(w)[0] == 250
        assert [e for e in chain.one.events()
                if e[0] == "rcpt"][1:] == seen
        if seen:
            assert chain.one.macros()["{rcpt_mailer}"] == "error"


def test_unknown_commands(chain):
    """T5: within a message one would leave a filter without DATA stuck."""
    chain.one.script(("negotiate", "protocol", "200"))
    with session(chain) as w:
        assert w.smtp(b"FROBNICATE now")[0] == 500
        envelope(w)
        assert w.smtp(b"FROBNICATE again")[0] == 500
        assert data(w)[0] == 250
    assert [e for e in chain.one.events() if e[0] == "unknown"] == [
        ("unknown", "FROBNICATE now")]


# ---- verdicts ---------------------------------------------------------------------

REJECT, TEMPFAIL = ("reject", "550 5.7.1"), ("tempfail", "451 4.7.1")
CUSTOM = (("reply", "554", "5.7.9", "Custom %%"), "554 5.7.9 Custom %")


@pytest.mark.parametrize("verdict, wanted", [REJECT, TEMPFAIL, CUSTOM])
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "header", "eoh",
                                   "body", "eom"])
def test_refusal_at_each_stage(chain, stage, verdict, wanted):
    """The client hears it where it belongs, and the next message of the
    session is judged anew (T4, T24)."""
    verdict = (verdict,) if isinstance(verdict, str) else verdict
    chain.one.script((stage, *verdict))
    if stage not in ("mail", "rcpt", "data"):
        wanted = wanted.replace("550", "554")
    with session(chain) as w:
        got = [w.smtp(b"MAIL FROM:<a@outside.example>")]
        if stage != "mail":
            got.append(w.smtp(b"RCPT TO:<%s>" % YUKI.encode()))
        if stage not in ("mail", "rcpt"):
            got.append(w.smtp(b"DATA"))
        if stage not in ("mail", "rcpt", "data"):
            w.send(MESSAGE + b".\r\n")
            got.append(w.smtp())
        assert got[-1][1].startswith(wanted), got
        assert all(code in (250, 354) for code, _ in got[:-1]), got
        chain.one.script()
        assert w.smtp(b"RSET")[0] == 250
        envelope(w)
        assert data(w)[0] == 250
    assert chain.one.names().count("eom") == 1
    assert len(inbox(chain)) == 1


def test_refusal_of_one_recipient(chain):
    chain.one.script(("rcpt", "if", "hanako"),
                     ("rcpt", "reply", "551", "5.7.1", "Not her"))
    with session(chain) as w:
        envelope(w, YUKI)
        assert w.smtp(b"RCPT TO:<hanako@aozora.example>") == (
            551, "551 5.7.1 Not her")
        assert w.smtp(b"RCPT TO:<taro@aozora.example>")[0] == 250
        assert data(w)[0] == 250
    assert [len(inbox(chain, login)) for login in (YUKI, HANAKO, TARO)] == [
        1, 0, 1]


def test_refusal_of_the_client(chain):
    """554 at the greeting and 503 to all but QUIT, RFC 5321 3.1; what is said
    at HELO, and what may pass, is answered at MAIL."""
    chain.one.script(("connect", "reject"))
    with Wire(chain.platform, "mx") as w:
        assert w.smtp()[0] == 554
        assert w.smtp(b"EHLO client.example")[0] == 503
        assert w.smtp(b"MAIL FROM:<a@outside.example>")[0] == 503
        assert w.smtp(b"QUIT")[0] == 221
    for stage, verdict, wanted in (
            ("connect", ("tempfail",), "451 4.7.1"),
            ("helo", ("reject",), "550 5.7.1"),
            ("helo", ("reply", "450", "4.7.1", "Later"), "450 4.7.1 Later")):
        chain.one.script((stage, *verdict))
        with session(chain) as w:
            for _ in range(2):
                reply = w.smtp(b"MAIL FROM:<a@outside.example>")
                assert reply[1].startswith(wanted), reply
    # Accepted as such: not asked again.
    for stage in ("connect", "helo"):
        chain.one.script((stage, "accept"))
        assert send(chain)[0] == 250
        assert "mail" not in chain.one.names()


@pytest.mark.parametrize("stage", ["connect", "mail", "rcpt", "eom"])
def test_421_ends_the_session(chain, stage):
    """T17."""
    chain.one.script((stage, "reply", "421", "4.3.2", "Gone"))
    with Wire(chain.platform, "mx") as w:
        code = w.smtp()[0]
        for command in (b"EHLO client.example",
                        b"MAIL FROM:<a@outside.example>",
                        b"RCPT TO:<yuki@midori.example>", b"DATA",
                        MESSAGE + b"."):
            if code == 421:
                break
            code, text = w.smtp(command)
            assert code != 421 or text == "421 4.3.2 Gone"
        assert code == 421
        assert w.closed()


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "header", "eoh",
                                   "body", "eom"])
def test_discard(chain, stage):
    """Everything is taken, nothing is kept; the other filters hear no more."""
    chain.use("one", "two")
    chain.one.script((stage, "discard"))
    assert send(chain)[0] == 250
    assert "eom" not in chain.two.names()
    chain.one.script()
    chain.two.script()
    assert send(chain)[0] == 250
    assert len(inbox(chain)) == 1


@pytest.mark.parametrize("stage", ["mail", "data", "header", "eoh", "body"])
def test_accepted_before_the_end(chain, stage):
    """T4: no more events of this message for it, all for the next filter."""
    chain.use("one", "two")
    chain.one.script((stage, "accept"))
    with session(chain) as w:
        for n in (1, 2):
            envelope(w)
            assert data(w)[0] == 250
            assert chain.one.names().count("mail") == n
            assert chain.one.names().count("eom") == 0
            assert chain.two.names().count("eom") == n


def test_state_is_reset_by_our_own_refusal(chain):
    """T24: a message that we refuse after the data, accepted by the filter
    before, does not take the filter away from the next one."""
    chain.one.script(("mail", "accept"))
    with session(chain) as w:
        envelope(w)
        assert data(w, b"a\nb\r\n")[0] == 550
        chain.one.script(("mail", "reject"))
        assert w.smtp(b"MAIL FROM:<b@outside.example>")[0] == 550


@pytest.mark.parametrize("text, code", [
    (b"", 451), (b"250 2.0.0 fine", 451), (b"5", 550),
    (b"550 5.7.1 a\r\n250 2.0.0 b", 550), (b"550 4.7.1 mixed", 550),
    (b"550 5.7.1 a\nb", 550), (b"450 4.7.1 \x1b[2J", 451)])
def test_reply_codes_that_are_none(chain, text, code):
    """T16: the client gets words of ours."""
    chain.use("raw")
    chain.raw.set(M=packet(b"y", text + b"\0"))
    with session(chain) as w:
        reply = w.smtp(b"MAIL FROM:<a@outside.example>")
        assert reply[0] == code and "." in reply[1], reply
        assert w.smtp(b"NOOP")[0] == 250


def test_shutdown_and_dropped_connections(chain):
    """Replies that libmilter never sends and other MTAs honour."""
    chain.use("raw")
    chain.raw.set(M=packet(b"4"))
    with session(chain) as w:
        assert w.smtp(b"MAIL FROM:<a@outside.example>")[0] == 421
        assert w.closed()
    chain.raw.set(M=packet(b"f"))
    with session(chain) as w:
        w.send(b"MAIL FROM:<a@outside.example>\r\n")
        assert w.closed()


# ---- edits ---------------------------------------------------------------------------

def test_header_edits(chain):
    """T11, T12: 0 is above our trace field and 1 below; numbers are those the
    filter was shown."""
    chain.one.script(
        ("eom", "insheader", 1, "X-One", "1"),
        ("eom", "insheader", 0, "X-Zero", "0"),
        ("eom", "addheader", "X-End", "e"),
        ("eom", "chgheader", 1, "X-Same", ""),
        ("eom", "chgheader", 2, "X-Same", ""),
        ("eom", "chgheader", 1, "Subject", "two"),
        ("eom", "chgheader", 1, "Received", "ours is not shown"),
        ("eom", "insheader", 99, "X-Far", "f"))
    assert send(chain, message=b"X-Same: a\r\nX-Same: b\r\nX-Same: c\r\n" +
                MESSAGE)[0] == 250
    got = fields(only(chain))
    names = [name for name, _ in got]
    # What the store puts above comes first.
    at = names.index(b"X-Zero")
    assert names[at:] == [
        b"X-Zero", b"Received", b"X-One", b"X-Same", b"From", b"Subject",
        b"X-Long", b"To", b"X-End", b"Received", b"X-Far"], got
    values = dict(got)
    assert values[b"X-Same"] == b"c\r\n" and values[b"Subject"] == b"two\r\n"
    assert values[b"X-Long"] == b"a\r\n\tb\r\n c\r\n"


def test_header_values_that_would_break_out(chain):
    """T36, T14: a filter's value stays within its field."""
    chain.one.script(
        ("eom", "addheader", "X-Bad", "a\nBcc: evil@x\r\n\r\nbody\rx"),
        ("eom", "addheader", "X-Fold", "a\n\tb\r\n c"))
    assert send(chain)[0] == 250
    message = only(chain)
    assert b"X-Bad: a\r\n\tBcc: evil@x\r\n\t\r\n\tbodyx\r\n" in message
    assert b"X-Fold: a\r\n\tb\r\n c\r\n\r\nHello.\r\n" in message


def test_body_edits(chain):
    """T21, T38: in pieces, empty, large; a lone dot stays a line."""
    chain.one.script(("eom", "body", "one\r"), ("eom", "addheader", "X", "y"),
                     ("eom", "body", "\n.\r\ntwo\n"))
    assert send(chain)[0] == 250
    assert only(chain).endswith(b"\r\nX: y\r\n\r\none\r\n.\r\ntwo\r\n")
    forget(chain)
    chain.one.script(("eom", "body", ""))
    assert send(chain)[0] == 250
    assert only(chain).endswith(b"To: yuki@midori.example\r\n\r\n")
    forget(chain)
    chain.one.script(("eom", "bodyfill", 640000))
    assert send(chain)[0] == 250
    body = only(chain).split(b"\r\n\r\n", 1)[1]
    assert body == (b"f" * 62 + b"\r\n") * 10000
    forget(chain)
    chain.use("raw")
    chain.raw.set(E=packet(b"b") + packet(b"c"))
    assert send(chain)[0] == 250
    assert only(chain).split(b"\r\n\r\n", 1)[1] == b""


def test_envelope_edits(chain):
    """T22: also when nobody is left: 250, and no bounce."""
    chain.one.script(("eom", "delrcpt", "<yuki@midori.example>"),
                     ("eom", "addrcpt", "taro@aozora.example"),
                     ("eom", "delrcpt", "nobody@midori.example"),
                     ("eom", "chgfrom", "<new@outside.example>", "RET=HDRS"))
    assert send(chain, YUKI, HANAKO)[0] == 250
    assert [len(inbox(chain, login)) for login in (YUKI, HANAKO, TARO)] == [
        0, 1, 1]
    assert b"Return-Path: <new@outside.example>" in only(chain, HANAKO)
    chain.one.script(("eom", "delrcpt", "YUKI@midori.example"),
                     ("eom", "delrcpt", "yuki@MIDORI.example"))
    assert send(chain)[0] == 250
    chain.platform.wait_log("message discarded")
    assert inbox(chain) == []


def test_recipients_that_a_filter_may_not_add(chain):
    for address, wanted in (("nobody@midori.example", "451 4.7.1"),
                            ("no address", "451 4.7.1")):
        chain.one.script(("eom", "addrcpt", address))
        reply = send(chain)
        assert reply[1].startswith(wanted + " A filter added"), reply
    assert inbox(chain) == []


def test_quarantine_and_progress(chain):
    """T19, T18: neither is the verdict."""
    chain.one.script(("eom", "progress"), ("eom", "quarantine", "bad\rthing"),
                     ("eom", "sleep", 100), ("eom", "progress"),
                     ("eom", "continue"))
    assert send(chain)[0] == 250
    assert b"Hikyaku-Quarantine: one: bad?thing\r\n" in only(
        chain, folder="Quarantine")


def test_edits_of_a_refusal_are_never_made(chain):
    """T20: a filter that fails after its edits leaves none behind."""
    chain.use("one", "raw", raw="default-action = accept")
    chain.one.script(("eom", "addheader", "X-One", "1"))
    chain.raw.set(O=options(protocol=NO_ALL), E=None)
    assert send(chain)[0] == 250
    assert b"X-One: 1" in only(chain)
    # It had begun to change the message: what it wanted is not known, T21.
    chain.raw.set(O=options(protocol=NO_ALL), E=lambda c, d: c.sendall(
        packet(b"b", b"half")))
    assert send(chain)[0] == 451
    assert len(inbox(chain)) == 1


def test_the_next_filter_sees_what_the_one_before_made(chain):
    chain.use("one", "two")
    chain.one.script(("eom", "insheader", 0, "X-One", "1"),
                     ("eom", "chgheader", 1, "Subject", ""),
                     ("eom", "body", "New.\r\n"))
    chain.two.script(("eom", "chgheader", 1, "X-One", "changed"))
    assert send(chain)[0] == 250
    events = chain.two.events()
    assert ("header", "X-One", "1") in events
    assert ("body", "New.\r\n") in events
    assert "Subject" not in [e[1] for e in events if e[0] == "header"]
    assert b"X-One: changed\r\n" in only(chain)


# ---- filters that break -----------------------------------------------------------------

BROKEN = {
    "closes": None, "unknown reply": packet(b"Z"), "no packet": b"\0\0\0\0",
    "too long": b"\x7f\0\0\1c", "in words": b"UNKNOWN COMMAND\r\n",
    "data where none belong": packet(b"c", b"x"),
    "an edit before the end": packet(b"h", b"X\0y\0"),
    "options again": options(), "no NUL": packet(b"y", b"550 5.7.1 x")}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("stage", ["M", "R", "L"])
def test_a_filter_that_breaks_the_protocol(chain, kind, stage):
    """The default action, a line that tells who, where and how long, and the
    next message of the session with a new connection (T31)."""
    chain.use("raw")
    mark = chain.platform.log_mark()
    chain.raw.set(**{stage: BROKEN[kind]})
    with session(chain) as w:
        replies = [w.smtp(b"MAIL FROM:<a@outside.example>"),
                   w.smtp(b"RCPT TO:<yuki@midori.example>")]
        if stage == "L":
            replies = [data(w)]
        assert 451 in [code for code, _ in replies], replies
        chain.platform.wait_log(
            r"milter failed .*milter=raw stage=(MAIL|RCPT|HEADER) .*"
            r"octets_sent=\d+ octets_received=\d+ elapsed_ms=\d+", mark)
        chain.raw.set()
        assert w.smtp(b"RSET")[0] == 250
        envelope(w)
        assert data(w)[0] == 250
    assert chain.raw.codes().count(b"E") == 1


@pytest.mark.parametrize("action, code", [
    ("tempfail", 451), ("accept", 250), ("reject", 550), ("quarantine", 250),
    ("shutdown", 421)])
def test_default_actions(chain, action, code):
    chain.use("raw", raw="default-action = %s" % action)
    chain.raw.set(M=None)
    with session(chain) as w:
        assert w.smtp(b"MAIL FROM:<a@outside.example>")[0] == code
        if code == 250:
            assert w.smtp(b"RCPT TO:<yuki@midori.example>")[0] == 250
            assert data(w)[0] == 250
            aside = action == "quarantine"
            assert (b"Hikyaku-Quarantine: milter raw did not judge it"
                    in only(chain, folder="Quarantine" if aside else "")
                    ) == aside
        elif code == 421:
            assert w.closed()


def test_a_filter_that_hangs_and_what_follows(chain):
    """Timeouts; after five failures it is left alone, and asked again within
    ten seconds of its return, in the session that was there before."""
    chain.use("raw", raw="content-wait = 1s default-action = accept")
    chain.raw.set(O=options(protocol=NO_ALL),
                  E=lambda c, d: time.sleep(4) or None)
    with session(chain) as w:
        for n in range(6):
            start = time.monotonic()
            envelope(w)
            assert data(w)[0] == 250
            took = time.monotonic() - start
            assert took > 0.9 if n == 0 else took < 3
            if n == 0:
                # The others fail at once: the test need not wait.
                chain.raw.set(O=options(protocol=NO_ALL), E=None)
        chain.platform.wait_log("milter failed again and again.*raw")
        chain.raw.set(O=options(protocol=NO_ALL))
        deadline = time.monotonic() + 10
        while b"E" not in chain.raw.codes():
            assert time.monotonic() < deadline
            envelope(w)
            assert data(w)[0] == 250
            time.sleep(0.1)
    chain.platform.wait_log("milter is asked again.*raw")


def test_a_filter_that_is_restarted_between_messages(chain):
    """T31: no message is lost to it, none is passed by."""
    chain.one.script(("negotiate", "protocol", "0"))
    with session(chain) as w:
        envelope(w)
        assert data(w)[0] == 250
        chain.one.stop()
        chain.one.start()
        envelope(w)
        assert data(w)[0] == 250
        chain.one.stop()
        assert w.smtp(b"MAIL FROM:<a@outside.example>")[0] == 451
        chain.one.start()
        envelope(w)
        assert data(w)[0] == 250
    assert chain.one.names().count("eom") == 3
    assert chain.one.names().count("helo") == 3


def test_a_client_that_goes_away(chain):
    """T32: the filter is told."""
    with session(chain) as w:
        envelope(w)
    chain.one.wait("abort")
    chain.one.wait("close")
    with session(chain) as w:
        envelope(w)
        assert w.smtp(b"RSET")[0] == 250
        chain.one.wait("abort", 2)


def test_a_full_backlog(chain):
    """T8: connect() says EAGAIN, and nothing tells when there is room."""
    path = str(chain.directory / "full.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        (chain.directory / "full.sock").chmod(0o777)
        waiting = socket.socket(socket.AF_UNIX)
        waiting.connect(path)

        def serve():
            time.sleep(0.4)
            listener.accept()[0].close()
            connection = listener.accept()[0]
            chain.raw._serve(connection)

        chain.raw.set(O=options(protocol=NO_ALL))
        old = chain.one.socket
        chain.one.socket = path
        try:
            chain.use("one", one="connect-wait = 5s")
            threading.Thread(target=serve, daemon=True).start()
            assert send(chain)[0] == 250
        finally:
            chain.one.socket = old
            waiting.close()
    assert b"E" in chain.raw.codes()


# ---- limits of what a filter is shown -----------------------------------------------------

def test_headers_that_no_packet_could_carry(chain):
    """T1, T7, T2."""
    with session(chain) as w:
        for message, code in (
                (b"X: " + b"a" * 900 + b"\r\n" +
                 (b" " + b"a" * 900 + b"\r\n") * 70 + b"\r\nx\r\n", 552),
                (b"X: y\r\n" * 10001 + b"\r\nx\r\n", 552),
                (b"X: " + b"a" * 900 + b"\r\n" +
                 (b" " + b"a" * 900 + b"\r\n") * 50 + b"\r\nx\r\n", 250),
                (b"X: a\0b\r\n\r\nx\r\n", 550),
                (b"X: y\r\n: no name\r\nSubject: z\r\n\r\nx\r\n", 250)):
            envelope(w)
            assert data(w, message)[0] == code
    assert chain.one.names().count("negotiate") == 1
    assert chain.one.names().count("eom") == 2
    # What is no field ends the header, for the filter and for the reader.
    assert ("body", ": no name\r\nSubject: z\r\n\r\nx\r\n") in \
        chain.one.events()
    assert b"X: y\r\n\r\n: no name\r\n" in inbox(chain)[1]


def test_large_messages_are_not_shown_to_all(chain):
    chain.use("one", "two", one="size-max = 64k default-action = accept",
              two="size-max = 64k")
    assert send(chain)[0] == 250
    large = MESSAGE + b"x" * 70 + b"\r\n" * 40000
    assert send(chain, message=large)[0] == 451
    chain.use("one", one="size-max = 64k default-action = accept")
    assert send(chain, message=large)[0] == 250
    chain.one.wait("abort")
    assert "eom" not in chain.one.names()


# ---- the operator's view ------------------------------------------------------------------

def test_milter_check(chain):
    """T33, T34: in words, with what to look at."""
    platform = chain.platform
    chain.use("one", "raw", raw="default-action = accept")
    chain.one.script(("negotiate", "protocol", "%x" % 0x300),
                     ("negotiate", "actions", "11"),
                     ("negotiate", "setsym", 2, "i {auth_type}"))
    chain.raw.set(O=b"UNKNOWN COMMAND")
    chain.two.stop()
    got = platform.hikyaku("milter", "check", check=False)
    assert got.returncode == 1
    out = got.stdout
    assert re.search(r"^one: .*: ok\n +protocol +6\n"
                     r" +may +add header fields, change header fields\n"
                     r" +is sent +connect, helo, mail, rcpt, header, "
                     r"end of header, body\n", out, re.M), out
    assert "macros at mail: i {auth_type}" in out
    assert re.search(r"^raw: .*: failed\n +.*answers \"UNKN\" in words",
                     out, re.M), out
    assert re.search(r"^two: .*: failed\n.*\n +(nobody listens|there is no "
                     r"such socket)", out, re.M), out
    chain.two.start()
    chain.two.socket.chmod(0o700)
    if platform.as_root:
        assert "see its owner, mode and directory" in platform.hikyaku(
            "milter", "check", check=False).stdout
    chain.two.socket.chmod(0o777)


def test_more_macros_than_there_may_be(chain):
    """T37: the negotiation fails, and the log tells why."""
    chain.use("raw")
    names = b" ".join(b"{m%d}" % n for n in range(51))
    mark = chain.platform.log_mark()
    chain.raw.set(O=options(rest=b"\0\0\0\2" + names + b"\0"))
    with session(chain) as w:
        assert w.smtp(b"MAIL FROM:<a@outside.example>")[0] == 451
    chain.platform.wait_log("over 50 macros asked for", mark)


@pytest.mark.parametrize("text, words", [
    ("milter x { }", "milter x: no socket"),
    ('milter x { socket = "inet:1@filter.example" }', "expected /path"),
    ('milter x { socket = "/a" default-action = maybe }', "default-action"),
    ('smtpd { milters-mx = { "y" } }', "names of milter sections"),
    ('milter x { socket = "/a" }\nsmtpd { milters-mx = { x, x } }', "twice"),
    ('milter { socket = "/a" }', "no name")])
def test_configurations_that_are_refused(tmp_path, text, words):
    path = tmp_path / "hikyaku.conf"
    path.write_text(text + "\n")
    got = subprocess.run([str(BUILD / "smtpd/smtpd"), "-n", "-c", str(path)],
                         capture_output=True, text=True, check=False)
    assert got.returncode == 1 and words in got.stderr, got.stderr
