/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets as a record of deliveryd: reading ends, spans lie inside, and a
 * message that was read comes back the same after writing.
 */
#include <stdlib.h>

#include "delivery/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
inside(struct span whole, struct span part)
{
	if (part.len > 0 &&
	    (part.p < whole.p || part.p + part.len > whole.p + whole.len))
		abort();
}

static void
message(struct span payload)
{
	struct record_message m, again;
	struct buf out;

	if (record_message_parse(payload, &m, NULL) == -1)
		return;
	for (size_t i = 0; i < m.count; i++) {
		inside(payload, m.targets[i].tenant);
		inside(payload, m.targets[i].base);
		inside(payload, m.targets[i].trace);
	}
	inside(payload, m.text);
	buf_init(&out, payload.len + 4096);
	record_message_format(&m, &out);
	buf_append(&out, m.text);
	if (record_message_parse(buf_span(&out), &again, NULL) == -1 ||
	    again.count != m.count || again.replaces != m.replaces ||
	    !span_eq(again.text, m.text) ||
	    !span_eq(
		again.targets[m.count - 1].base, m.targets[m.count - 1].base))
		abort();
	record_message_fini(&again);
	record_message_fini(&m);
	buf_fini(&out);
}

static void
marks(struct span payload)
{
	struct record_mark mark;
	size_t count = 0;

	if (record_marks_open(&payload, NULL) == -1)
		return;
	while (record_marks_next(&payload, &mark))
		count++;
	if (payload.len > 0 || count > (size_t)1 << 30)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span payload = span_of((const char *)data, size);

	message(payload);
	marks(payload);
	return 0;
}
