/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Headers in UTF-8.  Properties: what comes out is ASCII, has as many fields
 * as went in or fewer, and comes out of a second pass unchanged.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "mime/downgrade.h"
#include "mime/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
fields_count(struct span fields)
{
	struct field field;
	size_t count = 0;

	while (field_next(&fields, &field))
		count++;
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span message = span_of((const char *)data, size);
	struct span fields = span_first(message, header_end(message).fields);
	CLEANUP(buf_fini) struct buf out, again;
	struct err err = ERR_INIT;
	bool international;

	buf_init(&out, 16 * 1024 * 1024);
	buf_init(&again, 16 * 1024 * 1024);
	assert(header_is_international(fields, &international, &err) == 0);
	if (!international)
		return 0;
	assert(header_downgrade(fields, &out, &err) == 0);
	for (size_t i = 0; i < out.len; i++)
		assert((unsigned char)out.data[i] < 0x80);
	assert(fields_count(buf_span(&out)) <= fields_count(fields));
	assert(header_end(buf_span(&out)).fields == out.len);
	assert(header_downgrade(buf_span(&out), &again, &err) == 0);
	assert(span_eq(buf_span(&again), buf_span(&out)));
	return 0;
}
