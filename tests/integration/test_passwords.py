# SPDX-License-Identifier: BSD-2-Clause
"""Passwords: in the schemes of old systems, stored anew, for single programs,
and as SASL prepares them."""

import base64
import hashlib
import os
import subprocess
import unicodedata
import warnings

import pytest
from support.platform import PASSWORD
from support.tool import REFUSED, USAGE, Tool, eventually
from support.wire import Wire

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

HANAKO, YUKI = "hanako@aozora.example", "yuki@midori.example"
# What is tried in vain here is no attack, and hashes cost what tests can pay.
SETTINGS = {"tenantd": ["penalty-delay = 0", "penalty-account-lock = 0",
                        "penalty-block-free = 100000", "password-cost = 1"]}
FRESH = b"{CRYPT}$y$j75$"


@pytest.fixture(scope="module")
def tool(make_module_platform):
    return Tool(make_module_platform(SETTINGS))


def login(tool, service, name, password):
    with Wire(tool.platform, service) as w:
        w.line()
        if service == "submissions":
            w.smtp(b"EHLO client.example")
            return w.smtp(b"AUTH PLAIN " + base64.b64encode(
                b"\0%s\0%s" % (name.encode(), password.encode())))[0] == 235
        if service == "imaps":
            return b" OK " in w.imap(b'LOGIN "%s" "%s"' % (
                name.encode(), password.encode()))[-1]
        w.pop3(b"USER " + name.encode())
        return w.pop3(b"PASS " + password.encode()).startswith(b"+OK")


def where(tool, name, password):
    """The services that let this password in."""
    return {service for service in ("pop3s", "imaps", "submissions")
            if login(tool, service, name, password)}


def store(tool, address, tenant, attribute, *values):
    tool.platform.ldap(
        "ldapmodify", "dn: uid=%s,ou=accounts,ou=%s,ou=tenants,o=hikyaku\n"
        "changetype: modify\nreplace: %s\n%s" % (
            address, tenant, attribute, "".join(
                "%s: %s\n" % (attribute, value) for value in values)))


# ---- schemes ---------------------------------------------------------------------


def made_by(*argv, stdin=None):
    return subprocess.run(argv, input=stdin, capture_output=True, text=True,
                          check=True).stdout.strip()


def salted(name, digest, salt=b"\x00salt\xff"):
    octets = hashlib.new(digest, PASSWORD.encode() + salt).digest() + salt
    return "{%s}%s" % (name, base64.b64encode(octets).decode())


def scram():
    """RFC 5802 section 3, RFC 7677."""
    salt = os.urandom(16)
    key = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, 4096)

    def mac(text):
        import hmac
        return hmac.new(key, text, "sha256").digest()

    return "{CRYPT}{SCRAM-SHA-256}4096$%s$%s:%s" % tuple(
        base64.b64encode(octets).decode() for octets in (
            salt, hashlib.sha256(mac(b"Client Key")).digest(),
            mac(b"Server Key")))


SCHEMES = {
    # OpenLDAP's own tool.
    **{"slappasswd " + scheme: lambda s=scheme: made_by(
        "slappasswd", "-h", s, "-s", PASSWORD)
       for scheme in ("{SSHA}", "{SHA}", "{SMD5}", "{MD5}", "{CLEARTEXT}")},
    **{"slappasswd {CRYPT} " + form: lambda f=form: made_by(
        "slappasswd", "-h", "{CRYPT}", "-c", f, "-s", PASSWORD)
       for form in ("%.2s", "$1$%.8s", "$5$%.16s", "$6$%.16s")},
    # Python, which has its own hashes, and libcrypt's.
    **{"hashlib " + name: lambda n=name, d=digest: salted(n, d)
       for name, digest in (("SSHA", "sha1"), ("SMD5", "md5"),
                            ("SSHA256", "sha256"), ("SSHA512", "sha512"))},
    **{"hashlib " + name: lambda n=name, d=digest: salted(n, d, b"")
       for name, digest in (("SHA", "sha1"), ("MD5", "md5"),
                            ("SHA256", "sha256"), ("SHA512", "sha512"))},
    "hashlib SCRAM-SHA-256": scram,
    **{"crypt " + method.name: lambda m=method: "{CRYPT}" + crypt.crypt(
        PASSWORD, crypt.mksalt(m, **({"rounds": 16} if m.name == "BLOWFISH"
                                     else {})))
       for method in crypt.methods},
    # OpenSSL has crypt's three of its own.
    **{"openssl -" + kind: lambda k=kind: "{CRYPT}" + made_by(
        "openssl", "passwd", "-" + k, "-stdin", stdin=PASSWORD + "\n")
       for kind in ("1", "5", "6")},
}


def test_schemes(tool):
    """Values of other people's generators, as userPassword, as they are."""
    failed = []
    tool("tenant", "set", "midori", "--keep-secret", "yes")
    for name, make in SCHEMES.items():
        value = make()
        if "{" not in value:
            value = "{CLEARTEXT}" + value
        store(tool, YUKI, "midori", "userPassword", value)
        if not eventually(
                lambda: login(tool, "submissions", YUKI, PASSWORD)):
            failed.append((name, value))
        if login(tool, "submissions", YUKI, "x" + PASSWORD):  # DES reads eight
            failed.append((name, "another password"))
        if tool.stored(YUKI, "userPassword") != [value.encode()]:
            failed.append((name, "stored anew, which nobody asked for"))
    assert not failed
    tool("tenant", "set", "midori", "--no-keep-secret")


# ---- stored anew -----------------------------------------------------------------


def test_stored_anew(tool):
    """hkRehash: at the next login, with what SCRAM needs."""
    store(tool, YUKI, "midori", "userPassword", salted("SSHA", "sha1"))
    store(tool, YUKI, "midori", "hkSecret")
    tool("tenant", "set", "midori", "--rehash", "yes")
    assert eventually(lambda: login(tool, "imaps", YUKI, PASSWORD) and
                      tool.stored(YUKI, "userPassword")[0].startswith(FRESH))
    assert not login(tool, "imaps", YUKI, PASSWORD + "x")
    assert login(tool, "imaps", YUKI, PASSWORD)
    after = tool.stored(YUKI, "userPassword"), tool.stored(YUKI, "hkSecret")
    assert len(after[0]) == 1 and len(after[1]) == 1
    assert b"{SCRAM-SHA-256}" in after[1][0]
    # It is as new ones are: nothing to do.
    assert login(tool, "imaps", YUKI, PASSWORD)
    # A secret in clear is kept only where it may be.
    for keep in (False, True):
        tool("tenant", "set", "midori", "--keep-secret", "yes")
        store(tool, YUKI, "midori", "userPassword", "{CLEARTEXT}" + PASSWORD)
        if not keep:
            tool("tenant", "set", "midori", "--keep-secret", "no")
        assert eventually(
            lambda: login(tool, "imaps", YUKI, PASSWORD) and
            tool.stored(YUKI, "userPassword")[0].startswith(FRESH))
        assert any(b"{CLEARTEXT}" in value for value in tool.stored(
            YUKI, "hkSecret")) == keep
    tool("tenant", "set", "midori", "--rehash", "no", "--no-keep-secret")


# ---- for single programs ---------------------------------------------------------


def new_app(tool, name, *options, who=HANAKO):
    return tool("passwd", who, "--app", name, *options).strip()


def test_app_passwords(tool):
    phone = new_app(tool, "花子の電話", "--service", "imap")
    other = new_app(tool, "laptop", "--service", "pop3 smtp")
    assert len(phone) == 20 and phone != other
    assert eventually(lambda: login(tool, "imaps", HANAKO, phone))
    assert where(tool, HANAKO, phone) == {"imaps"}
    assert where(tool, HANAKO, other) == {"pop3s", "submissions"}
    assert len(where(tool, HANAKO, PASSWORD)) == 3
    assert not where(tool, HANAKO, phone[:-1])
    # Nobody else's, and readable for nobody.
    assert not where(tool, "taro@aozora.example", phone)
    stored = tool.stored(HANAKO, "hkAppPassword")
    assert all(b" {SSHA512}" in value and phone.encode() not in value
               for value in stored) and len(stored) == 2
    shown = tool("account", "show", HANAKO)
    assert "花子の電話" in shown and "laptop" in shown and "SSHA" not in shown
    assert "login with an app password" in tool.platform.log()
    # One is taken back; the other stays.
    tool("passwd", HANAKO, "--revoke-app", "花子の電話")
    assert eventually(lambda: not login(tool, "imaps", HANAKO, phone))
    assert where(tool, HANAKO, other) == {"pop3s", "submissions"}
    assert "there is no app password" in tool(
        "passwd", HANAKO, "--revoke-app", "花子の電話", status=REFUSED)
    assert "already" in tool("passwd", HANAKO, "--app", "laptop",
                             status=REFUSED)
    assert "imap, pop3, smtp" in tool("passwd", HANAKO, "--app", "x",
                                      "--service", "http", status=USAGE)
    tool("passwd", HANAKO, "--revoke-app", "laptop")
    assert not tool.stored(HANAKO, "hkAppPassword")


def test_app_passwords_are_a_matter_of_class(tool):
    one = new_app(tool, "one")
    two = new_app(tool, "two")
    assert eventually(lambda: login(tool, "imaps", HANAKO, two))
    tool("tenant", "set", "aozora", "--max-app-passwords", "2")
    assert "max-app-passwords" in tool("passwd", HANAKO, "--app", "three",
                                       status=REFUSED)
    # Those that come first by the alphabet of their IDs.
    tool("tenant", "set", "aozora", "--max-app-passwords", "1")
    assert eventually(lambda: [login(tool, "imaps", HANAKO, one),
                               login(tool, "imaps", HANAKO, two)].count(True)
                      == 1)
    tool("tenant", "set", "aozora", "--max-app-passwords", "0")
    assert eventually(lambda: not login(tool, "imaps", HANAKO, one) and
                      not login(tool, "imaps", HANAKO, two))
    assert "allows no app passwords" in tool("passwd", HANAKO, "--app", "x",
                                             status=REFUSED)
    tool("tenant", "set", "aozora", "--no-max-app-passwords")
    assert eventually(lambda: login(tool, "imaps", HANAKO, one))
    tool("passwd", HANAKO, "--revoke-app", "one")
    tool("passwd", HANAKO, "--revoke-app", "two")


def test_whose_app_passwords(tool):
    """Who makes them is the user; owners and help desks take them back."""
    made = tool.as_(HANAKO, "passwd", HANAKO, "--app", "own").strip()
    assert eventually(lambda: login(tool, "imaps", HANAKO, made))
    for who in ("admin@aozora.example", "desk@aozora.example"):
        assert "Insufficient access" in tool.as_(
            who, "passwd", HANAKO, "--app", "theirs", status=REFUSED)
    tool.as_("desk@aozora.example", "passwd", HANAKO, "--revoke-app", "own")
    assert eventually(lambda: not login(tool, "imaps", HANAKO, made))


# ---- RFC 4013 --------------------------------------------------------------------


def test_prepared(tool):
    """One password, whichever keyboard wrote it."""
    typed = "Pâté\u00a0ｶﾞ123①"
    tool("passwd", HANAKO, stdin=typed + "\n")
    forms = (typed, unicodedata.normalize("NFD", typed), "Pâté ガ1231")
    for form in forms:
        assert eventually(
            lambda f=form: login(tool, "submissions", HANAKO, f)), form
    assert not login(tool, "submissions", HANAKO, "Pate ガ1231")
    # One that slapd made a hash of, as it was typed.
    store(tool, HANAKO, "aozora", "userPassword", "{SSHA}" + base64.b64encode(
        hashlib.sha1("é①".encode() + b"salt").digest() + b"salt").decode())
    assert eventually(lambda: login(tool, "submissions", HANAKO, "é①"))
    store(tool, HANAKO, "aozora", "userPassword", salted("SSHA", "sha1"))
    # The name, too.
    assert eventually(lambda: login(
        tool, "submissions", "ｈａｎａｋｏ@aozora.example", PASSWORD))
