/* SPDX-License-Identifier: BSD-2-Clause */
/* DATA and what becomes of the message.       RFC 5321 section 4.1.1.4 */
#include <string.h>
#include <time.h>

#include "common/ascii.h"
#include "mime/date.h"
#include "mime/received.h"
#include "smtpd/chain.h"
#include "smtpd/draft.h"
#include "smtpd/session.h"
#include "smtpd/trace.h"

/* Octets of our Received field: each thing a client says is cut at 255. */
#define RECEIVED_MAX 8192

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

/* ---- the message as it goes out
 * ------------------------------------------------------------ */

struct outgoing {
	struct buf trace;  /* our trace field */
	struct buf header; /* the trace field, and what was rewritten */
	struct draft draft;
	struct span content;
};

static void
outgoing_fini(struct outgoing *o)
{
	draft_fini(&o->draft);
	buf_fini(&o->trace);
	buf_fini(&o->header);
}
CLEANUP_DEFINE_VALUE(struct outgoing, outgoing_fini)

static int
outgoing_init(struct outgoing *o, struct smtp_session *s, struct err *err)
{
	struct span *content = &o->content;

	*o = (struct outgoing){ .content = SPAN("") };
	buf_init(&o->trace, RECEIVED_MAX);
	if (spool_map(&s->transaction->spool, content, err) == -1)
		return -1;
	buf_init(&o->header,
	    RECEIVED_MAX + content->len + (size_t)DRAFT_HEADER_MAX * 2);
	received_put(s, &o->trace);
	return buf_check(&o->trace, err);
}

/* No milter looks at it: only what is rewritten is copied. */
static void
outgoing_plain(struct outgoing *o, struct smtp_session *s)
{
	buf_append(&o->header, buf_span(&o->trace));
	if (smtp_trace_strip(o->content, &o->header, &o->content))
		log_notice(&s->log, "forged trace fields of ours removed",
		    log_str("message", s->transaction->id.text));
}

/*
 * Until there is a place of its own for such mail, it is delivered with the
 * reason above it, where rules find it.
 */
static void
quarantine_put(struct smtp_session *s, const char *reason, struct buf *out)
{
	log_notice(&s->log, "message quarantined by a milter",
	    log_str("message", s->transaction->id.text),
	    log_span("reason", span_str(reason)));
	buf_append(out, SPAN("Hikyaku-Quarantine: "));
	for (const char *p = reason; *p != '\0'; p++)
		buf_append_octet(
		    out, ascii_is(*p, ASCII_VCHAR) || *p == ' ' ? *p : '?');
	buf_append(out, SPAN("\r\n"));
}

/* False: answered; the message goes no further. */
static bool
outgoing_judged(struct outgoing *o, struct smtp_session *s, struct err *err)
{
	CLEANUP(milter_verdict_fini) struct milter_verdict v;
	size_t stripped;

	milter_verdict_init(&v);
	if (draft_init(&o->draft, buf_span(&o->trace), o->content,
		s->message_max + DRAFT_HEADER_MAX, err) == -1)
		return false;
	stripped = smtp_trace_strip_draft(&o->draft,
	    smtp_is_submission(s) ? SPAN("")
				  : span_str(smtp_server_hostname(s->server)));
	if (stripped > 0)
		log_notice(&s->log, "forged trace fields of ours removed",
		    log_str("message", s->transaction->id.text));
	smtp_chain_content(s->chain, &o->draft, &v);
	if (v.ruling == MILTER_RULES_DISCARD)
		s->transaction->discard = true;
	if (smtp_reply_verdict(s, "end of data", &v)) {
		counter_add(smtp_server_counters(s->server),
		    COUNTER_MESSAGES_REFUSED, 1);
		return false;
	}
	if (s->transaction->quarantine != NULL)
		quarantine_put(s, s->transaction->quarantine, &o->header);
	draft_header_put(&o->draft, &o->header);
	o->content = o->draft.body;
	return true;
}

/* ---- delivery
 * ----------------------------------------------------------------------------
 */

static void
delivery_failed(struct smtp_session *s, const struct err *err)
{
	log_error(&s->log, "message not delivered",
	    log_str("message", s->transaction->id.text), log_err(err));
	counter_add(
	    smtp_server_counters(s->server), COUNTER_MESSAGES_REFUSED, 1);
	smtp_reply(s, 451, "4.3.0", "Not delivered now, try later");
}

/* What the spool keeps in a file, and nobody replaced, goes as a descriptor. */
static void
by_file(const struct spool *spool, struct lmtp_message *m)
{
	const char *map = spool->map;

	if (spool->fd == -1 || map == NULL || m->content.p < map ||
	    m->content.p + m->content.len > map + spool->map_len)
		return;
	m->fd = spool->fd;
	m->fd_offset = (uint64_t)(m->content.p - map);
}

static void
deliver_to(struct smtp_session *s, const struct outgoing *o,
    struct lmtp_recipient *to, size_t count)
{
	struct smtp_transaction *t = s->transaction;
	struct lmtp_message m = {
		.id = t->id.text,
		.reverse_path = span_str(t->reverse_path),
		.body_8bit = t->body_8bit,
		.prefix = buf_span(&o->header),
		.content = o->content,
		.fd = -1,
	};
	struct err err = ERR_INIT;

	by_file(&t->spool, &m);
	if (buf_check(&o->header, &err) == -1 ||
	    lmtp_deliver(smtp_server_lmtp(s->server), &m, to, count, &err) ==
		-1) {
		log_outcomes(s, to, count);
		delivery_failed(s, &err);
		return;
	}
	log_outcomes(s, to, count);
	reply_outcome(s, to, count, t->spool.octets);
}

/*
 * The accounts of all recipients that are left.  The caller frees the array;
 * NULL: no memory.
 */
static struct lmtp_recipient *
accounts_of(const struct smtp_transaction *t, size_t *count_out)
{
	struct lmtp_recipient *to = calloc(t->finals_len + 1, sizeof(*to));
	CLEANUP(mem_free) bool *wanted = calloc(t->finals_len + 1, 1);
	size_t count = 0;

	if (to == NULL || wanted == NULL) {
		free(to);
		return NULL;
	}
	smtp_finals_mark(t, wanted);
	for (size_t i = 0; i < t->finals_len; i++) {
		if (wanted[i])
			to[count++].forward_path = t->finals[i].address;
	}
	*count_out = count;
	return to;
}

static void
discarded(struct smtp_session *s)
{
	log_notice(&s->log, "message discarded for a milter",
	    log_str("message", s->transaction->id.text),
	    log_span("reverse_path", span_str(s->transaction->reverse_path)));
	counter_add(
	    smtp_server_counters(s->server), COUNTER_MESSAGES_ACCEPTED, 1);
	smtp_reply(s, 250, "2.0.0", "Ok: %s", s->transaction->id.text);
}

static void
deliver_outgoing(struct smtp_session *s, const struct outgoing *o)
{
	struct smtp_transaction *t = s->transaction;
	size_t count = 0;
	struct lmtp_recipient *to = accounts_of(t, &count);

	if (to == NULL) {
		smtp_reply(s, 451, "4.3.0", "Out of memory");
		return;
	}
	if (t->discard || count == 0)
		discarded(s);
	else
		deliver_to(s, o, to, count);
	free(to);
}

static void
deliver(struct smtp_session *s)
{
	struct smtp_transaction *t = s->transaction;
	CLEANUP(outgoing_fini) struct outgoing o;
	struct err err = ERR_INIT;

	if (outgoing_init(&o, s, &err) == -1) {
		delivery_failed(s, &err);
		return;
	}
	if (s->chain != NULL && draft_header_check(o.content, &err) == -1) {
		refuse(s, 552, "5.3.4", err.text);
		return;
	}
	/* One brand's mail is on that brand's budget of workers. */
	conn_tenant(s->conn, t->finals[0].account.tenant.name);
	if (s->chain == NULL || t->discard)
		outgoing_plain(&o, s);
	else if (!outgoing_judged(&o, s, &err)) {
		if (err.kind != ERR_NONE)
			delivery_failed(s, &err);
		return;
	}
	deliver_outgoing(s, &o);
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
