/* SPDX-License-Identifier: BSD-2-Clause */
/* Flags in commands.                                RFC 3501 section 9 */
#include "imapd/command.h"
#include "imapd/reply.h"

/* Keywords of one command; a mailbox holds 26. */
#define KEYWORDS_MAX 100
/* An atom's length as the store takes it (mailbox_keyword). */
#define KEYWORD_OCTETS_MAX 100

/* "\" atom: one of the five.  \Recent is nobody's to set. */
static int
system_flag_parse(struct span *in, struct imap_flags *out, struct err *err)
{
	for (size_t i = 0; i < 5; i++) {
		const struct imap_system_flag *f = &imap_system_flags[i];
		struct span rest = *in;

		if (!span_take_nocase(&rest, span_str(f->name)) ||
		    (rest.len > 0 && imap_is(rest.p[0], IMAP_ATOM)))
			continue;
		out->letters |= f->letter;
		*in = rest;
		return 0;
	}
	return err_set(err, ERR_SYNTAX, "Unknown system flag");
}

/* flag = "\Answered" / ... / flag-keyword */
static int
flag_parse(struct span *in, struct imap_flags *out, struct err *err)
{
	struct span keyword;

	if (in->len > 0 && in->p[0] == '\\')
		return system_flag_parse(in, out, err);
	if (imap_atom_parse(in, &keyword, err) == -1)
		return -1;
	if (keyword.len > KEYWORD_OCTETS_MAX ||
	    out->keyword_count == KEYWORDS_MAX)
		return err_set(err, ERR_LIMIT, "Keyword too long, or too many");
	out->keywords[out->keyword_count++] = keyword;
	return 0;
}

static int
flags_begin(struct arena *a, struct imap_flags *out, struct err *err)
{
	*out = (struct imap_flags){ .letters = 0 };
	out->keywords =
	    arena_array(a, KEYWORDS_MAX, sizeof(*out->keywords), err);
	return out->keywords == NULL ? -1 : 0;
}

/* flag *(SP flag) */
int
imap_flags_bare_parse(
    struct span *in, struct arena *a, struct imap_flags *out, struct err *err)
{
	if (flags_begin(a, out, err) == -1)
		return -1;
	do {
		if (flag_parse(in, out, err) == -1)
			return -1;
	} while (span_take_octet(in, ' '));
	return 0;
}

/* flag-list = "(" [flag *(SP flag)] ")" */
int
imap_flag_list_parse(
    struct span *in, struct arena *a, struct imap_flags *out, struct err *err)
{
	if (imap_octet_parse(in, '(', err) == -1)
		return -1;
	if (span_take_octet(in, ')'))
		return flags_begin(a, out, err);
	if (imap_flags_bare_parse(in, a, out, err) == -1)
		return -1;
	return imap_octet_parse(in, ')', err);
}
