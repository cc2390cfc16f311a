/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/hashing.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/reactor.h"

enum {
	THREADS_MAX = 64,
	BUCKETS = 256,
	YIELD = 10 /* of nice */
};

struct task {
	struct task *next;
	uint64_t until_ms;
	void (*run)(void *arg, bool in_time);
	void *arg;
};

struct tasks {
	struct task *head, *tail;
	unsigned len;
};

/* A tenant with somebody waiting or running. */
struct queue {
	struct queue *bucket_next, *ring_next;
	char tenant[TENANT_NAME_MAX + 1];
	struct tasks tasks;
	unsigned running;
	bool in_ring;
};

/* Threads and who waits for them. */
struct pool {
	unsigned threads_max, running_max, waiting_max, wait_ms;
	bool yields; /* its threads give way to all others */
	pthread_t threads[THREADS_MAX];
	unsigned threads_len;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t added;
	struct queue *buckets[BUCKETS];
	/* Tenants whose turn comes: with a task and below running_max. */
	struct queue *ring_head, *ring_tail;
	bool ending;
};

/* What has no mark, and what has. */
struct hashing {
	struct pool *pools[2];
};

static struct pool *
pool_new(unsigned threads, unsigned waiting, unsigned wait_ms)
{
	struct pool *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->threads_max = threads;
	h->running_max = threads < 2 ? 1 : threads / 2;
	h->waiting_max = waiting;
	h->wait_ms = wait_ms;
	(void)pthread_mutex_init(&h->lock, NULL);
	(void)pthread_cond_init(&h->added, NULL);
	return h;
}

int
hashing_new(unsigned threads, unsigned waiting, unsigned wait_ms,
    struct hashing **hashing_out, struct err *err)
{
	CLEANUP(hashing_free) struct hashing *h = calloc(1, sizeof(*h));
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (h == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	if (threads == 0)
		threads = processors < 1 ? 1 : (unsigned)processors;
	/* With one alone, a tenant could keep it from all others. */
	if (threads < 2)
		threads = 2;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	h->pools[0] = pool_new(threads, waiting, wait_ms);
	h->pools[1] = pool_new(threads / 2, waiting, wait_ms);
	if (h->pools[0] == NULL || h->pools[1] == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	h->pools[1]->yields = true;
	*hashing_out = STEAL(h);
	return 0;
}

/* ---- queues ------------------------------------------------------------- */

static struct queue **
queue_find(struct pool *h, const char *tenant)
{
	uint32_t hash = 2166136261u;
	struct queue **at;

	for (const char *p = tenant; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	at = &h->buckets[hash % BUCKETS];
	while (*at != NULL && strcmp((*at)->tenant, tenant) != 0)
		at = &(*at)->bucket_next;
	return at;
}

static struct queue *
queue_of(struct pool *h, const char *tenant)
{
	struct queue **at = queue_find(h, tenant), *q = *at;

	if (q != NULL)
		return q;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return NULL;
	(void)snprintf(q->tenant, sizeof(q->tenant), "%s", tenant);
	*at = q;
	return q;
}

static bool
queue_waits(const struct queue *q)
{
	return q->tasks.len > 0;
}

static void
queue_enter_ring(struct pool *h, struct queue *q)
{
	if (q->in_ring || q->running >= h->running_max || !queue_waits(q))
		return;
	q->in_ring = true;
	q->ring_next = NULL;
	if (h->ring_head == NULL)
		h->ring_head = q;
	else
		h->ring_tail->ring_next = q;
	h->ring_tail = q;
}

static void
queue_release(struct pool *h, struct queue *q)
{
	if (q->running > 0 || queue_waits(q))
		return;
	*queue_find(h, q->tenant) = q->bucket_next;
	free(q);
}

static void
tasks_add(struct tasks *t, struct task *task)
{
	if (t->head == NULL)
		t->head = task;
	else
		t->tail->next = task;
	t->tail = task;
	t->len++;
}

static struct task *
tasks_take(struct tasks *t)
{
	struct task *task = t->head;

	t->head = task->next;
	t->len--;
	return task;
}

int
hashing_add(struct hashing *hashing, const struct turn *turn,
    void (*run)(void *arg, bool in_time), void *arg, struct err *err)
{
	struct pool *h = hashing->pools[turn->marked];
	CLEANUP(mem_free) struct task *task = calloc(1, sizeof(*task));
	struct queue *q = NULL;
	bool full = false;

	if (task == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	*task = (struct task){
		.until_ms = clock_ms() + h->wait_ms, .run = run, .arg = arg
	};
	(void)pthread_mutex_lock(&h->lock);
	q = queue_of(h, turn->tenant);
	if (q != NULL) {
		full = q->tasks.len >= h->waiting_max;
		if (!full) {
			tasks_add(&q->tasks, STEAL(task));
			queue_enter_ring(h, q);
			(void)pthread_cond_signal(&h->added);
		}
	}
	(void)pthread_mutex_unlock(&h->lock);
	if (q == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	if (full)
		return err_set(err, ERR_TEMP,
		    "tenant %s: too many passwords to check at once",
		    turn->tenant);
	return 0;
}

/* ---- threads ------------------------------------------------------------ */

/* The next task and whose it is; NULL: the end. */
static struct task *
task_next(struct pool *h, struct queue **q_out)
{
	struct queue *q;

	while (h->ring_head == NULL && !h->ending)
		(void)pthread_cond_wait(&h->added, &h->lock);
	if (h->ending)
		return NULL;
	q = h->ring_head;
	h->ring_head = q->ring_next;
	q->in_ring = false;
	q->running++;
	*q_out = q;
	return tasks_take(&q->tasks);
}

static void *
thread_main(void *arg)
{
	struct pool *h = arg;
	struct queue *q = NULL;
	struct task *task;

	/* The calling thread's own; a guess must not slow a session down. */
	errno = 0; /* -1 is a priority, too */
	if (h->yields && nice(YIELD) == -1 && errno != 0)
		log_warning(&log_process, "no lower priority for guesses");
	(void)pthread_mutex_lock(&h->lock);
	while ((task = task_next(h, &q)) != NULL) {
		/* Another thread may go on with the same tenant. */
		queue_enter_ring(h, q);
		(void)pthread_mutex_unlock(&h->lock);
		task->run(task->arg, clock_ms() <= task->until_ms);
		free(task);
		(void)pthread_mutex_lock(&h->lock);
		q->running--;
		queue_enter_ring(h, q);
		queue_release(h, q);
	}
	(void)pthread_mutex_unlock(&h->lock);
	return NULL;
}

static int
pool_start(struct pool *h, struct err *err)
{
	while (h->threads_len < h->threads_max) {
		if (pthread_create(
			&h->threads[h->threads_len], NULL, thread_main, h) != 0)
			return err_set(err, ERR_TEMP, "no thread for hashes");
		h->threads_len++;
	}
	return 0;
}

int
hashing_start(struct hashing *h, struct err *err)
{
	return pool_start(h->pools[0], err) == -1
		   ? -1
		   : pool_start(h->pools[1], err);
}

static void
queues_end(struct queue *q)
{
	while (q != NULL) {
		struct queue *next = q->bucket_next;

		while (queue_waits(q)) {
			struct task *task = tasks_take(&q->tasks);

			task->run(task->arg, false);
			free(task);
		}
		free(q);
		q = next;
	}
}

static void
pool_free(struct pool *h)
{
	if (h == NULL)
		return;
	(void)pthread_mutex_lock(&h->lock);
	h->ending = true;
	(void)pthread_cond_broadcast(&h->added);
	(void)pthread_mutex_unlock(&h->lock);
	for (unsigned i = 0; i < h->threads_len; i++)
		(void)pthread_join(h->threads[i], NULL);
	for (size_t i = 0; i < BUCKETS; i++)
		queues_end(h->buckets[i]);
	(void)pthread_cond_destroy(&h->added);
	(void)pthread_mutex_destroy(&h->lock);
	free(h);
}

void
hashing_free(struct hashing *h)
{
	if (h == NULL)
		return;
	pool_free(h->pools[0]);
	pool_free(h->pools[1]);
	free(h);
}
