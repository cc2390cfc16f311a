/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forms of unique-ids.  Properties: failure changes nothing; a form that was
 * taken tells different ids for different messages, of 1 to 70 octets that
 * RFC 1939 section 7 allows, names of files apart.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "store/unique_id.h"
#include "store/view_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct view *
two_messages(void)
{
	static struct view *v;
	struct view_facts facts = { .uidvalidity = UINT32_MAX - 1,
		.uidnext = UINT32_MAX - 1 };
	const struct view_add adds[] = {
		{ .uid = 1, .base = SPAN("f") },
		{ .uid = UINT32_MAX - 2, .base = SPAN("g") },
	};

	if (v == NULL &&
	    view_derive(NULL, &facts, NULL, 0, adds, 2, &v, NULL) == -1)
		abort();
	return v;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unique_id_form form = { .count = 99 };
	CLEANUP(buf_fini) struct buf a, b;
	struct err err = ERR_INIT;

	buf_init(&a, 1000);
	buf_init(&b, 1000);
	if (unique_id_form_parse(
		span_of((const char *)data, size), &form, &err) == -1) {
		assert(form.count == 99 && err.kind == ERR_SYNTAX);
		return 0;
	}
	assert(form.count > 0 && form.count <= UNIQUE_ID_FORM_MAX);
	view_unique_id(two_messages(), 0, &form, &a);
	view_unique_id(two_messages(), 1, &form, &b);
	assert(buf_check(&a, NULL) == 0 && buf_check(&b, NULL) == 0);
	/* The names here have one octet. */
	assert(
	    a.len > 0 && a.len <= 70 + form.count && b.len <= 70 + form.count);
	assert(!span_eq(buf_span(&a), buf_span(&b)));
	for (size_t i = 0; i < a.len; i++)
		assert(a.data[i] >= 0x21 && a.data[i] <= 0x7e);
	return 0;
}
