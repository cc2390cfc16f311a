# SPDX-License-Identifier: BSD-2-Clause
"""One measurement: a load on a side, and what it cost there."""

import json
import pathlib
import statistics
import subprocess
import time

SCRIPTS = pathlib.Path(__file__).resolve().parent / "scripts"


class WrongAnswer(Exception):
    """The server gave a wrong answer: the row's speed counts for nothing."""


def machine(build, directory):
    """The machine's own limits, as a dictionary."""
    got = subprocess.run([build / "tests/bench/machine", directory],
                         capture_output=True, text=True, check=True)
    return json.loads(got.stdout)


def load(build, side, row, seconds):
    """Runs the load generator once; answers its figures with the side's CPU."""
    argv = [build / "tests/bench/load", "--script",
            SCRIPTS / (row.script + ".load"),
            "--connect", side.connect(row.service),
            "--clients", row.clients, "--users", row.users or side.accounts,
            "--per-connection", row.per_connection, "--size", row.size]
    if row.service.endswith("s"):
        argv += ["--tls", "implicit"]
    if row.operations:
        argv += ["--operations", row.operations]
    else:
        argv += ["--seconds", seconds, "--warmup", min(1, seconds / 5)]
    before = side.messages_in_store() if row.arrives else 0
    cpu, start = side.cpu_seconds(), time.monotonic()
    got = subprocess.run([str(a) for a in argv], capture_output=True,
                         text=True, timeout=600, check=False)
    try:
        figures = json.loads(got.stdout)
    except ValueError:
        raise WrongAnswer("the load generator said: %s"
                          % got.stderr.strip()) from None
    if figures["errors"] or not figures["operations"]:
        raise WrongAnswer("%d errors, the first: %s" % (
            figures["errors"], figures["first_error"]))
    if row.arrives:
        # An acknowledged message counts when it is in its mailbox.
        wanted = before + figures["operations"]
        while side.messages_in_store() < wanted:
            if time.monotonic() - start > 120:
                raise WrongAnswer("%d acknowledged messages are missing" % (
                    wanted - side.messages_in_store()))
            time.sleep(0.05)
        figures["rate"] = figures["operations"] / (time.monotonic() - start)
    figures["cpu_ms"] = ((side.cpu_seconds() - cpu) * 1000
                         / figures["operations"])
    return figures


def idle_memory(build, side, row):
    """KB of memory that each of the row's clients costs while it idles."""
    before = side.pss_kib()
    process = subprocess.Popen(
        [str(a) for a in (
            build / "tests/bench/load", "--script",
            SCRIPTS / (row.script + ".load"), "--connect",
            side.connect(row.service), "--clients", row.clients, "--users",
            row.users, "--seconds", 3600, "--tls", "implicit")],
        stdout=subprocess.PIPE, text=True)
    try:
        last, now = -1, 0
        # Until it no longer changes: all are in, and have come to rest.
        while now != last:
            time.sleep(5)
            last, now = now, side.pss_kib()
            if process.poll() is not None:
                raise WrongAnswer("the load generator ended: %s"
                                  % process.stdout.read())
            if abs(now - last) < 0.005 * now:
                break
        return {"rate": (now - before) / row.clients}
    finally:
        process.kill()
        process.wait()
        time.sleep(1)


def spread(values):
    """Median, and half the range in per cent of it."""
    middle = statistics.median(values)
    width = (max(values) - min(values)) / 2
    return middle, (100 * width / middle if middle else 0)
