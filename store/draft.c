/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/draft.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "store/filename.h"
#include "store/inside.h"
#include "store/name.h"

struct draft {
	struct sink sink;
	struct account *account;
	char *mailbox; /* name */
	int folder_fd, fd;
	char base[FILENAME_MAX_OCTETS + 1]; /* in tmp/; "" once it has left */
	uint64_t octets;
	uint64_t bare_lf; /* each becomes CRLF for a reader */
	char last;
	bool failed;
};

static int
draft_sink_write(struct sink *sink, struct span octets, struct err *err)
{
	struct draft *d =
	    (struct draft *)((char *)sink - offsetof(struct draft, sink));

	return draft_write(d, octets, err);
}

static int
draft_open_folder(struct draft *d, struct span mailbox, struct err *err)
{
	CLEANUP(buf_fini) struct buf directory;

	buf_init(&directory, 4 * NAME_DIRECTORY_MAX);
	if (name_to_directory(mailbox, &directory, err) == -1)
		return -1;
	d->folder_fd =
	    disk_open_directory(d->account->fd, buf_str(&directory), err);
	if (d->folder_fd == -1 && errno == ENOENT)
		return err_set(err, ERR_POLICY, "no such mailbox");
	return d->folder_fd == -1 ? -1 : 0;
}

static int
draft_create(struct draft *d, struct err *err)
{
	CLEANUP(buf_fini) struct buf base;
	char path[FILENAME_MAX_OCTETS + 8];

	buf_init(&base, FILENAME_MAX_OCTETS - 60); /* sizes and flags follow */
	for (int tries = 0; tries < 10; tries++) {
		buf_clear(&base);
		store_base_name(d->account->store, &base);
		if (buf_check(&base, err) == -1)
			return -1;
		(void)snprintf(path, sizeof(path), "tmp/%s", buf_str(&base));
		d->fd = file_open_beneath(d->folder_fd, path,
		    O_WRONLY | O_CREAT | O_EXCL, 0600, NULL);
		if (d->fd == -1 && errno == ENOENT && tries == 0 &&
		    folder_make_part(d->account, d->folder_fd, "tmp", err) == 0)
			continue;
		if (d->fd != -1 || errno != EEXIST)
			break;
	}
	if (d->fd == -1)
		return disk_err(err, "create a file in tmp");
	(void)snprintf(d->base, sizeof(d->base), "%s", buf_str(&base));
	return 0;
}

int
draft_new(struct account *a, struct span mailbox, struct draft **draft_out,
    struct err *err)
{
	CLEANUP(draft_free) struct draft *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return err_set(err, ERR_TEMP, "draft: out of memory");
	d->folder_fd = d->fd = -1;
	d->sink.write = draft_sink_write;
	d->account = account_ref(a);
	d->mailbox = strndup(mailbox.p == NULL ? "" : mailbox.p, mailbox.len);
	if (d->mailbox == NULL)
		return err_set(err, ERR_TEMP, "draft: out of memory");
	if (draft_open_folder(d, mailbox, err) == -1 ||
	    draft_create(d, err) == -1)
		return -1;
	*draft_out = STEAL(d);
	return 0;
}

void
draft_free(struct draft *d)
{
	char path[FILENAME_MAX_OCTETS + 8];

	if (d == NULL)
		return;
	if (d->base[0] != '\0') {
		(void)snprintf(path, sizeof(path), "tmp/%s", d->base);
		(void)unlinkat(d->folder_fd, path, 0);
	}
	fd_close(d->fd);
	fd_close(d->folder_fd);
	account_unref(d->account);
	free(d->mailbox);
	free(d);
}

int
draft_write(struct draft *d, struct span octets, struct err *err)
{
	const char *p = octets.p, *end = octets.p + octets.len;

	if (d->failed)
		return err_set(err, ERR_TEMP, "an earlier write failed");
	if (octets.len == 0)
		return 0;
	if (file_write_fd(d->fd, octets, NULL) == -1) {
		d->failed = true;
		return disk_err(err, "write in tmp");
	}
	d->octets += octets.len;
	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		d->bare_lf += (p == octets.p ? d->last : p[-1]) != '\r';
		if (++p == end)
			break;
	}
	d->last = end[-1];
	return 0;
}

struct sink *
draft_sink(struct draft *d)
{
	return &d->sink;
}

int
folder_flush(int directory_fd, struct err *err)
{
	return fsync(directory_fd) == -1 ? err_sys(err, "fsync a mailbox") : 0;
}

/* The file whole, dated and on the disk; its name so far only in tmp/. */
static int
draft_flush(
    struct draft *d, const struct draft_options *options, struct err *err)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = options->date } };

	if (d->failed)
		return err_set(err, ERR_TEMP, "an earlier write failed");
	if (options->has_date && futimens(d->fd, times) == -1)
		return err_sys(err, "date a message");
	return fsync(d->fd) == -1 ? disk_err(err, "fsync a message") : 0;
}

/* Moves it to new/ or, with flags, to cur/, and flushes that. */
static int
draft_place(struct draft *d, uint64_t letters, struct draft_result *result,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf name;
	CLEANUP(fd_close)
	int to_fd = disk_open_directory(
	    d->folder_fd, letters != 0 ? "cur" : "new", err);
	char from[FILENAME_MAX_OCTETS + 8];

	buf_init(&name, FILENAME_MAX_OCTETS);
	if (to_fd == -1)
		return -1;
	buf_append_fmt(&name, "%s,S=%llu,W=%llu", d->base,
	    (unsigned long long)d->octets,
	    (unsigned long long)(d->octets + d->bare_lf));
	if (letters != 0)
		filename_format_info(letters, SPAN_NONE, &name);
	if (buf_check(&name, err) == -1)
		return -1;
	(void)snprintf(from, sizeof(from), "tmp/%s", d->base);
	if (disk_rename_new(d->folder_fd, from, to_fd, buf_str(&name)) == -1)
		return disk_err(err, "place a message");
	d->base[0] = '\0';
	(void)snprintf(result->name, sizeof(result->name), "%s/%s",
	    letters != 0 ? "cur" : "new", buf_str(&name));
	return folder_flush(to_fd, err);
}

/* A failed flush may leave it in place, so the file decides what counts. */
static int
draft_place_counted(struct draft *d, uint64_t letters,
    struct draft_result *result, struct err *err)
{
	struct quota_change change;
	int done;

	quota_begin(d->account, &change);
	done = draft_place(d, letters, result, err);
	if (d->base[0] == '\0')
		quota_end(&change, (int64_t)d->octets, 1);
	else
		quota_end(&change, 0, 0);
	return done;
}

/* Refused to the client, so it must not stay. */
static void
draft_unplace(struct draft *d, struct folder *f, const char *name)
{
	struct quota_change change;

	quota_begin(d->account, &change);
	if (unlinkat(f->fd, name, 0) == 0)
		quota_end(&change, -(int64_t)d->octets, -1);
	else
		quota_end(&change, 0, 0);
}

/* Under turn and lock: with its UID, which is on disk when this returns. */
static int
draft_register(struct draft *d, struct folder *f, uint64_t letters,
    struct draft_result *result, struct err *err)
{
	CLEANUP(view_unref) struct view *v = NULL;
	struct filename parsed;
	struct view_add add;

	if (draft_place_counted(d, letters, result, err) == -1)
		return -1;
	(void)filename_parse(
	    span_str(result->name + sizeof("cur/") - 1), &parsed);
	add = (struct view_add){
		.letters = letters | (letters == 0 ? MESSAGE_IN_NEW : 0),
		.size_physical = d->octets,
		.size_virtual = d->octets + d->bare_lf,
		.base = parsed.base,
		.info = parsed.info,
	};
	if (folder_add(f, &add, 1, err) == -1) {
		draft_unplace(d, f, result->name);
		return -1;
	}
	v = folder_current(f);
	result->uid = add.uid;
	result->uidvalidity = view_uidvalidity(v);
	return 0;
}

static int
draft_keywords(struct folder *f, const struct draft_options *options,
    uint64_t *letters, struct err *err)
{
	for (size_t i = 0; i < options->keyword_count; i++) {
		unsigned n;

		if (folder_keyword(f, options->keywords[i], &n, err) == -1)
			return -1;
		*letters |= MESSAGE_KEYWORD(n);
	}
	return 0;
}

static int
draft_commit_locked(struct draft *d, const struct draft_options *options,
    uint64_t letters, struct draft_result *result, struct err *err)
{
	struct folder *f;
	int done;

	if (folder_hold(d->account, span_str(d->mailbox), &f, err) == -1)
		return -1;
	done = folder_begin_change(f, false, NULL, err);
	if (done == 0) {
		uidfile_check(f);
		done = folder_sync(f, false, NULL, err);
	}
	if (done == 0)
		done = draft_keywords(f, options, &letters, err);
	if (done == 0)
		done = draft_register(d, f, letters, result, err);
	folder_end(f);
	folder_release(f);
	return done;
}

int
draft_commit(struct draft *d, const struct draft_options *options,
    struct draft_result *result_out, struct err *err)
{
	uint64_t letters = options->letters & MESSAGE_SYSTEM_FLAGS;
	struct draft_result result = {
		.size_virtual = d->octets + d->bare_lf,
	};
	int done;

	if (options->within_quota &&
	    account_room(d->account, d->octets, 1, err) == -1)
		return -1;
	if (draft_flush(d, options, err) == -1)
		return -1;
	if (options->want_uid || options->keyword_count > 0)
		done = draft_commit_locked(d, options, letters, &result, err);
	else
		done = draft_place_counted(d, letters, &result, err);
	if (done == -1)
		return -1;
	if (result_out != NULL)
		*result_out = result;
	return 0;
}
