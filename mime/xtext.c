/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/xtext.h"

#include "common/ascii.h"

static bool
xtext_is_xchar(char c)
{
	return ascii_is(c, ASCII_VCHAR) && c != '+' && c != '=';
}

void
xtext_encode(struct span octets, struct buf *out)
{
	for (size_t i = 0; i < octets.len; i++) {
		if (xtext_is_xchar(octets.p[i]))
			buf_append_octet(out, octets.p[i]);
		else
			buf_append_fmt(
			    out, "+%02X", (unsigned char)octets.p[i]);
	}
}

static unsigned
hex_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0')
			: (unsigned)(ascii_lower(c) - 'a') + 10;
}

/* Takes one character of the text as the octet it stands for. */
static int
xtext_take(struct span *in, char *octet_out, struct err *err)
{
	struct span rest = *in;

	if (!span_take_octet(&rest, '+')) {
		if (!xtext_is_xchar(rest.p[0]))
			return err_set(err, ERR_SYNTAX, "xtext: bad octet");
		*octet_out = rest.p[0];
		*in = span_from(rest, 1);
		return 0;
	}
	if (rest.len < 2 || !ascii_all(span_first(rest, 2), ASCII_HEX))
		return err_set(err, ERR_SYNTAX, "xtext: no digits after +");
	*octet_out = (char)(hex_value(rest.p[0]) << 4 | hex_value(rest.p[1]));
	if (ascii_is(*octet_out, ASCII_CTL))
		return err_set(err, ERR_POLICY, "xtext: control character");
	*in = span_from(rest, 2);
	return 0;
}

int
xtext_decode(struct span text, struct buf *out, struct err *err)
{
	size_t before = out->len;
	char octet = 0;

	while (text.len > 0) {
		if (xtext_take(&text, &octet, err) == -1) {
			if (out->failed == ERR_NONE)
				buf_truncate(out, before);
			return -1;
		}
		buf_append_octet(out, octet);
	}
	return buf_check(out, err);
}
