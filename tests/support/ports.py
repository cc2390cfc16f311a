# SPDX-License-Identifier: BSD-2-Clause
"""Ports for servers of a test.

Not those the kernel gives for port 0: it takes them from the range that
outgoing connections use, so that one of them may have it by the time the
server binds.
"""

import os
import random
import re
import socket

LOW, HIGH = 12000, 30000  # below net.ipv4.ip_local_port_range


def _range():
    """What this process chooses from: of several pytest workers, none has
    another's port, free until its server binds it."""
    worker = int(re.sub("[^0-9]", "", os.environ.get(
        "PYTEST_XDIST_WORKER", "")) or 0)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    share = (HIGH - LOW) // workers
    return LOW + worker * share, LOW + (worker + 1) * share


def free_port(taken=()):
    """A TCP port of 127.0.0.1 that nobody listens on, not one of taken."""
    low, high = _range()
    for _ in range(1000):
        port = random.randrange(low, high)
        if port in taken:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("no free port from %d to %d" % (low, high))


def free_ports(names):
    """{name: port}, all different."""
    found = {}
    for name in names:
        found[name] = free_port(found.values())
    return found
