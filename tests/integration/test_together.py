# SPDX-License-Identifier: BSD-2-Clause
"""Dovecot's daemons and ours on one tree, in turns and then together: no UID
changes its message, none is lost or there twice.

tests/together/run does the same for ten minutes.
"""

import os
import secrets

import pytest
from peers import PeerMissing

from together.play import playing


@pytest.mark.plain_only
@pytest.mark.root_only
def test_together(platform):
    seed = secrets.randbelow(1 << 32)
    print("tests/together/run --seed %d" % seed)
    try:
        with playing(platform, seed) as play:
            play.turns(2, 1.5)
            play.together(5, 2.5)
    except PeerMissing as e:
        assert os.environ.get("CI") != "true", str(e)
        pytest.skip(str(e))
    print(play.summary())
    counts = play.ledger.counts
    for what in ("delivered", "flagged", "moved", "expunged", "read by POP3"):
        for side in ("Hikyaku", "Dovecot"):
            assert counts.get("%s %s" % (side, what)), (side, what, counts)
