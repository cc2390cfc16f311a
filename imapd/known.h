/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the message cache keeps about a message (store/records.h has where).
 *
 *	KNOWN_HEAD	what is told of a header: INTERNALDATE, RFC822.SIZE,
 *			the text of ENVELOPE, and what SEARCH asks for
 *			(known_fields.c)
 *	KNOWN_DATE	INTERNALDATE and RFC822.SIZE, of a message of which no
 *			more was asked
 *	KNOWN_STRUCTURE	the text of BODYSTRUCTURE
 *	KNOWN_BODY	the text of BODY
 *	KNOWN_HEADER	header fields that clients ask for, as they stand
 *			(known_header.c)
 *	KNOWN_SORT	what SORT and THREAD compare (known_sort.c)
 *
 * Each record begins with its version; another one is as none.
 */
#ifndef HK_IMAPD_KNOWN_H
#define HK_IMAPD_KNOWN_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "mime/structure.h"
#include "store/mailbox.h"
#include "store/records.h"

enum known_kind {
	KNOWN_HEAD,
	KNOWN_DATE,
	KNOWN_STRUCTURE,
	KNOWN_BODY,
	KNOWN_HEADER,
	KNOWN_SORT,
	KNOWN_KINDS
};

/* The record without its version.  Borrowed until the next of that kind. */
bool known_get(struct record_reader *r, enum known_kind kind, uint32_t uid,
    struct span *value_out);

/* What was read of a message. */
struct known_source {
	struct span fields;  /* of its header */
	struct span message; /* all of it: for STRUCTURE and BODY alone */
	const struct mime_structure *structure; /* likewise */
	time_t date;
	uint64_t size; /* or MESSAGE_SIZE_UNKNOWN */
};

/*
 * Makes a record of the message and puts it.  made is where it is made; *out
 * points into it, as known_get's answer would.
 *
 * Errors: memory.
 */
int known_learn(struct record_reader *r, uint32_t uid, enum known_kind kind,
    const struct known_source *source, struct buf *made, struct span *out,
    struct err *err);
/* For made: room for all that a message gives. */
#define KNOWN_MADE_MAX ((size_t)64 * 1024 * 1024)

/* ---- KNOWN_HEAD, KNOWN_DATE ---- */

struct known_head {
	time_t date;
	uint64_t size; /* or MESSAGE_SIZE_UNKNOWN */
	struct span fields, envelope;
};
/* False: it is no such record. */
bool known_head_parse(struct span value, struct known_head *out);

/* Of the view, the cache, or the file, which then is in the cache. */
int known_date(struct record_reader *r, struct mailbox *m,
    const struct message *message, time_t *date_out, struct err *err);
int known_size(struct record_reader *r, struct mailbox *m,
    const struct message *message, uint64_t *size_out, struct err *err);

/* ---- the fields of KNOWN_HEAD: known_fields.c ---- */

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
/* Appends them. */
int known_fields_make(
    struct span header_fields, struct buf *out, struct err *err);

/* ---- KNOWN_HEADER: known_header.c ---- */

/* Whether fields of this name are in the record, if the message has any. */
bool known_header_has(struct span name);
void known_header_make(struct span header_fields, struct buf *out);

/* ---- KNOWN_SORT: known_sort.c ---- */

/* RFC 5256 section 3 and RFC 5957 section 3; texts by text_casemap. */
struct known_sort {
	int64_t date; /* INTERNALDATE */
	int64_t sent; /* RFC 5256 section 2.2 */
	bool reply;   /* or forwarded */
	struct span subject, from, to, cc, display_from, display_to;
	/*
	 * KNOWN_ID octets for each Message-ID: the front of its SHA-256, so
	 * that equal ones are one and long ones cost no more than short ones.
	 */
	struct span message_id; /* empty: none */
	struct span references; /* one behind the other */
};
#define KNOWN_ID 16
/* False: it is no such record. */
bool known_sort_parse(struct span value, struct known_sort *out);
/* Appends it. */
int known_sort_make(
    const struct known_source *source, struct buf *out, struct err *err);

#endif
