/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DATA: one message, one reply for each recipient, in the order in which they
 * were accepted.                                      RFC 2033 section 4.2
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "delivery/lmtp_private.h"
#include "delivery/trace.h"

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

/* ---- delivering ---- */

struct delivery {
	struct lmtp_session *s;
	struct span message;
	struct trace trace;
	struct log log; /* the session's, with the message's id */
};

static void
reply_keep(struct lmtp_recipient *r, const char *text)
{
	(void)snprintf(r->reply, sizeof(r->reply), "%s", text);
}

/* Words for a failure of one account. */
static const char *
failure_reply(const struct err *err)
{
	switch (err->kind) {
	case ERR_LIMIT:
		return "452 4.3.1 No room for the message now";
	case ERR_SYNTAX:
		return "550 5.3.5 The account has no place for mail";
	default:
		return "451 4.3.0 Delivery failed, try again later";
	}
}

/*
 * An account that two recipients lead to gets the message once; both hear
 * what became of it.
 */
static const struct lmtp_recipient *
delivered_before(const struct lmtp_session *s, size_t recipient, size_t target)
{
	const struct recipient *mine =
	    &s->recipients[recipient].targets[target];

	for (size_t i = 0; i <= recipient; i++) {
		const struct lmtp_recipient *r = &s->recipients[i];
		size_t until = i == recipient ? target : r->count;

		for (size_t j = 0; j < until; j++)
			if (strcmp(r->targets[j].account.id,
				mine->account.id) == 0 &&
			    strcmp(r->targets[j].account.tenant.name,
				mine->account.tenant.name) == 0)
				return r;
	}
	return NULL;
}

static int
deliver_target(struct delivery *d, const struct lmtp_recipient *r,
    const struct recipient *target, struct err *err)
{
	CLEANUP(buf_fini) struct buf trace;
	struct draft_result result;
	struct log log = d->log;

	buf_init(&trace, TRACE_MAX);
	trace_format(&d->trace, span_str(target->account.address), &trace);
	(void)snprintf(
	    log.tenant, sizeof(log.tenant), "%s", target->account.tenant.name);
	(void)snprintf(
	    log.account, sizeof(log.account), "%s", target->account.id);
	if (buf_check(&trace, err) == -1 ||
	    placer_place(d->s->lmtp->placer, &target->account, buf_span(&trace),
		d->message, &result, err) == -1) {
		counter_add(
		    d->s->lmtp->counters, COUNTER_DELIVERIES_DEFERRED, 1);
		log_error(&log, "message not delivered",
		    log_span("recipient", span_str(r->address)), log_err(err));
		return -1;
	}
	counter_add(d->s->lmtp->counters, COUNTER_DELIVERIES, 1);
	log_notice(&log, "message delivered",
	    log_span("recipient", span_str(r->address)),
	    log_span("reverse_path", span_str(d->s->reverse_path)),
	    log_u64("octets", result.size_virtual),
	    log_span("file", span_str(result.name)));
	return 0;
}

static bool
is_loop(const struct delivery *d, const struct lmtp_recipient *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (trace_was_delivered_to(
			d->message, span_str(r->targets[i].account.address)))
			return true;
	return false;
}

static void
deliver_recipient(struct delivery *d, size_t recipient)
{
	struct lmtp_recipient *r = &d->s->recipients[recipient];
	bool failed = false;

	if (is_loop(d, r)) {
		log_warning(&d->log, "mail loop",
		    log_span("recipient", span_str(r->address)));
		reply_keep(r, "554 5.4.6 Delivered here before: a mail loop");
		return;
	}
	reply_keep(r, "250 2.1.5 Delivered");
	for (size_t i = 0; i < r->count; i++) {
		const struct lmtp_recipient *before =
		    delivered_before(d->s, recipient, i);
		struct err err = ERR_INIT;

		if (before != NULL) {
			if (before->reply[0] != '2' && !failed)
				reply_keep(r, before->reply);
			failed = failed || before->reply[0] != '2';
			continue;
		}
		/* A list goes on: who got it will get it twice if the sender
		 * repeats, which is better than not at all. */
		if (deliver_target(d, r, &r->targets[i], &err) == -1) {
			reply_keep(r, failure_reply(&err));
			failed = true;
		}
	}
}

static void
deliver_all(struct lmtp_session *s, struct span message)
{
	struct delivery d = {
		.s = s,
		.message = message,
		.log = s->log,
		.trace = {
			.reverse_path = span_str(s->reverse_path),
			.helo = span_str(s->helo),
			.client = span_str(conn_peer(s->conn)->address_text),
			.hostname =
			    span_str(daemon_conf(s->lmtp->daemon)->hostname),
			.id = span_str(s->id.text),
			.utf8 = s->utf8,
			.time = time(NULL),
		},
	};
	uint64_t hops = trace_hops(message, s->conf->hops_max);

	d.log.id = s->id;
	counter_add(s->lmtp->counters, COUNTER_OCTETS_IN, message.len);
	if (hops >= s->conf->hops_max)
		log_warning(&d.log, "mail loop", log_u64("hops", hops));
	for (size_t i = 0; i < s->recipient_count; i++) {
		if (hops >= s->conf->hops_max)
			reply_keep(&s->recipients[i],
			    "554 5.4.6 Too many hops: a mail loop");
		else
			deliver_recipient(&d, i);
	}
}

/* ---- taking the data ---- */

static void
reply_all(struct lmtp_session *s, const char *reply)
{
	for (size_t i = 0; i < s->recipient_count; i++) {
		const struct lmtp_recipient *r = &s->recipients[i];

		conn_write_fmt(
		    s->conn, "%s\r\n", reply != NULL ? reply : r->reply);
	}
	lmtp_transaction_reset(s);
}

static void
data_whole(struct lmtp_session *s)
{
	struct span message;
	struct err err = ERR_INIT;

	if (spool_map(&s->spool, &message, &err) == -1) {
		log_error(&s->log, "mail data lost", log_err(&err));
		reply_all(s, "451 4.3.0 Try again later");
		return;
	}
	deliver_all(s, message);
	reply_all(s, NULL);
}

enum verdict
lmtp_data_take(struct lmtp_session *s, bool *done_out)
{
	*done_out = true;
	switch (conn_take_data(s->conn, s->conf->message_max, &s->spool.sink)) {
	case TAKE_OK:
		data_whole(s);
		break;
	case TAKE_LONG:
		reply_all(s, "552 5.3.4 Message too large");
		break;
	case TAKE_BAD:
		reply_all(s, "554 5.6.0 Bare CR, bare LF or NUL in the data");
		break;
	case TAKE_FAILED:
		log_error(
		    &s->log, "mail data not kept", log_err(conn_err(s->conn)));
		reply_all(s, "451 4.3.0 Try again later");
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
