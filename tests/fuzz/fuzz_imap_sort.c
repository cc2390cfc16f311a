/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A header as SORT and THREAD keep it, and threads of any references: every
 * message is in them once.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "imapd/known.h"
#include "imapd/thread_link.h"

#define MESSAGES_MAX 200
#define REFERENCES_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_record(struct span fields)
{
	struct known_source source = { .fields = fields, .date = 1 };
	CLEANUP(buf_fini) struct buf record;
	struct known_sort k;

	buf_init(&record, KNOWN_MADE_MAX);
	if (known_sort_make(&source, &record, NULL) == -1)
		return;
	assert(known_sort_parse(buf_span(&record), &k));
	/* Whatever a record is, reading it stays inside. */
	(void)known_sort_parse(fields, &k);
}

/* Messages below n; each is met once. */
static uint32_t
walk(const struct thread *t, uint32_t n, unsigned depth)
{
	uint32_t met = n < t->messages;

	assert(depth < MESSAGES_MAX + 2);
	assert(met || t->nodes[n].child != THREAD_NONE);
	assert(met || t->nodes[n].parent == THREAD_NONE);
	for (uint32_t c = t->nodes[n].child; c != THREAD_NONE;
	     c = t->nodes[c].next) {
		assert(t->nodes[c].parent == n);
		met += walk(t, c, depth + 1);
	}
	return met;
}

static void
fuzz_threads(const uint8_t *data, size_t size)
{
	static char ids[256][KNOWN_ID];
	static char references[MESSAGES_MAX][REFERENCES_MAX * KNOWN_ID];
	struct thread_message messages[MESSAGES_MAX];
	uint32_t count = 0;

	for (unsigned i = 0; i < 256; i++)
		ids[i][0] = (char)i;
	while (size >= 4 && count < MESSAGES_MAX) {
		size_t refs = data[0] % (REFERENCES_MAX + 1);

		if (refs > size - 4)
			refs = size - 4;
		messages[count] = (struct thread_message){
			.message_id =
			    span_of(ids[data[1]], data[1] == 0 ? 0 : KNOWN_ID),
			.subject = span_of("abc", data[2] % 4),
			.reply = data[2] >= 128,
			.date = data[3],
		};
		for (size_t r = 0; r < refs; r++)
			memcpy(references[count] + r * KNOWN_ID,
			    ids[data[4 + r]], KNOWN_ID);
		messages[count].references =
		    span_of(references[count], refs * KNOWN_ID);
		count++;
		data += 4 + refs;
		size -= 4 + refs;
	}
	for (unsigned algorithm = 0; algorithm <= THREAD_REFS; algorithm++) {
		CLEANUP(arena_fini) struct arena a;
		struct thread t;
		uint32_t met = 0;

		arena_init(&a, 1 << 24);
		assert(thread_link((enum thread_algorithm)algorithm, messages,
			   count, &a, &t, NULL) == 0);
		for (uint32_t n = t.root; n != THREAD_NONE; n = t.nodes[n].next)
			met += walk(&t, n, 0);
		assert(met == count);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_record(span_of((const char *)data, size));
	fuzz_threads(data, size);
	return 0;
}
