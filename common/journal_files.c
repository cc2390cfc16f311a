/* SPDX-License-Identifier: BSD-2-Clause */
/* A journal's segments as files of its directory. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/ascii.h"
#include "common/file.h"
#include "common/journal_private.h"

#define ZEROS_LEN ((size_t)256 * 1024)

/* A full disk is for the peer to know. */
#define files_err(err, ...)                                                    \
	err_set_at((err),                                                      \
	    errno == ENOSPC || errno == EDQUOT ? ERR_LIMIT : ERR_TEMP, errno,  \
	    __FILE__, __LINE__, __VA_ARGS__)

void
segment_name(unsigned slot, char out[JOURNAL_NAME_MAX])
{
	(void)snprintf(out, JOURNAL_NAME_MAX, "segment-%04u", slot);
}

/* "segment-0001"; false: some other file. */
static bool
name_slot(const char *name, unsigned *slot_out)
{
	struct span rest = span_str(name);
	uint64_t slot;

	if (!span_starts(rest, SPAN("segment-")))
		return false;
	rest = span_from(rest, sizeof("segment-") - 1);
	if (rest.len != 4 || !span_to_u64(rest, &slot) || slot == 0)
		return false;
	*slot_out = (unsigned)slot;
	return true;
}

void
segment_free(struct segment *s)
{
	if (s == NULL)
		return;
	fd_close(s->fd);
	free(s);
}

/* ---- making one ---- */

static int
write_head(int fd, const struct journal_head *head)
{
	char text[JOURNAL_HEAD_LEN];

	journal_head_format(head, text);
	if (pwrite(fd, text, sizeof(text),
		(off_t)journal_head_offset(head->generation)) !=
	    (ssize_t)sizeof(text))
		return -1;
	return fdatasync(fd);
}

static int
fill_zeros(int fd, uint64_t octets)
{
	CLEANUP(mem_free) char *zeros = calloc(1, ZEROS_LEN);

	if (zeros == NULL) {
		errno = ENOMEM;
		return -1;
	}
	while (octets > 0) {
		size_t part = octets < ZEROS_LEN ? (size_t)octets : ZEROS_LEN;

		if (file_write_fd(fd, span_of(zeros, part), NULL) == -1)
			return -1;
		octets -= part;
	}
	return fdatasync(fd);
}

int
segment_create(struct journal *j, unsigned slot,
    const struct journal_head *head, struct segment **segment_out,
    struct err *err)
{
	CLEANUP(segment_free) struct segment *s = calloc(1, sizeof(*s));
	char name[JOURNAL_NAME_MAX];

	if (s == NULL)
		return err_set(err, ERR_TEMP, "journal: out of memory");
	s->head = *head;
	/* A name may be taken by what could not be put aside. */
	for (s->slot = slot; s->slot <= JOURNAL_SLOTS_MAX; s->slot++) {
		segment_name(s->slot, name);
		s->fd = openat(j->dirfd, name,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (s->fd != -1 || errno != EEXIST)
			break;
	}
	if (s->fd == -1)
		return files_err(err, "create %s/%s", j->path, name);
	/* The zeros first: a head means that all behind it is there. */
	if (fill_zeros(s->fd, head->octets) == -1 ||
	    write_head(s->fd, head) == -1 || fsync(j->dirfd) == -1) {
		(void)files_err(err, "fill %s/%s", j->path, name);
		(void)unlinkat(j->dirfd, name, 0);
		return -1;
	}
	*segment_out = STEAL(s);
	return 0;
}

int
segment_renew(struct journal *j, struct segment *s,
    const struct journal_head *head, struct err *err)
{
	char name[JOURNAL_NAME_MAX];

	segment_name(s->slot, name);
	if (write_head(s->fd, head) == -1)
		return files_err(err, "renew %s/%s", j->path, name);
	s->head = *head;
	s->first = s->last = 0;
	return 0;
}

int
segment_remove(struct journal *j, struct segment *s, struct err *err)
{
	char name[JOURNAL_NAME_MAX];

	segment_name(s->slot, name);
	segment_free(s);
	if (unlinkat(j->dirfd, name, 0) == -1 && errno != ENOENT)
		return err_sys(err, "unlink %s/%s", j->path, name);
	/* Before the next one goes: they must go in their order. */
	if (fsync(j->dirfd) == -1)
		return err_sys(err, "fsync %s", j->path);
	return 0;
}

/* ---- finding them again ---- */

/* Never finished: its maker was killed before there was a head. */
static bool
is_unfinished(const char *pages, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (pages[i] != 0)
			return false;
	return true;
}

static void
put_aside(struct journal *j, const char *name, struct err *why)
{
	char aside[JOURNAL_NAME_MAX + 16];

	(void)snprintf(aside, sizeof(aside), "%s.damaged", name);
	if (renameat(j->dirfd, name, j->dirfd, aside) == -1 ||
	    fsync(j->dirfd) == -1)
		(void)err_prefix(why, "not put aside");
	(void)err_prefix(why, "%s/%s", j->path, name);
	journal_trouble(j, why);
}

static int
check_owner(struct journal *j, const char *name,
    const struct journal_head *head, struct err *err)
{
	static const unsigned char none[JOURNAL_ID_LEN];

	if (head->kind != j->options.kind)
		return err_set(err, ERR_POLICY,
		    "%s/%s: a journal of kind %08x, not %08x", j->path, name,
		    (unsigned)head->kind, (unsigned)j->options.kind);
	if (memcmp(j->id, none, JOURNAL_ID_LEN) == 0)
		memcpy(j->id, head->id, JOURNAL_ID_LEN);
	if (memcmp(j->id, head->id, JOURNAL_ID_LEN) != 0)
		return err_set(err, ERR_POLICY,
		    "%s/%s: of another journal than the others", j->path, name);
	return 0;
}

/* By generation; of two with the same, the second stays out. */
static bool
segment_insert(struct journal *j, struct segment *s)
{
	struct segment **at = &j->oldest;

	while (*at != NULL && (*at)->head.generation < s->head.generation)
		at = &(*at)->next;
	if (*at != NULL && (*at)->head.generation == s->head.generation)
		return false;
	s->next = *at;
	*at = s;
	j->count++;
	return true;
}

static int
segment_open(
    struct journal *j, const char *name, unsigned slot, struct err *err)
{
	CLEANUP(segment_free) struct segment *s = calloc(1, sizeof(*s));
	char pages[JOURNAL_DATA] = { 0 };
	struct err why = ERR_INIT;
	struct stat st;
	ssize_t len;

	if (s == NULL)
		return err_set(err, ERR_TEMP, "journal: out of memory");
	s->slot = slot;
	s->fd = openat(j->dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (s->fd == -1 || fstat(s->fd, &st) == -1)
		return err_sys(err, "open %s/%s", j->path, name);
	len = pread(s->fd, pages, sizeof(pages), 0);
	if (len == -1) {
		(void)err_sys(&why, "read the head");
		put_aside(j, name, &why);
		return 0;
	}
	if (is_unfinished(pages, (size_t)len))
		return segment_remove(j, STEAL(s), err);
	if (journal_head_choose(
		span_of(pages, sizeof(pages)), &s->head, &why) == -1) {
		if (why.kind == ERR_POLICY)
			return err_set(err, ERR_POLICY, "%s/%s: %s", j->path,
			    name, why.text);
		put_aside(j, name, &why);
		return 0;
	}
	if (check_owner(j, name, &s->head, err) == -1)
		return -1;
	/* Read, but not used again: cut short, or of another size than is
	 * wanted now. */
	s->failed = (uint64_t)st.st_size < s->head.octets ||
		    s->head.octets != j->options.segment_octets;
	if (!segment_insert(j, s)) {
		(void)err_set(&why, ERR_SYNTAX, "generation %llu twice",
		    (unsigned long long)s->head.generation);
		put_aside(j, name, &why);
		return 0;
	}
	(void)STEAL(s);
	return 0;
}

int
segments_open(struct journal *j, struct err *err)
{
	int fd = openat(j->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;
	unsigned slot;
	int done = 0;

	if (dir == NULL) {
		(void)err_sys(err, "list %s", j->path);
		fd_close(fd);
		return -1;
	}
	while (done == 0 && (entry = readdir(dir)) != NULL)
		if (name_slot(entry->d_name, &slot))
			done = segment_open(j, entry->d_name, slot, err);
	(void)closedir(dir);
	return done;
}

/* ---- reading one ---- */

int
segment_load(
    struct journal *j, struct segment *s, struct buf *out, struct err *err)
{
	size_t octets = (size_t)s->head.octets;
	struct err why = ERR_INIT;
	char *room;

	buf_clear(out);
	room = buf_reserve(out, octets);
	if (room == NULL)
		return buf_check(out, err);
	memset(room, 0, octets);
	for (size_t at = 0; at < octets;) {
		ssize_t got = pread(s->fd, room + at, octets - at, (off_t)at);

		if (got == 0)
			break; /* cut short */
		if (got > 0) {
			at += (size_t)got;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (why.kind == ERR_NONE)
			(void)err_sys(&why, "read %s/segment-%04u at %zu",
			    j->path, s->slot, at);
		at = at / JOURNAL_PAGE * JOURNAL_PAGE + JOURNAL_PAGE;
	}
	if (why.kind != ERR_NONE)
		journal_trouble(j, &why);
	buf_commit(out, octets);
	return 0;
}
