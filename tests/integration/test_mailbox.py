# SPDX-License-Identifier: BSD-2-Clause
"""hikyaku mailbox: what is there, its repair, backups and their return."""

import imaplib
import mailbox
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import time

import pytest
from peers import Dovecot, PeerMissing

HANAKO, TARO, JIRO = ("%s@aozora.example" % name
                      for name in ("hanako", "taro", "jiro"))
WORK = "Work/&TtVOi3ux-"


def maildir(platform, login):
    ident = re.search(r"^account +(\S+)$", platform.hikyaku(
        "mailbox", "status", login).stdout, re.M)[1]
    found, = (platform.root / "store").glob("*/*/%s/Maildir" % ident)
    return found


def state(platform, login, box="INBOX"):
    """uidvalidity, {uid: (flags, date, subject)}."""
    with platform.imap(login) as imap:
        assert imap.select('"%s"' % box, readonly=True)[0] == "OK"
        validity = int(imap.response("UIDVALIDITY")[1][0])
        found = {}
        for part in imap.uid(
                "FETCH", "1:*", "(FLAGS INTERNALDATE "
                "BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
            if isinstance(part, tuple):
                head = part[0].decode()
                flags = set(re.search(r"FLAGS \(([^)]*)\)", head)[1].split())
                found[int(re.search(r"UID (\d+)", head)[1])] = (
                    flags - {"\\Recent"},
                    re.search(r'INTERNALDATE "([^"]+)"', head)[1],
                    part[1].split(b":", 1)[1].strip().decode())
        return validity, found


def unique_ids(platform, login):
    pop = platform.pop(login)
    found = [line.split()[1].decode() for line in pop.uidl()[1]]
    pop.rset()
    pop.quit()
    return found


def fill(platform, login, count=12):
    with platform.imap(login) as imap:
        imap.create('"%s"' % WORK)
        imap.subscribe('"%s"' % WORK)
        for number in range(count):
            flags = [None, r"(\Seen)", r"(\Flagged $Work)", "(urgent)"]
            box = '"%s"' % WORK if number % 3 == 2 else "INBOX"
            imap.append(box, flags[number % 4],
                        '"%02d-Nov-2025 10:00:00 +0000"' % (number % 28 + 1),
                        b"Subject: %d\r\n\r\nbody %d\r\n" % (number, number))
        # A gap in the UIDs.
        imap.select("INBOX")
        imap.uid("STORE", "2", "+FLAGS.SILENT", r"(\Deleted)")
        imap.expunge()


@pytest.fixture(scope="module")
def filled(platform):
    platform.send(b"Subject: first\r\n\r\nx\r\n", to=HANAKO)
    platform.wait_placed()
    fill(platform, HANAKO)
    return platform


def flags_of(lines):
    """{uid: flags} of a FETCH."""
    found = {}
    for line in lines:
        flags = set(re.search(rb"FLAGS \(([^)]*)\)", line)[1].split())
        found[int(re.search(rb"UID (\d+)", line)[1])] = flags - {b"\\Recent"}
    return found


def numbers(text):
    return {name: int(number) for number, name in re.findall(
        r"(\d+) (copied|renamed|removed|messages|mailboxes|under a new UID)",
        text)}


def test_status_and_list(filled):
    told = filled.hikyaku("mailbox", "status", HANAKO).stdout
    assert re.search(r"^mailboxes +[2-9]", told, re.M), told
    assert re.search(r"^messages +12$|^messages +12 of", told, re.M), told
    told = filled.hikyaku("mailbox", "list", HANAKO).stdout
    validity, found = state(filled, HANAKO)
    assert re.search(r"^ +%d .* %d  INBOX$" % (len(found), validity), told,
                     re.M), told
    assert "Work/仕事箱" in told, told
    told = filled.hikyaku("mailbox", "list", HANAKO, "INBOX").stdout
    lines = told.splitlines()[1:]
    assert [int(line.split()[0]) for line in lines] == sorted(found)
    assert [line.split()[3] for line in lines] == unique_ids(filled, HANAKO)
    assert any("$Work" in line and "\\Flagged" in line for line in lines)
    assert filled.hikyaku("mailbox", "list", HANAKO, "None",
                          check=False).returncode == 1
    assert filled.hikyaku("mailbox", "status", "nobody@aozora.example",
                          check=False).returncode == 4


def test_backup_is_incremental_and_comes_back(filled, tmp_path):
    target = str(tmp_path / "hanako")
    # Not into somebody's directory.
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("x")
    got = filled.hikyaku("mailbox", "backup", HANAKO, str(tmp_path / "mine"),
                         check=False)
    assert got.returncode == 1 and "neither empty nor a backup" in got.stderr
    assert (tmp_path / "mine/file").exists()

    first = numbers(filled.hikyaku("mailbox", "backup", HANAKO, target).stdout)
    assert first["copied"] == first["messages"] == 12, first
    second = numbers(
        filled.hikyaku("mailbox", "backup", HANAKO, target).stdout)
    assert second["copied"] == second["renamed"] == second["removed"] == 0
    for path in pathlib.Path(target).rglob("*"):
        assert path.stat().st_uid == os.geteuid()
        assert path.stat().st_mode & 0o077 == 0, path
    with filled.imap(HANAKO) as imap:
        imap.select("INBOX")
        imap.uid("STORE", "1", "+FLAGS.SILENT", r"(\Answered)")
        imap.uid("STORE", "3", "+FLAGS.SILENT", r"(\Deleted)")
        imap.expunge()
        imap.append("INBOX", None, None, b"Subject: new\r\n\r\nx\r\n")
    third = numbers(filled.hikyaku("mailbox", "backup", HANAKO, target).stdout)
    assert (third["copied"], third["renamed"], third["removed"]) == (
        1, 1, 1), third

    # Into an empty account: all as it was.
    back = numbers(filled.hikyaku("mailbox", "restore", TARO, target).stdout)
    assert back["copied"] == 12 and back["under a new UID"] == 0, back
    for box in ("INBOX", WORK):
        assert state(filled, TARO, box) == state(filled, HANAKO, box)
    assert unique_ids(filled, TARO) == unique_ids(filled, HANAKO)
    where = maildir(filled, TARO)
    for path in where.rglob("*"):
        assert path.lstat().st_uid == where.stat().st_uid, path
        assert path.lstat().st_mode & 0o077 == 0, path
    with filled.imap(TARO) as imap:
        assert WORK in repr(imap.lsub())
        # UIDs may have been given out after the backup.
        imap.append("INBOX", None, None, b"Subject: later\r\n\r\nx\r\n")
    assert max(state(filled, TARO)[1]) > 10000

    # Again: nothing is there twice.
    again = numbers(filled.hikyaku("mailbox", "restore", TARO, target).stdout)
    assert again["copied"] == 0, again

    # What was deleted comes back under a new UID, and POP3 clients know it.
    ids = unique_ids(filled, TARO)
    with filled.imap(TARO) as imap:
        imap.select("INBOX")
        imap.uid("STORE", "1", "+FLAGS.SILENT", r"(\Deleted)")
        imap.expunge()
    assert set(unique_ids(filled, TARO)) == set(ids[1:])
    back = numbers(filled.hikyaku("mailbox", "restore", "-m", "INBOX", TARO,
                                  target).stdout)
    assert back["copied"] == back["under a new UID"] == 1, back
    assert set(unique_ids(filled, TARO)) == set(ids)
    assert 1 not in state(filled, TARO)[1]
    again = numbers(filled.hikyaku("mailbox", "restore", TARO, target).stdout)
    assert again["copied"] == 0, again
    told = filled.hikyaku("mailbox", "fsck", TARO).stdout
    assert "all is well" in told, told


def test_killed(filled, tmp_path):
    """kill -9 in the middle of both: the next run completes them."""
    with filled.imap(HANAKO) as imap:
        imap.create("Many")
    where = maildir(filled, HANAKO) / ".Many"
    for number in range(150):
        text = b"Subject: %d\n\n%s\n" % (number, b"x" * 20000)
        path = where / "cur" / ("1000000000.M%dP1.x,S=%d,W=%d:2,S" % (
            number, len(text), len(text) + 3))
        path.write_bytes(text)
        os.chown(path, where.stat().st_uid, where.stat().st_gid)
    target = str(tmp_path / "hanako")

    def kill_some(*command):
        for pause in (0.02, 0.05, 0.08):
            run = subprocess.Popen([*filled.command, "mailbox", *command],
                                   start_new_session=True,
                                   stdout=subprocess.DEVNULL)
            time.sleep(pause)
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
            run.wait()

    kill_some("backup", HANAKO, target)
    told = numbers(filled.hikyaku("mailbox", "backup", HANAKO, target).stdout)
    assert told["messages"] >= 150
    kill_some("restore", "-m", "Many", JIRO, target)
    filled.hikyaku("mailbox", "restore", JIRO, target)
    theirs = state(filled, JIRO, "Many")[1]
    assert sorted(s for _, _, s in theirs.values()) == sorted(
        s for _, _, s in state(filled, HANAKO, "Many")[1].values())


def test_tenant(filled, tmp_path):
    target = str(tmp_path / "aozora")
    told = filled.hikyaku("mailbox", "backup", "-t", "aozora", target).stdout
    assert re.match(r"3 accounts", told), told
    names = sorted(p.name for p in pathlib.Path(target).iterdir())
    assert maildir(filled, HANAKO).parent.name in names
    before = state(filled, HANAKO)
    with filled.imap(HANAKO) as imap:
        imap.select("INBOX")
        imap.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
        imap.expunge()
    told = filled.hikyaku("mailbox", "restore", "-t", "aozora", target).stdout
    assert re.match(r"3 accounts", told), told
    after = state(filled, HANAKO)
    assert sorted(map(repr, after[1].values())) == sorted(
        map(repr, before[1].values()))
    # Somebody else's account in a brand's backup is refused.
    got = filled.hikyaku("mailbox", "restore", "-t", "midori", target,
                         check=False)
    assert got.returncode == 6 and "another tenant" in got.stderr, got


def test_a_bar_on_a_terminal(filled, tmp_path):
    ours, theirs = pty.openpty()
    run = subprocess.run([*filled.command, "mailbox", "backup", HANAKO,
                          str(tmp_path / "x")], stderr=theirs, check=True,
                         capture_output=False, stdout=subprocess.PIPE)
    os.close(theirs)
    text = os.read(ours, 65536).decode()
    os.close(ours)
    assert "[" in text and "%" in text and HANAKO in text, text
    assert b"\r" not in run.stdout


def test_mbox(filled, tmp_path):
    """Out and in again: flags, keywords, dates and unique-ids are kept, and
    lines that look like the end of a message are text."""
    with filled.imap(HANAKO) as imap:
        imap.create("Out")
        for number, flags in enumerate((None, r"(\Seen \Flagged $Work)",
                                        r"(\Answered \Draft)")):
            imap.append("Out", flags, '"%02d-Nov-2025 10:00:00 +0000"' % (
                number + 1), b"Subject: %d\r\n\r\nFrom here\r\n>From there"
                b"\r\n\r\n" % number)
        imap.select("Out")
        texts = [part[1] for part in imap.uid("FETCH", "1:*", "BODY.PEEK[]")[1]
                 if isinstance(part, tuple)]
    box = str(tmp_path / "out.mbox")
    filled.hikyaku("mailbox", "export", HANAKO, "Out", box)
    assert [m["X-UID"] for m in mailbox.mbox(box)] == ["1", "2", "3"]
    ids = [m["X-UIDL"] for m in mailbox.mbox(box)]
    # Not over a file that is there.
    assert filled.hikyaku("mailbox", "export", HANAKO, "Out", box,
                          check=False).returncode == 1
    filled.hikyaku("mailbox", "import", JIRO, "In", box)
    before, after = state(filled, HANAKO, "Out"), state(filled, JIRO, "In")
    assert after[1] == before[1]
    with filled.imap(JIRO) as imap:
        imap.select("In")
        assert texts == [part[1] for part in imap.uid(
            "FETCH", "1:*", "BODY.PEEK[]")[1] if isinstance(part, tuple)]
    told = filled.hikyaku("mailbox", "list", JIRO, "In").stdout
    assert [line.split()[3] for line in told.splitlines()[1:]] == ids
    (tmp_path / "none").write_text("Subject: no mbox\n\nx\n")
    got = filled.hikyaku("mailbox", "import", JIRO, "In",
                         str(tmp_path / "none"), check=False)
    assert got.returncode == 1 and "no mbox" in got.stderr


def test_fsck(filled):
    where = maildir(filled, HANAKO)
    before = state(filled, HANAKO)
    with filled.imap(HANAKO) as imap:
        imap.append("INBOX", None, None, b"Subject: last\r\n\r\nx\r\n")
    before = state(filled, HANAKO)
    uidlist = where / "dovecot-uidlist"
    text = uidlist.read_bytes()
    # Torn in the middle of the last line, as a power cut leaves it.
    uidlist.write_bytes(text[:-10])
    got = filled.hikyaku("mailbox", "fsck", "-n", HANAKO, check=False)
    assert got.returncode == 1 and "torn line" in got.stdout, got
    assert "mended" not in got.stdout
    got = filled.hikyaku("mailbox", "fsck", HANAKO)
    assert re.search("torn line.*(mended)", got.stdout)
    assert "all is well" in filled.hikyaku("mailbox", "fsck", HANAKO).stdout
    # What could be known kept its UID.
    after = state(filled, HANAKO)
    assert after[0] == before[0]
    known = {uid: m for uid, m in before[1].items()
             if uid != max(before[1])}
    assert {uid: after[1][uid] for uid in known} == known
    assert len(after[1]) == len(before[1])
    # A part that is gone, a stranger, a wrong size.
    (where / ".Many/tmp").rmdir()
    (where / "cur/dir").mkdir()
    name = next(p for p in (where / ".Many").glob("[nc]*/*,S=*"))
    name.write_bytes(name.read_bytes() + b"more")
    told = filled.hikyaku("mailbox", "fsck", HANAKO).stdout
    assert "Many: 1 of new, cur and tmp are missing" in told, told
    assert "INBOX: 1 entries that are no messages" in told, told
    assert "Many: 1 files of another size" in told, told
    (where / "cur/dir").rmdir()
    name.unlink()
    assert "maildirsize: said" in filled.hikyaku(
        "mailbox", "fsck", HANAKO).stdout
    assert "all is well" in filled.hikyaku("mailbox", "fsck", HANAKO).stdout


@pytest.mark.root_only
@pytest.mark.plain_only
def test_dovecot_serves_a_backup_and_its_tree_comes_in(filled, tmp_path):
    """The backup as it stands is Dovecot's Maildir; and what Dovecot keeps is
    restored with its UIDs, flags and keywords, also into another brand."""
    target = str(tmp_path / "hanako")
    filled.hikyaku("mailbox", "backup", HANAKO, target)
    with filled.imap(HANAKO) as imap:
        imap.select("INBOX", readonly=True)
        ours = imap.uid("FETCH", "1:*", "FLAGS")[1]
    validity = state(filled, HANAKO)[0]
    try:
        dovecot = Dovecot()
    except PeerMissing as e:
        assert os.environ.get("CI") != "true", str(e)
        pytest.skip(str(e))
    home = dovecot.root.path("/srv/mail/hanako")
    home.mkdir(parents=True, exist_ok=True)
    shutil.copytree(target, home / "Maildir")
    subprocess.run(["chown", "-R", "61003:61003", home], check=True)
    with dovecot:
        imap = imaplib.IMAP4("127.0.0.1", dovecot.ports["imap"], timeout=60)
        imap.login("hanako", dovecot.password)
        imap.select("INBOX")
        assert int(imap.response("UIDVALIDITY")[1][0]) == validity
        theirs = imap.uid("FETCH", "1:*", "FLAGS")[1]
        assert flags_of(theirs) == flags_of(ours)
        assert WORK.encode() in b"".join(
            line.replace(b".", b"/") for line in imap.list()[1])
        first = min(flags_of(theirs))
        imap.uid("STORE", str(first), "+FLAGS", "(theirs)")
        imap.append("INBOX", r"(\Seen)", None, b"Subject: dovecot\r\n\r\nx\r\n")
        wanted = flags_of(imap.uid("FETCH", "1:*", "FLAGS")[1])
        imap.logout()
        told = numbers(filled.hikyaku(
            "mailbox", "restore", "ken@midori.example",
            str(home / "Maildir")).stdout)
    assert told["under a new UID"] == 0, told
    with filled.imap("ken@midori.example") as imap:
        imap.select("INBOX", readonly=True)
        assert int(imap.response("UIDVALIDITY")[1][0]) == validity
        assert flags_of(imap.uid("FETCH", "1:*", "FLAGS")[1]) == wanted
