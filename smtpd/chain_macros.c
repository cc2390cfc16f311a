/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Macros: what a milter may know of session and message beside the events.
 * A macro without a value is not there at all; an empty {auth_authen} would
 * mean a client who has logged in.
 */
#include <string.h>
#include <time.h>

#include "mime/date.h"
#include "mime/header.h"
#include "mime/received.h"
#include "mime/xtext.h"
#include "smtpd/chain.h"

static bool
put(struct buf *out, struct span value)
{
	if (value.len == 0)
		return false;
	buf_append(out, value);
	return true;
}

static bool
put_port(struct buf *out, unsigned port)
{
	if (port == 0)
		return false;
	buf_append_u64(out, port);
	return true;
}

static struct span
domain_of(struct span address)
{
	ptrdiff_t at = span_rindex(address, '@');

	return at < 0 ? SPAN("") : span_from(address, (size_t)at + 1);
}

/* ---- the client
 * ---------------------------------------------------------------------- */

static bool
macro_client(
    const struct smtp_chain *c, struct span name, struct buf *out, bool *found)
{
	const struct smtp_session *s = c->session;
	const struct conn_peer *peer = conn_peer(s->conn);

	*found = true;
	if (span_eq(name, SPAN("j")) || span_eq(name, SPAN("if_name")))
		return put(out, span_str(smtp_server_hostname(s->server)));
	if (span_eq(name, SPAN("_")))
		return put(out, span_str(c->host));
	if (span_eq(name, SPAN("v")))
		return put(out, SPAN("Hikyaku " PACKAGE_VERSION));
	if (span_eq(name, SPAN("daemon_name")))
		return put(out, span_str(smtp_listener_name(s->listener)));
	if (span_eq(name, SPAN("daemon_addr")) ||
	    span_eq(name, SPAN("if_addr")))
		return put(out, span_str(peer->local_text));
	if (span_eq(name, SPAN("daemon_port")))
		return put_port(out, peer->local_port);
	if (span_eq(name, SPAN("client_addr")))
		return put(out, span_str(peer->address_text));
	if (span_eq(name, SPAN("client_port")))
		return put_port(out, peer->port);
	if (span_eq(name, SPAN("client_name")) ||
	    span_eq(name, SPAN("client_ptr")))
		return put(out, SPAN("unknown"));
	*found = false;
	return false;
}

static bool
macro_tls(
    const struct smtp_chain *c, struct span name, struct buf *out, bool *found)
{
	const struct smtp_session *s = c->session;

	*found = true;
	if (span_eq(name, SPAN("tls_version")))
		return put(out, span_str(conn_tls_version(s->conn)));
	if (span_eq(name, SPAN("cipher")))
		return put(out, span_str(conn_tls_cipher(s->conn)));
	if (span_eq(name, SPAN("tls_sni")))
		return put(out, span_str(conn_tls_server_name(s->conn)));
	if (span_eq(name, SPAN("verify")))
		return conn_tls(s->conn) && put(out, SPAN("NO"));
	if (span_eq(name, SPAN("s")))
		return put(out, span_str(s->helo));
	if (span_eq(name, SPAN("auth_type")))
		return put(out, span_str(s->auth_mechanism));
	if (span_eq(name, SPAN("auth_authen")))
		return put(out, span_str(s->account_address));
	*found = false;
	return false;
}

/* ---- the message
 * ---------------------------------------------------------------------- */

static bool
macro_rcpt(
    const struct smtp_chain *c, struct span name, struct buf *out, bool *found)
{
	bool refused = c->rcpt_text != NULL;

	*found = true;
	if (span_eq(name, SPAN("rcpt_addr")))
		return put(out, refused ? span_str(c->rcpt_text) : c->rcpt);
	if (span_eq(name, SPAN("rcpt_host")))
		return put(out,
		    refused ? span_str(c->rcpt_enhanced) : domain_of(c->rcpt));
	if (span_eq(name, SPAN("rcpt_mailer")))
		return c->rcpt.len > 0 &&
		       put(out, refused ? SPAN("error") : SPAN("local"));
	*found = false;
	return false;
}

static bool
put_msg_id(const struct draft *draft, struct buf *out)
{
	for (size_t i = 0; draft != NULL && i < draft->len; i++) {
		const struct draft_field *f = &draft->fields[i];
		size_t before = out->len;

		if (f->deleted || !span_eq_nocase(f->name, SPAN("Message-ID")))
			continue;
		field_unfold(f->value, out);
		return out->len > before;
	}
	return false;
}

static bool
put_protocol(const struct smtp_session *s, struct buf *out)
{
	struct received r = {
		.extended = s->extended,
		.authenticated = s->account_id != NULL,
		.tls_version = span_str(conn_tls_version(s->conn)),
	};

	return put(out, span_str(received_with(&r)));
}

/* Recipients of whom nothing was said are left out. */
bool
smtp_chain_dispositions(const struct smtp_chain *c, struct buf *out)
{
	const struct smtp_transaction *t = c->session->transaction;
	size_t at = (size_t)(c->at - c->talks), before = out->len;

	for (size_t i = 0; i < t->recipients_len; i++) {
		const struct smtp_recipient *r = &t->recipients[i];
		unsigned place = r->places == NULL ? 0 : r->places[at];

		if (!smtp_chain_shows(c->at, r->tenant) ||
		    (place != 0 && !r->deleted &&
			smtp_disposition_empty(&r->disposition)))
			continue;
		if (out->len > before)
			buf_append_octet(out, ';');
		if (place != 0) {
			buf_append_u64(out, place);
		} else {
			buf_append_octet(out, '<');
			xtext_encode(span_str(r->forward_path), out);
			buf_append_octet(out, '>');
		}
		if (r->deleted)
			buf_append(out, SPAN(" DELETED"));
		smtp_disposition_put(&r->disposition, out);
	}
	return out->len > before;
}

static bool
macro_message(const struct smtp_chain *c, struct span name, struct buf *out)
{
	const struct smtp_session *s = c->session;
	const struct smtp_transaction *t = s->transaction;
	int64_t now = time(NULL);

	if (span_eq(name, SPAN("r")))
		return put_protocol(s, out);
	if (t == NULL)
		return false;
	if (span_eq(name, SPAN("i")))
		return put(out, span_str(t->id.text));
	if (span_eq(name, SPAN("b"))) {
		date_format(now, date_local_offset(now), out);
		return true;
	}
	if (span_eq(name, SPAN("mail_addr")))
		return put(out, span_str(t->reverse_path));
	if (span_eq(name, SPAN("mail_host")))
		return put(out, domain_of(span_str(t->reverse_path)));
	if (span_eq(name, SPAN("mail_mailer")))
		return put(out, SPAN("smtp"));
	if (span_eq(name, SPAN("nrcpts"))) {
		buf_append_u64(out, t->recipients_len);
		return true;
	}
	if (span_eq(name, SPAN("hk_dispositions")))
		return c->at != NULL && milter_settings(c->at->milter)->ours &&
		       smtp_chain_dispositions(c, out);
	return span_eq(name, SPAN("msg_id")) && put_msg_id(c->draft, out);
}

bool
smtp_chain_macro(void *arg, struct span name, struct buf *out)
{
	const struct smtp_chain *c = arg;
	bool found, has;

	has = macro_client(c, name, out, &found);
	if (!found)
		has = macro_tls(c, name, out, &found);
	if (!found)
		has = macro_rcpt(c, name, out, &found);
	return found ? has : macro_message(c, name, out);
}
