# SPDX-License-Identifier: BSD-2-Clause
"""What is received is what is given back, octet for octet."""

import re
import smtplib
import sys
import time

import pytest
from conftest import TOP

sys.path.insert(0, str(TOP / "tests" / "corpus"))

import generate  # noqa: E402

LOGIN = "ken@midori.example"

# What we put in front of a message: Return-Path (RFC 5321 4.4), Received.
TRACE = re.compile(
    rb"(?:(?:Return-Path|Received|Delivered-To):[^\r\n]*\r\n"
    rb"(?:[ \t][^\r\n]*\r\n)*)+", re.I)


def pop_retr(pop, number):
    """RETR without poplib's own idea of lines: octets, dots unstuffed."""
    pop._putcmd("RETR %d" % number)
    assert pop._getresp().startswith(b"+OK")
    lines = []
    while True:
        line = pop.file.readline()
        if line == b".\r\n":
            return b"".join(lines)
        assert line.endswith(b"\r\n"), "not a whole line: %r" % line[-80:]
        lines.append(line[1:] if line.startswith(b".") else line)


def check_copy(name, sent, got, how):
    """got is our trace fields and then exactly what was sent."""
    assert got.endswith(sent), "%s by %s: %d octets sent, %d came back" % (
        name, how, len(sent), len(got))
    trace = got[:len(got) - len(sent)]
    assert TRACE.fullmatch(trace), "%s by %s: in front stands %r" % (
        name, how, trace[:2000])


@pytest.fixture(scope="module")
def corpus(platform):
    """The corpus, delivered in order to an empty INBOX."""
    platform.empty(LOGIN)
    sent = list(generate.messages())
    with platform.smtp(timeout=120) as smtp:
        for name, octets in sent:
            try:
                platform.send_with(smtp, octets, [LOGIN])
            except smtplib.SMTPResponseException as e:
                pytest.fail("%s refused: %s" % (name, e))
    yield sent
    platform.empty(LOGIN)


def test_corpus_is_large(corpus):
    """Every message of Debian's test suite is in it, and hundreds of ours."""
    python = list(generate.PYTHON_MAILS.glob("msg_*.txt"))
    assert len(python) > 40
    assert len(corpus) >= len(python) + 250
    assert any(len(octets) > 20 << 20 for _, octets in corpus)


def test_corpus_can_be_sent():
    """RFC 5321 4.5.3.1.6: what the corpus asks of a server is allowed."""
    names = set()
    for name, octets in generate.messages():
        assert name not in names
        names.add(name)
        assert octets.endswith(b"\r\n"), name
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", octets), name
        assert max(map(len, octets.split(b"\r\n"))) <= 998, name


def test_pop3(platform, corpus):
    """RFC 1939: RETR gives each message back; LIST tells its octets."""
    pop = platform.pop(LOGIN, timeout=120)
    assert pop.stat()[0] == len(corpus)
    sizes = [int(line.split()[1]) for line in pop.list()[1]]
    for number, (name, octets) in enumerate(corpus, 1):
        got = pop_retr(pop, number)
        check_copy(name, octets, got, "POP3")
        assert sizes[number - 1] == len(got), name
    pop.quit()


def test_imap(platform, corpus):
    """RFC 3501 6.4.5: BODY[] gives each message back; RFC822.SIZE is its
    octets."""
    with platform.imap(LOGIN, timeout=120) as imap:
        assert imap.select("INBOX", readonly=True)[1] == [b"%d" % len(corpus)]
        for number, (name, octets) in enumerate(corpus, 1):
            answer = imap.fetch(str(number), "(RFC822.SIZE BODY.PEEK[])")[1]
            head, got = answer[0]
            check_copy(name, octets, got, "IMAP")
            assert int(re.search(rb"RFC822\.SIZE (\d+)", head)[1]) == len(got)


def test_imap_partial(platform, corpus):
    """RFC 3501 6.4.5: BODY[]<origin.length> cuts at octets, not lines."""
    with platform.imap(LOGIN, timeout=120) as imap:
        imap.select("INBOX", readonly=True)
        for number in range(1, len(corpus) + 1, 23):
            whole = imap.fetch(str(number), "(BODY.PEEK[])")[1][0][1]
            for origin, length in ((0, 1), (1, 100), (len(whole) - 3, 50)):
                piece = imap.fetch(str(number), "(BODY.PEEK[]<%d.%d>)" % (
                    origin, length))[1][0][1]
                assert piece == whole[origin:origin + length]


def test_submission_keeps_octets(platform, empty):
    """A body sent by a logged-in user comes back the same, too."""
    octets = re.sub(rb"(?m)^From: .*\r$", b"From: hanako@aozora.example\r",
                    dict(generate.messages(big=False))["mixture-007"], count=1)
    platform.send(octets, to="yuki@midori.example",
                  sender="hanako@aozora.example", service="submission",
                  login="hanako@aozora.example")
    pop = platform.pop("yuki@midori.example")
    check_copy("mixture-007", octets, pop_retr(pop, 1), "POP3")
    pop.quit()


@pytest.mark.parametrize("name,octets", list(generate.broken()),
                         ids=[n for n, _ in generate.broken()])
def test_bare_cr_or_lf_is_refused(platform, empty, name, octets):
    """RFC 5321 2.3.8 and 4.1.1.4: no bare CR or LF in mail data, and only
    <CRLF>.<CRLF> ends it.  No NUL either (RFC 6152 2)."""
    mark = platform.log_mark()
    with platform.smtp() as smtp:
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            platform.send_with(smtp, octets, ["yuki@midori.example"])
        assert refused.value.smtp_code // 100 == 5
        # The session goes on, and nothing after the bare line end was
        # taken as a command.
        platform.send_with(smtp, b"Subject: after\r\n\r\nx\r\n",
                           ["yuki@midori.example"])
    pop = platform.pop("yuki@midori.example")
    assert pop.stat()[0] == 1
    assert b"Subject: after" in pop_retr(pop, 1)
    pop.quit()
    platform.wait_log(r"smtpd.*(refused|rejected)", mark)


def test_octet_at_a_time(platform, empty):
    """A slow sender's message is the same message."""
    octets = b"Subject: slow\r\n\r\n.\r\n..\r\n.x\r\nend\r\n"
    with platform.smtp() as smtp:
        smtp.sock.setsockopt(6, 1, 1)  # TCP_NODELAY
        for command, code in ((b"MAIL FROM:<a@outside.example>", 250),
                              (b"RCPT TO:<yuki@midori.example>", 250),
                              (b"DATA", 354)):
            for b in command + b"\r\n":
                smtp.send(bytes([b]))
            assert smtp.getreply()[0] == code
        for b in re.sub(rb"(?m)^\.", b"..", octets) + b".\r\n":
            smtp.send(bytes([b]))
            time.sleep(0.002)
        assert smtp.getreply()[0] == 250
    pop = platform.pop("yuki@midori.example")
    check_copy("slow", octets, pop_retr(pop, 1), "POP3")
    pop.quit()
