/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/uidlist.h"

#include <stdio.h>

#include "common/ascii.h"

/* A UID or UIDVALIDITY: nz-number below 2^32 - 1. */
static bool
take_number(struct span *s, uint32_t *out)
{
	struct span rest = *s;
	uint64_t number;

	if (!span_take_u64(&rest, &number) || number == 0 ||
	    number >= UINT32_MAX)
		return false;
	*out = (uint32_t)number;
	*s = rest;
	return true;
}

static bool
header_mailbox_id(struct span value, struct uidlist_header *h)
{
	if (value.len != 32 || !ascii_all(value, ASCII_HEX))
		return false;
	memcpy(h->mailbox_id, value.p, 32);
	h->mailbox_id[32] = '\0';
	return true;
}

static bool
header_field(struct span field, struct uidlist_header *h)
{
	struct span value = span_from(field, 1);
	size_t used = strlen(h->other);

	switch (field.p[0]) {
	case 'V':
		return take_number(&value, &h->uidvalidity) && value.len == 0;
	case 'N':
		return take_number(&value, &h->uidnext) && value.len == 0;
	case 'G':
		/* Another form of id is dropped: a new one is made. */
		(void)header_mailbox_id(value, h);
		return true;
	default:
		if (used + 1 + field.len > UIDLIST_OTHER_MAX)
			return false;
		h->other[used] = ' ';
		memcpy(h->other + used + 1, field.p, field.len);
		h->other[used + 1 + field.len] = '\0';
		return true;
	}
}

static bool
header_v3(struct span line, struct uidlist_header *h)
{
	while (line.len > 0) {
		struct span field;

		if (!span_take_until(&line, ' ', &field)) {
			field = line;
			line = span_from(line, line.len);
		}
		if (field.len == 0)
			continue;
		if (!header_field(field, h))
			return false;
	}
	return h->uidvalidity != 0 && h->uidnext != 0;
}

static bool
header_v1(struct span line, struct uidlist_header *h)
{
	return take_number(&line, &h->uidvalidity) &&
	       span_take_octet(&line, ' ') && take_number(&line, &h->uidnext) &&
	       line.len == 0;
}

int
uidlist_header_parse(
    struct span *in, struct uidlist_header *out, struct err *err)
{
	struct uidlist_header h = { 0 };
	struct span rest = *in, line;
	bool good = false;

	if (!span_take_until(&rest, '\n', &line))
		return err_set(err, ERR_SYNTAX, "uidlist: no header line");
	if (span_index(line, '\0') >= 0)
		return err_set(err, ERR_SYNTAX, "uidlist: NUL in the header");
	if (span_starts(line, SPAN("3 "))) {
		h.version = 3;
		good = header_v3(span_from(line, 2), &h);
	} else if (span_starts(line, SPAN("1 "))) {
		h.version = 1;
		good = header_v1(span_from(line, 2), &h);
	}
	if (!good)
		return err_set(err, ERR_SYNTAX, "uidlist: broken header");
	*out = h;
	*in = rest;
	return 0;
}

void
uidlist_header_format(const struct uidlist_header *h, struct buf *out)
{
	buf_append_fmt(out, "3 V%u N%u G%s%s\n", h->uidvalidity, h->uidnext,
	    h->mailbox_id, h->other);
}

/* "[ <K><value>...] :<name>", after the UID. */
static bool
line_v3(struct span line, struct uidlist_line *out)
{
	const char *start;

	if (!span_take_octet(&line, ' '))
		return false;
	start = line.p;
	while (!span_take_octet(&line, ':')) {
		struct span field;

		if (!span_take_until(&line, ' ', &field) || field.len == 0 ||
		    field.p[0] < 'A' || field.p[0] > 'Z')
			return false;
	}
	out->fields = span_of(start, (size_t)(line.p - 1 - start));
	if (out->fields.len > 0)
		out->fields.len--; /* the space before ":" */
	out->base = line;
	return true;
}

static bool
line_v1(struct span line, struct uidlist_line *out)
{
	if (!span_take_octet(&line, ' '))
		return false;
	out->fields = span_of(line.p, 0);
	out->base = line;
	return true;
}

enum uidlist_take
uidlist_line_take(struct span *in, unsigned version, uint32_t last_uid,
    struct uidlist_line *out)
{
	struct span rest = *in, line;
	ptrdiff_t colon;

	if (rest.len == 0)
		return UIDLIST_END;
	if (!span_take_until(&rest, '\n', &line))
		return UIDLIST_TORN;
	if (span_index(line, '\0') >= 0 || !take_number(&line, &out->uid) ||
	    out->uid <= last_uid)
		return UIDLIST_BROKEN;
	if (version == 1 ? !line_v1(line, out) : !line_v3(line, out))
		return UIDLIST_BROKEN;
	/* Old files have the flags behind the base. */
	colon = span_index(out->base, ':');
	if (colon >= 0)
		out->base = span_first(out->base, (size_t)colon);
	if (out->base.len == 0 || span_index(out->base, '/') >= 0)
		return UIDLIST_BROKEN;
	*in = rest;
	return UIDLIST_LINE;
}

void
uidlist_line_format(
    uint32_t uid, struct span fields, struct span base, struct buf *out)
{
	buf_append_u64(out, uid);
	if (fields.len > 0) {
		buf_append_octet(out, ' ');
		buf_append(out, fields);
	}
	buf_append(out, SPAN(" :"));
	buf_append(out, base);
	buf_append_octet(out, '\n');
}

uint32_t
uidlist_fields(struct span fields)
{
	uint32_t bits = 0;
	bool starts = true;

	for (size_t i = 0; i < fields.len; i++) {
		char c = fields.p[i];

		if (starts && c >= 'A' && c <= 'Z')
			bits |= UIDLIST_FIELD_BIT(c);
		starts = c == ' ';
	}
	return bits;
}

bool
uidlist_field(struct span fields, char key, struct span *value_out)
{
	while (fields.len > 0) {
		struct span field;

		if (!span_take_until(&fields, ' ', &field)) {
			field = fields;
			fields = span_from(fields, fields.len);
		}
		if (field.len > 0 && field.p[0] == key) {
			*value_out = span_from(field, 1);
			return true;
		}
	}
	return false;
}
