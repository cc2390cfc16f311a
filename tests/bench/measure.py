# SPDX-License-Identifier: BSD-2-Clause
"""One measurement: a load on a side, and what it cost there."""

import contextlib
import json
import pathlib
import statistics
import subprocess
import time

import sides

SCRIPTS = pathlib.Path(__file__).resolve().parent / "scripts"
# The load generator's way through the accounts (client.c).
STRIDE = 7919


class WrongAnswer(Exception):
    """The server gave a wrong answer: the row's speed counts for nothing."""


def machine(build, directory):
    """The machine's own limits, as a dictionary."""
    got = subprocess.run([build / "tests/bench/machine", directory],
                         capture_output=True, text=True, check=True)
    return json.loads(got.stdout)


def command(build, side, row, seconds, operations=0, first=0):
    """The load generator's argv for a row."""
    argv = [build / "tests/bench/load", "--script",
            SCRIPTS / (row.script + ".load"),
            "--connect", side.connect(row.service),
            "--clients", row.clients, "--users", row.users or sides.ACTIVE,
            "--first", first, "--per-connection", row.per_connection,
            "--size", row.size, *settings(row)]
    if row.service.endswith("s"):
        argv += ["--tls", "implicit"]
    if operations or row.operations:
        argv += ["--operations", operations or row.operations]
    else:
        argv += ["--seconds", seconds, "--warmup", min(1, seconds / 5)]
    return [str(arg) for arg in argv]


def settings(row):
    """What scripts may check answers by: how many messages there are, how
    many of them a search finds, and how long the one is that is read."""
    if row.mailbox <= 0:
        return []
    found = sum(1 for n in range(row.mailbox) if n % 13 == 7)
    return ["--set", "mailbox=%d" % row.mailbox,
            "--set", "found-words=%d" % (2 + found),
            "--set", "octets=%d" % len(sides.message(6, 4096))]


def run(argv, side=None):
    """Runs a load generator; answers its figures, with the side's memory
    meanwhile."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    memory, deadline = 0, time.monotonic() + 600
    while True:
        try:
            out, err = process.communicate(timeout=0.7)
            break
        except subprocess.TimeoutExpired:
            if side:
                memory = max(memory, side.pss_kib())
            if time.monotonic() > deadline:
                process.kill()
                process.communicate()
                raise WrongAnswer("not done after 600 s") from None
    try:
        figures = json.loads(out)
    except ValueError:
        raise WrongAnswer("the load generator said: %s"
                          % err.strip()) from None
    if figures["errors"] or not figures["operations"]:
        raise WrongAnswer("%d errors, the first: %s" % (
            figures["errors"], figures["first_error"]))
    figures["memory_kib"] = memory or (side.pss_kib() if side else 0)
    return figures


def prime(build, side, row):
    """What a row that speaks of a warm server needs before its first round:
    each of its users has been served once."""
    if row.prime:
        if row.mailbox < 0:
            side.settle(0, row.users)
        run(command(build, side, row, 0,
                    operations=max(row.users, row.clients)))


def touches(row, first=0):
    """The accounts that a run of the row may deliver to."""
    users = row.users or sides.ACTIVE
    if not row.operations or users <= row.operations:
        return set(range(first, first + users))
    # Each operation and each connection picks the next one.
    return {first + n * STRIDE % users
            for n in range(2 * row.operations + row.clients)}


@contextlib.contextmanager
def cost(side, figures):
    """Adds the side's CPU time an operation."""
    cpu = side.cpu_seconds()
    yield
    figures["cpu_ms"] = ((side.cpu_seconds() - cpu) * 1000
                         / figures["operations"])


def load(build, side, row, seconds):
    """One round of an ordinary row."""
    figures, first = {}, 0
    if row.fresh:
        # Accounts that nobody has logged in to before.
        first = row.first + side.fresh
        side.fresh += row.operations
        if row.mailbox == 0:
            side.settle(first, row.operations)
    if row.arrives:
        side.touched |= touches(row)
    before = side.messages_in_store() if row.arrives else 0
    start = time.monotonic()
    with cost(side, figures):
        figures.update(run(command(build, side, row, seconds, first=first),
                           side))
        if row.arrives:
            # An acknowledged message counts when it is in its mailbox.
            await_messages(side, before + figures["operations"])
            figures["acknowledged"] = figures["rate"]
            figures["rate"] = (figures["operations"]
                               / (time.monotonic() - start))
    return figures


def await_messages(side, wanted, seconds=120):
    start = time.monotonic()
    while side.messages_in_store() < wanted:
        if time.monotonic() - start > seconds:
            raise WrongAnswer("%d acknowledged messages are missing" % (
                wanted - side.messages_in_store()))
        time.sleep(0.05)
    side.filled = None


SUSTAINED_S, SUSTAINED_WARMUP_S = 60, 15
# Messages that may wait for their mailbox more than a minute before: what the
# placers have in hand.
SUSTAINED_MORE = 1000


def sustained(build, side, row, seconds):
    """Messages a second that come into mailboxes over a minute under full
    load, once queues are as long as they get.  Where more and more of them
    are acknowledged only, that is no rate to be had, and a failure."""
    figures = {}
    side.touched |= touches(row)
    argv = command(build, side, row, 0)
    argv[argv.index("--seconds") + 1] = str(SUSTAINED_S + 5)
    argv[argv.index("--warmup") + 1] = str(SUSTAINED_WARMUP_S)
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(SUSTAINED_WARMUP_S)
        began, cpu = time.monotonic(), side.cpu_seconds()
        first, waiting = side.messages_in_store(), side.waiting()
        time.sleep(max(0, began + SUSTAINED_S - time.monotonic()))
        last, more = side.messages_in_store(), side.waiting() - waiting
        took, cpu = time.monotonic() - began, side.cpu_seconds() - cpu
        figures["memory_kib"] = side.pss_kib()
        figures.update(json.loads(process.communicate(timeout=120)[0]))
    finally:
        process.kill()
        process.wait()
    if figures["errors"]:
        raise WrongAnswer("%d errors, the first: %s" % (
            figures["errors"], figures["first_error"]))
    if more > SUSTAINED_MORE:
        raise WrongAnswer("%d more messages wait than a minute before" % more)
    figures["acknowledged"] = figures["rate"]
    figures["rate"] = (last - first) / took
    figures["cpu_ms"] = cpu * 1000 / max(1, last - first)
    await_still(side)
    return figures


def await_still(side, seconds=120):
    """Until no message comes any more."""
    deadline = time.monotonic() + seconds
    while side.waiting() > 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    side.filled = None


def burst(build, side, row, seconds):
    """Acknowledged messages a second; each must come into its mailbox."""
    figures = {}
    side.touched |= touches(row)
    before = side.messages_in_store()
    with cost(side, figures):
        figures.update(run(command(build, side, row, seconds), side))
        await_messages(side, before + figures["operations"])
    return figures


def mix(build, side, row, seconds):
    """IMAP clients at work while mail comes in, both checked."""
    figures, before = {}, side.messages_in_store()
    deliveries = subprocess.Popen(
        [str(arg) for arg in (
            build / "tests/bench/load", "--script",
            SCRIPTS / "lmtp-paced.load", "--connect", side.connect("lmtp"),
            "--clients", 10, "--users", row.users, "--per-connection", 0,
            "--seconds", seconds + 2)],
        stdout=subprocess.PIPE, text=True)
    with cost(side, figures):
        figures.update(run(command(build, side, row, seconds), side))
    delivered = json.loads(deliveries.communicate(timeout=120)[0])
    if delivered["errors"]:
        raise WrongAnswer("LMTP meanwhile: " + delivered["first_error"])
    await_messages(side, before + delivered["operations"])
    return figures


def directory(build, side, row, seconds):
    """Lookups of addresses in the directory, each asked for before."""
    figures = {}
    if side.asked < row.users:
        run([str(arg) for arg in side.lookups(
            build / "tests/bench", row.clients, row.users, 0)])
        side.asked = row.users
    with cost(side, figures):
        figures.update(run([str(arg) for arg in side.lookups(
            build / "tests/bench", row.clients, row.users, seconds)], side))
    return figures


def start(build, side, row, seconds):
    """Seconds from a cold start until every service has served."""
    side.halt()
    begun = time.monotonic()
    side.boot()
    side.serves(begun + 60)
    return {"rate": time.monotonic() - begun}


def settled(side, clients):
    """KB of memory when they no longer change by as much as 1 KB a client,
    or after a minute."""
    deadline = time.monotonic() + 60
    now = side.anonymous_kib()
    while True:
        time.sleep(5)
        last, now = now, side.anonymous_kib()
        if abs(now - last) < clients or time.monotonic() > deadline:
            return now


def idle_memory(build, side, row, seconds):
    """KB of memory that each of the row's clients costs while it idles."""
    # Anew: processes that served before keep what they had.
    side.halt()
    side.boot()
    side.serves(time.monotonic() + 60)
    before = settled(side, row.clients)
    process = subprocess.Popen(
        [str(a) for a in (
            build / "tests/bench/load", "--script",
            SCRIPTS / (row.script + ".load"), "--connect",
            side.connect(row.service), "--clients", row.clients, "--users",
            row.users, "--seconds", 3600, "--tls", "implicit")],
        stdout=subprocess.PIPE, text=True)
    try:
        # All are in, and have come to rest.
        now = settled(side, row.clients)
        if process.poll() is not None:
            raise WrongAnswer("the load generator ended: %s"
                              % process.stdout.read())
        return {"rate": (now - before) / row.clients}
    finally:
        process.kill()
        process.wait()
        time.sleep(1)


def generators(build, side, peer, rounds):
    """Our load generator beside Postfix's smtp-source: the acknowledged rates
    of both, in turn, against the same server; [(ours, theirs)]."""
    messages, clients = 2000, 8
    pairs = []
    for _ in range(rounds):
        ours = run([str(arg) for arg in (
            build / "tests/bench/load", "--script",
            SCRIPTS / "smtp-deliver.load", "--connect", side.connect("mx"),
            "--clients", clients, "--operations", messages,
            "--per-connection", 0, "--size", 4096)])["rate"]
        theirs = peer.smtp_source(
            messages, clients, 4096, side.connect("mx"), sides.user(0))
        pairs.append((ours, theirs))
    side.touched.add(0)
    side.filled = None
    return pairs


# Student's t for 95 per cent, by the number of values.
_T = {3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}


def spread(values):
    """Mean, and how far off it may be in per cent of it: with three rounds or
    more the 95 per cent confidence interval, else half the range."""
    mean = statistics.fmean(values)
    if len(values) >= 3:
        width = (_T.get(len(values), 2.3) * statistics.stdev(values)
                 / len(values) ** 0.5)
    else:
        width = (max(values) - min(values)) / 2
    return mean, (100 * width / mean if mean else 0)
