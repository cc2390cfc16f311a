# SPDX-License-Identifier: BSD-2-Clause
"""Our store and Debian's Dovecot on one Maildir, in turns and together."""

import hashlib
import imaplib
import os
import pathlib
import poplib
import random
import re
import shutil
import smtplib
import subprocess
import tempfile
import threading

import pytest
from conftest import BUILD
from peers import Dovecot, PeerMissing

TOOL = BUILD / "tests" / "tools" / "store_tool"
ACCOUNT = "user-1"
PEER_UID = 61003

pytestmark = pytest.mark.plain_only


class Shared:
    """One account: Dovecot's user hanako and our account user-1."""

    def __init__(self, dovecot, store):
        self.dovecot, self.store = dovecot, store

    def ours(self, *command, mailbox="INBOX", text=b""):
        got = subprocess.run(
            [TOOL, self.store, "aozora", ACCOUNT, mailbox,
             *map(str, command)],
            input=text, capture_output=True, check=False, timeout=150,
            user=PEER_UID, group=PEER_UID, extra_groups=[])
        assert got.returncode == 0, (command, got.stderr)
        return got.stdout.decode().splitlines()

    def list(self, mailbox="INBOX"):
        head, *lines = self.ours("list", mailbox=mailbox)
        uidvalidity, uidnext = map(int, head.split())
        return uidvalidity, uidnext, {
            int(line.split()[0]): line.split()[1:] for line in lines}

    def imap(self):
        imap = imaplib.IMAP4("127.0.0.1", self.dovecot.ports["imap"],
                             timeout=150)
        imap.login("hanako", self.dovecot.password)
        return imap

    def lmtp(self, text):
        with smtplib.LMTP("127.0.0.1", self.dovecot.ports["lmtp"]) as lmtp:
            lmtp.sendmail("a@peer.example", ["hanako@peer.example"], text)

    def theirs(self, mailbox="INBOX"):
        """uidvalidity, {uid: X-N}, as Dovecot sees it."""
        imap = self.imap()
        imap.select(mailbox)
        uidvalidity = int(imap.response("UIDVALIDITY")[1][0])
        data = imap.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (X-N)])")
        found = {}
        for part in data[1]:
            if isinstance(part, tuple):
                uid = int(re.search(rb"UID (\d+)", part[0])[1])
                found[uid] = part[1].split(b":")[1].strip().decode()
        imap.logout()
        return uidvalidity, found


class Counting(Dovecot):
    """With its quota plugin, which has the limits from maildirsize."""

    extra = """
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = maildir:User quota
}
"""


def make_shared(kind):
    if os.geteuid() != 0:
        pytest.skip("peers need root")
    # Not below the checkout, which other users may not reach.
    base = pathlib.Path(tempfile.mkdtemp(prefix="hk-shared-"))
    base.chmod(0o755)
    hh = hashlib.sha256(ACCOUNT.encode()).hexdigest()[:2]
    home = base / "aozora" / hh / ACCOUNT
    home.mkdir(parents=True)
    (base / "aozora" / ".hikyaku-store").touch()
    subprocess.run(["chown", "-R", "%d:%d" % (PEER_UID, PEER_UID),
                    base / "aozora"], check=True)
    try:
        peer = kind(binds={home: "/srv/mail/hanako"})
    except PeerMissing as e:
        shutil.rmtree(base)
        assert os.environ.get("CI") != "true", str(e)
        pytest.skip(str(e))
    with peer:
        yield Shared(peer, base)
    shutil.rmtree(base)


@pytest.fixture
def shared():
    yield from make_shared(Dovecot)


@pytest.fixture
def counted():
    yield from make_shared(Counting)


def message(number):
    return b"X-N: %d\r\nSubject: x\r\n\r\nbody %d\r\n" % (number, number)


def test_turns(shared):
    """Each continues where the other stopped; nothing is renumbered."""
    for number in (1, 2, 3):
        shared.lmtp(message(number))
    uidvalidity, _, ours = shared.list()
    assert sorted(ours) == [1, 2, 3]
    assert shared.theirs() == (uidvalidity, {1: "1", 2: "2", 3: "3"})
    shared.ours("deliver", text=message(4))
    shared.ours("append", "S", text=message(5))
    shared.ours("flag", 1, "FS")
    shared.ours("keyword", 2, "$Junk")
    imap = shared.imap()
    imap.select("INBOX")
    flags = imap.uid("FETCH", "1:5", "(FLAGS)")[1]
    assert len(flags) == 5
    assert b"\\Flagged" in flags[0] and b"\\Seen" in flags[0]
    assert b"$Junk" in flags[1]
    assert b"\\Seen" in flags[4]
    imap.uid("STORE", "3", "+FLAGS", "(\\Answered work)")
    imap.uid("STORE", "1", "+FLAGS", "(\\Deleted)")
    imap.expunge()
    imap.create("Sent")
    imap.uid("COPY", "2:3", "Sent")
    imap.logout()
    again, uidnext, ours = shared.list()
    assert (again, uidnext, sorted(ours)) == (uidvalidity, 6, [2, 3, 4, 5])
    assert ours[3][0] == "/R/work,"
    assert ours[2][0] == "//$Junk,"
    sent = shared.list("Sent")
    assert sorted(sent[2]) == [1, 2]
    assert shared.ours("copy", 4, "Sent") == ["3"]
    assert shared.theirs("Sent") == (
        sent[0], {1: "2", 2: "3", 3: "4"})


def test_deleted_mail_comes_back(shared):
    """Kept mail is no mailbox of Dovecot's, and what is brought back is a new
    message to it, with the flags and the date of the old one."""
    for number in (1, 2, 3):
        shared.lmtp(message(number))
    assert sorted(shared.list()[2]) == [1, 2, 3]
    assert len(shared.theirs()[1]) == 3
    shared.ours("flag", 2, "FS")
    imap = shared.imap()
    imap.select("INBOX")
    date = re.search(rb'INTERNALDATE "([^"]+)"', imap.uid(
        "FETCH", "2", "INTERNALDATE")[1][0])[1]
    shared.ours("expunge", 2, 7)
    imap.noop()
    assert sorted(shared.theirs()[1]) == [1, 3]
    assert [line.split(b'"')[-1] for line in imap.list()[1]] == [b" INBOX"]
    assert shared.ours("undelete") == ["1"]
    assert shared.theirs()[1] == {1: "1", 3: "3", 4: "2"}
    imap.noop()
    got = imap.uid("FETCH", "4", "(FLAGS INTERNALDATE)")[1][0]
    assert b"\\Flagged" in got and b"\\Seen" in got and date in got
    imap.uid("STORE", "4", "+FLAGS", "(\\Deleted)")
    imap.expunge()
    imap.logout()
    assert sorted(shared.list()[2]) == [1, 3]
    assert "reappeared" not in shared.dovecot.log()


def test_unique_ids_and_sizes_agree(shared):
    for number in range(1, 6):
        if number % 2:
            shared.lmtp(message(number))
        else:
            shared.ours("deliver", text=message(number))
    pop = poplib.POP3("127.0.0.1", shared.dovecot.ports["pop3"], timeout=20)
    pop.user("hanako")
    pop.pass_(shared.dovecot.password)
    uidl = [line.split()[1].decode() for line in pop.uidl()[1]]
    sizes = [int(line.split()[1]) for line in pop.list()[1]]
    pop.quit()
    lines = shared.ours("list")[1:]
    assert [line.split()[3] for line in lines] == uidl
    assert [int(line.split()[2]) for line in lines] == sizes


def test_together(shared):
    """Both deliver, append and flag at once: no message is lost, doubled or
    renumbered for anybody who looked."""
    chance = random.Random(7)
    numbers = iter(range(1, 100000))
    lock, seen, problems = threading.Lock(), {}, []

    def note(found):
        with lock:
            for uid, number in found.items():
                if seen.setdefault(uid, number) != number:
                    problems.append((uid, seen[uid], number))

    def deliver(send):
        for _ in range(40):
            with lock:
                number = next(numbers)
            send(message(number))

    def look():
        for _ in range(12):
            note(shared.theirs()[1])
            found = shared.list()[2]
            uid = chance.choice(sorted(found)) if found else None
            if uid is not None:
                shared.ours("flag", uid, "F")

    def work(target, *args):
        try:
            target(*args)
        except BaseException as e:  # noqa: BLE001  shown by the assert below
            problems.append(e)

    shared.lmtp(message(next(numbers)))
    note(shared.theirs()[1])
    threads = [threading.Thread(target=work, args=a) for a in (
        (deliver, shared.lmtp),
        (deliver, lambda text: shared.ours("deliver", text=text)),
        (deliver, lambda text: shared.ours("append", "S", text=text)),
        (look,), (look,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    note(shared.theirs()[1])
    assert not problems, problems[:5]
    uidvalidity, found = shared.theirs()
    ours = shared.list()
    assert ours[0] == uidvalidity
    assert sorted(ours[2]) == sorted(found)
    assert sorted(map(int, found.values())) == list(range(1, 122))


def quota(dovecot):
    """{resource: (value, limit)} by doveadm; values as in maildirsize."""
    got = dovecot.root.run(["doveadm", "-f", "tab", "quota", "get", "-u",
                            "hanako"], capture_output=True, text=True,
                           check=True)
    rows = [line.split("\t") for line in got.stdout.splitlines()[1:]]
    return {row[1]: (row[2], row[3]) for row in rows}


def size_file(shared):
    return next(shared.store.rglob("maildirsize"))


def files_of(shared):
    """(octets, messages) as they are."""
    found = [p.stat().st_size for p in shared.store.rglob("*")
             if p.parent.name in ("new", "cur") and p.is_file()]
    return sum(found), len(found)


def test_quota_is_counted_alike(counted):
    """Dovecot's quota plugin reads our maildirsize, takes the limits from it,
    and what either adds or removes counts for both."""
    assert counted.ours("usage", 100 * 1024, 20) == ["0 0"]
    assert size_file(counted).read_text() == "102400S,20C\n0 0\n"
    for number in (1, 2, 3):
        counted.ours("deliver", text=message(number))
        counted.lmtp(message(number + 10))
    octets, messages = files_of(counted)
    assert messages == 6
    assert counted.ours("usage") == ["%d %d" % (octets, messages)]
    # What both have written, nobody having counted in between.
    assert len(size_file(counted).read_text().splitlines()) == 8
    assert quota(counted.dovecot) == {
        "STORAGE": (str(-(-octets // 1024)), "100"), "MESSAGE": ("6", "20")}
    imap = counted.imap()
    imap.create("Sent")
    imap.select("INBOX")
    imap.uid("COPY", "1:4", "Sent")
    imap.uid("STORE", "1:2", "+FLAGS", "(\\Deleted)")
    imap.expunge()
    counted.ours("expunge", 3)
    counted.ours("delete", mailbox="Sent")
    octets, messages = files_of(counted)
    assert messages == 3
    assert counted.ours("usage") == ["%d 3" % octets]
    # Each holds the other to the limits: a change of them acts for both.
    counted.ours("usage", 0, 4)
    assert imap.append("INBOX", None, None, message(20))[0] == "OK"
    got, text = imap.append("INBOX", None, None, message(21))
    assert got == "NO" and b"OVERQUOTA" in text[0], text
    imap.logout()
    assert quota(counted.dovecot)["MESSAGE"] == ("4", "4")


def test_quota_file_of_dovecot_is_kept(counted):
    """Dovecot counts a broken or long file anew; we go on from its sums."""
    counted.ours("usage", 50 * 1024, 0)
    counted.ours("deliver", text=message(1))
    size_file(counted).write_text("51200S\nbroken\n")
    os.chown(size_file(counted), PEER_UID, PEER_UID)
    assert quota(counted.dovecot)["MESSAGE"][0] == "1"
    octets, _ = files_of(counted)
    assert size_file(counted).read_text() == "51200S\n%d 1\n" % octets
    counted.ours("deliver", text=message(2))
    assert counted.ours("usage") == ["%d 2" % files_of(counted)[0]]
