/* SPDX-License-Identifier: BSD-2-Clause */
/* What crashes leave in tmp/. */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "store/inside.h"

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

void
leftovers_remove(struct folder *f)
{
	struct leftovers l = { .fd = f->tmp_fd, .now = time(NULL) };

	(void)disk_list(f->tmp_fd, remove_leftover, &l, NULL);
}
