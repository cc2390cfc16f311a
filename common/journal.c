/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/journal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>

#include "common/file.h"
#include "common/journal_private.h"
#include "common/reactor.h"

/* A predecessor that was just killed may still be on its way out. */
#define LOCK_WAIT_MS 2000
/* A keeper that could not make room tries again, and says so again. */
#define KEEPER_NAP_MS 1000
#define KEEPER_SAYS_MS 60000

void
journal_trouble(struct journal *j, const struct err *err)
{
	if (j->options.trouble != NULL)
		j->options.trouble(j->options.arg, err);
}

/* ---- open, close ---- */

static int
take_lock(struct journal *j, struct err *err)
{
	uint64_t until = clock_ms() + LOCK_WAIT_MS;

	j->lock_fd = openat(
	    j->dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (j->lock_fd == -1)
		return err_sys(err, "open %s/lock", j->path);
	while (flock(j->lock_fd, LOCK_EX | LOCK_NB) == -1) {
		struct timespec nap = { .tv_nsec = 20000000 };

		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(err, "lock %s/lock", j->path);
		if (clock_ms() >= until)
			return err_set(err, ERR_POLICY,
			    "%s is another process's", j->path);
		(void)nanosleep(&nap, NULL);
	}
	return 0;
}

static int
check_options(const struct journal_options *o, struct err *err)
{
	if (o->segment_octets < JOURNAL_SEGMENT_MIN ||
	    o->segment_octets > JOURNAL_SEGMENT_MAX ||
	    o->segment_octets % JOURNAL_PAGE != 0)
		return err_set(err, ERR_LIMIT, "segments of %llu octets",
		    (unsigned long long)o->segment_octets);
	if (o->segments_min <= JOURNAL_SPARES ||
	    o->segments_max < o->segments_min ||
	    o->segments_max > JOURNAL_SLOTS_MAX)
		return err_set(err, ERR_LIMIT, "%u to %u segments",
		    o->segments_min, o->segments_max);
	return 0;
}

static struct journal *
journal_new(const struct journal_options *options)
{
	struct journal *j = calloc(1, sizeof(*j));
	pthread_condattr_t monotonic;

	if (j == NULL || (j->path = strdup(options->path)) == NULL) {
		free(j);
		return NULL;
	}
	j->options = *options;
	j->options.path = j->path;
	j->dirfd = j->lock_fd = -1;
	queue_init(&j->urgent);
	queue_init(&j->ordinary);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&j->mutex, NULL);
	(void)pthread_cond_init(&j->keeper_cond, &monotonic);
	(void)pthread_cond_init(&j->room_cond, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	return j;
}

int
journal_open(const struct journal_options *options,
    struct journal **journal_out, struct err *err)
{
	static const unsigned char none[JOURNAL_ID_LEN];
	CLEANUP(journal_close) struct journal *j = NULL;

	if (check_options(options, err) == -1)
		return err_prefix(err, "journal %s", options->path);
	j = journal_new(options);
	if (j == NULL)
		return err_set(err, ERR_TEMP, "journal: out of memory");
	j->dirfd = open(j->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dirfd == -1)
		return err_sys(err, "open %s", j->path);
	if (take_lock(j, err) == -1 || segments_open(j, err) == -1 ||
	    journal_survey(j, err) == -1)
		return -1;
	if (memcmp(j->id, none, JOURNAL_ID_LEN) == 0 &&
	    getrandom(j->id, JOURNAL_ID_LEN, 0) != JOURNAL_ID_LEN)
		return err_sys(err, "getrandom");
	*journal_out = STEAL(j);
	return 0;
}

static void
free_segments(struct segment *s)
{
	while (s != NULL) {
		struct segment *next = s->next;

		segment_free(s);
		s = next;
	}
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->has_keeper) {
		(void)pthread_mutex_lock(&j->mutex);
		j->stopping = true;
		(void)pthread_cond_signal(&j->keeper_cond);
		(void)pthread_mutex_unlock(&j->mutex);
		(void)pthread_join(j->keeper, NULL);
	}
	journal_flush_notes(j);
	free_segments(j->oldest);
	free_segments(j->pool);
	fd_close(j->lock_fd);
	fd_close(j->dirfd);
	(void)pthread_mutex_destroy(&j->mutex);
	(void)pthread_cond_destroy(&j->keeper_cond);
	(void)pthread_cond_destroy(&j->room_cond);
	free(j->path);
	free(j);
}

/* ---- the keeper: segments ready before they are needed ---- */

/* With the mutex: a segment that holds nothing any more, out of the list. */
static struct segment *
take_free(struct journal *j)
{
	struct segment *s = j->pool;

	if (s != NULL) {
		j->pool = s->next;
	} else {
		s = j->oldest;
		if (j->current == NULL || s == j->current || s->held > 0)
			return NULL;
		/* Only in their order: see journal.h. */
		j->oldest = s->next;
	}
	s->next = NULL;
	return s;
}

static bool
slot_used(const struct segment *s, unsigned slot)
{
	while (s != NULL && s->slot != slot)
		s = s->next;
	return s != NULL;
}

static unsigned
lowest_slot(const struct journal *j)
{
	unsigned slot = 1;

	while (slot_used(j->oldest, slot) || slot_used(j->pool, slot))
		slot++;
	return slot;
}

/* With the mutex: the head of the next one. */
static struct journal_head
next_head(const struct journal *j)
{
	struct journal_head h = {
		.kind = j->options.kind,
		.octets = j->options.segment_octets,
		.generation = j->generation + 1,
	};
	const struct segment *last = j->oldest;

	memcpy(h.id, j->id, JOURNAL_ID_LEN);
	h.oldest = last == NULL ? h.generation : last->head.generation;
	while (last != NULL && last->next != NULL)
		last = last->next;
	if (last != NULL)
		h.step = (uint32_t)(h.generation - last->head.generation);
	return h;
}

/* A free one again, or a new one. */
static int
make_file(struct journal *j, struct segment *again, unsigned slot,
    const struct journal_head *head, struct segment **segment_out,
    struct err *err)
{
	if (again != NULL && !again->failed &&
	    segment_renew(j, again, head, err) == 0) {
		*segment_out = again;
		return 0;
	}
	/* A new file, on other blocks, may do better. */
	if (again != NULL && segment_remove(j, again, err) == -1)
		return -1;
	return segment_create(j, slot, head, segment_out, err);
}

enum made {
	MADE,
	MADE_NOT, /* as many as there may be, and all are held */
	MADE_FAILED,
};

/* One more spare.  With the mutex, which it lets go of. */
static enum made
make_spare(struct journal *j, unsigned max, struct err *err)
{
	struct segment *s = take_free(j), **at = &j->oldest;
	struct journal_head head = next_head(j);
	unsigned slot = s != NULL ? s->slot : lowest_slot(j);
	int done;

	if (s == NULL && j->count >= max)
		return MADE_NOT;
	if (s == NULL)
		j->count++;
	(void)pthread_mutex_unlock(&j->mutex);
	done = make_file(j, s, slot, &head, &s, err);
	(void)pthread_mutex_lock(&j->mutex);
	if (done == -1) {
		j->count--;
		return MADE_FAILED;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = s;
	j->generation = s->head.generation;
	j->spares++;
	(void)pthread_cond_broadcast(&j->room_cond);
	return MADE;
}

/* With the mutex: waits until somebody needs a spare, or may have freed one. */
static void
keeper_nap(struct journal *j)
{
	uint64_t ms = clock_ms() + KEEPER_NAP_MS;
	struct timespec until = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};

	(void)pthread_cond_timedwait(&j->keeper_cond, &j->mutex, &until);
}

static void *
keeper_run(void *arg)
{
	struct journal *j = arg;
	uint64_t said_ms = 0;

	(void)pthread_mutex_lock(&j->mutex);
	while (!j->stopping) {
		struct err err = ERR_INIT;
		enum made made = MADE_NOT;
		uint64_t now;

		if (j->spares < JOURNAL_SPARES)
			made = make_spare(j, j->options.segments_max, &err);
		j->keeper_err = err;
		if (made == MADE)
			continue;
		now = clock_ms();
		if (made == MADE_FAILED &&
		    (said_ms == 0 || now - said_ms >= KEEPER_SAYS_MS)) {
			said_ms = now;
			journal_trouble(j, &err);
		}
		keeper_nap(j);
	}
	(void)pthread_mutex_unlock(&j->mutex);
	return NULL;
}

/* ---- start ---- */

/* Those without a record, wherever they stand, and those before all that is
 * held: free to be used in any order once a new head says so. */
static void
fill_pool(struct journal *j)
{
	struct segment **at = &j->oldest;
	bool before = true;

	while (*at != NULL) {
		struct segment *s = *at;

		before = before && s->held == 0;
		if (s->first != 0 && !before) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		s->next = j->pool;
		j->pool = s;
	}
}

/* With the mutex. */
static int
first_segments(struct journal *j, struct err *err)
{
	/* All may be held: those that finish the work come on top. */
	while (j->spares < JOURNAL_SPARES + 1 ||
	       j->count < j->options.segments_min)
		if (make_spare(j, UINT_MAX, err) == MADE_FAILED)
			return -1;
	/* More than are wanted when it is quiet. */
	while (j->count > j->options.segments_min && j->pool != NULL) {
		struct segment *s = take_free(j);

		j->count--;
		if (segment_remove(j, s, err) == -1)
			return -1;
	}
	return 0;
}

int
journal_start(struct journal *j, struct err *err)
{
	unsigned held = 0;
	int failed;

	(void)pthread_mutex_lock(&j->mutex);
	fill_pool(j);
	for (const struct segment *s = j->oldest; s != NULL; s = s->next)
		held++;
	failed = first_segments(j, err);
	if (failed == 0) {
		j->current = j->oldest;
		while (held-- > 0)
			j->current = j->current->next;
		j->spares--;
		j->offset = JOURNAL_DATA;
	}
	(void)pthread_mutex_unlock(&j->mutex);
	if (failed == -1)
		return -1;
	failed = pthread_create(&j->keeper, NULL, keeper_run, j);
	if (failed != 0) {
		errno = failed;
		return err_sys(err, "journal: start a thread");
	}
	j->has_keeper = true;
	return 0;
}

/* ---- records that are held ---- */

/* With the mutex. */
static struct segment *
segment_of(struct journal *j, const struct journal_ref *ref)
{
	struct segment *s = j->oldest;

	while (s != NULL && s->head.generation != ref->generation)
		s = s->next;
	return s;
}

int
journal_read(struct journal *j, const struct journal_ref *ref, struct buf *out,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf whole;
	size_t len = JOURNAL_RECORD_LEN + ref->octets;
	struct journal_record record;
	struct err why = ERR_INIT;
	struct segment *s;
	ssize_t got = 0;
	char *room;

	buf_init(&whole, len);
	room = buf_reserve(&whole, len);
	(void)pthread_mutex_lock(&j->mutex);
	s = segment_of(j, ref);
	(void)pthread_mutex_unlock(&j->mutex);
	if (room == NULL)
		return buf_check(&whole, err);
	if (s == NULL)
		return err_set(err, ERR_TEMP, "%s: record %llu is not held",
		    j->path, (unsigned long long)ref->number);
	/* It is held, so the segment and its head stay as they are. */
	for (size_t at = 0; at < len; at += (size_t)got) {
		got = pread(
		    s->fd, room + at, len - at, (off_t)(ref->offset + at));
		if (got == -1 && errno == EINTR) {
			got = 0;
			continue;
		}
		if (got == 0)
			errno = EIO; /* somebody cut the file short */
		if (got <= 0)
			return err_sys(err, "read %s/segment-%04u at %llu",
			    j->path, s->slot, (unsigned long long)ref->offset);
	}
	if (journal_record_parse(&s->head, span_of(room, len), &record, &why) ==
	    -1)
		return err_set(err, ERR_TEMP, "%s/segment-%04u at %llu: %s",
		    j->path, s->slot, (unsigned long long)ref->offset,
		    why.text);
	buf_append(out, record.payload);
	return buf_check(out, err);
}

int
journal_put_aside(
    struct journal *j, uint64_t number, struct span payload, struct err *err)
{
	char name[JOURNAL_NAME_MAX];

	(void)snprintf(
	    name, sizeof(name), "record-%llu", (unsigned long long)number);
	return file_replace(j->dirfd, name, payload, 0600, err);
}

void
journal_settle(struct journal *j, const struct journal_ref *ref)
{
	struct segment *s;

	(void)pthread_mutex_lock(&j->mutex);
	s = segment_of(j, ref);
	if (s != NULL && s->held > 0) {
		s->held--;
		j->held--;
		j->held_octets -= ref->octets;
		if (s == j->oldest && s->held == 0)
			(void)pthread_cond_signal(&j->keeper_cond);
	}
	(void)pthread_mutex_unlock(&j->mutex);
}

void
journal_stats(struct journal *j, struct journal_stats *out)
{
	(void)pthread_mutex_lock(&j->mutex);
	*out = (struct journal_stats){
		.held = j->held,
		.octets = j->held_octets,
		.commits = j->commits,
		.records = j->records,
		.segments = j->count,
		.in_use = j->count - j->spares,
		.segments_max = j->options.segments_max,
		.oldest = j->oldest == NULL ? 0 : j->oldest->head.generation,
	};
	(void)pthread_mutex_unlock(&j->mutex);
}
