/* SPDX-License-Identifier: BSD-2-Clause */
/* A sink that begins in memory and moves to an unlinked file when it grows. */
#include "common/conn.h"

#include <fcntl.h>
#include <sys/mman.h>

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
