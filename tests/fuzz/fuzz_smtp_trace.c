/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets as a message whose forged trace fields are removed.  Removal
 * leaves no such field, only ever drops octets, and is done at once.
 */
#include <stdlib.h>

#include "mime/header.h"
#include "smtpd/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span message = span_of((const char *)data, size);
	struct span rest = SPAN(""), walk;
	CLEANUP(buf_fini) struct buf fields;
	struct field field;

	buf_init(&fields, size);
	if (!smtp_trace_strip(message, &fields, &rest)) {
		check(fields.len == 0);
		return 0;
	}
	check(buf_check(&fields, NULL) == 0);
	check(fields.len + rest.len < size);
	check(span_ends(message, rest));
	for (walk = buf_span(&fields); field_next(&walk, &field);)
		check(!smtp_trace_is_ours(field.name));
	return 0;
}
