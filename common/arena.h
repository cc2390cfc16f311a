/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is freed all at once: what one command, or one parse, makes.
 * A limit stated at birth bounds what a stranger's input can make us hold.
 */
#ifndef HK_COMMON_ARENA_H
#define HK_COMMON_ARENA_H

#include <stddef.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first */
	size_t used, max;           /* octets handed out, and the limit */
};

/* Allocates nothing. */
void arena_init(struct arena *a, size_t max);
/* Frees everything; the arena can be used again. */
void arena_fini(struct arena *a);
CLEANUP_DEFINE_VALUE(struct arena, arena_fini)

/*
 * len octets of zeros, aligned for any type, valid until arena_fini.
 * NULL: ERR_LIMIT, over max; ERR_TEMP, no memory.
 */
void *arena_take(struct arena *a, size_t len, struct err *err);

/* The same for an array; count * size is checked for overflow. */
void *arena_array(struct arena *a, size_t count, size_t size, struct err *err);

/* A copy of the octets.  SPAN_NONE (p NULL) on failure only. */
struct span arena_copy(struct arena *a, struct span s, struct err *err);

#endif
