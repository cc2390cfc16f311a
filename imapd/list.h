/* SPDX-License-Identifier: BSD-2-Clause */
/* What LIST is asked for.       RFC 3501 6.3.8, RFC 5258, RFC 5819, RFC 6154 */
#ifndef HK_IMAPD_LIST_H
#define HK_IMAPD_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

/* Patterns of one command. */
#define LIST_PATTERNS_MAX 100

enum {
	/* Selection options. */
	LIST_SUBSCRIBED = 1 << 0,
	LIST_REMOTE = 1 << 1, /* there are none: it changes nothing */
	LIST_RECURSIVEMATCH = 1 << 2,
	LIST_SPECIAL_USE = 1 << 3,
	/* Return options. */
	LIST_RETURN_SUBSCRIBED = 1 << 4,
	LIST_RETURN_CHILDREN = 1 << 5,
	LIST_RETURN_SPECIAL_USE = 1 << 6,
	LIST_RETURN_STATUS = 1 << 7,
};

struct list_request {
	bool extended; /* more than RFC 3501's form */
	unsigned options;
	unsigned status; /* items of STATUS (status.h) */
	/* Each the reference and the pattern, joined; in the arena. */
	struct span *patterns;
	size_t pattern_count;
	/* The one pattern is empty: only the separator is asked for. */
	bool separator;
};

/*
 *	list = "LIST" [SP "(" [option *(SP option)] ")"] SP mailbox SP
 *	       mbox-or-pat [SP "RETURN" SP "(" [return *(SP return)] ")"]
 *
 * args begins behind LIST.  Errors: ERR_SYNTAX; ERR_LIMIT; the arena's.
 */
int list_request_parse(struct span *args, struct arena *a,
    struct list_request *out, struct err *err);

#endif
