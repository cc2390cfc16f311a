/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Header fields as SEARCH compares them (decoded, case folded), and the day of
 * Date.
 *
 *	record = day *(name length text)
 *	day    = 32 bits, days since 1970; KNOWN_NO_DAY: no Date, or no date
 *	name   = 8 bits, its number in the table below
 *	length = 16 bits, little-endian as the day; FIELD_LONG: the field is
 *		 there, and too long to be kept
 *
 * The fields stand in the order of the message, each as often as there.
 */
#include "imapd/known.h"

#include "imapd/search_text.h"
#include "mime/date.h"
#include "mime/header.h"

/* A field longer than this is looked up in the message. */
#define FIELD_MAX 8192
#define FIELD_LONG 0xffff

/* Numbers in records: only add, and raise the version. */
static const char *const field_names[] = { "Subject", "From", "To", "Cc", "Bcc",
	"Sender", "Reply-To", "Message-ID", "In-Reply-To", "References",
	"List-Id" };
#define FIELD_NAMES (sizeof(field_names) / sizeof(field_names[0]))

bool
known_field_find(struct span name, unsigned *number_out)
{
	for (unsigned i = 0; i < FIELD_NAMES; i++) {
		if (span_eq_nocase(name, span_str(field_names[i]))) {
			*number_out = i;
			return true;
		}
	}
	return false;
}

static void
append_u16(struct buf *out, unsigned n)
{
	char octets[2] = { (char)n, (char)(n >> 8) };

	buf_append(out, span_of(octets, sizeof(octets)));
}

static int
field_add(struct span value, unsigned number, struct buf *out, struct err *err)
{
	CLEANUP(buf_fini) struct buf folded;

	buf_init(&folded, KNOWN_MADE_MAX);
	buf_append_octet(out, (char)number);
	if (value.len <= FIELD_MAX &&
	    search_value_fold(value, &folded, err) == -1)
		return -1;
	if (value.len > FIELD_MAX || folded.len > FIELD_MAX) {
		append_u16(out, FIELD_LONG);
		return 0;
	}
	append_u16(out, (unsigned)folded.len);
	buf_append(out, buf_span(&folded));
	return 0;
}

int
known_fields_make(struct span header_fields, struct buf *out, struct err *err)
{
	uint32_t day = (uint32_t)header_day(header_fields);
	struct field field;
	unsigned number;

	append_u16(out, day & 0xffff);
	append_u16(out, day >> 16);
	while (field_next(&header_fields, &field)) {
		if (known_field_find(field.name, &number) &&
		    field_add(field.value, number, out, err) == -1)
			return -1;
	}
	return buf_check(out, err);
}

static unsigned
take_u16(struct span s, size_t at)
{
	return (unsigned char)s.p[at] | (unsigned)(unsigned char)s.p[at + 1]
					    << 8;
}

enum known_answer
known_field_has(struct span fields, unsigned number, struct span needle)
{
	enum known_answer answer = KNOWN_NO;

	fields = span_from(fields, 4);
	while (fields.len >= 3) {
		unsigned len = take_u16(fields, 1);
		bool mine = (unsigned char)fields.p[0] == number;
		struct span value;

		fields = span_from(fields, 3);
		if (mine && needle.len == 0)
			return KNOWN_YES;
		if (len == FIELD_LONG) {
			if (mine)
				answer = KNOWN_ASK;
			continue;
		}
		value = span_first(fields, len);
		fields = span_from(fields, len);
		if (mine && span_find(value, needle) >= 0)
			return KNOWN_YES;
	}
	return answer;
}

int32_t
known_day(struct span fields)
{
	if (fields.len < 4)
		return KNOWN_NO_DAY;
	return (
	    int32_t)(take_u16(fields, 0) | (uint32_t)take_u16(fields, 2) << 16);
}

int32_t
header_day(struct span header_fields)
{
	struct field field;
	struct civil civil;

	if (!field_find(header_fields, SPAN("Date"), &field) ||
	    date_parse(field.value, &civil, NULL) == -1)
		return KNOWN_NO_DAY;
	civil.hour = civil.minute = civil.second = 0;
	civil.offset = 0;
	return (int32_t)(civil_to_time(&civil) / 86400);
}
