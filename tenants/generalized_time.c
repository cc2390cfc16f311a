/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/generalized_time.h"

/* Exactly so many digits off the front. */
static bool
take_digits(struct span *s, unsigned count, unsigned *number_out)
{
	unsigned digit;

	*number_out = 0;
	while (count-- > 0) {
		if (!span_take_digit(s, &digit))
			return false;
		*number_out = *number_out * 10 + digit;
	}
	return true;
}

static bool
looks_like_digit(struct span s)
{
	return s.len > 0 && s.p[0] >= '0' && s.p[0] <= '9';
}

static bool
is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to the first of January. */
static int64_t
days_before_year(unsigned year)
{
	int64_t y = (int64_t)year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static bool
days_of(unsigned year, unsigned month, unsigned day, int64_t *days_out)
{
	static const unsigned lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30,
		31, 30, 31 };

	if (year < 1 || month < 1 || month > 12 || day < 1 ||
	    day > lengths[month - 1] + (month == 2 && is_leap(year)))
		return false;
	*days_out = days_before_year(year) + day - 1;
	for (unsigned m = 1; m < month; m++)
		*days_out += lengths[m - 1] + (m == 2 && is_leap(year));
	return true;
}

/* "Z" or an offset, to the end of the text; seconds to take away. */
static bool
take_zone(struct span *s, int64_t *offset_out)
{
	unsigned hours, minutes = 0;
	bool minus;

	*offset_out = 0;
	if (span_take_octet(s, 'Z'))
		return s->len == 0;
	minus = span_take_octet(s, '-');
	if (!minus && !span_take_octet(s, '+'))
		return false;
	if (!take_digits(s, 2, &hours) || hours > 23 ||
	    (s->len > 0 && (!take_digits(s, 2, &minutes) || minutes > 59)) ||
	    s->len > 0)
		return false;
	*offset_out = (int64_t)hours * 3600 + minutes * 60;
	if (minus)
		*offset_out = -*offset_out;
	return true;
}

bool
generalized_time_parse(struct span text, int64_t *seconds_out)
{
	unsigned year, month, day, hour, minute = 0, second = 0, digit;
	int64_t days, offset;
	struct span s = text;

	if (!take_digits(&s, 4, &year) || !take_digits(&s, 2, &month) ||
	    !take_digits(&s, 2, &day) || !take_digits(&s, 2, &hour) ||
	    !days_of(year, month, day, &days))
		return false;
	if (looks_like_digit(s) && !take_digits(&s, 2, &minute))
		return false;
	if (looks_like_digit(s) && !take_digits(&s, 2, &second))
		return false;
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	if (span_take_octet(&s, '.') || span_take_octet(&s, ',')) {
		if (!looks_like_digit(s))
			return false;
		while (span_take_digit(&s, &digit))
			;
	}
	if (!take_zone(&s, &offset))
		return false;
	if (second == 60)
		second = 59;
	*seconds_out =
	    days * 86400 + (int64_t)hour * 3600 + minute * 60 + second - offset;
	return true;
}
