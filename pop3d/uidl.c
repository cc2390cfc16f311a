/* SPDX-License-Identifier: BSD-2-Clause */
/* UIDL.						RFC 1939 section 7 */
#include "common/buf.h"
#include "pop3d/listing.h"
#include "pop3d/maildrop.h"
#include "pop3d/reply.h"
#include "pop3d/transaction.h"

/* False: a reply was written. */
static bool
uidl_ready(struct transaction *t, struct conn *c)
{
	struct err kept = ERR_INIT, err = ERR_INIT;
	size_t changed;

	if (maildrop_unique_ids(t->maildrop, &changed, &kept, &err) == -1) {
		transaction_failed(t, c, "unique-ids cannot be told now", &err);
		return false;
	}
	if (changed > 0)
		log_warning(&t->log, "two messages had the same unique-id",
		    log_u64("changed", changed));
	if (kept.kind != ERR_NONE)
		log_error(&t->log,
		    "a unique-id of this session is not kept for the next",
		    log_err(&kept));
	return true;
}

static void
uidl_line(struct transaction *t, uint32_t number, struct buf *out)
{
	maildrop_unique_id(t->maildrop, number, out);
}

static void
uidl_one(struct transaction *t, struct conn *c, struct span argument)
{
	CLEANUP(buf_fini) struct buf out;
	struct err err = ERR_INIT;
	uint32_t number;

	/* Base names of files, which some servers used, have up to 255. */
	buf_init(&out, 512);
	if (!transaction_number(t, c, &argument, &number))
		return;
	maildrop_unique_id(t->maildrop, number, &out);
	if (buf_check(&out, &err) == -1) {
		transaction_failed(t, c, "unique-id cannot be told", &err);
		return;
	}
	conn_write_fmt(c, "+OK %u %s\r\n", number, buf_str(&out));
}

void
pop3_uidl(struct transaction *t, struct conn *c, struct span argument)
{
	if (!uidl_ready(t, c))
		return;
	if (argument.len > 0) {
		uidl_one(t, c, argument);
		return;
	}
	pop3_ok(c, t->language, "Unique-ids follow");
	listing_write(t, c, uidl_line);
}
