# SPDX-License-Identifier: BSD-2-Clause
"""Courier: IMAP and POP3 over Maildirs."""

import imaplib
import os
import poplib

from .peer import Peer

# Courier's own start scripts put everything in the background under init; a
# peer lives as long as its first process, so this starts the same programs.
_START = r"""
set -a
. /etc/courier/imapd
. /etc/courier/pop3d
set +a
lib=/usr/lib/courier/courier
mkdir -p /run/courier/authdaemon
authdaemond start
couriertcpd -address=127.0.0.1 -stderrlogger=/usr/sbin/courierlogger \
    -nodnslookup -noidentlookup -maxprocs=100 -maxperip=100 {pop3} \
    $lib/courierpop3login /usr/lib/courier/courier/courierpop3d Maildir &
exec couriertcpd -address=127.0.0.1 \
    -stderrlogger=/usr/sbin/courierlogger \
    -nodnslookup -noidentlookup -maxprocs=100 -maxperip=100 {imap} \
    $lib/imaplogin /usr/bin/imapd Maildir
"""


class Courier(Peer):
    """Accounts of users, password "peer"; mail below state/srv/mail."""

    name = "courier"
    packages = ["courier-base", "courier-imap", "courier-pop",
                "courier-authlib", "courier-authdaemon",
                "courier-authlib-userdb"]
    # A mail server that courier-base wants, and a file watcher.
    leave_out = ("exim4-config", "exim4-base", "exim4-daemon-light", "gamin")
    port_names = ("imap", "pop3")
    users = ("hanako", "yuki")

    def configure(self):
        self.root.add_users([("courier", 61009), ("peermail", 61003)])
        mail = self.root.path("/srv/mail")
        mail.mkdir(exist_ok=True)
        lines = []
        for user in self.users:
            for d in ("", "Maildir", "Maildir/cur", "Maildir/new",
                      "Maildir/tmp"):
                path = mail / user / d
                path.mkdir(exist_ok=True)
                os.chown(path, 61003, 61003)
            lines.append("%s\thome=/srv/mail/%s|uid=61003|gid=61003|"
                         "systempw=%s\n" % (user, user, self._crypt()))
        self.root.write("/etc/courier/userdb", "".join(lines), 0o600)
        text = (self.root.packages / "etc/courier/authdaemonrc").read_text()
        self.root.write("/etc/courier/authdaemonrc", text
                        + '\nauthmodulelist="authuserdb"\n')
        self.root.write("/srv/start", _START.format(**self.ports), 0o755)

    def _crypt(self):
        import crypt
        return crypt.crypt(self.password, "$1$peerpeer$")

    def command(self):
        return ["/bin/sh", "-c", "makeuserdb; exec /bin/sh /srv/start"]

    def self_test(self):
        """APPEND by IMAP, read by POP3."""
        imap = imaplib.IMAP4("127.0.0.1", self.ports["imap"], timeout=10)
        imap.login("yuki", self.password)
        imap.append("INBOX", None, None,
                    b"Subject: peer self-test\r\n\r\n.one\r\n")
        assert imap.select("INBOX")[1] == [b"1"]
        imap.logout()
        pop = poplib.POP3("127.0.0.1", self.ports["pop3"], timeout=10)
        pop.user("yuki")
        pop.pass_(self.password)
        assert b".one" in pop.retr(1)[1], "POP3 lost a dot"
        pop.quit()
