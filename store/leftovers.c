/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What crashes leave in tmp/.  A file that a record of deliveryd's journal
 * still names may go too: for a record that is so old it looks whether the
 * message has been shown, and writes it again (delivery/backlog_place.c).
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "store/inside.h"

/* Nobody writes a message for so long. */
#define TMP_AGE_MAX_S ((time_t)36 * 3600)

struct leftovers {
	int fd;
	time_t now;
	uint64_t count;
};

static bool
remove_leftover(void *arg, const char *name, unsigned char type)
{
	struct leftovers *l = arg;
	struct stat st;

	(void)type;
	if (fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_ctime + TMP_AGE_MAX_S < l->now &&
	    unlinkat(l->fd, name, 0) == 0)
		l->count++;
	return true;
}

uint64_t
leftovers_remove_in(int tmp_fd, time_t now)
{
	struct leftovers l = { .fd = tmp_fd, .now = now };

	(void)disk_list(tmp_fd, remove_leftover, &l, NULL);
	return l.count;
}

void
leftovers_remove(struct folder *f)
{
	(void)leftovers_remove_in(f->tmp_fd, time(NULL));
}
