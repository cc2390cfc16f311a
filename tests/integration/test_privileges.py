# SPDX-License-Identifier: BSD-2-Clause
"""Who may open what: shown from /proc and by trying, as root."""

import os
import pathlib
import subprocess

import pytest
from support.platform import TENANT_UIDS, UIDS

HANAKO, YUKI = "hanako@aozora.example", "yuki@midori.example"


def status(pid):
    """The fields of /proc/PID/status."""
    text = pathlib.Path("/proc/%d/status" % pid).read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines()
                if ":\t" in line)


def descriptors(pid):
    """What the descriptors of a process point to."""
    found = []
    for entry in pathlib.Path("/proc/%d/fd" % pid).iterdir():
        try:
            found.append(os.readlink(entry))
        except OSError:
            pass
    return found


def try_as(uid, code):
    """Runs Python code as uid without groups; answers what it prints."""
    got = subprocess.run(
        ["setpriv", "--reuid", str(uid), "--regid", str(uid),
         "--clear-groups", "--no-new-privs", "/usr/bin/python3", "-c", code],
        capture_output=True, text=True, check=False)
    return got.stdout.strip() or got.stderr.strip()


@pytest.fixture(scope="module")
def mailboxes(platform):
    """A message in each brand, and open sessions of both."""
    platform.send(b"Subject: secret\r\n\r\nx\r\n", to=[HANAKO, YUKI])
    sessions = []
    for login in (HANAKO, YUKI):
        imap, pop = platform.imap(login), platform.pop(login)
        imap.select("INBOX")
        sessions += [imap.logout, pop.quit]
    yield platform
    for end in sessions:
        end()


@pytest.mark.root_only
def test_uids(mailboxes):
    """Only hikyakud is root; each daemon has its own uid, each session
    process its tenant's."""
    platform = mailboxes
    tenants = {str(v): k for k, v in TENANT_UIDS.items()}
    seen = set()
    for pid, argv in platform.processes().items():
        name = pathlib.Path(argv[0]).name
        fields = status(pid)
        uids, gids = fields["Uid"].split(), fields["Gid"].split()
        assert len(set(uids)) == 1 and len(set(gids)) == 1, (name, uids, gids)
        if name == "hikyakud":
            assert uids[0] == "0"
            continue
        seen.add(name)
        groups = set(fields.get("Groups", "").split())
        assert groups <= {gids[0]}, (name, "groups", groups)
        if "--role=session" in argv:
            tenant = next(a for a in argv if a.startswith("--tenant="))
            assert tenants[uids[0]] == tenant.partition("=")[2]
        else:
            assert uids[0] == str(UIDS[name]), (name, uids)
    # Filters run where the configuration names them.
    assert seen == set(UIDS) - {"antivirus", "quarantine", "forward",
                                "autoreply"}


@pytest.mark.root_only
def test_no_new_privileges_and_seccomp(mailboxes):
    """Everything but hikyakud runs under seccomp, with no_new_privs, and
    without capabilities (deliveryd keeps those it acts as tenants with)."""
    for pid, argv in mailboxes.processes().items():
        name = pathlib.Path(argv[0]).name
        if name == "hikyakud":
            continue
        fields = status(pid)
        assert fields["NoNewPrivs"] == "1", name
        assert fields["Seccomp"] == "2", name
        # SETGID and SETUID, for setfsuid; over an exec they lead nowhere,
        # since its seccomp filter kills execve.
        allowed = 1 << 6 | 1 << 7 if name == "deliveryd" else 0
        for field in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(fields[field], 16) & ~allowed == 0, (name, field)


@pytest.mark.root_only
def test_files_belong_to_the_tenant(mailboxes):
    """Directories 0700, files for nobody else, all of the tenant's uid."""
    for tenant, uid in TENANT_UIDS.items():
        top = mailboxes.root / "store" / tenant
        count = 0
        for path in [top, *top.rglob("*")]:
            info = path.lstat()
            mode = info.st_mode & 0o7777
            assert info.st_uid == uid, path
            # dovecot-uidvalidity.* is an empty 0400, a lock by name.
            assert mode == 0o700 if path.is_dir() else mode in (
                0o600, 0o400), (path, oct(mode))
            count += 1
        assert count > 5


@pytest.mark.root_only
def test_uids_cannot_open_mail(mailboxes):
    """Trying: no gate's uid opens any mailbox, no tenant's uid another's."""
    code = ("import os,sys\n"
            "try:\n    print(os.listdir(%r))\n"
            "except OSError as e:\n    print(e.strerror)\n")
    for tenant, owner in TENANT_UIDS.items():
        path = str(mailboxes.root / "store" / tenant)
        for uid in [*UIDS.values(), *TENANT_UIDS.values()]:
            answer = try_as(uid, code % path)
            if uid == owner:
                assert answer.startswith("["), answer
            else:
                assert answer == "Permission denied", (uid, path, answer)


@pytest.mark.root_only
def test_memory_and_signals_between_tenants(mailboxes):
    """A session process of one brand is out of reach for the other's uid."""
    pids = {}
    for pid in mailboxes.pids("imapd session"):
        argv = mailboxes.processes()[pid]
        tenant = next(a for a in argv if a.startswith("--tenant="))
        pids[tenant.partition("=")[2]] = pid
    assert set(pids) == set(TENANT_UIDS)
    for tenant, pid in pids.items():
        other = next(u for t, u in TENANT_UIDS.items() if t != tenant)
        assert "Permission denied" in try_as(
            other, "open('/proc/%d/mem')" % pid)
        assert "not permitted" in try_as(
            other, "import os; os.kill(%d, 9)" % pid)


@pytest.mark.root_only
def test_secrets_are_root_only(mailboxes):
    """Keys, the configuration and the directory's data."""
    platform = mailboxes
    for path in [platform.conf, *platform.certificates.glob("*.key"),
                 *platform.certificates.glob("*.pem")]:
        if path.name == "ca.pem":
            continue
        assert path.stat().st_mode & 0o077 == 0, path
    for uid in [*UIDS.values(), *TENANT_UIDS.values()]:
        answer = try_as(uid, "open(%r)" % str(platform.conf))
        assert "Permission denied" in answer


def test_gates_hold_no_files(mailboxes):
    """The processes that face the network have no mailbox, no directory and
    no key file open."""
    platform = mailboxes
    for name in ("pop3d gate", "imapd gate", "smtpd"):
        pids = platform.pids(name)
        assert pids, name
        for pid in pids:
            for target in descriptors(pid):
                assert "/store" not in target, (name, target)
                assert not target.startswith(str(platform.certificates)), (
                    name, target)


def test_sessions_hold_only_their_tenant(mailboxes):
    """Descriptors of a session process lie below its own tenant's store."""
    platform = mailboxes
    store = str(platform.root / "store") + "/"
    for name in ("pop3d session", "imapd session"):
        for pid in platform.pids(name):
            argv = platform.processes()[pid]
            tenant = next(a for a in argv if a.startswith("--tenant="))
            mine = store + tenant.partition("=")[2]
            for target in descriptors(pid):
                if target.startswith(store):
                    assert target == mine or target.startswith(mine + "/"), (
                        name, target)
