# SPDX-License-Identifier: BSD-2-Clause
"""Clients of either side, who do what comes to their mind."""

import contextlib
import imaplib
import poplib
import random
import re
import smtplib
import ssl
import threading
import time

from .ledger import Broken, number_of, octets_of

FOLDERS = ("INBOX", "Archive", "Box")
# A folder with more is thinned out, so that looking at it stays quick.
MANY = 150

TROUBLE = (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error,
           imaplib.IMAP4.abort, poplib.error_proto, ssl.SSLError)


def uid_set(text):
    """"3:5,9" as numbers."""
    for part in text.decode().split(","):
        first, _, last = part.partition(":")
        yield from range(int(first), int(last or first) + 1)


def select(imap, folder, ledger, where):
    status, data = imap.select(folder)
    if status != "OK":
        raise imaplib.IMAP4.error("SELECT %s: %s" % (folder, data))
    ledger.saw_validity(
        folder, int(imap.response("UIDVALIDITY")[1][0]), where)


def look(imap, folder, ledger, where):
    """{uid: (number, flags)} of the selected folder.  Who is removed
    meanwhile may be there without its header."""
    found = {}
    data = imap.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[HEADER.FIELDS ("
                    "X-TOKEN)])")[1]
    for item in data:
        if not isinstance(item, tuple):
            continue
        uid = int(re.search(rb"UID (\d+)", item[0])[1])
        number = number_of(item[1], where)
        flags = re.search(rb"FLAGS \(([^)]*)\)", item[0])
        if number is None:
            continue
        ledger.saw(folder, uid, number, where)
        found[uid] = (number, frozenset(
            f.lower() for f in flags[1].split() if f != b"\\Recent"))
    return found


class Client(threading.Thread):
    def __init__(self, side, ledger, seed):
        super().__init__(daemon=True)
        self.side, self.ledger = side, ledger
        self.dice = random.Random(seed)
        self.stopping = threading.Event()
        self.where = "%s %s" % (side.name, type(self).__name__)

    def run(self):
        while not self.stopping.is_set():
            try:
                self.work()
            except TROUBLE as e:
                self.ledger.note_trouble(self.where, e)
                time.sleep(0.05)
            except Broken as e:
                self.ledger.complain(e)
                return
            except BaseException as e:  # a mistake of this test
                self.ledger.complain("%s: %r" % (self.where, e))
                raise

    def did(self, what, by=1):
        self.ledger.count("%s %s" % (self.side.name, what), by)

    def pause(self, most=0.03):
        time.sleep(self.dice.random() * most)


class Lmtp(Client):
    def work(self):
        with self.side.lmtp() as lmtp:
            while not self.stopping.is_set():
                number = self.ledger.new_number()
                self.ledger.coming([number])
                lmtp.sendmail("a@outside.example", [self.side.recipient],
                              octets_of(number))
                self.ledger.came([number])
                self.did("delivered")
                self.pause(0.1)


class Imap(Client):
    def work(self):
        imap = self.side.imap()
        try:
            for _ in range(self.dice.randrange(1, 12)):
                if self.stopping.is_set():
                    break
                self.visit(imap)
                self.pause()
            imap.logout()
        finally:
            with contextlib.suppress(OSError):
                imap.shutdown()

    def visit(self, imap):
        self.folder = self.dice.choice(FOLDERS)
        select(imap, self.folder, self.ledger, self.where)
        for _ in range(self.dice.randrange(1, 4)):
            found = look(imap, self.folder, self.ledger, self.where)
            self.did("looked at", len(found))
            self.act(imap, found)

    def act(self, imap, found):
        ways = [self.flag, self.flag, self.flag, self.copy, self.move,
                self.expunge]
        if len(found) > MANY:
            ways = [self.expunge]
        elif not found or self.dice.random() < 0.05:
            self.append(imap)
            return
        most = 40 if len(found) > MANY else 6
        some = self.dice.sample(
            sorted(found), self.dice.randrange(1, min(len(found), most) + 1))
        self.dice.choice(ways)(imap, sorted(some))

    def flag(self, imap, uids):
        flags = self.dice.choice((
            r"+FLAGS (\Seen)", r"-FLAGS (\Seen)", r"+FLAGS (\Flagged $Junk)",
            r"-FLAGS (\Flagged)", r"+FLAGS (\Answered work)",
            r"-FLAGS.SILENT (work)")).split(" ", 1)
        if imap.uid("STORE", ",".join(map(str, uids)), *flags)[0] == "OK":
            self.did("flagged", len(uids))

    def numbers(self, uids):
        return [self.ledger.number_at(self.folder, uid) for uid in uids]

    def transfer(self, imap, command, uids):
        """COPY or MOVE; answers the UIDs that it took."""
        target = self.dice.choice(FOLDERS)
        if command == "MOVE" and target == self.folder:
            return []
        numbers = self.numbers(uids)
        self.ledger.coming(numbers)
        imap.response("COPYUID")  # of an earlier one
        status, _ = imap.uid(command, ",".join(map(str, uids)), target)
        told = imap.response("COPYUID")[1][-1]
        if status != "OK" or told is None:
            self.ledger.came(numbers, False)
            self.did(command + " refused")
            return []
        validity, source, fresh = told.split()
        self.ledger.saw_validity(target, int(validity), self.where)
        taken = list(uid_set(source))
        for old, new in zip(taken, uid_set(fresh), strict=True):
            self.ledger.saw(target, new, self.ledger.number_at(
                self.folder, old), self.where + " COPYUID")
        self.ledger.came(self.numbers(taken))
        self.ledger.came(self.numbers(set(uids) - set(taken)), False)
        return taken

    def copy(self, imap, uids):
        self.did("copied", len(self.transfer(imap, "COPY", uids[:3])))

    def move(self, imap, uids):
        self.ledger.going(self.folder, uids, self.where)
        taken = self.transfer(imap, "MOVE", uids)
        self.ledger.went(self.folder, taken)
        self.did("moved", len(taken))

    def expunge(self, imap, uids):
        self.ledger.going(self.folder, uids, self.where)
        text = ",".join(map(str, uids))
        if imap.uid("STORE", text, "+FLAGS.SILENT", r"(\Deleted)")[0] != "OK":
            return
        if imap.uid("EXPUNGE", text)[0] == "OK":
            self.ledger.went(self.folder, uids)
            self.did("expunged", len(uids))

    def append(self, imap):
        number = self.ledger.new_number()
        self.ledger.coming([number])
        status, _ = imap.append(self.folder, self.dice.choice(
            (None, r"(\Seen)", r"(\Flagged work)")), None, octets_of(number))
        self.ledger.came([number], status == "OK")
        if status == "OK":
            self.did("appended")


class Pop(Client):
    def work(self):
        pop = self.side.pop()
        deleting = []
        try:
            listed = [line.split() for line in pop.uidl()[1]]
            for index, unique_id in self.dice.sample(
                    listed, min(len(listed), self.dice.randrange(1, 8))):
                if self.read(pop, int(index), unique_id.decode()):
                    deleting.append(int(unique_id[:8], 16))
            self.ledger.going("INBOX", deleting, self.where)
            pop.quit()
            self.ledger.went("INBOX", deleting)
            self.did("deleted by POP3", len(deleting))
        finally:
            pop.close()
        self.pause(0.2)

    def read(self, pop, index, unique_id):
        """True when it is to be deleted."""
        uid, validity = int(unique_id[:8], 16), int(unique_id[8:], 16)
        self.ledger.saw_validity("INBOX", validity, self.where)
        try:
            octets = b"".join(line + b"\r\n" for line in pop.retr(index)[1])
        except poplib.error_proto:
            return False  # removed since the login
        number = number_of(octets, self.where, True)
        if number is None:
            raise Broken("%s: UID %d is no message of ours: %r" % (
                self.where, uid, octets[:80]))
        self.ledger.saw("INBOX", uid, number, self.where)
        self.did("read by POP3")
        if self.dice.random() < 0.6:
            return False
        pop.dele(index)
        return True
