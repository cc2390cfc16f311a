# SPDX-License-Identifier: BSD-2-Clause
"""A platform whose mail is judged by the milters that a test chooses."""

import contextlib

from .milters import RawMilter, ScriptFilter
from .wire import Wire

HANAKO, TARO, YUKI = ("hanako@aozora.example", "taro@aozora.example",
                      "yuki@midori.example")
MESSAGE = (b"From: a@outside.example\r\nSubject: one\r\n"
           b"X-Long: a\r\n\tb\r\n c\r\nTo: yuki@midori.example\r\n\r\n"
           b"Hello.\r\n")
NO_ALL = 0x37f  # no event but the end of the message

CHAIN = 'milters-mx = { %s }'
USUAL = {"spare": "0", "command-wait": "2s", "content-wait": "2s",
         "connect-wait": "1s"}


def section(name, where, settings):
    """settings: "key = value key = value"."""
    words = settings.split()
    values = {**USUAL, "socket": '"%s"' % where,
              **dict(zip(words[::3], words[2::3]))}
    return "milter %s { %s }" % (name, " ".join(
        "%s = %s" % item for item in values.items()))


class Chain:
    """A platform whose chain a test sets."""

    def __init__(self, platform, build):
        self.platform = platform
        self.directory = platform.root / "milters"
        self.directory.mkdir()
        self.directory.chmod(0o755)
        self.one = ScriptFilter(build, self.directory, "one")
        self.two = ScriptFilter(build, self.directory, "two")
        self.raw = RawMilter()
        self.now = None
        self.maildirs = {login: self.find_maildir(login)
                         for login in (YUKI, HANAKO, TARO)}
        self.before = self.files()

    def find_maildir(self, login):
        """Read as files: a session of IMAP a test would take too long."""
        self.platform.send(b"Subject: where\r\n\r\n", to=login)
        self.platform.wait_placed()
        found = [path for path in self.platform.root.glob(
            "store/*/*/*/Maildir/new/*") if "Delivered-To: %s\n" % login
            in path.read_text().replace("\r", "")]
        assert len(found) == 1, found
        return found[0].parents[1]

    def files(self):
        return {path.name for maildir in self.maildirs.values()
                for pattern in ("new/*", ".*/new/*")
                for path in maildir.glob(pattern)}

    def use(self, *milters, **settings):
        """The chain of these: "one", "two", "raw"; settings by name."""
        wanted = (milters, tuple(settings.items()))
        for each in (self.one, self.two):
            each.script()
        self.raw.set()
        if self.now == wanted:
            return
        self.now = wanted
        self.platform.settings["smtpd"] = [
            CHAIN % ", ".join(milters),
            CHAIN.replace("mx", "submission") % ", ".join(milters)]
        self.platform.settings[""] = [
            section(name, getattr(self, name).socket,
                    settings.get(name, ""))
            for name in ("one", "two", "raw")]
        self.platform.write_conf()
        mark = self.platform.log_mark()
        self.platform.hikyaku("reload")
        self.platform.wait_log(r"smtpd\[\d+\].* configuration reloaded", mark)

    def close(self):
        for each in (self.one, self.two):
            each.stop()
        self.raw.close()


@contextlib.contextmanager
def session(chain, service="mx"):
    with Wire(chain.platform, service) as w:
        assert w.smtp()[0] == 220
        assert w.smtp(b"EHLO client.example")[0] == 250
        yield w


def envelope(w, *to, sender="a@outside.example"):
    assert w.smtp(b"MAIL FROM:<%s> BODY=8BITMIME" % sender.encode())[0] == 250
    for each in to or (YUKI,):
        assert w.smtp(b"RCPT TO:<%s>" % each.encode())[0] == 250


def data(w, message=MESSAGE):
    assert w.smtp(b"DATA")[0] == 354
    w.send(message + b".\r\n")
    return w.smtp()


def send(chain, *to, message=MESSAGE):
    """One message in a session of its own; the reply after the data."""
    with session(chain) as w:
        envelope(w, *to)
        return data(w, message)


def inbox(chain, login=YUKI, folder=""):
    """What has come since forget."""
    chain.platform.wait_placed()
    pattern = ".%s/new/*" % folder if folder else "new/*"
    return [path.read_bytes() for path in sorted(
        chain.maildirs[login].glob(pattern), key=lambda p: p.stat().st_mtime)
        if path.name not in chain.before]


def forget(chain):
    chain.platform.wait_placed()
    chain.before = chain.files()


def only(chain, login=YUKI, folder=""):
    messages = inbox(chain, login, folder)
    assert len(messages) == 1, messages
    return messages[0]
