/* SPDX-License-Identifier: BSD-2-Clause */
/* Message IDs in header fields.		RFC 5322 sections 3.6.4, 4.5.4
 */
#ifndef HK_MIME_MSGID_H
#define HK_MIME_MSGID_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/span.h"

/* Longer ones are none. */
#define MSGID_MAX 1000

/*
 * Takes what stands up to and including the next valid msg-id off *in, and
 * appends that id without "<" and ">", quotes, comments and white space, so
 * that all ways to write one compare equal (RFC 5256 section 3).  False: there
 * is none any more.
 *
 *	msg-id = "<" id-left "@" id-right ">"
 */
bool msgid_next(struct span *in, struct buf *out);

#endif
