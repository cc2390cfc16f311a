# SPDX-License-Identifier: BSD-2-Clause
"""What slapd refuses to everybody, the operator included, and its words.

Each attribute of the schema has values here that must not get in; one without
a line fails.
"""

import subprocess

import ldap
import pytest
from support import schema
from support.slapd import (
    CONSTRAINT,
    DENIED,
    OPERATOR,
    PLATFORM,
    TENANTS,
    Slapd,
    account,
)

# slapd is what is tried here, which no sanitizer watches.
pytestmark = pytest.mark.plain_only

SYNTAX = 21
HANAKO = account("hanako@aozora.example")
TARO = account("taro@aozora.example")
YUKI = account("yuki@midori.example")
OWNER = account("admin@aozora.example")
AOZORA = "ou=aozora," + TENANTS
MIDORI = "ou=midori," + TENANTS
DOMAIN = "associatedDomain=aozora.example,ou=domains," + AOZORA
GROUP = "cn=all,ou=groups," + AOZORA
BASIC = "cn=basic,ou=classes," + PLATFORM
OPERATOR_ENTRY = OPERATOR

FORWARD = '%s: from="x" -> forward to="a@x.example"'
LONG = "x" * 600
BOOLEANS = ["true ", "yes", "1"]
COUNTS = ["-1", "01", "1k", "1234567890123456"]
DAYS = ["0", "-1", "10000", "1.5"]
HOSTS = ["MAIL.x.example", "mail", "-a.example", "a..example", "x y.example",
         "a" * 64 + ".example"]
ADDRESSES = ["x", "x@y", "@y.example", "x y@y.example", "x@y.example\n",
             "x@@y.example", "x@-y.example"]
PATTERNS = ["x", "x@", "@y", "x y@y", "a@b@c", "a@b\n"]
TIMES = ["2026", "20260401093000", "20260401T093000Z", "20261301000000Z",
         "tomorrow"]
WORDS = ["", "Junk ", "reject", "junk\n"]
RULES = ['from="x"', '0: from="x"', '1000: from="x"', '1: ', '1: from="x',
         '1: from=x', '1: from="x" or to="y"', '1: from="a"b"',
         '1: from=”x”', '1: from="x\ny"', '1: from="\\x"', '1: paused',
         '1 from="x"', '1: not', '1: size>=100GB']
# Attribute: (entry, values each of which must be refused)
REFUSED = {
    **{name: (HANAKO, BOOLEANS) for name in (
        "hkVirusScan", "hkSpamFilter", "hkForwardKeep", "hkQuarantineOn",
        "hkAutoReply", "hkNotice")},
    **{name: (AOZORA, BOOLEANS) for name in (
        "hkPlusAddressing", "hkRehash", "hkPop3Seen", "hkPop3Apop")},
    "hkKeepSecret": (BASIC, BOOLEANS),
    **{name: (BASIC, COUNTS) for name in (
        "hkMaxAccounts", "hkMaxQuota", "hkMaxQuotaMessages",
        "hkMaxMessageSize", "hkMaxAliases", "hkMaxForwards",
        "hkMaxForwardRules", "hkMaxQuarantineRules", "hkMaxRuleLength",
        "hkMaxRuleText", "hkMaxRuleConditions", "hkMaxRuleTargets",
        "hkMinRuleSize", "hkMaxRuleSize", "hkMaxListEntries",
        "hkMaxAutoReplyLength", "hkMaxPop3Sessions", "hkMaxImapSessions",
        "hkMaxSendHour", "hkMaxSendDay", "hkMaxAppPasswords")},
    **{name: (BASIC, DAYS) for name in (
        "hkMaxRetentionDays", "hkUndeleteDays")},
    **{name: (HANAKO, DAYS) for name in (
        "hkJunkDays", "hkTrashDays", "hkQuarantineDays")},
    "hkInboxDays": (AOZORA, DAYS),
    "hkOverQuota": (AOZORA, ["", "Refuse", "discard"]),
    "hkAutoReplyDays": (HANAKO, ["0", "1000", "-1"]),
    "hkQuota": (HANAKO, COUNTS),
    "hkQuotaMessages": (HANAKO, COUNTS),
    **{name: (HANAKO, TIMES) for name in (
        "hkDeleteAfter", "hkAutoReplyStart", "hkAutoReplyEnd")},
    "hkAllowedService": (HANAKO, ["IMAP", "http", "imap "]),
    "hkService": (HANAKO, ["IMAP", "http", "imap "]),
    "hkStatus": (HANAKO, ["Active", "gone", "active "]),
    "hkTenantStatus": (AOZORA, ["Active", "gone", "nologin"]),
    "hkUid": (AOZORA, ["0", "-1", "root", "62202"]),  # midori's
    "hkGid": (AOZORA, ["0", "-1", "01"]),
    "hkHost": (AOZORA, [*HOSTS, "mail.midori.example"]),
    **{"hkHost" + name: (AOZORA, [*HOSTS, "not.among.hkhost.example"])
       for name in ("Mx", "Submission", "Pop3", "Imap", "Portal")},
    "hkHostAddress": (AOZORA, ["mail.aozora.example", "192.0.2", "192.0.2.1:0",
                               "192.0.2.1:x", "2001:DB8::1", "[2001:db8::1]",
                               "2001", "[::1]:123456", "192.0.2.1 "]),
    "hkCertificate": (AOZORA, [*HOSTS, "http mail.aozora.example",
                               "../key", "imap  mail.aozora.example"]),
    "hkRelayNetwork": (AOZORA, ["192.0.2.0", "192.0.2.0/0", "192.0.2.0/33",
                                "2001:db8::/0", "2001:db8::/129", "any",
                                "192.0.2/24"]),
    "hkTlsMin": (AOZORA, ["1.4", "TLSv1.2", "1", "0.9"]),
    "hkLoginForm": (AOZORA, ["any", "Address"]),
    "hkPop3LoginDelay": (AOZORA, DAYS),
    "hkUidlFormat": (AOZORA, ["Dovecot", "UID", "%v", "%8u", "%00u", "%021u",
                              "%q", "%u%", "%u x", "%Mu", "%Xf",
                              "x" * 39 + "%u"]),
    "hkPrimaryDomain": (AOZORA, [*HOSTS, "midori.example",
                                 "unknown.example"]),
    "hkAliasDomain": (DOMAIN, [*HOSTS, "midori.example", "unknown.example"]),
    "hkCatchAll": (DOMAIN, ADDRESSES),
    "hkAdminGroup": (AOZORA, ["cn=owners,ou=admins," + MIDORI,
                              "cn=operators," + PLATFORM, "no DN"]),
    "hkClass": (HANAKO, ["cn=none,ou=classes," + PLATFORM, AOZORA, "basic"]),
    "hkAccountId": (HANAKO, ["../x", "a/b", "-x", "x" * 65, "a b"]),
    "hkActAs": (OPERATOR_ENTRY, ["everybody"]),
    "hkIntlAddress": (HANAKO, [*ADDRESSES, "é" * 65 + "@aozora.example"]),
    "hkLegacyId": (HANAKO, ["taro", "/taro", "aozora/", "Aozora/taro",
                            "aozora/ta ro", "aozora/" + "x" * 65]),
    "hkParent": (HANAKO, [YUKI, AOZORA, "o=hikyaku", "hanako"]),
    "hkMaySend": (GROUP, ["everyone", "Members", *PATTERNS[1:]]),
    "hkBrand": (AOZORA, ["=x", "Colour=x", "colour", "a=b\nc",
                         "a=" + "x" * 1024]),
    "hkLanguage": (AOZORA, ["j", "ja_JP", "ja-", "日本語"]),
    "hkTimeZone": (HANAKO, ["../etc/passwd", "/etc/localtime", "Asia/",
                            "+9", "Asia/To kyo"]),
    "hkTerms": (AOZORA, ["forward 1", "pop3 1 https://x.example/",
                         "all 1 javascript:alert(1)",
                         "all 1 https://x.example/ y",
                         "all  https://x.example/"]),
    "hkConsent": (HANAKO, ["forward 1", "forward 1 today me@x.example",
                           "pop3 1 20260401093000Z me@x.example",
                           "all 1 20260401093000Z me@x.example \n"]),
    "hkSecret": (HANAKO, ["hikyaku-demo", "{CLEARTEXT}x",
                          "for:0123456789ABCDEF {SCRAM-SHA-256}x",
                          "for:0123456789abcdef x"]),
    "hkAppPassword": (HANAKO, ["{CRYPT}x", "a7 secret", "a-7 {CRYPT}x",
                               "a7 {CLEARTEXT}x", "a7 {CRYPT}x y",
                               "x" * 17 + " {CRYPT}x"]),
    "hkAppLabel": (HANAKO, ["a7", "a7 imap telephone",
                            "a7 http 20260401093000Z telephone",
                            "a7 imap, 20260401093000Z telephone",
                            "a7 imap 20260401093000Z ",
                            "a7 imap 20260401093000Z a\nb"]),
    "hkSpamLevel": (HANAKO, WORDS),
    "hkSpamAction": (HANAKO, WORDS),
    "hkSpoofAction": (HANAKO, WORDS),
    "hkVirusAction": (HANAKO, [*WORDS, "pass"]),
    "hkUnscannable": (AOZORA, [*WORDS, "remove"]),
    "hkDenyAction": (HANAKO, [*WORDS, "tag", "none"]),
    "hkSpamTag": (HANAKO, ["[SPAM]\r\nBcc: x", "x" * 257]),
    "hkAllowSender": (HANAKO, [*PATTERNS, LONG + "@x.example"]),
    "hkDenySender": (HANAKO, [*PATTERNS, LONG + "@x.example"]),
    "hkForwardTo": (HANAKO, [*ADDRESSES, "|/bin/sh", "/etc/passwd"]),
    "hkNoticeTo": (HANAKO, [*ADDRESSES, "|/bin/sh"]),
    "hkForwardRule": (HANAKO, [
        *[rule + ' -> forward to="a@x.example"' for rule in RULES],
        '1: from="x"', '1: from="x" -> discard', '1: from="x" -> forward',
        '1: from="x" -> forward to=a@x.example',
        '1: from="x" -> forward to="a@x.example" x',
        '1: from="%s" -> forward to="a@x.example"' % ("x" * 8200)]),
    "hkQuarantineRule": (HANAKO, [*RULES, FORWARD % 1]),
    "hkAutoReplySubject": (HANAKO, ["a\r\nBcc: x@x.example", "x" * 1025]),
    "hkAutoReplyText": (HANAKO, ["x" * 32769]),
}


def test_each_attribute_has_a_line():
    assert set(REFUSED) == set(schema.attributes())


@pytest.fixture(scope="module")
def operator(slapd):
    who = slapd.who(OPERATOR)
    assert who.add_value(OPERATOR_ENTRY, "objectClass", "hkActor") == (0, "")
    return who


@pytest.mark.parametrize("attr", REFUSED)
def test_form(operator, attr):
    dn, values = REFUSED[attr]
    accepted, words = [], []
    for value in values:
        change = operator.replace if schema.single(attr) else (
            operator.add_value)
        code, text = change(dn, attr, value)
        # Its own words name the attribute, whoever reads them.
        if code not in (CONSTRAINT, SYNTAX):
            accepted.append(value)
        elif attr not in text:
            words.append((value, text))
    assert accepted == []
    assert words == []


# ---- how many -------------------------------------------------------------------

MANY = {
    "hkForwardRule": (10, FORWARD),
    "hkQuarantineRule": (10, '%s: from="x"'),
    "hkForwardTo": (10, "a%s@x.example"),
    "hkNoticeTo": (3, "a%s@x.example"),
    "hkAllowSender": (500, "a%s@x.example"),
    "hkDenySender": (500, "a%s@x.example"),
    "hkAppLabel": (20, "a%s imap 20260401093000Z x"),
    "hkAppPassword": (100, "a%s {CRYPT}x"),
    "hkConsent": (200, "all %s 20260401093000Z x@x.example"),
    "hkLegacyId": (20, "aozora/%s"),
    "hkIntlAddress": (50, "é%s@aozora.example"),
}


@pytest.mark.parametrize("attr", MANY)
def test_count(slapd, operator, attr):
    """The last that fits, and the one after it."""
    most, form = MANY[attr]
    values = [form % n for n in range(1, most + 2)]
    user = slapd.who(HANAKO if attr not in ("hkLegacyId", "hkIntlAddress")
                     else OWNER)
    assert user.add_value(HANAKO, attr, values[:most]) == (0, "")
    assert user.add_value(HANAKO, attr, values[most]) == (
        CONSTRAINT, "modify breaks constraint on " + attr)
    assert operator.delete_value(HANAKO, attr, None) == (0, "")
    assert user.add_value(HANAKO, attr, values) == (
        CONSTRAINT, "modify breaks constraint on " + attr)


def test_count_of_addresses(operator):
    values = ["a%d@aozora.example" % n for n in range(50)]
    code, text = operator.add_value(HANAKO, "mailLocalAddress", values)
    assert (code, text) == (
        CONSTRAINT, "modify breaks constraint on mailLocalAddress")


def test_count_of_one_class(slapd, operator):
    """A line of restrict= for a class that has fewer rules than others."""
    overlay = "olcOverlay={3}constraint,olcDatabase={1}mdb,cn=config"
    small = "cn=small,ou=classes," + PLATFORM
    line = ('hkForwardRule count 2 restrict='
            '"ldap:///%s??sub?(hkClass=%s)"' % (TENANTS, small))
    assert operator.add(small, {
        "objectClass": ["hkClassOfService", "hkLimits"], "cn": "small",
        "hkMaxForwardRules": "2"}) == (0, "")
    assert operator.add_value(overlay, "olcConstraintAttribute",
                              line) == (0, "")
    assert operator.replace(TARO, "hkClass", small) == (0, "")
    rules = [FORWARD % n for n in (1, 2, 3)]
    taro, hanako = slapd.who(TARO), slapd.who(HANAKO)
    assert hanako.replace(HANAKO, "hkForwardRule", rules) == (0, "")
    assert taro.replace(TARO, "hkForwardRule", rules[:2]) == (0, "")
    assert taro.add_value(TARO, "hkForwardRule", rules[2]) == (
        CONSTRAINT, "modify breaks constraint on hkForwardRule")
    # And for a whole tenant that has such a class.
    owner = slapd.who(account("admin@midori.example"))
    assert operator.add_value(
        overlay, "olcConstraintAttribute", 'hkForwardRule count 1 restrict='
        '"ldap:///ou=accounts,%s??sub"' % MIDORI) == (0, "")
    assert owner.replace(YUKI, "hkForwardRule", rules[:1]) == (0, "")
    assert owner.replace(YUKI, "hkForwardRule", rules[:2]) == (
        CONSTRAINT, "modify breaks constraint on hkForwardRule")
    for who in (HANAKO, TARO, YUKI):
        assert operator.delete_value(who, "hkForwardRule", None) == (0, "")
    assert operator.delete_value(TARO, "hkClass", None) == (0, "")


def test_another_ceiling_for_rules(installed, make_root):
    """hikyaku-slapd init -r, and that only a number does."""
    root = make_root()
    with pytest.raises(subprocess.CalledProcessError):
        Slapd(installed, root / "wrong", "-r", "many")
    own = Slapd(installed, root / "ldap", "-r", "2")
    try:
        rules = [FORWARD % n for n in (1, 2, 3)]
        hanako = own.who(HANAKO)
        assert hanako.add_value(HANAKO, "hkForwardRule", rules[:2]) == (0, "")
        assert hanako.add_value(HANAKO, "hkForwardRule", rules[2]) == (
            CONSTRAINT, "modify breaks constraint on hkForwardRule")
    finally:
        own.stop()


# ---- how much -------------------------------------------------------------------

CEILINGS = [("hkQuota", "hkMaxQuota"), ("hkQuotaMessages",
                                        "hkMaxQuotaMessages"),
            ("hkJunkDays", "hkMaxRetentionDays"),
            ("hkTrashDays", "hkMaxRetentionDays"),
            ("hkQuarantineDays", "hkMaxRetentionDays")]


@pytest.mark.parametrize("attr, ceiling", CEILINGS)
def test_ceilings(slapd, operator, attr, ceiling):
    """Of the account's class, of the tenant, and of the tenant's class."""
    owner = slapd.who(OWNER)
    narrow = "cn=narrow-%s,ou=classes,%s" % (attr, PLATFORM)
    assert operator.add(narrow, {
        "objectClass": ["hkClassOfService", "hkLimits"],
        "cn": "narrow-" + attr, ceiling: "7"}) == (0, "")
    refused = (CONSTRAINT, "modify breaks constraint on " + attr)
    was = slapd.who(OPERATOR).read(AOZORA, [ceiling]).get(ceiling)

    def allowed(value):
        outcome = owner.replace(HANAKO, attr, value)
        assert outcome in ((0, ""), refused)
        return outcome[0] == 0

    for dn, name, values in (
            (AOZORA, ceiling, ["8", None]), (HANAKO, "hkClass", [narrow, None]),
            (AOZORA, "hkClass", [narrow, BASIC])):
        most = 8 if name == ceiling else 7
        assert allowed("9")
        assert operator.replace(dn, name, values[0]) == (0, "")
        assert allowed(str(most)) and not allowed(str(most + 1))
        # At a new account too.
        if dn == AOZORA:
            assert owner.add(account("more@aozora.example"), {
                "objectClass": ["inetOrgPerson", "hkAccount"],
                "uid": "more@aozora.example", "cn": "x", "sn": "x",
                "mail": "more@aozora.example",
                "mailLocalAddress": "more@aozora.example",
                attr: "9"}) == (CONSTRAINT,
                                "add breaks constraint on " + attr)
        assert operator.replace(dn, name, values[1]) == (0, "")
    assert operator.replace(AOZORA, ceiling, was) == (0, "")


# ---- what stands elsewhere --------------------------------------------------------


def test_uniqueness(operator):
    """Over the whole tree; the words say which value it was."""
    assert operator.replace(YUKI, "hkIntlAddress",
                            "josé@midori.example") == (0, "")
    assert operator.replace(YUKI, "hkLegacyId", "midori/y1") == (0, "")
    assert operator.replace(YUKI, "hkAccountId", "y1") == (0, "")
    assert operator.replace(MIDORI, "hkHostAddress", "192.0.2.7") == (0, "")
    for dn, attr, value in (
            (HANAKO, "mailLocalAddress", "Yuki@midori.example"),
            (GROUP, "mailLocalAddress", "yuki@midori.example"),
            (HANAKO, "hkIntlAddress", "JOSE\u0301@midori.example"),
            (HANAKO, "uid", "YUKI@midori.example"),
            (HANAKO, "hkLegacyId", "midori/Y1"),
            (HANAKO, "hkAccountId", "y1"),
            (AOZORA, "hkHost", "mail.midori.example"),
            (AOZORA, "hkHostAddress", "192.0.2.7"),
            (AOZORA, "hkUid", "62202")):
        change = (operator.replace if attr in ("hkUid", "hkAccountId")
                  else operator.add_value)
        code, text = change(dn, attr, value)
        assert code == CONSTRAINT, (attr, value)
        assert text.startswith("non-unique attributes found with (|(%s="
                               % attr), text
    code, text = operator.add(
        "associatedDomain=midori.example,ou=domains," + AOZORA,
        {"objectClass": "hkDomain", "associatedDomain": "midori.example",
         "hkAdminGroup": "cn=owners,ou=admins," + AOZORA})
    assert code == CONSTRAINT and "associatedDomain=midori.example" in text
    for attr in ("hkIntlAddress", "hkLegacyId", "hkAccountId"):
        assert operator.delete_value(YUKI, attr, None) == (0, "")
    assert operator.delete_value(MIDORI, "hkHostAddress", None) == (0, "")


def test_primary_address_stays_among_the_addresses(slapd):
    owner = slapd.who(OWNER)
    for attr, value in (("mail", "other@aozora.example"),
                        ("mailLocalAddress", "hana@aozora.example")):
        assert owner.replace(HANAKO, attr, value) == (
            CONSTRAINT, "modify breaks constraint on " + attr)
    assert owner.replace(HANAKO, "mail", "hana@aozora.example") == (0, "")
    assert owner.replace(HANAKO, "mail", "hanako@aozora.example") == (0, "")


def test_options_are_refused(slapd):
    """unique and constraint would not see "mailLocalAddress;lang-en"."""
    owner = slapd.who(OWNER)
    for option in ("lang-en", "x-a", "binary", "=", "=x", "lang-", "-"):
        for attr, value in (("mailLocalAddress", "taro@aozora.example"),
                            ("hkStatus", "gone"), ("hkQuota", "x")):
            code, text = owner.modify(HANAKO, (
                ldap.MOD_ADD, "%s;%s" % (attr, option), value))
            assert code == ldap.UNDEFINED_TYPE.errnum, (option, text)
    # By its number an attribute is the same one.
    assert owner.add_value(HANAKO, "2.16.840.1.113730.3.1.13",
                           "taro@aozora.example")[0] == CONSTRAINT


def test_words_that_a_person_sees(slapd):
    """ldapmodify of an owner and of a user, as the man page quotes it."""
    def modify(who, dn, attr, value):
        return slapd.ldapmodify(who, (
            "dn: %s\nchangetype: modify\nadd: %s\n%s: %s\n"
            % (dn, attr, attr, value)))

    assert modify(HANAKO, HANAKO, "hkForwardRule", "forward all") == (
        CONSTRAINT, "ldap_modify: Constraint violation (19)\n"
        "\tadditional info: modify breaks constraint on hkForwardRule\n")
    assert modify(OWNER, HANAKO, "mailLocalAddress", "taro@aozora.example"
                  ) == (CONSTRAINT, "ldap_modify: Constraint violation (19)\n"
                        "\tadditional info: non-unique attributes found with "
                        "(|(mailLocalAddress=taro@aozora.example))\n")
    assert modify(HANAKO, HANAKO, "hkMaxQuota", "1") == (
        DENIED, "ldap_modify: Insufficient access (50)\n")
