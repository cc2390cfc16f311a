# SPDX-License-Identifier: BSD-2-Clause
"""One whole platform in one directory: slapd, hikyakud and its daemons.

    <root>/prefix           what make install put there
    <root>/certs            demo CA and certificates
    <root>/ldap             slapd's configuration and database
    <root>/hikyaku.conf
    <root>/store state run  the daemons' directories
    <root>/log              hikyaku.log

As root each daemon and each tenant gets a numeric uid of its own, so that
nothing is added to /etc/passwd; as another user all is that user's.
"""

import contextlib
import imaplib
import os
import pathlib
import poplib
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import time

from . import certs
from .ports import free_ports

TOP = pathlib.Path(__file__).resolve().parents[2]
PASSWORD = "hikyaku-demo"
HOSTS = ("mail.aozora.example", "mail.midori.example")
ACCOUNTS = {
    "hanako@aozora.example": "aozora",
    "taro@aozora.example": "aozora",
    "jiro@aozora.example": "aozora",
    "yuki@midori.example": "midori",
    "ken@midori.example": "midori",
}
SERVICES = ("mx", "submission", "submissions", "pop3", "pop3s", "imap",
            "imaps", "lmtp", "metrics", "ldap")
# The demo's, which documents name.
DEMO_PORTS = dict(zip(SERVICES, (2525, 2587, 2465, 2110, 2995, 2143, 2993,
                                 2024, 2090, 2389)))
TLS_SERVICES = ("submissions", "pop3s", "imaps")

# Numeric ids of the processes when hikyakud is root.  Debian gives ids from
# 60000 to 64999 to nobody but packages that ask (Debian Policy 9.2.2); those
# of tenants lie within hikyaku.conf's tenant-uids.
UIDS = {"smtpd": 62101, "deliveryd": 62102, "tenantd": 62103,
        "pop3d": 62104, "imapd": 62105, "metricsd": 62106, "antivirus": 62107,
        "quarantine": 62108,
        "forward": 62109, "relayd": 62110, "autoreply": 62111}
TENANT_UIDS = {"aozora": 200001, "midori": 200002}


_CONF = """\
# Made by Hikyaku's demo.  hikyaku.conf(5) tells what each key means.
hostname = "mail.aozora.example"
store-directory = "{root}/store"
state-directory = "{root}/state"
run-directory = "{root}/run"
log-target = file
log-file = "{log}"
log-level = info
tls {{ certificate = {{ {files} }} }}
users {{
{users}
}}
metrics {{ address = {{ "127.0.0.1:{metrics}" }} }}
tenantd {{
	uri = "ldap://127.0.0.1:{ldap}"
	bind-dn = "cn=tenantd,ou=platform,o=hikyaku"
	password-file = "{root}/ldap/tenantd.password"
	rehash-password-file = "{root}/ldap/rehash.password"
{tenantd}}}
manage {{ password-file = "{root}/ldap/operator.password" }}
smtpd {{
	mechanisms = {{ {mechanisms} }}
{smtpd}}}
deliveryd {{
{deliveryd}}}
relayd {{
{relayd}}}
pop3d {{
	mechanisms = {{ {mechanisms} }}
{pop3d}}}
imapd {{
	mechanisms = {{ {mechanisms} }}
{imapd}}}
store {{
{store}}}
"""


def reachable(path):
    """The first directory above path that other users cannot pass, or None.

    Daemons run under users of their own, so that every directory above what
    they execute and open must let them through.
    """
    path = pathlib.Path(path).resolve()
    for directory in [*reversed(path.parents)]:
        if directory.exists() and not directory.stat().st_mode & 0o001:
            return directory
    return None


class Platform:
    """The platform in root, from the build tree build."""

    def __init__(self, root, build, ports=None, settings=None,
                 installed=None):
        """settings: further lines of sections, {"smtpd": ["a = 1"]}.
        installed: a prefix to copy, instead of installing the build."""
        self.installed = installed
        self.root = pathlib.Path(root).resolve()
        self.build = pathlib.Path(build).resolve()
        self.ports = ports or free_ports(SERVICES)
        self.settings = settings or {}
        self.as_root = os.geteuid() == 0
        self.prefix = self.root / "prefix"
        self.conf = self.root / "hikyaku.conf"
        self.log_path = self.root / "log" / "hikyaku.log"
        self.certificates = self.root / "certs"
        self.certificate_files = None  # others than the demo's

    # ---- making it ---------------------------------------------------------

    def create(self):
        """Makes whatever is not there yet."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        if self.as_root:
            blocked = reachable(self.root / "x")
            if blocked:
                raise RuntimeError(
                    "%s: daemons run under their own users, which cannot "
                    "pass %s (mode %04o)" % (
                        self.root, blocked, blocked.stat().st_mode & 0o7777))
        for name, mode in (("", 0o755), ("log", 0o750), ("store", 0o711),
                           ("state", 0o711), ("run", 0o711),
                           ("certs", 0o755)):
            path = self.root / name
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
        self.install()
        for host in HOSTS:
            for kind in ("ecdsa", "rsa"):
                certs.make_certificate(self.certificates, host, kind)
        self.slapd("init")
        if not self.conf.exists():  # else its owner may have changed it
            self.write_conf()

    def install(self, prefix=None):
        """Installs the build tree; only what changed is copied."""
        if self.installed:
            shutil.copytree(self.installed, self.prefix, symlinks=True,
                            dirs_exist_ok=True)
            return
        self._must(["make", "-s", "-C", self.build, "install",
                    "prefix=%s" % (prefix or self.prefix),
                    "INSTALL=install -C"])

    def write_conf(self):
        with contextlib.suppress(FileNotFoundError):
            self.conf.unlink()
        self.conf.touch(0o600)
        self.conf.write_text(self.conf_text())

    def conf_text(self):
        """The whole configuration, a complete example of a small node."""
        files = self.certificate_files or [
            self.certificates / ("%s.%s.pem" % (host, kind))
            for host in HOSTS for kind in ("ecdsa", "rsa")]
        text = _CONF.format(
            mechanisms='"SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"',
            root=self.root, daemons=self.prefix / "libexec" / "hikyaku",
            log=self.log_path, ldap=self.ports["ldap"],
            metrics=self.ports["metrics"], users="\n".join(
                '\t%s = "%d"' % item for item in UIDS.items()),
            files=", ".join('"%s"' % f for f in files),
            **{name: "".join("\t%s\n" % line
                             for line in self.settings.get(name, ()))
               for name in ("tenantd", "smtpd", "deliveryd", "relayd",
                            "pop3d", "imapd", "store")})
        for name in SERVICES:
            if name in ("ldap", "metrics"):
                continue
            addresses = (["127.0.0.1:%d" % self.ports[name]]
                         if name in self.ports else [])
            if name == "lmtp":
                addresses.append("%s/run/lmtp.sock" % self.root)
            text += "listen %s { address = { %s } }\n" % (
                name, ", ".join('"%s"' % a for a in addresses))
        return "\n".join([text, *self.settings.get("", ()), ""])

    # ---- running it ----------------------------------------------------------

    @property
    def command(self):
        """The hikyaku command with its configuration."""
        return [str(self.prefix / "bin" / "hikyaku"), "-c", str(self.conf)]

    def hikyaku(self, *args, check=True, timeout=60):
        """Runs a subcommand; answers the finished process."""
        got = subprocess.run([*self.command, *args], capture_output=True,
                             text=True, timeout=timeout, check=False)
        if check and got.returncode != 0:
            raise RuntimeError("hikyaku %s: exit status %d\n%s%s%s" % (
                " ".join(args), got.returncode, got.stdout, got.stderr,
                self.log_tail()))
        return got

    def start(self):
        self.slapd("start")
        self.hikyaku("start")
        return self

    def stop(self):
        if (self.prefix / "bin" / "hikyaku").exists():
            self.hikyaku("stop", check=False)
        if (self.root / "ldap" / "listen").exists():
            self.slapd("stop", check=False)

    def slapd(self, action, check=True):
        """init, start, stop or status of the platform's own slapd; stopping
        what was never made is no error."""
        script = self.prefix / "libexec" / "hikyaku" / "hikyaku-slapd"
        if action == "stop" and not (self.root / "ldap" / "listen").exists():
            return None
        argv = [script, action]
        if action == "init":
            # Without root, the numbers are only names.
            uids = TENANT_UIDS if self.as_root else {
                "aozora": os.geteuid(), "midori": os.geteuid() + 1}
            argv += ["-d", "-l", "127.0.0.1:%d" % self.ports["ldap"]]
            for item in uids.items():
                argv += ["-u", "%s=%d" % item]
            if self.as_root:
                argv += ["-t", UIDS["tenantd"]]
        got = subprocess.run([str(a) for a in [*argv, self.root / "ldap"]],
                             capture_output=True, text=True, check=False)
        if check and got.returncode != 0:
            raise RuntimeError("hikyaku-slapd %s: exit status %d\n%s%s" % (
                action, got.returncode, got.stdout, got.stderr))
        return got

    def ldap(self, tool, ldif="", *args):
        """ldapadd or ldapmodify with LDIF, as the platform's operator."""
        got = subprocess.run(
            [tool, "-x", "-H", "ldap://127.0.0.1:%d" % self.ports["ldap"],
             "-D", "cn=operator,ou=platform,o=hikyaku",
             "-y", str(self.root / "ldap" / "operator.password"), *args],
            input=ldif, capture_output=True, text=True, check=False)
        if got.returncode != 0:
            raise RuntimeError("%s: %s%s" % (tool, got.stdout, got.stderr))
        return got.stdout

    def _must(self, argv, **kwargs):
        got = subprocess.run([str(a) for a in argv], capture_output=True,
                             text=True, check=False, **kwargs)
        if got.returncode != 0:
            raise RuntimeError("%s: exit status %d\n%s%s" % (
                " ".join(map(str, argv)), got.returncode, got.stdout,
                got.stderr))
        return got.stdout

    # ---- looking at it ---------------------------------------------------------

    def processes(self):
        """{pid: command line} of every process of this platform, slapd apart.

        By what they execute, since a daemon outlives hikyakud.
        """
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                exe = os.readlink(entry / "exe")
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if exe.startswith(str(self.prefix) + "/"):
                found[int(entry.name)] = [
                    a.decode(errors="replace")
                    for a in line.rstrip(b"\0").split(b"\0")]
        return found

    def pids(self, name):
        """Pids of "smtpd", "imapd", ... or of "imapd gate", "imapd session"."""
        program, _, role = name.partition(" ")
        return sorted(
            pid for pid, argv in self.processes().items()
            if pathlib.Path(argv[0]).name == program
            and (not role or any(a == "--role=" + role for a in argv)))

    def kill(self, name, number=signal.SIGKILL):
        """Sends a signal to all processes of that name; answers the pids."""
        pids = self.pids(name)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def log(self):
        """The whole log."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(errors="replace")

    def log_mark(self):
        """Where the log ends now, for log_since."""
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def log_since(self, mark):
        with open(self.log_path, "rb") as f:
            f.seek(mark)
            return f.read().decode(errors="replace")

    def log_tail(self, lines=30):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_log(self, pattern, mark=0, seconds=10):
        """Waits until a line after mark matches; answers the match."""
        deadline = time.monotonic() + seconds
        while True:
            text = self.log_since(mark) if self.log_path.exists() else ""
            match = re.search(pattern, text, re.M)
            if match:
                return match
            if time.monotonic() > deadline:
                raise AssertionError("no log line matches %r in:\n%s"
                                     % (pattern, text[-4000:]))
            time.sleep(0.05)

    # ---- talking to it -----------------------------------------------------------

    def tls(self):
        """What a mail client that trusts the demo CA would use."""
        return ssl.create_default_context(
            cafile=str(self.certificates / "ca.pem"))

    def smtp(self, service="mx", login=None, password=PASSWORD, timeout=60):
        """An smtplib session: greeting and EHLO done, logged in if asked."""
        port = self.ports[service]
        if service in TLS_SERVICES:
            smtp = smtplib.SMTP_SSL("127.0.0.1", port, "client.example",
                                    context=self.tls(), timeout=timeout)
        else:
            smtp = smtplib.SMTP("127.0.0.1", port, "client.example",
                                timeout=timeout)
        try:
            smtp.ehlo()
            if service == "submission":
                smtp.starttls(context=self.tls())
                smtp.ehlo()
            if login:
                smtp.login(login, password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def send(self, octets, to="yuki@midori.example",
             sender="someone@outside.example", **how):
        """Sends a message; octets go as they are, dots stuffed."""
        recipients = [to] if isinstance(to, str) else list(to)
        with self.smtp(**how) as smtp:
            return self.send_with(smtp, octets, recipients, sender)

    @staticmethod
    def send_with(smtp, octets, recipients, sender="someone@outside.example"):
        """One transaction; answers the reply after the data.

        smtplib's own data() rewrites line ends, so this sends octets itself.
        """
        def want(code_reply, wanted):
            if code_reply[0] not in wanted:
                smtp.rset()
                raise smtplib.SMTPResponseException(*code_reply)
            return code_reply

        want(smtp.mail(sender, ["body=8bitmime"]), (250,))
        for recipient in recipients:
            want(smtp.rcpt(recipient), (250, 251))
        want(smtp.docmd("DATA"), (354,))
        stuffed = re.sub(rb"(?m)^\.", b"..", octets)
        smtp.send(stuffed + b".\r\n")
        return want(smtp.getreply(), (250,))

    def pop(self, login, password=PASSWORD, service="pop3s", timeout=60):
        if service in TLS_SERVICES:
            pop = poplib.POP3_SSL("127.0.0.1", self.ports[service],
                                  context=self.tls(), timeout=timeout)
        else:
            pop = poplib.POP3("127.0.0.1", self.ports[service],
                              timeout=timeout)
            pop.stls(self.tls())
        pop.user(login)
        pop.pass_(password)
        return pop

    def imap(self, login, password=PASSWORD, service="imaps", timeout=60):
        if service in TLS_SERVICES:
            imap = imaplib.IMAP4_SSL("127.0.0.1", self.ports[service],
                                     ssl_context=self.tls(), timeout=timeout)
        else:
            imap = imaplib.IMAP4("127.0.0.1", self.ports[service],
                                 timeout=timeout)
            imap.starttls(self.tls())
        imap.login(login, password)
        return imap

    def wait_placed(self, seconds=20):
        """Waits until all mail that was acknowledged is in its mailbox: under
        load that takes longer than the 250."""
        deadline = time.monotonic() + seconds
        while "no message waits in the journal" not in \
                self.hikyaku("status").stdout:
            if time.monotonic() > deadline:
                raise AssertionError("mail waits:\n" + self.log_tail())
            time.sleep(0.05)

    def empty(self, login):
        """Removes every message of the INBOX."""
        with self.imap(login) as imap:
            if imap.select("INBOX")[1] == [b"0"]:
                return
            imap.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
            imap.expunge()

    def destroy(self):
        """Stops it and removes the directory."""
        self.stop()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)
