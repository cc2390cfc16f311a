# SPDX-License-Identifier: BSD-2-Clause
"""What daemons say to tenantd (tenants/protocol.h), said by a test."""

import socket
import struct

VERSION = 1
LOGIN, SASL_START, SASL_STEP, SASL_CANCEL, RESOLVE = 1, 2, 3, 4, 5
ACCOUNT, SETTINGS = 7, 13
ANSWER, FAILED = 128, 129
(TAG_LOGIN, TAG_PASSWORD, TAG_MECHANISM, TAG_RESPONSE, TAG_TOKEN, TAG_ADDRESS,
 TAG_ID, TAG_NAME, TAG_START, TAG_SERVICE, TAG_CLIENT) = range(1, 12)
TAG_OUTCOME, TAG_DELAY_MS, TAG_CHALLENGE, TAG_COUNT, TAG_KIND, TAG_TEXT = \
    range(64, 70)
SMTP, POP3, IMAP = 1, 2, 4
OK, CONTINUE, WRONG, REFUSED, BAD, WEAK = range(6)  # of logins
MAILBOX, GROUP, UNKNOWN, FOREIGN, SUSPENDED = range(5)  # of addresses


def field(tag, value):
    if isinstance(value, int):
        value = struct.pack(">Q", value)
    elif isinstance(value, str):
        value = value.encode()
    return struct.pack(">BH", tag, len(value)) + value


class Tenantd:
    """A socket to it.  ask() answers {tag: [values]}, numbers as numbers;
    or None when it could not say, with its words in self.trouble."""

    def __init__(self, path, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.serial, self.trouble = 0, ""

    def send(self, kind, *fields, version=VERSION):
        self.serial += 1
        self.socket.send(struct.pack(">BBI", version, kind, self.serial)
                         + b"".join(field(t, v) for t, v in fields))

    def receive(self):
        """(serial, {tag: [values]} or None), or None when it has closed."""
        packet = self.socket.recv(65536)
        if not packet:
            return None
        version, kind, serial = struct.unpack(">BBI", packet[:6])
        assert version == VERSION
        found, at = {}, 6
        while at < len(packet):
            tag, size = struct.unpack(">BH", packet[at:at + 3])
            value = packet[at + 3:at + 3 + size]
            assert len(value) == size
            if tag in (TAG_OUTCOME, TAG_DELAY_MS, TAG_COUNT, TAG_KIND):
                value = struct.unpack(">Q", value)[0]
            found.setdefault(tag, []).append(value)
            at += 3 + size
        if kind == FAILED:
            self.trouble = found[TAG_TEXT][0].decode()
            return serial, None
        assert kind == ANSWER
        return serial, found

    def ask(self, kind, *fields):
        self.send(kind, *fields)
        got = self.receive()
        if got is None:
            raise ConnectionResetError("tenantd has closed the socket")
        assert got[0] == self.serial
        return got[1]

    def resolve(self, address):
        """The outcome, or None."""
        got = self.ask(RESOLVE, (TAG_ADDRESS, address))
        return got and got[TAG_OUTCOME][0]

    def login(self, login, password, client="192.0.2.1", service=IMAP):
        got = self.ask(LOGIN, (TAG_LOGIN, login), (TAG_PASSWORD, password),
                       (TAG_SERVICE, service), (TAG_CLIENT, client))
        return got and got[TAG_OUTCOME][0]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
