/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/dotstuff.h"

#include <string.h>

/*
 * The next "." at the start of a line behind the first octet, or NULL.
 * Looking for dots with memchr and then back for the LF was 25 times faster
 * on base64 than memmem for "\n.", and as fast as a look at each line on text.
 */
static const char *
line_dot(struct span content)
{
	const char *end = content.p + content.len, *at = content.p + 1;

	while (at < end) {
		at = memchr(at, '.', (size_t)(end - at));
		if (at == NULL || at[-1] == '\n')
			return at;
		at++;
	}
	return NULL;
}

struct span
dotstuff_take(struct span *content, bool *dot_out)
{
	struct span piece = *content;
	const char *at = piece.len > 0 ? line_dot(piece) : NULL;

	*dot_out = piece.len > 0 && piece.p[0] == '.';
	if (at != NULL)
		piece.len = (size_t)(at - piece.p);
	*content = span_from(*content, piece.len);
	return piece;
}
