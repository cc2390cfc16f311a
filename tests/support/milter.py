# SPDX-License-Identifier: BSD-2-Clause
"""The MTA's side of the milter protocol, for tests of our filters.

    with Milter(path) as mta:
        got = mta.message(octets, sender="a@x.example",
                          rcpts=["hanako@aozora.example"])
        assert got.reply == "accept"
        assert got.of("hanako@aozora.example")["FOLDER"] == "Junk"
"""

import re
import socket
import struct

ACTIONS, STEPS = 0x1FF, 0x1FFFFF


def xtext(text):
    """RFC 3461 section 4."""
    return "".join(
        chr(o) if 33 <= o <= 126 and o not in b"+=" else "+%02X" % o
        for o in text.encode())


def unxtext(text):
    octets = re.sub(rb"\+([0-9A-F]{2})",
                    lambda m: bytes([int(m.group(1), 16)]), text.encode())
    return octets.decode()


class Result:
    """reply: "accept", "tempfail", "reject" or "451 4.3.0 text"; edits: what
    the milter asked for, in order, as (code, text, ...)."""

    def __init__(self, reply, edits):
        self.reply, self.edits = reply, edits

    @property
    def deleted(self):
        return [edit[1] for edit in self.edits if edit[0] == "-"]

    @property
    def added(self):
        """{address: {keyword: decoded value}}."""
        return {edit[1]: dict(
            (word.split("=", 1)[0], unxtext(word.split("=", 1)[1]))
            for word in edit[2].split()) for edit in self.edits
            if edit[0] == "2"}

    def of(self, address):
        return self.added["<%s>" % address]


class Milter:
    """One connection of an MTA."""

    def __init__(self, path, timeout=90):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")
        self._send(b"O", struct.pack(">III", 6, ACTIONS, STEPS))
        code, data = self._receive()
        assert code == b"O", code
        self.version, self.actions, self.steps = struct.unpack(
            ">III", data[:12])
        self.macros = data[12:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def _send(self, code, data=b""):
        self.socket.sendall(struct.pack(">I", len(data) + 1) + code + data)

    def _receive(self):
        head = self.file.read(4)
        if len(head) < 4:
            raise EOFError("the milter closed the connection")
        packet = self.file.read(struct.unpack(">I", head)[0])
        return packet[:1], packet[1:]

    def _macros(self, code, macros):
        data = code + b"".join(
            k.encode() + b"\0" + v.encode() + b"\0"
            for k, v in macros.items() if v)
        self._send(b"D", data)

    def start(self, octets, sender="someone@outside.example",
              rcpts=("hanako@aozora.example",), queue_id="Aa0Bb1Cc2Dd",
              user=None, dispositions=None):
        """A message up to its end, which awaits the verdict."""
        head, _, body = octets.partition(b"\r\n\r\n")
        self._macros(b"M", {"i": queue_id, "{auth_authen}": user})
        self._send(b"M", b"<%s>\0" % sender.encode())
        for rcpt in rcpts:
            self._macros(b"R", {"i": queue_id})
            self._send(b"R", b"<%s>\0" % rcpt.encode())
        for line in re.split(rb"\r\n(?![ \t])", head):
            name, _, value = line.partition(b":")
            self._send(b"L", name + b"\0" + value.replace(b"\r\n", b"\n")
                       + b"\0")
        self._send(b"N")
        for at in range(0, len(body), 65535):
            self._send(b"B", body[at:at + 65535])
        self._macros(b"E", {"i": queue_id,
                            "{hk_dispositions}": dispositions})
        self._send(b"E")

    def finish(self):
        edits = []
        while True:
            code, data = self._receive()
            if code in b"ac":
                return Result("accept", edits)
            if code == b"t":
                return Result("tempfail", edits)
            if code == b"r":
                return Result("reject", edits)
            if code == b"y":
                return Result(data.rstrip(b"\0").decode(), edits)
            if code == b"p":
                continue
            edits.append((code.decode(),
                          *[t.decode() for t in data.split(b"\0")]))

    def message(self, octets, **how):
        self.start(octets, **how)
        return self.finish()
