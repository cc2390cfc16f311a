/* SPDX-License-Identifier: BSD-2-Clause */
/* The milter's side: which engines and scanners there are, and who has one. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/packet.h"
#include "common/reactor.h"
#include "milters/scan.h"

/* An engine that did not come up is tried again after this. */
#define RETRY_MS 10000
/* One that died under way. */
#define AGAIN_MS 1000
/* A message waits so long for a free scanner, or for the first engine. */
#define QUEUE_MS 60000
#define FIRST_MS 20000
/* libclamav ends a scan by itself; a scanner that takes longer hangs. */
#define HANG_MS 5000
/* Engines at a time: the one in force, its successor, and one whose scanners
 * still work. */
#define ENGINES_MAX 4

struct engine {
	struct engine *next;
	int fd;
	unsigned scanners; /* that the milter has */
	bool ready, retired;
};

struct scanner {
	struct scanner *next;
	struct engine *engine;
	uint64_t number;
	int fd;
};

struct scan_pool {
	struct scan_limits limits;
	struct counters *counters;
	int nursery, wake;
	pthread_t thread;
	bool threaded;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct engine *engines; /* newest first */
	struct scanner *idle;
	bool loading;      /* an engine is on its way */
	bool wanted;       /* another one is to be loaded */
	bool broken;       /* the last one did not load */
	uint64_t retry_ms; /* 0: nothing is to be tried again */
	bool ending;
	char why[256]; /* it is broken */
};

/* ---- beginning and end ----------------------------------------------------
 */

int
scan_pool_new(const struct scan_options *options, struct scan_pool **pool_out,
    struct err *err)
{
	struct scan_pool *pool = calloc(1, sizeof(*pool));
	pthread_condattr_t attr;
	int ends[2];
	pid_t pid;

	if (pool == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	pool->limits = options->limits;
	pool->counters = options->counters;
	pool->nursery = -1;
	(void)pthread_mutex_init(&pool->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&pool->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	*pool_out = pool;
	pool->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->wake == -1)
		return err_sys(err, "eventfd");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
		return err_sys(err, "socketpair");
	pool->nursery = ends[0];
	pid = fork();
	if (pid == 0)
		scan_nursery(ends[1], options);
	fd_close(ends[1]);
	return pid == -1 ? err_sys(err, "fork") : 0;
}

static void
engine_free(struct scan_pool *pool, struct engine *e)
{
	struct engine **at = &pool->engines;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	fd_close(e->fd);
	free(e);
}

void
scan_pool_free(struct scan_pool *pool)
{
	uint64_t one = 1;

	if (pool == NULL)
		return;
	(void)pthread_mutex_lock(&pool->lock);
	pool->ending = true;
	(void)pthread_cond_broadcast(&pool->changed);
	(void)pthread_mutex_unlock(&pool->lock);
	(void)!write(pool->wake, &one, sizeof(one));
	if (pool->threaded)
		(void)pthread_join(pool->thread, NULL);
	while (pool->idle != NULL) {
		struct scanner *s = pool->idle;

		pool->idle = s->next;
		fd_close(s->fd);
		free(s);
	}
	while (pool->engines != NULL)
		engine_free(pool, pool->engines);
	fd_close(pool->nursery);
	fd_close(pool->wake);
	(void)pthread_cond_destroy(&pool->changed);
	(void)pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* ---- engines: on the pool's thread, with the lock -------------------------
 */

static void
count_engine(struct scan_pool *pool, uint64_t signatures)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	counter_set(pool->counters, COUNTER_SIGNATURES, signatures);
	counter_set(
	    pool->counters, COUNTER_SIGNATURES_TIME, (uint64_t)now.tv_sec);
}

/* Nobody needs it any more: it ends when it sees the socket closed. */
static void
engine_settle(struct scan_pool *pool, struct engine *e)
{
	if (e->retired && e->scanners == 0)
		engine_free(pool, e);
}

static void
scanner_drop(struct scan_pool *pool, struct scanner *s)
{
	struct engine *e = s->engine;

	fd_close(s->fd);
	free(s);
	e->scanners--;
	engine_settle(pool, e);
}

/* Its idle scanners go at once, busy ones when they are done. */
static void
engine_retire(struct scan_pool *pool, struct engine *e)
{
	struct scanner **at = &pool->idle;

	e->retired = true;
	e->scanners++; /* keeps it until the loop is done */
	while (*at != NULL) {
		struct scanner *s = *at;

		if (s->engine != e) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		scanner_drop(pool, s);
	}
	e->scanners--;
	engine_settle(pool, e);
}

static void
engine_ready(struct scan_pool *pool, struct engine *e, uint64_t signatures)
{
	struct engine *other = pool->engines, *next;

	e->ready = true;
	pool->loading = pool->broken = false;
	pool->retry_ms = 0;
	for (; other != NULL; other = next) {
		next = other->next;
		if (other != e && !other->retired)
			engine_retire(pool, other);
	}
	count_engine(pool, signatures);
	log_info(&log_process, "signatures loaded",
	    log_u64("signatures", signatures));
	(void)pthread_cond_broadcast(&pool->changed);
}

/* The alarm: an operator must act, or mail is deferred. */
static void
engine_broken(struct scan_pool *pool, struct engine *e, const char *why)
{
	bool first = e == NULL || !e->ready;

	if (e != NULL && e->retired)
		why = NULL; /* it did what it was told to */
	if (e != NULL && !e->retired)
		engine_retire(pool, e);
	if (why == NULL)
		return;
	pool->loading = false;
	pool->broken = true;
	(void)snprintf(pool->why, sizeof(pool->why), "%s", why);
	for (e = pool->engines; e != NULL; e = e->next)
		if (e->ready && !e->retired)
			pool->broken = false;
	pool->retry_ms = clock_ms() + (first ? RETRY_MS : AGAIN_MS);
	if (pool->broken)
		count_engine(pool, 0);
	log_error(&log_process,
	    pool->broken ? "no signatures: mail is deferred"
			 : "new signatures not loaded: the old ones stay",
	    log_str("why", why));
	(void)pthread_cond_broadcast(&pool->changed);
}

static void
scanner_add(struct scan_pool *pool, struct engine *e, uint64_t number, int fd)
{
	struct scanner *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		fd_close(fd);
		return;
	}
	*s = (struct scanner){ pool->idle, e, number, fd };
	pool->idle = s;
	e->scanners++;
	if (e->retired)
		engine_retire(pool, e);
	else
		(void)pthread_cond_signal(&pool->changed);
}

static void
engine_said(struct scan_pool *pool, struct engine *e)
{
	struct scan_packet p;
	int fd;

	if (scan_recv(e->fd, &p, &fd, 0, NULL) == -1) {
		engine_broken(pool, e,
		    e->ready ? "the engine died" : "the engine died loading");
		return;
	}
	if (p.word == SCAN_SCANNER && fd != -1) {
		scanner_add(pool, e, p.number, fd);
		return;
	}
	fd_close(fd);
	if (p.word == SCAN_READY)
		engine_ready(pool, e, p.number);
	else if (p.word == SCAN_BROKEN)
		engine_broken(pool, e, p.text);
	else if (p.word == SCAN_CHANGED)
		pool->wanted = true;
}

static void
nursery_said(struct scan_pool *pool)
{
	struct scan_packet p;
	struct engine *e;
	int fd;

	if (scan_recv(pool->nursery, &p, &fd, 0, NULL) == -1) {
		/* hikyakud starts the whole anew. */
		log_error(&log_process, "the nursery of engines died");
		_exit(1);
	}
	e = p.word == SCAN_ENGINE && fd != -1 ? calloc(1, sizeof(*e)) : NULL;
	if (e == NULL) {
		fd_close(fd);
		engine_broken(pool, NULL, "no engine comes");
		return;
	}
	*e = (struct engine){ .next = pool->engines, .fd = fd };
	pool->engines = e;
}

static void
load_if_wanted(struct scan_pool *pool)
{
	if (pool->retry_ms != 0 && clock_ms() >= pool->retry_ms) {
		pool->retry_ms = 0;
		pool->wanted = true;
	}
	if (!pool->wanted || pool->loading)
		return;
	pool->wanted = false;
	pool->loading = true;
	if (scan_send(pool->nursery, SCAN_LOAD, 0, NULL, -1, NULL) == -1)
		engine_broken(pool, NULL, "the nursery is gone");
}

/* ---- the pool's thread ----------------------------------------------------
 */

static size_t
pool_watch(struct scan_pool *pool, struct pollfd *p, struct engine **of)
{
	size_t n = 2;

	p[0] = (struct pollfd){ .fd = pool->nursery, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = pool->wake, .events = POLLIN };
	/* One that is retired has only its end to tell. */
	for (struct engine *e = pool->engines; e != NULL && n < ENGINES_MAX + 2;
	     e = e->next) {
		if (e->retired)
			continue;
		of[n] = e;
		p[n++] = (struct pollfd){ .fd = e->fd, .events = POLLIN };
	}
	return n;
}

static void *
pool_run(void *arg)
{
	struct scan_pool *pool = arg;

	(void)pthread_mutex_lock(&pool->lock);
	while (!pool->ending) {
		struct pollfd p[ENGINES_MAX + 2];
		struct engine *of[ENGINES_MAX + 2];
		uint64_t told;
		size_t n;

		load_if_wanted(pool);
		n = pool_watch(pool, p, of);
		(void)pthread_mutex_unlock(&pool->lock);
		(void)poll(p, n, pool->retry_ms == 0 ? -1 : 1000);
		(void)pthread_mutex_lock(&pool->lock);
		if (p[1].revents != 0)
			(void)!read(pool->wake, &told, sizeof(told));
		if (p[0].revents != 0 && !pool->ending)
			nursery_said(pool);
		/* One event may free several: look anew after it. */
		for (size_t i = 2; i < n; i++)
			if (p[i].revents != 0) {
				engine_said(pool, of[i]);
				break;
			}
	}
	(void)pthread_mutex_unlock(&pool->lock);
	return NULL;
}

int
scan_pool_start(struct scan_pool *pool, struct err *err)
{
	pool->wanted = true;
	errno = pthread_create(&pool->thread, NULL, pool_run, pool);
	if (errno != 0)
		return err_sys(err, "thread of scanners");
	pool->threaded = true;
	return 0;
}

static void
pool_wake(struct scan_pool *pool)
{
	uint64_t one = 1;

	(void)!write(pool->wake, &one, sizeof(one));
}

void
scan_pool_reload(struct scan_pool *pool)
{
	(void)pthread_mutex_lock(&pool->lock);
	pool->wanted = true;
	(void)pthread_mutex_unlock(&pool->lock);
	pool_wake(pool);
}

/* ---- scanning -------------------------------------------------------------
 */

static void __attribute__((format(printf, 2, 3)))
failed(struct scan_answer *out, const char *format, ...)
{
	va_list args;

	memset(out, 0, sizeof(*out));
	out->result = SCAN_FAILED;
	va_start(args, format);
	(void)vsnprintf(out->name, sizeof(out->name), format, args);
	va_end(args);
}

static bool
engine_in_force(const struct scan_pool *pool)
{
	for (const struct engine *e = pool->engines; e != NULL; e = e->next)
		if (e->ready && !e->retired)
			return true;
	return false;
}

static struct scanner *
scanner_take(struct scan_pool *pool, struct scan_answer *out)
{
	struct scanner *s = NULL;
	struct timespec until;
	int result = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	(void)pthread_mutex_lock(&pool->lock);
	until.tv_sec += (engine_in_force(pool) ? QUEUE_MS : FIRST_MS) / 1000;
	while (
	    pool->idle == NULL && !pool->broken && !pool->ending && result == 0)
		result =
		    pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
	s = pool->idle;
	if (s != NULL)
		pool->idle = s->next;
	else if (pool->broken)
		failed(out, "no signatures: %.100s", pool->why);
	else
		failed(out, "no scanner is free");
	(void)pthread_mutex_unlock(&pool->lock);
	return s;
}

static void
scanner_give(struct scan_pool *pool, struct scanner *s)
{
	(void)pthread_mutex_lock(&pool->lock);
	if (s->engine->retired) {
		scanner_drop(pool, s);
	} else {
		s->next = pool->idle;
		pool->idle = s;
		(void)pthread_cond_signal(&pool->changed);
	}
	(void)pthread_mutex_unlock(&pool->lock);
}

/* Dead or hanging: its engine makes another one. */
static void
scanner_lose(struct scan_pool *pool, struct scanner *s)
{
	counter_add(pool->counters, COUNTER_SCANNERS_LOST, 1);
	(void)pthread_mutex_lock(&pool->lock);
	/* Nothing happens if it is gone already: no other has its number. */
	(void)scan_send(s->engine->fd, SCAN_KILL, s->number, NULL, -1, NULL);
	scanner_drop(pool, s);
	(void)pthread_mutex_unlock(&pool->lock);
}

static int
scanner_answer(struct scanner *s, uint64_t wait_ms, struct scan_answer *out,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf room;
	int none[1];
	size_t fds = 0;

	buf_init(&room, PACKET_MAX);
	if (packet_recv(s->fd, &room, none, 0, &fds, (int)wait_ms, err) == -1)
		return -1;
	if (room.len != sizeof(*out))
		return err_set(err, ERR_SYNTAX, "an answer of another shape");
	memcpy(out, room.data, sizeof(*out));
	out->name[sizeof(out->name) - 1] = '\0';
	/* It may be in a stranger's hands: nothing but these words is taken. */
	if (out->result > SCAN_FAILED)
		return err_set(err, ERR_SYNTAX, "an answer that is none");
	for (char *p = out->name; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return 0;
}

static uint64_t
hang_ms(const struct scan_pool *pool)
{
	uint64_t time_ms = pool->limits.time_ms;

	return time_ms + (time_ms < HANG_MS ? time_ms : HANG_MS);
}

/* A scanner that is alive has the message when it answers 0. */
static struct scanner *
scanner_hand(
    struct scan_pool *pool, int fd, uint64_t octets, struct scan_answer *out)
{
	struct scanner *s;

	while ((s = scanner_take(pool, out)) != NULL) {
		if (scan_send(s->fd, SCAN_TASK, octets, NULL, fd, NULL) == 0)
			return s;
		/* It died while it had nothing to do. */
		scanner_lose(pool, s);
	}
	return NULL;
}

void
scan_pool_scan(struct scan_pool *pool, int fd, uint64_t octets,
    struct scan_answer *answer_out)
{
	/* It may have been about to die before the message came: one more is
	 * tried, and no third. */
	for (int tries = 0; tries < 2; tries++) {
		struct scanner *s = scanner_hand(pool, fd, octets, answer_out);
		struct err err = ERR_INIT;

		if (s == NULL)
			return;
		if (scanner_answer(s, hang_ms(pool), answer_out, &err) == 0) {
			scanner_give(pool, s);
			return;
		}
		scanner_lose(pool, s);
		failed(answer_out, "%s",
		    err.kind == ERR_CLOSED ? "the scanner died"
					   : "the scanner hangs");
		if (err.kind != ERR_CLOSED)
			return;
	}
}
