# SPDX-License-Identifier: BSD-2-Clause
"""What may happen between two polls of POP3 clients that leave mail on the
server, and rounds of it."""

import contextlib
import os
import poplib
import signal
import time

from support.databases import databases
from support.keepers import message

YUKI = "yuki@midori.example"


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it does not come")
        time.sleep(0.05)


def ready(platform):
    """Whether a login works, after something was killed."""
    try:
        pop = platform.pop(YUKI)
        pop.quit()
    except (OSError, EOFError, poplib.error_proto):
        return False
    return True


def restart(d):
    """The whole platform."""
    d.platform.hikyaku("stop")
    d.platform.hikyaku("start")


def kill_sessions(d):
    """No mailbox is in any memory."""
    d.platform.kill("pop3d session")
    d.platform.kill("imapd session")


def kill_within_a_session(d):
    """A client that has deleted and read, and has not said QUIT."""
    pop = d.platform.pop(YUKI)
    pop.retr(1)
    pop.dele(1)
    d.platform.kill("pop3d session")
    with contextlib.suppress(OSError, EOFError, poplib.error_proto):
        pop.quit()


def kill_all(d):
    """Every process at once, hikyakud first."""
    d.platform.kill("hikyakud")
    for pid in d.platform.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not d.platform.processes())
    d.platform.hikyaku("start")


def delete_databases(d):
    """All of them while their processes run, which then are killed."""
    gone = databases(d.platform.root / "state") + databases(
        d.platform.root / "store")
    assert gone, "there is no database to delete"
    for path in gone:
        path.unlink()
    d.deleted += len(gone)
    for name in ("imapd", "tenantd", "pop3d session"):
        d.platform.kill(name)


def delete_databases_at_rest(d):
    """The same while nothing runs."""
    d.platform.hikyaku("stop")
    for path in databases(d.platform.root / "state"):
        path.unlink()
    d.platform.hikyaku("start")


def use_imap(d):
    """Flags change, and what all clients have is expunged: names of files and
    numbers of messages are others afterwards."""
    with d.platform.imap(YUKI) as imap:
        imap.select("INBOX")
        imap.store("1:*", "+FLAGS", r"(\Seen \Flagged)")
        imap.store("1", "+FLAGS", r"(\Deleted)")
        imap.expunge()


DISTURBANCES = (kill_sessions, use_imap, delete_databases,
                kill_within_a_session, restart, delete_databases_at_rest,
                kill_all)


class Disturbed:
    """Rounds: something happens, mail comes, every client polls."""

    def __init__(self, platform, directory, kinds, each=2):
        self.platform, self.each = platform, each
        self.count = self.deleted = 0
        platform.empty(YUKI)
        self.keepers = [kind(platform, directory, YUKI) for kind in kinds]

    def deliver(self):
        for _ in range(self.each):
            self.count += 1
            self.platform.send(message(self.count), to=YUKI)
        self.platform.wait_placed()

    def round(self, disturbance=None):
        """One message comes before it, and is first polled for after it."""
        self.count += 1
        self.platform.send(message(self.count), to=YUKI)
        self.platform.wait_placed()
        if disturbance is not None:
            disturbance(self)
            wait_for(lambda: ready(self.platform))
        self.deliver()
        for keeper in self.keepers:
            new = keeper.poll()
            assert new == self.each + 1, "%s after %s: %d new messages" % (
                type(keeper).__name__, getattr(
                    disturbance, "__name__", "nothing"), new)

    def wrong(self):
        """{client: {message: how often}} where that is not once."""
        for keeper in self.keepers:
            assert keeper.poll() == 0, type(keeper).__name__
        found = {type(k).__name__: k.wrong(range(1, self.count + 1))
                 for k in self.keepers}
        return {name: what for name, what in found.items() if what}
