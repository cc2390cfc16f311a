/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address lists of header fields, as IMAP's ENVELOPE wants them.
 *
 *	address-list = address *("," address)		RFC 5322 section 3.4
 *	address      = mailbox / group
 *	mailbox      = [phrase] "<" [route ":"] addr-spec ">" / addr-spec
 *	group        = phrase ":" [mailbox-list] ";"
 *
 * Obsolete and broken forms are read for what they most likely mean; nothing
 * is refused.  Encoded words stay as they are.
 */
#ifndef HK_MIME_ADDRLIST_H
#define HK_MIME_ADDRLIST_H

#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

#define ADDRLIST_MAX 5000 /* addresses of one field; the rest is not read */

enum addrlist_kind {
	ADDRLIST_MAILBOX,
	ADDRLIST_GROUP_BEGIN, /* name is the group's */
	ADDRLIST_GROUP_END,
};

struct addrlist_item {
	enum addrlist_kind kind;
	/* Quotes removed, in the arena; p NULL: there is none. */
	struct span name;       /* phrase, or the comment of the old style */
	struct span route;      /* "@a,@b" */
	struct span local_part; /* may be missing, as may the domain */
	struct span domain;
	struct addrlist_item *next;
};

/* *first_out is NULL for a list without addresses.  Errors: the arena's. */
int addrlist_parse(struct span value, struct arena *a,
    struct addrlist_item **first_out, struct err *err);

#endif
