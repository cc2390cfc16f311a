/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of a message: entries behind its record, in the journal and in
 * queue files.  Numbers are little-endian.
 *
 *	0	4	octets of the entry, these included
 *	4	4	CRC-32C of what follows
 *	8	1	version (1)
 *	9	1	what: enum queue_entry_what
 *	10	2	0
 *	12	12	the message's id, and NUL
 *
 *	and then, for RECIPIENT
 *	24	4	number of the recipient
 *	28	1	state: enum queue_state
 *	29	1	tries
 *	30	2	octets of the reply
 *	32	8	time of the next try, milliseconds since the epoch
 *	40		reply
 *	for RELEASED
 *	24		a record without content: recipients that were added
 *	for the others nothing.
 *
 * An entry whose what or version is not known is passed over by its length.
 */
#ifndef HK_DELIVERY_QUEUE_ENTRY_H
#define HK_DELIVERY_QUEUE_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

#define QUEUE_ENTRY_HEAD 24

enum queue_entry_what {
	QUEUE_ENTRY_RECIPIENT = 1,
	QUEUE_ENTRY_RELEASED = 2,
	QUEUE_ENTRY_DROPPED = 3,
	QUEUE_ENTRY_MOVED = 4, /* out of the journal, into a file */
	QUEUE_ENTRY_FROZEN = 5,
	QUEUE_ENTRY_THAWED = 6,
	QUEUE_ENTRY_WARNED = 7,
};

struct queue_entry {
	enum queue_entry_what what;
	struct span id;
	/* RECIPIENT: */
	uint32_t number;
	uint8_t state, tries;
	uint64_t next_ms;
	struct span reply;
	/* RELEASED: */
	struct span record;
};

void queue_entry_format(const struct queue_entry *entry, struct buf *out);

enum queue_entry_next {
	QUEUE_ENTRY_TAKEN,
	QUEUE_ENTRY_UNKNOWN, /* of a later version: passed over */
	QUEUE_ENTRY_END,
	QUEUE_ENTRY_BROKEN, /* cut off or damaged: nothing more is to be read */
};
/* Takes the next one off the front of *in; borrowed from it. */
enum queue_entry_next queue_entry_take(
    struct span *in, struct queue_entry *out);

#endif
