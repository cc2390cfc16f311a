# SPDX-License-Identifier: BSD-2-Clause
"""What all peers share: fetch, configure, start, stop, self-test."""

import os
import pathlib
import shutil
import smtplib
import tempfile
import time

from support.ports import free_port

from .root import CACHE, PeerMissing, PrivateRoot, unpack, wait_for_port


class Peer:
    """A server of somebody else on loopback ports.

        with Dovecot() as peer:
            imaplib.IMAP4("127.0.0.1", peer.ports["imap"])

    Subclasses set name, packages and port_names, and write configure(),
    command() and self_test().
    """

    name = ""
    packages = []
    leave_out = ()
    port_names = ()
    password = "peer"

    def __init__(self, state=None, ports=None, cache=CACHE, binds=None):
        """state: directory that is kept; without it one is made and removed.
        ports: fixed ports by name; the rest are free ones.
        binds: directories of the machine to show inside, {host: inside}.
        """
        if os.geteuid() != 0:
            raise PeerMissing("%s runs under several users: needs root"
                              % self.name)
        self.ports = {n: free_port() for n in self.port_names}
        self.ports.update(ports or {})
        unpacked = unpack(self.name, self.packages, self.leave_out,
                          pathlib.Path(cache))
        self._remove = state is None
        self.state = pathlib.Path(
            state or tempfile.mkdtemp(prefix="hk-%s-" % self.name))
        self.state.chmod(0o755)
        self.root = PrivateRoot(unpacked, self.state, binds)

    def configure(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def self_test(self):
        raise NotImplementedError

    def start(self):
        self.configure()
        self.root.start(self.command())
        try:
            for port in self.ports.values():
                wait_for_port(port, 30, self.root.alive)
        except (RuntimeError, TimeoutError) as e:
            text = self.log()
            self.stop()
            raise RuntimeError("%s: %s\n%s" % (self.name, e, text)) from None
        return self

    def stop(self):
        self.root.stop()
        if self._remove:
            shutil.rmtree(self.state, ignore_errors=True)

    def log(self):
        return self.root.log()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()


class SmtpPeer(Peer):
    """A mail server that takes everything for peer.example into one Maildir,
    /srv/mail/all, as user 61003."""

    port_names = ("smtp",)

    def make_mail_directory(self):
        for d in ("/srv/mail", "/srv/mail/all"):
            path = self.root.path(d)
            path.mkdir(exist_ok=True)
            os.chown(path, 61003, 61003)

    def mails(self):
        """The messages that arrived for peer.example."""
        return [p.read_bytes() for p in sorted(
            self.root.path("/srv/mail/all/new").glob("*"))]

    def wait_mail(self, octets, seconds=20):
        """Waits until a message that contains octets has arrived."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for mail in self.mails():
                if octets in mail:
                    return mail
            time.sleep(0.1)
        raise AssertionError("%s: %r did not arrive:\n%s" % (
            self.name, octets, self.log()))

    def self_test(self):
        """A message comes in by SMTP and lands in the Maildir."""
        with smtplib.SMTP("127.0.0.1", self.ports["smtp"]) as smtp:
            smtp.sendmail("a@peer.example", ["b@peer.example"],
                          b"Subject: peer self-test\r\n\r\none\r\n")
        self.wait_mail(b"peer self-test")
