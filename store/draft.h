/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message on its way into a mailbox: written to tmp/, then committed.
 *
 *	1. tmp/<base>			written, flushed, dated
 *	2. new/<base>,S=..,W=..		one rename (cur/...:2,<flags> if it has
 *					flags: new/ cannot carry them)
 *	3. the directory		flushed
 *	4. dovecot-uidlist		appended and flushed (only with a UID)
 *
 * A crash before 2 leaves a file in tmp/ that nobody sees and that is removed
 * after 36 hours; a crash after it leaves a whole message, perhaps one that
 * was never acknowledged.  Once draft_commit returns 0 it is durable.
 */
#ifndef HK_STORE_DRAFT_H
#define HK_STORE_DRAFT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/conn.h"
#include "common/err.h"
#include "common/span.h"
#include "store/account.h"
#include "store/message.h"

struct draft;

/*
 * Begins a message for a mailbox of this account, named as in mailbox_open.
 *
 * Errors: ERR_POLICY, no such mailbox; ERR_SYNTAX; ERR_LIMIT, the disk is
 * full or the account over its disk quota (EDQUOT); ERR_TEMP.
 */
int draft_new(struct account *a, struct span mailbox, struct draft **draft_out,
    struct err *err);
/* Removes what was not committed. */
void draft_free(struct draft *d);
CLEANUP_DEFINE_PTR(struct draft, draft_free)

/* Appends octets, stored exactly as they are.  Errors as above; sticky. */
int draft_write(struct draft *d, struct span octets, struct err *err);
/* The same as a sink, for conn_take_octets.  Borrowed from the draft. */
struct sink *draft_sink(struct draft *d);

struct draft_options {
	time_t date; /* INTERNALDATE, if has_date; else now */
	bool has_date;
	bool want_uid;     /* APPEND: take the lock and assign the UID */
	bool within_quota; /* ERR_LIMIT with os EDQUOT when it does not fit */
	uint64_t letters;  /* MESSAGE_SYSTEM_FLAGS */
	/* Keywords by name, made in the mailbox if need be. */
	const struct span *keywords;
	size_t keyword_count;
};

struct draft_result {
	uint32_t uid, uidvalidity; /* with want_uid; else 0 */
	uint64_t size_virtual;
	char name[256]; /* of the file, for the log */
};

/*
 * Delivery (no want_uid) takes no lock: the UID is given by the next session
 * that looks, in the order of arrival.  After a failure the message is not in
 * the mailbox, or (a flush failed after the rename) it may be: the caller
 * must report failure, and a duplicate may follow.
 */
int draft_commit(struct draft *d, const struct draft_options *options,
    struct draft_result *result_out, struct err *err);

#endif
