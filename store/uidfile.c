/* SPDX-License-Identifier: BSD-2-Clause */
/* dovecot-uidlist on disk: uidlist.h has its grammar. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "store/inside.h"
#include "store/uidlist.h"

#define UIDLIST "dovecot-uidlist"
/* Some five million lines. */
#define UIDLIST_OCTETS_MAX ((size_t)512 * 1024 * 1024)
/* Behind a broken line: a number further away than this is taken for damage
 * and not for a UID that was given out. */
#define UID_GAP_MAX 1000000

void
known_list_fini(struct known_list *k)
{
	free(k->items);
	buf_fini(&k->text);
	*k = (struct known_list){ 0 };
}

static int
known_put(
    struct known_list *k, const struct uidlist_line *line, struct err *err)
{
	if (k->count == k->room) {
		size_t room = k->room == 0 ? 64 : 2 * k->room;
		void *grown = realloc(k->items, room * sizeof(k->items[0]));

		if (grown == NULL)
			return err_set(err, ERR_TEMP, "uidlist: out of memory");
		k->items = grown;
		k->room = room;
	}
	k->items[k->count++] =
	    (struct known){ line->uid, line->base, line->fields };
	return 0;
}

/*
 * What stands behind a broken line is lost, but its UIDs may have been shown
 * to clients and must not be given to other messages.
 */
static uint32_t
highest_behind(struct span text, uint32_t last_uid)
{
	struct span line;

	while (span_take_until(&text, '\n', &line)) {
		uint64_t uid;

		if (span_take_u64(&line, &uid) && line.len > 0 &&
		    line.p[0] == ' ' && uid > last_uid &&
		    uid - last_uid <= UID_GAP_MAX && uid < UINT32_MAX)
			last_uid = (uint32_t)uid;
	}
	return last_uid;
}

/* Reads lines off text; counts and remembers them in the folder's state. */
static int
take_lines(struct uidlist_state *state, struct span text, struct known_list *k,
    struct err *err)
{
	for (;;) {
		struct uidlist_line line;
		enum uidlist_take took = uidlist_line_take(
		    &text, state->version, state->last_uid, &line);

		if (took == UIDLIST_LINE) {
			state->last_uid = line.uid;
			state->lines++;
			if (known_put(k, &line, err) == -1)
				return -1;
			continue;
		}
		if (took == UIDLIST_BROKEN)
			state->last_uid = highest_behind(text, state->last_uid);
		if (took != UIDLIST_END)
			k->rewrite = true;
		break;
	}
	if (k->uidnext <= state->last_uid)
		k->uidnext = state->last_uid + 1;
	return 0;
}

static int
take_whole(struct folder *f, struct known_list *k, struct err *err)
{
	struct uidlist_state *state = &f->uidlist;
	struct uidlist_header h;
	struct span text = buf_span(&k->text);

	k->whole = true;
	state->last_uid = 0;
	state->lines = 0;
	state->version = 0;
	buf_clear(&state->pending);
	free(state->other);
	state->other = NULL;
	if (uidlist_header_parse(&text, &h, NULL) == -1) {
		/* Without a header nothing says whose numbers they are. */
		k->rewrite = true;
		return 0;
	}
	state->version = h.version;
	state->other = strdup(h.other);
	if (state->other == NULL)
		return err_set(err, ERR_TEMP, "uidlist: out of memory");
	k->uidvalidity = h.uidvalidity;
	k->uidnext = h.uidnext;
	memcpy(k->mailbox_id, h.mailbox_id, sizeof(k->mailbox_id));
	if (h.version != 3 || h.mailbox_id[0] == '\0')
		k->rewrite = true;
	return take_lines(state, text, k, err);
}

/* The end of what was read or written: text follows what was before. */
static void
keep_tail(struct uidlist_state *state, struct span text)
{
	size_t room = sizeof(state->tail), kept = state->tail_len;

	if (text.len > room)
		text = span_from(text, text.len - room);
	if (kept > room - text.len)
		kept = room - text.len;
	memmove(state->tail, state->tail + state->tail_len - kept, kept);
	memcpy(state->tail + kept, text.p, text.len);
	state->tail_len = kept + text.len;
}

/* From where to read; 0: everything. */
static uint64_t
resume_at(const struct uidlist_state *state, const struct stat *st, bool whole)
{
	if (whole || !state->loaded ||
	    (uint64_t)st->st_dev != state->stamp.device ||
	    (uint64_t)st->st_ino != state->stamp.inode ||
	    (uint64_t)st->st_size < state->offset)
		return 0;
	return state->offset;
}

/*
 * Reads what comes after from.  The inode's number may have come back, with
 * another file: that one does not go on from what we know, and then *from is 0.
 */
static int
read_on(int fd, const struct uidlist_state *state, uint64_t *from,
    struct buf *text, struct err *err)
{
	if (*from < state->tail_len)
		*from = 0;
	if (*from > 0) {
		if (lseek(fd, (off_t)(*from - state->tail_len), SEEK_SET) == -1)
			return err_sys(err, "seek in " UIDLIST);
		if (file_read_fd(fd, text, err) == -1)
			return err_prefix(err, UIDLIST);
		if (span_starts(
			buf_span(text), span_of(state->tail, state->tail_len)))
			return 0;
		buf_clear(text);
		*from = 0;
	}
	if (lseek(fd, 0, SEEK_SET) == -1)
		return err_sys(err, "seek in " UIDLIST);
	if (file_read_fd(fd, text, err) == -1)
		return err_prefix(err, UIDLIST);
	return 0;
}

int
uidfile_read(
    struct folder *f, bool whole, struct known_list *k, struct err *err)
{
	CLEANUP(fd_close)
	int fd =
	    file_open_beneath(f->fd, UIDLIST, O_RDONLY | O_NONBLOCK, 0, err);
	struct uidlist_state *state = &f->uidlist;
	struct span text;
	struct stat st;
	uint64_t from;

	*k = (struct known_list){ 0 };
	buf_init(&k->text, UIDLIST_OCTETS_MAX);
	if (fd == -1 && errno != ENOENT)
		return -1;
	if (fd == -1) {
		state->loaded = false;
		return take_whole(f, k, err);
	}
	if (fstat(fd, &st) == -1)
		return err_sys(err, "stat " UIDLIST);
	from = resume_at(state, &st, whole);
	if (read_on(fd, state, &from, &k->text, err) == -1)
		return -1;
	text = buf_span(&k->text);
	if (from > 0)
		text = span_from(text, state->tail_len);
	else
		state->tail_len = 0;
	state->loaded = true;
	state->stamp = disk_stamp_of(&st);
	state->offset = from + text.len;
	keep_tail(state, text);
	if (from == 0)
		return take_whole(f, k, err);
	return take_lines(state, text, k, err);
}

void
uidfile_check(struct folder *f)
{
	struct disk_stamp now = { 0 };
	struct stat st;

	if (fstatat(f->fd, UIDLIST, &st, AT_SYMLINK_NOFOLLOW) == 0)
		now = disk_stamp_of(&st);
	if (!f->uidlist.loaded || !disk_stamp_eq(&now, &f->uidlist.stamp))
		f->seen_new.stamp = (struct disk_stamp){ 0 };
}

int
uidfile_append(struct folder *f, struct span lines, uint32_t count,
    uint32_t last_uid, struct err *err)
{
	CLEANUP(fd_close)
	int fd = file_open_beneath(f->fd, UIDLIST, O_WRONLY | O_APPEND, 0, err);
	struct uidlist_state *state = &f->uidlist;
	struct stat st;
	ssize_t wrote;

	if (fd == -1)
		return -1;
	/* One write: a reader without the lock sees whole lines. */
	wrote = write(fd, lines.p, lines.len);
	if (wrote != (ssize_t)lines.len || fdatasync(fd) == -1) {
		if (wrote >= 0 && wrote != (ssize_t)lines.len)
			errno = ENOSPC;
		(void)disk_err(err, "append to " UIDLIST);
		/* Half a line would spoil the next one; a reader drops it if
		 * this fails too. */
		if (wrote > 0 && ftruncate(fd, (off_t)state->offset) == -1)
			state->loaded = false;
		return -1;
	}
	if (fstat(fd, &st) == -1)
		return err_sys(err, "stat " UIDLIST);
	state->stamp = disk_stamp_of(&st);
	state->offset += lines.len;
	keep_tail(state, lines);
	state->lines += count;
	state->last_uid = last_uid;
	return 0;
}

int
uidfile_rewrite(struct folder *f, const struct view *v, struct err *err)
{
	struct uidlist_state *state = &f->uidlist;
	struct uidlist_header h = {
		.version = 3,
		.uidvalidity = view_uidvalidity(v),
		.uidnext = view_uidnext(v),
	};
	CLEANUP(buf_fini) struct buf text;
	struct stat st;

	buf_init(&text, UIDLIST_OCTETS_MAX);
	memcpy(h.mailbox_id, view_mailbox_id(v), sizeof(h.mailbox_id));
	if (state->other != NULL)
		(void)snprintf(h.other, sizeof(h.other), "%s", state->other);
	uidlist_header_format(&h, &text);
	for (uint32_t i = 0; i < view_count(v); i++)
		uidlist_line_format(view_at(v, i)->uid, view_fields(v, i),
		    view_base_name(v, i), &text);
	if (buf_check(&text, err) == -1)
		return -1;
	/* Lines whose file never came are dropped: uidnext is above them. */
	buf_clear(&state->pending);
	if (disk_replace(f->fd, UIDLIST, UIDLIST ".tmp", buf_span(&text),
		state->loaded ? state->stamp.seconds : 0, &st, err) == -1)
		return -1;
	state->loaded = true;
	state->stamp = disk_stamp_of(&st);
	state->offset = text.len;
	state->tail_len = 0;
	keep_tail(state, buf_span(&text));
	state->lines = view_count(v);
	state->last_uid =
	    view_count(v) == 0 ? 0 : view_at(v, view_count(v) - 1)->uid;
	state->version = 3;
	return 0;
}
