# SPDX-License-Identifier: BSD-2-Clause
"""Rules and settings, as people and daemons see them."""

import base64
import subprocess
import time

import pytest

# ---- hikyaku rule check: no platform needed ---------------------------------


def rule(installed, *args, stdin=None):
    got = subprocess.run([installed / "bin" / "hikyaku", "rule", *args],
                         input=stdin, text=True, capture_output=True,
                         check=False)
    return got.returncode, got.stdout, got.stderr


def test_rule_check(installed):
    assert rule(installed, "check", ' FROM = "*@x.example"and size>2048') == (
        0, 'from="*@x.example" and size>2KB\n', "")
    # The mark stands under the character, however wide those before it are.
    assert rule(installed, "check", 'subject="*領収書*" or size>1KB') == (
        1, "", "column 17: there is no \"or\"; make a second rule\n"
        '    subject="*領収書*" or size>1KB\n' + " " * 23 + "^\n")
    for kind, text, good in (
            ("quarantine", 'from="a"', True),
            ("quarantine", 'from="a" -> forward to="a@x.example"', False),
            ("forward", 'from="a"', False),
            ("forward", 'from="a" -> forward to="a@x.example"', True)):
        assert rule(installed, "check", "-k", kind, text)[0] == (not good)


def test_rule_check_file(installed, tmp_path):
    lines = '# mine\n\n2: from="a"\r\nfrom=b\n1: paused to="?"'
    told = "%s:4:6: expected a text in double quotes\n    from=b\n" \
           "         ^\n"
    good = '2: from="a"\n1: paused to="?"\n'
    assert rule(installed, "check", stdin=lines) == (1, good, told % "-")
    path = tmp_path / "rules"
    path.write_text(lines)
    assert rule(installed, "check", "-f", path) == (1, good, told % path)
    assert rule(installed, "check", "-f", tmp_path / "none")[0] == 1
    for wrong in ((), ("try",), ("check", "-k", "spam", "x"),
                  ("check", "a", "b"), ("check", "-f", path, "a")):
        assert rule(installed, *wrong, stdin="")[0] == 2


# ---- the settings that hold ---------------------------------------------------

TENANTS = "ou=tenants,o=hikyaku"
AOZORA = "ou=aozora," + TENANTS
HANAKO = "uid=hanako@aozora.example,ou=accounts," + AOZORA
CLASS = "cn=basic,ou=classes,ou=platform,o=hikyaku"


def modify(platform, dn, **values):
    """Replaces attributes; None or [] removes one."""
    ldif = "dn: %s\nchangetype: modify\n" % dn
    for name, value in values.items():
        ldif += "replace: %s\n" % name
        several = value if isinstance(value, list) else [value]
        for one in several:
            if one is not None:
                ldif += "%s:: %s\n" % (name, base64.b64encode(
                    one if isinstance(one, bytes) else
                    str(one).encode()).decode())
        ldif += "-\n"
    platform.ldap("ldapmodify", ldif)


def settings(platform, address="hanako@aozora.example"):
    """{attribute: value or values}, and what was left out."""
    text = platform.hikyaku("account", "settings", address).stdout
    held, _, left = text.partition("\nleft out: ")
    found = {}
    for line in held.splitlines():
        if line.startswith("    "):
            found[name][-1] += "\n" + line[4:]
            continue
        name, _, value = line.partition(": ")
        found.setdefault(name, []).append(value)
    return ({name: values[0] if len(values) == 1 else values
             for name, values in found.items()},
            left.split("\nleft out: ") if left else [])


def soon(check, seconds=1.0):
    """Whether check() becomes true within the time that an edit may take."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


SETTINGS = ("hkVirusScan", "hkVirusAction", "hkSpamFilter", "hkSpamLevel", "hkSpamAction",
            "hkSpamTag", "hkSpoofAction", "hkAllowSender", "hkDenySender",
            "hkDenyAction", "hkForwardTo", "hkForwardKeep", "hkForwardRule",
            "hkQuarantineOn", "hkQuarantineRule", "hkAutoReply",
            "hkAutoReplySubject", "hkAutoReplyText", "hkAutoReplyStart",
            "hkAutoReplyEnd", "hkAutoReplyDays", "hkNotice", "hkNoticeTo",
            "hkJunkDays", "hkTrashDays", "hkQuarantineDays", "hkTimeZone")


@pytest.fixture
def plain(platform):
    """hanako as she was made, and so is she left."""
    yield platform
    modify(platform, HANAKO, hkConsent=None, **dict.fromkeys(SETTINGS))
    modify(platform, AOZORA, hkSpamLevel=None, hkJunkDays=None, hkTerms=None,
           hkTimeZone="Asia/Tokyo")
    modify(platform, CLASS, hkMaxQuarantineRules="10", hkMaxRuleLength="4096")


def test_defaults(plain):
    held, left = settings(plain)
    assert left == []
    for name, value in {
            "account": "hanako@aozora.example", "tenant": "aozora",
            "hkVirusAction": "refuse", "hkUnscannable": "pass",
            "hkVirusScan": "TRUE", "hkSpamFilter": "TRUE",
            "hkSpamLevel": "medium", "hkSpamAction": "junk",
            "hkSpamTag": "[SPAM]", "hkSpoofAction": "none",
            "hkDenyAction": "junk", "hkForwardTo": "none",
            "hkForwardKeep": "TRUE", "hkForwardRule": "none",
            "hkQuarantineOn": "TRUE", "hkQuarantineRule": "none",
            "hkAutoReply": "FALSE", "hkAutoReplyStart": "open",
            "hkAutoReplyDays": "7", "hkNotice": "FALSE",
            "hkTimeZone": "Asia/Tokyo", "hkTrashDays": "90",
            "hkJunkDays": "30", "hkQuarantineDays": "14",
            "hkInboxDays": "for ever", "hkUndeleteDays": "30",
            "hkMaxRuleText": "255", "hkMinRuleSize": "1024",
            "hkMaxRuleSize": "10485760"}.items():
        assert held[name] == value, name


def test_all_of_them(plain):
    rules = ['2: from="a@x.example" -> forward to="b@x.example"',
             '10: paused subject="*領収書*" -> forward to="c@x.example"',
             '11: size>1MB -> forward to="d@x.example"']
    modify(plain, HANAKO, hkVirusScan="FALSE", hkSpamFilter="FALSE",
           hkVirusAction="remove",
           hkSpamLevel="high", hkSpamAction="quarantine",
           hkSpamTag="【迷惑】", hkSpoofAction="discard",
           hkAllowSender=["*@b.example", "*@a.example"],
           hkDenySender=["*@spam.example"], hkDenyAction="discard",
           hkForwardTo="x@elsewhere.example", hkForwardKeep="FALSE",
           hkForwardRule=rules[::-1], hkQuarantineOn="FALSE",
           hkQuarantineRule='1: attachments>9', hkAutoReply="TRUE",
           hkAutoReplySubject="休み", hkAutoReplyText="いません。\n花子\n",
           hkAutoReplyStart="20260810090000+0900",
           hkAutoReplyEnd="20260820000000Z", hkAutoReplyDays="3",
           hkNotice="TRUE", hkNoticeTo="h@mobile.example", hkJunkDays="5",
           hkTrashDays="6", hkQuarantineDays="7", hkTimeZone="Asia/Tokyo")
    assert soon(lambda: settings(plain)[0]["hkTrashDays"] == "6")
    held, left = settings(plain)
    assert left == []
    expected = {
        "hkVirusScan": "FALSE", "hkSpamFilter": "FALSE",
        "hkVirusAction": "remove",
        "hkSpamLevel": "high", "hkSpamAction": "quarantine",
        "hkSpamTag": "【迷惑】", "hkSpoofAction": "discard",
        "hkAllowSender": ["*@a.example", "*@b.example"],
        "hkDenySender": "*@spam.example", "hkDenyAction": "discard",
        "hkForwardTo": "x@elsewhere.example", "hkForwardKeep": "FALSE",
        "hkForwardRule": rules, "hkQuarantineOn": "FALSE",
        "hkQuarantineRule": "1: attachments>9", "hkAutoReply": "TRUE",
        "hkAutoReplySubject": "休み",
        "hkAutoReplyText": "いません。\n花子\n",
        "hkAutoReplyStart": "2026-08-10 00:00:00 UTC",
        "hkAutoReplyEnd": "2026-08-20 00:00:00 UTC",
        "hkAutoReplyDays": "3", "hkNotice": "TRUE",
        "hkNoticeTo": "h@mobile.example", "hkJunkDays": "5",
        "hkTrashDays": "6", "hkQuarantineDays": "7",
        "hkTimeZone": "Asia/Tokyo"}
    assert set(expected) == set(SETTINGS)
    for name, value in expected.items():
        assert held[name] == value, name


def test_edits_act_at_once(plain):
    """The account's, the tenant's and the class's: each within a second."""
    assert settings(plain)[0]["hkSpamLevel"] == "medium"
    modify(plain, AOZORA, hkSpamLevel="low", hkTimeZone="Asia/Seoul")
    assert soon(lambda: settings(plain)[0]["hkSpamLevel"] == "low")
    assert settings(plain)[0]["hkTimeZone"] == "Asia/Seoul"
    assert settings(plain, "taro@aozora.example")[0]["hkSpamLevel"] == "low"
    assert settings(plain, "yuki@midori.example")[0]["hkSpamLevel"] == \
        "medium"
    modify(plain, HANAKO, hkSpamLevel="high", hkQuarantineRule=[
        '%d: from="%d@x.example"' % (n, n) for n in (3, 1, 2)])
    assert soon(lambda: settings(plain)[0]["hkSpamLevel"] == "high")
    assert settings(plain)[0]["hkQuarantineRule"] == [
        '%d: from="%d@x.example"' % (n, n) for n in (1, 2, 3)]
    modify(plain, CLASS, hkMaxQuarantineRules="2")
    assert soon(lambda: len(settings(plain)[0]["hkQuarantineRule"]) == 2)
    assert settings(plain)[1] == [
        'hkQuarantineRule, there are 3; 2 are allowed\n'
        '    3: from="3@x.example"\n']
    modify(plain, CLASS, hkMaxQuarantineRules="3")
    assert soon(lambda: settings(plain)[1] == [])
    modify(plain, AOZORA, hkJunkDays="9")
    assert soon(lambda: settings(plain)[0]["hkJunkDays"] == "9")
    modify(plain, HANAKO, hkSpamLevel=None)
    assert soon(lambda: settings(plain)[0]["hkSpamLevel"] == "low")


def test_what_a_brand_says_for_all(plain):
    """Beside what an account says, and no class of service cuts it."""
    modify(plain, AOZORA, hkAllowSender=["*@good.example", "a@b.example"],
           hkDenySender="*@bad.example", hkQuarantineRule=[
               '%d: from="%d@x.example"' % (n, n) for n in (3, 1, 2)])
    modify(plain, HANAKO, hkAllowSender="me@bad.example")
    modify(plain, CLASS, hkMaxQuarantineRules="1", hkMaxListEntries="1")
    try:
        assert soon(lambda: settings(plain)[0][
            "hkAllowSender of the tenant"] == ["*@good.example",
                                               "a@b.example"])
        held, left = settings(plain)
        assert held["hkAllowSender"] == "me@bad.example" and left == []
        assert held["hkDenySender"] == "none"
        assert held["hkDenySender of the tenant"] == "*@bad.example"
        assert held["hkQuarantineRule of the tenant"] == [
            '%d: from="%d@x.example"' % (n, n) for n in (1, 2, 3)]
        assert settings(plain, "yuki@midori.example")[0][
            "hkAllowSender of the tenant"] == "none"
        # A bad one is told to the log, and left out for all.
        mark = plain.log_mark()
        modify(plain, AOZORA, hkQuarantineRule='1: sender="x"')
        assert soon(lambda: settings(plain)[0][
            "hkQuarantineRule of the tenant"] == "none")
        plain.wait_log('setting left out.*hkQuarantineRule', mark)
        assert settings(plain)[1] == []
    finally:
        modify(plain, AOZORA, hkAllowSender=None, hkDenySender=None,
               hkQuarantineRule=None)
        modify(plain, CLASS, hkMaxListEntries="100")


def told(platform, mark):
    return [line for line in platform.log_since(mark).splitlines()
            if "setting left out" in line]


def test_bad_rule_is_shown_and_told_once(plain):
    """slapd checks the shape; words and limits are for tenantd to judge."""
    mark = plain.log_mark()
    good = '1: from="a@x.example"'
    modify(plain, HANAKO, hkQuarantineRule=[
        good, '2: subject="*領収書*" and sise>1KB'])
    assert soon(lambda: settings(plain)[1])
    held, left = settings(plain)
    assert held["hkQuarantineRule"] == good
    assert left == [
        'hkQuarantineRule, column 24: unknown word "sise"; expected from, to, '
        'subject, size or attachments\n'
        '    2: subject="*領収書*" and sise>1KB\n' + " " * 30 + "^\n"]
    for _ in range(3):
        settings(plain)
    lines = told(plain, mark)
    assert len(lines) == 1, lines
    for word in ("hanako@aozora.example", "tenant=aozora",
                 "attribute=hkQuarantineRule", "column=24", "unknown word"):
        assert word in lines[0]
    # Another entry's edit is none of this one; its own next one is.
    modify(plain, AOZORA, hkJunkDays="8")
    assert soon(lambda: settings(plain)[0]["hkJunkDays"] == "8")
    assert len(told(plain, mark)) == 1
    bad = "1: size>1KB and attachments<10000"
    modify(plain, HANAKO, hkQuarantineRule=bad)
    assert soon(lambda: settings(plain)[0]["hkQuarantineRule"] == "none")
    assert len(told(plain, mark)) == 2
    modify(plain, HANAKO, hkQuarantineRule=good)
    assert soon(lambda: settings(plain)[1] == [])
    modify(plain, HANAKO, hkQuarantineRule=bad)
    assert soon(lambda: settings(plain)[1])
    assert len(told(plain, mark)) == 3


def test_more_than_a_packet(plain):
    """80 KB of rules come page by page."""
    modify(plain, CLASS, hkMaxRuleLength="8192")
    rules = ["%d: %s" % (n, " and ".join(
        'subject="*%s*"' % ("領" * 250) for _ in range(10)))
        for n in range(1, 11)]
    modify(plain, HANAKO, hkQuarantineRule=rules[::-1])
    assert soon(lambda: settings(plain)[0]["hkQuarantineRule"] == rules)
    modify(plain, CLASS, hkMaxRuleLength="4096")
    assert soon(lambda: len(settings(plain)[1]) == 10)
    assert settings(plain)[1][0].startswith(
        "hkQuarantineRule, column 1")


def test_terms(plain):
    modify(plain, AOZORA, hkTerms=[
        "forward 2 https://aozora.example/f2",
        "all 1 https://aozora.example/all"])
    modify(plain, HANAKO, hkConsent=[
        "forward 1 20260101000000Z hanako@aozora.example",
        "all 1 20260401093000Z taro@aozora.example"])
    assert soon(lambda: sorted(settings(plain)[0].get("hkTerms", [])) == [
        "all 1 https://aozora.example/all, accepted 20260401093000Z by "
        "taro@aozora.example",
        "forward 2 https://aozora.example/f2, not accepted"])


def test_whose(plain):
    """By any address of the account, by none of a group."""
    for address in ("HANAKO@aozora.example", "hana@aozora.example"):
        assert settings(plain, address)[0]["account"] == \
            "hanako@aozora.example"
    for address in ("all@aozora.example", "nobody@aozora.example",
                    "x" * 400 + "@aozora.example"):
        got = plain.hikyaku("account", "settings", address, check=False)
        assert got.returncode == 4 and "no account" in got.stderr
    assert plain.hikyaku("account", check=False).returncode == 2


# attribute: what another server, or another schema, might let through; told
BAD = {
    "hkSpamLevel": ("most", "expected one of: low, medium, high"),
    "hkAutoReplySubject": ("a\nBcc: b", "column 2: a control character "
                           "(U+000A) is not allowed"),
    "hkAutoReplyText": ("x" * 100000, "the text has over 32769 characters; "
                        "2000 are allowed"),
    "hkForwardTo": ("a@localhost", "the address needs a whole domain, such "
                    "as mail.example"),
    "hkAllowSender": ("a\\b", "column 2: \\ may stand before \" \\ * and ? "
                      "only; for a \\ type \\\\"),
    "hkForwardRule": ("size>1MB", "column 9: expected -> forward "
                      "to=\"address\"; a forwarding rule needs a target"),
    "hkJunkDays": ("36501", "expected a number from 0 to 36500"),
    "hkAutoReplyStart": ("2026081009+09", None),
    "hkTimeZone": ("../x", "expected a time zone such as Asia/Tokyo"),
}


def test_what_slapd_did_not_refuse_and_an_outage(make_platform):
    platform = make_platform()
    platform.ldap("ldapmodify", "dn: olcOverlay={3}constraint,"
                  "olcDatabase={1}mdb,cn=config\nchangetype: modify\n"
                  "delete: olcConstraintAttribute\n")
    modify(platform, HANAKO, hkAutoReply="TRUE",
           hkQuarantineRule=['from="b"', '2: from="c"', 'from="a"'],
           **{name: value for name, (value, _) in BAD.items()})
    bad = {name: told for name, (_, told) in BAD.items() if told}
    assert soon(lambda: len(settings(platform)[1]) == len(bad))
    held, left = settings(platform)
    for name, told_then in bad.items():
        assert [text for text in left if text.startswith(
            "%s, %s\n" % (name, told_then))], (name, left)
        assert held[name] == {
            "hkSpamLevel": "medium", "hkAutoReplySubject": "",
            "hkAutoReplyText": "", "hkJunkDays": "30",
            "hkTimeZone": "Asia/Tokyo"}.get(name, "none"), name
    assert held["hkAutoReply"] == "FALSE"  # there is nothing to say
    assert held["hkAutoReplyStart"] == "2026-08-10 00:00:00 UTC"
    order = ['2: from="c"', 'from="a"', 'from="b"']
    assert held["hkQuarantineRule"] == order
    platform.pop("hanako@aozora.example").quit()

    platform.slapd("stop")
    platform.kill("tenantd")
    assert soon(lambda: platform.hikyaku(
        "account", "settings", "hanako@aozora.example",
        check=False).returncode == 0, 10)
    assert settings(platform)[0]["hkQuarantineRule"] == order
    # Whom nobody knows now is not said to be nobody.
    got = platform.hikyaku("account", "settings", "yuki@midori.example",
                           check=False)
    assert got.returncode == 1
