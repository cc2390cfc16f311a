/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of one recipient's copy of a message, as our own milters have
 * said so far (design section 4; mime/disposition.h tells the whole language).
 * Values stay in xtext: so they came, and so they go to deliveryd and to later
 * milters.
 */
#ifndef HK_SMTPD_DISPOSITION_H
#define HK_SMTPD_DISPOSITION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

#define SMTP_TRACES_MAX 8

struct smtp_disposition {
	char *folder;  /* the mailbox it goes to */
	char *tag;     /* a text before the subject */
	char *replace; /* a text in place of what stands behind the header */
	char *forwarded_by;            /* whose account passes it on */
	char *traces[SMTP_TRACES_MAX]; /* what filters did, in order */
	size_t traces_len;
};

void smtp_disposition_fini(struct smtp_disposition *d);

/*
 * Takes ESMTP parameters, one space between.  Those that are not ours are
 * passed over and appended to *ignored.
 *
 * Errors: ERR_SYNTAX, no xtext, or no text; ERR_LIMIT, a trace too many.
 * *d then holds what came before.
 */
int smtp_disposition_take(struct smtp_disposition *d, struct span parameters,
    struct buf *ignored, struct err *err);

/* Nothing was said. */
bool smtp_disposition_empty(const struct smtp_disposition *d);
/* Both get the same octets. */
bool smtp_disposition_same_text(
    const struct smtp_disposition *a, const struct smtp_disposition *b);

/* Appends " KEYWORD=xtext" of each, for the macro of later milters. */
void smtp_disposition_put(const struct smtp_disposition *d, struct buf *out);

/*
 * Appends deliveryd's parameters of RCPT, each with a space before it.
 * quarantine: why a milter had the message quarantined, or NULL.
 */
void smtp_disposition_put_lmtp(
    const struct smtp_disposition *d, const char *quarantine, struct buf *out);

#endif
