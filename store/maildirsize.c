/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * maildirsize, the running total of Maildir++ quota: a line of limits, then
 * "<octets> <messages>" lines that are summed.  One O_APPEND write a change,
 * no lock.  Who keeps quota makes the file; we only keep it true.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/file.h"
#include "store/inside.h"

/* Readers recalculate from this size on; growing it further is no use. */
#define MAILDIRSIZE_MAX 5120

void
maildirsize_add(struct account *a, int64_t octets, int64_t messages)
{
	CLEANUP(fd_close)
	int fd = file_open_beneath(
	    a->fd, "maildirsize", O_WRONLY | O_APPEND | O_NONBLOCK, 0, NULL);
	struct stat st;
	char line[64];
	int len;

	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return;
	len = snprintf(
	    line, sizeof(line), "%" PRId64 " %" PRId64 "\n", octets, messages);
	/*
	 * When it cannot be kept true it must not stay: whoever counts next
	 * then counts the files.
	 */
	if (st.st_size >= MAILDIRSIZE_MAX ||
	    write(fd, line, (size_t)len) != len)
		(void)unlinkat(a->fd, "maildirsize", 0);
}
