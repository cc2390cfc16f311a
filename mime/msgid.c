/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/msgid.h"

/* A comment, nested ones inside, behind its "(".  False: it does not end. */
static bool
comment_skip(struct span *in)
{
	unsigned depth = 1;

	while (in->len > 0) {
		char c = in->p[0];

		*in = span_from(*in, c == '\\' ? 2 : 1);
		if (c == '(')
			depth++;
		if (c == ')' && --depth == 0)
			return true;
	}
	return false;
}

/* A quoted string behind its DQUOTE, without quotes. */
static bool
quoted_take(struct span *in, struct buf *out)
{
	while (in->len > 0) {
		char c = in->p[0];

		*in = span_from(*in, 1);
		if (c == '"')
			return true;
		if (c == '\\' && in->len > 0) {
			c = in->p[0];
			*in = span_from(*in, 1);
		}
		if (c != '\r' && c != '\n')
			buf_append_octet(out, c);
	}
	return false;
}

/* Behind "<"; false: it is none, and *in begins where to look on. */
static bool
id_take(struct span *in, struct buf *out)
{
	size_t begin = out->len, at = 0;
	bool has_at = false;

	while (in->len > 0) {
		char c = in->p[0];

		if (c == '<')
			return false;
		*in = span_from(*in, 1);
		if (c == '>')
			return has_at && at > begin && out->len > at + 1 &&
			       out->len - begin <= MSGID_MAX;
		if (c == '@' && !has_at) {
			has_at = true;
			at = out->len;
		}
		if (c == '"') {
			if (!quoted_take(in, out))
				return false;
		} else if (c == '(') {
			if (!comment_skip(in))
				return false;
		} else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
			buf_append_octet(out, c);
		}
	}
	return false;
}

bool
msgid_next(struct span *in, struct buf *out)
{
	size_t begin = out->len;
	struct span before;

	while (span_take_until(in, '<', &before)) {
		if (id_take(in, out) && out->failed == ERR_NONE)
			return true;
		buf_truncate(out, begin);
	}
	return false;
}
