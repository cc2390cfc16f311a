/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/date.h"

#include <time.h>

#include "common/ascii.h"

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char weekdays[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri",
	"Sat" };

enum {
	YEAR_MIN = 1600,
	YEAR_MAX = 9999,
	DAY_SECONDS = 86400
};

const char *
month_name(unsigned month)
{
	return months[(month - 1) % 12];
}

unsigned
month_of_name(struct span name)
{
	for (unsigned i = 0; i < 12; i++) {
		if (span_eq_nocase(name, span_str(months[i])))
			return i + 1;
	}
	return 0;
}

static bool
year_is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned
month_days(int64_t year, unsigned month)
{
	static const unsigned char days[12] = { 31, 28, 31, 30, 31, 30, 31, 31,
		30, 31, 30, 31 };

	return month == 2 && year_is_leap(year) ? 29 : days[month - 1];
}

/*
 * Days since 1 January 1970, in the Gregorian calendar.  Years begin in March
 * here, so that the leap day is the last one of its year.
 */
static int64_t
days_of(int64_t year, unsigned month, unsigned day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t m = (month + 9) % 12;
	int64_t in_year = (153 * m + 2) / 5 + day - 1;

	return 365 * y + y / 4 - y / 100 + y / 400 + in_year - 719468;
}

int64_t
civil_to_time(const struct civil *c)
{
	return days_of(c->year, c->month, c->day) * DAY_SECONDS +
	       (int64_t)c->hour * 3600 + (int64_t)c->minute * 60 + c->second -
	       (int64_t)c->offset * 60;
}

void
civil_of_time(int64_t seconds, int offset, struct civil *civil_out)
{
	const int64_t low = days_of(YEAR_MIN, 1, 1) * DAY_SECONDS;
	const int64_t high = days_of(YEAR_MAX, 12, 31) * DAY_SECONDS;
	int64_t days, rest, year;
	unsigned month = 1;

	seconds = seconds < low ? low : seconds > high ? high : seconds;
	seconds += (int64_t)offset * 60;
	seconds = seconds < low ? low : seconds;
	days = seconds / DAY_SECONDS;
	rest = seconds % DAY_SECONDS;
	if (rest < 0) {
		rest += DAY_SECONDS;
		days--;
	}
	/* An estimate that is at most one year early or late. */
	year = 1970 + days * 400 / 146097;
	while (days_of(year, 1, 1) > days)
		year--;
	while (days_of(year + 1, 1, 1) <= days)
		year++;
	days -= days_of(year, 1, 1);
	while (days >= month_days(year, month))
		days -= month_days(year, month++);

	*civil_out = (struct civil){ .year = (int32_t)year,
		.month = month,
		.day = (unsigned)days + 1,
		.hour = (unsigned)(rest / 3600),
		.minute = (unsigned)(rest / 60 % 60),
		.second = (unsigned)(rest % 60),
		.offset = offset };
}

unsigned
civil_weekday(const struct civil *c)
{
	/* 1 January 1970 was a Thursday. */
	int64_t day = (days_of(c->year, c->month, c->day) + 4) % 7;

	return (unsigned)(day < 0 ? day + 7 : day);
}

bool
civil_valid(const struct civil *c)
{
	return c->year >= YEAR_MIN && c->year <= YEAR_MAX && c->month >= 1 &&
	       c->month <= 12 && c->day >= 1 &&
	       c->day <= month_days(c->year, c->month) && c->hour <= 23 &&
	       c->minute <= 59 && c->second <= 60 && c->offset > -1440 &&
	       c->offset < 1440;
}

int
date_local_offset(int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	return localtime_r(&t, &tm) == NULL ? 0 : (int)(tm.tm_gmtoff / 60);
}

void
date_format(int64_t seconds, int offset, struct buf *out)
{
	unsigned east = (unsigned)(offset < 0 ? -offset : offset);
	struct civil c;

	civil_of_time(seconds, offset, &c);
	buf_append_fmt(out, "%s, %u %s %04d %02u:%02u:%02u %c%02u%02u",
	    weekdays[civil_weekday(&c)], c.day, month_name(c.month), c.year,
	    c.hour, c.minute, c.second, offset < 0 ? '-' : '+', east / 60,
	    east % 60);
}
