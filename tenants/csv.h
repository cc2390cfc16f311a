/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables as text, UTF-8.                                       RFC 4180
 *
 *	file        = [ %xEF.BB.BF ] record *( line-break record ) [ line-break
 *] record      = field *( "," field ) field       = ( DQUOTE *( TEXTDATA / ","
 * / CR / LF / 2DQUOTE ) DQUOTE ) / *TEXTDATA line-break  = CRLF / LF TEXTDATA
 *= any UTF-8 but control characters, comma and DQUOTE; HTAB
 */
#ifndef HK_TENANTS_CSV_H
#define HK_TENANTS_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

enum {
	CSV_FIELDS_MAX = 200,
	CSV_RECORD_MAX = 512 * 1024 /* octets, quotes removed */
};

/* One record at a time; the fields point into text. */
struct csv_record {
	unsigned line; /* where it begins, from 1 */
	struct span fields[CSV_FIELDS_MAX];
	size_t len;
	struct buf text;
};

void csv_record_init(struct csv_record *r);
/* Cleans it: there may be passwords in it. */
void csv_record_fini(struct csv_record *r);
CLEANUP_DEFINE_VALUE(struct csv_record, csv_record_fini)

struct csv {
	struct span rest; /* what was not read yet */
	unsigned line;    /* of its first octet */
};

/* Drops a byte order mark. */
void csv_init(struct csv *c, struct span text);

enum csv_take {
	CSV_RECORD,
	CSV_END,
	CSV_BAD,    /* not UTF-8: this record; those behind it are good */
	CSV_BROKEN, /* commas and quotes are wrong: where the next record
		     * begins nobody knows, so that reading ends */
};
/*
 * The next record that is not an empty line.
 * Errors: ERR_SYNTAX, ERR_LIMIT, with CSV_BAD and CSV_BROKEN.
 */
enum csv_take csv_take(struct csv *c, struct csv_record *r, struct err *err);

/* Appends one field, in quotes where that is needed. */
void csv_field_format(struct span field, struct buf *out);

#endif
