# SPDX-License-Identifier: BSD-2-Clause
"""Several LDAP servers: real slapds, over TLS, of which one goes."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from conftest import BUILD, _finish
from support import certs
from support.platform import Platform
from support.ports import free_ports
from test_directory import (
    HANAKO, add_value, can_login, eventually, rcpt)

KNOWN = "hanako@aozora.example"
REPLICATOR = "cn=replicator,ou=platform,o=hikyaku"


class Server:
    """One slapd in the foreground, with a directory that hikyaku-slapd made.

    It speaks ldap:// with StartTLS and ldaps:// under the certificate pem.
    """

    def __init__(self, platform, root, pem):
        self.root, self.pem = pathlib.Path(root), pathlib.Path(pem)
        self.user = ((platform.root / "ldap" / "user").read_text().strip()
                     if platform.as_root else None)
        ports = free_ports(["ldap", "ldaps"])
        self.urls = "ldap://127.0.0.1:%(ldap)d ldaps://127.0.0.1:%(ldaps)d" \
            % ports
        self.plain, self.tls = self.urls.split()
        self.process = None
        self._certify()

    def _certify(self):
        chain, key = self.root / "tls.pem", self.root / "tls.key"
        text = self.pem.read_text()
        at = text.index("-----BEGIN PRIVATE KEY")
        chain.write_text(text[:at])
        key.write_text(text[at:])
        self.config("dn: cn=config\nchangetype: modify\n"
                    "replace: olcTLSCertificateFile\n"
                    "olcTLSCertificateFile: %s\n-\n"
                    "replace: olcTLSCertificateKeyFile\n"
                    "olcTLSCertificateKeyFile: %s\n" % (chain, key))

    def config(self, ldif):
        """Changes its configuration while it does not run."""
        subprocess.run(["slapmodify", "-n", "0", "-F",
                        self.root / "slapd.d"], input=ldif, text=True,
                       check=True)
        if self.user:  # whom the passwords beside it are none of
            subprocess.run(
                ["chown", "-R", self.user + ":", *(self.root / name for name in (
                    "slapd.d", "db", "tls.pem", "tls.key"))], check=True)
            # For its pid file.
            subprocess.run(["chown", self.user + ":", self.root], check=True)

    def start(self):
        argv = ["slapd", "-d", "0", "-h", self.urls, "-F",
                str(self.root / "slapd.d")]
        if self.user:
            argv += ["-u", self.user]
        self.process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        assert eventually(self.answers, 30)
        return self

    def answers(self):
        return subprocess.run(
            ["ldapsearch", "-x", "-H", self.plain, "-b", "", "-s", "base"],
            capture_output=True, check=False).returncode in (0, 8, 48, 53)

    def signal(self, number):
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()


def copy(platform, root, first, pem):
    """Another server's directory made from the first one's, without data."""
    shutil.copytree(first.root, root)
    for path in (root / "db").iterdir():
        path.unlink()
    server = Server(platform, root, pem)
    server.config("dn: cn=config\nchangetype: modify\nreplace: olcPidFile\n"
                  "olcPidFile: %s/slapd.pid\n-\nreplace: olcArgsFile\n"
                  "olcArgsFile: %s/slapd.args\n\n"
                  "dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\n"
                  "replace: olcDbDirectory\nolcDbDirectory: %s/db\n" % (
                      root, root, root))
    return server


def replica(platform, root, first, pem):
    """A second server that has what the first one has, and follows it."""
    server = copy(platform, root, first, pem)
    text = subprocess.run(
        ["slapcat", "-n", "1", "-F", first.root / "slapd.d"],
        capture_output=True, text=True, check=True).stdout
    subprocess.run(["slapadd", "-w", "-n", "1", "-F", root / "slapd.d"],
                   input=text, text=True, check=True)
    server.config(
        "dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\n"
        "add: olcSyncrepl\nolcSyncrepl: {0}rid=001 provider=%s "
        "bindmethod=simple binddn=\"%s\" credentials=%s "
        "searchbase=\"o=hikyaku\" type=refreshAndPersist retry=\"1 +\"\n"
        "-\nadd: olcUpdateRef\nolcUpdateRef: %s\n" % (
            first.plain, REPLICATOR,
            (root / "replicator.password").read_text(), first.plain))
    return server


@contextlib.contextmanager
def running(installed, prepare, uris):
    """A platform whose tenantd uses the servers that prepare() made."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="hk-test-"))
    platform = Platform(root, BUILD, installed=installed)
    servers = []
    try:
        platform.create()
        servers += prepare(platform)
        text = platform.conf.read_text().replace(
            'uri = "ldap://127.0.0.1:%d"' % platform.ports["ldap"],
            'uri = "%s"\n\tca-file = "%s"%s' % (
                uris(servers), platform.certificates / "ca.pem",
                "" if "ldaps:" in uris(servers) else "\n\tstarttls = yes"))
        platform.conf.write_text(text)
        for server in servers:
            server.start()
        # What edits and the tools of tests speak to.
        platform.ports["ldap"] = int(servers[0].plain.rsplit(":")[-1])
        platform.hikyaku("start")
        yield platform, servers
        platform.hikyaku("stop")
    finally:
        for server in servers:
            server.stop()
        if servers:
            _finish(platform)
        else:
            platform.destroy()


def two_servers(platform):
    pem = certs.make_certificate(platform.certificates, "ldap.isp.example",
                                 "ecdsa")
    first = Server(platform, platform.root / "ldap", pem)
    return [first, replica(platform, platform.root / "ldap2", first,
                           pem)]


def test_one_of_two_goes(installed):
    """StartTLS to both; the first is killed, comes back, hangs."""
    with running(installed, two_servers,
                 lambda s: " ".join(x.plain for x in s)) as (
                     platform, (first, second)):
        in_use = "LDAP server in use uri=%s"
        platform.wait_log(in_use % first.plain)
        platform.wait_log("following the directory")
        assert can_login(platform, KNOWN) is True
        mark = platform.log_mark()

        first.signal(signal.SIGKILL)
        started = time.monotonic()
        # Nobody has asked for these: the second server answers.
        assert rcpt(platform, "jiro@aozora.example", "ken@midori.example",
                    "nobody@aozora.example") == [250, 250, 550]
        assert time.monotonic() - started < 3
        assert can_login(platform, "taro@aozora.example") is True
        platform.wait_log(in_use % second.plain, mark)
        platform.wait_log("following the directory", mark)

        # Where writes go comes back and is preferred again.
        mark = platform.log_mark()
        first.start()
        platform.wait_log(in_use % first.plain, mark, 15)
        platform.wait_log("following the directory", mark)
        platform.ldap("ldapmodify", add_value(
            HANAKO, "mailLocalAddress", "after@aozora.example"))
        assert eventually(lambda: rcpt(
            platform, "after@aozora.example") == [250])

        # It says nothing any more, and its connections stay open.
        first.signal(signal.SIGSTOP)
        started = time.monotonic()
        assert rcpt(platform, "yuki@midori.example") == [250]
        assert rcpt(platform, "nobody2@aozora.example") == [550]
        assert time.monotonic() - started < 5
        # The replica has heard of the new address before.
        assert rcpt(platform, "after@aozora.example") == [250]


def bad_servers(platform):
    """A stranger's certificate, another host's, an old one, and a good one."""
    elsewhere = platform.root / "elsewhere"
    pems = [certs.make_certificate(elsewhere, "ldap.isp.example", "ecdsa"),
            certs.make_certificate(platform.certificates,
                                   "other.isp.example", "ecdsa",
                                   anywhere=False),
            certs.make_certificate(platform.certificates,
                                   "ldap.isp.example", "ecdsa")]
    servers = [Server(platform, platform.root / "ldap", pems[2])]
    for number, pem in enumerate(pems[:2]):
        servers.append(copy(platform, platform.root / ("bad%d" % number),
                            servers[0], pem))
    return servers


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_certificates_are_verified(installed, tls):
    """RFC 4513 3.1.3: whoever cannot prove to be the server gets nothing."""
    def uris(servers):
        return " ".join(s.tls if tls == "ldaps" else s.plain
                        for s in [*servers[1:], servers[0]])

    with running(installed, bad_servers, uris) as (platform, servers):
        good, *bad = uris(servers).split()[::-1]
        platform.wait_log("LDAP server in use uri=%s" % good)
        for uri in bad:
            platform.wait_log("LDAP server not usable uri=%s .*"
                              "(certificate|TLS|hostname)" % uri)
        assert can_login(platform, KNOWN) is True
        # Only the last one was ever logged in to.
        assert platform.log().count("LDAP server in use") == 1


def test_no_tls_no_word(installed):
    """starttls = yes and a server that has none: no password is said."""
    def prepare(platform):
        server = Server(platform, platform.root / "ldap",
                        certs.make_certificate(
                            platform.certificates, "ldap.isp.example",
                            "ecdsa"))
        server.config("dn: cn=config\nchangetype: modify\n"
                      "delete: olcTLSCertificateFile\n-\n"
                      "delete: olcTLSCertificateKeyFile\n")
        return [server]

    with running(installed, prepare, lambda s: s[0].plain) as (platform, _):
        platform.wait_log("LDAP server not usable")
        assert can_login(platform, KNOWN) == "temp"
        assert "LDAP server in use" not in platform.log()
