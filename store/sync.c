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
#include "store/scan.h"
#include "store/uidlist.h"
#include "store/uidvalidity.h"

/* A rewrite is worth it when this part of the lines is of messages long gone;
 * a small file may wait. */
#define LINES_SLACK 64

struct sync {
	struct folder *f;
	struct view *old;    /* NULL: first load, or all rested */
	struct view *rested; /* what the sessions saw before they rested */
	struct scan scan;
	struct known_list known;
	struct view_facts facts;
	struct keywords *keywords;
	bool whole;
	bool rewrite;
	bool short_of_room; /* new mail is left for later */
	struct view_edit *edits;
	size_t edit_count;
	struct view_add *adds;
	size_t add_count;
	size_t fresh; /* of the adds: how many got their UID just now */
};

/* ---- leftovers ---- */

/* Nobody writes a message for so long. */
#define TMP_AGE_MAX_S ((time_t)36 * 3600)

struct leftovers {
	int fd;
	time_t now;
};

static bool
remove_leftover(void *arg, const char *name, unsigned char type)
{
	struct leftovers *l = arg;
	struct stat st;

	(void)type;
	if (fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_ctime + TMP_AGE_MAX_S < l->now)
		(void)unlinkat(l->fd, name, 0);
	return true;
}

/* What crashes have left in tmp/: when a folder is first opened to write. */
static void
sync_clean_tmp(struct folder *f)
{
	struct leftovers l = { .fd = f->tmp_fd, .now = time(NULL) };

	(void)disk_list(f->tmp_fd, remove_leftover, &l, NULL);
}

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
	facts->change = s->f->change + 1;
	return 0;
}

/* ---- matching ---- */

static bool
info_differs(const struct view *v, uint32_t index, struct span info)
{
	CLEANUP(buf_fini) struct buf now;

	buf_init(&now, FILENAME_MAX_OCTETS + 60);
	view_file_info(v, index, &now);
	return !span_eq(buf_span(&now), info);
}

/* One message of the old view against its file. */
static void
match_old(struct sync *s, uint32_t index, struct scan_file *file)
{
	const struct message *m = view_at(s->old, index);
	uint64_t letters;

	if (file == NULL || file->uid != 0) {
		s->edits[s->edit_count++] =
		    (struct view_edit){ .index = index, .remove = true };
		return;
	}
	file->uid = m->uid;
	letters = file->name.letters | (file->in_new ? MESSAGE_IN_NEW : 0);
	if (letters == (m->letters & ~MESSAGE_RAW) &&
	    !info_differs(s->old, index, file->name.info))
		return;
	s->edits[s->edit_count++] = (struct view_edit){
		.index = index,
		.letters = letters,
		.renamed = true,
		.info = file->name.info,
	};
}

/* Mail we know to be in new/ is not there: it must be in cur/. */
static bool
new_missing(const struct sync *s)
{
	uint32_t count = s->old == NULL || view_count_new(s->old) == 0
			     ? 0
			     : view_count(s->old);

	for (uint32_t i = 0; i < count; i++)
		if ((view_at(s->old, i)->letters & MESSAGE_IN_NEW) != 0 &&
		    scan_find(&s->scan, view_base_name(s->old, i)) == NULL)
			return true;
	return false;
}

static int
match_files(struct sync *s, bool move, struct err *err)
{
	if (scan_run(&s->scan, move, s->whole, err) == -1)
		return -1;
	if (s->whole || (!s->scan.missed && !new_missing(s)))
		return 0;
	s->whole = true;
	return scan_whole(&s->scan, err);
}

static int
match_view(struct sync *s, struct err *err)
{
	uint32_t count = s->old == NULL ? 0 : view_count(s->old);

	s->edits = calloc((size_t)count + 1, sizeof(*s->edits));
	if (s->edits == NULL)
		return err_set(err, ERR_TEMP, "sync: out of memory");
	for (uint32_t i = 0; i < count; i++) {
		/* cur/ was not listed, so what is there has not changed. */
		if (!s->whole &&
		    (view_at(s->old, i)->letters & MESSAGE_IN_NEW) == 0)
			continue;
		match_old(s, i, scan_find(&s->scan, view_base_name(s->old, i)));
	}
	return 0;
}

/* A UID that a session may have seen and then seen expunged never returns. */
static bool
uid_usable(const struct sync *s, uint32_t uid)
{
	uint32_t index;

	if (s->old != NULL)
		return uid >= view_uidnext(s->old);
	return s->rested == NULL || uid >= view_uidnext(s->rested) ||
	       view_find(s->rested, uid, &index);
}

static void
match_line(struct sync *s, const struct known *line)
{
	struct scan_file *file = scan_find(&s->scan, line->base);
	struct buf *pending = &s->f->uidlist.pending;

	if (file == NULL) {
		/* Perhaps in cur/, which we did not list. */
		if (!s->whole)
			uidlist_line_format(
			    line->uid, line->fields, line->base, pending);
		return;
	}
	if (!uid_usable(s, line->uid))
		return;
	/* Of two lines with one base the later counts. */
	if (file->uid == 0 || s->old == NULL) {
		s->rewrite = s->rewrite || file->uid != 0;
		file->uid = line->uid;
		file->fields = line->fields;
	}
}

/* Lines that waited for their file, then the new ones. */
static void
match_lines(struct sync *s, struct buf *waited)
{
	struct buf *pending = &s->f->uidlist.pending;
	struct span text;
	struct uidlist_line line;

	*waited = *pending;
	buf_init(pending, waited->max);
	text = buf_span(waited);
	while (uidlist_line_take(&text, 3, 0, &line) == UIDLIST_LINE) {
		struct known known = { line.uid, line.base, line.fields };

		match_line(s, &known);
	}
	for (size_t i = 0; i < s->known.count; i++)
		match_line(s, &s->known.items[i]);
	if (buf_check(pending, NULL) == -1) {
		/* Too many to keep: read the file again next time. */
		buf_fini(pending);
		s->f->uidlist.loaded = false;
	}
}

/* After a foreign rewrite: which lines changed, or are missing. */
static void
match_fields(struct sync *s)
{
	size_t at = 0;

	for (uint32_t i = 0; s->known.whole && i < view_count(s->old); i++) {
		uint32_t uid = view_at(s->old, i)->uid;

		while (at < s->known.count && s->known.items[at].uid < uid)
			at++;
		if (at == s->known.count || s->known.items[at].uid != uid)
			s->rewrite = true;
	}
}

/* ---- what is new ---- */

static int
file_cmp(const void *a, const void *b)
{
	const struct scan_file *x = *(struct scan_file *const *)a;
	const struct scan_file *y = *(struct scan_file *const *)b;

	/* Known UIDs first, ascending; then arrival. */
	if ((x->uid == 0) != (y->uid == 0))
		return x->uid == 0 ? 1 : -1;
	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return filename_cmp(x->name.base, y->name.base);
}

static uint64_t
field_size(const struct scan_file *file, char key, uint64_t by_name)
{
	struct span value;
	uint64_t octets;

	if (by_name == MESSAGE_SIZE_UNKNOWN &&
	    uidlist_field(file->fields, key, &value) &&
	    span_to_u64(value, &octets))
		return octets;
	return by_name;
}

/* The change number that the message had before everybody rested. */
static uint64_t
change_before(const struct sync *s, uint32_t uid, uint64_t letters)
{
	const struct message *m;
	uint32_t index;

	if (s->rested == NULL || !view_find(s->rested, uid, &index))
		return 0;
	m = view_at(s->rested, index);
	return ((m->letters ^ letters) & MESSAGE_VISIBLE) == 0 ? m->change : 0;
}

static void
add_file(struct sync *s, const struct scan_file *file)
{
	uint64_t letters =
	    file->name.letters | (file->in_new ? MESSAGE_IN_NEW : 0);

	s->adds[s->add_count++] = (struct view_add){
		.uid = file->uid,
		.letters = letters,
		.change = change_before(s, file->uid, letters),
		.size_physical =
		    field_size(file, 'S', file->name.size_physical),
		.size_virtual = field_size(file, 'W', file->name.size_virtual),
		.base = file->name.base,
		.info = file->name.info,
		.fields = file->fields,
	};
}

static bool
in_old(const struct sync *s, uint32_t uid)
{
	uint32_t index;

	return s->old != NULL && uid != 0 && view_find(s->old, uid, &index);
}

/* Files that the old view lacks become adds; those without UID get one. */
static int
sync_adds(struct sync *s, struct err *err)
{
	CLEANUP(mem_free)
	struct scan_file **files =
	    calloc(s->scan.count + 1, sizeof(struct scan_file *));
	size_t count = 0;

	s->adds = calloc(s->scan.count + 1, sizeof(*s->adds));
	if (files == NULL || s->adds == NULL)
		return err_set(err, ERR_TEMP, "sync: out of memory");
	for (size_t i = 0; i < s->scan.count; i++) {
		struct scan_file *file = &s->scan.files[i];

		if (!file->doubled && !in_old(s, file->uid))
			files[count++] = file;
	}
	qsort(files, count, sizeof(struct scan_file *), file_cmp);
	for (size_t i = 0; i < count; i++) {
		if (files[i]->uid == 0) {
			if (s->facts.uidnext >= UINT32_MAX - 1)
				return err_set(
				    err, ERR_LIMIT, "no UID is left");
			files[i]->uid = s->facts.uidnext++;
			s->fresh++;
		} else if (files[i]->uid >= s->facts.uidnext) {
			s->facts.uidnext = files[i]->uid + 1;
		}
		add_file(s, files[i]);
	}
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
	facts.change = f->change + 1;
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

static void
claim_moved(struct sync *s, struct mailbox *claimer)
{
	struct uid_range *last;

	for (size_t i = 0; i < s->scan.count; i++) {
		const struct scan_file *file = &s->scan.files[i];

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

static bool
nothing_changed(const struct sync *s)
{
	return s->old != NULL && s->edit_count == 0 && s->add_count == 0 &&
	       !s->rewrite && s->facts.uidnext == view_uidnext(s->old) &&
	       keywords_equal(s->keywords, view_facts(s->old).keywords);
}

static int
sync_publish(struct sync *s, bool write, struct err *err)
{
	struct view *v;

	if (view_derive(s->old, &s->facts, s->edits, s->edit_count, s->adds,
		s->add_count, &v, err) == -1)
		return -1;
	if (write && sync_write(s, v, err) == -1) {
		view_unref(v);
		return -1;
	}
	s->f->change = s->facts.change;
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
	if (sync_facts(s, err) == -1 || match_files(s, move, err) == -1 ||
	    match_view(s, err) == -1)
		return -1;
	match_lines(s, waited);
	if (s->old != NULL)
		match_fields(s);
	if (sync_adds(s, err) == -1)
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
		claim_moved(&s, claimer);
	if (done == 0 && move && s.old == NULL && s.rested == NULL)
		sync_clean_tmp(f);
	if (done == -1 || s.short_of_room) {
		/* Not seen after all: everything is read again. */
		f->uidlist.loaded = false;
		f->seen_new.stamp = (struct disk_stamp){ 0 };
		f->seen_cur.stamp = (struct disk_stamp){ 0 };
	}
	sync_end(&s);
	return done;
}
