/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * News by inotify: one instance a process, two watches a folder that somebody
 * waits on.  The watch goes by path, not through a descriptor; a link planted
 * there could at most cause or hide a wake-up.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "store/inside.h"

#define EVENTS_NEW (IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)
#define EVENTS_CUR                                                             \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF)

int
watch_init(struct watches *w)
{
	(void)pthread_mutex_init(&w->mutex, NULL);
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return w->fd == -1 ? -1 : 0;
}

void
watch_fini(struct watches *w)
{
	fd_close(w->fd);
	free(w->entries);
	(void)pthread_mutex_destroy(&w->mutex);
}

/* Where wd is or would be. */
static size_t
watch_place(const struct watches *w, int wd)
{
	size_t low = 0, high = w->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->entries[middle].wd < wd)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
watch_put(struct watches *w, int wd, struct folder *f)
{
	size_t at = watch_place(w, wd);

	if (at < w->count && w->entries[at].wd == wd) {
		w->entries[at].folder = f;
		return true;
	}
	if (w->count == w->room) {
		size_t room = 2 * w->room + 16;
		void *grown = realloc(w->entries, room * sizeof(*w->entries));

		if (grown == NULL)
			return false;
		w->entries = grown;
		w->room = room;
	}
	memmove(&w->entries[at + 1], &w->entries[at],
	    (w->count - at) * sizeof(*w->entries));
	w->entries[at] = (struct watch_entry){ wd, f };
	w->count++;
	return true;
}

static void
watch_drop(struct watches *w, int *wd, bool remove)
{
	size_t at = watch_place(w, *wd);

	if (*wd == -1)
		return;
	if (at < w->count && w->entries[at].wd == *wd) {
		memmove(&w->entries[at], &w->entries[at + 1],
		    (w->count - at - 1) * sizeof(*w->entries));
		w->count--;
	}
	if (remove)
		(void)inotify_rm_watch(w->fd, *wd);
	*wd = -1;
}

static int
watch_add(struct folder *f, const char *part, uint32_t events, int *wd_out)
{
	struct store *s = f->account->store;
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s/%s/%s", s->path,
	    f->account->path, f->directory, part);

	if (*wd_out != -1)
		return 0;
	if (len < 0 || (size_t)len >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	*wd_out = inotify_add_watch(
	    s->watch.fd, path, events | IN_ONLYDIR | IN_DONT_FOLLOW);
	if (*wd_out == -1)
		return -1;
	if (!watch_put(&s->watch, *wd_out, f)) {
		(void)inotify_rm_watch(s->watch.fd, *wd_out);
		*wd_out = -1;
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

void
watch_remove_folder(struct folder *f)
{
	struct watches *w = &f->account->store->watch;

	watch_drop(w, &f->watch_new, true);
	watch_drop(w, &f->watch_cur, true);
}

/* With the mutex. */
static void
watch_unlink(struct mailbox *m)
{
	struct mailbox **at = &m->folder->watchers;

	while (*at != NULL && *at != m)
		at = &(*at)->next_watcher;
	if (*at == m)
		*at = m->next_watcher;
	m->next_watcher = NULL;
	m->changed = NULL;
}

void
watch_remove_mailbox(struct mailbox *m)
{
	struct watches *w = &m->folder->account->store->watch;

	(void)pthread_mutex_lock(&w->mutex);
	if (m->changed != NULL) {
		watch_unlink(m);
		if (m->folder->watchers == NULL)
			watch_remove_folder(m->folder);
	}
	(void)pthread_mutex_unlock(&w->mutex);
}

int
mailbox_watch(
    struct mailbox *m, void (*changed)(void *arg), void *arg, struct err *err)
{
	struct folder *f = m->folder;
	struct watches *w = &f->account->store->watch;
	int done = 0;

	watch_remove_mailbox(m);
	if (changed == NULL)
		return 0;
	if (w->fd == -1)
		return err_set(err, ERR_TEMP, "inotify is not there");
	(void)pthread_mutex_lock(&w->mutex);
	if (watch_add(f, "new", EVENTS_NEW, &f->watch_new) == -1 ||
	    watch_add(f, "cur", EVENTS_CUR, &f->watch_cur) == -1) {
		done = err_sys(err, "watch a mailbox");
		if (f->watchers == NULL)
			watch_remove_folder(f);
	} else {
		m->changed = changed;
		m->changed_arg = arg;
		m->next_watcher = f->watchers;
		f->watchers = m;
	}
	(void)pthread_mutex_unlock(&w->mutex);
	return done;
}

int
store_watch_fd(const struct store *s)
{
	return s->watch.fd;
}

/* With the mutex. */
static void
tell_folder(struct folder *f)
{
	for (struct mailbox *m = f->watchers; m != NULL; m = m->next_watcher)
		m->changed(m->changed_arg);
}

void
watch_tell(struct folder *f)
{
	struct watches *w = &f->account->store->watch;

	(void)pthread_mutex_lock(&w->mutex);
	tell_folder(f);
	(void)pthread_mutex_unlock(&w->mutex);
}

static void
watch_event(struct watches *w, const struct inotify_event *event)
{
	size_t at = watch_place(w, event->wd);
	struct folder *f;

	if ((event->mask & IN_Q_OVERFLOW) != 0) {
		for (size_t i = 0; i < w->count; i++)
			tell_folder(w->entries[i].folder);
		return;
	}
	if (at == w->count || w->entries[at].wd != event->wd)
		return;
	f = w->entries[at].folder;
	if ((event->mask & IN_IGNORED) != 0)
		watch_drop(w,
		    event->wd == f->watch_new ? &f->watch_new : &f->watch_cur,
		    false);
	tell_folder(f);
}

void
store_watch_ready(struct store *s)
{
	_Alignas(struct inotify_event) char events[16 * 1024];
	struct watches *w = &s->watch;
	ssize_t len;

	(void)pthread_mutex_lock(&w->mutex);
	while ((len = read(w->fd, events, sizeof(events))) > 0) {
		for (ssize_t at = 0; at < len;) {
			const struct inotify_event *event =
			    (const void *)(events + at);

			watch_event(w, event);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	(void)pthread_mutex_unlock(&w->mutex);
}
