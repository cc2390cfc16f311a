# SPDX-License-Identifier: BSD-2-Clause
"""SMTP's replies, one table a command; RFC sections stand with the rows."""

import base64
import hashlib
import hmac
import re

import pytest

from support.platform import PASSWORD
from support.wire import Wire

HANAKO, YUKI, KEN = ("hanako@aozora.example", "yuki@midori.example",
                     "ken@midori.example")


def b64(octets):
    return base64.b64encode(octets)


def dialogue(w, rows):
    """Sends each command and compares its reply's beginning."""
    for command, wanted in rows:
        code, text = w.smtp(command)
        assert text.replace("\n", " ").startswith(wanted) or \
            str(code) == wanted, (command, text)


@pytest.fixture
def mx(platform):
    with Wire(platform, "mx") as w:
        assert w.smtp()[0] == 220
        yield w


@pytest.fixture
def submission(platform):
    """Submission under TLS, EHLO said."""
    with Wire(platform, "submissions") as w:
        assert w.smtp()[0] == 220
        assert w.smtp(b"EHLO client.example")[0] == 250
        yield w


# ---- order and grammar ---------------------------------------------------------

def test_order_of_commands(mx):
    """RFC 5321 4.1.4: what comes too early or twice is 503."""
    dialogue(mx, [
        (b"MAIL FROM:<a@outside.example>", "503 5.5.1"),
        (b"EHLO client.example", "250"),
        (b"RCPT TO:<yuki@midori.example>", "503 5.5.1"),
        (b"DATA", "503 5.5.1"),
        (b"MAIL FROM:<a@outside.example>", "250 2.1.0"),
        (b"MAIL FROM:<b@outside.example>", "503 5.5.1"),
        (b"DATA", "554 5.5.1"),
        (b"RSET", "250 2.0.0"),
        (b"RCPT TO:<yuki@midori.example>", "503 5.5.1"),
        (b"MAIL FROM:<a@outside.example>", "250 2.1.0"),
        (b"EHLO client.example", "250"),
        (b"RCPT TO:<yuki@midori.example>", "503 5.5.1"),
        (b"QUIT", "221 2.0.0")])
    assert mx.closed()


def test_grammar(mx):
    """RFC 5321 4.2.4, 4.1.1.11: 500, 501, 502, 504 and 555, each its own."""
    dialogue(mx, [
        (b"EHLO", "501 5.5.4"),
        (b"EHLO under_score (comment)", "501 5.5.4"),
        (b"HELO client.example", "250"),
        (b"EHLO [192.0.2.7]", "250"),
        (b"MAIL FROM:a@outside.example", "501 5.5.4"),
        (b"MAIL FROM:<a@outside.example> FUTURE=1", "555 5.5.4"),
        (b"MAIL FROM:<a@outside.example> SIZE=x", "501 5.5.4"),
        (b"MAIL FROM:<%s@outside.example>" % (b"x" * 400), "501 5.5.4"),
        (b"HELP", "214 2.0.0"),
        (b"VRFY yuki", "252 2.5.2"),
        (b"VRFY", "501 5.5.4"),
        (b"EXPN all", "502 5.5.1"),
        (b"ETRN x", "502 5.5.1"),
        (b"BDAT 0 LAST", "502 5.5.1"),
        (b"XYZZY", "500 5.5.2"),
        (b"NOOP \0", "500 5.5.2"),
        (b"NOOP a\nQUIT", "500 5.5.2"),
        (b"RSET now", "501 5.5.4"),
        (b"NOOP", "250 2.0.0")])


def test_browser_is_sent_away(mx):
    """Another protocol's client (ALPACA) ends with its first word."""
    assert mx.smtp(b"POST / HTTP/1.1")[0] == 421
    assert mx.closed()


def test_too_many_errors(mx):
    codes = [mx.smtp(b"XYZZY")[0] for _ in range(20)]
    assert codes == [500] * 20
    assert mx.smtp()[0] == 421
    assert mx.closed()


# ---- recipients ------------------------------------------------------------------

RELAYS = [b"user%outside.example@aozora.example",
          b"outside.example!user@aozora.example",
          b'"user@outside.example"@aozora.example',
          b"@aozora.example:user@outside.example",
          b"user@outside.example", b"user@[127.0.0.1]",
          b"user@aozora.example.outside.example", b"user@outside",
          b"user%40outside.example@aozora.example",
          b"user@xn--aozora-.example"]


@pytest.mark.parametrize("path", RELAYS)
def test_no_relay(platform, mx, path):
    """However it is written, mail for elsewhere is not taken."""
    mx.smtp(b"EHLO client.example")
    mx.smtp(b"MAIL FROM:<hanako@aozora.example>")
    code, text = mx.smtp(b"RCPT TO:<%s>" % path)
    assert code in (550, 501), text
    assert mx.smtp(b"DATA")[0] == 554


def test_who_is_known(mx):
    """Postmaster without a domain too (RFC 5321 4.5.1)."""
    dialogue(mx, [
        (b"EHLO client.example", "250"),
        (b"MAIL FROM:<>", "250"),
        (b"RCPT TO:<Postmaster>", "250 2.1.5"),
        (b"RCPT TO:<postmaster@midori-mail.example>", "250 2.1.5"),
        (b"RCPT TO:<Abuse@aozora.example>", "250 2.1.5"),
        (b"RCPT TO:<HANA@AOZORA.example>", "250 2.1.5"),
        (b"RCPT TO:<suspended@aozora.example>", "450 4.2.1"),
        (b"RCPT TO:<nobody@aozora.example>", "550 5.1.1"),
        (b"RCPT TO:<yuki@midori.example> NOTIFY=NEVER", "250 2.1.5"),
        (b"RCPT TO:<yuki@midori.example> NOTIFY=NEVER,DELAY", "501 5.5.4"),
        (b"RCPT TO:<yuki@midori.example> BY=1;R", "555 5.5.4")])


def test_list_delivers_once_to_each(platform):
    """A list and its member in one message: one copy."""
    for login in (HANAKO, YUKI, KEN):
        platform.empty(login)
    platform.send(b"Subject: list\r\n\r\nx\r\n",
                  to=["all@aozora.example", HANAKO, "hana@aozora.example",
                      "team@midori.example"])
    for login in (HANAKO, YUKI, KEN):
        pop = platform.pop(login)
        assert pop.stat()[0] == 1, login
        pop.quit()


def test_list_that_is_too_long(make_platform):
    """More members than a message may have recipients: never, not later."""
    platform = make_platform({"smtpd": ["recipients-max = 100"]})
    branch = "ou=aozora,ou=tenants,o=hikyaku"
    members = ["member%03d@aozora.example" % n for n in range(101)]
    platform.ldap("ldapadd", "".join(
        "dn: uid=%s,ou=accounts,%s\nobjectClass: inetOrgPerson\n"
        "objectClass: hkAccount\nuid: %s\ncn: x\nsn: x\nmail: %s\n"
        "mailLocalAddress: %s\nhkStatus: active\n\n" % (
            m, branch, m, m, m) for m in members)
        + "dn: cn=everybody,ou=groups,%s\nobjectClass: hkGroup\n"
          "cn: everybody\nmail: everybody@aozora.example\n"
          "mailLocalAddress: everybody@aozora.example\n%s\n" % (
              branch, "\n".join("rfc822MailMember: " + m for m in members)))
    with Wire(platform, "mx") as w:
        assert w.smtp()[0] == 220
        dialogue(w, [
            (b"EHLO client.example", "250"),
            (b"MAIL FROM:<a@outside.example>", "250"),
            (b"RCPT TO:<everybody@aozora.example>", "550 5.5.3"),
            (b"RCPT TO:<%s>" % HANAKO.encode(), "250 2.1.5")])


def test_client_cannot_write_our_trace(platform):
    """What it says about itself stands in Received as a name or not at all."""
    platform.empty(YUKI)
    with Wire(platform, "mx") as w:
        w.smtp()
        assert w.smtp(b"EHLO [IPv6:2001:db8::1]")[0] == 250
        w.smtp(b"MAIL FROM:<a@outside.example>")
        w.smtp(b"RCPT TO:<%s>" % YUKI.encode())
        assert w.smtp(b"DATA")[0] == 354
        w.send(b"Received: from forged by forged; now\r\n"
               b"Subject: trace\r\n\r\nx\r\n.\r\n")
        code, text = w.smtp()
        assert code == 250
    pop = platform.pop(YUKI)
    lines = pop.retr(1)[1]
    pop.quit()
    ours = b"\n".join(lines[:lines.index(
        b"Received: from forged by forged; now")])
    assert ours.count(b"Received: from ") == 2
    assert b"[IPv6:2001:db8::1] ([127.0.0.1])" in ours
    assert text.split()[-1].encode() in ours, "the id of the 250"


# ---- AUTH ---------------------------------------------------------------------------

def test_auth_refusals(submission):
    """RFC 4954 section 4 and 6."""
    wrong = b64(b"\0%s\0wrong" % HANAKO.encode())
    dialogue(submission, [
        (b"AUTH", "501 5.5.4"),
        (b"AUTH KERBEROS_V4", "504 5.5.4"),
        (b"AUTH PLAIN %%%", "501 5.5.2"),
        (b"AUTH PLAIN", "334"),
        (b"*", "501 5.7.0"),
        (b"AUTH PLAIN", "334"),
        (b"!", "501 5.5.2"),
        (b"AUTH PLAIN =", "501 5.5.2"),
        (b"AUTH PLAIN " + wrong, "535 5.7.8")])


def test_auth_state(submission):
    right = b64(b"\0%s\0%s" % (HANAKO.encode(), PASSWORD.encode()))
    dialogue(submission, [
        (b"MAIL FROM:<hanako@aozora.example>", "530 5.7.0"),
        (b"AUTH PLAIN " + right, "235 2.7.0"),
        (b"AUTH PLAIN " + right, "503 5.5.1"),
        (b"MAIL FROM:<taro@aozora.example>", "553 5.7.1"),
        (b"MAIL FROM:<yuki@midori.example>", "553 5.7.1"),
        (b"MAIL FROM:<hana@aozora.example>", "250 2.1.0"),
        (b"RCPT TO:<user@outside.example>", "250 2.1.5"),
        (b"RCPT TO:<yuki@midori.example>", "250 2.1.5"),
        (b"RSET", "250")])


def test_auth_on_mx_and_in_clear(platform, mx):
    mx.smtp(b"EHLO client.example")
    assert mx.smtp(b"AUTH PLAIN AGEAYg==")[0] == 502
    with Wire(platform, "submission") as w:
        w.smtp()
        assert "AUTH" not in w.smtp(b"EHLO client.example")[1]
        assert w.smtp(b"AUTH PLAIN AGEAYg==")[1].startswith("538 5.7.11")


def test_auth_cram_md5(submission):
    """RFC 2195 section 2: the digest of the challenge."""
    code, text = submission.smtp(b"AUTH CRAM-MD5")
    assert code == 334
    challenge = base64.b64decode(text.split()[1])
    assert re.fullmatch(rb"<[^<>@]+@[^<>@]+>", challenge)
    digest = hmac.new(PASSWORD.encode(), challenge, hashlib.md5).hexdigest()
    answer = b64(b"%s %s" % (HANAKO.encode(), digest.encode()))
    assert submission.smtp(answer)[0] == 235


def test_auth_failures_end_the_connection(submission):
    """Each is held back longer; the fifth is the last."""
    wrong = b"AUTH PLAIN " + b64(b"\0nobody@aozora.example\0wrong")
    codes = [submission.smtp(wrong)[0] for _ in range(5)]
    assert codes == [535] * 5
    assert submission.smtp()[0] == 421
    assert submission.closed()
