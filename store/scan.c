/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/log.h"

/* Names of some five million messages. */
#define SCAN_TEXT_MAX ((size_t)512 * 1024 * 1024)
/* Mail that keeps coming in while we move is left for the next look. */
#define MOVE_PASSES_MAX 5

void
scan_init(struct scan *s, struct folder *f)
{
	*s = (struct scan){ .folder = f };
	buf_init(&s->text, SCAN_TEXT_MAX);
}

void
scan_fini(struct scan *s)
{
	free(s->files);
	free(s->places);
	buf_fini(&s->text);
	*s = (struct scan){ 0 };
}

static bool
scan_fail(struct scan *s)
{
	s->failed = true;
	(void)err_set(s->err, ERR_TEMP, "scan: out of memory");
	return false;
}

static size_t
base_hash(struct span base)
{
	uint64_t hash = 0x9e3779b97f4a7c15U ^ base.len;

	while (base.len >= 8) {
		uint64_t word;

		memcpy(&word, base.p, 8);
		hash = (hash ^ word) * 0xff51afd7ed558ccdU;
		hash ^= hash >> 32;
		base = span_from(base, 8);
	}
	for (size_t i = 0; i < base.len; i++)
		hash = (hash ^ (unsigned char)base.p[i]) * 0x100000001b3U;
	return (size_t)(hash ^ hash >> 29);
}

/* A directory, a link, a FIFO...: no client may be kept from its mail by it. */
static bool
is_stray(struct scan *s, const char *name, unsigned char type)
{
	struct filename parsed;

	type = disk_entry_type(s->fd, name, type);
	if (type == DT_REG || type == DT_UNKNOWN)
		return false;
	if (!filename_parse(span_str(name), &parsed))
		return true;
	if (s->stray_count++ == 0)
		(void)snprintf(s->stray, sizeof(s->stray), "%s", name);
	s->strays += (uint64_t)base_hash(span_str(name)) | 1;
	return true;
}

/* Once, not at each look: a mailbox is looked at all day long. */
static void
scan_tell_strays(const struct scan *s, struct scan_state *seen)
{
	const struct folder *f = s->folder;

	if (s->strays != 0 && s->strays != seen->strays)
		log_warning(&log_process,
		    "what is no regular file is no message",
		    log_str("account", f->account->text),
		    log_str("folder", f->directory),
		    log_str("in", s->in_new ? "new" : "cur"),
		    log_span("name", span_str(s->stray)),
		    log_u64("count", s->stray_count));
	seen->strays = s->strays;
}

/* Keeps a name; the text may still move, so only its place is noted. */
static bool
scan_entry(void *arg, const char *name, unsigned char type)
{
	struct scan *s = arg;
	struct span text = span_str(name);
	struct filename parsed;

	if (is_stray(s, name, type) || !filename_parse(text, &parsed))
		return true;
	if (s->count == s->room) {
		size_t room = s->room == 0 ? 64 : 2 * s->room;
		void *grown = realloc(s->files, room * sizeof(s->files[0]));

		if (grown == NULL)
			return scan_fail(s);
		s->files = grown;
		s->room = room;
	}
	s->files[s->count++] = (struct scan_file){
		.at = s->text.len,
		.len = text.len,
		.in_new = s->in_new,
	};
	buf_append(&s->text, text);
	if (s->text.failed != ERR_NONE)
		return scan_fail(s);
	dotlock_touch(&s->folder->lock);
	return true;
}

static int
scan_list(struct scan *s, int fd, bool in_new, struct scan_state *seen,
    struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return err_sys(err, "stat %s", in_new ? "new" : "cur");
	seen->stamp = disk_stamp_of(&st);
	seen->checked = time(NULL);
	seen->dirty = seen->checked <= st.st_mtime + 1;
	s->in_new = in_new;
	s->fd = fd;
	s->strays = s->stray_count = 0;
	if (disk_list(fd, scan_entry, s, err) == -1 || s->failed)
		return -1;
	scan_tell_strays(s, seen);
	return 0;
}

/* The text has grown and may have moved: names point into it again. */
static void
scan_settle(struct scan *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct scan_file *file = &s->files[i];

		(void)filename_parse(
		    span_of(s->text.data + file->at, file->len), &file->name);
		if (file->moved && file->name.info.len == 0)
			file->name.info = SPAN(":2,");
	}
}

/* ---- new/ to cur/ ---- */

enum moved {
	MOVED,
	MOVED_AWAY,
	MOVED_NOT
};

static enum moved
move_one(struct folder *f, const struct scan_file *file)
{
	char from[FILENAME_MAX_OCTETS + 1], to[FILENAME_MAX_OCTETS + 4];
	struct span base = file->name.base, info = file->name.info;

	(void)snprintf(
	    from, sizeof(from), "%.*s%.*s", SPAN_FMT(base), SPAN_FMT(info));
	if (info.len == 0)
		info = SPAN(":2,");
	(void)snprintf(
	    to, sizeof(to), "%.*s%.*s", SPAN_FMT(base), SPAN_FMT(info));
	if (disk_rename_new(f->new_fd, from, f->cur_fd, to) == 0)
		return MOVED;
	if (errno == ENOENT)
		return MOVED_AWAY;
	/* No room, no right, read-only: it can be read where it is. */
	return MOVED_NOT;
}

/* Moves what was listed; a file somebody else moved leaves the list. */
static bool
move_all(struct scan *s, size_t from)
{
	size_t kept = from;
	bool any = false;

	for (size_t i = from; i < s->count; i++) {
		struct scan_file *file = &s->files[i];
		enum moved moved = move_one(s->folder, file);

		if (moved == MOVED_AWAY) {
			s->missed = true;
			continue;
		}
		if (moved == MOVED) {
			any = true;
			file->moved = true;
			file->in_new = false;
			if (file->name.info.len == 0)
				file->name.info = SPAN(":2,");
		}
		s->files[kept++] = *file;
	}
	s->count = kept;
	return any;
}

/*
 * Lists new/ until a look finds nothing to move, so that the stamp of the
 * last look is that of a directory without our own changes.
 */
static int
scan_new(struct scan *s, bool move, struct err *err)
{
	struct folder *f = s->folder;

	for (int pass = 0; pass < MOVE_PASSES_MAX; pass++) {
		size_t from = s->count;

		if (scan_list(s, f->new_fd, true, &f->seen_new, err) == -1)
			return -1;
		scan_settle(s);
		if (!move || !move_all(s, from))
			break;
	}
	return 0;
}

/* ---- lookup ---- */

/* Where the base is or would be. */
static size_t
scan_place(const struct scan *s, struct span base)
{
	size_t at = base_hash(base) & s->place_mask;

	while (s->places[at] != 0 &&
	       !span_eq(s->files[s->places[at] - 1].name.base, base))
		at = (at + 1) & s->place_mask;
	return at;
}

struct scan_file *
scan_find(const struct scan *s, struct span base)
{
	uint32_t place = s->places[scan_place(s, base)];

	return place == 0 ? NULL : &s->files[place - 1];
}

static void
file_path(const struct scan_file *file, char out[300])
{
	(void)snprintf(out, 300, "%s/%.*s%.*s", file->in_new ? "new" : "cur",
	    SPAN_FMT(file->name.base), SPAN_FMT(file->name.info));
}

static void
twins_swap(struct scan_file *a, struct scan_file *b)
{
	struct scan_file kept = *b;

	*b = *a;
	*a = kept;
}

/* The name by which clients know this base already is b's. */
static bool
twin_is_known(struct folder *f, const struct scan_file *b)
{
	CLEANUP(view_unref) struct view *v = folder_current(f);
	uint32_t count = v == NULL ? 0 : view_count(v);

	for (uint32_t i = 0; i < count; i++) {
		CLEANUP(buf_fini) struct buf info;

		buf_init(&info, FILENAME_MAX_OCTETS + 60);
		if (!span_eq(view_base_name(v, i), b->name.base))
			continue;
		view_file_info(v, i, &info);
		return span_eq(buf_span(&info), b->name.info);
	}
	return false;
}

/*
 * Two names, one base.  If both files are there, they are two messages (or
 * one linked twice, where one name goes): the second gets a base of its own
 * in new/ and is found at the next look.  If one is gone, the listing met a
 * rename on its way.
 */
static void
part_twins(struct folder *f, struct scan_file *a, struct scan_file *b)
{
	CLEANUP(buf_fini) struct buf fresh;
	char path_a[300], path_b[300];
	struct stat st_a, st_b;
	ptrdiff_t comma = span_index(b->name.base, ',');

	buf_init(&fresh, FILENAME_MAX_OCTETS);
	/* The one that has been seen before stays. */
	if (a->in_new != b->in_new ? a->in_new : twin_is_known(f, b))
		twins_swap(a, b);
	file_path(a, path_a);
	file_path(b, path_b);
	if (fstatat(f->fd, path_a, &st_a, AT_SYMLINK_NOFOLLOW) == -1) {
		twins_swap(a, b);
		return;
	}
	if (fstatat(f->fd, path_b, &st_b, AT_SYMLINK_NOFOLLOW) == -1 ||
	    strcmp(path_a, path_b) == 0)
		return;
	if (st_a.st_ino == st_b.st_ino && st_a.st_dev == st_b.st_dev) {
		(void)unlinkat(f->fd, path_b, 0);
		return;
	}
	store_base_name(f->account->store, &fresh);
	if (comma >= 0)
		buf_append(&fresh, span_from(b->name.base, (size_t)comma));
	if (buf_check(&fresh, NULL) == 0)
		(void)disk_rename_new(
		    f->fd, path_b, f->new_fd, buf_str(&fresh));
}

static int
scan_index(struct scan *s, struct err *err)
{
	size_t room = 16;

	while (room < 2 * s->count)
		room *= 2;
	s->places = calloc(room, sizeof(s->places[0]));
	if (s->places == NULL)
		return err_set(err, ERR_TEMP, "scan: out of memory");
	s->place_mask = room - 1;
	for (size_t i = 0; i < s->count; i++) {
		size_t at = scan_place(s, s->files[i].name.base);

		if (s->places[at] != 0) {
			part_twins(s->folder, &s->files[s->places[at] - 1],
			    &s->files[i]);
			s->files[i].doubled = true;
			s->files[s->places[at] - 1].doubled = false;
			continue;
		}
		s->places[at] = (uint32_t)(i + 1);
	}
	return 0;
}

int
scan_whole(struct scan *s, struct err *err)
{
	struct folder *f = s->folder;

	s->err = err;
	if (scan_list(s, f->cur_fd, false, &f->seen_cur, err) == -1)
		return -1;
	scan_settle(s);
	free(s->places);
	s->places = NULL;
	return scan_index(s, err);
}

int
scan_run(struct scan *s, bool move, bool whole, struct err *err)
{
	s->err = err;
	if (scan_new(s, move, err) == -1)
		return -1;
	/* What was just moved is listed once more there: see part_twins. */
	if (whole)
		return scan_whole(s, err);
	if (move)
		folder_saw_own_change(s->folder);
	return scan_index(s, err);
}
