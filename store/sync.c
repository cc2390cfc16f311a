/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bringing a folder's view up to date with its directory.
 *
 * Two stats tell whether anything happened.  If so, under the lock: read what
 * is new in dovecot-uidlist, list new/ (and cur/, if that changed too), match
 * files with lines by base name, give UIDs to what has none, write them to
 * dovecot-uidlist and flush it, and only then show the new view: no client
 * ever saw a UID that a power cut can take back.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "store/inside.h"
#include "store/modseq.h"
#include "store/sync_private.h"
#include "store/uidlist.h"
#include "store/uidvalidity.h"

/* A rewrite is worth it when this part of the lines is of messages long gone;
 * a small file may wait. */
#define LINES_SLACK 64

/* ---- what is to be done ---- */

static bool
state_changed(const struct scan_state *seen, const struct stat *st)
{
	struct disk_stamp now = disk_stamp_of(st);

	return !disk_stamp_eq(&seen->stamp, &now) ||
	       (seen->dirty && time(NULL) > seen->checked + 1);
}

/* Mail in new/ that this session should move. */
static bool
has_unmoved(struct folder *f)
{
	return f->current != NULL && view_count_new(f->current) > 0;
}

static int
sync_needed(
    struct folder *f, bool move, bool *new_out, bool *cur_out, struct err *err)
{
	struct stat st_new, st_cur;

	if (fstat(f->new_fd, &st_new) == -1 || fstat(f->cur_fd, &st_cur) == -1)
		return err_sys(err, "stat of a mailbox");
	if (st_new.st_nlink == 0 || st_cur.st_nlink == 0) {
		f->dead = true;
		return err_set(err, ERR_CLOSED, "the mailbox was deleted");
	}
	*cur_out = f->current == NULL || state_changed(&f->seen_cur, &st_cur);
	*new_out = *cur_out || state_changed(&f->seen_new, &st_new) ||
		   (move && has_unmoved(f));
	return 0;
}

/* ---- facts ---- */

static int
new_mailbox_id(char out[33], struct err *err)
{
	unsigned char octets[16];

	if (getrandom(octets, sizeof(octets), 0) != (ssize_t)sizeof(octets))
		return err_sys(err, "getrandom");
	for (size_t i = 0; i < sizeof(octets); i++)
		(void)snprintf(out + 2 * i, 3, "%02x", octets[i]);
	return 0;
}

/* UIDVALIDITY, UIDNEXT, id and keywords, from the file or from what we know. */
static int
sync_facts(struct sync *s, struct err *err)
{
	const struct view *before = s->old != NULL ? s->old : s->rested;
	struct known_list *k = &s->known;
	struct view_facts *facts = &s->facts;

	if (s->saved && k->uidvalidity != view_uidvalidity(s->rested)) {
		/* Of another mailbox that had this name. */
		view_unref(s->rested);
		s->rested = NULL;
		before = NULL;
	}
	if (before != NULL)
		*facts = view_facts(before);
	if (before != NULL && k->whole && k->uidvalidity != 0 &&
	    k->uidvalidity != facts->uidvalidity) {
		s->f->dead = true;
		return err_set(err, ERR_CLOSED, "UIDVALIDITY was changed");
	}
	if (k->whole && k->uidvalidity != 0) {
		facts->uidvalidity = k->uidvalidity;
		if (k->mailbox_id[0] != '\0')
			memcpy(facts->mailbox_id, k->mailbox_id, 33);
	}
	if (facts->uidvalidity == 0 &&
	    uidvalidity_next(s->f->account->fd, &facts->uidvalidity, err) == -1)
		return -1;
	if (facts->mailbox_id[0] == '\0' &&
	    new_mailbox_id(facts->mailbox_id, err) == -1)
		return -1;
	if (facts->uidnext < k->uidnext)
		facts->uidnext = k->uidnext;
	if (facts->uidnext == 0)
		facts->uidnext = 1;
	s->rewrite = k->rewrite;
	if (keywordfile_read(s->f, &s->keywords, err) == -1)
		return -1;
	facts->keywords = s->keywords;
	facts->change = folder_next_change(s->f);
	return 0;
}

/* ---- writing it down ---- */

/* Lines for messages that have just got their UIDs. */
static int
append_adds(struct folder *f, const struct view_add *adds, size_t count,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf lines;

	buf_init(&lines, (size_t)256 * 1024 * 1024);
	for (size_t i = 0; i < count; i++)
		uidlist_line_format(
		    adds[i].uid, adds[i].fields, adds[i].base, &lines);
	if (buf_check(&lines, err) == -1)
		return -1;
	return uidfile_append(
	    f, buf_span(&lines), (uint32_t)count, adds[count - 1].uid, err);
}

int
folder_add(
    struct folder *f, struct view_add *adds, size_t count, struct err *err)
{
	CLEANUP(view_unref) struct view *v = folder_current(f);
	struct view_facts facts = view_facts(v);
	struct view *next;

	if (count == 0)
		return 0;
	if (UINT32_MAX - 1 - facts.uidnext <= count)
		return err_set(err, ERR_LIMIT, "no UID is left");
	for (size_t i = 0; i < count; i++)
		adds[i].uid = facts.uidnext++;
	facts.change = folder_next_change(f);
	if (view_derive(v, &facts, NULL, 0, adds, count, &next, err) == -1)
		return -1;
	if (append_adds(f, adds, count, err) == -1) {
		view_unref(next);
		f->uidlist.loaded = false;
		return -1;
	}
	f->change = facts.change;
	folder_saw_own_change(f);
	folder_publish(f, next);
	watch_tell(f);
	return 0;
}

static int
sync_write(struct sync *s, const struct view *v, struct err *err)
{
	uint32_t live = view_count(v), lines = s->f->uidlist.lines;

	if (lines > LINES_SLACK && live < lines - lines / 4 - LINES_SLACK)
		s->rewrite = true;
	if (s->rewrite)
		return uidfile_rewrite(s->f, v, err);
	if (s->fresh == 0)
		return 0;
	return append_adds(
	    s->f, s->adds + s->add_count - s->fresh, s->fresh, err);
}

static bool
nothing_changed(const struct sync *s)
{
	return s->old != NULL && s->edit_count == 0 && s->add_count == 0 &&
	       !s->rewrite && s->facts.uidnext == view_uidnext(s->old) &&
	       keywords_equal(s->keywords, view_facts(s->old).keywords);
}

/* The messages and letters are those of the rested view. */
static bool
as_rested(const struct sync *s)
{
	if (s->rested == NULL || s->add_count != view_count(s->rested) ||
	    s->facts.uidnext != view_uidnext(s->rested))
		return false;
	for (size_t i = 0; i < s->add_count; i++) {
		if (s->adds[i].change == 0)
			return false;
	}
	return true;
}

static int
sync_publish(struct sync *s, bool write, struct err *err)
{
	struct view *v;

	/* What was saved is how it is: HIGHESTMODSEQ stays. */
	if (s->saved && as_rested(s))
		s->facts.change = view_change(s->rested);
	if (view_derive(s->old, &s->facts, s->edits, s->edit_count, s->adds,
		s->add_count, &v, err) == -1)
		return -1;
	if (write && sync_write(s, v, err) == -1) {
		view_unref(v);
		return -1;
	}
	s->f->change = s->facts.change;
	if (s->old != NULL)
		folder_tell_removed(s->f, s->old, s->edits, s->edit_count);
	folder_publish(s->f, v);
	return 0;
}

/*
 * The disk is full: mail that has no UID yet cannot get one that lasts, but
 * what has one can be read, and deleted to make room.
 */
static int
sync_without_fresh(struct sync *s, struct err *err)
{
	s->short_of_room = true;
	s->add_count -= s->fresh;
	s->facts.uidnext -= (uint32_t)s->fresh;
	s->fresh = 0;
	return sync_publish(s, false, err);
}

static int
sync_run(struct sync *s, bool move, struct buf *waited, struct err *err)
{
	struct err why = ERR_INIT;
	bool must_write;

	if (uidfile_read(s->f, s->old == NULL, &s->known, err) == -1)
		return -1;
	s->whole = s->whole || s->known.whole;
	if (sync_facts(s, err) == -1 || sync_match_files(s, move, err) == -1)
		return -1;
	sync_match_lines(s, waited);
	if (sync_match_view(s, err) == -1 ||
	    (s->known.whole && sync_match_fields(s, err) == -1) ||
	    sync_adds(s, err) == -1)
		return -1;
	if (nothing_changed(s))
		return 0;
	must_write = s->rewrite;
	if (sync_publish(s, true, &why) == 0)
		return 0;
	if (why.kind == ERR_LIMIT && !must_write)
		return sync_without_fresh(s, err);
	if (err != NULL)
		*err = why;
	return -1;
}

static int
sync_begin(struct sync *s, struct err *err)
{
	struct folder *f = s->f;
	struct packed *packed;

	scan_init(&s->scan, f);
	s->old = folder_current(f);
	(void)pthread_mutex_lock(&f->mutex);
	packed = packed_ref(f->packed);
	(void)pthread_mutex_unlock(&f->mutex);
	if (s->old == NULL && packed == NULL && f->account->store->modseqs &&
	    (packed = modseq_load(f)) != NULL) {
		s->saved = true;
		f->tracked = true;
		f->saved_change = packed_change(packed);
		if (f->change < f->saved_change)
			f->change = f->saved_change;
	}
	if (s->old == NULL && packed != NULL &&
	    packed_open(packed, &s->rested, err) == -1) {
		packed_unref(packed);
		return -1;
	}
	packed_unref(packed);
	return 0;
}

static void
sync_end(struct sync *s)
{
	scan_fini(&s->scan);
	known_list_fini(&s->known);
	keywords_unref(s->keywords);
	view_unref(s->old);
	view_unref(s->rested);
	free(s->edits);
	free(s->adds);
}

int
folder_sync(
    struct folder *f, bool move, struct mailbox *claimer, struct err *err)
{
	struct store *store = f->account->store;
	struct sync s = { .f = f };
	CLEANUP(buf_fini) struct buf waited;
	bool new_changed = false, cur_changed = false;
	int done;

	buf_init(&waited, 0);
	if (sync_needed(f, move, &new_changed, &cur_changed, err) == -1)
		return -1;
	if (!new_changed)
		return 0;
	if (f->lock.dirfd == -1 &&
	    dotlock_take(f->fd, "dovecot-uidlist", store->hostname,
		store->lock_wait_ms, &f->lock, err) == -1)
		return -1;
	s.whole = cur_changed;
	done = sync_begin(&s, err);
	if (done == 0)
		done = sync_run(&s, move, &waited, err);
	if (done == 0 && claimer != NULL && !s.short_of_room)
		recent_claim(claimer, &s.scan);
	if (done == 0 && move && s.old == NULL && (s.rested == NULL || s.saved))
		leftovers_remove(f);
	if (done == -1 || s.short_of_room) {
		/* Not seen after all: everything is read again. */
		f->uidlist.loaded = false;
		f->seen_new.stamp = (struct disk_stamp){ 0 };
		f->seen_cur.stamp = (struct disk_stamp){ 0 };
	}
	sync_end(&s);
	return done;
}
