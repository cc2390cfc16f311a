/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dates of mail, without the C library's locale and time zone state.
 */
#ifndef HK_MIME_DATE_H
#define HK_MIME_DATE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* A moment as a wall clock shows it. */
struct civil {
	int32_t year;                  /* 1600..9999 */
	unsigned month, day;           /* 1..12, 1..31 */
	unsigned hour, minute, second; /* second: 60 in a leap second */
	int offset;                    /* minutes east of UTC, -1439..1439 */
};

/* Seconds since the epoch; a leap second counts as the one after it. */
int64_t civil_to_time(const struct civil *c);
/* The wall clock at that offset.  Times out of range: the nearest in it. */
void civil_of_time(int64_t seconds, int offset, struct civil *civil_out);
/* 0 = Sunday. */
unsigned civil_weekday(const struct civil *c);
/* "Jan".."Dec" for 1..12; and back, without case: 0 when it is none. */
const char *month_name(unsigned month);
unsigned month_of_name(struct span name);
/* False for 30 February, hour 24, year out of range and the like. */
bool civil_valid(const struct civil *c);

/* Minutes east of UTC that this machine's zone has at that time. */
int date_local_offset(int64_t seconds);

/*
 * Appends "Tue, 24 Nov 2026 08:36:47 +0900".           RFC 5322 section 3.3
 */
void date_format(int64_t seconds, int offset, struct buf *out);

/*
 * Reads a date of a header field, obsolete forms included: comments, folding,
 * a missing day of week or seconds, two and three digit years, zone names.
 * An unknown zone counts as -0000 (RFC 5322 section 4.3).  The day of week is
 * not checked.  What stands behind a complete date is ignored.
 *
 *	date-time = [day-of-week ","] day month year hh ":" mm [":" ss] zone
 *
 * Errors: ERR_SYNTAX; *civil_out stays.
 */
int date_parse(struct span text, struct civil *civil_out, struct err *err);

#endif
