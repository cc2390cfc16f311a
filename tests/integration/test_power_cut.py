# SPDX-License-Identifier: BSD-2-Clause
"""The power goes under traffic: what was acknowledged is there, whole, once.

tests/crash/run does the same two hundred times.
"""

import secrets

import pytest

from crash.cuts import Series
from crash.power import dice_of

CUTS, KILLS = 12, 4


@pytest.mark.plain_only
def test_power_cuts_and_kills(power_platform):
    seed = secrets.randbelow(1 << 32)
    print("tests/crash/run --cuts %d --kills %d --seed %d" % (
        CUTS, KILLS, seed))
    series = Series(power_platform, dice_of(seed))
    for _ in range(CUTS):
        series.cut()
    for _ in range(KILLS):
        series.kill()
    assert series.ledger.counts["acknowledged"] > 50
    assert series.ledger.counts["read"] > 50
