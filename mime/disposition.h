/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of one recipient's copy of a message: how our milters say it
 * to smtpd, and how smtpd tells later milters what earlier ones have said.
 *
 * A milter of ours says it in ESMTP parameters of SMFIR_ADDRCPT_PAR, whose
 * values are xtext (RFC 3461 section 4) of UTF-8:
 *
 *	FOLDER=		the mailbox it goes to: Junk, Quarantine
 *	TAG=		a text before the subject
 *	REPLACE=	a text in place of everything behind the header; LF
 *			ends its lines
 *	FORWARDEDBY=	the account's address that passes it on
 *	TRACE=		what the filter did: "antivirus=clean"
 *
 * The address is a recipient's already: the parameters change that
 * recipient, FOLDER, TAG, REPLACE and FORWARDEDBY in place of an earlier
 * value, TRACE behind the earlier ones.  It is nobody's: it is added as one
 * more recipient.  SMFIR_DELRCPT: the recipient gets no copy.
 *
 * A later milter reads them in the macro {hk_dispositions} at the end of the
 * message; without the macro nothing was said yet.
 *
 *	dispositions = disposition *( ";" disposition )
 *	disposition  = who 1*( SP parameter )
 *	who          = place *( "," place ) / "<" xtext ">"
 *	place        = 1*DIGIT [ "-" 1*DIGIT ]
 *	parameter    = "DELETED" / keyword "=" xtext
 *
 * A place is that of the RCPT command that the milters saw, from 1; an
 * address, in xtext, is that of an added recipient.  Recipients of whom
 * nothing was said are in none.  TRACE comes once for each filter, in order.
 */
#ifndef HK_MIME_DISPOSITION_H
#define HK_MIME_DISPOSITION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

#define DISPOSITIONS_MACRO "{hk_dispositions}"

struct disposition {
	struct span address; /* of an added recipient; p NULL: of a place */
	bool deleted;
	/* Decoded; p NULL: not said.  Of TRACE all, with "; " between. */
	struct span folder, tag, replace, forwarded_by, trace;
};

struct dispositions {
	struct disposition *rcpts; /* of places: one for each RCPT */
	size_t rcpts_len;
	struct disposition *added;
	size_t added_len;
};

/*
 * Reads the macro; everything is in the arena.  rcpts: how many there were.
 * Errors: ERR_SYNTAX, also for a place that is no recipient's; the arena's.
 */
int dispositions_parse(struct span text, size_t rcpts, struct arena *arena,
    struct dispositions *out, struct err *err);

#endif
