# SPDX-License-Identifier: BSD-2-Clause
"""Mail hosts of the outer world for tests, each on an address of its own.

A Sink is an SMTP server of a test's making: it does whatever the test tells
it to, above all what no honest host does.  A Zone is a DNS server that
answers from a table.  Both run in threads of the test.
"""

import contextlib
import socket
import struct
import threading


class Message:
    def __init__(self, sender, recipients, data):
        self.sender, self.recipients, self.data = sender, recipients, data


class Sink:
    """sink.answers["RCPT"] = b"550 5.1.1 no\\r\\n", or a function of the
    argument that answers one; None drops the connection."""

    def __init__(self, address="127.0.0.1", port=0, extensions=(),
                 tls=None):
        self.listener = socket.create_server((address, port), backlog=200)
        self.address, self.port = self.listener.getsockname()[:2]
        self.extensions = list(extensions) or ["PIPELINING", "8BITMIME",
                                               "SIZE 50000000", "DSN"]
        self.tls = tls
        self.answers = {}
        self.messages, self.commands = [], []
        self.connections = self.tls_sessions = 0
        self.lock = threading.Lock()
        self.open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()
        for s in list(self.open):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
            self.open.add(s)
            threading.Thread(target=self._serve, args=(s,),
                             daemon=True).start()

    def _say(self, s, verb, argument, default):
        answer = self.answers.get(verb, default)
        if callable(answer):
            answer = answer(argument)
            if answer is Ellipsis:
                answer = default
        if answer is None:
            raise ConnectionError
        s.sendall(answer)
        return answer[:1] in b"23"

    def _serve(self, s):
        with contextlib.suppress(OSError, ValueError):
            self._session(s)
        self.open.discard(s)
        s.close()

    def _session(self, s):
        sender, recipients = None, []
        s.settimeout(120)
        f = s.makefile("rb")
        self._say(s, "greeting", "", b"220 sink.example ESMTP\r\n")
        while True:
            line = f.readline()
            if not line:
                return
            line = line.decode("utf-8", "replace").rstrip("\r\n")
            verb, _, argument = line.partition(" ")
            verb = verb.upper()
            with self.lock:
                self.commands.append(line)
            if verb in ("EHLO", "LHLO"):
                words = ["sink.example", *self.extensions]
                if self.tls and s.__class__ is socket.socket:
                    words.append("STARTTLS")
                self._say(s, verb, argument, "".join(
                    "250%s%s\r\n" % (" " if i == len(words) - 1 else "-", w)
                    for i, w in enumerate(words)).encode())
            elif verb == "STARTTLS":
                if self._say(s, verb, argument, b"220 go\r\n"):
                    s = self.tls.wrap_socket(s, server_side=True)
                    s.settimeout(120)
                    f = s.makefile("rb")
                    with self.lock:
                        self.tls_sessions += 1
            elif verb == "MAIL":
                if self._say(s, verb, argument, b"250 2.1.0 ok\r\n"):
                    sender, recipients = argument, []
            elif verb in ("RCPT", "DATA") and sender is None:
                s.sendall(b"503 5.5.1 MAIL first\r\n")
            elif verb == "DATA" and not recipients:
                s.sendall(b"554 5.5.1 no recipients\r\n")
            elif verb == "RCPT":
                if self._say(s, verb, argument, b"250 2.1.5 ok\r\n"):
                    recipients.append(
                        argument[argument.index("<") + 1:
                                 argument.index(">")])
            elif verb == "DATA":
                if not self._say(s, verb, argument, b"354 go\r\n"):
                    continue
                data = b""
                while not (data.endswith(b"\r\n.\r\n") or data == b".\r\n"):
                    piece = f.readline()
                    if not piece:
                        return
                    data += piece
                if self._say(s, "dot", recipients, b"250 2.0.0 ok\r\n"):
                    with self.lock:
                        self.messages.append(Message(
                            sender, recipients,
                            data[:-3].replace(b"\r\n..", b"\r\n.")))
                sender, recipients = None, []
            elif verb == "QUIT":
                self._say(s, verb, argument, b"221 bye\r\n")
                return
            else:
                self._say(s, verb, argument, b"250 2.0.0 ok\r\n")


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode()
                    for label in name.split(".") if label) + b"\0"


TYPES = {"A": 1, "CNAME": 5, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}


class Zone:
    """zone.records[("example.org", "MX")] = [(10, "mx.example.org")].  A name
    that has no record of any type does not exist."""

    def __init__(self, address="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.address, self.port = self.socket.getsockname()
        self.records, self.failing = {}, set()
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def resolver(self):
        return "%s@%d" % (self.address, self.port)

    def close(self):
        self.socket.close()

    def host(self, domain, address, mx=None):
        """domain's mail goes to mx (default: mx.domain), which is address."""
        mx = mx or "mx." + domain
        self.records[(domain, "MX")] = [(10, mx)]
        self.records[(mx, "A")] = [address]

    def _run(self):
        while True:
            try:
                packet, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            with contextlib.suppress(Exception):
                self.socket.sendto(self._answer(packet), peer)

    @staticmethod
    def _data(kind, value):
        if kind == "A":
            return socket.inet_aton(value)
        if kind == "AAAA":
            return socket.inet_pton(socket.AF_INET6, value)
        if kind == "MX":
            return struct.pack("!H", value[0]) + encode_name(value[1])
        if kind == "TXT":
            text = value.encode()
            return bytes([len(text)]) + text
        if kind == "CNAME":
            return encode_name(value)
        return value

    def _answer(self, packet):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        question = packet[12:at + 5]
        number = struct.unpack("!H", packet[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        kind = {v: k for k, v in TYPES.items()}.get(number)
        found = self.records.get((name, kind), [])
        exists = any(n == name or n.endswith("." + name)
                     for n, _ in self.records)
        rcode = 2 if name in self.failing else 0 if exists else 3
        if rcode == 2:
            found = []
        answers = b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", number, 1, 1, len(d)) + d
            for d in (self._data(kind, v) for v in found))
        return (packet[:2] + struct.pack("!HHHHH", 0x8580 | rcode, 1,
                                         len(found), 0, 0)
                + question + answers)
