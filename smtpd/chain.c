/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/chain.h"

#include <stdio.h>
#include <string.h>

/* Parameters of MAIL and RCPT that are passed on, with the path. */
#define ARGUMENTS_MAX 33
/* What edits may weigh beside the largest message: its header anew. */
#define EDITS_EXTRA (2 * 1024 * 1024)

static void
source_init(struct smtp_chain *c, struct smtp_session *s)
{
	const struct conn_peer *peer = conn_peer(s->conn);
	int family = peer->address.ss_family;

	(void)snprintf(c->host, sizeof(c->host), "[%s]", peer->address_text);
	c->source = (struct milter_source){
		.macro = smtp_chain_macro,
		.arg = c,
		.log = &s->log,
		.host = span_str(c->host),
		.family = family == AF_INET6  ? '6'
			  : family == AF_INET ? '4'
					      : 'L',
		.port = peer->port,
		.address = span_str(peer->address_text),
		.message = "",
	};
}

struct smtp_chain *
smtp_chain_new(struct smtp_session *s)
{
	const struct conf_strings *names = smtp_is_submission(s)
					       ? &s->conf->milters_submission
					       : &s->conf->milters_mx;
	struct smtp_chain *c;

	if (names->len == 0)
		return NULL;
	c = calloc(1, sizeof(*c) + names->len * sizeof(c->talks[0]));
	if (c == NULL)
		return NULL;
	c->session = s;
	c->milters = smtp_server_milters(s->server);
	source_init(c, s);
	for (size_t i = 0; i < names->len; i++) {
		struct milter *m = milters_find(c->milters, names->items[i]);

		/* A reload between the two readings has taken it away. */
		if (m != NULL)
			milter_talk_init(&c->talks[c->len++], m, &c->source);
	}
	return c;
}

void
smtp_chain_free(struct smtp_chain *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->len; i++)
		milter_talk_fini(&c->talks[i]);
	milters_unref(c->milters);
	free(c);
}

/* What changes between events. */
static void
source_update(struct smtp_chain *c)
{
	const struct smtp_session *s = c->session;

	c->source.helo = span_str(s->helo);
	c->source.message =
	    s->transaction == NULL ? "" : s->transaction->id.text;
}

/* Asked before each milter: nobody has had anything against it yet. */
static bool
chain_goes_on(const struct milter_verdict *v)
{
	return v->ruling == MILTER_RULES_CONTINUE;
}

/* A milter wants it quarantined: the first reason stands. */
static void
chain_quarantine(struct smtp_chain *c, const struct milter_verdict *v)
{
	struct smtp_transaction *t = c->session->transaction;

	if (v->quarantined && t != NULL && t->quarantine == NULL)
		t->quarantine = strdup(v->reason);
}

/* ---- the client
 * ---------------------------------------------------------------------- */

void
smtp_chain_connect(struct smtp_chain *c, struct milter_verdict *v)
{
	for (size_t i = 0; c != NULL && i < c->len && chain_goes_on(v); i++) {
		if (milter_talk_eager(&c->talks[i]))
			milter_talk_connect(&c->talks[i], v);
	}
}

void
smtp_chain_helo(struct smtp_chain *c, struct milter_verdict *v)
{
	if (c == NULL)
		return;
	source_update(c);
	for (size_t i = 0; i < c->len; i++) {
		c->talks[i].helo_told = false;
		if (chain_goes_on(v))
			milter_talk_helo(&c->talks[i], v);
	}
}

/* ---- the envelope
 * ---------------------------------------------------------------------- */

/* The path with its brackets, as it was sent, then each parameter. */
static size_t
arguments_split(struct span argument, struct span *out)
{
	ptrdiff_t colon = span_index(argument, ':');
	struct span rest =
	    span_trim(span_from(argument, colon < 0 ? 0 : (size_t)colon + 1));
	struct span after = rest;
	struct mailaddr path;
	size_t count = 1;

	if (reverse_path_parse(&after, MAILADDR_LONG_LOCAL, &path, NULL) ==
		-1 &&
	    forward_path_parse(&after, 0, &path, NULL) == -1)
		return 0;
	out[0] = span_first(rest, rest.len - after.len);
	while (count < ARGUMENTS_MAX && (after = span_trim(after)).len > 0) {
		ptrdiff_t sp = span_index(after, ' ');

		out[count] = span_first(after, sp < 0 ? after.len : (size_t)sp);
		after = span_from(after, out[count++].len);
	}
	return count;
}

void
smtp_chain_mail(
    struct smtp_chain *c, struct span argument, struct milter_verdict *v)
{
	struct span arguments[ARGUMENTS_MAX];
	size_t count;

	if (c == NULL)
		return;
	source_update(c);
	count = arguments_split(argument, arguments);
	for (size_t i = 0; i < c->len && chain_goes_on(v); i++)
		milter_talk_mail(&c->talks[i], arguments, count, v);
	chain_quarantine(c, v);
}

static void
chain_rcpt(struct smtp_chain *c, struct span argument, bool refused,
    struct milter_verdict *v)
{
	struct span arguments[ARGUMENTS_MAX];
	size_t count = arguments_split(argument, arguments);

	if (count == 0)
		return;
	c->rcpt = span_of(arguments[0].p + 1, arguments[0].len - 2);
	for (size_t i = 0; i < c->len && (refused || chain_goes_on(v)); i++)
		milter_talk_rcpt(&c->talks[i], arguments, count, refused, v);
	chain_quarantine(c, v);
	c->rcpt = SPAN("");
}

void
smtp_chain_rcpt(
    struct smtp_chain *c, struct span argument, struct milter_verdict *v)
{
	if (c != NULL)
		chain_rcpt(c, argument, false, v);
}

void
smtp_chain_rcpt_refused(struct smtp_chain *c, struct span argument,
    const char *enhanced, const char *text)
{
	CLEANUP(milter_verdict_fini) struct milter_verdict ignored;

	milter_verdict_init(&ignored);
	if (c == NULL)
		return;
	c->rcpt_enhanced = enhanced;
	c->rcpt_text = text;
	chain_rcpt(c, argument, true, &ignored);
	c->rcpt_enhanced = c->rcpt_text = NULL;
}

void
smtp_chain_data(struct smtp_chain *c, struct milter_verdict *v)
{
	for (size_t i = 0; c != NULL && i < c->len && chain_goes_on(v); i++)
		milter_talk_data(&c->talks[i], v);
	if (c != NULL)
		chain_quarantine(c, v);
}

void
smtp_chain_unknown(struct smtp_chain *c, struct span line)
{
	if (c == NULL || c->session->transaction != NULL)
		return;
	for (size_t i = 0; i < c->len; i++)
		milter_talk_unknown(&c->talks[i], line);
}

/* ---- the message
 * ---------------------------------------------------------------------- */

static void
chain_content_one(struct smtp_chain *c, struct milter_talk *t,
    struct draft *draft, struct milter_verdict *v)
{
	CLEANUP(milter_edits_fini) struct milter_edits edits;
	struct draft_manner manner = {
		.numbers_shift = milter_settings(t->milter)->numbers_shift,
	};
	struct err err = ERR_INIT;

	milter_edits_init(
	    &edits, c->session->message_max + (uint64_t)EDITS_EXTRA);
	manner.space = t->conn == NULL ||
		       (t->conn->options.protocol & MILTER_LEADING_SPACE) == 0;
	draft_show(draft);
	milter_talk_content(t, draft, &edits, v);
	if (!chain_goes_on(v))
		return;
	if (draft_apply(draft, &edits, &manner, &err) == -1) {
		log_warning(&c->session->log, "edits of a milter not made",
		    log_str("milter", milter_name(t->milter)), log_err(&err));
		v->ruling = MILTER_RULES_REFUSE;
		v->milter = milter_name(t->milter);
		v->code = err.kind == ERR_LIMIT ? 552 : 451;
		return;
	}
	smtp_chain_envelope(c, t, &edits, v);
}

void
smtp_chain_content(
    struct smtp_chain *c, struct draft *draft, struct milter_verdict *v)
{
	c->draft = draft;
	for (size_t i = 0; i < c->len && chain_goes_on(v); i++) {
		if (c->talks[i].state == MILTER_TALK_MESSAGE)
			chain_content_one(c, &c->talks[i], draft, v);
	}
	chain_quarantine(c, v);
	c->draft = NULL;
}

void
smtp_chain_reset(struct smtp_chain *c)
{
	for (size_t i = 0; c != NULL && i < c->len; i++)
		milter_talk_reset(&c->talks[i]);
}
