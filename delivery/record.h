/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What deliveryd writes into its journal (hikyaku-journal(5), kind "DLVR").
 * Numbers are little-endian; the first octet of each payload is the version.
 *
 *	MESSAGE		a message and the places it is to come to
 *	0	1	version (1)
 *	1	1	0
 *	2	2	how many targets
 *	4	4	octets of all targets
 *	8	8	number of the MESSAGE that this one replaces, or 0
 *	16	12	id under which the log speaks of it, and NUL
 *	28		targets, then the message
 *
 *	target
 *	0	1	1: in a PLACING already, of the message replaced
 *	1	1	octets of the tenant's name
 *	2	1	octets of the account's id
 *	3	1	octets of the file's base name
 *	4	2	octets of the mailbox's name
 *	6	2	octets of the trace fields before the message
 *	8	4	uid of the tenant
 *	12	4	gid
 *	16		the five, one after the other
 *
 *	PLACING		files of these targets are in tmp/, flushed
 *	SETTLED		all files of these messages are in new/, flushed
 *	0	1	version (1)
 *	1	3	0
 *	4		marks: number (8), target (4)
 */
#ifndef HK_DELIVERY_RECORD_H
#define HK_DELIVERY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

#define RECORD_KIND 0x52564c44U /* "DLVR" */
#define RECORD_TARGETS_MAX 5000

enum record_type {
	RECORD_MESSAGE = 1,
	RECORD_PLACING = 2,
	RECORD_SETTLED = 3,
};

struct record_target {
	struct span tenant, account, base, mailbox, trace;
	uint32_t uid, gid;
	bool marked;
};

struct record_message {
	uint64_t replaces;
	struct span id;
	struct record_target *targets;
	size_t count;
	struct span text; /* the message itself */
};

/* Everything before the text, appended; the text is a piece of its own. */
void record_message_format(const struct record_message *m, struct buf *out);

/*
 * Spans point into payload; targets are the caller's to free.  Each of them
 * names a tenant, an account and a file as the store would.
 *
 * Errors: ERR_SYNTAX; ERR_POLICY, of a version that we do not know; ERR_TEMP.
 */
int record_message_parse(
    struct span payload, struct record_message *m_out, struct err *err);
void record_message_fini(struct record_message *m);
CLEANUP_DEFINE_VALUE(struct record_message, record_message_fini)

struct record_mark {
	uint64_t number;
	uint32_t target;
};

void record_marks_begin(struct buf *out);
void record_marks_put(struct buf *out, struct record_mark mark);
/* Takes the head off.  Errors: ERR_SYNTAX, ERR_POLICY. */
int record_marks_open(struct span *payload, struct err *err);
bool record_marks_next(struct span *rest, struct record_mark *mark_out);

#endif
