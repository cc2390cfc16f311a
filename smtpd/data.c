/* SPDX-License-Identifier: BSD-2-Clause */
/* DATA and what becomes of the message.       RFC 5321 section 4.1.1.4 */
#include <string.h>
#include <time.h>

#include "mime/date.h"
#include "mime/received.h"
#include "smtpd/session.h"
#include "smtpd/trace.h"

/* Octets of our Received field: each thing a client says is cut at 255. */
#define RECEIVED_MAX 8192

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
	conn_write(s->conn, SPAN("354 End data with <CR><LF>.<CR><LF>\r\n"));
	s->transaction->in_data = true;
}

static void
received_put(struct smtp_session *s, struct buf *out)
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

/* The worst answer stands for all: see reply_outcome. */
static const struct lmtp_recipient *
worst(const struct lmtp_recipient *to, size_t count, unsigned class)
{
	for (size_t i = 0; i < count; i++) {
		if (to[i].code / 100 == class)
			return &to[i];
	}
	return NULL;
}

/*
 * One reply for all recipients, though each had its own outcome.  A duplicate
 * is better than a loss:
 *
 *	all delivered			250
 *	some not now			451: the client tries all again, and
 *					who has it already gets it twice
 *	some never, others delivered	554: the sender is told, by the client
 *	nobody ever			that answer
 */
static void
reply_outcome(struct smtp_session *s, const struct lmtp_recipient *to,
    size_t count, uint64_t octets)
{
	struct counters *counters = smtp_server_counters(s->server);
	const struct lmtp_recipient *later = worst(to, count, 4);
	const struct lmtp_recipient *never = worst(to, count, 5);

	counter_add(counters,
	    later == NULL && never == NULL ? COUNTER_MESSAGES_ACCEPTED
					   : COUNTER_MESSAGES_REFUSED,
	    1);
	if (later != NULL) {
		smtp_reply(s, later->code,
		    later->enhanced[0] == '\0' ? "4.3.0" : later->enhanced,
		    "%s", later->text);
	} else if (never == NULL) {
		log_notice(&s->log, "message accepted",
		    log_str("message", s->transaction->id.text),
		    log_u64("octets", octets), log_u64("recipients", count));
		smtp_reply(s, 250, "2.0.0", "Ok: %s", s->transaction->id.text);
	} else if (worst(to, count, 2) != NULL) {
		smtp_reply(s, 554, "5.0.0",
		    "Not delivered to <%s> (%s), but to the other recipients",
		    never->forward_path, never->text);
	} else {
		smtp_reply(s, never->code,
		    never->enhanced[0] == '\0' ? "5.0.0" : never->enhanced,
		    "%s", never->text);
	}
}

static void
log_outcomes(
    const struct smtp_session *s, const struct lmtp_recipient *to, size_t count)
{
	for (size_t i = 0; i < count; i++)
		log_notice(&s->log,
		    to[i].code / 100 == 2 ? "recipient delivered"
					  : "recipient not delivered",
		    log_str("message", s->transaction->id.text),
		    log_span(
			"reverse_path", span_str(s->transaction->reverse_path)),
		    log_span("recipient", span_str(to[i].forward_path)),
		    log_u64("code", to[i].code),
		    log_str("enhanced", to[i].enhanced));
}

/* Our trace field, and the header again if it had forged ones of ours. */
static int
message_compose(struct smtp_session *s, struct buf *prefix,
    struct lmtp_message *m, struct err *err)
{
	struct smtp_transaction *t = s->transaction;

	if (spool_map(&t->spool, &m->content, err) == -1)
		return -1;
	buf_init(prefix, RECEIVED_MAX + m->content.len);
	received_put(s, prefix);
	if (smtp_trace_strip(m->content, prefix, &m->content))
		log_notice(&s->log, "forged trace fields of ours removed",
		    log_str("message", t->id.text));
	m->prefix = buf_span(prefix);
	return buf_check(prefix, err);
}

static void
deliver_to(struct smtp_session *s, struct lmtp_recipient *to)
{
	struct smtp_transaction *t = s->transaction;
	CLEANUP(buf_fini) struct buf prefix;
	struct lmtp_message m = {
		.id = t->id.text,
		.reverse_path = span_str(t->reverse_path),
		.body_8bit = t->body_8bit,
	};
	struct err err = ERR_INIT;

	buf_init(&prefix, 0);
	if (message_compose(s, &prefix, &m, &err) == -1 ||
	    lmtp_deliver(smtp_server_lmtp(s->server), &m, to, t->finals_len,
		&err) == -1) {
		log_error(&s->log, "message not delivered",
		    log_str("message", t->id.text), log_err(&err));
		log_outcomes(s, to, t->finals_len);
		counter_add(smtp_server_counters(s->server),
		    COUNTER_MESSAGES_REFUSED, 1);
		smtp_reply(s, 451, "4.3.0", "Not delivered now, try later");
		return;
	}
	log_outcomes(s, to, t->finals_len);
	reply_outcome(s, to, t->finals_len, t->spool.octets);
}

static void
deliver(struct smtp_session *s)
{
	struct smtp_transaction *t = s->transaction;
	struct lmtp_recipient *to = calloc(t->finals_len, sizeof(*to));

	if (to == NULL) {
		smtp_reply(s, 451, "4.3.0", "Out of memory");
		return;
	}
	for (size_t i = 0; i < t->finals_len; i++)
		to[i].forward_path = t->finals[i].address;
	/* One brand's mail is on that brand's budget of workers. */
	conn_tenant(s->conn, t->finals[0].account.tenant.name);
	deliver_to(s, to);
	free(to);
}

static void
refuse(struct smtp_session *s, unsigned code, const char *enhanced,
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
	refuse(s, 452, "4.3.1", "Insufficient storage, try later");
}

bool
smtp_data_take(struct smtp_session *s)
{
	struct smtp_transaction *t = s->transaction;

	switch (conn_take_data(s->conn, s->message_max, &t->spool.sink)) {
	case TAKE_MORE:
		return false;
	case TAKE_OK:
		deliver(s);
		break;
	case TAKE_LONG:
		refuse(s, 552, "5.3.4", "Message too large");
		break;
	case TAKE_BAD:
		refuse(s, 550, "5.6.0",
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
