# SPDX-License-Identifier: BSD-2-Clause
"""Guessing at one brand's passwords: what the others notice, who is locked."""

import json
import poplib
import signal
import subprocess
import time

import pytest
from conftest import BUILD, _finish, _make
from support import crowd
from support.platform import PASSWORD

pytestmark = pytest.mark.alone

ACCOUNTS, TENANTS = 160, 2
SETTINGS = {"tenantd": [
    "penalty-account-lock = 6", "penalty-half-life = 1h",
    "penalty-delay = 10", "penalty-delay-max = 1s"]}


@pytest.fixture(scope="module")
def stormy(installed):
    made = _make(installed, SETTINGS)
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", PASSWORD], capture_output=True,
        text=True, check=True).stdout.strip()
    made.ldap("ldapadd", "".join(crowd.people(
        ACCOUNTS, TENANTS, ["{CRYPT}" + hashed])))
    yield made
    _finish(made)


def load(platform, ask, **options):
    return subprocess.Popen(
        crowd.load_argv(BUILD, platform.root / "run/internal/tenantd", ask,
                        tenants=TENANTS, **options),
        stdout=subprocess.PIPE, text=True)


def figures(process, seconds=60):
    return json.loads(process.communicate(timeout=seconds)[0])


def login(platform, number, password=PASSWORD, **options):
    """directory_load's one login of person number: its JSON."""
    return figures(load(platform, "login", first=number, operations=1,
                        password=password, **options))


@pytest.mark.plain_only
def test_the_other_brand_does_not_notice(stormy):
    """t0 is attacked from many addresses; t1's first logins stay quick."""
    # Names that t0 has and that nobody has, another password each time.
    attack = load(stormy, "login", name="u{n}@t0.example", tenant="t0",
                  names=100000, password="guess {n}", expect="wrong",
                  clients=24, addresses=3000, seconds=4)
    time.sleep(1)
    calm = figures(load(
        stormy, "login", clients=8, pace=10, seconds=2.5, walk=True, first=1,
        step=TENANTS, names=ACCOUNTS // TENANTS))
    assert calm["errors"] == 0, calm["first_error"]
    assert calm["operations"] >= 10
    # Of so few the slowest says little; tests/bench/directory storm measures
    # the 99th percentile of many.
    assert calm["p90_us"] < 250000, calm
    storm = figures(attack)
    assert storm["errors"] == 0, storm["first_error"]
    assert storm["operations"] > 100


def test_lock_and_who_is_familiar(stormy):
    """A stranger's guesses lock an account to strangers, and no restart
    forgives them."""
    home, abroad = 50, 60
    assert not login(stormy, 3, address=home)["errors"]
    for guess in range(6):
        got = login(stormy, 3, "guess %d" % guess, expect="wrong",
                    address=abroad + guess)
        assert not got["errors"], got
    stormy.wait_log("account locked .*failures=6")
    # Right, and too late, from wherever nobody of the account ever came.
    assert not login(stormy, 3, expect="wrong", address=70)["errors"]
    assert not login(stormy, 3, address=home)["errors"]
    time.sleep(1.5)  # what was counted is on disk
    stormy.kill("tenantd", signal.SIGKILL)
    deadline = time.monotonic() + 15
    while True:
        try:
            if not login(stormy, 5, address=home)["errors"]:
                break
        except json.JSONDecodeError:
            assert time.monotonic() < deadline
        time.sleep(0.1)
    got = login(stormy, 3, expect="wrong", address=71)
    assert not got["errors"], got
    assert not login(stormy, 3, address=home)["errors"]


def test_an_old_password_does_not_lock(stormy):
    """A telephone that was not told of the new password asks and asks."""
    for _ in range(20):
        got = login(stormy, 7, "the old one", expect="wrong", address=80)
        assert not got["errors"], got
    assert not login(stormy, 7, address=81)["errors"]


def test_lock_reaches_the_gates(stormy):
    """What a client of POP3 sees of it."""
    for guess in range(6):
        assert not login(stormy, 9, "guess %d" % guess, expect="wrong",
                         address=90 + guess)["errors"]
    with pytest.raises(poplib.error_proto, match="AUTH"):
        stormy.pop("u9@t1.example")
