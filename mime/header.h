/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a message's header ends, and the fields in it.
 *
 * Stored octets are the received ones; nobody inserts an empty line to tell a
 * header from a body.  So this is the one place that says where the header
 * ends, and every reader (POP3 TOP, IMAP, quota of headers, filters) asks
 * here, for whole messages and for the parts inside them.
 *
 * The rule.  A line ends with LF, and a CR before it belongs to the line end:
 * mail that came by SMTP has CRLF, trees taken over from other servers have
 * LF.  Lines are read from the top, and each is one of
 *
 *	field		1*ftext *WSP ":" ...		RFC 5322 2.2, 4.5
 *	continuation	WSP ..., behind a field		RFC 5322 2.2.3
 *	mbox line	"From " or ">From " ..., if the next line is a field
 *	empty		the line end alone
 *	text		anything else
 *
 * where ftext is %d33-57 / %d59-126.  The header goes on over fields,
 * continuations and mbox lines.  An empty line ends it and belongs to it.  A
 * text line ends it and is the body's first line.  Hence
 *
 *	message				header			body
 *	no octets			nothing			nothing
 *	begins with an empty line	that line		the rest
 *	fields only			all of it		nothing
 *	no field at all			nothing			all of it
 *	fields, then text with no	the fields		from that text
 *on empty line between last line unfinished		as if it were finished
 *
 * Two consequences are accepted: a first line of text like "Note: hello"
 * reads as a field, as it does everywhere, and a message that begins with
 * white space joins the last trace field put above it.
 */
#ifndef HK_MIME_HEADER_H
#define HK_MIME_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/span.h"

struct header_end {
	size_t fields; /* octets of fields, without the empty line */
	size_t body;   /* where the body begins: fields and the empty line */
};

/* Of a whole message or part. */
struct header_end header_end(struct span message);

/*
 * For a reader that has only the front of a message yet.  False: the end is
 * not in these octets (nor decided by them); come again with more, or ask
 * header_end when there is no more.
 */
bool header_end_within(struct span front, struct header_end *end_out);

/* A field, borrowed from the header. */
struct field {
	struct span raw;   /* all of it: name, colon, folded lines, line ends */
	struct span name;  /* as written, without white space before ":" */
	struct span value; /* behind the colon, folds inside, without the last
			      line end; not trimmed */
};

/*
 * Takes the next field off the front of *fields, which begins as the header
 * (the first header_end.fields octets of a message).  mbox lines are passed
 * over.  False at the end, and at a line that is no field.
 */
bool field_next(struct span *fields, struct field *field_out);

/* The first field of that name, compared without ASCII case. */
bool field_find(struct span fields, struct span name, struct field *field_out);

/*
 * Appends the value unfolded (each line end that white space follows is
 * dropped, RFC 5322 2.2.3; any other CR or LF too) and trimmed.
 */
void field_unfold(struct span value, struct buf *out);

#endif
