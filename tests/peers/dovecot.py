# SPDX-License-Identifier: BSD-2-Clause
"""Dovecot: IMAP, POP3 and LMTP over Maildirs."""

import imaplib
import os
import poplib
import smtplib

from .peer import Peer

_CONF = """\
base_dir = /run/dovecot
state_dir = /var/lib/dovecot
log_path = /dev/stderr
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:/srv/mail/%n/Maildir
mail_privileged_group =
first_valid_uid = 0
default_internal_user = dovecot
default_internal_group = dovecot
default_login_user = dovenull
maildir_stat_dirs = yes
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%n /etc/dovecot/users
}}
userdb {{
  driver = static
  args = uid=peermail gid=peermail home=/srv/mail/%n
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service anvil {{
  chroot =
}}
protocol lmtp {{
  auth_username_format = %Ln
}}
{extra}
"""


class Dovecot(Peer):
    """Accounts: users, password "peer"; mail below state/srv/mail."""

    name = "dovecot"
    packages = ["dovecot-core", "dovecot-imapd", "dovecot-pop3d",
                "dovecot-lmtpd"]
    port_names = ("imap", "pop3", "lmtp")
    users = ("hanako", "yuki")
    extra = ""
    mail_uid = 61003

    def configure(self):
        self.root.add_users([("dovecot", 61001), ("dovenull", 61002),
                             ("peermail", self.mail_uid)])
        mail = self.root.path("/srv/mail")
        mail.mkdir(exist_ok=True)
        os.chown(mail, self.mail_uid, self.mail_uid)
        self.root.path("/var/lib/dovecot").mkdir(exist_ok=True)
        self.root.write("/etc/dovecot/users", "".join(
            "%s:{PLAIN}%s\n" % (u, self.password) for u in self.users))
        self.root.write("/etc/dovecot/dovecot.conf",
                        _CONF.format(**self.ports, extra=self.extra))

    def command(self):
        return ["/usr/sbin/dovecot", "-F"]

    def self_test(self):
        """LMTP in, POP3 and IMAP out."""
        text = b"Subject: peer self-test\r\n\r\n.one\r\n"
        with smtplib.LMTP("127.0.0.1", self.ports["lmtp"]) as lmtp:
            lmtp.sendmail("a@peer.example", ["yuki@peer.example"], text)
        pop = poplib.POP3("127.0.0.1", self.ports["pop3"], timeout=10)
        pop.user("yuki")
        pop.pass_(self.password)
        assert b".one" in pop.retr(1)[1], "POP3 lost a dot"
        pop.quit()
        imap = imaplib.IMAP4("127.0.0.1", self.ports["imap"], timeout=10)
        imap.login("yuki", self.password)
        assert imap.select("INBOX")[1] == [b"1"], "IMAP does not see the mail"
        imap.logout()
