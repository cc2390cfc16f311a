/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One rendering of a message, for all recipients with equal results: with a
 * text before the subject, or with a notice in place of what the sender wrote.
 */
#ifndef HK_SMTPD_VARIANT_H
#define HK_SMTPD_VARIANT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "smtpd/disposition.h"
#include "smtpd/draft.h"

struct smtp_variant {
	struct buf header; /* with its empty line */
	struct buf notice; /* the body, if it was replaced */
	struct span body;
	bool replaced;
};

void smtp_variant_fini(struct smtp_variant *v);
CLEANUP_DEFINE_VALUE(struct smtp_variant, smtp_variant_fini)

/*
 * The draft as this disposition wants it.  Spans of the draft must stay.
 * Errors: ERR_TEMP; ERR_LIMIT, larger than octets_max.
 */
int smtp_variant_make(struct smtp_variant *v, const struct draft *draft,
    const struct smtp_disposition *d, size_t octets_max, struct err *err);

#endif
