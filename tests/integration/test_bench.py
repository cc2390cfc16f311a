# SPDX-License-Identifier: BSD-2-Clause
"""The side-by-side measurements must not flatter anybody: tests/bench finds a
peer that does not flush, and answers that are wrong."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest
from conftest import BUILD, TOP

sys.path.insert(0, str(TOP / "tests" / "bench"))

import measure  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402
import sides  # noqa: E402
from peers import PeerMissing  # noqa: E402
from support import certs  # noqa: E402

pytestmark = [pytest.mark.plain_only, pytest.mark.root_only,
              pytest.mark.alone]


class DovecotSide(sides.Side):
    """The mail store of the peer's side alone."""

    name = "Dovecot"
    durable = sides.PeerSide.durable
    line_end = b"\n"
    owner, maildir = sides.PeerSide.owner, sides.PeerSide.maildir

    def start(self, extra=""):
        state = self.directory / "dovecot"
        state.mkdir()
        self.dovecot = sides.BenchDovecot(self, state=state)
        self.dovecot.more = extra
        self.dovecot.start()
        return self

    def stop(self):
        self.dovecot.stop()

    def connect(self, service):
        return "127.0.0.1:%d" % self.dovecot.ports[service]

    def pids(self):
        return sides.descendants([self.dovecot.root.process.pid])

    def _make(self, maildir):
        super()._make(maildir)
        os.chown(maildir.parent, *self.owner())


@pytest.fixture
def dovecot(monkeypatch, request):
    monkeypatch.setattr(sides, "ACCOUNTS", 20)
    monkeypatch.setattr(sides, "CRYPT_ACCOUNTS", 0)
    monkeypatch.setattr(sides, "ACTIVE", 20)
    with tempfile.TemporaryDirectory(prefix="hk-bench-") as directory:
        path = pathlib.Path(directory)
        path.chmod(0o755)
        try:
            side = DovecotSide(
                certs.make_certificate(path, sides.HOST, "ecdsa"), path)
            side.start(getattr(request, "param", ""))
        except PeerMissing as e:
            assert os.environ.get("CI") != "true", str(e)
            pytest.skip(str(e))
        yield side
        side.stop()


def script(tmp_path, text):
    path = tmp_path / "script.load"
    path.write_text(text)
    return path


def load(side, path, *options):
    """The load generator's exit status and figures."""
    got = subprocess.run(
        [str(a) for a in (BUILD / "tests/bench/load", "--script", path,
                          "--connect", side.connect("imap"), "--operations",
                          5, "--per-connection", 0, *options)],
        capture_output=True, text=True, timeout=60, check=False)
    return got.returncode, json.loads(got.stdout)


@pytest.mark.parametrize("dovecot", ["mail_fsync = never"], indirect=True)
def test_unflushed_peer_is_found(dovecot):
    paths = dovecot.flushes("lmtp")
    assert paths == []
    text, well = report.flushes_line([("Dovecot", "lmtp", paths)])
    assert not well and "LMTP: NOTHING" in text


def test_flushed_peer_is_taken(dovecot):
    paths = dovecot.flushes("lmtp")
    assert any("/tmp/" in path for path in paths)
    text, well = report.flushes_line([("Dovecot", "lmtp", paths)])
    assert well and "the message" in text


def test_wrong_answers_fail(dovecot, tmp_path):
    """Too few lines, words or octets, and a refusal, each end in an error
    that names the step."""
    dovecot.fill(0, 30)
    head = "protocol imap\n> LOGIN {user} {password}\n> SELECT INBOX\nloop\n"
    size = len(sides.message(6, 4096))
    for step, wrong in (
            ("> FETCH 1:* (UID FLAGS)\nlines {n}", "30 lines, not 31"),
            ("> SEARCH SUBJECT \"subject 7\"\nwords {n}",
             "4 words, not 31"),
            ("> FETCH 7 (BODY.PEEK[])\nliterals {n}",
             "%d octets in literals, not 31" % size),
            ("> FETCH 31 (UID)", "refused")):
        path = script(tmp_path, head + "begin\n" + step + "\nend\nrepeat\n"
                      "> LOGOUT\n")
        status, figures = load(dovecot, path, "--set", "n=31")
        assert status == 1 and figures["errors"] > 0
        assert wrong in figures["first_error"], figures["first_error"]
    right = script(tmp_path, head + "begin\n> FETCH 7 (BODY.PEEK[])\n"
                   "literals {octets}\nend\nrepeat\n> LOGOUT\n")
    status, figures = load(dovecot, right, "--set", "octets=%d" % size)
    assert (status, figures["errors"], figures["operations"]) == (0, 0, 5)


def test_lost_message_fails(dovecot, monkeypatch):
    """A message that was acknowledged and is not in its mailbox."""
    row = next(row for row in rows.ROWS if row.name == "lmtp-4kb-1")
    monkeypatch.setattr(measure, "await_messages",
                        lambda side, wanted, seconds=0.5, real=measure
                        .await_messages: real(side, wanted + 1, seconds))
    with pytest.raises(measure.WrongAnswer, match="1 acknowledged messages"):
        measure.load(BUILD, dovecot, row, 1)


def test_failed_row_is_reported(dovecot):
    row = next(row for row in rows.ROWS if row.name == "lmtp-4kb-1")
    results = {"Dovecot": "2 errors, the first: no", "other": []}
    text, well = report.row_line(row, results, [dovecot, dovecot])
    assert not well and "wrong: 2 errors" in text


@pytest.mark.parametrize("text, wrong", [
    ("protocol imap\n> NOOP\nwords many\n", "expected a number"),
    ("protocol gopher\n", "expected smtp"),
    ("protocol imap\nfly\n", "unknown step"),
])
def test_script_errors(tmp_path, text, wrong):
    got = subprocess.run(
        [BUILD / "tests/bench/load", "--script", script(tmp_path, text),
         "--connect", "127.0.0.1:1"], capture_output=True, text=True,
        timeout=20, check=False)
    assert got.returncode == 2 and wrong in got.stderr
