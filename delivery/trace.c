/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/trace.h"

#include "common/ascii.h"
#include "mime/date.h"
#include "mime/header.h"
#include "mime/received.h"

#define ADDRESS_MAX 1024

void
trace_format(
    const struct trace *t, const struct trace_recipient *r, struct buf *out)
{
	struct received received = {
		.helo = t->helo,
		.client = t->client,
		.by = t->hostname,
		.extended = true,
		.utf8 = t->utf8,
		.lmtp = true,
		.id = t->id,
		.recipient = r->delivered_to,
		.time = t->time,
		.offset = date_local_offset(t->time),
	};

	buf_append(out, SPAN("Return-Path: <"));
	buf_append(out, t->reverse_path);
	buf_append(out, SPAN(">\r\nDelivered-To: "));
	buf_append(out, r->delivered_to);
	buf_append(out, SPAN("\r\n"));
	/* When it comes back to who forwards it, that is a loop. */
	if (r->forwarded_by.len > 0) {
		buf_append(out, SPAN("Delivered-To: "));
		buf_append(out, r->forwarded_by);
		buf_append(out, SPAN("\r\n"));
	}
	received_format(&received, out);
	buf_append(out, r->fields);
}

bool
trace_is_field(struct span text)
{
	struct field field;
	struct span rest = text;

	for (size_t i = 0; i < text.len; i++)
		if (ascii_is(text.p[i], ASCII_CTL))
			return false;
	return field_next(&rest, &field) && rest.len == 0 &&
	       field.raw.len == text.len && field.name.len > 0;
}

static struct span
fields_of(struct span message)
{
	return span_first(message, header_end(message).fields);
}

uint64_t
trace_hops(struct span message, uint64_t max)
{
	struct span fields = fields_of(message);
	struct field field;
	uint64_t hops = 0;

	while (hops < max && field_next(&fields, &field))
		hops += span_eq_nocase(field.name, SPAN("Received"));
	return hops;
}

bool
trace_was_delivered_to(struct span message, struct span address)
{
	struct span fields = fields_of(message);
	struct field field;

	while (field_next(&fields, &field)) {
		CLEANUP(buf_fini) struct buf value;

		buf_init(&value, ADDRESS_MAX);
		if (!span_eq_nocase(field.name, SPAN("Delivered-To")))
			continue;
		field_unfold(field.value, &value);
		if (span_eq_nocase(buf_span(&value), address))
			return true;
	}
	return false;
}
