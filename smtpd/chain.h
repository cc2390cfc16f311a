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
	size_t len;
	struct milter_talk talks[];
};

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
void smtp_chain_rcpt(
    struct smtp_chain *c, struct span argument, struct milter_verdict *v);
void smtp_chain_rcpt_refused(struct smtp_chain *c, struct span argument,
    const char *enhanced, const char *text);
void smtp_chain_data(struct smtp_chain *c, struct milter_verdict *v);
void smtp_chain_unknown(struct smtp_chain *c, struct span line);

/*
 * Shows the message to each and makes its edits: those of the message in
 * *draft, those of the envelope in the session's transaction.
 */
void smtp_chain_content(
    struct smtp_chain *c, struct draft *draft, struct milter_verdict *v);
/* The transaction is over, however it went. */
void smtp_chain_reset(struct smtp_chain *c);

/* chain_macros.c: a macro's value. */
bool smtp_chain_macro(void *arg, struct span name, struct buf *out);

/* chain_envelope.c: a milter's edits of sender and recipients. */
void smtp_chain_envelope(struct smtp_chain *c, const struct milter_talk *t,
    const struct milter_edits *edits, struct milter_verdict *v);

#endif
