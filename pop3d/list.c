/* SPDX-License-Identifier: BSD-2-Clause */
/* STAT and LIST.					RFC 1939 section 5 */
#include "common/buf.h"
#include "pop3d/listing.h"
#include "pop3d/maildrop.h"
#include "pop3d/reply.h"
#include "pop3d/transaction.h"

static void
sizes_told(struct transaction *t)
{
	struct err why;
	uint32_t count = maildrop_unreadable(t->maildrop, &why);

	if (count > 0)
		log_error(&t->log, "messages cannot be read",
		    log_u64("count", count), log_err(&why));
}

void
pop3_stat(struct transaction *t, struct conn *c, struct span argument)
{
	struct err err = ERR_INIT;
	uint64_t octets;
	uint32_t count;

	(void)argument;
	if (maildrop_totals(t->maildrop, &count, &octets, &err) == -1) {
		transaction_failed(t, c, "sizes cannot be read now", &err);
		return;
	}
	sizes_told(t);
	conn_write_fmt(c, "+OK %u %llu\r\n", count, (unsigned long long)octets);
}

static void
list_one(struct transaction *t, struct conn *c, struct span argument)
{
	struct err err = ERR_INIT;
	uint32_t number;
	uint64_t octets;

	if (!transaction_number(t, c, &argument, &number))
		return;
	if (maildrop_size(t->maildrop, number, &octets, &err) == -1) {
		transaction_failed(t, c, "size cannot be read now", &err);
		return;
	}
	sizes_told(t);
	conn_write_fmt(
	    c, "+OK %u %llu\r\n", number, (unsigned long long)octets);
}

static void
list_line(struct transaction *t, uint32_t number, struct buf *out)
{
	uint64_t octets = 0;

	/* Cannot fail: the totals have asked for every size before. */
	(void)maildrop_size(t->maildrop, number, &octets, NULL);
	buf_append_u64(out, octets);
}

void
pop3_list(struct transaction *t, struct conn *c, struct span argument)
{
	struct err err = ERR_INIT;
	uint64_t octets;
	uint32_t count;

	if (argument.len > 0) {
		list_one(t, c, argument);
		return;
	}
	if (maildrop_totals(t->maildrop, &count, &octets, &err) == -1) {
		transaction_failed(t, c, "sizes cannot be read now", &err);
		return;
	}
	sizes_told(t);
	conn_write_fmt(c, "+OK %u %s (%llu %s)\r\n", count,
	    text_in(t->language, "messages"), (unsigned long long)octets,
	    text_in(t->language, "octets"));
	listing_write(t, c, list_line);
}
