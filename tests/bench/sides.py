# SPDX-License-Identifier: BSD-2-Clause
"""The two sides of the comparison, each a running system with the same
accounts, the same TLS key and the same mailboxes.

A side answers where its services are, which processes are its own, and where
an account's Maildir lies, so that rows can fill it with files directly.
"""

import base64
import crypt
import hashlib
import imaplib
import os
import pathlib
import poplib
import shutil

from peers.dovecot import Dovecot
from peers.postfix import Postfix
from support.platform import Platform

PASSWORD = "hikyaku-demo"
DOMAIN = "bench.example"
HOST = "mail.bench.example"


def user(number):
    return "user%06u@%s" % (number, DOMAIN)


def ssha(password, salt=b"benchsalt"):
    """A cheap hash, so that rows which are not about hashing show the rest."""
    digest = hashlib.sha1(password.encode() + salt).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def sha512_crypt(password):
    """What most Debian systems of the last ten years have stored."""
    return "{CRYPT}" + crypt.crypt(password, "$6$benchsalt")


def descendants(pids):
    """These processes and all below them."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parent = int(stat[stat.rindex(")") + 2:].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = set(), list(pids)
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo += children.get(pid, [])
    return found


class Side:
    """What rows use; subclasses set name and fill the rest in."""

    name = ""
    # How a message's lines end on disk.
    line_end = b"\r\n"

    def __init__(self, accounts, hashed, certificate, directory):
        self.accounts, self.hashed = accounts, hashed
        self.certificate, self.directory = certificate, directory

    def start(self):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError

    def connect(self, service):
        """"127.0.0.1:port" of mx, lmtp, pop3, pop3s, imap or imaps."""
        raise NotImplementedError

    def pids(self):
        raise NotImplementedError

    def maildir(self, number):
        """The account's Maildir; made if it is not there."""
        raise NotImplementedError

    def owner(self):
        """uid and gid of the files."""
        raise NotImplementedError

    # ---- what it cost -------------------------------------------------------

    def cpu_seconds(self):
        """User and system time of all processes, the dead ones included."""
        ticks = 0
        for pid in self.pids():
            try:
                stat = pathlib.Path("/proc/%d/stat" % pid).read_text()
            except OSError:
                continue
            ticks += sum(map(int, stat[stat.rindex(")") + 2:].split()[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def pss_kib(self):
        """Memory of all processes, each page counted once."""
        total = 0
        for pid in self.pids():
            try:
                text = pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text()
            except OSError:
                continue
            for line in text.splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total

    def messages_in_store(self):
        """Files in new/ and cur/ of all INBOXes."""
        total = 0
        for number in range(self.accounts):
            maildir = self.maildir(number)
            for sub in ("new", "cur"):
                try:
                    total += sum(1 for _ in os.scandir(maildir / sub))
                except FileNotFoundError:
                    pass
        return total

    def empty(self):
        """Every INBOX anew: no message, no index, no UID."""
        for number in range(self.accounts):
            maildir = self.maildir(number)
            if maildir.exists():
                for entry in maildir.iterdir():
                    if entry.is_dir():
                        shutil.rmtree(entry)
                    else:
                        entry.unlink()
            self._make(maildir)

    def _make(self, maildir):
        maildir.mkdir(parents=True, exist_ok=True)
        uid, gid = self.owner()
        for sub in ("", "cur", "new", "tmp"):
            path = maildir / sub
            path.mkdir(exist_ok=True)
            path.chmod(0o700)
            os.chown(path, uid, gid)

    def fill(self, number, count, size=4096):
        """Puts count messages into an INBOX, seen, as an old mailbox has."""
        maildir = self.maildir(number)
        self._make(maildir)
        uid, gid = self.owner()
        for n in range(count):
            text = message(n, size).replace(b"\r\n", self.line_end)
            virtual = len(text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
            name = "%d.M%dP1.%s,S=%d,W=%d:2,S" % (
                1700000000 + n, n, HOST, len(text), virtual)
            path = maildir / "cur" / name
            path.write_bytes(text)
            os.chown(path, uid, gid)
            os.utime(path, (1700000000 + n, 1700000000 + n))


def message(number, size):
    """Message number of a mailbox: headers that differ, text that fills."""
    head = ("Received: from a.example by b.example; "
            "Tue, 14 Nov 2023 22:13:20 +0000\r\n"
            "From: Sender %d <sender%d@outside.example>\r\n"
            "To: Reader <reader@bench.example>\r\n"
            "Subject: message %d about subject %d\r\n"
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
            "Message-ID: <%d@outside.example>\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n\r\n"
            % (number, number % 97, number, number % 13, number)).encode()
    line = b"The quick brown fox jumps over the lazy dog, word%d.\r\n" % number
    return head + line * max(1, (size - len(head)) // len(line))


# ---- the peers -----------------------------------------------------------------

_DOVECOT = """
ssl = yes
ssl_cert = </etc/dovecot/bench.pem
ssl_key = </etc/dovecot/bench.pem
ssl_min_protocol = TLSv1.2
auth_cache_size = 64M
auth_cache_ttl = 1 hour
auth_cache_negative_ttl = 0
maildir_very_dirty_syncs = yes
service imap-login {{
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 2
  client_limit = 10000
}}
service pop3-login {{
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 2
  client_limit = 10000
}}
service imap {{
  service_count = 256
  process_min_avail = 4
  process_limit = 4096
}}
service pop3 {{
  service_count = 256
  process_min_avail = 4
  process_limit = 4096
}}
service lmtp {{
  process_min_avail = 4
  process_limit = 128
}}
service auth {{
  client_limit = 20000
}}
service anvil {{
  client_limit = 20000
}}
"""


class BenchDovecot(Dovecot):
    """Tuned as its own documentation advises: login processes serve many
    clients, mail processes are reused and kept ready, logins are cached."""

    port_names = ("imap", "pop3", "lmtp", "imaps", "pop3s")
    password = PASSWORD

    def __init__(self, side, **kwargs):
        self.side = side
        super().__init__(**kwargs)

    def configure(self):
        self.extra = _DOVECOT.format(**self.ports)
        super().configure()
        conf = self.root.path("/etc/dovecot/dovecot.conf")
        conf.write_text(conf.read_text().replace("ssl = no\n", "").replace(
            "scheme=PLAIN ", ""))
        self.root.write("/etc/dovecot/users", "".join(
            "user%06u:%s\n" % (n, self.side.hashed)
            for n in range(self.side.accounts)))
        self.root.write("/etc/dovecot/bench.pem",
                        self.side.certificate.read_text(), 0o600)


class PeerSide(Side):
    """Postfix in front, Dovecot behind it by LMTP."""

    name = "Postfix + Dovecot"
    # Dovecot's default (mail_save_crlf = no).
    line_end = b"\n"

    def start(self):
        self.dovecot = BenchDovecot(self, state=self._state("dovecot")).start()
        self.postfix = Postfix(state=self._state("postfix"))
        self.postfix.extra = "\n".join((
            "virtual_mailbox_domains = %s" % DOMAIN,
            "virtual_transport = lmtp:inet:127.0.0.1:%d"
            % self.dovecot.ports["lmtp"],
            "default_process_limit = 200",
            "lmtp_destination_concurrency_limit = 50",
            "smtpd_client_connection_count_limit = 0",
            "smtpd_client_connection_rate_limit = 0",
        ))
        self.postfix.start()
        return self

    def _state(self, name):
        path = self.directory / name
        path.mkdir(parents=True)
        return path

    def stop(self):
        self.postfix.stop()
        self.dovecot.stop()

    def connect(self, service):
        port = (self.postfix.ports["smtp"] if service == "mx"
                else self.dovecot.ports[service])
        return "127.0.0.1:%d" % port

    def pids(self):
        return descendants([self.postfix.root.process.pid,
                            self.dovecot.root.process.pid])

    def maildir(self, number):
        return self.dovecot.root.path(
            "/srv/mail/user%06u/Maildir" % number)

    def _make(self, maildir):
        super()._make(maildir)
        os.chown(maildir.parent, *self.owner())

    def owner(self):
        return 61003, 61003


# ---- ours ------------------------------------------------------------------------

_UID = 200900
# Dovecot and Postfix take as many connections of one client, too, and
# passwords in clear.
_SETTINGS = {
    "smtpd": ["client-connections-max = 0"],
    "pop3d": ["plaintext-login = yes"],
    "imapd": ["plaintext-login = yes"],
}


class HikyakuSide(Side):
    """The platform as the demo has it, with a tenant for the bench."""

    name = "Hikyaku"

    def __init__(self, *args, build, **kwargs):
        super().__init__(*args, **kwargs)
        self.build = build
        self.ids = {}

    def start(self):
        self.platform = Platform(self.directory / "hikyaku", self.build,
                                 settings=_SETTINGS)
        self.platform.certificate_files = [self.certificate]
        self.platform.create()
        self.platform.slapd("start")
        self.platform.ldap("ldapadd", self._tenant() + "".join(
            self._account(n) for n in range(self.accounts)))
        self.ids = self._read_ids()
        self.platform.hikyaku("start")
        # The first session process of the tenant makes its directory.
        for service in ("pop3", "imap"):
            getattr(self, "_login_" + service)()
        return self

    def stop(self):
        self.platform.destroy()

    def connect(self, service):
        return "127.0.0.1:%d" % self.platform.ports[service]

    def pids(self):
        slapd = int((self.platform.root / "ldap" / "slapd.pid").read_text())
        return descendants([slapd, *self.platform.processes()])

    def maildir(self, number):
        account = self.ids[number]
        shard = hashlib.sha256(account.encode()).hexdigest()[:2]
        return (self.platform.root / "store" / "bench" / shard / account
                / "Maildir")

    def _make(self, maildir):
        super()._make(maildir)
        for path in (maildir.parent, maildir.parent.parent):
            path.chmod(0o700)
            os.chown(path, *self.owner())

    def owner(self):
        return _UID, _UID

    def _login_pop3(self):
        pop = poplib.POP3("127.0.0.1", self.platform.ports["pop3"])
        pop.user(user(0))
        pop.pass_(PASSWORD)
        pop.quit()

    def _login_imap(self):
        imap = imaplib.IMAP4("127.0.0.1", self.platform.ports["imap"])
        imap.login(user(0), PASSWORD)
        imap.logout()

    def _read_ids(self):
        """The accounts' entryUUIDs, in the order of their numbers."""
        text = self.platform.ldap(
            "ldapsearch", "", "-LLL", "-o", "ldif-wrap=no", "-b",
            "ou=accounts,ou=bench,ou=tenants,o=hikyaku", "-s", "one",
            "-E", "pr=500/noprompt", "uid", "entryUUID")
        found = {}
        for block in text.split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.split("\n")
                         if ": " in line)
            if "uid" in lines and "entryUUID" in lines:
                found[lines["uid"]] = lines["entryUUID"]
        return [found[user(n)] for n in range(self.accounts)]

    def _tenant(self):
        branch = "ou=bench,ou=tenants,o=hikyaku"
        return "\n\n".join([
            "dn: %s\nobjectClass: organizationalUnit\nobjectClass: hkTenant\n"
            "ou: bench\nhkTenantStatus: active\nhkUid: %d\nhkGid: %d\n"
            "hkHost: %s\nhkClass: cn=basic,ou=classes,ou=platform,o=hikyaku\n"
            "hkAdminGroup: cn=owners,ou=admins,%s" % (
                branch, _UID, _UID, HOST, branch),
            *("dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %s" % (
                unit, branch, unit)
              for unit in ("domains", "accounts", "groups", "admins")),
            "dn: associatedDomain=%s,ou=domains,%s\nobjectClass: hkDomain\n"
            "associatedDomain: %s\nhkTenantStatus: active\n"
            "hkAdminGroup: cn=owners,ou=admins,%s" % (
                DOMAIN, branch, DOMAIN, branch), ""]) + "\n"

    def _account(self, number):
        address = user(number)
        return ("dn: uid=%s,ou=accounts,ou=bench,ou=tenants,o=hikyaku\n"
                "objectClass: inetOrgPerson\nobjectClass: hkAccount\n"
                "uid: %s\ncn: %s\nsn: Bench\nmail: %s\n"
                "mailLocalAddress: %s\nhkStatus: active\n"
                "userPassword: %s\n\n" % (
                    address, address, address, address, address, self.hashed))
