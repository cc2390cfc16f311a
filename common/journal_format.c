/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/journal_format.h"

#include <endian.h>
#include <string.h>

#include "common/crc32c.h"

static const char head_magic[8] = { 'H', 'K', 'J', 'O', 'U', 'R', 'N', 'L' };
static const char record_magic[4] = { 'H', 'K', 'J', 'R' };

static void
put16(char *at, uint16_t value)
{
	value = htole16(value);
	memcpy(at, &value, sizeof(value));
}

static void
put32(char *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static void
put64(char *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

static uint16_t
get16(const char *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

static uint32_t
get32(const char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static uint64_t
get64(const char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

/* ---- the segment's head ---- */

void
journal_head_format(const struct journal_head *h, char out[JOURNAL_HEAD_LEN])
{
	memset(out, 0, JOURNAL_HEAD_LEN);
	memcpy(out, head_magic, sizeof(head_magic));
	put32(out + 8, JOURNAL_VERSION);
	put32(out + 12, h->kind);
	memcpy(out + 16, h->id, JOURNAL_ID_LEN);
	put64(out + 32, h->octets);
	put64(out + 40, h->generation);
	put64(out + 48, h->oldest);
	put32(out + 56, h->step);
	put32(out + 60, crc32c(0, out, 60));
}

int
journal_head_parse(struct span in, struct journal_head *out, struct err *err)
{
	struct journal_head h;

	if (in.len < JOURNAL_HEAD_LEN)
		return err_set(err, ERR_SYNTAX, "head cut off");
	if (memcmp(in.p, head_magic, sizeof(head_magic)) != 0)
		return err_set(err, ERR_SYNTAX, "no head of a journal");
	if (get32(in.p + 60) != crc32c(0, in.p, 60))
		return err_set(err, ERR_SYNTAX, "head damaged");
	if (get32(in.p + 8) != JOURNAL_VERSION)
		return err_set(err, ERR_POLICY, "version %u is not known",
		    (unsigned)get32(in.p + 8));
	h.kind = get32(in.p + 12);
	memcpy(h.id, in.p + 16, JOURNAL_ID_LEN);
	h.octets = get64(in.p + 32);
	h.generation = get64(in.p + 40);
	h.oldest = get64(in.p + 48);
	h.step = get32(in.p + 56);
	if (h.octets < JOURNAL_SEGMENT_MIN || h.octets > JOURNAL_SEGMENT_MAX ||
	    h.octets % JOURNAL_PAGE != 0)
		return err_set(err, ERR_SYNTAX, "segment of %llu octets",
		    (unsigned long long)h.octets);
	if (h.generation == 0 || h.oldest > h.generation ||
	    h.step >= h.generation)
		return err_set(err, ERR_SYNTAX,
		    "generation %llu, oldest %llu, step %u",
		    (unsigned long long)h.generation,
		    (unsigned long long)h.oldest, (unsigned)h.step);
	*out = h;
	return 0;
}

uint64_t
journal_head_offset(uint64_t generation)
{
	return generation % 2 == 1 ? 0 : JOURNAL_PAGE;
}

int
journal_head_choose(struct span in, struct journal_head *out, struct err *err)
{
	struct journal_head heads[2];
	struct err why[2] = { ERR_INIT, ERR_INIT };
	bool good[2];

	for (unsigned i = 0; i < 2; i++) {
		good[i] = journal_head_parse(span_from(in, i * JOURNAL_PAGE),
			      &heads[i], &why[i]) == 0;
		if (good[i] && journal_head_offset(heads[i].generation) !=
				   i * JOURNAL_PAGE)
			good[i] = false;
	}
	/* The other half may be an older version's; this one is its later. */
	for (unsigned i = 0; i < 2; i++)
		if (why[i].kind == ERR_POLICY) {
			if (err != NULL)
				*err = why[i];
			return -1;
		}
	if (!good[0] && !good[1]) {
		if (why[0].kind == ERR_NONE)
			return err_set(err, ERR_SYNTAX, "head out of place");
		if (err != NULL)
			*err = why[0];
		return -1;
	}
	if (good[0] && good[1])
		*out = heads[heads[1].generation > heads[0].generation];
	else
		*out = heads[good[1]];
	return 0;
}

/* ---- records ---- */

uint32_t
journal_payload_crc(const struct span *pieces, size_t count)
{
	uint32_t crc = 0;

	for (size_t i = 0; i < count; i++)
		crc = crc32c(crc, pieces[i].p, pieces[i].len);
	return crc;
}

static uint32_t
record_crc(const struct journal_head *h, const char *head)
{
	return crc32c(crc32c(0, h->id, JOURNAL_ID_LEN), head, 52);
}

void
journal_record_format(const struct journal_head *h,
    const struct journal_record *r, uint32_t octets, uint32_t crc,
    char out[JOURNAL_RECORD_LEN])
{
	memset(out, 0, JOURNAL_RECORD_LEN);
	memcpy(out, record_magic, sizeof(record_magic));
	put32(out + 4, octets);
	put64(out + 8, r->number);
	put64(out + 16, h->generation);
	put64(out + 24, r->flushed);
	put64(out + 32, r->time_ms);
	put16(out + 40, r->type);
	put32(out + 48, crc);
	put32(out + 52, record_crc(h, out));
}

int
journal_record_parse(const struct journal_head *h, struct span in,
    struct journal_record *out, struct err *err)
{
	struct journal_record r;
	uint32_t octets;

	if (in.len < JOURNAL_RECORD_LEN)
		return err_set(err, ERR_SYNTAX, "record cut off");
	if (memcmp(in.p, record_magic, sizeof(record_magic)) != 0)
		return err_set(err, ERR_SYNTAX, "no record");
	if (get64(in.p + 16) != h->generation)
		return err_set(err, ERR_SYNTAX, "record of generation %llu",
		    (unsigned long long)get64(in.p + 16));
	if (get32(in.p + 52) != record_crc(h, in.p))
		return err_set(err, ERR_SYNTAX, "head of a record damaged");
	octets = get32(in.p + 4);
	if (octets > JOURNAL_PAYLOAD_MAX)
		return err_set(
		    err, ERR_LIMIT, "record of %u octets", (unsigned)octets);
	if (octets > in.len - JOURNAL_RECORD_LEN)
		return err_set(err, ERR_SYNTAX, "record behind the end");
	r = (struct journal_record){
		.number = get64(in.p + 8),
		.flushed = get64(in.p + 24),
		.time_ms = get64(in.p + 32),
		.type = get16(in.p + 40),
		.payload = span_of(in.p + JOURNAL_RECORD_LEN, octets),
	};
	if (r.number == 0 || r.flushed >= r.number)
		return err_set(err, ERR_SYNTAX, "record %llu, flushed %llu",
		    (unsigned long long)r.number,
		    (unsigned long long)r.flushed);
	if (get32(in.p + 48) != crc32c(0, r.payload.p, octets))
		return err_set(err, ERR_SYNTAX, "record %llu damaged",
		    (unsigned long long)r.number);
	*out = r;
	return 0;
}

uint64_t
journal_record_end(uint64_t offset, uint64_t payload_octets)
{
	uint64_t end = offset + JOURNAL_RECORD_LEN + payload_octets;

	return (end + JOURNAL_ALIGN - 1) / JOURNAL_ALIGN * JOURNAL_ALIGN;
}

bool
journal_walk_next(struct journal_walk *w, uint64_t above,
    struct journal_record *out, uint64_t *offset_out)
{
	for (; w->offset + JOURNAL_RECORD_LEN <= w->segment.len;
	     w->offset += JOURNAL_ALIGN) {
		struct span at = span_from(w->segment, (size_t)w->offset);
		struct journal_record r;

		if (memcmp(at.p, record_magic, sizeof(record_magic)) != 0 ||
		    journal_record_parse(&w->head, at, &r, NULL) == -1 ||
		    r.number <= above)
			continue;
		*out = r;
		*offset_out = w->offset;
		w->offset = journal_record_end(w->offset, r.payload.len);
		return true;
	}
	return false;
}
