/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/plain_text.h"

#include "mime/address.h"

uint32_t
text_code_point(struct span s)
{
	static const unsigned char masks[] = { 0x7f, 0x7f, 0x1f, 0x0f, 0x07 };
	size_t len = utf8_sequence(s);
	uint32_t code = (unsigned char)s.p[0] & masks[len];

	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)s.p[i] & 0x3f);
	return code;
}

size_t
text_characters(struct span s)
{
	size_t count = 0;

	while (s.len > 0) {
		size_t len = utf8_sequence(s);

		s = span_from(s, len == 0 ? 1 : len);
		count++;
	}
	return count;
}

/* What shows nothing, or makes a line look like another one. */
static bool
is_deceptive(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
	       code == 0x2028 || code == 0x2029 ||
	       (code >= 0x202a && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

int
text_check(struct span s, bool lines, const char **bad_out, struct err *err)
{
	size_t len;

	for (; s.len > 0; s = span_from(s, len)) {
		uint32_t code;

		len = utf8_sequence(s);
		if (len == 0) {
			*bad_out = s.p;
			return err_set(err, ERR_SYNTAX,
			    "this is not a character of UTF-8");
		}
		code = text_code_point(s);
		if (!is_deceptive(code) ||
		    (lines && (code == '\n' || code == '\r' || code == '\t')))
			continue;
		*bad_out = s.p;
		return err_set(err, ERR_SYNTAX,
		    "a control character (U+%04X) is not allowed", code);
	}
	return 0;
}
