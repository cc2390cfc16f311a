# SPDX-License-Identifier: BSD-2-Clause
"""Mail comes in, is read, moved and deleted; a ledger keeps what each side was
told, and afterwards says what is wrong with what there is."""

import base64
import hashlib
import imaplib
import poplib
import random
import re
import smtplib
import socket
import ssl
import threading
import time

from support.platform import PASSWORD

POP_READER = "hanako@aozora.example"
IMAP_READER = "yuki@midori.example"
UNREAD = "ken@midori.example"
ACCOUNTS = (POP_READER, IMAP_READER, UNREAD)
ARCHIVE = "Archive"

TROUBLE = (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error,
           imaplib.IMAP4.abort, poplib.error_proto, ssl.SSLError)

NUMBER = re.compile(rb"^Subject: cut (\d+)\.\r$", re.M)


def octets_of(number):
    """The message with this number, the same at each call."""
    if number % 23 == 22:
        size = 280000 + number % 7 * 10000  # beyond what a journal takes
    else:
        size = number * 7919 % 9000
    noise = random.Random(number).randbytes(size * 3 // 4)
    text = base64.encodebytes(noise).replace(b"\n", b"\r\n")
    return b"Subject: cut %d.\r\n\r\n%send %d %s\r\n" % (
        number, text, number,
        hashlib.sha256(text).hexdigest().encode())


class Broken(AssertionError):
    """A promise was not kept."""


def number_of(octets, where):
    """Which message it is; Broken unless it is all of it."""
    match = NUMBER.search(octets)
    if match is None:
        raise Broken("%s: no message of ours: %d octets, %r..." % (
            where, len(octets), octets[:80]))
    number = int(match[1])
    if not octets.endswith(octets_of(number)):
        raise Broken("%s: message %d is not whole (%d octets)" % (
            where, number, len(octets)))
    return number


class Copy:
    """One message for one account, as far as anybody was told."""

    STATES = ("acknowledged", "deleting", "deleted", "moving", "moved")

    def __init__(self, trail=()):
        for state in self.STATES:  # deleting, moving: no answer yet
            super().__setattr__(state, False)
        super().__setattr__("trail", list(trail))

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        self.note(name)

    def note(self, what):
        self.trail.append("%s %s" % (time.strftime("%T"), what))

    def __str__(self):
        return "; ".join(self.trail)


class Ledger:
    def __init__(self):
        self.mutex = threading.Lock()
        self.next = 0
        self.copies = {login: {} for login in ACCOUNTS}
        self.uids = {}   # (login, folder, validity, uid): number
        self.uidls = {}  # (login, unique id): number
        self.broken = []
        self.counts = dict.fromkeys(
            ("acknowledged", "read", "moved", "deleted", "looked at"), 0)

    def new_number(self, logins):
        with self.mutex:
            number, self.next = self.next, self.next + 1
            for login in logins:
                self.copies[login][number] = Copy()
        return number

    def count(self, what, by=1):
        with self.mutex:
            self.counts[what] += by

    def complain(self, error):
        with self.mutex:
            self.broken.append(str(error))

    def acknowledged(self, login, number):
        self.copies[login][number].acknowledged = True
        self.count("acknowledged")

    def saw_uid(self, login, folder, validity, uid, number):
        key = (login, folder, validity, uid)
        with self.mutex:
            if self.uids.setdefault(key, number) != number:
                raise Broken("%s %s: UID %d was message %d and is %d" % (
                    login, folder, uid, self.uids[key], number))

    def saw_uidl(self, login, unique_id, number):
        with self.mutex:
            if self.uidls.setdefault((login, unique_id), number) != number:
                raise Broken("%s: unique id %s was message %d and is %d" % (
                    login, unique_id, self.uidls[login, unique_id], number))

    def judge(self, login, found):
        """found: {folder: [number, ...]}.  Then all that is there counts as
        it is; answers the numbers that are there twice, by right."""
        wrong = []
        places = {}
        for folder, numbers in found.items():
            for number in numbers:
                places.setdefault(number, []).append(folder)
        for number, copy in self.copies[login].items():
            here = places.get(number, [])
            most = 2 if copy.moving and not copy.moved else 1
            if copy.deleted and here:
                what = "deleted"
            elif copy.acknowledged and not here and not copy.deleting:
                what = "acknowledged, and lost"
            elif len(here) > most:
                what = "doubled"
            elif copy.moved and here and here != [ARCHIVE]:
                what = "moved"
            else:
                continue
            wrong.append("%d %s: it is in %s (%s)" % (
                number, what, here, copy))
        for number in places:
            if number not in self.copies[login]:
                wrong.append("%d was never sent here" % number)
        if wrong:
            raise Broken("%s: %s" % (login, "; ".join(wrong[:20])))
        self.copies[login] = {
            number: self._settled(self.copies[login][number], here)
            for number, here in places.items()}
        # A move that was cut left both.
        return [n for n, here in places.items() if len(here) > 1]

    @staticmethod
    def _settled(before, here):
        copy = Copy(before.trail)
        copy.note("found in %s" % here)
        copy.acknowledged = True
        return copy


class Actor(threading.Thread):
    """Does its work until the power goes or it is told to stop."""

    def __init__(self, platform, ledger, seed):
        super().__init__(daemon=True)
        self.platform, self.ledger = platform, ledger
        self.dice = random.Random(seed)
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            try:
                self.work()
            except TROUBLE:
                if self.platform.off.is_set():
                    return
                time.sleep(0.02)
            except Broken as e:
                self.ledger.complain(e)
                return


class LmtpSender(Actor):
    """Talks LMTP over one connection; often to two recipients."""

    def work(self):
        with socket.create_connection(
                ("127.0.0.1", self.platform.ports["lmtp"]), 20) as s:
            self.file = s.makefile("rwb")
            self.reply()
            self.say(b"LHLO crash.example")
            while not self.stopping.is_set():
                self.send()

    def reply(self):
        while True:
            line = self.file.readline()
            if not line.endswith(b"\n"):
                raise EOFError
            if line[3:4] != b"-":
                return line

    def say(self, line):
        self.file.write(line + b"\r\n")
        self.file.flush()
        return self.reply()

    def send(self):
        logins = self.dice.sample(ACCOUNTS, self.dice.choice((1, 1, 2)))
        number = self.ledger.new_number(logins)
        self.file.write(b"MAIL FROM:<a@peer.example>\r\n" + b"".join(
            b"RCPT TO:<%s>\r\n" % login.encode() for login in logins)
            + b"DATA\r\n")
        self.file.flush()
        taken = [self.reply() for _ in range(len(logins) + 2)]
        if not taken[-1].startswith(b"354"):
            self.say(b"RSET")
            return
        logins = [login for login, line in zip(logins, taken[1:])
                  if line.startswith(b"250")]
        self.file.write(octets_of(number) + b".\r\n")
        self.file.flush()
        for login in logins:
            if self.reply().startswith(b"250"):
                self.ledger.acknowledged(login, number)


class SmtpSender(Actor):
    """Sends through smtpd, one recipient at a time."""

    def work(self):
        smtp = self.platform.smtp(timeout=20)
        try:
            while not self.stopping.is_set():
                login = self.dice.choice(ACCOUNTS)
                number = self.ledger.new_number([login])
                self.platform.send_with(smtp, octets_of(number), [login])
                self.ledger.acknowledged(login, number)
        finally:
            smtp.close()


class PopReader(Actor):
    """Reads all, and deletes half of it."""

    def work(self):
        pop = self.platform.pop(POP_READER, timeout=20)
        deleting = []
        try:
            for line in pop.uidl()[1]:
                index, unique_id = line.split()
                octets = b"".join(
                    part + b"\r\n" for part in pop.retr(int(index))[1])
                number = number_of(octets, "POP3 " + POP_READER)
                self.ledger.saw_uidl(POP_READER, unique_id.decode(), number)
                self.ledger.count("read")
                if self.dice.random() < 0.5:
                    pop.dele(int(index))
                    deleting.append(
                        self.ledger.copies[POP_READER].get(number))
            for copy in filter(None, deleting):
                copy.deleting = True
            pop.quit()
            for copy in filter(None, deleting):
                copy.deleted = True
                self.ledger.count("deleted")
        finally:
            pop.close()
        time.sleep(self.dice.random() * 0.02)


def fetch_all(imap, ledger, login, folder):
    """{uid: number} of the selected folder, each message checked."""
    validity = imap.response("UIDVALIDITY")[1][0]
    found = {}
    for item in imap.uid("FETCH", "1:*", "(UID BODY.PEEK[])")[1]:
        if not isinstance(item, tuple):
            continue
        uid = int(re.search(rb"UID (\d+)", item[0])[1])
        number = number_of(item[1], "IMAP %s %s" % (login, folder))
        ledger.saw_uid(login, folder, validity, uid, number)
        found[uid] = number
    return found


class ImapReader(Actor):
    """Flags, moves to another folder, deletes."""

    def work(self):
        with self.platform.imap(IMAP_READER, timeout=20) as imap:
            imap.create(ARCHIVE)
            while not self.stopping.is_set():
                self.visit(imap)
                time.sleep(self.dice.random() * 0.02)

    def visit(self, imap):
        folder = self.dice.choice(("INBOX", "INBOX", ARCHIVE))
        if imap.select(folder)[0] != "OK":
            return
        found = fetch_all(imap, self.ledger, IMAP_READER, folder)
        self.ledger.count("read", len(found))
        if not found:
            return
        some = self.dice.sample(
            sorted(found), self.dice.randrange(1, min(len(found), 4) + 1))
        copies = [c for c in map(
            self.ledger.copies[IMAP_READER].get,
            (found[uid] for uid in some)) if c is not None]
        uids = ",".join(map(str, some))
        if folder == ARCHIVE:
            self.delete(imap, uids, copies)
        elif self.dice.random() < 0.6:
            self.move(imap, uids, copies)
        else:
            imap.uid("STORE", uids, "FLAGS.SILENT", r"(\Seen \Flagged)")

    def move(self, imap, uids, copies):
        for copy in copies:
            copy.moving = True
        if imap.uid("MOVE", uids, ARCHIVE)[0] == "OK":
            for copy in copies:
                copy.moved = True
            self.ledger.count("moved", len(copies))

    def delete(self, imap, uids, copies):
        for copy in copies:
            copy.deleting = True
        if imap.uid("STORE", uids, "+FLAGS.SILENT", r"(\Deleted)")[0] != "OK":
            return
        if imap.uid("EXPUNGE", uids)[0] == "OK":
            for copy in copies:
                copy.deleted = True
            self.ledger.count("deleted", len(copies))


class Looker(Actor):
    """Another program on the same tree: reads what stands in new/ and cur/."""

    def work(self):
        seen = set()
        while not self.stopping.is_set():
            for directory in self.platform.root.glob(
                    "store/*/*/*/Maildir/**/new"):
                for part in (directory, directory.with_name("cur")):
                    self.look(part, seen)
            time.sleep(0.01)

    def look(self, directory, seen):
        for path in directory.iterdir():
            if path.name in seen:
                continue
            try:
                octets = path.read_bytes()
            except FileNotFoundError:
                continue  # renamed
            except OSError:
                return  # the power is gone
            number_of(octets, str(path))
            seen.add(path.name)
            self.ledger.count("looked at")


def actors(platform, ledger, dice):
    # With few senders each 250 comes when the mail is in its mailbox, with
    # many when it is in the journal.
    senders = dice.choice((2, 14))
    kinds = [LmtpSender] * senders + [SmtpSender, PopReader, ImapReader,
                                      Looker]
    return [kind(platform, ledger, dice.randrange(1 << 30)) for kind in kinds]


def check_all(platform, ledger):
    """Reads every mailbox and has the ledger judge it."""
    platform.wait_placed()
    for login in ACCOUNTS:
        found = {}
        with platform.imap(login, timeout=30) as imap:
            for folder in ("INBOX", ARCHIVE):
                if imap.select(folder)[0] != "OK":
                    continue
                found[folder] = fetch_all(imap, ledger, login, folder)
        pop = platform.pop(login, timeout=30)
        for line in pop.uidl()[1]:
            index, unique_id = line.split()
            octets = b"".join(
                part + b"\r\n" for part in pop.top(int(index), 0)[1])
            match = NUMBER.search(octets)
            if match is None:
                raise Broken("%s: no subject" % login)
            ledger.saw_uidl(login, unique_id.decode(), int(match[1]))
        pop.quit()
        twice = ledger.judge(
            login, {f: list(uids.values()) for f, uids in found.items()})
        delete(platform, login, "INBOX", [
            uid for uid, n in found["INBOX"].items() if n in twice])


def delete(platform, login, folder, uids):
    if not uids:
        return
    with platform.imap(login, timeout=30) as imap:
        imap.select(folder)
        imap.uid("STORE", ",".join(map(str, uids)), "+FLAGS.SILENT",
                 r"(\Deleted)")
        imap.expunge()


def thin_out(platform, ledger, most=40):
    """Deletes what has come together, so that looking at it stays quick."""
    for login in ACCOUNTS:
        if len(ledger.copies[login]) > most:
            for folder in ("INBOX", ARCHIVE):
                with platform.imap(login, timeout=30) as imap:
                    status, count = imap.select(folder)
                    if status == "OK" and count != [b"0"]:
                        imap.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
                        imap.expunge()
            ledger.copies[login].clear()


assert PASSWORD  # what platform.pop and platform.imap log in with
