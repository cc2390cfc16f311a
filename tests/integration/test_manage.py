# SPDX-License-Identifier: BSD-2-Clause
"""hikyaku account, group, domain, tenant, class, passwd."""

import csv
import io
import json
import pathlib
import re
import socket
import subprocess
import time

import pytest
from support.platform import PASSWORD
from support.tool import (
    DONE,
    NO_DIRECTORY,
    NOT_FOUND,
    REFUSED,
    USAGE,
    Tool,
    can_login,
    eventually,
    maildir_of,
    on_terminal,
    rcpt,
    shard,
)

TOP = pathlib.Path(__file__).resolve().parents[2]
KINDS = ("tenant", "domain", "account", "group", "class")


@pytest.fixture(scope="module")
def tool(platform):
    return Tool(platform)


@pytest.fixture(scope="module")
def hoshi(tool):
    """A brand that was made by the command alone."""
    tool("tenant", "add", "hoshi", "--name", "Hoshi Net", "--class", "basic",
         "--host", "mail.hoshi.example", "--max-quota", "10G")
    tool("domain", "add", "hoshi.example", "--tenant", "hoshi")
    tool("account", "add", "sora@hoshi.example", "--name", "空", "--quota",
         "1G", "--alias", "sky@hoshi.example", "--ask-password",
         stdin="sora-1\n")
    tool("account", "add", "umi@hoshi.example")
    return "hoshi"


# ---- the page ------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_page_tells_every_field(tool, kind):
    page = (TOP / "man/hikyaku-account.1").read_text()
    told = set(re.findall(r"^\.It Cm (\S+) .*Pq", page, re.M))
    text = tool(kind, "help")
    fields = set(re.findall(r"^    --(\S+)", text, re.M))
    assert len(fields) > 3
    assert not fields - told
    every = set()
    for other in KINDS:
        every |= set(re.findall(r"^    --(\S+)", tool(other, "help"), re.M))
    assert told == every


def test_completion(platform):
    script = platform.prefix / "share/bash-completion/completions/hikyaku"

    def complete(*words):
        got = subprocess.run(
            ["bash", "-c", 'source "$1"; shift; COMP_WORDS=("$@"); '
             'COMP_CWORD=$(($# - 1)); _hikyaku; '
             'printf "%s\\n" "${COMPREPLY[@]}"', "bash", script,
             platform.command[0], *words],
            capture_output=True, text=True, check=True)
        return set(got.stdout.split())

    assert {"account", "tenant", "status", "passwd"} <= complete("")
    assert complete("acc") == {"account"}
    assert {"add", "set", "import", "rename"} <= complete("account", "")
    assert complete("-c", str(platform.conf), "account", "un") == {"undelete"}
    assert complete("account", "set", "a@b.example", "--spam-l") == {
        "--spam-level"}
    assert complete("account", "import", "--dr") == {"--dry-run"}
    assert complete("mailbox", "un") == {"undelete"}
    assert {"status", "fsck", "backup", "restore"} <= complete("mailbox", "")
    assert complete("store", "p") == {"purge"}


# ---- a brand from nothing ------------------------------------------------------


def test_new_brand_takes_mail_and_logins(platform, tool, hoshi):
    assert eventually(
        lambda: can_login(platform, "sora@hoshi.example", "sora-1"))
    platform.send(b"Subject: first\r\n\r\nx\r\n", to="sky@hoshi.example")
    box = platform.pop("sora@hoshi.example", "sora-1")
    assert box.stat()[0] == 1
    box.quit()
    got = tool.show("tenant", "hoshi")
    assert got["name"] == "Hoshi Net" and got["status"] == "active"
    assert got["uid"] >= 200000 and got["max-quota"] == 10 << 30
    assert tool.show("domain", "hoshi.example")["tenant"] == "hoshi"
    # Another one never gets the same number.
    tool("tenant", "add", "tsuki")
    assert tool.show("tenant", "tsuki")["uid"] != got["uid"]


def test_add_of_a_tenant_that_was_cut_short(platform, tool, hoshi):
    platform.ldap("ldapdelete", "",
                  "cn=owners,ou=admins,ou=hoshi,ou=tenants,o=hikyaku",
                  "ou=admins,ou=hoshi,ou=tenants,o=hikyaku")
    tool("tenant", "add", "hoshi")
    assert tool.show("tenant", "hoshi")["name"] == "Hoshi Net"
    error = tool("tenant", "add", "hoshi", status=REFUSED)
    assert "Already exists" in error


# ---- passwords -----------------------------------------------------------------


def test_passwd(platform, tool, hoshi):
    address = "sora@hoshi.example"
    tool("passwd", address, stdin="sora-2\n")
    assert eventually(lambda: can_login(platform, address, "sora-2"))
    assert not can_login(platform, address, "sora-1")
    value = tool.stored(address, "userPassword")[0]
    assert value.startswith(b"{CRYPT}$y$j9T$")
    secrets = tool.stored(address, "hkSecret")
    assert len(secrets) == 1 and b" {SCRAM-SHA-256}" in secrets[0]
    # Users change their own, help desks other people's.
    tool.secret.write_text("sora-2")
    tool.as_(address, "passwd", address, stdin="sora-3\n")
    tool.secret.write_text(PASSWORD)
    assert eventually(lambda: can_login(platform, address, "sora-3"))
    tool.as_("desk@aozora.example", "passwd", "taro@aozora.example",
             stdin=PASSWORD + "\n")
    error = tool.as_("desk@aozora.example", "passwd", address, stdin="x\n",
                     status=NOT_FOUND)
    assert "desk@aozora.example" in error
    # Parents see their children, and nobody else.
    parent = "hanako@aozora.example"
    assert "jiro@aozora.example" in tool.as_(parent, "account", "list")
    assert "taro" not in tool.as_(parent, "account", "list")
    tool.as_(parent, "account", "set", "jiro@aozora.example", "--virus-scan",
             "yes")
    tool.as_(parent, "account", "set", "taro@aozora.example", "--virus-scan",
             "yes", status=NOT_FOUND)


def test_clear_secret_only_where_allowed(tool, hoshi):
    """CRAM-MD5 needs the password itself: RFC 2195."""
    error = tool("passwd", "sora@hoshi.example", "--cram-md5",
                 stdin="sora-4\n", status=REFUSED)
    assert "keep-secret" in error and "sora-4" not in error
    tool("passwd", "jiro@aozora.example", "--cram-md5",
         stdin=PASSWORD + "\n")
    assert len(tool.stored("jiro@aozora.example", "hkSecret")) == 2
    tool("passwd", "jiro@aozora.example", stdin=PASSWORD + "\n")
    assert len(tool.stored("jiro@aozora.example", "hkSecret")) == 1


def test_terminal_shows_no_password(platform, tool, hoshi):
    argv = [*platform.command, "passwd", "sora@hoshi.example"]
    shown, status = on_terminal(argv, [b"typed-1", b"typed-1"])
    assert status == DONE and b"typed-1" not in shown
    assert eventually(
        lambda: can_login(platform, "sora@hoshi.example", "typed-1"))
    shown, status = on_terminal(argv, [b"typed-2", b"other"])
    assert status == USAGE and b"not the same" in shown
    assert b"typed-2" not in shown and b"other" not in shown


def test_bad_passwords(tool, hoshi):
    for given in ("", "\n", "x" * 1025 + "\n"):
        tool("passwd", "sora@hoshi.example", stdin=given, status=USAGE)
    tool("passwd", "nobody@hoshi.example", stdin="x\n", status=NOT_FOUND)


# ---- set, show, list ---------------------------------------------------------------


def test_set(tool, hoshi):
    address = "sora@hoshi.example"

    def put(*args, **how):
        tool("account", "set", address, *args, **how)
        return tool.show("account", address)

    got = put("--add-alias", "star@hoshi.example", "--quota", "2G",
              "--forward-to", "a@x.example B@Y.example",
              "--spam-level=high", "--virus-scan", "no",
              "--auto-reply-text", "one\ntwo", "--auto-reply-start",
              "2026-08-10T09:00:00+09:00")
    assert sorted(got["alias"]) == ["sky@hoshi.example", "star@hoshi.example"]
    assert got["quota"] == 2 << 30
    assert sorted(got["forward-to"]) == ["B@y.example", "a@x.example"]
    assert got["spam-level"] == "high" and got["virus-scan"] is False
    assert got["auto-reply-text"] == "one\ntwo"
    assert got["auto-reply-start"] == "2026-08-10T00:00:00Z"
    # Said twice, or not there: the same in the end.
    got = put("--add-alias", "star@hoshi.example",
              "--remove-alias", "sky@hoshi.example",
              "--remove-forward-to", "never@x.example", "--no-quota")
    assert got["alias"] == ["star@hoshi.example"] and "quota" not in got
    assert got["address"] == address
    got = put("--alias", "sky@hoshi.example moon@hoshi.example",
              "--no-forward-to")
    assert sorted(got["alias"]) == ["moon@hoshi.example", "sky@hoshi.example"]
    got = put("--no-alias", "--add-alias", "sky@hoshi.example")
    assert got["alias"] == ["sky@hoshi.example"]
    assert tool.stored(address, "mailLocalAddress")[0] == address.encode()
    # People are named by any address, and stored as who they are.
    tool("account", "set", "umi@hoshi.example", "--parent",
         "sky@hoshi.example")
    assert tool.show("account", "umi@hoshi.example")["parent"] == address


REFUSALS = {
    "an address that somebody has":
        (("--add-alias", "hanako@aozora.example"), REFUSED, "non-unique"),
    "a size":
        (("--quota", "5X"), USAGE, "quota"),
    "a word":
        (("--spam-level", "huge"), USAGE, "low, medium, high"),
    "a rule too many":
        (tuple(w for i in range(11) for w in (
            "--quarantine-rule", "%d: size>=1KB" % (i + 1))), REFUSED,
         "hkQuarantineRule"),
    "a class that is none":
        (("--class", ""), USAGE, "class"),
    "the primary address":
        (("--remove-alias", "sora@hoshi.example"), USAGE, "rename"),
    "a person who is nobody":
        (("--parent", "nobody@hoshi.example"), REFUSED, "no account"),
    "an option that is none":
        (("--no-such", "x"), USAGE, "no such option"),
    "a field of another kind":
        (("--catch-all", "a@b.example"), USAGE, "no such option"),
    "what the server writes":
        (("--created", "x"), USAGE, "by hand"),
    "one value more":
        (("--add-quota", "1G"), USAGE, "one value"),
    "no value":
        (("--quota",), USAGE, "expected a value"),
    "nothing":
        ((), USAGE, "nothing to set"),
    "two names":
        (("more@hoshi.example", "--quota", "1G"), USAGE, "not expected"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(tool, hoshi, name):
    args, status, words = REFUSALS[name]
    before = tool.show("account", "sora@hoshi.example")
    error = tool("account", "set", "sora@hoshi.example", *args,
                 status=status)
    assert words in error
    assert tool.show("account", "sora@hoshi.example") == before


def test_slapd_decides(tool):
    owner = "admin@aozora.example"
    tool.as_(owner, "account", "set", "hanako@aozora.example", "--quota",
             "300M")
    assert "Insufficient access" in tool.as_(
        owner, "account", "set", "hanako@aozora.example", "--max-quota",
        "9G", status=REFUSED)
    tool.as_(owner, "account", "set", "yuki@midori.example", "--quota", "1M",
             status=NOT_FOUND)
    tool.as_(owner, "account", "add", "new@aozora.example", "--tenant",
             "aozora")
    tool.as_(owner, "account", "add", "new@midori.example", "--tenant",
             "aozora", status=REFUSED)
    listed = tool.as_(owner, "account", "list")
    assert "hanako@aozora.example" in listed and "midori" not in listed
    tool.secret.write_text("wrong")
    assert "Invalid credentials" in tool.as_(
        owner, "account", "list", status=NO_DIRECTORY)
    tool.secret.write_text(PASSWORD)


def test_suspend_and_resume(platform, tool, hoshi):
    def codes():
        with platform.smtp() as s:
            s.mail("someone@outside.example")
            return s.rcpt("umi@hoshi.example")[0]

    tool("account", "suspend", "umi@hoshi.example")
    assert eventually(lambda: codes() == 450)
    tool("account", "resume", "umi@hoshi.example")
    assert eventually(lambda: codes() == 250)
    tool("tenant", "suspend", "hoshi")
    assert eventually(lambda: codes() == 450)
    tool("tenant", "resume", "hoshi")
    assert eventually(lambda: codes() == 250)


def test_list(tool, hoshi):
    rows = json.loads(tool("account", "list", "--tenant", "aozora",
                           "--json"))
    assert {"hanako@aozora.example", "suspended@aozora.example"} <= {
        r["address"] for r in rows}
    assert all(r["tenant"] == "aozora" for r in rows)
    rows = json.loads(tool("account", "list", "--status", "suspended",
                           "--json", "--columns", "address,status"))
    assert {"address": "suspended@aozora.example",
            "status": "suspended"} in rows
    rows = json.loads(tool("account", "list", "--domain", "hoshi.example",
                           "--json"))
    assert {r["address"] for r in rows} == {"sora@hoshi.example",
                                            "umi@hoshi.example"}
    assert json.loads(tool("account", "list", "--quota", "1", "--json")) == []
    table = list(csv.reader(io.StringIO(tool(
        "group", "list", "--tenant", "midori", "--csv", "--columns",
        "address,member"))))
    assert table[0] == ["address", "member"]
    assert ["team@midori.example",
            "yuki@midori.example ken@midori-mail.example"] in table
    assert "midori-mail.example" in tool("domain", "list")
    tool("account", "list", "--columns", "nonsense", status=USAGE)


def test_text_cannot_move_the_terminal(platform, tool):
    """A user's own words are shown to an operator."""
    platform.ldap("ldapmodify",
                  "dn: uid=taro@aozora.example,ou=accounts,ou=aozora,"
                  "ou=tenants,o=hikyaku\nchangetype: modify\n"
                  "replace: givenName\ngivenName:: G1sySkJvbwA=\n")
    shown = tool("account", "show", "taro@aozora.example")
    assert "\x1b" not in shown and "?[2JBoo" in shown


def test_groups_and_classes(platform, tool, hoshi):
    tool("group", "add", "staff@hoshi.example", "--member",
         "sora@hoshi.example", "--account", "umi@hoshi.example", "--owner",
         "sky@hoshi.example", "--may-send", "tenant")
    got = tool.show("group", "staff@hoshi.example")
    assert got["member"] == ["sora@hoshi.example"]
    assert got["account"] == ["umi@hoshi.example"]
    assert got["owner"] == ["sora@hoshi.example"]
    tool("class", "add", "gold", "--max-quota", "50G", "--keep-secret", "yes",
         "--description", "for more")
    assert tool.show("class", "gold") .items() >= {
        "class": "gold", "max-quota": 50 << 30, "keep-secret": True}.items()
    tool("account", "set", "umi@hoshi.example", "--class", "gold")
    assert tool.show("account", "umi@hoshi.example")["class"] == "gold"
    tool("domain", "set", "hoshi.example", "--catch-all",
         "sora@hoshi.example")

    def catches():
        with platform.smtp() as s:
            s.mail("someone@outside.example")
            return s.rcpt("whoever@hoshi.example")[0] == 250

    assert eventually(catches)
    tool("domain", "set", "hoshi.example", "--no-catch-all")
    assert eventually(lambda: not catches())


def test_same_by_hand(platform, tool, hoshi):
    """The command and ldapmodify make the same entry."""
    tool("account", "add", "tool@hoshi.example", "--quota", "1k", "--alias",
         "tool2@hoshi.example")
    hand = "hand@hoshi.example"
    platform.ldap(
        "ldapmodify",
        "dn: uid=%s,ou=accounts,ou=hoshi,ou=tenants,o=hikyaku\n"
        "changetype: add\nobjectClass: inetOrgPerson\n"
        "objectClass: hkAccount\nuid: %s\ncn: hand\nsn: hand\nmail: %s\n"
        "mailLocalAddress: %s\nmailLocalAddress: hand2@hoshi.example\n"
        "hkStatus: active\nhkQuota: 1024\n" % ((hand,) * 4))
    fixed = ("id", "created", "changed")

    def shown(address):
        got = tool.show("account", address)
        return {k: v for k, v in got.items() if k not in fixed}

    assert json.loads(json.dumps(shown("tool@hoshi.example")).replace(
        "tool", "hand")) == shown(hand)


def test_no_directory(platform, tool):
    """Nobody there, or somebody who says nothing: an end, and soon."""
    def run(uri):
        conf = platform.root / "elsewhere.conf"
        conf.write_text(platform.conf.read_text().replace(
            "manage {", 'manage { uri = "%s"\n' % uri).replace(
                "tenantd {", "tenantd { connect-wait = 1s\n"))
        return subprocess.run(
            [platform.command[0], "-c", str(conf), "tenant", "list"],
            capture_output=True, text=True, check=False, timeout=20)

    got = run("ldap://127.0.0.1:1")
    assert got.returncode == NO_DIRECTORY
    assert "ldap://127.0.0.1:1" in got.stderr
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = "ldap://127.0.0.1:%d" % silent.getsockname()[1]
        got = run(uri)
        assert got.returncode == NO_DIRECTORY and uri in got.stderr
        # The next of the list serves.
        got = run("ldap://127.0.0.1:1 ldap://127.0.0.1:%d"
                  % platform.ports["ldap"])
        assert got.returncode == DONE and "aozora" in got.stdout


# ---- administrators -----------------------------------------------------------------


def test_admins(tool, hoshi):
    def rights():
        return {(r["account"], r["role"]) for r in json.loads(
            tool("admin", "list", "--tenant", "hoshi", "--json"))}

    sora, umi = "sora@hoshi.example", "umi@hoshi.example"
    assert rights() == {("operator", "owners")}
    tool("admin", "add", umi)
    assert rights() == {(umi, "owners")}  # no stand-in any more
    tool("admin", "add", "sky@hoshi.example", "--role", "helpdesk")
    tool("admin", "add", sora, "--role", "helpdesk")
    assert rights() == {(umi, "owners"), (sora, "helpdesk")}
    tool("passwd", umi, stdin=PASSWORD + "\n")
    tool.as_(umi, "account", "set", sora, "--quota", "1G")
    tool("admin", "delete", umi)
    tool("admin", "delete", sora, "--role", "helpdesk")
    assert rights() == {("operator", "owners")}
    tool.as_(umi, "account", "set", sora, "--quota", "2G", status=NOT_FOUND)
    assert "no such rights" in tool("admin", "delete", umi, status=REFUSED)
    tool("admin", "add", umi, "--role", "king", status=USAGE)
    assert "operators" in tool("admin", "list")


# ---- deleting in two steps ---------------------------------------------------------


@pytest.fixture
def leaver(platform, tool, hoshi):
    """Somebody with mail, rights, a child and a place in a group."""
    address = "leaver@hoshi.example"
    tool("account", "add", address, "--alias", "leaver2@hoshi.example",
         "--ask-password", stdin="leaver-1\n")
    tool("admin", "add", address)
    tool("account", "add", "child@hoshi.example", "--parent", address)
    tool("group", "add", "club@hoshi.example", "--account", address,
         "--owner", address, "--member", "sora@hoshi.example")
    assert eventually(lambda: rcpt(platform, address) == 250)
    platform.send(b"Subject: kept\r\n\r\nx\r\n", to=address)
    yield address
    for kind, name in (("account", address), ("account", "child@hoshi.example"),
                       ("group", "club@hoshi.example")):
        platform.hikyaku(kind, "delete", name, "--days", "0", check=False)
        platform.hikyaku(kind, "purge", name, check=False)


def test_delete_and_undelete(platform, tool, leaver):
    assert "undelete" in tool("account", "delete", leaver)
    got = tool.show("account", leaver)
    assert got["status"] == "deleted"
    # basic grants 30 days.
    days = (time.mktime(time.strptime(got["delete-after"],
                                      "%Y-%m-%dT%H:%M:%SZ"))
            - time.mktime(time.gmtime())) / 86400
    assert 29.9 < days < 30.1
    # As if it were not there, also for a catch-all,
    tool("domain", "set", "hoshi.example", "--catch-all",
         "sora@hoshi.example")
    assert eventually(lambda: rcpt(platform, "whoever@hoshi.example") == 250)
    assert rcpt(platform, leaver) == 550
    assert rcpt(platform, "leaver2@hoshi.example") == 550
    tool("domain", "set", "hoshi.example", "--no-catch-all")
    assert not can_login(platform, leaver, "leaver-1")
    # but nobody gets its addresses, and its time has not come.
    assert "non-unique" in tool("account", "add", "leaver2@hoshi.example",
                                status=REFUSED)
    assert "time has not come" in tool("account", "purge", leaver,
                                       status=REFUSED)
    assert "deleted already" in tool("account", "delete", leaver,
                                     status=REFUSED)
    assert "undelete" in tool("account", "resume", leaver, status=REFUSED)
    tool("account", "undelete", leaver)
    assert eventually(lambda: can_login(platform, leaver, "leaver-1"))
    box = platform.pop(leaver, "leaver-1")
    assert box.stat()[0] == 1
    box.quit()
    assert "delete-after" not in tool.show("account", leaver)
    assert "not deleted" in tool("account", "undelete", leaver,
                                 status=REFUSED)


def test_purge(platform, tool, leaver):
    maildir = maildir_of(platform, tool, leaver)
    assert list((maildir / "Maildir" / "new").iterdir())
    outside = platform.root / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "file").write_text("x")
    (maildir / "Maildir" / "link").symlink_to(outside)
    # Another name of it is not enough.
    assert leaver in tool("account", "delete", "leaver2@hoshi.example",
                          "--days", "0", status=REFUSED)
    tool("account", "delete", leaver, "--days", "0")
    assert tool("account", "purge", "--expired").startswith("1 purged")
    assert not maildir.exists()
    assert not maildir.with_name(maildir.name + ".removed").exists()
    assert (outside / "file").exists()
    tool("account", "show", leaver, status=NOT_FOUND)
    # Whoever gets the address now gets nothing with it.
    tool("account", "add", leaver, "--ask-password", stdin="other-1\n")
    assert "account" not in tool.show("group", "club@hoshi.example")
    assert "owner" not in tool.show("group", "club@hoshi.example")
    assert "parent" not in tool.show("account", "child@hoshi.example")
    assert leaver not in tool("admin", "list")
    assert eventually(lambda: can_login(platform, leaver, "other-1"))
    box = platform.pop(leaver, "other-1")
    assert box.stat()[0] == 0
    box.quit()


def test_purge_that_was_cut_short(platform, tool, leaver):
    """Mail put aside whose owner was brought back is put back; mail of
    nobody goes."""
    maildir = maildir_of(platform, tool, leaver)
    aside = maildir.with_name(maildir.name + ".removed")
    maildir.rename(aside)
    nobodys = shard(platform, "hoshi", "0" * 36 + ".removed")
    (nobodys / "Maildir" / "new").mkdir(parents=True)
    (nobodys / "Maildir" / "new" / "x").write_text("x")
    assert tool("account", "purge", "--expired").startswith("0 purged")
    assert maildir.exists() and not aside.exists()
    assert not nobodys.exists()
    # Still deleted: it stays aside until its time, and then goes.
    tool("account", "delete", leaver)
    maildir.rename(aside)
    tool("account", "purge", "--expired")
    assert aside.exists()
    tool("account", "set", leaver, "--delete-after", "2026-01-01T00:00:00Z")
    assert tool("account", "purge", "--expired").startswith("1 purged")
    assert not aside.exists() and not maildir.exists()


def test_purge_on_the_right_node(tool, leaver):
    tool("account", "set", leaver, "--mail-host", "node2.isp.example")
    tool("account", "delete", leaver, "--days", "0")
    assert tool("account", "purge", "--expired").startswith(
        "0 purged, 1 on other nodes")
    tool("account", "set", leaver, "--no-mail-host")


def test_domains_and_classes_go_at_once(tool, hoshi):
    assert "needs it" in tool("domain", "delete", "hoshi.example",
                              status=REFUSED)
    tool("domain", "add", "spare.example", "--tenant", "hoshi",
         "--alias-of", "hoshi.example")
    tool("domain", "delete", "spare.example")
    tool("domain", "show", "spare.example", status=NOT_FOUND)
    tool("class", "add", "iron")
    tool("tenant", "set", "hoshi", "--class", "iron")
    assert "needs it" in tool("class", "delete", "iron", status=REFUSED)
    tool("tenant", "set", "hoshi", "--class", "basic")
    tool("class", "delete", "iron")


def test_tenant_goes_with_all_it_has(platform, tool):
    tool("tenant", "add", "kumo", "--uid", "299000")
    tool("domain", "add", "kumo.example", "--tenant", "kumo")
    for i in range(3):
        tool("account", "add", "u%d@kumo.example" % i)
    platform.ldap("ldapmodify",
                  "dn: cn=tenantd,ou=platform,o=hikyaku\n"
                  "changetype: modify\nadd: objectClass\n"
                  "objectClass: hkActor\n-\nadd: hkActAs\n"
                  "hkActAs: ou=kumo,ou=tenants,o=hikyaku\n")
    assert eventually(lambda: rcpt(platform, "u0@kumo.example") == 250)
    platform.send(b"Subject: x\r\n\r\nx\r\n", to="u0@kumo.example")
    assert (platform.root / "store" / "kumo").exists()
    tool("tenant", "delete", "kumo", "--days", "0")
    assert eventually(lambda: rcpt(platform, "u0@kumo.example") == 550)
    tool("tenant", "purge", "kumo")
    assert not (platform.root / "store" / "kumo").exists()
    tool("tenant", "show", "kumo", status=NOT_FOUND)
    tool("account", "show", "u0@kumo.example", status=NOT_FOUND)
    assert "kumo" not in tool("admin", "list")
    assert "hkActAs" not in platform.ldap(
        "ldapsearch", "", "-LLL", "-b", "cn=tenantd,ou=platform,o=hikyaku")


# ---- renaming -----------------------------------------------------------------------


def uidls(platform, login, password):
    box = platform.pop(login, password)
    found = [line.split()[1] for line in box.uidl()[1]]
    box.quit()
    return found


def test_rename_moves_no_mail(platform, tool, leaver):
    new = "newcomer@hoshi.example"
    platform.send(b"Subject: another\r\n\r\nx\r\n", to=leaver)
    before = uidls(platform, leaver, "leaver-1")
    assert len(before) == 2
    maildir = maildir_of(platform, tool, leaver)
    tool("group", "set", "club@hoshi.example", "--add-member", leaver)
    tool("domain", "set", "hoshi.example", "--catch-all", leaver)
    tool("account", "rename", leaver, new)
    assert eventually(lambda: can_login(platform, new, "leaver-1"))
    assert uidls(platform, new, "leaver-1") == before
    assert maildir_of(platform, tool, new) == maildir
    # What named it names it still.
    got = tool.show("group", "club@hoshi.example")
    assert got["account"] == got["owner"] == [new]
    assert sorted(got["member"]) == [new, "sora@hoshi.example"]
    assert tool.show("account", "child@hoshi.example")["parent"] == new
    assert tool.show("domain", "hoshi.example")["catch-all"] == new
    assert new in tool("admin", "list") and leaver not in tool("admin", "list")
    tool("domain", "set", "hoshi.example", "--no-catch-all")
    assert tool.show("account", new)["alias"] == ["leaver2@hoshi.example"]
    # Who gets the old address now gets nothing else.
    assert eventually(lambda: rcpt(platform, leaver) == 550)
    tool("account", "add", leaver, "--ask-password", stdin="other-1\n")
    assert eventually(lambda: can_login(platform, leaver, "other-1"))
    assert uidls(platform, leaver, "other-1") == []
    assert not can_login(platform, leaver, "leaver-1")
    tool("account", "delete", leaver, "--days", "0")
    tool("account", "purge", leaver)
    # And back, with the new one kept as an alias.
    tool("account", "rename", new, leaver, "--keep-old")
    assert sorted(tool.show("account", leaver)["alias"]) == [
        "leaver2@hoshi.example", new]
    assert eventually(
        lambda: uidls(platform, leaver, "leaver-1") == before)
    # To an alias of its own.
    tool("account", "rename", leaver, new)
    tool("account", "rename", new, leaver)
    assert tool.show("account", leaver)["alias"] == ["leaver2@hoshi.example"]


def test_rename_refusals(tool, leaver):
    before = tool.show("account", leaver)
    for args, status, words in (
            ((leaver, "sora@hoshi.example"), REFUSED, "non-unique"),
            ((leaver, "leaver@midori.example"), REFUSED, "a domain of midori"),
            ((leaver, "leaver@nowhere.example"), REFUSED, "no domain"),
            ((leaver, "leaver"), USAGE, "expected an address"),
            (("leaver2@hoshi.example", "x@hoshi.example"), REFUSED,
             "another name"),
            (("nobody@hoshi.example", "x@hoshi.example"), NOT_FOUND, "none"),
            ((leaver,), USAGE, "missing")):
        assert words in tool("account", "rename", *args, status=status)
    assert "directory in the store" in tool("tenant", "rename", "hoshi", "x",
                                            status=REFUSED)
    tool.as_("admin@aozora.example", "account", "rename",
             "taro@aozora.example", "x@aozora.example", status=REFUSED)
    assert tool.show("account", leaver) == before


def test_rename_that_was_cut_short(platform, tool, leaver):
    """The entry has its new name already, and nothing else happened."""
    new = "newcomer@hoshi.example"
    platform.ldap("ldapmodify",
                  "dn: uid=%s,ou=accounts,ou=hoshi,ou=tenants,o=hikyaku\n"
                  "changetype: modrdn\nnewrdn: uid=%s\ndeleteoldrdn: 1\n"
                  % (leaver, new))
    tool("account", "rename", leaver, new)
    assert tool.show("account", new)["address"] == new
    assert tool.show("group", "club@hoshi.example")["owner"] == [new]
    assert tool.show("account", "child@hoshi.example")["parent"] == new
    tool("account", "rename", leaver, new)  # only lists could be left
    tool("account", "rename", new, leaver)


def test_domain_rename(platform, tool):
    """Killed on its way, again and again, and finished in the end."""
    tool("tenant", "add", "fuji", "--uid", "299001", "--plus-addressing",
         "yes")
    tool("domain", "add", "fuji.example", "--tenant", "fuji")
    tool("domain", "add", "fuji-alias.example", "--tenant", "fuji",
         "--alias-of", "fuji.example")
    tool("domain", "add", "other.example", "--tenant", "fuji")
    rows = ["address,alias,password"]
    rows += ["u%d@fuji.example,a%d@fuji.example b%d@other.example,%s"
             % (i, i, i, "fuji-1" if i == 0 else "") for i in range(200)]
    tool("account", "import", "-", stdin="\n".join(rows))
    tool("account", "set", "u1@fuji.example", "--parent", "u0@fuji.example")
    tool("group", "add", "all@fuji.example", "--account", "u0@fuji.example",
         "--member", "u1@fuji.example x@elsewhere.example")
    tool("domain", "set", "fuji.example", "--catch-all", "u2@fuji.example")
    tool("tenant", "set", "fuji", "--primary-domain", "fuji.example")
    tool("admin", "add", "u0@fuji.example")
    assert eventually(lambda: rcpt(platform, "u0@fuji.example") == 250)
    platform.send(b"Subject: x\r\n\r\nx\r\n", to="u0@fuji.example")
    before = uidls(platform, "u0@fuji.example", "fuji-1")
    ids = {r["id"] for r in json.loads(
        tool("account", "list", "--tenant", "fuji", "--json"))}
    for cut in (0.02, 0.08, 0.15):
        running = subprocess.Popen(
            [*platform.command, "domain", "rename", "fuji.example",
             "yama.example"], stdout=subprocess.DEVNULL)
        time.sleep(cut)
        running.kill()
        running.wait()
    # Whoever is where, mail for the old name arrives.
    assert eventually(lambda: all(
        rcpt(platform, "u%d@fuji.example" % i) == 250 for i in (0, 100, 199)))
    tool("domain", "rename", "fuji.example", "yama.example")
    rows = json.loads(tool("account", "list", "--tenant", "fuji", "--json"))
    assert {r["id"] for r in rows} == ids
    for row in rows:
        number = row["address"].split("@")[0][1:]
        assert row["address"] == "u%s@yama.example" % number
        assert sorted(row["alias"]) == ["a%s@yama.example" % number,
                                        "b%s@other.example" % number]
        assert "login" not in row
    assert tool.show("account", "u1@yama.example")["parent"] == \
        "u0@yama.example"
    got = tool.show("group", "all@yama.example")
    assert got["account"] == ["u0@yama.example"]
    assert sorted(got["member"]) == ["u1@yama.example",
                                     "x@elsewhere.example"]
    assert tool.show("domain", "yama.example")["catch-all"] == \
        "u2@yama.example"
    assert tool.show("domain", "fuji-alias.example")["alias-of"] == \
        "yama.example"
    assert tool.show("tenant", "fuji")["primary-domain"] == "yama.example"
    assert "u0@yama.example" in tool("admin", "list", "--tenant", "fuji")
    tool("domain", "show", "fuji.example", status=NOT_FOUND)
    assert eventually(lambda: can_login(platform, "u0@yama.example",
                                        "fuji-1"))
    assert uidls(platform, "u0@yama.example", "fuji-1") == before
    # Back, and this time the old name stays as an alias.
    tool("domain", "rename", "yama.example", "fuji.example", "--keep-old")
    assert tool.show("domain", "yama.example")["alias-of"] == "fuji.example"
    assert eventually(lambda: rcpt(platform, "u5@yama.example") == 250)
    tool("tenant", "delete", "fuji", "--days", "0")
    tool("tenant", "purge", "fuji")
