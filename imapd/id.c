/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/id.h"

#include "imapd/parse.h"

/* RFC 2971 section 3.3: no more than 30 pairs. */
#define PAIRS_MAX 30

int
imap_id_parse(
    struct span *in, struct arena *a, struct buf *said, struct err *err)
{
	struct span rest = *in, name, value;
	unsigned pairs = 0;

	if (imap_sp_parse(&rest, err) == -1)
		return -1;
	if (!span_take_octet(&rest, '(')) {
		if (imap_nstring_parse(&rest, a, &value, err) == -1)
			return -1;
		if (value.p != NULL)
			return err_set(err, ERR_SYNTAX, "list or NIL expected");
		return imap_end_parse(&rest, err);
	}
	while (!span_take_octet(&rest, ')')) {
		if (++pairs > PAIRS_MAX)
			return err_set(err, ERR_SYNTAX, "over 30 pairs");
		if ((pairs > 1 && imap_sp_parse(&rest, err) == -1) ||
		    imap_string_parse(&rest, a, &name, err) == -1 ||
		    imap_sp_parse(&rest, err) == -1 ||
		    imap_nstring_parse(&rest, a, &value, err) == -1)
			return -1;
		buf_append(said, name);
		buf_append_octet(said, '=');
		buf_append(said, value);
		buf_append(said, SPAN("; "));
	}
	return imap_end_parse(&rest, err);
}

void
imap_id_write(struct buf *out)
{
	/* No version: it helps attackers more than clients. */
	buf_append(out, SPAN("* ID (\"name\" \"Hikyaku\")\r\n"));
}
