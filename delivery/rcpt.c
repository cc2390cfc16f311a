/* SPDX-License-Identifier: BSD-2-Clause */
/* RCPT: who the address is, by tenantd's word. */
#include <stdlib.h>
#include <string.h>

#include "delivery/lmtp_private.h"
#include "delivery/quota.h"
#include "delivery/trace.h"
#include "mime/xtext.h"
#include "store/list.h"

static bool
on_this_node(const struct lmtp_session *s, const struct recipient *r)
{
	const char *host = r->account.mail_host;

	return r->local &&
	       (host[0] == '\0' ||
		   span_eq_nocase(span_str(host),
		       span_str(daemon_conf(s->lmtp->daemon)->hostname)));
}

/* ---- what smtpd says of its mail ---- */

/* The value as text of its own; NULL stays NULL. */
static int
value_keep(struct span value, char **text_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, LMTP_LINE_MAX);
	if (value.len == 0)
		return 0;
	if (xtext_decode(value, &text, err) == -1 ||
	    buf_check(&text, err) == -1)
		return -1;
	*text_out = strdup(buf_str(&text));
	return *text_out == NULL ? err_set(err, ERR_TEMP, "out of memory") : 0;
}

static int
traces_keep(
    const struct lmtp_rcpt *rcpt, struct lmtp_recipient *r, struct err *err)
{
	CLEANUP(buf_fini) struct buf fields;

	buf_init(&fields, LMTP_LINE_MAX);
	if (rcpt->trace_count == 0)
		return 0;
	for (size_t i = 0; i < rcpt->trace_count; i++) {
		size_t before = fields.len;

		if (xtext_decode(rcpt->traces[i], &fields, err) == -1)
			return -1;
		if (!trace_is_field(span_from(buf_span(&fields), before)))
			return err_set(err, ERR_SYNTAX, "TRACE: no field");
		buf_append(&fields, SPAN("\r\n"));
	}
	if (buf_check(&fields, err) == -1)
		return -1;
	r->fields = strdup(buf_str(&fields));
	return r->fields == NULL ? err_set(err, ERR_TEMP, "out of memory") : 0;
}

static int
parameters_keep(
    const struct lmtp_rcpt *rcpt, struct lmtp_recipient *r, struct err *err)
{
	if (value_keep(rcpt->folder, &r->folder, err) == -1 ||
	    value_keep(rcpt->forwarded_by, &r->forwarded_by, err) == -1 ||
	    traces_keep(rcpt, r, err) == -1)
		return -1;
	return r->folder == NULL ? 0
				 : mailbox_name_check(span_str(r->folder), err);
}

/* ---- accounts ---- */

/* Takes the accounts over from the resolution; NULL: no memory. */
static struct lmtp_recipient *
recipient_put(
    struct lmtp_session *s, struct span address, struct resolution *resolution)
{
	struct lmtp_recipient *r;

	if (s->recipient_count == s->recipient_room) {
		size_t room = 2 * s->recipient_room + 4;
		void *grown =
		    realloc(s->recipients, room * sizeof(*s->recipients));

		if (grown == NULL)
			return NULL;
		s->recipients = grown;
		s->recipient_room = room;
	}
	r = &s->recipients[s->recipient_count++];
	*r = (struct lmtp_recipient){
		.targets = STEAL(resolution->recipients),
		.count = resolution->count,
	};
	resolution->count = 0;
	memcpy(r->address, address.p, address.len);
	return r;
}

/* The last one, which was not accepted after all. */
static void
recipient_drop(struct lmtp_session *s)
{
	lmtp_recipient_fini(&s->recipients[--s->recipient_count]);
}

/* A full mailbox: as the brand wants it, for later or never. */
static bool
rcpt_has_room(struct lmtp_session *s, const struct recipient *r)
{
	bool refuses = r->account.tenant.refuses_over_quota, fits;
	struct err err = ERR_INIT;

	if (quota_ask(s->lmtp->placer, &r->account, s->size_octets, &fits,
		&err) == -1) {
		/* It will be seen whether the mail can be stored. */
		log_warning(&s->log, "quota not known",
		    log_span("recipient", span_str(r->address)), log_err(&err));
		return true;
	}
	if (fits)
		return true;
	log_notice(&s->log, "mailbox full",
	    log_str("tenant", r->account.tenant.name),
	    log_span("recipient", span_str(r->address)),
	    log_u64("octets", s->size_octets));
	lmtp_reply(s, refuses ? 552 : 452, refuses ? "5.2.2" : "4.2.2",
	    "Quota exceeded (mailbox is full)");
	return false;
}

static void
rcpt_keep(struct lmtp_session *s, struct span address,
    struct resolution *resolution, const struct lmtp_rcpt *rcpt)
{
	struct lmtp_recipient *r = recipient_put(s, address, resolution);
	struct err err = ERR_INIT;

	if (r == NULL) {
		lmtp_reply(s, 451, "4.3.0", "Out of memory");
	} else if (parameters_keep(rcpt, r, &err) == 0) {
		lmtp_reply(s, 250, "2.1.5", "Ok");
	} else {
		recipient_drop(s);
		log_error(&s->log, "recipient's parameters refused",
		    log_span("recipient", address), log_err(&err));
		if (err.kind == ERR_TEMP)
			lmtp_reply(s, 451, "4.3.0", "Out of memory");
		else
			lmtp_reply(s, 501, "5.5.4", "Bad parameter");
	}
}

static void
rcpt_accept(struct lmtp_session *s, struct span address,
    struct resolution *resolution, const struct lmtp_rcpt *rcpt)
{
	if (resolution->count == 0) {
		lmtp_reply(s, 550, "5.2.1", "The list has no members");
		return;
	}
	for (size_t i = 0; i < resolution->count; i++) {
		const struct recipient *r = &resolution->recipients[i];

		if (on_this_node(s, r))
			continue;
		/* All of a list or nothing: one reply speaks for it. */
		if (r->local)
			lmtp_reply(
			    s, 451, "4.3.5", "The mailbox is on another node");
		else
			lmtp_reply(s, 550, "5.7.1",
			    "The address leads out of this platform");
		return;
	}
	/* One full mailbox keeps no mail from the others of a list. */
	if (!s->room_asked && resolution->outcome == RESOLVE_MAILBOX &&
	    !rcpt_has_room(s, &resolution->recipients[0]))
		return;
	rcpt_keep(s, address, resolution, rcpt);
}

static void
rcpt_resolve(
    struct lmtp_session *s, struct span address, const struct lmtp_rcpt *rcpt)
{
	CLEANUP(resolution_fini) struct resolution resolution = { 0 };
	struct err err = ERR_INIT;

	if (tenants_resolve(s->lmtp->tenants, address, &resolution, &err) ==
	    -1) {
		log_warning(&s->log, "recipient not resolved",
		    log_span("recipient", address), log_err(&err));
		lmtp_reply(s, 451, "4.3.0", "Directory not available");
		return;
	}
	switch (resolution.outcome) {
	case RESOLVE_MAILBOX:
	case RESOLVE_GROUP:
		rcpt_accept(s, address, &resolution, rcpt);
		return;
	case RESOLVE_UNKNOWN:
		lmtp_reply(s, 550, "5.1.1", "No such user");
		return;
	case RESOLVE_FOREIGN:
		if (resolution.last_known)
			lmtp_reply(s, 451, "4.3.0", "Directory not available");
		else
			lmtp_reply(
			    s, 550, "5.7.1", "Not a domain of this platform");
		return;
	case RESOLVE_SUSPENDED:
		lmtp_reply(s, 450, "4.2.1", "The mailbox is suspended");
		return;
	case RESOLVE_REFUSED:
		lmtp_reply(s, 550, "5.2.1", "The mailbox takes no mail");
		return;
	case RESOLVE_LOOP:
		lmtp_reply(s, 550, "5.4.6", "Lists contain each other");
		return;
	}
}

void
lmtp_rcpt(struct lmtp_session *s, struct span argument)
{
	CLEANUP(buf_fini) struct buf address;
	struct lmtp_rcpt rcpt;
	struct err err = ERR_INIT;

	buf_init(&address, TENANT_ADDRESS_MAX);
	if (!s->mail) {
		lmtp_reply(s, 503, "5.5.1", "Send MAIL first");
		return;
	}
	if (s->recipient_count >= s->conf->recipients_max) {
		lmtp_reply(s, 452, "4.5.3", "Too many recipients");
		return;
	}
	if (lmtp_rcpt_parse(argument, s->utf8, s->trusted, &rcpt, &err) == -1) {
		if (err.kind == ERR_POLICY)
			lmtp_reply(s, 555, "5.5.4", "Parameter not known");
		else
			lmtp_reply(s, 501, "5.1.3", "Syntax error in RCPT");
		return;
	}
	mailaddr_format(rcpt.forward_path, &address);
	/* <postmaster> names this host's, who is a person of some brand. */
	if (rcpt.forward_path.domain.len == 0) {
		buf_append(&address, SPAN("@"));
		buf_append_str(
		    &address, daemon_conf(s->lmtp->daemon)->hostname);
	}
	if (buf_check(&address, &err) == -1)
		lmtp_reply(s, 501, "5.1.3", "Address too long");
	else
		rcpt_resolve(s, buf_span(&address), &rcpt);
}
