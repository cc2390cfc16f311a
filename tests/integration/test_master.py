# SPDX-License-Identifier: BSD-2-Clause
"""hikyakud and the hikyaku command, with small daemons in place of ours.

dummy_daemon.c says what they answer.  As root, hikyakud is started as another
user, except where the test is about users.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import pytest
from support.ports import free_port

BUILD = pathlib.Path(os.environ.get("HK_BUILD", "."))
DAEMONS = ("tenantd", "deliveryd", "relayd", "smtpd", "pop3d", "imapd")
ROOT = os.geteuid() == 0
# Ids that nobody has; Debian keeps 60000 to 64999 for packages that ask.
OTHER = 62300


class Client:
    """A connection to a dummy daemon."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 15)
        self.file = self.socket.makefile("rw", newline="\n")
        self.greeting = self.line()

    def line(self):
        return self.file.readline().rstrip("\r\n")

    def ask(self, command):
        self.file.write(command + "\r\n")
        self.file.flush()
        return self.line()

    def close(self):
        self.file.close()
        self.socket.close()


class Master:
    """One installation with dummy daemons, in a directory of its own."""

    def __init__(self, as_root=False):
        self.as_root = as_root
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="hk-master-"))
        self.root.chmod(0o755)
        self.conf = self.root / "hikyaku.conf"
        self.ports = {n: free_port()
                      for n in ("mx", "pop3", "imap", "metrics", "spare")}
        self.install()
        self.settings = ""
        self.sections = {"smtpd": "", "pop3d": ""}
        self.listeners = {n: [n] for n in ("mx", "pop3", "imap")}
        self.write()
        if ROOT and not as_root:
            self._must(["chown", "-R", "%d:%d" % (OTHER, OTHER), self.root])

    def install(self):
        libexec = self.root / "libexec" / "hikyaku"
        libexec.mkdir(parents=True)
        (self.root / "bin").mkdir()
        shutil.copy(BUILD / "master/hikyaku", self.root / "bin")
        for program in ("hikyakud", "metricsd"):
            shutil.copy(BUILD / "master" / program, libexec)
        for name in DAEMONS:
            shutil.copy(BUILD / "tests/dummy/dummy_daemon",
                        libexec / name)

    def write(self):
        lines = ['hostname = "mail.example"', "log-target = file",
                 "log-level = debug", "drain-wait = 3s",
                 'log-file = "%s/log"' % self.root]
        for key in ("store", "state", "run"):
            lines.append('%s-directory = "%s/%s"' % (key, self.root, key))
        for name, ports in self.listeners.items():
            lines.append("listen %s { address = { %s } }" % (
                name, ", ".join('"127.0.0.1:%d"' % self.ports[p]
                                for p in ports)))
        lines.append('metrics { address = "127.0.0.1:%d" }'
                     % self.ports["metrics"])
        for name, text in self.sections.items():
            lines.append("%s { %s }" % (name, text))
        lines.append(self.settings)
        self.conf.write_text("\n".join(lines) + "\n")

    def _identity(self):
        if ROOT and not self.as_root:
            return {"user": OTHER, "group": OTHER, "extra_groups": []}
        return {}

    def _must(self, argv):
        subprocess.run([str(a) for a in argv], check=True)

    def hikyaku(self, *args):
        return subprocess.run(
            [str(self.root / "bin/hikyaku"), "-c", str(self.conf), *args],
            capture_output=True, text=True, timeout=60, check=False,
            **self._identity())

    def start(self):
        got = self.hikyaku("start")
        assert got.returncode == 0, got.stderr + self.log()
        return self

    def log(self):
        path = self.root / "log"
        return path.read_text() if path.exists() else ""

    def wait_log(self, pattern, seconds=10):
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.log()):
            assert time.monotonic() < deadline, (pattern, self.log()[-3000:])
            time.sleep(0.02)

    def status(self):
        """{daemon: (state, pid, restarts, sessions, listeners)}"""
        got = self.hikyaku("status")
        assert got.returncode == 0, got.stdout + got.stderr
        rows = {}
        table = got.stdout.partition("\n\n")[0]
        for line in table.splitlines()[1:]:
            match = re.fullmatch(
                r"(\S.*?) +(running|starting|draining|down) +(\d+|-)  "
                r"(\S+ \S+|-) +(\d+) +(\d+|-)  (.*)", line)
            assert match, line
            rows[match[1]] = (match[2], match[3], match[5], match[6],
                              match[7])
        return rows

    def pid(self, name):
        return int(self.status()[name][1])

    def client(self, name):
        return Client(self.ports[name])

    def pids(self):
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(entry / "exe").startswith(str(self.root)):
                    found.append(int(entry.name))
        return found

    def destroy(self):
        self.hikyaku("stop")
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)


def alive(pid):
    try:
        state = pathlib.Path("/proc/%d/stat" % pid).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rpartition(")")[2].split()[0] not in "ZX"


def wait_gone(pid, seconds=10):
    deadline = time.monotonic() + seconds
    while alive(pid):
        assert time.monotonic() < deadline, "process %d still runs" % pid
        time.sleep(0.02)


@pytest.fixture
def master():
    m = Master()
    yield m
    m.destroy()


# ---- start, status, stop ------------------------------------------------------

def test_status_says_what_runs(master):
    assert master.hikyaku("status").returncode == 3
    master.start()
    rows = master.status()
    assert list(rows) == ["hikyakud", "tenantd", "deliveryd", "relayd", "smtpd",
                          "pop3d gate", "imapd gate", "metricsd"]
    for state, pid, restarts, sessions, _ in rows.values():
        assert state == "running" and alive(int(pid)) and restarts == "0"
        assert sessions in ("0", "-")
    assert rows["smtpd"][4] == "mx 127.0.0.1:%d" % master.ports["mx"]
    client = master.client("mx")
    assert master.status()["smtpd"][3] == "1"
    client.close()
    assert master.hikyaku("status").stdout.endswith(
        "\n\ndeliveryd: no message waits in the journal\n")
    again = master.hikyaku("start")
    assert again.returncode == 1 and "runs already" in again.stderr
    assert master.hikyaku("stop").returncode == 0
    assert master.hikyaku("status").returncode == 3
    assert master.hikyaku("stop").returncode == 3
    assert master.pids() == []


def test_second_hikyakud_is_refused(master):
    master.start()
    got = subprocess.run(
        [str(master.root / "libexec/hikyaku/hikyakud"), "-c",
         str(master.conf)], capture_output=True, text=True, timeout=20,
        check=False, **master._identity())
    assert got.returncode == 1 and "runs already" in got.stderr


def test_start_tells_what_does_not_start(master):
    master.sections["smtpd"] = "refuse = yes"
    master.write()
    got = master.hikyaku("start")
    assert got.returncode == 1
    assert "smtpd does not start" in got.stderr
    assert "told not to start" in got.stderr
    # The others serve, and backoff keeps the broken one from spinning.
    assert master.client("pop3").greeting == "hello"
    time.sleep(1)
    assert int(master.status()["smtpd"][2]) <= 5


def test_taken_address_is_named(master):
    with socket.create_server(("127.0.0.1", master.ports["imap"])):
        got = master.hikyaku("start")
    assert got.returncode == 1
    assert "listen imap" in got.stderr
    assert "127.0.0.1:%d" % master.ports["imap"] in got.stderr
    assert "Address already in use" in got.stderr
    assert master.pids() == []


def test_stop_lets_sessions_end(master):
    """Parked sessions are told; one that hangs is killed after drain-wait."""
    master.start()
    parked, hanging = master.client("mx"), master.client("pop3")
    hanging.file.write("sleep\r\n")
    hanging.file.flush()
    begin = time.monotonic()
    assert master.hikyaku("stop").returncode == 0
    assert parked.line() == "bye"
    assert time.monotonic() - begin < 20
    assert master.pids() == []


# ---- deaths --------------------------------------------------------------------

@pytest.mark.parametrize("name,service", [
    ("smtpd", "mx"), ("pop3d gate", "pop3"), ("tenantd", None),
    ("deliveryd", None), ("relayd", None), ("metricsd", None)])
def test_killed_daemon_comes_back(master, name, service):
    master.start()
    before = master.pid(name)
    os.kill(before, signal.SIGKILL)
    wait_gone(before)
    if service:
        # Its socket stayed open: no client is refused meanwhile.
        assert master.client(service).ask("pid").isdigit()
    deadline = time.monotonic() + 10
    while master.status()[name][0] != "running" or \
            master.pid(name) == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert master.status()[name][2] == "1"
    assert "daemon died" in master.log() and "signal 9" in master.log()


def test_crashing_daemon_backs_off(master):
    master.start()
    for _ in range(4):
        client = master.client("mx")
        client.file.write("crash\r\n")
        client.file.flush()
        assert client.line() == ""
    waits = [int(w) for w in
             re.findall(r"daemon restarts daemon=smtpd wait_ms=(\d+)",
                        master.log())]
    assert waits[:3] == [100, 200, 400]


def test_successor_adopts_everything(master):
    """kill -9 of hikyakud: same pids, open connections go on."""
    master.start()
    client = master.client("imap")
    session = client.ask("connect imapd aozora 0")
    assert session.isdigit()
    before = {n: r[1] for n, r in master.status().items()}
    assert before["imapd session aozora 0"] == session
    os.kill(int(before["hikyakud"]), signal.SIGKILL)
    wait_gone(int(before["hikyakud"]))
    assert client.ask("greeting") == "hello"
    assert master.client("mx").greeting == "hello"
    master.start()
    after = {n: r[1] for n, r in master.status().items()}
    assert after.pop("hikyakud") != before.pop("hikyakud")
    assert after == before
    assert client.ask("pid") == after["imapd gate"]
    assert client.ask("connect imapd aozora 0") == session
    # The listening sockets came back too: the successor can hand them on.
    os.kill(int(after["smtpd"]), signal.SIGKILL)
    wait_gone(int(after["smtpd"]))
    assert master.client("mx").ask("pid").isdigit()
    assert master.hikyaku("stop").returncode == 0
    assert master.pids() == []


def test_successor_starts_what_died_meanwhile(master):
    master.start()
    before = {n: int(r[1]) for n, r in master.status().items()}
    for name in ("hikyakud", "smtpd", "tenantd"):
        os.kill(before[name], signal.SIGKILL)
        wait_gone(before[name])
    master.start()
    after = {n: int(r[1]) for n, r in master.status().items()}
    assert after["smtpd"] != before["smtpd"]
    assert after["tenantd"] != before["tenantd"]
    assert after["pop3d gate"] == before["pop3d gate"]
    client = master.client("pop3")
    assert client.ask("connect tenantd - 0") == str(after["tenantd"])


def test_request_waits_for_a_successor(master):
    """A worker that asks while hikyakud is away gets its answer."""
    master.start()
    client = master.client("mx")
    os.kill(master.pid("hikyakud"), signal.SIGKILL)
    client.file.write("connect deliveryd - 0\r\n")
    client.file.flush()
    time.sleep(0.3)
    master.start()
    assert client.line() == str(master.pid("deliveryd"))


def test_pid_of_another_is_not_adopted(master):
    """A state file from before a reboot names pids that others have now."""
    master.start()
    assert master.hikyaku("stop").returncode == 0
    state = master.root / "run/hikyakud.state"
    state.write_text("hikyakud 1\nsmtpd daemon - 0 %d 1 1 0\nnonsense\n"
                     % os.getpid())
    master.start()
    assert master.pid("smtpd") != os.getpid()
    assert "odd line in state file" in master.log()


def test_stop_ends_orphans(master):
    master.start()
    pid = master.pid("hikyakud")
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    got = master.hikyaku("stop")
    assert got.returncode == 0 and "7 of its daemons ended" in got.stdout
    assert master.pids() == []


# ---- reload --------------------------------------------------------------------

def test_reload_keeps_sessions(master):
    master.start()
    client = master.client("mx")
    pids = {n: r[1] for n, r in master.status().items()}
    master.sections["smtpd"] = "greeting = changed"
    master.write()
    got = master.hikyaku("reload")
    assert got.returncode == 0, got.stderr
    assert client.ask("greeting") == "changed"
    assert master.client("mx").greeting == "changed"
    assert {n: r[1] for n, r in master.status().items()} == pids


def test_sighup_reloads_and_reopens_the_log(master):
    master.start()
    (master.root / "log").rename(master.root / "log.1")
    master.sections["smtpd"] = "greeting = changed"
    master.write()
    os.kill(master.pid("hikyakud"), signal.SIGHUP)
    master.wait_log("reload done")
    for name in ("hikyakud", "smtpd", "tenantd"):
        master.wait_log(name + r"\[")
    assert master.client("mx").greeting == "changed"


@pytest.mark.parametrize("text,words", [
    ("cuont = 1", r":\d+: smtpd cuont: no such key; expected one of"),
    ("count = 11", r':\d+: count: "11" is out of range; expected 1 to 10'),
    ("greeting = forbidden", "smtpd: greeting: forbidden"),
    ("greeting = x } smptd {", r":\d+: smptd: no such section"),
])
def test_refused_reload_changes_nothing(master, text, words):
    master.start()
    before = master.sections["smtpd"]
    master.sections["smtpd"] = text
    master.write()
    for command in ("reload", "check"):
        got = master.hikyaku(command)
        assert got.returncode == 1
        assert re.search(words, got.stderr), got.stderr
        assert str(master.conf) in got.stderr
    master.hikyaku("check")
    assert master.client("mx").greeting == "hello"
    master.sections["smtpd"] = before
    master.write()
    assert master.hikyaku("check").returncode == 0


def test_bad_configuration_does_not_start(master):
    master.conf.write_text(master.conf.read_text() + "listen nowhere {}\n")
    got = master.hikyaku("start")
    assert got.returncode == 1
    assert "listen nowhere: no daemon serves it" in got.stderr
    assert master.pids() == []


def test_listeners_come_and_go(master):
    master.start()
    kept = master.client("mx")
    master.listeners["mx"] = ["spare"]
    master.write()
    assert master.hikyaku("reload").returncode == 0
    assert Client(master.ports["spare"]).greeting == "hello"
    with pytest.raises(ConnectionRefusedError):
        master.client("mx")
    assert kept.ask("listeners") == "mx"
    # A taken address changes nothing.
    with socket.create_server(("127.0.0.1", master.ports["mx"])):
        master.listeners["mx"] = ["spare", "mx"]
        master.write()
        assert master.hikyaku("reload").returncode == 1
    assert Client(master.ports["spare"]).greeting == "hello"


def test_service_comes_and_goes(master):
    del master.listeners["pop3"]
    master.write()
    master.start()
    assert "pop3d gate" not in master.status()
    master.listeners["pop3"] = ["pop3"]
    master.write()
    assert master.hikyaku("reload").returncode == 0
    assert master.client("pop3").greeting == "hello"
    del master.listeners["pop3"]
    master.write()
    assert master.hikyaku("reload").returncode == 0
    deadline = time.monotonic() + 10
    while "pop3d gate" in master.status():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# ---- what daemons may ask -------------------------------------------------------

@pytest.mark.parametrize("service,request_,answer", [
    ("mx", "connect tenantd - 0", r"\d+"),
    ("mx", "connect deliveryd - 0", r"\d+"),
    # The other end answers what hikyakud says first: that this is for
    # handing mail over.
    ("mx", "connect relayd - 0", r"what\?"),
    ("pop3", "connect relayd - 0", "policy pop3d-gate may not do that"),
    ("mx", "connect imapd aozora 0", "policy smtpd may not do that"),
    ("mx", "connect smtpd aozora 0", "policy smtpd may not do that"),
    ("mx", "connect metrics - 0", "policy smtpd may not do that"),
    ("mx", "directory aozora", "smtpd may not do that"),
    ("pop3", "connect tenantd - 0", r"\d+"),
    ("pop3", "connect deliveryd - 0", "policy pop3d-gate may not do that"),
    ("pop3", "connect imapd aozora 0", "policy pop3d-gate may not do that"),
    ("pop3", "connect pop3d aozora 0", r"\d+"),
    ("pop3", "connect pop3d aozora 1", "syntax no such session process"),
    ("pop3", "connect pop3d ../etc 0", "syntax no such session process"),
    ("pop3", "connect pop3d Aozora 0", "syntax no such session process"),
    ("pop3", "directory aozora", "pop3d-gate may not do that"),
])
def test_requests_are_limited(master, service, request_, answer):
    master.start()
    got = master.client(service).ask(request_)
    assert re.fullmatch(answer, got), got


def test_session_process_ends_when_idle(master):
    master.settings = "session-idle = 1s"
    master.write()
    master.start()
    client = master.client("pop3")
    pid = int(client.ask("connect pop3d aozora 0"))
    assert "pop3d session aozora 0" in master.status()
    assert (master.root / "store/aozora").stat().st_mode & 0o777 == 0o700
    wait_gone(pid)
    assert int(client.ask("connect pop3d aozora 0")) != pid


def test_metrics(master):
    master.start()
    client = master.client("mx")
    url = "http://127.0.0.1:%d/metrics" % master.ports["metrics"]
    text = urllib.request.urlopen(url, timeout=10).read().decode()
    for line in ("hikyakud_up 1",
                 'hikyaku_up{daemon="smtpd",role="daemon"} 1',
                 'hikyaku_up{daemon="imapd",role="gate"} 1',
                 'hikyaku_sessions{daemon="smtpd",role="daemon"} 1',
                 'hikyaku_connections_total{daemon="smtpd",'
                 'role="daemon"} 1'):
        assert line in text.splitlines(), text
    client.close()
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(url + "/../etc", timeout=10)
    assert e.value.code == 404


# ---- users ------------------------------------------------------------------------

@pytest.mark.skipif(not ROOT, reason="only root has other users")
def test_users():
    m = Master(as_root=True)
    try:
        m.settings = ("users { gate = 62301 smtpd = 62302 deliveryd = 62303 "
                      "tenantd = 62304 metricsd = 62305 imapd = 62306 "
                      "relayd = 62307 }")
        m.write()
        m.start()
        for name, uid in (("smtpd", 62302), ("deliveryd", 62303),
                          ("tenantd", 62304), ("metricsd", 62305),
                          ("relayd", 62307),
                          ("pop3d gate", 62301), ("imapd gate", 62306)):
            text = pathlib.Path(
                "/proc/%d/status" % m.pid(name)).read_text()
            assert "Uid:\t%s" % "\t".join([str(uid)] * 4) in text
            assert "Gid:\t%s" % "\t".join([str(uid)] * 4) in text
            assert re.search(r"^Groups:\s*$", text, re.M)
            assert "NoNewPrivs:\t1" in text
            caps = int(re.search(r"CapPrm:\s*(\w+)", text)[1], 16)
            # CAP_SETGID and CAP_SETUID, for setfsuid.
            assert caps == (0xc0 if name == "deliveryd" else 0)
        assert (m.root / "state/smtpd").stat().st_uid == 62302
        secret = (m.root / "state/ticket.secret").stat()
        assert (secret.st_mode & 0o777, secret.st_uid,
                secret.st_size) == (0o600, 0, 32)
        for path in ("run/control", "run/internal"):
            assert (m.root / path).stat().st_mode & 0o777 == 0o700
        client = m.client("mx")
        for path in ("state/ticket.secret", "hikyaku.conf.key",
                     "run/control/smtpd", "state/tenantd/x", "log"):
            assert client.ask("open %s/%s" % (m.root, path)) in (
                "EACCES", "ENOENT", "EPERM")
        assert client.ask("open %s/state/ticket.secret" % m.root) == "EACCES"
    finally:
        m.destroy()


@pytest.mark.skipif(not ROOT, reason="only root has other users")
@pytest.mark.parametrize("users,words", [
    ("users { smtpd = root }", 'root is no user "root"'),
    ("users { smtpd = 0 }", "expected another user than root"),
    ("users { smtpd = hk-nobody-has-this }",
     'there is no user "hk-nobody-has-this"; make it'),
    ("users { smtpd = 250000 }", "which tenant-uids gives to tenants"),
])
def test_bad_users_are_named(users, words):
    m = Master(as_root=True)
    try:
        m.settings = users[:-1] + (" gate = 62301 deliveryd = 62303 "
                                   "tenantd = 62304 metricsd = 62305 "
                                   "relayd = 62307 }")
        m.write()
        got = m.hikyaku("check")
        assert got.returncode == 1 and words in got.stderr, got.stderr
    finally:
        m.destroy()


def test_an_address_stands_in_one_listener(master):
    """Else start would fail at bind, whose message names one of the two."""
    mx, metrics = ("127.0.0.1:%d" % master.ports[n] for n in ("mx", "metrics"))
    master.conf.write_text(master.conf.read_text().replace(mx, metrics))
    got = master.hikyaku("check")
    assert got.returncode == 1, got.stderr
    assert 'metrics: "%s"; expected an address of its own' % metrics \
        in got.stderr, got.stderr
    assert "mx has this one" in got.stderr, got.stderr


# ---- certificates ------------------------------------------------------------------

def make_certificate(path, name):
    key, cert = path.with_suffix(".key"), path.with_suffix(".crt")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout",
         str(key), "-out", str(cert), "-subj", "/CN=" + name, "-addext",
         "subjectAltName=DNS:" + name], check=True, capture_output=True)
    path.write_text(cert.read_text() + key.read_text())
    path.chmod(0o600)
    if ROOT:
        os.chown(path, OTHER, OTHER)
    return cert.read_text(), key.read_text()


def test_bad_certificates_are_named(master):
    good, bad = master.root / "good.pem", master.root / "bad.pem"
    cert, _ = make_certificate(good, "mail.example")
    _, other_key = make_certificate(bad, "other.example")
    master.settings = 'tls { certificate = { "%s", "%s" } }' % (good, bad)
    master.write()
    assert master.hikyaku("check").returncode == 0
    for text in ("nothing of the kind\n", cert + other_key, cert,
                 "-----BEGIN CERTIFICATE-----\nAAAA\n"
                 "-----END CERTIFICATE-----\n"):
        bad.write_text(text)
        got = master.hikyaku("check")
        assert got.returncode == 1, text
        assert str(bad) in got.stderr and str(good) not in got.stderr
    bad.unlink()
    got = master.hikyaku("check")
    assert got.returncode == 1 and str(bad) in got.stderr
    master.settings = ""
    master.listeners["imaps"] = ["spare"]
    master.write()
    got = master.hikyaku("check")
    assert "listen imaps: TLS without a certificate" in got.stderr


# ---- systemd ------------------------------------------------------------------------

def test_sd_notify(master):
    path = str(master.root / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        os.chmod(path, 0o777)
        s.settimeout(15)
        process = subprocess.Popen(
            [str(master.root / "libexec/hikyaku/hikyakud"), "-c",
             str(master.conf)], env={"NOTIFY_SOCKET": path,
                                     "WATCHDOG_USEC": "400000"},
            **master._identity())
        try:
            def next_but_watchdog():
                while True:
                    text = s.recv(4096).decode()
                    if text != "WATCHDOG=1":
                        return text

            assert s.recv(4096) == b"WATCHDOG=1"
            assert next_but_watchdog() == "READY=1"
            process.send_signal(signal.SIGHUP)
            assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+",
                                next_but_watchdog())
            assert next_but_watchdog() == "READY=1"
            process.send_signal(signal.SIGTERM)
            assert next_but_watchdog() == "STOPPING=1"
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
