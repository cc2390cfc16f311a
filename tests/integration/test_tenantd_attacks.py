# SPDX-License-Identifier: BSD-2-Clause
"""tenantd among clients that misbehave, a directory that is slow or silent,
and hands that take its files away."""

import base64
import contextlib
import imaplib
import os
import poplib
import random
import select
import shutil
import signal
import socket
import struct
import threading
import time

import pytest
from conftest import _finish, _make
from support import tenantd as t
from support.platform import PASSWORD, Platform  # noqa: F401
from support.wire import Wire

HANAKO, TARO, JIRO = ("%s@aozora.example" % n for n in (
    "hanako", "taro", "jiro"))
YUKI = "yuki@midori.example"
LDAP_PORT = 'uri = "ldap://127.0.0.1:%d"'


class Proxy(threading.Thread):
    """Stands between tenantd and slapd; delays what slapd says, or says
    nothing at all while its sockets stay open."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.delay, self.silent, self.over = 0.0, False, False

    def run(self):
        pairs, due = {}, []  # socket: its other end; (when, socket, octets)
        while not self.over:
            ready = select.select([self.listener, *pairs], [], [], 0.005)[0]
            for s in ready:
                if s is self.listener:
                    near = s.accept()[0]
                    far = socket.create_connection(
                        ("127.0.0.1", self.target))
                    pairs[near], pairs[far] = far, near
                    near.setsockopt(socket.IPPROTO_TCP,
                                    socket.TCP_NODELAY, 1)
                    continue
                if s not in pairs or self.silent:
                    continue
                with contextlib.suppress(OSError):
                    octets = s.recv(65536)
                    if octets:
                        from_slapd = s.getpeername()[1] == self.target
                        due.append((time.monotonic() + (
                            self.delay if from_slapd else 0), pairs[s],
                            octets))
                        continue
                other = pairs.pop(s)
                pairs.pop(other, None)
                s.close()
                other.close()
            now, later = time.monotonic(), []
            for item in due:
                if item[0] > now or self.silent:
                    later.append(item)
                    continue
                with contextlib.suppress(OSError):
                    item[1].sendall(item[2])
            due = later
            if self.silent:
                time.sleep(0.01)
        for s in (*pairs, self.listener):
            s.close()


@pytest.fixture(scope="module")
def proxy():
    made = Proxy(0)
    made.start()
    yield made
    made.over = True
    made.join(5)


@pytest.fixture(scope="module")
def platform(installed, proxy):
    made = _make(installed, {"tenantd": [
        "penalty-delay = 10", "penalty-delay-max = 1s",
        "penalty-block-lock = 0", "penalty-tenant-free = 0"]})
    proxy.target = made.ports["ldap"]
    made.hikyaku("stop")
    made.conf.write_text(made.conf.read_text().replace(
        LDAP_PORT % made.ports["ldap"], LDAP_PORT % proxy.port))
    made.hikyaku("start")
    yield made
    _finish(made)


@pytest.fixture
def ask(platform):
    with t.Tenantd(platform.root / "run/internal/tenantd") as client:
        yield client


def eventually(check, seconds=10):
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if check():
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)


def fresh(platform):
    return t.Tenantd(platform.root / "run/internal/tenantd")


def serves(platform):
    with fresh(platform) as client:
        return client.resolve(HANAKO) == t.MAILBOX and \
            client.login(HANAKO, PASSWORD) == t.OK


# ---- clients ----------------------------------------------------------------


def head(kind, version=t.VERSION):
    return struct.pack(">BBI", version, kind, 1)


def long_field(tag, size):
    return struct.pack(">BH", tag, size) + b"x" * size


BAD_PACKETS = {
    "nothing but zeros": bytes(65536),
    "one octet": b"\1",
    "a type that is none": head(99),
    "another version": head(t.RESOLVE, 9) + t.field(t.TAG_ADDRESS, HANAKO),
    "no fields": head(t.LOGIN),
    "a field cut short": head(t.RESOLVE) + b"\6\xff\xff" + b"x" * 100,
    "an address of 65,000 octets": head(t.RESOLVE) + long_field(
        t.TAG_ADDRESS, 65000),
    "a password of 65,000 octets": head(t.LOGIN) + t.field(
        t.TAG_LOGIN, HANAKO) + long_field(t.TAG_PASSWORD, 65000) + t.field(
            t.TAG_SERVICE, 4),
    "a SASL message of 65,000 octets": head(t.SASL_START) + t.field(
        t.TAG_MECHANISM, "PLAIN") + long_field(
            t.TAG_RESPONSE, 65000) + t.field(t.TAG_SERVICE, 4),
    "over 64 KB": head(t.RESOLVE) + t.field(
        t.TAG_ADDRESS, HANAKO) + long_field(200, 65535),
    "a token of one octet": head(t.SASL_STEP) + t.field(
        t.TAG_TOKEN, "x") + t.field(t.TAG_RESPONSE, ""),
}


@pytest.mark.parametrize("name", BAD_PACKETS)
def test_bad_packets_end_their_sender_alone(platform, ask, name):
    assert ask.resolve(HANAKO) == t.MAILBOX
    with fresh(platform) as bad:
        bad.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        bad.socket.send(BAD_PACKETS[name])
        assert bad.socket.recv(65536) == b""
    assert ask.resolve(HANAKO) == t.MAILBOX


def test_full_packets_of_what_nobody_knows(platform, ask):
    """Fields of a newer client, as many as fit, are no reason to refuse."""
    packet = head(t.RESOLVE) + t.field(t.TAG_ADDRESS, HANAKO)
    packet += t.field(201, "") * ((65536 - len(packet)) // 3)
    ask.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    for _ in range(50):
        ask.socket.send(packet)
        assert ask.receive()[1][t.TAG_OUTCOME] == [t.MAILBOX]


def test_random_packets(platform):
    rng = random.Random(4)
    for _ in range(300):
        with fresh(platform) as bad, contextlib.suppress(OSError):
            for _ in range(4):
                bad.socket.send(head(rng.randrange(16)) + b"".join(
                    t.field(rng.randrange(20), rng.randbytes(
                        rng.randrange(40)))
                    for _ in range(rng.randrange(6))))
            bad.socket.recv(65536)
    assert serves(platform)


def test_who_never_reads(platform, ask):
    """Thousands of questions and no answer taken: that socket alone goes."""
    with fresh(platform) as deaf:
        deaf.socket.setblocking(False)
        sent, gone, deadline = 0, False, time.monotonic() + 10
        while not gone and time.monotonic() < deadline:
            try:
                deaf.send(t.RESOLVE, (t.TAG_ADDRESS, HANAKO))
                sent += 1
            except BlockingIOError:
                start = time.monotonic()
                assert ask.resolve(YUKI) == t.MAILBOX
                assert time.monotonic() - start < 1
                time.sleep(0.01)
            except OSError:
                gone = True
        assert gone and sent > 100
    assert serves(platform)


def test_many_at_once_on_one_socket(platform, ask):
    """Nine slow passwords at a time: honest daemons have one under way."""
    with fresh(platform) as greedy:
        for number in range(9):
            greedy.send(t.LOGIN, (t.TAG_LOGIN, "n%d@aozora.example" % number),
                        (t.TAG_PASSWORD, "x"), (t.TAG_SERVICE, t.IMAP),
                        (t.TAG_CLIENT, "198.51.100.1"))
        eventually(lambda: greedy.receive() is None, 20)
    assert serves(platform)


def test_tokens_of_others(platform, ask):
    """An exchange is whose who has its token; a token is not guessed."""
    for _ in range(20):
        assert ask.ask(t.SASL_STEP, (t.TAG_TOKEN, os.urandom(16)),
                       (t.TAG_RESPONSE, "")) is None
    got = ask.ask(t.SASL_START, (t.TAG_MECHANISM, "LOGIN"),
                  (t.TAG_SERVICE, t.IMAP), (t.TAG_CLIENT, "192.0.2.1"))
    token = got[t.TAG_TOKEN][0]
    ask.send(t.SASL_CANCEL, (t.TAG_TOKEN, token))
    assert ask.ask(t.SASL_STEP, (t.TAG_TOKEN, token),
                   (t.TAG_RESPONSE, HANAKO)) is None


def test_exchanges_that_nobody_ends(platform, ask):
    """More than the table has: the newest are those that go on."""
    def begin(client):
        return client.ask(
            t.SASL_START, (t.TAG_MECHANISM, "LOGIN"),
            (t.TAG_SERVICE, t.IMAP), (t.TAG_CLIENT, "192.0.2.1"))[
                t.TAG_TOKEN][0]

    first = begin(ask)
    for _ in range(4096):
        last = begin(ask)
    assert ask.ask(t.SASL_STEP, (t.TAG_TOKEN, first),
                   (t.TAG_RESPONSE, HANAKO)) is None
    got = ask.ask(t.SASL_STEP, (t.TAG_TOKEN, last), (t.TAG_RESPONSE, HANAKO))
    got = ask.ask(t.SASL_STEP, (t.TAG_TOKEN, got[t.TAG_TOKEN][0]),
                  (t.TAG_RESPONSE, PASSWORD))
    assert got[t.TAG_OUTCOME] == [t.OK]


def test_scram_tells_nobody_who_exists(ask):
    """Names that nobody has answer as accounts with material do, or as those
    with a hash alone; each name always the same."""
    def begin(login):
        return ask.ask(
            t.SASL_START, (t.TAG_MECHANISM, "SCRAM-SHA-256"),
            (t.TAG_RESPONSE, "n,,n=%s,r=x" % login),
            (t.TAG_SERVICE, t.IMAP), (t.TAG_CLIENT, "192.0.2.1"))[
                t.TAG_OUTCOME][0]

    names = ["nobody%d@aozora.example" % n for n in range(40)]
    found = [begin(name) for name in names]
    assert set(found) == {t.CONTINUE, t.WEAK}
    assert [begin(name) for name in names] == found


def test_a_large_list_holds_nobody_up(platform, ask):
    """A brand's list of thousands, asked for again and again: each recipient
    once, and the others' answers come at once."""
    platform.ldap("ldapadd", "dn: cn=many,ou=groups,ou=midori,ou=tenants,"
                  "o=hikyaku\nobjectClass: hkGroup\ncn: many\n"
                  "mailLocalAddress: many@midori.example\n" + "".join(
                      "rfc822MailMember: m%d@outside.example\n" % n
                      for n in range(3900)))
    many = (t.RESOLVE, (t.TAG_ADDRESS, "many@midori.example"))
    got = ask.ask(*many)
    assert got[t.TAG_OUTCOME] == [t.GROUP] and got[t.TAG_COUNT] == [3900]
    quick(ask, most=1)
    over = threading.Event()

    def again():
        with fresh(platform) as client:
            while not over.is_set():
                assert client.ask(*many)[t.TAG_COUNT] == [3900]

    threads = [threading.Thread(target=again) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.2)
        quick(ask)
    finally:
        over.set()
        for thread in threads:
            thread.join(20)


# ---- an entry that changes between ------------------------------------------


class Scram:
    """Halfway through SCRAM-SHA-256 as one of them, by IMAP."""

    def __init__(self, platform, login, password):
        import hashlib
        import hmac
        self.wire = Wire(platform, "imaps")
        self.wire.line()
        self.wire.send(b"t AUTHENTICATE SCRAM-SHA-256\r\n")
        self.wire.line()
        bare = "n=%s,r=x" % login
        first = base64.b64decode(self.say("n,," + bare)[2:]).decode()
        fields = dict(f.split("=", 1) for f in first.split(","))
        final = "c=biws,r=" + fields["r"]
        salted = hashlib.pbkdf2_hmac(
            "sha256", password.encode(), base64.b64decode(fields["s"]),
            int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(
            hashlib.sha256(key).digest(),
            ",".join((bare, first, final)).encode(), "sha256")
        self.final = final + ",p=" + base64.b64encode(
            bytes(a ^ b for a, b in zip(key, signature))).decode()

    def say(self, text):
        self.wire.send(base64.b64encode(text.encode()) + b"\r\n")
        return self.wire.line()

    def end(self):
        answer = self.say(self.final)
        if answer.startswith(b"+ "):
            answer = self.say("")
        self.wire.close()
        return answer


def modify(platform, login, text):
    tenant = login.split("@")[1].split(".")[0]
    platform.ldap("ldapmodify", "dn: uid=%s,ou=accounts,ou=%s,ou=tenants,"
                  "o=hikyaku\nchangetype: modify\n%s" % (login, tenant, text))


def test_entry_changed_between_two_steps(platform, ask):
    assert Scram(platform, JIRO, PASSWORD).end().startswith(b"t OK")
    # Suspended meanwhile.
    halfway = Scram(platform, JIRO, PASSWORD)
    modify(platform, JIRO, "replace: hkStatus\nhkStatus: suspended\n")
    eventually(lambda: ask.resolve(JIRO) == t.SUSPENDED)
    assert halfway.end().startswith(b"t NO [CONTACTADMIN]")
    modify(platform, JIRO, "replace: hkStatus\nhkStatus: active\n")
    eventually(lambda: ask.resolve(JIRO) == t.MAILBOX)
    # The password changed meanwhile: the old one is none any more.
    halfway = Scram(platform, JIRO, PASSWORD)
    modify(platform, JIRO, "replace: userPassword\nuserPassword: new-one-1\n")
    eventually(lambda: ask.login(JIRO, "new-one-1") == t.OK)
    assert halfway.end().startswith((b"t NO [AUTHENTICATIONFAILED]",
                                     b"t NO [CANNOT]"))


# ---- the directory ----------------------------------------------------------


def quick(client, login=HANAKO, most=0.25):
    """Somebody who is known logs in, and how long the slowest takes."""
    slowest = 0
    for _ in range(20):
        start = time.monotonic()
        assert client.login(login, PASSWORD) == t.OK
        slowest = max(slowest, time.monotonic() - start)
    assert slowest < most, slowest


def test_slow_directory(platform, proxy, ask):
    """Each of slapd's words comes 0.4 s late: who is known does not notice,
    and the rest get right answers."""
    quick(ask, most=1)
    proxy.delay = 0.4
    try:
        threads, found = [], []
        for number in range(24):
            def lookup(number=number):
                with fresh(platform) as client:
                    found.append(client.resolve(
                        "slow%d@aozora.example" % number))

            threads.append(threading.Thread(target=lookup))
            threads[-1].start()
        quick(ask)
        for thread in threads:
            thread.join(30)
        assert set(found) <= {t.UNKNOWN, None} and t.UNKNOWN in found
        quick(ask)
    finally:
        proxy.delay = 0.0
    eventually(lambda: ask.resolve("slow-no-more@aozora.example")
               == t.UNKNOWN)


def test_silent_directory(platform, proxy, ask):
    """Its sockets stay open and nothing comes: known people go on, others get
    a temporary answer in time, and five seconds after its return all is
    well."""
    quick(ask, most=1)
    quick(ask, TARO, most=1)
    proxy.silent = True
    try:
        quick(ask)
        refused = []

        def stranger():
            try:
                platform.imap("silent@aozora.example")
            except imaplib.IMAP4.error as error:
                refused.append(str(error))

        thread = threading.Thread(target=stranger)
        start = time.monotonic()
        thread.start()
        assert ask.resolve("silent@aozora.example") is None
        thread.join(10)
        assert time.monotonic() - start < 6
        assert "UNAVAILABLE" in refused[0]
        for login in (HANAKO, TARO):
            quick(ask, login)
    finally:
        proxy.silent = False
    start = time.monotonic()
    eventually(lambda: ask.resolve("silent@aozora.example") == t.UNKNOWN)
    assert time.monotonic() - start < 5


# ---- the process and its files ----------------------------------------------


class Logins(threading.Thread):
    """Right passwords, again and again; counts what came of them."""

    def __init__(self, platform, login):
        super().__init__()
        self.platform, self.login = platform, login
        self.good, self.later, self.wrong = 0, 0, []
        self.stop = threading.Event()

    def run(self):
        while not self.stop.is_set():
            try:
                self.platform.pop(self.login, timeout=20).quit()
                self.good += 1
            except poplib.error_proto as error:
                self.later += 1
                # Neither a wrong password nor a word that is no answer.
                if not any(word in str(error)
                           for word in ("SYS/TEMP", "IN-USE", "EOF")):
                    self.wrong.append(str(error))
            except OSError:
                self.later += 1

    @classmethod
    @contextlib.contextmanager
    def of(cls, platform, *logins):
        made = [cls(platform, login) for login in logins]
        for each in made:
            each.start()
        yield made
        for each in made:
            each.stop.set()
        for each in made:
            each.join(30)
            assert not each.is_alive()
            assert not each.wrong, each.wrong[:3]


def test_killed_between_question_and_answer(platform):
    with Logins.of(platform, HANAKO, TARO, YUKI) as threads:
        for _ in range(4):
            before = [each.good for each in threads]
            eventually(lambda: platform.kill("tenantd", signal.SIGKILL))
            eventually(lambda: all(
                each.good > was + 1 for each, was in zip(threads, before)),
                30)


def state_of(platform):
    return platform.root / "state" / "tenantd"


def test_its_databases_are_deleted_while_it_runs(platform, ask):
    """All of them are harmless to lose: nobody notices, and what comes next
    is written again."""
    for path in state_of(platform).iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for number in range(60):
        assert ask.login("gone%d@aozora.example" % (number % 7), "x",
                         "198.51.100.%d" % number) == t.WRONG
    for login in (HANAKO, TARO, YUKI):
        quick(ask, login, 1)
    modify(platform, TARO, "replace: hkStatus\nhkStatus: suspended\n")
    eventually(lambda: ask.resolve(TARO) == t.SUSPENDED)
    modify(platform, TARO, "replace: hkStatus\nhkStatus: active\n")
    eventually(lambda: ask.resolve(TARO) == t.MAILBOX)
    # And once more from nothing.
    platform.kill("tenantd", signal.SIGTERM)
    eventually(lambda: serves(platform), 20)
    assert {"entries", "penalties"} <= {
        path.name for path in state_of(platform).iterdir()}
    with fresh(platform) as again:
        quick(again, YUKI, 1)
