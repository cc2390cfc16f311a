/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Group commit.  Whoever finds nobody leading leads: takes what is waiting,
 * writes it in one piece, flushes, and wakes those whose records were in it.
 * What arrives meanwhile is the next group, and one of them leads that.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "common/journal_private.h"
#include "common/reactor.h"

#define GROUP_OCTETS_MAX ((uint64_t)4 * 1024 * 1024)
#define GROUP_IOV 512 /* under IOV_MAX */

static const char zeros[JOURNAL_PAGE];

void
queue_init(struct queue *q)
{
	*q = (struct queue){ .last = &q->first };
}

static void
queue_put(struct queue *q, struct journal_waiting *w)
{
	w->next = NULL;
	*q->last = w;
	q->last = &w->next;
	q->count++;
}

static struct journal_waiting *
queue_take(struct queue *q)
{
	struct journal_waiting *w = q->first;

	q->first = w->next;
	if (q->first == NULL)
		q->last = &q->first;
	q->count--;
	return w;
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- writing a group ---- */

struct group {
	struct segment *segment;
	uint64_t offset, end; /* in the segment */
	uint64_t number;      /* before its first record */
	struct queue waiting;
};

struct writer {
	int fd;
	off_t offset;
	struct iovec iov[GROUP_IOV];
	int count;
};

static int
writer_flush(struct writer *w)
{
	struct iovec *iov = w->iov;
	int left = w->count;

	while (left > 0) {
		ssize_t put = pwritev(w->fd, iov, left, w->offset);

		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1)
			return -1;
		w->offset += put;
		for (; left > 0 && (size_t)put >= iov->iov_len; iov++, left--)
			put -= (ssize_t)iov->iov_len;
		if (left > 0) {
			iov->iov_base = (char *)iov->iov_base + put;
			iov->iov_len -= (size_t)put;
		}
	}
	w->count = 0;
	return 0;
}

static int
writer_put(struct writer *w, struct span octets)
{
	if (octets.len == 0)
		return 0;
	if (w->count == GROUP_IOV && writer_flush(w) == -1)
		return -1;
	w->iov[w->count++] = (struct iovec){
		.iov_base = (void *)(uintptr_t)octets.p,
		.iov_len = octets.len,
	};
	return 0;
}

/* Zeros up to where the next thing begins. */
static int
writer_pad(struct writer *w, uint64_t from, uint64_t to)
{
	return writer_put(w, span_of(zeros, (size_t)(to - from)));
}

static int
write_record(struct writer *w, struct journal_waiting *r, uint64_t *offset)
{
	uint64_t end = *offset + JOURNAL_RECORD_LEN + r->octets;

	if (writer_put(w, span_of(r->head, JOURNAL_RECORD_LEN)) == -1)
		return -1;
	if (r->entry == NULL &&
	    writer_put(w, span_of(r->note, r->octets)) == -1)
		return -1;
	for (size_t i = 0; r->entry != NULL && i < r->entry->piece_count; i++)
		if (writer_put(w, r->entry->pieces[i]) == -1)
			return -1;
	*offset = journal_record_end(*offset, r->octets);
	return writer_pad(w, end, *offset);
}

/* Whole pages, so that the kernel need not read any first. */
static int
group_write(struct journal *j, struct group *g, struct err *err)
{
	struct writer w = { .fd = g->segment->fd, .offset = (off_t)g->offset };
	uint64_t at = g->offset, number = g->number;

	for (struct journal_waiting *r = g->waiting.first; r != NULL;
	     r = r->next) {
		struct journal_record record = {
			.number = ++number,
			.flushed = g->number,
			.time_ms = r->time_ms,
			.type = r->type,
		};

		journal_record_format(
		    &g->segment->head, &record, r->octets, r->crc, r->head);
		if (write_record(&w, r, &at) == -1)
			goto fail;
	}
	if (writer_pad(&w, at, g->end) == -1 || writer_flush(&w) == -1 ||
	    fdatasync(w.fd) == -1)
		goto fail;
	return 0;

fail:
	return err_set_at(err,
	    errno == ENOSPC || errno == EDQUOT ? ERR_LIMIT : ERR_TEMP, errno,
	    __FILE__, __LINE__, "write %s/segment-%04u at %llu", j->path,
	    g->segment->slot, (unsigned long long)g->offset);
}

/* ---- choosing a group, with the mutex ---- */

static uint64_t
page_up(uint64_t offset)
{
	return (offset + JOURNAL_PAGE - 1) / JOURNAL_PAGE * JOURNAL_PAGE;
}

static void
group_take(struct journal *j, struct group *g, struct queue *q)
{
	while (q->first != NULL && g->end - g->offset < GROUP_OCTETS_MAX) {
		uint64_t end = journal_record_end(g->end, q->first->octets);

		if (end > j->current->head.octets)
			return;
		queue_put(&g->waiting, queue_take(q));
		g->end = end;
	}
}

/* Goes to the next segment; false: it is not there, or not for these. */
static bool
advance(struct journal *j)
{
	unsigned needed = j->urgent.first != NULL ? 1 : JOURNAL_SPARES;

	if (j->spares < needed)
		return false;
	j->current = j->current->next;
	j->spares--;
	j->offset = JOURNAL_DATA;
	(void)pthread_cond_signal(&j->keeper_cond);
	return true;
}

static bool
group_choose(struct journal *j, struct group *g)
{
	for (;;) {
		*g = (struct group){
			.segment = j->current,
			.offset = j->offset,
			.end = j->offset,
			.number = j->number,
		};
		queue_init(&g->waiting);
		if (!j->current->failed) {
			group_take(j, g, &j->urgent);
			/* The last segment is kept for what frees others. */
			if (j->spares > 0)
				group_take(j, g, &j->ordinary);
		}
		if (g->waiting.first != NULL) {
			g->end = page_up(g->end);
			j->offset = g->end;
			return true;
		}
		if (!advance(j))
			return false;
	}
}

/* ---- what became of it, with the mutex ---- */

static void
waiting_done(struct journal *j, struct journal_waiting *w,
    const struct group *g, uint64_t offset, uint64_t number)
{
	struct journal_entry *e = w->entry;

	if (e == NULL) {
		free(w->note);
		free(w);
		return;
	}
	if (w->err.kind == ERR_NONE) {
		e->ref = (struct journal_ref){
			.segment = g->segment->slot,
			.number = number,
			.generation = g->segment->head.generation,
			.offset = offset,
			.time_ms = w->time_ms,
			.octets = w->octets,
		};
		if (e->hold) {
			g->segment->held++;
			j->held++;
			j->held_octets += w->octets;
		}
	}
	w->done = true;
	(void)pthread_cond_signal(&w->done_cond);
}

static void
group_done(struct journal *j, struct group *g, const struct err *why)
{
	uint64_t at = g->offset, number = g->number;

	j->commits++;
	if (why->kind == ERR_NONE) {
		j->number += g->waiting.count;
		j->records += g->waiting.count;
		if (g->segment->first == 0)
			g->segment->first = g->number + 1;
		g->segment->last = j->number;
	} else {
		/* What the disk has of these pages is not known, and the
		 * kernel has let go of them: only another segment is safe. */
		g->segment->failed = true;
	}
	while (g->waiting.first != NULL) {
		struct journal_waiting *w = queue_take(&g->waiting);
		uint64_t end = journal_record_end(at, w->octets);

		w->err = *why;
		waiting_done(j, w, g, at, ++number);
		at = end;
	}
}

/* Those that have waited for room too long. */
static void
give_up(struct journal *j, uint64_t now)
{
	struct queue rest;

	queue_init(&rest);
	while (j->ordinary.first != NULL) {
		struct journal_waiting *w = queue_take(&j->ordinary);

		/* No room will come while none can be made. */
		if (w->entry == NULL ||
		    (w->deadline_ms > now && j->keeper_err.kind == ERR_NONE)) {
			queue_put(&rest, w);
			continue;
		}
		if (j->keeper_err.kind != ERR_NONE)
			w->err = j->keeper_err;
		else
			(void)err_set(&w->err, ERR_LIMIT,
			    "%s: all %u segments are held", j->path, j->count);
		waiting_done(j, w, NULL, 0, 0);
	}
	queue_init(&j->ordinary);
	while (rest.first != NULL)
		queue_put(&j->ordinary, queue_take(&rest));
}

static void
wait_for_room(struct journal *j)
{
	struct timespec until;
	uint64_t now = clock_ms(), ms = now + 1000;

	for (struct journal_waiting *w = j->ordinary.first; w != NULL;
	     w = w->next)
		if (w->entry != NULL && w->deadline_ms < ms)
			ms = w->deadline_ms;
	if (ms > now) {
		until = (struct timespec){
			.tv_sec = (time_t)(ms / 1000),
			.tv_nsec = (long)(ms % 1000) * 1000000,
		};
		(void)pthread_cond_timedwait(&j->room_cond, &j->mutex, &until);
	}
	give_up(j, clock_ms());
}

/* One group, or a wait for room.  With the mutex, which it lets go of. */
static void
lead(struct journal *j)
{
	struct group g;
	struct err why = ERR_INIT;

	if (!group_choose(j, &g)) {
		wait_for_room(j);
		return;
	}
	(void)pthread_mutex_unlock(&j->mutex);
	if (group_write(j, &g, &why) == -1)
		journal_trouble(j, &why);
	(void)pthread_mutex_lock(&j->mutex);
	group_done(j, &g, &why);
}

/* Somebody who waits leads next; notes wait for somebody. */
static void
hand_over(struct journal *j)
{
	struct queue *queues[] = { &j->urgent, &j->ordinary };

	j->leading = false;
	for (size_t i = 0; i < 2; i++)
		for (struct journal_waiting *w = queues[i]->first; w != NULL;
		     w = w->next)
			if (w->entry != NULL) {
				(void)pthread_cond_signal(&w->done_cond);
				return;
			}
}

int
journal_append(struct journal *j, struct journal_entry *e, struct err *err)
{
	struct journal_waiting w = { .entry = e, .type = e->type };
	size_t octets = 0;

	for (size_t i = 0; i < e->piece_count; i++)
		octets += e->pieces[i].len;
	if (octets > JOURNAL_PAYLOAD_MAX ||
	    journal_record_end(JOURNAL_DATA, octets) >
		j->options.segment_octets)
		return err_set(err, ERR_LIMIT, "%s: a record of %zu octets",
		    j->path, octets);
	w.octets = (uint32_t)octets;
	w.crc = journal_payload_crc(e->pieces, e->piece_count);
	w.time_ms = now_ms();
	w.deadline_ms = clock_ms() + j->options.wait_ms;
	(void)pthread_cond_init(&w.done_cond, NULL);
	(void)pthread_mutex_lock(&j->mutex);
	queue_put(e->urgent ? &j->urgent : &j->ordinary, &w);
	if (e->urgent)
		(void)pthread_cond_signal(&j->room_cond);
	while (!w.done) {
		if (j->leading) {
			(void)pthread_cond_wait(&w.done_cond, &j->mutex);
			continue;
		}
		j->leading = true;
		lead(j);
		hand_over(j);
	}
	(void)pthread_mutex_unlock(&j->mutex);
	(void)pthread_cond_destroy(&w.done_cond);
	if (w.err.kind == ERR_NONE)
		return 0;
	if (err != NULL)
		*err = w.err;
	return -1;
}

void
journal_note(struct journal *j, uint16_t type, struct span payload)
{
	struct journal_waiting *w = calloc(1, sizeof(*w));

	if (w == NULL || payload.len > JOURNAL_PAYLOAD_MAX ||
	    (w->note = malloc(payload.len + 1)) == NULL) {
		free(w);
		return;
	}
	memcpy(w->note, payload.p, payload.len);
	w->type = type;
	w->octets = (uint32_t)payload.len;
	w->crc = journal_payload_crc(&payload, 1);
	w->time_ms = now_ms();
	(void)pthread_mutex_lock(&j->mutex);
	/* Behind what waits: it tells of something that is done. */
	queue_put(&j->ordinary, w);
	(void)pthread_mutex_unlock(&j->mutex);
}

void
journal_flush_notes(struct journal *j)
{
	(void)pthread_mutex_lock(&j->mutex);
	while (j->current != NULL && j->ordinary.first != NULL) {
		size_t before = j->ordinary.count;

		lead(j);
		if (j->ordinary.count == before)
			break; /* no room: the next start does without them */
	}
	while (j->ordinary.first != NULL) {
		struct journal_waiting *w = queue_take(&j->ordinary);

		free(w->note);
		free(w);
	}
	(void)pthread_mutex_unlock(&j->mutex);
}
