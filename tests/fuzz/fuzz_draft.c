/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message as smtpd lets it in, and edits of milters made of the same
 * octets.  Whatever they ask for, the result has no bare CR, LF or NUL, and
 * its header ends where the draft says.
 */
#include <stdlib.h>

#include "mime/header.h"
#include "smtpd/draft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* Line ends as they are once smtpd has taken mail data. */
static void
clean(struct span from, struct buf *out)
{
	for (size_t i = 0; i < from.len; i++) {
		if (from.p[i] == '\n')
			buf_append(out, SPAN("\r\n"));
		else if (from.p[i] != '\r' && from.p[i] != '\0')
			buf_append_octet(out, from.p[i]);
	}
	buf_append(out, SPAN("\r\n"));
}

static void
clean_check(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		check(text.p[i] != '\0');
		check(text.p[i] != '\n' || (i > 0 && text.p[i - 1] == '\r'));
		check(text.p[i] != '\r' ||
		      (i + 1 < text.len && text.p[i + 1] == '\n'));
	}
}

/* Of each: kind, number, a name up to ":", a text up to 0xff. */
static void
edits_take(struct span in, struct milter_edits *edits)
{
	static const enum milter_reply_kind kinds[] = { MILTER_ADD_HEADER,
		MILTER_INSERT_HEADER, MILTER_CHANGE_HEADER,
		MILTER_REPLACE_BODY };

	while (in.len > 2) {
		struct milter_reply r = {
			.kind = kinds[(unsigned char)in.p[0] % 4],
			.index = (unsigned char)in.p[1] % 8,
		};

		in = span_from(in, 2);
		if (!span_take_until(&in, ':', &r.name))
			r.name = SPAN("X");
		if (!span_take_until(&in, '\xff', &r.text)) {
			r.text = in;
			in = SPAN("");
		}
		(void)milter_edits_add(edits, &r, NULL);
	}
}

static void
draft_check(struct draft *d, size_t octets_max)
{
	CLEANUP(buf_fini) struct buf out;
	struct header_end end;
	size_t header;

	buf_init(&out, octets_max);
	draft_header_put(d, &out);
	header = out.len;
	buf_append(&out, d->body);
	check(buf_check(&out, NULL) == 0);
	clean_check(buf_span(&out));
	end = header_end(buf_span(&out));
	check(end.body == header && end.fields == header - 2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of((const char *)data, size), front;
	struct draft_manner manner = { .numbers_shift = size % 2 == 0,
		.space = size % 3 == 0 };
	CLEANUP(buf_fini) struct buf message;
	CLEANUP(milter_edits_fini) struct milter_edits edits;
	CLEANUP(draft_fini) struct draft d;

	buf_init(&message, size * 2 + 2);
	milter_edits_init(&edits, size * 2);
	d = (struct draft){ .len = 0 };
	if (!span_take_until(&in, '\xfe', &front))
		front = in;
	clean(front, &message);
	edits_take(in, &edits);
	if (draft_init(&d, SPAN("Received: x\r\n"), buf_span(&message),
		size * 4 + 100, NULL) == -1)
		return 0;
	draft_show(&d);
	if (draft_apply(&d, &edits, &manner, NULL) == 0)
		draft_check(&d, size * 8 + 10000);
	return 0;
}
