# SPDX-License-Identifier: BSD-2-Clause
"""Logging in as somebody else: who may, as whom, and what the log says."""

import base64
import hashlib
import hmac
import subprocess
import time

import pytest
from conftest import _finish, _make
from support.platform import PASSWORD
from support.wire import Wire

AOZORA = "ou=aozora,ou=tenants,o=hikyaku"
MIDORI = "ou=midori,ou=tenants,o=hikyaku"
TENANTS = "ou=tenants,o=hikyaku"
MOVER = "cn=mover,ou=platform,o=hikyaku"
ADMIN, DESK = "admin@aozora.example", "desk@aozora.example"
HANAKO, TARO = "hanako@aozora.example", "taro@aozora.example"
YUKI = "yuki@midori.example"
SECRET = "moving-house-7"
WRONG = b"NO [AUTHENTICATIONFAILED] Wrong user name or password"


def entry(login):
    tenant = AOZORA if login.endswith("@aozora.example") else MIDORI
    return "uid=%s,ou=accounts,%s" % (login, tenant)


@pytest.fixture(scope="module")
def platform(installed):
    made = _make(installed, {"tenantd": [
        "penalty-delay = 10", "penalty-delay-max = 1s",
        "penalty-account-lock = 1000", "penalty-block-free = 1000",
        "penalty-block-lock = 0", "penalty-tenant-free = 0"]})
    secrets = subprocess.run(
        [made.prefix / "libexec/hikyaku/hash-password", "--ldif"],
        input=SECRET + "\n", capture_output=True, text=True,
        check=True).stdout
    made.ldap("ldapadd", "dn: %s\nobjectClass: organizationalRole\n"
              "objectClass: simpleSecurityObject\nobjectClass: hkActor\n"
              "cn: mover\n%shkActAs: %s\n" % (
                  MOVER, secrets.splitlines()[0] + "\n", MIDORI))
    for login in (ADMIN, DESK):
        act_as(made, entry(login), AOZORA, "add: objectClass\n"
               "objectClass: hkActor\n-\n")
    yield made
    _finish(made)


def act_as(platform, dn, target, before=""):
    platform.ldap("ldapmodify", "dn: %s\nchangetype: modify\n%s"
                  "replace: hkActAs\n%s" % (
                      dn, before,
                      "hkActAs: %s\n" % target if target else ""))


def plain(authzid, authcid, password=PASSWORD):
    return base64.b64encode("\0".join((authzid, authcid, password)).encode())


def imap(platform, authzid, authcid, password=PASSWORD):
    """The last answer of AUTHENTICATE PLAIN, without its tag."""
    with Wire(platform, "imaps") as wire:
        wire.line()
        return wire.imap(b"AUTHENTICATE PLAIN " + plain(
            authzid, authcid, password))[-1][2:]


def eventually(check, wanted, seconds=5):
    deadline = time.monotonic() + seconds
    while True:
        got = check()
        if wanted(got) or time.monotonic() > deadline:
            assert wanted(got), got
            return
        time.sleep(0.05)


def is_ok(answer):
    return answer.startswith(b"OK ")


def is_wrong(answer):
    return answer == WRONG


def subject(platform, login, text):
    platform.empty(login)
    platform.send(b"Subject: %s\r\n\r\nx\r\n" % text, to=login)
    platform.wait_placed()


def test_help_desk_reads_a_users_mail(platform):
    """By IMAP, POP3 and SMTP; a line in the log names both, and the session
    that it is."""
    subject(platform, HANAKO, b"only hanako's")
    mark = platform.log_mark()
    with Wire(platform, "imaps") as wire:
        wire.line()
        assert is_ok(wire.imap(b"AUTHENTICATE PLAIN " + plain(
            HANAKO, DESK))[-1][2:])
        assert b"* 1 EXISTS" in wire.imap(b"SELECT INBOX")
        assert b"only hanako's" in b"".join(
            wire.imap(b"FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]"))
    line = platform.wait_log(
        r'^.*login as another [^\n]*actor="%s" as="%s" tenant=aozora '
        r'[^\n]*service=imap client="127.0.0.1".*$' % (DESK, HANAKO), mark)[0]
    session = line.split('id="')[1].split('"')[0]
    platform.wait_log("session ended id=%s .*account=%s" % (
        session, HANAKO), mark)

    mark = platform.log_mark()
    with Wire(platform, "pop3s") as wire:
        wire.line()
        assert wire.pop3(b"AUTH PLAIN " + plain(HANAKO, DESK)) \
            .startswith(b"+OK")
        assert wire.pop3(b"STAT").startswith(b"+OK 1 ")
        wire.pop3(b"QUIT")
    acted = 'login as another .*actor="%s" as="%s".*service=' % (DESK, HANAKO)
    platform.wait_log(acted + "pop3", mark)

    mark = platform.log_mark()
    with Wire(platform, "submissions") as wire:
        wire.smtp()
        wire.smtp(b"EHLO desk.example")
        assert wire.smtp(b"AUTH PLAIN " + plain(HANAKO, DESK))[0] == 235
        # Under the user's name, and no longer under its own.
        assert wire.smtp(b"MAIL FROM:<%s>" % HANAKO.encode())[0] == 250
        wire.smtp(b"RSET")
        assert wire.smtp(b"MAIL FROM:<%s>" % DESK.encode())[0] >= 500
    platform.wait_log(acted + "smtp", mark)


class Scram:
    """RFC 5802 with an authorization identity, line by line."""

    def __init__(self, wire, authzid, authcid, password):
        self.wire, self.password = wire, password.encode()
        self.gs2 = "n,a=%s," % self.name(authzid)
        self.bare = "n=%s,r=nonce" % self.name(authcid)

    @staticmethod
    def name(text):
        return text.replace("=", "=3D").replace(",", "=2C")

    def say(self, text):
        self.wire.send(base64.b64encode(text.encode()) + b"\r\n")
        return self.wire.line()

    def run(self):
        self.wire.send(b"t AUTHENTICATE SCRAM-SHA-256\r\n")
        assert self.wire.line() == b"+ "
        first = base64.b64decode(
            self.say(self.gs2 + self.bare)[2:]).decode()
        fields = dict(f.split("=", 1) for f in first.split(","))
        final = "c=%s,r=%s" % (
            base64.b64encode(self.gs2.encode()).decode(), fields["r"])
        salted = hashlib.pbkdf2_hmac(
            "sha256", self.password, base64.b64decode(fields["s"]),
            int(fields["i"]))

        def mac(key, text):
            return hmac.new(key, text.encode(), "sha256").digest()

        key = hmac.new(salted, b"Client Key", "sha256").digest()
        signature = mac(hashlib.sha256(key).digest(),
                        ",".join((self.bare, first, final)))
        proof = bytes(a ^ b for a, b in zip(key, signature))
        answer = self.say(final + ",p=" + base64.b64encode(proof).decode())
        if answer.startswith(b"+ "):
            answer = self.say("")
        return answer[2:]


def scram(platform, *who):
    with Wire(platform, "imaps") as wire:
        wire.line()
        return Scram(wire, *who).run()


def test_scram_has_an_authorization_identity(platform):
    """RFC 5802 section 5, "a="."""
    mark = platform.log_mark()
    assert is_ok(scram(platform, HANAKO, DESK, PASSWORD))
    platform.wait_log('login as another .*actor="%s" as="%s"' % (
        DESK, HANAKO), mark)
    assert is_wrong(scram(platform, YUKI, DESK, PASSWORD))
    assert is_wrong(scram(platform, HANAKO, DESK, "wrong"))
    assert is_wrong(scram(platform, HANAKO, TARO, PASSWORD))


@pytest.mark.parametrize("authzid,authcid,password", [
    (YUKI, ADMIN, PASSWORD),              # of the other brand
    (YUKI, DESK, PASSWORD),
    ("nobody@aozora.example", DESK, PASSWORD),
    ("all@aozora.example", DESK, PASSWORD),          # a list
    (ADMIN, DESK, PASSWORD),              # would make an owner of the desk
    (HANAKO, DESK, "wrong"),
    (HANAKO, TARO, PASSWORD),             # a user as another
    (ADMIN, HANAKO, PASSWORD),
    (DESK, HANAKO, PASSWORD),
    (MOVER, ADMIN, PASSWORD),
    (HANAKO, MOVER, SECRET),              # a tenant that it does not name
    (YUKI, MOVER, "wrong"),
    ("", MOVER, SECRET),                  # nobody's mailbox
    (MOVER, MOVER, SECRET),
    (YUKI, "cn=operator,ou=platform,o=hikyaku", PASSWORD),
    (YUKI, "cn=mover,ou=tenants,ou=platform,o=hikyaku", SECRET),
    (YUKI, "mover", SECRET)])
def test_refused_like_a_wrong_password(platform, authzid, authcid, password):
    mark = platform.log_mark()
    assert imap(platform, authzid, authcid, password) == WRONG
    platform.wait_log("login failed.*delay_ms=[1-9]", mark)
    if password != "wrong" and "mover" != authcid and "operator" not in \
            authcid and "ou=tenants,ou=platform" not in authcid:
        platform.wait_log('login as another refused .*actor="%s" as='
                          % authcid, mark)
    assert PASSWORD not in platform.log_since(mark)


def test_owners_act_as_anybody_of_theirs(platform):
    assert is_ok(imap(platform, HANAKO, ADMIN))
    assert is_ok(imap(platform, DESK, ADMIN))
    # One's own names are no other's.
    mark = platform.log_mark()
    assert is_ok(imap(platform, "hana@aozora.example", HANAKO))
    assert is_ok(imap(platform, HANAKO, "hana@aozora.example"))
    assert "as another" not in platform.log_since(mark)


def test_not_with_an_app_password(platform):
    """What opens one program's mail opens nobody else's."""
    secret = platform.hikyaku("passwd", ADMIN, "--app", "telephone",
                              "--quiet").stdout.strip()
    eventually(lambda: imap(platform, "", ADMIN, secret), is_ok)
    mark = platform.log_mark()
    assert is_wrong(imap(platform, HANAKO, ADMIN, secret))
    platform.wait_log("login as another refused", mark)
    assert is_ok(imap(platform, HANAKO, ADMIN))


def test_doors_that_are_closed(platform):
    """To whom acts, and to whom it acts as: that is no wrong password."""
    for target in ("suspended@aozora.example", "nologin@aozora.example"):
        assert imap(platform, target, DESK).startswith(b"NO [CONTACTADMIN]")
    platform.ldap("ldapmodify", "dn: %s\nchangetype: modify\n"
                  "replace: hkService\nhkService: pop3\n" % entry(DESK))
    try:
        eventually(lambda: imap(platform, HANAKO, DESK),
                   lambda a: a.startswith(b"NO [CONTACTADMIN]"))
    finally:
        platform.ldap("ldapmodify", "dn: %s\nchangetype: modify\n"
                      "replace: hkService\n" % entry(DESK))
    eventually(lambda: imap(platform, HANAKO, DESK), is_ok)


def test_service_of_the_platform(platform):
    """What hkActAs names, and from the moment that it does."""
    mark = platform.log_mark()
    assert is_ok(imap(platform, YUKI, MOVER, SECRET))
    platform.wait_log('login as another .*actor="%s" as="%s" tenant=midori' % (
        MOVER, YUKI), mark)
    act_as(platform, MOVER, TENANTS)
    eventually(lambda: imap(platform, HANAKO, MOVER, SECRET), is_ok)
    assert is_ok(imap(platform, ADMIN, MOVER, SECRET))
    act_as(platform, MOVER, "")
    eventually(lambda: imap(platform, YUKI, MOVER, SECRET), is_wrong)
    act_as(platform, MOVER, MIDORI)
    eventually(lambda: imap(platform, YUKI, MOVER, SECRET), is_ok)


def test_rights_end_with_either_half(platform):
    """The platform gives hkActAs, the brand says who its help desk is."""
    def group(name, change, login):
        platform.ldap("ldapmodify", "dn: cn=%s,ou=admins,%s\nchangetype: "
                      "modify\n%s: member\nmember: %s\n" % (
                          name, AOZORA, change, entry(login)))

    group("helpdesk", "add", TARO)
    assert imap(platform, HANAKO, TARO) == WRONG  # without hkActAs
    group("helpdesk", "delete", DESK)
    eventually(lambda: imap(platform, HANAKO, DESK), is_wrong)
    group("helpdesk", "add", DESK)
    eventually(lambda: imap(platform, HANAKO, DESK), is_ok)
    act_as(platform, entry(DESK), "")
    eventually(lambda: imap(platform, HANAKO, DESK), is_wrong)
    act_as(platform, entry(DESK), AOZORA)
    eventually(lambda: imap(platform, HANAKO, DESK), is_ok)
    group("helpdesk", "delete", TARO)
