# SPDX-License-Identifier: BSD-2-Clause
"""The two servers on one account's Maildir."""

import imaplib
import poplib
import smtplib

from peers import Dovecot
from support.platform import TENANT_UIDS

LOGIN = "yuki@midori.example"


class Ours:
    name = "Hikyaku"

    def __init__(self, platform):
        self.platform = platform

    def lmtp(self):
        return smtplib.LMTP("127.0.0.1", self.platform.ports["lmtp"],
                            timeout=150)

    recipient = LOGIN

    def imap(self):
        return self.platform.imap(LOGIN, timeout=150)

    def pop(self):
        return self.platform.pop(LOGIN, timeout=150)

    def home(self):
        """The account's directory; it is there once it has got mail."""
        self.platform.send(b"Subject: first\r\n\r\nx\r\n", to=LOGIN)
        self.platform.wait_placed()
        self.platform.empty(LOGIN)
        found = list((self.platform.root / "store" / "midori").glob(
            "*/*/Maildir"))
        assert len(found) == 1, found
        return found[0].parent


class AsTenant(Dovecot):
    """Dovecot as the tenant's user, whose mail it is."""

    mail_uid = TENANT_UIDS["midori"]

    def configure(self):
        # Its processes are not ours to see (a pid namespace), so their locks
        # must not seem to be those of a process that has ended.
        self.root.hostname = "dovecot.example"
        super().configure()


class Theirs:
    name = "Dovecot"
    recipient = "yuki@peer.example"

    def __init__(self, dovecot):
        self.dovecot = dovecot

    def lmtp(self):
        return smtplib.LMTP("127.0.0.1", self.dovecot.ports["lmtp"],
                            timeout=150)

    def imap(self):
        imap = imaplib.IMAP4("127.0.0.1", self.dovecot.ports["imap"],
                             timeout=150)
        imap.login("yuki", self.dovecot.password)
        return imap

    def pop(self):
        pop = poplib.POP3("127.0.0.1", self.dovecot.ports["pop3"],
                          timeout=150)
        pop.user("yuki")
        pop.pass_(self.dovecot.password)
        return pop
