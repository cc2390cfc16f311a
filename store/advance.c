/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Telling a session what changed: its view and the folder's are walked side
 * by side, in the order of UIDs, passing over chunks that both share.
 */
#include <stdlib.h>

#include "store/inside.h"

struct advance {
	struct mailbox *m;
	const struct mailbox_events *events;
	void *arg;
	bool expunges;
	struct view *old, *current;
	uint32_t gone; /* in old, not in current */
	uint32_t told; /* expunges reported */
	/* Indexes, in the session's new view, of messages with other flags. */
	uint32_t *flagged;
	size_t flagged_count, flagged_room;
	bool failed;
};

static void
advance_flagged(struct advance *a, uint32_t index)
{
	if (a->flagged_count == a->flagged_room) {
		size_t room = 2 * a->flagged_room + 64;
		void *grown = realloc(a->flagged, room * sizeof(uint32_t));

		if (grown == NULL) {
			a->failed = true;
			return;
		}
		a->flagged = grown;
		a->flagged_room = room;
	}
	a->flagged[a->flagged_count++] = index;
}

/* Finds what is gone and what has other flags; reports the former. */
static void
advance_compare(struct advance *a)
{
	uint32_t i = 0, j = 0, old_count = view_count(a->old);
	uint32_t count = view_count(a->current);

	while (i < old_count) {
		const struct message *x = view_at(a->old, i), *y;
		uint32_t shared =
		    j < count ? view_shared_run(a->old, i, a->current, j) : 0;

		if (shared > 0) {
			i += shared;
			j += shared;
			continue;
		}
		while (j < count && view_at(a->current, j)->uid < x->uid)
			j++;
		y = j < count ? view_at(a->current, j) : NULL;
		if (y == NULL || y->uid != x->uid) {
			a->gone++;
			if (a->expunges && a->events->expunged != NULL)
				a->events->expunged(
				    a->arg, i + 1 - a->told, x->uid);
			a->told += a->expunges;
			i++;
			continue;
		}
		if (((x->letters ^ y->letters) & MESSAGE_VISIBLE) != 0)
			advance_flagged(a, a->expunges ? j : i);
		i++;
		j++;
	}
}

static void
merge_put(struct view_add *add, const struct view *v, uint32_t index,
    uint64_t letters)
{
	const struct message *m = view_at(v, index);

	*add = (struct view_add){
		.uid = m->uid,
		.letters = (m->letters & ~MESSAGE_RAW) | letters,
		.change = m->change,
		.size_physical = m->size_physical,
		.size_virtual = m->size_virtual,
		.base = view_base_name(v, index),
		.fields = view_fields(v, index),
	};
}

/*
 * The current view with the messages that are gone still in their places.
 * A view for one session: nobody opens files by its names.
 */
static int
advance_merge(struct advance *a, struct view **merged_out, struct err *err)
{
	uint32_t i = 0, j = 0, old_count = view_count(a->old);
	uint32_t count = view_count(a->current);
	struct view_facts facts = view_facts(a->current);
	size_t n = 0;
	CLEANUP(mem_free)
	struct view_add *adds =
	    calloc((size_t)count + a->gone + 1, sizeof(*adds));

	if (adds == NULL)
		return err_set(err, ERR_TEMP, "advance: out of memory");
	while (i < old_count || j < count) {
		uint64_t x =
		    i < old_count ? view_at(a->old, i)->uid : UINT64_MAX;
		uint64_t y =
		    j < count ? view_at(a->current, j)->uid : UINT64_MAX;

		if (y <= x)
			merge_put(&adds[n++], a->current, j, 0);
		else
			merge_put(&adds[n++], a->old, i, MESSAGE_GONE);
		i += x <= y;
		j += y <= x;
	}
	return view_derive(NULL, &facts, NULL, 0, adds, n, merged_out, err);
}

static void
advance_tell(struct advance *a)
{
	const struct mailbox_events *e = a->events;
	struct view *v = a->m->view;
	uint32_t before = view_count(a->old) - a->told;

	if (e->keywords != NULL && !keywords_equal(view_facts(a->old).keywords,
				       view_facts(v).keywords))
		e->keywords(a->arg, v);
	if (e->exists != NULL && view_count(v) != before)
		e->exists(a->arg, view_count(v));
	for (size_t i = 0; e->flags != NULL && i < a->flagged_count; i++)
		e->flags(a->arg, a->flagged[i] + 1, view_at(v, a->flagged[i]));
}

int
mailbox_advance(struct mailbox *m, bool expunges,
    const struct mailbox_events *events, void *arg, struct err *err)
{
	static const struct mailbox_events none = { 0 };
	struct advance a = {
		.m = m,
		.events = events != NULL ? events : &none,
		.arg = arg,
		.expunges = expunges,
		.old = view_ref(m->view),
		.current = folder_current(m->folder),
	};
	struct view *next = NULL;
	int done = 0;

	if (a.current == NULL || m->folder->dead) {
		done = err_set(err, ERR_CLOSED, "the mailbox is gone");
	} else if (a.current != a.old) {
		advance_compare(&a);
		if (a.gone > 0 && !expunges)
			done = advance_merge(&a, &next, err);
		else
			next = view_ref(a.current);
		if (a.failed)
			done = err_set(err, ERR_TEMP, "advance: out of memory");
		if (done == 0) {
			view_unref(m->view);
			m->view = next;
			next = NULL;
			advance_tell(&a);
		}
	}
	view_unref(next);
	view_unref(a.old);
	view_unref(a.current);
	free(a.flagged);
	return done;
}
