# SPDX-License-Identifier: BSD-2-Clause
"""Each recipient's own verdict: what our milters say of recipients, variants,
and milters of one tenant."""

import base64
import contextlib
import email
import email.header
import smtplib
import threading
import time

import pytest
from conftest import BUILD
from support.chain import (
    HANAKO, MESSAGE, TARO, YUKI, Chain, data, envelope, inbox, only,
    send, session)

OURS = "dispositions = yes"
AOZORA, MIDORI = "tenants = {aozora}", "tenants = {midori}"


@pytest.fixture(scope="module")
def made(make_module_platform):
    chain = Chain(make_module_platform(), BUILD)
    yield chain
    chain.close()


@pytest.fixture
def chain(made):
    yield made
    for filter_ in (made.one, made.two):
        if filter_.process.poll() is not None:
            filter_.start()
    made.platform.wait_placed()
    made.before = made.files()


# ---- what our own milters say of a recipient ---------------------------------------

def test_each_recipient_has_its_own(chain):
    """Design section 4.2: folder, subject, notice and trace, for those of whom
    they were said; the others get what the sender wrote."""
    chain.use("one", one=OURS)
    chain.one.script(
        ("eom", "addrcptpar", "<hanako@aozora.example>",
         "FOLDER=Junk TRACE=antispam+3Dyes TRACE=rules+20b"),
        ("eom", "addrcptpar", "taro@aozora.example",
         "TAG=[+E8+BF+B7+E6+83+91] REPLACE=A+20notice.+0ASecond+20line."))
    assert send(chain, YUKI, HANAKO, TARO)[0] == 250
    assert only(chain).endswith(MESSAGE)
    junk = only(chain, HANAKO, "Junk")
    assert junk.endswith(MESSAGE)
    assert b"Hikyaku-Trace: antispam=yes\r\nHikyaku-Trace: rules b\r\n" in junk
    assert inbox(chain, HANAKO) == []
    parsed = email.message_from_bytes(only(chain, TARO))
    assert str(email.header.make_header(email.header.decode_header(
        parsed["Subject"]))) == "[迷惑] one"
    assert parsed.get_content_type() == "text/plain"
    assert parsed.get_payload(decode=True) == b"A notice.\r\nSecond line.\r\n"
    assert parsed["X-Long"] == "a\r\n\tb\r\n c"


def test_a_notice_says_what_it_is(chain):
    """What described the replaced body goes with it, and a message without a
    subject gets one."""
    chain.use("one", one=OURS)
    chain.one.script(("eom", "addrcptpar", YUKI, "REPLACE=x TAG=tag"))
    message = (b"From: a@b.example\r\nMIME-Version: 1.0\r\n"
               b"Content-Type: multipart/mixed;\r\n boundary=x\r\n"
               b"content-transfer-encoding: 7bit\r\n\r\n--x\r\n")
    assert send(chain, message=message)[0] == 250
    got = only(chain)
    assert got.endswith(
        b"From: a@b.example\r\nSubject: tag\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" +
        base64.b64encode(b"x\r\n") + b"\r\n")


def test_later_milters_read_what_was_said(chain):
    """By places, counted as each was shown them; added ones by address."""
    chain.use("one", "two", one=OURS, two=OURS)
    with session(chain) as w:
        chain.one.script(
            ("rcpt", "if", "taro"), ("rcpt", "reply", "550", "5.7.1", "No"))
        envelope(w, YUKI)
        assert w.smtp(b"RCPT TO:<taro@aozora.example>")[0] == 550
        assert w.smtp(b"RCPT TO:<hanako@aozora.example>")[0] == 250
        chain.one.script(
            ("eom", "macro", "{hk_dispositions}"),
            ("eom", "addrcptpar", YUKI, "TRACE=a TAG=t"),
            ("eom", "addrcptpar", YUKI, "TRACE=b TAG=u"),
            ("eom", "delrcpt", HANAKO),
            ("eom", "addrcptpar", TARO, "FORWARDEDBY=hanako@aozora.example"))
        chain.two.script(("eom", "macro", "{hk_dispositions}"))
        assert data(w)[0] == 250
    assert chain.one.macros()["{hk_dispositions}"] == "(none)"
    assert chain.two.macros()["{hk_dispositions}"] == (
        "1 TAG=u TRACE=a TRACE=b;2 DELETED;"
        "<taro@aozora.example> FORWARDEDBY=hanako@aozora.example")
    assert b"Subject: u one\r\n" in only(chain)
    assert inbox(chain, HANAKO) == []
    assert b"Delivered-To: hanako@aozora.example\r\n" in only(chain, TARO)


def test_others_parameters_are_not_taken(chain):
    """FOLDER= of a filter that is not ours, and NOTIFY=, change nothing."""
    chain.use("one")
    chain.one.script(("eom", "addrcptpar", YUKI, "FOLDER=Junk NOTIFY=NEVER"),
                     ("eom", "macro", "{hk_dispositions}"))
    mark = chain.platform.log_mark()
    assert send(chain)[0] == 250
    assert only(chain).endswith(MESSAGE)
    assert chain.one.macros()["{hk_dispositions}"] == "(none)"
    chain.platform.wait_log(
        "parameters of a milter ignored.*FOLDER=Junk NOTIFY=NEVER", mark)


@pytest.mark.parametrize("parameters", [
    "FOLDER=a+0D+0Ab", "TAG=+0A", "TRACE=+ff", "FOLDER=", "FOLDER=+9",
    " ".join(["TRACE=x"] * 9), "TAG=" + "x" * 2000])
def test_parameters_that_are_none(chain, parameters):
    """The message is not delivered in a way that nobody meant."""
    chain.use("one", one=OURS)
    chain.one.script(("eom", "addrcptpar", YUKI, parameters))
    assert send(chain)[0] == 451
    assert inbox(chain) == []


# ---- milters of one tenant ----------------------------------------------------------

def test_two_tenants_with_chains_of_their_own(chain):
    """Each mailbox gets its own verdict and fields, exactly once, and each
    chain sees its own recipients alone."""
    chain.use("raw", "one", "two", one=AOZORA, two=MIDORI)
    chain.one.script(("eom", "addheader", "X-Aozora", "a"),
                     ("eom", "chgheader", 1, "Subject", "aozora's"),
                     ("eom", "body", "Aozora.\r\n"))
    chain.two.script(("eom", "addheader", "X-Midori", "m"))
    assert send(chain, YUKI, HANAKO, TARO)[0] == 250
    for login in (HANAKO, TARO):
        got = only(chain, login)
        assert b"X-Aozora: a\r\n" in got and b"X-Midori" not in got
        assert b"Subject: aozora's\r\n" in got
        assert got.endswith(b"\r\n\r\nAozora.\r\n")
    got = only(chain)
    assert b"X-Midori: m\r\n" in got and b"X-Aozora" not in got
    assert got.endswith(b"Hello.\r\n") and b"Subject: one\r\n" in got
    assert [e[1] for e in chain.one.events() if e[0] == "rcpt"] == [
        "<hanako@aozora.example>", "<taro@aozora.example>"]
    assert [e[1] for e in chain.two.events() if e[0] == "rcpt"] == [
        "<yuki@midori.example>"]
    # The common one saw the message once, with everybody.
    assert chain.raw.codes().count(b"R") == 3
    assert chain.raw.codes().count(b"E") == 1


def test_a_tenant_without_recipients_hears_nothing(chain):
    chain.use("one", "two", one=AOZORA, two=MIDORI)
    assert send(chain, YUKI)[0] == 250
    assert chain.one.events() == []
    assert chain.two.names().count("eom") == 1


@pytest.mark.parametrize("stage", ["data", "header", "eom"])
@pytest.mark.parametrize("verdict, code", [
    (("reject",), 554), (("tempfail",), 451), (("discard",), 250)])
def test_a_tenants_verdict_is_its_own(chain, stage, verdict, code):
    """The other tenant's mail arrives; the client hears of both."""
    chain.use("one", "two", one=AOZORA, two=MIDORI)
    chain.one.script((stage, *verdict))
    assert send(chain, YUKI, HANAKO)[0] == code
    assert only(chain).endswith(MESSAGE)
    assert inbox(chain, HANAKO) == []


def test_a_tenants_words_for_a_message_that_is_only_its(chain):
    chain.use("one", "two", one=AOZORA, two=MIDORI)
    chain.one.script(("eom", "reply", "550", "5.7.9", "Aozora says no"))
    assert send(chain, HANAKO, TARO) == (550, "550 5.7.9 Aozora says no")
    for stage in ("mail", "rcpt"):
        chain.one.script((stage, "reply", "550", "5.7.9", "Not them"))
        with session(chain) as w:
            envelope(w, YUKI)
            assert w.smtp(b"RCPT TO:<hanako@aozora.example>") == (
                550, "550 5.7.9 Not them")
            assert data(w)[0] == 250
    assert len(inbox(chain)) == 2


def test_a_tenants_milter_cannot_reach_others(chain):
    """It deletes and disposes of its own recipients only, and the sender is
    not its to change."""
    chain.use("one", "two", one=AOZORA + " " + OURS, two=MIDORI)
    chain.one.script(("eom", "delrcpt", YUKI),
                     ("eom", "addrcptpar", YUKI, "FOLDER=Junk"),
                     ("eom", "chgfrom", "<evil@aozora.example>"))
    assert send(chain, YUKI, HANAKO)[0] == 250
    assert b"Return-Path: <a@outside.example>" in only(chain)
    assert b"Return-Path: <a@outside.example>" in only(chain, HANAKO)


def test_recipients_that_a_common_milter_added(chain):
    """The tenant's own chain is shown them, too."""
    chain.use("one", "two", two=MIDORI)
    chain.one.script(("eom", "addrcpt", YUKI))
    chain.two.script(("eom", "addheader", "X-Midori", "m"))
    assert send(chain, HANAKO)[0] == 250
    assert b"X-Midori: m\r\n" in only(chain)
    assert b"X-Midori" not in only(chain, HANAKO)
    assert ("rcpt", "<yuki@midori.example>") in chain.two.events()


def test_a_tenants_milter_that_is_down(chain):
    """Only that tenant's mail waits."""
    chain.use("one", "two", one=AOZORA, two=MIDORI)
    chain.one.stop()
    with session(chain) as w:
        envelope(w, YUKI)
        assert w.smtp(b"RCPT TO:<hanako@aozora.example>")[0] == 451
        assert data(w)[0] == 250
    assert len(inbox(chain)) == 1


# ---- under load -----------------------------------------------------------------------

class Senders:
    """Clients that number their messages and remember what was answered."""

    def __init__(self, chain):
        self.chain = chain
        self.taken, self.refused = [], 0
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(n,))
                        for n in range(4)]
        for thread in self.threads:
            thread.start()

    def _run(self, thread):
        number = 0
        while not self.ended.is_set():
            with contextlib.suppress(smtplib.SMTPException, OSError), \
                    self.chain.platform.smtp() as smtp:
                while not self.ended.is_set():
                    number += 1
                    self._send(smtp, "%d-%d" % (thread, number))

    def _send(self, smtp, name):
        to = HANAKO if name[-1] in "13579" else YUKI
        try:
            self.chain.platform.send_with(
                smtp, b"Subject: %s\r\n\r\nx\r\n" % name.encode(), [to])
        except smtplib.SMTPResponseException:
            self.refused += 1
            return
        with self.lock:
            self.taken.append((to, name))

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(30)


def test_a_tenants_milter_that_hangs_holds_its_own_mail_only(chain):
    """It may take as many workers as a brand may have, and no more."""
    chain.use("one", "two", one=AOZORA + " content-wait = 4s", two=MIDORI)
    chain.one.script(("eom", "sleep", 8000))
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(session(chain)) for _ in range(24)]
        for w in waiting:
            envelope(w, HANAKO)
            assert w.smtp(b"DATA")[0] == 354
        for w in waiting:
            w.send(MESSAGE + b".\r\n")
        chain.one.wait("eom", 5)
        start = time.monotonic()
        assert send(chain, YUKI)[0] == 250
        assert time.monotonic() - start < 3
        chain.one.stop()  # whom they wait for; the test does not
    assert len(inbox(chain)) == 1


def subjects(chain, login):
    return sorted(email.message_from_bytes(m)["Subject"]
                  for m in inbox(chain, login))


def test_a_milter_that_dies_and_returns_under_load(chain):
    """Nothing lost, nothing twice; the other tenant's mail flows all the
    while, and all mail again soon after its return."""
    chain.use("one", "two", one=AOZORA, two=MIDORI)
    senders = Senders(chain)
    try:
        for _ in range(3):
            chain.one.wait("eom", chain.one.names().count("eom") + 20)
            chain.one.stop()
            before = len([1 for to, _ in senders.taken if to == YUKI])
            while len([1 for to, _ in senders.taken
                       if to == YUKI]) < before + 20:
                time.sleep(0.01)
            chain.one.start()
        chain.one.wait("eom", chain.one.names().count("eom") + 20)
    finally:
        senders.end()
    assert senders.refused > 0
    for login in (HANAKO, YUKI):
        assert subjects(chain, login) == sorted(
            name for to, name in senders.taken if to == login)
