# SPDX-License-Identifier: BSD-2-Clause
"""Postfix: an SMTP server and client of the outside world."""

import os

from .peer import SmtpPeer

_MAIN = """\
compatibility_level = 3.6
queue_directory = /var/spool/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = /var/lib/postfix
shlib_directory = /usr/lib/postfix
maillog_file = /var/log/postfix.log
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.peer.example
mydomain = peer.example
myorigin = peer.example
mydestination =
mynetworks = {networks}
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = peer.example
virtual_mailbox_base = /srv/mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:61003
virtual_gid_maps = static:61003
smtpd_tls_security_level = none
smtp_tls_security_level = may
disable_dns_lookups = yes
smtp_host_lookup = native
transport_maps = {transports}
{extra}
"""

_MASTER = """\
127.0.0.1:{smtp} inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
lmtp      unix - - n - - lmtp
showq     unix n - n - - showq
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix(SmtpPeer):
    """Takes all mail for peer.example into Maildir /srv/mail/all/ and relays
    other domains as transports says: {"aozora.example": "smtp:[127.0.0.1]:25"}
    """

    name = "postfix"
    packages = ["postfix"]
    extra = ""

    def __init__(self, *args, transports=None, networks="127.0.0.0/8",
                 **kwargs):
        self.transports = dict(transports or {})
        self.networks = networks
        super().__init__(*args, **kwargs)

    def configure(self):
        self.root.add_users([("postfix", 61004), ("peermail", 61003)],
                            [("postdrop", 61005)])
        self.make_mail_directory()
        for d in ("/var/lib/postfix", "/var/spool/postfix"):
            self.root.path(d).mkdir(exist_ok=True, parents=True)
        os.chown(self.root.path("/var/lib/postfix"), 61004, 61004)
        # An empty inline table is a syntax error.
        transports = "inline:{ %s }" % ", ".join(
            "{%s = %s}" % item for item in self.transports.items()
        ) if self.transports else ""
        self.root.write("/etc/postfix/main.cf", _MAIN.format(
            networks=self.networks, extra=self.extra,
            transports=transports))
        self.root.write("/etc/postfix/master.cf",
                        _MASTER.format(**self.ports))

    def command(self):
        return ["/bin/sh", "-c", "postfix set-permissions >/dev/null 2>&1; "
                "exec postfix start-fg"]

    def log(self):
        path = self.root.path("/var/log/postfix.log")
        return super().log() + (path.read_text() if path.exists() else "")
