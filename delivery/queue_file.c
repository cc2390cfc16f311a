/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message as a file: queue/XX/ID, where XX is two hexadecimal digits of a
 * checksum of the id.  Numbers are little-endian.
 *
 *	0	4	"HKQF"
 *	4	2	version (1)
 *	6	2	flags: 1, was held when it was written
 *	8	8	octets of the record
 *	16	4	CRC-32C of the record
 *	20	4	CRC-32C of octets 0 to 19
 *	24		the record (outbound.h), then entries (queue_entry.h)
 *
 * Entries are appended.  States a crash may leave: a file that is cut off
 * anywhere in its record, which was never acknowledged or is in the journal
 * still; an entry that is cut off, and then the last.
 */
#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/file.h"
#include "common/log.h"
#include "delivery/queue_private.h"

#define VERSION 1
#define HEAD 24
#define NAME_MAX_OCTETS 40

static void
file_name(const char *id, char out[NAME_MAX_OCTETS])
{
	(void)snprintf(out, NAME_MAX_OCTETS, "%02x/%s",
	    queue_hash(span_str(id)) & 0xffU, id);
}

static void
head_put(char *at, uint64_t number, size_t octets)
{
	number = htole64(number);
	memcpy(at, &number, octets);
}

static uint64_t
head_get(const char *at, size_t octets)
{
	uint64_t number = 0;

	memcpy(&number, at, octets);
	return le64toh(number);
}

static int
directory_flush(struct queue *q, const char *name, struct err *err)
{
	char directory[3] = { name[0], name[1], '\0' };
	CLEANUP(fd_close)
	int fd =
	    openat(q->dirfd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1 || fsync(fd) == -1)
		return err_sys(err, "fsync %s/%s", q->path, directory);
	return 0;
}

static int
file_open_new(struct queue *q, const char *name, int *fd_out, struct err *err)
{
	char directory[3] = { name[0], name[1], '\0' };
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(q->dirfd, name, flags, 0600);

	if (fd == -1 && errno == ENOENT) {
		if (mkdirat(q->dirfd, directory, 0700) == -1 && errno != EEXIST)
			return err_sys(err, "mkdir %s/%s", q->path, directory);
		if (fsync(q->dirfd) == -1)
			return err_sys(err, "fsync %s", q->path);
		fd = openat(q->dirfd, name, flags, 0600);
	}
	if (fd == -1)
		return err_sys(err, "create %s/%s", q->path, name);
	*fd_out = fd;
	return 0;
}

int
queue_file_write(struct queue *q, const char *id, struct span record,
    unsigned flags, struct span entries, bool flush, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	char name[NAME_MAX_OCTETS], head[HEAD] = "HKQF";
	int done;

	file_name(id, name);
	head_put(head + 4, VERSION, 2);
	head_put(head + 6, flags, 2);
	head_put(head + 8, record.len, 8);
	head_put(head + 16, crc32c(0, record.p, record.len), 4);
	head_put(head + 20, crc32c(0, head, 20), 4);
	if (file_open_new(q, name, &fd, err) == -1)
		return -1;
	done = file_write_fd(fd, span_of(head, HEAD), err);
	if (done == 0)
		done = file_write_fd(fd, record, err);
	if (done == 0)
		done = file_write_fd(fd, entries, err);
	if (done == 0 && flush && fdatasync(fd) == -1)
		done = err_sys(err, "fdatasync %s/%s", q->path, name);
	if (done == 0 && flush)
		done = directory_flush(q, name, err);
	if (done == -1) {
		(void)unlinkat(q->dirfd, name, 0);
		if (err != NULL && (err->os == ENOSPC || err->os == EDQUOT))
			err->kind = ERR_LIMIT;
	}
	return done;
}

int
queue_file_append(struct queue *q, const char *id, struct span entries,
    bool flush, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	char name[NAME_MAX_OCTETS];

	file_name(id, name);
	fd = openat(
	    q->dirfd, name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return err_sys(err, "open %s/%s", q->path, name);
	if (file_write_fd(fd, entries, err) == -1)
		return -1;
	if (flush && fdatasync(fd) == -1)
		return err_sys(err, "fdatasync %s/%s", q->path, name);
	return 0;
}

int
queue_file_remove(struct queue *q, const char *id, struct err *err)
{
	char name[NAME_MAX_OCTETS];

	file_name(id, name);
	if (unlinkat(q->dirfd, name, 0) == -1 && errno != ENOENT)
		return err_sys(err, "unlink %s/%s", q->path, name);
	return 0;
}

/* ERR_SYNTAX: it is not whole. */
static int
head_parse(struct span front, uint64_t octets, unsigned *flags_out,
    uint64_t *record_out, struct err *err)
{
	if (front.len < HEAD || !span_starts(front, SPAN("HKQF")) ||
	    head_get(front.p + 20, 4) != crc32c(0, front.p, 20))
		return err_set(err, ERR_SYNTAX, "no queue file");
	if (head_get(front.p + 4, 2) != VERSION)
		return err_set(err, ERR_POLICY,
		    "queue file of version %u is not known",
		    (unsigned)head_get(front.p + 4, 2));
	*flags_out = (unsigned)head_get(front.p + 6, 2);
	*record_out = head_get(front.p + 8, 8);
	if (octets < HEAD || *record_out > octets - HEAD)
		return err_set(err, ERR_SYNTAX, "queue file is cut off");
	return 0;
}

static int
file_map(struct queue *q, const char *name, struct queue_content *out,
    struct span *file_out, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	struct stat st;

	fd = openat(q->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		return err_sys(err, "open %s/%s", q->path, name);
	if (st.st_size == 0)
		return err_set(
		    err, ERR_SYNTAX, "%s/%s is empty", q->path, name);
	out->map =
	    mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (out->map == MAP_FAILED) {
		out->map = NULL;
		return err_sys(err, "map %s/%s", q->path, name);
	}
	out->map_len = (size_t)st.st_size;
	*file_out = span_of(out->map, out->map_len);
	return 0;
}

/* The record's span, checked. */
static int
record_of(struct span file, unsigned *flags_out, struct span *record_out,
    struct err *err)
{
	uint64_t octets = 0;

	if (head_parse(file, file.len, flags_out, &octets, err) == -1)
		return -1;
	*record_out = span_of(file.p + HEAD, (size_t)octets);
	if (head_get(file.p + 16, 4) !=
	    crc32c(0, record_out->p, record_out->len))
		return err_set(err, ERR_SYNTAX, "queue file is damaged");
	return 0;
}

int
queue_file_read(
    struct queue *q, const char *id, struct queue_content *out, struct err *err)
{
	char name[NAME_MAX_OCTETS];
	struct span file, record;
	unsigned flags;

	file_name(id, name);
	if (file_map(q, name, out, &file, err) == -1)
		return -1;
	if (record_of(file, &flags, &record, err) == -1 ||
	    outbound_parse(record, &out->message, err) == -1)
		return err_prefix(err, "%s/%s", q->path, name);
	return 0;
}

/* ---- all of them, at the start ---- */

struct scan {
	struct queue *q;
	int (*visit)(void *arg, const struct outbound *m, unsigned flags,
	    uint64_t octets, struct span entries, struct err *err);
	bool (*known)(void *arg, struct span id);
	void *arg;
};

/* What was cut off by a crash is in the journal, or was never promised;
 * anything else is kept for who may want it. */
static int
scan_bad(
    struct scan *s, const char *name, const struct err *why, struct err *err)
{
	char aside[NAME_MAX_OCTETS + 16];

	if (s->known(s->arg, span_str(name + 3))) {
		if (unlinkat(s->q->dirfd, name, 0) == -1)
			return err_sys(err, "unlink %s/%s", s->q->path, name);
		return 0;
	}
	(void)snprintf(aside, sizeof(aside), "%s.damaged", name);
	if (renameat(s->q->dirfd, name, s->q->dirfd, aside) == -1)
		return err_sys(err, "rename %s/%s", s->q->path, name);
	log_error(&log_process, "a queue file is put aside",
	    log_str("file", aside), log_err(why));
	return 0;
}

static int
scan_file(struct scan *s, const char *name, struct err *err)
{
	CLEANUP(queue_content_fini) struct queue_content c = { .map = NULL };
	struct span file, record;
	struct err why = ERR_INIT;
	unsigned flags;

	if (file_map(s->q, name, &c, &file, &why) == -1 ||
	    record_of(file, &flags, &record, &why) == -1 ||
	    outbound_parse(record, &c.message, &why) == -1 ||
	    !span_eq(c.message.id, span_str(name + 3))) {
		if (why.kind == ERR_POLICY || why.kind == ERR_TEMP) {
			if (err != NULL)
				*err = why;
			return err_prefix(err, "%s/%s", s->q->path, name);
		}
		return scan_bad(s, name, &why, err);
	}
	return s->visit(s->arg, &c.message, flags, record.len,
	    span_from(file, HEAD + record.len), err);
}

static int
scan_directory(struct scan *s, const char *directory, struct err *err)
{
	int fd =
	    openat(s->q->dirfd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int done = 0;

	if (dir == NULL) {
		fd_close(fd);
		return err_sys(err, "open %s/%s", s->q->path, directory);
	}
	while (done == 0 && (entry = readdir(dir)) != NULL) {
		char name[NAME_MAX_OCTETS];

		if (!outbound_id_valid(span_str(entry->d_name)))
			continue;
		(void)snprintf(
		    name, sizeof(name), "%.2s/%.11s", directory, entry->d_name);
		done = scan_file(s, name, err);
	}
	(void)closedir(dir);
	return done;
}

int
queue_files_scan(struct queue *q,
    int (*visit)(void *arg, const struct outbound *m, unsigned flags,
	uint64_t octets, struct span entries, struct err *err),
    bool (*known)(void *arg, struct span id), void *arg, struct err *err)
{
	struct scan s = { q, visit, known, arg };

	for (unsigned i = 0; i < 256; i++) {
		char directory[4];

		(void)snprintf(directory, sizeof(directory), "%02x", i);
		if (faccessat(q->dirfd, directory, F_OK, 0) == -1)
			continue;
		if (scan_directory(&s, directory, err) == -1)
			return -1;
	}
	return 0;
}
