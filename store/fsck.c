/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/fsck.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/dotlock.h"
#include "store/filename.h"
#include "store/inside.h"
#include "store/name.h"
#include "store/uidlist.h"

#define LIST_MAX ((size_t)512 * 1024 * 1024)
#define TMP_AGE_S ((time_t)36 * 3600)

struct base {
	size_t at;
	struct span text;
	bool in_new;
};

struct looking {
	struct fsck_result *r;
	int fd; /* of what is being listed */
	bool in_new;
	struct base *bases;
	size_t count, room;
	struct buf names, list;
	struct span *listed;
	size_t listed_count, listed_room;
	bool failed;
};

static int
base_order(const void *a, const void *b)
{
	return span_order(
	    &((const struct base *)a)->text, &((const struct base *)b)->text);
}

static bool
room_for_base(struct looking *l)
{
	size_t room = 2 * l->room + 64;
	void *grown;

	if (l->count < l->room)
		return true;
	grown = realloc(l->bases, room * sizeof(*l->bases));
	l->failed = grown == NULL;
	if (l->failed)
		return false;
	l->bases = grown;
	l->room = room;
	return true;
}

static bool
look_at(void *arg, const char *name, unsigned char type)
{
	struct looking *l = arg;
	struct filename parsed;
	struct stat st;

	(void)type;
	if (fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return true; /* it went */
	if (!S_ISREG(st.st_mode) || !filename_parse(span_str(name), &parsed)) {
		l->r->strangers++;
		return true;
	}
	if (!room_for_base(l))
		return false;
	l->r->messages++;
	if (parsed.size_physical != MESSAGE_SIZE_UNKNOWN &&
	    parsed.size_physical != (uint64_t)st.st_size)
		l->r->wrong_size++;
	l->bases[l->count++] =
	    (struct base){ .at = l->names.len, .in_new = l->in_new };
	buf_append(&l->names, parsed.base);
	buf_append_octet(&l->names, '\0');
	return true;
}

struct aging {
	int fd;
	uint64_t count;
};

static bool
age_entry(void *arg, const char *name, unsigned char type)
{
	struct aging *a = arg;
	struct stat st;

	(void)type;
	a->count += fstatat(a->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_ctime + TMP_AGE_S < time(NULL);
	return true;
}

static int
look_in(struct looking *l, int folder_fd, const char *part, struct err *err)
{
	struct err why = ERR_INIT;
	CLEANUP(fd_close) int fd = disk_open_directory(folder_fd, part, &why);
	struct aging aging = { .fd = fd };

	if (fd == -1 && why.os == ENOENT) {
		l->r->parts++;
		return 0;
	}
	if (fd == -1) {
		*err = why;
		return -1;
	}
	l->fd = fd;
	l->in_new = part[0] == 'n';
	if (part[0] == 't') {
		int done = disk_list(fd, age_entry, &aging, err);

		l->r->leftovers = aging.count;
		return done;
	}
	if (disk_list(fd, look_at, l, err) == -1)
		return -1;
	return l->failed ? err_set(err, ERR_TEMP, "fsck: out of memory") : 0;
}

/* ---- the list ---- */

static int
put_listed(struct looking *l, struct span base, struct err *err)
{
	if (l->listed_count == l->listed_room) {
		size_t room = 2 * l->listed_room + 64;
		void *grown = realloc(l->listed, room * sizeof(*l->listed));

		if (grown == NULL)
			return err_set(err, ERR_TEMP, "fsck: out of memory");
		l->listed = grown;
		l->listed_room = room;
	}
	l->listed[l->listed_count++] = base;
	return 0;
}

static int
read_list(struct looking *l, int folder_fd, struct err *err)
{
	struct uidlist_line line;
	struct uidlist_header h;
	enum uidlist_take took;
	uint32_t last = 0;
	struct span text;
	struct stat st;
	bool absent;

	if (disk_read(folder_fd, "dovecot-uidlist", &l->list, &absent, &st,
		err) == -1)
		return -1;
	text = buf_span(&l->list);
	if (absent || uidlist_header_parse(&text, &h, NULL) == -1) {
		l->r->no_list = true;
		return 0;
	}
	while ((took = uidlist_line_take(&text, h.version, last, &line)) ==
	       UIDLIST_LINE) {
		last = line.uid;
		if (put_listed(l, line.base, err) == -1)
			return -1;
	}
	l->r->torn = took == UIDLIST_TORN;
	l->r->broken = took == UIDLIST_BROKEN;
	if (l->listed_count > 0)
		qsort(
		    l->listed, l->listed_count, sizeof(*l->listed), span_order);
	return 0;
}

static void
compare(struct looking *l)
{
	for (size_t i = 0; i < l->count; i++)
		l->bases[i].text =
		    span_str(buf_str(&l->names) + l->bases[i].at);
	if (l->count > 0)
		qsort(l->bases, l->count, sizeof(*l->bases), base_order);
	for (size_t i = 0; i < l->count; i++) {
		if (i > 0 && base_order(&l->bases[i - 1], &l->bases[i]) == 0)
			l->r->doubled++;
		/* In new/ it is only waiting to be looked at. */
		if (!l->bases[i].in_new &&
		    (l->listed_count == 0 ||
			bsearch(&l->bases[i].text, l->listed, l->listed_count,
			    sizeof(*l->listed), span_order) == NULL))
			l->r->unlisted++;
	}
}

static int
look(struct looking *l, int fd, struct err *err)
{
	if (look_in(l, fd, "new", err) == -1 ||
	    look_in(l, fd, "cur", err) == -1 ||
	    look_in(l, fd, "tmp", err) == -1 || read_list(l, fd, err) == -1 ||
	    buf_check(&l->names, err) == -1)
		return -1;
	compare(l);
	return 0;
}

/* Under the lock, so that no rename is taken for two files or none. */
static int
look_locked(struct account *a, const char *directory, struct looking *l,
    struct err *err)
{
	struct err why = ERR_INIT;
	CLEANUP(fd_close) int fd = disk_open_directory(a->fd, directory, &why);
	CLEANUP(dotlock_release) struct dotlock lock = DOTLOCK_INIT;

	if (fd == -1 && why.os == ENOENT)
		return err_set(err, ERR_POLICY, "no such mailbox");
	if (fd == -1) {
		*err = why;
		return -1;
	}
	if (dotlock_take(fd, "dovecot-uidlist", a->store->hostname,
		a->store->lock_wait_ms, &lock, err) == -1)
		return -1;
	return look(l, fd, err);
}

/* ---- repair ---- */

static int
repair_folder(struct account *a, struct span name, struct err *err)
{
	struct folder *f;
	int done;

	if (folder_hold(a, name, &f, err) == -1)
		return -1;
	/* Reads all of it, and writes its list anew if that is not good. */
	f->seen_new.stamp = f->seen_cur.stamp = (struct disk_stamp){ 0 };
	done = folder_begin_change(f, false, NULL, err);
	if (done == 0)
		leftovers_remove(f);
	folder_end(f);
	folder_release(f);
	return done;
}

int
mailbox_fsck(struct account *a, struct span name, bool repair,
    struct fsck_result *result_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf directory;
	struct looking l = { .r = result_out };
	int done;

	*result_out = (struct fsck_result){ 0 };
	buf_init(&directory, 4 * NAME_DIRECTORY_MAX);
	buf_init(&l.names, LIST_MAX);
	buf_init(&l.list, LIST_MAX);
	done = name_to_directory(name, &directory, err);
	if (done == 0)
		done = look_locked(a, buf_str(&directory), &l, err);
	if (done == 0 && repair)
		done = repair_folder(a, name, err);
	buf_fini(&l.names);
	buf_fini(&l.list);
	free(l.bases);
	free(l.listed);
	return done;
}

bool
fsck_found(const struct fsck_result *r)
{
	return (r->no_list && r->messages > 0) || r->torn || r->broken ||
	       r->unlisted + r->parts + r->leftovers + r->doubled +
		       r->wrong_size + r->strangers >
		   0;
}
