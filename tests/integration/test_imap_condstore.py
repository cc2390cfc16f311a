# SPDX-License-Identifier: BSD-2-Clause
"""CONDSTORE and QRESYNC: RFC 7162."""

import re
import signal
import time

import pytest
from support.dialogue import Imap
from support.platform import PASSWORD

KEN = "ken@midori.example"


def message(subject):
    return b"Subject: %s\r\n\r\nx\r\n" % subject


@pytest.fixture
def dial(platform):
    made = []

    def dial():
        deadline = time.monotonic() + 20
        while True:
            # While a process that was killed is started again, a login may
            # be cut off.
            try:
                made.append(Imap.login(platform, KEN, PASSWORD, "imaps"))
                return made[-1]
            except (AssertionError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    yield dial
    for each in made:
        each.close()


@pytest.fixture
def box(dial):
    """Six messages in "box", selected."""
    m = dial()
    m.cmd(b"DELETE box")
    m.ok(b"CREATE box")
    for number in range(6):
        m.append(b"box", message(b"m%d" % number))
    m.ok(b"SELECT box")
    return m


def highest(lines):
    for line in lines:
        match = re.search(rb"\[HIGHESTMODSEQ (\d+)\]", line)
        if match:
            return int(match[1])
    raise AssertionError(lines)


def validity(lines):
    return int(re.search(rb"\[UIDVALIDITY (\d+)\]", b"".join(lines))[1])


def modseqs(lines):
    """{number: MODSEQ} of FETCH responses."""
    return {int(n): int(m) for n, m in re.findall(
        rb"\* (\d+) FETCH \([^\r]*?MODSEQ \((\d+)\)", b"\r\n".join(lines))}


# ---- CONDSTORE ------------------------------------------------------------


def test_capability(box):
    words = box.ok(b"CAPABILITY")[0].split()
    assert b"CONDSTORE" in words and b"QRESYNC" in words
    assert box.ok(b"ENABLE CONDSTORE X-NONE")[0] == b"* ENABLED CONDSTORE"


def test_select_tells(box):
    """Section 3.1.2.1, and 3.2.11: CLOSED."""
    before = highest(box.ok(b"SELECT box"))
    assert highest(box.ok(b"EXAMINE box (CONDSTORE)")) >= before
    lines = box.ok(b"SELECT box")
    assert lines[0].startswith(b"* OK [CLOSED]")
    box.ok(b"UNSELECT")
    assert not any(b"CLOSED" in line for line in box.ok(b"SELECT box"))


def test_nobody_is_told_who_did_not_ask(box, dial):
    """Before an enabling command no FETCH has MODSEQ."""
    other = dial()
    other.ok(b"SELECT box")
    other.ok(b"STORE 1 +FLAGS (\\Flagged)")
    lines = box.ok(b"NOOP")
    assert any(b"FETCH" in line for line in lines)
    assert b"MODSEQ" not in b"".join(lines)


@pytest.mark.parametrize("command", [
    b"SELECT box (CONDSTORE)", b"STATUS box (HIGHESTMODSEQ)",
    b"FETCH 1 MODSEQ", b"SEARCH MODSEQ 1", b"FETCH 1 FLAGS (CHANGEDSINCE 1)",
    b"STORE 1 (UNCHANGEDSINCE 1) FLAGS ()", b"ENABLE CONDSTORE"])
def test_enabling(box, dial, command):
    """Section 3.1: from then on FETCH responses have MODSEQ."""
    box.ok(command)
    other = dial()
    other.ok(b"SELECT box")
    other.ok(b"STORE 2 +FLAGS (\\Flagged)")
    assert list(modseqs(box.ok(b"NOOP"))) == [2]


def test_store_and_fetch(box):
    """Sections 3.1.3, 3.1.4: MODSEQ grows, and tells what changed."""
    first = modseqs(box.ok(b"FETCH 1:6 (MODSEQ)"))
    assert len(first) == 6
    mark = max(first.values())
    after = modseqs(box.ok(b"STORE 2 +FLAGS.SILENT (\\Flagged)"))
    assert list(after) == [2] and after[2] > mark
    lines = box.ok(b"FETCH 1:* (FLAGS) (CHANGEDSINCE %d)" % mark)
    assert modseqs(lines) == after
    assert b"\\Flagged" in lines[0]
    # What is as it was has not changed.
    again = modseqs(box.ok(b"STORE 2 +FLAGS (\\Flagged)"))
    assert again == after
    assert box.ok(b"FETCH 1:* FAST (CHANGEDSINCE %d)" % after[2]) == []
    # A message that is read for the first time.
    read = box.ok(b"FETCH 3 BODY[]")
    assert modseqs(read)[3] > after[2]


def test_unchangedsince(box, dial):
    """Section 3.1.3: who was overtaken is told, and changes nothing."""
    mark = max(modseqs(box.ok(b"FETCH 1:6 MODSEQ")).values())
    other = dial()
    other.ok(b"SELECT box")
    other.ok(b"STORE 2,4 +FLAGS (\\Flagged)")
    lines, tagged = box.cmd(
        b"STORE 1:4 (UNCHANGEDSINCE %d) +FLAGS.SILENT ($Work)" % mark)
    assert tagged.startswith(b"OK [MODIFIED 2,4]"), tagged
    assert set(modseqs(lines)) >= {1, 3}
    flags = box.ok(b"FETCH 1:4 FLAGS")
    assert [b"$Work" in line for line in flags] == [True, False, True, False]
    uids = [int(u) for u in re.findall(
        rb"UID (\d+)", b"".join(box.ok(b"FETCH 2:4 UID")))]
    _, tagged = box.cmd(
        b"UID STORE %d:%d (UNCHANGEDSINCE %d) FLAGS ()" % (
            uids[0], uids[2], mark))
    assert tagged.startswith(b"OK [MODIFIED %d:%d]" % (uids[0], uids[2]))
    _, tagged = box.cmd(b"STORE 5 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)")
    assert tagged.startswith(b"OK [MODIFIED 5]")


def test_search(box):
    """Sections 3.1.5, 3.1.10."""
    mark = max(modseqs(box.ok(b"FETCH 1:6 MODSEQ")).values())
    changed = {**modseqs(box.ok(b"STORE 2 +FLAGS (\\Flagged)")),
               **modseqs(box.ok(b"STORE 5 +FLAGS (\\Flagged)"))}
    assert box.ok(b"SEARCH MODSEQ %d" % (mark + 1)) == [
        b"* SEARCH 2 5 (MODSEQ %d)" % changed[5]]
    assert box.ok(b'SEARCH MODSEQ "/flags/\\\\draft" all %d' % (mark + 1)) == [
        b"* SEARCH 2 5 (MODSEQ %d)" % changed[5]]
    assert box.ok(b"SEARCH MODSEQ %d" % (changed[5] + 1)) == [b"* SEARCH"]
    for options, wanted in ((b"MIN", changed[2]), (b"MAX", changed[5]),
                            (b"COUNT", changed[5]), (b"", changed[5])):
        line = box.ok(b"SEARCH RETURN (%s) MODSEQ %d" % (
            options, mark + 1))[0]
        assert line.endswith(b" MODSEQ %d" % wanted), line
    assert box.ok(b"SORT (REVERSE ARRIVAL SUBJECT) UTF-8 MODSEQ %d" % (
        mark + 1))[0].endswith(b"(MODSEQ %d)" % changed[5])


def test_status_and_expunge(box):
    """Section 3.1.7, and HIGHESTMODSEQ of EXPUNGE and MOVE, 3.2.7."""
    status = box.ok(b"STATUS box (HIGHESTMODSEQ)")
    before = int(re.search(rb"HIGHESTMODSEQ (\d+)", status[-1])[1])
    box.ok(b"STORE 1 +FLAGS (\\Deleted)")
    _, tagged = box.cmd(b"EXPUNGE")
    after = highest([tagged])
    assert after > before
    box.cmd(b"CREATE elsewhere")
    _, tagged = box.cmd(b"MOVE 1 elsewhere")
    assert highest([tagged]) > after


@pytest.mark.parametrize("command", [
    b"FETCH 1 FLAGS (CHANGEDSINCE)", b"FETCH 1 FLAGS (CHANGEDSINCE x)",
    b"FETCH 1 FLAGS (WHAT 1)", b"FETCH 1 FLAGS (CHANGEDSINCE 1",
    b"FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
    b"FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", b"FETCH 1 FLAGS (VANISHED)",
    b"UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
    b"STORE 1 (UNCHANGEDSINCE) FLAGS ()", b"STORE 1 (WHAT 1) FLAGS ()",
    b"STORE 1 (UNCHANGEDSINCE 1 FLAGS ()", b"SEARCH MODSEQ",
    b"SEARCH MODSEQ x", b'SEARCH MODSEQ "/flags/x" 1',
    b"SELECT box (WHAT)", b"SELECT box (QRESYNC (1 1))"])
def test_bad(box, command):
    box.bad(command)


# ---- QRESYNC ----------------------------------------------------------------


@pytest.fixture
def quick(box):
    assert box.ok(b"ENABLE QRESYNC")[0] == b"* ENABLED QRESYNC"
    return box


@pytest.mark.parametrize("args", [
    b"()", b"(1)", b"(0 1)", b"(1 0)", b"(1 1 *)", b"(1 1 1:*)", b"(1 1 $)",
    b"(1 1 1:2 (1))", b"(1 1 1:2 (1 2)", b"(1 1 (1:2 *))", b"1 1"])
def test_bad_parameters(quick, args):
    quick.bad(b"SELECT box (QRESYNC %s)" % args)


def test_vanished(quick, dial):
    """Section 3.2.10: instead of EXPUNGE, by others and by oneself."""
    uids = [int(u) for u in re.findall(
        rb"UID (\d+)", b"".join(quick.ok(b"FETCH 1:6 UID")))]
    other = dial()
    other.ok(b"SELECT box")
    other.ok(b"STORE 2:3,5 +FLAGS.SILENT (\\Deleted)")
    assert any(b"EXPUNGE" in line for line in other.ok(b"EXPUNGE"))
    lines = quick.ok(b"NOOP")
    assert b"* VANISHED %d:%d,%d" % (uids[1], uids[2], uids[4]) in lines
    assert not any(b"EXPUNGE" in line for line in lines)
    # FETCH responses that nobody asked for have UID and MODSEQ (3.2.4).
    other.ok(b"STORE 1 +FLAGS (\\Flagged)")
    lines = quick.ok(b"NOOP")
    assert re.match(rb"\* 1 FETCH \(UID %d FLAGS \(.*\) MODSEQ \(\d+\)\)"
                    % uids[0], lines[0]), lines
    quick.ok(b"STORE 1 +FLAGS.SILENT (\\Deleted)")
    lines, tagged = quick.cmd(b"EXPUNGE")
    assert b"* VANISHED %d" % uids[0] in lines
    assert b"HIGHESTMODSEQ" in tagged


def test_resync(quick, dial):
    """Section 3.2.5.1: what changed while the client was away."""
    lines = quick.ok(b"SELECT box")
    valid, mark = validity(lines), highest(lines)
    uids = [int(u) for u in re.findall(
        rb"UID (\d+)", b"".join(quick.ok(b"FETCH 1:6 UID")))]
    quick.ok(b"UNSELECT")
    other = dial()
    other.ok(b"SELECT box")
    other.ok(b"STORE 1 +FLAGS (\\Flagged)")
    other.ok(b"STORE 2,4 +FLAGS (\\Deleted)")
    other.ok(b"EXPUNGE")
    other.append(b"box", message(b"new"))
    lines = quick.ok(b"SELECT box (QRESYNC (%d %d))" % (valid, mark))
    assert b"* VANISHED (EARLIER) %s" % (b"%d,%d" % (uids[1], uids[3])) \
        in lines[-3:], lines
    fetched = [line for line in lines if b"FETCH" in line]
    assert len(fetched) == 2
    assert b"UID %d" % uids[0] in fetched[0] and b"\\Flagged" in fetched[0]
    assert fetched[1].startswith(b"* 5 FETCH (UID ")
    # Only what the client names.
    lines = quick.ok(b"SELECT box (QRESYNC (%d %d %d:%d))" % (
        valid, mark, uids[2], uids[4]))
    assert b"* VANISHED (EARLIER) %d" % uids[3] in lines
    assert not any(b"FETCH" in line for line in lines)
    # Section 3.2.5.2: message 2 is still the third's UID, so that it knows.
    lines = quick.ok(b"SELECT box (QRESYNC (%d %d %d:%d (1,2 %d,%d)))" % (
        valid, mark, uids[0], uids[5], uids[0], uids[2]))
    assert b"* VANISHED (EARLIER) %d" % uids[3] in lines
    # Another UIDVALIDITY: nothing is said.
    lines = quick.ok(b"SELECT box (QRESYNC (%d %d))" % (valid + 1, mark))
    assert b"VANISHED" not in b"".join(lines)
    assert b"FETCH" not in b"".join(lines)
    # Section 3.2.6.
    lines = quick.ok(b"UID FETCH %d:%d (FLAGS) (CHANGEDSINCE %d VANISHED)" % (
        uids[0], uids[5], mark))
    assert lines[0] == b"* VANISHED (EARLIER) %d,%d" % (uids[1], uids[3])
    assert len(lines) == 2 and b"UID %d" % uids[0] in lines[1]


# ---- over the end of the process ----------------------------------------------


def kill(platform):
    """The session processes end; who logs in later meets none of them."""
    killed = set(platform.kill("imapd session", signal.SIGKILL))
    deadline = time.monotonic() + 10
    while killed & set(platform.pids("imapd session")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def away(platform, session):
    """The client goes, and then the process that served it, in order."""
    mark = platform.log_mark()
    session.cmd(b"LOGOUT")
    session.close()
    platform.wait_log("imapd.*session ended", mark)
    time.sleep(0.3)  # what it saved is there
    kill(platform)


def test_restart_changes_nothing(platform, quick, dial):
    """What clients were told holds for the next process, too."""
    quick.ok(b"STORE 3 +FLAGS (\\Flagged)")
    lines = quick.ok(b"SELECT box")
    valid, mark = validity(lines), highest(lines)
    told = modseqs(quick.ok(b"FETCH 1:6 MODSEQ"))
    away(platform, quick)
    again = dial()
    again.ok(b"ENABLE QRESYNC")
    lines = again.ok(b"SELECT box (QRESYNC (%d %d))" % (valid, mark))
    assert highest(lines) == mark
    assert not any(b"FETCH" in line for line in lines), lines
    assert modseqs(again.ok(b"FETCH 1:6 MODSEQ")) == told


def test_changes_while_no_process_ran(platform, quick, dial):
    """Another program renames a file: it has changed, the others not."""
    lines = quick.ok(b"SELECT box")
    valid, mark = validity(lines), highest(lines)
    away(platform, quick)
    file = next(f for f in platform.root.glob(
        "store/midori/*/*/Maildir/.box/cur/*") if f.name.endswith(":2,"))
    file.rename(file.with_name(file.name + "F"))
    again = dial()
    again.ok(b"ENABLE QRESYNC")
    lines = again.ok(b"SELECT box (QRESYNC (%d %d))" % (valid, mark))
    assert highest(lines) > mark
    fetched = [line for line in lines if b"FETCH" in line]
    assert len(fetched) == 1 and b"\\Flagged" in fetched[0]


def test_killed_tells_all(platform, quick, dial):
    """A process killed in the middle: too much is told, never too little."""
    lines = quick.ok(b"SELECT box")
    valid, mark = validity(lines), highest(lines)
    quick.ok(b"UNSELECT")  # saved
    quick.ok(b"SELECT box")
    quick.ok(b"STORE 1 +FLAGS (\\Flagged)")
    told = max(modseqs(quick.ok(b"FETCH 1:6 MODSEQ")).values())
    kill(platform)
    quick.close()
    again = dial()
    again.ok(b"ENABLE QRESYNC")
    lines = again.ok(b"SELECT box (QRESYNC (%d %d))" % (valid, mark))
    assert highest(lines) > told
    assert any(b"\\Flagged" in line for line in lines if b"FETCH" in line)


def test_torn_file(platform, quick, dial):
    """What is no good file is as none."""
    lines = quick.ok(b"SELECT box")
    valid, mark = validity(lines), highest(lines)
    for damage in (lambda o: o[:-1], lambda o: o[:20], lambda o: b"",
                   lambda o: o[:-1] + bytes([o[-1] ^ 1]),
                   lambda o: b"HKMS\x02" + o[5:]):
        away(platform, quick)
        file = next(platform.root.glob(
            "store/midori/*/*/Maildir/.box/hikyaku-modseq"))
        file.write_bytes(damage(file.read_bytes()))
        quick = dial()
        quick.ok(b"ENABLE QRESYNC")
        lines = quick.ok(b"SELECT box (QRESYNC (%d %d))" % (valid, mark))
        assert len([line for line in lines if b"FETCH" in line]) == 6
        mark = highest(lines)
