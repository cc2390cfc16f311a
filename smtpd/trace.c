/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/trace.h"

#include "mime/header.h"

bool
smtp_trace_is_ours(struct span field_name)
{
	(void)span_take_nocase(&field_name, SPAN("X-"));
	return span_starts_nocase(field_name, SPAN("Hikyaku-"));
}

bool
smtp_trace_strip(
    struct span message, struct buf *fields_out, struct span *rest_out)
{
	struct span fields = span_first(message, header_end(message).fields);
	const char *kept = fields.p, *end = fields.p + fields.len;
	struct span walk = fields;
	struct field field;
	bool found = false;

	while (field_next(&walk, &field)) {
		if (!smtp_trace_is_ours(field.name))
			continue;
		/* What stands between fields (mbox lines) is kept, too. */
		buf_append(
		    fields_out, span_of(kept, (size_t)(field.raw.p - kept)));
		kept = field.raw.p + field.raw.len;
		found = true;
	}
	if (!found)
		return false;
	buf_append(fields_out, span_of(kept, (size_t)(end - kept)));
	*rest_out = span_from(message, fields.len);
	return true;
}
