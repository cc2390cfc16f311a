/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/quota.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "common/file.h"
#include "store/inside.h"
#include "store/maildirsize.h"

#define NAME "maildirsize"
#define TEMPORARY "maildirsize.hikyaku.tmp"
/* A file that shows an account over its limits is believed for so long. */
#define STALE_S ((time_t)15 * 60)
/* Nobody reads behind MAILDIRSIZE_MAX, but the header still serves Dovecots
 * that have the limits from there. */
#define GROWS_TO ((off_t)64 * 1024)

/* Below it no change is looked at for a warning. */
#define FAR_PERCENT 70
/* From here on mail that does not fit is told as a full mailbox. */
#define FULL_PERCENT 95

/* ---- limits ---- */

static bool
limited(const struct quota_limits *l)
{
	return l->octets != 0 || l->messages != 0;
}

static bool
limits_eq(const struct quota_limits *a, const struct quota_limits *b)
{
	return a->octets == b->octets && a->messages == b->messages;
}

void
account_limits(struct account *a, const struct quota_limits *limits)
{
	(void)pthread_mutex_lock(&a->store->mutex);
	a->limits = *limits;
	a->limits_fresh = true;
	(void)pthread_mutex_unlock(&a->store->mutex);
}

static struct quota_limits
limits_get(struct account *a, bool *fresh_out)
{
	struct quota_limits l;

	(void)pthread_mutex_lock(&a->store->mutex);
	l = a->limits;
	*fresh_out = a->limits_fresh;
	(void)pthread_mutex_unlock(&a->store->mutex);
	return l;
}

static void
limits_written(struct account *a)
{
	(void)pthread_mutex_lock(&a->store->mutex);
	a->limits_fresh = false;
	(void)pthread_mutex_unlock(&a->store->mutex);
}

bool
usage_fits(const struct usage *u, uint64_t octets, uint64_t messages)
{
	const struct quota_limits *l = &u->limits;

	return (l->octets == 0 || (u->octets <= l->octets &&
				      octets <= l->octets - u->octets)) &&
	       (l->messages == 0 || (u->messages <= l->messages &&
					messages <= l->messages - u->messages));
}

static unsigned
percent(uint64_t used, uint64_t max)
{
	if (max == 0)
		return 0;
	if (used >= max)
		return 100;
	return (unsigned)((unsigned __int128)used * 100 / max);
}

unsigned
usage_percent(const struct usage *u)
{
	unsigned octets = percent(u->octets, u->limits.octets);
	unsigned messages = percent(u->messages, u->limits.messages);

	return octets > messages ? octets : messages;
}

/* ---- the lock ---- */

/* -1: there is none (no descriptor left, NFS): go on without. */
static int
lock_open(struct account *a, int how)
{
	int fd = disk_open_directory(a->fd, ".", NULL);

	while (fd != -1 && flock(fd, how) == -1)
		if (errno != EINTR)
			break;
	return fd;
}

/* ---- the file ---- */

enum total {
	TOTAL_GOOD,
	TOTAL_ABSENT,
	TOTAL_COUNT, /* it must be counted */
	TOTAL_OVER,  /* likewise: over the limits, and perhaps by mistake */
};

/*
 * Reads maildirsize and judges it.  u->limits: what we know of the directory,
 * fresh or not; then those that hold.  *header_out: what the first line says.
 */
static enum total
total_read(struct account *a, bool fresh, struct usage *u,
    struct maildirsize *header_out)
{
	CLEANUP(fd_close)
	int fd = file_open_beneath(a->fd, NAME, O_RDONLY | O_NONBLOCK, 0, NULL);
	char text[MAILDIRSIZE_MAX];
	struct maildirsize m = { 0 };
	struct quota_limits said;
	struct stat st;
	ssize_t len;
	bool good;

	*header_out = m;
	if (fd == -1)
		return TOTAL_ABSENT;
	len = pread(fd, text, sizeof(text), 0);
	if (len <= 0 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return TOTAL_COUNT;
	good = maildirsize_parse(span_of(text, (size_t)len), &m, NULL) == 0 &&
	       (size_t)len < MAILDIRSIZE_MAX;
	*header_out = m;
	said = (struct quota_limits){ m.octets_max, m.messages_max };
	if (limited(&u->limits) && !fresh && limited(&said))
		u->limits = said;
	u->octets = m.octets;
	u->messages = m.messages;
	/* Nobody's fault is believed long when it keeps mail out. */
	if (good && !usage_fits(u, 0, 0) &&
	    (m.lines > 1 || st.st_mtime + STALE_S < time(NULL)))
		return TOTAL_OVER;
	return good ? TOTAL_GOOD : TOTAL_COUNT;
}

static void
total_forget(struct account *a)
{
	(void)unlinkat(a->fd, NAME, 0);
}

/* With the exclusive lock.  What cannot be written is counted again later. */
static void
total_write(struct account *a, const struct maildirsize *m)
{
	CLEANUP(buf_fini) struct buf text;
	CLEANUP(fd_close) int fd = -1;

	buf_init(&text, MAILDIRSIZE_MAX);
	maildirsize_format(m, &text);
	(void)unlinkat(a->fd, TEMPORARY, 0);
	fd = file_open_beneath(
	    a->fd, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL, 0600, NULL);
	if (fd != -1 && file_write_fd(fd, buf_span(&text), NULL) == 0 &&
	    renameat(a->fd, TEMPORARY, a->fd, NAME) == 0)
		return;
	(void)unlinkat(a->fd, TEMPORARY, 0);
	total_forget(a);
}

/* The first line as it shall be: the limits that hold, else what was there. */
static void
total_put(
    struct account *a, const struct usage *u, const struct maildirsize *header)
{
	struct maildirsize m = { .octets_max = header->octets_max,
		.messages_max = header->messages_max,
		.octets = u->octets,
		.messages = u->messages };

	if (limited(&u->limits)) {
		m.octets_max = u->limits.octets;
		m.messages_max = u->limits.messages;
	}
	total_write(a, &m);
}

/* With the exclusive lock. */
static int
total_count(struct account *a, struct usage *u, bool write,
    const struct maildirsize *header, struct err *err)
{
	bool steady;

	if (quota_count(a, &u->octets, &u->messages, &steady, err) == -1)
		return -1;
	if (!write)
		return 0;
	/* What others did meanwhile may be missing: an answer to this question,
	 * but nothing that later changes could be added to. */
	if (steady)
		total_put(a, u, header);
	else
		total_forget(a);
	return 0;
}

/* With the exclusive lock: somebody may have done it meanwhile. */
static int
total_repair_locked(
    struct account *a, bool count, struct usage *u, struct err *err)
{
	struct maildirsize header;
	enum total total;
	bool fresh;

	u->limits = limits_get(a, &fresh);
	total = total_read(a, fresh, u, &header);
	if (total == TOTAL_GOOD && !count) {
		/* Only the limits are others. */
		if (fresh && limited(&u->limits))
			total_put(a, u, &header);
	} else if (total_count(a, u,
		       total != TOTAL_ABSENT || limited(&u->limits), &header,
		       err) == -1)
		return -1;
	if (fresh)
		limits_written(a);
	return 0;
}

static int
total_repair(struct account *a, bool count, struct usage *u, struct err *err)
{
	int lock = lock_open(a, LOCK_EX);
	int done = total_repair_locked(a, count, u, err);

	fd_close(lock);
	return done;
}

bool
quota_peek(struct account *a, struct usage *out)
{
	struct maildirsize header;
	struct usage counted;
	enum total total;
	bool fresh;

	for (int tries = 0; tries < 2; tries++) {
		*out = (struct usage){ .limits = limits_get(a, &fresh) };
		/* Who has just been opened knows no limits; the file does. */
		if (!limited(&out->limits))
			out->limits = (struct quota_limits){ UINT64_MAX, 0 };
		total = total_read(a, fresh, out, &header);
		if (total != TOTAL_OVER)
			break;
		if (total_repair(a, true, &counted, NULL) == -1)
			break;
	}
	return total == TOTAL_GOOD;
}

static int
usage_get(struct account *a, struct usage *out, struct err *err)
{
	struct maildirsize header;
	struct quota_limits said;
	bool fresh;

	*out = (struct usage){ .limits = limits_get(a, &fresh) };
	if (total_read(a, fresh, out, &header) != TOTAL_GOOD)
		return total_repair(a, false, out, err);
	said = (struct quota_limits){ header.octets_max, header.messages_max };
	if (fresh && limited(&out->limits) && !limits_eq(&said, &out->limits))
		return total_repair(a, false, out, err);
	if (fresh)
		limits_written(a);
	return 0;
}

int
account_usage(struct account *a, struct usage *out, struct err *err)
{
	if (usage_get(a, out, err) == -1)
		return -1;
	if (limited(&out->limits))
		warning_look(a, out, false);
	return 0;
}

int
account_recount(struct account *a, struct usage *out, struct err *err)
{
	*out = (struct usage){ 0 };
	if (total_repair(a, true, out, err) == -1)
		return -1;
	if (limited(&out->limits))
		warning_look(a, out, false);
	return 0;
}

/* Whether a change of this size can be the one that brings news. */
static bool
far_from_news(struct usage u, uint64_t octets, uint64_t messages)
{
	/* No size was announced. */
	if (octets == 0)
		return false;
	if (__builtin_add_overflow(u.octets, octets, &u.octets) ||
	    __builtin_add_overflow(u.messages, messages, &u.messages))
		return false;
	return usage_percent(&u) < FAR_PERCENT;
}

int
account_room(
    struct account *a, uint64_t octets, uint64_t messages, struct err *err)
{
	struct quota_limits l;
	struct usage u;
	bool fresh;

	l = limits_get(a, &fresh);
	if (!limited(&l))
		return 0;
	if (account_usage(a, &u, err) == -1)
		return -1;
	owner_set_far(a, far_from_news(u, octets, messages));
	if (usage_fits(&u, octets, messages))
		return 0;
	/* A message that is too large alone does not make it full. */
	if (usage_percent(&u) >= FULL_PERCENT)
		warning_look(a, &u, true);
	return err_set_at(
	    err, ERR_LIMIT, EDQUOT, __FILE__, __LINE__, "the mailbox is full");
}

/* ---- changes ---- */

void
quota_begin(struct account *a, struct quota_change *change_out)
{
	*change_out =
	    (struct quota_change){ .account = a, .fd = lock_open(a, LOCK_SH) };
}

/* The beginning of a line that a crash cut off would change ours. */
static bool
ends_with_line(int fd, off_t size)
{
	char last;

	return pread(fd, &last, 1, size - 1) == 1 && last == '\n';
}

/* When it cannot be kept true it must not stay. */
static void
change_append(struct account *a, int64_t octets, int64_t messages)
{
	CLEANUP(fd_close)
	int fd = file_open_beneath(
	    a->fd, NAME, O_RDWR | O_APPEND | O_NONBLOCK, 0, NULL);
	CLEANUP(buf_fini) struct buf line;
	struct stat st;

	buf_init(&line, 64);
	maildirsize_format_change(octets, messages, &line);
	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return;
	if (st.st_size >= GROWS_TO || !ends_with_line(fd, st.st_size) ||
	    write(fd, line.data, line.len) != (ssize_t)line.len)
		total_forget(a);
}

void
quota_end(struct quota_change *change, int64_t octets, int64_t messages)
{
	if (octets != 0 || messages != 0)
		change_append(change->account, octets, messages);
	fd_close(change->fd);
	change->fd = -1;
	if (octets != 0 || messages != 0)
		warning_after(change->account, octets > 0 || messages > 0);
}
