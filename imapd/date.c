/* SPDX-License-Identifier: BSD-2-Clause */
/* date and date-time of RFC 3501 section 9. */
#include "imapd/parse.h"

#include "common/ascii.h"

int32_t
imap_day_of(int year, int month, int day)
{
	/* Years begin in March, so that the leap day ends them. */
	int y = month <= 2 ? year - 1 : year;
	int m = month <= 2 ? month + 9 : month - 3;
	int era = (y >= 0 ? y : y - 399) / 400;
	int of_era = y - era * 400;
	int of_year = (153 * m + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	       of_year - 719468;
}

static int
month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Exactly count digits. */
static bool
digits_take(struct span *in, unsigned count, int *out)
{
	struct span rest = *in;
	unsigned digit;
	int number = 0;

	while (count-- > 0) {
		if (!span_take_digit(&rest, &digit))
			return false;
		number = number * 10 + (int)digit;
	}
	*in = rest;
	*out = number;
	return true;
}

/* date-month: "Jan" to "Dec". */
static bool
month_take(struct span *in, int *out)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++) {
		if (span_take_nocase(in, span_of(names + 3 * i, 3))) {
			*out = i + 1;
			return true;
		}
	}
	return false;
}

/* "-" date-month "-" date-year, after the day. */
static int
date_rest_parse(struct span *in, int day, int32_t *day_out, struct err *err)
{
	struct span rest = *in;
	int month, year;

	if (!span_take_octet(&rest, '-') || !month_take(&rest, &month) ||
	    !span_take_octet(&rest, '-') || !digits_take(&rest, 4, &year))
		return err_set(err, ERR_SYNTAX, "date expected");
	if (day < 1 || day > month_days(year, month))
		return err_set(err, ERR_SYNTAX, "there is no such day");
	*in = rest;
	*day_out = imap_day_of(year, month, day);
	return 0;
}

int
imap_date_parse(struct span *in, int32_t *day_out, struct err *err)
{
	struct span rest = *in;
	bool quoted = span_take_octet(&rest, '"');
	int32_t date;
	int day;

	if (!digits_take(&rest, 2, &day) && !digits_take(&rest, 1, &day))
		return err_set(err, ERR_SYNTAX, "date expected");
	if (date_rest_parse(&rest, day, &date, err) == -1)
		return -1;
	if (quoted && !span_take_octet(&rest, '"'))
		return err_set(err, ERR_SYNTAX, "date has no closing quote");
	*in = rest;
	*day_out = date;
	return 0;
}

/* zone = ("+" / "-") 4DIGIT; seconds east of Greenwich. */
static bool
zone_take(struct span *in, int *out)
{
	struct span rest = *in;
	bool west = span_take_octet(&rest, '-');
	int hours, minutes;

	if ((!west && !span_take_octet(&rest, '+')) ||
	    !digits_take(&rest, 2, &hours) ||
	    !digits_take(&rest, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*in = rest;
	*out = (hours * 60 + minutes) * (west ? -60 : 60);
	return true;
}

/* time = 2DIGIT ":" 2DIGIT ":" 2DIGIT, a leap second included. */
static bool
time_take(struct span *in, int *out)
{
	struct span rest = *in;
	int hour, minute, second;

	if (!digits_take(&rest, 2, &hour) || !span_take_octet(&rest, ':') ||
	    !digits_take(&rest, 2, &minute) || !span_take_octet(&rest, ':') ||
	    !digits_take(&rest, 2, &second) || hour > 23 || minute > 59 ||
	    second > 60)
		return false;
	*in = rest;
	*out = (hour * 60 + minute) * 60 + second;
	return true;
}

int
imap_date_time_parse(struct span *in, time_t *out, struct err *err)
{
	struct span rest = *in;
	int32_t date;
	int day, second, zone;

	if (!span_take_octet(&rest, '"'))
		return err_set(err, ERR_SYNTAX, "date-time expected");
	/* date-day-fixed = (SP DIGIT) / 2DIGIT; some send one digit. */
	(void)span_take_octet(&rest, ' ');
	if (!digits_take(&rest, 2, &day) && !digits_take(&rest, 1, &day))
		return err_set(err, ERR_SYNTAX, "date-time expected");
	if (date_rest_parse(&rest, day, &date, err) == -1)
		return -1;
	if (!span_take_octet(&rest, ' ') || !time_take(&rest, &second) ||
	    !span_take_octet(&rest, ' ') || !zone_take(&rest, &zone) ||
	    !span_take_octet(&rest, '"'))
		return err_set(err, ERR_SYNTAX, "malformed date-time");
	*in = rest;
	*out = (time_t)date * 86400 + second - zone;
	return 0;
}
