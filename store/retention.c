/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/retention.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/filename.h"
#include "store/inside.h"
#include "store/kept.h"
#include "store/list.h"
#include "store/name.h"

/* Messages under one lock. */
#define RUN 128

/* One mailbox's. */
struct rule {
	const char *mailbox;
	bool by_arrival; /* not by the file's change */
	time_t before;   /* older ones go */
};

struct purge {
	struct account *account;
	bool (*pace)(void *arg);
	void *arg;
	bool stopped;
	struct retention_result *result;
	struct err first; /* that went wrong */
};

static void
note(struct purge *p, const struct err *why)
{
	if (p->first.kind == ERR_NONE)
		p->first = *why;
}

static bool
pace(struct purge *p, size_t count)
{
	for (size_t i = 0; i < count && !p->stopped; i++)
		p->stopped = p->pace != NULL && !p->pace(p->arg);
	return !p->stopped;
}

/* ---- whether it is due ---- */

/* The seconds with which a base name begins; 0: it begins otherwise. */
static time_t
base_seconds(struct span base)
{
	uint64_t seconds;

	return span_take_u64(&base, &seconds) && seconds < UINT32_MAX &&
		       base.len > 0 && base.p[0] == '.'
		   ? (time_t)seconds
		   : 0;
}

static bool
is_due(const void *arg, const struct stat *st, struct span base)
{
	const struct rule *rule = arg;
	time_t since = st->st_ctime;

	if (rule->by_arrival) {
		since = base_seconds(base);
		if (since < st->st_mtime)
			since = st->st_mtime;
	}
	return since < rule->before;
}

struct look {
	const struct rule *rule;
	int fd;
	bool found;
};

static bool
look_at(void *arg, const char *name, unsigned char type)
{
	struct look *l = arg;
	struct filename parsed;
	struct stat st;

	if (type == DT_DIR || !filename_parse(span_str(name), &parsed) ||
	    (l->rule->by_arrival &&
		base_seconds(parsed.base) >= l->rule->before))
		return true;
	l->found = fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		   S_ISREG(st.st_mode) && is_due(l->rule, &st, parsed.base);
	return !l->found;
}

/* Without a lock: a file may be passed over until the next time. */
static int
anything_due(struct account *a, const char *directory, const struct rule *rule,
    bool *found_out, struct err *err)
{
	static const char *const parts[] = { "new", "cur" };
	struct look l = { .rule = rule };

	for (size_t i = 0; i < 2 && !l.found; i++) {
		char path[4 * NAME_DIRECTORY_MAX + 8];
		struct err why = ERR_INIT;
		CLEANUP(fd_close) int fd = -1;

		(void)snprintf(
		    path, sizeof(path), "%s/%s", directory, parts[i]);
		fd = disk_open_directory(a->fd, path, &why);
		if (fd == -1 && why.os == ENOENT)
			continue;
		if (fd == -1) {
			*err = why;
			return -1;
		}
		l.fd = fd;
		if (disk_list(fd, look_at, &l, err) == -1)
			return -1;
	}
	*found_out = l.found;
	return 0;
}

/* ---- its end ---- */

/* The UIDs of what is due; the caller frees. */
static int
find_due(struct folder *f, const struct view *v, const struct rule *rule,
    uint32_t **uids_out, size_t *count_out, struct err *err)
{
	uint32_t *uids = calloc((size_t)view_count(v) + 1, sizeof(*uids));
	CLEANUP(buf_fini) struct buf path;

	buf_init(&path, FILENAME_MAX_OCTETS + 8);
	*count_out = 0;
	if (uids == NULL)
		return err_set(err, ERR_TEMP, "purge: out of memory");
	for (uint32_t i = 0; i < view_count(v); i++) {
		struct stat st;

		buf_clear(&path);
		view_file_path(v, i, &path);
		if (fstatat(f->fd, buf_str(&path), &st, AT_SYMLINK_NOFOLLOW) ==
			0 &&
		    is_due(rule, &st, view_base_name(v, i)))
			uids[(*count_out)++] = view_at(v, i)->uid;
	}
	*uids_out = uids;
	return 0;
}

static int
purge_run(struct purge *p, struct folder *f, const struct rule *rule,
    const uint32_t *uids, size_t count, struct err *err)
{
	struct expunging how = { .kept_fd = -1, .due = is_due, .arg = rule };
	struct removed removed = { 0 };
	int done = folder_begin_change(f, false, NULL, err);

	if (done == 0)
		done = folder_expunge(f, uids, count, &how, &removed, err);
	folder_end(f);
	p->result->messages += (uint64_t)removed.messages;
	p->result->octets += (uint64_t)removed.octets;
	(void)pace(p, (size_t)removed.messages);
	return done;
}

static int
purge_folder(
    struct purge *p, struct folder *f, const struct rule *rule, struct err *err)
{
	CLEANUP(view_unref) struct view *v = NULL;
	CLEANUP(mem_free) uint32_t *uids = NULL;
	size_t count = 0;
	int done = folder_begin_change(f, false, NULL, err);

	if (done == 0)
		v = folder_current(f);
	if (done == 0)
		done = find_due(f, v, rule, &uids, &count, err);
	folder_end(f);
	for (size_t at = 0; done == 0 && at < count && !p->stopped; at += RUN)
		done = purge_run(p, f, rule, uids + at,
		    count - at < RUN ? count - at : RUN, err);
	return done;
}

static int
purge_mailbox(struct purge *p, const struct rule *rule, struct err *err)
{
	CLEANUP(buf_fini) struct buf directory;
	struct folder *f;
	bool found = false;
	int done;

	buf_init(&directory, 4 * NAME_DIRECTORY_MAX);
	if (name_to_directory(span_str(rule->mailbox), &directory, err) == -1 ||
	    anything_due(p->account, buf_str(&directory), rule, &found, err) ==
		-1)
		return -1;
	if (!found)
		return 0;
	if (folder_hold(p->account, span_str(rule->mailbox), &f, err) == -1)
		return -1;
	done = purge_folder(p, f, rule, err);
	folder_release(f);
	return done;
}

static void
purge_rule(struct purge *p, const char *mailbox, unsigned days, bool by_arrival,
    time_t now)
{
	struct rule rule = { mailbox, by_arrival, now - (time_t)days * 86400 };
	struct err why = ERR_INIT;

	if (days == 0 || p->stopped)
		return;
	if (purge_mailbox(p, &rule, &why) == -1 && why.kind != ERR_CLOSED) {
		(void)err_prefix(
		    &why, "%s %s", account_text(p->account), mailbox);
		note(p, &why);
	}
}

/* ---- tmp/ ---- */

struct tidying {
	struct account *account;
	uint64_t count;
	time_t now;
};

static void
tidy_folder(struct tidying *t, const char *directory)
{
	char path[FILENAME_MAX_OCTETS + 8];
	CLEANUP(fd_close) int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/tmp", directory);
	fd = disk_open_directory(t->account->fd, path, NULL);
	if (fd != -1)
		t->count += leftovers_remove_in(fd, t->now);
}

static bool
tidy_entry(void *arg, const char *name, unsigned char type)
{
	if (name[0] == '.' && name[1] != '.' &&
	    (type == DT_DIR || type == DT_UNKNOWN))
		tidy_folder(arg, name);
	return true;
}

static int
tidy(struct purge *p, time_t now, struct err *err)
{
	CLEANUP(fd_close)
	int fd = disk_open_directory(p->account->fd, ".", err);
	struct tidying t = { .account = p->account, .now = now };
	int done;

	if (fd == -1)
		return -1;
	tidy_folder(&t, ".");
	done = disk_list(fd, tidy_entry, &t, err);
	p->result->leftovers = t.count;
	return done;
}

int
account_purge(struct account *a, const struct retention *r, time_t now,
    bool (*pace_it)(void *arg), void *arg, struct retention_result *result_out,
    struct err *err)
{
	struct purge p = {
		.account = a, .pace = pace_it, .arg = arg, .result = result_out
	};
	struct err why = ERR_INIT;

	*result_out = (struct retention_result){ 0 };
	purge_rule(&p, "Quarantine", r->quarantine, false, now);
	purge_rule(&p, "Junk", r->junk, false, now);
	purge_rule(&p, "Trash", r->trash, false, now);
	purge_rule(&p, "INBOX", r->inbox, true, now);
	if (!p.stopped && kept_purge(a, r->undelete, now, pace_it, arg,
			      &result_out->deleted, &why) == -1)
		note(&p, &why);
	if (!p.stopped && tidy(&p, now, &why) == -1)
		note(&p, &why);
	if (p.first.kind == ERR_NONE)
		return 0;
	if (err != NULL)
		*err = p.first;
	return -1;
}
