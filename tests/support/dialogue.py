# SPDX-License-Identifier: BSD-2-Clause
"""IMAP as a dialogue of octets: what is sent, and every response whole."""

import re

from .wire import Wire

LITERAL = re.compile(rb"\{(\d+)\}$")


class Imap:
    """One session.  Responses are octets without their last CRLF; literals
    stand in them as they came: b'* 1 FETCH (BODY[] {3}\\r\\nabc)'."""

    def __init__(self, wire):
        self.wire = wire
        self.count = 0
        self.greeting = self.response()

    @classmethod
    def login(cls, platform, name, password, service="imaps", **how):
        session = cls(Wire(platform, service, **how))
        session.ok(b"LOGIN %s %s" % (name.encode(), password.encode()))
        return session

    def response(self):
        """One response; b"" when the server has closed."""
        whole = b""
        while True:
            line = self.wire.file.readline()
            if not line.endswith(b"\r\n"):
                assert line == b"" and whole == b"", whole + line
                return b""
            whole += line[:-2]
            literal = LITERAL.search(line[:-2])
            if not literal:
                return whole
            octets = self.wire.file.read(int(literal[1]))
            assert len(octets) == int(literal[1]), "closed in a literal"
            whole += b"\r\n" + octets

    def send(self, command, *literals):
        """Sends a tagged command, b"..." and then (literal, b"rest") pairs;
        each literal waits for its "+".  Answers the tag."""
        self.count += 1
        tag = b"t%d" % self.count
        self.wire.send(tag + b" " + command)
        for literal, rest in literals:
            self.wire.send(b" {%d}\r\n" % len(literal))
            answer = self.response()
            if not answer.startswith(b"+"):
                self.early = answer
                return tag
            self.wire.send(literal + rest)
        self.wire.send(b"\r\n")
        return tag

    def answer(self, tag):
        """(untagged responses, tagged response without its tag)."""
        untagged = []
        while True:
            response = self.response()
            assert response != b"", untagged
            if response.startswith(tag + b" "):
                return untagged, response[len(tag) + 1:]
            untagged.append(response)

    def cmd(self, command, *literals):
        self.early = None
        tag = self.send(command, *literals)
        if self.early is not None:
            assert self.early.startswith(tag + b" "), self.early
            return [], self.early[len(tag) + 1:]
        return self.answer(tag)

    def ok(self, command, *literals):
        """Untagged responses of a command that must succeed."""
        untagged, tagged = self.cmd(command, *literals)
        assert tagged.startswith(b"OK"), (command, untagged, tagged)
        return untagged

    def no(self, command, *literals, word=b"NO"):
        """The tagged response of a command that must be refused."""
        untagged, tagged = self.cmd(command, *literals)
        assert tagged.startswith(word), (command, untagged, tagged)
        return tagged

    def bad(self, command, *literals):
        return self.no(command, *literals, word=b"BAD")

    def append(self, mailbox, octets, options=b""):
        """(uidvalidity, uid) of the appended message."""
        _, tagged = self.cmd(b"APPEND " + mailbox + options, (octets, b""))
        match = re.match(rb"OK \[APPENDUID (\d+) (\d+)\]", tagged)
        assert match, tagged
        return int(match[1]), int(match[2])

    def body(self, number, item=b"BODY.PEEK[]"):
        """The literal of one FETCH item."""
        fetched = self.ok(b"FETCH %d %s" % (number, item))
        match = re.search(rb"\{(\d+)\}\r\n", fetched[0])
        assert match, fetched
        return fetched[0][match.end():match.end() + int(match[1])]

    def search(self, keys):
        """Numbers that SEARCH finds."""
        found = self.ok(b"SEARCH " + keys)
        assert found[0].startswith(b"* SEARCH"), found
        return [int(n) for n in found[0][8:].split()]

    def close(self):
        self.wire.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
