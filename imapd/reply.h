/* SPDX-License-Identifier: BSD-2-Clause */
/* The tokens of IMAP responses.                     RFC 3501 section 9 */
#ifndef HK_IMAPD_REPLY_H
#define HK_IMAPD_REPLY_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/buf.h"
#include "common/span.h"
#include "store/message.h"
#include "store/view.h"

/* A response's text may be no longer; clients read lines of 8 KB. */
#define IMAP_QUOTED_MAX 1000

/* string: quoted when its octets allow it, else a literal. */
void imap_string_write(struct buf *out, struct span s);
/* nstring: NIL when p is NULL. */
void imap_nstring_write(struct buf *out, struct span s);
/* astring: bare when it is 1*ASTRING-CHAR and not NIL. */
void imap_astring_write(struct buf *out, struct span s);
/* A name of the store (UTF-8) in modified UTF-7, as an astring. */
void imap_mailbox_write(struct buf *out, struct span name);

/* "(\Seen $Label)", with \Recent in front if asked. */
void imap_flags_write(
    struct buf *out, const struct view *v, uint64_t letters, bool recent);

/* date-time, in UTC. */
void imap_date_time_write(struct buf *out, time_t when);

/* Text for a human, of ours or from an error: no CR, LF, "]" or 8-bit. */
void imap_text_write(struct buf *out, struct span text);

/* The system flags and their letters, for reading and writing. */
struct imap_system_flag {
	const char *name; /* "\Seen" */
	uint64_t letter;
};
extern const struct imap_system_flag imap_system_flags[5];

#endif
