# SPDX-License-Identifier: BSD-2-Clause
"""POP3 clients that leave mail on the server, each with a memory of its own of
what it has: what people have run every few minutes for years.

A client answers fetch() with the messages that it took for new ones.  The
memory is what the program itself keeps; poplib and curl know nothing of it, so
that for them it is a set of unique-ids.
"""

import collections
import os
import re
import subprocess

from support.platform import PASSWORD

MARK = re.compile(rb"^X-Keep: (\d+)\r?$", re.M)


def message(number):
    """One that can be told from all others."""
    return (b"From: someone@outside.example\r\nTo: you@midori.example\r\n"
            b"Date: Tue, 24 Nov 2026 08:30:00 +0900\r\n"
            b"Message-ID: <keep-%d@outside.example>\r\n"
            b"Subject: keep %d\r\nX-Keep: %d\r\n\r\n.body\r\n" % (
                number, number, number))


class Keeper:
    """One client, and how often it has seen each message."""

    def __init__(self, platform, directory, login):
        self.platform, self.login = platform, login
        self.directory = directory / type(self).__name__
        self.directory.mkdir()
        self.seen = collections.Counter()
        self.port = platform.ports["pop3s"]
        self.ca = platform.certificates / "ca.pem"
        self.prepare()

    def prepare(self):
        pass

    def fetch(self):
        raise NotImplementedError

    def poll(self):
        """Fetches what is new; answers how many that were."""
        new = self.fetch()
        marks = [int(MARK.search(octets)[1]) for octets in new]
        self.seen.update(marks)
        return len(marks)

    def wrong(self, wanted):
        """{number of a message: how often it came} but for once each."""
        return {number: self.seen[number] for number in
                set(wanted) | set(self.seen) if self.seen[number] != 1}

    def run(self, *argv, good=(0,)):
        got = subprocess.run(
            [str(a) for a in argv], capture_output=True, timeout=60,
            check=False, env={**os.environ, "HOME": str(self.directory)})
        assert got.returncode in good, "%s: status %d\n%s\n%s" % (
            argv[0], got.returncode, got.stdout[-3000:].decode(
                errors="replace"), got.stderr[-3000:].decode(errors="replace"))
        return got.stdout

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def take(self, path):
        """The messages in a Maildir of the client's, which then are gone."""
        new = []
        for part in ("new", "cur"):
            for file in (path / part).iterdir():
                new.append(file.read_bytes())
                file.unlink()
        return new


class Fetchmail(Keeper):
    def prepare(self):
        self.out = self.directory / "out"
        self.rc = self.write(
            "rc", 'poll 127.0.0.1 protocol pop3 port %d auth password uidl\n'
            ' user "%s" password "%s" ssl keep sslcertfile "%s" sslcertck\n'
            ' sslcommonname "mail.aozora.example" mda "cat >>%s"\n' % (
                self.port, self.login, PASSWORD, self.ca, self.out))

    def fetch(self):
        self.run("fetchmail", "-f", self.rc, "--nosyslog", "--idfile",
                 self.directory / "ids", "--pidfile", self.directory / "pid",
                 good=(0, 1))  # 1: no new mail
        if not self.out.exists():
            return []
        octets = self.out.read_bytes()
        self.out.unlink()
        # One after the other; each has one mark.
        return [b"X-Keep: %s\n" % mark for mark in MARK.findall(octets)]


class Getmail(Keeper):
    def prepare(self):
        self.box = self.directory / "Mail"
        for part in ("new", "cur", "tmp"):
            (self.box / part).mkdir(parents=True)
        self.rc = self.write(
            "rc", "[retriever]\ntype = SimplePOP3SSLRetriever\n"
            "server = localhost\nport = %d\nusername = %s\npassword = %s\n"
            "ca_certs = %s\n\n[destination]\ntype = MDA_external\n"
            "path = /bin/sh\nunixfrom = false\nallow_root_commands = true\n"
            "arguments = ('-c', 'cat >\"$0/new/$$\"', '%s')\n\n"
            "[options]\nread_all = false\ndelete = false\n" % (
                self.port, self.login, PASSWORD, self.ca, self.box))

    def fetch(self):
        self.run("getmail", "--getmaildir", self.directory, "--rcfile",
                 self.rc)
        return self.take(self.box)


class Mpop(Keeper):
    def prepare(self):
        self.box = self.directory / "Mail"
        for part in ("new", "cur", "tmp"):
            (self.box / part).mkdir(parents=True)
        self.rc = self.write(
            "rc", "account default\nhost localhost\nport %d\nuser %s\n"
            "password %s\ntls on\ntls_starttls off\ntls_trust_file %s\n"
            "keep on\nuidls_file %s\ndelivery maildir %s\n" % (
                self.port, self.login, PASSWORD, self.ca,
                self.directory / "uidls", self.box))

    def fetch(self):
        self.run("mpop", "--file=%s" % self.rc, "--quiet")
        return self.take(self.box)


class Curl(Keeper):
    def prepare(self):
        self.known = set()
        self.base = "pop3s://localhost:%d/" % self.port
        self.how = ["curl", "-sS", "--max-time", "30", "--cacert", self.ca,
                    "--user", "%s:%s" % (self.login, PASSWORD)]

    def fetch(self):
        new = []
        for line in self.run(*self.how, "-X", "UIDL",
                             self.base).splitlines():
            number, _, unique_id = line.partition(b" ")
            if unique_id not in self.known:
                new.append(self.run(*self.how, self.base + number.decode()))
                self.known.add(unique_id)
        return new


class Poplib(Keeper):
    """By TOP of the whole message, as some do in place of RETR."""

    def prepare(self):
        self.known = set()

    def fetch(self):
        pop = self.platform.pop(self.login)
        new = []
        for line in pop.uidl()[1]:
            number, _, unique_id = line.partition(b" ")
            if unique_id not in self.known:
                new.append(b"\r\n".join(pop.top(int(number), 9999)[1]))
                self.known.add(unique_id)
        pop.quit()
        return new


KEEPERS = (Fetchmail, Getmail, Mpop, Curl, Poplib)
