/* SPDX-License-Identifier: BSD-2-Clause */
/* MAIL.                                       RFC 5321 section 4.1.1.2 */
#include <stdio.h>
#include <string.h>

#include "smtpd/chain.h"
#include "smtpd/session.h"

/* Octets in memory before a message goes to a file. */
#define SPOOL_MEMORY (256 * 1024)

/* Submission is for those who logged in, each under their own addresses. */
static bool
sender_allowed(struct smtp_session *s, const char *reverse_path)
{
	struct err err = ERR_INIT;

	if (!smtp_is_submission(s))
		return true;
	if (s->account_id == NULL) {
		smtp_reply(s, 530, "5.7.0", "Authentication required");
		return false;
	}
	if (reverse_path[0] == '\0')
		return true;
	switch (tenants_may_send_as(smtp_server_tenants(s->server),
	    s->account_id, span_str(reverse_path), &err)) {
	case LOOKUP_FOUND:
		return true;
	case LOOKUP_NONE:
		log_notice(&s->log, "sender is not the login's",
		    log_span("reverse_path", span_str(reverse_path)));
		smtp_reply(s, 553, "5.7.1",
		    "You may send under your own addresses only");
		return false;
	case LOOKUP_FAILED:
		break;
	}
	smtp_reply_err(s, &err);
	return false;
}

/* True: a milter refuses the client or the sender, and has been heard. */
static bool
mail_judged(struct smtp_session *s, struct span argument)
{
	CLEANUP(milter_verdict_fini) struct milter_verdict v;

	milter_verdict_init(&v);
	if (smtp_refusal_reply(s))
		return true;
	smtp_chain_mail(s->chain, argument, &v);
	if (v.ruling == MILTER_RULES_DISCARD) {
		s->transaction->discard = true;
		smtp_chain_reset(s->chain);
	}
	return smtp_reply_verdict(s, "MAIL", &v);
}

static struct smtp_transaction *
transaction_new(struct smtp_session *s, const struct smtp_mail *m)
{
	struct smtp_transaction *t = calloc(1, sizeof(*t));
	CLEANUP(buf_fini) struct buf path;

	buf_init(&path, MAILADDR_PATH_MAX - 1);
	if (t == NULL)
		return NULL;
	mailaddr_format(m->reverse_path, &path);
	memcpy(t->reverse_path, buf_str(&path), path.len + 1);
	t->id = log_id_new();
	t->body_8bit = m->body_8bit;
	t->ret = m->ret;
	if (m->envid.len > 0)
		t->envid = strndup(m->envid.p, m->envid.len);
	(void)snprintf(t->tenant, sizeof(t->tenant), "%s", s->log.tenant);
	t->size_octets = m->has_size ? m->size : 0;
	spool_init(&t->spool, SPOOL_MEMORY, smtp_server_spool_fd(s->server));
	return t;
}

void
smtp_mail(struct smtp_session *s, struct span argument)
{
	struct smtp_transaction *t;
	struct smtp_mail m;
	struct err err = ERR_INIT;

	if (s->helo == NULL) {
		smtp_reply(s, 503, "5.5.1", "Send EHLO or HELO first");
		return;
	}
	if (s->transaction != NULL) {
		smtp_reply(s, 503, "5.5.1", "A transaction is under way");
		return;
	}
	if (smtp_mail_parse(argument, &m, &err) == -1) {
		smtp_reply_err(s, &err);
		return;
	}
	if (m.has_size && m.size > s->message_max) {
		smtp_reply(s, 552, "5.3.4",
		    "Message too large: at most %llu octets are taken",
		    (unsigned long long)s->message_max);
		return;
	}
	t = transaction_new(s, &m);
	if (t == NULL) {
		smtp_reply(s, 451, "4.3.0", "Out of memory");
		return;
	}
	s->transaction = t;
	if (!sender_allowed(s, t->reverse_path) || mail_judged(s, argument))
		smtp_transaction_reset(s);
	else
		smtp_reply(s, 250, "2.1.0", "Ok");
}
