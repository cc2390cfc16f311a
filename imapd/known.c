/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/known.h"

#include "imapd/fetch.h"
#include "store/message.h"

/* Of each kind: one more whenever what is made or kept changes. */
static const char versions[KNOWN_KINDS] = {
	[KNOWN_ENVELOPE] = 1,
	[KNOWN_FIELDS] = 1,
	[KNOWN_DATE] = 1,
	[KNOWN_STRUCTURE] = 1,
	[KNOWN_BODY] = 1,
	[KNOWN_HEADER] = 1,
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

/* ---- KNOWN_DATE ---- */

/* Two numbers of 64 bits, as they lie in memory. */
struct date_record {
	int64_t date;
	uint64_t size;
};

static void
date_make(const struct known_source *source, struct buf *out)
{
	struct date_record d = { source->date, source->size };
	char octets[sizeof(d)];

	memcpy(octets, &d, sizeof(d));
	buf_append(out, span_of(octets, sizeof(octets)));
}

static bool
date_get(struct record_reader *r, uint32_t uid, struct date_record *out)
{
	struct span value;

	if (!known_get(r, KNOWN_DATE, uid, &value) || value.len != sizeof(*out))
		return false;
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
	time_t date;

	*size_out = message->size_virtual;
	if (*size_out != MESSAGE_SIZE_UNKNOWN)
		return 0;
	if (date_get(r, message->uid, &d) && d.size != MESSAGE_SIZE_UNKNOWN) {
		*size_out = d.size;
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
kind_make(enum known_kind kind, const struct known_source *source,
    struct buf *out, struct err *err)
{
	buf_append_octet(out, versions[kind]);
	switch (kind) {
	case KNOWN_ENVELOPE:
		return envelope_write(source->fields, out, err);
	case KNOWN_FIELDS:
		return known_fields_make(source->fields, out, err);
	case KNOWN_STRUCTURE:
	case KNOWN_BODY:
		return bodystructure_write(source->structure, source->message,
		    kind == KNOWN_STRUCTURE, out, err);
	case KNOWN_HEADER:
		known_header_make(source->fields, out);
		break;
	case KNOWN_DATE:
		date_make(source, out);
		break;
	case KNOWN_KINDS:
		break;
	}
	return buf_check(out, err);
}

static int
learn(struct record_reader *r, uint32_t uid, enum known_kind kind,
    const struct known_source *source, struct buf *made, struct err *err)
{
	buf_clear(made);
	if (kind_make(kind, source, made, err) == -1)
		return -1;
	record_put(r, kind, uid, buf_span(made));
	return 0;
}

int
known_learn(struct record_reader *r, uint32_t uid, enum known_kind kind,
    const struct known_source *source, struct buf *made, struct span *out,
    struct err *err)
{
	/* Who lists a mailbox also searches it, and the other way round. */
	static const enum known_kind together[] = { KNOWN_ENVELOPE,
		KNOWN_FIELDS, KNOWN_DATE };
	bool all = kind == KNOWN_ENVELOPE || kind == KNOWN_FIELDS;

	for (size_t i = 0; r != NULL && all && i < 3; i++) {
		if (together[i] != kind &&
		    learn(r, uid, together[i], source, made, err) == -1)
			return -1;
	}
	if (learn(r, uid, kind, source, made, err) == -1)
		return -1;
	*out = span_from(buf_span(made), 1);
	return 0;
}
