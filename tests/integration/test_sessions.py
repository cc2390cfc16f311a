# SPDX-License-Identifier: BSD-2-Clause
"""How many sessions an account may have at a time, and how many connections
a client."""

import contextlib
import poplib
import time

import pytest
from conftest import _finish, _make
from support.platform import PASSWORD
from support.wire import Wire

YUKI, KEN = "yuki@midori.example", "ken@midori.example"
BASIC = "cn=basic,ou=classes,ou=platform,o=hikyaku"
MIDORI = "ou=midori,ou=tenants,o=hikyaku"
CLIENT_MAX = 8
LOGIN = b"LOGIN %s " + PASSWORD.encode()


@pytest.fixture(scope="module")
def platform(installed):
    made = _make(installed, {
        name: ["plaintext-login = yes",
               "client-connections-max = %d" % CLIENT_MAX]
        for name in ("pop3d", "imapd")})
    yield made
    _finish(made)


def limit(platform, dn, attribute, value=None):
    platform.ldap("ldapmodify", "dn: %s\nchangetype: modify\nreplace: %s\n%s"
                  % (dn, attribute, "" if value is None
                     else "%s: %d\n" % (attribute, value)))


def account(login):
    return "uid=%s,ou=accounts,%s" % (login, MIDORI)


def imap_login(platform, login, service="imap"):
    """A session, or the lines with which it was refused."""
    wire = Wire(platform, service)
    greeting = wire.line()
    if not greeting.startswith(b"* OK "):
        with contextlib.closing(wire):
            return [greeting]
    answer = wire.imap(LOGIN % login.encode())[-1]
    if answer.startswith(b"t OK"):
        return wire
    with contextlib.closing(wire):
        return [answer, wire.line()]


def eventually(make, wanted, seconds=5):
    """make() until wanted() says yes of it; edits act within a second."""
    deadline = time.monotonic() + seconds
    while True:
        got = make()
        if wanted(got) or time.monotonic() > deadline:
            assert wanted(got), got
            return got
        if isinstance(got, Wire):
            got.close()
        time.sleep(0.05)


def is_session(got):
    return isinstance(got, Wire)


def is_refused(got):
    return isinstance(got, list)


def test_imap_sessions_of_an_account(platform):
    """RFC 5530: NO [LIMIT]; in clear and under TLS, they are one count."""
    limit(platform, account(YUKI), "hkMaxImapSessions", 2)
    mark = platform.log_mark()
    with imap_login(platform, YUKI, "imaps") as first:
        second = eventually(lambda: imap_login(platform, YUKI), is_session)
        refused = eventually(lambda: imap_login(platform, YUKI), is_refused)
        assert refused[0].startswith(
            b"t NO [LIMIT] Too many sessions of this account"), refused
        assert refused[1] == b"* BYE Too many sessions"
        platform.wait_log("account has too many sessions.*max=2", mark)
        # Nobody else is refused, and who is there goes on.
        with imap_login(platform, KEN) as other:
            assert other.imap(b"NOOP")[-1].startswith(b"t OK")
        assert first.imap(b"NOOP")[-1].startswith(b"t OK")
        # A place that becomes free is free at once, however it is left.
        second.imap(b"LOGOUT")
        second.close()
        second = eventually(lambda: imap_login(platform, YUKI), is_session)
        second.close()
        eventually(lambda: imap_login(platform, YUKI), is_session).close()
    # The smallest of the account's, its class's and its tenant's.
    limit(platform, account(YUKI), "hkMaxImapSessions", 0)
    for dn in (MIDORI, BASIC):
        limit(platform, dn, "hkMaxImapSessions", 1)
        with eventually(lambda: imap_login(platform, YUKI), is_session):
            eventually(lambda: imap_login(platform, YUKI), is_refused)
        limit(platform, dn, "hkMaxImapSessions", 200)
    with eventually(lambda: imap_login(platform, YUKI), is_session):
        with eventually(lambda: imap_login(platform, YUKI), is_session):
            pass
    limit(platform, account(YUKI), "hkMaxImapSessions")


def test_pop3_sessions_of_an_account(platform):
    """RFC 2449 section 8.1.2: -ERR [IN-USE]."""
    limit(platform, account(YUKI), "hkMaxPop3Sessions", 1)
    mark = platform.log_mark()

    def crowded():
        with pytest.raises(poplib.error_proto, match="IN-USE") as refused:
            platform.pop(YUKI, service="pop3")
        return str(refused.value)

    first = platform.pop(YUKI)
    eventually(crowded, lambda text: "Too many sessions" in text, 15)
    platform.wait_log("account has too many sessions.*max=1", mark)
    platform.pop(KEN).quit()
    first.quit()
    second = platform.pop(YUKI)
    # Who is gone without QUIT is not waited for longer than the maildrop is.
    second.close()
    platform.pop(YUKI).quit()
    limit(platform, account(YUKI), "hkMaxPop3Sessions")


@pytest.mark.parametrize("service,greeting,refusal", [
    ("pop3", b"+OK ", b"-ERR [SYS/TEMP] Too many connections from you"),
    ("imap", b"* OK ", b"* BYE [LIMIT] Too many connections from you")])
def test_connections_of_a_client(platform, service, greeting, refusal):
    """Those that say nothing, too, and those in a handshake."""
    mark = platform.log_mark()
    with contextlib.ExitStack() as held:
        for number in range(CLIENT_MAX):
            wire = Wire(platform, service + ("s" if number % 2 else ""),
                        tls=False)
            held.enter_context(wire)
            if number % 2 == 0:
                assert wire.line().startswith(greeting)
        # The last one before may not be accepted yet.
        eventually(lambda: connect(platform, service),
                   lambda line: line == refusal)
        with Wire(platform, service) as late:
            assert late.line() == refusal
            assert late.closed()
        with Wire(platform, service + "s", tls=False) as late:
            assert late.closed()  # no words in clear where TLS belongs
        platform.wait_log("client has too many connections.*127.0.0.1.*"
                          "daemon=%sd" % service, mark)
        wire.close()
        eventually(lambda: connect(platform, service),
                   lambda line: line.startswith(greeting))

    # All have gone.
    def all_again():
        with contextlib.ExitStack() as again:
            return [again.enter_context(Wire(platform, service)).line()
                    for _ in range(CLIENT_MAX)]

    eventually(all_again, lambda lines: all(
        line.startswith(greeting) for line in lines))


def connect(platform, service):
    with Wire(platform, service) as wire:
        return wire.line()


def test_who_is_handed_over_in_clear_counts_no_more(platform):
    """The gate has given the descriptor away; under TLS it relays on."""
    with contextlib.ExitStack() as held:
        for number in range(CLIENT_MAX + 2):
            got = eventually(lambda: imap_login(platform, YUKI), is_session)
            held.enter_context(got)
    with contextlib.ExitStack() as held:
        for number in range(CLIENT_MAX):
            got = eventually(
                lambda: imap_login(platform, KEN, "imaps"), is_session)
            held.enter_context(got)
        assert connect(platform, "imap").startswith(b"* BYE [LIMIT]")
