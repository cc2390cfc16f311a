# SPDX-License-Identifier: BSD-2-Clause
"""The hikyaku command as tests use it, and what shows that it worked."""

import base64
import hashlib
import json
import os
import pty
import re
import subprocess
import time

from .platform import PASSWORD

DONE, REFUSED, USAGE, NOT_FOUND, NO_DIRECTORY, PARTLY = 0, 1, 2, 4, 5, 6


class Tool:
    """The command against one platform."""

    def __init__(self, platform):
        self.platform = platform
        self.secret = platform.root / "admin.password"
        self.secret.write_text(PASSWORD + "\n")

    def run(self, *args, stdin=""):
        """The finished process."""
        return subprocess.run([*self.platform.command, *args], input=stdin,
                              capture_output=True, text=True, timeout=60,
                              check=False)

    def __call__(self, *args, stdin="", status=DONE):
        """What it said: on standard output, or of an error."""
        got = self.run(*args, stdin=stdin)
        assert got.returncode == status, (args, got.stdout, got.stderr)
        return got.stdout if status == DONE else got.stderr

    def as_(self, who, *args, **how):
        return self(*args, "--as", who, "--password-file", str(self.secret),
                    **how)

    def show(self, kind, name):
        return json.loads(self(kind, "show", name, "--json"))

    def stored(self, address, attribute):
        """Values of an attribute, as tenantd sees them."""
        root = self.platform.root / "ldap"
        got = subprocess.run(
            ["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H",
             "ldap://127.0.0.1:%d" % self.platform.ports["ldap"], "-D",
             "cn=tenantd,ou=platform,o=hikyaku", "-y",
             str(root / "tenantd.password"), "-b", "ou=tenants,o=hikyaku",
             "(mailLocalAddress=%s)" % address, attribute],
            capture_output=True, text=True, check=True).stdout
        return [base64.b64decode(value) if colon else value.encode()
                for colon, value in re.findall(
                    r"^%s:(:?) (.*)$" % attribute, got, re.M)]


def can_login(platform, login, password):
    try:
        platform.pop(login, password).quit()
    except Exception as error:  # pylint: disable=broad-except
        assert "AUTH" in str(error) or "wrong" in str(error).lower(), error
        return False
    return True


def eventually(check, seconds=2.0):
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def on_terminal(argv, answers):
    """What a command shows when a person types the answers."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    shown = b""
    for count, answer in enumerate(answers):
        while shown.count(b": ") <= count:
            shown += os.read(fd, 1000)
        os.write(fd, answer + b"\n")
    try:
        while True:
            shown += os.read(fd, 1000)
    except OSError:
        pass
    return shown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def rcpt(platform, address):
    with platform.smtp() as s:
        s.mail("someone@outside.example")
        return s.rcpt(address)[0]


def shard(platform, tenant, name):
    """Where the store keeps an account, put aside or not."""
    digest = hashlib.sha256(name.removesuffix(".removed").encode())
    return (platform.root / "store" / tenant / digest.hexdigest()[:2] / name)


def maildir_of(platform, tool, address):
    """The account's directory, whether it is there or not."""
    got = tool.show("account", address)
    return shard(platform, got["tenant"], got["id"])
