/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/caret.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "mime/address.h"

#define LINE_WIDTH 76
#define LEFT_OUT "..."
#define LEFT_OUT_LEN 3
/* So much of what stands behind the column is shown at least. */
#define BEHIND 12

struct glyph {
	struct span octets; /* as they are shown */
	unsigned width;
};

/* Takes a character off the front of a text that is not empty. */
static struct glyph
take_glyph(struct span *text)
{
	size_t len = utf8_sequence(*text);
	struct glyph g = { span_first(*text, len), 1 };
	int32_t at = 0, east;
	UChar32 code;

	*text = span_from(*text, len == 0 ? 1 : len);
	if (len == 0)
		return (struct glyph){ SPAN("?"), 1 };
	U8_NEXT((const uint8_t *)g.octets.p, at, (int32_t)len, code);
	if (u_iscntrl(code) || u_charType(code) == U_FORMAT_CHAR)
		return (struct glyph){ SPAN("?"), 1 };
	east = u_getIntPropertyValue(code, UCHAR_EAST_ASIAN_WIDTH);
	if (u_charType(code) == U_NON_SPACING_MARK ||
	    u_charType(code) == U_ENCLOSING_MARK)
		g.width = 0;
	else if (east == U_EA_WIDE || east == U_EA_FULLWIDTH)
		g.width = 2;
	return g;
}

/* Places that the first characters take. */
static size_t
width_of(struct span text, size_t characters)
{
	size_t width = 0;

	while (text.len > 0 && characters-- > 0)
		width += take_glyph(&text).width;
	return width;
}

static void
append_blanks(size_t count, struct buf *out)
{
	while (count-- > 0)
		buf_append_octet(out, ' ');
}

void
caret_format(struct span text, size_t column, unsigned indent, struct buf *out)
{
	const size_t room = LINE_WIDTH - indent;
	size_t left = width_of(text, SIZE_MAX);
	size_t before = column == 0 ? 0 : width_of(text, column - 1), used = 0,
	       end = room;

	/* What goes off the front until the column is in sight. */
	if (left > room && before + BEHIND > room)
		used = LEFT_OUT_LEN;
	while (used + left > room && used + before + BEHIND > room) {
		unsigned width = take_glyph(&text).width;

		left -= width;
		before -= width;
	}
	append_blanks(indent, out);
	buf_append_str(out, used > 0 ? LEFT_OUT : "");
	before += used;
	if (used + left > room)
		end = room - LEFT_OUT_LEN;
	while (text.len > 0) {
		struct glyph g = take_glyph(&text);

		if (used + g.width > end) {
			buf_append_str(out, LEFT_OUT);
			break;
		}
		buf_append(out, g.octets);
		used += g.width;
	}
	buf_append_octet(out, '\n');
	if (column == 0)
		return;
	append_blanks(indent + before, out);
	buf_append_str(out, "^\n");
}
