/* SPDX-License-Identifier: BSD-2-Clause */
/* When which job is tried: the heap of times, the sites' lines, the turns. */
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "delivery/queue_private.h"

#define CLOCK_NAP_MS 1000
/* What moves into a file is taken a moment later. */
#define MOVING_MS 200

uint64_t
queue_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One fifth more or less, so that what failed together comes back apart. */
static uint64_t
jitter(uint64_t ms)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) == -1 || ms < 5)
		return ms;
	return ms - ms / 5 + random % (2 * (ms / 5) + 1);
}

static uint64_t
doubled(uint64_t ms, uint64_t max, unsigned times)
{
	while (times-- > 0 && ms < max)
		ms *= 2;
	return ms < max ? ms : max;
}

uint64_t
queue_backoff_ms(const struct queue *q, unsigned tries)
{
	return jitter(doubled(q->options.retry_min_ms, q->options.retry_max_ms,
	    tries > 0 ? tries - 1 : 0));
}

/* ---- the heap ---- */

static void
heap_set(struct queue *q, size_t at, struct queue_job *job)
{
	q->heap[at] = job;
	job->heap = (uint32_t)at + 1;
}

static void
heap_up(struct queue *q, size_t at, struct queue_job *job)
{
	while (at > 0 && q->heap[(at - 1) / 2]->due_ms > job->due_ms) {
		heap_set(q, at, q->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_set(q, at, job);
}

static void
heap_down(struct queue *q, size_t at, struct queue_job *job)
{
	for (size_t child; (child = 2 * at + 1) < q->heap_len; at = child) {
		if (child + 1 < q->heap_len &&
		    q->heap[child + 1]->due_ms < q->heap[child]->due_ms)
			child++;
		if (q->heap[child]->due_ms >= job->due_ms)
			break;
		heap_set(q, at, q->heap[child]);
	}
	heap_set(q, at, job);
}

void
queue_heap_take(struct queue *q, struct queue_job *job)
{
	size_t at = job->heap - 1;
	struct queue_job *last = q->heap[--q->heap_len];

	job->heap = 0;
	if (last == job)
		return;
	if (at > 0 && q->heap[(at - 1) / 2]->due_ms > last->due_ms)
		heap_up(q, at, last);
	else
		heap_down(q, at, last);
}

static bool
heap_put(struct queue *q, struct queue_job *job)
{
	if (q->heap_len == q->heap_room) {
		size_t room = 2 * q->heap_room + 1024;
		void *grown = reallocarray(q->heap, room, sizeof(*q->heap));

		if (grown == NULL)
			return false;
		q->heap = grown;
		q->heap_room = room;
	}
	heap_up(q, q->heap_len++, job);
	return true;
}

/* ---- lines ---- */

static struct queue_line *
line_of(struct queue_site *s, struct queue_tenant *tenant)
{
	struct queue_line **at = &s->lines;

	while (*at != NULL && (*at)->tenant != tenant)
		at = &(*at)->next;
	if (*at == NULL) {
		*at = calloc(1, sizeof(**at));
		if (*at != NULL)
			(*at)->tenant = tenant;
	}
	return *at;
}

static void
line_take(struct queue_line *line, struct queue_job *job)
{
	if (job->prev != NULL)
		job->prev->next = job->next;
	else
		line->first = job->next;
	if (job->next != NULL)
		job->next->prev = job->prev;
	else
		line->last = job->prev;
	job->next = job->prev = NULL;
}

/* In the round of sites exactly when a job could be taken there. */
static void
site_place(struct queue *q, struct queue_site *s)
{
	bool wanted = s->ready_count > 0 && s->active < s->window;

	if (wanted == s->in_ready)
		return;
	s->in_ready = wanted;
	if (wanted) {
		s->ready_prev = q->ready_last;
		s->ready_next = NULL;
		if (q->ready_last == NULL)
			q->ready_first = s;
		else
			q->ready_last->ready_next = s;
		q->ready_last = s;
		return;
	}
	if (s->ready_prev == NULL)
		q->ready_first = s->ready_next;
	else
		s->ready_prev->ready_next = s->ready_next;
	if (s->ready_next == NULL)
		q->ready_last = s->ready_prev;
	else
		s->ready_next->ready_prev = s->ready_prev;
}

static void
wake(struct queue *q)
{
	if (q->idle > 0)
		(void)pthread_cond_signal(&q->work_cond);
	else if (q->started && q->options.wanted != NULL)
		q->options.wanted(q->options.arg);
}

void
queue_job_rest(struct queue *q, struct queue_job *job)
{
	if (job->heap != 0)
		queue_heap_take(q, job);
	if (job->state == JOB_READY) {
		line_take(line_of(job->site, job->message->tenant), job);
		job->site->ready_count--;
		site_place(q, job->site);
	}
	job->state = JOB_RESTS;
}

void
queue_job_ready(struct queue *q, struct queue_job *job)
{
	struct queue_line *line = line_of(job->site, job->message->tenant);

	if (line == NULL) { /* no memory: a little later */
		queue_job_due(q, job, queue_now_ms() + CLOCK_NAP_MS);
		return;
	}
	queue_job_rest(q, job);
	job->state = JOB_READY;
	job->prev = line->last;
	if (line->last == NULL)
		line->first = job;
	else
		line->last->next = job;
	line->last = job;
	job->site->ready_count++;
	site_place(q, job->site);
	if (job->site->in_ready)
		wake(q);
}

void
queue_job_due(struct queue *q, struct queue_job *job, uint64_t due_ms)
{
	queue_job_rest(q, job);
	job->due_ms = due_ms;
	if (!heap_put(q, job)) {
		/* No memory: it is tried at the next start. */
		job->state = JOB_RESTS;
		return;
	}
	job->state = JOB_DUE;
	if (job->heap == 1)
		(void)pthread_cond_signal(&q->clock_cond);
}

void
queue_message_schedule(struct queue *q, struct queue_message *m)
{
	uint64_t now = queue_now_ms();

	for (uint32_t i = 0; i < m->job_count; i++) {
		struct queue_job *job = &m->jobs[i];
		bool waits = false;

		for (uint32_t k = 0; k < job->count; k++)
			waits |= m->recipients[job->first + k].state ==
				 QUEUE_WAITING;
		if (!waits || m->held || m->frozen || job->state == JOB_BUSY)
			continue;
		if (job->due_ms <= now)
			queue_job_ready(q, job);
		else
			queue_job_due(q, job, job->due_ms);
	}
}

/* ---- the clock ---- */

/* Jobs whose time has come; answers how long there is nothing to do. */
static uint64_t
clock_turn(struct queue *q)
{
	uint64_t now = queue_now_ms();

	while (q->heap_len > 0 && q->heap[0]->due_ms <= now)
		queue_job_ready(q, q->heap[0]);
	if (q->heap_len == 0 || q->heap[0]->due_ms - now > CLOCK_NAP_MS)
		return CLOCK_NAP_MS;
	return q->heap[0]->due_ms - now;
}

void *
queue_clock_run(void *arg)
{
	struct queue *q = arg;

	(void)pthread_mutex_lock(&q->mutex);
	while (!q->stopping) {
		uint64_t at = queue_now_ms() + clock_turn(q);
		struct timespec until = {
			.tv_sec = (time_t)(at / 1000),
			.tv_nsec = (long)(at % 1000) * 1000000,
		};

		(void)pthread_cond_timedwait(&q->clock_cond, &q->mutex, &until);
	}
	(void)pthread_mutex_unlock(&q->mutex);
	return NULL;
}

/* ---- giving out ---- */

/* The first of the tenant whose turn it is, who then goes to the end. */
static struct queue_job *
line_turn(struct queue_site *s)
{
	struct queue_line **at = &s->lines, *line, **end;
	struct queue_job *job;

	while ((*at)->first == NULL)
		at = &(*at)->next;
	line = *at;
	job = line->first;
	*at = line->next;
	line->next = NULL;
	end = at;
	while (*end != NULL)
		end = &(*end)->next;
	*end = line;
	return job;
}

/* False: not now after all; it was given another time. */
static bool
job_give(struct queue *q, struct queue_job *job, bool fresh)
{
	uint64_t now = queue_now_ms();
	struct queue_site *s = job->site;

	queue_job_rest(q, job);
	if (job->message->moving) {
		queue_job_due(q, job, now + MOVING_MS);
		return false;
	}
	job->down = s->down_until_ms > now;
	job->state = JOB_BUSY;
	job->message->busy++;
	if (fresh)
		s->active++;
	site_place(q, s);
	return true;
}

struct queue_job *
queue_take(struct queue *q, unsigned wait_ms)
{
	uint64_t at = queue_now_ms() + wait_ms;
	struct timespec until = {
		.tv_sec = (time_t)(at / 1000),
		.tv_nsec = (long)(at % 1000) * 1000000,
	};
	struct queue_job *job = NULL;
	int late = 0;

	(void)pthread_mutex_lock(&q->mutex);
	while (!q->stopping && job == NULL) {
		struct queue_site *s = q->ready_first;

		if (s == NULL && late != 0)
			break;
		if (s == NULL) {
			q->idle++;
			late = pthread_cond_timedwait(
			    &q->work_cond, &q->mutex, &until);
			q->idle--;
			continue;
		}
		job = line_turn(s);
		if (!job_give(q, job, true)) {
			job = NULL;
			continue;
		}
		/* Its turn is over. */
		if (s->in_ready && s != q->ready_last) {
			uint32_t ready = s->ready_count;

			s->ready_count = 0;
			site_place(q, s);
			s->ready_count = ready;
			site_place(q, s);
		}
	}
	if (q->ready_first != NULL && job != NULL)
		wake(q);
	(void)pthread_mutex_unlock(&q->mutex);
	return job;
}

struct queue_job *
queue_take_same(struct queue *q, struct queue_site *site)
{
	struct queue_job *job = NULL;

	(void)pthread_mutex_lock(&q->mutex);
	while (!q->stopping && job == NULL && site->ready_count > 0) {
		job = line_turn(site);
		if (!job_give(q, job, false))
			job = NULL;
	}
	(void)pthread_mutex_unlock(&q->mutex);
	return job;
}

void
queue_leave(struct queue *q, struct queue_site *site)
{
	(void)pthread_mutex_lock(&q->mutex);
	site->active--;
	site_place(q, site);
	if (site->in_ready)
		wake(q);
	queue_site_idle(q, site);
	(void)pthread_mutex_unlock(&q->mutex);
}
