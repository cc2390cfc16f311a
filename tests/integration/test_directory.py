# SPDX-License-Identifier: BSD-2-Clause
"""The directory: what slapd refuses, and what tenantd makes of the rest."""

import base64
import hashlib
import hmac
import imaplib
import os
import pathlib
import poplib
import signal
import smtplib
import subprocess
import time

import pytest
from support.platform import PASSWORD
from support.slapd import (
    CONSTRAINT,
    DENIED,
    NO_SUCH,
    OPERATOR,
    TENANTD,
    TENANTS,
    account,
)

HANAKO = account("hanako@aozora.example")
YUKI = account("yuki@midori.example")
OWNER = account("admin@aozora.example")


# ---- slapd alone: who may do what -------------------------------------------


def replace(dn, attr, value):
    return "dn: %s\nchangetype: modify\nreplace: %s\n%s: %s\n" % (
        dn, attr, attr, value)


def add_value(dn, attr, value):
    return replace(dn, attr, value).replace("replace: ", "add: ")


def new_account(address, tenant, extra=""):
    return ("dn: %s\nchangetype: add\nobjectClass: inetOrgPerson\n"
            "objectClass: hkAccount\nuid: %s\ncn: x\nsn: x\nmail: %s\n"
            "mailLocalAddress: %s\n%s" % (
                account(address, tenant), address, address, address, extra))


AOZORA = "ou=aozora," + TENANTS
MIDORI = "ou=midori," + TENANTS
# who, LDIF, the result code it must have
EDITS = {
    "owner sets a quota":
        (OWNER, replace(HANAKO, "hkQuota", "1000000"), 0),
    "owner sets a ceiling":
        (OWNER, replace(HANAKO, "hkMaxQuota", "99999999999"), DENIED),
    "owner sets the tenant's status":
        (OWNER, replace(AOZORA, "hkTenantStatus", "closing"), DENIED),
    "owner sets the store's uid":
        (OWNER, replace(AOZORA, "hkUid", "1"), DENIED),
    "owner names the brand":
        (OWNER, replace(AOZORA, "displayName", "Aozora"), 0),
    "owner moves an account to another node":
        (OWNER, replace(HANAKO, "mailHost", "evil.example"), DENIED),
    "owner chooses a Maildir":
        (OWNER, replace(HANAKO, "hkAccountId", "abc"), DENIED),
    "owner edits the other brand":
        (OWNER, replace(YUKI, "hkQuota", "1"), DENIED),
    "owner adds an address":
        (OWNER, add_value(HANAKO, "mailLocalAddress",
                          "flower@aozora.example"), 0),
    "owner adds an address of the other brand":
        (OWNER, add_value(HANAKO, "mailLocalAddress",
                          "ceo@midori.example"), DENIED),
    "owner adds a stranger's address":
        (OWNER, add_value(HANAKO, "mailLocalAddress",
                          "ceo@gmail.example"), DENIED),
    "owner adds an address that breaks the set of the ACL":
        (OWNER, add_value(HANAKO, "mailLocalAddress",
                          "x@z] | user | [q"), CONSTRAINT),
    "owner adds an account":
        (OWNER, new_account("new@aozora.example", "aozora"), 0),
    "owner adds an account with a ceiling":
        (OWNER, new_account("new2@aozora.example", "aozora",
                            "hkMaxQuota: 9\n"), DENIED),
    "owner adds an account in the other branch":
        (OWNER, new_account("new3@midori.example", "midori"), DENIED),
    "owner adds a domain":
        (OWNER, "dn: associatedDomain=x.example,ou=domains,%s\n"
         "changetype: add\nobjectClass: hkDomain\n"
         "associatedDomain: x.example\nhkAdminGroup: cn=owners,ou=admins,%s\n"
         % (AOZORA, AOZORA), DENIED),
    "owner deletes an active account":
        (OWNER, "dn: %s\nchangetype: delete\n"
         % account("new@aozora.example"), DENIED),
    "a rename smuggles a ceiling":
        (OWNER, "dn: %s\nchangetype: modrdn\n"
         "newrdn: uid=new@aozora.example+hkMaxQuota=9\ndeleteoldrdn: 1\n"
         % account("new@aozora.example"), DENIED),
    "owner suspends the account":
        (OWNER, replace(account("new@aozora.example"), "hkStatus",
                        "suspended"), 0),
    "owner removes a suspended account":
        (OWNER, "dn: %s\nchangetype: delete\n"
         % account("new@aozora.example"), DENIED),
    "owner deletes the account, first step":
        (OWNER, replace(account("new@aozora.example"), "hkStatus", "deleted")
         + "-\nreplace: hkDeleteAfter\nhkDeleteAfter: 20300101000000Z\n", 0),
    "a rename of a deleted account smuggles a ceiling":
        (OWNER, "dn: %s\nchangetype: modrdn\n"
         "newrdn: uid=new@aozora.example+hkMaxQuota=9\ndeleteoldrdn: 1\n"
         % account("new@aozora.example"), DENIED),
    "owner removes a deleted account":
        (OWNER, "dn: %s\nchangetype: delete\n"
         % account("new@aozora.example"), 0),
    "an address that another account has":
        (OPERATOR, add_value(HANAKO, "mailLocalAddress",
                             "taro@aozora.example"), CONSTRAINT),
    "an address that another tenant's account has":
        (OPERATOR, add_value(HANAKO, "mailLocalAddress",
                             "YUKI@midori.example"), CONSTRAINT),
    "a host name that another brand has":
        (OPERATOR, add_value(AOZORA, "hkHost", "mail.midori.example"),
         CONSTRAINT),
    "a word that is no status":
        (OPERATOR, replace(HANAKO, "hkStatus", "gone"), CONSTRAINT),
    "a primary address that is not among the addresses":
        (OPERATOR, replace(HANAKO, "mail", "other@aozora.example"),
         CONSTRAINT),
    "root's uid for a store":
        (OPERATOR, replace(AOZORA, "hkUid", "0"), CONSTRAINT),
    "user writes their name":
        (HANAKO, replace(HANAKO, "displayName", "Hana"), 0),
    "user writes their quota":
        (HANAKO, replace(HANAKO, "hkQuota", "1"), DENIED),
    "user takes an address":
        (HANAKO, add_value(HANAKO, "mailLocalAddress",
                           "boss@aozora.example"), DENIED),
    "user writes a colleague's name":
        (HANAKO, replace(account("taro@aozora.example"), "displayName",
                         "x"), NO_SUCH),
    "the daemons write":
        (TENANTD, replace(HANAKO, "hkQuota", "1"), DENIED),
}


@pytest.mark.parametrize("name", EDITS)
def test_edits(slapd, name):
    who, ldif, code = EDITS[name]
    got, _ = slapd.ldapmodify(who, ldif)
    # An entry that one may not see is "not there" or "not permitted".
    assert got in ({DENIED, NO_SUCH} if code in (DENIED, NO_SUCH)
                   else {code})


def test_clear_password_is_hashed(slapd):
    jiro = account("jiro@aozora.example")
    assert slapd.ldapmodify(OWNER, replace(jiro, "userPassword",
                                           "geheim-1")) == (0, "")
    value = slapd.ldapsearch(TENANTD, jiro, "(objectClass=*)",
                             "userPassword")
    assert "geheim" not in value
    assert "userPassword:: " in value
    assert "{CRYPT}$y$" in base64.b64decode(
        value.split("userPassword:: ")[1].split()[0]).decode()


def test_hash_never_becomes_a_password(slapd):
    """slapd hashes what has no scheme that it knows: not those."""
    taro = account("taro@aozora.example")
    for value in ("$1$abcdefgh$peyzg26Dr/ygLXtW3sGft0", "{ARGON2}$argon2id$x",
                  "{SCRAM-SHA-256}4096$c2FsdA==$x:y", "{}x", "{CRYPT}"):
        assert slapd.ldapmodify(
            OPERATOR, replace(taro, "userPassword", value))[0] == CONSTRAINT
    for value in ("{CRYPT}{SCRAM-SHA-256}4096$c2FsdA==$x:y",
                  "{SSHA256}TpYCDAwnr+M7tXUo7muyD8cQ70HFCTC/XOz9hx8E304BAgME",
                  "{SHA512}x", "{SMD5}x", "{CRYPT}$2b$04$x"):
        assert slapd.ldapmodify(
            OPERATOR, replace(taro, "userPassword", value))[0] == 0
        stored = slapd.ldapsearch(TENANTD, taro, "(objectClass=*)",
                                  "userPassword")
        assert base64.b64encode(value.encode()).decode() in stored


def test_two_at_once_get_one_address(slapd):
    """unique with "serialize": one of two connections loses."""
    for i in range(10):
        racers = []
        for who in (HANAKO, account("taro@aozora.example")):
            racers.append(subprocess.Popen(
                slapd.argv("ldapmodify", OPERATOR), stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                text=True))
            racers[-1].ldif = add_value(who, "mailLocalAddress",
                                        "race%d@aozora.example" % i)
        for racer in racers:
            racer.stdin.write(racer.ldif)
            racer.stdin.close()
        assert sorted(r.wait() for r in racers) == [0, CONSTRAINT]


def test_private_files(slapd):
    for name in ("tenantd.password", "operator.password", "rehash.password",
                 "replicator.password", "slapd.d", "db"):
        assert (slapd.root / name).stat().st_mode & 0o077 == 0


# ---- tenantd ------------------------------------------------------------------


def rcpt(platform, *addresses):
    """The codes that MX answers to each recipient."""
    with platform.smtp() as s:
        s.mail("someone@outside.example")
        return [s.rcpt(a)[0] for a in addresses]


def can_login(platform, login, password=PASSWORD):
    try:
        platform.pop(login, password).quit()
    except poplib.error_proto as error:
        return "SYS/TEMP" in str(error) and "temp" or False
    return True


def eventually(check, seconds=1.0):
    """True as soon as check() is; how long it took must be within seconds."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_addresses(platform):
    expected = {
        "yuki@midori.example": 250,
        "YUKI@Midori.Example": 250,
        "hana@aozora.example": 250,         # alias
        "yuki@midori-mail.example": 250,    # alias domain
        "team@midori.example": 250,         # list
        "support@aozora.example": 250,
        "postmaster@aozora.example": 250,   # RFC 5321 4.5.1
        "abuse@midori-mail.example": 250,   # RFC 2142
        "nobody@aozora.example": 550,
        "hanako@midori.example": 550,       # of the other brand
        "suspended@aozora.example": 450,
        "nologin@aozora.example": 250,
        "hanako+news@aozora.example": 550,  # not switched on
        "someone@elsewhere.example": 550,
    }
    assert dict(zip(expected, rcpt(platform, *expected))) == expected


def test_list_reaches_each_member_once(empty):
    empty.send(b"Subject: all\r\n\r\nx\r\n", to="all@aozora.example")
    box = empty.pop("hanako@aozora.example")
    # hanako stands in it under two addresses.
    assert box.stat()[0] == 1
    box.quit()


def test_mechanisms(platform):
    """RFC 4616, 2195, 5802 against what the directory holds."""
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
        with platform.smtp("submissions") as s:
            s.user, s.password = "hanako@aozora.example", PASSWORD
            code, _ = s.auth(mechanism, getattr(
                s, "auth_" + mechanism.lower().replace("-", "_")))
            assert code == 235, mechanism
            s.close()
    with platform.smtp("submissions") as s:
        s.user, s.password = "hanako@aozora.example", "wrong"
        with pytest.raises(smtplib.SMTPAuthenticationError):
            s.auth("CRAM-MD5", s.auth_cram_md5)
        s.close()


class Scram:
    """The client's side of RFC 5802, for imaplib's authenticate."""

    def __init__(self, login, password):
        self.login, self.password = login, password.encode()
        self.nonce = base64.b64encode(os.urandom(12)).decode()
        self.verified = False

    def __call__(self, challenge):
        text = challenge.decode()
        if not text:
            self.bare = "n=%s,r=%s" % (self.login, self.nonce)
            return ("n,," + self.bare).encode()
        fields = dict(f.split("=", 1) for f in text.split(","))
        if "v" in fields:
            self.verified = base64.b64decode(fields["v"]) == self.signature
            return b""
        assert fields["r"].startswith(self.nonce)
        salted = hashlib.pbkdf2_hmac(
            "sha256", self.password, base64.b64decode(fields["s"]),
            int(fields["i"]))
        final = "c=biws,r=" + fields["r"]
        message = ",".join((self.bare, text, final)).encode()

        def mac(key, octets):
            return hmac.new(key, octets, "sha256").digest()

        key = mac(salted, b"Client Key")
        stored = hashlib.sha256(key).digest()
        proof = bytes(a ^ b for a, b in zip(key, mac(stored, message)))
        self.signature = mac(mac(salted, b"Server Key"), message)
        return (final + ",p=" + base64.b64encode(proof).decode()).encode()


def scram(platform, login, password=PASSWORD):
    """Logs in by SCRAM-SHA-256; False when it is refused."""
    client = Scram(login, password)
    box = imaplib.IMAP4_SSL("127.0.0.1", platform.ports["imaps"],
                            ssl_context=_tls(platform))
    try:
        box.authenticate("SCRAM-SHA-256", client)
    except imaplib.IMAP4.error:
        return False
    finally:
        box.shutdown()
    assert client.verified, "the server did not prove itself"
    return True


def _tls(platform):
    context = platform.tls()
    context.check_hostname = False
    return context


def test_scram(platform, edited):
    """RFC 5802, and that its material dies with the password."""
    dn = account(edited)
    assert scram(platform, "hanako@aozora.example")
    assert not scram(platform, "hanako@aozora.example", "wrong")
    assert not scram(platform, "nobody@aozora.example")
    assert not scram(platform, edited, "first-1")  # hash only, no material

    made = subprocess.run(
        [platform.prefix / "libexec/hikyaku/hash-password", "--ldif"],
        input="second-2\n", capture_output=True, text=True, check=True)
    lines = made.stdout.splitlines()
    platform.ldap("ldapmodify", "dn: %s\nchangetype: modify\n"
                  "replace: userPassword\n%s\n-\nadd: hkSecret\n%s\n" % (
                      dn, lines[0], "\n".join(lines[1:])))
    assert eventually(lambda: scram(platform, edited, "second-2"), 3)
    platform.ldap("ldapmodify", replace(dn, "userPassword", "third-3"))
    time.sleep(0.5)
    assert not scram(platform, edited, "second-2")
    assert can_login(platform, edited, "third-3") is True


def test_logins(platform):
    assert can_login(platform, "hanako@aozora.example")
    assert can_login(platform, "Hanako@AOZORA.example")
    assert can_login(platform, "hana@aozora.example")
    assert can_login(platform, "yuki@midori-mail.example")
    for login in ("hanako@midori.example", "suspended@aozora.example",
                  "nologin@aozora.example", "all@aozora.example",
                  "nobody@nowhere.example"):
        assert can_login(platform, login) is False, login


@pytest.fixture
def edited(platform):
    """An account of one test alone, that it may edit and lose."""
    address = "edited@aozora.example"
    platform.ldap("ldapmodify", new_account(
        address, "aozora", "userPassword: first-1\n"))
    yield address
    platform.ldap("ldapdelete", "", account(address))


def test_edit_acts_within_a_second(platform, edited):
    dn = account(edited)
    ldap = platform.ldap
    assert can_login(platform, edited, "first-1") is True
    assert rcpt(platform, "fresh@aozora.example") == [550]  # remembered: no

    ldap("ldapmodify", add_value(dn, "mailLocalAddress",
                                 "fresh@aozora.example"))
    assert eventually(lambda: rcpt(
        platform, "fresh@aozora.example") == [250])

    ldap("ldapmodify", replace(dn, "userPassword", "second-2"))
    assert eventually(lambda: can_login(platform, edited, "second-2") is True)
    assert can_login(platform, edited, "first-1") is False

    ldap("ldapmodify", replace(dn, "hkStatus", "suspended"))
    assert eventually(lambda: rcpt(platform, edited) == [450])
    assert can_login(platform, edited, "second-2") is False

    ldap("ldapmodify", replace(dn, "hkStatus", "active"))
    assert eventually(lambda: rcpt(platform, edited) == [250])
    ldap("ldapmodify", "dn: %s\nchangetype: modify\n"
         "delete: mailLocalAddress\nmailLocalAddress: fresh@aozora.example\n"
         % dn)
    assert eventually(lambda: rcpt(
        platform, "fresh@aozora.example") == [550])


def test_plus_addressing_and_catch_all(make_platform):
    platform = make_platform()
    platform.ldap("ldapmodify", replace(MIDORI, "hkPlusAddressing", "TRUE"))
    assert eventually(lambda: rcpt(
        platform, "yuki+news@midori.example") == [250])
    assert rcpt(platform, "nobody+news@midori.example") == [550]
    platform.ldap("ldapmodify", replace(
        "associatedDomain=midori.example,ou=domains," + MIDORI,
        "hkCatchAll", "ken@midori.example"))
    assert eventually(lambda: rcpt(
        platform, "whoever@midori.example") == [250])
    # A catch-all in the other brand is none.
    platform.ldap("ldapmodify", replace(
        "associatedDomain=aozora.example,ou=domains," + AOZORA,
        "hkCatchAll", "ken@midori.example"))
    time.sleep(0.5)
    assert rcpt(platform, "whoever@aozora.example") == [550]
    # A tenant that closes takes no more mail; one suspended, later again.
    for status, code in (("closing", 550), ("suspended", 450)):
        platform.ldap("ldapmodify", replace(MIDORI, "hkTenantStatus", status))
        assert eventually(lambda c=code: rcpt(
            platform, "yuki@midori.example") == [c])
    assert can_login(platform, "yuki@midori.example") is False
    assert can_login(platform, "hanako@aozora.example") is True


def kill_slapd(platform):
    pid = int((platform.root / "ldap" / "slapd.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not pathlib.Path("/proc/%d" % pid).exists(), 5)


def test_outage(make_platform):
    """slapd is gone: the known go on, the unknown is deferred, never 550."""
    platform = make_platform()
    known = "hanako@aozora.example"
    assert can_login(platform, known) is True
    assert rcpt(platform, known, "team@midori.example") == [250, 250]
    # What was nobody's and what was not ours, remembered too.
    assert rcpt(platform, "gone@aozora.example",
                "x@remembered.example") == [550, 550]
    kill_slapd(platform)

    def check_outage():
        started = time.monotonic()
        assert can_login(platform, known) is True
        assert can_login(platform, known, "wrong") is False
        assert rcpt(platform, known, "team@midori.example") == [250, 250]
        codes = rcpt(platform, "never-asked@aozora.example",
                     "jiro@aozora.example", "x@elsewhere.example",
                     "gone@aozora.example", "x@remembered.example")
        assert all(400 <= c < 500 for c in codes), codes
        assert can_login(platform, "taro@aozora.example") == "temp"
        assert time.monotonic() - started < 20

    check_outage()
    # Also when tenantd itself is new, from what lies on disk.
    platform.kill("tenantd")
    assert eventually(lambda: can_login(platform, known) is True, 15)
    check_outage()

    platform.slapd("start")
    assert eventually(lambda: rcpt(
        platform, "never-asked@aozora.example") == [550], 5)
    assert can_login(platform, "taro@aozora.example") is True
    # And changes are followed again.
    assert eventually(lambda: "following the directory" in
                      platform.log().split("directory lost")[-1], 5)
    platform.ldap("ldapmodify", add_value(
        HANAKO, "mailLocalAddress", "after@aozora.example"))
    assert eventually(lambda: rcpt(
        platform, "after@aozora.example") == [250])


def test_damaged_entries_begin_anew(make_platform):
    """Everything tenantd keeps on disk can be lost."""
    platform = make_platform()
    assert can_login(platform, "hanako@aozora.example") is True
    table = platform.root / "state" / "tenantd" / "entries" / "table.db"
    assert table.exists()
    platform.kill("tenantd", signal.SIGSTOP)
    for path in table.parent.glob("*"):
        if path.is_file() and path.name != "LOCK":
            path.write_bytes(b"\xff" * max(path.stat().st_size, 8192))
    platform.kill("tenantd")
    assert eventually(
        lambda: can_login(platform, "hanako@aozora.example") is True, 15)
    platform.wait_log("database damaged, beginning a new one")
    assert list(table.parent.glob("broken-*"))
