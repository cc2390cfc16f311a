# SPDX-License-Identifier: BSD-2-Clause
"""kill -9 of any daemon while mail flows: what was acknowledged is there, and
no UID changes."""

import imaplib
import os
import poplib
import re
import signal
import smtplib
import ssl
import threading
import time

import pytest

HANAKO, YUKI = "hanako@aozora.example", "yuki@midori.example"
VICTIMS = ("tenantd", "smtpd", "deliveryd", "pop3d gate", "pop3d session",
           "imapd gate", "imapd session", "hikyakud")
TROUBLE = (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error,
           imaplib.IMAP4.abort, poplib.error_proto, ssl.SSLError)


class Traffic:
    """Sends numbered messages without pause and remembers those with 250."""

    def __init__(self, platform, recipient):
        self.platform, self.recipient = platform, recipient
        self.acknowledged, self.tried, self.failures = [], 0, 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        smtp = None
        while not self.stopping.is_set():
            number, self.tried = self.tried, self.tried + 1
            octets = b"Subject: kill %d.\r\n\r\n%s\r\n" % (
                number, b"x" * (number * 37 % 5000))
            try:
                if smtp is None:
                    smtp = self.platform.smtp(timeout=10)
                self.platform.send_with(smtp, octets, [self.recipient])
                self.acknowledged.append(number)
            except TROUBLE:
                self.failures += 1
                if smtp is not None:
                    smtp.close()
                smtp = None
                time.sleep(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stopping.set()
        self.thread.join(60)
        assert not self.thread.is_alive(), "a client hangs"

    def wait(self, count, seconds=30):
        """Waits until so many more messages are acknowledged."""
        goal = len(self.acknowledged) + count
        deadline = time.monotonic() + seconds
        while len(self.acknowledged) < goal:
            if time.monotonic() > deadline:
                raise AssertionError("mail does not flow again:\n"
                                     + self.platform.log_tail())
            time.sleep(0.05)


def inbox(platform, login):
    """(uidvalidity, {uid: number of the message}) as IMAP sees it."""
    with platform.imap(login) as imap:
        imap.select("INBOX", readonly=True)
        validity = imap.response("UIDVALIDITY")[1][0]
        found = {}
        answer = imap.fetch("1:*", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
                            )[1]
        for item in answer:
            if not isinstance(item, tuple):
                continue
            uid = int(re.search(rb"UID (\d+)", item[0])[1])
            found[uid] = int(re.search(rb"kill (\d+)\.", item[1])[1])
        return validity, found


def unique_ids(platform, login):
    pop = platform.pop(login)
    found = [line.split()[1] for line in pop.uidl()[1]]
    pop.quit()
    return found


def patiently(function, *args, seconds=20):
    """Repeats while the platform comes back."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return function(*args)
        except TROUBLE:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.mark.parametrize("victim", VICTIMS)
def test_kill(fresh_platform, victim):
    platform = fresh_platform
    with Traffic(platform, YUKI) as traffic:
        traffic.wait(20)
        validity, before = inbox(platform, YUKI)
        ids = unique_ids(platform, YUKI)
        # Sessions that are open meanwhile, so that session processes exist.
        idle = platform.imap(YUKI)
        idle.select("INBOX")
        pop = platform.pop(HANAKO)
        for _ in range(3):
            killed = platform.kill(victim)
            assert killed, "there is no %s" % victim
            if victim == "hikyakud":
                # The daemons go on by themselves; then a new one adopts them.
                others = set(platform.processes()) - set(killed)
                traffic.wait(5)
                platform.hikyaku("start")
                assert others <= set(platform.processes()), \
                    "the new hikyakud did not adopt what still ran"
            # A session process comes back when somebody needs it.
            if victim == "imapd session":
                patiently(inbox, platform, YUKI)
            elif victim == "pop3d session":
                pop = patiently(platform.pop, HANAKO)
                patiently(unique_ids, platform, YUKI)
            else:
                wait_for(platform, victim, killed)
            traffic.wait(20)
        idle.shutdown()
        pop.close()
    after_validity, after = patiently(inbox, platform, YUKI)
    assert after_validity == validity
    for uid, number in before.items():
        assert after.get(uid) == number, "UID %d changed" % uid
    missing = set(traffic.acknowledged) - set(after.values())
    assert not missing, "acknowledged and lost: %s" % sorted(missing)
    assert patiently(unique_ids, platform, YUKI)[:len(ids)] == ids
    print("%s: %d acknowledged, %d failed tries, %d in the mailbox" % (
        victim, len(traffic.acknowledged), traffic.failures, len(after)))


def wait_for(platform, name, not_these, seconds=20):
    """Waits until name runs again."""
    deadline = time.monotonic() + seconds
    while not set(platform.pids(name)) - set(not_these):
        assert time.monotonic() < deadline, "%s does not come back:\n%s" % (
            name, platform.log_tail())
        time.sleep(0.05)


def test_status_counts_restarts(fresh_platform):
    """hikyaku status names each daemon, its pid and how often it died."""
    platform = fresh_platform
    before = platform.hikyaku("status").stdout
    for name in ("tenantd", "smtpd", "deliveryd", "pop3d", "imapd"):
        line = next(s for s in before.splitlines() if s.startswith(name))
        assert any(str(pid) in line.split() for pid in platform.pids(name)), (
            line, platform.pids(name))
    killed = platform.kill("smtpd")
    wait_for(platform, "smtpd", killed)
    platform.send(b"Subject: x\r\n\r\nx\r\n", to=YUKI)
    after = platform.hikyaku("status").stdout
    line = next(s for s in after.splitlines() if s.startswith("smtpd"))
    assert str(platform.pids("smtpd")[0]) in line.split()
    assert not set(map(str, killed)) & set(line.split())
    platform.wait_log(r"hikyakud.*smtpd", 0)


def test_reload_keeps_sessions(fresh_platform):
    """SIGHUP brings new settings and certificates and drops no session."""
    platform = fresh_platform
    imap, pop = platform.imap(YUKI), platform.pop(HANAKO)
    imap.select("INBOX")
    smtp = platform.smtp()
    before = platform.processes().keys()
    platform.hikyaku("reload")
    time.sleep(1)
    assert imap.noop()[0] == "OK"
    assert pop.noop().startswith(b"+OK")
    platform.send_with(smtp, b"Subject: x\r\n\r\nx\r\n", [YUKI])
    assert before == platform.processes().keys()
    for session in (imap.logout, pop.quit, smtp.quit):
        session()


def test_bad_reload_changes_nothing(fresh_platform):
    """A configuration with an error is refused by name, line and key."""
    platform = fresh_platform
    good = platform.conf.read_text()
    platform.conf.write_text(good + '\nno-such-key = "x"\n')
    checked = platform.hikyaku("check", check=False)
    assert checked.returncode != 0
    text = checked.stdout + checked.stderr
    assert "no-such-key" in text and platform.conf.name in text
    assert re.search(r":%d\b" % (good.count("\n") + 2), text), text
    assert platform.hikyaku("reload", check=False).returncode != 0
    platform.conf.write_text(good)
    platform.send(b"Subject: x\r\n\r\nx\r\n", to=YUKI)


def test_stop_lets_sessions_finish(fresh_platform):
    """SIGTERM: a message whose data are on their way is still taken."""
    platform = fresh_platform
    smtp = platform.smtp()
    smtp.mail("a@outside.example")
    smtp.rcpt(YUKI)
    assert smtp.docmd("DATA")[0] == 354
    smtp.send(b"Subject: late\r\n\r\n")
    for pid in platform.pids("hikyakud"):
        os.kill(pid, signal.SIGTERM)
    time.sleep(0.3)
    smtp.send(b"x\r\n.\r\n")
    try:
        acknowledged = smtp.getreply()[0] == 250
    except TROUBLE:
        acknowledged = False
    deadline = time.monotonic() + 30
    while platform.processes():
        assert time.monotonic() < deadline, platform.processes()
        time.sleep(0.1)
    platform.hikyaku("start")
    with platform.imap(YUKI) as imap:
        count = int(imap.select("INBOX")[1][0])
    assert count == 1 or not acknowledged
    assert acknowledged, "the session was cut off"


def test_deliveryd_hangs(make_platform):
    """It is alive and says nothing: clients hear 451 soon, smtpd goes on with
    all else, and so does mail once deliveryd does."""
    platform = make_platform({"smtpd": ["delivery-wait = 1s"]})
    platform.send(b"Subject: 0\r\n\r\nx\r\n", to=YUKI)
    pids = platform.pids("deliveryd")
    codes, waits = [], []

    def send(smtp):
        since = time.monotonic()
        try:
            platform.send_with(smtp, b"Subject: 1\r\n\r\nx\r\n", [YUKI])
        except smtplib.SMTPResponseException as e:
            codes.append(e.smtp_code)
        waits.append(time.monotonic() - since)

    sessions = [platform.smtp(timeout=20) for _ in range(40)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        threads = [threading.Thread(target=send, args=(smtp,))
                   for smtp in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert codes == [451] * 40
        assert max(waits) < 8, waits
        since = time.monotonic()
        send(sessions[0])
        assert sessions[1].noop()[0] == 250
        assert time.monotonic() - since < 3
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    # The first finds out that it answers, and is answered itself.
    deadline = time.monotonic() + 10
    while True:
        del codes[:]
        send(sessions[2])
        if not codes:
            break
        assert time.monotonic() < deadline, codes
    for smtp in sessions:
        smtp.close()
