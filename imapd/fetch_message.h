/* SPDX-License-Identifier: BSD-2-Clause */
/* One FETCH command, and its response for one message. */
#ifndef HK_IMAPD_FETCH_MESSAGE_H
#define HK_IMAPD_FETCH_MESSAGE_H

#include "imapd/fetch.h"
#include "imapd/known.h"
#include "imapd/session.h"
#include "store/message.h"

struct fetch {
	struct imap_session *s;
	struct fetch_request request;
	struct record_reader *known; /* the cache, or NULL */
	/* For one message after the other. */
	struct message_head head;
	struct buf made[KNOWN_KINDS];
	struct buf section;
	/* Messages that became \Seen by it, marked at the end. */
	uint32_t *seen;
	size_t seen_count;
	bool gone; /* some were there no more */
	size_t unreadable;
	struct err unreadable_err; /* of the first one */
};

void fetch_init(struct fetch *f, struct imap_session *s);
void fetch_fini(struct fetch *f);
CLEANUP_DEFINE_VALUE(struct fetch, fetch_fini)

/*
 * Writes the response.  A message that is gone sets f->gone, one that cannot
 * be read is counted in f->unreadable; both have none.
 */
int fetch_message(struct fetch *f, uint32_t index, struct err *err);

#endif
