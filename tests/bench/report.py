# SPDX-License-Identifier: BSD-2-Clause
"""The table of figures, as Markdown."""

import os

import measure

HEAD = ("| row | Hikyaku | peer | ratio | p99 ms, ours / peer's "
        "| CPU ms an operation, ours / peer's | MB, ours / peer's |\n"
        "|---|---|---|---|---|---|---|")


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return "%.1f" % value if value >= 10 else "%.2f" % value


def _cell(row, figures):
    rate, width = measure.spread([f["rate"] for f in figures])
    return "%s%s ±%.0f %%" % (
        number(rate), row.unit if row.unit == "/s" else " " + row.unit, width)


def _pair(both, key, scale, form):
    """The means of both sides, "1.0 / 2.0"; nothing where it was not
    measured."""
    if any(key not in f for figures in both for f in figures):
        return ""
    return " / ".join(
        form % (measure.spread([f[key] for f in figures])[0] / scale)
        for figures in both)


def row_line(row, results, both):
    """The row's line, and whether both sides gave right answers."""
    figures = [results[side.name] for side in both]
    if not all(isinstance(f, list) for f in figures):
        return ("| %s | %s | %s | failed | | | |" % (
            row.title, *(_cell(row, f) if isinstance(f, list)
                         else "wrong: " + f for f in figures)), False)
    ours, peer = (measure.spread([f["rate"] for f in side])[0]
                  for side in figures)
    ratio = ours / peer if row.unit == "/s" else peer / ours
    return "| %s | %s | %s | **%.2f** | %s | %s | %s |" % (
        row.title, *(_cell(row, f) for f in figures), ratio,
        _pair(figures, "p99_us", 1000, "%.2f"),
        _pair(figures, "cpu_ms", 1, "%.2f"),
        _pair(figures, "memory_kib", 1024, "%.0f")), True


def generators_line(pairs):
    """What smtp-source says of our generator, and whether it agrees."""
    ours, theirs = (measure.spread([p[i] for p in pairs])[0] for i in (0, 1))
    apart = 100 * (ours / theirs - 1)
    return ("The load generator beside Postfix's smtp-source, both against "
            "Hikyaku, 8 clients, 4 KB: %s and %s acknowledged messages a "
            "second, %+.1f per cent." % (number(ours), number(theirs), apart),
            abs(apart) <= 10)


def flushes_line(flushes):
    """[(side's name, service, paths)] as a sentence, and whether all flush."""
    return ("Flushed before the 250 of one message, as strace saw it: "
            + "; ".join("%s, %s: %s" % (
                name, "SMTP" if service == "mx" else "LMTP",
                ", ".join(_kind(p) for p in paths) if paths else "NOTHING")
                for name, service, paths in flushes) + ".",
            all(paths for _, _, paths in flushes))


def _kind(path):
    """What kind of file a path names, without the bench's own directory."""
    for part, kind in (("/spool/postfix/", "the queue file"),
                       ("journal/", "the journal"),
                       ("/tmp/", "the message"), ("/new", "its directory"),
                       ("/cur", "its directory"),
                       ("uidlist", "the uidlist")):
        if part in path:
            return kind
    return "the Maildir"


_NOTES = """\
Each row's figure is the mean of its rounds, and its 95 per cent confidence
interval (of two rounds, half their range) in per cent; a ratio above 1 is in
Hikyaku's favour.  SMTP and LMTP rows count
messages that are in their mailbox, not only acknowledged.  CPU is of all
processes of a side, memory the most that all of them held at once (PSS; of
slapd's database, a mapped file, nothing).  The peer is Debian's Postfix in
front of Debian's Dovecot; both sides have %s accounts, ours in slapd, the
peer's in a passwd-file, and the same ECDSA key.  "Remembered" is a password
that the side has checked before.  The rows of one mailbox are warm: their
user has been served once before the first round."""


def page(lines, before, limits, rounds, seconds, machine, date, arguments,
         accounts):
    """The whole of RESULTS.md, up to what is written by hand."""
    return """\
<!-- SPDX-License-Identifier: BSD-2-Clause -->
# Hikyaku beside Postfix and Dovecot

Made by `tests/bench/run%s` on %s: Linux %s, %d processors, %d rounds a row,
A B A B, %g seconds each where a row goes by time.

%s

The machine in the same run: %s flushes a second by one writer, %s writes a
second when 32 share a flush, %s round trips a second and %s MB a second over
loopback.

%s

%s
%s
""" % (" " + arguments if arguments else "", date,
       ".".join(machine.release.split(".")[:2]), os.cpu_count(), rounds,
       seconds, _NOTES % f"{accounts:,}", number(limits["flushes"]),
       number(limits["flushes_grouped"]), number(limits["round_trips"]),
       number(limits["octets"] / 1e6), "\n\n".join(before), HEAD,
       "\n".join(lines))
