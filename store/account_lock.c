/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flock(2) on cur/: it leaves nothing behind on the disk.  The Maildir's own
 * directory is locked by quota.c.
 */
#include <errno.h>
#include <sys/file.h>

#include "common/file.h"
#include "store/inside.h"

int
account_lock(struct account *a, int *fd_out, struct err *err)
{
	CLEANUP(fd_close) int fd = disk_open_directory(a->fd, "cur", err);

	*fd_out = -1;
	if (fd == -1)
		return -1;
	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK)
			return 0;
		return err_sys(err, "lock %s", a->text);
	}
	*fd_out = fd_steal(&fd);
	return 0;
}
