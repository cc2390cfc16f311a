/* SPDX-License-Identifier: BSD-2-Clause */
/* Text of ours for header fields: the way back of encoded.c. */
#include "mime/encoded.h"

#include "common/ascii.h"
#include "common/sasl.h"

/* RFC 2047 section 2: an encoded word has at most 75 characters.  What frames
 * the base64 are 12. */
#define WORD_OCTETS 45

#define OPENING "=?UTF-8?B?"

static bool
is_plain(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is(text.p[i], ASCII_VCHAR) && text.p[i] != ' ')
			return false;
	return span_find(text, SPAN("=?")) < 0;
}

/* As many octets as a word takes without cutting a character. */
static size_t
word_len(struct span text)
{
	size_t len = text.len;

	if (len <= WORD_OCTETS)
		return len;
	len = WORD_OCTETS;
	while (len > WORD_OCTETS - 4 &&
	       ((unsigned char)text.p[len] & 0xc0) == 0x80)
		len--;
	return len;
}

void
encoded_words_format(struct span utf8, struct buf *out)
{
	bool first = true;

	if (is_plain(utf8)) {
		buf_append(out, utf8);
		return;
	}
	while (utf8.len > 0) {
		struct span word = span_first(utf8, word_len(utf8));

		if (!first)
			buf_append_str(out, "\r\n ");
		buf_append_str(out, OPENING);
		base64_encode(word, out);
		buf_append_str(out, "?=");
		utf8 = span_from(utf8, word.len);
		first = false;
	}
}

/* A word is enough, or it is quoted.                RFC 5322 section 3.2.4 */
void
display_name_format(struct span utf8, struct buf *out)
{
	if (!is_plain(utf8)) {
		encoded_words_format(utf8, out);
		return;
	}
	buf_append_octet(out, '"');
	for (size_t i = 0; i < utf8.len; i++) {
		if (utf8.p[i] == '"' || utf8.p[i] == '\\')
			buf_append_octet(out, '\\');
		buf_append_octet(out, utf8.p[i]);
	}
	buf_append_octet(out, '"');
}
