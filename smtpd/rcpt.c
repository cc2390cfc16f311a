/* SPDX-License-Identifier: BSD-2-Clause */
/* RCPT.                                       RFC 5321 section 4.1.1.3 */
#include <stdlib.h>
#include <string.h>

#include "common/outbound.h"
#include "smtpd/chain.h"
#include "smtpd/session.h"

/* Some milters want to know of recipients that were refused. */
static void
chain_told(struct smtp_session *s, struct span address, const char *enhanced,
    const char *text)
{
	CLEANUP(buf_fini) struct buf argument;

	buf_init(&argument, MAILADDR_PATH_MAX + 8);
	if (s->chain == NULL)
		return;
	buf_append(&argument, SPAN("TO:<"));
	buf_append(&argument, address);
	buf_append(&argument, SPAN(">"));
	smtp_chain_rcpt_refused(s->chain, buf_span(&argument), enhanced, text);
}

static void
rcpt_refuse(struct smtp_session *s, struct span address, unsigned code,
    const char *enhanced, const char *text)
{
	counter_add(
	    smtp_server_counters(s->server), COUNTER_RECIPIENTS_REFUSED, 1);
	log_notice(&s->log, "recipient refused",
	    log_str("message", s->transaction->id.text),
	    log_span("recipient", address), log_u64("code", code),
	    log_str("reason", text));
	chain_told(s, address, enhanced, text);
	smtp_reply(s, code, enhanced, "%s", text);
}

/* The account's index among all of the message, or their count. */
static size_t
final_find(const struct smtp_transaction *t, const struct recipient *r)
{
	size_t i = 0;

	while (i < t->finals_len &&
	       (strcmp(t->finals[i].account.id, r->account.id) != 0 ||
		   strcmp(t->finals[i].detail, r->detail) != 0))
		i++;
	return i;
}

static size_t
remote_find(const struct smtp_transaction *t, struct span address)
{
	size_t i = 0;

	while (i < t->remotes_len &&
	       !span_eq(span_str(t->remotes[i].address), address))
		i++;
	return i;
}

/* Room for one more recipient that leads to so many; false: no memory. */
static bool
recipient_room(
    struct smtp_transaction *t, struct smtp_recipient *r, size_t count)
{
	struct smtp_recipient *recipients = reallocarray(
	    t->recipients, t->recipients_len + 1, sizeof(*recipients));
	struct recipient *finals;
	struct smtp_remote *remotes;

	if (recipients == NULL)
		return false;
	t->recipients = recipients;
	finals =
	    reallocarray(t->finals, t->finals_len + count, sizeof(*finals));
	if (finals == NULL)
		return false;
	t->finals = finals;
	remotes =
	    reallocarray(t->remotes, t->remotes_len + count, sizeof(*remotes));
	if (remotes == NULL)
		return false;
	t->remotes = remotes;
	r->finals = calloc(count, sizeof(*r->finals));
	r->remotes = calloc(count, sizeof(*r->remotes));
	return r->finals != NULL && r->remotes != NULL;
}

static void
remote_add(
    struct smtp_transaction *t, struct smtp_recipient *r, struct span address)
{
	size_t at = remote_find(t, address);

	address = span_first(address, sizeof(t->remotes[0].address) - 1);
	if (at == t->remotes_len) {
		t->remotes[at] = (struct smtp_remote){ .address = "" };
		memcpy(t->remotes[at].address, address.p, address.len);
		t->remotes_len++;
	}
	r->remotes[r->remotes_len++] = at;
}

static void
final_add(struct smtp_transaction *t, struct smtp_recipient *r,
    const struct recipient *final)
{
	size_t at = final_find(t, final);

	if (at == t->finals_len)
		t->finals[t->finals_len++] = *final;
	r->finals[r->finals_len++] = at;
}

/* What the client wants to be told; not of each member of a list. */
static bool
recipient_wishes(
    struct smtp_recipient *r, const struct smtp_rcpt *rcpt, bool list)
{
	if (rcpt == NULL)
		return true;
	r->notify = rcpt->notify;
	if (list)
		r->notify &= ~(unsigned)OUTBOUND_NOTIFY_SUCCESS;
	if (rcpt->orcpt.len == 0)
		return true;
	r->orcpt = strndup(rcpt->orcpt.p, rcpt->orcpt.len);
	return r->orcpt != NULL;
}

/* Whose milters judge it, and for whom it is passed on. */
static void
recipient_tenant(struct smtp_transaction *t, struct smtp_recipient *r,
    const struct resolution *resolution)
{
	if (t->tenant[0] == '\0')
		memcpy(t->tenant, resolution->tenant.name, sizeof(t->tenant));
	memcpy(r->tenant,
	    resolution->tenant.name[0] == '\0' ? t->tenant
					       : resolution->tenant.name,
	    sizeof(r->tenant));
}

/* Takes over what a resolution leads to, each once; false: no memory. */
static bool
recipient_add(struct smtp_transaction *t, struct span address,
    const struct smtp_rcpt *rcpt, const struct resolution *resolution)
{
	struct smtp_recipient r = { .finals_len = 0 };

	if (!recipient_room(t, &r, resolution->count + 1) ||
	    !recipient_wishes(&r, rcpt, resolution->outcome == RESOLVE_GROUP)) {
		smtp_recipient_fini(&r);
		return false;
	}
	memcpy(r.forward_path, address.p, address.len);
	recipient_tenant(t, &r, resolution);
	if (resolution->outcome == RESOLVE_FOREIGN)
		remote_add(t, &r, address);
	for (size_t i = 0; i < resolution->count; i++) {
		const struct recipient *to = &resolution->recipients[i];

		if (to->local)
			final_add(t, &r, to);
		else
			remote_add(t, &r, span_str(to->address));
	}
	t->recipients[t->recipients_len++] = r;
	return true;
}

/*
 * Asks deliveryd, where the mailbox has limits.  Not for a list: one full
 * mailbox keeps no mail from the others.  When there is no answer, the end of
 * the data will tell.
 */
static bool
rcpt_has_room(struct smtp_session *s, struct span address,
    const struct resolution *resolution)
{
	const struct recipient *r = &resolution->recipients[0];
	struct lmtp_recipient to = { .forward_path = r->address };
	struct err err = ERR_INIT;

	if (resolution->outcome != RESOLVE_MAILBOX ||
	    (r->account.quota_octets == 0 && r->account.quota_messages == 0) ||
	    final_find(s->transaction, r) < s->transaction->finals_len)
		return true;
	if (lmtp_ask_room(smtp_server_lmtp(s->server), s->transaction->id.text,
		s->transaction->size_octets, &to, &err) == -1) {
		log_warning(&s->log, "room in a mailbox not known",
		    log_span("recipient", address), log_err(&err));
		return true;
	}
	if (to.code / 100 == 2)
		return true;
	rcpt_refuse(s, address, to.code, to.enhanced, to.text);
	return false;
}

enum smtp_recipient_taken
smtp_recipient_take(struct smtp_session *s, struct span address,
    const struct smtp_rcpt *rcpt, const struct resolution *resolution)
{
	struct smtp_transaction *t = s->transaction;

	if (t->recipients_len >= s->conf->recipients_max ||
	    t->finals_len + t->remotes_len + resolution->count >
		s->conf->recipients_max)
		return SMTP_RECIPIENT_TOO_MANY;
	return recipient_add(t, address, rcpt, resolution)
		   ? SMTP_RECIPIENT_TAKEN
		   : SMTP_RECIPIENT_FAILED;
}

void
smtp_recipient_fini(struct smtp_recipient *r)
{
	smtp_disposition_fini(&r->disposition);
	free(r->finals);
	free(r->remotes);
	free(r->orcpt);
	free(r->places);
}

struct smtp_recipient *
smtp_recipient_find(struct smtp_session *s, struct mailaddr address)
{
	struct smtp_transaction *t = s->transaction;

	for (size_t i = 0; i < t->recipients_len; i++) {
		struct span path = span_str(t->recipients[i].forward_path);
		struct mailaddr has;

		if (mailaddr_parse(path, 0, &has, NULL) == 0 &&
		    mailaddr_same(has, address))
			return &t->recipients[i];
	}
	return NULL;
}

/* True: a milter refuses the recipient, and has been heard. */
static bool
rcpt_judged(struct smtp_session *s, struct span argument, const char *tenant)
{
	CLEANUP(milter_verdict_fini) struct milter_verdict v;

	milter_verdict_init(&v);
	smtp_chain_rcpt(s->chain, argument, tenant, &v);
	if (v.ruling == MILTER_RULES_DISCARD) {
		s->transaction->discard = true;
		smtp_chain_reset(s->chain);
	}
	return smtp_reply_verdict(s, "RCPT", &v);
}

/* Once it is clear that it may be one. */
static void
rcpt_take(struct smtp_session *s, struct span address, struct span argument,
    const struct smtp_rcpt *rcpt, const struct resolution *resolution)
{
	const char *tenant = resolution->tenant.name[0] == '\0'
				 ? s->transaction->tenant
				 : resolution->tenant.name;

	if (rcpt_judged(s, argument, tenant))
		return;
	switch (smtp_recipient_take(s, address, rcpt, resolution)) {
	case SMTP_RECIPIENT_TAKEN:
		/* One brand's mail, and what its milters take for it, is on
		 * that brand's budget of workers. */
		if (s->transaction->recipients_len == 1 && tenant[0] != '\0')
			conn_tenant(s->conn, tenant);
		smtp_chain_rcpt_taken(s->chain);
		smtp_reply(s, 250, "2.1.5", "Ok");
		return;
	case SMTP_RECIPIENT_TOO_MANY:
		rcpt_refuse(s, address, 452, "4.5.3", "Too many recipients");
		return;
	case SMTP_RECIPIENT_FAILED:
		smtp_reply(s, 451, "4.3.0", "Out of memory");
		return;
	}
}

static void
rcpt_accept(struct smtp_session *s, struct span address, struct span argument,
    const struct smtp_rcpt *rcpt, const struct resolution *resolution)
{
	const struct smtp_transaction *t = s->transaction;

	if (resolution->count == 0) {
		rcpt_refuse(
		    s, address, 550, "5.2.1", "The list has no members");
		return;
	}
	/* It would be too long next time as well. */
	if (resolution->count > s->conf->recipients_max) {
		rcpt_refuse(s, address, 550, "5.5.3",
		    "The list has more members than a message may have");
		return;
	}
	if (t->finals_len + t->remotes_len + resolution->count >
	    s->conf->recipients_max) {
		rcpt_refuse(s, address, 452, "4.5.3", "Too many recipients");
		return;
	}
	if (rcpt_has_room(s, address, resolution))
		rcpt_take(s, address, argument, rcpt, resolution);
}

static void
rcpt_unknown(struct smtp_session *s, struct span address)
{
	rcpt_refuse(s, address, 550, "5.1.1", "No such user here");
	if (++s->unknown >= s->conf->unknown_max && !s->quit)
		smtp_goodbye(s, "4.7.1", "Too many unknown recipients");
}

/* To other hosts only for those who logged in. */
static void
rcpt_foreign(struct smtp_session *s, struct span address, struct span argument,
    const struct smtp_rcpt *rcpt, const struct resolution *resolution)
{
	const struct smtp_transaction *t = s->transaction;

	if (s->account_id == NULL && !resolution->last_known)
		rcpt_refuse(s, address, 550, "5.7.1", "Relaying denied");
	/* Perhaps it has become ours while the directory was gone. */
	else if (s->account_id == NULL)
		rcpt_refuse(
		    s, address, 451, "4.3.0", "Directory not available");
	else if (t->finals_len + t->remotes_len >= s->conf->recipients_max)
		rcpt_refuse(s, address, 452, "4.5.3", "Too many recipients");
	else
		rcpt_take(s, address, argument, rcpt, resolution);
}

static void
rcpt_resolve(struct smtp_session *s, struct span address, struct span argument,
    const struct smtp_rcpt *rcpt)
{
	CLEANUP(resolution_fini) struct resolution resolution = { 0 };
	struct err err = ERR_INIT;

	if (tenants_resolve(smtp_server_tenants(s->server), address,
		&resolution, &err) == -1) {
		log_warning(&s->log, "recipient not resolved",
		    log_span("recipient", address), log_err(&err));
		rcpt_refuse(
		    s, address, 451, "4.3.0", "Directory not available");
		return;
	}
	switch (resolution.outcome) {
	case RESOLVE_MAILBOX:
	case RESOLVE_GROUP:
		rcpt_accept(s, address, argument, rcpt, &resolution);
		return;
	case RESOLVE_UNKNOWN:
		rcpt_unknown(s, address);
		return;
	case RESOLVE_FOREIGN:
		rcpt_foreign(s, address, argument, rcpt, &resolution);
		return;
	case RESOLVE_SUSPENDED:
		rcpt_refuse(
		    s, address, 450, "4.2.1", "The mailbox is suspended");
		return;
	case RESOLVE_REFUSED:
		rcpt_refuse(
		    s, address, 550, "5.2.1", "The mailbox takes no mail");
		return;
	case RESOLVE_LOOP:
		rcpt_refuse(
		    s, address, 550, "5.4.6", "Lists contain each other");
		return;
	}
}

/*
 * <Postmaster> without a domain is the postmaster of the brand whose name
 * the client used (SNI), else of the first domain.    RFC 5321 section 4.5.1
 */
static int
postmaster_address(struct smtp_session *s, struct buf *address, struct err *err)
{
	struct tenants *tenants = smtp_server_tenants(s->server);
	struct span host = span_str(conn_tls_server_name(s->conn));
	struct domain_info *domains = NULL;
	struct tenant_info tenant;
	const char *name = NULL;
	size_t count = 0;
	int rc;

	if (host.len > 0 &&
	    tenants_host(tenants, host, &tenant, err) == LOOKUP_FOUND)
		name = tenant.name;
	if (tenants_domains(tenants, name, &domains, &count, err) == -1)
		return -1;
	if (count > 0)
		buf_append_fmt(address, "postmaster@%s", domains[0].name);
	else
		(void)err_set(err, ERR_TEMP, "no domain in the directory");
	rc = count > 0 ? buf_check(address, err) : -1;
	free(domains);
	return rc;
}

void
smtp_rcpt(struct smtp_session *s, struct span argument)
{
	CLEANUP(buf_fini) struct buf address;
	struct smtp_rcpt rcpt;
	struct err err = ERR_INIT;

	buf_init(&address, MAILADDR_PATH_MAX - 1);
	if (s->transaction == NULL) {
		smtp_reply(s, 503, "5.5.1", "Send MAIL first");
		return;
	}
	if (smtp_rcpt_parse(argument, &rcpt, &err) == -1) {
		smtp_reply_err(s, &err);
		return;
	}
	if (s->transaction->recipients_len >= s->conf->recipients_max) {
		smtp_reply(s, 452, "4.5.3", "Too many recipients");
		return;
	}
	if (rcpt.forward_path.domain.len > 0)
		mailaddr_format(rcpt.forward_path, &address);
	else if (postmaster_address(s, &address, &err) == -1) {
		smtp_reply_err(s, &err);
		return;
	}
	rcpt_resolve(s, buf_span(&address), argument, &rcpt);
}
