/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One message of a view (view.h), and its content.
 *
 * Flags are letters of the file name, kept as a set of bits: `A` to `Z` are
 * bits 0 to 25 and `a` to `z` bits 26 to 51, so letters nobody knows survive
 * every change.  The capital ones below are the system flags, the small ones
 * are keywords (keywords.h names them).
 */
#ifndef HK_STORE_MESSAGE_H
#define HK_STORE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

#define MESSAGE_LETTER_BIT(c)                                                  \
	((uint64_t)1 << ((c) >= 'a' ? (c) - 'a' + 26 : (c) - 'A'))

#define MESSAGE_DRAFT MESSAGE_LETTER_BIT('D')
#define MESSAGE_FLAGGED MESSAGE_LETTER_BIT('F')
#define MESSAGE_ANSWERED MESSAGE_LETTER_BIT('R')
#define MESSAGE_SEEN MESSAGE_LETTER_BIT('S')
#define MESSAGE_DELETED MESSAGE_LETTER_BIT('T')
#define MESSAGE_SYSTEM_FLAGS                                                   \
	(MESSAGE_DRAFT | MESSAGE_FLAGGED | MESSAGE_ANSWERED | MESSAGE_SEEN |   \
	    MESSAGE_DELETED)

/* Keyword n (0..25) is letter 'a' + n. */
#define MESSAGE_KEYWORD(n) ((uint64_t)1 << (26 + (n)))
#define MESSAGE_KEYWORDS (((uint64_t)0x3ffffff) << 26)
#define MESSAGE_LETTERS (((uint64_t)1 << 52) - 1)

/* Not letters: */
#define MESSAGE_IN_NEW ((uint64_t)1 << 62) /* no session has moved it yet */
#define MESSAGE_GONE ((uint64_t)1 << 63)   /* expunged, not yet told (IMAP) */

#define MESSAGE_SIZE_UNKNOWN UINT64_MAX

/* Read only, except for the store itself. */
struct message {
	uint64_t letters;
	uint64_t change; /* the view's when it last changed: its MODSEQ */
	/* Octets as a client sees them (every line ending CRLF), if known. */
	_Atomic uint64_t size_virtual;
	_Atomic uint64_t size_physical; /* octets in the file, if known */
	uint32_t uid;
	/* In the chunk's names: base, tail (":2," apart), uidlist fields. */
	uint32_t name_at;
	uint8_t base_len, tail_len;
	uint16_t fields_len;
};

struct mailbox;
struct content;

/*
 * Opens the content of the message with this uid.  A file that was renamed
 * meanwhile (flags changed by somebody else) is found again.
 *
 * Errors: ERR_POLICY, there is no such message (any more); ERR_TEMP.
 */
int content_open(struct mailbox *m, uint32_t uid, struct content **content_out,
    struct err *err);
/*
 * The same where nothing has to be waited for: a message that is not long, and
 * is where it was last, in the kernel's memory.  False: ask content_open.
 */
bool content_open_cached(
    struct mailbox *m, uint32_t uid, struct content **content_out);
void content_free(struct content *c);
CLEANUP_DEFINE_PTR(struct content, content_free)

/*
 * The failure of a call here lies in this message's file (no right to read it,
 * a bad sector, cut short while it was read): others can be read.
 */
bool message_unreadable(const struct err *err);

/*
 * All octets, every line ending in CRLF (a bare LF in the file has become
 * CRLF; nothing else differs from the file).  Borrowed until content_free.
 */
struct span content_span(const struct content *c);

/*
 * A descriptor whose octets 0 to content_span().len are the same, for
 * conn_write_file; or -1 when the content is in memory only (it is small:
 * write the span).  Borrowed; it may be gone after content_free, but
 * conn_write_file takes its own.
 */
int content_fd(const struct content *c);

/*
 * The header alone, for who needs no more: the front of the file is read, and
 * what is behind it is not.  One struct serves for many messages in turn.
 */
struct message_head {
	/* As content_span begins, the empty line included.  Borrowed until the
	 * next read, or fini. */
	struct span header;
	size_t fields; /* octets of it without the empty line */
	time_t date;   /* INTERNALDATE */
	struct buf front, text;
};
void message_head_init(struct message_head *head);
void message_head_fini(struct message_head *head);
CLEANUP_DEFINE_VALUE(struct message_head, message_head_fini)
/* Errors: content_open's. */
int message_head_read(struct mailbox *m, uint32_t uid,
    struct message_head *head, struct err *err);

/* INTERNALDATE: the file's modification time. */
time_t content_date(const struct content *c);

/*
 * The same without the content: one stat for the date, and the whole file is
 * read only if its name does not tell the size (the answer is remembered).
 */
int message_date(
    struct mailbox *m, uint32_t uid, time_t *date_out, struct err *err);
int message_size(
    struct mailbox *m, uint32_t uid, uint64_t *octets_out, struct err *err);

#endif
