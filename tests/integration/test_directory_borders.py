# SPDX-License-Identifier: BSD-2-Clause
"""The borders between tenants, people and secrets, and who tries them."""

import base64
import hashlib

import ldap
import pytest
from ldap.controls import RequestControl, SimplePagedResultsControl
from ldap.filter import escape_filter_chars
from support.platform import PASSWORD
from support.slapd import (
    CONSTRAINT,
    DENIED,
    INVALID,
    NO_SUCH,
    OPERATOR,
    PLATFORM,
    REHASH,
    REPLICATOR,
    TENANTD,
    TENANTS,
    account,
    octets,
)

# slapd is what is tried here, which no sanitizer watches.
pytestmark = pytest.mark.plain_only

AOZORA = "ou=aozora," + TENANTS
MIDORI = "ou=midori," + TENANTS
OWNER = account("admin@aozora.example")
HELPDESK = account("desk@aozora.example")
REPORT = account("report@aozora.example")
PARENT = account("hanako@aozora.example")
CHILD = account("jiro@aozora.example")
USER = account("taro@aozora.example")
FOREIGNER = account("yuki@midori.example")
FOREIGN_OWNER = account("admin@midori.example")
PEOPLE = {"owner": OWNER, "helpdesk": HELPDESK, "report": REPORT,
          "parent": PARENT, "child": CHILD, "user": USER}
SECRETS = ("userPassword", "hkSecret", "hkAppPassword")
OK = (0, "")


@pytest.fixture(scope="module")
def operator(slapd):
    return slapd.who(OPERATOR)


# ---- what one sees --------------------------------------------------------------

BASES = ["o=hikyaku", PLATFORM, TENANTS, AOZORA, "ou=accounts," + AOZORA,
         "ou=groups," + AOZORA, "ou=admins," + AOZORA,
         "ou=domains," + AOZORA, MIDORI, "ou=accounts," + MIDORI, FOREIGNER,
         USER, CHILD, PARENT, "cn=config", "cn=Subschema", ""]
FILTERS = ["(objectClass=*)", "(mail=*)", "(uid=yuki@midori.example)",
           "(hkParent=%s)" % PARENT, "(objectClass=hkAccount)"]


def seen(who):
    """The DNs below o=hikyaku that any search brings up."""
    found = set()
    for base in BASES:
        for text in FILTERS:
            found |= set(who.search(base, text, ["1.1"]))
    return {dn for dn in found if dn.endswith("o=hikyaku")}


def test_everybody_sees_their_own(slapd):
    everything = seen(slapd.who(OPERATOR))
    of_tenant = {dn for dn in everything if dn.endswith(AOZORA)}
    assert len(of_tenant) > 15
    assert any(dn.endswith(MIDORI) for dn in everything)
    assert seen(slapd.who(None)) == set()
    for name in ("owner", "helpdesk", "report"):
        assert seen(slapd.who(PEOPLE[name])) == of_tenant, name
    assert seen(slapd.who(USER)) == {USER}
    assert seen(slapd.who(CHILD)) == {CHILD}
    assert seen(slapd.who(PARENT)) == {PARENT, CHILD}
    assert seen(slapd.who(TENANTD)) == everything
    assert seen(slapd.who(REPLICATOR)) == everything
    assert seen(slapd.who(REHASH)) == set()


def test_parents_list_their_children(slapd):
    """By one search, as a portal does."""
    found = slapd.who(PARENT).search(
        "ou=accounts," + AOZORA, "(hkParent=%s)" % PARENT,
        ["uid", "hkForwardTo"], ldap.SCOPE_ONELEVEL)
    assert found == {CHILD: {"uid": [b"jiro@aozora.example"]}}
    for who in (USER, CHILD, FOREIGNER):
        assert slapd.who(who).search(
            "ou=accounts," + AOZORA, "(hkParent=%s)" % PARENT) == {}


def test_secrets_leave_to_tenantd_and_the_replicator_only(slapd, operator):
    """Not by reading, not by a filter, not by comparing."""
    values = {"hkAppPassword": "a7 {CRYPT}$y$x"}
    assert operator.replace(USER, "hkAppPassword",
                            values["hkAppPassword"]) == OK
    stored = slapd.who(TENANTD).read(USER, SECRETS)
    assert set(stored) == set(SECRETS)
    assert slapd.who(REPLICATOR).read(USER, SECRETS) == stored
    for dn in (OPERATOR, OWNER, HELPDESK, REPORT, USER, PARENT, REHASH,
               FOREIGN_OWNER, None):
        who = slapd.who(dn)
        for attr in SECRETS:
            value = stored[attr][0]
            assert not set(who.read(USER)) & set(SECRETS)
            for text in ("(%s=*)" % attr, "(%s=%s)" % (
                    attr, escape_filter_chars(value.decode()))):
                assert who.search(USER, text) == {}
            with pytest.raises(ldap.LDAPError) as error:
                who.ldap.compare_s(USER, attr, value)
            assert not isinstance(error.value, (
                ldap.COMPARE_TRUE, ldap.COMPARE_FALSE)), (dn, attr)
    # The passwords of services are nobody's, but for the replicator.
    for dn in (TENANTD, OPERATOR):
        assert "userPassword" not in slapd.who(dn).read(OPERATOR)
    assert "userPassword" in slapd.who(REPLICATOR).read(OPERATOR)
    # But tenantd checks those of services that log in as users.
    assert operator.add_value(OPERATOR, "objectClass", "hkActor") == OK
    assert "userPassword" in slapd.who(TENANTD).read(OPERATOR)
    for dn in (OPERATOR, REHASH, OWNER, None):
        assert "userPassword" not in slapd.who(dn).read(OPERATOR)
    assert operator.delete_value(OPERATOR, "objectClass", "hkActor") == OK
    assert "userPassword" not in slapd.who(TENANTD).read(OPERATOR)


# ---- what one gives to others ---------------------------------------------------


def new_account(address, **more):
    return {"objectClass": ["inetOrgPerson", "hkAccount"], "uid": address,
            "cn": "x", "sn": "x", "mail": address,
            "mailLocalAddress": address, **more}


# who, entry, attribute, value, the code
BORDERS = {
    "an own account as help desk": (
        OWNER, "cn=helpdesk,ou=admins," + AOZORA, "member", USER, 0),
    "a foreigner as help desk": (
        OWNER, "cn=helpdesk,ou=admins," + AOZORA, "member", FOREIGNER,
        DENIED),
    "a service as owner": (
        OWNER, "cn=owners,ou=admins," + AOZORA, "member", TENANTD, DENIED),
    "oneself as the other tenant's owner": (
        OWNER, "cn=owners,ou=admins," + MIDORI, "member", OWNER, DENIED),
    "oneself as operator": (
        OWNER, "cn=operators," + PLATFORM, "member", OWNER,
        CONSTRAINT),
    "the help desk as owner": (
        HELPDESK, "cn=owners,ou=admins," + AOZORA, "member", HELPDESK,
        DENIED),
    "an own account in a list": (
        OWNER, "cn=support,ou=groups," + AOZORA, "member", USER, 0),
    "an own list in a list": (
        OWNER, "cn=support,ou=groups," + AOZORA, "member",
        "cn=all,ou=groups," + AOZORA, 0),
    "a foreigner in a list": (
        OWNER, "cn=support,ou=groups," + AOZORA, "member", FOREIGNER,
        DENIED),
    "a foreigner as a list's owner": (
        OWNER, "cn=support,ou=groups," + AOZORA, "owner", FOREIGNER, DENIED),
    "an own account as a list's owner": (
        OWNER, "cn=support,ou=groups," + AOZORA, "owner", PARENT, 0),
    "an own legacy id": (OWNER, USER, "hkLegacyId", "aozora/t", 0),
    "a legacy id of the other tenant": (
        OWNER, USER, "hkLegacyId", "midori/t", DENIED),
    "a legacy id that breaks the set of the ACL": (
        OWNER, USER, "hkLegacyId", "x]|user|[x/t", CONSTRAINT),
    "an own address": (OWNER, USER, "mailLocalAddress",
                       "t2@aozora.example", 0),
    "an address of the other tenant": (
        OWNER, USER, "mailLocalAddress", "t2@midori.example", DENIED),
    "a UTF-8 address": (OWNER, USER, "hkIntlAddress", "太郎@aozora.example",
                        0),
    "a UTF-8 address of the other tenant": (
        OWNER, USER, "hkIntlAddress", "太郎@midori.example", DENIED),
    "a login of the other tenant": (
        OWNER, USER, "uid", "t2@midori.example", DENIED),
    "a parent of the other tenant": (
        OWNER, USER, "hkParent", FOREIGNER, CONSTRAINT),
    "a parent of one's own tenant": (OWNER, USER, "hkParent", PARENT, 0),
    "a child of one's own choice": (USER, PARENT, "hkParent", USER, DENIED),
    "a parent of one's own choice": (USER, USER, "hkParent", PARENT, DENIED),
    "a parent's hand on the child's status": (
        PARENT, CHILD, "hkStatus", "suspended", DENIED),
    "a parent's hand on the child's password": (
        PARENT, CHILD, "userPassword", "secret", DENIED),
    "a child's hand on the parent's settings": (
        CHILD, PARENT, "hkForwardTo", "a@x.example", DENIED),
    "a class that makes an account a tenant": (
        OWNER, USER, "objectClass", "hkTenant", DENIED),
    "a class that makes an account an actor": (
        OWNER, USER, "objectClass", "hkActor", DENIED),
    "a class that makes an account an alias": (
        OWNER, USER, "objectClass", "extensibleObject", DENIED),
    "a password policy": (
        OWNER, USER, "pwdPolicySubentry", "cn=none,o=hikyaku", DENIED),
}


@pytest.mark.parametrize("name", BORDERS)
def test_borders(slapd, operator, name):
    who, dn, attr, value, expected = BORDERS[name]
    code, text = slapd.who(who).add_value(dn, attr, value)
    assert code == expected, text
    if expected == 0:
        assert slapd.who(who).delete_value(dn, attr, value) == OK


def test_owner_replaces_all_addresses_at_once(slapd):
    """As tools do that know "replace" only."""
    owner = slapd.who(OWNER)
    addresses = ["taro@aozora.example", "t3@aozora.example"]
    assert owner.replace(USER, "mailLocalAddress", addresses) == OK
    assert owner.replace(USER, "mailLocalAddress", [
        *addresses, "t3@midori.example"])[0] == DENIED
    assert owner.replace(USER, "mailLocalAddress", addresses[0]) == OK


# At creation, by the same owner: what must not come with a new account.
SMUGGLED = {
    "hkMaxQuota": "9", "hkMaxForwardRules": "99", "hkKeepSecret": "TRUE",
    "hkClass": "cn=basic,ou=classes," + PLATFORM, "hkAccountId": "old",
    "mailHost": "evil.example", "hkLegacyId": "midori/x",
    "hkIntlAddress": "é@midori.example",
    "mailLocalAddress": ["new@aozora.example", "x@midori.example"],
    "uid": ["new@aozora.example", "x@midori.example"],
    "hkConsent": "all 1 20260401093000Z new@aozora.example",
    "hkAppPassword": "a7 {CRYPT}x",
    "objectClass": ["inetOrgPerson", "hkAccount", "hkActor"],
}


@pytest.mark.parametrize("attr", SMUGGLED)
def test_nothing_is_smuggled_in_with_a_new_account(slapd, attr):
    dn = account("new@aozora.example")
    entry = {**new_account("new@aozora.example"), attr: SMUGGLED[attr]}
    assert slapd.who(OWNER).add(dn, entry)[0] == DENIED


def test_owner_adds_and_removes_but_never_renames(slapd):
    """A rename adds values that no ACL was asked for."""
    owner = slapd.who(OWNER)
    dn = account("new@aozora.example")
    assert owner.add(dn, new_account(
        "new@aozora.example", hkLegacyId="aozora/n", hkParent=PARENT,
        hkForwardTo="n@x.example")) == OK
    for status in ("active", "suspended", "deleted"):
        assert owner.replace(dn, "hkStatus", status) == OK
        for rdn in ("uid=new@aozora.example+hkMaxQuota=9",
                    "uid=new@aozora.example+hkKeepSecret=TRUE",
                    "uid=ceo@midori.example"):
            assert owner.rename(dn, rdn, False)[0] == DENIED
        if status != "deleted":
            assert owner.delete(dn)[0] == DENIED
    for who in (HELPDESK, REPORT, PARENT, USER):
        assert slapd.who(who).delete(dn)[0] in (DENIED, NO_SUCH)
    assert owner.delete(dn) == OK
    for dn in ("ou=accounts," + AOZORA, AOZORA, "cn=owners,ou=admins,"
               + AOZORA, "associatedDomain=aozora.example,ou=domains,"
               + AOZORA, FOREIGNER, OPERATOR):
        assert owner.delete(dn)[0] in (DENIED, NO_SUCH)


RELAX = "1.3.6.1.4.1.4203.666.5.12"
MANAGE_DSA_IT = "2.16.840.1.113730.3.4.2"
# What no control may open: who, attribute, value
SHUT = {
    "a taken address": (OWNER, "mailLocalAddress", "hanako@aozora.example"),
    "a taken address, by an operator": (
        OPERATOR, "mailLocalAddress", "hanako@aozora.example"),
    "an address of the other tenant": (
        OWNER, "mailLocalAddress", "x@midori.example"),
    "an address that breaks the set of the ACL": (
        OWNER, "mailLocalAddress", "x@z] | user | [q"),
    "a legacy id that breaks the set of the ACL": (
        OWNER, "hkLegacyId", "x]|user|[x/t"),
    "a parent of the other tenant": (OWNER, "hkParent", FOREIGNER),
    "a limit": (OWNER, "hkMaxQuota", "9"),
    "a quota": (USER, "hkQuota", "9"),
    "a class": (OWNER, "objectClass", "hkActor"),
    "a hash that takes hours": (
        USER, "userPassword", "{CRYPT}$2b$31$abcdefghijklmnopqrstuu"),
    "a hash that takes all memory, by an owner": (
        OWNER, "userPassword", "{CRYPT}$y$jzT$abcdefgh$x"),
    "another account's Maildir": (
        OWNER, "entryUUID", "3fcd2f70-36db-4a29-a761-eeee268f9ab0"),
}


@pytest.mark.parametrize("name", SHUT)
@pytest.mark.parametrize("oid", (RELAX, MANAGE_DSA_IT))
def test_controls_open_no_border(slapd, oid, name):
    who, attr, value = SHUT[name]
    with pytest.raises(ldap.LDAPError) as error:
        slapd.who(who).ldap.modify_ext_s(
            USER, [(ldap.MOD_ADD, attr, [value.encode()])],
            [RequestControl(oid, True)])
    assert error.value.args[0]["result"] in (CONSTRAINT, DENIED)


def test_no_new_account_with_relax(slapd):
    """Else its owner could name the entryUUID, which names a Maildir."""
    dn = account("new@aozora.example")
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        slapd.who(OWNER).ldap.add_ext_s(
            dn, [(attr, octets(values)) for attr, values in new_account(
                "new@aozora.example").items()],
            [RequestControl(RELAX, True)])


def test_owner_lists_more_than_a_page(slapd):
    """As many pages as there are; without pages 500 entries."""
    owner = slapd.who(OWNER)
    base, text = "ou=groups," + AOZORA, "(cn=page-*)"
    for n in range(510):
        assert owner.add("cn=page-%d,%s" % (n, base), {
            "objectClass": "hkGroup", "cn": "page-%d" % n,
            "mailLocalAddress": "page-%d@aozora.example" % n}) == OK
    with pytest.raises(ldap.SIZELIMIT_EXCEEDED):
        owner.ldap.search_s(base, ldap.SCOPE_ONELEVEL, text, ["1.1"])
    pages, found = SimplePagedResultsControl(True, 200, ""), set()
    while True:
        number = owner.ldap.search_ext(base, ldap.SCOPE_ONELEVEL, text,
                                       ["1.1"], serverctrls=[pages])
        _, entries, _, controls = owner.ldap.result3(number)
        found |= {dn for dn, _ in entries}
        pages.cookie = controls[0].cookie
        if not pages.cookie:
            break
    assert len(found) == 510


# ---- logging in -----------------------------------------------------------------


def can_bind(slapd, dn, password=PASSWORD):
    try:
        slapd.bind(dn, password).ldap.unbind_s()
    except ldap.INVALID_CREDENTIALS as error:
        assert error.args[0]["result"] == INVALID
        return False
    return True


def test_bind_follows_the_status(slapd, operator):
    for dn, attr, words in (
            (USER, "hkStatus", {"active": True, "noreceive": True,
                                "nologin": False, "suspended": False,
                                "deleted": False}),
            (AOZORA, "hkTenantStatus", {"closing": True, "suspended": False,
                                        "deleted": False, "active": True})):
        for word, expected in words.items():
            assert operator.replace(dn, attr, word) == OK
            assert can_bind(slapd, USER) is expected, word
        assert operator.replace(dn, attr, "active") == OK
    assert can_bind(slapd, USER)
    assert not can_bind(slapd, USER, "wrong")


def test_app_passwords_open_no_directory(slapd, operator):
    made = "{SSHA}" + base64.b64encode(
        hashlib.sha1(b"app-1salt").digest() + b"salt").decode()
    assert operator.replace(USER, "hkAppPassword", "a7 " + made) == OK
    assert not can_bind(slapd, USER, "app-1")


def test_secrets_in_clear(slapd, operator):
    """Only where the class, the tenant or the account allows it."""
    owner, user = slapd.who(OWNER), slapd.who(USER)
    clear = "for:0123456789abcdef {CLEARTEXT}x"
    scram = "for:0123456789abcdef {SCRAM-SHA-256}4096$x"
    small = "cn=keeps,ou=classes," + PLATFORM
    assert operator.add(small, {
        "objectClass": ["hkClassOfService", "hkLimits"], "cn": "keeps",
        "hkKeepSecret": "TRUE"}) == OK

    def allowed():
        got = set()
        for who in (owner, user, slapd.who(HELPDESK)):
            for attr, value in (("hkSecret", clear),
                                ("userPassword", "{CLEARTEXT}x")):
                code, _ = who.replace(USER, attr, value)
                assert code in (0, DENIED)
                got.add(code == 0)
            assert who.replace(USER, "hkSecret", scram) == OK
            assert who.replace(USER, "userPassword", PASSWORD) == OK
        assert len(got) == 1
        return got.pop()

    assert operator.replace(AOZORA, "hkKeepSecret", None) == OK
    assert not allowed()
    for dn, attr, value in ((USER, "hkKeepSecret", "TRUE"),
                            (USER, "hkClass", small),
                            (AOZORA, "hkKeepSecret", "TRUE")):
        assert operator.replace(dn, attr, value) == OK
        assert allowed(), (dn, attr)
        assert operator.replace(dn, attr, None) == OK
    assert not allowed()
    assert operator.replace(AOZORA, "hkKeepSecret", "TRUE") == OK


DEAR = ("$2b$14$abcdefghijklmnopqrstuu", "$2y$31$x", "$5$rounds=1000000$s$x",
        "$6$rounds=999999999$s$x", "$sha1$1000000$s$x",
        "$md5,rounds=10000$s$$x", "$y$jDT$s$x", "$y$j9U$s$x", "$y$j9T1$s$x",
        "$gy$jzT$s$x", "$7$DU..../....s$x", "$7$CV..../....s$x",
        "$7$CU.../.....s$x", "$7$CU....3....s$x", "$7$CU..../.../s$x",
        "_zzz/sxxxxxxxxxxx")
CHEAP = ("$2b$13$abcdefghijklmnopqrstuu", "$5$rounds=999999$s$x", "$6$s$x",
         "$sha1$480000$s$x", "$md5,rounds=9999$s$$x", "$y$jCT$s$x",
         "$gy$j9T$s$x", "$7$CU..../....s$x", "_J9..sxxxxxxxxxxx", "$1$s$x",
         "abZ1GTVxQJlAo")


def test_no_hash_that_takes_hours(slapd, operator):
    """"relax" opens nothing here either: test_controls_open_no_border."""
    user, owner = slapd.who(USER), slapd.who(OWNER)
    for hashed in DEAR:
        for who in (user, owner, operator):
            assert who.replace(USER, "userPassword", "{CRYPT}" + hashed) == (
                CONSTRAINT, "modify breaks constraint on userPassword")
    for hashed in CHEAP:
        assert owner.replace(USER, "userPassword", "{CRYPT}" + hashed) == OK
    assert owner.replace(USER, "userPassword", PASSWORD) == OK


def test_rehash_follows_the_brand(slapd, operator):
    rehash, owner = slapd.who(REHASH), slapd.who(OWNER)
    new = "{CRYPT}$5$salt$x"
    assert rehash.replace(USER, "userPassword", new)[0] in (DENIED, NO_SUCH)
    assert owner.replace(AOZORA, "hkRehash", "TRUE") == OK
    before = slapd.who(TENANTD).read(USER, ["userPassword"])
    assert rehash.replace(USER, "userPassword", new) == OK
    # Exactly the value that was checked, so that no newer one is lost.
    assert rehash.modify(USER, (ldap.MOD_DELETE, "userPassword", new), (
        ldap.MOD_ADD, "userPassword", before["userPassword"])) == OK
    assert rehash.modify(USER, (ldap.MOD_DELETE, "userPassword", new), (
        ldap.MOD_ADD, "userPassword", new)) == (
            ldap.NO_SUCH_ATTRIBUTE.errnum,
            "modify/delete: userPassword: no such value")
    assert rehash.replace(FOREIGNER, "userPassword", new)[0] in (
        DENIED, NO_SUCH)
    assert rehash.replace(USER, "hkQuota", "1")[0] in (DENIED, NO_SUCH)
    assert owner.replace(AOZORA, "hkRehash", "FALSE") == OK


def test_help_desk_resets(slapd):
    """The password, and what else opens the account."""
    desk, user = slapd.who(HELPDESK), slapd.who(USER)
    assert user.add_value(USER, "hkAppLabel",
                          "a7 imap 20260401093000Z telephone") == OK
    assert user.replace(USER, "hkAppPassword", "a7 {CRYPT}x") == OK
    assert "hkAppLabel" in desk.read(USER)
    assert desk.replace(USER, "userPassword", "reset-1") == OK
    for attr in ("hkAppPassword", "hkAppLabel"):
        assert desk.delete_value(USER, attr, None) == OK
    assert can_bind(slapd, USER, "reset-1")
    assert desk.replace(USER, "userPassword", PASSWORD) == OK
    assert desk.replace(FOREIGNER, "userPassword", "x")[0] in (
        DENIED, NO_SUCH)


def test_help_desk_cannot_become_more(slapd, operator):
    """By the password of an owner, or of one who may log in as others."""
    desk = slapd.who(HELPDESK)
    for attr, value in (("userPassword", "reset-1"),
                        ("hkSecret", "for:0123456789abcdef {SCRAM-SHA-256}x")):
        assert desk.replace(OWNER, attr, value)[0] == DENIED
    assert operator.add_value(USER, "objectClass", "hkActor") == OK
    for wrong in (MIDORI, TENANTS, [AOZORA, MIDORI]):
        assert operator.replace(USER, "hkActAs", wrong) == (
            CONSTRAINT, "modify breaks constraint on hkActAs")
    assert operator.replace(USER, "hkActAs", AOZORA) == OK
    assert desk.replace(USER, "userPassword", "reset-1")[0] == DENIED
    assert slapd.who(OWNER).replace(USER, "userPassword", PASSWORD) == OK
    assert operator.replace(USER, "hkActAs", None) == OK
    assert operator.delete_value(USER, "objectClass", "hkActor") == OK
    assert desk.replace(HELPDESK, "userPassword", PASSWORD) == OK


def test_operators_are_of_the_platform(operator):
    """Else a tenant's owner could reset the password of one."""
    group = "cn=operators," + PLATFORM
    for dn in (USER, FOREIGN_OWNER, "o=hikyaku"):
        assert operator.add_value(group, "member", dn) == (
            CONSTRAINT, "modify breaks constraint on member")
    assert operator.add_value(group, "member", REPLICATOR) == OK
    assert operator.delete_value(group, "member", REPLICATOR) == OK
