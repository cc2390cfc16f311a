/* SPDX-License-Identifier: BSD-2-Clause */
/* Flags, keywords, expunge: renames and unlinks under turn and lock. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/filename.h"
#include "store/inside.h"
#include "store/kept_private.h"
#include "store/message.h"
#include "store/modseq.h"

struct edits {
	struct view_edit *items;
	size_t count;
	struct buf infos; /* text that edits point into, by offset until done */
};

static int
edits_init(struct edits *e, size_t room, struct err *err)
{
	e->count = 0;
	e->items = calloc(room + 1, sizeof(*e->items));
	buf_init(&e->infos, (room + 1) * (FILENAME_MAX_OCTETS + 1));
	return e->items == NULL ? err_set(err, ERR_TEMP, "out of memory") : 0;
}

static void
edits_fini(struct edits *e)
{
	free(e->items);
	buf_fini(&e->infos);
}
CLEANUP_DEFINE_VALUE(struct edits, edits_fini)

static int
edits_publish(
    struct folder *f, struct view *v, struct edits *e, struct err *err)
{
	struct view_facts facts = view_facts(v);
	struct view *next;
	size_t at = 0;

	if (e->count == 0)
		return 0;
	for (size_t i = 0; i < e->count; i++) {
		size_t len = e->items[i].info.len;

		e->items[i].info = span_of(buf_str(&e->infos) + at, len);
		at += len;
	}
	folder_saw_own_change(f);
	facts.change = folder_next_change(f);
	if (view_derive(v, &facts, e->items, e->count, NULL, 0, &next, err) ==
	    -1) {
		/* The files have changed all the same: look again. */
		f->seen_cur.stamp = (struct disk_stamp){ 0 };
		return -1;
	}
	f->change = facts.change;
	folder_tell_removed(f, v, e->items, e->count);
	folder_publish(f, next);
	watch_tell(f);
	return 0;
}

static int
writable(const struct mailbox *m, struct err *err)
{
	if (m->mode != MAILBOX_WRITE)
		return err_set(err, ERR_POLICY, "the mailbox is read-only");
	return 0;
}

/* ---- flags ---- */

static uint64_t
letters_after(uint64_t now, enum flags_change change, uint64_t letters)
{
	const uint64_t ours = MESSAGE_SYSTEM_FLAGS | MESSAGE_KEYWORDS;

	now &= MESSAGE_LETTERS;
	letters &= ours;
	switch (change) {
	case FLAGS_SET:
		return (now & ~ours) | letters;
	case FLAGS_ADD:
		return now | letters;
	case FLAGS_REMOVE:
		return now & ~letters;
	}
	return now;
}

/*
 * Renames one file; *path is where it should be, and is corrected when it was
 * elsewhere.  1: renamed, info appended to e->infos; 0: it is gone.
 */
static int
flag_file(struct folder *f, struct span base, struct buf *path,
    uint64_t letters, struct edits *e, struct err *err)
{
	CLEANUP(buf_fini) struct buf to;
	size_t before = e->infos.len;

	buf_init(&to, FILENAME_MAX_OCTETS + 8);
	for (int tries = 0; tries < 3; tries++) {
		struct filename now;
		bool found;

		(void)filename_parse(
		    span_from(buf_span(path), sizeof("cur/") - 1), &now);
		buf_clear(&to);
		buf_append(&to, SPAN("cur/"));
		buf_append(&to, base);
		filename_format_info(letters, now.info, &to);
		if (buf_check(&to, err) == -1)
			return err_prefix(err, "flags do not fit the name");
		if (span_eq(buf_span(path), buf_span(&to)) ||
		    disk_rename_new(
			f->fd, buf_str(path), f->fd, buf_str(&to)) == 0) {
			buf_append(
			    &e->infos, span_from(buf_span(&to), 4 + base.len));
			return buf_check(&e->infos, err) == -1 ? -1 : 1;
		}
		if (errno != ENOENT)
			return disk_err(err, "set flags");
		buf_clear(path);
		if (folder_find_file(f, base, path, &found, err) == -1)
			return -1;
		if (!found)
			break;
	}
	buf_truncate(&e->infos, before);
	return 0;
}

static int
flag_one(struct folder *f, const struct view *v, uint32_t index,
    enum flags_change change, uint64_t letters, struct edits *e,
    struct err *err)
{
	const struct message *m = view_at(v, index);
	uint64_t after = letters_after(m->letters, change, letters);
	size_t before = e->infos.len;
	CLEANUP(buf_fini) struct buf path;
	int renamed;

	buf_init(&path, FILENAME_MAX_OCTETS + 8);
	if (after == (m->letters & MESSAGE_LETTERS))
		return 0;
	view_file_path(v, index, &path);
	renamed = flag_file(f, view_base_name(v, index), &path, after, e, err);
	if (renamed != 1)
		return renamed; /* a file that is gone: the next look tells */
	e->items[e->count++] = (struct view_edit){
		.index = index,
		.letters = after,
		.renamed = true,
		.info = { .len = e->infos.len - before },
	};
	dotlock_touch(&f->lock);
	return 0;
}

int
mailbox_flags(struct mailbox *m, const uint32_t *uids, size_t count,
    enum flags_change change, uint64_t letters, struct err *err)
{
	size_t none = 0;

	return mailbox_flags_since(
	    m, uids, count, change, letters, UINT64_MAX, NULL, &none, err);
}

int
mailbox_flags_since(struct mailbox *m, const uint32_t *uids, size_t count,
    enum flags_change change, uint64_t letters, uint64_t since,
    uint32_t *modified, size_t *modified_count, struct err *err)
{
	struct folder *f = m->folder;
	CLEANUP(edits_fini) struct edits e = { 0 };
	CLEANUP(view_unref) struct view *v = NULL;
	struct err flag_err = ERR_INIT;
	int done;

	if (writable(m, err) == -1 || edits_init(&e, count, err) == -1)
		return -1;
	done = folder_begin_change(f, true, m, err);
	if (done == 0) {
		int flagged = 0;

		v = folder_current(f);
		for (size_t i = 0; i < count && flagged == 0; i++) {
			uint32_t index;

			if (!view_find(v, uids[i], &index))
				continue;
			if (view_at(v, index)->change > since)
				modified[(*modified_count)++] = uids[i];
			else
				flagged = flag_one(f, v, index, change, letters,
				    &e, &flag_err);
		}
		/* What was done counts, also when the rest failed. */
		done = edits_publish(f, v, &e, err);
		if (flagged == -1 && done == 0) {
			done = -1;
			if (err != NULL)
				*err = flag_err;
		}
	}
	folder_end(f);
	return done;
}

/* ---- keywords ---- */

/* With turn and lock. */
static int
keyword_make(
    struct folder *f, struct span name, unsigned *number_out, struct err *err)
{
	CLEANUP(keywords_unref) struct keywords *known = NULL;
	CLEANUP(keywords_unref) struct keywords *more = NULL;
	CLEANUP(view_unref) struct view *v = folder_current(f);
	struct view_facts facts = view_facts(v);
	struct view *next;
	int n = view_keyword_find(v, name);

	if (n >= 0) {
		*number_out = (unsigned)n;
		return 0;
	}
	if (keywordfile_read(f, &known, err) == -1)
		return -1;
	n = keywords_find(known, name);
	if (n < 0) {
		n = keywords_lowest_free(known, view_keywords_used(v));
		if (n < 0)
			return err_set(
			    err, ERR_LIMIT, "all 26 keywords are in use");
		more = keywords_with(known, (unsigned)n, name);
		if (more == NULL)
			return err_set(err, ERR_TEMP, "out of memory");
		if (keywordfile_write(f, more, err) == -1)
			return -1;
	}
	facts.keywords = more != NULL ? more : known;
	facts.change = folder_next_change(f);
	if (view_derive(v, &facts, NULL, 0, NULL, 0, &next, err) == -1)
		return -1;
	f->change = facts.change;
	folder_publish(f, next);
	*number_out = (unsigned)n;
	return 0;
}

int
mailbox_keyword(
    struct mailbox *m, struct span name, unsigned *number_out, struct err *err)
{
	struct folder *f = m->folder;
	CLEANUP(view_unref) struct view *v = NULL;
	int done, n;

	if (!keyword_valid(name))
		return err_set(err, ERR_SYNTAX, "no keyword");
	v = folder_current(f);
	n = v == NULL ? -1 : view_keyword_find(v, name);
	if (n >= 0) {
		*number_out = (unsigned)n;
		return 0;
	}
	if (writable(m, err) == -1)
		return -1;
	done = folder_begin_change(f, true, m, err);
	if (done == 0)
		done = folder_keyword(f, name, number_out, err);
	folder_end(f);
	return done;
}

int
folder_keyword(
    struct folder *f, struct span name, unsigned *number_out, struct err *err)
{
	if (!keyword_valid(name))
		return err_set(err, ERR_SYNTAX, "no keyword");
	return keyword_make(f, name, number_out, err);
}

/* ---- expunge ---- */

/* Octets of the file, which has been or is about to be removed. */
static int64_t
file_octets(struct folder *f, const struct message *m, const char *path)
{
	struct stat st;

	if (m->size_physical != MESSAGE_SIZE_UNKNOWN)
		return (int64_t)m->size_physical;
	if (fstatat(f->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return st.st_size;
	return 0;
}

/*
 * Takes the file away: to where deleted mail is kept, or for good.  1: done;
 * 0: it is not there under this name; -1, with errno.
 */
static int
expunge_file(struct folder *f, const char *path, struct expunging *how)
{
	if (kept_take(how->kept_fd, f->fd, path)) {
		how->kept = true;
		return 1;
	}
	if (unlinkat(f->fd, path, 0) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

static bool
still_due(const struct folder *f, const char *path, struct span base,
    const struct expunging *how)
{
	struct stat st;

	return how->due == NULL ||
	       (fstatat(f->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		   how->due(how->arg, &st, base));
}

/* 1: it is gone, by us or by somebody else; 0: it is not due. */
static int
expunge_one(struct folder *f, const struct view *v, uint32_t index,
    struct expunging *how, struct removed *removed, struct err *err)
{
	CLEANUP(buf_fini) struct buf path;
	struct span base = view_base_name(v, index);
	bool found = true;

	buf_init(&path, FILENAME_MAX_OCTETS + 8);
	view_file_path(v, index, &path);
	for (int tries = 0; found && tries < 3; tries++) {
		int64_t octets =
		    file_octets(f, view_at(v, index), buf_str(&path));
		int gone;

		if (!still_due(f, buf_str(&path), base, how))
			return 0;
		gone = expunge_file(f, buf_str(&path), how);
		if (gone == -1)
			return disk_err(err, "expunge");
		if (gone == 1) {
			removed->octets += octets;
			removed->messages++;
			if (span_starts(buf_span(&path), SPAN("new/")))
				removed->in_new = true;
			else
				removed->in_cur = true;
			return 1;
		}
		buf_clear(&path);
		if (folder_find_file(f, base, &path, &found, err) == -1)
			return -1;
	}
	return 1; /* somebody else removed it */
}

/* What a client was told is gone must not come back with a power cut: it would
 * be downloaded twice, and a moved message would be in two mailboxes. */
static int
expunge_flush(struct folder *f, const struct expunging *how,
    const struct removed *removed, struct err *err)
{
	/* Where it is kept first: it must not be lost on the way. */
	if (how->kept && folder_flush(how->kept_fd, err) == -1)
		return -1;
	if (removed->in_new && folder_flush(f->new_fd, err) == -1)
		return -1;
	return removed->in_cur ? folder_flush(f->cur_fd, err) : 0;
}

/* A kill leaves maildirsize wrong by no more than a few messages. */
#define EXPUNGE_RUN 64

/* From *at on; *at is behind what was looked at. */
static int
expunge_run(struct folder *f, const struct view *v, const uint32_t *uids,
    size_t count, size_t *at, struct edits *e, struct expunging *how,
    struct removed *removed, struct err *err)
{
	struct removed before = *removed;
	struct quota_change change;
	size_t end = count - *at < EXPUNGE_RUN ? count : *at + EXPUNGE_RUN;
	int done = 0;

	quota_begin(f->account, &change);
	for (; done == 0 && *at < end; ++*at) {
		uint32_t index;

		if (!view_find(v, uids[*at], &index))
			continue;
		done = expunge_one(f, v, index, how, removed, err);
		if (done == 1)
			e->items[e->count++] =
			    (struct view_edit){ .index = index,
				    .remove = true };
		done = done == -1 ? -1 : 0;
		dotlock_touch(&f->lock);
	}
	quota_end(&change, before.octets - removed->octets,
	    before.messages - removed->messages);
	return done;
}

int
folder_expunge(struct folder *f, const uint32_t *uids, size_t count,
    struct expunging *how, struct removed *removed, struct err *err)
{
	CLEANUP(view_unref) struct view *v = folder_current(f);
	CLEANUP(edits_fini) struct edits e = { 0 };
	struct err why = ERR_INIT;
	size_t at = 0;
	int done = 0;

	if (edits_init(&e, count, err) == -1)
		return -1;
	while (done == 0 && at < count)
		done =
		    expunge_run(f, v, uids, count, &at, &e, how, removed, &why);
	if (done == 0)
		done = expunge_flush(f, how, removed, &why);
	if (edits_publish(f, v, &e, err) == -1)
		return -1;
	if (done == -1 && err != NULL)
		*err = why;
	return done;
}

static int
expunge(struct mailbox *m, const uint32_t *uids, size_t count, bool keep,
    size_t *count_out, struct err *err)
{
	struct folder *f = m->folder;
	struct expunging how = { .kept_fd = -1 };
	struct removed removed = { 0 };
	int done;

	if (writable(m, err) == -1)
		return -1;
	done = folder_begin_change(f, true, m, err);
	if (done == 0 && keep && count > 0)
		how.kept_fd = kept_open(f->account, f->directory);
	if (done == 0)
		done = folder_expunge(f, uids, count, &how, &removed, err);
	folder_end(f);
	fd_close(how.kept_fd);
	if (count_out != NULL)
		*count_out = (size_t)removed.messages;
	return done;
}

int
mailbox_expunge(struct mailbox *m, const uint32_t *uids, size_t count,
    size_t *count_out, struct err *err)
{
	return expunge(m, uids, count, true, count_out, err);
}

int
mailbox_expunge_moved(
    struct mailbox *m, const uint32_t *uids, size_t count, struct err *err)
{
	return expunge(m, uids, count, false, NULL, err);
}
