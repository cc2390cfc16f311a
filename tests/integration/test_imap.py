# SPDX-License-Identifier: BSD-2-Clause
"""IMAP from outside: RFC 3501 and the extensions in CAPABILITY."""

import os
import re
import time

import pytest
from support.dialogue import Imap
from support.platform import PASSWORD
from support.wire import Wire

# The tests on mailboxes have this account for themselves.
TARO = "taro@aozora.example"
SERVICE = os.environ.get("HK_IMAP_SERVICE", "imaps")

# RFC 3501 section 8, the message of the example session.
GRAY = b"""\
Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
From: Terry Gray <gray@cac.washington.edu>
Subject: IMAP4rev1 WG mtg summary and minutes
To: imap@cac.washington.edu
cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
Message-Id: <B27397-0100000@cac.washington.edu>
MIME-Version: 1.0
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII

""".replace(b"\n", b"\r\n") + b"x" * 70 + b"\r\n"

NESTED = b"""\
From: a@example.org
Subject: =?utf-8?B?5Lya6K2w44Gu44GK55+l44KJ44Gb?=
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=iso-2022-jp

\x1b$B2q5D\x1b(B
--inner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>=E4=BC=9A=E8=AD=B0</p>
--inner--
--outer
Content-Type: message/rfc822
Content-Disposition: attachment; filename="m.eml"

From: b@example.net
Subject: inside

text of the inner message
--outer
Content-Type: application/octet-stream; name=x.bin
Content-Transfer-Encoding: base64

AAECAw==
--outer--
epilogue
""".replace(b"\n", b"\r\n")


def message(subject, body=b"hello\r\n"):
    return (b"From: sender@example.org\r\nTo: taro@aozora.example\r\n"
            b"Subject: %s\r\n\r\n" % subject.encode()) + body


@pytest.fixture
def dial(platform):
    """dial(name): a session that is logged in."""
    made = []

    def dial(name=TARO):
        made.append(Imap.login(platform, name, PASSWORD, SERVICE))
        return made[-1]

    yield dial
    for each in made:
        each.close()


@pytest.fixture
def box(dial):
    """A session on an empty mailbox of its own, "box", selected."""
    m = dial()
    for untagged in m.ok(b'LIST "" "*"'):
        name = untagged.rsplit(b" ", 1)[1]
        if name.split(b"/")[0] in (b"box", b"other"):
            m.cmd(b"DELETE " + name)
    m.ok(b"CREATE box")
    m.ok(b"SELECT box")
    return m


# ---- before and around mailboxes -------------------------------------------


def test_capability(dial):
    """RFC 3501 6.1.1; IMAP4rev1 stands first, for iOS."""
    m = dial()
    line = m.ok(b"CAPABILITY")[0]
    assert line.startswith(b"* CAPABILITY IMAP4rev1 ")
    for word in (b"IDLE", b"UIDPLUS", b"MOVE", b"NAMESPACE", b"UNSELECT",
                 b"CHILDREN", b"SPECIAL-USE", b"LITERAL+", b"ENABLE", b"ID",
                 b"ESEARCH"):
        assert word in line.split()


def test_any_state(dial):
    m = dial()
    assert m.ok(b"NOOP") == []
    assert m.ok(b'ID ("name" "test" "version" NIL)')[0].startswith(b"* ID (")
    assert m.ok(b"ID NIL")
    assert m.ok(b"ENABLE X-NOT") == [b"* ENABLED"]
    assert m.ok(b"NAMESPACE") == [b'* NAMESPACE (("" "/")) NIL NIL']
    m.bad(b"FETCH 1 FLAGS")  # nothing is selected
    m.bad(b"XYZZY")
    m.bad(b"NOOP x")
    m.bad(b"SELECT")
    assert m.cmd(b"LOGOUT")[0] == [b"* BYE Logging out"]
    assert m.response() == b""


def test_special_use(dial):
    """RFC 6154 2: attributes in plain LIST, made at the first login."""
    m = dial()
    lines = m.ok(b'LIST "" "*"')
    assert lines[0].endswith(b'"/" INBOX')
    for name in (b"Sent", b"Drafts", b"Trash", b"Junk"):
        assert any(b"\\" + name in line and line.endswith(b' ' + name)
                   for line in lines), lines


def test_list_patterns(box):
    """RFC 3501 6.3.8, RFC 3348."""
    box.ok(b"CREATE other/deep/er")
    box.ok(b"CREATE other/flat/")

    def names(command):
        return {line.split(b'"/" ')[1]: line for line in box.ok(command)}

    assert box.ok(b'LIST "" ""') == [b'* LIST (\\Noselect) "/" ""']
    found = names(b'LIST "" other*')
    assert set(found) == {b"other", b"other/deep", b"other/deep/er",
                          b"other/flat"}
    assert b"\\Noselect" in found[b"other"]
    assert b"\\HasChildren" in found[b"other/deep"]
    assert b"\\HasNoChildren" in found[b"other/flat"]
    assert set(names(b'LIST "" other/%')) == {b"other/deep", b"other/flat"}
    assert set(names(b'LIST other/ %/er')) == {b"other/deep/er"}
    assert set(names(b'LIST "" inbox')) == {b"INBOX"}
    assert names(b'LIST "" nothing') == {}
    box.ok(b"SUBSCRIBE other/deep/er")
    assert set(names(b'LSUB "" other/*')) == {b"other/deep/er"}
    stop = names(b'LSUB "" %')[b"other"]
    assert b"\\Noselect" in stop
    box.ok(b"UNSUBSCRIBE other/deep/er")
    assert names(b'LSUB "" other/*') == {}


def test_names(box):
    """RFC 3501 5.1.3: modified UTF-7; 6.3.3-6.3.5."""
    box.ok(b"CREATE other/&MEpm+DBE-")
    assert any(line.endswith(b"other/&MEpm+DBE-")
               for line in box.ok(b'LIST "" other/*'))
    assert b"ALREADYEXISTS" in box.no(b"CREATE other/&MEpm+DBE-")
    assert b"CANNOT" in box.no(b"CREATE other/a..b")
    box.ok(b"RENAME other/&MEpm+DBE- {7+}\r\nother/x")
    assert b"NONEXISTENT" in box.no(b"DELETE other/&MEpm+DBE-")
    box.ok(b"DELETE other/x")
    box.no(b"DELETE INBOX")
    box.no(b"CREATE inbox")
    assert b"NONEXISTENT" in box.no(b"SELECT other/x")
    box.bad(b"NOOP x")
    box.bad(b"CLOSE")  # the failed SELECT left nothing selected


def test_select(box):
    """RFC 3501 6.3.1, 6.3.2."""
    for i in range(3):
        box.append(b"box", message("s%d" % i), b" (\\Seen)" if i == 0 else b"")
    lines = box.ok(b"SELECT box")
    text = b"\n".join(lines)
    assert b"* 3 EXISTS" in lines
    assert any(re.match(rb"\* \d RECENT", line) for line in lines)
    assert b"[UNSEEN 2]" in text and b"[UIDNEXT 4]" in text
    assert re.search(rb"\[UIDVALIDITY \d+\]", text)
    assert b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)" in lines
    assert b"\\*" in text
    _, tagged = box.cmd(b"EXAMINE box")
    assert tagged.startswith(b"OK [READ-ONLY]")
    box.no(b"STORE 1 +FLAGS (\\Flagged)")
    box.no(b"EXPUNGE")
    box.ok(b"UNSELECT")
    box.bad(b"FETCH 1 FLAGS")


def test_status(box):
    box.append(b"box", message("one"))
    box.append(b"box", message("two"), b" (\\Seen)")
    line = box.ok(b"STATUS box (MESSAGES UIDNEXT UNSEEN UIDVALIDITY RECENT)")
    assert re.search(rb"MESSAGES 2 .*UIDNEXT 3 .*UNSEEN 1", line[0])
    assert b"NONEXISTENT" in box.no(b"STATUS nothing (MESSAGES)")
    box.bad(b"STATUS box (NONSENSE)")
    box.bad(b"STATUS box")


# ---- APPEND -----------------------------------------------------------------


def test_append(box):
    """RFC 3501 6.3.11, RFC 4315 3."""
    v, uid = box.append(b"box", GRAY,
                        b' (\\Flagged $Label) " 7-Feb-1994 21:52:25 -0800"')
    line = box.ok(b"FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE)")[-1]
    assert b"UID %d" % uid in line and b"\\Flagged" in line
    assert b"$Label" in line
    assert b'INTERNALDATE " 8-Feb-1994 05:52:25 +0000"' in line
    assert b"RFC822.SIZE %d" % len(GRAY) in line
    assert box.body(1) == GRAY
    assert b"TRYCREATE" in box.no(b"APPEND nothing", (GRAY, b""))
    assert b"TOOBIG" in box.cmd(b"APPEND box {99999999999}")[1]
    box.bad(b"APPEND box (\\Nonsense)", (GRAY, b""))
    box.no(b"APPEND box {0+}\r\n")
    # The announced mailbox name may be a literal, too.
    box.ok(b"APPEND", (b"box", b""), (GRAY, b""))
    box.ok(b"APPEND box {%d+}\r\n" % len(GRAY) + GRAY)
    assert b"* 3 EXISTS" in box.ok(b"SELECT box")


def test_append_refused_in_one_go(box):
    """RFC 7888 4: the octets of a refused literal are read, not run."""
    payload = b"t9 DELETE box\r\n" * 10
    assert b"TRYCREATE" in box.no(
        b"APPEND nothing {%d+}\r\n" % len(payload) + payload)
    assert box.ok(b"NOOP") == []
    assert any(line.endswith(b" box") for line in box.ok(b'LIST "" box'))


def test_append_large(box):
    body = os.urandom(64)
    large = message("large", b"".join(
        b"%d %s\r\n" % (i, body.hex().encode()) for i in range(100000)))
    box.append(b"box", large)
    assert box.body(1) == large
    assert box.body(1, b"BODY.PEEK[]<1000.70000>") == large[1000:71000]


# ---- FETCH -------------------------------------------------------------------


def test_fetch_example(box):
    """RFC 3501 section 8 and 7.4.2."""
    box.append(b"box", GRAY)
    line = box.ok(b"FETCH 1 FULL")[0]
    assert (b'ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" '
            b'"IMAP4rev1 WG mtg summary and minutes" '
            b'(("Terry Gray" NIL "gray" "cac.washington.edu")) '
            b'(("Terry Gray" NIL "gray" "cac.washington.edu")) '
            b'(("Terry Gray" NIL "gray" "cac.washington.edu")) '
            b'((NIL NIL "imap" "cac.washington.edu")) '
            b'((NIL NIL "minutes" "CNRI.Reston.VA.US")'
            b'("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
            b'"<B27397-0100000@cac.washington.edu>")') in line
    assert (b'BODY ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7bit" '
            b"72 1)") in line
    assert box.body(1, b"BODY.PEEK[HEADER.FIELDS (date TO)]") == (
        b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
        b"To: imap@cac.washington.edu\r\n\r\n")
    not_them = box.body(1, b"BODY.PEEK[HEADER.FIELDS.NOT (DATE TO CC)]")
    assert b"Subject" in not_them and b"cc:" not in not_them


def test_fetch_sections(box):
    """RFC 3501 6.4.5: every section, and partials."""
    box.append(b"box", NESTED)
    header, _, body = NESTED.partition(b"\r\n\r\n")
    want = {
        b"[]": NESTED,
        b"[HEADER]": header + b"\r\n\r\n",
        b"[TEXT]": body,
        b"[1.MIME]":
            b"Content-Type: multipart/alternative; boundary=inner\r\n\r\n",
        b"[1.1]": b"\x1b$B2q5D\x1b(B",
        b"[1.2]": b"<p>=E4=BC=9A=E8=AD=B0</p>",
        b"[2]": b"From: b@example.net\r\nSubject: inside\r\n\r\n"
                b"text of the inner message",
        b"[2.HEADER]": b"From: b@example.net\r\nSubject: inside\r\n\r\n",
        b"[2.HEADER.FIELDS (Subject)]": b"Subject: inside\r\n\r\n",
        b"[2.TEXT]": b"text of the inner message",
        b"[2.1]": b"text of the inner message",
        b"[3]": b"AAECAw==",
        b"[1.HEADER]": b"",
    }
    for section, octets in want.items():
        assert box.body(1, b"BODY.PEEK" + section) == octets, section
        answer = box.ok(b"FETCH 1 BODY.PEEK%s<2.3>" % section)[0]
        assert b"BODY%s<2> {%d}\r\n%s" % (
            section, len(octets[2:5]), octets[2:5]) in answer
    assert b"BODY[4] NIL" in box.ok(b"FETCH 1 BODY.PEEK[4]")[0]
    assert b"BODY[1.3] NIL" in box.ok(b"FETCH 1 BODY.PEEK[1.3]")[0]
    for bad in (b"BODY[MIME]", b"BODY[0]", b"BODY[1.]", b"BODY[X]",
                b"BODY[]<1>", b"BODY[HEADER.FIELDS ()]", b"NONSENSE",
                b"(FLAGS", b"()"):
        box.bad(b"FETCH 1 " + bad)


def test_bodystructure(box):
    box.append(b"box", NESTED)
    line = box.ok(b"FETCH 1 BODYSTRUCTURE")[0]
    assert line == (
        b'* 1 FETCH (BODYSTRUCTURE ((("text" "plain" ("charset" '
        b'"iso-2022-jp") NIL NIL "7bit" 10 0 NIL NIL NIL NIL)("text" "html" '
        b'("charset" "utf-8") NIL NIL "quoted-printable" 25 0 NIL NIL NIL '
        b'NIL) "alternative" ("boundary" "inner") NIL NIL NIL)("message" '
        b'"rfc822" NIL NIL NIL "7bit" 65 (NIL "inside" ((NIL NIL "b" '
        b'"example.net")) ((NIL NIL "b" "example.net")) ((NIL NIL "b" '
        b'"example.net")) NIL NIL NIL NIL NIL) ("text" "plain" ("charset" '
        b'"us-ascii") NIL NIL "7bit" 25 0 NIL NIL NIL NIL) 3 NIL '
        b'("attachment" ("filename" "m.eml")) NIL NIL)("application" '
        b'"octet-stream" ("name" "x.bin") NIL NIL "base64" 8 NIL NIL NIL '
        b'NIL) "mixed" ("boundary" "outer") NIL NIL NIL))')


def test_seen(box):
    """RFC 3501 6.4.5: BODY[] sets \\Seen and says so, PEEK does not."""
    box.append(b"box", GRAY)
    assert b"FLAGS" not in box.ok(b"FETCH 1 BODY.PEEK[]")[0]
    assert b"FLAGS (\\Seen" in box.ok(b"FETCH 1 BODY[TEXT]")[0]
    assert b"FLAGS" not in box.ok(b"FETCH 1 RFC822")[0]
    assert b"\\Seen" in box.ok(b"FETCH 1 FLAGS")[0]
    box.ok(b"STORE 1 -FLAGS.SILENT (\\Seen)")
    box.ok(b"EXAMINE box")
    assert b"FLAGS" not in box.ok(b"FETCH 1 BODY[TEXT]")[0]
    assert b"\\Seen" not in box.ok(b"FETCH 1 FLAGS")[0]


def test_fetch_sets(box):
    for i in range(5):
        box.append(b"box", message("s%d" % i))

    def numbers(command):
        return [int(line.split()[1]) for line in box.ok(command)]

    box.ok(b"NOOP")
    assert numbers(b"FETCH 1:* UID") == [1, 2, 3, 4, 5]
    assert numbers(b"FETCH *:4,2,2:3 UID") == [2, 3, 4, 5]
    assert numbers(b"UID FETCH 4:99 FLAGS") == [4, 5]
    assert numbers(b"UID FETCH 99:* FLAGS") == [5]
    assert numbers(b"UID FETCH 77 FLAGS") == []
    assert b"UID 5" in box.ok(b"UID FETCH 5 FLAGS")[0]
    for bad in (b"6", b"0", b"1:", b"1,,2", b"a", b"4294967296", b"1:6"):
        box.bad(b"FETCH %s FLAGS" % bad)


# ---- STORE, COPY, MOVE, EXPUNGE ------------------------------------------------


def test_store(box):
    """RFC 3501 6.4.6."""
    for i in range(3):
        box.append(b"box", message("s%d" % i))
    box.ok(b"NOOP")
    lines = box.ok(b"STORE 1:2 FLAGS (\\Flagged $Mine)")
    fetches = [line for line in lines if b" FETCH " in line]
    assert len(fetches) == 2
    assert all(b"\\Flagged" in line and b"$Mine" in line for line in fetches)
    assert any(line.startswith(b"* FLAGS ") and b"$Mine" in line
               for line in lines)
    assert box.ok(b"STORE 1 +FLAGS.SILENT \\Seen \\Answered") == []
    line = box.ok(b"STORE 1 -FLAGS (\\Flagged $Unknown)")[-1]
    assert b"\\Seen" in line and b"\\Flagged" not in line
    assert b"UID 3" in box.ok(b"UID STORE 3 +FLAGS (\\Draft)")[-1]
    assert box.search(b"KEYWORD $Mine") == [1, 2]
    box.ok(b"STORE 1:3 FLAGS.SILENT ()")
    assert box.search(b"UNDRAFT UNKEYWORD $Mine UNSEEN") == [1, 2, 3]
    for bad in (b"STORE 1 FLAGS", b"STORE 1 FLAGS (\\Recent)",
                b"STORE 1 *FLAGS (\\Seen)", b"STORE 9 FLAGS (\\Seen)"):
        box.bad(bad)


def test_expunge(box):
    """RFC 3501 6.4.3, RFC 4315 2.1."""
    for i in range(5):
        box.append(b"box", message("s%d" % i))
    box.ok(b"NOOP")
    box.ok(b"STORE 1,3,5 +FLAGS.SILENT (\\Deleted)")
    assert box.ok(b"UID EXPUNGE 1:2") == [b"* 1 EXPUNGE"]
    gone = box.ok(b"EXPUNGE")
    assert sorted(gone) in ([b"* 2 EXPUNGE", b"* 3 EXPUNGE"],
                            [b"* 2 EXPUNGE", b"* 4 EXPUNGE"])
    assert [line.split()[4] for line in box.ok(b"FETCH 1:* UID")] == [
        b"2)", b"4)"]
    box.ok(b"STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert box.ok(b"CLOSE") == []
    assert b"* 1 EXISTS" in box.ok(b"SELECT box")


def test_copy_and_move(box):
    """RFC 3501 6.4.7, RFC 4315 3 (COPYUID), RFC 6851."""
    box.ok(b"CREATE other")
    for i in range(3):
        box.append(b"box", message("s%d" % i), b" (\\Flagged $K)")
    box.ok(b"NOOP")
    assert b"TRYCREATE" in box.no(b"COPY 1 nothing")
    assert b"TRYCREATE" in box.no(b"MOVE 1 nothing")
    _, tagged = box.cmd(b"COPY 1:2 other")
    assert re.match(rb"OK \[COPYUID \d+ 1:2 1:2\]", tagged), tagged
    untagged, tagged = box.cmd(b"UID MOVE 3 other")
    assert re.match(rb"\* OK \[COPYUID \d+ 3 3\]", untagged[0]), untagged
    assert b"* 3 EXPUNGE" in untagged[1:] and tagged.startswith(b"OK")
    assert box.cmd(b"UID COPY 77 other")[1].startswith(b"OK")
    assert b"* 3 EXISTS" in box.ok(b"SELECT other")
    for line in box.ok(b"FETCH 1:* FLAGS"):
        assert b"\\Flagged" in line and b"$K" in line


# ---- SEARCH ---------------------------------------------------------------------


def test_search(box):
    """RFC 3501 6.4.4, RFC 4731."""
    box.append(b"box", GRAY, b' (\\Seen) "01-Jan-2020 00:00:00 +0000"')
    box.append(b"box", NESTED, b' (\\Flagged) "02-Jan-2020 12:00:00 +0000"')
    box.append(b"box", message("Third", b"needle in hay\r\n"),
               b' (\\Deleted $K) "03-Jan-2020 00:00:00 +0000"')
    box.ok(b"NOOP")
    table = {
        b"ALL": [1, 2, 3],
        b"SEEN": [1],
        b"UNSEEN UNDELETED": [2],
        b"NOT FLAGGED": [1, 3],
        b"OR SEEN FLAGGED": [1, 2],
        b"(SEEN) NOT (DELETED FLAGGED)": [1],
        b"KEYWORD $k": [3],
        b"2:*": [2, 3],
        b"UID 1,3": [1, 3],
        b"NOT 1": [2, 3],
        b"BEFORE 2-Jan-2020": [1],
        b"ON 02-Jan-2020": [2],
        b'SINCE "2-Jan-2020"': [2, 3],
        b"SENTON 17-Jul-1996": [1],
        b"SENTBEFORE 17-Jul-1996": [],
        b"SENTSINCE 1-Jul-1996": [1],
        b"LARGER 500": [2],
        b"SMALLER 200": [3],
        b"FROM gray": [1],
        b"CC klensin": [1],
        b"BCC x": [],
        b"TO TARO": [3],
        b'SUBJECT "mtg SUMMARY"': [1],
        b"HEADER Message-Id b27397": [1],
        b'HEADER MIME-Version ""': [1, 2],
        b"BODY needle": [3],
        b"BODY hay": [3],
        b"TEXT Terry": [1],
        b"BODY Terry": [],
        b'BODY "inner message"': [2],
        b"TEXT x.bin": [2],
        b"SUBJECT inside": [],
        b"BODY inside": [2],
    }
    for keys, found in table.items():
        assert box.search(keys) == found, keys
    assert box.search(b"CHARSET UTF-8 SUBJECT {6+}\r\n" + "会議".encode()) == [
        2]
    assert box.search(b"CHARSET UTF-8 BODY {6+}\r\n" + "会議".encode()) == [2]
    assert box.search(b"CHARSET ISO-2022-JP BODY {10+}\r\n"
                      + "会議".encode("iso-2022-jp")) == [2]
    assert b"BADCHARSET" in box.no(b"SEARCH CHARSET X-NOT TEXT x")
    assert box.ok(b"UID SEARCH UID 2:*") == [b"* SEARCH 2 3"]
    tag = b"t%d" % (box.count + 1)
    assert box.ok(b"SEARCH RETURN (MIN MAX COUNT) ALL") == [
        b'* ESEARCH (TAG "%s") MIN 1 MAX 3 COUNT 3' % tag]
    assert box.ok(b"UID SEARCH RETURN () 1,3")[0].endswith(b" UID ALL 1,3")
    for bad in (b"", b" NONSENSE", b" OR SEEN", b" (SEEN", b" BEFORE 31-Feb-2020",
                b" NOT", b" LARGER x", b" RETURN (X) ALL",
                b" " + b"(" * 200 + b"ALL" + b")" * 200):
        assert not box.cmd(b"SEARCH" + bad)[1].startswith(b"OK"), bad


# ---- two sessions -----------------------------------------------------------------


def test_expunge_waits(box, dial):
    """RFC 3501 7.4.1: no EXPUNGE during FETCH, STORE and SEARCH."""
    for i in range(4):
        box.append(b"box", message("s%d" % i))
    box.ok(b"NOOP")
    other = dial()
    other.ok(b"SELECT box")
    other.ok(b"STORE 2 +FLAGS.SILENT (\\Deleted)")
    assert other.ok(b"EXPUNGE") == [b"* 2 EXPUNGE"]
    for command in (b"FETCH 1 FLAGS", b"STORE 1 +FLAGS (\\Seen)",
                    b"SEARCH ALL"):
        assert not any(b"EXPUNGE" in line for line in box.ok(command))
    # Message 3 is still message 3 here.
    assert b"Subject: s2" in box.body(3)
    untagged, tagged = box.cmd(b"FETCH 2 BODY.PEEK[]")
    assert untagged == [] and tagged.startswith(b"NO [EXPUNGEISSUED]")
    assert box.search(b"ALL") == [1, 3, 4]
    assert b"* 2 EXPUNGE" in box.ok(b"NOOP")
    assert b"Subject: s2" in box.body(2)


def test_flags_of_others(box, dial):
    box.append(b"box", message("one"))
    box.ok(b"NOOP")
    other = dial()
    other.ok(b"SELECT box")
    other.ok(b"STORE 1 FLAGS.SILENT (\\Flagged $New)")
    lines = box.ok(b"NOOP")
    assert any(b"FETCH (FLAGS (\\Flagged" in line for line in lines)
    assert any(b"$New" in line and line.startswith(b"* FLAGS")
               for line in lines)


def test_deleted_mailbox(box, dial):
    """The other session cannot go on: BYE."""
    other = dial()
    other.ok(b"SELECT box")
    box.ok(b"CLOSE")
    box.ok(b"DELETE box")
    tag = other.send(b"NOOP")
    seen = []
    while (line := other.response()) != b"":
        seen.append(line)
    assert any(line.startswith(b"* BYE") for line in seen), (tag, seen)


def test_idle(box, dial):
    """RFC 2177: news within 200 ms, and DONE ends it."""
    box.append(b"box", message("zero"))
    box.ok(b"NOOP")
    tag = box.send(b"IDLE")
    assert box.response().startswith(b"+")
    time.sleep(4.5)  # longer than it takes to give the view back
    other = dial()
    other.append(b"box", message("one"))
    began = time.monotonic()
    assert box.response() == b"* 2 EXISTS"
    waited = time.monotonic() - began
    assert box.response().endswith(b" RECENT")
    assert waited < 1.0
    other.ok(b"SELECT box")
    other.ok(b"STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert b"FETCH (FLAGS (\\Deleted" in box.response()
    other.ok(b"EXPUNGE")
    assert box.response() == b"* 1 EXPUNGE"
    box.wire.send(b"DONE\r\n")
    assert box.answer(tag)[1].startswith(b"OK")
    assert b"Subject: one" in box.body(1)
    # After a rest outside of IDLE numbers and flags are as before.
    time.sleep(4.5)
    assert b"Subject: one" in box.body(1)
    tag = box.send(b"IDLE")
    box.response()
    box.wire.send(b"NONSENSE\r\n")
    assert box.answer(tag)[1].startswith(b"BAD")


@pytest.mark.alone
def test_idle_delivery(dial, platform):
    """A delivery reaches an idling client soon after its 250."""
    if SERVICE != "imaps":
        pytest.skip("no deliveries here")
    m = dial()
    m.ok(b"SELECT INBOX")
    tag = m.send(b"IDLE")
    assert m.response().startswith(b"+")
    time.sleep(4)
    waits = []
    for i in range(3):
        platform.send(message("news %d" % i), to=TARO)
        began = time.monotonic()
        assert m.response().endswith(b" EXISTS")
        waits.append(time.monotonic() - began)
        assert m.response().endswith(b" RECENT")
    assert min(waits) < 0.2, waits
    m.wire.send(b"DONE\r\n")
    assert m.answer(tag)[1].startswith(b"OK")
    assert b"\\Recent" in m.ok(b"FETCH * FLAGS")[0]


# ---- lines that are none ----------------------------------------------------------


def test_grammar(box):
    box.wire.send(b"\r\n")
    assert box.response().startswith(b"* BAD")
    box.wire.send(b"+x NOOP\r\n")
    assert box.response().startswith(b"* BAD")
    box.wire.send(b"t NOOP" + b" " * 100000 + b"\r\n")
    assert box.response().startswith(b"* BAD")
    box.bad(b'SELECT "unfinished')
    box.bad(b'SELECT "a\\b"')
    box.bad(b"SELECT {3}x")
    box.bad(b"UID")
    box.bad(b"UID NOOP")
    assert b"TOOBIG" in box.cmd(b"SELECT {2000000}")[1]
    box.ok(b"NOOP")
    # Pipelined commands are answered in order.
    box.wire.send(b"a NOOP\r\nb CAPABILITY\r\nc NOOP\r\n")
    assert box.response().startswith(b"a OK")
    assert box.response().startswith(b"* CAPABILITY")
    assert box.response().startswith(b"b OK")
    assert box.response().startswith(b"c OK")


def test_an_octet_at_a_time(box):
    for octet in b"z APPEND box {10+}\r\nA: b\r\n\r\nc\r\n":
        box.wire.send(bytes([octet]))
        time.sleep(0.005)
    response = box.response()
    while not response.startswith(b"z "):
        response = box.response()
    assert response.startswith(b"z OK [APPENDUID")


# ---- before login -------------------------------------------------------------------


@pytest.fixture
def gate(platform):
    if SERVICE != "imaps":
        pytest.skip("no gate here")
    with Wire(platform, "imaps") as w:
        yield Imap(w)


def test_gate(gate, platform):
    """RFC 3501 6.1 and 6.2; RFC 4959."""
    assert gate.greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 ")
    assert b"STARTTLS" not in gate.greeting
    assert b"LOGINDISABLED" not in gate.greeting
    for word in (b"AUTH=PLAIN", b"SASL-IR", b"LITERAL+", b"ID"):
        assert word in gate.greeting
    gate.bad(b"SELECT INBOX")
    gate.ok(b"NOOP")
    gate.ok(b'ID ("name" "x")')
    assert b"AUTHENTICATIONFAILED" in gate.no(
        b"LOGIN taro@aozora.example wrong")
    gate.bad(b"LOGIN onlyone")
    tag = gate.send(b"AUTHENTICATE PLAIN")
    assert gate.response().startswith(b"+")
    gate.wire.send(b"*\r\n")
    assert gate.answer(tag)[1].startswith(b"BAD")
    assert b"CANNOT" in gate.no(b"AUTHENTICATE X-NOT")
    # Both arguments as literals, one of each kind.
    gate.ok(b"LOGIN", (TARO.encode(), b" {%d+}\r\n%s" % (
        len(PASSWORD), PASSWORD.encode())))
    gate.ok(b"SELECT INBOX")


def test_gate_clear(platform):
    if SERVICE != "imaps":
        pytest.skip("no gate here")
    with Wire(platform, "imap") as w:
        gate = Imap(w)
        assert b"STARTTLS" in gate.greeting
        assert b"LOGINDISABLED" in gate.greeting
        assert b"PRIVACYREQUIRED" in gate.no(b"LOGIN %s %s" % (
            TARO.encode(), PASSWORD.encode()))
        gate.ok(b"STARTTLS")
        w.start_tls()
        assert b"AUTH=PLAIN" in gate.ok(b"CAPABILITY")[0]
        gate.bad(b"STARTTLS")
        gate.ok(b"LOGIN %s %s" % (TARO.encode(), PASSWORD.encode()))


def test_gate_limits(gate):
    """What nobody unknown may do: hold memory."""
    assert b"BAD" in gate.cmd(b"LOGIN {20000}")[1]
    big = b"x" * 20000
    assert gate.cmd(b"LOGIN {20000+}\r\n" + big)[1].startswith(b"BAD")
    gate.wire.send(b"t LOGIN " + big + b"\r\n")
    assert b"BAD" in gate.response()
    gate.ok(b"NOOP")


def test_client_that_does_not_read(platform):
    """Answers that nobody takes hold no descriptors: further commands wait
    until the one before is on its way, and then they are all answered."""
    platform.empty(TARO)
    large = b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * 40000
    platform.send(large, to=TARO)
    one = Imap.login(platform, TARO, PASSWORD)
    one.ok(b"SELECT INBOX")

    def descriptors():
        return sum(len(os.listdir("/proc/%d/fd" % pid))
                   for pid in platform.pids("imapd session"))

    before = descriptors()
    tags = [one.send(b"FETCH 1 BODY.PEEK[]") for _ in range(50)]
    time.sleep(1)
    assert descriptors() <= before + 5
    for tag in tags:
        untagged, tagged = one.answer(tag)
        assert tagged.startswith(b"OK"), tagged
        assert untagged[0].count(b"x" * 76) == 40000
    assert descriptors() <= before + 5
    platform.empty(TARO)
