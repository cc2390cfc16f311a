# SPDX-License-Identifier: BSD-2-Clause
"""Other people's milters, from Debian, as they are: opendkim, opendmarc,
clamav-milter, spamass-milter and rspamd's proxy."""

import base64
import contextlib
import hashlib
import os
import re
import signal
import socket
import subprocess
import time

import pytest
from support.ports import free_ports

HANAKO, YUKI = "hanako@aozora.example", "yuki@midori.example"
MESSAGE = (b"From: hanako@aozora.example\r\nTo: yuki@midori.example\r\n"
           b"Subject: one\r\nX-Long: a\r\n\tb\r\n c\r\n\r\nHello.\r\n")
VIRUS = b"HikyakuTestVirus!"
NAMES = ("dkim", "dmarc", "clamav", "spamass", "rspamd")
GTUBE = (b"XJS*C4JDBQADN1.NSBN3*2IDNEN*"
         b"GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X")

FILES = {
    "opendkim.conf": """\
Syslog no
Socket inet:{dkim}@127.0.0.1
Mode s
Domain aozora.example
Selector s1
KeyFile {dir}/key.pem
Canonicalization simple/simple
InternalHosts {dir}/internal
UserID root
RequireSafeKeys no
Background no
""",
    "internal": "192.0.2.1\n",
    "opendmarc.conf": """\
Syslog no
Socket inet:{dmarc}@127.0.0.1
AuthservID mail.aozora.example
TrustedAuthservIDs mail.aozora.example
UserID root
Background no
""",
    "db/test.ndb": "Hikyaku.Test:0:*:%s\n" % VIRUS.hex(),
    "clamd.conf": """\
LocalSocket {dir}/clamd.sock
DatabaseDirectory {dir}/db
Foreground yes
""",
    "clamav-milter.conf": """\
MilterSocket inet:{clamav}@127.0.0.1
ClamdSocket unix:{dir}/clamd.sock
OnInfected Reject
AddHeader Replace
Foreground yes
""",
    "sa/local.cf": (
        "header HK_TEST Subject =~ /spam/\nscore HK_TEST 20\n"
        "add_header all Status _YESNO_, score=_SCORE_ required=_REQD_\n"
        "add_header all Level _STARS(*)_\n"
        "add_header spam Flag _YESNOCAPS_\n"),
    "sa/init.pre": "loadplugin Mail::SpamAssassin::Plugin::Check\n",
    "rspamd.lua": "\n",
    "rspamd.conf": """\
options {{ filters = ""; tempdir = "{dir}"; pidfile = "{dir}/rspamd.pid";
	dns {{ nameserver = "127.0.0.1"; timeout = 0.1s; retransmits = 1; }}
	control_socket = "{dir}/control.sock mode=0600"; }}
logging {{ type = "file"; filename = "{dir}/rspamd.log"; level = "info"; }}
lua = "{dir}/rspamd.lua";
worker "rspamd_proxy" {{ bind_socket = "127.0.0.1:{rspamd}"; milter = true;
	count = 1; timeout = 20s;
	upstream "local" {{ self_scan = yes; default = yes; }} }}
actions {{ reject = 15; add_header = 6; }}
""",
}
COMMANDS = [
    ["opendkim", "-f", "-x", "{dir}/opendkim.conf"],
    ["opendmarc", "-f", "-c", "{dir}/opendmarc.conf"],
    ["clamd", "-c", "{dir}/clamd.conf"],
    ["clamav-milter", "-c", "{dir}/clamav-milter.conf"],
    ["spamd", "-L", "-x", "-p", "{spamd}", "--siteconfigpath={dir}/sa",
     "--configpath={dir}/sa", "-m", "1", "-u", "nobody", "-s", "stderr"],
    ["spamass-milter", "-p", "inet:{spamass}@127.0.0.1", "-r", "10", "--",
     "-p", "{spamd}"],
    ["rspamd", "--insecure", "-f", "-c", "{dir}/rspamd.conf"],
]


class Real:
    """All of them, on ports of their own."""

    def __init__(self, directory):
        self.ports = free_ports((*NAMES, "spamd"))
        self.directory = directory
        self.processes = []
        names = {"dir": directory, **self.ports}
        for name, text in FILES.items():
            path = directory / name
            path.parent.mkdir(exist_ok=True)
            path.parent.chmod(0o755)
            path.write_text(text.format(**names) if ".ndb" not in name
                            else text)
        subprocess.run(["openssl", "genrsa", "-out", directory / "key.pem",
                        "2048"], check=True, capture_output=True)
        subprocess.run(["openssl", "rsa", "-in", directory / "key.pem",
                        "-pubout", "-out", directory / "public.pem"],
                       check=True, capture_output=True)
        for argv in COMMANDS:
            # It takes a clamd that is not there yet for one that is down.
            while argv[0] == "clamav-milter" and not (
                    directory / "clamd.sock").exists():
                time.sleep(0.02)
                assert self.processes[-1].poll() is None, "clamd has ended"
            log = open(directory / (argv[0] + ".out"), "wb")
            self.processes.append(subprocess.Popen(
                [word.format(**names) for word in argv], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL,
                env={**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                start_new_session=True))
            log.close()

    def wait(self, name, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError), socket.create_connection(
                    ("127.0.0.1", self.ports[name]), 1):
                return
            assert time.monotonic() < deadline, "%s does not listen" % name
            time.sleep(0.05)

    def stop(self):
        for process in self.processes:
            # rspamd has children of its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


@pytest.fixture(scope="module")
def real(make_root):
    if os.geteuid() != 0:
        pytest.skip("these milters want to begin as root")
    made = Real(make_root())
    yield made
    made.stop()


@pytest.fixture(scope="module")
def platform(real, make_module_platform):
    made = make_module_platform({
        "smtpd": ["milters-mx = { clamav, spamass, rspamd, dmarc }",
                  "milters-submission = { clamav, dkim }"],
        "": ['milter %s { socket = "inet:%d@127.0.0.1" }' % (
            name, real.ports[name]) for name in NAMES]})
    for name in NAMES:
        real.wait(name)
    real.wait("spamd")
    return made


def received(platform):
    platform.wait_placed()
    with platform.imap(YUKI) as imap:
        count = int(imap.select("INBOX", readonly=True)[1][0])
        return [imap.fetch(str(n + 1), "(BODY.PEEK[])")[1][0][1]
                for n in range(count)]


def field(octets, name):
    match = re.search(rb"(?mi)^%s:((?:.*\r\n)(?:[ \t].*\r\n)*)" % name, octets)
    assert match, octets
    return match[0]


def tags(signature):
    value = re.sub(rb"\s", b"", signature.split(b":", 1)[1])
    return dict(part.split(b"=", 1) for part in value.split(b";") if part)


def test_each_is_negotiated_with(platform):
    out = platform.hikyaku("milter", "check").stdout
    for name in NAMES:
        assert re.search(r"^%s: .*: ok$" % name, out, re.M), out


def test_opendkim_signs_what_goes_out(platform, real, tmp_path):
    """Simple canonicalization: every octet of header and body is as it was
    signed, with the Date that smtpd added before."""
    platform.empty(YUKI)
    platform.send(MESSAGE, to=YUKI, sender=HANAKO, login=HANAKO,
                  service="submission")
    octets, = received(platform)
    signature = field(octets, rb"DKIM-Signature")
    got = tags(signature)
    body = octets.split(b"\r\n\r\n", 1)[1]
    assert base64.b64encode(hashlib.sha256(body).digest()) == got[b"bh"]
    names = got[b"h"].split(b":")
    for name in (b"From", b"Date", b"Subject"):
        assert name.lower() in [n.lower() for n in names], names
    # RFC 6376 3.7: the signed fields, then the signature without its value.
    signed = b"".join(field(octets, re.escape(name)) for name in names)
    signed += re.sub(rb"(\bb=)[^;]*", rb"\1", signature.rstrip(b"\r\n"))
    (tmp_path / "signed").write_bytes(signed)
    (tmp_path / "value").write_bytes(base64.b64decode(got[b"b"]))
    subprocess.run(["openssl", "dgst", "-sha256", "-verify",
                    real.directory / "public.pem", "-signature",
                    tmp_path / "value", tmp_path / "signed"], check=True)


def test_clamav_milter_refuses_a_virus(platform):
    platform.empty(YUKI)
    with pytest.raises(Exception) as refused:
        platform.send(MESSAGE + VIRUS + b"\r\n", to=YUKI)
    assert refused.value.smtp_code // 100 == 5
    platform.wait_log("refused by a milter.*milter=clamav")
    platform.send(MESSAGE, to=YUKI)
    octets, = received(platform)
    assert b"Clean" in field(octets, rb"X-Virus-Status")


def test_spamass_milter_refuses_spam(platform):
    mark = platform.log_mark()
    with pytest.raises(Exception) as refused:
        platform.send(MESSAGE.replace(b"one", b"spam"), to=YUKI)
    assert refused.value.smtp_code // 100 == 5
    platform.wait_log("refused by a milter.*milter=spamass", mark)
    platform.empty(YUKI)
    platform.send(MESSAGE, to=YUKI)
    octets, = received(platform)
    assert b"No" in field(octets, rb"X-Spam-Status")


def test_rspamd_and_opendmarc(platform):
    mark = platform.log_mark()
    with pytest.raises(Exception) as refused:
        platform.send(MESSAGE + GTUBE + b"\r\n", to=YUKI)
    assert refused.value.smtp_code // 100 == 5
    platform.wait_log("refused by a milter.*milter=rspamd", mark)
    platform.empty(YUKI)
    forged = b"Authentication-Results: mail.aozora.example; dmarc=pass\r\n"
    platform.send(forged + MESSAGE, to=YUKI)
    octets, = received(platform)
    # opendmarc believes what bears our name, so that nobody may forge it.
    assert b"dmarc=pass" not in octets
