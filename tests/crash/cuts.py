# SPDX-License-Identifier: BSD-2-Clause
"""Cut after cut on one platform, or kill after kill."""

import threading
import time

from .traffic import Broken, Ledger, actors, check_all, thin_out


class Series:
    """Traffic, an end at a random instant, a start, a check; repeated."""

    def __init__(self, platform, dice, say=print):
        self.platform, self.dice, self.say = platform, dice, say
        self.ledger = Ledger()
        platform.off = threading.Event()
        self.done = 0

    def cut(self):
        """One power cut."""
        model = self.dice.choice(("strict", "ordered"))
        delay = self.dice.choice((0, 1000, 5000))
        after = int(2 ** self.dice.uniform(2, 10.5))
        self.platform.fs.command("model %s" % model)
        self.platform.fs.command("delay %d" % delay)
        text = "%s, delay %d us, %d changes" % (model, delay, after)
        self._run(lambda: self._power_off(after), text)

    def kill(self):
        """kill -9 of everything."""
        seconds = self.dice.uniform(0.02, 0.6)
        self._run(lambda: self._kill(seconds), "kill after %.3f s" % seconds)

    def _power_off(self, after):
        self.platform.fs.command("arm %d" % after)
        if not self.platform.fs.wait_frozen(15):
            self.platform.fs.command("freeze")
        self.platform.off.set()
        return self.platform.power_cut(self.dice)

    def _kill(self, seconds):
        time.sleep(seconds)
        self.platform.off.set()
        self.platform.kill_all()
        self.platform.wait_gone()
        return ""

    def _run(self, end, text):
        self.done += 1
        self.platform.off.clear()
        at_work = actors(self.platform, self.ledger, self.dice)
        for actor in at_work:
            actor.start()
        try:
            text += ", " + end()
        finally:
            for actor in at_work:
                actor.stopping.set()
            for actor in at_work:
                actor.join(30)
                if actor.is_alive():
                    raise RuntimeError("%s hangs" % type(actor).__name__)
        try:
            if self.ledger.broken:
                raise Broken("; ".join(self.ledger.broken))
            self.platform.hikyaku("start")
            check_all(self.platform, self.ledger)
        except AssertionError as e:
            raise Broken("%d: %s\n%s" % (self.done, text, e)) from e
        self.say("%3d: %s: %s" % (self.done, text, ", ".join(
            "%d %s" % (n, what) for what, n in self.ledger.counts.items())))
        thin_out(self.platform, self.ledger)
