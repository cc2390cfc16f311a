/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/backlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "common/log.h"
#include "common/reactor.h"
#include "delivery/backlog_private.h"

#define SEGMENT_OCTETS ((uint64_t)4 * 1024 * 1024)
#define SEGMENTS_MIN 3
/* A client waits no longer than this for room in the journal. */
#define ROOM_WAIT_MS 10000

/* With no more records waiting, the answer waits until the mail can be read,
 * so that who delivers a message and then looks for it finds it. */
#define QUIET_COUNT 8
#define QUIET_WAIT_MS 3000

/* What has been shown is flushed with the next batch, or after this. */
#define SETTLE_NAP_MS 200
#define IDLE_NAP_MS 1000
#define STOP_WAIT_MS 5000

/* Mail that is promised must find room; it is looked at every so often. */
#define ROOM_CHECK_MS 100
#define ROOM_SPARE ((uint64_t)16 * 1024 * 1024)

/* ---- one waiting record ---- */

struct waiting *
waiting_new(uint32_t count)
{
	struct waiting *w = calloc(1, sizeof(*w) + count);

	if (w == NULL)
		return NULL;
	w->refs = 1;
	w->count = w->left = count;
	return w;
}

void
waiting_ref(struct waiting *w)
{
	w->refs++;
}

void
waiting_unref(struct waiting *w)
{
	if (--w->refs == 0)
		free(w);
}

void
waiting_list_init(struct waiting_list *l)
{
	*l = (struct waiting_list){ .last = &l->first };
}

void
waiting_list_put(struct waiting_list *l, struct waiting *w)
{
	w->next = NULL;
	*l->last = w;
	l->last = &w->next;
	l->count++;
}

struct waiting *
waiting_list_take(struct waiting_list *l)
{
	struct waiting *w = l->first;

	if (w == NULL)
		return NULL;
	l->first = w->next;
	if (l->first == NULL)
		l->last = &l->first;
	l->count--;
	return w;
}

/* For hikyaku status and the metrics. */
static void
tell(struct backlog *b)
{
	counter_set(b->counters, COUNTER_BACKLOG_MESSAGES, b->not_shown);
	counter_set(b->counters, COUNTER_BACKLOG_OCTETS, b->not_shown_octets);
	counter_set(b->counters, COUNTER_BACKLOG_OLDEST_MS,
	    b->oldest == NULL ? 0 : b->oldest->ref.time_ms);
}

/* At the end of those that are not shown. */
static void
append(struct backlog *b, struct waiting *w)
{
	w->older = b->newest;
	w->newer = NULL;
	if (b->newest == NULL)
		b->oldest = w;
	else
		b->newest->newer = w;
	b->newest = w;
	b->not_shown++;
	b->not_shown_octets += w->ref.octets;
}

void
backlog_enter(struct backlog *b, struct waiting *w)
{
	append(b, w);
	waiting_list_put(&b->todo, w);
	tell(b);
}

void
backlog_leave(struct backlog *b, struct waiting *w)
{
	if (w->older == NULL)
		b->oldest = w->newer;
	else
		w->older->newer = w->newer;
	if (w->newer == NULL)
		b->newest = w->older;
	else
		w->newer->older = w->older;
	b->not_shown--;
	b->not_shown_octets -= w->ref.octets;
	if (w->stuck_at != NULL) {
		*w->stuck_at = w->stuck_next;
		if (w->stuck_next != NULL)
			w->stuck_next->stuck_at = w->stuck_at;
		w->stuck_at = NULL;
	}
	w->shown = true;
	tell(b);
}

void
backlog_replace(struct backlog *b, struct waiting *old, struct waiting *fresh)
{
	backlog_leave(b, old);
	append(b, fresh);
	tell(b);
	/* What was shown of it and is not flushed settles it later. */
	old->left = 0;
	if (old->unflushed == 0)
		journal_settle(b->journal, &old->ref);
	waiting_unref(old);
}

/* ---- the placers' threads ---- */

/*
 * With the mutex: those whose time has come again, and those that hold the
 * oldest segment while room gets short: a try that fails has them written anew.
 */
static void
retry_due(struct backlog *b)
{
	struct waiting_list rest;
	uint64_t now = clock_ms(), oldest;
	struct waiting *w;

	if (b->later.first == NULL)
		return;
	oldest = backlog_pressing(b);
	waiting_list_init(&rest);
	while ((w = waiting_list_take(&b->later)) != NULL)
		waiting_list_put(
		    w->retry_ms <= now || w->ref.generation == oldest ? &b->todo
								      : &rest,
		    w);
	waiting_list_init(&b->later);
	b->later_octets = 0;
	while ((w = waiting_list_take(&rest)) != NULL)
		backlog_put_off(b, w);
}

uint64_t
backlog_pressing(struct backlog *b)
{
	struct journal_stats stats;

	journal_stats(b->journal, &stats);
	/* When most of it cannot be placed, writing it anew helps nobody. */
	return stats.in_use > stats.segments_max / 2 &&
		       b->later_octets < stats.segments_max * SEGMENT_OCTETS / 8
		   ? stats.oldest
		   : 0;
}

void
backlog_put_off(struct backlog *b, struct waiting *w)
{
	waiting_list_put(&b->later, w);
	b->later_octets += w->ref.octets;
	if (w->stuck_at != NULL)
		return;
	w->stuck_next = b->stuck;
	w->stuck_at = &b->stuck;
	if (b->stuck != NULL)
		b->stuck->stuck_at = &w->stuck_next;
	b->stuck = w;
}

static void
take_batch(struct backlog *b, struct waiting_list *batch)
{
	uint64_t octets = 0, files = 0;

	waiting_list_init(batch);
	while (b->todo.first != NULL && batch->count < BACKLOG_BATCH &&
	       files < BACKLOG_BATCH_FILES && octets < BACKLOG_BATCH_OCTETS) {
		struct waiting *w = waiting_list_take(&b->todo);

		octets += w->ref.octets;
		files += w->left;
		waiting_list_put(batch, w);
	}
}

/* True when there was something to wait for.  With the mutex. */
static bool
nap(struct backlog *b, unsigned ms)
{
	uint64_t at = clock_ms() + ms;
	struct timespec until = {
		.tv_sec = (time_t)(at / 1000),
		.tv_nsec = (long)(at % 1000) * 1000000,
	};

	return pthread_cond_timedwait(&b->work_cond, &b->mutex, &until) == 0;
}

/* With the mutex, and nothing to place: settles, or waits. */
static void
idle(struct backlog *b)
{
	struct shown_list l;

	if (b->unflushed.count == 0) {
		(void)nap(b, IDLE_NAP_MS);
		return;
	}
	if (!b->stopping && nap(b, SETTLE_NAP_MS))
		return;
	l = backlog_take_shown(b);
	(void)pthread_mutex_unlock(&b->mutex);
	backlog_settle(b, &l, false);
	(void)pthread_mutex_lock(&b->mutex);
}

static bool
goes_on(const struct backlog *b)
{
	if (!b->stopping)
		return true;
	return (b->todo.first != NULL && clock_ms() < b->stop_ms) ||
	       b->unflushed.count > 0;
}

static void *
placer_run(void *arg)
{
	struct backlog *b = arg;
	struct waiting_list batch;

	(void)pthread_mutex_lock(&b->mutex);
	while (goes_on(b)) {
		retry_due(b);
		if (b->todo.first == NULL ||
		    (b->stopping && clock_ms() >= b->stop_ms)) {
			idle(b);
			continue;
		}
		take_batch(b, &batch);
		(void)pthread_mutex_unlock(&b->mutex);
		backlog_place(b, &batch);
		(void)pthread_mutex_lock(&b->mutex);
	}
	(void)pthread_mutex_unlock(&b->mutex);
	return NULL;
}

/* ---- opening, closing ---- */

static void
on_trouble(void *arg, const struct err *err)
{
	(void)arg;
	log_error(&log_process, "journal", log_err(err));
}

static struct backlog *
backlog_new(const struct backlog_options *options)
{
	struct backlog *b = calloc(1, sizeof(*b));
	pthread_condattr_t monotonic;

	if (b == NULL)
		return NULL;
	b->placer = options->placer;
	b->counters = options->counters;
	b->store_fd = -1;
	waiting_list_init(&b->todo);
	waiting_list_init(&b->later);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&b->mutex, NULL);
	(void)pthread_cond_init(&b->work_cond, &monotonic);
	(void)pthread_cond_init(&b->shown_cond, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	return b;
}

/* hikyakud makes the directory where it is root; then it is there. */
static int
open_directory(
    struct backlog *b, const char *store, const char *path, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	struct stat st;

	b->store_fd = open(store, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (b->store_fd == -1)
		return err_sys(err, "open %s", store);
	if (mkdirat(b->store_fd, BACKLOG_DIRECTORY, 0700) == 0) {
		fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd == -1 || fsync(fd) == -1)
			return err_sys(err, "fsync %s", store);
	} else if (errno != EEXIST && errno != EACCES) {
		return err_sys(err, "mkdir %s", path);
	}
	if (stat(path, &st) == -1)
		return err_sys(err, "stat %s", path);
	b->device = st.st_dev;
	return 0;
}

int
backlog_open(const struct backlog_options *options,
    struct backlog **backlog_out, struct err *err)
{
	CLEANUP(backlog_free) struct backlog *b = backlog_new(options);
	CLEANUP(buf_fini) struct buf path;
	struct journal_options journal = {
		.kind = RECORD_KIND,
		.segment_octets = SEGMENT_OCTETS,
		.segments_min = SEGMENTS_MIN,
		.segments_max =
		    (unsigned)(options->journal_max / SEGMENT_OCTETS),
		.wait_ms = ROOM_WAIT_MS,
		.trouble = on_trouble,
	};

	buf_init(&path, 4096);
	if (b == NULL)
		return err_set(err, ERR_TEMP, "backlog: out of memory");
	if (journal.segments_max < SEGMENTS_MIN)
		journal.segments_max = SEGMENTS_MIN;
	buf_append_fmt(
	    &path, "%s/" BACKLOG_DIRECTORY, options->store_directory);
	journal.path = buf_str(&path);
	if (buf_check(&path, err) == -1 ||
	    open_directory(b, options->store_directory, journal.path, err) ==
		-1 ||
	    journal_open(&journal, &b->journal, err) == -1 ||
	    backlog_recover(b, err) == -1)
		return -1;
	*backlog_out = STEAL(b);
	return 0;
}

int
backlog_start(struct backlog *b, struct err *err)
{
	if (journal_start(b->journal, err) == -1)
		return -1;
	for (; b->thread_count < BACKLOG_PLACERS; b->thread_count++) {
		int failed = pthread_create(
		    &b->threads[b->thread_count], NULL, placer_run, b);

		if (failed != 0) {
			errno = failed;
			return err_sys(err, "start a placer");
		}
	}
	return 0;
}

void
backlog_free(struct backlog *b)
{
	struct waiting *w;

	if (b == NULL)
		return;
	(void)pthread_mutex_lock(&b->mutex);
	b->stopping = true;
	b->stop_ms = clock_ms() + STOP_WAIT_MS;
	(void)pthread_cond_broadcast(&b->work_cond);
	(void)pthread_mutex_unlock(&b->mutex);
	for (unsigned i = 0; i < b->thread_count; i++)
		(void)pthread_join(b->threads[i], NULL);
	while ((w = waiting_list_take(&b->todo)) != NULL ||
	       (w = waiting_list_take(&b->later)) != NULL)
		waiting_unref(w);
	journal_close(b->journal);
	fd_close(b->store_fd);
	free(b->unflushed.items);
	(void)pthread_mutex_destroy(&b->mutex);
	(void)pthread_cond_destroy(&b->work_cond);
	(void)pthread_cond_destroy(&b->shown_cond);
	free(b);
}

/* ---- taking mail ---- */

/* With the mutex: room for all that is promised, and then some. */
static bool
has_room(struct backlog *b)
{
	uint64_t now = clock_ms();
	struct statvfs st;

	if (b->room_checked_ms != 0 && now - b->room_checked_ms < ROOM_CHECK_MS)
		return b->room;
	b->room_checked_ms = now;
	b->room = fstatvfs(b->store_fd, &st) == 0 &&
		  st.f_bavail * (uint64_t)st.f_frsize >=
		      2 * b->not_shown_octets + ROOM_SPARE &&
		  /* Not every file system counts its inodes. */
		  (st.f_files == 0 || st.f_favail >= 2 * b->not_shown + 100);
	return b->room;
}

/* With the mutex. */
static bool
cannot_be_placed(const struct backlog *b, const char *tenant)
{
	for (const struct waiting *w = b->stuck; w != NULL; w = w->stuck_next)
		if (strcmp(w->tenant, tenant) == 0)
			return true;
	return false;
}

bool
backlog_takes(struct backlog *b, const char *tenant)
{
	struct stat st;
	bool takes;

	if (fstatat(b->store_fd, tenant, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    (uint64_t)st.st_dev != b->device)
		return false;
	(void)pthread_mutex_lock(&b->mutex);
	takes = has_room(b) && !cannot_be_placed(b, tenant);
	(void)pthread_mutex_unlock(&b->mutex);
	return takes;
}

/* With the mutex: until it can be seen, if there is little to do. */
static void
wait_if_quiet(struct backlog *b, const struct waiting *w)
{
	uint64_t at = clock_ms() + QUIET_WAIT_MS;
	struct timespec until = {
		.tv_sec = (time_t)(at / 1000),
		.tv_nsec = (long)(at % 1000) * 1000000,
	};

	while (!w->shown && w->tries == 0 && b->not_shown <= QUIET_COUNT)
		if (pthread_cond_timedwait(&b->shown_cond, &b->mutex, &until) !=
		    0)
			return;
}

int
backlog_add(struct backlog *b, const struct record_message *m, struct err *err)
{
	struct waiting *w = waiting_new((uint32_t)m->count);
	CLEANUP(buf_fini) struct buf head;
	struct span pieces[2];
	struct journal_entry entry = {
		.type = RECORD_MESSAGE,
		.hold = true,
		.pieces = pieces,
		.piece_count = 2,
	};
	int done = -1;

	buf_init(&head, JOURNAL_PAYLOAD_MAX);
	if (w == NULL)
		return err_set(err, ERR_TEMP, "backlog: out of memory");
	record_message_format(m, &head);
	pieces[0] = buf_span(&head);
	pieces[1] = m->text;
	if (buf_check(&head, err) == 0)
		done = journal_append(b->journal, &entry, err);
	if (done == -1) {
		free(w);
		return -1;
	}
	(void)pthread_mutex_lock(&b->mutex);
	w->ref = entry.ref;
	waiting_ref(w);
	backlog_enter(b, w);
	(void)pthread_cond_signal(&b->work_cond);
	/* It is quiet no longer: nobody waits for his mail to be seen. */
	if (b->not_shown == QUIET_COUNT + 1)
		(void)pthread_cond_broadcast(&b->shown_cond);
	wait_if_quiet(b, w);
	waiting_unref(w);
	(void)pthread_mutex_unlock(&b->mutex);
	return 0;
}
