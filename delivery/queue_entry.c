/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/queue_entry.h"

#include <endian.h>
#include <string.h>

#include "common/crc32c.h"
#include "common/outbound.h"

#define VERSION 1
#define RECIPIENT_HEAD 40
#define ENTRY_MAX ((size_t)64 * 1024 * 1024)

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

void
queue_entry_format(const struct queue_entry *entry, struct buf *out)
{
	size_t start = out->len;
	uint32_t crc, octets;

	put(out, 0, 8);
	put(out, VERSION, 1);
	put(out, entry->what, 1);
	put(out, 0, 2);
	buf_append(out, span_first(entry->id, OUTBOUND_ID_LEN));
	put(out, 0, 1);
	if (entry->what == QUEUE_ENTRY_RECIPIENT) {
		struct span reply = span_first(entry->reply, 1000);

		put(out, entry->number, 4);
		put(out, entry->state, 1);
		put(out, entry->tries, 1);
		put(out, reply.len, 2);
		put(out, entry->next_ms, 8);
		buf_append(out, reply);
	} else if (entry->what == QUEUE_ENTRY_RELEASED) {
		buf_append(out, entry->record);
	}
	if (out->failed != ERR_NONE)
		return;
	octets = htole32((uint32_t)(out->len - start));
	crc = htole32(crc32c(0, out->data + start + 8, out->len - start - 8));
	memcpy(out->data + start, &octets, 4);
	memcpy(out->data + start + 4, &crc, 4);
}

static bool
take_recipient(struct span entry, struct queue_entry *out)
{
	size_t reply;

	if (entry.len < RECIPIENT_HEAD)
		return false;
	out->number = (uint32_t)get(entry, 24, 4);
	out->state = (uint8_t)get(entry, 28, 1);
	out->tries = (uint8_t)get(entry, 29, 1);
	reply = (size_t)get(entry, 30, 2);
	out->next_ms = get(entry, 32, 8);
	out->reply = span_from(entry, RECIPIENT_HEAD);
	return out->reply.len == reply;
}

enum queue_entry_next
queue_entry_take(struct span *in, struct queue_entry *out)
{
	struct span entry;
	size_t octets;

	if (in->len == 0)
		return QUEUE_ENTRY_END;
	if (in->len < QUEUE_ENTRY_HEAD)
		return QUEUE_ENTRY_BROKEN;
	octets = (size_t)get(*in, 0, 4);
	if (octets < QUEUE_ENTRY_HEAD || octets > ENTRY_MAX || octets > in->len)
		return QUEUE_ENTRY_BROKEN;
	entry = span_first(*in, octets);
	if (crc32c(0, entry.p + 8, entry.len - 8) != (uint32_t)get(entry, 4, 4))
		return QUEUE_ENTRY_BROKEN;
	*in = span_from(*in, octets);
	*out = (struct queue_entry){
		.what = (enum queue_entry_what)get(entry, 9, 1),
		.id = span_of(entry.p + 12, OUTBOUND_ID_LEN),
	};
	if (get(entry, 8, 1) != VERSION || !outbound_id_valid(out->id))
		return QUEUE_ENTRY_UNKNOWN;
	switch (out->what) {
	case QUEUE_ENTRY_RECIPIENT:
		return take_recipient(entry, out) ? QUEUE_ENTRY_TAKEN
						  : QUEUE_ENTRY_BROKEN;
	case QUEUE_ENTRY_RELEASED:
		out->record = span_from(entry, QUEUE_ENTRY_HEAD);
		return QUEUE_ENTRY_TAKEN;
	case QUEUE_ENTRY_DROPPED:
	case QUEUE_ENTRY_MOVED:
	case QUEUE_ENTRY_FROZEN:
	case QUEUE_ENTRY_THAWED:
	case QUEUE_ENTRY_WARNED:
		return QUEUE_ENTRY_TAKEN;
	}
	return QUEUE_ENTRY_UNKNOWN;
}
