/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "store/inside.h"
#include "store/modseq.h"

static int
open_once(struct account *a, struct span name, enum mailbox_mode mode,
    struct mailbox **mailbox_out, struct err *err)
{
	struct mailbox *m = calloc(1, sizeof(*m) + name.len + 1);
	char *copy;

	if (m == NULL)
		return err_set(err, ERR_TEMP, "mailbox: out of memory");
	copy = (char *)(m + 1);
	if (name.len > 0)
		memcpy(copy, name.p, name.len);
	m->name = span_of(copy, name.len);
	m->mode = mode;
	if (folder_hold(a, name, &m->folder, err) == -1) {
		free(m);
		return -1;
	}
	if (mailbox_refresh(m, NULL, err) == -1) {
		mailbox_close(m);
		return -1;
	}
	m->view = folder_current(m->folder);
	*mailbox_out = m;
	return 0;
}

int
mailbox_open(struct account *a, struct span name, enum mailbox_mode mode,
    struct mailbox **mailbox_out, struct err *err)
{
	struct err why = ERR_INIT;

	if (open_once(a, name, mode, mailbox_out, &why) == 0)
		return 0;
	/* It was deleted and made again, or renumbered (a restored backup),
	 * since somebody here had it open: to who comes now it is new. */
	if (why.kind == ERR_CLOSED)
		return open_once(a, name, mode, mailbox_out, err);
	if (err != NULL)
		*err = why;
	return -1;
}

void
mailbox_close(struct mailbox *m)
{
	struct folder *f;

	if (m == NULL)
		return;
	f = m->folder;
	watch_remove_mailbox(m);
	if (m->resting) {
		(void)pthread_mutex_lock(&f->mutex);
		f->resting--;
		(void)pthread_mutex_unlock(&f->mutex);
	}
	view_unref(m->view);
	packed_unref(m->packed);
	free(m->recent);
	if (f->tracked && f->account->store->modseqs)
		modseq_save(f);
	folder_release(f);
	free(m);
}

struct account *
mailbox_account(const struct mailbox *m)
{
	return m->folder->account;
}

struct span
mailbox_name(const struct mailbox *m)
{
	return m->name;
}

struct view *
mailbox_view(const struct mailbox *m)
{
	return m->view;
}

bool
mailbox_recent(const struct mailbox *m, const struct message *message)
{
	size_t low = 0, high = m->recent_count;

	if ((message->letters & MESSAGE_IN_NEW) != 0)
		return true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->recent[middle].last < message->uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->recent_count && m->recent[low].first <= message->uid;
}

uint32_t
mailbox_recent_count(const struct mailbox *m)
{
	const struct view *v = m->view;
	uint32_t count = 0;

	if (view_count_new(v) > 0) {
		/* Those in new/ may lie within the ranges, too. */
		for (uint32_t i = 0; i < view_count(v); i++)
			count += mailbox_recent(m, view_at(v, i));
		return count;
	}
	for (size_t i = 0; i < m->recent_count; i++) {
		const struct uid_range *r = &m->recent[i];
		uint32_t end = r->last == UINT32_MAX
				   ? view_count(v)
				   : view_lower_bound(v, r->last + 1);

		count += end - view_lower_bound(v, r->first);
	}
	return count;
}

/* ---- refresh, rest ---- */

/* The same messages with the same flags, as far as a client can see. */
static bool
views_equal(const struct view *a, const struct view *b)
{
	if (a == b)
		return true;
	if (view_count(a) != view_count(b) ||
	    !keywords_equal(view_facts(a).keywords, view_facts(b).keywords))
		return false;
	for (uint32_t i = 0; i < view_count(a);) {
		const struct message *x, *y;
		uint32_t shared = view_shared_run(a, i, b, i);

		if (shared > 0) {
			i += shared;
			continue;
		}
		x = view_at(a, i);
		y = view_at(b, i);
		if (x->uid != y->uid ||
		    ((x->letters ^ y->letters) & MESSAGE_VISIBLE) != 0)
			return false;
		i++;
	}
	return true;
}

/* Takes the session's view out of its packed form. */
static int
mailbox_wake(struct mailbox *m, struct err *err)
{
	struct folder *f = m->folder;

	if (!m->resting)
		return 0;
	if (packed_open(m->packed, &m->view, err) == -1)
		return -1;
	packed_unref(m->packed);
	m->packed = NULL;
	m->resting = false;
	(void)pthread_mutex_lock(&f->mutex);
	f->resting--;
	(void)pthread_mutex_unlock(&f->mutex);
	return 0;
}

int
mailbox_refresh(struct mailbox *m, bool *changed_out, struct err *err)
{
	struct folder *f = m->folder;
	CLEANUP(view_unref) struct view *current = NULL;
	bool move = m->mode == MAILBOX_WRITE;
	int done;

	if (mailbox_wake(m, err) == -1)
		return -1;
	done = folder_begin(f, err);
	if (done == 0)
		done = folder_sync(f, move, move ? m : NULL, err);
	folder_end(f);
	if (done == -1)
		return -1;
	current = folder_current(f);
	if (m->view != NULL && m->view != current &&
	    views_equal(m->view, current)) {
		/* Nothing to tell: share the one with names and sizes. */
		view_unref(m->view);
		m->view = view_ref(current);
	}
	if (changed_out != NULL)
		*changed_out = m->view != current;
	return 0;
}

/* With the turn: no session is awake, and none can wake without the turn. */
static bool
folder_all_rest(struct folder *f)
{
	struct store *s = f->account->store;
	bool all;

	(void)pthread_mutex_lock(&s->mutex);
	(void)pthread_mutex_lock(&f->mutex);
	all = f->resting == f->handles;
	(void)pthread_mutex_unlock(&f->mutex);
	(void)pthread_mutex_unlock(&s->mutex);
	return all;
}

/* The folder's own view goes when the last session rests. */
static void
folder_rest(struct folder *f)
{
	struct view *dropped = NULL;

	/* Somebody at work there keeps it. */
	if (pthread_mutex_trylock(&f->turn) != 0)
		return;
	if (folder_all_rest(f)) {
		(void)pthread_mutex_lock(&f->mutex);
		if (f->current != NULL && f->packed == NULL)
			f->packed = view_pack(f->current);
		if (f->packed != NULL) {
			dropped = f->current;
			f->current = NULL;
		}
		(void)pthread_mutex_unlock(&f->mutex);
		view_unref(dropped);
		folder_close_files(f);
	}
	(void)pthread_mutex_unlock(&f->turn);
}

void
mailbox_rest(struct mailbox *m)
{
	struct folder *f = m->folder;

	if (m->resting || m->view == NULL)
		return;
	(void)pthread_mutex_lock(&f->mutex);
	if (m->view == f->current && f->packed == NULL)
		f->packed = view_pack(m->view);
	m->packed =
	    m->view == f->current ? packed_ref(f->packed) : view_pack(m->view);
	(void)pthread_mutex_unlock(&f->mutex);
	if (m->packed == NULL)
		return;
	view_unref(m->view);
	m->view = NULL;
	m->resting = true;
	(void)pthread_mutex_lock(&f->mutex);
	f->resting++;
	(void)pthread_mutex_unlock(&f->mutex);
	folder_rest(f);
}

/* ---- status ---- */

int
mailbox_status(struct account *a, struct span name,
    struct mailbox_status *status_out, struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	const struct view *v;

	if (mailbox_open(a, name, MAILBOX_READ, &m, err) == -1)
		return -1;
	v = m->view;
	*status_out = (struct mailbox_status){
		.messages = view_count(v),
		.recent = view_count_new(v),
		.unseen = view_count(v) - view_count_letters(v, MESSAGE_SEEN),
		.deleted = view_count_letters(v, MESSAGE_DELETED),
		.uidnext = view_uidnext(v),
		.uidvalidity = view_uidvalidity(v),
		.change = view_change(v),
	};
	memcpy(status_out->mailbox_id, view_mailbox_id(v), 33);
	for (uint32_t i = 0; i < view_count(v); i++) {
		uint64_t octets = view_at(v, i)->size_virtual;

		if (octets != MESSAGE_SIZE_UNKNOWN)
			status_out->size_octets += octets;
	}
	return 0;
}
