# SPDX-License-Identifier: BSD-2-Clause
"""Milters for tests: one on libmilter that plays a script, and one of octets
that says what no library would."""

import contextlib
import pathlib
import re
import signal
import socket
import struct
import subprocess
import threading
import time


def escape(text):
    return (text.replace("\\", "\\\\").replace("\n", "\\n")
            .replace("\r", "\\r").replace("\t", "\\t").replace("\0", "\\0"))


def unescape(text):
    return re.sub(r"\\x(..)", lambda m: chr(int(m[1], 16)), text)


class ScriptFilter:
    """tests/milter/script_filter: see the head of its source."""

    def __init__(self, build, directory, name):
        self.program = pathlib.Path(build) / "tests/milter/script_filter"
        self.socket = pathlib.Path(directory) / ("%s.sock" % name)
        self.script_path = pathlib.Path(directory) / ("%s.script" % name)
        self.record_path = pathlib.Path(directory) / ("%s.record" % name)
        self.process = None
        self.script()
        self.start()

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            self.socket.unlink()
        self.process = subprocess.Popen(
            [str(self.program), "unix:%s" % self.socket,
             str(self.script_path), str(self.record_path)],
            stdin=subprocess.DEVNULL, umask=0)
        deadline = time.monotonic() + 10
        while not self.listens():
            assert time.monotonic() < deadline, "the filter does not listen"
            time.sleep(0.01)

    def listens(self):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(str(self.socket))
            except OSError:
                return False
            return True

    def stop(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait(10)

    def script(self, *lines):
        """Each line a tuple of words: ("eom", "addheader", "X", "y")."""
        fresh = self.script_path.with_suffix(".new")
        fresh.write_text("".join(
            "|".join(escape(str(word)) for word in line) + "\n"
            for line in lines), encoding="latin-1")
        fresh.rename(self.script_path)
        self.record_path.write_text("")

    def events(self):
        """Tuples: ("header", "Subject", " x")."""
        return [tuple(unescape(word) for word in line.split("\t"))
                for line in self.record_path.read_text().splitlines()]

    def names(self):
        return [event[0] for event in self.events()]

    def macros(self):
        return {e[1]: e[2] for e in self.events() if e[0] == "macro"}

    def wait(self, name, count=1):
        """Waits until an event of that name was recorded."""
        deadline = time.monotonic() + 10
        while self.names().count(name) < count:
            assert time.monotonic() < deadline, self.events()
            time.sleep(0.01)


def packet(code, data=b""):
    return struct.pack(">I", len(data) + 1) + code + data


def options(version=6, actions=0x1ff, protocol=0, rest=b""):
    return packet(b"O", struct.pack(">III", version, actions, protocol) +
                  rest)


class RawMilter:
    """A milter of octets.  answers: what to send for a command's code, or a
    function of the connection and the data that sends it itself; None: close.
    """

    def __init__(self, **answers):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.answers = {}
        self.seen = []  # [(code, data), ...] of all connections
        self.closed = False
        self.set(**answers)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def socket(self):
        return "inet:%d@127.0.0.1" % self.port

    def set(self, **answers):
        self.answers = {b"O": options(), **{
            code.encode(): answer for code, answer in answers.items()}}
        self.seen = []

    def codes(self):
        return b"".join(code for code, _ in self.seen)

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = connection.makefile("rb")
            while True:
                head = stream.read(4)
                if len(head) < 4:
                    return
                body = stream.read(struct.unpack(">I", head)[0])
                code, data = body[:1], body[1:]
                self.seen.append((code, data))
                if code == b"Q":
                    return
                answer = self.answers.get(
                    code, packet(b"c") if code in b"CHMRTLNBEU" else b"")
                if callable(answer):
                    answer = answer(connection, data)
                if answer is None:
                    return
                connection.sendall(answer)

    def close(self):
        self.listener.close()
