# SPDX-License-Identifier: BSD-2-Clause
"""OpenSMTPD: an SMTP server and client of the outside world."""

import os

from .peer import SmtpPeer

_CONF = """\
listen on 127.0.0.1 port {smtp} hostname opensmtpd.peer.example
table users {{ "all" = "61003:61003:/srv/mail/all" }}
table everybody {{ "@" = "all" }}
action "store" maildir "/srv/mail/all" virtual <everybody> userbase <users>
{actions}
match from any for domain "peer.example" action "store"
{matches}
"""


class OpenSmtpd(SmtpPeer):
    """Takes all mail for peer.example; relays to a local port for each domain
    of routes: {"aozora.example": 2525}."""

    name = "opensmtpd"
    packages = ["opensmtpd"]

    def __init__(self, *args, routes=None, **kwargs):
        self.routes = dict(routes or {})
        super().__init__(*args, **kwargs)

    def configure(self):
        self.root.add_users([("opensmtpd", 61007), ("opensmtpq", 61008),
                             ("peermail", 61003)])
        self.make_mail_directory()
        # Both are where its unprivileged processes are locked into.
        for d in ("/var/lib/opensmtpd/empty", "/var/spool/smtpd"):
            path = self.root.path(d)
            path.mkdir(exist_ok=True, parents=True)
            path.chmod(0o711)
        self.root.write("/etc/aliases", "")
        self.root.write("/etc/smtpd.conf", _CONF.format(
            smtp=self.ports["smtp"],
            actions="\n".join(
                'action "to-%s" relay host "smtp://127.0.0.1:%d"' % item
                for item in self.routes.items()),
            matches="\n".join(
                'match from any for domain "%s" action "to-%s"' % (d, d)
                for d in self.routes)))

    def command(self):
        return ["/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"]
