/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/maildirsize.h"

#include <inttypes.h>
#include <stdbool.h>

#include "common/ascii.h"

/* limits = [ limit *( "," limit ) ]; limit = 1*20DIGIT ( "S" / "C" ) */
static bool
limits_parse(struct span line, struct maildirsize *out)
{
	while (line.len > 0) {
		uint64_t number;

		if (!span_take_u64(&line, &number))
			return false;
		if (number > INT64_MAX)
			number = INT64_MAX;
		if (span_take_octet(&line, 'S'))
			out->octets_max = number;
		else if (span_take_octet(&line, 'C'))
			out->messages_max = number;
		else
			return false;
		if (line.len > 0 &&
		    (!span_take_octet(&line, ',') || line.len == 0))
			return false;
	}
	return true;
}

static void
skip_spaces(struct span *s)
{
	while (span_take_octet(s, ' '))
		;
}

/* number = [ "+" / "-" ] 1*20DIGIT, of 63 bits */
static bool
take_number(struct span *s, int64_t *out)
{
	uint64_t number;
	bool negative;

	skip_spaces(s);
	negative = span_take_octet(s, '-');
	if (!negative)
		(void)span_take_octet(s, '+');
	if (!span_take_u64(s, &number) || number > INT64_MAX)
		return false;
	*out = negative ? -(int64_t)number : (int64_t)number;
	return true;
}

/* change = *SP number 1*SP number *SP */
static bool
change_parse(struct span line, int64_t *octets, int64_t *messages)
{
	if (!take_number(&line, octets) || line.len == 0 || line.p[0] != ' ' ||
	    !take_number(&line, messages))
		return false;
	skip_spaces(&line);
	return line.len == 0;
}

static int
broken(struct maildirsize *out, const char *why, struct err *err)
{
	out->octets = out->messages = 0;
	out->lines = 0;
	return err_set(err, ERR_SYNTAX, "maildirsize: %s", why);
}

int
maildirsize_parse(struct span text, struct maildirsize *out, struct err *err)
{
	int64_t octets = 0, messages = 0;
	struct span line;

	*out = (struct maildirsize){ 0 };
	if (!span_take_until(&text, '\n', &line) || !limits_parse(line, out)) {
		*out = (struct maildirsize){ 0 };
		return broken(out, "broken header", err);
	}
	while (span_take_until(&text, '\n', &line)) {
		int64_t more_octets, more_messages;

		if (!change_parse(line, &more_octets, &more_messages))
			return broken(out, "broken line", err);
		if (__builtin_add_overflow(octets, more_octets, &octets) ||
		    __builtin_add_overflow(messages, more_messages, &messages))
			return broken(out, "sums over 63 bits", err);
		out->lines++;
	}
	if (octets < 0 || messages < 0)
		return broken(out, "sums below zero", err);
	if (out->lines == 0)
		return broken(out, "no sums", err);
	out->octets = (uint64_t)octets;
	out->messages = (uint64_t)messages;
	return 0;
}

void
maildirsize_format(const struct maildirsize *m, struct buf *out)
{
	/* "0S" rather than an empty line. */
	if (m->octets_max != 0 || m->messages_max == 0)
		buf_append_fmt(out, "%" PRIu64 "S", m->octets_max);
	if (m->octets_max != 0 && m->messages_max != 0)
		buf_append_octet(out, ',');
	if (m->messages_max != 0)
		buf_append_fmt(out, "%" PRIu64 "C", m->messages_max);
	buf_append_fmt(
	    out, "\n%" PRIu64 " %" PRIu64 "\n", m->octets, m->messages);
}

void
maildirsize_format_change(int64_t octets, int64_t messages, struct buf *out)
{
	buf_append_fmt(out, "%" PRId64 " %" PRId64 "\n", octets, messages);
}
