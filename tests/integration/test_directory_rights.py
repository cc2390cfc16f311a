# SPDX-License-Identifier: BSD-2-Clause
"""Who may read and write what: every attribute, every kind of identity.

The attributes come from schema.ldif: one that has no line here fails.  Each
line has a right, the value that stands in the directory, and another that is
tried.  The operator writes all of them first, so that slapd's constraints
accept what the others are then refused.
"""

import base64
import hashlib

import pytest
from support import schema
from support.slapd import (
    DENIED,
    NO_SUCH,
    OPERATOR,
    PLATFORM,
    REHASH,
    REPLICATOR,
    STRONGER_AUTH,
    TENANTD,
    TENANTS,
    account,
)

# slapd is what is tried here, which no sanitizer watches.
pytestmark = pytest.mark.plain_only

# r reads, a adds values, z takes values away, w does both.
RIGHTS = """
          user parent others helpdesk report owner operator tenantd replicator
limit     r    r      -      r        r      r     rw       r       r
address   r    r      -      r        r      rw    rw       r       r
account   r    r      -      r        r      rw    rw       r       r
setting   rw   rw     -      r        r      rw    rw       r       r
consent   ra   ra     -      r        r      r     rw       r       r
label     rw   -      -      rz       r      rz    rw       r       r
password  w    -      -      w        -      w     w        r       r
app       w    -      -      z        -      z     w        r       r
platform  -    -      -      r        r      r     rw       r       r
brand     -    -      -      r        r      rw    rw       r       r
catalogue -    -      -      -        -      -     rw       r       r
"""
COLUMNS = RIGHTS.split("\n")[1].split()
RIGHT = {line.split()[0]: dict(zip(COLUMNS, line.split()[1:]))
         for line in RIGHTS.strip().split("\n")[1:]}

KAEDE = "ou=kaede," + TENANTS
ADMINS = "ou=admins," + KAEDE
TARGET = account("child@kaede.example")
BASIC = "cn=basic,ou=classes," + PLATFORM
IDENTITIES = {
    "anonymous": (None, "others"),
    "user": (TARGET, "user"),
    "parent": (account("parent@kaede.example"), "parent"),
    "child": (account("grandchild@kaede.example"), "others"),
    "other user": (account("other@kaede.example"), "others"),
    "helpdesk": (account("helpdesk@kaede.example"), "helpdesk"),
    "report": (account("report@kaede.example"), "report"),
    "owner": (account("owner@kaede.example"), "owner"),
    "foreign owner": (account("admin@midori.example"), "others"),
    "operator": (OPERATOR, "operator"),
    "tenantd": (TENANTD, "tenantd"),
    "rehash": (REHASH, "others"),
    "replicator": (REPLICATOR, "replicator"),
}


def ssha(password):
    salt = b"kaede-01"
    made = hashlib.sha1(password.encode() + salt).digest() + salt
    return "{SSHA}" + base64.b64encode(made).decode()


HASHES = [ssha("hikyaku-demo"), ssha("other")]

# ---- the lines ----------------------------------------------------------------

NUMBERS = ("limit", "10", "20")
LIMITS = {
    "hkClass": ("limit", BASIC, "cn=plus,ou=classes," + PLATFORM),
    "hkAllowedService": ("limit", "imap", "pop3"),
    "hkKeepSecret": ("limit", "TRUE", "FALSE"),
    "hkMaxQuota": ("limit", "5000000", "6000000"),
    "hkMaxRetentionDays": ("limit", "60", "80"),
    **{name: NUMBERS for name in (
        "hkMaxAccounts", "hkMaxQuotaMessages", "hkMaxMessageSize",
        "hkMaxAliases", "hkMaxForwards", "hkMaxForwardRules",
        "hkMaxQuarantineRules", "hkMaxRuleLength", "hkMaxRuleText",
        "hkMaxRuleConditions", "hkMaxRuleTargets", "hkMinRuleSize",
        "hkMaxRuleSize", "hkMaxListEntries", "hkMaxAutoReplyLength",
        "hkUndeleteDays", "hkMaxPop3Sessions", "hkMaxImapSessions",
        "hkMaxSendHour", "hkMaxSendDay", "hkMaxAppPasswords")},
}
POLICY = {
    "hkVirusScan": ("setting", "TRUE", "FALSE"),
    "hkVirusAction": ("setting", "refuse", "remove"),
    "hkSpamFilter": ("setting", "TRUE", "FALSE"),
    "hkSpamLevel": ("setting", "low", "high"),
    "hkSpamAction": ("setting", "junk", "discard"),
    "hkSpamTag": ("setting", "[迷惑メール]", "[SPAM]"),
    "hkSpoofAction": ("setting", "none", "quarantine"),
    "hkDenyAction": ("setting", "junk", "discard"),
    "hkJunkDays": ("setting", "30", "40"),
    "hkTrashDays": ("setting", "30", "40"),
    "hkQuarantineDays": ("setting", "30", "40"),
    "hkTimeZone": ("setting", "Asia/Tokyo", "America/Port-au-Prince"),
    "preferredLanguage": ("setting", "ja", "en"),
    "displayName": ("setting", "かえで", "Kaede"),
}


def as_others(lines, right):
    """The same lines with another right."""
    return {attr: (right, *line[1:]) for attr, line in lines.items()}


ACCOUNT = {
    **LIMITS, **POLICY,
    "uid": ("address", "child@kaede.example", "child2@kaede.example"),
    "mail": ("address", "child@kaede.example", "baby@kaede.example"),
    "mailLocalAddress": ("address",
                         ["child@kaede.example", "baby@kaede.example"],
                         "kid@kaede.example"),
    "hkIntlAddress": ("address", "子@kaede.example", "josé@kaede.example"),
    "hkLegacyId": ("address", "kaede/Child", "kaede/child.2"),
    "hkAccountId": ("limit", "old-0001", "old-0002"),
    "mailHost": ("limit", "store1.kaede.example", "store2.kaede.example"),
    "userPassword": ("password", HASHES[0], HASHES[1]),
    "hkSecret": ("password", "for:0123456789abcdef {SCRAM-SHA-256}4096$x",
                 "for:fedcba9876543210 {SCRAM-SHA-256}4096$y"),
    "hkAppPassword": ("app", "a7 {CRYPT}$y$x", "b8 {CRYPT}$y$z"),
    "hkAppLabel": ("label", "a7 imap,smtp 20260401093000Z my telephone",
                   "b8 pop3 20260401093000Z 電話"),
    "hkStatus": ("account", "active", "noreceive"),
    "hkService": ("account", "imap", "smtp"),
    "hkQuota": ("account", "1000000", "2000000"),
    "hkQuotaMessages": ("account", "9", "8"),
    "hkParent": ("account", account("parent@kaede.example"),
                 account("other@kaede.example")),
    "hkDeleteAfter": ("account", "20260401093000Z", "20270401093000Z"),
    "cn": ("account", "Child", "Kid"),
    "sn": ("account", "Child", "Kid"),
    "givenName": ("account", "Child", "Kid"),
    "description": ("account", "a child", "a kid"),
    "telephoneNumber": ("account", "+81 1", "+81 2"),
    "hkAllowSender": ("setting", "*@*.shop.example", "店@shop.example"),
    "hkDenySender": ("setting", "*@spam.example", "?@spam.example"),
    "hkForwardTo": ("setting", "me@elsewhere.example", "私@Else.example"),
    "hkForwardKeep": ("setting", "TRUE", "FALSE"),
    "hkForwardRule": (
        "setting",
        '1: from="*@*.shop.example" and not subject="*領収書*" and '
        'size>=100KB and attachments>=1 -> forward to="a@x.example"',
        '2: paused to="x" -> forward to="a@x.example", "b@x.example"'),
    "hkQuarantineOn": ("setting", "TRUE", "FALSE"),
    "hkQuarantineRule": ("setting", '10 : subject="*当選*"',
                         '999: SIZE < 10MB AND NOT from="a\\"b"'),
    "hkAutoReply": ("setting", "TRUE", "FALSE"),
    "hkAutoReplySubject": ("setting", "不在", "away"),
    "hkAutoReplyText": ("setting", "二週間\nおりません", "away"),
    "hkAutoReplyStart": ("setting", "20260810090000+0900",
                         "20260810000000Z"),
    "hkAutoReplyEnd": ("setting", "20260810090000+0900", "20260810000000Z"),
    "hkAutoReplyDays": ("setting", "7", "1"),
    "hkNotice": ("setting", "TRUE", "FALSE"),
    "hkNoticeTo": ("setting", "tel@elsewhere.example", "b@x.example"),
    "hkConsent": ("consent",
                  "forward 2026-04 20260401093000Z child@kaede.example",
                  "all 7 20260401093000Z parent@kaede.example"),
}
TENANT = {
    **as_others(LIMITS, "platform"), **as_others(POLICY, "brand"),
    "hkTenantStatus": ("platform", "active", "closing"),
    "hkDeleteAfter": ("platform", "20260401093000Z", "20270401093000Z"),
    "hkUid": ("platform", "62301", "62302"),
    "hkGid": ("platform", "62301", "62302"),
    "hkHost": ("platform", ["mail.kaede.example", "imap.kaede.example"],
               "new.kaede.example"),
    **{"hkHost" + name: ("platform", "mail.kaede.example",
                         "imap.kaede.example")
       for name in ("Mx", "Submission", "Pop3", "Imap", "Portal")},
    "hkAllowSender": ("brand", "*@x.example", "a@y.example"),
    "hkDenySender": ("brand", "*@x.example", "a@y.example"),
    "hkQuarantineRule": ("brand", '1: from="x"', '2: size>=100KB'),
    "hkHostAddress": ("platform", ["192.0.2.7", "[2001:db8::7]:995"],
                      "192.0.2.7:995"),
    "hkCertificate": ("platform", "mail.kaede.example",
                      "imap imap.kaede.example"),
    "hkRelayNetwork": ("platform", "192.0.2.0/24", "2001:db8::/32"),
    "hkTlsMin": ("platform", "1.2", "1.0"),
    "hkLoginForm": ("platform", "address", "legacy"),
    "hkUidlFormat": ("platform", "courier", "%v.%u"),
    "hkPop3LoginDelay": ("platform", "60", "300"),
    "hkPop3Apop": ("platform", "TRUE", "FALSE"),
    "hkPop3Seen": ("brand", "TRUE", "FALSE"),
    "hkOverQuota": ("brand", "defer", "refuse"),
    "hkUnscannable": ("brand", "pass", "defer"),
    "hkInboxDays": ("brand", "60", "90"),
    "hkPrimaryDomain": ("platform", "kaede.example", "kaede.test"),
    "hkAdminGroup": ("platform", "cn=owners," + ADMINS, "cn=x," + ADMINS),
    "hkPlusAddressing": ("brand", "TRUE", "FALSE"),
    "hkRehash": ("brand", "FALSE", "TRUE"),
    "hkBrand": ("brand", "colour.primary=#336699", "title=かえで"),
    "hkLanguage": ("brand", "ja", "pt-BR"),
    "hkTerms": ("brand", "forward 2026-04 https://kaede.example/terms",
                "all 1 https://kaede.example/x"),
    "description": ("brand", "a brand", "the brand"),
}
DOMAIN = {
    "associatedDomain": ("platform", "kaede.test", "kaede2.test"),
    "hkTenantStatus": ("platform", "active", "closing"),
    "hkAliasDomain": ("platform", "kaede.example", "kaede.test"),
    "hkAdminGroup": ("platform", "cn=owners," + ADMINS, "cn=x," + ADMINS),
    "hkCatchAll": ("brand", "other@kaede.test", "child@kaede.test"),
    "description": ("brand", "a domain", "the domain"),
}
GROUP = {
    "cn": ("brand", "list", "list2"),
    "mail": ("brand", "list@kaede.example", "l@kaede.example"),
    "mailLocalAddress": ("brand", ["list@kaede.example", "l@kaede.example"],
                         "l2@kaede.example"),
    "hkIntlAddress": ("brand", "皆@kaede.example", "皆皆@kaede.example"),
    "rfc822MailMember": ("brand", "a@elsewhere.example", "b@x.example"),
    "member": ("brand", TARGET, "cn=list,ou=groups," + KAEDE),
    "owner": ("brand", TARGET, account("other@kaede.example")),
    "hkMaySend": ("brand", "members", "*@partner.example"),
    "hkStatus": ("brand", "active", "suspended"),
    "hkDeleteAfter": ("brand", "20260401093000Z", "20270401093000Z"),
    "description": ("brand", "a list", "the list"),
}
ADMIN_GROUP = {"member": ("brand", account("helpdesk@kaede.example"),
                          account("other@kaede.example"))}
CLASS = {**as_others(LIMITS, "catalogue"), "cn": ("catalogue", "own", "own2"),
         "description": ("catalogue", "a class", "the class")}
ACTOR = {"hkActAs": ("catalogue", KAEDE, TENANTS),
         "description": ("catalogue", "a service", "the service")}

# kind: (DN, its classes of ours, further classes, lines)
KINDS = {
    "tenant": (KAEDE, ["hkTenant"], ["organizationalUnit"],
               {"ou": ("platform", "kaede", "kaede2"), **TENANT}),
    "domain": ("associatedDomain=kaede.test,ou=domains," + KAEDE,
               ["hkDomain"], [], DOMAIN),
    "account": (TARGET, ["hkAccount"], ["inetOrgPerson"], ACCOUNT),
    "group": ("cn=list,ou=groups," + KAEDE, ["hkGroup"], [], GROUP),
    "administrators": ("cn=helpdesk," + ADMINS, [], ["groupOfNames"],
                       ADMIN_GROUP),
    "class": ("cn=own,ou=classes," + PLATFORM,
              ["hkClassOfService", "hkLimits"], [], CLASS),
    "service": ("cn=mover," + PLATFORM, ["hkActor"],
                ["organizationalRole", "applicationProcess"][:1], ACTOR),
}


def test_each_attribute_has_a_line():
    """Also for each class that may have it."""
    have = {name: set() for name in schema.classes()}
    for _, ours, _, lines in KINDS.values():
        for name in ours:
            have[name] |= set(lines)
    have["hkLimits"] |= set(LIMITS)
    missing = {name: sorted(attrs - have[name])
               for name, attrs in schema.classes().items()
               if attrs - have[name]}
    assert missing == {}
    used = set().union(*schema.classes().values())
    assert used == set(schema.attributes())


def test_each_attribute_is_described():
    for name, text in schema.attributes().items():
        assert " DESC '" in text and " SYNTAX " in text or (
            " SUP distinguishedName" in text), name


# ---- the directory of these tests ----------------------------------------------


def entry(kind):
    _, ours, others, lines = KINDS[kind]
    return {"objectClass": ours + others,
            **{attr: line[1] for attr, line in lines.items()}}


def person(name, **more):
    address = name + "@kaede.example"
    return {"objectClass": ["inetOrgPerson", "hkAccount"], "uid": address,
            "cn": name, "sn": name, "mail": address,
            "mailLocalAddress": address, "userPassword": HASHES[0], **more}


def as_parent(lines):
    """The lines of an account for the parent's, which has every attribute."""
    own = {"child": "parent", "Child": "Parent", "baby": "parent2",
           "子": "親", "old-": "old2-"}

    def mine(value):
        for text, other in own.items():
            value = value.replace(text, other)
        return value

    return {attr: (line[0], [mine(v) for v in line[1]]
                   if isinstance(line[1], list) else mine(line[1]),
                   mine(line[2]))
            for attr, line in lines.items()}


def populate(operator):
    def add(dn, values):
        assert operator.add(dn, values) == (0, ""), dn

    late = ("hkPrimaryDomain",)  # its domain comes after the tenant
    add("cn=plus,ou=classes," + PLATFORM,
        {"objectClass": ["hkClassOfService", "hkLimits"], "cn": "plus"})
    add(KAEDE, {attr: values for attr, values in entry("tenant").items()
                if attr not in late})
    for unit in ("domains", "accounts", "groups", "admins"):
        add("ou=%s,%s" % (unit, KAEDE),
            {"objectClass": "organizationalUnit", "ou": unit})
    for name in ("kaede.example", "kaede.test"):
        add("associatedDomain=%s,ou=domains,%s" % (name, KAEDE),
            {"objectClass": "hkDomain", "associatedDomain": name,
             "hkAdminGroup": "cn=owners," + ADMINS})
    for attr in late:
        assert operator.replace(KAEDE, attr, TENANT[attr][1]) == (0, "")
    domain = KINDS["domain"][0]
    for attr, line in DOMAIN.items():
        if attr not in ("associatedDomain", "hkAdminGroup"):
            assert operator.replace(domain, attr, line[1]) == (0, ""), attr
    for role, name in (("owners", "owner"), ("helpdesk", "helpdesk"),
                       ("report", "report")):
        add("cn=%s,%s" % (role, ADMINS),
            {"objectClass": "groupOfNames", "cn": role,
             "member": account(name + "@kaede.example")})
    for name in ("other", "helpdesk", "report", "owner"):
        add(account(name + "@kaede.example"), person(name))
    add(account("parent@kaede.example"), {
        "objectClass": ["inetOrgPerson", "hkAccount"],
        **{attr: line[1] for attr, line in as_parent(ACCOUNT).items()
           if attr != "hkParent"}})
    assert operator.replace(account("parent@kaede.example"), "hkParent",
                            account("other@kaede.example")) == (0, "")
    add(TARGET, entry("account"))
    add(account("grandchild@kaede.example"), person(
        "grandchild", hkParent=account("parent@kaede.example")))
    for kind in ("group", "class"):
        add(KINDS[kind][0], entry(kind))
    add(KINDS["service"][0], {**entry("service"), "cn": "mover"})


@pytest.fixture(scope="module")
def kaede(slapd):
    populate(slapd.who(OPERATOR))
    return slapd


# ---- what comes out -------------------------------------------------------------


def refused(outcome):
    """True when slapd refused it for want of a right, and only then."""
    code, text = outcome
    assert code in (0, DENIED, NO_SUCH, STRONGER_AUTH), (code, text)
    return code != 0


def is_single(attr):
    if attr in schema.attributes():
        return schema.single(attr)
    # One of RFC 4524 and 2798, one of the draft, and what ppolicy insists on.
    return attr in ("displayName", "preferredLanguage", "mailHost",
                    "userPassword")


def try_single(who, operator, dn, attr, line):
    if refused(who.replace(dn, attr, line[2])):
        gone = who.delete_value(dn, attr, None)
        if refused(gone):
            return ""
        assert operator.replace(dn, attr, line[1]) == (0, "")
        return "z"
    assert operator.replace(dn, attr, line[1]) == (0, "")
    return "w"


def try_values(who, operator, dn, attr, value):
    adds = not refused(who.add_value(dn, attr, value))
    if not adds:
        assert operator.add_value(dn, attr, value) == (0, ""), attr
    deletes = not refused(who.delete_value(dn, attr, value))
    if not deletes:
        assert operator.delete_value(dn, attr, value) == (0, "")
    return {(True, True): "w", (True, False): "a", (False, True): "z",
            (False, False): ""}[adds, deletes]


def rights(who, operator, dn, lines):
    """{attribute: what this identity turns out to be able to do}."""
    readable = {name.lower() for name in who.read(dn)}
    found = {}
    for attr, line in lines.items():
        found[attr] = "r" if attr.lower() in readable else ""
        if is_single(attr):
            found[attr] += try_single(who, operator, dn, attr, line)
        else:
            found[attr] += try_values(who, operator, dn, attr, line[2])
    return {attr: text or "-" for attr, text in found.items()}


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("kind", KINDS)
def test_rights(kaede, kind, identity):
    who_dn, column = IDENTITIES[identity]
    dn, _, _, lines = KINDS[kind]
    if identity == "child" and kind == "account":
        dn = account("parent@kaede.example")
        lines = {**as_parent(lines), "hkParent": (
            "account", account("other@kaede.example"), TARGET)}
    expected = {attr: RIGHT[line[0]][column] for attr, line in lines.items()}
    got = rights(kaede.who(who_dn), kaede.who(OPERATOR), dn, lines)
    assert got == expected
