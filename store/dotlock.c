/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/dotlock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/file.h"
#include "common/reactor.h"
#include "common/span.h"
#include "store/disk.h"

/* A lock that names nobody: its maker died between creating and writing it, the
 * power went before that was on the disk, or the disk is full; who holds one
 * touches it every 10 seconds. */
#define DOTLOCK_UNKNOWN_S 30

#define DOTLOCK_GONE_S 1 /* whole seconds: one to two */

/* Longer than any holder goes without touching it. */
#define DOTLOCK_UNTOUCHED_MS (DOTLOCK_TOUCH_MS + 1000)

enum holder {
	HOLDER_GONE,      /* this host, no such process */
	HOLDER_ALIVE,     /* this host, and there is one of that number */
	HOLDER_ELSEWHERE, /* another host, or it cannot be read */
	HOLDER_UNKNOWN,   /* it names nobody */
};

static enum holder
dotlock_holder(int dirfd, const char *name, const char *hostname)
{
	char text[300];
	CLEANUP(fd_close)
	int fd = file_open_beneath(
	    dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, NULL);
	struct span rest;
	uint64_t pid;
	ssize_t len;

	if (fd == -1)
		return HOLDER_ELSEWHERE;
	len = read(fd, text, sizeof(text));
	if (len == -1)
		return HOLDER_ELSEWHERE;
	rest = span_of(text, (size_t)len);
	if (!span_take_u64(&rest, &pid) || pid == 0 || pid > INT32_MAX ||
	    !span_take_octet(&rest, ':'))
		return HOLDER_UNKNOWN;
	if (!span_eq(rest, span_str(hostname)))
		return HOLDER_ELSEWHERE;
	if ((pid_t)pid == getpid())
		return HOLDER_GONE;
	return kill((pid_t)pid, 0) == -1 && errno == ESRCH ? HOLDER_GONE
							   : HOLDER_ALIVE;
}

static bool
older_than(int dirfd, const char *name, time_t now, time_t seconds)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT;
	return st.st_mtime + seconds < now && st.st_ctime + seconds < now;
}

/* Made before this machine's last start: by a process that is gone, unless the
 * clock was put forward since, or it is another machine's. */
static bool
before_start(const struct stat *st)
{
	struct timespec now, up;
	int64_t start_ns, made_ns;

	if (clock_gettime(CLOCK_REALTIME, &now) == -1 ||
	    clock_gettime(CLOCK_BOOTTIME, &up) == -1)
		return false;
	start_ns = (now.tv_sec - up.tv_sec) * INT64_C(1000000000) +
		   (now.tv_nsec - up.tv_nsec);
	made_ns =
	    st->st_ctim.tv_sec * INT64_C(1000000000) + st->st_ctim.tv_nsec;
	return made_ns < start_ns;
}

/* What a waiter has seen of the lock that it waits for. */
struct watched {
	struct stat st;
	uint64_t since_ms; /* the same all the time */
};

static void
watch_lock(struct watched *w, const struct stat *st)
{
	bool same = w->since_ms != 0 && w->st.st_ino == st->st_ino &&
		    w->st.st_dev == st->st_dev &&
		    w->st.st_ctim.tv_sec == st->st_ctim.tv_sec &&
		    w->st.st_ctim.tv_nsec == st->st_ctim.tv_nsec;

	if (!same)
		*w = (struct watched){ .st = *st, .since_ms = clock_ms() };
}

static bool
dotlock_stale(int dirfd, const char *name, const char *guarded,
    const char *hostname, const struct watched *seen)
{
	bool before = before_start(&seen->st);
	time_t now = time(NULL);

	switch (dotlock_holder(dirfd, name, hostname)) {
	case HOLDER_GONE:
		return before || older_than(dirfd, name, now, DOTLOCK_GONE_S);
	case HOLDER_UNKNOWN:
		return before ||
		       older_than(dirfd, name, now, DOTLOCK_UNKNOWN_S);
	case HOLDER_ALIVE:
		/* Numbers of processes come again after a start. */
		if (before &&
		    clock_ms() - seen->since_ms >= DOTLOCK_UNTOUCHED_MS)
			return true;
		break;
	case HOLDER_ELSEWHERE:
		break;
	}
	return older_than(dirfd, name, now, DOTLOCK_STALE_S) &&
	       older_than(dirfd, guarded, now, DOTLOCK_STALE_S);
}

/*
 * Removes the stale lock that *seen describes.  Two waiters may judge it at
 * the same time, and the slower one must not remove the quicker one's new
 * lock: so the file is first taken aside, and put back if it is another.
 */
static void
dotlock_override(int dirfd, const char *name, const struct stat *seen)
{
	char aside[96];
	struct stat st;

	(void)snprintf(aside, sizeof(aside), "%s.stale.%d.%lx", name,
	    (int)getpid(), (unsigned long)clock_ms());
	if (renameat(dirfd, name, dirfd, aside) == -1)
		return;
	if (fstatat(dirfd, aside, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (st.st_ino != seen->st_ino || st.st_dev != seen->st_dev) &&
	    linkat(dirfd, aside, dirfd, name, 0) == -1) {
		/* A third one was quicker; the holder's release looks at the
		 * inode and leaves that lock alone. */
	}
	(void)unlinkat(dirfd, aside, 0);
}

/*
 * On a full disk the file often still comes, though its content does not: an
 * empty lock serves, so that people can read, and delete to make room.
 */
static int
dotlock_create(
    int dirfd, const char *hostname, struct dotlock *lock, struct err *err)
{
	char text[300];
	CLEANUP(fd_close)
	int fd = file_open_beneath(
	    dirfd, lock->name, O_WRONLY | O_CREAT | O_EXCL, 0600, NULL);
	struct stat st;
	int len;

	if (fd == -1)
		return disk_err(err, "create %s", lock->name);
	len = snprintf(text, sizeof(text), "%d:%s", (int)getpid(), hostname);
	if (len < 0 || (size_t)len >= sizeof(text) || fstat(fd, &st) == -1 ||
	    (write(fd, text, (size_t)len) != len && errno != ENOSPC &&
		errno != EDQUOT)) {
		(void)disk_err(err, "write %s", lock->name);
		(void)unlinkat(dirfd, lock->name, 0);
		return -1;
	}
	lock->dirfd = dirfd;
	lock->device = st.st_dev;
	lock->inode = st.st_ino;
	lock->touched_ms = clock_ms();
	return 0;
}

int
dotlock_take(int dirfd, const char *guarded, const char *hostname,
    unsigned wait_ms, struct dotlock *lock_out, struct err *err)
{
	struct dotlock lock = DOTLOCK_INIT;
	uint64_t until = clock_ms() + wait_ms;
	struct watched watched = { .since_ms = 0 };
	unsigned nap_ms = 2;

	(void)snprintf(lock.name, sizeof(lock.name), "%s.lock", guarded);
	for (;;) {
		struct stat seen;
		struct timespec nap;

		if (dotlock_create(dirfd, hostname, &lock, err) == 0) {
			*lock_out = lock;
			return 0;
		}
		if (err == NULL ? errno != EEXIST : err->os != EEXIST)
			return -1;
		if (fstatat(dirfd, lock.name, &seen, AT_SYMLINK_NOFOLLOW) ==
		    0) {
			watch_lock(&watched, &seen);
			if (dotlock_stale(dirfd, lock.name, guarded, hostname,
				&watched)) {
				dotlock_override(dirfd, lock.name, &seen);
				continue;
			}
		}
		if (clock_ms() >= until) {
			errno = EAGAIN;
			return err_sys(err, "%s is held", lock.name);
		}
		nap = (struct timespec){ .tv_nsec = nap_ms * 1000000L };
		(void)nanosleep(&nap, NULL);
		nap_ms = nap_ms < 100 ? nap_ms * 2 : 200;
	}
}

void
dotlock_touch(struct dotlock *lock)
{
	uint64_t now = clock_ms();

	if (lock->dirfd == -1 || now - lock->touched_ms < DOTLOCK_TOUCH_MS)
		return;
	lock->touched_ms = now;
	(void)utimensat(lock->dirfd, lock->name, NULL, AT_SYMLINK_NOFOLLOW);
}

void
dotlock_release(struct dotlock *lock)
{
	struct stat st;

	if (lock->dirfd == -1)
		return;
	/* If we held it too long, it may be somebody else's by now. */
	if (fstatat(lock->dirfd, lock->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == lock->inode && st.st_dev == lock->device)
		(void)unlinkat(lock->dirfd, lock->name, 0);
	lock->dirfd = -1;
}
