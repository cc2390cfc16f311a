/* SPDX-License-Identifier: BSD-2-Clause */
/* Which message answers which.                      RFC 5256 section 3 */
#ifndef HK_IMAPD_THREAD_LINK_H
#define HK_IMAPD_THREAD_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

struct thread_message {
	struct span message_id, references, subject; /* struct known_sort's */
	bool reply;
	int64_t date; /* sent */
};

#define THREAD_NONE UINT32_MAX

struct thread_node {
	uint32_t parent;
	/* Children and siblings in their order. */
	uint32_t child, last_child, next;
};

/*
 * Nodes below messages are the messages, in the order given; those above
 * stand for messages that are not there.  Roots hang together by next.
 */
struct thread {
	struct thread_node *nodes; /* in the arena */
	uint32_t messages, count;
	uint32_t root;
};

enum thread_algorithm {
	THREAD_ORDEREDSUBJECT,
	THREAD_REFERENCES,
	/* As REFERENCES without its step 5, and the thread that has the
	 * newest message comes last. */
	THREAD_REFS,
};

/* Errors: the arena's. */
int thread_link(enum thread_algorithm algorithm,
    const struct thread_message *messages, uint32_t count, struct arena *a,
    struct thread *out, struct err *err);

#endif
