/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/encoded.h"

#include "common/ascii.h"
#include "mime/charset.h"

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

void
base64_decode_lenient(struct span text, struct buf *out)
{
	char *room = buf_reserve(out, text.len / 4 * 3 + 3);
	unsigned long bits = 0;
	unsigned have = 0;
	size_t len = 0;

	if (room == NULL)
		return;
	for (size_t i = 0; i < text.len; i++) {
		int value = base64_value(text.p[i]);

		if (text.p[i] == '=') {
			have = 0; /* padding; several pieces may follow */
			bits = 0;
			continue;
		}
		if (value < 0)
			continue;
		bits = (bits << 6) | (unsigned long)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			room[len++] = (char)((bits >> have) & 0xff);
		}
	}
	buf_commit(out, len);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_upper(c);
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "=XX" at the front: its octet, or -1. */
static int
hex_octet(struct span s)
{
	int high, low;

	if (s.len < 3 || (high = hex_value(s.p[1])) < 0 ||
	    (low = hex_value(s.p[2])) < 0)
		return -1;
	return high * 16 + low;
}

/* Octets of a soft line break at the front of s, or 0. */
static size_t
soft_break(struct span s)
{
	size_t at = 1;

	while (at < s.len && ascii_is_wsp(s.p[at]))
		at++;
	if (at < s.len && s.p[at] == '\r')
		at++;
	return at < s.len && s.p[at] == '\n' ? at + 1 : 0;
}

void
quoted_printable_decode(struct span text, struct buf *out)
{
	char *room = buf_reserve(out, text.len + 1);
	size_t len = 0, i = 0;

	if (room == NULL)
		return;
	while (i < text.len) {
		struct span rest = span_from(text, i);
		int octet;
		size_t soft;

		if (text.p[i] != '=') {
			room[len++] = text.p[i++];
		} else if ((octet = hex_octet(rest)) >= 0) {
			room[len++] = (char)octet;
			i += 3;
		} else if ((soft = soft_break(rest)) > 0) {
			i += soft;
		} else {
			room[len++] = text.p[i++];
		}
	}
	buf_commit(out, len);
}

struct encoded_word {
	struct span charset, text;
	char encoding; /* 'B' or 'Q' */
	size_t len;    /* of the whole */
};

/* True when s begins with one. */
static bool
encoded_word_parse(struct span s, struct encoded_word *out)
{
	struct span rest = s, encoding;
	ptrdiff_t end;

	if (!span_take_nocase(&rest, SPAN("=?")) ||
	    !span_take_until(&rest, '?', &out->charset) ||
	    !span_take_until(&rest, '?', &encoding) || encoding.len != 1)
		return false;
	out->encoding = ascii_upper(encoding.p[0]);
	if (out->encoding != 'B' && out->encoding != 'Q')
		return false;
	end = span_find(rest, SPAN("?="));
	if (end < 0 || out->charset.len == 0 ||
	    out->charset.len > CHARSET_NAME_MAX ||
	    !ascii_all(out->charset, ASCII_VCHAR))
		return false;
	out->text = span_first(rest, (size_t)end);
	/* Spaces inside are against the rules and common; folds are not. */
	if (span_index(out->text, '\n') >= 0)
		return false;
	out->len = s.len - rest.len + (size_t)end + 2;
	return true;
}

/* The octets that the word stands for. */
static void
encoded_word_octets(const struct encoded_word *word, struct buf *out)
{
	if (word->encoding == 'B') {
		base64_decode_lenient(word->text, out);
		return;
	}
	for (size_t i = 0; i < word->text.len; i++) {
		char c = word->text.p[i];
		int octet = c == '=' ? hex_octet(span_from(word->text, i)) : -1;

		if (octet >= 0)
			i += 2;
		buf_append_octet(out, octet >= 0 ? (char)octet
				      : c == '_' ? ' '
						 : c);
	}
}

/* Octets waiting for their conversion, and as what they were sent. */
struct pending {
	struct buf octets;
	struct span charset;
	struct span raw; /* the words, for an unknown charset */
};

static void
pending_flush(struct pending *p, struct buf *out)
{
	if (p->raw.len == 0)
		return;
	if (charset_decode(p->charset, buf_span(&p->octets), out, NULL) == -1 &&
	    out->failed == ERR_NONE)
		buf_append(out, p->raw);
	buf_clear(&p->octets);
	p->raw.len = 0;
}

/* A word follows the pending ones directly (but for white space). */
static void
pending_add(struct pending *p, const struct encoded_word *word, struct span raw,
    struct buf *out)
{
	if (p->raw.len > 0 && !span_eq_nocase(p->charset, word->charset))
		pending_flush(p, out);
	if (p->raw.len == 0)
		p->raw = raw;
	else
		p->raw.len = (size_t)(raw.p + raw.len - p->raw.p);
	p->charset = word->charset;
	encoded_word_octets(word, &p->octets);
}

static void
raw_append(struct span text, struct buf *out)
{
	size_t begin = 0;

	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && text.p[i] != '\r' && text.p[i] != '\n')
			continue;
		(void)charset_decode(
		    SPAN(""), span_of(text.p + begin, i - begin), out, NULL);
		begin = i + 1;
	}
}

int
encoded_words_decode(struct span value, struct buf *utf8_out, struct err *err)
{
	struct pending p = { .raw = SPAN_NONE };
	size_t from = 0, i = 0; /* plain text since from */

	buf_init(&p.octets, value.len + 3);
	value = span_trim(value);
	while (i < value.len) {
		struct encoded_word word;
		struct span plain = span_of(value.p + from, i - from);

		if (value.p[i] != '=' ||
		    !encoded_word_parse(span_from(value, i), &word)) {
			i++;
			continue;
		}
		for (size_t j = 0; j < plain.len; j++) {
			if (ascii_is_wsp(plain.p[j]) || plain.p[j] == '\r' ||
			    plain.p[j] == '\n')
				continue;
			pending_flush(&p, utf8_out);
			break;
		}
		if (p.raw.len == 0)
			raw_append(plain, utf8_out);
		pending_add(
		    &p, &word, span_of(value.p + i, word.len), utf8_out);
		i += word.len;
		from = i;
	}
	pending_flush(&p, utf8_out);
	raw_append(span_from(value, from), utf8_out);
	buf_fini(&p.octets);
	return buf_check(utf8_out, err);
}
