# SPDX-License-Identifier: BSD-2-Clause
"""A connection on which a test says exactly what it wants to."""

import socket
import ssl


class Wire:
    """Lines in and out, as octets, with a deadline for each wait.

        with Wire(platform, "mx") as w:
            assert w.line().startswith(b"220 ")
            w.send(b"EHLO x\\r\\n")
    """

    def __init__(self, platform, service, tls=None, host=None, timeout=20):
        self.platform = platform
        self.socket = socket.create_connection(
            ("127.0.0.1", platform.ports[service]), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls or (tls is None and service.endswith("s")):
            self.start_tls(host)
        else:
            self.file = self.socket.makefile("rb")

    def start_tls(self, host=None):
        self.socket = self.platform.tls().wrap_socket(
            self.socket, server_hostname=host or "localhost")
        self.file = self.socket.makefile("rb")

    def send(self, octets):
        self.socket.sendall(octets)

    def line(self):
        """One line without its end; b"" when the server has closed."""
        try:
            return self.file.readline().rstrip(b"\r\n")
        except (ConnectionResetError, ssl.SSLEOFError):
            return b""

    def smtp(self, command=None):
        """Sends a command and reads a whole SMTP reply: (code, text)."""
        if command is not None:
            self.send(command + b"\r\n")
        lines = [self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(self.line())
        assert lines[-1][:3].isdigit(), lines
        return int(lines[-1][:3]), b"\n".join(lines).decode(
            errors="replace")

    def pop3(self, command=None):
        """Sends a command and reads one line."""
        if command is not None:
            self.send(command + b"\r\n")
        return self.line()

    def imap(self, command, tag=b"t"):
        """Sends a tagged command; all lines up to its tagged answer."""
        self.send(tag + b" " + command + b"\r\n")
        return self.imap_answer(tag)

    def imap_answer(self, tag=b"t"):
        lines = []
        while True:
            lines.append(self.line())
            if lines[-1].startswith(tag + b" ") or lines[-1] == b"":
                return lines

    def closed(self):
        """True when the server closes without another word."""
        try:
            return self.file.read(1) == b""
        except (ConnectionResetError, ssl.SSLError):
            return True

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
