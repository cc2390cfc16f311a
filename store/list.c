/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/list.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "store/inside.h"
#include "store/kept_private.h"
#include "store/name.h"
#include "store/subscriptions.h"

/* More than any person has; a list this long is somebody's mischief. */
#define LIST_MAX 100000
#define TRASHED "..DOVECOT-TRASHED"
/* cur, new, tmp, and what a foreign program may have put below. */
#define TREE_DEPTH_MAX 8

struct listing {
	struct mailbox_list *list;
	size_t room;
	int fd;
	struct err *err;
	bool failed;
};

void
mailbox_list_fini(struct mailbox_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->entries[i].name);
	free(l->entries);
	*l = (struct mailbox_list){ 0 };
}

static bool
listing_put(struct listing *l, struct span name, bool exists, bool subscribed)
{
	struct mailbox_list *list = l->list;
	char *copy;

	if (list->count == l->room && list->count < LIST_MAX) {
		size_t room = 2 * l->room + 16;
		void *grown =
		    realloc(list->entries, room * sizeof(*list->entries));

		if (grown != NULL) {
			list->entries = grown;
			l->room = room;
		}
	}
	copy = list->count < l->room ? strndup(name.p, name.len) : NULL;
	if (copy == NULL) {
		(void)err_set(l->err, ERR_LIMIT, "too many mailboxes");
		l->failed = true;
		return false;
	}
	list->entries[list->count++] = (struct mailbox_entry){
		.name = copy,
		.exists = exists,
		.subscribed = subscribed,
	};
	return true;
}

static bool
is_directory(int fd, const char *name, unsigned char type)
{
	return disk_entry_type(fd, name, type) == DT_DIR;
}

static bool
list_directory(void *arg, const char *name, unsigned char type)
{
	struct listing *l = arg;
	CLEANUP(buf_fini) struct buf utf8;

	buf_init(&utf8, 4 * MAILBOX_NAME_MAX);
	if (!is_directory(l->fd, name, type) ||
	    !name_of_directory(span_str(name), &utf8))
		return true;
	return listing_put(l, buf_span(&utf8), true, false);
}

static bool
list_subscribed(void *arg, struct span name)
{
	return listing_put(arg, name, false, true);
}

/* The levels above each name. */
static bool
list_parents(struct listing *l)
{
	size_t count = l->list->count;

	for (size_t i = 0; i < count; i++) {
		struct span name = span_str(l->list->entries[i].name);
		ptrdiff_t slash;

		if (!l->list->entries[i].exists)
			continue;
		while ((slash = span_rindex(name, '/')) > 0) {
			name = span_first(name, (size_t)slash);
			if (!listing_put(l, name, false, false))
				return false;
		}
	}
	return true;
}

static int
entry_cmp(const void *a, const void *b)
{
	const struct mailbox_entry *x = a, *y = b;
	bool x_inbox = strcmp(x->name, "INBOX") == 0;
	bool y_inbox = strcmp(y->name, "INBOX") == 0;

	if (x_inbox != y_inbox)
		return x_inbox ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* One entry a name. */
static void
list_unite(struct mailbox_list *list)
{
	size_t kept = 0;

	qsort(list->entries, list->count, sizeof(*list->entries), entry_cmp);
	for (size_t i = 0; i < list->count; i++) {
		struct mailbox_entry *e = &list->entries[i];
		struct mailbox_entry *last =
		    kept > 0 ? &list->entries[kept - 1] : NULL;

		if (last != NULL && strcmp(last->name, e->name) == 0) {
			last->exists |= e->exists;
			last->subscribed |= e->subscribed;
			free(e->name);
			continue;
		}
		list->entries[kept++] = *e;
	}
	list->count = kept;
}

static void
list_mark_children(struct mailbox_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		char name[4 * MAILBOX_NAME_MAX + 1], *slash;

		if (!list->entries[i].exists)
			continue;
		(void)snprintf(name, sizeof(name), "%s", list->entries[i].name);
		while ((slash = strrchr(name, '/')) != NULL) {
			struct mailbox_entry key = { .name = name }, *found;

			*slash = '\0';
			found = bsearch(&key, list->entries, list->count,
			    sizeof(*list->entries), entry_cmp);
			if (found != NULL)
				found->has_children = true;
		}
	}
}

int
mailbox_list(struct account *a, struct mailbox_list *list_out, struct err *err)
{
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { 0 };
	CLEANUP(fd_close) int fd = disk_open_directory(a->fd, ".", err);
	struct listing l = { .list = &list, .fd = fd, .err = err };

	if (fd == -1)
		return -1;
	if (!listing_put(&l, SPAN("INBOX"), true, false) ||
	    disk_list(fd, list_directory, &l, err) == -1 || l.failed ||
	    subscriptions_each(a, list_subscribed, &l, err) == -1 || l.failed ||
	    !list_parents(&l))
		return -1;
	list_unite(&list);
	list_mark_children(&list);
	*list_out = list;
	list = (struct mailbox_list){ 0 };
	return 0;
}

/* ---- create, delete, rename ---- */

bool
mailbox_exists(struct account *a, struct span name)
{
	CLEANUP(buf_fini) struct buf directory;
	CLEANUP(fd_close) int fd = -1;

	buf_init(&directory, 4 * NAME_DIRECTORY_MAX);
	if (name_to_directory(name, &directory, NULL) == -1)
		return false;
	fd = disk_open_directory(a->fd, buf_str(&directory), NULL);
	return fd != -1;
}

static int
flush_root(struct account *a, struct err *err)
{
	return fsync(a->fd) == -1 ? err_sys(err, "fsync the Maildir") : 0;
}

/*
 * The inside of a new folder, whose name is flushed.  tmp/ comes last and
 * without a flush: who finds it missing flushes all this himself, and who
 * finds it may acknowledge mail here.
 */
static int
fill_folder(struct account *a, const char *directory, struct err *err)
{
	CLEANUP(fd_close) int fd = disk_open_directory(a->fd, directory, err);
	CLEANUP(fd_close) int mark = -1;

	if (fd == -1)
		return -1;
	mark = file_open_beneath(
	    fd, "maildirfolder", O_WRONLY | O_CREAT, 0600, NULL);
	if (mark == -1)
		return disk_err(err, "create maildirfolder");
	if (disk_make_directory(fd, "new", NULL, err) == -1 ||
	    disk_make_directory(fd, "cur", NULL, err) == -1)
		return -1;
	if (fsync(fd) == -1)
		return err_sys(err, "fsync a mailbox");
	return disk_make_directory(fd, "tmp", NULL, err);
}

/* Only the name; INBOX has one. */
static int
name_folder(struct account *a, struct span name, struct buf *directory,
    bool *made_out, struct err *err)
{
	*made_out = false;
	buf_clear(directory);
	if (mailbox_name_is_inbox(name))
		return 0;
	if (name_to_directory(name, directory, err) == -1)
		return -1;
	return disk_make_directory(a->fd, buf_str(directory), made_out, err);
}

int
mailbox_create(struct account *a, struct span name, struct err *err)
{
	CLEANUP(buf_fini) struct buf directory;
	bool made;

	buf_init(&directory, 4 * NAME_DIRECTORY_MAX);
	if (name_folder(a, name, &directory, &made, err) == -1)
		return -1;
	if (!made)
		return err_set(err, ERR_POLICY, "the mailbox exists");
	if (flush_root(a, err) == -1)
		return -1;
	return fill_folder(a, buf_str(&directory), err);
}

int
mailbox_create_all(
    struct account *a, const struct span *names, size_t count, struct err *err)
{
	CLEANUP(mem_free) bool *made = calloc(count + 1, sizeof(*made));
	CLEANUP(buf_fini) struct buf directory;

	buf_init(&directory, 4 * NAME_DIRECTORY_MAX);
	if (made == NULL)
		return err_set(err, ERR_TEMP, "create: out of memory");
	for (size_t i = 0; i < count; i++)
		if (name_folder(a, names[i], &directory, &made[i], err) == -1)
			return -1;
	if (flush_root(a, err) == -1)
		return -1;
	for (size_t i = 0; i < count; i++) {
		bool again;

		if (!made[i])
			continue;
		if (name_folder(a, names[i], &directory, &again, err) == -1 ||
		    fill_folder(a, buf_str(&directory), err) == -1)
			return -1;
	}
	return 0;
}

static int
trash_folder(struct account *a, const char *directory, struct err *err)
{
	for (int tries = 0;; tries++) {
		if (renameat(a->fd, directory, a->fd, TRASHED) == 0)
			return 0;
		if (errno == ENOENT)
			return err_set(err, ERR_POLICY, "no such mailbox");
		/* Left by a crash, or being removed by somebody else. */
		if ((errno != ENOTEMPTY && errno != EEXIST) || tries == 3)
			return err_sys(err, "delete a mailbox");
		(void)disk_remove_tree(a->fd, TRASHED, TREE_DEPTH_MAX, NULL);
	}
}

/* Out of the total with it. */
static int
trash_counted(struct account *a, const char *directory, struct err *err)
{
	uint64_t octets = 0, messages = 0;
	struct quota_change change;
	int done;

	quota_begin(a, &change);
	done = trash_folder(a, directory, err);
	if (done == 0 &&
	    quota_count_folder(a, TRASHED, &octets, &messages, NULL) == -1) {
		octets = messages = 0;
		/* It is to be counted anew. */
		(void)unlinkat(a->fd, "maildirsize", 0);
	}
	quota_end(&change, -(int64_t)octets, -(int64_t)messages);
	if (done == 0)
		kept_take_folder(a, TRASHED, directory);
	return done;
}

int
mailbox_delete(struct account *a, struct span name, struct err *err)
{
	CLEANUP(buf_fini) struct buf directory;

	buf_init(&directory, 4 * NAME_DIRECTORY_MAX);
	if (name_to_directory(name, &directory, err) == -1)
		return -1;
	if (mailbox_name_is_inbox(name))
		return err_set(err, ERR_POLICY, "INBOX cannot be deleted");
	if (trash_counted(a, buf_str(&directory), err) == -1)
		return -1;
	account_forget_folder(a, buf_str(&directory), true);
	if (a->store->listener.deleted != NULL)
		a->store->listener.deleted(
		    a->store->listener.arg, a->text, buf_str(&directory));
	if (flush_root(a, err) == -1)
		return -1;
	/* What cannot be removed now is no mailbox any more, and the next
	 * delete tries again. */
	(void)disk_remove_tree(a->fd, TRASHED, TREE_DEPTH_MAX, NULL);
	return 0;
}

/* INBOX stays; its messages move. */
static int
rename_inbox(struct account *a, struct span to, struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	CLEANUP(mailbox_copied_fini) struct mailbox_copied copied = { 0 };
	CLEANUP(mem_free) uint32_t *uids = NULL;
	uint32_t count;

	if (mailbox_create(a, to, err) == -1 ||
	    mailbox_open(a, SPAN("INBOX"), MAILBOX_WRITE, &m, err) == -1)
		return -1;
	count = view_count(m->view);
	uids = calloc((size_t)count + 1, sizeof(*uids));
	if (uids == NULL)
		return err_set(err, ERR_TEMP, "rename: out of memory");
	for (uint32_t i = 0; i < count; i++)
		uids[i] = view_at(m->view, i)->uid;
	return mailbox_copy(m, uids, count, to, true, &copied, err);
}

struct renaming {
	struct account *a;
	struct span from, to; /* directories */
	bool any;
	struct buf names; /* of children, each with its NUL */
};

static bool
collect_child(void *arg, const char *name, unsigned char type)
{
	struct renaming *r = arg;
	struct span entry = span_str(name);

	(void)type;
	if (span_eq(entry, r->from) ||
	    (span_starts(entry, r->from) && entry.len > r->from.len &&
		entry.p[r->from.len] == '.'))
		buf_append(&r->names, span_of(name, entry.len + 1));
	return true;
}

static int
rename_one(struct renaming *r, const char *from, struct err *err)
{
	const struct store_listener *l = &r->a->store->listener;
	CLEANUP(buf_fini) struct buf to;

	buf_init(&to, NAME_DIRECTORY_MAX);
	buf_append(&to, r->to);
	buf_append(&to, span_from(span_str(from), r->from.len));
	if (buf_check(&to, err) == -1)
		return err_prefix(err, "mailbox name");
	if (disk_rename_new(r->a->fd, from, r->a->fd, buf_str(&to)) == -1)
		return errno == EEXIST
			   ? err_set(err, ERR_POLICY, "the mailbox exists")
			   : disk_err(err, "rename a mailbox");
	account_forget_folder(r->a, from, false);
	if (l->renamed != NULL)
		l->renamed(l->arg, r->a->text, from, buf_str(&to));
	return 0;
}

static int
rename_all(struct renaming *r, struct err *err)
{
	CLEANUP(fd_close) int fd = disk_open_directory(r->a->fd, ".", err);
	struct span names;

	if (fd == -1 || disk_list(fd, collect_child, r, err) == -1 ||
	    buf_check(&r->names, err) == -1)
		return -1;
	names = buf_span(&r->names);
	if (names.len == 0)
		return err_set(err, ERR_POLICY, "no such mailbox");
	while (names.len > 0) {
		struct span name;

		(void)span_take_until(&names, '\0', &name);
		if (rename_one(r, name.p, err) == -1)
			return -1;
	}
	return flush_root(r->a, err);
}

int
mailbox_rename(
    struct account *a, struct span from, struct span to, struct err *err)
{
	CLEANUP(buf_fini) struct buf old;
	CLEANUP(buf_fini) struct buf new;
	struct renaming r = { .a = a };
	int done;

	buf_init(&old, 4 * NAME_DIRECTORY_MAX);
	buf_init(&new, 4 * NAME_DIRECTORY_MAX);
	if (name_to_directory(from, &old, err) == -1 ||
	    name_to_directory(to, &new, err) == -1)
		return -1;
	if (mailbox_name_is_inbox(to) || mailbox_exists(a, to))
		return err_set(err, ERR_POLICY, "the mailbox exists");
	if (mailbox_name_is_inbox(from))
		return rename_inbox(a, to, err);
	r.from = buf_span(&old);
	r.to = buf_span(&new);
	if (span_starts(r.to, r.from) && r.to.len > r.from.len &&
	    r.to.p[r.from.len] == '.')
		return err_set(
		    err, ERR_POLICY, "a mailbox cannot move into itself");
	buf_init(&r.names, (size_t)LIST_MAX * (NAME_DIRECTORY_MAX + 1));
	done = rename_all(&r, err);
	buf_fini(&r.names);
	return done;
}
