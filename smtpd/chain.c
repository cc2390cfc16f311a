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
	c->places = calloc(names->len, sizeof(*c->places));
	if (c->places == NULL) {
		free(c);
		return NULL;
	}
	buf_init(&c->mail, SMTP_COMMAND_MAX);
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
	buf_fini(&c->mail);
	free(c->places);
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

/* Of some tenants: it hears of a client with the first of their recipients. */
static bool
of_tenants(const struct milter_talk *t)
{
	return milter_settings(t->milter)->tenants.len > 0;
}

bool
smtp_chain_shows(const struct milter_talk *t, const char *tenant)
{
	return milter_is_for(t->milter, tenant);
}

void
smtp_chain_connect(struct smtp_chain *c, struct milter_verdict *v)
{
	for (size_t i = 0; c != NULL && i < c->len && chain_goes_on(v); i++) {
		if (!of_tenants(&c->talks[i]) &&
		    milter_talk_eager(&c->talks[i]))
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
		if (chain_goes_on(v) && !of_tenants(&c->talks[i]))
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

static void
mail_one(struct smtp_chain *c, struct milter_talk *t, struct milter_verdict *v)
{
	struct span arguments[ARGUMENTS_MAX];
	size_t count = arguments_split(buf_span(&c->mail), arguments);

	milter_talk_mail(t, arguments, count, v);
}

void
smtp_chain_mail(
    struct smtp_chain *c, struct span argument, struct milter_verdict *v)
{
	if (c == NULL)
		return;
	source_update(c);
	buf_clear(&c->mail);
	buf_append(&c->mail, argument);
	for (size_t i = 0; i < c->len && chain_goes_on(v); i++) {
		if (!of_tenants(&c->talks[i]))
			mail_one(c, &c->talks[i], v);
	}
	chain_quarantine(c, v);
}

/* A milter of some tenants, at the first recipient of theirs. */
void
smtp_chain_mail_late(
    struct smtp_chain *c, struct milter_talk *t, struct milter_verdict *v)
{
	if (of_tenants(t) &&
	    (t->state == MILTER_TALK_NONE || t->state == MILTER_TALK_OPEN))
		mail_one(c, t, v);
}

void
smtp_chain_rcpt_one(struct smtp_chain *c, struct milter_talk *t,
    struct span argument, struct milter_verdict *v)
{
	struct span arguments[ARGUMENTS_MAX];
	size_t count = arguments_split(argument, arguments);

	if (count == 0)
		return;
	c->rcpt = span_of(arguments[0].p + 1, arguments[0].len - 2);
	milter_talk_rcpt(t, arguments, count, c->rcpt_text != NULL, v);
	c->rcpt = SPAN("");
}

/* What it says of the message reaches its tenants' copies only. */
static void
tenants_alone(struct milter_talk *t, struct milter_verdict *v)
{
	t->quarantines |= v->quarantined;
	v->quarantined = false;
	if (v->ruling != MILTER_RULES_DISCARD)
		return;
	t->discards = true;
	v->ruling = MILTER_RULES_CONTINUE;
}

void
smtp_chain_rcpt(struct smtp_chain *c, struct span argument, const char *tenant,
    struct milter_verdict *v)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->len && chain_goes_on(v); i++) {
		struct milter_talk *t = &c->talks[i];
		unsigned before;

		c->places[i] = 0;
		if (!smtp_chain_shows(t, tenant))
			continue;
		smtp_chain_mail_late(c, t, v);
		before = t->rcpts;
		if (chain_goes_on(v))
			smtp_chain_rcpt_one(c, t, argument, v);
		if (t->rcpts > before)
			c->places[i] = t->rcpts;
		if (of_tenants(t))
			tenants_alone(t, v);
	}
	chain_quarantine(c, v);
}

void
smtp_chain_rcpt_taken(struct smtp_chain *c)
{
	const struct smtp_transaction *t;
	struct smtp_recipient *r;

	if (c == NULL)
		return;
	t = c->session->transaction;
	r = &t->recipients[t->recipients_len - 1];
	r->places = calloc(c->len, sizeof(*r->places));
	if (r->places != NULL)
		memcpy(r->places, c->places, c->len * sizeof(*r->places));
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
	for (size_t i = 0; i < c->len; i++) {
		if (!of_tenants(&c->talks[i]))
			smtp_chain_rcpt_one(
			    c, &c->talks[i], argument, &ignored);
	}
	c->rcpt_enhanced = c->rcpt_text = NULL;
}

void
smtp_chain_data(struct smtp_chain *c, struct milter_verdict *v)
{
	/* Those of tenants follow once it is known what the others said. */
	for (size_t i = 0; c != NULL && i < c->len && chain_goes_on(v); i++) {
		if (!of_tenants(&c->talks[i]))
			milter_talk_data(&c->talks[i], v);
	}
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

void
smtp_chain_turn(struct smtp_chain *c, struct milter_talk *t,
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
	c->draft = draft;
	c->at = t;
	draft_show(draft);
	milter_talk_content(t, draft, &edits, v);
	c->draft = NULL;
	c->at = NULL;
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
	for (size_t i = 0; i < c->len && chain_goes_on(v); i++) {
		struct milter_talk *t = &c->talks[i];

		if (!of_tenants(t) && t->state == MILTER_TALK_MESSAGE)
			smtp_chain_turn(c, t, draft, v);
	}
	chain_quarantine(c, v);
}

void
smtp_chain_reset(struct smtp_chain *c)
{
	if (c == NULL)
		return;
	buf_fini(&c->mail);
	for (size_t i = 0; i < c->len; i++)
		milter_talk_reset(&c->talks[i]);
}
