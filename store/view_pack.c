/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A view of an idle session:
 *
 *	message = uid change flags [ letters ]
 *
 * uid is the distance from the one before, change the distance back from the
 * view's, flags the five system flags and bit 5 if other letters follow; all
 * are numbers of 7 bits an octet, the low ones first, bit 7 if more follow.
 * Three octets a message, mostly.
 */
#include <stdlib.h>
#include <string.h>

#include "store/view_layout.h"

struct packed {
	_Atomic unsigned refs;
	struct view_facts facts;
	uint32_t count;
	size_t len;
	char text[];
};

/* Three numbers of at most 10 octets, and one. */
#define PACKED_MESSAGE_MAX 40

static const uint64_t low_flags[] = { MESSAGE_SEEN, MESSAGE_ANSWERED,
	MESSAGE_FLAGGED, MESSAGE_DELETED, MESSAGE_DRAFT };
#define LOW_FLAGS (sizeof(low_flags) / sizeof(low_flags[0]))
#define MORE_LETTERS ((uint64_t)1 << LOW_FLAGS)

static void
put_number(struct buf *b, uint64_t number)
{
	while (number >= 0x80) {
		buf_append_octet(b, (char)(0x80 | (number & 0x7f)));
		number >>= 7;
	}
	buf_append_octet(b, (char)number);
}

/* Our own octets, so they are whole. */
static uint64_t
take_number(struct span *s)
{
	uint64_t number = 0;
	unsigned shift = 0;

	while (s->len > 0) {
		unsigned char c = (unsigned char)s->p[0];

		*s = span_from(*s, 1);
		number |= (uint64_t)(c & 0x7f) << shift;
		if ((c & 0x80) == 0)
			break;
		shift += 7;
	}
	return number;
}

static void
pack_message(
    struct buf *b, const struct message *m, uint32_t last_uid, uint64_t change)
{
	uint64_t low = 0, rest = m->letters & ~MESSAGE_RAW;

	for (size_t i = 0; i < LOW_FLAGS; i++)
		if ((rest & low_flags[i]) != 0)
			low |= (uint64_t)1 << i;
	rest &= ~MESSAGE_SYSTEM_FLAGS;
	put_number(b, m->uid - last_uid);
	put_number(b, change - m->change);
	put_number(b, rest == 0 ? low : low | MORE_LETTERS);
	if (rest != 0)
		put_number(b, rest);
}

struct packed *
view_pack(const struct view *v)
{
	CLEANUP(buf_fini) struct buf b;
	struct packed *p;
	uint32_t last_uid = 0;

	buf_init(&b, (size_t)v->count * PACKED_MESSAGE_MAX);
	for (uint32_t i = 0; i < v->count; i++) {
		const struct message *m = view_at(v, i);

		pack_message(&b, m, last_uid, v->facts.change);
		last_uid = m->uid;
	}
	if (buf_check(&b, NULL) == -1)
		return NULL;
	p = malloc(sizeof(*p) + b.len);
	if (p == NULL)
		return NULL;
	p->refs = 1;
	p->facts = v->facts;
	keywords_ref(p->facts.keywords);
	p->count = v->count;
	p->len = b.len;
	if (b.len > 0)
		memcpy(p->text, b.data, b.len);
	return p;
}

int
packed_open(const struct packed *p, struct view **view_out, struct err *err)
{
	CLEANUP(mem_free)
	struct view_add *adds = calloc(p->count + 1, sizeof(*adds));
	struct span text = span_of(p->text, p->len);
	uint32_t uid = 0;

	if (adds == NULL)
		return err_set(err, ERR_TEMP, "view: out of memory");
	for (uint32_t i = 0; i < p->count; i++) {
		uint64_t low;

		uid += (uint32_t)take_number(&text);
		adds[i].uid = uid;
		adds[i].change = p->facts.change - take_number(&text);
		low = take_number(&text);
		for (size_t n = 0; n < LOW_FLAGS; n++)
			if ((low & (uint64_t)1 << n) != 0)
				adds[i].letters |= low_flags[n];
		if ((low & MORE_LETTERS) != 0)
			adds[i].letters |= take_number(&text);
		adds[i].size_physical = MESSAGE_SIZE_UNKNOWN;
		adds[i].size_virtual = MESSAGE_SIZE_UNKNOWN;
		adds[i].info = (adds[i].letters & MESSAGE_IN_NEW) != 0
				   ? SPAN_NONE
				   : SPAN(":2,");
	}
	return view_derive(
	    NULL, &p->facts, NULL, 0, adds, p->count, view_out, err);
}

uint64_t
packed_change(const struct packed *p)
{
	return p->facts.change;
}

/* What stands before the text. */
struct packed_head {
	uint32_t uidvalidity, uidnext, count, zero;
	uint64_t change, len;
	char mailbox_id[40];
};

void
packed_write(const struct packed *p, struct buf *out)
{
	struct packed_head head = {
		.uidvalidity = p->facts.uidvalidity,
		.uidnext = p->facts.uidnext,
		.count = p->count,
		.change = p->facts.change,
		.len = p->len,
	};
	char octets[sizeof(head)];

	memcpy(
	    head.mailbox_id, p->facts.mailbox_id, sizeof(p->facts.mailbox_id));
	memcpy(octets, &head, sizeof(head));
	buf_append(out, span_of(octets, sizeof(octets)));
	buf_append(out, span_of(p->text, p->len));
}

struct packed *
packed_read(struct span octets)
{
	struct packed_head head;
	struct packed *p;

	if (octets.len < sizeof(head))
		return NULL;
	memcpy(&head, octets.p, sizeof(head));
	octets = span_from(octets, sizeof(head));
	/* A message has three octets or more. */
	if (head.len != octets.len || head.count > octets.len / 3)
		return NULL;
	p = malloc(sizeof(*p) + octets.len);
	if (p == NULL)
		return NULL;
	p->refs = 1;
	p->facts = (struct view_facts){
		.uidvalidity = head.uidvalidity,
		.uidnext = head.uidnext,
		.change = head.change,
	};
	memcpy(p->facts.mailbox_id, head.mailbox_id,
	    sizeof(p->facts.mailbox_id) - 1);
	p->count = head.count;
	p->len = octets.len;
	if (p->len > 0)
		memcpy(p->text, octets.p, p->len);
	return p;
}

size_t
packed_memory(const struct packed *p)
{
	return sizeof(*p) + p->len;
}

struct packed *
packed_ref(struct packed *p)
{
	if (p != NULL)
		p->refs++;
	return p;
}

void
packed_unref(struct packed *p)
{
	if (p == NULL || --p->refs != 0)
		return;
	keywords_unref(p->facts.keywords);
	free(p);
}
