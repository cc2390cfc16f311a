/* SPDX-License-Identifier: BSD-2-Clause */
/* A folder's life in this process: descriptors, turn, current view. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "store/filename.h"
#include "store/inside.h"
#include "store/modseq.h"

struct folder *
folder_new(struct account *a, const char *directory)
{
	struct folder *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->directory = strdup(directory);
	if (f->directory == NULL) {
		free(f);
		return NULL;
	}
	f->account = a;
	f->fd = f->new_fd = f->cur_fd = f->tmp_fd = -1;
	f->lock = DOTLOCK_INIT;
	f->watch_new = f->watch_cur = -1;
	buf_init(&f->uidlist.pending, (size_t)16 * 1024 * 1024);
	(void)pthread_mutex_init(&f->mutex, NULL);
	(void)pthread_mutex_init(&f->turn, NULL);
	return f;
}

void
folder_tell_removed(struct folder *f, const struct view *v,
    const struct view_edit *edits, size_t count)
{
	const struct store_listener *l = &f->account->store->listener;
	uint32_t uids[256];
	size_t found = 0;

	for (size_t i = 0; i < count && l->removed != NULL; i++) {
		if (edits[i].remove)
			uids[found++] = view_at(v, edits[i].index)->uid;
		if (found == sizeof(uids) / sizeof(uids[0])) {
			l->removed(l->arg, f->account->text, f->directory, uids,
			    found);
			found = 0;
		}
	}
	if (found > 0)
		l->removed(l->arg, f->account->text, f->directory, uids, found);
}

void
folder_free(struct folder *f)
{
	if (f == NULL)
		return;
	folder_close_files(f);
	view_unref(f->current);
	packed_unref(f->packed);
	buf_fini(&f->uidlist.pending);
	free(f->uidlist.other);
	free(f->directory);
	(void)pthread_mutex_destroy(&f->mutex);
	(void)pthread_mutex_destroy(&f->turn);
	free(f);
}

int
folder_make_part(
    struct account *a, int folder_fd, const char *name, struct err *err)
{
	if (disk_make_directory(folder_fd, name, NULL, err) == -1)
		return -1;
	if (fsync(folder_fd) == -1 || fsync(a->fd) == -1)
		return err_sys(err, "fsync a mailbox");
	return 0;
}

static int
folder_open_part(struct folder *f, const char *name, int *fd, struct err *err)
{
	if (*fd != -1)
		return 0;
	*fd = disk_open_directory(f->fd, name, err);
	if (*fd == -1 && errno == ENOENT &&
	    folder_make_part(f->account, f->fd, name, err) == 0)
		*fd = disk_open_directory(f->fd, name, err);
	return *fd == -1 ? -1 : 0;
}

int
folder_open_files(struct folder *f, struct err *err)
{
	struct err why = ERR_INIT;

	if (f->fd == -1)
		f->fd = disk_open_directory(f->account->fd, f->directory, &why);
	if (f->fd == -1 && why.os == ENOENT)
		return err_set(err, ERR_POLICY, "no such mailbox");
	if (f->fd == -1) {
		if (err != NULL)
			*err = why;
		return -1;
	}
	return folder_open_part(f, "new", &f->new_fd, err) == -1 ||
		       folder_open_part(f, "cur", &f->cur_fd, err) == -1 ||
		       folder_open_part(f, "tmp", &f->tmp_fd, err) == -1
		   ? -1
		   : 0;
}

void
folder_close_files(struct folder *f)
{
	int *const fds[] = { &f->fd, &f->new_fd, &f->cur_fd, &f->tmp_fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		fd_close(*fds[i]);
		*fds[i] = -1;
	}
}

struct view *
folder_current(struct folder *f)
{
	struct view *v;

	(void)pthread_mutex_lock(&f->mutex);
	v = view_ref(f->current);
	(void)pthread_mutex_unlock(&f->mutex);
	return v;
}

void
folder_publish(struct folder *f, struct view *v)
{
	struct view *old;

	(void)pthread_mutex_lock(&f->mutex);
	old = f->current;
	f->current = v;
	packed_unref(f->packed);
	f->packed = NULL;
	(void)pthread_mutex_unlock(&f->mutex);
	view_unref(old);
	if (f->saved_change != 0 && f->saved_change != view_change(v))
		modseq_forget(f);
}

int
folder_begin(struct folder *f, struct err *err)
{
	bool known;
	int opened;

	(void)pthread_mutex_lock(&f->turn);
	if (f->dead)
		return err_set(err, ERR_CLOSED, "the mailbox is gone");
	opened = folder_open_files(f, err);
	known = f->current != NULL || f->packed != NULL;
	if (opened == -1 && known && err != NULL && err->kind == ERR_POLICY) {
		f->dead = true;
		return err_set(err, ERR_CLOSED, "the mailbox was deleted");
	}
	return opened;
}

int
folder_begin_change(
    struct folder *f, bool move, struct mailbox *claimer, struct err *err)
{
	struct store *s = f->account->store;

	if (folder_begin(f, err) == -1 ||
	    dotlock_take(f->fd, "dovecot-uidlist", s->hostname, s->lock_wait_ms,
		&f->lock, err) == -1)
		return -1;
	return folder_sync(f, move, claimer, err);
}

void
folder_end(struct folder *f)
{
	dotlock_release(&f->lock);
	(void)pthread_mutex_unlock(&f->turn);
}

void
folder_saw_own_change(struct folder *f)
{
	struct stat st;

	/*
	 * Only cur/: mail is delivered into new/ without the lock, and what
	 * came in beside our own change there must still be found.
	 */
	if (fstat(f->cur_fd, &st) == 0)
		f->seen_cur.stamp = disk_stamp_of(&st);
}

struct search {
	struct span base;
	struct buf *path;
	struct span prefix;
	bool found;
};

static bool
search_entry(void *arg, const char *name, unsigned char type)
{
	struct search *s = arg;
	struct filename parsed;

	/* Something else may have the name of a message that is gone. */
	if (type != DT_REG && type != DT_UNKNOWN)
		return true;
	if (!filename_parse(span_str(name), &parsed) ||
	    !span_eq(parsed.base, s->base))
		return true;
	buf_append(s->path, s->prefix);
	buf_append_str(s->path, name);
	s->found = true;
	return false;
}

int
folder_find_file(struct folder *f, struct span base, struct buf *path_out,
    bool *found_out, struct err *err)
{
	static const char *const places[] = { "cur", "new", "cur" };
	struct search s = { .base = base, .path = path_out };

	/* cur/ twice: the file may move from new/ to cur/ between the two. */
	for (size_t i = 0; i < 3 && !s.found; i++) {
		CLEANUP(fd_close)
		int fd = disk_open_directory(f->fd, places[i], err);

		s.prefix = places[i][0] == 'n' ? SPAN("new/") : SPAN("cur/");
		if (fd == -1 || disk_list(fd, search_entry, &s, err) == -1)
			return -1;
	}
	*found_out = s.found;
	return 0;
}
