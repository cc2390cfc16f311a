# SPDX-License-Identifier: BSD-2-Clause
"""The parts of tests/bench/directory that break or restart something, or
write to the directory."""

import contextlib
import json
import os
import poplib
import signal
import smtplib
import subprocess
import threading
import time

import ldap
from support.crowd import PASSWORD, load_argv
from support.tenantd import MAILBOX, SUSPENDED, UNKNOWN, Tenantd

CLIENTS = 32
EFFECT_MAX_S, START_MAX_S, BACK_MAX_S = 1.0, 2.0, 5.0
RESTART_MIN = 1000  # remembered logins a second
RESTARTED = 2000    # people who were there before a restart
KNOWN = 200         # people who were there before an outage


def name(people, number, letter="u"):
    return "%s%d@t%d.example" % (letter, number, number % people.tenants)


def quantile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def wait_for(ask, wanted, since, deadline_s):
    """Seconds from since until ask() is what is wanted, or None."""
    while time.monotonic() - since < deadline_s:
        with contextlib.suppress(OSError):
            if ask() == wanted:
                return time.monotonic() - since
        time.sleep(0.0005)
    return None


# ---- changes ----------------------------------------------------------------


def edits(people, report, count=200):
    """From ldapmodify to what tenantd answers."""
    directory = ldap.initialize(
        "ldap://127.0.0.1:%d" % people.platform.ports["ldap"])
    directory.simple_bind_s("cn=operator,ou=platform,o=hikyaku", (
        people.platform.root / "ldap/operator.password").read_text().strip())
    written, seen = [], []
    with Tenantd(people.socket) as tenantd:
        for turn in range(count):
            number = turn * 4999 % people.accounts
            address = name(people, number)
            dn = "uid=%s,ou=accounts,ou=t%d,ou=tenants,o=hikyaku" % (
                address, number % people.tenants)
            assert tenantd.resolve(address) == MAILBOX  # now it is in memory
            start = time.monotonic()
            directory.modify_s(dn, [
                (ldap.MOD_REPLACE, "hkStatus", b"suspended")])
            written.append(time.monotonic() - start)
            took = wait_for(lambda: tenantd.resolve(address), SUSPENDED,
                            start, 10)
            seen.append(10 if took is None else took)
            directory.modify_s(dn, [
                (ldap.MOD_REPLACE, "hkStatus", b"active")])
    report.line("an edit acts after", "ms: p50 %.1f p99 %.1f max %.1f   "
                "(slapd has written it after p50 %.1f)" % (
                    1000 * quantile(seen, 0.5), 1000 * quantile(seen, 0.99),
                    1000 * max(seen), 1000 * quantile(written, 0.5)),
                max(seen) < EFFECT_MAX_S)


def imports(people, report, count=20000):
    """What hikyaku account import adds a second, hashes ready."""
    table = people.platform.root / "import.csv"
    hashed = people.hashes()[0]
    with open(table, "w") as out:
        out.write("address,name,alias,quota,password-hash\n")
        for number in range(count):
            address = "%s%%d@t%d.example" % ("%s", number % people.tenants)
            out.write("%s,Person %d,%s,512M,%s\n" % (
                address % ("i", number), number, address % ("j", number),
                hashed))
    start = time.monotonic()
    got = people.platform.hikyaku(
        "account", "import", str(table), check=False, timeout=1800)
    took = time.monotonic() - start
    table.unlink()
    with Tenantd(people.socket) as tenantd:
        good = got.returncode == 0 and tenantd.resolve(
            name(people, count - 1, "j")) == MAILBOX
    report.line("hikyaku account import", "%s accounts in %.1f s, %.0f/s" % (
        "{:,}".format(count), took, count / took), good)
    if not good:
        report.line("", (got.stdout + got.stderr)[-500:])


# ---- starts -----------------------------------------------------------------


def started_at(pid):
    """Seconds of CLOCK_BOOTTIME."""
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def starts(people, report):
    """From the start of its process to an answer that needs LDAP."""
    took = []
    for turn in range(3):
        before = people.tenantd()
        os.kill(before, signal.SIGKILL)
        address = name(people, people.accounts - 1 - turn)
        while True:
            with contextlib.suppress(OSError), Tenantd(
                    people.socket) as tenantd:
                if tenantd.resolve(address) == MAILBOX:
                    break
            time.sleep(0.005)
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        took.append(now - started_at(people.tenantd()))
    report.line("tenantd serves after its start within", "%.2f s" % max(took),
                max(took) < START_MAX_S)


def load(people, script, service, users, **options):
    """One run of the load generator against a service, in clear."""
    argv = [people.build / "tests/bench/load", "--script",
            people.top / "tests/bench/scripts" / (script + ".load"),
            "--connect", "127.0.0.1:%d" % people.platform.ports[service],
            "--user", "u%u@t%u.example", "--users", users, "--tenants",
            people.tenants, "--password", PASSWORD, "--clients", CLIENTS]
    for option, value in options.items():
        argv += ["--" + option, value]
    got = subprocess.run([str(a) for a in argv], capture_output=True,
                         text=True, check=False)
    if got.returncode == 2:
        raise RuntimeError(got.stderr)
    return json.loads(got.stdout)


def restart(people, report):
    """Everything is stopped and started; everybody is there again at once."""
    users = min(RESTARTED, people.accounts)
    report.rate("logins before the restart", people.load(
        "login", clients=CLIENTS, walk=True, names=users, addresses=100))
    settings = {"set": "mailbox=0"}
    load(people, "pop3-poll", "pop3", users, operations=users, **settings)
    start = time.monotonic()
    people.platform.stop()
    people.platform.start()
    report.line("everything is stopped and started in",
                "%.1f s" % (time.monotonic() - start))
    report.rate("logins of the first second, remembered", people.load(
        "login", clients=CLIENTS, seconds=1, names=users, addresses=100),
        RESTART_MIN)
    for title, seconds in (("first second", 1), ("next ten seconds", 10)):
        figures = load(people, "pop3-poll", "pop3", users, seconds=seconds,
                       **settings)
        report.line("POP3 sessions of the " + title,
                    "%.0f/s, ms: p50 %.1f p99 %.1f max %.1f%s" % (
                        figures["rate"], *(figures[key] / 1000 for key in (
                            "p50_us", "p99_us", "max_us")),
                        "   %d errors: %s" % (
                            figures["errors"], figures["first_error"])
                        if figures["errors"] else ""), not figures["errors"])


# ---- slapd gone -------------------------------------------------------------


class Mail(threading.Thread):
    """Sends to people who are known and to one who is nobody, and reads the
    mail of some, until stop is set."""

    def __init__(self, people, first_unknown):
        super().__init__()
        self.people, self.unknown = people, first_unknown
        self.sent, self.read, self.deferred = 0, 0, 0
        self.wrong, self.stop = [], threading.Event()

    def turn(self, smtp, number):
        to = name(self.people, number % KNOWN)
        try:
            smtp.sendmail("someone@outside.example", [to],
                          "Subject: outage %d\r\n\r\nx\r\n" % number)
            self.sent += 1
        except smtplib.SMTPException as error:
            self.wrong.append("mail for %s: %s" % (to, error))
        nobody = name(self.people, self.unknown + number, "x")
        smtp.mail("someone@outside.example")
        code, text = smtp.rcpt(nobody)
        smtp.rset()
        self.deferred += 400 <= code < 500
        if not 400 <= code < 500:
            self.wrong.append("RCPT of %s: %d %s" % (nobody, code, text))
        try:
            self.people.platform.pop(to).quit()
            self.read += 1
        except poplib.error_proto as error:
            self.wrong.append("login of %s: %s" % (to, error))
        if not self.people.all_known:
            self.stranger(name(self.people, self.unknown + number))

    def stranger(self, login):
        """Somebody whom tenantd has never met."""
        try:
            self.people.platform.pop(login).quit()
            self.wrong.append("login of %s" % login)
        except poplib.error_proto as error:
            if "SYS/TEMP" not in str(error):
                self.wrong.append("login of %s: %s" % (login, error))

    def run(self):
        number = 0
        with self.people.platform.smtp() as smtp:
            while not self.stop.is_set() and len(self.wrong) < 20:
                try:
                    self.turn(smtp, number)
                except Exception as error:
                    self.wrong.append(repr(error))
                    return
                number += 1
                self.stop.wait(0.2)


def prepare_known(people):
    """They have logged in, and had mail, before."""
    people.load("login", clients=8, walk=True, names=KNOWN, addresses=100)
    with people.platform.smtp() as smtp:
        for number in range(KNOWN):
            smtp.sendmail("someone@outside.example", [name(people, number)],
                          "Subject: before\r\n\r\nx\r\n")
            people.platform.pop(name(people, number)).quit()


def outage(people, report, seconds):
    prepare_known(people)
    strangers = people.accounts // 2  # nobody has asked for these
    os.kill(people.slapd(), signal.SIGKILL)
    mail = Mail(people, strangers)
    mail.start()
    # All of their logins go through tenantd's last known entries.
    figures = json.loads(subprocess.run(load_argv(
        people.build, people.socket, "login", clients=16, pace=200,
        seconds=seconds, names=KNOWN, tenants=people.tenants, addresses=100),
        capture_output=True, text=True, check=False).stdout)
    mail.stop.set()
    mail.join()
    report.line("slapd gone for %d s: logins of known people" % seconds,
                "%d, %d errors%s, ms: p99 %.1f max %.1f" % (
                    figures["operations"], figures["errors"],
                    ": " + figures["first_error"] if figures["errors"] else "",
                    figures["p99_us"] / 1000, figures["max_us"] / 1000),
                not figures["errors"] and figures["operations"] > seconds)
    report.line("  mail taken for them, mailboxes read, nobody deferred",
                "%d, %d, %d%s" % (mail.sent, mail.read, mail.deferred,
                                  "   " + "; ".join(mail.wrong[:3])),
                not mail.wrong and mail.sent > 0)
    start = time.monotonic()
    people.platform.slapd("start")
    up = time.monotonic() - start

    def states():
        with Tenantd(people.socket) as tenantd:
            return [tenantd.resolve(name(people, strangers + 1, letter))
                    for letter in "ux"]

    back = wait_for(states, [MAILBOX, UNKNOWN], start, 60)
    report.line("back after slapd's return within", "%s (slapd's start took "
                "%.1f s)" % ("%.1f s" % (back - up) if back else "never", up),
                back is not None and back - up < BACK_MAX_S)
    arrived(people, report, mail.sent)


def arrived(people, report, sent):
    """All that was taken is there."""
    people.platform.wait_placed()
    found = 0
    for number in range(KNOWN):
        pop = people.platform.pop(name(people, number))
        found += pop.stat()[0]
        pop.quit()
    report.line("  what was taken is in the mailboxes", "%d of %d" % (
        found - KNOWN, sent), found - KNOWN == sent)
