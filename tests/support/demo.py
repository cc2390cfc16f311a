#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What ./quickstart does once Hikyaku is built."""

import os
import pathlib
import socket
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

from support.platform import (  # noqa: E402
    ACCOUNTS, DEMO_PORTS, PASSWORD, Platform, reachable)

DEMO = TOP / "demo"
HANAKO, YUKI = "hanako@aozora.example", "yuki@midori.example"


def demo_directory():
    """./demo, or where it points.

    Daemons under their own users must be able to pass every directory above
    what they open.  A checkout in a closed home (/root) does not let them, so
    that root's demo then lies below /var/lib and ./demo is a link to it.
    """
    if DEMO.exists():
        return DEMO.resolve()
    if DEMO.is_symlink():  # its target was removed by hand
        DEMO.unlink()
    blocked = reachable(DEMO) if os.geteuid() == 0 else None
    if blocked is None:
        DEMO.mkdir()
        return DEMO
    for number in range(1, 100):
        place = pathlib.Path("/var/lib/hikyaku-demo" + (
            "-%d" % number if number > 1 else ""))
        try:
            place.mkdir()
        except FileExistsError:
            continue
        DEMO.symlink_to(place)
        print("%s is closed to other users, so the demo's files are in %s "
              "(./demo is a link to it)." % (blocked, place))
        return place
    sys.exit("quickstart: no free name below /var/lib for the demo")


def ports_taken():
    """Demo ports that somebody else listens on."""
    taken = []
    for name, port in DEMO_PORTS.items():
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                taken.append("%s %d" % (name, port))
    return taken


def running(platform):
    return (pathlib.Path(platform.command[0]).exists()
            and platform.conf.exists()
            and platform.hikyaku("status", check=False).returncode == 0)


def choose_ports(platform, is_running):
    """Leaves LMTP over TCP out where its port is somebody else's: nothing on
    one node needs it, smtpd has a socket of its own."""
    if is_running:
        if "127.0.0.1:%d" % DEMO_PORTS["lmtp"] not in \
                platform.conf.read_text():
            del platform.ports["lmtp"]
        return
    platform.slapd("stop", check=False)  # one that survived its hikyakud
    taken = ports_taken()
    if taken == ["lmtp %d" % DEMO_PORTS["lmtp"]]:
        print("Port %d is another program's: LMTP is on its Unix socket only."
              % DEMO_PORTS["lmtp"])
        del platform.ports["lmtp"]
    elif taken:
        sys.exit("quickstart: another program listens on 127.0.0.1, "
                 "port: %s" % ", ".join(taken))


def start(platform):
    is_running = running(platform)
    choose_ports(platform, is_running)
    platform.create()
    if not is_running:
        platform.start()
    else:
        platform.slapd("start")
        platform.hikyaku("reload")
    deliver(platform)
    explain(platform)


def deliver(platform):
    """hanako writes to yuki; yuki reads it by POP3 and by IMAP."""
    subject = "Hello from quickstart at %s" % time.strftime("%F %T")
    octets = ("From: Hanako <%s>\r\nTo: Yuki <%s>\r\nSubject: %s\r\n"
              "Date: %s\r\nMessage-ID: <%d.quickstart@aozora.example>\r\n"
              "MIME-Version: 1.0\r\n"
              "Content-Type: text/plain; charset=UTF-8\r\n"
              "Content-Transfer-Encoding: 8bit\r\n\r\n"
              "飛脚が届けました。\r\n" % (
                  HANAKO, YUKI, subject,
                  time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()),
                  time.time_ns())).encode()
    code, text = platform.send(octets, to=YUKI, sender=HANAKO,
                               service="submission", login=HANAKO)
    print("Sent by submission as %s: %d %s" % (HANAKO, code, text.decode()))
    pop = platform.pop(YUKI)
    count = pop.stat()[0]
    got = b"\r\n".join(pop.retr(count)[1]) + b"\r\n"
    unique_id = pop.uidl(count).split()[2].decode()
    pop.quit()
    if not got.endswith(octets):
        sys.exit("quickstart: POP3 gave back another message:\n"
                 + got.decode(errors="replace"))
    print("Read by POP3 as %s: message %d, unique id %s, %d octets" % (
        YUKI, count, unique_id, len(got)))
    with platform.imap(YUKI) as imap:
        imap.select("INBOX", readonly=True)
        found = imap.uid("SEARCH", "SUBJECT", '"%s"' % subject)[1][0].split()
        body = imap.uid("FETCH", found[-1], "(BODY.PEEK[])")[1][0][1]
    if body != got:
        sys.exit("quickstart: IMAP and POP3 disagree")
    print("Read by IMAP as %s: UID %s, the same octets\n" % (
        YUKI, found[-1].decode()))
    head = got[:len(got) - len(octets)].decode()
    print("    " + (head + octets.decode()).replace("\r\n", "\n    ").rstrip())


def explain(platform):
    p = platform.ports
    print("""
A mail client on this machine takes these settings:

    server               127.0.0.1 (or localhost), for everything
    user name            the whole address: %s
    password             %s
    incoming, IMAP       port %d SSL/TLS, or %d STARTTLS
    incoming, POP3       port %d SSL/TLS, or %d STARTTLS
    outgoing, SMTP       port %d SSL/TLS, or %d STARTTLS; password as above
    certificate to trust %s

Mail from other servers comes in on port %d; figures: http://127.0.0.1:%d/
Configuration: %s    Log: %s
The command:   %s status
To stop:       ./quickstart stop""" % (
        ", ".join(ACCOUNTS), PASSWORD, p["imaps"], p["imap"], p["pop3s"],
        p["pop3"], p["submissions"], p["submission"],
        platform.certificates / "ca.pem", p["mx"], p["metrics"],
        platform.conf, platform.log_path, " ".join(platform.command)))


def status(platform):
    got = platform.hikyaku("status", check=False)
    print(got.stdout + got.stderr, end="")
    platform.slapd("status", check=False)
    return got.returncode


def reset(platform):
    platform.destroy()
    if DEMO.is_symlink():
        DEMO.unlink()


def main(action, build):
    if action == "start":
        platform = Platform(demo_directory(), build, dict(DEMO_PORTS))
        try:
            return start(platform)
        except (RuntimeError, OSError) as e:
            sys.exit("quickstart: %s" % e)
    if not DEMO.exists():
        print("There is no demo; ./quickstart makes one.")
        return 1 if action == "status" else 0
    platform = Platform(DEMO, build, DEMO_PORTS)
    if action == "status":
        return status(platform)
    return platform.stop() if action == "stop" else reset(platform)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
