/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets as lines, octets and mail data: what a session takes does not
 * depend on how the octets came in pieces, and lines stay under their limit.
 *
 *	input = kind cuts octets
 *	kind  = 1 octet: lines, lines by LF, octets then lines, data then lines
 *	cuts  = 1 octet: seed of the lengths of the pieces
 */
#include <stdlib.h>
#include <string.h>

#include "common/conn_private.h"
#include "common/reactor_private.h"

#define LINE_MAX_OCTETS 24
#define DATA_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct taker {
	struct sink sink;
	struct conn *conn;
	struct buf seen; /* everything taken, in words */
	unsigned kind;
	bool begun; /* the octets or the data are taken */
};

static int
note_sink(struct sink *sink, struct span octets, struct err *err)
{
	struct taker *t = (struct taker *)sink;

	(void)err;
	buf_append(&t->seen, octets);
	return 0;
}

/* Takes all there is. */
static void
take_all(struct taker *t)
{
	struct conn *c = t->conn;
	enum take result = TAKE_OK;
	struct span line;

	if (!t->begun && t->kind >= 2) {
		result = t->kind == 2 ? conn_take_octets(c, 10, &t->sink)
				      : conn_take_data(c, DATA_MAX, &t->sink);
		if (result == TAKE_MORE)
			return;
		t->begun = true;
		/* Refused data was passed on in part: that is of no use. */
		if (result != TAKE_OK)
			buf_clear(&t->seen);
		buf_append_fmt(&t->seen, "<%d>", (int)result);
	}
	while (result != TAKE_MORE) {
		c->lines = 0;
		result = conn_take_line(c, t->kind == 1, &line);
		if (result == TAKE_OK && line.len > LINE_MAX_OCTETS - 1)
			abort();
		if (result == TAKE_MORE)
			break;
		buf_append_fmt(&t->seen, "[%d]", (int)result);
		buf_append(&t->seen, line);
	}
	if (c->in.len - c->in_at >= LINE_MAX_OCTETS)
		abort();
}

/* One run: seed 0 gives everything at once. */
static void
run(struct buf *seen, unsigned kind, unsigned seed, struct span octets)
{
	struct conn c = { .options.line_max = LINE_MAX_OCTETS };
	struct taker t = { .sink.write = note_sink, .conn = &c, .kind = kind };
	unsigned random = seed;

	buf_init(&c.in, 1 << 20);
	buf_init(&t.seen, 1 << 20);
	while (octets.len > 0) {
		size_t len = octets.len;

		random = random * 1103515245 + 12345;
		if (seed != 0)
			len = seed == 1 ? 1 : 1 + (random >> 16) % 7;
		/* As reading from a socket does it. */
		buf_consume(&c.in, c.in_at);
		c.in_at = 0;
		buf_append(&c.in, span_first(octets, len));
		octets = span_from(octets, len);
		take_all(&t);
	}
	/* What data not ended has passed on so far may differ. */
	if (kind == 3 && !t.begun && c.data != NULL &&
	    (c.data->bad || c.data_long))
		buf_clear(&t.seen);
	conn_gather_fini(&c);
	free(c.err);
	*seen = t.seen;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, single, pieces;
	struct span octets;

	if (size < 2 || size > 4096)
		return 0;
	octets = span_of((const char *)data + 2, size - 2);
	run(&whole, data[0] & 3, 0, octets);
	run(&single, data[0] & 3, 1, octets);
	run(&pieces, data[0] & 3, data[1] + 2u, octets);
	if (!span_eq(buf_span(&whole), buf_span(&single)) ||
	    !span_eq(buf_span(&whole), buf_span(&pieces)))
		abort();
	buf_fini(&whole);
	buf_fini(&single);
	buf_fini(&pieces);
	return 0;
}
