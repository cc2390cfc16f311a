# SPDX-License-Identifier: BSD-2-Clause
"""Ports for servers of a test.

Not those the kernel gives for port 0: it takes them from the range that
outgoing connections use, so that one of them may have it by the time the
server binds.
"""

import random
import socket

LOW, HIGH = 12000, 30000  # below net.ipv4.ip_local_port_range


def free_port(taken=()):
    """A TCP port of 127.0.0.1 that nobody listens on, not one of taken."""
    for _ in range(1000):
        port = random.randrange(LOW, HIGH)
        if port in taken:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("no free port from %d to %d" % (LOW, HIGH))


def free_ports(names):
    """{name: port}, all different."""
    found = {}
    for name in names:
        found[name] = free_port(found.values())
    return found
