/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sequence sets.                                   RFC 3501 section 9
 *
 *	sequence-set = (seq-number / seq-range) *("," sequence-set)
 *	seq-range    = seq-number ":" seq-number
 *	seq-number   = nz-number / "*"
 */
#ifndef HK_IMAPD_SEQUENCE_H
#define HK_IMAPD_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

#define SEQUENCE_STAR 0 /* "*" in a parsed set; numbers are never 0 */

struct sequence_range {
	uint32_t first, last;
};

struct sequence_set {
	struct sequence_range *ranges; /* in the arena */
	size_t count;
	bool saved; /* "$" (RFC 5182): session_saved_get fills it in */
};

/* As written: order, overlaps and stars are kept.  "$" has no ranges yet. */
int sequence_set_parse(struct span *in, struct arena *a,
    struct sequence_set *set_out, struct err *err);

/*
 * Puts largest in the place of "*", each range's smaller number first, sorts
 * and joins: ascending ranges that neither touch nor overlap.  largest 0 (an
 * empty mailbox) leaves no range that names a star alone.
 */
void sequence_set_resolve(struct sequence_set *set, uint32_t largest);

/* Both for a resolved set.  The greatest number named; 0: none. */
uint32_t sequence_set_max(const struct sequence_set *set);
bool sequence_set_has(const struct sequence_set *set, uint32_t number);

/*
 * Writes numbers as a set, "1:3,7".  Neighbours join where each is the one
 * before it plus one, as given: COPYUID pairs two sets, so order counts.
 */
void sequence_set_format(
    const uint32_t *numbers, size_t count, struct buf *out);

#endif
