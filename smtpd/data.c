/* SPDX-License-Identifier: BSD-2-Clause */
/* DATA and what becomes of the message.       RFC 5321 section 4.1.1.4 */
#include <time.h>

#include "mime/date.h"
#include "mime/received.h"
#include "smtpd/chain.h"
#include "smtpd/session.h"

/* True: a milter refuses the message before it comes, and has been heard. */
static bool
data_judged(struct smtp_session *s)
{
	CLEANUP(milter_verdict_fini) struct milter_verdict v;

	milter_verdict_init(&v);
	smtp_chain_data(s->chain, &v);
	if (v.ruling == MILTER_RULES_DISCARD) {
		s->transaction->discard = true;
		smtp_chain_reset(s->chain);
	}
	return smtp_reply_verdict(s, "DATA", &v);
}

void
smtp_data(struct smtp_session *s, struct span argument)
{
	if (argument.len > 0) {
		smtp_reply(s, 501, "5.5.4", "DATA takes no argument");
		return;
	}
	if (s->transaction == NULL) {
		smtp_reply(s, 503, "5.5.1", "Send MAIL first");
		return;
	}
	if (s->transaction->recipients_len == 0) {
		smtp_reply(s, 554, "5.5.1", "No valid recipients");
		return;
	}
	/* Data before the 354 is how one message smuggles another in. */
	if (smtp_desynchronized(s, "DATA"))
		return;
	if (data_judged(s)) {
		smtp_transaction_reset(s);
		return;
	}
	conn_write(s->conn, SPAN("354 End data with <CR><LF>.<CR><LF>\r\n"));
	s->transaction->in_data = true;
}

void
smtp_received_put(struct smtp_session *s, struct buf *out)
{
	struct smtp_transaction *t = s->transaction;
	int64_t now = time(NULL);
	struct received r = {
		.helo = span_str(s->helo),
		.client = span_str(conn_peer(s->conn)->address_text),
		.by = span_str(smtp_server_hostname(s->server)),
		.extended = s->extended,
		.authenticated = s->account_id != NULL,
		.tls_version = span_str(conn_tls_version(s->conn)),
		.tls_cipher = span_str(conn_tls_cipher(s->conn)),
		.id = span_str(t->id.text),
		.recipient = t->recipients_len == 1
				 ? span_str(t->recipients[0].forward_path)
				 : SPAN_NONE,
		.time = now,
		.offset = date_local_offset(now),
	};

	received_format(&r, out);
}

void
smtp_message_refuse(struct smtp_session *s, unsigned code, const char *enhanced,
    const char *text)
{
	counter_add(
	    smtp_server_counters(s->server), COUNTER_MESSAGES_REFUSED, 1);
	log_notice(&s->log, "message refused",
	    log_str("message", s->transaction->id.text), log_u64("code", code),
	    log_str("reason", text));
	smtp_reply(s, code, enhanced, "%s", text);
}

static void
spool_failed(struct smtp_session *s)
{
	const struct err *err = conn_err(s->conn);

	log_error(&s->log, "mail data not kept", log_err(err));
	smtp_message_refuse(s, 452, "4.3.1", "Insufficient storage, try later");
}

bool
smtp_data_take(struct smtp_session *s)
{
	struct smtp_transaction *t = s->transaction;

	switch (conn_take_data(s->conn, s->message_max, &t->spool.sink)) {
	case TAKE_MORE:
		return false;
	case TAKE_OK:
		smtp_deliver(s);
		break;
	case TAKE_LONG:
		smtp_message_refuse(s, 552, "5.3.4", "Message too large");
		break;
	case TAKE_BAD:
		smtp_message_refuse(s, 550, "5.6.0",
		    "Bare CR, bare LF or NUL in the message (RFC 5321 2.3.8)");
		break;
	case TAKE_FAILED:
		spool_failed(s);
		break;
	case TAKE_TIMEOUT:
		log_notice(
		    &s->log, "client too slow", log_str("state", "data"));
		smtp_goodbye(s, "4.4.2", "Timeout");
		break;
	case TAKE_CLOSED:
		log_notice(&s->log, "connection lost in mail data",
		    log_str("message", t->id.text));
		s->quit = true;
		break;
	}
	s->junk = 0;
	smtp_transaction_reset(s);
	return true;
}
