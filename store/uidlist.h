/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of dovecot-uidlist, which gives each file its UID.
 *
 *	3 V<uidvalidity> N<nextuid> G<32 hex>[ <K><value>...] LF
 *	<uid>[ <K><value>...] :<base name> LF
 *
 * Lines ascend by UID.  The file is only ever appended to, whole lines in one
 * write, or replaced by rename, so a reader needs no lock; the true next UID
 * is the greater of N and the last line's UID + 1.  Version 1, which Courier
 * and old Dovecots write, is read too:
 *
 *	1 <uidvalidity> <nextuid> LF
 *	<uid> <file name> LF
 *
 * States a crash may leave: a short last line without LF (torn: its UID was
 * never shown to anybody, the line is dropped), and dovecot-uidlist.tmp
 * (ignored, overwritten).
 */
#ifndef HK_STORE_UIDLIST_H
#define HK_STORE_UIDLIST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

#define UIDLIST_OTHER_MAX 512 /* octets of header fields we do not know */

struct uidlist_header {
	unsigned version; /* 1 or 3 */
	uint32_t uidvalidity, uidnext;
	char mailbox_id[33];               /* G; "" when there is none */
	char other[UIDLIST_OTHER_MAX + 1]; /* " K..." kept as it came */
};

/*
 * Takes the header line off the front.  ERR_SYNTAX: broken (or not whole),
 * nothing taken.
 */
int uidlist_header_parse(
    struct span *in, struct uidlist_header *out, struct err *err);
void uidlist_header_format(const struct uidlist_header *h, struct buf *out);

struct uidlist_line {
	uint32_t uid;
	struct span fields; /* "W123 P0005", or empty */
	struct span base;
};

enum uidlist_take {
	UIDLIST_LINE,
	UIDLIST_END,    /* nothing left */
	UIDLIST_TORN,   /* the last line has no LF: nothing taken */
	UIDLIST_BROKEN, /* UID 0, or not above last_uid, or no grammar */
};

/* Takes the next line off the front; last_uid: the one before, 0 at first. */
enum uidlist_take uidlist_line_take(struct span *in, unsigned version,
    uint32_t last_uid, struct uidlist_line *out);
void uidlist_line_format(
    uint32_t uid, struct span fields, struct span base, struct buf *out);

/* The fields that a line has, as bits. */
#define UIDLIST_FIELD_BIT(key) ((uint32_t)1 << ((key) - 'A'))
uint32_t uidlist_fields(struct span fields);

/* The value of one field of a line ("W123": 'W'); false: not there. */
bool uidlist_field(struct span fields, char key, struct span *value_out);

#endif
