# SPDX-License-Identifier: BSD-2-Clause
"""POP3 as a brand and its people want it: what the directory says, and the
languages and UTF-8 of RFC 6856."""

import base64
import email
import email.policy
import fcntl
import hashlib
import os
import pathlib
import poplib
import re
import time

import pytest
from support.platform import PASSWORD
from support.wire import Wire

YUKI, HANAKO = "yuki@midori.example", "hanako@aozora.example"
MIDORI = "ou=midori,ou=tenants,o=hikyaku"
TOP = pathlib.Path(__file__).resolve().parents[2]


def brand(platform, attribute, *values):
    """Gives Midori these values of an attribute, or none; they act soon."""
    platform.ldap("ldapmodify", "dn: %s\nchangetype: modify\nreplace: %s\n%s"
                  % (MIDORI, attribute, "".join(
                      "%s: %s\n" % (attribute, value) for value in values)))


def eventually(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def unique_ids(platform, login=YUKI):
    pop = platform.pop(login)
    lines = [line.split(b" ", 1) for line in pop.uidl()[1]]
    assert [pop.uidl(int(number)).split()[1:] for number, _ in lines] == lines
    pop.quit()
    return [unique_id.decode() for _, unique_id in lines]


def maildir(platform, login=YUKI):
    """Of an account that got mail, by the file that is in it."""
    platform.send(b"Subject: where\r\n\r\nthis is %s\r\n" % login.encode(),
                  to=login)
    found = []
    pattern = "store/*/*/*/Maildir/[nc]*/*"
    assert eventually(lambda: found or found.extend(
        path for path in platform.root.glob(pattern)
        if b"this is %s" % login.encode() in path.read_bytes()))
    return found[0].parents[1]


def restart_sessions(platform):
    """Nothing that a session process has in memory counts."""
    for pid in platform.kill("pop3d session"):
        # Until it is waited for: only then its sockets are surely closed.
        assert eventually(lambda p=pid: not os.path.exists("/proc/%d" % p))


@pytest.fixture(scope="module")
def mailbox(platform):
    """Yuki's Maildir with four messages; the first two came from an old
    server, in another order."""
    path = maildir(platform)
    for number in range(3):
        platform.send(b"Subject: %d\r\n\r\nx\r\n" % number)
    assert len(unique_ids(platform)) == 4
    lines = (path / "dovecot-uidlist").read_text().split("\n")
    for at, fields in ((1, "PUID9-1795503127 O2"), (2, "P O1")):
        uid, _, rest = lines[at].partition(" ")
        lines[at] = "%s %s %s" % (uid, fields, rest)
    changed = path / "dovecot-uidlist.changed"
    changed.write_text("\n".join(lines))
    owner = (path / "dovecot-uidlist").stat()
    os.chown(changed, owner.st_uid, owner.st_gid)
    changed.rename(path / "dovecot-uidlist")
    restart_sessions(platform)
    yield path
    brand(platform, "hkUidlFormat")


FORMS = {
    "dovecot": "%(uid)08x%(v)08x",
    "courier": "UID%(uid)d-%(v)d",
    "qmail": "%(base)s",
    "cyrus": "%(v)d.%(uid)d",
    "cyrus-uid": "%(uid)d",
    "uw": "%(v)08x%(uid)08x",
    "%v-%010u": "%(v)d-%(uid)010d",
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(platform, mailbox, form):
    """The form of the brand's old server, for what no P field tells; O fields
    put messages first.  RFC 1939 7: they persist over sessions."""
    brand(platform, "hkUidlFormat", form)
    header, *lines = (mailbox / "dovecot-uidlist").read_text().split("\n")
    v = int(re.search(r" V(\d+)", header)[1])
    known = [re.fullmatch(r"(\d+) (?:.* )?:(.*)", line).groups()
             for line in lines if line]
    want = [known[1][1], "UID9-1795503127"] + [
        FORMS[form] % {"uid": int(uid), "v": v, "base": base}
        for uid, base in known[2:]]
    assert eventually(lambda: unique_ids(platform) == want), (
        unique_ids(platform), want)
    restart_sessions(platform)
    assert unique_ids(platform) == want


def test_form_nobody_understands(platform, mailbox):
    """Rather no mail for a while than all mail again in another form."""
    brand(platform, "hkUidlFormat", "%020u%020u%020u%020u")

    def refused():
        with Wire(platform, "pop3s") as w:
            w.line()
            w.pop3(b"USER " + YUKI.encode())
            return w.pop3(b"PASS " + PASSWORD.encode()).startswith(
                b"-ERR [SYS/TEMP]")

    mark = platform.log_mark()
    assert eventually(refused)
    platform.wait_log(r"unique-ids: longer than 70 octets", mark)
    brand(platform, "hkUidlFormat")
    assert eventually(lambda: not refused())


@pytest.mark.parametrize("said", ["FALSE", "TRUE"])
def test_seen(platform, said):
    r"""RETR leaves \Seen, or not, as the brand chooses."""
    platform.empty(YUKI)
    brand(platform, "hkPop3Seen", said)
    time.sleep(0.6)
    platform.send(b"Subject: seen\r\n\r\nx\r\n")
    pop = platform.pop(YUKI)
    pop.retr(1)
    pop.quit()
    with platform.imap(YUKI) as imap:
        imap.select("INBOX", readonly=True)
        seen = imap.search(None, "SEEN")[1][0].split()
    assert seen == ([b"1"] if said == "TRUE" else [])
    brand(platform, "hkPop3Seen")


# ---- logins ------------------------------------------------------------------

def login(w, name=YUKI, greeted=False):
    """The answer to PASS."""
    if not greeted:
        w.line()
    assert w.pop3(b"USER " + name.encode()).startswith(b"+OK")
    return w.pop3(b"PASS " + PASSWORD.encode())


def multiline(w):
    lines = []
    while (line := w.file.readline()) != b".\r\n":
        assert line.endswith(b"\r\n"), "closed within a reply"
        lines.append(line[line.startswith(b"."):-2])
    return lines


def capabilities(w):
    assert w.pop3(b"CAPA").startswith(b"+OK")
    return multiline(w)


def test_expire(platform):
    """RFC 2449 6.7: before login the least of all, then the brand's own."""
    brand(platform, "hkInboxDays", 45)

    def announced():
        with Wire(platform, "pop3s") as w:
            w.line()
            assert b"EXPIRE 1 USER" in capabilities(w)
            login(w, greeted=True)
            return b"EXPIRE 45" in capabilities(w)

    assert eventually(announced)
    with Wire(platform, "pop3s") as w:
        login(w, HANAKO)
        assert b"EXPIRE NEVER" in capabilities(w)
    brand(platform, "hkInboxDays")


def apop(platform, name, password, timestamp=None):
    """The answer to APOP."""
    with Wire(platform, "pop3") as w:
        greeted = re.search(rb"<[^>]+@mail.aozora.example>", w.line())[0]
        digest = hashlib.md5((timestamp or greeted) + password.encode())
        return w.pop3(b"APOP %s %s" % (name.encode(),
                                       digest.hexdigest().encode())), greeted


def test_apop(make_platform):
    """RFC 1939 7: off unless platform and brand want it; a new timestamp each
    time, and no way to choose one."""
    platform = make_platform({"pop3d": ["apop = yes"]})
    answer, first = apop(platform, YUKI, PASSWORD)
    assert answer.startswith(b"-ERR [AUTH]")
    brand(platform, "hkPop3Apop", "TRUE")
    assert eventually(lambda: apop(platform, YUKI, PASSWORD)[0].startswith(
        b"+OK "))
    assert apop(platform, HANAKO, PASSWORD)[0].startswith(b"-ERR [AUTH]")
    for name, password, timestamp in (
            (YUKI, "wrong", None), (YUKI, PASSWORD, first),
            ("nobody@midori.example", PASSWORD, None)):
        answer, second = apop(platform, name, password, timestamp)
        assert answer.startswith(b"-ERR [AUTH]") and second != first
    pop = poplib.POP3("127.0.0.1", platform.ports["pop3"], timeout=20)
    pop.apop(YUKI, PASSWORD)
    assert pop.stat()[0] == 0
    pop.quit()
    with Wire(platform, "pop3s") as w:
        w.line()
        assert w.pop3(b"APOP x").startswith(b"-ERR")
        for command in (b"AUTH APOP", b"AUTH APOP " + base64.b64encode(
                b"<1@x>\0%s\0%s" % (YUKI.encode(), hashlib.md5(
                    b"<1@x>" + PASSWORD.encode()).hexdigest().encode()))):
            assert w.pop3(command).startswith(b"-ERR Mechanism")


def test_login_delay(platform):
    """RFC 2449 6.5 and 8.1.1."""
    brand(platform, "hkPop3LoginDelay", 2)

    def announced():
        with Wire(platform, "pop3s") as w:
            return login(w).startswith(b"+OK") and (
                b"LOGIN-DELAY 2" in capabilities(w))

    assert eventually(announced)
    with Wire(platform, "pop3s") as w:
        assert login(w).startswith(b"-ERR [LOGIN-DELAY]")
        assert w.closed()
    with Wire(platform, "pop3s") as w:  # the other brand
        assert login(w, HANAKO).startswith(b"+OK")
    brand(platform, "hkPop3LoginDelay")
    time.sleep(2)
    with Wire(platform, "pop3s") as w:
        assert login(w).startswith(b"+OK")


def test_in_use_by_another_process(platform, mailbox):
    """RFC 2449 8.1.2: the lock holds whoever the other one is."""
    other = os.open(mailbox / "cur", os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with Wire(platform, "pop3s") as w:
        assert login(w).startswith(b"-ERR [IN-USE]")
    fcntl.flock(other, fcntl.LOCK_UN)
    with Wire(platform, "pop3s") as w:
        assert login(w).startswith(b"+OK")
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert w.pop3(b"QUIT").startswith(b"+OK")
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)


# ---- languages -----------------------------------------------------------------

def japanese(answer):
    return any(ord(c) > 0x3000 for c in answer.decode())


def test_lang(platform):
    """RFC 6856 3: a list, a change that lasts over the login, an -ERR that
    changes nothing, and the user's own language for "*"."""
    platform.ldap("ldapmodify", "dn: uid=%s,ou=accounts,%s\nchangetype: modify"
                  "\nreplace: preferredLanguage\npreferredLanguage: "
                  "ja, en;q=0.7\n" % (YUKI, MIDORI))
    time.sleep(0.5)
    with Wire(platform, "pop3") as w:
        assert not japanese(w.line())
        assert b"LANG" in capabilities(w)
        assert w.pop3(b"LANG").startswith(b"+OK ")
        assert multiline(w) == [b"en English", "ja 日本語".encode()]
        assert w.pop3(b"LANG *").startswith(b"+OK en ")
        assert w.pop3(b"LANG ja-JP").startswith(b"+OK ja ")
        assert japanese(w.pop3(b"USER " + YUKI.encode()))
        # Nothing said in clear counts (RFC 2595 4).
        assert japanese(w.pop3(b"STLS"))
        w.start_tls()
        assert w.pop3(b"LANG *").startswith(b"+OK en ")
        answer = w.pop3(b"LANG MUL")
        assert answer.startswith(b"-ERR") and not japanese(answer)
        assert w.pop3(b"lang JA").startswith(b"+OK ja ")
        for command in (b"LANG jaa", b"XTND", b"PASS x", b"STAT", b"STLS"):
            answer = w.pop3(command)
            assert answer.startswith(b"-ERR ") and japanese(answer), command
        w.pop3(b"USER " + YUKI.encode())
        answer = w.pop3(b"PASS " + PASSWORD.encode())
        assert answer.startswith(b"+OK ") and japanese(answer)
        assert japanese(w.pop3(b"RETR 9999"))
        assert w.pop3(b"LANG en").startswith(b"+OK en ")
        assert not japanese(w.pop3(b"RETR 9999"))
        assert w.pop3(b"LANG *").startswith(b"+OK ja ")
        assert re.match(rb"\+OK \d+ \d+$", w.pop3(b"STAT"))
        assert japanese(w.pop3(b"QUIT"))


def test_every_text_has_its_translations():
    """What the code says in English, text.c says in Japanese, and nothing
    else."""
    table = (TOP / "pop3d/text.c").read_text()
    known = set(re.findall(r'^\t\{ "((?:[^"\\]|\\.)*)",', table, re.M))
    said = set()
    for path in set((TOP / "pop3d").glob("*.c")) - {TOP / "pop3d/reply.c"}:
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for call in re.findall(
                r"\b(?:pop3_ok|pop3_err|transaction_failed|gate_bad|text_in)"
                r"\(\s*(?:[cst]|\*?language)\b(.*?)\);", text, re.S):
            said.update(re.findall(r'"((?:[^"\\]|\\.)*)"', call))
        if path.name == "command.c":
            said.update(re.findall(r'err_set\([^"]*"([^"]*)"\)', text))
    login_c = (TOP / "tenants/login.c").read_text()
    body = login_c[login_c.index("\nlogin_failure_text("):]
    said.update(re.findall(r'return "([^"]*)"', body[:body.index("\n}")]))
    codes = {text for text in said if re.fullmatch(r"[A-Z0-9/-]+", text)}
    assert said - codes == known
    assert len(known) > 50


# ---- UTF-8 ----------------------------------------------------------------------

FRUIT = ("From: =?UTF-8?Q?A?= <a@x.example>\r\nTo: 雪 <yuki@midori.example>,\r\n"
         " 花 <花@国.example>\r\nSubject: 飛脚 is here\r\n"
         "Content-Type: text/plain; charset=utf-8; name=\"表.txt\"\r\n"
         "Content-Transfer-Encoding: 8bit\r\n\r\n本文\r\n.点\r\n").encode()
SJIS = b"Subject: \x94\xf2\x8br\r\n\r\nx\r\n"


@pytest.fixture
def international(platform):
    platform.empty(YUKI)
    with platform.imap(YUKI) as imap:
        for octets in (FRUIT, SJIS):
            assert imap.append("INBOX", None, None, octets)[0] == "OK"
    return platform


def retrieve(w, command):
    answer = w.pop3(command)
    assert answer.startswith(b"+OK "), answer
    octets = b"".join(line + b"\r\n" for line in multiline(w))
    if command.startswith(b"RETR"):
        assert len(octets) == int(answer.split()[1])
    return octets


def test_utf8(international):
    """RFC 6856 2.1: as it is in UTF-8 mode, before that with a header that
    every client can read, its body unchanged."""
    with Wire(international, "pop3s") as w:
        assert login(w).startswith(b"+OK")
        assert w.pop3(b"UTF8").startswith(b"-ERR")
        got = retrieve(w, b"RETR 1")
        head, body = got.split(b"\r\n\r\n", 1)
        assert head.isascii() and body == FRUIT.split(b"\r\n\r\n", 1)[1]
        mail = email.message_from_bytes(got, policy=email.policy.default)
        assert mail["Subject"] == "飛脚 is here"
        assert mail["To"].addresses[0].display_name == "雪"
        assert mail["To"].addresses[0].addr_spec == YUKI
        assert mail["To"].addresses[1].display_name == "花 <花@国.example>"
        assert mail.get_content() == "本文\r\n.点\r\n"
        assert mail["Content-Type"].params["name"] == "表.txt"
        assert retrieve(w, b"TOP 1 1") == head + b"\r\n\r\n" + (
            "本文\r\n".encode())
        assert retrieve(w, b"TOP 1 0") == head + b"\r\n\r\n"
        # Nobody knows what this was to mean: as it is.
        assert retrieve(w, b"RETR 2") == SJIS
    with Wire(international, "pop3s") as w:
        w.line()
        assert b"UTF8" in capabilities(w)
        assert w.pop3(b"UTF8 now").startswith(b"-ERR")
        assert w.pop3(b"UTF8").startswith(b"+OK")
        assert w.pop3(b"USER " + YUKI.encode()).startswith(b"+OK")
        assert w.pop3(b"PASS " + PASSWORD.encode()).startswith(b"+OK")
        assert retrieve(w, b"RETR 1") == FRUIT
        assert retrieve(w, b"TOP 1 0") == FRUIT[:FRUIT.index(b"\r\n\r\n") + 4]
    with Wire(international, "pop3") as w:
        w.line()
        assert w.pop3(b"UTF8").startswith(b"+OK")
        assert w.pop3(b"STLS").startswith(b"-ERR")
