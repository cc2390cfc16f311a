/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets as a table and as values: reading ends, and what was read comes
 * back the same after writing.
 */
#include <stdlib.h>

#include "tenants/csv.h"
#include "tenants/kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same_record(const struct csv_record *r)
{
	struct csv_record again;
	struct buf text;
	struct csv csv;

	csv_record_init(&again);
	buf_init(&text, 4 * CSV_RECORD_MAX);
	for (size_t i = 0; i < r->len; i++) {
		if (i > 0)
			buf_append_octet(&text, ',');
		csv_field_format(r->fields[i], &text);
	}
	buf_append(&text, SPAN("\r\n"));
	csv_init(&csv, buf_span(&text));
	/* One empty field is an empty line, which is no record. */
	if (r->len > 1 || r->fields[0].len > 0) {
		if (csv_take(&csv, &again, NULL) != CSV_RECORD ||
		    again.len != r->len)
			abort();
		for (size_t i = 0; i < r->len; i++)
			if (!span_eq(again.fields[i], r->fields[i]))
				abort();
	}
	if (csv_take(&csv, &again, NULL) != CSV_END)
		abort();
	buf_fini(&text);
	csv_record_fini(&again);
}

/* What LDAP would be given, shown and typed again, is the same. */
static void
same_value(const struct field *f, struct span text)
{
	struct buf value, shown, again;

	buf_init(&value, FIELD_VALUE_MAX);
	buf_init(&shown, FIELD_VALUE_MAX);
	buf_init(&again, FIELD_VALUE_MAX);
	if (f->type != FIELD_PERSON &&
	    field_parse(f, "o=hikyaku", text, &value, NULL) == 0) {
		field_format(f, FIELD_FRIENDLY, buf_span(&value), &shown);
		if (field_parse(
			f, "o=hikyaku", buf_span(&shown), &again, NULL) == -1 ||
		    !span_eq(buf_span(&value), buf_span(&again)))
			abort();
	}
	buf_fini(&value);
	buf_fini(&shown);
	buf_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct kind *account = kind_find("account");
	struct csv_record r;
	enum csv_take took;
	struct csv csv;

	csv_record_init(&r);
	csv_init(&csv, span_of((const char *)data, size));
	while ((took = csv_take(&csv, &r, NULL)) == CSV_RECORD ||
	       took == CSV_BAD) {
		if (took == CSV_BAD)
			continue;
		same_record(&r);
		for (size_t i = 0; i < r.len; i++) {
			const struct field *f = kind_field(account, i % 60);
			struct span rest = r.fields[i], part;

			while (field_split(f, &rest, &part))
				same_value(f, part);
		}
	}
	if (csv.rest.len != 0)
		abort();
	csv_record_fini(&r);
	return 0;
}
