# SPDX-License-Identifier: BSD-2-Clause
"""The power goes under traffic: what was acknowledged is there, whole, once.

tests/crash/run does the same two hundred times.
"""

import pathlib
import secrets
import tempfile

import pytest
from conftest import BUILD

from crash.cuts import Series
from crash.power import PowerPlatform, dice_of, why_not

CUTS, KILLS = 12, 4


@pytest.fixture
def power_platform(installed):
    reason = why_not(BUILD)
    if reason:
        pytest.skip(reason)
    root = pathlib.Path(tempfile.mkdtemp(prefix="hk-crash-"))
    platform = PowerPlatform(root, BUILD, installed=installed)
    try:
        platform.create()
        platform.start()
        yield platform
    finally:
        platform.destroy()


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
