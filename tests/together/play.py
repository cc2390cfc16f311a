# SPDX-License-Identifier: BSD-2-Clause
"""Turns, then all together, with a look at everything in between."""

import contextlib
import random
import time

from .clients import FOLDERS, Imap, Lmtp, Pop, look, select
from .ledger import Broken, Ledger
from .sides import LOGIN, AsTenant, Ours, Theirs

KINDS = (Lmtp, Lmtp, Imap, Imap, Imap, Pop)


class Play:
    def __init__(self, platform, dovecot, seed, say=print):
        self.platform, self.dovecot, self.say = platform, dovecot, say
        self.sides = [Ours(platform), Theirs(dovecot)]
        self.ledger, self.dice = Ledger(), random.Random(seed)
        self.checks = 0
        with self.sides[0].imap() as imap:
            for folder in FOLDERS[1:]:
                imap.create(folder)

    def turns(self, count, seconds):
        """Each side's clients alone, one side after the other."""
        for turn in range(count):
            self.work([self.sides[turn % 2]], seconds)
            self.check("turn %d, %s" % (turn + 1, self.sides[turn % 2].name))

    def together(self, seconds, part):
        """Everybody at once, in parts."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.work(self.sides, min(part, left))
            self.check("together, %.0f s left" % max(0, left - part))

    def work(self, sides, seconds):
        clients = [kind(side, self.ledger, self.dice.randrange(1 << 30))
                   for side in sides for kind in KINDS]
        for client in clients:
            client.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.ledger.broken:
            time.sleep(0.05)
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(150)
            if client.is_alive():
                raise Broken("%s hangs" % client.where)
        if self.ledger.broken:
            raise Broken("; ".join(self.ledger.broken))

    def see(self, side):
        """{folder: {uid: (number, flags)}}"""
        found = {}
        with side.imap() as imap:
            for folder in FOLDERS:
                select(imap, folder, self.ledger, side.name)
                found[folder] = look(imap, folder, self.ledger, side.name)
        return found

    def check(self, text):
        """Both see the same, and it is what there must be."""
        self.platform.wait_placed()
        seen = [self.see(side) for side in self.sides]
        for folder in FOLDERS:
            ours, theirs = (s[folder] for s in seen)
            if ours != theirs:
                only = [set(a.items()) - set(b.items())
                        for a, b in ((ours, theirs), (theirs, ours))]
                raise Broken("%s: only we see %s, only Dovecot %s: %s" % (
                    folder, *only, "; ".join(
                        self.ledger.trail(number) for number in
                        {n for _, (n, _) in only[0] | only[1]})))
        self.ledger.judge({folder: {uid: number for uid, (number, _)
                                    in messages.items()}
                           for folder, messages in seen[0].items()})
        self.checks += 1
        self.say("%s: %s messages in %s" % (text, "+".join(
            str(len(seen[0][f])) for f in FOLDERS), "+".join(FOLDERS)))

    def summary(self):
        counts = self.ledger.counts
        return "%d messages, %d places, %d looks at all: %s" % (
            self.ledger.next, len(self.ledger.places), self.checks,
            ", ".join("%s %d" % item for item in sorted(counts.items())))


@contextlib.contextmanager
def playing(platform, seed, say=print):
    """A Play on a platform that runs, with a Dovecot beside it."""
    home = Ours(platform).home()
    with AsTenant(binds={home: "/srv/mail/yuki"}) as dovecot:
        try:
            yield Play(platform, dovecot, seed, say)
        except Broken as e:
            raise Broken("%s\nDovecot said:\n%s\nwe said:\n%s" % (
                e, dovecot.log()[-3000:], platform.log_tail(20))) from e


assert LOGIN  # whose Maildir it is
