# SPDX-License-Identifier: BSD-2-Clause
"""What every client was told of every message, and what must be there then."""

import base64
import hashlib
import random
import re
import threading
import time

TOKEN = re.compile(rb"^X-Token: (\d+)\r?$", re.M)


def octets_of(number):
    """The message with this number, the same at each call."""
    noise = random.Random(number).randbytes(number * 7919 % 6000)
    text = base64.encodebytes(noise).replace(b"\n", b"\r\n")
    return b"X-Token: %d\r\nSubject: together\r\n\r\n%send %d %s\r\n" % (
        number, text, number, hashlib.sha256(text).hexdigest().encode())


class Broken(AssertionError):
    """A message has changed its UID, is lost, or is there twice."""


def number_of(octets, where, whole=False):
    """Whose header, or (whole) which message it is; None: it has none."""
    match = TOKEN.search(octets)
    if match is None:
        return None
    number = int(match[1])
    if whole and not octets.endswith(octets_of(number)):
        raise Broken("%s: message %d is not whole" % (where, number))
    return number


class Ledger:
    """A place is (folder, uid).  A message can be in several, as copies."""

    def __init__(self):
        self.mutex = threading.Lock()
        self.next = 0
        self.validity = {}  # folder: its UIDVALIDITY, for ever
        self.places = {}    # place: number, of all that were ever seen
        self.made = {}      # number: places that it was given
        self.maybe = {}     # number: those of which nobody knows
        self.removed = set()
        self.leaving = set()  # asked to be removed, no answer
        self.broken, self.counts, self.trouble = [], {}, {}
        self.trails = {}      # number: what became of it

    def count(self, what, by=1):
        with self.mutex:
            self.counts[what] = self.counts.get(what, 0) + by

    def complain(self, error):
        with self.mutex:
            self.broken.append(str(error))

    def note_trouble(self, who, error):
        key = "%s: %s: %.100s" % (who, type(error).__name__, error)
        key = re.sub(r"\d+", "#", key)
        with self.mutex:
            self.trouble[key] = self.trouble.get(key, 0) + 1

    def note(self, number, text):
        """With the mutex."""
        self.trails.setdefault(number, []).append(
            "%s %s" % (time.strftime("%T"), text))

    def trail(self, number):
        return "message %s: %s" % (
            number, "; ".join(self.trails.get(number, [])[-20:]))

    # ---- messages come --------------------------------------------------

    def new_number(self):
        with self.mutex:
            self.next += 1
            return self.next

    def coming(self, numbers):
        """From here on there may be one more of each."""
        with self.mutex:
            for number in numbers:
                self.maybe[number] = self.maybe.get(number, 0) + 1

    def came(self, numbers, really=True):
        """The answer: there is one more of each, or there is not."""
        with self.mutex:
            for number in numbers:
                self.maybe[number] -= 1
                if really:
                    self.made[number] = self.made.get(number, 0) + 1

    # ---- they are seen --------------------------------------------------

    def saw_validity(self, folder, validity, where):
        with self.mutex:
            before = self.validity.setdefault(folder, validity)
        if before != validity:
            raise Broken("%s: UIDVALIDITY of %s was %d and is %d" % (
                where, folder, before, validity))

    def saw(self, folder, uid, number, where):
        with self.mutex:
            before = self.places.setdefault((folder, uid), number)
            if before == number and "COPYUID" in where:
                self.note(number, "%s to %s %d" % (where, folder, uid))
        if before != number:
            raise Broken("%s: %s: UID %d was message %d and is %d" % (
                where, folder, uid, before, number))

    def number_at(self, folder, uid):
        with self.mutex:
            return self.places.get((folder, uid))

    # ---- they go --------------------------------------------------------

    def going(self, folder, uids, where):
        with self.mutex:
            self.leaving.update((folder, uid) for uid in uids)
            for uid in uids:
                self.note(self.places.get((folder, uid)),
                          "%s removes %s %d" % (where, folder, uid))

    def went(self, folder, uids):
        with self.mutex:
            self.removed.update((folder, uid) for uid in uids)

    # ---- with nobody at work --------------------------------------------

    def judge(self, found):
        """found: {folder: {uid: number}}.  Afterwards what is there counts as
        it is."""
        wrong, here = [], {}
        for folder, messages in found.items():
            for uid, number in messages.items():
                self.saw(folder, uid, number, "at the end")
                here.setdefault(number, []).append((folder, uid))
                if (folder, uid) in self.removed:
                    wrong.append("%s: UID %d, message %d, was removed and is "
                                 "there" % (folder, uid, number))
        there = {place for places in here.values() for place in places}
        for place, number in self.places.items():
            if place not in there | self.removed | self.leaving:
                wrong.append("%s: UID %d, message %d, is lost" % (
                    *place, number))
        wrong += self._wrong_counts(here)
        if wrong:
            raise Broken("; ".join(wrong[:20]))
        self._settle(here)

    def _wrong_counts(self, here):
        gone, doubtful = {}, {}
        for place, number in self.places.items():
            if place in self.removed:
                gone[number] = gone.get(number, 0) + 1
            elif place in self.leaving:
                doubtful[number] = doubtful.get(number, 0) + 1
        for number in set(self.made) | set(self.maybe) | set(here):
            count = len(here.get(number, []))
            least = (self.made.get(number, 0) - gone.get(number, 0)
                     - doubtful.get(number, 0))
            most = (self.made.get(number, 0) - gone.get(number, 0)
                    + self.maybe.get(number, 0))
            if not least <= count <= most:
                yield "message %d is there %d times, not %d to %d: %s" % (
                    number, count, least, most, here.get(number))

    def _settle(self, here):
        """Places that were removed stay known: no UID comes again."""
        there = {place for places in here.values() for place in places}
        self.removed = set(self.places) - there
        self.leaving.clear()
        self.maybe.clear()
        self.made = {}
        for number in self.places.values():
            self.made[number] = self.made.get(number, 0) + 1
