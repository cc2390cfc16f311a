/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * POP3 unique-ids of messages.				RFC 1939 section 7
 *
 * A message whose uidlist line has a P field keeps that one for good (empty:
 * its base name).  The others have one in the form that the brand's old server
 * used, so that a brand which moves here changes no form:
 *
 *	form   = name / 1*piece
 *	piece  = octet / "%%" / number / "%f" / "%Mf" / "%g"
 *	number = "%" [ "0" width ] [ "X" ] ( "u" / "v" )
 *	width  = nz-digit [ digit ]			; 20 at most
 *	octet  = %x21-24 / %x26-7E
 *
 * u is the UID, v the UIDVALIDITY, X makes them hexadecimal (small letters),
 * f is the base name of the file, Mf the MD5 of that, g the message's id
 * (field G, else the base name).  This is what Dovecot 2.3's pop3_uidl_format
 * has of use for a Maildir.  The names:
 *
 *	dovecot		%08Xu%08Xv	uw		%08Xv%08Xu
 *	courier		UID%u-%v	cyrus		%v.%u
 *	qmail		%f		cyrus-uid	%u
 */
#ifndef HK_STORE_UNIQUE_ID_H
#define HK_STORE_UNIQUE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "store/view.h"

/* Octets of a form's text. */
#define UNIQUE_ID_FORM_MAX 40
/*
 * Octets of a unique-id that is told.  RFC 1939 allows 70, and so long are
 * those we make of numbers; those of other servers are longer where they are
 * names of files, and come back as they were.
 */
#define UNIQUE_ID_MAX 255

struct unique_id_form {
	size_t count;
	struct unique_id_piece {
		char kind; /* u, v, f, g; 0: the octet */
		char octet;
		uint8_t width;
		bool hex : 1, md5 : 1;
	} pieces[UNIQUE_ID_FORM_MAX];
};

/*
 * Errors: ERR_SYNTAX, with the column, against the grammar; or it has nothing
 * that differs from message to message, or needs more than 70 octets.
 */
int unique_id_form_parse(
    struct span text, struct unique_id_form *form_out, struct err *err);

/*
 * Appends a message's unique-id; form NULL: dovecot.  A field or a name that
 * cannot be told (not all of %x21-7E, or empty) is passed over, for a number
 * in Dovecot's form.  Two messages may have the same; whoever tells
 * them makes them differ.
 */
void view_unique_id(const struct view *v, uint32_t index,
    const struct unique_id_form *form, struct buf *out);

struct mailbox;

/* One message's, to be kept. */
struct unique_id {
	uint32_t uid;
	struct span text; /* 1 to UNIQUE_ID_MAX octets of %x21-7E */
};

/*
 * Writes them into the list of the mailbox as P fields.  uids ascend; unknown
 * ones are passed over.  Errors: those of mailbox.h.
 */
int mailbox_keep_unique_ids(struct mailbox *m, const struct unique_id *ids,
    size_t count, struct err *err);

#endif
