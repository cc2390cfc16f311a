/* SPDX-License-Identifier: BSD-2-Clause */
/* Octets of messages, and what only the file can tell. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "common/file.h"
#include "store/filename.h"
#include "store/inside.h"
#include "store/message.h"

/* Beyond this size octets have pages of their own, and the descriptor stays
 * open, so that they can be sent from the file. */
#define CONTENT_MEMORY_MAX ((size_t)64 * 1024)

struct content {
	int fd;       /* -1: in memory only */
	char *memory; /* or NULL: p is mapped */
	const char *p;
	size_t len;
	time_t date;
};

/*
 * -1 with ENOENT also for what is no regular file: there is no message.
 * (openat2 meets a link with ELOOP and a socket with ENXIO.)
 */
static int
open_regular(int dirfd, const char *path, struct stat *st_out, struct err *err)
{
	CLEANUP(fd_close)
	int fd = file_open_beneath(dirfd, path, O_RDONLY | O_NONBLOCK, 0, err);

	if (fd == -1) {
		if (errno == ELOOP || errno == ENXIO)
			errno = ENOENT;
		return -1;
	}
	if (fstat(fd, st_out) == -1)
		return err_sys(err, "stat a message");
	if (!S_ISREG(st_out->st_mode)) {
		errno = ENOENT;
		return -1;
	}
	return fd_steal(&fd);
}

int
message_open(struct mailbox *m, uint32_t uid, struct message_found *found_out,
    struct err *err)
{
	struct folder *f = m->folder;
	CLEANUP(buf_fini) struct buf path;

	buf_init(&path, FILENAME_MAX_OCTETS + 8);
	for (int tries = 0; tries < 5; tries++) {
		CLEANUP(view_unref) struct view *v = folder_current(f);
		uint32_t index;
		bool found;
		int fd;

		if (v == NULL || !view_find(v, uid, &index))
			break;
		buf_clear(&path);
		view_file_path(v, index, &path);
		for (int by_search = 0; by_search < 2; by_search++) {
			fd = open_regular(
			    f->fd, buf_str(&path), &found_out->st, err);
			if (fd != -1) {
				found_out->view = STEAL(v);
				found_out->index = index;
				return fd;
			}
			if (errno != ENOENT)
				return -1;
			buf_clear(&path);
			if (by_search == 0 &&
			    (folder_find_file(f, view_base_name(v, index),
				 &path, &found, err) == -1 ||
				!found))
				break;
		}
	}
	return err_set(err, ERR_POLICY, "the message is gone");
}

size_t
bare_line_feeds(struct span s)
{
	const char *p = s.p, *end = s.p + s.len;
	size_t count = 0;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		count += p == s.p || p[-1] != '\r';
		p++;
	}
	return count;
}

void
to_crlf(struct span from, char *to)
{
	const char *p = from.p, *end = from.p + from.len;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((lf == NULL ? end : lf) - p);

		memcpy(to, p, len);
		to += len;
		if (lf == NULL)
			break;
		if (lf == from.p || lf[-1] != '\r')
			*to++ = '\r';
		*to++ = '\n';
		p = lf + 1;
	}
}

/* Room for the octets: pages of a memfd, of memory, or a piece of it. */
static char *
content_room(struct content *c, size_t len, int memfd)
{
	void *mapped;

	if (len <= CONTENT_MEMORY_MAX) {
		c->memory = malloc(len + 1);
		c->p = c->memory;
	} else {
		mapped = mmap(NULL, len, PROT_READ | PROT_WRITE,
		    memfd == -1 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED,
		    memfd, 0);
		c->p = mapped == MAP_FAILED ? NULL : mapped;
	}
	c->len = len;
	return (char *)(uintptr_t)c->p;
}

/*
 * The file is read and never mapped: a foreign program may cut it short, and
 * whoever touched the missing part of a mapping would be killed.
 */
static int
content_load(struct content *c, size_t len, struct err *err)
{
	char *room = content_room(c, len, -1);

	if (room == NULL)
		return err_set(err, ERR_TEMP, "message: out of memory");
	for (size_t at = 0; at < len;) {
		ssize_t got = read(c->fd, room + at, len - at);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == 0)
			errno = ENODATA; /* shorter than it was just now */
		if (got <= 0)
			return err_sys(err, "read a message");
		at += (size_t)got;
	}
	if (len <= CONTENT_MEMORY_MAX) {
		fd_close(c->fd);
		c->fd = -1;
	}
	return 0;
}

static void
content_drop(struct content *c)
{
	if (c->memory == NULL && c->p != NULL)
		(void)munmap((void *)(uintptr_t)c->p, c->len);
	free(c->memory);
	fd_close(c->fd);
	c->memory = NULL;
	c->p = NULL;
	c->fd = -1;
}

/* Replaces what was loaded by the same with CRLF everywhere. */
static int
content_convert(struct content *c, size_t bare, struct err *err)
{
	struct span raw = span_of(c->p, c->len);
	struct content with = { .fd = -1, .date = c->date };
	size_t len = c->len + bare;
	char *room = NULL;

	if (len > CONTENT_MEMORY_MAX)
		with.fd = memfd_create("message", MFD_CLOEXEC);
	if (len <= CONTENT_MEMORY_MAX ||
	    (with.fd != -1 && ftruncate(with.fd, (off_t)len) == 0))
		room = content_room(&with, len, with.fd);
	if (room == NULL) {
		(void)err_sys(err, "convert a message");
		fd_close(with.fd);
		return -1;
	}
	to_crlf(raw, room);
	content_drop(c);
	*c = with;
	return 0;
}

/* The octets are there: their sizes are learned, and lines end in CRLF. */
static int
content_finish(
    struct content *c, const struct message_found *found, struct err *err)
{
	const struct message *m = view_at(found->view, found->index);
	uint64_t size = (uint64_t)found->st.st_size;
	size_t bare;

	c->date = found->st.st_mtime;
	/* Both sizes equal, and true: there is no bare LF to look for. */
	if (m->size_virtual == size && m->size_physical == size)
		return 0;
	bare = bare_line_feeds(span_of(c->p, c->len));
	view_learn_size(found->view, found->index, size, size + bare);
	return bare == 0 ? 0 : content_convert(c, bare, err);
}

int
content_open(struct mailbox *m, uint32_t uid, struct content **content_out,
    struct err *err)
{
	CLEANUP(content_free) struct content *c = calloc(1, sizeof(*c));
	struct message_found found = { 0 };
	int filled;

	if (c == NULL)
		return err_set(err, ERR_TEMP, "message: out of memory");
	c->fd = message_open(m, uid, &found, err);
	if (c->fd == -1)
		return -1;
	filled = content_load(c, (size_t)found.st.st_size, err) == -1
		     ? -1
		     : content_finish(c, &found, err);
	view_unref(found.view);
	if (filled == -1)
		return -1;
	*content_out = STEAL(c);
	return 0;
}

/* All octets from the kernel's memory; false: some are not there. */
static bool
content_load_cached(struct content *c, size_t len)
{
	struct iovec room = { .iov_len = len };

	room.iov_base = content_room(c, len, -1);
	return room.iov_base != NULL &&
	       (len == 0 ||
		   preadv2(c->fd, &room, 1, 0, RWF_NOWAIT) == (ssize_t)len);
}

bool
content_open_cached(
    struct mailbox *m, uint32_t uid, struct content **content_out)
{
	CLEANUP(content_free) struct content *c = calloc(1, sizeof(*c));
	CLEANUP(view_unref) struct view *v = folder_current(m->folder);
	struct message_found found = { .view = v };
	CLEANUP(buf_fini) struct buf path;

	buf_init(&path, FILENAME_MAX_OCTETS + 8);
	if (c == NULL)
		return false;
	c->fd = -1;
	if (v == NULL || !view_find(v, uid, &found.index))
		return false;
	view_file_path(v, found.index, &path);
	c->fd = file_open_cached(m->folder->fd, buf_str(&path));
	if (c->fd == -1 || fstat(c->fd, &found.st) == -1 ||
	    !S_ISREG(found.st.st_mode) ||
	    found.st.st_size > (off_t)CONTENT_MEMORY_MAX / 2 ||
	    !content_load_cached(c, (size_t)found.st.st_size))
		return false;
	fd_close(c->fd);
	c->fd = -1;
	if (content_finish(c, &found, NULL) == -1)
		return false;
	*content_out = STEAL(c);
	return true;
}

bool
message_unreadable(const struct err *err)
{
	switch (err->os) {
	case EACCES:
	case EPERM:
	case EIO:
	case ENODATA:
	case EBADMSG:
	case EUCLEAN:
		return err->kind == ERR_TEMP;
	default:
		return false;
	}
}

void
content_free(struct content *c)
{
	if (c == NULL)
		return;
	content_drop(c);
	free(c);
}

struct span
content_span(const struct content *c)
{
	return span_of(c->p, c->len);
}

int
content_fd(const struct content *c)
{
	return c->fd;
}

time_t
content_date(const struct content *c)
{
	return c->date;
}

int
message_date(struct mailbox *m, uint32_t uid, time_t *date_out, struct err *err)
{
	struct message_found found = { 0 };
	CLEANUP(fd_close) int fd = message_open(m, uid, &found, err);

	view_unref(found.view);
	if (fd == -1)
		return -1;
	*date_out = found.st.st_mtime;
	return 0;
}

int
message_size(
    struct mailbox *m, uint32_t uid, uint64_t *octets_out, struct err *err)
{
	CLEANUP(view_unref) struct view *v = folder_current(m->folder);
	CLEANUP(content_free) struct content *c = NULL;
	uint32_t index;

	if (v != NULL && view_find(v, uid, &index)) {
		*octets_out = view_at(v, index)->size_virtual;
		if (*octets_out != MESSAGE_SIZE_UNKNOWN)
			return 0;
	}
	if (content_open(m, uid, &c, err) == -1)
		return -1;
	*octets_out = content_span(c).len;
	return 0;
}
