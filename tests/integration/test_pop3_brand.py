# SPDX-License-Identifier: BSD-2-Clause
"""POP3 as a brand wants it: what its entry in the directory says."""

import os
import re
import time

import pytest
from support.platform import PASSWORD
from support.wire import Wire

YUKI, HANAKO = "yuki@midori.example", "hanako@aozora.example"
MIDORI = "ou=midori,ou=tenants,o=hikyaku"


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
    platform.kill("pop3d session")


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
    time.sleep(1)
    platform.send(b"Subject: seen\r\n\r\nx\r\n")
    pop = platform.pop(YUKI)
    pop.retr(1)
    pop.quit()
    with platform.imap(YUKI) as imap:
        imap.select("INBOX", readonly=True)
        seen = imap.search(None, "SEEN")[1][0].split()
    assert seen == ([b"1"] if said == "TRUE" else [])
    brand(platform, "hkPop3Seen")
