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
import re
import shutil
import smtplib
import socket
import subprocess
import time
import uuid

from peers.dovecot import Dovecot
from peers.postfix import Postfix
from support.platform import Platform

HERE = pathlib.Path(__file__).resolve().parent
PASSWORD = "hikyaku-demo"
DOMAIN = "bench.example"
HOST = "mail.bench.example"


# The directory of both sides: so many accounts with a cheap hash, and behind
# them so many whose passwords were stored with SHA512-CRYPT.
ACCOUNTS = 100000
CRYPT_ACCOUNTS = 20000
# Rows that do not ask for others use the first so many.
ACTIVE = 100


def user(number):
    return "user%u@%s" % (number, DOMAIN)


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


class NotServing(Exception):
    """A side does not come up: its row is a failed one."""


class Side:
    """What rows use; subclasses set name and fill the rest in."""

    name = ""
    # How a message's lines end on disk.
    line_end = b"\r\n"
    # What a flush before an acknowledgement must have been of.
    durable = ()

    def __init__(self, certificate, directory):
        self.certificate, self.directory = certificate, directory
        self.cheap, self.dear = ssha(PASSWORD), sha512_crypt(PASSWORD)
        self.filled = None    # (users, messages) of the last fill_all()
        self.touched = set()  # accounts that may hold mail
        self.fresh = 0        # accounts that rows of cold logins have used
        self.asked = 0        # accounts that lookups have asked for
        self.put_aside = 0    # directories and files of former INBOXes

    def hashed(self, number):
        return self.cheap if number < ACCOUNTS else self.dear

    def start(self):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError

    def connect(self, service):
        """"127.0.0.1:port" of mx, lmtp, pop3, pop3s, imap or imaps."""
        raise NotImplementedError

    def pids(self):
        raise NotImplementedError

    def halt(self):
        """Ends every process."""
        raise NotImplementedError

    def boot(self):
        """Starts everything again on the same state."""
        raise NotImplementedError

    def running(self):
        """Raises NotServing, with the reason, when a server has ended."""

    def serves(self, deadline):
        """Waits until every service has served somebody; NotServing names the
        one that does not."""
        for service, session in (("mx", self._smtp), ("lmtp", self._smtp),
                                 ("pop3", self._pop3), ("imap", self._imap)):
            while True:
                try:
                    session(int(self.connect(service).split(":")[1]))
                    break
                except (OSError, EOFError, poplib.error_proto,
                        imaplib.IMAP4.error, smtplib.SMTPException) as e:
                    self.running()
                    if time.monotonic() > deadline:
                        raise NotServing("%s, %s: %s" % (
                            self.name, service, e)) from None
                    time.sleep(0.005)

    @staticmethod
    def _smtp(port):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            if not connection.recv(512).startswith(b"220 "):
                raise smtplib.SMTPException("no greeting")
            connection.sendall(b"QUIT\r\n")
            connection.recv(512)

    @staticmethod
    def _pop3(port):
        pop = poplib.POP3("127.0.0.1", port, timeout=10)
        pop.user(user(0))
        pop.pass_(PASSWORD)
        pop.quit()

    @staticmethod
    def _imap(port):
        imap = imaplib.IMAP4("127.0.0.1", port, timeout=10)
        imap.login(user(0), PASSWORD)
        imap.logout()

    def lookups(self, tools, clients, users, seconds):
        """The argv of a load of lookups in the directory; seconds 0: each
        account's once."""
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
        """Memory of all processes, each page counted once; of a directory
        server's database, which lies in a mapped file, nothing."""
        return self._memory_kib("Pss", slapd=("Pss_Anon",))

    def anonymous_kib(self):
        """The same without what is mapped from files: the kernel takes such
        pages away and gives them back as it likes."""
        return self._memory_kib("Pss_Anon", "Pss_Shmem", "SwapPss",
                                slapd=("Pss_Anon", "SwapPss"))

    def _memory_kib(self, *names, slapd):
        total = 0
        for pid in self.pids():
            process = pathlib.Path("/proc/%d" % pid)
            try:
                text = (process / "smaps_rollup").read_text()
                mapped = (process / "comm").read_text() == "slapd\n"
            except OSError:
                continue
            for line in text.splitlines():
                name, _, value = line.partition(":")
                if name in (slapd if mapped else names):
                    total += int(value.split()[0])
        return total

    def messages_in_store(self):
        """Files in new/ and cur/ of all INBOXes that rows have touched."""
        total = 0
        for number in self.touched:
            maildir = self.maildir(number)
            for sub in ("new", "cur"):
                try:
                    with os.scandir(maildir / sub) as entries:
                        total += sum(1 for _ in entries)
                except FileNotFoundError:
                    pass
        return total

    def waiting(self):
        """Messages that are acknowledged and not in their mailbox yet."""
        return 0

    def empty(self):
        """Every INBOX anew: no message, no index, no UID.  What was there is
        put aside: ext4 passes over the inodes of files that were deleted not
        long ago, one by one, which would make every delivery dearer."""
        aside = self.directory / "aside" / type(self).__name__
        aside.mkdir(parents=True, exist_ok=True)
        for number in self.touched:
            maildir = self.maildir(number)
            if maildir.exists():
                for entry in maildir.iterdir():
                    self.put_aside += 1
                    entry.rename(aside / str(self.put_aside))
                self._make(maildir)
        self.touched.clear()
        self.filled = None

    def prepare(self, users, count):
        """INBOXes of the first users accounts with count messages each, and
        nothing in all others; nothing is done when it is so already."""
        if self.filled == (users, count):
            return
        self.empty()
        for number in range(users):
            self.fill(number, count)
        self.filled = (users, count)

    def _make(self, maildir):
        maildir.mkdir(parents=True, exist_ok=True)
        uid, gid = self.owner()
        for sub in ("", "cur", "new", "tmp"):
            path = maildir / sub
            path.mkdir(exist_ok=True)
            path.chmod(0o700)
            os.chown(path, uid, gid)

    def settle(self, first, count):
        """Accounts as they are after their first login."""
        owner = self.owner()
        for number in range(first, first + count):
            maildir = self.maildir(number)
            if maildir.exists():
                continue
            self._make(maildir)
            path = maildir / "subscriptions"
            path.write_text("V\t2\n\nINBOX\n")
            os.chown(path, *owner)

    def fill(self, number, count, size=4096):
        """Puts count messages into an INBOX, seen, as an old mailbox has."""
        maildir = self.maildir(number)
        self._make(maildir)
        self.touched.add(number)
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


    # ---- what it flushes ------------------------------------------------------

    def flushes(self, service):
        """What this side flushes before it answers 250 to one message, as
        [path]: strace watches all its processes meanwhile.  Empty: nothing
        that makes the message durable, so that its speed counts for nothing.
        """
        trace = self.directory / ("trace-" + self.name.split()[0].lower())
        # The first wakes what still starts; strace follows later children.
        self._send(service)
        watched = self._watch(trace)
        try:
            answered = self._send(service)
            time.sleep(0.3)
        finally:
            watched.terminate()
            watched.wait()
        self.touched.add(0)
        self.filled = None
        return [path for path in _flushed(trace.read_text(), answered)
                if any(part in path for part in self.durable)]


    def _send(self, service):
        """One message for the first account; answers when it was taken."""
        host, port = self.connect(service).split(":")
        client = {"mx": smtplib.SMTP, "lmtp": smtplib.LMTP}[service]
        with client(host, int(port), "load.example") as smtp:
            smtp.sendmail("sender@outside.example", [user(0)],
                          message(0, 4096))
            return time.time()

    def _watch(self, trace):
        """strace, once it watches every thread of every process: one that was
        begun while it looked for them asks for another look."""
        for _ in range(10):
            strace = subprocess.Popen(
                ["strace", "-f", "-ttt", "-T", "-y", "-o", trace, "-e",
                 "trace=fsync,fdatasync,syncfs,sync,msync,sync_file_range",
                 *(arg for pid in self.pids() for arg in ("-p", str(pid)))],
                stderr=subprocess.PIPE, text=True)
            deadline = time.monotonic() + 3
            while strace.poll() is None and time.monotonic() < deadline:
                left = [pid for pid in self.pids() if not _traced(pid)]
                if not left:
                    return strace
                time.sleep(0.05)
            strace.terminate()
            said = strace.communicate()[1]
        raise RuntimeError("strace does not watch %s: %s" % (
            ", ".join(map(str, left)), said))


def _traced(pid):
    for task in pathlib.Path("/proc/%d/task" % pid).glob("*/status"):
        try:
            if "TracerPid:\t0\n" in task.read_text():
                return False
        except OSError:
            pass  # it has ended
    return True


def _flushed(text, before):
    """The paths of flushes in strace's output that ended before that time."""
    begun = {}
    for line in text.splitlines():
        pid, when, call = line.split(None, 2)
        if "<unfinished" in call:
            begun[pid] = call
            continue
        if "resumed>" in call and pid in begun:
            call = begun.pop(pid) + call
        seconds = call.rsplit("<", 1)
        if (" = 0 " not in call or "<" not in seconds[0]
                or float(when) > before):
            continue
        yield seconds[0].split("<", 1)[1].split(">", 1)[0]


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
    more = ""  # further lines of its configuration

    def __init__(self, side, **kwargs):
        self.side = side
        super().__init__(**kwargs)

    def configure(self):
        self.extra = _DOVECOT.format(**self.ports) + self.more + "\n"
        super().configure()
        conf = self.root.path("/etc/dovecot/dovecot.conf")
        conf.write_text(conf.read_text().replace("ssl = no\n", "").replace(
            "scheme=PLAIN ", ""))
        self.root.write("/etc/dovecot/users", "".join(
            "user%u:%s\n" % (n, self.side.hashed(n))
            for n in range(ACCOUNTS + CRYPT_ACCOUNTS)))
        self.root.write("/etc/dovecot/bench.pem",
                        self.side.certificate.read_text(), 0o600)


class PeerSide(Side):
    """Postfix in front, Dovecot behind it by LMTP."""

    name = "Postfix + Dovecot"
    durable = ("/Maildir/", "/spool/postfix/")
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

    def halt(self):
        self.postfix.root.stop()
        self.dovecot.root.stop()
        # Killed, Postfix leaves its pid file, which its next start asks about.
        self.postfix.root.path(
            "/var/spool/postfix/pid/master.pid").unlink(missing_ok=True)

    def boot(self):
        self.dovecot.root.start(self.dovecot.command())
        self.postfix.root.start(["/usr/sbin/postfix", "start-fg"])

    def running(self):
        for server in (self.dovecot, self.postfix):
            if not server.root.alive():
                raise NotServing("%s has ended: %s" % (
                    server.name, server.log()[-500:]))

    def smtp_source(self, messages, sessions, octets, target, recipient):
        """Messages a second that Postfix's own load generator gets
        acknowledged, on connections that are kept."""
        begun = time.monotonic()
        self.postfix.root.run(
            ["/usr/sbin/smtp-source", "-4", "-d", "-l", str(octets), "-m",
             str(messages), "-s", str(sessions), "-f",
             "sender@outside.example", "-t", recipient, target], check=True)
        return messages / (time.monotonic() - begun)

    def lookups(self, tools, clients, users, seconds):
        return [tools / "load", "--script", HERE / "scripts/userdb.load",
                "--connect",
                "/proc/%d/root/run/dovecot/auth-userdb"
                % self.dovecot.root.first(), "--clients", clients, "--users", users, "--per-connection", 0,
                *(("--seconds", seconds, "--warmup", 1) if seconds
                  else ("--operations", users))]

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
            "/srv/mail/user%u/Maildir" % number)

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


def _account_id(number):
    """Its entryUUID, which names its directory."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, user(number)))


class HikyakuSide(Side):
    """The platform as the demo has it, with a tenant for the bench."""

    name = "Hikyaku"
    durable = ("/Maildir/", "journal/")

    def __init__(self, *args, build, **kwargs):
        super().__init__(*args, **kwargs)
        self.build = build

    def start(self):
        self.platform = Platform(self.directory / "hikyaku", self.build,
                                 settings=_SETTINGS)
        self.platform.certificate_files = [self.certificate]
        self.platform.create()
        self._load_directory()
        self.platform.start()
        # The first session process of the tenant makes its directory.
        self.serves(time.monotonic() + 60)
        return self

    def stop(self):
        self.platform.stop()

    def halt(self):
        self.platform.stop()

    def boot(self):
        self.platform.start()

    def lookups(self, tools, clients, users, seconds):
        return [tools / "directory_load", "--connect",
                self.platform.root / "run/internal/tenantd", "--ask",
                "resolve", "--clients", clients, "--names", users, "--name",
                "user{n}@%s" % DOMAIN, "--tenant", "bench", "--tenants", 1,
                *(("--seconds", seconds, "--warmup", 1) if seconds
                  else ("--walk",))]

    def waiting(self):
        match = re.search(r"^deliveryd: (\d+) messages? waits? in the journal",
                          self.platform.hikyaku("status").stdout, re.M)
        return int(match[1]) if match else 0

    def connect(self, service):
        return "127.0.0.1:%d" % self.platform.ports[service]

    def pids(self):
        slapd = int((self.platform.root / "ldap" / "slapd.pid").read_text())
        return descendants([slapd, *self.platform.processes()])

    def maildir(self, number):
        account = _account_id(number)
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

    def _load_directory(self):
        """The tenant and all its accounts, by slapadd: an add for each would
        take minutes."""
        ldap = self.platform.root / "ldap"
        ldif = ldap / "bench.ldif"
        with open(ldif, "w", encoding="ascii") as out:
            out.write(self._tenant())
            for number in range(ACCOUNTS + CRYPT_ACCOUNTS):
                out.write(self._account(number))
        subprocess.run(["slapadd", "-q", "-w", "-n", "1", "-F",
                        ldap / "slapd.d", "-l", ldif], check=True)
        ldif.unlink()
        owner = (ldap / "db").stat()
        for path in (ldap / "db").iterdir():
            os.chown(path, owner.st_uid, owner.st_gid)

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
                "mailLocalAddress: %s\nhkStatus: active\nentryUUID: %s\n"
                "userPassword: %s\n\n" % (
                    address, address, address, address, address,
                    _account_id(number), self.hashed(number)))
