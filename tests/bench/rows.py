# SPDX-License-Identifier: BSD-2-Clause
"""The rows of the table: what is measured, and on which mailboxes."""

import dataclasses
import typing

import measure
import sides


@dataclasses.dataclass(frozen=True)
class Row:
    name: str	       # "smtp-4kb-8": for --row
    title: str	       # for the table
    script: str
    service: str       # mx, lmtp, pop3, pop3s, imap, imaps
    clients: int = 8
    size: int = 4096
    per_connection: int = 1
    operations: int = 0	   # so many, or by time
    users: int = 0	   # the first so many accounts; 0: sides.ACTIVE
    mailbox: int = -1	   # messages of each INBOX before; -1: as it is
    arrives: bool = False  # counts what is in mailboxes, not what was said
    fresh: bool = False	   # each operation is of an account never seen yet,
    first: int = 0	   # from this number on
    prime: bool = True	   # every user is served once before the first round
    quick: bool = False	   # part of --quick
    unit: str = "/s"	   # KB and s: less is better
    rounds: int = 0	   # at most so many; 0: as many as were asked for
    measure: typing.Callable = measure.load


def _smtp():
    for size, label, total in ((4096, "4 KB", 2000), (102400, "100 KB", 400),
                               (5 << 20, "5 MB", 24)):
        for clients in (1, 8, 32, 128):
            yield Row("smtp-%s-%d" % (label.replace(" ", "").lower(), clients),
                      "SMTP to mailbox, %s, %d clients" % (label, clients),
                      "smtp-deliver", "mx", clients, size, 50,
                      max(total if clients > 1 else total // 4, clients),
                      arrives=True, mailbox=0, prime=False,
                      quick=(size, clients) == (4096, 8))


def _lmtp():
    for clients in (1, 8, 32, 128):
        yield Row("lmtp-4kb-%d" % clients,
                  "LMTP to mailbox, 4 KB, %d clients" % clients,
                  "lmtp-deliver", "lmtp", clients, 4096, 50,
                  3000 if clients > 1 else 500, arrives=True, mailbox=0,
                  prime=False, quick=clients == 8)
    for users in (1000, 100000):
        yield Row("lmtp-%d-accounts" % users,
                  "LMTP to mailbox, 4 KB, 8 clients, over %s accounts"
                  % f"{users:,}", "lmtp-spread", "lmtp", 8, 4096, 50, 2000,
                  users=users, arrives=True, mailbox=0, prime=False)


def _lmtp_long():
    """As long as it takes to see whether the journal grows, and as many as
    come when a list has gone out."""
    for clients in (32, 128):
        yield Row("lmtp-sustained-%d" % clients,
                  "LMTP to mailbox, 4 KB, %d clients, for a minute" % clients,
                  "lmtp-deliver", "lmtp", clients, 4096, 50, arrives=True,
                  mailbox=0, prime=False, rounds=1,
                  measure=measure.sustained)
    for clients in (32, 128):
        yield Row("lmtp-burst-%d" % clients,
                  "LMTP, 4 KB, a burst of 20,000 acknowledged, %d clients"
                  % clients, "lmtp-deliver", "lmtp", clients, 4096, 50,
                  20000, arrives=True, mailbox=0, prime=False,
                  measure=measure.burst)


def _pop3():
    for service, label in (("pop3", "clear"), ("pop3s", "TLS")):
        for count in (50, 10000):
            yield Row("pop3-poll-%d-%s" % (count, label.lower()),
                      "POP3 poll, %s messages, %s" % (f"{count:,}", label),
                      "pop3-poll", service, 8 if count == 50 else 4,
                      mailbox=count, users=20 if count == 50 else 2,
                      quick=count == 50)
        yield Row("pop3-2-new-%s" % label.lower(),
                  "POP3 session that reads 2 new messages of 50, %s" % label,
                  "pop3-fetch2", service, mailbox=50, users=20,
                  quick=label == "clear")


def _logins():
    for service, label in (("imap", "clear"), ("imaps", "TLS")):
        yield Row("login-%s" % label.lower(),
                  "IMAP logins, remembered, %s" % label, "imap-login",
                  service, mailbox=50, users=20, quick=True)
    for name, title, first in (
            ("login-cold", "not remembered, SSHA", 20000),
            ("login-cold-crypt", "not remembered, SHA512-CRYPT",
             sides.ACCOUNTS),
            ("login-first", "that make the account's mailboxes", 40000)):
        yield Row(name, "IMAP logins, %s" % title, "imap-login", "imap",
                  operations=1000, users=1000, fresh=True, first=first,
                  mailbox=-1 if name == "login-first" else 0, prime=False,
                  quick=name != "login-cold-crypt")
    for users in (1000, 100000):
        yield Row("login-%d-accounts" % users,
                  "IMAP logins, remembered, over %s accounts" % f"{users:,}",
                  "imap-login", "imap", users=users)


def _imap():
    for count in (1000, 10000, 100000):
        for name, title in (
                ("select", "SELECT"),
                ("flags", "FETCH FLAGS of all"),
                ("envelope", "FETCH ENVELOPE of all"),
                ("body", "one BODY[]"),
                ("search", "SEARCH SUBJECT"),
                ("store", "STORE one flag")):
            yield Row("imap-%s-%d" % (name, count),
                      "IMAP %s, %s messages" % (title, f"{count:,}"),
                      "imap-" + name, "imap",
                      clients=1 if count > 1000 else 4,
                      per_connection=0, mailbox=count, users=1,
                      quick=count == 1000)
    yield Row("imap-mix",
              "IMAP mix: 100 clients on 20 INBOXes of 1,000 IDLE, FETCH, "
              "SEARCH and STORE while 100 messages a second come in",
              "imap-mix", "imap", clients=100, per_connection=0,
              mailbox=1000, users=20, quick=True, measure=measure.mix)


def _directory():
    for users in (1000, 100000):
        yield Row("directory-%d" % users,
                  "directory lookups of an address, remembered, 32 clients, "
                  "over %s accounts" % f"{users:,}", "", "", clients=32, users=users,
                  prime=False, quick=users == 1000,
                  measure=measure.directory)


def _whole():
    for clients in (200, 1000):
        yield Row("imap-idle-tls-%d" % clients,
                  "memory of an idle IMAP session (TLS, IDLE, 1,000 messages)"
                  ", %d of them on 10 accounts" % clients,
                  "imap-idle", "imaps", clients, mailbox=1000, users=10,
                  prime=False, unit="KB", quick=clients == 200,
                  measure=measure.idle_memory)
    yield Row("cold-start", "cold start until SMTP, LMTP, POP3 and IMAP have "
              "served", "", "", prime=False, unit="s", quick=True,
              measure=measure.start)


ROWS = [*_smtp(), *_lmtp(), *_lmtp_long(), *_pop3(), *_logins(), *_imap(), *_directory(),
        *_whole()]
