/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/header.h"

#include "common/ascii.h"

enum line_kind {
	LINE_FIELD,
	LINE_CONTINUATION,
	LINE_MBOX, /* only if a field follows */
	LINE_EMPTY,
	LINE_TEXT,
	LINE_OPEN, /* unfinished, and could still become another kind */
};

/* Takes one line with its line end; the last one may have none. */
static bool
line_take(struct span *in, struct span *line_out)
{
	ptrdiff_t at = span_index(*in, '\n');

	if (in->len == 0)
		return false;
	*line_out = at < 0 ? *in : span_first(*in, (size_t)at + 1);
	*in = span_from(*in, line_out->len);
	return true;
}

/* Octets before the colon of a field line, or 0: it is none. */
static size_t
field_name_len(struct span line)
{
	size_t len = 0, at;

	while (len < line.len && ascii_is(line.p[len], ASCII_VCHAR) &&
	       line.p[len] != ':')
		len++;
	for (at = len; at < line.len && ascii_is_wsp(line.p[at]); at++)
		;
	return at < line.len && line.p[at] == ':' ? len : 0;
}

static bool
line_is_mbox(struct span line)
{
	return span_starts(line, SPAN("From ")) ||
	       span_starts(line, SPAN(">From "));
}

static enum line_kind
line_kind(struct span line, bool behind_field)
{
	if (span_eq(line, SPAN("\n")) || span_eq(line, SPAN("\r\n")))
		return LINE_EMPTY;
	if (ascii_is_wsp(line.p[0]))
		return behind_field ? LINE_CONTINUATION : LINE_TEXT;
	if (field_name_len(line) > 0)
		return LINE_FIELD;
	return line_is_mbox(line) ? LINE_MBOX : LINE_TEXT;
}

/*
 * The kind of the line at the front of in, mbox lines settled by looking at
 * the next one.  With whole false, LINE_OPEN when more octets could change
 * the answer; a field or continuation stays what it is however it goes on.
 */
static enum line_kind
line_judge(struct span in, bool behind_field, bool whole, struct span *line_out)
{
	enum line_kind kind, after;
	struct span rest = in, next;
	bool finished;

	if (!line_take(&rest, line_out))
		return LINE_OPEN;
	finished = whole || line_out->p[line_out->len - 1] == '\n';
	kind = line_kind(*line_out, behind_field);
	if (!finished)
		return LINE_OPEN;
	if (kind != LINE_MBOX)
		return kind;
	if (!line_take(&rest, &next))
		return whole ? LINE_TEXT : LINE_OPEN;
	after = line_kind(next, false);
	if (after == LINE_FIELD)
		return LINE_MBOX;
	return whole || next.p[next.len - 1] == '\n' ? LINE_TEXT : LINE_OPEN;
}

/* False when the octets ran out before the header did. */
static bool
header_walk(struct span message, bool whole, struct header_end *end)
{
	struct span rest = message, line;
	bool behind_field = false;

	*end = (struct header_end){ 0, 0 };
	while (rest.len > 0) {
		switch (line_judge(rest, behind_field, whole, &line)) {
		case LINE_FIELD:
		case LINE_CONTINUATION:
			behind_field = true;
			break;
		case LINE_MBOX:
			behind_field = false;
			break;
		case LINE_EMPTY:
			end->body = end->fields + line.len;
			return true;
		case LINE_TEXT:
			end->body = end->fields;
			return true;
		case LINE_OPEN:
			return false;
		}
		rest = span_from(rest, line.len);
		end->fields += line.len;
	}
	end->body = end->fields;
	return false;
}

struct header_end
header_end(struct span message)
{
	struct header_end end;

	(void)header_walk(message, true, &end);
	return end;
}

bool
header_end_within(struct span front, struct header_end *end_out)
{
	struct header_end end;

	if (!header_walk(front, false, &end))
		return false;
	*end_out = end;
	return true;
}

static struct span
without_line_end(struct span s)
{
	if (s.len > 0 && s.p[s.len - 1] == '\n')
		s.len--;
	if (s.len > 0 && s.p[s.len - 1] == '\r')
		s.len--;
	return s;
}

bool
field_next(struct span *fields, struct field *field_out)
{
	struct span rest = *fields, line, raw, more;
	enum line_kind kind;

	do {
		if (rest.len == 0)
			return false;
		kind = line_judge(rest, false, true, &line);
		rest = span_from(rest, line.len);
	} while (kind == LINE_MBOX);
	if (kind != LINE_FIELD)
		return false;

	raw = line;
	more = rest;
	while (line_take(&more, &line) &&
	       line_kind(line, true) == LINE_CONTINUATION) {
		raw.len += line.len;
		rest = more;
	}
	field_out->raw = raw;
	field_out->name = span_first(raw, field_name_len(raw));
	field_out->value =
	    without_line_end(span_from(raw, (size_t)span_index(raw, ':') + 1));
	*fields = rest;
	return true;
}

bool
field_find(struct span fields, struct span name, struct field *field_out)
{
	struct field field;

	while (field_next(&fields, &field)) {
		if (span_eq_nocase(field.name, name)) {
			*field_out = field;
			return true;
		}
	}
	return false;
}

void
field_unfold(struct span value, struct buf *out)
{
	bool started = false;
	size_t begin = out->len, keep = out->len;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c == '\r' || c == '\n' || (!started && ascii_is_wsp(c)))
			continue;
		started = true;
		buf_append_octet(out, c);
		if (!ascii_is_wsp(c))
			keep = out->len;
	}
	if (out->failed == ERR_NONE && begin < out->len)
		buf_truncate(out, keep);
}
