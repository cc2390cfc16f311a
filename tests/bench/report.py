# SPDX-License-Identifier: BSD-2-Clause
"""The table of figures, as Markdown."""

import os

import measure

HEAD = ("| row | Hikyaku | peer | ratio | p99 ms, ours / peer's "
        "| CPU ms an operation, ours / peer's |\n"
        "|---|---|---|---|---|---|")


def _cell(figures):
    rate, width = measure.spread([f["rate"] for f in figures])
    return "%s/s ±%.0f %%" % (number(rate), width)


def number(value):
    return f"{value:,.0f}" if value >= 100 else "%.1f" % value


def _median(figures, key):
    return measure.spread([f[key] for f in figures])[0]


def row_line(row, results, both):
    """The row's line, and whether both sides gave right answers."""
    ours, peer = (results[side.name] for side in both)
    if not isinstance(ours, list) or not isinstance(peer, list):
        return ("| %s | %s | %s | failed | | |" % (
            row.title, *(_cell(r) if isinstance(r, list) else "wrong: " + r
                         for r in (ours, peer))), False)
    if row.memory:
        return _memory_line(row, ours, peer), True
    ratio = _median(ours, "rate") / _median(peer, "rate")
    return ("| %s | %s | %s | **%.2f** | %.2f / %.2f | %.2f / %.2f |" % (
        row.title, _cell(ours), _cell(peer), ratio,
        _median(ours, "p99_us") / 1000, _median(peer, "p99_us") / 1000,
        _median(ours, "cpu_ms"), _median(peer, "cpu_ms")), True)


def _memory_line(row, ours, peer):
    cells = []
    for figures in (ours, peer):
        middle, width = measure.spread([f["rate"] for f in figures])
        cells.append("%.1f KB ±%.0f %%" % (middle, width))
    return "| %s | %s | %s | **%.2f** | | |" % (
        row.title, *cells, _median(peer, "rate") / _median(ours, "rate"))


def page(lines, limits, rounds, seconds, machine, date, arguments):
    """The whole of RESULTS.md."""
    return """\
<!-- SPDX-License-Identifier: BSD-2-Clause -->
# Hikyaku beside Postfix and Dovecot

Made by `tests/bench/run%s` on %s: Linux %s, %d processors.  %d rounds a row,
A B A B, %g seconds each where a row goes by time; the median, and half the
range in per cent of it.  A ratio above 1 is in Hikyaku's favour.  SMTP and
LMTP rows count messages that are in their mailbox, not only acknowledged.

The machine in the same run: %s flushes a second by one writer, %s writes a
second when 32 share a flush, %s round trips a second and %s MB a second over
loopback.

%s
%s
""" % (" " + arguments if arguments else "", date, ".".join(machine.release.split(".")[:2]), os.cpu_count(), rounds, seconds,
       number(limits["flushes"]), number(limits["flushes_grouped"]),
       number(limits["round_trips"]), number(limits["octets"] / 1e6),
       HEAD, "\n".join(lines))
