# SPDX-License-Identifier: BSD-2-Clause
"""hikyaku account import and export."""

import csv
import io
import json
import re
import subprocess

import pytest
from support.platform import PASSWORD
from support.tool import (
    DONE,
    PARTLY,
    REFUSED,
    USAGE,
    Tool,
    can_login,
    eventually,
    on_terminal,
)

# Made from PASSWORD; test_password.c has the same.
HASHES = {
    "des": "{CRYPT}abZ1GTVxQJlAo",
    "md5crypt": "$1$abcdefgh$peyzg26Dr/ygLXtW3sGft0",
    "sha256crypt": "{CRYPT}$5$rounds=1000$abcdefgh$6SIa.JKRItiL2oLYpJajJcuO61"
                   "58V7v7PgZz7FIqKE4",
    "bcrypt": "{CRYPT}$2b$04$abcdefghijklmnopqrstuubHoayVqFHYJTfpTBFCgamSb3vw"
              "peVcG",
    "yescrypt": "$y$j75$abcdefgh$HgTrpWMJycA8ISN31WubI6T.tKPrvIYiJcGzg2QPx70",
    "sha": "{SHA}U8l1yqUvIw6CBsUWSGjPQA+q/F8=",
    "ssha": "{SSHA}IyBttGoa2+z4aI+IXHkSrfy4dU4BAgME",
    "md5": "{MD5}l2Nf9O8mA5HjoV0vJ4oOdw==",
    "smd5": "{SMD5}r/e21I9rgqhmYIOi2JFHBAECAwQ=",
    "sha256": "{SHA256}Lzjy92/u9W6Twf1KOLR1waYYSp4/nKD5W92zi11gz9M=",
    "ssha256": "{SSHA256}TpYCDAwnr+M7tXUo7muyD8cQ70HFCTC/XOz9hx8E304BAgME",
    "sha512": "{SHA512}Zka2ukjCKxF8+WHHfP+l+4+bmEOFhiqR5/p5xJ7r/Jp9SBSDQqDwNn"
              "WVCCImxZUtN5wUCkpB6DHxmlf//OD67w==",
    "cleartext": "{CLEARTEXT}" + PASSWORD,
    "scram": "{SCRAM-SHA-256}4096$c2FsdHNhbHRzYWx0c2FsdA==$riNI9BVjacqtGyE2Kw"
             "2uLIwGlhg4TBS9AEhJsvfGS8A=:ylJJQx9k/3mL9oflsPuTYqMIkibYXAoBWXMpc"
             "aG8Fp4=",
}


@pytest.fixture(scope="module")
def tool(platform):
    made = Tool(platform)
    for tenant in ("aozora", "midori"):
        made("tenant", "set", tenant, "--max-accounts", "100000")
    return made


@pytest.fixture
def table(platform):
    """table(text): a file with it; table(rows): the same of lists."""
    path = platform.root / "table.csv"

    def write(content):
        if not isinstance(content, (str, bytes)):
            out = io.StringIO()
            csv.writer(out).writerows(content)
            content = out.getvalue()
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        return str(path)

    yield write
    path.unlink(missing_ok=True)


def sums(text):
    """added, changed, unchanged, refused."""
    return tuple(int(n) for n in re.search(
        r"lines: (\d+) \D*(\d+) changed, (\d+) as they were, (\d+) refused",
        text).groups())


def test_again_and_again(platform, tool, table):
    rows = [["address", "name", "alias", "quota", "password"]]
    for i in range(40):
        rows.append(["again%d@aozora.example" % i, "名前 %d" % i,
                     "x%d@aozora.example y%d@aozora.example" % (i, i), "100M",
                     "secret-%d" % i if i < 4 else ""])
    name = table(rows)
    assert sums(tool("account", "import", name, "--dry-run")) == (40, 0, 0, 0)
    assert "again" not in tool("account", "list")
    assert sums(tool("account", "import", name)) == (40, 0, 0, 0)
    assert sums(tool("account", "import", name)) == (0, 0, 40, 0)
    got = tool.show("account", "again7@aozora.example")
    assert got["name"] == "名前 7" and got["quota"] == 100 << 20
    assert sorted(got["alias"]) == ["x7@aozora.example", "y7@aozora.example"]
    assert eventually(
        lambda: can_login(platform, "y2@aozora.example", "secret-2"))
    # Clear ones are stored as new passwords are.
    assert tool.stored("again2@aozora.example", "userPassword")[0].startswith(
        b"{CRYPT}$y$j9T$")
    assert b"{SCRAM-SHA-256}" in tool.stored("again2@aozora.example",
                                             "hkSecret")[0]
    # Only what differs is written; an empty cell says nothing.
    rows[8][3] = "200M"
    rows[9][2] = ""
    rows[10][2] = "z9@aozora.example"
    rows[3][4] = "another"
    name = table(rows)
    assert sums(tool("account", "import", name)) == (0, 2, 38, 0)
    assert tool.show("account", "again7@aozora.example")["quota"] == 200 << 20
    assert tool.show("account", "again9@aozora.example")["alias"] == [
        "z9@aozora.example"]
    assert len(tool.show("account", "again8@aozora.example")["alias"]) == 2
    # Somebody may have changed it since: only when that is asked for.
    assert can_login(platform, "again2@aozora.example", "secret-2")
    tool("account", "import", name, "--update-passwords")
    assert eventually(
        lambda: can_login(platform, "again2@aozora.example", "another"))


def test_every_scheme(platform, tool, table):
    rows = [["address", "password-hash"]]
    rows += [["%s@midori.example" % k, v] for k, v in HASHES.items()]
    assert sums(tool("account", "import", table(rows))) == (
        len(HASHES), 0, 0, 0)
    for name in HASHES:
        assert eventually(lambda n=name: can_login(
            platform, n + "@midori.example", PASSWORD)), name
    # Kept in clear nowhere, and nobody asked for it.
    assert PASSWORD.encode() not in tool.stored(
        "cleartext@midori.example", "userPassword")[0]
    # Those of old systems have no scheme in front.
    name = table([["address", "password-hash"],
                  ["bare@midori.example", "abZ1GTVxQJlAo"]])
    error = tool.run("account", "import", name)
    assert error.returncode == PARTLY and "--scheme" in error.stderr
    tool("account", "import", name, "--scheme", "CRYPT")
    assert eventually(
        lambda: can_login(platform, "bare@midori.example", PASSWORD))


REPORT = b"""\
address,name,alias,password-hash,parent,tenant
r1@aozora.example,One,,{SSHA}IyBttGoa2+z4aI+IXHkSrfy4dU4BAgME,r3@aozora.example,
r2@aozora.example,Two,hanako@aozora.example,,,
r3@aozora.example,"Three
of two lines",,,,aozora
r3@aozora.example,again,,,,
hana@aozora.example,x,,,,
r4@nowhere.example,x,,,,
r5@aozora.example,x,y
r6@aozora.example,x,,ABC-geheim,,
r7@aozora.example,x,,{NOPE}geheim,,
r8@aozora.example,x,,,r2@aozora.example,
r9@aozora.example,x,,,,midori
r10@aozora.example,\xff,,,,
r11@aozora.example,x,r11,,,

r12,x,,,,
r13@aozora.example,x,r13@aozora.example r14@midori.example,,,
r15@aozora.example,x,,{SHA},,
"""
REFUSED_LINES = {
    3: "non-unique",
    6: "an earlier line has this address",
    7: "another name of hanako@aozora.example",
    8: "no domain nowhere.example",
    9: "it has 3 fields; expected 6",
    10: "--scheme",
    11: "no scheme",
    12: "no account r2@aozora.example",
    13: "its domain is of aozora",
    14: "UTF-8",
    15: 'alias: "r11"',
    17: "expected an address",
    19: "no scheme",
}


def check_report(got, refused):
    lines = {}
    for line in got.stderr.splitlines():
        match = re.match(r"\S+/table\.csv:(\d+): (.*)", line)
        lines[int(match[1])] = match[2]
    assert set(lines) == set(refused)
    for number, words in refused.items():
        assert words in lines[number], (number, lines[number])
    assert "geheim" not in got.stderr + got.stdout
    assert "IyBttGoa" not in got.stderr + got.stdout


def test_password_that_is_none(tool, table):
    """Nobody's fault but that line's."""
    name = table([["address", "password"],
                  ["long@aozora.example", "x" * 600],
                  ["short@aozora.example", "secret"]])
    got = tool.run("account", "import", name)
    assert got.returncode == PARTLY and sums(got.stdout) == (1, 0, 0, 1)
    assert ":2: long@aozora.example: password: too long" in got.stderr


def test_report(tool, table):
    """Each line that is refused, with its number and the reason."""
    # The name of two lines is no name; for the operator any tenant's
    # addresses may be an alias, for an owner they may not.
    refused = {**REFUSED_LINES, 4: "control characters",
               2: "no account r3@aozora.example"}
    name = table(REPORT)
    got = tool.run("account", "import", name, "--dry-run")
    assert got.returncode == PARTLY
    check_report(got, refused)
    got = tool.run("account", "import", name)
    assert got.returncode == PARTLY
    check_report(got, refused)
    assert sums(got.stdout) == (1, 0, 0, 15)
    # A parent may stand behind its child.
    name = table(REPORT.replace(b'"Three\nof two lines"', b"Three"))
    got = tool.run("account", "import", name)
    assert sums(got.stdout) == (2, 0, 1, 13)
    assert tool.show("account", "r1@aozora.example")["parent"] == \
        "r3@aozora.example"


@pytest.mark.parametrize("text,words", [
    ("", "empty"),
    ("\n\n", "empty"),
    ("name,quota\n", '"address"'),
    ("address,nonsense\n", '"nonsense"'),
    ("address,catch-all\n", '"catch-all"'),
    ("address,address\n", "twice"),
    ("address,password,password-hash\n", "either"),
    ('address,"name\n', "never closes"),
    ("address,n\xe4me\n".encode("latin-1"), "UTF-8"),
])
def test_bad_tables(tool, table, text, words):
    assert words in tool("account", "import", table(text), status=USAGE)


def test_table_forms(tool, table):
    """RFC 4180 with a byte order mark, and what people make of it."""
    name = table(b"\xef\xbb\xbfaddress,auto-reply-text,name\r\n"
                 b'f1@aozora.example,"one\r\ntwo, ""three""",x\r\n'
                 b"\r\nF2@Aozora.example,,\xe7\xa9\xba")
    assert sums(tool("account", "import", name)) == (2, 0, 0, 0)
    assert tool.show("account", "f1@aozora.example")[
        "auto-reply-text"] == 'one\ntwo, "three"'
    assert tool.show("account", "f2@aozora.example")["name"] == "空"
    # Behind a quote that never closes nobody knows what is a line.
    name = table('address,name\nf3@aozora.example,a"b\nf4@aozora.example,x\n')
    got = tool.run("account", "import", name)
    assert got.returncode == PARTLY and ":2: a quote" in got.stderr
    assert "f4@" not in tool("account", "list")
    assert sums(tool("account", "import", "-", stdin="address\n"
                     "f5@aozora.example\n")) == (1, 0, 0, 0)
    assert "No such file" in tool("account", "import", "/nonexistent",
                                  status=5)


def test_two_at_once(platform, tool, table):
    """Whoever loses the race for an address reports it, and no more."""
    rows = [["address", "alias"]]
    rows += [["race%d@aozora.example" % i, "racer%d@aozora.example" % i]
             for i in range(600)]
    name = table(rows)
    both = [subprocess.Popen(
        [*platform.command, "account", "import", name],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)]
    total = [0] * 4
    for one in both:
        out, error = one.communicate(timeout=60)
        assert one.returncode in (DONE, PARTLY), error
        total = [a + b for a, b in zip(total, sums(out))]
    assert total[0] == 600 and sum(total) == 1200
    assert sums(tool("account", "import", name)) == (0, 0, 600, 0)


def test_room(tool, table):
    """hkMaxAccounts, which slapd cannot count."""
    have = len(json.loads(tool("account", "list", "--tenant", "midori",
                               "--json")))
    tool("tenant", "set", "midori", "--max-accounts", str(have + 2))
    name = table([["address"]] + [["room%d@midori.example" % i]
                                  for i in range(3)])
    got = tool.run("account", "import", name)
    assert sums(got.stdout) == (2, 0, 0, 1)
    assert "max-accounts" in got.stderr
    assert "max-accounts" in tool("account", "add", "room9@midori.example",
                                  status=REFUSED)
    tool("tenant", "set", "midori", "--max-accounts", "100000")
    tool("account", "add", "room9@midori.example")


def test_owner_imports(tool, table):
    """With the rights of who runs it."""
    name = table([["address", "quota", "max-quota"],
                  ["own1@aozora.example", "1M", ""],
                  ["own2@aozora.example", "1M", "9G"],
                  ["own3@midori.example", "1M", ""]])
    got = tool.run("account", "import", name, "--as", "admin@aozora.example",
                   "--password-file", str(tool.secret))
    assert got.returncode == PARTLY and sums(got.stdout) == (1, 0, 0, 2)
    assert ":3: own2@aozora.example" in got.stderr
    assert "Insufficient access" in got.stderr
    assert ":4: own3@midori.example: there is no domain" in got.stderr


def test_export_is_what_import_reads(tool, table):
    address = "full@aozora.example"
    tool("account", "add", address, "--name", 'A, "B"', "--alias",
         "full1@aozora.example full2@aozora.example", "--quota", "1k",
         "--forward-rule", '1: from="a" -> forward to="x@y.example"\n'
         '2: size>=1KB -> forward to="x@y.example"',
         "--auto-reply-text", "one\ntwo", "--virus-scan", "no",
         "--auto-reply-start", "2026-08-10T09:00:00+09:00", "--parent",
         "hanako@aozora.example", "--class", "basic", "--service",
         "imap pop3")
    before = tool.show("account", address)
    text = tool("account", "export", "--tenant", "aozora")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(json.loads(tool(
        "account", "list", "--tenant", "aozora", "--json")))
    assert all(r["tenant"] == "aozora" for r in rows)
    assert "id" not in rows[0] and "password-hash" not in rows[0]
    got = tool.run("account", "import", table(text))
    assert got.stderr == "" and sums(got.stdout) == (0, 0, len(rows), 0)
    tool("account", "delete", address, "--days", "0")
    tool("account", "purge", address)
    assert sums(tool("account", "import", table(text))) == (
        1, 0, len(rows) - 1, 0)
    after = tool.show("account", address)
    for both in (before, after):
        for fixed in ("id", "created", "changed"):
            del both[fixed]
        for many in both.values():
            if isinstance(many, list):
                many.sort()
    assert before == after


def test_progress(platform, tool, table):
    rows = [["address"]] + [["bar%d@aozora.example" % i] for i in range(1200)]
    shown, status = on_terminal(
        [*platform.command, "account", "import", table(rows)], [])
    assert status == DONE
    assert re.search(rb"\[#+\.*\] +\d+%  \d+ lines, \d+ a second", shown)
    assert sums(shown.decode()) == (1200, 0, 0, 0)
    # No bar where nobody looks.
    assert "[" not in tool.run("account", "import", table(rows)).stderr
