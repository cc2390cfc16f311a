/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a mailbox on the disk is as it should be, and its repair. */
#ifndef HK_STORE_FSCK_H
#define HK_STORE_FSCK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"
#include "store/account.h"

struct fsck_result {
	uint64_t messages;
	/* Mended by opening the mailbox, without changing any other UID: */
	bool no_list;       /* dovecot-uidlist is not there, or has no header */
	bool torn;          /* its last line is not whole */
	bool broken;        /* a line in it is none */
	uint64_t unlisted;  /* files without a line: new, or lost from it */
	uint64_t parts;     /* of new/, cur/, tmp/ that are missing */
	uint64_t leftovers; /* files in tmp/, older than 36 hours */
	/* Told, and left to people: */
	uint64_t doubled;    /* two files with one base name */
	uint64_t wrong_size; /* the name tells another size than the file has */
	uint64_t strangers;  /* what is no message's file */
};

/*
 * Looks at it under the mailbox's lock.  With repair, mends what can be.
 * Errors: ERR_POLICY, no such mailbox; ERR_TEMP.
 */
int mailbox_fsck(struct account *a, struct span name, bool repair,
    struct fsck_result *result_out, struct err *err);

/* Whether there is anything wrong; unlisted mail in new/ is not. */
bool fsck_found(const struct fsck_result *r);

#endif
