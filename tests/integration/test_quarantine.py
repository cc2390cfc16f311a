# SPDX-License-Identifier: BSD-2-Clause
"""Lists of senders and quarantine rules, each recipient's own."""

import pathlib
import re
import tempfile
import time

import pytest

from conftest import BUILD, _finish
from support.milter import Milter, xtext
from support.platform import Platform

HANAKO, TARO = "hanako@aozora.example", "taro@aozora.example"
JIRO = "jiro@aozora.example"
YUKI, KEN = "yuki@midori.example", "ken@midori.example"
TENANT = {HANAKO: "aozora", TARO: "aozora", JIRO: "aozora", YUKI: "midori",
          KEN: "midori"}
SETTINGS = ("hkAllowSender", "hkDenySender", "hkDenyAction",
            "hkQuarantineRule", "hkQuarantineOn")


@pytest.fixture(scope="module")
def filters(installed):
    root = pathlib.Path(tempfile.mkdtemp(prefix="hk-test-"))
    made = Platform(root, BUILD, installed=installed, settings={"": [
        'listen quarantine { address = "%s/run/quarantine.sock" }' % root]})
    made.mta = lambda: Milter(root / "run" / "quarantine.sock")
    try:
        made.create()
        made.start()
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
            stale = "hkQuarantineRule" in text and not values and re.search(
                r"hkQuarantineRule\s+\d", text)
            if not stale and all(v in text for v in values):
                break
            assert time.monotonic() < deadline, text
            time.sleep(0.05)


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
