/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/trace.h"

#include "mime/header.h"
#include "mime/lex.h"

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

/* The server that an Authentication-Results field says it is from. */
static bool
claims_to_be(struct span value, struct span authserv_id)
{
	struct span id;

	(void)lex_cfws(&value, NULL);
	if (!lex_quoted(&value, &id) && !lex_run(&value, ";(", &id))
		return false;
	return span_eq_nocase(id, authserv_id);
}

size_t
smtp_trace_strip_draft(struct draft *draft, struct span authserv_id)
{
	size_t count = 0;

	for (size_t i = 0; i < draft->len; i++) {
		struct draft_field *f = &draft->fields[i];

		if (f->ours)
			continue;
		f->deleted = smtp_trace_is_ours(f->name) ||
			     (authserv_id.len > 0 &&
				 span_eq_nocase(
				     f->name, SPAN("Authentication-Results")) &&
				 claims_to_be(f->value, authserv_id));
		count += f->deleted ? 1 : 0;
	}
	return count;
}
