/* SPDX-License-Identifier: BSD-2-Clause */
/* From the store into a directory: backup.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "store/backup_private.h"
#include "store/filename.h"
#include "store/list.h"
#include "store/message.h"
#include "store/name.h"
#include "store/subscriptions.h"
#include "store/uidlist.h"

#define LIST_MAX ((size_t)512 * 1024 * 1024)
#define TREE_DEPTH_MAX 8

/* A file that the backup has. */
struct had {
	size_t at; /* of "new/..." or "cur/...", in text */
	const char *path;
	struct span base;
	bool wanted;
};

struct writing {
	struct account *account;
	const struct backup_options *options;
	const struct backup_side *side;
	struct backup_result *result;
	int dir_fd;
	struct err *err;
	bool failed;

	/* The folder at work. */
	int fd;
	struct had *had;
	size_t count, room;
	struct buf text;
	const char *part; /* being listed */
};

int
backup_copy(int from, int to, uint64_t *octets_out, uint64_t *bare_lf_out,
    struct err *err)
{
	char octets[65536], last = '\0';
	uint64_t size = 0, bare = 0;
	ssize_t len;

	while ((len = read(from, octets, sizeof(octets))) > 0) {
		struct span s = span_of(octets, (size_t)len);

		if (file_write_fd(to, s, NULL) == -1)
			return disk_err(err, "write a message");
		bare += bare_line_feeds(s);
		if (last == '\r' && octets[0] == '\n')
			bare--;
		last = octets[len - 1];
		size += s.len;
	}
	if (len == -1)
		return err_sys(err, "read a message");
	*octets_out = size;
	if (bare_lf_out != NULL)
		*bare_lf_out = bare;
	return 0;
}

/*
 * Replaces a small file if it says something else.  Its flush comes with that
 * of the whole.
 */
static int
put_file(int fd, const char *name, struct span content, struct err *err)
{
	CLEANUP(buf_fini) struct buf old;
	CLEANUP(fd_close) int file = -1;
	char draft[64];
	struct stat st;
	bool absent;

	buf_init(&old, LIST_MAX);
	if (disk_read(fd, name, &old, &absent, &st, err) == -1)
		return -1;
	if (!absent && span_eq(buf_span(&old), content))
		return 0;
	(void)snprintf(draft, sizeof(draft), "%s.tmp", name);
	file = file_open_beneath(
	    fd, draft, O_WRONLY | O_CREAT | O_TRUNC, 0600, NULL);
	if (file == -1 || file_write_fd(file, content, NULL) == -1 ||
	    renameat(fd, draft, fd, name) == -1)
		return disk_err(err, "write %s", name);
	return 0;
}

/* ---- what is there ---- */

static int
make_folder(struct writing *w, const char *directory, struct err *err)
{
	static const char *const parts[] = { "tmp", "new", "cur" };

	if (strcmp(directory, ".") != 0 &&
	    disk_make_directory(w->dir_fd, directory, NULL, err) == -1)
		return -1;
	w->fd = disk_open_directory(w->dir_fd, directory, err);
	if (w->fd == -1)
		return -1;
	for (size_t i = 0; i < 3; i++)
		if (disk_make_directory(w->fd, parts[i], NULL, err) == -1)
			return -1;
	if (strcmp(directory, ".") == 0)
		return 0;
	return put_file(w->fd, "maildirfolder", SPAN_NONE, err);
}

static bool
had_entry(void *arg, const char *name, unsigned char type)
{
	struct writing *w = arg;

	if (name[0] == '.' || type == DT_DIR)
		return true;
	if (w->count == w->room) {
		size_t room = 2 * w->room + 64;
		void *grown = realloc(w->had, room * sizeof(*w->had));

		if (grown == NULL) {
			(void)err_set(
			    w->err, ERR_TEMP, "backup: out of memory");
			w->failed = true;
			return false;
		}
		w->had = grown;
		w->room = room;
	}
	w->had[w->count++] = (struct had){ .at = w->text.len };
	buf_append_fmt(&w->text, "%s/%s", w->part, name);
	buf_append_octet(&w->text, '\0');
	return true;
}

/* A write that was cut short. */
static bool
clear_entry(void *arg, const char *name, unsigned char type)
{
	(void)type;
	(void)unlinkat(*(const int *)arg, name, 0);
	return true;
}

static int
had_order(const void *a, const void *b)
{
	return span_order(
	    &((const struct had *)a)->base, &((const struct had *)b)->base);
}

static int
list_part(struct writing *w, const char *part, struct err *err)
{
	CLEANUP(fd_close) int fd = disk_open_directory(w->fd, part, err);

	w->part = part;
	if (fd == -1)
		return -1;
	if (part[0] == 't')
		return disk_list(fd, clear_entry, &fd, err);
	return disk_list(fd, had_entry, w, err) == -1 || w->failed ? -1 : 0;
}

static int
list_had(struct writing *w, struct err *err)
{
	w->count = 0;
	buf_clear(&w->text);
	w->err = err;
	if (list_part(w, "tmp", err) == -1 || list_part(w, "new", err) == -1 ||
	    list_part(w, "cur", err) == -1 || buf_check(&w->text, err) == -1)
		return -1;
	for (size_t i = 0; i < w->count; i++) {
		struct filename parsed = { .base = SPAN_NONE };

		w->had[i].path = buf_str(&w->text) + w->had[i].at;
		(void)filename_parse(span_str(w->had[i].path + 4), &parsed);
		w->had[i].base = parsed.base;
	}
	if (w->count > 0)
		qsort(w->had, w->count, sizeof(*w->had), had_order);
	return 0;
}

/* ---- messages ---- */

static int
store_copy(struct writing *w, int from, const char *path, struct span base,
    struct err *err)
{
	char tmp[FILENAME_MAX_OCTETS + 8];
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	CLEANUP(fd_close) int to = -1;
	struct stat st;
	uint64_t octets;

	if (fstat(from, &st) == -1)
		return err_sys(err, "stat a message");
	times[1] = st.st_mtim;
	(void)snprintf(tmp, sizeof(tmp), "tmp/%.*s", SPAN_FMT(base));
	to = file_open_beneath(
	    w->fd, tmp, O_WRONLY | O_CREAT | O_EXCL, 0600, NULL);
	if (to == -1)
		return disk_err(err, "create %s", tmp);
	if (backup_copy(from, to, &octets, NULL, err) == -1)
		return -1;
	if (futimens(to, times) == -1 ||
	    renameat(w->fd, tmp, w->fd, path) == -1)
		return disk_err(err, "write %s", path);
	w->result->copied++;
	w->result->octets += octets;
	w->side->step(w->side->arg, octets);
	return 0;
}

static int
copy_message(struct writing *w, struct mailbox *m, uint32_t uid,
    const char *path, struct span base, struct err *err)
{
	struct message_found found = { .view = NULL };
	struct err why = ERR_INIT;
	CLEANUP(fd_close) int fd = -1;

	w->side->inside(w->side->arg);
	fd = message_open(m, uid, &found, &why);
	view_unref(found.view);
	w->side->outside(w->side->arg);
	if (fd != -1)
		return store_copy(w, fd, path, base, err);
	/* It was deleted meanwhile. */
	w->side->step(w->side->arg, 0);
	if (why.kind == ERR_POLICY)
		return 0;
	*err = why;
	return -1;
}

static int
write_message(
    struct writing *w, struct mailbox *m, uint32_t index, struct err *err)
{
	const struct view *v = mailbox_view(m);
	struct had key = { .base = view_base_name(v, index) }, *had;
	CLEANUP(buf_fini) struct buf path;

	buf_init(&path, FILENAME_MAX_OCTETS + 8);
	view_file_path(v, index, &path);
	if (buf_check(&path, err) == -1)
		return -1;
	had = w->count == 0
		  ? NULL
		  : bsearch(&key, w->had, w->count, sizeof(*w->had), had_order);
	w->result->messages++;
	if (had == NULL)
		return copy_message(w, m, view_at(v, index)->uid,
		    buf_str(&path), key.base, err);
	had->wanted = true;
	w->side->step(w->side->arg, 0);
	if (strcmp(had->path, buf_str(&path)) == 0)
		return 0;
	if (renameat(w->fd, had->path, w->fd, buf_str(&path)) == -1)
		return err_sys(err, "rename %s", had->path);
	w->result->renamed++;
	return 0;
}

static int
remove_gone(struct writing *w, struct err *err)
{
	for (size_t i = 0; i < w->count && !w->options->keep; i++) {
		if (w->had[i].wanted)
			continue;
		if (unlinkat(w->fd, w->had[i].path, 0) == -1)
			return err_sys(err, "remove %s", w->had[i].path);
		w->result->removed++;
	}
	return 0;
}

static int
write_lists(struct writing *w, const struct view *v, struct err *err)
{
	struct uidlist_header h = { .version = 3,
		.uidvalidity = view_uidvalidity(v),
		.uidnext = view_uidnext(v) };
	CLEANUP(buf_fini) struct buf list;
	CLEANUP(buf_fini) struct buf keywords;

	buf_init(&list, LIST_MAX);
	buf_init(&keywords, (size_t)256 * 1024);
	memcpy(h.mailbox_id, view_mailbox_id(v), sizeof(h.mailbox_id));
	uidlist_header_format(&h, &list);
	for (uint32_t i = 0; i < view_count(v); i++)
		uidlist_line_format(view_at(v, i)->uid, view_fields(v, i),
		    view_base_name(v, i), &list);
	keywords_format(view_facts(v).keywords, &keywords);
	if (buf_check(&list, err) == -1 || buf_check(&keywords, err) == -1 ||
	    put_file(w->fd, "dovecot-keywords", buf_span(&keywords), err) == -1)
		return -1;
	return put_file(w->fd, "dovecot-uidlist", buf_span(&list), err);
}

static int
write_open_mailbox(struct writing *w, struct mailbox *m, const char *directory,
    struct err *err)
{
	const struct view *v = mailbox_view(m);

	if (make_folder(w, directory, err) == -1 || list_had(w, err) == -1)
		return -1;
	for (uint32_t i = 0; i < view_count(v); i++)
		if (write_message(w, m, i, err) == -1)
			return -1;
	if (remove_gone(w, err) == -1)
		return -1;
	w->result->mailboxes++;
	return write_lists(w, v, err);
}

static int
write_mailbox(struct writing *w, struct span name, struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	CLEANUP(buf_fini) struct buf directory;
	struct err why = ERR_INIT;
	int done;

	buf_init(&directory, 4 * NAME_DIRECTORY_MAX);
	if (name_to_directory(name, &directory, err) == -1)
		return -1;
	if (mailbox_open(w->account, name, MAILBOX_READ, &m, &why) == -1) {
		/* Deleted a moment ago. */
		if (why.kind == ERR_POLICY && w->options->mailbox.len == 0)
			return 0;
		*err = why;
		return -1;
	}
	w->fd = -1;
	w->side->outside(w->side->arg);
	done = write_open_mailbox(w, m, buf_str(&directory), err);
	fd_close(w->fd);
	w->side->inside(w->side->arg);
	return done;
}

/* ---- the account ---- */

static bool
chosen(const struct backup_options *o, struct span name)
{
	return o->mailbox.len == 0 || span_eq(o->mailbox, name) ||
	       (mailbox_name_is_inbox(o->mailbox) &&
		   mailbox_name_is_inbox(name));
}

struct stale {
	struct writing *w;
	const struct mailbox_list *list;
};

static bool
stale_folder(void *arg, const char *directory, struct span name)
{
	struct stale *s = arg;

	if (strcmp(directory, ".") == 0)
		return true;
	for (size_t i = 0; i < s->list->count; i++)
		if (s->list->entries[i].exists &&
		    span_eq(span_str(s->list->entries[i].name), name))
			return true;
	s->w->failed = disk_remove_tree(s->w->dir_fd, directory, TREE_DEPTH_MAX,
			   s->w->err) == -1;
	return !s->w->failed;
}

/* The mailboxes that are gone, and what belongs to none. */
static int
write_rest(struct writing *w, const struct mailbox_list *list, struct err *err)
{
	struct stale stale = { w, list };
	CLEANUP(buf_fini) struct buf text;
	struct stat st;
	bool absent;
	int done = 0;

	buf_init(&text, SUBSCRIPTIONS_OCTETS_MAX);
	if (disk_read(w->account->fd, "subscriptions", &text, &absent, &st,
		err) == -1)
		return -1;
	w->side->outside(w->side->arg);
	w->err = err;
	w->failed = false;
	if (!w->options->keep)
		done = backup_each_folder(w->dir_fd, stale_folder, &stale, err);
	if (done == 0 && !w->failed && !absent)
		done =
		    put_file(w->dir_fd, "subscriptions", buf_span(&text), err);
	w->side->inside(w->side->arg);
	return w->failed ? -1 : done;
}

int
backup_write(struct account *a, int dir_fd, const struct backup_options *o,
    const struct backup_side *side, struct backup_result *result_out,
    struct err *err)
{
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { 0 };
	struct writing w = { .account = a,
		.options = o,
		.side = side,
		.result = result_out,
		.dir_fd = dir_fd };
	int done = mailbox_list(a, &list, err);

	*result_out = (struct backup_result){ 0 };
	buf_init(&w.text, LIST_MAX);
	for (size_t i = 0; done == 0 && i < list.count; i++)
		if (list.entries[i].exists &&
		    chosen(o, span_str(list.entries[i].name)))
			done = write_mailbox(
			    &w, span_str(list.entries[i].name), err);
	if (done == 0 && o->mailbox.len > 0 && result_out->mailboxes == 0)
		done = err_set(err, ERR_POLICY, "no such mailbox");
	if (done == 0 && o->mailbox.len == 0)
		done = write_rest(&w, &list, err);
	free(w.had);
	buf_fini(&w.text);
	/* One flush for all: until then, and until its owner has marked it as
	 * done, the backup counts as one that was cut short. */
	if (done == 0 && syncfs(dir_fd) == -1)
		done = disk_err(err, "flush the backup");
	return done;
}

int
backup_count(struct account *a, const struct backup_options *o,
    uint64_t *messages_out, struct err *err)
{
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { 0 };

	*messages_out = 0;
	if (mailbox_list(a, &list, err) == -1)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		struct span name = span_str(list.entries[i].name);
		struct mailbox_status status;

		if (list.entries[i].exists && chosen(o, name) &&
		    mailbox_status(a, name, &status, NULL) == 0)
			*messages_out += status.messages;
	}
	return 0;
}
