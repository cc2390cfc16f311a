/* SPDX-License-Identifier: BSD-2-Clause */
/* RCPT: who the address is, by tenantd's word. */
#include <stdlib.h>
#include <string.h>

#include "delivery/lmtp_private.h"
#include "delivery/quota.h"

static bool
on_this_node(const struct lmtp_session *s, const struct recipient *r)
{
	const char *host = r->account.mail_host;

	return r->local &&
	       (host[0] == '\0' ||
		   span_eq_nocase(span_str(host),
		       span_str(daemon_conf(s->lmtp->daemon)->hostname)));
}

/* Takes the accounts over from the resolution; false: no memory. */
static bool
recipient_put(
    struct lmtp_session *s, struct span address, struct resolution *resolution)
{
	struct lmtp_recipient *r;

	if (s->recipient_count == s->recipient_room) {
		size_t room = 2 * s->recipient_room + 4;
		void *grown =
		    realloc(s->recipients, room * sizeof(*s->recipients));

		if (grown == NULL)
			return false;
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
	return true;
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
rcpt_accept(
    struct lmtp_session *s, struct span address, struct resolution *resolution)
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
	if (recipient_put(s, address, resolution))
		lmtp_reply(s, 250, "2.1.5", "Ok");
	else
		lmtp_reply(s, 451, "4.3.0", "Out of memory");
}

static void
rcpt_resolve(struct lmtp_session *s, struct span address)
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
		rcpt_accept(s, address, &resolution);
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
	struct mailaddr path;
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
	if (lmtp_rcpt_parse(argument, s->utf8, &path, &err) == -1) {
		if (err.kind == ERR_POLICY)
			lmtp_reply(s, 555, "5.5.4", "Parameter not known");
		else
			lmtp_reply(s, 501, "5.1.3", "Syntax error in RCPT");
		return;
	}
	mailaddr_format(path, &address);
	/* <postmaster> names this host's, who is a person of some brand. */
	if (path.domain.len == 0) {
		buf_append(&address, SPAN("@"));
		buf_append_str(
		    &address, daemon_conf(s->lmtp->daemon)->hostname);
	}
	if (buf_check(&address, &err) == -1)
		lmtp_reply(s, 501, "5.1.3", "Address too long");
	else
		rcpt_resolve(s, buf_span(&address));
}
