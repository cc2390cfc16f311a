/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The milters of one session, asked in the order of the configuration: of an
 * event of the envelope until one has something against it; of the message
 * one after the other, each with what those before it changed.
 */
#ifndef HK_SMTPD_CHAIN_H
#define HK_SMTPD_CHAIN_H

#include <stdbool.h>

#include "common/span.h"
#include "smtpd/draft.h"
#include "smtpd/milter_talk.h"
#include "smtpd/session.h"

struct smtp_chain {
	struct smtp_session *session;
	struct milters *milters;
	struct milter_source source;
	char host[64];    /* "[192.0.2.7]" */
	struct span rcpt; /* of the RCPT at hand, without <> */
	/* Of a recipient that we refused ourselves. */
	const char *rcpt_enhanced, *rcpt_text;
	const struct draft *draft;
	const struct milter_talk *at; /* who is asked now */
	/* Of MAIL, for milters that only hear of it with a recipient. */
	struct buf mail;
	unsigned *places; /* of the RCPT at hand, for each milter */
	size_t len;
	struct milter_talk talks[];
};

/*
 * Recipients of a tenant that has milters of its own get what those made of
 * the message; everybody else what the common ones made of it.
 */
struct smtp_group {
	char tenant[TENANT_NAME_MAX + 1]; /* "": everybody else */
	struct draft own;
	const struct draft *draft;
	struct milter_verdict verdict;
	bool refused;
	char *quarantine;
};
struct smtp_groups {
	struct smtp_group *items; /* the first is everybody else's */
	size_t len;
};
void smtp_groups_fini(struct smtp_groups *g);
CLEANUP_DEFINE_VALUE(struct smtp_groups, smtp_groups_fini)

/* NULL: no milter judges what this listener takes. */
struct smtp_chain *smtp_chain_new(struct smtp_session *s);
void smtp_chain_free(struct smtp_chain *c);

/*
 * What the milters have to say, into *v, which the caller has initialised.
 * c may be NULL: nothing.
 */
void smtp_chain_connect(struct smtp_chain *c, struct milter_verdict *v);
void smtp_chain_helo(struct smtp_chain *c, struct milter_verdict *v);
/* argument: of the command, "FROM:<a@b> SIZE=1". */
void smtp_chain_mail(
    struct smtp_chain *c, struct span argument, struct milter_verdict *v);
/* tenant: whose recipient it is. */
void smtp_chain_rcpt(struct smtp_chain *c, struct span argument,
    const char *tenant, struct milter_verdict *v);
/* It has become the transaction's last recipient. */
void smtp_chain_rcpt_taken(struct smtp_chain *c);
/* The milter is shown this tenant's recipients. */
bool smtp_chain_shows(const struct milter_talk *t, const char *tenant);
void smtp_chain_rcpt_refused(struct smtp_chain *c, struct span argument,
    const char *enhanced, const char *text);
void smtp_chain_data(struct smtp_chain *c, struct milter_verdict *v);
void smtp_chain_unknown(struct smtp_chain *c, struct span line);

/*
 * Shows the message to each milter of all and makes its edits: those of the
 * message in *draft, those of the envelope in the session's transaction.
 */
void smtp_chain_content(
    struct smtp_chain *c, struct draft *draft, struct milter_verdict *v);
/*
 * Then to the milters of tenants, each tenant's on a copy of its own.  *draft
 * must stay.  ERR_TEMP: no memory.
 */
int smtp_chain_groups(struct smtp_session *s, const struct draft *draft,
    struct smtp_groups *groups, struct err *err);
/* Whose group a recipient is in. */
struct smtp_group *smtp_groups_of(
    const struct smtp_groups *groups, const char *tenant);
/* The transaction is over, however it went. */
void smtp_chain_reset(struct smtp_chain *c);

/* chain_macros.c: a macro's value; and the one with dispositions so far. */
bool smtp_chain_dispositions(const struct smtp_chain *c, struct buf *out);
bool smtp_chain_macro(void *arg, struct span name, struct buf *out);

/* chain.c: one milter's turn. */
void smtp_chain_turn(struct smtp_chain *c, struct milter_talk *t,
    struct draft *draft, struct milter_verdict *v);
void smtp_chain_mail_late(
    struct smtp_chain *c, struct milter_talk *t, struct milter_verdict *v);
void smtp_chain_rcpt_one(struct smtp_chain *c, struct milter_talk *t,
    struct span argument, struct milter_verdict *v);

/* chain_envelope.c: a milter's edits of sender and recipients. */
void smtp_chain_envelope(struct smtp_chain *c, const struct milter_talk *t,
    const struct milter_edits *edits, struct milter_verdict *v);

#endif
