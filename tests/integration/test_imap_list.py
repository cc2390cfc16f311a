# SPDX-License-Identifier: BSD-2-Clause
"""LIST-EXTENDED, LIST-STATUS, STATUS=SIZE, QUOTA, SEARCHRES, WITHIN."""

import pytest
from support.dialogue import Imap
from support.platform import PASSWORD

JIRO = "jiro@aozora.example"


@pytest.fixture
def imap(platform):
    session = Imap.login(platform, JIRO, PASSWORD, "imaps")
    for line in session.ok(b'LIST "" "*"'):
        name = line.rsplit(b" ", 1)[1]
        session.cmd(b"DELETE " + name)
        session.ok(b"UNSUBSCRIBE " + name)
    yield session
    session.close()


def message(subject, octets=10):
    return b"Subject: %s\r\n\r\n" % subject + b"x" * octets + b"\r\n"


@pytest.fixture
def tree(imap):
    """The mailboxes of RFC 5258 section 5, example 1."""
    for name in (b"Fruit", b"Fruit/Apple", b"Fruit/Banana", b"Tofu",
                 b"Vegetable", b"Vegetable/Broccoli", b"Vegetable/Corn"):
        imap.ok(b"CREATE " + name)
    for name in (b"INBOX", b"Fruit/Banana", b"Fruit/Peach", b"Vegetable",
                 b"Vegetable/Broccoli"):
        imap.ok(b"SUBSCRIBE " + name)
    return imap


def listed(imap, args):
    return {line.split(b' "/" ')[1]: line[len(b"* LIST "):].split(b" \"")[0]
            for line in imap.ok(b"LIST " + args)}


def test_list_subscribed(tree):
    """RFC 5258 section 5, example 2."""
    assert listed(tree, b'(SUBSCRIBED) "" "*"') == {
        b"INBOX": b"(\\Subscribed)",
        b"Fruit/Banana": b"(\\Subscribed)",
        b"Fruit/Peach": b"(\\NonExistent \\Subscribed)",
        b"Vegetable": b"(\\Subscribed)",
        b"Vegetable/Broccoli": b"(\\Subscribed)"}


def test_list_return(tree):
    """Example 3: children, and 4: subscriptions, of all."""
    children = listed(tree, b'() "" "%" RETURN (CHILDREN)')
    assert children[b"Fruit"] == b"(\\HasChildren)"
    assert children[b"Tofu"] == b"(\\HasNoChildren)"
    both = listed(tree, b'"" "*" RETURN (SUBSCRIBED CHILDREN)')
    assert both[b"Vegetable"] == b"(\\HasChildren \\Subscribed)"
    assert both[b"Fruit/Apple"] == b"(\\HasNoChildren)"
    assert b"Fruit/Peach" not in both


def test_list_patterns(tree):
    """Several patterns; each name once; the reference is for all."""
    lines = tree.ok(b'LIST "" ("INBOX" "Fruit/%" "*Apple" "Tofu")')
    assert [line.rsplit(b" ", 1)[1] for line in lines] == [
        b"INBOX", b"Fruit/Apple", b"Fruit/Banana", b"Tofu"]
    assert set(listed(tree, b'"Fruit/" ("A*" "B*")')) == {
        b"Fruit/Apple", b"Fruit/Banana"}
    # Extended, an empty pattern asks for nothing.
    assert tree.ok(b'LIST "" ("")') == []
    assert len(tree.ok(b'LIST "" ""')) == 1


def test_list_recursivematch(tree):
    """Example 9: parents of what is subscribed."""
    tree.ok(b"UNSUBSCRIBE Vegetable")
    lines = tree.ok(b'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"')
    assert b'* LIST () "/" Vegetable ("CHILDINFO" ("SUBSCRIBED"))' in lines
    assert b'* LIST () "/" Fruit ("CHILDINFO" ("SUBSCRIBED"))' in lines
    assert not any(b"Tofu" in line for line in lines)
    tree.bad(b'LIST (RECURSIVEMATCH) "" "%"')
    tree.bad(b'LIST (REMOTE RECURSIVEMATCH) "" "%"')


def test_list_special_use(imap):
    """RFC 6154 section 5.2."""
    imap.ok(b"CREATE Sent")
    imap.ok(b"CREATE Other")
    lines = imap.ok(b'LIST (SPECIAL-USE) "" "*"')
    assert lines == [b'* LIST (\\Sent) "/" Sent']


def test_list_status(imap):
    """RFC 5819: each STATUS behind its LIST."""
    imap.ok(b"CREATE box")
    imap.append(b"box", message(b"one"))
    imap.ok(b"CREATE deep/er")
    lines = imap.ok(b'LIST "" ("box" "deep*") RETURN (STATUS (MESSAGES UNSEEN))')
    assert lines == [
        b'* LIST () "/" box', b"* STATUS box (MESSAGES 1 UNSEEN 1)",
        b'* LIST (\\NonExistent) "/" deep', b'* LIST () "/" deep/er',
        b"* STATUS deep/er (MESSAGES 0 UNSEEN 0)"]


@pytest.mark.parametrize("args", [
    b'(WHAT) "" "*"', b'(SUBSCRIBED "" "*"', b'"" "*" RETURN (WHAT)',
    b'"" "*" RETURN STATUS', b'"" "*" RETURN (STATUS)', b'"" ()',
    b'"" "*" RETURN (STATUS (WHAT))', b'"" "*" RETURN', b'"" ("a" "b"',
    b'"" (' + b" ".join(b"a" for _ in range(101)) + b")"])
def test_list_bad(imap, args):
    outcome = imap.cmd(b"LIST " + args)[1]
    assert outcome.startswith((b"BAD", b"NO [LIMIT]")), outcome


def test_status_items(imap):
    """RFC 8438, RFC 9208 4.1.4, RFC 7889."""
    imap.ok(b"CREATE box")
    sizes = [len(message(b"m", n)) for n in (10, 2000, 70000)]
    for n in (10, 2000, 70000):
        imap.append(b"box", message(b"m", n))
    imap.ok(b"SELECT box")
    imap.ok(b"STORE 2 +FLAGS.SILENT (\\Deleted)")
    limit = int(imap.ok(b"CAPABILITY")[0].split(b"APPENDLIMIT=")[1])
    assert imap.ok(b"STATUS box (SIZE DELETED DELETED-STORAGE APPENDLIMIT)") \
        == [b"* STATUS box (DELETED 1 SIZE %d DELETED-STORAGE %d "
            b"APPENDLIMIT %d)" % (sum(sizes), sizes[1], limit)]


def test_quota(platform, imap):
    """RFC 9208; an account without limits has no quota root."""
    platform.hikyaku("account", "set", JIRO, "--quota", "1M")
    second = Imap.login(platform, JIRO, PASSWORD, "imaps")
    second.ok(b"CREATE box")
    second.append(b"box", message(b"m", 5000))
    lines = second.ok(b"GETQUOTAROOT box")
    assert lines[0] == b'* QUOTAROOT box "User quota"'
    name, used, limit = lines[1].rstrip(b")").split(b" (")[1].split()[:3]
    assert (name, limit) == (b"STORAGE", b"1024")
    assert 5 <= int(used) < 1024
    assert second.ok(b'GETQUOTA "User quota"') == lines[1:]
    for command in (b'GETQUOTA ""', b"GETQUOTAROOT none"):
        assert second.cmd(command)[1].startswith(b"NO [NONEXISTENT]")
    assert second.cmd(
        b'SETQUOTA "User quota" (STORAGE 9)')[1].startswith(b"NO [NOPERM]")
    second.close()


@pytest.fixture
def box(imap):
    imap.ok(b"CREATE box")
    for number in range(6):
        imap.append(b"box", message(b"s%d" % number, 10 * number))
    imap.ok(b"SELECT box")
    return imap


def test_saved_result(box):
    """RFC 5182 sections 2.1 to 2.4."""
    assert box.ok(b"SEARCH RETURN (SAVE) SUBJECT s") == []
    assert box.ok(b"SEARCH $") == [b"* SEARCH 1 2 3 4 5 6"]
    assert box.ok(b"SEARCH RETURN (SAVE) OR SUBJECT s2 SUBJECT s4") == []
    assert box.ok(b"SEARCH $ NOT SUBJECT s4") == [b"* SEARCH 3"]
    assert len(box.ok(b"FETCH $ UID")) == 2
    box.ok(b"UID STORE $ +FLAGS.SILENT (\\Deleted)")
    box.ok(b"UID EXPUNGE $")
    assert box.ok(b"SEARCH $") == [b"* SEARCH"]
    assert box.ok(b"FETCH $ UID") == []
    assert box.ok(b"SEARCH ALL") == [b"* SEARCH 1 2 3 4"]
    answer = box.ok(b"SEARCH RETURN (SAVE MIN) ALL")[0]
    assert answer.endswith(b" MIN 1")
    assert box.ok(b"SEARCH $") == [b"* SEARCH 1"]
    box.ok(b"SEARCH RETURN (SAVE MIN MAX) ALL")
    assert box.ok(b"SEARCH $") == [b"* SEARCH 1 4"]
    box.ok(b"SEARCH RETURN (SAVE MAX COUNT) 2:4")
    assert box.ok(b"SEARCH $") == [b"* SEARCH 2 3 4"]
    # A refused search empties it; what is no search leaves it.
    box.bad(b"SEARCH RETURN (SAVE) NONSENSE")
    assert box.ok(b"SEARCH $") == [b"* SEARCH 2 3 4"]
    box.ok(b"CREATE other")
    box.ok(b"COPY $ other")
    box.ok(b"SELECT other")
    assert box.ok(b"SEARCH $") == [b"* SEARCH"]
    assert box.ok(b"SEARCH ALL") == [b"* SEARCH 1 2 3"]


def test_within(box):
    """RFC 5032."""
    box.append(b"box", message(b"old"),
               b' "01-Jan-2020 00:00:00 +0000"')
    box.ok(b"NOOP")
    assert box.ok(b"SEARCH OLDER 86400") == [b"* SEARCH 7"]
    assert box.ok(b"SEARCH YOUNGER 86400") == [b"* SEARCH 1 2 3 4 5 6"]
    assert box.ok(b"SEARCH NOT YOUNGER 86400") == [b"* SEARCH 7"]
    box.bad(b"SEARCH OLDER 0")
    box.bad(b"SEARCH OLDER")
