/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DATA: one message, one reply for each recipient, in the order in which they
 * were accepted.                                      RFC 2033 section 4.2
 */
#include "delivery/deliver.h"
#include "delivery/lmtp_private.h"

void
lmtp_data(struct lmtp_session *s, struct span argument)
{
	if (argument.len > 0) {
		lmtp_reply(s, 501, "5.5.4", "DATA takes no argument");
		return;
	}
	if (s->recipient_count == 0) {
		/* RFC 2033 section 4.2: 503, never 354 with no recipient. */
		lmtp_reply(s, 503, "5.5.1", "No valid recipients");
		return;
	}
	spool_fini(&s->spool);
	spool_init(&s->spool, LMTP_MEMORY_MAX, -1);
	s->in_data = true;
	conn_write(s->conn, SPAN("354 Go ahead\r\n"));
}

/* ---- taking the data ---- */

void
lmtp_reply_all(struct lmtp_session *s, const char *reply)
{
	for (size_t i = 0; i < s->recipient_count; i++) {
		const struct lmtp_recipient *r = &s->recipients[i];

		conn_write_fmt(
		    s->conn, "%s\r\n", reply != NULL ? reply : r->reply);
	}
	lmtp_transaction_reset(s);
}

void
lmtp_data_whole(struct lmtp_session *s)
{
	struct span message;
	struct err err = ERR_INIT;

	if (spool_map(&s->spool, &message, &err) == -1) {
		log_error(&s->log, "mail data lost", log_err(&err));
		lmtp_reply_all(s, "451 4.3.0 Try again later");
		return;
	}
	lmtp_deliver(s, message);
	lmtp_reply_all(s, NULL);
}

enum verdict
lmtp_data_take(struct lmtp_session *s, bool *done_out)
{
	*done_out = true;
	switch (conn_take_data(s->conn, s->conf->message_max, &s->spool.sink)) {
	case TAKE_OK:
		lmtp_data_whole(s);
		break;
	case TAKE_LONG:
		lmtp_reply_all(s, "552 5.3.4 Message too large");
		break;
	case TAKE_BAD:
		lmtp_reply_all(
		    s, "554 5.6.0 Bare CR, bare LF or NUL in the data");
		break;
	case TAKE_FAILED:
		log_error(
		    &s->log, "mail data not kept", log_err(conn_err(s->conn)));
		lmtp_reply_all(s, "451 4.3.0 Try again later");
		break;
	case TAKE_MORE:
		*done_out = false;
		return VERDICT_PARK;
	case TAKE_TIMEOUT:
		*done_out = false;
		conn_write(s->conn, SPAN("421 4.4.2 Too slow\r\n"));
		return VERDICT_CLOSE;
	case TAKE_CLOSED:
		*done_out = false;
		return VERDICT_CLOSE;
	}
	return VERDICT_PARK;
}
