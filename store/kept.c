/* SPDX-License-Identifier: BSD-2-Clause */
/* Where deleted mail goes, and its end: kept.h. */
#include "store/kept.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/inside.h"
#include "store/kept_private.h"

void
account_keep_days(struct account *a, unsigned days)
{
	(void)pthread_mutex_lock(&a->store->mutex);
	a->keep_days = days;
	(void)pthread_mutex_unlock(&a->store->mutex);
}

static bool
keeps(struct account *a)
{
	bool does;

	(void)pthread_mutex_lock(&a->store->mutex);
	does = a->keep_days > 0;
	(void)pthread_mutex_unlock(&a->store->mutex);
	return does;
}

unsigned
kept_day(time_t when)
{
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL || tm.tm_year > 8099 || tm.tm_year < 0)
		return 0;
	return (unsigned)((tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 +
			  tm.tm_mday);
}

/* "INBOX" or ".Work": under that name nothing is the directory itself. */
const char *
kept_folder_name(const char *directory)
{
	return strcmp(directory, ".") == 0 ? KEPT_INBOX : directory;
}

/* One level down, made if need be, and then durable. */
static int
step_down(int fd, const char *name)
{
	bool made;
	int down;

	if (disk_make_directory(fd, name, &made, NULL) == -1)
		return -1;
	down = disk_open_directory(fd, name, NULL);
	if (down != -1 && made && fsync(fd) == -1) {
		fd_close(down);
		return -1;
	}
	return down;
}

int
kept_open(struct account *a, const char *directory)
{
	CLEANUP(fd_close) int top = -1;
	CLEANUP(fd_close) int day = -1;
	char name[16];

	if (!keeps(a))
		return -1;
	top = step_down(a->fd, KEPT_TOP);
	(void)snprintf(name, sizeof(name), "%08u", kept_day(time(NULL)));
	day = top == -1 ? -1 : step_down(top, name);
	return day == -1 ? -1 : step_down(day, kept_folder_name(directory));
}

bool
kept_take(int kept_fd, int from_fd, const char *path)
{
	const char *slash = strrchr(path, '/');

	return kept_fd != -1 && disk_rename_new(from_fd, path, kept_fd,
				    slash == NULL ? path : slash + 1) == 0;
}

/* ---- a mailbox as a whole ---- */

struct taking {
	int kept_fd, part_fd;
	unsigned taken;
};

static bool
take_entry(void *arg, const char *name, unsigned char type)
{
	struct taking *t = arg;

	(void)type;
	if (name[0] != '.' && kept_take(t->kept_fd, t->part_fd, name))
		t->taken++;
	return true;
}

/* Renaming while listing may pass entries over: until it finds no more. */
static void
take_part(int kept_fd, int folder_fd, const char *part)
{
	CLEANUP(fd_close) int fd = disk_open_directory(folder_fd, part, NULL);
	struct taking t = { .kept_fd = kept_fd, .part_fd = fd };

	for (int pass = 0; fd != -1 && pass < 10; pass++) {
		t.taken = 0;
		if (disk_list(fd, take_entry, &t, NULL) == -1 || t.taken == 0)
			break;
	}
}

void
kept_take_folder(struct account *a, const char *now, const char *directory)
{
	CLEANUP(fd_close) int kept = kept_open(a, directory);
	CLEANUP(fd_close) int fd = -1;

	if (kept == -1)
		return;
	fd = disk_open_directory(a->fd, now, NULL);
	if (fd == -1)
		return;
	take_part(kept, fd, "new");
	take_part(kept, fd, "cur");
	/* So that the letters keep their meaning. */
	(void)renameat(fd, KEPT_KEYWORDS, kept, KEPT_KEYWORDS);
	(void)fsync(kept);
}

/* ---- all there is ---- */

struct listing {
	struct kept_walk *w;
	int fd;
	unsigned day;
	struct err *err;
	bool failed;
};

static bool
is_directory(int fd, const char *name)
{
	struct stat st;

	return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

static bool
list_folder(void *arg, const char *name, unsigned char type)
{
	struct listing *l = arg;
	CLEANUP(fd_close) int fd = -1;

	(void)type;
	if (!is_directory(l->fd, name))
		return true;
	fd = disk_open_directory(l->fd, name, l->err);
	if (fd == -1 || !l->w->folder(l->w, l->day, name, fd, l->err)) {
		l->failed = true;
		return false;
	}
	return true;
}

static bool
list_day(void *arg, const char *name, unsigned char type)
{
	struct listing *l = arg, below = { .w = l->w, .err = l->err };
	struct span digits = span_str(name);
	CLEANUP(fd_close) int fd = -1;
	uint64_t day;

	(void)type;
	if (digits.len != 8 || !span_to_u64(digits, &day) ||
	    !is_directory(l->fd, name))
		return true;
	below.day = (unsigned)day;
	if (!l->w->wants(l->w, below.day))
		return true;
	fd = disk_open_directory(l->fd, name, l->err);
	below.fd = fd;
	if (fd == -1 || disk_list(fd, list_folder, &below, l->err) == -1 ||
	    below.failed) {
		l->failed = true;
		return false;
	}
	if (l->w->day_done != NULL)
		l->w->day_done(l->w, l->fd, name);
	return true;
}

int
kept_walk(struct account *a, struct kept_walk *w, struct err *err)
{
	struct err why = ERR_INIT;
	CLEANUP(fd_close) int fd = disk_open_directory(a->fd, KEPT_TOP, &why);
	struct listing l = { .w = w, .fd = fd, .err = err };

	if (fd == -1 && why.os == ENOENT)
		return 0;
	if (fd == -1) {
		if (err != NULL)
			*err = why;
		return -1;
	}
	return disk_list(fd, list_day, &l, err) == -1 || l.failed ? -1 : 0;
}

/* ---- the end of a day ---- */

struct purging {
	struct kept_walk walk;
	unsigned before; /* days below this go */
	bool (*pace)(void *arg);
	void *arg;
	uint64_t count;
	int fd;
	bool stopped;
};

static bool
purge_wants(struct kept_walk *w, unsigned day)
{
	const struct purging *p = (const struct purging *)w;

	return day < p->before && !p->stopped;
}

static bool
purge_file(void *arg, const char *name, unsigned char type)
{
	struct purging *p = arg;

	(void)type;
	if (unlinkat(p->fd, name, 0) == 0 && strcmp(name, KEPT_KEYWORDS) != 0)
		p->count++;
	if (p->pace != NULL && !p->pace(p->arg))
		p->stopped = true;
	return !p->stopped;
}

static bool
purge_folder(struct kept_walk *w, unsigned day, const char *name, int fd,
    struct err *err)
{
	struct purging *p = (struct purging *)w;

	(void)day;
	(void)name;
	p->fd = fd;
	return p->stopped || disk_list(fd, purge_file, p, err) == 0;
}

/* What is left of it: empty directories. */
static void
purge_day_done(struct kept_walk *w, int top_fd, const char *name)
{
	const struct purging *p = (const struct purging *)w;

	if (!p->stopped)
		(void)disk_remove_tree(top_fd, name, 1, NULL);
}

int
kept_purge(struct account *a, unsigned keep_days, time_t now,
    bool (*pace)(void *arg), void *arg, uint64_t *count_out, struct err *err)
{
	struct purging p = {
		.walk = { .wants = purge_wants,
		    .folder = purge_folder,
		    .day_done = purge_day_done },
		/* Whole days: the day itself, and as many behind it. */
		.before = keep_days == 0
			      ? UINT32_MAX
			      : kept_day(now - (time_t)keep_days * 86400),
		.pace = pace,
		.arg = arg,
	};
	int done = kept_walk(a, &p.walk, err);

	if (done == 0 && !p.stopped && keep_days == 0)
		(void)unlinkat(a->fd, KEPT_TOP, AT_REMOVEDIR);
	*count_out = p.count;
	return done;
}
