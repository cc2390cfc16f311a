# SPDX-License-Identifier: BSD-2-Clause
"""The rows of the table: what is measured, and on which mailboxes."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    name: str	       # "smtp-4k-8": for --row
    title: str	       # for the table
    script: str
    service: str       # mx, lmtp, pop3, pop3s, imap, imaps
    clients: int = 8
    size: int = 4096
    per_connection: int = 1
    operations: int = 0	   # so many, or by time
    users: int = 0	   # of the accounts, the first so many; 0: all
    mailbox: int = -1	   # messages of each INBOX before; -1: as it is
    arrives: bool = False  # counts what is in mailboxes, not what was said
    quick: bool = False	   # part of --quick
    memory: bool = False   # what so many idle clients cost, in KB each


def _smtp():
    for size, label, total in ((4096, "4 KB", 2000), (102400, "100 KB", 400),
                               (5 << 20, "5 MB", 24)):
        for clients in (1, 8, 32, 128):
            if size == 5 << 20 and clients > 8:
                continue
            yield Row("smtp-%s-%d" % (label.replace(" ", "").lower(), clients),
                      "SMTP to mailbox, %s, %d clients" % (label, clients),
                      "smtp-deliver", "mx", clients, size, 50,
                      total if clients > 1 else total // 4, arrives=True,
                      mailbox=0, quick=(size, clients) == (4096, 8))


def _lmtp():
    for clients in (1, 8, 32, 128):
        yield Row("lmtp-4kb-%d" % clients,
                  "LMTP to mailbox, 4 KB, %d clients" % clients,
                  "lmtp-deliver", "lmtp", clients, 4096, 50,
                  3000 if clients > 1 else 500, arrives=True, mailbox=0,
                  quick=clients == 8)


def _pop3():
    for service, label in (("pop3", "clear"), ("pop3s", "TLS")):
        yield Row("pop3-poll-50-%s" % label.lower(),
                  "POP3 poll, 50 messages, %s" % label, "pop3-poll", service,
                  mailbox=50, users=20, quick=True)
    yield Row("pop3-poll-10000", "POP3 poll, 10,000 messages, clear",
              "pop3-poll", "pop3", clients=4, mailbox=10000, users=2)
    yield Row("pop3-2-new", "POP3 session that reads 2 messages, clear",
              "pop3-fetch2", "pop3", mailbox=50, users=20, quick=True)


def _imap():
    yield Row("imap-login", "IMAP logins, clear", "imap-login", "imap",
              mailbox=50, users=20, quick=True)
    yield Row("imap-login-tls", "IMAP logins, TLS", "imap-login", "imaps",
              mailbox=50, users=20)
    for count in (1000, 10000, 100000):
        for name, script, title in (
                ("select", "imap-select", "SELECT"),
                ("flags", "imap-flags", "FETCH FLAGS of all"),
                ("envelope", "imap-envelope", "FETCH ENVELOPE of all"),
                ("body", "imap-body", "one BODY[]"),
                ("search", "imap-search", "SEARCH SUBJECT"),
                ("store", "imap-store", "STORE one flag")):
            yield Row("imap-%s-%d" % (name, count),
                      "IMAP %s, %s messages" % (title, f"{count:,}"),
                      script, "imap", clients=1 if count > 1000 else 4,
                      per_connection=0, mailbox=count, users=1,
                      quick=count == 1000)


def _idle():
    for clients in (200, 1000):
        yield Row("imap-idle-tls-%d" % clients,
                  "memory of an idle IMAP session (TLS, IDLE, 1,000 messages), "
                  "%d of them on 10 accounts" % clients,
                  "imap-idle", "imaps", clients, mailbox=1000, users=10,
                  memory=True, quick=clients == 200)


ROWS = [*_smtp(), *_lmtp(), *_pop3(), *_imap(), *_idle()]
