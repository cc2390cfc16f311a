# SPDX-License-Identifier: BSD-2-Clause
"""Real mail clients against the platform: what people have at home."""

import base64
import email.message
import imaplib
import os
import poplib
import re
import smtplib
import subprocess
import time

import pytest
from support.platform import PASSWORD

HANAKO, YUKI = "hanako@aozora.example", "yuki@midori.example"


def message(subject, body="one\r\n.two\r\n"):
    return ("From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: Tue, 24 Nov 2026 "
            "08:30:00 +0900\r\nMessage-ID: <%s@client.example>\r\n\r\n%s" % (
                HANAKO, YUKI, subject, re.sub(r"\W", "-", subject), body)
            ).encode()


def run(argv, timeout=60, **kwargs):
    """Runs a client; its output is the assertion's text."""
    got = subprocess.run([str(a) for a in argv], capture_output=True,
                         text=True, errors="replace", timeout=timeout,
                         check=False, **kwargs)
    assert got.returncode == 0, "%s: status %d\n%s\n%s" % (
        argv[0], got.returncode, got.stdout[-4000:], got.stderr[-4000:])
    return got.stdout + got.stderr


def subjects(platform, login):
    """The subjects in an INBOX, by IMAP."""
    with platform.imap(login) as imap:
        imap.select("INBOX", readonly=True)
        found = []
        for number in imap.search(None, "ALL")[1][0].split():
            text = imap.fetch(number, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
                              )[1][0][1].decode(errors="replace")
            found.append(text.partition(":")[2].strip())
        return found


# ---- swaks -----------------------------------------------------------------

@pytest.mark.parametrize("service,options", [
    ("mx", []),
    ("mx", ["--tls"]),
    ("submission", ["--tls", "--auth", "PLAIN"]),
    ("submission", ["--tls", "--auth", "LOGIN"]),
    ("submissions", ["--tls-on-connect", "--auth", "PLAIN"]),
    ("submissions", ["--tls-on-connect", "--auth", "LOGIN", "--pipeline"]),
])
def test_swaks(empty, service, options):
    if "--auth" in options:
        options = [*options, "--auth-user", HANAKO, "--auth-password",
                   PASSWORD]
    run(["swaks", "--server", "127.0.0.1", "--port", empty.ports[service],
         "--from", HANAKO if "--auth" in options else "a@outside.example",
         "--to", YUKI, "--header", "Subject: swaks %s" % service,
         "--ehlo", "client.example", *options])
    assert subjects(empty, YUKI) == ["swaks %s" % service]


# ---- curl ------------------------------------------------------------------

def curl(platform, *args):
    return run(["curl", "-sS", "--max-time", "30", "--cacert",
                platform.certificates / "ca.pem", *args])


def test_curl_smtp_and_smtps(empty, tmp_path):
    path = tmp_path / "m"
    for service, scheme in (("submission", "smtp"), ("submissions", "smtps")):
        path.write_bytes(message("curl " + service))
        curl(empty, "%s://127.0.0.1:%d/client.example" % (
            scheme, empty.ports[service]), "--ssl-reqd",
            "--user", "%s:%s" % (HANAKO, PASSWORD), "--mail-from", HANAKO,
            "--mail-rcpt", YUKI, "--upload-file", path)
    assert subjects(empty, YUKI) == ["curl submission", "curl submissions"]


@pytest.mark.parametrize("service,scheme", [("pop3", "pop3"),
                                            ("pop3s", "pop3s")])
def test_curl_pop3(empty, service, scheme):
    empty.send(message("curl"))
    base = "%s://127.0.0.1:%d/" % (scheme, empty.ports[service])
    login = ["--ssl-reqd", "--user", "%s:%s" % (YUKI, PASSWORD)]
    assert re.match(r"1 \d+", curl(empty, base, *login))
    assert "Subject: curl" in curl(empty, base + "1", *login)
    assert re.match(r"1 \S+", curl(empty, base, "-X", "UIDL", *login))


@pytest.mark.parametrize("service,scheme", [("imap", "imap"),
                                            ("imaps", "imaps")])
def test_curl_imap(empty, tmp_path, service, scheme):
    empty.send(message("curl"))
    base = "%s://127.0.0.1:%d/" % (scheme, empty.ports[service])
    login = ["--ssl-reqd", "--user", "%s:%s" % (YUKI, PASSWORD)]
    assert "INBOX" in curl(empty, base, *login)
    assert "Subject: curl" in curl(empty, base + "INBOX;MAILINDEX=1", *login)
    assert "* SEARCH 1" in curl(empty, base + "INBOX?ALL", *login)
    path = tmp_path / "m"
    path.write_bytes(message("curl appended"))
    curl(empty, base + "INBOX", *login, "--upload-file", path)
    assert subjects(empty, YUKI) == ["curl", "curl appended"]


# ---- Python's own ------------------------------------------------------------

def test_smtplib(empty):
    """STARTTLS, AUTH and send_message as a program would do it."""
    mail = email.message.EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = HANAKO, YUKI, "smtplib"
    mail.set_content("飛脚\n")
    with empty.smtp("submission", login=HANAKO) as smtp:
        for extension in ("size", "8bitmime", "pipelining",
                          "enhancedstatuscodes", "auth"):
            assert smtp.has_extn(extension), extension
        assert "PLAIN" in smtp.esmtp_features["auth"]
        assert smtp.send_message(mail) == {}
    assert subjects(empty, YUKI) == ["smtplib"]


def test_no_password_in_clear(empty):
    """RFC 4954 4, RFC 2595 3.2 and 4: what shows the password is neither
    offered nor taken before TLS."""
    plain = base64.b64encode(b"\0%s\0%s" % (
        HANAKO.encode(), PASSWORD.encode())).decode()
    with smtplib.SMTP("127.0.0.1", empty.ports["submission"]) as smtp:
        smtp.ehlo()
        offered_now = smtp.esmtp_features.get("auth", "").split()
        assert not {"PLAIN", "LOGIN"} & set(offered_now)
        assert smtp.has_extn("starttls")
        assert smtp.docmd("AUTH PLAIN " + plain)[0] in (
            502, 503, 504, 530, 538)
    pop = poplib.POP3("127.0.0.1", empty.ports["pop3"], timeout=20)
    with pytest.raises(poplib.error_proto):
        pop.user(YUKI)
        pop.pass_(PASSWORD)
    pop.close()
    imap = imaplib.IMAP4("127.0.0.1", empty.ports["imap"], timeout=20)
    assert "LOGINDISABLED" in imap.capabilities
    assert "AUTH=PLAIN" not in imap.capabilities
    with pytest.raises(imaplib.IMAP4.error):
        imap.login(YUKI, PASSWORD)
    imap.shutdown()


@pytest.mark.parametrize("service", ["pop3", "pop3s"])
def test_poplib(empty, service):
    """UIDL is stable, TOP cuts, DELE and QUIT remove, RSET does not."""
    for number in range(3):
        empty.send(message("pop %d" % number))
    pop = empty.pop(YUKI, service=service)
    first = pop.uidl()[1]
    assert len({line.split()[1] for line in first}) == 3
    top = pop.top(1, 0)[1]
    assert b"Subject: pop 0" in top and b"one" not in top
    pop.dele(2)
    pop.rset()
    assert pop.stat()[0] == 3
    pop.dele(2)
    assert "UIDL" in pop.capa()
    pop.quit()
    pop = empty.pop(YUKI, service=service)
    second = pop.uidl()[1]
    assert [line.split()[1] for line in second] == [
        first[0].split()[1], first[2].split()[1]]
    pop.quit()


@pytest.mark.parametrize("service", ["imap", "imaps"])
def test_imaplib(empty, service):
    """A session as a client lives it: list, read, flag, copy, append,
    search, expunge."""
    empty.send(message("imap 1"))
    empty.send(message("imap 2"))
    folder = "Work-%d" % os.getpid()
    with empty.imap(YUKI, service=service) as imap:
        def ok(answer):
            assert answer[0] == "OK", answer
            return answer[1]

        assert any(b"INBOX" in line for line in ok(imap.list()))
        ok(imap.create(folder))
        ok(imap.subscribe(folder))
        assert any(folder.encode() in line for line in ok(imap.lsub()))
        assert ok(imap.select("INBOX")) == [b"2"]
        ok(imap.store("1", "+FLAGS", r"(\Seen \Flagged)"))
        assert ok(imap.search(None, "FLAGGED")) == [b"1"]
        assert ok(imap.search(None, "SUBJECT", '"imap 2"')) == [b"2"]
        assert ok(imap.search(None, "UNSEEN")) == [b"2"]
        ok(imap.copy("1:2", folder))
        ok(imap.append(folder, r"(\Draft)", imaplib.Time2Internaldate(
            1795500000), message("appended")))
        assert ok(imap.status(folder, "(MESSAGES UNSEEN)")) == [
            ("%s (MESSAGES 3 UNSEEN 2)" % folder).encode()]
        ok(imap.store("2", "+FLAGS.SILENT", r"(\Deleted)"))
        ok(imap.expunge())
        assert ok(imap.search(None, "ALL")) == [b"1"]
        envelope = ok(imap.fetch("1", "(ENVELOPE BODYSTRUCTURE UID FLAGS)"))
        assert b'"imap 1"' in envelope[0] and b"\\Flagged" in envelope[0]
        ok(imap.select(folder))
        uids = ok(imap.uid("SEARCH", "ALL"))[0].split()
        assert uids == sorted(set(uids), key=int) and len(uids) == 3
        ok(imap.close())
        ok(imap.rename(folder, folder + "-2"))
        ok(imap.unsubscribe(folder))
        ok(imap.delete(folder + "-2"))


def test_imap_idle(empty):
    """RFC 2177: an idling client is told of new mail at once."""
    imap = empty.imap(YUKI)
    imap.select("INBOX")
    imap.send(b"x1 IDLE\r\n")
    assert imap.readline().startswith(b"+")
    start = time.monotonic()
    empty.send(message("idle"))
    sent = time.monotonic()
    imap.sock.settimeout(10)
    line = imap.readline()
    while b"EXISTS" not in line:
        assert line.startswith(b"*"), line
        line = imap.readline()
    assert line.strip() == b"* 1 EXISTS"
    assert time.monotonic() - sent < 2, "told %.1f s after the 250" % (
        time.monotonic() - start)
    imap.send(b"DONE\r\n")
    while not line.startswith(b"x1 "):
        line = imap.readline()
    assert line.startswith(b"x1 OK")
    imap.logout()


# ---- neomutt, fetchmail, mbsync ------------------------------------------------

# neomutt speaks SASL by GNU SASL: one client for every mechanism.
MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"]


def offered(platform, service, mechanism):
    """Whether the service offers the mechanism inside TLS."""
    if service == "submission":
        with platform.smtp("submission") as smtp:
            return mechanism in smtp.esmtp_features["auth"].split()
    with platform.imap(YUKI) as imap:
        return "AUTH=" + mechanism in imap.capabilities


def neomutt(tmp_path, muttrc, *args, **kwargs):
    path = tmp_path / "muttrc"
    path.write_text(muttrc)
    # neomutt insists on a terminal; script(1) lends one.
    command = " ".join(map(str, ["neomutt", "-n", "-F", path, *args]))
    run(["script", "-qec", command, "/dev/null"],
        env={**os.environ, "HOME": str(tmp_path), "TERM": "vt100"}, **kwargs)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_neomutt_sends(empty, tmp_path, mechanism):
    assert offered(empty, "submission", mechanism)
    body = tmp_path / "body"
    body.write_text("body\n")
    neomutt(tmp_path,
            'set from = "%s"\nset smtp_url = "smtp://%s@127.0.0.1:%d"\n'
            'set smtp_pass = "%s"\nset ssl_force_tls = yes\n'
            'set certificate_file = "%s"\n'
            'set ssl_ca_certificates_file = "%s"\n'
            'set copy = no\nset hostname = client.example\n'
            'set smtp_authenticators = "%s"\n' % (
                HANAKO, HANAKO, empty.ports["submission"], PASSWORD,
                empty.certificates / "ca.pem", empty.certificates / "ca.pem",
                mechanism.lower()),
            "-s", "neomutt", "--", YUKI, "<", body)
    assert subjects(empty, YUKI) == ["neomutt"]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_neomutt_reads(empty, tmp_path, mechanism):
    """Opens the INBOX over IMAP, copies everything to a file, leaves."""
    assert offered(empty, "imaps", mechanism)
    empty.send(message("neomutt reads"))
    neomutt(tmp_path,
            'set imap_user = "%s"\nset imap_pass = "%s"\n'
            'set imap_authenticators = "%s"\n'
            'set folder = "imaps://127.0.0.1:%d/"\nset spoolfile = "+INBOX"\n'
            'set certificate_file = "%s"\n'
            'set ssl_ca_certificates_file = "%s"\n'
            'set confirmappend = no\nset confirmcreate = no\n'
            'set mbox_type = mbox\nset wait_key = no\nset delete = no\n'
            'set quit = yes\nset mail_check = 600\n'
            'push "<tag-pattern>~A<enter><tag-prefix><copy-message>%s<enter>'
            '<quit>"\n' % (
                YUKI, PASSWORD, mechanism.lower(), empty.ports["imaps"],
                empty.certificates / "ca.pem", empty.certificates / "ca.pem",
                tmp_path / "out.mbox"), stdin=subprocess.DEVNULL)
    assert "Subject: neomutt reads" in (tmp_path / "out.mbox").read_text()


@pytest.mark.parametrize("protocol,service,keep", [
    ("pop3", "pop3s", False), ("pop3", "pop3", True),
    ("imap", "imaps", False), ("imap", "imap", True)])
def test_fetchmail(empty, tmp_path, protocol, service, keep):
    """Fetches to a file by its own delivery command; keeps or deletes."""
    for number in range(3):
        empty.send(message("fetchmail %d" % number))
    out = tmp_path / "out"
    rc = tmp_path / "fetchmailrc"
    rc.write_text(
        'poll 127.0.0.1 protocol %s port %d auth password\n'
        ' user "%s" password "%s" %s %s fetchall\n'
        ' sslcertfile "%s" sslcertck sslcommonname "mail.aozora.example"\n'
        ' mda "cat >>%s"\n' % (
            protocol, empty.ports[service], YUKI, PASSWORD,
            "ssl" if service.endswith("s") else 'sslproto "TLS1.2+"',
            "keep" if keep else "nokeep",
            empty.certificates / "ca.pem", out))
    rc.chmod(0o600)
    run(["fetchmail", "-f", rc, "--nosyslog", "-v", "--idfile",
         tmp_path / "ids", "--pidfile", tmp_path / "pid"],
        env={**os.environ, "HOME": str(tmp_path)})
    assert len(re.findall(r"^Subject: fetchmail \d", out.read_text(),
                          re.M)) == 3
    assert len(subjects(empty, YUKI)) == (3 if keep else 0)


def test_mbsync(empty, tmp_path):
    """Both ways: mail comes down, flags and a new message go up."""
    for number in range(5):
        empty.send(message("mbsync %d" % number))
    local = tmp_path / "Mail"
    local.mkdir()
    rc = tmp_path / "mbsyncrc"
    rc.write_text(
        "IMAPStore far\nHost localhost\nPort %d\nUser %s\nPass %s\n"
        "SSLType IMAPS\nCertificateFile %s\n\n"
        "MaildirStore near\nPath %s/\nInbox %s/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns INBOX\n"
        "Create Near\nExpunge Both\nSyncState *\n" % (
            empty.ports["imaps"], YUKI, PASSWORD,
            empty.certificates / "ca.pem", local, local))
    env = {**os.environ, "HOME": str(tmp_path)}
    run(["mbsync", "-c", rc, "all"], env=env)
    files = sorted([*(local / "INBOX/new").iterdir(),
                    *(local / "INBOX/cur").iterdir()])
    assert len(files) == 5
    # Read one, delete one, write one.
    first, second = files[:2]
    first.rename(local / "INBOX/cur" / (
        first.name.partition(":")[0] + ":2,S"))
    second.rename(local / "INBOX/cur" / (
        second.name.partition(":")[0] + ":2,T"))
    (local / "INBOX/cur/1795500000.1.client:2,S").write_bytes(
        message("mbsync up").replace(b"\r\n", b"\n"))
    run(["mbsync", "-c", rc, "all"], env=env)
    with empty.imap(YUKI) as imap:
        assert imap.select("INBOX", readonly=True)[1] == [b"5"]
        assert len(imap.search(None, "SEEN")[1][0].split()) == 2
        assert imap.search(None, "SUBJECT", '"mbsync up"')[1][0]
    # A third run has nothing to do.
    before = sorted(os.listdir(local / "INBOX/cur"))
    run(["mbsync", "-c", rc, "all"], env=env)
    assert sorted(os.listdir(local / "INBOX/cur")) == before
