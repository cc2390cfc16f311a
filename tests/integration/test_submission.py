# SPDX-License-Identifier: BSD-2-Clause
"""What smtpd does to mail of users before anybody else sees it."""

import email
import email.utils
import smtplib

import pytest

HANAKO, YUKI, TARO = ("hanako@aozora.example", "yuki@midori.example",
                      "taro@aozora.example")


def send(platform, octets, sender=HANAKO, **how):
    return platform.send(octets, to=YUKI, sender=sender, login=HANAKO,
                         service="submission", **how)


def received(platform):
    with platform.imap(YUKI) as imap:
        platform.wait_placed()
        count = int(imap.select("INBOX", readonly=True)[1][0])
        assert count == 1
        return imap.fetch("1", "(BODY.PEEK[])")[1][0][1]


def test_what_is_missing_is_added(empty):
    """RFC 6409 8.2, 8.3: Date and Message-ID, and From, below our trace
    field; what is there stays as it is."""
    send(empty, b"Subject: bare\r\n\r\nx\r\n")
    octets = received(empty)
    message = email.message_from_bytes(octets)
    assert octets.endswith(b"Subject: bare\r\n\r\nx\r\n")
    assert message["From"] == HANAKO
    assert email.utils.parsedate_to_datetime(message["Date"])
    assert message["Message-ID"].endswith("@mail.aozora.example>")
    empty.empty(YUKI)
    whole = (b"message-id: <a@b>\r\ndate: Tue, 24 Nov 2026 08:36:47 +0900\r\n"
             b"From: " + HANAKO.encode() + b"\r\n\r\nx\r\n")
    send(empty, whole)
    assert received(empty).endswith(whole)
    assert email.message_from_bytes(received(empty)).get_all(
        "Message-ID") == ["<a@b>"]


def test_bcc_is_removed(empty):
    """RFC 6409 8: its readers are nobody else's business."""
    send(empty, b"From: hanako@aozora.example\r\nBcc: taro@aozora.example,\r\n"
         b"\tken@midori.example\r\nresent-bcc: x@y\r\nTo: yuki\r\n\r\nx\r\n")
    octets = received(empty)
    assert b"cc:" not in octets and b"ken@" not in octets
    assert b"From: hanako@aozora.example\r\nTo: yuki\r\n" in octets


@pytest.mark.parametrize("field", [
    b"From: yuki@midori.example", b"From: Hanako <taro@aozora.example>",
    b"From: hanako@aozora.example, taro@aozora.example",
    b"From: hanako@aozora.example\r\nFrom: hanako@aozora.example",
    b"From: hanako@aozora.example\r\nSender: taro@aozora.example",
    b"From: hanako@aozora.example\r\nResent-From: x@outside.example",
    b"From: \"hanako@aozora.example\" <x@outside.example>",
    b"From: x@outside.example (hanako@aozora.example)",
    b"From: undisclosed:;", b"From: hanako", b"From:"])
def test_authors_belong_to_the_login(empty, field):
    """CVE-2024-7208, 7209: no user writes in another's name, whatever MAIL
    said."""
    for sender in (HANAKO, ""):
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            send(empty, field + b"\r\n\r\nx\r\n", sender=sender)
        assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (
            554, b"5.7.1")
    with empty.imap(YUKI) as imap:
        assert imap.select("INBOX")[1] == [b"0"]


def test_authors_that_do(empty):
    for field in (b"From: Hanako <hanako@aozora.example>",
                  b"from: =?utf-8?q?=E9=A3=9B?= <HANAKO@aozora.example>",
                  b"From: hanako@aozora.example\r\nReply-To: x@else.example"):
        assert send(empty, field + b"\r\n\r\nx\r\n")[0] == 250
