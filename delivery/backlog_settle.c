/* SPDX-License-Identifier: BSD-2-Clause */
/* From a rename to the end of its record: the rename is flushed, with the next
 * batch's flush where that takes the whole file system, else by itself. */
#include <stdlib.h>

#include "common/log.h"
#include "delivery/backlog_private.h"

void
backlog_shown(struct backlog *b, struct shown_list *l)
{
	struct shown_list *all = &b->unflushed;

	for (size_t i = 0; i < l->count; i++) {
		if (all->count == all->room) {
			size_t room = 2 * all->room + BACKLOG_BATCH;
			void *grown =
			    realloc(all->items, room * sizeof(*all->items));

			/* Never settled, then: the next start sees that there
			 * is nothing left to do. */
			if (grown == NULL)
				break;
			all->items = grown;
			all->room = room;
		}
		all->items[all->count++] = l->items[i];
	}
	free(l->items);
	*l = (struct shown_list){ 0 };
}

struct shown_list
backlog_take_shown(struct backlog *b)
{
	struct shown_list taken = b->unflushed;

	b->unflushed = (struct shown_list){ 0 };
	return taken;
}

/* Those that cannot be flushed stay in the journal: after a start it is seen
 * whether they are there. */
static void
flush_shown(const struct shown_list *l, bool *failed)
{
	struct placing **all = calloc(l->count + 1, sizeof(struct placing *));
	struct err err = ERR_INIT;
	bool whole;

	if (all == NULL) {
		for (size_t i = 0; i < l->count; i++)
			failed[i] = true;
		return;
	}
	for (size_t i = 0; i < l->count; i++)
		all[i] = l->items[i].placing;
	if (placing_flush(all, l->count, true, failed, &whole, &err) == -1)
		log_error(&log_process, "a delivery cannot be flushed",
		    log_err(&err));
	free(all);
}

/* With the mutex: one target of it is where it belongs, for good. */
static bool
is_settled(struct waiting *w)
{
	return --w->unflushed == 0 && w->left == 0;
}

void
backlog_settle(struct backlog *b, struct shown_list *l, bool flushed)
{
	bool *failed = calloc(l->count + 1, sizeof(*failed));
	CLEANUP(buf_fini) struct buf marks;

	buf_init(&marks, JOURNAL_PAYLOAD_MAX);
	record_marks_begin(&marks);
	if (failed != NULL && !flushed)
		flush_shown(l, failed);
	(void)pthread_mutex_lock(&b->mutex);
	for (size_t i = 0; i < l->count; i++) {
		struct waiting *w = l->items[i].waiting;

		if (failed != NULL && !failed[i] && is_settled(w)) {
			record_marks_put(
			    &marks, (struct record_mark){ w->ref.number, 0 });
			journal_settle(b->journal, &w->ref);
		}
		waiting_unref(w);
	}
	(void)pthread_mutex_unlock(&b->mutex);
	for (size_t i = 0; i < l->count; i++)
		placing_free(l->items[i].placing);
	if (buf_check(&marks, NULL) == 0 && marks.len > 4)
		journal_note(b->journal, RECORD_SETTLED, buf_span(&marks));
	free(failed);
	free(l->items);
	*l = (struct shown_list){ 0 };
}
