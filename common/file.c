/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

int
file_open_beneath(
    int dirfd, const char *path, int flags, mode_t mode, struct err *err)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode =
		    (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE
			? mode
			: 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	/* EAGAIN: a rename elsewhere made the walk's safety unprovable. */
	do
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd == -1 && (errno == EINTR || errno == EAGAIN));
	if (fd == -1) {
		int saved = errno;

		(void)err_sys(err, "open %s", path);
		errno = saved;
	}
	return (int)fd;
}

int
file_open_cached(int dirfd, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED,
	};

	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

int
file_read_fd(int fd, struct buf *out, struct err *err)
{
	struct stat st;
	size_t chunk = 4096;
	ssize_t got;

	/* One read for a file of known size, whose end the next one finds. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		chunk = (size_t)st.st_size + 1;
	for (;;) {
		size_t left = out->max - out->len;
		char over;
		char *room;

		if (chunk > left)
			chunk = left;
		room = chunk == 0 ? &over : buf_reserve(out, chunk);
		if (room == NULL)
			return buf_check(out, err);
		got = read(fd, room, chunk == 0 ? 1 : chunk);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return err_sys(err, "read");
		if (got == 0)
			return buf_check(out, err);
		if (chunk == 0)
			return err_set(
			    err, ERR_LIMIT, "over %zu octets", out->max);
		buf_commit(out, (size_t)got);
		chunk = 65536;
	}
}

int
file_read(const char *path, struct buf *out, struct err *err)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return err_sys(err, "open %s", path);
	if (file_read_fd(fd, out, err) == -1)
		return err_prefix(err, "%s", path);
	return 0;
}

int
file_write_fd(int fd, struct span octets, struct err *err)
{
	while (octets.len > 0) {
		ssize_t put = write(fd, octets.p, octets.len);

		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1)
			return err_sys(err, "write");
		octets = span_from(octets, (size_t)put);
	}
	return 0;
}

/* Writes, flushes and names the file beside name; the caller removes it. */
static int
file_replace_draft(int dirfd, const char *draft, struct span content,
    mode_t mode, struct err *err)
{
	CLEANUP(fd_close)
	int fd = openat(dirfd, draft,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd == -1)
		return err_sys(err, "create %s", draft);
	if (file_write_fd(fd, content, err) == -1)
		return err_prefix(err, "%s", draft);
	if (fdatasync(fd) == -1)
		return err_sys(err, "fdatasync %s", draft);
	return 0;
}

int
file_replace(int dirfd, const char *name, struct span content, mode_t mode,
    struct err *err)
{
	/* Distinct within the process; the pid tells processes apart. */
	static atomic_uint count;
	char draft[300];
	int len = snprintf(draft, sizeof(draft), "%s.%ld.%u.tmp", name,
	    (long)getpid(), atomic_fetch_add(&count, 1));

	if (len < 0 || (size_t)len >= sizeof(draft))
		return err_set(err, ERR_LIMIT, "%s: name too long", name);
	/* Left by a process that died and had our pid. */
	if (unlinkat(dirfd, draft, 0) == -1 && errno != ENOENT)
		return err_sys(err, "unlink %s", draft);
	if (file_replace_draft(dirfd, draft, content, mode, err) == -1)
		goto fail;
	if (renameat(dirfd, draft, dirfd, name) == -1) {
		(void)err_sys(err, "rename %s to %s", draft, name);
		goto fail;
	}
	if (fsync(dirfd) == -1)
		return err_sys(err, "fsync directory of %s", name);
	return 0;

fail:
	(void)unlinkat(dirfd, draft, 0);
	return -1;
}

int
file_memfd(const char *label, struct span content, int *fd_out, struct err *err)
{
	CLEANUP(fd_close)
	int fd = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return err_sys(err, "memfd_create %s", label);
	if (file_write_fd(fd, content, err) == -1)
		return err_prefix(err, "%s", label);
	if (lseek(fd, 0, SEEK_SET) == -1 ||
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == -1)
		return err_sys(err, "seal %s", label);
	*fd_out = fd_steal(&fd);
	return 0;
}
