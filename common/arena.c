/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_OCTETS 4000

struct arena_chunk {
	struct arena_chunk *next;
	size_t len, cap;
	alignas(max_align_t) char data[];
};

void
arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){ .max = max };
}

void
arena_fini(struct arena *a)
{
	while (a->chunks != NULL) {
		struct arena_chunk *chunk = a->chunks;

		a->chunks = chunk->next;
		free(chunk);
	}
	a->used = 0;
}

/* A chunk with room for len, in front of the others. */
static struct arena_chunk *
arena_grow(struct arena *a, size_t len, struct err *err)
{
	size_t cap = len > CHUNK_OCTETS ? len : CHUNK_OCTETS;
	struct arena_chunk *chunk = calloc(1, sizeof(*chunk) + cap);

	if (chunk == NULL) {
		(void)err_sys(err, "calloc");
		return NULL;
	}
	chunk->cap = cap;
	chunk->next = a->chunks;
	a->chunks = chunk;
	return chunk;
}

void *
arena_take(struct arena *a, size_t len, struct err *err)
{
	const size_t unit = alignof(max_align_t);
	struct arena_chunk *chunk = a->chunks;
	void *p;

	if (len > a->max || a->used > a->max - len ||
	    len > SIZE_MAX / 2 - unit) {
		(void)err_set(err, ERR_LIMIT, "needs over %zu octets", a->max);
		return NULL;
	}
	len = (len + unit - 1) / unit * unit;
	if (chunk == NULL || chunk->cap - chunk->len < len) {
		chunk = arena_grow(a, len, err);
		if (chunk == NULL)
			return NULL;
	}
	p = chunk->data + chunk->len;
	chunk->len += len;
	a->used += len;
	return p;
}

void *
arena_array(struct arena *a, size_t count, size_t size, struct err *err)
{
	size_t len;

	if (__builtin_mul_overflow(count, size, &len))
		len = SIZE_MAX;
	return arena_take(a, len, err);
}

struct span
arena_copy(struct arena *a, struct span s, struct err *err)
{
	char *p = arena_take(a, s.len + 1, err);

	if (p == NULL)
		return SPAN_NONE;
	if (s.len > 0)
		memcpy(p, s.p, s.len);
	return span_of(p, s.len);
}
