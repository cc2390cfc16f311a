/* SPDX-License-Identifier: BSD-2-Clause */
/* A sink that begins in memory and moves to an unlinked file when it grows. */
#include "common/conn.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"

static int
spool_move(struct spool *s, struct err *err)
{
	s->fd =
	    s->dirfd == -1
		? memfd_create("spool", MFD_CLOEXEC | MFD_ALLOW_SEALING)
		: openat(s->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd == -1)
		return err_sys(err, "open a spool file");
	if (file_write_fd(s->fd, buf_span(&s->memory), err) == -1)
		return -1;
	buf_fini(&s->memory);
	return 0;
}

static int
spool_write(struct sink *sink, struct span octets, struct err *err)
{
	struct spool *s = (struct spool *)sink;

	if (s->failed)
		return err_set(err, ERR_TEMP, "the spool has failed before");
	s->failed = true;
	if (s->fd == -1 && octets.len > s->memory_max - s->memory.len &&
	    spool_move(s, err) == -1)
		return -1;
	if (s->fd == -1) {
		buf_append(&s->memory, octets);
		if (buf_check(&s->memory, err) == -1)
			return -1;
	} else if (file_write_fd(s->fd, octets, err) == -1) {
		return err_prefix(err, "spool");
	}
	s->octets += octets.len;
	s->failed = false;
	return 0;
}

/* Into memory, while it fits there. */
static int
append_read(
    struct spool *s, int fd, uint64_t offset, uint64_t len, struct err *err)
{
	char *room = buf_reserve(&s->memory, (size_t)len);
	ssize_t got;

	if (room == NULL)
		return buf_check(&s->memory, err);
	while (len > 0) {
		got = pread(fd, room, (size_t)len, (off_t)offset);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return err_sys(err, "read a file for a spool");
		if (got == 0)
			return err_set(err, ERR_SYNTAX, "the file is shorter");
		buf_commit(&s->memory, (size_t)got);
		room += got;
		offset += (uint64_t)got;
		len -= (uint64_t)got;
	}
	return 0;
}

static int
append_send(
    struct spool *s, int fd, uint64_t offset, uint64_t len, struct err *err)
{
	off_t at = (off_t)offset;

	while (len > 0) {
		ssize_t got = sendfile(s->fd, fd, &at, (size_t)len);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return err_sys(err, "copy a file into a spool");
		if (got == 0)
			return err_set(err, ERR_SYNTAX, "the file is shorter");
		len -= (uint64_t)got;
	}
	return 0;
}

int
spool_append_file(
    struct spool *s, int fd, uint64_t offset, uint64_t len, struct err *err)
{
	struct stat st;

	if (s->failed)
		return err_set(err, ERR_TEMP, "the spool has failed before");
	if (fstat(fd, &st) == -1)
		return err_sys(err, "stat a file for a spool");
	if (!S_ISREG(st.st_mode) || offset > (uint64_t)st.st_size ||
	    len > (uint64_t)st.st_size - offset)
		return err_set(err, ERR_SYNTAX,
		    "no regular file of %llu octets or more",
		    (unsigned long long)len);
	s->failed = true;
	if (s->fd == -1 && len > s->memory_max - s->memory.len &&
	    spool_move(s, err) == -1)
		return -1;
	if ((s->fd == -1 ? append_read(s, fd, offset, len, err)
			 : append_send(s, fd, offset, len, err)) == -1)
		return -1;
	s->octets += len;
	s->failed = false;
	return 0;
}

void
spool_init(struct spool *s, size_t memory_max, int dirfd)
{
	*s = (struct spool){ .sink.write = spool_write,
		.fd = -1,
		.dirfd = dirfd,
		.memory_max = memory_max };
	buf_init(&s->memory, memory_max);
}

static void
spool_unmap(struct spool *s)
{
	if (s->map != NULL)
		(void)munmap(s->map, s->map_len);
	s->map = NULL;
	s->map_len = 0;
}

void
spool_fini(struct spool *s)
{
	spool_unmap(s);
	buf_fini(&s->memory);
	fd_close(s->fd);
	s->fd = -1;
	s->octets = 0;
	s->failed = false;
}

int
spool_map(struct spool *s, struct span *out, struct err *err)
{
	void *map;

	if (s->fd == -1 || s->octets == 0) {
		*out = buf_span(&s->memory);
		return 0;
	}
	if (s->map == NULL || s->map_len != s->octets) {
		spool_unmap(s);
		map = mmap(NULL, s->octets, PROT_READ, MAP_SHARED, s->fd, 0);
		if (map == MAP_FAILED)
			return err_sys(err, "map a spool file");
		s->map = map;
		s->map_len = s->octets;
	}
	*out = span_of(s->map, s->map_len);
	return 0;
}

int
spool_fd(struct spool *s, int *fd_out, struct err *err)
{
	int fd;

	if (s->fd == -1)
		return file_memfd("spool", buf_span(&s->memory), fd_out, err);
	fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	if (fd == -1)
		return err_sys(err, "duplicate a spool file's descriptor");
	*fd_out = fd;
	return 0;
}
