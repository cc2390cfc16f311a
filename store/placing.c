/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/placing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/file.h"
#include "store/filename.h"
#include "store/inside.h"
#include "store/name.h"
#include "store/quota.h"

/* So many are flushed one by one: syncfs would wait for what everybody else
 * has written to this file system. */
#define FEW 2

struct placing {
	struct account *account;
	int folder_fd, tmp_fd, new_fd;
	int fd; /* of the file, until it is shown; -1 when resumed */
	uint64_t octets;
	char base[FILENAME_MAX_OCTETS + 1], name[FILENAME_MAX_OCTETS + 1];
};

/* ---- names ---- */

void
store_new_base(struct store *s, struct buf *out)
{
	store_base_name(s, out);
}

bool
store_base_valid(struct span base)
{
	struct filename parsed;

	/* Sizes and flags are still to come. */
	return base.len > 0 && base.len <= FILENAME_MAX_OCTETS - 60 &&
	       span_index(base, '/') == -1 && span_index(base, ',') == -1 &&
	       filename_parse(base, &parsed) && parsed.base.len == base.len;
}

/* Octets, and how many more they are with CRLF everywhere. */
static uint64_t
measure(const struct placing_message *m, uint64_t *bare_lf_out)
{
	uint64_t octets = 0;
	char last = '\0';

	*bare_lf_out = 0;
	for (size_t i = 0; i < m->piece_count; i++) {
		struct span s = m->pieces[i];
		const char *p = s.p, *end = s.p + s.len;

		octets += s.len;
		while (p < end &&
		       (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
			*bare_lf_out += (p == s.p ? last : p[-1]) != '\r';
			p++;
		}
		if (s.len > 0)
			last = end[-1];
	}
	return octets;
}

void
placing_name(const struct placing_message *m, struct buf *out)
{
	uint64_t bare_lf, octets = measure(m, &bare_lf);

	buf_append_fmt(out, "%.*s,S=%llu,W=%llu", SPAN_FMT(m->base),
	    (unsigned long long)octets, (unsigned long long)(octets + bare_lf));
}

/* ---- one message ---- */

static int
open_part(struct placing *p, const char *part, int *fd_out, struct err *err)
{
	*fd_out = disk_open_directory(p->folder_fd, part, err);
	if (*fd_out == -1 && errno == ENOENT &&
	    folder_make_part(p->account, p->folder_fd, part, err) == 0)
		*fd_out = disk_open_directory(p->folder_fd, part, err);
	return *fd_out == -1 ? -1 : 0;
}

static int
open_folder(struct placing *p, struct span mailbox, struct err *err)
{
	CLEANUP(buf_fini) struct buf directory;

	buf_init(&directory, 4 * NAME_DIRECTORY_MAX);
	if (name_to_directory(mailbox, &directory, err) == -1)
		return -1;
	p->folder_fd =
	    disk_open_directory(p->account->fd, buf_str(&directory), err);
	if (p->folder_fd == -1 && errno == ENOENT)
		return err_set(err, ERR_POLICY, "no such mailbox");
	if (p->folder_fd == -1)
		return -1;
	return open_part(p, "tmp", &p->tmp_fd, err) == -1
		   ? -1
		   : open_part(p, "new", &p->new_fd, err);
}

static int
placing_new(struct account *a, const struct placing_message *m,
    struct placing **placing_out, struct err *err)
{
	CLEANUP(placing_free) struct placing *p = calloc(1, sizeof(*p));
	CLEANUP(buf_fini) struct buf name;
	uint64_t bare_lf;

	buf_init(&name, FILENAME_MAX_OCTETS);
	if (p == NULL)
		return err_set(err, ERR_TEMP, "placing: out of memory");
	p->folder_fd = p->tmp_fd = p->new_fd = p->fd = -1;
	p->account = account_ref(a);
	if (!store_base_valid(m->base))
		return err_set(err, ERR_SYNTAX, "no base of a file's name");
	placing_name(m, &name);
	if (buf_check(&name, err) == -1 ||
	    open_folder(p, m->mailbox, err) == -1)
		return -1;
	p->octets = measure(m, &bare_lf);
	memcpy(p->base, m->base.p, m->base.len);
	memcpy(p->name, buf_str(&name), name.len + 1);
	*placing_out = STEAL(p);
	return 0;
}

static int
create_file(struct placing *p, struct err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL;

	p->fd = file_open_beneath(p->tmp_fd, p->base, flags, 0600, NULL);
	if (p->fd == -1 && errno == EEXIST &&
	    unlinkat(p->tmp_fd, p->base, 0) == 0)
		p->fd =
		    file_open_beneath(p->tmp_fd, p->base, flags, 0600, NULL);
	return p->fd == -1 ? disk_err(err, "create a file in tmp") : 0;
}

int
placing_write(struct account *a, const struct placing_message *m,
    struct placing **placing_out, struct err *err)
{
	CLEANUP(placing_free) struct placing *p = NULL;

	if (placing_new(a, m, &p, err) == -1 || create_file(p, err) == -1)
		return -1;
	for (size_t i = 0; i < m->piece_count; i++)
		if (file_write_fd(p->fd, m->pieces[i], NULL) == -1) {
			(void)disk_err(err, "write in tmp");
			placing_undo(p);
			return -1;
		}
	*placing_out = STEAL(p);
	return 0;
}

int
placing_resume(struct account *a, const struct placing_message *m,
    struct placing **placing_out, enum placing_found *found_out,
    struct err *err)
{
	CLEANUP(placing_free) struct placing *p = NULL;
	struct stat st;

	if (placing_new(a, m, &p, err) == -1)
		return -1;
	if (fstatat(p->tmp_fd, p->base, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*found_out =
		    S_ISREG(st.st_mode) && (uint64_t)st.st_size == p->octets
			? PLACING_THERE
			: PLACING_SPOILT;
	else if (errno == ENOENT)
		*found_out = PLACING_GONE;
	else
		return err_sys(err, "look for %s in tmp", p->base);
	*placing_out = STEAL(p);
	return 0;
}

int
placing_show(struct placing *p, struct err *err)
{
	struct quota_change change;
	int done;

	quota_begin(p->account, &change);
	done = disk_rename_new(p->tmp_fd, p->base, p->new_fd, p->name);
	if (done == 0) {
		quota_end(&change, (int64_t)p->octets, 1);
	} else {
		int saved = errno;

		quota_end(&change, 0, 0);
		errno = saved;
		/* Shown before a crash that took the old name's removal. */
		if (errno != EEXIST)
			return disk_err(err, "place a message");
		placing_undo(p);
	}
	/* One descriptor is enough for what is still to come. */
	fd_close(p->fd);
	fd_close(p->tmp_fd);
	fd_close(p->folder_fd);
	p->fd = p->tmp_fd = p->folder_fd = -1;
	return 0;
}

void
placing_undo(struct placing *p)
{
	(void)unlinkat(p->tmp_fd, p->base, 0);
}

void
placing_free(struct placing *p)
{
	if (p == NULL)
		return;
	fd_close(p->fd);
	fd_close(p->tmp_fd);
	fd_close(p->new_fd);
	fd_close(p->folder_fd);
	account_unref(p->account);
	free(p);
}

/* ---- was it shown? ---- */

struct search {
	struct span name;
	bool found;
};

static bool
compare_entry(void *arg, const char *name, unsigned char type)
{
	struct search *s = arg;
	struct filename parsed;

	(void)type;
	s->found = filename_parse(span_str(name), &parsed) &&
		   span_eq(parsed.base, s->name);
	return !s->found;
}

static int
search_directory(
    struct placing *p, const char *part, struct search *s, struct err *err)
{
	CLEANUP(fd_close) int fd = disk_open_directory(p->folder_fd, part, err);

	if (fd == -1)
		return -1;
	return disk_list(fd, compare_entry, s, err);
}

int
placing_was_shown(struct placing *p, bool *shown_out, struct err *err)
{
	struct search s = { .name = span_str(p->name) };
	CLEANUP(buf_fini) struct buf list;
	char ending[FILENAME_MAX_OCTETS + 3];
	struct stat st;
	bool absent;

	buf_init(&list, (size_t)512 * 1024 * 1024);
	if (search_directory(p, "new", &s, err) == -1 ||
	    (!s.found && search_directory(p, "cur", &s, err) == -1) ||
	    disk_read(p->folder_fd, "dovecot-uidlist", &list, &absent, &st,
		err) == -1)
		return -1;
	(void)snprintf(ending, sizeof(ending), ":%s\n", p->name);
	*shown_out =
	    s.found || span_find(buf_span(&list), span_str(ending)) != -1;
	return 0;
}

/* ---- flushing many ---- */

/*
 * Where the kernel's own syncfs reaches the disk.  Through FUSE it does not
 * reach the server, and of others we do not know.
 */
static bool
has_syncfs(int fd)
{
	static const unsigned long known[] = {
		0xef53,     /* ext2, ext3, ext4 */
		0x58465342, /* XFS */
		0x9123683e, /* btrfs */
		0xf2f52010, /* F2FS */
		0xca451a4e, /* bcachefs */
		0x2fc12fc1, /* ZFS */
	};
	struct statfs st;

	if (fstatfs(fd, &st) == -1)
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if ((unsigned long)st.f_type == known[i])
			return true;
	return false;
}

/* The directory of which this one's name has changed. */
static int
named_in(const struct placing *p, bool shown)
{
	return shown ? p->new_fd : p->tmp_fd;
}

/* The first of them with the same account and directory. */
static size_t
first_in_directory(struct placing *const *all, size_t i, bool shown)
{
	struct stat mine, other;

	if (fstat(named_in(all[i], shown), &mine) == -1)
		return i;
	for (size_t k = 0; k < i; k++)
		if (all[k]->account == all[i]->account &&
		    fstat(named_in(all[k], shown), &other) == 0 &&
		    other.st_ino == mine.st_ino && other.st_dev == mine.st_dev)
			return k;
	return i;
}

static int
flush_each(struct placing *const *all, size_t count, bool shown,
    bool *failed_out, struct err *err)
{
	struct err first = ERR_INIT;
	int done = 0;

	/* The octets first: with a journal in the file system, what follows
	 * finds its work done. */
	for (size_t i = 0; i < count; i++) {
		const struct placing *p = all[i];

		failed_out[i] = !shown && p->fd != -1 && fsync(p->fd) == -1;
		if (failed_out[i] && first.kind == ERR_NONE)
			(void)disk_err(&first, "fsync %s", p->base);
	}
	for (size_t i = 0; i < count; i++) {
		size_t same = first_in_directory(all, i, shown);

		if (same != i) {
			failed_out[i] = failed_out[i] || failed_out[same];
		} else if (fsync(named_in(all[i], shown)) == -1) {
			if (first.kind == ERR_NONE)
				(void)disk_err(&first, "fsync of a mailbox");
			failed_out[i] = true;
		}
		if (failed_out[i])
			done = -1;
	}
	if (done == -1 && err != NULL)
		*err = first;
	return done;
}

int
placing_flush(struct placing *const *all, size_t count, bool shown,
    bool *failed_out, bool *whole_out, struct err *err)
{
	*whole_out = false;
	for (size_t i = 0; i < count; i++)
		failed_out[i] = false;
	if (count == 0)
		return 0;
	if (count > FEW && has_syncfs(all[0]->new_fd) &&
	    syncfs(all[0]->new_fd) == 0) {
		*whole_out = true;
		return 0;
	}
	/* Not there, or something in the file system failed: was it ours? */
	return flush_each(all, count, shown, failed_out, err);
}
