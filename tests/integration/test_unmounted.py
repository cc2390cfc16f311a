# SPDX-License-Identifier: BSD-2-Clause
"""A file system that is not mounted looks like an empty directory: nobody is
shown an empty mailbox, no mail is refused for good, nothing is made there."""

import smtplib
import subprocess
import time

import pytest
from support.platform import PASSWORD
from support.wire import Wire

YUKI = "yuki@midori.example"


def put_away(path):
    """Like umount: what is behind it is an empty directory of root's."""
    away = path.with_name(path.name + ".away")
    path.rename(away)
    path.mkdir(0o755)
    return away


def put_back(path, away):
    assert list(path.iterdir()) == [], "something was made there"
    path.rmdir()
    away.rename(path)


def login(platform):
    with Wire(platform, "pop3s") as w:
        w.line()
        w.pop3(b"USER " + YUKI.encode())
        return w.pop3(b"PASS " + PASSWORD.encode())


def deliver(platform):
    with smtplib.SMTP("127.0.0.1", platform.ports["mx"], "client.example",
                      timeout=60) as smtp:
        smtp.ehlo()
        smtp.mail("someone@outside.example")
        code, text = smtp.rcpt(YUKI)
        if code == 250:
            code, text = smtp.data(b"Subject: waited\r\n\r\nx\r\n")
        return code


def eventually(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.root_only
def test_one_brand(empty):
    """Its daemons start while its part of the store is away."""
    empty.send(b"Subject: kept\r\n\r\nx\r\n")
    empty.wait_placed()
    mark = empty.log_mark()
    path = empty.root / "store" / "midori"
    empty.kill("pop3d session")
    empty.kill("deliveryd")
    eventually(lambda: empty.pids("deliveryd"))
    away = put_away(path)
    try:
        assert login(empty).startswith(b"-ERR [SYS/TEMP]")
        # Kept in the journal, or to be sent again.
        taken = deliver(empty)
        assert taken // 100 in (2, 4)
        empty.wait_log(r"midori.*not mounted", mark)
        # The other brand does not notice.
        empty.send(b"Subject: x\r\n\r\nx\r\n", to="taro@aozora.example")
    finally:
        put_back(path, away)
    eventually(lambda: login(empty).startswith(b"+OK"))
    eventually(lambda: deliver(empty) == 250)
    empty.wait_placed()
    pop = empty.pop(YUKI)
    assert b"Subject: kept" in pop.retr(1)[1]
    for number in range(2, 4 if taken == 250 else 3):
        assert b"Subject: waited" in pop.retr(number)[1]
    pop.quit()


def test_all_of_it(fresh_platform):
    """hikyakud says so and does not start, whether the directory is empty or
    gone."""
    platform = fresh_platform
    platform.send(b"Subject: kept\r\n\r\nx\r\n")
    platform.wait_placed()
    platform.hikyaku("stop")
    store = platform.root / "store"
    away = put_away(store)
    got = subprocess.run([*platform.command, "start"], capture_output=True,
                         text=True, check=False, timeout=60)
    assert got.returncode != 0
    assert "not mounted" in got.stdout + got.stderr + platform.log_tail()
    put_back(store, away)
    store.rename(away)
    assert platform.hikyaku("start", check=False).returncode != 0
    assert not store.exists()
    away.rename(store)
    platform.hikyaku("start")
    pop = platform.pop(YUKI)
    assert b"Subject: kept" in pop.retr(1)[1]
    pop.quit()
