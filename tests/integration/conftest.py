# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the integration tests.

They run against the build tree that HK_BUILD names (./check sets it; without
it, ./build/check).  platform is one running platform for each file, with
free ports and a temporary directory; fresh_platform gives a test one of its
own, to break.
"""

import os
import pathlib
import re
import shutil
import sys
import tempfile

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

from support.platform import PASSWORD, Platform  # noqa: E402

BUILD = pathlib.Path(os.environ.get("HK_BUILD", TOP / "build" / "check"))
# Under AddressSanitizer times and memory say nothing.
SANITIZED = os.environ.get("HK_SANITIZED") == "1"

REPORT = re.compile(
    r"ERROR: AddressSanitizer|runtime error:|ERROR: LeakSanitizer")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "plain_only: measures what a sanitizer distorts, or is "
        "too slow under one")
    config.addinivalue_line(
        "markers", "alone: measures times or memory, so that no other test "
        "may run beside it")
    config.addinivalue_line("markers", "root_only: needs hikyakud as root")


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        skip = pytest.mark.skip(reason="needs root")
        for item in items:
            if item.get_closest_marker("root_only"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def installed():
    """What make install puts into a prefix, reachable for every user."""
    # /tmp rather than the checkout: daemons under their own users must be
    # able to reach it wherever the checkout lies.
    prefix = pathlib.Path(tempfile.mkdtemp(prefix="hk-prefix-"))
    prefix.chmod(0o755)
    Platform(prefix.with_name(prefix.name + "-none"), BUILD).install(prefix)
    yield prefix
    shutil.rmtree(prefix)


def _make(installed, settings=None):
    root = pathlib.Path(tempfile.mkdtemp(prefix="hk-test-"))
    platform = Platform(root, BUILD, settings=settings, installed=installed)
    try:
        platform.create()
        platform.start()
    except BaseException:
        platform.destroy()
        raise
    return platform


def _finish(platform):
    """Ends a platform; its log must be free of sanitizers' reports."""
    platform.stop()
    left = platform.processes()
    text = platform.log()
    keep = TOP / "build" / "log" / "platform"
    keep.mkdir(parents=True, exist_ok=True)
    if platform.log_path.exists():
        shutil.copy(platform.log_path, keep / (platform.root.name + ".log"))
    platform.destroy()
    match = REPORT.search(text)
    assert not match, text[max(0, match.start() - 500):match.start() + 4000]
    assert not left, "still there after stop: %s" % left
    assert PASSWORD not in text, "a password is in the log"


# One for each file: failed logins make the next ones from the same address
# wait, and a file's tests shall not pay for those of another.
@pytest.fixture(scope="module")
def platform(installed):
    made = _make(installed)
    yield made
    _finish(made)


@pytest.fixture
def fresh_platform(installed):
    made = _make(installed)
    yield made
    _finish(made)


@pytest.fixture(scope="module")
def make_module_platform(installed):
    """The same, for platforms that serve all tests of a file."""
    made = []

    def make(settings=None):
        made.append(_make(installed, settings))
        return made[-1]

    yield make
    for each in made:
        _finish(each)


@pytest.fixture
def make_platform(installed):
    """make_platform({"smtpd": ["a = 1"]}): a platform with more settings."""
    made = []

    def make(settings=None):
        made.append(_make(installed, settings))
        return made[-1]

    yield make
    for each in made:
        _finish(each)


@pytest.fixture
def power_platform(installed):
    """A platform whose store lies on the file system that loses power."""
    # Here, since only these tests need it.
    from crash.power import PowerPlatform, why_not

    reason = why_not(BUILD)
    if reason:
        pytest.skip(reason)
    root = pathlib.Path(tempfile.mkdtemp(prefix="hk-power-"))
    platform = PowerPlatform(root, BUILD, installed=installed)
    try:
        platform.create()
        platform.start()
        yield platform
    finally:
        platform.destroy()


@pytest.fixture(scope="module")
def make_root():
    """make_root(): a directory that daemons under other users can reach."""
    made = []

    def make():
        made.append(pathlib.Path(tempfile.mkdtemp(prefix="hk-slapd-")))
        made[-1].chmod(0o755)
        return made[-1]

    yield make
    for root in made:
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def slapd(installed, make_root):
    """A slapd with the demo's entries, and no daemon of ours."""
    # Here, since only these tests need python3-ldap.
    from support.slapd import Slapd

    made = Slapd(installed, make_root() / "ldap")
    yield made
    made.stop()


@pytest.fixture
def empty(platform):
    """The platform with the INBOXes that tests use emptied."""
    for login in ("yuki@midori.example", "hanako@aozora.example"):
        platform.empty(login)
    return platform


@pytest.fixture(scope="session")
def sanitized():
    return SANITIZED
