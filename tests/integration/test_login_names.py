# SPDX-License-Identifier: BSD-2-Clause
"""What may be typed to log in: an address; in the brand that the host name or
the address of ours tells, a local part or the id of an old system."""

import base64

import pytest
from support.platform import PASSWORD
from support.tool import eventually, shard
from support.wire import Wire

AOZORA, MIDORI = "mail.aozora.example", "mail.midori.example"
SERVICES = ("pop3s", "imaps", "submissions")
# What is tried in vain here is no attack.
SETTINGS = {"tenantd": ["penalty-delay = 0", "penalty-account-lock = 0",
                        "penalty-block-free = 100000"]}


def modify(platform, dn, attribute, *values):
    platform.ldap("ldapmodify", "dn: %s,ou=tenants,o=hikyaku\nchangetype: "
                  "modify\nreplace: %s\n%s" % (dn, attribute, "".join(
                      "%s: %s\n" % (attribute, value) for value in values)))


def account(name, domain="aozora"):
    return "uid=%s@%s.example,ou=accounts,ou=%s" % (name, domain, domain)


def login(platform, service, host, name):
    """Whether that opens the account, whichever daemon is asked."""
    name, password = name.encode(), PASSWORD.encode()
    with Wire(platform, service, host=host) as w:
        w.line()
        if service == "pop3s":
            w.pop3(b"USER " + name)
            return w.pop3(b"PASS " + password).startswith(b"+OK")
        if service == "imaps":
            return b" OK " in w.imap(b'LOGIN "%s" "%s"' % (name, password))[-1]
        w.smtp(b"EHLO client.example")
        # In several steps: what the first one tells holds for the last.
        w.smtp(b"AUTH LOGIN")
        w.smtp(base64.b64encode(name))
        return w.smtp(base64.b64encode(password))[0] == 235


def everywhere(platform, host, name):
    """The same answer of all daemons."""
    answers = {login(platform, service, host, name) for service in SERVICES}
    assert len(answers) == 1, (host, name)
    return answers.pop()


@pytest.fixture(scope="module")
def brands(make_module_platform):
    platform = make_module_platform(SETTINGS)
    assert everywhere(platform, AOZORA, "hanako@aozora.example")
    # Before a brand says so, names are addresses.
    assert not everywhere(platform, AOZORA, "hanako")
    modify(platform, "ou=aozora", "hkLoginForm", "address", "local", "legacy")
    modify(platform, "ou=midori", "hkLoginForm", "address", "alias", "local")
    assert eventually(lambda: login(platform, "pop3s", AOZORA, "hanako"))
    return platform


def test_local_part(brands):
    assert everywhere(brands, AOZORA, "hanako")
    assert everywhere(brands, AOZORA, "HANAKO")
    assert everywhere(brands, MIDORI, "yuki")
    # Never in another brand, nor where no brand is told.
    for host, name in ((MIDORI, "hanako"), (AOZORA, "yuki"),
                       ("localhost", "hanako"), (AOZORA, "nobody"),
                       (AOZORA, "aozora/hanako")):
        assert not everywhere(brands, host, name), (host, name)
    # An address is told without.
    assert everywhere(brands, MIDORI, "hanako@aozora.example")


def test_forms(brands):
    """Another address of the account is a form of its own."""
    for name, tenant in (("hanako", "aozora"), ("yuki", "midori")):
        modify(brands, account(name, tenant), "mailLocalAddress",
               "%s@%s.example" % (name, tenant), "other@%s.example" % tenant)
    assert eventually(lambda: login(brands, "pop3s", AOZORA, "other"))
    assert eventually(
        lambda: login(brands, "pop3s", None, "other@midori.example"))
    assert not everywhere(brands, AOZORA, "other@aozora.example")
    # In a domain that is another name of the brand's.
    assert everywhere(brands, None, "yuki@midori-mail.example")
    modify(brands, "ou=midori", "hkLoginForm", "local")
    assert eventually(
        lambda: not login(brands, "pop3s", None, "yuki@midori.example"))
    assert everywhere(brands, MIDORI, "yuki")
    modify(brands, "ou=midori", "hkLoginForm", "address", "alias", "local")


def test_legacy_ids(brands):
    modify(brands, account("taro"), "hkLegacyId", "aozora/c0012345",
           "aozora/taro@old.example")
    modify(brands, account("ken", "midori"), "hkLegacyId", "midori/c0099999")
    assert eventually(lambda: login(brands, "pop3s", AOZORA, "c0012345"))
    assert everywhere(brands, AOZORA, "c0012345")
    assert everywhere(brands, AOZORA, "taro@old.example")
    for host, name in ((MIDORI, "c0012345"), ("localhost", "c0012345"),
                       (MIDORI, "taro@old.example"),
                       (MIDORI, "c0099999")):  # its brand has no such form
        assert not everywhere(brands, host, name), (host, name)


def test_of_two_people(brands):
    """A name that is one's local part and another's legacy id is nobody's."""
    modify(brands, account("jiro"), "hkLegacyId", "aozora/hanako")
    mark = brands.log_mark()
    assert eventually(lambda: not login(brands, "pop3s", AOZORA, "hanako"))
    assert not everywhere(brands, AOZORA, "hanako")
    assert everywhere(brands, AOZORA, "hanako@aozora.example")
    brands.wait_log("login name is a local part and a legacy id of two people"
                    r'.* tenant="?aozora', mark)
    # Of one and the same it is no question.
    modify(brands, account("jiro"), "hkLegacyId")
    modify(brands, account("hanako"), "hkLegacyId", "aozora/hanako")
    assert eventually(lambda: login(brands, "pop3s", AOZORA, "hanako"))


def test_address_of_ours(brands):
    """Where the client says no name of ours, the address tells the brand."""
    def ours(*values):
        modify(brands, "ou=midori", "hkHostAddress", *values)

    assert not everywhere(brands, "localhost", "yuki")
    ours("127.0.0.1:%d" % brands.ports["pop3s"])
    assert eventually(lambda: login(brands, "pop3s", "localhost", "yuki"))
    assert not login(brands, "imaps", "localhost", "yuki")
    ours("127.0.0.1")
    assert eventually(lambda: login(brands, "imaps", "localhost", "yuki"))
    assert everywhere(brands, "localhost", "yuki")
    assert not everywhere(brands, "localhost", "hanako")
    # A name that it says is nearer.
    assert everywhere(brands, AOZORA, "hanako")
    assert not everywhere(brands, AOZORA, "yuki")
    ours()
    assert eventually(lambda: not login(brands, "imaps", "localhost", "yuki"))


def test_imported_id(brands):
    """The id of an old system as the name of the Maildir."""
    modify(brands, account("jiro"), "hkAccountId", "0old_jiro-1_")
    assert eventually(
        lambda: login(brands, "pop3s", None, "jiro@aozora.example"))
    path = shard(brands, "aozora", "0old_jiro-1_") / "Maildir"
    assert eventually(path.is_dir)
    brands.send(b"Subject: there\r\n\r\nx\r\n", to="jiro@aozora.example")
    brands.wait_placed()
    assert [*(path / "new").iterdir()]
    assert brands.pop("jiro@aozora.example").stat()[0] == 1
