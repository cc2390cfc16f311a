/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Modification sequences over the end of a process.
 *
 * The change number of a message is its MODSEQ (RFC 7162): microseconds since
 * 1970 when it was found to have changed, or one more than the last.  While
 * somebody has a mailbox open, or its view is kept, they are in memory alone.
 * When the last session closes a mailbox for which somebody asked, UIDs,
 * letters and numbers are written to hikyaku-modseq beside dovecot-uidlist; the
 * first change afterwards removes the file.  So the file, if it is there, tells
 * what clients were last told, and a message that has other letters by then
 * gets a new number, whoever changed it.  Without the file (a crash, another
 * server's tree) all messages count as changed when they are next seen, which
 * costs clients a look at all flags and is never wrong.
 *
 *	file  = "HKMS" version crc packed
 *	crc   = CRC-32C of packed, 32 bits as they lie in memory
 */
#include "store/modseq.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/file.h"
#include "store/inside.h"

#define FILE_NAME "hikyaku-modseq"
#define FILE_MAGIC "HKMS\1"
/* Some twenty million messages; a larger file is none of ours. */
#define FILE_MAX ((size_t)64 * 1024 * 1024)

uint64_t
folder_next_change(const struct folder *f)
{
	struct timespec now;
	uint64_t us;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	return us > f->change ? us : f->change + 1;
}

struct packed *
modseq_load(struct folder *f)
{
	CLEANUP(fd_close)
	int fd =
	    file_open_beneath(f->fd, FILE_NAME, O_RDONLY | O_NOFOLLOW, 0, NULL);
	CLEANUP(buf_fini) struct buf content;
	struct span rest;
	uint32_t crc;

	buf_init(&content, FILE_MAX);
	if (fd == -1 || file_read_fd(fd, &content, NULL) == -1)
		return NULL;
	rest = buf_span(&content);
	if (!span_starts(rest, SPAN(FILE_MAGIC)) ||
	    rest.len < sizeof(FILE_MAGIC) - 1 + sizeof(crc))
		return NULL;
	rest = span_from(rest, sizeof(FILE_MAGIC) - 1);
	memcpy(&crc, rest.p, sizeof(crc));
	rest = span_from(rest, sizeof(crc));
	return crc32c(0, rest.p, rest.len) == crc ? packed_read(rest) : NULL;
}

void
modseq_forget(struct folder *f)
{
	f->saved_change = 0;
	(void)unlinkat(f->fd, FILE_NAME, 0);
}

/* Not flushed: after a power cut it may be torn, which its CRC tells. */
static int
modseq_write(struct folder *f, const struct packed *p, struct err *err)
{
	CLEANUP(buf_fini) struct buf content;
	CLEANUP(fd_close) int fd = -1;
	size_t at = sizeof(FILE_MAGIC) - 1;
	uint32_t crc = 0;

	buf_init(&content, FILE_MAX);
	buf_append(&content, SPAN(FILE_MAGIC));
	for (size_t i = 0; i < sizeof(crc); i++)
		buf_append_octet(&content, 0);
	packed_write(p, &content);
	if (buf_check(&content, err) == -1)
		return -1;
	crc = crc32c(
	    0, content.data + at + sizeof(crc), content.len - at - sizeof(crc));
	memcpy(content.data + at, &crc, sizeof(crc));
	fd = file_open_beneath(f->fd, FILE_NAME ".new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600, err);
	if (fd == -1 || file_write_fd(fd, buf_span(&content), err) == -1 ||
	    renameat(f->fd, FILE_NAME ".new", f->fd, FILE_NAME) == -1) {
		(void)unlinkat(f->fd, FILE_NAME ".new", 0);
		return err_sys(err, FILE_NAME);
	}
	return 0;
}

/* With the turn: what is to be written, and its change number. */
static struct packed *
modseq_now(struct folder *f, uint64_t *change_out)
{
	struct packed *p;

	(void)pthread_mutex_lock(&f->mutex);
	p = f->current != NULL ? view_pack(f->current) : packed_ref(f->packed);
	(void)pthread_mutex_unlock(&f->mutex);
	if (p != NULL)
		*change_out = packed_change(p);
	return p;
}

void
modseq_save(struct folder *f)
{
	CLEANUP(packed_unref) struct packed *p = NULL;
	uint64_t change = 0;

	(void)pthread_mutex_lock(&f->turn);
	if (!f->dead && folder_open_files(f, NULL) == 0)
		p = modseq_now(f, &change);
	/* A file that could not be written costs time only. */
	if (p != NULL && change != f->saved_change &&
	    modseq_write(f, p, NULL) == 0)
		f->saved_change = change;
	(void)pthread_mutex_unlock(&f->turn);
}

void
mailbox_track(struct mailbox *m)
{
	m->folder->tracked = true;
}
