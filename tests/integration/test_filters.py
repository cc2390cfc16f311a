# SPDX-License-Identifier: BSD-2-Clause
"""Lists of senders, quarantine rules, forwarding and automatic answers, each
recipient's own, and the whole chain by SMTP."""

import email
import email.policy
import pathlib
import re
import smtplib
import tempfile
import time

import pytest

from conftest import BUILD, _finish
from support.milter import Milter, xtext
from support.platform import Platform
from test_antivirus import EICAR, signatures
from test_antivirus import mail as mail_with

HANAKO, TARO = "hanako@aozora.example", "taro@aozora.example"
JIRO = "jiro@aozora.example"
YUKI, KEN = "yuki@midori.example", "ken@midori.example"
TENANT = {HANAKO: "aozora", TARO: "aozora", JIRO: "aozora", YUKI: "midori",
          KEN: "midori"}
SETTINGS = ("hkAllowSender", "hkDenySender", "hkDenyAction",
            "hkQuarantineRule", "hkQuarantineOn", "hkForwardTo",
            "hkForwardKeep", "hkForwardRule", "hkAutoReply",
            "hkAutoReplySubject", "hkAutoReplyText", "hkAutoReplyStart",
            "hkAutoReplyEnd", "hkNotice", "hkNoticeTo", "hkVirusScan",
            "hkVirusAction")


NAMES = ("antivirus", "quarantine", "forward", "autoreply")


def chain(root):
    """smtpd asks all of them, in the order that hikyaku-filters(7) tells."""
    return {
        "": [*['listen %s { address = "%s/run/%s.sock" }' % (
            name, root, name) for name in NAMES],
             *['milter %s { socket = "%s/run/%s.sock" dispositions = yes }' % (
                 name, root, name) for name in NAMES],
             'antivirus { signatures = "%s/signatures"' % root,
             'scratch = "%s/scratch" scanners = 1 }' % root],
        "smtpd": ["milters-mx = { %s }" % ", ".join(NAMES),
                  "milters-submission = { %s }" % ", ".join(NAMES)]}


@pytest.fixture(scope="module")
def filters(installed):
    root = pathlib.Path(tempfile.mkdtemp(prefix="hk-test-"))
    root.chmod(0o755)
    (root / "signatures").mkdir(mode=0o755)
    (root / "scratch").mkdir()
    (root / "scratch").chmod(0o1777)
    signatures(root / "signatures")
    made = Platform(root, BUILD, installed=installed, settings=chain(root))
    made.mta = lambda name="quarantine": Milter(
        root / "run" / (name + ".sock"))
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


def have(platform, **who):
    """have(platform, hanako={"hkDenySender": [...]}): others have nothing.
    In force when this returns."""
    wanted = {}
    for address, tenant in TENANT.items():
        mine = who.get(address.split("@")[0], {})
        lines = ["dn: uid=%s,ou=accounts,ou=%s,ou=tenants,o=hikyaku" % (
            address, tenant), "changetype: modify"]
        for name in SETTINGS:
            values = mine.get(name, [])
            values = [values] if isinstance(values, str) else values
            lines += ["replace: " + name]
            lines += ["%s: %s" % (name, v) for v in values] + ["-"]
            wanted.setdefault(address, []).extend(values)
        platform.ldap("ldapmodify", "\n".join(lines) + "\n")
    deadline = time.monotonic() + 5
    for address, values in wanted.items():
        while True:
            text = platform.hikyaku("account", "settings", address).stdout
            stale = not values and re.search(
                r"(Rule\s+\d|(ForwardTo|Sender|NoticeTo)\s+\S+@|"
                r"(Reply|Notice)\s+TRUE)", text)
            # Times are shown in another form; a text comes with the rest.
            if not stale and all(v in text or re.match(r"\d{14}", v)
                                 for v in values):
                break
            assert time.monotonic() < deadline, text
            time.sleep(0.05)


def received(platform, login, count):
    """The messages of an INBOX, once there are so many."""
    deadline = time.monotonic() + 20
    while True:
        with platform.imap(login) as imap:
            imap.select("INBOX")
            numbers = imap.search(None, "ALL")[1][0].split()
            if len(numbers) >= count:
                assert len(numbers) == count
                return [email.message_from_bytes(
                    imap.fetch(n, "(RFC822)")[1][0][1],
                    policy=email.policy.default) for n in numbers]
        assert time.monotonic() < deadline, platform.log_tail()
        time.sleep(0.1)


def mail(sender="shop@shop.example", subject="sale"):
    return ("From: %s\r\nTo: %s\r\nSubject: %s\r\n\r\nhello\r\n" % (
        sender, HANAKO, subject)).encode()


def test_each_recipient_by_their_own(filters):
    have(filters,
         hanako={"hkQuarantineRule": ['2: subject="*sale*"',
                                      '1: paused from="*"',
                                      '7: from="*"']},
         taro={"hkDenySender": "*@shop.example", "hkDenyAction": "discard"},
         jiro={"hkDenySender": ["*@a.example", "shop@*"],
               "hkAllowSender": "*@shop.example",
               "hkQuarantineRule": '1: from="*"'},
         yuki={"hkDenySender": "SHOP@shop.example",
               "hkQuarantineRule": '1: from="*"'},
         ken={"hkQuarantineRule": '1: from="*"', "hkQuarantineOn": "FALSE"})
    with filters.mta() as mta:
        got = mta.message(mail(), rcpts=[HANAKO, TARO, JIRO, YUKI, KEN,
                                         "x@far.example"])
    assert got.reply == "accept"
    assert got.added == {
        "<%s>" % HANAKO: {"FOLDER": "Quarantine",
                          "TRACE": "quarantine=rule 2 quarantined"},
        "<%s>" % JIRO: {"TRACE": "lists=allowed (*@shop.example)"},
        "<%s>" % YUKI: {"FOLDER": "Junk",
                        "TRACE": "lists=denied (SHOP@shop.example) junk"},
        "<%s>" % KEN: {"TRACE": "quarantine=none"}}
    assert got.deleted == ["<%s>" % TARO]
    log = filters.log()
    assert re.search(r'caught by rule id=Aa0Bb1Cc2Dd recipient="%s" rule=2 '
                     r'fate=quarantined' % HANAKO, log)
    assert re.search(r'sender denied id=Aa0Bb1Cc2Dd recipient="%s" '
                     r'entry="\*@shop.example" fate=discarded' % TARO, log)


def test_nothing_is_put_back(filters):
    """What earlier filters have decided: Quarantine, Junk, DELETED."""
    have(filters, hanako={"hkDenySender": "*@shop.example"},
         taro={"hkQuarantineRule": '1: from="*"'},
         jiro={"hkQuarantineRule": '1: from="*"'})
    with filters.mta() as mta:
        got = mta.message(
            mail(), rcpts=[HANAKO, TARO, JIRO, YUKI],
            dispositions="1 FOLDER=Quarantine TRACE=antispam+3Dspam;"
                         "2 FOLDER=Junk;4 DELETED TRACE=x")
    assert "FOLDER" not in got.of(HANAKO)
    assert got.of(TARO)["FOLDER"] == "Quarantine"
    assert got.of(JIRO)["FOLDER"] == "Quarantine"
    assert "<%s>" % YUKI not in got.added


def test_a_list_is_told_apart_when_it_must_be(filters):
    filters.ldap("ldapadd",
                 "dn: cn=pair,ou=groups,ou=aozora,ou=tenants,o=hikyaku\n"
                 "objectClass: hkGroup\ncn: pair\n"
                 "mail: pair@aozora.example\n"
                 "mailLocalAddress: pair@aozora.example\n" + "".join(
                     "member: uid=%s,ou=accounts,ou=aozora,ou=tenants,"
                     "o=hikyaku\n" % a for a in (HANAKO, TARO)))
    have(filters, hanako={"hkQuarantineRule": '3: from="*"'},
         taro={"hkQuarantineRule": '3: from="*"'})
    pair = "pair@aozora.example"
    before = "1 TAG=" + xtext("[X]") + " TRACE=a+3Db TRACE=c"
    with filters.mta() as mta:
        # Both the same: the list stays one recipient.
        got = mta.message(mail(), rcpts=[pair])
        assert got.deleted == []
        assert got.of(pair)["FOLDER"] == "Quarantine"
        have(filters, hanako={"hkQuarantineRule": '3: from="*"'})
        got = mta.message(mail(), rcpts=[pair], dispositions=before)
    assert got.deleted == ["<%s>" % pair]
    assert [edit[1:3] for edit in got.edits if edit[0] == "2"] == [
        ("<%s>" % HANAKO, "FOLDER=Quarantine TAG=[X] TRACE=a+3Db;+20c "
         "TRACE=quarantine+3Drule+203+20quarantined"),
        ("<%s>" % TARO, "TAG=[X] TRACE=a+3Db;+20c "
         "TRACE=quarantine+3Dnone")]


def test_the_brand_comes_second(filters):
    """Lists and rules in the tenant's entry, behind the account's own."""
    aozora = "dn: ou=aozora,ou=tenants,o=hikyaku\nchangetype: modify\n"

    def wait(there):
        for who in (HANAKO, TARO, JIRO):
            deadline = time.monotonic() + 5
            while there != ("3: subject" in filters.hikyaku(
                    "account", "settings", who).stdout):
                assert time.monotonic() < deadline
                time.sleep(0.05)

    have(filters, hanako={"hkAllowSender": "*@shop.example"},
         taro={"hkAllowSender": "*@other.example"},
         jiro={"hkDenySender": "boss@*", "hkQuarantineOn": "FALSE"})
    filters.ldap("ldapmodify", aozora + "".join(
        "add: %s\n%s: %s\n-\n" % (name, name, value) for name, value in (
            ("hkDenySender", "*@shop.example"),
            ("hkAllowSender", "boss@*"),
            ("hkQuarantineRule", '3: subject="*sale*"'))))
    try:
        wait(True)
        with filters.mta() as mta:
            got = mta.message(mail(), rcpts=[HANAKO, TARO, YUKI])
            assert got.of(HANAKO)["TRACE"] == "lists=allowed (*@shop.example)"
            assert got.of(TARO) == {
                "FOLDER": "Junk",
                "TRACE": "lists=denied by the brand (*@shop.example) junk"}
            assert got.of(YUKI)["TRACE"] == "quarantine=none"
            got = mta.message(mail("boss@x.example"), rcpts=[TARO, JIRO])
            assert got.of(TARO)["TRACE"] == (
                "lists=allowed by the brand (boss@*)")
            assert got.of(JIRO)["FOLDER"] == "Junk"
            got = mta.message(mail("a@x.example"), rcpts=[JIRO])
            assert got.of(JIRO) == {
                "FOLDER": "Quarantine",
                "TRACE": "quarantine=the brand's rule 3 quarantined"}
    finally:
        filters.ldap("ldapmodify", aozora + "".join(
            "delete: %s\n-\n" % name for name in (
                "hkDenySender", "hkAllowSender", "hkQuarantineRule")))
        wait(False)


FAR, FARTHER = "me@far.example", "you@far.example"


def test_forwarding(filters):
    """All of it, by rule, with and without a copy, to people here."""
    have(filters,
         hanako={"hkForwardTo": [FAR, FARTHER], "hkForwardKeep": "FALSE"},
         taro={"hkForwardTo": FAR},
         jiro={"hkForwardRule": [
             '5: from="*" -> forward to="%s"' % FARTHER,
             '2: subject="*sale*" -> forward to="%s"' % YUKI]},
         ken={"hkForwardRule":
              '1: not from="*shop*" -> forward to="%s"' % FAR,
              "hkForwardKeep": "FALSE"})
    with filters.mta("forward") as mta:
        got = mta.message(mail(), rcpts=[HANAKO, TARO, JIRO, KEN])
        assert got.reply == "accept"
        assert got.deleted == ["<%s>" % HANAKO]
        assert got.added == {
            "<%s>" % FAR: {"FORWARDEDBY": HANAKO,
                           "TRACE": "forward=by <%s>" % HANAKO},
            "<%s>" % FARTHER: {"FORWARDEDBY": HANAKO,
                               "TRACE": "forward=by <%s>" % HANAKO},
            "<%s>" % YUKI: {"FORWARDEDBY": JIRO,
                            "TRACE": "forward=by <%s>" % JIRO},
            "<%s>" % TARO: {"TRACE": "forward=sent kept"},
            "<%s>" % JIRO: {"TRACE": "forward=sent rule 2 kept"},
            "<%s>" % KEN: {"TRACE": "forward=none"}}
        # Who gets it anyway gets it once.
        got = mta.message(mail(), rcpts=[JIRO, YUKI])
        assert list(got.added) == ["<%s>" % JIRO]
        # What was held back, tagged or replaced stays.
        for before in ("FOLDER=Junk", "TAG=x", "REPLACE=x"):
            got = mta.message(mail(), rcpts=[HANAKO],
                              dispositions="1 " + before)
            assert got.deleted == []
            assert got.of(HANAKO) == {"TRACE": "forward=held back"}
    assert re.search(r'forwarded id=Aa0Bb1Cc2Dd recipient="%s" rule=2 '
                     r'targets=1 loops=0 kept=yes' % JIRO, filters.log())


def test_circles_end(filters):
    """Oneself, two and three accounts, two brands, and through other hosts:
    no copy twice, and none lost."""
    no = {"hkForwardKeep": "FALSE"}
    have(filters, hanako={"hkForwardTo": HANAKO, **no},
         taro={"hkForwardTo": YUKI, **no},
         yuki={"hkForwardTo": TARO, **no},
         jiro={"hkForwardTo": KEN, **no}, ken={"hkForwardTo": FAR, **no})
    with filters.mta("forward") as mta:
        got = mta.message(mail(), rcpts=[HANAKO])
        assert got.deleted == []
        assert got.added == {"<%s>" % HANAKO: {
            "TRACE": "forward=loop kept"}}
        # taro to yuki to taro: yuki has it, once.
        got = mta.message(mail(), rcpts=[TARO])
        assert got.deleted == ["<%s>" % TARO]
        assert got.added == {"<%s>" % YUKI: {
            "FORWARDEDBY": TARO, "TRACE": "forward=by <%s>" % TARO}}
        # jiro to ken to far: followed to its end, sent on by ken.
        got = mta.message(mail(), rcpts=[JIRO])
        assert got.deleted == ["<%s>" % JIRO]
        assert got.added == {"<%s>" % FAR: {
            "FORWARDEDBY": KEN, "TRACE": "forward=by <%s>" % KEN}}
        # It comes back from far.example.
        back = b"Delivered-To: %s\r\n" % KEN.encode() + mail()
        got = mta.message(back, rcpts=[KEN])
        assert got.deleted == []
        assert got.added == {"<%s>" % KEN: {"TRACE": "forward=loop kept"}}
    assert re.search(r'loop cut id=\S+ recipient="%s" rule=0 targets=0 '
                     r'loops=1 kept=yes' % KEN, filters.log())


def letter(sender=YUKI, to=HANAKO, fields=""):
    return ("From: %s\r\nTo: %s\r\nSubject: =?UTF-8?B?6KuL5rGC5pu4?=\r\n"
            "Message-ID: <one@midori.example>\r\n%s\r\nhello\r\n" % (
                sender, to, fields)).encode()


AWAY = {"hkAutoReply": "TRUE", "hkAutoReplyText": "不在です。",
        "hkAutoReplySubject": "留守"}


def test_auto_reply(filters):
    """Once for each sender, marked as what it is, and a notice."""
    filters.empty(YUKI)
    have(filters, hanako=AWAY,
         taro={"hkAutoReply": "TRUE", "hkAutoReplyText": "away"},
         jiro={"hkNotice": "TRUE", "hkNoticeTo": KEN})
    with filters.mta("autoreply") as mta:
        got = mta.message(letter(), sender=YUKI, rcpts=[HANAKO, TARO])
        assert got.added == {
            "<%s>" % HANAKO: {"TRACE": "autoreply=sent notice=off"},
            "<%s>" % TARO: {
                "TRACE": "autoreply=not addressed notice=off"}}
        got = mta.message(letter(), sender="YUKI@midori.example",
                          rcpts=[HANAKO])
        assert got.of(HANAKO)["TRACE"] == "autoreply=not again notice=off"
        # Without a subject of its own it has the mail's.
        got = mta.message(letter(to=TARO), sender=YUKI, rcpts=[TARO])
        assert got.of(TARO)["TRACE"] == "autoreply=sent notice=off"
        # One of the addresses in alias domains and groups will do.
        got = mta.message(letter(to=JIRO), sender=YUKI, rcpts=[JIRO])
        assert got.of(JIRO)["TRACE"] == "autoreply=off notice=sent"
    first, second = sorted(received(filters, YUKI, 2),
                           key=lambda m: m["From"])
    assert first["From"] == HANAKO and first["To"] == YUKI
    assert first["Subject"] == "留守"
    assert first["Return-Path"] == "<>"
    assert first["Auto-Submitted"] == "auto-replied"
    assert first["In-Reply-To"] == "<one@midori.example>"
    assert first.get_content().split() == ["不在です。"]
    assert second["Subject"] == "Auto: 請求書"
    notice, = received(filters, KEN, 1)
    assert notice["Auto-Submitted"] == "auto-generated"
    assert YUKI in notice["Subject"]
    assert "請求書" in notice.get_content()
    assert len(notice.get_content()) < 100
    # The notice itself, come to somebody who is away, is not answered: two
    # automatons facing each other fall silent.
    with filters.mta("autoreply") as mta:
        got = mta.message(bytes(notice), sender="", rcpts=[HANAKO])
        assert got.of(HANAKO)["TRACE"] == "autoreply=no (bounce)"
        got = mta.message(bytes(first), sender=YUKI, rcpts=[HANAKO])
        assert got.of(HANAKO)["TRACE"] == "autoreply=no (automatic)"
    filters.empty(KEN)
    filters.empty(YUKI)


def test_whom_nobody_answers(filters):
    have(filters, hanako=AWAY,
         taro={**AWAY, "hkAutoReplyStart": "20200101000000Z",
               "hkAutoReplyEnd": "20200201000000+0900"},
         jiro={**AWAY, "hkAutoReplyStart": "20990101000000+0900"})
    ken = {"sender": KEN, "rcpts": [HANAKO]}
    cases = (
        (letter(), {"sender": "", "rcpts": [HANAKO]}, "no (bounce)"),
        (letter(), {"sender": "noreply@x.example", "rcpts": [HANAKO]},
         "no (role)"),
        (letter(fields="List-Id: <a.b>\r\n"), ken, "no (list)"),
        (letter(fields="Precedence: bulk\r\n"), ken, "no (bulk)"),
        (letter(fields="Auto-Submitted: auto-replied\r\n"), ken,
         "no (automatic)"),
        (letter(), {"sender": HANAKO, "rcpts": [HANAKO]}, "no (oneself)"),
        (letter(), {**ken, "dispositions": "1 FOLDER=Junk"},
         "no (held back)"),
        (letter(to=YUKI), ken, "not addressed notice=off"),
    )
    with filters.mta("autoreply") as mta:
        for octets, how, trace in cases:
            got = mta.message(octets, **how)
            assert got.of(HANAKO)["TRACE"] == "autoreply=" + trace
        for who in (TARO, JIRO):
            got = mta.message(letter(to=who), sender=KEN, rcpts=[who])
            assert got.of(who)["TRACE"] == "autoreply=not now notice=off"


def mailbox(platform, login, folder="INBOX"):
    """[(trace entries, message)] of a folder, which is emptied."""
    with platform.imap(login) as imap:
        if imap.select('"%s"' % folder)[0] != "OK":
            return []
        numbers = imap.search(None, "ALL")[1][0].split()
        found = [email.message_from_bytes(
            imap.fetch(n, "(RFC822)")[1][0][1],
            policy=email.policy.default) for n in numbers]
        if numbers:
            imap.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
            imap.expunge()
    return [([" ".join(t.split()) for t in m.get_all("Hikyaku-Trace", [])], m)
            for m in found]


def test_whole_chain(filters):
    """By SMTP: one message, two brands, each outcome exact and once, told by
    the trace."""
    have(filters,
         hanako={"hkQuarantineRule": '4: subject="*sale*"'},
         taro={"hkDenySender": "*@shop.example"},
         jiro={"hkAllowSender": "*@shop.example",
               "hkQuarantineRule": '1: from="*"'},
         yuki={"hkForwardTo": KEN, "hkForwardKeep": "FALSE"})
    for login in TENANT:
        mailbox(filters, login)
    everybody = [HANAKO, TARO, JIRO, YUKI]
    code, _ = filters.send(mail(), to=everybody, sender="shop@shop.example")
    assert code == 250
    filters.wait_placed()
    clean = "antivirus=clean"
    for login, folder, traces in (
            (HANAKO, "Quarantine",
             [clean, "quarantine=rule 4 quarantined"]),
            (TARO, "Junk", [clean, "lists=denied (*@shop.example) junk"]),
            (JIRO, "INBOX", [clean, "lists=allowed (*@shop.example)"]),
            (KEN, "INBOX", ["forward=by <%s>" % YUKI])):
        found = mailbox(filters, login, folder)
        assert len(found) == 1, (login, folder, found)
        assert found[0][0] == traces
        assert found[0][1].get_content().split() == ["hello"]
        if login == KEN:
            assert YUKI in found[0][1].get_all("Delivered-To")
    for login in (HANAKO, TARO, YUKI):
        assert mailbox(filters, login) == []


def test_whole_chain_infected(filters):
    """What is infected is neither forwarded nor shown, but as chosen."""
    have(filters, hanako={"hkVirusScan": "FALSE", "hkForwardTo": JIRO},
         taro={"hkVirusAction": "remove", "hkForwardTo": JIRO},
         yuki={"hkVirusAction": "quarantine"})
    octets = mail_with(("eicar.com", EICAR))
    code, _ = filters.send(octets, to=[HANAKO, TARO, YUKI])
    assert code == 250
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        filters.send(octets, to=[KEN])
    assert refused.value.smtp_code == 550
    assert b"infected: Own.Eicar" in refused.value.smtp_error
    filters.wait_placed()
    (traces, message), = mailbox(filters, HANAKO)
    assert message["Subject"].startswith("[VIRUS Own.Eicar")
    assert traces[1:] == ["quarantine=none", "forward=held back"]
    (traces, message), = mailbox(filters, TARO)
    assert "Own.Eicar" in message.get_content()
    assert "ウイルス" in message.get_content()
    assert EICAR not in bytes(message)
    assert mailbox(filters, YUKI) == []
    (traces, message), = mailbox(
        filters, "admin@midori.example", "Quarantine")
    assert "for <%s>" % YUKI in traces[0]
    assert mailbox(filters, JIRO) == []


def test_directory_gone(filters):
    """Nothing passes by settings that nobody knows."""
    filters.kill("tenantd")
    with filters.mta() as mta:
        # hikyakud starts it again within the deadline, or mail is deferred.
        got = mta.message(mail(), rcpts=[HANAKO])
        assert got.reply == "accept" or got.reply.startswith("451 4.3.0")
    with filters.mta() as mta:
        deadline = time.monotonic() + 10
        while mta.message(mail(), rcpts=[HANAKO]).reply != "accept":
            assert time.monotonic() < deadline
            time.sleep(0.1)
