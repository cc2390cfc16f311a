/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two ways at a segment.  Any octets: reading ends, and what is found lies
 * inside and rises.  And a segment with known records to which the input does
 * any harm: nothing is ever found that was not written.
 */
#include <stdlib.h>
#include <string.h>

#include "common/journal_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS 12
#define IMAGE (16 * 4096)

static const struct journal_head head = {
	.kind = 1,
	.id = "0123456789abcde",
	.octets = JOURNAL_SEGMENT_MIN,
	.generation = 9,
	.oldest = 9,
};

static void
look_at(struct span segment)
{
	struct journal_walk w = { .segment = segment };
	struct journal_record r;
	uint64_t above = 0, offset, end = 0;

	if (journal_head_choose(segment, &w.head, NULL) == -1)
		w.head = head;
	w.offset = JOURNAL_DATA;
	while (journal_walk_next(&w, above, &r, &offset)) {
		if (r.number <= above || offset < end ||
		    r.payload.p + r.payload.len > segment.p + segment.len ||
		    r.flushed >= r.number)
			abort();
		above = r.number;
		end = offset + JOURNAL_RECORD_LEN + r.payload.len;
	}
}

/* The payload of the record with this number: its length and octets follow. */
static struct span
payload_of(uint64_t number, char room[600])
{
	size_t len = (size_t)(number * 37 % 600);

	for (size_t i = 0; i < len; i++)
		room[i] = (char)(number + i);
	return span_of(room, len);
}

static void
fill(char *image, uint64_t generation, unsigned records)
{
	struct journal_head h = head;
	uint64_t at = JOURNAL_DATA;

	h.generation = generation;
	for (uint64_t n = 1; n <= records; n++) {
		char room[600];
		struct span payload = payload_of(n + generation, room);
		struct journal_record r = { .number = n + generation * 100,
			.flushed = n + generation * 100 - 1,
			.type = (uint16_t)generation };

		journal_record_format(&h, &r, (uint32_t)payload.len,
		    journal_payload_crc(&payload, 1), image + at);
		memcpy(image + at + JOURNAL_RECORD_LEN, payload.p, payload.len);
		at = journal_record_end(at, payload.len);
	}
}

static void
harm(const uint8_t *data, size_t size)
{
	char *image = calloc(1, IMAGE);
	struct journal_walk w = { .head = head, .offset = JOURNAL_DATA };
	struct journal_record r;
	uint64_t above = 0, offset;

	if (image == NULL)
		return;
	/* An earlier use lies beneath, which must not shine through. */
	fill(image, 8, RECORDS + 5);
	fill(image, 9, RECORDS);
	/* Three octets each: where, and what. */
	for (; size >= 3; data += 3, size -= 3)
		image[(data[0] | data[1] << 8) % IMAGE] ^= (char)data[2];
	w.segment = span_of(image, IMAGE);
	while (journal_walk_next(&w, above, &r, &offset)) {
		char room[600];

		if (r.type != 9 || r.number <= 900 ||
		    r.number > 900 + RECORDS ||
		    !span_eq(r.payload, payload_of(r.number - 900 + 9, room)))
			abort();
		above = r.number;
	}
	free(image);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	look_at(span_of((const char *)data, size));
	harm(data, size);
	return 0;
}
