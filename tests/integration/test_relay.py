# SPDX-License-Identifier: BSD-2-Clause
"""The queue and relayd from outside: mail to other hosts."""

import email
import email.policy
import re
import signal
import smtplib
import time

import pytest
from support.sink import Sink, Zone

HANAKO, TARO, YUKI = ("hanako@aozora.example", "taro@aozora.example",
                      "yuki@midori.example")
HOST = "127.0.0.2"


class World:
    """A platform, the DNS, and hosts that all listen on one port."""

    def __init__(self, make_platform, **hosts):
        self.zone = Zone()
        self.sink = Sink(HOST)
        self.platform = make_platform({"relayd": [
            "port = %d" % self.sink.port,
            "private-addresses = yes",
            "dnssec = no",
            'resolvers = { "%s" }' % self.zone.resolver,
            "retry-min = 1s", "retry-max = 2s",
            "site-retry-min = 1s", "site-retry-max = 1s",
            "connect-wait = 2s", "answer-wait = 3s", "data-wait = 3s",
            "dns-wait = 3s",
        ]})
        self.sinks = [self.sink]

    def host(self, domain, address):
        sink = Sink(address, self.sink.port)
        self.sinks.append(sink)
        self.zone.host(domain, address)
        return sink

    def send(self, to, text="Subject: x\r\n\r\nhello\r\n", sender=HANAKO,
             options=(), rcpt_options=()):
        """By submission; answers the queue id."""
        with self.platform.smtp("submission", login=sender) as smtp:
            got = []
            code, reply = smtp.mail(sender, list(options))
            assert code == 250, reply
            for one in [to] if isinstance(to, str) else to:
                code, reply = smtp.rcpt(one, list(rcpt_options))
                assert code == 250, reply
            assert smtp.docmd("DATA")[0] == 354
            smtp.send(text.replace("\r\n.", "\r\n..").encode() + b".\r\n")
            code, reply = smtp.getreply()
            got.append(reply)
            if code != 250:
                raise smtplib.SMTPResponseException(code, reply)
            return got[-1].decode().split()[-1]

    def close(self):
        self.zone.close()
        for sink in self.sinks:
            sink.close()


def wait(what, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        got = what()
        if got:
            return got
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def make_module_platform(installed):
    from conftest import _finish, _make
    made = []

    def make(settings=None):
        made.append(_make(installed, settings))
        return made[-1]

    yield make
    for each in made:
        _finish(each)


@pytest.fixture(scope="module")
def world(make_module_platform):
    made = World(make_module_platform)
    yield made
    made.close()


def inbox(platform, login):
    """Messages of the INBOX."""
    with platform.imap(login) as imap:
        imap.select("INBOX", readonly=True)
        return [item[1] for item in imap.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
                if isinstance(item, tuple)]


def report(platform, login, subject):
    """Waits for a report whose original has that subject."""
    def find():
        for octets in inbox(platform, login):
            m = email.message_from_bytes(octets, policy=email.policy.default)
            if m.get_content_type() == "multipart/report" and \
                    subject.encode() in octets:
                return m
        return None
    return wait(find)


def fields(m):
    """The delivery status: of the message, then of each recipient."""
    part = list(m.iter_parts())[1]
    assert part.get_content_type() == "message/delivery-status"
    return [dict(p.items()) for p in part.get_payload()]


def test_delivered(world):
    """Octet for octet, dots and all, to the domain's MX."""
    sink = world.host("one.example", "127.0.0.3")
    text = "Subject: dots\r\n\r\n.\r\n..two\r\nend\r\n"
    number = world.send(["a@one.example", "b@one.example"], text)
    message = wait(lambda: sink.messages)[0]
    assert message.recipients == ["a@one.example", "b@one.example"]
    assert message.sender.startswith("FROM:<%s>" % HANAKO)
    assert message.data.endswith(text.encode())
    assert b"id %s" % number.encode() in message.data
    world.platform.wait_log(
        r"recipient delivered message=%s tenant=aozora .*"
        r"recipient=\"?a@one.example" % number)
    assert "0 messages" in wait_empty(world)


def wait_empty(world):
    def empty():
        text = world.platform.hikyaku("queue", "list").stdout
        return text if "0 messages" in text else None
    return wait(empty)


def test_refused_recipient(world):
    """One refused, one taken: the sender hears of the one."""
    sink = world.host("two.example", "127.0.0.4")
    sink.answers["RCPT"] = lambda a: (
        b"550 5.1.1 no such user\r\n" if "bad" in a else ...)
    world.send(["good@two.example", "bad@two.example"],
               "Subject: refused-2\r\nMessage-ID: <r2@x>\r\n\r\nx\r\n",
               options=["RET=HDRS", "ENVID=abc+2B1"],
               rcpt_options=["NOTIFY=FAILURE,DELAY",
                             "ORCPT=rfc822;orig+40two.example"])
    assert wait(lambda: sink.messages)[0].recipients == ["good@two.example"]
    m = report(world.platform, HANAKO, "refused-2")
    assert m["Auto-Submitted"] == "auto-replied"
    assert m["In-Reply-To"] == "<r2@x>"
    of_message, of_bad = fields(m)
    assert of_message["Reporting-MTA"] == "dns; mail.aozora.example"
    assert of_message["Original-Envelope-Id"] == "abc+1"
    assert of_bad["Final-Recipient"] == "rfc822; bad@two.example"
    assert of_bad["Original-Recipient"] == "rfc822; orig@two.example"
    assert of_bad["Action"] == "failed" and of_bad["Status"] == "5.1.1"
    assert of_bad["Remote-MTA"] == "dns; mx.two.example"
    assert of_bad["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert list(m.iter_parts())[2].get_content_type() == \
        "text/rfc822-headers"
    # NOTIFY and ORCPT went on to the host, which offers DSN.
    assert any("NOTIFY=FAILURE,DELAY" in c and
               "ORCPT=rfc822;orig+40two.example" in c
               for c in sink.commands)


def test_deferred_then_delivered(world):
    """4xx to one of two: both arrive, each once."""
    sink = world.host("three.example", "127.0.0.5")
    seen = []

    def greylist(argument):
        seen.append(argument)
        return b"450 4.2.0 later\r\n" if "grey" in argument and \
            sum("grey" in s for s in seen) < 3 else ...
    sink.answers["RCPT"] = greylist
    number = world.send(["now@three.example", "grey@three.example"])
    wait(lambda: sink.messages)
    shown = world.platform.hikyaku("queue", "show", number).stdout
    assert "450 4.2.0 later" in shown and "login        hanako@" in shown
    wait(lambda: len(sink.messages) == 2)
    wait_empty(world)
    assert sorted(r for m in sink.messages for r in m.recipients) == [
        "grey@three.example", "now@three.example"]


@pytest.mark.parametrize("domain,records,status,words", [
    ("null.example", {("null.example", "MX"): [(0, "")]}, "5.1.10",
     "null MX"),
    ("none.invalid", {}, "5.1.2", "no such domain"),
    ("loop.example", {("loop.example", "MX"): [(10, "mail.aozora.example")]},
     "5.4.6", "comes back"),
])
def test_no_route(world, domain, records, status, words):
    """RFC 7505; RFC 5321 5.1: what cannot be reached fails at once."""
    world.zone.records.update(records)
    world.send("x@" + domain, "Subject: no-route-%s\r\n\r\nx\r\n" % domain)
    m = report(world.platform, HANAKO, "no-route-" + domain)
    assert fields(m)[1]["Status"] == status
    assert words in list(m.iter_parts())[0].get_content()


def test_implicit_mx_and_order(world):
    """Without MX the domain's address; the better of two MX first, and the
    other when it does not answer."""
    implicit = Sink("127.0.0.6", world.sink.port)
    backup = Sink("127.0.0.7", world.sink.port)
    world.sinks += [implicit, backup]
    world.zone.records[("implicit.example", "A")] = ["127.0.0.6"]
    world.zone.records.update({
        ("order.example", "MX"): [(20, "b.order.example"),
                                  (10, "a.order.example")],
        ("a.order.example", "A"): ["127.0.0.8"],  # nobody listens
        ("b.order.example", "A"): ["127.0.0.7"]})
    world.send("x@implicit.example")
    world.send("x@order.example")
    assert wait(lambda: implicit.messages)
    assert wait(lambda: backup.messages)


def test_mixed(world):
    """Here and elsewhere in one message."""
    sink = world.host("mixed.example", "127.0.0.9")
    world.send([YUKI, "x@mixed.example", TARO],
               "Subject: mixed-1\r\n\r\nx\r\n")
    wait(lambda: sink.messages)
    assert sink.messages[0].recipients == ["x@mixed.example"]
    for login in (YUKI, TARO):
        assert wait(lambda: [o for o in inbox(world.platform, login)
                             if b"mixed-1" in o])
    assert len(sink.messages) == 1


def test_success_reports(world):
    """RFC 3461 5.2: relayed where the host reports nothing, delivered here;
    nothing of ours where it does."""
    world.host("dsn.example", "127.0.0.10")
    plain = world.host("nodsn.example", "127.0.0.11")
    plain.extensions = ["PIPELINING"]
    world.send([YUKI, "a@dsn.example", "b@nodsn.example"],
               "Subject: success-1\r\n\r\nx\r\n",
               rcpt_options=["NOTIFY=SUCCESS"])

    def actions():
        found = {}
        for octets in inbox(world.platform, HANAKO):
            m = email.message_from_bytes(octets,
                                         policy=email.policy.default)
            if b"success-1" in octets and \
                    m.get_content_type() == "multipart/report":
                for f in fields(m)[1:]:
                    found[f["Final-Recipient"]] = f["Action"]
        return found if len(found) == 2 else None
    assert wait(actions) == {"rfc822; " + YUKI: "delivered",
                             "rfc822; b@nodsn.example": "relayed"}


ROGUE = (
    {"greeting": b"554 5.3.2 no\r\n"},
    {"EHLO": lambda a: b"250-x\r\n" * 5000},
    {"EHLO": lambda a: b"250 " + b"x" * 100000},
    {"MAIL": None},
    {"DATA": b"451 4.3.0 later\r\n"},
    {"dot": None},
    {"dot": b"what\r\n"},
    {"RCPT": b"250-\x1b[2J\0\xff\r\n550 5.0.0 a\r\n"},
    {"greeting": lambda a: time.sleep(4) or b"220 late\r\n"},
)


def test_rogue_hosts(world):
    """Whatever a host does, the message waits, and arrives once the host has
    come to its senses; others' mail goes on meanwhile."""
    hosts = []
    for i, answers in enumerate(ROGUE):
        sink = world.host("rogue%d.example" % i, "127.0.1.%d" % i)
        sink.answers = answers
        hosts.append((sink, world.send("x@rogue%d.example" % i)))
    good = world.host("good.example", "127.0.0.13")
    world.send("x@good.example")
    wait(lambda: good.messages, 2)
    for sink, number in hosts:
        wait(lambda n=number: "deferred message=%s" % n
             in world.platform.log(), 15)
        sink.answers = {}
    for sink, number in hosts:
        assert wait(lambda s=sink: s.messages)[0].recipients
    wait_empty(world)


def test_hold_release_delete(world):
    sink = world.host("ops.example", "127.0.0.14")
    sink.answers["MAIL"] = b"450 4.0.0 later\r\n"
    hikyaku = world.platform.hikyaku
    kept = world.send("a@ops.example")
    gone = world.send("b@ops.example")
    wait(lambda: hikyaku("queue", "list", "--site",
                         "ops.example").stdout.count("450 4.0.0") == 2)
    assert "1 message held" in hikyaku("queue", "hold", kept).stdout
    assert "1 message deleted" in wait(lambda: next(
        (o for o in [hikyaku("queue", "delete", gone).stdout]
         if "1 message" in o), None))
    sink.answers = {}
    time.sleep(1.5)
    assert not sink.messages
    assert " held " in hikyaku("queue", "list", "--domain",
                               "ops.example").stdout
    # It is held over a restart, too.
    killed = world.platform.kill("relayd")
    wait(lambda: set(world.platform.pids("relayd")) - set(killed))
    assert " held " in wait(lambda: hikyaku(
        "queue", "list", "--sender", HANAKO, check=False).stdout)
    assert "1 message released" in hikyaku(
        "queue", "release", "--site", "ops.example").stdout
    assert wait(lambda: sink.messages)[0].recipients == ["a@ops.example"]
    assert len(sink.messages) == 1
    wait_empty(world)
    assert hikyaku("queue", "show", gone, check=False).returncode == 1
    assert hikyaku("queue", "flush", check=False).returncode == 2


def test_kill_while_mail_flows(world):
    """kill -9 of relayd and smtpd: what had a 250 arrives, and twice only
    where the outcome was not known."""
    sink = world.host("kill.example", "127.0.0.15")
    deferred = set()

    def sometimes(argument):
        number = int(re.search(r"<(\d+)@", argument)[1])
        if number % 5 == 0 and number not in deferred:
            deferred.add(number)
            return b"451 4.7.1 greylisted\r\n"
        return ...
    sink.answers["RCPT"] = sometimes
    acknowledged = []
    for number in range(50):
        if number % 20 == 10:
            world.platform.kill("relayd")
        if number == 25:
            world.platform.kill("smtpd")
        deadline = time.monotonic() + 20
        while True:
            assert time.monotonic() < deadline
            try:
                world.send("%d@kill.example" % number)
                break
            except (OSError, EOFError, smtplib.SMTPException):
                time.sleep(0.05)
        acknowledged.append(number)
    wait(lambda: len({r for m in sink.messages for r in m.recipients})
         == len(acknowledged), 30)
    wait_empty(world)
    log = world.platform.log()
    ids = [re.search(rb"id (\w{11})\b", m.data)[1] for m in sink.messages]
    twice = len(ids) - len(set(ids))
    # A session that the kill cut off: nobody knows what became of it.
    assert twice <= 8, twice
    print("%d acknowledged, %d arrived, %d twice, %d unknown" % (
        len(acknowledged), len(ids), twice, log.count("outcome")))


def test_restart_keeps_what_waits(world):
    """An orderly end: a message that waits is there after the next start."""
    sink = world.host("later.example", "127.0.0.16")
    sink.answers["MAIL"] = b"450 4.0.0 later\r\n"
    number = world.send("x@later.example")
    wait(lambda: "deferred message=%s" % number in world.platform.log())
    world.platform.kill("relayd", signal.SIGTERM)
    sink.answers = {}
    assert wait(lambda: sink.messages)
    wait_empty(world)
