/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The workers and what they take from: deferred calls first, then ready conns,
 * tenants in turn.
 *
 * Threads start when there is work and nobody idle to do it, and go after
 * WORKER_IDLE_S without any, down to one: a session process of a quiet brand
 * keeps a single stack.
 */
#include "common/reactor_private.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "common/conn_private.h"
#include "common/log.h"

#define WORKER_IDLE_S 20
/* Called at once without the lock; seldom are there more. */
#define CALLED_MAX 32
/* Session code, OpenSSL and Berkeley DB fit many times; only touched pages
 * cost anything. */
#define WORKER_STACK (2u << 20)

/* ---- tenants ----------------------------------------------------------------
 */

static unsigned
bucket_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash % TENANT_BUCKETS;
}

struct tenant_queue *
queue_tenant_ref(struct run_queue *q, const char *name)
{
	struct tenant_queue **bucket, *t;

	if (name == NULL || name[0] == '\0')
		return &q->nobody;
	bucket = &q->buckets[bucket_of(name)];
	for (t = *bucket; t != NULL; t = t->bucket_next) {
		if (strcmp(t->name, name) == 0) {
			t->refs++;
			return t;
		}
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->name = strdup(name);
	if (t->name == NULL) {
		free(t);
		return NULL;
	}
	t->refs = 1;
	t->bucket_next = *bucket;
	*bucket = t;
	return t;
}

void
queue_tenant_unref(struct run_queue *q, struct tenant_queue *t)
{
	struct tenant_queue **at;

	if (t == &q->nobody || --t->refs > 0)
		return;
	for (at = &q->buckets[bucket_of(t->name)]; *at != t;
	     at = &(*at)->bucket_next)
		;
	*at = t->bucket_next;
	free(t->name);
	free(t);
}

/* ---- the queue ------------------------------------------------------ */

static void
ring_add(struct reactor *r, struct tenant_queue *t)
{
	struct run_queue *q = &r->queue;
	unsigned most =
	    t == &q->nobody ? r->options.workers : r->options.tenant_workers;

	if (t->in_ring || t->head == NULL || t->running >= most)
		return;
	t->in_ring = true;
	t->ring_next = NULL;
	if (q->ring_head == NULL)
		q->ring_head = t;
	else
		q->ring_tail->ring_next = t;
	q->ring_tail = t;
}

void
work_own(struct conn *c)
{
	c->tenant->running++;
	c->state = CONN_RUNNING;
	c->readable |= (c->fired & 1) != 0;
	if ((c->fired & 2) != 0)
		c->relay->readable = true;
	c->fired = 0;
}

/* The next conn, now owned by the calling worker; NULL: nothing to do. */
static struct conn *
queue_take(struct reactor *r)
{
	struct tenant_queue *t = r->queue.ring_head;
	struct conn *c;

	if (t == NULL)
		return NULL;
	r->queue.ring_head = t->ring_next;
	t->in_ring = false;
	c = t->head;
	t->head = c->queue_next;
	work_own(c);
	ring_add(r, t);
	return c;
}

static void *worker_main(void *arg);

static void
worker_spawn(struct reactor *r)
{
	pthread_attr_t attr;
	sigset_t all, before;
	unsigned i;

	for (i = 0; r->workers[i].state == WORKER_LIVE; i++)
		;
	if (r->workers[i].state == WORKER_EXITED)
		(void)pthread_join(r->workers[i].thread, NULL);
	r->workers[i].state = WORKER_NONE;
	r->workers[i].reactor = r;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, WORKER_STACK);
	/* Signals are the main thread's business. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&r->workers[i].thread, &attr, worker_main,
		&r->workers[i]) == 0) {
		r->workers[i].state = WORKER_LIVE;
		r->workers_live++;
	} else if (r->workers_live == 0) {
		log_error(&log_process, "no worker thread can be started");
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
}

void
reactor_unlock(struct reactor *r)
{
	struct worker *called[CALLED_MAX], *w = STEAL(r->called);
	size_t count = 0;

	for (; w != NULL; w = w->called_next) {
		if (count < CALLED_MAX)
			called[count++] = w;
		else
			(void)sem_post(&w->call);
	}
	(void)pthread_mutex_unlock(&r->lock);
	for (size_t i = 0; i < count; i++)
		(void)sem_post(&called[i]->call);
}

/* Somebody takes up what was just queued. */
static void
work_notify(struct reactor *r)
{
	struct worker *w = r->idle;

	if (w != NULL) {
		r->idle = w->idle_next;
		w->idle = false;
		w->called_next = r->called;
		r->called = w;
	} else if (r->workers_live < r->options.workers && !r->ending) {
		worker_spawn(r);
	}
}

void
work_add(struct reactor *r, struct conn *c)
{
	struct tenant_queue *t = c->tenant;

	c->state = CONN_QUEUED;
	c->queue_next = NULL;
	if (t->head == NULL)
		t->head = c;
	else
		t->tail->queue_next = c;
	t->tail = c;
	ring_add(r, t);
	if (t->in_ring)
		work_notify(r);
}

void
work_release(struct reactor *r, struct conn *c)
{
	c->tenant->running--;
	ring_add(r, c->tenant);
}

int
work_move(struct reactor *r, struct conn *c, const char *tenant)
{
	struct tenant_queue *to = queue_tenant_ref(&r->queue, tenant);

	if (to == NULL)
		return -1;
	work_release(r, c);
	to->running++;
	if (c->tenant->in_ring)
		work_notify(r);
	queue_tenant_unref(&r->queue, c->tenant);
	c->tenant = to;
	return 0;
}

int
reactor_defer(
    struct reactor *r, void (*run)(void *arg), void *arg, struct err *err)
{
	struct task *task = malloc(sizeof(*task));

	if (task == NULL)
		return err_sys(err, "deferred call");
	*task = (struct task){ .run = run, .arg = arg };
	(void)pthread_mutex_lock(&r->lock);
	if (r->queue.task_head == NULL)
		r->queue.task_head = task;
	else
		r->queue.task_tail->next = task;
	r->queue.task_tail = task;
	work_notify(r);
	reactor_unlock(r);
	return 0;
}

/* ---- workers ----------------------------------------------------------------
 */

/* Takes w out of the stack of idle workers; false: it was called already. */
static bool
worker_leave_idle(struct reactor *r, struct worker *w)
{
	struct worker **at = &r->idle;

	if (!w->idle)
		return false;
	while (*at != w)
		at = &(*at)->idle_next;
	*at = w->idle_next;
	w->idle = false;
	return true;
}

/* Waits for work; false: there was none for long, and others are left. */
static bool
worker_wait(struct reactor *r, struct worker *w)
{
	bool last = r->workers_live == 1;
	struct timespec until;
	int failed;

	w->idle = true;
	w->idle_next = r->idle;
	r->idle = w;
	reactor_unlock(r);
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WORKER_IDLE_S;
	/* The last one sleeps through: others that come later go before it. */
	do
		failed = last
			     ? sem_wait(&w->call)
			     : sem_clockwait(&w->call, CLOCK_MONOTONIC, &until);
	while (failed == -1 && errno == EINTR);
	(void)pthread_mutex_lock(&r->lock);
	if (failed == 0)
		return true;
	/* Called between the end of its patience and the lock: it stays. */
	if (!worker_leave_idle(r, w)) {
		(void)sem_wait(&w->call);
		return true;
	}
	return r->workers_live == 1;
}

static bool
worker_task(struct reactor *r)
{
	struct task *task = r->queue.task_head;

	if (task == NULL)
		return false;
	r->queue.task_head = task->next;
	reactor_unlock(r);
	task->run(task->arg);
	free(task);
	(void)pthread_mutex_lock(&r->lock);
	return true;
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;
	struct reactor *r = w->reactor;
	struct conn *c;

	(void)pthread_mutex_lock(&r->lock);
	while (!r->ending) {
		if (worker_task(r))
			continue;
		c = queue_take(r);
		if (c != NULL) {
			reactor_unlock(r);
			conn_run(c);
			(void)pthread_mutex_lock(&r->lock);
		} else if (!worker_wait(r, w) && r->queue.task_head == NULL &&
			   r->queue.ring_head == NULL) {
			break;
		}
	}
	w->state = WORKER_EXITED;
	r->workers_live--;
	reactor_unlock(r);
	return NULL;
}

void
work_end(struct reactor *r)
{
	struct task *task;
	unsigned i;

	(void)pthread_mutex_lock(&r->lock);
	r->ending = true;
	while (r->idle != NULL)
		work_notify(r);
	reactor_unlock(r);

	for (i = 0; i < r->options.workers; i++) {
		/* Nobody starts threads any more; states only settle. */
		(void)pthread_mutex_lock(&r->lock);
		bool started = r->workers[i].state != WORKER_NONE;
		reactor_unlock(r);
		if (started)
			(void)pthread_join(r->workers[i].thread, NULL);
		r->workers[i].state = WORKER_NONE;
	}
	while ((task = STEAL(r->queue.task_head)) != NULL) {
		r->queue.task_head = task->next;
		task->run(task->arg);
		free(task);
	}
}
