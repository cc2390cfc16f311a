/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a view, for view.c and view_edit.c alone. */
#ifndef HK_STORE_VIEW_LAYOUT_H
#define HK_STORE_VIEW_LAYOUT_H

#include "store/view_edit.h"

/* Text of a chunk's messages: base, info (if MESSAGE_RAW), uidlist fields. */
struct names {
	_Atomic unsigned refs;
	size_t len;
	char text[];
};

struct chunk {
	_Atomic unsigned refs;
	uint32_t count;  /* 1..VIEW_CHUNK */
	uint32_t in_new; /* of them, so many have MESSAGE_IN_NEW */
	uint64_t used;   /* every letter that one of them has */
	uint64_t common; /* and every letter that all of them have */
	uint32_t fields; /* every uidlist field: UIDLIST_FIELD_BIT */
	struct names *names;
	struct message messages[];
};

struct view {
	_Atomic unsigned refs;
	struct view_facts facts;
	uint32_t count; /* of messages */
	uint32_t in_new;
	uint64_t used;   /* as in the chunks */
	uint32_t fields; /* likewise */
	uint32_t chunk_count, chunk_room;
	struct {
		struct chunk *chunk;
		uint32_t start; /* index of its first message */
	} * chunks;
};

struct span message_base(const struct chunk *c, const struct message *m);
struct span message_info_raw(const struct chunk *c, const struct message *m);
struct span message_fields(const struct chunk *c, const struct message *m);

void names_unref(struct names *n);
void chunk_unref(struct chunk *c);
/* The chunk that holds index, which must exist. */
uint32_t view_chunk_of(const struct view *v, uint32_t index);

#endif
