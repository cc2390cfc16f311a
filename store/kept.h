/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was deleted, kept for a while so that it can be brought back:
 *
 *	Maildir/hikyaku-deleted/<YYYYMMDD>/<folder>/<file name>
 *
 * The day is that of the deletion (UTC), the folder its directory, with
 * "INBOX" for the Maildir itself, and the name is the one the file had.  The
 * top directory has no dot in front, so no server lists it and nobody counts
 * it.  Of a mailbox that was deleted there is also its dovecot-keywords.
 *
 * EXPUNGE, POP3's DELE, and the deletion of a mailbox rename files to there.
 * What cannot be kept (the disk is full, the name is taken) is removed as it
 * was asked for: a full disk must be able to empty.  MOVE and the purge keep
 * nothing, nor do other programs.
 *
 * A crash leaves a file where it was, or there; while it is brought back it
 * may be in both.
 */
#ifndef HK_STORE_KEPT_H
#define HK_STORE_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "common/err.h"
#include "common/span.h"
#include "store/account.h"

/* Deleted mail of this account is kept from now on for so many days; 0: not. */
void account_keep_days(struct account *a, unsigned days);

struct kept_choice {
	struct span mailbox; /* of this one only; empty: of all */
	unsigned from, to;   /* YYYYMMDD, both included; 0: open */
	bool dry;            /* only counted */
};

struct kept_result {
	uint64_t messages, octets; /* brought back */
	uint64_t live; /* passed over: the same message is in a mailbox */
};

/*
 * Brings messages back into the mailboxes that they were in, which are made if
 * need be: under new names and new UIDs, with their dates, flags but \Deleted,
 * and keywords.  What was deleted in several mailboxes comes back once.
 * each (may be NULL) hears of every message, with its mailbox.
 *
 * Errors: ERR_LIMIT with os EDQUOT, they do not fit the quota: nothing was
 * done; ERR_SYNTAX; ERR_TEMP, some may be back.
 */
int kept_bring_back(struct account *a, const struct kept_choice *choice,
    void (*each)(
	void *arg, struct span mailbox, unsigned day, struct span name),
    void *arg, struct kept_result *result_out, struct err *err);

/*
 * Removes days for good that are older than keep_days; 0: all.  pace is called
 * after every file and may sleep; false stops.  *count_out: how many.
 */
int kept_purge(struct account *a, unsigned keep_days, time_t now,
    bool (*pace)(void *arg), void *arg, uint64_t *count_out, struct err *err);

/* YYYYMMDD, in UTC. */
unsigned kept_day(time_t when);

#endif
