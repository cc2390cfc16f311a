/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/outbound.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/ascii.h"
#include "common/packet.h"

#define FLAGS_ALL 0x1fU
#define NOTIFY_ALL 0x0fU

enum field_tag {
	FIELD_ID = 1,
	FIELD_REVERSE_PATH = 2,
	FIELD_TENANT = 3,
	FIELD_LOGIN = 4,
	FIELD_CLIENT = 5,
	FIELD_ENVID = 6,
	FIELD_RECIPIENT = 7,
};

static void
put(struct buf *out, uint64_t number, size_t octets)
{
	number = htole64(number);
	buf_append(out, span_of((const char *)&number, octets));
}

static uint64_t
get(struct span in, size_t at, size_t octets)
{
	uint64_t number = 0;

	memcpy(&number, in.p + at, octets);
	return le64toh(number);
}

static void
put_field(struct buf *out, uint8_t tag, struct span value)
{
	if (value.len > 0)
		packet_put(out, tag, value);
}

static void
put_recipient(struct buf *out, const struct outbound_recipient *r)
{
	size_t start = packet_start(out, FIELD_RECIPIENT);

	buf_append_octet(out, (char)r->kind);
	buf_append_octet(out, (char)r->notify);
	buf_append(out, r->address);
	buf_append_octet(out, '\0');
	buf_append(out, r->orcpt);
	buf_append_octet(out, '\0');
	buf_append(out, r->reply);
	packet_end(out, start);
}

void
outbound_format(const struct outbound *m, struct buf *out)
{
	size_t start = out->len, fields;

	buf_append(out, SPAN("HKQM"));
	put(out, OUTBOUND_VERSION, 2);
	put(out, m->flags, 2);
	put(out, m->arrival_ms, 8);
	put(out, 0, 4); /* of fields, below */
	put(out, m->count, 4);
	put(out, m->content_octets, 8);
	put_field(out, FIELD_ID, m->id);
	put_field(out, FIELD_REVERSE_PATH, m->reverse_path);
	put_field(out, FIELD_TENANT, m->tenant);
	put_field(out, FIELD_LOGIN, m->login);
	put_field(out, FIELD_CLIENT, m->client);
	put_field(out, FIELD_ENVID, m->envid);
	for (size_t i = 0; i < m->count; i++)
		put_recipient(out, &m->recipients[i]);
	if (out->failed != ERR_NONE)
		return;
	fields = htole64(out->len - start - OUTBOUND_HEAD);
	memcpy(out->data + start + 16, &fields, 4);
}

bool
outbound_id_valid(struct span id)
{
	return id.len == OUTBOUND_ID_LEN &&
	       ascii_all(id, ASCII_ALPHA | ASCII_DIGIT);
}

/* Text that goes into lines of ours. */
static bool
is_clean(struct span text, size_t max)
{
	if (text.len > max)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (ascii_is(text.p[i], ASCII_CTL))
			return false;
	return true;
}

static int
take_recipient(struct span value, struct outbound_recipient *out)
{
	struct outbound_recipient r;

	if (value.len < 2)
		return -1;
	r.kind = (enum outbound_kind)(unsigned char)value.p[0];
	r.notify = (unsigned char)value.p[1];
	value = span_from(value, 2);
	if (!span_take_until(&value, '\0', &r.address) ||
	    !span_take_until(&value, '\0', &r.orcpt))
		return -1;
	r.reply = value;
	if ((unsigned)r.kind > OUTBOUND_DONE || r.notify > NOTIFY_ALL ||
	    r.address.len == 0 || !is_clean(r.address, OUTBOUND_TEXT_MAX) ||
	    !is_clean(r.orcpt, OUTBOUND_TEXT_MAX) ||
	    !is_clean(r.reply, OUTBOUND_TEXT_MAX) ||
	    span_index(r.address, '<') >= 0 || span_index(r.address, '>') >= 0)
		return -1;
	*out = r;
	return 0;
}

static int
take_field(struct outbound *m, size_t wanted, uint8_t tag, struct span value)
{
	struct span *to = NULL;

	switch (tag) {
	case FIELD_ID:
		to = &m->id;
		break;
	case FIELD_REVERSE_PATH:
		to = &m->reverse_path;
		break;
	case FIELD_TENANT:
		to = &m->tenant;
		break;
	case FIELD_LOGIN:
		to = &m->login;
		break;
	case FIELD_CLIENT:
		to = &m->client;
		break;
	case FIELD_ENVID:
		to = &m->envid;
		break;
	case FIELD_RECIPIENT:
		if (m->count == wanted)
			return -1;
		return take_recipient(value, &m->recipients[m->count++]);
	default:
		return 0;
	}
	if (!is_clean(value, OUTBOUND_TEXT_MAX))
		return -1;
	*to = value;
	return 0;
}

static int
take_fields(
    struct outbound *m, size_t wanted, struct span fields, struct err *err)
{
	struct span value;
	uint8_t tag;

	for (;;) {
		switch (packet_next(&fields, &tag, &value)) {
		case PACKET_FIELD:
			if (take_field(m, wanted, tag, value) == -1)
				return err_set(err, ERR_SYNTAX,
				    "record: malformed field %u", tag);
			continue;
		case PACKET_END:
			break;
		case PACKET_BROKEN:
			return err_set(
			    err, ERR_SYNTAX, "record: fields cut off");
		}
		break;
	}
	if (m->count != wanted || !outbound_id_valid(m->id) ||
	    span_index(m->reverse_path, '<') >= 0 ||
	    span_index(m->reverse_path, '>') >= 0)
		return err_set(err, ERR_SYNTAX, "record: malformed envelope");
	return 0;
}

/* The fixed part. */
static int
take_head(struct span front, struct outbound *m, size_t *fields_out,
    size_t *count_out, struct err *err)
{
	if (front.len < OUTBOUND_HEAD || !span_starts(front, SPAN("HKQM")))
		return err_set(err, ERR_SYNTAX, "record: no head");
	if (get(front, 4, 2) != OUTBOUND_VERSION)
		return err_set(err, ERR_POLICY,
		    "record of version %u is not known",
		    (unsigned)get(front, 4, 2));
	*m = (struct outbound){
		.flags = (unsigned)get(front, 6, 2) & FLAGS_ALL,
		.arrival_ms = get(front, 8, 8),
		.content_octets = get(front, 24, 8),
	};
	*fields_out = (size_t)get(front, 16, 4);
	*count_out = (size_t)get(front, 20, 4);
	if (*fields_out > OUTBOUND_FIELDS_MAX ||
	    *count_out > OUTBOUND_RECIPIENTS_MAX)
		return err_set(err, ERR_SYNTAX, "record: too large a head");
	return 0;
}

int
outbound_parse_head(struct span front, struct outbound *out, size_t *octets_out,
    struct err *err)
{
	CLEANUP(outbound_fini) struct outbound m = { 0 };
	size_t fields = 0, count = 0;

	if (take_head(front, &m, &fields, &count, err) == -1)
		return -1;
	*octets_out = OUTBOUND_HEAD + fields;
	if (front.len < *octets_out)
		return err_set(err, ERR_LIMIT, "record: fields cut off");
	m.recipients = calloc(count + 1, sizeof(*m.recipients));
	if (m.recipients == NULL)
		return err_set(err, ERR_TEMP, "record: out of memory");
	if (take_fields(
		&m, count, span_of(front.p + OUTBOUND_HEAD, fields), err) == -1)
		return -1;
	*out = m;
	m.recipients = NULL;
	return 0;
}

int
outbound_parse(struct span record, struct outbound *out, struct err *err)
{
	struct err why = ERR_INIT;
	size_t octets;

	if (outbound_parse_head(record, out, &octets, &why) == -1) {
		if (why.kind == ERR_LIMIT)
			why.kind = ERR_SYNTAX;
		if (err != NULL)
			*err = why;
		return -1;
	}
	out->content = span_from(record, octets);
	if (out->content.len == out->content_octets)
		return 0;
	outbound_fini(out);
	return err_set(err, ERR_SYNTAX, "record: content cut off");
}

void
outbound_fini(struct outbound *m)
{
	free(m->recipients);
	m->recipients = NULL;
	m->count = 0;
}
