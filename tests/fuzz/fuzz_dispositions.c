/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The macro of dispositions.  Properties: what is deleted or said stands at
 * places that exist; nothing has a control character.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "mime/disposition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		assert((unsigned char)text.p[i] >= ' ');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_fini) struct arena arena;
	struct dispositions d;
	struct err err = ERR_INIT;

	arena_init(&arena, 16 * 1024 * 1024);
	if (dispositions_parse(span_of((const char *)data, size), 20, &arena,
		&d, &err) == -1) {
		assert(err.kind != ERR_NONE);
		return 0;
	}
	assert(d.rcpts_len == 20);
	for (size_t i = 0; i < d.rcpts_len; i++) {
		assert(d.rcpts[i].address.p == NULL);
		check(d.rcpts[i].folder);
		check(d.rcpts[i].trace);
	}
	for (size_t i = 0; i < d.added_len; i++)
		assert(d.added[i].address.len > 0);
	return 0;
}
