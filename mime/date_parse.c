/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/date.h"

#include "common/ascii.h"

enum {
	COMMENT_DEPTH_MAX = 16
};

/* CFWS: white space, line ends, comments that nest. */
static void
skip_cfws(struct span *in)
{
	unsigned depth = 0;

	while (in->len > 0) {
		char c = in->p[0];

		if (c == '(' && depth < COMMENT_DEPTH_MAX)
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (c == '\\' && depth > 0)
			*in = span_from(*in, 1);
		else if (depth == 0 && !ascii_is_wsp(c) && c != '\r' &&
			 c != '\n')
			return;
		*in = span_from(*in, 1);
	}
}

/* Takes min to max digits; more than max is no number of this kind. */
static bool
take_digits(struct span *in, unsigned min, unsigned max, unsigned *number_out,
    unsigned *count_out)
{
	struct span rest = *in;
	unsigned number = 0, count = 0, digit;

	while (span_take_digit(&rest, &digit)) {
		if (++count > max)
			return false;
		number = number * 10 + digit;
	}
	if (count < min)
		return false;
	*in = rest;
	*number_out = number;
	if (count_out != NULL)
		*count_out = count;
	return true;
}

static struct span
take_word(struct span *in)
{
	size_t len = 0;
	struct span word;

	while (len < in->len && ascii_is(in->p[len], ASCII_ALPHA))
		len++;
	word = span_first(*in, len);
	*in = span_from(*in, len);
	return word;
}

/* RFC 5322 4.3: 00-49 are 20xx, 50-99 and three digits count from 1900. */
static int32_t
year_of(unsigned number, unsigned digits)
{
	if (digits >= 4)
		return (int32_t)number;
	if (digits == 2 && number < 50)
		return (int32_t)(2000 + number);
	return (int32_t)(1900 + number);
}

static bool
take_zone(struct span *in, int *offset_out)
{
	static const struct {
		struct span name;
		int hours;
	} zones[] = {
		{ SPAN("EST"), -5 },
		{ SPAN("EDT"), -4 },
		{ SPAN("CST"), -6 },
		{ SPAN("CDT"), -5 },
		{ SPAN("MST"), -7 },
		{ SPAN("MDT"), -6 },
		{ SPAN("PST"), -8 },
		{ SPAN("PDT"), -7 },
		/* Not in the RFC, yet all over old Japanese mail. */
		{ SPAN("JST"), 9 },
	};
	bool west = in->len > 0 && in->p[0] == '-';
	struct span word;
	unsigned number;

	*offset_out = 0;
	if (span_take_octet(in, '+') || span_take_octet(in, '-')) {
		if (!take_digits(in, 4, 4, &number, NULL) ||
		    number % 100 > 59 || number / 100 > 23)
			return false;
		*offset_out = (int)(number / 100 * 60 + number % 100);
		*offset_out = west ? -*offset_out : *offset_out;
		return true;
	}
	word = take_word(in);
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		if (span_eq_nocase(word, zones[i].name))
			*offset_out = zones[i].hours * 60;
	}
	return true; /* none, or unknown: -0000 */
}

static bool
take_day(struct span *in, struct civil *c)
{
	unsigned year, digits;

	skip_cfws(in);
	if (take_word(in).len > 0) {
		skip_cfws(in);
		(void)span_take_octet(in, ',');
		skip_cfws(in);
	}
	if (!take_digits(in, 1, 2, &c->day, NULL))
		return false;
	skip_cfws(in);
	/* "24-Nov-2026" is in use as well. */
	(void)span_take_octet(in, '-');
	c->month = month_of_name(take_word(in));
	skip_cfws(in);
	(void)span_take_octet(in, '-');
	if (!take_digits(in, 2, 4, &year, &digits))
		return false;
	c->year = year_of(year, digits);
	return true;
}

static bool
take_clock(struct span *in, struct civil *c)
{
	skip_cfws(in);
	if (!take_digits(in, 1, 2, &c->hour, NULL))
		return false;
	skip_cfws(in);
	if (!span_take_octet(in, ':'))
		return false;
	skip_cfws(in);
	if (!take_digits(in, 2, 2, &c->minute, NULL))
		return false;
	skip_cfws(in);
	if (!span_take_octet(in, ':'))
		return true;
	skip_cfws(in);
	return take_digits(in, 2, 2, &c->second, NULL);
}

int
date_parse(struct span text, struct civil *civil_out, struct err *err)
{
	struct civil c = { .second = 0 };

	if (!take_day(&text, &c) || !take_clock(&text, &c))
		return err_set(err, ERR_SYNTAX, "date: not understood");
	skip_cfws(&text);
	if (!take_zone(&text, &c.offset) || !civil_valid(&c))
		return err_set(err, ERR_SYNTAX, "date: out of range");
	*civil_out = c;
	return 0;
}
