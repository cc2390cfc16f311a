# SPDX-License-Identifier: BSD-2-Clause
"""Exim: an SMTP server and client of the outside world."""

import os

from .peer import SmtpPeer

_CONF = """\
primary_hostname = exim.peer.example
local_interfaces = <; [127.0.0.1]:{smtp}
domainlist local_domains = peer.example
hostlist relay_from_hosts = 127.0.0.1
exim_user = 61006
exim_group = 61006
never_users =
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
tls_advertise_hosts =
host_lookup =
smtp_accept_queue_per_connection = 0
{extra}

begin acl
acl_rcpt:
  accept domains = +local_domains
  accept hosts = +relay_from_hosts
  deny message = relay not permitted
acl_data:
  accept

begin routers
{routes}
local:
  driver = accept
  domains = +local_domains
  transport = maildir

begin transports
remote:
  driver = smtp
  port = $r_port
  allow_localhost
maildir:
  driver = appendfile
  directory = /srv/mail/all
  maildir_format
  create_directory
  user = 61003
  group = 61003
  delivery_date_add
  return_path_add

begin retry
* * F,1h,5s
"""

_ROUTE = """\
to_{number}:
  driver = manualroute
  domains = {domain}
  route_list = * 127.0.0.1
  transport = remote
  self = send
  set = r_port={port}
  no_more
"""


class Exim(SmtpPeer):
    """Takes all mail for peer.example; relays to a local port for each domain
    of routes: {"aozora.example": 2525}."""

    name = "exim"
    packages = ["exim4-daemon-heavy", "exim4-base", "exim4-config"]
    extra = ""

    def __init__(self, *args, routes=None, **kwargs):
        self.routes = dict(routes or {})
        super().__init__(*args, **kwargs)

    def configure(self):
        self.root.add_users([("Debian-exim", 61006), ("peermail", 61003)])
        self.make_mail_directory()
        for d in ("/var/spool/exim4", "/var/log/exim4"):
            path = self.root.path(d)
            path.mkdir(exist_ok=True, parents=True)
            os.chown(path, 61006, 61006)
        self.root.write("/etc/exim4/exim4.conf", _CONF.format(
            smtp=self.ports["smtp"], extra=self.extra, routes="".join(
                _ROUTE.format(number=number, domain=domain, port=port)
                for number, (domain, port)
                in enumerate(self.routes.items()))))

    def command(self):
        return ["/usr/sbin/exim4", "-bdf", "-q5s"]

    def log(self):
        path = self.root.path("/var/log/exim4/mainlog")
        return super().log() + (path.read_text() if path.exists() else "")
