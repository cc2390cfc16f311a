/* SPDX-License-Identifier: BSD-2-Clause */
/* \Recent: the UIDs that a session was the first to move out of new/. */
#include <stdlib.h>

#include "store/scan.h"

static int
range_cmp(const void *a, const void *b)
{
	const struct uid_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Ascending, and what touches becomes one. */
static void
ranges_unite(struct mailbox *m)
{
	size_t kept = 0;

	if (m->recent_count == 0)
		return;
	qsort(m->recent, m->recent_count, sizeof(*m->recent), range_cmp);
	for (size_t i = 1; i < m->recent_count; i++) {
		struct uid_range *last = &m->recent[kept];

		if (m->recent[i].first <= last->last + 1) {
			if (last->last < m->recent[i].last)
				last->last = m->recent[i].last;
		} else {
			m->recent[++kept] = m->recent[i];
		}
	}
	m->recent_count = kept + 1;
}

/* An idle session keeps no more than it needs. */
static void
ranges_shrink(struct mailbox *m)
{
	void *less;

	if (m->recent_room <= 2 * m->recent_count + 4)
		return;
	less = realloc(m->recent, (m->recent_count + 4) * sizeof(*m->recent));
	if (less == NULL)
		return;
	m->recent = less;
	m->recent_room = m->recent_count + 4;
}

static bool
ranges_room(struct mailbox *m)
{
	size_t room = 2 * m->recent_room + 4;
	void *grown;

	if (m->recent_count < m->recent_room)
		return true;
	grown = realloc(m->recent, room * sizeof(*m->recent));
	if (grown == NULL)
		return false;
	m->recent = grown;
	m->recent_room = room;
	return true;
}

void
recent_claim(struct mailbox *claimer, const struct scan *scan)
{
	struct uid_range *last;

	for (size_t i = 0; i < scan->count; i++) {
		const struct scan_file *file = &scan->files[i];

		if (!file->moved || file->doubled || file->uid == 0)
			continue;
		last = claimer->recent_count == 0
			   ? NULL
			   : &claimer->recent[claimer->recent_count - 1];
		if (last != NULL && file->uid == last->last + 1) {
			last->last++;
			continue;
		}
		/* readdir has no order: unite before there are too many. */
		if (claimer->recent_count == claimer->recent_room)
			ranges_unite(claimer);
		if (!ranges_room(claimer))
			break; /* it just is not \Recent */
		claimer->recent[claimer->recent_count++] =
		    (struct uid_range){ file->uid, file->uid };
	}
	ranges_unite(claimer);
	ranges_shrink(claimer);
}
