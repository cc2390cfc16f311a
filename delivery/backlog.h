/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mail that is safe in the journal and on its way into its Maildir.
 *
 *	a. backlog_add: the record is flushed; the client may hear 250
 *	b. a placer writes the files of many records into tmp/ and flushes them
 *	   at once
 *	c. PLACING marks for them are flushed with the next group of records
 *	d. the files are renamed into new/, which wakes who waits there; once
 *	   that is flushed too the record is settled
 *
 * So no file is to be seen before it is durable, and after a crash there is no
 * doubt: a record without mark is placed again; with one, what is still in
 * tmp/ is renamed, and what is not there has been placed.
 *
 * The journal is <store>/.journal.  Mail for a tenant on another file system
 * does not go through it, nor mail for a tenant whose mail cannot be placed at
 * the moment: its sender shall hear of that.
 */
#ifndef HK_DELIVERY_BACKLOG_H
#define HK_DELIVERY_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/counters.h"
#include "common/err.h"
#include "delivery/place.h"
#include "delivery/record.h"

#define BACKLOG_DIRECTORY ".journal"
/* A larger message is written to its mailbox at once, with its own flush. */
#define BACKLOG_MESSAGE_MAX ((size_t)256 * 1024)

struct backlog;

struct backlog_options {
	struct placer *placer;
	const char *store_directory;
	uint64_t journal_max;      /* octets of all segments */
	struct counters *counters; /* or NULL */
};

/*
 * Opens the journal and reads what waits in it.
 *
 * Errors: as journal_open; ERR_POLICY, too, for records of a later version.
 */
int backlog_open(const struct backlog_options *options,
    struct backlog **backlog_out, struct err *err);
/* Begins to place. */
int backlog_start(struct backlog *b, struct err *err);
/* Places what is waiting, if that takes no longer than a few seconds. */
void backlog_free(struct backlog *b);
CLEANUP_DEFINE_PTR(struct backlog, backlog_free)

/*
 * Whether mail for this tenant may go through the journal.  Otherwise: to its
 * place at once, with placer_place.
 */
bool backlog_takes(struct backlog *b, const char *tenant);

/*
 * Durable when it returns 0.  With little to do it returns when the message
 * can be seen in its mailbox.
 *
 * Errors: ERR_LIMIT, the journal is full, or the record too large for it;
 * ERR_TEMP.
 */
int backlog_add(
    struct backlog *b, const struct record_message *m, struct err *err);

#endif
