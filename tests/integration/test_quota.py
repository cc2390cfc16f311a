# SPDX-License-Identifier: BSD-2-Clause
"""Quota as senders, readers and the mailbox itself show it."""

import email
import email.policy
import smtplib
import time

import pytest
from support.platform import PASSWORD
from support.wire import Wire

YUKI, HANAKO = "yuki@midori.example", "hanako@aozora.example"
MIDORI = "ou=midori,ou=tenants,o=hikyaku"
ENTRY = "uid=%s,ou=accounts,%s" % (YUKI, MIDORI)
LIST = "cn=all,ou=groups," + MIDORI
LIMIT = 100000


def modify(platform, dn, **values):
    platform.ldap("ldapmodify", "dn: %s\nchangetype: modify\n" % dn + "".join(
        "replace: %s\n%s-\n" % (name, "" if value is None else "%s: %s\n" % (
            name, value)) for name, value in values.items()))


def message(octets):
    head = b"Subject: filler\r\n\r\n"
    return head + (b"x" * 70 + b"\r\n") * ((octets - len(head)) // 72)


def rcpt(platform, size, to=YUKI):
    """The reply to RCPT, for a message of so many octets."""
    with platform.smtp() as smtp:
        assert smtp.mail("a@b.example", ["size=%d" % size])[0] == 250
        code, text = smtp.rcpt(to)
        return code, text.decode()


def eventually(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def limited(platform):
    """yuki with an empty mailbox and a small quota; she reads Japanese."""
    with platform.imap(YUKI) as imap:
        for name in ("INBOX", "Trash"):
            if imap.select(name)[1] != [b"0"]:
                imap.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
                imap.expunge()
    modify(platform, ENTRY, hkQuota=LIMIT, preferredLanguage="ja")
    assert eventually(lambda: rcpt(platform, LIMIT + 1)[0] == 452)
    yield platform
    modify(platform, ENTRY, hkQuota=None, preferredLanguage=None)
    modify(platform, MIDORI, hkOverQuota=None)
    assert eventually(lambda: rcpt(platform, 10 * LIMIT)[0] == 250)


def test_senders_hear_of_a_full_mailbox(limited):
    assert rcpt(limited, LIMIT - 5000)[0] == 250
    assert rcpt(limited, LIMIT + 1) == (
        452, "4.2.2 Quota exceeded (mailbox is full)")
    modify(limited, MIDORI, hkOverQuota="refuse")
    assert eventually(lambda: rcpt(limited, LIMIT + 1) == (
        552, "5.2.2 Quota exceeded (mailbox is full)"))
    # Without a size it is what is there that counts.
    with limited.smtp() as smtp:
        limited.send_with(smtp, message(60000), [YUKI])
        limited.send_with(smtp, message(60000), [YUKI])
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            limited.send_with(smtp, message(100), [YUKI])
    assert refused.value.smtp_code == 552
    # Another server's LMTP is told the same.
    with smtplib.LMTP("127.0.0.1", limited.ports["lmtp"]) as lmtp:
        lmtp.ehlo("mx.example")
        lmtp.mail("a@b.example")
        assert lmtp.rcpt(YUKI)[0] == 552
        assert lmtp.rcpt(HANAKO)[0] == 250
    # What was deleted makes room, at once and in whatever way.
    pop = limited.pop(YUKI)
    pop.dele(1)
    pop.quit()
    assert rcpt(limited, 10000)[0] == 250


def test_a_list_is_not_kept_from_its_members(limited):
    limited.send(message(99000), to=YUKI)
    assert rcpt(limited, 9000)[0] == 452
    limited.ldap("ldapadd", "dn: %s\nobjectClass: hkGroup\ncn: all\n"
                 "mailLocalAddress: all@midori.example\n"
                 "rfc822MailMember: %s\nrfc822MailMember: ken@midori.example\n"
                 % (LIST, YUKI))
    try:
        assert eventually(
            lambda: rcpt(limited, 9000, "all@midori.example")[0] == 250)
        limited.send(b"Subject: to all\r\n\r\nx\r\n", to="all@midori.example")
        with limited.imap(YUKI) as imap:
            imap.select("INBOX", readonly=True)
            assert len(imap.search(None, "SUBJECT", "all")[1][0].split()) == 1
    finally:
        limited.ldap("ldapdelete", "", LIST)


def test_imap_hears_of_it(limited):
    """RFC 5530 section 3: OVERQUOTA; before the literal is sent."""
    with Wire(limited, "imaps") as wire:
        wire.line()
        assert b"OK" in wire.imap(b'LOGIN "%s" "%s"' % (
            YUKI.encode(), PASSWORD.encode()))[-1]
        # No "+": the client need not send what does not fit.
        assert wire.imap(b"APPEND INBOX {%d}" % (LIMIT + 1)) == [
            b"t NO [OVERQUOTA] the mailbox is full"]
    with limited.imap(YUKI) as imap:
        assert imap.append("INBOX", None, None, message(60000))[0] == "OK"
        got, text = imap.append("INBOX", None, None, message(60000))
        assert got == "NO" and b"[OVERQUOTA]" in text[0]
        imap.select("INBOX")
        got, text = imap.copy("1", "Trash")
        assert got == "NO" and b"[OVERQUOTA]" in text[0]
        # What is moved needs no more room than it has.
        assert imap._simple_command("UID", "MOVE", "1:*", "Trash")[0] == "OK"
        imap.select("Trash")
        assert imap.store("1", "+FLAGS", r"(\Deleted)")[0] == "OK"
        imap.expunge()
        assert imap.append("INBOX", None, None, message(60000))[0] == "OK"


def warnings(platform):
    """The subjects of the warnings, and the last one."""
    found, last = [], None
    with platform.imap(YUKI) as imap:
        imap.select("INBOX", readonly=True)
        for number in imap.search(
                None, "HEADER", "Auto-Submitted", "generated")[1][0].split():
            octets = imap.fetch(number, "(BODY.PEEK[])")[1][0][1]
            last = email.message_from_bytes(octets,
                                            policy=email.policy.default)
            found.append(last["Subject"])
    return found, last


def test_people_are_warned(limited):
    """Once at each level, in the brand's name and their language."""
    limited.send(message(79000), to=YUKI)
    assert warnings(limited)[0] == []
    limited.send(message(3000), to=YUKI)
    assert eventually(lambda: warnings(limited)[0])
    limited.send(message(1000), to=YUKI)
    subjects, last = warnings(limited)
    assert subjects == ["メールボックスの使用量が82%になりました"]
    assert last["From"].addresses[0].addr_spec == "postmaster@midori.example"
    assert last["From"].addresses[0].display_name == "Midori Net"
    assert last["To"] == YUKI and last["Auto-Submitted"] == "auto-generated"
    assert "ごみ箱を空に" in last.get_content()
    # By APPEND as by delivery.
    with limited.imap(YUKI) as imap:
        assert imap.append("INBOX", None, None, message(12500))[0] == "OK"
    assert len(warnings(limited)[0]) == 2
    assert rcpt(limited, 20000)[0] == 452
    assert warnings(limited)[0][2] == "メールボックスがいっぱいです"
    assert rcpt(limited, 20000)[0] == 452
    assert len(warnings(limited)[0]) == 3
    limited.empty(YUKI)
    limited.send(message(81000), to=YUKI)
    assert eventually(lambda: len(warnings(limited)[0]) == 1)
