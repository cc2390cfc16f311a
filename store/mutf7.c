/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Modified UTF-7.                                     RFC 3501 section 5.1.3
 *
 * Printable ASCII stands for itself, "&" is "&-", and everything else is
 * UTF-16 in base64 with "," for "/", without "=", between "&" and "-".  The
 * decoder accepts only the one right spelling, so that two names never mean
 * the same mailbox.
 */
#include "store/list.h"

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool
direct(uint32_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

static int
digit_value(char c)
{
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

static void
append_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_append_octet(out, (char)c);
	} else if (c < 0x800) {
		buf_append_octet(out, (char)(0xc0 | c >> 6));
		buf_append_octet(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_append_octet(out, (char)(0xe0 | c >> 12));
		buf_append_octet(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_append_octet(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_append_octet(out, (char)(0xf0 | c >> 18));
		buf_append_octet(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_append_octet(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_append_octet(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* One UTF-16 unit more; surrogates pair up.  False: not well formed. */
static bool
take_unit(uint32_t unit, uint32_t *high, struct buf *out)
{
	if (unit >= 0xdc00 && unit <= 0xdfff) {
		if (*high == 0)
			return false;
		append_utf8(
		    out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
		return true;
	}
	if (*high != 0)
		return false;
	if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return true;
	}
	if (direct(unit) || unit == 0)
		return false; /* has a shorter spelling, or none */
	append_utf8(out, unit);
	return true;
}

/* base64 between "&" and "-", at least one digit. */
static bool
decode_shifted(struct span text, struct buf *out)
{
	uint32_t bits = 0, high = 0;
	unsigned held = 0;

	for (size_t i = 0; i < text.len; i++) {
		int value = digit_value(text.p[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held < 16)
			continue;
		held -= 16;
		if (!take_unit(bits >> held & 0xffff, &high, out))
			return false;
		bits &= (1U << held) - 1;
	}
	return held < 6 && bits == 0 && high == 0;
}

int
mutf7_decode(struct span mutf7, struct buf *utf8_out, struct err *err)
{
	size_t start = utf8_out->len;
	bool after_shift = false; /* "&AAA-&BBB-" has a shorter spelling */

	while (mutf7.len > 0) {
		char c = mutf7.p[0];
		struct span shifted;

		mutf7 = span_from(mutf7, 1);
		if (c != '&') {
			if (!direct((unsigned char)c))
				goto broken;
			buf_append_octet(utf8_out, c);
			after_shift = false;
			continue;
		}
		if (!span_take_until(&mutf7, '-', &shifted))
			goto broken;
		if (shifted.len == 0) {
			buf_append_octet(utf8_out, '&');
			after_shift = false;
			continue;
		}
		if (after_shift || !decode_shifted(shifted, utf8_out))
			goto broken;
		after_shift = true;
	}
	return buf_check(utf8_out, err);
broken:
	if (utf8_out->failed == ERR_NONE)
		buf_truncate(utf8_out, start);
	return err_set(err, ERR_SYNTAX, "not modified UTF-7");
}

/* One character of UTF-8 off the front.  False: none that is well formed. */
static bool
take_utf8(struct span *in, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)in->p[0];
	unsigned len = first < 0x80    ? 1
		       : first >= 0xf0 ? 4
		       : first >= 0xe0 ? 3
				       : 2;
	uint32_t c;

	if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || in->len < len)
		return false;
	c = len == 1 ? first : first & (0x7fU >> len);
	for (unsigned i = 1; i < len; i++) {
		unsigned char next = (unsigned char)in->p[i];

		if ((next & 0xc0) != 0x80)
			return false;
		c = c << 6 | (next & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return false;
	*in = span_from(*in, len);
	*out = c;
	return true;
}

struct shifting {
	struct buf *out;
	uint32_t bits;
	unsigned held;
	bool open;
};

static void
put_unit(struct shifting *s, uint32_t unit)
{
	if (!s->open)
		buf_append_octet(s->out, '&');
	s->open = true;
	s->bits = s->bits << 16 | unit;
	s->held += 16;
	while (s->held >= 6) {
		s->held -= 6;
		buf_append_octet(s->out, digits[s->bits >> s->held & 0x3f]);
	}
	s->bits &= (1U << s->held) - 1;
}

static void
shift_back(struct shifting *s)
{
	if (!s->open)
		return;
	if (s->held > 0)
		buf_append_octet(
		    s->out, digits[s->bits << (6 - s->held) & 0x3f]);
	buf_append_octet(s->out, '-');
	*s = (struct shifting){ .out = s->out };
}

int
mutf7_encode(struct span utf8, struct buf *mutf7_out, struct err *err)
{
	struct shifting s = { .out = mutf7_out };
	size_t start = mutf7_out->len;
	uint32_t c;

	while (utf8.len > 0) {
		if (!take_utf8(&utf8, &c) || c == 0) {
			if (mutf7_out->failed == ERR_NONE)
				buf_truncate(mutf7_out, start);
			return err_set(err, ERR_SYNTAX, "not UTF-8");
		}
		if (direct(c)) {
			shift_back(&s);
			buf_append_octet(mutf7_out, (char)c);
			if (c == '&')
				buf_append_octet(mutf7_out, '-');
		} else if (c >= 0x10000) {
			put_unit(&s, 0xd800 + ((c - 0x10000) >> 10));
			put_unit(&s, 0xdc00 + ((c - 0x10000) & 0x3ff));
		} else {
			put_unit(&s, c);
		}
	}
	shift_back(&s);
	return buf_check(mutf7_out, err);
}
