/* SPDX-License-Identifier: BSD-2-Clause */
/* What SORT and THREAD need of each message. */
#ifndef HK_IMAPD_SORT_H
#define HK_IMAPD_SORT_H

#include "common/buf.h"
#include "common/cleanup.h"
#include "imapd/known.h"
#include "imapd/session.h"
#include "store/message.h"

struct sort_reader {
	struct imap_session *session;
	struct record_reader *known; /* the cache, or NULL */
	/* For one message after the other. */
	struct message_head head;
	struct buf made;
};
/* expected: of how many messages it will be asked. */
void sort_reader_init(
    struct sort_reader *r, struct imap_session *s, size_t expected);
void sort_reader_fini(struct sort_reader *r);
CLEANUP_DEFINE_VALUE(struct sort_reader, sort_reader_fini)

/*
 * Of the cache, or the message, which then is in the cache.  Borrowed until
 * the next call.  A message that is gone meanwhile has nothing: no texts, and
 * all dates are 0.
 */
int sort_reader_get(struct sort_reader *r, uint32_t index,
    struct known_sort *out, struct err *err);

#endif
