/* SPDX-License-Identifier: BSD-2-Clause */
/* What milters change of the envelope. */
#include <stdio.h>
#include <string.h>

#include "smtpd/chain.h"

static void
envelope_refuse(struct smtp_chain *c, const struct milter_talk *t,
    unsigned code, const char *text, struct span address,
    struct milter_verdict *v)
{
	log_error(&c->session->log, "milter's recipient not taken",
	    log_str("milter", milter_name(t->milter)),
	    log_str("message", c->source.message),
	    log_span("recipient", address), log_str("reason", text));
	v->ruling = MILTER_RULES_REFUSE;
	v->milter = milter_name(t->milter);
	v->code = code;
	buf_clear(&v->lines);
	buf_append_fmt(
	    &v->lines, "%u %u.7.1 A filter %s\r\n", code, code / 100, text);
}

/* With or without brackets. */
static int
path_of(struct span text, bool reverse, struct mailaddr *out, struct buf *room)
{
	struct span rest;
	int got;

	text = span_trim(text);
	if (text.len > 0 && text.p[0] == '<')
		buf_append(room, text);
	else
		buf_append_fmt(room, "<%.*s>", SPAN_FMT(text));
	rest = buf_span(room);
	got = reverse
		  ? reverse_path_parse(&rest, MAILADDR_LONG_LOCAL, out, NULL)
		  : forward_path_parse(&rest, 0, out, NULL);
	return got == 0 && rest.len == 0 ? 0 : -1;
}

/* RET and ENVID would go on to other hosts. */
static void
ignored_parameters(
    struct smtp_chain *c, const struct milter_talk *t, struct span parameters)
{
	if (parameters.len > 0)
		log_info(&c->session->log, "parameters of a milter ignored",
		    log_str("milter", milter_name(t->milter)),
		    log_span("parameters", parameters));
}

static void
change_from(struct smtp_chain *c, const struct milter_talk *t,
    const struct milter_edit *e)
{
	struct smtp_transaction *txn = c->session->transaction;
	CLEANUP(buf_fini) struct buf room;
	CLEANUP(buf_fini) struct buf path;
	struct mailaddr address;

	buf_init(&room, MAILADDR_PATH_MAX * 2);
	buf_init(&path, MAILADDR_PATH_MAX - 1);
	/* The sender is one for all of the message's recipients. */
	if (milter_settings(t->milter)->tenants.len > 0) {
		log_warning(&c->session->log,
		    "sender not changed for a milter of one tenant",
		    log_str("milter", milter_name(t->milter)));
		return;
	}
	if (path_of(e->text, true, &address, &room) == -1) {
		log_warning(&c->session->log, "milter's sender is no address",
		    log_str("milter", milter_name(t->milter)),
		    log_span("address", e->text));
		return;
	}
	ignored_parameters(c, t, e->parameters);
	mailaddr_format(address, &path);
	memcpy(txn->reverse_path, buf_str(&path), path.len + 1);
}

/* What one of our own says of a recipient; of others, nothing is taken. */
static void
dispose(struct smtp_chain *c, const struct milter_talk *t,
    struct smtp_recipient *r, const struct milter_edit *e,
    struct milter_verdict *v)
{
	CLEANUP(buf_fini) struct buf ignored;
	struct err err = ERR_INIT;

	buf_init(&ignored, e->parameters.len + 1);
	if (!milter_settings(t->milter)->ours) {
		ignored_parameters(c, t, e->parameters);
		return;
	}
	if (smtp_disposition_take(
		&r->disposition, e->parameters, &ignored, &err) == -1) {
		log_error(&c->session->log, "milter's disposition not taken",
		    log_str("milter", milter_name(t->milter)),
		    log_span("recipient", e->text), log_err(&err));
		envelope_refuse(
		    c, t, 451, "said what is not understood", e->text, v);
		return;
	}
	ignored_parameters(c, t, buf_span(&ignored));
}

static void
add_resolved(struct smtp_chain *c, const struct milter_talk *t,
    struct span address, const struct resolution *r, struct milter_verdict *v)
{
	switch (r->outcome) {
	case RESOLVE_MAILBOX:
	case RESOLVE_GROUP:
	case RESOLVE_FOREIGN:
		if (smtp_recipient_take(c->session, address, NULL, r) !=
		    SMTP_RECIPIENT_TAKEN)
			envelope_refuse(c, t, 451,
			    "added more recipients than there may be", address,
			    v);
		return;
	case RESOLVE_SUSPENDED:
	case RESOLVE_UNKNOWN:
	case RESOLVE_REFUSED:
	case RESOLVE_LOOP:
		envelope_refuse(c, t, 451,
		    "added a recipient who takes no mail", address, v);
		return;
	}
}

static void
add_rcpt(struct smtp_chain *c, const struct milter_talk *t,
    const struct milter_edit *e, struct milter_verdict *v)
{
	struct smtp_transaction *txn = c->session->transaction;
	CLEANUP(resolution_fini) struct resolution resolution = { 0 };
	CLEANUP(buf_fini) struct buf room;
	CLEANUP(buf_fini) struct buf path;
	struct smtp_recipient *r;
	struct mailaddr address;
	struct err err = ERR_INIT;

	buf_init(&room, MAILADDR_PATH_MAX * 2);
	buf_init(&path, MAILADDR_PATH_MAX - 1);
	if (path_of(e->text, false, &address, &room) == -1 ||
	    address.domain.len == 0) {
		envelope_refuse(
		    c, t, 451, "added what is no address", e->text, v);
		return;
	}
	r = smtp_recipient_find(c->session, address);
	if (r != NULL) {
		if (smtp_chain_shows(t, r->tenant)) {
			r->deleted = false;
			dispose(c, t, r, e, v);
		}
		return;
	}
	mailaddr_format(address, &path);
	if (tenants_resolve(smtp_server_tenants(c->session->server),
		buf_span(&path), &resolution, &err) == -1) {
		log_warning(&c->session->log, "recipient not resolved",
		    log_span("recipient", buf_span(&path)), log_err(&err));
		envelope_refuse(c, t, 451,
		    "added a recipient, and the directory is not available",
		    buf_span(&path), v);
		return;
	}
	add_resolved(c, t, buf_span(&path), &resolution, v);
	if (v->ruling == MILTER_RULES_CONTINUE)
		dispose(c, t, &txn->recipients[txn->recipients_len - 1], e, v);
}

static void
delete_rcpt(struct smtp_chain *c, const struct milter_talk *t,
    const struct milter_edit *e)
{
	CLEANUP(buf_fini) struct buf room;
	struct smtp_recipient *r;
	struct mailaddr address;

	buf_init(&room, MAILADDR_PATH_MAX * 2);
	if (path_of(e->text, false, &address, &room) == -1)
		return;
	r = smtp_recipient_find(c->session, address);
	if (r != NULL && smtp_chain_shows(t, r->tenant))
		r->deleted = true;
}

static const char *
change_name(enum milter_reply_kind kind)
{
	return kind == MILTER_ADD_RCPT      ? "recipient added"
	       : kind == MILTER_DELETE_RCPT ? "recipient deleted"
					    : "sender changed";
}

void
smtp_chain_envelope(struct smtp_chain *c, const struct milter_talk *t,
    const struct milter_edits *edits, struct milter_verdict *v)
{
	for (size_t i = 0; i < edits->len; i++) {
		const struct milter_edit *e = &edits->items[i];

		if (v->ruling != MILTER_RULES_CONTINUE)
			return;
		if (e->kind != MILTER_ADD_RCPT &&
		    e->kind != MILTER_DELETE_RCPT &&
		    e->kind != MILTER_CHANGE_FROM)
			continue;
		log_notice(&c->session->log, change_name(e->kind),
		    log_str("milter", milter_name(t->milter)),
		    log_str("message", c->source.message),
		    log_span("address", e->text));
		if (e->kind == MILTER_ADD_RCPT)
			add_rcpt(c, t, e, v);
		else if (e->kind == MILTER_DELETE_RCPT)
			delete_rcpt(c, t, e);
		else
			change_from(c, t, e);
	}
}
