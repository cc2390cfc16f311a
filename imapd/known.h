/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the message cache keeps about a message (store/records.h has where).
 *
 *	KNOWN_ENVELOPE	the text of ENVELOPE, as it is sent
 *	KNOWN_FIELDS	what SEARCH asks the header for: the day of Date, and
 *			fields as they are compared (decoded, case folded)
 *
 * Each record begins with its version; another one is as none.
 *
 *	fields = version day *(name length text)
 *	day    = 32 bits, days since 1970; KNOWN_NO_DAY: no Date, or no date
 *	name   = 8 bits, see known.c
 *	length = 16 bits, little-endian as the day; 65535: the field is there,
 *		 and too long to be kept
 *
 * The fields stand in the order of the message, each as often as there.
 */
#ifndef HK_IMAPD_KNOWN_H
#define HK_IMAPD_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "store/records.h"

enum known_kind {
	KNOWN_ENVELOPE,
	KNOWN_FIELDS,
};

/* The record without its version. */
bool known_get(struct record_reader *r, enum known_kind kind, uint32_t uid,
    struct span *value_out);

/*
 * What an item of FETCH or a key of SEARCH needs of a header's fields, made of
 * the header, and all else that is kept of it put into the cache as well: it
 * was read already.  made is where it is made; *out points into it, and is
 * borrowed until the next call.
 *
 * Errors: memory.
 */
int known_learn(struct record_reader *r, uint32_t uid, enum known_kind kind,
    struct span header_fields, struct buf *made, struct span *out,
    struct err *err);
/* For made: room for all that a header gives. */
#define KNOWN_MADE_MAX ((size_t)64 * 1024 * 1024)

/* ---- KNOWN_FIELDS ---- */

#define KNOWN_NO_DAY INT32_MIN

/* Whether this field is kept; its name's number. */
bool known_field_find(struct span name, unsigned *number_out);

enum known_answer {
	KNOWN_YES,
	KNOWN_NO,
	KNOWN_ASK, /* the message must be read */
};
/*
 * Whether a field of that name has the needle, as header_has would answer
 * (search_text.h).
 */
enum known_answer known_field_has(
    struct span fields, unsigned number, struct span needle);
/* Days since 1970 of Date as it is written, "disregarding time and timezone",
 * or KNOWN_NO_DAY: by the record, and by a header. */
int32_t known_day(struct span fields);
int32_t header_day(struct span header_fields);

#endif
