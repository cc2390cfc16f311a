# SPDX-License-Identifier: BSD-2-Clause
"""What an idle IMAP session costs: TLS, IDLE, an INBOX of 1,000 messages."""

import os
import pathlib
import re
import resource
import socket
import ssl
import time

import pytest

LOGIN = "taro@aozora.example"
SESSIONS = 1000
MESSAGES = 1000
LIMIT_KB = 64


def pss_kb(platform):
    """{name: PSS in KB} of the platform's processes, by smaps_rollup."""
    found = {}
    for pid, argv in platform.processes().items():
        text = pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text()
        kb = int(re.search(r"^Pss:\s+(\d+) kB", text, re.M)[1])
        role = [a.partition("=")[2] for a in argv if a.startswith("--role=")]
        name = " ".join([pathlib.Path(argv[0]).name, *role])
        found[name] = found.get(name, 0) + kb
    return found


def kernel_kb():
    """Kernel memory by kind: slab objects of sockets, epoll and files, and
    the sockets' buffers."""
    found = {}
    try:
        for line in pathlib.Path("/proc/slabinfo").read_text().splitlines():
            fields = line.split()
            if len(fields) > 4 and fields[1].isdigit():
                found["slab"] = found.get("slab", 0) + (
                    int(fields[1]) * int(fields[3]) // 1024)
    except PermissionError:
        pass  # root only
    pages = re.search(r"^TCP:.* mem (\d+)",
                      pathlib.Path("/proc/net/sockstat").read_text(), re.M)
    found["tcp buffers"] = int(pages[1]) * 4
    return found


@pytest.fixture
def descriptors():
    """Room for all the sockets of the test itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = 3 * SESSIONS + 200
    if hard != resource.RLIM_INFINITY and hard < want:
        if os.geteuid() != 0:
            pytest.skip("only %d descriptors are allowed" % hard)
        hard = want
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, want), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def read_until(s, tag, rest=b""):
    """Reads until a line that starts with tag."""
    text = rest
    while not (text.startswith(tag) or b"\r\n" + tag in text):
        piece = s.recv(65536)
        assert piece, "closed after %r" % text[-300:]
        text += piece
    return text


def idle_session(platform, context):
    """A TLS session that has selected INBOX and idles."""
    from support.platform import PASSWORD
    s = context.wrap_socket(
        socket.create_connection(("127.0.0.1", platform.ports["imaps"]), 60),
        server_hostname="mail.aozora.example")
    read_until(s, b"* OK")
    s.sendall(b"a LOGIN %s %s\r\n" % (LOGIN.encode(), PASSWORD.encode()))
    assert b"\r\na OK" in b"\r\n" + read_until(s, b"a ")
    s.sendall(b"b SELECT INBOX\r\n")
    text = read_until(s, b"b ")
    assert b"* %d EXISTS" % MESSAGES in text and b"b OK" in text, text
    s.sendall(b"c IDLE\r\n")
    read_until(s, b"+")
    return s


@pytest.mark.plain_only
@pytest.mark.alone
def test_idle_sessions(make_platform, descriptors, record_property):
    platform = make_platform({"imapd": ["client-connections-max = 0"]})
    platform.ldap("ldapmodify", "dn: cn=basic,ou=classes,ou=platform,"
                  "o=hikyaku\nchangetype: modify\n"
                  "replace: hkMaxImapSessions\nhkMaxImapSessions: 0\n")
    with platform.smtp() as smtp:
        for number in range(MESSAGES):
            platform.send_with(smtp, b"Subject: %d\r\n\r\nx\r\n" % number,
                               [LOGIN])
    # One session first: what is paid once is not a session's.
    context = ssl.create_default_context(
        cafile=str(platform.certificates / "ca.pem"))
    sessions = [idle_session(platform, context)]
    time.sleep(2)
    pss, kernel = pss_kb(platform), kernel_kb()
    start = time.monotonic()
    for _ in range(SESSIONS):
        sessions.append(idle_session(platform, context))
    took = time.monotonic() - start
    time.sleep(5)
    pss_after, kernel_after = pss_kb(platform), kernel_kb()
    each = {n: (pss_after[n] - pss.get(n, 0)) / SESSIONS for n in pss_after}
    total = sum(each.values())
    print("\n%d idle TLS IMAP sessions on %d messages: %.1f KB PSS each (%s);"
          % (SESSIONS, MESSAGES, total, ", ".join(
              "%s %.1f" % i for i in sorted(each.items()) if i[1] > 0.05)))
    print("    kernel (with the test's own end of each socket): %s KB each; "
          "logins took %.1f s" % (", ".join(
              "%s %.1f" % (n, (kernel_after[n] - kernel[n]) / SESSIONS)
              for n in kernel_after), took))
    record_property("pss_kb_each", total)
    # They really are alive: a new message reaches the last one.
    platform.send(b"Subject: new\r\n\r\nx\r\n", to=LOGIN)
    sessions[-1].settimeout(20)
    read_until(sessions[-1], b"* %d EXISTS" % (MESSAGES + 1))
    for s in sessions:
        s.close()
    assert total < LIMIT_KB
