/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/lex.h"

#include <string.h>

#include "common/ascii.h"

static bool
is_space(char c)
{
	return ascii_is_wsp(c) || c == '\r' || c == '\n';
}

/* *in begins with "(".  Answers its inside and takes it with both ends. */
static struct span
comment_take(struct span *in)
{
	unsigned depth = 0;
	size_t i;
	struct span inside;

	for (i = 0; i < in->len; i++) {
		char c = in->p[i];

		if (c == '\\')
			i++;
		else if (c == '(' && depth < LEX_COMMENT_DEPTH_MAX)
			depth++;
		else if (c == ')' && --depth == 0)
			break;
	}
	if (i > in->len)
		i = in->len; /* a "\" was the last octet */
	inside = span_of(in->p + 1, i - 1);
	*in = span_from(*in, i + 1);
	return inside;
}

bool
lex_cfws(struct span *in, struct span *comment_out)
{
	size_t before = in->len;

	while (in->len > 0) {
		if (is_space(in->p[0])) {
			*in = span_from(*in, 1);
		} else if (in->p[0] == '(') {
			struct span comment = comment_take(in);

			if (comment_out != NULL)
				*comment_out = comment;
		} else {
			break;
		}
	}
	return in->len < before;
}

bool
lex_quoted(struct span *in, struct span *inside_out)
{
	size_t i;

	if (in->len == 0 || in->p[0] != '"')
		return false;
	for (i = 1; i < in->len && in->p[i] != '"'; i++) {
		if (in->p[i] == '\\')
			i++;
	}
	if (i > in->len)
		i = in->len;
	*inside_out = span_of(in->p + 1, i - 1);
	*in = span_from(*in, i + 1);
	return true;
}

bool
lex_run(struct span *in, const char *stops, struct span *out)
{
	size_t len = 0;

	while (len < in->len && !is_space(in->p[len]) && in->p[len] != '\0' &&
	       strchr(stops, in->p[len]) == NULL)
		len++;
	*out = span_first(*in, len);
	*in = span_from(*in, len);
	return len > 0;
}

size_t
lex_unquote(struct span raw, char *to)
{
	size_t len = 0;

	for (size_t i = 0; i < raw.len; i++) {
		if (raw.p[i] == '\\' && i + 1 < raw.len)
			i++;
		else if (raw.p[i] == '\r' || raw.p[i] == '\n')
			continue;
		to[len++] = raw.p[i];
	}
	return len;
}
