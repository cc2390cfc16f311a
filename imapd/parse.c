/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/parse.h"

#include <string.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "store/list.h"

#define A (IMAP_ATOM | IMAP_ASTRING | IMAP_LIST | IMAP_TAG | IMAP_TEXT)
#define T IMAP_TEXT

/*
 * atom-specials = "(" / ")" / "{" / SP / CTL / list-wildcards /
 *                 quoted-specials / resp-specials
 */
const uint8_t imap_class[256] = {
	[0x01 ... 0x09] = T,
	[0x0b ... 0x0c] = T,
	[0x0e ... 0x1f] = T,
	[' '] = T,
	['!'] = A,
	['"'] = T,
	['#'] = A,
	['$'] = A,
	['%'] = T | IMAP_LIST,
	['&'] = A,
	['\''] = A,
	['('] = T,
	[')'] = T,
	['*'] = T | IMAP_LIST,
	['+'] = A & ~IMAP_TAG,
	[','] = A,
	['-'] = A,
	['.'] = A,
	['/'] = A,
	['0' ... '9'] = A,
	[':'] = A,
	[';'] = A,
	['<'] = A,
	['='] = A,
	['>'] = A,
	['?'] = A,
	['@'] = A,
	['A' ... 'Z'] = A,
	['['] = A,
	['\\'] = T,
	[']'] = IMAP_ASTRING | IMAP_LIST | IMAP_TAG | T,
	['^'] = A,
	['_'] = A,
	['`'] = A,
	['a' ... 'z'] = A,
	['{'] = T,
	['|'] = A,
	['}'] = A,
	['~'] = A,
	[0x7f] = T,
	/* 8-bit octets: no CHAR, yet clients send them in strings. */
	[0x80 ... 0xff] = T,
};
#undef A
#undef T

/* Takes the longest run of a class. */
static struct span
class_take(struct span *in, unsigned classes)
{
	struct span out = *in;
	size_t len = 0;

	while (len < in->len && imap_is(in->p[len], classes))
		len++;
	out.len = len;
	*in = span_from(*in, len);
	return out;
}

int
imap_tag_parse(struct span *in, struct span *tag_out, struct err *err)
{
	struct span rest = *in, tag = class_take(&rest, IMAP_TAG);

	if (tag.len == 0)
		return err_set(err, ERR_SYNTAX, "no tag");
	if (tag.len > IMAP_TAG_MAX)
		return err_set(err, ERR_SYNTAX, "tag too long");
	*in = rest;
	*tag_out = tag;
	return 0;
}

int
imap_octet_parse(struct span *in, char c, struct err *err)
{
	if (!span_take_octet(in, c))
		return err_set(err, ERR_SYNTAX, "\"%c\" expected", c);
	return 0;
}

int
imap_sp_parse(struct span *in, struct err *err)
{
	if (!span_take_octet(in, ' '))
		return err_set(err, ERR_SYNTAX,
		    in->len == 0 ? "missing argument" : "space expected");
	return 0;
}

int
imap_end_parse(const struct span *in, struct err *err)
{
	if (in->len != 0)
		return err_set(err, ERR_SYNTAX, "unexpected argument");
	return 0;
}

int
imap_atom_parse(struct span *in, struct span *out, struct err *err)
{
	struct span rest = *in, atom = class_take(&rest, IMAP_ATOM);

	if (atom.len == 0)
		return err_set(err, ERR_SYNTAX, "atom expected");
	*in = rest;
	*out = atom;
	return 0;
}

int
imap_literal_parse(struct span *in, struct span *out, struct err *err)
{
	struct span rest = *in;
	uint64_t octets;

	if (!span_take_octet(&rest, '{') || !span_take_u64(&rest, &octets))
		return err_set(err, ERR_SYNTAX, "literal expected");
	(void)span_take_octet(&rest, '+');
	if (!span_take_octet(&rest, '}') || !span_take_octet(&rest, '\r') ||
	    !span_take_octet(&rest, '\n') || octets > rest.len)
		return err_set(err, ERR_SYNTAX, "malformed literal");
	*out = span_first(rest, (size_t)octets);
	*in = span_from(rest, (size_t)octets);
	return 0;
}

/* The inside of a quoted string, its escapes resolved. */
static int
quoted_copy(
    struct span inside, struct arena *a, struct span *out, struct err *err)
{
	char *p = arena_take(a, inside.len + 1, err);
	size_t len = 0;

	if (p == NULL)
		return -1;
	for (size_t i = 0; i < inside.len; i++) {
		if (inside.p[i] == '\\')
			i++;
		p[len++] = inside.p[i];
	}
	*out = span_of(p, len);
	return 0;
}

/*
 * quoted      = DQUOTE *QUOTED-CHAR DQUOTE
 * QUOTED-CHAR = <any TEXT-CHAR except quoted-specials> /
 *               "\" quoted-specials
 */
static int
imap_quoted_parse(
    struct span *in, struct arena *a, struct span *out, struct err *err)
{
	bool escaped = false;
	size_t i;

	for (i = 1; i < in->len && in->p[i] != '"'; i++) {
		if (in->p[i] == '\\') {
			escaped = true;
			if (++i == in->len ||
			    (in->p[i] != '"' && in->p[i] != '\\'))
				return err_set(err, ERR_SYNTAX,
				    "bad \"\\\" in a quoted string");
		} else if (!imap_is(in->p[i], IMAP_TEXT)) {
			return err_set(err, ERR_SYNTAX,
			    "octet not allowed in a quoted string");
		}
	}
	if (i >= in->len)
		return err_set(err, ERR_SYNTAX, "quoted string has no end");
	*out = span_of(in->p + 1, i - 1);
	if (escaped && quoted_copy(*out, a, out, err) == -1)
		return -1;
	*in = span_from(*in, i + 1);
	return 0;
}

int
imap_string_parse(
    struct span *in, struct arena *a, struct span *out, struct err *err)
{
	if (in->len > 0 && in->p[0] == '"')
		return imap_quoted_parse(in, a, out, err);
	if (in->len > 0 && in->p[0] == '{')
		return imap_literal_parse(in, out, err);
	return err_set(err, ERR_SYNTAX, "string expected");
}

int
imap_astring_parse(
    struct span *in, struct arena *a, struct span *out, struct err *err)
{
	if (in->len > 0 && imap_is(in->p[0], IMAP_ASTRING)) {
		*out = class_take(in, IMAP_ASTRING);
		return 0;
	}
	return imap_string_parse(in, a, out, err);
}

int
imap_nstring_parse(
    struct span *in, struct arena *a, struct span *out, struct err *err)
{
	if (span_take_nocase(in, SPAN("NIL"))) {
		*out = SPAN_NONE;
		return 0;
	}
	return imap_string_parse(in, a, out, err);
}

int
imap_number_parse(struct span *in, uint32_t *out, struct err *err)
{
	struct span rest = *in;
	uint64_t number;

	if (!span_take_u64(&rest, &number))
		return err_set(err, ERR_SYNTAX, "number expected");
	if (number > UINT32_MAX)
		return err_set(err, ERR_SYNTAX, "number over 32 bits");
	*in = rest;
	*out = (uint32_t)number;
	return 0;
}

int
imap_nz_number_parse(struct span *in, uint32_t *out, struct err *err)
{
	struct span rest = *in;
	uint32_t number;

	if (imap_number_parse(&rest, &number, err) == -1)
		return -1;
	if (number == 0)
		return err_set(err, ERR_SYNTAX, "zero not allowed");
	*in = rest;
	*out = number;
	return 0;
}

/* Modified UTF-7, or else what is UTF-8 already, into the arena. */
static int
name_decode(struct span wire, struct arena *a, struct span *out, bool *ok_out,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf utf8;
	struct err why = ERR_INIT;

	buf_init(&utf8, 4 * MAILBOX_NAME_MAX);
	*ok_out = true;
	if (mutf7_decode(wire, &utf8, &why) == -1) {
		struct buf back;

		if (why.kind == ERR_TEMP)
			return err_set(err, ERR_TEMP, "%s", why.text);
		/* Encoding it tells whether it is UTF-8. */
		buf_init(&back, 8 * MAILBOX_NAME_MAX);
		*ok_out = mutf7_encode(wire, &back, NULL) == 0;
		buf_fini(&back);
		buf_clear(&utf8);
		buf_append(&utf8, span_first(wire, MAILBOX_NAME_MAX + 1));
	}
	*out = arena_copy(a, buf_span(&utf8), err);
	return out->p == NULL ? -1 : 0;
}

int
imap_mailbox_parse(struct span *in, struct arena *a, struct span *out,
    bool *name_ok_out, struct err *err)
{
	struct span rest = *in, wire, name;

	if (imap_astring_parse(&rest, a, &wire, err) == -1 ||
	    name_decode(wire, a, &name, name_ok_out, err) == -1)
		return -1;
	if (mailbox_name_is_inbox(name))
		name = SPAN("INBOX");
	else if (*name_ok_out)
		*name_ok_out = mailbox_name_check(name, NULL) == 0;
	*in = rest;
	*out = name;
	return 0;
}

int
imap_list_mailbox_parse(
    struct span *in, struct arena *a, struct span *out, struct err *err)
{
	struct span rest = *in, wire;
	bool ok;

	if (rest.len > 0 && imap_is(rest.p[0], IMAP_LIST))
		wire = class_take(&rest, IMAP_LIST);
	else if (imap_string_parse(&rest, a, &wire, err) == -1)
		return -1;
	if (name_decode(wire, a, out, &ok, err) == -1)
		return -1;
	*in = rest;
	return 0;
}

bool
imap_literal_announced(struct span line, struct imap_announced *announced_out)
{
	ptrdiff_t at;
	struct span spec;
	struct imap_announced announced = { .synchronizing = true };

	if (line.len == 0 || line.p[line.len - 1] != '}' ||
	    (at = span_rindex(line, '{')) < 0)
		return false;
	spec = span_from(line, (size_t)at + 1);
	if (!span_take_u64(&spec, &announced.octets))
		return false;
	if (span_take_octet(&spec, '+'))
		announced.synchronizing = false;
	if (spec.len != 1)
		return false;
	*announced_out = announced;
	return true;
}
