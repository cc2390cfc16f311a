/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What goes by itself when its time has come:
 *
 *	Junk, Trash, Quarantine	so many days after the message came there or
 *				was last touched (its file's change time: a
 *				move, a flag, a keyword renew it)
 *	INBOX			so many days after it came to the account
 *	deleted mail (kept.h)	so many whole days after the deletion
 *	files in tmp/		36 hours after a crash left them
 *
 * It is removed as EXPUNGE would, but not kept.  A message is looked at again
 * under the mailbox's lock before it goes.  Mailboxes in which nothing is due
 * are not locked, and their lists not read.
 */
#ifndef HK_STORE_RETENTION_H
#define HK_STORE_RETENTION_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/err.h"
#include "store/account.h"

struct retention { /* days; 0: for ever (undelete: nothing is kept) */
	unsigned junk, trash, quarantine, inbox, undelete;
};

struct retention_result {
	uint64_t messages, octets; /* that went from mailboxes */
	uint64_t deleted;          /* that could be brought back, and no more */
	uint64_t leftovers;        /* files in tmp/ */
};

/*
 * pace is called after every message that went, and may sleep; when it answers
 * false, the rest stays until the next time.  *result_out counts what went,
 * also on failure: one mailbox's trouble does not keep the others from being
 * looked at, and the first is told.
 */
int account_purge(struct account *a, const struct retention *r, time_t now,
    bool (*pace)(void *arg), void *arg, struct retention_result *result_out,
    struct err *err);

/* Calls each() for the accounts that have a directory in the store, by
 * <store>/<tenant>/<hh>/<id>, beginning with this hh (0 to 255) and coming
 * round to it; false, with err set, ends it as failed. */
int store_accounts_each(const char *store_path, struct span tenant,
    unsigned first,
    bool (*each)(void *arg, struct span account_id, struct err *err), void *arg,
    struct err *err);

#endif
