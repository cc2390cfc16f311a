/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of message files.
 *
 *	name   = base [ info ]
 *	base   = 1*( any but ":" "/" NUL CR LF ), not starting with "."
 *	         ",S=" and ",W=" in it tell the sizes on disk and with CRLF
 *	info   = ":2," letters [ "," rest ]
 *
 * Matching goes by the base alone.
 */
#ifndef HK_STORE_FILENAME_H
#define HK_STORE_FILENAME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

#define FILENAME_MAX_OCTETS 255 /* NAME_MAX */

struct filename {
	struct span base;
	struct span info; /* from the ":" on, or empty */
	uint64_t letters; /* MESSAGE_... bits of the letters in info */
	uint64_t size_physical, size_virtual; /* MESSAGE_SIZE_UNKNOWN */
};

/* Splits a directory entry's name.  False: no message's name. */
bool filename_parse(struct span name, struct filename *out);

/*
 * The info part for these letters: ":2," and, in ASCII order, the letters and
 * whatever other flag characters old_info had; then its ",rest".
 */
void filename_format_info(
    uint64_t letters, struct span old_info, struct buf *out);

/* True when info is what filename_format_info makes of its own letters. */
bool filename_info_plain(struct span info, uint64_t letters);

/*
 * Order of arrival: seconds, then the microseconds of "M", then the base.
 * Negative, 0 or positive.
 */
int filename_cmp(struct span a, struct span b);

/* Of two struct span, octet by octet; for qsort and bsearch. */
int span_order(const void *a, const void *b);

#endif
