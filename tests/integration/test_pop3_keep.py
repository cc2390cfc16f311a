# SPDX-License-Identifier: BSD-2-Clause
"""Mail that is left on the server is downloaded once by each client, whatever
happens to the servers, their memory and their databases in between."""

import pytest
from support.disturb import DISTURBANCES, Disturbed
from support.keepers import KEEPERS


@pytest.mark.plain_only
def test_nothing_twice(platform, tmp_path):
    """Each disturbance once; `tests/keep` does it for as long as one likes."""
    d = Disturbed(platform, tmp_path, KEEPERS)
    d.round()
    for disturbance in DISTURBANCES:
        d.round(disturbance)
    assert d.wrong() == {}
    assert d.count > 2 * len(DISTURBANCES)
