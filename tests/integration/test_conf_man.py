# SPDX-License-Identifier: BSD-2-Clause
"""hikyaku.conf(5) tells every key of every table, and no other."""

import os
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HK_BUILD", TOP / "build" / "check"))
PROGRAMS = {"hikyakud": "master", "metricsd": "master", "tenantd": "tenants",
            "smtpd": "smtpd", "deliveryd": "delivery", "relayd": "delivery",
            "pop3d": "pop3d", "imapd": "imapd", "antivirus": "milters",
            "quarantine": "milters", "forward": "milters",
            "autoreply": "milters"}


def documented():
    """{section: keys} of the page; "" is the top level."""
    page = (TOP / "man/hikyaku.conf.5").read_text()
    found = {}
    for part in re.split(r"^\.Ss ", page, flags=re.M)[1:]:
        title = part.splitlines()[0]
        words = title.split()
        section = "" if title == "Top level" else words[1]
        part = part.split("\n.Sh ")[0]
        found[section] = set(re.findall(r"^\.It Cm (\S+)", part, re.M))
    return found


def keys_of(program):
    path = BUILD / PROGRAMS[program] / program
    got = subprocess.run([str(path), "-k"], capture_output=True, text=True,
                         check=True)
    found = {}
    for line in got.stdout.splitlines():
        section, _, key = line.rpartition(" ")
        found.setdefault(section, set()).add(key)
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_page_tells_every_key(program):
    if not (BUILD / PROGRAMS[program] / program).exists():
        pytest.skip("%s is not built" % program)
    page = documented()
    for section, keys in keys_of(program).items():
        assert section in page, "no section for %s" % program
        assert keys == page[section], (
            "%s: only in the table: %s; only in the page: %s" % (
                section or "top level", sorted(keys - page[section]),
                sorted(page[section] - keys)))


def test_example_is_accepted(tmp_path):
    """All of it but what needs this machine: certificates and users."""
    text = (TOP / "master/hikyaku.conf.example").read_text()
    path = tmp_path / "hikyaku.conf"
    path.write_text(text)
    for program in PROGRAMS:
        binary = BUILD / PROGRAMS[program] / program
        if program == "hikyakud" or not binary.exists():
            continue
        got = subprocess.run([str(binary), "-n", "-c", str(path)],
                             capture_output=True, text=True, check=False)
        assert got.returncode == 0, got.stderr
    got = subprocess.run([str(BUILD / "master/hikyakud"), "-n", "-c",
                          str(path)], capture_output=True, text=True,
                         check=False)
    assert got.returncode == 1
    assert "tls: certificate: open /etc/hikyaku/tls" in got.stderr
