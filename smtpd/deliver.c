/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of a message once its data are here: milters, then one copy for
 * each account.  Copies with equal results go out together, as one variant of
 * the message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/chain.h"
#include "smtpd/draft.h"
#include "smtpd/hand_over.h"
#include "smtpd/session.h"
#include "smtpd/submission.h"
#include "smtpd/trace.h"
#include "smtpd/variant.h"

/* Octets of our Received field: each thing a client says is cut at 255. */
#define RECEIVED_MAX 8192
/* Of deliveryd's parameters of one recipient. */
#define PARAMETERS_MAX 4096

/* One account's copy, or that of an address on another host. */
struct copy {
	const struct smtp_recipient *recipient;
	bool remote;
	const struct smtp_group *group; /* NULL: no milter has seen it */
	char *parameters;
};

struct outgoing {
	struct smtp_session *session;
	struct buf trace; /* our trace field */
	struct buf
	    header; /* what is put in front, when no milter has seen it */
	struct draft draft;
	struct smtp_groups groups;
	struct span content;
	struct copy *copies;
	struct lmtp_recipient *to; /* of each copy */
	size_t count;
	unsigned variants; /* that were handed over */
};

static void
outgoing_fini(struct outgoing *o)
{
	smtp_groups_fini(&o->groups);
	draft_fini(&o->draft);
	buf_fini(&o->trace);
	buf_fini(&o->header);
	for (size_t i = 0; i < o->count; i++)
		free(o->copies[i].parameters);
	free(o->copies);
	free(o->to);
}
CLEANUP_DEFINE_VALUE(struct outgoing, outgoing_fini)

static int
outgoing_init(struct outgoing *o, struct smtp_session *s, struct err *err)
{
	*o = (struct outgoing){ .session = s, .content = SPAN("") };
	buf_init(&o->trace, RECEIVED_MAX);
	buf_init(&o->header, 0);
	if (spool_map(&s->transaction->spool, &o->content, err) == -1)
		return -1;
	buf_init(&o->header, RECEIVED_MAX + o->content.len);
	smtp_received_put(s, &o->trace);
	return buf_check(&o->trace, err);
}

/* ---- the reply
 * ----------------------------------------------------------------------- */

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
 *
 * Those whom relayd has, to try further or to report, count as delivered.
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
		    log_u64("octets", octets), log_u64("recipients", count),
		    log_u64("remote", s->transaction->remotes_len));
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
delivery_failed(struct smtp_session *s, const struct err *err)
{
	log_error(&s->log, "message not delivered",
	    log_str("message", s->transaction->id.text), log_err(err));
	counter_add(
	    smtp_server_counters(s->server), COUNTER_MESSAGES_REFUSED, 1);
	if (err->kind == ERR_LIMIT)
		smtp_reply(s, 452, "4.3.1", "Insufficient storage, try later");
	else
		smtp_reply(s, 451, "4.3.0", "Not delivered now, try later");
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

/* ---- milters
 * ------------------------------------------------------------------------- */

/* No milter looks at it: only what is rewritten is copied. */
static void
outgoing_plain(struct outgoing *o)
{
	buf_append(&o->header, buf_span(&o->trace));
	if (smtp_trace_strip(o->content, &o->header, &o->content))
		log_notice(&o->session->log,
		    "forged trace fields of ours removed",
		    log_str("message", o->session->transaction->id.text));
}

static int
draft_make(struct outgoing *o, struct err *err)
{
	struct smtp_session *s = o->session;

	if (draft_init(&o->draft, buf_span(&o->trace), o->content,
		s->message_max + DRAFT_HEADER_MAX, err) == -1)
		return -1;
	if (smtp_trace_strip_draft(
		&o->draft, smtp_is_submission(s)
			       ? SPAN("")
			       : span_str(smtp_server_hostname(s->server))) > 0)
		log_notice(&s->log, "forged trace fields of ours removed",
		    log_str("message", s->transaction->id.text));
	return 0;
}

/* True: a milter refuses the whole message, and has been heard. */
static bool
refused_for_all(struct outgoing *o)
{
	CLEANUP(milter_verdict_fini) struct milter_verdict v;
	struct smtp_session *s = o->session;

	milter_verdict_init(&v);
	smtp_chain_content(s->chain, &o->draft, &v);
	if (v.ruling == MILTER_RULES_DISCARD)
		s->transaction->discard = true;
	if (!smtp_reply_verdict(s, "end of data", &v))
		return false;
	counter_add(
	    smtp_server_counters(s->server), COUNTER_MESSAGES_REFUSED, 1);
	return true;
}

/* 1: go on; 0: answered; -1: failed. */
static int
outgoing_judge(struct outgoing *o, struct err *err)
{
	struct smtp_session *s = o->session;

	if (s->transaction->discard ||
	    (s->chain == NULL && !smtp_is_submission(s))) {
		outgoing_plain(o);
		return 1;
	}
	if (draft_header_check(o->content, err) == -1) {
		smtp_message_refuse(s, 552, "5.3.4", err->text);
		return 0;
	}
	if (draft_make(o, err) == -1)
		return -1;
	if (smtp_is_submission(s)) {
		switch (smtp_submission_fix(s, &o->draft, err)) {
		case SMTP_SUBMISSION_FINE:
			break;
		case SMTP_SUBMISSION_REFUSED:
			return 0;
		case SMTP_SUBMISSION_FAILED:
			return -1;
		}
	}
	if (s->chain != NULL && refused_for_all(o))
		return 0;
	if (s->transaction->discard)
		return 1;
	if (s->transaction->quarantine != NULL)
		log_notice(&s->log, "message quarantined by a milter",
		    log_str("message", s->transaction->id.text),
		    log_span("reason", span_str(s->transaction->quarantine)));
	return smtp_chain_groups(s, &o->draft, &o->groups, err) == -1 ? -1 : 1;
}

/* ---- copies
 * -------------------------------------------------------------------------- */

static char *
parameters_of(const struct smtp_session *s, const struct smtp_recipient *r,
    const struct smtp_group *group)
{
	const char *quarantine = s->transaction->quarantine;
	CLEANUP(buf_fini) struct buf text;

	if (quarantine == NULL && group != NULL)
		quarantine = group->quarantine;
	buf_init(&text, PARAMETERS_MAX);
	smtp_disposition_put_lmtp(&r->disposition, quarantine, &text);
	return text.len == 0 || text.failed != ERR_NONE ? NULL
							: STEAL(text.data);
}

static void
copy_add(struct outgoing *o, const struct smtp_recipient *r,
    const char *address, bool remote)
{
	struct copy *copy = &o->copies[o->count];

	copy->recipient = r;
	copy->remote = remote;
	copy->group =
	    o->groups.len == 0 ? NULL : smtp_groups_of(&o->groups, r->tenant);
	copy->parameters = parameters_of(o->session, r, copy->group);
	o->to[o->count] = (struct lmtp_recipient){
		.forward_path = address,
		.parameters = copy->parameters,
	};
	o->count++;
}

/* Each account once, for the first recipient that is left and leads to it. */
static int
copies_make(struct outgoing *o, struct err *err)
{
	const struct smtp_transaction *t = o->session->transaction;
	size_t room = t->finals_len + t->remotes_len + 1;
	CLEANUP(mem_free) bool *taken = calloc(room, 1);
	bool *taken_remotes = taken + t->finals_len;

	o->copies = calloc(room, sizeof(*o->copies));
	o->to = calloc(room, sizeof(*o->to));
	if (taken == NULL || o->copies == NULL || o->to == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	for (size_t i = 0; i < t->recipients_len; i++) {
		const struct smtp_recipient *r = &t->recipients[i];

		for (size_t k = 0; k < r->finals_len && !r->deleted; k++) {
			if (!taken[r->finals[k]])
				copy_add(o, r, t->finals[r->finals[k]].address,
				    false);
			taken[r->finals[k]] = true;
		}
		for (size_t k = 0; k < r->remotes_len && !r->deleted; k++) {
			if (!taken_remotes[r->remotes[k]])
				copy_add(o, r,
				    t->remotes[r->remotes[k]].address, true);
			taken_remotes[r->remotes[k]] = true;
		}
	}
	return 0;
}

/* What a tenant's own milter says stands for deliveryd's answer. */
static void
verdict_fill(struct lmtp_recipient *to, const struct milter_verdict *v)
{
	struct span line = buf_span(&v->lines), rest;

	to->code = v->ruling == MILTER_RULES_DROP ? 451 : v->code;
	(void)snprintf(to->enhanced, sizeof(to->enhanced), "%s",
	    to->code / 100 == 4 ? "4.7.1" : "5.7.1");
	(void)snprintf(to->text, sizeof(to->text), "%s",
	    to->code / 100 == 4 ? "Not now, try again later"
				: "Message refused");
	if (line.len < 4)
		return;
	rest = span_from(line, 4);
	if (!span_take_until(&rest, '\r', &line))
		return;
	(void)snprintf(to->text, sizeof(to->text), "%.*s",
	    (int)(line.len > 190 ? 190 : line.len), line.p);
	to->enhanced[0] = '\0';
}

static void
copies_judged(struct outgoing *o)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct smtp_group *g = o->copies[i].group;

		if (g == NULL)
			continue;
		if (g->refused)
			verdict_fill(&o->to[i], &g->verdict);
		else if (g->verdict.ruling == MILTER_RULES_DISCARD)
			o->to[i].code = 250;
	}
}

/* All copies are refused by one tenant's milters: in their own words. */
static const struct milter_verdict *
refused_by_one(const struct outgoing *o)
{
	for (size_t i = 0; i < o->count; i++) {
		if (o->copies[i].group == NULL ||
		    !o->copies[i].group->refused ||
		    o->copies[i].group != o->copies[0].group)
			return NULL;
	}
	return o->count == 0 ? NULL : &o->copies[0].group->verdict;
}

/* ---- delivery
 * ------------------------------------------------------------------------ */

static bool
same_variant(const struct copy *a, const struct copy *b)
{
	return a->group == b->group &&
	       smtp_disposition_same_text(
		   &a->recipient->disposition, &b->recipient->disposition);
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

/* A rendering for the copies of x, all alike. */
static int
variant_send(struct outgoing *o, const struct copy *like,
    struct smtp_hand_over *x, struct err *err)
{
	struct smtp_transaction *t = o->session->transaction;
	CLEANUP(smtp_variant_fini)
	struct smtp_variant v = { .replaced = false };
	struct lmtp_message m = {
		.id = x->id,
		.reverse_path = span_str(t->reverse_path),
		.body_8bit = t->body_8bit,
		.prefix = buf_span(&o->header),
		.content = o->content,
		.fd = -1,
	};

	if (buf_check(&o->header, err) == -1)
		return -1;
	if (like->group != NULL) {
		if (smtp_variant_make(&v, like->group->draft,
			&like->recipient->disposition,
			(size_t)DRAFT_HEADER_MAX * 4, err) == -1)
			return -1;
		m.prefix = buf_span(&v.header);
		m.content = v.body;
	}
	by_file(&t->spool, &m);
	if (smtp_hand_over_begin(x, &m, err) == -1)
		return -1;
	if (x->here_len > 0 &&
	    lmtp_deliver(smtp_server_lmtp(o->session->server), &m, x->here,
		x->here_len, err) == -1)
		return -1;
	log_outcomes(o->session, x->here, x->here_len);
	return smtp_hand_over_end(x, &m, err);
}

/* The first variant that relayd has bears the message's id; the others are
 * messages of their own to it. */
static void
variant_name(struct outgoing *o, char id[LOG_ID_MAX + 1])
{
	const char *message = o->session->transaction->id.text;
	struct log_id other = log_id_new();

	if (o->variants++ == 0) {
		memcpy(id, message, LOG_ID_MAX + 1);
		return;
	}
	memcpy(id, other.text, LOG_ID_MAX + 1);
	log_notice(&o->session->log, "message has another rendering",
	    log_str("message", message), log_str("as", id));
}

/* All copies of the variant of the copy at from; -1: deliveryd is away. */
static int
variant_deliver(struct outgoing *o, size_t from, struct err *err)
{
	CLEANUP(smtp_hand_over_fini) struct smtp_hand_over x;
	CLEANUP(mem_free) size_t *at = calloc(o->count, sizeof(*at));
	char id[LOG_ID_MAX + 1];
	size_t here = 0;
	int result;

	variant_name(o, id);
	if (smtp_hand_over_init(&x, o->session, id, o->count, err) == -1 ||
	    at == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	for (size_t i = from; i < o->count; i++) {
		const struct copy *copy = &o->copies[i];

		x.others_have_it |= o->to[i].code / 100 == 2;
		if (o->to[i].code != 0 || !same_variant(&o->copies[from], copy))
			continue;
		if (!copy->remote)
			at[here++] = i;
		smtp_hand_over_add(
		    &x, copy->recipient, &o->to[i], copy->remote);
	}
	for (size_t i = 0; i < from; i++)
		x.others_have_it |= o->to[i].code / 100 == 2;
	result = variant_send(o, &o->copies[from], &x, err);
	for (size_t i = 0; i < here; i++)
		o->to[at[i]] = x.here[i];
	for (size_t i = from; i < o->count && result == 0; i++)
		if (o->copies[i].remote && o->to[i].code == 0 &&
		    same_variant(&o->copies[from], &o->copies[i]))
			o->to[i].code = 250;
	if (result == -1)
		smtp_hand_over_cancel(&x);
	return result;
}

/* What was not answered may have arrived: the client tries again. */
static void
copies_failed(struct outgoing *o, const struct err *why)
{
	bool full = why->kind == ERR_LIMIT;

	for (size_t i = 0; i < o->count; i++) {
		struct lmtp_recipient *to = &o->to[i];

		if (to->code != 0)
			continue;
		to->code = full ? 452 : 451;
		(void)snprintf(to->enhanced, sizeof(to->enhanced), "%s",
		    full ? "4.3.1" : "4.3.0");
		(void)snprintf(to->text, sizeof(to->text), "%s",
		    full ? "Insufficient storage, try later"
			 : "Not delivered now, try later");
	}
	log_outcomes(o->session, o->to, o->count);
}

static void
copies_deliver(struct outgoing *o)
{
	struct smtp_session *s = o->session;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < o->count; i++) {
		if (o->to[i].code != 0)
			continue;
		if (variant_deliver(o, i, &err) == -1) {
			log_error(&s->log, "message not delivered",
			    log_str("message", s->transaction->id.text),
			    log_err(&err));
			copies_failed(o, &err);
		}
	}
	reply_outcome(s, o->to, o->count, s->transaction->spool.octets);
}

void
smtp_deliver(struct smtp_session *s)
{
	struct smtp_transaction *t = s->transaction;
	CLEANUP(outgoing_fini) struct outgoing o;
	const struct milter_verdict *v;
	struct err err = ERR_INIT;
	int judged;

	/* One brand's mail is on that brand's budget of workers. */
	conn_tenant(s->conn,
	    t->finals_len > 0 ? t->finals[0].account.tenant.name : t->tenant);
	judged = outgoing_init(&o, s, &err);
	if (judged == 0)
		judged = outgoing_judge(&o, &err);
	else
		judged = -1;
	if (judged == 0)
		return;
	if (judged == -1 || copies_make(&o, &err) == -1) {
		delivery_failed(s, &err);
		return;
	}
	if (t->discard || o.count == 0) {
		discarded(s);
		return;
	}
	copies_judged(&o);
	v = refused_by_one(&o);
	if (v == NULL)
		copies_deliver(&o);
	else {
		counter_add(smtp_server_counters(s->server),
		    COUNTER_MESSAGES_REFUSED, 1);
		(void)smtp_reply_verdict(s, "end of data", v);
	}
}
