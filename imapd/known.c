/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/known.h"

#include "imapd/fetch.h"
#include "store/message.h"

/* Of each kind: one more whenever what is made or kept changes. */
static const char versions[KNOWN_KINDS] = {
	[KNOWN_HEAD] = 2,
	[KNOWN_DATE] = 2,
	[KNOWN_STRUCTURE] = 2,
	[KNOWN_BODY] = 2,
	[KNOWN_HEADER] = 2,
	[KNOWN_SORT] = 1,
};

_Static_assert(KNOWN_KINDS <= RECORD_KINDS, "records.h has too few kinds");

bool
known_get(struct record_reader *r, enum known_kind kind, uint32_t uid,
    struct span *value_out)
{
	struct span value;

	if (!record_get(r, kind, uid, &value) || value.len == 0 ||
	    value.p[0] != versions[kind])
		return false;
	*value_out = span_from(value, 1);
	return true;
}

/* ---- KNOWN_HEAD, KNOWN_DATE ---- */

/* Numbers are as they lie in memory: a table stays on its machine. */
struct date_record {
	int64_t date;
	uint64_t size;
};
struct head_record {
	struct date_record date;
	uint64_t
	    fields_len; /* octets of fields behind it; the rest: ENVELOPE */
};

bool
known_head_parse(struct span value, struct known_head *out)
{
	struct head_record h;

	if (value.len < sizeof(h))
		return false;
	memcpy(&h, value.p, sizeof(h));
	value = span_from(value, sizeof(h));
	if (h.fields_len > value.len)
		return false;
	*out = (struct known_head){
		.date = h.date.date,
		.size = h.date.size,
		.fields = span_first(value, h.fields_len),
		.envelope = span_from(value, h.fields_len),
	};
	return true;
}

static bool
date_get(struct record_reader *r, uint32_t uid, struct date_record *out)
{
	struct span value;

	if ((!known_get(r, KNOWN_HEAD, uid, &value) &&
		!known_get(r, KNOWN_DATE, uid, &value)) ||
	    value.len < sizeof(*out))
		return false;
	/* Both begin with it. */
	memcpy(out, value.p, sizeof(*out));
	return true;
}

static void
date_put(struct record_reader *r, uint32_t uid, time_t date, uint64_t size)
{
	struct known_source source = { .date = date, .size = size };
	CLEANUP(buf_fini) struct buf made = { .max = 64 };
	struct span out;

	if (r != NULL)
		(void)known_learn(
		    r, uid, KNOWN_DATE, &source, &made, &out, NULL);
}

int
known_date(struct record_reader *r, struct mailbox *m,
    const struct message *message, time_t *date_out, struct err *err)
{
	struct date_record d;

	if (date_get(r, message->uid, &d)) {
		*date_out = d.date;
		return 0;
	}
	if (message_date(m, message->uid, date_out, err) == -1)
		return -1;
	date_put(r, message->uid, *date_out, message->size_virtual);
	return 0;
}

int
known_size(struct record_reader *r, struct mailbox *m,
    const struct message *message, uint64_t *size_out, struct err *err)
{
	struct date_record d;
	struct span value;
	time_t date;

	*size_out = message->size_virtual;
	if (*size_out != MESSAGE_SIZE_UNKNOWN)
		return 0;
	if (date_get(r, message->uid, &d) && d.size != MESSAGE_SIZE_UNKNOWN) {
		*size_out = d.size;
		return 0;
	}
	/* The head may have been learned before the size was. */
	if (known_get(r, KNOWN_DATE, message->uid, &value) &&
	    value.len == sizeof(d)) {
		memcpy(&d, value.p, sizeof(d));
		*size_out = d.size;
		if (d.size != MESSAGE_SIZE_UNKNOWN)
			return 0;
	}
	if (message_size(m, message->uid, size_out, err) == -1)
		return -1;
	if (r != NULL && message_date(m, message->uid, &date, NULL) == 0)
		date_put(r, message->uid, date, *size_out);
	return 0;
}

/* ---- making ---- */

static int
head_make(const struct known_source *source, struct buf *out, struct err *err)
{
	struct head_record h = { { source->date, source->size }, 0 };
	size_t at = out->len, behind = at + sizeof(h);

	if (buf_reserve(out, sizeof(h)) == NULL)
		return buf_check(out, err);
	buf_commit(out, sizeof(h));
	if (known_fields_make(source->fields, out, err) == -1)
		return -1;
	h.fields_len = out->len - behind;
	memcpy(out->data + at, &h, sizeof(h));
	return envelope_write(source->fields, out, err);
}

static void
date_make(const struct known_source *source, struct buf *out)
{
	struct date_record d = { source->date, source->size };
	char octets[sizeof(d)];

	memcpy(octets, &d, sizeof(d));
	buf_append(out, span_of(octets, sizeof(octets)));
}

static int
kind_make(enum known_kind kind, const struct known_source *source,
    struct buf *out, struct err *err)
{
	buf_append_octet(out, versions[kind]);
	switch (kind) {
	case KNOWN_HEAD:
		return head_make(source, out, err);
	case KNOWN_DATE:
		date_make(source, out);
		break;
	case KNOWN_STRUCTURE:
	case KNOWN_BODY:
		return bodystructure_write(source->structure, source->message,
		    kind == KNOWN_STRUCTURE, out, err);
	case KNOWN_HEADER:
		known_header_make(source->fields, out);
		break;
	case KNOWN_SORT:
		return known_sort_make(source, out, err);
	case KNOWN_KINDS:
		break;
	}
	return buf_check(out, err);
}

int
known_learn(struct record_reader *r, uint32_t uid, enum known_kind kind,
    const struct known_source *source, struct buf *made, struct span *out,
    struct err *err)
{
	buf_clear(made);
	if (kind_make(kind, source, made, err) == -1)
		return -1;
	record_put(r, kind, uid, buf_span(made));
	*out = span_from(buf_span(made), 1);
	return 0;
}
