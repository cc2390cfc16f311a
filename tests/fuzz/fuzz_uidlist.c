/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets as dovecot-uidlist and dovecot-keywords: reading ends, failure
 * takes nothing, and what was read comes back the same after writing.
 */
#include <stdlib.h>

#include "store/keywords.h"
#include "store/uidlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same_header(const struct uidlist_header *h)
{
	struct uidlist_header again;
	struct buf out;
	struct span in;

	buf_init(&out, 4096);
	uidlist_header_format(h, &out);
	in = buf_span(&out);
	if (uidlist_header_parse(&in, &again, NULL) == 0 &&
	    (again.uidvalidity != h->uidvalidity ||
		again.uidnext != h->uidnext ||
		!span_eq(span_str(again.other), span_str(h->other))))
		abort();
	buf_fini(&out);
}

static void
same_line(const struct uidlist_line *line)
{
	struct uidlist_line again;
	struct buf out;
	struct span in;

	buf_init(&out, (size_t)1 << 20);
	uidlist_line_format(line->uid, line->fields, line->base, &out);
	in = buf_span(&out);
	if (uidlist_line_take(&in, 3, 0, &again) != UIDLIST_LINE ||
	    again.uid != line->uid || !span_eq(again.fields, line->fields) ||
	    !span_eq(again.base, line->base))
		abort();
	buf_fini(&out);
}

static void
same_keywords(struct span text)
{
	struct keywords *k = keywords_parse(text), *again;
	struct buf out;

	buf_init(&out, (size_t)1 << 20);
	if (k == NULL)
		return;
	keywords_format(k, &out);
	again = keywords_parse(buf_span(&out));
	if (again == NULL || !keywords_equal(k, again))
		abort();
	keywords_unref(k);
	keywords_unref(again);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of((const char *)data, size), rest = text;
	struct uidlist_header h;
	struct uidlist_line line;
	uint32_t last = 0;

	same_keywords(text);
	if (uidlist_header_parse(&rest, &h, NULL) == -1) {
		if (rest.p != text.p || rest.len != text.len)
			abort();
		return 0;
	}
	same_header(&h);
	while (
	    uidlist_line_take(&rest, h.version, last, &line) == UIDLIST_LINE) {
		if (line.uid <= last)
			abort();
		last = line.uid;
		same_line(&line);
	}
	return 0;
}
