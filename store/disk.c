/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"

#define LIST_BUFFER ((size_t)32 * 1024)

struct disk_stamp
disk_stamp_of(const struct stat *st)
{
	return (struct disk_stamp){
		.device = st->st_dev,
		.inode = st->st_ino,
		.size = (uint64_t)st->st_size,
		.seconds = st->st_mtim.tv_sec,
		.nanoseconds = (int32_t)st->st_mtim.tv_nsec,
	};
}

bool
disk_stamp_eq(const struct disk_stamp *a, const struct disk_stamp *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       a->size == b->size && a->seconds == b->seconds &&
	       a->nanoseconds == b->nanoseconds;
}

int
disk_open_directory(int dirfd, const char *path, struct err *err)
{
	return file_open_beneath(dirfd, path, O_RDONLY | O_DIRECTORY, 0, err);
}

int
disk_make_directory(
    int dirfd, const char *name, bool *made_out, struct err *err)
{
	bool made = mkdirat(dirfd, name, 0700) == 0;

	if (!made && errno != EEXIST)
		return disk_err(err, "mkdir %s", name);
	if (made_out != NULL)
		*made_out = made;
	return 0;
}

int
disk_read(int dirfd, const char *name, struct buf *out, bool *absent_out,
    struct stat *st_out, struct err *err)
{
	CLEANUP(fd_close)
	int fd = file_open_beneath(dirfd, name, O_RDONLY | O_NONBLOCK, 0, err);

	*absent_out = false;
	if (fd == -1 && errno == ENOENT) {
		*absent_out = true;
		return 0;
	}
	if (fd == -1)
		return -1;
	if (fstat(fd, st_out) == -1)
		return err_sys(err, "stat %s", name);
	if (!S_ISREG(st_out->st_mode))
		return err_set(err, ERR_TEMP, "%s: no regular file", name);
	if (file_read_fd(fd, out, err) == -1)
		return err_prefix(err, "%s", name);
	return 0;
}

/* Readers that compare whole seconds must see a change. */
static int
make_newer(int fd, int64_t newer_than)
{
	struct stat st;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };

	if (newer_than == 0)
		return 0;
	if (fstat(fd, &st) == -1)
		return -1;
	if (st.st_mtime > newer_than)
		return 0;
	times[1].tv_sec = (time_t)newer_than + 1;
	return futimens(fd, times);
}

int
disk_replace(int dirfd, const char *name, const char *temporary,
    struct span content, int64_t newer_than, struct stat *st_out,
    struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	/* What a crash left behind; under the caller's lock nobody else's. */
	if (unlinkat(dirfd, temporary, 0) == -1 && errno != ENOENT)
		return err_sys(err, "unlink %s", temporary);
	fd = file_open_beneath(
	    dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600, NULL);
	if (fd == -1)
		return disk_err(err, "create %s", temporary);
	if (file_write_fd(fd, content, NULL) == -1 ||
	    make_newer(fd, newer_than) == -1 || fdatasync(fd) == -1 ||
	    renameat(dirfd, temporary, dirfd, name) == -1) {
		(void)disk_err(err, "write %s", name);
		(void)unlinkat(dirfd, temporary, 0);
		return -1;
	}
	if (fsync(dirfd) == -1)
		return err_sys(err, "fsync the directory of %s", name);
	if (st_out != NULL && fstat(fd, st_out) == -1)
		return err_sys(err, "stat %s", name);
	return 0;
}

int
disk_rename_new(int from_fd, const char *from, int to_fd, const char *to)
{
	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -1;
	if (faccessat(to_fd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(from_fd, from, to_fd, to);
}

int
disk_list(int fd, bool (*each)(void *arg, const char *name, unsigned char type),
    void *arg, struct err *err)
{
	CLEANUP(mem_free) char *entries = malloc(LIST_BUFFER);
	ssize_t len;

	if (entries == NULL)
		return err_set(err, ERR_TEMP, "list: out of memory");
	if (lseek(fd, 0, SEEK_SET) == -1)
		return err_sys(err, "rewind a directory");
	while ((len = getdents64(fd, entries, LIST_BUFFER)) > 0) {
		for (ssize_t at = 0; at < len;) {
			const struct dirent64 *entry =
			    (const void *)(entries + at);

			at += entry->d_reclen;
			if (strcmp(entry->d_name, ".") == 0 ||
			    strcmp(entry->d_name, "..") == 0)
				continue;
			if (!each(arg, entry->d_name, entry->d_type))
				return 0;
		}
	}
	return len == -1 ? err_sys(err, "read a directory") : 0;
}

unsigned char
disk_entry_type(int fd, const char *name, unsigned char type)
{
	struct stat st;

	if (type != DT_UNKNOWN ||
	    fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return type;
	return (unsigned char)IFTODT(st.st_mode);
}

struct removal {
	int fd;
	unsigned depth;
	struct err *err;
	bool failed;
};

static bool
remove_entry(void *arg, const char *name, unsigned char type)
{
	struct removal *r = arg;

	if (type != DT_DIR && unlinkat(r->fd, name, 0) == 0)
		return true;
	/* A directory, or the file system does not tell. */
	if ((type != DT_DIR && errno != EISDIR && errno != EPERM) ||
	    r->depth == 0) {
		(void)err_sys(r->err, "remove %s", name);
		r->failed = true;
		return false;
	}
	r->failed = disk_remove_tree(r->fd, name, r->depth - 1, r->err) == -1;
	return !r->failed;
}

int
disk_remove_tree(int dirfd, const char *name, unsigned depth, struct err *err)
{
	struct removal r = { .depth = depth, .err = err };

	/* Removing while listing may skip entries: list until it is empty. */
	for (int pass = 0; pass < 10; pass++) {
		CLEANUP(fd_close)
		int fd = disk_open_directory(dirfd, name, err);

		if (fd == -1)
			return -1;
		r.fd = fd;
		if (disk_list(fd, remove_entry, &r, err) == -1 || r.failed)
			return -1;
		if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			break;
	}
	return err_sys(err, "rmdir %s", name);
}
