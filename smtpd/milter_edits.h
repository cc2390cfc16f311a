/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one milter asked for at the end of a message.  It is kept until the
 * milter's final verdict: an edit of a milter that then refused, or died, was
 * never made.
 */
#ifndef HK_SMTPD_MILTER_EDITS_H
#define HK_SMTPD_MILTER_EDITS_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "smtpd/milter_codec.h"

#define MILTER_EDITS_MAX 20000

struct milter_edit {
	enum milter_reply_kind kind;
	uint32_t index;
	char *octets; /* holds what the spans below borrow */
	struct span name, text, parameters;
};

struct milter_edits {
	struct milter_edit *items;
	size_t len, room;
	uint64_t octets, octets_max;
};

void milter_edits_init(struct milter_edits *e, uint64_t octets_max);
void milter_edits_fini(struct milter_edits *e);
CLEANUP_DEFINE_VALUE(struct milter_edits, milter_edits_fini)

/* A copy of the reply.  ERR_LIMIT: too many, or too large together. */
int milter_edits_add(
    struct milter_edits *e, const struct milter_reply *reply, struct err *err);

#endif
